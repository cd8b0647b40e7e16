/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The decoder by itself (what it fills in, what it refuses), and what only 16-bit and segmented code shows: address
 * wrap, limits, stack width. Handlers run in diff-bench's memory; nothing here runs on the host.
 */
#include <string.h>

#include "diff-bench.h"
#include "target/i386/decode.h"
#include "target/i386/flags.h"

static enum x86_decode_result decode(uint32_t mode, unsigned offset, const char *hex, struct x86_insn *insn,
                                     unsigned *length)
{
    struct x86_decode_context ctx = { .mode = mode, .features = &diff_features, .offset = offset };
    uint8_t bytes[32];
    unsigned count = strlen(hex) / 2;
    for (unsigned i = 0; i < count; i++) {
        bytes[i] = g_ascii_xdigit_value(hex[2 * i]) << 4 | g_ascii_xdigit_value(hex[2 * i + 1]);
    }
    return x86_decode(&ctx, bytes, count, insn, length);
}

static int flag_use(const char *hex)
{
    struct x86_insn insn;
    unsigned length;

    decode(X86_MODE_64, 0, hex, &insn, &length);
    return insn.flag_use;
}

static void test_flag_use(void)
{
    struct x86_insn insn;
    unsigned length;

    g_assert_cmpint(flag_use("31c8"), ==, X86_FLAGS_SET);         /* xor eax, ecx */
    g_assert_cmpint(flag_use("83e901"), ==, X86_FLAGS_SET);       /* sub ecx, 1 */
    g_assert_cmpint(flag_use("c1c805"), ==, X86_FLAGS_SET);       /* ror eax, 5 */
    g_assert_cmpint(flag_use("89c8"), ==, X86_FLAGS_KEPT);        /* mov eax, ecx */
    g_assert_cmpint(flag_use("8d0408"), ==, X86_FLAGS_KEPT);      /* lea eax, [rax+rcx] */
    g_assert_cmpint(flag_use("c1c820"), ==, X86_FLAGS_UNKNOWN);   /* ror eax, 32: a count of 0 */
    g_assert_cmpint(flag_use("d3e0"), ==, X86_FLAGS_UNKNOWN);     /* shl eax, cl */
    g_assert_cmpint(flag_use("3308"), ==, X86_FLAGS_UNKNOWN);     /* xor ecx, [rax] may fault */
    g_assert_cmpint(flag_use("11c8"), ==, X86_FLAGS_UNKNOWN);     /* adc reads CF */
    g_assert_cmpint(flag_use("ffc0"), ==, X86_FLAGS_UNKNOWN);     /* inc keeps CF, sets OF */
    g_assert_cmpint(flag_use("8cd8"), ==, X86_FLAGS_UNKNOWN);     /* mov eax, ds */
    g_assert_cmpint(flag_use("50"), ==, X86_FLAGS_UNKNOWN);       /* push rax may fault */
    decode(X86_MODE_64, 0, "c1c805", &insn, &length);
    x86_handler *bare = x86_handler_without_flags(&insn);
    g_assert_true(bare && bare != insn.handler);
    decode(X86_MODE_64, 0, "c1c005", &insn, &length);
    g_assert_true(x86_handler_without_flags(&insn) && x86_handler_without_flags(&insn) != bare);
    decode(X86_MODE_64, 0, "c1e005", &insn, &length); /* shl */
    g_assert_null(x86_handler_without_flags(&insn));
}

