/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Split virtqueues (VIRTIO 1.2, 2.7): three arrays in guest RAM.
 *
 *   descriptor table   what:   address, length, flags, next          written by the driver
 *   avail ring         todo:   heads of chains, idx, [used_event]    written by the driver
 *   used ring          done:   head + bytes written, idx, [avail_event]  written by the device
 *
 * The driver owns all of it and may be hostile: every address goes through the memory map, a chain is followed for at
 * most as many steps as the ring (or the indirect table) has descriptors, and whatever breaks the specification makes
 * the device need a reset (virtio_error). Nothing is cached: the guest may change anything between two looks, so each
 * value is read once and then used.
 */
#include <inttypes.h>
#include <string.h>

#include "hw/virtio/virtio.h"
#include "memory/guest-copy.h"
#include "trace/hw_virtio.h"
#include "util/main-loop.h"

/* Split virtqueue layout. */
#define DESC_SIZE           16
#define AVAIL_FLAGS(vq)     ((vq)->avail)
#define AVAIL_IDX(vq)       ((vq)->avail + 2)
#define AVAIL_RING(vq, n)   ((vq)->avail + 4 + 2 * (hwaddr)((n) % (vq)->num))
#define AVAIL_USED_EVENT(vq) ((vq)->avail + 4 + 2 * (hwaddr)(vq)->num)
#define USED_FLAGS(vq)      ((vq)->used)
#define USED_IDX(vq)        ((vq)->used + 2)
#define USED_RING(vq, n)    ((vq)->used + 4 + 8 * (hwaddr)((n) % (vq)->num))
#define USED_AVAIL_EVENT(vq) ((vq)->used + 4 + 8 * (hwaddr)(vq)->num)

/* ---- Guest RAM ---- */

bool guest_ram_check(const struct flat_view *view, hwaddr gpa, uint64_t length, bool writable)
{
    if (gpa + length < gpa) {
        return false;
    }
    while (length) {
        uint64_t n = length, offset;
        struct ram_block *block;

        if (!memory_translate(view, gpa, &n, writable, &block, &offset)) {
            return false;
        }
        gpa += n;
        length -= n;
    }
    return true;
}

bool guest_ram_read(const struct flat_view *view, hwaddr gpa, void *data, uint64_t length)
{
    uint8_t *to = data;

    while (length) {
        uint64_t n = length, offset;
        struct ram_block *block;

        if (!memory_translate(view, gpa, &n, false, &block, &offset)) {
            return false;
        }
        guest_copy_from(to, block->host + offset, n);
        to += n;
        gpa += n;
        length -= n;
    }
    return true;
}

bool guest_ram_write(const struct flat_view *view, hwaddr gpa, const void *data, uint64_t length)
{
    const uint8_t *from = data;

    while (length) {
        uint64_t n = length, offset;
        struct ram_block *block;

        if (!memory_translate(view, gpa, &n, true, &block, &offset)) {
            return false;
        }
        guest_copy_to(block->host + offset, from, n);
        ram_block_mark_dirty(block, offset, n);
        from += n;
        gpa += n;
        length -= n;
    }
    return true;
}

/*
 * The 16-bit ring indexes and flags: one access each, so that neither side sees half of one. Alignment is the
 * driver's duty; where it fails in it, two bytes are copied and the driver gets what it asked for.
 */
static bool load_u16(const struct flat_view *view, hwaddr gpa, uint16_t *value)
{
    const uint16_t *host = gpa & 1 ? NULL : memory_host_pointer(view, gpa, 2, false);

    if (!host) {
        return guest_ram_read(view, gpa, value, 2);
    }
    *value = __atomic_load_n(host, __ATOMIC_ACQUIRE);
    return true;
}

static bool store_u16(const struct flat_view *view, hwaddr gpa, uint16_t value)
{
    uint64_t n = 2, offset;
    struct ram_block *block;

    if ((gpa & 1) || !memory_translate(view, gpa, &n, true, &block, &offset) || n < 2) {
        return guest_ram_write(view, gpa, &value, 2);
    }
    __atomic_store_n((uint16_t *)(block->host + offset), value, __ATOMIC_RELEASE);
    ram_block_mark_dirty(block, offset, 2);
    return true;
}

/* ---- Elements ---- */

