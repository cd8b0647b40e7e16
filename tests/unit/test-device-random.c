/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that do anything: random accesses to each device with time passing between them. Whatever state that leads
 * to must be one that saves, loads and saves the same again: a guest must not be able to make itself unmigratable.
 * FERRY_RANDOM_ROUNDS makes it longer; run it under the sanitizers.
 */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "device-bench.h"
#include "hw/char/serial.h"
#include "hw/core/reset.h"
#include "hw/intc/apic-internal.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/isa/isa.h"
#include "hw/misc/pc-ports.h"
#include "hw/rtc/mc146818rtc.h"
#include "hw/timer/i8254.h"
#include "memory/memory.h"
#include "util/keyval.h"

static struct x86_cpu *cpus[3];
static struct irq *pic_lines, *ioapic_lines;
static struct device *devices[32];
static unsigned device_count;
static GRand *rand_state;

static unsigned pick(unsigned limit)
{
    return (unsigned)g_rand_int_range(rand_state, 0, (gint32)limit);
}

/* Mostly small, often a power of two, sometimes anything. */
static uint32_t pick_value(void)
{
    switch (pick(4)) {
    case 0:
        return pick(256);
    case 1:
        return 1u << pick(32);
    case 2:
        return ~(1u << pick(32));
    default:
        return g_rand_int(rand_state);
    }
}

static void random_port(void)
{
    static const uint16_t ports[] = {
        0x20, 0x21, 0x40, 0x41, 0x42, 0x43, 0x61, 0x70, 0x71, 0x80, 0x92, 0xa0, 0xa1, 0xf0, 0x3f8, 0x3f9, 0x3fa,
        0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x4d0, 0x4d1, 0x501, 0x505,
    };
    uint16_t port = ports[pick(G_N_ELEMENTS(ports))];
    unsigned size = 1u << pick(3);
    uint32_t value = pick_value();

    if (pick(2)) {
        address_space_write(&address_space_io, port, &value, size);
    } else {
        address_space_read(&address_space_io, port, &value, size);
    }
}

static void random_memory(void)
{
    static const uint32_t select[] = { 0x00, 0x01, 0x10, 0x11, 0x20, 0x2f, 0x3e, 0x3f, 0x40 };
    bool apic = pick(2);
    uint64_t address = apic ? 0xfee00000 + pick(0x40) * 16 : 0xfec00000 + (uint32_t[]){ 0, 0x10, 0x40, 4 }[pick(4)];
    unsigned size = pick(8) ? 4 : 1u << pick(4);
    uint64_t value = pick_value();

    if (apic && !pick(16)) {
        address += pick(0x100000);
    }
    if (!apic && (address & 0xff) == 0) {
        value = select[pick(G_N_ELEMENTS(select))];
    }
    bench_current_cpu = pick(8) ? cpus[pick(3)] : NULL;
    if (pick(2)) {
        address_space_write(&address_space_memory, address, &value, size);
    } else {
        address_space_read(&address_space_memory, address, &value, size);
    }
    bench_current_cpu = NULL;
}

static void random_line(void)
{
    if (pick(2)) {
        irq_set(&pic_lines[pick(16)], pick(2));
    } else {
        irq_set(&ioapic_lines[pick(IOAPIC_PINS)], pick(2));
    }
}

/* What a vCPU does of itself. */
static void random_cpu(void)
{
    struct x86_cpu *cpu = cpus[pick(3)];
    uint8_t vector;

    switch (pick(8)) {
    case 0:
        cpu->apic_ops->set_base(cpu->apic, pick(4) ? 0xfee00900 : pick_value());
        break;
    case 1:
        cpu->apic_ops->set_tpr(cpu->apic, (uint8_t)pick(16));
        break;
    case 2:
        cpu->apic_ops->set_tsc_deadline(cpu->apic, pick(2) ? virtual_ticks() + pick_value()
                                                           : (uint64_t)pick_value() << 32);
        break;
    case 3:
        cpu->apic_ops->init_reset(cpu->apic);
        break;
    case 4:
        cpu->apic_ops->take_sipi(cpu->apic, &vector);
        break;
    default:
        g_assert_cmpint(cpu->apic_ops->acknowledge(cpu->apic), <, 256);
        break;
    }
    cpu->interrupt_request = 0;
}

