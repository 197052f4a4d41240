/* disas.c - guest and host code as text for -d in_asm, -d out_asm and the monitor's x/i; by capstone, AT&T
 * syntax. Lines are "0xADDR:  BYTES  TEXT", the address with at least 8 digits; instructions longer
 * than 8 bytes go on in a second line. What capstone cannot decode is one ".byte 0x..". */
#include "tcg/tcg.h"
#include <capstone/capstone.h>

enum { BYTES_PER_LINE = 8, MAX_INSN = 15 };

static bool (*name_of)(const void *fn, const char **name);

void disas_set_names(bool (*fn)(const void *fn, const char **name)) { name_of = fn; }

/* "movabsq $0x55d5db712e40, %rax" before a call: whose address is that? */
static const char *callee_name(const cs_insn *insn)
{
    const char *name;

    if (!name_of || insn->op_str[0] != '$' || strcmp(insn->mnemonic, "movabsq"))
        return NULL;
    return name_of((const void *)(uintptr_t)strtoull(insn->op_str + 1, NULL, 0), &name) ? name : NULL;
}

static void put_line(GString *out, uint64_t pc, const uint8_t *bytes, unsigned n, const char *mnemonic, const char *ops,
                     const char *comment)
{
    unsigned column = 0, i;

    g_string_append_printf(out, "0x%08" PRIx64 ":  ", pc);
    for (i = 0; i < n && i < BYTES_PER_LINE; i++, column += 3)
        g_string_append_printf(out, "%02x ", bytes[i]);
    g_string_append_printf(out, "%*s%s", (int)(BYTES_PER_LINE * 3 + 1 - column), "", mnemonic);
    if (*ops)
        g_string_append_printf(out, "%*s%s", (int)MAX(1, 9 - (int)strlen(mnemonic)), "", ops);
    if (comment)
        g_string_append_printf(out, "  # %s", comment);
    g_string_append_c(out, '\n');
    while (i < n) {
        g_string_append_printf(out, "0x%08" PRIx64 ": ", pc + i);
        for (unsigned k = 0; k < BYTES_PER_LINE && i < n; k++, i++)
            g_string_append_printf(out, " %02x", bytes[i]);
        g_string_append_c(out, '\n');
    }
}

static void disas(GString *out, const uint8_t *code, size_t len, uint64_t pc, unsigned mode_bits, unsigned max_insns,
                  bool host)
{
    cs_mode mode = mode_bits == 16 ? CS_MODE_16 : mode_bits == 32 ? CS_MODE_32 : CS_MODE_64;
    csh h;
    cs_insn *insn;

    if (cs_open(CS_ARCH_X86, mode, &h) != CS_ERR_OK) {
        g_string_append(out, "(no disassembler)\n");
        return;
    }
    cs_option(h, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
    insn = cs_malloc(h);
    for (unsigned n = 0; len && n < max_insns; n++) {
        const uint8_t *start = code;
        uint64_t at = pc;
        size_t step;

        /* cs_disasm_iter moves code, len and pc only when it succeeds. */
        if (insn && cs_disasm_iter(h, &code, &len, &pc, insn)) {
            put_line(out, at, start, insn->size, insn->mnemonic, insn->op_str, host ? callee_name(insn) : NULL);
            step = insn->size;
        } else {
            char text[8];
            snprintf(text, sizeof text, "0x%02x", *start);
            put_line(out, at, start, 1, ".byte", text, NULL);
            step = 1;
        }
        len -= start + step - code;
        code = start + step;
        pc = at + step;
    }
    if (insn)
        cs_free(insn, 1);
    cs_close(&h);
}

void disas_guest(GString *out, const uint8_t *code, size_t len, uint64_t pc, unsigned mode_bits, unsigned max_insns)
{
    disas(out, code, len, pc, mode_bits, max_insns, false);
}

void disas_host(GString *out, const uint8_t *code, size_t len, uint64_t pc)
{
    disas(out, code, len, pc, 64, UINT_MAX, true);
}

unsigned disas_count_host(const uint8_t *code, size_t len)
{
    static csh h;
    static cs_insn *insn;
    uint64_t pc = 0;
    unsigned n = 0;

    if (!h && cs_open(CS_ARCH_X86, CS_MODE_64, &h) != CS_ERR_OK)
        return 0;
    if (!insn)
        insn = cs_malloc(h);
    while (len && cs_disasm_iter(h, &code, &len, &pc, insn))
        n += insn->id != X86_INS_NOP;
    return n;
}
