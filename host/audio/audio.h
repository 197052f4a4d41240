/* audio.h - where sound goes: -audiodev none, wav (a file), sdl (the host's loudspeaker). Under the BQL. */
#ifndef HOST_AUDIO_AUDIO_H
#define HOST_AUDIO_AUDIO_H

#include "host/base/osdep.h"

typedef struct AudioDev AudioDev;

/* -audiodev DRIVER,id=ID[,prop=VALUE...] */
bool audio_new(const char *optstr, GError **errp);
AudioDev *audio_find(const char *id); /* NULL: none */
void audio_print_drivers(GString *out);
unsigned audio_rate(const AudioDev *a); /* frames per second */
/* n mono frames, in the order of the guest's time; goes to all channels. Never blocks for long: what a
 * loudspeaker cannot take is dropped. */
void audio_write(AudioDev *a, const int16_t *frames, unsigned n);
void audio_cleanup_all(void); /* completes files */

#endif
