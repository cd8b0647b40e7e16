/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests for free pages: who is asked, when a request ends, that the guest always gets its pages back. */
#include <string.h>

#include "migration/free-page.h"
#include "migration/migration-private.h"
#include "system/runstate.h"
#include "util/main-loop.h"

#define PAGES 1024
#define MIB   (1ull << 20)

/* What the run state machine would do with it. */
static struct runstate_listener *stop_listener;
void runstate_listener_add(struct runstate_listener *listener)
{
    stop_listener = listener;
}

static struct ram_block *block;
static struct page_map *map;
static bool log_marks[PAGES], populated_from_start[PAGES];
static unsigned takes, looks;

static void fake_refresh(void)
{
    __atomic_add_fetch(&looks, 1, __ATOMIC_RELAXED);
}

static void fake_take(struct ram_block *b, uint64_t first, uint64_t count, unsigned long *into)
{
    __atomic_add_fetch(&takes, 1, __ATOMIC_RELAXED);
    for (uint64_t page = first; page < first + count; page++) {
        if (log_marks[page]) {
            bitmap_set(into, page, 1);
            log_marks[page] = false;
        }
    }
}

static void fake_arm(void)
{
}

static bool fake_populated(const struct ram_block *b, uint64_t first, uint64_t count, unsigned long *populated)
{
    for (uint64_t page = first; page < first + count; page++) {
        if (populated_from_start[page]) {
            bitmap_set(populated, page - first, 1);
        }
    }
    return true;
}

static const struct page_log fake_log = { .refresh = fake_refresh, .take = fake_take, .arm = fake_arm, .populated = fake_populated };

/* ---- the device ---- */

static struct {
    uint32_t id;
    unsigned samples, starts, stops, drains, dones, takes_at_start;
    FreePageState ready;
    unsigned ready_calls, changes_its_mind; /* from that call on there is no driver; 0: never */
    uint64_t guest_free;
    GString *order;
} device;

static FreePageState device_ready(struct free_page_provider *provider)
{
    g_assert_true(big_locked());
    device.ready_calls++;
    return device.changes_its_mind && device.ready_calls >= device.changes_its_mind ? FREE_PAGE_STATE_NO_DRIVER
                                                                                    : device.ready;
}

static void device_sample(struct free_page_provider *provider)
{
    g_assert_true(big_locked());
    device.samples++;
}

static uint64_t device_guest_free(struct free_page_provider *provider)
{
    return device.guest_free;
}

static void device_start(struct free_page_provider *provider, uint32_t id)
{
    g_assert_true(big_locked());
    g_assert_cmpint(device.ready, ==, FREE_PAGE_STATE_ACTIVE);
    g_assert_cmpuint(id, >, 1);
    g_assert_cmpuint(id, !=, device.id);
    __atomic_store_n(&device.id, id, __ATOMIC_RELAXED);
    device.starts++;
    device.takes_at_start = __atomic_load_n(&takes, __ATOMIC_RELAXED);
}

static void device_stop(struct free_page_provider *provider)
{
    g_assert_true(big_locked());
    device.stops++;
    g_string_append_c(device.order, 's');
}

static void device_drain(struct free_page_provider *provider)
{
    device.drains++;
    g_string_append_c(device.order, 'r');
}

static void device_done(struct free_page_provider *provider)
{
    g_assert_true(big_locked());
    device.dones++;
    g_string_append_c(device.order, 'd');
}

static struct free_page_provider provider = { .name = "balloon0", .ready = device_ready, .start = device_start,
                                              .stop = device_stop, .drain = device_drain, .done = device_done,
                                              .sample = device_sample, .guest_free = device_guest_free };

/* ---- a migration ---- */

static struct migration_parameters parameters;

static unsigned pass;

static void next_round(void)
{
    big_unlock();
    free_page_round(++pass);
    big_lock();
}

static void begin(void)
{
    free_page_begin(map, &parameters);
    pass = 0;
    next_round();
}

static bool tick(int64_t ms_from_now)
{
    big_unlock();
    bool hold = free_page_tick(migration_now() + ms_from_now * 1000000);
    big_lock();
    return hold;
}

