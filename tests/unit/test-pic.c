/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IOAPIC and the i8259 pair. */
#include <glib.h>
#include <string.h>

#include "accel/vcpu.h"
#include "device-bench.h"
#include "hw/core/reset.h"
#include "hw/intc/apic.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"

#define IOAPIC 0xfec00000ull

static struct x86_cpu *cpu;
static struct irq *ioapic_lines, *pic_lines;
static struct device *ioapic_dev, *pic_devs[2];

static uint32_t ioapic_rd(uint8_t reg)
{
    bench_store(IOAPIC, reg);
    return bench_load(IOAPIC + 0x10);
}

static void ioapic_wr(uint8_t reg, uint32_t value)
{
    bench_store(IOAPIC, reg);
    bench_store(IOAPIC + 0x10, value);
}

static void route(int pin, uint32_t low, uint32_t high)
{
    ioapic_wr((uint8_t)(0x11 + 2 * pin), high);
    ioapic_wr((uint8_t)(0x10 + 2 * pin), low);
}

static int ack(void)
{
    return cpu->apic_ops->acknowledge(cpu->apic);
}

static void eoi(void)
{
    apic_write(cpu, 0xb0, 0);
}

static void fresh(void)
{
    for (int n = 0; n < IOAPIC_PINS; n++) {
        irq_set(&ioapic_lines[n], false);
    }
    for (int n = 0; n < 16; n++) {
        irq_set(&pic_lines[n], false);
    }
    reset_all();
    apic_write(cpu, 0xf0, 0x1ff);
}

static void test_ioapic_registers(void)
{
    fresh();
    g_assert_cmphex(ioapic_rd(1), ==, 0x00170020);
    g_assert_cmphex(ioapic_rd(0), ==, 0);
    ioapic_wr(0, 0xff000000);
    g_assert_cmphex(ioapic_rd(0), ==, 0x0f000000);
    g_assert_cmphex(ioapic_rd(0x10), ==, 0x10000);
    route(3, 0xffffffff, 0xffffffff);
    g_assert_cmphex(ioapic_rd(0x16), ==, 0x1afff); /* status and remote IRR are not writable */
    g_assert_cmphex(ioapic_rd(0x17), ==, 0xff000000);
    g_assert_cmphex(ioapic_rd(0x40), ==, 0); /* no pin 24 */
    ioapic_wr(0x40, 0xffffffff);
    ioapic_wr(0xff, 0xffffffff);
    ioapic_wr(0x0f, 0xffffffff);
    g_assert_cmphex(ioapic_rd(0x3e), ==, 0x10000);
}

static void test_ioapic_edge(void)
{
    fresh();
    irq_set(&ioapic_lines[4], true); /* masked: forgotten */
    route(4, 0x35, 0);
    g_assert_cmpint(ack(), ==, -1);
    irq_set(&ioapic_lines[4], true); /* no edge */
    g_assert_cmpint(ack(), ==, -1);
    irq_set(&ioapic_lines[4], false);
    irq_set(&ioapic_lines[4], true);
    g_assert_cmpint(ack(), ==, 0x35);
    eoi();
    g_assert_cmpint(ack(), ==, -1);
    irq_pulse(&ioapic_lines[4]);
    irq_pulse(&ioapic_lines[4]); /* while the first is in the IRR: one interrupt, as on the part */
    g_assert_cmpint(ack(), ==, 0x35);
    eoi();
    g_assert_cmpint(ack(), ==, -1);
}

