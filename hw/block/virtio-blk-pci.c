/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "virtio-blk-pci": the block device as a PCI function, with its properties and its section of the stream. */
#include "hw/block/virtio-blk.h"
#include "migration/stream.h"
#include "migration/vmstate.h"

#define VECTORS_AUTO UINT32_MAX /* one per queue, and the configuration's */

struct virtio_blk_pci {
    struct virtio_pci proxy; /* first */
    struct virtio_blk blk;
};

static bool blk_pci_realize(struct pci_device *dev, GError **error)
{
    struct virtio_blk_pci *p = (struct virtio_blk_pci *)dev;
    bool vectors_auto = p->proxy.vectors == VECTORS_AUTO;

    p->proxy.vectors = vectors_auto ? 0 : p->proxy.vectors;
    if (!virtio_pci_check(&p->proxy, &p->blk.vdev, error)) {
        return false;
    }
    if (!virtio_blk_realize(&p->blk, &dev->device, &virtio_pci_transport_ops, error)) {
        virtio_blk_unrealize(&p->blk);
        return false;
    }
    p->proxy.vectors = vectors_auto ? p->blk.num_queues + 1u : p->proxy.vectors;
    if (!virtio_pci_plug(&p->proxy, error)) {
        virtio_pci_unplug(&p->proxy);
        virtio_blk_unrealize(&p->blk);
        return false;
    }
    return true;
}

static void blk_pci_unrealize(struct pci_device *dev)
{
    struct virtio_blk_pci *p = (struct virtio_blk_pci *)dev;

    virtio_blk_unrealize(&p->blk);
    virtio_pci_unplug(&p->proxy);
}

static void blk_pci_reset(struct device *dev)
{
    virtio_pci_reset(&((struct virtio_blk_pci *)dev)->proxy);
}

/* ---- The section: one hand-made field ---- */

static void section_put(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)
{
    virtio_save(&((struct virtio_blk_pci *)element)->blk.vdev, s);
}

static bool section_get(struct stream *s, void *element, size_t size, const struct vmstate_field *field,
                        GError **error)
{
    return virtio_load(&((struct virtio_blk_pci *)element)->blk.vdev, s, error);
}

static const struct vmstate_info section_info = { .name = "virtio", .get = section_get, .put = section_put };

static const struct vmstate_description vmstate_virtio_blk = {
    .name = "virtio-blk",
    .version = 2,
    .minimum_version = 2,
    .fields =
        (const struct vmstate_field[]){
            VMSTATE_CUSTOM_WHOLE("virtio", struct virtio_blk_pci, section_info),
            VMSTATE_END,
        },
};

/* ---- Properties ---- */

#define BLK(_kind, _name, _field, _default, _description) \
    PROPERTY(_kind, _name, struct virtio_blk_pci, blk._field, _default, _description)

static const struct property properties[] = {
    VIRTIO_PCI_PROPERTIES(struct virtio_blk_pci, proxy, VECTORS_AUTO),
    BLK(STRING, "drive", drive, 0, "Node name or ID of a block device to use as a backend"),
    BLK(STRING, "serial", serial, 0, "What the guest reads as the disk's id, 20 characters at most"),
    BLK(INT32, "bootindex", bootindex, -1, "Place among what firmware boots from; no effect with -kernel"),
    BLK(UINT16, "num-queues", num_queues, 0xffff, "Request queues, 1 to 8; 65535: one per vCPU"),
    BLK(UINT16, "queue-size", queue_size, 256, "Descriptors of each queue"),
    BLK(BOOL, "seg-max-adjust", seg_max_adjust, true, "Segments of a request by queue-size; off: 126"),
    BLK(ON_OFF_AUTO, "write-cache", write_cache, ON_OFF_AUTO_AUTO,
        "Whether a write may end before it is on the medium; auto: as -drive says, else on"),
    BLK(BOOL, "config-wce", config_wce, true, "Let the guest switch the write cache"),
    BLK(BOOL, "discard", discard, true, "on/off"),
    BLK(BOOL, "report-discard-granularity", report_discard_granularity, true, "on/off"),
    BLK(UINT32, "max-discard-sectors", max_discard_sectors, 0x3fffff, "Most sectors of one discard"),
    BLK(BOOL, "write-zeroes", write_zeroes, true, "on/off"),
    BLK(UINT32, "max-write-zeroes-sectors", max_write_zeroes_sectors, 0x3fffff, "Most sectors zeroed at once"),
    BLK(STRING, "iothread", iothread_id, 0, "The -object iothread that serves the queues; none: the main loop"),
    BLK(STRING, "rerror", rerror, 0, "Error handling policy, report/ignore/stop/auto"),
    BLK(STRING, "werror", werror, 0, "Error handling policy, report/ignore/enospc/stop/auto"),
    BLK(BOOL, "share-rw", share_rw, false, "Others may write the image meanwhile"),
    BLK(SIZE, "logical_block_size", logical_block_size, 0, "A power of two between 512 B and 2 MiB"),
    BLK(SIZE, "physical_block_size", physical_block_size, 0, "A power of two between 512 B and 2 MiB"),
    BLK(SIZE, "min_io_size", min_io_size, 0, "Least size of a good request"),
    BLK(SIZE, "opt_io_size", opt_io_size, 0, "Best size of a request"),
    BLK(SIZE, "discard_granularity", discard_granularity, UINT32_MAX, "What discards are best aligned to"),
    BLK(UINT32, "cyls", cylinders, 0, "Cylinders; with heads and secs 0: made up from the length"),
    BLK(UINT32, "heads", heads, 0, "Heads"),
    BLK(UINT32, "secs", sectors, 0, "Sectors"),
    PROPERTY_END,
};

/* ---- The type ---- */

static const struct pci_device_ops blk_pci_ops = {
    .vendor_id = 0x1af4,
    .device_id = 0x1001,
    .class_id = 0x0100,
    .realize = blk_pci_realize,
    .unrealize = blk_pci_unrealize,
    .config_read = virtio_pci_config_read,
    .config_write = virtio_pci_config_write,
};

const struct device_type virtio_blk_pci_type = {
    .name = "virtio-blk-pci",
    .alias = "virtio-blk",
    .parents = (const char *const[]){ "virtio-blk-pci-base", "virtio-pci", NULL },
    .bus = "PCI",
    .category = "Storage",
    .description = "Disk over a block node: read, write, flush, discard, write zeroes; several queues",
    .size = sizeof(struct virtio_blk_pci),
    .user_creatable = true,
    .hotpluggable = true,
    .backend = "virtio-backend",
    .properties = properties,
    .vmstate = &vmstate_virtio_blk,
    .ops = &blk_pci_ops,
    .realize = pci_device_realize,
    .unrealize = pci_device_unrealize,
    .reset = blk_pci_reset,
};
