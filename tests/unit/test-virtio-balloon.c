/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The balloon under a driver of our own; who asks for free pages, and the run state, are played by the test. */
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

static void set_vm_running(bool running)
{
    vm_running = running;
    listener->changed(listener->opaque, running, running ? RUN_STATE_RUNNING : RUN_STATE_PAUSED);
}

static GMutex record_lock; /* hints come from an iothread, too */
static struct free_page_provider *provider;
static uint32_t open_id, stopped_id;
static struct {
    uint64_t taken_bytes, taken_ranges, late_ranges, rejected, absent_bytes[2], largest_batch;
    uint64_t first_offset;
    GThread *thread;
} record;

static void record_clear(void)
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
    enum free_page_verdict verdict = id && id == open_id ? FREE_PAGE_TAKEN : FREE_PAGE_LATE;

    g_mutex_lock(&record_lock);
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

void free_page_guest_stopped(uint32_t id)
{
    g_mutex_lock(&record_lock);
    stopped_id = id;
    g_mutex_unlock(&record_lock);
}

void free_page_rejected(uint64_t count)
{
    g_mutex_lock(&record_lock);
    record.rejected += count;
    g_mutex_unlock(&record_lock);
}

void free_page_absent(struct ram_block *block, uint64_t offset, uint64_t length, enum absent_reason reason)
{
    record.absent_bytes[reason] += length;
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

static void start(const char *const *properties, uint64_t features, unsigned queues)
{
    record_clear();
    guest_plug(&virtio_balloon_pci_type, properties);
    guest_start(features, queues);
}

#define PROPERTIES(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* ---- Inflate, deflate ---- */

static void send_pfns(unsigned q, const uint32_t *pfns, unsigned count)
{
    memcpy(guest_ptr(GUEST_BUFFERS), pfns, count * 4);
    guest_send(q, 0, GUEST_BUFFERS, count * 4, false);
    guest_kick(q);
    g_assert_true(guest_wait_used(q, 1));
}

static void test_inflate(void)
{
    static const uint32_t pfns[] = { 0x1003, 0x1001, 0x1002, 0x1001, 0x1007, 0xffffffff, 0x7fffff };
    unsigned long *dirty = bitmap_new(GUEST_RAM >> GUEST_PAGE_BITS);

    start(NULL, 0, 2);
    dirty_log_enable(DIRTY_CLIENT_MIGRATION);
    memset(guest_ptr(0x1000000), 0xaa, 0x10000);
    send_pfns(BALLOON_INFLATE, pfns, G_N_ELEMENTS(pfns));
    for (unsigned page = 0; page < 16; page++) {
        bool inflated = page == 1 || page == 2 || page == 3 || page == 7;

        g_assert_cmphex(*(uint8_t *)guest_ptr(0x1000000 + page * 4096), ==, inflated ? 0 : 0xaa);
        ram_block_dirty_take(guest.ram, DIRTY_CLIENT_MIGRATION, 0x1000 + page, 1, dirty);
        g_assert_cmpint(bitmap_test(dirty, 0x1000 + page), ==, inflated); /* its content changed */
    }
    g_assert_cmpuint(record.absent_bytes[ABSENT_INFLATED], ==, 4 * 4096);
    g_assert_cmphex(reg_read(VIRTIO_PCI_COMMON_STATUS, 1), ==, 0xf); /* pages that are no RAM are just ignored */
    memset(guest_ptr(0x1001000), 0x55, 4096);
    send_pfns(BALLOON_DEFLATE, pfns, G_N_ELEMENTS(pfns));
    g_assert_cmphex(*(uint8_t *)guest_ptr(0x1001000), ==, 0x55);
    dirty_log_disable(DIRTY_CLIENT_MIGRATION);
    bitmap_free(dirty, GUEST_RAM >> GUEST_PAGE_BITS);
    guest_unplug();
}

/* A buffer with more page numbers than one batch takes; the VM stops in the middle, and it is done once more. */
static void test_inflate_long(void)
{
    uint32_t *pfns = guest_ptr(GUEST_BUFFERS);
    const unsigned count = 200000;

    start(NULL, 0, 2);
    for (unsigned i = 0; i < count; i++) {
        pfns[i] = 0x2000 + (i * 7919) % 4096;
    }
    pfns[count - 1] = 0x3fff;
    memset(guest_ptr(0x3fff000), 0xaa, 4096);
    guest_send(BALLOON_INFLATE, 0, GUEST_BUFFERS, count * 4, false);
    guest_kick(BALLOON_INFLATE);
    g_assert_cmpuint(guest_used(BALLOON_INFLATE), ==, 0); /* one kick does a bounded part */
    set_vm_running(false);
    guest_settle();
    g_assert_cmphex(*(uint8_t *)guest_ptr(0x3fff000), ==, 0xaa);
    set_vm_running(true);
    g_assert_true(guest_wait_used(BALLOON_INFLATE, 1));
    g_assert_cmphex(*(uint8_t *)guest_ptr(0x3fff000), ==, 0);
    guest_unplug();
}

static void test_target(void)
{
    g_autoptr(GError) error = NULL;
    BalloonInfo *info;

    g_assert_null(qmp_query_balloon(&error));
    g_assert_cmpint(error->code, ==, FERRY_ERROR_DEVICE_NOT_ACTIVE);
    g_clear_error(&error);
    start(NULL, 0, 2);
    qmp_balloon(GUEST_RAM - (16 << 20), &error);
    g_assert_no_error(error);
    g_assert_cmphex(reg_read(CONFIG_REG, 4), ==, 16 << 8);
    g_assert_cmphex(guest_isr() & 2, ==, 2);
    reg_write(CONFIG_REG, 0, 4); /* not the driver's to write */
    g_assert_cmphex(reg_read(CONFIG_REG, 4), ==, 16 << 8);
    events = 0;
    reg_write(ACTUAL, 16 << 8, 4);
    g_assert_cmpuint(events, ==, 1);
    info = qmp_query_balloon(NULL);
    g_assert_cmpuint(info->actual, ==, GUEST_RAM - (16 << 20));
    qapi_free_BalloonInfo(info);
    reg_write(ACTUAL, 0xffffffff, 4); /* more than there is */
    info = qmp_query_balloon(NULL);
    g_assert_cmpuint(info->actual, ==, 0);
    qapi_free_BalloonInfo(info);
    qmp_balloon(0, &error);
    g_assert_nonnull(error);
    g_clear_error(&error);
    qmp_balloon(INT64_MAX, &error);
    g_assert_cmphex(reg_read(CONFIG_REG, 4), ==, 0);

    struct device *second = device_new(&virtio_balloon_pci_type, NULL);
    g_assert_false(device_realize(second, &guest.bus.bus, &error));
    g_assert_nonnull(strstr(error->message, "Another balloon device"));
    device_free(second);
    g_assert_true(balloon_present());
    guest_unplug();
    g_assert_false(balloon_present());
}

/* ---- Statistics ---- */

static const struct dynamic_property *dynamic(const char *name)
{
    const struct dynamic_property *p = virtio_balloon_pci_type.dynamic;

    while (strcmp(p->name, name)) {
        p++;
    }
    return p;
}

static int64_t stat_value(const char *name)
{
    g_autoptr(JsonNode) node = dynamic("guest-stats")->get(guest.dev, NULL);
    JsonObject *object = json_node_get_object(node);

    if (!strcmp(name, "last-update")) {
        return json_object_get_int_member(object, name);
    }
    return json_object_get_int_member(json_object_get_object_member(object, "stats"), name);
}

static void send_stats(unsigned n, uint64_t free)
{
    struct virtio_balloon_stat *stats = guest_ptr(GUEST_BUFFERS + n * 4096);

    stats[0] = (struct virtio_balloon_stat){ VIRTIO_BALLOON_S_MEMFREE, free };
    stats[1] = (struct virtio_balloon_stat){ 999, 1 };
    stats[2] = (struct virtio_balloon_stat){ VIRTIO_BALLOON_S_CACHES, 77 };
    guest_send(BALLOON_STATISTICS, n, GUEST_BUFFERS + n * 4096, 3 * sizeof(stats[0]) + 3, false);
    guest_kick(BALLOON_STATISTICS);
}

static bool set_interval(int64_t seconds, GError **error)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_VALUE);

    json_node_set_int(node, seconds);
    return dynamic("guest-stats-polling-interval")->set(guest.dev, node, error);
}

