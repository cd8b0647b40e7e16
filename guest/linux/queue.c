// SPDX-License-Identifier: GPL-2.0
/* Sending buffers and waiting for them. A broken device gives nothing back: nobody waits for it. */
#include "ferry_balloon.h"

void fb_acked(struct virtqueue *vq)
{
	struct fb *fb = vq->vdev->priv;

	wake_up_all(&fb->acked);
}

/* Takes what has come back. True: something has, or nothing ever will. */
static bool reap(struct virtqueue *vq, unsigned int *in_flight)
{
	unsigned int length;
	bool any = false;

	while (virtqueue_get_buf(vq, &length)) {
		(*in_flight)--;
		any = true;
	}
	return any || virtqueue_is_broken(vq);
}

bool fb_send(struct fb *fb, struct virtqueue *vq, struct scatterlist *sg, unsigned int count, void *token,
	     unsigned int *in_flight)
{
	/* GFP_NOWAIT: the indirect table is a convenience, and its allocation must not end in our own OOM notifier. */
	while (virtqueue_add_outbuf(vq, sg, count, token, GFP_NOWAIT | __GFP_NOWARN)) {
		if (virtqueue_is_broken(vq) || !*in_flight)
			return false;
		virtqueue_kick(vq);
		wait_event(fb->acked, reap(vq, in_flight));
	}
	(*in_flight)++;
	return true;
}

bool fb_wait(struct fb *fb, struct virtqueue *vq, unsigned int *in_flight)
{
	virtqueue_kick(vq);
	while (*in_flight && !virtqueue_is_broken(vq))
		wait_event(fb->acked, reap(vq, in_flight));
	return !*in_flight;
}
