/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Feature words: where CPUID (or an MSR) shows each, and the names of their bits, as QEMU's -cpu spells them. SDM 2A,
 * CPUID; APM 3, appendix E; Documentation/virt/kvm/x86/cpuid.rst.
 */
#include <cpuid.h>
#include <string.h>

#include "target/i386/cpu-models.h"

/* By word and bit; NULL: no name, or never to be had here. Two bits of a word may share one: they go together. */
static const char *const names[FEAT_WORDS][32] = {
    [FEAT_1_EDX] = {
        "fpu", "vme", "de", "pse", "tsc", "msr", "pae", "mce", "cx8", "apic", NULL, "sep", "mtrr", "pge", "mca",
        "cmov", "pat", "pse36", "pn", "clflush", NULL, "ds", "acpi", "mmx", "fxsr", "sse", "sse2", "ss", "ht", "tm",
        "ia64", "pbe",
    },
    [FEAT_1_ECX] = {
        "pni", "pclmulqdq", "dtes64", "monitor", "ds-cpl", "vmx", "smx", "est", "tm2", "ssse3", "cid", NULL, "fma",
        "cx16", "xtpr", "pdcm", NULL, "pcid", "dca", "sse4.1", "sse4.2", "x2apic", "movbe", "popcnt", "tsc-deadline",
        "aes", "xsave", "osxsave", "avx", "f16c", "rdrand", "hypervisor",
    },
    [FEAT_7_0_EBX] = {
        "fsgsbase", "tsc-adjust", "sgx", "bmi1", "hle", "avx2", NULL, "smep", "bmi2", "erms", "invpcid", "rtm", NULL,
        NULL, "mpx", NULL, "avx512f", "avx512dq", "rdseed", "adx", "smap", "avx512ifma", "pcommit", "clflushopt",
        "clwb", "intel-pt", "avx512pf", "avx512er", "avx512cd", "sha-ni", "avx512bw", "avx512vl",
    },
    [FEAT_7_0_ECX] = {
        NULL, "avx512vbmi", "umip", "pku", NULL, "waitpkg", "avx512vbmi2", NULL, "gfni", "vaes", "vpclmulqdq",
        "avx512vnni", "avx512bitalg", NULL, "avx512-vpopcntdq", NULL, "la57", NULL, NULL, NULL, NULL, NULL, "rdpid",
        NULL, "bus-lock-detect", "cldemote", NULL, "movdiri", "movdir64b", NULL, "sgxlc", "pks",
    },
    [FEAT_7_0_EDX] = {
        [2] = "avx512-4vnniw", [3] = "avx512-4fmaps", [4] = "fsrm", [8] = "avx512-vp2intersect", [10] = "md-clear",
        [14] = "serialize", [16] = "tsx-ldtrk", [19] = "arch-lbr", [22] = "amx-bf16", [23] = "avx512-fp16",
        [24] = "amx-tile", [25] = "amx-int8", [26] = "spec-ctrl", [27] = "stibp", [29] = "arch-capabilities",
        [30] = "core-capability", [31] = "ssbd",
    },
    [FEAT_7_1_EAX] = { [4] = "avx-vnni", [5] = "avx512-bf16" },
    [FEAT_8000_0001_EDX] = {
        [11] = "syscall", [19] = "mp", [20] = "nx", [22] = "mmxext", [25] = "fxsr-opt", [26] = "pdpe1gb",
        [27] = "rdtscp", [29] = "lm", [30] = "3dnowext", [31] = "3dnow",
    },
    [FEAT_8000_0001_ECX] = {
        "lahf-lm", "cmp-legacy", "svm", "extapic", "cr8legacy", "abm", "sse4a", "misalignsse", "3dnowprefetch",
        "osvw", "ibs", "xop", "skinit", "wdt", NULL, "lwp", "fma4", "tce", NULL, "nodeid-msr", NULL, "tbm", "topoext",
        "perfctr-core", "perfctr-nb",
    },
    [FEAT_8000_0007_EDX] = { [8] = "invtsc" },
    [FEAT_8000_0008_EBX] = {
        [0] = "clzero", [2] = "xsaveerptr", [9] = "wbnoinvd", [12] = "ibpb", [14] = "ibrs", [15] = "amd-stibp",
        [24] = "amd-ssbd", [25] = "virt-ssbd", [26] = "amd-no-ssb",
    },
    [FEAT_KVM] = {
        "kvmclock", "kvm-nopiodelay", "kvm-mmu", "kvmclock", "kvm-asyncpf", "kvm-steal-time", "kvm-pv-eoi",
        "kvm-pv-unhalt", NULL, "kvm-pv-tlb-flush", NULL, "kvm-pv-ipi", "kvm-poll-control", "kvm-pv-sched-yield",
        "kvm-asyncpf-int", "kvm-msi-ext-dest-id", [24] = "kvmclock-stable-bit",
    },
    [FEAT_KVM_HINTS] = { "kvm-hint-dedicated" },
    [FEAT_6_EAX] = { [2] = "arat" },
    [FEAT_XSAVE_EAX] = { "xsaveopt", "xsavec", "xgetbv1", "xsaves", "xfd" },
    [FEAT_ARCH_CAPABILITIES] = {
        "rdctl-no", "ibrs-all", "rsba", "skip-l1dfl-vmentry", "ssb-no", "mds-no", "pschange-mc-no", "tsx-ctrl",
        "taa-no",
    },
};

