/* monitor-mem.c - memory, ports and expressions: x xp print i o sum memsave pmemsave gva2gpa.
 * Spec: the output formats of qemu 7.2. */
#include "host/base/osdep.h"
#include "host/base/bitops.h"
#include "softmmu/physmem.h"
#include "tcg/tcg.h"
#include "vl/machine.h"
#include "vl/monitor.h"

enum { MAX_INSN = 15, CHUNK = 4096 };

static bool read_mem(bool phys, uint64_t addr, void *buf, size_t len)
{
    if (!phys)
        return cpu_memory_rw_debug(machine_cpu()->cpu, addr, buf, len, false);
    physmem_read(&address_space_memory, addr, buf, len);
    return true;
}

static void print_char(Monitor *m, int c)
{
    monitor_printf(m, "'");
    switch (c) {
    case '\'':
    case '\\':
        monitor_printf(m, "\\%c", c);
        break;
    case '\n':
        monitor_printf(m, "\\n");
        break;
    case '\r':
        monitor_printf(m, "\\r");
        break;
    default:
        if (c >= 32 && c <= 126)
            monitor_printf(m, "%c", c);
        else
            monitor_printf(m, "\\x%02x", c);
        break;
    }
    monitor_printf(m, "'");
}

static void dump_insns(Monitor *m, int count, uint64_t addr, bool phys)
{
    unsigned bits = cpu_x86_code_bits(machine_cpu());
    uint8_t buf[CHUNK];
    while (count > 0) {
        size_t n = 0;
        int batch = MIN(count, CHUNK / MAX_INSN);
        /* Up to the end of what is mapped. */
        while (n < (size_t)batch * MAX_INSN && read_mem(phys, addr + n, buf + n, 1))
            n++;
        g_autoptr(GString) text = g_string_new(NULL);
        if (n)
            disas_guest(text, buf, n, addr, bits, (unsigned)batch);
        if (!text->len) {
            monitor_printf(m, "0x%08" PRIx64 ":  Cannot access memory\n", addr);
            return;
        }
        monitor_puts(m, text->str, text->len);
        count -= batch;
        if (count > 0) {
            /* Where the last printed line began, plus its bytes: the next address. */
            const char *last = g_strrstr_len(text->str, (gssize)text->len - 1, "\n");
            last = last ? last + 1 : text->str;
            char *p = NULL;
            uint64_t at = g_ascii_strtoull(last, &p, 16);
            unsigned bytes = 0;
            while (*p == ':' || *p == ' ')
                p++;
            while (g_ascii_isxdigit(p[0]) && g_ascii_isxdigit(p[1]) && p[2] == ' ') {
                bytes++;
                p += 3;
            }
            addr = at + MAX(bytes, 1);
        }
    }
}

static void dump(Monitor *m, const MonArgs *a, uint64_t addr, bool phys)
{
    int size = a->fmt.format == 'c' ? 1 : a->fmt.size, bits = size * 8;
    unsigned line = size == 1 ? 8 : 16;
    int digits = a->fmt.format == 'o' ? (bits + 2) / 3 : a->fmt.format == 'x' ? bits / 4 : (bits * 10 + 32) / 33;
    uint64_t left = (uint64_t)a->fmt.count * size;

    if (a->fmt.format == 'i') {
        dump_insns(m, a->fmt.count, addr, phys);
        return;
    }
    while (left) {
        uint8_t buf[16];
        unsigned n = (unsigned)MIN(left, line);
        monitor_printf(m, "%016" PRIx64 ":", addr);
        if (!read_mem(phys, addr, buf, n)) {
            monitor_printf(m, " Cannot access memory\n");
            return;
        }
        for (unsigned i = 0; i < n; i += size) {
            uint64_t v = ldl_n(buf + i, size);
            monitor_printf(m, " ");
            switch (a->fmt.format) {
            case 'o':
                monitor_printf(m, "0%*" PRIo64, digits, v);
                break;
            case 'x':
                monitor_printf(m, "0x%0*" PRIx64, digits, v);
                break;
            case 'u':
                monitor_printf(m, "%*" PRIu64, digits, v);
                break;
            case 'd':
                monitor_printf(m, "%*" PRId64, digits, size == 4 ? (int64_t)(int32_t)v : (int64_t)v);
                break;
            case 'c':
                print_char(m, (int)v);
                break;
            default:
                g_assert_not_reached();
            }
        }
        monitor_printf(m, "\n");
        addr += n;
        left -= n;
    }
}