static void setup(void)
{
    parameters =
        (struct migration_parameters){ .hint_head_start = 1000,
                                       .hint_timeout = 5000,
                                       .hint_threshold = 0,
                                       .hint_growth = 100000 /* never, whatever a sanitizer's own memory does */ };
    g_string_free(device.order ? device.order : g_string_new(NULL), TRUE);
    device.starts = device.stops = device.drains = device.dones = 0; /* the id stays: none comes twice */
    device.ready = FREE_PAGE_STATE_ACTIVE;
    device.ready_calls = device.changes_its_mind = 0;
    device.guest_free = UINT64_MAX;
    device.order = g_string_new(NULL);
    memset(log_marks, 0, sizeof(log_marks));
    memset(populated_from_start, 1, sizeof(populated_from_start));
    __atomic_store_n(&takes, 0, __ATOMIC_RELAXED);
    map = page_map_new(&fake_log, true);
    page_map_scan_holes(map, free_page_absent_words);
}

static void finish(void)
{
    free_page_end();
    page_map_free(map);
    map = NULL;
}

static enum free_page_verdict hint_bytes(uint32_t id, uint64_t offset, uint64_t length)
{
    struct free_page_range range = { block, offset, length };

    return free_page_hint(id, &range, 1);
}

static enum free_page_verdict hint(uint32_t id, unsigned first, unsigned count)
{
    return hint_bytes(id, first * GUEST_PAGE_SIZE, count * GUEST_PAGE_SIZE);
}

static void check_state(const char *state)
{
    struct migration_totals totals = { 0 };
    FreePageStats *stats = free_page_stats(&totals);

    g_assert_cmpstr(FreePageState_str(stats->state), ==, state);
    qapi_free_FreePageStats(stats);
}

static FreePageStats *stats_now(void)
{
    struct migration_totals totals = { 0 };

    page_map_skipped(map, totals.skipped);
    return free_page_stats(&totals);
}

/* ---- tests ---- */

static void test_request(void)
{
    setup();
    begin();
    g_assert_cmpuint(device.starts, ==, 1);
    g_assert_cmpuint(device.takes_at_start, >, 0); /* rule 1: a sync before the id is visible */
    check_state("active");
    g_assert_cmpint(hint(device.id, 100, 50), ==, FREE_PAGE_TAKEN);
    g_assert_cmpuint(page_map_dirty_count(map), ==, PAGES - 50);
    free_page_guest_stopped(device.id);
    check_state("stopped");
    g_assert_cmpuint(device.dones, ==, 0); /* the guest keeps its pages while that saves rounds */
    g_assert_cmpint(hint(device.id, 200, 50), ==, FREE_PAGE_LATE);
    g_assert_cmpuint(page_map_dirty_count(map), ==, PAGES - 50);
    free_page_close();
    g_assert_cmpstr(device.order->str, ==, "srd");
    free_page_close();
    finish();
    g_assert_cmpuint(device.dones, ==, 1);
}

/* A look into the log is dear: one for each batch that counts, one for each sync, and none for what is late. */
static void test_one_look_a_batch(void)
{
    struct free_page_range ranges[40];

    setup();
    begin();
    for (unsigned i = 0; i < G_N_ELEMENTS(ranges); i++) {
        ranges[i] = (struct free_page_range){ block, (uint64_t)i * 2 * GUEST_PAGE_SIZE, GUEST_PAGE_SIZE };
    }
    unsigned before = looks;
    g_assert_cmpint(free_page_hint(device.id, ranges, G_N_ELEMENTS(ranges)), ==, FREE_PAGE_TAKEN);
    g_assert_cmpuint(looks, ==, before + 1);
    g_assert_cmpint(free_page_hint(device.id + 1, ranges, G_N_ELEMENTS(ranges)), ==, FREE_PAGE_LATE);
    g_assert_cmpuint(looks, ==, before + 1);
    page_map_sync(map);
    g_assert_cmpuint(looks, ==, before + 2);
    finish();
}

static void test_wrong_id(void)
{
    FreePageStats *stats;

    setup();
    g_assert_cmpint(hint(5, 0, 10), ==, FREE_PAGE_LATE); /* no request */
    begin();
    g_assert_cmpint(hint(device.id - 1, 0, 10), ==, FREE_PAGE_LATE);
    g_assert_cmpint(hint(0, 0, 10), ==, FREE_PAGE_LATE);
    free_page_guest_stopped(device.id + 1);
    check_state("active");
    g_assert_cmpuint(page_map_dirty_count(map), ==, PAGES);
    stats = stats_now();
    g_assert_cmpuint(stats->late, ==, 2);
    g_assert_cmpuint(stats->hinted, ==, 0);
    qapi_free_FreePageStats(stats);
    finish();
}

