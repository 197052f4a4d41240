/* ir-build.h - what a front end calls to emit IR. Temps are small integers wrapped for type safety
 * between general (Tv) and vector (Vv) ones. After TCG_MAX_* is reached all calls are harmless and
 * s->overflow is set. */
#ifndef TCG_IR_BUILD_H
#define TCG_IR_BUILD_H

#include "tcg/tcg.h"

typedef struct Tv { TcgTempIdx i; } Tv; /* general temp */
typedef struct Vv { TcgTempIdx i; } Vv; /* vector temp */
typedef struct TcgLabel { int i; } TcgLabel;

static inline Tv tcg_global(unsigned n) { return (Tv){n}; }
static inline Vv tcg_globalv(unsigned n) { return (Vv){n}; }
static inline Tv tcg_env(TcgContext *s) { return (Tv){s->env_temp}; }
Tv tcg_temp(TcgContext *s);            /* lives to the end of the basic block */
Tv tcg_temp_local(TcgContext *s);      /* lives through labels */
Vv tcg_tempv(TcgContext *s, TcgType type);
Vv tcg_tempv_local(TcgContext *s, TcgType type);
Tv tcg_const(TcgContext *s, uint64_t value);
static inline bool tcg_is_const(TcgContext *s, Tv t, uint64_t *value)
{
    if (s->temps[t.i].kind != TCG_TEMP_CONST)
        return false;
    *value = s->temps[t.i].value;
    return true;
}
TcgLabel tcg_label(TcgContext *s);

/* Raw emission; everything below is built on it. Missing arguments are ignored. */
TcgOp *tcg_emit(TcgContext *s, TcgOpcode opc, TcgType type, unsigned nargs, ...); /* uint64_t each */

/* two-operand and three-operand ops: tcg_gen_add(s, TCG_I32, d, a, b) ... */
#define TCG_GEN2(name) void tcg_gen_##name(TcgContext *s, TcgType t, Tv d, Tv a);
#define TCG_GEN3(name) void tcg_gen_##name(TcgContext *s, TcgType t, Tv d, Tv a, Tv b);
#define TCG_GEN4(name) void tcg_gen_##name(TcgContext *s, TcgType t, Tv d, Tv a, Tv b, Tv c);
TCG_GEN2(mov) TCG_GEN2(neg) TCG_GEN2(not) TCG_GEN2(popcnt) TCG_GEN2(ext8s) TCG_GEN2(ext8u)
TCG_GEN2(ext16s) TCG_GEN2(ext16u) TCG_GEN2(ext32s) TCG_GEN2(ext32u) TCG_GEN2(bswap16) TCG_GEN2(bswap)
TCG_GEN3(add) TCG_GEN3(sub) TCG_GEN3(and) TCG_GEN3(or) TCG_GEN3(xor) TCG_GEN3(andc) TCG_GEN3(mul)
TCG_GEN3(shl) TCG_GEN3(shr) TCG_GEN3(sar) TCG_GEN3(rotl) TCG_GEN3(rotr) TCG_GEN3(clz) TCG_GEN3(ctz)
TCG_GEN4(shld) TCG_GEN4(shrd)
void tcg_gen_mulu2(TcgContext *s, TcgType t, Tv lo, Tv hi, Tv a, Tv b);
void tcg_gen_muls2(TcgContext *s, TcgType t, Tv lo, Tv hi, Tv a, Tv b);
/* d = a + b + c, a - b - c; c is 0 or 1, and so is out, the carry or borrow. */
void tcg_gen_addc(TcgContext *s, TcgType t, Tv d, Tv out, Tv a, Tv b, Tv c);
void tcg_gen_subb(TcgContext *s, TcgType t, Tv d, Tv out, Tv a, Tv b, Tv c);
void tcg_gen_divu2(TcgContext *s, TcgType t, Tv q, Tv r, Tv lo, Tv hi, Tv d);
void tcg_gen_divs2(TcgContext *s, TcgType t, Tv q, Tv r, Tv lo, Tv hi, Tv d);
/* with an immediate: the constant becomes a const temp */
#define TCG_GENI(name) void tcg_gen_##name##i(TcgContext *s, TcgType t, Tv d, Tv a, int64_t b);
TCG_GENI(add) TCG_GENI(sub) TCG_GENI(and) TCG_GENI(or) TCG_GENI(xor) TCG_GENI(mul) TCG_GENI(shl) TCG_GENI(shr)
TCG_GENI(sar) TCG_GENI(rotl) TCG_GENI(rotr)
void tcg_gen_movi(TcgContext *s, Tv d, uint64_t value);
void tcg_gen_extract(TcgContext *s, TcgType t, Tv d, Tv a, unsigned pos, unsigned len);
void tcg_gen_sextract(TcgContext *s, TcgType t, Tv d, Tv a, unsigned pos, unsigned len);
void tcg_gen_deposit(TcgContext *s, TcgType t, Tv d, Tv a, Tv b, unsigned pos, unsigned len);
void tcg_gen_setcond(TcgContext *s, TcgType t, TcgCond c, Tv d, Tv a, Tv b);
void tcg_gen_setcondi(TcgContext *s, TcgType t, TcgCond c, Tv d, Tv a, int64_t b);
void tcg_gen_movcond(TcgContext *s, TcgType t, TcgCond c, Tv d, Tv c1, Tv c2, Tv v1, Tv v2);
void tcg_gen_brcond(TcgContext *s, TcgType t, TcgCond c, Tv a, Tv b, TcgLabel l);
void tcg_gen_brcondi(TcgContext *s, TcgType t, TcgCond c, Tv a, int64_t b, TcgLabel l);
void tcg_gen_br(TcgContext *s, TcgLabel l);
void tcg_gen_label(TcgContext *s, TcgLabel l);
void tcg_gen_discard(TcgContext *s, Tv t);

