/* i8254.c - programmable interval timer (three 16-bit counters) and the speaker port
 * Spec: Intel 8254 data sheet; port 61h as in the IBM AT Technical Reference.
 * Guest view: ports 40h-43h; counter 0 drives IRQ 0; 61h gates counter 2 and shows its output and the
 * refresh toggle. Counters are not stepped: each is a start time and a formula.
 * The loudspeaker is hw/audio/pcspk.c. Not modelled: DRAM refresh on counter 1 beyond the toggle bit. */
#include "host/base/osdep.h"
#include "hw/timer/i8254.h"

#include "softmmu/memory.h"
#include "softmmu/timer.h"

enum { PIT_HZ = 1193182, PIT_CONTROL = 3 };
enum { ACCESS_LATCH = 0, ACCESS_LOW = 1, ACCESS_HIGH = 2, ACCESS_BOTH = 3 };
enum { SPKR_GATE2 = 0x01, SPKR_DATA = 0x02, SPKR_REFRESH = 0x10, SPKR_OUT2 = 0x20 };
enum { REFRESH_TOGGLE_NS = 15085 };

typedef struct PitCounter {
    uint32_t reload;     /* 1..65536 (binary) or 1..10000 (BCD) */
    uint16_t latch;
    uint8_t latched;     /* bytes of the latch still to read: the access mode at latch time, 0 none */
    uint8_t latch_high_next, read_high_next, write_high_next;
    uint8_t write_low;   /* first byte of a two-byte load */
    uint8_t status, status_latched;
    uint8_t access, mode, bcd, gate;
    uint8_t null_count;  /* no count loaded since the control word */
    uint8_t armed;       /* counting has been started (modes 1 and 5: by a trigger) */
    int64_t start_ns;    /* when the count was loaded or triggered */
    uint32_t held_ticks; /* ticks counted before the gate stopped it */
} PitCounter;

struct PitState {
    Device dev;
    IrqLine irq;
    MemoryRegion mr, port61_mr;
    Timer *timer;
    PitCounter counter[3];
    uint8_t speaker;      /* port 61h bits 0-3 as written */
    const SpeakerOps *listener; /* wiring */
    void *listener_opaque;
    uint8_t irq_disabled; /* HPET has IRQ 0 */
};

static int64_t ticks_to_ns(uint64_t ticks)
{
    /* Rounded up: at that time the counter has surely reached the tick. */
    return (int64_t)(((unsigned __int128)ticks * NANOSECONDS_PER_SECOND + PIT_HZ - 1) / PIT_HZ);
}

static uint64_t ns_to_ticks(int64_t ns)
{
    return ns <= 0 ? 0 : (uint64_t)((unsigned __int128)(uint64_t)ns * PIT_HZ / NANOSECONDS_PER_SECOND);
}

static bool periodic(const PitCounter *c)
{
    return c->mode == 2 || c->mode == 3;
}

/* Modes in which gate low holds the count. */
static bool gate_holds(const PitCounter *c)
{
    return c->mode == 0 || c->mode == 2 || c->mode == 3 || c->mode == 4;
}

/* Ticks since the count was loaded (or triggered). */
static uint64_t elapsed(const PitCounter *c, int64_t now)
{
    if (gate_holds(c) && !c->gate)
        return c->held_ticks;
    return c->held_ticks + ns_to_ticks(now - c->start_ns);
}

static bool counter_out(const PitCounter *c, int64_t now)
{
    uint64_t d = elapsed(c, now), in_period;

    if (!c->armed)
        return c->mode != 0;
    switch (c->mode) {
    case 0:
    case 1:
        return d >= c->reload;
    case 2: /* low in the last tick of the period */
        return !c->gate || d % c->reload != c->reload - 1;
    case 3:
        in_period = d % c->reload;
        return !c->gate || in_period < (c->reload + 1) / 2;
    default: /* 4, 5: one tick low at the end */
        return d != c->reload;
    }
}

