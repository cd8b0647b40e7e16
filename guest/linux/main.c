// SPDX-License-Identifier: GPL-2.0
/*
 * Ferry's balloon driver: what virtio_balloon does, and bitmaps (Ferry's docs/specs/virtio-balloon-
 * bitmap.rst). It takes the same device; only one of the two can have it.
 */
#include <linux/module.h>
#include <linux/poison.h>
#include <linux/slab.h>

#include "ferry_balloon.h"

bool fb_share_only;
module_param_named(share_only, fb_share_only, bool, 0444);
MODULE_PARM_DESC(share_only, "tell the host of free pages and statistics, but never give memory away (default: no)");

/* Under `stop_lock`, so that nothing is queued once it was said to stop. */
void fb_queue_work(struct fb *fb, struct work_struct *work)
{
	unsigned long flags;

	spin_lock_irqsave(&fb->stop_lock, flags);
	if (!fb->stopped)
		queue_work(system_freezable_wq, work);
	spin_unlock_irqrestore(&fb->stop_lock, flags);
}

static void config_changed(struct virtio_device *vdev)
{
	struct fb *fb = vdev->priv;

	fb_queue_work(fb, &fb->target_work);
	if (fb->vqs[FB_BITMAP])
		fb_queue_work(fb, &fb->share_work);
	if (fb->vqs[FB_HINT])
		fb_queue_work(fb, &fb->hint_work);
}

/* ---- features ---- */

static const unsigned int features[] = {
	VIRTIO_BALLOON_F_MUST_TELL_HOST, VIRTIO_BALLOON_F_STATS_VQ, VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
	VIRTIO_BALLOON_F_FREE_PAGE_HINT, VIRTIO_BALLOON_F_PAGE_POISON, VIRTIO_BALLOON_F_REPORTING,
	VIRTIO_BALLOON_F_FREE_PAGE_BITMAP, VIRTIO_BALLOON_F_PAGE_BITMAP, VIRTIO_BALLOON_F_SHARE_ONLY,
};

static bool free_pages_matter(void)
{
	return want_init_on_free() || page_poisoning_enabled_static();
}

static int validate(struct virtio_device *vdev)
{
	if (!free_pages_matter()) {
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_PAGE_POISON);
	} else if (!virtio_has_feature(vdev, VIRTIO_BALLOON_F_PAGE_POISON)) {
		/* Pages that lie on the free lists could lose what the kernel looks for. */
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_REPORTING);
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_FREE_PAGE_BITMAP);
	}
	if (virtio_has_feature(vdev, VIRTIO_BALLOON_F_MUST_TELL_HOST))
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_PAGE_BITMAP);
	if (!fb_share_only)
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_SHARE_ONLY);
	__virtio_clear_bit(vdev, VIRTIO_F_ACCESS_PLATFORM); /* page numbers are physical */
	return 0;
}

static void write_poison(struct fb *fb)
{
	u32 poison = 0;

	if (!fb_has(fb, VIRTIO_BALLOON_F_PAGE_POISON))
		return;
	if (!want_init_on_free())
		memset(&poison, PAGE_POISON, sizeof(poison));
	virtio_cwrite_le(fb->vdev, struct virtio_balloon_config, poison_val, &poison);
}

/* ---- queues ---- */

static int find_queues(struct fb *fb)
{
	static const struct fb_queue_info all[FB_QUEUES] = {
		[FB_INFLATE] = { "inflate", fb_acked },	[FB_DEFLATE] = { "deflate", fb_acked },
		[FB_STATS] = { "stats", fb_stats_callback }, [FB_HINT] = { "free page hints", fb_acked },
		[FB_REPORT] = { "reporting", fb_acked }, [FB_BITMAP] = { "free page bitmap", fb_acked },
	};
	static const int feature[FB_QUEUES] = {
		[FB_INFLATE] = -1, [FB_DEFLATE] = -1,
		[FB_STATS] = VIRTIO_BALLOON_F_STATS_VQ, [FB_HINT] = VIRTIO_BALLOON_F_FREE_PAGE_HINT,
		[FB_REPORT] = VIRTIO_BALLOON_F_REPORTING, [FB_BITMAP] = VIRTIO_BALLOON_F_FREE_PAGE_BITMAP,
	};
	struct fb_queue_info info[FB_QUEUES] = { };
	unsigned int i;

	BUILD_BUG_ON(FB_QUEUES > FB_MAX_QUEUES);
	for (i = 0; i < FB_QUEUES; i++)
		if (feature[i] < 0 || fb_has(fb, feature[i]))
			info[i] = all[i];
	return fb_find_vqs(fb->vdev, FB_QUEUES, fb->vqs, info);
}

