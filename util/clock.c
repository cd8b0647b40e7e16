/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <time.h>
#include <x86intrin.h>

#include "util/clock.h"
#include "util/main-loop.h"

/*
 * The virtual clock: value = host + offset while it runs, = offset while it stands. Written under the big lock and
 * read by any thread, so a sequence counter (odd while a write is under way) lets readers see one consistent set.
 */
static struct {
    unsigned sequence;
    bool running;
    int64_t clock_offset; /* ns */
    int64_t ticks_offset; /* TSC */
} virtual_clock;

static int64_t (*source_ns)(void); /* -icount, qtest; set once before threads start */
static uint64_t (*source_ticks)(void);

void (*virtual_timer_notify)(void);

static int64_t host_clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static void virtual_clock_write(bool running, int64_t clock_offset, int64_t ticks_offset)
{
    __atomic_fetch_add(&virtual_clock.sequence, 1, __ATOMIC_ACQ_REL);
    __atomic_store_n(&virtual_clock.running, running, __ATOMIC_RELEASE);
    __atomic_store_n(&virtual_clock.clock_offset, clock_offset, __ATOMIC_RELEASE);
    __atomic_store_n(&virtual_clock.ticks_offset, ticks_offset, __ATOMIC_RELEASE);
    __atomic_fetch_add(&virtual_clock.sequence, 1, __ATOMIC_RELEASE);
}

/* Acquire loads instead of a fence: the thread sanitizer understands these. */
static void virtual_clock_read(bool *running, struct virtual_clock_state *state)
{
    unsigned before, after;
    do {
        before = __atomic_load_n(&virtual_clock.sequence, __ATOMIC_ACQUIRE);
        *running = __atomic_load_n(&virtual_clock.running, __ATOMIC_ACQUIRE);
        state->cpu_clock_offset = __atomic_load_n(&virtual_clock.clock_offset, __ATOMIC_ACQUIRE);
        state->cpu_ticks_offset = __atomic_load_n(&virtual_clock.ticks_offset, __ATOMIC_ACQUIRE);
        after = __atomic_load_n(&virtual_clock.sequence, __ATOMIC_ACQUIRE);
    } while (before != after || (before & 1));
}

int64_t vm_clock_ns(enum vm_clock clock)
{
    if (clock == VM_CLOCK_REALTIME) {
        return host_clock_ns(CLOCK_MONOTONIC);
    }
    if (clock == VM_CLOCK_HOST) {
        return host_clock_ns(CLOCK_REALTIME);
    }
    if (source_ns) {
        return source_ns();
    }
    bool running;
    struct virtual_clock_state state;
    virtual_clock_read(&running, &state);
    return state.cpu_clock_offset + (running ? host_clock_ns(CLOCK_MONOTONIC) : 0);
}

uint64_t virtual_ticks(void)
{
    if (source_ticks) {
        return source_ticks();
    }
    bool running;
    struct virtual_clock_state state;
    virtual_clock_read(&running, &state);
    return (uint64_t)state.cpu_ticks_offset + (running ? __rdtsc() : 0);
}

bool virtual_clock_is_running(void)
{
    return __atomic_load_n(&virtual_clock.running, __ATOMIC_ACQUIRE);
}

void virtual_clock_start(void)
{
    if (!virtual_clock_is_running()) {
        virtual_clock_write(true, virtual_clock.clock_offset - host_clock_ns(CLOCK_MONOTONIC),
                            (int64_t)((uint64_t)virtual_clock.ticks_offset - __rdtsc()));
        main_loop_wakeup(); /* virtual timers count down again */
    }
}

void virtual_clock_stop(void)
{
    if (virtual_clock_is_running()) {
        virtual_clock_write(false, virtual_clock.clock_offset + host_clock_ns(CLOCK_MONOTONIC),
                            (int64_t)((uint64_t)virtual_clock.ticks_offset + __rdtsc()));
    }
}

void virtual_clock_get_state(struct virtual_clock_state *state)
{
    *state = (struct virtual_clock_state){ .cpu_ticks_offset = (int64_t)virtual_ticks(),
                                           .cpu_clock_offset = vm_clock_ns(VM_CLOCK_VIRTUAL) };
}

void virtual_clock_set_state(const struct virtual_clock_state *state)
{
    if (virtual_clock_is_running()) {
        virtual_clock_write(true, state->cpu_clock_offset - host_clock_ns(CLOCK_MONOTONIC),
                            (int64_t)((uint64_t)state->cpu_ticks_offset - __rdtsc()));
    } else {
        virtual_clock_write(false, state->cpu_clock_offset, state->cpu_ticks_offset);
    }
}

void virtual_clock_set_source(int64_t (*now_ns)(void), uint64_t (*ticks)(void))
{
    source_ns = now_ns;
    source_ticks = ticks;
}

bool virtual_clock_has_source(void)
{
    return source_ns;
}

/* Counts ticks over a bit of real time; the shortest pair of readings of several brackets each end. */
static uint64_t measure_ticks_hz(void)
{
    uint64_t ticks[2];
    int64_t ns[2];
    for (int end = 0; end < 2; end++) {
        uint64_t shortest = UINT64_MAX;
        if (end) {
            g_usleep(20000);
        }
        for (int attempt = 0; attempt < 8; attempt++) {
            uint64_t before = __rdtsc();
            int64_t now = host_clock_ns(CLOCK_MONOTONIC_RAW);
            uint64_t after = __rdtsc();
            if (after - before < shortest) {
                shortest = after - before;
                ticks[end] = before + shortest / 2;
                ns[end] = now;
            }
        }
    }
    return (uint64_t)((__uint128_t)(ticks[1] - ticks[0]) * NSEC_PER_SEC / (uint64_t)(ns[1] - ns[0]));
}

uint64_t virtual_ticks_hz(void)
{
    static gsize hz;
    if (g_once_init_enter(&hz)) {
        g_once_init_leave(&hz, measure_ticks_hz());
    }
    return hz;
}
