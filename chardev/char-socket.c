/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket backend: unix and tcp, client and server. A server takes one connection at a time and listens again
 * after a disconnect; a second client waits in the kernel's queue meanwhile. File descriptors may ride on unix
 * sockets.
 */
#include "chardev/char-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/main-loop.h"

struct socket_state {
    struct chardev_fds fds;
    int listen_fd;       /* -1: a client */
    guint listen_watch;
    char *unlink_path;   /* a unix server's own name */
    int received_fd;     /* the last over SCM_RIGHTS, or -1 */
    struct chardev *chr;
};

static void socket_ended(struct chardev *chr);

static ssize_t socket_read(struct chardev *chr, int fd, void *data, size_t length)
{
    struct socket_state *state = chr->state;
    union {
        char space[CMSG_SPACE(sizeof(int) * 4)];
        struct cmsghdr align;
    } control;
    struct iovec iov = { .iov_base = data, .iov_len = length };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                          .msg_controllen = sizeof(control) };
    ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    for (struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&msg) : NULL; c; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        int count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (int i = 0; i < count; i++) {
            if (state->received_fd >= 0) {
                close(state->received_fd);
            }
            memcpy(&state->received_fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
        }
    }
    return n;
}

static void socket_connected(struct chardev *chr, int fd)
{
    struct socket_state *state = chr->state;
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* fails on unix sockets, rightly */
    state->fds.in = state->fds.out = fd;
    chardev_set_connected(chr, true);
    chardev_fds_start(chr, &state->fds);
}

static gboolean socket_accept(int fd, GIOCondition condition, gpointer opaque)
{
    struct chardev *chr = opaque;
    struct socket_state *state = chr->state;
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) {
        return G_SOURCE_CONTINUE;
    }
    state->listen_watch = 0;
    socket_connected(chr, client);
    return G_SOURCE_REMOVE;
}

static void socket_disconnect(struct chardev *chr)
{
    struct socket_state *state = chr->state;
    chardev_fds_stop(&state->fds);
    if (state->fds.in >= 0) {
        close(state->fds.in);
    }
    state->fds.in = state->fds.out = -1;
    if (state->received_fd >= 0) {
        close(state->received_fd);
        state->received_fd = -1;
    }
    chardev_set_connected(chr, false);
    if (state->listen_fd >= 0 && !state->listen_watch) {
        state->listen_watch = main_loop_watch_fd(state->listen_fd, G_IO_IN, socket_accept, chr);
    }
}

static void socket_ended(struct chardev *chr)
{
    socket_disconnect(chr);
}

static int unix_socket(const char *path, bool server, GError **error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof(address.sun_path)) {
        error_setf(error, "unix socket path '%s' is longer than %zu characters", path, sizeof(address.sun_path) - 1);
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server) {
        unlink(path);
    }
    if (fd < 0 || (server ? bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0
                          : connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)) {
        error_setf_errno(error, errno, "cannot %s unix socket '%s'", server ? "listen on" : "connect to", path);
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

static int tcp_socket(const char *host, const char *port, bool server, GError **error)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = server ? AI_PASSIVE : 0 }, *list;
    int rc = getaddrinfo(host && *host ? host : NULL, port, &hints, &list);
    if (rc) {
        error_setf(error, "cannot resolve tcp address '%s:%s': %s", host ? host : "", port, gai_strerror(rc));
        return -1;
    }
    int fd = -1, failure = 0;
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        int one = 1;
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd < 0) {
            failure = errno;
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (server ? bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, 1) < 0
                   : connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
            failure = errno;
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd < 0) {
        error_setf_errno(error, failure, "cannot %s tcp:%s:%s", server ? "listen on" : "connect to", host ? host : "",
                         port);
    }
    return fd;
}

/* A server's first client, or a client's connection. */
static bool socket_start(struct chardev *chr, int fd, bool server, bool wait, GError **error)
{
    struct socket_state *state = chr->state;
    if (!server) {
        socket_connected(chr, fd);
        return true;
    }
    state->listen_fd = fd;
    if (!wait) {
        state->listen_watch = main_loop_watch_fd(fd, G_IO_IN, socket_accept, chr);
        return true;
    }
    info_report("waiting for a connection on: %s", chr->filename);
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) {
        return error_setf_errno(error, errno, "chardev '%s': accept", chr->id);
    }
    socket_connected(chr, client);
    return true;
}

