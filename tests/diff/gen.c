/* gen.c - instructions from the opcode tables: prefixes, operand sizes, addressing forms, immediates, and what each
 * does to the flags, so that a sequence never reads flags that are undefined at that point.
 * Rows that a program in ring 3 cannot compare (what they give depends on the machine, the host's kernel emulates
 * them or they would leave the sandbox) are listed in rows.c with the reason. Spec: Intel SDM vol. 2. */
#include "host/base/osdep.h"
#include "tests/diff/diff.h"
#include "target-x86/cpuid.h"

uint64_t diff_rng = 1;

/* What leaves other numbers each time: executed, and these registers are not compared. */
static const struct { const char *name; uint16_t regs; } clobbers[] = {
    {"CPUID", 15}, {"RDTSC", 1 << R_EAX | 1 << R_EDX}, {"RDTSCP", 1 << R_EAX | 1 << R_EDX | 1 << R_ECX}, {"XGETBV", 1 << R_EAX | 1 << R_EDX},
};
static const struct { const char *name; uint16_t flags; } readers[] = {
    {"ADC", CC_C}, {"SBB", CC_C}, {"RCL", CC_C}, {"RCR", CC_C}, {"CMC", CC_C}, {"SETCC", CC_MASK & ~CC_A}, {"CMOV", CC_MASK & ~CC_A},
    {"JCC", CC_MASK & ~CC_A}, {"LAHF", CC_MASK & ~CC_O}, {"PUSHF", CC_MASK}, {"LOOPE", CC_Z}, {"LOOPNE", CC_Z}, {"ADCX", CC_C},
    {"ADOX", CC_O}, {"DAA", CC_C | CC_A}, {"DAS", CC_C | CC_A}, {"AAA", CC_A}, {"AAS", CC_A}, {"INTO", CC_O}, {"SALC", CC_C},
};

static int bits; /* of the sequence being made */
static unsigned nb_regs(void) { return bits == 64 ? 16 : 8; }

/* ---- encoding ---- */

typedef struct Enc {
    uint8_t pre[8], n_pre;
    bool rex, w, r, x, b, lock;
    uint8_t pp;              /* mandatory prefix byte, 0: none */
    uint8_t map, opcode;
    bool has_modrm, p66, p67;
    uint8_t modrm, sib, disp_size, imm_size, imm2_size;
    bool has_sib, rip;
    uint64_t disp, imm, imm2;
    bool vex, l; uint8_t vvvv, vexpp;
} Enc;

static unsigned pick_role(const DiffSeq *q, int role)
{
    unsigned r;
    for (int tries = 0; tries < 64; tries++) {
        r = below(nb_regs());
        if (q->role[r] == role)
            return r;
    }
    return R_ESI;
}

static unsigned pick_dst(const DiffSeq *q)
{
    for (;;) {
        unsigned r = below(nb_regs());
        if (r == R_ESP ? below(64) == 0 : q->role[r] == ROLE_ANY || below(12) == 0)
            return r;
    }
}
static unsigned pick_src(void) { return below(nb_regs()); }

static void set_mem16(Enc *e, unsigned reg)
{
    unsigned mod = below(3), rm = below(3) ? 4 + below(2) : below(8);

    if (mod == 0 && rm == 6)
        mod = 1;
    e->modrm = mod << 6 | (reg & 7) << 3 | rm;
    e->disp = (int8_t)rnd64() >> below(3);
    e->disp_size = mod;
    if (below(6) == 0) {
        e->modrm = (reg & 7) << 3 | 6;
        e->disp = gen_offset(16);
        e->disp_size = 2;
    }
    if (bits == 32 && below(4))
        e->pre[e->n_pre++] = 0x26; /* ES begins at the data, often */
}

