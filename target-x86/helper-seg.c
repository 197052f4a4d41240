/* helper-seg.c - descriptors, segment loads with their checks, stacks, LAR/LSL/VERR/VERW, LLDT/LTR,
 * the slow form of a segment limit check.
 * Spec: Intel SDM vol. 3, chapters 3 and 5; vol. 2 for each instruction.
 * Far transfers are in helper-far.c, task switches in task.c. */
#include "host/base/osdep.h"
#include "target-x86/helper.h"
#include "target-x86/sys.h"

void sys_probe_write(CPUX86State *env, uint64_t addr, unsigned len, uintptr_t ra)
{
    while (len) {
        vaddr a = cpu_linear(env, addr);
        unsigned n = MIN(len, TCG_PAGE_SIZE - (a & ~TCG_PAGE_MASK));
        probe_access(env->cpu, a, n, ACCESS_STORE, MMU_KERNEL, ra);
        addr += n;
        len -= n;
    }
}

/* --- stacks --- */

Stack stack_current(CPUX86State *env, uintptr_t ra)
{
    const SegCache *ss = &env->segs[R_SS];
    Stack s = {.env = env, .base = ss->base, .mask = stack_mask_of(ss->flags), .sp = env->head.gpr[R_ESP], .limit = ss->limit,
               .flags = ss->flags | DESC_P, .mmu_idx = cpu_mmu_index(env), .ra = ra};
    if (cpu_is_64(env)) {
        s.base = 0;
        s.mask = ~0ULL;
        s.flags = 0;
    }
    return s;
}

/* Access rights of a stack of another privilege level. */
static unsigned stack_mmu_idx(CPUX86State *env, unsigned cpl)
{
    if (cpl == 3)
        return MMU_USER;
    return (env->cr[4] & CR4_SMAP) && (env->eflags & EFL_AC) ? MMU_KNOSMAP : MMU_KERNEL;
}

Stack stack_from_desc(CPUX86State *env, uint32_t e1, uint32_t e2, uint64_t sp, unsigned dpl, int err, uintptr_t ra)
{
    return (Stack){.env = env, .base = desc_base(e1, e2), .mask = stack_mask_of(e2), .sp = sp, .limit = desc_limit(e1, e2),
                   .flags = desc_flags(e2) | DESC_P, .err = err, .mmu_idx = stack_mmu_idx(env, dpl), .ra = ra};
}

Stack stack_long(CPUX86State *env, uint64_t sp, unsigned cpl, uintptr_t ra)
{
    return (Stack){.env = env, .mask = ~0ULL, .sp = sp, .mmu_idx = stack_mmu_idx(env, cpl), .ra = ra};
}

/* Is [off, off + size) outside a data segment's limit? */
static bool outside_limit(uint32_t flags, uint32_t limit, uint64_t off, unsigned size)
{
    uint64_t last = off + size - 1;
    if (!(flags & DESC_CODE) && (flags & DESC_E))
        return off <= limit || last > (flags & DESC_B ? 0xffffffffu : 0xffff);
    return last > limit;
}

static vaddr stack_addr(Stack *s, unsigned size)
{
    uint64_t off = s->sp & s->mask;
    if (s->flags) {
        if (outside_limit(s->flags, s->limit, off, size))
            raise_exception_err(s->env, EXCP_SS, s->err, s->ra);
        return cpu_linear(s->env, (uint32_t)(s->base + off));
    }
    if (!is_canonical(s->env, off) || !is_canonical(s->env, off + size - 1))
        raise_exception_err(s->env, EXCP_SS, s->err, s->ra);
    return off;
}

/* Alignment check of CPL 3, after the segment's. */
static vaddr stack_access(Stack *s, unsigned size)
{
    vaddr a = stack_addr(s, size);
    if (s->mmu_idx == MMU_USER && (s->env->hflags & HF_AC) && (a & (size - 1)))
        raise_exception_err(s->env, EXCP_AC, 0, s->ra);
    return a;
}

