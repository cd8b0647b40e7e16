/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -object memory-backend-*: RAM blocks made from the command line, before the machine. */
#ifndef FERRY_MEMORY_BACKEND_H
#define FERRY_MEMORY_BACKEND_H

#include <stdint.h>

#include "util/error.h"

struct keyval;
struct ram_block;

struct memory_backend {
    const char *type;
    char *id, *path; /* path: of a file, else NULL */
    uint64_t size;
    bool share, prealloc, dump, merge, seal;
    struct ram_block *block; /* ram_block_find(id) */
};

/* True for a type of ours ("memory-backend-ram"). */
bool memory_backend_type(const char *type);
/* Makes the block that the options describe (their "qom-type" has been read); ram_block_find(id) has it then. */
bool memory_backend_create(const char *type, struct keyval *options, GError **error);
struct memory_backend *memory_backend_find(const char *id); /* or NULL */
/* Frees it and its block: nobody may use it any more. */
void memory_backend_delete(const char *id);

#endif
