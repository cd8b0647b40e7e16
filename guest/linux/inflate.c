// SPDX-License-Identifier: GPL-2.0
/*
 * The balloon: pages that the host may have. They are allocated in blocks of 2 MiB as long as there are any, for one
 * allocation of that costs little more than one of 4 KiB. What is smaller is kept as single pages, which the kernel
 * may move when it compacts memory (move.c).
 */
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/mm.h>

#include "ferry_balloon.h"

#define BITMAP_BATCH	65536u	/* pages told at once */
#define OOM_PAGES	256u	/* given back when the kernel would kill a process */
#define RETRY_MS	200

static void batch_init(struct fb *fb, struct fb_batch *batch, struct fb_map *map)
{
	INIT_LIST_HEAD(&batch->blocks);
	INIT_LIST_HEAD(&batch->singles);
	batch->pages = 0;
	batch->limit = fb_by_bitmap(fb) ? BITMAP_BATCH : FB_PFNS;
	batch->order = FB_BLOCK_ORDER;
	batch->map = map;
}

/*
 * What <linux/balloon_compaction.h> does of single pages: counted, and marked so that dumps leave it out and nobody
 * tries in vain to unplug memory that holds it. Called right behind the allocation and right before the freeing, for
 * which the kernel looks at the same struct pages.
 */
static void note_block(struct page *block, bool held)
{
	unsigned int i;

	count_vm_events(held ? BALLOON_INFLATE : BALLOON_DEFLATE, 1u << FB_BLOCK_ORDER);
#pragma GCC unroll 16 /* half of what it costs otherwise */
	for (i = 0; i < 1u << FB_BLOCK_ORDER; i++) {
		if (held)
			__SetPageOffline(&block[i]);
		else
			__ClearPageOffline(&block[i]);
	}
}

/* A block smaller than those that stay whole becomes single pages. */
static void batch_add(struct fb_batch *batch, struct page *page, unsigned int order)
{
	unsigned int i;

	batch->pages += 1u << order;
	if (order == FB_BLOCK_ORDER) {
		note_block(page, true);
		list_add(&page->lru, &batch->blocks);
		return;
	}
	split_page(page, order);
	for (i = 0; i < 1u << order; i++)
		list_add(&page[i].lru, &batch->singles);
}

/* Memory that the balloon holds is not the guest's, unless it may take it back at any time. */
void fb_adjust_total(struct fb *fb, struct page *page, long pages)
{
	if (!fb_has(fb, VIRTIO_BALLOON_F_DEFLATE_ON_OOM))
		adjust_managed_page_count(page, pages);
}

static void adjust_totals(struct fb *fb, const struct fb_batch *batch, int sign)
{
	struct page *page;

	list_for_each_entry(page, &batch->blocks, lru)
		fb_adjust_total(fb, page, sign * (1l << FB_BLOCK_ORDER));
	list_for_each_entry(page, &batch->singles, lru)
		fb_adjust_total(fb, page, sign);
}

static void free_list(struct list_head *pages, unsigned int order)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, pages, lru) {
		list_del(&page->lru);
		if (order == FB_BLOCK_ORDER)
			note_block(page, false);
		__free_pages(page, order);
		cond_resched();
	}
}

