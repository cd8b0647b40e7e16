/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the source of a migration knows of each page of guest memory: is it dirty, was it sent, may it be left out?
 * Every rule about losing no write (docs/free-pages.rst) is kept here, in page-map.c and page-map-hint.c; nobody else
 * touches the bitmaps. Private to migration/.
 *
 * Lock: `lock` guards all bitmaps of all blocks. Innermost but for the accelerator's own; never held across I/O,
 * across arming, or for more than a slice (PAGE_MAP_SLICE pages) of work.
 */
#ifndef FERRY_MIGRATION_PAGE_MAP_H
#define FERRY_MIGRATION_PAGE_MAP_H

#include <glib.h>

#include "memory/ram-block.h"

#define PAGE_MAP_SLICE   65536u /* pages per lock section: 1024 words of each bitmap, some tens of microseconds */
#define PAGE_MAP_RUN     256u   /* pages claimed at once: a megabyte */
#define PAGE_MAP_LOOK    4096u  /* pages looked at per arming */
#define PAGE_RUN_WORDS   (PAGE_MAP_RUN / BITS_PER_LONG)

/* Why a page is not at the destination (and need not be). */
enum skip_reason { SKIP_HOLE, SKIP_HINTED, SKIP_HINTED_ZERO, SKIP_REPORTED, SKIP_INFLATED, SKIP_ZERO, SKIP_REASONS };
extern const char *const skip_reason_names[SKIP_REASONS];

/* What the map asks of memory and accelerator; tests put their own here. */
struct page_log {
    /*
     * Before a batch of takes: what they bring has every write up to now. One that comes while the batch is worked off
     * may stay in the log until the next; to the rules it is a write after the take.
     */
    void (*refresh)(void);
    /* Fetch-and-clear of the log's marks of [first, first + count) into `into` (by page); see accel_dirty_take(). */
    void (*take)(struct ram_block *block, uint64_t first, uint64_t count, unsigned long *into);
    /* When it returns, every later write leaves a mark. Not under the lock. */
    void (*arm)(void);
    bool (*populated)(const struct ram_block *block, uint64_t first, uint64_t count, unsigned long *populated);
};
extern const struct page_log page_log_accel;

/*
 * Hints of one block that follow each other in one direction, without large gaps: an allocator that empties a list.
 * What it went past without hinting it is in use, most likely, and may be sent while others are waited for.
 */
struct hint_run {
    uint64_t first, end;     /* pages from the lowest hint to the highest */
    uint64_t answered;       /* pages among them that the guest spoke of */
    int direction;           /* -1: downwards, 1: upwards, 0: one hint yet */
};

struct block_map {
    struct page_map *map;
    struct ram_block *block;
    uint64_t pages;
    struct bitmap_pool pool; /* of all maps */
    unsigned long *dirty;    /* to be sent */
    unsigned long *since;    /* written after the open request for free pages was made (rule 1) */
    unsigned long *since_next; /* for the next request: migration thread */
    unsigned long *claimed;  /* the destination may hold something else than zeros (rule 10) */
    unsigned long *hole;     /* reads as zero, not written since that was seen: need not be read; see decide() */
    unsigned long *doubt;    /* dropped on trust until somebody has looked (rule 10) */
    unsigned long *scratch;  /* marks in hand; all zeros outside the lock */
    unsigned long *skipped[SKIP_REASONS];
    uint64_t doubt_first, doubt_end; /* no bit of `doubt` is set outside [first, end) */
    struct hint_run run;     /* the one that goes on */
};

struct page_map {
    const struct page_log *log;
    bool pristine;           /* the destination's blocks began as zeros: pages of zeros may be missing */
    GMutex lock;
    GCond looked;            /* `looking` fell to zero */
    unsigned looking;        /* batches of doubtful pages in hand */
    uint64_t dirty_count, doubt_count, total_pages, populated_pages;
    uint64_t doubt_sent;
    uint64_t skipped[SKIP_REASONS]; /* bits set in the blocks' maps: asked for often, and there may be millions */
    unsigned block_count;
    struct block_map *blocks;
};

/* All migratable blocks, every page dirty. Sets block->migration. Big lock held. */
struct page_map *page_map_new(const struct page_log *log, bool pristine);
void page_map_free(struct page_map *map);

/* Fetches the log, merges it and arms the writers: what is dirty now may be read. Returns pages that became dirty. */
uint64_t page_map_sync(struct page_map *map);
/*
 * Looks for pages that were never populated. `absent` may be NULL; it tells which of the 64 pages from 64 * `word` on
 * the host took away, and why: the reasons for their being holes.
 */
typedef void page_absent_fn(const struct ram_block *block, uint64_t word, unsigned long *reported,
                            unsigned long *inflated);
void page_map_scan_holes(struct page_map *map, page_absent_fn *absent);

/*
 * Dirty pages that the caller will now send, from one window of PAGE_MAP_RUN pages; bit n is page first + n. It reads
 * them after the claim, and then tells of zeros.
 */
