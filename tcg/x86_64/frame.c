/* frame.c - the code around TBs: prologue, epilogue, thunks, host features.
 * Spec: System V AMD64 ABI.
 *
 * Inside translated code: rbp = env + TCG_ENV_BIAS, rsp 16-aligned with the frame of regs.h, pinned guest registers in
 * their host registers, MXCSR as the guest's. A slow path that raises longjmps away from inside a thunk;
 * the pinned registers are in env then, and mxcsr is still the guest's. */
#include "host/base/barrier.h"
#include "tcg/regalloc.h"
#include <cpuid.h>

#define ENV(field) mem_env(offsetof(TcgEnvHead, field))

HostFeatures host_features;

static void detect_features(void)
{
    static gsize once;
    unsigned a, b, c, d;

    if (!g_once_init_enter(&once))
        return;
    __builtin_cpu_init();
    host_features.avx = __builtin_cpu_supports("avx"); /* asks the operating system too */
    if (__get_cpuid(1, &a, &b, &c, &d))
        host_features.popcnt = c >> 23 & 1;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        host_features.bmi1 = b >> 3 & 1;
        host_features.bmi2 = b >> 8 & 1;
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d))
        host_features.lzcnt = c >> 5 & 1;
    if (!host_features.avx) /* VEX-coded integer instructions need the same state enabled in some hypervisors */
        host_features.bmi1 = host_features.bmi2 = false;
    g_once_init_leave(&once, 1);
}

bool tcg_host_has_simd(const char *feature)
{
    __builtin_cpu_init();
#define HAS(name) if (!strcmp(feature, name)) return __builtin_cpu_supports(name)
    HAS("sse"); HAS("sse2"); HAS("sse3"); HAS("ssse3"); HAS("sse4.1"); HAS("sse4.2"); HAS("sse4a"); HAS("avx"); HAS("avx2");
    HAS("fma"); HAS("f16c"); HAS("bmi"); HAS("bmi2"); HAS("aes"); HAS("pclmul"); HAS("sha"); HAS("popcnt"); HAS("lzcnt");
    HAS("gfni"); HAS("vaes"); HAS("vpclmulqdq"); HAS("adx"); HAS("movbe");
#undef HAS
    return false;
}

int tcg_host_pin(int guest_reg) { return guest_reg < 0 || guest_reg > 15 ? -1 : host_pin[guest_reg]; }

void tcg_backend_free(TcgContext *s)
{
    if (s->backend)
        g_free(((Ra *)s->backend)->fresh);
    g_free(s->backend);
    s->backend = NULL;
}

void frame_move_pinned(Emit *e, bool to_env, uint32_t regs)
{
    for (unsigned n = 0; n < 16; n++) {
        int r = host_pin[n];
        if (r < 0 || !(regs >> r & 1))
            continue;
        if (to_env)
            x86_store(e, 8, ENV(gpr[n]), r);
        else
            x86_load(e, 8, EXT_ZERO, r, ENV(gpr[n]));
    }
}

static const Reg callee_saved[] = { RBX, RBP, R12, R13, R14, R15 };

static void gen_enter(Emit *e)
{
    for (unsigned i = 0; i < ARRAY_SIZE(callee_saved); i++)
        x86_push(e, callee_saved[i]);
    x86_alu_ri(e, X86_SUB, true, RSP, FRAME_SIZE);
    x86_lea(e, true, RBP, mem_at(RDI, TCG_ENV_BIAS));
    x86_mov_rr(e, true, R11, RSI);
    /* Loading MXCSR is slow, and mostly it holds the guest's value still: see gen_epilogue(). */
    x86_stmxcsr(e, ENV(mxcsr_host));
    x86_load(e, 4, EXT_ZERO, RAX, ENV(mxcsr_host));
    x86_alu_rm(e, X86_CMP, false, RAX, ENV(mxcsr_run));
    uint8_t *same = x86_jcc(e, CC_E);
    x86_ldmxcsr(e, ENV(mxcsr_run));
    x86_patch_here(e, same);
    x86_alu_mi(e, X86_CMP, 1, false, ENV(x87_modes), 0);
    uint8_t *no_modes = x86_jcc(e, CC_E);
    x86_x87_m(e, 0xd9, 5, ENV(x87_cw)); /* fldcw; whoever leaves the loop of TBs takes it back */
    x86_patch_here(e, no_modes);
    frame_move_pinned(e, false, ~0u);
    x86_jmp_r(e, R11);
}

static void gen_epilogue(Emit *e)
{
    frame_move_pinned(e, true, ~0u);
    /* C code can do with the guest's sticky flags, the low six bits, but needs its own modes. */
    x86_stmxcsr(e, ENV(mxcsr_run));
    x86_load(e, 4, EXT_ZERO, RAX, ENV(mxcsr_run));
    x86_alu_rm(e, X86_XOR, false, RAX, ENV(mxcsr_host));
    x86_alu_ri(e, X86_AND, false, RAX, ~0x3f);
    uint8_t *same = x86_jcc(e, CC_E);
    x86_ldmxcsr(e, ENV(mxcsr_host));
    x86_patch_here(e, same);
    if (host_features.avx)
        x86_vzeroupper(e);
    x86_mov_rr(e, true, RAX, R11);
    x86_alu_ri(e, X86_ADD, true, RSP, FRAME_SIZE);
    for (int i = ARRAY_SIZE(callee_saved) - 1; i >= 0; i--)
        x86_pop(e, callee_saved[i]);
    x86_ret(e);
}

/* One slow path's thunk. In: arguments in the frame, return address on the stack; the call's MemOpIdx is the immediate of a
 * `test` behind the call, which is the shortest place for it. Out: everything as it was, result in the frame. vec: 0 nothing, 1 xmm, 2 ymm registers are in use and saved. */
