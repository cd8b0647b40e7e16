/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PUSH POP PUSHA POPA PUSHF POPF ENTER LEAVE. */
#include "target/i386/stack.h"

/* Hot: 64-bit mode, 64-bit operands. */

ALWAYS_INLINE void push_64_body(struct x86_cpu *cpu, const struct x86_insn *insn, enum operand_form src,
                                x86_handler *miss)
{
    uint64_t sp = cpu->regs[R_RSP] - 8;
    if (miss && !mem_at_hand(cpu, sp, 8, false, true)) {
        return miss(cpu, insn);
    }
    mem_st64(cpu, sp, src == FORM_REG ? reg_get(cpu, insn->src, 3) : (uint64_t)insn->imm);
    cpu->regs[R_RSP] = sp;
    X86_NEXT(cpu, insn);
}
STAMP_MEM_HANDLER(push_reg_64, push_64_body, FORM_REG)
STAMP_MEM_HANDLER(push_imm_64, push_64_body, FORM_IMM)

static void push_mem_64(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t sp = cpu->regs[R_RSP] - 8;
    mem_st64(cpu, sp, mem_ld64(cpu, x86_linear(cpu, insn)));
    cpu->regs[R_RSP] = sp;
    X86_NEXT(cpu, insn);
}

/* LEAVE is POP RBP from where RBP points. */
ALWAYS_INLINE void pop_64_body(struct x86_cpu *cpu, const struct x86_insn *insn, bool leave, x86_handler *miss)
{
    uint64_t sp = cpu->regs[leave ? R_RBP : R_RSP];
    if (miss && !mem_at_hand(cpu, sp, 8, true, false)) {
        return miss(cpu, insn);
    }
    uint64_t value = mem_ld64(cpu, sp);
    cpu->regs[R_RSP] = sp + 8; /* first: POP RSP takes what was read */
    reg_set(cpu, leave ? R_RBP * 8 : insn->dst, 3, value);
    X86_NEXT(cpu, insn);
}
STAMP_MEM_HANDLER(pop_reg_64, pop_64_body, false)
STAMP_MEM_HANDLER(leave_64, pop_64_body, true)

/* Any mode. */

static void push_reg(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    stack_push(cpu, insn->opsize, reg_get(cpu, insn->src, insn->opsize));
    X86_NEXT(cpu, insn);
}

static void push_imm(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    stack_push(cpu, insn->opsize, insn->imm);
    X86_NEXT(cpu, insn);
}

static void push_mem(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    stack_push(cpu, insn->opsize, mem_get(cpu, x86_linear(cpu, insn), insn->opsize));
    X86_NEXT(cpu, insn);
}

static void push_segment(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    stack_push(cpu, insn->opsize, (uint16_t)cpu->segs[insn->src].selector);
    X86_NEXT(cpu, insn);
}

static void pop_reg(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t sp = cpu->regs[R_RSP];
    uint64_t value = stack_load(cpu, sp, insn->opsize);
    stack_set(cpu, R_RSP, sp + (1u << insn->opsize));
    reg_set(cpu, insn->dst, insn->opsize, value);
    X86_NEXT(cpu, insn);
}

/* An address that is based on rSP uses its value after the pop: decoding has added the operand size to disp. */
static void pop_mem(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t sp = cpu->regs[R_RSP];
    uint64_t value = stack_load(cpu, sp, insn->opsize);
    mem_put(cpu, x86_linear(cpu, insn), insn->opsize, value);
    stack_set(cpu, R_RSP, sp + (1u << insn->opsize));
    X86_NEXT(cpu, insn);
}

/* Ends the block: flatness, and so the mode that decoding depends on, may change. */
static void pop_segment(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t sp = cpu->regs[R_RSP], mask = x86_stack_mask(cpu);
    uint16_t selector = stack_load(cpu, sp, 1);
    x86_load_segment(cpu, insn->dst, selector);
    sp += 1u << insn->opsize;
    cpu->regs[R_RSP] = mask == 0xffff ? (cpu->regs[R_RSP] & ~mask) | (sp & mask) : sp & mask;
    leave_after(cpu, insn);
    cpu->exit_slot = 2;
}

