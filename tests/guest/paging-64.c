/* paging-64.c - rights and faults of 4-level paging, A and D bits, stale translations, global pages, PCIDs, protection
 * keys. Each right is compared with a model that is written here from the manual's text.
 * Spec: Intel SDM vol. 3, 4.5 to 4.7, 4.8 (accessed and dirty), 4.10 (invalidation, PCIDs). */
#include "lib.h"

enum { P = 1, W = 2, U = 4, A = 1 << 5, D = 1 << 6, PS = 1 << 7, G = 1 << 8 };
#define NX (1ul << 63)
#define RSVD51 (1ul << 51)
enum { CR4_PGE = 1 << 7, CR4_PCIDE = 1 << 17, CR4_SMEP = 1 << 20, CR4_SMAP = 1 << 21, CR4_PKE = 1 << 22, CR0_WP = 1 << 16 };
enum { READ, WRITE, FETCH };
enum { KERNEL, KERNEL_AC, USER };
enum { E_P = 1, E_W = 2, E_U = 4, E_RSVD = 8, E_ID = 16, E_PK = 32 };
enum { EFER = 0xc0000080 };

/* 80000000h: page table `tpt` with the pages under test. 80200000h: the ring-3 code and its stack. */
#define TEST_VA 0x80000000ul
#define USER_VA 0x80200000ul
typedef uint64_t Table[512] __attribute__((aligned(4096)));
static Table tpt, upt, pml4b, pdptb, pdb;
static uint8_t data[4][4096] __attribute__((aligned(4096))), user_stack[4096] __attribute__((aligned(4096)));
extern word pd[], pml4[];
static uint64_t *const test_pde = (uint64_t *)&pd[1024];

__asm__(".text\n.balign 4096\nuser_code:\nuser_read: mov (%rdi), %al\nud2\nuser_write: movb $0x5a, (%rdi)\nud2\n"
        "user_fetch: jmp *%rdi\n.balign 4096\n");
extern char user_code[], user_read[], user_write[], user_fetch[];

