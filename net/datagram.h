/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A backend over a datagram socket, one packet a datagram: -netdev dgram, and -netdev socket's mcast= and udp=. */
#ifndef FERRY_NET_DATAGRAM_H
#define FERRY_NET_DATAGRAM_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "net/net.h"

/*
 * Takes `fd` over, and `unlink_path` (a unix socket's own name, or NULL). `to` with length 0: the socket is connected.
 */
struct net_client *datagram_new(const char *type, const char *id, int fd, const struct sockaddr_storage *to,
                                socklen_t to_length, const char *describe, const char *unlink_path);

/* "host:port"; either may be empty where `passive`. IPv4 and IPv6, numbers and names. */
bool net_parse_address(const char *text, bool passive, int socket_type, struct sockaddr_storage *address,
                       socklen_t *length, GError **error);
bool net_resolve(const char *host, const char *port, bool passive, int socket_type, struct sockaddr_storage *address,
                 socklen_t *length, GError **error);
/* An IPv4 multicast group joined on the interface of `local` (NULL: the kernel's choice); -1 and an error. */
int net_join_multicast(const struct sockaddr_storage *group, const struct in_addr *local, GError **error);

#endif
