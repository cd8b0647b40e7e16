/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPU models and CPUID. Models show what QEMU 7.2's software CPU shows for them, less what is not built here: SVM,
 * AVX and all that stands on it, SHA, MPX, 3DNow!, SSE4a, LA57, PKU, MONITOR.
 */
#include <cpuid.h>
#include <string.h>

#include "target/i386/cpu.h"
#include "target/i386/decode.h"
#include "target/i386/mmu.h"

struct x86_cpu_model {
    const char *name, *description;
    const char *brand; /* leaves 0x80000002..4 */
    uint32_t level, xlevel;
    uint32_t signature; /* family, model, stepping */
    uint32_t phys_bits;
    struct x86_features features;
};

/* Feature names by word and bit, as -cpu spells them; NULL: none, or never to be had here. */
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
        [4] = "fsrm", [26] = "spec-ctrl", [27] = "stibp", [29] = "arch-capabilities", [31] = "ssbd",
    },
    [FEAT_8000_0001_EDX] = {
        [11] = "syscall", [19] = "mp", [20] = "nx", [22] = "mmxext", [25] = "fxsr-opt", [26] = "pdpe1gb",
        [27] = "rdtscp", [29] = "lm", [30] = "3dnowext", [31] = "3dnow",
    },
    [FEAT_8000_0001_ECX] = {
        "lahf-lm", "cmp-legacy", "svm", "extapic", "cr8legacy", "abm", "sse4a", "misalignsse", "3dnowprefetch",
        "osvw", "ibs", "xop", "skinit", "wdt", NULL, "lwp", "fma4", "tce", NULL, "nodeid-msr", NULL, "tbm", "topoext",
        "perfctr-core", "perfctr-nb",
    },
    [FEAT_8000_0008_EBX] = { "clzero", NULL, "xsaveerptr", [9] = "wbnoinvd", [12] = "ibpb", [15] = "amd-stibp" },
    [FEAT_6_EAX] = { [2] = "arat" },
    [FEAT_XSAVE_EAX] = { "xsaveopt", "xsavec", "xgetbv1", "xsaves" },
};

static const struct {
    const char *alias, *name;
} aliases[] = {
    { "sse3", "pni" },          { "sse4-1", "sse4.1" },      { "sse4-2", "sse4.2" },      { "sse4_1", "sse4.1" },
    { "sse4_2", "sse4.2" },     { "pclmuldq", "pclmulqdq" }, { "lahf_lm", "lahf-lm" },    { "xd", "nx" },
    { "i64", "lm" },            { "ffxsr", "fxsr-opt" },     { "fxsr_opt", "fxsr-opt" },
    { "tsc_adjust", "tsc-adjust" },
    { "cmp_legacy", "cmp-legacy" }, { "lzcnt", "abm" },      { "tsc_deadline", "tsc-deadline" },
};

/* What the software CPU builds. */
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

static uint32_t host_lacks(unsigned word)
{
    uint32_t eax, ebx, ecx = 0, edx;

    if (word != FEAT_1_ECX || !__get_cpuid(1, &eax, &ebx, &ecx, &edx)) {
        return 0;
    }
    return HOST_ENGINE_1_ECX & ~ecx;
}

static uint32_t available(unsigned word)
{
    return built.words[word] & ~host_lacks(word);
}

