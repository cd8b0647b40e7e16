/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-net's control queue (VIRTIO 1.2, 5.1.6.5): a table of commands, each answered with one byte. */
#include <string.h>

#include "hw/net/virtio-net.h"
#include "qapi/qapi-events.h"
#include "trace/hw_net.h"

#define COMMANDS_PER_BATCH 64
#define COMMAND_DATA 2 /* class, command; then its data */

/* The data behind class and command. */
struct command_data {
    const struct virtqueue_element *element;
    uint64_t offset;
};

static bool read_data(struct command_data *data, void *to, size_t length)
{
    size_t n = virtqueue_element_read(data->element, data->offset, to, length);

    data->offset += n;
    return n == length;
}

static uint64_t data_left(const struct command_data *data)
{
    return data->element->out_length - data->offset;
}

/* Once until somebody asks, so that a guest cannot flood the management software. */
static void filter_changed(struct virtio_net *n)
{
    const char *id = n->vdev.device->id;
    g_autofree char *path = NULL;

    if (n->filter_event_due) {
        path = virtio_backend_path(n->vdev.device);
        n->filter_event_due = false;
        qapi_event_send_nic_rx_filter_changed(id, path ? path : n->nic.name);
    }
}

/* ---- Commands: true for VIRTIO_NET_OK ---- */

static bool set_rx_mode(struct virtio_net *n, uint8_t command, struct command_data *data)
{
    uint8_t *const flags[] = {
        [VIRTIO_NET_CTRL_RX_PROMISC] = &n->filter.promisc, [VIRTIO_NET_CTRL_RX_ALLMULTI] = &n->filter.allmulti,
        [VIRTIO_NET_CTRL_RX_ALLUNI] = &n->filter.alluni,   [VIRTIO_NET_CTRL_RX_NOMULTI] = &n->filter.nomulti,
        [VIRTIO_NET_CTRL_RX_NOUNI] = &n->filter.nouni,     [VIRTIO_NET_CTRL_RX_NOBCAST] = &n->filter.nobcast,
    };
    uint8_t on;

    if (!read_data(data, &on, 1)) {
        return false;
    }
    *flags[command] = on != 0;
    filter_changed(n);
    return true;
}

/* A count and as many addresses. Those that do not fit are counted as an overflow, for the whole kind. */
static bool read_macs(struct virtio_net_filter *f, struct command_data *data, uint8_t *overflow)
{
    uint32_t count;

    if (!read_data(data, &count, sizeof(count)) || data_left(data) / ETHER_ADDRESS < count) {
        return false;
    }
    if (count > VIRTIO_NET_MAC_TABLE - f->in_use) {
        *overflow = 1;
        data->offset += (uint64_t)count * ETHER_ADDRESS;
        return true;
    }
    f->in_use += count;
    return read_data(data, f->macs[f->in_use - count], count * ETHER_ADDRESS);
}

static bool set_mac_table(struct virtio_net *n, uint8_t command, struct command_data *data)
{
    struct virtio_net_filter f = n->filter; /* all of it or nothing */

    f.in_use = f.uni_overflow = f.multi_overflow = 0;
    memset(f.macs, 0, sizeof(f.macs));
    if (!read_macs(&f, data, &f.uni_overflow)) {
        return false;
    }
    f.first_multi = f.in_use;
    if (!read_macs(&f, data, &f.multi_overflow) || data_left(data)) {
        return false;
    }
    n->filter = f;
    filter_changed(n);
    return true;
}

static bool set_mac(struct virtio_net *n, uint8_t command, struct command_data *data)
{
    if (data_left(data) != ETHER_ADDRESS || !read_data(data, n->mac, ETHER_ADDRESS)) {
        return false;
    }
    filter_changed(n);
    return true;
}

static bool set_vlan(struct virtio_net *n, uint8_t command, struct command_data *data)
{
    uint16_t id;

    if (!read_data(data, &id, sizeof(id)) || id >= VIRTIO_NET_VLANS) {
        return false;
    }
    if (command == VIRTIO_NET_CTRL_VLAN_ADD) {
        n->filter.vlans[id / 32] |= 1u << id % 32;
    } else {
        n->filter.vlans[id / 32] &= ~(1u << id % 32);
    }
    filter_changed(n);
    return true;
}

static bool acknowledge_announce(struct virtio_net *n, uint8_t command, struct command_data *data)
{
    bool asked = n->status & VIRTIO_NET_S_ANNOUNCE;

    n->status &= ~VIRTIO_NET_S_ANNOUNCE;
    return asked;
}

/* ---- Offloads ---- */