void mon_x(Monitor *m, const MonArgs *a) { dump(m, a, (uint64_t)a->num[1], false); }
void mon_xp(Monitor *m, const MonArgs *a) { dump(m, a, (uint64_t)a->num[1], true); }

void mon_print(Monitor *m, const MonArgs *a)
{
    int64_t v = a->num[1];
    switch (a->fmt.format) {
    case 'o':
        monitor_printf(m, "%#" PRIo64 "\n", (uint64_t)v);
        break;
    case 'u':
        monitor_printf(m, "%" PRIu64 "\n", (uint64_t)v);
        break;
    case 'x':
        monitor_printf(m, "%#" PRIx64 "\n", (uint64_t)v);
        break;
    case 'c':
        print_char(m, (int)(uint8_t)v);
        monitor_printf(m, "\n");
        break;
    default: /* d, and i left over from a disassembly */
        monitor_printf(m, "%" PRId64 "\n", v);
        break;
    }
}

static unsigned port_size(const MonArgs *a) { return a->fmt.size == 8 ? 4 : (unsigned)a->fmt.size; }

void mon_i(Monitor *m, const MonArgs *a)
{
    unsigned size = port_size(a);
    uint16_t port = (uint16_t)a->num[1];
    monitor_printf(m, "port%c[0x%04x] = 0x%0*" PRIx64 "\n", size == 1 ? 'b' : size == 2 ? 'w' : 'l', port,
                   (int)size * 2, ioport_read(port, size));
}

void mon_o(Monitor *m, const MonArgs *a)
{
    unsigned size = port_size(a);
    ioport_write((uint16_t)a->num[1], (uint64_t)a->num[2] & MASK64(size * 8), size);
}

void mon_sum(Monitor *m, const MonArgs *a)
{
    uint64_t addr = (uint64_t)(uint32_t)a->num[0], left = (uint64_t)(uint32_t)a->num[1];
    uint16_t sum = 0; /* as BSD's sum(1) */
    uint8_t buf[CHUNK];
    while (left) {
        size_t n = (size_t)MIN(left, sizeof buf);
        physmem_read(&address_space_memory, addr, buf, n);
        for (size_t i = 0; i < n; i++)
            sum = (uint16_t)((sum >> 1 | sum << 15) + buf[i]);
        addr += n;
        left -= n;
    }
    monitor_printf(m, "%05d\n", sum);
}

static void save(Monitor *m, const MonArgs *a, bool phys)
{
    uint64_t addr = (uint64_t)a->num[0], left = (uint64_t)(uint32_t)a->num[1];
    uint8_t buf[CHUNK];
    FILE *f = fopen(a->str[2], "wbe");
    if (!f) {
        monitor_printf(m, "Error: Could not open '%s': %s\n", a->str[2], g_strerror(errno));
        return;
    }
    while (left) {
        size_t n = (size_t)MIN(left, CHUNK - (addr & (CHUNK - 1)));
        if (!read_mem(phys, addr, buf, n)) {
            monitor_printf(m, "Error: Invalid addr 0x%016" PRIx64 "/size %" PRId64 " specified\n", addr, a->num[1]);
            break;
        }
        if (fwrite(buf, 1, n, f) != n) {
            monitor_printf(m, "Error: writing memory to '%s' failed\n", a->str[2]);
            break;
        }
        addr += n;
        left -= n;
    }
    if (fclose(f) != 0)
        monitor_printf(m, "Error: writing memory to '%s' failed\n", a->str[2]);
}

void mon_memsave(Monitor *m, const MonArgs *a) { save(m, a, false); }
void mon_pmemsave(Monitor *m, const MonArgs *a) { save(m, a, true); }

void mon_gva2gpa(Monitor *m, const MonArgs *a)
{
    CPUState *cpu = machine_cpu()->cpu;
    uint64_t addr = (uint64_t)a->num[0];
    hwaddr page = cpu->ops->phys_page_debug(cpu, addr & ~(uint64_t)(CHUNK - 1));
    if (page == ~(hwaddr)0)
        monitor_printf(m, "Unmapped\n");
    else
        monitor_printf(m, "gpa: %#" PRIx64 "\n", (page & ~(uint64_t)(CHUNK - 1)) + (addr & (CHUNK - 1)));
}