static void test_stats(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = NULL, text = json_node_new(JSON_NODE_VALUE);

    start(NULL, F(STATS_VQ), 3);
    g_assert_cmpint(stat_value("stat-free-memory"), ==, -1);
    g_assert_cmpint(stat_value("last-update"), ==, 0);
    send_stats(0, 1234);
    g_assert_cmpint(stat_value("stat-free-memory"), ==, 1234);
    g_assert_cmpint(stat_value("stat-disk-caches"), ==, 77);
    g_assert_cmpint(stat_value("stat-swap-in"), ==, -1);
    g_assert_cmpint(stat_value("last-update"), >, 1500000000);
    g_assert_cmpuint(guest_used(BALLOON_STATISTICS), ==, 0); /* held */

    g_assert_false(set_interval(-1, &error));
    g_assert_cmpstr(error->message, ==, "timer value must be greater than zero");
    g_clear_error(&error);
    g_assert_false(set_interval(1ll << 32, &error));
    g_assert_cmpstr(error->message, ==, "timer value is too big");
    g_clear_error(&error);
    json_node_set_string(text, "2");
    g_assert_false(dynamic("guest-stats-polling-interval")->set(guest.dev, text, &error));
    g_assert_true(set_interval(2, NULL));
    node = dynamic("guest-stats-polling-interval")->get(guest.dev, NULL);
    g_assert_cmpint(json_node_get_int(node), ==, 2);
    timers_run(VM_CLOCK_VIRTUAL); /* at once */
    g_assert_true(guest_wait_used(BALLOON_STATISTICS, 1));
    send_stats(0, 4321);
    g_assert_cmpint(stat_value("stat-free-memory"), ==, 4321);
    send_stats(1, 5); /* a second one, though it is our turn */
    g_assert_true(guest_wait_used(BALLOON_STATISTICS, 1));
    g_assert_cmpint(stat_value("stat-free-memory"), ==, 5);

    /* A stop changes nothing about the buffer in hand. */
    set_vm_running(false);
    set_vm_running(true);
    guest_settle();
    g_assert_cmpuint(guest_used(BALLOON_STATISTICS), ==, guest.used_seen[BALLOON_STATISTICS]);
    g_assert_cmpint(stat_value("stat-free-memory"), ==, 5);
    g_assert_true(set_interval(0, NULL));
    reg_write(VIRTIO_PCI_COMMON_STATUS, 0, 1);
    g_assert_cmpint(stat_value("stat-free-memory"), ==, -1);
    guest_unplug();
}

