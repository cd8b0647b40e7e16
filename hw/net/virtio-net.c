/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network device (VIRTIO 1.2, 5.1): configuration, receiving, sending. The control queue is in
 * virtio-net-ctrl.c, the receive filter in virtio-net-filter.c.
 *
 * A packet is copied once in each direction; no chain stays popped between two calls, so a stream has none in
 * flight. When the guest has no buffers the packet waits in net.h's queue, when the backend is full the send ring
 * waits. Left out: several queue pairs, RSS, hash reports, receive coalescing, notification coalescing.
 */
#include "hw/net/virtio-net.h"

#include <string.h>

#include "trace/hw_net.h"
#include "util/main-loop.h"

#define PACKETS_PER_BATCH 256
#define RX_QUEUE_MIN 256
#define TX_QUEUE_MIN 256
#define TX_QUEUE_SIZE 256 /* whatever is asked for: more are for backends that share the ring */
#define MTU_MIN 68
#define SPEED_UNKNOWN (-1)
#define DUPLEX_UNKNOWN 0xff

static struct virtio_net *net_of(struct net_client *client)
{
    return (struct virtio_net *)((char *)client - offsetof(struct virtio_net, nic));
}

unsigned virtio_net_header_length(const struct virtio_net *n)
{
    bool counts = virtio_has_feature(&n->vdev, VIRTIO_NET_F_MRG_RXBUF) ||
                  virtio_has_feature(&n->vdev, VIRTIO_F_VERSION_1);

    return counts ? sizeof(struct virtio_net_hdr_mrg_rxbuf) : sizeof(struct virtio_net_hdr);
}

static unsigned backend_header(const struct virtio_net *n)
{
    return n->nic.peer ? n->nic.peer->header : 0;
}

/* ---- Receiving ---- */

/* A packet on its way into chains: header and frame as one run of bytes. */
struct incoming {
    struct virtio_net_hdr_mrg_rxbuf header;
    unsigned header_length;
    const uint8_t *frame;
    size_t total, done;
    uint16_t chains;
    struct virtio_segment first[sizeof(struct virtio_net_hdr_mrg_rxbuf)]; /* where the header lies: filled in last */
    struct virtqueue_element first_element;
};

static void keep_first(struct incoming *in, const struct virtqueue_element *element)
{
    in->first_element = *element;
    in->first_element.out_count = 0;
    in->first_element.in_count = MIN(element->in_count, G_N_ELEMENTS(in->first));
    memcpy(in->first, element->segments + element->out_count, in->first_element.in_count * sizeof(in->first[0]));
    in->first_element.segments = in->first;
}

/* As much of the packet as the chain holds. False: the chain is too short for anything. */
static bool fill_chain(struct virtio_net *n, struct virtqueue *vq, struct incoming *in,
                       const struct virtqueue_element *element)
{
    size_t length = MIN(element->in_length, in->total - in->done), skip = in->chains ? 0 : in->header_length;

    if (!length || length < skip) {
        virtio_error(&n->vdev, "a receive buffer of %" G_GUINT64_FORMAT " bytes", element->in_length);
        return false;
    }
    if (!in->chains) {
        keep_first(in, element);
    }
    virtqueue_element_write(element, skip, in->frame + (in->done + skip - in->header_length), length - skip);
    virtqueue_fill(vq, element->head, length, in->chains);
    in->done += length;
    in->chains++;
    return true;
}

/* Into as many chains as it takes, one without MRG_RXBUF. False: there are not enough; nothing was taken. */
static bool fill_chains(struct virtio_net *n, struct virtqueue *vq, struct incoming *in)
{
    struct virtqueue_element element;

    in->done = in->chains = 0;
    while (in->done < in->total && virtqueue_pop(vq, &element)) {
        if (!fill_chain(n, vq, in, &element)) {
            return true; /* the device needs a reset */
        }
        if (!virtio_has_feature(&n->vdev, VIRTIO_NET_F_MRG_RXBUF)) {
            break;
        }
    }
    if (in->done == in->total) {
        in->header.num_buffers = in->chains;
        virtqueue_element_write(&in->first_element, 0, &in->header, in->header_length);
        virtqueue_flush(vq, in->chains);
        virtqueue_notify(vq);
        return true;
    }
    virtqueue_rewind(vq, in->chains);
    if (virtio_is_broken(&n->vdev)) {
        return true;
    }
    /* Would not fit into all that the guest can offer: the packet is lost, or none would follow it. */
    return in->chains && (in->chains >= vq->num || !virtio_has_feature(&n->vdev, VIRTIO_NET_F_MRG_RXBUF));
}

