/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MMX and SSE to SSE4.2 against the host CPU. Nothing is listed here: the opcode maps are walked with each
 * mandatory prefix and REX.W, Zydis says what belongs to these extensions, and each encoding runs in register and
 * memory form on random states. An encoding that our tables lack fails, since the host executes it.
 */
#include <string.h>

#include <Zydis/Zydis.h>

#include "diff-float.h"

struct encoding {
    uint8_t bytes[16];
    unsigned length;
    ZydisDecodedInstruction zi;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static unsigned pick(unsigned count)
{
    return diff_random_word() % count;
}

/* Prefix, REX, map, opcode, modrm, immediate. `memory`: [RDI]. */
static bool encode(struct encoding *out, uint8_t prefix, bool wide, unsigned map, uint8_t opcode, bool memory)
{
    static ZydisDecoder decoder;
    static const uint8_t escapes[] = { 0, 0x38, 0x3a };
    uint8_t rex = 0x40 | wide << 3 | (pick(2) ? pick(8) : 0), modrm = pick(256) | 0xc0;
    unsigned n = 0;

    if (memory) {
        modrm = (modrm & 0x38) | 7;
        rex &= ~1;
    }
    if (prefix) {
        out->bytes[n++] = prefix;
    }
    if (rex != 0x40) {
        out->bytes[n++] = rex;
    }
    out->bytes[n++] = 0x0f;
    if (map) {
        out->bytes[n++] = escapes[map];
    }
    out->bytes[n++] = opcode;
    out->bytes[n++] = modrm;
    out->bytes[n++] = pick(3) ? pick(256) : pick(16);
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, out->bytes, n, &out->zi, out->operands))) {
        return false;
    }
    out->length = out->zi.length;
    return true;
}

static bool is_ours(const ZydisDecodedInstruction *zi)
{
    switch (zi->meta.isa_set) {
    case ZYDIS_ISA_SET_PENTIUMMMX:
    case ZYDIS_ISA_SET_SSE:
    case ZYDIS_ISA_SET_SSE2:
    case ZYDIS_ISA_SET_SSE2MMX:
    case ZYDIS_ISA_SET_SSE3:
    case ZYDIS_ISA_SET_SSSE3:
    case ZYDIS_ISA_SET_SSSE3MMX:
    case ZYDIS_ISA_SET_SSE4:
    case ZYDIS_ISA_SET_SSE42:
    case ZYDIS_ISA_SET_AES:
    case ZYDIS_ISA_SET_PCLMULQDQ:
    case ZYDIS_ISA_SET_SSEMXCSR:
        break;
    default:
        return false;
    }
    switch (zi->mnemonic) {
    case ZYDIS_MNEMONIC_POPCNT:
    case ZYDIS_MNEMONIC_LFENCE:
    case ZYDIS_MNEMONIC_MFENCE:
    case ZYDIS_MNEMONIC_SFENCE: /* the integer core's */
        return false;
    default:
        return true;
    }
}

static bool uses_mmx(const struct encoding *encoding)
{
    for (unsigned i = 0; i < encoding->zi.operand_count_visible; i++) {
        const ZydisDecodedOperand *operand = &encoding->operands[i];
        if (operand->type == ZYDIS_OPERAND_TYPE_REGISTER &&
            ZydisRegisterGetClass(operand->reg.value) == ZYDIS_REGCLASS_MMX) {
            return true;
        }
    }
    return encoding->zi.mnemonic == ZYDIS_MNEMONIC_EMMS;
}

/* `inside`: no faults, where the host has entered MMX state before it faults and ours has not. */
static void random_memory_operand(struct diff_state *state, bool inside)
{
    uint64_t va = diff_random_address(64) & (pick(8) ? ~15ull : ~0ull);
    if (pick(32) == 0 && !inside) {
        va = DIFF_DATA + DIFF_DATA_SIZE - 1 - pick(20); /* runs into the guard page */
    }
    state->regs[R_RDI] = va;
    if (va + 16 <= DIFF_DATA + DIFF_DATA_SIZE) {
        diff_random_operand((uint8_t *)(uintptr_t)va);
        /*
         * LDMXCSR: reserved bits mostly clear, and never AMD's misaligned mode, which the host may have and we have
         * not
         */
        uint8_t *high = (uint8_t *)(uintptr_t)(va + 2);
        high[0] &= pick(4) ? 0 : 0xfd;
        high[1] &= pick(4) ? 0 : 0xff;
        diff_memory_sync();
    }
}

static bool check(const struct encoding *encoding, bool memory)
{
    struct diff_ignore ignore = { 0 };
    struct diff_state state;
    uint32_t mxcsr;

    diff_state_randomize(&state);
    /* The dot products stop between their steps if something is unmasked; ours do only at their end. */
    bool steps = encoding->zi.mnemonic == ZYDIS_MNEMONIC_DPPS || encoding->zi.mnemonic == ZYDIS_MNEMONIC_DPPD;
    diff_state_random_sse(&state, !steps && pick(4) == 0);
    if (uses_mmx(encoding) && pick(2)) {
        diff_state_random_x87(&state, pick(4) == 0);
    }
    bool maskmovq = encoding->zi.mnemonic == ZYDIS_MNEMONIC_MASKMOVQ;
    if (memory || maskmovq || encoding->zi.mnemonic == ZYDIS_MNEMONIC_MASKMOVDQU) {
        random_memory_operand(&state, maskmovq);
    }
    /*
     * Unmasked, underflow and overflow are inexact as if the exponent were unbounded, which a masked run cannot
     * see.
     */
    memcpy(&mxcsr, state.fx + 24, 4);
    ignore.mxcsr = (mxcsr & 0xc00) == 0xc00 ? 0 : 0x20;
    return diff_check(encoding->bytes, encoding->length, &state, &ignore, NULL);
}

/* Returns how many encodings of this map and opcode belong here. */
static unsigned check_opcode(unsigned map, uint8_t opcode, unsigned rounds)
{
    static const uint8_t prefixes[] = { 0, 0x66, 0xf3, 0xf2 };
    unsigned found = 0;
    for (unsigned i = 0; i < 4 * 2 * 2; i++) {
        bool memory = i & 1, wide = i & 2;
        bool seen = false;
        for (unsigned round = 0; round < rounds; round++) {
            struct encoding encoding;
            /* groups put the operation into modrm, so one that does not decode may yet with another */
            if (!encode(&encoding, prefixes[i >> 2], wide, map, opcode, memory) || !is_ours(&encoding.zi)) {
                continue;
            }
            seen = true;
            if (!check(&encoding, memory)) {
                break;
            }
        }
        found += seen;
    }
    return found;
}

static void check_map(unsigned map, unsigned least)
{
    unsigned found = 0;
    diff_bench_init();
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        found += check_opcode(map, opcode, g_test_slow() ? 2000 : 120);
    }
    g_test_message("%u encodings", found);
    g_assert_cmpuint(found, >=, least);
}

static void test_map_0f(void)
{
    check_map(0, 700);
}

static void test_map_0f38(void)
{
    check_map(1, 200);
}

static void test_map_0f3a(void)
{
    check_map(2, 100);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sse/map-0f", test_map_0f);
    g_test_add_func("/sse/map-0f38", test_map_0f38);
    g_test_add_func("/sse/map-0f3a", test_map_0f3a);
    return g_test_run();
}
