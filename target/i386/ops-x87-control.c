/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87 control: FNINIT, FNCLEX, the control and status words, environments and states (FNSTENV, FLDENV, FNSAVE,
 * FRSTOR), FWAIT, EMMS. Intel SDM volume 1, 8.1.8 to 8.1.10.
 *
 * The selectors of the last instruction and operand are not kept and read as 0 (fpu-image.c). In real and
 * virtual-8086 mode their "linear address" is therefore the offset alone.
 */
#include "accel/tcg/mem.h"
#include "target/i386/decode.h"
#include "target/i386/fpu.h"

#define HANDLER(name) static void name(struct x86_cpu *cpu, const struct x86_insn *insn)

/* Instructions that do not wait ignore a pending exception. */
HANDLER(fninit)
{
    x87_init(&cpu->fpu);
    X86_NEXT(cpu, insn);
}
HANDLER(fnclex)
{
    cpu->fpu.status &= ~(FP_EXCEPTIONS | FSW_SF | FSW_ES | FSW_B);
    X86_NEXT(cpu, insn);
}
HANDLER(fnstsw_mem)
{
    mem_st16(cpu, x86_linear(cpu, insn), x87_status(&cpu->fpu));
    X86_NEXT(cpu, insn);
}
HANDLER(fnstsw_ax)
{
    cpu->regs[R_RAX] = (cpu->regs[R_RAX] & ~0xffffull) | x87_status(&cpu->fpu);
    X86_NEXT(cpu, insn);
}
HANDLER(fnstcw)
{
    mem_st16(cpu, x86_linear(cpu, insn), cpu->fpu.control);
    X86_NEXT(cpu, insn);
}
HANDLER(fldcw)
{
    x87_check(cpu);
    x87_set_control(&cpu->fpu, mem_ld16(cpu, x86_linear(cpu, insn)));
    X86_NEXT(cpu, insn);
}
/* FNENI, FNDISI, FNSETPM: the 8087's and 287's, no-ops since the 387. */
HANDLER(fnop_legacy)
{
    X86_NEXT(cpu, insn);
}
HANDLER(fwait)
{
    if ((cpu->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)) {
        x86_raise(cpu, EXCP_NM);
    }
    x87_check(cpu);
    X86_NEXT(cpu, insn);
}
HANDLER(emms)
{
    mmx_check(cpu);
    cpu->fpu.top = 0; /* as the host does, beyond what the manuals say */
    cpu->fpu.empty = 0xff;
    X86_NEXT(cpu, insn);
}

/* The environment: seven words of 2 or 4 bytes. `protected`: offsets and selectors; else 20 or 32-bit addresses. */
#define ENV_WORDS 7
static void env_put(const struct x87_state *fpu, bool protected, bool wide, uint32_t words[ENV_WORDS])
{
    uint32_t high = wide ? 0xffff0000u : 0; /* the upper halves of 16-bit fields read as ones */
    words[0] = high | fpu->control;
    words[1] = high | x87_status(fpu);
    words[2] = high | x87_tag_word(fpu);
    words[3] = (uint32_t)fpu->ip;
    words[5] = (uint32_t)fpu->dp;
    if (protected) {
        words[4] = wide ? (uint32_t)(fpu->opcode & 0x7ff) << 16 : 0;
        words[6] = high;
    } else {
        words[3] = high | (uint16_t)fpu->ip;
        words[4] = (uint32_t)(fpu->ip >> 16) << 12 | (fpu->opcode & 0x7ff);
        words[5] = high | (uint16_t)fpu->dp;
        words[6] = (uint32_t)(fpu->dp >> 16) << 12;
    }
}
static void env_get(struct x87_state *fpu, bool protected, bool wide, const uint32_t words[ENV_WORDS])
{
    x87_set_control(fpu, words[0]);
    x87_set_status(fpu, words[1]);
    fpu->empty = 0;
    for (unsigned i = 0; i < 8; i++) {
        fpu->empty |= (words[2] >> 2 * i & 3) == 3 ? 1u << i : 0;
    }
    fpu->ip = words[3];
    fpu->dp = words[5];
    if (protected) {
        fpu->opcode = wide ? words[4] >> 16 & 0x7ff : 0;
    } else {
        fpu->ip = (uint16_t)words[3] | (words[4] >> 12 & 0xffff) << 16;
        fpu->opcode = words[4] & 0x7ff;
        fpu->dp = (uint16_t)words[5] | (words[6] >> 12 & 0xffff) << 16;
    }
}

