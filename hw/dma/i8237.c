/* i8237.c - two cascaded 8237A DMA controllers with the AT's page registers
 * Spec: Intel 8237A data sheet; page registers and word channels as in the IBM AT Technical Reference.
 * Guest view: channels 0-3 at 00h-0fh (bytes), 4-7 at c0h-dfh (words, channel 4 is the cascade), page
 * registers 81h-8fh. Not modelled: memory-to-memory transfers, bus timing. */
#include "host/base/osdep.h"
#include "hw/dma/i8237.h"

#include "host/base/log.h"
#include "softmmu/dma.h"
#include "softmmu/memory.h"
#include "softmmu/timer.h"

enum { CMD_DISABLE = 0x04, CMD_NOT_MODELLED = 0x01 | 0x02 | 0x08 | 0x10 | 0x20 };
enum { MODE_TYPE = 0x0c, MODE_AUTOINIT = 0x10, MODE_DECREMENT = 0x20 };
enum { TYPE_VERIFY = 0x00, TYPE_WRITE = 0x04, TYPE_READ = 0x08 };

typedef struct I8237Channel {
    /* wiring */
    I8237Handler *handler;
    void *opaque;
    /* guest-visible */
    uint16_t base_addr, base_count, addr;
    uint32_t pos; /* bytes done of the current transfer */
    uint8_t page, mode;
} I8237Channel;

typedef struct I8237Controller {
    I8237State *owner;
    MemoryRegion chan_mr, cont_mr;
    I8237Channel chan[4];
    uint8_t status; /* low half: terminal count, high half: DREQ */
    uint8_t command, mask, flip_flop, soft_request;
    unsigned shift; /* register stride and transfer width: 0 bytes, 1 words */
    int first;      /* number of channel 0 */
} I8237Controller;

struct I8237State {
    Device dev;
    I8237Controller ctl[2];
    MemoryRegion page_mr;
    uint8_t page_latch[16]; /* page registers of no channel read back what was written */
    Timer *run_timer;       /* transfers run from the main loop, not inside the port write */
    bool running;
};

static I8237Channel *channel(I8237State *s, int n, I8237Controller **ctl)
{
    I8237Controller *c = &s->ctl[n >> 2 & 1];

    if (ctl)
        *ctl = c;
    return &c->chan[n & 3];
}

static uint32_t transfer_bytes(const I8237Controller *c, const I8237Channel *ch)
{
    return ((uint32_t)ch->base_count + 1) << c->shift;
}

static void run_channel(I8237Controller *c, int n)
{
    I8237Channel *ch = &c->chan[n];
    uint32_t len = transfer_bytes(c, ch);
    int pos;

    if (!ch->handler || (n == 0 && c->first == 4))
        return;
    pos = ch->handler(ch->opaque, c->first + n, (int)ch->pos, (int)len);
    if (pos < 0)
        pos = 0;
    ch->pos = MIN((uint32_t)pos, len);
    if (ch->pos < len)
        return;
    c->status |= (uint8_t)(1 << n); /* terminal count */
    if (ch->mode & MODE_AUTOINIT) {
        ch->addr = ch->base_addr;
        ch->pos = 0;
    } else {
        c->mask |= (uint8_t)(1 << n);
    }
}

/* One round over all channels; another is scheduled while any of them got further. */
static void i8237_run(void *opaque)
{
    I8237State *s = opaque;
    bool again = false;

    if (s->running)
        return;
    s->running = true;
    for (int i = 0; i < 2; i++) {
        I8237Controller *c = &s->ctl[i];
        for (int n = 0; n < 4; n++) {
            uint8_t bit = (uint8_t)(1 << n);
            uint32_t before = c->chan[n].pos;
            if ((c->command & CMD_DISABLE) || (c->mask & bit) || !((c->status >> 4 | c->soft_request) & bit))
                continue;
            run_channel(c, n);
            again |= c->chan[n].pos != before && ((c->status >> 4) & bit) && !(c->mask & bit);
        }
    }
    s->running = false;
    if (again)
        timer_mod(s->run_timer, clock_ns(CLOCK_VM) + 1000);
}

static void kick(I8237State *s)
{
    if (!s->running)
        timer_mod(s->run_timer, clock_ns(CLOCK_VM));
}

/* --- for peripherals --- */

bool i8237_register(I8237State *s, int chan, I8237Handler *fn, void *opaque)
{
    I8237Channel *ch;

    if (chan < 0 || chan > 7 || chan == 4)
        return false;
    ch = channel(s, chan, NULL);
    ch->handler = fn;
    ch->opaque = opaque;
    return true;
}

void i8237_hold_dreq(I8237State *s, int chan)
{
    I8237Controller *c;

    channel(s, chan, &c);
    c->status |= (uint8_t)(0x10 << (chan & 3));
    kick(s);
}

void i8237_release_dreq(I8237State *s, int chan)
{
    I8237Controller *c;

    channel(s, chan, &c);
    c->status &= (uint8_t)~(0x10 << (chan & 3));
}

