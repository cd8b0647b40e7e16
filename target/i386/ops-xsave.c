/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FXSAVE, FXRSTOR, XSAVE, XSAVEOPT, XRSTOR, XGETBV, XSETBV, LDMXCSR, STMXCSR. Intel SDM volume 1, 10.5 and 13; AMD
 * APM volume 2, 11.4.4 for fast FXSAVE (EFER.FFXSR).
 *
 * XSAVE knows components 0 (x87) and 1 (SSE), in the standard format; compaction and supervisor state are not
 * offered in CPUID and XSAVEC/XSAVES are undefined. Both components always count as in use and modified, so
 * XSAVEOPT is XSAVE.
 */
#include "accel/tcg/mem.h"
#include "target/i386/decode.h"
#include "target/i386/fpu.h"

#define XSTATE_X87 1u
#define XSTATE_SSE 2u
#define XSAVE_HEADER sizeof(struct fxsave_image)
#define XSAVE_HEADER_BYTES 64

/* Byte ranges of the legacy image: what x87, MXCSR and XMM take. */
enum { IMAGE_MXCSR = 24, IMAGE_ST = 32, IMAGE_XMM = 160, IMAGE_XMM_END = 416 };

static void image_store(struct x86_cpu *cpu, uint64_t va, const struct fxsave_image *image, unsigned from,
                        unsigned to)
{
    for (unsigned at = from; at < to; at += 8) {
        uint64_t word;
        memcpy(&word, (const uint8_t *)image + at, 8);
        mem_st64(cpu, va + at, word);
    }
}
static void image_load(struct x86_cpu *cpu, uint64_t va, struct fxsave_image *image, unsigned from, unsigned to)
{
    for (unsigned at = from; at < to; at += 8) {
        uint64_t word = mem_ld64(cpu, va + at);
        memcpy((uint8_t *)image + at, &word, 8);
    }
}

/* 64-bit mode has 16 XMM registers, the others 8. */
static unsigned xmm_end(const struct x86_cpu *cpu)
{
    return (cpu->mode & X86_MODE_BITS) == X86_MODE_64 ? IMAGE_XMM_END : IMAGE_XMM + 8 * 16;
}
static bool fast_fxsave(const struct x86_cpu *cpu)
{
    return cpu->efer & EFER_FFXSR && cpu->cpl == 0 && (cpu->mode & X86_MODE_BITS) == X86_MODE_64;
}

static uint64_t image_address(struct x86_cpu *cpu, const struct x86_insn *insn, uint64_t alignment)
{
    uint64_t va = x86_linear(cpu, insn);
    if (va & (alignment - 1)) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    return va;
}
static void image_check_mxcsr(struct x86_cpu *cpu, uint32_t mxcsr)
{
    if (mxcsr & ~MXCSR_WRITABLE) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
}

/*
 * Without CR4.OSFXSR the XMM registers and MXCSR are not part of the image, as the operating system does not know
 * them.
 */
static inline void fxsave_run(struct x86_cpu *cpu, const struct x86_insn *insn, bool wide)
{
    uint64_t va = image_address(cpu, insn, 16);
    bool sse = cpu->cr4 & CR4_OSFXSR;
    struct fxsave_image image = { .mxcsr = sse ? cpu->mxcsr : 0, .mxcsr_mask = sse ? MXCSR_WRITABLE : 0 };
    unsigned end = sse && !fast_fxsave(cpu) ? xmm_end(cpu) : IMAGE_XMM;

    mem_probe(cpu, va, sizeof(image), true, cpu->mmu_index);
    fxsave_put_x87(&cpu->fpu, &image, wide);
    memcpy(image.xmm, cpu->xmm, sizeof(image.xmm));
    image_store(cpu, va, &image, 0, end);
}
static inline void fxrstor_run(struct x86_cpu *cpu, const struct x86_insn *insn, bool wide)
{
    uint64_t va = image_address(cpu, insn, 16);
    bool sse = cpu->cr4 & CR4_OSFXSR;
    unsigned end = sse && !fast_fxsave(cpu) ? xmm_end(cpu) : IMAGE_XMM;
    struct fxsave_image image;

    mem_probe(cpu, va, sizeof(image), false, cpu->mmu_index);
    image_load(cpu, va, &image, 0, end);
    if (sse) {
        image_check_mxcsr(cpu, image.mxcsr);
        cpu->mxcsr = image.mxcsr;
        memcpy(cpu->xmm, image.xmm, end - IMAGE_XMM);
    }
    fxsave_get_x87(&cpu->fpu, &image, wide);
}

