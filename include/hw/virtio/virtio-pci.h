/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio over PCI (VIRTIO 1.2, 4.1): what a "virtio-…-pci" device embeds beside its struct virtio_device. */
#ifndef FERRY_HW_VIRTIO_VIRTIO_PCI_H
#define FERRY_HW_VIRTIO_VIRTIO_PCI_H

#include "accel/kvm.h"
#include "hw/pci/pci.h"
#include "hw/virtio/virtio.h"

#define VIRTIO_PCI_QUEUES 8 /* as many as any device of ours has */

/* A queue's registers in the common configuration: what the driver wrote, in effect once enabled. */
struct virtio_pci_queue {
    uint16_t num;
    bool enabled;
    uint64_t desc, avail, used;
};

/* What the kernel does for a queue without us (virtio-pci-events.c). */
struct virtio_pci_events {
    struct kvm_write_event modern, legacy; /* its kicks, at either interface */
    int gsi;                               /* its calls: a route of this message; 0: not now */
    uint64_t address;
    uint32_t data;
};

struct virtio_pci {
    struct pci_device pci; /* first */
    struct virtio_device *vdev;

    /* Properties. */
    int disable_legacy;    /* enum on_off_auto */
    bool disable_modern;
    uint32_t vectors;      /* MSI-X vectors; 0: INTx only */
    bool indirect_desc, event_idx, notify_on_empty, any_layout, queue_reset, ioeventfd;

    bool legacy, modern;
    uint32_t device_feature_select, driver_feature_select;
    uint32_t driver_features[2];
    struct virtio_pci_queue queues[VIRTIO_PCI_QUEUES];
    struct virtio_pci_events events[VIRTIO_PCI_QUEUES];
    uint8_t window;        /* the capability for access by configuration space */
    struct memory_region legacy_bar, modern_bar, msix_bar;
    struct memory_region common, isr, config, notify;
};

/* `_vectors`: the default; the peer's is two for each queue (pair) and two, and none for the balloon. */
#define VIRTIO_PCI_PROPERTIES(_struct, _field, _vectors)                                                           \
    PROPERTY(ON_OFF_AUTO, "disable-legacy", _struct, _field.disable_legacy, ON_OFF_AUTO_AUTO,                      \
             "No legacy (before 1.0) interface; auto: off"),                                                       \
    PROPERTY(BOOL, "disable-modern", _struct, _field.disable_modern, false, "No modern (1.0) interface"),          \
    PROPERTY(UINT32, "vectors", _struct, _field.vectors, _vectors, "MSI-X vectors; 0: INTx only"),                        \
    PROPERTY(BOOL, "ioeventfd", _struct, _field.ioeventfd, true, "With KVM, take kicks without stopping the vCPU"),   \
    PROPERTY(BOOL, "indirect_desc", _struct, _field.indirect_desc, true, "on/off"),                                \
    PROPERTY(BOOL, "event_idx", _struct, _field.event_idx, true, "on/off"),                                        \
    PROPERTY(BOOL, "notify_on_empty", _struct, _field.notify_on_empty, true, "on/off"),                            \
    PROPERTY(BOOL, "any_layout", _struct, _field.any_layout, true, "on/off"),                                      \
    PROPERTY(BOOL, "queue_reset", _struct, _field.queue_reset, true, "on/off")

extern const struct virtio_transport_ops virtio_pci_transport_ops;

/* Checks the properties and sets what depends on them (`legacy`, `modern`, host features); before virtio_init(). */
bool virtio_pci_check(struct virtio_pci *proxy, struct virtio_device *vdev, GError **error);
/* Identity, capabilities and BARs for a device whose queues exist. */
bool virtio_pci_plug(struct virtio_pci *proxy, GError **error);
void virtio_pci_unplug(struct virtio_pci *proxy);
void virtio_pci_reset(struct virtio_pci *proxy);
/* struct pci_device_ops.config_read/write of every virtio-pci type. */
uint32_t virtio_pci_config_read(struct pci_device *dev, uint32_t address, unsigned size);
void virtio_pci_config_write(struct pci_device *dev, uint32_t address, uint32_t value, unsigned size);

/* virtio-pci-events.c */
void virtio_pci_queue_served(struct virtqueue *vq, bool served);
void virtio_pci_vectors_changed(struct pci_device *dev);

/* virtio-pci-legacy.c, virtio-pci-modern.c */
#define VIRTIO_PCI_NOTIFY_MULTIPLIER 4 /* bytes of the notify page per queue */
void virtio_pci_legacy_init(struct virtio_pci *proxy);
void virtio_pci_modern_init(struct virtio_pci *proxy);
uint64_t virtio_pci_isr_read(struct virtio_pci *proxy);
/* An access to the modern BAR through the configuration-space window. */
uint32_t virtio_pci_modern_read(struct virtio_pci *proxy, uint32_t offset, unsigned size);
void virtio_pci_modern_write(struct virtio_pci *proxy, uint32_t offset, uint32_t value, unsigned size);

#endif