static void set_mem(Enc *e, const DiffSeq *q, unsigned reg)
{
    unsigned form = below(16), base = below(24) ? pick_role(q, ROLE_PTR) : below(nb_regs()), index;

    e->has_modrm = true;
    e->r = reg >> 3;
    e->modrm = (reg & 7) << 3;
    if (below(24) == 0)
        e->p67 = true;
    else if (bits != 64 && below(4) == 0)
        e->p67 = true;
    if (below(bits == 64 ? 24 : 6) == 0)
        e->pre[e->n_pre++] = (const uint8_t[]){0x64, 0x65, 0x2e, 0x36, 0x3e, 0x26}[below(6)];
    if (bits != 64 && (bits == 16) != e->p67) {
        set_mem16(e, reg);
        return;
    }
    if (below(40) == 0)
        base = R_ESP;
    if (form < 2) { /* absolute */
        e->modrm |= 4;
        e->has_sib = true;
        e->sib = below(4) << 6 | 0x25;
        e->disp_size = 4;
        e->disp = gen_offset(bits);
        return;
    }
    if (form < 4) {
        e->modrm |= 5;
        e->disp_size = 4;
        e->rip = bits == 64;
        e->disp = gen_offset(bits);
        return;
    }
    e->disp = (int64_t)(int8_t)rnd64() >> below(3);
    e->disp_size = below(3) ? 1 : 4;
    if (form < 9) {
        index = pick_role(q, ROLE_INDEX);
        if (index == R_ESP)
            index = R_ECX;
        if (below(16) == 0)
            index = R_ESP; /* none */
        if (form == 8) { /* index alone, scaled by one: the pointer is the index */
            index = base == R_ESP ? R_ESI : base;
            e->modrm |= 4;
            e->has_sib = true;
            e->sib = (index & 7) << 3 | 5;
            e->x = index >> 3;
            e->disp_size = 4;
            return;
        }
        e->has_sib = true;
        e->sib = below(4) << 6 | (index & 7) << 3 | (base & 7);
        e->x = index >> 3;
        e->modrm |= 4;
    } else if ((base & 7) == 4) {
        e->has_sib = true;
        e->sib = 0x24 | below(4) << 6;
        e->modrm |= 4;
    } else {
        e->modrm |= base & 7;
    }
    e->b = base >> 3;
    if (below(4) == 0 && (base & 7) != 5)
        e->disp_size = 0;
    e->modrm |= e->disp_size == 0 ? 0 : e->disp_size == 1 ? 0x40 : 0x80;
}

static void set_reg(Enc *e, unsigned reg, unsigned rm)
{
    e->has_modrm = true;
    e->r = reg >> 3;
    e->b = rm >> 3;
    e->modrm = 0xc0 | (reg & 7) << 3 | (rm & 7);
}

static void put(DiffInsn *g, uint64_t v, unsigned n)
{
    for (; n; n--, v >>= 8)
        g->b[g->n++] = v;
}

/* False: longer than 15 bytes. */
static bool finish(DiffInsn *g, Enc *e)
{
    if (bits != 64) {
        e->rex = e->r = e->x = e->b = false;
        e->w &= e->vex;
        e->vvvv &= 7;
    }
    g->n = 0;
    g->rip_at = -1;
    if (e->p66)
        e->pre[e->n_pre++] = 0x66;
    if (e->p67)
        e->pre[e->n_pre++] = 0x67;
    if (e->lock)
        e->pre[e->n_pre++] = 0xf0;
    if (e->pp)
        e->pre[e->n_pre++] = e->pp;
    for (unsigned i = e->n_pre; i-- > 1;) { /* any order */
        unsigned j = below(i + 1);
        uint8_t t = e->pre[i];
        e->pre[i] = e->pre[j];
        e->pre[j] = t;
    }
    for (unsigned i = 0; i < e->n_pre; i++)
        put(g, e->pre[i], 1);
    if (e->vex) {
        if (!e->x && !e->b && !e->w && e->map == MAP_0F && below(2)) {
            put(g, 0xc5, 1);
            put(g, !e->r << 7 | (~e->vvvv & 15) << 3 | e->l << 2 | e->vexpp, 1);
        } else {
            put(g, 0xc4, 1);
            put(g, !e->r << 7 | !e->x << 6 | !e->b << 5 | e->map, 1);
            put(g, e->w << 7 | (~e->vvvv & 15) << 3 | e->l << 2 | e->vexpp, 1);
        }
    } else {
        if (e->rex || e->w || e->r || e->x || e->b)
            put(g, 0x40 | e->w << 3 | e->r << 2 | e->x << 1 | e->b, 1);
        if (e->map != MAP_1)
            put(g, 0x0f, 1);
        if (e->map >= MAP_0F38)
            put(g, e->map == MAP_0F38 ? 0x38 : 0x3a, 1);
    }
    put(g, e->opcode, 1);
    if (e->has_modrm)
        put(g, e->modrm, 1);
    if (e->has_sib)
        put(g, e->sib, 1);
    if (e->rip) {
        g->rip_at = g->n;
        g->rip_target = e->disp;
    }
    put(g, e->disp, e->disp_size);
    put(g, e->imm, e->imm_size);
    put(g, e->imm2, e->imm2_size);
    return g->n <= 15;
}