static void gen_thunk(Emit *e, const void *fn, unsigned kind, unsigned vec)
{
    enum { DOWN = 16 }; /* our return address, and 8 bytes to align */
    unsigned bytes = vec == 2 ? 32 : 16;
    X86Mem oi = mem_at(R10, X86_TEST_AX_IMM); /* the immediate of the test behind the call */
    Reg ra_reg;

    x86_alu_ri(e, X86_SUB, true, RSP, 8);
    frame_move_pinned(e, true, ~0u);
    for (unsigned i = 0; i < 4; i++)
        x86_store(e, 8, mem_at(RSP, DOWN + FRAME_REGS + 8 * i), R8 + i);
    if (vec) {
        for (unsigned i = 0; i < 16; i++)
            x86_vec_store(e, bytes, mem_at(RSP, DOWN + FRAME_VSAVE + 32 * i), XMM0 + i);
        if (vec == 2)
            x86_vzeroupper(e);
    }
    x86_lea(e, true, RDI, mem_env(0));
    x86_load(e, 8, EXT_ZERO, RSI, mem_at(RSP, DOWN + FRAME_ARG0));
    x86_load(e, 8, EXT_ZERO, R10, mem_at(RSP, 8));
    switch (kind) {
    case THUNK_LD:
        x86_load(e, 2, EXT_ZERO, RDX, oi);
        ra_reg = RCX;
        break;
    case THUNK_X87:
        x86_lea(e, true, RDX, mem_at(RSP, DOWN + FRAME_VBUF));
        x86_load(e, 4, EXT_ZERO, RCX, mem_at(RSP, DOWN + FRAME_OI));
        ra_reg = R8;
        break;
    case THUNK_LDV: case THUNK_STV:
        x86_lea(e, true, RDX, mem_at(RSP, DOWN + FRAME_VBUF));
        x86_load(e, 2, EXT_ZERO, RCX, oi);
        ra_reg = R8;
        break;
    case THUNK_CMPXCHG:
        x86_load(e, 8, EXT_ZERO, RDX, mem_at(RSP, DOWN + FRAME_ARG1));
        x86_load(e, 8, EXT_ZERO, RCX, mem_at(RSP, DOWN + FRAME_ARG2));
        x86_load(e, 2, EXT_ZERO, R8, oi);
        ra_reg = R9;
        break;
    case THUNK_RMW:
        x86_load(e, 8, EXT_ZERO, RDX, mem_at(RSP, DOWN + FRAME_ARG1));
        x86_load(e, 2, EXT_ZERO, RCX, oi);
        x86_load(e, 4, EXT_ZERO, R8, mem_at(RSP, DOWN + FRAME_RMW));
        ra_reg = R9;
        break;
    default:
        x86_load(e, 8, EXT_ZERO, RDX, mem_at(RSP, DOWN + FRAME_ARG1));
        x86_load(e, 2, EXT_ZERO, RCX, oi);
        ra_reg = R8;
        break;
    }
    x86_mov_rr(e, true, ra_reg, R10);
    x86_mov_ri(e, RAX, (uintptr_t)fn);
    x86_call_r(e, RAX);
    x86_store(e, 8, mem_at(RSP, DOWN + FRAME_RES), RAX);
    if (vec) {
        for (unsigned i = 0; i < 16; i++)
            x86_vec_load(e, bytes, false, XMM0 + i, mem_at(RSP, DOWN + FRAME_VSAVE + 32 * i));
    }
    for (unsigned i = 0; i < 4; i++)
        x86_load(e, 8, EXT_ZERO, R8 + i, mem_at(RSP, DOWN + FRAME_REGS + 8 * i));
    frame_move_pinned(e, false, REGS_PIN_CLOBBERED);
    x86_alu_ri(e, X86_ADD, true, RSP, 8);
    x86_ret(e);
}

/* The part of gen_try() for an access on two pages, with r8 and r9 free. Out: as there. */
static void gen_cross(Emit *e, unsigned kind, unsigned size, unsigned mmu)
{
    enum { DOWN = 16 }; /* gen_try()'s return address, and 8 bytes to align */
    bool vec = kind == THUNK_LDV || kind == THUNK_STV;
    uint32_t ctl = size | (kind == THUNK_ST || kind == THUNK_STV ? CROSS_WRITE : 0) | (kind == THUNK_LDV ? CROSS_ZERO : 0) |
                   mmu << CROSS_MMU_SHIFT;

    x86_lea(e, true, RSP, mem_at(RSP, -8));
    frame_move_pinned(e, true, REGS_PIN_CLOBBERED);
    x86_store(e, 8, mem_at(RSP, DOWN + FRAME_REGS + 16), R10);
    x86_store(e, 8, mem_at(RSP, DOWN + FRAME_REGS + 24), R11);
    x86_lea(e, true, RDI, mem_env(0));
    x86_load(e, 8, EXT_ZERO, RSI, mem_at(RSP, DOWN + FRAME_ARG0));
    x86_lea(e, true, RDX, mem_at(RSP, DOWN + (vec ? FRAME_VBUF : kind == THUNK_LD ? FRAME_RES : FRAME_ARG1)));
    x86_mov_ri(e, RCX, ctl);
    x86_mov_ri(e, RAX, (uintptr_t)frame_cross);
    x86_call_r(e, RAX);
    x86_test_rr(e, false, RAX, RAX);
    frame_move_pinned(e, false, REGS_PIN_CLOBBERED);
    x86_load(e, 8, EXT_ZERO, R10, mem_at(RSP, DOWN + FRAME_REGS + 16));
    x86_load(e, 8, EXT_ZERO, R11, mem_at(RSP, DOWN + FRAME_REGS + 24));
    x86_lea(e, true, RSP, mem_at(RSP, 8));
}

