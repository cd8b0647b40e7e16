/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests for free pages as the operator sees them: query-migrate's free-pages, the event FREE_PAGE_HINT, trace
 * points.
 */
#include "migration/free-page-private.h"
#include "qapi/qapi-events.h"
#include "trace/migration.h"

#define NS_PER_MS 1000000

/* States that say all by themselves have no text. */
static const char *const state_reasons[FREE_PAGE_STATE__MAX] = {
    [FREE_PAGE_STATE_NO_DEVICE] = "the machine has no balloon device",
    [FREE_PAGE_STATE_NOT_OFFERED] = "the balloon device was started without free-page-hint=on or free-page-bitmap=on",
    [FREE_PAGE_STATE_NO_DRIVER] = "the guest has no balloon driver that is ready",
    [FREE_PAGE_STATE_NOT_NEGOTIATED] =
        "the guest's balloon driver does not tell its free pages in a way that the device offers",
    [FREE_PAGE_STATE_POISONED] = "the guest poisons its free pages, and relies on what it put there",
    [FREE_PAGE_STATE_BROKEN] = "the balloon device needs a reset by the guest",
    [FREE_PAGE_STATE_VM_STOPPED] = "the guest stands still and answers nothing",
    [FREE_PAGE_STATE_RESET] = "the guest reset the balloon device before it had said all",
    [FREE_PAGE_STATE_UNPLUGGED] = "the balloon device was unplugged before the guest had said all",
    [FREE_PAGE_STATE_TIMED_OUT] = "the guest did not say all within free-page-hint-timeout",
    [FREE_PAGE_STATE_GROWTH] =
        "this process grew by more than free-page-hint-growth allows: the guest populates what it hints",
};

/* NULL: none. Owned by the caller. */
static char *describe_state(const struct free_page_counts *counts)
{
    switch (counts->state) {
    case FREE_PAGE_STATE_DISABLED: return g_strdup_printf("the parameter %s says so", counts->option);
    case FREE_PAGE_STATE_NOT_NEEDED:
        return g_strdup_printf("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " MiB are in question, no more than "
                               "free-page-hint-threshold", counts->in_question >> 8, counts->total >> 8);
    default: return g_strdup(state_reasons[counts->state]);
    }
}

void free_page_announce(const struct free_page_counts *counts)
{
    g_autofree char *reason = describe_state(counts);
    uint64_t covered = counts->covered - counts->covered_before;

    trace_free_page_end(counts->pass, FreePageState_str(counts->state), counts->accepted, counts->late, covered,
                        counts->first_hint_ns, counts->stop_ns);
    if (migration_capability(MIGRATION_CAPABILITY_EVENTS)) {
        qapi_event_send_free_page_hint(counts->pass, counts->state, reason, covered, counts->stop_ns >= 0,
                                       MAX(counts->stop_ns, 0) / NS_PER_MS);
    }
}

static void fill_skipped(FreePageStats *stats, const uint64_t skipped[SKIP_REASONS])
{
    const struct {
        enum skip_reason reason;
        uint64_t *pages, *bytes;
    } rows[] = {
        { SKIP_HOLE, &stats->never_populated, &stats->never_populated_bytes },
        { SKIP_HINTED, &stats->hinted, &stats->hinted_bytes },
        { SKIP_HINTED_ZERO, &stats->hinted_zero, &stats->hinted_zero_bytes },
        { SKIP_REPORTED, &stats->reported, &stats->reported_bytes },
        { SKIP_INFLATED, &stats->inflated, &stats->inflated_bytes },
        { SKIP_ZERO, &stats->zero, &stats->zero_bytes },
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(rows) == SKIP_REASONS);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        *rows[i].pages = skipped[rows[i].reason];
        *rows[i].bytes = skipped[rows[i].reason] * GUEST_PAGE_SIZE;
    }
}

FreePageStats *free_page_stats(const struct migration_totals *totals)
{
    struct free_page_counts counts = free_page_counts();
    uint64_t guest_free = free_page_guest_free();
    FreePageStats *stats = g_new0(FreePageStats, 1);

    *stats = (FreePageStats){
        .state = counts.state,
        .reason = describe_state(&counts),
        .populated = totals->populated_pages,
        .in_doubt_sent = totals->doubt_sent,
        .requests = counts.requests,
        .accepted = counts.accepted,
        .late = counts.late,
        .rejected_no_ram = counts.rejected[FREE_PAGE_NO_RAM],
        .rejected_partial = counts.rejected[FREE_PAGE_PARTIAL],
        .rejected_malformed = counts.rejected[FREE_PAGE_MALFORMED],
        .timed_out = counts.timed_out,
        .has_time_to_first_hint = counts.first_hint_ns >= 0,
        .time_to_first_hint = MAX(counts.first_hint_ns, 0) / NS_PER_MS,
        .has_time_to_stop = counts.stop_ns >= 0,
        .time_to_stop = MAX(counts.stop_ns, 0) / NS_PER_MS,
        .head_start = counts.head_start_ns / NS_PER_MS,
        .has_guest_free = guest_free != UINT64_MAX,
        .guest_free = guest_free,
        .covered = counts.covered,
        .has_caches_dropped = counts.dropped_caches,
        .caches_dropped = counts.dropped,
        .has_caches_refused = counts.dropped_caches,
        .caches_refused = counts.refused,
        .has_caches_freed = counts.dropped_caches,
        .caches_freed = counts.dropped_bytes,
    };
    stats->rejected = stats->rejected_no_ram + stats->rejected_partial + stats->rejected_malformed;
    fill_skipped(stats, totals->skipped);
    return stats;
}