static const struct x86_cpu_model models[] = {
    {
        .name = "qemu64", .description = "QEMU Virtual CPU version 2.5+", .brand = "QEMU Virtual CPU version 2.5+",
        .level = 13, .xlevel = 0x8000000a, .signature = 0x60fb1, .phys_bits = 40,
        .features = { {
            [FEAT_1_EDX] = 0x078bfbfd,
            [FEAT_1_ECX] = 0x80002001,
            [FEAT_8000_0001_EDX] = 0x2193fbfd,
            [FEAT_8000_0001_ECX] = 0x1, /* stock also has SVM */
        } },
    },
    {
        .name = "max", .description = "all features that the accelerator has", .brand = "QEMU TCG CPU version 2.5+",
        .level = 13, .xlevel = 0x8000000a, .signature = 0x60fb1, .phys_bits = 40,
        .features = { {
            [FEAT_1_EDX] = 0x0fcbfbfd,
            [FEAT_1_ECX] = 1u << 0 | 1u << 1 | 1u << 9 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 22 | 1u << 23 |
                           1u << 24 | 1u << 25 | 1u << 26 | 1u << 30 | 1u << 31,
            [FEAT_7_0_EBX] = 1u << 0 | 1u << 3 | 1u << 7 | 1u << 8 | 1u << 9 | 1u << 18 | 1u << 19 | 1u << 20 |
                             1u << 23 | 1u << 24,
            [FEAT_7_0_ECX] = 1u << 2 | 1u << 22,
            [FEAT_8000_0001_EDX] = 0x2d93fbfd | 1u << 22,
            [FEAT_8000_0001_ECX] = 1u << 0 | 1u << 4 | 1u << 5,
            [FEAT_6_EAX] = 1u << 2,
            [FEAT_XSAVE_EAX] = 1u << 0 | 1u << 2,
        } },
    },
};

/* --- -cpu --- */

bool x86_feature(const struct x86_features *features, enum x86_feature_word word, unsigned bit)
{
    return features->words[word] >> bit & 1;
}

const char *x86_cpu_model_name(const struct x86_cpu_model *model)
{
    return model->name;
}

static bool find_feature(const char *name, unsigned *word, unsigned *bit)
{
    for (size_t i = 0; i < G_N_ELEMENTS(aliases); i++) {
        if (strcmp(aliases[i].alias, name) == 0) {
            name = aliases[i].name;
        }
    }
    for (*word = 0; *word < FEAT_WORDS; ++*word) {
        for (*bit = 0; *bit < 32; ++*bit) {
            if (names[*word][*bit] && strcmp(names[*word][*bit], name) == 0) {
                return true;
            }
        }
    }
    return false;
}

struct request {
    struct x86_features *features;
    bool check, enforce;
};

static bool set_feature(struct request *request, const char *name, bool on, GError **error)
{
    unsigned word, bit;

    if (strcmp(name, "check") == 0) {
        request->check = on;
        return true;
    }
    if (strcmp(name, "enforce") == 0) {
        request->enforce = on;
        return true;
    }
    if (!find_feature(name, &word, &bit)) {
        return error_setf(error, "-cpu: property '%s' not found: see -cpu help", name);
    }
    if (on) {
        request->features->words[word] |= 1u << bit;
    } else {
        request->features->words[word] &= ~(1u << bit);
    }
    return true;
}

static bool parse_item(struct request *request, const char *item, GError **error)
{
    const char *equals = strchr(item, '=');
    bool on;

    if (item[0] == '+' || item[0] == '-') {
        return set_feature(request, item + 1, item[0] == '+', error);
    }
    if (!equals) {
        return set_feature(request, item, true, error);
    }
    g_autofree char *name = g_strndup(item, equals - item);
    if (strcmp(equals + 1, "on") == 0 || strcmp(equals + 1, "true") == 0) {
        on = true;
    } else if (strcmp(equals + 1, "off") == 0 || strcmp(equals + 1, "false") == 0) {
        on = false;
    } else {
        return error_setf(error, "-cpu: %s=%s: 'on' or 'off' was expected", name, equals + 1);
    }
    return set_feature(request, name, on, error);
}

/* Feature bits of leaf 1 EDX that AMD repeats in leaf 0x80000001 EDX. */
#define AMD_REPEATED 0x0183f3ff