/* ---- Free page hints ---- */

#define HINT_OPTIONS PROPERTIES("free-page-hint=on")
#define PAGES 0x1000000ull

static void send_command(unsigned q, uint32_t id)
{
    *(uint32_t *)guest_ptr(GUEST_BUFFERS + 64 * q) = id;
    guest_send(q, 0, GUEST_BUFFERS + 64 * q, 4, false);
    guest_kick(q);
    g_assert_true(guest_wait_used(q, 1));
}

static void send_pages(unsigned q, hwaddr gpa, uint32_t length)
{
    guest_send(q, 1, gpa, length, true);
    guest_kick(q);
    g_assert_true(guest_wait_used(q, 1));
}

static void start_request(uint32_t id)
{
    g_autoptr(GError) error = NULL;

    open_id = id;
    provider->start(provider, id, &error);
    g_assert_no_error(error);
}

static void run_hints(unsigned q)
{
    uint32_t first, second;

    g_assert_cmphex(reg_read(COMMAND, 4), ==, VIRTIO_BALLOON_CMD_ID_STOP);
    provider->done(provider); /* nothing is owed */
    g_assert_cmphex(reg_read(COMMAND, 4), ==, VIRTIO_BALLOON_CMD_ID_STOP);
    send_pages(q, PAGES, 4096); /* nobody asked */
    g_assert_cmpuint(record.late_ranges, ==, 1);

    guest_isr();
    start_request(7);
    g_assert_cmphex(guest_isr() & 2, ==, 2);
    first = reg_read(COMMAND, 4);
    g_assert_cmphex(first, >=, 2);
    send_pages(q, PAGES, 4096); /* before its id */
    send_command(q, first - 1);
    send_pages(q, PAGES, 4096); /* under another */
    g_assert_cmpuint(record.late_ranges, ==, 3);
    g_assert_cmpuint(record.taken_ranges, ==, 0);
    send_command(q, first);
    g_assert_cmphex(reg_read(COMMAND, 4), ==, first); /* does not read as stop meanwhile */
    send_pages(q, PAGES, 4 << 20);
    g_assert_cmpuint(record.taken_bytes, ==, 4 << 20);
    g_assert_cmphex(record.first_offset, ==, PAGES);
    send_command(q, VIRTIO_BALLOON_CMD_ID_STOP);
    g_assert_cmpuint(stopped_id, ==, 7);
    send_pages(q, PAGES, 4096);
    g_assert_cmpuint(record.late_ranges, ==, 4);
    provider->stop(provider);
    g_assert_cmphex(reg_read(COMMAND, 4), ==, VIRTIO_BALLOON_CMD_ID_STOP);
    provider->done(provider);
    g_assert_cmphex(reg_read(COMMAND, 4), ==, VIRTIO_BALLOON_CMD_ID_DONE);
    guest_isr();
    provider->done(provider); /* idempotent, no interrupt */
    g_assert_cmphex(guest_isr(), ==, 0);

    start_request(8);
    second = reg_read(COMMAND, 4);
    g_assert_cmphex(second, !=, first);
    send_command(q, first); /* a driver that is behind */
    send_pages(q, PAGES, 4096);
    g_assert_cmpuint(record.late_ranges, ==, 5);
    send_command(q, second);
    send_pages(q, PAGES + 0x400000, 8192);
    g_assert_cmpuint(record.taken_bytes, ==, (4 << 20) + 8192);
    provider->stop(provider); /* the host has had enough */
    provider->drain(provider);
    send_pages(q, PAGES, 4096);
    g_assert_cmpuint(record.late_ranges, ==, 6);
    provider->done(provider);
}

