/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The serial port and its character device. */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "libferry-qtest.h"

static int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(address.sun_path, path);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    return fd;
}

static void test_file(void)
{
    g_autofree char *path = qtest_path("serial.out"), *args = g_strdup_printf("-serial file:%s", path), *text = NULL;
    struct qtest *q = qtest_start(args);

    for (const char *p = "hello, ferry\n"; *p; p++) {
        g_assert_cmphex(qtest_inb(q, 0x3fd) & 0x20, ==, 0x20);
        qtest_outb(q, 0x3f8, (uint8_t)*p);
    }
    qtest_quit(q);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "hello, ferry\n");
}

static void test_socket(void)
{
    g_autofree char *path = qtest_path("serial.sock");
    g_autofree char *args = g_strdup_printf("-chardev socket,id=line,path=%s,server=on,wait=off "
                                            "-device isa-serial,chardev=line,index=1", path);
    struct qtest *q = qtest_start(args);
    int fd = connect_to(path);
    char buffer[8] = "";
    int tries = 0;

    qtest_outb(q, 0x2fa, 0x01); /* FIFO */
    g_assert_cmpint(write(fd, "ping", 4), ==, 4);
    while (!(qtest_inb(q, 0x2fd) & 0x01)) {
        g_assert_cmpint(tries++, <, 1000);
        g_usleep(1000);
    }
    for (const char *p = "ping"; *p; p++) {
        while (!(qtest_inb(q, 0x2fd) & 0x01)) {
            g_assert_cmpint(tries++, <, 1000);
            g_usleep(1000);
        }
        g_assert_cmphex(qtest_inb(q, 0x2f8), ==, *p);
    }
    qtest_outb(q, 0x2f8, 'o');
    qtest_outb(q, 0x2f8, 'k');
    for (size_t got = 0; got < 2;) {
        ssize_t n = read(fd, buffer + got, sizeof(buffer) - got);
        g_assert_cmpint(n, >, 0);
        got += (size_t)n;
    }
    g_assert_cmpstr(buffer, ==, "ok");
    close(fd);
    qtest_quit(q);
}

/* More than the FIFO comes at once: it waits outside, nothing is lost. */
static void test_flood(void)
{
    g_autofree char *path = qtest_path("flood.sock");
    g_autofree char *args = g_strdup_printf("-serial unix:%s,server=on,wait=off", path);
    struct qtest *q = qtest_start(args);
    int fd = connect_to(path), tries = 0;
    char data[500];

    for (unsigned i = 0; i < sizeof(data); i++) {
        data[i] = (char)(i * 7);
    }
    qtest_outb(q, 0x3fa, 0x01);
    g_assert_cmpint(write(fd, data, sizeof(data)), ==, sizeof(data));
    for (unsigned i = 0; i < sizeof(data);) {
        uint8_t status = qtest_inb(q, 0x3fd);

        g_assert_cmphex(status & 0x02, ==, 0); /* no overrun */
        if (status & 0x01) {
            g_assert_cmphex(qtest_inb(q, 0x3f8), ==, (uint8_t)data[i++]);
        } else {
            g_assert_cmpint(tries++, <, 5000);
            g_usleep(1000);
        }
    }
    close(fd);
    qtest_quit(q);
}

static void test_bad_options(void)
{
    static const char *const bad[][2] = {
        { "-machine pc -accel qtest -nodefaults -device isa-serial,chardev=nobody", "nobody" },
        { "-machine pc -accel qtest -nodefaults -device isa-serial,index=7", "index" },
        { "-machine pc -accel qtest -nodefaults -device isa-serial,index=0 -device isa-serial,index=0", "in use" },
        { "-machine pc -accel qtest -nodefaults -device isa-serial,irq=16", "irq" },
        { "-machine pc -accel qtest -nodefaults -device isa-serial,colour=red", "colour" },
    };

    qtest_check_refused(bad, G_N_ELEMENTS(bad));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/serial/file", test_file);
    g_test_add_func("/qtest/serial/socket", test_socket);
    g_test_add_func("/qtest/serial/flood", test_flood);
    g_test_add_func("/qtest/serial/bad-options", test_bad_options);
    return g_test_run();
}
