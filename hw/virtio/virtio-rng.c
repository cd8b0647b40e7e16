/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The entropy device (VIRTIO 1.2, 5.4): the driver offers buffers, the device fills them, wholly or not, with bytes of
 * a source of the host. At most max-bytes in each period, so that a guest cannot drain the host's.
 */
#include "hw/virtio/virtio-rng.h"

#include "system/object.h"
#include "trace/hw_virtio.h"

#define QUEUE_SIZE       8
#define BYTES_PER_BUFFER 4096 /* more the driver asks for again */
#define BUFFERS_PER_BATCH 16

static void rng_ready(void *opaque)
{
    struct virtio_rng *r = opaque;

    if (r->vdev.running) {
        event_notifier_set(&virtio_queue(&r->vdev, 0)->kick);
    }
}

static void refill(void *opaque)
{
    struct virtio_rng *r = opaque;

    r->quota = r->max_bytes;
    rng_ready(r);
}

static void spend(struct virtio_rng *r, size_t bytes)
{
    r->quota -= bytes;
    if (!timer_pending(&r->refill)) {
        timer_set(&r->refill, vm_clock_ns(VM_CLOCK_VIRTUAL) + r->period_ms * NSEC_PER_MSEC);
    }
}

/* Fills a buffer; false: the source has nothing now, and the buffer waits in the ring. */
static bool fill(struct virtio_rng *r, struct virtqueue *vq, const struct virtqueue_element *element)
{
    uint8_t data[BYTES_PER_BUFFER];
    size_t n = MIN(MIN(element->in_length, sizeof(data)), r->quota);

    if (!n) {
        virtio_error(&r->vdev, "a buffer for entropy without a writable byte");
        return false;
    }
    n = rng_read(r->rng, data, n, rng_ready, r);
    if (!n) {
        virtqueue_rewind(vq, 1);
        return false;
    }
    virtqueue_element_write(element, 0, data, n);
    virtqueue_push(vq, element->head, n);
    spend(r, n);
    trace_virtio_rng(n, r->quota);
    return true;
}

static bool rng_handle_queue(struct virtio_device *vdev, struct virtqueue *vq)
{
    struct virtio_rng *r = (struct virtio_rng *)vdev;
    struct virtqueue_element element;
    bool filled = true;

    for (unsigned i = 0; i < BUFFERS_PER_BATCH && filled && r->quota && virtqueue_pop(vq, &element); i++) {
        filled = fill(r, vq, &element);
    }
    virtqueue_notify(vq);
    return filled && r->quota && !virtqueue_empty(vq);
}

static void rng_get_config(struct virtio_device *vdev, uint8_t *config)
{
    /* there is none */
}

static void rng_set_config(struct virtio_device *vdev, const uint8_t *config)
{
    /* there is none */
}

/* A stream counts chains as popped that its sender had in hand: they are filled anew. */
static void rng_running_changed(struct virtio_device *vdev, bool running)
{
    if (running) {
        virtqueue_rewind(&vdev->queues[0], vdev->queues[0].in_use);
    }
}

static const struct virtio_device_ops rng_ops = {
    .device_id = VIRTIO_ID_RNG,
    .name = "virtio-rng",
    .get_config = rng_get_config,
    .set_config = rng_set_config,
    .handle_queue = rng_handle_queue,
    .running_changed = rng_running_changed,
};

static bool find_source(struct virtio_rng *r, GError **error)
{
    if (!r->rng_id) {
        r->rng = rng_default();
        return true;
    }
    r->rng = rng_find(r->rng_id);
    if (!r->rng) {
        return error_setf(error, "virtio-rng: rng='%s' is not a source of entropy (-object rng-random,id=%s makes one)",
                          r->rng_id, r->rng_id);
    }
    r->held = object_hold(r->rng_id);
    return true;
}

bool virtio_rng_realize(struct virtio_device *vdev, struct device *device,
                        const struct virtio_transport_ops *transport, GError **error)
{
    struct virtio_rng *r = (struct virtio_rng *)vdev;

    if (!r->period_ms) {
        return error_setf(error, "'period' parameter expects a positive integer");
    }
    if (r->max_bytes > INT64_MAX) {
        return error_setf(error, "'max-bytes' parameter must be non-negative, and less than 2^63");
    }
    timer_init(&r->refill, VM_CLOCK_VIRTUAL, refill, r);
    r->quota = r->max_bytes;
    return find_source(r, error) && virtio_init(&r->vdev, device, &rng_ops, transport, 0, error) &&
           virtio_add_queue(&r->vdev, QUEUE_SIZE, error);
}

void virtio_rng_unrealize(struct virtio_device *vdev)
{
    struct virtio_rng *r = (struct virtio_rng *)vdev;

    if (!r->rng) {
        return;
    }
    if (r->vdev.ops) {
        virtio_cleanup(&r->vdev);
    }
    timer_cancel(&r->refill);
    rng_forget(r->rng, r);
    r->rng = NULL;
    if (r->held) {
        object_release(r->rng_id);
        r->held = false;
    }
}
