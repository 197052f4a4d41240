/* decode.c - bytes to Insn: prefixes, opcode row, ModRM, displacement, immediates.
 * Spec: Intel SDM vol. 2, chapter 2 (formats) and appendix A. Rows: opcodes.def, then simd.def.
 * VEX: general instructions have maps of their own in opcodes.def, vectors are in vex.def. Not decoded: EVEX, XOP (#UD). */
#include "target-x86/translate.h"
#include "accel/cputlb.h"
#include "target-x86/cpuid.h"
#include "target-x86/decode-plain.h"

/* Prototypes of all gen_NAME, then the table. Rows of one name declare it again and again; C allows that. */
#define ROW(map, pp, opc, n, reg, mod, rm, name, a, b, c, fl, at, feat) void gen_##name(DisasContext *dc);
#include "target-x86/opcodes.def"
#undef ROW

/* Names that only opcodes.def's rows use. */
#define FL_OSZAPC CC_MASK
#define FL_OSZAP (CC_MASK & ~CC_C)
#define FL_OSZPC (CC_MASK & ~CC_A)
#define FL_SZAPC (CC_MASK & ~CC_O)
#define FL_SZAP (CC_S | CC_Z | CC_A | CC_P)
#define FL_SZPC (CC_S | CC_Z | CC_P | CC_C)
#define FL_OSZP (CC_O | CC_S | CC_Z | CC_P)
#define FL_OSAPC (CC_O | CC_S | CC_A | CC_P | CC_C)
#define FL_OSAP (CC_O | CC_S | CC_A | CC_P)
#define FL_OSZC (CC_O | CC_S | CC_Z | CC_C)
#define FL_OZC (CC_O | CC_Z | CC_C)
#define FL_SAP (CC_S | CC_A | CC_P)
#define FL_AP (CC_A | CC_P)
#define FL_SZP (CC_S | CC_Z | CC_P)
#define FL_OAC (CC_O | CC_A | CC_C)
#define FL_OA (CC_O | CC_A)
#define FL_OC (CC_O | CC_C)
#define FL_AC (CC_A | CC_C)
#define FL_ZC (CC_Z | CC_C)
#define FL_A CC_A
#define FL_C CC_C
#define FL_O CC_O
#define FL_Z CC_Z
#define W(f) 0 + FL_##f
#define U(f) + (FL_##f << 16)
enum {
    LOCK = ROW_LOCK, NO64 = ROW_NO64, ONLY64 = ROW_ONLY64, D64 = ROW_D64, F64 = ROW_F64, CPL0 = ROW_CPL0, PE = ROW_PE,
    MODRM = ROW_MODRM, ENDS = ROW_ENDS, OPT = ROW_OPT, X86F_NONE = -1,
};
#define HAS_MODRM_KIND(k) (((k) >= O_Eb && (k) <= O_Ry))
#define HAS_BYTES_KIND(k) ((k) >= O_Ib && (k) <= O_Ov)
#define NO_MEMORY_KIND(k) ((k) == O_Cy || (k) == O_Dy || (k) == O_Rv || (k) == O_Ry)