static void test_hints(void)
{
    start(HINT_OPTIONS, F(STATS_VQ) | F(FREE_PAGE_HINT), 4);
    run_hints(3);
    g_assert_true(record.thread == g_thread_self());
    guest_unplug();
    start(HINT_OPTIONS, F(FREE_PAGE_HINT), 3); /* no statistics: the index moves up */
    run_hints(2);
    guest_unplug();
}

static void test_hints_iothread(void)
{
    struct iothread *iothread = iothread_new("io0", NULL);
    g_autoptr(GError) error = NULL;

    start(PROPERTIES("free-page-hint=on", "iothread=io0"), F(STATS_VQ) | F(FREE_PAGE_HINT), 4);
    run_hints(3);
    g_assert_true(record.thread != g_thread_self());
    g_assert_false(iothread_delete(iothread, &error)); /* in use */
    g_clear_error(&error);
    /* What breaks there is told by the main loop. */
    guest_desc(3, 0, PAGES, 4096, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 0);
    guest_offer(3, 0);
    guest_kick(3);
    for (int i = 0; i < 500 && !guest_needs_reset(); i++) {
        g_usleep(1000);
    }
    g_assert_true(guest_needs_reset());
    guest_unplug();
    g_assert_true(iothread_delete(iothread, NULL));

    struct device *dev = device_new(&virtio_balloon_pci_type, NULL);
    device_set(dev, "iothread", "io0");
    g_assert_false(device_realize(dev, &guest.bus.bus, &error));
    g_assert_nonnull(strstr(error->message, "iothread 'io0' does not exist"));
    device_free(dev);
}

/* Why there are no hints is told. */
static void test_hints_refused(void)
{
    g_autoptr(GError) error = NULL;

    guest_plug(&virtio_balloon_pci_type, HINT_OPTIONS);
    g_assert_false(provider->start(provider, 5, &error));
    g_assert_nonnull(strstr(error->message, "no balloon driver"));
    g_clear_error(&error);
    guest_start(F(STATS_VQ), 3);
    g_assert_false(provider->start(provider, 5, &error));
    g_assert_nonnull(strstr(error->message, "does not know free page hints"));
    g_clear_error(&error);
    guest_start(F(STATS_VQ) | F(FREE_PAGE_HINT), 4);
    set_vm_running(false);
    g_assert_false(provider->start(provider, 5, &error));
    set_vm_running(true);
    guest_unplug();
    guest_plug(&virtio_balloon_pci_type, NULL);
    g_assert_null(provider);
    guest_unplug();
}

