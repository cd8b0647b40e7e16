/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JMP Jcc CALL RET LOOP JrCXZ, INT and IRET. All end their block. Direct targets are slots 0 (fall through) and 1
 * (taken), whose displacement from the block's start is in imm; the rest is looked up (slot 2).
 *
 * In 64-bit mode operands of near branches are 64 bits wide (as Intel's processors have it: 66 is ignored). An
 * indirect branch to a non-canonical address faults itself; a direct one faults at the fetch.
 */
#include "accel/tcg/chain.h"
#include "target/i386/stack.h"

/* Outside 64-bit mode: the target is cut to the operand size and checked against CS. */
static uint64_t check_target(struct x86_cpu *cpu, unsigned size, uint64_t target)
{
    if ((cpu->mode & X86_MODE_BITS) == X86_MODE_64) {
        return target;
    }
    target &= size == 1 ? 0xffff : 0xffffffff;
    if (target > cpu->segs[S_CS].limit) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    return target;
}

static uint64_t fall_through(const struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t rip = next_rip(cpu, insn);
    return (cpu->mode & X86_MODE_BITS) == X86_MODE_64 ? rip : (uint32_t)rip;
}

static void branch_if(struct x86_cpu *cpu, const struct x86_insn *insn, bool taken)
{
    if (taken) {
        x86_leave_block(cpu, check_target(cpu, insn->opsize, cpu->regs[R_RIP] + insn->imm), 1);
    } else {
        x86_leave_block(cpu, fall_through(cpu, insn), 0);
    }
}

/* Hot: 64-bit mode. */

ALWAYS_INLINE uint64_t check_canonical(struct x86_cpu *cpu, uint64_t target)
{
    if (__builtin_expect((int64_t)(target << 16) >> 16 != (int64_t)target, 0)) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    return target;
}

ALWAYS_INLINE void jcc_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned cc)
{
    if (condition_holds(cpu, cc)) {
        tcg_leave_block(cpu, cpu->regs[R_RIP] + insn->imm, 1);
    } else {
        tcg_leave_block(cpu, cpu->regs[R_RIP] + insn->next, 0);
    }
}
#define STAMP_JCC(cc) STAMP_HANDLER(jcc_##cc, jcc_body, cc)
FOR_EACH_CODE(STAMP_JCC)
#define JCC_NAME(cc) jcc_##cc,
static x86_handler *const jcc_handlers[16] = { FOR_EACH_CODE(JCC_NAME) };

bool is_jcc_64(const struct x86_insn *insn)
{
    return insn->dst < G_N_ELEMENTS(jcc_handlers) && insn->handler == jcc_handlers[insn->dst];
}

static void jmp_64(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    tcg_leave_block(cpu, cpu->regs[R_RIP] + insn->imm, 1);
}

/* Most lead to another page, where no link does. */
ALWAYS_INLINE void call_64_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned slot, x86_handler *miss)
{
    uint64_t sp = cpu->regs[R_RSP] - 8, target = cpu->regs[R_RIP] + insn->imm;
    if (miss && !mem_at_hand(cpu, sp, 8, false, true)) {
        return miss(cpu, insn);
    }
    mem_st64(cpu, sp, next_rip(cpu, insn));
    cpu->regs[R_RSP] = sp;
    if ((target ^ cpu->block_pc) & ~0xfffull) {
        tcg_leave_block_to(cpu, target);
    } else {
        tcg_leave_block(cpu, target, slot);
    }
}
STAMP_MEM_HANDLER(call_64, call_64_body, 1)

static void jmp_reg_64(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    tcg_leave_block_to(cpu, check_canonical(cpu, reg_get(cpu, insn->src, 3)));
}

static void jmp_mem_64(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    tcg_leave_block_to(cpu, check_canonical(cpu, mem_ld64(cpu, x86_linear(cpu, insn))));
}

