// SPDX-License-Identifier: GPL-2.0
/*
 * Free page reporting (VIRTIO 1.2, 5.5.6.5): the kernel picks blocks and keeps them until the host has given
 * them back.
 */
#include "ferry_balloon.h"

static int report(struct page_reporting_dev_info *info, struct scatterlist *sg, unsigned int count)
{
	struct fb *fb = container_of(info, struct fb, reporting);
	struct virtqueue *vq = fb->vqs[FB_REPORT];
	unsigned int in_flight = 1;
	int error;

	error = virtqueue_add_inbuf(vq, sg, count, fb, GFP_NOWAIT | __GFP_NOWARN);
	if (error)
		return error;
	return fb_wait(fb, vq, &in_flight) ? 0 : -EIO;
}

int fb_report_init(struct fb *fb)
{
	if (!fb->vqs[FB_REPORT])
		return 0;
	if (virtqueue_get_vring_size(fb->vqs[FB_REPORT]) < PAGE_REPORTING_CAPACITY)
		return -ENOSPC;
	fb->reporting.report = report;
	return page_reporting_register(&fb->reporting);
}

void fb_report_exit(struct fb *fb)
{
	if (fb->vqs[FB_REPORT])
		page_reporting_unregister(&fb->reporting);
}