/* A request ends by VM stop, by reset, by unplug; what follows is late, and ids go on. */
static void test_hints_ends(void)
{
    uint32_t id, next;

    start(HINT_OPTIONS, F(FREE_PAGE_HINT), 3);
    start_request(11);
    id = reg_read(COMMAND, 4);
    send_command(2, id);
    set_vm_running(false);
    g_assert_cmpuint(stopped_id, ==, 11);
    set_vm_running(true);
    send_pages(2, PAGES, 4096);
    g_assert_cmpuint(record.taken_ranges, ==, 0);
    provider->done(provider);
    g_assert_cmphex(reg_read(COMMAND, 4), ==, VIRTIO_BALLOON_CMD_ID_DONE);

    start_request(12);
    id = reg_read(COMMAND, 4);
    reg_write(VIRTIO_PCI_COMMON_STATUS, 0, 1);
    g_assert_cmpuint(stopped_id, ==, 12);
    g_assert_cmphex(reg_read(COMMAND, 4), ==, VIRTIO_BALLOON_CMD_ID_STOP);
    provider->done(provider); /* the new driver holds nothing */
    g_assert_cmphex(reg_read(COMMAND, 4), ==, VIRTIO_BALLOON_CMD_ID_STOP);
    guest_start(F(FREE_PAGE_HINT), 3);
    send_command(2, id);
    send_pages(2, PAGES, 4096);
    g_assert_cmpuint(record.taken_ranges, ==, 0);
    start_request(13);
    next = reg_read(COMMAND, 4);
    g_assert_cmphex(next, !=, id);
    record_clear();
    guest_unplug();
    g_assert_cmpuint(stopped_id, ==, 13);
}

/* Buffers that are not free memory: rejected and counted; far too many, in pieces; batches stay small. */
static void test_hints_hostile(void)
{
    struct memory_region other_region;
    struct ram_block *other = ram_block_new("pc.rom", 1 << 20, NULL);

    other->migratable = false;
    memory_region_init_ram(&other_region, other, "rom", 1 << 20);
    memory_region_add(&system_memory, 0x8000000, &other_region, 0);
    start(HINT_OPTIONS, F(FREE_PAGE_HINT), 3);
    start_request(21);
    send_command(2, reg_read(COMMAND, 4));
    send_pages(2, 0x8000000, 1 << 20);
    g_assert_cmpuint(record.rejected, ==, 1);
    *(uint8_t *)guest_ptr(GUEST_BUFFERS) = 1;
    guest_send(2, 0, GUEST_BUFFERS, 1, false); /* a command of one byte */
    guest_kick(2);
    g_assert_true(guest_wait_used(2, 1));
    g_assert_cmpuint(record.rejected, ==, 2);
    /* All of RAM, a hundred times over, in one chain. */
    for (unsigned i = 0; i < 100; i++) {
        guest_desc(2, i, 0, GUEST_RAM, VRING_DESC_F_WRITE | (i < 99 ? VRING_DESC_F_NEXT : 0), i + 1);
    }
    record_clear();
    guest_offer(2, 0);
    guest_kick(2);
    g_assert_cmpuint(record.taken_bytes, <=, 256 << 20);
    g_assert_cmpuint(guest_used(2), ==, guest.used_seen[2]);
    g_assert_true(guest_wait_used(2, 1));
    g_assert_cmpuint(record.taken_bytes, ==, 100 * GUEST_RAM);
    g_assert_cmpuint(record.largest_batch, ==, FREE_PAGE_BATCH);
    /* Drained in the middle: given back, and late from there on. */
    guest_offer(2, 0);
    guest_kick(2);
    open_id = 0;
    provider->drain(provider);
    g_assert_true(guest_wait_used(2, 1));
    /* No RAM at all: that breaks the device. */
    guest_send(2, 1, 0x7000000000ull, 4096, true);
    guest_kick(2);
    g_assert_true(guest_needs_reset());
    guest_unplug();
    memory_region_remove(&other_region);
    memory_region_cleanup(&other_region);
    ram_block_free(other);
}

/* ---- Reporting ---- */

