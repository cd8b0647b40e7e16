/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The block device (VIRTIO 1.2, 5.2): features, configuration, life; requests are in virtio-blk-request.c, the stream
 * in virtio-blk-state.c. Left out: SIZE_MAX, SECURE_ERASE, zones, LIFETIME, and the SCSI commands of legacy drivers
 * (the feature bit is offered where QEMU 7.2 offers it, for streams to match, and such a request is unsupported).
 *
 * With iothread= the queues, and with them the backend, are that thread's while the device runs. When it stops,
 * everything in flight is waited for; what failed by then and is to be repeated waits in `retry`.
 */
#include <string.h>

#include "hw/block/virtio-blk.h"
#include "hw/core/machine.h"
#include "util/iothread.h"

#define BLOCK_SIZE_MAX (2u << 20)
#define DISCARD_MAX    (INT32_MAX / BLOCK_SECTOR) /* sectors */
#define QUEUES_AUTO    0xffff

/* ---- Configuration ---- */

static uint32_t discard_alignment(const struct virtio_blk *b)
{
    bool given = b->discard_granularity != UINT32_MAX && b->report_discard_granularity;

    return (given ? b->discard_granularity : b->logical_block_size) / BLOCK_SECTOR;
}

static void blk_get_config(struct virtio_device *vdev, uint8_t *config)
{
    const struct virtio_blk *b = (struct virtio_blk *)vdev;
    struct virtio_blk_config c = {
        .capacity = block_backend_length(b->blk) / BLOCK_SECTOR,
        .seg_max = (b->seg_max_adjust ? b->queue_size : 128) - 2,
        .geometry = { .cylinders = b->cylinders, .heads = b->heads, .sectors = b->sectors },
        .blk_size = b->logical_block_size,
        .physical_block_exp = __builtin_ctzll(b->physical_block_size / b->logical_block_size),
        .min_io_size = b->min_io_size / b->logical_block_size,
        .opt_io_size = b->opt_io_size / b->logical_block_size,
        .wce = block_backend_write_cache(b->blk),
        .num_queues = b->num_queues,
    };

    c.geometry.sectors &= ~(b->logical_block_size / BLOCK_SECTOR - 1);
    if (b->discard) {
        c.max_discard_sectors = b->max_discard_sectors;
        c.max_discard_seg = 1;
        c.discard_sector_alignment = discard_alignment(b);
    }
    if (b->write_zeroes) {
        c.max_write_zeroes_sectors = b->max_write_zeroes_sectors;
        c.max_write_zeroes_seg = 1;
        c.write_zeroes_may_unmap = 1;
    }
    memcpy(config, &c, vdev->config_length);
}

static void set_wce(struct virtio_blk *b, const uint8_t *config)
{
    if (virtio_has_feature(&b->vdev, VIRTIO_BLK_F_CONFIG_WCE)) {
        block_backend_set_write_cache(b->blk, config[offsetof(struct virtio_blk_config, wce)]);
    }
}

static void blk_set_config(struct virtio_device *vdev, const uint8_t *config)
{
    set_wce((struct virtio_blk *)vdev, config); /* all else is read-only */
}

/* 5.2.5.2: a driver that cannot switch the cache has one if it can flush it. */
static void settle_wce(struct virtio_blk *b)
{
    if (!virtio_has_feature(&b->vdev, VIRTIO_BLK_F_CONFIG_WCE)) {
        block_backend_set_write_cache(b->blk, virtio_has_feature(&b->vdev, VIRTIO_BLK_F_FLUSH));
    }
}

/* Nothing but the configuration says in a stream how the guest left the cache. */
static void blk_config_loaded(struct virtio_device *vdev, const uint8_t *config, uint32_t length)
{
    if (length > offsetof(struct virtio_blk_config, wce)) {
        set_wce((struct virtio_blk *)vdev, config);
    }
    if (vdev->status & VIRTIO_CONFIG_S_DRIVER_OK) {
        settle_wce((struct virtio_blk *)vdev);
    }
}

/* The fields behind num_queues came with discard and write-zeroes. */
static uint32_t config_length(const struct virtio_blk *b)
{
    return b->write_zeroes ? offsetof(struct virtio_blk_config, write_zeroes_may_unmap) + 1
           : b->discard    ? offsetof(struct virtio_blk_config, max_write_zeroes_sectors)
                           : offsetof(struct virtio_blk_config, max_discard_sectors);
}

