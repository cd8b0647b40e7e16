/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Local APICs and the message bus between them. */
#include <glib.h>
#include <string.h>

#include "accel/vcpu.h"
#include "device-bench.h"
#include "hw/core/reset.h"
#include "hw/intc/apic-internal.h"

#define BASE 0xfee00000ull
enum {
    ID = 0x20, VERSION = 0x30, TPR = 0x80, PPR = 0xa0, EOI = 0xb0, LDR = 0xd0, DFR = 0xe0, SVR = 0xf0, ISR = 0x100,
    TMR = 0x180, IRR = 0x200, ESR = 0x280, ICR_LOW = 0x300, ICR_HIGH = 0x310, LVT_T = 0x320, LVT_L0 = 0x350,
    LVT_L1 = 0x360, LVT_E = 0x370, INITIAL = 0x380, CURRENT = 0x390, DIVIDE = 0x3e0,
};

static struct x86_cpu *cpus[4];
static uint8_t last_eoi;
static int eois, extint_vector;

static void eoi_seen(uint8_t vector)
{
    last_eoi = vector;
    eois++;
}

static int extint_fetch(void)
{
    irq_set(apic_lint0_irq(), false); /* the PIC's output drops as it is acknowledged */
    return extint_vector;
}

static uint32_t rd(int cpu, uint32_t reg)
{
    bench_current_cpu = cpus[cpu];
    uint32_t value = bench_load(BASE + reg);
    bench_current_cpu = NULL;
    return value;
}

static void wr(int cpu, uint32_t reg, uint32_t value)
{
    bench_current_cpu = cpus[cpu];
    bench_store(BASE + reg, value);
    bench_current_cpu = NULL;
}

static bool intr(int cpu)
{
    return cpus[cpu]->interrupt_request & CPU_INTERRUPT_HARD;
}

static int ack(int cpu)
{
    cpu_reset_interrupt(cpus[cpu], CPU_INTERRUPT_HARD); /* as the run loop does */
    return cpus[cpu]->apic_ops->acknowledge(cpus[cpu]->apic);
}

/* Power-up, all enabled, flat logical IDs 1, 2, 4, 8. */
static void fresh(void)
{
    apic_eoi_hook = eoi_seen;
    apic_extint_acknowledge = extint_fetch;
    irq_set(apic_lint0_irq(), false);
    reset_all();
    eois = 0;
    for (int i = 0; i < 4; i++) {
        cpus[i]->interrupt_request = 0;
        wr(i, SVR, 0x1ff);
        wr(i, LDR, 1u << (24 + i));
    }
}

static void test_reset(void)
{
    reset_all();
    g_assert_cmphex(rd(1, ID), ==, 0x01000000);
    g_assert_cmphex(rd(0, VERSION), ==, 0x00050014);
    g_assert_cmphex(rd(0, DFR), ==, 0xffffffff);
    g_assert_cmphex(rd(0, SVR), ==, 0xff);
    g_assert_cmphex(rd(0, LVT_L0), ==, 0x10000);
    g_assert_cmphex((uint32_t)cpus[0]->apic_ops->get_base(cpus[0]->apic), ==, 0xfee00900);
    g_assert_cmphex((uint32_t)cpus[1]->apic_ops->get_base(cpus[1]->apic), ==, 0xfee00800);
    g_assert_false(cpus[0]->halted);
    g_assert_true(cpus[1]->halted);
    wr(0, LVT_L0, 0x700); /* the mask is stuck while software-disabled */
    g_assert_cmphex(rd(0, LVT_L0), ==, 0x10700);
}

