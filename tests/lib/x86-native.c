/* x86-native.c - see x86-native.h. Natively a snippet is wrapped in code that loads and stores all registers;
 * in Vireo it is followed by HLT, and exceptions lead to HLTs of their own. */
#include "host/base/osdep.h"
#include "tests/lib/x86-native.h"
#include "target-x86/cpuid.h"
#include "accel/cputlb.h"
#include "softmmu/bql.h"
#include "softmmu/physmem.h"
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

enum {
    GDT = 0x1000, IDT = 0x2000, STUBS = 0x4000, STACK_TOP = 0x9000, CODE_FIRST = 0x100000, CODE_LIMIT = 0x8000000,
    RAM_BYTES = X86N_DATA + X86N_DATA_SIZE,
};

static uint8_t *data, *native_code, *ram;
static X86NState *native_state;
static sigjmp_buf native_jmp;
static volatile int native_vector;
static CPUX86State *guest;
static MemoryRegion ram_mr;
static uint64_t next_code = CODE_FIRST;

uint64_t x86n_cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_MP, x86n_cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;

bool x86n_has_avx(void) { return __builtin_cpu_supports("avx2"); }

/* ---- host ---- */

static void on_fault(int sig, siginfo_t *info, void *ctx)
{
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    ucontext_t *uc = ctx;
    uint8_t *rip = (uint8_t *)uc->uc_mcontext.gregs[REG_RIP];

    if (rip < native_code || rip >= native_code + 4096) {
        if (sig == SIGFPE && cpu_x86_host_fpe(ctx))
            return;
        signal(sig, SIG_DFL);
        return;
    }
    native_vector = uc->uc_mcontext.gregs[REG_TRAPNO];
    const uint8_t *fp = (const uint8_t *)uc->uc_mcontext.fpregs;
    memcpy(native_state->fx, fp, 512);
    memset(native_state->ymmh, 0, sizeof native_state->ymmh);
    if (x86n_has_avx() && (fp[512] & 4)) /* XSTATE_BV: AVX */
        memcpy(native_state->ymmh, fp + 576, sizeof native_state->ymmh);
    for (int i = 0; i < 16; i++)
        native_state->gpr[i] = uc->uc_mcontext.gregs[order[i]];
    native_state->rflags = uc->uc_mcontext.gregs[REG_EFL];
    siglongjmp(native_jmp, 1);
}

static uint8_t *emit(uint8_t *p, const void *bytes, size_t n) { return (uint8_t *)memcpy(p, bytes, n) + n; }
static uint8_t *emit_mov_rax(uint8_t *p, const void *addr)
{
    p = emit(p, "\x48\xb8", 2);
    return emit(p, &addr, 8);
}
/* op [rax + off]; bytes end before ModRM */
static uint8_t *emit_rax_off(uint8_t *p, const char *bytes, size_t n, unsigned reg, uint32_t off)
{
    p = emit(p, bytes, n);
    *p++ = 0x80 | (reg & 7) << 3;
    return emit(p, &off, 4);
}

/* vinsertf128 or vextractf128 between ymmN and its upper half in the state at rax */
static uint8_t *emit_ymmh(uint8_t *p, bool load)
{
    for (unsigned i = 0; i < 16; i++) {
        uint8_t vex[] = {0xc4, i < 8 ? 0xe3 : 0x63, (load ? ~i & 15 : 15) << 3 | 5, load ? 0x18 : 0x19};
        p = emit_rax_off(p, (const char *)vex, 4, i, offsetof(X86NState, ymmh) + 16 * i);
        *p++ = 1;
    }
    return p;
}

