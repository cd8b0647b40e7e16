/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI and the balloon through the real program: found where firmware would have put it, driven through its registers.
 */
#include <linux/pci_regs.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "libferry-qtest.h"

#define SLOT   2
#define BAR4   0xfebfc000ull
#define CONFIG (BAR4 + 0x2000)
#define NOTIFY (BAR4 + 0x3000)
#define NUM    32
#define LINE   10 /* PIRQB */
#define DESC(q)  (0x100000ull + (q) * 0x4000)
#define AVAIL(q) (DESC(q) + 0x1000)
#define USED(q)  (DESC(q) + 0x2000)
#define BUFFER   0x180000ull
#define PAGES    0x400000ull

#define HINT (1ull << VIRTIO_BALLOON_F_FREE_PAGE_HINT)

static uint16_t offered[4], seen[4];

static uint32_t config_read(struct qtest *q, unsigned slot, unsigned reg)
{
    qtest_outl(q, 0xcf8, 0x80000000u | slot << 11 | reg);
    return qtest_inl(q, 0xcfc);
}

static void config_write(struct qtest *q, unsigned slot, unsigned reg, uint32_t value)
{
    qtest_outl(q, 0xcf8, 0x80000000u | slot << 11 | reg);
    qtest_outl(q, 0xcfc, value);
}

static void write16(struct qtest *q, uint64_t address, uint16_t value)
{
    qtest_memwrite(q, address, &value, 2);
}

static uint16_t read16(struct qtest *q, uint64_t address)
{
    uint16_t value;

    qtest_memread(q, address, &value, 2);
    return value;
}

static void setup_queue(struct qtest *q, unsigned n)
{
    qtest_memset(q, DESC(n), 0, 0x4000);
    offered[n] = seen[n] = 0;
    write16(q, BAR4 + VIRTIO_PCI_COMMON_Q_SELECT, n);
    write16(q, BAR4 + VIRTIO_PCI_COMMON_Q_SIZE, NUM);
    qtest_writel(q, BAR4 + VIRTIO_PCI_COMMON_Q_DESCLO, DESC(n));
    qtest_writel(q, BAR4 + VIRTIO_PCI_COMMON_Q_AVAILLO, AVAIL(n));
    qtest_writel(q, BAR4 + VIRTIO_PCI_COMMON_Q_USEDLO, USED(n));
    write16(q, BAR4 + VIRTIO_PCI_COMMON_Q_ENABLE, 1);
}

