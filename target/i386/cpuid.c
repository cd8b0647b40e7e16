/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPUID's leaves, from a vCPU's model and features. SDM 2A, CPUID; APM 3, appendix E. Caches are in cpuid-cache.c. */
#include <string.h>

#include "target/i386/cpu-models.h"
#include "target/i386/cpuid-cache.h"

/* --- topology --- */

static unsigned bits_for(unsigned count)
{
    unsigned bits = 0;
    while (1u << bits < count) {
        bits++;
    }
    return bits;
}

static unsigned package_threads(void)
{
    return x86_topology.cores * x86_topology.threads;
}

static unsigned package_bits(void)
{
    return bits_for(x86_topology.threads) + bits_for(x86_topology.cores);
}

uint32_t x86_apic_id(unsigned index)
{
    unsigned thread = index % x86_topology.threads, core = index / x86_topology.threads % x86_topology.cores;
    unsigned thread_bits = bits_for(x86_topology.threads);

    return (index / package_threads()) << package_bits() | core << thread_bits | thread;
}

static void leaf_b(const struct x86_cpu *cpu, uint32_t subleaf, uint32_t out[4])
{
    out[2] = subleaf & 0xff;
    out[3] = cpu->apic_id;
    if (subleaf == 0) {
        out[0] = bits_for(x86_topology.threads);
        out[1] = x86_topology.threads;
        out[2] |= 1 << 8;
    } else if (subleaf == 1) {
        out[0] = package_bits();
        out[1] = package_threads();
        out[2] |= 2 << 8;
    }
}

/* The core within its package, threads to a core, and the package, with AMD's TOPOEXT. */
static void leaf_8000001e(const struct x86_cpu *cpu, uint32_t out[4])
{
    unsigned core = cpu->apic_id >> bits_for(x86_topology.threads) & ((1u << bits_for(x86_topology.cores)) - 1);

    out[0] = cpu->apic_id;
    out[1] = (x86_topology.threads - 1) << 8 | core;
    out[2] = cpu->apic_id >> package_bits() & 0xff;
}

/* --- XSAVE --- */

/* The feature that brings each component. */
static const struct {
    enum x86_feature_word word;
    unsigned bit;
} component_features[XSAVE_COMPONENTS] = {
    [XSAVE_AVX] = { FEAT_1_ECX, 28 },
    [XSAVE_BNDREGS] = { FEAT_7_0_EBX, 14 }, [XSAVE_BNDCSR] = { FEAT_7_0_EBX, 14 },
    [XSAVE_OPMASK] = { FEAT_7_0_EBX, 16 }, [XSAVE_ZMM_HI256] = { FEAT_7_0_EBX, 16 },
    [XSAVE_HI16_ZMM] = { FEAT_7_0_EBX, 16 },
    [XSAVE_PKRU] = { FEAT_7_0_ECX, 3 },
};

uint64_t x86_xcr0_possible(const struct x86_cpu *cpu)
{
    uint64_t xcr0 = 3;

    if (!x86_feature(&cpu->features, FEAT_1_ECX, 26)) {
        return 1;
    }
    for (unsigned i = XSAVE_AVX; i < XSAVE_COMPONENTS; i++) {
        if (i != XSAVE_PT && cpu->model->xsave[i].size &&
            x86_feature(&cpu->features, component_features[i].word, component_features[i].bit)) {
            xcr0 |= 1ull << i;
        }
    }
    return xcr0;
}

/* Bytes of an XSAVE area with these components. */
static uint32_t xsave_size(const struct x86_cpu_model *model, uint64_t components, bool compacted)
{
    uint32_t size = XSAVE_LEGACY;

    for (unsigned i = XSAVE_AVX; i < XSAVE_COMPONENTS; i++) {
        if (components >> i & 1) {
            size = (compacted ? size : model->xsave[i].offset) + model->xsave[i].size;
        }
    }
    return size;
}

static void leaf_d(const struct x86_cpu *cpu, uint32_t subleaf, uint32_t out[4])
{
    uint64_t possible = x86_xcr0_possible(cpu);

    if (!x86_feature(&cpu->features, FEAT_1_ECX, 26)) {
        return;
    }
    if (subleaf == 0) {
        out[0] = possible;
        out[1] = xsave_size(cpu->model, cpu->xcr0 & possible, false);
        out[2] = xsave_size(cpu->model, possible, false);
        out[3] = possible >> 32;
    } else if (subleaf == 1) {
        out[0] = cpu->features.words[FEAT_XSAVE_EAX];
        out[1] = xsave_size(cpu->model, possible, true);
    } else if (subleaf < XSAVE_COMPONENTS && possible >> subleaf & 1) {
        out[0] = cpu->model->xsave[subleaf].size;
        out[1] = cpu->model->xsave[subleaf].offset;
    }
}

/* --- leaves --- */

static void vendor(const struct x86_cpu *cpu, uint32_t out[4])
{
    memcpy(&out[1], cpu->model->vendor, 4);
    memcpy(&out[3], cpu->model->vendor + 4, 4);
    memcpy(&out[2], cpu->model->vendor + 8, 4);
}

static bool is_intel(const struct x86_cpu *cpu)
{
    return strcmp(cpu->model->vendor, "GenuineIntel") == 0;
}

