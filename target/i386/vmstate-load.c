/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A CPU, from the stream: struct wire, checked against what this CPU can have, to struct x86_cpu. */
#include <linux/kvm.h>

#include "accel/kvm.h"
#include "accel/tcg/mem.h"
#include "accel/vcpu.h"
#include "target/i386/cpu-models.h"
#include "target/i386/flags.h"
#include "target/i386/vmstate-wire.h"
#include "util/clock.h"

/* --- checks --- */

static bool in_range(GError **error, const char *field, uint64_t value, bool ok)
{
    return ok || error_setf(error, "field 'env.%s' is 0x%" G_GINT64_MODIFIER "x, which this CPU cannot have",
                            field, value);
}

/* Bits of CR4 that a feature brings, by the number of the bit (SDM 3A 2.5). */
static const struct {
    uint8_t cr4_bit, bit;
    enum x86_feature_word word;
} cr4_features[] = {
    { 0, 1, FEAT_1_EDX },    { 1, 1, FEAT_1_EDX },     /* VME, PVI */
    { 11, 2, FEAT_7_0_ECX }, { 12, 16, FEAT_7_0_ECX }, /* UMIP, LA57 */
    { 16, 0, FEAT_7_0_EBX }, { 17, 17, FEAT_1_ECX },   /* FSGSBASE, PCIDE */
    { 18, 26, FEAT_1_ECX },                            /* OSXSAVE */
    { 20, 7, FEAT_7_0_EBX }, { 21, 20, FEAT_7_0_EBX }, /* SMEP, SMAP */
    { 22, 3, FEAT_7_0_ECX }, { 24, 31, FEAT_7_0_ECX }, /* PKE, PKS */
};
#define CR4_ALWAYS 0x7fcu /* TSD to OSXMMEXCPT: every model has these */

static uint64_t cr4_possible(const struct x86_features *features)
{
    uint64_t possible = CR4_ALWAYS;

    for (size_t i = 0; i < G_N_ELEMENTS(cr4_features); i++) {
        if (x86_feature(features, cr4_features[i].word, cr4_features[i].bit)) {
            possible |= 1ull << cr4_features[i].cr4_bit;
        }
    }
    return possible;
}

static bool control_registers_ok(const struct wire *w, GError **error)
{
    bool pg = w->cr0 & CR0_PG, lma = w->efer & EFER_LMA;

    return in_range(error, "cr[0]", w->cr0, !(w->cr0 >> 32) && (!pg || w->cr0 & CR0_PE)) &&
           in_range(error, "cr[4]", w->cr4, !(w->cr4 & ~cr4_possible(&w->cpu->features))) &&
           in_range(error, "efer", w->efer,
                    !(w->efer & ~(uint64_t)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_FFXSR)) &&
                    lma == (pg && w->efer & EFER_LME) && (!lma || w->cr4 & CR4_PAE)) &&
           in_range(error, "dr[6]", w->dr[6], !(w->dr[6] >> 32)) &&
           in_range(error, "dr[7]", w->dr[7], !(w->dr[7] >> 32)) &&
           in_range(error, "mxcsr", w->mxcsr, !(w->mxcsr & ~0xffffu)) &&
           in_range(error, "fpregs_format_vmstate", w->fpregs_format, w->fpregs_format == 0) &&
           in_range(error, "hflags", w->hflags, !(w->hflags & (HF_SMM | HF_GUEST))) && /* no SMM, nothing nested */
           in_range(error, "sysenter_cs", w->sysenter_cs, !w->cpu->tcg || w->sysenter_cs <= 0xffff);
}

/* XSAVE components by the names of the features that bring them. */
static const char *const component_names[64] = {
    "x87", "SSE", "AVX", "MPX", "MPX", "AVX-512", "AVX-512", "AVX-512", "Intel PT", "PKU", "PASID", "CET", "CET",
    "HDC", "UINTR", "LBR", "HWP", "AMX", "AMX",
};

#define COMPONENTS_AVX512 (7ull << XSAVE_OPMASK)
#define COMPONENTS_MPX (3ull << XSAVE_BNDREGS)

/* What comes together or stands on another (SDM 1, 13.3). */
static bool is_consistent(uint64_t xcr0)
{
    uint64_t mpx = xcr0 & COMPONENTS_MPX, avx512 = xcr0 & COMPONENTS_AVX512;

    return xcr0 & 1 && (xcr0 & 2 || !(xcr0 >> XSAVE_AVX & 1)) && (!mpx || mpx == COMPONENTS_MPX) &&
           (!avx512 || (avx512 == COMPONENTS_AVX512 && xcr0 >> XSAVE_AVX & 1));
}

