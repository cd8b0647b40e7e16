/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87 against the host CPU: every D8..DF encoding that Zydis knows, register and memory forms, on random stacks, tags,
 * control words and operands; then the save images and what depends on CR0.
 */
#include <string.h>

#include <Zydis/Zydis.h>

#include "accel/tcg/mem.h"
#include "diff-float.h"
#include "target/i386/decode.h"
#include "target/i386/fpu.h"

static unsigned pick(unsigned count)
{
    return diff_random_word() % count;
}

static bool decode(const uint8_t *bytes, unsigned length, ZydisDecodedInstruction *zi)
{
    static ZydisDecoder decoder;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, length, zi, operands));
}

static void random_memory_operand(struct diff_state *state)
{
    uint64_t va = diff_random_address(128);
    if (pick(64) == 0) {
        va = DIFF_DATA + DIFF_DATA_SIZE - 1 - pick(12);
    }
    state->regs[R_RDI] = va;
    if (va + 16 <= DIFF_DATA + DIFF_DATA_SIZE) {
        diff_random_operand((uint8_t *)(uintptr_t)va);
        diff_memory_sync();
    }
}

static bool check(const uint8_t *bytes, unsigned length, bool memory, bool unmask)
{
    static const struct diff_ignore nothing;
    struct diff_state state;
    diff_state_randomize(&state);
    diff_state_random_x87(&state, unmask);
    if (memory) {
        random_memory_operand(&state);
    }
    return diff_check(bytes, length, &state, &nothing, NULL);
}

static unsigned check_encodings(bool memory, bool unmask)
{
    unsigned found = 0, rounds = g_test_slow() ? 2000 : 60;

    diff_bench_init();
    for (unsigned opcode = 0xd8; opcode <= 0xdf; opcode++) {
        for (unsigned modrm = memory ? 0 : 0xc0; modrm <= (memory ? 0x38u : 0xffu); modrm += memory ? 8 : 1) {
            uint8_t bytes[2] = { opcode, modrm | (memory ? 7 : 0) };
            ZydisDecodedInstruction zi;
            if (!decode(bytes, 2, &zi)) {
                continue;
            }
            /* The environment holds pointers that the host need not keep: test_images() looks at those. */
            if (zi.mnemonic == ZYDIS_MNEMONIC_FNSTENV || zi.mnemonic == ZYDIS_MNEMONIC_FNSAVE) {
                continue;
            }
            found++;
            for (unsigned i = 0; i < rounds && check(bytes, 2, memory, unmask); i++) {
            }
        }
    }
    return found;
}

static void test_register(void)
{
    g_assert_cmpuint(check_encodings(false, false), >=, 400);
}

static void test_register_unmasked(void)
{
    g_assert_cmpuint(check_encodings(false, true), >=, 400);
}

static void test_memory(void)
{
    g_assert_cmpuint(check_encodings(true, false), >=, 50);
}

static void test_memory_unmasked(void)
{
    g_assert_cmpuint(check_encodings(true, true), >=, 50);
}

static void test_wait(void)
{
    static const uint8_t code[] = { 0x9b };
    diff_bench_init();
    for (unsigned i = 0; i < 300 && check(code, 1, false, true); i++) {
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/x87/register", test_register);
    g_test_add_func("/x87/register-unmasked", test_register_unmasked);
    g_test_add_func("/x87/memory", test_memory);
    g_test_add_func("/x87/memory-unmasked", test_memory_unmasked);
    g_test_add_func("/x87/wait", test_wait);
    return g_test_run();
}
