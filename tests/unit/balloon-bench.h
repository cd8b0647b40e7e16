/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The balloon's surroundings for its unit tests: who asks for free pages, and the run state, are played here. For one
 * test program each (definitions, not declarations).
 */
#ifndef FERRY_TESTS_BALLOON_BENCH_H
#define FERRY_TESTS_BALLOON_BENCH_H

#include "virtio-guest.h"

#include "balloon.h"
#include "hw/virtio/virtio-balloon.h"
#include "migration/stream.h"
#include "migration/vmstate.h"
#include "monitor/monitor.h"
#include "qapi/qapi-commands.h"
#include "system/runstate.h"

/* ---- The surroundings ---- */

static struct runstate_listener *listener;
static bool vm_running = true;
bool runstate_is_running(void) { return vm_running; }
void runstate_listener_add(struct runstate_listener *l) { listener = l; }
void runstate_listener_remove(struct runstate_listener *l) { listener = NULL; }

static inline void set_vm_running(bool running)
{
    vm_running = running;
    listener->changed(listener->opaque, running, running ? RUN_STATE_RUNNING : RUN_STATE_PAUSED);
}

static GMutex record_lock; /* hints come from an iothread, too */
static struct free_page_provider *provider;
static uint32_t open_id, stopped_id;
static FreePageState stopped_why;
static struct {
    uint64_t taken_bytes, taken_ranges, late_ranges, rejected[FREE_PAGE_REJECTS], absent_bytes[2], largest_batch;
    unsigned absent_marked; /* ranges whose discard was in the dirty log before it was told */
    uint64_t first_offset, bitmap_pages;
    unsigned long free[BITMAP_WORDS(GUEST_RAM >> GUEST_PAGE_BITS)]; /* pages that bitmaps called free */
    GThread *thread;
} record;

static inline void record_clear(void)
{
    g_mutex_lock(&record_lock);
    memset(&record, 0, sizeof(record));
    stopped_id = 0;
    g_mutex_unlock(&record_lock);
}

bool free_page_provider_register(struct free_page_provider *p, GError **error)
{
    provider = p;
    return true;
}

void free_page_provider_unregister(struct free_page_provider *p)
{
    g_assert_true(provider == p);
    provider = NULL;
}

enum free_page_verdict free_page_hint(uint32_t id, const struct free_page_range *ranges, unsigned count)
{
    enum free_page_verdict verdict;

    g_mutex_lock(&record_lock);
    verdict = id && id == open_id ? FREE_PAGE_TAKEN : FREE_PAGE_LATE;
    g_assert_cmpuint(count, <=, FREE_PAGE_BATCH);
    record.largest_batch = MAX(record.largest_batch, count);
    record.thread = g_thread_self();
    for (unsigned i = 0; i < count; i++) {
        g_assert_cmpuint(ranges[i].offset + ranges[i].length, <=, ranges[i].block->used_length);
        if (verdict == FREE_PAGE_TAKEN) {
            record.first_offset = record.taken_ranges++ ? record.first_offset : ranges[i].offset;
            record.taken_bytes += ranges[i].length;
        } else {
            record.late_ranges++;
        }
    }
    g_mutex_unlock(&record_lock);
    return verdict;
}

enum free_page_verdict free_page_bitmap(uint32_t id, struct ram_block *block, uint64_t first, uint64_t count,
                                        const unsigned long *words)
{
    g_assert_cmpuint(first % BITS_PER_LONG, ==, 0);
    g_assert_cmpuint(count, <=, FREE_PAGE_BITS);
    g_assert_cmpuint(first + count, <=, block->used_length >> GUEST_PAGE_BITS);
    g_mutex_lock(&record_lock);
    bool taken = id && id == open_id;
    for (uint64_t n = 0; taken && n < count; n++) {
        if (bitmap_test(words, n)) {
            bitmap_set(record.free, first + n, 1);
            record.bitmap_pages++;
        }
    }
    record.late_ranges += !taken;
    record.thread = g_thread_self();
    g_mutex_unlock(&record_lock);
    return taken ? FREE_PAGE_TAKEN : FREE_PAGE_LATE;
}

static struct {
    GuestDropCaches dropped, refused;
    uint64_t freed;
} drop_record;
void free_page_guest_dropped(uint32_t id, GuestDropCaches dropped, GuestDropCaches refused, uint64_t freed)
{
    g_assert_cmpuint(id, ==, open_id);
    drop_record.dropped = dropped;
    drop_record.refused = refused;
    drop_record.freed = freed;
}

