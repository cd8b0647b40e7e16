/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory balloon (VIRTIO 1.2, 5.5): configuration, inflate, deflate, free page reporting; statistics are in
 * virtio-balloon-stats.c, free page hints in virtio-balloon-hint.c, bitmaps in virtio-balloon-bitmap.c.
 *
 *   inflate, deflate   the driver sends arrays of 32-bit page numbers (4 KiB pages, whatever the guest's own size);
 *                      inflated pages go back to the host, deflated ones come back on their own when they are touched
 *   reporting          writable buffers that are free memory: the host takes them, the guest may use them again as
 *                      soon as the buffer is returned
 *
 * A discarded page reads as zero from then on: that is a write as far as migration and decoded code are concerned,
 * and is marked as one. Work per call is bounded; a long chain is worked off in several. Left out: MUST_TELL_HOST
 * (nothing here needs to be told before the guest uses a page).
 */
#include <inttypes.h>
#include <string.h>

#include "hw/core/machine.h"
#include "hw/virtio/virtio-balloon.h"
#include "migration/vmstate.h"
#include "qapi/qapi-events.h"
#include "trace/hw_virtio.h"

#define PFNS_PER_BATCH     1024
#define ELEMENTS_PER_BATCH 64
#define BYTES_PER_BATCH    (256ull << 20) /* of guest memory discarded or hinted */
#define BYTES_PER_DISCARD  (64ull << 10)  /* what a system call counts for at least */

/* ---- Queues ---- */

static bool has_queue(const struct virtio_balloon *b, enum balloon_queue role)
{
    static const uint8_t feature[BALLOON_QUEUES] = {
        [BALLOON_STATISTICS] = VIRTIO_BALLOON_F_STATS_VQ,
        [BALLOON_HINT] = VIRTIO_BALLOON_F_FREE_PAGE_HINT,
        [BALLOON_REPORT] = VIRTIO_BALLOON_F_REPORTING,
        [BALLOON_BITMAP] = VIRTIO_BALLOON_F_FREE_PAGE_BITMAP,
    };

    return role <= BALLOON_DEFLATE || virtio_has_feature(&b->vdev, feature[role]);
}

enum balloon_queue balloon_queue_role(const struct virtio_balloon *b, unsigned index)
{
    for (unsigned role = 0; role < BALLOON_QUEUES; role++) {
        if (has_queue(b, role) && index-- == 0) {
            return role;
        }
    }
    return BALLOON_QUEUES;
}

struct virtqueue *balloon_queue_find(struct virtio_balloon *b, enum balloon_queue role)
{
    unsigned index = 0;

    for (unsigned before = 0; before < role; before++) {
        index += has_queue(b, before);
    }
    return has_queue(b, role) ? virtio_queue(&b->vdev, index) : NULL;
}

bool balloon_cursor_next(struct balloon_cursor *cursor, struct virtqueue *vq)
{
    if (!cursor->held) {
        cursor->held = virtqueue_pop(vq, &cursor->element);
        cursor->offset = 0;
    }
    return cursor->held;
}

bool balloon_answer_next(struct virtio_balloon *b, struct balloon_cursor *cursor, struct virtqueue *vq)
{
    bool more = balloon_cursor_next(cursor, vq);

    if (!more && virtio_is_broken(&b->vdev)) { /* by this chain: a broken queue is not looked at again */
        free_page_rejected(FREE_PAGE_MALFORMED);
    }
    return more;
}

void balloon_cursor_finish(struct balloon_cursor *cursor, struct virtqueue *vq)
{
    cursor->held = false;
    virtqueue_push(vq, cursor->element.head, 0);
}

/* A page that must read as the guest's poison may not become one of zeros. */
static bool may_become_zero(const struct virtio_balloon *b)
{
    return !virtio_has_feature(&b->vdev, VIRTIO_BALLOON_F_PAGE_POISON) || b->poison_val == 0;
}

FreePageState balloon_provider_ready(struct virtio_balloon *b, bool offered, enum balloon_queue role)
{
    struct virtqueue *vq = balloon_queue_find(b, role);

    if (!offered) {
        return FREE_PAGE_STATE_NOT_OFFERED;
    }
    if (!b->vdev.vm_running) {
        return FREE_PAGE_STATE_VM_STOPPED;
    }
    if (virtio_is_broken(&b->vdev)) {
        return FREE_PAGE_STATE_BROKEN;
    }
    if (!b->vdev.running) {
        return FREE_PAGE_STATE_NO_DRIVER;
    }
    if (!may_become_zero(b)) { /* free pages stay where they are, and the destination's may hold zeros */
        return FREE_PAGE_STATE_POISONED;
    }
    return !vq                   ? FREE_PAGE_STATE_NOT_NEGOTIATED
           : virtqueue_ready(vq) ? FREE_PAGE_STATE_ACTIVE
                                 : FREE_PAGE_STATE_NO_DRIVER;
}

struct held_chain {
    struct balloon_cursor *cursor;
    struct virtqueue *vq;
};

static void return_chain(void *opaque)
{
    struct held_chain *chain = opaque;

    if (chain->cursor->held) {
        balloon_cursor_finish(chain->cursor, chain->vq);
        virtqueue_notify(chain->vq);
    }
}

void balloon_return_chain(struct virtio_balloon *b, enum balloon_queue role)
{
    struct held_chain chain = { &b->cursors[role], balloon_queue_find(b, role) };

    if (chain.vq) {
        virtio_queue_run(chain.vq, return_chain, &chain);
    }
}

/* ---- Giving memory to the host ---- */

/* Discards [gpa, gpa + length) as far as it is RAM; whole pages. */
static void discard_range(const struct flat_view *view, hwaddr gpa, uint64_t length, enum absent_reason reason)
{
    while (length) {
        uint64_t n = length, offset;
        struct ram_block *block;
        g_autoptr(GError) error = NULL;

        if (!memory_translate(view, gpa, &n, true, &block, &offset)) {
            guest_error("virtio-balloon: page 0x%" G_GINT64_MODIFIER "x is not RAM", gpa);
            n = MIN(length, memory_gap(view, gpa));
        } else if ((offset | n) % GUEST_PAGE_SIZE) {
            guest_error("virtio-balloon: 0x%" G_GINT64_MODIFIER "x is not whole pages", gpa);
        } else if (!ram_block_discard(block, offset, n, &error)) {
            guest_error("%s", error->message); /* huge pages, say: the page stays, nothing else is lost */
        } else {
            /*
             * In this order: a sync that took the mark before would have it in its bitmap, lose it to the absence,
             * and not have armed yet when the guest, which has the page back by then, writes it.
             */
            free_page_absent(block, offset, n, reason);
            ram_block_mark_dirty(block, offset, n);
        }
        gpa += n;
        length -= n;
    }
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static void inflate_range(const struct flat_view *view, hwaddr gpa, uint64_t length, uint64_t *budget)
{
    trace_virtio_balloon_inflate(gpa, length);
    discard_range(view, gpa, length, ABSENT_INFLATED);
    *budget -= MIN(*budget, MAX(length, BYTES_PER_DISCARD));
}

/* Page numbers come in any order; neighbours are discarded in one go. Nothing is done with those that come out. */
static void handle_pfns(uint32_t *pfns, unsigned count, bool inflate, uint64_t *budget)
{
    struct flat_view *view = flat_view_get(&address_space_memory);

    if (inflate) {
        qsort(pfns, count, sizeof(*pfns), compare_u32);
    }
    for (unsigned i = 0, run; i < count; i += run) {
        hwaddr gpa = (hwaddr)pfns[i] << VIRTIO_BALLOON_PFN_SHIFT;
        uint64_t length;

        for (run = 1; i + run < count && pfns[i + run] - pfns[i + run - 1] <= 1; run++) {
            /* a neighbour, or the same once more */
        }
        length = ((uint64_t)pfns[i + run - 1] - pfns[i] + 1) << VIRTIO_BALLOON_PFN_SHIFT;
        if (inflate) {
            inflate_range(view, gpa, length, budget);
        } else {
            trace_virtio_balloon_deflate(gpa, length);
        }
    }
    flat_view_put(view);
}

static void inflate_run(hwaddr gpa, uint64_t length, uint64_t *budget)
{
    struct flat_view *view = flat_view_get(&address_space_memory);

    inflate_range(view, gpa, length, budget);
    flat_view_put(view);
}

static void deflate_run(hwaddr gpa, uint64_t length, uint64_t *budget)
{
    trace_virtio_balloon_deflate(gpa, length);
}

static bool handle_page_bitmap(struct virtio_balloon *b, struct virtqueue *vq, enum balloon_queue role,
                               uint64_t *budget)
{
    struct balloon_cursor *cursor = &b->cursors[role];
    bool more = balloon_cursor_next(cursor, vq);

    if (more && !balloon_bitmap_next_runs(cursor, role == BALLOON_INFLATE ? inflate_run : deflate_run, budget)) {
        balloon_cursor_finish(cursor, vq);
        virtqueue_notify(vq);
    }
    return more;
}

static bool handle_inflate_deflate(struct virtio_balloon *b, struct virtqueue *vq, enum balloon_queue role,
                                   uint64_t *budget)
{
    struct balloon_cursor *cursor = &b->cursors[role];
    uint32_t pfns[PFNS_PER_BATCH];
    bool more = balloon_cursor_next(cursor, vq);

    if (more) {
        size_t n = virtqueue_element_read(&cursor->element, cursor->offset, pfns, sizeof(pfns));

        cursor->offset += n;
        handle_pfns(pfns, n / sizeof(*pfns), role == BALLOON_INFLATE, budget);
        if (n < sizeof(pfns) || cursor->offset >= cursor->element.out_length) {
            balloon_cursor_finish(cursor, vq);
            virtqueue_notify(vq);
        }
    }
    return more;
}

/* Whole pages within one writable segment, from `skip` bytes on, at most `limit`; returns the bytes dealt with. */
static uint64_t handle_reported_segment(struct virtio_balloon *b, const struct virtio_segment *segment, uint64_t skip,
                                        uint64_t limit)
{
    uint64_t length = MIN(segment->length - skip, limit);
    hwaddr start = (segment->gpa + skip + GUEST_PAGE_SIZE - 1) & ~(GUEST_PAGE_SIZE - 1);
    hwaddr end = (segment->gpa + skip + length) & ~(GUEST_PAGE_SIZE - 1);

    trace_virtio_balloon_report(segment->gpa + skip, length);
    if (start < end && may_become_zero(b)) {
        struct flat_view *view = flat_view_get(&address_space_memory);

        discard_range(view, start, end - start, ABSENT_REPORTED);
        flat_view_put(view);
    }
    return length;
}

static bool handle_report(struct virtio_balloon *b, struct virtqueue *vq, uint64_t *budget)
{
    struct balloon_cursor *cursor = &b->cursors[BALLOON_REPORT];
    const struct virtio_segment *segments;
    uint64_t before = 0;

    if (!balloon_cursor_next(cursor, vq)) {
        return false;
    }
    segments = cursor->element.segments + cursor->element.out_count;
    for (unsigned i = 0; i < cursor->element.in_count && *budget; i++) {
        if (cursor->offset < before + segments[i].length) {
            uint64_t n = handle_reported_segment(b, &segments[i], cursor->offset - before, *budget);

            cursor->offset += n;
            *budget -= MIN(*budget, MAX(n, BYTES_PER_DISCARD));
        }
        before += segments[i].length;
    }
    if (cursor->offset >= cursor->element.in_length) {
        balloon_cursor_finish(cursor, vq);
        virtqueue_notify(vq);
    }
    return true;
}

/* One step: at most one chain or one batch of it; true: there was something. */
static bool handle_step(struct virtio_balloon *b, struct virtqueue *vq, uint64_t *budget)
{
    enum balloon_queue role = balloon_queue_role(b, vq->index);

    switch (role) {
    case BALLOON_INFLATE:
    case BALLOON_DEFLATE:
        return virtio_has_feature(&b->vdev, VIRTIO_BALLOON_F_PAGE_BITMAP)
                   ? handle_page_bitmap(b, vq, role, budget)
                   : handle_inflate_deflate(b, vq, role, budget);
    case BALLOON_STATISTICS: return balloon_stats_handle(b, vq);
    case BALLOON_HINT: return balloon_hint_handle(b, vq, budget);
    case BALLOON_REPORT: return handle_report(b, vq, budget);
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
