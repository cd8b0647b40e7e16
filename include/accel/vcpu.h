/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vCPU threads: start, pause, resume, kick, work on a vCPU. accel/vcpu.c.
 *
 * A vCPU thread: take the big lock; while stopped or halted wait on halt_cond; run queued work; drop the big lock;
 * accel->cpu_run(); again.
 */
#ifndef FERRY_ACCEL_VCPU_H
#define FERRY_ACCEL_VCPU_H

#include "target/i386/cpu.h"

extern struct x86_cpu **vcpus; /* by index; set up once by the machine */
extern int vcpu_count;
#define VCPU_FOREACH(cpu) \
    for (int index_ = 0; index_ < vcpu_count; index_++) \
        for (struct x86_cpu *cpu = vcpus[index_]; cpu; cpu = NULL)

/* The vCPU of this thread, or NULL. */
struct x86_cpu *vcpu_current(void);

/*
 * Allocates (not yet running) and resets it, registers its vmstate ("cpu_common", "cpu") and its handler for system
 * resets (reset_register(): registers as after RESET, halted unless index 0); the machine calls it smp times, then
 * makes the APIC. Big lock held.
 */
struct x86_cpu *vcpu_new(const struct x86_cpu_model *model, const struct x86_features *features, GError **error);
/* Starts all threads, paused. */
bool vcpus_start(GError **error);
/* Ends and joins all threads. */
void vcpus_shutdown(void);

/*
 * Pause returns when no vCPU runs guest code. Big lock held, dropped while waiting: the run state may be another one
 * afterwards, so whoever resumes looks at it first. May be called on a vCPU thread.
 */
void vcpus_pause_all(void);
void vcpus_resume_all(void);
bool vcpus_paused(void);

/* Sets bits of interrupt_request and wakes or kicks the vCPU. Any thread. */
void cpu_interrupt(struct x86_cpu *cpu, uint32_t mask);
void cpu_reset_interrupt(struct x86_cpu *cpu, uint32_t mask);
/* Makes the vCPU leave cpu_run() or its sleep soon, and look for what there is to do. Any thread. */
void vcpu_kick(struct x86_cpu *cpu);
/* Makes it leave cpu_run() soon; does not end its sleep. Any thread. */
void vcpu_leave(struct x86_cpu *cpu);
/* Only ends its sleep. Any thread. */
void vcpu_wake(struct x86_cpu *cpu);
/* On the vCPU's thread: sleeps until woken, or for at most `ns` (-1: no bound). Big lock held, dropped meanwhile. */
void vcpu_wait(struct x86_cpu *cpu, int64_t ns);

/*
 * Runs callback(cpu, opaque) on the vCPU's thread, between instructions. _async returns at once; the other waits (big
 * lock held, dropped meanwhile). A paused or halted vCPU does it too. "safe": with every other vCPU stopped between
 * instructions.
 */
void cpu_run_on(struct x86_cpu *cpu, void (*callback)(struct x86_cpu *, void *), void *opaque);
void cpu_run_on_async(struct x86_cpu *cpu, void (*callback)(struct x86_cpu *, void *), void *opaque);

#endif
