/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ADD OR ADC SBB AND SUB XOR CMP TEST, and INC DEC NEG NOT. */
#include "target/i386/ops.h"

enum alu_kind { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP, ALU_TEST };

ALWAYS_INLINE uint64_t alu_result(enum alu_kind kind, uint64_t a, uint64_t b, unsigned carry)
{
    switch (kind) {
    case ALU_ADD:
        return a + b;
    case ALU_OR:
        return a | b;
    case ALU_ADC:
        return a + b + carry;
    case ALU_SBB:
        return a - b - carry;
    case ALU_AND:
    case ALU_TEST:
        return a & b;
    case ALU_XOR:
        return a ^ b;
    default:
        return a - b;
    }
}

ALWAYS_INLINE unsigned alu_carry(const struct x86_cpu *cpu, enum alu_kind kind)
{
    return kind == ALU_ADC || kind == ALU_SBB ? flag_cf(cpu) : 0;
}

ALWAYS_INLINE void alu_flags(struct x86_cpu *cpu, enum alu_kind kind, unsigned size, uint64_t result, uint64_t b,
                             unsigned carry)
{
    switch (kind) {
    case ALU_ADD:
        set_lazy_flags(cpu, CC_ADD, size, result, b);
        break;
    case ALU_ADC:
        set_lazy_flags(cpu, carry ? CC_ADC : CC_ADD, size, result, b);
        break;
    case ALU_SBB:
        set_lazy_flags(cpu, carry ? CC_SBB : CC_SUB, size, result, b);
        break;
    case ALU_SUB:
    case ALU_CMP:
        set_lazy_flags(cpu, CC_SUB, size, result, b);
        break;
    default:
        cpu->cc_op = CC_OP(CC_LOGIC, size);
        cpu->cc_dst = result;
        break;
    }
}

ALWAYS_INLINE void alu_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size, enum alu_kind kind,
                            enum operand_form dst, enum operand_form src, x86_handler *miss)
{
    bool stores = kind != ALU_CMP && kind != ALU_TEST;
    uint64_t va = 0, a, b;
    if (form_is_memory(dst) || form_is_memory(src)) {
        va = operand_linear(cpu, insn, form_is_memory(dst) ? dst : src);
    }
    if (miss && !mem_at_hand(cpu, va, 1u << size, true, stores && form_is_memory(dst))) {
        return miss(cpu, insn);
    }
    b = src == FORM_REG   ? reg_get(cpu, insn->src, size)
        : src == FORM_IMM ? (uint64_t)insn->imm
                          : mem_get(cpu, va, size);
    a = dst == FORM_REG ? reg_get(cpu, insn->dst, size) : mem_get(cpu, va, size);
    unsigned carry = alu_carry(cpu, kind);
    uint64_t result = alu_result(kind, a, b, carry);
    if (stores) {
        if (dst == FORM_REG) {
            reg_set(cpu, insn->dst, size, result);
        } else {
            mem_put(cpu, va, size, result);
        }
    }
    alu_flags(cpu, kind, size, result, b, carry);
    X86_NEXT(cpu, insn);
}

ALWAYS_INLINE void alu_lock_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size, enum alu_kind kind,
                                 enum operand_form src)
{
    uint64_t va = x86_linear(cpu, insn), old, result;
    uint64_t b = src == FORM_REG ? reg_get(cpu, insn->src, size) : (uint64_t)insn->imm;
    unsigned carry = alu_carry(cpu, kind);
    void *host = lock_host(cpu, va, size);
    if (host) {
        old = host_load(host, size);
        do {
            result = alu_result(kind, old, b, carry);
        } while (!host_cas(host, size, &old, result));
    } else {
        result = alu_result(kind, mem_get(cpu, va, size), b, carry);
        mem_put(cpu, va, size, result);
    }
    alu_flags(cpu, kind, size, result, b, carry);
    X86_NEXT(cpu, insn);
}