/* Refuses, or under `check` warns about and drops, what is asked for and not built. */
static bool check_built(struct request *request, GError **error)
{
    for (unsigned word = 0; word < FEAT_WORDS; word++) {
        uint32_t missing = request->features->words[word] & ~available(word);
        for (unsigned bit = 0; missing; bit++, missing >>= 1) {
            const char *name = names[word][bit];
            if (!(missing & 1)) {
                continue;
            }
            const char *who = built.words[word] >> bit & 1 ? "host's CPU, whose instructions would run it"
                                                           : "software CPU";
            if (!request->check || request->enforce) {
                return error_setf(error, "-cpu: feature '%s' is not supported by the %s", name ? name : "?", who);
            }
            warn_report("-cpu: feature '%s' is not supported by the %s, dropped", name ? name : "?", who);
            request->features->words[word] &= ~(1u << bit);
        }
    }
    return true;
}

const struct x86_cpu_model *x86_cpu_model_parse(const char *text, struct x86_features *features, GError **error)
{
    g_auto(GStrv) items = g_strsplit(text, ",", -1);
    struct request request = { .features = features };
    const struct x86_cpu_model *model = NULL;
    const char *name = items[0] ? items[0] : "";

    for (size_t i = 0; i < G_N_ELEMENTS(models); i++) {
        if (strcmp(models[i].name, name) == 0 ||
            (g_str_has_prefix(name, models[i].name) && strcmp(name + strlen(models[i].name), "-x86_64-cpu") == 0)) {
            model = &models[i];
        }
    }
    if (strcmp(name, "qemu64-v1") == 0) {
        model = &models[0];
    }
    if (!model) {
        error_setf(error, "unable to find CPU model '%s': see -cpu help", name);
        return NULL;
    }
    *features = model->features;
    for (unsigned word = 0; word < FEAT_WORDS && strcmp(model->name, "max") == 0; word++) {
        features->words[word] &= available(word);
    }
    for (int i = 1; items[i]; i++) {
        if (!parse_item(&request, items[i], error)) {
            return NULL;
        }
    }
    if (!check_built(&request, error)) {
        return NULL;
    }
    features->words[FEAT_8000_0001_EDX] = (features->words[FEAT_8000_0001_EDX] & ~AMD_REPEATED) |
                                          (features->words[FEAT_1_EDX] & AMD_REPEATED);
    return model;
}

char *x86_cpu_help(void)
{
    GString *text = g_string_new("Available CPUs:\n");

    for (size_t i = 0; i < G_N_ELEMENTS(models); i++) {
        g_string_append_printf(text, "x86 %-20s  %s\n", models[i].name, models[i].description);
    }
    g_string_append(text, "\nRecognized CPUID flags:\n ");
    for (unsigned word = 0; word < FEAT_WORDS; word++) {
        for (unsigned bit = 0; bit < 32; bit++) {
            if (names[word][bit] && available(word) >> bit & 1) {
                g_string_append_printf(text, " %s", names[word][bit]);
            }
        }
    }
    g_string_append_c(text, '\n');
    return g_string_free(text, FALSE);
}

/* --- CPUID --- */

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

uint32_t x86_apic_id(unsigned index)
{
    unsigned thread = index % x86_topology.threads, core = index / x86_topology.threads % x86_topology.cores;
    unsigned thread_bits = bits_for(x86_topology.threads), core_bits = bits_for(x86_topology.cores);

    return (index / package_threads()) << (core_bits + thread_bits) | core << thread_bits | thread;
}

