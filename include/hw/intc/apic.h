/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Local APICs (SDM 3A chapter 11), and the interrupt message bus that they share with the IOAPIC and MSI. Big lock
 * held.
 */
#ifndef FERRY_HW_INTC_APIC_H
#define FERRY_HW_INTC_APIC_H

#include "hw/core/irq.h"
#include "target/i386/cpu.h"

enum apic_delivery {
    APIC_DELIVER_FIXED = 0, APIC_DELIVER_LOWEST = 1, APIC_DELIVER_SMI = 2, APIC_DELIVER_NMI = 4,
    APIC_DELIVER_INIT = 5, APIC_DELIVER_SIPI = 6, APIC_DELIVER_EXTINT = 7,
};

/*
 * Makes the CPU's local APIC (sets cpu->apic_ops and cpu->apic), registers its vmstate ("apic", instance cpu->index).
 */
bool apic_create(struct x86_cpu *cpu, GError **error);
/* Sends an interrupt message. */
void apic_bus_deliver(uint8_t dest, bool dest_logical, enum apic_delivery mode, uint8_t vector, bool level);
/* An MSI: address 0xfeeXXXXX. */
void apic_deliver_msi(uint64_t address, uint32_t data);
/* The i8259's INTR output: LINT0 of the BSP (ExtINT) or, with the APIC off, the CPU itself. Set up by the board. */
struct irq *apic_lint0_irq(void);
/* EOI of a level interrupt: the IOAPIC registers. */
extern void (*apic_eoi_hook)(uint8_t vector);
/* The i8259 pair registers how an ExtINT's vector is fetched. */
extern int (*apic_extint_acknowledge)(void);
/* Register access at `offset` of the CPU's register page, multiple of 16. */
uint32_t apic_read(struct x86_cpu *cpu, uint32_t offset);
void apic_write(struct x86_cpu *cpu, uint32_t offset, uint32_t value);
/*
 * What firmware leaves behind: enabled, LINT0 as the PIC's ExtINT, LINT1 as NMI. For a board that boots a kernel
 * without firmware; after each reset, on the BSP.
 */
void apic_preset_virtual_wire(struct x86_cpu *cpu);
/* inject-nmi: a pulse on LINT1, which the guest may have masked, or wired to something else. */
bool apic_pulse_lint1(struct x86_cpu *cpu, GError **error);
char *apic_describe(struct x86_cpu *cpu); /* info lapic */

#endif
