/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupt controllers and timer in the kernel, under a kernel made up: their registers in its layout and back, and
 * that a reset, a save and a load reach it. Its ioctls win over the library's.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "accel/kvm.h"
#include "device-bench.h"
#include "hw/core/reset.h"
#include "hw/intc/apic-internal.h"
#include "hw/intc/apic-kvm.h"
#include "hw/intc/i8259-internal.h"
#include "hw/intc/i8259-kvm.h"
#include "hw/intc/ioapic-internal.h"
#include "hw/intc/ioapic-kvm.h"
#include "hw/timer/i8254-internal.h"
#include "hw/timer/i8254-kvm.h"
#include "util/clock.h"

/* --- the kernel --- */

static struct kvm_irqchip chips[3];
static struct kvm_pit_state2 kernel_pit;
static struct kvm_lapic_state kernel_lapic;
static uint64_t kernel_base;
static struct kvm_msi last_msi;
static bool failing;

bool kvm_irqchip_in_kernel(void)
{
    return true;
}

static int copy(void *to, const void *from, size_t size)
{
    if (!failing) {
        memcpy(to, from, size);
    }
    return failing ? -EIO : 0;
}

int kvm_vm_ioctl(unsigned long request, void *argument)
{
    struct kvm_irqchip *chip = argument;

    switch (request) {
    case KVM_CREATE_PIT2: return ((struct kvm_pit_config *)argument)->flags == KVM_PIT_SPEAKER_DUMMY ? 0 : -EINVAL;
    case KVM_GET_PIT2: return copy(argument, &kernel_pit, sizeof(kernel_pit));
    case KVM_SET_PIT2: return copy(&kernel_pit, argument, sizeof(kernel_pit));
    case KVM_GET_IRQCHIP: return copy(chip, &chips[chip->chip_id], sizeof(*chip));
    case KVM_SET_IRQCHIP: return copy(&chips[chip->chip_id], chip, sizeof(*chip));
    case KVM_SIGNAL_MSI: return copy(&last_msi, argument, sizeof(last_msi));
    default: return -ENOTTY;
    }
}

int kvm_vcpu_ioctl(struct x86_cpu *cpu, unsigned long request, void *argument)
{
    struct kvm_msrs *msrs = argument;

    switch (request) {
    case KVM_GET_LAPIC: return copy(argument, &kernel_lapic, sizeof(kernel_lapic));
    case KVM_SET_LAPIC: return copy(&kernel_lapic, argument, sizeof(kernel_lapic));
    case KVM_SET_MSRS:
        g_assert_cmpuint(msrs->nmsrs, ==, 1);
        g_assert_cmphex(msrs->entries[0].index, ==, 0x1b);
        kernel_base = msrs->entries[0].data;
        return 1;
    default: return -ENOTTY;
    }
}

static uint32_t lapic_word(unsigned offset)
{
    uint32_t value;

    memcpy(&value, kernel_lapic.regs + offset, 4);
    return value;
}

/* --- pure: random registers there and back --- */

static void fill(void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)bytes)[i] = (uint8_t)g_test_rand_int();
    }
}

static void test_i8259_layout(void)
{
    for (int i = 0; i < 1000; i++) {
        struct kvm_pic_state from, to;
        struct i8259 pic = { .elcr_mask = i & 1 ? 0xf8 : 0xde };

        fill(&from, sizeof(from));
        from.priority_add &= 7;
        from.init_state &= 3;
        from.elcr &= pic.elcr_mask;
        from.elcr_mask = pic.elcr_mask;
        i8259_from_kvm(&pic, &from);
        i8259_to_kvm(&pic, &to);
        g_assert_cmpmem(&from, sizeof(from), &to, sizeof(to));
        g_assert_cmphex(pic.irr, ==, from.irr);
        g_assert_cmphex(pic.irq_base, ==, from.irq_base);
    }
}

