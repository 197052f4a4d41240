/* test-insn-int32.c - rows of opcodes.def in 32-bit code, against the host: what 64-bit mode does not have
 * (BCD, PUSHA, one-byte INC and DEC), and the others once more without REX. A snippet calls a page below
 * 4 GiB, which jumps to 32-bit code and back (far pointers in the data, since selectors differ).
 * Nothing here may fault. Spec: Intel SDM vol. 2; vol. 3, 5.8.1 (far jumps). */
#include "host/base/osdep.h"
#include "softmmu/physmem.h"
#include "target-x86/cpuid.h"
#include "target-x86/decode.h"
#include "tests/lib/x86-native.h"
#include <sys/mman.h>

enum {
    PAGE = 0x0f000000,
    SLOTS = X86N_DATA + X86N_DATA_SIZE - 64, SLOT_ENTRY = SLOTS, SLOT_SP = SLOTS + 8, SLOT_TO32 = SLOTS + 16, SLOT_TO64 = SLOTS + 24,
    STACK = X86N_DATA + 0x3000,
};

typedef struct Code { uint8_t b[512]; unsigned n; } Code;
static void add(Code *c, unsigned b) { c->b[c->n++] = b; }
static void add_n(Code *c, uint64_t v, unsigned n)
{
    while (n--) {
        add(c, v & 0xff);
        v >>= 8;
    }
}

static GRand *rnd;
static uint8_t *page;
static unsigned below(unsigned n) { return g_rand_int_range(rnd, 0, n); }

static uint32_t special(void)
{
    static const uint32_t v[] = { 0, 1, 0x7f, 0x80, 0xff, 0x99, 0x9a, 0x0f, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff };
    uint32_t r = g_rand_int(rnd);
    switch (below(4)) {
    case 0: return v[below(G_N_ELEMENTS(v))];
    case 1: return r >> below(32);
    default: return r;
    }
}

/* The whole page: entry and exit in 64-bit code, the snippet between them. */
static Code build_page(const Code *snippet, unsigned *to32, unsigned *to64)
{
    Code c = { .n = 0 };

    add_n(&c, 0x25248948, 4); /* mov [SLOT_SP], rsp */
    add_n(&c, SLOT_SP, 4);
    add(&c, 0xbc); /* mov esp, STACK */
    add_n(&c, STACK, 4);
    add_n(&c, 0x252cff, 3); /* jmp far [SLOT_TO32] */
    add_n(&c, SLOT_TO32, 4);
    *to32 = PAGE + c.n;
    for (unsigned i = 0; i < snippet->n; i++)
        add(&c, snippet->b[i]);
    add_n(&c, 0x2dff, 2); /* jmp far [SLOT_TO64] */
    add_n(&c, SLOT_TO64, 4);
    *to64 = PAGE + c.n;
    add_n(&c, 0x25248b48, 4); /* mov rsp, [SLOT_SP] */
    add_n(&c, SLOT_SP, 4);
    add(&c, 0xc3);
    return c;
}

static void set_slots(X86NState *st, unsigned to32, unsigned cs32, unsigned to64, unsigned cs64)
{
    uint8_t *p = st->data + (SLOTS - X86N_DATA);

    memset(p, 0, 64);
    memcpy(p, &(uint64_t){ PAGE }, 8);
    memcpy(p + 16, &(uint64_t){ to32 | (uint64_t)cs32 << 32 }, 8);
    memcpy(p + 24, &(uint64_t){ to64 | (uint64_t)cs64 << 32 }, 8);
}