static uint64_t negotiated_offloads(const struct virtio_net *n)
{
    const uint64_t all = VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4) |
                         VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_ECN) |
                         VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_UFO);

    return n->vdev.guest_features & all;
}

void virtio_net_apply_offloads(struct virtio_net *n)
{
    uint64_t on;

    if (!n->offloads_known) {
        n->offloads_known = true;
        n->guest_offloads = negotiated_offloads(n);
    }
    on = n->guest_offloads;
    if (n->nic.peer && n->nic.peer->header) {
        struct net_offloads offloads = {
            .checksum = on >> VIRTIO_NET_F_GUEST_CSUM & 1,
            .tso4 = on >> VIRTIO_NET_F_GUEST_TSO4 & 1,
            .tso6 = on >> VIRTIO_NET_F_GUEST_TSO6 & 1,
            .ecn = on >> VIRTIO_NET_F_GUEST_ECN & 1,
            .ufo = on >> VIRTIO_NET_F_GUEST_UFO & 1,
        };

        n->nic.peer->ops->set_offloads(n->nic.peer, &offloads);
    }
}

static bool set_offloads(struct virtio_net *n, uint8_t command, struct command_data *data)
{
    uint64_t wanted;

    if (!read_data(data, &wanted, sizeof(wanted)) || (wanted & ~negotiated_offloads(n))) {
        return false;
    }
    n->guest_offloads = wanted;
    virtio_net_apply_offloads(n);
    return true;
}

/* ---- The queue ---- */

static const struct command {
    uint8_t class, command, feature;
    bool (*run)(struct virtio_net *n, uint8_t command, struct command_data *data);
} commands[] = {
    { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, VIRTIO_NET_F_CTRL_RX, set_rx_mode },
    { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, VIRTIO_NET_F_CTRL_RX, set_rx_mode },
    { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLUNI, VIRTIO_NET_F_CTRL_RX_EXTRA, set_rx_mode },
    { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOMULTI, VIRTIO_NET_F_CTRL_RX_EXTRA, set_rx_mode },
    { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOUNI, VIRTIO_NET_F_CTRL_RX_EXTRA, set_rx_mode },
    { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, VIRTIO_NET_F_CTRL_RX_EXTRA, set_rx_mode },
    { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, VIRTIO_NET_F_CTRL_RX, set_mac_table },
    { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, VIRTIO_NET_F_CTRL_MAC_ADDR, set_mac },
    { VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, VIRTIO_NET_F_CTRL_VLAN, set_vlan },
    { VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL, VIRTIO_NET_F_CTRL_VLAN, set_vlan },
    { VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, VIRTIO_NET_F_GUEST_ANNOUNCE, acknowledge_announce },
    { VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
      set_offloads },
};

static bool run_command(struct virtio_net *n, const struct virtio_net_ctrl_hdr *hdr, struct command_data *data)
{
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        const struct command *c = &commands[i];

        if (c->class == hdr->class && c->command == hdr->cmd) {
            return virtio_has_feature(&n->vdev, c->feature) && c->run(n, c->command, data);
        }
    }
    return false;
}

/* False: a chain that is no command; the device needs a reset. */
static bool handle_chain(struct virtio_net *n, struct virtqueue *vq, const struct virtqueue_element *element)
{
    struct command_data data = { element, COMMAND_DATA };
    struct virtio_net_ctrl_hdr hdr;
    virtio_net_ctrl_ack ack;

    if (virtqueue_element_read(element, 0, &hdr, sizeof(hdr)) < sizeof(hdr) || !element->in_length) {
        virtio_error(&n->vdev, "a control command of %" G_GUINT64_FORMAT " bytes with %" G_GUINT64_FORMAT
                     " bytes for the answer", element->out_length, element->in_length);
        return false;
    }
    ack = run_command(n, &hdr, &data) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
    trace_virtio_net_ctrl(n->nic.name, hdr.class, hdr.cmd, ack);
    virtqueue_element_write(element, 0, &ack, sizeof(ack));
    virtqueue_push(vq, element->head, sizeof(ack));
    return true;
}

bool virtio_net_handle_ctrl(struct virtio_net *n, struct virtqueue *vq)
{
    struct virtqueue_element element;

    virtqueue_set_notification(vq, false);
    for (unsigned i = 0; i < COMMANDS_PER_BATCH && virtqueue_pop(vq, &element); i++) {
        if (!handle_chain(n, vq, &element)) {
            return false;
        }
    }
    virtqueue_notify(vq);
    virtqueue_set_notification(vq, true);
    return !virtqueue_empty(vq);
}
