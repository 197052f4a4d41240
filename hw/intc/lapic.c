/* lapic.c - local APIC of one CPU, xAPIC and x2APIC
 * Spec: Intel SDM volume 3, chapter "Advanced Programmable Interrupt Controller".
 * Guest view: MMIO at fee00000h (movable through IA32_APIC_BASE), MSRs 800h-8ffh in x2APIC mode.
 * Not modelled: other CPUs as IPI targets, thermal and performance sources, directed EOI, CMCI. */
#include "host/base/osdep.h"
#include "hw/intc/lapic.h"

#include "host/base/bitops.h"
#include "host/base/log.h"
#include "softmmu/memory.h"
#include "softmmu/timer.h"

enum { /* register numbers: MMIO offset >> 4, MSR - 800h */
    REG_ID = 0x02, REG_VERSION = 0x03, REG_TPR = 0x08, REG_APR = 0x09, REG_PPR = 0x0a, REG_EOI = 0x0b,
    REG_RRD = 0x0c, REG_LDR = 0x0d, REG_DFR = 0x0e, REG_SVR = 0x0f, REG_ISR = 0x10, REG_TMR = 0x18,
    REG_IRR = 0x20, REG_ESR = 0x28, REG_ICR = 0x30, REG_ICR2 = 0x31, REG_LVT_TIMER = 0x32,
    REG_LVT_THERMAL = 0x33, REG_LVT_PERF = 0x34, REG_LVT_LINT0 = 0x35, REG_LVT_LINT1 = 0x36,
    REG_LVT_ERROR = 0x37, REG_TIMER_INITIAL = 0x38, REG_TIMER_CURRENT = 0x39, REG_TIMER_DIVIDE = 0x3e,
    REG_SELF_IPI = 0x3f,
};
enum { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };
enum { LVT_PENDING = 1 << 12, LVT_POLARITY = 1 << 13, LVT_REMOTE_IRR = 1 << 14, LVT_LEVEL = 1 << 15,
       LVT_MASKED = 1 << 16, LVT_PERIODIC = 1 << 17, LVT_DEADLINE = 1 << 18 };
enum { SVR_ENABLE = 0x100 };
enum { ESR_SEND_ILLEGAL = 0x20, ESR_RECEIVE_ILLEGAL = 0x40, ESR_REGISTER = 0x80 };
enum { BASE_BSP = 1 << 8, BASE_X2APIC = 1 << 10, BASE_ENABLE = 1 << 11 };
enum { LAPIC_VERSION = 0x14, MSR_TSC_DEADLINE = 0x6e0 };
static const uint64_t DEFAULT_BASE = 0xfee00000;
static const int64_t MIN_PERIOD_NS = 2000; /* a shorter period is slowed down, so that timers cannot flood the host */

struct LapicState {
    Device dev;
    LapicWiring w;
    unsigned initial_id;
    MemoryRegion mr;
    Timer *timer;
    /* guest-visible */
    uint64_t base;
    uint32_t id, tpr, ldr, dfr, svr, esr, esr_pending;
    uint32_t isr[8], tmr[8], irr[8];
    uint32_t icr[2], lvt[LVT_COUNT], divide, initial_count;
    int64_t timer_start_ns;
    bool timer_stopped; /* a one-shot count that ran out; stays so in another mode until a new count is written */
    uint64_t deadline;
    uint8_t lint[2];     /* pin levels */
    uint8_t extint;      /* an ExtINT message of the I/O APIC waits */
};

static bool x2apic(const LapicState *s)
{
    return (s->base & (BASE_ENABLE | BASE_X2APIC)) == (BASE_ENABLE | BASE_X2APIC);
}

static int highest_bit(const uint32_t *set)
{
    for (int i = 7; i >= 0; i--)
        if (set[i])
            return i * 32 + 31 - __builtin_clz(set[i]);
    return -1;
}

static bool bit_test(const uint32_t *set, unsigned n)
{
    return set[n >> 5] >> (n & 31) & 1;
}