static void vendor(uint32_t out[4])
{
    out[1] = 0x68747541; /* "AuthenticAMD" */
    out[3] = 0x69746e65;
    out[2] = 0x444d4163;
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

static void leaf_b(const struct x86_cpu *cpu, uint32_t subleaf, uint32_t out[4])
{
    out[2] = subleaf & 0xff;
    out[3] = cpu->apic_id;
    if (subleaf == 0) {
        out[0] = bits_for(x86_topology.threads);
        out[1] = x86_topology.threads;
        out[2] |= 1 << 8;
    } else if (subleaf == 1) {
        out[0] = bits_for(x86_topology.threads) + bits_for(x86_topology.cores);
        out[1] = package_threads();
        out[2] |= 2 << 8;
    }
}

#define XSAVE_AREA 0x240 /* x87 and SSE, header */

static void leaf_d(const struct x86_cpu *cpu, uint32_t subleaf, uint32_t out[4])
{
    if (!x86_feature(&cpu->features, FEAT_1_ECX, 26)) {
        return;
    }
    if (subleaf == 0) {
        out[0] = 3;
        out[1] = out[2] = XSAVE_AREA;
    } else if (subleaf == 1) {
        out[0] = cpu->features.words[FEAT_XSAVE_EAX];
    }
}

static void basic_leaf(const struct x86_cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    switch (leaf) {
    case 0:
        out[0] = cpu->model->level;
        vendor(out);
        break;
    case 1:
        leaf_1(cpu, out);
        break;
    case 5:
        out[2] = 3; /* MONITOR leaf: extensions, interrupts as break events */
        break;
    case 6:
        out[0] = cpu->features.words[FEAT_6_EAX];
        break;
    case 7:
        if (subleaf == 0) {
            out[1] = cpu->features.words[FEAT_7_0_EBX];
            out[2] = cpu->features.words[FEAT_7_0_ECX];
            out[3] = cpu->features.words[FEAT_7_0_EDX];
        }
        break;
    case 0xb:
        leaf_b(cpu, subleaf, out);
        break;
    case 0xd:
        leaf_d(cpu, subleaf, out);
        break;
    }
}

static void brand(const struct x86_cpu *cpu, unsigned part, uint32_t out[4])
{
    char text[48] = { 0 };

    memcpy(text, cpu->model->brand, strlen(cpu->model->brand));
    memcpy(out, text + 16 * part, 16);
}

/* Caches and TLBs as stock's legacy AMD tables say: 64 KiB L1, 512 KiB L2, 16 MiB L3. */
static void cache_leaf(uint32_t leaf, uint32_t out[4])
{
    static const uint32_t l1[4] = { 0x01ff01ff, 0x01ff01ff, 0x40020140, 0x40020140 };
    static const uint32_t l2[4] = { 0x00000000, 0x42004200, 0x02008140, 0x00808140 };

    memcpy(out, leaf == 0x80000005 ? l1 : l2, 16);
}

static void extended_leaf(const struct x86_cpu *cpu, uint32_t leaf, uint32_t out[4])
{
    bool multi = package_threads() > 1;

    switch (leaf) {
    case 0x80000000:
        out[0] = cpu->model->xlevel;
        vendor(out);
        break;
    case 0x80000001:
        out[0] = cpu->model->signature;
        out[2] = cpu->features.words[FEAT_8000_0001_ECX] | (multi ? 1u << 1 : 0); /* CmpLegacy */
        out[3] = cpu->features.words[FEAT_8000_0001_EDX];
        break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
        brand(cpu, leaf - 0x80000002, out);
        break;
    case 0x80000005:
    case 0x80000006:
        cache_leaf(leaf, out);
        break;
    case 0x80000008:
        out[0] = cpu->model->phys_bits | 48 << 8;
        out[1] = cpu->features.words[FEAT_8000_0008_EBX];
        out[2] = multi ? bits_for(package_threads()) << 12 | (package_threads() - 1) : 0;
        break;
    }
}

void x86_cpuid(const struct x86_cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    memset(out, 0, 16);
    if (leaf == 0x40000000 || leaf == 0x40000001) {
        if (leaf == 0x40000000) {
            out[0] = 0x40000001;
            out[1] = 0x54474354; /* "TCGTCGTCGTCG" */
            out[2] = 0x43544743;
            out[3] = 0x47435447;
        }
        return;
    }
    if (leaf >= 0x80000000) {
        if (leaf <= cpu->model->xlevel) {
            extended_leaf(cpu, leaf, out);
        } else if (leaf < 0xc0000000) {
            basic_leaf(cpu, cpu->model->level, subleaf, out);
        }
        return;
    }
    basic_leaf(cpu, MIN(leaf, cpu->model->level), subleaf, out); /* beyond the last: the last one's answer */
}
