/* lower-x87.c - x87 ops: the host's own instructions on the host's register stack.
 *
 * The front end decides what lies on that stack; the back end only writes the instructions. Slow paths are C code
 * that does no long double arithmetic, so the stack stays as it is while they run. Should one of them raise a guest
 * exception, the front end's leave_code finds in env what the last x87_state op said and saves the stack.
 *
 * A guest access that misses the TLB goes through a buffer in the frame. A store must not change anything before it
 * is known that it succeeds: first the page is probed, then a copy of ST0 is converted and stored, last the
 * instruction itself runs on the buffer for its effects on stack and status. A copy needs a free register: the front
 * end keeps one. Spec: Intel SDM vol. 1 chapter 8. */
#include "tcg/regalloc.h"

#define ENV(field) mem_env(offsetof(TcgEnvHead, field))

void x87_stub_state(Ra *l, const Stub *st, bool on)
{
    if (!st->x87_state)
        return;
    x86_store_imm(&l->e, 4, ENV(x87_state), on ? (int32_t)st->x87_state : 0);
    if (!on)
        return; /* the front end's states have a bit set in their low half */
    X86Mem high = ENV(x87_state);
    high.disp += 4;
    x86_store_imm(&l->e, 4, high, st->x87_state >> 32);
}

static void lower_guest_x87(Ra *l, const TcgOp *op)
{
    uint64_t insn = op->arg[2];
    Reg a = ra_in(l, op->arg[0]), t = ra_tmp(l), u = ra_tmp(l);
    Stub *st = guest_begin_access(l, a, op->arg[1], op->arg[3], X87_OP_BYTES(insn), X87_OP_STORE(insn), t, u);

    st->x87_insn = insn;
    x86_x87_m(&l->e, X87_OP_ESC(insn), X87_OP_REG(insn), mem_idx(t, a, 0, st->disp));
    st->back = l->e.p;
}

static void slow_call(Ra *l, const Stub *st, const uint8_t *thunk, uint32_t what)
{
    x86_store_imm(&l->e, 4, mem_at(RSP, FRAME_OI), st->oi | X87_OP_BYTES(st->x87_insn) << SLOW_X87_BYTES_SHIFT | what);
    x86_call_rx(&l->e, thunk);
    stub_return_address(l, st->data);
}

/* The popping twin of a store, which every one has. */
static void convert_copy(Emit *e, uint64_t insn, X86Mem m)
{
    unsigned reg = X87_OP_REG(insn);
    x86_x87_r(e, 0xd9, 0xc0); /* fld st(0) */
    x86_x87_m(e, X87_OP_ESC(insn), reg == 2 ? 3 : reg, m);
}

void x87_guest_stub(Ra *l, const Stub *st, const uint8_t *thunk)
{
    Emit *e = &l->e;
    X86Mem buf = mem_at(RSP, FRAME_VBUF);

    if (X87_OP_STORE(st->x87_insn)) {
        slow_call(l, st, thunk, SLOW_X87_PROBE);
        convert_copy(e, st->x87_insn, buf);
        slow_call(l, st, thunk, SLOW_X87_STORE);
    } else {
        slow_call(l, st, thunk, SLOW_X87_LOAD);
    }
    x87_stub_state(l, st, false);
    x86_x87_m(e, X87_OP_ESC(st->x87_insn), X87_OP_REG(st->x87_insn), buf);
    stub_zero_groups(l, st);
    x86_jmp_to(e, st->back);
}

static void lower_x87_mem(Ra *l, const TcgOp *op)
{
    X86Mem m = lower_host_mem(l, op->arg[0], op->arg[1]);
    x86_x87_m(&l->e, X87_OP_ESC(op->arg[2]), X87_OP_REG(op->arg[2]), m);
    ra_kill(l);
}

static void x87_two_bytes(Ra *l, uint64_t insn) { x86_x87_r(&l->e, insn >> 8, insn); }

/* As lower_simd_flags(): lahf would need the guest's rax. */
static void lower_x87_flags(Ra *l, const TcgOp *op)
{
    Emit *e = &l->e;
    Reg t = ra_tmp(l), d = ra_out(l, op->arg[0], NOREG);

    x86_zero(e, d);
    x86_zero(e, t);
    x87_two_bytes(l, op->arg[1]);
    x86_setcc(e, CC_B, d);
    x86_setcc(e, CC_P, t);
    x86_lea(e, false, d, mem_idx(d, t, 2, 0));
    x86_setcc(e, CC_E, t);
    x86_shift_ri(e, X86_SHL, false, t, 6);
    x86_alu_rr(e, X86_OR, false, d, t);
}

static void lower_x87_cmov(Ra *l, const TcgOp *op)
{
    Reg c = ra_in(l, op->arg[0]);
    x86_test_rr(&l->e, true, c, c);
    x86_x87_r(&l->e, 0xdb, 0xc8 | (op->arg[1] & 7)); /* fcmovne */
    ra_kill(l);
}

bool lower_x87_op(Ra *l)
{
    const TcgOp *op = l->op;
    switch (op->opc) {
    case TCG_OP_x87: x87_two_bytes(l, op->arg[0]); break;
    case TCG_OP_x87_mem: lower_x87_mem(l, op); break;
    case TCG_OP_x87_flags: lower_x87_flags(l, op); break;
    case TCG_OP_x87_cmov: lower_x87_cmov(l, op); break;
    case TCG_OP_guest_x87: lower_guest_x87(l, op); break;
    case TCG_OP_x87_state: l->x87_state = op->arg[0]; break;
    default: return false;
    }
    return true;
}
