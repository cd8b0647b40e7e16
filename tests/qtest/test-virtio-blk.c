/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-blk-pci by good drivers and by hostile ones. */
#include "blk-driver.h"

/* ---- Good drivers ---- */

static void test_config(void)
{
    start(FILE_NODE DISK "n0", 0);
    g_assert_cmpuint(qtest_readq(q, VIRTIO_CONFIG + offsetof(struct virtio_blk_config, capacity)), ==, SECTORS);
    g_assert_cmpuint(qtest_readl(q, VIRTIO_CONFIG + offsetof(struct virtio_blk_config, seg_max)), ==, 254);
    g_assert_cmpuint(qtest_readl(q, VIRTIO_CONFIG + offsetof(struct virtio_blk_config, blk_size)), ==, 512);
    g_assert_cmphex(virtio_driver_offered(&d) & DISCARDS, ==, DISCARDS);
    qtest_irq_intercept_in(q, "ioapic");
    check_works();
    g_assert_true(qtest_irq_level(q, 10));
    g_assert_cmphex(qtest_readb(q, VIRTIO_ISR), ==, 1);
    g_assert_false(qtest_irq_level(q, 10));
    qtest_qmp_ok(q, "{\"execute\": \"block_resize\", \"arguments\": {\"node-name\": \"n0\", \"size\": 16777216}}");
    g_assert_cmpuint(qtest_readq(q, VIRTIO_CONFIG), ==, 2 * SECTORS);
    g_assert_cmphex(qtest_readb(q, VIRTIO_ISR) & 2, ==, 2);
    qtest_quit(q);
}

/* Any cut of a request into descriptors is as good as another (VIRTIO 1.2, 2.7.4). */
static void test_layouts(void)
{
    static const struct vring_desc write[] = {
        { HEADER(0), 5, 0, 0 }, { HEADER(0) + 5, 11, 0, 0 }, { DATA + 1, 511, 0, 0 }, { OTHER + 3, 1025, 0, 0 },
        { STATUS(0), 1, WRITE, 0 },
    };
    static const struct vring_desc read[] = {
        { HEADER(0), 16, 0, 0 }, { DATA, 1, WRITE, 0 }, { OTHER, 1535, WRITE, 0 }, { STATUS(0), 1, WRITE, 0 },
    };
    static const struct vring_desc status_behind_data[] = { { HEADER(0), 16, 0, 0 }, { DATA, 513, WRITE, 0 } };

    start(FILE_NODE DISK "n0", 0);
    put_header(0, VIRTIO_BLK_T_OUT, 100);
    qtest_memset(q, DATA + 1, 0x77, 511);
    qtest_memset(q, OTHER + 3, 0x77, 1025);
    virtio_driver_chain(&d, 0, 0, write, G_N_ELEMENTS(write));
    virtio_driver_offer(&d, 0, 0);
    virtio_driver_kick(&d, 0);
    virtio_driver_wait(&d, 0, 1);
    g_assert_cmpuint(status_of(0), ==, VIRTIO_BLK_S_OK);
    g_assert_true(image_is(100, 1536, 0x77));

    put_header(0, VIRTIO_BLK_T_IN, 100);
    qtest_memset(q, DATA, 0, 512);
    virtio_driver_chain(&d, 0, 7, read, G_N_ELEMENTS(read));
    virtio_driver_offer(&d, 0, 7);
    virtio_driver_kick(&d, 0);
    virtio_driver_wait(&d, 0, 1);
    g_assert_true(ram_is(DATA, 1, 0x77) && ram_is(DATA + 1, 500, 0) && ram_is(OTHER, 1535, 0x77));
    g_assert_cmpuint(virtio_driver_used(&d, 0).id, ==, 7);

    put_header(0, VIRTIO_BLK_T_IN, 100);
    virtio_driver_chain(&d, 0, 0, status_behind_data, 2);
    virtio_driver_offer(&d, 0, 0);
    virtio_driver_kick(&d, 0);
    virtio_driver_wait(&d, 0, 1);
    g_assert_true(ram_is(DATA, 512, 0x77) && ram_is(DATA + 512, 1, VIRTIO_BLK_S_OK));
    qtest_quit(q);
}

static void put_range(uint64_t sector, uint32_t count, uint32_t flags)
{
    struct virtio_blk_discard_write_zeroes range = { sector, count, flags };

    qtest_memwrite(q, DATA, &range, sizeof(range));
}

