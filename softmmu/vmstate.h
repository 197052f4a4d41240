/* vmstate.h - one table per struct tells how its guest-visible fields are saved and loaded.
 * The stream is little-endian; each device is a section (name, instance, version, length) so that
 * an unknown or short section is an error that names it, not a crash. */
#ifndef SOFTMMU_VMSTATE_H
#define SOFTMMU_VMSTATE_H

#include "host/base/osdep.h"

typedef enum VMFieldKind {
    VMF_END,
    VMF_UINT,       /* integer of elem_size 1, 2, 4, 8; count of them */
    VMF_BOOL,       /* count bools: whatever is not 0 in a stream is true */
    VMF_BUFFER,     /* count bytes as they are */
    VMF_VBUFFER,    /* pointer to bytes; length in bytes = *(uint32_t *)(state + len_offset) at most count, which is what the buffer has */
    VMF_STRUCT,     /* count nested structs of elem_size, described by sub */
    VMF_TIMER,      /* Timer *: expiry, re-armed on load */
} VMFieldKind;

typedef struct VMField VMField;
struct VMField {
    const char *name;
    VMFieldKind kind;
    size_t offset, elem_size, count, len_offset;
    const VMField *sub;
};

#define VM_KIND(x) _Generic((x), bool: VMF_BOOL, default: VMF_UINT)
#define VM_UINT(type, member) \
    {#member, VM_KIND(((type *)0)->member), offsetof(type, member), sizeof(((type *)0)->member), 1, 0, NULL}
#define VM_UINT_ARRAY(type, member, n) \
    {#member, VM_KIND(((type *)0)->member[0]), offsetof(type, member), sizeof(((type *)0)->member[0]), n, 0, NULL}
#define VM_BUFFER(type, member) \
    {#member, VMF_BUFFER, offsetof(type, member), 1, sizeof(((type *)0)->member), 0, NULL}
#define VM_VBUFFER(type, member, max, len_member) \
    {#member, VMF_VBUFFER, offsetof(type, member), 1, max, offsetof(type, len_member), NULL}
#define VM_STRUCT(type, member, fields) \
    {#member, VMF_STRUCT, offsetof(type, member), sizeof(((type *)0)->member), 1, 0, fields}
#define VM_STRUCT_ARRAY(type, member, n, fields) \
    {#member, VMF_STRUCT, offsetof(type, member), sizeof(((type *)0)->member[0]), n, 0, fields}
#define VM_TIMER(type, member) {#member, VMF_TIMER, offsetof(type, member), sizeof(void *), 1, 0, NULL}
#define VM_END {NULL, VMF_END, 0, 0, 0, 0, NULL}

/* Append the fields of *state to out. */
void vmstate_save(const VMField *fields, const void *state, GByteArray *out);
/* Load from data[*pos..len); advances *pos. False with errp when the data is short or wrong. */
bool vmstate_load(const VMField *fields, void *state, const uint8_t *data, size_t len, size_t *pos,
                  GError **errp);

#endif
