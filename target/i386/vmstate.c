/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A CPU's migrated state: sections "cpu_common" (version 1) and "cpu" (version 12), field for field as QEMU 7.2 has
 * them, for every accelerator. This file has the tables; vmstate-save.c and vmstate-load.c go between them and
 * struct x86_cpu.
 */
#include "accel/vcpu.h"
#include "migration/blocker.h"
#include "migration/vmstate.h"
#include "target/i386/vmstate-wire.h"
#include "target/i386/vmstate.h"

/* --- cpu_common --- */

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

/* --- what the tables are made of --- */

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
/* A field of struct x86_beyond, under its name on the wire. */
#define BEYOND(wire_name, f, type) ONE("env." wire_name, b.f, type##_t, vmstate_info_##type)
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
    BEYOND("interrupt_injected", interrupt_injected, int32), BEYOND("mp_state", mp_state, uint32),
    BEYOND("tsc", tsc, uint64), BEYOND("exception_nr", exception_nr, int32),
    U8(soft_interrupt), U8(nmi_injected), U8(nmi_pending), U8(has_error_code), U32(sipi_vector),
    U64(mcg_cap), U64(mcg_status), U64(mcg_ctl), U64_ARRAY(mce_banks, MCE_BANKS * 4),
    U64(tsc_aux), BEYOND("system_time_msr", system_time_msr, uint64),
    BEYOND("wall_clock_msr", wall_clock_msr, uint64), U64(xcr0), U64(xstate_bv),
    STRUCTS("env.xmm_regs", b.ymmh, 16, vmstate_ymmh),
    VMSTATE_END,
};

/* --- the section --- */

const struct vmstate_description vmstate_x86_cpu = {
    .name = "cpu", .version = 12, .minimum_version = 11,
    .pre_save = wire_pre_save, .pre_load = wire_pre_load, .post_load = wire_post_load,
    .fields = cpu_fields,
    .subsections = vmstate_x86_cpu_subsections,
};

const struct vmstate_description vmstate_x86_cpu_common = {
    .name = "cpu_common", .version = 1, .minimum_version = 1,
    .pre_save = common_pre_save, .post_load = common_post_load,
    .fields = (const struct vmstate_field[]) {
        VMSTATE_UINT32(halted, struct wire), VMSTATE_UINT32(interrupt_request, struct wire), VMSTATE_END,
    },
};

static GPtrArray *wires; /* by CPU; big lock */

/* An invariant counter's frequency goes along only where -cpu says it, and so each host can be asked for it. */
static bool tied_to_host(const struct x86_cpu *cpu)
{
    return x86_feature(&cpu->features, FEAT_8000_0007_EDX, 8) && !x86_cpu_model_tsc_khz(cpu->model);
}

bool x86_cpu_vmstate_register(struct x86_cpu *cpu, GError **error)
{
    struct wire *w = g_new0(struct wire, 1);

    w->cpu = cpu;
    w->b.interrupt_injected = w->b.exception_nr = -1;
    w->misc_enable = 1;
    if (!wires) {
        wires = g_ptr_array_new_with_free_func(g_free);
    }
    g_ptr_array_add(wires, w);
    if (tied_to_host(cpu)) {
        migration_add_blocker("State blocked by non-migratable CPU device (invtsc flag)"); /* QEMU's words */
    }
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
