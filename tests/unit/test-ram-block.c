/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RAM blocks: reservation, populated ranges, discarding, dirty logs. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory/ram-block.h"
#include "util/clock.h"
#include "util/main-loop.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

static struct ram_block *block_new(const char *idstr, uint64_t length)
{
    g_autoptr(GError) error = NULL;
    struct ram_block *block = ram_block_new(idstr, length, &error);
    g_assert_no_error(error);
    return block;
}

static void test_create(void)
{
    g_autoptr(GError) error = NULL;
    uint64_t offset = 0;
    struct ram_block *a = block_new("a", 4 * MIB), *b = block_new("b", 4096);
    g_assert_true(ram_blocks == a && a->next == b && !b->next);
    g_assert_cmphex((uintptr_t)a->host % (2 * MIB), ==, 0);
    g_assert_cmpuint(ram_total(), ==, 4 * MIB + 4096);
    g_assert_true(ram_block_find("b") == b && !ram_block_find("c"));
    g_assert_true(ram_block_from_host(a->host + 4097, &offset) == a && offset == 4097);
    g_assert_null(ram_block_from_host(&offset, &offset));

    g_assert_null(ram_block_new("a", 4096, &error));
    g_assert_nonnull(strstr(error->message, "'a'"));
    g_clear_error(&error);
    g_assert_null(ram_block_new("c", 4097, &error));
    g_assert_nonnull(strstr(error->message, "4097"));
    g_clear_error(&error);
    g_assert_null(ram_block_new("c", 1ull << 62, &error));
    g_assert_nonnull(strstr(error->message, "'c'"));
    g_clear_error(&error);
    g_autofree char *name = g_strnfill(256, 'x');
    g_assert_null(ram_block_new(name, 4096, &error));
    ram_block_free(a);
    g_assert_true(ram_blocks == b);
    ram_block_free(b);
}

/* Touches some pages of a block far larger than the host, and asks which. */
static void check_populated(uint64_t length, bool plain)
{
    struct ram_block *block = block_new("big", length);
    uint64_t pages = length / GUEST_PAGE_SIZE;
    /* Without huge pages a touch populates exactly one page. */
    madvise(block->host, length, MADV_NOHUGEPAGE);
    uint64_t touched[] = { 0, 1, 2, 511, 512, 1000003 % pages, pages / 2 + 77, pages - 1 };
    for (size_t i = 0; i < G_N_ELEMENTS(touched); i++) {
        block->host[touched[i] * GUEST_PAGE_SIZE + 5] = 1;
    }
    unsigned long *populated = bitmap_new(pages);
    GError *error = NULL;
    ram_block_populated_plain = plain;
    int64_t begin = vm_clock_ns(VM_CLOCK_REALTIME);
    g_assert_true(ram_block_populated(block, 0, pages, populated, &error));
    double ms = (double)(vm_clock_ns(VM_CLOCK_REALTIME) - begin) / 1e6;
    g_test_message("%u GiB %s: %.2f ms", (unsigned)(length / GIB), plain ? "pagemap" : "scan", ms);
    g_assert_cmpuint(bitmap_count(populated, 0, pages), ==, G_N_ELEMENTS(touched));
    for (size_t i = 0; i < G_N_ELEMENTS(touched); i++) {
        g_assert_true(bitmap_test(populated, touched[i]));
    }
    /* A window: bit 0 is its first page. */
    memset(populated, 0, 64);
    g_assert_true(ram_block_populated(block, 510, 4, populated, &error));
    g_assert_cmphex(populated[0], ==, 0x6);
    ram_block_populated_plain = false;
    bitmap_free(populated, pages);
    ram_block_free(block);
}

static void test_populated(void)
{
    check_populated(256 * GIB, false);
}

static void test_populated_plain(void)
{
    check_populated(4 * GIB, true);
}

