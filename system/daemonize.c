/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/daemonize.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chardev/char.h"

static int report_fd = -1; /* the child's end of the pipe; a byte in it says that start-up has succeeded */

/* The process that was started: it lives as long as start-up takes. A child that dies closes the pipe. */
static G_NORETURN void wait_for_child(int fd)
{
    char byte;
    ssize_t n;

    do {
        n = read(fd, &byte, 1);
    } while (n < 0 && errno == EINTR);
    _exit(n == 1 ? 0 : 1);
}

bool daemonize_begin(GError **error)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0) {
        return error_setf_errno(error, errno, "-daemonize: cannot make a pipe");
    }
    pid_t pid = fork();
    if (pid > 0) {
        close(fds[1]);
        wait_for_child(fds[0]);
    }
    if (pid == 0) {
        close(fds[0]);
        report_fd = fds[1];
        setsid();
        pid = fork(); /* again: who leads no session can never get a controlling terminal */
        if (pid > 0) {
            _exit(0);
        }
    }
    if (pid < 0) {
        return error_setf_errno(error, errno, "-daemonize: cannot fork");
    }
    umask(027);
    chardev_stdio_refused = "-daemonize";
    return true;
}

bool daemonize_finish(bool keep_stderr, GError **error)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0 || chdir("/") < 0) {
        return error_setf_errno(error, errno, "-daemonize: cannot %s", null < 0 ? "open '/dev/null'" : "go to '/'");
    }
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    if (!keep_stderr) {
        dup2(null, STDERR_FILENO);
    }
    close(null);
    ssize_t n = write(report_fd, "", 1); /* whoever waits may have been killed: the guest runs all the same */
    (void)n;
    close(report_fd);
    return true;
}
