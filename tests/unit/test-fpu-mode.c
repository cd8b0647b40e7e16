/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When x87, MMX and SSE instructions are refused: CR0.EM, CR0.TS, CR0.MP, CR4.OSFXSR, CR4.OSXMMEXCPT, CR4.OSXSAVE and
 * CPUID (Intel SDM volume 3A, tables 2-2 and 13-1; volume 1, 13.3). And what the images hold outside 64-bit mode.
 */
#include <string.h>

#include "accel/tcg/mem.h"
#include "diff-float.h"
#include "target/i386/decode.h"
#include "target/i386/fpu.h"

enum { RUNS = -1 };

static unsigned parse(const char *hex, uint8_t *bytes)
{
    unsigned length = strlen(hex) / 2;
    for (unsigned i = 0; i < length; i++) {
        bytes[i] = g_ascii_xdigit_value(hex[2 * i]) << 4 | g_ascii_xdigit_value(hex[2 * i + 1]);
    }
    return length;
}

/*
 * The exception that `hex` ends in, under these control registers; the mode bits follow from them as in the run
 * loop.
 */
static int run(const char *hex, uint64_t cr0, uint64_t cr4, struct diff_state *state)
{
    uint8_t bytes[32];
    unsigned length = parse(hex, bytes);
    uint64_t old_cr0 = diff_cpu->cr0, old_cr4 = diff_cpu->cr4;
    uint32_t old_mode = diff_cpu->mode;
    bool no_fpu = cr0 & (CR0_EM | CR0_TS);

    diff_cpu->cr0 = cr0;
    diff_cpu->cr4 = cr4;
    diff_cpu->mode &= ~(uint32_t)X86_MODE_CR4_OSXSAVE;
    diff_cpu->mode |= (no_fpu ? X86_MODE_NOFPU : 0) | (no_fpu || !(cr4 & CR4_OSFXSR) ? X86_MODE_NOSSE : 0) |
                      (cr4 & CR4_OSXSAVE ? X86_MODE_CR4_OSXSAVE : 0);
    diff_run_ours(bytes, length, state, state);
    diff_cpu->cr0 = old_cr0;
    diff_cpu->cr4 = old_cr4;
    diff_cpu->mode = old_mode;
    return state->exception;
}

static void fresh(struct diff_state *state)
{
    diff_bench_init();
    diff_state_randomize(state);
    state->regs[R_RDI] = DIFF_DATA + 0x400;
    state->regs[R_RAX] = 3;
    state->regs[R_RDX] = 0;
    memset(diff_memory() + 0x400, 0, 1024);
    diff_memory_sync();
}

struct availability {
    const char *name, *hex;
    int none, ts, em, no_osfxsr; /* exceptions: with nothing set, CR0.TS, CR0.EM, CR4.OSFXSR clear */
};

static void test_control_registers(void)
{
    static const struct availability cases[] = {
        { "fld1", "d9e8", RUNS, EXCP_NM, EXCP_NM, RUNS },
        { "fninit", "dbe3", RUNS, EXCP_NM, EXCP_NM, RUNS },
        { "fnstcw", "d93f", RUNS, EXCP_NM, EXCP_NM, RUNS },
        { "fwait", "9b", RUNS, EXCP_NM, RUNS, RUNS },
        { "paddb mm0, mm1", "0ffcc1", RUNS, EXCP_NM, EXCP_UD, RUNS },
        { "emms", "0f77", RUNS, EXCP_NM, EXCP_UD, RUNS },
        { "paddb xmm0, xmm1", "660ffcc1", RUNS, EXCP_NM, EXCP_UD, EXCP_UD },
        { "addps xmm0, xmm1", "0f58c1", RUNS, EXCP_NM, EXCP_UD, EXCP_UD },
        { "cvtpi2ps xmm0, mm1", "0f2ac1", RUNS, EXCP_NM, EXCP_UD, EXCP_UD },
        { "stmxcsr [rdi]", "0fae1f", RUNS, EXCP_NM, EXCP_UD, EXCP_UD },
        { "movnti [rdi], eax", "0fc307", RUNS, RUNS, RUNS, RUNS },
        { "crc32 eax, ecx", "f20f38f1c1", RUNS, RUNS, RUNS, RUNS },
        { "fxsave [rdi]", "0fae07", RUNS, EXCP_NM, EXCP_NM, RUNS },
        { "fxrstor [rdi]", "0fae0f", RUNS, EXCP_NM, EXCP_NM, RUNS },
        { "xsave [rdi]", "0fae27", RUNS, EXCP_NM, RUNS, RUNS },
        { "xrstor [rdi]", "0fae2f", RUNS, EXCP_NM, RUNS, RUNS },
    };
    const uint64_t cr0 = CR0_PE | CR0_PG | CR0_NE | CR0_MP | CR0_ET;
    const uint64_t cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_PAE;
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        const struct availability *c = &cases[i];
        struct diff_state state;
        g_test_message("%s", c->name);
        fresh(&state);
        g_assert_cmpint(run(c->hex, cr0, cr4, &state), ==, c->none);
        fresh(&state);
        g_assert_cmpint(run(c->hex, cr0 | CR0_TS, cr4, &state), ==, c->ts);
        fresh(&state);
        g_assert_cmpint(run(c->hex, (cr0 & ~(uint64_t)CR0_MP) | CR0_EM, cr4, &state), ==, c->em);
        fresh(&state);
        g_assert_cmpint(run(c->hex, cr0, cr4 & ~(uint64_t)CR4_OSFXSR, &state), ==, c->no_osfxsr);
    }
}