/* A load or store that has a note (slow-path.c), by C code. */
static void gen_slow(Emit *e, const TcgGuest *guest)
{
    enum { DOWN = 16 }; /* our return address, and 8 bytes to align */
    uint8_t *with[3] = { NULL };

    x86_lea(e, true, RSP, mem_at(RSP, -8));
    x86_store(e, 8, mem_at(RSP, DOWN + FRAME_REGS), R8);
    x86_load(e, 8, EXT_ZERO, R8, mem_at(RSP, 8));
    for (unsigned vec = 1; vec <= 2; vec++) { /* the note's last byte but one */
        x86_test_mi8(e, mem_at(R8, -7), vec << 6);
        with[vec] = x86_jcc(e, CC_NE);
    }
    for (unsigned vec = 0; vec <= 2; vec++) {
        unsigned bytes = vec == 2 ? 32 : 16;
        if (vec)
            x86_patch_here(e, with[vec]);
        if (vec == 2 && !host_features.avx)
            break; /* never */
        frame_move_pinned(e, true, ~0u);
        for (unsigned i = 1; i < 4; i++)
            x86_store(e, 8, mem_at(RSP, DOWN + FRAME_REGS + 8 * i), R8 + i);
        for (unsigned i = 0; i < 16 && vec; i++)
            x86_vec_store(e, bytes, mem_at(RSP, DOWN + FRAME_VSAVE + 32 * i), XMM0 + i);
        if (vec == 2)
            x86_vzeroupper(e);
        x86_lea(e, true, RDI, mem_env(0));
        x86_lea(e, true, RSI, mem_at(RSP, DOWN));
        x86_mov_rr(e, true, RDX, R8);
        x86_mov_ri(e, RCX, (uintptr_t)guest);
        x86_mov_ri(e, RAX, (uintptr_t)frame_slow_path);
        x86_call_r(e, RAX);
        for (unsigned i = 0; i < 16 && vec; i++)
            x86_vec_load(e, bytes, false, XMM0 + i, mem_at(RSP, DOWN + FRAME_VSAVE + 32 * i));
        for (unsigned i = 0; i < 4; i++)
            x86_load(e, 8, EXT_ZERO, R8 + i, mem_at(RSP, DOWN + FRAME_REGS + 8 * i));
        frame_move_pinned(e, false, ~0u);
        x86_lea(e, true, RSP, mem_at(RSP, 8));
        x86_ret(e);
    }
}

/* The access at FRAME_ARG0 of a group whose check does not hold: if the TLB has its page here, result in FRAME_RES or FRAME_VBUF, no register
 * changes; else by slow. Loads and stores have an entry for who has put into FRAME_ARG0 what lacks the note's displacement. */
static void gen_try(Emit *e, unsigned kind, unsigned size, unsigned mmu, const uint8_t *slow, uint8_t **at_disp)
{
    enum { DOWN = 8 }; /* our return address */
    int32_t fast = offsetof(TcgEnvHead, tlb) + mmu * sizeof(TlbFast);
    bool write = kind == THUNK_ST || kind == THUNK_STV;
    X86Mem addr = mem_at(RSP, DOWN + FRAME_ARG0), save8 = mem_at(RSP, DOWN + FRAME_REGS), save9 = mem_at(RSP, DOWN + FRAME_REGS + 8);

    x86_store(e, 8, save8, R8);
    x86_store(e, 8, save9, R9);
    x86_load(e, 8, EXT_ZERO, R8, addr);
    const uint8_t *body = e->p;
    x86_lea(e, true, R9, mem_at(R8, size - 1));
    x86_shift_ri(e, X86_SHR, true, R8, TCG_PAGE_BITS - TLB_ENTRY_BITS);
    x86_alu_rm(e, X86_AND, true, R8, mem_env(fast + offsetof(TlbFast, mask)));
    x86_alu_rm(e, X86_ADD, true, R8, mem_env(fast + offsetof(TlbFast, table)));
    x86_alu_ri(e, X86_AND, true, R9, (int32_t)TCG_PAGE_MASK);
    x86_alu_rm(e, X86_CMP, true, R9, mem_at(R8, write ? offsetof(TlbEntry, addr_write) : offsetof(TlbEntry, addr_read)));
    uint8_t *miss = x86_jcc(e, CC_NE);
    /* From here on only moves, which leave the flags alone. */
    x86_load(e, 8, EXT_ZERO, R8, mem_at(R8, offsetof(TlbEntry, addend)));
    x86_load(e, 8, EXT_ZERO, R9, addr);
    x86_lea(e, true, R8, mem_idx(R8, R9, 0, 0));
    if (kind == THUNK_LD) {
        x86_load(e, size, EXT_ZERO, R9, mem_at(R8, 0));
        x86_store(e, 8, mem_at(RSP, DOWN + FRAME_RES), R9);
    } else if (kind == THUNK_ST) {
        x86_load(e, 8, EXT_ZERO, R9, mem_at(RSP, DOWN + FRAME_ARG1));
        x86_store(e, size, mem_at(R8, 0), R9);
    } else {
        for (unsigned i = 0; i < (write ? size : 32); i += 8) {
            X86Mem v = mem_at(RSP, DOWN + FRAME_VBUF + i), m = mem_at(R8, i);
            if (i >= size) {
                x86_store_imm(e, 8, v, 0);
                continue;
            }
            x86_load(e, MIN(size, 8u), EXT_ZERO, R9, write ? v : m);
            x86_store(e, write ? MIN(size, 8u) : 8, write ? m : v, R9);
        }
    }
    uint8_t *out = x86_jmp(e);
    x86_patch_here(e, miss);
    if (size > 1) {
        x86_load(e, 8, EXT_ZERO, R8, addr);
        x86_alu_ri(e, X86_AND, true, R8, (int32_t)TCG_PAGE_MASK);
        x86_alu_rr(e, X86_CMP, true, R8, R9);
        uint8_t *one_page = x86_jcc(e, CC_E);
        gen_cross(e, kind, size, mmu);
        uint8_t *crossed = x86_jmp(e);
        x86_patch_here(e, one_page);
        x86_test_rr(e, true, RSP, RSP); /* not equal */
        x86_patch_here(e, crossed);
    }
    x86_patch_here(e, out);
    x86_load(e, 8, EXT_ZERO, R8, save8);
    x86_load(e, 8, EXT_ZERO, R9, save9);
    x86_jcc_to(e, CC_NE, slow);
    x86_ret(e);
    *at_disp = e->p;
    if (kind != THUNK_LD && kind != THUNK_ST)
        return;
    x86_store(e, 8, save8, R8);
    x86_store(e, 8, save9, R9);
    x86_load(e, 8, EXT_ZERO, R8, mem_at(RSP, 0));
    x86_load(e, 8, EXT_ZERO, R9, addr);
    x86_load(e, 1, EXT_SIGN64, R8, mem_at(R8, -8));
    x86_lea(e, true, R8, mem_idx(R8, R9, 0, 0));
    x86_store(e, 8, addr, R8);
    x86_jmp_to(e, body);
}

