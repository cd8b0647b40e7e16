/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The receive filter of virtio-net (VIRTIO 1.2, 5.1.6.5.1 to 5.1.6.5.3): what the guest told us that it wants. Best
 * effort by the specification, but a guest on a busy segment is spared what is not for it.
 */
#include <string.h>

#include "hw/net/virtio-net.h"
#include "qapi/qapi-commands.h"

#define VLAN_TAG_HIGH 0x81 /* 802.1Q, after the addresses */
#define VLAN_ID_MASK  0xfff

static const uint8_t broadcast[ETHER_ADDRESS] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/* 5.1.6.5.1: until the driver says otherwise it gets everything, as drivers without the control queue expect. */
void virtio_net_filter_reset(struct virtio_net *n)
{
    n->filter = (struct virtio_net_filter){ .promisc = 1 };
}

/* ---- Passing ---- */

static bool in_table(const struct virtio_net_filter *f, const uint8_t *mac, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++) {
        if (!memcmp(f->macs[i], mac, ETHER_ADDRESS)) {
            return true;
        }
    }
    return false;
}

static bool vlan_passes(const struct virtio_net *n, const uint8_t *frame, size_t length)
{
    unsigned id;

    if (length < ETHER_HEADER + 2 || frame[12] != VLAN_TAG_HIGH || frame[13] != 0 ||
        !virtio_has_feature(&n->vdev, VIRTIO_NET_F_CTRL_VLAN)) {
        return true;
    }
    id = (frame[14] << 8 | frame[15]) & VLAN_ID_MASK;
    return n->filter.vlans[id / 32] >> id % 32 & 1;
}

static bool multicast_passes(const struct virtio_net_filter *f, const uint8_t *mac)
{
    if (!memcmp(mac, broadcast, ETHER_ADDRESS)) {
        return !f->nobcast;
    }
    return !f->nomulti && (f->allmulti || f->multi_overflow || in_table(f, mac, f->first_multi, f->in_use));
}

bool virtio_net_filter_passes(const struct virtio_net *n, const uint8_t *frame, size_t length)
{
    const struct virtio_net_filter *f = &n->filter;

    if (f->promisc) {
        return true;
    }
    if (!vlan_passes(n, frame, length)) {
        return false;
    }
    if (frame[0] & 1) {
        return multicast_passes(f, frame);
    }
    return !f->nouni && (f->alluni || f->uni_overflow || !memcmp(frame, n->mac, ETHER_ADDRESS) ||
                         in_table(f, frame, 0, f->first_multi));
}

/* ---- query-rx-filter ---- */

static RxState state_of(bool none, bool all)
{
    return none ? RX_STATE_NONE : all ? RX_STATE_ALL : RX_STATE_NORMAL;
}

static GPtrArray *print_macs(const struct virtio_net_filter *f, uint32_t first, uint32_t end)
{
    GPtrArray *list = qapi_list_of_str_new();

    for (uint32_t i = first; i < end; i++) {
        g_ptr_array_add(list, net_print_mac(f->macs[i]));
    }
    return list;
}

/* As the peer lists them: from the highest down; all of them where the guest has no say. */
static GArray *list_vlans(const struct virtio_net *n, bool all)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(int64_t));

    for (int64_t id = VIRTIO_NET_VLANS - 1; id >= 0; id--) {
        if (all || (n->filter.vlans[id / 32] >> id % 32 & 1)) {
            g_array_append_val(list, id);
        }
    }
    return list;
}

RxFilterInfo *virtio_net_filter_info(struct virtio_net *n)
{
    const struct virtio_net_filter *f = &n->filter;
    bool all_vlans = !virtio_has_feature(&n->vdev, VIRTIO_NET_F_CTRL_VLAN);
    RxFilterInfo *info = g_new0(RxFilterInfo, 1);

    *info = (RxFilterInfo){
        .name = g_strdup(n->nic.name),
        .promiscuous = f->promisc,
        .multicast = state_of(f->nomulti, f->allmulti),
        .unicast = state_of(f->nouni, f->alluni),
        .vlan = all_vlans ? RX_STATE_ALL : RX_STATE_NORMAL,
        .broadcast_allowed = !f->nobcast,
        .multicast_overflow = f->multi_overflow,
        .unicast_overflow = f->uni_overflow,
        .main_mac = net_print_mac(n->mac),
        .vlan_table = list_vlans(n, all_vlans),
        .unicast_table = print_macs(f, 0, f->first_multi),
        .multicast_table = print_macs(f, f->first_multi, f->in_use),
    };
    n->filter_event_due = true;
    return info;
}
