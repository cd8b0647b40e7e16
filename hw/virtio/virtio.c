/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio device as such (VIRTIO 1.2, chapters 2 and 3): status, features, configuration, queues and the threads
 * that serve them. Packed rings are left out.
 *
 * A queue is served where its kick arrives: in the iothread that it is bound to, else at once by the kicking vCPU,
 * and what exceeds one bounded batch by the main loop. A kick that the kernel takes (virtio-pci-events.c) arrives in the
 * iothread or the main loop. Kicks before DRIVER_OK or while the VM is stopped are
 * remembered by the ring itself: every queue is looked at when the device starts to run.
 */
#include <glib-unix.h>
#include <stdarg.h>
#include <string.h>

#include "hw/virtio/virtio.h"
#include "trace/hw_virtio.h"
#include "util/main-loop.h"

static bool should_run(const struct virtio_device *vdev)
{
    return (vdev->status & VIRTIO_CONFIG_S_DRIVER_OK) && vdev->vm_running && !virtio_is_broken(vdev) &&
           vdev->transport->dma_enabled(vdev);
}

/* ---- Serving queues ---- */

/* One bounded batch. If there is more, the kick is repeated, so that other work of the same thread gets its turn. */
static void queue_serve(struct virtqueue *vq)
{
    if (virtqueue_ready(vq) && vq->vdev->ops->handle_queue(vq->vdev, vq)) {
        event_notifier_set(&vq->kick);
    }
}

static gboolean queue_kicked(int fd, GIOCondition condition, gpointer opaque)
{
    struct virtqueue *vq = opaque;

    if (!event_notifier_test_and_clear(&vq->kick)) {
        return G_SOURCE_CONTINUE;
    }
    queue_serve(vq);
    return G_SOURCE_CONTINUE;
}

static void queue_attach(struct virtqueue *vq)
{
    struct virtio_device *vdev = vq->vdev;

    vq->iothread = vdev->ops->queue_iothread ? vdev->ops->queue_iothread(vdev, vq) : NULL;
    vq->source = g_unix_fd_source_new(vq->kick.fd, G_IO_IN);
    g_source_set_callback(vq->source, G_SOURCE_FUNC(queue_kicked), vq, NULL);
    g_source_attach(vq->source, vq->iothread ? iothread_context(vq->iothread) : NULL);
    event_notifier_set(&vq->kick); /* whatever came before */
    if (vdev->transport->queue_served) {
        vdev->transport->queue_served(vq, true);
    }
}

void virtio_queue_run(struct virtqueue *vq, void (*callback)(void *opaque), void *opaque)
{
    if (vq->source && vq->iothread) {
        iothread_run_sync(vq->iothread, callback, opaque);
    } else {
        callback(opaque);
    }
}

static void destroy_source(void *opaque)
{
    g_source_destroy(((struct virtqueue *)opaque)->source);
}

/* Returns once the handler no longer runs: it is the queue's own thread that takes the source away. */
static void queue_detach(struct virtqueue *vq)
{
    virtio_queue_run(vq, destroy_source, vq);
    g_source_unref(vq->source);
    vq->source = NULL;
    vq->iothread = NULL;
    if (vq->vdev->transport->queue_served) {
        vq->vdev->transport->queue_served(vq, false);
    }
}

void virtio_queue_update(struct virtqueue *vq)
{
    bool want = vq->vdev->running && vq->desc && vq->num;

    if (want && !vq->source) {
        queue_attach(vq);
    } else if (!want && vq->source) {
        queue_detach(vq);
    }
}