/* The table of what is called from TBs: slow paths, the two of the pinned registers, search, stack pages, tries. */
enum { SEARCH = NB_THUNKS * 3 + 2, SEARCH_VICTIMS, LEAVE, LEAVE_REG = LEAVE + NB_LEAVE * 3, LEAVE_FAR, GUESS = LEAVE_FAR + 4, SLOW = GUESS + 2 * TCG_MMU_MODES, STACK_PAGE,
       TRY_AT, TRY_ALIGNED, FIRST_TRY, TRY_SIZES = 6, NB_TRIES = 4 * TRY_SIZES * TCG_MMU_MODES, TABLE_SIZE = FIRST_TRY + NB_TRIES };
/* Short entries one behind the other, each of so many bytes. */
enum { STORE_AND_JUMP = 10, TEST_AND_JUMP = 16, LEAVE_REG_SIZE = 16, TRY_AT_SIZES = 4 };
static const uint8_t try_kind[4] = { THUNK_LD, THUNK_ST, THUNK_LDV, THUNK_STV };

/* thunk[0] points to the thunks' addresses, a table in the code buffer itself. */
const uint8_t *frame_thunk(const CodeBuf *b, unsigned kind, unsigned vec_live)
{
    const uint8_t *const *table = (const void *)b->thunk[0];
    return table[kind * 3 + vec_live];
}

const uint8_t *frame_try(const CodeBuf *b, unsigned kind, unsigned size, unsigned mmu, unsigned align)
{
    unsigned k = 0;
    while (try_kind[k] != kind)
        k++;
    unsigned n = (mmu * 4 + k) * TRY_SIZES + __builtin_ctz(size);
    if (align)
        return frame_thunk(b, 0, TRY_ALIGNED) + (2 * n + (align == 15)) * TEST_AND_JUMP;
    return frame_thunk(b, 0, FIRST_TRY + n);
}

const uint8_t *frame_try_at(const CodeBuf *b, unsigned kind, unsigned size, unsigned mmu, Reg a, bool disp)
{
    unsigned n = (mmu * 2 + (kind == THUNK_ST)) * TRY_AT_SIZES + __builtin_ctz(size);
    return frame_thunk(b, 0, TRY_AT) + ((n * 2 + disp) * 16 + a) * STORE_AND_JUMP;
}

const uint8_t *frame_slow(const CodeBuf *b) { return frame_thunk(b, 0, SLOW); }

const uint8_t *frame_store_pinned(const CodeBuf *b) { return frame_thunk(b, NB_THUNKS, 0); }
const uint8_t *frame_load_pinned(const CodeBuf *b) { return frame_thunk(b, NB_THUNKS, 1); }
const uint8_t *frame_search(const CodeBuf *b, bool victims) { return frame_thunk(b, 0, victims ? SEARCH_VICTIMS : SEARCH); }

const uint8_t *frame_leave(const CodeBuf *b, unsigned how, bool search, bool victims) { return frame_thunk(b, 0, LEAVE + how * 3 + (search ? 1 + victims : 0)); }
const uint8_t *frame_leave_reg(const CodeBuf *b, Reg eip) { return frame_thunk(b, 0, LEAVE_REG) + eip * LEAVE_REG_SIZE; }
const uint8_t *frame_leave_far(const CodeBuf *b, unsigned how, bool aside) { return frame_thunk(b, 0, LEAVE_FAR + (how == LEAVE_64) * 2 + aside); }

const uint8_t *frame_guess(const CodeBuf *b, unsigned mmu, bool write) { return frame_thunk(b, 0, GUESS + 2 * mmu + write); }
const uint8_t *frame_stack_page(const CodeBuf *b, unsigned mmu, Reg x) { return frame_thunk(b, 0, STACK_PAGE) + (mmu * 4 + x - R8) * STORE_AND_JUMP; }

/* The caller's FRAME_ARG0 = r, and on. */
static void gen_store_and_jump(Emit *e, Reg r, const uint8_t *to)
{
    uint8_t *start = e->p;
    x86_store(e, 8, mem_at(RSP, 8 + FRAME_ARG0), r);
    x86_patch(e, x86_jmp(e), to);
    g_assert(e->full || e->p - start == STORE_AND_JUMP);
}

