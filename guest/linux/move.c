// SPDX-License-Identifier: GPL-2.0
/*
 * Pages of the balloon that move when the kernel compacts memory, by its own <linux/balloon_compaction.h>. Single
 * pages do; blocks of FB_BLOCK_ORDER stay, for they fill what compaction wants to make free as a whole.
 */
#include <linux/mm.h>

#include "ferry_balloon.h"

/* Taken in and out of the kernel's list in portions: it holds a lock with interrupts off for each call. */
#define PORTION 64

void fb_singles_keep(struct fb *fb, struct list_head *singles)
{
	while (!list_empty(singles)) {
		LIST_HEAD(portion);
		unsigned int n;

		for (n = 0; n < PORTION && !list_empty(singles); n++)
			list_move(singles->next, &portion);
		balloon_page_list_enqueue(&fb->balloon, &portion);
		cond_resched();
	}
}

unsigned int fb_singles_take(struct fb *fb, struct list_head *singles, unsigned int wanted)
{
	unsigned int taken = 0, n;

	do {
		n = balloon_page_list_dequeue(&fb->balloon, singles, min(wanted - taken, (unsigned int)PORTION));
		taken += n;
		cond_resched();
	} while (n && taken < wanted);
	return taken; /* fewer: the rest is being moved */
}

#ifdef CONFIG_BALLOON_COMPACTION

/* `to` takes the place of `from`, which the kernel has isolated and wants to have. Both are locked. */
static void replace(struct fb *fb, struct page *to, struct page *from)
{
	struct balloon_dev_info *balloon = &fb->balloon;
	unsigned long flags;

	get_page(to); /* the balloon's reference */
	spin_lock_irqsave(&balloon->pages_lock, flags);
	balloon_page_insert(balloon, to);
	balloon->isolated_pages--;
	balloon_page_finalize(from);
	__count_vm_event(BALLOON_MIGRATE);
	spin_unlock_irqrestore(&balloon->pages_lock, flags);
	if (page_zone(to) != page_zone(from)) {
		fb_adjust_total(fb, to, -1);
		fb_adjust_total(fb, from, 1);
	}
	fb->moved++;
}

static int move_page(struct balloon_dev_info *balloon, struct page *to, struct page *from, enum migrate_mode mode)
{
	struct fb *fb = container_of(balloon, struct fb, balloon);
	int error = -EAGAIN;

	/* Whoever has the lock may be waiting for this very migration: it allocates. */
	if (!mutex_trylock(&fb->lock))
		return error;
	/* The new page first: a host that cannot take it must not have given the other back. */
	if (fb_tell_page(fb, FB_INFLATE, to) > 0) {
		replace(fb, to, from);
		fb_tell_page(fb, FB_DEFLATE, from);
		error = MIGRATEPAGE_SUCCESS;
	}
	mutex_unlock(&fb->lock);
	if (!error)
		put_page(from);
	return error;
}

void fb_move_init(struct fb *fb)
{
	balloon_devinfo_init(&fb->balloon);
	fb->balloon.migratepage = move_page;
}

#else

void fb_move_init(struct fb *fb)
{
	balloon_devinfo_init(&fb->balloon);
}

#endif
