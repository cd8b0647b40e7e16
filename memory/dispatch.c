/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Accesses through a flat view: RAM copies, MMIO calls, and the one translation from GPA to RAM block. */
#include <string.h>

#include "memory/guest-copy.h"
#include "memory/internal.h"
#include "trace/memory.h"
#include "util/main-loop.h"

static __thread unsigned mmio_depth;

static inline uint64_t low_bytes(unsigned size)
{
    return size == 8 ? UINT64_MAX : (1ull << (size * 8)) - 1;
}

static inline unsigned min_access(const struct memory_region_ops *ops)
{
    return ops->min_access ? ops->min_access : 1;
}

static inline unsigned max_access(const struct memory_region_ops *ops)
{
    return ops->max_access ? ops->max_access : 4;
}

/* The size of the next call for `left` bytes at `offset`: a power of two, naturally aligned, at most max_access. */
static unsigned piece_size(const struct memory_region_ops *ops, hwaddr offset, uint64_t left)
{
    unsigned size = max_access(ops);
    while (size > left || (offset & (size - 1))) {
        size /= 2;
    }
    return size;
}

/* One piece; `size` may be below the handler's minimum. */
static uint64_t mmio_read_piece(const struct memory_region *mr, hwaddr offset, unsigned size)
{
    unsigned call = MAX(size, min_access(mr->ops));
    hwaddr base = offset & ~(hwaddr)(call - 1);
    uint64_t value = mr->ops->read(mr->opaque, base, call);
    return (value >> ((offset - base) * 8)) & low_bytes(size);
}

static void mmio_write_piece(const struct memory_region *mr, hwaddr offset, uint64_t value, unsigned size)
{
    unsigned call = MAX(size, min_access(mr->ops));
    hwaddr base = offset & ~(hwaddr)(call - 1);
    mr->ops->write(mr->opaque, base, (value & low_bytes(size)) << ((offset - base) * 8), call);
}

/*
 * Before a handler is called: takes the big lock if it needs it (*locked: here). False: while we waited, the view was
 * replaced, and the device may be gone: what lies there now is for a look into the current view to tell.
 */
static bool mmio_lock(const struct flat_view *view, const struct flat_range *range, bool *locked)
{
    *locked = !range->lockless && !big_locked();
    if (*locked) {
        big_lock();
    }
    return range->lockless || !view->space || view->space->view == view;
}

static void mmio_unlock(bool locked)
{
    if (locked) {
        big_unlock();
    }
}

static bool mmio_enter(const struct memory_region *mr, hwaddr offset)
{
    if (mmio_depth >= MEMORY_MMIO_DEPTH) {
        trace_memory_mmio_too_deep(mr->name, offset);
        return false;
    }
    mmio_depth++;
    return true;
}

static bool mmio_read(const struct memory_region *mr, hwaddr offset, uint8_t *data, uint64_t length)
{
    if (!mr->ops->read || !mmio_enter(mr, offset)) {
        memset(data, 0xff, length);
        return false;
    }
    for (unsigned size; length; offset += size, data += size, length -= size) {
        size = piece_size(mr->ops, offset, length);
        uint64_t value = mmio_read_piece(mr, offset, size);
        memcpy(data, &value, size); /* little-endian host */
    }
    mmio_depth--;
    return true;
}

static bool mmio_write(const struct memory_region *mr, hwaddr offset, const uint8_t *data, uint64_t length)
{
    if (!mr->ops->write || !mmio_enter(mr, offset)) {
        return false;
    }
    for (unsigned size; length; offset += size, data += size, length -= size) {
        uint64_t value = 0;
        size = piece_size(mr->ops, offset, length);
        memcpy(&value, data, size);
        mmio_write_piece(mr, offset, value, size);
    }
    mmio_depth--;
    return true;
}

