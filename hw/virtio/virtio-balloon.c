/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory balloon (VIRTIO 1.2, 5.5): whose queue is served how, configuration, reset, state, life. Beside it:
 *
 *   virtio-balloon-queue.c    queues and chains in hand       virtio-balloon-pages.c    inflate, deflate, reporting
 *   virtio-balloon-stats.c    statistics                      virtio-balloon-hint.c     free page hints
 *   virtio-balloon-bitmap.c   bitmaps of pages
 *
 * Work per call is bounded; a long chain is worked off in several.
 */
#include <inttypes.h>
#include <string.h>

#include "hw/core/machine.h"
#include "hw/virtio/virtio-balloon.h"
#include "migration/vmstate.h"
#include "qapi/qapi-events.h"
#include "trace/hw_virtio.h"

#define ELEMENTS_PER_BATCH 64
#define BYTES_PER_BATCH    (256ull << 20) /* of guest memory discarded or hinted */

/* ---- Queues ---- */

/* One step: at most one chain or one batch of it; true: there was something. */
static bool handle_step(struct virtio_balloon *b, struct virtqueue *vq, uint64_t *budget)
{
    enum balloon_queue role = balloon_queue_role(b, vq->index);

    switch (role) {
    case BALLOON_INFLATE:
    case BALLOON_DEFLATE: return balloon_pages_handle(b, vq, role, budget);
    case BALLOON_STATISTICS: return balloon_stats_handle(b, vq);
    case BALLOON_HINT: return balloon_hint_handle(b, vq, budget);
    case BALLOON_REPORT: return balloon_report_handle(b, vq, budget);
    case BALLOON_BITMAP: return balloon_bitmap_handle(b, vq);
    default: return false; /* a queue beyond the negotiated ones: the driver has no business there */
    }
}

/*
 * The driver need not kick while we are at it; then it is asked to again, and the ring is looked at once more, since
 * it may have missed that.
 */
static bool balloon_handle_queue(struct virtio_device *vdev, struct virtqueue *vq)
{
    struct virtio_balloon *b = (struct virtio_balloon *)vdev;
    uint64_t budget = BYTES_PER_BATCH;
    bool more = true;
    int n;

    virtqueue_set_notification(vq, false);
    for (n = 0; n < ELEMENTS_PER_BATCH && more && budget; n++) {
        more = handle_step(b, vq, &budget);
    }
    trace_virtio_balloon_batch(vq->index, n, BYTES_PER_BATCH - budget);
    virtqueue_set_notification(vq, true);
    return virtqueue_ready(vq) && (more || !virtqueue_empty(vq));
}

/* ---- Configuration ---- */

static uint64_t guest_ram_size(void)
{
    return current_machine ? current_machine->ram_size : ram_total();
}

/* The guest's word, but never more than there is. */
static uint64_t balloon_actual_bytes(const struct virtio_balloon *b)
{
    return guest_ram_size() - MIN(guest_ram_size(), (uint64_t)b->actual << VIRTIO_BALLOON_PFN_SHIFT);
}

static bool is_share_only(const struct virtio_balloon *b)
{
    return virtio_has_feature(&b->vdev, VIRTIO_BALLOON_F_SHARE_ONLY);
}

static void balloon_get_config(struct virtio_device *vdev, uint8_t *config)
{
    struct virtio_balloon *b = (struct virtio_balloon *)vdev;
    struct virtio_balloon_config c = {
        .num_pages = is_share_only(b) ? 0 : b->num_pages,
        .actual = b->actual,
        .free_page_hint_cmd_id = balloon_hint_config(b),
        .poison_val = b->poison_val,
    };

    memcpy(config, &c, sizeof(c));
    if (b->free_page_bitmap) {
        struct virtio_balloon_bitmap_config bitmap;

        balloon_bitmap_config(b, &bitmap);
        memcpy(config + VIRTIO_BALLOON_BITMAP_CONFIG, &bitmap, sizeof(bitmap));
    }
}

