/* guest.c - Vireo's side of the differential tester: one CPU at CPL 3 in 64-bit mode under paging. Exceptions are
 * taken where the CPU would begin to deliver them; delivery has its own tests (tests/target-x86/test-excp.c). */
#include "host/base/osdep.h"
#include "tests/diff/diff.h"
#include "accel/internal.h"
#include "softmmu/bql.h"
#include "softmmu/physmem.h"
#include "target-x86/sys.h"
#include "target-x86/translate.h"

enum { PML4 = 0x10000, PDPT = 0x11000, PD = 0x12000, PT_DATA = 0x13000, PT_CODE = 0x14000, TSS_AT = 0x15000, PDPT_HIGH = 0x16000, GDT_AT = 0x17000, LDT_AT = 0x18000,
       DATA_AT = 0x100000, CODE_AT = 0x400000, RAM_BYTES = 0x800000 };
#define HIGH 0xffffff8000000000
#define TSS (HIGH + TSS_AT)
#define PTE_NX (1ULL << 63)

static CPUX86State *guest;
static uint8_t *ram;
static MemoryRegion ram_mr;
static CPUOps ops;
static struct { int vector; uint32_t err; uint64_t rip; } seen;
static int mode;

static void put64(uint64_t addr, uint64_t v) { memcpy(ram + addr, &v, 8); }

/* ---- the IR interpreter in place of host code ---- */

static uintptr_t (*real_enter)(void *env, const void *code);
static void (*real_translate)(CPUState *cpu, TB *tb, TcgContext *s, unsigned max_insns);
enum { SAVED = 64 };
static struct { vaddr pc; uint32_t flags, cflags; TcgContext *ctx; } saved[SAVED]; /* IR as the front end made it */
static unsigned next_saved;
static TcgContext *interp_now;
uint64_t guest_interpreted;
gboolean diff_float;

static void on_translate(CPUState *cpu, TB *tb, TcgContext *s, unsigned max_insns)
{
    real_translate(cpu, tb, s, max_insns);
    g_assert(s->eip_is_32 == !(tb->flags & HF_CS64)); /* by which 32-bit code shares TLB checks: nothing computed shows it */
    if (mode != RUN_INTERP)
        return;
    for (unsigned i = 0; i < SAVED; i++)
        if (saved[i].pc == tb->pc && saved[i].flags == tb->flags && saved[i].cflags == tb->cflags)
            saved[i].pc = 0;
    unsigned n = next_saved++ % SAVED;
    TcgContext *c = saved[n].ctx ? saved[n].ctx : g_new0(TcgContext, 1);
    saved[n].pc = tb->pc;
    saved[n].flags = tb->flags;
    saved[n].cflags = tb->cflags;
    saved[n].ctx = c;
    memcpy(c->temps, s->temps, s->nb_temps * sizeof s->temps[0]);
    memcpy(c->ops, s->ops, s->nb_ops * sizeof s->ops[0]);
    c->guest = s->guest;
    c->nb_globals = s->nb_globals;
    c->nb_temps = s->nb_temps;
    c->env_temp = s->env_temp;
    c->nb_ops = s->nb_ops;
    c->nb_labels = s->nb_labels;
    c->tb_cookie = s->tb_cookie;
    c->cs_base = s->cs_base;
    c->eip_is_32 = s->eip_is_32;
    c->floating = s->floating;
}

static uintptr_t on_enter(void *env, const void *code)
{
    TcgContext *c = NULL;
    const TB *tb = mode == RUN_INTERP ? tb_find_host((uintptr_t)code + 1) : NULL;

    for (unsigned i = 0; tb && i < SAVED; i++)
        if (saved[i].pc == tb->pc && saved[i].flags == tb->flags && saved[i].cflags == tb->cflags)
            c = saved[i].ctx;
    if (!c)
        return real_enter(env, code);
    guest_interpreted++;
    env_cpu(env)->in_code = false; /* MXCSR is the host's */
    c->interp_insn = NULL;
    interp_now = c;
    uintptr_t r = tcg_interpret(c, env);
    interp_now = NULL;
    return (r & TB_EXIT_MASK) | tb_cookie(tb); /* the front end worked on a draft of the TB */
}