static void test_ioapic_layout(void)
{
    for (int i = 0; i < 1000; i++) {
        struct ioapic ioapic, back = { 0 };
        struct kvm_ioapic_state state;

        fill(&ioapic, sizeof(ioapic));
        ioapic.id &= 15;
        ioapic.irr &= 0xffffff;
        ioapic_to_kvm(&ioapic, &state);
        g_assert_cmphex(state.base_address, ==, 0xfec00000);
        g_assert_cmphex(state.redirtbl[5].fields.vector, ==, ioapic.entries[5] & 0xff);
        g_assert_cmphex(state.redirtbl[5].fields.dest_id, ==, ioapic.entries[5] >> 56);
        ioapic_from_kvm(&back, &state);
        g_assert_cmphex(back.id, ==, ioapic.id);
        g_assert_cmphex(back.select, ==, ioapic.select);
        g_assert_cmphex(back.irr, ==, ioapic.irr);
        for (int pin = 0; pin < IOAPIC_PINS; pin++) { /* a guest's reserved bits have no place in the stream */
            g_assert_cmphex(back.entries[pin], ==, ioapic.entries[pin] & IOAPIC_ENTRY_KNOWN);
        }
    }
}

static void test_i8254_layout(void)
{
    for (int i = 0; i < 1000; i++) {
        struct kvm_pit_state2 from = { 0 }, to;
        struct i8254 chip;

        fill(from.channels, sizeof(from.channels));
        for (int c = 0; c < I8254_CHANNELS; c++) {
            from.channels[c].count = g_test_rand_int_range(1, 0x10001);
            from.channels[c].count_load_time = g_test_rand_int_range(1000, G_MAXINT32);
        }
        from.flags = i & 1 ? KVM_PIT_FLAGS_HPET_LEGACY : 0;
        i8254_from_kvm(&chip, -1000, &from);
        g_assert_cmpint(chip.channels[1].count_load_time, ==, from.channels[1].count_load_time - 1000);
        i8254_to_kvm(&chip, -1000, &to);
        g_assert_cmpmem(&from, sizeof(from), &to, sizeof(to));
    }
}

static void test_apic_layout(void)
{
    for (int i = 0; i < 1000; i++) {
        struct apic apic, back = { 0 };
        struct kvm_lapic_state state;

        fill(&apic, sizeof(apic));
        apic.dest_model &= 15;
        apic.divide_conf &= 0xb;
        apic.initial_count = 0; /* the timer has tests of its own */
        apic.count_shift = 0;
        apic.load_time = 0;
        apic_to_kvm(&apic, 0, &state);
        apic_from_kvm(&back, 0, &state);
        g_assert_cmphex(back.id, ==, apic.id);
        g_assert_cmphex(back.tpr, ==, apic.tpr);
        g_assert_cmphex(back.svr, ==, apic.svr);
        g_assert_cmphex(back.log_dest, ==, apic.log_dest);
        g_assert_cmphex(back.dest_model, ==, apic.dest_model);
        g_assert_cmpmem(back.isr, sizeof(back.isr), apic.isr, sizeof(apic.isr));
        g_assert_cmpmem(back.tmr, sizeof(back.tmr), apic.tmr, sizeof(apic.tmr));
        g_assert_cmpmem(back.irr, sizeof(back.irr), apic.irr, sizeof(apic.irr));
        g_assert_cmpmem(back.lvt, sizeof(back.lvt), apic.lvt, sizeof(apic.lvt));
        g_assert_cmphex(back.esr, ==, apic.esr);
        g_assert_cmpmem(back.icr, sizeof(back.icr), apic.icr, sizeof(apic.icr));
        g_assert_cmphex(back.divide_conf, ==, apic.divide_conf);
    }
}

/* --- the APIC's timer --- */

/* A count of 1000 loaded at 5000, divided by 2^shift, in `mode`, seen at `now`: what the kernel counts from. */
static struct apic timer_at(uint32_t mode, int shift, int64_t now, uint32_t *initial, uint32_t *current)
{
    static const uint32_t divide[8] = { 0xb, 0, 1, 2, 3, 8, 9, 0xa };
    struct apic apic = { .lvt[LVT_TIMER] = mode | 0x40, .initial_count = 1000, .load_time = 5000,
                         .count_shift = shift, .divide_conf = divide[shift], .timer_expiry = -1 }, back = { 0 };
    struct kvm_lapic_state state;

