/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>

#include "migration/rate-limit.h"

#define NS_PER_SEC     1000000000ull
#define SLICE_NS       (20 * 1000 * 1000)  /* one write's worth of time */
#define MAX_SLEEP_NS   (100 * 1000 * 1000) /* a new limit takes effect within this */
#define MIN_SLEEP_NS   (2 * 1000 * 1000)   /* shorter ones cost more than they are worth */
#define MEAN_CREDIT_NS (500 * 1000 * 1000)
#define PACE_CREDIT_NS SLICE_NS
/* Above this no link is limited by us (libvirt asks for 2^63 when it means "no limit"). */
#define UNLIMITED      (1ull << 40)

void rate_limit_init(struct rate_limit *limit, uint64_t rate, int64_t now)
{
    limit->rate = rate >= UNLIMITED ? 0 : rate;
    limit->mean = (struct rate_bucket){ .rate = rate, .start = now, .credit = MEAN_CREDIT_NS };
    limit->pace = (struct rate_bucket){ .rate = rate + rate / 4, .start = now, .credit = PACE_CREDIT_NS };
}

uint64_t rate_limit_slice(const struct rate_limit *limit)
{
    if (!limit->rate) {
        return UINT64_MAX;
    }
    return MAX(limit->rate / (NS_PER_SEC / SLICE_NS), 4096);
}

/* Nanoseconds until what was sent is due; the past does not count beyond the credit. */
static int64_t bucket_sent(struct rate_bucket *bucket, uint64_t bytes, int64_t now)
{
    int64_t wait;

    bucket->sent += bytes;
    /* Whole seconds' worth moves the origin on, so that the count stays small and exact. */
    bucket->start += bucket->sent / bucket->rate * NS_PER_SEC;
    bucket->sent %= bucket->rate;
    wait = bucket->start + (int64_t)((double)bucket->sent / bucket->rate * NS_PER_SEC) - now;
    if (wait < -bucket->credit) {
        bucket->start += -wait - bucket->credit;
    }
    return wait;
}

int64_t rate_limit_sent(struct rate_limit *limit, uint64_t bytes, int64_t now)
{
    int64_t mean, pace;

    if (!limit->rate) {
        return 0;
    }
    mean = bucket_sent(&limit->mean, bytes, now);
    pace = bucket_sent(&limit->pace, bytes, now);
    return MAX(mean, pace) < MIN_SLEEP_NS ? 0 : MIN(MAX(mean, pace), MAX_SLEEP_NS);
}