static void bit_change(uint32_t *set, unsigned n, bool on)
{
    set[n >> 5] = on ? set[n >> 5] | 1u << (n & 31) : set[n >> 5] & ~(1u << (n & 31));
}

static unsigned ppr(const LapicState *s)
{
    int v = highest_bit(s->isr);
    unsigned isrv = v < 0 ? 0 : (unsigned)v & 0xf0;

    return (s->tpr & 0xf0) >= isrv ? s->tpr : isrv;
}

/* Vector that could be delivered now, -1 none. */
static int deliverable(const LapicState *s)
{
    int v = highest_bit(s->irr);

    if (!(s->base & BASE_ENABLE) || !(s->svr & SVR_ENABLE) || v < 0)
        return -1;
    return ((unsigned)v & 0xf0) > (ppr(s) & 0xf0) ? v : -1;
}

/* The 8259 reaches the core through LINT0 as ExtINT, or directly when the APIC is off. */
static bool extint_wanted(const LapicState *s)
{
    uint32_t lvt = s->lvt[LVT_LINT0];

    if (!(s->base & BASE_ENABLE))
        return s->lint[0];
    if (s->extint)
        return true;
    return s->lint[0] && !(lvt & LVT_MASKED) && (lvt >> 8 & 7) == DELIVER_EXTINT;
}

/* The only place that touches INTR. */
static void lapic_update(LapicState *s)
{
    if (s->w.cpu && s->w.cpu->intr)
        s->w.cpu->intr(s->w.cpu_opaque, deliverable(s) >= 0 || extint_wanted(s));
}

static void lvt_signal(LapicState *s, int n);

static void set_error(LapicState *s, uint32_t bit)
{
    bool first = !(s->esr_pending & bit);

    s->esr_pending |= bit;
    /* The error LVT itself may hold an illegal vector: that must not call back here for ever. */
    if (first)
        lvt_signal(s, LVT_ERROR);
}

static void accept_vector(LapicState *s, unsigned vector, bool level)
{
    if (vector < 16) {
        set_error(s, ESR_RECEIVE_ILLEGAL);
        return;
    }
    bit_change(s->irr, vector, true);
    bit_change(s->tmr, vector, level);
    lapic_update(s);
}

static void accept(LapicState *s, unsigned mode, unsigned vector, bool level)
{
    const LapicCpuOps *cpu = s->w.cpu;

    switch (mode) {
    case DELIVER_FIXED:
    case DELIVER_LOWEST: /* one CPU: it is the lowest */
        if (s->svr & SVR_ENABLE)
            accept_vector(s, vector, level);
        break;
    case DELIVER_SMI:
        if (cpu && cpu->smi)
            cpu->smi(s->w.cpu_opaque);
        break;
    case DELIVER_NMI:
        if (cpu && cpu->nmi)
            cpu->nmi(s->w.cpu_opaque);
        break;
    case DELIVER_INIT:
        if (cpu && cpu->init)
            cpu->init(s->w.cpu_opaque);
        break;
    case DELIVER_SIPI:
        if (cpu && cpu->sipi)
            cpu->sipi(s->w.cpu_opaque, vector);
        break;
    case DELIVER_EXTINT:
        s->extint = 1;
        lapic_update(s);
        break;
    default:
        log_guest_error("lapic: reserved delivery mode %u\n", mode);
        break;
    }
}

static void lvt_signal(LapicState *s, int n)
{
    uint32_t lvt = s->lvt[n];
    unsigned mode = lvt >> 8 & 7;

    if (lvt & LVT_MASKED)
        return;
    if (n == LVT_TIMER || n == LVT_ERROR)
        mode = DELIVER_FIXED;
    if (mode == DELIVER_EXTINT)
        lapic_update(s);
    else
        accept(s, mode, lvt & 0xff, n == LVT_LINT0 && (lvt & LVT_LEVEL));
}

