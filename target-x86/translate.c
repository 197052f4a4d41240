/* translate.c - guest instructions of one TB to IR: the loop, the TB's ends, and what every exit needs.
 * Operands and addresses: translate-mem.c; flags: translate-cc.c; instructions: gen-*.c.
 * Spec: Intel SDM vol. 1 and 2.
 *
 * A TB starts at dc->pc_first and ends at a control transfer, after max_insns instructions, or at the
 * page's end. Only its first instruction may reach into a second page, so that a fault of a later fetch is
 * never taken before the instructions in front of it have run. */
#include "target-x86/translate.h"
#include "host/base/log.h"
#include "accel/tb.h"
#include "target-x86/flags.h"

static const TcgGlobalInfo x86_globals[] = {
#define GPR(name, n) { name, TCG_I64, offsetof(CPUX86State, head.gpr[n]), n }
    GPR("rax", 0), GPR("rcx", 1), GPR("rdx", 2), GPR("rbx", 3), GPR("rsp", 4), GPR("rbp", 5), GPR("rsi", 6), GPR("rdi", 7),
    GPR("r8", 8), GPR("r9", 9), GPR("r10", 10), GPR("r11", 11), GPR("r12", 12), GPR("r13", 13), GPR("r14", 14), GPR("r15", 15),
#undef GPR
    { "cc_dst", TCG_I64, offsetof(CPUX86State, cc_dst), -1 },
    { "cc_src", TCG_I64, offsetof(CPUX86State, cc_src), -1 },
    { "cc_src2", TCG_I64, offsetof(CPUX86State, cc_src2), -1 },
#define XMM(n) { "xmm" #n, TCG_V128, offsetof(CPUX86State, xmm[n]), -1 }
    XMM(0), XMM(1), XMM(2), XMM(3), XMM(4), XMM(5), XMM(6), XMM(7), XMM(8), XMM(9), XMM(10), XMM(11), XMM(12), XMM(13),
    XMM(14), XMM(15),
#undef XMM
#define YMM(n) { "ymm" #n, TCG_V256, offsetof(CPUX86State, xmm[n]), -1 }
    YMM(0), YMM(1), YMM(2), YMM(3), YMM(4), YMM(5), YMM(6), YMM(7), YMM(8), YMM(9), YMM(10), YMM(11), YMM(12), YMM(13),
    YMM(14), YMM(15),
#undef YMM
    { "pc_page", TCG_I64, offsetof(CPUX86State, head.pc_page), -1 },
    { "cc_inc", TCG_I64, offsetof(CPUX86State, cc_inc), -1 },
    { NULL, 0, 0, 0 },
};
_Static_assert(G_N_ELEMENTS(x86_globals) == G_COUNT + 1, "globals in the order of G_*");

static bool x86_helper_name(const void *fn, const char **name)
{
#define HELPER(n, ...)                                                                                                 \
    if (fn == (const void *)helper_##n) {                                                                              \
        *name = "helper_" #n;                                                                                          \
        return true;                                                                                                   \
    }
#include "target-x86/helper-int.def"
#include "target-x86/helper-simd.def"
#include "target-x86/helper-sys.def"
#undef HELPER
    return false;
}

const TcgGuest x86_tcg_guest = { .globals = x86_globals, .nb_globals = G_COUNT, .stack_reg = R_ESP, .guess_modes = 1 << MMU_USER | 1 << MMU_KERNEL | 1 << MMU_KNOSMAP, .helper_name = x86_helper_name };

void x86_restore_state(void *opaque, const uint64_t data[2])
{
    CPUX86State *env = opaque;

    env->head.eip = data[0];
    CCOp op = data[1] & INSN_CC_OP;
    if (cc_op_is_over(op))
        env->cc_op = (env->cc_op & CC_BASE_MASK) | cc_op_over(op) << CC_OVER_SHIFT;
    else if (op != CC_OP_DYNAMIC)
        env->cc_op = op;
    x87_restore_note(env, data);
    env->insn_stack = data[1] & (INSN_STACK | INSN_OPERAND | INSN_OPERAND_SS | INSN_TWO);
}

