/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's queues, and its pool of threads for where io_uring is not to be had or not wanted. */
#include "block/queue.h"

#include <glib-unix.h>
#include <poll.h>
#include <pthread.h>

#include "util/event-notifier.h"
#include "util/iothread.h"
#include "util/tsan.h"

#define POOL_THREADS 16 /* as many calls of all queues together block at once */

struct block_queue {
    struct iothread *iothread; /* NULL: the main loop */
    int users;                 /* big lock */
    unsigned plugged;
    struct block_uring *uring; /* NULL: none */
    GSource *uring_source, *source;
    struct event_notifier ready; /* `finished` is not empty */
    pthread_mutex_t lock;        /* guards `finished`; innermost */
    struct block_io *finished, **finished_tail;
};

static GPtrArray *queues; /* big lock */
static GThreadPool *pool; /* made once, big lock; then any thread pushes */

/* ---- Threads ---- */

static void queue_finished(struct block_queue *queue, struct block_io *io)
{
    io->next = NULL;
    pthread_mutex_lock(&queue->lock);
    *queue->finished_tail = io;
    queue->finished_tail = &io->next;
    pthread_mutex_unlock(&queue->lock);
    event_notifier_set(&queue->ready);
}

static void pool_run(gpointer data, gpointer opaque)
{
    struct block_io *io = data;

    tsan_acquire(io);
    io->result = block_call_run(io);
    queue_finished(io->queue, io);
}

static unsigned take_finished(struct block_queue *queue)
{
    struct block_io *io;
    unsigned n = 0;

    event_notifier_test_and_clear(&queue->ready);
    pthread_mutex_lock(&queue->lock);
    io = queue->finished;
    queue->finished = NULL;
    queue->finished_tail = &queue->finished;
    pthread_mutex_unlock(&queue->lock);
    while (io) {
        struct block_io *next = io->next;

        n++;
        io->done(io);
        io = next;
    }
    return n;
}

/* ---- Completion ---- */

static gboolean finished_ready(int fd, GIOCondition condition, gpointer opaque)
{
    struct block_queue *queue = opaque;

    tsan_acquire(queue);
    block_queue_plug(queue);
    take_finished(queue);
    block_queue_unplug(queue);
    return G_SOURCE_CONTINUE;
}

static gboolean uring_ready(int fd, GIOCondition condition, gpointer opaque)
{
    struct block_queue *queue = opaque;

    tsan_acquire(queue);
    block_queue_plug(queue);
    block_uring_reap(queue->uring, false);
    block_queue_unplug(queue);
    return G_SOURCE_CONTINUE;
}

void block_queue_wait(struct block_queue *queue)
{
    struct pollfd fds[] = { { .fd = queue->ready.fd, .events = POLLIN },
                            { .fd = queue->uring ? block_uring_fd(queue->uring) : -1, .events = POLLIN } };

    if (queue->uring) {
        block_uring_flush(queue->uring);
    }
    if (poll(fds, G_N_ELEMENTS(fds), -1) <= 0) {
        return; /* a signal: the caller looks whether it must wait on */
    }
    block_queue_plug(queue);
    if (fds[0].revents) {
        take_finished(queue);
    }
    if (queue->uring && fds[1].revents) {
        block_uring_reap(queue->uring, false);
    }
    block_queue_unplug(queue);
}

void block_queue_complete_later(struct block_queue *queue, struct block_io *io)
{
    io->queue = queue;
    queue_finished(queue, io);
}

/* ---- Submission ---- */

void block_queue_submit(struct block_queue *queue, enum block_aio aio, struct block_io *io)
{
    io->queue = queue;
    if (queue->uring && aio != BLOCK_AIO_THREADS) {
        block_uring_add(queue->uring, io);
        if (!queue->plugged) {
            block_uring_flush(queue->uring);
        }
        return;
    }
    tsan_release(io);
    g_thread_pool_push(pool, io, NULL); /* where no thread can be made it waits for one that exists */
}

void block_queue_plug(struct block_queue *queue)
{
    queue->plugged++;
}

void block_queue_unplug(struct block_queue *queue)
{
    g_assert(queue->plugged);
    if (--queue->plugged == 0 && queue->uring) {
        block_uring_flush(queue->uring);
    }
}

bool block_aio_check(enum block_aio aio, GError **error)
{
    struct block_uring *uring;

    if (aio != BLOCK_AIO_IO_URING) {
        return true;
    }
    uring = block_uring_new(error);
    if (!uring) {
        g_prefix_error(error, "aio=io_uring: ");
        return false;
    }
    block_uring_free(uring);
    return true;
}

/* ---- Life ---- */

static GSource *watch(struct block_queue *queue, int fd, GUnixFDSourceFunc callback)
{
    GSource *source = g_unix_fd_source_new(fd, G_IO_IN);

    g_source_set_callback(source, G_SOURCE_FUNC(callback), queue, NULL);
    tsan_release(queue);
    g_source_attach(source, queue->iothread ? iothread_context(queue->iothread) : NULL);
    return source;
}

static struct block_queue *queue_new(struct iothread *iothread, GError **error)
{
    struct block_queue *queue = g_new0(struct block_queue, 1);

    if (!event_notifier_init(&queue->ready, error)) {
        g_free(queue);
        return NULL;
    }
    queue->iothread = iothread;
    pthread_mutex_init(&queue->lock, NULL);
    queue->finished_tail = &queue->finished;
    queue->source = watch(queue, queue->ready.fd, finished_ready);
    queue->uring = block_uring_new(NULL);
    if (queue->uring) {
        queue->uring_source = watch(queue, block_uring_fd(queue->uring), uring_ready);
    }
    if (iothread) {
        iothread_ref(iothread);
    }
    return queue;
}

struct block_queue *block_queue_get(struct iothread *iothread, GError **error)
{
    struct block_queue *queue;

    if (!queues) {
        queues = g_ptr_array_new();
        pool = g_thread_pool_new(pool_run, NULL, POOL_THREADS, FALSE, NULL); /* cannot fail: not exclusive */
    }
    for (guint i = 0; i < queues->len; i++) {
        queue = queues->pdata[i];
        if (queue->iothread == iothread) {
            queue->users++;
            return queue;
        }
    }
    queue = queue_new(iothread, error);
    if (queue) {
        queue->users = 1;
        g_ptr_array_add(queues, queue);
    }
    return queue;
}

static void destroy_sources(void *opaque)
{
    struct block_queue *queue = opaque;

    g_source_destroy(queue->source);
    if (queue->uring_source) {
        g_source_destroy(queue->uring_source);
    }
}

void block_queue_put(struct block_queue *queue)
{
    if (--queue->users) {
        return;
    }
    g_ptr_array_remove(queues, queue);
    if (queue->iothread) {
        iothread_run_sync(queue->iothread, destroy_sources, queue); /* no callback runs any more */
        iothread_unref(queue->iothread);
    } else {
        destroy_sources(queue);
    }
    g_source_unref(queue->source);
    if (queue->uring) {
        g_source_unref(queue->uring_source);
        block_uring_free(queue->uring);
    }
    event_notifier_cleanup(&queue->ready);
    pthread_mutex_destroy(&queue->lock);
    g_free(queue);
}
