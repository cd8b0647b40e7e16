// SPDX-License-Identifier: GPL-2.0
/*
 * A bitmap of all memory, in chunks of one page (128 MiB of memory each): no allocation is larger than that,
 * but for the table of chunks, which kvcalloc gives. Chunks that hold nothing are neither made nor sent.
 */
#include <linux/bitmap.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "ferry_balloon.h"

/* Under `lock`, where the OOM notifier may wait for us: fail rather than call it. */
#define MAP_GFP (GFP_KERNEL | __GFP_ZERO | __GFP_NORETRY | __GFP_NOWARN)

/* One more than the last page's number, over all nodes: max_pfn is not exported. */
static unsigned long pfn_end(void)
{
	unsigned long end = 0;
	int node;

	for_each_online_node(node)
		end = max(end, pgdat_end_pfn(NODE_DATA(node)));
	return end;
}

struct fb_map *fb_map_new(void)
{
	struct fb_map *map = kzalloc(sizeof(*map), MAP_GFP);

	if (!map)
		return NULL;
	map->count = DIV_ROUND_UP(pfn_end(), FB_CHUNK_BITS);
	map->chunks = kvcalloc(map->count, sizeof(*map->chunks), MAP_GFP);
	if (!map->chunks) {
		kfree(map);
		return NULL;
	}
	return map;
}

static struct fb_chunk *chunk_new(void)
{
	struct fb_chunk *chunk = kzalloc(sizeof(*chunk), MAP_GFP);

	if (!chunk)
		return NULL;
	chunk->bits = (unsigned long *)__get_free_page(MAP_GFP);
	if (!chunk->bits) {
		kfree(chunk);
		return NULL;
	}
	return chunk;
}

void fb_map_free(struct fb_map *map)
{
	unsigned long i;

	for (i = 0; i < map->count; i++) {
		if (map->chunks[i])
			free_page((unsigned long)map->chunks[i]->bits);
		kfree(map->chunks[i]);
	}
	kvfree(map->chunks);
	kfree(map);
}

bool fb_map_prepare(struct fb_map *map, unsigned long first, unsigned long end)
{
	unsigned long i;

	for (i = first / FB_CHUNK_BITS; i < min(DIV_ROUND_UP(end, FB_CHUNK_BITS), map->count); i++) {
		if (!map->chunks[i])
			map->chunks[i] = chunk_new();
		if (!map->chunks[i])
			return false;
	}
	return end <= map->count * FB_CHUNK_BITS;
}

void fb_map_set_block(struct fb_map *map, unsigned long pfn, unsigned int order)
{
	unsigned long at = pfn % FB_CHUNK_BITS, index = pfn / FB_CHUNK_BITS;
	struct fb_chunk *chunk = index < map->count ? map->chunks[index] : NULL;

	if (!chunk)
		return; /* memory that was plugged in a moment ago */
	/* Blocks lie at multiples of their size, so that none crosses a chunk, and small ones no word. */
	chunk->used = true;
	if (order < ilog2(BITS_PER_LONG))
		chunk->bits[BIT_WORD(at)] |= GENMASK((1u << order) - 1, 0) << at % BITS_PER_LONG;
	else
		memset(&chunk->bits[BIT_WORD(at)], 0xff, BITS_TO_BYTES(1u << order));
}

static bool is_used(const struct fb_map *map, unsigned long index)
{
	return index < map->count && map->chunks[index] && map->chunks[index]->used;
}

/* A piece of neighbouring chunks from `first` on, if that is used; returns how many. */
static unsigned int prepare_piece(struct fb_map *map, unsigned long first, u32 id)
{
	unsigned int count = 0;

	while (count < FB_PIECE_CHUNKS && is_used(map, first + count))
		count++;
	if (!count)
		return 0;
	map->chunks[first]->header = (struct virtio_balloon_bitmap_header){
		.id = cpu_to_le32(id),
		.type = cpu_to_le16(VIRTIO_BALLOON_PIECE),
		.page_shift = PAGE_SHIFT,
		.first = cpu_to_le64(first * FB_CHUNK_BITS),
		.bits = cpu_to_le32(count * FB_CHUNK_BITS),
	};
	return count;
}

static bool send_piece(struct fb_map *map, struct fb *fb, struct virtqueue *vq, unsigned long first,
		       unsigned int count, unsigned int *in_flight)
{
	struct virtio_balloon_bitmap_header *header = &map->chunks[first]->header;
	unsigned int i;

	sg_init_table(map->sg, 1 + count);
	sg_set_buf(&map->sg[0], header, sizeof(*header));
	for (i = 0; i < count; i++)
		sg_set_buf(&map->sg[1 + i], map->chunks[first + i]->bits, PAGE_SIZE);
	return fb_send(fb, vq, map->sg, 1 + count, header, in_flight);
}

int fb_map_send(struct fb_map *map, struct fb *fb, struct virtqueue *vq, u32 id,
		bool (*go_on)(struct fb *fb, u32 id))
{
	unsigned int in_flight = 0, pieces = 0, count;
	unsigned long i;
	int result = 0;

	for (i = 0; i < map->count && !result; i += max(count, 1u)) {
		count = prepare_piece(map, i, id);
		if (!count)
			continue;
		if (go_on && !go_on(fb, id))
			result = -ECANCELED;
		else if (!send_piece(map, fb, vq, i, count, &in_flight))
			result = -EIO;
		else
			pieces++;
	}
	if (!fb_wait(fb, vq, &in_flight))
		result = -EIO;
	for (i = 0; i < map->count; i++) {
		if (!is_used(map, i))
			continue;
		bitmap_zero(map->chunks[i]->bits, FB_CHUNK_BITS);
		map->chunks[i]->used = false;
	}
	return result ? : pieces;
}
