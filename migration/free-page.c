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

#include "migration/free-page-private.h"
#include "system/runstate.h"
#include "trace/migration.h"
#include "util/main-loop.h"

#define NS_PER_MS    1000000
#define QUIET_NS     (100ll * NS_PER_MS) /* a guest that is at it sends its next hint within this */
#define SILENT_NS    (500ll * NS_PER_MS) /* ... but its first may wait until the host has processors free for it */
#define GROWTH_NS    (5ll * NS_PER_MS)   /* how often this process's size is looked at */
#define LEAST_GROWTH (64ull << 20)       /* what any request may cost: this process grows for other reasons too */
#define FIRST_ID     2                   /* 0 and 1 are the protocol's stop and done */

static struct {
    GMutex lock; /* guards what follows, but for what says big lock */
    struct free_page_provider *provider; /* big lock */
    struct page_map *map;                /* of the migration that runs, or NULL */
    struct free_page_counts counts;
    uint32_t id;                         /* accepted; 0: none. Changed under the map's lock too (rule 3) */
    uint32_t next_id;
    bool asked;                          /* start() was called, done() not yet: rule 5. Big lock */
    bool held_back;                      /* guest RAM waits for hints */
    int64_t asked_at, last_hint;
    int64_t head_start_ns, timeout_ns, growth_checked;
    uint64_t threshold;                  /* percent */
    GuestDropCaches drop_caches;         /* with the next request. Migration thread */
    uint64_t growth, resident_limit;     /* percent; bytes, 0: not set */
    GThread *helper;
    GCond work;
    bool helper_ends;
} fp;

/* ---- pages that the host took away ---- */

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
    free_page_absent_note(block, first, count, reason);
    g_mutex_lock(&fp.lock);
    struct block_map *bm = fp.map ? block->migration : NULL;
    for (uint64_t n; bm && count; first += n, count -= n) {
        n = MIN(count, PAGE_MAP_SLICE);
        page_map_absent(bm, first, n, reason == ABSENT_INFLATED ? SKIP_INFLATED : SKIP_REPORTED);
    }
    g_mutex_unlock(&fp.lock);
}

/* ---- what the guest says, from the device's thread ---- */

/*
 * Pages [first, first + count), or those of them that `words` names. A slice per lock section, so that the migration
 * thread never waits long for the bitmap. fp.lock held.
 */
static void hint_pages(struct block_map *bm, uint64_t first, uint64_t count, const unsigned long *words)
{
    fp.counts.accepted++;
    for (uint64_t n; count; first += n, count -= n) {
        n = MIN(count, PAGE_MAP_SLICE);
        page_map_lock(fp.map);
        page_map_hint(bm, first, n, words, fp.provider && fp.provider->poison);
        page_map_unlock(fp.map);
    }
}

/* fp.lock held. */
static void hint_range(const struct free_page_range *range)
{
    struct block_map *bm = range->block->migration;
    uint64_t first, count;

    if (!bm || !whole_pages(range->block, range->offset, range->length, &first, &count)) {
        fp.counts.rejected[FREE_PAGE_NO_RAM]++;
    } else if (!count) {
        fp.counts.rejected[FREE_PAGE_PARTIAL]++;
    } else {
        fp.counts.covered += count * GUEST_PAGE_SIZE;
        hint_pages(bm, first, count, NULL);
    }
}

/* fp.lock held. */
static void hint_bitmap(struct ram_block *block, uint64_t first, uint64_t count, const unsigned long *words)
{
    struct block_map *bm = block->migration;

    g_assert(first % BITS_PER_LONG == 0 && count <= FREE_PAGE_BITS);
    if (!bm || first >= bm->pages || count > bm->pages - first) {
        fp.counts.rejected[FREE_PAGE_NO_RAM]++;
        return;
    }
    for (uint64_t w = 0; w < BITMAP_WORDS(count); w++) {
        fp.counts.covered += __builtin_popcountl(words[w] & word_mask(w, 0, count)) * GUEST_PAGE_SIZE;
    }
    hint_pages(bm, first, count, words);
}

/* Rule 2: whether `count` things under `id` count; nobody changes fp.id while we hold fp.lock. */
static bool accept_hint(uint32_t id, unsigned count)
{
    if (id == 0 || id != fp.id) {
        fp.counts.late += count;
        return false;
    }
    fp.last_hint = migration_now();
    if (fp.counts.first_hint_ns < 0) {
        fp.counts.first_hint_ns = fp.last_hint - fp.asked_at;
    }
    g_cond_signal(&fp.work);
    return true;
}