static void balloon_set_config(struct virtio_device *vdev, const uint8_t *config)
{
    struct virtio_balloon *b = (struct virtio_balloon *)vdev;
    struct virtio_balloon_config c;
    uint32_t before = b->actual;

    memcpy(&c, config, sizeof(c));
    b->actual = c.actual;
    b->poison_val = virtio_has_feature(vdev, VIRTIO_BALLOON_F_PAGE_POISON) ? c.poison_val : 0;
    trace_virtio_balloon_set_config(b->num_pages, b->actual, b->poison_val);
    if (b->actual != before) {
        qapi_event_send_balloon_change(balloon_actual_bytes(b));
    }
}

static uint32_t config_length(const struct virtio_balloon *b)
{
    return b->free_page_bitmap ? VIRTIO_BALLOON_BITMAP_CONFIG + sizeof(struct virtio_balloon_bitmap_config)
           : b->page_poison    ? sizeof(struct virtio_balloon_config)
           : b->free_page_hint ? offsetof(struct virtio_balloon_config, poison_val)
                               : offsetof(struct virtio_balloon_config, free_page_hint_cmd_id);
}

/* ---- What balloon.c asks for ---- */

static bool may_balloon(const struct virtio_balloon *b, GError **error)
{
    if (b->fixed_size) {
        return error_setf(error, "The balloon has fixed-size=on: the guest keeps its %" PRIu64 " MiB",
                          guest_ram_size() >> 20);
    }
    return !is_share_only(b) ||
           error_setf(error, "The guest's balloon driver shares its free pages, but never gives memory away "
                      "(share_only=1): the guest keeps its %" PRIu64 " MiB", guest_ram_size() >> 20);
}

static bool balloon_set_target(void *opaque, uint64_t bytes, GError **error)
{
    struct virtio_balloon *b = opaque;

    if (bytes < guest_ram_size() && !may_balloon(b, error)) {
        return false;
    }
    bytes = MIN(bytes, guest_ram_size());
    b->num_pages = (guest_ram_size() - bytes) >> VIRTIO_BALLOON_PFN_SHIFT;
    trace_virtio_balloon_target(bytes, b->num_pages);
    virtio_notify_config(&b->vdev);
    return true;
}

static void balloon_get_info(void *opaque, BalloonInfo *info)
{
    const struct virtio_balloon *b = opaque;

    info->actual = balloon_actual_bytes(b);
    info->has_share_only = info->share_only = is_share_only(b);
    info->has_fixed_size = info->fixed_size = b->fixed_size;
}

static const struct balloon_ops broker_ops = { .set_target = balloon_set_target, .get_info = balloon_get_info };

/* ---- Reset, start, stop ---- */

/* What was popped and not finished goes back into the ring: it is handled again, which does no harm. */
static void rewind_cursors(struct virtio_balloon *b)
{
    for (unsigned role = 0; role < BALLOON_QUEUES; role++) {
        if (b->cursors[role].held) {
            b->cursors[role].held = false;
            virtqueue_rewind(balloon_queue_find(b, role), 1);
        }
    }
}

/*
 * A stream counts chains as popped that its sender had in hand: the statistics buffer, always. We handle them anew.
 * Not before the start, so that the state can move on as it came.
 */
static void rewind_loaded(struct virtio_balloon *b)
{
    for (unsigned n = 0; n < b->vdev.queue_count; n++) {
        struct virtqueue *vq = &b->vdev.queues[n];
        bool held = b->stats_held && balloon_queue_role(b, n) == BALLOON_STATISTICS;

        virtqueue_rewind(vq, vq->in_use > held ? vq->in_use - held : 0);
    }
}

static void balloon_running_changed(struct virtio_device *vdev, bool running)
{
    struct virtio_balloon *b = (struct virtio_balloon *)vdev;

    if (running) {
        rewind_loaded(b);
        balloon_hint_start(b);
    } else {
        FreePageState why = vdev->vm_running ? FREE_PAGE_STATE_RESET : FREE_PAGE_STATE_VM_STOPPED;

        rewind_cursors(b);
        balloon_hint_stop(b, why);
        balloon_bitmap_stop(b, why);
    }
}