static void start_driver(struct qtest *q, uint64_t features, unsigned queues)
{
    config_write(q, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_IO | PCI_COMMAND_MASTER);
    qtest_writeb(q, BAR4 + VIRTIO_PCI_COMMON_STATUS, 0);
    qtest_writeb(q, BAR4 + VIRTIO_PCI_COMMON_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
    qtest_writel(q, BAR4 + VIRTIO_PCI_COMMON_GFSELECT, 0);
    qtest_writel(q, BAR4 + VIRTIO_PCI_COMMON_GF, (uint32_t)features);
    qtest_writel(q, BAR4 + VIRTIO_PCI_COMMON_GFSELECT, 1);
    qtest_writel(q, BAR4 + VIRTIO_PCI_COMMON_GF, 1); /* VERSION_1 */
    qtest_writeb(q, BAR4 + VIRTIO_PCI_COMMON_STATUS, 0xb);
    for (unsigned n = 0; n < queues; n++) {
        setup_queue(q, n);
    }
    qtest_writeb(q, BAR4 + VIRTIO_PCI_COMMON_STATUS, 0xf);
    g_assert_cmphex(qtest_readb(q, BAR4 + VIRTIO_PCI_COMMON_STATUS), ==, 0xf);
}

static void offer(struct qtest *q, unsigned n, uint64_t address, uint32_t length, uint16_t flags)
{
    struct vring_desc desc = { address, length, flags, 0 };

    qtest_memwrite(q, DESC(n), &desc, sizeof(desc));
    write16(q, AVAIL(n) + 4 + 2 * (offered[n] % NUM), 0);
    write16(q, AVAIL(n) + 2, ++offered[n]);
    write16(q, NOTIFY + 4 * n, (uint16_t)n);
}

/* One descriptor, given and got back. */
static void transfer(struct qtest *q, unsigned n, uint64_t address, uint32_t length, uint16_t flags)
{
    offer(q, n, address, length, flags);
    seen[n]++;
    for (int tries = 0; read16(q, USED(n) + 2) != seen[n]; tries++) {
        g_assert_cmpint(tries, <, 2000);
        g_usleep(1000);
    }
}

static void send_id(struct qtest *q, unsigned n, uint32_t id)
{
    qtest_writel(q, BUFFER, id);
    transfer(q, n, BUFFER, 4, 0);
}

static JsonObject *query(struct qtest *q, const char *command)
{
    g_autofree char *text = g_strdup_printf("{\"execute\": \"%s\"}", command);
    JsonObject *reply = qtest_qmp(q, text);

    g_assert_true(json_object_has_member(reply, "return"));
    return reply;
}

/* ---- PCI ---- */

static void test_pci(void)
{
    struct qtest *q = qtest_start("-device virtio-balloon-pci");

    g_assert_cmphex(config_read(q, 0, PCI_VENDOR_ID), ==, 0x12378086);
    g_assert_cmphex(config_read(q, SLOT, PCI_VENDOR_ID), ==, 0x10021af4);
    g_assert_cmphex(config_read(q, 3, PCI_VENDOR_ID), ==, 0xffffffff);
    g_assert_cmphex(config_read(q, SLOT, PCI_BASE_ADDRESS_0), ==, 0xc001);
    g_assert_cmphex(config_read(q, SLOT, PCI_BASE_ADDRESS_4), ==, BAR4 | 0xc);
    g_assert_cmphex(config_read(q, SLOT, PCI_INTERRUPT_LINE) & 0xffff, ==, 0x010a);
    g_assert_cmphex(qtest_inb(q, 0xc000 + VIRTIO_PCI_STATUS), ==, 0);
    /* A BAR on RAM: RAM wins. One on another device's ports: somebody answers. Both go back. */
    qtest_writel(q, 0x200000, 0x12345678);
    config_write(q, SLOT, PCI_BASE_ADDRESS_4, 0x200000);
    g_assert_cmphex(qtest_readl(q, 0x200000), ==, 0x12345678);
    qtest_writel(q, 0x200000 + VIRTIO_PCI_COMMON_STATUS, 0x0f0f0f0f);
    config_write(q, SLOT, PCI_BASE_ADDRESS_0, 0x3c0);
    qtest_inb(q, 0x3f8);
    config_write(q, SLOT, PCI_BASE_ADDRESS_0, 0xc000);
    config_write(q, SLOT, PCI_BASE_ADDRESS_4, BAR4);
    g_assert_cmphex(qtest_readb(q, BAR4 + VIRTIO_PCI_COMMON_STATUS), ==, 0);
    qtest_qmp_ok(q, "{\"execute\": \"system_reset\"}");
    json_object_unref(qtest_qmp_event(q, "RESET"));
    g_assert_cmphex(config_read(q, SLOT, PCI_BASE_ADDRESS_4), ==, BAR4 | 0xc);
    qtest_quit(q);
}

/* ---- Inflate ---- */

static void test_inflate(void)
{
    struct qtest *q = qtest_start("-device virtio-balloon-pci,id=b0");
    uint32_t pfn = PAGES >> VIRTIO_BALLOON_PFN_SHIFT;
    JsonObject *reply;

    qtest_irq_intercept_in(q, "ioapic");
    start_driver(q, 0, 2);
    qtest_qmp_ok(q, "{\"execute\": \"balloon\", \"arguments\": {\"value\": 16777216}}");
    g_assert_cmphex(qtest_readl(q, CONFIG), ==, 16 << 8);
    g_assert_true(qtest_irq_level(q, LINE));
    g_assert_cmphex(qtest_readb(q, BAR4 + 0x1000) & 2, ==, 2);
    g_assert_false(qtest_irq_level(q, LINE));

    qtest_memset(q, PAGES, 0x5a, 8192);
    qtest_writel(q, BUFFER, pfn);
    transfer(q, 0, BUFFER, 4, 0);
    g_assert_cmphex(qtest_readl(q, PAGES), ==, 0);
    g_assert_cmphex(qtest_readl(q, PAGES + 4096), ==, 0x5a5a5a5a);
    g_assert_true(qtest_irq_level(q, LINE));
    qtest_writel(q, CONFIG + 4, 1);
    json_object_unref(qtest_qmp_event(q, "BALLOON_CHANGE"));
    reply = query(q, "query-balloon");
    g_assert_cmpint(json_object_get_int_member(json_object_get_object_member(reply, "return"), "actual"), ==,
                    (32 << 20) - 4096);
    json_object_unref(reply);
    transfer(q, 1, BUFFER, 4, 0);

    /* A driver that breaks the rules, and a reset that makes up for it. */
    offer(q, 0, 0x7000000000ull, 4, 0);
    for (int tries = 0; !(qtest_readb(q, BAR4 + VIRTIO_PCI_COMMON_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET); tries++) {
        g_assert_cmpint(tries, <, 1000);
        g_usleep(1000);
    }
    start_driver(q, 0, 2);
    transfer(q, 0, BUFFER, 4, 0);
    qtest_quit(q);
}

/* ---- Hints ---- */

static JsonObject *free_pages(JsonObject *reply)
{
    return json_object_get_object_member(json_object_get_object_member(reply, "return"), "free-pages");
}

static uint32_t wait_command(struct qtest *q, bool (*wanted)(uint32_t))
{
    for (int tries = 0; tries < 5000; tries++) {
        uint32_t id = qtest_readl(q, CONFIG + 8);

        if (wanted(id)) {
            return id;
        }
        g_usleep(1000);
    }
    g_error("the device's command stays %u", qtest_readl(q, CONFIG + 8));
}

static bool is_request(uint32_t id) { return id >= 2; }
static bool is_done(uint32_t id) { return id == VIRTIO_BALLOON_CMD_ID_DONE; }

static void wait_completed(struct qtest *q)
{
    for (int tries = 0;; tries++) {
        JsonObject *reply = query(q, "query-migrate");
        const char *status = json_object_get_string_member(json_object_get_object_member(reply, "return"), "status");
        bool done = !strcmp(status, "completed");

        g_assert_cmpstr(status, !=, "failed");
        json_object_unref(reply);
        if (done) {
            return;
        }
        g_assert_cmpint(tries, <, 5000);
        g_usleep(2000);
    }
}

static void fill(struct qtest *q)
{
    qtest_memset(q, PAGES, 0x5a, 12 << 20);
    qtest_memset(q, PAGES + (12 << 20), 0x5a, 12 << 20);
}

/* 24 of 32 MiB are in use when the migration begins, and the guest gives 16 of them away. */
static void run_hints(const char *args)
{
    struct qtest *q = qtest_start(args);
    JsonObject *reply;
    uint32_t id;

    start_driver(q, HINT, 3);
    fill(q);
    qtest_qmp_ok(q, "{\"execute\": \"migrate-set-parameters\", \"arguments\": {\"max-bandwidth\": 1048576}}");
    qtest_qmp_ok(q, "{\"execute\": \"migrate\", \"arguments\": {\"uri\": \"exec:cat > /dev/null\"}}");
    id = wait_command(q, is_request);
    send_id(q, 2, id);
    for (int i = 0; i < 4; i++) {
        transfer(q, 2, PAGES + (8 << 20) + (i << 22), 4 << 20, VRING_DESC_F_WRITE);
    }
    send_id(q, 2, VIRTIO_BALLOON_CMD_ID_STOP);
    transfer(q, 2, PAGES, 4096, VRING_DESC_F_WRITE); /* too late */
    reply = query(q, "query-migrate");
    g_assert_cmpstr(json_object_get_string_member(free_pages(reply), "state"), ==, "stopped");
    g_assert_cmpint(json_object_get_int_member(free_pages(reply), "accepted"), ==, 4);
    g_assert_cmpint(json_object_get_int_member(free_pages(reply), "late"), ==, 1);
    g_assert_cmpint(json_object_get_int_member(free_pages(reply), "hinted"), >, 2048);
    json_object_unref(reply);
    qtest_qmp_ok(q, "{\"execute\": \"migrate-set-parameters\", \"arguments\": {\"max-bandwidth\": 1073741824}}");
    wait_completed(q);
    wait_command(q, is_done);
    qtest_quit(q);
}

static void test_hints(void)
{
    run_hints("-device virtio-balloon-pci,free-page-hint=on");
}

static void test_hints_iothread(void)
{
    run_hints("-object iothread,id=io0 -device virtio-balloon-pci,free-page-hint=on,iothread=io0");
}

/* A guest that never answers, and one that resets its device in the middle: the migration does not mind. */
static void test_hints_silent(void)
{
    struct qtest *q = qtest_start("-device virtio-balloon-pci,free-page-hint=on");

    start_driver(q, HINT, 3);
    fill(q);
    qtest_qmp_ok(q, "{\"execute\": \"migrate\", \"arguments\": {\"uri\": \"exec:cat > /dev/null\"}}");
    wait_completed(q);
    wait_command(q, is_done);
    qtest_quit(q);

    q = qtest_start("-device virtio-balloon-pci,free-page-hint=on");
    start_driver(q, HINT, 3);
    fill(q);
    qtest_qmp_ok(q, "{\"execute\": \"migrate-set-parameters\", \"arguments\": {\"max-bandwidth\": 1048576}}");
    qtest_qmp_ok(q, "{\"execute\": \"migrate\", \"arguments\": {\"uri\": \"exec:cat > /dev/null\"}}");
    send_id(q, 2, wait_command(q, is_request));
    qtest_writeb(q, BAR4 + VIRTIO_PCI_COMMON_STATUS, 0);
    qtest_qmp_ok(q, "{\"execute\": \"migrate-set-parameters\", \"arguments\": {\"max-bandwidth\": 1073741824}}");
    wait_completed(q);
    qtest_quit(q);
}

static void test_options(void)
{
    static const struct {
        const char *device, *message;
    } bad[] = {
        { "virtio-balloon-pci,disable-legacy=on,disable-modern=on", "no interface" },
        { "virtio-balloon-pci,vectors=4000", "vectors" },
        { "virtio-balloon-pci,iothread=nobody", "nobody" },
        { "virtio-balloon-pci,free-page-hint=maybe", "free-page-hint" },
        { "virtio-balloon-pci,addr=20", "addr" },
        { "virtio-balloon-pci,addr=1", "in use by" },
        { "virtio-balloon-pci -device virtio-balloon-pci", "Another balloon device" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *args =
            g_strdup_printf("-accel qtest -m 32 -nodefaults -display none -device %s", bad[i].device);
        g_autofree char *err = NULL;

        g_assert_cmpint(qtest_run(args, &err), ==, 1);
        if (!strstr(err, bad[i].message)) {
            g_error("%s: %s", bad[i].device, err);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/pci", test_pci);
    g_test_add_func("/qtest/balloon/inflate", test_inflate);
    g_test_add_func("/qtest/balloon/hints", test_hints);
    g_test_add_func("/qtest/balloon/hints-iothread", test_hints_iothread);
    g_test_add_func("/qtest/balloon/hints-silent", test_hints_silent);
    g_test_add_func("/qtest/balloon/options", test_options);
    return g_test_run();
}