const struct x86_feature_source x86_feature_sources[FEAT_WORDS] = {
    [FEAT_1_EDX] = { 1, 0, CPUID_EDX },
    [FEAT_1_ECX] = { 1, 0, CPUID_ECX },
    [FEAT_7_0_EBX] = { 7, 0, CPUID_EBX },
    [FEAT_7_0_ECX] = { 7, 0, CPUID_ECX },
    [FEAT_7_0_EDX] = { 7, 0, CPUID_EDX },
    [FEAT_7_1_EAX] = { 7, 1, CPUID_EAX },
    [FEAT_8000_0001_EDX] = { 0x80000001, 0, CPUID_EDX },
    [FEAT_8000_0001_ECX] = { 0x80000001, 0, CPUID_ECX },
    [FEAT_8000_0007_EDX] = { 0x80000007, 0, CPUID_EDX },
    [FEAT_8000_0008_EBX] = { 0x80000008, 0, CPUID_EBX },
    [FEAT_KVM] = { 0x40000001, 0, CPUID_EAX },
    [FEAT_KVM_HINTS] = { 0x40000001, 0, CPUID_EDX },
    [FEAT_6_EAX] = { 6, 0, CPUID_EAX },
    [FEAT_XSAVE_EAX] = { 0xd, 1, CPUID_EAX },
    [FEAT_ARCH_CAPABILITIES] = { .msr = 0x10a },
};

static const struct {
    const char *alias, *name;
} aliases[] = {
    { "sse3", "pni" },         { "sse4-1", "sse4.1" }, { "sse4-2", "sse4.2" }, { "pclmuldq", "pclmulqdq" },
    { "xd", "nx" },            { "i64", "lm" },        { "ffxsr", "fxsr-opt" }, { "lzcnt", "abm" },
};

bool x86_feature(const struct x86_features *features, enum x86_feature_word word, unsigned bit)
{
    return features->words[word] >> bit & 1;
}

const char *x86_feature_name(enum x86_feature_word word, unsigned bit)
{
    return names[word][bit];
}

uint32_t x86_features_named(enum x86_feature_word word)
{
    uint32_t named = 0;

    for (unsigned bit = 0; bit < 32; bit++) {
        named |= names[word][bit] ? 1u << bit : 0;
    }
    return named;
}

