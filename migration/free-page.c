/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests for free pages: when the guest is asked, under which id, until when, and what its answers do. The bitmaps
 * and their rules are page-map.c's and page-map-hint.c's; docs/free-pages.rst has the rules by number.
 *
 * Locks, outermost first: the big lock; `fp.lock` (the request and the life of the map; hints hold it, so whoever has
 * it knows that no hint is in hand); the map's own. The provider is called with the big lock and without fp.lock.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "migration/free-page.h"
#include "migration/migration-private.h"
#include "system/runstate.h"
#include "trace/migration.h"
#include "util/main-loop.h"

#define NS_PER_MS    1000000
#define QUIET_NS     (100ll * NS_PER_MS) /* a guest that is at it sends its next hint within this */
#define SILENT_NS    (500ll * NS_PER_MS) /* ... but its first may wait until the host's processors are free to run it */
#define GROWTH_NS    (50ll * NS_PER_MS)  /* how often this process's size is looked at */
#define FIRST_ID     2                   /* 0 and 1 are the protocol's stop and done */

enum request_state {
    REQUEST_OFF, REQUEST_NOT_NEEDED, REQUEST_REFUSED, REQUEST_ACTIVE, REQUEST_STOPPED, REQUEST_TIMED_OUT,
    REQUEST_GROWTH, REQUEST_CLOSED
};
static const char *const state_names[] = { "off", "not-needed", "refused", "active", "stopped", "timed-out",
                                           "growth", "closed" };

static struct {
    GMutex lock; /* guards what follows, but for what says big lock */
    struct free_page_provider *provider; /* big lock */
    struct page_map *map;                /* of the migration that runs, or NULL */
    enum request_state state;
    char *reason;
    uint32_t id;                         /* accepted; 0: none. Changed under the map's lock too (rule 3) */
    uint32_t next_id;
    bool asked;                          /* start() was called, done() not yet: rule 5. Big lock */
    int64_t asked_at, last_hint;
    int64_t first_hint_ns, stop_ns;      /* after asked_at; -1: not yet */
    int64_t head_start_ns, timeout_ns, growth_checked;
    uint64_t resident_at_start, growth_limit; /* bytes */
    uint64_t requests, buffers, late, rejected, timed_out;
    GThread *helper;
    GCond work;
    bool helper_ends;
} fp = { .first_hint_ns = -1, .stop_ns = -1 };

/* ---- pages that the host took away, whether or not a migration runs ---- */

struct absent_map {
    struct ram_block *block;
    unsigned long *bits[2]; /* by absent_reason */
    struct absent_map *next;
};
static GMutex absent_lock; /* guards the list and its bits; innermost */
static struct absent_map *absent_maps;

static struct absent_map *absent_find(const struct ram_block *block)
{
    struct absent_map *at = absent_maps;

    while (at && at->block != block) {
        at = at->next;
    }
    return at;
}

static void absent_note(struct ram_block *block, uint64_t first, uint64_t count, enum absent_reason reason)
{
    g_mutex_lock(&absent_lock);
    struct absent_map *absent = absent_find(block);
    if (!absent) {
        absent = g_new0(struct absent_map, 1);
        absent->block = block;
        absent->bits[0] = bitmap_new(block->max_length / GUEST_PAGE_SIZE);
        absent->bits[1] = bitmap_new(block->max_length / GUEST_PAGE_SIZE);
        absent->next = absent_maps;
        absent_maps = absent;
    }
    bitmap_set(absent->bits[reason], first, count);
    bitmap_clear(absent->bits[!reason], first, count);
    g_mutex_unlock(&absent_lock);
}

void free_page_absent_words(const struct ram_block *block, uint64_t word, unsigned long *reported,
                            unsigned long *inflated)
{
    g_mutex_lock(&absent_lock);
    const struct absent_map *absent = absent_find(block);
    *reported = absent ? absent->bits[ABSENT_REPORTED][word] : 0;
    *inflated = absent ? absent->bits[ABSENT_INFLATED][word] : 0;
    g_mutex_unlock(&absent_lock);
}

/* Only pages that lie wholly in the range. */
static bool whole_pages(const struct ram_block *block, uint64_t offset, uint64_t length, uint64_t *first,
                        uint64_t *count)
{
    if (offset >= block->used_length || length > block->used_length - offset) {
        return false;
    }
    *first = (offset + GUEST_PAGE_SIZE - 1) / GUEST_PAGE_SIZE;
    *count = (offset + length) / GUEST_PAGE_SIZE;
    *count = *count > *first ? *count - *first : 0;
    return true;
}

