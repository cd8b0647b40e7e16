/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RAM blocks: named pieces of guest memory, the unit that migrates.
 *
 * The list changes under the big lock only, and never while a migration runs; lookups need no lock otherwise.
 *
 * Dirty tracking. A block has one log bitmap per client, one bit per 4 KiB page. A writer marks after it has
 * written (DMA) or before (a vCPU, whose soft TLB may then write on without marking until it is armed again). A
 * sync takes marks (fetch and clear) into a bitmap of the client's own and then makes every writer log again: see
 * accel_dirty_sync() in accel/accel.h, the only way for a client to read its log.
 */
#ifndef FERRY_MEMORY_RAM_BLOCK_H
#define FERRY_MEMORY_RAM_BLOCK_H

#include <stdint.h>

#include "util/bitmap.h"
#include "util/error.h"

#define GUEST_PAGE_BITS 12
#define GUEST_PAGE_SIZE 4096ull

enum dirty_client {
    DIRTY_CLIENT_MIGRATION,
    DIRTY_CLIENT_CODE, /* decoded blocks: "clean" (0) means that the page holds decoded code */
    DIRTY_CLIENTS
};

struct ram_block {
    char idstr[256];          /* "pc.ram", as QEMU names it in the stream */
    uint8_t *host;            /* page-aligned host mapping of max_length bytes */
    uint64_t used_length;     /* bytes, multiple of 4096 */
    uint64_t max_length;
    int fd;                   /* memfd or file behind it, or -1 */
    bool shared;
    bool migratable;
    unsigned long *dirty[DIRTY_CLIENTS]; /* NULL while the client is off; read and changed with atomics */
    unsigned long *dirty_maps[DIRTY_CLIENTS]; /* what `dirty` points to while on; kept, as late writers may hold it */
    struct ram_block *next;   /* in creation order */
    void *migration;          /* migration/ram.c's state for the block while a migration runs, else NULL */
};

/*
 * Reserves without committing (MAP_NORESERVE): `length` may exceed the host's memory. Transparent huge pages are
 * asked for. Fails, naming id and length, if the id is in use, the length is not a multiple of 4096, or mmap fails.
 */
struct ram_block *ram_block_new(const char *idstr, uint64_t length, GError **error);
/* The same over a file descriptor (takes it over). */
struct ram_block *ram_block_new_fd(const char *idstr, uint64_t length, int fd, bool shared, GError **error);
void ram_block_free(struct ram_block *block);
struct ram_block *ram_block_find(const char *idstr); /* or NULL */
extern struct ram_block *ram_blocks;                 /* the list */
#define RAM_BLOCK_FOREACH(block) for (struct ram_block *block = ram_blocks; block; block = block->next)

/* Total used bytes of all blocks. */
uint64_t ram_total(void);
/* The block that contains a host pointer, or NULL. */
struct ram_block *ram_block_from_host(const void *host, uint64_t *offset);
static inline uint64_t ram_block_pages(const struct ram_block *block)
{
    return block->max_length >> GUEST_PAGE_BITS;
}

/*
 * Which pages were ever populated, without reading or populating any: sets in `populated` (bit 0 = page `first`)
 * the pages of [first, first + count) that are present or swapped (PAGEMAP_SCAN, else /proc/self/pagemap;
 * SEEK_DATA for fds). Where the kernel tells, a page that was only ever read (the zero page) is not populated. Cheap
 * per GiB, dear per call: ask for large ranges. Any thread. false: not known (errno text in error); the caller then
 * takes all as populated.
 */
bool ram_block_populated(const struct ram_block *block, uint64_t first, uint64_t count, unsigned long *populated,
                         GError **error);
/* Tests switch the cleverer ways off: the kernel's PAGEMAP_SCAN is not asked. */
extern bool ram_block_populated_plain;
/* Gives the range back to the host; it reads as zeros afterwards. Offsets and lengths are multiples of 4096. */
bool ram_block_discard(struct ram_block *block, uint64_t offset, uint64_t length, GError **error);

/* Logs of a client on or off, for all blocks (present and future). A fresh log is all clean. Big lock held. */
bool dirty_log_enabled(enum dirty_client client);
void dirty_log_enable(enum dirty_client client);
void dirty_log_disable(enum dirty_client client);

/*
 * Marks for all clients that are on. Any thread. DMA marks after writing. A page without DIRTY_CLIENT_CODE's mark may
 * hold decoded code: the hook is called for it, drops that and sets the mark. Any thread, any locks held.
 */
extern void (*ram_block_code_hook)(struct ram_block *block, uint64_t page);
void ram_block_mark_dirty(struct ram_block *block, uint64_t offset, uint64_t length);
/* Marks one client only: pages [first, first + count), or one page. */
void ram_block_mark_pages_dirty(struct ram_block *block, enum dirty_client client, uint64_t first, uint64_t count);
void ram_block_mark_dirty_client(struct ram_block *block, enum dirty_client client, uint64_t page);
/* True if every client that is on has the page marked already (a writer need not log). */
bool ram_block_page_logged(const struct ram_block *block, uint64_t page);
/*
 * Takes: ORs the client's marks of pages [first, first + count) into `into` (indexed by page, whole block) and
 * clears them in the log. Returns how many bits of `into` were newly set. Only half of a sync: see
 * accel_dirty_sync().
 */
uint64_t ram_block_dirty_take(struct ram_block *block, enum dirty_client client, uint64_t first, uint64_t count,
                              unsigned long *into);

#endif
