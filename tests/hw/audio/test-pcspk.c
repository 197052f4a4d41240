/* test-pcspk.c - the PC speaker into a WAV file: pitch, loudness, length, silence; refused -audiodev options. */
#include "tests/hw/periph.h"
#include "hw/audio/pcspk.h"
#include <glib/gstdio.h>

enum { RATE = 48000, MS = 1000000 };
static char *dir, *path;

static void setup(void)
{
    periph_setup();
    dir = g_dir_make_tmp("vireo-pcspk-XXXXXX", NULL);
    path = g_build_filename(dir, "s.wav", NULL);
    g_autofree char *opt = g_strdup_printf("wav,id=a,path=%s,out.frequency=%d", path, RATE);
    GError *err = NULL;
    g_assert_true(audio_new(opt, &err));
    g_assert_no_error(err);
    Device *pit = device_new(&i8254_class, NULL), *spk = device_new(&pcspk_class, NULL);
    pcspk_wire(spk, (PitState *)pit, audio_find("a"));
    g_assert_true(device_realize(pit, NULL));
    g_assert_true(device_realize(spk, NULL));
}

/* Ends everything; the left channel. */
static int16_t *finish(gsize *n)
{
    g_autofree char *raw = NULL;
    gsize len;
    device_free_all();
    audio_cleanup_all();
    periph_teardown();
    g_assert_true(g_file_get_contents(path, &raw, &len, NULL));
    const uint8_t *h = (const uint8_t *)raw;
    g_assert_cmpuint(len, >=, 44);
    g_assert_true(!memcmp(raw, "RIFF", 4) && !memcmp(raw + 8, "WAVEfmt ", 8) && !memcmp(raw + 36, "data", 4));
    g_assert_cmpuint(h[4] | h[5] << 8 | h[6] << 16, ==, len - 8);
    g_assert_cmpuint(h[40] | h[41] << 8 | h[42] << 16, ==, len - 44);
    g_assert_cmpuint(h[24] | h[25] << 8 | h[26] << 16, ==, RATE);
    g_assert_cmpuint(h[22], ==, 2);
    *n = (len - 44) / 4;
    int16_t *out = g_new(int16_t, *n + 1);
    for (gsize i = 0; i < *n; i++) {
        memcpy(&out[i], raw + 44 + 4 * i, 2);
        g_assert_cmpint(memcmp(raw + 44 + 4 * i, raw + 46 + 4 * i, 2), ==, 0);
    }
    g_unlink(path);
    g_rmdir(dir);
    g_free(path);
    g_free(dir);
    return out;
}

static void tone(unsigned count)
{
    outb(0x43, 0xb6);
    outb(0x42, count & 0xff);
    outb(0x42, count >> 8);
    outb(0x61, inb(0x61) | 3);
}

static void step_ms(int ms)
{
    for (int i = 0; i < ms; i++)
        clock_test_step(MS);
}

static int rises(const int16_t *s, gsize from, gsize to)
{
    int n = 0;
    for (gsize i = from + 1; i < to; i++)
        n += s[i - 1] < 0 && s[i] >= 0;
    return n;
}

static void test_tones(void)
{
    gsize n;
    setup();
    step_ms(500); /* silence before the first sound is not recorded */
    tone(1193);   /* 1000 Hz */
    step_ms(300);
    outb(0x61, inb(0x61) & ~3);
    step_ms(200);
    tone(2712); /* 440 Hz */
    step_ms(500);
    outb(0x61, inb(0x61) & ~3);
    step_ms(3000);
    g_autofree int16_t *s = finish(&n);
    /* 300 + 200 + 500 ms, and a second of silence at most */
    g_assert_cmpuint(n, >=, RATE);
    g_assert_cmpuint(n, <=, RATE * 21 / 10);
    g_assert_cmpint(ABS(rises(s, RATE / 20, RATE / 20 + RATE / 5) - 200), <=, 1);
    g_assert_cmpint(ABS(rises(s, RATE * 55 / 100, RATE * 95 / 100) - 176), <=, 1);
    int peak = 0, rest = 0;
    for (gsize i = RATE / 10; i < RATE / 4; i++)
        peak = MAX(peak, ABS(s[i]));
    for (gsize i = RATE * 40 / 100; i < RATE * 49 / 100; i++)
        rest = MAX(rest, ABS(s[i]));
    g_assert_cmpint(peak, >, 4000);
    g_assert_cmpint(peak, <, 14000);
    g_assert_cmpint(rest, <, 100);
    for (gsize i = n - 1000; i < n; i++)
        g_assert_cmpint(ABS(s[i]), <, 100);
}

/* Samples by pulse width: one-shots of counter 2 sixteen thousand times a second, the widths a 500 Hz triangle. */
static void test_pulse_width(void)
{
    gsize n;
    setup();
    outb(0x61, 3);
    outb(0x43, 0x90); /* mode 0, low byte */
    for (int i = 0; i < 16000 / 4; i++) {
        int phase = i % 32, level = phase < 16 ? phase : 31 - phase;
        outb(0x42, 4 + level * 4);
        clock_test_step(62500);
    }
    outb(0x61, 0);
    step_ms(100);
    g_autofree int16_t *s = finish(&n);
    /* out of the carrier's ripple the 500 Hz remain: compare means of quarter periods */
    int good = 0;
    for (gsize p = RATE / 10; p + 96 < RATE / 5; p += 96) {
        int lo = 0, hi = 0, sum[4] = {0};
        for (int i = 0; i < 96; i++)
            sum[i / 24] += s[p + i];
        for (int q = 0; q < 4; q++) {
            lo = MIN(lo, sum[q] / 24);
            hi = MAX(hi, sum[q] / 24);
        }
        good += hi - lo > 500;
    }
    g_assert_cmpint(good, >, 40);
}

static void test_options(void)
{
    static const char *const wrong[] = {"", "nosuch,id=a", "wav", "none,id=", "none,id=a,path=x", "wav,id=a,path=/nonexistent/x",
                                        "wav,id=a,out.frequency=1", "none,id=a,out.format=f32", "none,id=a,nosuch=1"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        GError *err = NULL;
        g_assert_false(audio_new(wrong[i], &err));
        g_assert_nonnull(err);
        g_clear_error(&err);
    }
    g_assert_true(audio_new("none,id=a", NULL));
    g_assert_false(audio_new("none,id=a", NULL));
    g_assert_nonnull(audio_find("a"));
    g_assert_null(audio_find("b"));
    audio_cleanup_all();
    g_assert_null(audio_find("a"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/pcspk/tones", test_tones);
    g_test_add_func("/hw/pcspk/pulse-width", test_pulse_width);
    g_test_add_func("/hw/pcspk/options", test_options);
    return g_test_run();
}
