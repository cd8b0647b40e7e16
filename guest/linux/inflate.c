// SPDX-License-Identifier: GPL-2.0
/*
 * The balloon: pages that the host may have. They are allocated in blocks as large as there are, for one
 * allocation of 2 MiB costs little more than one of 4 KiB, and told to the host by bitmap, a quarter of a
 * gigabyte a trip, or, where it does not know bitmaps, by the standard's arrays of page numbers. The
 * balloon's pages do not move (no compaction of balloon memory).
 */
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/mm.h>

#include "ferry_balloon.h"

#define BITMAP_BATCH	65536u	/* pages told at once */
#define BITMAP_ORDER	9
#define PFN_ORDER	ilog2(FB_PFNS)
#define OOM_PAGES	256u	/* given back when the kernel would kill a process */
#define RETRY_MS	200

/* None of these may end in our own OOM notifier, which waits for `lock`. */
#define SMALL_GFP (GFP_HIGHUSER | __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC)
#define LARGE_GFP (SMALL_GFP & ~__GFP_RECLAIM)

struct batch {
	struct list_head blocks;
	unsigned int pages, limit, order;
	struct fb_map *map;	/* NULL: page numbers */
};

static bool by_bitmap(const struct fb *fb)
{
	return fb_has(fb, VIRTIO_BALLOON_F_PAGE_BITMAP);
}

static void batch_init(struct fb *fb, struct batch *batch, struct fb_map *map)
{
	INIT_LIST_HEAD(&batch->blocks);
	batch->pages = 0;
	batch->limit = by_bitmap(fb) ? BITMAP_BATCH : FB_PFNS;
	batch->order = by_bitmap(fb) ? BITMAP_ORDER : PFN_ORDER;
	batch->map = map;
}

static void batch_add(struct batch *batch, struct page *page, unsigned int order)
{
	set_page_private(page, order);
	list_add(&page->lru, &batch->blocks);
	batch->pages += 1u << order;
}

/* Memory that the balloon holds is not the guest's, unless it may take it back at any time. */
static void adjust_total(struct fb *fb, struct page *page, long pages)
{
	if (!fb_has(fb, VIRTIO_BALLOON_F_DEFLATE_ON_OOM))
		adjust_managed_page_count(page, pages);
}

static void free_blocks(struct fb *fb, struct batch *batch)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &batch->blocks, lru) {
		unsigned int order = page_private(page);

		list_del(&page->lru);
		set_page_private(page, 0);
		__free_pages(page, order);
		cond_resched();
	}
}

/* ---- telling the host ---- */

static int tell_bitmap(struct fb *fb, struct virtqueue *vq, struct batch *batch)
{
	struct page *page;

	list_for_each_entry(page, &batch->blocks, lru) {
		unsigned long pfn = page_to_pfn(page);
		unsigned int order = page_private(page);

		if (!fb_map_prepare(batch->map, pfn, pfn + (1ul << order)))
			return -ENOMEM;
		fb_map_set_block(batch->map, pfn, order);
	}
	return fb_map_send(batch->map, fb, vq, 0, NULL);
}

static int tell_pfns(struct fb *fb, struct virtqueue *vq, const struct batch *batch)
{
	unsigned int n = 0, i, in_flight = 0;
	struct scatterlist sg;
	struct page *page;

	list_for_each_entry(page, &batch->blocks, lru)
		for (i = 0; i < 1u << page_private(page); i++)
			fb->pfns[n++] = cpu_to_le32(page_to_pfn(page) + i);
	sg_init_one(&sg, fb->pfns, n * sizeof(fb->pfns[0]));
	if (!fb_send(fb, vq, &sg, 1, fb, &in_flight) || !fb_wait(fb, vq, &in_flight))
		return -EIO;
	return 1;
}

/* Returns trips, or -errno. */
static int tell_host(struct fb *fb, enum fb_queue queue, struct batch *batch)
{
	if (!by_bitmap(fb))
		return tell_pfns(fb, fb->vqs[queue], batch);
	return batch->map ? tell_bitmap(fb, fb->vqs[queue], batch) : -ENOMEM;
}

static void write_actual(struct fb *fb)
{
	u32 actual = fb->pages;

	virtio_cwrite_le(fb->vdev, struct virtio_balloon_config, actual, &actual);
}

static void account(struct fb_batch_stats *stats, unsigned int pages, u64 start, int trips)
{
	stats->pages += pages;
	stats->ns += ktime_get_ns() - start;
	stats->trips += max(trips, 0);
}

/* ---- inflate ---- */

/* As large as there are and as still fit. */
static bool allocate_block(struct batch *batch, u64 wanted)
{
	for (;;) {
		struct page *page = NULL;

		if (1u << batch->order <= min_t(u64, wanted, batch->limit - batch->pages))
			page = alloc_pages(batch->order ? LARGE_GFP : SMALL_GFP, batch->order);
		if (page) {
			batch_add(batch, page, batch->order);
			return true;
		}
		if (!batch->order)
			return false;
		batch->order--;
	}
}