struct page_run {
    uint64_t first;                            /* multiple of PAGE_MAP_RUN */
    uint64_t end;                              /* where to go on */
    unsigned long pages[PAGE_RUN_WORDS];
    unsigned long sent_before[PAGE_RUN_WORDS]; /* the destination may hold something else than zeros */
    unsigned long hole[PAGE_RUN_WORDS];        /* zero without reading */
    unsigned long zero[PAGE_RUN_WORDS];        /* set by the caller: was read as zero, and zeros were sent */
    unsigned long skip[PAGE_RUN_WORDS];        /* set by the caller: was zero, and nothing was sent */
};
/* The next window of the block with dirty pages in [from, end); at most `limit` pages on. False: none. */
bool page_map_claim(struct block_map *bm, uint64_t from, uint64_t end, uint64_t limit, struct page_run *run);
void page_map_claim_done(struct block_map *bm, const struct page_run *run);

/* Pages to be sent, those in doubt included. */
uint64_t page_map_dirty_count(struct page_map *map);
uint64_t page_map_doubt_count(struct page_map *map);
/* Dirty pages of which it is not known that they are zero: what a request for free pages might spare. */
uint64_t page_map_in_question(struct page_map *map);
/* Doubtful pages that turned out to be in use. */
uint64_t page_map_doubt_sent(struct page_map *map);
/* Pages that are skipped now for a reason. */
void page_map_skipped(struct page_map *map, uint64_t counts[SKIP_REASONS]);
/* One line per run of skipped pages: reason, block, offset and length in hex. */
bool page_map_write_record(struct page_map *map, const char *path, GError **error);

/* ---- free pages; page-map-hint.c ---- */

void page_map_lock(struct page_map *map);
void page_map_unlock(struct page_map *map);
/* Rule 1: makes room for a new epoch outside the lock; then, under it, begins it. Migration thread. */
void page_map_prepare_epoch(struct page_map *map);
void page_map_begin_epoch(struct page_map *map); /* lock held */
/*
 * Rules 3 and 10: pages [first, first + count), at most a slice, are free as of the open request: all of them, or
 * those of `free` (words as the block's bitmaps have them, from the one of `first` on). Lock held, id checked.
 * `poison`: the guest relies on what is in its free pages. Returns pages dropped; the doubtful are noted.
 */
uint64_t page_map_hint(struct block_map *bm, uint64_t first, uint64_t count, const unsigned long *free, bool poison);
/*
 * Where a guest that is still hinting has been already: pages in [first, end) that are dirty are unlikely to be
 * hinted.
 */
bool page_map_passed(struct block_map *bm, uint64_t *first, uint64_t *end);
/* Looks at doubtful pages, one batch. False: there are none. No lock held. */
bool page_map_look(struct page_map *map);
/*
 * Rule 3: nobody looks any more, and what was not looked at is dirty again. The id is closed already. No lock held.
 */
void page_map_settle(struct page_map *map);
/* Pages that read as zero from now on until the guest has them back, at most a slice. */
void page_map_absent(struct block_map *bm, uint64_t first, uint64_t count, enum skip_reason reason);

/* ---- shared by the two files; lock held ---- */

/* Bits of word `w` that lie in [first, end). */
static inline unsigned long word_mask(uint64_t w, uint64_t first, uint64_t end)
{
    unsigned long mask = ~0ul;

    if (w == first / BITS_PER_LONG) {
        mask &= ~0ul << first % BITS_PER_LONG;
    }
    if (w == (end - 1) / BITS_PER_LONG) {
        mask &= ~0ul >> (BITS_PER_LONG - 1 - (end - 1) % BITS_PER_LONG);
    }
    return mask;
}

/*
 * Sets dirty bits for a reason that came after the request, so `since` too; a hole that was written is none any more.
 */
static inline uint64_t word_redirty(struct block_map *bm, uint64_t w, unsigned long bits)
{
    unsigned long fresh = bits & ~bm->dirty[w];

    bm->dirty[w] |= bits;
    bm->since[w] |= bits;
    bm->hole[w] &= ~bits;
    bm->map->dirty_count += __builtin_popcountl(fresh);
    return __builtin_popcountl(fresh);
}

static inline unsigned long word_drop(struct block_map *bm, uint64_t w, unsigned long bits)
{
    bits &= bm->dirty[w];
    bm->dirty[w] &= ~bits;
    bm->map->dirty_count -= __builtin_popcountl(bits);
    return bits;
}

/* These pages are left out; they are no longer. Maps that nothing was written to are not even read. */
static inline void word_skip(struct block_map *bm, uint64_t w, enum skip_reason reason, unsigned long bits)
{
    if (bits) {
        bm->map->skipped[reason] += __builtin_popcountl(bits & ~bm->skipped[reason][w]);
        bm->skipped[reason][w] |= bits;
    }
}

static inline void word_unskip(struct block_map *bm, uint64_t w, unsigned long bits)
{
    for (int reason = 0; reason < SKIP_REASONS; reason++) {
        unsigned long gone = bm->map->skipped[reason] ? bm->skipped[reason][w] & bits : 0;

        if (gone) {
            bm->map->skipped[reason] -= __builtin_popcountl(gone);
            bm->skipped[reason][w] &= ~gone;
        }
    }
}

#endif
