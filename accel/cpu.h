/* cpu.h - one virtual CPU as the accelerator sees it, and what a guest architecture must provide
 * (CPUOps). env is the guest's state; it starts with a TcgEnvHead whose .cpu points back here. */
#ifndef ACCEL_CPU_H
#define ACCEL_CPU_H

#include <setjmp.h>
#include "host/base/osdep.h"
#include "softmmu/memory.h"
#include "tcg/tcg.h"

typedef struct CPUState CPUState;
typedef struct TB TB;

typedef enum AccessType { ACCESS_LOAD, ACCESS_STORE, ACCESS_CODE } AccessType;
enum { PROT_R = 1, PROT_W = 2, PROT_X = 4 };

/* Bits of CPUState.interrupt_request; what a bit means beyond HARD and EXITTB is the guest's business. */
enum {
    CPU_INTERRUPT_HARD = 1 << 1,
    CPU_INTERRUPT_EXITTB = 1 << 2,  /* just leave the TB */
    CPU_INTERRUPT_TGT0 = 1 << 4, CPU_INTERRUPT_TGT1 = 1 << 5, CPU_INTERRUPT_TGT2 = 1 << 6,
    CPU_INTERRUPT_TGT3 = 1 << 7, CPU_INTERRUPT_TGT4 = 1 << 8,
};

/* exception_index values above any guest vector */
enum { EXCP_NONE = -1, EXCP_INTERRUPT = 0x10000, EXCP_HLT, EXCP_HALTED };

enum { /* TB.cflags: how to translate */
    CF_COUNT_MASK = 0x3ff,  /* at most this many instructions (0: TCG_MAX_INSNS) */
    CF_NOCACHE = 1 << 10,   /* use once: do not enter in hash and page lists */
    CF_NOCHAIN = 1 << 11,
};

typedef struct TbState { /* identifies translations; TB flags are the guest's */
    vaddr pc;          /* linear */
    uint64_t cs_base;  /* pc = eip + cs_base; fits in 32 bits */
    uint32_t flags;
    bool floating;     /* the same translation will do at any linear address that has this code: depends on flags and page */
} TbState;

typedef struct CPUOps {
    const TcgGuest *tcg;
    void (*get_tb_state)(void *env, TbState *st);
    /* Front end: emit IR for the TB at tb->pc into s, at most max_insns instructions; sets tb->size (guest
     * bytes looked at, even beyond the last instruction translated: they belong to the TB for
     * invalidation) and tb->icount. Reads code with cpu_ldcode(); its faults longjmp away. */
    void (*translate)(CPUState *cpu, TB *tb, TcgContext *s, unsigned max_insns);
    /* A fault in a TB: put eip and the front end's word (cc_op) into env. */
    void (*restore_state)(void *env, const uint64_t data[2]);
    /* Translated code was left, in whatever way, and TcgEnvHead's x87_live or x87_modes is set: take the guest's state
     * out of the host's x87 and leave that as C code expects it. */
    void (*leave_code)(CPUState *cpu);
    /* Page walk: fill the TLB by tlb_set_page() and return true; on a fault raise it (noreturn), or
     * return false when probe. ra: see cpu_restore_state. */
    bool (*tlb_fill)(CPUState *cpu, vaddr addr, unsigned size, AccessType type, unsigned mmu_idx, bool probe, uintptr_t ra);
    /* A misaligned access with MO_ALIGN_*: raise. noreturn */
    void (*unaligned_access)(CPUState *cpu, vaddr addr, AccessType type, MemOp op, uintptr_t ra);
    /* Access to a TLB_WATCH page: may raise a debug trap (after the access: pending). */
    void (*watch_access)(CPUState *cpu, vaddr addr, unsigned size, AccessType type, uintptr_t ra);
    void (*do_interrupt)(CPUState *cpu);                 /* deliver cpu->exception_index */
    bool (*exec_interrupt)(CPUState *cpu, int request);  /* deliver a pending request if it can be taken now; true: state changed. Under the BQL */
    bool (*has_work)(CPUState *cpu);                     /* HLT ends */
    void (*reset)(CPUState *cpu);
    void (*dump_state)(CPUState *cpu, GString *out, bool fpu); /* `info registers`, -d cpu */
    hwaddr (*phys_page_debug)(CPUState *cpu, vaddr addr); /* page walk without side effects; ~0: not mapped */
    unsigned (*disas_mode)(void *env, uint32_t tb_flags);               /* 16, 32, 64 */
    unsigned (*mmu_index)(void *env); /* mmu_idx of instruction fetches now */
    /* A TB was left for a target that is not in the jump cache. If it ends in an indirect branch (TB.has_branch), raise
     * what the branch itself should have raised, or return. */
    void (*check_branch)(CPUState *cpu, const TB *from);
    /* Bit m: each address space has a table of its own for mmu_idx m (cputlb.h). The others, which see mostly global
     * pages, have one, and lose what is not global when the space changes. */
    unsigned space_modes;
} CPUOps;

struct CPUState {
    const CPUOps *ops;
    void *env;                 /* the guest's state; (TcgEnvHead *) at its start */
    int index;
    GThread *thread;
    int thread_id;             /* Linux tid */