void stack_push(Stack *s, unsigned size, uint64_t val)
{
    s->sp = (s->sp & ~s->mask) | ((s->sp - size) & s->mask);
    cpu_st(s->env->cpu, stack_access(s, size), size, val, s->mmu_idx, s->ra);
}

uint64_t stack_pop(Stack *s, unsigned size)
{
    uint64_t val = cpu_ld(s->env->cpu, stack_access(s, size), size, s->mmu_idx, s->ra);
    s->sp = (s->sp & ~s->mask) | ((s->sp + size) & s->mask);
    return val;
}

void stack_drop(Stack *s, unsigned bytes) { s->sp = (s->sp & ~s->mask) | ((s->sp + bytes) & s->mask); }

uint64_t stack_peek(Stack *s, unsigned index, unsigned size)
{
    Stack t = *s;
    stack_drop(&t, index * size);
    return cpu_ld(s->env->cpu, stack_access(&t, size), size, s->mmu_idx, s->ra);
}

void stack_commit(const Stack *s)
{
    uint64_t *rsp = &s->env->head.gpr[R_ESP];
    if (s->mask == 0xffff)
        *rsp = (*rsp & ~0xffffULL) | (s->sp & 0xffff);
    else
        *rsp = s->sp & s->mask;
}

/* --- descriptors --- */

uint64_t desc_addr(const CPUX86State *env, unsigned selector)
{
    return (selector & 4 ? env->ldt.base : env->gdt.base) + (selector & 0xfff8);
}

bool desc_read(CPUX86State *env, unsigned selector, uint32_t *e1, uint32_t *e2, uintptr_t ra)
{
    uint32_t limit = selector & 4 ? env->ldt.limit : env->gdt.limit;
    if ((selector & 4) && !(env->ldt.flags & DESC_P))
        return false;
    if ((selector & 0xffff) > limit || ((selector | 7) & 0xffff) > limit)
        return false;
    uint64_t d = sys_ld(env, desc_addr(env, selector), 8, ra);
    *e1 = (uint32_t)d;
    *e2 = d >> 32;
    return true;
}

void desc_set_accessed(CPUX86State *env, unsigned selector, uint32_t *e2, uintptr_t ra)
{
    if (*e2 & DESC_A)
        return;
    *e2 |= DESC_A;
    sys_st(env, desc_addr(env, selector) + 5, 1, *e2 >> 8 & 0xff, ra);
}

void cpu_load_seg_cache(CPUX86State *env, int seg, unsigned selector, uint64_t base, uint32_t limit, uint32_t flags)
{
    env->segs[seg] = (SegCache){.selector = selector & 0xffff, .limit = limit, .base = base, .flags = flags};
    cpu_update_hflags(env);
}

void seg_set_desc(CPUX86State *env, int seg, unsigned selector, uint32_t e1, uint32_t e2)
{
    env->segs[seg] = (SegCache){.selector = selector & 0xffff, .limit = desc_limit(e1, e2), .base = desc_base(e1, e2), .flags = desc_flags(e2)};
}

void seg_load_desc(CPUX86State *env, int seg, unsigned selector, uint32_t e1, uint32_t e2)
{
    seg_set_desc(env, seg, selector, e1, e2);
    cpu_update_hflags(env);
}

void seg_load_vm86(CPUX86State *env, int seg, unsigned selector)
{
    selector &= 0xffff;
    cpu_load_seg_cache(env, seg, selector, selector << 4, 0xffff, DESC_P | DESC_S | DESC_W | DESC_A | DESC_DPL);
}

void seg_load_flat(CPUX86State *env, int seg, unsigned selector, uint32_t extra_flags)
{
    cpu_load_seg_cache(env, seg, selector, 0, 0xffffffffu, 0xf0000 | DESC_G | DESC_P | DESC_S | DESC_W | DESC_A | extra_flags);
}

