/* test-insn-int.c - every row of opcodes.def that runs in ring 3, 64-bit mode: random operands on the host
 * and on a Vireo CPU must give the same registers, memory, faults and defined flags. Rows marked ENDS
 * (control flow, privileged) are tested by others; string instructions and the conditions have their own
 * cases below. Spec: Intel SDM vol. 2. */
#include "host/base/osdep.h"
#include "target-x86/cpuid.h"
#include "target-x86/decode.h"
#include "tests/lib/x86-native.h"

typedef struct Code { uint8_t b[X86N_MAX_CODE]; unsigned n; } Code;
static void add(Code *c, unsigned b) { c->b[c->n++] = b; }
static void add_n(Code *c, uint64_t v, unsigned n)
{
    while (n--) {
        add(c, v & 0xff);
        v >>= 8;
    }
}

static GRand *rnd;
static unsigned below(unsigned n) { return g_rand_int_range(rnd, 0, n); }

static uint64_t special(void)
{
    static const uint64_t v[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
                                  INT64_MAX, 1ULL << 63, UINT64_MAX, 0x100, 0x10000, 0x100000000 };
    uint64_t r = (uint64_t)g_rand_int(rnd) << 32 | g_rand_int(rnd);
    switch (below(4)) {
    case 0: return v[below(G_N_ELEMENTS(v))];
    case 1: return r >> below(64);
    default: return r;
    }
}

/* --- comparison --- */

static void compare(const X86NState *start, const X86NState *n, const X86NState *v, uint32_t flag_mask, const Code *c, const char *name)
{
    GString *why = g_string_new(NULL);

    if (n->vector != v->vector)
        g_string_append_printf(why, "  vector: host %d, vireo %d\n", n->vector, v->vector);
    for (int i = 0; i < 16; i++)
        if (i != R_ESP && n->gpr[i] != v->gpr[i])
            g_string_append_printf(why, "  gpr%d: start %016" PRIx64 " host %016" PRIx64 " vireo %016" PRIx64 "\n", i, start->gpr[i],
                                   n->gpr[i], v->gpr[i]);
    if (((n->rflags ^ v->rflags) & flag_mask) && n->vector < 0)
        g_string_append_printf(why, "  flags: start %03x host %03x vireo %03x, compared %03x\n", (unsigned)start->rflags & 0xcd5,
                               (unsigned)n->rflags & 0xcd5, (unsigned)v->rflags & 0xcd5, flag_mask);
    for (int i = 0; i < X86N_DATA_SIZE; i++)
        if (n->data[i] != v->data[i]) {
            g_string_append_printf(why, "  data[%x]: start %02x host %02x vireo %02x\n", i, start->data[i], n->data[i], v->data[i]);
            break;
        }
    if (why->len) {
        GString *hex = g_string_new(NULL);
        for (unsigned i = 0; i < c->n; i++)
            g_string_append_printf(hex, "%02x ", c->b[i]);
        for (int i = 0; i < 16; i++)
            g_string_append_printf(hex, "\n  gpr%d = %016" PRIx64, i, start->gpr[i]);
        g_test_message("%s: %s\n%s", name, hex->str, why->str);
        g_test_fail();
        g_string_free(hex, TRUE);
    }
    g_string_free(why, TRUE);
}

static void run(const X86NState *start, const Code *c, uint32_t flag_mask, const char *name)
{
    static X86NState n, v;

    n = *start;
    v = *start;
    x86n_native(&n, c->b, c->n);
    x86n_vireo(&v, c->b, c->n);
    compare(start, &n, &v, flag_mask, c, name);
}

/* --- encoding a row --- */

typedef struct Form {
    Insn insn;      /* what insn_op_size() looks at */
    bool mem, rex, base_form;
    unsigned reg, rm, base, imm8, opcode_reg;
    int32_t off;    /* of the memory operand in the data */
} Form;

static unsigned pick_reg(bool rex)
{
    unsigned r;
    do {
        r = below(rex ? 16 : 8);
    } while (r == R_ESP);
    return r;
}

static bool has_rm(const OpcodeRow *row) { return op_kind_is_modrm_rm(row->op[0]) || op_kind_is_modrm_rm(row->op[1]); }

