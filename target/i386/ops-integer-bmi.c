/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BMI1 and BMI2 (but for the shifts and MULX), ADX, CRC32, and cache line flushes. */
#include "target/i386/ops.h"

/* The last source: memory, or the register whose offset is in imm (ops with three operands) or src. */
ALWAYS_INLINE uint64_t last_source(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned reg, unsigned size)
{
    return insn->flags & X86_INSN_MEM ? mem_get(cpu, x86_linear(cpu, insn), size) : reg_get(cpu, reg, size);
}

/* SF and ZF of the result, CF given, OF clear. AF and PF are undefined. */
static void set_bmi_flags(struct x86_cpu *cpu, uint64_t result, unsigned size, bool cf)
{
    result &= size_mask(size);
    flags_resolve(cpu, (cf ? EFLAGS_CF : 0) | (result ? 0 : EFLAGS_ZF) |
                           (result >> (size_bits(size) - 1) ? EFLAGS_SF : 0));
}

static uint64_t deposit_bits(uint64_t value, uint64_t mask)
{
    uint64_t result = 0;
    for (; mask; mask &= mask - 1, value >>= 1) {
        result |= value & 1 ? mask & -mask : 0;
    }
    return result;
}

static uint64_t extract_bits(uint64_t value, uint64_t mask)
{
    uint64_t result = 0;
    for (unsigned i = 0; mask; mask &= mask - 1, i++) {
        result |= value & mask & -mask ? 1ull << i : 0;
    }
    return result;
}

/* dst, first source in src, last source in memory or the register imm. */

static void andn(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned size = insn->opsize;
    uint64_t result = last_source(cpu, insn, insn->imm, size) & ~reg_get(cpu, insn->src, size);
    reg_set(cpu, insn->dst, size, result);
    cpu->cc_op = CC_OP(CC_LOGIC, size);
    cpu->cc_dst = result;
    X86_NEXT(cpu, insn);
}

static void pdep(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned size = insn->opsize;
    uint64_t mask = last_source(cpu, insn, insn->imm, size);
    reg_set(cpu, insn->dst, size, deposit_bits(reg_get(cpu, insn->src, size), mask));
    X86_NEXT(cpu, insn);
}

static void pext(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned size = insn->opsize;
    uint64_t mask = last_source(cpu, insn, insn->imm, size);
    reg_set(cpu, insn->dst, size, extract_bits(reg_get(cpu, insn->src, size), mask));
    X86_NEXT(cpu, insn);
}

/* dst, source in memory or src, control in the register imm. */

static void bextr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned size = insn->opsize;
    uint64_t value = last_source(cpu, insn, insn->src, size), control = reg_get(cpu, insn->imm, size);
    unsigned start = control & 0xff, length = control >> 8 & 0xff;
    value = start < 64 ? value >> start : 0;
    value = length < 64 ? value & ((1ull << length) - 1) : value;
    reg_set(cpu, insn->dst, size, value);
    set_bmi_flags(cpu, value, size, false);
    X86_NEXT(cpu, insn);
}

static void bzhi(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned size = insn->opsize;
    uint64_t value = last_source(cpu, insn, insn->src, size);
    unsigned index = reg_get(cpu, insn->imm, 0), bits = size_bits(size);
    value = index < bits ? value & ((1ull << index) - 1) : value;
    reg_set(cpu, insn->dst, size, value);
    set_bmi_flags(cpu, value, size, index >= bits);
    X86_NEXT(cpu, insn);
}

/* dst, source in memory or src. */

enum lowest_kind { LOWEST_ISOLATE, LOWEST_MASK, LOWEST_RESET };
ALWAYS_INLINE void lowest_body(struct x86_cpu *cpu, const struct x86_insn *insn, enum lowest_kind kind)
{
    unsigned size = insn->opsize;
    uint64_t value = last_source(cpu, insn, insn->src, size);
    uint64_t result = kind == LOWEST_ISOLATE ? value & -value
                      : kind == LOWEST_MASK  ? value ^ (value - 1)
                                             : value & (value - 1);
    reg_set(cpu, insn->dst, size, result);
    set_bmi_flags(cpu, result, size, (value != 0) == (kind == LOWEST_ISOLATE));
    X86_NEXT(cpu, insn);
}
STAMP_HANDLER(blsi, lowest_body, LOWEST_ISOLATE)
STAMP_HANDLER(blsmsk, lowest_body, LOWEST_MASK)
STAMP_HANDLER(blsr, lowest_body, LOWEST_RESET)

