/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What docs/specs/virtio-balloon-bitmap.rst puts on the wire, beyond <linux/virtio_balloon.h>. All little-endian. */
#ifndef FERRY_HW_VIRTIO_VIRTIO_BALLOON_BITMAP_H
#define FERRY_HW_VIRTIO_VIRTIO_BALLOON_BITMAP_H

#include <stdint.h>

#define VIRTIO_BALLOON_F_FREE_PAGE_BITMAP 16
#define VIRTIO_BALLOON_F_PAGE_BITMAP      17
#define VIRTIO_BALLOON_F_SHARE_ONLY       18

#define VIRTIO_BALLOON_BITMAP_CONFIG 64 /* offset */
struct virtio_balloon_bitmap_config {
    uint32_t request_id;
    uint32_t drop_caches;
};

#define VIRTIO_BALLOON_DROP_PAGECACHE 1
#define VIRTIO_BALLOON_DROP_SLAB      2

#define VIRTIO_BALLOON_PIECE     0
#define VIRTIO_BALLOON_END       1
#define VIRTIO_BALLOON_MAX_BITS  1048576u
#define VIRTIO_BALLOON_MAX_SHIFT 24
struct virtio_balloon_bitmap_header {
    uint32_t id;
    uint16_t type;
    uint8_t page_shift;
    uint8_t reserved;
    uint64_t first;
    uint32_t bits;
    uint32_t reserved2;
};

struct virtio_balloon_bitmap_end {
    uint64_t free_pages;
    uint64_t walk_ns;
    uint64_t dropped_pages;
    uint32_t dropped;
    uint32_t refused;
};

#endif
