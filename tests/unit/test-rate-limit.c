/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The limiter against a simulated clock and channel: the mean holds, slices stay short, a stall makes no burst. */
#include <glib.h>

#include "migration/rate-limit.h"

#define MS 1000000ll

/* Sends for `ms` milliseconds of simulated time; returns bytes. `overhead`: what each write takes by itself. */
static uint64_t run(struct rate_limit *limit, int64_t *now, int64_t ms, int64_t overhead)
{
    int64_t end = *now + ms * MS;
    uint64_t total = 0;

    while (*now < end) {
        uint64_t n = MIN(rate_limit_slice(limit), 1 << 20);

        *now += overhead;
        total += n;
        for (int64_t wait = rate_limit_sent(limit, n, *now); wait > 0; wait = rate_limit_sent(limit, 0, *now)) {
            g_assert_cmpint(wait, <=, 100 * MS);
            *now += wait;
        }
    }
    return total;
}

static void test_mean(void)
{
    for (uint64_t rate = 10000000; rate <= 1000000000; rate *= 10) {
        struct rate_limit limit;
        int64_t now = 12345;
        uint64_t sent;

        rate_limit_init(&limit, rate, now);
        sent = run(&limit, &now, 2000, 10000);
        g_assert_cmpuint(sent, >, rate * 2 * 98 / 100);
        g_assert_cmpuint(sent, <, rate * 2 * 102 / 100);
    }
}

static void test_slices(void)
{
    struct rate_limit limit;

    rate_limit_init(&limit, 10000000, 0);
    g_assert_cmpuint(rate_limit_slice(&limit), <=, 10000000 / 10);
    rate_limit_init(&limit, 100, 0);
    g_assert_cmpuint(rate_limit_slice(&limit), ==, 4096);
}

static void test_no_burst(void)
{
    struct rate_limit limit;
    int64_t now = 0;
    uint64_t sent;

    rate_limit_init(&limit, 100000000, now);
    run(&limit, &now, 1000, 1000);
    now += 5000 * MS; /* the channel stalled */
    sent = run(&limit, &now, 100, 1000);
    g_assert_cmpuint(sent, <, 10000000 * 17 / 10); /* 100 ms' worth, and 50 ms' of catching up */
}

static void test_unlimited(void)
{
    struct rate_limit limit;

    rate_limit_init(&limit, 0, 0);
    g_assert_cmpint(rate_limit_sent(&limit, UINT64_MAX / 2, 0), ==, 0);
    rate_limit_init(&limit, 9223372036853727232ull, 0); /* libvirt's way of saying so */
    g_assert_cmpint(rate_limit_sent(&limit, 1ull << 40, 0), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rate-limit/mean", test_mean);
    g_test_add_func("/rate-limit/slices", test_slices);
    g_test_add_func("/rate-limit/no-burst", test_no_burst);
    g_test_add_func("/rate-limit/unlimited", test_unlimited);
    return g_test_run();
}