static bool xcr0_ok(const struct wire *w, GError **error)
{
    uint64_t missing = w->xcr0 & ~x86_xcr0_possible(w->cpu);

    if (missing) {
        const char *name = component_names[__builtin_ctzll(missing)];
        return error_setf(error, "field 'env.xcr0' is 0x%" G_GINT64_MODIFIER "x, but this CPU has no %s (XSAVE "
                          "component %d)", w->xcr0, name ? name : "such thing", __builtin_ctzll(missing));
    }
    return in_range(error, "xcr0", w->xcr0, !w->xcr0 || is_consistent(w->xcr0)) &&
           in_range(error, "xss", w->b.xss, !w->b.xss); /* no model has a supervisor component */
}

static bool events_ok(const struct wire *w, GError **error)
{
    const struct x86_beyond *b = &w->b;

    return in_range(error, "interrupt_injected", (uint32_t)b->interrupt_injected,
                    b->interrupt_injected >= -1 && b->interrupt_injected <= 0xff) &&
           in_range(error, "exception_nr", (uint32_t)b->exception_nr,
                    b->exception_nr >= -1 && b->exception_nr < 32 && b->exception_nr != EXCP_NMI) &&
           in_range(error, "mp_state", b->mp_state, b->mp_state <= KVM_MP_STATE_SIPI_RECEIVED);
}

static bool tsc_khz_ok(const struct wire *w, GError **error)
{
    int64_t wanted = x86_cpu_model_tsc_khz(w->cpu->model), khz = w->b.tsc_khz;

    if (wanted && khz && wanted != khz) {
        return error_setf(error, "field 'env.tsc_khz' is %" G_GINT64_FORMAT ", which differs from the %"
                          G_GINT64_FORMAT " of -cpu tsc-frequency=", khz, wanted);
    }
    return in_range(error, "tsc_khz", khz, khz >= 0 && khz <= INT32_MAX);
}

/* --- wire to x86_cpu --- */

static void segment_in(struct x86_segment *to, const struct wire_segment *from)
{
    *to = (struct x86_segment) {
        .selector = (uint16_t)from->selector, .base = from->base, .limit = from->limit,
        .flags = from->flags & 0x00f0ff00
    };
}

static void fpu_in(struct x86_cpu *cpu, const struct wire *w)
{
    cpu->fpu.control = w->fpuc;
    cpu->fpu.status = w->fpus & ~0x3800;
    cpu->fpu.top = w->fpus >> 11 & 7;
    cpu->fpu.empty = (uint8_t)~w->fptag;
    for (int i = 0; i < 8; i++) {
        cpu->fpu.regs[i].mantissa = w->fpregs[i].mantissa;
        cpu->fpu.regs[i].exponent = w->fpregs[i].exponent;
    }
    cpu->fpu.opcode = w->fpop;
    cpu->fpu.ip = w->fpip;
    cpu->fpu.dp = w->fpdp;
    cpu->mxcsr = w->mxcsr;
    memcpy(cpu->xmm, w->xmm, sizeof(w->xmm));
}

static void system_in(struct x86_cpu *cpu, const struct wire *w)
{
    cpu->sysenter_cs = w->sysenter_cs;
    cpu->sysenter_esp = w->sysenter_esp;
    cpu->sysenter_eip = w->sysenter_eip;
    cpu->cr0 = w->cr0 | CR0_ET;
    cpu->cr2 = w->cr2;
    cpu->cr3 = w->cr3;
    cpu->cr4 = w->cr4;
    memcpy(cpu->dr, w->dr, sizeof(w->dr));
    cpu->efer = w->efer;
    cpu->star = w->star;
    cpu->lstar = w->lstar;
    cpu->cstar = w->cstar;
    cpu->fmask = w->fmask;
    cpu->kernel_gs_base = w->kernelgsbase;
    cpu->smbase = w->smbase;
    cpu->pat = w->pat;
    cpu->nmi_blocked = w->hflags2 & HF2_NMI;
    cpu->interrupt_shadow = w->hflags & HF_INHIBIT_IRQ;
    memcpy(cpu->mtrr_fixed, w->mtrr_fixed, sizeof(w->mtrr_fixed));
    cpu->mtrr_deftype = w->mtrr_deftype;
    memcpy(cpu->mtrr_var, w->mtrr_var, sizeof(w->mtrr_var));
    cpu->sipi_vector = w->sipi_vector;
    cpu->mcg_cap = w->mcg_cap;
    cpu->mcg_status = w->mcg_status;
    cpu->mcg_ctl = w->mcg_ctl;
    memcpy(cpu->mce_banks, w->mce_banks, sizeof(w->mce_banks));
    cpu->tsc_aux = w->tsc_aux;
    cpu->xcr0 = w->xcr0 ? w->xcr0 : 1;
    cpu->tsc_adjust = w->tsc_adjust;
    cpu->misc_enable = w->misc_enable;
}

