/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IOAPIC in the kernel. Big lock held. */
#ifndef FERRY_HW_INTC_IOAPIC_KVM_H
#define FERRY_HW_INTC_IOAPIC_KVM_H

#include <linux/kvm.h>

#include "hw/core/device.h"

struct ioapic;

extern const struct device_type ioapic_kvm_type; /* "kvm-ioapic" */

/* Its lines are the GSIs, 0 at pin 2 (kvm_irq_line()). */
bool ioapic_kvm_create(GError **error);
/* The registers as the kernel lays them out, and back. Pure. */
void ioapic_to_kvm(const struct ioapic *ioapic, struct kvm_ioapic_state *state);
void ioapic_from_kvm(struct ioapic *ioapic, const struct kvm_ioapic_state *state);

#endif
