/* SPDX-License-Identifier: GPL-2.0 */
/* What Ferry's docs/specs/virtio-balloon-bitmap.rst adds to <linux/virtio_balloon.h>. */
#ifndef FERRY_BALLOON_PROTOCOL_H
#define FERRY_BALLOON_PROTOCOL_H

#include <linux/virtio_balloon.h>

#define VIRTIO_BALLOON_F_FREE_PAGE_BITMAP	16
#define VIRTIO_BALLOON_F_PAGE_BITMAP		17
#define VIRTIO_BALLOON_F_SHARE_ONLY		18

#define VIRTIO_BALLOON_BITMAP_CONFIG		64 /* offset */
struct virtio_balloon_bitmap_config {
	__le32 request_id;
	__le32 drop_caches;
};

#define VIRTIO_BALLOON_DROP_PAGECACHE		1
#define VIRTIO_BALLOON_DROP_SLAB		2

#define VIRTIO_BALLOON_PIECE			0
#define VIRTIO_BALLOON_END			1
#define VIRTIO_BALLOON_MAX_BITS			1048576

struct virtio_balloon_bitmap_header {
	__le32 id;
	__le16 type;
	__u8 page_shift;
	__u8 reserved;
	__le64 first;
	__le32 bits;
	__le32 reserved2;
};

struct virtio_balloon_bitmap_end {
	__le64 free_pages;
	__le64 walk_ns;
	__le64 dropped_pages;
	__le32 dropped;
	__le32 refused;
};

#endif