ALWAYS_INLINE void call_indirect_64(struct x86_cpu *cpu, const struct x86_insn *insn, uint64_t target)
{
    uint64_t sp = cpu->regs[R_RSP] - 8;
    if (__builtin_expect((int64_t)(target << 16) >> 16 != (int64_t)target, 0)) {
        mem_probe(cpu, sp, 8, true, cpu->mmu_index); /* the push's fault comes first */
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    mem_st64(cpu, sp, next_rip(cpu, insn));
    cpu->regs[R_RSP] = sp;
    tcg_leave_block_to(cpu, target);
}

static void call_reg_64(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    call_indirect_64(cpu, insn, reg_get(cpu, insn->src, 3));
}

static void call_mem_64(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    call_indirect_64(cpu, insn, mem_ld64(cpu, x86_linear(cpu, insn)));
}

/* `imm`: 8 and what RET n pops. */
ALWAYS_INLINE void ret_64_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size, x86_handler *miss)
{
    uint64_t sp = cpu->regs[R_RSP];
    if (miss && !mem_at_hand(cpu, sp, 1u << size, true, false)) {
        return miss(cpu, insn);
    }
    uint64_t target = check_canonical(cpu, mem_get(cpu, sp, size));
    cpu->regs[R_RSP] = sp + insn->imm;
    tcg_leave_block_to(cpu, target);
}
STAMP_MEM_HANDLER(ret_64, ret_64_body, 3)

/* Any mode. `dst` of a Jcc is its condition code. */

static void jcc_any(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    branch_if(cpu, insn, condition_holds(cpu, insn->dst));
}

static void jmp_any(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    branch_if(cpu, insn, true);
}

static uint64_t indirect_target(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t target = insn->flags & X86_INSN_MEM ? mem_get(cpu, x86_linear(cpu, insn), insn->opsize)
                                                 : reg_get(cpu, insn->src, insn->opsize);
    return check_target(cpu, insn->opsize, target);
}

static void jmp_indirect_any(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_leave_block(cpu, indirect_target(cpu, insn), 2);
}

static void call_any(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t target = check_target(cpu, insn->opsize, cpu->regs[R_RIP] + insn->imm);
    stack_push(cpu, insn->opsize, next_rip(cpu, insn));
    x86_leave_block(cpu, target, 1);
}

static void call_indirect_any(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t target = indirect_target(cpu, insn);
    stack_push(cpu, insn->opsize, next_rip(cpu, insn));
    x86_leave_block(cpu, target, 2);
}

static void ret_any(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t sp = cpu->regs[R_RSP];
    uint64_t target = check_target(cpu, insn->opsize, stack_load(cpu, sp, insn->opsize));
    stack_set(cpu, R_RSP, sp + insn->imm);
    x86_leave_block(cpu, target, 2);
}

/* Counting branches: the counter is as wide as addresses are. */

static unsigned address_log2(const struct x86_insn *insn)
{
    return insn->flags & X86_INSN_ADDR16 ? 1 : insn->flags & X86_INSN_ADDR32 ? 2 : 3;
}

enum loop_kind { LOOP_ALWAYS, LOOP_EQUAL, LOOP_NOT_EQUAL };
ALWAYS_INLINE void loop_body(struct x86_cpu *cpu, const struct x86_insn *insn, enum loop_kind kind)
{
    unsigned size = address_log2(insn);
    uint64_t count = (reg_get(cpu, R_RCX * 8, size) - 1) & size_mask(size);
    bool taken = count != 0 && (kind == LOOP_ALWAYS || flag_zf(cpu) == (kind == LOOP_EQUAL));
    uint64_t target = taken ? check_target(cpu, insn->opsize, cpu->regs[R_RIP] + insn->imm) : fall_through(cpu, insn);
    reg_set(cpu, R_RCX * 8, size, count);
    x86_leave_block(cpu, target, taken);
}
STAMP_HANDLER(loop, loop_body, LOOP_ALWAYS)
STAMP_HANDLER(loope, loop_body, LOOP_EQUAL)
STAMP_HANDLER(loopne, loop_body, LOOP_NOT_EQUAL)

