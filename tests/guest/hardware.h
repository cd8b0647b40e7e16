/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pc's interrupt controllers and timers, as far as the tests drive them. */
#ifndef HARDWARE_H
#define HARDWARE_H

#include "guest.h"

#define APIC 0xfee00000ull
#define APIC_ID 0x20
#define APIC_VERSION 0x30
#define APIC_TPR 0x80
#define APIC_PPR 0xa0
#define APIC_EOI 0xb0
#define APIC_SPURIOUS 0xf0
#define APIC_ISR 0x100
#define APIC_IRR 0x200
#define APIC_ICR_LOW 0x300
#define APIC_ICR_HIGH 0x310
#define APIC_LVT_TIMER 0x320
#define APIC_LVT_LINT0 0x350
#define APIC_TIMER_INITIAL 0x380
#define APIC_TIMER_CURRENT 0x390
#define APIC_TIMER_DIVIDE 0x3e0
#define APIC_MASKED 0x10000u
#define APIC_PERIODIC 0x20000u
#define APIC_DEADLINE 0x40000u
#define APIC_EXTINT 0x700u
#define APIC_SELF 0x40000u     /* ICR: shorthand self */
#define APIC_ALL_BUT_SELF 0xc0000u

#define IOAPIC_LEVEL 0x8000u
#define IOAPIC_ACTIVE_LOW 0x2000u

static inline uint32_t apic_read(uint32_t reg) { return *(volatile uint32_t *)(APIC + reg); }
static inline void apic_write(uint32_t reg, uint32_t v) { *(volatile uint32_t *)(APIC + reg) = v; }
static inline void irq_enable(void) { __asm__ volatile("sti; nop" ::: "memory"); }
static inline void irq_disable(void) { __asm__ volatile("cli" ::: "memory"); }
/* Sleeps until an interrupt has been handled; the window between STI and HLT is closed by STI's shadow. */
static inline void irq_wait(void) { __asm__ volatile("sti; hlt; cli" ::: "memory"); }

void apic_setup(void);                  /* enables the local APIC, spurious vector 0xff */
void apic_send(uint32_t id, uint32_t command);
uint32_t ioapic_read(uint32_t reg);
void ioapic_write(uint32_t reg, uint32_t v);
void ioapic_route(unsigned pin, uint32_t low); /* to the first processor */
void ioapic_mask(unsigned pin);
void pic_setup(void);                   /* vectors 0x20 and 0x28, all masked */
void pic_unmask(unsigned irq);
void pic_mask_all(void);
void pit_start(unsigned mode, unsigned hz);
void pit_stop(void);
uint8_t cmos_read(uint8_t reg);
void cmos_write(uint8_t reg, uint8_t v);

/* Interrupts counted per vector; `irq_count_apic` ends them at the local APIC, `irq_count_pic` at the 8259s. */
extern volatile uint32_t irq_hits[256];
void irq_count_apic(struct trap_frame *frame);
void irq_count_pic(struct trap_frame *frame);
void irq_count_only(struct trap_frame *frame);
bool irq_await(int vector, uint32_t hits); /* sleeps until so many came; false after about ten seconds */

#endif
