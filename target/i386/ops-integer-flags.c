/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CLC STC CMC CLD STD LAHF SAHF, and what does nothing: NOP, PAUSE, fences, prefetches. */
#include <sched.h>

#include "target/i386/ops.h"

static void clc(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    flags_resolve(cpu, flags_arith(cpu) & ~EFLAGS_CF);
    X86_NEXT(cpu, insn);
}

static void stc(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    flags_resolve(cpu, flags_arith(cpu) | EFLAGS_CF);
    X86_NEXT(cpu, insn);
}

static void cmc(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    flags_resolve(cpu, flags_arith(cpu) ^ EFLAGS_CF);
    X86_NEXT(cpu, insn);
}

static void cld(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    cpu->eflags &= ~EFLAGS_DF;
    X86_NEXT(cpu, insn);
}

static void std(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    cpu->eflags |= EFLAGS_DF;
    X86_NEXT(cpu, insn);
}

static void lahf(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    reg_set(cpu, R_RAX * 8 + 1, 0, (flags_arith(cpu) & ~EFLAGS_OF) | 2);
    X86_NEXT(cpu, insn);
}

static void sahf(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint32_t value = reg_get(cpu, R_RAX * 8 + 1, 0) & (EFLAGS_ARITH & ~EFLAGS_OF);
    flags_resolve(cpu, value | (flag_of(cpu) ? EFLAGS_OF : 0));
    X86_NEXT(cpu, insn);
}

/* Memory operands of NOP and of the prefetches are not touched. */
static void nop(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    X86_NEXT(cpu, insn);
}

/*
 * A spin loop: let the run loop look for events, and every few times give the host's CPU to the vCPU that we wait for
 * (there may be more vCPUs than host CPUs).
 */
static void pause_spin(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    static __thread unsigned spins;
    if (++spins % 8 == 0) {
        sched_yield();
    }
    leave_after(cpu, insn);
}

static void fence(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    X86_NEXT(cpu, insn);
}

/* LAHF and SAHF in 64-bit mode need a feature bit of their own. */
static enum x86_decode_result translate_ahf(const struct x86_decode_context *ctx, const struct x86_op *op,
                                            const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                            struct x86_insn *insn)
{
    if ((ctx->mode & X86_MODE_BITS) == X86_MODE_64 && !x86_feature_on(ctx->features, FEAT_8000_0001_ECX, 0)) {
        return X86_DECODE_INVALID;
    }
    insn->handler = (x86_handler *)op->handlers;
    return X86_DECODE_OK;
}

static enum x86_decode_result translate_pause(const struct x86_decode_context *ctx, const struct x86_op *op,
                                              const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                              struct x86_insn *insn)
{
    insn->handler = pause_spin;
    return X86_DECODE_LAST;
}

const struct x86_op x86_ops_flags[] = {
    { ZYDIS_MNEMONIC_CLC, ROW_ALWAYS, translate_plain, clc },
    { ZYDIS_MNEMONIC_STC, ROW_ALWAYS, translate_plain, stc },
    { ZYDIS_MNEMONIC_CMC, ROW_ALWAYS, translate_plain, cmc },
    { ZYDIS_MNEMONIC_CLD, ROW_ALWAYS, translate_plain, cld },
    { ZYDIS_MNEMONIC_STD, ROW_ALWAYS, translate_plain, std },
    { ZYDIS_MNEMONIC_LAHF, ROW_ALWAYS, translate_ahf, lahf },
    { ZYDIS_MNEMONIC_SAHF, ROW_ALWAYS, translate_ahf, sahf },
    { ZYDIS_MNEMONIC_NOP, ROW_ALWAYS, translate_plain, nop },
    { ZYDIS_MNEMONIC_PAUSE, ROW_ALWAYS, translate_pause, NULL },
    { ZYDIS_MNEMONIC_LFENCE, FEAT_1_EDX, 26, translate_plain, fence },
    { ZYDIS_MNEMONIC_MFENCE, FEAT_1_EDX, 26, translate_plain, fence },
    { ZYDIS_MNEMONIC_SFENCE, FEAT_1_EDX, 25, translate_plain, fence },
    { ZYDIS_MNEMONIC_PREFETCH, ROW_ALWAYS, translate_plain, nop },
    { ZYDIS_MNEMONIC_PREFETCHW, ROW_ALWAYS, translate_plain, nop },
    { ZYDIS_MNEMONIC_PREFETCHWT1, ROW_ALWAYS, translate_plain, nop },
    { ZYDIS_MNEMONIC_PREFETCHNTA, ROW_ALWAYS, translate_plain, nop },
    { ZYDIS_MNEMONIC_PREFETCHT0, ROW_ALWAYS, translate_plain, nop },
    { ZYDIS_MNEMONIC_PREFETCHT1, ROW_ALWAYS, translate_plain, nop },
    { ZYDIS_MNEMONIC_PREFETCHT2, ROW_ALWAYS, translate_plain, nop },
    { 0 },
};
