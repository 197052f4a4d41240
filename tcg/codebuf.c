/* codebuf.c - the code buffer: one memory, seen writable at rw and executable at rx (W^X by two
 * mappings, so that hardened hosts which refuse RWX pages run it).
 *
 * Layout: the prologue (written once by the back end, ends at start), then TBs one behind the other.
 * When ptr passes end the owner flushes everything and starts again at start; there is no eviction of
 * single TBs. The margin behind end is larger than any TB the back end may emit before it looks. */
#include "tcg/tcg.h"
#include "host/base/mem.h"

enum { CODEBUF_MARGIN = 512 * 1024, CODEBUF_MIN = 2 * CODEBUF_MARGIN };

CodeBuf *codebuf_new(size_t size, GError **errp)
{
    CodeBuf *b = g_new0(CodeBuf, 1);
    void *rw, *rx;
    size_t page = sysconf(_SC_PAGESIZE);

    b->size = ROUND_UP(MAX(size, (size_t)CODEBUF_MIN), page);
    if (!mem_alloc_code(b->size, &rw, &rx, errp)) {
        g_free(b);
        return NULL;
    }
    b->rw = rw;
    b->rx = rx;
    b->rx_diff = b->rx - b->rw;
    b->ptr = b->start = b->rw;
    b->end = b->rw + b->size - CODEBUF_MARGIN;
    return b;
}

void codebuf_free(CodeBuf *b)
{
    if (!b)
        return;
    mem_free(b->rw, b->size);
    if (b->rx != b->rw)
        mem_free(b->rx, b->size);
    g_free(b);
}

void codebuf_flush(CodeBuf *b) { b->ptr = b->start; }

bool codebuf_contains(const CodeBuf *b, uintptr_t rx_addr)
{
    return rx_addr - (uintptr_t)b->rx < b->size; /* one unsigned comparison covers both ends */
}
