/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What -cpu takes beside features: one table, for parsing, for qom-get and for query-cpu-model-expansion. */
#include <string.h>

#include "target/i386/cpu-models.h"
#include "util/keyval.h"

#define FIELD(_field) offsetof(struct x86_cpu_options, _field)

const struct x86_cpu_option x86_cpu_options[] = {
    { "check", X86_CPU_BOOL, "bool", FIELD(check) },
    { "enforce", X86_CPU_BOOL, "bool", FIELD(enforce) },
    { "migratable", X86_CPU_BOOL, "bool", FIELD(migratable), .max_only = true },
    { "kvm", X86_CPU_BOOL, "bool", FIELD(kvm), .kvm_only = true },
    { "host-phys-bits", X86_CPU_BOOL, "bool", FIELD(host_phys_bits), .kvm_only = true },
    { "phys-bits", X86_CPU_NUMBER, "uint32", FIELD(phys_bits), 32, 52 },
    { "tsc-frequency", X86_CPU_NUMBER, "int", FIELD(tsc_frequency), 1000000, (uint64_t)INT32_MAX * 1000 },
    { "family", X86_CPU_NUMBER, "int", FIELD(family), 0, 0xff + 0xf, .identity = true },
    { "model", X86_CPU_NUMBER, "int", FIELD(model), 0, 0xff, .identity = true },
    { "stepping", X86_CPU_NUMBER, "int", FIELD(stepping), 0, 0xf, .identity = true },
    { "min-level", X86_CPU_NUMBER, "uint32", FIELD(min_level), 0, 0x1f, .identity = true },
    { "min-xlevel", X86_CPU_NUMBER, "uint32", FIELD(min_xlevel), 0, 0x8000001f, .identity = true },
    { "vendor", X86_CPU_STRING, "string", FIELD(vendor), 12, 12, .identity = true },
    { "model-id", X86_CPU_STRING, "string", FIELD(model_id), 0, 48, .identity = true },
    { NULL },
};

const struct x86_cpu_option *x86_cpu_option_find(const char *name)
{
    for (const struct x86_cpu_option *option = x86_cpu_options; option->name; option++) {
        if (strcmp(option->name, name) == 0) {
            return option;
        }
    }
    return NULL;
}

static void *field(const struct x86_cpu_options *options, const struct x86_cpu_option *option)
{
    return (char *)options + option->offset;
}

bool x86_cpu_option_bool(const struct x86_cpu_options *options, const struct x86_cpu_option *option)
{
    return *(bool *)field(options, option);
}

uint64_t x86_cpu_option_number(const struct x86_cpu_options *options, const struct x86_cpu_option *option)
{
    return *(uint64_t *)field(options, option);
}

const char *x86_cpu_option_string(const struct x86_cpu_options *options, const struct x86_cpu_option *option)
{
    return field(options, option);
}

static bool set_number(struct x86_cpu_options *options, const struct x86_cpu_option *option, const char *text,
                       GError **error)
{
    uint64_t value = 0;

    if (!parse_uint(option->name, text, &value, UINT64_MAX, error)) {
        return false;
    }
    if (value < option->min || value > option->max) {
        return error_setf(error, "-cpu: %s=%s: it should be between %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT,
                          option->name, text, option->min, option->max);
    }
    *(uint64_t *)field(options, option) = value;
    return true;
}

static bool set_string(struct x86_cpu_options *options, const struct x86_cpu_option *option, const char *text,
                       GError **error)
{
    size_t length = strlen(text);

    if (length < option->min || length > option->max) {
        return error_setf(error, "-cpu: %s=%s: it should have %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT " bytes",
                          option->name, text, option->min, option->max);
    }
    strcpy(field(options, option), text);
    return true;
}

static bool set_bool(struct x86_cpu_options *options, const struct x86_cpu_option *option, const char *text,
                     GError **error)
{
    g_autofree char *property = g_strdup_printf("-cpu: %s", option->name);

    return parse_bool(property, text, field(options, option), error);
}

bool x86_cpu_option_set(struct x86_cpu_options *options, const struct x86_cpu_option *option, const char *text,
                        GError **error)
{
    options->given |= 1u << (option - x86_cpu_options);
    switch (option->kind) {
    case X86_CPU_BOOL:
        return set_bool(options, option, text, error);
    case X86_CPU_NUMBER:
        return set_number(options, option, text, error);
    default:
        return set_string(options, option, text, error);
    }
}

bool x86_cpu_option_given(const struct x86_cpu_options *options, const char *name)
{
    return options->given >> (x86_cpu_option_find(name) - x86_cpu_options) & 1;
}
