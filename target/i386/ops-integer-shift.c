/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHL SHR SAR ROL ROR RCL RCR SHLD SHRD, and BMI2's SHLX SHRX SARX RORX. */
#include "target/i386/ops.h"

enum shift_kind { SHIFT_SHL, SHIFT_SHR, SHIFT_SAR, SHIFT_ROL, SHIFT_ROR, SHIFT_RCL, SHIFT_RCR };

ALWAYS_INLINE unsigned count_mask(unsigned size)
{
    return size == 3 ? 63 : 31;
}

/* Flags of the rotates: all but CF and OF stay. OF is defined for a count of 1 only. */
ALWAYS_INLINE void rotate_flags(struct x86_cpu *cpu, bool cf, bool of)
{
    uint32_t kept = flags_arith(cpu) & ~(EFLAGS_CF | EFLAGS_OF);
    flags_resolve(cpu, kept | (cf ? EFLAGS_CF : 0) | (of ? EFLAGS_OF : 0));
}

/* `count` is not 0. */
ALWAYS_INLINE uint64_t shift_once(struct x86_cpu *cpu, enum shift_kind kind, unsigned size, uint64_t a,
                                  unsigned count, uint64_t *operand)
{
    switch (kind) {
    case SHIFT_SHL:
        *operand = a << (count - 1);
        return *operand << 1;
    case SHIFT_SHR:
        *operand = (a & size_mask(size)) >> (count - 1);
        return *operand >> 1;
    default:
        *operand = (int64_t)sign_extend(a, size) >> (count - 1);
        return (int64_t)*operand >> 1;
    }
}

/* ROL and ROR of a zero-extended value by less than its width. */
ALWAYS_INLINE uint64_t rotate_value(uint64_t a, unsigned size, unsigned left)
{
    unsigned bits = size_bits(size);
    return left ? (a << left | a >> (bits - left)) & size_mask(size) : a;
}

/* RCL and RCR: a rotation of bits + 1 through the carry. Returns the result, *cf in and out. */
static uint64_t rotate_carry(uint64_t a, unsigned size, unsigned left, bool *cf)
{
    unsigned bits = size_bits(size);
    unsigned __int128 wide = (unsigned __int128)*cf << bits | a;
    if (left) {
        wide = wide << left | wide >> (bits + 1 - left);
    }
    *cf = wide >> bits & 1;
    return (uint64_t)wide & size_mask(size);
}

/* The result of a non-zero count, flags not yet set; commit with shift_commit(). */
struct shift_result {
    uint64_t value, operand;
    bool cf, of;
};

ALWAYS_INLINE struct shift_result shift_compute(struct x86_cpu *cpu, enum shift_kind kind, unsigned size, uint64_t a,
                                                unsigned count)
{
    struct shift_result result = { 0 };
    unsigned bits = size_bits(size), top = bits - 1;

    a &= size_mask(size);
    switch (kind) {
    case SHIFT_ROL:
        result.value = rotate_value(a, size, count % bits);
        result.cf = result.value & 1;
        result.of = result.cf ^ (result.value >> top & 1);
        break;
    case SHIFT_ROR:
        result.value = rotate_value(a, size, (bits - count % bits) % bits);
        result.cf = result.value >> top & 1;
        result.of = result.cf ^ (result.value >> (top - 1) & 1);
        break;
    case SHIFT_RCL:
        result.cf = flag_cf(cpu);
        result.value = rotate_carry(a, size, count % (bits + 1), &result.cf);
        result.of = result.cf ^ (result.value >> top & 1);
        break;
    case SHIFT_RCR:
        result.cf = flag_cf(cpu);
        result.value = rotate_carry(a, size, (bits + 1 - count % (bits + 1)) % (bits + 1), &result.cf);
        result.of = (result.value >> top ^ result.value >> (top - 1)) & 1;
        break;
    default:
        result.value = shift_once(cpu, kind, size, a, count, &result.operand);
        break;
    }
    return result;
}

ALWAYS_INLINE void shift_commit(struct x86_cpu *cpu, enum shift_kind kind, unsigned size,
                                const struct shift_result *result)
{
    if (kind > SHIFT_SAR) {
        rotate_flags(cpu, result->cf, result->of);
    } else {
        set_lazy_flags(cpu, kind == SHIFT_SHL ? CC_SHL : CC_SAR, size, result->value, result->operand);
    }
}

/* imm: the count, already masked; `by_cl`: it is in CL. A count of 0 changes nothing but clears the upper half. */
ALWAYS_INLINE void shift_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size, enum shift_kind kind,
                              enum operand_form form, bool by_cl)
{
    unsigned count = by_cl ? cpu->regs[R_RCX] & count_mask(size) : (unsigned)insn->imm;
    uint64_t va = form == FORM_REG ? 0 : x86_linear(cpu, insn);
    uint64_t a = form == FORM_REG ? reg_get(cpu, insn->dst, size) : mem_get(cpu, va, size);