static void test_other_requests(void)
{
    char id[21] = { 0 };

    start(FILE_NODE DISK "n0", DISCARDS);
    check_works();
    g_assert_cmpuint(request(VIRTIO_BLK_T_FLUSH, 0, 0, 0), ==, VIRTIO_BLK_S_OK);
    qtest_memset(q, DATA, 0x55, 64);
    g_assert_cmpuint(request(VIRTIO_BLK_T_GET_ID, 0, DATA, 20), ==, VIRTIO_BLK_S_OK);
    qtest_memread(q, DATA, id, 20);
    g_assert_cmpstr(id, ==, "FERRY-QTEST");
    g_assert_true(ram_is(DATA + 20, 44, 0x55));
    put_range(2048, 1024, 0);
    g_assert_cmpuint(request(VIRTIO_BLK_T_DISCARD, 0, DATA, 16), ==, VIRTIO_BLK_S_OK);
    g_assert_true(image_is(2048, 1024 * 512, 0));
    for (unsigned flags = 0; flags < 2; flags++) {
        put_range(4097 + 100 * flags, 3, flags);
        g_assert_cmpuint(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, DATA, 16), ==, VIRTIO_BLK_S_OK);
        g_assert_true(image_is(4097 + 100 * flags, 3 * 512, 0));
        g_assert_false(image_is(4100 + 100 * flags, 512, 0));
    }
    qtest_quit(q);
}

/* ---- Requests that say no sense ---- */

/* Answered with a status; nothing is written anywhere, and the device goes on. */
static const struct {
    uint32_t type;
    uint64_t sector;
    uint32_t length;
    uint8_t status;
} senseless[] = {
    { VIRTIO_BLK_T_IN, SECTORS, 512, VIRTIO_BLK_S_IOERR },
    { VIRTIO_BLK_T_OUT, SECTORS, 512, VIRTIO_BLK_S_IOERR },
    { VIRTIO_BLK_T_IN, SECTORS - 1, 1024, VIRTIO_BLK_S_IOERR },
    { VIRTIO_BLK_T_OUT, SECTORS - 1, 1024, VIRTIO_BLK_S_IOERR },
    { VIRTIO_BLK_T_OUT, 0x007fffffffffffff, 512, VIRTIO_BLK_S_IOERR }, /* times 512: 2^64 - 512 */
    { VIRTIO_BLK_T_OUT, 0x007fffffffffffff, 1024, VIRTIO_BLK_S_IOERR }, /* and the end is past 2^64 */
    { VIRTIO_BLK_T_OUT, 0x0080000000000000, 512, VIRTIO_BLK_S_IOERR }, /* times 512: 0 */
    { VIRTIO_BLK_T_IN, 0x0080000000000000, 512, VIRTIO_BLK_S_IOERR },
    { VIRTIO_BLK_T_IN, UINT64_MAX, 512, VIRTIO_BLK_S_IOERR },
    { VIRTIO_BLK_T_OUT, UINT64_MAX, 1024, VIRTIO_BLK_S_IOERR },
    { VIRTIO_BLK_T_IN, 0, 100, VIRTIO_BLK_S_IOERR },
    { VIRTIO_BLK_T_OUT, 0, 511, VIRTIO_BLK_S_IOERR },
    { VIRTIO_BLK_T_OUT, 0, 513, VIRTIO_BLK_S_IOERR },
    { 2, 0, 512, VIRTIO_BLK_S_UNSUPP }, /* SCSI commands of old */
    { 3, 0, 512, VIRTIO_BLK_S_UNSUPP },
    { 12, 0, 512, VIRTIO_BLK_S_UNSUPP },
    { 14, 0, 16, VIRTIO_BLK_S_UNSUPP }, /* secure erase, not offered */
    { 0x12345678, 0, 512, VIRTIO_BLK_S_UNSUPP },
};

static void test_senseless(const void *args)
{
    start(args, DISCARDS);
    for (unsigned i = 0; i < G_N_ELEMENTS(senseless); i++) {
        qtest_memset(q, DATA, 0xee, 1024);
        g_assert_cmpuint(request(senseless[i].type, senseless[i].sector, DATA, senseless[i].length), ==,
                         senseless[i].status);
        g_assert_true(ram_is(DATA, 1024, 0xee));
    }
    g_assert_true(image_is(0, 512, 'a') && image_is(1, 512, 'b'));
    g_assert_true(image_is(SECTORS - 1, 512, 'a' + (SECTORS - 1) % 26));
    check_works();
    qtest_quit(q);
}

