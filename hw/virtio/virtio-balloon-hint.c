/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Free page hints (VIRTIO 1.2, 5.5.6.4): the host publishes a command id in the configuration; the driver sends that
 * id, then buffers that are free memory, then id 0 ("that was all"). The host says "done" when the driver may have
 * its pages back.
 *
 *   configuration: 0 stop | 1 done | n request n         queue: out 4 bytes id ... in free memory ... out 4 bytes 0
 *
 * The rules that keep this right are those of docs/free-pages.rst; here:
 *   - ids are the device's own, counted on over requests, resets and migrations, so that no driver ever meets one
 *     twice; each stands for the id that the migration gave;
 *   - a buffer counts only under the id that is open, else it is late: given back, without effect;
 *   - a request ends by the guest's stop, the host's stop, VM stop, device reset, unplug; "done" follows in all cases
 *     in which the driver lives on, after a migration at the destination too;
 *   - at most FREE_PAGE_BATCH ranges at a time, at most a quarter GiB per call, nothing waits for the guest.
 */
#include "hw/virtio/virtio-balloon.h"
#include "trace/hw_virtio.h"

#define BYTES_PER_RANGE (4ull << 20)
#define FIRST_ID        0x80000000u /* as far from 0 and 1 as can be */

/* ---- The big lock's side: requests ---- */

static struct virtio_balloon *balloon_of(struct free_page_provider *provider)
{
    return (struct virtio_balloon *)((char *)provider - offsetof(struct virtio_balloon, provider));
}

uint32_t balloon_hint_config(struct virtio_balloon *b)
{
    uint32_t id;

    g_mutex_lock(&b->hint_lock);
    id = b->hint_request                ? b->hint_id
         : b->hint_status == HINT_DONE ? VIRTIO_BALLOON_CMD_ID_DONE
                                        : VIRTIO_BALLOON_CMD_ID_STOP;
    g_mutex_unlock(&b->hint_lock);
    return id;
}

/* Returns the migration's id that was open until now, 0 if none was. */
static uint32_t set_status(struct virtio_balloon *b, enum hint_status status, uint32_t request)
{
    uint32_t before;

    g_mutex_lock(&b->hint_lock);
    before = b->hint_request;
    b->hint_status = status;
    b->hint_request = request;
    if (request) {
        b->hint_id = b->hint_id == UINT32_MAX || b->hint_id < FIRST_ID ? FIRST_ID : b->hint_id + 1;
    }
    g_mutex_unlock(&b->hint_lock);
    return before;
}

static void publish(struct virtio_balloon *b)
{
    trace_virtio_balloon_hint_command(b->hint_request, balloon_hint_config(b));
    virtio_notify_config(&b->vdev);
}

static FreePageState provider_ready(struct free_page_provider *provider)
{
    struct virtio_balloon *b = balloon_of(provider);

    return balloon_provider_ready(b, b->free_page_hint, BALLOON_HINT);
}

static void provider_start(struct free_page_provider *provider, uint32_t id)
{
    struct virtio_balloon *b = balloon_of(provider);

    provider->poison = virtio_has_feature(&b->vdev, VIRTIO_BALLOON_F_PAGE_POISON);
    set_status(b, HINT_REQUESTED, id);
    b->done_owed = true;
    publish(b);
}

static void provider_sample(struct free_page_provider *provider)
{
    balloon_stats_sample(balloon_of(provider));
}

static uint64_t provider_guest_free(struct free_page_provider *provider)
{
    return balloon_of(provider)->stats_sample;
}

static void provider_stop(struct free_page_provider *provider)
{
    struct virtio_balloon *b = balloon_of(provider);

    if (b->hint_request) {
        set_status(b, HINT_STOPPED, 0);
        publish(b);
    }
}

static void provider_done(struct free_page_provider *provider)
{
    struct virtio_balloon *b = balloon_of(provider);

    if (b->done_owed) {
        b->done_owed = false;
        set_status(b, HINT_DONE, 0);
        publish(b);
    }
}

static void provider_drain(struct free_page_provider *provider)
{
    balloon_return_chain(balloon_of(provider), BALLOON_HINT);
}

/* A request that was open is over. The queue is stopped already. */
void balloon_hint_stop(struct virtio_balloon *b, FreePageState why)
{
    uint32_t open = set_status(b, b->hint_status == HINT_DONE ? HINT_DONE : HINT_STOPPED, 0);

    if (open) {
        free_page_device_stopped(open, why);
    }
}

/* After a reset: a new driver holds nothing. */
void balloon_hint_reset(struct virtio_balloon *b)
{
    balloon_hint_stop(b, FREE_PAGE_STATE_RESET);
    b->guest_hint_id = 0;
    b->done_owed = b->hint_resume_done = false;
    b->hint_status = HINT_STOPPED;
}

/* The destination owes the guest its pages as much as the source did: whatever was not done is done now. */
void balloon_hint_start(struct virtio_balloon *b)
{
    if (b->hint_resume_done) {
        b->hint_resume_done = false;
        provider_done(&b->provider);
    }
}

