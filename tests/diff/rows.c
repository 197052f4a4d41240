/* rows.c - the rows of opcodes.def, simd.def and vex.def and the x87 encodings as one numbered list: names, families,
 * and why some are not compared. Spec: Intel SDM vol. 2, appendix A. */
#include "host/base/osdep.h"
#include "tests/diff/diff.h"
#include "target-x86/cpuid.h"

const char *const diff_family_name[FAM_COUNT] = {"int", "string", "flow", "sys", "sse", "fp", "mmx", "x87", "vex", "seg"};

static const struct { const char *name, *why; } skipped[] = {
    {"SYSCALL", "enters the host's kernel"}, {"SYSENTER", "enters the host's kernel"},
    {"SGDT", "UMIP: the host's kernel emulates it"}, {"SIDT", "UMIP: the host's kernel emulates it"},
    {"SMSW", "UMIP: the host's kernel emulates it"}, {"SLDT", "UMIP: the host's kernel emulates it"},
    {"STR", "UMIP: the host's kernel emulates it"}, {"INT1", "hypervisors differ in the address"},
};


static const char *const string_names[] = {"MOVS", "CMPS", "STOS", "LODS", "SCAS"};
static const char *const flow_names[] = {"JCC", "LOOPNE", "LOOPE", "LOOP", "JCXZ", "CALL", "JMP", "CALL_IND", "JMP_IND", "RET",
                                         "PUSH", "POP", "PUSHF", "POPF", "ENTER", "LEAVE", "PUSH_SEG", "CMOV", "SETCC", "INT3",
                                         "INT", "INT1", "INTO", "BOUND", "PUSHA", "POPA"};
static const char *const seg_names[] = {"MOV_TO_SEG", "MOV_FROM_SEG", "PUSH_SEG", "POP_SEG", "LES", "LDS", "LSS", "LFS", "LGS", "LAR", "LSL",
                                        "VERR", "VERW", "ARPL", "RETF", "IRET", "CALLF", "JMPF", "CALLF_IND", "JMPF_IND"};

static bool in_list(const char *name, const char *const *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (!strcmp(name, list[i]))
            return true;
    return false;
}

/* What makes and takes carries, and what stands between such instructions. */
static const char *const carry_names[] = { "ADD", "ADC", "SUB", "SBB", "CMP", "INC", "DEC", "ADCX", "ADOX", "MULX", "NEG", "XOR", "SETCC",
                                           "CMOV", "LAHF", "CLC", "STC", "CMC", "SALC", "LEA", "RORX" };

bool row_is_string(const char *name) { return in_list(name, string_names, G_N_ELEMENTS(string_names)); }
bool row_is_seg(const char *name) { return in_list(name, seg_names, G_N_ELEMENTS(seg_names)); }

unsigned gen_simd_rows(void) { return SIMD_AT; }
unsigned gen_row_count(void) { return VEX_AT + vex_row_count; }

static int8_t *row_family;
static const char **row_reason;
static unsigned *family_rows[2][FAM_COUNT], family_n[2][FAM_COUNT]; /* [1]: 64-bit mode */
static unsigned *carry_rows[2], carry_n[2];
const unsigned *gen_carry_rows(bool mode64, unsigned *n)
{
    *n = carry_n[mode64];
    return carry_rows[mode64];
}

const unsigned *gen_family(bool mode64, int family, unsigned *n)
{
    *n = family_n[mode64][family];
    return family_rows[mode64][family];
}

