/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An x86 CPU's reset values, what is derived from its control registers, and their setters. SDM 3A chapters 2 and
 * 10.1.
 *
 * Left out: SMM (SMIs are accepted and dropped), A20 gating, 5-level paging.
 */
#include "target/i386/cpu.h"
#include "accel/tcg/mem.h"
#include "target/i386/decode.h"
#include "target/i386/flags.h"
#include "util/log.h"

struct x86_topology x86_topology = { 1, 1, 1 };
void (*x86_triple_fault_hook)(struct x86_cpu *cpu);

#define DATA_FLAGS (SEG_P | SEG_S | SEG_RW | SEG_A)

static void reset_segments(struct x86_cpu *cpu)
{
    for (int i = 0; i < S_COUNT; i++) {
        cpu->segs[i] = (struct x86_segment) { .limit = 0xffff, .flags = DATA_FLAGS };
    }
    cpu->segs[S_CS] = (struct x86_segment) {
        .selector = 0xf000, .base = 0xffff0000, .limit = 0xffff, .flags = DATA_FLAGS | SEG_CODE
    };
    cpu->segs[S_ZERO] = (struct x86_segment) { .limit = 0xffffffff };
    cpu->gdt = cpu->idt = (struct x86_segment) { .limit = 0xffff };
    cpu->ldt = (struct x86_segment) { .limit = 0xffff, .flags = SEG_P | 2 << SEG_TYPE_SHIFT };
    cpu->tr = (struct x86_segment) { .limit = 0xffff, .flags = SEG_P | 11 << SEG_TYPE_SHIFT };
}

/* What only power-up and RESET touch. */
static void reset_power_up(struct x86_cpu *cpu)
{
    memset(cpu->xmm, 0, sizeof(cpu->xmm));
    memset(&cpu->fpu, 0, sizeof(cpu->fpu));
    cpu->fpu.control = 0x37f; /* as FNINIT leaves it; stock's too (hardware: 0x40, which no guest relies on) */
    cpu->fpu.empty = 0xff;
    cpu->mxcsr = 0x1f80;
    cpu->star = cpu->lstar = cpu->cstar = cpu->fmask = cpu->kernel_gs_base = 0;
    cpu->sysenter_cs = cpu->sysenter_esp = cpu->sysenter_eip = 0;
    cpu->pat = 0x0007040600070406ull;
    cpu->tsc_aux = cpu->tsc_adjust = 0;
    cpu->tsc_offset = 0;
    cpu->misc_enable = 1;
    cpu->xcr0 = 1;
    cpu->mtrr_deftype = 0;
    memset(cpu->mtrr_fixed, 0, sizeof(cpu->mtrr_fixed));
    memset(cpu->mtrr_var, 0, sizeof(cpu->mtrr_var));
    cpu->mcg_cap = 0x0100010a; /* ten banks, MCG_CTL present, SER_P */
    cpu->mcg_status = 0;
    cpu->mcg_ctl = UINT64_MAX;
    for (int i = 0; i < MCE_BANKS * 4; i++) {
        cpu->mce_banks[i] = i % 4 ? 0 : UINT64_MAX;
    }
    cpu->beyond = (struct x86_beyond) {
        .poll_control_msr = 1, .interrupt_injected = -1, .exception_nr = -1, .tsc_khz = cpu->beyond.tsc_khz,
    };
    cpu->smbase = 0x30000;
    cpu->a20_mask = UINT64_MAX;
    cpu->interrupt_request = 0;
}

void x86_cpu_reset(struct x86_cpu *cpu, bool init)
{
    uint32_t signature[4];

    if (log_enabled(LOG_CPU_RESET)) {
        GString *text = g_string_new(NULL);
        x86_cpu_describe(cpu, text);
        log_printf(LOG_CPU_RESET, "CPU %d: %s\n%s", cpu->index, init ? "INIT" : "reset", text->str);
        g_string_free(text, TRUE);
    }
    if (!init) {
        reset_power_up(cpu);
    }
    memset(cpu->regs, 0, sizeof(cpu->regs));
    x86_cpuid(cpu, 1, 0, signature);
    cpu->regs[R_RDX] = signature[0];
    cpu->regs[R_RIP] = 0xfff0;
    cpu->eflags = 2;
    cpu->cc_op = CC_OP_EFLAGS;
    reset_segments(cpu);
    /* INIT keeps CD and NW (SDM table 10-1). */
    cpu->cr0 = init ? (cpu->cr0 & (CR0_CD | CR0_NW)) | CR0_ET : CR0_CD | CR0_NW | CR0_ET;
    cpu->cr2 = cpu->cr3 = cpu->cr4 = cpu->efer = 0;
    memset(cpu->dr, 0, sizeof(cpu->dr));
    cpu->dr[6] = 0xffff0ff0;
    cpu->dr[7] = 0x400;
    cpu->cpl = 0;
    cpu->interrupt_shadow = false;
    cpu->nmi_blocked = false;
    cpu->shutdown = false;
    cpu->exception = cpu->delivering = -1;
    cpu->exception_has_error = cpu->delivering_external = false;
    cpu->sipi_vector = 0;
    x86_cpu_update_mode(cpu);
    tlb_flush(cpu, true);
}

void x86_cpu_start_at_sipi(struct x86_cpu *cpu, uint8_t vector)
{
    cpu->segs[S_CS] = (struct x86_segment) {
        .selector = vector << 8, .base = (uint32_t)vector << 12, .limit = 0xffff, .flags = DATA_FLAGS | SEG_CODE
    };
    cpu->regs[R_RIP] = 0;
    __atomic_store_n(&cpu->halted, false, __ATOMIC_RELEASE);
    x86_cpu_update_mode(cpu);
}

