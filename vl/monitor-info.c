/* monitor-info.c - the subcommands of `info`. Spec: the formats of qemu 7.2 that programs parse. */
#include "host/base/osdep.h"
#include "host/block/block.h"
#include "host/block/throttle.h"
#include "host/char/chardev.h"
#include "hw/bus/pci.h"
#include "softmmu/physmem.h"
#include "vl/machine.h"
#include "vl/monitor.h"

static void put(Monitor *m, GString *s)
{
    monitor_puts(m, s->str, s->len);
    g_string_free(s, TRUE);
}

void info_version(Monitor *m, const MonArgs *a) { monitor_printf(m, "%s (Vireo)\n", VIREO_VERSION); }
void info_kvm(Monitor *m, const MonArgs *a) { monitor_printf(m, "kvm support: disabled\n"); }
void info_snapshots(Monitor *m, const MonArgs *a) { monitor_printf(m, "There is no snapshot available.\n"); }
void info_history(Monitor *m, const MonArgs *a) { monitor_print_history(m); }

void info_name(Monitor *m, const MonArgs *a)
{
    if (machine_config()->name)
        monitor_printf(m, "%s\n", machine_config()->name);
}

void info_uuid(Monitor *m, const MonArgs *a)
{
    const char *u = machine_config()->uuid;
    monitor_printf(m, "%s\n", u ? u : "00000000-0000-0000-0000-000000000000");
}

void info_status(Monitor *m, const MonArgs *a)
{
    RunState s = runstate_get();
    const char *one = machine_one_insn_per_tb() ? " (one insn per TB)" : "";
    if (runstate_is_running())
        monitor_printf(m, "VM status: running%s\n", one);
    else if (s == RUN_STATE_PAUSED)
        monitor_printf(m, "VM status: paused%s\n", one);
    else
        monitor_printf(m, "VM status: paused%s (%s)\n", one, runstate_name(s));
}

void info_memory_size(Monitor *m, const MonArgs *a)
{
    monitor_printf(m, "base memory: %" PRIu64 "\nplugged memory: 0\n", machine_config()->ram_size);
}

/* ---- CPU ---- */

void info_cpus(Monitor *m, const MonArgs *a)
{
    monitor_printf(m, "* CPU #0: thread_id=%d\n", machine_cpu()->cpu->thread_id);
}

static void dump_cpu(CPUState *cpu, void *opaque) { cpu->ops->dump_state(cpu, opaque, true); }

void info_registers(Monitor *m, const MonArgs *a)
{
    GString *s = g_string_new("\nCPU#0\n");
    if (a->has[1] && a->num[1] != 0) {
        monitor_printf(m, "CPU#%" PRId64 " not available\n", a->num[1]);
        g_string_free(s, TRUE);
        return;
    }
    run_on_cpu(machine_cpu()->cpu, dump_cpu, s);
    put(m, s);
}

static void mem_on_cpu(CPUState *cpu, void *opaque) { cpu_x86_info_mem(X86_ENV(cpu), opaque); }
static void tlb_on_cpu(CPUState *cpu, void *opaque) { cpu_x86_info_tlb(X86_ENV(cpu), opaque); }

static void on_cpu(Monitor *m, void (*fn)(CPUState *, void *))
{
    GString *s = g_string_new(NULL);
    run_on_cpu(machine_cpu()->cpu, fn, s);
    put(m, s);
}

void info_mem(Monitor *m, const MonArgs *a) { on_cpu(m, mem_on_cpu); }
void info_tlb(Monitor *m, const MonArgs *a) { on_cpu(m, tlb_on_cpu); }

void info_jit(Monitor *m, const MonArgs *a)
{
    GString *s = g_string_new(NULL);
    accel_info_jit(s);
    put(m, s);
}

void info_tb_list(Monitor *m, const MonArgs *a)
{
    GString *s = g_string_new(NULL);
    accel_info_tb_list(s, a->has[0] ? CLAMP(a->num[0], 0, 100000) : 20);
    put(m, s);
}

/* ---- board ---- */

static void board(Monitor *m, void (*fn)(PcMachine *, GString *))
{
    GString *s = g_string_new(NULL);
    fn(machine_pc(), s);
    put(m, s);
}