static inline word get_cr4(void) { word v; __asm__ volatile("mov %%cr4, %0" : "=r"(v)); return v; }
static inline void set_cr4(word v) { __asm__ volatile("mov %0, %%cr4" : : "r"(v) : "memory"); }
static inline word get_cr3(void) { word v; __asm__ volatile("mov %%cr3, %0" : "=r"(v)); return v; }
static inline void set_cr3(word v) { __asm__ volatile("mov %0, %%cr3" : : "r"(v) : "memory"); }
static inline void set_cr0_wp(bool on)
{
    word v;
    __asm__ volatile("mov %%cr0, %0" : "=r"(v));
    __asm__ volatile("mov %0, %%cr0" : : "r"(on ? v | CR0_WP : v & ~(word)CR0_WP) : "memory");
}
static void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub));
}
static word rdmsr(uint32_t n) { uint32_t l, h; __asm__ volatile("rdmsr" : "=a"(l), "=d"(h) : "c"(n)); return l | (word)h << 32; }
static void wrmsr(uint32_t n, word v) { __asm__ volatile("wrmsr" : : "c"(n), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory"); }
static bool has_smep, has_smap, has_pcid, has_invpcid, has_pku, has_1g;

static struct __attribute__((packed)) {
    uint32_t zero;
    uint64_t rsp[3], zero2, ist[7];
    uint8_t rest[12];
} tss;
static uint8_t ring0_stack[4096] __attribute__((aligned(16)));

static void setup(void)
{
    uint64_t b = (uint64_t)&tss;
    uint32_t r[4];

    gdt[6] = 0x00affb000000ffff; /* 30h: 64-bit code, ring 3 */
    gdt[8] = 0x890000000000 | (b & 0xffffff) << 16 | (b >> 24 & 0xff) << 56 | (sizeof tss - 1);
    gdt[9] = b >> 32;
    tss.rsp[0] = (uint64_t)(ring0_stack + sizeof ring0_stack);
    __asm__ volatile("ltr %%ax" : : "a"(0x40));
    cpuid(7, 0, r);
    has_smep = r[1] >> 7 & 1, has_smap = r[1] >> 20 & 1, has_invpcid = r[1] >> 10 & 1, has_pku = r[2] >> 3 & 1;
    cpuid(1, 0, r);
    has_pcid = r[2] >> 17 & 1;
    cpuid(0x80000001, 0, r);
    has_1g = r[3] >> 26 & 1;
    /* Nothing of the kernel may be a user page. */
    for (int i = 0; i < 1024; i++)
        pd[i] &= ~(word)U;
    *test_pde = (word)tpt | P | W | U;
    pd[1025] = (word)upt | P | W | U;
    upt[0] = (word)user_code | P | U;
    upt[1] = (word)user_stack | P | W | U;
    memset(data, 0x0b, sizeof data);
    for (int i = 0; i < 4; i++)
        data[i][0] = 0x0f; /* ud2 */
    flush_tlb();
}

/* --- one access --- */

static word target;
static int access_type, access_mode;

NOINLINE static void kernel_access(void)
{
    if (access_mode == KERNEL_AC)
        __asm__ volatile("pushfq\norl $0x40000, (%%rsp)\npopfq" : : : "memory", "cc");
    if (access_type == READ)
        __asm__ volatile("mov (%0), %%al" : : "D"(target) : "rax", "memory");
    else if (access_type == WRITE)
        __asm__ volatile("movb $0x5a, (%0)" : : "D"(target) : "memory");
    else
        __asm__ volatile("jmp *%0" : : "D"(target) : "memory");
    __asm__ volatile("ud2");
}

NOINLINE static void user_access(void)
{
    static char *const entry[] = {user_read, user_write, user_fetch};
    word ip = USER_VA + (word)(entry[access_type] - user_code);

    __asm__ volatile("push $0x23\npush %0\npush $2\npush $0x33\npush %1\niretq" : : "r"(USER_VA + 0x1ff8), "r"(ip), "D"(target));
}

/* -1: done; otherwise the error code of the #PF; -2: something else */
static int try_access(int type, int mode, word va)
{
    access_type = type;
    access_mode = mode;
    target = va;
    int v = catching(mode == USER ? user_access : kernel_access);
    __asm__ volatile("pushfq\nandl $0xfffbffff, (%%rsp)\npopfq" : : : "memory", "cc");
    if (v == 6) {
        if (type == FETCH)
            CHECK_EQ(exc.ip, va);
        return -1;
    }
    CHECK_EQ(v, 14);
    CHECK_EQ(exc_cr2, va);
    return v == 14 ? (int)exc.error : -2;
}

static void check_access(int type, int mode, word va, int want, const char *what, int line)
{
    int got = try_access(type, mode, va);
    check_that(got == want, what, line, (word)(long)got, (word)(long)want);
}
#define EXPECT(type, mode, va, want) check_access(type, mode, va, want, #type " " #mode " " #va, __LINE__)

/* --- all combinations of rights --- */

typedef struct Modes {
    bool wp, smep, smap, nxe;
} Modes;

/* pde, pte: both present, unless pte is 0 */
static int model(int type, int mode, uint64_t pde, uint64_t pte, Modes m)
{
    bool user = pde & pte & U, write = pde & pte & W, nx = ((pde | pte) & NX) && m.nxe, ok;
    int e = (type == WRITE ? E_W : 0) | (mode == USER ? E_U : 0) | (type == FETCH && (m.nxe || m.smep) ? E_ID : 0);

    if (!(pte & P))
        return e;
    if (mode == USER)
        ok = user && (type == READ || (type == WRITE ? write : !nx));
    else if (type == FETCH)
        ok = !nx && !(user && m.smep);
    else
        ok = !(user && m.smap && mode != KERNEL_AC) && (type == READ || write || !m.wp);
    return ok ? -1 : e | E_P;
}

static void one_combination(uint64_t pde, uint64_t pte, Modes m)
{
    for (int type = READ; type <= FETCH; type++) {
        for (int mode = KERNEL; mode <= USER; mode++) {
            if (type == FETCH && mode == KERNEL_AC)
                continue;
            *test_pde = (word)tpt | pde;
            tpt[0] = pte ? (word)data[0] | pte : 0;
            invlpg((void *)TEST_VA);
            data[0][0] = 0x0f;
            int want = model(type, mode, pde, pte, m), got = try_access(type, mode, TEST_VA);
            if (got != want) {
                print("# pde %x pte %x type %d mode %d wp %d smep %d smap %d nxe %d\n", (word)pde, (word)pte, type, mode, m.wp, m.smep, m.smap,
                      m.nxe);
                CHECK_EQ((word)(long)got, (word)(long)want);
            }
            if (want == -1) {
                CHECK_EQ(*test_pde & (A | D), A);
                CHECK_EQ(tpt[0] & (A | D), (type == WRITE ? A | D : A));
            } else {
                CHECK_EQ(tpt[0] & (A | D), 0);
            }
        }
    }
}

static void t_rights(void)
{
    word cr4 = get_cr4(), efer = rdmsr(EFER);

    for (unsigned b = 0; b < 16; b++) {
        Modes m = {b & 1, b & 2, b & 4, b & 8};
        if ((m.smep && !has_smep) || (m.smap && !has_smap))
            continue;
        set_cr0_wp(m.wp);
        wrmsr(EFER, m.nxe ? efer | 0x800 : efer & ~0x800ul);
        set_cr4(cr4 | (m.smep ? CR4_SMEP : 0) | (m.smap ? CR4_SMAP : 0));
        uint64_t nx = m.nxe ? NX : 0;
        for (unsigned i = 0; i < 64; i++) {
            uint64_t pde = P | (i & 1 ? W : 0) | (i & 2 ? U : 0) | (i & 4 ? nx : 0);
            uint64_t pte = P | (i & 8 ? W : 0) | (i & 16 ? U : 0) | (i & 32 ? nx : 0);
            if (!m.nxe && (i & 36))
                continue;
            one_combination(pde, pte, m);
        }
        one_combination(P | W | U, 0, m);
    }
    wrmsr(EFER, efer);
    set_cr4(cr4);
    set_cr0_wp(true);
    *test_pde = (word)tpt | P | W | U;
    flush_tlb();
}

/* --- reserved bits, at each level --- */

static uint32_t phys_bits(void)
{
    uint32_t r[4];
    cpuid(0x80000008, 0, r);
    return r[0] & 0xff;
}

static void t_reserved(void)
{
    word efer = rdmsr(EFER), va = TEST_VA + 0x40000000ul * 510 + (1ul << 39); /* through pml4[1]... */
    uint64_t *level[4] = {&tpt[0], &pdb[0], &pdptb[0], (uint64_t *)&pml4[1]};
    uint64_t good[4] = {(word)data[0] | P | W | U, (word)tpt | P | W | U, (word)pdptb | P | W | U, (word)pml4b | P | W | U};
    uint64_t beyond = phys_bits() < 52 ? 1ul << phys_bits() : 0;

    va = 1ul << 39;
    good[2] = (word)pdb | P | W | U;
    good[3] = (word)pdptb | P | W | U;
    for (int l = 0; l < 4; l++)
        *level[l] = good[l];
    flush_tlb();
    EXPECT(WRITE, USER, va, -1);
    for (int l = 0; l < 4; l++) {
        if (beyond) {
            *level[l] = good[l] | beyond;
            flush_tlb();
            EXPECT(READ, KERNEL, va, E_P | E_RSVD);
            EXPECT(WRITE, USER, va, E_P | E_RSVD | E_W | E_U);
            EXPECT(FETCH, KERNEL, va, E_P | E_RSVD | E_ID);
            *level[l] = (good[l] | beyond) & ~(uint64_t)P; /* nothing is reserved in an entry that is not present */
            flush_tlb();
            EXPECT(READ, KERNEL, va, 0);
        }
        wrmsr(EFER, efer & ~0x800ul);
        *level[l] = good[l] | NX; /* reserved without NXE */
        flush_tlb();
        EXPECT(READ, KERNEL, va, E_P | E_RSVD);
        wrmsr(EFER, efer);
        flush_tlb();
        EXPECT(READ, KERNEL, va, -1);
        *level[l] = good[l];
    }
    pml4[1] = good[3] | PS;
    flush_tlb();
    EXPECT(READ, KERNEL, va, E_P | E_RSVD);
    pml4[1] = good[3];
    /* 2 MiB and 1 GiB pages: address bits below the page's size; bit 12 is PAT */
    pdb[0] = (word)data & ~0x1ffffful;
    pdb[0] |= P | W | U | PS;
    flush_tlb();
    EXPECT(READ, USER, va + 0x1fffff, -1);
    CHECK_EQ(pdb[0] & (A | D), A);
    EXPECT(WRITE, USER, va + ((word)user_stack & 0x1fffff), -1);
    CHECK_EQ(pdb[0] & (A | D), A | D);
    for (int bit = 12; bit < 21; bit++) {
        pdb[0] ^= 1ul << bit;
        flush_tlb();
        EXPECT(READ, KERNEL, va, bit == 12 ? -1 : E_P | E_RSVD);
        pdb[0] ^= 1ul << bit;
    }
    pdptb[0] = P | W | U | PS;
    flush_tlb();
    EXPECT(READ, USER, va + ((word)data[0] & 0x3fffffff), has_1g ? -1 : (E_P | E_RSVD | E_U));
    for (int bit = 12; bit < 30 && has_1g; bit += 5) {
        pdptb[0] ^= 1ul << bit;
        flush_tlb();
        EXPECT(READ, KERNEL, va, bit == 12 ? -1 : E_P | E_RSVD);
        pdptb[0] ^= 1ul << bit;
    }
    pml4[1] = 0;
    flush_tlb();
    EXPECT(READ, KERNEL, va, 0);
}

/* --- stale translations --- */

static inline uint32_t peek(word va) { return *(volatile uint32_t *)va; }
static void use(int n, uint64_t bits) { tpt[0] = (word)data[n] | bits | P | W | U; }

static void t_stale(void)
{
    for (int i = 0; i < 4; i++)
        *(volatile uint32_t *)(data[i] + 8) = 100 + i;
    set_cr4(get_cr4() | CR4_PGE);
    use(0, 0);
    invlpg((void *)TEST_VA);
    CHECK_EQ(peek(TEST_VA + 8), 100);
    use(1, 0);
    set_cr3(get_cr3());
    CHECK_EQ(peek(TEST_VA + 8), 101);
    use(2, G);
    invlpg((void *)(TEST_VA + 5));
    CHECK_EQ(peek(TEST_VA + 8), 102);
    use(3, G);
    set_cr3(get_cr3()); /* a global page stays (may, but this TLB is large) */
    CHECK_EQ(peek(TEST_VA + 8), 102);
    set_cr4(get_cr4() & ~(word)CR4_PGE);
    CHECK_EQ(peek(TEST_VA + 8), 103);
    set_cr4(get_cr4() | CR4_PGE);
    /* a not-present entry is never cached, more rights neither: no INVLPG needed */
    tpt[0] = 0;
    invlpg((void *)TEST_VA);
    EXPECT(READ, KERNEL, TEST_VA, 0);
    use(1, 0);
    CHECK_EQ(peek(TEST_VA + 8), 101);
    tpt[0] = (word)data[1] | P | U;
    invlpg((void *)TEST_VA);
    EXPECT(WRITE, USER, TEST_VA, E_P | E_W | E_U);
    use(1, 0);
    EXPECT(WRITE, USER, TEST_VA, -1);
    /* D is set again when it was cleared and flushed; without a flush it may stay clear */
    CHECK_EQ(tpt[0] & D, D);
    tpt[0] &= ~(uint64_t)(D | A);
    invlpg((void *)TEST_VA);
    EXPECT(READ, USER, TEST_VA, -1);
    CHECK_EQ(tpt[0] & (A | D), A);
    EXPECT(WRITE, USER, TEST_VA, -1);
    CHECK_EQ(tpt[0] & (A | D), A | D);
    data[1][0] = 0x0f;
    set_cr4(get_cr4() & ~(word)CR4_PGE);
}

/* --- PCIDs --- */

#define NOFLUSH (1ul << 63)
static word wanted_cr3, wanted_cr4;
static struct { uint64_t pcid, addr; } inv __attribute__((aligned(16)));
static word inv_type;
NOINLINE static void do_cr3(void) { set_cr3(wanted_cr3); }
NOINLINE static void do_cr4(void) { set_cr4(wanted_cr4); }
NOINLINE static void do_pg_off(void) { __asm__ volatile("mov %%cr0, %%rax\nbtr $31, %%rax\nmov %%rax, %%cr0" : : : "rax", "memory"); }
NOINLINE static void do_invpcid(void) { __asm__ volatile("invpcid %0, %1" : : "m"(inv), "r"(inv_type) : "memory"); }
static void invpcid(word type, uint64_t pcid, uint64_t addr)
{
    inv.pcid = pcid, inv.addr = addr, inv_type = type;
    do_invpcid();
}
static int bad_invpcid(word type, uint64_t pcid, uint64_t addr)
{
    inv.pcid = pcid, inv.addr = addr, inv_type = type;
    return catching(do_invpcid);
}

static void t_pcid(void)
{
    word root = get_cr3() & ~0xffful, cr4 = get_cr4();

    wanted_cr3 = root | NOFLUSH; /* reserved without PCIDE */
    CHECK_EQ(catching(do_cr3), 13);
    wanted_cr4 = cr4 | CR4_PCIDE;
    if (!has_pcid) {
        CHECK_EQ(catching(do_cr4), 13);
        return;
    }
    set_cr3(root | 5);
    CHECK_EQ(catching(do_cr4), 13); /* CR3[11:0] must be 0 */
    set_cr3(root);
    set_cr4(cr4 | CR4_PCIDE | CR4_PGE);
    CHECK_EQ(catching(do_pg_off), 13);
    wanted_cr3 = root | 1ul << 62;
    CHECK_EQ(catching(do_cr3), 13);
    set_cr3(root | 1 | NOFLUSH);
    CHECK_EQ(get_cr3(), root | 1); /* bit 63 is not kept */

    /* A page of PCID 1 stays while others run. That it does is not promised, but this TLB is large. Ring 3 and kernel
     * use tables of their own. */
    set_cr3(root | 1);
    use(0, 0);
    EXPECT(READ, USER, TEST_VA, -1);
    use(1, 0);
    set_cr3(root | 2);
    CHECK_EQ(peek(TEST_VA + 8), 101);
    EXPECT(READ, USER, TEST_VA, -1);
    tpt[0] = 0;
    set_cr3(root | 1 | NOFLUSH);
    EXPECT(READ, USER, TEST_VA, -1);
    set_cr3(root | 1); /* flushes it */
    EXPECT(READ, USER, TEST_VA, E_U);
    set_cr3(root | 2 | NOFLUSH);
    EXPECT(READ, USER, TEST_VA, -1);
    set_cr3(root | 1 | NOFLUSH);
    set_cr3(root | 2);
    EXPECT(READ, USER, TEST_VA, E_U);

    /* INVLPG: this PCID and global pages of all */
    use(2, 0);
    EXPECT(READ, USER, TEST_VA, -1);
    set_cr3(root | 1);
    EXPECT(READ, USER, TEST_VA, -1);
    tpt[0] = 0;
    invlpg((void *)TEST_VA);
    EXPECT(READ, USER, TEST_VA, E_U);
    set_cr3(root | 2 | NOFLUSH);
    EXPECT(READ, USER, TEST_VA, -1);
    invlpg((void *)TEST_VA);
    use(3, G);
    EXPECT(READ, USER, TEST_VA, -1);
    set_cr3(root | 1 | NOFLUSH);
    EXPECT(READ, USER, TEST_VA, -1);
    tpt[0] = 0;
    invlpg((void *)TEST_VA);
    set_cr3(root | 2 | NOFLUSH);
    EXPECT(READ, USER, TEST_VA, E_U);

    /* Code at one address in two spaces */
    for (int n = 0; n < 2; n++) {
        data[n][0] = n ? 0x0f : 0xf4; /* ud2 and hlt */
        use(n, 0);
        set_cr3(root | (unsigned)(3 + n));
        access_type = FETCH;
        target = TEST_VA;
        CHECK_EQ(catching(user_access), n ? 6 : 13);
    }
    for (int i = 0; i < 6; i++) {
        set_cr3(root | (unsigned)(3 + i % 2) | NOFLUSH);
        CHECK_EQ(catching(user_access), i % 2 ? 6 : 13);
    }
    data[0][0] = 0x0f; /* written while another space runs */
    set_cr3(root | 3 | NOFLUSH);
    CHECK_EQ(catching(user_access), 6);

    /* All numbers, more than any TLB keeps */
    for (unsigned i = 0; i < 4096; i++) {
        use((int)(i % 4), 0);
        set_cr3(root | i);
        CHECK_EQ(peek(TEST_VA + 8), 100 + i % 4);
    }
    use(0, 0);
    set_cr3(root);
    set_cr4(get_cr4() & ~(word)CR4_PCIDE); /* flushes all */
    set_cr4(cr4);
}

static void t_invpcid(void)
{
    word root = get_cr3() & ~0xffful, cr4 = get_cr4();

    if (!has_invpcid) {
        CHECK_EQ(bad_invpcid(2, 0, 0), 6);
        return;
    }
    CHECK_EQ(bad_invpcid(4, 0, 0), 13);
    CHECK_EQ(bad_invpcid(1ul << 32, 0, 0), 13); /* the whole register counts */
    CHECK_EQ(bad_invpcid(2, 0x1000, 0), 13);
    CHECK_EQ(bad_invpcid(2, 1ul << 63, 0), 13);
    CHECK_EQ(bad_invpcid(0, 0, 1ul << 47), 13);
    CHECK_EQ(bad_invpcid(1, 0, 1ul << 47), -1);
    CHECK_EQ(bad_invpcid(0, 1, 0), 13); /* without PCIDE there is only 0 */
    CHECK_EQ(bad_invpcid(1, 1, 0), 13);
    CHECK_EQ(bad_invpcid(2, 1, 0), -1);
    CHECK_EQ(bad_invpcid(3, 1, 0), -1);
    use(0, 0);
    EXPECT(READ, USER, TEST_VA, -1);
    tpt[0] = 0;
    invpcid(1, 0, 0);
    EXPECT(READ, USER, TEST_VA, E_U);
    if (!has_pcid)
        return;

    set_cr4(cr4 | CR4_PCIDE | CR4_PGE);
    for (int type = 0; type < 4; type++) {
        for (int global = 0; global < 2; global++) {
            use(0, global ? G : 0);
            for (unsigned p = 1; p < 4; p++) {
                set_cr3(root | p);
                EXPECT(READ, USER, TEST_VA, -1);
            }
            tpt[0] = 0;
            set_cr3(root | 3 | NOFLUSH);
            invpcid((word)type, 1, TEST_VA); /* from another space */
            bool gone = type == 2 || !global;
            set_cr3(root | 1 | NOFLUSH);
            EXPECT(READ, USER, TEST_VA, gone ? E_U : -1);
            set_cr3(root | 2 | NOFLUSH);
            gone = type == 2 || (type == 3 && !global);
            EXPECT(READ, USER, TEST_VA, gone ? E_U : -1);
            use(1, 0);
            invpcid(2, 0, 0);
            EXPECT(READ, USER, TEST_VA, -1);
            tpt[0] = 0;
            invpcid((word)type, 2, TEST_VA); /* from the space itself */
            EXPECT(READ, USER, TEST_VA, E_U);
        }
    }
    invpcid(2, 0, 0);
    set_cr3(root);
    set_cr4(cr4);
    use(0, 0);
    flush_tlb();
}

/* --- protection keys --- */

static word wanted_pkru, pk_ecx, pk_edx;
NOINLINE static void do_wrpkru(void) { __asm__ volatile("wrpkru" : : "a"(wanted_pkru), "c"(pk_ecx), "d"(pk_edx) : "memory"); }
NOINLINE static void do_rdpkru(void)
{
    __asm__ volatile("rdpkru" : "=a"(wanted_pkru), "=d"(pk_edx) : "c"(pk_ecx) : "memory");
}
static void wrpkru(uint32_t v)
{
    wanted_pkru = v, pk_ecx = pk_edx = 0;
    do_wrpkru();
}

static void t_pkru_insns(void)
{
    word cr4 = get_cr4();
    uint32_t r[4];

    wanted_pkru = pk_ecx = pk_edx = 0;
    CHECK_EQ(catching(do_wrpkru), 6);
    CHECK_EQ(catching(do_rdpkru), 6);
    wanted_cr4 = cr4 | CR4_PKE;
    if (!has_pku) {
        CHECK_EQ(catching(do_cr4), 13);
        return;
    }
    cpuid(7, 0, r);
    CHECK_EQ(r[2] >> 4 & 1, 0);
    set_cr4(cr4 | CR4_PKE);
    cpuid(7, 0, r);
    CHECK_EQ(r[2] >> 4 & 1, 1);
    wrpkru(0x55555554);
    pk_edx = 1;
    CHECK_EQ(catching(do_rdpkru), -1);
    CHECK_EQ(wanted_pkru, 0x55555554);
    CHECK_EQ(pk_edx, 0);
    pk_ecx = 1;
    CHECK_EQ(catching(do_rdpkru), 13);
    CHECK_EQ(catching(do_wrpkru), 13);
    pk_ecx = 0, pk_edx = 1;
    CHECK_EQ(catching(do_wrpkru), 13);
    wrpkru(0);
    set_cr4(cr4);
}

static void t_keys(void)
{
    word cr4 = get_cr4();

    if (!has_pku)
        return;
    set_cr4(cr4 | CR4_PGE);
    for (unsigned i = 0; i < 1 << 9; i++) {
        bool on = i & 1, no_access = i & 2, no_write = i & 4, wp = i & 8, user = i & 16, write = i & 32, smap = i & 64, global = i & 128;
        unsigned key = i & 256 ? 0 : 1 + i % 15;
        if (smap && !has_smap)
            continue;
        set_cr0_wp(wp);
        set_cr4(cr4 | CR4_PGE | CR4_PKE);
        wrpkru(0);
        set_cr4(cr4 | CR4_PGE | (on ? CR4_PKE : 0) | (smap ? CR4_SMAP : 0));
        uint64_t pte = P | (write ? W : 0) | (user ? U : 0) | (global ? G : 0);
        tpt[0] = (word)data[0] | pte | (uint64_t)key << 59;
        invlpg((void *)TEST_VA);
        for (int type = READ; type <= FETCH; type++) {
            for (int mode = KERNEL; mode <= USER; mode++) {
                data[0][0] = 0x0f;
                if (type == FETCH && mode == KERNEL_AC)
                    continue;
                Modes m = {wp, false, smap, true};
                if (on)
                    wrpkru(0);
                CHECK_EQ((word)(long)try_access(type, mode, TEST_VA), (word)(long)model(type, mode, P | W | U, pte, m)); /* fills the TLB */
                if (on)
                    wrpkru(((no_access ? 1u : 0) | (no_write ? 2u : 0)) << (2 * key));
                bool key_denies = on && user && type != FETCH && (no_access || (type == WRITE && no_write && (wp || mode == USER)));
                int want = model(type, mode, P | W | U, pte, m);
                if (key_denies)
                    want = (want == -1 ? E_P | (type == WRITE ? E_W : 0) | (mode == USER ? E_U : 0) : want) | E_PK;
                int got = try_access(type, mode, TEST_VA);
                if (got != want)
                    print("# case %x key %d type %d mode %d\n", (word)i, (int)key, type, mode);
                CHECK_EQ((word)(long)got, (word)(long)want);
            }
        }
    }
    set_cr0_wp(true);
    set_cr4(cr4 | CR4_PKE);
    wrpkru(0);
    set_cr4(cr4);
    use(0, 0);
    flush_tlb();
}

/* --- PKRU in XSAVE areas --- */

static uint8_t area[4096] __attribute__((aligned(64)));
static void xsetbv(uint32_t v) { __asm__ volatile("xsetbv" : : "a"(v), "d"(0), "c"(0)); }

static void t_xsave(void)
{
    word cr4 = get_cr4();
    uint32_t r[4], off;

    if (!has_pku)
        return;
    cpuid(0xd, 9, r);
    off = r[1];
    CHECK_EQ(r[0], 8);
    CHECK(off >= 576 && off <= 4096 - 8);
    CHECK_EQ(r[2], 0);
    set_cr4(cr4 | CR4_PKE | 1 << 18 | 0x200);
    cpuid(0xd, 0, r);
    CHECK_EQ(r[0] >> 9 & 1, 1);
    CHECK_EQ(r[2], off + 8);
    xsetbv(0x203);
    cpuid(0xd, 0, r);
    CHECK_EQ(r[1], off + 8);
    cpuid(0xd, 1, r);
    CHECK_EQ(r[1], 576 + 8);
    wrpkru(0xc0ffee00);
    __asm__ volatile("xsave64 %0" : "+m"(area) : "a"(0x200), "d"(0));
    CHECK_EQ(*(uint64_t *)(area + off), 0xc0ffee00);
    CHECK_EQ(*(uint64_t *)(area + 512), 0x200);
    wrpkru(0);
    __asm__ volatile("xrstor64 %0" : : "m"(area), "a"(0x200), "d"(0));
    do_rdpkru();
    CHECK_EQ(wanted_pkru, 0xc0ffee00);
    *(uint64_t *)(area + 512) = 0; /* to the initial state */
    __asm__ volatile("xrstor64 %0" : : "m"(area), "a"(0x200), "d"(0));
    do_rdpkru();
    CHECK_EQ(wanted_pkru, 0);
    wrpkru(0x0000000c); /* key 1 */
    memset(area, 0, sizeof area);
    __asm__ volatile("xsavec64 %0" : "+m"(area) : "a"(0x200), "d"(0));
    CHECK_EQ(*(uint64_t *)(area + 576), 0xc);
    CHECK_EQ(*(uint64_t *)(area + 520), 1ul << 63 | 0x200);
    wrpkru(0);
    tpt[0] = (word)data[0] | P | W | U | 1ul << 59;
    invlpg((void *)TEST_VA);
    EXPECT(READ, USER, TEST_VA, -1);
    __asm__ volatile("xrstor64 %0" : : "m"(area), "a"(0x200), "d"(0));
    EXPECT(READ, USER, TEST_VA, E_P | E_U | E_PK);
    wrpkru(0);
    xsetbv(1);
    set_cr4(cr4);
}

void guest_main(const char *cmdline)
{
    static const TestCase tests[] = {{"rights, error codes, A and D", t_rights}, {"reserved bits at each level", t_reserved},
                                     {"stale and global translations", t_stale}, {"PCID", t_pcid}, {"INVPCID", t_invpcid},
                                     {"RDPKRU, WRPKRU", t_pkru_insns}, {"protection keys", t_keys}, {"PKRU and XSAVE", t_xsave}};

    setup();
    run_tests(tests, sizeof tests / sizeof tests[0]);
}