static bool is_target(const LapicState *s, uint32_t dest, bool logical)
{
    if (x2apic(s)) {
        if (dest == 0xffffffff || dest == 0xff)
            return true;
        if (!logical)
            return dest == s->id;
        return dest >> 16 == s->ldr >> 16 && (dest & s->ldr & 0xffff);
    }
    dest &= 0xff;
    if (!logical)
        return dest == 0xff || dest == s->id >> 24;
    if (s->dfr >> 28 == 0xf) /* flat */
        return (dest & s->ldr >> 24) != 0;
    return (dest >> 4 == 0xf || dest >> 4 == s->ldr >> 28) && (dest & (s->ldr >> 24) & 0xf);
}

void lapic_deliver(LapicState *s, uint32_t dest, bool logical, unsigned mode, unsigned vector, bool level)
{
    if ((s->base & BASE_ENABLE) && is_target(s, dest, logical))
        accept(s, mode, vector & 0xff, level);
}

void lapic_set_lint(void *opaque, int n, int level)
{
    LapicState *s = opaque;
    bool rising = level && !s->lint[n & 1];

    s->lint[n & 1] = level != 0;
    if (n == 0 && (s->lvt[LVT_LINT0] >> 8 & 7) == DELIVER_EXTINT) {
        lapic_update(s);
        return;
    }
    if (!(s->base & BASE_ENABLE)) {
        if (n == 1 && rising)
            accept(s, DELIVER_NMI, 0, false);
        lapic_update(s);
        return;
    }
    if (rising)
        lvt_signal(s, LVT_LINT0 + (n & 1));
    lapic_update(s);
}

/* --- timer: counts the 1 GHz bus clock --- */

static unsigned divide_shift(const LapicState *s)
{
    unsigned v = (s->divide & 3) | (s->divide >> 1 & 4);

    return (v + 1) & 7;
}

static int64_t period_ns(const LapicState *s)
{
    return (int64_t)s->initial_count << divide_shift(s);
}

static unsigned timer_mode(const LapicState *s)
{
    return s->lvt[LVT_TIMER] >> 17 & 3;
}

static uint32_t timer_current(const LapicState *s)
{
    int64_t gone = clock_ns(CLOCK_VM) - s->timer_start_ns, p = period_ns(s);

    if (!p || timer_mode(s) >= 2 || gone < 0 || s->timer_stopped)
        return 0;
    if (timer_mode(s) == 0 && gone >= p)
        return 0;
    return s->initial_count - (uint32_t)((gone % p) >> divide_shift(s));
}

static void timer_schedule(LapicState *s)
{
    int64_t now = clock_ns(CLOCK_VM), p = period_ns(s), next;

    timer_del(s->timer);
    if (timer_mode(s) == 2) {
        if (!s->deadline || !s->w.cpu || !s->w.cpu->tsc_to_ns)
            return;
        next = s->w.cpu->tsc_to_ns(s->w.cpu_opaque, s->deadline);
        if (next > clock_ns(CLOCK_VM)) {
            timer_mod(s->timer, next);
        } else { /* gone by: the interrupt is there with the next instruction */
            s->deadline = 0;
            lvt_signal(s, LVT_TIMER);
        }
        return;
    }
    if (!p || timer_mode(s) == 3 || s->timer_stopped)
        return;
    if (timer_mode(s) == 1) {
        next = s->timer_start_ns + ((now - s->timer_start_ns) / p + 1) * p;
        timer_mod(s->timer, p < MIN_PERIOD_NS ? MAX(next, now + MIN_PERIOD_NS) : next);
    } else if (now - s->timer_start_ns < p) {
        timer_mod(s->timer, s->timer_start_ns + p);
    }
}

/* The count goes on from where it is in the new mode. */
static void timer_change_mode(LapicState *s, unsigned old_mode)
{
    int64_t gone = clock_ns(CLOCK_VM) - s->timer_start_ns, p = period_ns(s);

    if (p && gone >= p && old_mode == 0)
        s->timer_stopped = true;
    else if (p && gone >= p && old_mode == 1)
        s->timer_start_ns += gone / p * p;
}