static void restore_interp(CPUX86State *e)
{
    const uint64_t *arg = interp_now->interp_insn->arg;
    const uint64_t data[2] = {arg[0] + (interp_now->floating ? e->head.pc_page : 0), arg[1]};
    ops.restore_state(e, data);
}

/* In place of delivery: note the exception and leave cpu_exec. */
static void on_exception(CPUState *cpu)
{
    CPUX86State *e = cpu->env;

    if (interp_now && interp_now->interp_insn && (cpu->exception_index != EXCP_DB || e->exception_is_int)) /* no host address to restore from */
        restore_interp(e);
    interp_now = NULL;
    seen.vector = cpu->exception_index;
    seen.err = e->error_code;
    seen.rip = e->head.eip;
    if (e->exception_is_int) { /* INT n: the host's gates of 3 and 4 are open to programs */
        if (seen.vector == EXCP_BP || seen.vector == EXCP_OF) {
            seen.rip = e->exception_next_eip;
        } else {
            seen.err = seen.vector * 8 + 2;
            seen.vector = EXCP_GP;
        }
    }
    e->old_exception = -1;
    e->exception_is_int = false;
    cpu->exit_loop = 1;
}

CPUX86State *guest_env(void) { return guest; }
uint8_t *guest_page(unsigned page) { return ram + DATA_AT + page * 4096; }

void guest_write(uint64_t addr, const void *code, size_t len)
{
    physmem_write(&address_space_memory, addr - DIFF_CODE + CODE_AT, code, len);
}

void guest_set_mode(int m)
{
    mode = m;
    jit_one_insn = m == RUN_ONE_INSN;
    jit_context->no_optimize = m == RUN_NO_OPT;
    jit_context->random_regs = m == RUN_RANDOM_REGS;
    jit_context->no_x87 = m == RUN_INTERP;
    tb_always_float = diff_float || m == RUN_FLOATING;
    tlb_always_guess = m != RUN_NORMAL && m != RUN_INTERP; /* normal: as samples decide, which is never */
}

static void load_segments(CPUX86State *e, const DiffState *st)
{
    for (int i = 0; i < 6; i++) {
        uint64_t d = diff_descriptor(st->sel[i]);
        if (st->sel[i] & ~3)
            seg_load_desc(e, i, st->sel[i], d, d >> 32);
        else
            e->segs[i] = (SegCache){st->sel[i], 0, 0, 0};
    }
    if (st->sel[R_CS] == 0x33) {
        e->segs[R_FS].base = st->fsbase;
        e->segs[R_GS].base = st->gsbase;
    }
}

static void load(const DiffState *st)
{
    CPUX86State *e = guest;
    const uint8_t *xs = st->xs;

    memcpy(e->head.gpr, st->gpr, sizeof st->gpr);
    load_segments(e, st);
    e->eflags = 2 | EFL_IF | (st->rflags & (EFL_AC | EFL_ID));
    cpu_load_eflags(e, st->rflags, CC_MASK | EFL_DF);
    e->head.vec_high = 0;
    for (int i = 0; i < 16; i++) {
        memcpy(&e->xmm[i], xs + XS_XMM + 16 * i, 16);
        memcpy(e->xmm[i].b + 16, xs + XS_YMMH + 16 * i, 16);
        e->head.vec_high |= i >= 8 && (e->xmm[i].q[2] | e->xmm[i].q[3]);
    }
    cpu_set_mxcsr(e, *(const uint32_t *)(xs + XS_MXCSR));
    e->fpuc = *(const uint16_t *)(xs + XS_FCW);
    e->fpus = *(const uint16_t *)(xs + XS_FSW) & ~0x3800;
    e->fpstt = *(const uint16_t *)(xs + XS_FSW) >> 11 & 7;
    for (int i = 0; i < 8; i++) {
        FpReg *r = &e->fpregs[(e->fpstt + i) & 7];
        e->fptags[i] = !(xs[XS_FTW] >> i & 1);
        memcpy(r, xs + XS_ST + 16 * i, 10);
    }
    e->head.eip = st->rip - diff_cs_base(st->sel[R_CS]);
    e->error_code = 0;
    e->inhibit_irq = 0;
    e->pending_db = 0;
    cpu_update_hflags(e);
}