/* ---- general instructions ---- */

static bool is_shift(const char *n, unsigned *which)
{
    static const char *const shifts[] = {"ROL", "ROR", "RCL", "RCR", "SHL", "SHR", "SAR", "SHLD", "SHRD"};
    for (*which = 0; *which < G_N_ELEMENTS(shifts); ++*which)
        if (!strcmp(n, shifts[*which]))
            return true;
    return false;
}

static void shift_flags(DiffInsn *g, const OpcodeRow *r, const Insn *in, unsigned which, Enc *e, bool first)
{
    OpKind k = r->op[which >= 7 ? 2 : 1];
    unsigned bits = 8u << insn_op_size(in, r->op[0]), count;

    g->fl_undef = r->flags_undefined;
    g->fl_written = 0;
    if (k == O_CL) {
        if (which >= 4 && bits < 32)
            g->fl_undef |= CC_C;
        if (which >= 7 && bits == 16)
            g->cl_small = true;
        return;
    }
    if (which >= 7 && bits == 16)
        e->imm = below(17);
    count = (k == O_I1 ? 1 : e->imm) & (bits == 64 ? 63 : 31);
    if (!count) {
        g->fl_undef = 0;
        return;
    }
    g->fl_written = r->flags_written;
    if (count == 1) {
        g->fl_undef = which >= 4 ? CC_A : 0;
        g->fl_written |= CC_O;
    } else if (which >= 4 && count >= bits) {
        g->fl_undef |= CC_C;
        if (which >= 7)
            g->fl_undef = CC_MASK;
    }
    g->fl_written &= ~g->fl_undef;
}

