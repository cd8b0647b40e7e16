/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See diff-float.h. */
#include "diff-float.h"

#include <string.h>

static unsigned pick(unsigned count)
{
    return diff_random_word() % count;
}

uint32_t diff_random_single(void)
{
    static const uint32_t special[] = {
        0, 1, 0x7fffff, 0x800000, 0x3f800000, 0x3f7fffff, 0x40000000, 0x7f7fffff, 0x7f800000, 0x7fc00000, 0x7f800001,
        0x7fffffff, 0x4effffff, 0x4f000000, 0x5f000000, 0x3effffff, 0x3f000000, 0x400000,
    };
    uint32_t sign = (uint32_t)pick(2) << 31, bits = (uint32_t)diff_random_word();
    switch (pick(4)) {
    case 0:
        return special[pick(G_N_ELEMENTS(special))] | sign;
    case 1:
        return (bits & 0x7fffff) | sign | (100 + pick(60)) << 23; /* of usual size */
    case 2:
        return (bits & 0x7f0000) | sign | (120 + pick(16)) << 23; /* few bits: exact results */
    default:
        return bits;
    }
}

uint64_t diff_random_double(void)
{
    static const uint64_t special[] = {
        0, 1, 0xfffffffffffff, 0x10000000000000, 0x3ff0000000000000, 0x3fefffffffffffff, 0x4000000000000000,
        0x7fefffffffffffff, 0x7ff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001, 0x7fffffffffffffff,
        0x41dfffffffc00000, 0x41e0000000000000, 0x43e0000000000000, 0x3fe0000000000000, 0x8000000000000,
        0x36a0000000000000, 0x47efffffe0000000, 0x47effffff0000000,
    };
    uint64_t sign = (uint64_t)pick(2) << 63, bits = diff_random_word();
    switch (pick(4)) {
    case 0:
        return special[pick(G_N_ELEMENTS(special))] | sign;
    case 1:
        return (bits & 0xfffffffffffff) | sign | (uint64_t)(950 + pick(150)) << 52;
    case 2:
        return (bits & 0xfff0000000000) | sign | (uint64_t)(1015 + pick(20)) << 52;
    default:
        return bits;
    }
}

void diff_random_extended(uint64_t *mantissa, uint16_t *exponent)
{
    static const struct {
        uint64_t mantissa;
        uint16_t exponent;
    } special[] = {
        { 0, 0 }, { 1, 0 }, { 0x7fffffffffffffff, 0 }, { 0x8000000000000000, 0 }, { 0x8000000000000000, 1 },
        { 0x8000000000000000, 0x3fff }, { 0xffffffffffffffff, 0x3ffe }, { 0xffffffffffffffff, 0x7ffe },
        { 0x8000000000000000, 0x7fff }, { 0xc000000000000000, 0x7fff }, { 0x8000000000000001, 0x7fff },
        { 0, 0x7fff }, { 1, 0x7fff }, { 0x4000000000000000, 0x4000 }, { 0xc90fdaa22168c235, 0x4000 },
        { 0x8000000000000000, 0x401d }, { 0x8000000000000000, 0x403e }, { 0xffffffffffffffff, 0x403d },
        { 0xde0b6b3a76400000, 0x403a }, { 0x8000000000000000, 0x3ffe },
    };
    uint16_t sign = (uint16_t)(pick(2) << 15);
    *mantissa = diff_random_word() | 1ull << 63;
    switch (pick(4)) {
    case 0: {
        unsigned i = pick(G_N_ELEMENTS(special));
        *mantissa = special[i].mantissa;
        *exponent = special[i].exponent | sign;
        break;
    }
    case 1:
        *exponent = (0x3fff - 40 + pick(80)) | sign;
        break;
    case 2:
        *mantissa &= 0xfff0000000000000;
        *exponent = (0x3fff - 8 + pick(30)) | sign;
        break;
    default:
        *exponent = (uint16_t)diff_random_word();
        *mantissa = diff_random_word() | (uint64_t)(pick(8) != 0) << 63;
        break;
    }
}

void diff_random_operand(uint8_t bytes[16])
{
    uint16_t exponent;
    uint64_t words[2] = { diff_random(), diff_random() };
    uint32_t singles[4];
    switch (pick(5)) {
    case 0:
        for (unsigned i = 0; i < 4; i++) {
            singles[i] = diff_random_single();
        }
        memcpy(words, singles, 16);
        break;
    case 1:
        words[0] = diff_random_double();
        words[1] = diff_random_double();
        break;
    case 2:
        diff_random_extended(&words[0], &exponent);
        words[1] = exponent;
        break;
    case 3: /* packed decimal */
        for (unsigned i = 0; i < 10; i++) {
            ((uint8_t *)words)[i] = pick(10) << 4 | pick(10);
        }
        break;
    default:
        break;
    }
    memcpy(bytes, words, 16);
}

/* A few bits of the six, rarely many. */
static unsigned random_exceptions(void)
{
    return diff_random_word() & diff_random_word() & 0x3f;
}

void diff_state_random_sse(struct diff_state *state, bool unmask)
{
    uint32_t masks = unmask ? 0x3f & ~(1u << pick(6)) & ~random_exceptions() : 0x3f;
    uint32_t mxcsr = masks << 7 | pick(4) << 13 | random_exceptions();
    mxcsr |= pick(4) == 0 ? 0x40 : 0;
    mxcsr |= pick(4) == 0 ? 0x8000 : 0;
    memcpy(state->fx + 24, &mxcsr, 4);
    for (unsigned i = 0; i < 16; i++) {
        diff_random_operand(state->fx + 160 + 16 * i);
    }
}

void diff_state_random_x87(struct diff_state *state, bool unmask)
{
    uint16_t masks = unmask ? 0x3f & ~(1u << pick(6)) & ~random_exceptions() : 0x3f;
    uint16_t control = masks | 0x40 | pick(4) << 10 | (pick(2) ? 3 : pick(4)) << 8;
    uint16_t flags = random_exceptions();
    if (unmask && pick(8)) {
        flags &= masks; /* nothing pending, most of the time */
    }
    uint16_t status = flags | pick(8) << 11 | (diff_random_word() & 0x4700) | (flags & 1 ? pick(2) << 6 : 0);
    status |= flags & ~masks ? 0x8080 : 0;
    memcpy(state->fx, &control, 2);
    memcpy(state->fx + 2, &status, 2);
    state->fx[4] = pick(3) == 0 ? diff_random_word() : pick(8) ? 0xff : 0; /* 1: not empty */
    for (unsigned i = 0; i < 8; i++) {
        uint64_t mantissa;
        uint16_t exponent;
        diff_random_extended(&mantissa, &exponent);
        memcpy(state->fx + 32 + 16 * i, &mantissa, 8);
        memcpy(state->fx + 40 + 16 * i, &exponent, 2);
    }
}
