/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -object memory-backend-*: RAM blocks made from the command line, before the machine. */
#ifndef FERRY_MEMORY_BACKEND_H
#define FERRY_MEMORY_BACKEND_H

#include "util/error.h"

struct keyval;

/* True for a type of ours ("memory-backend-ram"). */
bool memory_backend_type(const char *type);
/* Makes the block that the options describe (their "qom-type" has been read); ram_block_find(id) has it then. */
bool memory_backend_create(const char *type, struct keyval *options, GError **error);

#endif
