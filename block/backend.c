/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Backends: what a device has of the block layer. Counts what is in flight and what was done, and knows what an error
 * leads to. */
#include <errno.h>
#include <string.h>

#include "block/internal.h"
#include "qapi/qapi-events.h"
#include "system/runstate.h"
#include "util/clock.h"
#include "util/iothread.h"
#include "util/keyval.h"

pthread_mutex_t block_stats_lock = PTHREAD_MUTEX_INITIALIZER;
static GPtrArray *backends; /* big lock */

GPtrArray *block_backends(void)
{
    if (!backends) {
        backends = g_ptr_array_new();
    }
    return backends;
}

/* ---- Life ---- */

static bool get_queues(struct block_backend *blk, GError **error)
{
    blk->main_queue = block_queue_get(NULL, error);
    blk->queue = blk->main_queue;
    if (!blk->main_queue) {
        return false;
    }
    blk->iothread_queue = blk->iothread ? block_queue_get(blk->iothread, error) : NULL;
    return !blk->iothread || blk->iothread_queue;
}

static void backend_destroy(struct block_backend *blk)
{
    if (blk->main_queue) {
        block_queue_put(blk->main_queue);
    }
    if (blk->iothread_queue) {
        block_queue_put(blk->iothread_queue);
    }
    g_free(blk->qdev);
    g_free(blk->device);
    g_free(blk->name);
    g_free(blk);
}

struct block_backend *block_backend_new(const struct block_backend_config *config, GError **error)
{
    struct block_node *drive = drive_find(config->node), *node = drive ? drive : block_node_find(config->node);
    struct block_backend *blk;

    if (!node) {
        error_setf(error, "Property '%s.drive' can't find value '%s' (a node-name of -blockdev, or an id of -drive)",
                   config->device, config->node);
        return NULL;
    }
    blk = g_new0(struct block_backend, 1);
    blk->node = node;
    blk->name = g_strdup(drive ? config->node : "");
    blk->qdev = g_strdup(config->qdev);
    blk->device = g_strdup(config->device);
    blk->iothread = config->iothread;
    blk->read_only = node->read_only;
    blk->share_rw = config->share_rw;
    blk->write_cache = config->write_cache && (!drive || drive_write_cache(config->node));
    blk->on_read_error = config->on_read_error;
    blk->on_write_error = config->on_write_error;
    blk->ops = config->ops;
    blk->opaque = config->opaque;
    if (!get_queues(blk, error) || !block_node_attach(node, blk, error)) {
        backend_destroy(blk);
        return NULL;
    }
    g_ptr_array_add(block_backends(), blk);
    return blk;
}

void block_backend_free(struct block_backend *blk)
{
    g_assert(!blk->in_flight);
    g_ptr_array_remove(backends, blk);
    block_node_detach(blk->node, blk);
    backend_destroy(blk);
}

uint64_t block_backend_length(const struct block_backend *blk)
{
    return block_node_length(blk->node);
}

bool block_backend_read_only(const struct block_backend *blk)
{
    return blk->read_only;
}

void block_backend_set_write_cache(struct block_backend *blk, bool on)
{
    __atomic_store_n(&blk->write_cache, on, __ATOMIC_RELAXED);
}

bool block_backend_write_cache(const struct block_backend *blk)
{
    return __atomic_load_n(&blk->write_cache, __ATOMIC_RELAXED);
}

/* ---- Threads ---- */

void block_backend_set_iothread(struct block_backend *blk, bool on)
{
    g_assert(!blk->in_flight);
    blk->on_iothread = on && blk->iothread;
    blk->queue = blk->on_iothread ? blk->iothread_queue : blk->main_queue;
}

static void wait_for_all(void *opaque)
{
    struct block_backend *blk = opaque;

    while (blk->in_flight) {
        block_queue_wait(blk->queue);
    }
}

void block_backend_drain(struct block_backend *blk)
{
    if (blk->on_iothread) {
        iothread_run_sync(blk->iothread, wait_for_all, blk);
    } else {
        wait_for_all(blk);
    }
}

struct quiesced {
    struct block_node *leaf;
    void (*callback)(void *opaque);
    void *opaque;
};

/* All backends of a leaf have one thread: this one. */
static void run_quiesced(void *opaque)
{
    struct quiesced *q = opaque;

    for (guint i = 0; i < q->leaf->users->len; i++) {
        wait_for_all(q->leaf->users->pdata[i]);
    }
    q->callback(q->opaque);
}

void block_node_quiesced(struct block_node *node, void (*callback)(void *opaque), void *opaque)
{
    struct quiesced q = { block_node_leaf(node), callback, opaque };
    const struct block_backend *user = q.leaf->users->len ? q.leaf->users->pdata[0] : NULL;

    if (user && user->iothread) {
        iothread_run_sync(user->iothread, run_quiesced, &q);
    } else {
        run_quiesced(&q);
    }
}

void block_backend_plug(struct block_backend *blk)
{
    block_queue_plug(blk->queue);
}

void block_backend_unplug(struct block_backend *blk)
{
    block_queue_unplug(blk->queue);
}

/* ---- Requests ---- */

static bool is_write(enum block_op op)
{
    return op == BLOCK_WRITE || op == BLOCK_WRITE_ZEROES;
}

