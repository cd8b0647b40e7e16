/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clocks and timers. All times are nanoseconds.
 *
 * Timer callbacks run with the big lock held, on the main loop's thread or, those of virtual timers, on a vCPU's
 * (under -icount only there; else when a guest reads the time before the main loop came round to it). A timer is
 * changed with the big lock held, or from any thread: the list has a lock of its own, innermost.
 */
#ifndef FERRY_UTIL_CLOCK_H
#define FERRY_UTIL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum vm_clock {
    VM_CLOCK_REALTIME, /* CLOCK_MONOTONIC */
    VM_CLOCK_VIRTUAL,  /* stands still while the VM is stopped; starts at 0; migrated */
    VM_CLOCK_HOST,     /* wall time since 1970 */
    VM_CLOCKS
};

#define NSEC_PER_SEC 1000000000ll
#define NSEC_PER_MSEC 1000000ll
#define NSEC_PER_USEC 1000ll

/* Any thread. The virtual clock never runs backwards. */
int64_t vm_clock_ns(enum vm_clock clock);

/* Starts and stops the virtual clock and the TSC; big lock held. Idempotent. */
void virtual_clock_start(void);
void virtual_clock_stop(void);

/*
 * The time stamp counter that vCPUs see: the host's TSC plus an offset, standing still with the virtual clock.
 * Ticks per second are the host's (virtual_ticks_hz(), measured once).
 */
uint64_t virtual_ticks(void);
uint64_t virtual_ticks_hz(void);

/* The migrated state of both; valid while the clock is stopped (the "timer" section). */
struct virtual_clock_state {
    int64_t cpu_ticks_offset;
    int64_t cpu_clock_offset;
};
void virtual_clock_get_state(struct virtual_clock_state *state);
void virtual_clock_set_state(const struct virtual_clock_state *state);

/*
 * -icount: replaces the source of the virtual clock (ns) and of the ticks. The source is called from any thread.
 * Virtual timers then expire only through timers_run(VM_CLOCK_VIRTUAL). For accel/tcg and accel/qtest.
 */
void virtual_clock_set_source(int64_t (*now_ns)(void), uint64_t (*ticks)(void));
bool virtual_clock_has_source(void);
/* Whether the clock was started (under -icount too). Any thread. */
bool virtual_clock_is_running(void);

struct timer {
    enum vm_clock clock;
    int64_t expires;         /* ns, or -1: not pending */
    struct timer *next;      /* in the clock's sorted list */
    void (*callback)(void *opaque);
    void *opaque;
};

void timer_init(struct timer *timer, enum vm_clock clock, void (*callback)(void *opaque), void *opaque);
/* (Re)arms for the absolute time `expires` (>= 0, ns of its clock). */
void timer_set(struct timer *timer, int64_t expires);
/* Disarms; once it returns the callback does not start (with the big lock held). Idempotent. */
void timer_cancel(struct timer *timer);
bool timer_pending(const struct timer *timer);

/* Runs what has expired; true if any did. Big lock held. The main loop calls it for all clocks. */
bool timers_run(enum vm_clock clock);
/* Absolute ns of the first to expire, or -1. */
int64_t timers_deadline(enum vm_clock clock);
/*
 * Whether a virtual timer has expired that timers_run() would run, the clock not being -icount's. Any thread, no
 * lock.
 */
bool timers_virtual_due(void);

/*
 * Called when a virtual timer becomes the first to expire (so that an icount vCPU can shorten its slice). May be
 * NULL.
 */
extern void (*virtual_timer_notify)(void);

#endif
