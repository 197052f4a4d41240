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
/* decode_plain() reads an immediate with the seven bytes behind it. */
enum { MAX_BYTES = 15 + 7 };

enum { KEY_0F = 1 << 8, KEY_64 = 1 << 9, NB_KEYS = 1 << 10 }; /* opcode; MAP_0F, not MAP_1; 64-bit mode */
static int16_t row_of[NB_KEYS][8]; /* and ModRM.reg */

/* What decode_plain() wants to know of each row. */
static struct PlainRow {
    uint8_t mods;              /* bit 0: memory fits, bit 1: a register does; neither: if the CPU has a feature, then bits 2 and 3 say it */
    uint8_t wide;              /* bit 3 of REX, as good as set in 64-bit mode */
    uint8_t imm_bytes;
    bool imm_signed, imm_wide; /* wide: 8 bytes if the operation has 64 bits */
} *plain_rows;

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
        int16_t *of = row_of[opcode | (r->map == MAP_0F ? KEY_0F : 0) | (code64 ? KEY_64 : 0)];
        for (unsigned reg = 0; reg < 8; reg++) {
            if (r->reg >= 0 && r->reg != (int)reg)
                continue;
            /* behind a row with ModRM that does not fit, the byte is gone */
            of[reg] = is_plain(r) && (r->reg < 0 || of[reg] == NO_ROW || opcode_rows[of[reg]].modrm) ? (int)n : NO_ROW;
        }
    }
}

static struct PlainRow describe(const OpcodeRow *r)
{
    static const uint8_t bytes[] = { [O_Ib] = 1, [O_sIb] = 1, [O_Jb] = 1, [O_Iw] = 2, [O_Iz] = 4, [O_Jz] = 4, [O_Iv] = 4 };
    OpKind k;

    if (!is_plain(r))
        return (struct PlainRow){ 0 };
    only_immediate(r, &k);
    return (struct PlainRow){
        .mods = (r->mod == ROW_AM ? 3 : r->mod == ROW_MR ? 2 : 1) << (r->feature >= 0 ? 2 : 0),
        .wide = r->attr & (ROW_D64 | ROW_F64) ? 8 : 0,
        .imm_bytes = k == O___ ? 0 : bytes[k],
        .imm_signed = k == O_sIb || k == O_Jb || k == O_Iz || k == O_Jz, /* never 16 bits here */
        .imm_wide = k == O_Iv,
    };
}

static void decode_plain_index(void)
{
    plain_rows = g_new(struct PlainRow, nb_opcode_rows);
    for (unsigned n = 0; n < nb_opcode_rows; n++)
        plain_rows[n] = describe(&opcode_rows[n]);
    memset(row_of, NO_ROW, sizeof row_of);
    for (unsigned code64 = 0; code64 < 2; code64++) {
        for (unsigned n = nb_opcode_rows; n-- > 0;) /* the first one wins */
            enter_row(code64, n);
        for (unsigned opcode = 0xc4; opcode <= 0xc5; opcode++) /* VEX, or LES and LDS */
            memset(row_of[opcode | (code64 ? KEY_64 : 0)], NO_ROW, sizeof row_of[0]);
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

static inline uint64_t immediate(const uint8_t *p, unsigned bytes, bool is_signed)
{
    unsigned drop = 64 - 8 * bytes;
    uint64_t v;

    memcpy(&v, p, 8);
    v <<= drop;
    return is_signed ? (uint64_t)((int64_t)v >> drop) : v >> drop;
}

/* The instruction at `bytes`, that is at dc->pc; false: it is none of those, and dc->insn has not changed. */
static inline bool decode_plain(DisasContext *dc, const uint8_t *bytes)
{
    static const Insn fresh = { .seg_override = -1, .seg = R_DS, .base = -1, .index = -1, .vsib = -1, .mod = 3 };
    Insn *i = &dc->insn;
    const uint8_t *p = bytes;
    bool code64 = dc->code64;

    /* Every other instruction has a REX: no branches, which would be mispredicted as often. */
    bool has_rex = code64 & ((*p & 0xf0) == 0x40);
    unsigned rex = *p & -(unsigned)has_rex, key = 0, opcode;
    p += has_rex;
    opcode = *p++;
    if (opcode == 0x0f) {
        key = KEY_0F;
        opcode = *p++;
    }
    int n = row_of[key | opcode | (code64 ? KEY_64 : 0)][*p >> 3 & 7];
    if (n == NO_ROW)
        return false;
    const OpcodeRow *r = &opcode_rows[n];
    const struct PlainRow *plain = &plain_rows[n];
    unsigned is_reg = *p >= 0xc0;
    if (unlikely(!(plain->mods >> is_reg & 1)) && !(plain->mods >> (2 + is_reg) & 1 && cpu_has(dc->env, r->feature)))
        return false;
    *i = fresh;
    i->map = key ? MAP_0F : MAP_1;
    i->opcode = opcode;
    i->row = r;
    i->asize = code64 ? MO_64 : MO_32;
    i->osize = (rex | (code64 ? plain->wide : 0)) & 8 ? MO_64 : MO_32;
    i->has_rex = has_rex;
    i->rex_w = rex >> 3 & 1;
    i->rex_r = rex << 1 & 8;
    i->rex_x = rex << 2 & 8;
    i->rex_b = rex << 3 & 8;
    if (r->modrm) {
        unsigned modrm = *p++;
        i->has_modrm = true;
        i->modrm = modrm;
        i->mod = modrm >> 6;
        i->reg = (modrm >> 3 & 7) | (rex << 1 & 8);
        i->rm = (modrm & 7) | (rex << 3 & 8);
        if (modrm < 0xc0)
            take_address(i, &p, code64);
    }
    if (plain->imm_bytes) {
        unsigned imm_bytes = plain->imm_bytes << (plain->imm_wide && i->osize == MO_64);
        i->imm = immediate(p, imm_bytes, plain->imm_signed);
        p += imm_bytes;
    }
    i->len = p - bytes;
    dc->pc_next = dc->pc + i->len;
    return true;
}

/* The page of the TB's first byte, if it is the one that was read from last: that did not fault, and had no side effect. */
static __attribute__((noinline)) void find_page(DisasContext *dc)
{
    static gsize done;
    vaddr page = dc->pc_first & TCG_PAGE_MASK;

    if (g_once_init_enter(&done)) {
        decode_plain_index();
        g_once_init_leave(&done, 1);
    }
    if (dc->code32 && dc->cpu->code_page.page == page) {
        dc->plain_page = page;
        dc->plain_host = dc->cpu->code_page.host;
        dc->plain_end = TCG_PAGE_SIZE - MAX_BYTES + 1;
        __builtin_prefetch(dc->plain_host + (dc->pc - page) + 64); /* one TB of three goes on there */
    }
}

DecodeResult decode_insn(DisasContext *dc)
{
    if (unlikely(!dc->plain_end))
        find_page(dc);
    vaddr at = dc->pc - dc->plain_page;
    if (likely(at < dc->plain_end) && decode_plain(dc, dc->plain_host + at))
        return DECODE_OK;
    return decode_any(dc);
}
