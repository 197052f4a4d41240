/* copy-read.c - copy-on-read: what a read finds only in the images below is written into the image itself
 * Spec: qemu's -drive copy-on-read=on: the data a guest reads arrives in the overlay, so that the backing file is needed less and
 * less. Zeros are stored as zeros. A failed write fails the read, as with qemu.
 * A copy excludes other writes of this image, which else could be overwritten with what was below them (copy_lock).
 * The node driver=copy-on-read: filter.c. */
#include "host/base/osdep.h"
#include "host/block/block-int.h"

__thread bool write_unchanged;

static bool all_zero(const struct iovec *iov, int iovcnt)
{
    for (int i = 0; i < iovcnt; i++)
        if (!buffer_is_zero(iov[i].iov_base, iov[i].iov_len))
            return false;
    return true;
}

/* One piece: read through the chain, and written when it is not the image's own. */
static int copy_piece(BlockNode *n, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t *len)
{
    BlockStatus st;
    int ret = n->fmt->status(n->state, offset, *len, &st);
    if (ret)
        return ret;
    *len = MIN(*len, st.len);
    bool copy = true;
    if (n->copy_bottom && !st.allocated) { /* where it is, counted from the image on */
        unsigned last = 0;
        for (const BlockNode *b = n; b && b != n->copy_bottom; b = b->backing)
            last++;
        ret = node_status(n, offset, *len, &st);
        if (ret)
            return ret;
        *len = MIN(*len, st.len);
        copy = st.allocated && st.depth <= last;
        st.allocated = false;
    }
    g_autofree struct iovec *part = g_new(struct iovec, iovcnt);
    int cnt = iov_slice(iov, iovcnt, 0, *len, part);
    ret = n->fmt->preadv(n->state, offset, part, cnt, *len);
    if (ret || st.allocated || !copy)
        return ret;
    write_unchanged = true;
    ret = all_zero(part, cnt) ? node_write_zeroes(n, offset, *len, false) : n->fmt->pwritev(n->state, offset, part, cnt, *len);
    write_unchanged = false;
    return ret;
}

/* Is something of the range not in the image itself? */
static int lacks(BlockNode *n, uint64_t offset, uint64_t len, bool *out)
{
    BlockStatus st = {0};
    int ret = 0;
    *out = false;
    for (; len && !ret && !*out; offset += st.len, len -= MIN(len, st.len)) {
        ret = n->fmt->status(n->state, offset, len, &st);
        *out = !ret && !st.allocated;
    }
    return ret;
}

int node_read_copying(BlockNode *n, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len)
{
    uint64_t avail = offset < n->length ? MIN(len, n->length - offset) : 0;
    bool copy;
    int ret = lacks(n, offset, avail, &copy);
    if (ret || !copy)
        return ret ? ret : node_preadv(n, offset, iov, iovcnt, len);
    iov_zero(iov, iovcnt, avail);
    g_autofree struct iovec *part = g_new(struct iovec, iovcnt);
    g_rw_lock_writer_lock(&n->copy_lock);
    for (uint64_t done = 0, now; done < avail && !ret; done += now) {
        now = avail - done;
        int cnt = iov_slice(iov, iovcnt, done, now, part);
        ret = copy_piece(n, offset + done, part, cnt, &now);
    }
    g_rw_lock_writer_unlock(&n->copy_lock);
    return ret;
}

void node_set_copy_on_read(BlockNode *n)
{
    if (!n->backing || !n->fmt->status || n->copy_on_read)
        return;
    g_rw_lock_init(&n->copy_lock);
    n->copy_on_read = true;
}