/* The next time OUT may change, or -1. */
static int64_t next_edge_ns(const PitCounter *c, int64_t now)
{
    uint64_t d = elapsed(c, now), base, at;

    if (!c->armed || (gate_holds(c) && !c->gate))
        return -1;
    switch (c->mode) {
    case 0:
    case 1:
        if (d >= c->reload)
            return -1;
        at = c->reload;
        break;
    case 2:
        base = d - d % c->reload;
        at = d % c->reload < c->reload - 1 ? base + c->reload - 1 : base + c->reload;
        break;
    case 3:
        base = d - d % c->reload;
        at = d % c->reload < (c->reload + 1) / 2 ? base + (c->reload + 1) / 2 : base + c->reload;
        break;
    default:
        if (d > c->reload)
            return -1;
        at = d < c->reload ? c->reload : c->reload + 1;
        break;
    }
    return c->start_ns + ticks_to_ns(at - c->held_ticks);
}

/* The only place that drives IRQ 0, but for a low phase that the host was too late for (pit_timer()). */
static void pit_update_irq_at(PitState *s, int64_t now)
{
    PitCounter *c = &s->counter[0];
    int64_t next = next_edge_ns(c, now);

    if (!s->irq_disabled)
        irq_set(&s->irq, counter_out(c, now));
    if (next >= 0)
        timer_mod(s->timer, MAX(next, now + 1));
    else
        timer_del(s->timer);
}

static void pit_update_irq(PitState *s) { pit_update_irq_at(s, clock_ns(CLOCK_VM)); }

static void pit_timer(void *opaque)
{
    PitState *s = opaque;
    int64_t now = clock_ns(CLOCK_VM); /* one look: the low phase may end between two */

    /* A late timer may have slept through the low phase, which in modes 2, 4 and 5 is one tick (838 ns) long. The rising
     * edge at its end is what the guest waits for: one for each time that the count runs out. */
    if (!s->irq_disabled && counter_out(&s->counter[0], now))
        irq_lower(&s->irq);
    pit_update_irq_at(s, now);
}

static uint16_t to_bcd(uint32_t v)
{
    return (uint16_t)(v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 | v / 1000 % 10 << 12);
}

static uint32_t from_bcd(uint32_t v)
{
    return (v & 15) + (v >> 4 & 15) * 10 + (v >> 8 & 15) * 100 + (v >> 12 & 15) * 1000;
}

static uint16_t counter_value(const PitCounter *c, int64_t now)
{
    uint64_t d = elapsed(c, now);
    uint32_t modulus = c->bcd ? 10000 : 65536, v;

    if (!c->armed) {
        v = c->reload;
    } else if (c->mode == 2) {
        v = c->reload - (uint32_t)(d % c->reload);
    } else if (c->mode == 3) { /* counts by two, twice per period */
        uint32_t p = (uint32_t)(d * 2 % c->reload);
        v = (c->reload - p) & ~1u;
        if (v == 0)
            v = c->reload & ~1u;
    } else { /* wraps and goes on */
        v = (uint32_t)((c->reload + modulus - d % modulus) % modulus);
    }
    v %= modulus;
    return c->bcd ? to_bcd(v) : (uint16_t)v;
}

static void counter_load(PitState *s, PitCounter *c, uint32_t val)
{
    int64_t now = clock_ns(CLOCK_VM);

    if (c->bcd)
        val = from_bcd(val);
    c->reload = val ? val : (c->bcd ? 10000 : 65536);
    if (periodic(c) && c->reload < 2)
        c->reload = 2; /* 1 is not allowed in modes 2 and 3 */
    c->null_count = 0;
    if (c->mode == 1 || c->mode == 5) {
        if (c == &s->counter[0])
            pit_update_irq(s);
        return; /* waits for a trigger */
    }
    c->armed = 1;
    c->start_ns = now;
    c->held_ticks = 0;
    if (c == &s->counter[0])
        pit_update_irq(s);
}

static void counter_set_gate(PitCounter *c, bool gate)
{
    int64_t now = clock_ns(CLOCK_VM);

    if (gate && !c->gate) {
        if (c->mode == 1 || c->mode == 5) {
            c->armed = 1;
            c->start_ns = now;
            c->held_ticks = 0;
        } else if (periodic(c)) {
            c->start_ns = now;
            c->held_ticks = 0;
        } else {
            c->start_ns = now;
        }
    } else if (!gate && c->gate && gate_holds(c)) {
        c->held_ticks = (uint32_t)MIN(elapsed(c, now), (uint64_t)UINT32_MAX);
    }
    c->gate = gate;
}

static void latch_count(PitCounter *c)
{
    if (!c->latched) {
        c->latch = counter_value(c, clock_ns(CLOCK_VM));
        c->latched = c->access;
        c->latch_high_next = 0;
    }
}

