/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>

#include "migration/rate-limit.h"

#define NS_PER_SEC   1000000000ull
#define SLICE_NS     (20 * 1000 * 1000)  /* one write's worth of time */
#define MAX_SLEEP_NS (100 * 1000 * 1000) /* a new limit takes effect within this */
/*
 * Time that was lost (the channel stalled, the host was busy) may be made up for, but not more than this: otherwise
 * a pause of seconds would be followed by a burst at full speed.
 */
#define CATCH_UP_NS  (50 * 1000 * 1000)
/* Above this no link is limited by us (libvirt asks for 2^63 when it means "no limit"). */
#define UNLIMITED    (1ull << 40)

void rate_limit_init(struct rate_limit *limit, uint64_t rate, int64_t now)
{
    limit->rate = rate >= UNLIMITED ? 0 : rate;
    limit->start = now;
    limit->sent = 0;
}

uint64_t rate_limit_slice(const struct rate_limit *limit)
{
    if (!limit->rate) {
        return UINT64_MAX;
    }
    return MAX(limit->rate / (NS_PER_SEC / SLICE_NS), 4096);
}

int64_t rate_limit_sent(struct rate_limit *limit, uint64_t bytes, int64_t now)
{
    uint64_t due_ns;
    int64_t wait;

    if (!limit->rate) {
        return 0;
    }
    limit->sent += bytes;
    /* Whole seconds' worth moves the origin on, so that the count stays small and exact. */
    while (limit->sent >= limit->rate) {
        limit->sent -= limit->rate;
        limit->start += NS_PER_SEC;
    }
    due_ns = (uint64_t)((double)limit->sent / limit->rate * NS_PER_SEC);
    wait = limit->start + (int64_t)due_ns - now;
    if (wait < -CATCH_UP_NS) {
        limit->start += -wait - CATCH_UP_NS;
    }
    return CLAMP(wait, 0, MAX_SLEEP_NS);
}
