/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The network device, without its transport (VIRTIO 1.2, 5.1). */
#ifndef FERRY_HW_NET_VIRTIO_NET_H
#define FERRY_HW_NET_VIRTIO_NET_H

#include "hw/virtio/virtio.h"
#include "net/net.h"
#include "qapi/qapi-types.h"
#include <linux/virtio_net.h>

#define VIRTIO_NET_MAC_TABLE 64   /* addresses in the receive filter; more overflow it */
#define VIRTIO_NET_VLANS     4096

enum virtio_net_queue { VIRTIO_NET_RX, VIRTIO_NET_TX, VIRTIO_NET_CTRL, VIRTIO_NET_QUEUES };

/* What the guest wants to receive (5.1.6.5). Migrated. */
struct virtio_net_filter {
    uint8_t promisc, allmulti, alluni, nomulti, nouni, nobcast;
    uint8_t multi_overflow, uni_overflow;    /* more addresses than fit: all of that kind */
    uint32_t in_use, first_multi;            /* unicast ones first */
    uint8_t macs[VIRTIO_NET_MAC_TABLE][ETHER_ADDRESS];
    uint32_t vlans[VIRTIO_NET_VLANS / 32];   /* a bit for each that may pass, once CTRL_VLAN is negotiated */
};

struct virtio_net {
    struct virtio_device vdev; /* first */

    /* Migrated. */
    uint8_t mac[ETHER_ADDRESS];              /* the guest may change it */
    uint16_t status;                         /* VIRTIO_NET_S_* */
    struct virtio_net_filter filter;
    uint64_t guest_offloads;                 /* a bit for each feature GUEST_* that is on now */
    uint32_t tx_waiting, mergeable, has_header; /* as the peer writes them; made up when saving */
    uint8_t has_ufo;

    /* Properties. */
    char *mac_text, *netdev, *duplex;
    uint16_t rx_queue_size, tx_queue_size, host_mtu;
    int32_t speed;                           /* Mbit/s; -1: unknown */
    bool mq, rss;
    bool csum, guest_csum, gso, guest_tso4, guest_tso6, guest_ecn, guest_ufo, guest_announce, host_tso4, host_tso6,
        host_ecn, host_ufo, mrg_rxbuf, status_feature, ctrl_vq, ctrl_rx, ctrl_vlan, ctrl_rx_extra, ctrl_mac_addr,
        ctrl_guest_offloads;

    struct net_client nic;
    bool offloads_known;                     /* chosen by the driver's features, or loaded */
    bool tx_blocked;                         /* the backend is full; resume() comes */
    bool filter_event_due;                   /* nobody was told since the last query-rx-filter */
    _Alignas(8) uint8_t packet[NET_PACKET_MAX]; /* one on its way out; begins with a struct virtio_net_hdr */
};

bool virtio_net_realize(struct virtio_device *vdev, struct device *device,
                        const struct virtio_transport_ops *transport, GError **error);
void virtio_net_unrealize(struct virtio_device *vdev);
unsigned virtio_net_header_length(const struct virtio_net *n); /* of the guest's packets */
/* Whether the driver may send a packet of `length` bytes behind this header, by the features it has negotiated. */
bool virtio_net_header_allowed(const struct virtio_net *n, const struct virtio_net_hdr *header, size_t length);

/* virtio-net-filter.c */
void virtio_net_filter_reset(struct virtio_net *n);
bool virtio_net_filter_passes(const struct virtio_net *n, const uint8_t *frame, size_t length);
RxFilterInfo *virtio_net_filter_info(struct virtio_net *n);

/* virtio-net-ctrl.c: a batch of the control queue; true: there is more. */
bool virtio_net_handle_ctrl(struct virtio_net *n, struct virtqueue *vq);
/* Which offloads the guest takes, to the backend; `guest_offloads` afresh from the features if unknown. */
void virtio_net_apply_offloads(struct virtio_net *n);

/* virtio-net-state.c */
extern const struct vmstate_description vmstate_virtio_net_device;

extern const struct device_type virtio_net_pci_type;

#endif