static void run(const X86NState *start, const Code *snippet, uint32_t flag_mask, const char *name)
{
    static X86NState n, v;
    unsigned to32, to64;
    Code whole = build_page(snippet, &to32, &to64), call = { .n = 0 };
    GString *why = g_string_new(NULL);

    add_n(&call, 0x2514ff, 3); /* call [SLOT_ENTRY] */
    add_n(&call, SLOT_ENTRY, 4);
    n = v = *start;
    set_slots(&n, to32, 0x23, to64, 0x33);
    set_slots(&v, to32, 0x18, to64, 0x08);
    memcpy(page, whole.b, whole.n);
    physmem_write(&address_space_memory, PAGE, whole.b, whole.n);
    x86n_native(&n, call.b, call.n);
    x86n_vireo(&v, call.b, call.n);
    if (n.vector != v.vector)
        g_string_append_printf(why, "  vector: host %d, vireo %d\n", n.vector, v.vector);
    for (int i = 0; i < 8; i++)
        if (i != R_ESP && (uint32_t)n.gpr[i] != (uint32_t)v.gpr[i])
            g_string_append_printf(why, "  gpr%d: start %08x host %08x vireo %08x\n", i, (unsigned)start->gpr[i], (unsigned)n.gpr[i],
                                   (unsigned)v.gpr[i]);
    if ((n.rflags ^ v.rflags) & flag_mask)
        g_string_append_printf(why, "  flags: start %03x host %03x vireo %03x, compared %03x\n", (unsigned)start->rflags & 0xcd5,
                               (unsigned)n.rflags & 0xcd5, (unsigned)v.rflags & 0xcd5, flag_mask);
    for (int i = 0; i < SLOTS - X86N_DATA; i++)
        if (n.data[i] != v.data[i]) {
            g_string_append_printf(why, "  data[%x]: start %02x host %02x vireo %02x\n", i, start->data[i], n.data[i], v.data[i]);
            break;
        }
    if (why->len) {
        GString *hex = g_string_new(NULL);
        for (unsigned i = 0; i < snippet->n; i++)
            g_string_append_printf(hex, "%02x ", snippet->b[i]);
        g_test_message("%s: %s\n%s", name, hex->str, why->str);
        g_test_fail();
        g_string_free(hex, TRUE);
    }
    g_string_free(why, TRUE);
}

/* --- rows --- */

static bool is(const OpcodeRow *row, const char *name) { return !strcmp(row->name, name); }

static bool row_is_tested(const OpcodeRow *row)
{
    static const char *const also[] = { "ENTER", "LEAVE", "LOOP", "LOOPE", "LOOPNE", "JCXZ", "XLAT" };
    static const char *const not[] = { "DIV", "IDIV", "ARPL", "BSWAP", "LAHF" };

    if (row->attr & (ROW_ONLY64 | ROW_CPL0))
        return false;
    for (unsigned i = 0; i < G_N_ELEMENTS(not); i++)
        if (is(row, not[i]))
            return false;
    if (row->feature >= 0 && !(cpu_has(x86n_env(), row->feature) && cpuid_feature_supported(row->feature)))
        return false;
    for (unsigned i = 0; i < G_N_ELEMENTS(also); i++)
        if (is(row, also[i]))
            return true;
    return !(row->attr & ROW_ENDS);
}

typedef struct Form {
    Insn insn;
    unsigned imm8;
    bool mem;
} Form;

static unsigned pick_reg(void)
{
    unsigned r = below(7);
    return r == R_ESP ? R_EDI : r;
}

static void encode(Code *c, const OpcodeRow *row, Form *f, X86NState *st)
{
    static const uint8_t pp_byte[] = { [ROW_P66] = 0x66, [ROW_PF3] = 0xf3, [ROW_PF2] = 0xf2 };
    bool p66 = (row->pp == ROW_ANY || row->pp == ROW_NR) && below(3) == 0 && !(row->attr & ROW_F64);
    bool has_rm = op_kind_is_modrm_rm(row->op[0]) || op_kind_is_modrm_rm(row->op[1]);
    unsigned reg = row->reg >= 0 ? (unsigned)row->reg : pick_reg(), base = R_EBX, op = row->opcode;

    bool bit_string = row->name[0] == 'B' && row->name[1] == 'T' && row->op[1] == O_Gv;
    if (bit_string) /* the offset register is not the base */
        reg = R_ESI;
    f->insn = (Insn){ .osize = p66 ? MO_16 : MO_32, .mod = 3 };
    f->mem = has_rm && (row->mod == ROW_MM || (row->mod == ROW_AM && below(2)));
    if (f->mem && (row->attr & ROW_LOCK) && below(4) == 0)
        add(c, 0xf0);
    if (p66)
        add(c, 0x66);
    bool vex = row->map >= MAP_VEX_0F38;
    if (vex) { /* W is ignored here, and so is the highest bit of vvvv */
        static const uint8_t pp[] = { [ROW_P66] = 1, [ROW_PF3] = 2, [ROW_PF2] = 3 };
        bool by = row->op[0] == O_By || row->op[1] == O_By || row->op[2] == O_By;
        add(c, 0xc4);
        add(c, 0xe0 | (row->map - MAP_VEX_0F38 + MAP_0F38));
        add(c, below(2) << 7 | (by ? ~pick_reg() & 15 : 15) << 3 | pp[row->pp]);
    } else if (row->pp >= ROW_P66) {
        add(c, pp_byte[row->pp]);
    }
    if (row->map != MAP_1 && !vex)
        add(c, 0x0f);
    if (row->map == MAP_0F38)
        add(c, 0x38);
    if (row->count == 8)
        op += pick_reg();
    else if (row->count == 7)
        op += (unsigned[]){ 0, 1, 2, 4, 5, 6 }[below(6)]; /* XCHG, not with ESP; the long NOPs take any */
    else
        op += below(row->count);
    add(c, op);
    if (row->modrm) {
        if (!f->mem) {
            add(c, 0xc0 | reg << 3 | pick_reg());
        } else if (below(2)) { /* [ebx + disp32] */
            add(c, 0x80 | reg << 3 | base);
            add_n(c, 0x1000 + below(0x800) - 0x7000, 4);
            st->gpr[base] = X86N_DATA + 0x7000;
        } else {
            add(c, 0x05 | reg << 3);
            add_n(c, X86N_DATA + 0x1000 + below(0x800), 4);
        }
        if (f->mem && bit_string)
            st->gpr[reg] = (uint32_t)((int)below(0x4000) - 0x2000);
    }
    f->imm8 = g_rand_int(rnd);
    for (int i = 0; i < 3; i++) {
        switch (row->op[i]) {
        case O_Ib: case O_sIb:
            add_n(c, is(row, "ENTER") ? below(4) : is(row, "AAM") ? 1 + below(255) : f->imm8, 1);
            break;
        case O_Iw: add_n(c, below(256), 2); break;
        case O_Iz: add_n(c, special(), f->insn.osize == MO_16 ? 2 : 4); break;
        case O_Iv: add_n(c, special(), 1 << f->insn.osize); break;
        case O_Jb: /* over an inc edx */
            add(c, 1);
            add(c, 0x42);
            break;
        default: break;
        }
    }
}