/* Only whole pages count; what lies outside is rejected. */
static void test_ranges(void)
{
    FreePageStats *stats;

    setup();
    begin();
    hint_bytes(device.id, 4095, 4097);             /* page 1 */
    hint_bytes(device.id, 10, 4096);               /* none */
    hint_bytes(device.id, 2 * 4096, 3 * 4096 - 1); /* pages 2 and 3 */
    g_assert_cmpuint(page_map_dirty_count(map), ==, PAGES - 3);
    hint_bytes(device.id, PAGES * 4096ull, 4096);
    hint_bytes(device.id, (PAGES - 1) * 4096ull, 8192);
    hint_bytes(device.id, 4096, UINT64_MAX - 100);
    hint_bytes(device.id, UINT64_MAX - 4096, 8192);
    stats = stats_now();
    g_assert_cmpuint(stats->rejected, ==, 5);
    g_assert_cmpuint(stats->rejected_no_ram, ==, 4);
    g_assert_cmpuint(stats->rejected_partial, ==, 1);
    g_assert_cmpuint(stats->accepted, ==, 2);
    g_assert_cmpuint(stats->covered, ==, 3 * GUEST_PAGE_SIZE);
    g_assert_cmpuint(stats->hinted, ==, 3);
    g_assert_true(stats->has_time_to_first_hint);
    g_assert_false(stats->has_time_to_stop);
    qapi_free_FreePageStats(stats);
    g_assert_cmpuint(page_map_dirty_count(map), ==, PAGES - 3);
    finish();
}

/* Asked for once a migration, and told by the open request only. */
static void test_drop_caches(void)
{
    FreePageStats *stats;

    setup();
    parameters.drop_caches = GUEST_DROP_CACHES_ALL;
    begin();
    g_assert_cmpint(provider.drop_caches, ==, GUEST_DROP_CACHES_ALL);
    free_page_guest_dropped(device.id + 1, GUEST_DROP_CACHES_ALL, GUEST_DROP_CACHES_NONE, 1);
    stats = stats_now();
    g_assert_false(stats->has_caches_dropped);
    qapi_free_FreePageStats(stats);
    free_page_guest_dropped(device.id, GUEST_DROP_CACHES_SLAB, GUEST_DROP_CACHES_PAGECACHE, 4096);
    hint(device.id, 0, 600); /* so that it is asked again */
    free_page_guest_stopped(device.id);
    stats = stats_now();
    g_assert_true(stats->has_caches_dropped && stats->has_caches_refused && stats->has_caches_freed);
    g_assert_cmpint(stats->caches_dropped, ==, GUEST_DROP_CACHES_SLAB);
    g_assert_cmpint(stats->caches_refused, ==, GUEST_DROP_CACHES_PAGECACHE);
    g_assert_cmpuint(stats->caches_freed, ==, 4096);
    qapi_free_FreePageStats(stats);
    next_round();
    g_assert_cmpuint(device.starts, ==, 2);
    g_assert_cmpint(provider.drop_caches, ==, GUEST_DROP_CACHES_NONE);
    finish();
}

static void test_bitmap(void)
{
    unsigned long words[3] = { ~0ul, 0, 0xff };
    FreePageStats *stats;

    setup();
    begin();
    g_assert_cmpint(free_page_bitmap(device.id + 1, block, 128, 192, words), ==, FREE_PAGE_LATE);
    g_assert_cmpuint(page_map_dirty_count(map), ==, PAGES);
    g_assert_cmpint(free_page_bitmap(device.id, block, 128, 132, words), ==, FREE_PAGE_TAKEN); /* 4 of the last */
    g_assert_cmpuint(page_map_dirty_count(map), ==, PAGES - 68);
    free_page_bitmap(device.id, block, PAGES - 64, 128, words);
    free_page_bitmap(device.id, block, 1ull << 60, 64, words);
    g_assert_cmpuint(page_map_dirty_count(map), ==, PAGES - 68);
    stats = stats_now();
    g_assert_cmpuint(stats->late, ==, 1);
    g_assert_cmpuint(stats->rejected, ==, 2);
    g_assert_cmpuint(stats->hinted, ==, 68);
    qapi_free_FreePageStats(stats);
    finish();
}

