/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The accelerator that runs nothing: a machine's devices without its CPUs, and a clock that a test moves by hand. */
#include "accel/accel.h"
#include "accel/qtest/internal.h"
#include "util/clock.h"
#include "util/keyval.h"

static int64_t clock_ns; /* atomic: the clock is read by any thread */
static bool in_use;

static int64_t qtest_now(void)
{
    return __atomic_load_n(&clock_ns, __ATOMIC_RELAXED);
}

/* A TSC of 1 GHz. */
static uint64_t qtest_ticks(void)
{
    return (uint64_t)qtest_now();
}

bool qtest_clock_in_use(void)
{
    return in_use;
}

void qtest_clock_move(int64_t ns)
{
    int64_t deadline;

    while ((deadline = timers_deadline(VM_CLOCK_VIRTUAL)) >= 0 && deadline <= ns) {
        __atomic_store_n(&clock_ns, MAX(deadline, clock_ns), __ATOMIC_RELAXED);
        timers_run(VM_CLOCK_VIRTUAL);
    }
    __atomic_store_n(&clock_ns, MAX(ns, clock_ns), __ATOMIC_RELAXED);
}

static bool qtest_accel_init(struct keyval *options, GError **error)
{
    if (options && !keyval_check_unread(options, error)) {
        return false;
    }
    in_use = true;
    virtual_clock_set_source(qtest_now, qtest_ticks);
    return true;
}

static bool qtest_cpu_create(struct x86_cpu *cpu, GError **error)
{
    return true;
}

static void qtest_cpu_nothing(struct x86_cpu *cpu)
{
}

static void qtest_nothing(void)
{
}

/* Devices mark what they write themselves, so there is nothing to switch on. */
static bool qtest_dirty_log_start(GError **error)
{
    return true;
}

const struct accel_ops accel_qtest = {
    .name = "qtest",
    .description = "no CPU: tests drive the devices through a socket",
    .supported_features = x86_software_features,
    .init = qtest_accel_init,
    .cpu_create = qtest_cpu_create,
    .cpu_destroy = qtest_cpu_nothing,
    .cpu_kick = qtest_cpu_nothing,
    .flush = qtest_nothing,
    .dirty_log_start = qtest_dirty_log_start,
    .dirty_log_stop = qtest_nothing,
    .dirty_log_arm = qtest_nothing,
};
