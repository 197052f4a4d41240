/* img-options.c - what the commands of vireo-img share in reading their command lines: option lists of formats (-o) with
 * their help, cache modes, wrong options.
 * Spec: the options, the layout of the help and the wording of errors that scripts know from qemu-img 7.2.
 * Not modelled: encryption (encrypt.*), external data files (data_file). */
#include "host/base/osdep.h"
#include "vl/img.h"
#include <getopt.h>

typedef enum OptFormat { IN_QCOW2 = 1, IN_RAW = 2, IN_AMEND = 4, IN_FILE = 8 } OptFormat;

static const struct {
    const char *name, *type, *help;
    unsigned in;
} options[] = {
    {"backing_file", "str", "the image below this one", IN_QCOW2 | IN_AMEND},
    {"backing_fmt", "str", "its format", IN_QCOW2 | IN_AMEND},
    {"cluster_size", "size", "512 to 2M, a power of two", IN_QCOW2},
    {"compat", "str", "version of the format: v2 (0.10) or v3 (1.1)", IN_QCOW2 | IN_AMEND},
    {"compression_type", "str", "of compressed clusters: zlib or zstd", IN_QCOW2},
    {"extended_l2", "bool (on/off)", "subclusters: tables with 32 bits of allocation for each cluster", IN_QCOW2},
    {"lazy_refcounts", "bool (on/off)", "reference counts may lag behind and are repaired after a crash", IN_QCOW2 | IN_AMEND},
    {"nocow", "bool (on/off)", "accepted; has an effect on no file system here", IN_FILE},
    {"preallocation", "str", "off, falloc, full", IN_RAW | IN_FILE},
    {"preallocation", "str", "off, metadata, falloc, full", IN_QCOW2},
    {"refcount_bits", "num", "width of a reference count: 1 to 64, a power of two", IN_QCOW2 | IN_AMEND},
    {"size", "size", "bytes of the disk", IN_QCOW2 | IN_RAW | IN_AMEND},
};

static unsigned format_bit(const char *format) { return g_str_equal(format, "qcow2") ? IN_QCOW2 : g_str_equal(format, "raw") ? IN_RAW : 0; }

bool img_wants_help(const char *list)
{
    g_auto(GStrv) parts = g_strsplit(list ? list : "", ",", -1);
    return g_strv_contains((const char *const *)parts, "help") || g_strv_contains((const char *const *)parts, "?");
}

int img_options_help(const char *format, const char *target, bool amend)
{
    unsigned bit = format_bit(format);
    if (!bit)
        return img_error("Unknown file format '%s'", format);
    if (amend && bit != IN_QCOW2)
        return img_error("Format driver '%s' does not support option amendment", format);
    if (amend)
        printf("Amend options for '%s':\n", format);
    else if (target)
        printf("Supported options:\n");
    else
        printf("Supported %s options:\n", format);
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        if (!(options[i].in & (amend ? IN_AMEND : bit | (target ? IN_FILE : 0))) || (bit == IN_QCOW2 && !(options[i].in & IN_QCOW2) && options[i].in & IN_RAW) ||
            (bit == IN_RAW && !target && g_str_equal(options[i].name, "preallocation")))
            continue;
        g_autofree char *left = g_strdup_printf("%s=<%s>", options[i].name, options[i].type);
        printf("  %-22s - %s\n", left, options[i].help);
    }
    if (!amend && !target)
        printf("\nThe protocol level may support further options.\nSpecify the target filename to include those options.\n");
    return 0;
}

bool img_check_options(GPtrArray *kv, const char *format, bool amend, GError **errp)
{
    unsigned bit = amend ? IN_AMEND : format_bit(format) | IN_FILE;
    for (guint i = 0; i < kv->len; i++) {
        const char *key = ((KeyVal *)kv->pdata[i])->key;
        bool known = false, create = false;
        for (size_t k = 0; k < ARRAY_SIZE(options); k++) {
            known |= (options[k].in & bit) && g_str_equal(options[k].name, key);
            create |= (options[k].in & IN_QCOW2) && g_str_equal(options[k].name, key);
        }
        if (known || (!amend && bit & IN_QCOW2 && g_str_equal(key, "encryption")))
            continue;
        if (g_str_has_prefix(key, "encrypt") || g_str_has_prefix(key, "data_file"))
            return error_set(errp, "Invalid parameter '%s': %s not supported", key, key[0] == 'e' ? "encryption is" : "external data files are");
        return error_set(errp, amend && create ? "Invalid parameter '%s': this option is only supported for image creation" : "Invalid parameter '%s'", key);
    }
    return true;
}

bool img_cache(const char *mode, bool source)
{
    static const char *const modes[] = {"none", "off", "writeback", "unsafe", "writethrough", "directsync", NULL};
    if (!mode || g_strv_contains(modes, mode))
        return true;
    img_error("Invalid %scache option: %s", source ? "source " : "", mode);
    return false;
}

int img_usage(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *msg = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    img_error("%s", msg);
    fprintf(stderr, "Try 'vireo-img --help' for more information\n");
    return 1;
}

int img_bad_option(int c, char **argv)
{
    return img_usage(c == ':' ? "missing argument for option '%s'" : "unrecognized option '%s'", argv[optind - 1]);
}

bool img_size_of(const char *text, const char *what, uint64_t *out)
{
    GError *err = NULL;
    bool ok = parse_size(what, text, 1, out, &err);
    if (ok && *out <= INT64_MAX)
        return true;
    if (ok || strstr(err->message, "too large"))
        img_error("Invalid %s specified. Must be between 0 and %" PRId64 ".", what, INT64_MAX);
    else
        img_error("Invalid %s specified. You may use k, M, G, T, P or E suffixes for kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.", what);
    g_clear_error(&err);
    return false;
}

bool img_size(const char *text, uint64_t *out) { return img_size_of(text, "image size", out); }

bool img_uint(const char *text, const char *what, uint64_t max, uint64_t *out)
{
    GError *err = NULL;
    if (parse_uint(what, text, 0, max, out, &err))
        return true;
    g_error_free(err);
    img_error("Invalid %s specified", what);
    return false;
}