static void test_memory_operand(void)
{
    struct x86_insn insn;
    unsigned length;

    /* mov rax, [rcx+rbx*8-16] */
    g_assert_cmpint(decode(X86_MODE_64, 7, "488b44d9f0", &insn, &length), ==, X86_DECODE_OK);
    g_assert_cmpuint(length, ==, 5);
    g_assert_cmpuint(insn.offset, ==, 7);
    g_assert_cmpuint(insn.next, ==, 12);
    g_assert_cmpuint(insn.opsize, ==, 3);
    g_assert_cmpuint(insn.dst, ==, R_RAX * 8);
    g_assert_cmpuint(insn.base, ==, R_RCX);
    g_assert_cmpuint(insn.index, ==, R_RBX);
    g_assert_cmpuint(insn.scale, ==, 3);
    g_assert_cmpint(insn.disp, ==, -16);
    g_assert_cmpuint(insn.flags, ==, X86_INSN_MEM);

    decode(X86_MODE_64, 7, "8b0500010000", &insn, &length); /* mov eax, [rip+0x100] */
    g_assert_cmpuint(insn.base, ==, R_RIP);
    g_assert_cmpuint(insn.index, ==, R_ZERO);
    g_assert_cmpint(insn.disp, ==, 0x100 + 7 + 6);

    decode(X86_MODE_64, 0, "656788a3ffffffff", &insn, &length); /* mov gs:[ebx-1], ah */
    g_assert_cmpuint(insn.seg, ==, S_GS);
    g_assert_cmpuint(insn.src, ==, R_RAX * 8 + 1);
    g_assert_cmpuint(insn.flags, ==, X86_INSN_MEM | X86_INSN_ADDR32 | X86_INSN_SEG_BASE | X86_INSN_WRITE);

    decode(X86_MODE_64, 0, "2e8b03", &insn, &length); /* CS override: no effect in 64-bit mode */
    g_assert_cmpuint(insn.flags, ==, X86_INSN_MEM);
    decode(X86_MODE_32 | X86_MODE_PE, 0, "8b03", &insn, &length);
    g_assert_cmpuint(insn.flags, ==, X86_INSN_MEM | X86_INSN_ADDR32 | X86_INSN_SEG_BASE);
    decode(X86_MODE_32 | X86_MODE_PE | X86_MODE_FLAT, 0, "8b03", &insn, &length);
    g_assert_cmpuint(insn.flags, ==, X86_INSN_MEM | X86_INSN_ADDR32);
    decode(X86_MODE_16, 0, "8b42fe", &insn, &length); /* mov ax, [bp+si-2]: the stack segment */
    g_assert_cmpuint(insn.base, ==, R_RBP);
    g_assert_cmpuint(insn.index, ==, R_RSI);
    g_assert_cmpuint(insn.seg, ==, S_SS);
    g_assert_cmpuint(insn.flags, ==, X86_INSN_MEM | X86_INSN_ADDR16 | X86_INSN_SEG_BASE);
}

static void test_branches(void)
{
    struct x86_insn insn;
    unsigned length;

    g_assert_cmpint(decode(X86_MODE_64, 10, "7410", &insn, &length), ==, X86_DECODE_LAST);
    g_assert_cmpint(insn.imm, ==, 10 + 2 + 16);
    g_assert_cmpint(decode(X86_MODE_64, 10, "e8fbffffff", &insn, &length), ==, X86_DECODE_LAST);
    g_assert_cmpint(insn.imm, ==, 10);
    g_assert_cmpint(decode(X86_MODE_64, 0, "c3", &insn, &length), ==, X86_DECODE_LAST);
    g_assert_cmpint(decode(X86_MODE_32, 0, "ea000001000800", &insn, &length), ==, X86_DECODE_LAST);
    g_assert_cmpint(decode(X86_MODE_64, 0, "f390", &insn, &length), ==, X86_DECODE_LAST); /* PAUSE */
    g_assert_cmpint(decode(X86_MODE_64, 0, "90", &insn, &length), ==, X86_DECODE_OK);
}

