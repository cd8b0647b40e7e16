/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FERRY_SYSTEM_NIC_H
#define FERRY_SYSTEM_NIC_H

#include "util/error.h"

/* "help" and model=help: text for stdout, the caller frees. NULL: `text` asks for no help. */
char *nic_help(const char *text);
/* The backend of one -nic; its device comes with nics_plug(), when there is a machine. `text` is kept. */
bool nic_create_backend(const char *text, GError **error);
bool nics_plug(GError **error);

#endif
