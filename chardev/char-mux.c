/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mux: several front ends (serial port, monitor) share one terminal. Ctrl-A is the escape: c switches, x ends the
 * program, b sends a break, h shows the keys, Ctrl-A again sends a Ctrl-A.
 */
#include "chardev/char-internal.h"

#include <string.h>

#include "system/runstate.h"

#define MUX_FRONTENDS 4
#define ESCAPE 0x01 /* Ctrl-A */

struct mux_state {
    struct chardev *base;
    struct chardev_frontend frontends[MUX_FRONTENDS];
    int count, focus;
    bool escape; /* the last byte was Ctrl-A */
};

static const char help[] = "\n\r"
                           "C-a h    print this help\n\r"
                           "C-a x    exit the emulator\n\r"
                           "C-a b    send break\n\r"
                           "C-a c    switch between console and monitor\n\r"
                           "C-a C-a  sends C-a\n\r";

static void mux_send(struct mux_state *mux, uint8_t byte)
{
    const struct chardev_frontend *f = &mux->frontends[mux->focus];
    f->receive(f->opaque, &byte, 1);
}

static void mux_command(struct mux_state *mux, uint8_t byte)
{
    const struct chardev_frontend *f = &mux->frontends[mux->focus];
    switch (byte) {
    case 'h':
    case '?':
        chardev_write_all(mux->base, help, strlen(help));
        break;
    case 'x':
        chardev_write_all(mux->base, "\n\rterminated\n\r", 14);
        system_shutdown_request(SHUTDOWN_CAUSE_HOST_UI);
        break;
    case 'b':
        if (f->event) {
            f->event(f->opaque, CHARDEV_EVENT_BREAK);
        }
        break;
    case 'c':
        mux->focus = (mux->focus + 1) % mux->count;
        f = &mux->frontends[mux->focus];
        if (f->event) {
            f->event(f->opaque, CHARDEV_EVENT_OPENED);
        }
        break;
    case ESCAPE:
        mux_send(mux, ESCAPE);
        break;
    }
}

static int mux_can_receive(void *opaque)
{
    struct mux_state *mux = opaque;
    if (!mux->count) {
        return 0;
    }
    const struct chardev_frontend *f = &mux->frontends[mux->focus];
    /* One at a time: the focus may change with each byte. Escapes get through to a front end that is full. */
    return f->can_receive(f->opaque) > 0 ? 1 : 0;
}

static void mux_receive(void *opaque, const uint8_t *data, int length)
{
    struct mux_state *mux = opaque;
    for (int i = 0; i < length; i++) {
        if (mux->escape) {
            mux->escape = false;
            mux_command(mux, data[i]);
        } else if (data[i] == ESCAPE) {
            mux->escape = true;
        } else {
            mux_send(mux, data[i]);
        }
    }
}

static void mux_event(void *opaque, enum chardev_event event)
{
    struct mux_state *mux = opaque;
    for (int i = 0; i < mux->count; i++) {
        if (mux->frontends[i].event) {
            mux->frontends[i].event(mux->frontends[i].opaque, event);
        }
    }
}

static bool mux_attach(struct chardev *chr, const struct chardev_frontend *frontend, GError **error)
{
    struct mux_state *mux = chr->state;
    if (mux->count == MUX_FRONTENDS) {
        return error_setf(error, "chardev '%s': a mux has at most %d front ends", chr->id, MUX_FRONTENDS);
    }
    mux->focus = mux->count; /* the latest: the guest's console comes after the monitor */
    mux->frontends[mux->count++] = *frontend;
    chardev_accept_input(mux->base);
    return true;
}

static void mux_detach(struct chardev *chr, void *opaque)
{
    struct mux_state *mux = chr->state;
    for (int i = 0; i < mux->count; i++) {
        if (mux->frontends[i].opaque == opaque) {
            memmove(&mux->frontends[i], &mux->frontends[i + 1], (mux->count - i - 1) * sizeof(mux->frontends[0]));
            mux->count--;
            mux->focus = 0;
            return;
        }
    }
}

static ssize_t mux_write(struct chardev *chr, const void *data, size_t length)
{
    struct mux_state *mux = chr->state;
    chardev_write_all(mux->base, data, length);
    return length;
}

static void mux_accept_input(struct chardev *chr)
{
    struct mux_state *mux = chr->state;
    chardev_accept_input(mux->base);
}

static bool mux_open(struct chardev *chr, struct keyval *options, GError **error)
{
    return true;
}

struct chardev *chardev_mux_new(struct chardev *base, const char *id, GError **error)
{
    struct chardev *chr = chardev_create(&chardev_mux, id, NULL, error);
    if (!chr) {
        return NULL;
    }
    struct mux_state *mux = g_new0(struct mux_state, 1);
    mux->base = base;
    chr->state = mux;
    chr->connected = true;
    const struct chardev_frontend frontend = {
        .can_receive = mux_can_receive, .receive = mux_receive, .event = mux_event, .opaque = mux,
    };
    return chardev_attach(base, &frontend, error) ? chr : NULL;
}

const struct chardev_backend chardev_mux = {
    .name = "mux",
    .description = "several front ends on one backend",
    .open = mux_open,
    .write = mux_write,
    .accept_input = mux_accept_input,
    .attach = mux_attach,
    .detach = mux_detach,
};