/* Without a REX prefix byte registers 4-7 are AH..BH: any is fine, but register 4 as a wider one is RSP. */
static void encode(Code *c, const OpcodeRow *row, Form *f)
{
    static const uint8_t pp_byte[] = { [ROW_P66] = 0x66, [ROW_PF3] = 0xf3, [ROW_PF2] = 0xf2 };
    bool p66 = row->pp == ROW_ANY || row->pp == ROW_NR ? below(4) == 0 : row->pp == ROW_P66, w;

    f->rex = below(2);
    w = f->rex && below(2);
    f->insn = (Insn){ .osize = w ? MO_64 : p66 && row->pp != ROW_P66 ? MO_16 : (row->attr & ROW_D64) ? MO_64 : MO_32, .mod = 3 };
    f->reg = row->reg >= 0 ? (unsigned)row->reg : pick_reg(f->rex);
    f->rm = pick_reg(f->rex);
    f->mem = has_rm(row) && (row->mod == ROW_MM || (row->mod == ROW_AM && below(2)));
    f->off = 0x1000 + below(0x800);
    f->base_form = below(2);
    do {
        f->base = pick_reg(f->rex);
    } while ((f->base & 7) == 4);
    f->opcode_reg = row->count == 8 ? pick_reg(f->rex) : below(row->count);
    if (row->count == 7) /* XCHG with rAX */
        f->opcode_reg = 1 + below(7);
    if (row->count == 7 && f->opcode_reg == R_ESP - 0u)
        f->opcode_reg = 5;
    if (f->mem && (row->attr & ROW_LOCK) && below(4) == 0)
        add(c, 0xf0);
    if (p66 && row->pp != ROW_P66)
        add(c, 0x66);
    bool vex = row->map >= MAP_VEX_0F38;
    if (row->pp >= ROW_P66 && !vex)
        add(c, pp_byte[row->pp]);
    if (vex) {
        static const uint8_t pp[] = { [ROW_P66] = 1, [ROW_PF3] = 2, [ROW_PF2] = 3 };
        unsigned b = f->mem ? (f->base_form ? f->base >> 3 : 0) : f->rm >> 3;
        bool by = row->op[0] == O_By || row->op[1] == O_By || row->op[2] == O_By;
        add(c, 0xc4);
        add(c, (row->reg < 0 && f->reg >= 8 ? 0 : 0x80) | 0x40 | (b ? 0 : 0x20) | (row->map - MAP_VEX_0F38 + MAP_0F38));
        add(c, w << 7 | (by ? ~pick_reg(f->rex) & 15 : 15) << 3 | pp[row->pp]);
    } else if (f->rex) {
        unsigned b = f->mem ? (f->base_form ? f->base >> 3 : 0) : has_rm(row) ? f->rm >> 3 : f->opcode_reg >> 3;
        add(c, 0x40 | w << 3 | (row->reg < 0 && row->modrm ? f->reg >> 3 : 0) << 2 | b);
    }
    if (row->map != MAP_1 && !vex)
        add(c, 0x0f);
    if (row->map == MAP_0F38)
        add(c, 0x38);
    add(c, row->count == 7 ? row->opcode + f->opcode_reg - 1 : row->opcode + (row->count == 16 ? f->opcode_reg : row->count == 8 ? f->opcode_reg & 7 : 0));
    if (row->modrm) {
        if (!f->mem) {
            add(c, 0xc0 | (f->reg & 7) << 3 | (f->rm & 7));
        } else if (f->base_form) {
            add(c, 0x80 | (f->reg & 7) << 3 | (f->base & 7));
            add_n(c, f->off, 4);
        } else {
            add(c, 0x04 | (f->reg & 7) << 3);
            add(c, 0x25);
            add_n(c, X86N_DATA + f->off, 4);
        }
    }
    f->imm8 = g_rand_int(rnd);
    for (int i = 0; i < 3; i++) {
        switch (row->op[i]) {
        case O_Ib: case O_sIb: add_n(c, f->imm8, 1); break;
        case O_Iw: add_n(c, special(), 2); break;
        case O_Iz: add_n(c, special(), f->insn.osize == MO_16 ? 2 : 4); break;
        case O_Iv: add_n(c, special(), 1 << f->insn.osize); break;
        default: break;
        }
    }
}

/* Flags that may be compared after this execution. */
static uint32_t defined_flags(const OpcodeRow *row, const Form *f, const X86NState *st)
{
    static const char *const shifts[] = { "ROL", "ROR", "RCL", "RCR", "SHL", "SHR", "SAR", "SHLD", "SHRD" };
    unsigned size = insn_op_size(&f->insn, row->op[0]), bits = 8u << size, count;

    for (unsigned i = 0; i < G_N_ELEMENTS(shifts); i++) {
        if (strcmp(row->name, shifts[i]))
            continue;
        OpKind k = row->op[i >= 7 ? 2 : 1];
        count = k == O_I1 ? 1 : k == O_CL ? st->gpr[R_ECX] & 0xff : f->imm8 & 0xff;
        count &= bits == 64 ? 63 : 31;
        if (count == 0)
            return CC_MASK;
        if (count == 1)
            return CC_MASK & ~(i >= 4 ? CC_A : 0);
        if ((i == 4 || i == 5 || i >= 7) && count >= bits)
            return CC_MASK & ~(row->flags_undefined | CC_C | (i >= 7 ? CC_MASK : 0));
        return CC_MASK & ~row->flags_undefined;
    }
    return CC_MASK & ~row->flags_undefined;
}