/* Every proper prefix of an instruction asks for more; fifteen bytes are the limit. */
static void test_lengths(void)
{
    static const char *const whole[] = {
        "48b81122334455667788", "f0480fc70c25aabbccdd", "c7842411223344aabbccdd", "66f30f6f00", "c4e2f0f2c1", "9b",
        "0f05",
    };
    struct x86_insn insn;
    unsigned length;

    for (unsigned i = 0; i < G_N_ELEMENTS(whole); i++) {
        unsigned count = strlen(whole[i]) / 2;
        for (unsigned n = 0; n < count; n++) {
            g_autofree char *part = g_strndup(whole[i], 2 * n);
            g_assert_cmpint(decode(X86_MODE_64, 0, part, &insn, &length), ==, X86_DECODE_MORE);
        }
        decode(X86_MODE_64, 0, whole[i], &insn, &length);
        g_assert_cmpuint(length, ==, count);
    }
    g_assert_cmpint(decode(X86_MODE_64, 0, "66666666666666666666666666666690", &insn, &length), ==,
                    X86_DECODE_TOO_LONG);
    g_assert_cmpint(decode(X86_MODE_64, 0, "666666666666666666666666666690", &insn, &length), ==, X86_DECODE_OK);
    g_assert_nonnull(insn.handler);
}

static void test_invalid(void)
{
    static const char *const bad[] = { "f0480fafc1", "f089c8", "f00fa318", "0f0b", "06", "f04883380a", "8ec8" };
    struct x86_insn insn;
    unsigned length;

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_cmpint(decode(X86_MODE_64, 0, bad[i], &insn, &length), ==, X86_DECODE_INVALID);
        g_assert_nonnull(insn.handler);
    }
    /* VEX, real mode */
    g_assert_cmpint(decode(X86_MODE_16, 0, "c4e2f0f2c1", &insn, &length), ==, X86_DECODE_INVALID);
}

/* Features that are off: #UD, or the older meaning of the encoding. */
static void test_features(void)
{
    struct x86_features all = diff_features;
    struct x86_insn popcnt, bsr, lzcnt;
    unsigned length;

    g_assert_cmpint(decode(X86_MODE_64, 0, "f3480fb8c1", &popcnt, &length), ==, X86_DECODE_OK);
    decode(X86_MODE_64, 0, "f3480fbdc1", &lzcnt, &length);
    decode(X86_MODE_64, 0, "480fbdc1", &bsr, &length);
    g_assert_true(lzcnt.handler != bsr.handler);
    diff_features.words[FEAT_1_ECX] &= ~(1u << 23);
    diff_features.words[FEAT_8000_0001_ECX] &= ~(1u << 5);
    g_assert_cmpint(decode(X86_MODE_64, 0, "f3480fb8c1", &popcnt, &length), ==, X86_DECODE_INVALID);
    decode(X86_MODE_64, 0, "f3480fbdc1", &lzcnt, &length);
    g_assert_true(lzcnt.handler == bsr.handler);
    diff_features = all;
}

/* Any bytes at all decode to something that has a handler, in every mode. */
static void test_random_bytes(void)
{
    static const uint32_t modes[] = { X86_MODE_16, X86_MODE_32 | X86_MODE_PE, X86_MODE_64 | X86_MODE_PE,
                                      X86_MODE_32 | X86_MODE_PE | X86_MODE_FLAT };
    for (unsigned i = 0; i < 200000; i++) {
        struct x86_decode_context ctx = { .mode = modes[i % 4], .features = &diff_features, .offset = i % 200 };
        struct x86_insn insn;
        uint8_t bytes[16];
        unsigned length, available = diff_random_word() % 16;
        for (unsigned k = 0; k < 16; k += 8) {
            uint64_t word = diff_random_word();
            memcpy(bytes + k, &word, 8);
        }
        if (i & 8) {
            bytes[0] = 0x0f;
        }
        enum x86_decode_result result = x86_decode(&ctx, bytes, available, &insn, &length);
        g_assert_nonnull(insn.handler);
        g_assert_cmpuint(length, <=, available);
        if (result == X86_DECODE_OK || result == X86_DECODE_LAST) {
            g_assert_cmpuint(insn.next, ==, ctx.offset + length);
            g_assert_cmpuint(insn.base, <, X86_REGS);
            g_assert_cmpuint(insn.index, <, X86_REGS);
            g_assert_cmpuint(insn.seg, <, S_SLOTS);
        }
    }
}

