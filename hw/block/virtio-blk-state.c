/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device's own part of the stream: requests that wait to be repeated (whatever else was in flight has been waited
 * for when the VM stopped).
 *
 *   per request: u8 1, u32 queue (if there are several), the chain; at the end: u8 0
 *
 * A chain is a struct of QEMU 1.0's as it lay in memory (little-endian): u32 head, number of readable and of writable
 * descriptors, 4 bytes of padding; 1024 u64 addresses of writable and 1024 of readable ones; 1024 each of { u64
 * unused, u64 length }, in the same order.
 */
#include <string.h>

#include "hw/block/virtio-blk.h"
#include "migration/stream.h"
#include "migration/vmstate.h"
#include "util/bytes.h"

enum {
    CHAIN_OUT_COUNT = 4,
    CHAIN_IN_COUNT = 8,
    CHAIN_IN_ADDRESS = 16,
    CHAIN_OUT_ADDRESS = CHAIN_IN_ADDRESS + 8 * VIRTQUEUE_MAX_SIZE,
    CHAIN_IN_VECTOR = CHAIN_OUT_ADDRESS + 8 * VIRTQUEUE_MAX_SIZE,
    CHAIN_OUT_VECTOR = CHAIN_IN_VECTOR + 16 * VIRTQUEUE_MAX_SIZE,
    CHAIN_SIZE = CHAIN_OUT_VECTOR + 16 * VIRTQUEUE_MAX_SIZE,
};

/* ---- Save ---- */

static void put_segments(uint8_t *chain, const struct virtio_segment *segments, unsigned count, unsigned addresses,
                         unsigned vectors)
{
    for (unsigned n = 0; n < count; n++) {
        store_le64(chain + addresses + 8 * n, segments[n].gpa);
        store_le64(chain + vectors + 16 * n + 8, segments[n].length);
    }
}

static void put_request(struct stream *s, const struct virtio_blk_request *req)
{
    const struct virtqueue_element *element = &req->element;
    g_autofree uint8_t *chain = g_malloc0(CHAIN_SIZE);

    stream_put_u8(s, 1);
    if (req->dev->num_queues > 1) {
        stream_put_u32(s, req->vq->index);
    }
    store_le32(chain, element->head);
    store_le32(chain + CHAIN_OUT_COUNT, element->out_count);
    store_le32(chain + CHAIN_IN_COUNT, element->in_count);
    put_segments(chain, element->segments, element->out_count, CHAIN_OUT_ADDRESS, CHAIN_OUT_VECTOR);
    put_segments(chain, element->segments + element->out_count, element->in_count, CHAIN_IN_ADDRESS, CHAIN_IN_VECTOR);
    stream_put_buffer(s, chain, CHAIN_SIZE);
}

/* The latest first, as QEMU does: a loader puts each in front of those before it. */
static void requests_put(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)
{
    const struct virtio_blk *b = element;
    g_autoptr(GPtrArray) requests = g_ptr_array_new();

    for (unsigned queue = 0; queue < b->num_queues; queue++) {
        for (struct virtio_blk_request *req = b->retry[queue]; req; req = req->next) {
            g_ptr_array_add(requests, req);
        }
    }
    for (guint n = requests->len; n > 0; n--) {
        put_request(s, requests->pdata[n - 1]);
    }
    stream_put_u8(s, 0);
}

/* ---- Load ---- */

static bool get_segments(const uint8_t *chain, struct virtio_segment *segments, unsigned count, unsigned addresses,
                         unsigned vectors, uint64_t *total, GError **error)
{
    for (unsigned n = 0; n < count; n++) {
        uint64_t length = load_le64(chain + vectors + 16 * n + 8);

        if (!length || length > UINT32_MAX) {
            return error_setf(error, "request: a descriptor's length is %" G_GUINT64_FORMAT ", expected 1 to %u",
                              length, UINT32_MAX);
        }
        segments[n] = (struct virtio_segment){ load_le64(chain + addresses + 8 * n), length };
        *total += length;
    }
    return true;
}