static void test_reporting(void)
{
    const uint64_t features = F(REPORTING) | F(PAGE_POISON);

    start(PROPERTIES("free-page-reporting=on", "free-page-hint=on"), features, 3); /* hints not negotiated: index 2 */
    memset(guest_ptr(PAGES), 0xaa, 0x10000);
    guest_desc(2, 0, PAGES, 0x2000, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
    guest_desc(2, 1, PAGES + 0x3800, 0x2000, VRING_DESC_F_WRITE, 0); /* half a page, a page, half a page */
    guest_offer(2, 0);
    guest_kick(2);
    g_assert_true(guest_wait_used(2, 1));
    for (unsigned page = 0; page < 8; page++) {
        bool taken = page < 2 || page == 4;

        g_assert_cmphex(*(uint8_t *)guest_ptr(PAGES + page * 4096), ==, taken ? 0 : 0xaa);
        g_assert_cmphex(*(uint8_t *)guest_ptr(PAGES + page * 4096 + 4095), ==, taken ? 0 : 0xaa);
    }
    g_assert_cmpuint(record.absent_bytes[ABSENT_REPORTED], ==, 3 * 4096);
    reg_write(POISON, 0xaaaaaaaa, 4); /* from now on free pages must keep what they are filled with */
    send_pages(2, PAGES + 0x6000, 4096);
    g_assert_cmphex(*(uint8_t *)guest_ptr(PAGES + 0x6000), ==, 0xaa);
    guest_unplug();
}

/* ---- State ---- */

static GByteArray *save(void)
{
    struct stream *s = stream_new_memory_output();
    GByteArray *copy = g_byte_array_new();

    g_assert_true(vmstate_save_body(s, virtio_balloon_pci_type.vmstate, guest.dev, NULL, NULL));
    g_byte_array_append(copy, stream_memory_data(s)->data, stream_memory_data(s)->len);
    stream_free(s);
    return copy;
}

static bool load(const uint8_t *data, size_t length, GError **error)
{
    struct stream *s = stream_new_memory_input(data, length);
    bool ok = vmstate_load_body(s, virtio_balloon_pci_type.vmstate, guest.dev, 1, error);

    stream_free(s);
    return ok;
}

/* What QEMU 7.2 writes for the same device, paused before the firmware ran: length and SHA-256 of the section's body. */
static const struct {
    const char *const properties[4];
    uint32_t length;
    const char *sha256;
} golden[] = {
    { { NULL }, 45541, "f79a9f0d704abf041f8af4a6a06681bf59b68a5268d17ac4c46a931a9420f6c9" },
    { { "free-page-hint=on", NULL }, 45555, "96de988263e056339cdbf317275383e63e4a211c52bb7c487b7d1eec196fa6e8" },
    { { "free-page-reporting=on", "page-poison=off", "deflate-on-oom=on", NULL }, 45547, "49e58d7aa5bfeddcf1bd84e0c894e75f0681a80f40216c8e4308c1368fcf79f5" },
    { { "disable-legacy=on", NULL }, 45541, "9f81448111cceb351c4699e22fdffeb91c77c7ded04e4a31beed1050666e2a59" },
    { { "disable-modern=on", NULL }, 417, "9dcff6b19d6381de81c71a391efe82df0eec6c7d464b055f12012a1914ae0512" },
    { { "page-poison=off", NULL }, 45533, "f5060e5d4564f0278a839b5be590f1fb2d4f2c2f23bf3b58c664765b0a094132" },
};

static void test_golden(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(golden); i++) {
        g_autoptr(GByteArray) saved = NULL;
        g_autofree char *sum = NULL;

        guest.dev = device_new(&virtio_balloon_pci_type, NULL);
        device_set(guest.dev, "addr", "2");
        for (const char *const *p = golden[i].properties; *p; p++) {
            g_auto(GStrv) pair = g_strsplit(*p, "=", 2);

            device_set(guest.dev, pair[0], pair[1]);
        }
        g_assert_true(device_realize(guest.dev, &guest.bus.bus, NULL));
        virtio_balloon_pci_type.reset(guest.dev);
        pci_device_reset((struct pci_device *)guest.dev);
        saved = save();
        if (g_getenv("GOLDEN_DUMP")) {
            g_autofree char *path = g_strdup_printf("%s/%u", g_getenv("GOLDEN_DUMP"), i);

            g_file_set_contents(path, (char *)saved->data, saved->len, NULL);
        }
        g_assert_cmpuint(saved->len, ==, golden[i].length);
        sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, saved->data, saved->len);
        g_assert_cmpstr(sum, ==, golden[i].sha256);
        guest_unplug();
    }
}

