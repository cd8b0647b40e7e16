/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MUL IMUL DIV IDIV, MULX. Sign, zero, parity and adjust flags are undefined after them. */
#include "target/i386/ops.h"

ALWAYS_INLINE uint64_t source_value(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size)
{
    return insn->flags & X86_INSN_MEM ? mem_get(cpu, x86_linear(cpu, insn), size) : reg_get(cpu, insn->src, size);
}

/* rDX:rAX (AX for bytes). */
ALWAYS_INLINE void set_wide_result(struct x86_cpu *cpu, unsigned size, uint64_t low, uint64_t high)
{
    if (size == 0) {
        reg_set(cpu, R_RAX * 8, 1, (low & 0xff) | high << 8);
    } else {
        reg_set(cpu, R_RAX * 8, size, low);
        reg_set(cpu, R_RDX * 8, size, high);
    }
}

ALWAYS_INLINE void mul_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size)
{
    unsigned __int128 product = (unsigned __int128)reg_get(cpu, R_RAX * 8, size) * source_value(cpu, insn, size);
    uint64_t low = product, high = product >> size_bits(size);
    set_wide_result(cpu, size, low, high);
    set_lazy_flags(cpu, CC_MUL, size, low, (high & size_mask(size)) != 0);
    X86_NEXT(cpu, insn);
}

ALWAYS_INLINE __int128 signed_product(uint64_t a, uint64_t b, unsigned size)
{
    return (__int128)(int64_t)sign_extend(a, size) * (int64_t)sign_extend(b, size);
}

ALWAYS_INLINE bool is_significant(__int128 product, unsigned size)
{
    return product != (int64_t)sign_extend(product, size);
}

ALWAYS_INLINE void imul1_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size)
{
    __int128 product = signed_product(cpu->regs[R_RAX], source_value(cpu, insn, size), size);
    set_wide_result(cpu, size, product, product >> size_bits(size));
    set_lazy_flags(cpu, CC_MUL, size, product, is_significant(product, size));
    X86_NEXT(cpu, insn);
}

/* Two operands: dst *= source. Three: dst = source * imm. */
ALWAYS_INLINE void imul_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size, bool immediate)
{
    uint64_t other = immediate ? (uint64_t)insn->imm : reg_get(cpu, insn->dst, size);
    __int128 product = signed_product(source_value(cpu, insn, size), other, size);
    reg_set(cpu, insn->dst, size, product);
    set_lazy_flags(cpu, CC_MUL, size, product, is_significant(product, size));
    X86_NEXT(cpu, insn);
}

/* Division of up to 64 bits by up to 32; #DE if the quotient does not fit. */
ALWAYS_INLINE void div_narrow(struct x86_cpu *cpu, unsigned size, uint64_t divisor)
{
    unsigned bits = size_bits(size);
    uint64_t low = size ? reg_get(cpu, R_RAX * 8, size) : (uint8_t)cpu->regs[R_RAX];
    uint64_t high = size ? reg_get(cpu, R_RDX * 8, size) : reg_get(cpu, R_RAX * 8 + 1, 0);
    uint64_t dividend = high << bits | low;
    if (divisor == 0 || dividend / divisor > size_mask(size)) {
        x86_raise(cpu, EXCP_DE);
    }
    set_wide_result(cpu, size, dividend / divisor, dividend % divisor);
}

ALWAYS_INLINE void idiv_narrow(struct x86_cpu *cpu, unsigned size, int64_t divisor)
{
    unsigned bits = size_bits(size);
    uint64_t low = size ? reg_get(cpu, R_RAX * 8, size) : (uint8_t)cpu->regs[R_RAX];
    uint64_t high = size ? reg_get(cpu, R_RDX * 8, size) : reg_get(cpu, R_RAX * 8 + 1, 0);
    int64_t dividend = sign_extend(high << bits | low, MIN(size + 1, 3));
    if (divisor == 0 || (dividend == INT64_MIN && divisor == -1)) {
        x86_raise(cpu, EXCP_DE);
    }
    int64_t quotient = dividend / divisor;
    if (quotient != (int64_t)sign_extend(quotient, size)) {
        x86_raise(cpu, EXCP_DE);
    }
    set_wide_result(cpu, size, quotient, (dividend % divisor) & size_mask(size));
}

/* 128 by 64 bits, by the host's own DIV, which must not trap: high < divisor is checked before. */
ALWAYS_INLINE uint64_t divide_wide(uint64_t high, uint64_t low, uint64_t divisor, uint64_t *remainder)
{
    uint64_t quotient;
    __asm__("divq %4" : "=a"(quotient), "=d"(*remainder) : "0"(low), "1"(high), "rm"(divisor) : "cc");
    return quotient;
}

ALWAYS_INLINE void div_wide(struct x86_cpu *cpu, uint64_t divisor)
{
    uint64_t remainder;
    if (cpu->regs[R_RDX] >= divisor) {
        x86_raise(cpu, EXCP_DE); /* division by zero too */
    }
    cpu->regs[R_RAX] = divide_wide(cpu->regs[R_RDX], cpu->regs[R_RAX], divisor, &remainder);
    cpu->regs[R_RDX] = remainder;
}

