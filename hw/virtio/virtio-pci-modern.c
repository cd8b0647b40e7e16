/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The modern interface (VIRTIO 1.2, 4.1.4): four pages in BAR 4 and the capabilities that say where they are.
 *
 * The common configuration is a table of registers. Reads of any width and place are put together from whole
 * registers; a narrower write changes its part of one.
 */
#include <string.h>

#include "hw/virtio/virtio-pci.h"
#include <linux/virtio_pci.h>

#define PAGE          0x1000u
#define COMMON_OFFSET 0x0000u
#define ISR_OFFSET    0x1000u
#define CONFIG_OFFSET 0x2000u
#define NOTIFY_OFFSET 0x3000u
#define MODERN_SIZE   0x4000u
#define MODERN_BAR    4
/* Registers behind struct virtio_pci_common_cfg (4.1.4.3, 1.2) */
#define COMMON_Q_NDATA 56
#define COMMON_Q_RESET 58

static const struct common_register {
    uint8_t offset, size;
} common_registers[] = {
    { VIRTIO_PCI_COMMON_DFSELECT, 4 },   { VIRTIO_PCI_COMMON_DF, 4 },         { VIRTIO_PCI_COMMON_GFSELECT, 4 },
    { VIRTIO_PCI_COMMON_GF, 4 },         { VIRTIO_PCI_COMMON_MSIX, 2 },       { VIRTIO_PCI_COMMON_NUMQ, 2 },
    { VIRTIO_PCI_COMMON_STATUS, 1 },     { VIRTIO_PCI_COMMON_CFGGENERATION, 1 }, { VIRTIO_PCI_COMMON_Q_SELECT, 2 },
    { VIRTIO_PCI_COMMON_Q_SIZE, 2 },     { VIRTIO_PCI_COMMON_Q_MSIX, 2 },     { VIRTIO_PCI_COMMON_Q_ENABLE, 2 },
    { VIRTIO_PCI_COMMON_Q_NOFF, 2 },     { VIRTIO_PCI_COMMON_Q_DESCLO, 4 },   { VIRTIO_PCI_COMMON_Q_DESCHI, 4 },
    { VIRTIO_PCI_COMMON_Q_AVAILLO, 4 },  { VIRTIO_PCI_COMMON_Q_AVAILHI, 4 },  { VIRTIO_PCI_COMMON_Q_USEDLO, 4 },
    { VIRTIO_PCI_COMMON_Q_USEDHI, 4 },   { COMMON_Q_NDATA, 2 },               { COMMON_Q_RESET, 2 },
};

static const struct common_register *common_find(hwaddr offset)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(common_registers); i++) {
        if (offset - common_registers[i].offset < common_registers[i].size) {
            return &common_registers[i];
        }
    }
    return NULL;
}

/* ---- Common configuration ---- */

static uint32_t device_features(const struct virtio_pci *proxy)
{
    /* What only legacy drivers know has no place in the modern interface. */
    uint64_t features = proxy->vdev->host_features & ~(VIRTIO_FEATURE(VIRTIO_F_NOTIFY_ON_EMPTY_BIT) |
                                                       VIRTIO_FEATURE(VIRTIO_F_ANY_LAYOUT_BIT) |
                                                       VIRTIO_FEATURE(VIRTIO_F_BAD_FEATURE_BIT));

    return proxy->device_feature_select < 2 ? features >> 32 * proxy->device_feature_select : 0;
}

static uint32_t half(uint64_t value, bool high)
{
    return high ? value >> 32 : value;
}

static void set_half(uint64_t *value, bool high, uint32_t to)
{
    *value = high ? (*value & UINT32_MAX) | (uint64_t)to << 32 : (*value & ~(uint64_t)UINT32_MAX) | to;
}