void gen_CALL(DisasContext *dc);
void gen_JMP_IND(DisasContext *dc);
void gen_RETF(DisasContext *dc);
void gen_IRET(DisasContext *dc);
/* Rows whose operand size is 64 bits in 64-bit code push or pop, but for jumps. */
static bool pushes_or_pops(const OpcodeRow *row)
{
    bool jump = row->gen == gen_JMP_IND || row->op[0] == O_Jb || (row->op[0] == O_Jz && row->gen != gen_CALL);
    return !jump && (row->attr & (ROW_D64 | ROW_F64));
}

static bool uses_stack64(const OpcodeRow *row) { return pushes_or_pops(row) || row->gen == gen_RETF || row->gen == gen_IRET; }

/* Outside 64-bit code: which flat segment an access across its end may be to. */
static uint32_t stack_use32(const DisasContext *dc)
{
    const Insn *i = &dc->insn;
    uint32_t use = 0;
    bool to_es = i->row && i->map == MAP_1 && (i->opcode == 0x6c || i->opcode == 0x6d || (i->opcode & 0xfa) == 0xaa); /* INS, STOS, SCAS */
    bool two = i->row && i->map == MAP_1 && i->opcode >= 0xa4 && i->opcode <= 0xa7; /* MOVS, CMPS */
    bool stack = i->row && pushes_or_pops(i->row), operand = i->has_modrm && i->mod != 3;

    if (two)
        use |= dc->flags & HF_FLAT_ES ? INSN_TWO | INSN_STACK : INSN_TWO;
    if (stack && (dc->flags & HF_FLAT_SS))
        use |= INSN_STACK;
    int seg = to_es ? R_ES : i->seg;
    if ((operand || !stack) && (dc->flags & HF_FLAT_SEG(seg)))
        use |= seg == R_SS ? INSN_OPERAND | INSN_OPERAND_SS : INSN_OPERAND;
    return use;
}

/* What a fault has to know of the instruction's way to memory: see raise_not_canonical(). */
static inline uint32_t stack_use(const DisasContext *dc, DecodeResult r)
{
    const Insn *i = &dc->insn;
    uint32_t use = 0;

    if (r != DECODE_OK)
        return 0;
    if (!dc->code64)
        return stack_use32(dc);
    if (i->row) {
        RowFacts *facts = row_facts(i->row);
        if (unlikely(!facts->stack))
            facts->stack = uses_stack64(i->row) ? 2 : 1;
        use |= facts->stack == 2 ? INSN_STACK : 0;
    }
    uint32_t operand = i->seg == R_SS ? INSN_OPERAND | INSN_OPERAND_SS : INSN_OPERAND;
    return use | (operand & -(uint32_t)(i->has_modrm & (i->mod != 3))); /* half of all have one: no branch */
}

/* --- leaving the TB --- */

static vaddr dc_linear(const DisasContext *dc, uint64_t eip)
{
    return dc->code64 ? eip : (uint32_t)(dc->cs_base + eip);
}

uint64_t dc_mask_eip(const DisasContext *dc, uint64_t eip)
{
    switch (dc->insn.osize) {
    case MO_16: return (uint16_t)eip;
    case MO_32: return (uint32_t)eip;
    default: return eip;
    }
}

void gen_store_eip(DisasContext *dc, uint64_t eip)
{
    tcg_gen_st(dc->s, gen_eip(dc, eip), tcg_env(dc->s), offsetof(CPUX86State, head.eip), 8);
}

Tv gen_eip(DisasContext *dc, uint64_t eip)
{
    if (!dc->floating)
        return tcg_const(dc->s, eip);
    Tv t = tcg_temp(dc->s);
    tcg_gen_addi(dc->s, TCG_I64, t, tcg_global(G_PC_PAGE), dc_op_eip(dc, eip));
    return t;
}

