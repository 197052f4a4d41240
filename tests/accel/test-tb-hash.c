/* test-tb-hash.c - the hash of TBs: what is added is found, under its own key only, through growth of the table, lines that are
 * too full, removal in any order and a flush.
 *
 * Not tested: removal by another thread while the vCPU looks (tests/accel/test-tb-cache has DMA to code). */
#include "../target-x86/sys-harness.h"
#include "accel/internal.h"

enum { MANY = 240000 }; /* the table begins with room for 80 000 */

static CPUState *cpu;

static TbState state_of(const TB *tb) { return (TbState){.pc = tb->pc, .cs_base = tb->cs_base, .flags = tb->flags, .floating = tb->floating}; }

static TB *look_up(const TB *tb)
{
    TbState st = state_of(tb);
    return tb_lookup_phys(cpu, &st, tb->cflags, tb_phys(tb), true);
}

/* As generated code has them: many in a page, many pages, some of them at several linear addresses. */
static TB *make(unsigned n)
{
    TB *tb = tb_alloc();
    g_assert_nonnull(tb);
    ram_addr_t phys = (ram_addr_t)(n / 3) * 24;
    *tb = (TB){.pc = 0x7f0000000000 + (vaddr)(n % 3) * 0x12345000 + phys, .page = phys >> TCG_PAGE_BITS, .flags = 0x40f3 | n % 2 << 20,
               .floating = n % 7 == 0};
    return tb;
}

static void test_many(void)
{
    static TB *tb[MANY];
    harness_start("max");
    cpu = env->cpu;
    tb_flush_all(cpu);
    tb_lock();
    for (unsigned i = 0; i < MANY; i++) {
        tb[i] = make(i);
        g_assert_null(look_up(tb[i]));
        tb_hash_add(tb[i]);
    }
    for (unsigned i = 0; i < MANY; i++)
        g_assert_true(look_up(tb[i]) == tb[i]);
    for (unsigned i = 0; i < MANY; i += 2) { /* in another order than they came */
        tb_hash_remove(tb[(i + MANY / 2) % MANY]);
        tb_hash_remove(tb[(i + MANY / 2) % MANY]); /* it is not there */
    }
    for (unsigned i = 0; i < MANY; i++)
        g_assert_true(look_up(tb[i]) == (i % 2 ? tb[i] : NULL));
    for (unsigned i = 0; i < MANY; i += 2)
        tb_hash_add(tb[i]);
    for (unsigned i = 0; i < MANY; i++)
        g_assert_true(look_up(tb[i]) == tb[i]);
    tb_unlock();
    tb_flush_all(cpu);
    for (unsigned i = 0; i < MANY; i++)
        g_assert_null(look_up(tb[i]));
    harness_stop();
}

/* What makes two TBs different, each by itself; and hundreds of one key's TBs (they are invalid until they go, or of other cflags). */
static void test_keys(void)
{
    harness_start("max");
    cpu = env->cpu;
    tb_flush_all(cpu);
    tb_lock();
    TB base = {.pc = 0x401234, .page = 1, .flags = 3}, *first = tb_alloc();
    *first = base;
    tb_hash_add(first);
    g_assert_true(look_up(&base) == first);
    TB other[6] = {base, base, base, base, base, base};
    other[0].pc = 0x501234;
    other[1].page = 2;
    other[2].flags = 2;
    other[3].cs_base = 0x10;
    other[4].cflags = 1;
    other[5].floating = true;
    for (unsigned i = 0; i < 6; i++)
        g_assert_null(look_up(&other[i]));

    TB *same[300];
    for (unsigned i = 0; i < 300; i++) {
        same[i] = tb_alloc();
        *same[i] = base;
        same[i]->cflags = 1 + i;
        tb_hash_add(same[i]);
    }
    for (unsigned i = 0; i < 300; i++)
        g_assert_true(look_up(same[i]) == same[i]);
    for (unsigned i = 0; i < 300; i++) {
        tb_hash_remove(same[i]);
        g_assert_null(look_up(same[i]));
        g_assert_true(look_up(same[299]) == (i == 299 ? NULL : same[299]));
    }
    g_assert_true(look_up(&base) == first);
    tb_unlock();
    tb_flush_all(cpu);
    harness_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/accel/tb-hash/many", test_many);
    g_test_add_func("/accel/tb-hash/keys", test_keys);
    return g_test_run();
}
