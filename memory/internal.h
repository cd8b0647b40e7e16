/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this room tell each other. */
#ifndef FERRY_MEMORY_INTERNAL_H
#define FERRY_MEMORY_INTERNAL_H

#include "memory/memory.h"

/* A block's logs follow the clients that are on. */
void dirty_block_added(struct ram_block *block);
void dirty_block_removed(struct ram_block *block);

/* Renders the tree under `root`; one reference, the caller's. */
struct flat_view *flat_view_render(const struct memory_region *root);
bool flat_view_equal(const struct flat_view *a, const struct flat_view *b);
/* Publishes new views where they differ, and tells the listeners. */
void address_spaces_update(void);

extern struct address_space *address_spaces;

/* The last byte's offset in a region; regions of UINT64_MAX bytes have 2^64. */
static inline hwaddr region_last(const struct memory_region *mr)
{
    return mr->size == UINT64_MAX ? UINT64_MAX : mr->size - 1;
}

#endif
