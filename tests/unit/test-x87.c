/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87 against the host CPU: every D8..DF encoding that Zydis knows, register and memory forms, on random stacks,
 * tags, control words and operands; then the save images and what depends on CR0.
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

/*
 * Save images. The code after the instruction overwrites what differs by design: MXCSR_MASK (the host may have AMD's
 * misaligned mode), and pointers and selectors that the host keeps as it likes.
 */
struct image_case {
    const char *name, *code;
    unsigned bytes, alignment;
};

static void run_image_case(const struct image_case *c, void (*prepare)(struct diff_state *, uint8_t *image))
{
    uint8_t code[64];
    unsigned length = strlen(c->code) / 2;

    diff_bench_init();
    for (unsigned i = 0; i < length; i++) {
        code[i] = g_ascii_xdigit_value(c->code[2 * i]) << 4 | g_ascii_xdigit_value(c->code[2 * i + 1]);
    }
    for (unsigned round = 0; round < 400; round++) {
        struct diff_state state;
        diff_state_randomize(&state);
        diff_state_random_x87(&state, pick(4) == 0);
        diff_state_random_sse(&state, pick(4) == 0);
        uint64_t va = diff_random_address(c->bytes + 128) & ~(uint64_t)(c->alignment - 1);
        if (pick(16) == 0) {
            va += pick(c->alignment); /* misaligned, for those that care */
        }
        if (pick(16) == 0) {
            va = DIFF_DATA + DIFF_DATA_SIZE - c->alignment * (1 + pick(c->bytes / c->alignment));
        }
        state.regs[R_RDI] = va;
        state.regs[R_RAX] = pick(4); /* XSAVE: components 0 and 1 only, as the host has more */
        state.regs[R_RDX] = 0;
        if (prepare && va + c->bytes + 128 <= DIFF_DATA + DIFF_DATA_SIZE) {
            prepare(&state, (uint8_t *)(uintptr_t)va);
            diff_memory_sync();
        }
        if (!diff_check(code, length, &state, NULL, NULL)) {
            g_test_message("%s", c->name);
            return;
        }
    }
}

static void test_images_save(void)
{
    static const struct image_case cases[] = {
        { "fxsave", "0fae07c7471cffff0000", 512, 16 },
        { "fxsave64", "480fae07c7471cffff0000", 512, 16 },
        { "fnstenv", "d937", 28, 4 },
        { "fnsave", "dd37", 108, 4 },
        { "fnstenv16", "66d937", 14, 2 },
        { "fnsave16", "66dd37", 94, 2 },
        { "fnstsw", "dd3fdfe0", 2, 1 },
        { "fnstcw", "d93f", 2, 1 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        run_image_case(&cases[i], NULL);
    }
}

/* A random legacy image; MXCSR's misaligned mode is never asked for, reserved bits rarely. */
static void prepare_fxrstor(struct diff_state *state, uint8_t *image)
{
    struct diff_state other;
    diff_state_randomize(&other);
    diff_state_random_x87(&other, pick(4) == 0);
    diff_state_random_sse(&other, pick(4) == 0);
    other.fx[26] = pick(16) ? 0 : diff_random() & 0xfd;
    memcpy(image, other.fx, 512);
}

static void prepare_frstor(struct diff_state *state, uint8_t *image)
{
    for (unsigned i = 0; i < 108; i += 4) {
        uint32_t word = diff_random();
        memcpy(image + i, &word, 4);
    }
    for (unsigned i = 0; i < 8; i++) {
        uint64_t mantissa;
        uint16_t exponent;
        diff_random_extended(&mantissa, &exponent);
        memcpy(image + 28 + 10 * i, &mantissa, 8);
        memcpy(image + 36 + 10 * i, &exponent, 2);
    }
}

/* The header is good mostly. */
static void prepare_xsave(struct diff_state *state, uint8_t *image)
{
    prepare_fxrstor(state, image);
    memset(image + 512, 0, 64);
    image[512] = pick(4);
    if (pick(16) == 0) {
        image[512 + pick(24)] = pick(4);
    }
    if (pick(16) == 0) {
        image[519] = 0x40;
    }
}

static void test_images_restore(void)
{
    static const struct image_case cases[] = {
        { "fxrstor", "0fae0f", 512, 16 },
        { "fxrstor64", "480fae0f", 512, 16 },
        { "fldenv", "d927", 28, 4 },
        { "frstor", "dd27", 108, 4 },
        { "fldenv16", "66d927", 14, 2 },
        { "frstor16", "66dd27", 94, 2 },
        { "fldcw", "d92f", 2, 1 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        run_image_case(&cases[i], i < 2 ? prepare_fxrstor : prepare_frstor);
    }
}

static void test_images_xsave(void)
{
    static const struct image_case cases[] = {
        { "xsave", "0fae27c7471cffff0000", 576, 64 },
        { "xsave64", "480fae27c7471cffff0000", 576, 64 },
        { "xrstor", "0fae2f", 576, 64 },
        { "xrstor64", "480fae2f", 576, 64 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        run_image_case(&cases[i], prepare_xsave);
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
    g_test_add_func("/x87/images-save", test_images_save);
    g_test_add_func("/x87/images-restore", test_images_restore);
    g_test_add_func("/x87/images-xsave", test_images_xsave);
    return g_test_run();
}