void cs_check_target(CPUX86State *env, uint32_t e1, uint32_t e2, uint64_t eip, uintptr_t ra)
{
    if (cpu_lma(env) && (e2 & DESC_L) ? !is_canonical(env, eip) : eip > desc_limit(e1, e2))
        raise_exception_err(env, EXCP_GP, 0, ra);
}

void cs_load(CPUX86State *env, unsigned selector, uint32_t e1, uint32_t e2, unsigned cpl, uintptr_t ra)
{
    desc_set_accessed(env, selector, &e2, ra);
    seg_load_desc(env, R_CS, (selector & 0xfffc) | cpl, e1, e2);
    if (cpu_lma(env) && !(e2 & DESC_L)) /* of the registers only this one loses its upper half at once (AMD) */
        env->head.gpr[R_ESP] = (uint32_t)env->head.gpr[R_ESP];
}

static void after_data_seg(CPUX86State *env, int seg)
{
    if (seg == R_SS)
        cpu_update_hflags(env);
    else
        cpu_update_data_seg(env, seg);
}

static void load_null(CPUX86State *env, int seg, unsigned selector, uintptr_t ra)
{
    unsigned cpl = cpu_cpl(env);
    if (seg == R_SS) {
        if (!cpu_is_64(env) || cpl == 3 || (selector & 3) != cpl)
            raise_exception_err(env, EXCP_GP, 0, ra);
        /* SS.DPL is where the CPL lives: it stays with a null selector. */
        env->segs[seg] = (SegCache){.selector = selector, .flags = cpl << DESC_DPL_SHIFT};
    } else {
        env->segs[seg] = (SegCache){.selector = selector};
    }
    after_data_seg(env, seg);
}

void cpu_load_seg(CPUX86State *env, int seg, int sel, uintptr_t ra)
{
    unsigned selector = sel & 0xffff, cpl = cpu_cpl(env), rpl = selector & 3;
    uint32_t e1, e2;

    if (!cpu_pe(env)) { /* limit and rights stay: "unreal" mode */
        env->segs[seg].selector = selector;
        env->segs[seg].base = selector << 4;
        cpu_update_hflags(env);
        return;
    }
    if (cpu_vm86(env)) {
        seg_load_vm86(env, seg, selector);
        return;
    }
    if (!(selector & 0xfffc)) {
        load_null(env, seg, selector, ra);
        return;
    }
    int err = selector & 0xfffc;
    if (!desc_read(env, selector, &e1, &e2, ra) || !(e2 & DESC_S))
        raise_exception_err(env, EXCP_GP, err, ra);
    unsigned dpl = desc_dpl(e2);
    if (seg == R_SS) {
        if (rpl != cpl || dpl != cpl || !desc_is_writable_data(e2))
            raise_exception_err(env, EXCP_GP, err, ra);
        if (!(e2 & DESC_P))
            raise_exception_err(env, EXCP_SS, err, ra);
    } else {
        if ((e2 & (DESC_CODE | DESC_R)) == DESC_CODE)
            raise_exception_err(env, EXCP_GP, err, ra);
        if ((e2 & (DESC_CODE | DESC_C)) != (DESC_CODE | DESC_C) && (rpl > dpl || cpl > dpl))
            raise_exception_err(env, EXCP_GP, err, ra);
        if (!(e2 & DESC_P))
            raise_exception_err(env, EXCP_NP, err, ra);
    }
    desc_set_accessed(env, selector, &e2, ra);
    seg_set_desc(env, seg, selector, e1, e2);
    after_data_seg(env, seg);
}

uint32_t helper_load_seg(CPUX86State *env, uint32_t seg, uint32_t selector)
{
    uint32_t was = env->hflags;
    cpu_load_seg(env, seg, selector, GETPC());
    return was != env->hflags;
}

