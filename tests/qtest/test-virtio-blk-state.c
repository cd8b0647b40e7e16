/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-blk-pci with requests under way: reset, and its section of the stream. */
#include "blk-driver.h"

/* ---- Resets with requests under way ---- */

static void offer_many(void)
{
    for (unsigned n = 0; n < 8; n++) {
        offer(3 * n, n % 2 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, 2048, DATA + n * MIB, MIB);
    }
}

/* After a reset no buffer is the device's: what is there stays. */
static void check_let_go(uint64_t features)
{
    uint8_t mark[64], before[64], after[64];

    memset(mark, 0xcc, sizeof(mark));
    for (unsigned n = 0; n < 8; n++) {
        qtest_memset(q, DATA + n * MIB, mark[0], MIB);
    }
    if (features) {
        virtio_driver_start(&d, features, 1);
    } else {
        virtio_driver_setup_queue(&d, 0);
    }
    qtest_memset(q, OTHER + 6 * MIB, 0, 512);
    g_assert_cmpuint(request(VIRTIO_BLK_T_IN, 0, OTHER + 12 * MIB, 512), ==, VIRTIO_BLK_S_OK);
    for (unsigned n = 0; n < 8; n++) {
        qtest_memread(q, DATA + n * MIB, before, 64);
        qtest_memread(q, DATA + (n + 1) * MIB - 64, after, 64);
        g_assert_true(!memcmp(before, mark, 64) && !memcmp(after, mark, 64));
    }
}

static void test_reset(const void *args)
{
    start(args, 0);
    for (unsigned round = 0; round < 2; round++) {
        offer_many();
        qtest_writeb(q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_STATUS, 0);
        check_let_go(DISCARDS);
        offer_many();
        qtest_qmp_ok(q, "{\"execute\": \"system_reset\"}");
        json_object_unref(qtest_qmp_event(q, "RESET"));
        virtio_driver_init(&d, q, SLOT);
        check_let_go(DISCARDS);
        offer_many();
        virtio_pci_write(&d, PCI_COMMAND, PCI_COMMAND_MEMORY); /* no bus mastering */
        virtio_pci_write(&d, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
        check_let_go(DISCARDS);
    }
    check_works();
    qtest_quit(q);
}

static void test_queue_reset(const void *args)
{
    start(args, RING_RESET);
    for (unsigned round = 0; round < 2; round++) {
        offer_many();
        qtest_writew(q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_Q_SELECT, 0);
        qtest_writew(q, VIRTIO_COMMON + 58, 1);
        g_assert_cmpuint(qtest_readw(q, VIRTIO_COMMON + 58), ==, 0);
        check_let_go(0);
    }
    check_works();
    qtest_quit(q);
}

/* The device goes, or the machine does. */
static void test_quit(const void *args)
{
    start(args, 0);
    offer_many();
    qtest_quit(q);
}

/* ---- State ---- */

static char *section_sum(const char *path, gsize *length)
{
    g_autoptr(GBytes) section = qtest_section(path, "0000:00:02.0/virtio-blk");

    *length = g_bytes_get_size(section);
    return g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, section);
}

/* What QEMU 7.2 writes when this test drives it: length and SHA-256 of the section's body. */
static const struct {
    const char *properties;
    bool started, failed; /* with a driver; two writes failed and wait */
    gsize length;
    const char *sha256;
} golden[] = {
    { "", false, false, 45584,
      "42a267eb5df8f81b56178ada4ec9f519f7086e6f701b1f5ad4dbf8c8e3597d65" },
    { "", true, false, 49722,
      "ebf1f2c5740cd83a1071360f3c5547196bd33e433b253648100bc9ec4ec36915" },
    { ",werror=stop", true, true, 148060,
      "20490070fb8b7a4a7f22b882b365d7df9bc09deae80fff0f4f62ac54b2a8566c" },
    { ",num-queues=4,queue-size=64", false, false, 45680,
      "9576f77f400c73a4cfefa6fbcab0c17e511fcd80905bbf677051b06199a62126" },
    { ",vectors=0,discard=off,write-zeroes=off,config-wce=off", true, false, 49664,
      "20423013d2c669c0276267ddc624e3eb45dcab1c998212c67d95558850cb0125" },
    { ",disable-legacy=on,write-cache=off", true, false, 49722,
      "56d780b33c6275fc674ece906b7ef897cc433065623cbc4117c7855d8f78e428" },
};

