// SPDX-License-Identifier: GPL-2.0
/* Statistics (VIRTIO 1.2, 5.5.6.3): one buffer, which the host gives back when it wants new figures. */
#include <linux/mm.h>
#include <linux/swap.h>
#include <linux/vmstat.h>

#include "ferry_balloon.h"

static unsigned int add(struct fb *fb, unsigned int n, u16 tag, u64 value)
{
	fb->stats[n].tag = cpu_to_virtio16(fb->vdev, tag);
	fb->stats[n].val = cpu_to_virtio64(fb->vdev, value);
	return n + 1;
}

static unsigned int add_events(struct fb *fb, unsigned int n)
{
#ifdef CONFIG_VM_EVENT_COUNTERS
	unsigned long events[NR_VM_EVENT_ITEMS];

	all_vm_events(events);
	n = add(fb, n, VIRTIO_BALLOON_S_SWAP_IN, (u64)events[PSWPIN] << PAGE_SHIFT);
	n = add(fb, n, VIRTIO_BALLOON_S_SWAP_OUT, (u64)events[PSWPOUT] << PAGE_SHIFT);
	n = add(fb, n, VIRTIO_BALLOON_S_MAJFLT, events[PGMAJFAULT]);
	n = add(fb, n, VIRTIO_BALLOON_S_MINFLT, events[PGFAULT] - events[PGMAJFAULT]);
#ifdef CONFIG_HUGETLB_PAGE
	n = add(fb, n, VIRTIO_BALLOON_S_HTLB_PGALLOC, events[HTLB_BUDDY_PGALLOC]);
	n = add(fb, n, VIRTIO_BALLOON_S_HTLB_PGFAIL, events[HTLB_BUDDY_PGALLOC_FAIL]);
#endif
#endif
	return n;
}

static unsigned int collect(struct fb *fb)
{
	struct sysinfo info;
	unsigned int n = add_events(fb, 0);

	si_meminfo(&info);
	n = add(fb, n, VIRTIO_BALLOON_S_MEMFREE, (u64)info.freeram << PAGE_SHIFT);
	n = add(fb, n, VIRTIO_BALLOON_S_MEMTOT, (u64)info.totalram << PAGE_SHIFT);
	n = add(fb, n, VIRTIO_BALLOON_S_AVAIL, (u64)max(si_mem_available(), 0l) << PAGE_SHIFT);
	return add(fb, n, VIRTIO_BALLOON_S_CACHES, (u64)global_node_page_state(NR_FILE_PAGES) << PAGE_SHIFT);
}

static void offer(struct fb *fb)
{
	struct virtqueue *vq = fb->vqs[FB_STATS];
	struct scatterlist sg;

	sg_init_one(&sg, fb->stats, collect(fb) * sizeof(fb->stats[0]));
	if (!virtqueue_add_outbuf(vq, &sg, 1, fb, GFP_KERNEL))
		virtqueue_kick(vq);
}

void fb_stats_callback(struct virtqueue *vq)
{
	struct fb *fb = vq->vdev->priv;

	fb_queue_work(fb, &fb->stats_work);
}

void fb_stats_work(struct work_struct *work)
{
	struct fb *fb = container_of(work, struct fb, stats_work);
	unsigned int length;

	if (virtqueue_get_buf(fb->vqs[FB_STATS], &length))
		offer(fb);
}

void fb_stats_start(struct fb *fb)
{
	if (fb->vqs[FB_STATS])
		offer(fb);
}