static uint32_t queue_register_read(struct virtio_pci *proxy, unsigned offset)
{
    struct virtqueue *vq = virtio_queue(proxy->vdev, proxy->vdev->queue_select);
    const struct virtio_pci_queue *q;

    if (!vq) {
        return offset == VIRTIO_PCI_COMMON_Q_MSIX ? VIRTIO_NO_VECTOR : 0;
    }
    q = &proxy->queues[vq->index];
    switch (offset) {
    case VIRTIO_PCI_COMMON_Q_SIZE: return vq->num;
    case VIRTIO_PCI_COMMON_Q_MSIX: return vq->vector;
    case VIRTIO_PCI_COMMON_Q_ENABLE: return q->enabled;
    case VIRTIO_PCI_COMMON_Q_NOFF:
    case COMMON_Q_NDATA: return vq->index;
    case VIRTIO_PCI_COMMON_Q_DESCLO:
    case VIRTIO_PCI_COMMON_Q_DESCHI: return half(q->desc, offset == VIRTIO_PCI_COMMON_Q_DESCHI);
    case VIRTIO_PCI_COMMON_Q_AVAILLO:
    case VIRTIO_PCI_COMMON_Q_AVAILHI: return half(q->avail, offset == VIRTIO_PCI_COMMON_Q_AVAILHI);
    case VIRTIO_PCI_COMMON_Q_USEDLO:
    case VIRTIO_PCI_COMMON_Q_USEDHI: return half(q->used, offset == VIRTIO_PCI_COMMON_Q_USEDHI);
    default: return 0; /* COMMON_Q_RESET: done as soon as it is asked for */
    }
}

static uint32_t common_register_read(struct virtio_pci *proxy, unsigned offset)
{
    struct virtio_device *vdev = proxy->vdev;

    switch (offset) {
    case VIRTIO_PCI_COMMON_DFSELECT: return proxy->device_feature_select;
    case VIRTIO_PCI_COMMON_DF: return device_features(proxy);
    case VIRTIO_PCI_COMMON_GFSELECT: return proxy->driver_feature_select;
    case VIRTIO_PCI_COMMON_GF:
        return proxy->driver_feature_select < 2 ? proxy->driver_features[proxy->driver_feature_select] : 0;
    case VIRTIO_PCI_COMMON_MSIX: return vdev->config_vector;
    case VIRTIO_PCI_COMMON_NUMQ: return vdev->queue_count;
    case VIRTIO_PCI_COMMON_STATUS: return vdev->status;
    case VIRTIO_PCI_COMMON_CFGGENERATION: return vdev->generation & 0xff;
    case VIRTIO_PCI_COMMON_Q_SELECT: return vdev->queue_select;
    default: return queue_register_read(proxy, offset);
    }
}

static void enable_queue(struct virtio_pci *proxy, struct virtqueue *vq, uint32_t value)
{
    struct virtio_pci_queue *q = &proxy->queues[vq->index];

    if (value != 1 || q->enabled) {
        guest_error("%s: queue %u: queue_enable written as %u while %s", proxy->vdev->ops->name, vq->index, value,
                    q->enabled ? "enabled" : "disabled");
        return;
    }
    virtio_queue_set_rings(vq, q->desc, q->avail, q->used);
    q->num = vq->num;
    q->enabled = true;
    virtio_queue_enable(vq);
}

static void reset_queue(struct virtio_pci *proxy, struct virtqueue *vq, uint32_t value)
{
    if (value != 1 || !virtio_has_feature(proxy->vdev, VIRTIO_F_RING_RESET_BIT)) {
        guest_error("%s: queue %u: queue_reset written as %u", proxy->vdev->ops->name, vq->index, value);
        return;
    }
    virtio_queue_reset(vq);
    memset(&proxy->queues[vq->index], 0, sizeof(proxy->queues[vq->index]));
}

static uint16_t check_vector(struct virtio_pci *proxy, uint16_t vector)
{
    return vector < proxy->vectors ? vector : VIRTIO_NO_VECTOR; /* the driver reads back that it failed */
}