/* The ways agree on a random pattern; what was only read counts as populated at most in the plain way. */
static void test_populated_agree(void)
{
    enum { PAGES = 4096 };
    struct ram_block *block = block_new("r", PAGES * GUEST_PAGE_SIZE);
    madvise(block->host, block->max_length, MADV_NOHUGEPAGE);
    unsigned long *model = bitmap_new(PAGES), *scan = bitmap_new(PAGES), *plain = bitmap_new(PAGES);
    for (int i = 0; i < 300; i++) {
        uint64_t first = g_random_int_range(0, PAGES), count = g_random_int_range(1, 8);
        count = MIN(count, PAGES - first);
        memset(block->host + first * GUEST_PAGE_SIZE, i % 3, count * GUEST_PAGE_SIZE);
        bitmap_set(model, first, count);
    }
    g_assert_true(ram_block_discard(block, 100 * GUEST_PAGE_SIZE, 50 * GUEST_PAGE_SIZE, NULL));
    bitmap_clear(model, 100, 50);
    g_assert_cmpint(block->host[120 * GUEST_PAGE_SIZE], ==, 0); /* a look, which does not populate for us */
    g_assert_true(ram_block_populated(block, 0, PAGES, scan, NULL));
    ram_block_populated_plain = true;
    g_assert_true(ram_block_populated(block, 0, PAGES, plain, NULL));
    ram_block_populated_plain = false;
    for (uint64_t page = 0; page < PAGES; page++) {
        g_assert_true(!bitmap_test(model, page) || (bitmap_test(scan, page) && bitmap_test(plain, page)));
        g_assert_true(page == 120 || bitmap_test(plain, page) == bitmap_test(model, page));
        g_assert_true(page == 120 || bitmap_test(scan, page) == bitmap_test(model, page));
    }
    bitmap_free(model, PAGES);
    bitmap_free(scan, PAGES);
    bitmap_free(plain, PAGES);
    ram_block_free(block);
}

static void check_fd(bool shared)
{
    enum { PAGES = 256 };
    GError *error = NULL;
    int fd = memfd_create("ram", MFD_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, PAGES * 4096), ==, 0);
    g_assert_cmpint(pwrite(fd, "x", 1, 7 * 4096), ==, 1); /* somebody else's data, which we never mapped */
    struct ram_block *block = ram_block_new_fd("fd", PAGES * 4096, fd, shared, &error);
    g_assert_no_error(error);
    madvise(block->host, block->max_length, MADV_NOHUGEPAGE);
    block->host[20 * 4096] = 1;
    block->host[7 * 4096 + 1] = 1;
    unsigned long populated[PAGES / 64] = { 0 };
    g_assert_true(ram_block_populated(block, 0, PAGES, populated, &error));
    g_assert_cmphex(populated[0], ==, BIT(7) | BIT(20));
    g_assert_cmpuint(bitmap_count(populated, 0, PAGES), ==, 2);
    g_assert_true(ram_block_discard(block, 7 * 4096, 4096, &error));
    g_assert_cmpint(block->host[7 * 4096], ==, 0);
    g_assert_cmpint(block->host[7 * 4096 + 1], ==, 0);
    g_assert_false(ram_block_discard(block, 1, 4096, &error));
    g_clear_error(&error);
    g_assert_false(ram_block_discard(block, (PAGES - 1) * 4096, 8192, &error));
    g_clear_error(&error);
    ram_block_free(block);
}

static void test_fd_shared(void)
{
    check_fd(true);
}

static void test_fd_private(void)
{
    check_fd(false);
}

/* A file shorter than the block is made long enough: no access may end in SIGBUS. */
static void test_fd_short(void)
{
    GError *error = NULL;
    int fd = memfd_create("ram", MFD_CLOEXEC);
    struct ram_block *block = ram_block_new_fd("fd", 16 * 4096, fd, true, &error);
    g_assert_no_error(error);
    g_assert_cmpint(block->host[15 * 4096], ==, 0);
    ram_block_free(block);
    g_assert_null(ram_block_new_fd("fd", 4096, 12345, true, &error));
    g_clear_error(&error);
}

static void test_dirty_log(void)
{
    struct ram_block *block = block_new("d", 200 * GUEST_PAGE_SIZE);
    unsigned long into[4] = { 0 };
    ram_block_mark_dirty(block, 0, 4096); /* no client: nothing happens */
    g_assert_true(ram_block_page_logged(block, 0));
    dirty_log_enable(DIRTY_CLIENT_MIGRATION);
    g_assert_true(dirty_log_enabled(DIRTY_CLIENT_MIGRATION));
    g_assert_false(ram_block_page_logged(block, 0));
    g_assert_cmpuint(ram_block_dirty_take(block, DIRTY_CLIENT_MIGRATION, 0, 200, into), ==, 0);

    ram_block_mark_dirty(block, 4095, 2);
    ram_block_mark_dirty(block, 60 * 4096, 70 * 4096);
    ram_block_mark_dirty(block, 199 * 4096 + 4095, 1);
    ram_block_mark_dirty(block, 200 * 4096, 0);
    g_assert_cmpuint(ram_block_dirty_take(block, DIRTY_CLIENT_MIGRATION, 62, 66, into), ==, 66);
    g_assert_cmpuint(bitmap_count(into, 62, 66), ==, 66);
    g_assert_cmpuint(bitmap_count(into, 0, 200), ==, 66);
    bitmap_set(into, 0, 1); /* known already: not counted as new */
    g_assert_cmpuint(ram_block_dirty_take(block, DIRTY_CLIENT_MIGRATION, 0, 200, into), ==, 1 + 2 + 2 + 1);
    g_assert_cmpuint(ram_block_dirty_take(block, DIRTY_CLIENT_MIGRATION, 0, 200, into), ==, 0);

    /* Clients are apart; a page counts as logged when both have it. */
    dirty_log_enable(DIRTY_CLIENT_CODE);
    ram_block_mark_dirty_client(block, DIRTY_CLIENT_CODE, 5);
    g_assert_false(ram_block_page_logged(block, 5));
    ram_block_mark_dirty_client(block, DIRTY_CLIENT_MIGRATION, 5);
    g_assert_true(ram_block_page_logged(block, 5));

    /* A block that comes later has the logs too, and a log that comes back is clean. */
    struct ram_block *late = block_new("late", 4096);
    g_assert_false(ram_block_page_logged(late, 0));
    dirty_log_disable(DIRTY_CLIENT_MIGRATION);
    dirty_log_enable(DIRTY_CLIENT_MIGRATION);
    g_assert_cmpuint(ram_block_dirty_take(block, DIRTY_CLIENT_MIGRATION, 0, 200, into), ==, 0);
    dirty_log_disable(DIRTY_CLIENT_MIGRATION);
    dirty_log_disable(DIRTY_CLIENT_CODE);
    ram_block_free(block);
    ram_block_free(late);
}

