/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MOV MOVZX MOVSX MOVSXD LEA CMOVcc SETcc BSWAP CBW… CWD… MOVBE MOVNTI XLAT. Segment, control and debug registers are
 * elsewhere.
 */
#include "target/i386/ops.h"

ALWAYS_INLINE void mov_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size, enum operand_form dst,
                            enum operand_form src, x86_handler *miss)
{
    bool load = form_is_memory(src), store = form_is_memory(dst);
    uint64_t va = load || store ? operand_linear(cpu, insn, load ? src : dst) : 0;
    if (miss && !mem_at_hand(cpu, va, 1u << size, load, store)) {
        return miss(cpu, insn);
    }
    uint64_t value = load ? mem_get(cpu, va, size)
                     : src == FORM_REG ? reg_get(cpu, insn->src, size) : (uint64_t)insn->imm;
    if (store) {
        mem_put(cpu, va, size, value);
    } else {
        reg_set(cpu, insn->dst, size, value);
    }
    X86_NEXT(cpu, insn);
}

STAMP_SIZES(mov_rr, mov_body, FORM_REG, FORM_REG, NULL)
STAMP_SIZES(mov_ri, mov_body, FORM_REG, FORM_IMM, NULL)
STAMP_MEM_SIZES(mov_rm, mov_body, FORM_REG, FORM_MEM)
STAMP_MEM_SIZES(mov_rb, mov_body, FORM_REG, FORM_BASE)
STAMP_MEM_SIZES(mov_mr, mov_body, FORM_MEM, FORM_REG)
STAMP_MEM_SIZES(mov_br, mov_body, FORM_BASE, FORM_REG)
STAMP_MEM_SIZES(mov_mi, mov_body, FORM_MEM, FORM_IMM)
STAMP_MEM_SIZES(mov_bi, mov_body, FORM_BASE, FORM_IMM)
static x86_handler *const mov_handlers[4][4][4] = {
    [FORM_REG] = { SIZES(mov_rr), SIZES(mov_ri), SIZES(mov_rm), SIZES(mov_rb) },
    [FORM_MEM] = { SIZES(mov_mr), SIZES(mov_mi) },
    [FORM_BASE] = { SIZES(mov_br), SIZES(mov_bi) },
};

/* MOV with a 64-bit address in the instruction: the address is in imm. */
ALWAYS_INLINE void mov_offset_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size, bool load)
{
    uint64_t va = insn->imm;
    if (insn->flags & X86_INSN_SEG_BASE) {
        va = x86_linear_operand(cpu, insn, va);
    }
    if (load) {
        reg_set(cpu, R_RAX * 8, size, mem_get(cpu, va, size));
    } else {
        mem_put(cpu, va, size, reg_get(cpu, R_RAX * 8, size));
    }
    X86_NEXT(cpu, insn);
}
STAMP_SIZES(mov_load_offset, mov_offset_body, true)
STAMP_SIZES(mov_store_offset, mov_offset_body, false)
static x86_handler *const mov_offset_handlers[2][4] = { SIZES(mov_store_offset), SIZES(mov_load_offset) };

static bool is_wide_offset(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operand)
{
    return operand_is_mem(operand) && operand->mem.base == ZYDIS_REGISTER_NONE &&
           operand->mem.index == ZYDIS_REGISTER_NONE && operand->mem.disp.value != (int32_t)operand->mem.disp.value &&
           zi->address_width == 64;
}

static enum x86_decode_result translate_mov(const struct x86_decode_context *ctx, const struct x86_op *op,
                                            const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                            struct x86_insn *insn)
{
    for (unsigned i = 0; i < 2; i++) {
        if (operand_is_reg(&operands[i]) && !operand_is_general(&operands[i])) {
            return X86_DECODE_INVALID; /* segment, control and debug registers: ops-system */
        }
        if (is_wide_offset(zi, &operands[i])) {
            insn->imm = operands[i].mem.disp.value;
            insn->handler = mov_offset_handlers[i][insn->opsize];
            return X86_DECODE_OK;
        }
    }
    enum operand_form dst = operand_form(&operands[0], insn), src = operand_form(&operands[1], insn);
    if (dst == FORM_REG) {
        insn->dst = x86_register_offset(operands[0].reg.value);
    }
    if (src == FORM_REG) {
        insn->src = x86_register_offset(operands[1].reg.value);
    } else if (src == FORM_IMM) {
        insn->imm = operands[1].imm.value.s;
    }
    insn->handler = mov_handlers[dst][src][insn->opsize];
    return X86_DECODE_OK;
}