/* host memory; size 1 2 4 8; sign-extends to 64 when sign is set */
void tcg_gen_ld(TcgContext *s, Tv d, Tv base, int64_t off, unsigned size, bool sign);
void tcg_gen_st(TcgContext *s, Tv val, Tv base, int64_t off, unsigned size);
void tcg_gen_ldv(TcgContext *s, TcgType t, Vv d, Tv base, int64_t off, unsigned bytes);
void tcg_gen_stv(TcgContext *s, TcgType t, Vv val, Tv base, int64_t off, unsigned bytes);
void tcg_gen_movv(TcgContext *s, TcgType t, Vv d, Vv a);

/* guest memory */
void tcg_gen_guest_ld(TcgContext *s, Tv d, Tv addr, int32_t disp, MemOpIdx oi);
void tcg_gen_guest_st(TcgContext *s, Tv val, Tv addr, int32_t disp, MemOpIdx oi);
void tcg_gen_guest_rmw(TcgContext *s, Tv old, Tv addr, int32_t disp, Tv val, MemOpIdx oi, uint32_t rmw);
void tcg_gen_guest_cmpxchg(TcgContext *s, Tv old, Tv addr, int32_t disp, Tv cmp, Tv val, MemOpIdx oi, uint32_t lock);
void tcg_gen_guest_ldv(TcgContext *s, TcgType t, Vv d, Tv addr, int32_t disp, MemOpIdx oi);
void tcg_gen_guest_stv(TcgContext *s, TcgType t, Vv val, Tv addr, int32_t disp, MemOpIdx oi);

/* host vector instruction; use .i of the right kind where SimdEnc makes d or b general */
void tcg_gen_simd(TcgContext *s, TcgType t, TcgTempIdx d, TcgTempIdx a, TcgTempIdx b,
                  TcgTempIdx c /* SIMD_XMM0's mask or TCG_NO_TEMP */, SimdEnc enc, uint8_t imm);
void tcg_gen_simd_flags(TcgContext *s, Tv d, Vv a, Vv b, SimdEnc enc);
void tcg_gen_vzeroupper(TcgContext *s, uint32_t env_offset, unsigned count); /* V256 globals, 32 bytes apart */

/* host x87; see opc.def */
void tcg_gen_x87(TcgContext *s, unsigned insn);
void tcg_gen_x87_mem(TcgContext *s, Tv base, int64_t off, uint64_t insn);
void tcg_gen_x87_flags(TcgContext *s, Tv d, unsigned insn);
void tcg_gen_x87_cmov(TcgContext *s, Tv cond, unsigned st);
void tcg_gen_guest_x87(TcgContext *s, Tv addr, int32_t disp, uint64_t insn, MemOpIdx oi);
void tcg_gen_x87_state(TcgContext *s, uint64_t state);
TcgOp *tcg_gen_side_exit(TcgContext *s, TcgType t, TcgCond c, Tv a, Tv b, uint64_t eip, bool x87); /* the op: constants may be patched */
/* A way out that is no surprise: through the jump cache. env_off: there it stores value (32 bits); 0: nothing. */
void tcg_gen_side_jump(TcgContext *s, TcgType t, TcgCond c, Tv a, Tv b, uint64_t eip, uint32_t env_off, uint32_t value);

/* helpers; out may be TCG_NO_TEMP */
void tcg_gen_call(TcgContext *s, const TcgHelperInfo *h, TcgTempIdx out, unsigned nin, ...); /* Tv.i as int each */

/* control */
void tcg_gen_insn_start(TcgContext *s, uint64_t eip, uint64_t word);
void tcg_gen_poll_exit(TcgContext *s, uint64_t eip);
void tcg_gen_goto_code(TcgContext *s, Tv code);
void tcg_gen_goto_tb(TcgContext *s, unsigned slot, uint64_t eip);
void tcg_gen_goto_far(TcgContext *s, unsigned slot, uint64_t pc, uint64_t soon);
void tcg_gen_goto_ptr(TcgContext *s, Tv linear_pc);
void tcg_gen_exit_tb(TcgContext *s, TbExit reason);

#endif