static bool place(struct virtio_net *n, struct incoming *in)
{
    struct virtqueue *vq = virtio_queue(&n->vdev, VIRTIO_NET_RX);

    if (vq->notification) {
        virtqueue_set_notification(vq, false);
    }
    /* Once the driver is asked to kick, what it added before it saw that is found by looking again. */
    for (int before = -1; !fill_chains(n, vq, in); before = in->chains) {
        if (in->chains == before) {
            trace_virtio_net_no_buffers(n->nic.name, in->total, in->chains);
            return false;
        }
        virtqueue_set_notification(vq, true);
    }
    return true;
}

static bool nic_receive(struct net_client *client, const uint8_t *data, size_t length)
{
    struct virtio_net *n = net_of(client);
    unsigned host_header = backend_header(n);
    struct incoming in = { .header_length = virtio_net_header_length(n) };

    if (!n->vdev.vm_running) {
        return false; /* the start looks at the queue */
    }
    if (!n->vdev.running || !virtqueue_ready(virtio_queue(&n->vdev, VIRTIO_NET_RX)) ||
        length < host_header + ETHER_HEADER) {
        return true;
    }
    in.frame = data + host_header;
    if (!virtio_net_filter_passes(n, in.frame, length - host_header)) {
        return true;
    }
    if (host_header) {
        memcpy(&in.header.hdr, data, sizeof(in.header.hdr));
    }
    in.total = in.header_length + length - host_header;
    return place(n, &in);
}

/* ---- Sending ---- */

static bool gso_allowed(const struct virtio_net *n, const struct virtio_net_hdr *header)
{
    static const struct {
        uint8_t type, feature;
    } types[] = {
        { VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_F_HOST_TSO4 },
        { VIRTIO_NET_HDR_GSO_TCPV6, VIRTIO_NET_F_HOST_TSO6 },
        { VIRTIO_NET_HDR_GSO_UDP, VIRTIO_NET_F_HOST_UFO },
    };
    uint8_t type = header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;

    if (type == VIRTIO_NET_HDR_GSO_NONE) {
        return header->gso_type == type;
    }
    if (header->gso_type != type && !virtio_has_feature(&n->vdev, VIRTIO_NET_F_HOST_ECN)) {
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (types[i].type == type) {
            return virtio_has_feature(&n->vdev, types[i].feature) && header->gso_size &&
                   (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
        }
    }
    return false;
}

bool virtio_net_header_allowed(const struct virtio_net *n, const struct virtio_net_hdr *header, size_t length)
{
    if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        if (!virtio_has_feature(&n->vdev, VIRTIO_NET_F_CSUM) ||
            (size_t)header->csum_start + header->csum_offset + 2 > length) {
            return false;
        }
    }
    return gso_allowed(n, header);
}

/* The header goes along only to a backend that has them; others are offered no feature that would fill it. */
static bool send_packet(struct virtio_net *n, size_t length)
{
    unsigned header = virtio_net_header_length(n);
    const struct virtio_net_hdr *hdr = (const struct virtio_net_hdr *)n->packet;

    if (!backend_header(n)) {
        return net_send(&n->nic, n->packet + header, length - header);
    }
    if (!virtio_net_header_allowed(n, hdr, length - header)) {
        guest_error("virtio-net: a packet with flags 0x%x, GSO type 0x%x, which were not negotiated or make no sense",
                    hdr->flags, hdr->gso_type);
        return true;
    }
    return net_send(&n->nic, n->packet, length);
}

/* False: the backend is full, this packet included. */
static bool send_chain(struct virtio_net *n, const struct virtqueue_element *element)
{
    unsigned header = virtio_net_header_length(n);

    if (element->out_length < header) {
        virtio_error(&n->vdev, "a packet to send of %" G_GUINT64_FORMAT " bytes, less than its header",
                     element->out_length);
        return true;
    }
    if (element->out_length < header + ETHER_HEADER || element->out_length > sizeof(n->packet)) {
        guest_error("virtio-net: a packet of %" G_GUINT64_FORMAT " bytes", element->out_length - header);
        return true;
    }
    if (virtqueue_element_read(element, 0, n->packet, element->out_length) < element->out_length) {
        return true;
    }
    return send_packet(n, element->out_length);
}

