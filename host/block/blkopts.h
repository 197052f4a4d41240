/* blkopts.h - what is known of a block node before it is opened: a flat table of dotted keys
 * ("driver", "file.filename", "backing.file.driver"), from key=value text, JSON or a file name.
 * Whoever opens takes the keys it knows; what is left over is the user's mistake. */
#ifndef HOST_BLOCK_BLKOPTS_H
#define HOST_BLOCK_BLKOPTS_H

#include "host/base/osdep.h"

typedef GHashTable BlockOptions; /* char * -> char *, both owned */

BlockOptions *blkopts_new(void);
BlockOptions *blkopts_copy(BlockOptions *o);
void blkopts_free(BlockOptions *o);
void blkopts_set(BlockOptions *o, const char *key, const char *val);
/* "{...}" is JSON, anything else key=value,... (the first word without '=' is the driver). NULL and errp. */
BlockOptions *blkopts_parse(const char *text, GError **errp);
/* Adds what a JSON object says; lists become numbered keys, null the empty text. */
bool blkopts_add_json(BlockOptions *o, const char *json, GError **errp);
/* The same settings as key=value text for keyval_parse(), in the order of their names; a list of {"str": X} gives its name
 * several times (how netdevs write hostfwd). NULL and errp. Free it. */
char *blkopts_json_to_text(const char *json, GError **errp);
/* The word before a colon that comes before any slash ("nbd" of nbd:HOST:PORT), or NULL: a plain name. Free it. */
char *blkopts_protocol(const char *filename);
/* Adds what a file name means: "json:{...}", "blkdebug:RULES:IMAGE", "null-co://", "fat:DIR", "file:NAME", or a
 * plain name. Keys that are there already stay. */
bool blkopts_add_filename(BlockOptions *o, const char *filename, GError **errp);

const char *blkopts_get(BlockOptions *o, const char *key);
char *blkopts_take(BlockOptions *o, const char *key); /* NULL: not there; the caller frees */
bool blkopts_take_bool(BlockOptions *o, const char *key, bool *out, GError **errp);
bool blkopts_take_size(BlockOptions *o, const char *key, uint64_t *out, GError **errp);
/* One of the space-separated choices; *out (may be NULL) stays when the key is not there. A static text. */
bool blkopts_take_choice(BlockOptions *o, const char *key, const char *choices, const char **out, GError **errp);
/* Everything below "prefix." with the prefix removed, taken out of o. */
BlockOptions *blkopts_take_sub(BlockOptions *o, const char *prefix);
/* false and errp, naming one key, unless the table is empty. */
bool blkopts_check_empty(BlockOptions *o, const char *what, GError **errp);

#endif
