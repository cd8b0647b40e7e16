/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A channel: the bytes' way from one machine to the other, named by a URI. `unix:PATH`, `tcp:HOST:PORT`,
 * `exec:COMMAND`, `fd:NAME-OR-NUMBER`, `file:PATH`.
 *
 * Reads and writes block, on the migration threads only. channel_shutdown() is the one call that any thread may
 * make: whoever is blocked, and whoever comes later, fails at once with "cancelled".
 */
#ifndef FERRY_MIGRATION_CHANNEL_H
#define FERRY_MIGRATION_CHANNEL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "util/error.h"

struct channel;

/* The option that forbids exec: ("-sandbox spawn=deny"), or NULL. */
extern const char *channel_exec_refused;

/* Checks the form of a URI without opening anything: a command can refuse at once what will never work. */
bool channel_check_uri(const char *uri, GError **error);
/*
 * The sending end; blocks while it connects, until `cancel_fd` (an eventfd, or -1) is readable. `fd` is what
 * monitor_take_fd() gave for "fd:" (owned by the channel from here on), -1 otherwise.
 */
struct channel *channel_connect(const char *uri, int fd, int cancel_fd, GError **error);

/* The receiving end, in two steps: a listener is set up (and its errors told) at once; accept blocks. */
struct channel_listener;
struct channel_listener *channel_listen(const char *uri, int fd, GError **error);
/* The first peer that comes. `cancel_fd` readable: give up. */
struct channel *channel_accept(struct channel_listener *listener, int cancel_fd, GError **error);
void channel_listener_free(struct channel_listener *listener);
/* "tcp:127.0.0.1:4444": where a listener on port 0 really is, for query-migrate; NULL for what has no address. */
char *channel_listener_address(const struct channel_listener *listener);

/* Over a descriptor that is open already; takes it over, on errors too. */
struct channel *channel_new_fd(int fd, GError **error);

/* All of it, in order, or false. `iov` is used up. */
bool channel_writev(struct channel *channel, struct iovec *iov, int count, GError **error);
/*
 * What can be written without waiting (sockets; else nothing): returns how many pieces are done with, and shortens the
 * next by what went of it. -1 on errors.
 */
int channel_try_writev(struct channel *channel, struct iovec *iov, int count, GError **error);
/* At least one byte; 0 at the end; -1 on errors. */
ssize_t channel_readv(struct channel *channel, struct iovec *iov, int count, GError **error);
/*
 * Waits until the peer has read all that was written (sockets; at most `ms`). False if it went away before: what was
 * written into the void must not pass for delivered.
 */
bool channel_wait_read(struct channel *channel, int ms, GError **error);
/* Nothing more will be written: waits for a command at the other end, as long as channel_shutdown() may end it. */
bool channel_finish(struct channel *channel, GError **error);
/* Any thread, any number of times. */
void channel_shutdown(struct channel *channel);
/* Closes; false if what was written did not arrive, as far as the channel can know (a command that failed). */
bool channel_close(struct channel *channel, GError **error);

#endif