/* eip and cc_op are in env: the trap of TF, or the way out. */
void gen_leave_stored(DisasContext *dc)
{
    if (dc->tf && !dc->no_trap)
        CALL_HELPER(dc, single_step, NO_OUT, 1, tcg_env(dc->s).i);
    gen_lookup_stored(dc);
}

/* The same with code being helper_lookup_code()'s answer already. */
void gen_leave_to(DisasContext *dc, Tv code)
{
    if (dc->tf && !dc->no_trap)
        CALL_HELPER(dc, single_step, NO_OUT, 1, tcg_env(dc->s).i);
    tcg_gen_goto_code(dc->s, code);
    dc->end = DISAS_NORETURN;
}

/* On to the TB of another key, or of an eip that env has: through C, but not through the loop. */
void gen_lookup_stored(DisasContext *dc)
{
    Tv code = tcg_temp(dc->s);

    CALL_HELPER(dc, lookup_code, code.i, 1, tcg_env(dc->s).i);
    tcg_gen_goto_code(dc->s, code);
    dc->end = DISAS_NORETURN;
}

void gen_flags_for_helper(DisasContext *dc)
{
    gen_compute_eflags(dc);
    gen_sync_cc_op(dc);
    /* The fault map's word for the instruction no longer holds: begin it once more. */
    tcg_gen_insn_start(dc->s, dc_op_eip(dc, dc_eip(dc)), CC_OP_EFLAGS | stack_use(dc, DECODE_OK) | gen_x87_note_word(dc));
    if (dc->max_insns > 1)
        dc->max_insns--;
}

void gen_leave(DisasContext *dc, uint64_t eip)
{
    gen_sync_cc_op(dc);
    gen_store_eip(dc, eip);
    gen_leave_stored(dc);
}

/* A jump there may be linked to its target for good: it is in the TB's page, and does not reach into another one, whose
 * translation may change without the first one's. */
bool dc_may_chain(const DisasContext *dc, vaddr lin)
{
    return !((lin ^ dc->pc_first) & TCG_PAGE_MASK) && (lin & ~TCG_PAGE_MASK) <= TCG_PAGE_SIZE - INSN_MAX_BYTES;
}

void gen_goto(DisasContext *dc, unsigned slot, uint64_t eip)
{
    gen_goto_lazy(dc, slot, eip, gen_flags_dead_at(dc, eip));
}

/* The code at lin will be translated soon, and nobody may have looked at it yet. If its page does not lie as far from this one in the
 * host's memory, as the pages of a kernel do, no harm is done. */
static void fetch_target_ahead(const DisasContext *dc, vaddr lin)
{
    if (dc->plain_end)
        __builtin_prefetch((const void *)((uintptr_t)dc->plain_host + (lin - dc->plain_page)));
}

/* lazy: gen_flags_dead_at(eip), and the other way out of a branch agrees: cc_op is not yet stored. */
void gen_goto_lazy(DisasContext *dc, unsigned slot, uint64_t eip, bool lazy)
{
    vaddr lin = dc_linear(dc, eip);
    bool backward = lin <= dc->pc;

    if (dc->plain_exits) {
        gen_leave(dc, eip);
        return;
    }
    fetch_target_ahead(dc, lin);
    if (lazy)
        gen_lazy_exit(dc, slot);
    else
        gen_sync_cc_op(dc);
    if (!dc_may_chain(dc, lin)) {
        if (dc->floating || dc->cs_base)
            tcg_gen_goto_ptr(dc->s, gen_pc(dc, lin));
        else
            tcg_gen_goto_far(dc->s, slot, lin, dc->insn.row && dc->insn.row->gen == gen_CALL ? dc->pc_next : 0);
    } else {
        if (backward)
            tcg_gen_poll_exit(dc->s, dc_op_eip(dc, eip));
        tcg_gen_goto_tb(dc->s, slot, dc_op_eip(dc, eip));
    }
    dc->end = DISAS_NORETURN;
}

