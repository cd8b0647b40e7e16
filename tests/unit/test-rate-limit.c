/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The limiter against a simulated clock and channel: the mean holds over stalls, slices stay short, no bursts. */
#include <glib.h>

#include "migration/rate-limit.h"

#define MS 1000000ll

/* A channel and a host, simulated. All in nanoseconds. */
struct world {
    int64_t now;
    int64_t overhead;     /* of each write */
    double ns_per_byte;   /* of the channel */
    int64_t oversleep;    /* how late timers are */
    int64_t stall, next_stall, every; /* the channel stands still for `stall` at times, from `next_stall` on */
};

static void write_bytes(struct world *w, uint64_t n)
{
    w->now += w->overhead + (int64_t)(n * w->ns_per_byte);
    if (w->stall && w->now >= w->next_stall) {
        w->now += w->stall;
        w->next_stall = w->now + w->every;
    }
}

/* Sends for `ms` milliseconds of simulated time; returns bytes. */
static uint64_t run(struct rate_limit *limit, struct world *w, int64_t ms)
{
    int64_t end = w->now + ms * MS;
    uint64_t total = 0;

    while (w->now < end) {
        uint64_t n = MIN(rate_limit_slice(limit), 1 << 20);

        write_bytes(w, n);
        total += n;
        for (int64_t wait = rate_limit_sent(limit, n, w->now); wait > 0; wait = rate_limit_sent(limit, 0, w->now)) {
            g_assert_cmpint(wait, <=, 100 * MS);
            w->now += wait + w->oversleep;
        }
    }
    return total;
}

static void check_mean(struct world w, uint64_t rate)
{
    struct rate_limit limit;
    uint64_t sent;

    rate_limit_init(&limit, rate, w.now);
    sent = run(&limit, &w, 2000);
    g_assert_cmpuint(sent, >, rate * 2 * 98 / 100);
    g_assert_cmpuint(sent, <, rate * 2 * 102 / 100);
}

static void test_mean(void)
{
    for (uint64_t rate = 10000000; rate <= 1000000000; rate *= 10) {
        check_mean((struct world){ .now = 12345, .overhead = 10000 }, rate);
        check_mean((struct world){ .overhead = 100000, .ns_per_byte = 0.3, .oversleep = 5 * MS }, rate);
    }
}

/* The receiver's first touch of memory: short stalls often, or one long one. */
static void test_stalls(void)
{
    for (uint64_t rate = 10000000; rate <= 1000000000; rate *= 10) {
        for (int64_t stall = 10 * MS; stall <= 300 * MS; stall += 10 * MS) {
            struct world w = { .overhead = 10000, .ns_per_byte = 0.3, .oversleep = 200000, .stall = stall };

            w.next_stall = 200 * MS;
            w.every = stall <= 50 * MS ? 8 * stall : 3600000 * MS;
            check_mean(w, rate);
        }
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
    struct world w = { .overhead = 1000 };
    struct rate_limit limit;
    uint64_t sent;

    rate_limit_init(&limit, 100000000, 0);
    run(&limit, &w, 1000);
    w.now += 5000 * MS; /* the channel stalled */
    sent = run(&limit, &w, 100);
    g_assert_cmpuint(sent, <, 17000000); /* 100 ms' worth at 5/4, 20 ms' at once, and a write begun */
    sent += run(&limit, &w, 3900);
    g_assert_cmpuint(sent, >, 400000000);
    g_assert_cmpuint(sent, <, 400000000 + 51000000 + 2000000); /* half a second is made up for, not five */
}

/* A channel slower than the limit gives no right to a burst either once it is fast. */
static void test_slow_channel(void)
{
    struct world w = { .ns_per_byte = 20 };
    struct rate_limit limit;

    rate_limit_init(&limit, 100000000, 0);
    g_assert_cmpuint(run(&limit, &w, 10000), >=, 500000000);
    w.ns_per_byte = 0.3;
    g_assert_cmpuint(run(&limit, &w, 100), <, 17000000);
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
    g_test_add_func("/rate-limit/stalls", test_stalls);
    g_test_add_func("/rate-limit/slices", test_slices);
    g_test_add_func("/rate-limit/no-burst", test_no_burst);
    g_test_add_func("/rate-limit/slow-channel", test_slow_channel);
    g_test_add_func("/rate-limit/unlimited", test_unlimited);
    return g_test_run();
}