static size_t segments_copy(const struct virtio_segment *segments, unsigned count, uint64_t offset, void *data,
                            size_t length, bool write)
{
    struct flat_view *view = flat_view_get(&address_space_memory);
    size_t done = 0;

    for (unsigned i = 0; i < count && done < length; i++) {
        uint64_t n;

        if (offset >= segments[i].length) {
            offset -= segments[i].length;
            continue;
        }
        n = MIN(segments[i].length - offset, length - done);
        if (write ? !guest_ram_write(view, segments[i].gpa + offset, (uint8_t *)data + done, n)
                  : !guest_ram_read(view, segments[i].gpa + offset, (uint8_t *)data + done, n)) {
            break; /* the memory map changed under the chain */
        }
        done += n;
        offset = 0;
    }
    flat_view_put(view);
    return done;
}

size_t virtqueue_element_read(const struct virtqueue_element *element, uint64_t offset, void *data, size_t length)
{
    return segments_copy(element->segments, element->out_count, offset, data, length, false);
}

size_t virtqueue_element_write(const struct virtqueue_element *element, uint64_t offset, const void *data,
                               size_t length)
{
    return segments_copy(element->segments + element->out_count, element->in_count, offset, (void *)data, length,
                         true);
}

/* ---- Pop ---- */

bool virtqueue_ready(const struct virtqueue *vq)
{
    return vq->desc && vq->num && !virtio_is_broken(vq->vdev);
}

static bool queue_error(struct virtqueue *vq, const char *what, uint64_t value)
{
    virtio_error(vq->vdev, "queue %u: %s (0x%" PRIx64 ")", vq->index, what, value);
    return false;
}

/* How many chains wait; -1: the device has become broken. */
static int chains_waiting(struct virtqueue *vq, const struct flat_view *view)
{
    uint16_t idx, waiting;

    if (!load_u16(view, AVAIL_IDX(vq), &idx)) {
        queue_error(vq, "the avail ring is not in RAM", vq->avail);
        return -1;
    }
    waiting = idx - vq->last_avail;
    if (waiting > vq->num) {
        queue_error(vq, "the avail index runs ahead by more than the ring's size", waiting);
        return -1;
    }
    return waiting;
}

/* Appends a descriptor to the chain, readable ones first. */
static bool chain_append(struct virtqueue *vq, const struct flat_view *view, struct virtqueue_element *element,
                         const struct vring_desc *desc)
{
    bool in = desc->flags & VRING_DESC_F_WRITE;
    unsigned n = element->out_count + element->in_count;

    if (!in && element->in_count) {
        return queue_error(vq, "a readable descriptor follows a writable one", desc->addr);
    }
    if (!desc->len) {
        return queue_error(vq, "a descriptor of no length", desc->addr);
    }
    if (!guest_ram_check(view, desc->addr, desc->len, in)) {
        return queue_error(vq, "a descriptor points outside RAM", desc->addr);
    }
    vq->segments[n] = (struct virtio_segment){ desc->addr, desc->len };
    if (in) {
        element->in_count++;
        element->in_length += desc->len;
    } else {
        element->out_count++;
        element->out_length += desc->len;
    }
    return true;
}

/* An indirect table takes the place of the ring's own: where it is and how many descriptors it has. */
static bool enter_indirect(struct virtqueue *vq, const struct vring_desc *desc, hwaddr *table, unsigned *size)
{
    if (!virtio_has_feature(vq->vdev, VIRTIO_RING_F_INDIRECT_DESC)) {
        return queue_error(vq, "an indirect descriptor, which was not negotiated", desc->addr);
    }
    if (desc->flags & VRING_DESC_F_NEXT) {
        return queue_error(vq, "an indirect descriptor with a next one", desc->next);
    }
    if (!desc->len || desc->len % DESC_SIZE || desc->len / DESC_SIZE > VIRTQUEUE_MAX_SIZE) {
        return queue_error(vq, "an indirect table of this length", desc->len);
    }
    *table = desc->addr;
    *size = desc->len / DESC_SIZE;
    return true;
}

