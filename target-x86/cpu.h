/* cpu.h - the x86 CPU's state, its flag bits, and the interfaces between target-x86's files and to the
 * board. Devices never include this (hw/pc and hw/intc/lapic.c do).
 * Spec: Intel SDM vol. 3 (system state), AMD APM vol. 2. */
#ifndef TARGET_X86_CPU_H
#define TARGET_X86_CPU_H

#include "accel/cpu.h"
#include "softmmu/vmstate.h"

enum { R_EAX, R_ECX, R_EDX, R_EBX, R_ESP, R_EBP, R_ESI, R_EDI, R_R8 };
enum { R_ES, R_CS, R_SS, R_DS, R_FS, R_GS, R_LDTR, R_TR };

/* EFLAGS */
enum {
    CC_C = 1, CC_P = 4, CC_A = 0x10, CC_Z = 0x40, CC_S = 0x80, CC_O = 0x800,
    CC_MASK = CC_C | CC_P | CC_A | CC_Z | CC_S | CC_O,
    EFL_TF = 0x100, EFL_IF = 0x200, EFL_DF = 0x400, EFL_IOPL = 0x3000, EFL_NT = 0x4000, EFL_RF = 0x10000,
    EFL_VM = 0x20000, EFL_AC = 0x40000, EFL_VIF = 0x80000, EFL_VIP = 0x100000, EFL_ID = 0x200000,
};
enum { /* CR0 */
    CR0_PE = 1, CR0_MP = 2, CR0_EM = 4, CR0_TS = 8, CR0_ET = 16, CR0_NE = 32, CR0_WP = 1 << 16, CR0_AM = 1 << 18,
    CR0_NW = 1 << 29, CR0_CD = 1 << 30,
};
#define CR0_PG (1u << 31)
enum { /* CR4 */
    CR4_VME = 1, CR4_PVI = 2, CR4_TSD = 4, CR4_DE = 8, CR4_PSE = 16, CR4_PAE = 32, CR4_MCE = 64, CR4_PGE = 128,
    CR4_PCE = 256, CR4_OSFXSR = 512, CR4_OSXMMEXCPT = 1024, CR4_UMIP = 1 << 11, CR4_LA57 = 1 << 12,
    CR4_FSGSBASE = 1 << 16, CR4_PCIDE = 1 << 17, CR4_OSXSAVE = 1 << 18, CR4_SMEP = 1 << 20, CR4_SMAP = 1 << 21,
    CR4_PKE = 1 << 22,
};
enum { EFER_SCE = 1, EFER_LME = 1 << 8, EFER_LMA = 1 << 10, EFER_NXE = 1 << 11, EFER_SVME = 1 << 12, EFER_FFXSR = 1 << 14 };

enum { /* exceptions */
    EXCP_DE = 0, EXCP_DB = 1, EXCP_NMI = 2, EXCP_BP = 3, EXCP_OF = 4, EXCP_BR = 5, EXCP_UD = 6, EXCP_NM = 7,
    EXCP_DF = 8, EXCP_TS = 10, EXCP_NP = 11, EXCP_SS = 12, EXCP_GP = 13, EXCP_PF = 14, EXCP_MF = 16,
    EXCP_AC = 17, EXCP_MC = 18, EXCP_XM = 19,
};

/* Descriptor high word, as SegCache.flags keeps it (bits of the second dword, base and limit bits masked out). */
enum {
    DESC_A = 1 << 8, DESC_W = 1 << 9 /* data: writable; code: R */, DESC_R = 1 << 9, DESC_E = 1 << 10 /* data: expand down */,
    DESC_C = 1 << 10 /* code: conforming */, DESC_CODE = 1 << 11, DESC_S = 1 << 12, DESC_DPL_SHIFT = 13,
    DESC_DPL = 3 << 13, DESC_P = 1 << 15, DESC_AVL = 1 << 20, DESC_L = 1 << 21, DESC_B = 1 << 22, DESC_G = 1 << 23,
    DESC_TYPE_SHIFT = 8,
};
typedef struct SegCache {
    uint32_t selector;
    uint32_t limit;   /* in bytes, already scaled by G */
    uint64_t base;
    uint32_t flags;   /* DESC_* */
    uint32_t pad;
} SegCache;

