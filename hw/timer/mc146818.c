/* mc146818.c - real-time clock with 128 bytes of CMOS memory
 * Spec: Motorola MC146818 data sheet; century byte 32h as in the IBM PS/2.
 * Guest view: index at 70h (bit 7 belongs to NMI and is ignored), data at 71h, IRQ 8. The time is the
 * host's plus an offset, which moves when the guest sets the clock or stops it with SET.
 * Not modelled: daylight saving (DSE), the square-wave pin, divider chains other than 32.768 kHz. */
#include "host/base/osdep.h"
#include "hw/timer/mc146818.h"

#include <time.h>

#include "softmmu/memory.h"
#include "softmmu/timer.h"

enum { RTC_SECONDS, RTC_SECONDS_ALARM, RTC_MINUTES, RTC_MINUTES_ALARM, RTC_HOURS, RTC_HOURS_ALARM,
       RTC_WEEKDAY, RTC_DAY, RTC_MONTH, RTC_YEAR, RTC_A, RTC_B, RTC_C, RTC_D, RTC_CENTURY = 0x32 };
enum { A_UIP = 0x80, A_DIVIDER = 0x70, A_DIVIDER_ON = 0x20, A_RATE = 0x0f };
enum { B_SET = 0x80, B_PIE = 0x40, B_AIE = 0x20, B_UIE = 0x10, B_BINARY = 0x04, B_24H = 0x02 };
enum { C_IRQF = 0x80, C_PF = 0x40, C_AF = 0x20, C_UF = 0x10 };
enum { D_VALID_RAM = 0x80 };
enum { RTC_HZ = 32768, UIP_NS = 244000 };

struct RtcState {
    Device dev;
    IrqLine irq, alarm;
    bool localtime;
    int64_t start_offset_s;
    MemoryRegion mr;
    Timer *periodic_timer, *second_timer;
    /* guest-visible */
    uint8_t cmos[128];
    uint8_t index;
    int64_t base_ns;     /* RTC time (ns since 1970) minus VM clock ns */
    int64_t stopped_ns;  /* RTC time while SET or the divider's reset holds it */
    uint8_t stopped;
    int64_t next_periodic_ns;
};

static int64_t rtc_now_ns(const RtcState *s)
{
    return s->stopped ? s->stopped_ns : s->base_ns + clock_ns(CLOCK_VM);
}

static uint8_t encode(const RtcState *s, int v)
{
    return (uint8_t)(s->cmos[RTC_B] & B_BINARY ? v : (v / 10) << 4 | v % 10);
}

static int decode(const RtcState *s, uint8_t v)
{
    return s->cmos[RTC_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 15);
}

static uint8_t encode_hour(const RtcState *s, int hour)
{
    int h12 = hour % 12 ? hour % 12 : 12;

    if (s->cmos[RTC_B] & B_24H)
        return encode(s, hour);
    return encode(s, h12) | (hour >= 12 ? 0x80 : 0);
}

static int decode_hour(const RtcState *s, uint8_t v)
{
    if (s->cmos[RTC_B] & B_24H)
        return decode(s, v);
    return decode(s, v & 0x7f) % 12 + (v & 0x80 ? 12 : 0);
}

/* Time registers from the running clock. */
static void rtc_refresh(RtcState *s)
{
    int64_t ns = rtc_now_ns(s);
    time_t t = (time_t)(ns / NANOSECONDS_PER_SECOND) - (ns % NANOSECONDS_PER_SECOND < 0);
    struct tm tm;

    if (!gmtime_r(&t, &tm))
        return;
    s->cmos[RTC_SECONDS] = encode(s, tm.tm_sec % 60);
    s->cmos[RTC_MINUTES] = encode(s, tm.tm_min);
    s->cmos[RTC_HOURS] = encode_hour(s, tm.tm_hour);
    s->cmos[RTC_WEEKDAY] = encode(s, tm.tm_wday + 1);
    s->cmos[RTC_DAY] = encode(s, tm.tm_mday);
    s->cmos[RTC_MONTH] = encode(s, tm.tm_mon + 1);
    s->cmos[RTC_YEAR] = encode(s, ((tm.tm_year % 100) + 100) % 100);
    s->cmos[RTC_CENTURY] = encode(s, CLAMP((tm.tm_year + 1900) / 100, 0, 99));
}

