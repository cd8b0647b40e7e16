/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's balloon driver: device and queues (balloon.c), answers to requests for free pages (balloon-serve.c):
 * by hints (balloon-hint.c) or by bitmaps (balloon-bitmap.c); hostile ones (balloon-hostile.c), random ones
 * (balloon-random.c, balloon-random-bitmap.c).
 */
#ifndef BALLOON_H
#define BALLOON_H

#include "virtio.h"

#define BALLOON_STATS (1ull << 1)
#define BALLOON_OOM (1ull << 2)
#define BALLOON_HINT (1ull << 3)
#define BALLOON_POISON (1ull << 4)
#define BALLOON_REPORTING (1ull << 5)
#define BALLOON_FREE_PAGE_BITMAP (1ull << 16)
#define BALLOON_PAGE_BITMAP (1ull << 17)
#define BALLOON_SHARE_ONLY (1ull << 18)

#define CONFIG_NUM_PAGES 0
#define CONFIG_ACTUAL 4
#define CONFIG_COMMAND 8
#define CONFIG_POISON 12

#define COMMAND_STOP 0
#define COMMAND_DONE 1

struct balloon {
    struct virtio_device dev;
    struct virtio_queue inflate, deflate, stats, hint, report, bitmap;
    bool ready;
};
extern struct balloon balloon;

/* What answers to requests have done so far. */
struct answer_counts {
    uint64_t requests, stops, dones, buffers, returned, resets;
};
extern struct answer_counts answer_counts;

bool balloon_start(uint64_t features, enum virtio_interrupts interrupts); /* also after a reset */
bool balloon_restart(void);                           /* with the features and interrupts that it has */
bool balloon_is_broken(void);                         /* needs a reset */
bool balloon_inflate(uint64_t first, uint64_t count); /* test pages */
bool balloon_deflate(uint64_t first, uint64_t count);
bool balloon_report(uint64_t first, uint64_t count);
/* Test pages into or out of the balloon, if bitmaps were negotiated. */
bool balloon_move_bitmap(struct virtio_queue *q, uint64_t first, uint64_t count);

struct page_range {
    uint64_t first, count; /* test pages */
};

/* A way to answer. The range is what is free. */
struct answer_mode {
    const char *name, *help;
    bool (*request)(uint32_t id, const struct page_range *range); /* a new id was seen */
    bool (*ended)(uint32_t id, const struct page_range *range); /* ... and is no longer there; NULL: nothing to do */
    /* Again and again, on every processor, while the first waits for requests; NULL: nothing. */
    bool (*meanwhile)(unsigned cpu, const struct page_range *range);
    bool (*prepare)(const struct page_range *range, uint64_t seed); /* NULL: nothing */
    void (*forget)(void);                                           /* at an 'f' on the serial port */
};

/* Something random to do with `pages` neighbours at `at`, from test page `first` on. */
struct random_act {
    unsigned weight;
    bool (*run)(uint64_t first, uint64_t at, uint64_t pages);
};

/*
 * What an answer is made of: hints (balloon-hint.c) or bitmaps (balloon-bitmap.c). Whoever returns false could not,
 * since the device does not take anything or somebody wants us to end.
 */
struct protocol {
    uint64_t feature;
    struct virtio_queue *queue;
    unsigned command_at;  /* where the configuration says what the host wants */
    uint32_t idle;        /* what is not above it is no request */
    unsigned in_flight;   /* chains */
    uint64_t chunk_pages; /* neighbours that are told at a time */
    bool (*begin)(uint32_t id);
    bool (*pages)(uint64_t at, uint64_t pages);
    bool (*end)(void);
    /* Descriptor `i` of a chain of `parts` that tells, under the id, of pages at the range's beginning. */
    struct virtio_desc (*part)(uint32_t id, const struct page_range *range, unsigned i, unsigned parts);
    const struct answer_mode *modes; /* that it has for itself */
    const struct random_act *acts;
    bool (*wild)(uint32_t id, const struct page_range *range); /* random: what is not RAM, or nothing at all */
};
extern const struct protocol hint_protocol, bitmap_protocol;
extern const struct protocol *protocol; /* the one in use */
extern const struct answer_mode hostile_modes[];

uint32_t answer_command(void);  /* what the host wants */
bool answer_pages(const struct page_range *range, uint64_t count); /* the first so many, chunk by chunk */
bool answer_all(uint32_t id, const struct page_range *range); /* politely: id, all of the range, end */
void answer_collect(void);      /* counts what has come back */
void answer_offer(unsigned head); /* whatever stands there; does not wait long for it to come back */
/* Waits until fewer than `limit` chains are in flight. */
bool answer_room(struct virtio_queue *q, unsigned limit);
/* How many test pages from the n-th on are neighbours, at most `limit`; where they begin. */
uint64_t neighbours(uint64_t n, uint64_t limit, uint64_t *at);

/* Random answers (balloon-random.c). `first` is the chunk's first test page. */
bool random_prepare(const struct page_range *range, uint64_t seed);
bool random_request(uint32_t id, const struct page_range *range);
bool random_meanwhile(unsigned cpu, const struct page_range *range);
void random_forget(void);
uint64_t random_below(unsigned cpu, uint64_t limit);
/* Neighbours that are in use, and mostly not written for a while: how many, at most `limit`, and where. */
uint64_t random_used(uint64_t limit, uint64_t *at);

/*
 * The ledger: what the guest has given away and not written since. Pages are given, and told to the host, in one
 * section under the lock; a page is taken back only after it was written.
 */
void ledger_lock(void);
void ledger_unlock(void);
void ledger_give(uint64_t first, uint64_t pages);
void ledger_rewrite(uint64_t first, uint64_t pages, uint64_t one_in); /* writes one in so many, and takes them back */

#endif