static void timer_expired(void *opaque)
{
    LapicState *s = opaque;

    if (timer_mode(s) == 2)
        s->deadline = 0;
    lvt_signal(s, LVT_TIMER);
    timer_schedule(s);
}

/* --- commands --- */

static void eoi(LapicState *s)
{
    int v = highest_bit(s->isr);

    if (v < 0)
        return;
    bit_change(s->isr, (unsigned)v, false);
    if (bit_test(s->tmr, (unsigned)v) && s->w.eoi)
        s->w.eoi(s->w.chipset_opaque, (unsigned)v);
    lapic_update(s);
}

static void send_ipi(LapicState *s)
{
    uint32_t lo = s->icr[0], dest = x2apic(s) ? s->icr[1] : s->icr[1] >> 24;
    unsigned mode = lo >> 8 & 7, vector = lo & 0xff, shorthand = lo >> 18 & 3;
    bool level = lo >> 15 & 1, assert_level = lo >> 14 & 1;
    bool self = shorthand == 1 || shorthand == 2 || (shorthand == 0 && is_target(s, dest, lo >> 11 & 1));

    if (mode == DELIVER_INIT && level && !assert_level)
        return; /* INIT level de-assert: only sets arbitration IDs */
    if (mode == DELIVER_EXTINT) {
        log_guest_error("lapic: ExtINT cannot be sent as an IPI\n");
        return;
    }
    if ((mode == DELIVER_FIXED || mode == DELIVER_LOWEST) && vector < 16)
        set_error(s, ESR_SEND_ILLEGAL);
    else if (self)
        accept(s, mode, vector, false);
}

/* --- registers --- */

static uint32_t reg_read(LapicState *s, unsigned reg)
{
    switch (reg) {
    case REG_ID:
        return s->id;
    case REG_VERSION:
        return LAPIC_VERSION | (LVT_COUNT - 1) << 16;
    case REG_TPR:
        return s->tpr;
    case REG_APR:
    case REG_RRD:
    case REG_EOI:
        return 0;
    case REG_PPR:
        return ppr(s);
    case REG_LDR:
        return s->ldr;
    case REG_DFR:
        return s->dfr;
    case REG_SVR:
        return s->svr;
    case REG_ISR ... REG_ISR + 7:
        return s->isr[reg & 7];
    case REG_TMR ... REG_TMR + 7:
        return s->tmr[reg & 7];
    case REG_IRR ... REG_IRR + 7:
        return s->irr[reg & 7];
    case REG_ESR:
        return s->esr;
    case REG_ICR:
    case REG_ICR2:
        return s->icr[reg - REG_ICR];
    case REG_LVT_TIMER ... REG_LVT_ERROR:
        return s->lvt[reg - REG_LVT_TIMER];
    case REG_TIMER_INITIAL:
        return s->initial_count;
    case REG_TIMER_CURRENT:
        return timer_current(s);
    case REG_TIMER_DIVIDE:
        return s->divide;
    default:
        set_error(s, ESR_REGISTER);
        return 0;
    }
}

static void lvt_write(LapicState *s, unsigned n, uint32_t val)
{
    static const uint32_t writable[LVT_COUNT] = {
        [LVT_TIMER] = 0x000700ff, [LVT_THERMAL] = 0x000107ff, [LVT_PERF] = 0x000107ff,
        [LVT_LINT0] = 0x0001a7ff, [LVT_LINT1] = 0x0001a7ff,   [LVT_ERROR] = 0x000100ff,
    };
    unsigned old_mode = timer_mode(s);

    val &= writable[n];
    if (!(s->svr & SVR_ENABLE))
        val |= LVT_MASKED;
    s->lvt[n] = val;
    if (n == LVT_TIMER && timer_mode(s) != old_mode) {
        if (timer_mode(s) == 2 || old_mode == 2) { /* to and from deadline mode disarms */
            s->initial_count = 0;
            s->deadline = 0;
        }
        timer_change_mode(s, old_mode);
        timer_schedule(s);
    }
    if (n == LVT_LINT0 && s->lint[0] && (val & LVT_LEVEL))
        lvt_signal(s, LVT_LINT0);
    lapic_update(s);
}

