/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Huge pages that the sender fills in part only. First touch of guest RAM populates 2 MiB at once, which is what
 * makes receiving a full guest fast; of a region that gets a few pages, the rest goes back to the host as soon as the
 * sender has moved on. The guest sees no difference: what goes back is zeros, and was never written. Private to
 * migration/.
 */
#ifndef FERRY_MIGRATION_RAM_TRIM_H
#define FERRY_MIGRATION_RAM_TRIM_H

#include "memory/ram-block.h"

#define TRIM_PAGES 512u /* of 4 KiB: one huge page */

struct ram_trim {
    struct ram_block *block;
    const unsigned long *filled; /* pages that were received; the owner's */
    unsigned long *trimmed;      /* by region: once is enough: what comes later has small pages. NULL: never trim */
    uint64_t region;             /* which is being received */
};

void ram_trim_init(struct ram_trim *trim, struct ram_block *block, const unsigned long *filled);
void ram_trim_free(struct ram_trim *trim);
/* The region in hand is complete, as far as one can tell. */
void ram_trim_region(struct ram_trim *trim);

/* `page` is about to be received. */
static inline void ram_trim_touch(struct ram_trim *trim, uint64_t page)
{
    if (page / TRIM_PAGES != trim->region) {
        ram_trim_region(trim);
        trim->region = page / TRIM_PAGES;
    }
}

#endif
