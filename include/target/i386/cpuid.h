/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPU models and features: -cpu qemu64,+popcnt,-x2apic; -cpu help. */
#ifndef FERRY_TARGET_I386_CPUID_H
#define FERRY_TARGET_I386_CPUID_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

enum x86_feature_word {
    FEAT_1_EDX, FEAT_1_ECX, FEAT_7_0_EBX, FEAT_7_0_ECX, FEAT_7_0_EDX, FEAT_8000_0001_EDX, FEAT_8000_0001_ECX,
    FEAT_8000_0008_EBX, FEAT_6_EAX, FEAT_XSAVE_EAX, FEAT_ARAT, FEAT_WORDS
};
struct x86_features {
    uint32_t words[FEAT_WORDS];
};

struct x86_cpu_model;

/*
 * Parses "-cpu" text into model and features. Unknown models, unknown features, and features that the software CPU
 * does not build are refused by name (`check`: warned about and dropped; `enforce`: refused).
 */
const struct x86_cpu_model *x86_cpu_model_parse(const char *text, struct x86_features *features, GError **error);
const char *x86_cpu_model_name(const struct x86_cpu_model *model);
char *x86_cpu_help(void); /* -cpu help */
/* True if the named feature ("popcnt") is on. */
bool x86_feature(const struct x86_features *features, enum x86_feature_word word, unsigned bit);

#endif
