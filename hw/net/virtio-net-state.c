/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-net's own part of its section, in the peer's layout (version 11). Three fields are about the backend: one
 * with virtio-net headers at the source needs one at the destination, as the guest has negotiated by it.
 */
#include <string.h>

#include "hw/net/virtio-net.h"
#include "migration/stream.h"
#include "migration/vmstate.h"

/* ---- The address table: a count and as many addresses ---- */

static void macs_put(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)
{
    const struct virtio_net *n = element;

    stream_put_u32(s, n->filter.in_use);
    stream_put_buffer(s, n->filter.macs, n->filter.in_use * ETHER_ADDRESS);
}

/* A sender with a larger table than ours: forget it, and let everything of either kind pass. */
static void skip_macs(struct virtio_net *n, struct stream *s, uint32_t count)
{
    uint8_t mac[ETHER_ADDRESS];

    for (uint32_t i = 0; i < count; i++) {
        stream_get_buffer(s, mac, sizeof(mac));
    }
    n->filter.in_use = 0;
    n->filter.multi_overflow = n->filter.uni_overflow = 1; /* the stream's own follow: see post_load */
    n->filter.first_multi = 1;                             /* the mark for it */
}

static bool macs_get(struct stream *s, void *element, size_t size, const struct vmstate_field *field, GError **error)
{
    struct virtio_net *n = element;
    uint32_t count = stream_get_u32(s);

    n->filter.first_multi = 0;
    if (count > UINT16_MAX) {
        return error_setf(error, "mac_table.in_use is %u, expected at most %d", count, UINT16_MAX);
    }
    if (count > VIRTIO_NET_MAC_TABLE) {
        skip_macs(n, s, count);
        return true;
    }
    n->filter.in_use = count;
    stream_get_buffer(s, n->filter.macs, count * ETHER_ADDRESS);
    return true;
}

/* The bitmap of VLANs goes as it lies in memory: words of the sender's byte order, little-endian on every x86. */
static const struct vmstate_info macs_info = { .name = "buffer", .get = macs_get, .put = macs_put };

/* ---- Around it ---- */

static bool net_pre_save(void *opaque, GError **error)
{
    struct virtio_net *n = opaque;

    n->tx_waiting = 0; /* the ring says it: every queue is looked at when the device starts */
    n->mergeable = virtio_has_feature(&n->vdev, VIRTIO_NET_F_MRG_RXBUF);
    n->has_header = n->nic.peer && n->nic.peer->header;
    n->has_ufo = n->has_header && n->nic.peer->has_ufo;
    if (!virtio_has_feature(&n->vdev, VIRTIO_NET_F_CTRL_VLAN)) {
        memset(n->filter.vlans, 0xff, sizeof(n->filter.vlans));
    }
    return true;
}

static bool check_backend(const struct virtio_net *n, GError **error)
{
    const struct net_client *backend = n->nic.peer;

    if (n->has_header && !(backend && backend->header)) {
        return error_setf(error, "the source's backend has virtio-net headers (has_vnet_hdr is %u), this one's has "
                          "none: a tap with vnet_hdr=on is needed", n->has_header);
    }
    return !n->has_ufo || (backend && backend->has_ufo) ||
           error_setf(error, "the source's backend has UFO (has_ufo is %u), this one's has not", n->has_ufo);
}

static void find_first_multi(struct virtio_net_filter *f)
{
    bool overflow = f->first_multi;

    f->first_multi = 0;
    while (f->first_multi < f->in_use && !(f->macs[f->first_multi][0] & 1)) {
        f->first_multi++;
    }
    if (overflow) {
        f->multi_overflow = f->uni_overflow = 1;
    }
}

static bool net_post_load(void *opaque, int version, GError **error)
{
    struct virtio_net *n = opaque;

    if (!check_backend(n, error)) {
        return false;
    }
    find_first_multi(&n->filter);
    n->status &= VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE;
    n->nic.link_down = !(n->status & VIRTIO_NET_S_LINK_UP);
    n->offloads_known = virtio_has_feature(&n->vdev, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
    return true;
}

static bool has_offloads(const void *opaque, int version)
{
    return virtio_has_feature(opaque, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
}

const struct vmstate_description vmstate_virtio_net_device = {
    .name = "virtio-net-device",
    .version = 11,
    .minimum_version = 11,
    .pre_save = net_pre_save,
    .post_load = net_post_load,
    .fields = (const struct vmstate_field[]){
        VMSTATE_UINT8_ARRAY(mac, struct virtio_net, ETHER_ADDRESS),
        VMSTATE_UINT32(tx_waiting, struct virtio_net),
        VMSTATE_UINT32(mergeable, struct virtio_net),
        VMSTATE_UINT16(status, struct virtio_net),
        VMSTATE_UINT8(filter.promisc, struct virtio_net),
        VMSTATE_UINT8(filter.allmulti, struct virtio_net),
        VMSTATE_CUSTOM_WHOLE("mac_table", struct virtio_net, macs_info),
        VMSTATE_BUFFER(filter.vlans, struct virtio_net),
        VMSTATE_UINT32(has_header, struct virtio_net),
        VMSTATE_UINT8(filter.multi_overflow, struct virtio_net),
        VMSTATE_UINT8(filter.uni_overflow, struct virtio_net),
        VMSTATE_UINT8(filter.alluni, struct virtio_net),
        VMSTATE_UINT8(filter.nomulti, struct virtio_net),
        VMSTATE_UINT8(filter.nouni, struct virtio_net),
        VMSTATE_UINT8(filter.nobcast, struct virtio_net),
        VMSTATE_UINT8(has_ufo, struct virtio_net),
        VMSTATE_TEST(guest_offloads, struct virtio_net, uint64_t, vmstate_info_uint64, has_offloads),
        VMSTATE_END,
    },
};
