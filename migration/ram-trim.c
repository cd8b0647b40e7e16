/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/ram-trim.h"

/*
 * A huge page that is short of no more than this stays whole: the guest's speed is worth a sixteenth, and the whole
 * then holds at most that much more than what came.
 */
#define TOLERATED (TRIM_PAGES / 16)

void ram_trim_init(struct ram_trim *trim, struct ram_block *block, const unsigned long *filled)
{
    *trim = (struct ram_trim){ .block = block, .filled = filled };
    if (block->fd < 0) { /* what a file holds is not ours to throw away */
        trim->trimmed = bitmap_new(block->used_length / GUEST_PAGE_SIZE / TRIM_PAGES + 1);
    }
}

void ram_trim_free(struct ram_trim *trim)
{
    if (trim->trimmed) {
        bitmap_free(trim->trimmed, trim->block->used_length / GUEST_PAGE_SIZE / TRIM_PAGES + 1);
    }
}

void ram_trim_region(struct ram_trim *trim)
{
    uint64_t first = trim->region * TRIM_PAGES;
    uint64_t end = MIN(first + TRIM_PAGES, trim->block->used_length / GUEST_PAGE_SIZE);
    uint64_t received = bitmap_count(trim->filled, first, end - first);

    if (!trim->trimmed || !received || end - first - received <= TOLERATED ||
        bitmap_test(trim->trimmed, trim->region)) {
        return;
    }
    bitmap_set(trim->trimmed, trim->region, 1);
    for (uint64_t page = first; (page = bitmap_next_clear(trim->filled, end, page)) < end;) {
        uint64_t next = bitmap_next_set(trim->filled, end, page);

        /* It may fail where memory is locked: then it stays. */
        ram_block_discard(trim->block, page * GUEST_PAGE_SIZE, (next - page) * GUEST_PAGE_SIZE, NULL);
        page = next;
    }
}
