/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bench that runs instructions on the host CPU and through x86_decode() and our handlers, from the same state, and
 * compares what comes out: registers, flags, FXSAVE image, memory, the exception raised.
 *
 * Both sides see the same addresses: data at DIFF_DATA (guard pages around it), code at DIFF_CODE. Our side's
 * accesses go to a copy, through TLB entries that lead there. The host side ends in INT3 wherever it goes next, or in
 * a fault; a signal handler takes the state. Link with -Wl,--allow-multiple-definition: the bench brings its
 * own slow paths and x86_raise().
 */
#ifndef FERRY_TESTS_UNIT_DIFF_BENCH_H
#define FERRY_TESTS_UNIT_DIFF_BENCH_H

#include "target/i386/cpu.h"

#define DIFF_CODE 0x20000000ull  /* one page */
#define DIFF_ENTRY (DIFF_CODE + 0x800)
#define DIFF_DATA 0x20010000ull
#define DIFF_DATA_SIZE 0x4000ull
#define DIFF_FLAGS (EFLAGS_ARITH | EFLAGS_DF)

struct diff_state {
    uint8_t fx[512] __attribute__((aligned(64))); /* as FXSAVE64 writes it */
    uint64_t regs[16];
    uint64_t rip;
    uint64_t rflags; /* only DIFF_FLAGS matter */
    uint64_t gs_base;
    int exception; /* out: vector, or -1 */
};

/* What a comparison leaves out. */
struct diff_ignore {
    uint32_t flags;    /* EFLAGS bits that the instruction leaves undefined */
    uint32_t flags_if_fault; /* and these if it raises an exception */
    uint32_t x87_status; /* FSW bits likewise */
    uint32_t mxcsr;      /* MXCSR bits likewise */
    bool x87_registers; /* contents of ST(i) and tags */
};

/* A fresh CPU with every feature on, in 64-bit user mode. */
void diff_bench_init(void);
extern struct x86_cpu *diff_cpu;
extern struct x86_features diff_features;

/*
 * From now on 32-bit code (compatibility mode at the host's side) or 64-bit code again. False: the host's kernel has
 * no 32-bit segments. Registers are then compared in their low halves.
 */
bool diff_set_32bit(bool on);

/* Deterministic; often a corner case (0, 1, -1, sign bits, small numbers). */
uint64_t diff_random(void);
uint64_t diff_random_word(void); /* evenly distributed */
/*
 * Random registers and flags; RSP in the middle of the data, RIP at DIFF_ENTRY; FPU and SSE as after FNINIT, XMM
 * random.
 */
void diff_state_randomize(struct diff_state *state);
/* An address in the data with room for `size` bytes. */
uint64_t diff_random_address(unsigned size);
/* Fills the data with random bytes, the same on both sides. */
void diff_memory_randomize(void);
uint8_t *diff_memory(void); /* host side's; changes must be followed by diff_memory_sync() */
void diff_memory_sync(void);

/* Each runs `bytes` (straight-line code; a branch must be last) from *in. */
void diff_run_host(const uint8_t *bytes, unsigned length, const struct diff_state *in, struct diff_state *out);
void diff_run_ours(const uint8_t *bytes, unsigned length, const struct diff_state *in, struct diff_state *out);

/*
 * Runs both and compares; on a difference prints a report and fails the test (g_test_fail). Memory is made the same
 * again afterwards. False if they differ. `out` (may be NULL) receives the host's outcome.
 */
bool diff_check(const uint8_t *bytes, unsigned length, const struct diff_state *in, const struct diff_ignore *ignore,
                struct diff_state *out);
/* diff_check() on `count` random states; `bytes` as hex text. */
void diff_check_hex(const char *hex, unsigned count, const struct diff_ignore *ignore);

#endif
