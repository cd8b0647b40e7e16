/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory balloon's state, shared by the files that make it up. */
#ifndef FERRY_HW_VIRTIO_VIRTIO_BALLOON_H
#define FERRY_HW_VIRTIO_VIRTIO_BALLOON_H

#include "balloon.h"
#include "hw/virtio/virtio-balloon-bitmap.h"
#include "hw/virtio/virtio.h"
#include "util/clock.h"
#include <json-glib/json-glib.h>
#include <linux/virtio_balloon.h>

#define BALLOON_STATS 10 /* VIRTIO_BALLOON_S_* that have a name */

/* The queues' indexes count the negotiated ones only, as Linux does. */
enum balloon_queue {
    BALLOON_INFLATE, BALLOON_DEFLATE, BALLOON_STATISTICS, BALLOON_HINT, BALLOON_REPORT, BALLOON_BITMAP,
    BALLOON_QUEUES
};

/* Values as the stream has them. */
enum hint_status { HINT_STOPPED, HINT_REQUESTED, HINT_STARTED, HINT_DONE };

/* A piece of a bitmap, as its header said; all but the id in pages of 4 KiB. */
struct balloon_piece {
    uint32_t id;
    bool end;       /* none: "that was all" */
    uint8_t shift;
    uint64_t first, pages;
};

/* A chain that is worked off over several batches. */
struct balloon_cursor {
    bool held;
    struct virtqueue_element element;
    /* What is done: bytes of its out part (inflate, deflate) or in part (hints, reports), pages of a bitmap. */
    uint64_t offset;
    struct balloon_piece piece; /* bitmaps, once `offset` is not 0 */
};

struct virtio_balloon {
    struct virtio_device vdev; /* first */
    uint32_t num_pages;        /* what the host wants in the balloon, 4 KiB pages */
    uint32_t actual;           /* what the guest says is in it */
    uint32_t hint_id;          /* the id that the guest sees: ours, counted on for the life of the guest */
    uint32_t hint_status;      /* enum hint_status */
    uint32_t poison_val;

    /* Properties. */
    bool deflate_on_oom, free_page_hint, page_poison, free_page_reporting;
    bool free_page_bitmap, page_bitmap, share_only, fixed_size;
    char *iothread_id;
    struct iothread *iothread; /* serves the hint queue */

    struct balloon_cursor cursors[BALLOON_QUEUES];

    /* Statistics: the driver's buffer stays with us until new figures are wanted. */
    bool stats_held;
    uint16_t stats_head;
    uint64_t stats[BALLOON_STATS]; /* UINT64_MAX: the guest did not say */
    uint64_t hinted_bytes;         /* since the sample was asked for; atomic: the hint queue's thread adds */
    bool stats_sampling;           /* the next free-memory figure is `stats_sample` */
    uint64_t stats_sample;         /* bytes free when a migration began; UINT64_MAX: unknown */
    int64_t stats_time;            /* seconds since 1970; 0: never */
    uint32_t stats_interval;       /* seconds; 0: no polling */
    struct timer stats_timer;

    /*
     * Free page hints. `hint_lock` guards what the queue's thread and the big lock's side share: hint_id, hint_status
     * and hint_request. Innermost; never held while calling into the migration.
     */
    GMutex hint_lock;
    uint32_t hint_request;         /* the migration's id behind hint_id; 0: none open */
    uint32_t guest_hint_id;        /* the id that the guest sent last; the queue's thread */
    bool done_owed;                /* a request was made, or came with the stream, and DONE has not followed */
    bool hint_resume_done;         /* it came with the stream: nobody here will ask for it */
    struct free_page_provider provider;

    /* Free pages by bitmap. `hint_lock` guards these four. */
    uint32_t bitmap_id;            /* the id that the guest sees: ours, counted on as hint_id is; migrated */
    uint32_t bitmap_request;       /* the migration's id behind it; 0: none open */
    uint32_t bitmap_drop;          /* what this request asks the guest to drop, VIRTIO_BALLOON_DROP_* */
    uint64_t bitmap_guest_free;    /* bytes free when the guest was asked first; UINT64_MAX: unknown */
    struct free_page_provider bitmap_provider;
};

