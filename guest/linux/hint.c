// SPDX-License-Identifier: GPL-2.0
/*
 * The standard's free page hints (VIRTIO 1.2, 5.5.6.4): the largest blocks are allocated, hinted under the
 * host's id, and kept until the host says "done", unless the kernel needs them before.
 */
#include <linux/mm.h>

#include "ferry_balloon.h"

#define HINT_GFP (__GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC | __GFP_HIGHMEM)

static u32 read_command(struct fb *fb)
{
	u32 command;

	virtio_cread_le(fb->vdev, struct virtio_balloon_config, free_page_hint_cmd_id, &command);
	return command;
}

static void reap(struct virtqueue *vq)
{
	unsigned int length;

	while (virtqueue_get_buf(vq, &length))
		;
}

static int send_word(struct fb *fb, __le32 *word, u32 value)
{
	struct scatterlist sg;

	*word = cpu_to_le32(value);
	sg_init_one(&sg, word, sizeof(*word));
	return virtqueue_add_outbuf(fb->vqs[FB_HINT], &sg, 1, word, GFP_KERNEL);
}

static void keep(struct fb *fb, struct page *page)
{
	spin_lock_irq(&fb->hint_lock);
	list_add(&page->lru, &fb->hinted);
	fb->hinted_blocks++;
	spin_unlock_irq(&fb->hint_lock);
}

static struct page *take_kept(struct fb *fb)
{
	struct page *page;

	spin_lock_irq(&fb->hint_lock);
	page = list_first_entry_or_null(&fb->hinted, struct page, lru);
	if (page) {
		list_del(&page->lru);
		fb->hinted_blocks--;
	}
	spin_unlock_irq(&fb->hint_lock);
	return page;
}

/* Hints one block. False: there is none, or the queue is full for longer than it is worth. */
static bool hint_block(struct fb *fb)
{
	struct virtqueue *vq = fb->vqs[FB_HINT];
	struct page *page = alloc_pages(HINT_GFP, FB_MAX_ORDER);
	struct scatterlist sg;

	if (!page)
		return false;
	sg_init_table(&sg, 1);
	sg_set_page(&sg, page, PAGE_SIZE << FB_MAX_ORDER, 0);
	/* One descriptor stays for the stop. */
	wait_event(fb->acked, (reap(vq), vq->num_free > 1) || virtqueue_is_broken(vq));
	if (virtqueue_add_inbuf(vq, &sg, 1, page, GFP_KERNEL)) {
		__free_pages(page, FB_MAX_ORDER);
		return false;
	}
	virtqueue_kick(vq);
	keep(fb, page);
	return true;
}

static void answer(struct fb *fb, u32 id)
{
	reap(fb->vqs[FB_HINT]);
	if (send_word(fb, &fb->hint_words[0], id))
		return;
	virtqueue_kick(fb->vqs[FB_HINT]);
	while (read_command(fb) == id && !READ_ONCE(fb->stopped) && hint_block(fb))
		cond_resched();
	if (!send_word(fb, &fb->hint_words[1], VIRTIO_BALLOON_CMD_ID_STOP))
		virtqueue_kick(fb->vqs[FB_HINT]);
}

void fb_hint_release(struct fb *fb)
{
	struct page *page;

	while ((page = take_kept(fb)))
		__free_pages(page, FB_MAX_ORDER);
}

void fb_hint_work(struct work_struct *work)
{
	struct fb *fb = container_of(work, struct fb, hint_work);
	u32 command = read_command(fb);

	if (command == VIRTIO_BALLOON_CMD_ID_DONE) {
		fb_hint_release(fb);
	} else if (command != VIRTIO_BALLOON_CMD_ID_STOP && command != fb->hint_id) {
		fb->hint_id = command;
		answer(fb, command);
	}
}

static unsigned long count_kept(void *opaque)
{
	struct fb *fb = opaque;

	return READ_ONCE(fb->hinted_blocks) << FB_MAX_ORDER;
}

static unsigned long release_some(void *opaque, unsigned long wanted)
{
	struct fb *fb = opaque;
	unsigned long freed = 0;
	struct page *page;

	while (freed < wanted && (page = take_kept(fb))) {
		__free_pages(page, FB_MAX_ORDER);
		freed += 1ul << FB_MAX_ORDER;
	}
	return freed ? : SHRINK_STOP;
}

int fb_hint_init(struct fb *fb)
{
	if (!fb->vqs[FB_HINT])
		return 0;
	fb->shrinker.count = count_kept;
	fb->shrinker.scan = release_some;
	fb->shrinker.opaque = fb;
	return fb_shrinker_register(&fb->shrinker);
}

void fb_hint_exit(struct fb *fb)
{
	if (fb->vqs[FB_HINT])
		fb_shrinker_unregister(&fb->shrinker);
}
