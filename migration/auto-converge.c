/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See auto-converge.h. */
#include "migration/auto-converge.h"

#include <glib.h>

#define PERIOD_NS 1000000000ll /* at least */
#define PERIODS   2            /* in a row, before anything is done */

void auto_converge_begin(struct auto_converge *a, int64_t now, uint64_t sent)
{
    *a = (struct auto_converge){ .period_start = now, .sent_before = sent };
}

/* With tailslow, no further down than to where writing would just be slow enough. */
static unsigned next_share(const struct auto_converge_parameters *p, double bearable, double written, unsigned share)
{
    unsigned step = p->increment;

    if (!share) {
        return p->initial;
    }
    if (p->tailslow) {
        double running = 100 - share;
        step = MIN(running - running * (bearable / written), (double)step);
    }
    return MIN(share + step, p->most);
}

unsigned auto_converge_sync(struct auto_converge *a, const struct auto_converge_parameters *p, int64_t now,
                            uint64_t written, uint64_t sent, unsigned share)
{
    a->written += written;
    if (now - a->period_start < PERIOD_NS) {
        return share;
    }
    double bearable = (double)(sent - a->sent_before) * p->threshold / 100, found = (double)a->written;
    a->periods = found > bearable ? a->periods + 1 : a->periods;
    a->period_start = now;
    a->sent_before = sent;
    a->written = 0;
    if (found <= bearable || a->periods < PERIODS) {
        return share;
    }
    a->periods = 0;
    return next_share(p, bearable, found, share);
}
