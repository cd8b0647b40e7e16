/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libFuzzer's interface, which has no header of its own. */
#ifndef FERRY_FUZZ_FUZZ_H
#define FERRY_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size); /* the fuzzer's own way */

#endif
