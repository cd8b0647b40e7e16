/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frequency of a guest's time stamp counter: tsc-frequency=, or the first host's, kept wherever the guest goes as
 * far as the hosts can scale it. A guest that measured it once goes by it for good.
 */
#include "accel/kvm/internal.h"

/* Hosts of one kind differ by less; guests' clocks are disciplined to that. KVM's own tolerance, too. */
#define TOLERANCE_PPM 250

static int64_t current_khz(struct x86_cpu *cpu)
{
    return MAX(kvm_vcpu_ioctl(cpu, KVM_GET_TSC_KHZ, NULL), 0);
}

static bool is_close(int64_t khz, int64_t other)
{
    return ABS(khz - other) * 1000000 <= khz * TOLERANCE_PPM;
}

static bool set_khz(struct x86_cpu *cpu, int64_t khz)
{
    return is_close(khz, current_khz(cpu)) ||
           (kvm_check_extension(KVM_CAP_TSC_CONTROL) &&
            kvm_vcpu_ioctl(cpu, KVM_SET_TSC_KHZ, (void *)(uintptr_t)khz) >= 0);
}

bool kvm_tsc_init(struct x86_cpu *cpu, GError **error)
{
    int64_t wanted = x86_cpu_model_tsc_khz(cpu->model);

    if (wanted && !set_khz(cpu, wanted)) {
        return error_setf(error, "-cpu: tsc-frequency of %" G_GINT64_FORMAT " kHz: the host's counter runs at %"
                          G_GINT64_FORMAT " kHz, and KVM cannot scale it here", wanted, current_khz(cpu));
    }
    cpu->beyond.tsc_khz = wanted ? wanted : current_khz(cpu);
    return true;
}

void kvm_tsc_put(struct x86_cpu *cpu)
{
    static int64_t warned; /* a frequency; vCPUs have the same */
    int64_t khz = cpu->beyond.tsc_khz;

    if (khz && !set_khz(cpu, khz) && __atomic_exchange_n(&warned, khz, __ATOMIC_RELAXED) != khz) {
        warn_report("TSC frequency mismatch between VM (%" G_GINT64_FORMAT " kHz) and host (%" G_GINT64_FORMAT
                    " kHz), and TSC scaling unavailable", khz, current_khz(cpu));
    }
}
