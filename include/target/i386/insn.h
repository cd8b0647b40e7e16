/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A decoded instruction, and how handlers run.
 *
 * A block is an array of struct x86_insn ended by one whose handler leaves the block. Handlers call each other:
 * each ends in X86_NEXT(), a tail call in optimized builds and a bounded recursion (a block has at most
 * X86_BLOCK_INSNS instructions) in others.
 *
 * The rule of commitment: a handler does all that can fault (loads, checks, store probes) before it changes
 * registers, flags or memory, so that x86_raise() may leave it at any such point. Stores are the last thing that can
 * fault: `store; then commit registers and flags`. RIP is committed by block ends only; between them the current
 * instruction is cpu->insn and its address regs[R_RIP] + insn->offset.
 */
#ifndef FERRY_TARGET_I386_INSN_H
#define FERRY_TARGET_I386_INSN_H

#include "target/i386/cpu.h"

typedef void x86_handler(struct x86_cpu *cpu, const struct x86_insn *insn);

#define X86_BLOCK_INSNS 32
#define X86_BLOCK_BYTES 240 /* offsets fit in a byte; a block never crosses a page except by its last instruction */

struct x86_insn {
    x86_handler *handler;
    /* immediate, sign-extended; direct branch: displacement from the block's start (target - R_RIP) */
    int64_t imm;
    int32_t disp;     /* displacement of the memory operand; RIP-relative: already relative to the block's start */
    /* general registers: byte offset into cpu->regs (AH..BH: + 1); XMM, MMX, x87, seg, CR, DR: number */
    uint8_t dst, src;
    /* EA = ((regs[base] + (regs[index] << scale) + disp) & mask(asize)) + segs[seg].base */
    uint8_t base, index, scale, seg;
    uint8_t offset, next; /* of this and of the next instruction, from the block's start */
    uint8_t opsize;   /* log2 of the operand size in bytes */
    uint8_t flags;    /* X86_INSN_* */
    uint8_t flag_use; /* enum x86_flag_use */
};
_Static_assert(sizeof(struct x86_insn) == 32, "two instructions a cache line");

/*
 * What becomes of CF and OF, for instructions that cannot fault, stop or be stopped; of any other nothing is known.
 */
enum x86_flag_use {
    X86_FLAGS_UNKNOWN,
    X86_FLAGS_KEPT /* and not read */,
    X86_FLAGS_SET /* both, and not read before */
};

#define X86_INSN_LOCK 0x01
#define X86_INSN_REP 0x02   /* F3 */
#define X86_INSN_REPNE 0x04 /* F2 */
#define X86_INSN_ADDR32 0x08 /* 32-bit addresses: wrap at 4 GiB */
#define X86_INSN_ADDR16 0x10
#define X86_INSN_MEM 0x20   /* has a memory operand */
#define X86_INSN_SEG_BASE 0x40 /* the segment's base may be non-zero: add it (and in 16/32-bit modes check limits) */
#define X86_INSN_WRITE 0x80    /* the memory operand is written (perhaps read as well) */

/* Another vCPU may drop the block meanwhile, which overwrites its handlers (accel/tcg/block.c). */
#define X86_HANDLER(insn) __atomic_load_n(&(insn)->handler, __ATOMIC_RELAXED)
#define X86_NEXT(cpu, insn)                         \
    do {                                            \
        const struct x86_insn *next_ = (insn) + 1;  \
        (cpu)->insn = next_;                        \
        return X86_HANDLER(next_)((cpu), next_);    \
    } while (0)

/*
 * Ends the block: commits RIP. slot 0/1: the fall-through or the taken direct successor, which the run loop links; 2:
 * indirect.
 */
static inline void x86_leave_block(struct x86_cpu *cpu, uint64_t rip, unsigned slot)
{
    cpu->regs[R_RIP] = rip;
    cpu->exit_slot = slot;
}

/* Effective (offset) and linear address of the memory operand. */
static inline uint64_t x86_ea(const struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t ea = cpu->regs[insn->base] + (cpu->regs[insn->index] << insn->scale) + (int64_t)insn->disp;
    if (__builtin_expect(insn->flags & (X86_INSN_ADDR32 | X86_INSN_ADDR16), 0)) {
        ea &= insn->flags & X86_INSN_ADDR16 ? 0xffff : 0xffffffff;
    }
    return ea;
}
/*
 * 64-bit mode: base + offset. 16 and 32-bit modes: checks presence, type (X86_INSN_WRITE) and limit for an access of
 * `size` bytes through the segment, #GP(0) or #SS(0) if it fails; 32-bit wrap. target/i386/linear.c.
 */
uint64_t x86_linear_segment(struct x86_cpu *cpu, unsigned seg, uint64_t offset, unsigned size, bool write);
/* The same for the memory operand; its size is 1 << opsize. */
uint64_t x86_linear_operand(struct x86_cpu *cpu, const struct x86_insn *insn, uint64_t ea);
static inline uint64_t x86_linear(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t ea = x86_ea(cpu, insn);
    if (__builtin_expect(insn->flags & X86_INSN_SEG_BASE, 0)) {
        return x86_linear_operand(cpu, insn, ea);
    }
    return ea;
}

#endif