static bool gen_integer(DiffInsn *g, DiffSeq *q, const OpcodeRow *r)
{
    static const uint8_t pp_byte[] = {[ROW_P66] = 0x66, [ROW_PF3] = 0xf3, [ROW_PF2] = 0xf2};
    Enc e = {.map = r->map, .opcode = r->opcode};
    bool has_rm = false, mem, branch = false, sized = false, flow_f64 = r->attr & ROW_F64;
    bool str = row_is_string(r->name) || !strcmp(r->name, "INS") || !strcmp(r->name, "OUTS");
    Insn in = {.mod = 3};
    unsigned which, reg, rm;

    for (int i = 0; i < 3; i++) {
        OpKind k = r->op[i];
        has_rm |= op_kind_is_modrm_rm(k) || k == O_Rv || k == O_Ry;
        branch |= k == O_Jb || k == O_Jz;
        sized |= k != O___ && insn_op_size(&(Insn){.osize = MO_16}, k) != insn_op_size(&(Insn){.osize = MO_32}, k);
    }
    e.rex = below(2);
    if (r->pp >= ROW_P66)
        e.pp = pp_byte[r->pp];
    e.p66 = (r->pp == ROW_ANY || r->pp == ROW_NR) && !flow_f64 && below(sized ? 4 : 24) == 0;
    e.w = below(3) == 0;
    if (bits != 64) {
        e.w = false;
        flow_f64 = false;
        e.p66 = r->pp == ROW_ANY || r->pp == ROW_NR ? below(sized || (r->attr & ROW_F64) ? 4 : 24) == 0 : false;
    }
    in.osize = bits != 64 ? (bits == 16) != (e.p66 || r->pp == ROW_P66) ? MO_16 : MO_32 : e.w ? MO_64 : e.p66 ? MO_16 : (r->attr & ROW_D64) ? MO_64 : MO_32;
    if (flow_f64)
        in.osize = MO_64;
    if (bits == 64 && (!strcmp(r->name, "LSS") || !strcmp(r->name, "LFS") || !strcmp(r->name, "LGS") || !strcmp(r->name, "CALLF_IND") ||
                       !strcmp(r->name, "JMPF_IND"))) { /* Intel has m16:64, AMD has not */
        e.w = false;
        in.osize = e.p66 ? MO_16 : MO_32;
    }
    if (r->map >= MAP_VEX_0F38) {
        e.vex = true;
        e.map = r->map - MAP_VEX_0F38 + MAP_0F38;
        e.vexpp = r->pp == ROW_P66 ? 1 : r->pp == ROW_PF3 ? 2 : r->pp == ROW_PF2 ? 3 : 0;
        e.pp = 0;
        e.p66 = e.rex = false;
        e.w = below(2);
        in.osize = e.w && bits == 64 ? MO_64 : MO_32;
        e.vvvv = r->op[0] == O_By ? pick_dst(q) : r->op[1] == O_By || r->op[2] == O_By ? pick_src() : 0;
    }
    mem = r->modrm && has_rm && (r->mod == ROW_MM || (r->mod == ROW_AM && below(2)));
    if (r->op[0] == O_Rv || r->op[0] == O_Ry || r->op[1] == O_Ry)
        mem = false;
    reg = r->reg >= 0 ? (unsigned)r->reg : op_kind_is_modrm_rm(r->op[0]) ? pick_src() : pick_dst(q);
    if (r->op[0] == O_Cy || r->op[0] == O_Dy || r->op[1] == O_Cy || r->op[1] == O_Dy)
        reg = below(8);
    rm = op_kind_is_modrm_rm(r->op[0]) || r->op[0] == O_Rv ? pick_dst(q) : pick_src();
    if (r->op[0] == O_Sw || r->op[1] == O_Sw)
        reg = below(8);
    if (!strcmp(r->name, "CALL_IND") || !strcmp(r->name, "JMP_IND"))
        rm = pick_role(q, ROLE_TARGET);
    if (r->modrm) {
        if (mem)
            set_mem(&e, q, reg);
        else
            set_reg(&e, reg, r->rm >= 0 ? (unsigned)r->rm : rm);
        if (r->reg >= 0 && !e.vex)
            e.r = below(8) == 0;
    } else if (r->count == 8) {
        unsigned z = !strcmp(r->name, "PUSH") ? pick_src() : pick_dst(q);
        e.opcode += z & 7;
        e.b = z >> 3;
    } else if (r->count == 7) {
        unsigned z;
        do
            z = pick_dst(q);
        while ((z & 7) == 0);
        e.opcode += (z & 7) - 1;
        e.b = z >> 3;
    }
    if (r->count == 16)
        e.opcode += below(16);
    if (mem && (r->attr & ROW_LOCK) && below(5) == 0)
        e.lock = true;
    else if (below(400) == 0 && !e.vex && r->op[0] != O_Cy && r->op[1] != O_Cy)
        e.lock = true;
    g->fl_written = r->flags_written;
    g->fl_undef = r->flags_undefined;
    if (str) {
        g->string = true;
        g->rep = below(2);
        if (g->rep) {
            e.pp = below(2) ? 0xf3 : 0xf2;
            g->fl_cond = r->flags_written;
            g->fl_written = 0;
        }
        e.p67 = below(16) == 0;
        if (below(12) == 0)
            e.pre[e.n_pre++] = below(2) ? 0x64 : 0x65;
    } else if (r->map == MAP_1 && r->pp == ROW_ANY && !e.pp && !(r->attr & ROW_F64) && r->opcode != 0x90 && below(60) == 0) {
        e.pp = below(2) ? 0xf2 : 0xf3; /* ignored */
    }
    if (below(50) == 0)
        e.pre[e.n_pre++] = (const uint8_t[]){0x2e, 0x3e, 0x36, 0x26}[below(4)];
    for (int i = 0; i < 3; i++) {
        unsigned size = 0;
        uint64_t v = gen_special();
        switch (r->op[i]) {
        case O_Ib: case O_sIb: size = 1; break;
        case O_Iw: size = 2; break;
        case O_Iz: size = in.osize == MO_16 ? 2 : 4; break;
        case O_Iv: size = 1 << in.osize; break;
        case O_Jb: size = 1; break;
        case O_Jz: size = in.osize == MO_16 ? 2 : 4; break;
        case O_Ap: {
            uint32_t off;
            e.imm2 = gen_far_target(&off);
            e.imm2_size = 2;
            e.imm = off;
            e.imm_size = in.osize == MO_16 ? 2 : 4;
            continue;
        }
        case O_Ob: case O_Ov:
            e.p67 = below(4) == 0;
            size = bits == 64 ? (e.p67 ? 4 : 8) : (bits == 16) != e.p67 ? 2 : 4;
            v = bits == 64 ? gen_addr() : gen_offset(bits);
            break;
        default: continue;
        }
        if (e.imm_size)
            e.imm2 = v, e.imm2_size = size;
        else
            e.imm = v, e.imm_size = size;
    }
    if (!strcmp(r->name, "INT")) {
        e.imm &= 0xff;
        if (e.imm >= 0x20) /* 80h and the host's vectors */
            e.imm &= 0x1f;
    }
    if (!strcmp(r->name, "UD") && cpu_has(guest_env(), X86F_SSE4A))
        e.has_modrm = e.has_sib = false, e.disp_size = 0; /* AMD */
    if (!strcmp(r->name, "ENTER"))
        e.imm &= 0xff, e.imm2 &= below(2) ? 0 : 0x23;
    if (!strcmp(r->name, "RET") && e.imm_size)
        e.imm &= 0x3f;
    if (!strcmp(r->name, "BSWAP") && in.osize == MO_16)
        e.p66 = false;
    if (is_shift(r->name, &which))
        shift_flags(g, r, &in, which, &e, false);
    for (unsigned i = 0; i < G_N_ELEMENTS(readers); i++)
        if (!strcmp(r->name, readers[i].name))
            g->fl_read = readers[i].flags;
    for (unsigned i = 0; i < G_N_ELEMENTS(clobbers); i++)
        if (!strcmp(r->name, clobbers[i].name))
            g->clobber = clobbers[i].regs;
    if (!strcmp(r->name, "RDRAND") || !strcmp(r->name, "RDPID"))
        g->clobber = 1 << ((e.modrm & 7) | (bits == 64 ? e.b << 3 : 0));
    g->seg = row_is_seg(r->name);
    g->lsl = !strcmp(r->name, "LSL");
    g->leaves = !strcmp(r->name, "RETF") || !strcmp(r->name, "IRET") || !strncmp(r->name, "CALLF", 5) || !strncmp(r->name, "JMPF", 4) ||
                !strcmp(r->name, "RET") || !strcmp(r->name, "CALL_IND") || !strcmp(r->name, "JMP_IND");
    if (!strcmp(r->name, "SAHF"))
        g->fl_written = CC_MASK & ~CC_O;
    if (!strcmp(r->name, "POPF") || !strcmp(r->name, "IRET"))
        g->fl_written = CC_MASK;
    if (!finish(g, &e))
        return false;
    g->no_rep = r->attr & ROW_F64 || !strcmp(r->name, "RDRAND"); /* F2 makes LOOPE to LOOPNE on AMD; F3: RDPID */
    g->no_66 = !strcmp(r->name, "BSWAP") || is_shift(r->name, &which);
    if (branch) {
        g->rel_size = e.imm_size;
        g->rel_at = g->n - e.imm_size;
        g->skip = below(3);
    }
    return true;
}