static const struct {
    uint32_t type, length;
    uint64_t sector;
    uint32_t count, flags;
    uint8_t status;
} ranges[] = {
    { VIRTIO_BLK_T_DISCARD, 16, 0, UINT32_MAX, 0, VIRTIO_BLK_S_IOERR },
    { VIRTIO_BLK_T_DISCARD, 16, 0, SECTORS + 1, 0, VIRTIO_BLK_S_IOERR },
    { VIRTIO_BLK_T_DISCARD, 16, SECTORS, 1, 0, VIRTIO_BLK_S_IOERR },
    { VIRTIO_BLK_T_DISCARD, 16, UINT64_MAX, 2, 0, VIRTIO_BLK_S_IOERR },
    { VIRTIO_BLK_T_DISCARD, 16, 0x0080000000000000, 8, 0, VIRTIO_BLK_S_IOERR },
    { VIRTIO_BLK_T_DISCARD, 16, 0, 8, 1, VIRTIO_BLK_S_UNSUPP },           /* unmap is not discard's flag */
    { VIRTIO_BLK_T_DISCARD, 32, 0, 8, 0, VIRTIO_BLK_S_UNSUPP },           /* two segments; one was offered */
    { VIRTIO_BLK_T_DISCARD, 4096, 0, 8, 0, VIRTIO_BLK_S_UNSUPP },
    { VIRTIO_BLK_T_WRITE_ZEROES, 16, 0, UINT32_MAX, 0, VIRTIO_BLK_S_IOERR },
    { VIRTIO_BLK_T_WRITE_ZEROES, 16, SECTORS - 1, 2, 1, VIRTIO_BLK_S_IOERR },
    { VIRTIO_BLK_T_WRITE_ZEROES, 16, UINT64_MAX - 1, 8, 1, VIRTIO_BLK_S_IOERR },
    { VIRTIO_BLK_T_WRITE_ZEROES, 16, 0, 8, 2, VIRTIO_BLK_S_UNSUPP },
    { VIRTIO_BLK_T_WRITE_ZEROES, 16, 0, 8, 0x80000001, VIRTIO_BLK_S_UNSUPP },
    { VIRTIO_BLK_T_WRITE_ZEROES, 32, 0, 8, 0, VIRTIO_BLK_S_UNSUPP },
};

static void test_ranges(const void *args)
{
    start(args, DISCARDS);
    for (unsigned i = 0; i < G_N_ELEMENTS(ranges); i++) {
        qtest_memset(q, DATA, 0, 4096);
        put_range(ranges[i].sector, ranges[i].count, ranges[i].flags);
        g_assert_cmpuint(request(ranges[i].type, 0, DATA, ranges[i].length), ==, ranges[i].status);
    }
    for (unsigned sector = 0; sector < 8; sector++) {
        g_assert_true(image_is(sector, 512, (uint8_t)('a' + sector)));
    }
    g_assert_true(image_is(SECTORS - 1, 512, 'a' + (SECTORS - 1) % 26));
    check_works();
    qtest_quit(q);
}

/* ---- Chains that break the rules ---- */

#define TABLE 0x1a0000ull /* an indirect one */