static void pusha(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned size = insn->opsize;
    uint64_t sp = cpu->regs[R_RSP];

    for (unsigned i = 1; i <= 8; i++) {
        mem_probe(cpu, stack_va(cpu, sp - (i << size), size, true), 1u << size, true, cpu->mmu_index);
    }
    for (unsigned i = 0; i < 8; i++) { /* rAX first, rDI last; rSP as it was before */
        stack_store(cpu, sp - ((i + 1) << size), size, cpu->regs[i]);
    }
    stack_set(cpu, R_RSP, sp - (8u << size));
    X86_NEXT(cpu, insn);
}

static void popa(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned size = insn->opsize;
    uint64_t sp = cpu->regs[R_RSP], values[8];

    for (unsigned i = 0; i < 8; i++) {
        values[7 - i] = stack_load(cpu, sp + (i << size), size);
    }
    for (unsigned i = 0; i < 8; i++) {
        if (i != R_RSP) {
            reg_set(cpu, i * 8, size, values[i]);
        }
    }
    stack_set(cpu, R_RSP, sp + (8u << size));
    X86_NEXT(cpu, insn);
}

/* Virtual-8086 mode without IOPL 3: the monitor must do it. */
static void check_vm86_iopl(struct x86_cpu *cpu)
{
    if ((cpu->mode & X86_MODE_VM86) && (cpu->eflags & EFLAGS_IOPL) != EFLAGS_IOPL) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
}

static void pushf(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    check_vm86_iopl(cpu);
    stack_push(cpu, insn->opsize, x86_flags_get(cpu) & ~(EFLAGS_VM | EFLAGS_RF));
    X86_NEXT(cpu, insn);
}

static void popf(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    check_vm86_iopl(cpu);
    uint64_t sp = cpu->regs[R_RSP];
    uint32_t value = stack_load(cpu, sp, insn->opsize);
    stack_set(cpu, R_RSP, sp + (1u << insn->opsize));
    x86_write_eflags(cpu, value, insn->opsize);
    leave_after(cpu, insn);
    cpu->exit_slot = 2; /* TF or AC: other code than the one that would be linked */
}

/* imm: bytes to reserve | nesting level << 16 */
static void enter(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned size = insn->opsize, level = insn->imm >> 16 & 31;
    uint64_t sp = cpu->regs[R_RSP] - (1u << size), bp = cpu->regs[R_RBP];

    stack_store(cpu, sp, size, bp);
    uint64_t frame = sp;
    for (unsigned i = 1; i < level; i++) {
        bp -= 1u << size;
        sp -= 1u << size;
        stack_store(cpu, sp, size, stack_load(cpu, bp, size));
    }
    if (level) {
        sp -= 1u << size;
        stack_store(cpu, sp, size, frame);
    }
    sp -= insn->imm & 0xffff;
    mem_probe(cpu, stack_va(cpu, sp, size, true), 1u << size, true, cpu->mmu_index);
    stack_set(cpu, R_RSP, sp);
    reg_set(cpu, R_RBP * 8, size, frame);
    X86_NEXT(cpu, insn);
}

static void leave(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t bp = cpu->regs[R_RBP];
    uint64_t value = stack_load(cpu, bp, insn->opsize);
    stack_set(cpu, R_RSP, bp + (1u << insn->opsize));
    reg_set(cpu, R_RBP * 8, insn->opsize, value);
    X86_NEXT(cpu, insn);
}

static bool is_64(const struct x86_decode_context *ctx, const struct x86_insn *insn)
{
    return (ctx->mode & X86_MODE_BITS) == X86_MODE_64 && insn->opsize == 3;
}