    /* Owned by the vCPU thread */
    sigjmp_buf jmp_env;        /* cpu_loop_exit() goes here */
    int32_t exception_index;   /* EXCP_NONE, guest vector, EXCP_* */
    bool halted;
    bool running;              /* inside cpu_exec */
    bool in_code;              /* inside the code buffer: host MXCSR is the guest's */
    uint32_t cflags_next;      /* for the next TB only: CF_* */
    bool singlestep;           /* gdb */
    struct { vaddr page; const uint8_t *host; } code_page; /* cpu_ldcode's last page; ~0: none */
    TB *nocache_tb;            /* the CF_NOCACHE TB that runs now */

    /* Any thread, atomics; changed through cpu_interrupt() */
    uint32_t interrupt_request;
    int32_t exit_loop;         /* leave cpu_exec: stop or work is waiting */
    int32_t tlb_flush_pending; /* the memory map changed */
    bool stop, stopped;        /* under the BQL: pause requests */
    bool unplugged;
    GCond halt_cond;           /* with the BQL: kicked when there may be work */
    bool asleep;               /* under the BQL: waits for halt_cond */
    GQueue work;               /* run_on_cpu items; under the BQL */

    struct CpuTlb *tlb;        /* cputlb.c */
    uintptr_t sampled;         /* tlb-guess.c: where translated code was, or 0 */
    struct JumpCaches *jumps;  /* jump-cache.c */
    struct {
        uint64_t tlb_fills, tlb_victim_hits, tlb_slow, tlb_flushes, tlb_page_flushes, tlb_spaces_kept, mmio, notdirty;
        uint64_t guesses, guess_drops, guess_tbs, guess_hot;
        uint64_t jc_misses, hash_hits, jc_victims, jc_again, exits, chained;
    } stats;
};

static inline TcgEnvHead *cpu_head(CPUState *cpu) { return cpu->env; }
static inline CPUState *env_cpu(void *env) { return ((TcgEnvHead *)env)->cpu; }
/* There is more than one vCPU, or was: locked forms must be atomic. Set while CPUs are made, before any runs. */
extern bool accel_parallel;
extern CPUState *first_cpu;        /* the list has one member until -smp */
CPUState *cpu_by_index(int i);

/* A CPU whose env the caller has allocated. */
CPUState *cpu_new(const CPUOps *ops, void *env, GError **errp);
void cpu_free(CPUState *cpu); /* thread must be stopped and joined */

/* accel/tcg-accel: once per process */
typedef struct AccelOptions {
    size_t tb_size;         /* code buffer bytes, 0: default */
    bool one_insn_per_tb;
    bool perfmap; /* write /tmp/perf-PID.map */
    bool tb_stats; /* count what translated code does */
} AccelOptions;
bool accel_init(const AccelOptions *opts, const TcgGuest *guest, GError **errp);
void accel_set_one_insn_per_tb(bool on); /* monitor; flushes */
void accel_info_jit(GString *out);       /* `info jit`, in QEMU's head format, then our counts */
void accel_info_tb_list(GString *out, unsigned count); /* `info tb-list`: those that cost most first */

/* vcpu-thread.c. Under the BQL unless said otherwise. */
void vcpu_start(CPUState *cpu);            /* creates the thread, initially stopped */
void vcpu_resume_all(void);
void vcpu_pause_all(void);                 /* returns when all are outside translated code */
void vcpu_shutdown_all(void);              /* ends and joins the threads; drops the BQL meanwhile */
void vcpu_stop_current(void);              /* in a vCPU's thread: it pauses at the end of this TB; vcpu_resume_all() */
void vcpu_kick(CPUState *cpu);             /* any thread: leave translated code, look at requests */
void cpu_interrupt(CPUState *cpu, uint32_t mask);       /* set bits and kick */
void cpu_request_exit(CPUState *cpu);                   /* any thread: it leaves translated code soon */
void cpu_reset_interrupt(CPUState *cpu, uint32_t mask); /* clear bits */
void run_on_cpu(CPUState *cpu, void (*fn)(CPUState *, void *), void *opaque); /* waits; runs at once on a paused CPU */
extern __thread CPUState *current_cpu;
/* From translated code: host code of the TB for the state that env holds, or NULL: leave to the loop, which has
 * something to do, or must look further than the jump cache. */
const void *cpu_lookup_code(CPUState *cpu);

/* cpu-exec.c */
int cpu_exec(CPUState *cpu);               /* vCPU thread, without the BQL; returns EXCP_* */
void cpu_loop_exit(CPUState *cpu) G_GNUC_NORETURN;                        /* state in env is right */
void cpu_loop_exit_restore(CPUState *cpu, uintptr_t ra) G_GNUC_NORETURN;  /* first restore from ra */
/* ra: the return address of a helper called from translated code, GETPC(); 0: state is right already. */
bool cpu_restore_state(CPUState *cpu, uintptr_t ra);
#define GETPC() ((uintptr_t)__builtin_extract_return_addr(__builtin_return_address(0)))

/* Monitor, gdb: through the CPU's page tables. false: not mapped. */
bool cpu_memory_rw_debug(CPUState *cpu, vaddr addr, void *buf, size_t len, bool is_write);

#endif
