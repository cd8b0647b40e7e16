/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Free pages in the migration bitmap: epochs (rule 3), pages in doubt (rule 10), pages that the host took away.
 * docs/free-pages.rst says what each rule is for.
 */
#include <string.h>

#include "migration/page-map.h"
#include "trace/migration.h"
#include "util/vector-zero.h"

#define LOOK_WORDS 512
#define RUN_GAP    (256ull << 20 >> 12) /* pages; a larger step begins a new run of hints */
#define RUN_LEAST  (64ull << 20 >> 12)  /* pages that a run must have spoken of to be one */

/* ---- epochs ---- */

void page_map_prepare_epoch(struct page_map *map)
{
    for (unsigned i = 0; i < map->block_count; i++) {
        struct block_map *bm = &map->blocks[i];

        memset(bm->since_next, 0, BITMAP_WORDS(bm->pages) * sizeof(bm->since_next[0]));
    }
}

void page_map_begin_epoch(struct page_map *map)
{
    for (unsigned i = 0; i < map->block_count; i++) {
        struct block_map *bm = &map->blocks[i];
        unsigned long *old = bm->since;

        bm->since = bm->since_next;
        bm->since_next = old;
        bm->run = (struct hint_run){ 0 };
    }
}

/* ---- where the guest has been ---- */

/* Lock held. */
static void run_extend(struct block_map *bm, uint64_t first, uint64_t end)
{
    struct hint_run *run = &bm->run;
    bool below = end <= run->first && run->first - end <= RUN_GAP;
    bool above = first >= run->end && first - run->end <= RUN_GAP;
    int direction = above - below;

    if (!run->answered || !direction || direction == -run->direction) {
        *run = (struct hint_run){ .first = first, .end = end, .answered = end - first };
        return;
    }
    run->first = MIN(run->first, first);
    run->end = MAX(run->end, end);
    run->answered += end - first;
    run->direction = direction;
}

/*
 * The run, if it left out less than it spoke of: one that skips about may come back. It began where it could: what
 * lies behind its start, up to a quarter of its length, was passed as well (Linux keeps its page structures there).
 */
bool page_map_passed(struct block_map *bm, uint64_t *first, uint64_t *end)
{
    page_map_lock(bm->map);
    struct hint_run run = bm->run;
    page_map_unlock(bm->map);
    uint64_t length = run.end - run.first;

    *first = run.direction > 0 ? run.first - MIN(run.first, length / 4) : run.first;
    *end = run.direction < 0 ? MIN(run.end + length / 4, bm->pages) : run.end;
    return run.answered >= RUN_LEAST && run.answered * 2 > length;
}

/* ---- hints ---- */

/*
 * Pages that were written after the request and before this hint: perhaps zeroed to be hinted, perhaps taken back.
 * They leave the bitmap until page_map_look() has decided. Those whose mark was taken right now go that way even if
 * nothing can come of it, or nobody said that they are free: only behind the arming may they be read.
 */
static void word_doubt(struct block_map *bm, uint64_t w, unsigned long taken, unsigned long bits)
{
    bits &= taken | bm->dirty[w];
    bm->since[w] |= taken;
    bm->hole[w] &= ~taken;
    if (!bits) {
        return;
    }
    word_drop(bm, w, bits);
    bm->map->doubt_count += __builtin_popcountl(bits & ~bm->doubt[w]);
    bm->doubt[w] |= bits;
    bm->doubt_first = MIN(bm->doubt_first, w * BITS_PER_LONG);
    bm->doubt_end = MAX(bm->doubt_end, MIN((w + 1) * BITS_PER_LONG, bm->pages));
}

uint64_t page_map_hint(struct block_map *bm, uint64_t first, uint64_t count, const unsigned long *free, bool poison)
{
    uint64_t dropped = 0, word = first / BITS_PER_LONG;

    run_extend(bm, first, first + count);
    bm->map->log->take(bm->block, first, count, bm->scratch);
    for (uint64_t w = word; w < BITMAP_WORDS(first + count); w++) {
        unsigned long mask = word_mask(w, first, first + count) & (free ? free[w - word] : ~0ul);
        unsigned long taken = bm->scratch[w];
        unsigned long written = taken | (mask & bm->since[w]);
        unsigned long drop = mask & ~written;

        bm->scratch[w] = 0;
        word_doubt(bm, w, taken, written);
        if (poison) {
            /* The guest trusts its free pages to read zero: fine where the destination was never told otherwise. */
            drop &= bm->map->pristine ? ~bm->claimed[w] : 0;
        }
        drop = word_drop(bm, w, drop);
        word_skip(bm, w, SKIP_HINTED, drop);
        dropped += __builtin_popcountl(drop);
    }
    return dropped;
}

/* ---- looking ---- */

struct look_item {
    struct block_map *bm;
    uint64_t word;
    unsigned long bits, in_use;
};