/* What the iothreads could not do without the big lock: interrupts, and the fall of the device. */
static void deliver_deferred(struct virtio_device *vdev)
{
    for (unsigned n = 0; n < vdev->queue_count; n++) {
        if (__atomic_exchange_n(&vdev->queues[n].interrupt_wanted, false, __ATOMIC_ACQ_REL)) {
            vdev->isr |= 1;
            vdev->transport->notify(vdev, vdev->queues[n].vector);
        }
    }
    if (virtio_is_broken(vdev) && !vdev->broken_reported) {
        vdev->broken_reported = true;
        if (virtio_has_feature(vdev, VIRTIO_F_VERSION_1)) {
            vdev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
            virtio_notify_config(vdev);
        }
    }
}

static gboolean deferred_ready(int fd, GIOCondition condition, gpointer opaque)
{
    struct virtio_device *vdev = opaque;

    event_notifier_test_and_clear(&vdev->deferred);
    deliver_deferred(vdev);
    return G_SOURCE_CONTINUE;
}

/* The device starts or stops to run; idempotent. */
void virtio_update_running(struct virtio_device *vdev)
{
    bool run = should_run(vdev);

    if (run == vdev->running) {
        return;
    }
    trace_virtio_running(vdev->ops->name, run);
    vdev->running = run;
    if (run && vdev->ops->running_changed) {
        vdev->ops->running_changed(vdev, true);
    }
    for (unsigned n = 0; n < vdev->queue_count; n++) {
        virtio_queue_update(&vdev->queues[n]);
    }
    if (!run) {
        if (vdev->ops->running_changed) {
            vdev->ops->running_changed(vdev, false); /* what was in flight may end here, on its thread */
        }
        deliver_deferred(vdev); /* the interrupt's state migrates, the wish for it does not */
    }
}

static void vm_state_changed(void *opaque, bool running, RunState state)
{
    struct virtio_device *vdev = opaque;

    vdev->vm_running = running;
    virtio_update_running(vdev);
}

void virtio_queue_notify(struct virtio_device *vdev, unsigned index)
{
    struct virtqueue *vq = virtio_queue(vdev, index);

    trace_virtio_kick(vdev->ops->name, index);
    if (!vq || !vq->source) {
        return; /* not now: the ring is looked at when the queue starts */
    }
    if (vq->iothread) {
        event_notifier_set(&vq->kick);
    } else {
        queue_serve(vq);
    }
}

/* ---- Status, features, configuration ---- */

void virtio_error(struct virtio_device *vdev, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    guest_error("%s: %s: the device needs a reset", vdev->ops->name, text);
    __atomic_store_n(&vdev->broken, true, __ATOMIC_RELEASE);
    event_notifier_set(&vdev->deferred);
}