static void test_wait_without_mp(void)
{
    struct diff_state state;
    fresh(&state);
    g_assert_cmpint(run("9b", CR0_PE | CR0_PG | CR0_TS, CR4_PAE, &state), ==, RUNS);
}

/*
 * An unmasked division by zero: #XM, or #UD if the operating system does not know #XM; MXCSR has the flag, XMM0 is
 * kept.
 */
static void test_unmasked_sse(void)
{
    struct diff_state state, before;
    const uint32_t mxcsr = 0x1f80 & ~0x200u;
    const float numbers[2] = { 1.0f, 0.0f };
    for (unsigned i = 0; i < 2; i++) {
        fresh(&state);
        memcpy(state.fx + 24, &mxcsr, 4);
        memcpy(state.fx + 160, &numbers[0], 4);
        memcpy(state.fx + 176, &numbers[1], 4);
        before = state;
        uint64_t cr4 = CR4_OSFXSR | CR4_PAE | (i ? CR4_OSXMMEXCPT : 0);
        g_assert_cmpint(run("f30f5ec1", CR0_PE | CR0_PG | CR0_NE, cr4, &state), ==, i ? EXCP_XM : EXCP_UD);
        g_assert_cmpuint(state.fx[24], ==, 0x84);
        g_assert_cmpmem(state.fx + 160, 256, before.fx + 160, 256);
        g_assert_cmpuint(state.rip, ==, before.rip);
    }
}

static void test_osxsave(void)
{
    struct diff_state state;
    fresh(&state);
    g_assert_cmpint(run("0fae27", CR0_PE | CR0_PG, CR4_OSFXSR | CR4_PAE, &state), ==, EXCP_UD);
}

/* XCR0: x87 always, SSE at will, nothing else; privileged to write. */
static void test_xcr0(void)
{
    static const struct {
        uint64_t index, value;
        uint8_t cpl;
        int exception;
    } cases[] = {
        { 0, 3, 0, RUNS },    { 0, 1, 0, RUNS },    { 0, 0, 0, EXCP_GP },          { 0, 2, 0, EXCP_GP },
        { 0, 7, 0, EXCP_GP }, { 1, 3, 0, EXCP_GP }, { 0, 1ull << 32 | 3, 0, EXCP_GP }, { 0, 3, 3, EXCP_GP },
    };
    const uint64_t cr0 = CR0_PE | CR0_PG, cr4 = CR4_OSXSAVE | CR4_OSFXSR;
    struct diff_state state;
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        diff_cpu->cpl = cases[i].cpl;
        diff_cpu->xcr0 = 1;
        fresh(&state);
        state.regs[R_RCX] = cases[i].index;
        state.regs[R_RAX] = (uint32_t)cases[i].value;
        state.regs[R_RDX] = cases[i].value >> 32;
        g_assert_cmpint(run("0f01d1", cr0, cr4, &state), ==, cases[i].exception);
        g_assert_cmphex(diff_cpu->xcr0, ==, cases[i].exception == RUNS ? cases[i].value : 1);
    }
    diff_cpu->cpl = 3;
    diff_cpu->xcr0 = 3;
    fresh(&state);
    state.regs[R_RCX] = 0;
    g_assert_cmpint(run("0f01d0", cr0, cr4, &state), ==, RUNS);
    g_assert_cmphex(state.regs[R_RAX], ==, 3);
    g_assert_cmphex(state.regs[R_RDX], ==, 0);
    fresh(&state);
    state.regs[R_RCX] = 2;
    g_assert_cmpint(run("0f01d0", cr0, cr4, &state), ==, EXCP_GP);
    g_assert_cmpint(run("0f01d0", cr0, cr4 & ~(uint64_t)CR4_OSXSAVE, &state), ==, EXCP_UD);
}

