/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bitmaps as arrays of unsigned long, bit n in word n / 64: what glib lacks. */
#ifndef FERRY_UTIL_BITMAP_H
#define FERRY_UTIL_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BITS_PER_LONG 64
#define BITMAP_WORDS(bits) (((uint64_t)(bits) + BITS_PER_LONG - 1) / BITS_PER_LONG)
#define BIT(n) (1ul << (n))

/* Zeroed, lazily populated by the host (large ones come from mmap). Free with bitmap_free(). */
unsigned long *bitmap_new(uint64_t bits);
void bitmap_free(unsigned long *map, uint64_t bits);

/*
 * Several maps that will be written all over, in one piece of zeroed memory. Where it is large it has large pages, if
 * the host gives them: the first touch of small ones, one by one, takes longer than whatever is done with the bits.
 */
struct bitmap_pool {
    char *start;
    size_t used, bytes;
    void *mapping; /* NULL: from the heap */
    size_t mapping_bytes;
};
void bitmap_pool_init(struct bitmap_pool *pool, uint64_t bits, unsigned maps);
unsigned long *bitmap_pool_take(struct bitmap_pool *pool, uint64_t bits);
void bitmap_pool_clear(struct bitmap_pool *pool);

static inline bool bitmap_test(const unsigned long *map, uint64_t bit)
{
    return map[bit / BITS_PER_LONG] >> (bit % BITS_PER_LONG) & 1;
}

/* Not atomic: the caller owns the map or holds its lock. */
void bitmap_set(unsigned long *map, uint64_t first, uint64_t count);
void bitmap_clear(unsigned long *map, uint64_t first, uint64_t count);
uint64_t bitmap_count(const unsigned long *map, uint64_t first, uint64_t count);
bool bitmap_test_and_clear(unsigned long *map, uint64_t bit);

/* The first set (clear) bit in [first, end), or `end`. */
uint64_t bitmap_next_set(const unsigned long *map, uint64_t end, uint64_t first);
uint64_t bitmap_next_clear(const unsigned long *map, uint64_t end, uint64_t first);

/* Atomic against each other, word by word. Set has release order; take (fetch and clear) has acquire order. */
void bitmap_set_atomic(unsigned long *map, uint64_t first, uint64_t count);
static inline unsigned long bitmap_take_word(unsigned long *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED) ? __atomic_exchange_n(word, 0, __ATOMIC_ACQ_REL) : 0;
}

#endif
