// SPDX-License-Identifier: GPL-2.0
/*
 * Free pages as the page allocator's own lists have them: every node, zone, order and migrate type. A zone's
 * lock is held for STEP_BLOCKS of a list at most, which are only noted; then the list is turned so that what was
 * not seen comes first, as free page reporting does, and the lock is given up. What is freed meanwhile may be
 * missed, what is allocated meanwhile may have been seen: both are allowed (the host knows what was written after
 * it asked). Nothing is allocated here, and no page is touched.
 *
 * Pages in the processors' own caches are on none of these lists; the kernel does not count them as free
 * either.
 */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "ferry_balloon.h"

#define STEP_BLOCKS 64

/* A list's blocks, from its head on. */
struct step {
	struct page *blocks[STEP_BLOCKS];
	struct page *until;	/* the first that was seen: it comes round again, if it still is there */
	unsigned int count;
	bool more;
	u64 held_ns;
};

/* One lock section, in which nothing is looked at but the list; it leaves what follows the step's blocks in front. */
static void take_step(struct zone *zone, struct list_head *list, struct step *step)
{
	unsigned long flags;
	struct page *page;
	u64 start;

	step->count = 0;
	step->more = false;
	spin_lock_irqsave(&zone->lock, flags);
	start = ktime_get_mono_fast_ns();
	list_for_each_entry(page, list, lru) {
		if (page == step->until)
			break;
		if (step->count == STEP_BLOCKS) {
			list_rotate_to_front(&page->lru, list);
			step->more = true;
			break;
		}
		step->blocks[step->count++] = page;
	}
	step->held_ns = ktime_get_mono_fast_ns() - start;
	spin_unlock_irqrestore(&zone->lock, flags);
	if (!step->until && step->count)
		step->until = step->blocks[0];
}

/* Others may add as fast as we walk, or take the block that marks the end: no more than there were at the start. */
static void walk_list(struct zone *zone, struct free_area *area, unsigned int type, unsigned int order,
		      struct fb_map *map, struct fb_walk_stats *stats)
{
	unsigned long seen = 0, bound = READ_ONCE(area->nr_free);
	struct step step = { .more = !list_empty(&area->free_list[type]) };
	unsigned int i;

	while (step.more && seen <= bound) {
		take_step(zone, &area->free_list[type], &step);
		for (i = 0; i < step.count; i++)
			fb_map_set_block(map, page_to_pfn(step.blocks[i]), order);
		seen += step.count;
		stats->steps++;
		stats->held_ns += step.held_ns;
		stats->longest_hold_ns = max(stats->longest_hold_ns, step.held_ns);
		cond_resched();
	}
	stats->blocks += seen;
	stats->pages += (u64)seen << order;
}

static void walk_zone(struct zone *zone, struct fb_map *map, struct fb_walk_stats *stats)
{
	int order = ARRAY_SIZE(zone->free_area) - 1;
	unsigned int type;

	for (; order >= 0; order--)
		for (type = 0; type < MIGRATE_TYPES; type++)
			walk_list(zone, &zone->free_area[order], type, order, map, stats);
}

static struct zone *next_managed_zone(int node, struct zone *zone)
{
	struct zone *zones = NODE_DATA(node)->node_zones;

	for (zone = zone ? zone + 1 : zones; zone < zones + MAX_NR_ZONES; zone++)
		if (managed_zone(zone))
			return zone;
	return NULL;
}

bool fb_walk_prepare(struct fb_map *map)
{
	struct zone *zone = NULL;
	bool ok = true;
	int node;

	for_each_online_node(node)
		while (ok && (zone = next_managed_zone(node, zone)))
			ok = fb_map_prepare(map, zone->zone_start_pfn, zone_end_pfn(zone));
	return ok;
}

void fb_walk_free_pages(struct fb_map *map, struct fb_walk_stats *stats)
{
	u64 start = ktime_get_ns();
	struct zone *zone = NULL;
	int node;

	stats->pages = stats->blocks = stats->steps = stats->held_ns = stats->longest_hold_ns = 0;
	stats->free_before = global_zone_page_state(NR_FREE_PAGES);
	for_each_online_node(node)
		while ((zone = next_managed_zone(node, zone)))
			walk_zone(zone, map, stats);
	stats->walk_ns = ktime_get_ns() - start;
}
