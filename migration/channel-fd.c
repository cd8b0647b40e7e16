/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fd:NAME, a descriptor that came over the monitor (getfd), or fd:NUMBER, one that this process was started with. */
#include <errno.h>
#include <sys/socket.h>

#include "migration/channel-private.h"

static struct channel *fd_connect(const char *name, int fd, int cancel_fd, GError **error)
{
    if (fd < 0) {
        error_setf(error, "there is no descriptor named '%s'", name);
        return NULL;
    }
    return channel_new_fd(fd, error);
}

/* A socket that listens is waited on; anything else is the stream itself. */
static bool fd_listen(struct channel_listener *listener, const char *name, int fd, GError **error)
{
    int listening = 0;
    socklen_t length = sizeof(listening);

    if (fd < 0) {
        return error_setf(error, "there is no descriptor named '%s'", name);
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening) {
        listener->fd = fd;
        return true;
    }
    listener->channel = channel_new_fd(fd, error);
    return listener->channel;
}

const struct channel_kind channel_kind_fd = { .prefix = "fd", .syntax = "fd:NAME", .connect = fd_connect,
                                              .listen = fd_listen };
