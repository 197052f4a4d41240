/* qcow2.c - qcow2 images. */
#include "host/base/osdep.h"
#include "host/block/block-int.h"
const BlockFormat qcow2_format = {.name = "qcow2"};
bool qcow2_open(BlockNode *n, BlockFile *file, const BlockOpenOpts *opts, GError **errp)
{
    return error_set(errp, "qcow2 is not supported");
}
