/* patch.c - changes in code that may be running: links of jumps, counts of runs that come and go.
 * Spec: Intel SDM vol. 3, 9.1.3: a store inside an aligned quadword, into code that runs elsewhere, is seen whole. */
#include "tcg/regalloc.h"

/* A count of runs: `inc dword [rip + disp]` in an aligned quadword. Or a nop of six bytes. */
enum { COUNT_BYTES = 6, COUNT_OPCODE = 0x05ff };

uint32_t tcg_counts(const CodeBuf *b, const uint8_t *code_rx)
{
    uint64_t code;
    memcpy(&code, code_rx - b->rx_diff, sizeof code);
    uintptr_t at = (uintptr_t)code_rx + COUNT_BYTES + (uintptr_t)(int64_t)(int32_t)(code >> 16) - (uintptr_t)b->guesses->guess;
    return (uint16_t)code == COUNT_OPCODE && (uintptr_t)code_rx % 8 == 0 && at < MAX_GUESSES * sizeof(PageGuess) ? at / sizeof(PageGuess) : 0;
}

__attribute__((target("general-regs-only"))) void tcg_set_counting(CodeBuf *b, uint8_t *code_rx, uint32_t runs, bool on)
{
    uint64_t *at = (uint64_t *)(void *)(code_rx - b->rx_diff), keep = *at & 0xffffull << 48;
    uint32_t disp = (uintptr_t)codebuf_runs(b, runs) - ((uintptr_t)code_rx + COUNT_BYTES);
    uint64_t count = keep | COUNT_OPCODE | (uint64_t)disp << 16, nop = keep | 0x0000441f0f66ull;

    g_assert(*at == (on ? nop : count));
    __atomic_store_n(at, on ? count : nop, __ATOMIC_RELEASE);
}

void tcg_patch_jump(CodeBuf *b, uint8_t *code_rx, uint32_t jump_off, const uint8_t *target_rx)
{
    uint8_t *at_rx = code_rx + jump_off;
    int32_t rel = target_rx - (at_rx + 4);
    __atomic_store_n((int32_t *)(void *)(at_rx - b->rx_diff), rel, __ATOMIC_RELEASE);
}

void tcg_link_far(CodeBuf *b, uint8_t *code_rx, uint32_t jump_off, uint32_t reset_off, uint32_t page, const uint8_t *target_rx)
{
    const uint8_t *aside = code_rx + reset_off + TCG_FAR_ASIDE;

    memcpy(code_rx + jump_off - TCG_FAR_PAGE - b->rx_diff, &page, sizeof page);
    tcg_patch_jump(b, code_rx, jump_off - TCG_FAR_ASIDE_JUMP, aside);
    tcg_patch_jump(b, code_rx, jump_off, target_rx ? target_rx : aside);
}
