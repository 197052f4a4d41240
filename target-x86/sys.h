/* sys.h - what the files of the system side (segments, tasks, exceptions, SMM, debug) share.
 * Descriptors are handled as the two dwords e1, e2 of their memory form (SDM vol. 3, 3.4.5). */
#ifndef TARGET_X86_SYS_H
#define TARGET_X86_SYS_H

#include "accel/cputlb.h"
#include "host/base/log.h"
#include "target-x86/cpu.h"
#include "target-x86/cpuid.h"

enum { /* system descriptor types (S = 0) */
    SYS_TSS16 = 1, SYS_LDT = 2, SYS_TSS16_BUSY = 3, SYS_CALL16 = 4, SYS_TASK_GATE = 5, SYS_INT16 = 6, SYS_TRAP16 = 7,
    SYS_TSS32 = 9, SYS_TSS32_BUSY = 11, SYS_CALL32 = 12, SYS_INT32 = 14, SYS_TRAP32 = 15,
};
enum { DR6_BD = 1 << 13, DR6_BS = 1 << 14, DR6_BT = 1 << 15, DR6_FIXED_1 = 0xffff0ff0u, DR7_FIXED_1 = 0x400, DR7_GD = 1 << 13 };

static inline unsigned desc_dpl(uint32_t e2) { return e2 >> DESC_DPL_SHIFT & 3; }
static inline unsigned desc_type(uint32_t e2) { return e2 >> DESC_TYPE_SHIFT & 15; }
static inline uint32_t desc_base(uint32_t e1, uint32_t e2) { return e1 >> 16 | (e2 & 0xff) << 16 | (e2 & 0xff000000u); }
static inline uint32_t desc_limit(uint32_t e1, uint32_t e2)
{
    uint32_t limit = (e1 & 0xffff) | (e2 & 0xf0000);
    return e2 & DESC_G ? limit << 12 | 0xfff : limit;
}
static inline uint32_t desc_flags(uint32_t e2) { return e2 & 0x00ffff00; } /* limit bits too: the monitor shows them */
static inline bool desc_is_code(uint32_t e2) { return (e2 & (DESC_S | DESC_CODE)) == (DESC_S | DESC_CODE); }
static inline bool desc_is_writable_data(uint32_t e2)
{
    return (e2 & (DESC_S | DESC_CODE | DESC_W)) == (DESC_S | DESC_W);
}

static inline bool cpu_lma(const CPUX86State *env) { return env->efer & EFER_LMA; }
static inline bool cpu_is_64(const CPUX86State *env) { return env->hflags & HF_CS64; }
static inline bool cpu_vm86(const CPUX86State *env) { return env->hflags & HF_VM; }
static inline bool cpu_pe(const CPUX86State *env) { return env->cr[0] & CR0_PE; }
static inline bool canonical_above(uint64_t a, unsigned unused) { return (uint64_t)((int64_t)(a << unused) >> unused) == a; }
static inline bool is_canonical(const CPUX86State *env, uint64_t a) { return canonical_above(a, env->cr[4] & CR4_LA57 ? 7 : 16); }
/* A base address or an entry point that a register is given: the width that the processor has, whatever the mode. */
static inline bool is_canonical_base(const CPUX86State *env, uint64_t a) { return canonical_above(a, cpu_has(env, X86F_LA57) ? 7 : 16); }
/* Linear addresses have 32 bits outside IA-32e mode. */
static inline vaddr cpu_linear(const CPUX86State *env, uint64_t a) { return cpu_lma(env) ? a : (uint32_t)a; }

/* Implicit supervisor accesses: descriptor tables, TSS. */
static inline uint64_t sys_ld(CPUX86State *env, uint64_t addr, unsigned size, uintptr_t ra)
{
    return cpu_ld(env->cpu, cpu_linear(env, addr), size, MMU_KERNEL, ra);
}
static inline void sys_st(CPUX86State *env, uint64_t addr, unsigned size, uint64_t val, uintptr_t ra)
{
    cpu_st(env->cpu, cpu_linear(env, addr), size, val, MMU_KERNEL, ra);
}
/* Everything that later writes will touch, up front, so that a fault leaves the state as it was. */
void sys_probe_write(CPUX86State *env, uint64_t addr, unsigned len, uintptr_t ra);