static void test_priority(void)
{
    fresh();
    apic_bus_deliver(0, false, APIC_DELIVER_FIXED, 0x41, false);
    apic_bus_deliver(0, false, APIC_DELIVER_FIXED, 0x62, true);
    g_assert_true(intr(0));
    g_assert_false(intr(1));
    g_assert_cmphex(rd(0, IRR + 0x20), ==, 2);
    g_assert_cmphex(rd(0, TMR + 0x30), ==, 4);
    g_assert_cmpint(ack(0), ==, 0x62);
    g_assert_cmphex(rd(0, ISR + 0x30), ==, 4);
    g_assert_cmphex(rd(0, PPR), ==, 0x60);
    g_assert_false(intr(0)); /* 0x41 is of a lower class */
    apic_bus_deliver(0, false, APIC_DELIVER_FIXED, 0x6f, false);
    g_assert_false(intr(0)); /* same class: waits */
    apic_bus_deliver(0, false, APIC_DELIVER_FIXED, 0x70, false);
    g_assert_cmpint(ack(0), ==, 0x70);
    wr(0, EOI, 0);
    g_assert_cmpint(eois, ==, 0); /* 0x70 was an edge */
    g_assert_false(intr(0));
    wr(0, EOI, 0);
    g_assert_cmpint(eois, ==, 1);
    g_assert_cmphex(last_eoi, ==, 0x62);
    g_assert_cmpint(ack(0), ==, 0x6f);
    wr(0, EOI, 0);
    wr(0, TPR, 0x40);
    g_assert_false(intr(0));
    g_assert_cmpint(ack(0), ==, -1);
    cpus[0]->apic_ops->set_tpr(cpus[0]->apic, 3);
    g_assert_true(intr(0));
    g_assert_cmpint(cpus[0]->apic_ops->get_tpr(cpus[0]->apic), ==, 3);
    g_assert_cmpint(ack(0), ==, 0x41);
    wr(0, EOI, 0);
    wr(0, EOI, 0); /* nothing in service */
    g_assert_cmphex(rd(0, PPR), ==, 0x30);
}

/* Which CPUs a message reached, as bits; takes the interrupts. */
static unsigned reached(void)
{
    unsigned mask = 0;

    for (int i = 0; i < 4; i++) {
        if (intr(i)) {
            mask |= 1u << i;
            ack(i);
            wr(i, EOI, 0);
        }
    }
    return mask;
}

static void test_destinations(void)
{
    fresh();
    apic_bus_deliver(0xff, false, APIC_DELIVER_FIXED, 0x50, false);
    g_assert_cmphex(reached(), ==, 0xf);
    apic_bus_deliver(2, false, APIC_DELIVER_FIXED, 0x50, false);
    g_assert_cmphex(reached(), ==, 0x4);
    apic_bus_deliver(9, false, APIC_DELIVER_FIXED, 0x50, false);
    g_assert_cmphex(reached(), ==, 0);
    apic_bus_deliver(0x0a, true, APIC_DELIVER_FIXED, 0x50, false);
    g_assert_cmphex(reached(), ==, 0xa);
    for (int i = 0; i < 4; i++) { /* clusters 1 and 2 of two each */
        wr(i, DFR, 0x0fffffff);
        wr(i, LDR, (i / 2 + 1u) << 28 | 1u << (24 + i % 2));
    }
    apic_bus_deliver(0x13, true, APIC_DELIVER_FIXED, 0x50, false);
    g_assert_cmphex(reached(), ==, 0x3);
    apic_bus_deliver(0x22, true, APIC_DELIVER_FIXED, 0x50, false);
    g_assert_cmphex(reached(), ==, 0x8);
    apic_bus_deliver(0xff, true, APIC_DELIVER_FIXED, 0x50, false);
    g_assert_cmphex(reached(), ==, 0xf);
    apic_bus_deliver(0x32, true, APIC_DELIVER_FIXED, 0x50, false);
    g_assert_cmphex(reached(), ==, 0);
}

static void test_lowest_priority(void)
{
    fresh();
    wr(0, TPR, 0x20);
    wr(1, TPR, 0x10);
    wr(2, TPR, 0x10);
    wr(3, TPR, 0x30);
    apic_bus_deliver(0x0f, true, APIC_DELIVER_LOWEST, 0x90, false);
    g_assert_cmphex(reached(), ==, 0x2);
    wr(1, SVR, 0xff); /* a disabled one takes no part */
    apic_bus_deliver(0x0f, true, APIC_DELIVER_LOWEST, 0x90, false);
    g_assert_cmphex(reached(), ==, 0x4);
}

