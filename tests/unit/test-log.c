/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log, trace points, error texts. */
#include <glib/gstdio.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "trace/util.h"
#include "util/log.h"

static char *log_path;

static char *log_text(void)
{
    char *text;
    g_assert_true(g_file_get_contents(log_path, &text, NULL, NULL));
    return text;
}

static void test_items(void)
{
    g_autoptr(GError) error = NULL;
    bool help;
    g_assert_true(log_set_items("int,guest_errors", &help, &error));
    g_assert_false(help);
    g_assert_true(log_enabled(LOG_INT) && log_enabled(LOG_GUEST_ERRORS) && !log_enabled(LOG_CPU));
    g_assert_false(log_set_items("int,typo", &help, &error));
    g_assert_nonnull(strstr(error->message, "'typo'"));
    g_assert_true(log_enabled(LOG_INT));
    log_printf(LOG_INT, "seen %d\n", 1);
    log_printf(LOG_CPU, "unseen\n");
    g_autofree char *text = log_text();
    g_assert_cmpstr(text, ==, "seen 1\n");
    g_assert_true(log_set_items("none", &help, NULL));
}

static void test_file_names(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(log_set_file("/nonexistent/dir/log", &error));
    g_assert_nonnull(strstr(error->message, "/nonexistent/dir/log"));
    g_clear_error(&error);
    g_assert_false(log_set_file("/tmp/%s", &error));
    g_clear_error(&error);
    g_assert_false(log_set_file("/tmp/%d%d", &error));
}

static void test_trace(void)
{
    g_autoptr(GError) error = NULL;
    bool help;
    g_assert_true(log_set_file(log_path, &error));
    trace_iothread_start("off");
    g_assert_true(trace_enable("iothread_*", &help, &error));
    trace_iothread_start("on");
    g_assert_true(trace_enable("-iothread_*", &help, &error));
    trace_iothread_start("off again");
    g_autofree char *text = log_text();
    g_assert_cmpstr(text, ==, "iothread_start id on\n");
    g_assert_false(trace_enable("no_such_*", &help, &error));
    g_assert_nonnull(strstr(error->message, "no_such_*"));
}

/* A guest that misbehaves a million times costs neither a million lines nor much time. */
static void test_guest_errors_are_limited(void)
{
    bool help;
    g_assert_true(log_set_file(log_path, NULL));
    g_assert_true(log_set_items("guest_errors", &help, NULL));
    for (int i = 0; i < 100000; i++) {
        guest_error("guest did it %d times", i);
    }
    g_autofree char *text = log_text();
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_assert_cmpstr(lines[0], ==, "guest did it 0 times");
    g_assert_cmpuint(g_strv_length(lines), <, 1000);
    g_assert_true(log_set_items("none", &help, NULL));
}

static bool hook(const char *text)
{
    g_assert_cmpstr(text, ==, "warning: watch out\n");
    return true;
}

static void test_errors(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(error_setf_errno(&error, ENOENT, "cannot open '%s'", "x"));
    g_assert_cmpstr(error->message, ==, "cannot open 'x': No such file or directory");
    g_assert_true(g_error_matches(error, FERRY_ERROR, FERRY_ERROR_GENERIC));
    g_clear_error(&error);
    error_set_class(&error, FERRY_ERROR_DEVICE_NOT_FOUND, "no %s", "x");
    g_assert_true(g_error_matches(error, FERRY_ERROR, FERRY_ERROR_DEVICE_NOT_FOUND));
    g_assert_false(error_setf(NULL, "nobody listens"));
    error_report_hook = hook;
    warn_report("watch %s", "out");
    error_report_hook = NULL;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    int fd = g_file_open_tmp("ferry-log-XXXXXX", &log_path, NULL);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_true(log_set_file(log_path, NULL));
    g_test_add_func("/log/items", test_items);
    g_test_add_func("/log/file-names", test_file_names);
    g_test_add_func("/trace/switching", test_trace);
    g_test_add_func("/error/guest-errors-limited", test_guest_errors_are_limited);
    g_test_add_func("/error/texts", test_errors);
    int result = g_test_run();
    g_unlink(log_path);
    return result;
}