/* The clock from the time registers that the guest wrote. */
static void rtc_adopt(RtcState *s)
{
    struct tm tm = {
        .tm_sec = decode(s, s->cmos[RTC_SECONDS]),
        .tm_min = decode(s, s->cmos[RTC_MINUTES]),
        .tm_hour = decode_hour(s, s->cmos[RTC_HOURS]),
        .tm_mday = decode(s, s->cmos[RTC_DAY]),
        .tm_mon = decode(s, s->cmos[RTC_MONTH]) - 1,
        .tm_year = decode(s, s->cmos[RTC_CENTURY]) * 100 + decode(s, s->cmos[RTC_YEAR]) - 1900,
    };
    int64_t sub = s->stopped_ns % NANOSECONDS_PER_SECOND;

    s->stopped_ns = (int64_t)timegm(&tm) * NANOSECONDS_PER_SECOND + (sub < 0 ? 0 : sub);
    s->base_ns = s->stopped_ns - clock_ns(CLOCK_VM);
}

/* The only place that touches the line. */
static void rtc_update_irq(RtcState *s)
{
    if (s->cmos[RTC_C] & s->cmos[RTC_B] & (C_PF | C_AF | C_UF)) {
        s->cmos[RTC_C] |= C_IRQF;
        irq_raise(&s->irq);
    } else {
        s->cmos[RTC_C] &= (uint8_t)~C_IRQF;
        irq_lower(&s->irq);
    }
}

/* --- periodic interrupt --- */

static int64_t period_ns(const RtcState *s)
{
    unsigned rate = s->cmos[RTC_A] & A_RATE, ticks;

    if (!rate || (s->cmos[RTC_A] & A_DIVIDER) != A_DIVIDER_ON)
        return 0;
    if (rate <= 2)
        rate += 7;
    ticks = 1u << (rate - 1);
    return (int64_t)ticks * NANOSECONDS_PER_SECOND / RTC_HZ;
}

/* Runs only while somebody looks: the flag alone is brought up to date when register C is read. */
static void rtc_schedule_periodic(RtcState *s)
{
    int64_t p = period_ns(s), now = clock_ns(CLOCK_VM);

    if (!p) {
        timer_del(s->periodic_timer);
        s->next_periodic_ns = -1;
        return;
    }
    if (s->next_periodic_ns < 0 || s->next_periodic_ns > now + p)
        s->next_periodic_ns = now + p;
    if (s->cmos[RTC_B] & B_PIE)
        timer_mod(s->periodic_timer, s->next_periodic_ns);
    else
        timer_del(s->periodic_timer);
}

static void rtc_catch_up_periodic(RtcState *s)
{
    int64_t p = period_ns(s), now = clock_ns(CLOCK_VM);

    if (p && s->next_periodic_ns >= 0 && now >= s->next_periodic_ns) {
        s->cmos[RTC_C] |= C_PF;
        s->next_periodic_ns += ((now - s->next_periodic_ns) / p + 1) * p;
    }
}

static void rtc_periodic(void *opaque)
{
    RtcState *s = opaque;

    rtc_catch_up_periodic(s);
    rtc_schedule_periodic(s);
    rtc_update_irq(s);
}

/* --- update-ended and alarm --- */

static bool alarm_field(uint8_t alarm, uint8_t now)
{
    return alarm >= 0xc0 || alarm == now; /* 11xxxxxx: any */
}

static void rtc_schedule_second(RtcState *s)
{
    int64_t now_ns;

    /* UF and AF are polled by few; the timer runs when an interrupt or a flag can be wanted. */
    if (s->stopped) {
        timer_del(s->second_timer);
        return;
    }
    now_ns = rtc_now_ns(s);
    timer_mod(s->second_timer,
              clock_ns(CLOCK_VM) + NANOSECONDS_PER_SECOND -
                  ((now_ns % NANOSECONDS_PER_SECOND) + NANOSECONDS_PER_SECOND) % NANOSECONDS_PER_SECOND);
}

