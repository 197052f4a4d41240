/* rng.h - sources of random bytes for the guest: -object rng-random and rng-builtin. Main thread or under the BQL. */
#ifndef HOST_RNG_RNG_H
#define HOST_RNG_RNG_H

#include "host/base/osdep.h"

typedef struct RngSource RngSource;

/* rng-random: the file or device `filename`; NULL: the host kernel's generator (rng-builtin). NULL with errp: cannot open. */
RngSource *rng_source_new(const char *id, const char *filename, GError **errp);
RngSource *rng_source_find(const char *id); /* or NULL */
void rng_source_free(RngSource *s);
void rng_source_free_all(void);
/* Up to len bytes that are there at once; 0: none now. */
size_t rng_source_read(RngSource *s, uint8_t *buf, size_t len);
/* Calls fn once when there are bytes again, in the main loop. NULL: forget it. */
void rng_source_wait(RngSource *s, void (*fn)(void *opaque), void *opaque);
bool rng_source_take(RngSource *s); /* each serves one device; false: taken */
void rng_source_release(RngSource *s);

#endif
