/* put.h - the few instructions that TLB checks and stubs are made of, each one store through a pointer of the caller's own: emit.h's
 * functions load and store Emit.p for every instruction, and ask for room. Who uses these asks once for all of a sequence, with
 * put_begin(). The bytes are those of emit.c. */
#ifndef TCG_X86_64_PUT_H
#define TCG_X86_64_PUT_H

#include "tcg/x86_64/emit.h"

#define PUT static inline __attribute__((always_inline)) uint8_t *

/* Room for a sequence of so many bytes, and 8 more that the last store may write? Else the TB is as good as full, and what is written from
 * now on is worthless, as in emit.c. */
static inline bool put_room(Emit *e, unsigned bytes)
{
    if (likely(e->end - e->p >= (ptrdiff_t)bytes + 8))
        return true;
    e->full = true;
    e->p = e->start;
    return false;
}

PUT put(uint8_t *p, uint64_t bytes, unsigned n)
{
    __builtin_memcpy(p, &bytes, 8);
    return p + n;
}

/* REX.W opcode, register with register */
PUT put_rr(uint8_t *p, unsigned opcode, Reg reg, Reg rm)
{
    return put(p, (0x48 | (reg & 8) >> 1 | (rm & 8) >> 3) | opcode << 8 | (0xc0 | (reg & 7) << 3 | (rm & 7)) << 16, 3);
}

/* REX.W opcode reg, [base + disp]; base is not rsp or r12 */
PUT put_rm(uint8_t *p, unsigned opcode, Reg reg, Reg base, int32_t disp)
{
    unsigned more = disp != (int8_t)disp ? 4 : disp != 0 || (base & 7) == RBP;
    unsigned modrm = (more == 4 ? 0x80 : more << 6) | (reg & 7) << 3 | (base & 7);
    uint64_t v = (0x48 | (reg & 8) >> 1 | (base & 8) >> 3) | opcode << 8 | modrm << 16;

    return put(p, v | (uint64_t)(uint32_t)disp << 24, 3 + more);
}

/* lea d, [base + disp], disp not 0: any base */
PUT put_lea(uint8_t *p, Reg d, Reg base, int32_t disp)
{
    if ((base & 7) != RSP)
        return put_rm(p, 0x8d, d, base, disp);
    bool near = disp == (int8_t)disp;
    uint32_t v = (0x48 | (d & 8) >> 1 | (base & 8) >> 3) | 0x8d << 8 | ((near ? 0x44 : 0x84) | (d & 7) << 3) << 16 | 0x24u << 24;
    return put(p, v | (uint64_t)(uint32_t)disp << 32, near ? 5 : 8);
}

/* and or cmp of r, not rax, and an immediate of 32 bits */
PUT put_alu_imm32(uint8_t *p, X86Alu alu, Reg r, int32_t imm)
{
    uint32_t v = (0x48 | (r & 8) >> 3) | 0x81 << 8 | (0xc0 | alu << 3 | (r & 7)) << 16;

    return put(p, v | (uint64_t)(uint32_t)imm << 24, 7);
}

PUT put_jcc(uint8_t *p, X86Cond cc) { return put(p, 0x800f | cc << 8, 6); } /* the rel32, at the end, is patched later */

/* mov between a register and [rsp + disp], disp < 128 */
PUT put_frame(uint8_t *p, bool load, Reg r, unsigned disp)
{
    uint32_t v = (0x48 | (r & 8) >> 1) | (load ? 0x8b : 0x89) << 8 | (4 | (r & 7) << 3 | (disp ? 0x40 : 0)) << 16 | 0x24u << 24;

    return put(p, v | (uint64_t)disp << 32, disp ? 5 : 4);
}

PUT put_call(const Emit *e, uint8_t *p, const uint8_t *target_rx)
{
    return put(p, 0xe8 | (uint64_t)(uint32_t)(target_rx - e->rx_diff - (p + 5)) << 8, 5);
}

PUT put_jmp(uint8_t *p, const uint8_t *to)
{
    int64_t near = to - (p + 2);

    if (near == (int8_t)near)
        return put(p, 0xeb | (uint64_t)(uint8_t)near << 8, 2);
    return put(p, 0xe9 | (uint64_t)(uint32_t)(to - (p + 5)) << 8, 5);
}

#undef PUT
#endif
