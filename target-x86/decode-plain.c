/* decode-plain.c - the way that nearly all instructions take through the decoder: 32- or 64-bit code, no prefix but a REX,
 * a general instruction, all of its bytes at hand. What is not so is decode.c's.
 *
 * The row is found by one look into a table of mode, map, opcode and ModRM.reg, which is made from opcodes.def: its first row that
 * fits without prefixes. Whether the CPU has the feature, and which of memory and register the row wants, is asked here; the rows behind
 * one that does not fit are decode.c's to find.
 * Spec: Intel SDM vol. 2, chapter 2 and appendix A. */
#include "target-x86/decode-plain.h"
#include "target-x86/cpuid.h"
#include "target-x86/translate.h"

enum { NO_ROW = -1 };

static int16_t row_of[2][2][256][8]; /* 64-bit mode or not, MAP_1 or MAP_0F, opcode, ModRM.reg */

/* Of the operands in the instruction's bytes, the one of a row that decode_plain() knows; O___ if there is none. */
static bool only_immediate(const OpcodeRow *r, OpKind *kind)
{
    *kind = O___;
    for (unsigned n = 0; n < 3; n++) {
        OpKind k = r->op[n];
        if (k < O_Ib || k > O_Ov)
            continue;
        if (*kind != O___ || k == O_Ap || k == O_Ob || k == O_Ov)
            return false;
        *kind = k;
    }
    return true;
}

static bool is_plain(const OpcodeRow *r)
{
    OpKind k;

    for (unsigned n = 0; n < 3; n++) {
        if (r->op[n] == O_Cy || r->op[n] == O_Dy || r->op[n] == O_By)
            return false;
    }
    return r->rm < 0 && !r->no_memory && !(r->attr & ROW_PE) && r->gen != gen_UD /* whose ModRM depends on the CPU */ && only_immediate(r, &k);
}

static void enter_row(unsigned code64, unsigned n)
{
    const OpcodeRow *r = &opcode_rows[n];

    if (r->map > MAP_0F || r->attr & (code64 ? ROW_NO64 : ROW_ONLY64) || r->pp > ROW_NR)
        return; /* fits never, or with prefixes only */
    for (unsigned opcode = r->opcode; opcode < (unsigned)r->opcode + r->count; opcode++) {
        int16_t *of = row_of[code64][r->map][opcode];
        for (unsigned reg = 0; reg < 8; reg++) {
            if (r->reg >= 0 && r->reg != (int)reg)
                continue;
            /* behind a row with ModRM that does not fit, the byte is gone */
            of[reg] = is_plain(r) && (r->reg < 0 || of[reg] == NO_ROW || opcode_rows[of[reg]].modrm) ? (int)n : NO_ROW;
        }
    }
}

void decode_plain_index(void)
{
    memset(row_of, NO_ROW, sizeof row_of);
    for (unsigned code64 = 0; code64 < 2; code64++) {
        for (unsigned n = nb_opcode_rows; n-- > 0;) /* the first one wins */
            enter_row(code64, n);
        for (unsigned opcode = 0xc4; opcode <= 0xc5; opcode++) /* VEX, or LES and LDS */
            memset(row_of[code64][MAP_1][opcode], NO_ROW, sizeof row_of[0][0][0]);
    }
}

static inline uint64_t take(const uint8_t **p, unsigned bytes)
{
    uint64_t v = 0;

    memcpy(&v, *p, bytes);
    *p += bytes;
    return v;
}

/* ModRM at *p is of a memory operand. */
static inline void take_address(Insn *i, const uint8_t **p, bool code64)
{
    unsigned base = i->modrm & 7;

    i->seg = R_DS;
    if (base == 4) {
        unsigned sib = *(*p)++, index = (sib >> 3 & 7) | i->rex_x;
        base = sib & 7;
        i->scale = sib >> 6;
        if (index != 4)
            i->index = index;
    } else if (base == 5 && i->mod == 0) {
        i->rip_relative = code64;
    }
    if (base == 5 && i->mod == 0) {
        i->disp = (int32_t)take(p, 4);
        return;
    }
    base |= i->rex_b;
    i->base = base;
    if (i->mod == 1)
        i->disp = (int8_t)take(p, 1);
    else if (i->mod == 2)
        i->disp = (int32_t)take(p, 4);
    if (base == R_ESP || base == R_EBP)
        i->seg = R_SS;
}

static inline uint64_t take_immediate(const Insn *i, const uint8_t **p, OpKind kind)
{
    switch (kind) {
    case O_Ib: return take(p, 1);
    case O_sIb: case O_Jb: return (int8_t)take(p, 1);
    case O_Iw: return take(p, 2);
    case O_Iz: case O_Jz: return (int32_t)take(p, 4); /* never 16 bits here */
    default: return i->osize == MO_64 ? take(p, 8) : take(p, 4); /* O_Iv */
    }
}

bool decode_plain(DisasContext *dc, const uint8_t *bytes)
{
    static const Insn fresh = { .seg_override = -1, .seg = R_DS, .base = -1, .index = -1, .vsib = -1, .mod = 3 };
    Insn *i = &dc->insn;
    const uint8_t *p = bytes;
    unsigned opcode = *p++, rex = 0, map = MAP_1;

    if (dc->code64 && (opcode & 0xf0) == 0x40) {
        rex = opcode;
        opcode = *p++;
    }
    if (opcode == 0x0f) {
        map = MAP_0F;
        opcode = *p++;
    }
    int n = row_of[dc->code64][map][opcode][*p >> 3 & 7];
    if (n == NO_ROW)
        return false;
    const OpcodeRow *r = &opcode_rows[n];
    if (unlikely(r->feature >= 0) && !cpu_has(dc->env, r->feature))
        return false;
    if (r->mod != ROW_AM && (r->mod == ROW_MR) != (*p >= 0xc0))
        return false;
    *i = fresh;
    i->map = map;
    i->opcode = opcode;
    i->row = r;
    i->asize = dc->code64 ? MO_64 : MO_32;
    i->osize = rex & 8 || (dc->code64 && r->attr & (ROW_D64 | ROW_F64)) ? MO_64 : MO_32;
    if (rex) {
        i->has_rex = true;
        i->rex_w = rex >> 3 & 1;
        i->rex_r = rex << 1 & 8;
        i->rex_x = rex << 2 & 8;
        i->rex_b = rex << 3 & 8;
    }
    if (r->modrm) {
        unsigned modrm = *p++;
        i->has_modrm = true;
        i->modrm = modrm;
        i->mod = modrm >> 6;
        i->reg = (modrm >> 3 & 7) | i->rex_r;
        i->rm = (modrm & 7) | i->rex_b;
        if (i->mod != 3)
            take_address(i, &p, dc->code64);
    }
    if (r->bytes) {
        for (unsigned k = 0; k < 3; k++) {
            if (r->op[k] >= O_Ib && r->op[k] <= O_Ov) {
                i->imm = take_immediate(i, &p, r->op[k]);
                break;
            }
        }
    }
    i->len = p - bytes;
    dc->pc_next = dc->pc + i->len;
    return true;
}
