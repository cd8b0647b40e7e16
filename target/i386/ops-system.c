/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System instructions: HLT, flags, control and debug registers, descriptor tables, TLB, time stamp, CPUID, MSRs,
 * ports. Segment registers and selectors are in ops-segment.c, SYSCALL and friends in ops-syscall.c.
 *
 * Those that change how code is fetched or decoded end their block without a link (exit slot 2).
 */
#include <sched.h>
#include <sys/random.h>

#include "target/i386/mmu.h"
#include "target/i386/ops.h"
#include "target/i386/segment.h"
#include "target/i386/system.h"
#include "util/clock.h"
#include "util/main-loop.h"

void x86_require_cpl0(struct x86_cpu *cpu)
{
    if (cpu->cpl != 0) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
}

void x86_leave_after(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t rip = next_rip(cpu, insn);
    x86_leave_block(cpu, is_64bit(cpu) ? rip : (uint32_t)rip, 2);
}

enum x86_decode_result x86_translate_system(const struct x86_decode_context *ctx, const struct x86_op *op,
                                            const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                            struct x86_insn *insn)
{
    if (op->arg & SYS_ONLY64 && (ctx->mode & X86_MODE_BITS) != X86_MODE_64) {
        return X86_DECODE_INVALID;
    }
    if (op->arg & SYS_PROTECTED && !(ctx->mode & X86_MODE_PE)) {
        return X86_DECODE_INVALID;
    }
    for (unsigned i = 0; i < zi->operand_count_visible && i < 2; i++) {
        if (operand_is_general(&operands[i])) {
            uint8_t offset = x86_register_offset(operands[i].reg.value);
            if (i == 0) {
                insn->dst = offset;
            }
            insn->src = offset;
        }
    }
    insn->handler = (x86_handler *)op->handlers;
    return op->arg & SYS_LAST ? X86_DECODE_LAST : X86_DECODE_OK;
}

/* --- life and flags --- */

static void op_hlt(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_require_cpl0(cpu);
    __atomic_store_n(&cpu->halted, true, __ATOMIC_SEQ_CST);
    __atomic_or_fetch(&cpu->exit_request, EXIT_LEAVE, __ATOMIC_SEQ_CST);
    x86_leave_after(cpu, insn);
}

static void check_iopl(struct x86_cpu *cpu)
{
    if (cpu->cr0 & CR0_PE && cpu->cpl > (cpu->eflags & EFLAGS_IOPL) >> 12) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
}

static void op_cli(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    check_iopl(cpu);
    cpu->eflags &= ~EFLAGS_IF;
    X86_NEXT(cpu, insn);
}

static void op_sti(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    check_iopl(cpu);
    if (!(cpu->eflags & EFLAGS_IF)) {
        cpu->eflags |= EFLAGS_IF;
        x86_set_interrupt_shadow(cpu);
    }
    x86_leave_after(cpu, insn);
}

static void op_ac(struct x86_cpu *cpu, const struct x86_insn *insn, bool set)
{
    if (cpu->cpl != 0) {
        x86_raise(cpu, EXCP_UD);
    }
    cpu->eflags = set ? cpu->eflags | EFLAGS_AC : cpu->eflags & ~EFLAGS_AC;
    x86_cpu_update_mode(cpu);
    X86_NEXT(cpu, insn);
}

static void op_clac(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    op_ac(cpu, insn, false);
}

static void op_stac(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    op_ac(cpu, insn, true);
}

void x86_write_eflags(struct x86_cpu *cpu, uint32_t value, unsigned opsize)
{
    uint32_t mask = EFLAGS_ARITH | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT | EFLAGS_AC | EFLAGS_ID | EFLAGS_RF;

    if (cpu->mode & X86_MODE_VM86) {
        if ((cpu->eflags & EFLAGS_IOPL) >> 12 != 3) {
            x86_raise_error(cpu, EXCP_GP, 0);
        }
        mask |= EFLAGS_IF;
    } else {
        mask |= cpu->cpl == 0 ? EFLAGS_IOPL : 0;
        mask |= cpu->cpl <= (cpu->eflags & EFLAGS_IOPL) >> 12 ? EFLAGS_IF : 0;
    }
    x86_flags_set(cpu, value & ~EFLAGS_RF, opsize == 1 ? mask & 0xffff : mask);
    x86_cpu_update_mode(cpu);
}