/* FRAME_ARG0: an address ^ the stack's page. Its page becomes the stack's if the TLB allows loads and stores there by
 * themselves. Not if it is that page already: the access leaves it. At once: an access that changes the page costs less than
 * one that goes to the TLB by gen_try(), and a stack that is left for two pushes (Linux's way back to user mode) comes back.
 *
 * Against another thread that marks the entry TLB_NOTDIRTY, has a barrier in this one (barrier.h) and then empties: a look
 * at the entry once more, after the page is stored. If it is before the barrier, the page was stored before, too, and is
 * emptied; if after, it sees the mark. */
static void gen_stack_page(Emit *e, unsigned mmu)
{
    enum { DOWN = 8 }; /* our return address */
    int32_t fast = offsetof(TcgEnvHead, tlb) + mmu * sizeof(TlbFast), at = offsetof(TcgEnvHead, stack) + mmu * sizeof(StackPage);
    X86Mem page = mem_env(at + offsetof(StackPage, page)), addend = mem_env(at + offsetof(StackPage, addend));
    X86Mem save8 = mem_at(RSP, DOWN + FRAME_REGS), save9 = mem_at(RSP, DOWN + FRAME_REGS + 8);
    uint8_t *out[3], *undo;

    x86_store(e, 8, save8, R8);
    x86_store(e, 8, save9, R9);
    x86_load(e, 8, EXT_ZERO, R8, mem_at(RSP, DOWN + FRAME_ARG0));
    x86_alu_rm(e, X86_XOR, true, R8, page);
    x86_alu_ri(e, X86_AND, true, R8, (int32_t)TCG_PAGE_MASK);
    x86_alu_rm(e, X86_CMP, true, R8, page);
    uint8_t *same = x86_jcc(e, CC_E);
    x86_mov_rr(e, true, R9, R8);
    x86_shift_ri(e, X86_SHR, true, R9, TCG_PAGE_BITS - TLB_ENTRY_BITS);
    x86_alu_rm(e, X86_AND, true, R9, mem_env(fast + offsetof(TlbFast, mask)));
    x86_alu_rm(e, X86_ADD, true, R9, mem_env(fast + offsetof(TlbFast, table)));
    x86_alu_rm(e, X86_CMP, true, R8, mem_at(R9, offsetof(TlbEntry, addr_read)));
    out[0] = x86_jcc(e, CC_NE);
    x86_alu_rm(e, X86_CMP, true, R8, mem_at(R9, offsetof(TlbEntry, addr_write)));
    out[1] = x86_jcc(e, CC_NE);
    x86_store(e, 8, page, R8);
    if (!barrier_is_asymmetric())
        x86_alu_mi(e, X86_OR, 4, true, mem_at(RSP, 0), 0);
    x86_alu_rm(e, X86_CMP, true, R8, mem_at(R9, offsetof(TlbEntry, addr_write)));
    undo = x86_jcc(e, CC_NE);
    /* From here on only moves, which leave the flags alone. */
    x86_load(e, 8, EXT_ZERO, R9, mem_at(R9, offsetof(TlbEntry, addend)));
    x86_store(e, 8, addend, R9);
    out[2] = x86_jmp(e);
    x86_patch_here(e, same);
    x86_test_rr(e, true, RSP, RSP); /* not equal */
    uint8_t *restore = x86_jmp(e);
    x86_patch_here(e, undo);
    x86_load(e, 8, EXT_ZERO, R8, mem_env(offsetof(TcgEnvHead, no_page)));
    x86_store(e, 8, page, R8);
    for (unsigned i = 0; i < ARRAY_SIZE(out); i++)
        x86_patch_here(e, out[i]);
    x86_patch_here(e, restore);
    x86_load(e, 8, EXT_ZERO, R8, save8);
    x86_load(e, 8, EXT_ZERO, R9, save9);
    x86_ret(e);
}

/* The guess whose index is at FRAME_ARG1 is wrong; FRAME_ARG0: the address ^ its page. Equal: the TLB has the page, and now the guess.
 * Where it runs out of patience C code does that, which promises to change no vector register. In order with other threads as in
 * gen_stack_page(). */
