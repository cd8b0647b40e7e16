/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vCPU threads: start, pause, resume, kick, halt, work on a vCPU.
 *
 * A request to a vCPU is made in this order: store what is asked (under the big lock, or atomically), then kick. The
 * thread clears EXIT_LEAVE under the big lock before it looks at anything, so a request that comes after the look
 * kicks it again. Sleeping goes by a lock and a flag of its own, so that any thread may wake a vCPU, whatever locks
 * it holds.
 */
#include <unistd.h>

#include "accel/accel.h"
#include "accel/throttle.h"
#include "accel/vcpu.h"
#include "hw/core/reset.h"
#include "util/main-loop.h"

struct cpu_work {
    struct cpu_work *next;
    void (*callback)(struct x86_cpu *cpu, void *opaque);
    void *opaque;
    bool *done; /* NULL: nobody waits; the work is freed by the vCPU */
};

struct x86_cpu **vcpus;
int vcpu_count;

static __thread struct x86_cpu *current;
/* Signalled when a vCPU has stopped, has done work, or was resumed; goes with the big lock. */
static GCond progress_cond;

struct x86_cpu *vcpu_current(void)
{
    return current;
}

/* --- sleeping and waking --- */

void vcpu_wake(struct x86_cpu *cpu)
{
    g_mutex_lock(&cpu->wake_lock);
    cpu->wake = true;
    g_cond_signal(cpu->halt_cond);
    g_mutex_unlock(&cpu->wake_lock);
}

void vcpu_leave(struct x86_cpu *cpu)
{
    __atomic_or_fetch(&cpu->exit_request, EXIT_LEAVE, __ATOMIC_SEQ_CST);
    if (cpu != current && accel && accel->cpu_kick) {
        accel->cpu_kick(cpu);
    }
}

void vcpu_kick(struct x86_cpu *cpu)
{
    vcpu_leave(cpu);
    if (cpu != current) {
        vcpu_wake(cpu);
    }
}

void vcpu_wait(struct x86_cpu *cpu, int64_t ns)
{
    int64_t until = ns < 0 ? 0 : g_get_monotonic_time() + (ns + 999) / 1000;

    big_unlock();
    g_mutex_lock(&cpu->wake_lock);
    while (!cpu->wake) {
        if (ns < 0) {
            g_cond_wait(cpu->halt_cond, &cpu->wake_lock);
        } else if (!g_cond_wait_until(cpu->halt_cond, &cpu->wake_lock, until)) {
            break;
        }
    }
    cpu->wake = false;
    g_mutex_unlock(&cpu->wake_lock);
    big_lock();
}

void cpu_interrupt(struct x86_cpu *cpu, uint32_t mask)
{
    uint32_t before = __atomic_fetch_or(&cpu->interrupt_request, mask, __ATOMIC_SEQ_CST);

    if ((before & mask) == mask || cpu == current) {
        return;
    }
    if (__atomic_load_n(&cpu->halted, __ATOMIC_SEQ_CST)) {
        vcpu_wake(cpu);
    } else if (accel && accel->cpu_kick) {
        accel->cpu_kick(cpu);
    }
}

void cpu_reset_interrupt(struct x86_cpu *cpu, uint32_t mask)
{
    __atomic_and_fetch(&cpu->interrupt_request, ~mask, __ATOMIC_SEQ_CST);
}

/* --- work on a vCPU --- */

static void queue_work(struct x86_cpu *cpu, struct cpu_work *work)
{
    struct cpu_work **tail = &cpu->work;

    while (*tail) {
        tail = &(*tail)->next;
    }
    *tail = work;
    vcpu_kick(cpu);
}

static void run_work(struct x86_cpu *cpu)
{
    while (cpu->work) {
        struct cpu_work *work = cpu->work;
        cpu->work = work->next;
        work->callback(cpu, work->opaque);
        if (work->done) {
            *work->done = true;
        } else {
            g_free(work);
        }
        g_cond_broadcast(&progress_cond);
    }
}

void cpu_run_on(struct x86_cpu *cpu, void (*callback)(struct x86_cpu *, void *), void *opaque)
{
    bool done = false;
    struct cpu_work work = { .callback = callback, .opaque = opaque, .done = &done };

    if (cpu == current || !cpu->thread) {
        callback(cpu, opaque);
        return;
    }
    queue_work(cpu, &work);
    while (!done) {
        big_lock_wait(&progress_cond);
    }
}

void cpu_run_on_async(struct x86_cpu *cpu, void (*callback)(struct x86_cpu *, void *), void *opaque)
{
    struct cpu_work *work = g_new0(struct cpu_work, 1);
    bool was_locked = big_locked();

    work->callback = callback;
    work->opaque = opaque;
    if (!was_locked) {
        big_lock();
    }
    if (cpu->thread) {
        queue_work(cpu, work);
    } else {
        g_free(work);
        callback(cpu, opaque);
    }
    if (!was_locked) {
        big_unlock();
    }
}

/* --- the thread --- */

static bool is_halted(const struct x86_cpu *cpu)
{
    if (accel->cpu_is_halted) {
        return accel->cpu_is_halted(cpu);
    }
    return __atomic_load_n(&cpu->halted, __ATOMIC_SEQ_CST) && !x86_cpu_has_work(cpu);
}