static void fail_two_writes(void)
{
    qtest_memset(q, DATA, 0x31, 512);
    qtest_memset(q, OTHER, 0x32, 1024);
    put_header(0, VIRTIO_BLK_T_OUT, 10);
    put_header(4, VIRTIO_BLK_T_OUT, 20);
    virtio_driver_chain(&d, 0, 0, (const struct vring_desc[]){ GOOD_HEADER, { DATA, 512, 0, 0 }, GOOD_STATUS }, 3);
    virtio_driver_chain(&d, 0, 4, (const struct vring_desc[]){ { HEADER(4), 16, 0, 0 }, { OTHER, 1024, 0, 0 },
                                                               { STATUS(4), 1, WRITE, 0 } }, 3);
    virtio_driver_offer(&d, 0, 0);
    virtio_driver_offer(&d, 0, 4);
    virtio_driver_kick(&d, 0);
    json_object_unref(qtest_qmp_event(q, "BLOCK_IO_ERROR"));
    json_object_unref(qtest_qmp_event(q, "BLOCK_IO_ERROR"));
    g_assert_cmphex(status_of(0), ==, NOT_YET);
}

static void test_golden(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(golden); i++) {
        g_autofree char *args = g_strconcat(golden[i].failed ? FAILING_NODE DISK "d0" : FILE_NODE DISK "n0",
                                            golden[i].properties, NULL), *path = NULL, *sum = NULL;
        gsize length;

        make_image();
        start_machine(args);
        if (golden[i].started) {
            virtio_driver_start(&d, DISCARDS, 1);
        }
        if (golden[i].failed) {
            fail_two_writes();
        }
        qtest_readb(q, VIRTIO_CONFIG); /* QEMU writes zeros until somebody has read it */
        qtest_qmp_ok(q, "{\"execute\": \"stop\"}");
        path = qtest_save(q, "golden");
        qtest_quit(q);
        sum = section_sum(path, &length);
        g_test_message("%u: %zu %s", i, length, sum);
        g_assert_cmpuint(length, ==, golden[i].length);
        g_assert_cmpstr(sum, ==, golden[i].sha256);
    }
}

/* Requests that wait to be repeated are the driver's again after a reset: `cont` repeats nothing. */
static void test_reset_failed(void)
{
    make_image();
    start_machine(FAILING_NODE DISK "d0,werror=stop");
    for (unsigned round = 0; round < 3; round++) {
        virtio_driver_start(&d, RING_RESET, 1);
        fail_two_writes();
        if (round == 0) {
            qtest_writeb(q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_STATUS, 0);
        } else if (round == 1) {
            qtest_writew(q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_Q_SELECT, 0);
            qtest_writew(q, VIRTIO_COMMON + 58, 1);
        } else {
            qtest_qmp_ok(q, "{\"execute\": \"system_reset\"}");
            json_object_unref(qtest_qmp_event(q, "RESET"));
            virtio_driver_init(&d, q, SLOT);
        }
        qtest_qmp_ok(q, "{\"execute\": \"cont\"}");
        virtio_driver_start(&d, 0, 1);
        g_assert_cmpuint(request(VIRTIO_BLK_T_IN, 10, DATA, 512), ==, VIRTIO_BLK_S_OK);
        g_assert_true(ram_is(DATA, 512, 'k') && status_of(4) == NOT_YET);
    }
    qtest_quit(q);
}

static char *save_failed(void)
{
    char *path;

    start(FAILING_NODE DISK "d0,werror=stop", 0);
    fail_two_writes();
    path = qtest_save(q, "failed");
    qtest_quit(q);
    return path;
}

