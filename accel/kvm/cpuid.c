/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's KVM can show a guest, what of it we let be shown, and what this guest is shown. */
#include "accel/kvm/internal.h"

#include <cpuid.h>
#include <errno.h>

#include "target/i386/cpu-models.h"

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

/* --- features --- */

/*
 * Where KVM's answer is not the last word. `always`: KVM has it, whatever it answers. `needs_irqchip`: belongs to a
 * local APIC in the kernel. `never`: its state is in no field of struct x86_cpu and could not migrate (vmx, svm, pdcm
 * and perfctr-*, sgx, intel-pt, amx-*, arch-lbr, bus-lock-detect, xfd, migration control), or it needs the host's
 * power states given away (waitpkg), or it is the topology's or the guest's to say (ht, osxsave).
 */
static const struct {
    uint32_t always, needs_irqchip, never;
} adjustments[FEAT_WORDS] = {
    [FEAT_1_EDX] = { .always = BIT(7) | BIT(12) | BIT(14) | BIT(16) /* mce, mtrr, mca, pat */, .never = BIT(28) },
    [FEAT_1_ECX] = { .always = BIT(31) /* hypervisor */, .never = BIT(5) | BIT(15) | BIT(27),
                     .needs_irqchip = BIT(21) | BIT(24) /* x2apic, tsc-deadline */ },
    [FEAT_6_EAX] = { .always = BIT(2) /* arat */ },
    [FEAT_7_0_EBX] = { .never = BIT(2) | BIT(25) },
    [FEAT_7_0_ECX] = { .never = BIT(5) | BIT(24) | BIT(30) },
    [FEAT_7_0_EDX] = { .never = BIT(19) | BIT(22) | BIT(24) | BIT(25) | BIT(30) },
    [FEAT_8000_0001_ECX] = { .always = BIT(22) /* topoext */, .never = BIT(2) | BIT(23) | BIT(24) },
    [FEAT_XSAVE_EAX] = { .never = BIT(4) },
    /* asyncpf, pv-eoi, pv-unhalt, pv-ipi, asyncpf-int */
    [FEAT_KVM] = { .needs_irqchip = BIT(4) | BIT(6) | BIT(7) | BIT(11) | BIT(14), .never = BIT(15) | BIT(17) },
    [FEAT_KVM_HINTS] = { .always = BIT(0) },
};

/* An MSR that tells features: its low half, 0 where the kernel has not got it. */
static uint32_t feature_msr(uint32_t index)
{
    struct {
        struct kvm_msrs header;
        struct kvm_msr_entry entry;
    } request = { .header.nmsrs = 1, .entry.index = index };

    if (!kvm_check_extension(KVM_CAP_GET_MSR_FEATURES) || kvm_system_ioctl(KVM_GET_MSRS, &request) != 1) {
        return 0;
    }
    return request.entry.data;
}

static uint32_t kernel_features(enum x86_feature_word word)
{
    const struct x86_feature_source *source = &x86_feature_sources[word];
    uint32_t out[4];

    if (source->msr) {
        return feature_msr(source->msr);
    }
    kvm_supported_cpuid(source->leaf, source->subleaf, out);
    if (word == FEAT_1_ECX && kvm_check_extension(KVM_CAP_TSC_DEADLINE_TIMER)) {
        out[source->reg] |= BIT(24); /* depends on the controllers, so that KVM leaves it to us */
    }
    return out[source->reg];
}

uint32_t kvm_supported_features(enum x86_feature_word word)
{
    uint32_t features = (kernel_features(word) | adjustments[word].always) & ~adjustments[word].never;

    return kvm_options.irqchip ? features : features & ~adjustments[word].needs_irqchip;
}

/* The brand and the physical address width are the processor's; KVM does not always repeat them. */
void kvm_host_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    bool brand = leaf >= 0x80000002 && leaf <= 0x80000004;

    if (brand || leaf == 0x80000008) {
        __cpuid(leaf, out[0], out[1], out[2], out[3]);
    } else {
        kvm_supported_cpuid(leaf, subleaf, out);
    }
}

/* --- the guest's table --- */

/* Leaves with meaning in ECX: so many subleaves at most. The kernel completes 0xb and 0xd with what it knows. */
static unsigned subleaves(uint32_t leaf)
{
    static const struct {
        uint32_t leaf;
        unsigned count;
    } with[] = { { 4, 4 }, { 7, 2 }, { 0xb, 3 }, { 0xd, XSAVE_COMPONENTS }, { 0x8000001d, 4 } };

    for (size_t i = 0; i < G_N_ELEMENTS(with); i++) {
        if (with[i].leaf == leaf) {
            return with[i].count;
        }
    }
    return 0;
}

/* One that is all zeros is left out: that is what the kernel answers without it. */
static void entry_add(struct kvm_cpuid2 *cpuid, const struct x86_cpu *cpu, uint32_t leaf, uint32_t subleaf,
                      uint32_t flags)
{
    uint32_t v[4];

    x86_cpuid(cpu, leaf, subleaf, v);
    if (!(v[0] | v[1] | v[2] | v[3])) {
        return;
    }
    g_assert(cpuid->nent < MAX_ENTRIES);
    cpuid->entries[cpuid->nent++] = (struct kvm_cpuid_entry2) {
        .function = leaf, .index = subleaf, .flags = flags, .eax = v[0], .ebx = v[1], .ecx = v[2], .edx = v[3],
    };
}

/* A range of leaves, whose first names the last. */
static void range_add(struct kvm_cpuid2 *cpuid, const struct x86_cpu *cpu, uint32_t first)
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

struct kvm_cpuid2 *kvm_cpuid_table(const struct x86_cpu *cpu)
{
    struct kvm_cpuid2 *cpuid = g_malloc0(sizeof(*cpuid) + MAX_ENTRIES * sizeof(cpuid->entries[0]));

    range_add(cpuid, cpu, 0x40000000);
    range_add(cpuid, cpu, 0);
    range_add(cpuid, cpu, 0x80000000);
    return cpuid;
}

/* The kernel starts vCPUs with all that the host has in it; the model may have less. */
static void set_arch_capabilities(struct x86_cpu *cpu)
{
    struct {
        struct kvm_msrs header;
        struct kvm_msr_entry entry;
    } request = {
        .header.nmsrs = 1,
        .entry = { .index = x86_feature_sources[FEAT_ARCH_CAPABILITIES].msr,
                   .data = cpu->features.words[FEAT_ARCH_CAPABILITIES] },
    };

    if (x86_feature(&cpu->features, FEAT_7_0_EDX, 29) && kvm_vcpu_ioctl(cpu, KVM_SET_MSRS, &request) != 1) {
        warn_report("kvm: the kernel refuses MSR 0x%x = 0x%" G_GINT64_MODIFIER "x (arch-capabilities): the guest "
                    "sees the host's", request.entry.index, (uint64_t)request.entry.data);
    }
}

bool kvm_cpuid_set(struct x86_cpu *cpu, GError **error)
{
    g_autofree struct kvm_cpuid2 *cpuid = kvm_cpuid_table(cpu);
    int result = kvm_vcpu_ioctl(cpu, KVM_SET_CPUID2, cpuid);

    if (result < 0) {
        return error_setf_errno(error, -result, "kvm: vCPU %d: KVM_SET_CPUID2 failed", cpu->index);
    }
    set_arch_capabilities(cpu);
    return true;
}
