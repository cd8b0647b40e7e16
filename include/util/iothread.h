/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -object iothread,id=X: a thread with an event loop of its own, for virtqueues bound to it. */
#ifndef FERRY_UTIL_IOTHREAD_H
#define FERRY_UTIL_IOTHREAD_H

#include "util/error.h"

struct iothread;

/* The thread starts at once. `id` is the object's. Big lock held for all of these. */
struct iothread *iothread_new(const char *id, GError **error);
struct iothread *iothread_find(const char *id);
/* Stops and joins; fails while users are bound. */
bool iothread_delete(struct iothread *iothread, GError **error);
void iothread_ref(struct iothread *iothread);   /* a user binds */
void iothread_unref(struct iothread *iothread); /* a user lets go */
void iothread_foreach(void (*each)(const struct iothread *iothread, void *opaque), void *opaque);
int iothread_thread_id(const struct iothread *iothread); /* the host's */
const char *iothread_id(const struct iothread *iothread);
GMainContext *iothread_context(struct iothread *iothread);
/* Runs `callback` on the thread and waits for it (the big lock is kept: the callback must not take it). */
void iothread_run_sync(struct iothread *iothread, void (*callback)(void *opaque), void *opaque);

#endif
