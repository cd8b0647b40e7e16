/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A CPU's migrated state: sections "cpu_common" (version 1) and "cpu" (version 12), field for field as QEMU 7.2 has
 * them.
 *
 * The stream's layout differs from struct x86_cpu (widths, x87 status with TOP, flags derived as hflags), so it has a
 * struct of its own that is filled before a save and checked after a load. Fields of features that do not exist here
 * (SVM, hypervisor clocks) travel through it: what came in goes out again.
 */
#include "accel/tcg/mem.h"
#include "accel/vcpu.h"
#include "migration/vmstate.h"
#include "target/i386/decode.h"
#include "target/i386/flags.h"
#include "target/i386/vmstate.h"

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
    int32_t interrupt_injected;
    uint32_t mp_state;
    uint64_t tsc;
    int32_t exception_nr;
    uint8_t soft_interrupt, nmi_injected, nmi_pending, has_error_code;
    uint32_t sipi_vector;
    uint64_t mcg_cap, mcg_status, mcg_ctl, mce_banks[MCE_BANKS * 4];
    uint64_t tsc_aux, system_time_msr, wall_clock_msr, xcr0, xstate_bv;
    union x86_xmm ymmh[16];
    /* subsections */
    uint64_t poll_control_msr;
    uint16_t fpop;
    uint64_t fpip, fpdp;
    uint64_t tsc_adjust, misc_enable, smi_count;
};

/* --- hflags: QEMU's digest of the mode, which a receiver may look at --- */

enum {
    HF_INHIBIT_IRQ = 1 << 3, HF_CS32 = 1 << 4, HF_SS32 = 1 << 5, HF_ADDSEG = 1 << 6, HF_PE = 1 << 7, HF_TF = 1 << 8,
    HF_MP = 1 << 9, HF_EM = 1 << 10, HF_TS = 1 << 11, HF_LMA = 1 << 14, HF_CS64 = 1 << 15, HF_RF = 1 << 16,
    HF_VM = 1 << 17, HF_AC = 1 << 18, HF_OSFXSR = 1 << 22, HF_SMAP = 1 << 23,
    HF2_GIF = 1 << 0, HF2_NMI = 1 << 2, HF2_VGIF = 1 << 8,
};

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

/* --- x86_cpu to wire --- */

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

static bool cpu_pre_save(void *opaque, GError **error)
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
    return true;
}

/* --- wire to x86_cpu --- */

static bool in_range(GError **error, const char *field, uint64_t value, bool ok)
{
    return ok || error_setf(error, "cpu: field 'env.%s' is 0x%" G_GINT64_MODIFIER "x, which this CPU cannot have",
                            field, value);
}

static bool control_registers_ok(const struct wire *w, GError **error)
{
    const struct x86_features *f = &w->cpu->features;
    uint64_t known_cr4 = 0x7ff | CR4_UMIP | CR4_FSGSBASE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP;
    bool pg = w->cr0 & CR0_PG, lma = w->efer & EFER_LMA;
    bool xsave = x86_feature(f, FEAT_1_ECX, 26);

    return in_range(error, "cr[0]", w->cr0, !(w->cr0 >> 32) && (!pg || w->cr0 & CR0_PE)) &&
           in_range(error, "cr[4]", w->cr4, !(w->cr4 & ~known_cr4) && !(w->cr4 & CR4_VME) &&
                    (!(w->cr4 & CR4_OSXSAVE) || xsave)) &&
           in_range(error, "efer", w->efer,
                    !(w->efer & ~(uint64_t)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_FFXSR)) &&
                    lma == (pg && w->efer & EFER_LME) && (!lma || w->cr4 & CR4_PAE)) &&
           in_range(error, "mxcsr", w->mxcsr, !(w->mxcsr & ~0xffffu)) &&
           in_range(error, "fpregs_format_vmstate", w->fpregs_format, w->fpregs_format == 0) &&
           in_range(error, "xcr0", w->xcr0, w->xcr0 <= 1 || (xsave && w->xcr0 == 3)) &&
           in_range(error, "sysenter_cs", w->sysenter_cs, w->sysenter_cs <= 0xffff);
}

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
    cpu->tsc_offset = w->tsc_offset;
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

