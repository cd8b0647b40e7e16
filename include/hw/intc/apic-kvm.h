/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Local APICs in the kernel. */
#ifndef FERRY_HW_INTC_APIC_KVM_H
#define FERRY_HW_INTC_APIC_KVM_H

#include <linux/kvm.h>

#include "target/i386/cpu.h"

struct apic;

/* As apic_create(), for a CPU whose local APIC is the kernel's. Big lock held. */
bool apic_kvm_create(struct x86_cpu *cpu, GError **error);
/* The registers as the kernel lays them out at virtual time `now`, and back. Pure. */
void apic_to_kvm(const struct apic *apic, int64_t now, struct kvm_lapic_state *state);
void apic_from_kvm(struct apic *apic, int64_t now, const struct kvm_lapic_state *state);

#endif
