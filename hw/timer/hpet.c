/* hpet.c - three comparators on a 64-bit counter of 10 ns
 * Spec: IA-PC HPET specification 1.0a.
 * Guest view: fed00000h. Timer 0 can be periodic. Legacy replacement routes timers 0 and 1 to IRQ 0 and 8.
 * Not modelled: message-signalled (FSB) interrupts. */
#include "host/base/osdep.h"
#include "hw/timer/hpet.h"

#include "host/base/bitops.h"
#include "host/base/log.h"
#include "softmmu/memory.h"
#include "softmmu/timer.h"

enum { REG_ID = 0x000, REG_CONFIG = 0x010, REG_STATUS = 0x020, REG_COUNTER = 0x0f0, REG_TIMER = 0x100 };
enum { TIMER_CONFIG = 0x00, TIMER_COMPARATOR = 0x08, TIMER_FSB = 0x10 };
enum { CFG_ENABLE = 1, CFG_LEGACY = 2 };
enum { TN_LEVEL = 1 << 1, TN_INT_ENABLE = 1 << 2, TN_PERIODIC = 1 << 3, TN_PERIODIC_CAP = 1 << 4,
       TN_64BIT_CAP = 1 << 5, TN_SETVAL = 1 << 6, TN_32BIT = 1 << 8, TN_ROUTE_SHIFT = 9 };
enum { HPET_TIMERS = 3, TICK_NS = 10, TN_WRITABLE = 0x3f4e };
static const uint64_t ROUTE_CAP = 1ULL << 2; /* pin 2: nothing else uses it once the PIT is off */
static const int64_t MIN_STEP_NS = 1000;     /* slower than any guest needs, fast enough not to flood the host */

typedef struct HpetTimer {
    HpetState *owner;
    Timer *timer;
    uint64_t config, comparator, period;
} HpetTimer;

struct HpetState {
    Device dev;
    IrqHandler *gsi;
    void *gsi_opaque;
    IrqLine irq0, irq8, legacy;
    MemoryRegion mr;
    HpetTimer t[HPET_TIMERS];
    uint64_t config, status;
    uint64_t counter;  /* value while halted, or at start_ns */
    int64_t start_ns;
};

static uint64_t counter_now(const HpetState *s)
{
    if (!(s->config & CFG_ENABLE))
        return s->counter;
    return s->counter + (uint64_t)(clock_ns(CLOCK_VM) - s->start_ns) / TICK_NS;
}

static uint64_t width_mask(const HpetTimer *t)
{
    return t->config & TN_32BIT ? 0xffffffffULL : ~0ULL;
}

static void drive(HpetState *s, int n, int level)
{
    HpetTimer *t = &s->t[n];

    if ((s->config & CFG_LEGACY) && n < 2)
        irq_set(n == 0 ? &s->irq0 : &s->irq8, level);
    else if (s->gsi)
        s->gsi(s->gsi_opaque, (int)(t->config >> TN_ROUTE_SHIFT & 31), level);
}

/* The comparator matched. */
static void fire(HpetState *s, int n)
{
    HpetTimer *t = &s->t[n];

    if (t->config & TN_LEVEL)
        s->status |= BIT(n);
    if (!(t->config & TN_INT_ENABLE) || !(s->config & CFG_ENABLE))
        return;
    drive(s, n, 1);
    if (!(t->config & TN_LEVEL))
        drive(s, n, 0);
}

static void timer_schedule(HpetState *s, int n)
{
    HpetTimer *t = &s->t[n];
    uint64_t now, ticks;
    int64_t ns;

    timer_del(t->timer);
    if (!(s->config & CFG_ENABLE) || (!(t->config & TN_INT_ENABLE) && !(t->config & TN_LEVEL)))
        return;
    now = counter_now(s);
    ticks = (t->comparator - now) & width_mask(t);
    /* A comparator just passed: in 64-bit mode that means it never matches again; periodic goes on. */
    if ((t->config & TN_PERIODIC) && t->period && ticks > t->period)
        ticks = 0;
    if (!(t->config & TN_32BIT) && ticks > (uint64_t)INT64_MAX / TICK_NS / 2)
        return;
    ns = (int64_t)(ticks * TICK_NS);
    timer_mod(t->timer, clock_ns(CLOCK_VM) + ns);
}