static const uint64_t ALL = F(STATS_VQ) | F(FREE_PAGE_HINT) | F(PAGE_POISON) | F(REPORTING) |
                            VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) | VIRTIO_FEATURE(VIRTIO_F_RING_RESET_BIT);
#define ALL_OPTIONS PROPERTIES("free-page-hint=on", "free-page-reporting=on", "vectors=4")

/* Source and destination share the RAM here, as a finished migration would have it. */
static void test_round_trip(void)
{
    g_autoptr(GByteArray) saved = NULL, again = NULL;
    g_autoptr(GError) error = NULL;
    uint32_t id;

    start(ALL_OPTIONS, ALL, 5);
    qmp_balloon(GUEST_RAM / 2, NULL);
    reg_write(ACTUAL, 99, 4);
    reg_write(POISON, 0x5a, 4);
    send_stats(0, 1234);
    start_request(31);
    id = reg_read(COMMAND, 4);
    send_command(3, id);
    provider->stop(provider);
    set_vm_running(false);
    saved = save();
    guest_unplug();

    guest_plug(&virtio_balloon_pci_type, ALL_OPTIONS);
    vm_running = false;
    listener->changed(listener->opaque, false, RUN_STATE_INMIGRATE);
    if (!load(saved->data, saved->len, &error)) {
        g_error("%s", error->message);
    }
    again = save();
    g_assert_cmpmem(again->data, again->len, saved->data, saved->len);
    g_assert_cmphex(reg_read(CONFIG_REG, 4), ==, GUEST_RAM / 2 >> 12);
    g_assert_cmphex(reg_read(ACTUAL, 4), ==, 99);
    g_assert_cmphex(reg_read(POISON, 4), ==, 0x5a);
    g_assert_cmphex(reg_read(COMMAND, 4), ==, VIRTIO_BALLOON_CMD_ID_STOP);
    record_clear();
    set_vm_running(true);
    /* The guest gets its pages back from whoever runs it. */
    g_assert_cmphex(reg_read(COMMAND, 4), ==, VIRTIO_BALLOON_CMD_ID_DONE);
    guest_settle();
    g_assert_cmpint(stat_value("stat-free-memory"), ==, 1234); /* its buffer was in the ring still */
    send_command(3, id);
    send_pages(3, PAGES, 4096);
    g_assert_cmpuint(record.late_ranges, ==, 1);
    start_request(2); /* this host counts for itself, the guest meets a new id */
    g_assert_cmphex(reg_read(COMMAND, 4), ==, id + 1);
    send_command(3, id + 1);
    send_pages(3, PAGES, 4096);
    g_assert_cmpuint(record.taken_ranges, ==, 1);
    guest_unplug();
}

/* A broken device arrives broken; rings that contradict the stream break it, and only it. */
static void test_load_broken(void)
{
    g_autoptr(GByteArray) saved = NULL;

    start(NULL, F(STATS_VQ), 3);
    guest_offer(0, 0xffff);
    guest_kick(0);
    g_assert_true(guest_needs_reset());
    set_vm_running(false);
    saved = save();
    guest_unplug();
    guest_plug(&virtio_balloon_pci_type, NULL);
    set_vm_running(false);
    g_assert_true(load(saved->data, saved->len, NULL));
    set_vm_running(true);
    g_assert_true(guest_needs_reset());
    guest_unplug();

    start(NULL, F(STATS_VQ), 3);
    set_vm_running(false);
    g_byte_array_unref(g_steal_pointer(&saved));
    saved = save();
    guest_unplug();
    ((uint16_t *)guest_ptr(GUEST_USED(1)))[1] = 0x4000;
    guest_plug(&virtio_balloon_pci_type, NULL);
    set_vm_running(false);
    g_assert_true(load(saved->data, saved->len, NULL));
    set_vm_running(true);
    g_assert_true(guest_needs_reset());
    guest_unplug();
}

/* There the body seems whole without the subsection: it is the section's footer that is missed. */
static bool cut_in_subsection_header(const GByteArray *saved, size_t length)
{
    for (size_t at = MAX(length, 64) - 64; at <= length; at++) {
        if (saved->data[at] == 5 && !memcmp(saved->data + at + 2, "virtio", 6) && at + 6 + saved->data[at + 1] > length) {
            return true;
        }
    }
    return false;
}

