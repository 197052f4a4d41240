/* monitor-info.c - `info mem` and `info tlb`: the guest's page tables as text, in QEMU's formats.
 * Spec: Intel SDM vol. 3, chapter 4. The walk changes nothing. A hostile table can map 2^36 pages: output ends
 * after MAX_LINES. */
#include "host/base/osdep.h"
#include "target-x86/sys.h"

enum { MAX_LINES = 1 << 20 };
enum { P_P = 1, P_W = 2, P_U = 4, P_PWT = 8, P_PCD = 16, P_A = 32, P_D = 64, P_PS = 128, P_G = 256 };
#define P_NX (1ULL << 63)
#define P_ADDR 0x000ffffffffff000ULL

typedef struct Listing {
    CPUX86State *env;
    GString *out;
    unsigned lines;
    /* one mapped page; rights: U and W of all levels */
    void (*page)(struct Listing *l, vaddr va, uint64_t entry, uint64_t paddr, uint64_t size, uint64_t rights);
    /* info mem: the run so far */
    vaddr run_start, run_end;
    uint64_t run_rights;
    bool in_run;
} Listing;

static vaddr sign_extend(CPUX86State *env, vaddr va)
{
    unsigned unused = env->cr[4] & CR4_LA57 ? 7 : 16;

    return cpu_lma(env) ? (uint64_t)((int64_t)(va << unused) >> unused) : va;
}

static void walk_table(Listing *l, hwaddr table, int level, vaddr va, uint64_t rights)
{
    bool pae = l->env->cr[4] & CR4_PAE;
    unsigned size = pae ? 8 : 4, bits = pae ? 9 : 10, shift = 12 + bits * (level - 1);
    for (unsigned i = 0; i < 1u << bits && l->lines < MAX_LINES; i++) {
        uint64_t e = cpu_phys_ld(l->env->cpu, (table + i * size) & l->env->a20_mask, size);
        vaddr a = va | (uint64_t)i << shift;
        if (!(e & P_P))
            continue;
        bool big = (e & P_PS) && (level == 2 ? pae || (l->env->cr[4] & CR4_PSE) : level == 3);
        if (level == 1 || big) {
            uint64_t page = 1ULL << shift, pa = (e & P_ADDR & ~(page - 1)) | (big && !pae ? (e >> 13 & 0xff) << 32 : 0);
            if (!pae && big)
                pa = (e & 0xffc00000u) | (e >> 13 & 0xff) << 32;
            l->page(l, a, e, pa, page, rights & e);
        } else {
            walk_table(l, e & (pae ? P_ADDR : 0xfffff000u), level - 1, a, rights & e);
        }
    }
}

static void walk_all(Listing *l)
{
    CPUX86State *env = l->env;
    if (!(env->cr[4] & CR4_PAE)) {
        walk_table(l, env->cr[3] & 0xfffff000u, 2, 0, P_U | P_W);
    } else if (cpu_lma(env)) {
        walk_table(l, env->cr[3] & P_ADDR, env->cr[4] & CR4_LA57 ? 5 : 4, 0, P_U | P_W);
    } else {
        for (unsigned i = 0; i < 4; i++)
            if (env->pdptes[i] & P_P)
                walk_table(l, env->pdptes[i] & P_ADDR, 2, (vaddr)i << 30, P_U | P_W);
    }
}

static void tlb_line(Listing *l, vaddr va, uint64_t e, uint64_t paddr, uint64_t size, uint64_t rights)
{
    l->lines++;
    g_string_append_printf(l->out, "%016" PRIx64 ": %016" PRIx64 " %c%c%c%c%c%c%c%c%c\n", sign_extend(l->env, va), paddr,
                           e & P_NX ? 'X' : '-', e & P_G ? 'G' : '-', size > 4096 ? 'P' : '-', e & P_D ? 'D' : '-',
                           e & P_A ? 'A' : '-', e & P_PCD ? 'C' : '-', e & P_PWT ? 'T' : '-', e & P_U ? 'U' : '-', e & P_W ? 'W' : '-');
}

static void mem_flush_run(Listing *l)
{
    if (!l->in_run)
        return;
    l->lines++;
    g_string_append_printf(l->out, "%016" PRIx64 "-%016" PRIx64 " %016" PRIx64 " %cr%c\n", sign_extend(l->env, l->run_start),
                           sign_extend(l->env, l->run_end), l->run_end - l->run_start, l->run_rights & P_U ? 'u' : '-',
                           l->run_rights & P_W ? 'w' : '-');
    l->in_run = false;
}

static void mem_page(Listing *l, vaddr va, uint64_t e, uint64_t paddr, uint64_t size, uint64_t rights)
{
    if (l->in_run && l->run_end == va && l->run_rights == rights) {
        l->run_end += size;
        return;
    }
    mem_flush_run(l);
    l->in_run = true;
    l->run_start = va;
    l->run_end = va + size;
    l->run_rights = rights;
}

static bool paging_on(CPUX86State *env, GString *out)
{
    if (env->cr[0] & CR0_PG)
        return true;
    g_string_append(out, "PG disabled\n");
    return false;
}

void cpu_x86_info_tlb(CPUX86State *env, GString *out)
{
    Listing l = {.env = env, .out = out, .page = tlb_line};
    if (paging_on(env, out))
        walk_all(&l);
}

void cpu_x86_info_mem(CPUX86State *env, GString *out)
{
    Listing l = {.env = env, .out = out, .page = mem_page};
    if (!paging_on(env, out))
        return;
    walk_all(&l);
    mem_flush_run(&l);
}