/* TB flags (hflags): everything that translation depends on. cpu_update_hflags() computes those that
 * are a function of other state; the rest is added in get_tb_state. */
enum {
    HF_CPL_SHIFT = 0, HF_CPL = 3,
    HF_PE = 1 << 2, HF_VM = 1 << 3,      /* VM: virtual-8086 */
    HF_CS32 = 1 << 4, HF_CS64 = 1 << 5, HF_SS32 = 1 << 6, HF_LMA = 1 << 7,
    HF_TF = 1 << 8, HF_RF = 1 << 9,      /* RF: no instruction breakpoint on the first instruction */
    HF_IOPL_SHIFT = 10, HF_IOPL = 3 << 10,
    HF_MP = 1 << 12, HF_EM = 1 << 13, HF_TS = 1 << 14,
    HF_OSFXSR = 1 << 15,
    HF_INHIBIT_IRQ = 1 << 16,            /* shadow of STI / MOV SS: one instruction, then clear it and leave */
    HF_SMM = 1 << 17,
    HF_AC = 1 << 18,                     /* alignment checks are on (CR0.AM, EFLAGS.AC, CPL 3) */
    HF_SMAP_OFF = 1 << 19,               /* supervisor data accesses use MMU_KNOSMAP */
    /* segment is flat: base 0, limit 4G, usable for read and write (CS: read, execute); always set in CS64 code */
    HF_FLAT_ES = 1 << 20, HF_FLAT_CS = 1 << 21, HF_FLAT_SS = 1 << 22, HF_FLAT_DS = 1 << 23,
    HF_FLAT_FS = 1 << 24, HF_FLAT_GS = 1 << 25,
    HF_IOBP = 1 << 26,                   /* DR7 has I/O breakpoints */
    HF_CODE_BP = 1 << 27,                /* DR7 has instruction breakpoints: check each instruction */
    HF_FP_UNMASKED = 1 << 28,            /* MXCSR unmasks an exception: FP vector ops go through the checking helper; or MXCSR.MM is set */
    HF_OSXSAVE = 1 << 29,                /* AVX enabled: CR4.OSXSAVE and XCR0 */
    HF_UMIP = 1 << 30,
};
/* the x87 control word unmasks an exception: waiting instructions look for a pending one (otherwise there is none), and
 * every instruction is a helper call; also set for one instruction that generated code could not do (x87_slow) */
#define HF_X87_UNMASKED (1u << 31)
#define HF_FLAT_SEG(seg) (HF_FLAT_ES << (seg))

enum { SHADOW_STI = 1, SHADOW_MOVSS = 2 /* holds back debug traps as well */ };

enum { MMU_KERNEL = 0, MMU_USER = 1, MMU_KNOSMAP = 2, MMU_SMM_PHYS = 3 };