/* A stack being pushed to or popped from; commit writes the pointer back into SP/ESP/RSP. */
typedef struct Stack {
    CPUX86State *env;
    uint64_t base, mask, sp;
    uint32_t limit, flags; /* of the segment; checked unless flags is 0 (64-bit) */
    int err;               /* error code of the #SS */
    unsigned mmu_idx;
    uintptr_t ra;
} Stack;
Stack stack_current(CPUX86State *env, uintptr_t ra);                   /* SS:(E)SP as it is */
Stack stack_from_desc(CPUX86State *env, uint32_t e1, uint32_t e2, uint64_t sp, unsigned dpl, int err, uintptr_t ra);
Stack stack_long(CPUX86State *env, uint64_t sp, unsigned cpl, uintptr_t ra);
void stack_push(Stack *s, unsigned size, uint64_t val);
uint64_t stack_pop(Stack *s, unsigned size);
uint64_t stack_peek(Stack *s, unsigned index, unsigned size); /* the index-th word of `size` bytes from the top */
void stack_drop(Stack *s, unsigned bytes);
void stack_commit(const Stack *s);
static inline uint64_t stack_mask_of(uint32_t ss_flags) { return ss_flags & DESC_B ? 0xffffffffu : 0xffff; }

/* helper-far.c: the descriptors that a far RET or IRET returns to, selector's RPL being the new level, and its stack
 * segment (not null); faults if it may not. */
void read_return_cs(CPUX86State *env, unsigned selector, unsigned cpl, uint32_t *e1, uint32_t *e2, uintptr_t ra);
void read_return_ss(CPUX86State *env, unsigned ss, unsigned rpl, uint32_t *e1, uint32_t *e2, uintptr_t ra);

/* helper-seg.c */
uint64_t desc_addr(const CPUX86State *env, unsigned selector); /* linear address of the descriptor */
bool desc_read(CPUX86State *env, unsigned selector, uint32_t *e1, uint32_t *e2, uintptr_t ra); /* false: beyond the table */
void desc_set_accessed(CPUX86State *env, unsigned selector, uint32_t *e2, uintptr_t ra);
void seg_load_desc(CPUX86State *env, int seg, unsigned selector, uint32_t e1, uint32_t e2);
void seg_set_desc(CPUX86State *env, int seg, unsigned selector, uint32_t e1, uint32_t e2); /* cpu_update_hflags() follows */
/* CS for a transfer of control: sets A, checks eip against the limit or for canonical form (#GP(0)), loads. */
void cs_check_target(CPUX86State *env, uint32_t e1, uint32_t e2, uint64_t eip, uintptr_t ra);
void cs_load(CPUX86State *env, unsigned selector, uint32_t e1, uint32_t e2, unsigned cpl, uintptr_t ra);
/* Access rights and limit outside 64-bit mode: #GP(0), #SS(0) for SS. */
void seg_check(CPUX86State *env, unsigned seg, uint64_t off, unsigned size, bool write, uintptr_t ra);
/* SS for privilege level dpl out of the TSS: checked, error #TS. ext: EXT bit for error codes. */
void tss_inner_stack(CPUX86State *env, unsigned dpl, unsigned *ss, uint64_t *esp, uint32_t *e1, uint32_t *e2, int ext, uintptr_t ra);
uint64_t tss64_rsp(CPUX86State *env, unsigned slot, uintptr_t ra); /* slot: 0-2 RSPn, 4-10 IST1-7 */
void seg_drop_after_return(CPUX86State *env); /* ES, DS, FS, GS that the outer level may not keep become null */
/* VM86 segments: base from selector, 64 KiB, DPL 3. */
void seg_load_vm86(CPUX86State *env, int seg, unsigned selector);
void seg_load_flat(CPUX86State *env, int seg, unsigned selector, uint32_t extra_flags); /* SYSCALL and friends */

/* task.c */
typedef enum TaskSwitch { TASK_JMP, TASK_CALL, TASK_IRET } TaskSwitch;
/* e1, e2: the TSS descriptor of selector. next_eip: what the old task resumes at. error_code: pushed on the
 * new stack unless has_error is false. */
void task_switch(CPUX86State *env, unsigned selector, uint32_t e1, uint32_t e2, TaskSwitch how, uint64_t next_eip,
                 bool has_error, int error_code, int ext, uintptr_t ra);
/* Through a task gate descriptor. */
void task_gate(CPUX86State *env, uint32_t e1, TaskSwitch how, uint64_t next_eip, bool has_error, int error_code, int ext,
               uintptr_t ra);

