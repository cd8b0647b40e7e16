/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "virtio-blk-pci": the block device as a PCI function, with its properties. */
#include "hw/block/virtio-blk.h"

struct virtio_blk_pci {
    struct virtio_pci proxy; /* first */
    struct virtio_blk blk;
};

/* ---- Properties ---- */

#define BLK(_kind, _name, _field, _default, _description) \
    PROPERTY(_kind, _name, struct virtio_blk_pci, blk._field, _default, _description)

static const struct property properties[] = {
    VIRTIO_PCI_PROPERTIES(struct virtio_blk_pci, proxy, VIRTIO_PCI_VECTORS_AUTO),
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

/* One per queue, and the configuration's. */
static uint32_t wanted_vectors(const struct virtio_device *vdev)
{
    return vdev->queue_count + 1;
}

static const struct virtio_pci_ops blk_pci_ops = {
    .pci = VIRTIO_PCI_FUNCTION(0x1001, 0x0100),
    .device_offset = offsetof(struct virtio_blk_pci, blk.vdev),
    .realize = virtio_blk_realize,
    .unrealize = virtio_blk_unrealize,
    .vectors = wanted_vectors,
};

const struct device_type virtio_blk_pci_type = {
    VIRTIO_PCI_TYPE("virtio-blk", struct virtio_blk_pci, &blk_pci_ops, 2),
    .category = "Storage",
    .description = "Disk over a block node: read, write, flush, discard, write zeroes; several queues",
    .properties = properties,
};