static void gen_guess(Emit *e, const Guesses *g, const void *fn, unsigned mmu, bool write)
{
    enum { DOWN = 8 }; /* our return address */
    int32_t fast = offsetof(TcgEnvHead, tlb) + mmu * sizeof(TlbFast), addend = offsetof(TlbEntry, addend);
    int32_t tag = write ? offsetof(TlbEntry, addr_write) : offsetof(TlbEntry, addr_read);
    uint8_t *out[2];

    for (unsigned i = 0; i < 4; i++)
        x86_store(e, 8, mem_at(RSP, DOWN + FRAME_REGS + 8 * i), R8 + i);
    x86_load(e, 4, EXT_ZERO, R9, mem_at(RSP, DOWN + FRAME_ARG1));
    x86_mov_ri(e, R10, (uintptr_t)g->patience);
    x86_alu_mi(e, X86_SUB, 4, false, mem_idx(R10, R9, 2, 0), 1);
    uint8_t *ask = x86_jcc(e, CC_S);
    x86_shift_ri(e, X86_SHL, true, R9, 4);
    _Static_assert(sizeof(PageGuess) == 16, "the shift");
    x86_mov_ri(e, R10, (uintptr_t)g->guess);
    x86_alu_rr(e, X86_ADD, true, R9, R10);
    x86_load(e, 8, EXT_ZERO, R8, mem_at(RSP, DOWN + FRAME_ARG0));
    x86_alu_rm(e, X86_XOR, true, R8, mem_at(R9, offsetof(PageGuess, page)));
    x86_alu_ri(e, X86_AND, true, R8, (int32_t)TCG_PAGE_MASK);
    x86_alu_rm(e, X86_CMP, true, R8, mem_at(R9, offsetof(PageGuess, page)));
    uint8_t *same = x86_jcc(e, CC_E); /* it misses by something else: on two pages, not aligned */
    x86_mov_rr(e, true, R10, R8);
    x86_shift_ri(e, X86_SHR, true, R10, TCG_PAGE_BITS - TLB_ENTRY_BITS);
    x86_alu_rm(e, X86_AND, true, R10, mem_env(fast + offsetof(TlbFast, mask)));
    x86_alu_rm(e, X86_ADD, true, R10, mem_env(fast + offsetof(TlbFast, table)));
    x86_alu_rm(e, X86_CMP, true, R8, mem_at(R10, tag));
    out[0] = x86_jcc(e, CC_NE);
    /* Those who drop guesses are to see the page in the filters first. */
    x86_mov_rr(e, true, R11, R8);
    x86_shift_ri(e, X86_SHR, true, R11, TCG_PAGE_BITS);
    x86_alu_ri(e, X86_AND, false, R11, GUESS_PAGES - 1);
    x86_push(e, R12);
    x86_mov_ri(e, R12, (uintptr_t)g->page);
    x86_store_imm(e, 1, mem_idx(R12, R11, 0, 0), 1);
    x86_load(e, 8, EXT_ZERO, R11, mem_at(R10, addend));
    x86_store(e, 8, mem_at(R9, offsetof(PageGuess, addend)), R11);
    if (write) {
        x86_alu_rr(e, X86_ADD, true, R11, R8);
        x86_shift_ri(e, X86_SHR, true, R11, TCG_PAGE_BITS);
        x86_alu_ri(e, X86_AND, false, R11, GUESS_HOSTS - 1);
        x86_store_imm(e, 1, mem_idx(R12, R11, 0, (int32_t)(offsetof(Guesses, host) - offsetof(Guesses, page))), 1);
    }
    x86_pop(e, R12);
    x86_store(e, 8, mem_at(R9, offsetof(PageGuess, page)), R8);
    if (!barrier_is_asymmetric())
        x86_alu_mi(e, X86_OR, 4, true, mem_at(RSP, 0), 0);
    x86_alu_rm(e, X86_CMP, true, R8, mem_at(R10, tag));
    out[1] = x86_jcc(e, CC_E);
    /* From here on only moves, which leave the flags alone. */
    x86_mov_ri(e, R10, (uintptr_t)&g->empty);
    x86_load(e, 8, EXT_ZERO, R8, mem_at(R10, 0));
    x86_store(e, 8, mem_at(R9, offsetof(PageGuess, page)), R8);
    for (unsigned i = 0; i < ARRAY_SIZE(out); i++)
        x86_patch_here(e, out[i]);
    const uint8_t *restore = e->p;
    for (unsigned i = 0; i < 4; i++)
        x86_load(e, 8, EXT_ZERO, R8 + i, mem_at(RSP, DOWN + FRAME_REGS + 8 * i));
    x86_ret(e);

    x86_patch_here(e, same);
    x86_test_rr(e, true, RSP, RSP); /* not equal */
    x86_jmp_to(e, restore);

    x86_patch_here(e, ask);
    x86_lea(e, true, RSP, mem_at(RSP, -8)); /* to align */
    frame_move_pinned(e, true, REGS_PIN_CLOBBERED);
    x86_lea(e, true, RDI, mem_env(0));
    x86_load(e, 8, EXT_ZERO, RSI, mem_at(RSP, 8 + DOWN + FRAME_ARG0));
    x86_mov_rr(e, false, RDX, R9);
    x86_mov_ri(e, RAX, (uintptr_t)fn);
    x86_call_r(e, RAX);
    x86_test_rr(e, false, RAX, RAX);
    frame_move_pinned(e, false, REGS_PIN_CLOBBERED);
    x86_lea(e, true, RSP, mem_at(RSP, 8));
    x86_jmp_to(e, restore);
}

/* A goto_ptr has missed; r11: what the epilogue would return. On with what is among the victims or else C code finds, or
 * out. victims: eip in env is the linear pc. */
static void gen_search(Emit *e, const void *fn, const uint8_t *epilogue_rx, bool victims)
{
    X86Mem save = mem_at(RSP, FRAME_REGS);

    if (victims) { /* jump_cache_victim() */
        int32_t first = JUMP_CACHE_SIZE * sizeof(JumpCacheEntry);
        x86_load(e, 8, EXT_ZERO, R8, ENV(eip));
        x86_mov_rr(e, true, R9, R8);
        x86_shift_ri(e, X86_SHR, true, R9, TCG_PAGE_BITS);
        x86_imul_rri(e, false, R9, R9, JUMP_VICTIM_MIX);
        x86_shift_ri(e, X86_SHR, false, R9, 32 - JUMP_VICTIM_BITS);
        x86_mov_rr(e, false, R10, R8);
        x86_alu_ri(e, X86_AND, false, R10, 15);
        x86_shift_ri(e, X86_SHL, false, R10, JUMP_VICTIM_BITS - 4);
        x86_alu_rr(e, X86_XOR, false, R9, R10);
        x86_mov_rr(e, false, R10, R8);
        x86_alu_ri(e, X86_AND, false, R10, 0xff0);
        x86_shift_ri(e, X86_SHL, false, R10, JUMP_VICTIM_BITS - 4);
        x86_alu_rr(e, X86_ADD, false, R9, R10);
        x86_shift_ri(e, X86_SHL, false, R9, JUMP_CACHE_ENTRY_BITS);
        x86_alu_rm(e, X86_ADD, true, R9, ENV(jump_cache));
        x86_alu_rm(e, X86_CMP, true, R8, mem_at(R9, first + offsetof(JumpCacheEntry, pc)));
        uint8_t *none = x86_jcc(e, CC_NE);
        x86_alu_mi(e, X86_SUB, 4, false, ENV(victim_patience), 1);
        uint8_t *promote = x86_jcc(e, CC_S);
        x86_mov_rr(e, true, FLOAT_PC, R8);
        x86_jmp_m(e, mem_at(R9, first + offsetof(JumpCacheEntry, code)));
        x86_patch_here(e, none);
        x86_patch_here(e, promote);
    }
    frame_move_pinned(e, true, REGS_PIN_CLOBBERED);
    x86_store(e, 8, save, R11);
    if (host_features.avx)
        x86_vzeroupper(e);
    x86_lea(e, true, RDI, mem_env(0));
    x86_mov_ri(e, RAX, (uintptr_t)fn);
    x86_call_r(e, RAX);
    x86_mov_rr(e, true, R10, RAX);
    frame_move_pinned(e, false, REGS_PIN_CLOBBERED);
    x86_load(e, 8, EXT_ZERO, R11, save);
    x86_test_rr(e, true, R10, R10);
    uint8_t *none = x86_jcc(e, CC_E);
    x86_jmp_r(e, R10);
    x86_patch_here(e, none);
    x86_jmp_rx(e, epilogue_rx);
}