static uint64_t blk_features(const struct virtio_blk *b)
{
    bool modern = b->vdev.host_features >> VIRTIO_F_VERSION_1 & 1;

    return VIRTIO_FEATURE(VIRTIO_BLK_F_SEG_MAX) | VIRTIO_FEATURE(VIRTIO_BLK_F_GEOMETRY) |
           VIRTIO_FEATURE(VIRTIO_BLK_F_TOPOLOGY) | VIRTIO_FEATURE(VIRTIO_BLK_F_BLK_SIZE) |
           (modern ? 0 : VIRTIO_FEATURE(VIRTIO_BLK_F_SCSI)) |
           (block_backend_write_cache(b->blk) || b->config_wce ? VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) : 0) |
           (b->config_wce ? VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE) : 0) |
           (block_backend_read_only(b->blk) ? VIRTIO_FEATURE(VIRTIO_BLK_F_RO) : 0) |
           (b->num_queues > 1 ? VIRTIO_FEATURE(VIRTIO_BLK_F_MQ) : 0) |
           (b->discard ? VIRTIO_FEATURE(VIRTIO_BLK_F_DISCARD) : 0) |
           (b->write_zeroes ? VIRTIO_FEATURE(VIRTIO_BLK_F_WRITE_ZEROES) : 0);
}

static void image_resized(void *opaque)
{
    struct virtio_blk *b = opaque;

    virtio_notify_config(&b->vdev);
}

static const struct block_backend_ops backend_ops = { .resized = image_resized };

/* ---- Start, stop, reset ---- */

static void blk_running_changed(struct virtio_device *vdev, bool running)
{
    struct virtio_blk *b = (struct virtio_blk *)vdev;

    if (!running) {
        block_backend_drain(b->blk);
        block_backend_set_iothread(b->blk, false);
        return;
    }
    settle_wce(b);
    block_backend_set_iothread(b->blk, true);
    b->repeat = ~0u;
}

static void blk_reset_queue(struct virtio_device *vdev, struct virtqueue *vq)
{
    struct virtio_blk *b = (struct virtio_blk *)vdev;

    block_backend_drain(b->blk); /* what is pushed now goes nowhere: the ring is gone */
    virtio_blk_retry_drop(b, vq->index);
}

static void blk_reset(struct virtio_device *vdev)
{
    struct virtio_blk *b = (struct virtio_blk *)vdev;

    for (unsigned n = 0; n < b->num_queues; n++) {
        virtio_blk_retry_drop(b, n);
    }
    block_backend_set_write_cache(b->blk, b->write_cache != ON_OFF_AUTO_OFF);
}

static struct iothread *blk_queue_iothread(struct virtio_device *vdev, const struct virtqueue *vq)
{
    return ((struct virtio_blk *)vdev)->iothread;
}

static const struct virtio_device_ops virtio_blk_ops = {
    .device_id = VIRTIO_ID_BLOCK,
    .name = "virtio-blk",
    .vmsd = &vmstate_virtio_blk_requests,
    .get_config = blk_get_config,
    .set_config = blk_set_config,
    .config_loaded = blk_config_loaded,
    .handle_queue = virtio_blk_handle_queue,
    .queue_iothread = blk_queue_iothread,
    .reset_queue = blk_reset_queue,
    .reset = blk_reset,
    .running_changed = blk_running_changed,
    .post_load = virtio_blk_post_load,
};

/* ---- Properties ---- */

static bool check_number(const char *name, uint64_t value, bool good, const char *want, GError **error)
{
    return good || error_setf(error, "virtio-blk: %s=%" G_GUINT64_FORMAT " is not %s", name, value, want);
}

static bool is_block_size(uint64_t n)
{
    return n >= BLOCK_SECTOR && n <= BLOCK_SIZE_MAX && !(n & (n - 1));
}

static bool check_sizes(struct virtio_blk *b, GError **error)
{
    uint64_t logical, physical;

    b->logical_block_size = logical = b->logical_block_size ? b->logical_block_size : BLOCK_SECTOR;
    b->physical_block_size = physical = b->physical_block_size ? b->physical_block_size : MAX(logical, BLOCK_SECTOR);
    return check_number("logical_block_size", logical, is_block_size(logical), "a power of two from 512 to 2 MiB",
                        error) &&
           check_number("physical_block_size", physical, is_block_size(physical) && physical >= logical,
                        "a power of two from logical_block_size to 2 MiB", error) &&
           check_number("min_io_size", b->min_io_size,
                        b->min_io_size % logical == 0 && b->min_io_size / logical <= UINT16_MAX,
                        "up to 65535 logical blocks", error) &&
           check_number("opt_io_size", b->opt_io_size, b->opt_io_size % logical == 0 && b->opt_io_size <= INT32_MAX,
                        "a multiple of logical_block_size below 2 GiB", error) &&
           check_number("discard_granularity", b->discard_granularity,
                        b->discard_granularity == UINT32_MAX ||
                            (b->discard_granularity % logical == 0 && b->discard_granularity <= INT32_MAX),
                        "a multiple of logical_block_size below 2 GiB", error);
}

