/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The migration bitmaps: their life, the sync with the dirty log, claims for sending, and pages that were left out.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "migration/page-map.h"

const char *const skip_reason_names[SKIP_REASONS] = { "never-populated", "hinted",   "hinted-zero",
                                                      "reported",        "inflated", "zero" };

/* ---- life ---- */

/* Those that may stay untouched come last. */
static void block_map_take_maps(struct block_map *bm)
{
    unsigned long **const maps[] = { &bm->dirty, &bm->hole, &bm->claimed, &bm->scratch, &bm->since, &bm->since_next,
                                     &bm->doubt };

    bitmap_pool_init(&bm->pool, bm->pages, G_N_ELEMENTS(maps) + SKIP_REASONS);
    for (unsigned i = 0; i < G_N_ELEMENTS(maps); i++) {
        *maps[i] = bitmap_pool_take(&bm->pool, bm->pages);
    }
    for (int reason = 0; reason < SKIP_REASONS; reason++) {
        bm->skipped[reason] = bitmap_pool_take(&bm->pool, bm->pages);
    }
}

static void block_map_init(struct page_map *map, struct block_map *bm, struct ram_block *block)
{
    bm->map = map;
    bm->block = block;
    bm->pages = block->used_length / GUEST_PAGE_SIZE;
    block_map_take_maps(bm);
    bm->doubt_first = bm->pages;
    bitmap_set(bm->dirty, 0, bm->pages);
    map->dirty_count += bm->pages;
    map->total_pages += bm->pages;
    block->migration = bm;
}

struct page_map *page_map_new(const struct page_log *log, bool pristine)
{
    struct page_map *map = g_new0(struct page_map, 1);

    map->log = log;
    map->pristine = pristine;
    g_mutex_init(&map->lock);
    g_cond_init(&map->looked);
    RAM_BLOCK_FOREACH(block) {
        map->block_count += block->migratable && block->used_length;
    }
    map->blocks = g_new0(struct block_map, map->block_count);
    struct block_map *bm = map->blocks;
    RAM_BLOCK_FOREACH(block) {
        if (block->migratable && block->used_length) {
            block_map_init(map, bm++, block);
        }
    }
    map->populated_pages = map->total_pages;
    return map;
}

void page_map_free(struct page_map *map)
{
    for (unsigned i = 0; i < map->block_count; i++) {
        struct block_map *bm = &map->blocks[i];

        bm->block->migration = NULL;
        bitmap_pool_clear(&bm->pool);
    }
    g_free(map->blocks);
    g_mutex_clear(&map->lock);
    g_cond_clear(&map->looked);
    g_free(map);
}

void page_map_lock(struct page_map *map)
{
    g_mutex_lock(&map->lock);
}

void page_map_unlock(struct page_map *map)
{
    g_mutex_unlock(&map->lock);
}

uint64_t page_map_dirty_count(struct page_map *map)
{
    page_map_lock(map);
    uint64_t count = map->dirty_count + map->doubt_count;
    page_map_unlock(map);
    return count;
}

uint64_t page_map_doubt_count(struct page_map *map)
{
    page_map_lock(map);
    uint64_t count = map->doubt_count;
    page_map_unlock(map);
    return count;
}

/* Over all pages, a lock section of the callee's for each slice. */
static uint64_t sum_slices(struct page_map *map,
                           uint64_t (*slice)(struct block_map *bm, uint64_t first, uint64_t count))
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < map->block_count; i++) {
        struct block_map *bm = &map->blocks[i];

        for (uint64_t first = 0; first < bm->pages; first += PAGE_MAP_SLICE) {
            sum += slice(bm, first, MIN(PAGE_MAP_SLICE, bm->pages - first));
        }
    }
    return sum;
}

static uint64_t in_question_slice(struct block_map *bm, uint64_t first, uint64_t count)
{
    uint64_t pages = 0;

    page_map_lock(bm->map);
    for (uint64_t w = first / BITS_PER_LONG; w < BITMAP_WORDS(first + count); w++) {
        pages += __builtin_popcountl(bm->dirty[w] & ~bm->hole[w]);
    }
    page_map_unlock(bm->map);
    return pages;
}

uint64_t page_map_in_question(struct page_map *map)
{
    return sum_slices(map, in_question_slice);
}

uint64_t page_map_doubt_sent(struct page_map *map)
{
    page_map_lock(map);
    uint64_t count = map->doubt_sent;
    page_map_unlock(map);
    return count;
}

/* ---- the sync ---- */

/* Fetch, merge and note in `since` are one lock section: a mark is nowhere else than in the log or in the bitmap. */
static uint64_t sync_slice(struct block_map *bm, uint64_t first, uint64_t count)
{
    uint64_t fresh = 0;

    page_map_lock(bm->map);
    bm->map->log->take(bm->block, first, count, bm->scratch);
    for (uint64_t w = first / BITS_PER_LONG; w < BITMAP_WORDS(first + count); w++) {
        if (bm->scratch[w]) {
            fresh += word_redirty(bm, w, bm->scratch[w]);
            bm->scratch[w] = 0;
        }
    }
    page_map_unlock(bm->map);
    return fresh;
}

uint64_t page_map_sync(struct page_map *map)
{
    map->log->refresh();
    uint64_t fresh = sum_slices(map, sync_slice);

    map->log->arm(); /* a page taken must not be read before: its writer may go on without a mark until then */
    return fresh;
}

/* ---- holes ---- */