static void test_deadline(void)
{
    setup();
    begin();
    tick(4900);
    check_state("active");
    tick(5100);
    check_state("timed-out");
    g_assert_cmpstr(device.order->str, ==, "srd");
    g_assert_cmpint(hint(device.id, 0, 10), ==, FREE_PAGE_LATE);
    finish();
    g_assert_cmpuint(device.dones, ==, 1);
}

static void test_growth(void)
{
    g_autofree uint8_t *some = NULL, *much = NULL;

#ifdef __SANITIZE_THREAD__
    g_test_skip("the sanitizer's shadow grows by several times as much");
    return;
#endif
    setup();
    parameters.hint_growth = 1; /* of 4 MiB: the least that is allowed, 64 MiB, counts */
    begin();
    some = g_malloc(32 * MIB);
    memset(some, 1, 32 * MIB);
    tick(100);
    check_state("active");
    much = g_malloc(64 * MIB);
    memset(much, 1, 64 * MIB);
    tick(200);
    check_state("growth");
    g_assert_cmpuint(device.dones, ==, 1);
    finish();
}

static void test_not_needed(void)
{
    setup();
    parameters.hint_threshold = 30;
    memset(populated_from_start, 0, PAGES * 3 / 4);
    page_map_scan_holes(map, free_page_absent_words);
    begin();
    check_state("not-needed");
    g_assert_cmpuint(device.starts, ==, 0);
    g_assert_false(tick(0));
    finish();
    g_assert_cmpuint(device.dones, ==, 0);

    setup();
    parameters.hint_threshold = 100; /* never */
    begin();
    check_state("disabled");
    finish();

    setup();
    parameters.hint_timeout = 0;
    begin();
    check_state("disabled");
    finish();
}

/* A guest that cannot be asked is not; the reason is told in words; each pass looks again. */
static void test_not_ready(void)
{
    FreePageStats *stats;

    setup();
    device.ready = FREE_PAGE_STATE_NO_DRIVER;
    begin();
    stats = stats_now();
    g_assert_cmpint(stats->state, ==, FREE_PAGE_STATE_NO_DRIVER);
    g_assert_cmpstr(stats->reason, ==, "the guest has no balloon driver that is ready");
    g_assert_cmpuint(stats->requests, ==, 0);
    qapi_free_FreePageStats(stats);
    g_assert_false(tick(0));
    device.ready = FREE_PAGE_STATE_NOT_NEGOTIATED;
    next_round();
    check_state("not-negotiated");
    device.ready = FREE_PAGE_STATE_ACTIVE;
    next_round();
    check_state("active");
    g_assert_false(tick(0)); /* no head start after the bulk stage */
    finish();
    g_assert_cmpuint(device.dones, ==, 1);

    setup();
    device.changes_its_mind = 2; /* while we sync */
    begin();
    check_state("no-driver");
    g_assert_cmpint(hint(device.id, 0, 10), ==, FREE_PAGE_LATE);
    finish();
    g_assert_cmpuint(device.starts, ==, 0);
    g_assert_cmpuint(device.dones, ==, 0);
}

static void stop_and_round(void)
{
    free_page_guest_stopped(device.id);
    next_round();
}

/* Each pass may ask anew, under an id of its own, if the last request ended well and enough is dirty again. */
static void test_rounds(void)
{
    uint32_t first;
    FreePageStats *stats;

    setup();
    parameters.hint_threshold = 25;
    begin();
    first = device.id;
    hint(first, 0, 600);
    next_round(); /* one that is open goes on */
    g_assert_cmpuint(device.starts, ==, 1);
    stop_and_round();
    g_assert_cmpuint(device.starts, ==, 2);
    g_assert_cmpint(hint(first, 700, 10), ==, FREE_PAGE_LATE);
    g_assert_cmpint(hint(device.id, 600, 300), ==, FREE_PAGE_TAKEN);
    stats = stats_now();
    g_assert_cmpuint(stats->requests, ==, 2);
    g_assert_cmpuint(stats->covered, ==, 900 * GUEST_PAGE_SIZE);
    g_assert_cmpuint(stats->late, ==, 1);
    qapi_free_FreePageStats(stats);
    stop_and_round(); /* 124 pages of 1024 are in question: not worth it */
    g_assert_cmpuint(device.starts, ==, 2);
    memset(log_marks, 1, 300 * sizeof(log_marks[0]));
    page_map_sync(map);
    next_round(); /* 424 again: a guest that goes on like that would be asked for ever */
    g_assert_cmpuint(device.starts, ==, 2);
    check_state("stopped");
    g_assert_cmpuint(device.dones, ==, 0);
    finish();
    g_assert_cmpstr(device.order->str, ==, "srd"); /* once for all of them */
    g_assert_cmpuint(device.dones, ==, 1);

    setup();
    begin();
    tick(5100);
    next_round(); /* a guest that did not answer in time is left alone */
    g_assert_cmpuint(device.starts, ==, 1);
    finish();
}

