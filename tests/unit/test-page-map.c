/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The migration bitmap against a model of a guest that writes, hints, takes back and zeroes at every moment that the
 * code gives away: inside each fetch, each arming, each claim. The log is as mean as a real one may be: once a page's
 * mark is set, its writer goes on without marking until it is armed.
 *
 * After the guest has stopped and the last sync is sent, each page must be equal at both ends unless the guest said
 * under the open request that it is free, and has not written it since.
 */
#include <string.h>

#include "migration/page-map.h"
#include "util/vector-zero.h"

#define PAGES 200

static struct world {
    GRand *rand;
    struct ram_block *block;
    struct page_map *map;
    bool log[PAGES];           /* marks */
    bool seen[PAGES];          /* those of the last look that were not taken since */
    bool silent[PAGES];        /* the writer does not mark */
    bool populated[PAGES];
    bool excused[PAGES];       /* free as of the open request, not written since */
    uint64_t destination[PAGES];
    uint64_t next_value;
    uint32_t id;               /* accepted */
    bool guest_runs, broken_arm;
    int depth;
} w;

static uint64_t *page_at(unsigned page)
{
    return (uint64_t *)(w.block->host + page * GUEST_PAGE_SIZE);
}

static bool chance(unsigned percent)
{
    return (unsigned)g_rand_int_range(w.rand, 0, 100) < percent;
}

static unsigned any_page(void)
{
    return g_rand_int_range(w.rand, 0, PAGES);
}

/* ---- the guest ---- */

static void guest_write(unsigned page, uint64_t value)
{
    if (!w.silent[page]) {
        w.log[page] = true;
        w.silent[page] = true;
    }
    w.populated[page] = true;
    w.excused[page] = false;
    *page_at(page) = value;
}

/* As free-page.c does it: one look, and what was hinted by then. Lock held. */
static uint64_t hint_pages(uint64_t first, uint64_t count, const unsigned long *words, bool poison)
{
    memcpy(w.seen, w.log, sizeof(w.seen));
    return page_map_hint(w.map->blocks, first, count, words, poison);
}

/*
 * A buffer of one or some pages, or a bitmap of them, perhaps zeroed before (a kernel that zeroes what it allocates).
 */
static void guest_hint(void)
{
    unsigned first = any_page(), count = g_rand_int_range(w.rand, 1, 80);
    bool zeroes = chance(50), by_bitmap = chance(50);
    unsigned long words[BITMAP_WORDS(PAGES)] = { 0 };

    first -= by_bitmap ? first % BITS_PER_LONG : 0;
    count = MIN(count, PAGES - first);
    for (unsigned page = first; page < first + count; page++) {
        if (by_bitmap && chance(40)) {
            continue;
        }
        if (zeroes) {
            guest_write(page, 0);
        }
        w.excused[page] |= w.id != 0;
        bitmap_set(words, page - first, 1);
    }
    page_map_lock(w.map);
    if (w.id) {
        hint_pages(first, count, by_bitmap ? words : NULL, false);
    }
    page_map_unlock(w.map);
}

static void guest_acts(bool locked)
{
    if (!w.guest_runs) {
        return;
    }
    for (int i = g_rand_int_range(w.rand, 0, 4); i > 0; i--) {
        if (chance(60)) {
            guest_write(any_page(), chance(30) ? 0 : w.next_value++);
        } else if (!locked && w.depth < 3) {
            w.depth++;
            guest_hint();
            w.depth--;
        }
    }
}

/* ---- log and memory ---- */

/* As KVM has it: takes bring what this look saw, and what is written later stays in the log. */
static void fake_refresh(void)
{
    guest_acts(false);
    memcpy(w.seen, w.log, sizeof(w.seen));
    guest_acts(false);
}

static void fake_take(struct ram_block *block, uint64_t first, uint64_t count, unsigned long *into)
{
    guest_acts(true);
    for (uint64_t page = first; page < first + count; page++) {
        if (w.seen[page]) {
            bitmap_set(into, page, 1);
            w.seen[page] = w.log[page] = false;
        }
    }
    guest_acts(true);
}

static void fake_arm(void)
{
    guest_acts(false);
    if (!w.broken_arm) {
        memset(w.silent, 0, sizeof(w.silent));
    }
    guest_acts(false);
}

static bool fake_populated(const struct ram_block *block, uint64_t first, uint64_t count, unsigned long *populated)
{
    for (uint64_t page = first; page < first + count; page++) {
        if (w.populated[page]) {
            bitmap_set(populated, page - first, 1);
        }
    }
    guest_acts(false);
    return true;
}

