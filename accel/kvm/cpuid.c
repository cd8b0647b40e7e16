/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's KVM can show a guest, and what this guest is shown. */
#include "accel/kvm/internal.h"

#include <errno.h>

#define MAX_ENTRIES 256

static struct kvm_cpuid2 *supported; /* KVM_GET_SUPPORTED_CPUID's answer; set once, before any vCPU */

static void load_supported(void)
{
    supported = g_malloc0(sizeof(*supported) + MAX_ENTRIES * sizeof(supported->entries[0]));
    supported->nent = MAX_ENTRIES;
    if (kvm_system_ioctl(KVM_GET_SUPPORTED_CPUID, supported) < 0) {
        supported->nent = 0;
    }
}

void kvm_supported_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    static gsize once;

    if (g_once_init_enter(&once)) {
        load_supported();
        g_once_init_leave(&once, 1);
    }
    memset(out, 0, 4 * sizeof(*out));
    for (uint32_t i = 0; i < supported->nent; i++) {
        const struct kvm_cpuid_entry2 *entry = &supported->entries[i];
        if (entry->function == leaf &&
            (!(entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || entry->index == subleaf)) {
            memcpy(out, (uint32_t[]) { entry->eax, entry->ebx, entry->ecx, entry->edx }, 4 * sizeof(*out));
            return;
        }
    }
}

static void entry_add(struct kvm_cpuid2 *cpuid, const struct x86_cpu *cpu, uint32_t leaf, uint32_t subleaf,
                      uint32_t flags)
{
    struct kvm_cpuid_entry2 *entry = &cpuid->entries[cpuid->nent++];
    uint32_t values[4];

    g_assert(cpuid->nent < MAX_ENTRIES);
    x86_cpuid(cpu, leaf, subleaf, values);
    *entry = (struct kvm_cpuid_entry2) {
        .function = leaf, .index = subleaf, .flags = flags,
        .eax = values[0], .ebx = values[1], .ecx = values[2], .edx = values[3],
    };
}

/* Leaves with meaning in ECX, and how many subleaves. */
static unsigned subleaves(uint32_t leaf)
{
    return leaf == 4 || leaf == 0xb ? 4 : leaf == 7 ? 2 : leaf == 0xd ? 32 : 0;
}

static void entries_add(struct kvm_cpuid2 *cpuid, const struct x86_cpu *cpu, uint32_t first)
{
    uint32_t top[4];

    x86_cpuid(cpu, first, 0, top);
    for (uint32_t leaf = first; leaf <= top[0] && leaf - first < 0x40; leaf++) {
        unsigned count = subleaves(leaf);
        for (unsigned i = 0; i < MAX(count, 1u); i++) {
            entry_add(cpuid, cpu, leaf, i, count ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0);
        }
    }
}

bool kvm_cpuid_set(struct x86_cpu *cpu, GError **error)
{
    g_autofree struct kvm_cpuid2 *cpuid = g_malloc0(sizeof(*cpuid) + MAX_ENTRIES * sizeof(cpuid->entries[0]));
    int result;

    entries_add(cpuid, cpu, 0);
    entries_add(cpuid, cpu, 0x80000000);
    result = kvm_vcpu_ioctl(cpu, KVM_SET_CPUID2, cpuid);
    return result >= 0 || error_setf_errno(error, -result, "kvm: vCPU %d: KVM_SET_CPUID2 failed", cpu->index);
}