void free_page_absent(struct ram_block *block, uint64_t offset, uint64_t length, enum absent_reason reason)
{
    uint64_t first, count;

    if (!whole_pages(block, offset, length, &first, &count) || !count) {
        return;
    }
    absent_note(block, first, count, reason);
    g_mutex_lock(&fp.lock);
    struct block_map *bm = fp.map ? block->migration : NULL;
    for (uint64_t n; bm && count; first += n, count -= n) {
        n = MIN(count, PAGE_MAP_SLICE);
        page_map_absent(bm, first, n, reason == ABSENT_INFLATED ? SKIP_INFLATED : SKIP_REPORTED);
    }
    g_mutex_unlock(&fp.lock);
}

/* ---- hints, from the device's thread ---- */

/* A slice per lock section, so that the migration thread never waits long for the bitmap. fp.lock held. */
static bool hint_range(const struct free_page_range *range)
{
    struct block_map *bm = range->block->migration;
    uint64_t first, count;

    if (!bm || !whole_pages(range->block, range->offset, range->length, &first, &count)) {
        return false;
    }
    for (uint64_t n; count; first += n, count -= n) {
        n = MIN(count, PAGE_MAP_SLICE);
        page_map_lock(fp.map);
        page_map_hint(bm, first, n, NULL, fp.provider && fp.provider->poison);
        page_map_unlock(fp.map);
    }
    return true;
}

/* fp.lock held. */
static bool hint_bitmap(struct ram_block *block, uint64_t first, uint64_t count, const unsigned long *words)
{
    struct block_map *bm = block->migration;

    g_assert(first % BITS_PER_LONG == 0 && count <= FREE_PAGE_BITS);
    if (!bm || first >= bm->pages || count > bm->pages - first) {
        return false;
    }
    page_map_lock(fp.map);
    page_map_hint(bm, first, count, words, fp.provider && fp.provider->poison);
    page_map_unlock(fp.map);
    return true;
}

/* Rule 2: whether something under `id` counts; nobody changes fp.id while we hold fp.lock. */
static bool accept_hint(uint32_t id)
{
    if (id == 0 || id != fp.id) {
        return false;
    }
    fp.last_hint = migration_now();
    fp.first_hint_ns = fp.first_hint_ns < 0 ? fp.last_hint - fp.asked_at : fp.first_hint_ns;
    g_cond_signal(&fp.work);
    return true;
}

enum free_page_verdict free_page_hint(uint32_t id, const struct free_page_range *ranges, unsigned count)
{
    enum free_page_verdict verdict = FREE_PAGE_LATE;

    g_mutex_lock(&fp.lock);
    if (!accept_hint(id)) {
        fp.late += count;
    } else {
        verdict = FREE_PAGE_TAKEN;
        for (unsigned i = 0; i < count; i++) {
            bool ok = hint_range(&ranges[i]);

            fp.buffers += ok;
            fp.rejected += !ok;
        }
    }
    g_mutex_unlock(&fp.lock);
    trace_free_page_verdict(id, count, verdict == FREE_PAGE_TAKEN);
    return verdict;
}

enum free_page_verdict free_page_bitmap(uint32_t id, struct ram_block *block, uint64_t first, uint64_t count,
                                        const unsigned long *words)
{
    enum free_page_verdict verdict = FREE_PAGE_LATE;

    g_mutex_lock(&fp.lock);
    if (!accept_hint(id)) {
        fp.late++;
    } else {
        bool ok = hint_bitmap(block, first, count, words);

        verdict = FREE_PAGE_TAKEN;
        fp.buffers += ok;
        fp.rejected += !ok;
    }
    g_mutex_unlock(&fp.lock);
    trace_free_page_verdict(id, 1, verdict == FREE_PAGE_TAKEN);
    return verdict;
}

void free_page_guest_stopped(uint32_t id)
{
    trace_free_page_guest_stopped(id);
    g_mutex_lock(&fp.lock);
    if (id && id == fp.id) {
        page_map_lock(fp.map);
        fp.id = 0;
        page_map_unlock(fp.map);
        fp.state = REQUEST_STOPPED;
        fp.stop_ns = migration_now() - fp.asked_at;
    }
    g_mutex_unlock(&fp.lock);
}

void free_page_rejected(uint64_t count)
{
    g_mutex_lock(&fp.lock);
    fp.rejected += count;
    g_mutex_unlock(&fp.lock);
}

/* ---- the helper that looks at pages in doubt (rule 10) ---- */

static gpointer helper_thread(gpointer map)
{
    bool ends = false;

    while (!ends) {
        if (page_map_look(map)) {
            continue;
        }
        g_mutex_lock(&fp.lock);
        if (!fp.helper_ends) {
            /* A hint may have come between the look and the lock: look again before long, signal or not. */
            g_cond_wait_until(&fp.work, &fp.lock, g_get_monotonic_time() + 2 * G_TIME_SPAN_MILLISECOND);
        }
        ends = fp.helper_ends;
        g_mutex_unlock(&fp.lock);
    }
    return NULL;
}