static const struct page_log fake_log = { .refresh = fake_refresh, .take = fake_take, .arm = fake_arm, .populated = fake_populated };

/* ---- the migration thread ---- */

static void send_page(struct page_run *run, unsigned n)
{
    unsigned page = run->first + n;
    bool zero = bitmap_test(run->hole, n) || !*page_at(page);

    if (!zero) {
        guest_acts(false);
        w.destination[page] = *page_at(page); /* written from where it lies: as it is now, not as it was */
    } else if (w.map->pristine && !bitmap_test(run->sent_before, n)) {
        bitmap_set(run->skip, n, 1);
    } else {
        bitmap_set(run->zero, n, 1);
        w.destination[page] = 0;
    }
}

static bool send_window(uint64_t *cursor)
{
    struct page_run run;

    if (!page_map_claim(w.map->blocks, *cursor, PAGES, g_rand_int_range(w.rand, 1, PAGE_MAP_RUN + 1), &run)) {
        *cursor = 0;
        return false;
    }
    *cursor = run.end;
    guest_acts(false);
    for (unsigned n = 0; n < PAGE_MAP_RUN; n++) {
        if (bitmap_test(run.pages, n)) {
            send_page(&run, n);
            guest_acts(false);
        }
    }
    page_map_claim_done(w.map->blocks, &run);
    return true;
}

/* Rule 1's order. */
static void open_request(void)
{
    page_map_prepare_epoch(w.map);
    page_map_sync(w.map);
    guest_acts(false);
    page_map_lock(w.map);
    page_map_begin_epoch(w.map);
    w.id++;
    page_map_unlock(w.map);
}

/* What a guest said under an earlier id binds nobody any more, except where it was believed then. */
static void close_request(void)
{
    page_map_lock(w.map);
    w.id = 0;
    page_map_unlock(w.map);
    page_map_settle(w.map);
}

/* "That was all": nothing is settled by it, and the next request may follow at once. */
static void guest_stop(void)
{
    page_map_lock(w.map);
    w.id = 0;
    page_map_unlock(w.map);
}

/* What may go on while the helper looks, too. */
static void migration_acts(void)
{
    static uint64_t cursor;

    switch (g_rand_int_range(w.rand, 0, 8)) {
    case 0:
    case 1:
        page_map_sync(w.map);
        break;
    case 2:
        if (!w.id) {
            open_request();
        }
        break;
    case 3:
        if (chance(20)) {
            guest_stop();
        }
        break;
    default:
        send_window(&cursor);
    }
}

static void migration_step(void)
{
    guest_acts(false);
    if (chance(20)) {
        page_map_look(w.map);
    } else if (w.id && chance(2)) {
        close_request();
    } else {
        migration_acts();
    }
}

/* Ours instead of the library's: what the helper saw is old by the time that it decides. */
bool buffer_is_zero(const void *data, size_t length)
{
    bool zero = !*(const uint64_t *)data;

    guest_acts(false);
    for (int i = w.guest_runs ? g_rand_int_range(w.rand, 0, 12) : 0; i > 9; i--) {
        migration_acts();
    }
    return zero;
}

/* ---- one run ---- */

static void world_init(uint32_t seed, bool pristine)
{
    struct ram_block *block = w.block;

    memset(&w, 0, sizeof(w));
    w.block = block;
    w.rand = g_rand_new_with_seed(seed);
    w.next_value = 1;
    w.guest_runs = true;
    for (unsigned page = 0; page < PAGES; page++) {
        w.populated[page] = chance(60);
        *page_at(page) = w.populated[page] && chance(70) ? w.next_value++ : 0;
        w.destination[page] = pristine ? 0 : 0xdead;
    }
    w.map = page_map_new(&fake_log, pristine);
}

static unsigned lost_pages(void)
{
    unsigned lost = 0;

    for (unsigned page = 0; page < PAGES; page++) {
        lost += w.destination[page] != *page_at(page) && !w.excused[page];
    }
    return lost;
}

/* Returns pages that differ though they must not. */
static unsigned run_once(uint32_t seed, bool pristine, bool broken_arm)
{
    uint64_t cursor = 0;
    unsigned lost;

    world_init(seed, pristine);
    w.broken_arm = broken_arm;
    page_map_scan_holes(w.map, NULL);
    for (int i = g_rand_int_range(w.rand, 10, 60); i > 0; i--) {
        migration_step();
    }
    close_request();
    guest_acts(false);
    w.guest_runs = false;
    do {
        page_map_sync(w.map);
        while (send_window(&cursor)) {
        }
    } while (page_map_dirty_count(w.map));
    lost = lost_pages();
    g_assert_cmpuint(w.map->doubt_count, ==, 0);
    g_assert_cmpuint(w.map->dirty_count, ==, 0);
    page_map_free(w.map);
    g_rand_free(w.rand);
    return lost;
}

