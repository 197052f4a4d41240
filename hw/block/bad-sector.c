/* bad-sector.c - bisection of a failed request. See the header. */
#include "host/base/osdep.h"
#include "hw/block/bad-sector.h"

/* Bytes [from, to) of the request. */
static bool transfer(BlockImage *img, uint64_t offset, const struct iovec *iov, int iovcnt, bool write, uint64_t from, uint64_t to)
{
    uint64_t at = 0;
    for (int i = 0; i < iovcnt && at < to; at += iov[i++].iov_len) {
        uint64_t a = MAX(from, at), b = MIN(to, at + iov[i].iov_len);
        if (a >= b)
            continue;
        uint8_t *p = (uint8_t *)iov[i].iov_base + (a - at);
        if ((write ? block_pwrite(img, offset + a, p, b - a) : block_pread(img, offset + a, p, b - a)) < 0)
            return false;
    }
    return true;
}

uint32_t bad_sector_find(BlockImage *img, uint64_t offset, const struct iovec *iov, int iovcnt, bool write, unsigned unit)
{
    uint64_t total = 0, good = 0, bad;

    for (int i = 0; i < iovcnt; i++)
        total += iov[i].iov_len;
    bad = total /= unit;
    while (bad - good > 1) { /* all before `good` went well; there is a bad one before `bad` */
        uint64_t mid = good + (bad - good) / 2;
        if (transfer(img, offset, iov, iovcnt, write, good * unit, mid * unit))
            good = mid;
        else
            bad = mid;
    }
    if (bad == total && good + 1 == total && transfer(img, offset, iov, iovcnt, write, good * unit, total * unit))
        return 0;
    return good;
}
