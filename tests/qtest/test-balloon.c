/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI and the balloon through the real program: found where firmware would have put it, driven through its registers.
 */
#include <linux/virtio_balloon.h>
#include <string.h>

#include "libferry-virtio.h"

#define SLOT   2
#define LINE   10 /* PIRQB */
#define BUFFER 0x180000ull
#define PAGES  0x400000ull

#define HINT (1ull << VIRTIO_BALLOON_F_FREE_PAGE_HINT)

static struct qtest *q;
static struct virtio_driver d;

static void start_machine(const char *args)
{
    q = qtest_start(args);
    virtio_driver_init(&d, q, SLOT);
}

static void offer(unsigned queue, uint64_t address, uint32_t length, uint16_t flags)
{
    virtio_driver_desc(&d, queue, 0, (struct vring_desc){ address, length, flags, 0 });
    virtio_driver_offer(&d, queue, 0);
    virtio_driver_kick(&d, queue);
}

/* One descriptor, given and got back. */
static void transfer(unsigned queue, uint64_t address, uint32_t length, uint16_t flags)
{
    offer(queue, address, length, flags);
    virtio_driver_wait(&d, queue, 1);
}

static void send_id(unsigned queue, uint32_t id)
{
    qtest_writel(q, BUFFER, id);
    transfer(queue, BUFFER, 4, 0);
}

static JsonObject *query(const char *command)
{
    g_autofree char *text = g_strdup_printf("{\"execute\": \"%s\"}", command);
    JsonObject *reply = qtest_qmp(q, text);

    g_assert_true(json_object_has_member(reply, "return"));
    return reply;
}

/* ---- PCI ---- */

static uint32_t vendor_of(unsigned slot)
{
    struct virtio_driver function = { .q = q, .slot = slot };

    return virtio_pci_read(&function, PCI_VENDOR_ID);
}

/* No driver has been there yet: everything lies where firmware would have put it. */
static void test_pci(void)
{
    q = qtest_start("-device virtio-balloon-pci");
    d = (struct virtio_driver){ .q = q, .slot = SLOT };
    g_assert_cmphex(vendor_of(0), ==, 0x12378086);
    g_assert_cmphex(vendor_of(SLOT), ==, 0x10021af4);
    g_assert_cmphex(vendor_of(3), ==, 0xffffffff);
    g_assert_cmphex(virtio_pci_read(&d, PCI_BASE_ADDRESS_0), ==, VIRTIO_BAR0 | 1);
    g_assert_cmphex(virtio_pci_read(&d, PCI_BASE_ADDRESS_4), ==, VIRTIO_BAR4 | 0xc);
    g_assert_cmphex(virtio_pci_read(&d, PCI_INTERRUPT_LINE) & 0xffff, ==, 0x010a);
    g_assert_cmphex(qtest_inb(q, VIRTIO_BAR0 + VIRTIO_PCI_STATUS), ==, 0);
    /* A BAR on RAM: RAM wins. One on another device's ports: somebody answers. Both go back. */
    qtest_writel(q, 0x200000, 0x12345678);
    virtio_pci_write(&d, PCI_BASE_ADDRESS_4, 0x200000);
    g_assert_cmphex(qtest_readl(q, 0x200000), ==, 0x12345678);
    qtest_writel(q, 0x200000 + VIRTIO_PCI_COMMON_STATUS, 0x0f0f0f0f);
    virtio_pci_write(&d, PCI_BASE_ADDRESS_0, 0x3c0);
    qtest_inb(q, 0x3f8);
    virtio_pci_write(&d, PCI_BASE_ADDRESS_0, VIRTIO_BAR0);
    virtio_pci_write(&d, PCI_BASE_ADDRESS_4, (uint32_t)VIRTIO_BAR4);
    g_assert_cmphex(virtio_driver_status(&d), ==, 0);
    qtest_qmp_ok(q, "{\"execute\": \"system_reset\"}");
    json_object_unref(qtest_qmp_event(q, "RESET"));
    g_assert_cmphex(virtio_pci_read(&d, PCI_BASE_ADDRESS_4), ==, VIRTIO_BAR4 | 0xc);
    qtest_quit(q);
}

/* ---- Inflate ---- */

