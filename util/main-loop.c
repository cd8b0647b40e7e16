/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib-unix.h>
#include <poll.h>

#include "util/clock.h"
#include "util/event-notifier.h"
#include "util/main-loop.h"

/*
 * glib's mutexes are unfair: a vCPU that polls a device would take the lock again and again before a woken waiter
 * runs. So whoever waits for big_mutex holds the turnstile, and the next one to come waits there. Order: turnstile,
 * big_mutex; main-loop.h says what the latter guards.
 */
static GMutex turnstile, big_mutex;
static __thread bool big_held;

static struct event_notifier wakeup_notifier = { .fd = -1 };
static bool quit_requested; /* atomic */
static bool polling;        /* atomic: the loop has taken, or is about to take, its deadline */

static GMutex schedule_lock; /* guards schedule; innermost */
static GQueue schedule = G_QUEUE_INIT;

/* The wall clock may be set while we sleep; so timers on it are looked at this often. */
#define HOST_CLOCK_POLL_NS NSEC_PER_SEC

void big_lock(void)
{
    g_assert(!big_held);
    g_mutex_lock(&turnstile);
    g_mutex_lock(&big_mutex);
    g_mutex_unlock(&turnstile);
    big_held = true;
}

bool big_trylock(void)
{
    g_assert(!big_held);
    if (!g_mutex_trylock(&turnstile)) {
        return false;
    }
    big_held = g_mutex_trylock(&big_mutex);
    g_mutex_unlock(&turnstile);
    return big_held;
}

void big_unlock(void)
{
    g_assert(big_held);
    big_held = false;
    g_mutex_unlock(&big_mutex);
}

bool big_locked(void)
{
    return big_held;
}

void big_lock_wait(GCond *cond)
{
    g_assert(big_held);
    big_held = false;
    g_cond_wait(cond, &big_mutex);
    big_held = true;
}

/* Whether the main loop runs this clock's timers now: not a standing clock's, nor those that an icount vCPU runs. */
static bool clock_served(enum vm_clock clock)
{
    return clock != VM_CLOCK_VIRTUAL || (virtual_clock_is_running() && !virtual_clock_has_source());
}

/* Nanoseconds until the first timer expires (0: now), or -1. */
static int64_t timers_wait_ns(void)
{
    int64_t wait = -1;
    for (enum vm_clock clock = 0; clock < VM_CLOCKS; clock++) {
        int64_t deadline = clock_served(clock) ? timers_deadline(clock) : -1;
        if (deadline < 0) {
            continue;
        }
        int64_t now = vm_clock_ns(clock);
        int64_t left = deadline > now ? deadline - now : 0;
        if (clock == VM_CLOCK_HOST) {
            left = MIN(left, HOST_CLOCK_POLL_NS);
        }
        wait = wait < 0 ? left : MIN(wait, left);
    }
    return wait;
}

static gboolean timers_prepare(GSource *source, gint *timeout)
{
    *timeout = -1; /* the poll function knows the deadline, to the nanosecond */
    return timers_wait_ns() == 0;
}

static gboolean timers_check(GSource *source)
{
    return timers_wait_ns() == 0;
}