static void latch_status(PitCounter *c)
{
    if (!c->status_latched) {
        c->status = (uint8_t)((counter_out(c, clock_ns(CLOCK_VM)) << 7) | c->null_count << 6 | c->access << 4 |
                              c->mode << 1 | c->bcd);
        c->status_latched = 1;
    }
}

static void control_write(PitState *s, uint8_t val)
{
    PitCounter *c;

    if (val >> 6 == 3) { /* read-back */
        for (int i = 0; i < 3; i++) {
            if (!(val & (2 << i)))
                continue;
            if (!(val & 0x20))
                latch_count(&s->counter[i]);
            if (!(val & 0x10))
                latch_status(&s->counter[i]);
        }
        return;
    }
    c = &s->counter[val >> 6];
    if ((val >> 4 & 3) == ACCESS_LATCH) {
        latch_count(c);
        return;
    }
    c->access = val >> 4 & 3;
    c->mode = val >> 1 & 7;
    if (c->mode > 5)
        c->mode &= 3; /* 6 and 7 are 2 and 3 */
    c->bcd = val & 1;
    c->armed = 0;
    c->null_count = 1;
    c->latched = c->status_latched = 0;
    c->read_high_next = c->write_high_next = 0;
    c->held_ticks = 0;
    c->start_ns = clock_ns(CLOCK_VM);
    if (c == &s->counter[0])
        pit_update_irq(s);
}

static void pit_store(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    PitState *s = opaque;
    PitCounter *c;

    if (off == PIT_CONTROL) {
        control_write(s, (uint8_t)val);
        return;
    }
    c = &s->counter[off];
    switch (c->access) {
    case ACCESS_LOW:
        counter_load(s, c, (uint32_t)val & 0xff);
        break;
    case ACCESS_HIGH:
        counter_load(s, c, ((uint32_t)val & 0xff) << 8);
        break;
    default:
        if (!c->write_high_next)
            c->write_low = (uint8_t)val;
        else
            counter_load(s, c, (uint32_t)((val & 0xff) << 8 | c->write_low));
        c->write_high_next ^= 1;
        break;
    }
}

static void tell(const PitState *s, bool after)
{
    if (s->listener)
        (after ? s->listener->after : s->listener->before)(s->listener_opaque);
}

static void pit_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    bool audible = off >= 2; /* counter 2, control */
    if (audible)
        tell(opaque, false);
    pit_store(opaque, off, val, size);
    if (audible)
        tell(opaque, true);
}

void i8254_set_speaker(PitState *s, const SpeakerOps *ops, void *opaque)
{
    s->listener = ops;
    s->listener_opaque = opaque;
}

bool i8254_speaker_on(const PitState *s) { return s->speaker & SPKR_DATA; }

bool i8254_speaker_level(const PitState *s, int64_t ns)
{
    return (s->speaker & SPKR_DATA) && counter_out(&s->counter[2], ns);
}

static uint64_t pit_read(void *opaque, hwaddr off, unsigned size)
{
    PitState *s = opaque;
    PitCounter *c;
    uint16_t v;

    if (off == PIT_CONTROL)
        return 0xff; /* write only */
    c = &s->counter[off];
    if (c->status_latched) {
        c->status_latched = 0;
        return c->status;
    }
    if (c->latched) {
        switch (c->latched) {
        case ACCESS_LOW:
            c->latched = 0;
            return c->latch & 0xff;
        case ACCESS_HIGH:
            c->latched = 0;
            return c->latch >> 8;
        default:
            if (c->latch_high_next) {
                c->latched = 0;
                return c->latch >> 8;
            }
            c->latch_high_next = 1;
            return c->latch & 0xff;
        }
    }
    v = counter_value(c, clock_ns(CLOCK_VM));
    switch (c->access) {
    case ACCESS_LOW:
        return v & 0xff;
    case ACCESS_HIGH:
        return v >> 8;
    default:
        c->read_high_next ^= 1;
        return c->read_high_next ? v & 0xff : v >> 8;
    }
}

static uint64_t port61_read(void *opaque, hwaddr off, unsigned size)
{
    PitState *s = opaque;
    int64_t now = clock_ns(CLOCK_VM);

    return s->speaker | (counter_out(&s->counter[2], now) ? SPKR_OUT2 : 0) |
           (now / REFRESH_TOGGLE_NS & 1 ? SPKR_REFRESH : 0);
}

