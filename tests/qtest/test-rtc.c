/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real-time clock on the board: IRQ 8, the CMOS that kernels read, -rtc. */
#include <string.h>

#include "libferry-qtest.h"

static uint8_t rd(struct qtest *q, uint8_t index)
{
    qtest_outb(q, 0x70, index);
    return qtest_inb(q, 0x71);
}

static void wr(struct qtest *q, uint8_t index, uint8_t value)
{
    qtest_outb(q, 0x70, index);
    qtest_outb(q, 0x71, value);
}

static void test_base(void)
{
    struct qtest *q = qtest_start("-rtc base=2006-06-17T16:01:21,clock=vm");

    g_assert_cmphex(rd(q, 0x32), ==, 0x20);
    g_assert_cmphex(rd(q, 9), ==, 0x06);
    g_assert_cmphex(rd(q, 8), ==, 0x06);
    g_assert_cmphex(rd(q, 7), ==, 0x17);
    g_assert_cmphex(rd(q, 4), ==, 0x16);
    g_assert_cmphex(rd(q, 2), ==, 0x01);
    g_assert_cmphex(rd(q, 0), ==, 0x21);
    qtest_clock_step(q, 3600000000000);
    g_assert_cmphex(rd(q, 4), ==, 0x17);
    qtest_quit(q);
}

static void test_irq8(void)
{
    struct qtest *q = qtest_start("-rtc base=2006-06-17T16:01:21,clock=vm");

    qtest_irq_intercept_in(q, "ioapic");
    wr(q, 0x0b, 0x12); /* update-ended */
    qtest_clock_step(q, 1000000000);
    g_assert_true(qtest_irq_level(q, 8));
    g_assert_cmphex(rd(q, 0x0c), ==, 0x90);
    g_assert_false(qtest_irq_level(q, 8));
    qtest_quit(q);
}

static void test_cmos(void)
{
    struct qtest *q = qtest_start("-smp 2");

    g_assert_cmpuint(rd(q, 0x15) | rd(q, 0x16) << 8, ==, 640);
    g_assert_cmpuint(rd(q, 0x17) | rd(q, 0x18) << 8, ==, 31 * 1024);
    g_assert_cmpuint(rd(q, 0x34) | rd(q, 0x35) << 8, ==, 16 * 16);
    g_assert_cmpuint(rd(q, 0x5f), ==, 1);
    qtest_quit(q);
}

static void test_bad_options(void)
{
    static const char *const bad[][2] = {
        { "-machine pc -accel qtest -rtc base=yesterday", "yesterday" },
        { "-machine pc -accel qtest -rtc driftfix=slew", "slew" },
        { "-machine pc -accel qtest -rtc clock=moon", "moon" },
    };

    qtest_check_refused(bad, G_N_ELEMENTS(bad));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/rtc/base", test_base);
    g_test_add_func("/qtest/rtc/irq8", test_irq8);
    g_test_add_func("/qtest/rtc/cmos", test_cmos);
    g_test_add_func("/qtest/rtc/bad-options", test_bad_options);
    return g_test_run();
}
