/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exceptions and interrupts: who may be taken, and delivery (SDM 3A chapter 6). For accelerators' run loops. */
#ifndef FERRY_TARGET_I386_EXCEPTION_H
#define FERRY_TARGET_I386_EXCEPTION_H

#include "target/i386/cpu.h"

/* Delivers cpu->exception (RIP committed), applying the double-fault rules if a delivery was under way; may raise. */
void x86_exception_take(struct x86_cpu *cpu);
/* Was another accelerator delivering an event when it stopped? */
static inline bool x86_injected_pending(const struct x86_cpu *cpu)
{
    return cpu->beyond.exception_nr >= 0 || cpu->beyond.interrupt_injected >= 0 || cpu->beyond.nmi_injected;
}
/* Delivers that event; may raise. */
void x86_injected_take(struct x86_cpu *cpu);
/* Between instructions: raises a trap (RIP is the next instruction's). */
G_GNUC_NORETURN void x86_raise_trap(struct x86_cpu *cpu, enum x86_exception vector);

/* Is there anything that x86_interrupt_accept() would act on now? */
bool x86_interrupt_pending(const struct x86_cpu *cpu);
/* Big lock held. Acts on POLL, INIT, SIPI and SMI: what needs no instruction to be interrupted. */
void x86_interrupt_settle(struct x86_cpu *cpu);
/* Big lock held. The same, then the vector to deliver of an NMI or an interrupt, or -1. */
int x86_interrupt_accept(struct x86_cpu *cpu);
/* May raise. */
void x86_interrupt_deliver(struct x86_cpu *cpu, int vector);

#endif
