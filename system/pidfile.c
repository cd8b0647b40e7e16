/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "system/daemonize.h"

static char *pidfile; /* absolute: -daemonize goes to "/" */
static int pidfile_fd = -1;

/* The path may name another file by now, made by somebody who has deleted ours. */
static bool still_ours(const char *path, int fd)
{
    struct stat by_path, by_fd;

    return stat(path, &by_path) == 0 && fstat(fd, &by_fd) == 0 && by_path.st_ino == by_fd.st_ino &&
           by_path.st_dev == by_fd.st_dev;
}

static void pidfile_remove(void)
{
    if (still_ours(pidfile, pidfile_fd)) {
        unlink(pidfile);
    }
}

/* Opened and locked; -1 with errno. */
static int open_locked(const char *path)
{
    for (;;) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0) {
            return -1;
        }
        if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
            int failure = errno;
            close(fd);
            errno = failure;
            return -1;
        }
        if (still_ours(path, fd)) {
            return fd;
        }
        close(fd); /* whoever held the lock removed the file as it ended: make a new one */
    }
}

bool pidfile_create(const char *path, GError **error)
{
    pidfile_fd = open_locked(path);
    if (pidfile_fd < 0) {
        return errno == EAGAIN || errno == EACCES
                   ? error_setf(error, "-pidfile: cannot lock '%s': another process holds it", path)
                   : error_setf_errno(error, errno, "-pidfile: cannot open '%s'", path);
    }
    pidfile = realpath(path, NULL);
    if (!pidfile || ftruncate(pidfile_fd, 0) < 0 || dprintf(pidfile_fd, "%d\n", getpid()) < 0) {
        return error_setf_errno(error, errno, "-pidfile: cannot write '%s'", path);
    }
    atexit(pidfile_remove);
    return true;
}
