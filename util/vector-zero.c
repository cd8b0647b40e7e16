/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zero detection for the migration's RAM scan. Most pages that are not zero show it in their first bytes, so each
 * variant stops at the first non-zero stretch. The variants carry their own target attributes: the rest of the
 * program is built for plain x86-64 and the host's best is picked at run time.
 */
#include <immintrin.h>
#include <stdint.h>

#include "util/vector-zero.h"

/* Guest memory is written by others while it is scanned: which bytes are seen is the caller's business. */
#define RACY __attribute__((no_sanitize("thread")))

static RACY bool zero_sse2(const void *data, size_t length)
{
    const __m128i *p = data, *end = (const __m128i *)((const char *)data + length);
    for (; p < end; p += 4) {
        __m128i any = _mm_or_si128(_mm_or_si128(p[0], p[1]), _mm_or_si128(p[2], p[3]));
        if (_mm_movemask_epi8(_mm_cmpeq_epi8(any, _mm_setzero_si128())) != 0xffff) {
            return false;
        }
    }
    return true;
}

__attribute__((target("avx2"))) static RACY bool zero_avx2(const void *data, size_t length)
{
    const __m256i *p = data, *end = (const __m256i *)((const char *)data + length);
    for (; end - p >= 8; p += 8) {
        __m256i low = _mm256_or_si256(_mm256_or_si256(p[0], p[1]), _mm256_or_si256(p[2], p[3]));
        __m256i high = _mm256_or_si256(_mm256_or_si256(p[4], p[5]), _mm256_or_si256(p[6], p[7]));
        __m256i any = _mm256_or_si256(low, high);
        if (!_mm256_testz_si256(any, any)) {
            return false;
        }
    }
    for (; p < end; p += 2) {
        __m256i any = _mm256_or_si256(p[0], p[1]);
        if (!_mm256_testz_si256(any, any)) {
            return false;
        }
    }
    return true;
}

__attribute__((target("avx512f"))) static RACY bool zero_avx512(const void *data, size_t length)
{
    const __m512i *p = data, *end = (const __m512i *)((const char *)data + length);
    for (; end - p >= 4; p += 4) {
        __m512i any = _mm512_or_si512(_mm512_or_si512(p[0], p[1]), _mm512_or_si512(p[2], p[3]));
        if (_mm512_test_epi64_mask(any, any)) {
            return false;
        }
    }
    for (; p < end; p++) {
        if (_mm512_test_epi64_mask(*p, *p)) {
            return false;
        }
    }
    return true;
}

static bool (*zero_variant)(const void *data, size_t length) = zero_sse2;

__attribute__((constructor)) static void zero_choose(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) {
        zero_variant = zero_avx512;
    } else if (__builtin_cpu_supports("avx2")) {
        zero_variant = zero_avx2;
    }
}

bool buffer_is_zero(const void *data, size_t length)
{
    return zero_variant(data, length);
}

bool buffer_is_zero_variant(unsigned n, const void *data, size_t length, const char **name)
{
    switch (n) {
    case 0:
        *name = "sse2";
        return zero_sse2(data, length);
    case 1:
        *name = __builtin_cpu_supports("avx2") ? "avx2" : NULL;
        return *name && zero_avx2(data, length);
    case 2:
        *name = __builtin_cpu_supports("avx512f") ? "avx512f" : NULL;
        return *name && zero_avx512(data, length);
    default:
        *name = NULL;
        return false;
    }
}
