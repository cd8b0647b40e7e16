/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The small ports: 0x80, 0x92, 0xf0, pvpanic, isa-debug-exit. */
#include <glib.h>
#include <string.h>

#include "device-bench.h"
#include "hw/core/reset.h"
#include "hw/isa/isa.h"
#include "hw/misc/pc-ports.h"

static void test_port92(void)
{
    struct device *dev = isa_create(&port92_type, NULL);

    bench_out(0x92, 0x02);
    g_assert_cmphex(bench_in(0x92), ==, 0x02);
    bench_check_golden(port92_type.vmstate, dev, "02");
    bench_check_round_trip(port92_type.vmstate, dev, 1);
    g_assert_cmpint(bench_resets, ==, 0);
    bench_out(0x92, 0x03);
    bench_out(0x92, 0x03); /* one edge */
    g_assert_cmpint(bench_resets, ==, 1);
    reset_all();
    g_assert_cmphex(bench_in(0x92), ==, 0);
}

static void test_pvpanic(void)
{
    g_assert_nonnull(isa_create(&pvpanic_type, NULL));
    g_assert_cmphex(bench_in(0x505), ==, 0x03);
    bench_out(0x505, 0x01);
    bench_out(0x505, 0x02);
    bench_out(0x505, 0xf0); /* unknown */
    g_assert_cmpint(bench_panics, ==, 1);
    g_assert_cmpint(bench_crash_loads, ==, 1);
}

static void test_debug_exit(void)
{
    g_autoptr(GError) error = NULL;
    struct device *dev = device_new(&debug_exit_type, NULL);

    device_set(dev, "iobase", "0xf4");
    device_set(dev, "iosize", "4");
    g_assert_true(device_realize(dev, NULL, NULL));
    bench_out(0xf4, 0x10);
    g_assert_cmpint(bench_exit_code, ==, 0x21);
    g_assert_cmphex(bench_in(0xf4), ==, 0);
    device_free(dev);
    g_assert_cmphex(bench_in(0xf4), ==, 0xff);
    dev = device_new(&debug_exit_type, NULL);
    device_set(dev, "iobase", "0xffff");
    g_assert_false(device_realize(dev, NULL, &error));
    g_assert_nonnull(strstr(error->message, "0xffff"));
    device_free(dev);
}

static void test_ignored(void)
{
    g_assert_nonnull(isa_create(&ioport80_type, NULL));
    bench_out(0x80, 0x55);
    bench_out(0xf0, 0);
    g_assert_cmphex(bench_in(0x80), ==, 0xff);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    g_test_add_func("/pc-ports/port92", test_port92);
    g_test_add_func("/pc-ports/pvpanic", test_pvpanic);
    g_test_add_func("/pc-ports/debug-exit", test_debug_exit);
    g_test_add_func("/pc-ports/ignored", test_ignored);
    return g_test_run();
}
