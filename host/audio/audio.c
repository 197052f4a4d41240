/* audio.c - sound sinks: nothing, a WAV file, SDL
 * Spec: RIFF WAVE (Microsoft Multimedia Programming Interface, PCM format). Sixteen bits, little-endian.
 * Not modelled: recording, several sources mixed into one sink, other sample formats. */
#include "host/base/osdep.h"
#include "host/audio/audio.h"
#include "host/base/bitops.h"
#include "host/base/keyval.h"
#include "host/block/blkopts.h"
#if CONFIG_SDL
#include <SDL2/SDL.h>
#endif

enum { DEFAULT_RATE = 44100, WAV_HEADER = 44, BLOCK = 512, SDL_BUFFER = 1024, SDL_MAX_QUEUE_MS = 200 };
static const uint32_t WAV_MAX_BYTES = 0xffffff00u; /* sizes have 32 bits */

typedef enum Driver { DRIVER_NONE, DRIVER_WAV, DRIVER_SDL } Driver;
static const struct { const char *name, *desc; Driver driver; bool built; } drivers[] = {
    {"none", "sound is thrown away", DRIVER_NONE, true},
    {"wav", "into a file (path=)", DRIVER_WAV, true},
    {"sdl", "the host's loudspeaker", DRIVER_SDL, CONFIG_SDL},
};

struct AudioDev {
    char *id, *path;
    Driver driver;
    unsigned rate, channels;
    FILE *f;
    uint32_t bytes, header_bytes; /* of samples in the file; what its header says */
#if CONFIG_SDL
    SDL_AudioDeviceID sdl;
#endif
};
static GPtrArray *devs;

void audio_print_drivers(GString *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
        if (drivers[i].built)
            g_string_append_printf(out, "%-8s %s\n", drivers[i].name, drivers[i].desc);
}

/* ---- WAV ---- */

static bool wav_header(AudioDev *a)
{
    uint8_t h[WAV_HEADER] = "RIFF....WAVEfmt ";
    stl32(h + 4, WAV_HEADER - 8 + a->bytes);
    stl32(h + 16, 16);
    stl16(h + 20, 1); /* PCM */
    stl16(h + 22, (uint16_t)a->channels);
    stl32(h + 24, a->rate);
    stl32(h + 28, a->rate * a->channels * 2);
    stl16(h + 32, (uint16_t)(a->channels * 2));
    stl16(h + 34, 16);
    memcpy(h + 36, "data", 4);
    stl32(h + 40, a->bytes);
    a->header_bytes = a->bytes;
    return fseek(a->f, 0, SEEK_SET) == 0 && fwrite(h, 1, sizeof h, a->f) == sizeof h && fseek(a->f, 0, SEEK_END) == 0 &&
           fflush(a->f) == 0;
}

static void wav_write(AudioDev *a, const int16_t *s, unsigned samples)
{
    if (!a->f || a->bytes > WAV_MAX_BYTES - samples * 2)
        return;
    bool ok = fwrite(s, 2, samples, a->f) == samples;
    a->bytes += samples * 2;
    if (ok && a->bytes - a->header_bytes > a->rate * a->channels * 2) /* once in a second: true after a crash too */
        ok = wav_header(a);
    if (!ok) {
        warn_report("audiodev %s: cannot write '%s': %s; the sound ends here", a->id, a->path, g_strerror(errno));
        fclose(a->f);
        a->f = NULL;
    }
}

/* ---- life ---- */

static bool open_driver(AudioDev *a, GError **errp)
{
    if (a->driver == DRIVER_WAV) {
        a->f = fopen(a->path, "wbe");
        if (!a->f || !wav_header(a))
            return error_set_errno(errp, errno, "cannot write '%s'", a->path);
    }
#if CONFIG_SDL
    if (a->driver == DRIVER_SDL) {
        SDL_AudioSpec want = {.freq = (int)a->rate, .format = AUDIO_S16SYS, .channels = (Uint8)a->channels, .samples = SDL_BUFFER};
        if (SDL_InitSubSystem(SDL_INIT_AUDIO) < 0)
            return error_set(errp, "SDL has no sound here: %s (-audiodev none,id=%s)", SDL_GetError(), a->id);
        a->sdl = SDL_OpenAudioDevice(NULL, 0, &want, NULL, 0);
        if (!a->sdl)
            return error_set(errp, "SDL cannot open the sound device: %s", SDL_GetError());
        SDL_PauseAudioDevice(a->sdl, 0);
    }
#endif
    return true;
}

