/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp:HOST:PORT; an IPv6 address stands in brackets; an empty host or 0 is any (listening) or this one (connecting).
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "migration/channel-private.h"

/* Splits at the last colon. */
static bool tcp_split(const char *address, char **host, char **port, GError **error)
{
    const char *colon = strrchr(address, ':');
    guint64 number;

    if (!colon || strchr(address, ',') ||
        !g_ascii_string_to_unsigned(colon + 1, 10, 0, 65535, &number, NULL)) {
        return error_setf(error, "'tcp:%s' should be tcp:HOST:PORT with a port of 0 to 65535", address);
    }
    if (address[0] == '[') {
        if (colon == address || colon[-1] != ']') {
            return error_setf(error, "'tcp:%s' opens a bracket that does not end before the port", address);
        }
        *host = g_strndup(address + 1, colon - address - 2);
    } else {
        *host = g_strndup(address, colon - address);
    }
    *port = g_strdup(colon + 1);
    return true;
}

static bool tcp_check(const char *address, GError **error)
{
    g_autofree char *host = NULL, *port = NULL;

    return tcp_split(address, &host, &port, error);
}

static struct addrinfo *tcp_resolve(const char *address, bool passive, GError **error)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = passive ? AI_PASSIVE : 0 };
    g_autofree char *host = NULL, *port = NULL;
    struct addrinfo *list;
    int failure;

    if (!tcp_split(address, &host, &port, error)) {
        return NULL;
    }
    failure = getaddrinfo(*host ? host : NULL, port, &hints, &list);
    if (failure) {
        error_setf(error, "cannot resolve '%s': %s", address, gai_strerror(failure));
        return NULL;
    }
    return list;
}

static struct channel *tcp_connect_one(const struct addrinfo *to, const char *address, int cancel_fd, GError **error)
{
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;

    if (fd < 0) {
        error_setf_errno(error, errno, "cannot make a socket");
        return NULL;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, to->ai_addr, to->ai_addrlen) < 0 && errno != EINPROGRESS) {
        error_setf_errno(error, errno, "cannot connect to %s", address);
        close(fd);
        return NULL;
    }
    return channel_finish_connect(fd, cancel_fd, address, error);
}

static struct channel *tcp_connect(const char *address, int unused, int cancel_fd, GError **error)
{
    struct addrinfo *list = tcp_resolve(address, false, error);
    struct channel *channel = NULL;

    for (struct addrinfo *to = list; to && !channel; to = to->ai_next) {
        g_clear_error(error);
        channel = tcp_connect_one(to, address, cancel_fd, error);
    }
    if (list) {
        freeaddrinfo(list);
    }
    return channel;
}

/* Where it really listens: the port may have been 0. */
static char *tcp_local_address(int fd)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);

    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0 ||
        getnameinfo((struct sockaddr *)&address, length, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV)) {
        return NULL;
    }
    return strchr(host, ':') ? g_strdup_printf("tcp:[%s]:%s", host, port) : g_strdup_printf("tcp:%s:%s", host, port);
}

static bool tcp_listen_one(struct channel_listener *listener, const struct addrinfo *at, const char *address,
                           GError **error)
{
    int on = 1;

    listener->fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener->fd < 0) {
        return error_setf_errno(error, errno, "cannot make a socket");
    }
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener->fd, at->ai_addr, at->ai_addrlen) < 0 || listen(listener->fd, 1) < 0) {
        error_setf_errno(error, errno, "cannot listen on %s", address);
        close(listener->fd);
        listener->fd = -1;
        return false;
    }
    listener->address = tcp_local_address(listener->fd);
    return true;
}

static bool tcp_listen(struct channel_listener *listener, const char *address, int unused, GError **error)
{
    struct addrinfo *list = tcp_resolve(address, true, error);
    bool ok = false;

    for (struct addrinfo *at = list; at && !ok; at = at->ai_next) {
        g_clear_error(error);
        ok = tcp_listen_one(listener, at, address, error);
    }
    if (list) {
        freeaddrinfo(list);
    }
    return ok;
}

const struct channel_kind channel_kind_tcp = { .prefix = "tcp", .syntax = "tcp:HOST:PORT", .check = tcp_check,
                                               .connect = tcp_connect, .listen = tcp_listen };
