/* SPDX-License-Identifier: GPL-2.0-or-later */
/* exec:COMMAND, run by /bin/sh with the stream on its standard input (sending) or output (receiving). */
#include "migration/channel-private.h"

const char *channel_exec_refused;

static struct channel *exec_start(const char *command, bool writer, GError **error)
{
    char *argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)command, NULL };
    struct channel *channel;
    GPid child;
    int fd;

    if (channel_exec_refused) {
        error_setf(error, "exec:%s is not possible: %s forbids starting programs", command, channel_exec_refused);
        return NULL;
    }
    if (!g_spawn_async_with_pipes(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &child,
                                  writer ? &fd : NULL, writer ? NULL : &fd, NULL, error)) {
        return NULL;
    }
    channel = channel_new_fd(fd, error);
    if (channel) {
        channel->child = child;
        channel->command = g_strdup(command);
        channel->writer = writer;
    }
    return channel;
}

static struct channel *exec_connect(const char *command, int unused, int cancel_fd, GError **error)
{
    return exec_start(command, true, error);
}

static bool exec_listen(struct channel_listener *listener, const char *command, int unused, GError **error)
{
    listener->channel = exec_start(command, false, error);
    return listener->channel;
}

const struct channel_kind channel_kind_exec = { .prefix = "exec", .syntax = "exec:COMMAND", .connect = exec_connect,
                                                .listen = exec_listen };
