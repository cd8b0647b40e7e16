/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The driver's state, shared by its files:
 *
 *   main.c     probe, remove, suspend, features		queue.c   sending buffers and waiting for them
 *   inflate.c  the balloon itself, deflate on OOM		tell.c    telling the host of its pages
 *   move.c     its pages, when the kernel moves them	map.c     a bitmap of all memory, and sending it
 *   walk.c     the kernel's lists of free pages		share.c   answering requests with a bitmap
 *   caches.c   dropping caches				hint.c    the standard's free page hints
 *   report.c   free page reporting			stats.c   statistics
 *   debug.c    what debugfs shows
 *
 * Each queue is used by one work item at a time (or under `lock`), so that the rings need no lock of their own.
 * Interrupts only wake and queue.
 */
#ifndef FERRY_BALLOON_H
#define FERRY_BALLOON_H

#include <linux/balloon_compaction.h>
#include <linux/mutex.h>
#include <linux/oom.h>
#include <linux/page_reporting.h>
#include <linux/scatterlist.h>
#include <linux/virtio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "protocol.h"

#if PAGE_SHIFT != VIRTIO_BALLOON_PFN_SHIFT
#error "this driver is for pages of 4 KiB"
#endif

enum fb_queue { FB_INFLATE, FB_DEFLATE, FB_STATS, FB_HINT, FB_REPORT, FB_BITMAP, FB_QUEUES };

/* What the last answer to a request cost, for debugfs. */
struct fb_walk_stats {
	u64 requests, cancelled;
	u64 pages, blocks;	/* free, as the lists had them */
	u64 steps;		/* how often a zone's lock was taken */
	u64 held_ns, longest_hold_ns, walk_ns, answer_ns;
	u64 free_before;	/* pages that the kernel counted as free when the walk began */
};

struct fb_batch_stats {
	u64 pages, ns, trips;
};

#define FB_BLOCK_ORDER	9 /* of the blocks that the balloon keeps whole: what the kernel compacts memory for */
#define FB_PFNS		(1u << FB_BLOCK_ORDER) /* page numbers in one buffer of the standard's format */

/* Pages on their way into the balloon, or out of it. */
struct fb_batch {
	struct list_head blocks, singles;
	unsigned int pages, limit;
	unsigned int order;	/* of the next block */
	struct fb_map *map;	/* NULL: page numbers */
};

struct fb {
	struct virtio_device *vdev;
	struct virtqueue *vqs[FB_QUEUES]; /* NULL: not negotiated */
	wait_queue_head_t acked;	/* a buffer has come back */
	spinlock_t stop_lock;		/* guards `stopped` against whoever queues work */
	bool stopped;

	/* The balloon. */
	struct mutex lock;		/* guards what follows, and the inflate and the deflate queue */
	struct list_head blocks;	/* of FB_BLOCK_ORDER, by their first page's lru */
	struct balloon_dev_info balloon; /* single pages; those that are being moved are not on its list */
	u64 pages, moved;		/* in both; moved so far */
	struct fb_batch_stats inflated, deflated;
	__le32 pfns[FB_PFNS];
	struct {
		struct virtio_balloon_bitmap_header header;
		__le64 bits;
	} one;				/* a piece of a bitmap for a page alone */
	struct work_struct target_work;
	struct notifier_block oom;

	/* Free pages by bitmap; share_work only. */
	struct work_struct share_work;
	u32 answered;			/* the last request's id */
	struct fb_walk_stats walk;

	/* Free page hints. */
	struct work_struct hint_work;
	spinlock_t hint_lock;		/* guards the two below */
	struct list_head hinted;	/* blocks of FB_MAX_ORDER that are kept for the host */
	unsigned long hinted_blocks;
	u32 hint_id;			/* answered last */
	__le32 hint_words[2];		/* the id and the stop, as the device reads them */
	struct fb_shrinker shrinker;

	struct page_reporting_dev_info reporting;