static void holes_found(struct block_map *bm, uint64_t w, unsigned long holes, page_absent_fn *absent)
{
    unsigned long reported = 0, inflated = 0;

    if (!bm->map->pristine) {
        bm->hole[w] |= holes; /* a page of zeros goes on the wire, unread */
        return;
    }
    holes = word_drop(bm, w, holes & ~bm->claimed[w]);
    if (absent) {
        absent(bm->block, w, &reported, &inflated);
    }
    word_skip(bm, w, SKIP_REPORTED, holes & reported);
    word_skip(bm, w, SKIP_INFLATED, holes & inflated);
    word_skip(bm, w, SKIP_HOLE, holes & ~(reported | inflated));
}

/*
 * The answer may be old once the lock is held. What was written meanwhile has a mark in the log, or, if the mark was
 * merged meanwhile, a bit in `since`: that is no hole.
 */
static void scan_slice(struct block_map *bm, uint64_t first, uint64_t count, unsigned long *populated,
                       page_absent_fn *absent)
{
    uint64_t words = BITMAP_WORDS(count);

    memset(populated, 0, words * sizeof(*populated));
    if (!bm->map->log->populated(bm->block, first, count, populated)) {
        return;
    }
    page_map_lock(bm->map);
    for (uint64_t i = 0; i < words; i++) {
        uint64_t w = first / BITS_PER_LONG + i;
        unsigned long holes = ~populated[i] & ~bm->since[w] & word_mask(w, first, first + count);

        bm->map->populated_pages -= __builtin_popcountl(holes);
        if (holes) {
            holes_found(bm, w, holes, absent);
        }
    }
    page_map_unlock(bm->map);
}

void page_map_scan_holes(struct page_map *map, page_absent_fn *absent)
{
    unsigned long *populated = bitmap_new(PAGE_MAP_SLICE);

    map->populated_pages = map->total_pages;
    for (unsigned i = 0; i < map->block_count; i++) {
        struct block_map *bm = &map->blocks[i];

        for (uint64_t first = 0; first < bm->pages; first += PAGE_MAP_SLICE) {
            scan_slice(bm, first, MIN(PAGE_MAP_SLICE, bm->pages - first), populated, absent);
        }
    }
    bitmap_free(populated, PAGE_MAP_SLICE);
}

/* ---- claims ---- */

/* Claimed, and no longer dirty, in one lock section and before the page is read (rule 10). */
static void claim_word(struct block_map *bm, uint64_t w, unsigned long mask, struct page_run *run, int i)
{
    unsigned long bits = word_drop(bm, w, mask);

    run->pages[i] = bits;
    run->sent_before[i] = bm->claimed[w];
    run->hole[i] = bm->hole[w];
    bm->claimed[w] |= bits;
    word_unskip(bm, w, bits);
}

bool page_map_claim(struct block_map *bm, uint64_t from, uint64_t end, uint64_t limit, struct page_run *run)
{
    bool found;

    memset(run, 0, sizeof(*run));
    page_map_lock(bm->map);
    from = from < end ? bitmap_next_set(bm->dirty, end, from) : end;
    found = from < end;
    if (found) {
        run->first = from / PAGE_MAP_RUN * PAGE_MAP_RUN;
        run->end = MIN(MIN(run->first + PAGE_MAP_RUN, from + limit), end);
        for (uint64_t w = from / BITS_PER_LONG; w < BITMAP_WORDS(run->end); w++) {
            claim_word(bm, w, word_mask(w, from, run->end), run, w - run->first / BITS_PER_LONG);
        }
    }
    page_map_unlock(bm->map);
    return found;
}

void page_map_claim_done(struct block_map *bm, const struct page_run *run)
{
    uint64_t base = run->first / BITS_PER_LONG;

    page_map_lock(bm->map);
    for (unsigned i = 0; i < PAGE_RUN_WORDS; i++) {
        if (run->zero[i] | run->skip[i]) {
            bm->claimed[base + i] &= ~(run->zero[i] | run->skip[i]);
            word_skip(bm, base + i, SKIP_ZERO, run->skip[i] & ~bm->dirty[base + i]);
        }
    }
    page_map_unlock(bm->map);
}

/* ---- what was left out ---- */

void page_map_skipped(struct page_map *map, uint64_t counts[SKIP_REASONS])
{
    page_map_lock(map);
    memcpy(counts, map->skipped, sizeof(map->skipped));
    page_map_unlock(map);
}

static void write_reason(FILE *out, const struct block_map *bm, enum skip_reason reason)
{
    const unsigned long *bits = bm->skipped[reason];
    uint64_t first = 0, end;

    while ((first = bitmap_next_set(bits, bm->pages, first)) < bm->pages) {
        end = bitmap_next_clear(bits, bm->pages, first);
        fprintf(out, "%s %s 0x%llx 0x%llx\n", skip_reason_names[reason], bm->block->idstr, first * GUEST_PAGE_SIZE,
                (end - first) * GUEST_PAGE_SIZE);
        first = end;
    }
}

bool page_map_write_record(struct page_map *map, const char *path, GError **error)
{
    FILE *out = fopen(path, "we");

    if (!out) {
        return error_setf_errno(error, errno, "cannot write the record of skipped pages '%s'", path);
    }
    for (unsigned i = 0; i < map->block_count; i++) {
        for (int reason = 0; reason < SKIP_REASONS; reason++) {
            write_reason(out, &map->blocks[i], reason);
        }
    }
    if (fclose(out)) {
        return error_setf_errno(error, errno, "cannot write the record of skipped pages '%s'", path);
    }
    return true;
}