enum free_page_verdict free_page_hint(uint32_t id, const struct free_page_range *ranges, unsigned count)
{
    g_mutex_lock(&fp.lock);
    bool taken = accept_hint(id, count);
    if (taken) {
        fp.map->log->refresh(); /* the ranges are here: one look into the log does for all of them */
    }
    for (unsigned i = 0; taken && i < count; i++) {
        hint_range(&ranges[i]);
    }
    g_mutex_unlock(&fp.lock);
    trace_free_page_verdict(id, count, taken);
    return taken ? FREE_PAGE_TAKEN : FREE_PAGE_LATE;
}

enum free_page_verdict free_page_bitmap(uint32_t id, struct ram_block *block, uint64_t first, uint64_t count,
                                        const unsigned long *words)
{
    g_mutex_lock(&fp.lock);
    bool taken = accept_hint(id, 1);
    if (taken) {
        fp.map->log->refresh();
        hint_bitmap(block, first, count, words);
    }
    g_mutex_unlock(&fp.lock);
    trace_free_page_verdict(id, 1, taken);
    return taken ? FREE_PAGE_TAKEN : FREE_PAGE_LATE;
}

/* fp.lock held. */
static void clear_id(void)
{
    page_map_lock(fp.map);
    fp.id = 0;
    page_map_unlock(fp.map);
}

/* The request `id`, if it is the open one, has ended in `state` by the guest's doing. */
static void guest_ended(uint32_t id, FreePageState state)
{
    struct free_page_counts counts;
    bool open;

    g_mutex_lock(&fp.lock);
    open = id && id == fp.id;
    if (open) {
        clear_id();
        fp.counts.state = state;
        if (state == FREE_PAGE_STATE_STOPPED) {
            fp.counts.stop_ns = migration_now() - fp.asked_at;
        }
        counts = fp.counts;
    }
    g_mutex_unlock(&fp.lock);
    if (open) {
        free_page_announce(&counts);
    }
}

void free_page_guest_stopped(uint32_t id)
{
    trace_free_page_guest_stopped(id);
    guest_ended(id, FREE_PAGE_STATE_STOPPED);
}

void free_page_guest_dropped(uint32_t id, GuestDropCaches dropped, GuestDropCaches refused, uint64_t freed)
{
    g_mutex_lock(&fp.lock);
    if (id && id == fp.id) {
        fp.counts.dropped_caches = true;
        fp.counts.dropped = dropped;
        fp.counts.refused = refused;
        fp.counts.dropped_bytes = freed;
    }
    g_mutex_unlock(&fp.lock);
}

void free_page_device_stopped(uint32_t id, FreePageState why)
{
    guest_ended(id, why);
}

