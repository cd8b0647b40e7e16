/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "virtio-net-pci": the network device as a PCI function, with its properties. */
#include "hw/net/virtio-net.h"
#include "hw/virtio/virtio-pci.h"
#include "qapi/qapi-commands.h"

struct virtio_net_pci {
    struct virtio_pci proxy; /* first */
    struct virtio_net net;
};

/* ---- query-rx-filter ---- */

struct filter_query {
    const char *name; /* NULL: all */
    GPtrArray *list;
};

static bool add_filter(struct device *dev, void *opaque)
{
    struct filter_query *query = opaque;
    struct virtio_net_pci *p = (struct virtio_net_pci *)dev;

    if (dev->type == &virtio_net_pci_type && (!query->name || !g_strcmp0(query->name, p->net.nic.name))) {
        g_ptr_array_add(query->list, virtio_net_filter_info(&p->net));
    }
    return true;
}

GPtrArray *qmp_query_rx_filter(const char *name, GError **error)
{
    struct filter_query query = { name, qapi_list_of_RxFilterInfo_new() };

    device_foreach(add_filter, &query);
    if (name && !query.list->len) {
        g_ptr_array_unref(query.list);
        error_setf(error, "invalid net client name: %s", name);
        return NULL;
    }
    return query.list;
}

/* ---- The type ---- */

#define FEATURE(_name, _field, _text) PROPERTY(BOOL, _name, struct virtio_net_pci, net._field, true, _text)

static const struct property properties[] = {
    VIRTIO_PCI_PROPERTIES(struct virtio_net_pci, proxy, 4),
    PROPERTY(STRING, "netdev", struct virtio_net_pci, net.netdev, 0, "ID of a netdev to use as a backend"),
    PROPERTY(STRING, "mac", struct virtio_net_pci, net.mac_text, 0, "Ethernet 6-byte MAC Address, example: "
             "52:54:00:12:34:56"),
    PROPERTY(UINT16, "rx_queue_size", struct virtio_net_pci, net.rx_queue_size, 256, "Descriptors, 256 to 1024"),
    PROPERTY(UINT16, "tx_queue_size", struct virtio_net_pci, net.tx_queue_size, 256,
             "Descriptors; 256 whatever is asked for, as with the peer"),
    PROPERTY(UINT16, "host_mtu", struct virtio_net_pci, net.host_mtu, 0, "MTU to tell the guest; 0: none"),
    PROPERTY(INT32, "speed", struct virtio_net_pci, net.speed, -1, "Mbit/s to tell the guest; -1: unknown"),
    PROPERTY(STRING, "duplex", struct virtio_net_pci, net.duplex, 0, "half or full"),
    PROPERTY(BOOL, "mq", struct virtio_net_pci, net.mq, false, "Several queue pairs: not supported"),
    PROPERTY(BOOL, "rss", struct virtio_net_pci, net.rss, false, "Receive side scaling: not supported"),
    FEATURE("csum", csum, "on/off"),
    FEATURE("guest_csum", guest_csum, "on/off"),
    FEATURE("gso", gso, "on/off"),
    FEATURE("guest_tso4", guest_tso4, "on/off"),
    FEATURE("guest_tso6", guest_tso6, "on/off"),
    FEATURE("guest_ecn", guest_ecn, "on/off"),
    FEATURE("guest_ufo", guest_ufo, "on/off"),
    FEATURE("guest_announce", guest_announce, "on/off"),
    FEATURE("host_tso4", host_tso4, "on/off"),
    FEATURE("host_tso6", host_tso6, "on/off"),
    FEATURE("host_ecn", host_ecn, "on/off"),
    FEATURE("host_ufo", host_ufo, "on/off"),
    FEATURE("mrg_rxbuf", mrg_rxbuf, "on/off"),
    FEATURE("status", status_feature, "on/off"),
    FEATURE("ctrl_vq", ctrl_vq, "on/off"),
    FEATURE("ctrl_rx", ctrl_rx, "on/off"),
    FEATURE("ctrl_vlan", ctrl_vlan, "on/off"),
    FEATURE("ctrl_rx_extra", ctrl_rx_extra, "on/off"),
    FEATURE("ctrl_mac_addr", ctrl_mac_addr, "on/off"),
    FEATURE("ctrl_guest_offloads", ctrl_guest_offloads, "on/off"),
    PROPERTY_END,
};

static const struct virtio_pci_ops net_pci_ops = {
    .pci = VIRTIO_PCI_FUNCTION(0x1000, 0x0200),
    .device_offset = offsetof(struct virtio_net_pci, net.vdev),
    .realize = virtio_net_realize,
    .unrealize = virtio_net_unrealize,
};

const struct device_type virtio_net_pci_type = {
    VIRTIO_PCI_TYPE("virtio-net", struct virtio_net_pci, &net_pci_ops, 11),
    .category = "Network",
    .description = "Network device over a -netdev",
    .properties = properties,
};