/* ---- x87 ---- */

static bool gen_x87(DiffInsn *g, DiffSeq *q, unsigned n)
{
    Enc e = {.map = MAP_1};

    q->x87 = true;
    if (n < 64) {
        unsigned esc = n / 8, op = n % 8;
        e.opcode = 0xd8 + esc;
        set_mem(&e, q, op);
        e.w = below(8) == 0;
        g->x87_store = (op == 2 || op == 3 || (op == 1 && esc != 1) || (esc == 3 && op == 7) || (esc == 7 && op >= 6)) && esc % 2;
        g->fuzzy_mem = (esc == 1 || esc == 5) && op == 6;
        if (g->fuzzy_mem || ((esc == 1 || esc == 5) && op == 4))
            e.p66 = below(4) == 0;
    } else {
        unsigned esc = (n - 64) / 64, op = (n - 64) / 8 % 8;
        e.opcode = 0xd8 + esc;
        set_reg(&e, op, (n - 64) % 8);
        if (below(8) == 0)
            e.p66 = true;
        if ((esc == 3 || esc == 7) && (op == 5 || op == 6)) {
            g->any_c1 = true;
            g->fl_written = CC_MASK;
        }
        g->x87_trans = esc == 1 && op >= 6;
        if ((esc == 2 || esc == 3) && op < 4)
            g->fl_read = CC_C | CC_Z | CC_P;
    }
    return finish(g, &e);
}

