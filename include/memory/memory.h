/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest-physical memory and ports: RAM blocks, regions, flat views, dispatch.
 *
 * Regions form a tree (containers, aliases, priorities). An address space renders its tree into a flat view: a
 * sorted array of disjoint ranges, the one interval map that RAM, MMIO and port accesses are looked up in.
 *
 * Locking: the tree changes under the big lock only. A flat view never changes once published; readers hold a
 * reference (flat_view_get/put), vCPUs keep one until they are told that it is stale (memory_topology_changed),
 * callers that hold the big lock may use the current one without a reference.
 */
#ifndef FERRY_MEMORY_MEMORY_H
#define FERRY_MEMORY_MEMORY_H

#include <stdint.h>

#include "memory/ram-block.h"
#include "util/error.h"

typedef uint64_t hwaddr; /* a GPA, a port, or an offset into a region */

struct memory_region_ops {
    /*
     * `size` is 1, 2, 4 or 8 and within [min_access, max_access], `offset` a multiple of it: the dispatcher splits
     * wider and misaligned accesses and widens narrower ones (read: wider read and shift; write: the value in its
     * byte lanes, zeros in the others). Called with the big lock held unless `lockless`.
     */
    uint64_t (*read)(void *opaque, hwaddr offset, unsigned size);
    void (*write)(void *opaque, hwaddr offset, uint64_t value, unsigned size);
    uint8_t min_access; /* 0: 1 */
    uint8_t max_access; /* 0: 4 */
    bool lockless;      /* the device locks for itself, and is there for good: a vCPU may call it when it is gone */
};

enum memory_region_kind { MEMORY_REGION_CONTAINER, MEMORY_REGION_IO, MEMORY_REGION_RAM, MEMORY_REGION_ALIAS };

struct memory_region {
    const char *name;
    enum memory_region_kind kind;
    uint64_t size;             /* bytes; UINT64_MAX stands for 2^64 */
    const struct memory_region_ops *ops;
    void *opaque;
    struct ram_block *block;   /* RAM: region offset 0 is block offset 0 */
    struct memory_region *alias;
    hwaddr alias_offset;
    bool readonly;             /* ROM: guest writes are dropped */
    bool enabled;
    hwaddr address;            /* in its container */
    int priority;              /* higher wins; where equals overlap, the one added first wins */
    struct memory_region *container;
    GPtrArray *subregions;
};

/* The caller owns the storage and keeps it, and `name`, alive while the region is in a tree. */
void memory_region_init_container(struct memory_region *mr, const char *name, uint64_t size);
void memory_region_init_io(struct memory_region *mr, const struct memory_region_ops *ops, void *opaque,
                           const char *name, uint64_t size);
void memory_region_init_ram(struct memory_region *mr, struct ram_block *block, const char *name, uint64_t size);
void memory_region_init_alias(struct memory_region *mr, const char *name, struct memory_region *target,
                              hwaddr offset, uint64_t size);
void memory_region_cleanup(struct memory_region *mr);

void memory_region_add(struct memory_region *container, hwaddr address, struct memory_region *mr, int priority);
void memory_region_remove(struct memory_region *mr);
void memory_region_set_enabled(struct memory_region *mr, bool enabled);
void memory_region_set_address(struct memory_region *mr, hwaddr address);
void memory_region_set_readonly(struct memory_region *mr, bool readonly);

/* Changes between begin and commit are published as one; they nest. Big lock held. */
void memory_transaction_begin(void);
void memory_transaction_commit(void);

/* One range of a flat view. `end` is inclusive, so that 2^64 - 1 can be covered. */
struct flat_range {
    hwaddr start, end;
    struct memory_region *mr; /* IO or RAM, never alias or container */
    hwaddr offset;            /* of `start` in mr */
    bool readonly;
    bool lockless;            /* mr->ops says so */
    struct ram_block *block;  /* mr's; NULL: it is IO */
};

/* `mr` may be freed while a view that is no longer current is held: who holds it looks no further before it knows. */
struct flat_view {
    int refs;
    struct address_space *space; /* whose it is; NULL: nobody's */
    unsigned count;
    struct flat_range *ranges; /* sorted by start */
};

struct address_space {
    const char *name;
    struct memory_region *root;
    struct flat_view *view; /* current; read through flat_view_get() or under the big lock */
    struct address_space *next;
};

extern struct address_space address_space_memory; /* "memory": GPAs */
extern struct address_space address_space_io;     /* "I/O": 64 KiB of ports */
extern struct memory_region system_memory;        /* its root, 2^64 bytes */
extern struct memory_region system_io;            /* its root, 65536 bytes */

/* Creates the two roots above. Once, before any device. */
void memory_init(void);
void address_space_init(struct address_space *as, struct memory_region *root, const char *name);

struct flat_view *flat_view_get(struct address_space *as); /* any thread; a reference */
void flat_view_put(struct flat_view *view);
/* The range that covers `address`, or NULL. O(log n). */
const struct flat_range *flat_view_find(const struct flat_view *view, hwaddr address);

/*
 * Listeners hear of each new view under the big lock, after it is published: accelerators drop what they cached
 * (and their reference to the old view). Called in order of registration.
 */
struct memory_listener {
    void (*changed)(struct memory_listener *listener, struct address_space *as, struct flat_view *old_view,
                    struct flat_view *new_view);
    struct memory_listener *next;
};
void memory_listener_add(struct memory_listener *listener);
void memory_listener_remove(struct memory_listener *listener);

/*
 * Device and vCPU slow-path access; any length; RAM writes mark the dirty log. false: some byte had no region
 * (reads give all ones there, writes are dropped). Takes the big lock around MMIO handlers that want it, unless held.
 */
bool address_space_read(struct address_space *as, hwaddr address, void *data, uint64_t length);
bool address_space_write(struct address_space *as, hwaddr address, const void *data, uint64_t length);
/* One access of 1, 2, 4 or 8 bytes, little-endian, through `view`. */
bool flat_view_load(const struct flat_view *view, hwaddr address, unsigned size, uint64_t *value);
bool flat_view_store(const struct flat_view *view, hwaddr address, unsigned size, uint64_t value);

/*
 * GPA -> (block, offset, length): THE translation; hints, DMA, loader and migration all use it. *length is clipped
 * to what is contiguous in one block and one range. false: not RAM (or ROM where `writable` is asked for).
 */
bool memory_translate(const struct flat_view *view, hwaddr gpa, uint64_t *length, bool writable,
                      struct ram_block **block, uint64_t *offset);
/* The same to a host pointer (NULL: not RAM, or not contiguous over `length`). Valid while `view` is held. */
void *memory_host_pointer(const struct flat_view *view, hwaddr gpa, uint64_t length, bool writable);
/* How many bytes from `gpa` on are not RAM that can be written; UINT64_MAX: all that follow. */
uint64_t memory_gap(const struct flat_view *view, hwaddr gpa);

/* `info mtree`: text, owned by the caller. */
char *memory_describe(void);

/* Nested MMIO (a device's DMA that hits a device) is cut off at this depth: a guest could nest without end. */
#define MEMORY_MMIO_DEPTH 4

#endif
