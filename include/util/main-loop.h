/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The main loop (glib's default context) and the big lock.
 *
 * The big lock guards all device state, timers' callbacks, the memory topology and the run state. It is the
 * outermost lock: take no other lock before it. The main loop drops it only while it polls.
 */
#ifndef FERRY_UTIL_MAIN_LOOP_H
#define FERRY_UTIL_MAIN_LOOP_H

#include <glib.h>
#include <stdbool.h>

void big_lock(void);
bool big_trylock(void); /* never waits; false also if somebody else is waiting for it */
void big_unlock(void);
bool big_locked(void); /* by this thread */
/* A condition that goes with the big lock. */
void big_lock_wait(GCond *cond);

/*
 * Installs the poll function and the timers' source. Called once, by main() and by tests; returns with the big lock
 * held.
 */
void main_loop_init(void);
/* Iterates until main_loop_quit(). Big lock held on entry and on return. */
void main_loop_run(void);
void main_loop_quit(void);
/* One iteration; `block`: wait for something to happen. */
void main_loop_iterate(bool block);
/* Makes a blocked poll return. Any thread, signal-safe. */
void main_loop_wakeup(void);
/* For util/timer.c: a new first deadline; cheap while the loop is not in its poll. */
void main_loop_wakeup_for_timer(void);

/* Runs `callback` once on the main loop's thread, big lock held. Any thread. */
void main_loop_schedule(void (*callback)(void *opaque), void *opaque);

/* Watches a file descriptor in the main loop; GIOCondition bits. Returns a source id for g_source_remove(). */
typedef gboolean main_loop_fd_fn(int fd, GIOCondition condition, gpointer opaque);
guint main_loop_watch_fd(int fd, GIOCondition condition, main_loop_fd_fn *callback, gpointer opaque);

#endif
