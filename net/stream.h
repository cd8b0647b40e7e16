/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A backend over a stream socket, packets behind 32-bit lengths: -netdev stream, and -netdev socket's listen=, connect=. */
#ifndef FERRY_NET_STREAM_H
#define FERRY_NET_STREAM_H

#include "net/net.h"
#include "qapi/qapi-types.h"

enum net_stream_mode {
    NET_STREAM_CONNECTED,
    NET_STREAM_CONNECTING, /* connect() said EINPROGRESS */
    NET_STREAM_LISTENING,  /* accepts one connection at a time */
};

struct net_stream_config {
    const char *type, *id, *describe;
    int fd; /* non-blocking; taken over */
    enum net_stream_mode mode;
    /*
     * For events, and instead of `describe` once there is a connection; NULL: without events. A unix socket's path is
     * taken away with the listener.
     */
    const SocketAddress *address;
};

struct net_client *net_stream_new(const struct net_stream_config *config);

#endif
