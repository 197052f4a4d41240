/* native.c - the host side of the differential tester. Code runs in an executable mapping without write
 * permission; a fault enters a signal handler on its own stack, which saves the state from the frame and leaves
 * for good. FS and GS bases are the sequence's while it runs, so the handler first restores FS. */
#include "host/base/osdep.h"
#include "tests/diff/diff.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

_Static_assert(offsetof(DiffState, gpr) == 0x440 && offsetof(DiffState, rflags) == 0x4c0 && offsetof(DiffState, rip) == 0x4c8 &&
               offsetof(DiffState, fsbase) == 0x4d0 && offsetof(DiffState, gsbase) == 0x4d8 && offsetof(DiffState, sel) == 0x4e0, "offsets in the assembly below");

DiffState diff_nat;
uint64_t diff_saved_rsp, diff_saved_fs;
struct { uint32_t off; uint16_t sel; } diff_far; /* where the entry jumps to outside 64-bit mode */
uint32_t diff_mxcsr = 0x1f80;
static volatile bool running;
static uint8_t *code_rw, *data;

void diff_enter(void);
void diff_enter_far(void);
extern char diff_exit[], diff_leave[];
void diff_signal(int sig, siginfo_t *info, void *ctx);

#define REGS(op)                                                                                                      \
    op(rcx, 1) op(rdx, 2) op(rbx, 3) op(rbp, 5) op(rsi, 6) op(rdi, 7) op(r8, 8) op(r9, 9) op(r10, 10) op(r11, 11)     \
    op(r12, 12) op(r13, 13) op(r14, 14) op(r15, 15)
#define LD(r, n) "mov diff_nat+0x440+8*" #n "(%rip), %" #r "\n"
#define ST(r, n) "mov %" #r ", diff_nat+0x440+8*" #n "(%rip)\n"
/* selectors of the sequence to diff_nat, and the usual ones back */
#define SAVE_SELECTORS                                                                                                \
    "mov %es, %eax\nmov %ax, diff_nat+0x4e0(%rip)\nmov %ss, %eax\nmov %ax, diff_nat+0x4e4(%rip)\n"                    \
    "mov %ds, %eax\nmov %ax, diff_nat+0x4e6(%rip)\nmov %fs, %eax\nmov %ax, diff_nat+0x4e8(%rip)\n"                    \
    "mov %gs, %eax\nmov %ax, diff_nat+0x4ea(%rip)\nxor %eax, %eax\nmov %eax, %es\nmov %eax, %ds\nmov %eax, %fs\n"     \
    "mov %eax, %gs\nmov $0x2b, %eax\nmov %eax, %ss\n"
asm(".text\n.globl diff_enter, diff_enter_far, diff_exit, diff_leave, diff_signal\n"
    "diff_enter:\n"
    "push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp, diff_saved_rsp(%rip)\n"
    "rdfsbase %rax\nmov %rax, diff_saved_fs(%rip)\n"
    "mov $7, %eax\nxor %edx, %edx\nxrstor64 diff_nat(%rip)\n"
    "mov diff_nat+0x4d0(%rip), %rax\nwrfsbase %rax\n"
    "mov diff_nat+0x4d8(%rip), %rax\nwrgsbase %rax\n"
    "pushq diff_nat+0x4c0(%rip)\n" REGS(LD) "popfq\n" LD(rax, 0) LD(rsp, 4)
    "jmp *diff_nat+0x4c8(%rip)\n"
    "diff_enter_far:\n"
    "push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp, diff_saved_rsp(%rip)\n"
    "rdfsbase %rax\nmov %rax, diff_saved_fs(%rip)\n"
    "mov $7, %eax\nxor %edx, %edx\nxrstor64 diff_nat(%rip)\n"
    "mov diff_nat+0x4e0(%rip), %ax\nmov %eax, %es\nmov diff_nat+0x4e6(%rip), %ax\nmov %eax, %ds\n"
    "mov diff_nat+0x4e8(%rip), %ax\nmov %eax, %fs\nmov diff_nat+0x4ea(%rip), %ax\nmov %eax, %gs\n"
    "pushq diff_nat+0x4c0(%rip)\n" REGS(LD) "popfq\n"
    "mov diff_nat+0x4e4(%rip), %ax\nmov %eax, %ss\n" LD(rsp, 4) LD(rax, 0)
    "ljmp *diff_far(%rip)\n"
    "diff_exit:\n" REGS(ST) ST(rax, 0) ST(rsp, 4)
    "mov diff_saved_rsp(%rip), %rsp\n"
    "pushfq\npopq diff_nat+0x4c0(%rip)\npushq $0x202\npopfq\n"
    "rdfsbase %rax\nmov %rax, diff_nat+0x4d0(%rip)\nrdgsbase %rax\nmov %rax, diff_nat+0x4d8(%rip)\n"
    SAVE_SELECTORS "mov diff_saved_fs(%rip), %rax\nwrfsbase %rax\n"
    "mov $7, %eax\nxor %edx, %edx\nxsave64 diff_nat(%rip)\n"
    "diff_leave:\n"
    "mov diff_saved_rsp(%rip), %rsp\n"
    "fninit\nldmxcsr diff_mxcsr(%rip)\nvzeroupper\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\nret\n"
    "diff_signal:\n"
    "pushq $0x202\npopfq\n"
    "rdfsbase %rax\nmov %rax, diff_nat+0x4d0(%rip)\nrdgsbase %rax\nmov %rax, diff_nat+0x4d8(%rip)\n"
    SAVE_SELECTORS "mov diff_saved_fs(%rip), %rax\ntest %rax, %rax\njz 1f\nwrfsbase %rax\n1: jmp diff_on_signal\n");

