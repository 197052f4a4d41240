/* net-setup.h - -netdev, -nic and -net: checked while parsing, carried out when the machine is made. */
#ifndef VL_NET_SETUP_H
#define VL_NET_SETUP_H

#include "hw/pc/pc.h"
#include "vl/options.h"

/* `opt` is the option as written ("-nic"); collects it. */
bool option_net(VlConfig *c, const char *opt, const char *val, GError **errp);
/* True when val asks for help and the text was printed. */
bool net_value_help(const char *opt, const char *val);

/* Before the board: the -netdev networks. After it, before -device: the cards and networks of -nic and -net, or the
 * default ones. After -device: warnings about what nobody uses. */
bool net_setup_backends(const VlConfig *c, GError **errp);
bool net_setup_nics(const VlConfig *c, PcMachine *pc, GError **errp);
void net_setup_check(const VlConfig *c);

#endif