/* ---- vectors ---- */

static bool opnd_mem_ok(unsigned o)
{
    switch (o) {
    case SO_NO: case SO_Vx: case SO_Ux: case SO_Pq: case SO_Nq: case SO_Gd: case SO_Gy: case SO_Rd: case SO_Ry: return false;
    default: return true;
    }
}

/* base (a pointer, or none) + index vector; now and then without SIB byte, which is not defined */
static void set_gather(DiffInsn *g, Enc *e, const DiffSeq *q, unsigned reg, bool vlong)
{
    unsigned base, index = below(nb_regs());

    if (below(24) == 0 || (bits == 16 && below(16) == 0)) {
        set_mem(e, q, reg);
        return;
    }
    for (unsigned tries = 0; tries < 3 && (index == reg || index == e->vvvv || e->vvvv == reg); tries++) {
        index = below(nb_regs());
        e->vvvv = below(nb_regs());
    }
    e->p67 = bits == 16 || (bits == 64 && below(16) == 0);
    base = pick_role(q, ROLE_PTR);
    e->has_modrm = e->has_sib = true;
    e->r = reg >> 3;
    e->x = index >> 3;
    e->b = base >> 3;
    e->disp_size = below(3) ? 1 : 4;
    e->disp = (int8_t)rnd64();
    e->modrm = (reg & 7) << 3 | 4 | (e->disp_size == 1 ? 0x40 : 0x80);
    e->sib = below(4) << 6 | (index & 7) << 3 | (base & 7);
    if (below(6) == 0) { /* no base */
        e->modrm &= 0x3f;
        e->sib = (e->sib & 0xf8) | 5;
        e->b = false;
        e->disp_size = 4;
        e->disp = gen_offset(bits);
    }
    if (below(16) == 0)
        e->pre[e->n_pre++] = 0x64 + below(2);
    g->vsib = index;
    g->vmask = e->vvvv & (nb_regs() - 1);
    g->vscale = e->sib >> 6;
    g->vlong = vlong;
}

static bool gen_simd(DiffInsn *g, DiffSeq *q, const SimdRow *r)
{
    static const uint8_t bytes[] = {0, 0x66, 0xf3, 0xf2};
    Enc e = {.map = r->map, .opcode = r->opcode};
    unsigned pp = r->pp == SIMD_PP_66 ? 1 : r->pp == SIMD_PP_F3 ? 2 : r->pp == SIMD_PP_F2 ? 3 : 0;
    bool can_mem = opnd_mem_ok(r->dst) || opnd_mem_ok(r->src);
    bool mem_only = simd_opnd_mem_only(r->dst) || simd_opnd_mem_only(r->src), mem = mem_only || (can_mem && below(2));
    bool rm_is_dst = opnd_mem_ok(r->dst) || r->dst == SO_Ux || r->dst == SO_Nq || r->dst == SO_Rd || r->dst == SO_Ry;
    unsigned reg, rm;

    if (simd_opnd_is_gpr(r->dst) && !rm_is_dst)
        reg = pick_dst(q);
    else
        reg = below(nb_regs());
    rm = simd_opnd_is_gpr(r->dst) && rm_is_dst ? pick_dst(q) : below(nb_regs());
    if (r->ext >= 0)
        reg = r->ext;
    q->fp |= r->flags & SROW_FP;
    if (simd_opnd_is_mmx(r->dst) || simd_opnd_is_mmx(r->src))
        q->x87 = true;
    e.w = below(4) == 0;
    e.rex = below(8) == 0;
    if (r->vex) {
        e.vex = true;
        e.rex = false;
        e.vexpp = pp;
        e.l = r->l == VEX_LX || r->l == VEX_LG ? below(2) : r->l == VEX_L1;
        e.w = r->w == VEX_WX ? below(2) : r->w == VEX_W1;
        e.vvvv = r->vv == SO_NO ? 0 : below(16);
        if (bits != 64 && (r->dst == SO_Ey || r->src == SO_Ey) && r->map == MAP_0F3A) /* VPEXTRQ, VPINSRQ: #UD or the 32-bit form */
            e.w = false;
    } else
        e.pp = bytes[pp];
    if (r->kind == SK_PCMPSTR || r->kind == SK_CRC32)
        e.p66 = r->kind == SK_CRC32 && below(4) == 0;
    if (r->kind != SK_EMMS
        && r->kind != SK_VZEROUPPER && r->kind != SK_VZEROALL
    ) {
        if (mem && r->feature == SF_SHA) { /* AMD does not require alignment, Intel does */
            e = (Enc){.map = e.map, .opcode = e.opcode, .pp = e.pp, .has_modrm = true, .r = reg >> 3, .modrm = 5 | (reg & 7) << 3,
                      .disp_size = 4, .rip = bits == 64, .disp = (bits == 64 ? gen_addr() : gen_offset(bits)) & ~15ULL, .p67 = bits == 16};
        } else if (r->kind == SK_VGATHER) {
            set_gather(g, &e, q, reg, r->opcode & 1);
        } else if (mem) {
            set_mem(&e, q, reg);
        } else {
            set_reg(&e, reg, rm);
        }
    }
    if (r->imm8) {
        e.imm = rnd64();
        e.imm_size = simd_row_imm_bytes(r);
    }
    if (r->kind == SK_COMIS)
        g->fl_written = CC_MASK;
    if (r->kind == SK_PCMPSTR)
        g->fl_written = CC_MASK;
    if (r->kind == SK_VCOMIS || r->kind == SK_VPCMPSTR)
        g->fl_written = CC_MASK;
    g->xsave = !strncmp(r->name, "XSAVE", 5) || !strncmp(r->name, "XRSTOR", 6);
    g->fuzzy_mem |= g->xsave && r->name[1] == 'S';
    g->no_rep = !strncmp(r->name, "MOVNTP", 6); /* AMD's MOVNTSS, MOVNTSD */
    g->no_66 = r->kind == SK_PCMPSTR || r->kind == SK_CRC32;
    if (r->kind == SK_FXSAVE || r->kind == SK_XSAVE)
        g->fuzzy_mem = true;
    return finish(g, &e);
}