__attribute__((used)) void diff_on_signal(int sig, siginfo_t *info, void *ctx);
void diff_on_signal(int sig, siginfo_t *info, void *ctx)
{
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    ucontext_t *uc = ctx;
    const greg_t *g = uc->uc_mcontext.gregs;

    if (!running && sig == SIGVTALRM) {
        guest_stop();
        return;
    }
    if (!running && sig == SIGFPE && cpu_x86_host_fpe(ctx))
        return;
    if (!running) {
        signal(sig, SIG_DFL);
        return;
    }
    running = false;
    memcpy(diff_nat.xs, uc->uc_mcontext.fpregs, XS_YMMH + 256);
    for (int i = 0; i < 16; i++)
        diff_nat.gpr[i] = g[order[i]];
    diff_nat.rflags = g[REG_EFL];
    diff_nat.sel[R_CS] = g[REG_CSGSFS];
    diff_nat.sel[R_SS] = g[REG_CSGSFS] >> 48;
    diff_nat.rip = g[REG_RIP] + diff_cs_base(diff_nat.sel[R_CS]);
    diff_nat.vector = sig == SIGVTALRM ? DIFF_VECTOR_ENDLESS : g[REG_TRAPNO];
    diff_nat.err = g[REG_ERR];
    diff_nat.addr = g[REG_CR2];
    asm volatile("jmp diff_leave");
    __builtin_unreachable();
}

uint8_t *native_page(unsigned page) { return data + page * 4096; }
void native_write(uint64_t addr, const void *code, size_t len) { memcpy(code_rw + (addr - DIFF_CODE), code, len); }

/* What loops for ever is stopped after a quarter of a second of processor time. */
void diff_watchdog(unsigned usec) { setitimer(ITIMER_VIRTUAL, &(struct itimerval){.it_value.tv_usec = usec}, NULL); }

void native_run(DiffState *st, bool may_loop)
{
    uint64_t bv;

    diff_nat = *st;
    diff_nat.vector = DIFF_VECTOR_NONE;
    diff_nat.err = 0;
    diff_nat.addr = 0;
    if (may_loop)
        diff_watchdog(250000);
    running = true;
    if (st->sel[R_CS] == 0x33) {
        diff_enter();
    } else {
        diff_far.off = st->rip - diff_cs_base(st->sel[R_CS]);
        diff_far.sel = st->sel[R_CS];
        diff_enter_far();
    }
    running = false;
    if (may_loop)
        diff_watchdog(0);
    if (diff_nat.vector == DIFF_VECTOR_NONE) {
        diff_nat.rip = DIFF_EXIT;
        diff_nat.sel[R_CS] = 0x33;
    } else if (diff_nat.vector == EXCP_GP && diff_nat.rip == DIFF_EXIT_ANY) {
        diff_nat.vector = DIFF_VECTOR_NONE;
        diff_nat.err = 0;
    }
    memcpy(&bv, diff_nat.xs + XS_BV, 8); /* components in their initial state may not have been written */
    if (!(bv & 1)) {
        memset(diff_nat.xs, 0, 24);
        memset(diff_nat.xs + XS_ST, 0, 128);
        diff_nat.xs[XS_FCW] = 0x7f;
        diff_nat.xs[XS_FCW + 1] = 3;
    }
    if (!(bv & 2))
        memset(diff_nat.xs + XS_XMM, 0, 256);
    if (!(bv & 4))
        memset(diff_nat.xs + XS_YMMH, 0, 256);
    *st = diff_nat;
}

const uint8_t *native_exit_stub(void)
{
    static uint8_t stub[16] = {0xff, 0x25, 2}; /* jmp *8(start): aligned, since EFLAGS.AC may be set */
    void *target = diff_exit;

    memcpy(stub + 8, &target, 8);
    return stub;
}

static void *must_map(void *want, size_t size, int prot, int flags, int fd)
{
    void *p = mmap(want, size, prot, flags | (want ? MAP_FIXED_NOREPLACE : 0), fd, 0);

    if (p == MAP_FAILED || (want && p != want))
        g_error("diff: mmap at %p: %s", want, g_strerror(errno));
    return p;
}

void native_init(void)
{
    struct sigaction sa = {.sa_sigaction = diff_signal, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    stack_t ss = {.ss_size = 256 << 10};
    int fd = memfd_create("diff", 0);

    if (fd < 0 || ftruncate(fd, DIFF_CODE_SIZE))
        g_error("diff: memfd: %s", g_strerror(errno));
    code_rw = must_map(NULL, DIFF_CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd);
    must_map((void *)(uintptr_t)DIFF_CODE, DIFF_CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_POPULATE, fd);
    close(fd);
    native_write(DIFF_EXIT, native_exit_stub(), 16);
    native_write(DIFF_EXIT_ANY, "\xf4", 1);
    data = must_map((void *)(uintptr_t)DIFF_DATA, DIFF_PAGES * 4096, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
    for (unsigned i = 0; i < DIFF_PAGES; i++) {
        memcpy(native_page(i), diff_ro[i], 4096);
        if (DIFF_LAYOUT[i] != 'W')
            mprotect(native_page(i), 4096, DIFF_LAYOUT[i] == 'R' ? PROT_READ : PROT_NONE);
    }
    ss.ss_sp = must_map(NULL, ss.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
    sigaltstack(&ss, NULL);
    for (unsigned i = 0; i < 6; i++)
        sigaction((int[]){SIGVTALRM, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}[i], &sa, NULL);
}