static void test_ioapic_level(void)
{
    fresh();
    route(10, 0x8046, 0);
    irq_set(&ioapic_lines[10], true);
    g_assert_cmphex(ioapic_rd(0x24), ==, 0xc046); /* remote IRR */
    g_assert_cmpint(ack(), ==, 0x46);
    irq_set(&ioapic_lines[10], false);
    irq_set(&ioapic_lines[10], true); /* in service: nothing new */
    g_assert_cmpint(ack(), ==, -1);
    eoi(); /* still up: once more */
    g_assert_cmpint(ack(), ==, 0x46);
    irq_set(&ioapic_lines[10], false);
    eoi();
    g_assert_cmpint(ack(), ==, -1);
    g_assert_cmphex(ioapic_rd(0x24), ==, 0x8046);
    /* Masked while up, sent when unmasked. */
    route(10, 0x18046, 0);
    irq_set(&ioapic_lines[10], true);
    g_assert_cmpint(ack(), ==, -1);
    route(10, 0x8046, 0);
    g_assert_cmpint(ack(), ==, 0x46);
    /* Linux's way to force an end: edge and back. The level is found again. */
    route(10, 0x10046, 0);
    g_assert_cmphex(ioapic_rd(0x24), ==, 0x10046);
    eoi();
    route(10, 0x8046, 0);
    g_assert_cmpint(ack(), ==, 0x46);
    irq_set(&ioapic_lines[10], false);
    bench_store(IOAPIC + 0x40, 0x46); /* the EOI register */
    g_assert_cmphex(ioapic_rd(0x24), ==, 0x8046);
    eoi();
}

static void test_ioapic_state(void)
{
    static const uint8_t irr[4] = { 1, 0, 0, 0 }, entry[8] = { 0, 1, 0, 0, 0, 1, 0, 0 };

    fresh();
    route(4, 0x0825, 0x01000000);
    route(9, 0x8021, 0);
    irq_set(&ioapic_lines[9], true);
    g_assert_cmpint(ack(), ==, 0x21);
    bench_store(IOAPIC, 0x24);
    bench_check_golden(ioapic_type.vmstate, ioapic_dev,
        "00 24 0000000000000000 00000200"
        "0000000000010000 0000000000010000 0000000000010000 0000000000010000 0100000000000825 0000000000010000"
        "0000000000010000 0000000000010000 0000000000010000 000000000000c021 0000000000010000 0000000000010000"
        "0000000000010000 0000000000010000 0000000000010000 0000000000010000 0000000000010000 0000000000010000"
        "0000000000010000 0000000000010000 0000000000010000 0000000000010000 0000000000010000 0000000000010000");
    bench_check_round_trip(ioapic_type.vmstate, ioapic_dev, 206);
    bench_check_refused(ioapic_type.vmstate, ioapic_dev, 10, irr, 4, "irr");
    bench_check_refused(ioapic_type.vmstate, ioapic_dev, 14, entry, 8, "ioredtbl[0]");
    {
        /* Elsewhere the line is down as the state arrives, and the end of interrupt still finds it up. */
        g_autoptr(GByteArray) state = bench_save(ioapic_type.vmstate, ioapic_dev);

        irq_set(&ioapic_lines[9], false);
        g_assert_true(bench_restore(ioapic_type.vmstate, ioapic_dev, state->data, state->len, NULL));
        eoi();
        g_assert_cmpint(ack(), ==, 0x21);
        irq_set(&ioapic_lines[9], false);
        eoi();
        g_assert_cmpint(ack(), ==, -1);
    }
}

/* As Linux and every BIOS since the AT do it. */
static void pic_init(uint8_t icw4)
{
    static const struct {
        uint16_t port;
        uint8_t value;
    } words[] = { { 0x20, 0x11 }, { 0x21, 0x30 }, { 0x21, 0x04 }, { 0xa0, 0x11 }, { 0xa1, 0x38 }, { 0xa1, 0x02 } };

    for (unsigned i = 0; i < 3; i++) {
        bench_out(words[i].port, words[i].value);
    }
    bench_out(0x21, icw4);
    for (unsigned i = 3; i < 6; i++) {
        bench_out(words[i].port, words[i].value);
    }
    bench_out(0xa1, icw4);
}

static bool intr(void)
{
    apic_write(cpu, 0x350, 0x700);
    return cpu->interrupt_request & CPU_INTERRUPT_HARD;
}

