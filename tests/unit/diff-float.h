/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floating-point operands and control words for differential tests: random, and special more often than chance. */
#ifndef FERRY_TESTS_UNIT_DIFF_FLOAT_H
#define FERRY_TESTS_UNIT_DIFF_FLOAT_H

#include "diff-bench.h"

uint32_t diff_random_single(void);
uint64_t diff_random_double(void);
/*
 * Zeros, denormals, pseudo-denormals, unnormals, infinities, quiet and signalling NaNs, integers, huge and tiny
 * numbers.
 */
void diff_random_extended(uint64_t *mantissa, uint16_t *exponent);

/*
 * XMM registers: singles, doubles, or plain bits. MXCSR: any rounding, DAZ, FTZ; `unmask`: some exceptions unmasked.
 */
void diff_state_random_sse(struct diff_state *state, bool unmask);
/*
 * x87 registers, tags, TOP, condition codes, control word. `unmask`: some exceptions unmasked; perhaps one pending.
 */
void diff_state_random_x87(struct diff_state *state, bool unmask);
/* 16 bytes of operand: singles, doubles, extended, integers or bits. */
void diff_random_operand(uint8_t bytes[16]);

#endif
