/* smbios-opts.h - what -smbios says: fields of our structures, and structures from files. */
#ifndef HW_PC_SMBIOS_OPTS_H
#define HW_PC_SMBIOS_OPTS_H

#include "host/base/osdep.h"

typedef struct SmbiosOpts {
    GHashTable *fields;    /* "1.manufacturer" -> text */
    GPtrArray *oem;        /* of char *: type 11 */
    GByteArray *file;      /* structures as they are to appear */
    unsigned file_count, file_largest;
    bool from_file[256], from_fields[256]; /* by type */
} SmbiosOpts;

SmbiosOpts *smbios_opts_new(void);
void smbios_opts_free(SmbiosOpts *o); /* NULL is fine */
/* "type=N,field=value,..." or "file=PATH". */
bool smbios_opts_add(SmbiosOpts *o, const char *text, GError **errp);
/* The text of a field, or def. */
const char *smbios_opts_get(const SmbiosOpts *o, unsigned type, const char *key, const char *def);

#endif