static void test_pic_basic(void)
{
    fresh();
    pic_init(0x01);
    g_assert_false(intr());
    irq_set(&pic_lines[4], true);
    g_assert_true(intr());
    g_assert_cmphex(bench_in(0x20), ==, 0x10);
    g_assert_cmpint(i8259_acknowledge(), ==, 0x34);
    g_assert_false(intr());
    bench_out(0x20, 0x0b); /* ISR */
    g_assert_cmphex(bench_in(0x20), ==, 0x10);
    irq_set(&pic_lines[5], true); /* lower priority: waits */
    g_assert_false(intr());
    irq_set(&pic_lines[1], true); /* higher: nests */
    g_assert_cmpint(i8259_acknowledge(), ==, 0x31);
    bench_out(0x20, 0x20); /* non-specific: the highest in service */
    g_assert_cmphex(bench_in(0x20), ==, 0x10);
    bench_out(0x20, 0x64); /* specific */
    g_assert_cmphex(bench_in(0x20), ==, 0);
    g_assert_true(intr());
    bench_out(0x21, 0x20); /* masked */
    g_assert_cmphex(bench_in(0x21), ==, 0x20);
    g_assert_false(intr());
    g_assert_cmpint(i8259_acknowledge(), ==, 0x37); /* spurious */
    g_assert_cmphex(bench_in(0x20), ==, 0);
    bench_out(0x21, 0);
    g_assert_cmpint(i8259_acknowledge(), ==, 0x35);
    bench_out(0x20, 0x20);
    irq_set(&pic_lines[5], true); /* no new edge */
    g_assert_false(intr());
}

static void test_pic_cascade(void)
{
    fresh();
    pic_init(0x01);
    irq_set(&pic_lines[8], true);
    g_assert_true(intr());
    g_assert_cmphex(bench_in(0x20), ==, 0x04);
    g_assert_cmpint(i8259_acknowledge(), ==, 0x38);
    bench_out(0x20, 0x0b);
    bench_out(0xa0, 0x0b);
    g_assert_cmphex(bench_in(0x20), ==, 0x04);
    g_assert_cmphex(bench_in(0xa0), ==, 0x01);
    bench_out(0xa0, 0x20);
    bench_out(0x20, 0x20);
    irq_set(&pic_lines[8], false);
    /* A slave's request that is masked between INT and INTA. */
    irq_set(&pic_lines[10], true);
    bench_out(0xa0, 0x0a);
    g_assert_cmphex(bench_in(0xa0), ==, 0x04);
    bench_out(0xa1, 0xff);
    g_assert_false(intr());
    bench_out(0xa1, 0);
    g_assert_cmpint(i8259_acknowledge(), ==, 0x3a);
}

static void test_pic_level(void)
{
    fresh();
    pic_init(0x03); /* automatic EOI */
    bench_out(0x4d0, 0xff);
    bench_out(0x4d1, 0xff);
    g_assert_cmphex(bench_in(0x4d0), ==, 0xf8); /* 0, 1, 2 cannot */
    g_assert_cmphex(bench_in(0x4d1), ==, 0xde); /* 8 and 13 cannot */
    irq_set(&pic_lines[11], true);
    g_assert_cmpint(i8259_acknowledge(), ==, 0x3b);
    g_assert_true(intr()); /* still up, EOI was automatic */
    irq_set(&pic_lines[11], false);
    g_assert_false(intr());
    bench_out(0x4d1, 0);
    irq_set(&pic_lines[11], true);
    bench_out(0x4d1, 0x08); /* now level: up already */
    g_assert_true(intr());
}

