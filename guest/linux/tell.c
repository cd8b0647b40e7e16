// SPDX-License-Identifier: GPL-2.0
/*
 * Telling the host of pages that it may have or that it gives back: by bitmap, a quarter of a gigabyte a trip,
 * or, where it does not know bitmaps, by the standard's arrays of page numbers. fb->lock is held.
 */
#include <linux/mm.h>

#include "ferry_balloon.h"

bool fb_by_bitmap(const struct fb *fb)
{
	return fb_has(fb, VIRTIO_BALLOON_F_PAGE_BITMAP);
}

static bool map_block(struct fb_map *map, struct page *page, unsigned int order)
{
	unsigned long pfn = page_to_pfn(page);

	if (!fb_map_prepare(map, pfn, pfn + (1ul << order)))
		return false;
	fb_map_set_block(map, pfn, order);
	return true;
}

static int tell_bitmap(struct fb *fb, struct virtqueue *vq, struct fb_batch *batch)
{
	struct page *page;
	bool ok = true;

	list_for_each_entry(page, &batch->blocks, lru)
		ok = ok && map_block(batch->map, page, FB_BLOCK_ORDER);
	list_for_each_entry(page, &batch->singles, lru)
		ok = ok && map_block(batch->map, page, 0);
	return ok ? fb_map_send(batch->map, fb, vq, 0, NULL) : -ENOMEM;
}

static int send_once(struct fb *fb, struct virtqueue *vq, void *data, unsigned int length)
{
	unsigned int in_flight = 0;
	struct scatterlist sg;

	sg_init_one(&sg, data, length);
	return fb_send(fb, vq, &sg, 1, fb, &in_flight) && fb_wait(fb, vq, &in_flight) ? 1 : -EIO;
}

static int tell_pfns(struct fb *fb, struct virtqueue *vq, const struct fb_batch *batch)
{
	unsigned int n = 0, i;
	struct page *page;

	list_for_each_entry(page, &batch->blocks, lru)
		for (i = 0; i < 1u << FB_BLOCK_ORDER; i++)
			fb->pfns[n++] = cpu_to_le32(page_to_pfn(page) + i);
	list_for_each_entry(page, &batch->singles, lru)
		fb->pfns[n++] = cpu_to_le32(page_to_pfn(page));
	return send_once(fb, vq, fb->pfns, n * sizeof(fb->pfns[0]));
}

int fb_tell_batch(struct fb *fb, enum fb_queue queue, struct fb_batch *batch)
{
	if (!fb_by_bitmap(fb))
		return tell_pfns(fb, fb->vqs[queue], batch);
	return batch->map ? tell_bitmap(fb, fb->vqs[queue], batch) : -ENOMEM;
}

/* Allocates nothing: the kernel may be looking for memory right now. */
int fb_tell_page(struct fb *fb, enum fb_queue queue, struct page *page)
{
	unsigned long pfn = page_to_pfn(page), first = round_down(pfn, BITS_PER_LONG);

	if (!fb_by_bitmap(fb)) {
		fb->pfns[0] = cpu_to_le32(pfn);
		return send_once(fb, fb->vqs[queue], fb->pfns, sizeof(fb->pfns[0]));
	}
	fb->one.header = (struct virtio_balloon_bitmap_header){
		.type = cpu_to_le16(VIRTIO_BALLOON_PIECE),
		.page_shift = PAGE_SHIFT,
		.first = cpu_to_le64(first),
		.bits = cpu_to_le32(BITS_PER_LONG),
	};
	fb->one.bits = cpu_to_le64(1ull << (pfn - first));
	return send_once(fb, fb->vqs[queue], &fb->one, sizeof(fb->one));
}
