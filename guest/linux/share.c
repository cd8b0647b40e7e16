// SPDX-License-Identifier: GPL-2.0
/*
 * Answering requests for free pages with a bitmap: the id first, then the walk, then the pieces under that
 * id, then the end.
 */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "ferry_balloon.h"

/* Both fields under one generation of the configuration. Returns the id. */
static u32 read_request(struct fb *fb, u32 *drop)
{
	struct virtio_balloon_bitmap_config config;

	virtio_cread_bytes(fb->vdev, VIRTIO_BALLOON_BITMAP_CONFIG, &config, sizeof(config));
	*drop = le32_to_cpu(config.drop_caches);
	return le32_to_cpu(config.request_id);
}

static bool still_wanted(struct fb *fb, u32 id)
{
	u32 drop;

	return read_request(fb, &drop) == id && !READ_ONCE(fb->stopped);
}

struct end {
	struct virtio_balloon_bitmap_header header;
	struct virtio_balloon_bitmap_end end;
};

static bool send_end(struct fb *fb, u32 id, const struct end *answer)
{
	struct end *end = kmemdup(answer, sizeof(*end), GFP_KERNEL);
	unsigned int in_flight = 0;
	struct scatterlist sg;
	bool sent;

	if (!end)
		return false;
	end->header.id = cpu_to_le32(id);
	end->header.type = cpu_to_le16(VIRTIO_BALLOON_END);
	sg_init_one(&sg, end, sizeof(*end));
	sent = fb_send(fb, fb->vqs[FB_BITMAP], &sg, 1, end, &in_flight) && fb_wait(fb, fb->vqs[FB_BITMAP], &in_flight);
	if (!in_flight)
		kfree(end); /* else the device is broken and may still read it */
	return sent;
}

static void drop_caches(u32 wanted, struct end *answer)
{
	unsigned long before = global_zone_page_state(NR_FREE_PAGES), after;
	u32 refused = 0, dropped;

	if (!wanted)
		return;
	dropped = fb_drop_caches(wanted, &refused);
	after = global_zone_page_state(NR_FREE_PAGES);
	answer->end.dropped = cpu_to_le32(dropped);
	answer->end.refused = cpu_to_le32(refused);
	answer->end.dropped_pages = cpu_to_le64(after > before ? after - before : 0);
}

static int answer_request(struct fb *fb, u32 id, u32 drop)
{
	struct end answer = { };
	struct fb_map *map;
	int pieces;

	drop_caches(drop, &answer);
	map = fb_map_new();
	if (!map)
		return -ENOMEM;
	pieces = fb_walk_prepare(map) ? 0 : -ENOMEM;
	if (!pieces) {
		fb_walk_free_pages(map, &fb->walk);
		pieces = fb_map_send(map, fb, fb->vqs[FB_BITMAP], id, still_wanted);
	}
	if (pieces != -EIO)
		fb_map_free(map); /* else the device is broken and may still read it */
	if (pieces < 0)
		return pieces;
	answer.end.free_pages = cpu_to_le64(fb->walk.free_before);
	answer.end.walk_ns = cpu_to_le64(fb->walk.walk_ns);
	return send_end(fb, id, &answer) ? 0 : -EIO;
}

void fb_share_work(struct work_struct *work)
{
	struct fb *fb = container_of(work, struct fb, share_work);
	u32 id, drop;
	int error;

	while ((id = read_request(fb, &drop)) && id != fb->answered && !READ_ONCE(fb->stopped)) {
		u64 start = ktime_get_ns();

		fb->answered = id;
		fb->walk.requests++;
		error = answer_request(fb, id, drop);
		fb->walk.answer_ns = ktime_get_ns() - start;
		fb->walk.cancelled += error == -ECANCELED;
		if (error && error != -ECANCELED)
			dev_warn(&fb->vdev->dev, "no answer to request %u: error %d\n", id, error);
	}
}
