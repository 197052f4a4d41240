/* nbd.h - the bytes of an image on an NBD server. */
#ifndef HOST_BLOCK_NBD_H
#define HOST_BLOCK_NBD_H

#include "host/block/blkopts.h"
#include <sys/uio.h>

typedef struct Nbd Nbd;

/* Takes server.*, host, port, path, export out of o. NULL and errp: no connection, no such export, ... */
Nbd *nbd_open(BlockOptions *o, GError **errp);
void nbd_close(Nbd *n);
uint64_t nbd_length(const Nbd *n);
bool nbd_read_only(const Nbd *n);
const char *nbd_name(const Nbd *n); /* nbd://HOST:PORT/EXPORT */

/* Any thread, one request at a time; 0 or -errno. After a broken connection everything is -EIO. */
int nbd_rwv(Nbd *n, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len, bool write);
int nbd_flush(Nbd *n);
int nbd_trim(Nbd *n, uint64_t offset, uint64_t len);        /* a hint */
int nbd_write_zeroes(Nbd *n, uint64_t offset, uint64_t len); /* -ENOTSUP: the server does not know it */

/* nbd:HOST:PORT, nbd:unix:PATH, each with :exportname=NAME; nbd://HOST[:PORT][/NAME], nbd+unix:///NAME?socket=PATH: as file.* */
bool nbd_parse_name(BlockOptions *o, const char *name, GError **errp);

#endif