static void test_ipi(void)
{
    fresh();
    wr(1, ICR_HIGH, 0x03000000);
    wr(1, ICR_LOW, 0x4051);
    g_assert_cmphex(rd(1, ICR_LOW), ==, 0x4051);
    g_assert_cmphex(reached(), ==, 0x8);
    wr(1, ICR_LOW, 0x44051); /* self */
    g_assert_cmphex(reached(), ==, 0x2);
    wr(1, ICR_LOW, 0x84051); /* all */
    g_assert_cmphex(reached(), ==, 0xf);
    wr(1, ICR_LOW, 0xc4051); /* all but self */
    g_assert_cmphex(reached(), ==, 0xd);
    wr(1, ICR_HIGH, 0x05000000);
    wr(1, ICR_LOW, 0x4851); /* logical */
    g_assert_cmphex(reached(), ==, 0x5);
    wr(1, ICR_LOW, 0xc4400); /* NMI to the others */
    for (int i = 0; i < 4; i++) {
        g_assert_cmpint(!!(cpus[i]->interrupt_request & CPU_INTERRUPT_NMI), ==, i != 1);
    }
    /* Vector 5 is no vector: the sender's and nobody else's error. */
    wr(1, ICR_LOW, 0x84005);
    wr(1, ESR, 0);
    g_assert_cmphex(rd(1, ESR), ==, 1 << 5);
    g_assert_cmphex(reached(), ==, 0);
}

static void test_startup(void)
{
    const struct x86_apic_ops *ops = cpus[1]->apic_ops;
    uint8_t vector;

    fresh();
    wr(0, ICR_HIGH, 0x01000000);
    wr(0, ICR_LOW, 0xc500); /* INIT, level assert */
    wr(0, ICR_LOW, 0x8500); /* and de-assert, which starts nothing */
    g_assert_cmphex(cpus[1]->interrupt_request, ==, CPU_INTERRUPT_INIT);
    wr(0, ICR_LOW, 0x4699); /* SIPI overtakes the pending INIT */
    g_assert_cmphex(cpus[1]->interrupt_request, ==, CPU_INTERRUPT_INIT | CPU_INTERRUPT_SIPI);
    ops->init_reset(cpus[1]->apic);
    cpus[1]->interrupt_request = 0;
    g_assert_true(cpus[1]->halted);
    g_assert_cmphex(rd(1, SVR), ==, 0xff);
    g_assert_true(ops->take_sipi(cpus[1]->apic, &vector));
    g_assert_cmphex(vector, ==, 0x99);
    wr(0, ICR_LOW, 0x4677); /* the second one of the usual two */
    g_assert_cmphex(cpus[1]->interrupt_request, ==, 0);
    g_assert_false(ops->take_sipi(cpus[1]->apic, &vector));
    /* The BSP never waits. */
    ops->init_reset(cpus[0]->apic);
    g_assert_false(cpus[0]->halted);
    g_assert_false(ops->take_sipi(cpus[0]->apic, &vector));
}

static bool nmi_comes(int n)
{
    g_assert_true(apic_pulse_lint1(cpus[n], NULL));
    return cpus[n]->interrupt_request & CPU_INTERRUPT_NMI;
}

static void test_lint1(void)
{
    fresh();
    g_assert_false(nmi_comes(0)); /* masked after reset */
    wr(0, LVT_L1, 0x400);
    g_assert_false(nmi_comes(1));
    g_assert_true(nmi_comes(0));
    cpus[0]->interrupt_request = 0;
    wr(0, LVT_L1, 0x51); /* an ordinary vector */
    g_assert_false(nmi_comes(0));
    g_assert_cmpint(ack(0), ==, 0x51);
}

