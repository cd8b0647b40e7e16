/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unix:PATH */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "migration/channel-private.h"

/* The default, a fifth of a megabyte, has sender and receiver wake each other more often than they copy. A wish. */
#define SEND_BUFFER (512 << 10) /* the kernel doubles it */

static bool unix_check(const char *path, GError **error)
{
    size_t room = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

    if (strlen(path) > room) {
        return error_setf(error, "the socket path '%s' has %zu bytes, at most %zu fit", path, strlen(path), room);
    }
    return true;
}

static struct sockaddr_un unix_address(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    return address;
}

static struct channel *unix_connect(const char *path, int unused, int cancel_fd, GError **error)
{
    struct sockaddr_un address = unix_address(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), size = SEND_BUFFER;

    if (fd < 0) {
        error_setf_errno(error, errno, "cannot make a unix socket");
        return NULL;
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        struct pollfd cancel = { .fd = cancel_fd, .events = POLLIN };

        /* EAGAIN: the listener's queue is full, and poll() would not tell when it no longer is. */
        if (errno == EAGAIN && poll(&cancel, 1, 10) == 0) {
            continue;
        }
        if (errno != EINTR) {
            error_setf_errno(error, errno, "cannot connect to the socket '%s'", path);
            close(fd);
            return NULL;
        }
    }
    return channel_new_fd(fd, error);
}

static bool unix_listen(struct channel_listener *listener, const char *path, int unused, GError **error)
{
    struct sockaddr_un address = unix_address(path);
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        unlink(path); /* left over by an earlier process; anything but a socket makes bind() fail */
    }
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener->fd < 0 || bind(listener->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        return error_setf_errno(error, errno, "cannot bind the socket '%s'", path);
    }
    listener->unlink_path = g_strdup(path);
    if (listen(listener->fd, 1) < 0) {
        return error_setf_errno(error, errno, "cannot listen on the socket '%s'", path);
    }
    listener->address = g_strdup_printf("unix:%s", path);
    return true;
}

const struct channel_kind channel_kind_unix = { .prefix = "unix", .syntax = "unix:PATH", .check = unix_check,
                                                .connect = unix_connect, .listen = unix_listen };
