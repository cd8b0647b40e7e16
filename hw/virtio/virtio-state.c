/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio device's part of the stream. The format is hand-made and older than vmstate tables:
 *
 *   transport's state (PCI configuration, MSI-X, vector)
 *   u8 status, u8 isr, u16 queue_sel, u32 features 31:0, u32 length of the configuration, the configuration
 *   u32 number of queues; each: u32 size, u64 descriptors, u16 last avail, transport's state (vector)
 *   the device's own fields and subsections
 *   subsections "virtio/…": what came later
 *
 * Used indexes are not in the stream: they are in guest RAM, which has been loaded before.
 */
#include <inttypes.h>

#include "hw/virtio/virtio.h"
#include "migration/stream.h"
#include "migration/vmstate.h"

static bool is_ring_size(uint32_t num)
{
    return num && num <= VIRTQUEUE_MAX_SIZE && !(num & (num - 1));
}

/* ---- Subsections ---- */

static bool has_64bit_features(const void *opaque)
{
    return ((const struct virtio_device *)opaque)->host_features >> 32;
}

static const struct vmstate_description vmstate_64bit_features = {
    .name = "virtio/64bit_features",
    .version = 1,
    .minimum_version = 1,
    .needed = has_64bit_features,
    .fields = (const struct vmstate_field[]){ VMSTATE_UINT64(guest_features, struct virtio_device), VMSTATE_END },
};

/* The rings that only version 1 places freely; for every queue that a device could have. */
static void rings_put(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)
{
    const struct virtio_device *vdev = element;

    for (unsigned n = 0; n < VIRTIO_QUEUE_MAX; n++) {
        stream_put_u64(s, n < vdev->queue_count ? vdev->queues[n].avail : 0);
        stream_put_u64(s, n < vdev->queue_count ? vdev->queues[n].used : 0);
    }
}

static bool rings_get(struct stream *s, void *element, size_t size, const struct vmstate_field *field, GError **error)
{
    struct virtio_device *vdev = element;

    for (unsigned n = 0; n < VIRTIO_QUEUE_MAX; n++) {
        hwaddr avail = stream_get_u64(s), used = stream_get_u64(s);

        if (n < vdev->queue_count) {
            vdev->queues[n].avail = avail;
            vdev->queues[n].used = used;
        }
    }
    return true;
}

static bool has_version_1(const void *opaque)
{
    return ((const struct virtio_device *)opaque)->host_features >> VIRTIO_F_VERSION_1 & 1;
}

static const struct vmstate_info rings_info = { .name = "virtqueues", .get = rings_get, .put = rings_put };
static const struct vmstate_description vmstate_virtqueues = {
    .name = "virtio/virtqueues",
    .version = 1,
    .minimum_version = 1,
    .needed = has_version_1,
    .fields =
        (const struct vmstate_field[]){ VMSTATE_CUSTOM_WHOLE("vq", struct virtio_device, rings_info), VMSTATE_END },
};

static void ringsize_put(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)
{
    const struct virtio_device *vdev = element;

    for (unsigned n = 0; n < VIRTIO_QUEUE_MAX; n++) {
        stream_put_u32(s, n < vdev->queue_count ? vdev->queues[n].num_default : 0);
    }
}

static bool ringsize_get(struct stream *s, void *element, size_t size, const struct vmstate_field *field,
                         GError **error)
{
    struct virtio_device *vdev = element;

    for (unsigned n = 0; n < VIRTIO_QUEUE_MAX; n++) {
        uint32_t num = stream_get_u32(s);

        if (n < vdev->queue_count) {
            if (!is_ring_size(num)) {
                return error_setf(error, "queue %u: default size %u is not a power of two up to %u", n, num,
                                  VIRTQUEUE_MAX_SIZE);
            }
            vdev->queues[n].num_default = num;
        }
    }
    return true;
}

static bool has_odd_ringsize(const void *opaque)
{
    const struct virtio_device *vdev = opaque;

    for (unsigned n = 0; n < vdev->queue_count; n++) {
        if (vdev->queues[n].num != vdev->queues[n].num_default) {
            return true;
        }
    }
    return false;
}

static const struct vmstate_info ringsize_info = { .name = "ringsize", .get = ringsize_get, .put = ringsize_put };
static const struct vmstate_description vmstate_ringsize = {
    .name = "virtio/ringsize",
    .version = 1,
    .minimum_version = 1,
    .needed = has_odd_ringsize,
    .fields = (const struct vmstate_field[]){ VMSTATE_CUSTOM_WHOLE("vq", struct virtio_device, ringsize_info),
                                              VMSTATE_END },
};