/* Two writes failed at the source: they are in the stream, and done where the guest goes on. */
static void test_round_trip(void)
{
    g_autofree char *path = save_failed(), *again = NULL, *args = NULL;
    g_autoptr(GBytes) first = qtest_section(path, "0000:00:02.0/virtio-blk"), second = NULL;

    args = g_strdup_printf(FILE_NODE DISK "n0,werror=stop -incoming 'exec:cat %s'", image, path);
    q = qtest_start(args);
    d.q = q;
    g_assert_true(qtest_wait_loaded(q));
    again = qtest_save(q, "again");
    second = qtest_section(again, "0000:00:02.0/virtio-blk");
    g_assert_cmpmem(g_bytes_get_data(first, NULL), g_bytes_get_size(first), g_bytes_get_data(second, NULL),
                    g_bytes_get_size(second));
    g_assert_true(image_is(10, 512, 'k'));
    qtest_qmp_ok(q, "{\"execute\": \"cont\"}");
    virtio_driver_wait(&d, 0, 2);
    g_assert_true(status_of(0) == VIRTIO_BLK_S_OK && status_of(4) == VIRTIO_BLK_S_OK);
    g_assert_true(image_is(10, 512, 0x31) && image_is(20, 1024, 0x32));
    check_works();
    qtest_quit(q);
}

/* The requests of a stream, damaged: `at` counts from the first one's mark. Refused, or loaded and then harmless. */
static const struct {
    unsigned at, size;
    uint64_t value;
    bool refused;
} damages[] = {
    { 0, 1, 2, true },                                /* the mark */
    { 0, 1, 0, true },                                /* no requests; then what follows is no section */
    { 1, 4, VIRTIO_NUM, true },                       /* the head */
    { 5, 4, 1025, true },                             /* readable descriptors */
    { 9, 4, 1023, true },                             /* writable ones */
    { 5, 4, 0, false },                               /* no header */
    { 9, 4, 0, false },                               /* no status */
    { 17, 8, 0x7000000000, false },                   /* the status outside RAM */
    { 17 + 8 * 1024, 8, UINT64_MAX, false },          /* the header */
    { 17 + 16 * 1024 + 8, 8, 0, true },               /* lengths */
    { 17 + 32 * 1024 + 8, 8, UINT64_MAX, true },
};

static void load_damaged(const char *data, gsize length, bool refused)
{
    g_autofree char *path = qtest_path("damaged"), *args = NULL;

    g_assert_true(g_file_set_contents(path, data, (gssize)length, NULL));
    args = g_strdup_printf(FILE_NODE DISK "n0,werror=stop -incoming defer", image);
    q = qtest_start(args);
    d.q = q;
    if (!qtest_load(q, path)) {
        g_assert_cmpint(qtest_wait_exit(q), ==, 1);
        g_assert_true(refused);
        return;
    }
    g_assert_false(refused);
    qtest_qmp_ok(q, "{\"execute\": \"cont\"}");
    virtio_driver_start(&d, 0, 1);
    check_works();
    qtest_quit(q);
}

static void test_damaged(void)
{
    g_autofree char *path = save_failed(), *data = NULL;
    char *section, *requests;
    gsize length;

    g_assert_true(g_file_get_contents(path, &data, &length, NULL));
    section = memmem(data, length, "0000:00:02.0/virtio-blk", 23);
    g_assert_nonnull(section);
    /* The first of the chain's fields: the latest request is the first, its head 4, two readable, one writable. */
    requests = memmem(section, length - (gsize)(section - data), "\1\4\0\0\0\2\0\0\0\1\0\0\0", 13);
    g_assert_nonnull(requests);
    for (unsigned i = 0; i < G_N_ELEMENTS(damages); i++) {
        char before[8];

        memcpy(before, requests + damages[i].at, 8);
        memcpy(requests + damages[i].at, &damages[i].value, damages[i].size);
        g_test_message("damage %u", i);
        load_damaged(data, length, damages[i].refused);
        memcpy(requests + damages[i].at, before, 8);
    }
}

int main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);
    add("reset", test_reset);
    add("queue-reset", test_queue_reset);
    add("quit", test_quit);
    g_test_add_func("/qtest/virtio-blk/reset-failed", test_reset_failed);
    g_test_add_func("/qtest/virtio-blk/state/golden", test_golden);
    g_test_add_func("/qtest/virtio-blk/state/round-trip", test_round_trip);
    g_test_add_func("/qtest/virtio-blk/state/damaged", test_damaged);
    result = g_test_run();
    g_free(image);
    return result;
}
