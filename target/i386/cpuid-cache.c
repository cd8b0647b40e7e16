/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID's caches. They describe no real ones: guests get the same everywhere, so that they may migrate. Figures as
 * QEMU 7.2 gives them to models without caches of their own. SDM 2A, CPUID, leaves 2 and 4; APM 3, E.4.
 */
#include "target/i386/cpuid-cache.h"

#include <string.h>

enum { DATA = 1, INSTRUCTION, UNIFIED, SELF_INITIALIZING = 1 << 8 };
enum { WBINVD_OF_ONE = 1, INCLUSIVE = 2, COMPLEX_INDEX = 4 };

struct cache {
    unsigned type, level, ways, sets, properties;
};
#define LINE 64

static const struct cache intel[] = {
    { DATA | SELF_INITIALIZING, 1, 8, 64, WBINVD_OF_ONE },
    { INSTRUCTION | SELF_INITIALIZING, 1, 8, 64, WBINVD_OF_ONE },
    { UNIFIED | SELF_INITIALIZING, 2, 16, 4096, WBINVD_OF_ONE },
    { UNIFIED | SELF_INITIALIZING, 3, 16, 16384, INCLUSIVE | COMPLEX_INDEX },
};

static const struct cache amd[] = {
    { DATA | SELF_INITIALIZING, 1, 2, 512, WBINVD_OF_ONE },
    { INSTRUCTION | SELF_INITIALIZING, 1, 2, 512, WBINVD_OF_ONE },
    { UNIFIED, 2, 16, 512, 0 },
    { UNIFIED | SELF_INITIALIZING, 3, 16, 16384, INCLUSIVE | COMPLEX_INDEX },
};

/* What leaves 4 and 0x8000001d have in common; `sharing`: threads, or APIC ids, that share the cache. */
static void describe(const struct cache *cache, unsigned sharing, uint32_t out[4])
{
    out[0] = cache->type | cache->level << 5 | (sharing - 1) << 14;
    out[1] = (LINE - 1) | (cache->ways - 1) << 22;
    out[2] = cache->sets - 1;
    out[3] = cache->properties;
}

void cpuid_cache_descriptors(uint32_t out[4])
{
    out[0] = 1;                                  /* ask once */
    out[2] = 0x4d;                               /* L3: 16 MiB, 16 ways */
    out[3] = 0x2c << 16 | 0x30 << 8 | 0x7d;      /* L1D and L1I: 32 KiB, 8 ways; L2: 2 MiB, 8 ways */
}

void cpuid_cache_parameters(uint32_t subleaf, unsigned threads, unsigned package_ids, unsigned cores,
                            uint32_t out[4])
{
    const unsigned sharing[] = { 1, 1, threads, package_ids };

    if (subleaf < 4) {
        describe(&intel[subleaf], sharing[subleaf], out);
        out[0] |= (cores - 1) << 26;
    }
}

/* 64 KiB L1, 512 KiB L2, 16 MiB L3, and TLBs. */
void cpuid_cache_legacy_amd(uint32_t leaf, uint32_t out[4])
{
    static const uint32_t l1[4] = { 0x01ff01ff, 0x01ff01ff, 0x40020140, 0x40020140 };
    static const uint32_t l2[4] = { 0x00000000, 0x42004200, 0x02008140, 0x00808140 };

    memcpy(out, leaf == 0x80000005 ? l1 : l2, 16);
}

void cpuid_cache_properties(uint32_t subleaf, unsigned threads, unsigned package_threads, uint32_t out[4])
{
    if (subleaf < 4) {
        describe(&amd[subleaf], amd[subleaf].level == 3 ? package_threads : threads, out);
    }
}
