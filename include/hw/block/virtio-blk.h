/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The block device (VIRTIO 1.2, 5.2): what its files share. */
#ifndef FERRY_HW_BLOCK_VIRTIO_BLK_H
#define FERRY_HW_BLOCK_VIRTIO_BLK_H

#include "block/block.h"
#include "hw/virtio/virtio-pci.h"
#include <linux/virtio_blk.h>

struct virtio_blk;

/* A chain of the driver's, from its pop to its push. Lives on the queue's thread. */
struct virtio_blk_request {
    struct block_request block; /* first */
    struct virtio_blk *dev;
    struct virtqueue *vq;
    struct virtqueue_element element; /* its segments follow the struct */
    uint32_t type;                    /* VIRTIO_BLK_T_* */
    struct flat_view *view;           /* that its buffers were found in; NULL: not started */
    struct iovec *iov;                /* owned */
    struct virtio_blk_request *next;  /* on the list of those to be repeated */
    struct virtio_segment segments[];
};

struct virtio_blk {
    struct virtio_device vdev; /* first */
    struct block_backend *blk;
    /*
     * Those that failed with rerror= or werror=stop, by queue, in order: they are submitted again when the VM runs,
     * and migrate. The queue's thread, or the big lock while it is stopped.
     */
    struct virtio_blk_request *retry[VIRTIO_PCI_QUEUES], **retry_tail[VIRTIO_PCI_QUEUES];
    struct virtio_blk_request *loaded; /* out of a stream, not checked yet */
    struct iothread *iothread;
    unsigned repeat; /* a bit per queue: its list is to be submitted. Atomic */

    /* Properties. */
    char *drive, *serial, *iothread_id, *rerror, *werror;
    int32_t bootindex;
    uint16_t num_queues, queue_size;
    int write_cache; /* enum on_off_auto */
    bool config_wce, discard, write_zeroes, share_rw, seg_max_adjust, report_discard_granularity;
    uint32_t max_discard_sectors, max_write_zeroes_sectors, cylinders, heads, sectors;
    uint64_t logical_block_size, physical_block_size, min_io_size, opt_io_size, discard_granularity;
};

/* virtio-blk.c */
bool virtio_blk_realize(struct virtio_device *vdev, struct device *device,
                        const struct virtio_transport_ops *transport, GError **error);
void virtio_blk_unrealize(struct virtio_device *vdev);

/* virtio-blk-request.c */
bool virtio_blk_handle_queue(struct virtio_device *vdev, struct virtqueue *vq);
struct virtio_blk_request *virtio_blk_request_new(struct virtio_blk *b, struct virtqueue *vq,
                                                  const struct virtqueue_element *element);
void virtio_blk_request_free(struct virtio_blk_request *req);
void virtio_blk_retry_append(struct virtio_blk_request *req);
void virtio_blk_retry_drop(struct virtio_blk *b, unsigned queue);

/* virtio-blk-state.c */
extern const struct vmstate_description vmstate_virtio_blk_requests;
bool virtio_blk_post_load(struct virtio_device *vdev, GError **error);
void virtio_blk_loaded_drop(struct virtio_blk *b);

extern const struct device_type virtio_blk_pci_type;

#endif