static void store(DiffState *st)
{
    CPUX86State *e = guest;
    uint8_t *xs = st->xs;

    memcpy(st->gpr, e->head.gpr, sizeof st->gpr);
    st->rflags = cpu_compute_eflags(e);
    for (int i = 0; i < 6; i++)
        st->sel[i] = e->segs[i].selector;
    st->rip = seen.rip + (cpu_is_64(e) ? 0 : e->segs[R_CS].base);
    st->fsbase = e->segs[R_FS].base;
    st->gsbase = e->segs[R_GS].base;
    *(uint16_t *)(xs + XS_FCW) = e->fpuc;
    *(uint16_t *)(xs + XS_FSW) = cpu_get_fpsw(e);
    *(uint32_t *)(xs + XS_MXCSR) = cpu_get_mxcsr(e);
    xs[XS_FTW] = 0;
    for (int i = 0; i < 8; i++) {
        xs[XS_FTW] |= !e->fptags[i] << i;
        memcpy(xs + XS_ST + 16 * i, &e->fpregs[(e->fpstt + i) & 7], 10);
    }
    for (int i = 0; i < 16; i++) {
        memcpy(xs + XS_XMM + 16 * i, &e->xmm[i], 16);
        memcpy(xs + XS_YMMH + 16 * i, e->xmm[i].b + 16, 16);
    }
}

static volatile bool stopped;

void guest_stop(void)
{
    stopped = true;
    __atomic_store_n(&guest->cpu->exit_loop, 1, __ATOMIC_SEQ_CST);
    cpu_request_exit(guest->cpu);
}

void guest_run(DiffState *st, bool may_loop)
{
    CPUState *cpu = guest->cpu;

    load(st);
    seen.vector = DIFF_VECTOR_NONE;
    cpu->exit_loop = 0;
    cpu->halted = false;
    stopped = false;
    if (may_loop)
        diff_watchdog(500000);
    bql_unlock();
    int r = cpu_exec(cpu);
    bql_lock();
    if (may_loop)
        diff_watchdog(0);
    if (stopped && seen.vector == DIFF_VECTOR_NONE) {
        seen.vector = DIFF_VECTOR_ENDLESS;
        seen.rip = guest->head.eip;
    }
    if (seen.vector == DIFF_VECTOR_NONE)
        g_error("diff: cpu_exec returned %x at %" PRIx64, r, guest->head.eip);
    st->vector = seen.vector;
    st->err = seen.err;
    st->addr = seen.vector == EXCP_PF ? guest->cr[2] : 0;
    store(st);
    if (seen.vector == EXCP_PF && !memcmp(&seen.rip, native_exit_stub() + 8, 8)) {
        st->vector = DIFF_VECTOR_NONE;
        st->rip = DIFF_EXIT;
        st->err = 0;
        st->addr = 0;
    } else if (seen.vector == EXCP_GP && st->rip == DIFF_EXIT_ANY) {
        st->vector = DIFF_VECTOR_NONE;
        st->err = 0;
    }
}

const void *guest_decode(const uint8_t *b, unsigned n, int bits, unsigned *len)
{
    DisasContext dc = {.cpu = guest->cpu, .env = guest, .pc = DIFF_SCRATCH, .pc_first = DIFF_SCRATCH, .pc_next = DIFF_SCRATCH, .cpl = 3,
                       .pe = true, .code64 = bits == 64, .code32 = bits != 16, .lma = true, .fetch_pages_open = true};

    memcpy(ram + CODE_AT + (DIFF_SCRATCH - DIFF_CODE), b, n); /* nothing runs there */
    DecodeResult r = decode_insn(&dc);
    memset(ram + CODE_AT + (DIFF_SCRATCH - DIFF_CODE), 0xcc, 32); /* as on the host, if a jump leads here */
    *len = r == DECODE_TOO_LONG ? 0 : dc.pc_next - DIFF_SCRATCH;
    return r != DECODE_OK ? NULL : dc.insn.row ? (const void *)dc.insn.row : dc.insn.simd;
}