static void reg_write(LapicState *s, unsigned reg, uint32_t val)
{
    switch (reg) {
    case REG_ID:
        s->id = val & 0xff000000;
        break;
    case REG_TPR:
        s->tpr = val & 0xff;
        lapic_update(s);
        break;
    case REG_EOI:
        eoi(s);
        break;
    case REG_LDR:
        s->ldr = val & 0xff000000;
        break;
    case REG_DFR:
        s->dfr = val | 0x0fffffff;
        break;
    case REG_SVR:
        s->svr = val & 0x3ff;
        if (!(val & SVR_ENABLE))
            for (int i = 0; i < LVT_COUNT; i++)
                s->lvt[i] |= LVT_MASKED;
        lapic_update(s);
        break;
    case REG_ESR: /* a write makes the errors since the last one visible */
        s->esr = s->esr_pending;
        s->esr_pending = 0;
        break;
    case REG_ICR:
        s->icr[0] = val & 0x000ccfff;
        send_ipi(s);
        break;
    case REG_ICR2:
        s->icr[1] = val & 0xff000000;
        break;
    case REG_LVT_TIMER ... REG_LVT_ERROR:
        lvt_write(s, reg - REG_LVT_TIMER, val);
        break;
    case REG_TIMER_INITIAL:
        if (timer_mode(s) == 2)
            break;
        s->initial_count = val;
        s->timer_start_ns = clock_ns(CLOCK_VM);
        s->timer_stopped = false;
        timer_schedule(s);
        break;
    case REG_TIMER_DIVIDE: {
        uint32_t left = timer_current(s);
        s->divide = val & 0xb;
        /* The count goes on from where it is, at the new rate. */
        s->timer_start_ns = clock_ns(CLOCK_VM) - ((int64_t)(s->initial_count - left) << divide_shift(s));
        if (left)
            timer_schedule(s);
        break;
    }
    case REG_VERSION: case REG_APR: case REG_PPR: case REG_RRD: case REG_TIMER_CURRENT:
    case REG_ISR ... REG_ISR + 7: case REG_TMR ... REG_TMR + 7: case REG_IRR ... REG_IRR + 7:
        break; /* read only */
    default:
        set_error(s, ESR_REGISTER);
        break;
    }
}

static bool readable_msr(unsigned reg)
{
    return reg == REG_ID || reg == REG_VERSION || reg == REG_TPR || reg == REG_PPR || reg == REG_LDR ||
           (reg >= REG_SVR && reg <= REG_ESR) || reg == REG_ICR ||
           (reg >= REG_LVT_TIMER && reg <= REG_TIMER_CURRENT) || reg == REG_TIMER_DIVIDE;
}

bool lapic_msr_read(LapicState *s, uint32_t msr, uint64_t *val)
{
    unsigned reg = msr & 0xff;

    if (msr == MSR_TSC_DEADLINE) {
        *val = timer_mode(s) == 2 ? s->deadline : 0;
        return true;
    }
    if (!x2apic(s) || msr < 0x800 || msr > 0x8ff || !readable_msr(reg))
        return false;
    *val = reg == REG_ICR ? s->icr[0] | (uint64_t)s->icr[1] << 32 : reg_read(s, reg);
    return true;
}