static bool handle_tx(struct virtio_net *n, struct virtqueue *vq)
{
    struct virtqueue_element element;
    unsigned sent = 0;

    virtqueue_set_notification(vq, false);
    while (sent < PACKETS_PER_BATCH && !n->tx_blocked && virtqueue_pop(vq, &element)) {
        n->tx_blocked = !send_chain(n, &element);
        virtqueue_push(vq, element.head, 0);
        sent++;
    }
    if (sent) {
        virtqueue_notify(vq);
    }
    trace_virtio_net_sent(n->nic.name, sent, n->tx_blocked);
    if (n->tx_blocked) {
        return false; /* resume() kicks in the driver's place */
    }
    virtqueue_set_notification(vq, true);
    return !virtqueue_empty(vq);
}

static void nic_resume(struct net_client *client)
{
    struct virtio_net *n = net_of(client);
    struct virtqueue *vq = virtio_queue(&n->vdev, VIRTIO_NET_TX);

    n->tx_blocked = false;
    if (vq) {
        event_notifier_set(&vq->kick); /* the main loop's turn: this may be in a send */
    }
}

static bool net_handle_queue(struct virtio_device *vdev, struct virtqueue *vq)
{
    struct virtio_net *n = (struct virtio_net *)vdev;

    switch (vq->index) {
    case VIRTIO_NET_RX: net_flush(&n->nic); return false;
    case VIRTIO_NET_TX: return handle_tx(n, vq);
    default: return virtio_net_handle_ctrl(n, vq);
    }
}

/* ---- Link and announcement ---- */

static void nic_link_changed(struct net_client *client)
{
    struct virtio_net *n = net_of(client);
    uint16_t before = n->status;

    n->status = client->link_down ? before & ~VIRTIO_NET_S_LINK_UP : before | VIRTIO_NET_S_LINK_UP;
    if (n->status != before) {
        virtio_notify_config(&n->vdev);
    }
}

/* The guest knows addresses that we do not: it is to send its own announcements (5.1.6.5.4). */
static void nic_announce(struct net_client *client)
{
    struct virtio_net *n = net_of(client);

    if (virtio_has_feature(&n->vdev, VIRTIO_NET_F_GUEST_ANNOUNCE) &&
        virtio_has_feature(&n->vdev, VIRTIO_NET_F_CTRL_VQ)) {
        n->status |= VIRTIO_NET_S_ANNOUNCE;
        virtio_notify_config(&n->vdev);
    }
}

static char *nic_describe(const struct net_client *client)
{
    g_autofree char *mac = net_print_mac(client->mac);

    return g_strdup_printf("model=virtio-net-pci,macaddr=%s", mac);
}

static const struct net_client_ops nic_ops = {
    .type = "nic",
    .is_nic = true,
    .receive = nic_receive,
    .resume = nic_resume,
    .link_changed = nic_link_changed,
    .announce = nic_announce,
    .describe = nic_describe,
};

/* ---- Configuration ---- */

static void net_get_config(struct virtio_device *vdev, uint8_t *config)
{
    const struct virtio_net *n = (const struct virtio_net *)vdev;
    struct virtio_net_config c = {
        .status = n->status,
        .max_virtqueue_pairs = 1,
        .mtu = n->host_mtu,
        .speed = n->speed,
        .duplex = !n->duplex ? DUPLEX_UNKNOWN : !strcmp(n->duplex, "full"),
    };

    memcpy(c.mac, n->mac, sizeof(c.mac));
    memcpy(config, &c, MIN(sizeof(c), VIRTIO_CONFIG_MAX));
}

/* Only the address, and only by drivers from before there was a command for it. */
static void net_set_config(struct virtio_device *vdev, const uint8_t *config)
{
    struct virtio_net *n = (struct virtio_net *)vdev;

    if (!virtio_has_feature(vdev, VIRTIO_NET_F_CTRL_MAC_ADDR) && !virtio_has_feature(vdev, VIRTIO_F_VERSION_1)) {
        memcpy(n->mac, config, sizeof(n->mac));
        memcpy(n->nic.mac, config, sizeof(n->mac));
    }
}