/* cc_op: how the lazy flags are encoded; cc-ops.def says what each means (size suffix order B W L Q). */
typedef enum CCOp {
    CC_OP_DYNAMIC,  /* translator only: look at env->cc_op */
    CC_OP_EFLAGS,   /* cc_src holds the six flags as in EFLAGS */
#define CC_FAMILY(name) CC_OP_##name##B, CC_OP_##name##W, CC_OP_##name##L, CC_OP_##name##Q,
    CC_FAMILY(ADD) CC_FAMILY(ADC) CC_FAMILY(SUB) CC_FAMILY(SBB) CC_FAMILY(LOGIC) CC_FAMILY(INC) CC_FAMILY(DEC)
    CC_FAMILY(SHL) CC_FAMILY(SAR) CC_FAMILY(MUL) CC_FAMILY(BLSI) CC_FAMILY(BMILG) CC_FAMILY(NEG)
    CC_FAMILY(SMUL) CC_FAMILY(ROT) CC_FAMILY(IMUL) CC_FAMILY(CMP)
#undef CC_FAMILY
    CC_OP_CLR, CC_OP_POPCNT,
    /* Behind ADCX and ADOX, the last ones: cc_dst is CF and cc_src2 OF, 0 or 1; the others are as in cc_src, or follow from the
     * result in it. */
    CC_OP_ADX, CC_OP_ADX_LOGICL, CC_OP_ADX_LOGICQ, CC_OP_ADX_INCL, CC_OP_ADX_INCQ, CC_OP_ADX_DECL, CC_OP_ADX_DECQ,
    /* Translator and fault map only: INC or DEC of flags that nobody knew, which stay where they are for CF (CC_OVER_SHIFT). */
    CC_OP_OVER_INCB, CC_OP_OVER_DECQ = CC_OP_OVER_INCB + 7,
    CC_OP_COUNT
} CCOp;

/* env->cc_op: from this bit on an INC or DEC member, or 0. Then its result is in cc_inc and the flags are its, but for CF, which the
 * lower bits, cc_dst, cc_src and cc_src2 tell as they would alone. */
enum { CC_OVER_SHIFT = 8, CC_BASE_MASK = (1 << CC_OVER_SHIFT) - 1 };

typedef union XmmReg { uint8_t b[32]; uint16_t w[16]; uint32_t l[8]; uint64_t q[4]; float s[8]; double d[4]; } XmmReg;
typedef union FpReg {
    struct { uint64_t mant; uint16_t exp; uint8_t pad[6]; }; /* 80-bit value in memory form */
    uint64_t mmx;
} FpReg;

enum { CPUX86_FEATURE_WORDS = 12 };

/* How the interrupt controllers answer the CPU; filled by the board. NULL members: no APIC. Under the BQL. */
typedef struct CPUX86IrqOps {
    int (*get_vector)(void *opaque);                  /* INTR acknowledge (LAPIC, then PIC); -1: spurious, nothing */
    uint8_t (*get_tpr)(void *opaque);                 /* CR8 << 4 */
    void (*set_tpr)(void *opaque, uint8_t tpr);
    uint64_t (*get_apicbase)(void *opaque);           /* this one without the lock, too */
    bool (*set_apicbase)(void *opaque, uint64_t val); /* false: #GP */
    bool (*msr_read)(void *opaque, uint32_t msr, uint64_t *val);  /* x2APIC 800h-8FFh, TSC deadline 6E0h; false: #GP */
    bool (*msr_write)(void *opaque, uint32_t msr, uint64_t val);
    void (*ferr)(void *opaque);                       /* FERR# asserted: IRQ 13 */
    void (*set_a20)(void *opaque, int level);
    void (*smm_changed)(void *opaque, bool on);       /* SMM entered or left: show or hide SMRAM */
} CPUX86IrqOps;