static void test_disassembly(void)
{
    static const uint8_t bytes[] = { 0x48, 0x8b, 0x04, 0xd9 };
    char text[96];
    x86_disassemble(X86_MODE_64, bytes, sizeof(bytes), 0, text, sizeof(text));
    g_assert_cmpstr(text, ==, "mov rax, [rcx+rbx*8]");
    x86_disassemble(X86_MODE_64, bytes, 1, 0, text, sizeof(text));
    g_assert_cmpstr(text, ==, "(bad)");
}

/* Real mode: segments reach into the bench's data. */
static void enter_real_mode(void)
{
    diff_cpu->mode = X86_MODE_16;
    for (unsigned i = 0; i < S_COUNT; i++) {
        diff_cpu->segs[i] = (struct x86_segment) { .base = DIFF_DATA, .limit = 0xffff,
                                                   .flags = SEG_P | SEG_S | SEG_RW };
    }
}

static void leave_real_mode(void)
{
    diff_set_32bit(false);
}

static void run(const char *hex, struct diff_state *state)
{
    uint8_t bytes[32];
    unsigned count = strlen(hex) / 2;
    struct diff_state in = *state;
    for (unsigned i = 0; i < count; i++) {
        bytes[i] = g_ascii_xdigit_value(hex[2 * i]) << 4 | g_ascii_xdigit_value(hex[2 * i + 1]);
    }
    diff_run_ours(bytes, count, &in, state);
}

static void test_real_mode(void)
{
    struct diff_state state;
    enter_real_mode();

    diff_state_randomize(&state);
    memset(diff_memory(), 0, DIFF_DATA_SIZE);
    diff_memory()[0x10] = 0x34;
    diff_memory()[0x11] = 0x12;
    diff_memory_sync();
    state.regs[R_RBX] = 0xabcd0000fff0;
    state.regs[R_RSI] = 0xffff00000020;
    state.regs[R_RAX] = 0x1111111111111111;
    run("8b00", &state); /* mov ax, [bx+si]: wraps at 64 KiB; only AX changes */
    g_assert_cmpint(state.exception, ==, -1);
    g_assert_cmphex(state.regs[R_RAX], ==, 0x1111111111111234);

    state.regs[R_RBX] = 0xffff;
    run("8b07", &state); /* mov ax, [0xffff]: over the limit */
    g_assert_cmpint(state.exception, ==, EXCP_GP);
    state.regs[R_RBP] = 0xffff;
    run("8b4600", &state); /* mov ax, [bp]: the same in SS */
    g_assert_cmpint(state.exception, ==, EXCP_SS);

    state.rip = 0x100;
    state.regs[R_RSP] = 0xdddd0010;
    run("50", &state); /* push ax: SP only, the rest of ESP stays */
    g_assert_cmpint(state.exception, ==, -1);
    g_assert_cmphex(state.regs[R_RSP], ==, 0xdddd000e);
    run("6659", &state); /* pop ecx */
    g_assert_cmphex((uint32_t)state.regs[R_RCX], ==, 0x12341234);
    g_assert_cmphex(state.regs[R_RSP], ==, 0xdddd0012);

    state.rip = 0xfffe;
    run("eb10", &state); /* jmp over the end of the segment: IP is cut to 16 bits */
    g_assert_cmphex(state.rip, ==, 0x10);
    state.rip = 0xfff0;
    run("66e910000000", &state); /* a 32-bit jump there is beyond the limit */
    g_assert_cmpint(state.exception, ==, EXCP_GP);
    state.rip = 0x100;
    state.regs[R_RSP] = 8;
    run("60", &state); /* PUSHA wraps to 0xfffe, beyond the bench's data: probed before the first word is stored */
    g_assert_cmpint(state.exception, ==, EXCP_PF);
    g_assert_cmphex(state.regs[R_RSP], ==, 8);
    leave_real_mode();
}