	struct work_struct stats_work;
	struct virtio_balloon_stat stats[VIRTIO_BALLOON_S_NR];

	struct dentry *debugfs;
};

static inline bool fb_has(const struct fb *fb, unsigned int feature)
{
	return virtio_has_feature(fb->vdev, feature);
}

/* main.c */
extern bool fb_share_only;	/* never inflates */
void fb_queue_work(struct fb *fb, struct work_struct *work);

/* queue.c: one buffer, or one chain, and back. */
void fb_acked(struct virtqueue *vq);
/* Adds a chain of readable buffers; waits for room. False: the device is broken. */
bool fb_send(struct fb *fb, struct virtqueue *vq, struct scatterlist *sg, unsigned int count, void *token,
	     unsigned int *in_flight);
bool fb_wait(struct fb *fb, struct virtqueue *vq, unsigned int *in_flight);

/* inflate.c */
void fb_target_work(struct work_struct *work);
void fb_deflate_all(struct fb *fb);
void fb_adjust_total(struct fb *fb, struct page *page, long pages);
int fb_oom_init(struct fb *fb);
void fb_oom_exit(struct fb *fb);

/* tell.c: trips, or -errno. */
bool fb_by_bitmap(const struct fb *fb);
int fb_tell_batch(struct fb *fb, enum fb_queue queue, struct fb_batch *batch);
int fb_tell_page(struct fb *fb, enum fb_queue queue, struct page *page);

/* move.c */
void fb_move_init(struct fb *fb);
void fb_singles_keep(struct fb *fb, struct list_head *singles);
unsigned int fb_singles_take(struct fb *fb, struct list_head *singles, unsigned int wanted);

/*
 * map.c: a bit per page of memory, in chunks of a page, each made before it is needed or when it is. Sent in
 * pieces of up to FB_PIECE_CHUNKS.
 */
#define FB_CHUNK_BITS	(PAGE_SIZE * BITS_PER_BYTE)
#define FB_PIECE_CHUNKS	(VIRTIO_BALLOON_MAX_BITS / FB_CHUNK_BITS)

struct fb_chunk {
	struct virtio_balloon_bitmap_header header; /* of the piece that begins with it, while that is in flight */
	unsigned long *bits;
	bool used;
};

struct fb_map {
	unsigned long count;
	struct fb_chunk **chunks;	/* NULL: not made */
	struct scatterlist sg[1 + FB_PIECE_CHUNKS];
};

struct fb_map *fb_map_new(void);
void fb_map_free(struct fb_map *map);
bool fb_map_prepare(struct fb_map *map, unsigned long first, unsigned long end);
/* 1 << order pages, if there is a chunk for them. */
void fb_map_set_block(struct fb_map *map, unsigned long pfn, unsigned int order);
/* Sends all that is set, waits, clears it. `go_on`: asked before each piece, or NULL. Returns pieces, or -errno. */
int fb_map_send(struct fb_map *map, struct fb *fb, struct virtqueue *vq, u32 id,
		bool (*go_on)(struct fb *fb, u32 id));

/* walk.c */
void fb_walk_free_pages(struct fb_map *map, struct fb_walk_stats *stats);
bool fb_walk_prepare(struct fb_map *map);

/* share.c */
void fb_share_work(struct work_struct *work);

/* caches.c */
u32 fb_drop_caches(u32 wanted, u32 *refused);

/* hint.c */
int fb_hint_init(struct fb *fb);
void fb_hint_exit(struct fb *fb);
void fb_hint_work(struct work_struct *work);
void fb_hint_release(struct fb *fb);

/* report.c */
int fb_report_init(struct fb *fb);
void fb_report_exit(struct fb *fb);

/* stats.c */
void fb_stats_callback(struct virtqueue *vq);
void fb_stats_work(struct work_struct *work);
void fb_stats_start(struct fb *fb);

/* debug.c */
void fb_debug_init(struct fb *fb);
void fb_debug_exit(struct fb *fb);

#endif