static void port61_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    PitState *s = opaque;

    tell(s, false);
    s->speaker = val & 0x0f;
    counter_set_gate(&s->counter[2], val & SPKR_GATE2);
    tell(s, true);
}

static const MemoryOps pit_ops = {pit_read, pit_write, 1, 1, false};
static const MemoryOps port61_ops = {port61_read, port61_write, 1, 1, false};

void i8254_set_output(PitState *s, IrqLine irq)
{
    s->irq = irq;
}

void i8254_disable_irq(void *opaque, int n, int disable)
{
    PitState *s = opaque;

    s->irq_disabled = disable != 0;
    if (disable)
        irq_lower(&s->irq);
    else
        pit_update_irq(s);
}

static const VMField counter_fields[] = {
    VM_UINT(PitCounter, reload),          VM_UINT(PitCounter, latch),
    VM_UINT(PitCounter, latched),         VM_UINT(PitCounter, latch_high_next),
    VM_UINT(PitCounter, read_high_next),  VM_UINT(PitCounter, write_high_next),
    VM_UINT(PitCounter, write_low),       VM_UINT(PitCounter, status),
    VM_UINT(PitCounter, status_latched),  VM_UINT(PitCounter, access),
    VM_UINT(PitCounter, mode),            VM_UINT(PitCounter, bcd),
    VM_UINT(PitCounter, gate),            VM_UINT(PitCounter, null_count),
    VM_UINT(PitCounter, armed),           VM_UINT(PitCounter, start_ns),
    VM_UINT(PitCounter, held_ticks),      VM_END,
};
static const VMField pit_fields[] = {
    VM_STRUCT_ARRAY(PitState, counter, 3, counter_fields),
    VM_UINT(PitState, speaker),
    VM_UINT(PitState, irq_disabled),
    VM_TIMER(PitState, timer),
    VM_END,
};

static void pit_post_load(Device *dev)
{
    PitState *s = container_of(dev, PitState, dev);

    for (int i = 0; i < 3; i++) { /* what the formulas divide by must be sane */
        PitCounter *c = &s->counter[i];
        c->mode = c->mode > 5 ? c->mode & 3 : c->mode;
        c->bcd &= 1;
        c->reload = CLAMP(c->reload, periodic(c) ? 2u : 1u, 65536u);
    }
}

static void pit_reset(Device *dev)
{
    PitState *s = container_of(dev, PitState, dev);

    for (int i = 0; i < 3; i++) {
        memset(&s->counter[i], 0, sizeof s->counter[i]);
        s->counter[i].mode = 3;
        s->counter[i].access = ACCESS_BOTH;
        s->counter[i].gate = i != 2;
        s->counter[i].reload = 65536;
        s->counter[i].null_count = 1;
        s->counter[i].start_ns = 0;
    }
    s->speaker = 0;
    s->irq_disabled = 0;
    pit_update_irq(s); /* OUT is high until mode 0 is chosen, which the controllers count as IRQ 0's first edge */
}

static bool pit_init(Device *dev, GError **errp)
{
    PitState *s = container_of(dev, PitState, dev);

    s->timer = timer_new(CLOCK_VM, pit_timer, s);
    memory_region_init_io(&s->mr, &pit_ops, s, "pit", 4);
    memory_region_init_io(&s->port61_mr, &port61_ops, s, "pcspk", 1);
    memory_region_add(address_space_io.root, 0x40, &s->mr, 0);
    memory_region_add(address_space_io.root, 0x61, &s->port61_mr, 0);
    return true;
}

static void pit_finalize(Device *dev)
{
    PitState *s = container_of(dev, PitState, dev);

    memory_region_del(address_space_io.root, &s->mr);
    memory_region_del(address_space_io.root, &s->port61_mr);
    memory_region_destroy(&s->mr);
    memory_region_destroy(&s->port61_mr);
    timer_free(s->timer);
}

const DeviceClass i8254_class = {
    .name = "isa-pit",
    .instance_size = sizeof(PitState),
    .init = pit_init,
    .reset = pit_reset,
    .fields = pit_fields,
    .post_load = pit_post_load,
    .finalize = pit_finalize,
    .desc = "interval timer and speaker port",
    .bus = "ISA",
};
