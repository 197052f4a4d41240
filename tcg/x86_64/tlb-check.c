/* tlb-check.c - the inline soft-TLB hit of an access to guest memory, before the access itself (guest-ldst.c).
 *
 * Layout and the meaning of a hit: tlb-entry.h.
 *     rorx t, addr, 7 ; and t, [mask] ; add t, [table]          the entry of the first byte's page
 *     lea u, [addr + size - 1] ; and u, -4096 ; cmp u, [t + tag] ; jne stub
 *     mov t, [t + addend] ; access [t + addr]
 * A constant address: mov t, addr >> 7 ; and, add ; cmp qword [t + tag], page ; jne ; mov.
 * At the stack register: mov t, addr ; xor t, [page] ; cmp t, 4096 - size ; ja stub ; mov t, [addend].
 *
 * An access with an alignment demand leaves its low address bits in the value compared with the tag, so
 * that a misaligned one misses: no extra instruction. */
#include "tcg/regalloc.h"
#include "tcg/x86_64/put.h"

_Static_assert(TCG_PAGE_BITS - TLB_ENTRY_BITS == 7, "the shift above");
enum { CHECK_MAX = 64 }; /* bytes of the longest sequence */
enum { OP_ADD = 0x03, OP_AND = 0x23, OP_XOR = 0x33, OP_CMP = 0x3b, OP_MOV = 0x8b }; /* register, memory */

bool tlb_check_tests_alignment(const ShareGroup *g, unsigned size) { return !g || (g->lo == 0 && g->hi == (int)size); }

static inline uint8_t *put_env(uint8_t *p, unsigned opcode, Reg r, int32_t off) { return put_rm(p, opcode, r, RBP, off - TCG_ENV_BIAS); }

/* r = a + disp */
static inline uint8_t *put_address(uint8_t *p, Reg r, Reg a, int32_t disp)
{
    return disp ? put_lea(p, r, a, disp) : put_rr(p, OP_MOV, r, a);
}

/* False: it is not at the stack register. */
static bool stack_check(Ra *l, Stub *st, Reg a, int64_t first, int64_t last, unsigned mmu, Reg t)
{
    Emit *e = &l->e;
    unsigned reg = l->s->guest->stack_reg;
    int32_t at = offsetof(TcgEnvHead, stack) + mmu * sizeof(StackPage);

    if (!reg || (int)a != host_pin[reg] || !fits32(first) || !fits32(last) || last - first >= 1024 || st->opc == TCG_OP_guest_x87 ||
        st->opc == TCG_OP_guest_rmw || st->opc == TCG_OP_guest_cmpxchg)
        return false;
    put_room(e, CHECK_MAX);
    uint8_t *p = e->p;
    st->stack_check = p;
    p = put_address(p, t, a, first);
    p = put_env(p, OP_XOR, t, at + offsetof(StackPage, page));
    p = put_alu_imm32(p, X86_CMP, t, TCG_PAGE_SIZE - (last - first + 1));
    p = put_jcc(p, CC_A);
    stub_from(st, p - 4);
    e->p = put_env(p, OP_MOV, t, at + offsetof(StackPage, addend));
    return true;
}

/* The same with a page that this check alone guesses (tlb-entry.h). For an access that is to be aligned `test t, ~offsets ; jne`
 * instead of the comparison, which says as much: it lies in one page. */
static bool guess_check(Ra *l, Stub *st, Reg a, int64_t first, int64_t last, unsigned align, unsigned mmu, bool write, Reg t)
{
    Emit *e = &l->e;
    CodeBuf *b = l->s->buf;

    if (!b->guesses || !(l->s->guest->guess_modes >> mmu & 1) || !fits32(first) || last - first >= 1024 ||
        st->opc == TCG_OP_guest_x87)
        return false;
    l->s->could_guess = true;
    if (!l->s->guess_runs)
        return false;
    uint32_t key = (l->s->guess_salt ^ l->insn_data[0]) * 0x85ebca6bu + (uint32_t)first * 0xc2b2ae35u + write;
    uint32_t n = codebuf_new_guess(b, key, l->s->tb_cookie, l->s->guess_runs, mmu, write);
    if (!n)
        return false;
    st->guess = n;
    st->guess_write = write;
    st->stack_check = e->p;
    if (first == 0)
        x86_mov_rr(e, true, t, a);
    else
        x86_lea(e, true, t, mem_at(a, first));
    x86_alu_at(e, X86_XOR, t, &b->guesses->guess[n].page);
    if (align || first == last) {
        x86_test_ri(e, true, t, (int32_t)TCG_PAGE_MASK | align);
        stub_from(st, x86_jcc(e, CC_NE));
    } else {
        x86_alu_ri(e, X86_CMP, true, t, TCG_PAGE_SIZE - (last - first + 1));
        stub_from(st, x86_jcc(e, CC_A));
    }
    x86_load_at(e, t, &b->guesses->guess[n].addend);
    return true;
}