/* Up to `wanted` pages more. Returns how many came. `lock` held. */
static unsigned int inflate(struct fb *fb, u64 wanted, struct fb_map *map)
{
	u64 start = ktime_get_ns();
	struct batch batch;
	struct page *page;
	int trips;

	batch_init(fb, &batch, map);
	while (batch.pages < min_t(u64, wanted, batch.limit) && allocate_block(&batch, wanted - batch.pages))
		cond_resched();
	if (!batch.pages)
		return 0;
	trips = tell_host(fb, FB_INFLATE, &batch);
	if (trips < 0) {
		free_blocks(fb, &batch);
		return 0;
	}
	list_for_each_entry(page, &batch.blocks, lru)
		adjust_total(fb, page, -(1l << page_private(page)));
	list_splice(&batch.blocks, &fb->blocks);
	fb->pages += batch.pages;
	account(&fb->inflated, batch.pages, start, trips);
	write_actual(fb);
	return batch.pages;
}

/* ---- deflate ---- */

/* A block that is more than is wanted becomes single pages. */
static void split_block(struct fb *fb, struct page *page)
{
	unsigned int order = page_private(page), i;

	list_del(&page->lru);
	split_page(page, order);
	for (i = 0; i < 1u << order; i++) {
		set_page_private(page + i, 0);
		list_add(&page[i].lru, &fb->blocks);
	}
}

static void take_blocks(struct fb *fb, struct batch *batch, u64 wanted)
{
	u64 limit = min_t(u64, wanted, batch->limit);
	struct page *page;

	while (batch->pages < limit && (page = list_first_entry_or_null(&fb->blocks, struct page, lru))) {
		unsigned int order = page_private(page);

		if (batch->pages + (1u << order) > limit) {
			split_block(fb, page);
			continue;
		}
		list_del(&page->lru);
		batch_add(batch, page, order);
		adjust_total(fb, page, 1l << order);
	}
}

/*
 * Up to `wanted` pages fewer. The host is told if that can be done: it need not know
 * (VIRTIO_BALLOON_F_MUST_TELL_HOST goes with page numbers only), and memory is short perhaps.
 */
static unsigned int deflate(struct fb *fb, u64 wanted, struct fb_map *map)
{
	u64 start = ktime_get_ns();
	struct batch batch;
	int trips;

	batch_init(fb, &batch, map);
	take_blocks(fb, &batch, wanted);
	if (!batch.pages)
		return 0;
	trips = tell_host(fb, FB_DEFLATE, &batch);
	free_blocks(fb, &batch);
	fb->pages -= batch.pages;
	account(&fb->deflated, batch.pages, start, trips);
	write_actual(fb);
	return batch.pages;
}

static struct fb_map *map_for(struct fb *fb)
{
	return by_bitmap(fb) ? fb_map_new() : NULL;
}

static void map_done(struct fb_map *map)
{
	if (map)
		fb_map_free(map);
}

void fb_deflate_all(struct fb *fb)
{
	struct fb_map *map = map_for(fb);

	mutex_lock(&fb->lock);
	while (deflate(fb, fb->pages, map))
		cond_resched();
	mutex_unlock(&fb->lock);
	map_done(map);
}

/* ---- what the host wants ---- */

static u64 read_target(struct fb *fb)
{
	u32 pages;

	virtio_cread_le(fb->vdev, struct virtio_balloon_config, num_pages, &pages);
	return fb_share_only ? 0 : pages;
}

/* One batch nearer. False: there already, or not possible now (`stuck`). */
static bool approach_target(struct fb *fb, struct fb_map *map, bool *stuck)
{
	unsigned int moved = 0;
	u64 target;

	mutex_lock(&fb->lock);
	target = read_target(fb);
	if (target > fb->pages)
		moved = inflate(fb, target - fb->pages, map);
	else if (target < fb->pages)
		moved = deflate(fb, fb->pages - target, map);
	*stuck = target != fb->pages && !moved;
	mutex_unlock(&fb->lock);
	return moved;
}

void fb_target_work(struct work_struct *work)
{
	struct fb *fb = container_of(work, struct fb, target_work);
	struct fb_map *map = map_for(fb);
	bool stuck;

	while (!READ_ONCE(fb->stopped) && approach_target(fb, map, &stuck))
		cond_resched();
	map_done(map);
	if (stuck && !READ_ONCE(fb->stopped)) {
		msleep(RETRY_MS); /* a guest that is short of memory gives as it can */
		fb_queue_work(fb, work);
	}
}

/* ---- out of memory ---- */

static int on_oom(struct notifier_block *block, unsigned long unused, void *freed)
{
	struct fb *fb = container_of(block, struct fb, oom);
	struct fb_map *map = map_for(fb);

	mutex_lock(&fb->lock);
	*(unsigned long *)freed += deflate(fb, OOM_PAGES, map);
	mutex_unlock(&fb->lock);
	map_done(map);
	return NOTIFY_OK;
}

int fb_oom_init(struct fb *fb)
{
	fb->oom.notifier_call = on_oom;
	return fb_has(fb, VIRTIO_BALLOON_F_DEFLATE_ON_OOM) ? register_oom_notifier(&fb->oom) : 0;
}

void fb_oom_exit(struct fb *fb)
{
	if (fb_has(fb, VIRTIO_BALLOON_F_DEFLATE_ON_OOM))
		unregister_oom_notifier(&fb->oom);
}
