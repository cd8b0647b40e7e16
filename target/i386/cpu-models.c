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
        .name = "max", .is_max = true, .description = "all features that the accelerator has",
        .brand = "QEMU TCG CPU version 2.5+",
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
    { .name = "base", .description = "no features at all: for +feature", .is_static = true },
    { .name = "host", .is_max = true,
      .description = "the host's processor, with all features that KVM has (-accel kvm)" },
};
#define QEMU64 (&models[0])
#define MAX_MODEL (&models[1])
#define HOST_MODEL (&models[3])

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
    struct x86_cpu_options options;
    bool warn;
};

static bool set_feature(struct request *request, const char *name, const char *text, GError **error)
{
    g_autofree char *property = g_strdup_printf("-cpu: %s", name);
    enum x86_feature_word word;
    uint32_t mask;
    bool on;

    if (!x86_feature_find(name, &word, &mask)) {
        return error_setf(error, "-cpu: property '%s' of '%s' not found: see -cpu help", name, request->base->name);
    }
    if (!parse_bool(property, text, &on, error)) {
        return false;
    }
    struct x86_features *to = on ? &request->on : &request->off, *from = on ? &request->off : &request->on;
    to->words[word] |= mask;
    from->words[word] &= ~mask;
    return true;
}

static bool set(struct request *request, const char *name, const char *text, GError **error)
{
    const struct x86_cpu_option *option = x86_cpu_option_find(name);

    if (!option || (option->max_only && !request->base->is_max)) {
        return set_feature(request, name, text, error);
    }
    if (!x86_cpu_option_set(&request->options, option, text, error)) {
        return false;
    }
    return !option->kvm_only || !x86_cpu_option_bool(&request->options, option) || has_host_cpu() ||
           error_setf(error, "-cpu: %s=on is not supported by the software CPU (-accel kvm has it)", name);
}

static bool parse_item(struct request *request, const char *item, GError **error)
{
    const char *equals = strchr(item, '=');

    if (item[0] == '+' || item[0] == '-') {
        return set(request, item + 1, item[0] == '+' ? "on" : "off", error);
    }
    if (!equals) {
        return set(request, item, "on", error);
    }
    g_autofree char *name = g_strndup(item, equals - item);
    return set(request, name, equals + 1, error);
}

const struct x86_cpu_model *x86_cpu_model_find(const char *name)
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

const struct x86_cpu_model *x86_cpu_model_next(const struct x86_cpu_model *model)
{
    model = model ? model + 1 : models;
    return model < models + G_N_ELEMENTS(models) ? model : NULL;
}

const struct x86_cpu_model *x86_cpu_model_to_expand(const struct x86_cpu_model *model)
{
    return model == HOST_MODEL && !has_host_cpu() ? MAX_MODEL : model;
}

static bool request_init(struct request *request, const char *name, GError **error)
{
    *request = (struct request){ .base = x86_cpu_model_find(name) };
    if (!request->base) {
        return error_setf(error, "unable to find CPU model '%s': see -cpu help", name);
    }
    if (request->base == HOST_MODEL && !has_host_cpu()) {
        return error_setf(error, "CPU model '%s' requires KVM", name);
    }
    request->options.check = request->options.migratable = true;
    request->options.kvm = has_host_cpu();
    request->options.host_phys_bits = has_host_cpu() && request->base->is_max;
    return true;
}

/* --- features --- */

/* Before +x,-y. */
static uint32_t base_features(const struct request *request, enum x86_feature_word word)
{
    uint32_t there = supported(word);

    if (!has_host_cpu()) {
        return request->base->features.words[word] & (request->base->is_max ? there : UINT32_MAX);
    }
    if (!request->base->is_max) {
        return request->base->features.words[word] | (kvm_defaults.words[word] & there);
    }
    if (request->options.migratable) {
        there &= x86_features_named(word) & ~not_migratable.words[word];
    }
    return there & ~not_by_itself.words[word];
}