void info_pic(Monitor *m, const MonArgs *a) { board(m, pc_info_pic); }
void info_irq(Monitor *m, const MonArgs *a) { board(m, pc_info_irq); }
void info_lapic(Monitor *m, const MonArgs *a) { board(m, pc_info_lapic); }
void info_qtree(Monitor *m, const MonArgs *a) { board(m, pc_info_qtree); }
void info_roms(Monitor *m, const MonArgs *a) { board(m, pc_info_roms); }

void info_pci(Monitor *m, const MonArgs *a)
{
    GString *s = g_string_new(NULL);
    pci_print_info(machine_pc()->pci, s);
    put(m, s);
}

void info_mtree(Monitor *m, const MonArgs *a)
{
    GString *s = g_string_new(NULL);
    memory_print_tree(s, a->has[0]);
    put(m, s);
}

void info_ramblock(Monitor *m, const MonArgs *a)
{
    monitor_printf(m, "%24s %8s  %18s %18s\n", "Block Name", "PSize", "Offset", "Used");
    for (RamBlock *b = ram_blocks(); b; b = b->next)
        monitor_printf(m, "%24s %8s  0x%016" PRIx64 " 0x%016" PRIx64 "\n", b->name, "4 KiB", b->offset, b->size);
}

/* ---- host side ---- */

static void print_chardev(Chardev *chr, void *opaque)
{
    monitor_printf(opaque, "%s: filename=%s\n", chardev_label(chr), chardev_filename(chr));
}

void info_chardev(Monitor *m, const MonArgs *a) { chardev_foreach(print_chardev, m); }

static void print_drive(Monitor *m, const Drive *d, bool verbose)
{
    BlockImage *img = d->image;
    bool unmap;
    g_autofree char *label = img ? block_node_label(img, d->id) : NULL;
    if (img)
        monitor_printf(m, "%s%s%s%s: %s (%s%s)\n", d->id, label ? " (" : "", label ? label : "", label ? ")" : "", block_filename(img),
                       block_format(img), block_read_only(img) ? ", read-only" : "");
    else
        monitor_printf(m, "%s: [not inserted]\n", d->id);
    if (d->attached_to)
        monitor_printf(m, "    Attached to:      %s\n", d->attached_to);
    if (d->removable || !d->attached_to) {
        bool locked = d->ops && d->ops->is_locked && d->ops->is_locked(d->opaque);
        bool open = d->ops && d->ops->is_tray_open && d->ops->is_tray_open(d->opaque);
        monitor_printf(m, "    Removable device: %slocked, tray %s\n", locked ? "" : "not ", open ? "open" : "closed");
    }
    if (!img)
        return;
    monitor_printf(m, "    Cache mode:       %s%s%s\n", d->opts.writethrough ? "writethrough" : "writeback",
                   d->cache_direct ? ", direct" : "", d->opts.no_flush ? ", ignore flushes" : "");
    if (block_backing_filename(img, 1)) {
        unsigned depth = 1;
        while (block_backing_filename(img, depth + 1))
            depth++;
        monitor_printf(m, "    Backing file:     %s (chain depth: %u)\n", block_backing_filename(img, 1), depth);
    }
    if (block_detects_zeroes(img, &unmap))
        monitor_printf(m, "    Detect zeroes:    %s\n", unmap ? "unmap" : "on");
    if (d->limits && throttle_is_on(d->limits)) {
        g_autofree char *text = throttle_text(d->limits);
        monitor_printf(m, "    I/O throttling:   %s\n", text);
    }
    if (block_is_snapshot(img))
        monitor_printf(m, "    Snapshot:         writes go to a temporary file\n");
    if (verbose) {
        g_autoptr(GString) out = g_string_new("\nImages:\n");
        block_info_text(block_node(img), true, out);
        monitor_printf(m, "%s", out->str);
    }
}

void info_block(Monitor *m, const MonArgs *a)
{
    bool first = true;
    bool known = !a->str[2];
    for (GList *l = drive_list(); l && !known; l = l->next)
        known = g_str_equal(((Drive *)l->data)->id, a->str[2]);
    if (!known) {
        monitor_printf(m, "Error: Device '%s' not found\n", a->str[2]);
        return;
    }
    for (GList *l = drive_list(); l; l = l->next) {
        const Drive *d = l->data;
        if (a->str[2] && !g_str_equal(d->id, a->str[2]))
            continue;
        if (!first)
            monitor_printf(m, "\n");
        first = false;
        print_drive(m, d, a->has[1]);
    }
}