static void test_extint(void)
{
    fresh();
    extint_vector = 0x38;
    irq_set(apic_lint0_irq(), true);
    g_assert_false(intr(0)); /* LINT0 is masked */
    wr(0, LVT_L0, 0x700);
    g_assert_true(intr(0));
    g_assert_false(intr(1));
    g_assert_cmpint(ack(0), ==, 0x38);
    g_assert_false(intr(0));
    g_assert_cmphex(rd(0, ISR + 0x10), ==, 0); /* the PIC's, not ours to end */
    g_assert_cmpint(ack(0), ==, -1);
    /* Past an APIC that is switched off. */
    wr(0, LVT_L0, 0x10700);
    cpus[0]->apic_ops->set_base(cpus[0]->apic, 0xfee00100);
    irq_set(apic_lint0_irq(), true);
    g_assert_true(intr(0));
    g_assert_cmpint(ack(0), ==, 0x38);
    g_assert_cmphex(rd(0, VERSION), ==, 0); /* no registers now */
    cpus[0]->apic_ops->set_base(cpus[0]->apic, 0xfee00900);
    g_assert_cmphex(rd(0, SVR), ==, 0xff);
    /* LINT0 as an ordinary vector, by edge. */
    wr(0, SVR, 0x1ff);
    wr(0, LVT_L0, 0x31);
    irq_set(apic_lint0_irq(), true);
    irq_set(apic_lint0_irq(), true);
    g_assert_cmpint(ack(0), ==, 0x31);
    g_assert_false(intr(0));
    wr(0, EOI, 0);
    irq_set(apic_lint0_irq(), false);
    /* By level: again at EOI while it is up, gone when it drops. */
    wr(0, LVT_L0, 0x8031);
    irq_set(apic_lint0_irq(), true);
    g_assert_cmpint(ack(0), ==, 0x31);
    wr(0, EOI, 0);
    g_assert_true(intr(0));
    irq_set(apic_lint0_irq(), false);
    g_assert_false(intr(0));
    /* What firmware would leave. */
    fresh();
    apic_preset_virtual_wire(cpus[0]);
    irq_set(apic_lint0_irq(), true);
    g_assert_cmpint(ack(0), ==, 0x38);
}

static void test_timer(void)
{
    fresh();
    wr(0, DIVIDE, 0x3); /* by 16 */
    wr(0, LVT_T, 0xec);
    wr(0, INITIAL, 1000);
    g_assert_cmpuint(rd(0, CURRENT), ==, 1000);
    bench_clock_step(160 * 16 + 3);
    g_assert_cmpuint(rd(0, CURRENT), ==, 840);
    bench_clock_step(841 * 16 - 4);
    g_assert_false(intr(0));
    bench_clock_step(1); /* N + 1 ticks */
    g_assert_cmpint(ack(0), ==, 0xec);
    wr(0, EOI, 0);
    bench_clock_step(100000);
    g_assert_false(intr(0));
    g_assert_cmpuint(rd(0, CURRENT), ==, 0);

    wr(0, DIVIDE, 0xb); /* by 1 */
    wr(0, LVT_T, 0x200ec);
    wr(0, INITIAL, 99999);
    for (int i = 0; i < 3; i++) {
        bench_clock_step(99999);
        g_assert_false(intr(0));
        bench_clock_step(1);
        g_assert_cmpint(ack(0), ==, 0xec);
        wr(0, EOI, 0);
    }
    bench_clock_step(30000);
    g_assert_cmpuint(rd(0, CURRENT), ==, 69999);
    wr(0, LVT_T, 0x300ec); /* masked: counts on, says nothing */
    bench_clock_step(70000);
    g_assert_false(intr(0));
    g_assert_cmpuint(rd(0, CURRENT), ==, 99999);
    wr(0, INITIAL, 0);
    wr(0, LVT_T, 0x200ec);
    bench_clock_step(1000000);
    g_assert_false(intr(0));
    g_assert_false(timer_pending(&((struct apic *)cpus[0]->apic)->timer));
}