/* What CPUID does not list is undefined; AVX is never there. */
static void test_cpuid(void)
{
    static const struct {
        const char *hex;
        uint8_t word, bit;
    } cases[] = {
        { "d9e8", FEAT_1_EDX, 0 }, { "0ffcc1", FEAT_1_EDX, 23 }, { "0f58c1", FEAT_1_EDX, 25 },
        { "660ffcc1", FEAT_1_EDX, 26 }, { "f20fd0c1", FEAT_1_ECX, 0 }, { "660f3800c1", FEAT_1_ECX, 9 },
        { "660f3a0fc103", FEAT_1_ECX, 9 }, { "660f3817c1", FEAT_1_ECX, 19 }, { "660f3a0cc101", FEAT_1_ECX, 19 },
        { "660f3837c1", FEAT_1_ECX, 20 }, { "f20f38f1c1", FEAT_1_ECX, 20 }, { "660f38dcc1", FEAT_1_ECX, 25 },
        { "660f3a44c100", FEAT_1_ECX, 1 }, { "0fae27", FEAT_1_ECX, 26 }, { "0fae37", FEAT_XSAVE_EAX, 0 },
        { "dd0f", FEAT_1_ECX, 0 }, { "0fae07", FEAT_1_EDX, 24 },
    };
    const uint64_t cr0 = CR0_PE | CR0_PG | CR0_NE, cr4 = CR4_OSFXSR | CR4_OSXSAVE | CR4_PAE;
    struct diff_state state;
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].hex);
        fresh(&state);
        g_assert_cmpint(run(cases[i].hex, cr0, cr4, &state), ==, RUNS);
        diff_features.words[cases[i].word] &= ~(1u << cases[i].bit);
        fresh(&state);
        g_assert_cmpint(run(cases[i].hex, cr0, cr4, &state), ==, EXCP_UD);
        diff_features.words[cases[i].word] |= 1u << cases[i].bit;
    }
    fresh(&state);
    g_assert_cmpint(run("c5f858c1", cr0, cr4, &state), ==, EXCP_UD); /* vaddps xmm0, xmm0, xmm1 */
    fresh(&state);
    g_assert_cmpint(run("0fc727", cr0, cr4, &state), ==, EXCP_UD); /* xsavec [rdi] */
}

/* Our side's copy of what fresh() points RDI at. */
static const uint8_t *our_data(void)
{
    uint64_t va = DIFF_DATA + 0x400;
    return (const uint8_t *)(uintptr_t)(tlb_entry(diff_cpu, MMU_USER, va)->addend + va);
}

/* FXSAVE saves eight XMM registers in 32-bit mode, and none with EFER.FFXSR in 64-bit mode at CPL 0. */
static void test_fxsave_registers(void)
{
    static const uint8_t untouched[128];
    const uint8_t *data = our_data();
    const uint64_t cr0 = CR0_PE | CR0_PG | CR0_NE, cr4 = CR4_OSFXSR | CR4_PAE;
    const uint32_t mode = diff_cpu->mode;
    struct diff_state state;

    fresh(&state);
    diff_cpu->mode = (mode & ~X86_MODE_BITS) | X86_MODE_32 | X86_MODE_FLAT;
    g_assert_cmpint(run("0fae07", cr0, cr4, &state), ==, RUNS);
    diff_cpu->mode = mode;
    g_assert_cmpmem(data + 160, 128, state.fx + 160, 128);
    g_assert_cmpmem(data + 288, 128, untouched, 128);

    fresh(&state);
    diff_cpu->efer |= EFER_FFXSR;
    diff_cpu->cpl = 0;
    g_assert_cmpint(run("0fae07", cr0, cr4, &state), ==, RUNS);
    diff_cpu->efer &= ~(uint64_t)EFER_FFXSR;
    diff_cpu->cpl = 3;
    g_assert_cmpmem(data + 160, 128, untouched, 128);
    g_assert_cmpmem(data + 24, 4, state.fx + 24, 4);
}

/* The pointers of the last instruction: of its kind, not of control instructions. */
static void test_last_instruction(void)
{
    struct diff_state state;
    const uint8_t *data = our_data();
    uint64_t ip, dp;
    uint16_t opcode;

    fresh(&state);
    /* nop; fld qword [rdi+8]; fnstcw [rdi]; fxsave64 [rdi] */
    g_assert_cmpint(run("90dd4708d93f480fae07", CR0_PE | CR0_PG | CR0_NE, CR4_OSFXSR | CR4_PAE, &state), ==, RUNS);
    memcpy(&opcode, data + 6, 2);
    memcpy(&ip, data + 8, 8);
    memcpy(&dp, data + 16, 8);
    g_assert_cmphex(opcode, ==, 0x547);
    g_assert_cmphex(ip, ==, DIFF_ENTRY + 1);
    g_assert_cmphex(dp, ==, state.regs[R_RDI] + 8);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    diff_bench_init();
    g_test_add_func("/fpu-mode/control-registers", test_control_registers);
    g_test_add_func("/fpu-mode/wait-without-mp", test_wait_without_mp);
    g_test_add_func("/fpu-mode/unmasked-sse", test_unmasked_sse);
    g_test_add_func("/fpu-mode/osxsave", test_osxsave);
    g_test_add_func("/fpu-mode/xcr0", test_xcr0);
    g_test_add_func("/fpu-mode/cpuid", test_cpuid);
    g_test_add_func("/fpu-mode/fxsave-registers", test_fxsave_registers);
    g_test_add_func("/fpu-mode/last-instruction", test_last_instruction);
    return g_test_run();
}
