/* blkdebug.c - error injection: a rule waits for an event and then makes matching I/O fail
 * Spec: the rules of qemu's blkdebug driver (docs/devel/blkdebug.txt): [inject-error] with event, errno,
 * sector, state, once, immediately, iotype; [set-state] with event, state, new_state.
 * Not modelled: suspended requests, alignment limits, the events of formats that are read only here. */
#include "host/base/osdep.h"
#include "host/block/blkdebug.h"
#include "host/base/keyval.h"

static const char *const event_name[] = {
#define X(name) #name,
    BLOCK_EVENTS(X)
#undef X
};

typedef struct Rule {
    bool inject; /* else: set-state */
    BlockEvent event;
    unsigned state, new_state, io;
    int err;
    int64_t sector; /* -1: any */
    bool once, active, spent;
} Rule;

struct BlkDebug {
    GMutex lock;
    unsigned state;
    GArray *rules; /* of Rule */
};

static bool parse_event(const char *what, const char *v, BlockEvent *out, GError **errp)
{
    for (unsigned i = 0; v && i < EVENT_COUNT; i++)
        if (g_str_equal(event_name[i], v)) {
            *out = (BlockEvent)i;
            return true;
        }
    if (!v)
        return error_set(errp, "blkdebug: %s without event=", what);
    g_autofree char *all = g_strjoinv(" ", (char **)(char *[]){
#define X(name) #name,
        BLOCK_EVENTS(X)
#undef X
        NULL});
    return error_set(errp, "blkdebug: Invalid event name '%s' (choices: %s)", v, all);
}

static bool take_number(BlockOptions *o, const char *key, uint64_t max, uint64_t *out, GError **errp)
{
    g_autofree char *v = blkopts_take(o, key);
    return !v || parse_uint(key, v, 0, max, out, errp);
}

/* One rule from its table, which must then be empty. */
static bool add_rule(BlkDebug *d, const char *kind, BlockOptions *o, GError **errp)
{
    static const struct { const char *name; unsigned io; } types[] = {
        {"read", IO_READ}, {"write", IO_WRITE}, {"write-zeroes", IO_WRITE_ZEROES}, {"discard", IO_DISCARD}, {"flush", IO_FLUSH}};
    Rule r = {.inject = g_str_equal(kind, "inject-error"), .sector = -1, .err = EIO, .io = 31};
    uint64_t state = 0, err = EIO, sector = UINT64_MAX, new_state = 0;
    bool immediately = false;
    const char *io = NULL;
    g_autofree char *event = blkopts_take(o, "event");
    if (!parse_event(kind, event, &r.event, errp) || !take_number(o, "state", UINT32_MAX, &state, errp))
        return false;
    if (r.inject) {
        if (!take_number(o, "errno", 4095, &err, errp) || !take_number(o, "sector", INT64_MAX / 512, &sector, errp) ||
            !blkopts_take_bool(o, "once", &r.once, errp) || !blkopts_take_bool(o, "immediately", &immediately, errp) ||
            !blkopts_take_choice(o, "iotype", "read write write-zeroes discard flush", &io, errp))
            return false;
    } else if (!take_number(o, "new_state", UINT32_MAX, &new_state, errp)) {
        return false;
    }
    for (size_t i = 0; io && i < ARRAY_SIZE(types); i++)
        if (g_str_equal(types[i].name, io))
            r.io = types[i].io;
    r.state = (unsigned)state;
    r.new_state = (unsigned)new_state;
    r.err = (int)err;
    r.sector = sector == UINT64_MAX ? -1 : (int64_t)sector;
    g_array_append_val(d->rules, r);
    return blkopts_check_empty(o, "blkdebug", errp);
}

