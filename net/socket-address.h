/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The schema's SocketAddress as what the kernel wants: one end of -netdev dgram or stream. */
#ifndef FERRY_NET_SOCKET_ADDRESS_H
#define FERRY_NET_SOCKET_ADDRESS_H

#include <sys/socket.h>

#include "qapi/qapi-types.h"
#include "util/error.h"

struct net_end {
    const SocketAddress *given; /* NULL: it is not */
    struct sockaddr_storage address;
    socklen_t length;
    int fd;     /* type=fd: the socket, non-blocking; else -1 */
    char *text; /* for messages: "local=127.0.0.1:1" */
};

/* `name` is the member's, `passive`: it is to be bound to. A descriptor belongs to the end from now on. */
bool net_end_read(struct net_end *end, const SocketAddress *given, const char *name, int socket_type, bool passive,
                  GError **error);
void net_end_clear(struct net_end *end); /* not its fd */

#endif
