/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks of the software CPU, and how one leads into the next without a return to the run loop.
 *
 * A direct branch whose successor is linked, and an indirect one that the jump cache knows, go there by a tail call,
 * on the same conditions as the run loop (run_chain() in accel/tcg/run-loop.c): nobody asks for attention, the count
 * of instructions is below the limit, and the successor was decoded under this mode and is not dropped. The limit is
 * 0 where blocks run one by one. Links never leave the linear page that they begin on, so block_pc is set where
 * another page may begin.
 */
#ifndef FERRY_ACCEL_TCG_CHAIN_H
#define FERRY_ACCEL_TCG_CHAIN_H

#include "target/i386/insn.h"

struct code_page;

/* A run of decoded instructions; never changes but for `mode`, `link` and, once dropped, the handlers. */
struct tcg_block {
    const uint8_t *host;      /* the first byte; NULL: not in RAM */
    const uint8_t *host2;     /* page of the last byte if that is another one, else NULL */
    struct tcg_block *hash_next;
    struct tcg_block *page_next[2];
    struct code_page *pages[2];
    /* From here to the first instruction: one cache line (block.c places blocks so), all that running looks at. */
    uint32_t mode;            /* X86_MODE_* it was decoded under, or BLOCK_DROPPED; atomic */
    uint16_t count;           /* instructions */
    uint16_t bytes;
    /* direct successors on the same page; atomic, checked against cpu->mode when followed */
    struct tcg_block *link[2];
    struct x86_insn insns[];  /* count, and one more that leaves the block */
};
_Static_assert(offsetof(struct tcg_block, mode) == 56 && offsetof(struct tcg_block, insns) == 80,
               "see BLOCK_START in accel/tcg/internal.h");

/* Two halves by the address's top bit: a flush that spares global pages spares the kernel's half. */
#define JUMP_HALF 4096u
struct jump_entry {
    uint64_t pc; /* linear */
    struct tcg_block *block;
};

static inline unsigned jump_index(uint64_t pc)
{
    return (pc >> 63) * JUMP_HALF | ((pc >> 12 ^ pc >> 18) & 63) << 6 | ((pc ^ pc >> 6) & 63);
}

/* Somebody wants this vCPU's attention between two blocks. */
static inline bool x86_attention(const struct x86_cpu *cpu)
{
    const uint64_t *both = (const uint64_t *)(const void *)&cpu->interrupt_request;
    return __builtin_expect(__atomic_load_n(both, __ATOMIC_RELAXED) != 0, 0);
}
_Static_assert(offsetof(struct x86_cpu, interrupt_request) % 8 == 0 &&
               offsetof(struct x86_cpu, exit_request) == offsetof(struct x86_cpu, interrupt_request) + 4,
               "x86_attention() reads both at once");

/* Begins a block: what a fault or an event in it needs to know. Returns its first instruction. */
static inline const struct x86_insn *tcg_block_begin(struct x86_cpu *cpu, struct tcg_block *block)
{
    cpu->block = block;
    cpu->instructions += block->count;
    cpu->insn = block->insns;
    return block->insns;
}

/*
 * The end of a block, the last thing that its last handler does. FERRY_TAIL_CALLS is defined in builds whose calls in
 * that place do not grow the stack; in others all goes back to the run loop.
 */
#ifdef FERRY_TAIL_CALLS
#define TCG_TAIL_CALLS 1
#else
#define TCG_TAIL_CALLS 0
#endif

/* Nobody asks for attention, and the limit is not reached. */
static inline __attribute__((always_inline)) bool tcg_may_go_on(const struct x86_cpu *cpu)
{
    return cpu->instructions < cpu->chain_limit && !x86_attention(cpu);
}

static inline __attribute__((always_inline)) bool tcg_block_fits(const struct x86_cpu *cpu,
                                                                 const struct tcg_block *block)
{
    return block && __atomic_load_n(&block->mode, __ATOMIC_RELAXED) == cpu->mode;
}

/* By a direct branch: slot 0, not taken, or 1. */
static inline __attribute__((always_inline)) void tcg_leave_block(struct x86_cpu *cpu, uint64_t rip, unsigned slot)
{
    cpu->regs[R_RIP] = rip;
    if (TCG_TAIL_CALLS && tcg_may_go_on(cpu)) {
        struct tcg_block *next = __atomic_load_n(&cpu->block->link[slot], __ATOMIC_ACQUIRE);
        if (tcg_block_fits(cpu, next)) {
            const struct x86_insn *insn = tcg_block_begin(cpu, next);
            return X86_HANDLER(insn)(cpu, insn);
        }
    }
    cpu->exit_slot = slot;
}

/* By a branch to any address, in 64-bit mode. */
static inline __attribute__((always_inline)) void tcg_leave_block_to(struct x86_cpu *cpu, uint64_t rip)
{
    cpu->regs[R_RIP] = rip;
    if (TCG_TAIL_CALLS && tcg_may_go_on(cpu)) {
        const struct jump_entry *jump = &cpu->jump[jump_index(rip)];
        if (jump->pc == rip && tcg_block_fits(cpu, jump->block)) {
            const struct x86_insn *insn = tcg_block_begin(cpu, jump->block);
            cpu->block_pc = rip;
            return X86_HANDLER(insn)(cpu, insn);
        }
    }
    cpu->exit_slot = 2;
}

#endif
