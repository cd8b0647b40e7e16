/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character devices: byte streams between a front end (serial port, monitor) and the host (stdio, file, unix, tcp,
 * pty, null). Main loop thread, big lock held.
 */
#ifndef FERRY_CHARDEV_CHAR_H
#define FERRY_CHARDEV_CHAR_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

struct chardev;

enum chardev_event { CHARDEV_EVENT_OPENED, CHARDEV_EVENT_CLOSED, CHARDEV_EVENT_BREAK };

/*
 * A front end's callbacks. can_receive: how many bytes receive() takes now; chardev_accept_input() when that grows.
 */
struct chardev_frontend {
    int (*can_receive)(void *opaque);
    void (*receive)(void *opaque, const uint8_t *data, int length);
    void (*event)(void *opaque, enum chardev_event event);
    void *opaque;
};

/* -chardev BACKEND,id=ID,… */
struct chardev *chardev_new(const char *text, GError **error);
/*
 * The short form of -serial, -monitor, -qmp: "stdio", "unix:PATH,server=on,wait=off", "file:PATH", "pty", "null",
 * "none" (gives NULL, no error), "mon:stdio", "chardev:ID".
 */
struct chardev *chardev_new_legacy(const char *option, const char *id, const char *text, GError **error);
/* The option that leaves no stdio to a chardev ("-daemonize"), or NULL. */
extern const char *chardev_stdio_refused;
struct chardev *chardev_find(const char *id);
void chardev_foreach(void (*each)(struct chardev *chr, void *opaque), void *opaque);
void chardev_free_all(void);
const char *chardev_id(const struct chardev *chr);
const char *chardev_filename(const struct chardev *chr); /* "unix:/tmp/x,server=on" for query-chardev */

/* One front end a chardev (a mux has several: mon:stdio). NULL detaches. False if taken. */
bool chardev_attach(struct chardev *chr, const struct chardev_frontend *frontend, GError **error);
void chardev_detach(struct chardev *chr, void *opaque);
/*
 * Writes what can be written now without blocking; the rest is kept and written later (bounded: past 1 MiB, returns
 * short).
 */
int chardev_write(struct chardev *chr, const void *data, int length);
/* Writes all, keeps it without bound: for monitors. */
void chardev_write_all(struct chardev *chr, const void *data, size_t length);
/* How much is kept: written by the front end and not yet taken by the other side. */
size_t chardev_pending(const struct chardev *chr);
void chardev_accept_input(struct chardev *chr);
bool chardev_connected(const struct chardev *chr);
/* The last file descriptor that came over SCM_RIGHTS, or -1; the caller owns it. */
int chardev_take_fd(struct chardev *chr);
void chardev_disconnect(struct chardev *chr);

#endif
