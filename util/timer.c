/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Timers: one sorted list per clock. A pc has about a dozen pending, so lists beat cleverer structures. */
#include <glib.h>
#include <pthread.h>

#include "trace/util.h"
#include "util/clock.h"
#include "util/main-loop.h"

static pthread_mutex_t timer_lock = PTHREAD_MUTEX_INITIALIZER; /* guards lists and `expires`, `next`; innermost */
static struct timer *timer_lists[VM_CLOCKS];
static int64_t virtual_deadline = -1; /* the virtual list's first, or -1; atomic, written under timer_lock */

void timer_init(struct timer *timer, enum vm_clock clock, void (*callback)(void *opaque), void *opaque)
{
    *timer = (struct timer){ .clock = clock, .expires = -1, .callback = callback, .opaque = opaque };
}

/* After a change of the lists. timer_lock held. */
static void publish_deadline(void)
{
    const struct timer *first = timer_lists[VM_CLOCK_VIRTUAL];

    __atomic_store_n(&virtual_deadline, first ? first->expires : -1, __ATOMIC_RELAXED);
}

static void timer_unlink(struct timer *timer)
{
    if (timer->expires < 0) {
        return;
    }
    struct timer **link = &timer_lists[timer->clock];
    while (*link != timer) {
        link = &(*link)->next;
    }
    *link = timer->next;
    timer->next = NULL;
    timer->expires = -1;
    publish_deadline();
}

void timer_set(struct timer *timer, int64_t expires)
{
    pthread_mutex_lock(&timer_lock);
    timer_unlink(timer);
    struct timer **link = &timer_lists[timer->clock];
    timer->expires = MAX(expires, 0);
    while (*link && (*link)->expires <= timer->expires) { /* equal times: first come, first served */
        link = &(*link)->next;
    }
    timer->next = *link;
    *link = timer;
    publish_deadline();
    bool first = link == &timer_lists[timer->clock];
    pthread_mutex_unlock(&timer_lock);

    if (first && timer->clock == VM_CLOCK_VIRTUAL && virtual_timer_notify) {
        virtual_timer_notify();
    } else if (first) {
        main_loop_wakeup_for_timer();
    }
}

void timer_cancel(struct timer *timer)
{
    pthread_mutex_lock(&timer_lock);
    timer_unlink(timer);
    pthread_mutex_unlock(&timer_lock);
}

bool timer_pending(const struct timer *timer)
{
    pthread_mutex_lock(&timer_lock);
    bool pending = timer->expires >= 0;
    pthread_mutex_unlock(&timer_lock);
    return pending;
}

int64_t timers_deadline(enum vm_clock clock)
{
    pthread_mutex_lock(&timer_lock);
    int64_t expires = timer_lists[clock] ? timer_lists[clock]->expires : -1;
    pthread_mutex_unlock(&timer_lock);
    return expires;
}

bool timers_virtual_due(void)
{
    int64_t deadline = __atomic_load_n(&virtual_deadline, __ATOMIC_RELAXED);

    return deadline >= 0 && virtual_clock_is_running() && !virtual_clock_has_source() &&
           vm_clock_ns(VM_CLOCK_VIRTUAL) >= deadline;
}

static unsigned timers_count_expired(enum vm_clock clock, int64_t now)
{
    unsigned count = 0;
    pthread_mutex_lock(&timer_lock);
    for (struct timer *timer = timer_lists[clock]; timer && timer->expires <= now; timer = timer->next) {
        count++;
    }
    pthread_mutex_unlock(&timer_lock);
    return count;
}

bool timers_run(enum vm_clock clock)
{
    int64_t now = vm_clock_ns(clock);
    /* A callback that arms itself for the past (a guest can ask for a period of 1 ns) gets its turn in the next call.
     */
    unsigned left = timers_count_expired(clock, now);
    bool ran = false;
    for (; left; left--) {
        pthread_mutex_lock(&timer_lock);
        struct timer *timer = timer_lists[clock];
        if (!timer || timer->expires > now) {
            pthread_mutex_unlock(&timer_lock);
            break;
        }
        int64_t expires = timer->expires;
        void (*callback)(void *) = timer->callback;
        void *opaque = timer->opaque;
        timer_unlink(timer);
        pthread_mutex_unlock(&timer_lock);
        trace_timer_run(timer, clock, expires);
        callback(opaque); /* which may free the timer */
        ran = true;
    }
    return ran;
}