/*
 * Moves doubtful pages of one block out of the map. Until decide(), `hole` says of those in hand that no mark of
 * theirs was seen: `dirty` could not, as a page that was written may have been claimed meanwhile. (One that is dirty
 * already was written, and may be claimed before we have looked.) Lock held.
 */
static unsigned take_doubts(struct block_map *bm, struct look_item *items, unsigned count, unsigned *pages)
{
    while (count < LOOK_WORDS && *pages < PAGE_MAP_LOOK) {
        uint64_t page = bitmap_next_set(bm->doubt, bm->doubt_end, bm->doubt_first);
        uint64_t w = page / BITS_PER_LONG;

        bm->doubt_first = page;
        if (page >= bm->doubt_end) {
            bm->doubt_first = bm->pages;
            bm->doubt_end = 0;
            break;
        }
        items[count++] = (struct look_item){ .bm = bm, .word = w, .bits = bm->doubt[w] };
        *pages += __builtin_popcountl(bm->doubt[w]);
        bm->hole[w] |= bm->doubt[w] & ~bm->dirty[w];
        bm->doubt[w] = 0;
    }
    return count;
}

/* Without the lock, behind the arming: whatever the guest writes from here on leaves a mark. */
static void look_at(struct look_item *item)
{
    const uint8_t *host = item->bm->block->host + item->word * BITS_PER_LONG * GUEST_PAGE_SIZE;

    for (unsigned long bits = item->bits; bits; bits &= bits - 1) {
        int bit = __builtin_ctzl(bits);

        if (!buffer_is_zero(host + bit * GUEST_PAGE_SIZE, GUEST_PAGE_SIZE)) {
            item->in_use |= BIT(bit);
        }
    }
}

/*
 * Zero, and never claimed: a destination that began as zeros has it so. Zeros of which it must be told are dirty, but
 * need not be read again. What was written since the look is no zero. Lock held.
 */
static void decide(const struct look_item *item)
{
    struct block_map *bm = item->bm;
    unsigned long zero = item->bits & ~item->in_use & bm->hole[item->word];
    unsigned long skip = bm->map->pristine ? zero & ~bm->claimed[item->word] : 0;

    word_redirty(bm, item->word, item->bits & ~skip);
    bm->hole[item->word] |= zero & ~skip;
    bm->map->doubt_sent += __builtin_popcountl(item->in_use);
    word_skip(bm, item->word, SKIP_HINTED_ZERO, skip);
}

bool page_map_look(struct page_map *map)
{
    g_autofree struct look_item *items = g_new(struct look_item, LOOK_WORDS);
    unsigned count = 0, pages = 0;
    uint64_t sent_before;

    page_map_lock(map);
    for (unsigned i = 0; i < map->block_count; i++) {
        count = take_doubts(&map->blocks[i], items, count, &pages);
    }
    map->looking += count > 0;
    page_map_unlock(map);
    if (!count) {
        return false;
    }
    map->log->arm();
    for (unsigned i = 0; i < count; i++) {
        look_at(&items[i]);
    }
    page_map_lock(map);
    sent_before = map->doubt_sent;
    for (unsigned i = 0; i < count; i++) {
        decide(&items[i]);
    }
    map->doubt_count -= pages;
    trace_page_map_look(pages, map->doubt_sent - sent_before);
    if (--map->looking == 0) {
        g_cond_broadcast(&map->looked);
    }
    page_map_unlock(map);
    return true;
}

void page_map_settle(struct page_map *map)
{
    map->log->arm(); /* doubtful pages had their marks taken; they become readable here */
    page_map_lock(map);
    for (unsigned i = 0; i < map->block_count; i++) {
        struct block_map *bm = &map->blocks[i];

        for (uint64_t w = bm->doubt_first / BITS_PER_LONG; w < BITMAP_WORDS(bm->doubt_end); w++) {
            map->doubt_count -= __builtin_popcountl(bm->doubt[w]);
            map->doubt_sent += __builtin_popcountl(bm->doubt[w]);
            word_redirty(bm, w, bm->doubt[w]);
            bm->doubt[w] = 0;
        }
        bm->doubt_first = bm->pages;
        bm->doubt_end = 0;
    }
    while (map->looking) {
        g_cond_wait(&map->looked, &map->lock);
    }
    page_map_unlock(map);
}

/* ---- pages that the host took away ---- */

/*
 * The range was discarded and the guest does not have it back yet. It reads as zero: where the destination may hold
 * something else it is sent (as zeros, unread), else it may be left out.
 */
void page_map_absent(struct block_map *bm, uint64_t first, uint64_t count, enum skip_reason reason)
{
    page_map_lock(bm->map);
    for (uint64_t w = first / BITS_PER_LONG; w < BITMAP_WORDS(first + count); w++) {
        unsigned long mask = word_mask(w, first, first + count);

        word_redirty(bm, w, mask & bm->claimed[w]);
        bm->hole[w] |= mask & bm->dirty[w];
        if (bm->map->pristine) {
            word_skip(bm, w, reason, word_drop(bm, w, mask & ~bm->claimed[w]));
        }
    }
    page_map_unlock(bm->map);
}
