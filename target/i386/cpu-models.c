/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPU models and -cpu. A model shows what QEMU 7.2 shows for it, less what is not carried or built here: under the
 * software CPU that is SVM, AVX and all that stands on it, SHA, MPX, 3DNow!, SSE4a, LA57, PKU, MONITOR; under KVM
 * what accel/kvm/cpuid.c says.
 */
#include <stdlib.h>
#include <string.h>

#include "accel/accel.h"
#include "target/i386/cpu-models.h"
#include "util/keyval.h"

#define TCG_SIGNATURE "TCGTCGTCGTCG"
#define KVM_SIGNATURE "KVMKVMKVM"
#define MODEL_PHYS_BITS 40

static const struct x86_cpu_model models[] = {
    {
        .name = "qemu64", .description = "QEMU Virtual CPU version 2.5+", .brand = "QEMU Virtual CPU version 2.5+",
        .level = 13, .xlevel = 0x8000000a, .signature = 0x60fb1,
        .features = { {
            [FEAT_1_EDX] = 0x078bfbfd,
            [FEAT_1_ECX] = 0x80002001,
            [FEAT_8000_0001_EDX] = 0x20100800,
            [FEAT_8000_0001_ECX] = 0x1, /* stock also has SVM */
        } },
    },
    {
        .name = "max", .description = "all features that the accelerator has", .brand = "QEMU TCG CPU version 2.5+",
        .level = 13, .xlevel = 0x8000000a, .signature = 0x60fb1,
        .features = { { /* under the software CPU */
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
    { .name = "host", .description = "the host's processor, with all features that KVM has (-accel kvm)" },
};
#define QEMU64 (&models[0])
#define MAX_MODEL (&models[1])
#define HOST_MODEL (&models[2])

/* What a model of the table has beyond it under KVM, where the host has it. */
static const struct x86_features kvm_defaults = { {
    [FEAT_1_ECX] = 1u << 21,  /* x2apic */
    [FEAT_KVM] = 0x0100007b,  /* kvmclock, nopiodelay, asyncpf, steal-time, pv-eoi, clock stable */
} };
/* What `host` and `max` have only if asked for: the topology must then fit; the vCPUs must have host CPUs to them. */
static const struct x86_features not_by_itself = { {
    [FEAT_8000_0001_ECX] = 1u << 22,
    [FEAT_KVM_HINTS] = UINT32_MAX,
} };
/* What a guest cannot take along: it would see another frequency. */
static const struct x86_features not_migratable = { { [FEAT_8000_0007_EDX] = 1u << 8 } };

const char *x86_cpu_model_name(const struct x86_cpu_model *model)
{
    return model->name;
}

int64_t x86_cpu_model_tsc_khz(const struct x86_cpu_model *model)
{
    return model->tsc_khz;
}

/* --- the accelerator's side --- */

static uint32_t supported(enum x86_feature_word word)
{
    return accel ? accel->supported_features(word) : x86_software_features(word);
}

static bool has_host_cpu(void)
{
    return accel && accel->supported_cpuid;
}

/* --- parsing --- */

/* What is asked for, before it is known what there is. */
struct request {
    const struct x86_cpu_model *base;
    struct x86_features on, off;
    bool check, enforce, migratable, kvm, host_phys_bits;
    uint64_t phys_bits, tsc_frequency; /* 0: not given */
};

static bool is_max(const struct request *request)
{
    return request->base == MAX_MODEL || request->base == HOST_MODEL;
}

static const struct flag {
    const char *name;
    size_t offset;
    bool max_only;  /* only `max` and `host` have it */
    bool kvm_only;  /* may not be on under the software CPU */
} flags[] = {
    { "check", offsetof(struct request, check) },
    { "enforce", offsetof(struct request, enforce) },
    { "migratable", offsetof(struct request, migratable), .max_only = true },
    { "kvm", offsetof(struct request, kvm), .kvm_only = true },
    { "host-phys-bits", offsetof(struct request, host_phys_bits), .kvm_only = true },
};

static const struct number {
    const char *name;
    size_t offset;
    uint64_t min, max;
} numbers[] = {
    { "phys-bits", offsetof(struct request, phys_bits), 32, 52 },
    { "tsc-frequency", offsetof(struct request, tsc_frequency), 1000000, (uint64_t)INT32_MAX * 1000 },
};

static bool set_flag(struct request *request, const struct flag *flag, bool on, GError **error)
{
    if (on && flag->kvm_only && !has_host_cpu()) {
        return error_setf(error, "-cpu: %s=on is not supported by the software CPU (-accel kvm has it)", flag->name);
    }
    *(bool *)((char *)request + flag->offset) = on;
    return true;
}

static bool set_number(struct request *request, const struct number *number, const char *text, GError **error)
{
    uint64_t value = 0;

    if (!parse_uint(number->name, text, &value, UINT64_MAX, error)) {
        return false;
    }
    if (value < number->min || value > number->max) {
        return error_setf(error, "-cpu: %s=%s: it should be between %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT,
                          number->name, text, number->min, number->max);
    }
    *(uint64_t *)((char *)request + number->offset) = value;
    return true;
}

static bool set_on_off(struct request *request, const char *name, bool on, GError **error)
{
    enum x86_feature_word word;
    uint32_t mask;

    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
        if (strcmp(flags[i].name, name) == 0 && (!flags[i].max_only || is_max(request))) {
            return set_flag(request, &flags[i], on, error);
        }
    }
    if (!x86_feature_find(name, &word, &mask)) {
        return error_setf(error, "-cpu: property '%s' of '%s' not found: see -cpu help", name, request->base->name);
    }
    if (on) {
        request->on.words[word] |= mask;
        request->off.words[word] &= ~mask;
    } else {
        request->off.words[word] |= mask;
        request->on.words[word] &= ~mask;
    }
    return true;
}

static bool parse_item(struct request *request, const char *item, GError **error)
{
    const char *equals = strchr(item, '=');
    bool on;

    if (item[0] == '+' || item[0] == '-') {
        return set_on_off(request, item + 1, item[0] == '+', error);
    }
    if (!equals) {
        return set_on_off(request, item, true, error);
    }
    g_autofree char *name = g_strndup(item, equals - item);
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (strcmp(numbers[i].name, name) == 0) {
            return set_number(request, &numbers[i], equals + 1, error);
        }
    }
    g_autofree char *property = g_strdup_printf("-cpu: %s", name);
    return parse_bool(property, equals + 1, &on, error) && set_on_off(request, name, on, error);
}

static const struct x86_cpu_model *find_model(const char *name)
{
    if (strcmp(name, "qemu64-v1") == 0) {
        return QEMU64;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(models); i++) {
        if (strcmp(models[i].name, name) == 0 ||
            (g_str_has_prefix(name, models[i].name) && strcmp(name + strlen(models[i].name), "-x86_64-cpu") == 0)) {
            return &models[i];
        }
    }
    return NULL;
}

static bool parse(struct request *request, char **items, GError **error)
{
    const char *name = items[0] ? items[0] : "";

    request->base = find_model(name);
    if (!request->base) {
        return error_setf(error, "unable to find CPU model '%s': see -cpu help", name);
    }
    if (request->base == HOST_MODEL && !has_host_cpu()) {
        return error_setf(error, "CPU model '%s' requires KVM", name);
    }
    request->check = request->migratable = true;
    request->kvm = has_host_cpu();
    request->host_phys_bits = has_host_cpu() && is_max(request);
    for (int i = 1; items[i]; i++) {
        if (!parse_item(request, items[i], error)) {
            return false;
        }
    }
    return true;
}

/* --- features --- */

/* Before +x,-y. */
static uint32_t base_features(const struct request *request, enum x86_feature_word word)
{
    uint32_t there = supported(word);

    if (!has_host_cpu()) {
        return request->base->features.words[word] & (is_max(request) ? there : UINT32_MAX);
    }
    if (!is_max(request)) {
        return request->base->features.words[word] | (kvm_defaults.words[word] & there);
    }
    if (request->migratable) {
        there &= x86_features_named(word) & ~not_migratable.words[word];
    }
    return there & ~not_by_itself.words[word];
}

/* Describes what is asked for and not there; warns of each where `warn`. */
static GString *missing_features(const struct x86_features *asked, bool warn)
{
    GString *list = g_string_new(NULL);

    for (unsigned word = 0; word < FEAT_WORDS; word++) {
        uint32_t missing = asked->words[word] & ~supported(word);
        for (unsigned bit = 0; bit < 32; bit++) {
            if (!(missing >> bit & 1)) {
                continue;
            }
            g_autofree char *text = x86_feature_describe(word, bit);
            if (warn) {
                warn_report("%s doesn't support requested feature: %s", has_host_cpu() ? "host" : "TCG", text);
            }
            g_string_append_printf(list, "%s%s", list->len ? ", " : "", text);
        }
    }
    return list;
}

static bool settle_features(const struct request *request, struct x86_features *features, GError **error)
{
    bool ok = true;

    for (unsigned word = 0; word < FEAT_WORDS; word++) {
        features->words[word] = (base_features(request, word) & ~request->off.words[word]) | request->on.words[word];
    }
    if (request->check || request->enforce) {
        GString *missing = missing_features(features, !request->enforce);
        if (request->enforce && missing->len) {
            ok = error_setf(error, "%s doesn't support requested features: %s", has_host_cpu() ? "Host" : "TCG",
                            missing->str);
        }
        g_string_free(missing, TRUE);
    }
    for (unsigned word = 0; word < FEAT_WORDS; word++) {
        features->words[word] &= supported(word);
    }
    if (!x86_feature(features, FEAT_7_0_EDX, 29)) {
        features->words[FEAT_ARCH_CAPABILITIES] = 0;
    }
    return ok;
}

/* Feature bits of leaf 1 EDX that AMD repeats in leaf 0x80000001 EDX. */
#define AMD_REPEATED 0x0183f3ff

static void repeat_as_amd(struct x86_features *features)
{
    features->words[FEAT_8000_0001_EDX] = (features->words[FEAT_8000_0001_EDX] & ~AMD_REPEATED) |
                                          (features->words[FEAT_1_EDX] & AMD_REPEATED);
}

/* --- the model as it is then shown --- */

static void copy_vendor(char vendor[13], const uint32_t leaf_0[4])
{
    memcpy(vendor, &leaf_0[CPUID_EBX], 4);
    memcpy(vendor + 4, &leaf_0[CPUID_EDX], 4);
    memcpy(vendor + 8, &leaf_0[CPUID_ECX], 4);
}

/* `host` and `max`: the processor of the host, as the accelerator lets it be shown. */
static void take_host_identity(struct x86_cpu_model *model)
{
    uint32_t out[4];

    accel->supported_cpuid(0, 0, out);
    model->level = out[CPUID_EAX];
    accel->supported_cpuid(1, 0, out);
    model->signature = out[CPUID_EAX];
    accel->supported_cpuid(0x80000000, 0, out);
    model->xlevel = out[CPUID_EAX];
    for (unsigned i = 0; i < 3; i++) {
        accel->supported_cpuid(0x80000002 + i, 0, out);
        memcpy(model->brand + 16 * i, out, 16);
    }
}

static void take_xsave_layout(struct x86_cpu_model *model)
{
    uint32_t out[4];

    for (unsigned i = XSAVE_AVX; i < XSAVE_COMPONENTS; i++) {
        accel->supported_cpuid(0xd, i, out);
        model->xsave[i] = (struct xsave_component) { .size = out[CPUID_EAX], .offset = out[CPUID_EBX] };
    }
}

static bool set_phys_bits(struct x86_cpu_model *model, const struct request *request, GError **error)
{
    uint32_t out[4] = { MODEL_PHYS_BITS };
    uint64_t bits = request->phys_bits;

    if (has_host_cpu()) {
        accel->supported_cpuid(0x80000008, 0, out);
    } else if (bits && bits != MODEL_PHYS_BITS) {
        return error_setf(error, "-cpu: phys-bits=%" G_GUINT64_FORMAT " is not supported by the software CPU "
                          "(only %d)", bits, MODEL_PHYS_BITS);
    }
    unsigned host = out[CPUID_EAX] & 0xff;
    if (bits && bits != host) {
        warn_report("Host physical bits (%u) does not match phys-bits property (%u)", host, (unsigned)bits);
    }
    model->phys_bits = bits ? bits : request->host_phys_bits && host ? host : MODEL_PHYS_BITS;
    return true;
}

static bool set_identity(struct x86_cpu_model *model, const struct request *request, GError **error)
{
    uint32_t out[4];

    strcpy(model->vendor, "AuthenticAMD");
    strcpy(model->hypervisor, has_host_cpu() ? request->kvm ? KVM_SIGNATURE : "" : TCG_SIGNATURE);
    if (has_host_cpu()) {
        accel->supported_cpuid(0, 0, out);
        copy_vendor(model->vendor, out);
        take_xsave_layout(model);
        if (is_max(request)) {
            take_host_identity(model);
        }
    } else if (request->tsc_frequency) {
        return error_setf(error, "-cpu: tsc-frequency is not supported by the software CPU, whose counter is the "
                          "host's (-accel kvm has it)");
    }
    if (x86_feature(&model->features, FEAT_8000_0001_ECX, 22)) {
        model->xlevel = MAX(model->xlevel, 0x8000001e); /* topoext: where the topology is */
    }
    model->tsc_khz = request->tsc_frequency / 1000;
    return set_phys_bits(model, request, error);
}

const struct x86_cpu_model *x86_cpu_model_parse(const char *text, struct x86_features *features, GError **error)
{
    static GSList *kept; /* for as long as the program runs */
    g_auto(GStrv) items = g_strsplit(text, ",", -1);
    struct request request = { 0 };

    if (!parse(&request, items, error)) {
        return NULL;
    }
    struct x86_cpu_model *model = g_memdup2(request.base, sizeof(*model));
    if (!settle_features(&request, &model->features, error) || !set_identity(model, &request, error)) {
        g_free(model);
        return NULL;
    }
    if (strcmp(model->vendor, "AuthenticAMD") == 0) {
        repeat_as_amd(&model->features);
    }
    *features = model->features;
    kept = g_slist_prepend(kept, model);
    return model;
}

char *x86_cpu_help(void)
{
    GString *text = g_string_new("Available CPUs:\n");
    const char *previous = "";

    for (size_t i = 0; i < G_N_ELEMENTS(models); i++) {
        g_string_append_printf(text, "x86 %-20s  %s\n", models[i].name, models[i].description);
    }
    g_string_append(text, "\nRecognized CPUID flags (what the accelerator in use lacks of them is warned about):\n ");
    for (unsigned word = 0; word < FEAT_WORDS; word++) {
        for (unsigned bit = 0; bit < 32; bit++) {
            const char *name = x86_feature_name(word, bit);
            if (name && strcmp(name, previous) != 0) {
                g_string_append_printf(text, " %s", name);
                previous = name;
            }
        }
    }
    g_string_append_c(text, '\n');
    return g_string_free(text, FALSE);
}
