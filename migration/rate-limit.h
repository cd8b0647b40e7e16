/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A limit on bytes per second. Pure: the caller brings the time and does the waiting. Private to migration/.
 *
 * Two buckets. The one keeps the mean: time that was lost (the receiver's first touch of memory, a busy host, a timer
 * that came late) is made up for, up to half a second of it. The other keeps the pace: making up happens at five
 * quarters of the limit, so that a stall is never followed by a burst at the channel's full speed.
 */
#ifndef FERRY_MIGRATION_RATE_LIMIT_H
#define FERRY_MIGRATION_RATE_LIMIT_H

#include <stdint.h>

struct rate_bucket {
    uint64_t rate;      /* bytes per second */
    int64_t start;      /* ns: `sent` counts from here */
    uint64_t sent;
    int64_t credit;     /* ns: what may be made up for at most */
};

struct rate_limit {
    uint64_t rate;      /* bytes per second; 0: no limit */
    struct rate_bucket mean, pace;
};

void rate_limit_init(struct rate_limit *limit, uint64_t rate, int64_t now);
/* What to write at once at most: short slices, so that others on the wire see no bursts. UINT64_MAX: no limit. */
uint64_t rate_limit_slice(const struct rate_limit *limit);
/* `bytes` were written. Returns how long to wait (ns) before the next are. */
int64_t rate_limit_sent(struct rate_limit *limit, uint64_t bytes, int64_t now);

#endif