/* A double shift of 16 bits by more than 16 has no defined result. */
static bool result_undefined(const OpcodeRow *row, const Form *f, const X86NState *st)
{
    unsigned count = row->op[2] == O_CL ? st->gpr[R_ECX] : f->imm8;
    if (strcmp(row->name, "SHLD") && strcmp(row->name, "SHRD"))
        return !strcmp(row->name, "BSWAP") && f->insn.osize == MO_16;
    return f->insn.osize == MO_16 && (count & 31) > 16;
}

static bool row_is_tested(const OpcodeRow *row)
{
    if (row->attr & (ROW_ENDS | ROW_NO64 | ROW_PE | ROW_CPL0))
        return false;
    return row->feature < 0 || (cpu_has(x86n_env(), row->feature) && cpuid_feature_supported(row->feature));
}

/* Something that leaves the flags in one lazy form or another. */
static void add_flag_producer(Code *c)
{
    static const uint8_t ops[][4] = {
        { 0x45, 0x01, 0xcd }, { 0x45, 0x29, 0xcd }, { 0x4d, 0x39, 0xcd }, { 0x45, 0x84, 0xcd }, { 0x45, 0x11, 0xcd },
        { 0x4d, 0x19, 0xcd }, { 0x41, 0xff, 0xc5 }, { 0x41, 0xfe, 0xcd }, { 0x41, 0xf6, 0xdd }, { 0x66, 0x41, 0xff, 0xcd },
        { 0x45, 0x28, 0xcd }, { 0x66, 0x45, 0x01, 0xcd }, { 0x41, 0xd1, 0xc5 }, { 0xf9 }, { 0x41, 0xd0, 0xe5 }, { 0x45, 0x31, 0xcd },
        { 0x49, 0xd1, 0xfd }, { 0x49, 0xf7, 0xdd }, { 0x45, 0x18, 0xcd }, { 0x66, 0x45, 0x19, 0xcd },
    }; /* on r13 and r9 */
    const uint8_t *o = ops[below(G_N_ELEMENTS(ops))];
    for (unsigned i = 0; i < 4 && (i == 0 || o[i]); i++)
        add(c, o[i]);
}

static void test_row(gconstpointer p)
{
    const OpcodeRow *row = p;
    static X86NState st;
    bool stack = !strcmp(row->name, "PUSH") || !strcmp(row->name, "POP");

    for (int n = 0; n < (g_test_thorough() ? 2000 : 150) && !g_test_failed(); n++) {
        Code c = { .n = 0 };
        Form f;

        x86n_random(&st, rnd);
        for (int i = 0; i < 16; i++)
            st.gpr[i] = special();
        bool producer = below(2) && strcmp(row->name, "LAHF");
        if (producer)
            add_flag_producer(&c);
        if (stack)
            add_n(&c, 0xe78749, 3); /* xchg rsp, r15 */
        encode(&c, row, &f);
        if (stack) {
            add_n(&c, 0xe78749, 3);
            if (f.rm == R_ESP || f.rm == 15 || f.opcode_reg == 15 || f.base == 15)
                continue;
            st.gpr[15] = X86N_DATA + 0x2000 + below(64);
        }
        if (result_undefined(row, &f, &st) || (!strcmp(row->name, "LEA") && !f.mem))
            continue;
        if (f.mem && row->op[0] == O_Ev && row->op[1] == O_Gv && row->name[0] == 'B' && row->name[1] == 'T') {
            if ((f.base_form && f.base == f.reg) || (producer && f.reg == 13))
                continue;
            st.gpr[f.reg] = (int64_t)below(0x4000) - 0x2000; /* bit offset */
        }
        if (f.mem && f.base_form)
            st.gpr[f.base] = X86N_DATA;
        if (f.mem && f.base_form && f.base == 13)
            continue; /* the producer may have changed it */
        /* the producer may leave AF undefined */
        run(&st, &c, defined_flags(row, &f, &st) & ~(producer && !(row->flags_written & CC_A) ? CC_A : 0), row->name);
    }
}

/* --- conditions after every producer: SETcc and CMOVcc --- */

