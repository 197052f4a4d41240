/* img.h - what the commands of vireo-img share. */
#ifndef VL_IMG_H
#define VL_IMG_H

#include "host/base/keyval.h"
#include "host/block/qcow2.h"

typedef int ImgCommand(int argc, char **argv);
ImgCommand img_create, img_info, img_convert, img_check, img_resize, img_snapshot, img_rebase, img_commit, img_compare,
    img_map, img_measure, img_dd, img_bench, img_amend, img_bitmap;

/* Every command returns the program's exit status. */
/* One line "vireo-img: text", status 1; frees err. */
int img_fail(GError *err);
int img_error(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
/* The same and the line that names --help: a wrong command line. */
int img_usage(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
/* What getopt found wrong (its c is '?' or ':'; option strings begin with ':'). */
int img_bad_option(int c, char **argv);

/* -o lists. help, ? among them: print what there is; target: NULL when no file is named. */
bool img_wants_help(const char *list);
int img_options_help(const char *format, const char *target, bool amend);
bool img_check_options(GPtrArray *kv, const char *format, bool amend, GError **errp);
/* -t and -T; NULL is allowed. Prints the error. */
bool img_cache(const char *mode, bool source);

typedef struct ImgOpen {
    const char *format;
    const char *snapshot; /* read this internal snapshot instead of the disk */
    bool write, force_share, no_backing, no_repair, check, image_opts;
    bool discard;
    const char *cache;    /* none, writethrough, ... or NULL */
} ImgOpen;
/* NULL after the error was printed. */
BlockImage *img_open(const char *filename, const ImgOpen *o);
/* "1G", "512", "10M": bytes; prints the error. */
bool img_size(const char *text, uint64_t *out);
bool img_size_of(const char *text, const char *what, uint64_t *out);
bool img_uint(const char *text, const char *what, uint64_t max, uint64_t *out);
/* -o list into o (and *size, *backing ...): prints the error. `list` keeps what o points to. */
bool img_qcow2_opts(GPtrArray *kv, const char *format, Qcow2CreateOpts *o);
void img_progress(bool on, double part);
/* A JSON string with its quotes. */
char *img_json(const char *s);
bool img_is_qcow2(BlockImage *img);
/* Creates an empty image: format raw or qcow2. */
bool img_make(const char *filename, const char *format, Qcow2CreateOpts *o, GError **errp);

#endif
