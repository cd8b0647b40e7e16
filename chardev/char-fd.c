/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Backends that are plain file descriptors: stdio, file, pty, null; and the engine that sockets share. */
#include "chardev/char-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "util/fdset.h"
#include "util/main-loop.h"

static gboolean fds_readable(int fd, GIOCondition condition, gpointer opaque);
struct fds_context {
    struct chardev *chr;
    struct chardev_fds *fds;
};

static guint watch(struct chardev *chr, struct chardev_fds *fds, int fd, GIOCondition condition, main_loop_fd_fn *fn)
{
    struct fds_context *context = g_new(struct fds_context, 1);
    *context = (struct fds_context){ chr, fds };
    GSource *source = g_unix_fd_source_new(fd, condition);
    g_source_set_callback(source, G_SOURCE_FUNC(fn), context, g_free);
    guint id = g_source_attach(source, NULL);
    g_source_unref(source);
    return id;
}

static void fds_pause(guint *id)
{
    if (*id) {
        g_source_remove(*id);
        *id = 0;
    }
}

static gboolean fds_readable(int fd, GIOCondition condition, gpointer opaque)
{
    struct fds_context context = *(struct fds_context *)opaque; /* the source may go below */
    uint8_t data[4096];
    int room = chardev_can_receive(context.chr);
    if (room <= 0) {
        context.fds->in_watch = 0; /* accept_input starts it again */
        return G_SOURCE_REMOVE;
    }
    size_t want = MIN((size_t)room, sizeof(data));
    ssize_t n = context.fds->read ? context.fds->read(context.chr, fd, data, want) : read(fd, data, want);
    if (n > 0) {
        chardev_received(context.chr, data, n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        if (context.fds->in_watch) {
            context.fds->in_watch = 0;
            context.fds->ended(context.chr);
        }
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static gboolean fds_writable(int fd, GIOCondition condition, gpointer opaque)
{
    struct fds_context context = *(struct fds_context *)opaque;
    context.fds->out_watch = 0;
    chardev_writable(context.chr);
    return G_SOURCE_REMOVE;
}

void chardev_fds_start(struct chardev *chr, struct chardev_fds *fds)
{
    if (fds->in >= 0) {
        g_unix_set_fd_nonblocking(fds->in, TRUE, NULL);
    }
    if (fds->out >= 0) {
        g_unix_set_fd_nonblocking(fds->out, TRUE, NULL);
    }
    chardev_fds_accept_input(chr, fds);
}

void chardev_fds_stop(struct chardev_fds *fds)
{
    fds_pause(&fds->in_watch);
    fds_pause(&fds->out_watch);
}

ssize_t chardev_fds_write(struct chardev_fds *fds, const void *data, size_t length)
{
    return write(fds->out, data, length);
}

void chardev_fds_want_write(struct chardev *chr, struct chardev_fds *fds)
{
    if (!fds->out_watch) {
        fds->out_watch = watch(chr, fds, fds->out, G_IO_OUT | G_IO_ERR | G_IO_HUP, fds_writable);
    }
}

void chardev_fds_accept_input(struct chardev *chr, struct chardev_fds *fds)
{
    if (!fds->in_watch && fds->in >= 0 && chardev_can_receive(chr) > 0) {
        fds->in_watch = watch(chr, fds, fds->in, G_IO_IN | G_IO_HUP | G_IO_ERR, fds_readable);
    }
}

/* What stdio, file and pty share: state is a struct fd_state. */
struct fd_state {
    struct chardev_fds fds;
    bool is_stdio;
};

static struct chardev_fds *fds_of(struct chardev *chr)
{
    return &((struct fd_state *)chr->state)->fds;
}

static ssize_t fd_write(struct chardev *chr, const void *data, size_t length)
{
    return chardev_fds_write(fds_of(chr), data, length);
}

static void fd_want_write(struct chardev *chr)
{
    chardev_fds_want_write(chr, fds_of(chr));
}

static void fd_accept_input(struct chardev *chr)
{
    chardev_fds_accept_input(chr, fds_of(chr));
}

static void fd_ended(struct chardev *chr)
{
    fds_of(chr)->in = -1; /* output goes on: `< /dev/null` is a usual way to run */
}

static struct chardev_fds *fd_new(struct chardev *chr, int in, int out)
{
    struct fd_state *state = g_new0(struct fd_state, 1);
    state->fds = (struct chardev_fds){ .in = in, .out = out, .ended = fd_ended };
    chr->state = state;
    chr->connected = true;
    chardev_fds_start(chr, &state->fds);
    return &state->fds;
}

static void fd_close(struct chardev *chr)
{
    if (chr->state) {
        struct chardev_fds *fds = fds_of(chr);
        chardev_fds_stop(fds);
        if (fds->out > STDERR_FILENO) {
            close(fds->out);
        }
    }
}

/* stdio: the terminal in raw mode, put back at exit. */
static struct termios saved_termios;
static int saved_flags[2];
static bool stdio_in_use, termios_saved;

static void stdio_restore(void)
{
    if (termios_saved) {
        tcsetattr(STDIN_FILENO, TCSANOW, &saved_termios);
        termios_saved = false;
    }
    if (stdio_in_use) {
        fcntl(STDIN_FILENO, F_SETFL, saved_flags[0]);
        fcntl(STDOUT_FILENO, F_SETFL, saved_flags[1]);
        stdio_in_use = false;
    }
}

static void stdio_raw(bool signals)
{
    struct termios tty;
    if (tcgetattr(STDIN_FILENO, &tty) < 0) {
        return;
    }
    saved_termios = tty;
    termios_saved = true;
    tty.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    tty.c_oflag |= OPOST;
    tty.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
    if (!signals) {
        tty.c_lflag &= ~ISIG;
    }
    tty.c_cflag = (tty.c_cflag & ~(CSIZE | PARENB)) | CS8;
    tty.c_cc[VMIN] = 1;
    tty.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &tty);
}

const char *chardev_stdio_refused;

static bool stdio_open(struct chardev *chr, struct keyval *options, GError **error)
{
    static bool registered;
    bool signals = true;
    if (!keyval_get_bool(options, "signal", &signals, error)) {
        return false;
    }
    if (chardev_stdio_refused) {
        return error_setf(error, "chardev '%s': stdio cannot be used with %s", chr->id, chardev_stdio_refused);
    }
    if (stdio_in_use) {
        return error_setf(error, "chardev '%s': stdio is in use by another chardev; only one may have it", chr->id);
    }
    saved_flags[0] = fcntl(STDIN_FILENO, F_GETFL);
    saved_flags[1] = fcntl(STDOUT_FILENO, F_GETFL);
    stdio_in_use = true;
    if (!registered) {
        registered = true;
        atexit(stdio_restore);
    }
    stdio_raw(signals);
    fd_new(chr, STDIN_FILENO, STDOUT_FILENO);
    return true;
}

static void stdio_close(struct chardev *chr)
{
    if (chr->state) {
        fd_close(chr);
        stdio_restore();
    }
}

static bool file_open(struct chardev *chr, struct keyval *options, GError **error)
{
    const char *path = keyval_get(options, "path");
    bool append = false;
    if (!keyval_get_bool(options, "append", &append, error)) {
        return false;
    }
    if (!path) {
        return error_setf(error, "chardev '%s': path= is missing", chr->id);
    }
    int fd = fdset_open(path, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), error);
    if (fd < 0) {
        g_prefix_error(error, "chardev '%s': ", chr->id);
        return false;
    }
    fd_new(chr, -1, fd);
    return true;
}

static bool pty_open(struct chardev *chr, struct keyval *options, GError **error)
{
    int master, slave;
    char name[64];
    struct termios tty;
    if (openpty(&master, &slave, name, NULL, NULL) < 0) {
        return error_setf_errno(error, errno, "chardev '%s': cannot make a pty", chr->id);
    }
    tcgetattr(slave, &tty);
    cfmakeraw(&tty);
    tcsetattr(slave, TCSAFLUSH, &tty);
    fcntl(master, F_SETFD, FD_CLOEXEC);
    fcntl(slave, F_SETFD, FD_CLOEXEC); /* kept open: the master then never reads EIO between users */
    chr->filename = g_strdup_printf("pty:%s", name);
    fprintf(stderr, "char device redirected to %s (label %s)\n", name, chr->id);
    fd_new(chr, master, master);
    return true;
}

static bool null_open(struct chardev *chr, struct keyval *options, GError **error)
{
    return true;
}

const struct chardev_backend chardev_null = {
    .name = "null",
    .description = "swallows output, gives no input",
    .open = null_open,
};

const struct chardev_backend chardev_stdio = {
    .name = "stdio",
    .description = "standard input and output",
    .open = stdio_open,
    .close = stdio_close,
    .write = fd_write,
    .want_write = fd_want_write,
    .accept_input = fd_accept_input,
};

const struct chardev_backend chardev_file = {
    .name = "file",
    .description = "output to a file",
    .open = file_open,
    .close = fd_close,
    .write = fd_write,
    .want_write = fd_want_write,
    .accept_input = fd_accept_input,
};

const struct chardev_backend chardev_pty = {
    .name = "pty",
    .description = "a pseudo terminal",
    .open = pty_open,
    .close = fd_close,
    .write = fd_write,
    .want_write = fd_want_write,
    .accept_input = fd_accept_input,
};
