/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slows all vCPUs down: each sleeps a share of the time. For migrations that would not converge. accel/throttle.c. */
#ifndef FERRY_ACCEL_THROTTLE_H
#define FERRY_ACCEL_THROTTLE_H

#include "target/i386/cpu.h"

#define THROTTLE_MOST 99

/* The share in percent, at most THROTTLE_MOST; 0: none. Any thread; returns at once. */
void throttle_set(unsigned percent);
unsigned throttle_percent(void);

/*
 * For accel/vcpu.c, on the vCPU's thread, before it runs guest code: sleeps if it is time to. Big lock held, dropped
 * meanwhile. True: it slept, and there may be something else to do by now.
 */
bool throttle_sleep(struct x86_cpu *cpu);

#endif