static bool is_idle(struct x86_cpu *cpu)
{
    return cpu->stopped || cpu->debug_hold || is_halted(cpu);
}

/* Before anybody else looks at the registers. A vCPU that was paused from within a device access of its own, too. */
static void fetch_registers(struct x86_cpu *cpu)
{
    GError *error = NULL;

    if (accel->get_state && (cpu->work || cpu->stop || cpu->stopped) && !accel->get_state(cpu, &error)) {
        error_report_free(error); /* whoever wants to save them is told again */
    }
}

static gpointer vcpu_thread(gpointer opaque)
{
    struct x86_cpu *cpu = opaque;

    current = cpu;
    cpu->thread_id = gettid();
    big_lock();
    while (!cpu->unplug) {
        __atomic_and_fetch(&cpu->exit_request, ~EXIT_LEAVE, __ATOMIC_SEQ_CST);
        fetch_registers(cpu);
        run_work(cpu);
        if (cpu->stop) {
            cpu->stop = false;
            cpu->stopped = true;
            g_cond_broadcast(&progress_cond);
        }
        if (!is_idle(cpu)) {
            if (throttle_sleep(cpu)) {
                continue;
            }
            big_unlock();
            accel->cpu_run(cpu);
            big_lock();
        } else if (!cpu->work && !cpu->unplug &&
                   (cpu->stopped || cpu->debug_hold || !accel->cpu_idle || !accel->cpu_idle(cpu))) {
            vcpu_wait(cpu, -1);
        }
    }
    cpu->stopped = true;
    g_cond_broadcast(&progress_cond);
    big_unlock();
    return NULL;
}

static void system_reset(void *opaque)
{
    struct x86_cpu *cpu = opaque;

    x86_cpu_reset(cpu, false);
    cpu->halted = cpu->index != 0;
}

struct x86_cpu *vcpu_new(const struct x86_cpu_model *model, const struct x86_features *features, GError **error)
{
    struct x86_cpu *cpu = g_new0(struct x86_cpu, 1);

    cpu->index = vcpu_count;
    cpu->apic_id = x86_apic_id(vcpu_count);
    cpu->model = model;
    cpu->features = *features;
    cpu->thread_id = -1;
    cpu->stopped = true;
    cpu->halt_cond = g_new0(GCond, 1);
    g_cond_init(cpu->halt_cond);
    g_mutex_init(&cpu->wake_lock);
    system_reset(cpu);
    if ((accel && accel->cpu_create && !accel->cpu_create(cpu, error)) || !x86_cpu_vmstate_register(cpu, error)) {
        g_cond_clear(cpu->halt_cond);
        g_free(cpu->halt_cond);
        g_free(cpu);
        return NULL;
    }
    reset_register(system_reset, cpu);
    vcpus = g_renew(struct x86_cpu *, vcpus, vcpu_count + 1);
    vcpus[vcpu_count] = cpu;
    vcpu_count++;
    return cpu;
}

bool vcpus_start(GError **error)
{
    if (!accel->cpu_run) {
        return true;
    }
    VCPU_FOREACH(cpu) {
        g_autofree char *upper = g_ascii_strup(accel->name, -1);
        g_autofree char *name = g_strdup_printf("CPU %d/%s", cpu->index, upper); /* QEMU's: tools look for it */
        cpu->thread = g_thread_try_new(name, vcpu_thread, cpu, error);
        if (!cpu->thread) {
            return false;
        }
    }
    return true;
}

void vcpus_shutdown(void)
{
    VCPU_FOREACH(cpu) {
        cpu->unplug = true;
        vcpu_kick(cpu);
    }
    VCPU_FOREACH(cpu) {
        if (cpu->thread && cpu != current) {
            GThread *thread = cpu->thread;
            big_unlock();
            g_thread_join(thread);
            big_lock();
            cpu->thread = NULL;
        }
    }
}

/* --- pause and resume --- */

bool vcpus_paused(void)
{
    VCPU_FOREACH(cpu) {
        if (!cpu->stopped) {
            return false;
        }
    }
    return true;
}

static void request_pause(void)
{
    VCPU_FOREACH(cpu) {
        if (cpu == current || !cpu->thread) {
            /* It is in a device access or in work: it runs no guest code before its loop has seen `stopped`. */
            cpu->stopped = true;
            cpu->stop = false;
            __atomic_or_fetch(&cpu->exit_request, EXIT_LEAVE, __ATOMIC_SEQ_CST);
        } else if (!cpu->stopped) {
            cpu->stop = true;
            vcpu_kick(cpu);
        }
    }
}

/* Two may pause at once, and one of them resume before the other has noticed: so ask again after each wait. */
void vcpus_pause_all(void)
{
    for (request_pause(); !vcpus_paused(); request_pause()) {
        big_lock_wait(&progress_cond);
    }
}

void vcpus_resume_all(void)
{
    VCPU_FOREACH(cpu) {
        cpu->stop = cpu->stopped = false;
        vcpu_kick(cpu);
    }
    g_cond_broadcast(&progress_cond); /* to those that wait for a pause: theirs was undone */
}