static void queue_register_write(struct virtio_pci *proxy, unsigned offset, uint32_t value)
{
    struct virtqueue *vq = virtio_queue(proxy->vdev, proxy->vdev->queue_select);
    struct virtio_pci_queue *q;

    if (!vq) {
        return;
    }
    q = &proxy->queues[vq->index];
    switch (offset) {
    case VIRTIO_PCI_COMMON_Q_SIZE:
        if (!q->enabled && virtio_queue_set_size(vq, value)) {
            q->num = value;
        }
        break;
    case VIRTIO_PCI_COMMON_Q_MSIX:
        vq->vector = check_vector(proxy, value);
        virtio_pci_vectors_changed(&proxy->pci);
        break;
    case VIRTIO_PCI_COMMON_Q_ENABLE: enable_queue(proxy, vq, value); break;
    case VIRTIO_PCI_COMMON_Q_DESCLO:
    case VIRTIO_PCI_COMMON_Q_DESCHI: set_half(&q->desc, offset == VIRTIO_PCI_COMMON_Q_DESCHI, value); break;
    case VIRTIO_PCI_COMMON_Q_AVAILLO:
    case VIRTIO_PCI_COMMON_Q_AVAILHI: set_half(&q->avail, offset == VIRTIO_PCI_COMMON_Q_AVAILHI, value); break;
    case VIRTIO_PCI_COMMON_Q_USEDLO:
    case VIRTIO_PCI_COMMON_Q_USEDHI: set_half(&q->used, offset == VIRTIO_PCI_COMMON_Q_USEDHI, value); break;
    case COMMON_Q_RESET: reset_queue(proxy, vq, value); break;
    default: break; /* read-only */
    }
}

static void set_driver_features(struct virtio_pci *proxy, uint32_t value)
{
    if (proxy->driver_feature_select < 2) {
        proxy->driver_features[proxy->driver_feature_select] = value;
        virtio_set_features(proxy->vdev, proxy->driver_features[0] | (uint64_t)proxy->driver_features[1] << 32);
    }
}

static void common_register_write(struct virtio_pci *proxy, unsigned offset, uint32_t value)
{
    struct virtio_device *vdev = proxy->vdev;

    switch (offset) {
    case VIRTIO_PCI_COMMON_DFSELECT: proxy->device_feature_select = value; break;
    case VIRTIO_PCI_COMMON_GFSELECT: proxy->driver_feature_select = value; break;
    case VIRTIO_PCI_COMMON_GF: set_driver_features(proxy, value); break;
    case VIRTIO_PCI_COMMON_MSIX: vdev->config_vector = check_vector(proxy, value); break;
    case VIRTIO_PCI_COMMON_STATUS:
        if (value == 0) {
            virtio_pci_reset(proxy);
        } else {
            virtio_set_status(vdev, value);
        }
        break;
    case VIRTIO_PCI_COMMON_Q_SELECT:
        vdev->queue_select = MIN(value, VIRTIO_QUEUE_MAX - 1); /* that one never exists */
        break;
    default: queue_register_write(proxy, offset, value); break;
    }
}

static uint64_t common_read(void *opaque, hwaddr offset, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        const struct common_register *reg = common_find(offset + i);

        if (reg) {
            uint32_t whole = common_register_read(opaque, reg->offset);

            value |= (uint64_t)(whole >> 8 * (offset + i - reg->offset) & 0xff) << 8 * i;
        }
    }
    return value;
}

static void common_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    const struct common_register *reg = common_find(offset);
    uint32_t whole, mask;
    unsigned shift;

    if (!reg) {
        return;
    }
    if (offset == reg->offset && size >= reg->size) {
        common_register_write(opaque, reg->offset, reg->size == 4 ? value : value & ((1u << 8 * reg->size) - 1));
        return;
    }
    shift = 8 * (offset - reg->offset);
    mask = ((1u << 8 * MIN(size, 3)) - 1) << shift;
    if (reg->size < 4) {
        mask &= (1u << 8 * reg->size) - 1;
    }
    whole = common_register_read(opaque, reg->offset);
    common_register_write(opaque, reg->offset, (whole & ~mask) | (((uint32_t)value << shift) & mask));
}

/* ---- The other pages ---- */

static uint64_t isr_read(void *opaque, hwaddr offset, unsigned size)
{
    return offset == 0 ? virtio_pci_isr_read(opaque) : 0;
}

static void ignore_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
}

static uint64_t config_read(void *opaque, hwaddr offset, unsigned size)
{
    return virtio_config_read(((struct virtio_pci *)opaque)->vdev, offset, size);
}