/* Widening moves: from `from` to `size`. opsize is the memory operand's. */
ALWAYS_INLINE void extend_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size, unsigned from,
                               bool sign, enum operand_form src, x86_handler *miss)
{
    uint64_t va = src == FORM_REG ? 0 : operand_linear(cpu, insn, src);
    if (miss && !mem_at_hand(cpu, va, 1u << from, true, false)) {
        return miss(cpu, insn);
    }
    uint64_t value = src == FORM_REG ? reg_get(cpu, insn->src, from) : mem_get(cpu, va, from);
    reg_set(cpu, insn->dst, size, sign ? sign_extend(value, from) : value);
    X86_NEXT(cpu, insn);
}

#define EXTEND_FORMS(name, from, sign)                              \
    STAMP_SIZES(name##_r, extend_body, from, sign, FORM_REG, NULL)  \
    STAMP_MEM_SIZES(name##_m, extend_body, from, sign, FORM_MEM)    \
    STAMP_MEM_SIZES(name##_b, extend_body, from, sign, FORM_BASE)
#define EXTEND_ROW(name) { SIZES(name##_r), {}, SIZES(name##_m), SIZES(name##_b) }
EXTEND_FORMS(movzx8, 0, false)
EXTEND_FORMS(movzx16, 1, false)
EXTEND_FORMS(movsx8, 0, true)
EXTEND_FORMS(movsx16, 1, true)
EXTEND_FORMS(movsx32, 2, true)
/* [sign][from][form][to] */
static x86_handler *const extend_handlers[2][3][4][4] = {
    { EXTEND_ROW(movzx8), EXTEND_ROW(movzx16) },
    { EXTEND_ROW(movsx8), EXTEND_ROW(movsx16), EXTEND_ROW(movsx32) },
};

static enum x86_decode_result translate_extend(const struct x86_decode_context *ctx, const struct x86_op *op,
                                               const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                               struct x86_insn *insn)
{
    unsigned to = insn->opsize, from = MIN(operand_log2(&operands[1]), 2);
    enum operand_form src = operand_form(&operands[1], insn);
    insn->dst = x86_register_offset(operands[0].reg.value);
    if (src == FORM_REG) {
        insn->src = x86_register_offset(operands[1].reg.value);
    } else {
        insn->opsize = from;
    }
    insn->handler = extend_handlers[op->arg][from][src][to];
    return X86_DECODE_OK;
}

ALWAYS_INLINE void lea_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size, enum operand_form form)
{
    reg_set(cpu, insn->dst, size,
            form == FORM_BASE ? cpu->regs[insn->base] + (int64_t)insn->disp : x86_ea(cpu, insn));
    X86_NEXT(cpu, insn);
}
STAMP_SIZES(lea_m, lea_body, FORM_MEM)
STAMP_SIZES(lea_b, lea_body, FORM_BASE)
static x86_handler *const lea_handlers[2][4] = { SIZES(lea_m), SIZES(lea_b) };

static enum x86_decode_result translate_lea(const struct x86_decode_context *ctx, const struct x86_op *op,
                                            const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                            struct x86_insn *insn)
{
    insn->dst = x86_register_offset(operands[0].reg.value);
    insn->handler = lea_handlers[operand_form(&operands[1], insn) == FORM_BASE][insn->opsize];
    return X86_DECODE_OK;
}

/* A false condition still loads (and may fault), and a 32-bit destination is zero-extended. */
ALWAYS_INLINE void cmov_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned cc)
{
    unsigned size = insn->opsize;
    uint64_t value = insn->flags & X86_INSN_MEM ? mem_get(cpu, x86_linear(cpu, insn), size)
                                                : reg_get(cpu, insn->src, size);
    if (!condition_holds(cpu, cc)) {
        value = reg_get(cpu, insn->dst, size);
    }
    reg_set(cpu, insn->dst, size, value);
    X86_NEXT(cpu, insn);
}

ALWAYS_INLINE void setcc_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned cc)
{
    uint8_t value = condition_holds(cpu, cc);
    if (insn->flags & X86_INSN_MEM) {
        mem_st8(cpu, x86_linear(cpu, insn), value);
    } else {
        reg_set(cpu, insn->dst, 0, value);
    }
    X86_NEXT(cpu, insn);
}

