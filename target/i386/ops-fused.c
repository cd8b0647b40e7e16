/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CMP, TEST, ADD, SUB, AND or OR and the Jcc behind it as one handler: most blocks end so. It saves a dispatch, and
 * the condition comes from the values at hand instead of the lazy flags, which are set all the same. 64-bit mode
 * only.
 */
#include "accel/tcg/chain.h"
#include "target/i386/ops.h"

enum fused_kind { FUSED_CMP, FUSED_TEST, FUSED_ADD, FUSED_SUB, FUSED_AND, FUSED_OR };

/* Values of the operation's size: the top bits are cut off. */
ALWAYS_INLINE uint64_t cut(uint64_t value, unsigned size)
{
    return size == 0 ? (uint8_t)value : size == 1 ? (uint16_t)value : size == 2 ? (uint32_t)value : value;
}

ALWAYS_INLINE int64_t cut_signed(uint64_t value, unsigned size)
{
    return size == 0 ? (int8_t)value : size == 1 ? (int16_t)value : size == 2 ? (int32_t)value : (int64_t)value;
}

ALWAYS_INLINE bool fused_subtracts(enum fused_kind kind)
{
    return kind == FUSED_CMP || kind == FUSED_SUB;
}

ALWAYS_INLINE uint64_t fused_result(enum fused_kind kind, uint64_t a, uint64_t b)
{
    return fused_subtracts(kind) ? a - b : kind == FUSED_ADD ? a + b : kind == FUSED_OR ? a | b : a & b;
}

/* `cc` as in Jcc's opcode; overflow and parity are not fused, nor, for ADD, anything but zero and sign. */
ALWAYS_INLINE bool fused_condition(enum fused_kind kind, unsigned cc, unsigned size, uint64_t a, uint64_t b)
{
    bool subtracts = fused_subtracts(kind);
    uint64_t result = cut(fused_result(kind, a, b), size);
    bool zero = subtracts ? cut(a, size) == cut(b, size) : result == 0;
    bool sign = cut_signed(result, size) < 0, holds;
    switch (cc >> 1) {
    case 1:
        holds = subtracts && cut(a, size) < cut(b, size);
        break;
    case 2:
        holds = zero;
        break;
    case 3:
        holds = subtracts ? cut(a, size) <= cut(b, size) : zero;
        break;
    case 4:
        holds = sign;
        break;
    case 6:
        holds = subtracts ? cut_signed(a, size) < cut_signed(b, size) : sign;
        break;
    default:
        holds = subtracts ? cut_signed(a, size) <= cut_signed(b, size) : sign || zero;
        break;
    }
    return holds ^ (cc & 1);
}

ALWAYS_INLINE void fused_flags(struct x86_cpu *cpu, enum fused_kind kind, unsigned size, uint64_t result, uint64_t b)
{
    if (kind == FUSED_ADD || fused_subtracts(kind)) {
        set_lazy_flags(cpu, kind == FUSED_ADD ? CC_ADD : CC_SUB, size, result, b);
    } else {
        cpu->cc_op = CC_OP(CC_LOGIC, size);
        cpu->cc_dst = result;
    }
}

ALWAYS_INLINE void fused_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size, enum fused_kind kind,
                              enum operand_form dst, enum operand_form src, unsigned cc, x86_handler *miss)
{
    const struct x86_insn *branch = insn + 1;
    uint64_t memory = 0;
    if (dst == FORM_BASE || src == FORM_BASE) {
        uint64_t va = operand_linear(cpu, insn, FORM_BASE);
        if (miss && !mem_at_hand(cpu, va, 1u << size, true, false)) {
            return miss(cpu, insn);
        }
        memory = mem_get(cpu, va, size);
    }
    uint64_t a = dst == FORM_REG ? reg_get(cpu, insn->dst, size) : memory;
    uint64_t b = src == FORM_REG ? reg_get(cpu, insn->src, size) : src == FORM_IMM ? (uint64_t)insn->imm : memory;
    uint64_t result = fused_result(kind, a, b);
    if (kind != FUSED_CMP && kind != FUSED_TEST) {
        reg_set(cpu, insn->dst, size, result);
    }
    fused_flags(cpu, kind, size, result, b);
    if (fused_condition(kind, cc, size, a, b)) {
        tcg_leave_block(cpu, cpu->regs[R_RIP] + branch->imm, 1);
    } else {
        tcg_leave_block(cpu, cpu->regs[R_RIP] + branch->next, 0);
    }
}

#define FOR_EACH_RESULT_CODE(X, ...) X(4, __VA_ARGS__) X(5, __VA_ARGS__) X(8, __VA_ARGS__) X(9, __VA_ARGS__)
#define FOR_EACH_FUSED_CODE(X, ...)                                               \
    X(2, __VA_ARGS__) X(3, __VA_ARGS__) X(6, __VA_ARGS__) X(7, __VA_ARGS__)        \
    X(12, __VA_ARGS__) X(13, __VA_ARGS__) X(14, __VA_ARGS__) X(15, __VA_ARGS__)    \
    FOR_EACH_RESULT_CODE(X, __VA_ARGS__)
