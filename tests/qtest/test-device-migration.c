/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All devices' state through a whole stream: registers set on one side read the same on the other; a stream that is
 * cut or garbled ends the incoming side with a message, never with a signal.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "libferry-qtest.h"

#define MACHINE "-rtc base=2006-06-17,clock=vm -serial null -device virtio-balloon-pci"

/* Registers that keep what is written, and a value for each. */
static const struct {
    uint16_t port;
    uint8_t value;
} registers[] = {
    { 0x3fb, 0x1b }, { 0x3f9, 0x05 }, { 0x3fc, 0x0b }, { 0x3ff, 0x5a }, { 0x4d0, 0x28 }, { 0x4d1, 0x0c },
    { 0x92, 0x02 }, { 0x21, 0xa5 }, { 0xa1, 0x5a },
};

static void set_state(struct qtest *q)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(registers); i++) {
        qtest_outb(q, registers[i].port, registers[i].value);
    }
    qtest_writel(q, 0xfec00000, 0x1a);
    qtest_writel(q, 0xfec00010, 0x18026);
    qtest_outb(q, 0x70, 0x7e);
    qtest_outb(q, 0x71, 0x42);
    qtest_outb(q, 0x61, 0x01);
    qtest_outb(q, 0x43, 0xb0);
    qtest_outb(q, 0x42, 0x00);
    qtest_outb(q, 0x42, 0xf0);
    qtest_outl(q, 0xcf8, 0x80001010);
    qtest_writeq(q, 0x123000, 0x0123456789abcdef);
    qtest_clock_step(q, 5000000); /* 5965 clocks */
}

static void check_state(struct qtest *q)
{
    unsigned count;

    for (unsigned i = 0; i < G_N_ELEMENTS(registers); i++) {
        g_assert_cmphex(qtest_inb(q, registers[i].port), ==, registers[i].value);
    }
    g_assert_cmphex(qtest_readl(q, 0xfec00010), ==, 0x18026); /* the selected one */
    g_assert_cmphex(qtest_inb(q, 0x71), ==, 0x42);
    g_assert_cmphex(qtest_inb(q, 0x61) & 0x21, ==, 0x01);
    qtest_outb(q, 0x43, 0x80);
    count = qtest_inb(q, 0x42);
    count |= (unsigned)qtest_inb(q, 0x42) << 8;
    g_assert_cmpuint(count, ==, 0xf000 - 5965);
    g_assert_cmphex(qtest_inl(q, 0xcf8), ==, 0x80001010);
    g_assert_cmphex(qtest_readq(q, 0x123000), ==, 0x0123456789abcdef);
}

static char *save(const char *name)
{
    struct qtest *q = qtest_start(MACHINE);
    char *path;

    set_state(q);
    path = qtest_save(q, name);
    qtest_quit(q);
    return path;
}

static void test_round_trip(void)
{
    g_autofree char *path = save("round-trip"), *args = g_strdup_printf(MACHINE " -S -incoming 'exec:cat %s'", path);
    struct qtest *q = qtest_start(args);

    g_assert_true(qtest_wait_loaded(q));
    qtest_clock_step(q, 5000000); /* qtest's clock is the test's and does not migrate */
    check_state(q);
    qtest_quit(q);
}

/* Loading `data` ends with status 1 and a message. */
static void check_refused(const char *data, size_t length)
{
    g_autofree char *path = qtest_path("damaged"), *err = NULL;
    g_autofree char *args = g_strdup_printf("-machine pc -accel qtest -m 32 -nodefaults -display none " MACHINE
                                            " -S -incoming 'exec:cat %s'", path);

    g_assert_true(g_file_set_contents(path, data, (gssize)length, NULL));
    g_assert_cmpint(qtest_run(args, &err), ==, 1);
    g_assert_cmpstr(err, !=, "");
}

static void test_cut(void)
{
    g_autofree char *path = save("cut"), *data = NULL;
    gsize length;

    g_assert_true(g_file_get_contents(path, &data, &length, NULL));
    for (unsigned i = 0; i < 12; i++) {
        check_refused(data, length * (i + 1) / 14);
    }
}

/* One byte of the devices' part is another: refused or loaded, but the program stays in one piece. */
static void test_garbled(void)
{
    g_autofree char *path = save("garbled"), *data = NULL;
    g_autoptr(GRand) rand = g_rand_new_with_seed(0xfe);
    gsize length, devices;
    const char *timer;

    g_assert_true(g_file_get_contents(path, &data, &length, NULL));
    timer = memmem(data, length, "\x05timer", 6);
    g_assert_nonnull(timer);
    devices = (gsize)(timer - data);
    for (int i = 0; i < 24; i++) {
        gsize at = devices + (gsize)g_rand_int_range(rand, 0, (gint32)(length - devices));
        char before = data[at];
        struct qtest *q;

        data[at] = (char)(before ^ (1 << g_rand_int_range(rand, 0, 8)));
        g_assert_true(g_file_set_contents(path, data, (gssize)length, NULL));
        q = qtest_start(MACHINE " -S -incoming defer");
        if (qtest_load(q, path)) {
            qtest_clock_step(q, 1000000);
            qtest_quit(q);
        } else {
            g_assert_cmpint(qtest_wait_exit(q), ==, 1);
        }
        data[at] = before;
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/migration/round-trip", test_round_trip);
    g_test_add_func("/qtest/migration/cut", test_cut);
    g_test_add_func("/qtest/migration/garbled", test_garbled);
    return g_test_run();
}
