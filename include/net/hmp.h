/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What HMP shows and changes of networks. Texts are the caller's. */
#ifndef FERRY_NET_HMP_H
#define FERRY_NET_HMP_H

#include "util/error.h"

char *net_describe(void);
char *net_describe_connections(void);
/* A rule of hostfwd= of that user network (NULL: the first) made, or its host's half taken away. */
bool net_forward(const char *id, const char *rule, bool add, GError **error);

#endif
