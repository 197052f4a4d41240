/* ir-guest.h - a guest architecture for tests of tcg/: 16 general globals (guest_reg 0-15, in
 * TcgEnvHead.gpr), three flag words, four 128-bit vector globals, and a flat guest memory.
 *
 * Guest memory is IRG_MEM_SIZE bytes at guest address IRG_MEM_BASE; the slow paths wrap addresses into
 * it, so that every access is good. By default the soft TLB is empty (all accesses take the slow
 * path); ir_guest_env_map() fills it so that accesses inside a page hit. */
#ifndef TESTS_LIB_IR_GUEST_H
#define TESTS_LIB_IR_GUEST_H

#include "tcg/ir-build.h"

enum {
    IRG_MEM_BASE = 0x40000, IRG_MEM_SIZE = 0x8000, IRG_MEM_PAD = 64, IRG_TLB_ENTRIES = 64,
    IRG_CC_DST = 16, IRG_CC_SRC, IRG_CC_SRC2, IRG_VEC0, IRG_NB_GLOBALS = IRG_VEC0 + 4, /* temp numbers */
    IRG_SCRATCH_SIZE = 256,
};

typedef struct IrGuestEnv {
    TcgEnvHead head; /* first: generated code finds it through env */
    uint64_t cc_dst, cc_src, cc_src2;
    _Alignas(32) uint8_t vec[4][32];                 /* the low 16 bytes are the globals */
    _Alignas(32) uint8_t scratch[IRG_SCRATCH_SIZE];  /* for host loads and stores at env + offset */
    uint8_t mem[IRG_MEM_SIZE + IRG_MEM_PAD];
    uint64_t slow_calls;                             /* accesses that took a slow path */
    TlbEntry tlb[TCG_MMU_MODES][IRG_TLB_ENTRIES];
    JumpCacheEntry jump_cache[JUMP_CACHE_SLOTS];
    uint32_t jump_page[JUMP_PAGES]; /* at jump_page_offset(0) from it */
} IrGuestEnv;

extern const TcgGuest ir_guest;

/* Helpers for call ops: (a, b) -> value, pure; (env) -> mix of all globals, reads; (env, a) changes rax, rcx,
 * cc_dst and vector 1, reads and writes. */
extern const TcgHelperInfo ir_helper_pure, ir_helper_read, ir_helper_write;

IrGuestEnv *ir_guest_env_new(void); /* g_free-able through ir_guest_env_free; all registers 0 */
void ir_guest_env_free(IrGuestEnv *e);
void ir_guest_env_randomize(IrGuestEnv *e, GRand *r); /* registers, vectors, scratch and memory */
void ir_guest_env_copy(IrGuestEnv *dst, const IrGuestEnv *src); /* guest-visible state only */
void ir_guest_env_map(IrGuestEnv *e);                 /* let accesses hit the soft TLB (all modes) */
/* true if registers, flag words, vectors, scratch, memory and eip agree; else says the first difference. */
bool ir_guest_env_equal(const IrGuestEnv *a, const IrGuestEnv *b, GString *why);

#endif