static void hpet_timer(void *opaque)
{
    HpetTimer *t = opaque;
    HpetState *s = t->owner;
    int n = (int)(t - s->t);
    uint64_t now = counter_now(s), mask = width_mask(t);

    fire(s, n);
    if ((t->config & TN_PERIODIC) && t->period) {
        /* Add whole periods until the comparator lies ahead. */
        uint64_t behind = (now - t->comparator) & mask;
        uint64_t step = (behind / t->period + 1) * t->period;
        t->comparator = (t->comparator + step) & mask;
        timer_mod(t->timer, clock_ns(CLOCK_VM) + MAX((int64_t)(((t->comparator - now) & mask) * TICK_NS),
                                                     MIN_STEP_NS));
    } else if (t->config & TN_32BIT) { /* matches again after the counter's low half wrapped */
        timer_mod(t->timer, clock_ns(CLOCK_VM) + (int64_t)(1ULL << 32) * TICK_NS);
    }
}

static uint64_t timer_read(HpetState *s, unsigned n, unsigned reg)
{
    const HpetTimer *t = &s->t[n];

    switch (reg) {
    case TIMER_CONFIG:
        return t->config | TN_64BIT_CAP | (n == 0 ? TN_PERIODIC_CAP : 0) | ROUTE_CAP << 32;
    case TIMER_COMPARATOR:
        return t->comparator;
    default:
        return 0;
    }
}

static uint64_t reg_read(HpetState *s, unsigned off)
{
    if (off >= REG_TIMER && off < REG_TIMER + 0x20 * HPET_TIMERS)
        return timer_read(s, (off - REG_TIMER) / 0x20, off & 0x18);
    switch (off) {
    case REG_ID:
        return HPET_ID_LOW | (uint64_t)HPET_PERIOD_FS << 32;
    case REG_CONFIG:
        return s->config;
    case REG_STATUS:
        return s->status;
    case REG_COUNTER:
        return counter_now(s);
    default:
        return 0;
    }
}

static void config_write(HpetState *s, uint64_t val)
{
    uint64_t old = s->config;

    val &= CFG_ENABLE | CFG_LEGACY;
    if ((val ^ old) & CFG_ENABLE) {
        s->counter = counter_now(s);
        s->start_ns = clock_ns(CLOCK_VM);
    }
    s->config = val;
    if ((val ^ old) & CFG_LEGACY)
        irq_set(&s->legacy, (val & CFG_LEGACY) != 0);
    if ((val ^ old) & CFG_ENABLE)
        for (int n = 0; n < HPET_TIMERS; n++) {
            if (val & CFG_ENABLE)
                timer_schedule(s, n);
            else
                timer_del(s->t[n].timer);
        }
}

static void status_write(HpetState *s, uint64_t val)
{
    for (int n = 0; n < HPET_TIMERS; n++)
        if ((val & s->status) >> n & 1) {
            s->status &= ~BIT(n);
            if (s->t[n].config & TN_INT_ENABLE)
                drive(s, n, 0);
        }
}

/* mask: which bits of val the guest wrote (a half or all). */
static void timer_write(HpetState *s, unsigned n, unsigned reg, uint64_t val, uint64_t mask)
{
    HpetTimer *t = &s->t[n];
    uint64_t old, v;

    switch (reg) {
    case TIMER_CONFIG:
        old = t->config;
        v = ((old & ~mask) | (val & mask)) & TN_WRITABLE;
        if (n != 0)
            v &= ~(uint64_t)(TN_PERIODIC | TN_SETVAL);
        /* A pin that the timer cannot reach is not accepted. */
        if (!(ROUTE_CAP >> (v >> TN_ROUTE_SHIFT & 31) & 1))
            v = (v & ~(31ULL << TN_ROUTE_SHIFT)) | (old & (31ULL << TN_ROUTE_SHIFT));
        if ((old & TN_INT_ENABLE) && !(v & TN_INT_ENABLE) && (s->status >> n & 1))
            drive(s, (int)n, 0);
        t->config = v;
        if (v & TN_32BIT) {
            t->comparator &= 0xffffffff;
            t->period &= 0xffffffff;
        }
        timer_schedule(s, (int)n);
        break;
    case TIMER_COMPARATOR:
        if (t->config & TN_32BIT)
            val &= 0xffffffff;
        if (!(t->config & TN_PERIODIC)) {
            t->comparator = ((t->comparator & ~mask) | (val & mask)) & width_mask(t);
        } else {
            /* HPET 2.3.9.2.2: with SETVAL the accumulator, without it the period. */
            if (t->config & TN_SETVAL)
                t->comparator = ((t->comparator & ~mask) | (val & mask)) & width_mask(t);
            else
                t->period = ((t->period & ~mask) | (val & mask)) & width_mask(t);
            if (mask >> 32 || (t->config & TN_32BIT))
                t->config &= ~(uint64_t)TN_SETVAL;
        }
        timer_schedule(s, (int)n);
        break;
    default:
        log_unimp("hpet: message-signalled interrupts\n");
        break;
    }
}

