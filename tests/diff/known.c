/* known.c - deviations of the differential tester that have a reason, each narrowed to what it explains; docs/testing.md
 * lists them. Everything else that differs is an error. */
#include "host/base/osdep.h"
#include "tests/diff/diff.h"
#include "target-x86/cpuid.h"

static bool is_row(const DiffInsn *g, const char *name) { return g->row < (int)gen_simd_rows() && !strcmp(opcode_rows[g->row].name, name); }

static const char *row_name(const DiffInsn *g)
{
    unsigned r = g->row;
    return r < SIMD_AT ? opcode_rows[r].name : r < X87_AT ? simd_rows[r - SIMD_AT].name : r < VEX_AT ? "x87" : vex_rows[r - VEX_AT].name;
}

static bool is_access(int vector) { return vector == EXCP_PF || vector == EXCP_AC; }
static bool is_limit(int vector) { return vector == EXCP_GP || vector == EXCP_SS; }

/* REX right before a VEX prefix */
static bool rex_before_vex(const DiffInsn *g)
{
    for (unsigned i = 1; i < g->n; i++)
        if ((g->b[i] & 0xfe) == 0xc4 && (g->b[i - 1] & 0xf0) == 0x40)
            return true;
    return false;
}

/* The instruction at which both sides stopped by a fault, or NULL. */
static const DiffInsn *faulting(const DiffSeq *q, const DiffState *n, const DiffState *v)
{
    if (n->vector == DIFF_VECTOR_NONE || v->vector == DIFF_VECTOR_NONE || n->rip != v->rip)
        return NULL;
    for (unsigned i = 0; i < q->n; i++)
        if (n->rip == q->start + q->at[i])
            return &q->insn[i];
    return NULL;
}

const char *known_deviation(const DiffSeq *q, const DiffState *n, const DiffState *v, unsigned kinds, uint64_t lo, uint64_t hi)
{
    const DiffInsn *g = faulting(q, n, v);
    unsigned first = n->vector, second = v->vector;
    bool legacy = q->bits != 64;

    if (v->vector == DIFF_VECTOR_ENDLESS)
        return NULL;
    /* AddressSanitizer's shadow memory is mapped in the host process where the guest has nothing. */
    if (CONFIG_SANITIZERS && v->vector == EXCP_PF && v->addr >= 0x7fff8000 && v->addr < 0x10007fff8000)
        return "sanitizer";
    if (guest_interpreted && n->rip == v->rip && (first + second == EXCP_SS + EXCP_GP || (legacy && is_limit(first) && is_access(second)))) /* the interpreter notes no segment */
        return "interpreter";
    if (kinds == DK_GPR) /* LSL of the GDT entry whose limit is the number of the host's CPU: always the last instruction */
        for (int r = 0; r < 16 && q->n && q->insn[q->n - 1].lsl; r++)
            if ((v->gpr[r] & 0xffff) == (DIFF_LSL_CPU & 0xffff))
                return "host CPU number";
    if ((n->xs[XS_MXCSR + 2] & 2) && !cpu_has(guest_env(), X86F_MISALIGNSSE)) /* AMD's MXCSR.MM was loaded; Vireo's mask does not have it */
        return "MXCSR.MM";
    for (int i = 0; i < 6 && legacy; i++) /* the same entry as a data segment */
        if (n->sel[i] >> 3 == 15 && !(n->sel[i] & 4) && (kinds & (DK_VECTOR | DK_ADDR)))
            return "host CPU number";
    if (!g)
        return NULL;
    /* 64-bit code's indirect CALL has pushed before its target turns out not to be canonical: below the stack pointer. */
    if (kinds == DK_MEM && g->call_ind && first == EXCP_GP && lo >= n->gpr[R_ESP] - 8 && hi < n->gpr[R_ESP])
        return "CALL has pushed";
    /* UD0 and UD1 too long only by the ModRM that AMD does not fetch. */
    if (kinds == DK_VECTOR && is_row(g, "UD") && first == EXCP_UD && second == EXCP_GP && g->n >= 12)
        return "UD0 and UD1";
    /* The same of F3 before INSERTQ's opcode, with its two immediate bytes. */
    if (kinds == DK_VECTOR && g->n >= 12 && first + second == EXCP_UD + EXCP_GP && (!strcmp(row_name(g), "INSERTQ") || !strcmp(row_name(g), "EXTRQ")))
        return "undefined or too long";
    /* REX before VEX is undefined: how much of the instruction is fetched before that is seen varies. */
    if (q->bits == 64 && kinds == DK_VECTOR && g->n >= 15 && first + second == EXCP_UD + EXCP_GP && rex_before_vex(g))
        return "REX before VEX";
    return NULL;
}
