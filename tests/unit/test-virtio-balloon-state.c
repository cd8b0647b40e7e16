/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The balloon's part of the stream: QEMU's bytes, round trips, damage; and random rings under it. */
#include "balloon-bench.h"

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

/*
 * What QEMU 7.2 writes for the same device, paused before the firmware ran: length and SHA-256 of the section's body.
 */
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
        g_assert_cmpuint(saved->len, ==, golden[i].length);
        sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, saved->data, saved->len);
        g_assert_cmpstr(sum, ==, golden[i].sha256);
        guest_unplug();
    }
}

static const uint64_t ALL = F(STATS_VQ) | F(FREE_PAGE_HINT) | F(PAGE_POISON) | F(REPORTING) | F(FREE_PAGE_BITMAP) |
                            F(PAGE_BITMAP) | VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) |
                            VIRTIO_FEATURE(VIRTIO_F_RING_RESET_BIT);
#define ALL_OPTIONS PROPERTIES("free-page-hint=on", "free-page-reporting=on", "free-page-bitmap=on", "page-bitmap=on", "vectors=4")
#define HINTS (F(STATS_VQ) | F(FREE_PAGE_HINT) | F(PAGE_POISON) | F(REPORTING))
#define ALL_QUEUES 6

/* Source and destination share the RAM here, as a finished migration would have it. */
static void test_round_trip(void)
{
    g_autoptr(GByteArray) saved = NULL, again = NULL;
    g_autoptr(GError) error = NULL;
    uint32_t id;

    start(ALL_OPTIONS, HINTS, 5);
    qmp_balloon(GUEST_RAM / 2, NULL);
    reg_write(ACTUAL, 99, 4);
    send_stats(0, 1234);
    start_request(31);
    reg_write(POISON, 0x5a, 4); /* before the request it would speak against that */
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
    reg_write(POISON, 0, 4);
    start_request(2); /* this host counts for itself, the guest meets a new id */
    g_assert_cmphex(reg_read(COMMAND, 4), ==, id + 1);
    send_command(3, id + 1);
    send_pages(3, PAGES, 4096);
    g_assert_cmpuint(record.taken_ranges, ==, 1);
    guest_unplug();
}

/* A guest that uses bitmaps meets no id twice; one that does not leaves no trace in the stream. */
static void test_bitmap_id(void)
{
    g_autoptr(GByteArray) with = NULL, without = NULL;
    uint32_t request = CONFIG_REG + VIRTIO_BALLOON_BITMAP_CONFIG, id;

    start(ALL_OPTIONS, HINTS, 5);
    set_vm_running(false);
    without = save();
    guest_unplug();
    vm_running = true;
    g_assert_null(memmem(without->data, without->len, "free-page-bitmap", 16));

    start(ALL_OPTIONS, ALL, ALL_QUEUES);
    start_request(5);
    id = reg_read(request, 4);
    set_vm_running(false);
    with = save();
    guest_unplug();
    g_assert_nonnull(memmem(with->data, with->len, "virtio-balloon-device/free-page-bitmap", 38));

    guest_plug(&virtio_balloon_pci_type, ALL_OPTIONS);
    set_vm_running(false);
    g_assert_true(load(with->data, with->len, NULL));
    set_vm_running(true);
    g_assert_cmphex(reg_read(request, 4), ==, 0);
    start_request(6);
    g_assert_cmphex(reg_read(request, 4), ==, id + 1);
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
        if (saved->data[at] == 5 && !memcmp(saved->data + at + 2, "virtio", 6) &&
            at + 6 + saved->data[at + 1] > length) {
            return true;
        }
    }
    return false;
}

/* Cut short, or with bytes changed: refused with a reason, or loaded; the device then resets and works. */
static void test_damaged(void)
{
    g_autoptr(GByteArray) saved = NULL;

    start(ALL_OPTIONS, ALL, ALL_QUEUES);
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
    guest_start(HINTS, 5);
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
    start(ALL_OPTIONS, ALL, ALL_QUEUES);
    for (int round = 0; round < 1500; round++) {
        unsigned q = g_test_rand_int_range(0, ALL_QUEUES);

        for (unsigned i = 0; i < 32; i++) {
            guest_desc(q, i,
                       g_test_rand_int_range(0, 20) ? (hwaddr)g_test_rand_int_range(0, 0x3000000)
                                                    : (hwaddr)g_test_rand_int() << 8,
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
            if (provider->ready(provider) == FREE_PAGE_STATE_ACTIVE) {
                provider->start(provider, open_id);
            }
            break;
        case 2: provider->drain(provider); break;
        case 3: provider->done(provider); break;
        default: break;
        }
        if (guest_needs_reset()) {
            guest_start(ALL, ALL_QUEUES);
        }
    }
    guest_unplug();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    guest_init();
    device_types_set(types);
    g_test_add_func("/balloon/state/golden", test_golden);
    g_test_add_func("/balloon/state/round-trip", test_round_trip);
    g_test_add_func("/balloon/state/bitmap-id", test_bitmap_id);
    g_test_add_func("/balloon/state/broken", test_load_broken);
    g_test_add_func("/balloon/state/damaged", test_damaged);
    g_test_add_func("/balloon/random", test_random);
    return g_test_run();
}
