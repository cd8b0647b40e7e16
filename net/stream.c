/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets over a stream socket: a big-endian 32-bit length, then the packet. A listener serves one connection at a
 * time and listens again after it; while nobody is connected packets are lost.
 */
#include "net/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "qapi/qapi-events.h"
#include "util/main-loop.h"

#define READ_SIZE 65536

struct net_stream {
    struct net_client client; /* first */
    struct net_client_ops ops;
    int listen_fd, fd;        /* -1: none */
    guint listen_source, read_source, write_source, connect_source;
    GByteArray *in, *out;     /* an unfinished packet; what the socket has not taken yet */
    char *text;
    SocketAddress *address;   /* for events; NULL: none are sent */
};

static void start_listening(struct net_stream *st);

/* ---- Events ---- */

static SocketAddress *new_inet(const char *host, const char *port)
{
    SocketAddress *address = g_new0(SocketAddress, 1);

    address->type = SOCKET_ADDRESS_TYPE_INET;
    address->u.inet = g_new0(InetSocketAddress, 1);
    address->u.inet->host = g_strdup(host);
    address->u.inet->port = g_strdup(port);
    return address;
}

static SocketAddress *copy_address(const SocketAddress *address)
{
    g_autoptr(JsonNode) node = qapi_SocketAddress_to_json(address);

    return qapi_SocketAddress_from_json(node, "", NULL);
}

/* The other end of an inet connection, in numbers; of others, what was asked for. */
static SocketAddress *peer_address(const struct net_stream *st)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof(peer);
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getpeername(st->fd, (struct sockaddr *)&peer, &length) < 0 ||
        (peer.ss_family != AF_INET && peer.ss_family != AF_INET6) ||
        getnameinfo((struct sockaddr *)&peer, length, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV)) {
        return copy_address(st->address);
    }
    return new_inet(host, port);
}

static char *address_text(const SocketAddress *address)
{
    switch (address->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        return g_strdup_printf("tcp:%s:%s", address->u.inet->host, address->u.inet->port);
    case SOCKET_ADDRESS_TYPE_UNIX:
        return g_strdup_printf("unix:%s", address->u.q_unix->path);
    default:
        return g_strdup_printf("fd:%s", address->u.fd->str);
    }
}

static void set_text(struct net_stream *st, char *text)
{
    g_free(st->text);
    st->text = text;
}

static void tell_connected(struct net_stream *st)
{
    if (st->address) {
        SocketAddress *peer = peer_address(st);

        set_text(st, address_text(peer));
        qapi_event_send_netdev_stream_connected(st->client.name, peer);
        qapi_free_SocketAddress(peer);
    }
}

static void tell_disconnected(struct net_stream *st)
{
    if (st->address) {
        set_text(st, g_strdup(""));
        qapi_event_send_netdev_stream_disconnected(st->client.name);
    } else {
        warn_report("netdev '%s': the other side has gone", st->client.name);
    }
}

/* ---- The connection ---- */

static void disconnect(struct net_stream *st)
{
    g_clear_handle_id(&st->read_source, g_source_remove);
    g_clear_handle_id(&st->write_source, g_source_remove);
    g_byte_array_set_size(st->in, 0);
    g_byte_array_set_size(st->out, 0);
    if (st->fd >= 0) {
        close(st->fd);
        st->fd = -1;
        tell_disconnected(st);
    }
    if (st->listen_fd >= 0) {
        start_listening(st);
    }
    net_flush(&st->client); /* lost, now */
}

/* The first packet of what has come in, sent on; false: it is not whole, or it is nonsense (the connection ends). */
static bool take_packet(struct net_stream *st)
{
    uint32_t length;

    if (st->fd < 0 || st->in->len < sizeof(length)) {
        return false;
    }
    memcpy(&length, st->in->data, sizeof(length));
    length = ntohl(length);
    if (length > NET_PACKET_MAX) {
        warn_report("netdev '%s': a packet of %u bytes, at most %u are right", st->client.name, length,
                    NET_PACKET_MAX);
        disconnect(st);
        return false;
    }
    if (st->in->len - sizeof(length) < length) {
        return false;
    }
    net_send(&st->client, st->in->data + sizeof(length), length);
    g_byte_array_remove_range(st->in, 0, sizeof(length) + length);
    return true;
}

