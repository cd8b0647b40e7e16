/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When and in which order interrupts arrive: priorities, shadows, HLT, NMI, and each timer through each controller.
 */
#include "hardware.h"

static volatile uint64_t irq_rip, irq_order;
static volatile uint32_t nmi_depth, nmi_deepest, nmi_seen;

static void note_rip(struct trap_frame *frame)
{
    irq_rip = frame->rip;
    irq_count_apic(frame);
}

static void note_order(struct trap_frame *frame)
{
    irq_order = irq_order << 8 | frame->vector;
    irq_count_apic(frame);
}

/*
 * An interrupt that waits is taken after exactly one instruction behind STI, at once behind POPF, never between STI
 * and CLI.
 */
static bool check_shadows(void)
{
    uint64_t want;
    trap_set_handler(0x41, note_rip);
    irq_hits[0x41] = 0;
    apic_write(APIC_ICR_LOW, APIC_SELF | 0x41);
    __asm__ volatile("lea 1f(%%rip), %0; sti; nop; 1: nop; nop; cli" : "=r"(want)::"memory");
    CHECK(irq_hits[0x41] == 1 && irq_rip == want, "sti: %u hits, rip 0x%lx, want 0x%lx", irq_hits[0x41], irq_rip,
          want);

    apic_write(APIC_ICR_LOW, APIC_SELF | 0x41);
    __asm__ volatile("lea 1f(%%rip), %0; pushfq; orq $0x200, (%%rsp); popfq; 1: nop; nop; cli"
                     : "=r"(want)::"memory", "cc");
    CHECK(irq_hits[0x41] == 2 && irq_rip == want, "popf: %u hits, rip 0x%lx, want 0x%lx", irq_hits[0x41], irq_rip,
          want);

    apic_write(APIC_ICR_LOW, APIC_SELF | 0x41);
    __asm__ volatile("sti; cli; nop; nop; sti; cli" ::: "memory");
    CHECK(irq_hits[0x41] == 2, "taken between sti and cli");
    __asm__ volatile("lea 1f(%%rip), %0; sti; hlt; 1: cli" : "=r"(want)::"memory");
    CHECK(irq_hits[0x41] == 3 && irq_rip == want, "sti hlt: %u hits, rip 0x%lx, want 0x%lx", irq_hits[0x41], irq_rip,
          want);
    return true;
}

/* The higher vector first; the task priority holds back its class and what is below. */
static bool check_priorities(void)
{
    trap_set_handler(0x41, note_order);
    trap_set_handler(0x61, note_order);
    trap_set_handler(0x62, note_order);
    irq_order = 0;
    apic_write(APIC_ICR_LOW, APIC_SELF | 0x41);
    apic_write(APIC_ICR_LOW, APIC_SELF | 0x62);
    apic_write(APIC_ICR_LOW, APIC_SELF | 0x61);
    CHECK(apic_read(APIC_IRR + 0x20) == 2 && apic_read(APIC_IRR + 0x30) == 6, "irr 0x%x 0x%x",
          apic_read(APIC_IRR + 0x20), apic_read(APIC_IRR + 0x30));
    irq_enable();
    irq_disable();
    CHECK(irq_order == 0x626141, "order 0x%lx", irq_order);

    irq_order = 0;
    apic_write(APIC_TPR, 0x50);
    apic_write(APIC_ICR_LOW, APIC_SELF | 0x41);
    apic_write(APIC_ICR_LOW, APIC_SELF | 0x61);
    irq_enable();
    CHECK(irq_order == 0x61, "with priority 0x50: order 0x%lx", irq_order);
    uint64_t cr8;
    __asm__ volatile("mov %%cr8, %0" : "=r"(cr8));
    CHECK(cr8 == 5, "cr8 %lu", cr8);
    __asm__ volatile("mov %0, %%cr8; nop" ::"r"(0ull));
    irq_disable();
    CHECK(irq_order == 0x6141 && apic_read(APIC_TPR) == 0, "cr8 lowered: order 0x%lx tpr 0x%x", irq_order,
          apic_read(APIC_TPR));
    return true;
}