/* Each breaks the device until it is reset; `in_table` goes where TABLE is. Flags are as they stand here. */
static const struct {
    const char *name;
    struct vring_desc descs[4], in_table[4];
} hostile[] = {
    { "loop", { { HEADER(0), 16, NEXT, 0 } }, { { 0 } } },
    { "loop-of-two", { { HEADER(0), 16, NEXT, 1 }, { DATA, 512, NEXT, 0 } }, { { 0 } } },
    { "loop-writable", { { HEADER(0), 16, NEXT, 1 }, { DATA, 512, NEXT | WRITE, 1 } }, { { 0 } } },
    { "next-outside", { { HEADER(0), 16, NEXT, VIRTIO_NUM } }, { { 0 } } },
    { "next-far-outside", { { HEADER(0), 16, NEXT, 0xffff } }, { { 0 } } },
    { "header-short", { { HEADER(0), 15, NEXT, 1 }, GOOD_STATUS }, { { 0 } } },
    { "header-writable", { { HEADER(0), 16, WRITE | NEXT, 1 }, GOOD_STATUS }, { { 0 } } },
    { "no-status", { { HEADER(0), 16, NEXT, 1 }, { DATA, 512, 0, 0 } }, { { 0 } } },
    { "header-alone", { GOOD_HEADER }, { { 0 } } },
    { "status-alone", { GOOD_STATUS }, { { 0 } } },
    { "status-first", { { STATUS(0), 1, WRITE | NEXT, 1 }, GOOD_HEADER }, { { 0 } } },
    { "no-length", { { HEADER(0), 16, NEXT, 1 }, { DATA, 0, WRITE | NEXT, 2 }, GOOD_STATUS }, { { 0 } } },
    { "outside-ram", { { HEADER(0), 16, NEXT, 1 }, { 0x7000000000, 512, WRITE | NEXT, 2 }, GOOD_STATUS }, { { 0 } } },
    { "over-ram-end", { { HEADER(0), 16, NEXT, 1 }, { RAM - 256, 512, WRITE | NEXT, 2 }, GOOD_STATUS }, { { 0 } } },
    { "wraps", { { HEADER(0), 16, NEXT, 1 }, { UINT64_MAX - 255, 512, WRITE | NEXT, 2 }, GOOD_STATUS }, { { 0 } } },
    { "huge", { { HEADER(0), 16, NEXT, 1 }, { DATA, UINT32_MAX, WRITE | NEXT, 2 }, GOOD_STATUS }, { { 0 } } },
    { "in-mmio", { { HEADER(0), 16, NEXT, 1 }, { VIRTIO_CONFIG, 512, WRITE | NEXT, 2 }, GOOD_STATUS }, { { 0 } } },
    { "in-apic", { { HEADER(0), 16, NEXT, 1 }, { 0xfee00000, 512, NEXT, 2 }, GOOD_STATUS }, { { 0 } } },
    { "header-in-mmio", { { VIRTIO_CONFIG, 16, NEXT, 1 }, GOOD_STATUS }, { { 0 } } },
    { "status-in-mmio", { { HEADER(0), 16, NEXT, 1 }, { VIRTIO_NOTIFY, 1, WRITE, 0 } }, { { 0 } } },
    { "table-outside-ram", { { 0x7000000000, 32, INDIRECT, 0 } }, { { 0 } } },
    { "table-in-mmio", { { VIRTIO_COMMON, 32, INDIRECT, 0 } }, { { 0 } } },
    { "table-over-ram-end", { { RAM - 16, 32, INDIRECT, 0 } }, { { 0 } } },
    { "table-wraps", { { UINT64_MAX - 15, 32, INDIRECT, 0 } }, { { 0 } } },
    { "table-empty", { { TABLE, 0, INDIRECT, 0 } }, { { 0 } } },
    { "table-odd", { { TABLE, 40, INDIRECT, 0 } }, { { HEADER(0), 16, NEXT, 1 }, GOOD_STATUS } },
    { "table-huge", { { TABLE, 1025 * 16, INDIRECT, 0 } }, { { HEADER(0), 16, NEXT, 1 }, GOOD_STATUS } },
    { "table-and-next", { { TABLE, 32, INDIRECT | NEXT, 1 }, GOOD_STATUS },
      { { HEADER(0), 16, NEXT, 1 }, GOOD_STATUS } },
    { "table-in-table", { { TABLE, 32, INDIRECT, 0 } }, { { TABLE, 32, INDIRECT, 0 } } },
    { "table-loop", { { TABLE, 32, INDIRECT, 0 } }, { { HEADER(0), 16, NEXT, 1 }, { DATA, 512, NEXT | WRITE, 1 } } },
    { "table-next-outside", { { TABLE, 32, INDIRECT, 0 } }, { { HEADER(0), 16, NEXT, 2 }, GOOD_STATUS } },
};

static void test_hostile(const void *args)
{
    start(args, INDIRECT_DESC);
    for (unsigned i = 0; i < G_N_ELEMENTS(hostile); i++) {
        put_header(0, i % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, 0);
        for (unsigned n = 0; n < 4; n++) {
            virtio_driver_desc(&d, 0, n, hostile[i].descs[n]);
        }
        qtest_memwrite(q, TABLE, hostile[i].in_table, sizeof(hostile[i].in_table));
        virtio_driver_offer(&d, 0, 0);
        virtio_driver_kick(&d, 0);
        g_test_message("%s", hostile[i].name);
        virtio_driver_wait_broken(&d);
        g_assert_cmphex(status_of(0), ==, NOT_YET);
        virtio_driver_start(&d, INDIRECT_DESC, 1);
        check_works();
    }
    g_assert_true(image_is(0, 512, 'a'));
    qtest_quit(q);
}

