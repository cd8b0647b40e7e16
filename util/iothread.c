/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "trace/util.h"
#include "util/iothread.h"
#include "util/tsan.h"

struct iothread {
    char *id;
    GThread *thread;
    GMainContext *context;
    GMainLoop *loop;
    int thread_id; /* gettid() of it */
    int users;     /* big lock */
};

static GPtrArray *iothreads; /* big lock */

static gpointer iothread_main(gpointer opaque)
{
    struct iothread *iothread = opaque;
    trace_iothread_start(iothread->id);
    g_main_context_push_thread_default(iothread->context);
    g_main_loop_run(iothread->loop);
    g_main_context_pop_thread_default(iothread->context);
    return NULL;
}

static void iothread_free(struct iothread *iothread)
{
    g_main_loop_unref(iothread->loop);
    g_main_context_unref(iothread->context);
    g_free(iothread->id);
    g_free(iothread);
}

static void note_thread_id(void *opaque)
{
    *(int *)opaque = gettid();
}

struct iothread *iothread_new(const char *id, GError **error)
{
    if (iothread_find(id)) {
        error_setf(error, "-object iothread: id '%s' is in use already", id);
        return NULL;
    }
    struct iothread *iothread = g_new0(struct iothread, 1);
    iothread->id = g_strdup(id);
    iothread->context = g_main_context_new();
    iothread->loop = g_main_loop_new(iothread->context, FALSE);
    g_autofree char *name = g_strdup_printf("IO %s", id);
    iothread->thread = g_thread_try_new(name, iothread_main, iothread, error);
    if (!iothread->thread) {
        g_prefix_error(error, "-object iothread,id=%s: ", id);
        iothread_free(iothread);
        return NULL;
    }
    iothread_run_sync(iothread, note_thread_id, &iothread->thread_id);
    if (!iothreads) {
        iothreads = g_ptr_array_new();
    }
    g_ptr_array_add(iothreads, iothread);
    return iothread;
}

struct iothread *iothread_find(const char *id)
{
    for (guint i = 0; iothreads && i < iothreads->len; i++) {
        struct iothread *iothread = iothreads->pdata[i];
        if (!strcmp(iothread->id, id)) {
            return iothread;
        }
    }
    return NULL;
}

static void iothread_quit(void *opaque)
{
    g_main_loop_quit(opaque);
}

bool iothread_delete(struct iothread *iothread, GError **error)
{
    if (iothread->users) {
        return error_setf(error, "iothread '%s' is in use by %d device(s)", iothread->id, iothread->users);
    }
    /* From within the loop: a quit before g_main_loop_run() has begun would be forgotten. */
    iothread_run_sync(iothread, iothread_quit, iothread->loop);
    g_thread_join(iothread->thread);
    g_ptr_array_remove(iothreads, iothread);
    iothread_free(iothread);
    return true;
}

void iothread_foreach(void (*each)(const struct iothread *iothread, void *opaque), void *opaque)
{
    for (guint i = 0; iothreads && i < iothreads->len; i++) {
        each(iothreads->pdata[i], opaque);
    }
}

void iothread_ref(struct iothread *iothread)
{
    iothread->users++;
}

void iothread_unref(struct iothread *iothread)
{
    g_assert(iothread->users > 0);
    iothread->users--;
}

const char *iothread_id(const struct iothread *iothread)
{
    return iothread->id;
}

int iothread_thread_id(const struct iothread *iothread)
{
    return iothread->thread_id;
}

GMainContext *iothread_context(struct iothread *iothread)
{
    return iothread->context;
}

struct sync_call {
    void (*callback)(void *opaque);
    void *opaque;
    pthread_mutex_t lock; /* guards `done` */
    pthread_cond_t cond;
    bool done;
};

static gboolean sync_call_run(gpointer opaque)
{
    struct sync_call *call = opaque;
    tsan_acquire(call);
    call->callback(call->opaque);
    pthread_mutex_lock(&call->lock);
    call->done = true;
    pthread_cond_signal(&call->cond);
    pthread_mutex_unlock(&call->lock);
    return G_SOURCE_REMOVE;
}

void iothread_run_sync(struct iothread *iothread, void (*callback)(void *opaque), void *opaque)
{
    if (g_thread_self() == iothread->thread) {
        callback(opaque);
        return;
    }
    struct sync_call call = {
        .callback = callback, .opaque = opaque, .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER
    };
    GSource *source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_HIGH);
    g_source_set_callback(source, sync_call_run, &call, NULL);
    tsan_release(&call);
    g_source_attach(source, iothread->context);
    g_source_unref(source);
    pthread_mutex_lock(&call.lock);
    while (!call.done) {
        pthread_cond_wait(&call.cond, &call.lock);
    }
    pthread_mutex_unlock(&call.lock);
    pthread_mutex_destroy(&call.lock);
    pthread_cond_destroy(&call.cond);
}