/* Protected mode with segments that are not flat. */
static void test_segments(void)
{
    struct diff_state state;
    struct x86_segment *ds;

    enter_real_mode();
    ds = &diff_cpu->segs[S_DS];
    diff_cpu->mode = X86_MODE_32 | X86_MODE_PE | X86_MODE_SS32;
    diff_state_randomize(&state);
    state.regs[R_RBX] = 0xff0;
    ds->limit = 0xff3;
    run("8903", &state); /* mov [ebx], eax */
    g_assert_cmpint(state.exception, ==, -1);
    ds->limit = 0xff2;
    run("8903", &state);
    g_assert_cmpint(state.exception, ==, EXCP_GP);
    ds->flags |= SEG_EXPAND_DOWN | SEG_B; /* valid above the limit now */
    ds->limit = 0xfef;
    run("8903", &state);
    g_assert_cmpint(state.exception, ==, -1);
    ds->limit = 0xff0;
    run("8903", &state);
    g_assert_cmpint(state.exception, ==, EXCP_GP);
    *ds = (struct x86_segment) { .base = DIFF_DATA, .limit = 0xffff, .flags = SEG_P | SEG_S };
    run("8b03", &state); /* read only */
    g_assert_cmpint(state.exception, ==, -1);
    run("8903", &state);
    g_assert_cmpint(state.exception, ==, EXCP_GP);
    run("0003", &state); /* add [ebx], al */
    g_assert_cmpint(state.exception, ==, EXCP_GP);
    ds->flags = 0; /* null selector */
    run("8b03", &state);
    g_assert_cmpint(state.exception, ==, EXCP_GP);
    leave_real_mode();
}

/* Faults commit nothing: an instruction of each memory form, at an address that is not there. */
static void test_commitment(void)
{
    static const char *const cases[] = {
        "0103", "0303", "4803430c", "830301", "f0480103", "1103", "ff03", "f0ff03", "8703", "0fc103", "0fb103",
        "d123", "0fa40305", "f733", "f72b", "0fab03", "ff33", "8f03", "0fb603", "0f4703", "0f9203", "0fbc03",
        "480fc70b", "0fc70b", "d7", "ff13", "ff23", "0fc303",
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct diff_state in, out;
        diff_state_randomize(&in);
        in.regs[R_RBX] = 0x10;
        out = in;
        run(cases[i], &out);
        g_assert_cmpint(out.exception, ==, EXCP_PF);
        g_assert_cmpmem(in.regs, sizeof(in.regs), out.regs, sizeof(out.regs));
        g_assert_cmphex(in.rflags & DIFF_FLAGS, ==, out.rflags & DIFF_FLAGS);
    }
}

/* REP stops between pieces when someone wants the vCPU, and goes on from there. */
static void test_rep_interrupted(void)
{
    struct diff_state state;
    diff_memory_randomize();
    diff_state_randomize(&state);
    state.regs[R_RDI] = DIFF_DATA;
    state.regs[R_RCX] = 0x1800;
    state.rflags &= ~(uint64_t)EFLAGS_DF;
    diff_cpu->exit_request = 1;
    run("f3aa", &state); /* rep stosb */
    g_assert_cmphex(state.rip, ==, DIFF_ENTRY);
    g_assert_cmphex(state.regs[R_RCX], ==, 0x800);
    g_assert_cmphex(state.regs[R_RDI], ==, DIFF_DATA + 0x1000);
    run("f3aa", &state);
    g_assert_cmphex(state.rip, ==, DIFF_ENTRY + 2);
    g_assert_cmphex(state.regs[R_RCX], ==, 0);
    diff_cpu->exit_request = 0;
}

/* Random bytes, behind prefixes and opcode maps that make them reach far into the tables. */
static void random_code(uint8_t *bytes)
{
    static const uint8_t prefixes[] = { 0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x64, 0x65, 0x2e, 0x48, 0x41, 0x4d };
    unsigned n = 0;
    for (unsigned i = 0; i < 16; i += 8) {
        uint64_t word = diff_random_word();
        memcpy(bytes + i, &word, 8);
    }
    while (n < 3 && diff_random_word() % 3 == 0) {
        bytes[n++] = prefixes[diff_random_word() % G_N_ELEMENTS(prefixes)];
    }
    switch (diff_random_word() % 6) {
    case 0:
        bytes[n++] = 0x0f;
        bytes[n++] = diff_random_word() % 2 ? 0x38 : 0x3a;
        break;
    case 1:
    case 2:
        bytes[n++] = 0x0f;
        break;
    case 3:
        bytes[n++] = 0xd8 + diff_random_word() % 8;
        break;
    }
}

