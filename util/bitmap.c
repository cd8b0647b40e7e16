/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <sys/mman.h>

#include "util/bitmap.h"

/* From here on a map comes from mmap: untouched parts of a log over 64 GiB of reserved guest RAM cost nothing. */
#define MMAP_THRESHOLD (64 * 1024)

static size_t bitmap_bytes(uint64_t bits)
{
    return BITMAP_WORDS(bits) * sizeof(unsigned long);
}

unsigned long *bitmap_new(uint64_t bits)
{
    size_t bytes = bitmap_bytes(bits);
    if (bytes < MMAP_THRESHOLD) {
        return g_malloc0(MAX(bytes, sizeof(unsigned long)));
    }
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) {
        g_error("cannot reserve a bitmap of %zu bytes",
                bytes); /* as g_malloc: out of address space ends the process */
    }
    return map;
}

void bitmap_free(unsigned long *map, uint64_t bits)
{
    size_t bytes = bitmap_bytes(bits);
    if (!map) {
        return;
    }
    if (bytes < MMAP_THRESHOLD) {
        g_free(map);
    } else {
        munmap(map, bytes);
    }
}

#define LARGE_PAGE ((size_t)2 << 20)

/* What mmap gives, from the first large page's border on. */
static void pool_map(struct bitmap_pool *pool)
{
    uintptr_t start;

    pool->bytes = (pool->bytes + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
    pool->mapping_bytes = pool->bytes + LARGE_PAGE;
    pool->mapping = mmap(NULL, pool->mapping_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pool->mapping == MAP_FAILED) {
        g_error("cannot reserve bitmaps of %zu bytes", pool->mapping_bytes);
    }
    start = ((uintptr_t)pool->mapping + LARGE_PAGE - 1) & ~(uintptr_t)(LARGE_PAGE - 1);
    pool->start = (char *)start;
    madvise(pool->start, pool->bytes, MADV_HUGEPAGE); /* a wish */
}

void bitmap_pool_init(struct bitmap_pool *pool, uint64_t bits, unsigned maps)
{
    *pool = (struct bitmap_pool){ .bytes = bitmap_bytes(bits) * maps };
    if (pool->bytes < LARGE_PAGE / 2) {
        pool->start = g_malloc0(MAX(pool->bytes, sizeof(unsigned long)));
    } else {
        pool_map(pool);
    }
}

unsigned long *bitmap_pool_take(struct bitmap_pool *pool, uint64_t bits)
{
    unsigned long *map = (unsigned long *)(pool->start + pool->used);

    pool->used += bitmap_bytes(bits);
    g_assert(pool->used <= pool->bytes);
    return map;
}

void bitmap_pool_clear(struct bitmap_pool *pool)
{
    if (pool->mapping) {
        munmap(pool->mapping, pool->mapping_bytes);
    } else {
        g_free(pool->start);
    }
    *pool = (struct bitmap_pool){ 0 };
}

/* The bits of word `word` that lie in [first, end). */
static inline unsigned long word_mask(uint64_t word, uint64_t first, uint64_t end)
{
    uint64_t start = word * BITS_PER_LONG;
    unsigned long mask = ~0ul;
    if (first > start) {
        mask &= ~0ul << (first - start);
    }
    if (end - start < BITS_PER_LONG) {
        mask &= ~(~0ul << (end - start));
    }
    return mask;
}

#define FOREACH_WORD(word, first, end) \
    for (uint64_t word = (first) / BITS_PER_LONG; word * BITS_PER_LONG < (end); word++)

void bitmap_set(unsigned long *map, uint64_t first, uint64_t count)
{
    FOREACH_WORD (word, first, first + count) {
        map[word] |= word_mask(word, first, first + count);
    }
}

void bitmap_clear(unsigned long *map, uint64_t first, uint64_t count)
{
    FOREACH_WORD (word, first, first + count) {
        unsigned long mask = word_mask(word, first, first + count);
        if (map[word] & mask) { /* reading alone does not populate the map's page */
            map[word] &= ~mask;
        }
    }
}

uint64_t bitmap_count(const unsigned long *map, uint64_t first, uint64_t count)
{
    uint64_t set = 0;
    FOREACH_WORD (word, first, first + count) {
        if (map[word]) {
            set += __builtin_popcountl(map[word] & word_mask(word, first, first + count));
        }
    }
    return set;
}

bool bitmap_test_and_clear(unsigned long *map, uint64_t bit)
{
    bool was = bitmap_test(map, bit);
    if (was) {
        map[bit / BITS_PER_LONG] &= ~BIT(bit % BITS_PER_LONG);
    }
    return was;
}

/* The first bit in [first, end) that is set in map ^ flip, or `end`. */
static uint64_t bitmap_next(const unsigned long *map, uint64_t end, uint64_t first, unsigned long flip)
{
    if (first >= end) {
        return end;
    }
    uint64_t word = first / BITS_PER_LONG, words = BITMAP_WORDS(end);
    unsigned long value = (map[word] ^ flip) & (~0ul << (first % BITS_PER_LONG));
    while (!value) {
        if (++word == words) {
            return end;
        }
        value = map[word] ^ flip;
    }
    uint64_t bit = word * BITS_PER_LONG + __builtin_ctzl(value);
    return MIN(bit, end);
}

uint64_t bitmap_next_set(const unsigned long *map, uint64_t end, uint64_t first)
{
    return bitmap_next(map, end, first, 0);
}

uint64_t bitmap_next_clear(const unsigned long *map, uint64_t end, uint64_t first)
{
    return bitmap_next(map, end, first, ~0ul);
}

void bitmap_set_atomic(unsigned long *map, uint64_t first, uint64_t count)
{
    FOREACH_WORD (word, first, first + count) {
        unsigned long mask = word_mask(word, first, first + count);
        /*
         * No shortcut for bits that are set already: a fetch-and-clear may come between a plain look and the write
         * that the mark stands for, and only the read-modify-write orders the two.
         */
        __atomic_fetch_or(&map[word], mask, __ATOMIC_RELEASE);
    }
}
