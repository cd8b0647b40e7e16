/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The subsections of section "cpu", in QEMU 7.2's order and layout. Each is sent if what it holds is not what its
 * absence says. Of QEMU's, those of features that no model has are not known here, and refused by name: nested
 * guests, performance counters, Hyper-V's interface, SGX, AMX, processor trace, VMX's feature control.
 */
#include "migration/vmstate.h"
#include "target/i386/vmstate-wire.h"
#include "target/i386/vmstate.h"

#define NEEDED(name, condition)                                                            \
    static bool name##_needed(const void *opaque)                                          \
    {                                                                                      \
        const struct wire *w = opaque;                                                     \
        return condition;                                                                  \
    }

static bool any_set(const void *from, size_t size)
{
    const uint64_t *words = from;

    for (size_t i = 0; i < size / 8; i++) {
        if (words[i]) {
            return true;
        }
    }
    return false;
}
#define ANY(field) any_set(w->b.field, sizeof(w->b.field))

NEEDED(exception_info, w->exception_pending) /* never: see exception_out() */
NEEDED(async_pf, w->b.async_pf_en_msr)
NEEDED(async_pf_int, w->b.async_pf_int_msr)
NEEDED(pv_eoi, w->b.pv_eoi_en_msr)
NEEDED(steal_time, w->b.steal_time_msr)
NEEDED(poll_control, w->b.poll_control_msr != 1)
NEEDED(fpop, w->fpop || w->fpip || w->fpdp)
NEEDED(tsc_adjust, w->tsc_adjust)
NEEDED(tsc_deadline, w->b.tsc_deadline)
NEEDED(misc_enable, w->misc_enable != 1)
NEEDED(mpx, ANY(bnd_regs) || w->b.bndcfgu || w->b.bndstatus || w->b.bndcfgs)
NEEDED(avx512, ANY(opmask) || ANY(zmmh) || ANY(zmm_hi16))
NEEDED(xss, w->b.xss)
NEEDED(umwait, w->umwait)
NEEDED(tsc_khz, w->b.tsc_khz)
NEEDED(smi_count, w->b.smi_count)
NEEDED(pkru, w->b.pkru)
NEEDED(pkrs, w->pkrs)
NEEDED(spec_ctrl, w->b.spec_ctrl)
NEEDED(virt_ssbd, w->b.virt_ssbd)
NEEDED(tsx_ctrl, x86_feature(&w->cpu->features, FEAT_ARCH_CAPABILITIES, 7))