#define ALU_FORMS(name, kind)                                        \
    STAMP_SIZES(name##_rr, alu_body, kind, FORM_REG, FORM_REG, NULL) \
    STAMP_SIZES(name##_ri, alu_body, kind, FORM_REG, FORM_IMM, NULL) \
    STAMP_MEM_SIZES(name##_rm, alu_body, kind, FORM_REG, FORM_MEM)   \
    STAMP_MEM_SIZES(name##_rb, alu_body, kind, FORM_REG, FORM_BASE)  \
    STAMP_MEM_SIZES(name##_mr, alu_body, kind, FORM_MEM, FORM_REG)   \
    STAMP_MEM_SIZES(name##_br, alu_body, kind, FORM_BASE, FORM_REG)  \
    STAMP_MEM_SIZES(name##_mi, alu_body, kind, FORM_MEM, FORM_IMM)   \
    STAMP_MEM_SIZES(name##_bi, alu_body, kind, FORM_BASE, FORM_IMM)
#define ALU_LOCK_FORMS(name, kind)                                   \
    STAMP_SIZES(name##_lock_r, alu_lock_body, kind, FORM_REG)        \
    STAMP_SIZES(name##_lock_i, alu_lock_body, kind, FORM_IMM)
#define ALU_PLAIN(name)                                                                  \
    .plain = {                                                                           \
        [FORM_REG] = { SIZES(name##_rr), SIZES(name##_ri), SIZES(name##_rm), SIZES(name##_rb) }, \
        [FORM_MEM] = { SIZES(name##_mr), SIZES(name##_mi) },                             \
        [FORM_BASE] = { SIZES(name##_br), SIZES(name##_bi) },                            \
    }
#define ALU_GROUP(name, kind)                                        \
    ALU_FORMS(name, kind)                                            \
    ALU_LOCK_FORMS(name, kind)                                       \
    const struct alu_handlers name##_handlers = {                    \
        ALU_PLAIN(name), .lock = { SIZES(name##_lock_r), SIZES(name##_lock_i) } \
    };

ALU_GROUP(add, ALU_ADD)
ALU_GROUP(or, ALU_OR)
ALU_GROUP(adc, ALU_ADC)
ALU_GROUP(sbb, ALU_SBB)
ALU_GROUP(and, ALU_AND)
ALU_GROUP(sub, ALU_SUB)
ALU_GROUP(xor, ALU_XOR)
ALU_FORMS(cmp, ALU_CMP)
const struct alu_handlers cmp_handlers = { ALU_PLAIN(cmp) };
ALU_FORMS(test, ALU_TEST)
const struct alu_handlers test_handlers = { ALU_PLAIN(test) };

static enum x86_decode_result translate_alu(const struct x86_decode_context *ctx, const struct x86_op *op,
                                            const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                            struct x86_insn *insn)
{
    const struct alu_handlers *handlers = op->handlers;
    enum operand_form dst = operand_form(&operands[0], insn), src = operand_form(&operands[1], insn);

    if (dst == FORM_REG) {
        insn->dst = x86_register_offset(operands[0].reg.value);
    }
    if (src == FORM_REG) {
        insn->src = x86_register_offset(operands[1].reg.value);
    } else if (src == FORM_IMM) {
        insn->imm = operands[1].imm.value.s;
    }
    if (insn->flags & X86_INSN_LOCK) {
        insn->handler = handlers->lock[src == FORM_IMM][insn->opsize];
    } else {
        insn->handler = handlers->plain[dst][src][insn->opsize];
    }
    return X86_DECODE_OK;
}

enum unary_kind { UNARY_INC, UNARY_DEC, UNARY_NEG, UNARY_NOT };

ALWAYS_INLINE uint64_t unary_result(enum unary_kind kind, uint64_t a)
{
    switch (kind) {
    case UNARY_INC:
        return a + 1;
    case UNARY_DEC:
        return a - 1;
    case UNARY_NEG:
        return -a;
    default:
        return ~a;
    }
}

ALWAYS_INLINE void unary_flags(struct x86_cpu *cpu, enum unary_kind kind, unsigned size, uint64_t result)
{
    switch (kind) {
    case UNARY_INC:
        set_lazy_flags(cpu, CC_INC, size, result, flag_cf(cpu));
        break;
    case UNARY_DEC:
        set_lazy_flags(cpu, CC_DEC, size, result, flag_cf(cpu));
        break;
    case UNARY_NEG:
        set_lazy_flags(cpu, CC_SUB, size, result, -result);
        break;
    default:
        break;
    }
}

ALWAYS_INLINE void unary_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size, enum unary_kind kind,
                              enum operand_form form)
{
    uint64_t result;
    if (form == FORM_REG) {
        result = unary_result(kind, reg_get(cpu, insn->dst, size));
        reg_set(cpu, insn->dst, size, result);
    } else {
        uint64_t va = x86_linear(cpu, insn);
        result = unary_result(kind, mem_get(cpu, va, size));
        mem_put(cpu, va, size, result);
    }
    unary_flags(cpu, kind, size, result);
    X86_NEXT(cpu, insn);
}

ALWAYS_INLINE void unary_lock_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size,
                                   enum unary_kind kind)
{
    uint64_t va = x86_linear(cpu, insn), result;
    void *host = lock_host(cpu, va, size);
    if (host) {
        uint64_t old = host_load(host, size);
        do {
            result = unary_result(kind, old);
        } while (!host_cas(host, size, &old, result));
    } else {
        result = unary_result(kind, mem_get(cpu, va, size));
        mem_put(cpu, va, size, result);
    }
    unary_flags(cpu, kind, size, result);
    X86_NEXT(cpu, insn);
}

struct unary_handlers {
    x86_handler *reg[4], *mem[4], *lock[4];
};

#define UNARY_GROUP(name, kind)                              \
    STAMP_SIZES(name##_r, unary_body, kind, FORM_REG)        \
    STAMP_SIZES(name##_m, unary_body, kind, FORM_MEM)        \
    STAMP_SIZES(name##_lock, unary_lock_body, kind)          \
    static const struct unary_handlers name##_handlers = { SIZES(name##_r), SIZES(name##_m), SIZES(name##_lock) };
UNARY_GROUP(inc, UNARY_INC)
UNARY_GROUP(dec, UNARY_DEC)
UNARY_GROUP(neg, UNARY_NEG)
UNARY_GROUP(not, UNARY_NOT)

static enum x86_decode_result translate_unary(const struct x86_decode_context *ctx, const struct x86_op *op,
                                              const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                              struct x86_insn *insn)
{
    const struct unary_handlers *handlers = op->handlers;
    if (operand_is_reg(&operands[0])) {
        insn->dst = x86_register_offset(operands[0].reg.value);
        insn->handler = handlers->reg[insn->opsize];
    } else {
        insn->handler = (insn->flags & X86_INSN_LOCK ? handlers->lock : handlers->mem)[insn->opsize];
    }
    return X86_DECODE_OK;
}

const struct x86_op x86_ops_arith[] = {
    { ZYDIS_MNEMONIC_ADD, ROW_ALWAYS, translate_alu, &add_handlers },
    { ZYDIS_MNEMONIC_OR, ROW_ALWAYS, translate_alu, &or_handlers },
    { ZYDIS_MNEMONIC_ADC, ROW_ALWAYS, translate_alu, &adc_handlers },
    { ZYDIS_MNEMONIC_SBB, ROW_ALWAYS, translate_alu, &sbb_handlers },
    { ZYDIS_MNEMONIC_AND, ROW_ALWAYS, translate_alu, &and_handlers },
    { ZYDIS_MNEMONIC_SUB, ROW_ALWAYS, translate_alu, &sub_handlers },
    { ZYDIS_MNEMONIC_XOR, ROW_ALWAYS, translate_alu, &xor_handlers },
    { ZYDIS_MNEMONIC_CMP, ROW_ALWAYS, translate_alu, &cmp_handlers },
    { ZYDIS_MNEMONIC_TEST, ROW_ALWAYS, translate_alu, &test_handlers },
    { ZYDIS_MNEMONIC_INC, ROW_ALWAYS, translate_unary, &inc_handlers },
    { ZYDIS_MNEMONIC_DEC, ROW_ALWAYS, translate_unary, &dec_handlers },
    { ZYDIS_MNEMONIC_NEG, ROW_ALWAYS, translate_unary, &neg_handlers },
    { ZYDIS_MNEMONIC_NOT, ROW_ALWAYS, translate_unary, &not_handlers },
    { 0 },
};