/* The rules file: sections in brackets, key = "value" lines. */
static bool read_config(BlkDebug *d, const char *path, GError **errp)
{
    g_autofree char *text = NULL, *section = NULL;
    GError *err = NULL;
    BlockOptions *o = NULL;
    bool ok = true;
    if (!g_file_get_contents(path, &text, NULL, &err)) {
        error_set(errp, "Could not read blkdebug config file: %s", err->message);
        g_error_free(err);
        return false;
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; ok; i++) {
        char *l = lines[i] ? g_strstrip(lines[i]) : NULL;
        if (l && (!*l || *l == '#'))
            continue;
        if (!l || *l == '[') { /* a section ends here */
            if (section)
                ok = add_rule(d, section, o, errp);
            g_clear_pointer(&section, g_free);
            g_clear_pointer(&o, blkopts_free);
            if (!l)
                break;
            section = g_strndup(l + 1, strcspn(l + 1, "] \t\""));
            o = blkopts_new();
            if (ok && !g_str_equal(section, "inject-error") && !g_str_equal(section, "set-state"))
                ok = error_set(errp, "%s:%u: section '%s' (allowed: inject-error set-state)", path, i + 1, section);
            continue;
        }
        char *eq = strchr(l, '=');
        if (!eq || !section) {
            ok = error_set(errp, "%s:%u: a line '%s' that is no key = \"value\" in a section", path, i + 1, l);
            break;
        }
        *eq++ = 0;
        eq = g_strstrip(eq);
        g_autofree char *val = *eq == '"' ? g_strndup(eq + 1, strcspn(eq + 1, "\"")) : g_strdup(eq);
        blkopts_set(o, g_strstrip(l), val);
    }
    blkopts_free(o);
    return ok;
}

BlkDebug *blkdebug_new(BlockOptions *o, GError **errp)
{
    static const char *const kinds[] = {"inject-error", "set-state"};
    BlkDebug *d = g_new0(BlkDebug, 1);
    g_mutex_init(&d->lock);
    d->state = 1;
    d->rules = g_array_new(FALSE, FALSE, sizeof(Rule));
    g_autofree char *config = blkopts_take(o, "config");
    bool ok = !config || read_config(d, config, errp);
    for (size_t i = 0; i < ARRAY_SIZE(kinds) && ok; i++) {
        BlockOptions *all = blkopts_take_sub(o, kinds[i]);
        for (unsigned k = 0; ok; k++) {
            g_autofree char *num = g_strdup_printf("%u", k);
            BlockOptions *one = blkopts_take_sub(all, num);
            bool last = g_hash_table_size(one) == 0;
            if (!last)
                ok = add_rule(d, kinds[i], one, errp);
            blkopts_free(one);
            if (last)
                break;
        }
        if (ok)
            ok = blkopts_check_empty(all, "blkdebug", errp);
        blkopts_free(all);
    }
    if (!ok) {
        blkdebug_free(d);
        return NULL;
    }
    blkdebug_event(d, EVENT_none);
    return d;
}

void blkdebug_free(BlkDebug *d)
{
    if (!d)
        return;
    g_array_free(d->rules, TRUE);
    g_mutex_clear(&d->lock);
    g_free(d);
}

void blkdebug_event(BlkDebug *d, BlockEvent e)
{
    g_mutex_lock(&d->lock);
    unsigned state = d->state;
    bool any = false;
    for (guint i = 0; i < d->rules->len; i++) {
        Rule *r = &g_array_index(d->rules, Rule, i);
        if (r->event != e || (r->state && r->state != state) || r->spent)
            continue;
        if (!r->inject) {
            d->state = r->new_state;
            continue;
        }
        /* the rules of this event take the place of those in force */
        for (guint k = 0; !any && k < d->rules->len; k++)
            g_array_index(d->rules, Rule, k).active = false;
        any = r->active = true;
    }
    g_mutex_unlock(&d->lock);
}

int blkdebug_check(BlkDebug *d, BlockIo io, uint64_t offset, uint64_t len)
{
    int err = 0;
    g_mutex_lock(&d->lock);
    for (guint i = 0; i < d->rules->len && !err; i++) {
        Rule *r = &g_array_index(d->rules, Rule, i);
        uint64_t at = r->sector >= 0 ? (uint64_t)r->sector * 512 : 0;
        if (!r->active || !(r->io & io) || (r->sector >= 0 && (io == IO_FLUSH || at < offset || at >= offset + len)))
            continue;
        err = r->err;
        if (r->once) {
            r->active = false;
            r->spent = true;
        }
    }
    g_mutex_unlock(&d->lock);
    return -err;
}