/* ---- sequences ---- */

static bool carry_seq; /* a chain of carries */

static bool gen_insn(DiffInsn *g, DiffSeq *q, int family)
{
    unsigned mode = bits == 64;
    unsigned n;
    const unsigned *list = carry_seq && family == FAM_INT ? gen_carry_rows(mode, &n) : gen_family(mode, family, &n);
    unsigned row = list[below(n)];
    bool good;

    memset(g, 0, sizeof *g);
    g->rel_at = g->rip_at = g->vsib = -1;
    g->row = row;
    if (row < SIMD_AT)
        good = gen_integer(g, q, &opcode_rows[row]);
    else if (row < X87_AT)
        good = gen_simd(g, q, &simd_rows[row - SIMD_AT]);
    else if (row < VEX_AT)
        good = gen_x87(g, q, row - X87_AT);
    else
        good = gen_simd(g, q, &vex_rows[row - VEX_AT]);
    if (good) {
        unsigned len;
        const void *want = row < SIMD_AT ? (const void *)&opcode_rows[row] : row < X87_AT ? (const void *)&simd_rows[row - SIMD_AT] : &vex_rows[row - VEX_AT];
        const void *found = guest_decode(g->b, g->n, bits, &len);
        bool x87 = row >= X87_AT && row < VEX_AT && found && !strcmp(((const OpcodeRow *)found)->name, "X87");
        g->is_row = (found == want || x87) && len == g->n;
    }
    if (good && !g->clobber && below(12) == 0 && !(row < SIMD_AT && strstr(opcode_rows[row].name, "_CR"))) /* AMD: LOCK MOV CR0 is MOV CR8 */
        /* 66 changes which flags a shift defines, what POPF pops, and where a branch goes */
        gen_mutate(g, bits, !g->string && !g->no_rep, !g->no_66 && g->rel_at < 0 && family != FAM_FLOW && family != FAM_SEG);
    return good;
}

static int other_family(int family)
{
    unsigned k = below(8);

    if (k == 0)
        return FAM_INT;
    if (k == 1 && (family == FAM_SSE || family == FAM_FP || family == FAM_VEX))
        return family == FAM_SSE ? FAM_FP : FAM_SSE;
    if (k == 2 && (family == FAM_INT || family == FAM_STRING))
        return FAM_FLOW;
    if (k == 2 && (family == FAM_MMX || family == FAM_X87))
        return family == FAM_MMX ? FAM_X87 : FAM_MMX;
    return family;
}