ALWAYS_INLINE void idiv_wide(struct x86_cpu *cpu, int64_t divisor)
{
    unsigned __int128 dividend = (unsigned __int128)cpu->regs[R_RDX] << 64 | cpu->regs[R_RAX];
    bool negative = cpu->regs[R_RDX] >> 63, flip = negative != (divisor < 0);
    uint64_t magnitude = divisor < 0 ? -(uint64_t)divisor : (uint64_t)divisor, remainder;

    dividend = negative ? -dividend : dividend;
    if ((uint64_t)(dividend >> 64) >= magnitude) {
        x86_raise(cpu, EXCP_DE);
    }
    uint64_t quotient = divide_wide(dividend >> 64, dividend, magnitude, &remainder);
    if (quotient > (uint64_t)INT64_MAX + flip) {
        x86_raise(cpu, EXCP_DE);
    }
    cpu->regs[R_RAX] = flip ? -quotient : quotient;
    cpu->regs[R_RDX] = negative ? -remainder : remainder;
}

ALWAYS_INLINE void div_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size)
{
    uint64_t divisor = source_value(cpu, insn, size);
    if (size == 3) {
        div_wide(cpu, divisor);
    } else {
        div_narrow(cpu, size, divisor);
    }
    X86_NEXT(cpu, insn);
}

ALWAYS_INLINE void idiv_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size)
{
    int64_t divisor = sign_extend(source_value(cpu, insn, size), size);
    if (size == 3) {
        idiv_wide(cpu, divisor);
    } else {
        idiv_narrow(cpu, size, divisor);
    }
    X86_NEXT(cpu, insn);
}

static void mulx(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned size = insn->opsize;
    unsigned __int128 product = (unsigned __int128)reg_get(cpu, R_RDX * 8, size) *
                                (insn->flags & X86_INSN_MEM ? mem_get(cpu, x86_linear(cpu, insn), size)
                                                            : reg_get(cpu, insn->imm, size));
    reg_set(cpu, insn->src, size, product); /* low half; if both are one register, the high half stays */
    reg_set(cpu, insn->dst, size, product >> size_bits(size));
    X86_NEXT(cpu, insn);
}

STAMP_SIZES(mul, mul_body)
STAMP_SIZES(imul1, imul1_body)
STAMP_SIZES(imul2, imul_body, false)
STAMP_SIZES(imul3, imul_body, true)
STAMP_SIZES(div, div_body)
STAMP_SIZES(idiv, idiv_body)
static x86_handler *const mul_handlers[4] = SIZES(mul), *const div_handlers[4] = SIZES(div),
                          *const idiv_handlers[4] = SIZES(idiv);
static x86_handler *const imul_handlers[3][4] = { SIZES(imul1), SIZES(imul2), SIZES(imul3) };

static enum x86_decode_result translate_single(const struct x86_decode_context *ctx, const struct x86_op *op,
                                               const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                               struct x86_insn *insn)
{
    x86_handler *const *handlers = op->handlers;
    if (operand_is_reg(&operands[0])) {
        insn->src = x86_register_offset(operands[0].reg.value);
    }
    insn->handler = handlers[insn->opsize];
    return X86_DECODE_OK;
}

static enum x86_decode_result translate_imul(const struct x86_decode_context *ctx, const struct x86_op *op,
                                             const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                             struct x86_insn *insn)
{
    unsigned count = zi->operand_count_visible;
    const ZydisDecodedOperand *source = &operands[count > 1];
    if (operand_is_reg(source)) {
        insn->src = x86_register_offset(source->reg.value);
    }
    if (count > 1) {
        insn->dst = x86_register_offset(operands[0].reg.value);
    }
    if (count > 2) {
        insn->imm = operands[2].imm.value.s;
    }
    insn->handler = imul_handlers[count - 1][insn->opsize];
    return X86_DECODE_OK;
}

/* MULX high, low, source: dst, src, register in imm. */
static enum x86_decode_result translate_mulx(const struct x86_decode_context *ctx, const struct x86_op *op,
                                             const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                             struct x86_insn *insn)
{
    insn->dst = x86_register_offset(operands[0].reg.value);
    insn->src = x86_register_offset(operands[1].reg.value);
    if (operand_is_reg(&operands[2])) {
        insn->imm = x86_register_offset(operands[2].reg.value);
    }
    insn->handler = mulx;
    return X86_DECODE_OK;
}

const struct x86_op x86_ops_multiply[] = {
    { ZYDIS_MNEMONIC_MUL, ROW_ALWAYS, translate_single, mul_handlers },
    { ZYDIS_MNEMONIC_IMUL, ROW_ALWAYS, translate_imul, NULL },
    { ZYDIS_MNEMONIC_DIV, ROW_ALWAYS, translate_single, div_handlers },
    { ZYDIS_MNEMONIC_IDIV, ROW_ALWAYS, translate_single, idiv_handlers },
    { ZYDIS_MNEMONIC_MULX, FEAT_7_0_EBX, 8, translate_mulx, NULL },
    { 0 },
};