static bool segment_is_flat(const struct x86_segment *seg)
{
    return seg->base == 0 && seg->limit == 0xffffffff && seg->flags & SEG_P && !(seg->flags & SEG_CODE) &&
           seg->flags & SEG_RW && !(seg->flags & SEG_EXPAND_DOWN);
}

static uint32_t code_size_mode(const struct x86_cpu *cpu)
{
    uint32_t mode;
    if (cpu->efer & EFER_LMA && cpu->segs[S_CS].flags & SEG_L) {
        return X86_MODE_64;
    }
    mode = cpu->segs[S_CS].flags & SEG_B ? X86_MODE_32 : X86_MODE_16;
    if (cpu->segs[S_SS].flags & SEG_B) {
        mode |= X86_MODE_SS32;
    }
    if (mode & X86_MODE_32 && segment_is_flat(&cpu->segs[S_DS]) && segment_is_flat(&cpu->segs[S_ES]) &&
        segment_is_flat(&cpu->segs[S_SS]) && cpu->segs[S_CS].base == 0 && cpu->segs[S_CS].limit == 0xffffffff &&
        cpu->segs[S_CS].flags & SEG_RW) {
        mode |= X86_MODE_FLAT;
    }
    return mode;
}

void x86_cpu_update_mode(struct x86_cpu *cpu)
{
    uint32_t mode = code_size_mode(cpu);

    if (!(cpu->cr0 & CR0_PE)) {
        cpu->cpl = 0;
    } else if (cpu->eflags & EFLAGS_VM) {
        cpu->cpl = 3;
        mode |= X86_MODE_VM86;
    } else {
        mode |= X86_MODE_PE;
    }
    mode |= cpu->cpl == 3 ? X86_MODE_CPL3 : 0;
    mode |= cpu->eflags & EFLAGS_TF ? X86_MODE_TF : 0;
    mode |= cpu->interrupt_shadow ? X86_MODE_SHADOW : 0;
    mode |= cpu->cr0 & (CR0_EM | CR0_TS) ? X86_MODE_NOFPU : 0;
    mode |= cpu->cr0 & (CR0_EM | CR0_TS) || !(cpu->cr4 & CR4_OSFXSR) ? X86_MODE_NOSSE : 0;
    mode |= cpu->cr4 & CR4_OSXSAVE ? X86_MODE_CR4_OSXSAVE : 0;
    cpu->mode = mode;
    if (cpu->cpl == 3) {
        cpu->mmu_index = MMU_USER;
    } else {
        cpu->mmu_index = cpu->cr4 & CR4_SMAP && !(cpu->eflags & EFLAGS_AC) ? MMU_KERNEL_SMAP : MMU_KERNEL;
    }
    tlb_select(cpu);
}

void x86_set_interrupt_shadow(struct x86_cpu *cpu)
{
    cpu->interrupt_shadow = true;
    cpu->mode |= X86_MODE_SHADOW;
}

bool x86_cpu_has_work(const struct x86_cpu *cpu)
{
    uint32_t request = __atomic_load_n(&cpu->interrupt_request, __ATOMIC_ACQUIRE);
    if (request & CPU_INTERRUPT_INIT) {
        return true;
    }
    if (cpu->shutdown) {
        return false;
    }
    return request & (CPU_INTERRUPT_SIPI | CPU_INTERRUPT_POLL) ||
           (request & CPU_INTERRUPT_NMI && !cpu->nmi_blocked) ||
           (request & CPU_INTERRUPT_HARD && cpu->eflags & EFLAGS_IF);
}

void x86_cpu_set_cr0(struct x86_cpu *cpu, uint64_t value)
{
    uint64_t changed = cpu->cr0 ^ value;

    cpu->cr0 = value | CR0_ET;
    if (changed & CR0_PG && cpu->efer & EFER_LME) {
        cpu->efer = value & CR0_PG ? cpu->efer | EFER_LMA : cpu->efer & ~(uint64_t)EFER_LMA;
    }
    if (changed & (CR0_PG | CR0_WP | CR0_PE)) {
        tlb_flush(cpu, true);
    }
    x86_cpu_update_mode(cpu);
}

void x86_cpu_set_cr3(struct x86_cpu *cpu, uint64_t value)
{
    cpu->cr3 = value;
    if (cpu->cr0 & CR0_PG) {
        tlb_flush(cpu, !(cpu->cr4 & CR4_PGE));
    }
}

void x86_cpu_set_cr4(struct x86_cpu *cpu, uint64_t value)
{
    uint64_t changed = cpu->cr4 ^ value;

    cpu->cr4 = value;
    if (changed & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP)) {
        tlb_flush(cpu, true);
    }
    x86_cpu_update_mode(cpu);
}

void x86_cpu_set_efer(struct x86_cpu *cpu, uint64_t value)
{
    uint64_t changed = cpu->efer ^ value;

    cpu->efer = value;
    if (changed & EFER_NXE) {
        tlb_flush(cpu, true);
    }
    x86_cpu_update_mode(cpu);
}

uint64_t x86_cpu_rip(const struct x86_cpu *cpu)
{
    uint64_t rip = cpu->regs[R_RIP] + cpu->insn->offset;
    return (cpu->mode & X86_MODE_BITS) == X86_MODE_64 ? rip : (uint32_t)rip;
}