    apic_to_kvm(&apic, now, &state);
    memcpy(initial, state.regs + 0x380, 4);
    memcpy(current, state.regs + 0x390, 4);
    apic_from_kvm(&back, now, &state);
    return back;
}

static void test_one_shot(void)
{
    uint32_t initial, current;
    struct apic apic = timer_at(LVT_TIMER_ONE_SHOT, 0, 5300, &initial, &current);

    g_assert_cmpuint(initial, ==, 1000);
    g_assert_cmpuint(current, ==, 700);
    g_assert_cmpint(apic.load_time, ==, 5000);
    g_assert_cmpint(apic.timer_expiry, ==, 5000 + 1001);
    apic = timer_at(LVT_TIMER_ONE_SHOT, 7, 5000 + 128 * 999, &initial, &current);
    g_assert_cmpuint(current, ==, 1);
    g_assert_cmpint(apic.timer_expiry, ==, 5000 + 128 * 1001);
    apic = timer_at(LVT_TIMER_ONE_SHOT, 0, 6000, &initial, &current); /* it expires after 1001: not yet over */
    g_assert_cmpuint(current, ==, 1);
    apic = timer_at(LVT_TIMER_ONE_SHOT, 0, 6001, &initial, &current); /* over: nothing is to come */
    g_assert_cmpuint(initial, ==, 0);
    g_assert_cmpint(apic.timer_expiry, ==, -1);
    apic = timer_at(LVT_TIMER_ONE_SHOT | LVT_MASKED, 0, 5300, &initial, &current);
    g_assert_cmpuint(current, ==, 700);
    g_assert_cmpint(apic.timer_expiry, ==, -1);
}

static void test_periodic(void)
{
    uint32_t initial, current;
    struct apic apic = timer_at(LVT_TIMER_PERIODIC, 1, 5000 + 2 * (3 * 1001 + 400), &initial, &current);

    g_assert_cmpuint(initial, ==, 1000);
    g_assert_cmpuint(current, ==, 600);
    g_assert_cmpint(apic.timer_expiry, ==, 5000 + 2 * 4 * 1001);
    apic = timer_at(LVT_TIMER_DEADLINE, 0, 5300, &initial, &current); /* an MSR's, not these registers' */
    g_assert_cmpuint(initial, ==, 0);
    g_assert_cmpint(apic.timer_expiry, ==, -1);
}

/* What ran out in the kernel may not have been delivered: it is due, here or in another kernel. */
static void test_expired_in_kernel(void)
{
    struct kvm_lapic_state state = { { 0 } };
    struct apic apic = { 0 };
    uint32_t count = 1000, divide = 0xb, vector = 0x41, bit = 1u << (0x41 % 32), current;

    memcpy(state.regs + 0x380, &count, 4);
    memcpy(state.regs + 0x3e0, &divide, 4);
    apic_from_kvm(&apic, 100000, &state);
    g_assert_cmpuint(apic.initial_count, ==, 1000);
    g_assert_cmpint(apic.timer_expiry, ==, 100000);
    g_assert_cmpint(apic.load_time, ==, 100000 - 1001);
    apic_to_kvm(&apic, 200000, &state);
    memcpy(&current, state.regs + 0x390, 4);
    g_assert_cmpuint(current, ==, 1);
    /* Delivered already: in IRR. */
    current = 0;
    memcpy(state.regs + 0x320, &vector, 4);
    memcpy(state.regs + 0x390, &current, 4);
    memcpy(state.regs + 0x220, &bit, 4);
    apic_from_kvm(&apic, 100000, &state);
    g_assert_cmpint(apic.timer_expiry, ==, -1);
    /* A periodic one goes on in any case. */
    vector |= LVT_TIMER_PERIODIC;
    memcpy(state.regs + 0x320, &vector, 4);
    apic_from_kvm(&apic, 100000, &state);
    g_assert_cmpint(apic.timer_expiry, ==, 100000);
    vector |= LVT_MASKED;
    memcpy(state.regs + 0x320, &vector, 4);
    apic_from_kvm(&apic, 100000, &state);
    g_assert_cmpint(apic.timer_expiry, ==, -1);
    apic_from_kvm(&apic, 10, &state); /* the virtual clock is younger than the count */
    g_assert_cmpint(apic.load_time, ==, 0);
}