bool lapic_msr_write(LapicState *s, uint32_t msr, uint64_t val)
{
    unsigned reg = msr & 0xff;

    if (msr == MSR_TSC_DEADLINE) {
        if (timer_mode(s) == 2) {
            s->deadline = val;
            timer_schedule(s);
        }
        return true;
    }
    if (!x2apic(s) || msr < 0x800 || msr > 0x8ff)
        return false;
    switch (reg) {
    case REG_ICR:
        s->icr[1] = (uint32_t)(val >> 32);
        s->icr[0] = (uint32_t)val & 0x000ccfff;
        send_ipi(s);
        return true;
    case REG_SELF_IPI:
        if (val > 0xff)
            return false;
        s->icr[0] = (uint32_t)val | 1 << 18;
        send_ipi(s);
        return true;
    case REG_EOI:
    case REG_ESR:
        if (val)
            return false;
        break;
    case REG_TPR:
        if (val > 0xff)
            return false;
        break;
    case REG_SVR:
    case REG_LVT_TIMER ... REG_TIMER_INITIAL:
    case REG_TIMER_DIVIDE:
        if (val >> 32)
            return false;
        break;
    default: /* read-only or absent */
        return false;
    }
    reg_write(s, reg, (uint32_t)val);
    return true;
}

/* --- MMIO: 32-bit registers at 16-byte steps; what lies above the page is the MSI window --- */

static uint64_t lapic_mmio_read(void *opaque, hwaddr off, unsigned size)
{
    LapicState *s = opaque;

    if (!(s->base & BASE_ENABLE) || x2apic(s) || off >= 0x1000)
        return 0xffffffff;
    return off & 0xc ? 0 : reg_read(s, (unsigned)off >> 4);
}

static void lapic_mmio_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    LapicState *s = opaque;

    if (off >= 0x1000) { /* address bits 19-12 destination, bit 2 logical (SDM "Message Signalled Interrupts") */
        lapic_deliver(s, (uint32_t)(off >> 12 & 0xff), off >> 2 & 1, val >> 8 & 7, val & 0xff, val >> 15 & 1);
        return;
    }
    if ((s->base & BASE_ENABLE) && !x2apic(s) && !(off & 0xc))
        reg_write(s, (unsigned)off >> 4, (uint32_t)val);
}

static const MemoryOps lapic_ops = {lapic_mmio_read, lapic_mmio_write, 4, 4, false};

/* --- the CPU's side --- */

int lapic_get_vector(LapicState *s)
{
    int v = deliverable(s);

    if (v >= 0) {
        bit_change(s->irr, (unsigned)v, false);
        bit_change(s->isr, (unsigned)v, true);
    } else if (extint_wanted(s)) {
        s->extint = 0;
        v = s->w.pic_acknowledge ? s->w.pic_acknowledge(s->w.chipset_opaque) : -1;
    } else if ((s->base & BASE_ENABLE) && (s->svr & SVR_ENABLE) && highest_bit(s->irr) >= 0) {
        v = (int)(s->svr & 0xff); /* the request went below TPR after INTR rose */
    }
    lapic_update(s);
    return v;
}

uint8_t lapic_get_tpr(LapicState *s)
{
    return (uint8_t)s->tpr;
}

void lapic_set_tpr(LapicState *s, uint8_t tpr)
{
    s->tpr = tpr;
    lapic_update(s);
}

uint64_t lapic_get_base(LapicState *s)
{
    return s->base;
}

bool lapic_set_base(LapicState *s, uint64_t val)
{
    unsigned from = s->base >> 10 & 3, to = val >> 10 & 3; /* bit 0 x2APIC, bit 1 enabled */

    if (val & 0x2ff) /* the CPU has looked at the upper bits */
        return false;
    if (to == 1 || (from == 3 && to == 2) || (from == 0 && to == 3))
        return false; /* SDM figure "Local x2APIC State Transitions" */
    s->base = (val & ~(uint64_t)BASE_BSP) | (s->base & BASE_BSP);
    memory_region_set_address(&s->mr, s->base & ~0xfffULL);
    if (from != to) {
        if (to == 3) {
            s->id = s->initial_id;
            s->ldr = (s->id & 0xffff0) << 12 | 1u << (s->id & 0xf);
        } else if (to == 0) {
            lapic_init_reset(s);
        } else {
            s->id = s->initial_id << 24;
            s->ldr = 0;
        }
    }
    lapic_update(s);
    return true;
}