bool gen_seq(DiffSeq *q, int family, int mode_bits)
{
    unsigned want = diff_edges ? 1 : 1 + below(below(2) ? 3 : DIFF_MAX_INSNS), undef = 0, covered = 0;
    bool c1 = false, leaves = false;
    uint16_t all_read = 0, all_undef = 0;

    bits = q->bits = mode_bits;
    carry_seq = family == FAM_INT && !diff_edges && below(4) == 0;
    if (carry_seq)
        want = DIFF_MAX_INSNS;
    q->n = 0;
    q->seg = family == FAM_SEG || below(16) == 0;
    q->ac_ok = true;
    q->fp = q->x87 = q->cl_small = q->xsave = q->string = false;
    q->unmask = below(12) == 0;
    for (int i = 0; i < 16; i++)
        q->role[i] = (const uint8_t[]){ROLE_ANY, ROLE_ANY, ROLE_PTR, ROLE_INDEX, ROLE_ANY, ROLE_ANY}[below(6)];
    q->role[R_ESI] = q->role[R_EDI] = ROLE_PTR;
    q->role[R_ESP] = ROLE_ANY;
    if (below(2))
        q->role[R_EBP] = q->role[R_EBX] = ROLE_PTR;
    q->role[R_R8 + below(8)] = ROLE_TARGET;
    q->role[R_ECX] = below(2) ? ROLE_INDEX : ROLE_ANY;
    for (int tries = 0; q->n < want && tries < 40; tries++) {
        DiffInsn *g = &q->insn[q->n];
        if (!gen_insn(g, q, q->n || want > 1 ? other_family(family) : family))
            continue;
        if ((g->fl_read & undef) || ((g->cl_small || g->xsave || (g->vsib >= 0 && below(4))) && q->n))
            continue;
        if (c1 && g->row >= (int)X87_AT && g->row < (int)VEX_AT) /* what could store the status word */
            continue;
        /* where a return may lead back, a reader must not meet any undefined flag at all */
        if ((leaves | g->leaves) && ((all_read | g->fl_read) & (all_undef | g->fl_undef)))
            continue;
        leaves |= g->leaves;
        all_read |= g->fl_read;
        all_undef |= g->fl_undef;
        undef = covered ? undef | g->fl_undef : (undef & ~g->fl_written) | g->fl_undef;
        covered = MAX(covered ? covered - 1 : 0, g->rel_at >= 0 ? g->skip : 0u);
        c1 |= g->any_c1;
        q->cl_small |= g->cl_small;
        q->xsave |= g->xsave;
        q->string |= g->string;
        /* vectors that may be unaligned: up to the processor; RETF n: its look at
         * the outer stack comes before its checks on some */
        if (g->row >= (int)SIMD_AT || (!strcmp(opcode_rows[g->row].name, "RETF") && opcode_rows[g->row].op[0] == O_Iw))
            q->ac_ok = false;
        q->n++;
        if (g->fuzzy_mem || g->clobber || g->lsl)
            break;
    }
    q->leaves = leaves;
    return q->n > 0;
}

void gen_layout(DiffSeq *q, uint64_t start)
{
    unsigned at = 0;
    int32_t rel;

    q->start = start;
    for (unsigned i = 0; i < q->n; i++) {
        q->at[i] = at;
        at += q->insn[i].n;
    }
    q->at[q->n] = at;
    for (unsigned i = 0; i < q->n; i++) {
        const DiffInsn *g = &q->insn[i];
        uint8_t *p = q->code + q->at[i];
        memcpy(p, g->b, g->n);
        if (g->rip_at >= 0) {
            rel = g->rip_target - (uint32_t)(start + q->at[i + 1]);
            memcpy(p + g->rip_at, &rel, 4);
        }
        if (g->rel_at >= 0) {
            rel = q->at[MIN(i + 1 + g->skip, q->n)] - q->at[i + 1];
            memcpy(p + g->rel_at, &rel, g->rel_size);
        }
    }
    q->code_len = at + (q->bits == 16 ? 3 : 5);
    q->code[at] = 0xe9;
    rel = (q->bits == 64 ? DIFF_EXIT : DIFF_EXIT_ANY) - (uint32_t)(start + q->code_len);
    memcpy(q->code + at + 1, &rel, q->code_len - at - 1);
}
