/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's balloon driver: device and queues (balloon.c), answers to requests for free pages (balloon-serve.c):
 * hostile ones (balloon-hostile.c), random ones (balloon-random.c); by bitmap: balloon-bitmap.c.
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
struct hint_counts {
    uint64_t requests, stops, dones, buffers, returned, resets;
};
extern struct hint_counts hint_counts;

bool balloon_start(uint64_t features, enum virtio_interrupts interrupts); /* also after a reset */
uint32_t balloon_command(void);          /* the configuration's command id */
bool balloon_inflate(uint64_t first, uint64_t count); /* test pages */
bool balloon_deflate(uint64_t first, uint64_t count);
bool balloon_report(uint64_t first, uint64_t count);
bool hint_id(uint32_t id);               /* sends an id; false if the device does not take it */
bool hint_range(uint64_t at, uint32_t length);
void hint_collect(void);                 /* counts what has come back */
bool hint_restart(void);                 /* resets the device and starts it as it was */
/* How many test pages from the n-th on are neighbours, at most `limit`; where they begin. */
uint64_t hint_neighbours(uint64_t n, uint64_t limit, uint64_t *at);

/* A way to answer. The range is what is free: `count` test pages from `first`. */
struct hint_range {
    uint64_t first, count;
};
struct hint_mode {
    const char *name, *help;
    bool (*request)(uint32_t id, const struct hint_range *range); /* a new id was seen */
    bool (*ended)(uint32_t id, const struct hint_range *range); /* ... and is no longer there; NULL: nothing to do */
    /* Again and again, on every processor, while the first waits for requests; NULL: nothing. */
    bool (*meanwhile)(unsigned cpu, const struct hint_range *range);
    bool (*prepare)(const struct hint_range *range, uint64_t seed); /* NULL: nothing */
    void (*forget)(void);                                           /* at an 'f' on the serial port */
};
bool hint_pages(uint32_t id, const struct hint_range *range); /* the polite way: id, all of the range, stop */
extern const struct hint_mode hostile_modes[];
const struct hint_mode *hint_find_mode(const struct hint_mode *table, const char *name);
/*
 * Runs serve(), which returns when a byte has come on the serial port or it is stuck; then prints what was counted.
 */
bool serve_until_told(void (*serve)(const struct hint_mode *mode, const struct hint_range *range),
                      const struct hint_mode *mode, const struct hint_range *range);
/* Test pages into or out of the balloon, if bitmaps were negotiated. */
bool balloon_move_bitmap(struct virtio_queue *q, uint64_t first, uint64_t count);

bool random_prepare(const struct hint_range *range, uint64_t seed);
bool random_request(uint32_t id, const struct hint_range *range);
bool random_meanwhile(unsigned cpu, const struct hint_range *range);
void random_forget(void);

#endif
