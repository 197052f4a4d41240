/* vmstate.c - field tables to bytes and back. All numbers little-endian; arrays in order; nothing is
 * padded. Spec: vmstate.h. Hosts are little-endian here, so integers are copied. */
#include "softmmu/vmstate.h"

#include "host/base/bitops.h"
#include "softmmu/timer.h"

void vmstate_save(const VMField *fields, const void *state, GByteArray *out)
{
    for (const VMField *f = fields; f->kind != VMF_END; f++) {
        const uint8_t *p = (const uint8_t *)state + f->offset;
        switch (f->kind) {
        case VMF_UINT:
        case VMF_BOOL:
            g_byte_array_append(out, p, (guint)(f->elem_size * f->count));
            break;
        case VMF_BUFFER:
            g_byte_array_append(out, p, (guint)f->count);
            break;
        case VMF_VBUFFER: {
            uint32_t len;
            memcpy(&len, (const uint8_t *)state + f->len_offset, sizeof len);
            if (len > f->count)
                len = (uint32_t)f->count;
            g_byte_array_append(out, (uint8_t *)&len, sizeof len);
            if (len)
                g_byte_array_append(out, *(uint8_t *const *)(const void *)p, len);
            break;
        }
        case VMF_STRUCT:
            for (size_t i = 0; i < f->count; i++)
                vmstate_save(f->sub, p + i * f->elem_size, out);
            break;
        case VMF_TIMER: {
            const Timer *t = *(Timer *const *)(const void *)p;
            int64_t ns = t ? timer_expire_ns(t) : -1;
            g_byte_array_append(out, (uint8_t *)&ns, sizeof ns);
            break;
        }
        case VMF_END:
            break;
        }
    }
}

static bool take(void *dst, size_t n, const VMField *f, const uint8_t *data, size_t len, size_t *pos, GError **errp)
{
    if (len - *pos < n)
        return error_set(errp, "saved state ends inside field '%s'", f->name);
    memcpy(dst, data + *pos, n);
    *pos += n;
    return true;
}

bool vmstate_load(const VMField *fields, void *state, const uint8_t *data, size_t len, size_t *pos,
                  GError **errp)
{
    for (const VMField *f = fields; f->kind != VMF_END; f++) {
        uint8_t *p = (uint8_t *)state + f->offset;
        switch (f->kind) {
        case VMF_UINT:
            if (!take(p, f->elem_size * f->count, f, data, len, pos, errp))
                return false;
            break;
        case VMF_BOOL:
            if (!take(p, f->count, f, data, len, pos, errp))
                return false;
            for (size_t i = 0; i < f->count; i++)
                p[i] = p[i] != 0;
            break;
        case VMF_BUFFER:
            if (!take(p, f->count, f, data, len, pos, errp))
                return false;
            break;
        case VMF_VBUFFER: {
            uint32_t n = 0;
            uint8_t **buf = (uint8_t **)(void *)p;
            if (!take(&n, sizeof n, f, data, len, pos, errp))
                return false;
            if (n > f->count || n > len - *pos)
                return error_set(errp, "field '%s' of %u bytes is longer than allowed", f->name, n);
            if (n) {
                /* Neither is the old buffer's size known, nor may it become smaller than its user thinks: a later
                 * field may end the load before the device could put that right. */
                *buf = g_realloc(*buf, f->count);
                memcpy(*buf, data + *pos, n);
                *pos += n;
            }
            memcpy((uint8_t *)state + f->len_offset, &n, sizeof n);
            break;
        }
        case VMF_STRUCT:
            for (size_t i = 0; i < f->count; i++)
                if (!vmstate_load(f->sub, p + i * f->elem_size, data, len, pos, errp))
                    return false;
            break;
        case VMF_TIMER: {
            Timer *t = *(Timer **)(void *)p;
            int64_t ns = -1;
            if (!take(&ns, sizeof ns, f, data, len, pos, errp))
                return false;
            if (t && ns >= 0)
                timer_mod(t, ns);
            else if (t)
                timer_del(t);
            break;
        }
        case VMF_END:
            break;
        }
    }
    return true;
}
