/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -sandbox: what it denies, for threads old and new, and what goes on. Each case in a child: a filter is for good. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "migration/channel.h"
#include "system/sandbox.h"

#define LIBVIRT "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

/* Each returns 0 if the call went through (whatever the kernel then said), or the filter's errno. */
static int call_mount(void)
{
    return mount("/nonexistent", "/nonexistent", "none", 0, NULL) == -2;
}

static int call_ptrace(void)
{
    return ptrace(PTRACE_PEEKDATA, -1, 0, 0) == -2;
}

static int call_ustat(void)
{
    return syscall(SYS_ustat, 0, NULL) == -2;
}

static int call_setuid(void)
{
    return setuid(getuid()) < 0 ? errno : 0;
}

static int call_fork(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    return pid < 0 ? errno : waitpid(pid, NULL, 0) != pid;
}

static int call_exec(void)
{
    char *argv[] = { (char *)"nothing", NULL };
    return execv("/nonexistent", argv) < 0 && errno == ENOENT ? 0 : errno;
}

static int call_priority(void)
{
    return setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0)) < 0 ? errno : 0;
}

static gpointer nothing(gpointer opaque)
{
    return GINT_TO_POINTER(7);
}

static int call_thread(void)
{
    return g_thread_join(g_thread_new("new", nothing, NULL)) != GINT_TO_POINTER(7);
}

/* A thread that ran before the filter came. */
static GMutex gate;

static gpointer old_thread(gpointer opaque)
{
    g_mutex_lock(&gate);
    return GINT_TO_POINTER(call_fork());
}

enum { KILLED = -1 };

static const struct {
    const char *option;
    int (*call)(void);
    int want; /* an errno, 0: goes through, KILLED */
} cases[] = {
    { "off", call_fork, 0 },
    { "on", call_mount, KILLED },
    { "on", call_ptrace, KILLED },
    { "on", call_ustat, KILLED },
    { "on,obsolete=allow", call_ustat, 0 },
    { "on", call_setuid, 0 },
    { "on,elevateprivileges=children", call_setuid, 0 },
    { "on,elevateprivileges=deny", call_setuid, KILLED },
    { "on", call_fork, 0 },
    { "on,spawn=deny", call_fork, EPERM },
    { "on", call_exec, 0 },
    { "on,spawn=deny", call_exec, EPERM },
    { "on", call_priority, 0 },
    { "on,resourcecontrol=deny", call_priority, EPERM },
    { LIBVIRT, call_thread, 0 },
};

static bool enforce(const char *option)
{
    struct sandbox sandbox;
    return sandbox_parse(option, &sandbox, NULL) && sandbox_enforce(&sandbox, NULL);
}

static void test_calls(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            signal(SIGSYS, SIG_DFL);
            _exit(enforce(cases[i].option) ? cases[i].call() : 255);
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        int got = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? KILLED : WEXITSTATUS(status);
        if (got != cases[i].want) {
            g_error("-sandbox %s, case %zu: %d, expected %d (status %#x)", cases[i].option, i, got, cases[i].want,
                    status);
        }
    }
}

static void test_threads(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        g_mutex_lock(&gate);
        GThread *thread = g_thread_new("old", old_thread, NULL);
        bool ok = enforce(LIBVIRT);
        g_mutex_unlock(&gate);
        _exit(ok ? GPOINTER_TO_INT(g_thread_join(thread)) : 255);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, EPERM);
}

/* exec: says which option forbids it; children gain no privileges. */
static void test_told(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        g_autoptr(GError) error = NULL;
        bool ok = enforce(LIBVIRT) && !channel_connect("exec:cat", -1, -1, &error) &&
                  strstr(error->message, "-sandbox spawn=deny") && strstr(error->message, "exec:cat") &&
                  prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
        _exit(ok ? 0 : 1);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
}

static void test_parse(void)
{
    static const char *const bad[][2] = {
        { "maybe", "maybe" },
        { "on,spawn=children", "spawn='children'" },
        { "on,obsolete=yes", "obsolete='yes'" },
        { "on,elevateprivileges=no", "children" },
        { "on,network=deny", "'network'" },
    };
    struct sandbox sandbox;
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(sandbox_parse(bad[i][0], &sandbox, &error));
        if (!strstr(error->message, bad[i][1]) || !g_str_has_prefix(error->message, "-sandbox: ")) {
            g_error("'%s': expected '%s' in: %s", bad[i][0], bad[i][1], error->message);
        }
    }
    g_assert_true(sandbox_parse("enable=off,spawn=deny", &sandbox, NULL));
    g_assert_false(sandbox.enable);
    g_assert_true(sandbox.deny[SANDBOX_SPAWN] && sandbox.deny[SANDBOX_OBSOLETE] && !sandbox.deny[SANDBOX_RESOURCES]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sandbox/parse", test_parse);
    if (sandbox_available()) {
        g_test_add_func("/sandbox/calls", test_calls);
        g_test_add_func("/sandbox/threads", test_threads);
        g_test_add_func("/sandbox/told", test_told);
    }
    return g_test_run();
}
