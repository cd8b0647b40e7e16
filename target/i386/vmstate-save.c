/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A CPU, to the stream: struct x86_cpu to struct wire. */
#include <linux/kvm.h>

#include "accel/kvm.h"
#include "target/i386/cpu-models.h"
#include "target/i386/decode.h"
#include "target/i386/vmstate-wire.h"
#include "util/clock.h"

static uint32_t hflags(struct x86_cpu *cpu)
{
    uint32_t flags = cpu->cpl | (cpu->eflags & EFLAGS_IOPL);
    bool pe = cpu->cr0 & CR0_PE, vm = cpu->eflags & EFLAGS_VM, code64 = (cpu->mode & X86_MODE_BITS) == X86_MODE_64;

    flags |= cpu->interrupt_shadow ? HF_INHIBIT_IRQ : 0;
    flags |= pe ? HF_PE : 0;
    flags |= cpu->cr0 & CR0_MP ? HF_MP : 0;
    flags |= cpu->cr0 & CR0_EM ? HF_EM : 0;
    flags |= cpu->cr0 & CR0_TS ? HF_TS : 0;
    flags |= cpu->eflags & EFLAGS_TF ? HF_TF : 0;
    flags |= cpu->eflags & EFLAGS_RF ? HF_RF : 0;
    flags |= vm ? HF_VM : 0;
    flags |= cpu->eflags & EFLAGS_AC ? HF_AC : 0;
    flags |= cpu->cr4 & CR4_OSFXSR ? HF_OSFXSR : 0;
    flags |= cpu->cr4 & CR4_SMAP ? HF_SMAP : 0;
    flags |= cpu->efer & EFER_LMA ? HF_LMA : 0;
    if (code64) {
        return flags | HF_CS32 | HF_SS32 | HF_CS64;
    }
    flags |= cpu->segs[S_CS].flags & SEG_B ? HF_CS32 : 0;
    flags |= cpu->segs[S_SS].flags & SEG_B ? HF_SS32 : 0;
    if (!pe || vm || !(cpu->segs[S_CS].flags & SEG_B) ||
        cpu->segs[S_DS].base | cpu->segs[S_ES].base | cpu->segs[S_SS].base) {
        flags |= HF_ADDSEG;
    }
    return flags;
}

static void segment_out(struct wire_segment *to, const struct x86_segment *from)
{
    *to = (struct wire_segment) {
        .selector = from->selector, .base = from->base, .limit = from->limit, .flags = from->flags
    };
}

static void fpu_out(struct wire *w, const struct x86_cpu *cpu)
{
    w->fpuc = cpu->fpu.control;
    w->fpus = (cpu->fpu.status & ~0x3800) | cpu->fpu.top << 11;
    w->fptag = (uint8_t)~cpu->fpu.empty;
    w->fpregs_format = 0;
    for (int i = 0; i < 8; i++) {
        w->fpregs[i] = (struct wire_fpreg) { cpu->fpu.regs[i].mantissa, cpu->fpu.regs[i].exponent };
    }
    w->fpop = cpu->fpu.opcode;
    w->fpip = cpu->fpu.ip;
    w->fpdp = cpu->fpu.dp;
    w->mxcsr = cpu->mxcsr;
    memcpy(w->xmm, cpu->xmm, sizeof(w->xmm));
}

static void system_out(struct wire *w, const struct x86_cpu *cpu)
{
    w->sysenter_cs = cpu->sysenter_cs;
    w->sysenter_esp = cpu->sysenter_esp;
    w->sysenter_eip = cpu->sysenter_eip;
    w->cr0 = cpu->cr0;
    w->cr2 = cpu->cr2;
    w->cr3 = cpu->cr3;
    w->cr4 = cpu->cr4;
    memcpy(w->dr, cpu->dr, sizeof(w->dr));
    w->a20_mask = -1;
    w->efer = cpu->efer;
    w->star = cpu->star;
    w->lstar = cpu->lstar;
    w->cstar = cpu->cstar;
    w->fmask = cpu->fmask;
    w->kernelgsbase = cpu->kernel_gs_base;
    w->smbase = cpu->smbase;
    w->pat = cpu->pat;
    w->hflags2 = HF2_GIF | HF2_VGIF | (cpu->nmi_blocked ? HF2_NMI : 0);
    w->tsc_offset = cpu->tsc_offset;
    memcpy(w->mtrr_fixed, cpu->mtrr_fixed, sizeof(w->mtrr_fixed));
    w->mtrr_deftype = cpu->mtrr_deftype;
    memcpy(w->mtrr_var, cpu->mtrr_var, sizeof(w->mtrr_var));
    w->sipi_vector = cpu->sipi_vector;
    w->mcg_cap = cpu->mcg_cap;
    w->mcg_status = cpu->mcg_status;
    w->mcg_ctl = cpu->mcg_ctl;
    memcpy(w->mce_banks, cpu->mce_banks, sizeof(w->mce_banks));
    w->tsc_aux = cpu->tsc_aux;
    w->xcr0 = cpu->xcr0;
    w->tsc_adjust = cpu->tsc_adjust;
    w->misc_enable = cpu->misc_enable;
}