bool i8237_has_autoinit(I8237State *s, int chan)
{
    return (channel(s, chan, NULL)->mode & MODE_AUTOINIT) != 0;
}

/* Bus address of byte pos. Word channels ignore bit 0 of the page; the address counter wraps within
 * the page (64 KiB, 128 KiB for words), which is why drivers must not cross one. */
static hwaddr byte_address(const I8237Controller *c, const I8237Channel *ch, uint32_t pos)
{
    uint32_t unit = pos >> c->shift, counter;
    uint32_t in_unit = pos & ((1u << c->shift) - 1);

    counter = (uint16_t)((ch->mode & MODE_DECREMENT) ? ch->base_addr - unit : ch->base_addr + unit);
    if (c->shift)
        return ((hwaddr)(ch->page & 0xfe) << 16) + (counter << 1) + in_unit;
    return ((hwaddr)ch->page << 16) + counter;
}

static int transfer(I8237State *s, int chan, void *rbuf, const void *wbuf, int pos, int len)
{
    I8237Controller *c;
    I8237Channel *ch = channel(s, chan, &c);
    uint32_t total = transfer_bytes(c, ch), at, left;

    if (pos < 0 || len <= 0)
        return 0;
    if (rbuf)
        memset(rbuf, 0, (size_t)len);
    at = (uint32_t)pos;
    left = at < total ? MIN((uint32_t)len, total - at) : 0;
    for (uint32_t done = 0; done < left;) {
        hwaddr addr = byte_address(c, ch, at + done);
        uint32_t n = 1;
        if (!(ch->mode & MODE_DECREMENT)) { /* up to where the counter wraps */
            uint32_t span = 0x10000u << c->shift;
            n = MIN(left - done, span - ((uint32_t)addr & (span - 1)));
        }
        if (rbuf)
            dma_read(addr, (uint8_t *)rbuf + done, n);
        else
            dma_write(addr, (const uint8_t *)wbuf + done, n);
        done += n;
    }
    return len;
}

int i8237_read_memory(I8237State *s, int chan, void *buf, int pos, int len)
{
    return transfer(s, chan, buf, NULL, pos, len);
}

int i8237_write_memory(I8237State *s, int chan, const void *buf, int pos, int len)
{
    I8237Channel *ch = channel(s, chan, NULL);

    if ((ch->mode & MODE_TYPE) == TYPE_VERIFY) /* the cycles run, memory is not written */
        return len;
    return transfer(s, chan, NULL, buf, pos, len);
}

/* --- ports --- */

static uint64_t chan_read(void *opaque, hwaddr off, unsigned size)
{
    I8237Controller *c = opaque;
    unsigned reg = (unsigned)(off >> c->shift) & 7;
    I8237Channel *ch = &c->chan[reg >> 1];
    uint32_t units = ch->pos >> c->shift;
    uint16_t v;

    if (reg & 1)
        v = (uint16_t)(ch->base_count - units);
    else
        v = (uint16_t)((ch->mode & MODE_DECREMENT) ? ch->addr - units : ch->addr + units);
    c->flip_flop ^= 1;
    return c->flip_flop ? v & 0xff : v >> 8; /* low byte first */
}

static void chan_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    I8237Controller *c = opaque;
    unsigned reg = (unsigned)(off >> c->shift) & 7;
    I8237Channel *ch = &c->chan[reg >> 1];
    uint16_t *r = reg & 1 ? &ch->base_count : &ch->base_addr;

    if (c->flip_flop)
        *r = (uint16_t)((*r & 0xff) | val << 8);
    else
        *r = (uint16_t)((*r & 0xff00) | (val & 0xff));
    c->flip_flop ^= 1;
    ch->addr = ch->base_addr;
    ch->pos = 0;
}

static void master_clear(I8237Controller *c)
{
    c->flip_flop = 0;
    c->mask = 0x0f;
    c->status &= 0xf0;
    c->command = 0;
    c->soft_request = 0;
}

static uint64_t cont_read(void *opaque, hwaddr off, unsigned size)
{
    I8237Controller *c = opaque;
    uint8_t v;

    switch ((off >> c->shift) & 7) {
    case 0: /* status; reading clears the terminal-count bits */
        v = c->status;
        c->status &= 0xf0;
        return v;
    case 7: /* all mask bits (82C37A and chip sets) */
        return c->mask | 0xf0;
    default:
        return 0; /* temporary register and write-only ones */
    }
}

static void cont_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    I8237Controller *c = opaque;
    uint8_t bit = (uint8_t)(1 << (val & 3));

    switch ((off >> c->shift) & 7) {
    case 0: /* command */
        if (val & CMD_NOT_MODELLED)
            log_unimp("i8237: command %02x has bits that are not modelled\n", (unsigned)val);
        c->command = (uint8_t)val;
        break;
    case 1: /* software request */
        c->soft_request = val & 4 ? c->soft_request | bit : c->soft_request & (uint8_t)~bit;
        break;
    case 2: /* single mask */
        c->mask = val & 4 ? c->mask | bit : c->mask & (uint8_t)~bit;
        break;
    case 3: /* mode */
        c->chan[val & 3].mode = (uint8_t)(val & ~3u);
        break;
    case 4: /* clear flip-flop */
        c->flip_flop = 0;
        return;
    case 5:
        master_clear(c);
        break;
    case 6:
        c->mask = 0;
        break;
    default:
        c->mask = val & 0x0f;
        break;
    }
    kick(c->owner);
}

