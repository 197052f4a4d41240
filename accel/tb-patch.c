/* tb-patch.c - immediates that the guest patches again and again.
 *
 * A program that stores a new immediate into its code each time round (inner loops of old games, run-time
 * code generators) would pay for an invalidation and a translation with each store. The place of a store
 * that cost TBs is noted; when it has cost them often, the front end reads an immediate that holds it
 * from guest memory when the instruction runs (tb_patched_immediate()), and a store that stays inside such
 * an immediate leaves the TB alone (tb_patch_is_soft()).
 * Exact: the instruction would be fetched with the bytes that are there when it runs, and so it is.
 *
 * The table has one place per slot: which immediates are soft is a matter of speed alone, so places that
 * collide just push each other out. Everything is under the tb lock, but for the read in translation: the
 * one translating vCPU is also who notes. */
#include "accel/internal.h"

enum { PATCH_SLOTS = 256, PATCH_OFTEN = 8, MAX_IMMEDIATE = 8 };

static struct {
    ram_addr_t addr;
    uint8_t len, cost;
} places[PATCH_SLOTS];
/* Immediates that TBs read: few TBs have any, so not in TB. By TB; its has_soft tells whether what is here is its own. */
typedef struct SoftImmediate { uint16_t off; uint8_t len; } SoftImmediate; /* of its first page */
enum { MAX_SOFT = 4 };
typedef struct SoftImmediates { unsigned n; SoftImmediate at[MAX_SOFT]; } SoftImmediates;
static GHashTable *soft_of;
static SoftImmediates draft; /* of the TB under translation */
static unsigned nb_often; /* notes that reached PATCH_OFTEN since the last flush: 0 saves the search */

void tb_patch_note(ram_addr_t addr, uint64_t len)
{
    unsigned n = addr % PATCH_SLOTS;
    if (len > MAX_IMMEDIATE)
        return;
    if (places[n].addr != addr || places[n].len != len) {
        places[n].addr = addr;
        places[n].len = len;
        places[n].cost = 0;
    }
    if (places[n].cost < PATCH_OFTEN && ++places[n].cost == PATCH_OFTEN)
        nb_often++;
}

void tb_patch_forget(void)
{
    memset(places, 0, sizeof places);
    nb_often = 0;
    g_clear_pointer(&soft_of, g_hash_table_destroy);
}

static bool patched_inside(ram_addr_t addr, unsigned len)
{
    for (unsigned i = 0; i < len; i++) {
        unsigned n = (addr + i) % PATCH_SLOTS;
        if (places[n].cost == PATCH_OFTEN && places[n].addr == addr + i && i + places[n].len <= len)
            return true;
    }
    return false;
}

const void *tb_patched_immediate(CPUState *cpu, TB *tb, vaddr addr, unsigned len)
{
    unsigned page_off = addr & ~TCG_PAGE_MASK;
    if (likely(nb_often == 0) || tb->page == (uint32_t)TB_NO_PAGE || (tb->has_soft && draft.n == MAX_SOFT))
        return NULL;
    /* on the TB's first page, which is the one whose bytes are at hand */
    if (((addr ^ tb->pc) & TCG_PAGE_MASK) || page_off + len > TCG_PAGE_SIZE ||
        cpu->code_page.page != (addr & TCG_PAGE_MASK) || !patched_inside(tb_page(tb, 0) + page_off, len))
        return NULL;
    if (!tb->has_soft)
        draft.n = 0;
    tb->has_soft = true;
    draft.at[draft.n++] = (SoftImmediate){page_off, len};
    return cpu->code_page.host + page_off;
}

void tb_patch_keep(const TB *tb)
{
    if (!soft_of)
        soft_of = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
    g_hash_table_replace(soft_of, (gpointer)tb, g_memdup2(&draft, sizeof draft));
}

bool tb_patch_is_soft(const TB *tb, unsigned from, unsigned to)
{
    const SoftImmediates *s = tb->has_soft ? g_hash_table_lookup(soft_of, tb) : NULL;
    for (unsigned i = 0; s && i < s->n; i++)
        if (from >= s->at[i].off && to <= s->at[i].off + s->at[i].len)
            return true;
    return false;
}