/* The device runs from here on. */
static void start(struct fb *fb)
{
	write_poison(fb);
	virtio_device_ready(fb->vdev);
	fb_stats_start(fb);
	config_changed(fb->vdev);
}

/* No work runs, and none will until `stopped` is taken back. */
static void stop_work(struct fb *fb)
{
	spin_lock_irq(&fb->stop_lock);
	fb->stopped = true;
	spin_unlock_irq(&fb->stop_lock);
	cancel_work_sync(&fb->target_work);
	cancel_work_sync(&fb->share_work);
	cancel_work_sync(&fb->hint_work);
	cancel_work_sync(&fb->stats_work);
}

/* Everything is the guest's again; then the device is reset. No work runs. */
static void give_up_device(struct fb *fb)
{
	fb_hint_release(fb);
	fb_deflate_all(fb);
	virtio_reset_device(fb->vdev);
	fb->vdev->config->del_vqs(fb->vdev);
}

/* ---- life ---- */

static struct fb *new_fb(struct virtio_device *vdev)
{
	struct fb *fb = kzalloc(sizeof(*fb), GFP_KERNEL);

	if (!fb)
		return NULL;
	fb->vdev = vdev;
	vdev->priv = fb;
	init_waitqueue_head(&fb->acked);
	spin_lock_init(&fb->stop_lock);
	spin_lock_init(&fb->hint_lock);
	mutex_init(&fb->lock);
	INIT_LIST_HEAD(&fb->blocks);
	fb_move_init(fb);
	INIT_LIST_HEAD(&fb->hinted);
	INIT_WORK(&fb->target_work, fb_target_work);
	INIT_WORK(&fb->share_work, fb_share_work);
	INIT_WORK(&fb->hint_work, fb_hint_work);
	INIT_WORK(&fb->stats_work, fb_stats_work);
	return fb;
}

/* Of a device that runs, but for what came after that in probe(). */
static void leave(struct fb *fb)
{
	fb_hint_exit(fb);
	fb_oom_exit(fb);
	stop_work(fb);
	give_up_device(fb);
	kfree(fb);
}

static int probe(struct virtio_device *vdev)
{
	struct fb *fb;
	int error;

	if (!vdev->config->get)
		return -EINVAL;
	fb = new_fb(vdev);
	if (!fb)
		return -ENOMEM;
	error = find_queues(fb);
	if (error)
		goto free;
	error = fb_oom_init(fb);
	if (error)
		goto queues;
	error = fb_hint_init(fb);
	if (error)
		goto oom;
	start(fb);
	error = fb_report_init(fb);
	if (error) {
		leave(fb);
		return error;
	}
	fb_debug_init(fb);
	if (fb_share_only && !fb_has(fb, VIRTIO_BALLOON_F_SHARE_ONLY))
		dev_info(&vdev->dev, "the host does not know that this guest only shares; it keeps its memory all the same\n");
	return 0;

oom:
	fb_oom_exit(fb);
queues:
	vdev->config->del_vqs(vdev);
free:
	kfree(fb);
	return error;
}

static void remove(struct virtio_device *vdev)
{
	struct fb *fb = vdev->priv;

	fb_debug_exit(fb);
	fb_report_exit(fb);
	leave(fb);
}

#ifdef CONFIG_PM_SLEEP
/* A sleeping guest's balloon is empty: its pages would have to be written, or lost. */
static int freeze(struct virtio_device *vdev)
{
	struct fb *fb = vdev->priv;

	fb_report_exit(fb);
	stop_work(fb);
	give_up_device(fb);
	return 0;
}

static int restore(struct virtio_device *vdev)
{
	struct fb *fb = vdev->priv;
	int error = find_queues(fb);

	if (error)
		return error;
	fb->stopped = false;
	start(fb);
	return fb_report_init(fb);
}
#endif

static const struct virtio_device_id ids[] = {
	{ VIRTIO_ID_BALLOON, VIRTIO_DEV_ANY_ID },
	{ 0 },
};
MODULE_DEVICE_TABLE(virtio, ids);

static struct virtio_driver balloon_driver = {
	.driver.name = KBUILD_MODNAME,
	.driver.owner = THIS_MODULE,
	.id_table = ids,
	.feature_table = features,
	.feature_table_size = ARRAY_SIZE(features),
	.validate = validate,
	.probe = probe,
	.remove = remove,
	.config_changed = config_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze = freeze,
	.restore = restore,
#endif
};
module_virtio_driver(balloon_driver);

MODULE_DESCRIPTION("Memory balloon with bitmaps of free pages");
MODULE_AUTHOR("The Ferry authors");
MODULE_LICENSE("GPL");