/* A descriptor that was passed in: of the right kind, and no child's business. A server's may listen already. */
static int given_socket(int fd, bool server, GError **error)
{
    int type = 0, listens = 0;
    socklen_t size = sizeof(int);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0) {
        error_setf(error, "fd=%d is not a stream socket", fd);
        return -1;
    }
    if (server && !listens && listen(fd, 1) < 0) {
        error_setf_errno(error, errno, "cannot listen on fd=%d", fd);
        return -1;
    }
    if (!server && listens) {
        error_setf(error, "fd=%d listens: it is a server's (server=on)", fd);
        return -1;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

static bool socket_open(struct chardev *chr, struct keyval *options, GError **error)
{
    const char *path = keyval_get(options, "path"), *host = keyval_get(options, "host");
    const char *port = keyval_get(options, "port");
    uint64_t given_fd = UINT64_MAX;
    bool server = false, wait = true, nodelay = true;
    if (!keyval_get_bool(options, "server", &server, error) || !keyval_get_bool(options, "wait", &wait, error) ||
        !keyval_get_bool(options, "nodelay", &nodelay, error) ||
        !keyval_get_uint(options, "fd", &given_fd, INT32_MAX, error)) {
        return false;
    }
    if (!path + !port + (given_fd == UINT64_MAX) != 2) {
        return error_setf(error, "chardev '%s': socket wants one of path=, host= and port=, or fd=", chr->id);
    }
    struct socket_state *state = g_new0(struct socket_state, 1);
    state->fds = (struct chardev_fds){ .in = -1, .out = -1, .read = socket_read, .ended = socket_ended };
    state->listen_fd = state->received_fd = -1;
    chr->state = state;
    int fd;
    if (path) {
        fd = unix_socket(path, server, error);
        chr->filename = g_strdup_printf("%s:%s%s", "unix", path, server ? ",server=on" : "");
    } else if (port) {
        fd = tcp_socket(host, port, server, error);
        chr->filename = g_strdup_printf("tcp:%s:%s%s", host ? host : "", port, server ? ",server=on" : "");
    } else {
        fd = given_socket((int)given_fd, server, error);
        chr->filename = g_strdup_printf("fd:%d%s", (int)given_fd, server ? ",server=on" : "");
    }
    if (fd < 0) {
        g_prefix_error(error, "chardev '%s': ", chr->id);
        return false;
    }
    if (path && server) {
        state->unlink_path = g_strdup(path);
    }
    return socket_start(chr, fd, server, wait, error);
}

static void socket_close(struct chardev *chr)
{
    struct socket_state *state = chr->state;
    if (!state) {
        return;
    }
    if (chr->pending->len && state->fds.out >= 0) {
        /* Last words (the reply to quit) get a moment. */
        struct pollfd poll_out = { .fd = state->fds.out, .events = POLLOUT };
        poll(&poll_out, 1, 100);
        chardev_writable(chr);
    }
    chardev_fds_stop(&state->fds);
    if (state->fds.in >= 0) {
        close(state->fds.in);
    }
    if (state->listen_watch) {
        g_source_remove(state->listen_watch);
    }
    if (state->listen_fd >= 0) {
        close(state->listen_fd);
    }
    if (state->received_fd >= 0) {
        close(state->received_fd);
    }
    if (state->unlink_path) {
        unlink(state->unlink_path);
        g_free(state->unlink_path);
    }
}

static ssize_t socket_write(struct chardev *chr, const void *data, size_t length)
{
    struct socket_state *state = chr->state;
    return send(state->fds.out, data, length, MSG_NOSIGNAL);
}

static void socket_want_write(struct chardev *chr)
{
    struct socket_state *state = chr->state;
    chardev_fds_want_write(chr, &state->fds);
}

static void socket_accept_input(struct chardev *chr)
{
    struct socket_state *state = chr->state;
    chardev_fds_accept_input(chr, &state->fds);
}

static int socket_take_fd(struct chardev *chr)
{
    struct socket_state *state = chr->state;
    int fd = state->received_fd;
    state->received_fd = -1;
    return fd;
}

const struct chardev_backend chardev_socket = {
    .name = "socket",
    .description = "unix or tcp, client or server",
    .open = socket_open,
    .close = socket_close,
    .write = socket_write,
    .want_write = socket_want_write,
    .accept_input = socket_accept_input,
    .take_fd = socket_take_fd,
    .disconnect = socket_disconnect,
};
