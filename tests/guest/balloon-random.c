/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers at random, from a seed, while all processors write: for migrations in bulk (test_migration_bulk.py).
 *
 * What the guest has given away and not written since is on record in its own memory, the ledger: a bit per test
 * page. Whoever compares the two ends of a migration may excuse these pages and no others. A bit is set before its
 * page is hinted, and cleared only after the page was written. Another processor's write and clearing are one section
 * under the ledger's lock, and so are setting and hinting: no page is hinted between such a write and its clearing.
 */
#include "balloon.h"
#include "smp.h"

#define CHUNK_PAGES 1024
#define BURST_PAGES 16
#define BREAK_PAGES 8 /* what hostile acts may hint */

static uint64_t *ledger, used_pages;
static volatile uint32_t ledger_held;
static uint64_t random_state[SMP_MAX];
static struct {
    uint64_t at, sweep;
} writers[SMP_MAX];

uint64_t random_below(unsigned cpu, uint64_t limit)
{
    uint64_t x = random_state[cpu];
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    random_state[cpu] = x;
    return (x >> 11) % limit;
}

uint64_t random_used(uint64_t limit, uint64_t *at)
{
    uint64_t n = random_below(0, used_pages);
    return neighbours(n, limit < used_pages - n ? limit : used_pages - n, at);
}

/* --- The ledger --- */

void ledger_lock(void)
{
    while (__atomic_exchange_n(&ledger_held, 1, __ATOMIC_ACQUIRE)) {
        cpu_pause();
    }
}

void ledger_unlock(void) { __atomic_store_n(&ledger_held, 0, __ATOMIC_RELEASE); }

void ledger_give(uint64_t first, uint64_t pages)
{
    for (uint64_t n = first; n < first + pages; n++) {
        __atomic_or_fetch(&ledger[n / 64], 1ull << n % 64, __ATOMIC_SEQ_CST);
    }
}

static bool ledger_has(uint64_t n) { return ledger[n / 64] >> n % 64 & 1; }
static void ledger_clear(uint64_t n) { __atomic_and_fetch(&ledger[n / 64], ~(1ull << n % 64), __ATOMIC_SEQ_CST); }

bool random_prepare(const struct page_range *range, uint64_t seed)
{
    if (!ledger) {
        ledger = page_alloc((test_pages() + 8 * PAGE_SIZE - 1) / (8 * PAGE_SIZE));
    }
    memset(ledger, 0, (test_pages() + 63) / 64 * 8);
    used_pages = range->first;
    for (unsigned cpu = 0; cpu < SMP_MAX; cpu++) {
        random_state[cpu] = (seed + 1 + cpu) * 0x9e3779b97f4a7c15ull | 1;
        writers[cpu].at = writers[cpu].sweep = 0;
    }
    for (uint64_t n = 0; n < range->first + range->count; n++) {
        fill_page(n, seed);
        if (n < range->first) {
            *(uint64_t *)test_page(n) = 0; /* the writers' */
        }
    }
    print("ledger 0x%lx pages %lu\n", (uint64_t)ledger, test_pages());
    return true;
}

void random_forget(void)
{
    memset(ledger, 0, (test_pages() + 63) / 64 * 8);
    print("forgotten\n");
}

/* --- What all processors do meanwhile --- */

/* Each rewrites its own share of the pages below the range, and checks that none has lost the last write. */
static bool write_own(unsigned cpu, const struct page_range *range)
{
    uint64_t share = range->first / smp_count();
    for (unsigned i = 0; i < BURST_PAGES && share; i++) {
        volatile uint64_t *p = test_page(cpu * share + writers[cpu].at);
        CHECK(*p == writers[cpu].sweep, "lost write: 0x%lx holds %lu, want %lu", (uint64_t)p, *p, writers[cpu].sweep);
        *p = writers[cpu].sweep + 1;
        if (++writers[cpu].at == share) {
            writers[cpu].at = 0;
            writers[cpu].sweep++;
        }
    }
    return true;
}

/* A page that was given away is in use again. */
static void take_one(unsigned cpu, uint64_t n)
{
    ledger_lock();
    if (ledger_has(n)) {
        ((volatile uint64_t *)test_page(n))[random_below(cpu, 512)] = random_state[cpu];
        ledger_clear(n);
    }
    ledger_unlock();
}

bool random_meanwhile(unsigned cpu, const struct page_range *range)
{
    if (random_below(cpu, 4) == 0) {
        take_one(cpu, range->first + random_below(cpu, range->count));
    }
    return write_own(cpu, range);
}

/* --- Acts on a chunk of neighbouring pages that begins with test page `first` --- */

static bool declare(uint64_t first, uint64_t at, uint64_t pages)
{
    if (!answer_room(protocol->queue, protocol->in_flight)) {
        return false;
    }
    ledger_lock();
    ledger_give(first, pages);
    bool ok = protocol->pages(at, pages);
    ledger_unlock();
    return ok;
}

