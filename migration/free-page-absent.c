/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that the host took away, by inflation or a free page report: they read as zero until the guest writes them
 * again. Remembered whether or not a migration runs, for its statistics: that the page is not populated is what saves
 * it.
 */
#include "migration/free-page-private.h"

struct absent_map {
    struct ram_block *block;
    unsigned long *bits[2]; /* by absent_reason: the last one that was told */
    struct absent_map *next;
};
static GMutex absent_lock; /* guards the list and its bits; innermost */
static struct absent_map *absent_maps;

static struct absent_map *absent_find(const struct ram_block *block)
{
    struct absent_map *at = absent_maps;

    while (at && at->block != block) {
        at = at->next;
    }
    return at;
}

void free_page_absent_note(struct ram_block *block, uint64_t first, uint64_t count, enum absent_reason reason)
{
    g_mutex_lock(&absent_lock);
    struct absent_map *absent = absent_find(block);
    if (!absent) {
        absent = g_new0(struct absent_map, 1);
        absent->block = block;
        absent->bits[0] = bitmap_new(block->max_length / GUEST_PAGE_SIZE);
        absent->bits[1] = bitmap_new(block->max_length / GUEST_PAGE_SIZE);
        absent->next = absent_maps;
        absent_maps = absent;
    }
    bitmap_set(absent->bits[reason], first, count);
    bitmap_clear(absent->bits[!reason], first, count);
    g_mutex_unlock(&absent_lock);
}

void free_page_absent_words(const struct ram_block *block, uint64_t word, unsigned long *reported,
                            unsigned long *inflated)
{
    g_mutex_lock(&absent_lock);
    const struct absent_map *absent = absent_find(block);
    *reported = absent ? absent->bits[ABSENT_REPORTED][word] : 0;
    *inflated = absent ? absent->bits[ABSENT_INFLATED][word] : 0;
    g_mutex_unlock(&absent_lock);
}
