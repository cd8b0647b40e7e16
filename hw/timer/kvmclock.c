/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvmclock (Documentation/virt/kvm/x86/msr.rst, MSR_KVM_SYSTEM_TIME_NEW): nanoseconds that the kernel keeps for the
 * VM and that guests compute from their TSC. Here: it stands still while the VM does, and goes along in a migration.
 *
 * What was read at the stop is set again at the start. A migration's own stop is the exception: the clock is read
 * once more as the state is saved, so that the time that it took to get there is not lost to the guest.
 *
 * The section is QEMU's. It says whether the kernel it was read from keeps the clock steady against the guest's TSC;
 * from one that does not, QEMU computes the clock from guest memory. Every kernel since 4.9 does.
 */
#include "accel/kvm.h"
#include "accel/vcpu.h"
#include "hw/timer/kvmclock.h"
#include "migration/vmstate.h"
#include "system/runstate.h"

#define KVMCLOCK_FEATURES 9u /* bits 0 and 3: either pair of MSRs */

struct kvmclock {
    uint64_t clock; /* ns */
    bool clock_is_reliable;
    bool valid;     /* the VM stands still, or was loaded: `clock` is what it goes on from */
    bool migrating; /* it stands still because it migrates */
    struct runstate_listener listener;
};

static bool read_clock(struct kvmclock *clock, GError **error)
{
    struct kvm_clock_data data = { 0 };
    int result = kvm_vm_ioctl(KVM_GET_CLOCK, &data);

    if (result < 0) {
        return error_setf_errno(error, -result, "kvmclock: KVM_GET_CLOCK failed");
    }
    clock->clock = data.clock;
    clock->clock_is_reliable = kvm_check_extension(KVM_CAP_ADJUST_CLOCK) & KVM_CLOCK_TSC_STABLE;
    return true;
}

/* Tells the guest that it was paused, so that its watchdogs forgive the gap. One without kvmclock has no need to know. */
static void tell_guest(struct x86_cpu *cpu, void *opaque)
{
    kvm_vcpu_ioctl(cpu, KVM_KVMCLOCK_CTRL, NULL);
}

static void go_on(struct kvmclock *clock)
{
    struct kvm_clock_data data = { .clock = clock->clock };
    int result;

    if (!clock->valid) {
        return; /* the first start: the kernel's begins at 0 by itself */
    }
    clock->valid = false;
    result = kvm_vm_ioctl(KVM_SET_CLOCK, &data);
    if (result < 0) {
        error_report("kvmclock: KVM_SET_CLOCK failed: %s; the guest's clock has jumped", g_strerror(-result));
    }
    if (kvm_check_extension(KVM_CAP_KVMCLOCK_CTRL)) {
        VCPU_FOREACH (cpu) {
            tell_guest(cpu, NULL); /* they run only when all listeners have been told */
        }
    }
}

static void vm_state_changed(void *opaque, bool running, RunState state)
{
    struct kvmclock *clock = opaque;
    GError *error = NULL;

    clock->migrating = !running && state == RUN_STATE_FINISH_MIGRATE;
    if (running) {
        go_on(clock);
    } else if (!clock->valid) {
        clock->valid = read_clock(clock, &error);
        if (error) {
            error_report_free(error);
        }
    }
}

/* --- the section --- */

static bool pre_save(void *opaque, GError **error)
{
    struct kvmclock *clock = opaque;

    return (clock->valid && !clock->migrating) || read_clock(clock, error);
}

static bool pre_load(void *opaque, GError **error)
{
    ((struct kvmclock *)opaque)->clock_is_reliable = false; /* what the absence of the subsection says */
    return true;
}

static bool post_load(void *opaque, int version, GError **error)
{
    ((struct kvmclock *)opaque)->valid = true;
    return true;
}

static bool shown_to_guest(const void *opaque)
{
    uint32_t leaf[4];

    x86_cpuid(vcpus[0], 0x40000001, 0, leaf);
    return leaf[0] & KVMCLOCK_FEATURES;
}

static const struct vmstate_description vmstate_reliable = {
    .name = "kvmclock/clock_is_reliable", .version = 1, .minimum_version = 1,
    .fields = (const struct vmstate_field[]) { VMSTATE_BOOL(clock_is_reliable, struct kvmclock), VMSTATE_END },
};

static const struct vmstate_description vmstate_kvmclock = {
    .name = "kvmclock", .version = 1, .minimum_version = 1,
    .pre_save = pre_save,
    .pre_load = pre_load,
    .post_load = post_load,
    .needed = shown_to_guest,
    .fields = (const struct vmstate_field[]) { VMSTATE_UINT64(clock, struct kvmclock), VMSTATE_END },
    .subsections = (const struct vmstate_description *const[]) { &vmstate_reliable, NULL },
};

bool kvmclock_create(GError **error)
{
    struct kvmclock *clock;

    if (!kvm_enabled() || !kvm_check_extension(KVM_CAP_ADJUST_CLOCK)) {
        return true;
    }
    clock = g_new0(struct kvmclock, 1);
    if (!vmstate_register("kvmclock", 0, &vmstate_kvmclock, clock, error)) {
        g_free(clock);
        return false;
    }
    clock->listener = (struct runstate_listener) { .changed = vm_state_changed, .opaque = clock };
    runstate_listener_add(&clock->listener);
    return true;
}