static void balloon_reset(struct virtio_device *vdev)
{
    struct virtio_balloon *b = (struct virtio_balloon *)vdev;

    balloon_stats_reset(b);
    balloon_hint_reset(b);
    balloon_bitmap_stop(b, FREE_PAGE_STATE_RESET);
    b->poison_val = 0;
    b->actual = 0; /* the balloon's pages are the guest's again; the host's wish stays */
}

static void balloon_reset_queue(struct virtio_device *vdev, struct virtqueue *vq)
{
    struct virtio_balloon *b = (struct virtio_balloon *)vdev;
    enum balloon_queue role = balloon_queue_role(b, vq->index);

    if (role == BALLOON_QUEUES) {
        return;
    }
    b->cursors[role].held = false;
    if (role == BALLOON_STATISTICS) {
        balloon_stats_reset(b);
    } else if (role == BALLOON_HINT) {
        balloon_hint_stop(b, FREE_PAGE_STATE_RESET); /* the driver lives on, and DONE is owed to it */
        b->guest_hint_id = 0;
    } else if (role == BALLOON_BITMAP) {
        balloon_bitmap_stop(b, FREE_PAGE_STATE_RESET);
    }
}

/* ---- State ---- */

static bool balloon_post_load(struct virtio_device *vdev, GError **error)
{
    struct virtio_balloon *b = (struct virtio_balloon *)vdev;

    b->stats_held = false;
    if (b->hint_status > HINT_DONE) {
        return error_setf(error, "free_page_hint_status is %u, expected 0 to %d", b->hint_status, HINT_DONE);
    }
    balloon_hint_loaded(b);
    return true;
}

static bool hints_negotiated(const void *opaque)
{
    return virtio_has_feature(opaque, VIRTIO_BALLOON_F_FREE_PAGE_HINT);
}

static bool poison_negotiated(const void *opaque)
{
    return virtio_has_feature(opaque, VIRTIO_BALLOON_F_PAGE_POISON);
}

static bool bitmap_negotiated(const void *opaque)
{
    return virtio_has_feature(opaque, VIRTIO_BALLOON_F_FREE_PAGE_BITMAP);
}

static const struct vmstate_description vmstate_hint = {
    .name = "virtio-balloon-device/free-page-report",
    .version = 1,
    .minimum_version = 1,
    .needed = hints_negotiated,
    .fields = (const struct vmstate_field[]){
        VMSTATE_NAMED("free_page_hint_cmd_id", hint_id, struct virtio_balloon, uint32_t, vmstate_info_uint32),
        VMSTATE_NAMED("free_page_hint_status", hint_status, struct virtio_balloon, uint32_t, vmstate_info_uint32),
        VMSTATE_END,
    },
};

static const struct vmstate_description vmstate_poison = {
    .name = "virtio-balloon-device/page-poison",
    .version = 1,
    .minimum_version = 1,
    .needed = poison_negotiated,
    .fields = (const struct vmstate_field[]){ VMSTATE_UINT32(poison_val, struct virtio_balloon), VMSTATE_END },
};

/* Ours; a stream of a guest that does not use it is the peer's. */
static const struct vmstate_description vmstate_bitmap = {
    .name = "virtio-balloon-device/free-page-bitmap",
    .version = 1,
    .minimum_version = 1,
    .needed = bitmap_negotiated,
    .fields = (const struct vmstate_field[]){ VMSTATE_UINT32(bitmap_id, struct virtio_balloon), VMSTATE_END },
};

static const struct vmstate_description vmstate_balloon_device = {
    .name = "virtio-balloon-device",
    .version = 1,
    .minimum_version = 1,
    .fields = (const struct vmstate_field[]){
        VMSTATE_UINT32(num_pages, struct virtio_balloon),
        VMSTATE_UINT32(actual, struct virtio_balloon),
        VMSTATE_END,
    },
    .subsections =
        (const struct vmstate_description *const[]){ &vmstate_hint, &vmstate_poison, &vmstate_bitmap, NULL },
};

/* ---- Life ---- */

