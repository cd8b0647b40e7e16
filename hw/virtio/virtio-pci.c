/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio over PCI (VIRTIO 1.2, 4.1): the function itself. The registers behind its BARs are in virtio-pci-modern.c
 * (BAR 4, 16 KiB: common, isr, device, notify, a page each) and virtio-pci-legacy.c (BAR 0, ports). MSI-X, where it
 * is asked for, has BAR 1.
 *
 * Identity: transitional devices carry the legacy ids and revision 0; modern-only ones 0x1040 + type, revision 1.
 */
#include <string.h>

#include "hw/virtio/virtio-pci.h"
#include "migration/stream.h"
#include "migration/vmstate.h"
#include <linux/virtio_pci.h>

#define VENDOR_REDHAT_QUMRANET 0x1af4
#define MODERN_BAR 4
#define LEGACY_BAR 0
#define MSIX_BAR   1

static struct virtio_pci *proxy_of(const struct virtio_device *vdev)
{
    return (struct virtio_pci *)vdev->device;
}

/* ---- Interrupts ---- */

static void transport_notify(struct virtio_device *vdev, uint16_t vector)
{
    struct virtio_pci *proxy = proxy_of(vdev);

    if (msix_enabled(&proxy->pci)) {
        if (vector != VIRTIO_NO_VECTOR) {
            msix_notify(&proxy->pci, vector);
        }
    } else {
        pci_set_irq(&proxy->pci, vdev->isr != 0);
    }
}

uint64_t virtio_pci_isr_read(struct virtio_pci *proxy)
{
    uint8_t isr = proxy->vdev->isr;

    proxy->vdev->isr = 0;
    pci_set_irq(&proxy->pci, false);
    return isr;
}

static bool transport_dma_enabled(const struct virtio_device *vdev)
{
    return pci_bus_master_enabled(&proxy_of(vdev)->pci);
}

/* ---- Configuration space ---- */

/*
 * The window (4.1.4.9): bar, offset and length name registers, an access to its data field is an access to them. For
 * firmware that cannot map memory.
 */
static bool window_target(struct virtio_pci *proxy, uint32_t *offset, unsigned *size)
{
    const uint8_t *cap = proxy->pci.config + proxy->window;

    *offset = pci_long(cap + offsetof(struct virtio_pci_cap, offset));
    *size = pci_long(cap + offsetof(struct virtio_pci_cap, length));
    return cap[offsetof(struct virtio_pci_cap, bar)] == MODERN_BAR && (*size == 1 || *size == 2 || *size == 4) &&
           *offset % *size == 0;
}

static bool touches_window_data(const struct virtio_pci *proxy, uint32_t address, unsigned size)
{
    uint32_t data = proxy->window + offsetof(struct virtio_pci_cfg_cap, pci_cfg_data);

    return proxy->modern && address < data + 4 && address + size > data;
}

uint32_t virtio_pci_config_read(struct pci_device *dev, uint32_t address, unsigned size)
{
    struct virtio_pci *proxy = (struct virtio_pci *)dev;
    uint32_t offset;
    unsigned length;

    if (touches_window_data(proxy, address, size) && window_target(proxy, &offset, &length)) {
        pci_put_long(dev->config + proxy->window + offsetof(struct virtio_pci_cfg_cap, pci_cfg_data),
                     virtio_pci_modern_read(proxy, offset, length));
    }
    return pci_default_config_read(dev, address, size);
}

void virtio_pci_config_write(struct pci_device *dev, uint32_t address, uint32_t value, unsigned size)
{
    struct virtio_pci *proxy = (struct virtio_pci *)dev;
    uint32_t offset;
    unsigned length;

    pci_default_config_write(dev, address, value, size);
    if (address <= PCI_COMMAND && address + size > PCI_COMMAND) {
        proxy->vdev->disabled = !pci_bus_master_enabled(dev);
        virtio_update_running(proxy->vdev);
    }
    if (touches_window_data(proxy, address, size) && window_target(proxy, &offset, &length)) {
        virtio_pci_modern_write(proxy, offset,
                                pci_long(dev->config + proxy->window +
                                         offsetof(struct virtio_pci_cfg_cap, pci_cfg_data)), length);
    }
}