static bool is_broken(const void *opaque)
{
    return virtio_is_broken(opaque);
}

static const struct vmstate_description vmstate_broken = {
    .name = "virtio/broken",
    .version = 1,
    .minimum_version = 1,
    .needed = is_broken,
    .fields = (const struct vmstate_field[]){ VMSTATE_BOOL(broken, struct virtio_device), VMSTATE_END },
};

static void extra_put(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)
{
    struct virtio_device *vdev = (struct virtio_device *)element;
    g_autoptr(GError) error = NULL;

    if (!vmstate_save_body(s, vdev->transport->extra_state, vdev->transport->extra_opaque(vdev), NULL, &error)) {
        stream_set_error(s, "%s", error->message);
    }
}

static bool extra_get(struct stream *s, void *element, size_t size, const struct vmstate_field *field, GError **error)
{
    struct virtio_device *vdev = element;

    return vmstate_load_body(s, vdev->transport->extra_state, vdev->transport->extra_opaque(vdev), 1, error);
}

static bool has_extra(const void *opaque)
{
    return ((const struct virtio_device *)opaque)->transport->extra_state;
}

static const struct vmstate_info extra_info = { .name = "virtqueue extra state", .get = extra_get, .put = extra_put };
static const struct vmstate_description vmstate_extra = {
    .name = "virtio/extra_state",
    .version = 1,
    .minimum_version = 1,
    .needed = has_extra,
    .fields = (const struct vmstate_field[]){ VMSTATE_CUSTOM_WHOLE("extra_state", struct virtio_device, extra_info),
                                              VMSTATE_END },
};

static bool is_started(const void *opaque)
{
    return ((const struct virtio_device *)opaque)->started;
}

static const struct vmstate_description vmstate_started = {
    .name = "virtio/started",
    .version = 1,
    .minimum_version = 1,
    .needed = is_started,
    .fields = (const struct vmstate_field[]){ VMSTATE_BOOL(started, struct virtio_device), VMSTATE_END },
};

static bool is_disabled(const void *opaque)
{
    return ((const struct virtio_device *)opaque)->disabled;
}

static const struct vmstate_description vmstate_disabled = {
    .name = "virtio/disabled",
    .version = 1,
    .minimum_version = 1,
    .needed = is_disabled,
    .fields = (const struct vmstate_field[]){ VMSTATE_BOOL(disabled, struct virtio_device), VMSTATE_END },
};

static const struct vmstate_description vmstate_virtio = {
    .name = "virtio",
    .version = 1,
    .minimum_version = 1,
    .fields = (const struct vmstate_field[]){ VMSTATE_END },
    .subsections = (const struct vmstate_description *const[]){ &vmstate_64bit_features, &vmstate_virtqueues,
                                                                &vmstate_ringsize, &vmstate_broken, &vmstate_extra,
                                                                &vmstate_started, &vmstate_disabled, NULL },
};

/* ---- Save ---- */

static void save_vmstate(struct stream *s, const struct vmstate_description *vmsd, void *opaque)
{
    g_autoptr(GError) error = NULL;

    if (vmsd && !vmstate_save_body(s, vmsd, opaque, NULL, &error)) {
        stream_set_error(s, "%s", error->message);
    }
}

void virtio_save(struct virtio_device *vdev, struct stream *s)
{
    uint8_t config[VIRTIO_CONFIG_MAX] = { 0 };

    vdev->transport->save_config(vdev, s);
    stream_put_u8(s, vdev->status);
    stream_put_u8(s, vdev->isr);
    stream_put_u16(s, vdev->queue_select);
    stream_put_u32(s, vdev->guest_features);
    vdev->ops->get_config(vdev, config);
    stream_put_u32(s, vdev->config_length);
    stream_put_buffer(s, config, vdev->config_length);
    stream_put_u32(s, vdev->queue_count);
    for (unsigned n = 0; n < vdev->queue_count; n++) {
        struct virtqueue *vq = &vdev->queues[n];

        stream_put_u32(s, vq->num);
        stream_put_u64(s, vq->desc);
        stream_put_u16(s, vq->last_avail);
        vdev->transport->save_queue(vq, s);
    }
    save_vmstate(s, vdev->ops->vmsd, vdev);
    save_vmstate(s, &vmstate_virtio, vdev);
}

/* ---- Load ---- */

