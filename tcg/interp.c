/* interp.c - the reference interpreter: runs a TB's IR on env, op by op. It is the oracle for the
 * optimiser and the back end, so it does the plain thing everywhere:
 *
 *  - Globals live in env and nowhere else; an op on a global reads or writes memory.
 *  - Guest accesses always take the guest's slow paths, with return address 0. There is no fault
 *    recovery: a slow path or helper that raises must longjmp to a setjmp of the caller's, and cannot find
 *    the guest pc from its return address.
 *  - Vector instructions are executed by the host itself: one small stub per (encoding, immediate),
 *    assembled on first use, with operands in fixed registers (VecStub below).
 *  - Exits answer what the epilogue would; goto_tb, goto_far and goto_ptr always leave. goto_ptr and goto_far do not poll.
 *
 * Endless loops inside a TB are the caller's affair. Reading a temp that was never written gives 0. */
#include "tcg/tcg.h"
#include "host/base/bitops.h"
#include "host/base/mem.h"

typedef struct VecVal { uint8_t b[32]; } VecVal;

/* ---- vector stubs ---- */

/* What a stub works on: register 1 is destination (and its old value a, or vvvv a), 2 source b, 0 the implicit
 * mask c or third source; rax and rcx stand for 1 and 2 where the encoding makes them general. */
typedef struct VecOperands {
    uint8_t xmm1[32], xmm2[32], xmm0[32];
    uint64_t rax, rcx;
} VecOperands;
typedef void VecStub(VecOperands *);

enum { STUB_BYTES = 96, STUB_MEM = 1 * MiB };

static struct {
    GMutex lock;
    GHashTable *stubs; /* enc | imm << 48 | flags-form << 56 -> stub (rx) */
    uint8_t *rw, *rx;
    size_t used;
} vec;

static uint8_t *put(uint8_t *p, const void *bytes, size_t n) { return (uint8_t *)memcpy(p, bytes, n) + n; }

/* The instruction itself, as the back end encodes it: [66|F3|F2] [REX.W] map opcode modrm [imm8]. */
static uint8_t *put_insn(uint8_t *p, SimdEnc enc, uint8_t imm)
{
    static const uint8_t prefix[] = { 0, 0x66, 0xf3, 0xf2 };
    unsigned dst = enc & SIMD_DST_GPR ? 0 : 1, src = enc & SIMD_SRC_GPR ? 1 : 2, reg, rm;

    if (enc & SIMD_VEX) {
        static const uint8_t pp[] = { 0, 1, 2, 3 };
        unsigned a = enc & SIMD_VVVV_GPR ? 0 : 1;
        unsigned vvvv = enc & SIMD_VVVV_C ? 0 : enc & SIMD_VVVV ? a : enc & SIMD_GROUP ? dst : 0;
        *p++ = 0xc4;
        *p++ = 0xe0 | (((enc & SIMD_MAP) >> 10) + 1);
        *p++ = (enc & SIMD_W ? 0x80 : 0) | (~vvvv & 15) << 3 | (enc & SIMD_L256 ? 4 : 0) | pp[(enc & SIMD_PP) >> 8];
        *p++ = enc & 0xff;
        if (enc & SIMD_GROUP)
            reg = enc >> SIMD_EXT_SHIFT & 7, rm = src;
        else if (enc & SIMD_RM_DST)
            reg = src, rm = dst;
        else
            reg = dst, rm = src;
        *p++ = 0xc0 | reg << 3 | rm;
        if (enc & SIMD_IMM8)
            *p++ = enc & SIMD_IS4 ? imm & 15 : imm; /* is4: register 0 */
        return p;
    }
    if (enc & SIMD_PP)
        *p++ = prefix[(enc & SIMD_PP) >> 8];
    if (enc & SIMD_W)
        *p++ = 0x48;
    *p++ = 0x0f;
    if ((enc & SIMD_MAP) == SIMD_MAP_0F38)
        *p++ = 0x38;
    else if ((enc & SIMD_MAP) == SIMD_MAP_0F3A)
        *p++ = 0x3a;
    *p++ = enc & 0xff;
    if (enc & SIMD_GROUP)
        reg = enc >> SIMD_EXT_SHIFT & 7, rm = dst;
    else if (enc & SIMD_RM_DST)
        reg = src, rm = dst;
    else
        reg = dst, rm = src;
    *p++ = 0xc0 | reg << 3 | rm;
    if (enc & SIMD_IMM8)
        *p++ = imm;
    return p;
}