static bool get_chain(struct virtio_blk *b, struct virtqueue *vq, const uint8_t *chain, GError **error)
{
    uint32_t head = load_le32(chain), out = load_le32(chain + CHAIN_OUT_COUNT),
             in = load_le32(chain + CHAIN_IN_COUNT);
    g_autofree struct virtio_segment *segments = g_new(struct virtio_segment, VIRTQUEUE_MAX_SIZE);
    struct virtqueue_element element = { .head = head, .out_count = out, .in_count = in, .segments = segments };
    struct virtio_blk_request *req;

    if (head >= vq->num || out > VIRTQUEUE_MAX_SIZE || in > VIRTQUEUE_MAX_SIZE - out) {
        return error_setf(error, "request: head %u of %u, %u readable and %u writable descriptors of %u", head,
                          vq->num, out, in, VIRTQUEUE_MAX_SIZE);
    }
    if (!get_segments(chain, segments, out, CHAIN_OUT_ADDRESS, CHAIN_OUT_VECTOR, &element.out_length, error) ||
        !get_segments(chain, segments + out, in, CHAIN_IN_ADDRESS, CHAIN_IN_VECTOR, &element.in_length, error)) {
        return false;
    }
    req = virtio_blk_request_new(b, vq, &element);
    req->next = b->loaded;
    b->loaded = req;
    return true;
}

void virtio_blk_loaded_drop(struct virtio_blk *b)
{
    while (b->loaded) {
        struct virtio_blk_request *req = b->loaded;

        b->loaded = req->next;
        virtio_blk_request_free(req);
    }
}

static bool requests_get(struct stream *s, void *opaque, size_t size, const struct vmstate_field *field,
                         GError **error)
{
    struct virtio_blk *b = opaque;
    g_autofree uint8_t *chain = g_malloc(CHAIN_SIZE);
    unsigned left = 0;

    virtio_blk_loaded_drop(b);
    for (unsigned n = 0; n < b->num_queues; n++) {
        left += b->vdev.queues[n].num;
    }
    for (uint8_t more; (more = stream_get_u8(s)) && !stream_error(s);) {
        uint32_t queue = b->num_queues > 1 ? stream_get_u32(s) : 0;

        if (more != 1 || queue >= b->num_queues || !left--) {
            return error_setf(error, "request: mark %u, queue %u of %u, or more of them than rings hold", more, queue,
                              b->num_queues);
        }
        stream_get_buffer(s, chain, CHAIN_SIZE);
        if (!stream_error(s) && !get_chain(b, &b->vdev.queues[queue], chain, error)) {
            return false;
        }
    }
    return true; /* the stream's own error ends the load */
}

static const struct vmstate_info requests_info = { .name = "virtio-blk requests",
                                                   .get = requests_get,
                                                   .put = requests_put };

const struct vmstate_description vmstate_virtio_blk_requests = {
    .name = "virtio-blk-device",
    .version = 1,
    .minimum_version = 1,
    .fields =
        (const struct vmstate_field[]){
            VMSTATE_CUSTOM_WHOLE("requests", struct virtio_blk, requests_info),
            VMSTATE_END,
        },
};

/* Every request was popped: the ring must say so, too, or pushing it would count below zero. */
bool virtio_blk_post_load(struct virtio_device *vdev, GError **error)
{
    struct virtio_blk *b = (struct virtio_blk *)vdev;
    unsigned counts[VIRTIO_PCI_QUEUES] = { 0 };

    for (unsigned n = 0; n < b->num_queues; n++) {
        virtio_blk_retry_drop(b, n);
    }
    for (struct virtio_blk_request *req = b->loaded; req; req = req->next) {
        unsigned queue = req->vq->index;

        if (++counts[queue] > req->vq->in_use && virtqueue_ready(req->vq)) {
            return error_setf(error, "queue %u: the stream has %u requests or more, the ring %u that are in use",
                              queue, counts[queue], req->vq->in_use);
        }
    }
    while (b->loaded) { /* the latest comes first: QEMU's order is that of failure, latest first, too */
        struct virtio_blk_request *req = b->loaded;

        b->loaded = req->next;
        if (virtqueue_ready(req->vq)) {
            virtio_blk_retry_append(req);
        } else {
            virtio_blk_request_free(req);
        }
    }
    return true;
}
