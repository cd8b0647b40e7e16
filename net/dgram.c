/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev dgram: one packet a datagram, between local.* and remote.*, each of type=inet (host, port), unix (path) or,
 * local only, fd (str: a number or getfd's name). remote.type=inet alone with a multicast address joins that group.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/datagram.h"
#include "net/netdev-types.h"
#include "net/socket-address.h"

static int bind_local(const struct net_end *local, GError **error)
{
    int fd = socket(local->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

    if (fd < 0) {
        error_setf_errno(error, errno, "cannot make a socket");
        return -1;
    }
    if (local->address.ss_family == AF_UNIX) {
        unlink(((const struct sockaddr_un *)&local->address)->sun_path);
    } else {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    }
    if (bind(fd, (const struct sockaddr *)&local->address, local->length) < 0) {
        error_setf_errno(error, errno, "cannot bind to %s", local->text);
        close(fd);
        return -1;
    }
    return fd;
}

static bool is_multicast(const struct net_end *end)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)&end->address;

    return end->given && in->sin_family == AF_INET && IN_MULTICAST(ntohl(in->sin_addr.s_addr));
}

static int join_group(const struct net_end *local, const struct net_end *remote, GError **error)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)&local->address;

    if (local->given && local->given->type != SOCKET_ADDRESS_TYPE_INET) {
        error_setf(error, "a multicast group takes local.type=inet or none, not '%s'",
                   SocketAddressType_str(local->given->type));
        return -1;
    }
    return net_join_multicast(&remote->address, local->given ? &in->sin_addr : NULL, error);
}

/* What the ends make together; -1 and an error. */
static int open_socket(const struct net_end *local, const struct net_end *remote, GError **error)
{
    if (is_multicast(remote)) {
        return join_group(local, remote, error);
    }
    if (local->fd >= 0) {
        return local->fd;
    }
    if (!local->given || !remote->given) {
        error_setf(error, "local= and remote= are both needed, but for local.type=fd or a multicast group");
        return -1;
    }
    if (local->given->type != remote->given->type) {
        error_setf(error, "local.type=%s and remote.type=%s are not the same",
                   SocketAddressType_str(local->given->type), SocketAddressType_str(remote->given->type));
        return -1;
    }
    return bind_local(local, error);
}

static bool read_ends(const NetdevDgramOptions *o, struct net_end *local, struct net_end *remote, GError **error)
{
    if (o->remote && o->remote->type == SOCKET_ADDRESS_TYPE_FD) {
        return error_setf(error, "Parameter 'remote.type' does not accept value 'fd' (inet, unix): local.type does");
    }
    return net_end_read(remote, o->remote, "remote", SOCK_DGRAM, false, error) &&
           net_end_read(local, o->local, "local", SOCK_DGRAM, false, error);
}

static struct net_client *create_client(const char *id, int fd, const struct net_end *local,
                                        const struct net_end *remote)
{
    bool bound = local->given && local->given->type == SOCKET_ADDRESS_TYPE_UNIX;
    g_autofree char *text = g_strdup_printf("%s%s%s", local->text ? local->text : "",
                                            local->text && remote->text ? "," : "", remote->text ? remote->text : "");

    return datagram_new("dgram", id, fd, &remote->address, remote->length, text,
                        bound ? ((const struct sockaddr_un *)&local->address)->sun_path : NULL);
}

static struct net_client *dgram_create(const Netdev *netdev, GError **error)
{
    struct net_end local = { .fd = -1 }, remote = { .fd = -1 };
    int fd = read_ends(netdev->u.dgram, &local, &remote, error) ? open_socket(&local, &remote, error) : -1;
    struct net_client *client = fd >= 0 ? create_client(netdev->id, fd, &local, &remote) : NULL;

    if (local.fd >= 0 && fd != local.fd) {
        close(local.fd);
    }
    net_end_clear(&local);
    net_end_clear(&remote);
    return client;
}

const struct netdev_type netdev_dgram_type = {
    .name = "dgram",
    .description = "datagrams to another emulator: inet, unix, a socket's descriptor",
    .create = dgram_create,
};