static void rtc_second(void *opaque)
{
    RtcState *s = opaque;
    bool alarm = false;

    rtc_refresh(s);
    s->cmos[RTC_C] |= C_UF;
    if (alarm_field(s->cmos[RTC_SECONDS_ALARM], s->cmos[RTC_SECONDS]) &&
        alarm_field(s->cmos[RTC_MINUTES_ALARM], s->cmos[RTC_MINUTES]) &&
        alarm_field(s->cmos[RTC_HOURS_ALARM], s->cmos[RTC_HOURS]))
        alarm = true;
    if (alarm)
        s->cmos[RTC_C] |= C_AF;
    rtc_update_irq(s);
    if (alarm && (s->cmos[RTC_B] & B_AIE))
        irq_pulse(&s->alarm);
    rtc_schedule_second(s);
}

/* --- ports --- */

static bool is_time(unsigned i)
{
    return i == RTC_SECONDS || i == RTC_MINUTES || i == RTC_HOURS || (i >= RTC_WEEKDAY && i <= RTC_YEAR) ||
           i == RTC_CENTURY;
}

static void rtc_set_stopped(RtcState *s, bool stop)
{
    if (stop && !s->stopped) {
        rtc_refresh(s);
        s->stopped_ns = rtc_now_ns(s);
        s->stopped = 1;
    } else if (!stop && s->stopped) {
        rtc_adopt(s);
        s->stopped = 0;
    }
    rtc_schedule_second(s);
}

static bool wants_stop(const RtcState *s)
{
    return (s->cmos[RTC_B] & B_SET) || (s->cmos[RTC_A] & 0x60) == 0x60; /* divider held in reset */
}

static void rtc_write_reg(RtcState *s, unsigned i, uint8_t val)
{
    switch (i) {
    case RTC_A:
        s->cmos[RTC_A] = val & (uint8_t)~A_UIP;
        rtc_set_stopped(s, wants_stop(s));
        s->next_periodic_ns = -1;
        rtc_schedule_periodic(s);
        break;
    case RTC_B:
        if (!s->stopped)
            rtc_refresh(s);
        if (val & B_SET) {
            val &= (uint8_t)~B_UIE; /* SET clears UIE */
            rtc_set_stopped(s, true);
            s->cmos[RTC_B] = val;
        } else {
            /* The data mode may change together with SET: the registers were written in the new one. */
            s->cmos[RTC_B] = val;
            rtc_set_stopped(s, wants_stop(s));
        }
        rtc_schedule_periodic(s);
        rtc_update_irq(s);
        break;
    case RTC_C:
    case RTC_D:
        break; /* read only */
    default:
        if (is_time(i) && !s->stopped) { /* written on the fly: the others keep running values */
            rtc_refresh(s);
            s->stopped_ns = rtc_now_ns(s);
            s->cmos[i] = val;
            rtc_adopt(s);
            rtc_schedule_second(s);
        } else {
            s->cmos[i] = val;
        }
        break;
    }
}

static uint8_t rtc_read_reg(RtcState *s, unsigned i)
{
    uint8_t v;

    if (is_time(i)) {
        if (!s->stopped)
            rtc_refresh(s);
        return s->cmos[i];
    }
    switch (i) {
    case RTC_A: {
        int64_t sub = rtc_now_ns(s) % NANOSECONDS_PER_SECOND;
        bool uip = !s->stopped && NANOSECONDS_PER_SECOND - sub <= UIP_NS;
        return s->cmos[RTC_A] | (uip ? A_UIP : 0);
    }
    case RTC_C: /* reading clears all flags */
        rtc_catch_up_periodic(s);
        rtc_update_irq(s);
        v = s->cmos[RTC_C];
        s->cmos[RTC_C] = 0;
        rtc_update_irq(s);
        return v;
    case RTC_D:
        return D_VALID_RAM;
    default:
        return s->cmos[i];
    }
}