static VecStub *vec_stub(SimdEnc enc, uint8_t imm, bool flags)
{
    static const uint8_t load[] = {
        0x0f, 0x10, 0x0f,       /* movups (%rdi),%xmm1 */
        0x0f, 0x10, 0x57, 0x20, /* movups 32(%rdi),%xmm2 */
        0x0f, 0x10, 0x47, 0x40, /* movups 64(%rdi),%xmm0 */
        0x48, 0x8b, 0x47, 0x60, /* mov 96(%rdi),%rax */
        0x48, 0x8b, 0x4f, 0x68, /* mov 104(%rdi),%rcx */
    };
    static const uint8_t load_vex[] = {
        0xc5, 0xfc, 0x10, 0x0f,       /* vmovups (%rdi),%ymm1 */
        0xc5, 0xfc, 0x10, 0x57, 0x20, /* vmovups 32(%rdi),%ymm2 */
        0xc5, 0xfc, 0x10, 0x47, 0x40, /* vmovups 64(%rdi),%ymm0 */
        0x48, 0x8b, 0x47, 0x60, 0x48, 0x8b, 0x4f, 0x68,
    };
    static const uint8_t store_vex[] = {
        0xc5, 0xfc, 0x11, 0x0f,       /* vmovups %ymm1,(%rdi) */
        0xc5, 0xf8, 0x77,             /* vzeroupper */
        0x48, 0x89, 0x47, 0x60, 0xc3,
    };
    static const uint8_t take_flags[] = { 0x9c, 0x58 }; /* pushf; pop %rax */
    static const uint8_t store[] = {
        0x0f, 0x11, 0x0f,       /* movups %xmm1,(%rdi) */
        0x48, 0x89, 0x47, 0x60, /* mov %rax,96(%rdi) */
        0xc3,                   /* ret */
    };
    uint64_t key = enc | (uint64_t)imm << 48 | (uint64_t)flags << 56;
    bool vex = enc & SIMD_VEX;
    VecStub *stub;

    g_mutex_lock(&vec.lock);
    if (!vec.stubs) {
        void *rw, *rx;
        GError *err = NULL;
        if (!mem_alloc_code(STUB_MEM, &rw, &rx, &err))
            g_error("interpreter: %s", err->message);
        vec.rw = rw;
        vec.rx = rx;
        vec.stubs = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    }
    stub = (VecStub *)g_hash_table_lookup(vec.stubs, &key);
    if (!stub) {
        if (vec.used + STUB_BYTES > STUB_MEM) { /* forget them all; no stub is running under the lock */
            g_hash_table_remove_all(vec.stubs);
            vec.used = 0;
        }
        uint8_t *p = vec.rw + vec.used;
        p = vex ? put(p, load_vex, sizeof load_vex) : put(p, load, sizeof load);
        p = put_insn(p, enc, imm);
        if (flags)
            p = put(p, take_flags, sizeof take_flags);
        if (vex)
            put(p, store_vex, sizeof store_vex);
        else
            put(p, store, sizeof store);
        stub = (VecStub *)(vec.rx + vec.used);
        vec.used += STUB_BYTES;
        g_hash_table_insert(vec.stubs, g_memdup2(&key, sizeof key), (void *)stub);
    }
    g_mutex_unlock(&vec.lock);
    return stub;
}