#define FIELD(wire_name, f, type)                                                                              \
    { .name = "env." wire_name, .offset = offsetof(struct wire, f) + VMSTATE_CHECK_TYPE(struct wire, f, type##_t), \
      .size = sizeof(type##_t), .info = &vmstate_info_##type }
#define STRUCTS(wire_name, f, d)                                                                               \
    { .name = "env." wire_name, .offset = offsetof(struct wire, f), .size = sizeof(((struct wire *)0)->f[0]),  \
      .count = G_N_ELEMENTS(((struct wire *)0)->f), .flags = VMS_STRUCT | VMS_ARRAY, .vmsd = &(d) }
#define WORD(wire_name, n) { .name = wire_name, .offset = 8 * (n), .size = 8, .info = &vmstate_info_uint64 }
#define WORDS(variable, element, ...)                                                                          \
    static const struct vmstate_description variable = {                                                       \
        .name = element, .version = 1, .minimum_version = 1,                                                   \
        .fields = (const struct vmstate_field[]) { __VA_ARGS__, VMSTATE_END },                                 \
    }

WORDS(vmstate_bound, "bnd_regs", WORD("lb", 0), WORD("ub", 1));
WORDS(vmstate_zmmh, "zmmh_reg", WORD("ZMM_Q(4)", 0), WORD("ZMM_Q(5)", 1), WORD("ZMM_Q(6)", 2), WORD("ZMM_Q(7)", 3));
WORDS(vmstate_hi16_zmm, "hi16_zmm_reg", WORD("ZMM_Q(0)", 0), WORD("ZMM_Q(1)", 1), WORD("ZMM_Q(2)", 2),
      WORD("ZMM_Q(3)", 3), WORD("ZMM_Q(4)", 4), WORD("ZMM_Q(5)", 5), WORD("ZMM_Q(6)", 6), WORD("ZMM_Q(7)", 7));

#define SUBSECTION(variable, section, ...)                                            \
    static const struct vmstate_description vmstate_##variable = {                    \
        .name = "cpu/" section, .version = 1, .minimum_version = 1,                   \
        .needed = variable##_needed,                                                  \
        .fields = (const struct vmstate_field[]) { __VA_ARGS__, VMSTATE_END },        \
    }

SUBSECTION(exception_info, "exception_info", FIELD("exception_pending", exception_pending, uint8),
           FIELD("exception_injected", exception_injected, uint8), FIELD("exception_has_payload", has_payload, uint8),
           FIELD("exception_payload", b.payload, uint64));
SUBSECTION(async_pf, "async_pf_msr", FIELD("async_pf_en_msr", b.async_pf_en_msr, uint64));
SUBSECTION(async_pf_int, "async_pf_int_msr", FIELD("async_pf_int_msr", b.async_pf_int_msr, uint64));
SUBSECTION(pv_eoi, "async_pv_eoi_msr", FIELD("pv_eoi_en_msr", b.pv_eoi_en_msr, uint64));
SUBSECTION(steal_time, "steal_time_msr", FIELD("steal_time_msr", b.steal_time_msr, uint64));
SUBSECTION(poll_control, "poll_control_msr", FIELD("poll_control_msr", b.poll_control_msr, uint64));
SUBSECTION(fpop, "fpop_ip_dp", FIELD("fpop", fpop, uint16), FIELD("fpip", fpip, uint64), FIELD("fpdp", fpdp, uint64));
SUBSECTION(tsc_adjust, "msr_tsc_adjust", FIELD("tsc_adjust", tsc_adjust, uint64));
SUBSECTION(tsc_deadline, "msr_tscdeadline", FIELD("tsc_deadline", b.tsc_deadline, uint64));
SUBSECTION(misc_enable, "msr_ia32_misc_enable", FIELD("msr_ia32_misc_enable", misc_enable, uint64));
SUBSECTION(mpx, "mpx", STRUCTS("bnd_regs", b.bnd_regs, vmstate_bound), FIELD("bndcs_regs.cfgu", b.bndcfgu, uint64),
           FIELD("bndcs_regs.sts", b.bndstatus, uint64), FIELD("msr_bndcfgs", b.bndcfgs, uint64));
SUBSECTION(avx512, "avx512",
           { .name = "env.opmask_regs", .offset = offsetof(struct wire, b.opmask), .size = 8, .count = 8,
             .flags = VMS_ARRAY, .info = &vmstate_info_uint64 },
           STRUCTS("xmm_regs", b.zmmh, vmstate_zmmh), STRUCTS("xmm_regs", b.zmm_hi16, vmstate_hi16_zmm));
SUBSECTION(xss, "xss", FIELD("xss", b.xss, uint64));
SUBSECTION(umwait, "umwait", FIELD("umwait", umwait, uint32));
SUBSECTION(tsc_khz, "tsc_khz", FIELD("tsc_khz", b.tsc_khz, int64));
SUBSECTION(smi_count, "msr_smi_count", FIELD("msr_smi_count", b.smi_count, uint64));
SUBSECTION(pkru, "pkru", FIELD("pkru", b.pkru, uint32));
SUBSECTION(pkrs, "pkrs", FIELD("pkrs", pkrs, uint32));
SUBSECTION(spec_ctrl, "spec_ctrl", FIELD("spec_ctrl", b.spec_ctrl, uint64));
SUBSECTION(virt_ssbd, "virt_ssbd", FIELD("virt_ssbd", b.virt_ssbd, uint64));
SUBSECTION(tsx_ctrl, "msr_tsx_ctrl", FIELD("tsx_ctrl", tsx_ctrl, uint32));

const struct vmstate_description *const vmstate_x86_cpu_subsections[] = {
    &vmstate_exception_info, &vmstate_async_pf, &vmstate_async_pf_int, &vmstate_pv_eoi, &vmstate_steal_time,
    &vmstate_poll_control, &vmstate_fpop, &vmstate_tsc_adjust, &vmstate_tsc_deadline, &vmstate_misc_enable,
    &vmstate_mpx, &vmstate_avx512, &vmstate_xss, &vmstate_umwait, &vmstate_tsc_khz, &vmstate_smi_count, &vmstate_pkru,
    &vmstate_pkrs, &vmstate_spec_ctrl, &vmstate_virt_ssbd, &vmstate_tsx_ctrl, NULL,
};