static void test_no_lost_write(gconstpointer pristine)
{
    unsigned runs = g_test_slow() ? 50000 : 3000;

    for (uint32_t seed = 1; seed <= runs; seed++) {
        g_assert_cmpuint(run_once(seed, pristine != NULL, false), ==, 0);
    }
}

/* The model can tell: writers that are never armed again lose writes. */
static void test_model_notices(void)
{
    unsigned lost = 0;

    for (uint32_t seed = 1; seed <= 100; seed++) {
        lost += run_once(seed, true, true);
    }
    g_assert_cmpuint(lost, >, 0);
}

/* ---- single rules ---- */

static void quiet_init(bool pristine)
{
    world_init(1, pristine);
    w.guest_runs = false;
    for (unsigned page = 0; page < PAGES; page++) {
        w.populated[page] = true;
        *page_at(page) = 1;
    }
}

static void quiet_end(void)
{
    page_map_free(w.map);
    g_rand_free(w.rand);
}

static void hint(unsigned first, unsigned count)
{
    page_map_lock(w.map);
    hint_pages(first, count, NULL, false);
    page_map_unlock(w.map);
}

static void test_epochs(void)
{
    quiet_init(false);
    open_request();
    guest_write(70, 5);
    hint(64, 64);
    g_assert_cmpuint(w.map->dirty_count, ==, PAGES - 64);
    g_assert_cmpuint(w.map->doubt_count, ==, 1);
    page_map_look(w.map);
    g_assert_cmpuint(w.map->dirty_count, ==, PAGES - 63); /* not pristine: a page that was written must go */
    hint(64, 64);                                         /* hinted again: written since the request, still */
    page_map_settle(w.map);
    g_assert_true(bitmap_test(w.map->blocks->dirty, 70));
    quiet_end();
}

/* A page beside the free ones loses its mark to the fetch: it must go, and nobody may read it before the arming. */
static void test_bitmap(void)
{
    unsigned long words[2] = { 0xff00, 1 };

    quiet_init(false);
    open_request();
    guest_write(64, 5);
    guest_write(65, 5);
    page_map_lock(w.map);
    g_assert_cmpuint(hint_pages(0, 128, words, false), ==, 8);
    page_map_unlock(w.map);
    g_assert_cmpuint(w.map->dirty_count, ==, PAGES - 8 - 2);
    g_assert_cmpuint(w.map->doubt_count, ==, 2);
    g_assert_false(bitmap_test(w.map->blocks->dirty, 65));
    page_map_look(w.map);
    g_assert_true(bitmap_test(w.map->blocks->dirty, 64));
    g_assert_true(bitmap_test(w.map->blocks->dirty, 65));
    g_assert_cmpuint(w.map->dirty_count, ==, PAGES - 8);
    quiet_end();
}

static void test_zeroed_before_hint(void)
{
    uint64_t skipped[SKIP_REASONS];
    uint64_t cursor = 0;

    quiet_init(true);
    open_request();
    guest_write(10, 0);
    guest_write(11, 0);
    guest_write(12, 3);
    hint(10, 3);
    page_map_look(w.map);
    g_assert_false(bitmap_test(w.map->blocks->dirty, 10));
    g_assert_true(bitmap_test(w.map->blocks->dirty, 12));
    page_map_skipped(w.map, skipped);
    g_assert_cmpuint(skipped[SKIP_HINTED_ZERO], ==, 2);

    while (send_window(&cursor)) {
    }
    guest_write(20, 0); /* sent with content before: zeros must be sent too */
    hint(20, 1);
    page_map_look(w.map);
    g_assert_true(bitmap_test(w.map->blocks->dirty, 20));
    quiet_end();
}

static void test_poison(void)
{
    quiet_init(true);
    open_request();
    page_map_lock(w.map);
    g_assert_cmpuint(hint_pages(0, 10, NULL, true), ==, 10);
    w.map->pristine = false;
    g_assert_cmpuint(hint_pages(10, 10, NULL, true), ==, 0);
    page_map_unlock(w.map);
    quiet_end();
}