/* --- the devices --- */

static void check_failure(const struct vmstate_description *vmsd, void *device, const char *want)
{
    g_autoptr(GError) error = NULL;

    failing = true;
    g_assert_false(vmsd->pre_save(device, &error));
    failing = false;
    g_assert_nonnull(strstr(error->message, want));
}

static void test_i8259_device(void)
{
    g_assert_true(i8259_kvm_create(NULL));
    g_assert_cmphex(chips[KVM_IRQCHIP_PIC_MASTER].chip.pic.elcr_mask, ==, 0xf8);
    g_assert_cmphex(chips[KVM_IRQCHIP_PIC_SLAVE].chip.pic.elcr_mask, ==, 0xde);
    chips[KVM_IRQCHIP_PIC_SLAVE].chip.pic.imr = 0x5a;
    bench_check_round_trip(&vmstate_i8259, i8259_pair[1], 16);
    g_autoptr(GByteArray) state = bench_save(&vmstate_i8259, i8259_pair[1]);
    g_assert_cmphex(state->data[2], ==, 0x5a);
    reset_all();
    g_assert_cmphex(chips[KVM_IRQCHIP_PIC_SLAVE].chip.pic.imr, ==, 0);
    g_assert_true(bench_restore(&vmstate_i8259, i8259_pair[1], state->data, state->len, NULL));
    g_assert_cmphex(chips[KVM_IRQCHIP_PIC_SLAVE].chip.pic.imr, ==, 0x5a);
    g_assert_cmphex(chips[KVM_IRQCHIP_PIC_MASTER].chip.pic.imr, ==, 0);
    g_autofree char *text = i8259_describe();
    g_assert_nonnull(strstr(text, "pic1: irr=00 imr=5a"));
    check_failure(&vmstate_i8259, i8259_pair[0], "KVM_GET_IRQCHIP of chip 0");
}

static void test_ioapic_device(void)
{
    __u64 *pin;

    g_assert_true(ioapic_kvm_create(NULL));
    pin = &chips[KVM_IRQCHIP_IOAPIC].chip.ioapic.redirtbl[9].bits;
    g_assert_cmphex(*pin, ==, IOAPIC_ENTRY_MASKED);
    *pin = 0x0300000000008931;
    g_autofree char *text = ioapic_describe();
    g_assert_nonnull(strstr(text, "ioapic0: ver=0x11"));
    g_assert_nonnull(strstr(text, "pin 9  0x0300000000008931"));
    reset_all();
    g_assert_cmphex(*pin, ==, IOAPIC_ENTRY_MASKED);
}

static void test_i8254_device(void)
{
    struct i8254_isa *pit = (struct i8254_isa *)i8254_kvm_create(NULL);

    g_assert_nonnull(pit);
    kernel_pit.channels[0].count = 77; /* no matter: the VM has not run yet, the counters are here */
    g_assert_cmpint(pit->chip.channels[0].count, ==, 0x10000);
    pit->listener.changed(pit, true, RUN_STATE_RUNNING);
    g_assert_cmpuint(kernel_pit.channels[0].count, ==, 0x10000);
    g_assert_cmpuint(kernel_pit.channels[2].gate, ==, 0);
    i8254_isa_set_speaker(&pit->dev, true);
    g_assert_cmphex(kernel_pit.flags, ==, KVM_PIT_FLAGS_SPEAKER_DATA_ON);
    kernel_pit.channels[1].count = 4711;
    check_failure(&vmstate_i8254, pit, "KVM_GET_PIT2");
    pit->listener.changed(pit, false, RUN_STATE_PAUSED);
    kernel_pit.channels[1].count = 5; /* as above */
    g_autoptr(GByteArray) state = bench_save(&vmstate_i8254, pit);
    g_assert_cmpuint(state->len, ==, 108);
    g_assert_cmphex(state->data[38] << 8 | state->data[39], ==, 4711);
    pit->listener.changed(pit, true, RUN_STATE_RUNNING);
    g_assert_cmpuint(kernel_pit.channels[1].count, ==, 4711);
    g_assert_true(i8254_isa_speaker(&pit->dev));
}