void seg_drop_after_return(CPUX86State *env)
{
    static const uint8_t data_segs[] = {R_ES, R_DS, R_FS, R_GS};
    unsigned cpl = cpu_cpl(env);
    for (unsigned i = 0; i < ARRAY_SIZE(data_segs); i++) {
        SegCache *s = &env->segs[data_segs[i]];
        bool conforming = (s->flags & (DESC_CODE | DESC_C)) == (DESC_CODE | DESC_C);
        if (!(s->flags & DESC_P) || conforming || desc_dpl(s->flags) >= cpl)
            continue;
        /* In 64-bit mode the bases of FS and GS are MSRs of their own and stay. */
        uint64_t base = cpu_is_64(env) && data_segs[i] >= R_FS ? s->base : 0;
        cpu_load_seg_cache(env, data_segs[i], 0, base, 0, 0);
    }
}

/* --- inner stacks --- */

void tss_inner_stack(CPUX86State *env, unsigned dpl, unsigned *ss, uint64_t *esp, uint32_t *e1, uint32_t *e2, int ext, uintptr_t ra)
{
    bool tss32 = desc_type(env->tr.flags) & 8;
    unsigned off = tss32 ? dpl * 8 + 4 : dpl * 4 + 2;
    if (!(env->tr.flags & DESC_P) || off + (tss32 ? 5 : 3) > env->tr.limit)
        raise_exception_err(env, EXCP_TS, (env->tr.selector & 0xfffc) | ext, ra);
    *esp = sys_ld(env, env->tr.base + off, tss32 ? 4 : 2, ra);
    *ss = sys_ld(env, env->tr.base + off + (tss32 ? 4 : 2), 2, ra);
    int err = (*ss & 0xfffc) | ext;
    if (!(*ss & 0xfffc) || (*ss & 3) != dpl || !desc_read(env, *ss, e1, e2, ra) || desc_dpl(*e2) != dpl ||
        !desc_is_writable_data(*e2))
        raise_exception_err(env, EXCP_TS, err, ra);
    if (!(*e2 & DESC_P))
        raise_exception_err(env, EXCP_SS, err, ra);
}

uint64_t tss64_rsp(CPUX86State *env, unsigned slot, uintptr_t ra)
{
    unsigned off = slot * 8 + 4;
    if (!(env->tr.flags & DESC_P) || off + 7 > env->tr.limit)
        raise_exception_err(env, EXCP_TS, env->tr.selector & 0xfffc, ra);
    uint64_t rsp = sys_ld(env, env->tr.base + off, 8, ra);
    if (!is_canonical(env, rsp))
        raise_exception_err(env, EXCP_SS, 0, ra);
    return rsp;
}

/* --- LLDT, LTR --- */

/* Base of a system descriptor: 16 bytes long in IA-32e mode. */
static uint64_t system_base(CPUX86State *env, unsigned selector, uint32_t e1, uint32_t e2, uintptr_t ra)
{
    uint64_t base = desc_base(e1, e2);
    if (cpu_lma(env)) {
        if ((selector | 15) > (selector & 4 ? env->ldt.limit : env->gdt.limit))
            raise_exception_err(env, EXCP_GP, selector & 0xfffc, ra);
        uint64_t hi = sys_ld(env, desc_addr(env, selector) + 8, 8, ra);
        if (hi >> 40 & 0x1f) /* the type of the upper half must be 0 */
            raise_exception_err(env, EXCP_GP, selector & 0xfffc, ra);
        base |= hi << 32;
        if (!is_canonical_base(env, base))
            raise_exception_err(env, EXCP_GP, selector & 0xfffc, ra);
    }
    return base;
}