/* False: the address is not constant, or such that the general check has to see it. */
static bool constant_check(Ra *l, Stub *st, unsigned size, unsigned align, int32_t fast, int32_t tag, Reg t)
{
    Emit *e = &l->e;
    uint64_t addr;

    /* every access has its address there; its group is in the same page */
    if (!ra_is_const(l, l->op->arg[l->op->opc == TCG_OP_guest_x87 ? 0 : 1], &addr))
        return false;
    addr += (int64_t)st->disp;
    int64_t page = addr & TCG_PAGE_MASK;
    if (!fits32(page) || ((addr + size - 1) ^ addr) & TCG_PAGE_MASK || addr & align)
        return false;
    x86_mov_ri(e, t, addr >> 7 & INT32_MAX); /* no table is larger */
    x86_alu_rm(e, X86_AND, true, t, mem_env(fast + offsetof(TlbFast, mask)));
    x86_alu_rm(e, X86_ADD, true, t, mem_env(fast + offsetof(TlbFast, table)));
    x86_alu_mi(e, X86_CMP, 8, false, mem_at(t, tag), page);
    stub_from(st, x86_jcc(e, CC_NE));
    x86_load(e, 8, EXT_ZERO, t, mem_at(t, offsetof(TlbEntry, addend)));
    return true;
}

void tlb_check(Ra *l, Stub *st, const ShareGroup *g, Reg a, unsigned size, bool write, Reg t, Reg u)
{
    Emit *e = &l->e;
    unsigned mmu = memopidx_mmu(st->oi) % TCG_MMU_MODES;
    unsigned align = tlb_check_tests_alignment(g, size) ? memop_align_mask(memopidx_op(st->oi)) : 0;
    int32_t fast = offsetof(TcgEnvHead, tlb) + mmu * sizeof(TlbFast);
    int64_t first = (int64_t)st->disp + (g ? g->lo : 0);
    int64_t last = (int64_t)st->disp + (align ? 0 : g ? g->hi - 1 : (int)size - 1);
    int32_t tag = write ? offsetof(TlbEntry, addr_write) : offsetof(TlbEntry, addr_read);

    if (constant_check(l, st, size, align, fast, tag, t) || (!align && stack_check(l, st, a, first, last, mmu, t)) ||
        guess_check(l, st, a, first, last, align, mmu, write, t))
        return;
    put_room(e, CHECK_MAX);
    uint8_t *p = e->p;
    if (first == 0 && host_features.bmi2) { /* rorx: the low bits, now on top, fall to the mask */
        p = put(p, 0xc4 | (0x43 | (t & 8 ? 0 : 0x80) | (a & 8 ? 0 : 0x20)) << 8 | 0xfb << 16 | 0xf0ull << 24 |
                       (uint64_t)(0xc0 | (t & 7) << 3 | (a & 7)) << 32 | 7ull << 40, 6);
    } else {
        p = put_address(p, t, a, first);
        p = put(p, (0x48 | (t & 8) >> 3) | 0xc1 << 8 | (0xc0 | X86_SHR << 3 | (t & 7)) << 16 | 7u << 24, 4);
    }
    p = put_env(p, OP_AND, t, fast + offsetof(TlbFast, mask));
    p = put_env(p, OP_ADD, t, fast + offsetof(TlbFast, table));
    if (likely(fits32(last))) {
        p = put_address(p, u, a, last);
    } else {
        e->p = p;
        x86_lea(e, true, u, mem_at(a, st->disp));
        x86_alu_ri(e, X86_ADD, true, u, size - 1);
        p = e->p;
    }
    p = put_alu_imm32(p, X86_AND, u, (int32_t)TCG_PAGE_MASK | align);
    p = put_rm(p, OP_CMP, u, t, tag);
    p = put_jcc(p, CC_NE);
    stub_from(st, p - 4);
    e->p = put_rm(p, OP_MOV, t, t, offsetof(TlbEntry, addend));
}
