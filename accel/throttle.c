/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Throttling of vCPUs, whatever runs them. While a share is set, a thread calls them all out of cpu_run() at the end
 * of each slice; each then sleeps on its own for as long as the share asks for. A vCPU asleep sleeps as one that is
 * halted does: without the big lock, and whoever has something for it (a pause, work, the end) wakes it at once; an
 * interrupt does not.
 */
#include "accel/throttle.h"

#include <glib.h>

#include "accel/accel.h"
#include "accel/vcpu.h"
#include "util/clock.h"

#define RUN_NS (10 * NSEC_PER_MSEC) /* guest code between two sleeps */

static GMutex lock; /* guards `thread` and goes with `changed`; innermost */
static GCond changed;
static GThread *thread;
static unsigned share; /* percent; atomic for reading, changed under the lock */

unsigned throttle_percent(void)
{
    return __atomic_load_n(&share, __ATOMIC_RELAXED);
}

static int64_t sleep_ns(unsigned percent)
{
    return RUN_NS * percent / (100 - percent);
}

/* Lock held. False: somebody changed the share before `ns` were over. */
static bool rest(int64_t ns)
{
    int64_t until = g_get_monotonic_time() + ns / NSEC_PER_USEC;
    unsigned before = share;

    while (share == before) {
        if (!g_cond_wait_until(&changed, &lock, until)) {
            return true;
        }
    }
    return false;
}

static gpointer throttle_thread(gpointer opaque)
{
    g_mutex_lock(&lock);
    while (share) {
        if (!rest(RUN_NS)) {
            continue;
        }
        VCPU_FOREACH (cpu) {
            __atomic_store_n(&cpu->throttle_due, true, __ATOMIC_RELEASE);
            vcpu_leave(cpu);
        }
        rest(sleep_ns(share));
    }
    g_thread_unref(thread);
    thread = NULL;
    g_mutex_unlock(&lock);
    return NULL;
}

void throttle_set(unsigned percent)
{
    g_mutex_lock(&lock);
    __atomic_store_n(&share, MIN(percent, THROTTLE_MOST), __ATOMIC_RELAXED);
    if (share && !thread) {
        thread = g_thread_new("throttle", throttle_thread, NULL);
    }
    g_cond_broadcast(&changed);
    g_mutex_unlock(&lock);
    if (!percent) {
        VCPU_FOREACH (cpu) {
            vcpu_wake(cpu);
        }
    }
}

static bool wanted_elsewhere(const struct x86_cpu *cpu)
{
    return cpu->stop || cpu->stopped || cpu->unplug || cpu->work;
}

bool throttle_sleep(struct x86_cpu *cpu)
{
    if (!__atomic_exchange_n(&cpu->throttle_due, false, __ATOMIC_ACQ_REL) || !throttle_percent()) {
        return false;
    }
    int64_t now = vm_clock_ns(VM_CLOCK_REALTIME), until = now + sleep_ns(throttle_percent());
    for (; now < until && throttle_percent() && !wanted_elsewhere(cpu); now = vm_clock_ns(VM_CLOCK_REALTIME)) {
        vcpu_wait(cpu, until - now);
    }
    return true;
}
