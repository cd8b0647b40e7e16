/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 8254 in the kernel (KVM_CREATE_PIT2), with port 0x61 (KVM_PIT_SPEAKER_DUMMY): "kvm-pit". It answers its ports
 * and interrupts there; here are its section of the stream and its reset, over the software chip's struct.
 *
 * While the VM stands still the counters are here, and the kernel's go on in vain: they are put back as it runs
 * again, so that no interrupts of the meantime come. The kernel knows no other start of a count than the moment that
 * it is given one, so counts begin anew then.
 */
#include "accel/kvm.h"
#include "hw/isa/isa.h"
#include "hw/timer/i8254-internal.h"
#include "hw/timer/i8254-kvm.h"

void i8254_to_kvm(const struct i8254 *chip, int64_t offset, struct kvm_pit_state2 *state)
{
    *state = (struct kvm_pit_state2) { .flags = chip->channels[0].irq_disabled ? KVM_PIT_FLAGS_HPET_LEGACY : 0 };
    for (int i = 0; i < I8254_CHANNELS; i++) {
        const struct i8254_channel *ch = &chip->channels[i];

        state->channels[i] = (struct kvm_pit_channel_state) {
            .count = (uint32_t)ch->count,
            .latched_count = ch->latched_count,
            .count_latched = ch->count_latched,
            .status_latched = ch->status_latched,
            .status = ch->status,
            .read_state = ch->read_state,
            .write_state = ch->write_state,
            .write_latch = ch->write_latch,
            .rw_mode = ch->rw_mode,
            .mode = ch->mode,
            .bcd = ch->bcd,
            .gate = ch->gate,
            .count_load_time = ch->count_load_time - offset,
        };
    }
}

void i8254_from_kvm(struct i8254 *chip, int64_t offset, const struct kvm_pit_state2 *state)
{
    for (int i = 0; i < I8254_CHANNELS; i++) {
        const struct kvm_pit_channel_state *from = &state->channels[i];

        chip->channels[i] = (struct i8254_channel) {
            .count = from->count ? (int32_t)from->count : 0x10000,
            .latched_count = from->latched_count,
            .count_latched = from->count_latched,
            .status_latched = from->status_latched,
            .status = from->status,
            .read_state = from->read_state,
            .write_state = from->write_state,
            .write_latch = from->write_latch,
            .rw_mode = from->rw_mode,
            .mode = from->mode,
            .bcd = from->bcd,
            .gate = from->gate,
            .count_load_time = MAX(from->count_load_time + offset, 0), /* before the virtual clock began: a reset's */
        };
    }
    chip->channels[0].irq_disabled = !!(state->flags & KVM_PIT_FLAGS_HPET_LEGACY);
}

static int64_t clock_offset(void)
{
    return vm_clock_ns(VM_CLOCK_VIRTUAL) - vm_clock_ns(VM_CLOCK_REALTIME);
}

static bool vm_ioctl(unsigned long request, void *argument, const char *what, GError **error)
{
    int result = kvm_vm_ioctl(request, argument);

    return result >= 0 || error_setf_errno(error, -result, "kvm-pit: %s failed", what);
}

static bool fetch(struct i8254_isa *pit, GError **error)
{
    struct kvm_pit_state2 state;
    struct i8254_channel *ch = &pit->chip.channels[0];

    if (pit->stopped) {
        return true;
    }
    if (!vm_ioctl(KVM_GET_PIT2, &state, "KVM_GET_PIT2", error)) {
        return false;
    }
    i8254_from_kvm(&pit->chip, clock_offset(), &state);
    ch->next_transition_time = ch->irq_disabled ? -1
                                                : i8254_next_transition(&pit->chip, 0, vm_clock_ns(VM_CLOCK_VIRTUAL));
    pit->speaker_data = state.flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON;
    return true;
}

static bool store(struct i8254_isa *pit, GError **error)
{
    struct kvm_pit_state2 state;

    if (pit->stopped) {
        return true;
    }
    i8254_to_kvm(&pit->chip, clock_offset(), &state);
    state.flags |= pit->speaker_data ? KVM_PIT_FLAGS_SPEAKER_DATA_ON : 0;
    return vm_ioctl(KVM_SET_PIT2, &state, "KVM_SET_PIT2", error);
}

static void vm_state_changed(void *opaque, bool running, RunState state)
{
    struct i8254_isa *pit = opaque;
    GError *error = NULL;

    if (running) {
        pit->stopped = false;
        store(pit, &error);
    } else {
        fetch(pit, &error);
        pit->stopped = true;
    }
    if (error) {
        error_report_free(error);
    }
}

static bool i8254_kvm_realize(struct device *dev, GError **error)
{
    struct i8254_isa *pit = (struct i8254_isa *)dev;
    struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

    if (!kvm_irqchip_in_kernel()) {
        return error_setf(error, "kvm-pit needs -accel kvm,kernel-irqchip=on");
    }
    if (!vm_ioctl(KVM_CREATE_PIT2, &config, "KVM_CREATE_PIT2", error)) {
        return false;
    }
    pit->fetch = fetch;
    pit->store = store;
    pit->stopped = !runstate_is_running();
    pit->listener = (struct runstate_listener) { .changed = vm_state_changed, .opaque = pit };
    runstate_listener_add(&pit->listener);
    i8254_isa_reset(dev);
    return true;
}

static void i8254_kvm_unrealize(struct device *dev)
{
    runstate_listener_remove(&((struct i8254_isa *)dev)->listener);
}

const struct device_type i8254_kvm_type = {
    .name = "kvm-pit",
    .parents = (const char *const[]){ "pit-common", NULL },
    .bus = "ISA",
    .category = "Misc",
    .description = "8254 interval timer in the kernel",
    .size = sizeof(struct i8254_isa),
    .vmstate = &vmstate_i8254,
    .realize = i8254_kvm_realize,
    .unrealize = i8254_kvm_unrealize,
    .reset = i8254_isa_reset,
};

struct device *i8254_kvm_create(GError **error)
{
    return isa_create(&i8254_kvm_type, error);
}
