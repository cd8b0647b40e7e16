/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets of passed descriptors: what /dev/fdset/N gives, and what becomes of it. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "util/fdset.h"

static char *folder, *path;

static int open_file(int flags)
{
    int fd = open(path, flags | O_CREAT, 0600);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static void expect_refused(const char *name, int flags, const char *why)
{
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(fdset_open(name, flags, &error), <, 0);
    if (!strstr(error->message, why) || !strstr(error->message, name + (*name == '/' ? strlen("/dev/fdset/") : 0))) {
        g_error("'%s': expected '%s' in: %s", name, why, error->message);
    }
}

static void test_plain(void)
{
    int fd = fdset_open(path, O_WRONLY | O_CREAT, NULL);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    close(fd);
    expect_refused("/dev/fdsetx/nothing", O_RDONLY, "cannot open");
}

/* By access mode; the duplicate outlives its set. */
static void test_modes(void)
{
    int64_t set = 5;
    char text[8] = "";
    g_assert_true(fdset_add(open_file(O_RDONLY), &set, "reader", NULL));
    expect_refused("/dev/fdset/5", O_WRONLY, "no descriptor that is open for writing");
    expect_refused("/dev/fdset/5", O_RDWR, "no descriptor that is open for reading and writing");
    g_assert_true(fdset_add(open_file(O_WRONLY), &set, NULL, NULL));
    int out = fdset_open("/dev/fdset/5", O_WRONLY | O_APPEND, NULL), in = fdset_open("/dev/fdset/5", O_RDONLY, NULL);
    g_assert_cmpint(out, >=, 0);
    g_assert_cmpint(in, >=, 0);
    g_assert_cmpint(fcntl(out, F_GETFL) & O_APPEND, ==, O_APPEND);
    g_assert_cmpint(fcntl(out, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    g_assert_true(fdset_remove(5, -1, NULL));
    expect_refused("/dev/fdset/5", O_RDONLY, "no such set");
    g_assert_cmpint(write(out, "abc", 3), ==, 3);
    g_assert_cmpint(read(in, text, sizeof(text)), ==, 3);
    close(out);
    close(in);
}

static void test_truncate(void)
{
    int64_t set = -1;
    GStatBuf status;
    g_assert_true(g_file_set_contents(path, "something", -1, NULL));
    g_assert_true(fdset_add(open_file(O_WRONLY), &set, NULL, NULL));
    g_assert_cmpint(set, ==, 0);
    close(fdset_open("/dev/fdset/0", O_WRONLY | O_APPEND, NULL));
    g_assert_true(g_stat(path, &status) == 0 && status.st_size == 9);
    close(fdset_open("/dev/fdset/0", O_WRONLY | O_TRUNC, NULL));
    g_assert_true(g_stat(path, &status) == 0 && status.st_size == 0);
    g_assert_true(fdset_remove(0, -1, NULL));
}

static void count(int64_t set, int fd, const char *opaque, void *data)
{
    g_string_append_printf(data, "%d%s ", (int)set, opaque ? opaque : "");
}

static void test_numbers(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    static const int64_t wanted[] = { 1, -1, -1, 1, 0 }; /* -1: the first number that is free */
    static const int64_t given[] = { 1, 0, 2, 1, 0 };
    for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++) {
        int64_t set = wanted[i];
        g_autofree char *name = g_strdup_printf("%c", (int)('a' + i));
        g_assert_true(fdset_add(open_file(O_RDONLY), &set, name, NULL));
        g_assert_cmpint(set, ==, given[i]);
    }
    fdset_foreach(count, text);
    g_assert_cmpstr(text->str, ==, "0b 0e 1a 1d 2c ");
    g_assert_false(fdset_remove(7, -1, &error));
    g_assert_nonnull(strstr(error->message, "fdset-id:7"));
    g_clear_error(&error);
    g_assert_false(fdset_remove(1, 9999, &error));
    g_assert_nonnull(strstr(error->message, "fd:9999"));
    for (int set = 0; set < 3; set++) {
        g_assert_true(fdset_remove(set, -1, NULL));
    }
}

static void test_refused(void)
{
    g_autoptr(GError) error = NULL;
    int64_t set = 0;
    expect_refused("/dev/fdset/x", O_RDONLY, "expects a number");
    expect_refused("/dev/fdset/", O_RDONLY, "expects a number");
    expect_refused("/dev/fdset/0", O_RDONLY, "no such set");
    g_assert_false(fdset_add(9999, &set, NULL, &error));
    g_assert_nonnull(strstr(error->message, "9999"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("ferry-fdset-XXXXXX", NULL);
    path = g_build_filename(folder, "file", NULL);
    g_test_add_func("/fdset/plain", test_plain);
    g_test_add_func("/fdset/modes", test_modes);
    g_test_add_func("/fdset/truncate", test_truncate);
    g_test_add_func("/fdset/numbers", test_numbers);
    g_test_add_func("/fdset/refused", test_refused);
    int status = g_test_run();
    g_remove(path);
    g_rmdir(folder);
    return status;
}
