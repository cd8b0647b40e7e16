/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the character device core and its backends. Main loop, big lock held. */
#ifndef FERRY_CHARDEV_INTERNAL_H
#define FERRY_CHARDEV_INTERNAL_H

#include "chardev/char.h"
#include "util/keyval.h"

struct chardev_backend {
    const char *name;        /* -chardev NAME,… */
    const char *description;
    /* Sets up; reads its options from `options`. */
    bool (*open)(struct chardev *chr, struct keyval *options, GError **error);
    void (*close)(struct chardev *chr);
    /*
     * Writes what it can at once; -1 with errno (EAGAIN: later, when chardev_writable() is called). NULL: swallowed.
     */
    ssize_t (*write)(struct chardev *chr, const void *data, size_t length);
    void (*want_write)(struct chardev *chr);   /* call chardev_writable() when it can go on */
    void (*accept_input)(struct chardev *chr); /* the front end can take input again */
    /* A backend with several front ends (mux) manages them itself. */
    bool (*attach)(struct chardev *chr, const struct chardev_frontend *frontend, GError **error);
    void (*detach)(struct chardev *chr, void *opaque);
    int (*take_fd)(struct chardev *chr);
    void (*disconnect)(struct chardev *chr);
};

struct chardev {
    const struct chardev_backend *backend;
    char *id;
    char *filename;          /* for query-chardev */
    bool connected;          /* somebody is at the other end */
    bool attached;
    struct chardev_frontend frontend;
    GByteArray *pending;     /* written by the front end, not yet by the backend */
    void *state;             /* the backend's own */
};

extern const struct chardev_backend chardev_null, chardev_stdio, chardev_file, chardev_pty, chardev_socket,
    chardev_mux;

/* From backends to the core. */
int chardev_can_receive(struct chardev *chr);
void chardev_received(struct chardev *chr, const uint8_t *data, int length);
void chardev_set_connected(struct chardev *chr, bool connected);
void chardev_writable(struct chardev *chr);

/* A pair of non-blocking descriptors as a backend's engine (char-fd.c). */
struct chardev_fds {
    int in, out;             /* may be the same; -1: none */
    guint in_watch, out_watch;
    /* Reads; NULL: read(2). 0 at the end, -1 with errno. */
    ssize_t (*read)(struct chardev *chr, int fd, void *data, size_t length);
    void (*ended)(struct chardev *chr); /* end of input or error */
};
void chardev_fds_start(struct chardev *chr, struct chardev_fds *fds);
void chardev_fds_stop(struct chardev_fds *fds); /* removes watches; the descriptors stay open */
ssize_t chardev_fds_write(struct chardev_fds *fds, const void *data, size_t length);
void chardev_fds_want_write(struct chardev *chr, struct chardev_fds *fds);
void chardev_fds_accept_input(struct chardev *chr, struct chardev_fds *fds);

/* The mux over an existing chardev: -serial mon:…, -nographic. */
struct chardev *chardev_mux_new(struct chardev *base, const char *id, GError **error);
/* Makes a chardev of the backend and puts it into the list. */
struct chardev *chardev_create(const struct chardev_backend *backend, const char *id, struct keyval *options,
                               GError **error);

#endif