static void op_clts(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_require_cpl0(cpu);
    cpu->cr0 &= ~(uint64_t)CR0_TS;
    x86_cpu_update_mode(cpu);
    x86_leave_after(cpu, insn);
}

/* --- caches and TLB --- */

static void op_wbinvd(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_require_cpl0(cpu);
    X86_NEXT(cpu, insn); /* no caches to write back */
}

static void op_invlpg(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t ea = x86_ea(cpu, insn);

    x86_require_cpl0(cpu);
    if (insn->flags & X86_INSN_SEG_BASE) {
        ea += cpu->segs[insn->seg].base; /* no limit check: nothing is accessed */
    }
    tlb_flush_page(cpu, is_64bit(cpu) ? ea : (uint32_t)ea);
    x86_leave_after(cpu, insn);
}

/* --- descriptor tables --- */

static void check_umip(struct x86_cpu *cpu)
{
    if (cpu->cr4 & CR4_UMIP && cpu->cpl == 3) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
}

static void load_table(struct x86_cpu *cpu, const struct x86_insn *insn, struct x86_segment *table)
{
    uint64_t va = x86_linear(cpu, insn), base;
    uint16_t limit;

    x86_require_cpl0(cpu);
    limit = mem_ld16(cpu, va);
    if (is_64bit(cpu)) {
        base = mem_ld64(cpu, va + 2);
        if (!x86_is_canonical(base)) {
            x86_raise_error(cpu, EXCP_GP, 0);
        }
    } else {
        base = mem_ld32(cpu, va + 2);
        base &= insn->opsize == 1 ? 0xffffff : 0xffffffff;
    }
    table->limit = limit;
    table->base = base;
    X86_NEXT(cpu, insn);
}

static void store_table(struct x86_cpu *cpu, const struct x86_insn *insn, const struct x86_segment *table)
{
    uint64_t va = x86_linear(cpu, insn);

    check_umip(cpu);
    mem_probe(cpu, va, is_64bit(cpu) ? 10 : 6, true, cpu->mmu_index);
    mem_st16(cpu, va, table->limit);
    if (is_64bit(cpu)) {
        mem_st64(cpu, va + 2, table->base);
    } else {
        mem_st32(cpu, va + 2, table->base);
    }
    X86_NEXT(cpu, insn);
}

static void op_lgdt(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    load_table(cpu, insn, &cpu->gdt);
}

static void op_lidt(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    load_table(cpu, insn, &cpu->idt);
}

static void op_sgdt(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    store_table(cpu, insn, &cpu->gdt);
}

static void op_sidt(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    store_table(cpu, insn, &cpu->idt);
}

static void op_smsw(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    check_umip(cpu);
    if (insn->flags & X86_INSN_MEM) {
        mem_st16(cpu, x86_linear(cpu, insn), cpu->cr0);
    } else {
        reg_set(cpu, insn->dst, insn->opsize, cpu->cr0);
    }
    X86_NEXT(cpu, insn);
}

static void op_lmsw(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t value;

    x86_require_cpl0(cpu);
    value = insn->flags & X86_INSN_MEM ? mem_ld16(cpu, x86_linear(cpu, insn)) : reg_get(cpu, insn->src, 1);
    /* PE can be set by it but not cleared. */
    x86_cpu_set_cr0(cpu, (cpu->cr0 & ~0xeull) | (value & 0xf));
    x86_leave_after(cpu, insn);
}

/* --- identification, time, randomness --- */

static void op_cpuid(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint32_t out[4];

    x86_cpuid(cpu, cpu->regs[R_RAX], cpu->regs[R_RCX], out);
    cpu->regs[R_RAX] = out[0];
    cpu->regs[R_RBX] = out[1];
    cpu->regs[R_RCX] = out[2];
    cpu->regs[R_RDX] = out[3];
    X86_NEXT(cpu, insn);
}

static void set_edx_eax(struct x86_cpu *cpu, uint64_t value)
{
    cpu->regs[R_RAX] = (uint32_t)value;
    cpu->regs[R_RDX] = value >> 32;
}