#define STAMP_FUSED(cc, name, kind, dst, src) STAMP_SIZES(name##_##cc, fused_body, kind, dst, src, cc, NULL)
#define STAMP_FUSED_MEM(cc, name, kind, dst, src) STAMP_MEM_SIZES(name##_##cc, fused_body, kind, dst, src, cc)
#define FUSED_SIZES(cc, name) [cc] = SIZES(name##_##cc),
#define FUSED_CODES(codes, stamp, name, kind, dst, src)  \
    codes(stamp, name, kind, dst, src)                   \
    static x86_handler *const name##_by_code[16][4] = { codes(FUSED_SIZES, name) };
#define FUSED_FORM(name, kind, dst, src) FUSED_CODES(FOR_EACH_FUSED_CODE, STAMP_FUSED, name, kind, dst, src)
#define FUSED_MEM_FORM(name, kind, dst, src) FUSED_CODES(FOR_EACH_FUSED_CODE, STAMP_FUSED_MEM, name, kind, dst, src)

FUSED_FORM(cmp_rr, FUSED_CMP, FORM_REG, FORM_REG)
FUSED_FORM(cmp_ri, FUSED_CMP, FORM_REG, FORM_IMM)
FUSED_MEM_FORM(cmp_rb, FUSED_CMP, FORM_REG, FORM_BASE)
FUSED_MEM_FORM(cmp_br, FUSED_CMP, FORM_BASE, FORM_REG)
FUSED_MEM_FORM(cmp_bi, FUSED_CMP, FORM_BASE, FORM_IMM)
FUSED_FORM(test_rr, FUSED_TEST, FORM_REG, FORM_REG)
FUSED_FORM(test_ri, FUSED_TEST, FORM_REG, FORM_IMM)
FUSED_MEM_FORM(test_bi, FUSED_TEST, FORM_BASE, FORM_IMM)
FUSED_FORM(sub_rr, FUSED_SUB, FORM_REG, FORM_REG)
FUSED_FORM(sub_ri, FUSED_SUB, FORM_REG, FORM_IMM)
FUSED_FORM(and_rr, FUSED_AND, FORM_REG, FORM_REG)
FUSED_FORM(and_ri, FUSED_AND, FORM_REG, FORM_IMM)
FUSED_FORM(or_rr, FUSED_OR, FORM_REG, FORM_REG)
FUSED_CODES(FOR_EACH_RESULT_CODE, STAMP_FUSED, add_rr, FUSED_ADD, FORM_REG, FORM_REG)
FUSED_CODES(FOR_EACH_RESULT_CODE, STAMP_FUSED, add_ri, FUSED_ADD, FORM_REG, FORM_IMM)

static const struct {
    const struct alu_handlers *handlers;
    enum operand_form dst, src;
    x86_handler *const (*by_code)[4];
} fused_forms[] = {
    { &cmp_handlers, FORM_REG, FORM_REG, cmp_rr_by_code },   { &cmp_handlers, FORM_REG, FORM_IMM, cmp_ri_by_code },
    { &cmp_handlers, FORM_REG, FORM_BASE, cmp_rb_by_code },  { &cmp_handlers, FORM_BASE, FORM_REG, cmp_br_by_code },
    { &cmp_handlers, FORM_BASE, FORM_IMM, cmp_bi_by_code },  { &test_handlers, FORM_REG, FORM_REG, test_rr_by_code },
    { &test_handlers, FORM_REG, FORM_IMM, test_ri_by_code }, { &test_handlers, FORM_BASE, FORM_IMM, test_bi_by_code },
    { &sub_handlers, FORM_REG, FORM_REG, sub_rr_by_code },   { &sub_handlers, FORM_REG, FORM_IMM, sub_ri_by_code },
    { &and_handlers, FORM_REG, FORM_REG, and_rr_by_code },   { &and_handlers, FORM_REG, FORM_IMM, and_ri_by_code },
    { &or_handlers, FORM_REG, FORM_REG, or_rr_by_code },     { &add_handlers, FORM_REG, FORM_REG, add_rr_by_code },
    { &add_handlers, FORM_REG, FORM_IMM, add_ri_by_code },
};

void x86_fuse(struct x86_insn *insns, unsigned count)
{
    if (count < 2 || !is_jcc_64(&insns[count - 1])) {
        return;
    }
    struct x86_insn *first = &insns[count - 2];
    unsigned cc = insns[count - 1].dst;
    if (first->opsize > 3) { /* a vector instruction's */
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(fused_forms); i++) {
        x86_handler *plain = fused_forms[i].handlers->plain[fused_forms[i].dst][fused_forms[i].src][first->opsize];
        if (first->handler == plain && fused_forms[i].by_code[cc][first->opsize]) {
            first->handler = fused_forms[i].by_code[cc][first->opsize];
            return;
        }
    }
}
