// SPDX-License-Identifier: GPL-2.0
/* /sys/kernel/debug/ferry_balloon-DEVICE: what the last answer, and the last inflation and deflation, cost. */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "ferry_balloon.h"

static int walk_show(struct seq_file *out, void *unused)
{
	const struct fb *fb = out->private;

	seq_printf(out, "requests %llu\ncancelled %llu\n", fb->walk.requests, fb->walk.cancelled);
	seq_printf(out, "free_pages %llu\npages %llu\nblocks %llu\n", fb->walk.free_before, fb->walk.pages, fb->walk.blocks);
	seq_printf(out, "steps %llu\nheld_ns %llu\nlongest_hold_ns %llu\n", fb->walk.steps, fb->walk.held_ns,
		   fb->walk.longest_hold_ns);
	seq_printf(out, "walk_ns %llu\nanswer_ns %llu\n", fb->walk.walk_ns, fb->walk.answer_ns);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(walk);

static void show_batch(struct seq_file *out, const char *name, const struct fb_batch_stats *batch)
{
	seq_printf(out, "%s_pages %llu\n%s_ns %llu\n%s_trips %llu\n", name, batch->pages, name, batch->ns, name,
		   batch->trips);
}

static int balloon_show(struct seq_file *out, void *unused)
{
	const struct fb *fb = out->private;

	seq_printf(out, "pages %llu\nmoved_pages %llu\n", fb->pages, fb->moved);
	show_batch(out, "inflated", &fb->inflated);
	show_batch(out, "deflated", &fb->deflated);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(balloon);

void fb_debug_init(struct fb *fb)
{
	char name[64];

	snprintf(name, sizeof(name), "ferry_balloon-%s", dev_name(&fb->vdev->dev));
	fb->debugfs = debugfs_create_dir(name, NULL);
	debugfs_create_file("walk", 0400, fb->debugfs, fb, &walk_fops);
	debugfs_create_file("balloon", 0400, fb->debugfs, fb, &balloon_fops);
}

void fb_debug_exit(struct fb *fb)
{
	debugfs_remove(fb->debugfs);
}