static void check_tsd(struct x86_cpu *cpu)
{
    if (cpu->cr4 & CR4_TSD && cpu->cpl != 0) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
}

static void op_rdtsc(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    check_tsd(cpu);
    x86_timers_run(cpu);
    set_edx_eax(cpu, virtual_ticks() + cpu->tsc_offset);
    X86_NEXT(cpu, insn);
}

static void op_rdtscp(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    check_tsd(cpu);
    x86_timers_run(cpu);
    set_edx_eax(cpu, virtual_ticks() + cpu->tsc_offset);
    cpu->regs[R_RCX] = (uint32_t)cpu->tsc_aux;
    X86_NEXT(cpu, insn);
}

static void op_rdpmc(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_raise_error(cpu, EXCP_GP, 0); /* no performance counters */
}

static void op_rdpid(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    *(uint64_t *)((uint8_t *)cpu->regs + insn->dst) = (uint32_t)cpu->tsc_aux;
    X86_NEXT(cpu, insn);
}

static void op_rdrand(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t value = 0;
    bool ok = getrandom(&value, sizeof(value), GRND_NONBLOCK) == sizeof(value);

    reg_set(cpu, insn->dst, insn->opsize, ok ? value : 0);
    x86_flags_set(cpu, ok ? EFLAGS_CF : 0, EFLAGS_ARITH);
    X86_NEXT(cpu, insn);
}

/* MONITOR arms nothing: MWAIT may wake at any time, and does so at once after giving other threads a turn. */
static void op_monitor(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    if (cpu->cpl != 0) {
        x86_raise(cpu, EXCP_UD);
    }
    if (cpu->regs[R_RCX]) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    X86_NEXT(cpu, insn);
}

static void op_mwait(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    if (cpu->cpl != 0) {
        x86_raise(cpu, EXCP_UD);
    }
    sched_yield();
    x86_leave_after(cpu, insn);
}

static void op_rdmsr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t value;

    x86_require_cpl0(cpu);
    if (!x86_msr_read(cpu, cpu->regs[R_RCX], &value)) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    set_edx_eax(cpu, value);
    X86_NEXT(cpu, insn);
}

static void op_wrmsr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_require_cpl0(cpu);
    if (!x86_msr_write(cpu, cpu->regs[R_RCX], (uint32_t)cpu->regs[R_RAX] | cpu->regs[R_RDX] << 32)) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    x86_leave_after(cpu, insn);
}

/* --- extended control registers --- */

static void op_xgetbv(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint32_t index = cpu->regs[R_RCX];

    if (!(cpu->cr4 & CR4_OSXSAVE)) {
        x86_raise(cpu, EXCP_UD);
    }
    if (index > 1 || (index == 1 && !x86_feature(&cpu->features, FEAT_XSAVE_EAX, 2))) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    set_edx_eax(cpu, cpu->xcr0); /* 1: components in use; all that are on may be */
    X86_NEXT(cpu, insn);
}

static void op_xsetbv(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t value = (uint32_t)cpu->regs[R_RAX] | cpu->regs[R_RDX] << 32;

    if (!(cpu->cr4 & CR4_OSXSAVE)) {
        x86_raise(cpu, EXCP_UD);
    }
    x86_require_cpl0(cpu);
    if ((uint32_t)cpu->regs[R_RCX] != 0 || !(value & 1) || value & ~3ull) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    cpu->xcr0 = value;
    x86_leave_after(cpu, insn);
}

/* --- ports --- */

void x86_check_io(struct x86_cpu *cpu, uint16_t port, unsigned size)
{
    uint32_t offset, bits;

    if (!(cpu->cr0 & CR0_PE) ||
        (!(cpu->mode & X86_MODE_VM86) && cpu->cpl <= (cpu->eflags & EFLAGS_IOPL) >> 12)) {
        return;
    }
    if (!(cpu->tr.flags & SEG_P) || !(cpu->tr.flags >> SEG_TYPE_SHIFT & 8) || cpu->tr.limit < 103) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    offset = mem_ld16_mmu(cpu, cpu->tr.base + 102, MMU_KERNEL) + port / 8;
    if (offset + 1 > cpu->tr.limit) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    bits = mem_ld16_mmu(cpu, cpu->tr.base + offset, MMU_KERNEL);
    if (bits >> (port & 7) & ((1u << size) - 1)) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
}

