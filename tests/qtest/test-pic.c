/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interrupt controllers on the board: where they are and which line reaches which input. */
#include <string.h>

#include "libferry-qtest.h"

#define IOAPIC 0xfec00000ull

static uint32_t ioapic(struct qtest *q, uint32_t reg)
{
    qtest_writel(q, IOAPIC, reg);
    return qtest_readl(q, IOAPIC + 0x10);
}

static void test_ioapic(void)
{
    struct qtest *q = qtest_start(NULL);

    g_assert_cmphex(ioapic(q, 1), ==, 0x00170020);
    g_assert_cmphex(ioapic(q, 0x10), ==, 0x00010000);
    qtest_writel(q, IOAPIC, 0x1a);
    qtest_writel(q, IOAPIC + 0x10, 0x8026);
    g_assert_cmphex(ioapic(q, 0x1a), ==, 0x8026);
    qtest_set_irq_in(q, "ioapic", 5, true);
    g_assert_cmphex(ioapic(q, 0x1a), ==, 0xc026); /* remote IRR */
    qtest_set_irq_in(q, "ioapic", 5, false);
    qtest_writel(q, IOAPIC + 0x40, 0x26);
    g_assert_cmphex(ioapic(q, 0x1a), ==, 0x8026);
    qtest_quit(q);
}

static void test_i8259(void)
{
    static const uint8_t init[][2] = { { 0x20, 0x11 }, { 0x21, 0x20 }, { 0x21, 0x04 }, { 0x21, 0x01 },
                                       { 0xa0, 0x11 }, { 0xa1, 0x28 }, { 0xa1, 0x02 }, { 0xa1, 0x01 } };
    struct qtest *q = qtest_start(NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(init); i++) {
        qtest_outb(q, init[i][0], init[i][1]);
    }
    qtest_outb(q, 0x21, 0xfb);
    g_assert_cmphex(qtest_inb(q, 0x21), ==, 0xfb);
    qtest_set_irq_in(q, "i8259", 12, true);
    g_assert_cmphex(qtest_inb(q, 0xa0), ==, 0x10);
    g_assert_cmphex(qtest_inb(q, 0x20) & 0x04, ==, 0x04); /* the cascade */
    qtest_outb(q, 0x20, 0x0c); /* poll: takes it */
    g_assert_cmphex(qtest_inb(q, 0x20), ==, 0x82);
    qtest_outb(q, 0xa0, 0x0c);
    g_assert_cmphex(qtest_inb(q, 0xa0), ==, 0x84);
    qtest_outb(q, 0x4d1, 0x0c);
    g_assert_cmphex(qtest_inw(q, 0x4d0), ==, 0x0c00);
    qtest_quit(q);
}

/* A device's line reaches both, the IOAPIC by its own number. */
static void test_routing(void)
{
    struct qtest *q = qtest_start("-device isa-serial");

    qtest_irq_intercept_in(q, "i8259");
    qtest_outb(q, 0x3f9, 0x02);
    g_assert_true(qtest_irq_level(q, 4));
    qtest_outb(q, 0x3f9, 0x00);
    g_assert_false(qtest_irq_level(q, 4));
    qtest_irq_intercept_in(q, "ioapic");
    qtest_outb(q, 0x3f9, 0x02);
    g_assert_cmpuint(qtest_irq_raises(q, 4), ==, 3); /* once more by each */
    qtest_quit(q);
}

static void check_info(struct qtest *q, const char *what, const char *expect)
{
    g_autofree char *command = g_strdup_printf("{\"execute\": \"human-monitor-command\", "
                                               "\"arguments\": {\"command-line\": \"info %s\"}}", what);
    JsonObject *reply = qtest_qmp(q, command);

    g_assert_nonnull(strstr(json_object_get_string_member(reply, "return"), expect));
    json_object_unref(reply);
}

static void test_info(void)
{
    struct qtest *q = qtest_start(NULL);

    qtest_outb(q, 0x21, 0xab);
    check_info(q, "pic", "imr=ab");
    check_info(q, "pic", "pin 23 0x0000000000010000");
    check_info(q, "lapic", "dumping local APIC state for CPU 0");
    qtest_quit(q);
}

/* The protocol itself says what it does not take. */
static void test_protocol(void)
{
    struct qtest *q = qtest_start(NULL);
    static const char *const bad[] = {
        "", "nonsense", "inb", "inb x", "inq 0x20", "outb 0x20", "readl", "readl 12z", "read 0",
        "read 0 999999999999", "write 0 4 0x12", "write 0 1 zz", "memset 0 1", "clock_step x",
        "clock_set 99999999999999999999",
        "irq_intercept_in nobody", "set_irq_in ioapic unnamed 24 1", "set_irq_in ioapic unnamed -1 1",
        "set_irq_in ioapic", "irq_intercept_in",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *answer = qtest_raw(q, bad[i]);

        g_assert_true(g_str_has_prefix(answer, "FAIL ") || g_str_has_prefix(answer, "ERR "));
    }
    {
        g_autofree char *answer = qtest_raw(q, "  endianness \t\r");

        g_assert_cmpstr(answer, ==, "OK little");
    }
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/pic/ioapic", test_ioapic);
    g_test_add_func("/qtest/pic/i8259", test_i8259);
    g_test_add_func("/qtest/pic/routing", test_routing);
    g_test_add_func("/qtest/pic/info", test_info);
    g_test_add_func("/qtest/pic/protocol", test_protocol);
    return g_test_run();
}