static void test_conditions(void)
{
    static X86NState st;

    for (int n = 0; n < 6000 && !g_test_failed(); n++) {
        Code c = { .n = 0 };
        unsigned cc = below(16);
        x86n_random(&st, rnd);
        for (int i = 0; i < 16; i++)
            st.gpr[i] = special();
        if (below(3) == 0)
            st.gpr[13] = st.gpr[9];
        add_flag_producer(&c);
        for (unsigned k = below(2); k; k--)
            add_n(&c, 0x00c889, 2); /* mov eax, ecx: not a flag in sight */
        switch (below(5)) {
        case 4: /* two branches on the same flags: over two and over one of the increments */
            add_n(&c, (0x70 + cc) | 8 << 8, 2);
            add_n(&c, (0x70 + below(16)) | 3 << 8, 2);
            add_n(&c, 0xc0ff48, 3);
            add_n(&c, 0xc0ff48, 3);
            add_n(&c, 0xc2ff48, 3);
            run(&st, &c, 0, "two branches"); /* the increments leave AF as the branches found it: undefined, maybe */
            continue;
        case 0: /* setcc al */
            add_n(&c, 0x0f | (0x90 + cc) << 8 | 0xc0 << 16, 3);
            break;
        case 1: /* cmovcc rax, rdx */
            add_n(&c, 0x48 | 0x0f << 8 | (0x40 + cc) << 16 | 0xc2u << 24, 4);
            break;
        case 2: /* cmovcc eax, edx; then another producer */
            add_n(&c, 0x0f | (0x40 + cc) << 8 | 0xc2 << 16, 3);
            add_flag_producer(&c);
            break;
        default: /* jcc over inc rax */
            add_n(&c, (0x70 + cc) | 3 << 8, 2);
            add_n(&c, 0xc0ff48, 3);
        }
        run(&st, &c, CC_MASK & ~CC_A, "condition"); /* AF: shifts and logic leave it undefined */
    }
}

/* --- string instructions --- */

static void test_strings(gconstpointer p)
{
    unsigned opcode = GPOINTER_TO_UINT(p);
    static X86NState st;

    for (int n = 0; n < 1500 && !g_test_failed(); n++) {
        Code c = { .n = 0 };
        unsigned rep = below(3);
        x86n_random(&st, rnd);
        if (below(2)) /* something to compare */
            memset(st.data + 0x800, below(2), 0x2800);
        st.gpr[R_ECX] = below(4) ? below(40) : below(900);
        if (below(4) == 0)
            st.gpr[R_ECX] |= rep ? 0 : 0xffffffff00000000;
        st.gpr[R_ESI] = X86N_DATA + 0x1c00 + below(0x400);
        st.gpr[R_EDI] = below(2) ? st.gpr[R_ESI] + below(64) - 32 : X86N_DATA + 0x1c00 + below(0x400);
        st.gpr[R_EAX] = below(2) ? 0 : st.gpr[R_EAX];
        if (below(3) == 0) {
            st.rflags |= EFL_DF;
        } else if (st.gpr[R_ECX] > 800) {
            st.gpr[R_ECX] = 0;
        }
        if (below(4) == 0)
            add(&c, 0x67);
        if (rep)
            add(&c, rep == 1 ? 0xf3 : 0xf2);
        if (opcode & 1) {
            unsigned k = below(3);
            if (k)
                add(&c, k == 1 ? 0x66 : 0x48);
        }
        add(&c, opcode);
        if (below(2)) /* and use the flags */
            add_n(&c, 0xc3920f, 3);
        run(&st, &c, CC_MASK | EFL_DF, "string");
    }
}

int main(int argc, char **argv)
{
    static const struct { const char *name; unsigned opcode; } strings[] = {
        { "movsb", 0xa4 }, { "movs", 0xa5 }, { "cmpsb", 0xa6 }, { "cmps", 0xa7 }, { "stosb", 0xaa }, { "stos", 0xab },
        { "lodsb", 0xac }, { "lods", 0xad }, { "scasb", 0xae }, { "scas", 0xaf },
    };

    g_test_init(&argc, &argv, NULL);
    g_test_set_nonfatal_assertions();
    x86n_init();
    rnd = g_rand_new_with_seed(20240607);
    for (unsigned i = 0; i < nb_opcode_rows; i++) {
        const OpcodeRow *r = &opcode_rows[i];
        if (!row_is_tested(r))
            continue;
        g_autofree char *path = g_strdup_printf("/target-x86/insn-int/%s/%u-%02x-%u", r->name, r->map, r->opcode, i);
        g_test_add_data_func(path, r, test_row);
    }
    g_test_add_func("/target-x86/insn-int/conditions", test_conditions);
    for (unsigned i = 0; i < G_N_ELEMENTS(strings); i++) {
        g_autofree char *path = g_strdup_printf("/target-x86/insn-int/string/%s", strings[i].name);
        g_test_add_data_func(path, GUINT_TO_POINTER(strings[i].opcode), test_strings);
    }
    int ret = g_test_run();
    g_rand_free(rnd);
    return ret;
}