static void account(struct block_backend *blk, const struct block_request *req, int result)
{
    /* Written zeros are writes in QEMU's counts. */
    enum block_op op = req->op == BLOCK_WRITE_ZEROES ? BLOCK_WRITE : req->op;
    int64_t now = vm_clock_ns(VM_CLOCK_REALTIME);
    struct block_stats *stats = &blk->stats;

    pthread_mutex_lock(&block_stats_lock);
    if (result == 0) {
        stats->operations[op]++;
        stats->bytes[op] += req->length;
        for (struct block_node *node = blk->node; node && is_write(req->op); node = node->child) {
            node->highest_write = MAX(node->highest_write, req->offset + req->length);
        }
    } else {
        stats->failed[op]++;
    }
    stats->time_ns[op] += now - req->start_ns;
    stats->last_access_ns = now;
    pthread_mutex_unlock(&block_stats_lock);
}

void block_request_finish(struct block_request *req, int result)
{
    struct block_backend *blk = req->blk;

    if (result == 0 && is_write(req->now) && !block_backend_write_cache(blk)) {
        req->now = BLOCK_FLUSH;
        req->node_offset = req->offset;
        block_node_submit(blk->node, req);
        return;
    }
    account(blk, req, result);
    blk->in_flight--;
    req->complete(req, result);
}

static void finish_now(struct block_io *io)
{
    struct block_request *req = (struct block_request *)((char *)io - offsetof(struct block_request, io));

    block_request_finish(req, io->result);
}

void block_request_finish_later(struct block_request *req, int result)
{
    req->io.result = result;
    req->io.done = finish_now;
    block_queue_complete_later(req->blk->queue, &req->io);
}

void block_node_submit(struct block_node *node, struct block_request *req)
{
    req->node = node;
    node->driver->submit(node, req);
}

void block_submit(struct block_backend *blk, struct block_request *req)
{
    uint64_t length = block_backend_length(blk);
    bool bad = req->offset > length || req->length > length - req->offset;

    req->blk = blk;
    req->now = req->op;
    req->node_offset = req->offset;
    req->start_ns = vm_clock_ns(VM_CLOCK_REALTIME);
    req->bounce = NULL;
    blk->in_flight++;
    if (bad || (is_write(req->op) && (blk->read_only || !blk->node->active))) {
        block_request_finish_later(req, bad ? -EIO : -EPERM);
    } else {
        block_node_submit(blk->node, req);
    }
}

/* ---- Errors ---- */

bool block_backend_parse_policy(const char *name, const char *text, bool write, enum block_error_policy *policy,
                                GError **error)
{
    static const char *const names[] = {
        [BLOCK_ON_ERROR_REPORT] = "report",
        [BLOCK_ON_ERROR_IGNORE] = "ignore",
        [BLOCK_ON_ERROR_STOP] = "stop",
        [BLOCK_ON_ERROR_ENOSPC] = "enospc",
    };

    *policy = write ? BLOCK_ON_ERROR_ENOSPC : BLOCK_ON_ERROR_REPORT;
    if (!text || !strcmp(text, "auto")) {
        return true;
    }
    for (unsigned n = 0; n < G_N_ELEMENTS(names) - !write; n++) {
        if (!strcmp(text, names[n])) {
            *policy = n;
            return true;
        }
    }
    return error_setf(error, "Property '%s' expects report, ignore, stop%s or auto, not '%s'", name,
                      write ? ", enospc" : "", text);
}

static BlockErrorAction action_for(enum block_error_policy policy, int error)
{
    return policy == BLOCK_ON_ERROR_IGNORE                      ? BLOCK_ERROR_ACTION_IGNORE
           : policy == BLOCK_ON_ERROR_STOP                      ? BLOCK_ERROR_ACTION_STOP
           : policy == BLOCK_ON_ERROR_ENOSPC && error == ENOSPC ? BLOCK_ERROR_ACTION_STOP
                                                                : BLOCK_ERROR_ACTION_REPORT;
}

BlockErrorAction block_backend_error(struct block_backend *blk, enum block_op op, int error)
{
    bool read = op == BLOCK_READ;
    BlockErrorAction action = action_for(read ? blk->on_read_error : blk->on_write_error, error);

    if (action == BLOCK_ERROR_ACTION_STOP) {
        int ok = BLOCK_DEVICE_IO_STATUS_OK;
        int status = error == ENOSPC ? BLOCK_DEVICE_IO_STATUS_NOSPACE : BLOCK_DEVICE_IO_STATUS_FAILED;

        /* The first one's reason is the one that the operator wants to know. */
        __atomic_compare_exchange_n(&blk->io_status, &ok, status, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
    qapi_event_send_block_io_error(blk->name, blk->node->name,
                                   read ? IO_OPERATION_TYPE_READ : IO_OPERATION_TYPE_WRITE, action,
                                   action == BLOCK_ERROR_ACTION_STOP, error == ENOSPC, g_strerror(error));
    if (action == BLOCK_ERROR_ACTION_STOP) {
        system_vmstop_request(RUN_STATE_IO_ERROR);
    }
    return action;
}

void block_backend_invalid(struct block_backend *blk, enum block_op op)
{
    pthread_mutex_lock(&block_stats_lock);
    blk->stats.invalid[op]++;
    blk->stats.last_access_ns = vm_clock_ns(VM_CLOCK_REALTIME);
    pthread_mutex_unlock(&block_stats_lock);
}

void block_backend_reset_io_status(void)
{
    for (guint i = 0; backends && i < backends->len; i++) {
        struct block_backend *blk = backends->pdata[i];

        __atomic_store_n(&blk->io_status, BLOCK_DEVICE_IO_STATUS_OK, __ATOMIC_RELAXED);
    }
}