/* What a stream without the subsections means. */
static bool cpu_pre_load(void *opaque, GError **error)
{
    struct wire *w = opaque;

    w->poll_control_msr = 1;
    w->fpop = 0;
    w->fpip = w->fpdp = w->tsc_adjust = w->smi_count = 0;
    w->misc_enable = 1;
    return true;
}

static bool cpu_post_load(void *opaque, int version, GError **error)
{
    struct wire *w = opaque;
    struct x86_cpu *cpu = w->cpu;

    if (!control_registers_ok(w, error)) {
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

static bool common_pre_save(void *opaque, GError **error)
{
    struct wire *w = opaque;
    w->halted = w->cpu->halted;
    w->interrupt_request = __atomic_load_n(&w->cpu->interrupt_request, __ATOMIC_RELAXED);
    return true;
}

static bool common_post_load(void *opaque, int version, GError **error)
{
    struct wire *w = opaque;
    uint32_t known = CPU_INTERRUPT_HARD | CPU_INTERRUPT_SMI | CPU_INTERRUPT_POLL | CPU_INTERRUPT_NMI |
                     CPU_INTERRUPT_INIT | CPU_INTERRUPT_SIPI;

    w->cpu->halted = w->halted != 0;
    __atomic_store_n(&w->cpu->interrupt_request, w->interrupt_request & known, __ATOMIC_RELEASE);
    return true;
}

/* --- tables --- */

#define ONE(wire_name, f, type, how)                                                                       \
    { .name = wire_name, .offset = offsetof(struct wire, f) + VMSTATE_CHECK_TYPE(struct wire, f, type),     \
      .size = sizeof(type), .info = &(how) }
#define U8(f) ONE("env." #f, f, uint8_t, vmstate_info_uint8)
#define U16(f) ONE("env." #f, f, uint16_t, vmstate_info_uint16)
#define U32(f) ONE("env." #f, f, uint32_t, vmstate_info_uint32)
#define U64(f) ONE("env." #f, f, uint64_t, vmstate_info_uint64)
#define S32(f) ONE("env." #f, f, int32_t, vmstate_info_int32)
#define U64_ARRAY(f, n)                                                                                      \
    { .name = "env." #f, .offset = offsetof(struct wire, f), .size = 8, .count = (n), .flags = VMS_ARRAY,    \
      .info = &vmstate_info_uint64 }
#define STRUCT(f, d)                                                                                         \
    { .name = "env." #f, .offset = offsetof(struct wire, f), .size = sizeof(((struct wire *)0)->f),          \
      .flags = VMS_STRUCT, .vmsd = &(d) }
#define STRUCTS(wire_name, f, n, d)                                                                          \
    { .name = wire_name, .offset = offsetof(struct wire, f), .size = sizeof(((struct wire *)0)->f[0]),       \
      .count = (n), .flags = VMS_STRUCT | VMS_ARRAY, .vmsd = &(d) }

static const struct vmstate_description vmstate_segment = {
    .name = "segment", .version = 1, .minimum_version = 1,
    .fields = (const struct vmstate_field[]) {
        VMSTATE_UINT32(selector, struct wire_segment), VMSTATE_UINT64(base, struct wire_segment),
        VMSTATE_UINT32(limit, struct wire_segment), VMSTATE_UINT32(flags, struct wire_segment), VMSTATE_END,
    },
};

static const struct vmstate_description vmstate_fpreg = {
    .name = "fpreg", .version = 1, .minimum_version = 1,
    .fields = (const struct vmstate_field[]) {
        VMSTATE_UINT64(mantissa, struct wire_fpreg), VMSTATE_UINT16(exponent, struct wire_fpreg), VMSTATE_END,
    },
};

static const struct vmstate_description vmstate_xmm = {
    .name = "xmm_reg", .version = 1, .minimum_version = 1,
    .fields = (const struct vmstate_field[]) {
        VMSTATE_UINT64(q[0], union x86_xmm), VMSTATE_UINT64(q[1], union x86_xmm), VMSTATE_END,
    },
};

static const struct vmstate_description vmstate_ymmh = {
    .name = "ymmh_reg", .version = 1, .minimum_version = 1,
    .fields = (const struct vmstate_field[]) {
        VMSTATE_UINT64(q[0], union x86_xmm), VMSTATE_UINT64(q[1], union x86_xmm), VMSTATE_END,
    },
};

static const struct vmstate_description vmstate_mtrr = {
    .name = "mtrr_var", .version = 1, .minimum_version = 1,
    .fields = (const struct vmstate_field[]) {
        VMSTATE_UINT64(base, struct mtrr_variable), VMSTATE_UINT64(mask, struct mtrr_variable), VMSTATE_END,
    },
};

static const struct vmstate_field cpu_fields[] = {
    U64_ARRAY(regs, 16), U64(eip), U64(eflags), U32(hflags),
    U16(fpuc), ONE("env.fpus_vmstate", fpus, uint16_t, vmstate_info_uint16),
    ONE("env.fptag_vmstate", fptag, uint16_t, vmstate_info_uint16),
    ONE("env.fpregs_format_vmstate", fpregs_format, uint16_t, vmstate_info_uint16),
    STRUCTS("env.fpregs", fpregs, 8, vmstate_fpreg),
    STRUCTS("env.segs", segs, S_COUNT, vmstate_segment),
    STRUCT(ldt, vmstate_segment), STRUCT(tr, vmstate_segment), STRUCT(gdt, vmstate_segment),
    STRUCT(idt, vmstate_segment),
    U32(sysenter_cs), U64(sysenter_esp), U64(sysenter_eip),
    ONE("env.cr[0]", cr0, uint64_t, vmstate_info_uint64), ONE("env.cr[2]", cr2, uint64_t, vmstate_info_uint64),
    ONE("env.cr[3]", cr3, uint64_t, vmstate_info_uint64), ONE("env.cr[4]", cr4, uint64_t, vmstate_info_uint64),
    U64_ARRAY(dr, 8), S32(a20_mask), U32(mxcsr),
    STRUCTS("env.xmm_regs", xmm, 16, vmstate_xmm),
    U64(efer), U64(star), U64(lstar), U64(cstar), U64(fmask), U64(kernelgsbase), U32(smbase), U64(pat), U32(hflags2),
    U64(vm_hsave), U64(vm_vmcb), U64(tsc_offset), U64(intercept),
    U16(intercept_cr_read), U16(intercept_cr_write), U16(intercept_dr_read), U16(intercept_dr_write),
    U32(intercept_exceptions), U8(v_tpr),
    U64_ARRAY(mtrr_fixed, 11), U64(mtrr_deftype), STRUCTS("env.mtrr_var", mtrr_var, MTRR_VARIABLE, vmstate_mtrr),
    S32(interrupt_injected), U32(mp_state), U64(tsc), S32(exception_nr),
    U8(soft_interrupt), U8(nmi_injected), U8(nmi_pending), U8(has_error_code), U32(sipi_vector),
    U64(mcg_cap), U64(mcg_status), U64(mcg_ctl), U64_ARRAY(mce_banks, MCE_BANKS * 4),
    U64(tsc_aux), U64(system_time_msr), U64(wall_clock_msr), U64(xcr0), U64(xstate_bv),
    STRUCTS("env.xmm_regs", ymmh, 16, vmstate_ymmh),
    VMSTATE_END,
};

static bool poll_control_needed(const void *opaque)
{
    return ((const struct wire *)opaque)->poll_control_msr != 1;
}

static bool fpop_needed(const void *opaque)
{
    const struct wire *w = opaque;
    return w->fpop || w->fpip || w->fpdp;
}

static bool tsc_adjust_needed(const void *opaque)
{
    return ((const struct wire *)opaque)->tsc_adjust != 0;
}

static bool misc_enable_needed(const void *opaque)
{
    return ((const struct wire *)opaque)->misc_enable != 1;
}

static bool smi_count_needed(const void *opaque)
{
    return ((const struct wire *)opaque)->smi_count != 0;
}

#define SUBSECTION(variable, section, need, ...)                                      \
    static const struct vmstate_description variable = {                              \
        .name = section, .version = 1, .minimum_version = 1, .needed = need,          \
        .fields = (const struct vmstate_field[]) { __VA_ARGS__, VMSTATE_END },        \
    }
SUBSECTION(vmstate_poll_control, "cpu/poll_control_msr", poll_control_needed, U64(poll_control_msr));
SUBSECTION(vmstate_fpop, "cpu/fpop_ip_dp", fpop_needed, U16(fpop), U64(fpip), U64(fpdp));
SUBSECTION(vmstate_tsc_adjust, "cpu/msr_tsc_adjust", tsc_adjust_needed, U64(tsc_adjust));
SUBSECTION(vmstate_misc_enable, "cpu/msr_ia32_misc_enable", misc_enable_needed,
           ONE("env.msr_ia32_misc_enable", misc_enable, uint64_t, vmstate_info_uint64));
SUBSECTION(vmstate_smi_count, "cpu/msr_smi_count", smi_count_needed,
           ONE("env.msr_smi_count", smi_count, uint64_t, vmstate_info_uint64));

const struct vmstate_description vmstate_x86_cpu = {
    .name = "cpu", .version = 12, .minimum_version = 11,
    .pre_save = cpu_pre_save, .pre_load = cpu_pre_load, .post_load = cpu_post_load,
    .fields = cpu_fields,
    .subsections = (const struct vmstate_description *const[]) {
        &vmstate_poll_control, &vmstate_fpop, &vmstate_tsc_adjust, &vmstate_misc_enable, &vmstate_smi_count, NULL,
    },
};

const struct vmstate_description vmstate_x86_cpu_common = {
    .name = "cpu_common", .version = 1, .minimum_version = 1,
    .pre_save = common_pre_save, .post_load = common_post_load,
    .fields = (const struct vmstate_field[]) {
        VMSTATE_UINT32(halted, struct wire), VMSTATE_UINT32(interrupt_request, struct wire), VMSTATE_END,
    },
};

static GPtrArray *wires; /* by CPU; big lock */

bool x86_cpu_vmstate_register(struct x86_cpu *cpu, GError **error)
{
    struct wire *w = g_new0(struct wire, 1);

    w->cpu = cpu;
    w->interrupt_injected = w->exception_nr = -1;
    w->misc_enable = 1;
    if (!wires) {
        wires = g_ptr_array_new_with_free_func(g_free);
    }
    g_ptr_array_add(wires, w);
    return vmstate_register("cpu_common", cpu->index, &vmstate_x86_cpu_common, w, error) &&
           vmstate_register("cpu", cpu->index, &vmstate_x86_cpu, w, error);
}

void *x86_cpu_vmstate_opaque(struct x86_cpu *cpu)
{
    for (guint i = 0; wires && i < wires->len; i++) {
        struct wire *w = g_ptr_array_index(wires, i);
        if (w->cpu == cpu) {
            return w;
        }
    }
    return NULL;
}

void x86_cpu_vmstate_unregister(struct x86_cpu *cpu)
{
    struct wire *w = x86_cpu_vmstate_opaque(cpu);

    if (w) {
        vmstate_unregister(&vmstate_x86_cpu_common, w);
        vmstate_unregister(&vmstate_x86_cpu, w);
        g_ptr_array_remove(wires, w);
    }
}
