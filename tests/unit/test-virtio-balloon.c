/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The balloon under a driver of our own: pages, target, statistics, hints, reports. */
#include "balloon-bench.h"

/* ---- Inflate, deflate ---- */

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
    g_assert_cmpuint(record.absent_marked, ==, 0); /* a mark from before could be fetched and then forgotten */
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

/* A vCPU that hints as fast as it can, for whatever id it sees. */
static gpointer eager_guest(gpointer end)
{
    uint32_t seen = 0;

    while (!__atomic_load_n((bool *)end, __ATOMIC_ACQUIRE)) {
        uint16_t before = guest_used(3);
        uint32_t id = reg_read(COMMAND, 4);

        if (id != seen) {
            seen = id;
            *(uint32_t *)guest_ptr(GUEST_BUFFERS) = id < 2 ? 0 : id;
            guest_send(3, 0, GUEST_BUFFERS, 4, false);
        } else {
            guest_send(3, 1, PAGES, 4 << 20, true);
        }
        guest_kick(3);
        for (int i = 0; i < 1000 && guest_used(3) == before; i++) {
            g_usleep(10);
        }
    }
    return NULL;
}

/* Requests come and go, the VM stops and goes on, while an iothread is at work: what is drained stays so. */
static void test_hints_stress(void)
{
    struct iothread *iothread = iothread_new("io1", NULL);
    bool end = false;
    uint64_t taken;
    GThread *thread;

    start(PROPERTIES("free-page-hint=on", "iothread=io1"), F(STATS_VQ) | F(FREE_PAGE_HINT), 4);
    thread = g_thread_new("guest", eager_guest, &end);
    for (uint32_t i = 1; i <= 60; i++) {
        g_mutex_lock(&record_lock);
        open_id = i;
        g_mutex_unlock(&record_lock);
        g_assert_cmpint(provider->ready(provider), ==, FREE_PAGE_STATE_ACTIVE);
        provider->start(provider, i);
        big_unlock();
        g_usleep(g_test_rand_int_range(0, 3000));
        big_lock();
        if (i % 3 == 0) {
            set_vm_running(false);
        } else {
            provider->stop(provider);
            provider->drain(provider);
        }
        g_mutex_lock(&record_lock);
        taken = record.taken_ranges;
        g_mutex_unlock(&record_lock);
        big_unlock();
        g_usleep(500);
        big_lock();
        g_mutex_lock(&record_lock);
        g_assert_cmpuint(record.taken_ranges, ==, taken); /* though the id is still open for the asker */
        g_mutex_unlock(&record_lock);
        provider->done(provider);
        if (i % 3 == 0) {
            set_vm_running(true);
        }
        main_loop_iterate(false);
    }
    g_assert_cmpuint(record.taken_ranges, >, 0);
    __atomic_store_n(&end, true, __ATOMIC_RELEASE);
    big_unlock();
    g_thread_join(thread);
    big_lock();
    g_assert_false(guest_needs_reset());
    guest_unplug();
    g_assert_true(iothread_delete(iothread, NULL));
}

/* Why there are no hints is told. */
static void test_hints_not_ready(void)
{
    guest_plug(&virtio_balloon_pci_type, HINT_OPTIONS);
    g_assert_cmpint(provider->ready(provider), ==, FREE_PAGE_STATE_NO_DRIVER);
    guest_start(F(STATS_VQ), 3);
    g_assert_cmpint(provider->ready(provider), ==, FREE_PAGE_STATE_NOT_NEGOTIATED);
    guest_start(F(STATS_VQ) | F(FREE_PAGE_HINT), 4);
    g_assert_cmpint(provider->ready(provider), ==, FREE_PAGE_STATE_ACTIVE);
    set_vm_running(false);
    g_assert_cmpint(provider->ready(provider), ==, FREE_PAGE_STATE_VM_STOPPED);
    set_vm_running(true);
    guest_offer(3, 5000); /* no such descriptor */
    guest_kick(3);
    guest_settle();
    g_assert_true(guest_needs_reset());
    g_assert_cmpint(provider->ready(provider), ==, FREE_PAGE_STATE_BROKEN);
    guest_unplug();
    guest_plug(&virtio_balloon_pci_type, NULL);
    g_assert_cmpint(provider->ready(provider), ==, FREE_PAGE_STATE_NOT_OFFERED);
    guest_unplug();
}