void virtio_notify_config(struct virtio_device *vdev)
{
    if (!(vdev->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
        return;
    }
    vdev->generation++;
    vdev->isr |= 3; /* the queue bit too: some drivers look at nothing else */
    vdev->transport->notify(vdev, vdev->config_vector);
}

void virtio_reset(struct virtio_device *vdev)
{
    trace_virtio_reset(vdev->ops->name);
    vdev->status = 0;
    virtio_update_running(vdev); /* queues stop first */
    vdev->status = 0;            /* and may have left NEEDS_RESET behind */
    if (vdev->ops->reset) {
        vdev->ops->reset(vdev);
    }
    vdev->guest_features = 0;
    vdev->queue_select = 0;
    vdev->isr = 0;
    vdev->started = false;
    vdev->config_vector = VIRTIO_NO_VECTOR;
    __atomic_store_n(&vdev->broken, false, __ATOMIC_RELEASE);
    vdev->broken_reported = false;
    event_notifier_test_and_clear(&vdev->deferred);
    for (unsigned n = 0; n < vdev->queue_count; n++) {
        virtqueue_clear(&vdev->queues[n]);
    }
    vdev->transport->notify(vdev, VIRTIO_NO_VECTOR); /* isr is 0 now: the line falls */
}

/* 3.1.1: a driver that speaks version 1 learns by a missing FEATURES_OK that its choice will not do. */
static bool features_acceptable(const struct virtio_device *vdev)
{
    return virtio_has_feature(vdev, VIRTIO_F_VERSION_1) ||
           !virtio_has_feature(vdev, VIRTIO_F_RING_RESET_BIT);
}

void virtio_set_status(struct virtio_device *vdev, uint8_t status)
{
    if (status == 0) {
        virtio_reset(vdev);
        return;
    }
    if ((status & VIRTIO_CONFIG_S_FEATURES_OK) && !(vdev->status & VIRTIO_CONFIG_S_FEATURES_OK) &&
        !features_acceptable(vdev)) {
        guest_error("%s: features 0x%" G_GINT64_MODIFIER "x contradict each other", vdev->ops->name,
                    vdev->guest_features);
        status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
    }
    trace_virtio_status(vdev->ops->name, status);
    /*
     * 2.1.1: a driver clears no bit but by a reset. It cannot: what was negotiated and popped under DRIVER_OK stays
     * as it is until then. NEEDS_RESET is the device's to set.
     */
    vdev->status |= status & ~VIRTIO_CONFIG_S_NEEDS_RESET;
    vdev->started = vdev->status & VIRTIO_CONFIG_S_DRIVER_OK;
    virtio_update_running(vdev);
}

void virtio_set_features(struct virtio_device *vdev, uint64_t features)
{
    /* 3.1.1, 2.2.1: no change once the choice is sealed. Legacy drivers have only DRIVER_OK for a seal. */
    if (vdev->status & (VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)) {
        guest_error("%s: features written after they were settled", vdev->ops->name);
        return;
    }
    vdev->guest_features = features & vdev->host_features;
}

uint32_t virtio_config_read(struct virtio_device *vdev, uint32_t offset, unsigned size)
{
    uint8_t config[VIRTIO_CONFIG_MAX] = { 0 };
    uint32_t value = 0;

    vdev->ops->get_config(vdev, config);
    for (unsigned i = 0; i < size && i < 4; i++) {
        value |= (uint32_t)(offset + i < vdev->config_length ? config[offset + i] : 0xff) << 8 * i;
    }
    return value;
}

void virtio_config_write(struct virtio_device *vdev, uint32_t offset, uint32_t value, unsigned size)
{
    uint8_t config[VIRTIO_CONFIG_MAX] = { 0 };

    vdev->ops->get_config(vdev, config);
    for (unsigned i = 0; i < size && i < 4 && offset + i < vdev->config_length; i++) {
        config[offset + i] = value >> 8 * i;
    }
    vdev->ops->set_config(vdev, config);
}

/* ---- Queues ---- */

struct virtqueue *virtio_queue(struct virtio_device *vdev, unsigned index)
{
    return index < vdev->queue_count ? &vdev->queues[index] : NULL;
}

/* A ring that is in use is not to be changed under its server's feet; drivers have no reason to. */
static bool queue_may_change(const struct virtqueue *vq)
{
    if (vq->vdev->running && vq->desc) {
        guest_error("%s: queue %u set up while it is in use", vq->vdev->ops->name, vq->index);
        return false;
    }
    return true;
}

void virtio_queue_set_rings(struct virtqueue *vq, hwaddr desc, hwaddr avail, hwaddr used)
{
    if (!queue_may_change(vq)) {
        return;
    }
    vq->desc = desc;
    vq->avail = avail;
    vq->used = used;
}

void virtio_queue_set_legacy_address(struct virtqueue *vq, hwaddr desc)
{
    /* 2.7.2: avail behind the descriptors, used on the next 4096-byte boundary behind avail and used_event. */
    hwaddr avail = desc + (hwaddr)vq->num * 16;
    hwaddr used = (avail + 2 * (3 + (hwaddr)vq->num) + 4095) & ~4095ull;

    if (!desc) {
        virtio_queue_reset(vq);
        return;
    }
    virtio_queue_set_rings(vq, desc, avail, used);
    virtio_queue_enable(vq);
}

bool virtio_queue_set_size(struct virtqueue *vq, uint16_t num)
{
    if (!queue_may_change(vq)) {
        return false;
    }
    if (!num || num > vq->num_default || (num & (num - 1))) {
        guest_error("%s: queue %u: size %u is not a power of two up to %u", vq->vdev->ops->name, vq->index, num,
                    vq->num_default);
        return false;
    }
    vq->num = num;
    return true;
}

void virtio_queue_enable(struct virtqueue *vq)
{
    virtio_queue_update(vq);
}

void virtio_queue_reset(struct virtqueue *vq)
{
    uint16_t vector = vq->vector;

    vq->desc = 0;
    virtio_queue_update(vq); /* waits for the handler */
    if (vq->vdev->ops->reset_queue) {
        vq->vdev->ops->reset_queue(vq->vdev, vq);
    }
    virtqueue_clear(vq);
    vq->vector = vector;
}

/* ---- Life ---- */

static bool init_notifiers(struct virtio_device *vdev, GError **error)
{
    if (!event_notifier_init(&vdev->deferred, error)) {
        return false;
    }
    vdev->deferred_source = main_loop_watch_fd(vdev->deferred.fd, G_IO_IN, deferred_ready, vdev);
    return true;
}

bool virtio_init(struct virtio_device *vdev, struct device *device, const struct virtio_device_ops *ops,
                 const struct virtio_transport_ops *transport, uint32_t config_length, GError **error)
{
    g_assert(config_length <= VIRTIO_CONFIG_MAX);
    vdev->ops = ops;
    vdev->transport = transport;
    vdev->device = device;
    vdev->config_length = config_length;
    vdev->config_vector = VIRTIO_NO_VECTOR;
    if (!init_notifiers(vdev, error)) {
        return false;
    }
    vdev->vm_running = runstate_is_running();
    vdev->listener = (struct runstate_listener){ .changed = vm_state_changed, .opaque = vdev };
    runstate_listener_add(&vdev->listener);
    return true;
}

char *virtio_backend_path(const struct device *device)
{
    g_autofree char *path = device_path(device);

    return path ? g_strconcat(path, "/virtio-backend", NULL) : NULL;
}

bool virtio_add_queue(struct virtio_device *vdev, uint16_t size, GError **error)
{
    unsigned n = vdev->queue_count;
    struct virtqueue *vq;

    g_assert(size && size <= VIRTQUEUE_MAX_SIZE && !(size & (size - 1)) && !vdev->running);
    if (n == 0) {
        vdev->queues = g_new0(struct virtqueue, 8); /* sources and notifiers point into it: it never moves */
    }
    g_assert(n < 8);
    vq = &vdev->queues[n];
    *vq = (struct virtqueue){ .vdev = vdev, .index = n, .num_default = size };
    if (!event_notifier_init(&vq->kick, error)) {
        return false;
    }
    if (!event_notifier_init(&vq->call, error)) {
        event_notifier_cleanup(&vq->kick);
        return false;
    }
    vq->segments = g_new(struct virtio_segment, VIRTQUEUE_MAX_SIZE);
    virtqueue_clear(vq);
    vdev->queue_count++;
    return true;
}

void virtio_cleanup(struct virtio_device *vdev)
{
    vdev->status = 0;
    virtio_update_running(vdev);
    runstate_listener_remove(&vdev->listener);
    for (unsigned n = 0; n < vdev->queue_count; n++) {
        struct virtqueue *vq = &vdev->queues[n];

        event_notifier_cleanup(&vq->kick);
        event_notifier_cleanup(&vq->call);
        g_free(vq->segments);
    }
    g_free(vdev->queues);
    vdev->queues = NULL;
    vdev->queue_count = 0;
    if (vdev->deferred_source) {
        g_source_remove(vdev->deferred_source);
        event_notifier_cleanup(&vdev->deferred);
        vdev->deferred_source = 0;
    }
}