/* A vCPU on KVM has the counter's value put; others derive it. A stream without one comes from a software CPU. */
static void tsc_in(struct x86_cpu *cpu, const struct wire *w)
{
    int64_t khz = w->b.tsc_khz, host_khz;

    cpu->tsc_offset = w->b.tsc ? w->b.tsc - virtual_ticks() : w->tsc_offset;
    if (!cpu->tcg || !khz) {
        return; /* without the measurement below, which takes 20 ms, and the guest stands still */
    }
    host_khz = virtual_ticks_hz() / 1000;
    if (ABS(khz - host_khz) * 1000 > khz) { /* closer than that is not measured */
        warn_report("TSC frequency mismatch between VM (%" G_GINT64_FORMAT " kHz) and host (%" G_GINT64_FORMAT
                    " kHz): the software CPU does not scale it", khz, host_khz);
    }
}

/* A pending NMI is kept where the accelerator looks for it. */
static void nmi_in(struct x86_cpu *cpu)
{
    uint32_t request = __atomic_load_n(&cpu->interrupt_request, __ATOMIC_ACQUIRE);

    if (kvm_irqchip_in_kernel() && request & CPU_INTERRUPT_NMI) {
        cpu_reset_interrupt(cpu, CPU_INTERRUPT_NMI);
        cpu->beyond.nmi_pending = true;
    } else if (!cpu->kvm && cpu->beyond.nmi_pending) {
        cpu->beyond.nmi_pending = false;
        cpu_interrupt(cpu, CPU_INTERRUPT_NMI);
    }
}

/*
 * `halted` came before, with cpu_common. Stock's KVM leaves it out for a vCPU that waits for its SIPI, and stock's
 * software CPU says nothing here.
 */
static void mp_state_in(struct x86_cpu *cpu)
{
    struct x86_beyond *b = &cpu->beyond;

    if (!kvm_irqchip_in_kernel() && b->mp_state != KVM_MP_STATE_RUNNABLE) {
        __atomic_store_n(&cpu->halted, true, __ATOMIC_RELEASE);
    } else if (cpu->halted && b->mp_state == KVM_MP_STATE_RUNNABLE) {
        b->mp_state = KVM_MP_STATE_HALTED;
    }
}

static void beyond_in(struct x86_cpu *cpu, const struct wire *w)
{
    struct x86_beyond *b = &cpu->beyond;

    *b = w->b;
    b->error_code = 0;
    b->soft_interrupt = w->soft_interrupt;
    b->nmi_injected = w->nmi_injected;
    b->nmi_pending = w->nmi_pending;
    b->has_error_code = w->has_error_code;
    b->exception_pending = w->exception_pending;
    b->exception_injected = w->exception_injected || (b->exception_nr >= 0 && !w->exception_pending);
    b->has_payload = w->has_payload;
    b->umwait = w->umwait;
    b->pkrs = w->pkrs;
    b->tsx_ctrl = w->tsx_ctrl;
    nmi_in(cpu);
    mp_state_in(cpu);
    if (!kvm_irqchip_in_kernel() && cpu->apic_ops) {
        cpu->apic_ops->set_tsc_deadline(cpu->apic, b->tsc_deadline);
        b->tsc_deadline = 0;
    }
}

bool wire_pre_load(void *opaque, GError **error)
{
    struct wire *w = opaque;

    w->fpop = 0;
    w->fpip = w->fpdp = w->tsc_adjust = 0;
    w->misc_enable = 1;
    w->exception_pending = w->exception_injected = w->has_payload = false;
    w->umwait = w->pkrs = w->tsx_ctrl = 0;
    w->b = (struct x86_beyond) { .poll_control_msr = 1, .tsc_khz = w->cpu->beyond.tsc_khz };
    return true;
}

bool wire_post_load(void *opaque, int version, GError **error)
{
    struct wire *w = opaque;
    struct x86_cpu *cpu = w->cpu;

    if (!xcr0_ok(w, error) || !control_registers_ok(w, error) || !events_ok(w, error) || !tsc_khz_ok(w, error)) {
        return false;
    }
    memcpy(cpu->regs, w->regs, sizeof(w->regs));
    cpu->regs[R_RIP] = w->eip;
    for (int i = 0; i < S_COUNT; i++) {
        segment_in(&cpu->segs[i], &w->segs[i]);
    }
    segment_in(&cpu->ldt, &w->ldt);
    segment_in(&cpu->tr, &w->tr);
    segment_in(&cpu->gdt, &w->gdt);
    segment_in(&cpu->idt, &w->idt);
    fpu_in(cpu, w);
    system_in(cpu, w);
    tsc_in(cpu, w);
    beyond_in(cpu, w);
    cpu->eflags = 2;
    cpu->cc_op = CC_OP_EFLAGS;
    x86_flags_set(cpu, w->eflags, 0x003f7fd5);
    /* SS's DPL is the privilege level (SDM 3A 5.5). */
    cpu->cpl = cpu->cr0 & CR0_PE ? cpu->segs[S_SS].flags >> SEG_DPL_SHIFT & 3 : 0;
    cpu->exception = cpu->delivering = -1;
    cpu->exception_has_error = cpu->delivering_external = cpu->shutdown = false;
    x86_cpu_update_mode(cpu);
    tlb_flush(cpu, true);
    return true;
}