static void test_apic_device(void)
{
    struct x86_cpu *cpu = g_new0(struct x86_cpu, 1);
    uint32_t vector = 0x1f3;

    cpu->index = 1;
    cpu->apic_id = 3;
    cpu->stopped = true;
    g_assert_true(apic_kvm_create(cpu, NULL));
    g_assert_cmphex(kernel_base, ==, 0xfee00800);
    g_assert_cmphex(lapic_word(0x20), ==, 0x03000000);
    g_assert_cmphex(lapic_word(0x350), ==, LVT_MASKED);
    g_assert_true(cpu->apic_ops->waits_for_sipi(cpu->apic));
    apic_preset_virtual_wire(cpu);
    g_assert_cmphex(lapic_word(0x350), ==, 0x8700);
    memcpy(kernel_lapic.regs + 0xf0, &vector, 4);
    cpu->beyond.mp_state = KVM_MP_STATE_RUNNABLE;
    g_autoptr(GByteArray) state = bench_save(&vmstate_apic, cpu->apic);
    g_assert_false(cpu->apic_ops->waits_for_sipi(cpu->apic));
    g_assert_cmpuint(state->len, ==, 181);
    g_assert_cmphex(state->data[9] << 8 | state->data[10], ==, 0x1f3);
    check_failure(&vmstate_apic, cpu->apic, "KVM_GET_LAPIC");
    g_autofree char *text = apic_describe(cpu);
    g_assert_nonnull(strstr(text, "SPIV\t 0x000001f3"));
}

/* Addresses of x2APIC's mode are the kernel's affair; others are nobody's. */
static void test_apic_base(void)
{
    static const uint8_t x2apic[4] = { 0xfe, 0xe0, 0x0c, 0 }, off[4] = { 0xfe, 0xe0, 0x04, 0 },
                         elsewhere[4] = { 0xfd, 0xe0, 0x08, 0 };
    struct apic *apic = g_ptr_array_index(apics, 0);
    g_autoptr(GByteArray) state = bench_save(&vmstate_apic, apic);

    memcpy(state->data, x2apic, 4);
    g_assert_true(bench_restore(&vmstate_apic, apic, state->data, state->len, NULL));
    g_assert_cmphex(kernel_base, ==, 0xfee00c00);
    bench_check_refused(&vmstate_apic, apic, 0, off, 4, "apicbase");
    bench_check_refused(&vmstate_apic, apic, 0, elsewhere, 4, "apicbase");
    address_space_write(&address_space_memory, 0xfee03008, "\x31\x40\0\0", 4);
    g_assert_cmphex(last_msi.address_lo, ==, 0xfee03008);
    g_assert_cmphex(last_msi.data, ==, 0x4031);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    g_test_add_func("/irqchip-kvm/layout/i8259", test_i8259_layout);
    g_test_add_func("/irqchip-kvm/layout/ioapic", test_ioapic_layout);
    g_test_add_func("/irqchip-kvm/layout/i8254", test_i8254_layout);
    g_test_add_func("/irqchip-kvm/layout/apic", test_apic_layout);
    g_test_add_func("/irqchip-kvm/timer/one-shot", test_one_shot);
    g_test_add_func("/irqchip-kvm/timer/periodic", test_periodic);
    g_test_add_func("/irqchip-kvm/timer/expired", test_expired_in_kernel);
    g_test_add_func("/irqchip-kvm/device/i8259", test_i8259_device);
    g_test_add_func("/irqchip-kvm/device/ioapic", test_ioapic_device);
    g_test_add_func("/irqchip-kvm/device/i8254", test_i8254_device);
    g_test_add_func("/irqchip-kvm/device/apic", test_apic_device);
    g_test_add_func("/irqchip-kvm/device/apic-base", test_apic_base);
    return g_test_run();
}
