/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expansion ROMs: what the guest sees of romfile=, that it migrates under the peer's name, and what is refused. */
#include <string.h>

#include "libferry-virtio.h"

#define SLOT   2
#define LENGTH 5000 /* of the file; the ROM is the next power of two */
#define SIZE   8192
#define PLACE  0xfd000000u
#define BLOCK  "0000:00:02.0/virtio-rng-pci.rom"
#define EJECT  0xae08

static struct qtest *q;
static struct virtio_driver d;

/* A file of `length` bytes: `first`, and each the one before it and seven. */
static char *make_file(const char *name, size_t length, uint8_t first)
{
    g_autofree char *data = g_malloc(length + 1);
    char *path = qtest_path(name);

    for (size_t i = 0; i < length; i++) {
        data[i] = (char)(first + 7 * i);
    }
    g_assert_true(g_file_set_contents(path, data, (gssize)length, NULL));
    return path;
}

static void start(const char *rom, const char *more)
{
    g_autofree char *args = g_strdup_printf("-device virtio-rng-pci,id=rng0,addr=2%s%s %s", rom ? ",romfile=" : "",
                                            rom ? rom : "", more);

    q = qtest_start(args);
    virtio_driver_init(&d, q, SLOT);
}

static void enable_rom(void)
{
    virtio_pci_write(&d, PCI_ROM_ADDRESS, PLACE | PCI_ROM_ADDRESS_ENABLE);
}

static void check_content(uint8_t first)
{
    uint8_t got[SIZE];

    qtest_memread(q, PLACE, got, sizeof(got));
    for (unsigned i = 0; i < SIZE; i++) {
        g_assert_cmphex(got[i], ==, i < LENGTH ? (uint8_t)(first + 7 * i) : 0);
    }
}

static void test_bar(void)
{
    g_autofree char *path = make_file("rom", LENGTH, 3);

    start(path, "");
    virtio_pci_write(&d, PCI_ROM_ADDRESS, 0xffffffff);
    g_assert_cmphex(virtio_pci_read(&d, PCI_ROM_ADDRESS), ==, (uint32_t)-SIZE | PCI_ROM_ADDRESS_ENABLE);
    virtio_pci_write(&d, PCI_ROM_ADDRESS, PLACE);
    g_assert_cmphex(qtest_readl(q, PLACE), !=, 0x18110a03); /* not enabled */
    enable_rom();
    g_assert_cmphex(qtest_readl(q, PLACE), ==, 0x18110a03);
    qtest_writel(q, PLACE, 0xdeadbeef);
    check_content(3);
    virtio_pci_write(&d, PCI_COMMAND, PCI_COMMAND_MASTER);
    g_assert_cmphex(qtest_readl(q, PLACE), !=, 0x18110a03);
    virtio_pci_write(&d, PCI_COMMAND, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
    check_content(3);
    qtest_qmp_ok(q, "{\"execute\": \"system_reset\"}");
    json_object_unref(qtest_qmp_event(q, "RESET"));
    g_assert_cmphex(virtio_pci_read(&d, PCI_ROM_ADDRESS) & PCI_ROM_ADDRESS_ENABLE, ==, 0);
    qtest_quit(q);
}

/* None given, or an empty name: no ROM, and no BAR for one. */
static void test_none(void)
{
    for (int i = 0; i < 2; i++) {
        start(i ? "" : NULL, "");
        virtio_pci_write(&d, PCI_ROM_ADDRESS, 0xffffffff);
        g_assert_cmphex(virtio_pci_read(&d, PCI_ROM_ADDRESS), ==, 0);
        qtest_quit(q);
    }
}

/* ---- State ---- */

/* In the list of RAM blocks: length of the name, name, u64 length. */
static bool has_block(const char *path, uint64_t length)
{
    g_autofree char *data = NULL;
    uint8_t entry[1 + sizeof(BLOCK) - 1 + 8] = { sizeof(BLOCK) - 1 };
    uint64_t be = GUINT64_TO_BE(length);
    gsize whole;

    memcpy(entry + 1, BLOCK, sizeof(BLOCK) - 1);
    memcpy(entry + sizeof(BLOCK), &be, 8);
    g_assert_true(g_file_get_contents(path, &data, &whole, NULL));
    return memmem(data, whole, entry, sizeof(entry));
}

/* The section's body as QEMU 7.2 writes it for the same: the ROM's BAR is in it. */
static void test_golden(void)
{
    g_autofree char *rom = make_file("rom", LENGTH, 3), *path = NULL, *sum = NULL;
    g_autoptr(GBytes) section = NULL;

    start(rom, "");
    enable_rom();
    qtest_qmp_ok(q, "{\"execute\": \"stop\"}");
    path = qtest_save(q, "golden");
    qtest_quit(q);
    section = qtest_section(path, "0000:00:02.0/virtio-rng");
    sum = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, section);
    g_assert_cmpstr(sum, ==, "ee1218559d1279ccb84548a1c586e52ebd28141f54d2823ceb01e3735acd44fc");
    g_assert_true(has_block(path, SIZE));
}

