/* diff.h - the differential tester: generated instruction sequences run in ring 3 on the host and on a Vireo CPU
 * (CPL 3, 4-level paging) from the same state; whatever a program can observe must be the same afterwards.
 *
 * A part of the sequences runs as 32-bit or 16-bit code (compatibility mode; 16 bits through an LDT).
 *
 * Both sides see the same linear addresses: a code area and twelve data pages, of which some are not mapped, some
 * read-only, none executable. Code ends by a jump to DIFF_EXIT. */
#ifndef TESTS_DIFF_DIFF_H
#define TESTS_DIFF_DIFF_H

#include "target-x86/cpu.h"
#include "target-x86/decode.h"
#include "target-x86/simd.h"

enum {
    DIFF_DATA = 0x10000000, DIFF_PAGES = 12, DIFF_CODE = 0x20000000, DIFF_CODE_SIZE = 0x200000,
    DIFF_CODE16 = DIFF_CODE + DIFF_CODE_SIZE - 0x10000, /* base of the 16-bit code segment */
    DIFF_EXIT = DIFF_CODE16 - 4096, DIFF_SLOT = 256,    /* the end of 64-bit code */
    DIFF_EXIT_ANY = DIFF_CODE16 + 0xf100, /* HLT there: #GP in any mode */
    DIFF_CODE16_SLOTS = DIFF_CODE16 + 0xc200, /* offsets that data does not have */
    DIFF_SCRATCH = DIFF_CODE16 + 0xe000,  /* for guest_decode() */
    DIFF_LSL_CPU = 0xbad5,                /* limit of the GDT entry that has the number of the host's CPU */
    DIFF_MAX_INSNS = 8, DIFF_VECTOR_NONE = -1, DIFF_VECTOR_ENDLESS = 255,
};
/* U: not mapped, W: writable, R: read-only */
#define DIFF_LAYOUT "UWWURWRUUWWU"
enum { DIFF_STACK_PAGE = 9, DIFF_WRITABLE = 5 };

enum { XS_FCW = 0, XS_FSW = 2, XS_FTW = 4, XS_MXCSR = 24, XS_ST = 32, XS_XMM = 160, XS_BV = 512, XS_YMMH = 576, XS_SIZE = 1088 };

typedef struct DiffState {
    _Alignas(64) uint8_t xs[XS_SIZE]; /* XSAVE image, standard format; x87, SSE and AVX components */
    uint64_t gpr[16];                 /* native.c knows these offsets */
    uint64_t rflags, rip, fsbase, gsbase; /* rip: linear */
    uint16_t sel[8];                  /* R_ES .. R_GS */
    int vector;                       /* DIFF_VECTOR_NONE: ran through */
    uint32_t err;
    uint64_t addr;                    /* of a page fault */
    unsigned image;                   /* start only: which memory image */
} DiffState;

/* One generated instruction */
typedef struct DiffInsn {
    uint8_t b[24], n;
    int8_t rip_at;          /* offset of a disp32 relative to rip, or -1 */
    uint32_t rip_target;
    int8_t rel_at, rel_size;/* branch displacement: to the start of instruction [own + 1 + skip], or the end */
    uint8_t skip;
    uint16_t fl_read, fl_undef, fl_written;
    bool fuzzy_mem;         /* stores what differs between processors: only last, memory is not compared */
    bool any_c1;            /* leaves x87's C1 as AMD does or as Intel does */
    bool rep, string, cl_small;
    bool leaves;            /* may go to DIFF_EXIT from here */
    bool x87_store;         /* sets exception flags and may fault */
    bool xsave, x87_trans;
    bool fl_cond;           /* writes flags, unless it repeats zero times */
    uint16_t clobber;       /* general registers that it leaves different each time: only last */
    bool seg;               /* selectors in registers are worth trying */
    bool lsl, no_66, no_rep;        /* no_66, no_rep: such a prefix would make it another instruction */
    int8_t vsib, vmask, vscale; bool vlong; /* gather: index and mask registers, or vsib -1 */
    bool is_row;            /* decodes to its row */
    int row;                /* number for the coverage table */
} DiffInsn;

typedef struct DiffSeq {
    DiffInsn insn[DIFF_MAX_INSNS];
    unsigned n;
    uint8_t role[16];       /* ROLE_* */
    int bits;               /* 64, 32, 16: what the code starts in */
    bool leaves;            /* may go anywhere, also round and round */
    bool ac_ok, xsave, fp, x87, cl_small, string, unmask, seg;
    uint64_t start;         /* linear address of the code */
    uint8_t code[DIFF_SLOT];
    unsigned code_len, at[DIFF_MAX_INSNS + 1];
} DiffSeq;
enum { ROLE_ANY, ROLE_PTR, ROLE_INDEX, ROLE_TARGET };

enum { FAM_INT, FAM_STRING, FAM_FLOW, FAM_SYS, FAM_SSE, FAM_FP, FAM_MMX, FAM_X87, FAM_VEX, FAM_SEG, FAM_COUNT };
extern const char *const diff_family_name[FAM_COUNT];

/* random numbers (xorshift): fast, the same everywhere */
extern uint64_t diff_rng;
static inline uint64_t rnd64(void)
{
    diff_rng ^= diff_rng << 13;
    diff_rng ^= diff_rng >> 7;
    diff_rng ^= diff_rng << 17;
    return diff_rng * 0x2545f4914f6cdd1dULL;
}
static inline unsigned below(unsigned n) { return ((rnd64() >> 32) * n) >> 32; }