/* ---- State ---- */

static void transport_save_config(struct virtio_device *vdev, struct stream *s)
{
    struct virtio_pci *proxy = proxy_of(vdev);
    g_autoptr(GError) error = NULL;

    if (!vmstate_save_body(s, &vmstate_pci_device, &proxy->pci, NULL, &error)) {
        stream_set_error(s, "%s", error->message);
    }
    msix_save(&proxy->pci, s);
    if (proxy->pci.msix) {
        stream_put_u16(s, vdev->config_vector);
    }
}

/* A vector out of range interrupts nobody; the driver that set it would have read back "none". */
static uint16_t load_vector(struct virtio_pci *proxy, struct stream *s)
{
    uint16_t vector = stream_get_u16(s);

    return vector < proxy->vectors ? vector : VIRTIO_NO_VECTOR;
}

static bool transport_load_config(struct virtio_device *vdev, struct stream *s, GError **error)
{
    struct virtio_pci *proxy = proxy_of(vdev);

    if (!vmstate_load_body(s, &vmstate_pci_device, &proxy->pci, vmstate_pci_device.version, error) ||
        !msix_load(&proxy->pci, s, error)) {
        return false;
    }
    vdev->config_vector = proxy->pci.msix ? load_vector(proxy, s) : VIRTIO_NO_VECTOR;
    return true;
}

static void transport_save_queue(struct virtqueue *vq, struct stream *s)
{
    if (proxy_of(vq->vdev)->pci.msix) {
        stream_put_u16(s, vq->vector);
    }
}

static bool transport_load_queue(struct virtqueue *vq, struct stream *s, GError **error)
{
    struct virtio_pci *proxy = proxy_of(vq->vdev);

    vq->vector = proxy->pci.msix ? load_vector(proxy, s) : VIRTIO_NO_VECTOR;
    return true;
}

/* Registers of all queues that a device might have; ours come first. */
static void queues_put(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)
{
    static const struct virtio_pci_queue none;
    const struct virtio_pci *proxy = element;

    for (unsigned n = 0; n < VIRTIO_QUEUE_MAX; n++) {
        const struct virtio_pci_queue *q = n < VIRTIO_PCI_QUEUES ? &proxy->queues[n] : &none;
        const uint64_t addresses[] = { q->desc, q->avail, q->used };

        stream_put_u16(s, q->num);
        stream_put_u8(s, 0); /* `enabled` was two bytes once */
        stream_put_u8(s, q->enabled);
        for (unsigned i = 0; i < G_N_ELEMENTS(addresses); i++) {
            stream_put_u32(s, addresses[i]);
            stream_put_u32(s, addresses[i] >> 32);
        }
    }
}

static uint64_t get_split_u64(struct stream *s)
{
    uint64_t low = stream_get_u32(s);

    return low | (uint64_t)stream_get_u32(s) << 32;
}

static bool queues_get(struct stream *s, void *element, size_t size, const struct vmstate_field *field,
                       GError **error)
{
    struct virtio_pci *proxy = element;

    for (unsigned n = 0; n < VIRTIO_QUEUE_MAX; n++) {
        struct virtio_pci_queue q = { .num = stream_get_u16(s) };

        stream_get_u8(s);
        q.enabled = stream_get_u8(s);
        q.desc = get_split_u64(s);
        q.avail = get_split_u64(s);
        q.used = get_split_u64(s);
        if (n < VIRTIO_PCI_QUEUES) {
            proxy->queues[n] = q;
        }
    }
    return true;
}

static bool is_modern(const void *opaque)
{
    return ((const struct virtio_pci *)opaque)->modern;
}

static const struct vmstate_info queues_info = { .name = "virtio_pci queues", .get = queues_get, .put = queues_put };
static const struct vmstate_description vmstate_modern_state = {
    .name = "virtio_pci/modern_state",
    .version = 1,
    .minimum_version = 1,
    .needed = is_modern,
    .fields = (const struct vmstate_field[]){
        VMSTATE_UINT32(device_feature_select, struct virtio_pci),
        VMSTATE_UINT32(driver_feature_select, struct virtio_pci),
        VMSTATE_UINT32_ARRAY(driver_features, struct virtio_pci, 2),
        VMSTATE_CUSTOM_WHOLE("vqs", struct virtio_pci, queues_info),
        VMSTATE_END,
    },
};

