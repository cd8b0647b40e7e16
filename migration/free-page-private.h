/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files about requests for free pages share. */
#ifndef FERRY_MIGRATION_FREE_PAGE_PRIVATE_H
#define FERRY_MIGRATION_FREE_PAGE_PRIVATE_H

#include "migration/free-page.h"
#include "migration/migration-private.h"

/* What one migration's requests came to; times of the last one. */
struct free_page_counts {
    FreePageState state;
    const char *option;                  /* FREE_PAGE_STATE_DISABLED: by which parameter */
    uint64_t in_question, total;         /* pages, when it was decided whether to ask */
    uint64_t requests, accepted, late, timed_out, rejected[FREE_PAGE_REJECTS];
    uint64_t covered;                    /* bytes in accepted ranges, of all requests */
    uint64_t covered_before, pass;       /* of the last request: what `covered` was before it, when it was made */
    int64_t first_hint_ns, stop_ns;      /* after the request; -1: not yet */
    int64_t head_start_ns;               /* how long guest RAM waited */
    bool dropped_caches;                 /* the guest was asked to, and has told of it: */
    GuestDropCaches dropped, refused;
    uint64_t dropped_bytes;
};
/* Big lock held. */
struct free_page_counts free_page_counts(void);
/* Bytes that were free when the guest was asked first, UINT64_MAX if it did not say. Big lock held. */
uint64_t free_page_guest_free(void);

/* free-page-stats.c: tells the operator how a request ended, or why none was made. No lock needed. */
void free_page_announce(const struct free_page_counts *counts);

#endif