static void audio_free(gpointer opaque)
{
    AudioDev *a = opaque;
    if (a->f) {
        if (!wav_header(a) || ferror(a->f))
            warn_report("audiodev %s: cannot complete '%s'", a->id, a->path);
        fclose(a->f);
    }
#if CONFIG_SDL
    if (a->sdl)
        SDL_CloseAudioDevice(a->sdl);
#endif
    g_free(a->id);
    g_free(a->path);
    g_free(a);
}

static const char *driver_names(GString *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
        if (drivers[i].built)
            g_string_append_printf(out, "%s%s", out->len ? " " : "", drivers[i].name);
    return out->str;
}

static bool parse(AudioDev *a, const GPtrArray *kv, GError **errp)
{
    const char *name = keyval_get(kv, "driver"), *id = keyval_get(kv, "id"), *path = keyval_get(kv, "path"),
               *format = keyval_get(kv, "out.format");
    uint64_t rate = DEFAULT_RATE, channels = 2, period;
    size_t i = 0;
    g_autoptr(GString) names = g_string_new(NULL);

    while (i < ARRAY_SIZE(drivers) && !(name && drivers[i].built && g_str_equal(drivers[i].name, name)))
        i++;
    if (i == ARRAY_SIZE(drivers))
        return error_set(errp, "'%s' is no audio driver (choices: %s)", name ? name : "", driver_names(names));
    a->driver = drivers[i].driver;
    if (!keyval_check(kv, "audiodev", a->driver == DRIVER_WAV ? "driver id path timer-period out.frequency out.channels out.format"
                                                              : "driver id timer-period out.frequency out.channels out.format", errp) ||
        !keyval_uint(kv, "out.frequency", 8000, 192000, &rate, errp) ||
        !keyval_uint(kv, "out.channels", 1, 2, &channels, errp) ||
        !keyval_uint(kv, "timer-period", 1, 1000000, &period, errp))
        return false;
    if (format && !g_str_equal(format, "s16"))
        return error_set(errp, "out.format=%s (choices: s16)", format);
    if (!id || !*id)
        return error_set(errp, "an id is needed (id=NAME)");
    if (audio_find(id))
        return error_set(errp, "id=%s is taken", id);
    a->id = g_strdup(id);
    a->path = g_strdup(path ? path : "vireo.wav");
    a->rate = (unsigned)rate;
    a->channels = (unsigned)channels;
    return true;
}

/* A JSON object, as management programs write it, or key=value. NULL: an error. */
static GPtrArray *parse_text(const char *text, GError **errp)
{
    if (text[strspn(text, " \t\n")] != '{')
        return keyval_parse(text, "driver");
    g_autofree char *plain = blkopts_json_to_text(text, errp);
    return plain ? keyval_parse(plain, NULL) : NULL;
}

bool audio_new(const char *optstr, GError **errp)
{
    GPtrArray *kv = parse_text(optstr, errp);
    if (!kv)
        return false;
    AudioDev *a = g_new0(AudioDev, 1);
    bool ok = parse(a, kv, errp) && open_driver(a, errp);
    keyval_free(kv);
    if (!ok) {
        audio_free(a);
        return false;
    }
    if (!devs)
        devs = g_ptr_array_new_with_free_func(audio_free);
    g_ptr_array_add(devs, a);
    return true;
}

AudioDev *audio_find(const char *id)
{
    for (guint i = 0; devs && i < devs->len; i++)
        if (g_str_equal(((AudioDev *)devs->pdata[i])->id, id))
            return devs->pdata[i];
    return NULL;
}

void audio_cleanup_all(void) { g_clear_pointer(&devs, g_ptr_array_unref); }

/* ---- sound ---- */

unsigned audio_rate(const AudioDev *a) { return a->rate; }

static void put(AudioDev *a, const int16_t *s, unsigned samples)
{
    if (a->driver == DRIVER_WAV)
        wav_write(a, s, samples);
#if CONFIG_SDL
    if (a->driver == DRIVER_SDL && SDL_GetQueuedAudioSize(a->sdl) < a->rate * a->channels * 2 / 1000 * SDL_MAX_QUEUE_MS)
        SDL_QueueAudio(a->sdl, s, samples * 2);
#endif
}

void audio_write(AudioDev *a, const int16_t *frames, unsigned n)
{
    int16_t both[2 * BLOCK];
    if (a->channels == 1) {
        put(a, frames, n);
        return;
    }
    while (n) {
        unsigned part = MIN(n, BLOCK);
        for (unsigned i = 0; i < part; i++)
            both[2 * i] = both[2 * i + 1] = frames[i];
        put(a, both, 2 * part);
        frames += part;
        n -= part;
    }
}