static void test_inflate(void)
{
    uint32_t pfn = PAGES >> VIRTIO_BALLOON_PFN_SHIFT;
    JsonObject *reply;

    start_machine("-device virtio-balloon-pci,id=b0");
    qtest_irq_intercept_in(q, "ioapic");
    virtio_driver_start(&d, 0, 2);
    qtest_qmp_ok(q, "{\"execute\": \"balloon\", \"arguments\": {\"value\": 16777216}}");
    g_assert_cmphex(qtest_readl(q, VIRTIO_CONFIG), ==, 16 << 8);
    g_assert_true(qtest_irq_level(q, LINE));
    g_assert_cmphex(qtest_readb(q, VIRTIO_ISR) & 2, ==, 2);
    g_assert_false(qtest_irq_level(q, LINE));

    qtest_memset(q, PAGES, 0x5a, 8192);
    qtest_writel(q, BUFFER, pfn);
    transfer(0, BUFFER, 4, 0);
    g_assert_cmphex(qtest_readl(q, PAGES), ==, 0);
    g_assert_cmphex(qtest_readl(q, PAGES + 4096), ==, 0x5a5a5a5a);
    g_assert_true(qtest_irq_level(q, LINE));
    qtest_writel(q, VIRTIO_CONFIG + 4, 1);
    json_object_unref(qtest_qmp_event(q, "BALLOON_CHANGE"));
    reply = query("query-balloon");
    g_assert_cmpint(json_object_get_int_member(json_object_get_object_member(reply, "return"), "actual"), ==,
                    (32 << 20) - 4096);
    json_object_unref(reply);
    transfer(1, BUFFER, 4, 0);

    /* A driver that breaks the rules, and a reset that makes up for it. */
    offer(0, 0x7000000000ull, 4, 0);
    virtio_driver_wait_broken(&d);
    virtio_driver_start(&d, 0, 2);
    transfer(0, BUFFER, 4, 0);
    qtest_quit(q);
}

/* ---- Hints ---- */

static JsonObject *free_pages(JsonObject *reply)
{
    return json_object_get_object_member(json_object_get_object_member(reply, "return"), "free-pages");
}

static uint32_t wait_command(bool (*wanted)(uint32_t))
{
    for (int tries = 0; tries < 5000; tries++) {
        uint32_t id = qtest_readl(q, VIRTIO_CONFIG + 8);

        if (wanted(id)) {
            return id;
        }
        g_usleep(1000);
    }
    g_error("the device's command stays %u", qtest_readl(q, VIRTIO_CONFIG + 8));
}

static bool is_request(uint32_t id) { return id >= 2; }
static bool is_done(uint32_t id) { return id == VIRTIO_BALLOON_CMD_ID_DONE; }

static void wait_completed(void)
{
    for (int tries = 0;; tries++) {
        JsonObject *reply = query("query-migrate");
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

static void fill(void)
{
    qtest_memset(q, PAGES, 0x5a, 12 << 20);
    qtest_memset(q, PAGES + (12 << 20), 0x5a, 12 << 20);
}

/* 24 of 32 MiB are in use when the migration begins, and the guest gives 16 of them away. */
static void run_hints(const char *args)
{
    JsonObject *reply;
    uint32_t id;

    start_machine(args);
    virtio_driver_start(&d, HINT, 3);
    fill();
    qtest_qmp_ok(q, "{\"execute\": \"migrate-set-parameters\", \"arguments\": {\"max-bandwidth\": 1048576}}");
    qtest_qmp_ok(q, "{\"execute\": \"migrate\", \"arguments\": {\"uri\": \"exec:cat > /dev/null\"}}");
    id = wait_command(is_request);
    send_id(2, id);
    for (int i = 0; i < 4; i++) {
        transfer(2, PAGES + (8 << 20) + (i << 22), 4 << 20, WRITE);
    }
    send_id(2, VIRTIO_BALLOON_CMD_ID_STOP);
    transfer(2, PAGES, 4096, WRITE); /* too late */
    reply = query("query-migrate");
    g_assert_cmpstr(json_object_get_string_member(free_pages(reply), "state"), ==, "stopped");
    g_assert_cmpint(json_object_get_int_member(free_pages(reply), "accepted"), ==, 4);
    g_assert_cmpint(json_object_get_int_member(free_pages(reply), "late"), ==, 1);
    g_assert_cmpint(json_object_get_int_member(free_pages(reply), "hinted"), >, 2048);
    json_object_unref(reply);
    qtest_qmp_ok(q, "{\"execute\": \"migrate-set-parameters\", \"arguments\": {\"max-bandwidth\": 1073741824}}");
    wait_completed();
    wait_command(is_done);
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
    start_machine("-device virtio-balloon-pci,free-page-hint=on");
    virtio_driver_start(&d, HINT, 3);
    fill();
    qtest_qmp_ok(q, "{\"execute\": \"migrate\", \"arguments\": {\"uri\": \"exec:cat > /dev/null\"}}");
    wait_completed();
    wait_command(is_done);
    qtest_quit(q);

    start_machine("-device virtio-balloon-pci,free-page-hint=on");
    virtio_driver_start(&d, HINT, 3);
    fill();
    qtest_qmp_ok(q, "{\"execute\": \"migrate-set-parameters\", \"arguments\": {\"max-bandwidth\": 1048576}}");
    qtest_qmp_ok(q, "{\"execute\": \"migrate\", \"arguments\": {\"uri\": \"exec:cat > /dev/null\"}}");
    send_id(2, wait_command(is_request));
    qtest_writeb(q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_STATUS, 0);
    qtest_qmp_ok(q, "{\"execute\": \"migrate-set-parameters\", \"arguments\": {\"max-bandwidth\": 1073741824}}");
    wait_completed();
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
