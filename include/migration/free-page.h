/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Free pages, between the migration that owns the bitmap and the balloon broker (balloon.c) that asks the guest.
 * The rules are numbered in docs/free-pages.rst; the epochs, `since`, claim and close are implemented in
 * migration/free-page.c, and nobody else touches the bitmap.
 */
#ifndef FERRY_MIGRATION_FREE_PAGE_H
#define FERRY_MIGRATION_FREE_PAGE_H

#include <stdint.h>

#include "memory/ram-block.h"
#include "qapi/qapi-types.h" /* FreePageState */
#include "util/error.h"

/*
 * A provider answers requests for free pages: the balloon device, through balloon.c. All calls are made with the big
 * lock held and without the migration's own.
 */
struct free_page_provider {
    const char *name; /* the device's id or type, for messages */
    /* The guest relies on what is in its free pages (page poison was negotiated). Set before hints come. */
    bool poison;
    /* What the next start() asks the guest to drop, as the enum counts: bit 0 page cache, bit 1 slab. */
    GuestDropCaches drop_caches;
    /* FREE_PAGE_STATE_ACTIVE: the guest can be asked now; else why not. */
    FreePageState (*ready)(struct free_page_provider *provider);
    /*
     * Publishes a request under `id` to the guest, which is ready. The one before has ended; no DONE need lie
     * between.
     */
    void (*start)(struct free_page_provider *provider, uint32_t id);
    /* The host wants no more pages under any id: publish stop (the guest may still hold its pages). Idempotent. */
    void (*stop)(struct free_page_provider *provider);
    /* The guest may take its pages back: publish DONE. Idempotent; follows every start, on the destination too. */
    void (*done)(struct free_page_provider *provider);
    /* Waits until no buffer is being handled (a handler in hand), and rewinds or returns what was popped. */
    void (*drain)(struct free_page_provider *provider);
    /* A migration begins: asks the guest for its statistics, before it allocates what it will hint. */
    void (*sample)(struct free_page_provider *provider);
    /* Bytes that those called free; UINT64_MAX: it did not say. */
    uint64_t (*guest_free)(struct free_page_provider *provider);
};

/* balloon.c registers what the guest offers; at most one at a time. Big lock. */
bool free_page_provider_register(struct free_page_provider *provider, GError **error);
void free_page_provider_unregister(struct free_page_provider *provider); /* an open request ends: unplug, reset */

/* One piece of guest memory that the guest says is free. */
struct free_page_range {
    struct ram_block *block;
    uint64_t offset, length; /* bytes; the handler shrinks to whole pages */
};

enum free_page_verdict {
    FREE_PAGE_TAKEN, /* considered under the open request */
    FREE_PAGE_LATE,  /* wrong or closed id: no effect, counted */
};
/*
 * The provider hands over a batch (at most FREE_PAGE_BATCH ranges, one KVM log fetch or one TLB arm per call)
 * received under `id`. Any thread, without the big lock or with it. The id is checked under the bitmap lock.
 */
#define FREE_PAGE_BATCH 64
enum free_page_verdict free_page_hint(uint32_t id, const struct free_page_range *ranges, unsigned count);
/*
 * The same for pages of [first, first + count) of `block` whose bit in `words` is set: bit n is page first + n.
 * `first` is a multiple of 64, `count` at most FREE_PAGE_BITS: one log fetch or arm.
 */
#define FREE_PAGE_BITS 32768u
enum free_page_verdict free_page_bitmap(uint32_t id, struct ram_block *block, uint64_t first, uint64_t count,
                                        const unsigned long *words);
/* The guest dropped caches before it looked, as it says at the end of the request `id`; `freed` bytes came of it. */
void free_page_guest_dropped(uint32_t id, GuestDropCaches dropped, GuestDropCaches refused, uint64_t freed);
/* The guest said "that was all" under `id`. */
void free_page_guest_stopped(uint32_t id);
/* The device was reset or stands still while the request `id` was open: FREE_PAGE_STATE_RESET, _VM_STOPPED. */
void free_page_device_stopped(uint32_t id, FreePageState why);
/* Something that the guest sent has no effect: counted, by cause. */
enum free_page_reject { FREE_PAGE_NO_RAM, FREE_PAGE_PARTIAL, FREE_PAGE_MALFORMED, FREE_PAGE_REJECTS };
void free_page_rejected(enum free_page_reject cause);

/*
 * Pages whose content is known not to matter or to be zero, kept whether or not a migration runs, in a bitmap per
 * block: inflated (in the balloon) and reported (discarded). Called by the balloon after the host discarded them,
 * before that is marked in the dirty log, and before the guest gets them back.
 */
enum absent_reason { ABSENT_INFLATED, ABSENT_REPORTED };
void free_page_absent(struct ram_block *block, uint64_t offset, uint64_t length, enum absent_reason reason);

#endif