static void config_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    virtio_config_write(((struct virtio_pci *)opaque)->vdev, offset, value, size);
}

static uint64_t notify_read(void *opaque, hwaddr offset, unsigned size)
{
    return 0;
}

static void notify_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    virtio_queue_notify(((struct virtio_pci *)opaque)->vdev, offset / VIRTIO_PCI_NOTIFY_MULTIPLIER);
}

static const struct memory_region_ops common_ops = { .read = common_read, .write = common_write };
static const struct memory_region_ops isr_ops = { .read = isr_read, .write = ignore_write };
static const struct memory_region_ops config_ops = { .read = config_read, .write = config_write };
static const struct memory_region_ops notify_ops = { .read = notify_read, .write = notify_write };

static const struct {
    const struct memory_region_ops *ops;
    const char *name;
} pages[] = {
    { &common_ops, "virtio-pci-common" },
    { &isr_ops, "virtio-pci-isr" },
    { &config_ops, "virtio-pci-device" },
    { &notify_ops, "virtio-pci-notify" },
};

uint32_t virtio_pci_modern_read(struct virtio_pci *proxy, uint32_t offset, unsigned size)
{
    return offset < MODERN_SIZE ? pages[offset / PAGE].ops->read(proxy, offset % PAGE, size) : UINT32_MAX;
}

void virtio_pci_modern_write(struct virtio_pci *proxy, uint32_t offset, uint32_t value, unsigned size)
{
    if (offset < MODERN_SIZE) {
        pages[offset / PAGE].ops->write(proxy, offset % PAGE, value, size);
    }
}

static uint8_t add_capability(struct virtio_pci *proxy, uint8_t type, uint32_t offset, uint8_t length)
{
    uint8_t at = pci_add_capability(&proxy->pci, PCI_CAP_ID_VNDR, length);
    uint8_t *cap = proxy->pci.config + at;

    cap[offsetof(struct virtio_pci_cap, cap_len)] = length;
    cap[offsetof(struct virtio_pci_cap, cfg_type)] = type;
    if (type != VIRTIO_PCI_CAP_PCI_CFG) {
        cap[offsetof(struct virtio_pci_cap, bar)] = MODERN_BAR;
        pci_put_long(cap + offsetof(struct virtio_pci_cap, offset), offset);
        pci_put_long(cap + offsetof(struct virtio_pci_cap, length), PAGE);
    }
    return at;
}

void virtio_pci_modern_init(struct virtio_pci *proxy)
{
    struct memory_region *regions[] = { &proxy->common, &proxy->isr, &proxy->config, &proxy->notify };
    uint8_t *wmask, notify;

    memory_region_init_container(&proxy->modern_bar, "virtio-pci", MODERN_SIZE);
    for (unsigned i = 0; i < G_N_ELEMENTS(pages); i++) {
        memory_region_init_io(regions[i], pages[i].ops, proxy, pages[i].name, PAGE);
        memory_region_add(&proxy->modern_bar, i * PAGE, regions[i], 0);
    }
    add_capability(proxy, VIRTIO_PCI_CAP_COMMON_CFG, COMMON_OFFSET, sizeof(struct virtio_pci_cap));
    add_capability(proxy, VIRTIO_PCI_CAP_ISR_CFG, ISR_OFFSET, sizeof(struct virtio_pci_cap));
    add_capability(proxy, VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG_OFFSET, sizeof(struct virtio_pci_cap));
    notify = add_capability(proxy, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY_OFFSET, sizeof(struct virtio_pci_notify_cap));
    pci_put_long(proxy->pci.config + notify + offsetof(struct virtio_pci_notify_cap, notify_off_multiplier),
                 VIRTIO_PCI_NOTIFY_MULTIPLIER);
    proxy->window = add_capability(proxy, VIRTIO_PCI_CAP_PCI_CFG, 0, sizeof(struct virtio_pci_cfg_cap));
    wmask = proxy->pci.wmask + proxy->window;
    wmask[offsetof(struct virtio_pci_cap, bar)] = 0xff;
    memset(wmask + offsetof(struct virtio_pci_cap, offset), 0xff, 12); /* offset, length, data */
}
