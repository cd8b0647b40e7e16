/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio over PCI (VIRTIO 1.2, 4.1): what a "virtio-…-pci" device embeds beside its struct virtio_device. */
#ifndef FERRY_HW_VIRTIO_VIRTIO_PCI_H
#define FERRY_HW_VIRTIO_VIRTIO_PCI_H

#include "accel/kvm.h"
#include "hw/pci/pci.h"
#include "hw/virtio/virtio.h"
#include "migration/vmstate.h"

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

#define VIRTIO_PCI_VECTORS_AUTO UINT32_MAX /* "vectors", for types that can say how many they want */

/*
 * What makes a virtio device a PCI function. The shell of a type (virtio-balloon-pci.c, …) is a struct that holds a
 * struct virtio_pci first and then the device's, a const struct virtio_pci_ops of facts, properties, and a struct
 * device_type made of VIRTIO_PCI_TYPE; life and state are virtio-pci.c's.
 */
struct virtio_pci_ops {
    struct pci_device_ops pci;   /* first: it is what struct device_type.ops points to */
    size_t device_offset;        /* of the struct virtio_device in the shell's struct */
    /* Queues and what the host offers, after the transport's check. On failure `unrealize` undoes it. */
    bool (*realize)(struct virtio_device *vdev, struct device *device, const struct virtio_transport_ops *transport,
                    GError **error);
    void (*unrealize)(struct virtio_device *vdev);
    /* How many vectors VIRTIO_PCI_VECTORS_AUTO is, of a realized device; NULL: there is no auto. */
    uint32_t (*vectors)(const struct virtio_device *vdev);
};

/* The initializers of a struct virtio_pci_ops.pci. */
#define VIRTIO_PCI_FUNCTION(_device_id, _class_id)                                                                 \
    { .vendor_id = 0x1af4, .device_id = _device_id, .class_id = _class_id, .realize = virtio_pci_realize,          \
      .unrealize = virtio_pci_unrealize, .config_read = virtio_pci_config_read,                                    \
      .config_write = virtio_pci_config_write }

/* Initializers of a struct device_type; `_name` without "-pci", `_version`: of its section of the stream. */
#define VIRTIO_PCI_TYPE(_name, _struct, _ops, _version)                                                            \
    .name = _name "-pci", .alias = _name,                                                                          \
    .parents = (const char *const[]){ _name "-pci-base", "virtio-pci", NULL }, .bus = "PCI",                       \
    .size = sizeof(_struct), .user_creatable = true, .hotpluggable = true, .backend = "virtio-backend",            \
    .vmstate = &(const struct vmstate_description){ .name = _name, .version = _version,                            \
                                                    .minimum_version = _version, .fields = virtio_pci_section },   \
    .ops = _ops, .realize = pci_device_realize, .unrealize = pci_device_unrealize, .reset = virtio_pci_device_reset

extern const struct virtio_transport_ops virtio_pci_transport_ops;
extern const struct vmstate_field virtio_pci_section[];

/* For VIRTIO_PCI_FUNCTION and VIRTIO_PCI_TYPE. */
bool virtio_pci_realize(struct pci_device *dev, GError **error);
void virtio_pci_unrealize(struct pci_device *dev);
void virtio_pci_device_reset(struct device *dev);
uint32_t virtio_pci_config_read(struct pci_device *dev, uint32_t address, unsigned size);
void virtio_pci_config_write(struct pci_device *dev, uint32_t address, uint32_t value, unsigned size);

/* virtio-pci-events.c */
void virtio_pci_queue_served(struct virtqueue *vq, bool served);
void virtio_pci_vectors_changed(struct pci_device *dev);

/* virtio-pci-legacy.c, virtio-pci-modern.c */
void virtio_pci_reset(struct virtio_pci *proxy); /* the driver's wish */
#define VIRTIO_PCI_NOTIFY_MULTIPLIER 4 /* bytes of the notify page per queue */
void virtio_pci_legacy_init(struct virtio_pci *proxy);
void virtio_pci_modern_init(struct virtio_pci *proxy);
uint64_t virtio_pci_isr_read(struct virtio_pci *proxy);
/* An access to the modern BAR through the configuration-space window. */
uint32_t virtio_pci_modern_read(struct virtio_pci *proxy, uint32_t offset, unsigned size);
void virtio_pci_modern_write(struct virtio_pci *proxy, uint32_t offset, uint32_t value, unsigned size);

#endif
