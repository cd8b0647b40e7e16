/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87, SSE and what XSAVE added to them (SDM 1, chapter 13). The kernel hands out the standard format, with each
 * component where the host's CPUID leaf 0xd puts it; a component that the vCPU has not got is left alone.
 */
#include "accel/kvm/internal.h"

#define LEGACY_MXCSR 24
#define LEGACY_ST 32
#define LEGACY_XMM 160
#define XSTATE_BV 512
#define XSAVE_FP_SSE 3ull

/* Components beyond the legacy area: number, and the pieces of struct x86_cpu in its order. */
struct piece {
    size_t offset, size;
};
#define PIECE(field) { offsetof(struct x86_cpu, field), sizeof(((struct x86_cpu *)0)->field) }
static const struct {
    unsigned number;
    struct piece pieces[2];
} components[] = {
    { 2, { PIECE(beyond.ymmh) } },
    { 3, { PIECE(beyond.bnd_regs) } },
    { 4, { PIECE(beyond.bndcfgu), PIECE(beyond.bndstatus) } },
    { 5, { PIECE(beyond.opmask) } },
    { 6, { PIECE(beyond.zmmh) } },
    { 7, { PIECE(beyond.zmm_hi16) } },
    { 9, { PIECE(beyond.pkru) } },
};

typedef void copy_fn(void *field, uint8_t *area, size_t size);

static void copy_in(void *field, uint8_t *area, size_t size)
{
    memcpy(field, area, size);
}

static void copy_out(void *field, uint8_t *area, size_t size)
{
    memcpy(area, field, size);
}

/* Copies what the vCPU may have of the components; returns their XSTATE_BV bits. */
static uint64_t copy_components(struct x86_cpu *cpu, struct kvm_xsave *xsave, copy_fn *copy)
{
    uint64_t present = 0;
    uint32_t offered[4];

    kvm_supported_cpuid(0xd, 0, offered);
    for (size_t i = 0; i < G_N_ELEMENTS(components); i++) {
        uint32_t where[4];
        kvm_supported_cpuid(0xd, components[i].number, where);
        uint64_t size = where[0], offset = where[1];
        if (!(offered[0] >> components[i].number & 1) || !size || offset + size > sizeof(*xsave)) {
            continue;
        }
        uint8_t *area = (uint8_t *)xsave + offset;
        for (int j = 0; j < 2 && components[i].pieces[j].size; j++) {
            copy((char *)cpu + components[i].pieces[j].offset, area, components[i].pieces[j].size);
            area += components[i].pieces[j].size;
        }
        present |= 1ull << components[i].number;
    }
    return present;
}

bool kvm_get_xsave(struct x86_cpu *cpu, GError **error)
{
    struct kvm_xsave xsave;
    uint8_t *area = (uint8_t *)&xsave;
    struct kvm_xcrs xcrs = { 0 };
    int result = kvm_vcpu_ioctl(cpu, KVM_GET_XSAVE, &xsave);

    if (result < 0) {
        return error_setf_errno(error, -result, "kvm: vCPU %d: KVM_GET_XSAVE failed", cpu->index);
    }
    memcpy(&cpu->fpu.control, area, 2);
    memcpy(&cpu->fpu.status, area + 2, 2);
    cpu->fpu.top = cpu->fpu.status >> 11 & 7;
    cpu->fpu.status &= ~0x3800;
    cpu->fpu.empty = (uint8_t)~area[4];
    memcpy(&cpu->fpu.opcode, area + 6, 2);
    memcpy(&cpu->fpu.ip, area + 8, 8);
    memcpy(&cpu->fpu.dp, area + 16, 8);
    memcpy(&cpu->mxcsr, area + LEGACY_MXCSR, 4);
    for (unsigned i = 0; i < 8; i++) { /* ST(i) there, physical registers here */
        unsigned physical = (cpu->fpu.top + i) & 7;
        memcpy(&cpu->fpu.regs[physical].mantissa, area + LEGACY_ST + i * 16, 8);
        memcpy(&cpu->fpu.regs[physical].exponent, area + LEGACY_ST + i * 16 + 8, 2);
    }
    memcpy(cpu->xmm, area + LEGACY_XMM, sizeof(cpu->xmm));
    copy_components(cpu, &xsave, copy_in);
    if (kvm_check_extension(KVM_CAP_XCRS) && kvm_vcpu_ioctl(cpu, KVM_GET_XCRS, &xcrs) == 0) {
        cpu->xcr0 = xcrs.nr_xcrs && xcrs.xcrs[0].xcr == 0 ? xcrs.xcrs[0].value : 1;
    }
    return true;
}

static bool put_xcr0(struct x86_cpu *cpu, GError **error)
{
    struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .xcr = 0, .value = cpu->xcr0 } } };
    int result;

    if (!kvm_check_extension(KVM_CAP_XCRS) || !x86_feature(&cpu->features, FEAT_1_ECX, 26)) {
        return true;
    }
    result = kvm_vcpu_ioctl(cpu, KVM_SET_XCRS, &xcrs);
    return result >= 0 || error_setf_errno(error, -result, "kvm: vCPU %d: the host refuses XCR0 = 0x%"
                                           G_GINT64_MODIFIER "x", cpu->index, cpu->xcr0);
}

bool kvm_put_xsave(struct x86_cpu *cpu, GError **error)
{
    struct kvm_xsave xsave = { 0 };
    uint8_t *area = (uint8_t *)&xsave;
    uint16_t status = (cpu->fpu.status & ~0x3800) | cpu->fpu.top << 11;
    int result;

    memcpy(area, &cpu->fpu.control, 2);
    memcpy(area + 2, &status, 2);
    area[4] = (uint8_t)~cpu->fpu.empty;
    memcpy(area + 6, &cpu->fpu.opcode, 2);
    memcpy(area + 8, &cpu->fpu.ip, 8);
    memcpy(area + 16, &cpu->fpu.dp, 8);
    memcpy(area + LEGACY_MXCSR, &cpu->mxcsr, 4);
    for (unsigned i = 0; i < 8; i++) {
        unsigned physical = (cpu->fpu.top + i) & 7;
        memcpy(area + LEGACY_ST + i * 16, &cpu->fpu.regs[physical].mantissa, 8);
        memcpy(area + LEGACY_ST + i * 16 + 8, &cpu->fpu.regs[physical].exponent, 2);
    }
    memcpy(area + LEGACY_XMM, cpu->xmm, sizeof(cpu->xmm));
    uint64_t present = XSAVE_FP_SSE | copy_components(cpu, &xsave, copy_out);
    memcpy(area + XSTATE_BV, &present, 8);
    result = kvm_vcpu_ioctl(cpu, KVM_SET_XSAVE, &xsave);
    if (result < 0) {
        return error_setf_errno(error, -result, "kvm: vCPU %d: KVM_SET_XSAVE failed", cpu->index);
    }
    return put_xcr0(cpu, error);
}