/* ---- the request ---- */

/* Bytes of this process that are in memory. */
static uint64_t resident_bytes(void)
{
    unsigned long size, resident = 0;
    FILE *in = fopen("/proc/self/statm", "re");

    if (in) {
        if (fscanf(in, "%lu %lu", &size, &resident) != 2) {
            resident = 0;
        }
        fclose(in);
    }
    return (uint64_t)resident * sysconf(_SC_PAGESIZE);
}

/* Rule 2: never 0 or 1, and not one that a guest may still hold from an earlier request, of ours or of its last host. */
static uint32_t new_id(void)
{
    if (fp.next_id < FIRST_ID) {
        fp.next_id = MAX(g_random_int(), FIRST_ID);
    }
    uint32_t id = fp.next_id++;
    return id;
}

/* No buffer has an effect any more; what was in doubt is dirty. fp.lock not held. */
static void close_request(enum request_state state)
{
    g_mutex_lock(&fp.lock);
    bool open = fp.state == REQUEST_ACTIVE;
    struct page_map *map = fp.map;
    if (map) {
        page_map_lock(map);
        fp.id = 0;
        page_map_unlock(map);
    }
    if (open) {
        fp.state = state;
        trace_free_page_close(state_names[state]);
    }
    bool asked = fp.helper != NULL;
    g_mutex_unlock(&fp.lock);
    if (asked) {
        page_map_settle(map);
    }
}

/* Rule 5: after whatever end, stop, then DONE. Big lock held. */
static void release_guest(void)
{
    if (fp.asked && fp.provider) {
        fp.provider->stop(fp.provider);
        fp.provider->drain(fp.provider);
        fp.provider->done(fp.provider);
    }
    fp.asked = false;
}

static bool is_open(uint32_t id)
{
    g_mutex_lock(&fp.lock);
    bool open = fp.id == id;
    g_mutex_unlock(&fp.lock);
    return open;
}

/* Rule 1: sync, then the epoch and the id in one section, then the guest. Migration thread, no lock. */
static void ask(struct page_map *map)
{
    struct page_epoch *epoch = page_epoch_new(map);
    g_autoptr(GError) error = NULL;
    bool started;
    uint32_t id;

    page_map_sync(map);
    g_mutex_lock(&fp.lock);
    id = new_id();
    page_map_lock(map);
    page_map_begin_epoch(map, epoch);
    fp.id = id;
    page_map_unlock(map);
    fp.state = REQUEST_ACTIVE;
    fp.requests++;
    fp.asked_at = fp.last_hint = fp.growth_checked = migration_now();
    fp.resident_at_start = resident_bytes();
    fp.helper_ends = false;
    fp.helper = g_thread_new("free pages", helper_thread, map);
    g_mutex_unlock(&fp.lock);
    page_epoch_free(map, epoch);
    trace_free_page_ask(id, map->populated_pages, map->total_pages);

    big_lock();
    if (!is_open(id)) { /* the VM was stopped, or the device went, before the guest heard of it */
        big_unlock();
        return;
    }
    started = fp.provider && fp.provider->start(fp.provider, id, &error);
    fp.asked = started;
    big_unlock();
    if (!started) {
        close_request(REQUEST_REFUSED);
        g_mutex_lock(&fp.lock);
        fp.requests--;
        fp.reason = g_strdup(error ? error->message : "the device is gone");
        g_mutex_unlock(&fp.lock);
    }
}

/* fp.lock held. */
static void forget_last(void)
{
    g_clear_pointer(&fp.reason, g_free);
    fp.state = REQUEST_OFF;
    fp.requests = fp.buffers = fp.late = fp.rejected = fp.timed_out = 0;
    fp.first_hint_ns = fp.stop_ns = -1;
}

void free_page_begin(struct page_map *map, const struct migration_parameters *parameters)
{
    bool needed;

    big_lock();
    g_mutex_lock(&fp.lock);
    forget_last();
    fp.map = map;
    fp.head_start_ns = parameters->hint_head_start * NS_PER_MS;
    fp.timeout_ns = parameters->hint_timeout * NS_PER_MS;
    fp.growth_limit = map->total_pages * GUEST_PAGE_SIZE / 100 * parameters->hint_growth;
    needed = map->populated_pages * 100 > map->total_pages * parameters->hint_threshold;
    if (fp.provider && !needed) {
        fp.state = REQUEST_NOT_NEEDED;
        fp.reason = g_strdup_printf("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " MiB are in question, no more than %"
                                    G_GUINT64_FORMAT " %%", map->populated_pages >> 8, map->total_pages >> 8,
                                    parameters->hint_threshold);
    }
    bool asks = fp.provider && needed;
    g_mutex_unlock(&fp.lock);
    big_unlock();
    if (asks) {
        ask(map);
    }
}