static gboolean timers_dispatch(GSource *source, GSourceFunc callback, gpointer opaque)
{
    for (enum vm_clock clock = 0; clock < VM_CLOCKS; clock++) {
        if (clock_served(clock)) {
            timers_run(clock);
        }
    }
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs timers_source = {
    .prepare = timers_prepare,
    .check = timers_check,
    .dispatch = timers_dispatch,
};

/* glib's poll, with the big lock dropped and our timers' deadline in nanoseconds. GPollFD is laid out as struct
 * pollfd. */
static gint main_loop_poll(GPollFD *fds, guint count, gint timeout_ms)
{
    G_STATIC_ASSERT(sizeof(GPollFD) == sizeof(struct pollfd));
    bool held = big_held;
    if (held) {
        big_unlock();
    }
    __atomic_store_n(&polling, true, __ATOMIC_SEQ_CST);
    int64_t wait = timers_wait_ns();
    if (timeout_ms >= 0 && (wait < 0 || timeout_ms * NSEC_PER_MSEC < wait)) {
        wait = timeout_ms * NSEC_PER_MSEC;
    }
    struct timespec timeout = { .tv_sec = wait / NSEC_PER_SEC, .tv_nsec = wait % NSEC_PER_SEC };
    int ready = ppoll((struct pollfd *)fds, count, wait < 0 ? NULL : &timeout, NULL);
    int saved = errno;
    __atomic_store_n(&polling, false, __ATOMIC_SEQ_CST);
    if (held) {
        big_lock();
    }
    errno = saved;
    return ready;
}

struct scheduled {
    void (*callback)(void *opaque);
    void *opaque;
};

static struct scheduled *schedule_pop(void)
{
    g_mutex_lock(&schedule_lock);
    struct scheduled *scheduled = g_queue_pop_head(&schedule);
    g_mutex_unlock(&schedule_lock);
    return scheduled;
}

static guint schedule_length(void)
{
    g_mutex_lock(&schedule_lock);
    guint length = schedule.length;
    g_mutex_unlock(&schedule_lock);
    return length;
}

static gboolean wakeup_seen(int fd, GIOCondition condition, gpointer opaque)
{
    event_notifier_test_and_clear(&wakeup_notifier);
    /* What callbacks schedule anew waits for the next round (they have woken us again), so that this one ends. */
    struct scheduled *scheduled;
    for (guint left = schedule_length(); left && (scheduled = schedule_pop()); left--) {
        scheduled->callback(scheduled->opaque);
        g_free(scheduled);
    }
    return G_SOURCE_CONTINUE;
}

void main_loop_init(void)
{
    g_assert(wakeup_notifier.fd < 0);
    GError *error = NULL;
    struct event_notifier notifier;
    if (!event_notifier_init(&notifier, &error)) {
        g_error("%s", error->message); /* nothing works without it, and nothing has begun */
    }
    __atomic_store_n(&wakeup_notifier.fd, notifier.fd, __ATOMIC_RELEASE);
    GMainContext *context = g_main_context_default();
    g_main_context_set_poll_func(context, main_loop_poll);
    GSource *source = g_source_new(&timers_source, sizeof(GSource));
    g_source_attach(source, context);
    g_source_unref(source);
    guint wakeup = main_loop_watch_fd(wakeup_notifier.fd, G_IO_IN, wakeup_seen, NULL);
    /* A scheduled callback may iterate the loop itself and wait for another one. */
    g_source_set_can_recurse(g_main_context_find_source_by_id(context, wakeup), TRUE);
    big_lock();
    main_loop_wakeup(); /* for what was scheduled earlier */
}

void main_loop_iterate(bool block)
{
    g_assert(big_held);
    g_main_context_iteration(NULL, block);
}

void main_loop_run(void)
{
    while (!__atomic_exchange_n(&quit_requested, false, __ATOMIC_ACQ_REL)) {
        main_loop_iterate(true);
    }
}

void main_loop_quit(void)
{
    __atomic_store_n(&quit_requested, true, __ATOMIC_RELEASE);
    main_loop_wakeup();
}

void main_loop_wakeup(void)
{
    if (__atomic_load_n(&wakeup_notifier.fd, __ATOMIC_ACQUIRE) >= 0) {
        event_notifier_set(&wakeup_notifier);
    }
}

void main_loop_wakeup_for_timer(void)
{
    /* Not polling: the loop will read the deadlines before it sleeps. */
    if (__atomic_load_n(&polling, __ATOMIC_SEQ_CST)) {
        main_loop_wakeup();
    }
}

void main_loop_schedule(void (*callback)(void *opaque), void *opaque)
{
    struct scheduled *scheduled = g_new(struct scheduled, 1);
    *scheduled = (struct scheduled){ .callback = callback, .opaque = opaque };
    g_mutex_lock(&schedule_lock);
    g_queue_push_tail(&schedule, scheduled);
    g_mutex_unlock(&schedule_lock);
    main_loop_wakeup();
}

guint main_loop_watch_fd(int fd, GIOCondition condition, main_loop_fd_fn *callback, gpointer opaque)
{
    return g_unix_fd_add(fd, condition, callback, opaque);
}