#define STAMP_CMOV(cc) STAMP_HANDLER(cmov_##cc, cmov_body, cc)
#define STAMP_SETCC(cc) STAMP_HANDLER(setcc_##cc, setcc_body, cc)
FOR_EACH_CODE(STAMP_CMOV)
FOR_EACH_CODE(STAMP_SETCC)
#define CMOV_NAME(cc) cmov_##cc,
#define SETCC_NAME(cc) setcc_##cc,
static x86_handler *const cmov_handlers[16] = { FOR_EACH_CODE(CMOV_NAME) };
static x86_handler *const setcc_handlers[16] = { FOR_EACH_CODE(SETCC_NAME) };

static enum x86_decode_result translate_condition(const struct x86_decode_context *ctx, const struct x86_op *op,
                                                  const ZydisDecodedInstruction *zi,
                                                  const ZydisDecodedOperand *operands, struct x86_insn *insn)
{
    x86_handler *const *handlers = op->handlers;
    if (operand_is_reg(&operands[0])) {
        insn->dst = x86_register_offset(operands[0].reg.value);
    }
    if (zi->operand_count_visible > 1 && operand_is_reg(&operands[1])) {
        insn->src = x86_register_offset(operands[1].reg.value);
    }
    insn->handler = handlers[op->arg];
    return X86_DECODE_OK;
}

/* BSWAP of a 16-bit register is undefined; processors clear it. */
ALWAYS_INLINE uint64_t swap_bytes(uint64_t value, unsigned size)
{
    return __builtin_bswap64(value) >> (64 - size_bits(size));
}

static void bswap(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t value = reg_get(cpu, insn->dst, insn->opsize);
    reg_set(cpu, insn->dst, insn->opsize, insn->opsize == 1 ? 0 : swap_bytes(value, insn->opsize));
    X86_NEXT(cpu, insn);
}

static void movbe_load(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t value = mem_get(cpu, x86_linear(cpu, insn), insn->opsize);
    reg_set(cpu, insn->dst, insn->opsize, swap_bytes(value, insn->opsize));
    X86_NEXT(cpu, insn);
}

static void movbe_store(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t value = reg_get(cpu, insn->src, insn->opsize);
    mem_put(cpu, x86_linear(cpu, insn), insn->opsize, swap_bytes(value, insn->opsize));
    X86_NEXT(cpu, insn);
}

static x86_handler *const movbe_handlers[2] = { movbe_load, movbe_store };

/* Two operands; handlers[0] loads or works on the register dst, handlers[1] stores. */
static enum x86_decode_result translate_load_store(const struct x86_decode_context *ctx, const struct x86_op *op,
                                                   const ZydisDecodedInstruction *zi,
                                                   const ZydisDecodedOperand *operands, struct x86_insn *insn)
{
    x86_handler *const *handlers = op->handlers;
    bool store = operand_is_mem(&operands[0]);
    if (store) {
        insn->src = x86_register_offset(operands[1].reg.value);
    } else {
        insn->dst = x86_register_offset(operands[0].reg.value);
    }
    insn->handler = handlers[store];
    return X86_DECODE_OK;
}
static x86_handler *const bswap_handlers[2] = { bswap };