/* --- what the software CPU does not build --- */

/*
 * An exception with an error code is left to its instruction, which runs again and raises it again (those are
 * faults), for the stream has no field for the code. A payload goes to where the guest looks for it, DR6 or CR2:
 * nothing could intercept the exception any more.
 */
static void exception_out(struct wire *w)
{
    struct x86_beyond *b = &w->b;

    if (b->exception_nr >= 0 && b->has_error_code && b->error_code) {
        b->exception_nr = -1;
        b->exception_injected = b->exception_pending = false;
    }
    if (b->exception_pending && b->has_payload && b->exception_nr == EXCP_DB) {
        w->dr[6] = b->payload;
    } else if (b->exception_pending && b->has_payload && b->exception_nr == EXCP_PF) {
        w->cr2 = b->payload;
    }
    b->exception_injected |= b->exception_pending;
    b->exception_pending = false;
    w->exception_pending = false;
    w->exception_injected = b->exception_injected;
    w->has_payload = false;
}

/*
 * With the APIC in the kernel, that knows; else it follows from what we know of the vCPU. Stock's KVM leaves
 * wait_for_sipi set for vCPUs that run, so that alone does not say it. One that waits may have had its INIT, and
 * "uninitialized" has the kernel drop the SIPI that is on its way.
 */
static uint32_t mp_state(const struct x86_cpu *cpu)
{
    const struct x86_apic_ops *apic = cpu->apic_ops;

    if (kvm_irqchip_in_kernel()) {
        return cpu->beyond.mp_state;
    }
    if (cpu->halted && apic && apic->waits_for_sipi && apic->waits_for_sipi(cpu->apic)) {
        return KVM_MP_STATE_INIT_RECEIVED;
    }
    return cpu->halted ? KVM_MP_STATE_HALTED : KVM_MP_STATE_RUNNABLE;
}

/* All that the CPU has: what is in its initial state is sent as it is. */
static uint64_t xstate_bv(const struct x86_cpu *cpu)
{
    return x86_xcr0_possible(cpu) | 3;
}

static void beyond_out(struct wire *w, const struct x86_cpu *cpu)
{
    w->b = cpu->beyond;
    w->b.mp_state = mp_state(cpu);
    w->b.tsc = virtual_ticks() + cpu->tsc_offset; /* the vCPU is stopped, and so is the counter */
    if (!kvm_irqchip_in_kernel()) {
        w->b.tsc_deadline = cpu->apic_ops ? cpu->apic_ops->get_tsc_deadline(cpu->apic) : 0;
    }
    exception_out(w);
    w->soft_interrupt = w->b.soft_interrupt;
    w->nmi_injected = w->b.nmi_injected;
    w->nmi_pending = w->b.nmi_pending;
    w->has_error_code = w->b.has_error_code;
    w->umwait = w->b.umwait;
    w->pkrs = w->b.pkrs;
    w->tsx_ctrl = w->b.tsx_ctrl;
    w->xstate_bv = xstate_bv(cpu);
}

bool wire_pre_save(void *opaque, GError **error)
{
    struct wire *w = opaque;
    struct x86_cpu *cpu = w->cpu;

    memcpy(w->regs, cpu->regs, sizeof(w->regs));
    w->eip = cpu->regs[R_RIP];
    w->eflags = x86_flags_get(cpu);
    w->hflags = hflags(cpu);
    for (int i = 0; i < S_COUNT; i++) {
        segment_out(&w->segs[i], &cpu->segs[i]);
    }
    segment_out(&w->ldt, &cpu->ldt);
    segment_out(&w->tr, &cpu->tr);
    segment_out(&w->gdt, &cpu->gdt);
    segment_out(&w->idt, &cpu->idt);
    fpu_out(w, cpu);
    system_out(w, cpu);
    beyond_out(w, cpu);
    return true;
}

