/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the user-mode network share. */
#ifndef FERRY_NET_SLIRP_PRIVATE_H
#define FERRY_NET_SLIRP_PRIVATE_H

#include <netinet/in.h>
#include <slirp/libslirp.h>

#include "qapi/qapi-types.h"
#include "util/error.h"

/* slirp-hostfwd.c; `guest` is where a rule without a guest's address leads. */
bool slirp_add_forward(Slirp *slirp, struct in_addr guest, const char *text, GError **error);
/* By its host's half, [tcp|udp]:[hostaddr]:hostport. */
bool slirp_remove_forward(Slirp *slirp, const char *text, GError **error);

/* slirp-config.c: the parameters but for hostfwd. Strings belong to the options. */
bool slirp_read_config(const NetdevUserOptions *o, SlirpConfig *config, GError **error);

#endif