const OpcodeRow opcode_rows[] = {
#define ROW(map_, pp_, opc, n, reg_, mod_, rm_, name_, a, b, c, fl, at, feat)                                          \
    { .name = #name_, .gen = gen_##name_, .map = map_, .pp = ROW_##pp_, .opcode = opc, .count = n, .reg = reg_,        \
      .rm = rm_, .mod = ROW_##mod_, .op = { O_##a, O_##b, O_##c }, .attr = at,                                         \
      .flags_written = (fl) & 0xffff, .flags_undefined = (uint32_t)(fl) >> 16, .feature = X86F_##feat,                       \
      .modrm = HAS_MODRM_KIND(O_##a) || HAS_MODRM_KIND(O_##b) || (reg_) >= 0 || ((at) & ROW_MODRM),                    \
      .always = ROW_##pp_ == ROW_ANY && ROW_##mod_ == ROW_AM && (reg_) < 0 && (rm_) < 0 && X86F_##feat < 0 &&          \
                !((at) & (ROW_NO64 | ROW_ONLY64)),                                                                     \
      .bytes = HAS_BYTES_KIND(O_##a) || HAS_BYTES_KIND(O_##b) || HAS_BYTES_KIND(O_##c),                                \
      .no_memory = NO_MEMORY_KIND(O_##a) || O_##b == O_Ry },
#include "target-x86/opcodes.def"
#undef ROW
};
const unsigned nb_opcode_rows = G_N_ELEMENTS(opcode_rows);
RowFacts opcode_row_facts[G_N_ELEMENTS(opcode_rows)];

/* Rows of (map, opcode) as a chain in file order; -1 ends it. */
static int16_t row_first[NB_MAPS][256], row_next[G_N_ELEMENTS(opcode_rows)][8];

static void build_index(void)
{
    memset(row_first, -1, sizeof row_first);
    memset(row_next, -1, sizeof row_next);
    for (int i = nb_opcode_rows - 1; i >= 0; i--) {
        const OpcodeRow *r = &opcode_rows[i];
        g_assert(r->count <= 16);
        for (unsigned n = 0; n < r->count; n++) {
            /* a row of 16 opcodes shares its next pointers by pairs; such rows stand alone in their opcode */
            row_next[i][n & 7] = r->count > 8 ? -1 : row_first[r->map][r->opcode + n];
            row_first[r->map][r->opcode + n] = i;
        }
    }
}

#define FIXED(size) { [MO_16] = size, [MO_32] = size, [MO_64] = size }
#define OSIZE { [MO_16] = MO_16, [MO_32] = MO_32, [MO_64] = MO_64 }
const uint8_t insn_op_sizes[O_Yz + 1][MO_64 + 1] = {
    [O___] = OSIZE, [O_Eb] = FIXED(MO_8), [O_Ew] = FIXED(MO_16), [O_Ed] = FIXED(MO_32), [O_Ev] = OSIZE,
    [O_Ey] = { [MO_16] = MO_32, [MO_32] = MO_32, [MO_64] = MO_64 }, [O_M] = OSIZE, [O_Gb] = FIXED(MO_8), [O_Gw] = FIXED(MO_16),
    [O_Gv] = OSIZE, [O_Gy] = { [MO_16] = MO_32, [MO_32] = MO_32, [MO_64] = MO_64 }, [O_Sw] = FIXED(MO_16), [O_Cy] = OSIZE, [O_Dy] = OSIZE,
    [O_Rv] = OSIZE, [O_Ry] = OSIZE, [O_By] = { [MO_16] = MO_32, [MO_32] = MO_32, [MO_64] = MO_64 }, [O_Ib] = FIXED(MO_8), [O_sIb] = OSIZE,
    [O_Iw] = FIXED(MO_16), [O_Iz] = OSIZE, [O_Iv] = OSIZE, [O_Jb] = OSIZE, [O_Jz] = OSIZE, [O_Ap] = OSIZE, [O_Ob] = FIXED(MO_8),
    [O_Ov] = OSIZE, [O_Zb] = FIXED(MO_8), [O_Zv] = OSIZE, [O_AL] = FIXED(MO_8), [O_CL] = FIXED(MO_8), [O_DX] = FIXED(MO_16),
    [O_rAX] = OSIZE, [O_zAX] = { [MO_16] = MO_16, [MO_32] = MO_32, [MO_64] = MO_32 }, [O_I1] = OSIZE, [O_Xb] = FIXED(MO_8), [O_Xv] = OSIZE,
    [O_Xz] = { [MO_16] = MO_16, [MO_32] = MO_32, [MO_64] = MO_32 }, [O_Yb] = FIXED(MO_8), [O_Yv] = OSIZE,
    [O_Yz] = { [MO_16] = MO_16, [MO_32] = MO_32, [MO_64] = MO_32 },
};

/* --- fetching --- */

enum { MAX_LEN = 15 };

typedef struct Fetch {
    DisasContext *dc;
    const uint8_t *bytes; /* the instruction, if it certainly does not leave its page, which is RAM; or NULL */
    vaddr mask;           /* linear addresses have 32 bits outside 64-bit mode */
    unsigned len;
    bool stop, too_long;
} Fetch;

/* The instruction's bytes if its page is the one that was read from last: that did not fault, and had no side effect. */
static inline const uint8_t *bytes_in_page(const DisasContext *dc)
{
    vaddr page = dc->pc & TCG_PAGE_MASK;

    if (dc->cpu->code_page.page == page && page == (dc->pc_first & TCG_PAGE_MASK) && dc->pc - page <= TCG_PAGE_SIZE - MAX_LEN)
        return dc->cpu->code_page.host + (dc->pc - page);
    return NULL;
}

static uint8_t fetch8_far(Fetch *f)
{
    vaddr a = (f->dc->pc + f->len) & f->mask;

    if (f->len >= MAX_LEN) {
        f->too_long = true;
        return 0;
    }
    if (f->stop)
        return 0;
    if (unlikely((a ^ f->dc->pc_first) & TCG_PAGE_MASK) && !f->dc->fetch_pages_open) {
        f->stop = true;
        return 0;
    }
    uint8_t b = cpu_ldcode(f->dc->cpu, a);
    if (f->len++ == 0)
        f->bytes = bytes_in_page(f->dc);
    return b;
}

static inline uint8_t fetch8(Fetch *f)
{
    if (likely(f->bytes && f->len < MAX_LEN))
        return f->bytes[f->len++];
    return fetch8_far(f);
}

static inline __attribute__((always_inline)) uint64_t fetch(Fetch *f, unsigned bytes)
{
    uint64_t v = 0;

    if (likely(f->bytes && f->len + bytes <= MAX_LEN)) {
        const uint8_t *p = f->bytes + f->len;
        f->len += bytes;
        memcpy(&v, p, bytes);
        return v;
    }
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)fetch8(f) << (i * 8);
    return v;
}

static inline int64_t fetch_signed(Fetch *f, unsigned bytes)
{
    uint64_t v = fetch(f, bytes);
    unsigned drop = 64 - bytes * 8;
    return (int64_t)(v << drop) >> drop;
}

/* --- ModRM --- */

static void decode_modrm16(Fetch *f, Insn *i)
{
    static const int8_t base[8] = { R_EBX, R_EBX, R_EBP, R_EBP, R_ESI, R_EDI, R_EBP, R_EBX };
    static const int8_t index[8] = { R_ESI, R_EDI, R_ESI, R_EDI, -1, -1, -1, -1 };
    unsigned rm = i->modrm & 7;

    if (i->mod == 0 && rm == 6) {
        i->disp = fetch(f, 2);
        return;
    }
    i->base = base[rm];
    i->index = index[rm];
    i->disp = i->mod == 1 ? fetch_signed(f, 1) : i->mod == 2 ? fetch_signed(f, 2) : 0;
    if (i->base == R_EBP)
        i->seg = R_SS;
}

static void decode_modrm32(Fetch *f, Insn *i, bool code64)
{
    unsigned base = i->modrm & 7;

    if (base == 4) {
        uint8_t sib = fetch8(f);
        base = sib & 7;
        i->scale = sib >> 6;
        i->index = (sib >> 3 & 7) | i->rex_x;
        if (i->vsib >= 0) {
            i->vsib = i->index;
            i->index = -1;
        }
        if (i->index == 4)
            i->index = -1;
        if (base == 5 && i->mod == 0) {
            i->disp = fetch_signed(f, 4);
            return;
        }
    } else if (base == 5 && i->mod == 0) {
        i->rip_relative = code64;
        i->disp = fetch_signed(f, 4);
        return;
    }
    i->base = base | i->rex_b;
    if (i->mod)
        i->disp = fetch_signed(f, i->mod == 1 ? 1 : 4);
    if (i->base == R_ESP || i->base == R_EBP)
        i->seg = R_SS;
}

static void decode_modrm(Fetch *f, Insn *i)
{
    i->has_modrm = true;
    i->modrm = fetch8(f);
    i->mod = i->modrm >> 6;
    i->reg = (i->modrm >> 3 & 7) | i->rex_r;
    i->rm = (i->modrm & 7) | i->rex_b;
}

static void decode_address(Fetch *f, Insn *i, bool code64)
{
    if (i->mod == 3)
        return;
    i->seg = R_DS;
    if (i->asize == MO_16)
        decode_modrm16(f, i);
    else
        decode_modrm32(f, i, code64);
    if (i->seg_override >= 0)
        i->seg = i->seg_override;
}

/* --- VEX --- */

/* i->opcode is C4 or C5. Outside 64-bit mode it is LES or LDS unless what follows would be a register operand: then
 * ModRM has been read. False: not VEX. bad: an invalid one. */
static bool decode_vex(DisasContext *dc, Fetch *f, bool *bad)
{
    Insn *i = &dc->insn;
    bool three = i->opcode == 0xc4;
    uint8_t b1, b2;

    if (!dc->code64 && (!dc->pe || dc->vm86))
        return false;
    if (i->has_rex) { /* behind REX these bytes are LES and LDS, and undefined: as long as AMD takes that to be */
        decode_modrm(f, i);
        decode_address(f, i, true);
        *bad = true;
        return false;
    }
    if (!dc->code64) {
        decode_modrm(f, i);
        if (i->mod != 3 || f->stop || f->too_long)
            return false;
        b1 = i->modrm;
        i->has_modrm = false;
        i->reg = i->rm = 0;
    } else {
        b1 = fetch8(f);
    }
    *bad = i->lock || i->rep || i->prefix_66;
    b2 = three ? fetch8(f) : b1;
    i->vex = true;
    i->has_rex = false;
    i->rex_w = i->rex_r = i->rex_x = i->rex_b = 0;
    i->vex_w = three && b2 & 0x80;
    i->vex_l = b2 >> 2 & 1;
    i->vex_pp = b2 & 3;
    i->vvvv = ~b2 >> 3 & 15;
    i->map = three ? b1 & 31 : MAP_0F;
    if (dc->code64) {
        i->rex_r = b1 & 0x80 ? 0 : 8;
        if (three) {
            i->rex_x = b1 & 0x40 ? 0 : 8;
            i->rex_b = b1 & 0x20 ? 0 : 8;
            i->rex_w = i->vex_w;
        }
    }
    if (i->map < MAP_0F || i->map > MAP_0F3A) {
        *bad = true;
        i->map = MAP_0F38; /* fetched like that one: ModRM, no immediate */
    }
    i->opcode = fetch8(f);
    return true;
}

/* --- rows --- */

static bool pp_fits(const OpcodeRow *r, const Insn *i)
{
    if (i->vex)
        return (r->pp == ROW_NP && i->vex_pp == 0) || (r->pp == ROW_P66 && i->vex_pp == 1) ||
               (r->pp == ROW_PF3 && i->vex_pp == 2) || (r->pp == ROW_PF2 && i->vex_pp == 3);
    switch (r->pp) {
    case ROW_NP: return !i->rep && !i->prefix_66;
    case ROW_NR: return !i->rep;
    case ROW_P66: return i->prefix_66 && !i->rep;
    case ROW_PF3: return i->rep == REP_F3;
    case ROW_PF2: return i->rep == REP_F2;
    default: return true;
    }
}

static bool feature_ok(const DisasContext *dc, const OpcodeRow *r)
{
    if (r->feature < 0 || (r->feature == X86F_LAHF_LM && !dc->code64))
        return true;
    return cpu_has(dc->env, r->feature);
}

/* AMD: UD0 and UD1 have no ModRM, and all that begins with 0F 78 has two bytes of immediates. */
static bool is_amd(const DisasContext *dc) { return cpu_has(dc->env, X86F_SSE4A); }

/* The first row that fits; fetches ModRM when a row wants it. */
static const OpcodeRow *find_row(DisasContext *dc, Fetch *f)
{
    Insn *i = &dc->insn;

    for (int n = row_first[i->map][i->opcode]; n >= 0; n = row_next[n][(i->opcode - opcode_rows[n].opcode) & 7]) {
        const OpcodeRow *r = &opcode_rows[n];
        if (likely(r->always && !i->vex)) {
            if (r->modrm && !i->has_modrm && !(r->gen == gen_UD && is_amd(dc)))
                decode_modrm(f, i);
            return r;
        }
        if (!pp_fits(r, i) || (r->attr & (dc->code64 ? ROW_NO64 : ROW_ONLY64)))
            continue;
        if (r->modrm && !i->has_modrm && !(r->gen == gen_UD && is_amd(dc)))
            decode_modrm(f, i);
        if ((r->reg >= 0 && r->reg != (i->modrm >> 3 & 7)) || (r->rm >= 0 && r->rm != (i->modrm & 7)))
            continue;
        if ((r->mod == ROW_MM && i->mod == 3) || (r->mod == ROW_MR && i->mod != 3))
            continue;
        if (!feature_ok(dc, r)) {
            if (r->attr & ROW_OPT)
                continue;
            return NULL;
        }
        return r;
    }
    return NULL;
}

/* Sets row or simd, or neither. */
static void find_vex(DisasContext *dc, Fetch *f)
{
    static const unsigned pp[4] = { SIMD_PP_NONE, SIMD_PP_66, SIMD_PP_F3, SIMD_PP_F2 };
    Insn *i = &dc->insn;

    if (i->map != MAP_0F || i->opcode != 0x77)
        decode_modrm(f, i);
    i->simd = vex_lookup(i->map, i->opcode, pp[i->vex_pp], i->modrm, i->vex_w, i->vex_l);
    if (i->simd) {
        if (!vex_row_fits(i->simd, i->vvvv, (i->modrm & 7) == 4 && i->mod != 3 && (dc->code64 || dc->code32 != i->prefix_67), &i->vsib))
            i->simd = NULL;
        i->vvvv &= dc->code64 ? 15 : 7; /* the top bit is ignored where it would be a register */
        return;
    }
    if (i->map == MAP_0F || i->vex_l)
        return;
    i->map += MAP_VEX_0F38 - MAP_0F38;
    i->row = find_row(dc, f);
    if (i->row && i->vvvv && i->row->op[0] != O_By && i->row->op[1] != O_By && i->row->op[2] != O_By)
        i->row = NULL;
    i->vvvv &= dc->code64 ? 15 : 7;
}

static const struct SimdRow *find_simd(DisasContext *dc, Fetch *f)
{
    Insn *i = &dc->insn;
    unsigned pp = i->rep == REP_F3 ? SIMD_PP_F3 : i->rep == REP_F2 ? SIMD_PP_F2 : i->prefix_66 ? SIMD_PP_66 : SIMD_PP_NONE;
    const struct SimdRow *row;

    if (i->map == MAP_1)
        return NULL;
    if (!i->has_modrm) {
        row = simd_lookup(i->map, i->opcode, pp, 0);
        if (row && !simd_row_has_modrm(row))
            return row;
        if (i->map == MAP_0F && i->opcode == 0x77) /* EMMS has no ModRM, with forbidden prefixes neither */
            return NULL;
        decode_modrm(f, i);
    }
    return simd_lookup(i->map, i->opcode, pp, i->modrm);
}

static void decode_prefixes(DisasContext *dc, Fetch *f)
{
    /* 26, 2E, 36, 3E, 40-4F (REX, in 64-bit mode), 64-67, F0, F2, F3 */
    static const uint16_t prefixes[16] = { [2] = 0x4040, [3] = 0x4040, [4] = 0xffff, [6] = 0x00f0, [15] = 0x000d };
    Insn *i = &dc->insn;
    uint8_t b;

    for (;;) {
        b = fetch8(f);
        if (f->stop || f->too_long)
            break;
        if (likely(!(prefixes[b >> 4] >> (b & 15) & 1))) {
            i->opcode = b;
            return;
        }
        switch (b) {
        case 0x26: case 0x2e: case 0x36: case 0x3e: /* ignored in 64-bit mode */
            if (!dc->code64)
                i->seg_override = (b >> 3) & 3;
            break;
        case 0x64: case 0x65:
            i->seg_override = b - 0x64 + R_FS;
            break;
        case 0x66: i->prefix_66 = true; break;
        case 0x67: i->prefix_67 = true; break;
        case 0xf0: i->lock = true; break;
        case 0xf2: i->rep = REP_F2; break;
        case 0xf3: i->rep = REP_F3; break;
        default:
            if (!dc->code64 || (b & 0xf0) != 0x40) {
                i->opcode = b;
                return;
            }
            i->has_rex = true;
            i->rex_w = b >> 3 & 1;
            i->rex_r = b << 1 & 8;
            i->rex_x = b << 2 & 8;
            i->rex_b = b << 3 & 8;
            continue;
        }
        /* a REX that does not stand right before the opcode is ignored */
        i->has_rex = false;
        i->rex_w = i->rex_r = i->rex_x = i->rex_b = 0;
    }
    i->opcode = b;
}

static void decode_sizes(DisasContext *dc)
{
    Insn *i = &dc->insn;
    unsigned attr = i->row ? i->row->attr : 0;

    if (i->vex) {
        i->asize = dc->code64 ? (i->prefix_67 ? MO_32 : MO_64) : dc->code32 != i->prefix_67 ? MO_32 : MO_16;
        i->osize = i->rex_w ? MO_64 : MO_32;
    } else if (dc->code64) {
        i->asize = i->prefix_67 ? MO_32 : MO_64;
        if (i->rex_w || (attr & ROW_F64))
            i->osize = MO_64;
        else
            i->osize = i->prefix_66 ? MO_16 : (attr & ROW_D64) ? MO_64 : MO_32;
    } else {
        i->asize = dc->code32 != i->prefix_67 ? MO_32 : MO_16;
        i->osize = dc->code32 != i->prefix_66 ? MO_32 : MO_16;
    }
}

static void decode_operand_bytes(Fetch *f, Insn *i, OpKind kind, bool *have_imm)
{
    uint64_t v;

    switch (kind) {
    case O_Ib: case O_Iw:
        v = fetch(f, kind == O_Ib ? 1 : 2);
        break;
    case O_sIb: case O_Jb:
        v = fetch_signed(f, 1);
        break;
    case O_Iz: case O_Jz:
        v = fetch_signed(f, i->osize == MO_16 ? 2 : 4);
        break;
    case O_Iv:
        v = fetch(f, 1 << i->osize);
        break;
    case O_Ap:
        i->imm = fetch(f, i->osize == MO_16 ? 2 : 4);
        i->imm2 = fetch(f, 2);
        return;
    case O_Ob: case O_Ov:
        i->mod = 0;
        i->disp = fetch(f, 1 << i->asize);
        i->seg = i->seg_override >= 0 ? i->seg_override : R_DS;
        return;
    default:
        return;
    }
    *(*have_imm ? &i->imm2 : &i->imm) = v;
    *have_imm = true;
}

/* Does an instruction that no row fits, because of its prefixes, still have an immediate byte? Too long comes before
 * undefined. */
static bool has_imm8_anyway(const Insn *i)
{
    if (i->map == MAP_0F3A || i->map == MAP_VEX_0F3A)
        return true;
    if (i->map != MAP_0F)
        return false;
    switch (i->opcode) {
    case 0x70: case 0x71: case 0x72: case 0x73: case 0xa4: case 0xac: case 0xba: case 0xc2: case 0xc4: case 0xc5: case 0xc6: return true;
    default: return false;
    }
}

DecodeResult decode_any(DisasContext *dc)
{
    static gsize done;

    Insn *i = &dc->insn;
    Fetch f = { .dc = dc, .bytes = bytes_in_page(dc), .mask = dc->code64 ? ~0ULL : 0xffffffffu };
    bool have_imm = false, bad_vex = false;

    if (g_once_init_enter(&done)) {
        build_index();
        g_once_init_leave(&done, 1);
    }
    *i = (Insn){ .seg_override = -1, .seg = R_DS, .base = -1, .index = -1, .vsib = -1, .mod = 3 };
    decode_prefixes(dc, &f);
    if (i->seg_override >= 0)
        i->seg = i->seg_override; /* implicit operands: strings, XLAT */
    if (i->opcode == 0x0f && !f.stop && !f.too_long) {
        i->map = MAP_0F;
        i->opcode = fetch8(&f);
        if (i->opcode == 0x38 || i->opcode == 0x3a) {
            i->map = i->opcode == 0x38 ? MAP_0F38 : MAP_0F3A;
            i->opcode = fetch8(&f);
        }
    }
    bool vex = i->map == MAP_1 && (i->opcode & 0xfe) == 0xc4 && !f.stop && !f.too_long && decode_vex(dc, &f, &bad_vex);
    if (!f.stop && !f.too_long && (vex || !bad_vex)) {
        if (vex) {
            find_vex(dc, &f);
        } else {
            if (i->map != MAP_0F3A)
                i->row = find_row(dc, &f);
            if (!i->row)
                i->simd = find_simd(dc, &f);
        }
        decode_sizes(dc);
        if (i->row && i->row->no_memory)
            i->mod = 3; /* ModRM.mod is ignored: MOV CR, DR */
        if (i->lock && i->row && (i->row->op[0] == O_Cy || i->row->op[1] == O_Cy) && i->reg == 0 && cpu_has(dc->env, X86F_CR8LEGACY)) {
            i->reg = 8; /* AMD: LOCK MOV CR0 is MOV CR8 */
            i->lock = false;
        }
        if (i->has_modrm)
            decode_address(&f, i, dc->code64);
        for (unsigned n = 0; i->row && i->row->bytes && n < 3; n++)
            decode_operand_bytes(&f, i, i->row->op[n], &have_imm);
        if (i->simd && simd_row_imm_bytes(i->simd))
            i->imm = fetch(&f, simd_row_imm_bytes(i->simd));
        if (!i->row && !i->simd && has_imm8_anyway(i))
            fetch(&f, 1);
        if (!i->row && !i->simd && i->map == MAP_0F && i->opcode == 0x78 && !vex && is_amd(dc))
            fetch(&f, 2);
    }
    i->len = f.len;
    dc->pc_next = (dc->pc + f.len) & f.mask;
    if (f.stop)
        return DECODE_STOP;
    if (f.too_long)
        return DECODE_TOO_LONG;
    if (bad_vex || (!i->row && !i->simd))
        return DECODE_UD;
    if (i->lock && !(i->row && (i->row->attr & ROW_LOCK) && i->mod != 3))
        return DECODE_UD;
    if (i->row && (i->row->attr & ROW_PE) && (!dc->pe || dc->vm86))
        return DECODE_UD;
    return DECODE_OK;
}