static void on_nmi(struct trap_frame *frame)
{
    nmi_depth++;
    nmi_deepest = nmi_depth > nmi_deepest ? nmi_depth : nmi_deepest;
    if (nmi_seen++ == 0) {
        apic_send(apic_read(APIC_ID) >> 24, 0x400);
    }
    nmi_depth--;
}

/* An NMI comes with interrupts off; a second one waits for IRET. */
static bool check_nmi(void)
{
    nmi_seen = nmi_deepest = 0;
    trap_set_handler(2, on_nmi);
    apic_send(apic_read(APIC_ID) >> 24, 0x400);
    for (uint64_t t = rdtsc(); nmi_seen < 2 && rdtsc() - t < 5000000000ull;) {
        cpu_pause();
    }
    trap_set_handler(2, NULL);
    CHECK(nmi_seen == 2 && nmi_deepest == 1, "%u seen, %u deep", nmi_seen, nmi_deepest);
    return true;
}

static bool run_interrupts(int argc, char **argv)
{
    pic_setup();
    apic_setup();
    return check_shadows() && check_priorities() && check_nmi();
}

static bool check_apic_timer(void)
{
    trap_set_handler(0x50, irq_count_apic);
    irq_hits[0x50] = 0;
    apic_write(APIC_TIMER_DIVIDE, 0xb); /* by one */
    apic_write(APIC_LVT_TIMER, 0x50);
    apic_write(APIC_TIMER_INITIAL, 1000000);
    CHECK(irq_await(0x50, 1), "one-shot did not come");
    CHECK(apic_read(APIC_TIMER_CURRENT) == 0, "one-shot ended at %u", apic_read(APIC_TIMER_CURRENT));
    uint64_t t = rdtsc();
    while (rdtsc() - t < 20000000) {
        irq_enable();
    }
    irq_disable();
    CHECK(irq_hits[0x50] == 1, "one-shot came %u times", irq_hits[0x50]);

    apic_write(APIC_LVT_TIMER, 0x50 | APIC_PERIODIC);
    apic_write(APIC_TIMER_INITIAL, 500000);
    CHECK(irq_await(0x50, 6), "periodic: %u", irq_hits[0x50]);
    apic_write(APIC_LVT_TIMER, APIC_MASKED);
    apic_write(APIC_TIMER_INITIAL, 0);
    irq_enable();
    irq_disable();
    uint32_t stopped = irq_hits[0x50];
    for (t = rdtsc(); rdtsc() - t < 20000000;) {
        irq_enable();
    }
    irq_disable();
    CHECK(irq_hits[0x50] == stopped, "came although stopped");
    return true;
}

static bool check_tsc_deadline(void)
{
    uint32_t a, b, c, d;
    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(1), "c"(0));
    if (!(c & 1 << 24)) {
        print("no TSC deadline\n");
        return true;
    }
    trap_set_handler(0x51, irq_count_apic);
    irq_hits[0x51] = 0;
    apic_write(APIC_LVT_TIMER, 0x51 | APIC_DEADLINE);
    uint64_t when = rdtsc() + 3000000;
    wrmsr(0x6e0, when);
    CHECK(rdmsr(0x6e0) == when || rdtsc() >= when, "deadline 0x%lx", rdmsr(0x6e0));
    CHECK(irq_await(0x51, 1), "did not come");
    CHECK(rdtsc() >= when && rdmsr(0x6e0) == 0, "tsc 0x%lx, deadline 0x%lx, then 0x%lx", rdtsc(), when, rdmsr(0x6e0));
    wrmsr(0x6e0, 1); /* in the past: at once */
    CHECK(irq_await(0x51, 2), "one in the past did not come");
    apic_write(APIC_LVT_TIMER, APIC_MASKED);
    return true;
}