void gen_goto_reg(DisasContext *dc, Tv eip, int sp)
{
    TcgContext *s = dc->s;

    gen_sync_cc_op(dc);
    if (dc->code64) { /* #GP at the branch: x86_check_branch() */
        dc->tb->has_branch = true;
        dc->tb->branch.off = dc->pc - dc->tb->pc;
        dc->tb->branch.undo = sp;
    }
    if (dc->plain_exits) {
        if (dc->code64)
            CALL_HELPER(dc, branch_target, NO_OUT, 3, tcg_env(s).i, eip.i, tcg_const(s, (uint32_t)sp).i);
        tcg_gen_st(s, eip, tcg_env(s), offsetof(CPUX86State, head.eip), 8);
        gen_leave_stored(dc);
        return;
    }
    if (!dc->code64 && dc->cs_base) {
        Tv lin = tcg_temp(s);
        tcg_gen_addi(s, TCG_I32, lin, eip, dc->cs_base);
        eip = lin;
    }
    tcg_gen_goto_ptr(s, eip);
    dc->end = DISAS_NORETURN;
}

void gen_exception(DisasContext *dc, int vector)
{
    CALL_HELPER(dc, raise_exception, NO_OUT, 2, tcg_env(dc->s).i, tcg_const(dc->s, vector).i);
    tcg_gen_exit_tb(dc->s, TB_EXIT_LOOKUP); /* never reached: a TB ends in an exit */
    dc->end = DISAS_NORETURN;
}

void gen_exception_gp0(DisasContext *dc)
{
    CALL_HELPER(dc, raise_exception_err, NO_OUT, 3, tcg_env(dc->s).i, tcg_const(dc->s, EXCP_GP).i, tcg_const(dc->s, 0).i);
    tcg_gen_exit_tb(dc->s, TB_EXIT_LOOKUP);
    dc->end = DISAS_NORETURN;
}

/* --- code segment limit --- */

/* Branch to *ok if eip <= CS.limit. */
static TcgOp *gen_cs_limit_branch(DisasContext *dc, Tv eip, TcgLabel ok)
{
    TcgContext *s = dc->s;
    Tv limit = tcg_temp(s);

    tcg_gen_ld(s, limit, tcg_env(s), offsetof(CPUX86State, segs[R_CS].limit), 4, false);
    return tcg_emit(s, TCG_OP_brcond, TCG_I64, 4, (uint64_t)limit.i, (uint64_t)eip.i, (uint64_t)TCG_COND_GEU, (uint64_t)ok.i);
}

/* At the TB's head: all of it lies below the limit. When not, the helper knows whether its first instruction does, since
 * the limit may have been larger at translation. Returns the branch, whose constant is filled in later. */
static TcgOp *gen_cs_limit_head(DisasContext *dc, uint64_t last_eip)
{
    TcgContext *s = dc->s;
    TcgLabel ok = tcg_label(s);
    TcgOp *br = gen_cs_limit_branch(dc, tcg_const(s, last_eip), ok);

    CALL_HELPER(dc, cs_limit, NO_OUT, 2, tcg_env(s).i, tcg_const(s, last_eip).i);
    tcg_gen_label(s, ok);
    return br;
}

static void check_target_limit(DisasContext *dc, Tv eip, bool call)
{
    uint64_t v;

    if (dc->code64 || (dc->flags & HF_FLAT_CS))
        return;
    if ((!dc->pe || dc->vm86) && tcg_is_const(dc->s, eip, &v) && v <= 0xffff)
        return; /* the limit there is 64 KiB, or more */
    TcgLabel ok = tcg_label(dc->s);
    gen_cs_limit_branch(dc, eip, ok);
    if (call)
        CALL_HELPER(dc, call_limit, NO_OUT, 2, tcg_env(dc->s).i, tcg_const(dc->s, 1 << dc->insn.osize).i);
    else
        CALL_HELPER(dc, raise_exception_err, NO_OUT, 3, tcg_env(dc->s).i, tcg_const(dc->s, EXCP_GP).i, tcg_const(dc->s, 0).i);
    tcg_gen_label(dc->s, ok);
}