/* ADCX adds with CF, ADOX with OF; each touches only its own. */
ALWAYS_INLINE void adx_body(struct x86_cpu *cpu, const struct x86_insn *insn, uint32_t flag)
{
    unsigned size = insn->opsize;
    uint32_t flags = flags_arith(cpu);
    unsigned __int128 sum = (unsigned __int128)reg_get(cpu, insn->dst, size) +
                            last_source(cpu, insn, insn->src, size) + (flags & flag ? 1 : 0);
    reg_set(cpu, insn->dst, size, sum);
    flags_resolve(cpu, (flags & ~flag) | (sum >> size_bits(size) ? flag : 0));
    X86_NEXT(cpu, insn);
}
STAMP_HANDLER(adcx, adx_body, EFLAGS_CF)
STAMP_HANDLER(adox, adx_body, EFLAGS_OF)

/* CRC-32C, reflected polynomial, a bit at a time. */
static void crc32(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned size = insn->opsize;
    uint64_t data = last_source(cpu, insn, insn->src, size);
    uint32_t crc = cpu->regs[insn->dst / 8];

    for (unsigned i = 0; i < size_bits(size); i++) {
        unsigned bit = (crc ^ data >> i) & 1;
        crc = crc >> 1 ^ (bit ? 0x82f63b78 : 0);
    }
    reg_set(cpu, insn->dst, 3, crc); /* the upper half is cleared with 64-bit operands too */
    X86_NEXT(cpu, insn);
}

/* Caches are the host's business; the address is checked as a load's is. */
static void flush_line(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    mem_ld8(cpu, x86_linear(cpu, insn));
    X86_NEXT(cpu, insn);
}

static uint8_t general_offset(const ZydisDecodedOperand *operand)
{
    return operand_is_reg(operand) ? x86_register_offset(operand->reg.value) : R_ZERO * 8;
}

/* dst, src, imm := the three operands, in order. */
static enum x86_decode_result translate_registers(const struct x86_decode_context *ctx, const struct x86_op *op,
                                                  const ZydisDecodedInstruction *zi,
                                                  const ZydisDecodedOperand *operands, struct x86_insn *insn)
{
    insn->dst = general_offset(&operands[0]);
    insn->src = general_offset(&operands[1]);
    if (zi->operand_count_visible > 2) {
        insn->imm = general_offset(&operands[2]);
    }
    insn->handler = (x86_handler *)op->handlers;
    return X86_DECODE_OK;
}

static enum x86_decode_result translate_crc32(const struct x86_decode_context *ctx, const struct x86_op *op,
                                              const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                              struct x86_insn *insn)
{
    insn->dst = general_offset(&operands[0]);
    insn->src = general_offset(&operands[1]);
    insn->opsize = operand_log2(&operands[1]);
    insn->handler = crc32;
    return X86_DECODE_OK;
}

static enum x86_decode_result translate_flush(const struct x86_decode_context *ctx, const struct x86_op *op,
                                              const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                              struct x86_insn *insn)
{
    insn->opsize = 0;
    insn->flags &= ~X86_INSN_WRITE;
    insn->handler = flush_line;
    return X86_DECODE_OK;
}

const struct x86_op x86_ops_bmi[] = {
    { ZYDIS_MNEMONIC_ANDN, FEAT_7_0_EBX, 3, translate_registers, andn },
    { ZYDIS_MNEMONIC_BEXTR, FEAT_7_0_EBX, 3, translate_registers, bextr },
    { ZYDIS_MNEMONIC_BLSI, FEAT_7_0_EBX, 3, translate_registers, blsi },
    { ZYDIS_MNEMONIC_BLSMSK, FEAT_7_0_EBX, 3, translate_registers, blsmsk },
    { ZYDIS_MNEMONIC_BLSR, FEAT_7_0_EBX, 3, translate_registers, blsr },
    { ZYDIS_MNEMONIC_BZHI, FEAT_7_0_EBX, 8, translate_registers, bzhi },
    { ZYDIS_MNEMONIC_PDEP, FEAT_7_0_EBX, 8, translate_registers, pdep },
    { ZYDIS_MNEMONIC_PEXT, FEAT_7_0_EBX, 8, translate_registers, pext },
    { ZYDIS_MNEMONIC_ADCX, FEAT_7_0_EBX, 19, translate_registers, adcx },
    { ZYDIS_MNEMONIC_ADOX, FEAT_7_0_EBX, 19, translate_registers, adox },
    { ZYDIS_MNEMONIC_CRC32, FEAT_1_ECX, 20, translate_crc32, NULL },
    { ZYDIS_MNEMONIC_CLFLUSH, FEAT_1_EDX, 19, translate_flush, NULL },
    { ZYDIS_MNEMONIC_CLFLUSHOPT, FEAT_7_0_EBX, 23, translate_flush, NULL },
    { ZYDIS_MNEMONIC_CLWB, FEAT_7_0_EBX, 24, translate_flush, NULL },
    { 0 },
};