typedef struct CPUX86State {
    TcgEnvHead head;           /* gpr[], eip: use env->head.gpr, or the macros below */

    /* lazy flags */
    uint64_t cc_dst, cc_src, cc_src2;
    uint32_t cc_op;            /* CCOp, and CC_OVER_SHIFT */
    int32_t df;                /* 1 or -1 */
    uint64_t cc_inc;           /* see CC_OVER_SHIFT */
    uint64_t eflags;           /* all but CC_MASK and DF (bit 1 always set) */
    uint32_t hflags;           /* HF_* that cpu_update_hflags keeps */
    bool port_in;              /* IN executes: a device may use the registers (vmport) */
    uint32_t inhibit_irq;      /* during the shadow: SHADOW_STI or SHADOW_MOVSS */

    SegCache segs[6], ldt, tr;
    int64_t tls_last[2][2];    /* FS and GS outside 64-bit code, reading and writing: the last byte that needs no closer look, -1: none */
    struct { uint64_t base; uint32_t limit; } gdt, idt;

    uint64_t cr[5];            /* cr[1] unused */
    uint64_t efer, star, lstar, cstar, fmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip, tsc_aux, tsc_adjust, tsc_offset, tsc_deadline;
    uint64_t pat, mtrr_deftype, mtrr_fixed[11], mtrr_var[16], mcg_status, mcg_ctl, mc_banks[40], misc_enable,
        xcr0, xss, smbase, spec_ctrl, microcode, feature_control, debugctl;
    uint64_t dr[8];
    uint32_t pkru;
    uint32_t pk_seen;          /* keys of the user pages that the TLB may have; bit 16 + key: among them a global one */
    uint64_t pdptes[4];        /* PAE: loaded at CR3 write */

    /* x87 */
    FpReg fpregs[8];           /* physical registers; ST(i) is fpregs[(fpstt + i) & 7] */
    uint32_t fpstt;            /* TOP */
    uint16_t fpus, fpuc;       /* status without TOP; control word */
    uint8_t fptags[8];         /* 1: empty; physical numbering */
    bool x87_slow;             /* the next x87 instruction is for a helper */
    uint64_t fpip, fpdp;
    uint16_t fpcs, fpds, fpop;

    XmmReg xmm[16];
    uint32_t mxcsr;            /* what LDMXCSR loaded; sticky flags are in head.mxcsr_run: cpu_get_mxcsr() */
    uint64_t mm_scratch[8];    /* gen-sse's and gen-x87's scratch slots */

    /* pending exception */
    int32_t error_code;
    bool exception_is_int;     /* INT n / INT3 / INTO: eip of the next instruction is pushed */
    uint64_t exception_next_eip;
    int32_t old_exception;     /* for #DF; -1 none */
    uint32_t insn_stack;       /* of the instruction whose state was restored last: INSN_STACK... */
    bool nmi_masked, smm_in_nmi /* what RSM goes back to */, in_smm;
    bool shutdown;             /* triple fault: waits for the reset */
    uint32_t pending_db;       /* DR6 bits of a data or I/O breakpoint hit: #DB after this instruction */

    uint64_t a20_mask;         /* ~0 or ~(1 << 20) */
    const CPUX86IrqOps *irq_ops;
    void *irq_opaque;

    /* model, set once */
    const struct CPUX86Model *model;
    uint32_t features[CPUX86_FEATURE_WORDS]; /* see cpuid.h */
    uint32_t phys_bits;
    struct { uint32_t signature, level, xlevel; char vendor[13], model_id[49]; } cpuid;
    CPUState *cpu;
} CPUX86State;

/* What translation notes of each instruction for its faults, beside eip; in CPUX86State.insn_stack the upper ones. */
enum {
    INSN_CC_OP = 0x7f,          /* cc_op before it */
    INSN_TWO = 1 << 7,          /* MOVS, CMPS outside 64-bit code: INSN_STACK says whether ES is flat, the other two are of the source */
    INSN_STACK = 1 << 8,        /* pushes or pops; these three outside 64-bit code: in a flat segment */
    INSN_OPERAND = 1 << 9,      /* has an operand in memory */
    INSN_OPERAND_SS = 1 << 10,  /* whose segment is SS */
    INSN_X87_NOTE = 1 << 11,    /* this and all above: FIP and FOP that are not in env yet (gen-x87-stack.c) */
};
_Static_assert((int)CC_OP_COUNT <= (int)INSN_CC_OP, "cc_op");

/* In check_seg's word. */
enum { CHECK_WRITE = 1 << 16, CHECK_ALIGN_SHIFT = 17 /* log2, three bits: #GP of its own, first */, CHECK_FIRST_SHIFT = 20 /* size of the first of two parts */ };
/* In helpers' words for images in memory. */
enum { AREA_SEG_SHIFT = 8 /* three bits */, AREA_WRAPS16 = 1 << 11, AREA_WRAPS32 = 1 << 12 /* offsets have so many bits */ };