/* A period of 2 ns must not cost two interrupts a nanosecond. */
static void test_timer_storm(void)
{
    int64_t at, end;
    int fired = 0;

    fresh();
    wr(0, DIVIDE, 0xb);
    wr(0, LVT_T, 0x200ec);
    wr(0, INITIAL, 1);
    end = vm_clock_ns(VM_CLOCK_VIRTUAL) + 1000000;
    for (; (at = timers_deadline(VM_CLOCK_VIRTUAL)) <= end; fired++) {
        g_assert_cmpint(fired, <, 100);
        bench_clock_step(at - vm_clock_ns(VM_CLOCK_VIRTUAL));
    }
    g_assert_cmpint(fired, >=, 20);
    wr(0, INITIAL, 0);
}

static void test_tsc_deadline(void)
{
    const struct x86_apic_ops *ops = cpus[0]->apic_ops;
    struct apic *apic = cpus[0]->apic;
    uint64_t hz = virtual_ticks_hz();

    fresh();
    ops->set_tsc_deadline(apic, virtual_ticks() + 100);
    g_assert_cmpuint(ops->get_tsc_deadline(apic), ==, 0); /* not in that mode */
    wr(0, LVT_T, 0x400ed);
    g_assert_false(timer_pending(&apic->timer));
    ops->set_tsc_deadline(apic, virtual_ticks() + hz / 1000);
    g_assert_cmpuint(ops->get_tsc_deadline(apic), !=, 0);
    wr(0, INITIAL, 5); /* ignored */
    bench_clock_step(999000);
    g_assert_false(intr(0));
    bench_clock_step(2000);
    g_assert_cmpint(ack(0), ==, 0xed);
    g_assert_cmpuint(ops->get_tsc_deadline(apic), ==, 0);
    wr(0, EOI, 0);
    cpus[0]->tsc_offset = 5000;
    ops->set_tsc_deadline(apic, virtual_ticks() + 4000); /* passed already, by the guest's TSC */
    bench_clock_step(0);
    g_assert_cmpint(ack(0), ==, 0xed);
    cpus[0]->tsc_offset = 0;
    ops->set_tsc_deadline(apic, UINT64_MAX / 2);
    ops->set_tsc_deadline(apic, 0);
    g_assert_false(timer_pending(&apic->timer));
}

static void test_errors(void)
{
    fresh();
    g_assert_cmphex(rd(0, 0x40), ==, 0); /* no such register */
    g_assert_cmphex(rd(0, ESR), ==, 0);  /* not latched yet */
    wr(0, ESR, 0);
    g_assert_cmphex(rd(0, ESR), ==, 1 << 7);
    wr(0, ESR, 0);
    g_assert_cmphex(rd(0, ESR), ==, 0);
    wr(0, LVT_E, 0xfe);
    apic_bus_deliver(0, false, APIC_DELIVER_FIXED, 3, false);
    g_assert_cmpint(ack(0), ==, 0xfe);
    wr(0, EOI, 0);
    wr(0, ESR, 0);
    g_assert_cmphex(rd(0, ESR), ==, 1 << 6);
    /* The error entry's own vector is bad: an error that reports an error ends somewhere. */
    wr(0, LVT_E, 0x02);
    wr(0, 0x40, 1);
    wr(0, ESR, 0);
    g_assert_cmphex(rd(0, ESR), ==, 1 << 7 | 1 << 6);
    /* Odd accesses are not register accesses, and no MSI either. */
    bench_current_cpu = cpus[0];
    bench_store(BASE + TPR + 4, 0x50);
    bench_current_cpu = NULL;
    g_assert_cmphex(rd(0, TPR), ==, 0);
}

static void test_msi(void)
{
    fresh();
    bench_store(0xfee02000, 0x4045); /* a device writes: to CPU 2 */
    g_assert_cmphex(reached(), ==, 0x4);
    apic_deliver_msi(0xfee0300c, 0x45); /* logical */
    g_assert_cmphex(reached(), ==, 0x3);
    apic_deliver_msi(0xfee01000, 0x0400); /* NMI */
    g_assert_true(cpus[1]->interrupt_request & CPU_INTERRUPT_NMI);
    for (unsigned mode = 0; mode < 8; mode++) { /* whatever comes */
        apic_deliver_msi(0xfeeff00c, mode << 8);
        apic_deliver_msi(0xfeeff000, 0xffff0000 | mode << 8 | 0xff);
    }
}

