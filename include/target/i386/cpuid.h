/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPU models and features: -cpu qemu64,+popcnt,-x2apic; -cpu help. */
#ifndef FERRY_TARGET_I386_CPUID_H
#define FERRY_TARGET_I386_CPUID_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

enum x86_feature_word {
    FEAT_1_EDX, FEAT_1_ECX, FEAT_7_0_EBX, FEAT_7_0_ECX, FEAT_7_0_EDX, FEAT_7_1_EAX, FEAT_8000_0001_EDX,
    FEAT_8000_0001_ECX, FEAT_8000_0007_EDX, FEAT_8000_0008_EBX, FEAT_KVM, FEAT_KVM_HINTS, FEAT_6_EAX, FEAT_XSAVE_EAX,
    FEAT_ARCH_CAPABILITIES, /* low half of MSR 0x10a */
    FEAT_WORDS
};
struct x86_features {
    uint32_t words[FEAT_WORDS];
};

struct x86_cpu_model;

/*
 * Parses "-cpu" text into model and features, for the accelerator in use (none yet: the software CPU). Unknown models
 * and features are refused by name. A feature that the accelerator cannot show is left out: with a warning (`check`,
 * the default), silently (check=off), or not at all: refused (`enforce`). The model lives as long as the program.
 */
const struct x86_cpu_model *x86_cpu_model_parse(const char *text, struct x86_features *features, GError **error);
const char *x86_cpu_model_name(const struct x86_cpu_model *model);
/* tsc-frequency= in kHz, 0 if none was asked for. */
int64_t x86_cpu_model_tsc_khz(const struct x86_cpu_model *model);
char *x86_cpu_help(void); /* -cpu help */
/* True if the named feature ("popcnt") is on. */
bool x86_feature(const struct x86_features *features, enum x86_feature_word word, unsigned bit);
/* What the software CPU builds of a word: accel_ops.supported_features of every accelerator without a host's CPU. */
uint32_t x86_software_features(enum x86_feature_word word);

#endif