static bool check_counts(struct virtio_blk *b, GError **error)
{
    uint16_t size = b->queue_size;

    if (b->num_queues == QUEUES_AUTO) {
        b->num_queues = current_machine ? CLAMP(current_machine->smp_cpus, 1, VIRTIO_PCI_QUEUES) : 1;
    }
    return check_number("num-queues", b->num_queues, b->num_queues && b->num_queues <= VIRTIO_PCI_QUEUES, "1 to 8",
                        error) &&
           check_number("queue-size", size, size > 2 && size <= VIRTQUEUE_MAX_SIZE && !(size & (size - 1)),
                        "a power of two from 4 to 1024", error) &&
           check_number("max-discard-sectors", b->max_discard_sectors,
                        b->max_discard_sectors && b->max_discard_sectors <= DISCARD_MAX, "1 to 4194303", error) &&
           check_number("max-write-zeroes-sectors", b->max_write_zeroes_sectors,
                        b->max_write_zeroes_sectors && b->max_write_zeroes_sectors <= DISCARD_MAX, "1 to 4194303",
                        error);
}

/* What drivers of old want to hear of a disk: cylinders of 16 heads and 63 sectors, unless told otherwise. */
static bool check_geometry(struct virtio_blk *b, GError **error)
{
    uint64_t cylinders = block_backend_length(b->blk) / BLOCK_SECTOR / (16 * 63);

    if (!b->cylinders && !b->heads && !b->sectors) {
        b->cylinders = CLAMP(cylinders, 2, 16383);
        b->heads = 16;
        b->sectors = 63;
    }
    return check_number("cyls", b->cylinders, b->cylinders && b->cylinders <= 65535, "1 to 65535", error) &&
           check_number("heads", b->heads, b->heads && b->heads <= 255, "1 to 255", error) &&
           check_number("secs", b->sectors, b->sectors && b->sectors <= 255, "1 to 255", error);
}

static bool find_iothread(struct virtio_blk *b, GError **error)
{
    b->iothread = b->iothread_id ? iothread_find(b->iothread_id) : NULL;
    return !b->iothread_id || b->iothread ||
           error_setf(error, "virtio-blk: iothread '%s' does not exist (-object iothread,id=%s makes it)",
                      b->iothread_id, b->iothread_id);
}

/* ---- Life ---- */

static bool open_backend(struct virtio_blk *b, struct device *device, GError **error)
{
    g_autofree char *qdev = virtio_backend_path(device);
    struct block_backend_config config = {
        .node = b->drive,
        .device = device->type->name,
        .qdev = qdev,
        .iothread = b->iothread,
        .share_rw = b->share_rw,
        .write_cache = b->write_cache != ON_OFF_AUTO_OFF,
        .ops = &backend_ops,
        .opaque = b,
    };

    if (!b->drive) {
        return error_setf(error, "%s: drive property not set (a node-name of -blockdev, or an id of -drive)",
                          device->type->name);
    }
    if (!block_backend_parse_policy("rerror", b->rerror, false, &config.on_read_error, error) ||
        !block_backend_parse_policy("werror", b->werror, true, &config.on_write_error, error)) {
        return false;
    }
    b->blk = block_backend_new(&config, error);
    if (b->blk && b->write_cache == ON_OFF_AUTO_AUTO) {
        b->write_cache = block_backend_write_cache(b->blk) ? ON_OFF_AUTO_ON : ON_OFF_AUTO_OFF; /* the drive's */
    }
    return b->blk;
}

static bool add_queues(struct virtio_blk *b, GError **error)
{
    for (unsigned n = 0; n < b->num_queues; n++) {
        if (!virtio_add_queue(&b->vdev, b->queue_size, error)) {
            return false;
        }
    }
    return true;
}

bool virtio_blk_realize(struct virtio_device *vdev, struct device *device,
                        const struct virtio_transport_ops *transport, GError **error)
{
    struct virtio_blk *b = (struct virtio_blk *)vdev;

    if (!check_sizes(b, error) || !check_counts(b, error) || !find_iothread(b, error) ||
        !open_backend(b, device, error) || !check_geometry(b, error)) {
        return false;
    }
    b->vdev.host_features |= blk_features(b);
    return virtio_init(&b->vdev, device, &virtio_blk_ops, transport, config_length(b), error) && add_queues(b, error);
}

void virtio_blk_unrealize(struct virtio_device *vdev)
{
    struct virtio_blk *b = (struct virtio_blk *)vdev;

    if (b->vdev.ops) {
        virtio_cleanup(&b->vdev); /* waits for what is in flight */
    }
    virtio_blk_loaded_drop(b);
    for (unsigned n = 0; n < VIRTIO_PCI_QUEUES; n++) {
        virtio_blk_retry_drop(b, n);
    }
    if (b->blk) {
        block_backend_free(b->blk);
        b->blk = NULL;
    }
}