/* What was free when a migration began, before the guest allocates what it hints. */
static void test_hints_sample(void)
{
    start(HINT_OPTIONS, F(STATS_VQ) | F(FREE_PAGE_HINT), 4);
    start_request(1);
    provider->sample(provider);
    g_assert_cmpuint(provider->guest_free(provider), ==, UINT64_MAX); /* no buffer of the guest's to ask with */
    send_stats(0, 1111);
    g_assert_cmpuint(provider->guest_free(provider), ==, UINT64_MAX); /* not an answer */
    provider->sample(provider);
    g_assert_true(guest_wait_used(BALLOON_STATISTICS, 1));
    send_pages(BALLOON_HINT, PAGES, 8192); /* allocated before it came to answer */
    send_stats(0, 2222);
    g_assert_cmpuint(provider->guest_free(provider), ==, 2222 + 8192);
    send_stats(1, 3333); /* of its own accord */
    g_assert_cmpuint(provider->guest_free(provider), ==, 2222 + 8192);
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
    g_assert_cmpint(stopped_why, ==, FREE_PAGE_STATE_VM_STOPPED);
    set_vm_running(true);
    send_pages(2, PAGES, 4096);
    g_assert_cmpuint(record.taken_ranges, ==, 0);
    provider->done(provider);
    g_assert_cmphex(reg_read(COMMAND, 4), ==, VIRTIO_BALLOON_CMD_ID_DONE);

    start_request(12);
    id = reg_read(COMMAND, 4);
    reg_write(VIRTIO_PCI_COMMON_STATUS, 0, 1);
    g_assert_cmpuint(stopped_id, ==, 12);
    g_assert_cmpint(stopped_why, ==, FREE_PAGE_STATE_RESET);
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

    /* The queue alone is reset: the driver still has its pages, and gets them back. */
    start(HINT_OPTIONS, F(FREE_PAGE_HINT) | VIRTIO_FEATURE(VIRTIO_F_RING_RESET_BIT), 3);
    start_request(14);
    id = reg_read(COMMAND, 4);
    send_command(2, id);
    reg_write(VIRTIO_PCI_COMMON_Q_SELECT, 2, 2);
    reg_write(58, 1, 2);
    g_assert_cmpuint(stopped_id, ==, 14);
    guest_setup_queue(2);
    send_pages(2, PAGES, 4096);
    g_assert_cmpuint(record.taken_ranges, ==, 0);
    provider->done(provider);
    g_assert_cmphex(reg_read(COMMAND, 4), ==, VIRTIO_BALLOON_CMD_ID_DONE);
    guest_unplug();
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
    g_assert_cmpuint(record.taken_ranges, ==, 1); /* the device takes any RAM; if it migrates, the migration knows */
    *(uint8_t *)guest_ptr(GUEST_BUFFERS) = 1;
    guest_send(2, 0, GUEST_BUFFERS, 1, false); /* a command of one byte */
    guest_kick(2);
    g_assert_true(guest_wait_used(2, 1));
    g_assert_cmpuint(record.rejected[FREE_PAGE_MALFORMED], ==, 1);
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
    g_test_add_func("/balloon/hints/stress", test_hints_stress);
    g_test_add_func("/balloon/hints/not-ready", test_hints_not_ready);
    g_test_add_func("/balloon/hints/sample", test_hints_sample);
    g_test_add_func("/balloon/hints/ends", test_hints_ends);
    g_test_add_func("/balloon/hints/hostile", test_hints_hostile);
    g_test_add_func("/balloon/reporting", test_reporting);
    return g_test_run();
}