/* What the guest's own statistics called free when it was asked. */
static void test_coverage(void)
{
    FreePageStats *stats;

    setup();
    device.samples = 0;
    begin();
    g_assert_cmpuint(device.samples, ==, 1);
    stats = stats_now();
    g_assert_false(stats->has_guest_free);
    qapi_free_FreePageStats(stats);
    device.guest_free = 100 * GUEST_PAGE_SIZE;
    hint(device.id, 0, 60);
    stats = stats_now();
    g_assert_true(stats->has_guest_free);
    g_assert_cmpuint(stats->guest_free, ==, 100 * GUEST_PAGE_SIZE);
    g_assert_cmpuint(stats->covered, ==, 60 * GUEST_PAGE_SIZE);
    qapi_free_FreePageStats(stats);
    finish();
}

/* Rule 4: bounded by the parameter, by the guest's silence, and ended by its stop. */
static void test_head_start(void)
{
    setup();
    begin();
    g_assert_true(tick(0));
    g_assert_true(tick(200));
    g_assert_false(tick(600)); /* no sign of life for half a second */
    finish();

    setup();
    begin();
    hint(device.id, 0, 10);
    g_assert_false(tick(200)); /* it was at it, and then nothing came for 100 ms */
    finish();

    setup();
    begin();
    hint(device.id, 0, 10);
    g_assert_true(tick(50));
    g_assert_false(tick(1100));
    free_page_guest_stopped(device.id);
    g_assert_false(tick(0));
    finish();

    setup();
    parameters.hint_head_start = 0;
    begin();
    g_assert_false(tick(0));
    finish();
}

/* Rule 5: VM stop, unplug. */
static void test_ends(void)
{
    setup();
    begin();
    stop_listener->changed(stop_listener->opaque, false, RUN_STATE_PAUSED);
    check_state("vm-stopped");
    g_assert_cmpstr(device.order->str, ==, "srd");
    finish();

    setup();
    begin();
    free_page_provider_unregister(&provider);
    check_state("unplugged");
    g_assert_cmpuint(device.dones, ==, 1);
    g_assert_cmpint(hint(device.id, 0, 10), ==, FREE_PAGE_LATE);
    tick(10000);
    next_round(); /* nobody is there to be asked */
    check_state("unplugged");
    finish();

    setup();
    begin();
    check_state("no-device");
    finish();
    g_assert_true(free_page_provider_register(&provider, NULL));

    setup();
    begin();
    free_page_device_stopped(device.id, FREE_PAGE_STATE_RESET);
    check_state("reset");
    g_assert_cmpint(hint(device.id, 0, 10), ==, FREE_PAGE_LATE);
    finish();
    g_assert_cmpuint(device.dones, ==, 1);
}

static void test_one_provider(void)
{
    struct free_page_provider other = { .name = "balloon1" };
    GError *error = NULL;

    g_assert_false(free_page_provider_register(&other, &error));
    g_assert_cmpstr(error->message, ==, "'balloon0' provides free pages already; 'balloon1' cannot as well");
    g_error_free(error);
    free_page_provider_unregister(&other); /* not the one: no effect */
    setup();
    begin();
    check_state("active");
    finish();
}