static void check_states(void)
{
    for (unsigned i = 0; i < device_count; i++) {
        bench_check_round_trip(devices[i]->type->vmstate, devices[i], 0);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(cpus); i++) {
        bench_check_round_trip(&vmstate_apic, cpus[i]->apic, 0);
    }
}

static void test_random(void)
{
    const char *wish = g_getenv("FERRY_RANDOM_ROUNDS");
    int rounds = wish ? atoi(wish) : 40;

    for (int round = 0; round < rounds; round++) {
        rand_state = g_rand_new_with_seed((guint32)round);
        for (int i = 0; i < 2000; i++) {
            switch (pick(8)) {
            case 0:
                bench_clock_step((int64_t)pick(2000000));
                break;
            case 1:
                random_line();
                break;
            case 2:
                random_cpu();
                break;
            case 3:
            case 4:
                random_memory();
                break;
            default:
                random_port();
                break;
            }
            if (!pick(100)) {
                check_states();
            }
        }
        if (pick(2)) {
            reset_all();
        }
        g_rand_free(rand_state);
    }
}

/* Random bytes for a state: refused, or taken and then good to work with. */
static void test_random_state(void)
{
    rand_state = g_rand_new_with_seed(99);
    for (int round = 0; round < 3000; round++) {
        unsigned which = pick(device_count + (unsigned)G_N_ELEMENTS(cpus));
        const struct vmstate_description *vmsd =
            which < device_count ? devices[which]->type->vmstate : &vmstate_apic;
        void *opaque = which < device_count ? (void *)devices[which] : cpus[which - device_count]->apic;
        g_autoptr(GByteArray) state = bench_save(vmsd, opaque);
        unsigned changes = 1 + pick(4);

        for (unsigned i = 0; i < changes; i++) {
            state->data[pick(state->len)] ^= (uint8_t)(1 + pick(255));
        }
        if (!bench_restore(vmsd, opaque, state->data, state->len, NULL)) {
            reset_all(); /* as the program would have ended */
        }
        for (int i = 0; i < 50; i++) {
            random_port();
            random_memory();
            random_cpu();
        }
        bench_clock_step((int64_t)pick(3000000));
    }
    g_rand_free(rand_state);
}

static bool note_device(struct device *dev, void *opaque)
{
    if (dev->type->vmstate) {
        devices[device_count++] = dev;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct keyval *rtc_options;
    struct device *pit;

    g_test_init(&argc, &argv, NULL);
    bench_init();
    rtc_options = keyval_parse("-rtc", "base=2026-11-20,clock=vm", NULL, NULL);
    g_assert_true(rtc_configure(rtc_options, NULL));
    keyval_free(rtc_options);
    for (unsigned i = 0; i < G_N_ELEMENTS(cpus); i++) {
        cpus[i] = bench_cpu_new((int)i);
        g_assert_true(apic_create(cpus[i], NULL));
    }
    pic_lines = i8259_create(apic_lint0_irq(), NULL);
    ioapic_lines = ioapic_create(NULL);
    isa_connect_irqs(pic_lines);
    pit = i8254_isa_create(NULL);
    g_assert_true(pit && pcspk_create(pit, NULL) && mc146818rtc_create(NULL) && serial_isa_create(0, NULL, NULL) &&
                  isa_create(&port92_type, NULL) && isa_create(&pvpanic_type, NULL) &&
                  isa_create(&ioport80_type, NULL) && isa_create(&debug_exit_type, NULL));
    device_foreach(note_device, NULL);
    g_assert_cmpuint(device_count, ==, 8);
    g_test_add_func("/device-random/guest", test_random);
    g_test_add_func("/device-random/state", test_random_state);
    return g_test_run();
}