static uint32_t defined_flags(const OpcodeRow *row, const Form *f, const X86NState *st, bool *skip)
{
    static const char *const shifts[] = { "ROL", "ROR", "RCL", "RCR", "SHL", "SHR", "SAR", "SHLD", "SHRD" };
    unsigned bits = 8u << insn_op_size(&f->insn, row->op[0]), count;

    for (unsigned i = 0; i < G_N_ELEMENTS(shifts); i++) {
        if (!is(row, shifts[i]))
            continue;
        OpKind k = row->op[i >= 7 ? 2 : 1];
        count = (k == O_I1 ? 1 : k == O_CL ? st->gpr[R_ECX] : f->imm8) & 31;
        if (i >= 7 && count > bits)
            *skip = true;
        if (count == 0)
            return CC_MASK;
        if (count == 1)
            return CC_MASK & ~(i >= 4 ? CC_A : 0);
        if ((i == 4 || i == 5 || i >= 7) && count >= bits)
            return CC_MASK & ~(row->flags_undefined | CC_C | (i >= 7 ? CC_MASK : 0));
    }
    return CC_MASK & ~row->flags_undefined;
}

static void test_row(gconstpointer p)
{
    const OpcodeRow *row = p;
    static X86NState st;

    for (int n = 0; n < 150 && !g_test_failed(); n++) {
        Code c = { .n = 0 };
        Form f;
        bool skip = false;

        x86n_random(&st, rnd);
        for (int i = 0; i < 16; i++)
            st.gpr[i] = special();
        if (is(row, "ENTER") || is(row, "LEAVE"))
            st.gpr[R_EBP] = STACK + 0x40 + 4 * below(16);
        if (is(row, "XLAT"))
            st.gpr[R_EBX] = X86N_DATA + below(0x1000);
        encode(&c, row, &f, &st);
        uint32_t mask = defined_flags(row, &f, &st, &skip);
        if (!skip)
            run(&st, &c, mask, row->name);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_set_nonfatal_assertions();
    x86n_init();
    /* 64-bit programs have null data segments, which 32-bit code cannot use */
    __asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(0x2b));
    rnd = g_rand_new_with_seed(20240608);
    page = mmap((void *)(uintptr_t)PAGE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    g_assert(page == (void *)(uintptr_t)PAGE);
    for (unsigned i = 0; i < nb_opcode_rows; i++) {
        const OpcodeRow *r = &opcode_rows[i];
        if (!row_is_tested(r))
            continue;
        g_autofree char *path = g_strdup_printf("/target-x86/insn-int32/%s/%u-%02x-%u", r->name, r->map, r->opcode, i);
        g_test_add_data_func(path, r, test_row);
    }
    int ret = g_test_run();
    g_rand_free(rnd);
    return ret;
}