/* --- `info lapic` --- */

static const char *const delivery_name[8] = {"Fixed", "LowPri", "SMI", "...", "NMI", "INIT", "SIPI", "ExtINT"};

static void print_lvt(GString *out, const char *name, uint32_t lvt, bool timer)
{
    static const char *const timer_modes[4] = {"one-shot", "periodic", "tsc-deadline", "reserved"};
    unsigned mode = timer ? 0 : lvt >> 8 & 7;

    g_string_append_printf(out, "%s\t 0x%08x active-%s %-5s %-6s %-7s %-12s %-6s", name, lvt,
                           lvt & LVT_POLARITY ? "lo" : "hi", lvt & LVT_LEVEL ? "level" : "edge",
                           lvt & LVT_MASKED ? "masked" : "", lvt & LVT_PENDING ? "pending" : "",
                           timer ? timer_modes[lvt >> 17 & 3] : "", delivery_name[mode]);
    if (mode == DELIVER_FIXED)
        g_string_append_printf(out, " (vec %u)", lvt & 0xff);
    g_string_append_c(out, '\n');
}

static void print_set(LapicState *s, GString *out, const char *name, const uint32_t *set, bool with_trigger)
{
    bool any = false;

    g_string_append_printf(out, "%s\t ", name);
    for (unsigned i = 0; i < 256; i++)
        if (bit_test(set, i)) {
            g_string_append_printf(out, "%u%s ", i, with_trigger && bit_test(s->tmr, i) ? "(level)" : "");
            any = true;
        }
    g_string_append(out, any ? "\n" : "(none)\n");
}

void lapic_print(LapicState *s, GString *out)
{
    static const char *const shorthand[4] = {"no-shorthand", "self", "all-self", "all"};
    static const struct { int n; const char *name; } order[] = {
        {LVT_LINT0, "LVT0"},     {LVT_LINT1, "LVT1"},       {LVT_PERF, "LVTPC"},
        {LVT_ERROR, "LVTERR"},   {LVT_THERMAL, "LVTTHMR"},  {LVT_TIMER, "LVTT"},
    };
    uint32_t icr = s->icr[0];

    g_string_append_printf(out, "dumping local APIC state for CPU %u \n\n", s->initial_id);
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        print_lvt(out, order[i].name, s->lvt[order[i].n], order[i].n == LVT_TIMER);
    g_string_append_printf(out, "Timer\t DCR=0x%x (divide by %u) initial_count = %u current_count = %u\n", s->divide,
                           1u << divide_shift(s), s->initial_count, timer_current(s));
    g_string_append_printf(out, "SPIV\t 0x%08x APIC %s, focus=%s, spurious vec %u\n", s->svr,
                           s->svr & SVR_ENABLE ? "enabled" : "disabled", s->svr & 0x200 ? "on" : "off",
                           s->svr & 0xff);
    g_string_append_printf(out, "ICR\t 0x%08x %s %s %s %s\n", icr, icr & 0x800 ? "logical" : "physical",
                           icr & 0x8000 ? "level" : "edge", icr & 0x4000 ? "assert" : "de-assert",
                           shorthand[icr >> 18 & 3]);
    g_string_append_printf(out, "ICR2\t 0x%08x cpu %u (%s)\n", s->icr[1], x2apic(s) ? s->icr[1] : s->icr[1] >> 24,
                           x2apic(s) ? "X2APIC ID" : "APIC ID");
    g_string_append_printf(out, "ESR\t 0x%08x\n", s->esr);
    print_set(s, out, "ISR", s->isr, true);
    print_set(s, out, "IRR", s->irr, true);
    g_string_append_printf(out, "\nAPR 0x%02x TPR 0x%02x DFR 0x%02x LDR 0x%02x PPR 0x%02x\n", 0, s->tpr,
                           s->dfr >> 28, x2apic(s) ? s->ldr : s->ldr >> 24, ppr(s));
}