/* Port 80h + index -> channel, -1: a latch without one. */
static const int8_t page_channel[16] = {-1, 2, 3, 1, -1, -1, -1, 0, -1, 6, 7, 5, -1, -1, -1, 4};

static uint64_t page_read(void *opaque, hwaddr off, unsigned size)
{
    I8237State *s = opaque;
    int chan = page_channel[(off + 1) & 15];

    return chan < 0 ? s->page_latch[(off + 1) & 15] : channel(s, chan, NULL)->page;
}

static void page_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    I8237State *s = opaque;
    int chan = page_channel[(off + 1) & 15];

    s->page_latch[(off + 1) & 15] = (uint8_t)val;
    if (chan >= 0)
        channel(s, chan, NULL)->page = (uint8_t)val;
}

static const MemoryOps chan_ops = {chan_read, chan_write, 1, 1, false};
static const MemoryOps cont_ops = {cont_read, cont_write, 1, 1, false};
static const MemoryOps page_ops = {page_read, page_write, 1, 1, false};

static const VMField channel_fields[] = {
    VM_UINT(I8237Channel, base_addr), VM_UINT(I8237Channel, base_count), VM_UINT(I8237Channel, addr),
    VM_UINT(I8237Channel, pos),       VM_UINT(I8237Channel, page),       VM_UINT(I8237Channel, mode),
    VM_END,
};
static const VMField controller_fields[] = {
    VM_STRUCT_ARRAY(I8237Controller, chan, 4, channel_fields),
    VM_UINT(I8237Controller, status),
    VM_UINT(I8237Controller, command),
    VM_UINT(I8237Controller, mask),
    VM_UINT(I8237Controller, flip_flop),
    VM_UINT(I8237Controller, soft_request),
    VM_END,
};
static const VMField i8237_fields[] = {
    VM_STRUCT_ARRAY(I8237State, ctl, 2, controller_fields),
    VM_BUFFER(I8237State, page_latch),
    VM_TIMER(I8237State, run_timer),
    VM_END,
};

static void i8237_reset(Device *dev)
{
    I8237State *s = container_of(dev, I8237State, dev);

    for (int i = 0; i < 2; i++) {
        for (int n = 0; n < 4; n++) {
            I8237Channel *ch = &s->ctl[i].chan[n];
            ch->base_addr = ch->base_count = ch->addr = 0;
            ch->pos = 0;
            ch->page = ch->mode = 0;
        }
        s->ctl[i].status = 0;
        master_clear(&s->ctl[i]);
    }
    memset(s->page_latch, 0, sizeof s->page_latch);
    timer_del(s->run_timer);
}

static bool i8237_init(Device *dev, GError **errp)
{
    I8237State *s = container_of(dev, I8237State, dev);
    MemoryRegion *io = address_space_io.root;

    s->run_timer = timer_new(CLOCK_VM, i8237_run, s);
    memory_begin();
    for (int i = 0; i < 2; i++) {
        I8237Controller *c = &s->ctl[i];
        c->owner = s;
        c->shift = (unsigned)i;
        c->first = i * 4;
        memory_region_init_io(&c->chan_mr, &chan_ops, c, "dma-chan", 8ULL << i);
        memory_region_init_io(&c->cont_mr, &cont_ops, c, "dma-cont", 8ULL << i);
        memory_region_add(io, i ? 0xc0 : 0x00, &c->chan_mr, 0);
        memory_region_add(io, i ? 0xd0 : 0x08, &c->cont_mr, 0);
    }
    memory_region_init_io(&s->page_mr, &page_ops, s, "dma-page", 15);
    memory_region_add(io, 0x81, &s->page_mr, 0);
    memory_commit();
    return true;
}

static void i8237_finalize(Device *dev)
{
    I8237State *s = container_of(dev, I8237State, dev);
    MemoryRegion *io = address_space_io.root;

    for (int i = 0; i < 2; i++) {
        memory_region_del(io, &s->ctl[i].chan_mr);
        memory_region_del(io, &s->ctl[i].cont_mr);
        memory_region_destroy(&s->ctl[i].chan_mr);
        memory_region_destroy(&s->ctl[i].cont_mr);
    }
    memory_region_del(io, &s->page_mr);
    memory_region_destroy(&s->page_mr);
    timer_free(s->run_timer);
}

const DeviceClass i8237_class = {
    .name = "i8257", /* the name that `info qtree` has always had for it */
    .instance_size = sizeof(I8237State),
    .init = i8237_init,
    .reset = i8237_reset,
    .fields = i8237_fields,
    .finalize = i8237_finalize,
    .desc = "two cascaded DMA controllers",
    .bus = "ISA",
};