static bool check_pit(void)
{
    trap_set_handler(0x20, irq_count_pic);
    trap_set_handler(0x52, irq_count_apic);
    irq_hits[0x20] = irq_hits[0x52] = 0;
    apic_write(APIC_LVT_LINT0, APIC_EXTINT);
    pit_start(2, 1000);
    pic_unmask(0);
    CHECK(irq_await(0x20, 10), "through the 8259: %u", irq_hits[0x20]);
    for (int i = 0; i < 3; i++) {
        irq_wait(); /* HLT wakes up for it */
    }
    CHECK(irq_hits[0x20] >= 13, "%u", irq_hits[0x20]);
    pic_mask_all();
    apic_write(APIC_LVT_LINT0, APIC_EXTINT | APIC_MASKED);

    ioapic_route(2, 0x52);
    CHECK(irq_await(0x52, 10), "through the I/O APIC: %u", irq_hits[0x52]);
    uint32_t before = irq_hits[0x20];
    ioapic_mask(2);
    pit_stop();
    irq_enable();
    irq_disable();
    CHECK(irq_hits[0x20] == before, "the masked 8259 interrupted");

    /* Mode 0: one edge when the count ends. A read back gives the count on its way. */
    irq_hits[0x52] = 0;
    ioapic_route(2, 0x52);
    pit_start(0, 200);
    outb(0x43, 0xc2);
    uint8_t status = inb(0x40);
    uint16_t count = inb(0x40);
    count |= inb(0x40) << 8;
    CHECK((status & 0x3f) == 0x30 && count <= 5966, "status 0x%x count %u", status, count);
    CHECK(irq_await(0x52, 1), "mode 0 did not come");
    ioapic_mask(2);
    return true;
}

static bool check_rtc(void)
{
    trap_set_handler(0x28, irq_count_pic);
    trap_set_handler(0x53, irq_count_apic);
    irq_hits[0x28] = irq_hits[0x53] = 0;
    ioapic_route(8, 0x53); /* first: a pin that is masked misses its edge, and without an answer there is no other */
    cmos_write(0x0a, 0x26); /* 1024 Hz */
    cmos_read(0x0c);
    cmos_write(0x0b, (cmos_read(0x0b) | 0x40) & ~0x30);
    for (uint32_t n = 1; n <= 5; n++) {
        CHECK(irq_await(0x53, n), "through the I/O APIC: %u", irq_hits[0x53]);
        uint8_t c = cmos_read(0x0c);
        CHECK((c & 0xc0) == 0xc0, "register C 0x%x", c);
    }
    ioapic_mask(8);
    apic_write(APIC_LVT_LINT0, APIC_EXTINT);
    cmos_read(0x0c);
    pic_unmask(8);
    for (uint32_t n = 1; n <= 5; n++) {
        CHECK(irq_await(0x28, n), "through the 8259s: %u", irq_hits[0x28]);
        cmos_read(0x0c);
    }
    pic_mask_all();
    apic_write(APIC_LVT_LINT0, APIC_EXTINT | APIC_MASKED);
    cmos_write(0x0b, cmos_read(0x0b) & ~0x40);
    cmos_read(0x0c);
    return true;
}

/* The APIC's clock against the PIT's: 10 ms by the one must not be less by the other. */
static bool check_clocks(void)
{
    apic_write(APIC_LVT_TIMER, APIC_MASKED);
    apic_write(APIC_TIMER_DIVIDE, 0xb);
    irq_hits[0x52] = 0;
    ioapic_route(2, 0x52);
    uint64_t tsc = rdtsc();
    apic_write(APIC_TIMER_INITIAL, 0xffffffff); /* before the other: the host may pause us in between */
    pit_start(0, 100);
    CHECK(irq_await(0x52, 1), "PIT");
    uint32_t gone = 0xffffffff - apic_read(APIC_TIMER_CURRENT);
    tsc = rdtsc() - tsc;
    apic_write(APIC_TIMER_INITIAL, 0);
    ioapic_mask(2);
    print("10 ms: %u APIC ticks, %lu TSC ticks\n", gone, tsc);
    CHECK(gone >= 9500000 && gone < 1000000000, "%u APIC ticks in 10 ms", gone);
    return true;
}

static bool run_timers(int argc, char **argv)
{
    pic_setup();
    apic_setup();
    return check_apic_timer() && check_tsc_deadline() && check_pit() && check_rtc() && check_clocks();
}

const struct command interrupt_commands[] = {
    { "interrupts", "shadows, priorities, NMI", run_interrupts },
    { "timers", "PIT, RTC, local APIC, through 8259 and I/O APIC", run_timers },
    { NULL, NULL, NULL },
};
