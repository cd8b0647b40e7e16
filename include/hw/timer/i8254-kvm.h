/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 8254 in the kernel. */
#ifndef FERRY_HW_TIMER_I8254_KVM_H
#define FERRY_HW_TIMER_I8254_KVM_H

#include <linux/kvm.h>

#include "hw/timer/i8254.h"

extern const struct device_type i8254_kvm_type; /* "kvm-pit" */

/* As i8254_isa_create(), and what works on that works on this. Big lock held. */
struct device *i8254_kvm_create(GError **error);
/*
 * The counters as the kernel lays them out, and back. `offset` is what makes the host's CLOCK_MONOTONIC, in ns, the
 * virtual time. Pure.
 */
void i8254_to_kvm(const struct i8254 *chip, int64_t offset, struct kvm_pit_state2 *state);
void i8254_from_kvm(struct i8254 *chip, int64_t offset, const struct kvm_pit_state2 *state);

#endif