/* Runs under the guest's MXCSR and leaves the sticky flags there, as the TB's prologue and epilogue do. */
static void vec_run(TcgEnvHead *head, SimdEnc enc, uint8_t imm, bool flags, VecOperands *o)
{
    VecStub *stub = vec_stub(enc, imm, flags);
    uint32_t host = __builtin_ia32_stmxcsr();

    __builtin_ia32_ldmxcsr(head->mxcsr_run);
    stub(o);
    head->mxcsr_run = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(host);
}

/* ---- temps ---- */

typedef struct Interp {
    const TcgContext *s;
    uint8_t *env;
    uint64_t val[TCG_MAX_TEMPS];
    VecVal vecval[TCG_MAX_TEMPS];
    int32_t label[TCG_MAX_LABELS];
} Interp;

static uint64_t get(const Interp *in, uint64_t i)
{
    const TcgTemp *t = &in->s->temps[i];

    switch (t->kind) {
    case TCG_TEMP_GLOBAL: return ldl64(in->env + t->env_offset);
    case TCG_TEMP_CONST: return t->value;
    case TCG_TEMP_ENV: return (uintptr_t)in->env;
    default: return in->val[i];
    }
}

static void set(Interp *in, uint64_t i, uint64_t v)
{
    const TcgTemp *t = &in->s->temps[i];

    if (t->kind == TCG_TEMP_GLOBAL)
        stl64(in->env + t->env_offset, v);
    else
        in->val[i] = v;
}

static unsigned vec_bytes(TcgType t) { return t == TCG_V256 ? 32 : 16; }

static VecVal getv(const Interp *in, uint64_t i)
{
    const TcgTemp *t = &in->s->temps[i];
    VecVal v = { { 0 } };

    if (t->kind == TCG_TEMP_GLOBAL)
        memcpy(&v, in->env + t->env_offset, vec_bytes(t->type));
    else
        v = in->vecval[i];
    return v;
}

/* A V128 op on a V256 temp writes the low half only: that is what legacy encodings do. */
static void setv(Interp *in, uint64_t i, const VecVal *v, TcgType optype)
{
    const TcgTemp *t = &in->s->temps[i];
    unsigned n = MIN(vec_bytes(t->type), vec_bytes(optype));

    memcpy(t->kind == TCG_TEMP_GLOBAL ? in->env + t->env_offset : in->vecval[i].b, v, n);
}

/* ---- ops ---- */

static void run_simd(Interp *in, const TcgOp *op)
{
    SimdEnc enc = op->arg[4];
    VecOperands o = { .rax = 0 };
    VecVal a = { { 0 } }, v;

    if (enc & SIMD_VVVV_GPR)
        o.rax = get(in, op->arg[1]);
    else
        a = getv(in, op->arg[1]);
    memcpy(o.xmm1, a.b, 32);
    if (enc & SIMD_SRC_GPR) {
        o.rcx = get(in, op->arg[2]);
    } else {
        v = getv(in, op->arg[2]);
        memcpy(o.xmm2, v.b, 32);
    }
    if (SIMD_USES_C(enc)) {
        v = getv(in, op->arg[3]);
        memcpy(o.xmm0, v.b, 32);
    }
    vec_run((TcgEnvHead *)in->env, enc, op->arg[5], false, &o);
    if (enc & SIMD_DST_GPR) {
        set(in, op->arg[0], o.rax);
    } else {
        memcpy(a.b, o.xmm1, enc & SIMD_VEX ? 32 : 16);
        setv(in, op->arg[0], &a, op->type);
    }
}

static void run_simd_flags(Interp *in, const TcgOp *op)
{
    VecVal a = getv(in, op->arg[1]), b = getv(in, op->arg[2]);
    VecOperands o = { .rax = 0 };

    memcpy(o.xmm1, a.b, 32);
    memcpy(o.xmm2, b.b, 32);
    vec_run((TcgEnvHead *)in->env, op->arg[3], op->arg[4], true, &o);
    set(in, op->arg[0], o.rax & (BIT(6) | BIT(2) | BIT(0)));
}

