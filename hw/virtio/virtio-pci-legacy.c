/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The legacy interface (VIRTIO 1.2, 4.1.4.10): ports in BAR 0; the device's configuration follows the registers. */
#include "hw/virtio/virtio-pci.h"
#include <linux/virtio_pci.h>

static void set_legacy_status(struct virtio_pci *proxy, uint8_t status)
{
    if (status == 0) {
        virtio_pci_reset(proxy);
        return;
    }
    /* Drivers of the legacy days (Linux before 2.6.34) never turn bus mastering on. */
    if ((status & VIRTIO_CONFIG_S_DRIVER_OK) && !pci_bus_master_enabled(&proxy->pci)) {
        virtio_pci_config_write(&proxy->pci, PCI_COMMAND,
                                pci_word(proxy->pci.config + PCI_COMMAND) | PCI_COMMAND_MASTER, 2);
    }
    virtio_set_status(proxy->vdev, status);
}

static uint16_t check_vector(struct virtio_pci *proxy, uint16_t vector)
{
    return vector < proxy->vectors ? vector : VIRTIO_NO_VECTOR;
}

static uint64_t legacy_register_read(struct virtio_pci *proxy, hwaddr offset)
{
    struct virtio_device *vdev = proxy->vdev;
    struct virtqueue *vq = virtio_queue(vdev, vdev->queue_select);

    switch (offset) {
    case VIRTIO_PCI_HOST_FEATURES: return (uint32_t)vdev->host_features;
    case VIRTIO_PCI_GUEST_FEATURES: return (uint32_t)vdev->guest_features;
    case VIRTIO_PCI_QUEUE_PFN: return vq ? vq->desc >> VIRTIO_PCI_QUEUE_ADDR_SHIFT : 0;
    case VIRTIO_PCI_QUEUE_NUM: return vq ? vq->num : 0;
    case VIRTIO_PCI_QUEUE_SEL: return vdev->queue_select;
    case VIRTIO_PCI_STATUS: return vdev->status;
    case VIRTIO_PCI_ISR: return virtio_pci_isr_read(proxy);
    case VIRTIO_MSI_CONFIG_VECTOR: return vdev->config_vector;
    case VIRTIO_MSI_QUEUE_VECTOR: return vq ? vq->vector : VIRTIO_NO_VECTOR;
    default: return 0;
    }
}

static uint64_t legacy_read(void *opaque, hwaddr offset, unsigned size)
{
    struct virtio_pci *proxy = opaque;
    unsigned config = VIRTIO_PCI_CONFIG_OFF(msix_enabled(&proxy->pci));

    if (offset >= config) {
        return virtio_config_read(proxy->vdev, offset - config, size);
    }
    return legacy_register_read(proxy, offset);
}

static void legacy_register_write(struct virtio_pci *proxy, hwaddr offset, uint64_t value)
{
    struct virtio_device *vdev = proxy->vdev;
    struct virtqueue *vq = virtio_queue(vdev, vdev->queue_select);

    switch (offset) {
    case VIRTIO_PCI_GUEST_FEATURES:
        if (value >> VIRTIO_F_BAD_FEATURE_BIT & 1) {
            value = 0; /* a driver that accepts everything understands nothing */
        }
        virtio_set_features(vdev, (uint32_t)value);
        break;
    case VIRTIO_PCI_QUEUE_PFN:
        if (vq) {
            virtio_queue_set_legacy_address(vq, (hwaddr)(uint32_t)value << VIRTIO_PCI_QUEUE_ADDR_SHIFT);
        }
        break;
    case VIRTIO_PCI_QUEUE_SEL:
        vdev->queue_select = MIN((uint16_t)value, VIRTIO_QUEUE_MAX - 1); /* that one never exists */
        break;
    case VIRTIO_PCI_QUEUE_NOTIFY:
        virtio_queue_notify(vdev, (uint16_t)value);
        break;
    case VIRTIO_PCI_STATUS:
        set_legacy_status(proxy, value);
        break;
    case VIRTIO_MSI_CONFIG_VECTOR:
        vdev->config_vector = check_vector(proxy, value);
        break;
    case VIRTIO_MSI_QUEUE_VECTOR:
        if (vq) {
            vq->vector = check_vector(proxy, value);
            virtio_pci_vectors_changed(&proxy->pci);
        }
        break;
    default:
        guest_error("%s: write to the legacy register 0x%" G_GINT64_MODIFIER "x", vdev->ops->name, offset);
    }
}

static void legacy_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct virtio_pci *proxy = opaque;
    unsigned config = VIRTIO_PCI_CONFIG_OFF(msix_enabled(&proxy->pci));

    if (offset >= config) {
        virtio_config_write(proxy->vdev, offset - config, value, size);
    } else {
        legacy_register_write(proxy, offset, value);
    }
}

static const struct memory_region_ops legacy_ops = { .read = legacy_read, .write = legacy_write };

void virtio_pci_legacy_init(struct virtio_pci *proxy)
{
    uint32_t length = VIRTIO_PCI_CONFIG_OFF(proxy->vectors != 0) + proxy->vdev->config_length, size = 4;

    while (size < length) {
        size *= 2;
    }
    memory_region_init_io(&proxy->legacy_bar, &legacy_ops, proxy, "virtio-pci", size);
}