void ledger_rewrite(uint64_t first, uint64_t pages, uint64_t one_in)
{
    for (uint64_t n = first; n < first + pages; n++) {
        if (random_below(0, one_in) == 0) {
            fill_page(n, random_state[0]);
            ledger_clear(n);
        }
    }
}

static void clear_pages(uint64_t first, uint64_t at, uint64_t pages)
{
    memset((void *)at, 0, pages * PAGE_SIZE);
    for (uint64_t n = first; n < first + pages; n++) {
        ledger_clear(n);
    }
}

static bool keep(uint64_t first, uint64_t at, uint64_t pages) { return true; }

static bool take_back(uint64_t first, uint64_t at, uint64_t pages)
{
    bool ok = declare(first, at, pages);
    ledger_rewrite(first, pages, 1 + random_below(0, 3));
    return ok;
}

static bool zero(uint64_t first, uint64_t at, uint64_t pages)
{
    clear_pages(first, at, pages);
    return declare(first, at, pages);
}

static bool zero_and_take_back(uint64_t first, uint64_t at, uint64_t pages)
{
    clear_pages(first, at, pages);
    return take_back(first, at, pages);
}

static bool write_then_give(uint64_t first, uint64_t at, uint64_t pages)
{
    ledger_rewrite(first, pages, 2);
    return declare(first, at, pages);
}

static bool give_twice(uint64_t first, uint64_t at, uint64_t pages)
{
    return take_back(first, at, pages) && declare(first, at, pages);
}

static bool give_and_get(uint64_t first, uint64_t at, uint64_t pages)
{
    pages = pages > 64 ? 64 : pages;
    bool ok = (balloon.dev.features & BALLOON_REPORTING) && random_below(0, 2)
                  ? balloon_report(first, pages) : balloon_inflate(first, pages) && balloon_deflate(first, pages);
    ledger_rewrite(first, pages, 2);
    return ok;
}

/* One of the hostile ways, and then a new start, since most of them break the device. */
static bool hostile(uint64_t first, uint64_t at, uint64_t pages)
{
    static const char *const names[] = { "loop",      "numbers", "indirect", "directions", "flood",
                                         "registers", "rings",   "disable",  "pcioff" };
    const char *name = names[random_below(0, sizeof(names) / sizeof(names[0]))];
    struct page_range range = { first, BREAK_PAGES };
    uint32_t id = answer_command();
    if (pages < BREAK_PAGES || id <= protocol->idle || random_below(0, 4)) {
        return true;
    }
    const struct answer_mode *mode = hostile_modes;
    while (strcmp(mode->name, name) != 0) {
        mode++;
    }
    ledger_lock();
    ledger_give(first, BREAK_PAGES);
    (random_below(0, 4) ? mode->request : protocol->wild)(id, &range);
    ledger_unlock();
    return balloon_restart();
}

static const struct random_act common_acts[] = {
    { 6, keep },            { 10, declare },   { 6, take_back }, { 4, zero }, { 4, zero_and_take_back },
    { 3, write_then_give }, { 2, give_twice }, { 0, NULL },
};
static const struct random_act rare_acts[] = { { 1, give_and_get }, { 1, hostile }, { 0, NULL } };

static bool random_act(uint64_t first, uint64_t at, uint64_t pages)
{
    const struct random_act *const tables[] = { common_acts, protocol->acts, rare_acts };
    uint64_t total = 0;
    for (unsigned t = 0; t < 3; t++) {
        for (const struct random_act *act = tables[t]; act->run; act++) {
            total += act->weight;
        }
    }
    uint64_t pick = random_below(0, total);
    for (unsigned t = 0;; t++) {
        for (const struct random_act *act = tables[t]; act->run; pick -= act++->weight) {
            if (pick < act->weight) {
                return act->run(first, at, pages);
            }
        }
    }
}

/* Part of the answer comes too late, and calls free what is in use. */
static bool answer_late(uint32_t id, const struct page_range *range)
{
    if (protocol != &bitmap_protocol || answer_command() == id || random_below(0, 2)) {
        return true;
    }
    uint64_t at, pages = random_used(CHUNK_PAGES, &at);
    return protocol->begin(id) && protocol->pages(at, pages);
}

/*
 * Chunks from a single page to 4 MiB. Mostly, but not always, heeds the host's stop; may give up half-way, or never
 * say that it is through.
 */
bool random_request(uint32_t id, const struct page_range *range)
{
    uint64_t biggest = 1ull << random_below(0, 11),
             until = random_below(0, 4) ? range->count : random_below(0, range->count);
    bool heeds = random_below(0, 4);
    if (random_below(0, 12) == 0) {
        return true;
    }
    if (!protocol->begin(random_below(0, 16) ? id : id + 1)) {
        return false;
    }
    for (uint64_t n = 0; n < until && !(heeds && answer_command() != id);) {
        uint64_t at, limit = 1 + random_below(0, biggest);
        limit = limit < until - n ? limit : until - n;
        uint64_t pages = neighbours(range->first + n, limit, &at);
        if (!random_act(range->first + n, at, pages)) {
            return false;
        }
        n += pages;
    }
    return answer_late(id, range) && (random_below(0, 5) == 0 || protocol->end());
}
