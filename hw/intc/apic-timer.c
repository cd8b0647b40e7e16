/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local APIC's timer (SDM 3A, 11.5.4): one-shot, periodic and TSC-deadline. It counts at 1 GHz of the virtual
 * clock, as the machine types of this family have it, divided by the divide configuration register. A count of N
 * expires after N + 1 ticks, which is also what is in the stream (next_time).
 *
 * Left out: nothing that counts. A periodic timer is held to 20 µs at the shortest, since no guest may keep the main
 * loop busy: ticks in between are skipped, the phase is kept.
 */
#include "hw/intc/apic-internal.h"

#define MIN_PERIOD_NS (20 * NSEC_PER_USEC)

static uint32_t timer_mode(const struct apic *apic)
{
    return apic->lvt[LVT_TIMER] & LVT_TIMER_MODE;
}

/* Ticks since the count was loaded; a clock before load_time (only a damaged stream has it) counts as none. */
static uint64_t elapsed_ticks(const struct apic *apic, int64_t now)
{
    return now <= apic->load_time ? 0 : ((uint64_t)now - (uint64_t)apic->load_time) >> apic->count_shift;
}

uint32_t apic_timer_current_count(const struct apic *apic)
{
    uint64_t ticks = elapsed_ticks(apic, vm_clock_ns(VM_CLOCK_VIRTUAL));

    if (timer_mode(apic) == LVT_TIMER_PERIODIC) {
        return apic->initial_count - (uint32_t)(ticks % ((uint64_t)apic->initial_count + 1));
    }
    if (timer_mode(apic) != LVT_TIMER_ONE_SHOT || ticks >= apic->initial_count) {
        return 0;
    }
    return apic->initial_count - (uint32_t)ticks;
}

/* True with next_time set, if a count is running that will expire after `now`. */
static bool next_expiry(struct apic *apic, int64_t now)
{
    uint64_t period = ((uint64_t)apic->initial_count + 1) << apic->count_shift;
    uint64_t passed = now <= apic->load_time ? 0 : (uint64_t)now - (uint64_t)apic->load_time;
    uint64_t at = period;

    if (!apic->initial_count) {
        return false;
    }
    if (timer_mode(apic) == LVT_TIMER_ONE_SHOT && passed >= period) {
        return false;
    }
    if (timer_mode(apic) == LVT_TIMER_PERIODIC) {
        if (period < MIN_PERIOD_NS) {
            passed += MIN_PERIOD_NS;
        }
        at = (passed / period + 1) * period;
    }
    if (at > (uint64_t)INT64_MAX - (uint64_t)MAX(apic->load_time, 0)) {
        return false;
    }
    apic->next_time = apic->load_time + (int64_t)at;
    return true;
}

static void arm_count(struct apic *apic, int64_t now)
{
    if (next_expiry(apic, now) && !(apic->lvt[LVT_TIMER] & LVT_MASKED)) {
        timer_set(&apic->timer, apic->next_time);
    } else {
        timer_cancel(&apic->timer);
    }
}

/* The virtual time at which the CPU's TSC reaches the deadline. */
static void arm_deadline(struct apic *apic)
{
    uint64_t tsc = virtual_ticks() + (uint64_t)apic->cpu->tsc_offset;
    int64_t ahead = (int64_t)(apic->tsc_deadline - tsc);
    int64_t now = vm_clock_ns(VM_CLOCK_VIRTUAL);
    __int128 ns;

    if (!apic->tsc_deadline) {
        timer_cancel(&apic->timer);
        return;
    }
    ns = ahead > 0 ? (__int128)ahead * NSEC_PER_SEC / (int64_t)MAX(virtual_ticks_hz(), 1) : 0;
    apic->next_time = ns > INT64_MAX - now ? INT64_MAX : now + (int64_t)ns;
    timer_set(&apic->timer, apic->next_time);
}

static void timer_expired(void *opaque)
{
    struct apic *apic = opaque;

    switch (timer_mode(apic)) {
    case LVT_TIMER_DEADLINE:
        apic->tsc_deadline = 0;
        break;
    case LVT_TIMER_PERIODIC:
        arm_count(apic, vm_clock_ns(VM_CLOCK_VIRTUAL));
        break;
    }
    apic_local_deliver(apic, LVT_TIMER);
}

void apic_timer_set_initial_count(struct apic *apic, uint32_t count)
{
    if (timer_mode(apic) == LVT_TIMER_DEADLINE) {
        return; /* SDM: ignored in this mode */
    }
    apic->initial_count = count;
    apic->load_time = vm_clock_ns(VM_CLOCK_VIRTUAL);
    arm_count(apic, apic->load_time);
}

void apic_timer_set_divide(struct apic *apic, uint32_t value)
{
    unsigned code;

    apic->divide_conf = value & 0xb;
    /* Bits 3, 1 and 0: 000 divides by 2, 001 by 4, …, 110 by 128, 111 by 1. */
    code = (value & 3) | ((value >> 1) & 4);
    apic->count_shift = (int32_t)((code + 1) & 7);
    if (timer_mode(apic) != LVT_TIMER_DEADLINE) {
        arm_count(apic, vm_clock_ns(VM_CLOCK_VIRTUAL));
    }
}

void apic_timer_lvt_changed(struct apic *apic, uint32_t old)
{
    bool was_deadline = (old & LVT_TIMER_MODE) == LVT_TIMER_DEADLINE;
    bool is_deadline = timer_mode(apic) == LVT_TIMER_DEADLINE;

    if (was_deadline != is_deadline) {
        apic->tsc_deadline = 0; /* a change of mode disarms */
        apic->initial_count = 0;
        timer_cancel(&apic->timer);
    } else if (!is_deadline) {
        arm_count(apic, vm_clock_ns(VM_CLOCK_VIRTUAL));
    }
}

/*
 * In another mode the value has no effect and reads as zero. It is kept all the same: a stream brings it (with the
 * CPU) before it brings our mode, and for a guest it makes no difference, since entering the mode clears it.
 */
void apic_timer_set_deadline(struct apic *apic, uint64_t value)
{
    apic->tsc_deadline = value;
    if (timer_mode(apic) == LVT_TIMER_DEADLINE) {
        arm_deadline(apic);
    }
}

uint64_t apic_timer_deadline(const struct apic *apic)
{
    return timer_mode(apic) == LVT_TIMER_DEADLINE ? apic->tsc_deadline : 0;
}

void apic_timer_store(struct apic *apic)
{
    if (timer_mode(apic) == LVT_TIMER_DEADLINE) {
        arm_deadline(apic); /* next_time as a load at this moment would find it */
    }
    apic->timer_expiry = timer_pending(&apic->timer) ? apic->next_time : -1;
}

void apic_timer_restore(struct apic *apic)
{
    if (timer_mode(apic) == LVT_TIMER_DEADLINE) {
        arm_deadline(apic);
    } else if (apic->timer_expiry >= 0) {
        timer_set(&apic->timer, apic->timer_expiry);
    } else {
        timer_cancel(&apic->timer);
    }
}

void apic_timer_init(struct apic *apic)
{
    timer_init(&apic->timer, VM_CLOCK_VIRTUAL, timer_expired, apic);
}