void gen_check_cs_limit(DisasContext *dc, Tv eip) { check_target_limit(dc, eip, false); }

void gen_check_call_target(DisasContext *dc, Tv eip)
{
    TcgContext *s = dc->s;
    Tv extended = tcg_temp(s);
    uint64_t v;

    check_target_limit(dc, eip, true);
    if (!dc->code64 || tcg_is_const(s, eip, &v))
        return; /* a direct one's target was looked at when it was translated */
    if (dc->nb_insns > 1) {
        /* Is it where such code calls? If not, the same instruction at the start of a TB looks closely. */
        Tv want = eip;
        gen_sync_cc_op(dc);
        if (dc->cpl == 3) {
            tcg_gen_shri(s, TCG_I64, extended, eip, 47);
            want = tcg_const(s, 0);
        } else {
            tcg_gen_shli(s, TCG_I64, extended, eip, 16);
            tcg_gen_sari(s, TCG_I64, extended, extended, 16);
        }
        tcg_gen_side_exit(s, TCG_I64, TCG_COND_NE, extended, want, dc_op_eip(dc, dc_eip(dc)), false);
        return;
    }
    TcgLabel ok = tcg_label(s);
    tcg_gen_shli(s, TCG_I64, extended, eip, 16);
    tcg_gen_sari(s, TCG_I64, extended, extended, 16);
    tcg_gen_brcond(s, TCG_I64, TCG_COND_EQ, extended, eip, ok);
    CALL_HELPER(dc, call_canonical, NO_OUT, 3, tcg_env(s).i, eip.i, tcg_const(s, 1 << dc->insn.osize).i);
    tcg_gen_label(s, ok);
}

bool gen_not_here(DisasContext *dc, TcgType t, TcgCond c, Tv a, Tv b)
{
    uint64_t eip = dc_op_eip(dc, dc_eip(dc));

    if (!may_leave_at_insn(dc))
        return false;
    if (cc_op_is_over(dc->cc_op))
        gen_sync_cc_op(dc);
    if (dc->code64 && !dc->plain_exits && dc->nb_side_jumps < TCG_MAX_SIDE_JUMPS) {
        dc->nb_side_jumps++;
        tcg_gen_side_jump(dc->s, t, c, a, b, eip, dc->cc_op_dirty ? offsetof(CPUX86State, cc_op) : 0, dc->cc_op);
        return true;
    }
    TcgOp *op = tcg_gen_side_exit(dc->s, t, c, a, b, eip, false);
    if (dc->cc_op_dirty)
        op->arg[5] = (uint64_t)offsetof(CPUX86State, cc_op) << 32 | dc->cc_op;
    return true;
}

/* --- the loop --- */

static void init_context(DisasContext *dc, CPUState *cpu, TB *tb, TcgContext *s, unsigned max_insns)
{
    uint32_t f = tb->flags;

    tb->skips_state = false;
    s->floating = tb->floating;
    s->float_min = (f & HF_CS64) && (f & HF_CPL) == 3 ? x86_float_min : ~0ULL;
    tb->lazy_slots = 0;
    s->eip_is_32 = !(f & HF_CS64);
    *dc = (DisasContext){
        .s = s, .cpu = cpu, .env = X86_ENV(cpu), .tb = tb, .flags = f, .cs_base = tb->cs_base, .pc_first = tb->pc, .floating = tb->floating,
        .pc = tb->pc, .pc_next = tb->pc, .cpl = f & HF_CPL, .iopl = (f & HF_IOPL) >> HF_IOPL_SHIFT, .pe = f & HF_PE,
        .vm86 = f & HF_VM, .code64 = f & HF_CS64, .code32 = f & (HF_CS32 | HF_CS64), .ss32 = f & HF_SS32,
        .lma = f & HF_LMA, .tf = f & HF_TF, .cc_op = CC_OP_DYNAMIC, .max_insns = max_insns,
    };
    dc->all_flat = dc->code64;
    dc->mmu_idx = dc->cpl == 3 ? MMU_USER : f & HF_SMAP_OFF ? MMU_KNOSMAP : MMU_KERNEL;
    dc->plain_exits = f & (HF_TF | HF_RF | HF_INHIBIT_IRQ);
    if (dc->plain_exits || dc->max_insns == 0)
        dc->max_insns = 1;
    if (!dc->code64 && (f & (HF_FLAT_ES | HF_FLAT_SS | HF_FLAT_DS)) != (HF_FLAT_ES | HF_FLAT_SS | HF_FLAT_DS))
        dc->max_insns = MIN(dc->max_insns, 64); /* checked accesses take many temps and labels */
}