static bool env_is_protected(const struct x86_cpu *cpu)
{
    return cpu->mode & X86_MODE_PE;
}
static void env_store(struct x86_cpu *cpu, uint64_t va, bool wide)
{
    uint32_t words[ENV_WORDS];
    env_put(&cpu->fpu, env_is_protected(cpu), wide, words);
    for (unsigned i = 0; i < ENV_WORDS; i++) {
        if (wide) {
            mem_st32(cpu, va + 4 * i, words[i]);
        } else {
            mem_st16(cpu, va + 2 * i, (uint16_t)words[i]);
        }
    }
}
static void env_load(struct x86_cpu *cpu, uint64_t va, bool wide, uint32_t words[ENV_WORDS])
{
    for (unsigned i = 0; i < ENV_WORDS; i++) {
        words[i] = wide ? mem_ld32(cpu, va + 4 * i) : mem_ld16(cpu, va + 2 * i);
    }
}
static unsigned env_size(bool wide)
{
    return wide ? 28 : 14;
}

static uint64_t env_address(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size)
{
    uint64_t ea = x86_ea(cpu, insn);
    return insn->flags & X86_INSN_SEG_BASE
        ? x86_linear_segment(cpu, insn->seg, ea, size, insn->flags & X86_INSN_WRITE) : ea;
}

/* FNSTENV masks all exceptions after storing. */
static inline void fnstenv_run(struct x86_cpu *cpu, const struct x86_insn *insn, bool wide)
{
    uint64_t va = env_address(cpu, insn, env_size(wide));
    mem_probe(cpu, va, env_size(wide), true, cpu->mmu_index);
    env_store(cpu, va, wide);
    x87_set_control(&cpu->fpu, cpu->fpu.control | FP_EXCEPTIONS);
}
static inline void fldenv_run(struct x86_cpu *cpu, const struct x86_insn *insn, bool wide)
{
    uint32_t words[ENV_WORDS];
    x87_check(cpu);
    env_load(cpu, env_address(cpu, insn, env_size(wide)), wide, words);
    env_get(&cpu->fpu, env_is_protected(cpu), wide, words);
}

/* The registers follow the environment in stack order, 10 bytes each. FNSAVE initializes afterwards. */
static inline void fnsave_run(struct x86_cpu *cpu, const struct x86_insn *insn, bool wide)
{
    uint64_t va = env_address(cpu, insn, env_size(wide) + 80);
    mem_probe(cpu, va, env_size(wide) + 80, true, cpu->mmu_index);
    env_store(cpu, va, wide);
    for (unsigned i = 0; i < 8; i++) {
        uint64_t at = va + env_size(wide) + 10 * i;
        unsigned reg = (cpu->fpu.top + i) & 7;
        mem_st64(cpu, at, cpu->fpu.regs[reg].mantissa);
        mem_st16(cpu, at + 8, cpu->fpu.regs[reg].exponent);
    }
    x87_init(&cpu->fpu);
}
static inline void frstor_run(struct x86_cpu *cpu, const struct x86_insn *insn, bool wide)
{
    x87_check(cpu);
    uint64_t va = env_address(cpu, insn, env_size(wide) + 80);
    struct x87_state fpu = cpu->fpu;
    uint32_t words[ENV_WORDS];

    env_load(cpu, va, wide, words);
    env_get(&fpu, env_is_protected(cpu), wide, words);
    for (unsigned i = 0; i < 8; i++) {
        uint64_t at = va + env_size(wide) + 10 * i;
        fpu.regs[(fpu.top + i) & 7].mantissa = mem_ld64(cpu, at);
        fpu.regs[(fpu.top + i) & 7].exponent = mem_ld16(cpu, at + 8);
    }
    cpu->fpu = fpu;
}