static gboolean stream_readable(int fd, GIOCondition condition, gpointer opaque)
{
    struct net_stream *st = opaque;
    static uint8_t data[READ_SIZE];
    ssize_t n = recv(fd, data, sizeof(data), 0);

    if (n <= 0) {
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return G_SOURCE_CONTINUE;
        }
        st->read_source = 0;
        disconnect(st);
        return G_SOURCE_REMOVE;
    }
    g_byte_array_append(st->in, data, n);
    while (take_packet(st)) {
        /* the next */
    }
    if (st->fd < 0) {
        return G_SOURCE_REMOVE; /* disconnect() has taken it away already */
    }
    if (st->client.peer && st->client.peer->peer_waits) {
        st->read_source = 0;
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static void stream_resume(struct net_client *client)
{
    struct net_stream *st = (struct net_stream *)client;

    if (st->fd >= 0 && !st->read_source && !st->connect_source) {
        st->read_source = main_loop_watch_fd(st->fd, G_IO_IN, stream_readable, st);
    }
}

/* Whether all of `out` has gone; what is left goes when the socket is writable again. */
static gboolean stream_writable(int fd, GIOCondition condition, gpointer opaque);
static bool write_out(struct net_stream *st)
{
    ssize_t n;

    do {
        n = send(st->fd, st->out->data, st->out->len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) {
        g_byte_array_set_size(st->out, 0); /* the reading side finds out and disconnects */
        return true;
    }
    g_byte_array_remove_range(st->out, 0, MAX(n, 0));
    if (st->out->len && !st->write_source) {
        st->write_source = main_loop_watch_fd(st->fd, G_IO_OUT, stream_writable, st);
    }
    return !st->out->len;
}

static gboolean stream_writable(int fd, GIOCondition condition, gpointer opaque)
{
    struct net_stream *st = opaque;

    st->write_source = 0;
    if (write_out(st)) {
        net_flush(&st->client);
    }
    return G_SOURCE_REMOVE; /* write_out() has made a new one if need be */
}

static bool stream_receive(struct net_client *client, const uint8_t *data, size_t length)
{
    struct net_stream *st = (struct net_stream *)client;
    uint32_t prefix = htonl(length);

    if (st->fd < 0 || st->connect_source) {
        return true;
    }
    if (st->out->len) {
        return false;
    }
    g_byte_array_append(st->out, (const uint8_t *)&prefix, sizeof(prefix));
    g_byte_array_append(st->out, data, length);
    write_out(st);
    return true;
}

/* ---- Life ---- */

static void connected(struct net_stream *st)
{
    tell_connected(st);
    stream_resume(&st->client);
}

static gboolean stream_accept(int fd, GIOCondition condition, gpointer opaque)
{
    struct net_stream *st = opaque;
    int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (accepted < 0) {
        return G_SOURCE_CONTINUE;
    }
    st->listen_source = 0; /* a second one waits in the kernel's queue */
    st->fd = accepted;
    connected(st);
    return G_SOURCE_REMOVE;
}

/* A connect() that went on by itself has an outcome. */
static gboolean stream_connected(int fd, GIOCondition condition, gpointer opaque)
{
    struct net_stream *st = opaque;
    int code = 0;
    socklen_t length = sizeof(code);

    st->connect_source = 0;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length);
    if (!code) {
        connected(st);
    } else {
        warn_report("netdev '%s': cannot connect: %s", st->client.name, g_strerror(code));
        set_text(st, g_strdup("connection error"));
        close(fd);
        st->fd = -1;
    }
    return G_SOURCE_REMOVE;
}

static void start_listening(struct net_stream *st)
{
    if (!st->listen_source) {
        st->listen_source = main_loop_watch_fd(st->listen_fd, G_IO_IN, stream_accept, st);
    }
}

static char *stream_describe(const struct net_client *client)
{
    return g_strdup(((const struct net_stream *)client)->text);
}

static void stream_destroy(struct net_client *client)
{
    struct net_stream *st = (struct net_stream *)client;

    net_client_cleanup(client);
    g_clear_handle_id(&st->listen_source, g_source_remove);
    g_clear_handle_id(&st->read_source, g_source_remove);
    g_clear_handle_id(&st->write_source, g_source_remove);
    g_clear_handle_id(&st->connect_source, g_source_remove);
    if (st->fd >= 0) {
        close(st->fd);
    }
    if (st->listen_fd >= 0) {
        close(st->listen_fd);
        if (st->address && st->address->type == SOCKET_ADDRESS_TYPE_UNIX) {
            unlink(st->address->u.q_unix->path);
        }
    }
    qapi_free_SocketAddress(st->address);
    g_byte_array_unref(st->in);
    g_byte_array_unref(st->out);
    g_free(st->text);
    g_free(st);
}

static void begin(struct net_stream *st, enum net_stream_mode mode)
{
    if (mode == NET_STREAM_LISTENING) {
        start_listening(st);
    } else if (mode == NET_STREAM_CONNECTING) {
        st->connect_source = main_loop_watch_fd(st->fd, G_IO_OUT, stream_connected, st);
    } else {
        connected(st);
    }
}

struct net_client *net_stream_new(const struct net_stream_config *config)
{
    struct net_stream *st = g_new0(struct net_stream, 1);
    bool listening = config->mode == NET_STREAM_LISTENING;

    st->ops = (struct net_client_ops){ .type = config->type, .receive = stream_receive, .resume = stream_resume,
                                       .describe = stream_describe, .destroy = stream_destroy };
    net_client_init(&st->client, &st->ops, config->id);
    st->listen_fd = listening ? config->fd : -1;
    st->fd = listening ? -1 : config->fd;
    st->in = g_byte_array_new();
    st->out = g_byte_array_new();
    st->text = g_strdup(config->describe);
    st->address = config->address ? copy_address(config->address) : NULL;
    begin(st, config->mode);
    return &st->client;
}