static void run_call(Interp *in, const TcgOp *op)
{
    typedef uint64_t Fn(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
    const TcgHelperInfo *h = (const TcgHelperInfo *)(uintptr_t)op->arg[7];
    uint64_t a[6] = { 0 };

    for (unsigned i = 0; i < h->nargs; i++)
        a[i] = get(in, op->arg[1 + i]);
    uint64_t r = ((Fn *)h->fn)(a[0], a[1], a[2], a[3], a[4], a[5]);
    if (op->arg[0] != TCG_NO_TEMP)
        set(in, op->arg[0], h->ret == HARG_I32 ? (uint32_t)r : r);
}

/* The low and high half of a product, quotient and remainder of a double-width dividend. */
static void run_wide(Interp *in, const TcgOp *op)
{
    bool w = op->type != TCG_I32, is_signed = op->opc == TCG_OP_muls2 || op->opc == TCG_OP_divs2;
    uint64_t a = get(in, op->arg[2]), b = get(in, op->arg[3]), lo, hi;

    if (op->opc == TCG_OP_mulu2 || op->opc == TCG_OP_muls2) {
        __int128 p = !is_signed ? (__int128)((unsigned __int128)(w ? a : (uint32_t)a) * (w ? b : (uint32_t)b))
                     : w        ? (__int128)(int64_t)a * (int64_t)b
                                : (__int128)(int32_t)a * (int32_t)b;
        lo = p;
        hi = p >> (w ? 64 : 32);
    } else {
        uint64_t d = get(in, op->arg[4]);
        if (w ? !d : !(uint32_t)d) { /* the front end promised not to; the host would trap */
            g_error("interpreter: division by zero in IR");
        } else if (!is_signed) {
            unsigned __int128 n = w ? (unsigned __int128)b << 64 | a : (unsigned __int128)(b << 32 | (uint32_t)a);
            lo = n / (w ? d : (uint32_t)d);
            hi = n % (w ? d : (uint32_t)d);
        } else {
            __int128 n = w ? (__int128)((unsigned __int128)b << 64 | a) : (__int128)(int64_t)(b << 32 | (uint32_t)a);
            __int128 sd = w ? (__int128)(int64_t)d : (__int128)(int32_t)d;
            lo = n / sd;
            hi = n % sd;
        }
    }
    set(in, op->arg[0], w ? lo : (uint32_t)lo);
    set(in, op->arg[1], w ? hi : (uint32_t)hi);
}

static void run_carry(Interp *in, const TcgOp *op)
{
    bool w = op->type != TCG_I32;
    uint64_t a = get(in, op->arg[2]), b = get(in, op->arg[3]), c = get(in, op->arg[4]) & 1;
    unsigned __int128 r = !w ? (unsigned __int128)(uint32_t)a : a, n = !w ? (unsigned __int128)(uint32_t)b : b;

    r = op->opc == TCG_OP_addc ? r + n + c : r - n - c;
    set(in, op->arg[0], w ? (uint64_t)r : (uint32_t)r);
    set(in, op->arg[1], r >> (w ? 64 : 32) & 1);
}

static void run_host_ld(Interp *in, const TcgOp *op)
{
    const uint8_t *p = (const uint8_t *)(uintptr_t)(get(in, op->arg[1]) + op->arg[2]);
    uint64_t v;

    switch (op->opc) {
    case TCG_OP_ld8u: v = *p; break;
    case TCG_OP_ld8s: v = (int64_t)(int8_t)*p; break;
    case TCG_OP_ld16u: v = ldl16(p); break;
    case TCG_OP_ld16s: v = (int64_t)(int16_t)ldl16(p); break;
    case TCG_OP_ld32u: v = ldl32(p); break;
    case TCG_OP_ld32s: v = (int64_t)(int32_t)ldl32(p); break;
    default: v = ldl64(p); break;
    }
    set(in, op->arg[0], op->type == TCG_I32 ? (uint32_t)v : v);
}

static void run_guest(Interp *in, const TcgOp *op)
{
    const TcgGuest *g = in->s->guest;
    const uint64_t *a = op->arg;
    VecVal v = { { 0 } };

    switch (op->opc) {
    case TCG_OP_guest_ld: set(in, a[0], g->slow_ld(in->env, get(in, a[1]) + a[2], a[3], 0)); break;
    case TCG_OP_guest_st: g->slow_st(in->env, get(in, a[1]) + a[2], get(in, a[0]), a[3], 0); break;
    case TCG_OP_guest_rmw:
        set(in, a[0], g->slow_rmw(in->env, get(in, a[1]) + a[3], get(in, a[2]), a[4], a[5], 0));
        break;
    case TCG_OP_guest_cmpxchg:
        set(in, a[0], g->slow_cmpxchg(in->env, get(in, a[1]) + a[4], get(in, a[2]), get(in, a[3]), a[5], 0));
        break;
    case TCG_OP_guest_ldv:
        g->slow_ldv(in->env, get(in, a[1]) + a[2], &v, a[3], 0);
        setv(in, a[0], &v, op->type);
        break;
    default: /* guest_stv */
        v = getv(in, a[0]);
        g->slow_stv(in->env, get(in, a[1]) + a[2], &v, a[3], 0);
        break;
    }
}

static void run_pure(Interp *in, const TcgOp *op)
{
    const TcgOpInfo *info = &tcg_op_info[op->opc];
    uint64_t v[4] = { 0 }, r;

    for (unsigned i = 0; i < info->ins && i < 4; i++)
        v[i] = get(in, op->arg[info->outs + i]);
    if (!tcg_fold_op(op->opc, op->type, v, &op->arg[info->outs + info->ins], &r))
        g_error("interpreter: cannot run op %s", info->name);
    set(in, op->arg[0], r);
}

/* What a lazy exit leaves for the way out. */
static void run_lazy_exit(Interp *in, const TcgOp *goto_tb)
{
    const TcgLazyExit *z = &in->s->lazy_exit[goto_tb->arg[0] & 1];

    if (z->dead && z->a != TCG_NO_TEMP) {
        uint64_t a = get(in, z->a), b = get(in, z->b);
        set(in, __builtin_ctzll(z->dead), a);
        set(in, __builtin_ctzll(z->dead & (z->dead - 1)), b);
    }
    if (z->dead && z->off)
        stl_n((char *)in->env + z->off, 4, z->value);
}

uint64_t tcg_interpret(TcgContext *s, void *env)
{
    TcgEnvHead *head = env;
    uint64_t eip_base = s->floating ? head->pc_page : 0;
    Interp in = { .s = NULL };
    VecVal v;

    in.s = s;
    in.env = env;
    for (unsigned i = 0; i < s->nb_ops; i++) {
        if (s->ops[i].opc == TCG_OP_set_label)
            in.label[s->ops[i].arg[0]] = i;
    }
    for (unsigned pc = 0; pc < s->nb_ops; pc++) {
        const TcgOp *op = &s->ops[pc];
        const uint64_t *a = op->arg;

        switch (op->opc) {
        case TCG_OP_insn_start:
            s->interp_insn = op;
            break;
        case TCG_OP_nop: case TCG_OP_discard: case TCG_OP_set_label:
            break;
        case TCG_OP_br:
            pc = in.label[a[0]];
            break;
        case TCG_OP_brcond:
            if (tcg_fold_cond(a[2], op->type, get(&in, a[0]), get(&in, a[1])))
                pc = in.label[a[3]];
            break;
        case TCG_OP_mulu2: case TCG_OP_muls2: case TCG_OP_divu2: case TCG_OP_divs2:
            run_wide(&in, op);
            break;
        case TCG_OP_addc: case TCG_OP_subb:
            run_carry(&in, op);
            break;
        case TCG_OP_ld8u: case TCG_OP_ld8s: case TCG_OP_ld16u: case TCG_OP_ld16s: case TCG_OP_ld32u:
        case TCG_OP_ld32s: case TCG_OP_ld64:
            run_host_ld(&in, op);
            break;
        case TCG_OP_st8: stl_n((void *)(uintptr_t)(get(&in, a[1]) + a[2]), 1, get(&in, a[0])); break;
        case TCG_OP_st16: stl_n((void *)(uintptr_t)(get(&in, a[1]) + a[2]), 2, get(&in, a[0])); break;
        case TCG_OP_st32: stl_n((void *)(uintptr_t)(get(&in, a[1]) + a[2]), 4, get(&in, a[0])); break;
        case TCG_OP_st64: stl_n((void *)(uintptr_t)(get(&in, a[1]) + a[2]), 8, get(&in, a[0])); break;
        case TCG_OP_guest_ld: case TCG_OP_guest_st: case TCG_OP_guest_rmw: case TCG_OP_guest_cmpxchg:
        case TCG_OP_guest_ldv: case TCG_OP_guest_stv:
            run_guest(&in, op);
            break;
        case TCG_OP_movv:
            v = getv(&in, a[1]);
            setv(&in, a[0], &v, op->type);
            break;
        case TCG_OP_ldv:
            v = (VecVal){ { 0 } };
            memcpy(&v, (void *)(uintptr_t)(get(&in, a[1]) + a[2]), MIN(a[3], sizeof v));
            setv(&in, a[0], &v, op->type);
            break;
        case TCG_OP_stv:
            v = getv(&in, a[0]);
            memcpy((void *)(uintptr_t)(get(&in, a[1]) + a[2]), &v, MIN(a[3], sizeof v));
            break;
        case TCG_OP_simd: run_simd(&in, op); break;
        case TCG_OP_simd_flags: run_simd_flags(&in, op); break;
        case TCG_OP_vzeroupper:
            for (uint64_t i = 0; i < a[1]; i++)
                memset(in.env + a[0] + 16 + 32 * i, 0, 16);
            break;
        case TCG_OP_call: run_call(&in, op); break;
        case TCG_OP_poll_exit:
            if (__atomic_load_n(&head->exit_request, __ATOMIC_RELAXED)) {
                if (pc + 1 < s->nb_ops && op[1].opc == TCG_OP_goto_tb)
                    run_lazy_exit(&in, op + 1);
                head->eip = eip_base + a[0];
                return s->tb_cookie | TB_EXIT_POLL;
            }
            break;
        case TCG_OP_side_exit: /* not x87's: TcgContext.no_x87 */
            if (!tcg_fold_cond(a[2], op->type, get(&in, a[0]), get(&in, a[1])))
                break;
            if (a[5])
                stl_n((char *)in.env + (a[5] >> 32), 4, (uint32_t)a[5]);
            head->eip = eip_base + a[3];
            return s->tb_cookie | TB_EXIT_LOOKUP;
        case TCG_OP_goto_tb:
            run_lazy_exit(&in, op);
            head->eip = eip_base + a[1];
            return s->tb_cookie | a[0];
        case TCG_OP_goto_far: case TCG_OP_goto_ptr: {
            bool far = op->opc == TCG_OP_goto_far;
            uint64_t eip = (far ? a[1] : get(&in, a[0])) - s->cs_base;
            head->eip = s->eip_is_32 ? (uint32_t)eip : eip;
            return s->tb_cookie | (far && tcg_far_has_slot(s) ? a[0] : TB_EXIT_LOOKUP);
        }
        case TCG_OP_goto_code:
            return s->tb_cookie | TB_EXIT_LOOKUP;
        case TCG_OP_exit_tb:
            return s->tb_cookie | a[0];
        default:
            run_pure(&in, op);
            break;
        }
    }
    g_error("interpreter: ran off the end of the TB");
}