bool x86_feature_find(const char *given, enum x86_feature_word *word, uint32_t *mask)
{
    g_autofree char *canonical = g_strdelimit(g_strdup(given), "_", '-');
    const char *name = canonical;

    for (size_t i = 0; i < G_N_ELEMENTS(aliases); i++) {
        name = strcmp(aliases[i].alias, name) == 0 ? aliases[i].name : name;
    }
    for (unsigned w = 0; w < FEAT_WORDS; w++) {
        *mask = 0;
        for (unsigned bit = 0; bit < 32; bit++) {
            *mask |= names[w][bit] && strcmp(names[w][bit], name) == 0 ? 1u << bit : 0;
        }
        if (*mask) {
            *word = w;
            return true;
        }
    }
    return false;
}

void x86_feature_names(const struct x86_features *of, void (*each)(const char *name, void *opaque), void *opaque)
{
    for (unsigned word = 0; word < FEAT_WORDS; word++) {
        for (unsigned bit = 0; bit < 32; bit++) {
            const char *name = names[word][bit];
            enum x86_feature_word first;
            uint32_t mask;
            /* Once where two bits share a name, and the first of them counts. */
            if (name && (!of || of->words[word] >> bit & 1) && x86_feature_find(name, &first, &mask) &&
                first == word && !(mask & (of ? of->words[word] : UINT32_MAX) & ((1u << bit) - 1))) {
                each(name, opaque);
            }
        }
    }
}

void x86_feature_aliases(void (*each)(const char *name, void *opaque), void *opaque)
{
    for (size_t i = 0; i < G_N_ELEMENTS(aliases); i++) {
        each(aliases[i].alias, opaque);
    }
}

char *x86_feature_describe(enum x86_feature_word word, unsigned bit)
{
    static const char *const registers[] = { "EAX", "EBX", "ECX", "EDX" };
    const struct x86_feature_source *source = &x86_feature_sources[word];
    const char *name = names[word][bit] ? names[word][bit] : "";
    const char *dot = *name ? "." : "";

    if (source->msr) {
        return g_strdup_printf("MSR(%02XH)%s%s [bit %u]", source->msr, dot, name, bit);
    }
    return g_strdup_printf("CPUID.%02XH:%s%s%s [bit %u]", source->leaf, registers[source->reg], dot, name, bit);
}

/* --- what the software CPU builds --- */

static const struct x86_features built = { {
    [FEAT_1_EDX] = 0x0fcbfbfd,
    [FEAT_1_ECX] = 1u << 0 | 1u << 1 | 1u << 9 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 22 | 1u << 23 | 1u << 24 |
                   1u << 25 | 1u << 26 | 1u << 30 | 1u << 31,
    [FEAT_7_0_EBX] = 1u << 0 | 1u << 1 | 1u << 3 | 1u << 7 | 1u << 8 | 1u << 9 | 1u << 18 | 1u << 19 | 1u << 20 |
                     1u << 23 | 1u << 24,
    [FEAT_7_0_ECX] = 1u << 2 | 1u << 22,
    [FEAT_7_0_EDX] = 1u << 4,
    [FEAT_8000_0001_EDX] = 0x2d93fbfd | 1u << 22,
    [FEAT_8000_0001_ECX] = 1u << 0 | 1u << 4 | 1u << 5 | 1u << 8,
    [FEAT_6_EAX] = 1u << 2,
    [FEAT_XSAVE_EAX] = 1u << 0 | 1u << 2,
} };

/* SSE3, PCLMULQDQ, SSSE3, SSE4.1, SSE4.2, AES: the host's instructions run them, so what it lacks cannot be had. */
#define HOST_ENGINE_1_ECX (1u << 0 | 1u << 1 | 1u << 9 | 1u << 19 | 1u << 20 | 1u << 25)

static uint32_t host_lacks(enum x86_feature_word word)
{
    uint32_t eax, ebx, ecx = 0, edx;

    if (word != FEAT_1_ECX || !__get_cpuid(1, &eax, &ebx, &ecx, &edx)) {
        return 0;
    }
    return HOST_ENGINE_1_ECX & ~ecx;
}

uint32_t x86_software_features(enum x86_feature_word word)
{
    return built.words[word] & ~host_lacks(word);
}