#define RACE_PAGES 512
static int race_value[RACE_PAGES]; /* atomic; what a writer "wrote" */

static gpointer race_writer(gpointer opaque)
{
    for (int round = 1; round <= 200; round++) {
        for (uint64_t page = 0; page < RACE_PAGES; page++) {
            __atomic_store_n(&race_value[page], round, __ATOMIC_RELAXED);
            ram_block_mark_dirty(opaque, page * GUEST_PAGE_SIZE, 1);
        }
    }
    return NULL;
}

static void copy_taken(struct ram_block *block, int *copy)
{
    unsigned long taken[RACE_PAGES / 64] = { 0 };
    ram_block_dirty_take(block, DIRTY_CLIENT_MIGRATION, 0, RACE_PAGES, taken);
    for (uint64_t page = bitmap_next_set(taken, RACE_PAGES, 0); page < RACE_PAGES;
         page = bitmap_next_set(taken, RACE_PAGES, page + 1)) {
        copy[page] = __atomic_load_n(&race_value[page], __ATOMIC_RELAXED);
    }
}

/* Write-then-mark against take-then-read: after the last take the copy is complete. */
static void test_dirty_race(void)
{
    struct ram_block *block = block_new("race", RACE_PAGES * GUEST_PAGE_SIZE);
    int copy[RACE_PAGES] = { 0 };
    dirty_log_enable(DIRTY_CLIENT_MIGRATION);
    GThread *writer = g_thread_new("writer", race_writer, block);
    for (int i = 0; i < 2000; i++) {
        copy_taken(block, copy);
    }
    g_thread_join(writer);
    copy_taken(block, copy);
    g_assert_cmpmem(copy, sizeof(copy), race_value, sizeof(race_value));
    dirty_log_disable(DIRTY_CLIENT_MIGRATION);
    ram_block_free(block);
}

static gpointer mark_forever(gpointer opaque)
{
    for (int i = 0; i < 100000; i++) {
        ram_block_mark_dirty(opaque, (uint64_t)(i % 1000) * GUEST_PAGE_SIZE, 1);
    }
    return NULL;
}

/* Clients come and go under writers. */
static void test_toggle_race(void)
{
    struct ram_block *block = block_new("toggle", 1000 * GUEST_PAGE_SIZE);
    GThread *writer = g_thread_new("writer", mark_forever, block);
    for (int i = 0; i < 1000; i++) {
        dirty_log_enable(DIRTY_CLIENT_MIGRATION);
        dirty_log_disable(DIRTY_CLIENT_MIGRATION);
    }
    g_thread_join(writer);
    ram_block_free(block);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/ram-block/create", test_create);
    g_test_add_func("/ram-block/populated", test_populated);
    g_test_add_func("/ram-block/populated-plain", test_populated_plain);
    g_test_add_func("/ram-block/populated-agree", test_populated_agree);
    g_test_add_func("/ram-block/fd-shared", test_fd_shared);
    g_test_add_func("/ram-block/fd-private", test_fd_private);
    g_test_add_func("/ram-block/fd-short", test_fd_short);
    g_test_add_func("/dirty/log", test_dirty_log);
    g_test_add_func("/dirty/race", test_dirty_race);
    g_test_add_func("/dirty/toggle-race", test_toggle_race);
    return g_test_run();
}
