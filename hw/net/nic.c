/* nic.c - the part of every network card that is no chip: properties, MAC address, client, list of models. */
#include "host/base/osdep.h"
#include "hw/net/nic.h"

#include "hw/net/e1000.h"
#include "hw/net/ne2k-pci.h"
#include "hw/net/rtl8139.h"
#include "hw/net/virtio-net.h"

const NicModel nic_models[] = {
    {&e1000_class, "efi-e1000.rom", NULL},
    {&ne2k_pci_class, "efi-ne2k_pci.rom", NULL},
    {&rtl8139_class, "efi-rtl8139.rom", NULL},
    {&virtio_net_class, "efi-virtio.rom", "virtio"},
    {&virtio_net_transitional_class, "efi-virtio.rom", NULL},
    {&virtio_net_non_transitional_class, "efi-virtio.rom", NULL},
    {NULL, NULL, NULL},
};

const NicModel *nic_find_model(const char *name)
{
    for (const NicModel *m = nic_models; m->cls; m++)
        if (!strcmp(m->cls->name, name) || !g_strcmp0(m->alias, name))
            return m;
    return NULL;
}

NicState *nic_from_device(Device *dev)
{
    for (const NicModel *m = nic_models; m->cls; m++)
        if (m->cls == dev->cls)
            return (NicState *)dev;
    return NULL;
}

char *nic_model_choices(void)
{
    GString *s = g_string_new(NULL);

    for (const NicModel *m = nic_models; m->cls; m++)
        g_string_append_printf(s, "%s%s", s->len ? " " : "", m->cls->name);
    return g_string_free(s, FALSE);
}

static bool mac_taken(const NicState *self, const uint8_t mac[6])
{
    for (GList *l = device_list(); l; l = l->next) {
        NicState *n = nic_from_device(l->data);
        if (n && n != self && !memcmp(n->mac, mac, 6))
            return true;
    }
    return false;
}

/* 52:54:00:12:34:56 and up, as no other card of this machine has it. */
static void default_mac(NicState *n)
{
    static const uint8_t first[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

    memcpy(n->mac, first, 6);
    while (mac_taken(n, n->mac))
        n->mac[5]++;
}

static char *own_name(NicState *n)
{
    const char *model = n->pci.dev.cls->name;

    if (n->pci.dev.id)
        return g_strdup(n->pci.dev.id);
    for (unsigned i = 0;; i++) {
        char *name = g_strdup_printf("%s.%u", model, i);
        if (!net_client_find(name))
            return name;
        g_free(name);
    }
}

bool nic_init(NicState *n, const NetClientOps *ops, GError **errp)
{
    const char *model = n->pci.dev.cls->name;
    g_autofree char *name = own_name(n);
    NetClient *peer = NULL;

    if (n->mac_text && !net_parse_mac(n->mac_text, n->mac, errp))
        return false;
    if (!n->mac_text)
        default_mac(n);
    if (n->netdev) {
        peer = net_client_find(n->netdev);
        if (!peer || peer->model)
            return error_set(errp, "Property '%s.netdev' can't find value '%s' (define it with -netdev TYPE,id=%s)", model,
                             n->netdev, n->netdev);
    }
    if (n->pci.dev.id && net_client_find(name))
        return error_set(errp, "id=%s is taken by another network or NIC", name);
    n->nc = net_client_new(ops, name, model);
    ((NicClient *)n->nc)->nic = n;
    net_client_set_info(n->nc, "type=nic,model=%s,macaddr=%02x:%02x:%02x:%02x:%02x:%02x", model, n->mac[0], n->mac[1],
                        n->mac[2], n->mac[3], n->mac[4], n->mac[5]);
    return !peer || net_connect(n->nc, peer, errp);
}

void nic_finalize(NicState *n)
{
    net_client_free(n->nc);
    n->nc = NULL;
    if (n->have_rom)
        memory_region_destroy(&n->rom);
    n->have_rom = false;
}

unsigned nic_multicast_hash(const uint8_t addr[6])
{
    uint32_t crc = ~0u;

    for (int i = 0; i < 6; i++)
        for (int bit = 0; bit < 8; bit++) {
            bool carry = (crc >> 31 ^ addr[i] >> bit) & 1;
            crc = crc << 1 ^ (carry ? 0x04c11db7 : 0);
        }
    return crc >> 26;
}