static uint64_t hpet_read(void *opaque, hwaddr off, unsigned size)
{
    uint64_t v = reg_read(opaque, (unsigned)off & ~7u);

    return size == 8 ? v : v >> ((off & 4) * 8);
}

static void hpet_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    HpetState *s = opaque;
    unsigned reg = (unsigned)off & ~7u, shift = size == 8 ? 0 : (unsigned)(off & 4) * 8;
    uint64_t mask = MASK64(size * 8) << shift;

    val <<= shift;
    if (reg >= REG_TIMER && reg < REG_TIMER + 0x20 * HPET_TIMERS) {
        timer_write(s, (reg - REG_TIMER) / 0x20, reg & 0x18, val, mask);
        return;
    }
    switch (reg) {
    case REG_CONFIG:
        if (!shift)
            config_write(s, val);
        break;
    case REG_STATUS:
        status_write(s, val);
        break;
    case REG_COUNTER:
        if (s->config & CFG_ENABLE)
            log_guest_error("hpet: counter written while it runs\n");
        s->counter = (counter_now(s) & ~mask) | (val & mask);
        s->start_ns = clock_ns(CLOCK_VM);
        break;
    default:
        break;
    }
}

static const MemoryOps hpet_ops = {hpet_read, hpet_write, 4, 8, false};

void hpet_configure(HpetState *s, IrqHandler *gsi, void *gsi_opaque, IrqLine irq0, IrqLine irq8, IrqLine legacy)
{
    s->gsi = gsi;
    s->gsi_opaque = gsi_opaque;
    s->irq0 = irq0;
    s->irq8 = irq8;
    s->legacy = legacy;
}

static const VMField timer_fields[] = {
    VM_UINT(HpetTimer, config), VM_UINT(HpetTimer, comparator), VM_UINT(HpetTimer, period),
    VM_TIMER(HpetTimer, timer), VM_END,
};
static const VMField hpet_fields[] = {
    VM_STRUCT_ARRAY(HpetState, t, HPET_TIMERS, timer_fields),
    VM_UINT(HpetState, config),
    VM_UINT(HpetState, status),
    VM_UINT(HpetState, counter),
    VM_UINT(HpetState, start_ns),
    VM_END,
};

static void hpet_reset(Device *dev)
{
    HpetState *s = container_of(dev, HpetState, dev);
    bool legacy = s->config & CFG_LEGACY;

    for (int n = 0; n < HPET_TIMERS; n++) {
        timer_del(s->t[n].timer);
        s->t[n].config = 2ULL << TN_ROUTE_SHIFT;
        s->t[n].comparator = ~0ULL;
        s->t[n].period = 0;
    }
    s->config = s->status = s->counter = 0;
    s->start_ns = 0;
    if (legacy)
        irq_set(&s->legacy, 0);
}

static bool hpet_init(Device *dev, GError **errp)
{
    HpetState *s = container_of(dev, HpetState, dev);

    for (int n = 0; n < HPET_TIMERS; n++) {
        s->t[n].owner = s;
        s->t[n].timer = timer_new(CLOCK_VM, hpet_timer, &s->t[n]);
    }
    memory_region_init_io(&s->mr, &hpet_ops, s, "hpet", 0x400);
    memory_region_add(address_space_memory.root, HPET_BASE, &s->mr, 0);
    return true;
}

static void hpet_finalize(Device *dev)
{
    HpetState *s = container_of(dev, HpetState, dev);

    memory_region_del(address_space_memory.root, &s->mr);
    memory_region_destroy(&s->mr);
    for (int n = 0; n < HPET_TIMERS; n++)
        timer_free(s->t[n].timer);
}

const DeviceClass hpet_class = {
    .name = "hpet",
    .instance_size = sizeof(HpetState),
    .init = hpet_init,
    .reset = hpet_reset,
    .fields = hpet_fields,
    .finalize = hpet_finalize,
    .desc = "high precision event timers",
    .bus = "System",
};