char *gen_row_name(unsigned row)
{
    static const char *const pp[] = {"", "np ", "nr ", "66 ", "f3 ", "f2 "}, *const map[NB_MAPS] = {"", "0f ", "0f38 ", "0f3a ", "vex 0f38 ", "vex 0f3a "};
    if (row < SIMD_AT) {
        const OpcodeRow *r = &opcode_rows[row];
        char *g = r->reg >= 0 ? g_strdup_printf("/%d", r->reg) : g_strdup("");
        char *s = g_strdup_printf("%s%s%02x%s %s", pp[r->pp], map[r->map], r->opcode, g, r->name);
        g_free(g);
        return s;
    }
    if (row >= X87_AT && row < VEX_AT) {
        unsigned n = row - X87_AT;
        return n < 64 ? g_strdup_printf("x87 %02x /%u mem", 0xd8 + n / 8, n % 8)
                      : g_strdup_printf("x87 %02x %02x", 0xd8 + (n - 64) / 64, 0xc0 + (n - 64) % 64);
    }
    const SimdRow *r = row >= VEX_AT ? &vex_rows[row - VEX_AT] : &simd_rows[row - SIMD_AT];
    return g_strdup_printf("%s%s%02x %s", row >= VEX_AT ? "vex " : "", map[r->map], r->opcode, r->name);
}
int gen_row_family(unsigned row) { return row_family[row]; }
const char *gen_row_reason(unsigned row) { return row_reason[row]; }

static void classify(unsigned row)
{
    int fam = -1;
    const char *why = NULL;

    if (row < SIMD_AT) {
        const OpcodeRow *r = &opcode_rows[row];
        for (unsigned i = 0; i < G_N_ELEMENTS(skipped); i++)
            if (!strcmp(r->name, skipped[i].name))
                why = skipped[i].why;
        if (!strcmp(r->name, "X87") && r->opcode != 0x9b)
            why = "see the x87 rows";
        else if (r->feature >= 0 && r->feature != X86F_MONITOR /* #UD in ring 3, with and without */ && !(cpu_has(guest_env(), r->feature) && cpuid_feature_supported(r->feature)))
            why = "feature not offered";
        fam = why ? -1 : in_list(r->name, seg_names, G_N_ELEMENTS(seg_names)) ? FAM_SEG : r->opcode == 0x9b && r->map == MAP_1 ? FAM_X87 : in_list(r->name, string_names, G_N_ELEMENTS(string_names)) ? FAM_STRING
            : in_list(r->name, flow_names, G_N_ELEMENTS(flow_names)) ? FAM_FLOW
            : (r->attr & ROW_CPL0) || (r->attr & ROW_ENDS && r->op[0] == O___) || !strcmp(r->name, "IN") || !strcmp(r->name, "OUT") ||
              !strcmp(r->name, "INS") || !strcmp(r->name, "OUTS") || !strcmp(r->name, "UD") ? FAM_SYS : FAM_INT;
        if (!why && !strcmp(r->name, "XLAT"))
            fam = FAM_INT;
    } else if (row >= X87_AT && row < VEX_AT) {
        fam = FAM_X87; /* also those that are not defined */
    } else {
        const SimdRow *r = row < X87_AT ? &simd_rows[row - SIMD_AT] : NULL;
        if (!r)
            r = &vex_rows[row - VEX_AT];
        if (!simd_guest_has(guest_env(), r->feature) || !simd_host_has(r->feature))
            why = "feature not offered";
        fam = why ? -1 : row >= VEX_AT ? FAM_VEX : simd_opnd_is_mmx(r->dst) || simd_opnd_is_mmx(r->src) || r->kind == SK_EMMS ? FAM_MMX
            : r->flags & SROW_FP ? FAM_FP : FAM_SSE;
    }
    row_family[row] = fam;
    row_reason[row] = why;
    unsigned attr = row < SIMD_AT ? opcode_rows[row].attr : 0;
    for (int m = 0; m < 2 && fam >= 0; m++)
        if (!(attr & (m ? ROW_NO64 : ROW_ONLY64))) {
            family_rows[m][fam] = g_renew(unsigned, family_rows[m][fam], family_n[m][fam] + 1);
            family_rows[m][fam][family_n[m][fam]++] = row;
            if (row < SIMD_AT && in_list(opcode_rows[row].name, carry_names, G_N_ELEMENTS(carry_names))) {
                carry_rows[m] = g_renew(unsigned, carry_rows[m], carry_n[m] + 1);
                carry_rows[m][carry_n[m]++] = row;
            }
        }
}

void gen_init(void)
{
    row_family = g_new(int8_t, gen_row_count());
    row_reason = g_new0(const char *, gen_row_count());
    for (unsigned i = 0; i < gen_row_count(); i++)
        classify(i);
}