/* The source's ROM arrives, mapped where it was, whatever the file at the destination says. */
static void test_migration(void)
{
    g_autofree char *rom = make_file("rom", LENGTH, 3), *other = make_file("other", LENGTH, 100);
    g_autofree char *large = make_file("large", 2 * SIZE, 3), *path = NULL;

    start(rom, "");
    enable_rom();
    path = qtest_save(q, "state");
    qtest_quit(q);

    start(other, "-S -incoming defer");
    g_assert_true(qtest_load(q, path));
    check_content(3);
    qtest_quit(q);

    start(NULL, "-S -incoming defer");
    g_assert_false(qtest_load(q, path));
    g_assert_cmpint(qtest_wait_exit(q), ==, 1);
    start(large, "-S -incoming defer");
    g_assert_false(qtest_load(q, path));
    g_assert_cmpint(qtest_wait_exit(q), ==, 1);
}

/* ---- Coming and going ---- */

static void plug(const char *rom, bool good)
{
    g_autofree char *add = g_strdup_printf("{\"execute\": \"device_add\", \"arguments\": {\"driver\": "
                                           "\"virtio-rng-pci\", \"id\": \"rng0\", \"addr\": \"2\", \"romfile\": "
                                           "\"%s\"}}", rom);
    JsonObject *reply = qtest_qmp(q, add);

    g_assert_true(json_object_has_member(reply, good ? "return" : "error"));
    json_object_unref(reply);
}

static void unplug(void)
{
    qtest_qmp_ok(q, "{\"execute\": \"device_del\", \"arguments\": {\"id\": \"rng0\"}}");
    qtest_outl(q, EJECT, 1u << SLOT);
    json_object_unref(qtest_qmp_event(q, "DEVICE_DELETED"));
    json_object_unref(qtest_qmp_event(q, "DEVICE_DELETED"));
}

static void test_hotplug(void)
{
    g_autofree char *rom = make_file("rom", LENGTH, 3), *other = make_file("other", LENGTH - 1, 100);
    g_autofree char *large = make_file("large", 2 * SIZE, 3), *path = NULL;

    start(rom, "");
    enable_rom();
    unplug();
    g_assert_cmphex(qtest_readl(q, PLACE), !=, 0x18110a03);
    plug(large, false); /* the block of the one before it is still there */
    plug(other, true);
    virtio_driver_init(&d, q, SLOT);
    enable_rom();
    g_assert_cmphex(qtest_readb(q, PLACE), ==, 100);
    g_assert_cmphex(qtest_readb(q, PLACE + LENGTH - 1), ==, 0);
    unplug();
    path = qtest_save(q, "without");
    g_assert_false(has_block(path, SIZE));
    qtest_quit(q);
}

static void test_refused(void)
{
    static const struct {
        const char *properties, *message;
    } bad[] = {
        { "romfile=/nowhere/rom", "failed to find romfile \"/nowhere/rom\"" },
        { "romfile=/dev/zero", "failed to find romfile \"/dev/zero\"" },
        { "romfile=%s/empty", "is empty" },
        { "romfile=%s/rom,romsize=4096", "too large for ROM size 4096" },
        { "romfile=%s/rom,romsize=9000", "ROM size 9000 is not a power of two" },
        { "romsize=0", "ROM size 0 is not a power of two" },
        { "romfile=%s/rom,rombar=0", "rombar=0 is not supported" },
    };
    g_autofree char *rom = make_file("rom", LENGTH, 3), *empty = make_file("empty", 0, 0);
    g_autofree char *folder = g_path_get_dirname(rom);

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_auto(GStrv) parts = g_strsplit(bad[i].properties, "%s", 2);
        g_autofree char *properties = g_strjoinv(folder, parts), *err = NULL;
        g_autofree char *args = g_strdup_printf("-accel qtest -m 32 -nodefaults -display none "
                                                "-device virtio-rng-pci,%s", properties);

        g_assert_cmpint(qtest_run(args, &err), ==, 1);
        g_assert_nonnull(strstr(err, bad[i].message));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/pci-rom/bar", test_bar);
    g_test_add_func("/qtest/pci-rom/none", test_none);
    g_test_add_func("/qtest/pci-rom/golden", test_golden);
    g_test_add_func("/qtest/pci-rom/migration", test_migration);
    g_test_add_func("/qtest/pci-rom/hotplug", test_hotplug);
    g_test_add_func("/qtest/pci-rom/refused", test_refused);
    return g_test_run();
}
