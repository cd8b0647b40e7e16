/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -icount shift=N[,sleep=on|off][,align=off]: the virtual clock counts instructions, 2^N ns each, on one vCPU; the
 * same input gives the same run. Virtual timers run on the vCPU's thread, when the count reaches them.
 *
 * While the vCPU is halted nothing counts: with sleep=off the clock jumps to the next timer, with sleep=on it gets
 * there in real time. align=on (slowing down to real time) is not supported, nor is shift=auto.
 */
#include "accel/icount.h"
#include "accel/tcg/internal.h"
#include "util/clock.h"
#include "util/keyval.h"
#include "util/main-loop.h"

#define MAX_SHIFT 10

bool icount_on;
static unsigned shift;
static bool sleep_real = true;
static int64_t bias; /* ns skipped while halted; atomic */

static uint64_t instructions_now(const struct x86_cpu *cpu)
{
    uint64_t count = __atomic_load_n(&cpu->instructions, __ATOMIC_RELAXED);

    /* Inside a block all of it is counted already. */
    if (cpu == vcpu_current() && cpu->tcg && cpu->block) {
        const struct tcg_block *block = cpu->block;
        count -= block->count - (cpu->insn - block->insns);
    }
    return count;
}

static int64_t icount_ns(void)
{
    uint64_t count = vcpu_count ? instructions_now(vcpus[0]) : 0;
    return (int64_t)(count << shift) + __atomic_load_n(&bias, __ATOMIC_RELAXED);
}

static uint64_t icount_ticks(void)
{
    return (uint64_t)icount_ns(); /* 1 GHz */
}

static void timer_moved(void)
{
    tcg_kick_boundaries();
    if (vcpu_count && vcpus[0]->halted) {
        vcpu_wake(vcpus[0]);
    }
}

bool icount_configure(struct keyval *options, GError **error)
{
    uint64_t value = 0;
    bool align = false;
    const char *text = keyval_get(options, "shift");

    if (accel != &accel_tcg) {
        return error_setf(error, "-icount works with -accel tcg only");
    }
    if (text && strcmp(text, "auto") == 0) {
        return error_setf(error, "-icount shift=auto is not supported: give shift=0 to shift=%d", MAX_SHIFT);
    }
    if (!text) {
        return error_setf(error, "-icount needs shift=N");
    }
    if (!keyval_get_uint(options, "shift", &value, MAX_SHIFT, error) ||
        !keyval_get_bool(options, "sleep", &sleep_real, error) ||
        !keyval_get_bool(options, "align", &align, error) || !keyval_check_unread(options, error)) {
        return false;
    }
    if (align) {
        return error_setf(error, "-icount align=on is not supported");
    }
    shift = value;
    icount_on = true;
    virtual_clock_set_source(icount_ns, icount_ticks);
    virtual_timer_notify = timer_moved;
    return true;
}

bool icount_enabled(void)
{
    return icount_on;
}

void icount_set_limit(struct tcg_cpu *t)
{
    int64_t deadline = timers_deadline(VM_CLOCK_VIRTUAL), left;

    if (deadline < 0) {
        t->instruction_limit = UINT64_MAX;
        return;
    }
    left = deadline - icount_ns();
    t->instruction_limit = t->cpu->instructions + (left > 0 ? ((uint64_t)left + (1ull << shift) - 1) >> shift : 0);
}

/* Between blocks, in the guest. */
void icount_expired(struct x86_cpu *cpu)
{
    tcg_guest_leave(cpu->tcg);
    big_lock();
    timers_run(VM_CLOCK_VIRTUAL);
    big_unlock();
    tcg_guest_enter(cpu->tcg);
    icount_set_limit(cpu->tcg);
}

/* The vCPU is halted; big lock held. True: time moved, look again. */
bool icount_idle(struct x86_cpu *cpu)
{
    int64_t deadline, left;

    if (!icount_on) {
        return false;
    }
    deadline = timers_deadline(VM_CLOCK_VIRTUAL);
    if (deadline < 0) {
        return false;
    }
    left = deadline - icount_ns();
    if (left > 0 && sleep_real) {
        int64_t start = vm_clock_ns(VM_CLOCK_REALTIME), passed;
        vcpu_wait(cpu, left);
        passed = vm_clock_ns(VM_CLOCK_REALTIME) - start;
        left = MIN(left, passed);
    }
    if (left > 0) {
        __atomic_add_fetch(&bias, left, __ATOMIC_RELAXED);
    }
    timers_run(VM_CLOCK_VIRTUAL);
    return true;
}