/* What one-shot TB flags ask for before the instruction. */
static void gen_one_shot_flags(DisasContext *dc)
{
    TcgContext *s = dc->s;

    if (dc->flags & HF_INHIBIT_IRQ)
        tcg_gen_st(s, tcg_const(s, 0), tcg_env(s), offsetof(CPUX86State, inhibit_irq), 4);
    if (dc->flags & HF_RF) {
        /* A fault of the instruction pushes RF set by itself. */
        Tv t = tcg_temp(s);
        tcg_gen_ld(s, t, tcg_env(s), offsetof(CPUX86State, eflags), 8, false);
        tcg_gen_andi(s, TCG_I64, t, t, ~(int64_t)EFL_RF);
        tcg_gen_st(s, t, tcg_env(s), offsetof(CPUX86State, eflags), 8);
        tcg_gen_st(s, tcg_const(s, dc->flags & ~(uint32_t)(HF_RF | HF_INHIBIT_IRQ)), tcg_env(s), offsetof(CPUX86State, hflags), 4);
    }
}

/* Breakpoints, and one-shot flags. */
static void gen_before_insn(DisasContext *dc)
{
    if ((dc->flags & HF_CODE_BP) && !((dc->flags & HF_RF) && dc->nb_insns == 0)) {
        gen_sync_cc_op(dc);
        gen_store_eip(dc, dc_eip(dc));
        CALL_HELPER(dc, code_bp, NO_OUT, 1, tcg_env(dc->s).i);
    }
    if (dc->nb_insns == 0)
        gen_one_shot_flags(dc);
}

static void gen_insn(DisasContext *dc, DecodeResult r)
{
    if (r == DECODE_TOO_LONG) {
        gen_exception_gp0(dc);
    } else if (r != DECODE_OK) {
        gen_exception(dc, EXCP_UD);
    } else if (dc->insn.simd) {
        gen_simd_insn(dc);
    } else {
        gen_general(dc);
    }
}

/* STI and its shadow are over, and the state asks for a TB of this one's key: leave if an interrupt waits, else go on as usual. */
static void gen_interrupt_check(DisasContext *dc, uint64_t eip)
{
    TcgContext *s = dc->s;
    Tv cpu = tcg_temp(s), request = tcg_temp(s);
    TcgLabel none = tcg_label(s);

    gen_sync_cc_op(dc);
    tcg_gen_ld(s, cpu, tcg_env(s), offsetof(CPUX86State, head.cpu), 8, false);
    tcg_gen_ld(s, request, cpu, offsetof(CPUState, interrupt_request), 4, false);
    tcg_gen_brcondi(s, TCG_I32, TCG_COND_EQ, request, 0, none);
    gen_store_eip(dc, eip);
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    tcg_gen_label(s, none);
    dc->plain_exits = false;
}

