/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev stream: packets behind 32-bit lengths over a connection to addr.*, made (server=off) or awaited (server=on):
 * type=inet (host, port), unix (path) or fd (str: an open socket, connected or listening). NETDEV_STREAM_CONNECTED and
 * NETDEV_STREAM_DISCONNECTED say how it goes.
 */
#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/netdev-types.h"
#include "net/socket-address.h"
#include "net/stream.h"

static int new_socket(const struct net_end *end, GError **error)
{
    int fd = socket(end->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

    if (fd < 0) {
        error_setf_errno(error, errno, "cannot make a socket");
    } else if (end->address.ss_family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    }
    return fd;
}

/* -1 and an error, `fd` closed, unless `ok`. */
static int keep_if(int fd, bool ok, const char *what, const struct net_end *end, GError **error)
{
    if (ok) {
        return fd;
    }
    error_setf_errno(error, errno, "cannot %s %s", what, end->text);
    close(fd);
    return -1;
}

static int open_listener(const struct net_end *end, GError **error)
{
    int fd = new_socket(end, error);

    if (fd >= 0 && end->address.ss_family == AF_UNIX) {
        unlink(((const struct sockaddr_un *)&end->address)->sun_path);
    }
    return fd < 0 ? fd : keep_if(fd, bind(fd, (const void *)&end->address, end->length) == 0 && listen(fd, 1) == 0,
                                 "listen at", end, error);
}

/* *connecting: it goes on by itself. */
static int open_connection(const struct net_end *end, bool *connecting, GError **error)
{
    int fd = new_socket(end, error);
    bool done = fd >= 0 && connect(fd, (const void *)&end->address, end->length) == 0;

    *connecting = !done && errno == EINPROGRESS;
    return fd < 0 ? fd : keep_if(fd, done || *connecting, "connect to", end, error);
}

/* A descriptor is what `server` says, or it would wait for ever. */
static bool check_fd(int fd, bool server, GError **error)
{
    int listening = 0;
    socklen_t length = sizeof(listening);

    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length);
    return !listening == !server || error_setf(error, "Parameter 'addr.str': the socket %s, but server=%s",
                                               listening ? "listens" : "does not listen", server ? "on" : "off");
}

static bool open_end(const struct net_end *end, struct net_stream_config *config, bool server, GError **error)
{
    bool connecting = false;

    if (end->fd >= 0) {
        config->fd = end->fd;
        if (!check_fd(end->fd, server, error)) {
            close(end->fd);
            return false;
        }
    } else {
        config->fd = server ? open_listener(end, error) : open_connection(end, &connecting, error);
    }
    config->mode = server ? NET_STREAM_LISTENING : connecting ? NET_STREAM_CONNECTING : NET_STREAM_CONNECTED;
    return config->fd >= 0;
}

static struct net_client *stream_create(const Netdev *netdev, GError **error)
{
    const NetdevStreamOptions *o = netdev->u.stream;
    struct net_stream_config config = { .type = "stream", .id = netdev->id, .describe = "", .address = o->addr };
    struct net_client *client = NULL;
    bool server = o->has_server && o->server;
    struct net_end end;

    if (net_end_read(&end, o->addr, "addr", SOCK_STREAM, server, error) && open_end(&end, &config, server, error)) {
        client = net_stream_new(&config);
    }
    net_end_clear(&end);
    return client;
}

const struct netdev_type netdev_stream_type = {
    .name = "stream",
    .description = "a connection to another emulator: inet, unix, a socket's descriptor",
    .create = stream_create,
};