/* Follows the chain from `head`. No more steps than descriptors in a table: a loop ends there. */
static bool chain_walk(struct virtqueue *vq, const struct flat_view *view, struct virtqueue_element *element)
{
    hwaddr table = vq->desc;
    unsigned size = vq->num, next = element->head;
    bool indirect = false;

    for (unsigned steps = 0; steps < size;) {
        struct vring_desc desc;

        if (!guest_ram_read(view, table + (hwaddr)next * DESC_SIZE, &desc, DESC_SIZE)) {
            return queue_error(vq, "a descriptor table is not in RAM", table);
        }
        if (desc.flags & VRING_DESC_F_INDIRECT) {
            /* Allowed once, and (2.7.5.3.2) also behind direct ones of a chain; never inside a table. */
            if (indirect) {
                return queue_error(vq, "an indirect descriptor inside an indirect table", desc.addr);
            }
            if (!enter_indirect(vq, &desc, &table, &size)) {
                return false;
            }
            if (element->out_count + element->in_count + size > VIRTQUEUE_MAX_SIZE) {
                return queue_error(vq, "a chain of too many descriptors", size);
            }
            indirect = true;
            next = 0;
            steps = 0;
            continue;
        }
        if (!chain_append(vq, view, element, &desc)) {
            return false;
        }
        steps++;
        if (!(desc.flags & VRING_DESC_F_NEXT)) {
            return true;
        }
        next = desc.next;
        if (next >= size) {
            return queue_error(vq, "a next descriptor outside its table", next);
        }
    }
    return queue_error(vq, "a chain longer than its table, a loop", size);
}

static bool pop_chain(struct virtqueue *vq, const struct flat_view *view, struct virtqueue_element *element)
{
    uint16_t head;

    if (chains_waiting(vq, view) <= 0) {
        return false;
    }
    if (vq->in_use >= vq->num) {
        return queue_error(vq, "more chains in use than the ring holds", vq->in_use);
    }
    if (!guest_ram_read(view, AVAIL_RING(vq, vq->last_avail), &head, 2)) {
        return queue_error(vq, "the avail ring is not in RAM", vq->avail);
    }
    if (head >= vq->num) {
        return queue_error(vq, "a chain's head outside the descriptor table", head);
    }
    *element = (struct virtqueue_element){ .head = head, .segments = vq->segments };
    if (!chain_walk(vq, view, element)) {
        return false;
    }
    vq->last_avail++;
    vq->in_use++;
    if (vq->notification && virtio_has_feature(vq->vdev, VIRTIO_RING_F_EVENT_IDX)) {
        store_u16(view, USED_AVAIL_EVENT(vq), vq->last_avail);
    }
    trace_virtqueue_pop(vq->vdev->ops->name, vq->index, head, element->out_count, element->in_count);
    return true;
}

bool virtqueue_pop(struct virtqueue *vq, struct virtqueue_element *element)
{
    struct flat_view *view;
    bool popped;

    if (!virtqueue_ready(vq)) {
        return false;
    }
    view = flat_view_get(&address_space_memory);
    popped = pop_chain(vq, view, element);
    flat_view_put(view);
    return popped;
}

bool virtqueue_empty(struct virtqueue *vq)
{
    struct flat_view *view;
    int waiting;

    if (!virtqueue_ready(vq)) {
        return true;
    }
    view = flat_view_get(&address_space_memory);
    waiting = chains_waiting(vq, view);
    flat_view_put(view);
    return waiting <= 0;
}

void virtqueue_rewind(struct virtqueue *vq, unsigned count)
{
    g_assert(count <= vq->in_use);
    vq->last_avail -= count;
    vq->in_use -= count;
}

/* ---- Push ---- */

void virtqueue_fill(struct virtqueue *vq, uint16_t head, uint32_t written, uint16_t ahead)
{
    struct flat_view *view;
    struct vring_used_elem used = { head, written };

    if (!virtqueue_ready(vq)) {
        return;
    }
    view = flat_view_get(&address_space_memory);
    if (!guest_ram_write(view, USED_RING(vq, (uint16_t)(vq->used_idx + ahead)), &used, sizeof(used))) {
        queue_error(vq, "the used ring is not in RAM", vq->used);
    }
    flat_view_put(view);
}

void virtqueue_flush(struct virtqueue *vq, uint16_t count)
{
    struct flat_view *view;

    g_assert(vq->in_use >= count);
    vq->in_use -= count;
    if (!virtqueue_ready(vq)) {
        return;
    }
    view = flat_view_get(&address_space_memory);
    if (!store_u16(view, USED_IDX(vq), vq->used_idx + count)) {
        queue_error(vq, "the used ring is not in RAM", vq->used);
    }
    flat_view_put(view);
    vq->used_idx += count;
    /*
     * Half the 16-bit range without a look at used_event: the comparison with the old index means nothing any more.
     */
    if ((int16_t)(vq->used_idx - vq->signalled_used) < count) {
        vq->signalled_valid = false;
    }
}

