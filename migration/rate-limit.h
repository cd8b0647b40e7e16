/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A limit on bytes per second that holds over short times too. Pure: the caller brings the time and does the waiting.
 * Private to migration/.
 */
#ifndef FERRY_MIGRATION_RATE_LIMIT_H
#define FERRY_MIGRATION_RATE_LIMIT_H

#include <stdint.h>

struct rate_limit {
    uint64_t rate;      /* bytes per second; 0: no limit */
    int64_t start;      /* ns: `sent` counts from here */
    uint64_t sent;
};

void rate_limit_init(struct rate_limit *limit, uint64_t rate, int64_t now);
/* What to write at once at most: short slices, so that others on the wire see no bursts. UINT64_MAX: no limit. */
uint64_t rate_limit_slice(const struct rate_limit *limit);
/* `bytes` were written. Returns how long to wait (ns) before the next are. */
int64_t rate_limit_sent(struct rate_limit *limit, uint64_t bytes, int64_t now);

#endif