/* src: register offset of DX, or R_ZERO with the port in imm. */
static uint16_t io_port(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return insn->src == R_RDX * 8 ? (uint16_t)cpu->regs[R_RDX] : (uint16_t)insn->imm;
}

static void op_in(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint16_t port = io_port(cpu, insn);

    x86_check_io(cpu, port, 1u << insn->opsize);
    reg_set(cpu, R_RAX * 8, insn->opsize, x86_port_in(cpu, port, 1u << insn->opsize));
    X86_NEXT(cpu, insn);
}

static void op_out(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint16_t port = io_port(cpu, insn);

    x86_check_io(cpu, port, 1u << insn->opsize);
    x86_port_out(cpu, port, reg_get(cpu, R_RAX * 8, insn->opsize), 1u << insn->opsize);
    x86_leave_after(cpu, insn);
}

static enum x86_decode_result translate_port(const struct x86_decode_context *ctx, const struct x86_op *op,
                                             const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                             struct x86_insn *insn)
{
    const ZydisDecodedOperand *port = &operands[op->arg], *data = &operands[1 - op->arg];

    insn->src = operand_is_reg(port) ? R_RDX * 8 : R_ZERO * 8;
    insn->imm = operand_is_imm(port) ? (uint8_t)port->imm.value.u : 0;
    insn->opsize = operand_log2(data);
    insn->handler = (x86_handler *)op->handlers;
    return op->arg == 0 ? X86_DECODE_LAST : X86_DECODE_OK;
}

#define ROW(mnemonic, handler, arg) { ZYDIS_MNEMONIC_##mnemonic, ROW_ALWAYS, x86_translate_system, handler, arg }
#define ROW_IF(mnemonic, word, bit, handler, arg) \
    { ZYDIS_MNEMONIC_##mnemonic, word, bit, x86_translate_system, handler, arg }

const struct x86_op x86_ops_system[] = {
    ROW(HLT, op_hlt, SYS_LAST),
    ROW(CLI, op_cli, 0),
    ROW(STI, op_sti, SYS_LAST),
    ROW(CLTS, op_clts, SYS_LAST),
    ROW(INVD, op_wbinvd, 0),
    ROW(WBINVD, op_wbinvd, 0),
    ROW(INVLPG, op_invlpg, SYS_LAST),
    ROW(LGDT, op_lgdt, 0),
    ROW(LIDT, op_lidt, 0),
    ROW(SGDT, op_sgdt, 0),
    ROW(SIDT, op_sidt, 0),
    ROW(SMSW, op_smsw, 0),
    ROW(LMSW, op_lmsw, SYS_LAST),
    ROW(CPUID, op_cpuid, 0),
    ROW(RDTSC, op_rdtsc, 0),
    ROW_IF(RDTSCP, FEAT_8000_0001_EDX, 27, op_rdtscp, 0),
    ROW(RDPMC, op_rdpmc, SYS_LAST),
    ROW(RDMSR, op_rdmsr, 0),
    ROW(WRMSR, op_wrmsr, SYS_LAST),
    ROW_IF(CLAC, FEAT_7_0_EBX, 20, op_clac, 0),
    ROW_IF(STAC, FEAT_7_0_EBX, 20, op_stac, 0),
    ROW_IF(RDPID, FEAT_7_0_ECX, 22, op_rdpid, 0),
    ROW_IF(RDRAND, FEAT_1_ECX, 30, op_rdrand, 0),
    ROW_IF(RDSEED, FEAT_7_0_EBX, 18, op_rdrand, 0),
    ROW_IF(MONITOR, FEAT_1_ECX, 3, op_monitor, 0),
    ROW_IF(MWAIT, FEAT_1_ECX, 3, op_mwait, SYS_LAST),
    ROW_IF(XGETBV, FEAT_1_ECX, 26, op_xgetbv, 0),
    ROW_IF(XSETBV, FEAT_1_ECX, 26, op_xsetbv, SYS_LAST),
    { ZYDIS_MNEMONIC_IN, ROW_ALWAYS, translate_port, op_in, 1 },
    { ZYDIS_MNEMONIC_OUT, ROW_ALWAYS, translate_port, op_out, 0 },
    { 0 },
};