void virtqueue_push(struct virtqueue *vq, uint16_t head, uint32_t written)
{
    virtqueue_fill(vq, head, written, 0);
    virtqueue_flush(vq, 1);
}

/* 2.7.10: the driver wants to hear of `used_event`; have we passed it since the last interrupt? */
static bool event_passed(uint16_t event, uint16_t now, uint16_t before)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

static bool interrupt_due(struct virtqueue *vq, const struct flat_view *view)
{
    uint16_t value = 0, before = vq->signalled_used;
    bool valid = vq->signalled_valid;

    /* The used index must be out before the driver's wish is read, or both sides may wait for each other. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (virtio_has_feature(vq->vdev, VIRTIO_F_NOTIFY_ON_EMPTY_BIT) && !vq->in_use && chains_waiting(vq, view) == 0) {
        return true;
    }
    if (!virtio_has_feature(vq->vdev, VIRTIO_RING_F_EVENT_IDX)) {
        return load_u16(view, AVAIL_FLAGS(vq), &value) && !(value & VRING_AVAIL_F_NO_INTERRUPT);
    }
    vq->signalled_valid = true;
    vq->signalled_used = vq->used_idx;
    return load_u16(view, AVAIL_USED_EVENT(vq), &value) && (!valid || event_passed(value, vq->used_idx, before));
}

void virtqueue_notify(struct virtqueue *vq)
{
    struct virtio_device *vdev = vq->vdev;
    struct flat_view *view;
    bool due;

    if (!virtqueue_ready(vq)) {
        return;
    }
    view = flat_view_get(&address_space_memory);
    due = interrupt_due(vq, view);
    flat_view_put(view);
    trace_virtqueue_notify(vdev->ops->name, vq->index, due);
    if (!due) {
        return;
    }
    if (big_locked()) {
        vdev->isr |= 1;
        vdev->transport->notify(vdev, vq->vector);
    } else if (__atomic_load_n(&vq->call_ready, __ATOMIC_ACQUIRE)) {
        event_notifier_set(&vq->call);
    } else {
        __atomic_store_n(&vq->interrupt_wanted, true, __ATOMIC_RELEASE);
        event_notifier_set(&vdev->deferred);
    }
}

void virtqueue_set_notification(struct virtqueue *vq, bool on)
{
    struct flat_view *view;

    vq->notification = on;
    if (!virtqueue_ready(vq)) {
        return;
    }
    view = flat_view_get(&address_space_memory);
    if (!virtio_has_feature(vq->vdev, VIRTIO_RING_F_EVENT_IDX)) {
        store_u16(view, USED_FLAGS(vq), on ? 0 : VRING_USED_F_NO_NOTIFY);
    } else if (on) {
        /* What comes next, not what waits already: the caller looks at that itself, and may want more than there is. */
        uint16_t idx = vq->last_avail;

        load_u16(view, AVAIL_IDX(vq), &idx);
        store_u16(view, USED_AVAIL_EVENT(vq), idx);
    }
    flat_view_put(view);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the wish is out before the caller looks at the ring again */
}

/* ---- State ---- */

void virtqueue_clear(struct virtqueue *vq)
{
    vq->num = vq->num_default;
    vq->desc = vq->avail = vq->used = 0;
    vq->vector = VIRTIO_NO_VECTOR;
    vq->last_avail = vq->used_idx = vq->in_use = vq->signalled_used = 0;
    vq->signalled_valid = false;
    vq->notification = true;
    __atomic_store_n(&vq->interrupt_wanted, false, __ATOMIC_RELAXED);
    event_notifier_test_and_clear(&vq->kick);
}

bool virtqueue_sync_indexes(struct virtqueue *vq)
{
    struct flat_view *view = flat_view_get(&address_space_memory);
    uint16_t used = 0;
    bool ok = load_u16(view, USED_IDX(vq), &used) && chains_waiting(vq, view) >= 0;

    flat_view_put(view);
    vq->used_idx = used;
    vq->in_use = vq->last_avail - used;
    vq->signalled_valid = false;
    vq->notification = true;
    if (ok && vq->in_use > vq->num) {
        ok = queue_error(vq, "the used index contradicts what was popped", vq->in_use);
    }
    if (!ok) {
        vq->in_use = 0;
    }
    return ok;
}