static void batch_free(struct fb_batch *batch)
{
	free_list(&batch->blocks, FB_BLOCK_ORDER);
	free_list(&batch->singles, 0);
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

/* It must not end in our own OOM notifier, which waits for `lock`. Large blocks are not worth making room for. */
static gfp_t gfp_for(unsigned int order)
{
	gfp_t place = order == FB_BLOCK_ORDER ? GFP_HIGHUSER : balloon_mapping_gfp_mask();
	gfp_t gfp = place | __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC;

	return order ? gfp & ~__GFP_RECLAIM : gfp;
}

/* As large as there are and as still fit. */
static bool allocate_block(struct fb_batch *batch, u64 wanted)
{
	for (;;) {
		struct page *page = NULL;

		if (1u << batch->order <= min_t(u64, wanted, batch->limit - batch->pages))
			page = alloc_pages(gfp_for(batch->order), batch->order);
		if (page) {
			batch_add(batch, page, batch->order);
			return true;
		}
		if (!batch->order)
			return false;
		batch->order--;
	}
}

static void keep_batch(struct fb *fb, struct fb_batch *batch)
{
	adjust_totals(fb, batch, -1);
	list_splice(&batch->blocks, &fb->blocks);
	fb_singles_keep(fb, &batch->singles);
	fb->pages += batch->pages;
}

/* Up to `wanted` pages more. Returns how many came. `lock` held. */
static unsigned int inflate(struct fb *fb, u64 wanted, struct fb_map *map)
{
	u64 start = ktime_get_ns();
	struct fb_batch batch;
	int trips;

	batch_init(fb, &batch, map);
	while (batch.pages < min_t(u64, wanted, batch.limit) && allocate_block(&batch, wanted - batch.pages))
		cond_resched();
	if (!batch.pages)
		return 0;
	trips = fb_tell_batch(fb, FB_INFLATE, &batch);
	if (trips < 0) {
		batch_free(&batch);
		return 0;
	}
	keep_batch(fb, &batch);
	account(&fb->inflated, batch.pages, start, trips);
	write_actual(fb);
	return batch.pages;
}

/* ---- deflate ---- */

/* A block that is more than is wanted becomes single pages. */
static bool split_block(struct fb *fb)
{
	struct page *page = list_first_entry_or_null(&fb->blocks, struct page, lru);
	LIST_HEAD(singles);
	unsigned int i;

	if (!page)
		return false;
	list_del(&page->lru);
	note_block(page, false);
	split_page(page, FB_BLOCK_ORDER);
	for (i = 0; i < 1u << FB_BLOCK_ORDER; i++)
		list_add(&page[i].lru, &singles);
	fb_singles_keep(fb, &singles);
	return true;
}

/* Blocks first: they are worth most to whoever wants memory back. */
static void take_batch(struct fb *fb, struct fb_batch *batch, u64 wanted)
{
	unsigned int limit = min_t(u64, wanted, batch->limit);

	while (batch->pages + (1u << FB_BLOCK_ORDER) <= limit && !list_empty(&fb->blocks)) {
		list_move(fb->blocks.next, &batch->blocks);
		batch->pages += 1u << FB_BLOCK_ORDER;
	}
	do
		batch->pages += fb_singles_take(fb, &batch->singles, limit - batch->pages);
	while (batch->pages < limit && split_block(fb));
	adjust_totals(fb, batch, 1);
}

/*
 * Up to `wanted` pages fewer. The host is told if that can be done: it need not know
 * (VIRTIO_BALLOON_F_MUST_TELL_HOST goes with page numbers only), and memory is short perhaps.
 */
static unsigned int deflate(struct fb *fb, u64 wanted, struct fb_map *map)
{
	u64 start = ktime_get_ns();
	struct fb_batch batch;
	int trips;

	batch_init(fb, &batch, map);
	take_batch(fb, &batch, wanted);
	if (!batch.pages)
		return 0;
	trips = fb_tell_batch(fb, FB_DEFLATE, &batch);
	batch_free(&batch);
	fb->pages -= batch.pages;
	account(&fb->deflated, batch.pages, start, trips);
	write_actual(fb);
	return batch.pages;
}

static struct fb_map *map_for(struct fb *fb)
{
	return fb_by_bitmap(fb) ? fb_map_new() : NULL;
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
	while (fb->pages) {
		if (deflate(fb, fb->pages, map))
			continue;
		mutex_unlock(&fb->lock); /* the rest is being moved, and comes back */
		msleep(1);
		mutex_lock(&fb->lock);
	}
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