/* The stretch at `address`: its range (NULL: a gap) and how many of `length` bytes lie in it. */
static const struct flat_range *next_stretch(const struct flat_view *view, hwaddr address, uint64_t length,
                                             uint64_t *stretch)
{
    const struct flat_range *range = flat_view_find(view, address);
    if (range) {
        *stretch = MIN(length - 1, range->end - address) + 1;
        return range;
    }
    /* A gap reaches up to the next range; looking byte by byte is no use for a wild 4 GiB transfer. */
    unsigned low = 0, high = view->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (view->ranges[middle].start <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    uint64_t gap = low < view->count ? view->ranges[low].start - address : UINT64_MAX;
    *stretch = MIN(length, gap);
    return NULL;
}

/*
 * A single access is one bus transaction: it goes whole to the device at its first byte, even if another lies over
 * the bytes behind (the reset register 0xcf9 lies over the configuration address at 0xcf8). Big lock held, so that
 * the region is there.
 */
static bool fits_whole(const struct flat_range *range, hwaddr offset, uint64_t size)
{
    return size <= 8 && !(size & (size - 1)) && size <= range->mr->size && offset <= range->mr->size - size;
}

static bool view_read(const struct flat_view *view, hwaddr address, uint8_t *data, uint64_t length)
{
    bool good = true, first = true, locked;
    for (uint64_t stretch; length; address += stretch, data += stretch, length -= stretch, first = false) {
        const struct flat_range *range = next_stretch(view, address, length, &stretch);
        hwaddr offset = range ? range->offset + (address - range->start) : 0;
        if (!range) {
            trace_memory_unassigned(address, (unsigned)MIN(stretch, UINT32_MAX), false);
            memset(data, 0xff, stretch);
            good = false;
        } else if (range->block) {
            guest_copy_from(data, range->block->host + offset, stretch);
        } else if (!mmio_lock(view, range, &locked)) {
            good &= address_space_read(view->space, address, data, length);
            mmio_unlock(locked);
            return good;
        } else {
            stretch = first && fits_whole(range, offset, length) ? length : stretch;
            good &= mmio_read(range->mr, offset, data, stretch);
            mmio_unlock(locked);
        }
    }
    return good;
}

static bool view_write(const struct flat_view *view, hwaddr address, const uint8_t *data, uint64_t length)
{
    bool good = true, first = true, locked;
    for (uint64_t stretch; length; address += stretch, data += stretch, length -= stretch, first = false) {
        const struct flat_range *range = next_stretch(view, address, length, &stretch);
        hwaddr offset = range ? range->offset + (address - range->start) : 0;
        if (!range) {
            trace_memory_unassigned(address, (unsigned)MIN(stretch, UINT32_MAX), true);
            good = false;
        } else if (range->block && !range->readonly) {
            guest_copy_to(range->block->host + offset, data, stretch);
            ram_block_mark_dirty(range->block, offset, stretch);
        } else if (range->block) {
            continue; /* ROM */
        } else if (!mmio_lock(view, range, &locked)) {
            good &= address_space_write(view->space, address, data, length);
            mmio_unlock(locked);
            return good;
        } else {
            stretch = first && fits_whole(range, offset, length) ? length : stretch;
            good &= range->readonly || mmio_write(range->mr, offset, data, stretch);
            mmio_unlock(locked);
        }
    }
    return good;
}

bool address_space_read(struct address_space *as, hwaddr address, void *data, uint64_t length)
{
    struct flat_view *view = flat_view_get(as); /* a handler may change the topology under us */
    bool good = view_read(view, address, data, length);
    flat_view_put(view);
    return good;
}

bool address_space_write(struct address_space *as, hwaddr address, const void *data, uint64_t length)
{
    struct flat_view *view = flat_view_get(as);
    bool good = view_write(view, address, data, length);
    flat_view_put(view);
    return good;
}

bool flat_view_load(const struct flat_view *view, hwaddr address, unsigned size, uint64_t *value)
{
    *value = 0;
    return view_read(view, address, (uint8_t *)value, size);
}

bool flat_view_store(const struct flat_view *view, hwaddr address, unsigned size, uint64_t value)
{
    return view_write(view, address, (const uint8_t *)&value, size);
}

bool memory_translate(const struct flat_view *view, hwaddr gpa, uint64_t *length, bool writable,
                      struct ram_block **block, uint64_t *offset)
{
    const struct flat_range *range = flat_view_find(view, gpa);
    if (!range || !range->block || (writable && range->readonly)) {
        return false;
    }
    *block = range->block;
    *offset = range->offset + (gpa - range->start);
    if (*length) {
        *length = MIN(*length - 1, range->end - gpa) + 1;
    }
    return true;
}

uint64_t memory_gap(const struct flat_view *view, hwaddr gpa)
{
    for (unsigned i = 0; i < view->count; i++) {
        const struct flat_range *range = &view->ranges[i];
        if (range->end >= gpa && range->block && !range->readonly) {
            return range->start > gpa ? range->start - gpa : 0;
        }
    }
    return UINT64_MAX;
}

void *memory_host_pointer(const struct flat_view *view, hwaddr gpa, uint64_t length, bool writable)
{
    struct ram_block *block;
    uint64_t offset, contiguous = length;
    if (!memory_translate(view, gpa, &contiguous, writable, &block, &offset) || contiguous < length) {
        return NULL;
    }
    return block->host + offset;
}
