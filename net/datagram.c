/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets as datagrams: what -netdev dgram and -netdev socket's connectionless forms share. */
#include "net/datagram.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "util/main-loop.h"

#define PACKETS_PER_BATCH 64

struct net_datagram {
    struct net_client client; /* first */
    struct net_client_ops ops; /* with the type that the user named */
    int fd;
    struct sockaddr_storage to;
    socklen_t to_length;
    guint read_source, write_source;
    char *text, *unlink_path;
    uint8_t packet[NET_PACKET_MAX];
};

static bool read_packet(struct net_datagram *d)
{
    ssize_t n = recv(d->fd, d->packet, sizeof(d->packet), 0);

    if (n < 0) {
        return errno == EINTR || errno == ECONNREFUSED; /* the latter is about one that we sent */
    }
    return net_send(&d->client, d->packet, n);
}

static gboolean datagram_readable(int fd, GIOCondition condition, gpointer opaque)
{
    struct net_datagram *d = opaque;

    for (unsigned n = 0; n < PACKETS_PER_BATCH; n++) {
        if (!read_packet(d)) {
            break;
        }
    }
    if (d->client.peer && d->client.peer->peer_waits) {
        d->read_source = 0;
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static void datagram_resume(struct net_client *client)
{
    struct net_datagram *d = (struct net_datagram *)client;

    if (!d->read_source) {
        d->read_source = main_loop_watch_fd(d->fd, G_IO_IN, datagram_readable, d);
    }
}

static gboolean datagram_writable(int fd, GIOCondition condition, gpointer opaque)
{
    struct net_datagram *d = opaque;

    d->write_source = 0;
    net_flush(&d->client);
    return G_SOURCE_REMOVE;
}

static bool datagram_receive(struct net_client *client, const uint8_t *data, size_t length)
{
    struct net_datagram *d = (struct net_datagram *)client;
    ssize_t n;

    do {
        n = sendto(d->fd, data, length, MSG_NOSIGNAL, d->to_length ? (const struct sockaddr *)&d->to : NULL,
                   d->to_length);
    } while (n < 0 && errno == EINTR);
    if (n >= 0 || errno != EAGAIN) {
        return true; /* nobody there, or too long for a datagram: lost */
    }
    if (!d->write_source) {
        d->write_source = main_loop_watch_fd(d->fd, G_IO_OUT, datagram_writable, d);
    }
    return false;
}

static char *datagram_describe(const struct net_client *client)
{
    return g_strdup(((const struct net_datagram *)client)->text);
}

static void datagram_destroy(struct net_client *client)
{
    struct net_datagram *d = (struct net_datagram *)client;

    net_client_cleanup(client);
    g_clear_handle_id(&d->read_source, g_source_remove);
    g_clear_handle_id(&d->write_source, g_source_remove);
    close(d->fd);
    if (d->unlink_path) {
        unlink(d->unlink_path);
    }
    g_free(d->unlink_path);
    g_free(d->text);
    g_free(d);
}

struct net_client *datagram_new(const char *type, const char *id, int fd, const struct sockaddr_storage *to,
                                socklen_t to_length, const char *describe, const char *unlink_path)
{
    struct net_datagram *d = g_new0(struct net_datagram, 1);

    d->ops = (struct net_client_ops){ .type = type, .receive = datagram_receive, .resume = datagram_resume,
                                      .describe = datagram_describe, .destroy = datagram_destroy };
    net_client_init(&d->client, &d->ops, id);
    d->fd = fd;
    if (to_length) {
        d->to = *to;
        d->to_length = to_length;
    }
    d->text = g_strdup(describe);
    d->unlink_path = g_strdup(unlink_path);
    datagram_resume(&d->client);
    return &d->client;
}

/* ---- Addresses ---- */

bool net_resolve(const char *host, const char *port, bool passive, int socket_type, struct sockaddr_storage *address,
                 socklen_t *length, GError **error)
{
    struct addrinfo hints = { .ai_socktype = socket_type, .ai_flags = passive ? AI_PASSIVE : 0 }, *found;
    int code;

    hints.ai_family = passive && !*host ? AF_INET : AF_UNSPEC;
    code = getaddrinfo(*host ? host : NULL, port, &hints, &found);
    if (code) {
        return error_setf(error, "address '%s:%s': %s", host, port, gai_strerror(code));
    }
    memcpy(address, found->ai_addr, found->ai_addrlen);
    *length = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

bool net_parse_address(const char *text, bool passive, int socket_type, struct sockaddr_storage *address,
                       socklen_t *length, GError **error)
{
    const char *colon = strrchr(text, ':');
    g_autofree char *host = colon ? g_strndup(text, colon - text) : NULL;

    if (!colon || !colon[1]) {
        return error_setf(error, "address '%s' is not host:port", text);
    }
    return net_resolve(host, colon + 1, passive, socket_type, address, length, error);
}

static bool join(int fd, const struct sockaddr_in *group, const struct in_addr *local)
{
    struct ip_mreq request = { .imr_multiaddr = group->sin_addr,
                               .imr_interface.s_addr = local ? local->s_addr : htonl(INADDR_ANY) };
    int one = 1;

    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
           bind(fd, (const struct sockaddr *)group, sizeof(*group)) == 0 &&
           setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)) == 0 &&
           setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &one, sizeof(one)) == 0 && /* others on this host */
           (!local || setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, local, sizeof(*local)) == 0);
}

int net_join_multicast(const struct sockaddr_storage *group, const struct in_addr *local, GError **error)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)group;
    char text[INET_ADDRSTRLEN] = "";
    int fd;

    if (in->sin_family != AF_INET || !IN_MULTICAST(ntohl(in->sin_addr.s_addr))) {
        error_setf(error, "the group's address is not an IPv4 multicast address (224.0.0.0 to 239.255.255.255)");
        return -1;
    }
    inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || !join(fd, in, local)) {
        error_setf_errno(error, errno, "cannot join the multicast group %s", text);
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}