    if (count) {
        struct shift_result result = shift_compute(cpu, kind, size, a, count);
        if (form == FORM_REG) {
            reg_set(cpu, insn->dst, size, result.value);
        } else {
            mem_put(cpu, va, size, result.value);
        }
        shift_commit(cpu, kind, size, &result);
    } else if (form == FORM_REG) {
        reg_set(cpu, insn->dst, size, a);
    }
    X86_NEXT(cpu, insn);
}

struct shift_handlers {
    x86_handler *by_form[2][2][4]; /* [memory][by CL] */
};
#define SHIFT_GROUP(name, kind)                                          \
    STAMP_SIZES(name##_ri, shift_body, kind, FORM_REG, false)            \
    STAMP_SIZES(name##_rc, shift_body, kind, FORM_REG, true)             \
    STAMP_SIZES(name##_mi, shift_body, kind, FORM_MEM, false)            \
    STAMP_SIZES(name##_mc, shift_body, kind, FORM_MEM, true)             \
    static const struct shift_handlers name##_handlers = {               \
        { { SIZES(name##_ri), SIZES(name##_rc) }, { SIZES(name##_mi), SIZES(name##_mc) } } \
    };
SHIFT_GROUP(shl, SHIFT_SHL)
SHIFT_GROUP(shr, SHIFT_SHR)
SHIFT_GROUP(sar, SHIFT_SAR)
SHIFT_GROUP(rol, SHIFT_ROL)
SHIFT_GROUP(ror, SHIFT_ROR)
SHIFT_GROUP(rcl, SHIFT_RCL)
SHIFT_GROUP(rcr, SHIFT_RCR)

/* By an immediate, in a register: what hashes and ciphers consist of, and mostly in front of an XOR or ADD. */
ALWAYS_INLINE void bare_rotate_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size, bool left)
{
    unsigned bits = size_bits(size), count = (unsigned)insn->imm % bits;
    uint64_t a = reg_get(cpu, insn->dst, size);

    reg_set(cpu, insn->dst, size, rotate_value(a, size, left ? count : (bits - count) % bits));
    X86_NEXT(cpu, insn);
}
STAMP_SIZES(rol_bare, bare_rotate_body, true)
STAMP_SIZES(ror_bare, bare_rotate_body, false)

x86_handler *x86_handler_without_flags(const struct x86_insn *insn)
{
    static x86_handler *const rol[4] = SIZES(rol_bare), *const ror[4] = SIZES(ror_bare);

    if (insn->opsize > 3) { /* a vector instruction's */
        return NULL;
    }
    return insn->handler == rol_handlers.by_form[0][0][insn->opsize]   ? rol[insn->opsize]
           : insn->handler == ror_handlers.by_form[0][0][insn->opsize] ? ror[insn->opsize]
                                                                       : NULL;
}

static enum x86_decode_result translate_shift(const struct x86_decode_context *ctx, const struct x86_op *op,
                                              const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                              struct x86_insn *insn)
{
    const struct shift_handlers *handlers = op->handlers;
    bool by_cl = operand_is_reg(&operands[1]), memory = operand_is_mem(&operands[0]);
    if (!memory) {
        insn->dst = x86_register_offset(operands[0].reg.value);
    }
    if (!by_cl) {
        insn->imm = operands[1].imm.value.u & count_mask(insn->opsize);
    }
    insn->handler = handlers->by_form[memory][by_cl][insn->opsize];
    return X86_DECODE_OK;
}

/*
 * SHLD, SHRD. 16-bit operands with counts over 16 are undefined; what comes out here is the destination twice around
 * the source.
 */
ALWAYS_INLINE void double_shift_body(struct x86_cpu *cpu, const struct x86_insn *insn, bool left)
{
    unsigned size = insn->opsize, bits = size_bits(size);
    unsigned count = (insn->imm < 0 ? cpu->regs[R_RCX] : (uint64_t)insn->imm) & count_mask(size);
    bool memory = insn->flags & X86_INSN_MEM;
    uint64_t va = memory ? x86_linear(cpu, insn) : 0, result, operand;
    uint64_t a = memory ? mem_get(cpu, va, size) : reg_get(cpu, insn->dst, size);
    unsigned __int128 b = reg_get(cpu, insn->src, size);

    if (count == 0) {
        if (!memory) {
            reg_set(cpu, insn->dst, size, a);
        }
        X86_NEXT(cpu, insn);
    }
    if (left) {
        unsigned __int128 wide = (unsigned __int128)a << bits | b;
        operand = a << (count - 1);
        result = bits == 16 && count > 16 ? (b << 16 | a) << (count - 16) >> 16 : wide << count >> bits;
    } else {
        unsigned __int128 wide = b << bits | a;
        operand = a >> (count - 1);
        result = bits == 16 && count > 16 ? ((uint64_t)a << 16 | (uint64_t)b) >> (count - 16) : wide >> count;
    }
    if (memory) {
        mem_put(cpu, va, size, result);
    } else {
        reg_set(cpu, insn->dst, size, result);
    }
    set_lazy_flags(cpu, left ? CC_SHL : CC_SAR, size, result, operand);
    X86_NEXT(cpu, insn);
}
STAMP_HANDLER(shld, double_shift_body, true)
STAMP_HANDLER(shrd, double_shift_body, false)

/* imm: the count, or -1: it is in CL. */
static enum x86_decode_result translate_double_shift(const struct x86_decode_context *ctx, const struct x86_op *op,
                                                     const ZydisDecodedInstruction *zi,
                                                     const ZydisDecodedOperand *operands, struct x86_insn *insn)
{
    if (operand_is_reg(&operands[0])) {
        insn->dst = x86_register_offset(operands[0].reg.value);
    }
    insn->src = x86_register_offset(operands[1].reg.value);
    insn->imm = operand_is_imm(&operands[2]) ? (int64_t)(operands[2].imm.value.u & count_mask(insn->opsize)) : -1;
    insn->handler = (x86_handler *)op->handlers;
    return X86_DECODE_OK;
}

/* SHLX SHRX SARX (count: register imm), RORX (count: imm): no flags. `src` holds the source unless it is memory. */
ALWAYS_INLINE void plain_shift_body(struct x86_cpu *cpu, const struct x86_insn *insn, enum shift_kind kind)
{
    unsigned size = insn->opsize, bits = size_bits(size);
    uint64_t a = insn->flags & X86_INSN_MEM ? mem_get(cpu, x86_linear(cpu, insn), size)
                                            : reg_get(cpu, insn->src, size);
    unsigned count = kind == SHIFT_ROR ? (unsigned)insn->imm & (bits - 1)
                                       : reg_get(cpu, insn->imm, 0) & count_mask(size);
    uint64_t result = kind == SHIFT_SHL   ? a << count
                      : kind == SHIFT_SHR ? a >> count
                      : kind == SHIFT_SAR ? (uint64_t)((int64_t)sign_extend(a, size) >> count)
                                          : rotate_value(a, size, (bits - count) % bits);
    reg_set(cpu, insn->dst, size, result);
    X86_NEXT(cpu, insn);
}
STAMP_HANDLER(shlx, plain_shift_body, SHIFT_SHL)
STAMP_HANDLER(shrx, plain_shift_body, SHIFT_SHR)
STAMP_HANDLER(sarx, plain_shift_body, SHIFT_SAR)
STAMP_HANDLER(rorx, plain_shift_body, SHIFT_ROR)

static enum x86_decode_result translate_plain_shift(const struct x86_decode_context *ctx, const struct x86_op *op,
                                                    const ZydisDecodedInstruction *zi,
                                                    const ZydisDecodedOperand *operands, struct x86_insn *insn)
{
    insn->dst = x86_register_offset(operands[0].reg.value);
    if (operand_is_reg(&operands[1])) {
        insn->src = x86_register_offset(operands[1].reg.value);
    }
    insn->imm = operand_is_imm(&operands[2]) ? (int64_t)operands[2].imm.value.u
                                             : x86_register_offset(operands[2].reg.value);
    insn->handler = (x86_handler *)op->handlers;
    return X86_DECODE_OK;
}

const struct x86_op x86_ops_shift[] = {
    { ZYDIS_MNEMONIC_SHL, ROW_ALWAYS, translate_shift, &shl_handlers },
    { ZYDIS_MNEMONIC_SHR, ROW_ALWAYS, translate_shift, &shr_handlers },
    { ZYDIS_MNEMONIC_SAR, ROW_ALWAYS, translate_shift, &sar_handlers },
    { ZYDIS_MNEMONIC_ROL, ROW_ALWAYS, translate_shift, &rol_handlers },
    { ZYDIS_MNEMONIC_ROR, ROW_ALWAYS, translate_shift, &ror_handlers },
    { ZYDIS_MNEMONIC_RCL, ROW_ALWAYS, translate_shift, &rcl_handlers },
    { ZYDIS_MNEMONIC_RCR, ROW_ALWAYS, translate_shift, &rcr_handlers },
    { ZYDIS_MNEMONIC_SHLD, ROW_ALWAYS, translate_double_shift, shld },
    { ZYDIS_MNEMONIC_SHRD, ROW_ALWAYS, translate_double_shift, shrd },
    { ZYDIS_MNEMONIC_SHLX, FEAT_7_0_EBX, 8, translate_plain_shift, shlx },
    { ZYDIS_MNEMONIC_SHRX, FEAT_7_0_EBX, 8, translate_plain_shift, shrx },
    { ZYDIS_MNEMONIC_SARX, FEAT_7_0_EBX, 8, translate_plain_shift, sarx },
    { ZYDIS_MNEMONIC_RORX, FEAT_7_0_EBX, 8, translate_plain_shift, rorx },
    { 0 },
};
