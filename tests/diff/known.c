/* known.c - deviations of the differential tester that have a reason, each narrowed to what it explains; docs/testing.md
 * lists them. Everything else that differs is an error. */
#include "host/base/osdep.h"
#include "tests/diff/diff.h"
#include "target-x86/cpuid.h"

static bool is_access(int vector) { return vector == EXCP_PF || vector == EXCP_AC; }
static bool is_limit(int vector) { return vector == EXCP_GP || vector == EXCP_SS; }

const char *known_deviation(const DiffSeq *q, const DiffState *n, const DiffState *v, unsigned kinds)
{
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
    return NULL;
}