static const struct vmstate_description vmstate_virtio_pci = {
    .name = "virtio_pci",
    .version = 1,
    .minimum_version = 1,
    .fields = (const struct vmstate_field[]){ VMSTATE_END },
    .subsections = (const struct vmstate_description *const[]){ &vmstate_modern_state, NULL },
};

static void *transport_extra_opaque(struct virtio_device *vdev)
{
    return proxy_of(vdev);
}

const struct virtio_transport_ops virtio_pci_transport_ops = {
    .notify = transport_notify,
    .queue_served = virtio_pci_queue_served,
    .dma_enabled = transport_dma_enabled,
    .save_config = transport_save_config,
    .load_config = transport_load_config,
    .save_queue = transport_save_queue,
    .load_queue = transport_load_queue,
    .extra_state = &vmstate_virtio_pci,
    .extra_opaque = transport_extra_opaque,
};

/* The section of every virtio-pci type is one hand-made field. */
static void section_put(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)
{
    virtio_save(((const struct virtio_pci *)element)->vdev, s);
}

static bool section_get(struct stream *s, void *element, size_t size, const struct vmstate_field *field,
                        GError **error)
{
    return virtio_load(((struct virtio_pci *)element)->vdev, s, error);
}

static const struct vmstate_info section_info = { .name = "virtio", .get = section_get, .put = section_put };
const struct vmstate_field virtio_pci_section[] = {
    VMSTATE_CUSTOM_WHOLE("virtio", struct virtio_pci, section_info),
    VMSTATE_END,
};

/* ---- Life ---- */

void virtio_pci_reset(struct virtio_pci *proxy)
{
    virtio_reset(proxy->vdev);
    proxy->device_feature_select = proxy->driver_feature_select = 0;
    memset(proxy->driver_features, 0, sizeof(proxy->driver_features));
    memset(proxy->queues, 0, sizeof(proxy->queues));
}

void virtio_pci_device_reset(struct device *dev)
{
    virtio_pci_reset((struct virtio_pci *)dev);
}

static bool check_properties(const struct virtio_pci *proxy, GError **error)
{
    if (!proxy->legacy && !proxy->modern) {
        return error_setf(error, "%s: disable-legacy=on and disable-modern=on leave no interface; set one to off",
                          proxy->pci.device.type->name);
    }
    if (proxy->vectors > PCI_MSIX_FLAGS_QSIZE + 1) {
        return error_setf(error, "%s: vectors=%u is not between 0 and %d", proxy->pci.device.type->name,
                          proxy->vectors, PCI_MSIX_FLAGS_QSIZE + 1);
    }
    return true;
}

static uint64_t transport_features(const struct virtio_pci *proxy)
{
    return (proxy->notify_on_empty ? VIRTIO_FEATURE(VIRTIO_F_NOTIFY_ON_EMPTY_BIT) : 0) |
           (proxy->any_layout ? VIRTIO_FEATURE(VIRTIO_F_ANY_LAYOUT_BIT) : 0) |
           (proxy->indirect_desc ? VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC) : 0) |
           (proxy->event_idx ? VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) : 0) |
           (proxy->queue_reset ? VIRTIO_FEATURE(VIRTIO_F_RING_RESET_BIT) : 0) |
           (proxy->modern ? VIRTIO_FEATURE(VIRTIO_F_VERSION_1) : 0) | VIRTIO_FEATURE(VIRTIO_F_BAD_FEATURE_BIT);
}

static void set_identity(struct virtio_pci *proxy)
{
    uint8_t *config = proxy->pci.config;
    uint16_t type = proxy->vdev->ops->device_id;

    pci_put_word(config + PCI_VENDOR_ID, VENDOR_REDHAT_QUMRANET);
    pci_put_word(config + PCI_SUBSYSTEM_VENDOR_ID, VENDOR_REDHAT_QUMRANET);
    if (proxy->legacy) {
        pci_put_word(config + PCI_SUBSYSTEM_ID, type); /* the legacy device id is the type's own, in pci_device_ops */
        config[PCI_REVISION_ID] = 0;
    } else {
        pci_put_word(config + PCI_DEVICE_ID, 0x1040 + type);
        config[PCI_REVISION_ID] = 1;
    }
    config[PCI_INTERRUPT_PIN] = 1;
}

