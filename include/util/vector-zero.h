/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is memory all zeros? With the host's widest vectors, chosen once (AVX-512, AVX2, SSE2). */
#ifndef FERRY_UTIL_VECTOR_ZERO_H
#define FERRY_UTIL_VECTOR_ZERO_H

#include <stdbool.h>
#include <stddef.h>

/*
 * `length` is a multiple of 64 and `data` 64-byte aligned. Reads racing with writers are fine: they see old or new
 * bytes.
 */
bool buffer_is_zero(const void *data, size_t length);

/* For tests: the n-th variant's answer, and its name (NULL: not on this host, or no such variant). */
bool buffer_is_zero_variant(unsigned n, const void *data, size_t length, const char **name);

#endif
