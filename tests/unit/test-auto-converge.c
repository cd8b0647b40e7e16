/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a migration slows its guest down, and by how much. */
#include <glib.h>

#include "migration/auto-converge.h"

#define SECOND 1000000000ll
#define MB 1000000ull

static const struct auto_converge_parameters defaults = { .threshold = 50, .initial = 20, .increment = 10, .most = 99 };

/* `seconds` periods of one second, in each of which so much is written and sent; returns the share at the end. */
static unsigned periods(struct auto_converge *a, const struct auto_converge_parameters *p, int seconds, uint64_t written,
                        uint64_t sent, unsigned share)
{
    for (int i = 0; i < seconds; i++) {
        share = auto_converge_sync(a, p, a->period_start + SECOND, written, a->sent_before + sent, share);
    }
    return share;
}

static void test_two_in_a_row(void)
{
    struct auto_converge a;

    auto_converge_begin(&a, 5 * SECOND, 77);
    g_assert_cmpuint(periods(&a, &defaults, 1, 60 * MB, 100 * MB, 0), ==, 0);
    g_assert_cmpuint(periods(&a, &defaults, 1, 60 * MB, 100 * MB, 0), ==, 20);
    g_assert_cmpuint(periods(&a, &defaults, 1, 60 * MB, 100 * MB, 20), ==, 20);
    g_assert_cmpuint(periods(&a, &defaults, 1, 60 * MB, 100 * MB, 20), ==, 30);
}

static void test_slow_writers_are_left_alone(void)
{
    struct auto_converge a;

    auto_converge_begin(&a, 0, 0);
    g_assert_cmpuint(periods(&a, &defaults, 50, 50 * MB, 100 * MB, 0), ==, 0);
}

static void test_short_syncs_add_up(void)
{
    struct auto_converge a;
    unsigned share = 0;

    auto_converge_begin(&a, 0, 0);
    for (int64_t now = 1; now <= 20; now++) { /* each well below the threshold by itself, were it a period */
        share = auto_converge_sync(&a, &defaults, now * SECOND / 10, 6 * MB, now * 10 * MB, share);
        g_assert_cmpuint(share, ==, now == 20 ? 20 : 0);
    }
}

static void test_bounded(void)
{
    struct auto_converge_parameters p = defaults;
    struct auto_converge a;

    p.most = 45;
    auto_converge_begin(&a, 0, 0);
    g_assert_cmpuint(periods(&a, &p, 40, 900 * MB, 100 * MB, 0), ==, 45);
}

static void test_tailslow(void)
{
    struct auto_converge_parameters p = defaults;
    struct auto_converge a;

    p.tailslow = true;
    auto_converge_begin(&a, 0, 0);
    /* 52 MB where 50 are bearable: of the 60 % that run, 2/52 too many */
    g_assert_cmpuint(periods(&a, &p, 2, 52 * MB, 100 * MB, 40), ==, 42);
    g_assert_cmpuint(periods(&a, &p, 2, 500 * MB, 100 * MB, 40), ==, 50);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/auto-converge/two-in-a-row", test_two_in_a_row);
    g_test_add_func("/auto-converge/slow-writers", test_slow_writers_are_left_alone);
    g_test_add_func("/auto-converge/short-syncs", test_short_syncs_add_up);
    g_test_add_func("/auto-converge/bounded", test_bounded);
    g_test_add_func("/auto-converge/tailslow", test_tailslow);
    return g_test_run();
}