static struct iothread *balloon_queue_iothread(struct virtio_device *vdev, const struct virtqueue *vq)
{
    struct virtio_balloon *b = (struct virtio_balloon *)vdev;

    enum balloon_queue role = balloon_queue_role(b, vq->index);

    return role == BALLOON_HINT || role == BALLOON_BITMAP ? b->iothread : NULL;
}

const struct virtio_device_ops virtio_balloon_ops = {
    .device_id = VIRTIO_ID_BALLOON,
    .name = "virtio-balloon",
    .vmsd = &vmstate_balloon_device,
    .get_config = balloon_get_config,
    .set_config = balloon_set_config,
    .handle_queue = balloon_handle_queue,
    .queue_iothread = balloon_queue_iothread,
    .reset_queue = balloon_reset_queue,
    .reset = balloon_reset,
    .running_changed = balloon_running_changed,
    .post_load = balloon_post_load,
};

static bool find_iothread(struct virtio_balloon *b, GError **error)
{
    if (!b->iothread_id) {
        return true;
    }
    b->iothread = iothread_find(b->iothread_id);
    if (!b->iothread) {
        return error_setf(error, "virtio-balloon: iothread '%s' does not exist (-object iothread,id=%s makes it)",
                          b->iothread_id, b->iothread_id);
    }
    iothread_ref(b->iothread);
    return true;
}

static uint64_t balloon_features(const struct virtio_balloon *b)
{
    return VIRTIO_FEATURE(VIRTIO_BALLOON_F_STATS_VQ) |
           (b->deflate_on_oom ? VIRTIO_FEATURE(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) : 0) |
           (b->free_page_hint ? VIRTIO_FEATURE(VIRTIO_BALLOON_F_FREE_PAGE_HINT) : 0) |
           (b->page_poison ? VIRTIO_FEATURE(VIRTIO_BALLOON_F_PAGE_POISON) : 0) |
           (b->free_page_reporting ? VIRTIO_FEATURE(VIRTIO_BALLOON_F_REPORTING) : 0) |
           (b->free_page_bitmap ? VIRTIO_FEATURE(VIRTIO_BALLOON_F_FREE_PAGE_BITMAP) : 0) |
           (b->page_bitmap ? VIRTIO_FEATURE(VIRTIO_BALLOON_F_PAGE_BITMAP) : 0) |
           (b->share_only ? VIRTIO_FEATURE(VIRTIO_BALLOON_F_SHARE_ONLY) : 0);
}

static bool add_queues(struct virtio_balloon *b, GError **error)
{
    struct virtio_device *vdev = &b->vdev;

    return virtio_add_queue(vdev, 128, error) && virtio_add_queue(vdev, 128, error) &&
           virtio_add_queue(vdev, 128, error) && (!b->free_page_hint || virtio_add_queue(vdev, 1024, error)) &&
           (!b->free_page_reporting || virtio_add_queue(vdev, 32, error)) &&
           (!b->free_page_bitmap || virtio_add_queue(vdev, 128, error));
}

bool virtio_balloon_realize(struct virtio_device *vdev, struct device *device,
                            const struct virtio_transport_ops *transport, GError **error)
{
    struct virtio_balloon *b = (struct virtio_balloon *)vdev;
    struct free_page_provider *const sources[BALLOON_SOURCES] = { &b->bitmap_provider, &b->provider };

    b->vdev.host_features |= balloon_features(b);
    balloon_stats_init(b);
    balloon_hint_init(b);
    balloon_bitmap_init(b);
    return virtio_init(&b->vdev, device, &virtio_balloon_ops, transport, config_length(b), error) &&
           find_iothread(b, error) && add_queues(b, error) &&
           balloon_register(&broker_ops, b, sources, error);
}

void virtio_balloon_unrealize(struct virtio_device *vdev)
{
    struct virtio_balloon *b = (struct virtio_balloon *)vdev;

    balloon_unregister(b);
    balloon_stats_cleanup(b);
    virtio_cleanup(&b->vdev);
    balloon_hint_cleanup(b);
    if (b->iothread) {
        iothread_unref(b->iothread);
        b->iothread = NULL;
    }
}
