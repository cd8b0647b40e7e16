/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A CPU as the stream has it. Its layout differs from struct x86_cpu (widths, x87 status with TOP, flags derived as
 * hflags), so that it has a struct of its own, which is filled before a save and checked after a load. Fields of
 * features that do not exist here (SVM) travel through it: what came in goes out again.
 */
#ifndef FERRY_I386_VMSTATE_WIRE_H
#define FERRY_I386_VMSTATE_WIRE_H

#include "target/i386/cpu.h"

struct wire_segment {
    uint32_t selector, limit, flags;
    uint64_t base;
};

struct wire_fpreg {
    uint64_t mantissa;
    uint16_t exponent;
};

struct wire {
    struct x86_cpu *cpu;
    /* cpu_common */
    uint32_t halted, interrupt_request;
    /* cpu */
    uint64_t regs[16], eip, eflags;
    uint32_t hflags;
    uint16_t fpuc, fpus, fptag, fpregs_format;
    struct wire_fpreg fpregs[8];
    struct wire_segment segs[S_COUNT], ldt, tr, gdt, idt;
    uint32_t sysenter_cs;
    uint64_t sysenter_esp, sysenter_eip, cr0, cr2, cr3, cr4, dr[8];
    int32_t a20_mask;
    uint32_t mxcsr;
    union x86_xmm xmm[16];
    uint64_t efer, star, lstar, cstar, fmask, kernelgsbase;
    uint32_t smbase;
    uint64_t pat;
    uint32_t hflags2;
    uint64_t vm_hsave, vm_vmcb, tsc_offset, intercept;
    uint16_t intercept_cr_read, intercept_cr_write, intercept_dr_read, intercept_dr_write;
    uint32_t intercept_exceptions;
    uint8_t v_tpr;
    uint64_t mtrr_fixed[11], mtrr_deftype;
    struct mtrr_variable mtrr_var[MTRR_VARIABLE];
    uint8_t soft_interrupt, nmi_injected, nmi_pending, has_error_code;
    uint32_t sipi_vector;
    uint64_t mcg_cap, mcg_status, mcg_ctl, mce_banks[MCE_BANKS * 4];
    uint64_t tsc_aux, xcr0, xstate_bv;
    /* subsections */
    uint8_t exception_pending, exception_injected, has_payload;
    uint16_t fpop;
    uint64_t fpip, fpdp;
    uint64_t tsc_adjust, misc_enable;
    uint32_t umwait, pkrs, tsx_ctrl;
    /* what has the same width on both sides; its fields with another are above */
    struct x86_beyond b;
};

/* QEMU's digest of the mode, which a receiver may look at. */
enum {
    HF_INHIBIT_IRQ = 1 << 3, HF_CS32 = 1 << 4, HF_SS32 = 1 << 5, HF_ADDSEG = 1 << 6, HF_PE = 1 << 7, HF_TF = 1 << 8,
    HF_MP = 1 << 9, HF_EM = 1 << 10, HF_TS = 1 << 11, HF_LMA = 1 << 14, HF_CS64 = 1 << 15, HF_RF = 1 << 16,
    HF_VM = 1 << 17, HF_AC = 1 << 18, HF_SMM = 1 << 19, HF_GUEST = 1 << 21, HF_OSFXSR = 1 << 22, HF_SMAP = 1 << 23,
    HF2_GIF = 1 << 0, HF2_NMI = 1 << 2, HF2_VGIF = 1 << 8,
};

/* Everything between *w->cpu and the rest of *w; vmstate-save.c and vmstate-load.c. */
bool wire_pre_save(void *opaque, GError **error);
bool wire_pre_load(void *opaque, GError **error); /* what a stream without the subsections means */
bool wire_post_load(void *opaque, int version, GError **error);

#endif
