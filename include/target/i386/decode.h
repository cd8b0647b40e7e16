/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoding: Zydis reads the bytes, our tables pick the handler. Pure: bytes and mode in, struct x86_insn out.
 *
 * Each group of instructions (target/i386/ops-*.c) has one table of struct x86_op, indexed here by mnemonic.
 */
#ifndef FERRY_TARGET_I386_DECODE_H
#define FERRY_TARGET_I386_DECODE_H

#include <Zydis/Zydis.h>

#include "target/i386/insn.h"

/* What decoding depends on: half of a block's key. */
#define X86_MODE_16 0x00
#define X86_MODE_32 0x01
#define X86_MODE_64 0x02
#define X86_MODE_BITS 0x03
#define X86_MODE_SS32 0x04   /* stack addresses are 32 bits wide (16 if clear), outside 64-bit mode */
#define X86_MODE_PE 0x08     /* protected mode, not VM86 */
#define X86_MODE_CPL3 0x10
#define X86_MODE_TF 0x20     /* single step: blocks of one instruction */
#define X86_MODE_SHADOW 0x40 /* one instruction only: an interrupt shadow is on */
#define X86_MODE_VM86 0x80
#define X86_MODE_FLAT 0x100  /* 32-bit mode with DS, ES, SS, CS base 0 and limit 4 GiB: no base, no checks */
#define X86_MODE_NOFPU 0x200 /* CR0.EM or CR0.TS: x87 handlers raise #NM */
#define X86_MODE_NOSSE 0x400 /* CR0.EM, CR0.TS or no CR4.OSFXSR */
#define X86_MODE_CR4_OSXSAVE 0x800

struct x86_decode_context {
    uint32_t mode;
    const struct x86_features *features;
    uint8_t offset; /* of the instruction from its block's start */
};

enum x86_decode_result {
    X86_DECODE_OK,
    X86_DECODE_LAST,  /* ok, and it ends its block (branches, mode changes, HLT, …) */
    X86_DECODE_MORE,  /* the bytes end before the instruction does */
    X86_DECODE_INVALID, /* #UD (the insn's handler raises it; length 0 means even the length is unknown) */
    X86_DECODE_TOO_LONG, /* over 15 bytes: #GP(0) */
};

/*
 * Decodes one instruction; fills `insn` wholly (with a raising handler if invalid). `available`: bytes at hand, at
 * most 15 used.
 */
enum x86_decode_result x86_decode(const struct x86_decode_context *ctx, const uint8_t *bytes, unsigned available,
                                  struct x86_insn *insn, unsigned *length);

/*
 * A row: how one mnemonic becomes a handler. `translate` looks at the operand forms and picks among `handlers`
 * (whose type is the group's own), fills dst/src/imm and flags beyond what x86_decode() has filled from the operands
 * (memory operand, prefixes, opsize), and returns the result. Several rows may share a mnemonic (MOVSD the string
 * move and MOVSD of SSE2; MMX and SSE forms): a row that is not meant returns X86_DECODE_INVALID and the next is
 * tried. If none accepts, the instruction is #UD.
 */
struct x86_op;
typedef enum x86_decode_result x86_translate(const struct x86_decode_context *ctx, const struct x86_op *op,
                                             const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                             struct x86_insn *insn);
struct x86_op {
    uint16_t mnemonic; /* ZYDIS_MNEMONIC_*; 0 ends a table */
    uint8_t feature_word, feature_bit; /* needed CPUID bit; word FEAT_WORDS: none */
    x86_translate *translate;
    const void *handlers;
    uint32_t arg;      /* the row's own */
};

/* Tables; decode-tables.c lists those that exist. */
extern const struct x86_op x86_ops_arith[]; /* the integer core: ops-integer-*.c */
extern const struct x86_op x86_ops_move[];
extern const struct x86_op x86_ops_atomic[];
extern const struct x86_op x86_ops_shift[];
extern const struct x86_op x86_ops_multiply[];
extern const struct x86_op x86_ops_stack[];
extern const struct x86_op x86_ops_flags[];
extern const struct x86_op x86_ops_bcd[];
extern const struct x86_op x86_ops_bmi[];
extern const struct x86_op x86_ops_string[];
extern const struct x86_op x86_ops_bit[];
extern const struct x86_op x86_ops_branch[];
extern const struct x86_op x86_ops_system[]; /* ops-system.c, ops-segment.c, ops-syscall.c */
extern const struct x86_op x86_ops_segment[];
extern const struct x86_op x86_ops_syscall[];
extern const struct x86_op x86_ops_x87[];
extern const struct x86_op x86_ops_x87_control[];
extern const struct x86_op x86_ops_sse[]; /* MMX and SSE: ops-sse-*.c */
extern const struct x86_op x86_ops_sse_fp[];
extern const struct x86_op x86_ops_sse_move[];
extern const struct x86_op x86_ops_sse_convert[];
extern const struct x86_op x86_ops_sse_imm[];
extern const struct x86_op x86_ops_sse_element[];
extern const struct x86_op x86_ops_xsave[];
extern const struct x86_op *const x86_op_tables[]; /* NULL-terminated */

/* General register's byte offset into cpu->regs (AH..BH included). */
uint8_t x86_register_offset(ZydisRegister reg);
/* S_ES.., or S_ZERO if it is none. */
uint8_t x86_segment_number(ZydisRegister reg);
/* Whether accesses through the segment must carry X86_INSN_SEG_BASE in this mode. */
bool x86_segment_needs_base(uint32_t mode, unsigned seg);
/* Fills the memory operand's fields of insn; x86_decode() does it for visible operands. False: #UD. */
bool x86_fill_memory(const struct x86_decode_context *ctx, const ZydisDecodedInstruction *zi,
                     const ZydisDecodedOperand *operand, struct x86_insn *insn);
static inline bool x86_feature_on(const struct x86_features *features, unsigned word, unsigned bit)
{
    return features->words[word] >> bit & 1;
}

/*
 * insns[count - 2] and [count - 1] may be a pair that one handler does (CMP or TEST and Jcc): then the first one's
 * handler becomes that. Only the pair's first instruction can fault. For blocks that run as a whole.
 */
void x86_fuse(struct x86_insn *insns, unsigned count);

/* The handler that does the same and leaves the flags alone, or NULL: for when nobody will see them. */
x86_handler *x86_handler_without_flags(const struct x86_insn *insn);

/* One line of disassembly, "mov rax, rbx", for -d in_asm; caller's buffer. */
void x86_disassemble(uint32_t mode, const uint8_t *bytes, unsigned available, uint64_t rip, char *text, size_t size);

#endif
