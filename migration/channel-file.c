/* SPDX-License-Identifier: GPL-2.0-or-later */
/* file:PATH: the stream in a file, for snapshots and tests. */
#include <errno.h>
#include <fcntl.h>

#include "migration/channel-private.h"

static struct channel *file_open(const char *path, int flags, GError **error)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd < 0) {
        error_setf_errno(error, errno, "cannot open '%s'", path);
        return NULL;
    }
    return channel_new_fd(fd, error);
}

static struct channel *file_connect(const char *path, int unused, int cancel_fd, GError **error)
{
    return file_open(path, O_WRONLY | O_CREAT | O_TRUNC, error);
}

static bool file_listen(struct channel_listener *listener, const char *path, int unused, GError **error)
{
    listener->channel = file_open(path, O_RDONLY, error);
    return listener->channel;
}

const struct channel_kind channel_kind_file = { .prefix = "file", .syntax = "file:PATH", .connect = file_connect,
                                                .listen = file_listen };
