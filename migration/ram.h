/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RAM's section in the stream, and the sending side of it. Private to migration/. */
#ifndef FERRY_MIGRATION_RAM_H
#define FERRY_MIGRATION_RAM_H

#include "migration/page-map.h"
#include "migration/stream.h"

/* In the low bits of the 8 bytes in front of each page: the offset's bits above them are the page's. */
#define RAM_FLAG_ZERO     0x02 /* one byte follows that fills the page */
#define RAM_FLAG_MEM_SIZE 0x04 /* the list of blocks follows */
#define RAM_FLAG_PAGE     0x08 /* the page's bytes follow */
#define RAM_FLAG_EOS      0x10 /* the end of this part */
#define RAM_FLAG_CONTINUE 0x20 /* in the block of the page before; else the block's name follows */
#define RAM_FLAG_RANGE    0x800 /* ours, with ZERO: 4 bytes follow, how many pages of zeros begin here */
#define RAM_FLAGS         0xfffull
#define ZERO_RECORD_SIZE  9    /* offset and flags, and the byte, where no name is needed */

struct ram_save {
    struct page_map *map;
    struct stream *s;
    const struct ram_block *named; /* the block whose name went out last in this part */
    unsigned block;                /* the cursor of the pass */
    uint64_t page;
    uint64_t window;               /* pages to claim at once, at least 1 */
    bool ranges;                   /* the receiver knows RAM_FLAG_RANGE */
    bool hold_guest_ram;           /* head start: of the large blocks, only what hints have gone past */
    /* Counters; read by other threads, so written with atomics. */
    uint64_t normal, duplicate, zero_skipped;
};

/* The START part: which blocks there are. */
void ram_save_start(struct ram_save *rs);
void ram_save_begin_part(struct ram_save *rs, int mark);
void ram_save_end_part(struct ram_save *rs);
/*
 * Sends the next window of dirty pages (at most PAGE_MAP_RUN). False: the pass has come to the end of the blocks, and
 * the cursor is back at the beginning.
 */
bool ram_save_window(struct ram_save *rs);
/* "Guest RAM" for a head start: what hints can be about, as opposed to ROMs and tables. */
bool ram_block_is_guest_ram(const struct ram_block *block);

#endif