static enum x86_decode_result translate_push(const struct x86_decode_context *ctx, const struct x86_op *op,
                                             const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                             struct x86_insn *insn)
{
    bool wide = is_64(ctx, insn);
    if (operand_is_mem(&operands[0])) {
        insn->handler = wide ? push_mem_64 : push_mem;
        return X86_DECODE_OK;
    }
    insn->seg = S_SS;
    if (operand_is_imm(&operands[0])) {
        insn->imm = operands[0].imm.value.s;
        insn->handler = wide ? push_imm_64 : push_imm;
    } else if (operand_is_general(&operands[0])) {
        insn->src = x86_register_offset(operands[0].reg.value);
        insn->handler = wide ? push_reg_64 : push_reg;
    } else {
        insn->src = x86_segment_number(operands[0].reg.value);
        insn->handler = push_segment;
    }
    return X86_DECODE_OK;
}

static enum x86_decode_result translate_pop(const struct x86_decode_context *ctx, const struct x86_op *op,
                                            const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                            struct x86_insn *insn)
{
    if (operand_is_mem(&operands[0])) {
        insn->disp += insn->base == R_RSP ? 1 << insn->opsize : 0;
        insn->handler = pop_mem;
        return X86_DECODE_OK;
    }
    insn->seg = S_SS;
    if (operand_is_general(&operands[0])) {
        insn->dst = x86_register_offset(operands[0].reg.value);
        insn->handler = is_64(ctx, insn) ? pop_reg_64 : pop_reg;
        return X86_DECODE_OK;
    }
    insn->dst = x86_segment_number(operands[0].reg.value);
    insn->handler = pop_segment;
    return X86_DECODE_LAST;
}

static enum x86_decode_result translate_frame(const struct x86_decode_context *ctx, const struct x86_op *op,
                                              const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                              struct x86_insn *insn)
{
    insn->seg = S_SS;
    if (op->mnemonic == ZYDIS_MNEMONIC_ENTER) {
        insn->imm = operands[0].imm.value.u | operands[1].imm.value.u << 16;
        insn->handler = enter;
    } else {
        insn->handler = is_64(ctx, insn) ? leave_64 : leave;
    }
    return X86_DECODE_OK;
}

static enum x86_decode_result translate_implicit(const struct x86_decode_context *ctx, const struct x86_op *op,
                                                 const ZydisDecodedInstruction *zi,
                                                 const ZydisDecodedOperand *operands, struct x86_insn *insn)
{
    insn->seg = S_SS;
    insn->handler = (x86_handler *)op->handlers;
    return op->arg;
}

const struct x86_op x86_ops_stack[] = {
    { ZYDIS_MNEMONIC_PUSH, ROW_ALWAYS, translate_push, NULL },
    { ZYDIS_MNEMONIC_POP, ROW_ALWAYS, translate_pop, NULL },
    { ZYDIS_MNEMONIC_ENTER, ROW_ALWAYS, translate_frame, NULL },
    { ZYDIS_MNEMONIC_LEAVE, ROW_ALWAYS, translate_frame, NULL },
    { ZYDIS_MNEMONIC_PUSHA, ROW_ALWAYS, translate_implicit, pusha, X86_DECODE_OK },
    { ZYDIS_MNEMONIC_PUSHAD, ROW_ALWAYS, translate_implicit, pusha, X86_DECODE_OK },
    { ZYDIS_MNEMONIC_POPA, ROW_ALWAYS, translate_implicit, popa, X86_DECODE_OK },
    { ZYDIS_MNEMONIC_POPAD, ROW_ALWAYS, translate_implicit, popa, X86_DECODE_OK },
    { ZYDIS_MNEMONIC_PUSHF, ROW_ALWAYS, translate_implicit, pushf, X86_DECODE_OK },
    { ZYDIS_MNEMONIC_PUSHFD, ROW_ALWAYS, translate_implicit, pushf, X86_DECODE_OK },
    { ZYDIS_MNEMONIC_PUSHFQ, ROW_ALWAYS, translate_implicit, pushf, X86_DECODE_OK },
    { ZYDIS_MNEMONIC_POPF, ROW_ALWAYS, translate_implicit, popf, X86_DECODE_LAST },
    { ZYDIS_MNEMONIC_POPFD, ROW_ALWAYS, translate_implicit, popf, X86_DECODE_LAST },
    { ZYDIS_MNEMONIC_POPFQ, ROW_ALWAYS, translate_implicit, popf, X86_DECODE_LAST },
    { 0 },
};