/* 16-bit protected mode, segments that are not flat. */
static void set_16bit(void)
{
    for (unsigned i = 0; i < S_COUNT; i++) {
        diff_cpu->segs[i].base = DIFF_DATA - 0x100;
        diff_cpu->segs[i].limit = 0x3fff;
        diff_cpu->segs[i].flags &= ~(SEG_B | SEG_L);
    }
    x86_cpu_update_mode(diff_cpu);
}

/* Registers that mostly point into the data, offset by the segments' base. */
static void random_pointers(struct diff_state *state)
{
    for (unsigned i = 0; i < 16; i++) {
        if (diff_random_word() % 4) {
            state->regs[i] = diff_random_address(64) - diff_cpu->segs[S_DS].base;
        }
    }
    state->regs[R_RCX] &= 0xffff; /* REP ends some time */
}

static unsigned execute_random(unsigned count)
{
    struct x86_cpu saved = *diff_cpu;
    unsigned ran = 0;

    for (unsigned i = 0; i < count; i++) {
        struct x86_decode_context ctx = { .mode = saved.mode, .features = &diff_features };
        struct diff_state in, out;
        struct x86_insn insn;
        uint8_t bytes[16];
        unsigned length;

        random_code(bytes);
        enum x86_decode_result result = x86_decode(&ctx, bytes, 15, &insn, &length);
        if (result != X86_DECODE_OK && result != X86_DECODE_LAST) {
            continue;
        }
        *diff_cpu = saved;
        diff_state_randomize(&in);
        random_pointers(&in);
        diff_run_ours(bytes, length, &in, &out);
        g_assert_cmpint(out.exception, >=, -1);
        g_assert_cmpint(out.exception, <=, EXCP_XM);
        g_assert_cmpuint(diff_cpu->cc_op, <=, CC_OP_EFLAGS);
        g_assert_cmpuint(diff_cpu->fpu.top, <, 8);
        g_assert_cmpuint(diff_cpu->regs[R_ZERO], ==, 0);
        g_assert_cmpuint(diff_cpu->cpl, ==, 3);
        ran++;
    }
    *diff_cpu = saved;
    return ran;
}

/*
 * A hostile user program: whatever it executes ends in a next instruction or an exception, and the state stays sane.
 */
static void test_random_execution(void)
{
    g_assert_cmpuint(execute_random(100000), >, 10000);
    if (diff_set_32bit(true)) {
        g_assert_cmpuint(execute_random(100000), >, 10000);
    }
    diff_set_32bit(false);
    set_16bit();
    g_assert_cmpuint(execute_random(100000), >, 10000);
    diff_set_32bit(false);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    diff_bench_init();
    g_test_add_func("/decode/flag-use", test_flag_use);
    g_test_add_func("/decode/memory-operand", test_memory_operand);
    g_test_add_func("/decode/branches", test_branches);
    g_test_add_func("/decode/lengths", test_lengths);
    g_test_add_func("/decode/invalid", test_invalid);
    g_test_add_func("/decode/features", test_features);
    g_test_add_func("/decode/random-bytes", test_random_bytes);
    g_test_add_func("/decode/disassembly", test_disassembly);
    g_test_add_func("/decode/real-mode", test_real_mode);
    g_test_add_func("/decode/segments", test_segments);
    g_test_add_func("/decode/commitment", test_commitment);
    g_test_add_func("/decode/rep-interrupted", test_rep_interrupted);
    g_test_add_func("/decode/random-execution", test_random_execution);
    return g_test_run();
}