/* The end of a request for a reason of our own, in mid-migration. Migration thread, no lock. */
static void give_up(enum request_state state)
{
    close_request(state);
    big_lock();
    release_guest();
    big_unlock();
}

bool free_page_tick(int64_t now)
{
    g_mutex_lock(&fp.lock);
    bool active = fp.state == REQUEST_ACTIVE;
    bool stopped = fp.state == REQUEST_STOPPED;
    bool late = active && now - fp.asked_at >= fp.timeout_ns;
    bool quiet = now - fp.last_hint >= (fp.first_hint_ns < 0 ? SILENT_NS : QUIET_NS);
    bool within = now - fp.asked_at < fp.head_start_ns;
    bool look_at_growth = active && now - fp.growth_checked >= GROWTH_NS;
    fp.timed_out += late;
    fp.growth_checked = look_at_growth ? now : fp.growth_checked;
    g_mutex_unlock(&fp.lock);

    if (late) {
        give_up(REQUEST_TIMED_OUT);
        return false;
    }
    if (look_at_growth && resident_bytes() > fp.resident_at_start + fp.growth_limit) {
        give_up(REQUEST_GROWTH);
        return false;
    }
    /* Once the guest has said all, what is in doubt is looked at within moments: worth the wait, within the bound. */
    return within && ((active && !quiet) || (stopped && page_map_doubt_count(fp.map)));
}

void free_page_close(void)
{
    close_request(REQUEST_CLOSED);
    release_guest();
}

void free_page_end(void)
{
    free_page_close();
    g_mutex_lock(&fp.lock);
    fp.helper_ends = true;
    g_cond_signal(&fp.work);
    GThread *helper = g_steal_pointer(&fp.helper);
    g_mutex_unlock(&fp.lock);
    if (helper) {
        g_thread_join(helper);
    }
    g_mutex_lock(&fp.lock);
    fp.map = NULL;
    g_mutex_unlock(&fp.lock);
}

/* ---- providers ---- */

/* Rule 5: a guest that stands still answers no more, and should have its pages when it goes on. */
static void vm_changed(void *opaque, bool running, RunState state)
{
    if (!running && fp.map) {
        free_page_close();
    }
}

void free_page_init(void)
{
    static struct runstate_listener listener = { .changed = vm_changed };

    runstate_listener_add(&listener);
}

bool free_page_provider_register(struct free_page_provider *provider, GError **error)
{
    if (fp.provider) {
        return error_setf(error, "'%s' provides free pages already; '%s' cannot as well", fp.provider->name,
                          provider->name);
    }
    g_mutex_lock(&fp.lock);
    fp.provider = provider;
    g_mutex_unlock(&fp.lock);
    return true;
}

void free_page_provider_unregister(struct free_page_provider *provider)
{
    if (fp.provider == provider) {
        free_page_close();
        g_mutex_lock(&fp.lock);
        fp.provider = NULL;
        g_mutex_unlock(&fp.lock);
    }
}

/* ---- statistics ---- */

FreePageStats *free_page_stats(const struct migration_totals *totals)
{
    FreePageStats *stats = g_new0(FreePageStats, 1);

    g_mutex_lock(&fp.lock);
    *stats = (FreePageStats){
        .state = g_strdup(state_names[fp.state]),
        .reason = g_strdup(fp.reason),
        .populated = totals->populated_pages,
        .hole = totals->skipped[SKIP_HOLE],
        .hinted = totals->skipped[SKIP_HINTED],
        .reported = totals->skipped[SKIP_REPORTED],
        .inflated = totals->skipped[SKIP_INFLATED],
        .zero = totals->skipped[SKIP_ZERO],
        .in_doubt_sent = totals->doubt_sent,
        .requests = fp.requests,
        .buffers = fp.buffers,
        .late = fp.late,
        .rejected = fp.rejected,
        .timed_out = fp.timed_out,
        .has_time_to_first_hint = fp.first_hint_ns >= 0,
        .time_to_first_hint = MAX(fp.first_hint_ns, 0) / NS_PER_MS,
        .has_time_to_stop = fp.stop_ns >= 0,
        .time_to_stop = MAX(fp.stop_ns, 0) / NS_PER_MS,
    };
    g_mutex_unlock(&fp.lock);
    return stats;
}
