/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <string.h>

#include "util/bitmap.h"
#include "util/vector-zero.h"

#define BITS 700

/* Every operation against a plain array of bools, over random ranges. */
static void test_against_model(void)
{
    unsigned long *map = bitmap_new(BITS);
    bool model[BITS] = { false };
    for (int round = 0; round < 20000; round++) {
        uint64_t first = g_random_int_range(0, BITS), count = g_random_int_range(0, BITS - (int)first + 1);
        int operation = g_random_int_range(0, 3);
        if (operation == 0) {
            bitmap_set(map, first, count);
        } else if (operation == 1) {
            bitmap_clear(map, first, count);
        } else {
            bitmap_set_atomic(map, first, count);
        }
        memset(model + first, operation != 1, count);

        uint64_t from = g_random_int_range(0, BITS), to = g_random_int_range((int)from, BITS + 1), set = 0;
        uint64_t next_set = to, next_clear = to;
        for (uint64_t i = to; i-- > from;) {
            set += model[i];
            next_set = model[i] ? i : next_set;
            next_clear = model[i] ? next_clear : i;
        }
        g_assert_cmpuint(bitmap_count(map, from, to - from), ==, set);
        g_assert_cmpuint(bitmap_next_set(map, to, from), ==, next_set);
        g_assert_cmpuint(bitmap_next_clear(map, to, from), ==, next_clear);
        g_assert_cmpint(bitmap_test(map, from), ==, model[from]);
        g_assert_cmpint(bitmap_test_and_clear(map, from), ==, model[from]);
        model[from] = false;
    }
    bitmap_free(map, BITS);
}

static void test_large_is_lazy(void)
{
    /* One bit per 4 KiB page of a 64 TiB block: 2 GiB of map that no machine of ours would like to hold. */
    uint64_t bits = 1ull << 34;
    unsigned long *map = bitmap_new(bits);
    bitmap_set(map, bits - 1, 1);
    g_assert_true(bitmap_test(map, bits - 1));
    g_assert_false(bitmap_test(map, bits / 2));
    g_assert_cmpuint(bitmap_next_set(map, bits, bits - 1000), ==, bits - 1);
    bitmap_free(map, bits);
}

static void test_take_word(void)
{
    unsigned long *map = bitmap_new(128);
    bitmap_set(map, 60, 8);
    g_assert_cmphex(bitmap_take_word(&map[0]), ==, 0xful << 60);
    g_assert_cmphex(bitmap_take_word(&map[0]), ==, 0);
    g_assert_cmphex(bitmap_take_word(&map[1]), ==, 0xf);
    bitmap_free(map, 128);
}

#define SETTER_BITS 4096

static gpointer setter_main(gpointer opaque)
{
    for (int bit = 0; bit < SETTER_BITS; bit++) {
        bitmap_set_atomic(opaque, bit, 1);
    }
    return NULL;
}

/* Two setters of the same words and a taker: no mark is lost. */
static void test_set_and_take_race(void)
{
    unsigned long *map = bitmap_new(SETTER_BITS), *seen = bitmap_new(SETTER_BITS);
    GThread *setters[] = { g_thread_new("a", setter_main, map), g_thread_new("b", setter_main, map) };
    for (int round = 0; round < 200; round++) {
        for (uint64_t word = 0; word < BITMAP_WORDS(SETTER_BITS); word++) {
            seen[word] |= bitmap_take_word(&map[word]);
        }
    }
    g_thread_join(setters[0]);
    g_thread_join(setters[1]);
    for (uint64_t word = 0; word < BITMAP_WORDS(SETTER_BITS); word++) {
        seen[word] |= bitmap_take_word(&map[word]);
    }
    g_assert_cmpuint(bitmap_count(seen, 0, SETTER_BITS), ==, SETTER_BITS);
    bitmap_free(map, SETTER_BITS);
    bitmap_free(seen, SETTER_BITS);
}

/* Each vector variant finds a single set bit wherever it is, and nothing beyond its length. */
static void test_zero_variants(void)
{
    const char *name;
    uint8_t *page = g_aligned_alloc0(1, 4096 + 64, 64);
    memset(page + 4096, 0xff, 64);
    for (unsigned variant = 0; variant < 3; variant++) {
        bool zero = buffer_is_zero_variant(variant, page, 4096, &name);
        if (!name) {
            g_test_message("variant %u is not on this host", variant);
            continue;
        }
        g_test_message("%s", name);
        g_assert_true(zero);
        for (size_t length = 64; length <= 4096; length += 64) {
            g_assert_true(buffer_is_zero_variant(variant, page, length, &name));
        }
        for (size_t at = 0; at < 4096; at++) {
            page[at] = (uint8_t)(1 << (at % 8));
            g_assert_false(buffer_is_zero_variant(variant, page, 4096, &name));
            g_assert_true(buffer_is_zero_variant(variant, page, at & ~63ul, &name));
            page[at] = 0;
        }
    }
    g_assert_true(buffer_is_zero(page, 4096));
    page[4095] = 1;
    g_assert_false(buffer_is_zero(page, 4096));
    g_aligned_free(page);
}

/* Maps of a pool begin as zeros and do not touch each other, from the heap and from a mapping of their own. */
static void test_pool(void)
{
    static const uint64_t sizes[] = { 1, 64, 65, 100000, 3u << 20, 200u << 20 };

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        struct bitmap_pool pool;
        unsigned long *maps[5];

        bitmap_pool_init(&pool, sizes[i], G_N_ELEMENTS(maps));
        for (unsigned m = 0; m < G_N_ELEMENTS(maps); m++) {
            maps[m] = bitmap_pool_take(&pool, sizes[i]);
            g_assert_cmpuint(bitmap_count(maps[m], 0, sizes[i]), ==, 0);
            if (m % 2 == 0) {
                bitmap_set(maps[m], 0, sizes[i]);
            }
        }
        for (unsigned m = 0; m < G_N_ELEMENTS(maps); m++) {
            g_assert_cmpuint(bitmap_count(maps[m], 0, sizes[i]), ==, m % 2 == 0 ? sizes[i] : 0);
        }
        bitmap_pool_clear(&pool);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bitmap/against-model", test_against_model);
    g_test_add_func("/bitmap/large-is-lazy", test_large_is_lazy);
    g_test_add_func("/bitmap/take-word", test_take_word);
    g_test_add_func("/bitmap/pool", test_pool);
    g_test_add_func("/bitmap/set-and-take-race", test_set_and_take_race);
    g_test_add_func("/vector-zero/variants", test_zero_variants);
    return g_test_run();
}
