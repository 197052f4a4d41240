/* img-main.c - vireo-img: makes, shows, checks and changes disk images; the command line of qemu-img.
 * Commands are in img-*.c; this file has the table of commands and what they share.
 * Not modelled: encryption (--object secrets), writing of other formats than raw and qcow2. */
#include "host/base/osdep.h"
#include "vl/img.h"
#include <getopt.h>

static const struct {
    const char *name, *args;
    ImgCommand *run;
} commands[] = {
    {"amend", "[-q] [-f fmt] [-p] -o options filename", img_amend},
    {"bench", "[-c count] [-d depth] [-f fmt] [-s buffer_size] [-w] filename", img_bench},
    {"bitmap", "(--merge SOURCE | --add | --remove | --clear | --enable | --disable)... [-b source_file [-F source_fmt]] [-g granularity] [-f fmt] filename bitmap", img_bitmap},
    {"check", "[-q] [-f fmt] [--output=ofmt] [-r [leaks | all]] [-U] filename", img_check},
    {"commit", "[-q] [-f fmt] [-b base] [-d] [-p] filename", img_commit},
    {"compare", "[-f fmt] [-F fmt] [-p] [-q] [-s] [-U] filename1 filename2", img_compare},
    {"convert", "[-U] [-c] [-p] [-q] [-n] [-f fmt] [-O output_fmt] [-B backing_file [-F backing_fmt]] [-o options] [-l snapshot] [-S sparse_size] [-m threads] [-W] [--salvage] filename [filename2 [...]] output_filename", img_convert},
    {"create", "[-q] [-f fmt] [-b backing_file [-F backing_fmt]] [-u] [-o options] filename [size]", img_create},
    {"dd", "[-U] [-f fmt] [-O output_fmt] [bs=block_size] [count=blocks] [skip=blocks] if=input of=output", img_dd},
    {"info", "[-f fmt] [--output=ofmt] [--backing-chain] [-U] filename", img_info},
    {"map", "[-f fmt] [-s offset] [-l length] [--output=ofmt] [-U] filename", img_map},
    {"measure", "[--output=ofmt] [-O output_fmt] [-o options] [--size N | [-f fmt] filename]", img_measure},
    {"rebase", "[-U] [-q] [-f fmt] [-p] [-u] -b backing_file [-F backing_fmt] filename", img_rebase},
    {"resize", "[-q] [-f fmt] [--preallocation=prealloc] [--shrink] filename [+ | -]size", img_resize},
    {"snapshot", "[-q] [-U] [-l | -a snapshot | -c snapshot | -d snapshot] filename", img_snapshot},
};

int img_error(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *msg = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    error_report("%s", msg);
    return 1;
}

int img_fail(GError *err)
{
    error_report("%s", err->message);
    g_error_free(err);
    return 1;
}

BlockImage *img_open(const char *filename, const ImgOpen *o)
{
    GError *err = NULL;
    BlockOpenOpts opts = {.filename = filename, .format = o->format, .read_only = !o->write, .lock = !o->force_share,
                          .no_backing = o->no_backing, .no_repair = o->no_repair, .check = o->check, .discard_unmap = o->discard,
                          .share_writers = true};
    if (o->cache) {
        opts.direct = g_str_equal(o->cache, "none") || g_str_equal(o->cache, "off") || g_str_equal(o->cache, "directsync");
        opts.no_flush = g_str_equal(o->cache, "unsafe");
        opts.writethrough = g_str_equal(o->cache, "writethrough") || g_str_equal(o->cache, "directsync");
    }
    BlockOptions *table = NULL;
    if (o->image_opts) {
        opts.filename = NULL;
        opts.options = table = blkopts_parse(filename, &err);
        if (!table) {
            img_error("Could not open '%s': %s", filename, err->message);
            g_error_free(err);
            return NULL;
        }
    }
    BlockImage *img = block_open(&opts, &err);
    blkopts_free(table);
    if (img && o->snapshot && !(img_is_qcow2(img) ? qcow2_snapshot_open(block_node(img), o->snapshot, &err)
                                                  : error_set(&err, "Failed to load snapshot: Can't find snapshot '%s'", o->snapshot))) {
        block_close(img);
        img = NULL;
        error_report("%s", err->message);
        g_error_free(err);
        return NULL;
    }
    if (!img) {
        g_autofree char *name = g_strdup_printf("'%s': ", filename); /* said once is enough */
        error_report("Could not open '%s': %s", filename, err->message + (g_str_has_prefix(err->message, name) ? strlen(name) : 0));
        g_error_free(err);
    }
    return img;
}

bool img_is_qcow2(BlockImage *img) { return block_node(img)->fmt == &qcow2_format; }

void img_progress(bool on, double part)
{
    if (on) {
        printf("    (%.2f/100%%)\r", part * 100);
        if (part >= 1)
            printf("\n");
        fflush(stdout);
    }
}

char *img_json(const char *s)
{
    GString *o = g_string_new("\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            g_string_append_printf(o, "\\%c", *s);
        else if ((unsigned char)*s < 32)
            g_string_append_printf(o, "\\u%04x", *s);
        else
            g_string_append_c(o, *s);
    }
    return g_string_free(g_string_append_c(o, '"'), FALSE);
}

static void usage(FILE *f)
{
    fprintf(f, "vireo-img version %s\nusage: vireo-img [standard options] command [command options]\n"
               "Vireo disk image utility\n\n    '-h', '--help'       display this help and exit\n"
               "    '-V', '--version'    output version information and exit\n\nCommand syntax:\n", VIREO_VERSION);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(f, "  %s %s\n", commands[i].name, commands[i].args);
    fprintf(f, "\nSupported formats: raw qcow2; to read only: vmdk vpc vhdx vdi\n");
}

int main(int argc, char **argv)
{
    error_set_progname("vireo-img");
    if (argc < 2)
        return img_usage("Not enough arguments");
    if (g_str_equal(argv[1], "--help") || g_str_equal(argv[1], "-h")) {
        usage(stdout);
        return 0;
    }
    if (g_str_equal(argv[1], "--version") || g_str_equal(argv[1], "-V")) {
        printf("qemu-img version 7.2.22 (Vireo %s)\n", VIREO_VERSION);
        return 0;
    }
    while (argc > 2 && (g_str_equal(argv[1], "-T") || g_str_equal(argv[1], "--trace") || g_str_has_prefix(argv[1], "--trace="))) {
        int n = argv[1][1] == '-' && strchr(argv[1], '=') ? 1 : 2;
        warn_report("there are no trace events; '%s' is ignored", argv[1]);
        argc -= MIN(n, argc - 1);
        argv += n;
    }
    if (argc < 2)
        return img_usage("Not enough arguments");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!g_str_equal(argv[1], commands[i].name))
            continue;
        for (int k = 2; k < argc && !g_str_equal(argv[k], "--"); k++)
            if (g_str_equal(argv[k], "-h") || g_str_equal(argv[k], "--help")) {
                usage(stdout);
                return 0;
            }
        opterr = 0; /* the commands tell what is wrong */
        return commands[i].run(argc - 1, argv + 1);
    }
    return argv[1][0] == '-' ? img_usage("unrecognized option '%s'", argv[1]) : img_usage("Command not found: %s", argv[1]);
}