static void make_native(const uint8_t *code, size_t len)
{
    uint8_t *p = native_code;
    uint64_t *gpr0 = &native_state->gpr[0];

    p = emit(p, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57\x50", 11); /* push rbx rbp r12-r15 rax */
    p = emit_mov_rax(p, native_state);
    p = emit_rax_off(p, "\x48\x0f\xae", 3, 1, offsetof(X86NState, fx)); /* fxrstor64 */
    if (x86n_has_avx())
        p = emit_ymmh(p, true);
    p = emit_rax_off(p, "\xff", 1, 6, offsetof(X86NState, rflags));     /* push */
    *p++ = 0x9d;                                                        /* popf */
    for (int pass = 1; pass <= 16; pass++) {
        int i = pass & 15; /* rax last */
        if (i != 4)
            p = emit_rax_off(p, i >= 8 ? "\x4c\x8b" : "\x48\x8b", 2, i, offsetof(X86NState, gpr) + 8 * i);
    }
    p = emit(p, code, len);
    p = emit(p, "\x48\xa3", 2); /* mov [abs], rax */
    p = emit(p, &gpr0, 8);
    *p++ = 0x9c; /* pushf */
    p = emit_mov_rax(p, native_state);
    for (int i = 1; i < 16; i++)
        if (i != 4)
            p = emit_rax_off(p, i >= 8 ? "\x4c\x89" : "\x48\x89", 2, i, offsetof(X86NState, gpr) + 8 * i);
    p = emit_rax_off(p, "\x8f", 1, 0, offsetof(X86NState, rflags)); /* pop */
    p = emit_rax_off(p, "\x48\x0f\xae", 3, 0, offsetof(X86NState, fx));
    if (x86n_has_avx()) {
        p = emit_ymmh(p, false);
        p = emit(p, "\xc5\xf8\x77", 3); /* vzeroupper */
    }
    p = emit(p, "\xfc\x58\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 13);
    g_assert(p < native_code + 4096);
}

void x86n_native(X86NState *st, const uint8_t *code, size_t len)
{
    memcpy(data, st->data, X86N_DATA_SIZE);
    memcpy(native_state, st, offsetof(X86NState, data));
    make_native(code, len);
    native_vector = -1;
    if (!sigsetjmp(native_jmp, 1)) {
        uint32_t mxcsr = __builtin_ia32_stmxcsr();
        ((void (*)(void))native_code)();
        __builtin_ia32_ldmxcsr(mxcsr);
    }
    asm volatile("fninit");
    memcpy(st, native_state, offsetof(X86NState, data));
    memcpy(st->data, data, X86N_DATA_SIZE);
    st->vector = native_vector;
}

/* ---- Vireo ---- */

static void put64(uint64_t addr, uint64_t v) { memcpy(ram + addr, &v, 8); }

static void setup_guest(void)
{
    g_autoptr(GError) err = NULL;
    AccelOptions opts = {0};

    memory_init();
    if (!memory_region_init_ram(&ram_mr, "ram", RAM_BYTES, &err) || !accel_init(&opts, &x86_tcg_guest, &err))
        g_error("%s", err->message);
    memory_region_add(address_space_memory.root, 0, &ram_mr, 0);
    ram = memory_region_ram_ptr(&ram_mr);
    guest = cpu_x86_create("max", &err);
    if (!guest)
        g_error("%s", err->message);
    put64(GDT + 8, 0x00af9b000000ffff);
    put64(GDT + 16, 0x00cf93000000ffff);
    put64(GDT + 24, 0x00cf9b000000ffff); /* 32-bit code, for snippets that change the mode */
    for (int i = 0; i < 32; i++) {
        uint64_t stub = STUBS + 16 * i;
        put64(IDT + 16 * i, (stub & 0xffff) | 8 << 16 | 0x8e00ULL << 32 | stub >> 16 << 48);
        put64(IDT + 16 * i + 8, 0);
        ram[stub] = 0xf4;
    }
}

static void load_guest(const X86NState *st)
{
    enum { CODE = DESC_P | DESC_S | DESC_CODE | DESC_R | DESC_A | DESC_L | DESC_G, DATA = DESC_P | DESC_S | DESC_W | DESC_A | DESC_B | DESC_G };
    CPUX86State *e = guest;
    const uint8_t *fx = st->fx;

    e->cr[0] = x86n_cr0;
    e->cr[4] = x86n_cr4;
    e->efer = EFER_LME | EFER_LMA | EFER_NXE;
    e->gdt.base = GDT;
    e->gdt.limit = 0x1f;
    e->idt.base = IDT;
    e->idt.limit = 32 * 16 - 1;
    for (int i = 0; i < 6; i++)
        e->segs[i] = (SegCache){i == R_CS ? 8 : 16, 0xffffffff, 0, i == R_CS ? CODE : DATA};
    memcpy(e->head.gpr, st->gpr, sizeof st->gpr);
    e->head.gpr[R_ESP] = STACK_TOP;
    cpu_load_eflags(e, st->rflags, CC_MASK | EFL_DF);
    e->head.vec_high = 0;
    for (int i = 0; i < 16; i++) {
        memcpy(&e->xmm[i], fx + 160 + 16 * i, 16);
        memcpy(&e->xmm[i].q[2], st->ymmh[i], 16);
        e->head.vec_high |= i >= 8 && (e->xmm[i].q[2] | e->xmm[i].q[3]);
    }
    e->xcr0 = cpu_has(e, X86F_AVX) ? 7 : 3;
    cpu_set_mxcsr(e, *(uint32_t *)(fx + 24));
    e->fpuc = *(uint16_t *)fx;
    e->fpus = *(uint16_t *)(fx + 2) & ~0x3800;
    e->fpstt = *(uint16_t *)(fx + 2) >> 11 & 7;
    for (int i = 0; i < 8; i++) {
        e->fptags[i] = !(fx[4] >> i & 1);
        memcpy(&e->fpregs[(e->fpstt + i) & 7], fx + 32 + 16 * i, 10);
    }
    cpu_update_hflags(e);
}

static void store_guest(X86NState *st)
{
    CPUX86State *e = guest;
    uint8_t *fx = st->fx;

    memcpy(st->gpr, e->head.gpr, sizeof st->gpr);
    st->rflags = cpu_compute_eflags(e);
    *(uint16_t *)fx = e->fpuc;
    *(uint16_t *)(fx + 2) = cpu_get_fpsw(e);
    *(uint32_t *)(fx + 24) = cpu_get_mxcsr(e);
    fx[4] = 0;
    for (int i = 0; i < 8; i++) {
        fx[4] |= !e->fptags[i] << i;
        memcpy(fx + 32 + 16 * i, &e->fpregs[(e->fpstt + i) & 7], 10);
    }
    for (int i = 0; i < 16; i++) {
        memcpy(fx + 160 + 16 * i, &e->xmm[i], 16);
        memcpy(st->ymmh[i], &e->xmm[i].q[2], 16);
    }
}

void x86n_vireo(X86NState *st, const uint8_t *code, size_t len)
{
    CPUState *cpu = guest->cpu;
    uint8_t hlt = 0xf4;

    if (next_code + len + 64 > CODE_LIMIT)
        next_code = CODE_FIRST;
    memcpy(ram + X86N_DATA, st->data, X86N_DATA_SIZE);
    load_guest(st);
    physmem_write(&address_space_memory, next_code, code, len);
    physmem_write(&address_space_memory, next_code + len, &hlt, 1);
    guest->head.eip = next_code;
    next_code += (len + 16) & ~15ULL;
    cpu->halted = false;
    bql_unlock();
    int r = cpu_exec(cpu);
    bql_lock();
    if (r != EXCP_HLT && r != EXCP_HALTED)
        g_error("cpu_exec returned %d at %" PRIx64, r, guest->head.eip);
    uint64_t at = guest->head.eip - 1;
    st->vector = at >= STUBS && at < STUBS + 32 * 16 ? (int)(at - STUBS) / 16 : -1;
    store_guest(st);
    memcpy(st->data, ram + X86N_DATA, X86N_DATA_SIZE);
}

/* ---- both ---- */

CPUX86State *x86n_env(void) { return guest; }

void x86n_random(X86NState *st, GRand *r)
{
    memset(st, 0, sizeof *st);
    for (int i = 0; i < 16; i++)
        st->gpr[i] = (uint64_t)g_rand_int(r) << 32 | g_rand_int(r);
    st->rflags = 0x202 | (g_rand_int(r) & CC_MASK);
    *(uint16_t *)st->fx = 0x37f;
    *(uint32_t *)(st->fx + 24) = 0x1f80;
    *(uint32_t *)(st->fx + 28) = 0xffff;
    for (int i = 160; i < 416; i += 4)
        *(uint32_t *)(st->fx + i) = g_rand_int(r);
    for (int i = 0; i < X86N_DATA_SIZE; i += 4)
        *(uint32_t *)(st->data + i) = g_rand_int(r);
    if (x86n_has_avx())
        memcpy(st->ymmh, st->data + X86N_DATA_SIZE - sizeof st->ymmh, sizeof st->ymmh);
    st->vector = -1;
}

void x86n_init(void)
{
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};

    data = mmap((void *)(uintptr_t)X86N_DATA, X86N_DATA_SIZE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    native_code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert(data == (void *)(uintptr_t)X86N_DATA && native_code != MAP_FAILED);
    native_state = g_aligned_alloc0(1, sizeof *native_state, 64);
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGFPE, &sa, NULL);
    sigaction(SIGILL, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    bql_lock();
    setup_guest();
}
