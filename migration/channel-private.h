/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kinds of channels (channel-*.c) and the generic part (channel.c) share. */
#ifndef FERRY_MIGRATION_CHANNEL_PRIVATE_H
#define FERRY_MIGRATION_CHANNEL_PRIVATE_H

#include "migration/channel.h"

struct channel {
    int fd;
    bool socket;      /* shutdown() wakes who is blocked; else poll() on `wake` does */
    int wake;         /* eventfd: readable once the channel is shut down; -1 for sockets */
    int shut;         /* atomic */
    GPid child;       /* exec: the command at the other end, or 0 */
    char *command;
    bool writer;
};

struct channel_listener {
    int fd;                  /* a listening socket, or -1 */
    struct channel *channel; /* what needs no peer to come (file, command, descriptor) */
    char *unlink_path;       /* unix: removed at the end */
    char *address;
};

/* One kind of channel: what follows "prefix:" in a URI is the address. */
struct channel_kind {
    const char *prefix, *syntax;
    bool (*check)(const char *address, GError **error);
    struct channel *(*connect)(const char *address, int fd, int cancel_fd, GError **error);
    bool (*listen)(struct channel_listener *listener, const char *address, int fd, GError **error);
};

extern const struct channel_kind channel_kind_unix, channel_kind_tcp, channel_kind_exec, channel_kind_fd,
    channel_kind_file;

/* Waits for `events` on `fd`; false if `cancel_fd` (-1: none) became readable first. */
bool channel_wait(int fd, short events, int cancel_fd);
/* Finishes a non-blocking connect() and makes the socket blocking. Closes it on error. */
struct channel *channel_finish_connect(int fd, int cancel_fd, const char *what, GError **error);

#endif