static bool add_msix(struct virtio_pci *proxy, GError **error)
{
    uint32_t table = proxy->vectors * 16, pending = MAX(2048, table), size = 4096;

    while (size < pending + (proxy->vectors + 63) / 64 * 8) {
        size *= 2;
    }
    memory_region_init_container(&proxy->msix_bar, "virtio-pci-msix", size);
    if (!msix_init(&proxy->pci, proxy->vectors, MSIX_BAR, 0, pending, &proxy->msix_bar, error)) {
        return false;
    }
    pci_register_bar(&proxy->pci, MSIX_BAR, PCI_BASE_ADDRESS_SPACE_MEMORY, &proxy->msix_bar);
    proxy->pci.msix_changed = virtio_pci_vectors_changed;
    return true;
}

/* Identity, capabilities and BARs for a device whose queues exist. */
static bool plug(struct virtio_pci *proxy, GError **error)
{
    g_assert(proxy->vdev->queue_count <= VIRTIO_PCI_QUEUES);
    set_identity(proxy);
    if (proxy->modern) {
        virtio_pci_modern_init(proxy);
        pci_register_bar(&proxy->pci, MODERN_BAR, PCI_BASE_ADDRESS_SPACE_MEMORY | PCI_BASE_ADDRESS_MEM_TYPE_64 |
                                                      PCI_BASE_ADDRESS_MEM_PREFETCH, &proxy->modern_bar);
    }
    if (proxy->vectors && !add_msix(proxy, error)) {
        return false;
    }
    if (proxy->legacy) {
        virtio_pci_legacy_init(proxy);
        pci_register_bar(&proxy->pci, LEGACY_BAR, PCI_BASE_ADDRESS_SPACE_IO, &proxy->legacy_bar);
    }
    return true;
}

static void unplug(struct virtio_pci *proxy)
{
    msix_cleanup(&proxy->pci);
    if (proxy->modern) {
        memory_region_cleanup(&proxy->modern_bar);
    }
    if (proxy->legacy) {
        memory_region_cleanup(&proxy->legacy_bar);
    }
    if (proxy->vectors) {
        memory_region_cleanup(&proxy->msix_bar);
    }
}

/* What depends on the properties alone, so that the device can ask what the transport has. */
static bool prepare(struct virtio_pci *proxy, const struct virtio_pci_ops *ops, GError **error)
{
    proxy->vdev = (struct virtio_device *)((char *)proxy + ops->device_offset);
    proxy->legacy = proxy->disable_legacy != ON_OFF_AUTO_ON;
    proxy->modern = !proxy->disable_modern;
    proxy->vdev->host_features = transport_features(proxy);
    return check_properties(proxy, error);
}

bool virtio_pci_realize(struct pci_device *dev, GError **error)
{
    struct virtio_pci *proxy = (struct virtio_pci *)dev;
    const struct virtio_pci_ops *ops = dev->device.type->ops;
    bool vectors_auto = ops->vectors && proxy->vectors == VIRTIO_PCI_VECTORS_AUTO;

    proxy->vectors = vectors_auto ? 0 : proxy->vectors;
    if (!prepare(proxy, ops, error)) {
        return false;
    }
    if (!ops->realize(proxy->vdev, &dev->device, &virtio_pci_transport_ops, error)) {
        ops->unrealize(proxy->vdev);
        return false;
    }
    proxy->vectors = vectors_auto ? ops->vectors(proxy->vdev) : proxy->vectors;
    if (!plug(proxy, error)) {
        virtio_pci_unrealize(dev);
        return false;
    }
    return true;
}

void virtio_pci_unrealize(struct pci_device *dev)
{
    struct virtio_pci *proxy = (struct virtio_pci *)dev;

    ((const struct virtio_pci_ops *)dev->device.type->ops)->unrealize(proxy->vdev);
    unplug(proxy);
}