/* r11 and eip from behind a call; skip: of another one that lies between. eip is in r8, too. */
static void gen_leave_data(Emit *e, unsigned how, int skip)
{
    x86_pop(e, R10);
    x86_load(e, 4, EXT_ZERO, R11, mem_at(R10, skip));
    if (how == LEAVE_STORED)
        return;
    x86_load(e, how == LEAVE_64 ? 8 : 4, how == LEAVE_64 ? EXT_ZERO : EXT_SIGN64, R8, mem_at(R10, skip + 4));
    if (how == LEAVE_FLOAT)
        x86_alu_rm(e, X86_ADD, true, R8, ENV(pc_page));
    x86_store(e, 8, ENV(eip), R8);
}

/* A goto_far whose page is not where it was. eip is in env and in r8; r11: for the epilogue. */
static void gen_far(Emit *e, const uint8_t *search_rx)
{
    _Static_assert(JUMP_CACHE_SIZE == 1 << 16, "the width of movzx");
    x86_movx_rr(e, 2, EXT_ZERO, R9, R8);
    x86_shift_ri(e, X86_SHL, false, R9, JUMP_CACHE_ENTRY_BITS);
    x86_alu_rm(e, X86_ADD, true, R9, ENV(jump_cache));
    x86_alu_mr(e, X86_CMP, 8, false, mem_at(R9, offsetof(JumpCacheEntry, pc)), R8);
    uint8_t *miss = x86_jcc(e, CC_NE);
    x86_mov_rr(e, true, FLOAT_PC, R8);
    x86_jmp_m(e, mem_at(R9, offsetof(JumpCacheEntry, code)));
    x86_patch_here(e, miss);
    x86_jmp_rx(e, search_rx);
}

static void gen_leaves(Emit *e, const CodeBuf *b, const uint8_t **table)
{
    const uint8_t *to[3] = { b->epilogue_rx, table[SEARCH], table[SEARCH_VICTIMS] };

    for (unsigned i = 0; i < NB_LEAVE * 3; i++) {
        x86_align_nop(e, 16, 0);
        table[LEAVE + i] = codebuf_rx(b, e->p);
        gen_leave_data(e, i / 3, 0);
        x86_jmp_rx(e, to[i % 3]);
    }
    for (unsigned i = 0; i < 4; i++) {
        x86_align_nop(e, 16, 0);
        table[LEAVE_FAR + i] = codebuf_rx(b, e->p);
        gen_leave_data(e, i / 2 ? LEAVE_64 : LEAVE_32, i % 2 ? 0 : TCG_FAR_ASIDE);
        if (i % 2 == 0) {
            x86_jmp_rx(e, b->epilogue_rx);
            continue;
        }
        x86_alu_ri(e, X86_AND, false, R11, ~TB_EXIT_MASK);
        x86_alu_ri(e, X86_OR, false, R11, TB_EXIT_LOOKUP);
        gen_far(e, table[SEARCH_VICTIMS]);
    }
    x86_align_nop(e, 16, 0);
    table[LEAVE_REG] = codebuf_rx(b, e->p);
    for (unsigned r = 0; r < 16; r++) {
        uint8_t *end = e->p + LEAVE_REG_SIZE;
        x86_store(e, 8, ENV(eip), r);
        x86_jmp_rx(e, table[LEAVE + LEAVE_STORED * 3 + 2]);
        g_assert(e->full || e->p <= end);
        e->p = end;
    }
}

