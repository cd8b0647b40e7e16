/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a guest is to be slowed down because it writes faster than it can be sent: QEMU's rule. Pure. */
#ifndef FERRY_MIGRATION_AUTO_CONVERGE_H
#define FERRY_MIGRATION_AUTO_CONVERGE_H

#include <stdbool.h>
#include <stdint.h>

struct auto_converge_parameters {
    unsigned threshold;              /* bytes written per bytes sent from which a period counts, percent */
    unsigned initial, increment, most; /* shares of vCPU time, percent */
    bool tailslow;                   /* no larger a step than seems needed */
};

struct auto_converge {
    int64_t period_start;            /* ns */
    uint64_t sent_before, written;   /* bytes, in this period */
    unsigned periods;                /* that counted, in a row */
};

void auto_converge_begin(struct auto_converge *a, int64_t now, uint64_t sent);
/*
 * After each sync: `written` bytes were found dirty, `sent` have been sent in all. Returns the share of time that vCPUs
 * are to sleep from now on; `share` is today's, 0: none.
 */
unsigned auto_converge_sync(struct auto_converge *a, const struct auto_converge_parameters *p, int64_t now,
                            uint64_t written, uint64_t sent, unsigned share);

#endif