static void make_page_tables(void)
{
    uint64_t table[16];

    put64(PML4, PDPT | 0x27);
    put64(PDPT, PD | 0x27);
    put64(PD + 8 * (DIFF_DATA >> 21), PT_DATA | 0x27);
    put64(PD + 8 * (DIFF_CODE >> 21), PT_CODE | 0x27);
    for (unsigned i = 0; i < DIFF_PAGES; i++) {
        memcpy(guest_page(i), diff_ro[i], 4096);
        if (DIFF_LAYOUT[i] != 'U')
            put64(PT_DATA + 8 * i, (DATA_AT + i * 4096) | (DIFF_LAYOUT[i] == 'W' ? 0x67 : 0x65) | PTE_NX);
    }
    put64(PML4 + 8 * 511, PDPT_HIGH | 0x23); /* the first gigabyte for the kernel */
    put64(PDPT_HIGH, 0xe3 | PTE_NX);
    guest->gdt.limit = diff_table(false, table);
    guest->gdt.base = HIGH + GDT_AT;
    memcpy(ram + GDT_AT, table, sizeof table);
    guest->ldt = (SegCache){0x50, diff_table(true, table), HIGH + LDT_AT, DESC_P | 0x200};
    memcpy(ram + LDT_AT, table, sizeof table);
    ram[TSS_AT + 0x66] = ram[TSS_AT + 0x67] = 0xff; /* no I/O permission bitmap */
    for (unsigned i = 0; i < DIFF_CODE_SIZE / 4096; i++)
        put64(PT_CODE + 8 * i, (CODE_AT + i * 4096) | 0x25);
    _Static_assert(DIFF_CODE_SIZE <= 0x200000, "one page table");
}

void guest_init(const char *model)
{
    enum { CODE = DESC_P | DESC_S | DESC_CODE | DESC_R | DESC_A | DESC_L | DESC_G | DESC_DPL,
           DATA = DESC_P | DESC_S | DESC_W | DESC_A | DESC_B | DESC_G | DESC_DPL };
    g_autoptr(GError) err = NULL;
    AccelOptions opts = {0};

    bql_lock();
    memory_init();
    if (!memory_region_init_ram(&ram_mr, "ram", RAM_BYTES, &err) || !accel_init(&opts, &x86_tcg_guest, &err))
        g_error("%s", err->message);
    memory_region_add(address_space_memory.root, 0, &ram_mr, 0);
    ram = memory_region_ram_ptr(&ram_mr);
    guest = cpu_x86_create(model, &err);
    if (!guest)
        g_error("%s", err->message);
    ops = *guest->cpu->ops;
    ops.do_interrupt = on_exception;
    x86_float_min = 0; /* nothing is translated yet */
    real_translate = ops.translate;
    ops.translate = on_translate;
    real_enter = jit_buf->enter;
    jit_buf->enter = on_enter;
    guest->cpu->ops = &ops;
    make_page_tables();
    for (int i = 0; i < 6; i++)
        guest->segs[i] = (SegCache){i == R_CS ? 0x33 : i == R_SS ? 0x2b : 0, 0xffffffff, 0, i == R_CS ? CODE : DATA};
    guest->tr = (SegCache){0x40, 0x67, TSS, DESC_P | 0xb00};
    guest->efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
    guest->cr[0] = CR0_PE | CR0_ET | CR0_NE | CR0_MP | CR0_WP | CR0_AM | CR0_PG;
    guest->cr[4] = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_PGE | CR4_FSGSBASE | CR4_UMIP | CR4_OSXSAVE;
    guest->xcr0 = 7;
    guest->cr[3] = PML4;
    cpu_update_hflags(guest);
    guest_write(DIFF_EXIT_ANY, "\xf4", 1);
    guest_write(DIFF_EXIT, native_exit_stub(), 16); /* jumps to where nothing is mapped here */
}
