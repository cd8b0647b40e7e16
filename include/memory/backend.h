/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -object memory-backend-*: RAM blocks made from the command line, before the machine. */
#ifndef FERRY_MEMORY_BACKEND_H
#define FERRY_MEMORY_BACKEND_H

#include <stdint.h>

#include "util/error.h"

struct ram_block;

struct memory_backend {
    const char *type; /* "memory-backend-ram", a literal */
    char *id, *path; /* path: of a file, else NULL */
    uint64_t size;
    bool share, prealloc, dump, merge, seal;
    struct ram_block *block; /* ram_block_find(id) */
};

/* Makes a copy of `wanted` with the block that it describes; ram_block_find(id) has that then. */
bool memory_backend_create(const struct memory_backend *wanted, GError **error);
struct memory_backend *memory_backend_find(const char *id); /* or NULL */
/* Frees it and its block: nobody may use it any more. */
void memory_backend_delete(const char *id);

#endif