/* Which queue this is, or BALLOON_QUEUES. */
enum balloon_queue balloon_queue_role(const struct virtio_balloon *b, unsigned index);
/* NULL: not negotiated. */
struct virtqueue *balloon_queue_find(struct virtio_balloon *b, enum balloon_queue role);
/* The next chain, or the one in hand. */
bool balloon_cursor_next(struct balloon_cursor *cursor, struct virtqueue *vq);
/* The same of an answer to a request: one that breaks the ring is counted. */
bool balloon_answer_next(struct virtio_balloon *b, struct balloon_cursor *cursor, struct virtqueue *vq);
void balloon_cursor_finish(struct balloon_cursor *cursor, struct virtqueue *vq);
/* For providers: whether the guest can be asked by this queue. */
FreePageState balloon_provider_ready(struct virtio_balloon *b, bool offered, enum balloon_queue role);
/* For providers: a chain in hand is returned; whatever it says is late by now. */
void balloon_return_chain(struct virtio_balloon *b, enum balloon_queue role);

/*
 * Memory given and taken back: a part of one chain of the inflate or the deflate queue, or of the reporting queue.
 * True: there was something.
 */
bool balloon_pages_handle(struct virtio_balloon *b, struct virtqueue *vq, enum balloon_queue role, uint64_t *budget);
bool balloon_report_handle(struct virtio_balloon *b, struct virtqueue *vq, uint64_t *budget);
bool balloon_may_become_zero(const struct virtio_balloon *b);

/* Statistics. */
void balloon_stats_init(struct virtio_balloon *b);
void balloon_stats_cleanup(struct virtio_balloon *b);
void balloon_stats_reset(struct virtio_balloon *b);
bool balloon_stats_handle(struct virtio_balloon *b, struct virtqueue *vq);
/* Asks for new figures, if a driver can be asked; what they call free becomes `stats_sample`. */
void balloon_stats_sample(struct virtio_balloon *b);
JsonNode *balloon_stats_get(struct virtio_balloon *b);
JsonNode *balloon_stats_get_interval(struct virtio_balloon *b);
bool balloon_stats_set_interval(struct virtio_balloon *b, JsonNode *value, GError **error);

/* Free page hints. */
void balloon_hint_init(struct virtio_balloon *b);
void balloon_hint_cleanup(struct virtio_balloon *b);
void balloon_hint_stop(struct virtio_balloon *b, FreePageState why); /* queues are stopped */
void balloon_hint_reset(struct virtio_balloon *b);
void balloon_hint_start(struct virtio_balloon *b);            /* the device runs (again) */
void balloon_hint_loaded(struct virtio_balloon *b);
uint32_t balloon_hint_config(struct virtio_balloon *b);
bool balloon_hint_handle(struct virtio_balloon *b, struct virtqueue *vq, uint64_t *budget);

/* Bitmaps. */
void balloon_bitmap_init(struct virtio_balloon *b);
void balloon_bitmap_stop(struct virtio_balloon *b, FreePageState why); /* the queue is stopped */
void balloon_bitmap_config(struct virtio_balloon *b, struct virtio_balloon_bitmap_config *config);
bool balloon_bitmap_handle(struct virtio_balloon *b, struct virtqueue *vq);
/* The next runs of the piece in hand, as far as the budget goes, which `run` charges. False: that was all. */
typedef void balloon_run_fn(hwaddr gpa, uint64_t length, uint64_t *budget);
bool balloon_bitmap_next_runs(struct balloon_cursor *cursor, balloon_run_fn *run, uint64_t *budget);

extern const struct device_type virtio_balloon_pci_type;
extern const struct virtio_device_ops virtio_balloon_ops;
/* Queues and what the host offers, after the transport's check. On failure virtio_balloon_unrealize() undoes it. */
bool virtio_balloon_realize(struct virtio_device *vdev, struct device *device,
                            const struct virtio_transport_ops *transport, GError **error);
void virtio_balloon_unrealize(struct virtio_device *vdev);

#endif
