/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The backends, a file each. */
#ifndef FERRY_NET_NETDEV_TYPES_H
#define FERRY_NET_NETDEV_TYPES_H

#include "net/net.h"

extern const struct netdev_type netdev_dgram_type, netdev_socket_type, netdev_stream_type, netdev_tap_type,
    netdev_user_type;

#endif