void balloon_hint_loaded(struct virtio_balloon *b)
{
    b->hint_request = 0;
    b->guest_hint_id = 0;
    b->done_owed = virtio_has_feature(&b->vdev, VIRTIO_BALLOON_F_FREE_PAGE_HINT) && b->hint_status != HINT_DONE;
    b->hint_resume_done = b->done_owed;
    if (b->hint_status != HINT_DONE) {
        b->hint_status = HINT_STOPPED;
    }
}

/* ---- The queue's side ---- */

/* The migration's id if `guest_id` is what is open now, else 0. The first sight of it moves REQUESTED to STARTED. */
static uint32_t open_request(struct virtio_balloon *b, uint32_t guest_id)
{
    uint32_t request = 0;

    g_mutex_lock(&b->hint_lock);
    if (b->hint_request && guest_id == b->hint_id) {
        b->hint_status = HINT_STARTED;
        request = b->hint_request;
    }
    g_mutex_unlock(&b->hint_lock);
    return request;
}

static void take_command(struct virtio_balloon *b, const struct virtqueue_element *element)
{
    uint32_t id, open = open_request(b, b->guest_hint_id);

    if (virtqueue_element_read(element, 0, &id, sizeof(id)) < sizeof(id)) {
        free_page_rejected(FREE_PAGE_MALFORMED);
        return;
    }
    trace_virtio_balloon_hint_guest(id);
    b->guest_hint_id = id;
    if (id == VIRTIO_BALLOON_CMD_ID_STOP) {
        if (open) {
            free_page_guest_stopped(open);
        }
    } else {
        open_request(b, id);
    }
}

struct batch {
    struct free_page_range ranges[FREE_PAGE_BATCH];
    unsigned count;
};

static void batch_flush(struct virtio_balloon *b, struct batch *batch)
{
    enum free_page_verdict verdict;

    if (batch->count) {
        /* No request is 0, so that what comes under a wrong id is counted as late there. */
        verdict = free_page_hint(open_request(b, b->guest_hint_id), batch->ranges, batch->count);
        trace_virtio_balloon_hint(b->guest_hint_id, batch->count, verdict == FREE_PAGE_TAKEN);
        batch->count = 0;
    }
}

static void batch_add(struct virtio_balloon *b, struct batch *batch, const struct flat_view *view, hwaddr gpa,
                      uint64_t length)
{
    while (length) {
        uint64_t n = MIN(length, BYTES_PER_RANGE), offset;
        struct ram_block *block;

        if (!memory_translate(view, gpa, &n, true, &block, &offset)) {
            free_page_rejected(FREE_PAGE_NO_RAM);
            return;
        }
        batch->ranges[batch->count++] = (struct free_page_range){ block, offset, n };
        if (batch->count == FREE_PAGE_BATCH) {
            batch_flush(b, batch);
        }
        gpa += n;
        length -= n;
    }
}

/* A part of the chain in hand, as far as the budget goes. */
static void take_pages(struct virtio_balloon *b, struct balloon_cursor *cursor, uint64_t *budget)
{
    const struct virtio_segment *segments = cursor->element.segments + cursor->element.out_count;
    struct flat_view *view = flat_view_get(&address_space_memory);
    uint64_t before = 0;
    struct batch batch = { .count = 0 };

    for (unsigned i = 0; i < cursor->element.in_count && *budget; i++) {
        if (cursor->offset < before + segments[i].length) {
            uint64_t skip = cursor->offset - before, n = MIN(segments[i].length - skip, *budget);

            batch_add(b, &batch, view, segments[i].gpa + skip, n);
            cursor->offset += n;
            *budget -= n;
            __atomic_add_fetch(&b->hinted_bytes, n, __ATOMIC_RELAXED);
        }
        before += segments[i].length;
    }
    batch_flush(b, &batch);
    flat_view_put(view);
}

bool balloon_hint_handle(struct virtio_balloon *b, struct virtqueue *vq, uint64_t *budget)
{
    struct balloon_cursor *cursor = &b->cursors[BALLOON_HINT];

    if (!balloon_answer_next(b, cursor, vq)) {
        return false;
    }
    if (cursor->offset == 0 && cursor->element.out_count) {
        take_command(b, &cursor->element);
    }
    if (cursor->element.in_count) {
        take_pages(b, cursor, budget);
    }
    if (cursor->offset >= cursor->element.in_length) {
        balloon_cursor_finish(cursor, vq);
        virtqueue_notify(vq);
    }
    return true;
}

/* ---- Life ---- */

void balloon_hint_init(struct virtio_balloon *b)
{
    g_mutex_init(&b->hint_lock);
    b->hint_status = HINT_STOPPED;
    b->hint_id = FIRST_ID;
    b->provider = (struct free_page_provider){
        .name = "virtio-balloon",
        .ready = provider_ready,
        .start = provider_start,
        .sample = provider_sample,
        .guest_free = provider_guest_free,
        .stop = provider_stop,
        .done = provider_done,
        .drain = provider_drain,
    };
}

void balloon_hint_cleanup(struct virtio_balloon *b)
{
    g_mutex_clear(&b->hint_lock);
}