static void jrcxz(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    branch_if(cpu, insn, reg_get(cpu, R_RCX * 8, address_log2(insn)) == 0);
}

/* Far transfers and interrupts: target/i386/system-ops.h leaves the block. */

static void far_pointer(struct x86_cpu *cpu, const struct x86_insn *insn, uint16_t *selector, uint64_t *offset)
{
    if (!(insn->flags & X86_INSN_MEM)) {
        *offset = (uint32_t)insn->imm;
        *selector = insn->disp;
        return;
    }
    uint64_t va = x86_linear(cpu, insn);
    *offset = mem_get(cpu, va, insn->opsize);
    *selector = mem_ld16(cpu, va + (1u << insn->opsize));
}

static void jmp_far(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint16_t selector;
    uint64_t offset;
    far_pointer(cpu, insn, &selector, &offset);
    x86_far_jump(cpu, selector, offset, insn->opsize, fall_through(cpu, insn));
}

static void call_far(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint16_t selector;
    uint64_t offset;
    far_pointer(cpu, insn, &selector, &offset);
    x86_far_call(cpu, selector, offset, insn->opsize, fall_through(cpu, insn));
}

static void ret_far(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_far_return(cpu, insn->opsize, insn->imm);
}

static void iret(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_iret(cpu, insn->opsize, fall_through(cpu, insn));
}

static void software_interrupt(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_software_interrupt(cpu, insn->imm, fall_through(cpu, insn));
}

static void into(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    if (flag_of(cpu)) {
        x86_software_interrupt(cpu, EXCP_OF, fall_through(cpu, insn));
        return;
    }
    x86_leave_block(cpu, fall_through(cpu, insn), 0);
}

static enum x86_decode_result translate_jcc(const struct x86_decode_context *ctx, const struct x86_op *op,
                                            const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                            struct x86_insn *insn)
{
    insn->imm = insn->next + operands[0].imm.value.s;
    insn->dst = op->arg;
    insn->handler = (ctx->mode & X86_MODE_BITS) == X86_MODE_64 ? jcc_handlers[op->arg] : jcc_any;
    return X86_DECODE_LAST;
}

struct near_handlers {
    x86_handler *direct, *reg, *mem, *any_direct, *any_indirect, *far;
};
static const struct near_handlers jmp_handlers = { jmp_64, jmp_reg_64, jmp_mem_64, jmp_any, jmp_indirect_any,
                                                   jmp_far };
static const struct near_handlers call_handlers = { call_64, call_reg_64, call_mem_64, call_any, call_indirect_any,
                                                    call_far };

static enum x86_decode_result translate_jump(const struct x86_decode_context *ctx, const struct x86_op *op,
                                             const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                             struct x86_insn *insn)
{
    const struct near_handlers *handlers = op->handlers;
    bool wide = (ctx->mode & X86_MODE_BITS) == X86_MODE_64;

    if (zi->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) {
        if (operands[0].type == ZYDIS_OPERAND_TYPE_POINTER) {
            insn->imm = operands[0].ptr.offset;
            insn->disp = operands[0].ptr.segment;
        }
        insn->handler = handlers->far;
        return X86_DECODE_LAST;
    }
    if (operand_is_imm(&operands[0])) {
        insn->imm = insn->next + operands[0].imm.value.s;
        insn->handler = wide ? handlers->direct : handlers->any_direct;
    } else if (operand_is_reg(&operands[0])) {
        insn->src = x86_register_offset(operands[0].reg.value);
        insn->handler = wide ? handlers->reg : handlers->any_indirect;
    } else {
        insn->handler = wide ? handlers->mem : handlers->any_indirect;
    }
    if (!operand_is_mem(&operands[0])) {
        insn->seg = S_SS; /* CALL's only memory access is the stack's: non-canonical is #SS */
    }
    return X86_DECODE_LAST;
}