void helper_lldt(CPUX86State *env, uint32_t selector)
{
    uintptr_t ra = GETPC();
    uint32_t e1, e2;
    selector &= 0xffff;
    if (!(selector & 0xfffc)) {
        env->ldt = (SegCache){.selector = selector};
        return;
    }
    if ((selector & 4) || !desc_read(env, selector, &e1, &e2, ra) || (e2 & DESC_S) || desc_type(e2) != SYS_LDT)
        raise_exception_err(env, EXCP_GP, selector & 0xfffc, ra);
    if (!(e2 & DESC_P))
        raise_exception_err(env, EXCP_NP, selector & 0xfffc, ra);
    uint64_t base = system_base(env, selector, e1, e2, ra);
    env->ldt = (SegCache){.selector = selector, .base = base, .limit = desc_limit(e1, e2), .flags = desc_flags(e2)};
}

void helper_ltr(CPUX86State *env, uint32_t selector)
{
    uintptr_t ra = GETPC();
    uint32_t e1, e2;
    selector &= 0xffff;
    if (!(selector & 0xfffc))
        raise_exception_err(env, EXCP_GP, 0, ra);
    if ((selector & 4) || !desc_read(env, selector, &e1, &e2, ra) || (e2 & DESC_S) ||
        (desc_type(e2) != SYS_TSS32 && (cpu_lma(env) || desc_type(e2) != SYS_TSS16)))
        raise_exception_err(env, EXCP_GP, selector & 0xfffc, ra);
    if (!(e2 & DESC_P))
        raise_exception_err(env, EXCP_NP, selector & 0xfffc, ra);
    uint64_t base = system_base(env, selector, e1, e2, ra);
    e2 |= 2 << DESC_TYPE_SHIFT; /* busy */
    sys_st(env, desc_addr(env, selector) + 5, 1, e2 >> 8 & 0xff, ra);
    env->tr = (SegCache){.selector = selector, .base = base, .limit = desc_limit(e1, e2), .flags = desc_flags(e2)};
}

uint32_t helper_read_tr_ldt(CPUX86State *env, uint32_t which)
{
    return which ? env->tr.selector : env->ldt.selector;
}

/* --- LAR, LSL, VERR, VERW: ZF tells; cc_op is EFLAGS --- */

static void set_zf(CPUX86State *env, bool on)
{
    env->cc_src = on ? env->cc_src | CC_Z : env->cc_src & ~(uint64_t)CC_Z;
}

enum { INSN_LAR, INSN_LSL };

/* The checks that LAR and LSL share. valid16/valid64: bit per system type. */
static bool lar_lsl_visible(CPUX86State *env, unsigned selector, int insn, uint32_t *e1, uint32_t *e2, uintptr_t ra)
{
    if (!(selector & 0xfffc) || !desc_read(env, selector, e1, e2, ra))
        return false;
    unsigned dpl = desc_dpl(*e2), rpl = selector & 3, cpl = cpu_cpl(env);
    if (*e2 & DESC_S) {
        if ((*e2 & (DESC_CODE | DESC_C)) == (DESC_CODE | DESC_C))
            return true;
    } else {
        uint32_t legacy = insn == INSN_LAR ? 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 9 | 1 << 11 | 1 << 12
                                           : 1 << 1 | 1 << 2 | 1 << 3 | 1 << 9 | 1 << 11;
        uint32_t ia32e = insn == INSN_LAR ? 1 << 2 | 1 << 9 | 1 << 11 | 1 << 12 : 1 << 2 | 1 << 9 | 1 << 11;
        if (!((cpu_lma(env) ? ia32e : legacy) >> desc_type(*e2) & 1))
            return false;
    }
    return dpl >= cpl && dpl >= rpl;
}

uint64_t helper_lar(CPUX86State *env, uint32_t selector)
{
    uint32_t e1, e2;
    bool ok = lar_lsl_visible(env, selector & 0xffff, INSN_LAR, &e1, &e2, GETPC());
    set_zf(env, ok);
    return ok ? e2 & 0x00ffff00 : 0; /* the limit bits too, as processors do */
}