#define STAMP(name)                                                             \
    static void name##_16(struct x86_cpu *cpu, const struct x86_insn *insn)     \
    {                                                                           \
        name##_run(cpu, insn, false);                                           \
        X86_NEXT(cpu, insn);                                                    \
    }                                                                           \
    static void name##_32(struct x86_cpu *cpu, const struct x86_insn *insn)     \
    {                                                                           \
        name##_run(cpu, insn, true);                                            \
        X86_NEXT(cpu, insn);                                                    \
    }                                                                           \
    static x86_handler *const name##_sizes[2] = { name##_16, name##_32 };
STAMP(fnstenv)
STAMP(fldenv)
STAMP(fnsave)
STAMP(frstor)

/* One handler whatever the operands. */
static enum x86_decode_result control_translate(const struct x86_decode_context *ctx, const struct x86_op *op,
                                                const ZydisDecodedInstruction *zi,
                                                const ZydisDecodedOperand *operands, struct x86_insn *insn)
{
    insn->opsize = 1;
    insn->handler = ctx->mode & X86_MODE_NOFPU ? x87_unavailable : (x86_handler *)op->handlers;
    if (op->mnemonic == ZYDIS_MNEMONIC_FNSTSW && !(insn->flags & X86_INSN_MEM)) {
        insn->handler = ctx->mode & X86_MODE_NOFPU ? x87_unavailable : fnstsw_ax;
    }
    return X86_DECODE_OK;
}
/* FWAIT and EMMS have availability rules of their own. */
static enum x86_decode_result fwait_translate(const struct x86_decode_context *ctx, const struct x86_op *op,
                                              const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                              struct x86_insn *insn)
{
    insn->handler = fwait;
    return X86_DECODE_OK;
}
static enum x86_decode_result emms_translate(const struct x86_decode_context *ctx, const struct x86_op *op,
                                             const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                             struct x86_insn *insn)
{
    insn->handler = ctx->mode & X86_MODE_NOFPU ? mmx_unavailable : emms;
    return X86_DECODE_OK;
}
/* `handlers`: by the operand size attribute, 16 bits or not. */
static enum x86_decode_result env_translate(const struct x86_decode_context *ctx, const struct x86_op *op,
                                            const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                            struct x86_insn *insn)
{
    x86_handler *const *sizes = op->handlers;
    bool wide = operands[0].size != 14 * 8 && operands[0].size != 94 * 8;
    insn->handler = ctx->mode & X86_MODE_NOFPU ? x87_unavailable : sizes[wide];
    return X86_DECODE_OK;
}

#define FPU FEAT_1_EDX, 0
#define MMX FEAT_1_EDX, 23
#define ROW(NAME, translate, handlers) { ZYDIS_MNEMONIC_##NAME, FPU, translate, handlers, 0 }
const struct x86_op x86_ops_x87_control[] = {
    ROW(FNINIT, control_translate, fninit),
    ROW(FNCLEX, control_translate, fnclex),
    ROW(FNSTSW, control_translate, fnstsw_mem),
    ROW(FNSTCW, control_translate, fnstcw),
    ROW(FLDCW, control_translate, fldcw),
    ROW(FENI8087_NOP, control_translate, fnop_legacy),
    ROW(FDISI8087_NOP, control_translate, fnop_legacy),
    ROW(FSETPM287_NOP, control_translate, fnop_legacy),
    ROW(FNSTENV, env_translate, fnstenv_sizes),
    ROW(FLDENV, env_translate, fldenv_sizes),
    ROW(FNSAVE, env_translate, fnsave_sizes),
    ROW(FRSTOR, env_translate, frstor_sizes),
    ROW(FWAIT, fwait_translate, NULL),
    { ZYDIS_MNEMONIC_EMMS, MMX, emms_translate, NULL, 0 },
    { 0, FEAT_WORDS, 0, NULL, NULL, 0 },
};
