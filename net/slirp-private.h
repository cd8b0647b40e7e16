/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the user-mode network share. */
#ifndef FERRY_NET_SLIRP_PRIVATE_H
#define FERRY_NET_SLIRP_PRIVATE_H

#include <netinet/in.h>
#include <slirp/libslirp.h>

#include "util/error.h"

/* slirp-hostfwd.c; `guest` is where a rule without a guest's address leads. */
bool slirp_add_forward(Slirp *slirp, struct in_addr guest, const char *text, GError **error);
bool slirp_is_forward_key(const char *key);

/* slirp-config.c: the parameters but for hostfwd. Strings belong to `kv`. */
struct keyval;
bool slirp_read_config(struct keyval *kv, SlirpConfig *config, GError **error);

#endif