uint64_t helper_lsl(CPUX86State *env, uint32_t selector)
{
    uint32_t e1, e2;
    bool ok = lar_lsl_visible(env, selector & 0xffff, INSN_LSL, &e1, &e2, GETPC());
    set_zf(env, ok);
    return ok ? desc_limit(e1, e2) : 0;
}

static bool verify(CPUX86State *env, unsigned selector, bool write, uintptr_t ra)
{
    uint32_t e1, e2;
    if (!(selector & 0xfffc) || !desc_read(env, selector, &e1, &e2, ra) || !(e2 & DESC_S))
        return false;
    unsigned dpl = desc_dpl(e2), rpl = selector & 3, cpl = cpu_cpl(env);
    bool level_ok = dpl >= cpl && dpl >= rpl;
    if (e2 & DESC_CODE)
        return !write && (e2 & DESC_R) && ((e2 & DESC_C) || level_ok);
    return level_ok && (!write || (e2 & DESC_W));
}

void helper_verr(CPUX86State *env, uint32_t selector)
{
    set_zf(env, verify(env, selector & 0xffff, false, GETPC()));
}

void helper_verw(CPUX86State *env, uint32_t selector)
{
    set_zf(env, verify(env, selector & 0xffff, true, GETPC()));
}

/* --- access checks --- */

void seg_check(CPUX86State *env, unsigned seg, uint64_t off, unsigned size, bool write, uintptr_t ra)
{
    const SegCache *s = &env->segs[seg];
    bool bad;

    if (!cpu_pe(env) || cpu_vm86(env)) { /* 8086 rules: the limit only */
        bad = outside_limit(cpu_pe(env) ? 0 : s->flags, s->limit, off, size);
    } else {
        bad = !(s->flags & DESC_P) || (s->flags & DESC_CODE ? write || !(s->flags & DESC_R) : write && !(s->flags & DESC_W)) ||
              outside_limit(s->flags, s->limit, off, size);
    }
    if (bad)
        raise_exception_err(env, seg == R_SS ? EXCP_SS : EXCP_GP, 0, ra);
}

/* A near CALL's target is none. What the push would raise comes first (AMD). */
static G_NORETURN void call_fault(CPUX86State *env, uint32_t size, uintptr_t ra)
{
    Stack s = stack_current(env, ra);
    s.sp = (s.sp & ~s.mask) | ((s.sp - size) & s.mask);
    probe_operand(env, stack_access(&s, size), size, ACCESS_STORE, ra);
    raise_exception_err(env, EXCP_GP, 0, ra);
}

void helper_call_limit(CPUX86State *env, uint32_t size) { call_fault(env, size, GETPC()); }

/* The target does not fit in 48 bits; 57 may be allowed. */
void helper_call_canonical(CPUX86State *env, uint64_t target, uint32_t size)
{
    if (!is_canonical(env, target))
        call_fault(env, size, GETPC());
}

void helper_check_seg(CPUX86State *env, uint32_t seg, uint64_t off, uint32_t size_write)
{
    unsigned first = size_write >> CHECK_FIRST_SHIFT;
    uint64_t unaligned = (1u << (size_write >> CHECK_ALIGN_SHIFT & 7)) - 1;
    bool write = size_write & CHECK_WRITE;
    vaddr addr = (uint32_t)(env->segs[seg].base + off);

    if ((addr & unaligned) && !(env->mxcsr & MXCSR_MM))
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    if (first) { /* all of its faults come before the limit of the second */
        AccessType type = write ? ACCESS_STORE : ACCESS_LOAD;
        seg_check(env, seg, off, first, write, GETPC());
        if ((env->hflags & HF_AC) && (addr & (first - 1)))
            raise_exception_err(env, EXCP_AC, 0, GETPC());
        probe_operand(env, addr, first, type, GETPC());
    }
    seg_check(env, seg, off, size_write & 0xffff, write, GETPC());
}
