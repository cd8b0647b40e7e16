/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pair of 8259As in the kernel. Big lock held. */
#ifndef FERRY_HW_INTC_I8259_KVM_H
#define FERRY_HW_INTC_I8259_KVM_H

#include <linux/kvm.h>

#include "hw/core/device.h"

struct i8259;

extern const struct device_type i8259_kvm_type; /* "kvm-i8259" */

/* Master and slave; their lines are the GSIs 0 to 15 (kvm_irq_line()). */
bool i8259_kvm_create(GError **error);
/* The registers as the kernel lays them out, and back. Pure. */
void i8259_to_kvm(const struct i8259 *pic, struct kvm_pic_state *state);
void i8259_from_kvm(struct i8259 *pic, const struct kvm_pic_state *state);

#endif
