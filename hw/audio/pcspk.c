/* pcspk.c - the PC speaker: what port 61h and the timer make audible
 * Spec: IBM AT Technical Reference (port 61h: bit 0 gates counter 2, bit 1 lets its output through).
 * Samples are made for the time that has passed whenever something is about to change, and every 20 ms
 * while there is sound: so programs that play samples by pulse width are heard as well. The loudspeaker's
 * capacitor keeps direct current away. Not modelled: the cone's resonance. */
#include "host/base/osdep.h"
#include "hw/audio/pcspk.h"
#include "softmmu/timer.h"

enum { OVERSAMPLE = 8, AMPLITUDE = 12000, BLOCK = 256, DC_SHIFT = 8, FRACTION = 8 };
static const int64_t PERIOD_NS = 20000000, TAIL_NS = NANOSECONDS_PER_SECOND, MAX_BEHIND_NS = NANOSECONDS_PER_SECOND / 4;

typedef struct PcspkState {
    Device dev;
    PitState *pit; /* wiring */
    AudioDev *audio;
    Timer *timer;
    bool active;         /* samples are being made */
    int64_t start_ns;    /* of frame 0 */
    int64_t frames;      /* made since */
    int64_t quiet_ns;    /* since when nothing is let through */
    int32_t last_in, out; /* the capacitor, in 1/2^FRACTION */
} PcspkState;

static int64_t frame_ns(const PcspkState *s, int64_t frame, unsigned part)
{
    int64_t n = frame * OVERSAMPLE + part, hz = (int64_t)audio_rate(s->audio) * OVERSAMPLE;
    return s->start_ns + n / hz * NANOSECONDS_PER_SECOND + n % hz * NANOSECONDS_PER_SECOND / hz;
}

static int16_t sample(PcspkState *s)
{
    int high = 0;
    for (unsigned i = 0; i < OVERSAMPLE; i++)
        high += i8254_speaker_level(s->pit, frame_ns(s, s->frames, i));
    int32_t in = (AMPLITUDE << FRACTION) / OVERSAMPLE * high;
    s->out += in - s->last_in - s->out / (1 << DC_SHIFT);
    s->last_in = in;
    return (int16_t)CLAMP(s->out >> FRACTION, INT16_MIN, INT16_MAX);
}

/* Bring the sound up to now. */
static void catch_up(PcspkState *s, int64_t now)
{
    int16_t buf[BLOCK];
    if (now - frame_ns(s, s->frames, 0) > MAX_BEHIND_NS) { /* the clock jumped (a loaded state, tests): no sound for that */
        s->start_ns = now;
        s->frames = 0;
    }
    while (frame_ns(s, s->frames + 1, 0) <= now) {
        unsigned n = 0;
        while (n < BLOCK && frame_ns(s, s->frames + 1, 0) <= now) {
            buf[n++] = sample(s);
            s->frames++;
        }
        audio_write(s->audio, buf, n);
    }
}

static void on_timer(void *opaque)
{
    PcspkState *s = opaque;
    int64_t now = clock_ns(CLOCK_VM);
    catch_up(s, now);
    if (i8254_speaker_on(s->pit))
        s->quiet_ns = now;
    if (now - s->quiet_ns > TAIL_NS)
        s->active = false; /* long silence is not recorded */
    else
        timer_mod(s->timer, now + PERIOD_NS);
}

/* Counter 2 or port 61h is about to change. */
static void before_change(void *opaque)
{
    PcspkState *s = opaque;
    if (s->active)
        catch_up(s, clock_ns(CLOCK_VM));
}

static void after_change(void *opaque)
{
    PcspkState *s = opaque;
    if (s->active || !i8254_speaker_on(s->pit))
        return;
    s->active = true;
    s->start_ns = s->quiet_ns = clock_ns(CLOCK_VM);
    s->frames = 0;
    timer_mod(s->timer, s->start_ns + PERIOD_NS);
}

static const SpeakerOps speaker_ops = {before_change, after_change};

static bool pcspk_init(Device *dev, GError **errp)
{
    PcspkState *s = (PcspkState *)dev;
    if (s->audio && s->pit) {
        s->timer = timer_new(CLOCK_VM, on_timer, s);
        i8254_set_speaker(s->pit, &speaker_ops, s);
    }
    return true;
}

static void pcspk_reset(Device *dev)
{
    PcspkState *s = (PcspkState *)dev;
    s->active = false;
    s->last_in = s->out = 0;
    if (s->timer)
        timer_del(s->timer);
}

static void pcspk_post_load(Device *dev)
{
    pcspk_reset(dev);
    if (((PcspkState *)dev)->timer)
        after_change(dev); /* a loaded machine may be beeping */
}

static void pcspk_finalize(Device *dev)
{
    PcspkState *s = (PcspkState *)dev;
    if (s->timer)
        i8254_set_speaker(s->pit, NULL, NULL);
    timer_free(s->timer);
}

void pcspk_wire(Device *dev, PitState *pit, AudioDev *audio)
{
    PcspkState *s = (PcspkState *)dev;
    s->pit = pit;
    s->audio = audio;
}

const DeviceClass pcspk_class = {
    .name = "isa-pcspk", .instance_size = sizeof(PcspkState), .init = pcspk_init, .reset = pcspk_reset,
    .post_load = pcspk_post_load, .finalize = pcspk_finalize, .desc = "PC speaker", .bus = "ISA"};
