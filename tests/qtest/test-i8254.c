/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interval timer on the board: channel 0 reaches GSI 2, channel 2 port 0x61. */
#include "libferry-qtest.h"

static void program(struct qtest *q, uint8_t control, uint16_t count)
{
    uint16_t port = (uint16_t)(0x40 + (control >> 6));

    qtest_outb(q, 0x43, control);
    qtest_outb(q, port, (uint8_t)count);
    qtest_outb(q, port, count >> 8);
}

static void test_irq0(void)
{
    struct qtest *q = qtest_start(NULL);
    unsigned before;

    qtest_irq_intercept_in(q, "ioapic");
    program(q, 0x34, 11932); /* 100 Hz */
    before = qtest_irq_raises(q, 2);
    qtest_clock_step(q, 1000000000);
    g_assert_cmpuint(qtest_irq_raises(q, 2) - before, >=, 99);
    g_assert_cmpuint(qtest_irq_raises(q, 2) - before, <=, 100);
    g_assert_cmpuint(qtest_irq_raises(q, 0), ==, 0); /* IRQ 0 is GSI 2 only */
    qtest_quit(q);
}

static void test_count(void)
{
    struct qtest *q = qtest_start(NULL);
    unsigned value;

    program(q, 0x30, 0xffff);
    qtest_clock_step(q, 10000000); /* 11931 clocks */
    qtest_outb(q, 0x43, 0x00);
    value = qtest_inb(q, 0x40);
    value |= (unsigned)qtest_inb(q, 0x40) << 8;
    g_assert_cmpuint(value, ==, 0xffff - 11931);
    qtest_quit(q);
}

/* As a kernel calibrates its TSC: 50 ms by channel 2, watched at port 0x61. */
static void test_calibration(void)
{
    struct qtest *q = qtest_start(NULL);
    int64_t start, now;

    qtest_outb(q, 0x61, (uint8_t)((qtest_inb(q, 0x61) & ~0x02) | 0x01));
    program(q, 0xb0, 59659);
    start = now = qtest_clock_step(q, 0);
    while (!(qtest_inb(q, 0x61) & 0x20)) {
        now = qtest_clock_step(q, 100000);
        g_assert_cmpint(now - start, <, 60000000);
    }
    g_assert_cmpint(now - start, >=, 49900000);
    g_assert_cmpint(now - start, <=, 50100000);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/i8254/irq0", test_irq0);
    g_test_add_func("/qtest/i8254/count", test_count);
    g_test_add_func("/qtest/i8254/calibration", test_calibration);
    return g_test_run();
}
