/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Setting up the interrupt controllers and timers. */
#include "hardware.h"

#define IOAPIC 0xfec00000ull
#define PATIENCE_TICKS 30000000000ull

volatile uint32_t irq_hits[256];

void apic_setup(void)
{
    apic_write(APIC_SPURIOUS, 0x1ff);
    apic_write(APIC_TPR, 0);
    apic_write(APIC_LVT_TIMER, APIC_MASKED);
}

void apic_send(uint32_t id, uint32_t command)
{
    apic_write(APIC_ICR_HIGH, id << 24);
    apic_write(APIC_ICR_LOW, command);
}

uint32_t ioapic_read(uint32_t reg)
{
    *(volatile uint32_t *)IOAPIC = reg;
    return *(volatile uint32_t *)(IOAPIC + 0x10);
}

void ioapic_write(uint32_t reg, uint32_t v)
{
    *(volatile uint32_t *)IOAPIC = reg;
    *(volatile uint32_t *)(IOAPIC + 0x10) = v;
}

void ioapic_route(unsigned pin, uint32_t low)
{
    ioapic_write(0x11 + pin * 2, apic_read(APIC_ID));
    ioapic_write(0x10 + pin * 2, low);
}

void ioapic_mask(unsigned pin)
{
    ioapic_write(0x10 + pin * 2, APIC_MASKED);
}

void pic_setup(void)
{
    outb(0x20, 0x11);
    outb(0x21, 0x20);
    outb(0x21, 0x04);
    outb(0x21, 0x01);
    outb(0xa0, 0x11);
    outb(0xa1, 0x28);
    outb(0xa1, 0x02);
    outb(0xa1, 0x01);
    pic_mask_all();
}

void pic_mask_all(void)
{
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
}

void pic_unmask(unsigned irq)
{
    if (irq >= 8) {
        outb(0xa1, inb(0xa1) & ~(1u << (irq - 8)));
        irq = 2;
    }
    outb(0x21, inb(0x21) & ~(1u << irq));
}

void pit_start(unsigned mode, unsigned hz)
{
    unsigned count = 1193182 / hz;
    outb(0x43, 0x30 | mode << 1);
    outb(0x40, count);
    outb(0x40, count >> 8);
}

/* Mode 0 with a count that is never completed: the output stays low. */
void pit_stop(void)
{
    outb(0x43, 0x30);
}

uint8_t cmos_read(uint8_t reg)
{
    outb(0x70, reg);
    return inb(0x71);
}

void cmos_write(uint8_t reg, uint8_t v)
{
    outb(0x70, reg);
    outb(0x71, v);
}

void irq_count_only(struct trap_frame *frame)
{
    irq_hits[frame->vector]++;
}

void irq_count_apic(struct trap_frame *frame)
{
    irq_hits[frame->vector]++;
    apic_write(APIC_EOI, 0);
}

void irq_count_pic(struct trap_frame *frame)
{
    irq_hits[frame->vector]++;
    if (frame->vector >= 0x28) {
        outb(0xa0, 0x20);
    }
    outb(0x20, 0x20);
}

bool irq_await(int vector, uint32_t hits)
{
    for (uint64_t t = rdtsc(); irq_hits[vector] < hits;) {
        if (rdtsc() - t > PATIENCE_TICKS) {
            return false;
        }
        __asm__ volatile("sti; nop; pause; cli" ::: "memory");
    }
    return true;
}