static bool stream_ok(struct stream *s, const char *what, GError **error)
{
    return !stream_error(s) || error_setf(error, "%s: %s", what, stream_error(s)->message);
}

/* A copy of the configuration, which few devices need: their own fields hold what is in it. */
struct loaded_config {
    uint32_t length;
    uint8_t data[VIRTIO_CONFIG_MAX];
};

static bool load_header(struct virtio_device *vdev, struct stream *s, struct loaded_config *config, GError **error)
{

    vdev->status = stream_get_u8(s);
    vdev->isr = stream_get_u8(s);
    vdev->queue_select = stream_get_u16(s);
    if (vdev->queue_select >= VIRTIO_QUEUE_MAX) {
        return error_setf(error, "queue_sel is %u, expected less than %u", vdev->queue_select, VIRTIO_QUEUE_MAX);
    }
    vdev->guest_features = stream_get_u32(s);
    config->length = stream_get_u32(s);
    if (config->length > VIRTIO_CONFIG_MAX) {
        return error_setf(error, "the configuration has %u bytes, expected at most %u", config->length,
                          VIRTIO_CONFIG_MAX);
    }
    stream_get_buffer(s, config->data, config->length);
    return stream_ok(s, "virtio header", error);
}

static bool load_queue(struct virtio_device *vdev, struct virtqueue *vq, struct stream *s, GError **error)
{
    uint32_t num = stream_get_u32(s);
    hwaddr desc = stream_get_u64(s);
    uint16_t last_avail = stream_get_u16(s);

    if (!is_ring_size(num)) {
        return error_setf(error, "queue %u: size %u is not a power of two up to %u", vq->index, num,
                          VIRTQUEUE_MAX_SIZE);
    }
    if (!desc && last_avail) {
        return error_setf(error, "queue %u: last avail index is %u, but there is no ring", vq->index, last_avail);
    }
    vq->num = num;
    if (desc) {
        virtio_queue_set_legacy_address(vq, desc); /* "virtio/virtqueues" knows better, where it follows */
    } else {
        vq->desc = vq->avail = vq->used = 0;
    }
    vq->last_avail = last_avail;
    return vdev->transport->load_queue(vq, s, error);
}

static bool load_queues(struct virtio_device *vdev, struct stream *s, GError **error)
{
    uint32_t count = stream_get_u32(s);

    if (count != vdev->queue_count) {
        return error_setf(error, "the stream has %u virtqueues, this device has %u (are its properties the same?)",
                          count, vdev->queue_count);
    }
    for (unsigned n = 0; n < count; n++) {
        if (!load_queue(vdev, &vdev->queues[n], s, error)) {
            return false;
        }
    }
    return stream_ok(s, "virtqueues", error);
}

static bool load_check(struct virtio_device *vdev, GError **error)
{
    if (vdev->guest_features & ~vdev->host_features) {
        return error_setf(error, "features 0x%" PRIx64 " are not all among 0x%" PRIx64 ", which this device offers",
                          vdev->guest_features, vdev->host_features);
    }
    /* Ring indexes are the guest's, wrong ones are its fault: the device then needs a reset, the VM lives on. */
    for (unsigned n = 0; n < vdev->queue_count; n++) {
        if (virtqueue_ready(&vdev->queues[n])) {
            virtqueue_sync_indexes(&vdev->queues[n]);
        }
    }
    return !vdev->ops->post_load || vdev->ops->post_load(vdev, error);
}

/* What a stream leaves out is false there, whatever the registers said here before (a board sets up the BARs). */
static void forget_flags(struct virtio_device *vdev)
{
    vdev->started = vdev->disabled = false;
    __atomic_store_n(&vdev->broken, false, __ATOMIC_RELEASE);
}

bool virtio_load(struct virtio_device *vdev, struct stream *s, GError **error)
{
    struct loaded_config config;

    forget_flags(vdev);
    if (!vdev->transport->load_config(vdev, s, error) || !load_header(vdev, s, &config, error) ||
        !load_queues(vdev, s, error) ||
        (vdev->ops->vmsd && !vmstate_load_body(s, vdev->ops->vmsd, vdev, vdev->ops->vmsd->version, error)) ||
        !vmstate_load_body(s, &vmstate_virtio, vdev, vmstate_virtio.version, error) || !load_check(vdev, error)) {
        return false;
    }
    if (vdev->ops->config_loaded) {
        vdev->ops->config_loaded(vdev, config.data, config.length);
    }
    return true;
}