/* Describes what is missing; warns of each where `warn`. */
static GString *missing_features(const struct x86_features *missing, bool warn)
{
    GString *list = g_string_new(NULL);

    for (unsigned word = 0; word < FEAT_WORDS; word++) {
        for (unsigned bit = 0; bit < 32; bit++) {
            if (!(missing->words[word] >> bit & 1)) {
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

static bool settle_features(const struct request *request, struct x86_cpu_model *model, GError **error)
{
    struct x86_features *features = &model->features;
    bool ok = true;

    for (unsigned word = 0; word < FEAT_WORDS; word++) {
        features->words[word] = (base_features(request, word) & ~request->off.words[word]) | request->on.words[word];
        model->missing.words[word] = features->words[word] & ~supported(word);
    }
    if (request->options.check || request->options.enforce) {
        GString *missing = missing_features(&model->missing, request->warn && !request->options.enforce);
        if (request->options.enforce && missing->len) {
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
    uint64_t bits = request->options.phys_bits;

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
    model->phys_bits = bits ? bits : request->options.host_phys_bits && host ? host : MODEL_PHYS_BITS;
    return true;
}

/* Leaf 1 EAX, SDM 2A, CPUID, figure 3-6: a family above 15 and a model above 15 go on in fields of their own. */
static uint32_t make_signature(const struct x86_cpu_options *o)
{
    uint32_t family = MIN(o->family, 0xf), extended = o->family - family;

    return o->stepping | (o->model & 0xf) << 4 | family << 8 | (o->model >> 4) << 16 | extended << 20;
}

static void read_signature(struct x86_cpu_options *o, uint32_t signature)
{
    o->stepping = signature & 0xf;
    o->model = (signature >> 4 & 0xf) | (signature >> 16 & 0xf) << 4;
    o->family = (signature >> 8 & 0xf) + (signature >> 20 & 0xff);
}

static void take_given_identity(struct x86_cpu_model *model, const struct x86_cpu_options *given)
{
    struct x86_cpu_options o = { 0 };

    read_signature(&o, model->signature);
    o.family = x86_cpu_option_given(given, "family") ? given->family : o.family;
    o.model = x86_cpu_option_given(given, "model") ? given->model : o.model;
    o.stepping = x86_cpu_option_given(given, "stepping") ? given->stepping : o.stepping;
    model->signature = make_signature(&o);
    model->level = MAX(model->level, given->min_level);
    model->xlevel = MAX(model->xlevel, given->min_xlevel);
    if (x86_cpu_option_given(given, "vendor")) {
        strcpy(model->vendor, given->vendor);
    }
    if (x86_cpu_option_given(given, "model-id")) {
        memset(model->brand, 0, sizeof(model->brand)); /* CPUID shows all of it */
        strcpy(model->brand, given->model_id);
    }
}

/* A leaf that holds a feature is there to be read. */
static void raise_levels(struct x86_cpu_model *model)
{
    for (unsigned word = 0; word < FEAT_WORDS; word++) {
        const struct x86_feature_source *source = &x86_feature_sources[word];
        uint32_t *level = source->leaf >= 0x80000000 ? &model->xlevel : &model->level;

        if (model->features.words[word] && source->leaf >> 30 != 1) { /* not the hypervisor's */
            *level = MAX(*level, source->leaf);
        }
    }
}

/* How the options came out, for who asks the model later. */
static void note_options(struct x86_cpu_model *model, const struct request *request)
{
    struct x86_cpu_options *o = &model->options;

    *o = request->options;
    read_signature(o, model->signature);
    o->phys_bits = model->phys_bits;
    o->min_level = model->level;
    o->min_xlevel = model->xlevel;
    strcpy(o->vendor, model->vendor);
    g_strlcpy(o->model_id, model->brand, sizeof(o->model_id));
}

static bool set_identity(struct x86_cpu_model *model, const struct request *request, GError **error)
{
    uint32_t out[4];

    strcpy(model->vendor, "AuthenticAMD");
    strcpy(model->hypervisor, has_host_cpu() ? request->options.kvm ? KVM_SIGNATURE : "" : TCG_SIGNATURE);
    if (has_host_cpu()) {
        accel->supported_cpuid(0, 0, out);
        copy_vendor(model->vendor, out);
        take_xsave_layout(model);
        if (request->base->is_max) {
            take_host_identity(model);
        }
    } else if (request->options.tsc_frequency) {
        return error_setf(error, "-cpu: tsc-frequency is not supported by the software CPU, whose counter is the "
                          "host's (-accel kvm has it)");
    }
    take_given_identity(model, &request->options);
    raise_levels(model);
    if (x86_feature(&model->features, FEAT_8000_0001_ECX, 22)) {
        model->xlevel = MAX(model->xlevel, 0x8000001e); /* topoext: where the topology is */
    }
    model->tsc_khz = request->options.tsc_frequency / 1000;
    return set_phys_bits(model, request, error);
}

static struct x86_cpu_model *make(const struct request *request, GError **error)
{
    struct x86_cpu_model *model = g_memdup2(request->base, sizeof(*model));

    if (!settle_features(request, model, error) || !set_identity(model, request, error)) {
        g_free(model);
        return NULL;
    }
    if (strcmp(model->vendor, "AuthenticAMD") == 0) {
        repeat_as_amd(&model->features);
    }
    note_options(model, request);
    return model;
}

struct x86_cpu_model *x86_cpu_model_make(const char *name, char **settings, GError **error)
{
    struct request request;

    if (!request_init(&request, name, error)) {
        return NULL;
    }
    for (; *settings; settings += 2) {
        if (!set(&request, settings[0], settings[1], error)) {
            return NULL;
        }
    }
    return make(&request, error);
}

const struct x86_cpu_model *x86_cpu_model_parse(const char *text, struct x86_features *features, GError **error)
{
    static GSList *kept; /* for as long as the program runs */
    g_auto(GStrv) items = g_strsplit(text, ",", -1);
    struct request request;

    if (!request_init(&request, items[0] ? items[0] : "", error)) {
        return NULL;
    }
    request.warn = true;
    for (int i = 1; items[0] && items[i]; i++) {
        if (!parse_item(&request, items[i], error)) {
            return NULL;
        }
    }
    struct x86_cpu_model *model = make(&request, error);
    if (!model) {
        return NULL;
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