/* Temps' numbers in TcgGuest.globals (x86_tcg_guest in translate.c). cc_op is no global: it is a
 * constant while translating, and stored with st32 when it changes. */
enum {
    G_GPR = 0,        /* 16 general registers */
    G_CC_DST = 16, G_CC_SRC = 17, G_CC_SRC2 = 18,
    G_XMM = 19,       /* 16 of type V128 */
    G_YMM = 35,       /* the same registers as V256; a TB uses one set only (docs/avx.md) */
    G_PC_PAGE = 51,   /* never written by translated code */
    G_CC_INC = 52,
    G_COUNT = 53
};

#define X86_ENV(cpu) ((CPUX86State *)(cpu)->env)
static inline CPUState *x86_cpu(CPUX86State *env) { return env->cpu; }

/* cpu.c: "qemu64,+avx,-sse4.2"; NULL: default model. Errors name the model or flag. Created in reset state. */
CPUX86State *cpu_x86_create(const char *model, GError **errp);
void cpu_x86_free(CPUX86State *env);
/* One CPUID execution; out: eax, ebx, ecx, edx. */
void cpu_x86_cpuid(CPUX86State *env, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
void cpu_x86_list_models(GString *out);     /* -cpu help */
extern const VMField cpu_x86_fields[];
void cpu_x86_pre_load(CPUX86State *env);    /* before fields are loaded, and after: rebuild what is derived */
void cpu_x86_post_load(CPUX86State *env);
extern const CPUOps cpu_x86_ops;
void cpu_x86_set_a20(CPUX86State *env, bool on); /* under the BQL */
void cpu_x86_nmi(CPUX86State *env);         /* any thread with the BQL */
void cpu_x86_smi(CPUX86State *env);
void cpu_x86_init_reset(CPUX86State *env);  /* INIT */
/* Monitor: registers by name for p/x expressions ("rax", "eip", "pc", "cs", "cr0", ...). */
bool cpu_x86_get_reg(CPUX86State *env, const char *name, uint64_t *val);
void cpu_x86_info_mem(CPUX86State *env, GString *out);
void cpu_x86_info_tlb(CPUX86State *env, GString *out);
unsigned cpu_x86_code_bits(CPUX86State *env); /* 16, 32, 64: for x/i */
int64_t cpu_x86_tsc(CPUX86State *env);      /* guest TSC now, by the clock of its timers */
/* The same as all its instructions read it (clock_vm_ns_near()): never behind the other, some 100 ns before it at most. */
uint64_t cpu_x86_read_tsc(CPUX86State *env);

#define CPU_INTERRUPT_NMI CPU_INTERRUPT_TGT0
#define CPU_INTERRUPT_SMI CPU_INTERRUPT_TGT1
#define CPU_INTERRUPT_INIT CPU_INTERRUPT_TGT2
#define CPU_INTERRUPT_SIPI CPU_INTERRUPT_TGT3
#define CPU_INTERRUPT_RESET CPU_INTERRUPT_TGT4
#define CPU_INTERRUPT_DB (1 << 9) /* env->pending_db is to be raised */

/* --- inside target-x86 --- */

/* hflags that follow from cr0, cr4, efer, eflags, segs, dr7, mxcsr. Call after any of them changed. */
void cpu_update_hflags(CPUX86State *env);
uint32_t cpu_compute_eflags(CPUX86State *env);            /* whole EFLAGS, lazy ones evaluated (flags.c) */
void cpu_load_eflags(CPUX86State *env, uint32_t val, uint32_t mask); /* writes masked bits; updates hflags */
uint32_t cpu_cc_compute_all(CPUX86State *env);            /* the six flags */
static inline unsigned cpu_cpl(const CPUX86State *env) { return env->hflags & HF_CPL; }
static inline unsigned cpu_iopl(const CPUX86State *env) { return env->eflags >> 12 & 3; }
static inline unsigned cpu_mmu_index(const CPUX86State *env)
{
    return cpu_cpl(env) == 3 ? MMU_USER : env->hflags & HF_SMAP_OFF ? MMU_KNOSMAP : MMU_KERNEL;
}

/* excp.c. ra: return address into translated code (GETPC() in the helper itself) or 0. */
void raise_exception(CPUX86State *env, int vector, uintptr_t ra) G_GNUC_NORETURN;
void raise_exception_err(CPUX86State *env, int vector, int error_code, uintptr_t ra) G_GNUC_NORETURN;
/* INT n and friends: pushes next_eip */
void raise_interrupt(CPUX86State *env, int vector, uint64_t next_eip, uintptr_t ra) G_GNUC_NORETURN;
void cpu_deliver(CPUX86State *env, int vector, bool is_int, int error_code, uint64_t next_eip, bool is_hw);

/* helper-seg.c */
void cpu_load_seg_cache(CPUX86State *env, int seg, unsigned selector, uint64_t base, uint32_t limit, uint32_t flags);
void cpu_load_seg(CPUX86State *env, int seg, int selector, uintptr_t ra); /* with all checks */
void cpu_update_data_seg(CPUX86State *env, int seg); /* cpu_update_hflags(), when ES, DS, FS or GS changed and nothing else */

/* helper-sys.c, mmu.c */
void cpu_set_cr0(CPUX86State *env, uint64_t val);
void cpu_set_cr3(CPUX86State *env, uint64_t val);
void cpu_set_cr4(CPUX86State *env, uint64_t val);
bool x86_tlb_fill(CPUState *cpu, vaddr addr, unsigned size, AccessType type, unsigned mmu_idx, bool probe, uintptr_t ra);
hwaddr x86_phys_page_debug(CPUState *cpu, vaddr addr);

/* helper-sse / x87: MXCSR and FP state */
uint32_t cpu_get_mxcsr(CPUX86State *env);           /* with sticky flags */
void cpu_set_mxcsr(CPUX86State *env, uint32_t val); /* also the running host MXCSR when called from a helper */
/* For the handler of SIGFPE (with SA_SIGINFO): true if the guest's vector instruction raised it; the handler just returns. */
bool cpu_x86_host_fpe(void *ucontext);
enum { MXCSR_MM = 1 << 17 };              /* AMD: vector operands in memory need no alignment */
uint32_t cpu_mxcsr_mask(const CPUX86State *env); /* the bits that exist */
uint64_t cpu_x86_xinuse(CPUX86State *env);          /* XSAVE components not in their initial state */
uint16_t cpu_get_fpsw(const CPUX86State *env);      /* status with TOP */
uint16_t cpu_get_fptag(const CPUX86State *env);     /* full two-bit tag word */
void cpu_fpu_reset(CPUX86State *env);               /* FNINIT */
void x86_leave_x87(CPUState *cpu);                  /* CPUOps.leave_code */
/* What the host's control word is to be while translated code runs; the prologue loads it. */
static inline void x87_set_run_cw(CPUX86State *env)
{
    env->head.x87_cw = (env->fpuc & 0x3f) == 0x3f ? env->fpuc : 0x37f;
    env->head.x87_modes = env->head.x87_cw != 0x37f;
}

/* translate.c */
extern const TcgGuest x86_tcg_guest; /* slow paths are filled in by accel_init from cputlb */
void x86_translate(CPUState *cpu, TB *tb, TcgContext *s, unsigned max_insns);
/* 64-bit user code from this linear address on (and below the end of its half) is translated without its page in it. For
 * tests; to be changed only while there are no TBs. */
extern uint64_t x86_float_min;
void x86_restore_state(void *env, const uint64_t data[2]);

#endif
