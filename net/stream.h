/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A backend over a stream socket, packets behind 32-bit lengths: -netdev socket's listen= and connect=. */
#ifndef FERRY_NET_STREAM_H
#define FERRY_NET_STREAM_H

#include "net/net.h"

/* Takes the descriptor over. `listening`: it is one to accept() from, one connection at a time. */
struct net_client *net_stream_new(const char *type, const char *id, int fd, bool listening, const char *describe);

#endif
