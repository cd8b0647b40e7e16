/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RAM, the small ports, and what they do to the whole machine. */
#include <string.h>

#include "libferry-qtest.h"

static void test_memory(void)
{
    struct qtest *q = qtest_start(NULL);
    uint8_t data[300], back[300];

    for (unsigned i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 13);
    }
    qtest_memwrite(q, 0x100ff0, data, sizeof(data));
    qtest_memread(q, 0x100ff0, back, sizeof(back));
    g_assert_cmpmem(data, sizeof(data), back, sizeof(back));
    qtest_writeq(q, 0x200000, 0x1122334455667788);
    g_assert_cmphex(qtest_readl(q, 0x200004), ==, 0x11223344);
    g_assert_cmphex(qtest_readb(q, 0x200001), ==, 0x77);
    qtest_memset(q, 0x200001, 0xaa, 2);
    g_assert_cmphex(qtest_readq(q, 0x200000), ==, 0x1122334455aaaa88);
    g_assert_cmphex(qtest_readq(q, 0x2000000), ==, UINT64_MAX); /* behind the 32 MiB */
    qtest_writeq(q, 0x2000000, 0);
    g_assert_cmphex(qtest_readq(q, 0x2000000), ==, UINT64_MAX);
    qtest_quit(q);
}

static void test_absent_ports(void)
{
    struct qtest *q = qtest_start(NULL);

    g_assert_cmphex(qtest_inb(q, 0x3f8), ==, 0xff); /* -nodefaults: no serial port */
    g_assert_cmphex(qtest_inl(q, 0x1234), ==, 0xffffffff);
    qtest_outl(q, 0x1234, 0);
    qtest_outb(q, 0x80, 0x42);
    qtest_outb(q, 0xf0, 0);
    qtest_quit(q);
}

static void test_debug_exit(void)
{
    struct qtest *q = qtest_start("-device isa-debug-exit,iobase=0xf4,iosize=4");
    g_autofree char *answer = NULL;

    answer = qtest_raw(q, "outl 0xf4 0x10");
    g_assert_cmpint(qtest_wait_exit(q), ==, 0x21);
}

static void test_pvpanic(void)
{
    struct qtest *q = qtest_start("-device pvpanic -action panic=pause");
    JsonObject *event, *data;

    g_assert_cmphex(qtest_inb(q, 0x505), ==, 0x03);
    qtest_outb(q, 0x505, 0x01);
    event = qtest_qmp_event(q, "GUEST_PANICKED");
    data = json_object_get_object_member(event, "data");
    g_assert_cmpstr(json_object_get_string_member(data, "action"), ==, "pause");
    json_object_unref(event);
    qtest_quit(q);
}

static void test_reset(void)
{
    struct qtest *q = qtest_start(NULL);
    JsonObject *event;

    qtest_outb(q, 0x4d0, 0xf8);
    qtest_outb(q, 0x92, 0x01);
    event = qtest_qmp_event(q, "RESET");
    g_assert_true(json_object_get_boolean_member(json_object_get_object_member(event, "data"), "guest"));
    json_object_unref(event);
    g_assert_cmphex(qtest_inb(q, 0x92), ==, 0);
    g_assert_cmphex(qtest_inb(q, 0x4d0), ==, 0); /* and so was everything */
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/misc/memory", test_memory);
    g_test_add_func("/qtest/misc/absent-ports", test_absent_ports);
    g_test_add_func("/qtest/misc/debug-exit", test_debug_exit);
    g_test_add_func("/qtest/misc/pvpanic", test_pvpanic);
    g_test_add_func("/qtest/misc/reset", test_reset);
    return g_test_run();
}