void tcg_gen_prologue(CodeBuf *b, const TcgGuest *guest)
{
    const void *fn[NB_THUNKS] = {
        [THUNK_LD] = guest->slow_ld, [THUNK_ST] = guest->slow_st, [THUNK_RMW] = guest->slow_rmw,
        [THUNK_CMPXCHG] = guest->slow_cmpxchg, [THUNK_LDV] = guest->slow_ldv, [THUNK_STV] = guest->slow_stv,
        [THUNK_X87] = guest->slow_x87,
    };
    detect_features();
    uint8_t *at = (uint8_t *)ROUND_UP((uintptr_t)b->ptr, 16);
    Emit e = { .p = at, .start = at, .end = b->end, .rx_diff = b->rx_diff };
    const uint8_t **table;

    b->enter = (uintptr_t(*)(void *, const void *))(uintptr_t)codebuf_rx(b, e.p);
    gen_enter(&e);
    x86_align_nop(&e, 16, 0);
    b->epilogue_rx = codebuf_rx(b, e.p);
    gen_epilogue(&e);
    x86_align_nop(&e, 16, 0);
    table = (const uint8_t **)(void *)e.p;
    b->thunk[0] = codebuf_rx(b, e.p);
    e.p += TABLE_SIZE * sizeof *table;
    for (unsigned kind = 0; kind < NB_THUNKS; kind++) {
        for (unsigned vec = 0; vec < 3; vec++) {
            if (kind == THUNK_LD || kind == THUNK_ST || kind == THUNK_LDV || kind == THUNK_STV) { /* SLOW */
                table[kind * 3 + vec] = NULL;
                continue;
            }
            if (vec == 2 && !host_features.avx) {
                table[kind * 3 + vec] = table[kind * 3 + 1];
                continue;
            }
            x86_align_nop(&e, 16, 0);
            table[kind * 3 + vec] = codebuf_rx(b, e.p);
            gen_thunk(&e, fn[kind], kind, vec);
        }
    }
    for (unsigned load = 0; load < 2; load++) {
        x86_align_nop(&e, 16, 0);
        table[NB_THUNKS * 3 + load] = codebuf_rx(b, e.p);
        frame_move_pinned(&e, !load, load ? ~REG_BIT(RAX) : ~0u); /* rax holds the helper's result */
        x86_ret(&e);
    }
    for (unsigned victims = 0; victims < 2; victims++) {
        x86_align_nop(&e, 16, 0);
        table[SEARCH + victims] = guest->lookup_code ? codebuf_rx(b, e.p) : b->epilogue_rx;
        if (guest->lookup_code)
            gen_search(&e, guest->lookup_code, b->epilogue_rx, victims);
    }
    gen_leaves(&e, b, table);
    for (unsigned i = 0; i < 2 * TCG_MMU_MODES; i++) {
        table[GUESS + i] = NULL;
        if (!b->guesses || !(guest->guess_modes >> i / 2 & 1))
            continue;
        x86_align_nop(&e, 16, 0);
        table[GUESS + i] = codebuf_rx(b, e.p);
        gen_guess(&e, b->guesses, guest->new_guess, i / 2, i % 2);
    }
    const uint8_t *stack_page[TCG_MMU_MODES], *slow, *try[NB_TRIES];
    uint8_t *try_disp[NB_TRIES];
    for (unsigned mmu = 0; mmu < TCG_MMU_MODES; mmu++) {
        x86_align_nop(&e, 16, 0);
        stack_page[mmu] = e.p;
        gen_stack_page(&e, mmu);
    }
    table[STACK_PAGE] = codebuf_rx(b, e.p);
    for (unsigned i = 0; i < TCG_MMU_MODES * 4; i++)
        gen_store_and_jump(&e, R8 + i % 4, stack_page[i / 4]);
    x86_align_nop(&e, 16, 0);
    slow = e.p;
    table[SLOW] = codebuf_rx(b, slow);
    gen_slow(&e, guest);
    for (unsigned i = 0; i < NB_TRIES; i++) {
        unsigned kind = try_kind[i / TRY_SIZES % 4], size = 1u << i % TRY_SIZES;
        bool vec = kind == THUNK_LDV || kind == THUNK_STV;
        table[FIRST_TRY + i] = NULL;
        try[i] = NULL;
        if (vec ? size < 4 : size > 8)
            continue;
        x86_align_nop(&e, 16, 0);
        try[i] = e.p;
        table[FIRST_TRY + i] = codebuf_rx(b, e.p);
        gen_try(&e, kind, size, i / TRY_SIZES / 4, slow, &try_disp[i]);
    }
    table[TRY_AT] = codebuf_rx(b, e.p);
    for (unsigned i = 0; i < TCG_MMU_MODES * 2 * TRY_AT_SIZES * 2 * 16; i++) {
        unsigned n = i / 32, t = (n / TRY_AT_SIZES / 2 * 4 + n / TRY_AT_SIZES % 2) * TRY_SIZES + n % TRY_AT_SIZES;
        gen_store_and_jump(&e, i % 16, i / 16 % 2 ? try_disp[t] : try[t]);
    }
    table[TRY_ALIGNED] = codebuf_rx(b, e.p);
    for (unsigned i = 0; i < 2 * NB_TRIES; i++) {
        uint8_t *end = e.p + TEST_AND_JUMP;
        if (try[i / 2]) {
            x86_test_mi8(&e, mem_at(RSP, 8 + FRAME_ARG0), i % 2 ? 15 : (1u << i / 2 % TRY_SIZES) - 1);
            x86_patch(&e, x86_jcc(&e, CC_NE), slow);
            x86_patch(&e, x86_jmp(&e), try[i / 2]);
        }
        g_assert(e.full || e.p <= end);
        e.p = end;
    }
    g_assert(!e.full);
    b->prologue_size = e.p - b->rw;
    b->start = b->ptr = (uint8_t *)ROUND_UP((uintptr_t)e.p, 64);
}

void tcg_dump_prologue(const CodeBuf *b, GString *out)
{
    const uint8_t *enter = (const uint8_t *)(uintptr_t)b->enter, *table = b->thunk[0], *end = b->rx + b->prologue_size;
    const uint8_t *thunks = table + TABLE_SIZE * sizeof(uint8_t *);

    g_string_append_printf(out, "PROLOGUE: [size=%u]\n", (unsigned)(end - enter));
    disas_host(out, enter, b->epilogue_rx - enter, (uintptr_t)enter);
    g_string_append(out, "  -- epilogue\n");
    disas_host(out, b->epilogue_rx, table - b->epilogue_rx, (uintptr_t)b->epilogue_rx);
    g_string_append(out, "  -- table of thunks\n");
    for (const uint8_t *p = table; p < thunks; p += sizeof(uint8_t *))
        g_string_append_printf(out, "0x%08" PRIx64 ":  .quad  0x%016" PRIx64 "\n", (uint64_t)(uintptr_t)p,
                               *(const uint64_t *)(const void *)p);
    g_string_append(out, "  -- slow-path thunks, pinned registers to and from env, accesses by themselves\n");
    disas_host(out, thunks, end - thunks, (uintptr_t)thunks);
}