void free_page_rejected(enum free_page_reject cause)
{
    g_mutex_lock(&fp.lock);
    fp.counts.rejected[cause]++;
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

/* ---- how a request ends ---- */

/* No buffer has an effect any more; what was in doubt is dirty. fp.lock not held. */
static void close_request(FreePageState state)
{
    struct free_page_counts counts;
    struct page_map *settle = NULL;
    bool open;

    g_mutex_lock(&fp.lock);
    open = fp.id != 0;
    if (open) {
        clear_id();
        fp.counts.state = state;
        counts = fp.counts;
    }
    if (fp.helper) {
        settle = fp.map;
    }
    g_mutex_unlock(&fp.lock);
    if (settle) {
        page_map_settle(settle);
    }
    if (open) {
        free_page_announce(&counts);
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

/* The end of a request for a reason of our own, in mid-migration. Migration thread, no lock. */
static void give_up(FreePageState state)
{
    close_request(state);
    big_lock();
    release_guest();
    big_unlock();
}

void free_page_close(void)
{
    close_request(FREE_PAGE_STATE_CLOSED);
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

/* ---- asking ---- */

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

/*
 * Rule 2: never 0 or 1, and not one that a guest may still hold from an earlier request, of ours or of its last host.
 */
static uint32_t new_id(void)
{
    if (fp.next_id < FIRST_ID) {
        fp.next_id = MAX(g_random_int(), FIRST_ID);
    }
    return fp.next_id++;
}

void free_page_begin(struct page_map *map, const struct migration_parameters *parameters)
{
    if (fp.provider) {
        fp.provider->sample(fp.provider);
    }
    g_mutex_lock(&fp.lock);
    fp.map = map;
    fp.counts = (struct free_page_counts){ .first_hint_ns = -1, .stop_ns = -1 };
    fp.head_start_ns = parameters->hint_head_start * NS_PER_MS;
    fp.timeout_ns = parameters->hint_timeout * NS_PER_MS;
    fp.threshold = parameters->hint_threshold;
    fp.growth = parameters->hint_growth;
    fp.drop_caches = parameters->drop_caches;
    fp.resident_limit = 0;
    fp.held_back = false;
    g_mutex_unlock(&fp.lock);
}

/*
 * Rule 9. Whether this pass is worth a request, by what the host knows alone: enough is in question, and at most half
 * of what was at the last request, so that a guest that writes what it hints cannot make us ask for ever. fp.lock
 * held.
 */
static FreePageState weigh(uint64_t in_question, uint64_t total)
{
    bool worth = in_question * 100 > total * fp.threshold &&
                 (!fp.counts.requests || in_question <= fp.counts.in_question / 2);

    fp.counts.option = fp.timeout_ns == 0    ? "free-page-hint-timeout"
                       : fp.threshold >= 100 ? "free-page-hint-threshold"
                                             : NULL;
    if (worth || !fp.counts.requests) {
        fp.counts.in_question = in_question;
        fp.counts.total = total;
    }
    return fp.counts.option ? FREE_PAGE_STATE_DISABLED
           : worth          ? FREE_PAGE_STATE_ACTIVE
                            : FREE_PAGE_STATE_NOT_NEEDED;
}

/* A request that ended well may be followed by another; so may the hope for a driver that was not there. */
static bool may_ask_again(FreePageState last)
{
    switch (last) {
    case FREE_PAGE_STATE_ACTIVE:
    case FREE_PAGE_STATE_TIMED_OUT:
    case FREE_PAGE_STATE_GROWTH:
    case FREE_PAGE_STATE_CLOSED: return false;
    default: return true;
    }
}

/*
 * Rule 1, the part between the sync and the guest: a fresh epoch and the id that is accepted, in one section. A
 * helper goes with the first request and stays.
 */
static uint32_t open_epoch(struct page_map *map, uint64_t pass)
{
    g_mutex_lock(&fp.lock);
    uint32_t id = new_id();
    page_map_lock(map);
    page_map_begin_epoch(map);
    fp.id = id;
    page_map_unlock(map);
    fp.counts.state = FREE_PAGE_STATE_ACTIVE;
    fp.counts.pass = pass;
    fp.counts.covered_before = fp.counts.covered;
    fp.counts.first_hint_ns = fp.counts.stop_ns = -1;
    fp.asked_at = fp.last_hint = fp.growth_checked = migration_now();
    fp.counts.requests++;
    fp.held_back = pass == 1 && fp.head_start_ns; /* the bulk stage */
    if (!fp.resident_limit) {
        uint64_t populated = map->populated_pages * GUEST_PAGE_SIZE;

        fp.resident_limit = resident_bytes() + MAX(populated / 100 * fp.growth, LEAST_GROWTH);
    }
    if (!fp.helper) {
        fp.helper_ends = false;
        fp.helper = g_thread_new("free pages", helper_thread, map);
    }
    g_mutex_unlock(&fp.lock);
    return id;
}

static bool is_open(uint32_t id)
{
    g_mutex_lock(&fp.lock);
    bool open = fp.id == id;
    g_mutex_unlock(&fp.lock);
    return open;
}

/* Rule 1: sync, then the epoch and the id, then the guest. Migration thread, no lock. */
static void ask(struct page_map *map, uint64_t pass)
{
    FreePageState state;
    uint32_t id;

    page_map_prepare_epoch(map);
    page_map_sync(map);
    id = open_epoch(map, pass);
    trace_free_page_ask(id, map->populated_pages, map->total_pages);

    big_lock();
    state = fp.provider ? fp.provider->ready(fp.provider) : FREE_PAGE_STATE_NO_DEVICE;
    if (state == FREE_PAGE_STATE_ACTIVE && is_open(id)) { /* the VM may have been stopped and gone on meanwhile */
        fp.asked = true;
        fp.provider->drop_caches = fp.drop_caches;
        fp.drop_caches = GUEST_DROP_CACHES_NONE; /* once is enough */
        fp.provider->start(fp.provider, id);
    }
    big_unlock();
    if (state != FREE_PAGE_STATE_ACTIVE) { /* it was ready when we looked, and had a sync's time to change its mind */
        close_request(state);
    }
}

void free_page_round(uint64_t pass)
{
    struct free_page_counts counts;
    FreePageState state;
    bool first;

    g_mutex_lock(&fp.lock);
    struct page_map *map = fp.map;
    FreePageState last = fp.counts.state;
    g_mutex_unlock(&fp.lock);
    if (!may_ask_again(last)) {
        return;
    }
    uint64_t in_question = page_map_in_question(map);
    big_lock();
    state = fp.provider ? fp.provider->ready(fp.provider) : FREE_PAGE_STATE_NO_DEVICE;
    g_mutex_lock(&fp.lock);
    if (state == FREE_PAGE_STATE_ACTIVE) {
        state = weigh(in_question, map->total_pages);
    }
    first = last == FREE_PAGE_STATE_NONE;
    if (state != FREE_PAGE_STATE_ACTIVE && !fp.counts.requests) {
        fp.counts.state = state;
        fp.counts.pass = pass;
    }
    counts = fp.counts;
    g_mutex_unlock(&fp.lock);
    big_unlock();
    if (state == FREE_PAGE_STATE_ACTIVE) {
        ask(map, pass);
    } else if (first) {
        free_page_announce(&counts);
    }
}

/* ---- while it is open ---- */

bool free_page_tick(int64_t now)
{
    g_mutex_lock(&fp.lock);
    bool active = fp.counts.state == FREE_PAGE_STATE_ACTIVE;
    bool stopped = fp.counts.state == FREE_PAGE_STATE_STOPPED;
    bool late = active && now - fp.asked_at >= fp.timeout_ns;
    bool quiet = now - fp.last_hint >= (fp.counts.first_hint_ns < 0 ? SILENT_NS : QUIET_NS);
    bool within = fp.held_back && now - fp.asked_at < fp.head_start_ns;
    bool look_at_growth = active && now - fp.growth_checked >= GROWTH_NS;
    fp.counts.timed_out += late;
    fp.growth_checked = look_at_growth ? now : fp.growth_checked;
    g_mutex_unlock(&fp.lock);

    if (late) {
        give_up(FREE_PAGE_STATE_TIMED_OUT);
        within = false;
    } else if (look_at_growth && resident_bytes() > fp.resident_limit) {
        give_up(FREE_PAGE_STATE_GROWTH);
        within = false;
    }
    /* Once the guest has said all, what is in doubt is looked at within moments: worth the wait, within the bound. */
    within = within && ((active && !quiet) || (stopped && page_map_doubt_count(fp.map)));
    g_mutex_lock(&fp.lock);
    if (fp.held_back && !within) {
        fp.held_back = false;
        fp.counts.head_start_ns = now - fp.asked_at;
    }
    g_mutex_unlock(&fp.lock);
    return within;
}

struct free_page_counts free_page_counts(void)
{
    g_mutex_lock(&fp.lock);
    struct free_page_counts counts = fp.counts;
    g_mutex_unlock(&fp.lock);
    return counts;
}

uint64_t free_page_guest_free(void)
{
    return fp.provider && free_page_counts().requests ? fp.provider->guest_free(fp.provider) : UINT64_MAX;
}

/* ---- providers ---- */

/* Rule 5: a guest that stands still answers no more, and should have its pages when it goes on. */
static void vm_changed(void *opaque, bool running, RunState state)
{
    if (!running && fp.map) {
        close_request(FREE_PAGE_STATE_VM_STOPPED);
        release_guest();
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
    g_assert(provider->ready && provider->start && provider->stop && provider->done && provider->drain &&
             provider->sample && provider->guest_free);
    g_mutex_lock(&fp.lock);
    fp.provider = provider;
    g_mutex_unlock(&fp.lock);
    return true;
}

void free_page_provider_unregister(struct free_page_provider *provider)
{
    if (fp.provider == provider) {
        close_request(FREE_PAGE_STATE_UNPLUGGED);
        release_guest();
        g_mutex_lock(&fp.lock);
        fp.provider = NULL;
        g_mutex_unlock(&fp.lock);
    }
}