/* CBW CWDE CDQE: the lower half of rAX, sign-extended. `opsize` is the result's. */
ALWAYS_INLINE void widen_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size)
{
    reg_set(cpu, R_RAX * 8, size, sign_extend(cpu->regs[R_RAX], size - 1));
    X86_NEXT(cpu, insn);
}
/* CWD CDQ CQO: rDX filled with rAX's sign. */
ALWAYS_INLINE void spread_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size)
{
    reg_set(cpu, R_RDX * 8, size, (uint64_t)((int64_t)sign_extend(cpu->regs[R_RAX], size) >> 63));
    X86_NEXT(cpu, insn);
}
STAMP_HANDLER(cbw, widen_body, 1)
STAMP_HANDLER(cwde, widen_body, 2)
STAMP_HANDLER(cdqe, widen_body, 3)
STAMP_HANDLER(cwd, spread_body, 1)
STAMP_HANDLER(cdq, spread_body, 2)
STAMP_HANDLER(cqo, spread_body, 3)

static void xlat(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    /* x86_decode() made it [rBX], before address wrap: AL joins in here. */
    uint64_t ea = cpu->regs[R_RBX] + (uint8_t)cpu->regs[R_RAX];
    if (insn->flags & (X86_INSN_ADDR16 | X86_INSN_ADDR32)) {
        ea &= insn->flags & X86_INSN_ADDR16 ? 0xffff : 0xffffffff;
    }
    if (insn->flags & X86_INSN_SEG_BASE) {
        ea = x86_linear_operand(cpu, insn, ea);
    }
    reg_set(cpu, R_RAX * 8, 0, mem_ld8(cpu, ea));
    X86_NEXT(cpu, insn);
}

static enum x86_decode_result translate_xlat(const struct x86_decode_context *ctx, const struct x86_op *op,
                                             const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                             struct x86_insn *insn)
{
    for (unsigned i = 0; i < zi->operand_count; i++) {
        if (operand_is_mem(&operands[i])) {
            x86_fill_memory(ctx, zi, &operands[i], insn); /* it is a hidden operand */
        }
    }
    insn->opsize = 0;
    insn->handler = xlat;
    return X86_DECODE_OK;
}

#define CMOV_ROW(suffix, cc) { ZYDIS_MNEMONIC_##suffix, FEAT_1_EDX, 15, translate_condition, cmov_handlers, cc },
#define SETCC_ROW(suffix, cc) { ZYDIS_MNEMONIC_##suffix, ROW_ALWAYS, translate_condition, setcc_handlers, cc },
const struct x86_op x86_ops_move[] = {
    { ZYDIS_MNEMONIC_MOV, ROW_ALWAYS, translate_mov, NULL },
    { ZYDIS_MNEMONIC_MOVZX, ROW_ALWAYS, translate_extend, NULL, 0 },
    { ZYDIS_MNEMONIC_MOVSX, ROW_ALWAYS, translate_extend, NULL, 1 },
    { ZYDIS_MNEMONIC_MOVSXD, ROW_ALWAYS, translate_extend, NULL, 1 },
    { ZYDIS_MNEMONIC_LEA, ROW_ALWAYS, translate_lea, NULL },
    FOR_EACH_CONDITION(CMOV_ROW, CMOV)
    FOR_EACH_CONDITION(SETCC_ROW, SET)
    { ZYDIS_MNEMONIC_BSWAP, ROW_ALWAYS, translate_load_store, bswap_handlers },
    { ZYDIS_MNEMONIC_MOVBE, FEAT_1_ECX, 22, translate_load_store, movbe_handlers },
    { ZYDIS_MNEMONIC_MOVNTI, FEAT_1_EDX, 26, translate_mov, NULL },
    { ZYDIS_MNEMONIC_CBW, ROW_ALWAYS, translate_plain, cbw },
    { ZYDIS_MNEMONIC_CWDE, ROW_ALWAYS, translate_plain, cwde },
    { ZYDIS_MNEMONIC_CDQE, ROW_ALWAYS, translate_plain, cdqe },
    { ZYDIS_MNEMONIC_CWD, ROW_ALWAYS, translate_plain, cwd },
    { ZYDIS_MNEMONIC_CDQ, ROW_ALWAYS, translate_plain, cdq },
    { ZYDIS_MNEMONIC_CQO, ROW_ALWAYS, translate_plain, cqo },
    { ZYDIS_MNEMONIC_XLAT, ROW_ALWAYS, translate_xlat, NULL },
    { 0 },
};