static void leaf_1(const struct x86_cpu *cpu, uint32_t out[4])
{
    const uint32_t *words = cpu->features.words;

    out[0] = cpu->model->signature;
    out[1] = cpu->apic_id << 24 | 8 << 8; /* CLFLUSH line of 8 quadwords */
    out[2] = words[FEAT_1_ECX] | (cpu->cr4 & CR4_OSXSAVE ? 1u << 27 : 0);
    out[3] = words[FEAT_1_EDX];
    if (package_threads() > 1) {
        out[1] |= package_threads() << 16;
        out[3] |= 1u << 28; /* HTT */
    }
}

static void leaf_7(const struct x86_cpu *cpu, uint32_t subleaf, uint32_t out[4])
{
    const uint32_t *words = cpu->features.words;

    if (subleaf == 0) {
        out[0] = words[FEAT_7_1_EAX] ? 1 : 0; /* the last subleaf */
        out[1] = words[FEAT_7_0_EBX];
        out[2] = words[FEAT_7_0_ECX];
        out[3] = words[FEAT_7_0_EDX];
    } else if (subleaf == 1) {
        out[0] = words[FEAT_7_1_EAX];
    }
}

static void basic_leaf(const struct x86_cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    switch (leaf) {
    case 0:
        out[0] = cpu->model->level;
        vendor(cpu, out);
        break;
    case 1:
        leaf_1(cpu, out);
        break;
    case 2:
        if (is_intel(cpu)) {
            cpuid_cache_descriptors(out);
        }
        break;
    case 4:
        if (is_intel(cpu)) {
            cpuid_cache_parameters(subleaf, x86_topology.threads, 1u << package_bits(), x86_topology.cores, out);
        }
        break;
    case 5:
        out[2] = 3; /* MONITOR leaf: extensions, interrupts as break events */
        break;
    case 6:
        out[0] = cpu->features.words[FEAT_6_EAX];
        break;
    case 7:
        leaf_7(cpu, subleaf, out);
        break;
    case 0xb:
        leaf_b(cpu, subleaf, out);
        break;
    case 0xd:
        leaf_d(cpu, subleaf, out);
        break;
    }
}

static void leaf_80000001(const struct x86_cpu *cpu, uint32_t out[4])
{
    out[0] = cpu->model->signature;
    out[2] = cpu->features.words[FEAT_8000_0001_ECX];
    out[3] = cpu->features.words[FEAT_8000_0001_EDX];
    if (package_threads() > 1 && !is_intel(cpu)) {
        out[2] |= 1u << 1; /* CmpLegacy */
    }
}

static void leaf_80000008(const struct x86_cpu *cpu, uint32_t out[4])
{
    bool la57 = x86_feature(&cpu->features, FEAT_7_0_ECX, 16);

    out[0] = cpu->model->phys_bits | (la57 ? 57 : 48) << 8;
    out[1] = cpu->features.words[FEAT_8000_0008_EBX];
    out[2] = package_threads() > 1 ? package_bits() << 12 | (package_threads() - 1) : 0;
}

static void extended_leaf(const struct x86_cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    bool topoext = x86_feature(&cpu->features, FEAT_8000_0001_ECX, 22);

    switch (leaf) {
    case 0x80000000:
        out[0] = cpu->model->xlevel;
        vendor(cpu, out);
        break;
    case 0x80000001:
        leaf_80000001(cpu, out);
        break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
        memcpy(out, cpu->model->brand + 16 * (leaf - 0x80000002), 16);
        break;
    case 0x80000005:
    case 0x80000006:
        cpuid_cache_legacy_amd(leaf, out);
        break;
    case 0x80000007:
        out[3] = cpu->features.words[FEAT_8000_0007_EDX];
        break;
    case 0x80000008:
        leaf_80000008(cpu, out);
        break;
    case 0x8000001d:
        if (topoext) {
            cpuid_cache_properties(subleaf, x86_topology.threads, package_threads(), out);
        }
        break;
    case 0x8000001e:
        if (topoext) {
            leaf_8000001e(cpu, out);
        }
        break;
    }
}

/* The hypervisor's: Documentation/virt/kvm/x86/cpuid.rst. */
static void hypervisor_leaf(const struct x86_cpu *cpu, uint32_t leaf, uint32_t out[4])
{
    if (!cpu->model->hypervisor[0]) {
        return;
    }
    if (leaf == 0x40000000) {
        out[0] = 0x40000001;
        memcpy(&out[1], cpu->model->hypervisor, 12);
    } else {
        out[0] = cpu->features.words[FEAT_KVM];
        out[3] = cpu->features.words[FEAT_KVM_HINTS];
    }
}

void x86_cpuid(const struct x86_cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    memset(out, 0, 16);
    if (leaf == 0x40000000 || leaf == 0x40000001) {
        hypervisor_leaf(cpu, leaf, out);
    } else if (leaf < 0x80000000) {
        basic_leaf(cpu, MIN(leaf, cpu->model->level), subleaf, out); /* beyond the last: the last one's answer */
    } else if (leaf <= cpu->model->xlevel) {
        extended_leaf(cpu, leaf, subleaf, out);
    } else if (leaf < 0xc0000000) {
        basic_leaf(cpu, cpu->model->level, subleaf, out);
    }
}
