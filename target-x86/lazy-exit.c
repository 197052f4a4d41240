/* lazy-exit.c - flags that nobody will look at: where the code behind a TB overwrites all six before it reads them
 * and before it can fault, the chained path does not store them; the ways out to the execution loop do.
 *
 * Two sides make this exact. The TB that leaves decodes ahead at the target, in its own page, and marks its
 * chaining slot. The TB that starts there says for itself whether it overwrites the flags so (TB.skips_state), and
 * tb_chain() links a marked slot to no other: so code that changes later, breakpoints and single steps need no
 * thought here. Interrupts are taken on the ways out only.
 * Not looked at: memory operands (they fault), partial flag writers, code behind a further jump.
 * Spec: Intel SDM vol. 1, appendix A (flags of each instruction). */
#include "accel/tb.h"
#include "target-x86/flags.h"
#include "target-x86/translate.h"

enum { LOOK_AHEAD = 6 }; /* instructions */
#define COLD __attribute__((noinline))

#define GEN(name) void gen_##name(DisasContext *dc);
GEN(ADD) GEN(OR) GEN(AND) GEN(SUB) GEN(XOR) GEN(CMP) GEN(TEST) GEN(NEG)
GEN(MOV) GEN(MOVSXD) GEN(MOVZX) GEN(MOVSX) GEN(LEA) GEN(CBW) GEN(CWD) GEN(NOP) GEN(NOT) GEN(BSWAP)
GEN(SHL) GEN(SHR) GEN(SAR)
#undef GEN

typedef void GenFn(DisasContext *dc);

static bool one_of(GenFn *gen, GenFn *const *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (gen == list[i])
            return true;
    }
    return false;
}

/* By RowFacts.flags. NO_MEMORY: its memory operand is none. STRANGER: neither reads flags nor writes but some. */
enum { ROW_UNKNOWN, ROW_OTHER, ROW_NO_MEMORY, ROW_WRITER, ROW_STRANGER };

static COLD unsigned classify(const OpcodeRow *row)
{
    static GenFn *const writers[] = { gen_ADD, gen_OR, gen_AND, gen_SUB, gen_XOR, gen_CMP, gen_TEST, gen_NEG };
    static GenFn *const strangers[] = { gen_MOV, gen_MOVSXD, gen_MOVZX, gen_MOVSX, gen_CBW, gen_CWD, gen_NOT, gen_BSWAP,
                                        gen_SHL, gen_SHR, gen_SAR };

    if (row->gen == gen_LEA || row->gen == gen_NOP)
        return ROW_NO_MEMORY;
    if (one_of(row->gen, writers, ARRAY_SIZE(writers)))
        return ROW_WRITER;
    return one_of(row->gen, strangers, ARRAY_SIZE(strangers)) ? ROW_STRANGER : ROW_OTHER;
}

/* dc->insn overwrites all six flags and cannot fault. *open: it neither can fault nor reads flags (a shift may write them). */
bool insn_overwrites_flags(const DisasContext *dc, bool *open)
{
    const OpcodeRow *row = dc->insn.row;

    *open = false;
    if (!row || dc->insn.lock)
        return false;
    RowFacts *facts = row_facts(row);
    if (unlikely(facts->flags == ROW_UNKNOWN))
        facts->flags = classify(row);
    if (facts->flags <= ROW_NO_MEMORY) {
        *open = facts->flags == ROW_NO_MEMORY;
        return false;
    }
    for (unsigned i = 0; i < 2; i++) { /* no third operand of these is in memory */
        if (insn_op_is_mem(&dc->insn, row->op[i]))
            return false;
    }
    *open = facts->flags == ROW_STRANGER;
    return facts->flags == ROW_WRITER;
}

static bool dead_from(const DisasContext *dc, uint64_t eip)
{
    DisasContext peek;
    vaddr lin = dc->code64 ? eip : (uint32_t)(dc->cs_base + eip);
    bool open = true;

    if (dc->plain_exits || !dc_may_chain(dc, lin) || !(dc->code64 || (dc->flags & HF_FLAT_CS)) || (dc->flags & HF_CODE_BP))
        return false;
    peek = *dc;
    peek.pc = lin;
    peek.fetch_pages_open = false; /* reads from no other page: cannot fault */
    for (unsigned i = 0; i < LOOK_AHEAD && open && decode_insn(&peek) == DECODE_OK; i++) {
        if (insn_overwrites_flags(&peek, &open))
            return true;
        peek.pc = peek.pc_next;
        if ((peek.pc ^ dc->pc_first) & TCG_PAGE_MASK)
            return false;
    }
    return false;
}

bool gen_flags_dead_at(DisasContext *dc, uint64_t eip)
{
    return dc->cc_op != CC_OP_DYNAMIC && !cc_op_is_over(dc->cc_op) && dead_from(dc, eip);
}

/* All of what is looked at will be in this TB: nothing in it ends one. */
bool gen_flags_dead_behind(const DisasContext *dc)
{
    return dc->nb_insns + LOOK_AHEAD <= dc->max_insns && dead_from(dc, dc_next_eip(dc));
}

/* Kept where the way out finds it: a pinned register, a constant. */
static bool survives(const DisasContext *dc, Tv t)
{
    const TcgTemp *ts = &dc->s->temps[t.i];
    return ts->kind == TCG_TEMP_CONST || (ts->kind == TCG_TEMP_GLOBAL && ts->pinned);
}

void gen_lazy_exit(DisasContext *dc, unsigned slot)
{
    TcgLazyExit *z = &dc->s->lazy_exit[slot & 1];
    Tv a, b;

    *z = (TcgLazyExit){ .dead = 7ull << G_CC_DST, .a = TCG_NO_TEMP, .b = TCG_NO_TEMP };
    if (dc->cc_op_dirty) {
        z->off = offsetof(CPUX86State, cc_op);
        z->value = dc->cc_op;
    }
    if (gen_cmp_operands(dc, &a, &b) && survives(dc, a) && survives(dc, b)) {
        z->a = a.i;
        z->b = b.i;
    }
    dc->tb->lazy_slots |= 1 << (slot & 1);
}
_Static_assert(G_CC_SRC == G_CC_DST + 1 && G_CC_SRC2 == G_CC_DST + 2, "the mask above; cc_dst and cc_src in this order");