static uint32_t config_length(uint64_t features)
{
    static const struct {
        unsigned feature;
        uint32_t end;
    } parts[] = {
        { VIRTIO_NET_F_MAC, offsetof(struct virtio_net_config, status) },
        { VIRTIO_NET_F_STATUS, offsetof(struct virtio_net_config, max_virtqueue_pairs) },
        { VIRTIO_NET_F_MTU, offsetof(struct virtio_net_config, speed) },
        { VIRTIO_NET_F_SPEED_DUPLEX, offsetof(struct virtio_net_config, rss_max_key_size) },
    };
    uint32_t length = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        length = features & VIRTIO_FEATURE(parts[i].feature) ? parts[i].end : length;
    }
    return length;
}

/* ---- Start, stop, reset ---- */

/* A stream counts chains as popped that its sender had in flight: they are sent again, which a network allows. */
static void net_running_changed(struct virtio_device *vdev, bool running)
{
    struct virtio_net *n = (struct virtio_net *)vdev;
    struct net_client *backend = n->nic.peer;

    if (!running) {
        return;
    }
    for (unsigned i = 0; i < vdev->queue_count; i++) {
        virtqueue_rewind(&vdev->queues[i], vdev->queues[i].in_use);
    }
    if (backend && backend->header && !backend->ops->set_header(backend, virtio_net_header_length(n))) {
        virtio_error(vdev, "the backend takes no header of %u bytes", virtio_net_header_length(n));
    }
    virtio_net_apply_offloads(n);
}

static void net_reset(struct virtio_device *vdev)
{
    struct virtio_net *n = (struct virtio_net *)vdev;

    virtio_net_filter_reset(n);
    memcpy(n->mac, n->nic.mac, sizeof(n->mac));
    n->status = n->nic.link_down ? 0 : VIRTIO_NET_S_LINK_UP;
    n->guest_offloads = 0;
    n->offloads_known = false;
    n->tx_blocked = false;
}

/* ---- Life ---- */

static const struct virtio_device_ops net_ops = {
    .device_id = VIRTIO_ID_NET,
    .name = "virtio-net",
    .vmsd = &vmstate_virtio_net_device,
    .get_config = net_get_config,
    .set_config = net_set_config,
    .handle_queue = net_handle_queue,
    .running_changed = net_running_changed,
    .reset = net_reset,
};

#define OFFLOAD_FEATURES                                                                                          \
    (VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) |                                \
     VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6) |                          \
     VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_ECN) | VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO4) |                            \
     VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO6) | VIRTIO_FEATURE(VIRTIO_NET_F_HOST_ECN))
#define UFO_FEATURES (VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_UFO) | VIRTIO_FEATURE(VIRTIO_NET_F_HOST_UFO))

static uint64_t net_features(const struct virtio_net *n)
{
    const struct {
        bool on;
        unsigned bit;
    } table[] = {
        { n->csum, VIRTIO_NET_F_CSUM },
        { n->guest_csum, VIRTIO_NET_F_GUEST_CSUM },
        { n->ctrl_guest_offloads, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS },
        { n->host_mtu, VIRTIO_NET_F_MTU },
        { true, VIRTIO_NET_F_MAC },
        { n->gso, VIRTIO_NET_F_GSO },
        { n->guest_tso4, VIRTIO_NET_F_GUEST_TSO4 },
        { n->guest_tso6, VIRTIO_NET_F_GUEST_TSO6 },
        { n->guest_ecn, VIRTIO_NET_F_GUEST_ECN },
        { n->guest_ufo, VIRTIO_NET_F_GUEST_UFO },
        { n->host_tso4, VIRTIO_NET_F_HOST_TSO4 },
        { n->host_tso6, VIRTIO_NET_F_HOST_TSO6 },
        { n->host_ecn, VIRTIO_NET_F_HOST_ECN },
        { n->host_ufo, VIRTIO_NET_F_HOST_UFO },
        { n->mrg_rxbuf, VIRTIO_NET_F_MRG_RXBUF },
        { n->status_feature, VIRTIO_NET_F_STATUS },
        { n->ctrl_vq, VIRTIO_NET_F_CTRL_VQ },
        { n->ctrl_rx, VIRTIO_NET_F_CTRL_RX },
        { n->ctrl_vlan, VIRTIO_NET_F_CTRL_VLAN },
        { n->ctrl_rx_extra, VIRTIO_NET_F_CTRL_RX_EXTRA },
        { n->guest_announce, VIRTIO_NET_F_GUEST_ANNOUNCE },
        { n->ctrl_mac_addr, VIRTIO_NET_F_CTRL_MAC_ADDR },
        { n->speed >= 0 || n->duplex, VIRTIO_NET_F_SPEED_DUPLEX },
    };
    uint64_t features = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        features |= table[i].on ? VIRTIO_FEATURE(table[i].bit) : 0;
    }
    features &= backend_header(n) ? ~0ull : ~OFFLOAD_FEATURES;
    return features & (backend_header(n) && n->nic.peer->has_ufo ? ~0ull : ~UFO_FEATURES);
}

