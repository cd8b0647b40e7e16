/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What -cpu parsing and CPUID share. */
#ifndef FERRY_I386_CPU_MODELS_H
#define FERRY_I386_CPU_MODELS_H

#include "target/i386/cpu.h"

/* XSAVE components, by their number in XCR0 (SDM 1, 13.1): 0 x87 .. 9 protection keys. */
enum { XSAVE_AVX = 2, XSAVE_BNDREGS, XSAVE_BNDCSR, XSAVE_OPMASK, XSAVE_ZMM_HI256, XSAVE_HI16_ZMM,
       XSAVE_PT /* a supervisor's, in no XCR0 */, XSAVE_PKRU, XSAVE_COMPONENTS };
#define XSAVE_LEGACY 0x240 /* x87 and SSE, header */

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
};

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
/* "CPUID.01H:ECX.pcid [bit 17]" */
char *x86_feature_describe(enum x86_feature_word word, unsigned bit);

/* --- cpuid.c --- */

/* XCR0 as wide as the model's features allow. */
uint64_t x86_xcr0_possible(const struct x86_cpu *cpu);

#endif