/* As stock QEMU's -smp 2 machine saves its second CPU at power-up. */
static void test_golden(void)
{
    reset_all();
    g_assert_true(((struct apic *)cpus[1]->apic)->wait_for_sipi);
    bench_check_golden(&vmstate_apic, cpus[1]->apic,
        "fee00800 01 00 00 000000ff 00 0f"
        "0000000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000000000000000000000000000000000000000"
        "00010000 00010000 00010000 00010000 00010000 00010000"
        "00000000 00000000 00000000 00000000 00000000 00000000"
        "0000000000000000 0000000000000000 ffffffffffffffff"
        "05 09 617069635f73697069 00000001 00000000 00000001");
}

static void test_state(void)
{
    struct apic *apic = cpus[0]->apic;
    static const uint8_t high[8] = { 0x80, 0, 0, 0, 0, 0, 0, 1 };
    static const uint8_t shift[4] = { 0, 0, 0, 32 }, base[4] = { 0xfe, 0xd0, 0x09, 0 }, model = 0x12;

    fresh();
    wr(0, DIVIDE, 0x3);
    wr(0, LVT_T, 0xec);
    wr(0, INITIAL, 100000);
    apic_bus_deliver(0, false, APIC_DELIVER_FIXED, 0x41, true);
    bench_check_round_trip(&vmstate_apic, apic, 181);
    bench_check_round_trip(&vmstate_apic, cpus[2]->apic, 181);
    bench_check_refused(&vmstate_apic, apic, 0, base, 4, "apicbase");
    bench_check_refused(&vmstate_apic, apic, 12, &model, 1, "dest_mode");
    bench_check_refused(&vmstate_apic, apic, 149, shift, 4, "count_shift");
    bench_check_refused(&vmstate_apic, apic, 157, high, 8, "initial_count_load_time");
    /* The timer runs on and the pending interrupt is there after a load. */
    timer_cancel(&apic->timer);
    {
        g_autoptr(GByteArray) before = NULL;

        wr(0, INITIAL, 100000);
        before = bench_save(&vmstate_apic, apic);
        reset_all();
        g_assert_false(intr(0));
        g_assert_true(bench_restore(&vmstate_apic, apic, before->data, before->len, NULL));
        g_assert_true(intr(0));
        g_assert_cmpint(ack(0), ==, 0x41);
        bench_clock_step(100001 * 16);
        g_assert_cmpint(ack(0), ==, 0xec);
    }
}

static void test_describe(void)
{
    fresh();
    wr(0, LVT_L1, 0x400);
    apic_bus_deliver(0, false, APIC_DELIVER_FIXED, 0x41, true);
    g_autofree char *text = apic_describe(cpus[0]);

    g_assert_nonnull(strstr(text, "dumping local APIC state for CPU 0"));
    g_assert_nonnull(strstr(text, "IRR\t 65(level)"));
    g_assert_nonnull(strstr(text, "NMI"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    for (int i = 0; i < 4; i++) {
        cpus[i] = bench_cpu_new(i);
        g_assert_true(apic_create(cpus[i], NULL));
    }
    g_test_add_func("/apic/reset", test_reset);
    g_test_add_func("/apic/priority", test_priority);
    g_test_add_func("/apic/destinations", test_destinations);
    g_test_add_func("/apic/lowest-priority", test_lowest_priority);
    g_test_add_func("/apic/ipi", test_ipi);
    g_test_add_func("/apic/startup", test_startup);
    g_test_add_func("/apic/extint", test_extint);
    g_test_add_func("/apic/lint1", test_lint1);
    g_test_add_func("/apic/timer", test_timer);
    g_test_add_func("/apic/timer-storm", test_timer_storm);
    g_test_add_func("/apic/tsc-deadline", test_tsc_deadline);
    g_test_add_func("/apic/errors", test_errors);
    g_test_add_func("/apic/msi", test_msi);
    g_test_add_func("/apic/golden", test_golden);
    g_test_add_func("/apic/state", test_state);
    g_test_add_func("/apic/describe", test_describe);
    return g_test_run();
}