static uint64_t xsave_components(const struct x86_cpu *cpu)
{
    uint64_t asked = (cpu->regs[R_RDX] << 32) | (uint32_t)cpu->regs[R_RAX];
    return asked & cpu->xcr0 & (XSTATE_X87 | XSTATE_SSE);
}
static void xsave_check(struct x86_cpu *cpu)
{
    if (cpu->cr0 & CR0_TS) {
        x86_raise(cpu, EXCP_NM);
    }
}

static inline void xsave_run(struct x86_cpu *cpu, const struct x86_insn *insn, bool wide)
{
    xsave_check(cpu);
    uint64_t va = image_address(cpu, insn, 64);
    uint64_t components = xsave_components(cpu);
    struct fxsave_image image = { .mxcsr = cpu->mxcsr, .mxcsr_mask = MXCSR_WRITABLE };

    mem_probe(cpu, va, XSAVE_HEADER + XSAVE_HEADER_BYTES, true, cpu->mmu_index);
    uint64_t kept = mem_ld64(cpu, va + XSAVE_HEADER) & ~components;
    if (components & XSTATE_X87) {
        fxsave_put_x87(&cpu->fpu, &image, wide);
        image_store(cpu, va, &image, 0, IMAGE_MXCSR);
        image_store(cpu, va, &image, IMAGE_ST, IMAGE_XMM);
    }
    if (components & XSTATE_SSE) {
        memcpy(image.xmm, cpu->xmm, sizeof(image.xmm));
        image_store(cpu, va, &image, IMAGE_MXCSR, IMAGE_ST);
        image_store(cpu, va, &image, IMAGE_XMM, xmm_end(cpu));
    }
    mem_st64(cpu, va + XSAVE_HEADER, kept | components);
}

/*
 * XSTATE_BV may name only what XCR0 enables; XCOMP_BV and the eight bytes after it must be zero in the standard
 * format.
 */
static uint64_t xrstor_header(struct x86_cpu *cpu, uint64_t va)
{
    uint64_t present = mem_ld64(cpu, va + XSAVE_HEADER);
    uint64_t compaction = mem_ld64(cpu, va + XSAVE_HEADER + 8);
    uint64_t reserved = mem_ld64(cpu, va + XSAVE_HEADER + 16);
    if (present & ~cpu->xcr0 || compaction || reserved) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    return present;
}
static inline void xrstor_run(struct x86_cpu *cpu, const struct x86_insn *insn, bool wide)
{
    xsave_check(cpu);
    uint64_t va = image_address(cpu, insn, 64);
    uint64_t components = xsave_components(cpu);
    uint64_t present = xrstor_header(cpu, va);
    unsigned end = xmm_end(cpu);
    struct fxsave_image image;

    mem_probe(cpu, va, XSAVE_HEADER + XSAVE_HEADER_BYTES, false, cpu->mmu_index);
    image_load(cpu, va, &image, 0, end);
    /* MXCSR is loaded whenever SSE is asked for, even where XSTATE_BV says that the registers are initial. */
    if (components & XSTATE_SSE) {
        image_check_mxcsr(cpu, image.mxcsr);
        cpu->mxcsr = image.mxcsr;
        if (present & XSTATE_SSE) {
            memcpy(cpu->xmm, image.xmm, end - IMAGE_XMM);
        } else {
            memset(cpu->xmm, 0, end - IMAGE_XMM);
        }
    }
    if (components & XSTATE_X87) {
        if (present & XSTATE_X87) {
            fxsave_get_x87(&cpu->fpu, &image, wide);
        } else {
            x87_init(&cpu->fpu);
            memset(cpu->fpu.regs, 0, sizeof(cpu->fpu.regs));
        }
    }
}

#define STAMP(name)                                                             \
    static void name##_32(struct x86_cpu *cpu, const struct x86_insn *insn)     \
    {                                                                           \
        name##_run(cpu, insn, false);                                           \
        X86_NEXT(cpu, insn);                                                    \
    }                                                                           \
    static void name##_64(struct x86_cpu *cpu, const struct x86_insn *insn)     \
    {                                                                           \
        name##_run(cpu, insn, true);                                            \
        X86_NEXT(cpu, insn);                                                    \
    }