/* smm.c */
void smm_enter(CPUX86State *env);

/* debug-regs.c */
/* #DB as DR6 = bits tells, with the data and I/O hits that wait; the matches of earlier ones go. */
void debug_raise(CPUX86State *env, unsigned bits, uintptr_t ra) G_GNUC_NORETURN;
void debug_note(CPUX86State *env, unsigned bits); /* DR6 only */
void debug_update_watch(CPUX86State *env, uint64_t old_dr7); /* after DR0-3 or DR7 changed; old value of DR7 */
void x86_watch_access(CPUState *cpu, vaddr addr, unsigned size, AccessType type, uintptr_t ra);
void debug_check_io(CPUX86State *env, unsigned port, unsigned size);

/* excp.c */
void x86_do_interrupt(CPUState *cpu);
bool x86_exec_interrupt(CPUState *cpu, int request);
void excp_log_state(CPUX86State *env, int mask, const char *title);
/* VM86 with VME: does the TSS send INT vector to the 8086 program's own table? */
bool vme_redirects(CPUX86State *env, int vector, uintptr_t ra);

/* mmu.c */
#define CR3_NOFLUSH (1ULL << 63)
enum { PCID_MASK = 0xfff };
/* The address space that TLB entries are made for: the PCID, 0 while there is only one. */
static inline uint32_t mmu_pcid(const CPUX86State *env) { return env->cr[4] & CR4_PCIDE ? env->cr[3] & PCID_MASK : 0; }
void cpu_set_pkru(CPUX86State *env, uint32_t val);
void mmu_flush_all(CPUX86State *env); /* whole TLB; CR3 and CR4 may have been exchanged */
/* #GP, or #SS if the instruction at eip (ra: in translated code) goes through SS. */
void raise_not_canonical(CPUX86State *env, vaddr addr, AccessType type, uintptr_t ra) G_GNUC_NORETURN;
/* #GP of an operand that must be aligned; not canonical comes first. */
void raise_misaligned(CPUX86State *env, vaddr addr, AccessType type, uintptr_t ra) G_GNUC_NORETURN;
/* Before another fault: code beyond CS's limit, a program's operand across the end of a flat segment, or of canonical addresses. */
bool mmu_beyond_limit(CPUX86State *env, vaddr addr, unsigned size, AccessType type, unsigned mmu_idx, uintptr_t ra);
bool mmu_load_pdptes(CPUX86State *env, uint64_t cr3, uint64_t out[4]); /* false: reserved bits set */

/* helper-area.c */
/* What an access to these bytes would raise; they may lie in two pages. */
void probe_operand(CPUX86State *env, vaddr addr, unsigned size, AccessType type, uintptr_t ra);
/* An image in memory at linear address addr; where: AREA_*. Its words fault one by one. */
typedef struct Area {
    CPUX86State *env;
    vaddr addr;
    uint64_t off, mask; /* outside 64-bit mode: in its segment */
    uintptr_t ra;
    unsigned mmu_idx, seg;
    bool plain;         /* no limit to be checked, no wrap */
} Area;
Area area_at(CPUX86State *env, vaddr addr, unsigned bytes, uint32_t where, uintptr_t ra);
Area area_of(CPUX86State *env, uint64_t addr, unsigned bytes, uint32_t where, uintptr_t ra); /* addr outside 64-bit mode: an offset, no check made */
void area_check_start(const Area *a, unsigned size, unsigned align, AccessType type); /* the limit of its first bytes, then #GP if it is not aligned */
void area_probe(const Area *a, unsigned off, unsigned size, AccessType type); /* what an access there would raise */
uint64_t area_get(const Area *a, unsigned off, unsigned size);
void area_put(const Area *a, unsigned off, unsigned size, uint64_t v);
/* bytes: a multiple of 8, accessed as so many words are. */
void area_get_words(const Area *a, unsigned off, void *dst, unsigned bytes);
void area_put_words(const Area *a, unsigned off, const void *src, unsigned bytes);
/* Host address of all of these bytes, where no word of them needs more than a look into the TLB; else NULL. */
void *area_host(const Area *a, unsigned off, unsigned bytes, AccessType type);

/* cpu-dump.c */
void x86_dump_state(CPUState *cpu, GString *out, bool fpu);

#endif