static bool is_ring_size(unsigned size, unsigned least)
{
    return size >= least && size <= VIRTQUEUE_MAX_SIZE && !(size & (size - 1));
}

static bool check_properties(const struct virtio_net *n, GError **error)
{
    if (n->mq || n->rss) {
        return error_setf(error, "virtio-net: %s=on is not supported (there is one pair of queues)",
                          n->mq ? "mq" : "rss");
    }
    if (!is_ring_size(n->rx_queue_size, RX_QUEUE_MIN)) {
        return error_setf(error, "Invalid rx_queue_size (= %u), must be a power of 2 between %d and %d",
                          n->rx_queue_size, RX_QUEUE_MIN, VIRTQUEUE_MAX_SIZE);
    }
    if (!is_ring_size(n->tx_queue_size, TX_QUEUE_MIN)) {
        return error_setf(error, "Invalid tx_queue_size (= %u), must be a power of 2 between %d and %d",
                          n->tx_queue_size, TX_QUEUE_MIN, VIRTQUEUE_MAX_SIZE);
    }
    if (n->host_mtu && n->host_mtu < MTU_MIN) {
        return error_setf(error, "virtio-net: host_mtu=%u is less than %d", n->host_mtu, MTU_MIN);
    }
    if (n->speed < SPEED_UNKNOWN) {
        return error_setf(error, "'speed' must be between 0 and %d, not %d", G_MAXINT, n->speed);
    }
    return !n->duplex || !strcmp(n->duplex, "half") || !strcmp(n->duplex, "full") ||
           error_setf(error, "'duplex' must be 'half' or 'full', not '%s'", n->duplex);
}

static bool choose_mac(struct virtio_net *n, GError **error)
{
    uint8_t mac[ETHER_ADDRESS];

    if (!n->mac_text) {
        net_default_mac(mac);
    } else if (!net_parse_mac(n->mac_text, mac) || (mac[0] & 1)) {
        return error_setf(error, "virtio-net: mac='%s' is not a unicast address of six bytes (52:54:00:12:34:56)",
                          n->mac_text);
    }
    memcpy(n->nic.mac, mac, sizeof(mac));
    g_free(n->mac_text);
    n->mac_text = net_print_mac(mac);
    return true;
}

static void count_nics(struct net_client *client, void *opaque)
{
    *(unsigned *)opaque += client->ops->is_nic;
}

static void init_nic(struct virtio_net *n, const struct device *device)
{
    unsigned nics = 0;
    g_autofree char *name = NULL;

    net_client_foreach(count_nics, &nics);
    name = device->id ? g_strdup(device->id) : g_strdup_printf("%s.%u", device->type->name, nics);
    net_client_init(&n->nic, &nic_ops, name);
}

bool virtio_net_realize(struct virtio_device *vdev, struct device *device,
                        const struct virtio_transport_ops *transport, GError **error)
{
    struct virtio_net *n = (struct virtio_net *)vdev;

    if (!check_properties(n, error)) {
        return false;
    }
    init_nic(n, device);
    if (!choose_mac(n, error) || (n->netdev && !net_attach(&n->nic, n->netdev, device->type->name, error))) {
        return false;
    }
    vdev->host_features |= net_features(n);
    n->filter_event_due = true;
    net_reset(vdev);
    return virtio_init(vdev, device, &net_ops, transport, config_length(vdev->host_features), error) &&
           virtio_add_queue(vdev, n->rx_queue_size, error) && virtio_add_queue(vdev, TX_QUEUE_SIZE, error) &&
           virtio_add_queue(vdev, 64, error);
}

void virtio_net_unrealize(struct virtio_device *vdev)
{
    struct virtio_net *n = (struct virtio_net *)vdev;

    if (n->vdev.ops) {
        virtio_cleanup(&n->vdev);
    }
    if (n->nic.name) {
        net_client_cleanup(&n->nic);
    }
}
