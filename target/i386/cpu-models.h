/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What -cpu parsing and CPUID share. */
#ifndef FERRY_I386_CPU_MODELS_H
#define FERRY_I386_CPU_MODELS_H

#include "target/i386/cpu.h"

/* XSAVE components, by their number in XCR0 (SDM 1, 13.1): 0 x87 .. 9 protection keys. */
enum { XSAVE_AVX = 2, XSAVE_BNDREGS, XSAVE_BNDCSR, XSAVE_OPMASK, XSAVE_ZMM_HI256, XSAVE_HI16_ZMM,
       XSAVE_PT /* a supervisor's, in no XCR0 */, XSAVE_PKRU, XSAVE_COMPONENTS };
#define XSAVE_LEGACY 0x240 /* x87 and SSE, header */

/* --- cpu-options.c --- */

/* As given, or by default; those of a model that is made up: as they then are. */
struct x86_cpu_options {
    bool check, enforce, migratable, kvm, host_phys_bits;
    uint64_t phys_bits, tsc_frequency; /* 0: not given */
    uint64_t family, model, stepping;
    uint64_t min_level, min_xlevel;
    char vendor[13], model_id[49];
    uint32_t given;                    /* by number in x86_cpu_options[] */
};

enum x86_cpu_option_kind { X86_CPU_BOOL, X86_CPU_NUMBER, X86_CPU_STRING };
struct x86_cpu_option {
    const char *name;
    enum x86_cpu_option_kind kind;
    const char *type;  /* as QMP prints it */
    size_t offset;     /* in struct x86_cpu_options */
    uint64_t min, max; /* of numbers; of strings: their length */
    bool max_only;     /* only `max` and `host` have it */
    bool kvm_only;     /* may not be on under the software CPU */
    bool identity;     /* what the processor says it is: part of a model's static expansion */
};
extern const struct x86_cpu_option x86_cpu_options[]; /* ends with name NULL */

const struct x86_cpu_option *x86_cpu_option_find(const char *name); /* or NULL */
/* The caller has looked at max_only and kvm_only. */
bool x86_cpu_option_set(struct x86_cpu_options *options, const struct x86_cpu_option *option, const char *text,
                        GError **error);
bool x86_cpu_option_given(const struct x86_cpu_options *options, const char *name);
bool x86_cpu_option_bool(const struct x86_cpu_options *options, const struct x86_cpu_option *option);
uint64_t x86_cpu_option_number(const struct x86_cpu_options *options, const struct x86_cpu_option *option);
const char *x86_cpu_option_string(const struct x86_cpu_options *options, const struct x86_cpu_option *option);

/* --- cpu-models.c --- */

/* A model of the table, or a copy of one, made up as -cpu says. */
struct x86_cpu_model {
    const char *name, *description;
    char vendor[13];
    char brand[49];               /* leaves 0x80000002..4 */
    char hypervisor[13];          /* leaf 0x40000000; empty: that leaf is hidden */
    uint32_t level, xlevel;
    uint32_t signature;           /* family, model, stepping */
    uint32_t phys_bits;
    int64_t tsc_khz;              /* tsc-frequency=, 0: the host's */
    struct x86_features features;
    struct xsave_component {
        uint32_t size, offset;    /* in the standard format; size 0: this CPU has not got it */
    } xsave[XSAVE_COMPONENTS];
    bool is_max;                  /* `max` and `host`: whatever there is */
    bool is_static;               /* its features are the same for ever, whatever the accelerator */
    struct x86_features missing;  /* asked for, and not there */
    struct x86_cpu_options options;
};

/* The models of the table, one after another from NULL to NULL. */
const struct x86_cpu_model *x86_cpu_model_next(const struct x86_cpu_model *model);
const struct x86_cpu_model *x86_cpu_model_find(const char *name); /* or NULL */
/*
 * By which a model is expanded. Without KVM there is no `host`; it is told as what it descends from, `max`, as
 * management software learns so what it can choose from.
 */
const struct x86_cpu_model *x86_cpu_model_to_expand(const struct x86_cpu_model *model);
/*
 * What -cpu NAME with these settings would be (name, text, name, text, …, NULL), without a warning of what is missing.
 * The caller frees.
 */
struct x86_cpu_model *x86_cpu_model_make(const char *name, char **settings, GError **error);

/* --- cpu-features.c --- */

enum { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };
struct x86_feature_source {
    uint32_t leaf, subleaf;
    unsigned reg;                 /* CPUID_* */
    uint32_t msr;                 /* not 0: its low half, instead */
};
extern const struct x86_feature_source x86_feature_sources[FEAT_WORDS];

const char *x86_feature_name(enum x86_feature_word word, unsigned bit);
/* All bits of the word that have a name. */
uint32_t x86_features_named(enum x86_feature_word word);
/* '_' is taken for '-'. */
bool x86_feature_find(const char *name, enum x86_feature_word *word, uint32_t *mask);
/* Each name of a feature that is on in `of` (NULL: each name), once. */
void x86_feature_names(const struct x86_features *of, void (*each)(const char *name, void *opaque), void *opaque);
/* Other names that x86_feature_find() takes. */
void x86_feature_aliases(void (*each)(const char *name, void *opaque), void *opaque);
/* "CPUID.01H:ECX.pcid [bit 17]" */
char *x86_feature_describe(enum x86_feature_word word, unsigned bit);

/* --- cpuid.c --- */

/* XCR0 as wide as the model's features allow. */
uint64_t x86_xcr0_possible(const struct x86_cpu *cpu);

#endif