static enum x86_decode_result translate_ret(const struct x86_decode_context *ctx, const struct x86_op *op,
                                            const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                            struct x86_insn *insn)
{
    insn->imm = zi->operand_count_visible ? (uint16_t)operands[0].imm.value.u : 0;
    insn->seg = S_SS;
    if (zi->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) {
        insn->handler = ret_far;
        return X86_DECODE_LAST;
    }
    insn->handler = (ctx->mode & X86_MODE_BITS) == X86_MODE_64 ? ret_64 : ret_any;
    insn->imm += 1u << insn->opsize;
    return X86_DECODE_LAST;
}

static enum x86_decode_result translate_loop(const struct x86_decode_context *ctx, const struct x86_op *op,
                                             const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                             struct x86_insn *insn)
{
    insn->imm = insn->next + operands[0].imm.value.s;
    insn->flags |= zi->address_width == 16 ? X86_INSN_ADDR16 : zi->address_width == 32 ? X86_INSN_ADDR32 : 0;
    insn->handler = (x86_handler *)op->handlers;
    return X86_DECODE_LAST;
}

/* INT n, INT3, INT1 (arg: the vector, or 256: it is the operand), INTO, IRET. */
static enum x86_decode_result translate_interrupt(const struct x86_decode_context *ctx, const struct x86_op *op,
                                                  const ZydisDecodedInstruction *zi,
                                                  const ZydisDecodedOperand *operands, struct x86_insn *insn)
{
    insn->imm = op->arg == 256 ? (uint8_t)operands[0].imm.value.u : op->arg;
    insn->seg = S_SS;
    insn->handler = (x86_handler *)op->handlers;
    return X86_DECODE_LAST;
}

#define JCC_ROW(suffix, cc) { ZYDIS_MNEMONIC_##suffix, ROW_ALWAYS, translate_jcc, NULL, cc },
const struct x86_op x86_ops_branch[] = {
    FOR_EACH_CONDITION(JCC_ROW, J)
    { ZYDIS_MNEMONIC_JMP, ROW_ALWAYS, translate_jump, &jmp_handlers },
    { ZYDIS_MNEMONIC_CALL, ROW_ALWAYS, translate_jump, &call_handlers },
    { ZYDIS_MNEMONIC_RET, ROW_ALWAYS, translate_ret, NULL },
    { ZYDIS_MNEMONIC_LOOP, ROW_ALWAYS, translate_loop, loop },
    { ZYDIS_MNEMONIC_LOOPE, ROW_ALWAYS, translate_loop, loope },
    { ZYDIS_MNEMONIC_LOOPNE, ROW_ALWAYS, translate_loop, loopne },
    { ZYDIS_MNEMONIC_JCXZ, ROW_ALWAYS, translate_loop, jrcxz },
    { ZYDIS_MNEMONIC_JECXZ, ROW_ALWAYS, translate_loop, jrcxz },
    { ZYDIS_MNEMONIC_JRCXZ, ROW_ALWAYS, translate_loop, jrcxz },
    { ZYDIS_MNEMONIC_INT, ROW_ALWAYS, translate_interrupt, software_interrupt, 256 },
    { ZYDIS_MNEMONIC_INT3, ROW_ALWAYS, translate_interrupt, software_interrupt, EXCP_BP },
    { ZYDIS_MNEMONIC_INT1, ROW_ALWAYS, translate_interrupt, software_interrupt, EXCP_DB },
    { ZYDIS_MNEMONIC_INTO, ROW_ALWAYS, translate_interrupt, into },
    { ZYDIS_MNEMONIC_IRET, ROW_ALWAYS, translate_interrupt, iret },
    { ZYDIS_MNEMONIC_IRETD, ROW_ALWAYS, translate_interrupt, iret },
    { ZYDIS_MNEMONIC_IRETQ, ROW_ALWAYS, translate_interrupt, iret },
    { 0 },
};
