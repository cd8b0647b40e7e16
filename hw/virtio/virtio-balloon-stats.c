/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory statistics (VIRTIO 1.2, 5.5.6.3): the driver puts a buffer of tag and value pairs into the queue; giving the
 * buffer back asks for new ones. The buffer is held from one request to the next. Polling is a timer on virtual time.
 */
#include <json-glib/json-glib.h>

#include "hw/virtio/virtio-balloon.h"
#include "trace/hw_virtio.h"

/* More pairs than this in one buffer are not looked at. */
#define STATS_PER_BUFFER 64

static const char *const stat_names[BALLOON_STATS] = {
    [VIRTIO_BALLOON_S_SWAP_IN] = "stat-swap-in",
    [VIRTIO_BALLOON_S_SWAP_OUT] = "stat-swap-out",
    [VIRTIO_BALLOON_S_MAJFLT] = "stat-major-faults",
    [VIRTIO_BALLOON_S_MINFLT] = "stat-minor-faults",
    [VIRTIO_BALLOON_S_MEMFREE] = "stat-free-memory",
    [VIRTIO_BALLOON_S_MEMTOT] = "stat-total-memory",
    [VIRTIO_BALLOON_S_AVAIL] = "stat-available-memory",
    [VIRTIO_BALLOON_S_CACHES] = "stat-disk-caches",
    [VIRTIO_BALLOON_S_HTLB_PGALLOC] = "stat-htlb-pgalloc",
    [VIRTIO_BALLOON_S_HTLB_PGFAIL] = "stat-htlb-pgfail",
};

static void forget(struct virtio_balloon *b)
{
    for (unsigned i = 0; i < BALLOON_STATS; i++) {
        b->stats[i] = UINT64_MAX;
    }
}

static void arm_timer(struct virtio_balloon *b, int64_t seconds)
{
    timer_set(&b->stats_timer, vm_clock_ns(VM_CLOCK_VIRTUAL) + seconds * NSEC_PER_SEC);
}

/*
 * Returns the driver's buffer, which it answers with a filled one. False: no driver, one that owes an answer or
 * stands still.
 */
static bool ask_guest(struct virtio_balloon *b)
{
    struct virtqueue *vq = balloon_queue_find(b, BALLOON_STATISTICS);

    if (!b->stats_held || !vq || !b->vdev.running) {
        return false;
    }
    b->stats_held = false;
    virtqueue_push(vq, b->stats_head, 0);
    virtqueue_notify(vq);
    return true;
}

static void poll_guest(void *opaque)
{
    struct virtio_balloon *b = opaque;

    if (!ask_guest(b)) {
        arm_timer(b, b->stats_interval);
    }
}

void balloon_stats_sample(struct virtio_balloon *b)
{
    b->stats_sample = UINT64_MAX;
    __atomic_store_n(&b->hinted_bytes, 0, __ATOMIC_RELAXED);
    b->stats_sampling = ask_guest(b);
}

static void parse(struct virtio_balloon *b, const struct virtqueue_element *element)
{
    struct virtio_balloon_stat stats[STATS_PER_BUFFER];
    size_t length = virtqueue_element_read(element, 0, stats, sizeof(stats));

    trace_virtio_balloon_stats(length);
    forget(b);
    for (unsigned i = 0; i < length / sizeof(stats[0]); i++) {
        if (stats[i].tag < BALLOON_STATS) {
            b->stats[stats[i].tag] = stats[i].val;
        }
    }
    if (b->stats_sampling) {
        b->stats_sampling = false;
        b->stats_sample = b->stats[VIRTIO_BALLOON_S_MEMFREE];
        if (b->stats_sample != UINT64_MAX) { /* what it has allocated for its hints already was free, too */
            b->stats_sample += __atomic_load_n(&b->hinted_bytes, __ATOMIC_RELAXED);
        }
    }
    b->stats_time = vm_clock_ns(VM_CLOCK_HOST) / NSEC_PER_SEC;
}

bool balloon_stats_handle(struct virtio_balloon *b, struct virtqueue *vq)
{
    struct virtqueue_element element;

    if (!virtqueue_pop(vq, &element)) {
        return false;
    }
    if (b->stats_held) { /* 5.5.6.3.1: one at a time; the older is of no more use */
        virtqueue_push(vq, b->stats_head, 0);
        virtqueue_notify(vq);
    }
    b->stats_held = true;
    b->stats_head = element.head;
    parse(b, &element);
    if (b->stats_interval) {
        arm_timer(b, b->stats_interval);
    }
    return true;
}

/* The ring that the buffer came from is gone, and what was said with it. */
void balloon_stats_reset(struct virtio_balloon *b)
{
    b->stats_held = b->stats_sampling = false;
    b->stats_time = 0;
    forget(b);
}

JsonNode *balloon_stats_get(struct virtio_balloon *b)
{
    g_autoptr(JsonBuilder) json = json_builder_new();

    json_builder_begin_object(json);
    json_builder_set_member_name(json, "stats");
    json_builder_begin_object(json);
    for (unsigned i = 0; i < BALLOON_STATS; i++) {
        json_builder_set_member_name(json, stat_names[i]);
        json_builder_add_int_value(json, b->stats[i]); /* "not known" is all ones, in JSON -1 */
    }
    json_builder_end_object(json);
    json_builder_set_member_name(json, "last-update");
    json_builder_add_int_value(json, b->stats_time);
    json_builder_end_object(json);
    return json_builder_get_root(json);
}

JsonNode *balloon_stats_get_interval(struct virtio_balloon *b)
{
    JsonNode *node = json_node_new(JSON_NODE_VALUE);

    json_node_set_int(node, b->stats_interval);
    return node;
}

bool balloon_stats_set_interval(struct virtio_balloon *b, JsonNode *value, GError **error)
{
    int64_t seconds;

    if (!value || !JSON_NODE_HOLDS_VALUE(value) || json_node_get_value_type(value) != G_TYPE_INT64) {
        return error_setf(error, "Invalid parameter type for 'guest-stats-polling-interval', expected: integer");
    }
    seconds = json_node_get_int(value);
    if (seconds < 0) {
        return error_setf(error, "timer value must be greater than zero");
    }
    if (seconds > UINT32_MAX) {
        return error_setf(error, "timer value is too big");
    }
    if (seconds == b->stats_interval) {
        return true;
    }
    b->stats_interval = seconds;
    if (seconds) {
        arm_timer(b, 0);
    } else {
        timer_cancel(&b->stats_timer);
    }
    return true;
}

void balloon_stats_init(struct virtio_balloon *b)
{
    timer_init(&b->stats_timer, VM_CLOCK_VIRTUAL, poll_guest, b);
    b->stats_sample = UINT64_MAX;
    forget(b);
}

void balloon_stats_cleanup(struct virtio_balloon *b)
{
    timer_cancel(&b->stats_timer);
}