static uint64_t rtc_read(void *opaque, hwaddr off, unsigned size)
{
    RtcState *s = opaque;

    return off == 0 ? 0xff : rtc_read_reg(s, s->index);
}

static void rtc_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    RtcState *s = opaque;

    if (off == 0)
        s->index = val & 0x7f;
    else
        rtc_write_reg(s, s->index, (uint8_t)val);
}

static const MemoryOps rtc_ops = {rtc_read, rtc_write, 1, 1, false};

void mc146818_configure(RtcState *s, IrqLine irq, bool localtime, int64_t offset_s)
{
    s->irq = irq;
    s->localtime = localtime;
    s->start_offset_s = offset_s;
}

void mc146818_set_cmos(RtcState *s, unsigned index, uint8_t val)
{
    s->cmos[index & 0x7f] = val;
}

void mc146818_set_alarm_line(RtcState *s, IrqLine alarm)
{
    s->alarm = alarm;
}

uint8_t mc146818_get_cmos(const RtcState *s, unsigned index)
{
    return s->cmos[index & 0x7f];
}

static const VMField rtc_fields[] = {
    VM_BUFFER(RtcState, cmos),       VM_UINT(RtcState, index),    VM_UINT(RtcState, base_ns),
    VM_UINT(RtcState, stopped_ns),   VM_UINT(RtcState, stopped),  VM_UINT(RtcState, next_periodic_ns),
    VM_TIMER(RtcState, periodic_timer), VM_TIMER(RtcState, second_timer), VM_END,
};

static void rtc_post_load(Device *dev)
{
    RtcState *s = container_of(dev, RtcState, dev);

    s->index &= 0x7f;
}

/* The clock and the memory have a battery: reset only clears the interrupt enables and flags. */
static void rtc_reset(Device *dev)
{
    RtcState *s = container_of(dev, RtcState, dev);

    s->cmos[RTC_B] &= (uint8_t)~(B_PIE | B_AIE | B_UIE);
    s->cmos[RTC_C] = 0;
    s->index = 0;
    rtc_schedule_periodic(s);
    rtc_update_irq(s);
}

static bool rtc_init(Device *dev, GError **errp)
{
    RtcState *s = container_of(dev, RtcState, dev);
    int64_t wall = clock_wall_ns() + s->start_offset_s * NANOSECONDS_PER_SECOND;

    if (s->localtime) {
        time_t t = (time_t)(wall / NANOSECONDS_PER_SECOND);
        struct tm tm;
        if (localtime_r(&t, &tm))
            wall += (int64_t)tm.tm_gmtoff * NANOSECONDS_PER_SECOND;
    }
    s->periodic_timer = timer_new(CLOCK_VM, rtc_periodic, s);
    s->second_timer = timer_new(CLOCK_VM, rtc_second, s);
    s->next_periodic_ns = -1;
    s->cmos[RTC_A] = A_DIVIDER_ON | 6;
    s->cmos[RTC_B] = B_24H;
    s->base_ns = wall - clock_ns(CLOCK_VM);
    rtc_refresh(s);
    rtc_schedule_second(s);
    memory_region_init_io(&s->mr, &rtc_ops, s, "rtc", 2);
    memory_region_add(address_space_io.root, 0x70, &s->mr, 0);
    return true;
}

static void rtc_finalize(Device *dev)
{
    RtcState *s = container_of(dev, RtcState, dev);

    memory_region_del(address_space_io.root, &s->mr);
    memory_region_destroy(&s->mr);
    timer_free(s->periodic_timer);
    timer_free(s->second_timer);
}

const DeviceClass mc146818_class = {
    .name = "mc146818rtc",
    .instance_size = sizeof(RtcState),
    .init = rtc_init,
    .reset = rtc_reset,
    .fields = rtc_fields,
    .post_load = rtc_post_load,
    .finalize = rtc_finalize,
    .desc = "real-time clock and CMOS memory",
    .bus = "ISA",
};