static void gen_end(DisasContext *dc)
{
    uint64_t eip = dc->code64 ? dc->pc - dc->cs_base : (uint32_t)(dc->pc - dc->cs_base);

    switch (dc->end) {
    case DISAS_NEXT:
    case DISAS_TOO_MANY:
        if (dc->after_sti && !dc->shadow_next)
            gen_interrupt_check(dc, eip);
        gen_goto(dc, 0, eip);
        break;
    case DISAS_LOOKUP_PTR:
        if (dc->plain_exits) {
            gen_leave(dc, eip);
            break;
        }
        gen_sync_cc_op(dc);
        tcg_gen_goto_ptr(dc->s, gen_pc(dc, dc->pc));
        break;
    case DISAS_LOOKUP:
    case DISAS_EXIT:
        gen_leave(dc, eip);
        break;
    case DISAS_NORETURN:
        break;
    }
}

void x86_translate(CPUState *cpu, TB *tb, TcgContext *s, unsigned max_insns)
{
    DisasContext dc_storage, *dc = &dc_storage;
    TcgOp *limit_branch = NULL;
    vaddr last_byte;
    uint32_t cs_limit;

    init_context(dc, cpu, tb, s, max_insns);
    tb->has_branch = false; /* this may be a second, shorter attempt */
    bool check_cs = !dc->code64 && !(dc->flags & HF_FLAT_CS);
    bool flags_open = !check_cs && !dc->plain_exits && !(dc->flags & HF_CODE_BP); /* nothing has needed them yet */
    cs_limit = dc->env->segs[R_CS].limit;
    last_byte = dc->pc;
    /* Nothing to do before an instruction that its flags ask for, as nearly always. */
    bool plain = !check_cs && !(dc->flags & (HF_CODE_BP | HF_RF | HF_INHIBIT_IRQ));
    for (;;) {
        dc->fetch_pages_open = dc->nb_insns == 0;
        DecodeResult r = decode_insn(dc);
        uint64_t last_eip = (uint32_t)(dc->pc_next - 1 - dc->cs_base);
        if (r == DECODE_STOP || (check_cs && dc->nb_insns && last_eip > cs_limit) || (r == DECODE_OK && dc->insn.simd && !simd_fits_tb(dc))) {
            dc->end = DISAS_TOO_MANY;
            break;
        }
        tcg_gen_insn_start(s, dc_op_eip(dc, dc_eip(dc)), dc->cc_op | stack_use(dc, r) | (dc->x87.note ? gen_x87_note_word(dc) : 0));
        if (unlikely(!plain)) {
            if (check_cs && dc->nb_insns == 0)
                limit_branch = gen_cs_limit_head(dc, last_eip);
            gen_before_insn(dc);
        }
        if (dc->shadow_next)
            tcg_gen_st(s, tcg_const(s, 0), tcg_env(s), offsetof(CPUX86State, inhibit_irq), 4);
        dc->shadow_next = false;
        dc->nb_insns++;
        dc->mem_valid = false;
        dc->seg_checked = false;
        if (!dc->code64)
            dc->all_flat = (dc->flags & HF_FLAT_ES) && (dc->flags & HF_FLAT_SS) && (dc->flags & HF_FLAT_DS) &&
                           (dc->flags & HF_FLAT_SEG(dc->insn.seg));
        last_byte = dc->pc_next - 1;
        if (flags_open && (r != DECODE_OK || insn_overwrites_flags(dc, &flags_open))) {
            tb->skips_state = r == DECODE_OK;
            flags_open = false;
        }
        if (limit_branch)
            limit_branch->arg[1] = tcg_const(s, last_eip).i;
        gen_insn(dc, r);
        dc->pc = dc->pc_next;
        if (dc->end != DISAS_NEXT)
            break;
        if (dc->nb_insns >= dc->max_insns || ((dc->pc ^ dc->pc_first) & TCG_PAGE_MASK) || s->overflow) {
            dc->end = DISAS_TOO_MANY;
            break;
        }
    }
    gen_end(dc);
    tb->size = last_byte - tb->pc + 1;
    tb->icount = dc->nb_insns;
}