/* The helper looks at pages that were zeroed before they were hinted. */
static void test_doubt(void)
{
    FreePageStats *stats;

    setup();
    begin();
    memset(block->host + 10 * GUEST_PAGE_SIZE, 0, 2 * GUEST_PAGE_SIZE);
    memset(block->host + 12 * GUEST_PAGE_SIZE, 1, GUEST_PAGE_SIZE);
    log_marks[10] = log_marks[11] = log_marks[12] = true;
    hint(device.id, 0, 20);
    free_page_guest_stopped(device.id);
    for (int i = 0; i < 2000 && page_map_dirty_count(map) != PAGES - 19; i++) {
        g_usleep(1000);
    }
    g_assert_cmpuint(page_map_dirty_count(map), ==, PAGES - 19);
    stats = stats_now();
    g_assert_cmpuint(stats->hinted, ==, 17);
    g_assert_cmpuint(stats->hinted_zero, ==, 2);
    qapi_free_FreePageStats(stats);
    g_assert_cmpuint(map->doubt_sent, ==, 1);
    memset(block->host + 12 * GUEST_PAGE_SIZE, 0, GUEST_PAGE_SIZE);
    finish();
}

static void test_absent(void)
{
    FreePageStats *stats;

    free_page_absent(block, 0, 10 * GUEST_PAGE_SIZE, ABSENT_INFLATED); /* before any migration */
    free_page_absent(block, 10 * GUEST_PAGE_SIZE, 5 * GUEST_PAGE_SIZE, ABSENT_REPORTED);
    setup();
    memset(populated_from_start, 0, 20);
    page_map_scan_holes(map, free_page_absent_words);
    begin();
    free_page_absent(block, 100 * GUEST_PAGE_SIZE, 3 * GUEST_PAGE_SIZE, ABSENT_REPORTED);
    stats = stats_now();
    g_assert_cmpuint(stats->inflated, ==, 10);
    g_assert_cmpuint(stats->reported, ==, 8);
    g_assert_cmpuint(stats->never_populated, ==, 5);
    qapi_free_FreePageStats(stats);
    finish();
}

/* Hints from another thread at every moment of a migration's life; the sanitizers watch. */
static int hammering;
static gpointer hammer(gpointer unused)
{
    while (__atomic_load_n(&hammering, __ATOMIC_ACQUIRE)) {
        uint32_t id = __atomic_load_n(&device.id, __ATOMIC_RELAXED);

        hint(id, g_random_int_range(0, PAGES - 64), 64);
        free_page_absent(block, 0, GUEST_PAGE_SIZE, ABSENT_REPORTED);
    }
    return NULL;
}

static void test_threads(void)
{
    GThread *thread;

    __atomic_store_n(&hammering, 1, __ATOMIC_RELEASE);
    thread = g_thread_new("hammer", hammer, NULL);
    for (int i = 0; i < 50; i++) {
        setup();
        begin();
        g_usleep(200);
        page_map_sync(map);
        finish();
        g_assert_cmpuint(device.dones, ==, 1);
    }
    __atomic_store_n(&hammering, 0, __ATOMIC_RELEASE);
    g_thread_join(thread);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    free_page_init();
    block = ram_block_new("pc.ram", PAGES * GUEST_PAGE_SIZE, NULL);
    block->migratable = true;
    g_assert_true(free_page_provider_register(&provider, NULL));
    g_test_add_func("/free-page/request", test_request);
    g_test_add_func("/free-page/one-look-a-batch", test_one_look_a_batch);
    g_test_add_func("/free-page/wrong-id", test_wrong_id);
    g_test_add_func("/free-page/ranges", test_ranges);
    g_test_add_func("/free-page/bitmap", test_bitmap);
    g_test_add_func("/free-page/drop-caches", test_drop_caches);
    g_test_add_func("/free-page/deadline", test_deadline);
    g_test_add_func("/free-page/growth", test_growth);
    g_test_add_func("/free-page/not-needed", test_not_needed);
    g_test_add_func("/free-page/not-ready", test_not_ready);
    g_test_add_func("/free-page/rounds", test_rounds);
    g_test_add_func("/free-page/coverage", test_coverage);
    g_test_add_func("/free-page/head-start", test_head_start);
    g_test_add_func("/free-page/ends", test_ends);
    g_test_add_func("/free-page/one-provider", test_one_provider);
    g_test_add_func("/free-page/doubt", test_doubt);
    g_test_add_func("/free-page/absent", test_absent);
    g_test_add_func("/free-page/threads", test_threads);
    return g_test_run();
}