/* The ring itself in a bad place, or saying what cannot be. */
static void bad_ring(uint32_t reg, uint64_t address)
{
    virtio_driver_start(&d, RING_RESET, 1);
    qtest_writew(q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_Q_SELECT, 0);
    qtest_writew(q, VIRTIO_COMMON + 58, 1); /* queue_reset */
    qtest_writel(q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_Q_DESCLO, (uint32_t)VIRTIO_DESC(0));
    qtest_writel(q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_Q_AVAILLO, (uint32_t)VIRTIO_AVAIL(0));
    qtest_writel(q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_Q_USEDLO, (uint32_t)VIRTIO_USED(0));
    qtest_writel(q, VIRTIO_COMMON + reg, (uint32_t)address);
    qtest_writel(q, VIRTIO_COMMON + reg + 4, (uint32_t)(address >> 32));
    qtest_writew(q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_Q_ENABLE, 1);
    offer(0, VIRTIO_BLK_T_IN, 0, DATA, 512);
}

static void test_bad_rings(const void *args)
{
    static const uint64_t places[] = { 0x7000000000, VIRTIO_COMMON, RAM - 2, UINT64_MAX - 3 };

    start(args, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(places); i++) {
        bad_ring(VIRTIO_PCI_COMMON_Q_DESCLO, places[i]);
        virtio_driver_wait_broken(&d);
        bad_ring(VIRTIO_PCI_COMMON_Q_AVAILLO, places[i]);
        virtio_driver_wait_broken(&d);
        bad_ring(VIRTIO_PCI_COMMON_Q_USEDLO, places[i]);
        virtio_driver_start(&d, 0, 1); /* whether or not it has broken */
        check_works();
    }
    virtio_driver_offer(&d, 0, VIRTIO_NUM);
    virtio_driver_kick(&d, 0);
    virtio_driver_wait_broken(&d);
    virtio_driver_start(&d, 0, 1);
    qtest_writew(q, VIRTIO_AVAIL(0) + 2, VIRTIO_NUM + 1);
    virtio_driver_kick(&d, 0);
    virtio_driver_wait_broken(&d);
    /* Not negotiated. */
    virtio_driver_start(&d, 0, 1);
    virtio_driver_desc(&d, 0, 0, (struct vring_desc){ TABLE, 32, INDIRECT, 0 });
    virtio_driver_offer(&d, 0, 0);
    virtio_driver_kick(&d, 0);
    virtio_driver_wait_broken(&d);
    virtio_driver_start(&d, 0, 1);
    check_works();
    qtest_quit(q);
}

/* Data in the part of the other direction is not data: nothing is transferred. */
static void test_directions(void)
{
    static const struct vring_desc read_into_readable[] = { GOOD_HEADER, { DATA, 512, 0, 0 }, GOOD_STATUS };
    static const struct vring_desc write_from_writable[] = { GOOD_HEADER, { DATA, 512, WRITE, 0 }, GOOD_STATUS };

    start(FILE_NODE DISK "n0", 0);
    qtest_memset(q, DATA, 0xee, 512);
    put_header(0, VIRTIO_BLK_T_IN, 0);
    virtio_driver_chain(&d, 0, 0, read_into_readable, 3);
    virtio_driver_offer(&d, 0, 0);
    virtio_driver_kick(&d, 0);
    virtio_driver_wait(&d, 0, 1);
    put_header(0, VIRTIO_BLK_T_OUT, 0);
    virtio_driver_chain(&d, 0, 0, write_from_writable, 3);
    virtio_driver_offer(&d, 0, 0);
    virtio_driver_kick(&d, 0);
    virtio_driver_wait(&d, 0, 1);
    g_assert_true(ram_is(DATA, 512, 0xee));
    g_assert_true(image_is(0, 512, 'a'));
    check_works();
    qtest_quit(q);
}

