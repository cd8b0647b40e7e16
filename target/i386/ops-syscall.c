/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT, SWAPGS: AMD APM volume 3. SYSENTER and SYSEXIT are not for long mode: every
 * model here is AMD's.
 */
#include "target/i386/mmu.h"
#include "target/i386/ops.h"
#include "target/i386/segment.h"
#include "target/i386/system.h"

#define FLAT_CODE (SEG_P | SEG_S | SEG_CODE | SEG_RW | SEG_A | SEG_G)
#define FLAT_DATA (SEG_P | SEG_S | SEG_RW | SEG_A | SEG_G | SEG_B)

/* The fixed flat segments that these instructions load, whatever the tables say. */
static void load_flat(struct x86_cpu *cpu, uint16_t cs, uint16_t ss, unsigned cpl, bool code64)
{
    uint32_t dpl = cpl << SEG_DPL_SHIFT;

    cpu->segs[S_CS] = (struct x86_segment) {
        .selector = cs, .limit = 0xffffffff, .flags = FLAT_CODE | dpl | (code64 ? SEG_L : SEG_B)
    };
    cpu->segs[S_SS] = (struct x86_segment) { .selector = ss, .limit = 0xffffffff, .flags = FLAT_DATA | dpl };
    cpu->cpl = cpl;
}

static void op_syscall(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint16_t selector = cpu->star >> 32 & 0xfffc;
    uint64_t next = next_rip(cpu, insn), target;

    if (!(cpu->efer & EFER_SCE) || !(cpu->cr0 & CR0_PE)) {
        x86_raise(cpu, EXCP_UD);
    }
    if (is_long_mode(cpu)) {
        target = is_64bit(cpu) ? cpu->lstar : cpu->cstar;
        cpu->regs[R_RCX] = is_64bit(cpu) ? next : (uint32_t)next;
        cpu->regs[R_R11] = x86_flags_get(cpu) & ~EFLAGS_RF;
        x86_flags_set(cpu, 0, (uint32_t)cpu->fmask | EFLAGS_RF);
    } else {
        target = (uint32_t)cpu->star;
        cpu->regs[R_RCX] = (uint32_t)next;
        cpu->eflags &= ~(EFLAGS_IF | EFLAGS_RF | EFLAGS_VM);
    }
    load_flat(cpu, selector, selector + 8, 0, is_long_mode(cpu));
    x86_cpu_update_mode(cpu);
    x86_leave_block(cpu, target, 2);
}

#define SYSRET_FLAGS                                                                                              \
    (EFLAGS_ARITH | EFLAGS_TF | EFLAGS_IF | EFLAGS_DF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_AC | EFLAGS_ID |          \
     EFLAGS_VIF | EFLAGS_VIP | EFLAGS_RF)

static void op_sysret(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint16_t selector = cpu->star >> 48;
    uint64_t rip = cpu->regs[R_RCX];
    bool to64 = is_long_mode(cpu) && insn->opsize == 3;

    if (!(cpu->efer & EFER_SCE) || !(cpu->cr0 & CR0_PE)) {
        x86_raise(cpu, EXCP_UD);
    }
    x86_require_cpl0(cpu);
    if (is_long_mode(cpu)) {
        x86_flags_set(cpu, cpu->regs[R_R11] & ~EFLAGS_RF, SYSRET_FLAGS);
    } else {
        cpu->eflags |= EFLAGS_IF;
    }
    load_flat(cpu, (to64 ? selector + 16 : selector) | 3, (selector + 8) | 3, 3, to64);
    x86_cpu_update_mode(cpu);
    x86_leave_block(cpu, to64 ? rip : (uint32_t)rip, 2);
}

static uint16_t sysenter_selector(struct x86_cpu *cpu)
{
    uint16_t selector = cpu->sysenter_cs & 0xfffc;

    if (is_long_mode(cpu)) {
        x86_raise(cpu, EXCP_UD);
    }
    if (!(cpu->cr0 & CR0_PE) || selector == 0) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    return selector;
}

static void op_sysenter(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint16_t selector = sysenter_selector(cpu);

    cpu->eflags &= ~(EFLAGS_VM | EFLAGS_IF | EFLAGS_RF);
    load_flat(cpu, selector, selector + 8, 0, false);
    cpu->regs[R_RSP] = (uint32_t)cpu->sysenter_esp;
    x86_cpu_update_mode(cpu);
    x86_leave_block(cpu, (uint32_t)cpu->sysenter_eip, 2);
}

static void op_sysexit(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint16_t selector = sysenter_selector(cpu);
    uint32_t rip = cpu->regs[R_RDX], rsp = cpu->regs[R_RCX];

    if (cpu->cpl != 0) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    load_flat(cpu, (selector + 16) | 3, (selector + 24) | 3, 3, false);
    cpu->regs[R_RSP] = rsp;
    x86_cpu_update_mode(cpu);
    x86_leave_block(cpu, rip, 2);
}

static void op_swapgs(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t base = cpu->segs[S_GS].base;

    x86_require_cpl0(cpu);
    cpu->segs[S_GS].base = cpu->kernel_gs_base;
    cpu->kernel_gs_base = base;
    X86_NEXT(cpu, insn);
}

/* SYSRET's operand size is REX.W's, which Zydis does not report as an operand. */
static enum x86_decode_result translate_return(const struct x86_decode_context *ctx, const struct x86_op *op,
                                               const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                               struct x86_insn *insn)
{
    insn->opsize = zi->raw.rex.W ? 3 : 2;
    insn->handler = (x86_handler *)op->handlers;
    return X86_DECODE_LAST;
}

const struct x86_op x86_ops_syscall[] = {
    { ZYDIS_MNEMONIC_SYSCALL, FEAT_8000_0001_EDX, 11, x86_translate_system, op_syscall, SYS_LAST },
    { ZYDIS_MNEMONIC_SYSRET, FEAT_8000_0001_EDX, 11, translate_return, op_sysret, 0 },
    { ZYDIS_MNEMONIC_SYSENTER, FEAT_1_EDX, 11, x86_translate_system, op_sysenter, SYS_LAST },
    { ZYDIS_MNEMONIC_SYSEXIT, FEAT_1_EDX, 11, translate_return, op_sysexit, 0 },
    { ZYDIS_MNEMONIC_SWAPGS, ROW_ALWAYS, x86_translate_system, op_swapgs, SYS_ONLY64 },
    { 0 },
};