void free_page_guest_stopped(uint32_t id)
{
    g_mutex_lock(&record_lock);
    stopped_id = id;
    stopped_why = FREE_PAGE_STATE_STOPPED;
    g_mutex_unlock(&record_lock);
}

void free_page_device_stopped(uint32_t id, FreePageState why)
{
    g_mutex_lock(&record_lock);
    stopped_id = id;
    stopped_why = why;
    g_mutex_unlock(&record_lock);
}

void free_page_rejected(enum free_page_reject cause)
{
    g_mutex_lock(&record_lock);
    record.rejected[cause]++;
    g_mutex_unlock(&record_lock);
}

void free_page_absent(struct ram_block *block, uint64_t offset, uint64_t length, enum absent_reason reason)
{
    record.absent_bytes[reason] += length;
    record.absent_marked += dirty_log_enabled(DIRTY_CLIENT_MIGRATION) &&
                            ram_block_page_logged(block, offset >> GUEST_PAGE_BITS);
}

static unsigned events;
void monitor_emit_event(const char *name, JsonNode *data)
{
    if (!strcmp(name, "BALLOON_CHANGE")) {
        events++;
    }
    if (data) {
        json_node_unref(data);
    }
}

static const struct device_type *const types[] = { &virtio_balloon_pci_type, NULL };

#define F(name) VIRTIO_FEATURE(VIRTIO_BALLOON_F_##name)
#define ACTUAL   (CONFIG_REG + 4)
#define COMMAND  (CONFIG_REG + 8)
#define POISON   (CONFIG_REG + 12)

static inline void start(const char *const *properties, uint64_t features, unsigned queues)
{
    record_clear();
    guest_plug(&virtio_balloon_pci_type, properties);
    guest_start(features, queues);
}

#define PROPERTIES(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* ---- What a driver does ---- */

static inline void send_pfns(unsigned q, const uint32_t *pfns, unsigned count)
{
    memcpy(guest_ptr(GUEST_BUFFERS), pfns, count * 4);
    guest_send(q, 0, GUEST_BUFFERS, count * 4, false);
    guest_kick(q);
    g_assert_true(guest_wait_used(q, 1));
}

static inline const struct dynamic_property *dynamic(const char *name)
{
    const struct dynamic_property *p = virtio_balloon_pci_type.dynamic;

    while (strcmp(p->name, name)) {
        p++;
    }
    return p;
}

static inline int64_t stat_value(const char *name)
{
    g_autoptr(JsonNode) node = dynamic("guest-stats")->get(guest.dev, NULL);
    JsonObject *object = json_node_get_object(node);

    if (!strcmp(name, "last-update")) {
        return json_object_get_int_member(object, name);
    }
    return json_object_get_int_member(json_object_get_object_member(object, "stats"), name);
}

static inline void send_stats(unsigned n, uint64_t free)
{
    struct virtio_balloon_stat *stats = guest_ptr(GUEST_BUFFERS + n * 4096);

    stats[0] = (struct virtio_balloon_stat){ VIRTIO_BALLOON_S_MEMFREE, free };
    stats[1] = (struct virtio_balloon_stat){ 999, 1 };
    stats[2] = (struct virtio_balloon_stat){ VIRTIO_BALLOON_S_CACHES, 77 };
    guest_send(BALLOON_STATISTICS, n, GUEST_BUFFERS + n * 4096, 3 * sizeof(stats[0]) + 3, false);
    guest_kick(BALLOON_STATISTICS);
    guest_settle();
}

#define HINT_OPTIONS PROPERTIES("free-page-hint=on")
#define PAGES 0x1000000ull

static inline void send_command(unsigned q, uint32_t id)
{
    *(uint32_t *)guest_ptr(GUEST_BUFFERS + 64 * q) = id;
    guest_send(q, 0, GUEST_BUFFERS + 64 * q, 4, false);
    guest_kick(q);
    g_assert_true(guest_wait_used(q, 1));
}

static inline void send_pages(unsigned q, hwaddr gpa, uint32_t length)
{
    guest_send(q, 1, gpa, length, true);
    guest_kick(q);
    g_assert_true(guest_wait_used(q, 1));
}

static inline void start_request(uint32_t id)
{
    open_id = id;
    g_assert_cmpint(provider->ready(provider), ==, FREE_PAGE_STATE_ACTIVE);
    provider->start(provider, id);
}

#endif