static void test_pic_modes(void)
{
    fresh();
    pic_init(0x01);
    /* Rotation: 3 becomes the lowest. */
    bench_out(0x20, 0xc3);
    irq_pulse(&pic_lines[3]);
    irq_pulse(&pic_lines[5]);
    g_assert_cmpint(i8259_acknowledge(), ==, 0x35);
    bench_out(0x20, 0xa0); /* rotate on non-specific EOI: now 5 is the lowest */
    irq_pulse(&pic_lines[5]);
    irq_pulse(&pic_lines[6]);
    g_assert_cmpint(i8259_acknowledge(), ==, 0x36);
    g_assert_false(intr());
    bench_out(0x20, 0xe6); /* rotate on specific EOI: 6 is the lowest, 7, 0, 1 … go first */
    g_assert_cmpint(i8259_acknowledge(), ==, 0x33);
    bench_out(0x20, 0x20);
    bench_out(0x20, 0xc7); /* back to 0 first, 7 last */
    g_assert_cmpint(i8259_acknowledge(), ==, 0x35);
    /* Special mask: one in service and masked holds nobody back. */
    irq_pulse(&pic_lines[7]);
    g_assert_false(intr());
    bench_out(0x21, 0x20);
    g_assert_false(intr());
    bench_out(0x20, 0x68);
    g_assert_true(intr());
    bench_out(0x20, 0x48);
    g_assert_false(intr());
    bench_out(0x21, 0);
    bench_out(0x20, 0x65);
    /* Polling acknowledges. */
    bench_out(0x20, 0x0c);
    g_assert_cmphex(bench_in(0x20), ==, 0x87);
    bench_out(0x20, 0x0c);
    g_assert_cmphex(bench_in(0x20), ==, 0);
    bench_out(0x20, 0x20);
}

static void test_pic_state(void)
{
    static const uint8_t nine = 9, level = 0x07;

    fresh();
    bench_check_golden(i8259_type.vmstate, pic_devs[0], "00000000000000000000000000000000");
    pic_init(0x03);
    bench_out(0x21, 0xff);
    bench_out(0xa1, 0xff);
    bench_out(0x4d1, 0x0c);
    irq_pulse(&pic_lines[0]);
    irq_pulse(&pic_lines[1]);
    irq_pulse(&pic_lines[4]);
    /* As stock's running Linux guest has it. */
    bench_check_golden(i8259_type.vmstate, pic_devs[0], "00 13 ff 00 00 30 00 00 00 00 01 00 00 01 00 00");
    bench_check_golden(i8259_type.vmstate, pic_devs[1], "00 00 ff 00 00 38 00 00 00 00 01 00 00 01 00 0c");
    bench_check_round_trip(i8259_type.vmstate, pic_devs[0], 16);
    bench_check_refused(i8259_type.vmstate, pic_devs[0], 4, &nine, 1, "priority_add");
    bench_check_refused(i8259_type.vmstate, pic_devs[0], 9, &nine, 1, "init_state");
    bench_check_refused(i8259_type.vmstate, pic_devs[0], 15, &level, 1, "elcr");
    g_autofree char *text = i8259_describe();
    g_assert_nonnull(strstr(text, "pic0: irr=13 imr=ff isr=00 hprio=0 irq_base=30 rr_sel=0 elcr=00 fnm=0\n"));
}

static bool find_devices(struct device *dev, void *opaque)
{
    if (dev->type == &ioapic_type) {
        ioapic_dev = dev;
    } else if (dev->type == &i8259_type) {
        pic_devs[pic_devs[0] ? 1 : 0] = dev;
    }
    return true;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    cpu = bench_cpu_new(0);
    g_assert_true(apic_create(cpu, NULL));
    pic_lines = i8259_create(apic_lint0_irq(), NULL);
    ioapic_lines = ioapic_create(NULL);
    g_assert_true(pic_lines && ioapic_lines);
    device_foreach(find_devices, NULL);
    g_test_add_func("/ioapic/registers", test_ioapic_registers);
    g_test_add_func("/ioapic/edge", test_ioapic_edge);
    g_test_add_func("/ioapic/level", test_ioapic_level);
    g_test_add_func("/ioapic/state", test_ioapic_state);
    g_test_add_func("/i8259/basic", test_pic_basic);
    g_test_add_func("/i8259/cascade", test_pic_cascade);
    g_test_add_func("/i8259/level", test_pic_level);
    g_test_add_func("/i8259/modes", test_pic_modes);
    g_test_add_func("/i8259/state", test_pic_state);
    return g_test_run();
}
