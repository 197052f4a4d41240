/* ir-dump.c - the op table and the text form of IR, as -d op and -d op_opt print it.
 *
 *  ---- 00007c00 00000012               a guest instruction: eip, front-end word
 *  add_i32 eax,eax,ebx                  name_type outputs,inputs,constants
 *  brcond_i64 tmp1,tmp2,eq,$L1          conditions and labels by name
 *  guest_ld_i64 tmp3,rsp,$0x8,leq,0     MemOp (zero-extending le, signed sle; b w l q o y), then the MMU mode
 *  call helper_x,$flags,$nouts,out,in...
 *
 * Temps: globals by their names, tmpN (to the end of the basic block), locN (whole TB), $0x... constants. */
#include "tcg/tcg.h"

const TcgOpInfo tcg_op_info[TCG_OP_COUNT] = {
#define COMMUTES TCG_OPF_COMMUTES
#define ENDS_BB TCG_OPF_ENDS_BB
#define SIDE TCG_OPF_SIDE
#define FAULT TCG_OPF_FAULT
#define EXITS TCG_OPF_EXITS
#define VEC TCG_OPF_VEC
#define OPC(name, outs, ins, consts, flags, meaning)                                                                   \
    [TCG_OP_##name] = { #name, outs, ins, consts, flags, TCG_OP_KIND(TCG_OP_##name, outs, ins, flags) },
#include "tcg/opc.def"
#undef OPC
#undef COMMUTES
#undef ENDS_BB
#undef SIDE
#undef FAULT
#undef EXITS
#undef VEC
};

/* Every op's arguments fit; life has 8 bits for arguments that die. */
#define OPC(name, outs, ins, consts, flags, meaning) _Static_assert((outs) + (ins) + (consts) <= TCG_MAX_ARGS, #name);
#include "tcg/opc.def"
#undef OPC

static const char *const cond_name[] = { "eq", "ne", "lt", "ge", "le", "gt", "ltu", "geu", "leu", "gtu", "tsteq", "tstne" };
static const char *const type_name[] = { "i32", "i64", "v128", "v256" };

bool tcg_arg_is_vec(const TcgOp *op, unsigned n)
{
    SimdEnc enc;

    switch (op->opc) {
    case TCG_OP_guest_ldv: case TCG_OP_guest_stv: case TCG_OP_ldv: case TCG_OP_stv:
        return n == 0; /* the address is general */
    case TCG_OP_movv:
        return true;
    case TCG_OP_simd:
        enc = op->arg[4];
        return n == 0 ? !(enc & SIMD_DST_GPR) : n == 1 ? !(enc & SIMD_VVVV_GPR) : n == 2 ? !(enc & SIMD_SRC_GPR) : true;
    case TCG_OP_simd_flags:
        return n != 0;
    default:
        return false;
    }
}

static void dump_temp(const TcgContext *s, GString *out, uint64_t i)
{
    if (i >= s->nb_temps) {
        g_string_append(out, i == TCG_NO_TEMP ? "_" : "?");
        return;
    }
    const TcgTemp *t = &s->temps[i];
    switch (t->kind) {
    case TCG_TEMP_GLOBAL: case TCG_TEMP_ENV:
        g_string_append(out, t->name);
        break;
    case TCG_TEMP_CONST:
        g_string_append_printf(out, "$0x%" PRIx64, t->value);
        break;
    case TCG_TEMP_LOCAL: case TCG_TEMP_EBB:
        g_string_append_printf(out, "%s%u", t->kind == TCG_TEMP_LOCAL ? "loc" : "tmp",
                               (unsigned)(i - s->nb_globals - 1));
        break;
    }
}

static void dump_memop(GString *out, MemOpIdx oi)
{
    static const char size_letter[] = "bwlqoy??";
    MemOp op = memopidx_op(oi);

    g_string_append_printf(out, "%s%s%c%s%s,%u", op & MO_SIGN ? "s" : "", op & MO_SIZE ? "le" : "",
                           size_letter[op & MO_SIZE], op & MO_SIGN32 ? "32" : "",
                           op & MO_ALIGN_AC ? "+ac" : op & MO_ALIGN_GP ? "+gp" : "", memopidx_mmu(oi));
}

static void dump_const(GString *out, const TcgOp *op, unsigned k, uint64_t c)
{
    static const char *const rmw_name[16] = { "add", "sub", "and", "or", "xor", "xchg", "neg", "not", "andc" };

    switch (op->opc) {
    case TCG_OP_set_label: case TCG_OP_br:
        g_string_append_printf(out, "$L%" PRIu64, c);
        return;
    case TCG_OP_brcond: case TCG_OP_setcond: case TCG_OP_movcond: case TCG_OP_side_exit:
        if (k == 0 && c < ARRAY_SIZE(cond_name)) {
            g_string_append(out, cond_name[c]);
            return;
        }
        if (k == 1 && op->opc != TCG_OP_side_exit) {
            g_string_append_printf(out, "$L%" PRIu64, c);
            return;
        }
        break;
    case TCG_OP_guest_ld: case TCG_OP_guest_st: case TCG_OP_guest_ldv: case TCG_OP_guest_stv:
    case TCG_OP_guest_rmw: case TCG_OP_guest_cmpxchg:
        if (k == 1) {
            dump_memop(out, c);
            return;
        }
        if (k == 2) {
            const char *n = op->opc == TCG_OP_guest_rmw ? rmw_name[c & RMW_OP] : "";
            g_string_append_printf(out, "%s%s", n ? n : "?", c & RMW_LOCK ? "+lock" : "");
            return;
        }
        break;
    default:
        break;
    }
    g_string_append_printf(out, "$0x%" PRIx64, c);
}

static void dump_call(const TcgContext *s, GString *out, const TcgOp *op)
{
    const TcgHelperInfo *h = (const TcgHelperInfo *)(uintptr_t)op->arg[7];
    unsigned nouts = op->arg[0] != TCG_NO_TEMP;

    g_string_append_printf(out, " call %s,$0x%x,$%u", h->name, h->flags, nouts);
    for (unsigned i = 0; i < 7; i++) {
        if (op->arg[i] != TCG_NO_TEMP) {
            g_string_append_c(out, ',');
            dump_temp(s, out, op->arg[i]);
        }
    }
}

static void dump_op(const TcgContext *s, GString *out, const TcgOp *op)
{
    const TcgOpInfo *info = &tcg_op_info[op->opc];
    unsigned n = info->outs + info->ins;
    const char *sep = " ";

    if (op->opc == TCG_OP_insn_start) {
        g_string_append_printf(out, "\n ---- %08" PRIx64 " %08" PRIx64, op->arg[0], op->arg[1]);
        return;
    }
    if (op->opc == TCG_OP_call) {
        dump_call(s, out, op);
        return;
    }
    g_string_append_printf(out, " %s", info->name);
    /* ops that only steer have no type worth reading */
    if (n && op->opc != TCG_OP_discard && op->opc != TCG_OP_goto_ptr)
        g_string_append_printf(out, "_%s", type_name[op->type & 3]);
    for (unsigned i = 0; i < n; i++, sep = ",") {
        g_string_append(out, sep);
        dump_temp(s, out, op->arg[i]);
    }
    for (unsigned k = 0; k < info->consts; k++, sep = ",") {
        g_string_append(out, sep);
        dump_const(out, op, k, op->arg[n + k]);
    }
}

void tcg_dump_ops(const TcgContext *s, GString *out)
{
    for (unsigned i = 0; i < s->nb_ops; i++) {
        if (s->ops[i].opc == TCG_OP_nop) /* what a pass removed */
            continue;
        dump_op(s, out, &s->ops[i]);
        g_string_append_c(out, '\n');
    }
}

void tcg_dump_opc_table(GString *out)
{
    static const struct {
        const char *name, *flags, *meaning;
    } text[] = {
#define OPC(name, outs, ins, consts, flags, meaning) { #name, #flags, meaning },
#include "tcg/opc.def"
#undef OPC
    };

    g_string_append(out, "| op | outputs | inputs | constants | flags | meaning |\n|---|---|---|---|---|---|\n");
    for (unsigned i = 0; i < TCG_OP_COUNT; i++) {
        const TcgOpInfo *info = &tcg_op_info[i];
        g_string_append_printf(out, "| `%s` | %u | %u | %u | ", text[i].name, info->outs, info->ins, info->consts);
        for (const char *p = strcmp(text[i].flags, "0") ? text[i].flags : ""; *p; p++) {
            if (*p == '|')
                g_string_append_c(out, ','); /* a bar would end the table's cell */
            else if (*p != ' ' || p[1] != '|')
                g_string_append_c(out, *p);
        }
        g_string_append(out, " | ");
        for (const char *p = text[i].meaning; *p; p++) {
            if (*p == '|')
                g_string_append(out, "\\|");
            else
                g_string_append_c(out, *p);
        }
        g_string_append(out, " |\n");
    }
}