/* A read-only disk is read only. */
static void test_read_only(void)
{
    start("-blockdev driver=file,node-name=n0,read-only=on,filename=%s " DISK "n0", DISCARDS);
    g_assert_cmphex(virtio_driver_offered(&d) & 1ull << VIRTIO_BLK_F_RO, !=, 0);
    g_assert_cmpuint(request(VIRTIO_BLK_T_OUT, 0, DATA, 512), ==, VIRTIO_BLK_S_IOERR);
    for (unsigned type = VIRTIO_BLK_T_DISCARD; type <= VIRTIO_BLK_T_WRITE_ZEROES; type += 2) {
        put_range(0, 8, 0);
        g_assert_cmpuint(request(type, 0, DATA, 16), ==, VIRTIO_BLK_S_IOERR);
    }
    g_assert_cmpuint(request(VIRTIO_BLK_T_IN, 0, DATA, 512), ==, VIRTIO_BLK_S_OK);
    g_assert_true(ram_is(DATA, 512, 'a') && image_is(0, 512, 'a'));
    qtest_quit(q);
}

/* ---- Beside other disks ---- */

static char *qdev_of_first(void)
{
    JsonObject *reply = qtest_qmp(q, "{\"execute\": \"query-block\"}");
    JsonArray *disks = json_object_get_array_member(reply, "return");
    char *qdev = g_strdup(json_object_get_string_member(json_array_get_object_element(disks, 0), "qdev"));

    json_object_unref(reply);
    return qdev;
}

/* QMP names a disk without an id by its place, as the peer does. */
static void test_anonymous(void)
{
    g_autofree char *qdev = NULL, *named = NULL;

    start(FILE_NODE "-device virtio-blk-pci,drive=n0,addr=2", 0);
    qdev = qdev_of_first();
    g_assert_cmpstr(qdev, ==, "/machine/peripheral-anon/device[0]/virtio-backend");
    qtest_quit(q);
    start(FILE_NODE DISK "n0", 0);
    named = qdev_of_first();
    g_assert_cmpstr(named, ==, "/machine/peripheral/disk0/virtio-backend");
    qtest_quit(q);
}

static void add_null_disk(const char *id, int bootindex, const char *message)
{
    g_autofree char *add_disk = g_strdup_printf("{\"execute\": \"device_add\", \"arguments\": {\"driver\": "
                                                "\"virtio-blk-pci\", \"drive\": \"%s\", \"id\": \"%s\", "
                                                "\"bootindex\": %d}}", id, id, bootindex);
    JsonObject *reply = qtest_qmp(q, add_disk);

    if (message) {
        g_assert_cmpstr(json_object_get_string_member(json_object_get_object_member(reply, "error"), "desc"), ==,
                        message);
    } else {
        g_assert_true(json_object_has_member(reply, "return"));
    }
    json_object_unref(reply);
}

static void test_bootindex(void)
{
#define TWO_DISKS "-blockdev driver=null-co,node-name=a -blockdev driver=null-co,node-name=b " \
                  "-device virtio-blk-pci,id=first,drive=a"
    static const char *const bad[][2] = {
        { "-accel qtest -nodefaults -display none " TWO_DISKS ",bootindex=1 -device virtio-blk-pci,drive=b,bootindex=1",
          "The bootindex 1 has already been used" },
    };

    qtest_check_refused(bad, G_N_ELEMENTS(bad));
    q = qtest_start(TWO_DISKS ",bootindex=1");
    add_null_disk("b", 1, "The bootindex 1 has already been used");
    add_null_disk("b", 2, NULL);
    qtest_quit(q);
    q = qtest_start(TWO_DISKS);
    add_null_disk("b", -1, NULL); /* as many as like to have no place */
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/virtio-blk/config", test_config);
    g_test_add_func("/qtest/virtio-blk/layouts", test_layouts);
    g_test_add_func("/qtest/virtio-blk/other-requests", test_other_requests);
    add("senseless", test_senseless);
    add("ranges", test_ranges);
    add("hostile", test_hostile);
    add("bad-rings", test_bad_rings);
    g_test_add_func("/qtest/virtio-blk/directions", test_directions);
    g_test_add_func("/qtest/virtio-blk/read-only", test_read_only);
    g_test_add_func("/qtest/virtio-blk/anonymous", test_anonymous);
    g_test_add_func("/qtest/virtio-blk/bootindex", test_bootindex);
    result = g_test_run();
    g_free(image);
    return result;
}