STAMP(fxsave)
STAMP(fxrstor)
STAMP(xsave)
STAMP(xrstor)

static void ldmxcsr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint32_t value = mem_ld32(cpu, x86_linear(cpu, insn));
    image_check_mxcsr(cpu, value);
    cpu->mxcsr = value;
    X86_NEXT(cpu, insn);
}
static void stmxcsr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    mem_st32(cpu, x86_linear(cpu, insn), cpu->mxcsr);
    X86_NEXT(cpu, insn);
}

/* XCR0, and with ECX = 1 what of it is in use, which is all. */
static void xgetbv(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint32_t index = (uint32_t)cpu->regs[R_RCX];
    if (index > 1 || (index == 1 && !x86_feature_on(&cpu->features, FEAT_XSAVE_EAX, 2))) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    cpu->regs[R_RAX] = (uint32_t)cpu->xcr0;
    cpu->regs[R_RDX] = cpu->xcr0 >> 32;
    X86_NEXT(cpu, insn);
}
/* x87 state cannot be disabled. */
static void xsetbv(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t value = (cpu->regs[R_RDX] << 32) | (uint32_t)cpu->regs[R_RAX];
    bool valid = value & XSTATE_X87 && !(value & ~(uint64_t)(XSTATE_X87 | XSTATE_SSE));
    if (cpu->cpl != 0 || (uint32_t)cpu->regs[R_RCX] != 0 || !valid) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    cpu->xcr0 = value;
    X86_NEXT(cpu, insn);
}

enum save_group { GROUP_FXSAVE, GROUP_XSAVE, GROUP_MXCSR };

/* `handlers` is the handler itself; what makes it unavailable is decided here as far as decoding knows. */
static enum x86_decode_result save_translate(const struct x86_decode_context *ctx, const struct x86_op *op,
                                             const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                             struct x86_insn *insn)
{
    insn->handler = (x86_handler *)op->handlers;
    insn->opsize = op->arg == GROUP_MXCSR ? 2 : 9;
    switch (op->arg) {
    case GROUP_FXSAVE:
        if (ctx->mode & X86_MODE_NOFPU) {
            insn->handler = fxsave_unavailable;
        }
        return X86_DECODE_OK;
    case GROUP_MXCSR:
        if (ctx->mode & X86_MODE_NOSSE) {
            insn->handler = sse_unavailable;
        }
        return X86_DECODE_OK;
    default:
        return ctx->mode & X86_MODE_CR4_OSXSAVE ? X86_DECODE_OK : X86_DECODE_INVALID;
    }
}

#define FXSR FEAT_1_EDX, 24
#define SSE FEAT_1_EDX, 25
#define XSAVE FEAT_1_ECX, 26
#define XSAVEOPT FEAT_XSAVE_EAX, 0
#define ROW(NAME, feature, handler, group) { ZYDIS_MNEMONIC_##NAME, feature, save_translate, handler, group }
const struct x86_op x86_ops_xsave[] = {
    ROW(FXSAVE, FXSR, fxsave_32, GROUP_FXSAVE),
    ROW(FXSAVE64, FXSR, fxsave_64, GROUP_FXSAVE),
    ROW(FXRSTOR, FXSR, fxrstor_32, GROUP_FXSAVE),
    ROW(FXRSTOR64, FXSR, fxrstor_64, GROUP_FXSAVE),
    ROW(LDMXCSR, SSE, ldmxcsr, GROUP_MXCSR),
    ROW(STMXCSR, SSE, stmxcsr, GROUP_MXCSR),
    ROW(XSAVE, XSAVE, xsave_32, GROUP_XSAVE),
    ROW(XSAVE64, XSAVE, xsave_64, GROUP_XSAVE),
    ROW(XSAVEOPT, XSAVEOPT, xsave_32, GROUP_XSAVE),
    ROW(XSAVEOPT64, XSAVEOPT, xsave_64, GROUP_XSAVE),
    ROW(XRSTOR, XSAVE, xrstor_32, GROUP_XSAVE),
    ROW(XRSTOR64, XSAVE, xrstor_64, GROUP_XSAVE),
    ROW(XGETBV, XSAVE, xgetbv, GROUP_XSAVE),
    ROW(XSETBV, XSAVE, xsetbv, GROUP_XSAVE),
    { 0, FEAT_WORDS, 0, NULL, NULL, 0 },
};