static void test_holes(void)
{
    uint64_t skipped[SKIP_REASONS];

    quiet_init(true);
    memset(w.populated, 0, PAGES / 2);
    page_map_scan_holes(w.map, NULL);
    g_assert_cmpuint(w.map->populated_pages, ==, PAGES / 2);
    g_assert_cmpuint(w.map->dirty_count, ==, PAGES / 2);
    page_map_skipped(w.map, skipped);
    g_assert_cmpuint(skipped[SKIP_HOLE], ==, PAGES / 2);
    quiet_end();
}

static void test_absent(void)
{
    struct page_run run;
    uint64_t cursor = 0;

    quiet_init(true);
    page_map_absent(w.map->blocks, 0, 10, SKIP_INFLATED);
    g_assert_cmpuint(w.map->dirty_count, ==, PAGES - 10);
    while (send_window(&cursor)) {
    }
    *page_at(100) = 0; /* discarded after it was sent */
    page_map_absent(w.map->blocks, 100, 1, SKIP_REPORTED);
    g_assert_true(page_map_claim(w.map->blocks, 0, PAGES, PAGES, &run));
    g_assert_true(bitmap_test(run.pages, 100 - run.first));
    g_assert_true(bitmap_test(run.hole, 100 - run.first));
    quiet_end();
}

static void no_marks(struct ram_block *b, uint64_t first, uint64_t count, unsigned long *into)
{
}

static void no_arm(void)
{
}

/* `count` hints of 4 MiB, each `step` megabytes after the one before. */
static void hint_walk(struct block_map *bm, int64_t at_mib, int step, unsigned count)
{
    page_map_lock(bm->map);
    for (unsigned i = 0; i < count; i++, at_mib += step) {
        page_map_hint(bm, at_mib << 8, 4 << 8, NULL, false);
    }
    page_map_unlock(bm->map);
}

static void check_passed(struct block_map *bm, uint64_t first_mib, uint64_t end_mib)
{
    uint64_t first, end;

    g_assert_true(page_map_passed(bm, &first, &end));
    g_assert_cmpuint(first >> 8, ==, first_mib);
    g_assert_cmpuint(end >> 8, ==, end_mib);
}

/* What a guest goes past while it hints in one direction; one that skips about passes nothing. */
static void test_passed(void)
{
    static const struct page_log log = { .refresh = no_arm, .take = no_marks, .arm = no_arm };
    struct ram_block *large = ram_block_new("large.ram", 4ull << 30, NULL);
    uint64_t first, end;
    struct page_run run;

    w.block->migratable = false;
    large->migratable = true;
    struct page_map *map = page_map_new(&log, true);
    struct block_map *bm = map->blocks;

    g_assert_false(page_map_passed(bm, &first, &end));
    hint_walk(bm, 2000, -4, 10);
    g_assert_false(page_map_passed(bm, &first, &end)); /* too few yet */
    hint_walk(bm, 1960, -4, 90);
    check_passed(bm, 1604, 2104);                      /* a quarter of 400 MiB behind its start */
    hint_walk(bm, 1400, -4, 100);                      /* 200 MiB in use, say */
    check_passed(bm, 1004, 2254);
    g_assert_true(page_map_claim(bm, 1004 << 8, 2254 << 8, PAGE_MAP_RUN, &run));
    g_assert_cmpuint(run.first >> 8, ==, 1404);
    hint_walk(bm, 1500, -4, 1);                        /* it comes back */
    g_assert_false(page_map_passed(bm, &first, &end));
    hint_walk(bm, 100, 4, 100);
    check_passed(bm, 0, 500);
    hint_walk(bm, 3000, -100, 20);                     /* leaves out more than it speaks of */
    g_assert_false(page_map_passed(bm, &first, &end));

    page_map_free(map);
    ram_block_free(large);
    w.block->migratable = true;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    w.block = ram_block_new("test.ram", PAGES * GUEST_PAGE_SIZE, NULL);
    w.block->migratable = true;
    g_test_add_data_func("/page-map/no-lost-write/pristine", "", test_no_lost_write);
    g_test_add_data_func("/page-map/no-lost-write/stock", NULL, test_no_lost_write);
    g_test_add_func("/page-map/model-notices", test_model_notices);
    g_test_add_func("/page-map/epochs", test_epochs);
    g_test_add_func("/page-map/bitmap", test_bitmap);
    g_test_add_func("/page-map/zeroed-before-hint", test_zeroed_before_hint);
    g_test_add_func("/page-map/poison", test_poison);
    g_test_add_func("/page-map/holes", test_holes);
    g_test_add_func("/page-map/absent", test_absent);
    g_test_add_func("/page-map/passed", test_passed);
    return g_test_run();
}