/* Cut short, or with bytes changed: refused with a reason, or loaded; the device then resets and works. */
static void test_damaged(void)
{
    g_autoptr(GByteArray) saved = NULL;

    start(ALL_OPTIONS, ALL, 5);
    set_vm_running(false);
    saved = save();
    for (size_t length = 0; length < saved->len; length += length < 600 ? 1 : 997) {
        g_autoptr(GError) error = NULL;

        if (load(saved->data, length, &error)) {
            g_assert_true(cut_in_subsection_header(saved, length));
        } else {
            g_assert_nonnull(error);
        }
        virtio_balloon_pci_type.reset(guest.dev);
    }
    for (int i = 0; i < 3000; i++) {
        g_autofree uint8_t *copy = g_memdup2(saved->data, saved->len);
        g_autoptr(GError) error = NULL;

        for (int n = g_test_rand_int_range(1, 4); n; n--) {
            copy[g_test_rand_int_range(0, g_test_rand_int_range(0, 4) ? 700 : (int)saved->len)] = g_test_rand_int();
        }
        g_assert_true(load(copy, saved->len, &error) || error);
        if (!error) {
            set_vm_running(true);
            guest_settle();
            set_vm_running(false);
        }
        virtio_balloon_pci_type.reset(guest.dev);
    }
    guest_map();
    set_vm_running(true);
    guest_start(ALL, 5);
    send_pfns(BALLOON_INFLATE, (const uint32_t[]){ 0x1000 }, 1);
    guest_unplug();

    /* Properties that differ. */
    guest_plug(&virtio_balloon_pci_type, NULL);
    set_vm_running(false);
    g_assert_false(load(saved->data, saved->len, NULL));
    set_vm_running(true);
    guest_unplug();
}

/* Rings filled at random, all queues, kicks and stops between: it ends, and nothing outside RAM is touched. */
static void test_random(void)
{
    start(ALL_OPTIONS, ALL, 5);
    for (int round = 0; round < 1500; round++) {
        unsigned q = g_test_rand_int_range(0, 5);

        for (unsigned i = 0; i < 32; i++) {
            guest_desc(q, i, g_test_rand_int_range(0, 20) ? (hwaddr)g_test_rand_int_range(0, 0x3000000) : (hwaddr)g_test_rand_int() << 8,
                       g_test_rand_int_range(0, 20) ? g_test_rand_int_range(1, 0x100000) : g_test_rand_int(),
                       g_test_rand_int_range(0, 4), g_test_rand_int_range(0, 33));
        }
        for (int i = g_test_rand_int_range(0, 4); i; i--) {
            guest_offer(q, g_test_rand_int_range(0, 33));
        }
        guest_kick(q);
        switch (g_test_rand_int_range(0, 10)) {
        case 0: set_vm_running(false); set_vm_running(true); break;
        case 1:
            open_id = 1000 + round;
            provider->start(provider, open_id, NULL);
            break;
        case 2: provider->drain(provider); break;
        case 3: provider->done(provider); break;
        default: break;
        }
        if (guest_needs_reset()) {
            guest_start(ALL, 5);
        }
    }
    guest_unplug();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    guest_init();
    device_types_set(types);
    g_test_add_func("/balloon/inflate", test_inflate);
    g_test_add_func("/balloon/inflate-long", test_inflate_long);
    g_test_add_func("/balloon/target", test_target);
    g_test_add_func("/balloon/stats", test_stats);
    g_test_add_func("/balloon/hints", test_hints);
    g_test_add_func("/balloon/hints/iothread", test_hints_iothread);
    g_test_add_func("/balloon/hints/refused", test_hints_refused);
    g_test_add_func("/balloon/hints/ends", test_hints_ends);
    g_test_add_func("/balloon/hints/hostile", test_hints_hostile);
    g_test_add_func("/balloon/reporting", test_reporting);
    g_test_add_func("/balloon/state/golden", test_golden);
    g_test_add_func("/balloon/state/round-trip", test_round_trip);
    g_test_add_func("/balloon/state/broken", test_load_broken);
    g_test_add_func("/balloon/state/damaged", test_damaged);
    g_test_add_func("/balloon/random", test_random);
    return g_test_run();
}
