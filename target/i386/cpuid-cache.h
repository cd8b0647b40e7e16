/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The caches that CPUID shows: the same ones in each of its four tongues. */
#ifndef FERRY_I386_CPUID_CACHE_H
#define FERRY_I386_CPUID_CACHE_H

#include <stdint.h>

/* Intel, leaf 2. */
void cpuid_cache_descriptors(uint32_t out[4]);
/* Intel, leaf 4: threads to a core, APIC ids that a package takes, its cores. */
void cpuid_cache_parameters(uint32_t subleaf, unsigned threads, unsigned package_ids, unsigned cores,
                            uint32_t out[4]);
/* AMD, leaves 0x80000005 and 0x80000006. */
void cpuid_cache_legacy_amd(uint32_t leaf, uint32_t out[4]);
/* AMD, leaf 0x8000001d: threads to a core and to a package. */
void cpuid_cache_properties(uint32_t subleaf, unsigned threads, unsigned package_threads, uint32_t out[4]);

#endif