/* --- device --- */

static const VMField lapic_fields[] = {
    VM_UINT(LapicState, base),       VM_UINT(LapicState, id),          VM_UINT(LapicState, tpr),
    VM_UINT(LapicState, ldr),        VM_UINT(LapicState, dfr),         VM_UINT(LapicState, svr),
    VM_UINT(LapicState, esr),        VM_UINT(LapicState, esr_pending), VM_UINT_ARRAY(LapicState, isr, 8),
    VM_UINT_ARRAY(LapicState, tmr, 8), VM_UINT_ARRAY(LapicState, irr, 8), VM_UINT_ARRAY(LapicState, icr, 2),
    VM_UINT_ARRAY(LapicState, lvt, LVT_COUNT), VM_UINT(LapicState, divide), VM_UINT(LapicState, initial_count),
    VM_UINT(LapicState, timer_start_ns), VM_UINT(LapicState, timer_stopped), VM_UINT(LapicState, deadline), VM_UINT_ARRAY(LapicState, lint, 2),
    VM_UINT(LapicState, extint),     VM_TIMER(LapicState, timer),      VM_END,
};

void lapic_configure(LapicState *s, unsigned id, const LapicWiring *w)
{
    s->initial_id = id;
    s->w = *w;
}

void lapic_init_reset(LapicState *s)
{
    s->tpr = s->ldr = s->esr = s->esr_pending = 0;
    s->dfr = 0xffffffff;
    s->svr = 0xff;
    memset(s->isr, 0, sizeof s->isr);
    memset(s->tmr, 0, sizeof s->tmr);
    memset(s->irr, 0, sizeof s->irr);
    memset(s->icr, 0, sizeof s->icr);
    for (int i = 0; i < LVT_COUNT; i++)
        s->lvt[i] = LVT_MASKED;
    s->divide = s->initial_count = 0;
    s->timer_start_ns = 0;
    s->timer_stopped = false;
    s->deadline = 0;
    s->extint = 0;
    if (x2apic(s))
        s->ldr = (s->id & 0xffff0) << 12 | 1u << (s->id & 0xf);
    timer_del(s->timer);
    lapic_update(s);
}

static void lapic_reset(Device *dev)
{
    LapicState *s = container_of(dev, LapicState, dev);

    s->base = DEFAULT_BASE | BASE_ENABLE | (s->initial_id == 0 ? BASE_BSP : 0);
    s->id = s->initial_id << 24;
    s->lint[0] = s->lint[1] = 0;
    memory_region_set_address(&s->mr, DEFAULT_BASE);
    lapic_init_reset(s);
}

static void lapic_post_load(Device *dev)
{
    LapicState *s = container_of(dev, LapicState, dev);

    memory_region_set_address(&s->mr, s->base & ~0xfffULL);
    lapic_update(s);
}

static bool lapic_init(Device *dev, GError **errp)
{
    LapicState *s = container_of(dev, LapicState, dev);

    s->timer = timer_new(CLOCK_VM, timer_expired, s);
    memory_region_init_io(&s->mr, &lapic_ops, s, "apic-msi", 1 * MiB);
    memory_region_add(address_space_memory.root, DEFAULT_BASE, &s->mr, 4096);
    return true;
}

static void lapic_finalize(Device *dev)
{
    LapicState *s = container_of(dev, LapicState, dev);

    memory_region_del(address_space_memory.root, &s->mr);
    memory_region_destroy(&s->mr);
    timer_free(s->timer);
}

const DeviceClass lapic_class = {
    .name = "apic",
    .instance_size = sizeof(LapicState),
    .init = lapic_init,
    .reset = lapic_reset,
    .fields = lapic_fields,
    .post_load = lapic_post_load,
    .finalize = lapic_finalize,
    .desc = "local interrupt controller",
    .bus = "System",
};