/* memory images: start contents of the writable pages, and of the read-only ones */
enum { DIFF_IMAGES = 16 };
extern uint8_t diff_image[DIFF_IMAGES][DIFF_WRITABLE][4096];
extern uint8_t diff_ro[DIFF_PAGES][4096];

/* segs.c */
enum {
    SEL_CODE16 = 7, SEL_DATA16 = 0x0f, SEL_SHORT16 = 0x17, SEL_FS = 0x1f, SEL_GS = 0x27, SEL_DOWN16 = 0x2f, SEL_RO16 = 0x37,
    SEL_XO32 = 0x3f, SEL_CONF32 = 0x47, SEL_ABSENT = 0x4f, SEL_DOWN32 = 0x57, SEL_SHORT32 = 0x5f,
};
unsigned diff_table(bool local, uint64_t out[16]); /* GDT or LDT; returns the limit */
uint64_t diff_descriptor(unsigned sel);
uint64_t diff_cs_base(unsigned sel);
bool segs_init_native(void);                       /* false: no LDT on this host */
unsigned gen_selector(void);
unsigned gen_far_target(uint32_t *off);
void gen_segments(DiffState *st, int bits);

/* native.c */
void native_init(void);
void native_write(uint64_t addr, const void *code, size_t len);
void native_run(DiffState *st, bool may_loop);
void diff_watchdog(unsigned usec); /* of processor time; 0: off */ /* in: start, out: end; memory stays for native_page() */
uint8_t *native_page(unsigned page);
const uint8_t *native_exit_stub(void); /* 16 bytes at DIFF_EXIT; the last 8 are the address that they jump to */

/* guest.c */
enum { RUN_NORMAL, RUN_ONE_INSN, RUN_NO_OPT, RUN_RANDOM_REGS, RUN_INTERP, RUN_FLOATING, RUN_MODES };
extern gboolean diff_float; /* 64-bit code floats (docs/floating-tbs.md) in every mode, not only in RUN_FLOATING */
void guest_init(const char *model);
CPUX86State *guest_env(void);
void guest_write(uint64_t addr, const void *code, size_t len);
void guest_set_mode(int mode);  /* before guest_write() */
void guest_run(DiffState *st, bool may_loop);
void guest_stop(void); /* from a signal handler: the code loops */
/* The row that Vireo's decoder finds for these bytes; NULL: #UD. *len: 0 if #GP for more than 15 bytes. */
const void *guest_decode(const uint8_t *b, unsigned n, int bits, unsigned *len);
extern uint64_t guest_interpreted; /* TBs that the interpreter ran */
uint8_t *guest_page(unsigned page);

/* known.c: what is not the same for a reason; the name of the rule, or NULL. kinds: everything that differs; */
enum {
    DK_VECTOR = 1, DK_ERR = 2, DK_ADDR = 4, DK_RIP = 8, DK_SEL = 16, DK_GPR = 32, DK_FLAGS = 64, DK_BASE = 128, DK_MXCSR = 256,
    DK_X87 = 512, DK_VEC = 1024, DK_MEM = 2048,
};
const char *known_deviation(const DiffSeq *q, const DiffState *n, const DiffState *v, unsigned kinds);

/* state.c */
uint64_t gen_special(void); /* a boundary value, or any */
uint64_t gen_addr(void);    /* in the data pages, mostly */
extern bool diff_edges;     /* addresses near the ends of pages and segments, mostly; sequences of one instruction */
uint32_t gen_offset(int bits); /* the same as an offset in the data segment of such code */
void gen_images(void);
void gen_state(DiffState *st, const DiffSeq *q);

/* mutate.c: useless, repeated and wrong prefixes, VEX fields; bits as in DiffSeq. What is no longer the same row but
 * another defined one is left as it was. */
void gen_mutate(DiffInsn *g, int bits, bool may_rep, bool may_66);

/* rows.c: numbers of rows are opcodes.def's, simd.def's, x87 encodings, vex.def's */
enum { X87_ROWS = 64 + 512 };
#define SIMD_AT nb_opcode_rows
#define X87_AT (SIMD_AT + simd_row_count)
#define VEX_AT (X87_AT + X87_ROWS)
bool row_is_string(const char *name);
bool row_is_seg(const char *name);
const unsigned *gen_carry_rows(bool mode64, unsigned *n); /* those of integer rows that make and take carries */
const unsigned *gen_family(bool mode64, int family, unsigned *n); /* its rows in such code */

/* fixed.c: case n of the fixed ones; false: there are no more */
bool fixed_case(unsigned n, DiffSeq *q, DiffState *st, const char **what);

/* gen.c; gen_row_* and gen_init: rows.c */
void gen_init(void);
bool gen_seq(DiffSeq *q, int family, int bits);
void gen_layout(DiffSeq *q, uint64_t start); /* code bytes for that address */
unsigned gen_row_count(void);
unsigned gen_simd_rows(void); /* number of the first row that is a vector's or x87's */
char *gen_row_name(unsigned row);
int gen_row_family(unsigned row);    /* -1: not generated */
const char *gen_row_reason(unsigned row); /* why it is not */

#endif
