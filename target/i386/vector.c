/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From operands to forms for the MMX and SSE tables, the handlers for "not available now", and unmasked SSE
 * exceptions.
 */
#include "target/i386/vector.h"

const uint32_t vec_host_mxcsr = HOST_MXCSR;

enum vec_class { VC_NONE, VC_XMM, VC_MMX, VC_GPR, VC_MEM, VC_IMM, VC_OTHER };

static enum vec_class vec_classify(const ZydisDecodedOperand *operand)
{
    if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        return VC_MEM;
    }
    if (operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        return VC_IMM;
    }
    if (operand->type != ZYDIS_OPERAND_TYPE_REGISTER) {
        return VC_OTHER;
    }
    switch (ZydisRegisterGetClass(operand->reg.value)) {
    case ZYDIS_REGCLASS_XMM:
        return VC_XMM;
    case ZYDIS_REGCLASS_MMX:
        return VC_MMX;
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
        return VC_GPR;
    default:
        return VC_OTHER;
    }
}

/* Register operand as struct x86_insn has it. */
static uint8_t vec_register(const ZydisDecodedOperand *operand, enum vec_class class)
{
    switch (class) {
    case VC_XMM:
        return (operand->reg.value - ZYDIS_REGISTER_XMM0) & 15;
    case VC_MMX:
        return (operand->reg.value - ZYDIS_REGISTER_MM0) & 7;
    case VC_GPR:
        return x86_register_offset(operand->reg.value);
    default:
        return 0;
    }
}

static const uint8_t vec_shapes[VC_OTHER + 1][VC_OTHER + 1] = {
    [VC_XMM][VC_XMM] = VF_XX, [VC_XMM][VC_MEM] = VF_XM, [VC_MEM][VC_XMM] = VF_MX, [VC_MMX][VC_MMX] = VF_PP,
    [VC_MMX][VC_MEM] = VF_PM, [VC_MEM][VC_MMX] = VF_MP, [VC_XMM][VC_GPR] = VF_XG, [VC_GPR][VC_XMM] = VF_GX,
    [VC_XMM][VC_MMX] = VF_XP, [VC_MMX][VC_XMM] = VF_PX, [VC_MMX][VC_GPR] = VF_PG, [VC_GPR][VC_MMX] = VF_GP,
    [VC_GPR][VC_MEM] = VF_GM, [VC_MEM][VC_GPR] = VF_MG, [VC_XMM][VC_IMM] = VF_XI,
    [VC_MMX][VC_IMM] = VF_PI, [VC_MEM][VC_NONE] = VF_M0, [VC_NONE][VC_NONE] = VF_00,
};

/* The CPUID bit behind an encoding. False: none that this CPU can have. */
static bool vec_feature(const struct x86_features *features, ZydisISASet set)
{
    static const struct {
        uint16_t set;
        uint8_t word, bit;
    } bits[] = {
        { ZYDIS_ISA_SET_PENTIUMMMX, FEAT_1_EDX, 23 }, { ZYDIS_ISA_SET_SSE, FEAT_1_EDX, 25 },
        { ZYDIS_ISA_SET_SSEMXCSR, FEAT_1_EDX, 25 },   { ZYDIS_ISA_SET_SSE2, FEAT_1_EDX, 26 },
        { ZYDIS_ISA_SET_SSE2MMX, FEAT_1_EDX, 26 },    { ZYDIS_ISA_SET_SSE3, FEAT_1_ECX, 0 },
        { ZYDIS_ISA_SET_SSSE3, FEAT_1_ECX, 9 },       { ZYDIS_ISA_SET_SSSE3MMX, FEAT_1_ECX, 9 },
        { ZYDIS_ISA_SET_SSE4, FEAT_1_ECX, 19 },       { ZYDIS_ISA_SET_SSE42, FEAT_1_ECX, 20 },
        { ZYDIS_ISA_SET_AES, FEAT_1_ECX, 25 },        { ZYDIS_ISA_SET_PCLMULQDQ, FEAT_1_ECX, 1 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(bits); i++) {
        if (bits[i].set == set) {
            return x86_feature_on(features, bits[i].word, bits[i].bit);
        }
    }
    return false;
}

/* Classes of the two operands that choose the form; the third, if any, is an immediate or the implied XMM0. */
static uint8_t vec_operands(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                            struct x86_insn *insn, bool *sse, bool *mmx)
{
    enum vec_class class[2] = { VC_NONE, VC_NONE };
    for (unsigned i = 0; i < 2 && i < zi->operand_count_visible; i++) {
        class[i] = vec_classify(&operands[i]);
        *sse |= class[i] == VC_XMM;
        *mmx |= class[i] == VC_MMX;
        if (class[i] == VC_MEM) {
            insn->opsize = __builtin_ctz(operands[i].size | 0x400) - 3; /* what a segment's limit is checked for */
        }
    }
    insn->dst = vec_register(&operands[0], class[0]);
    if (class[1] != VC_NONE) {
        insn->src = vec_register(&operands[1], class[1]);
    }
    for (unsigned i = 0; i < zi->operand_count_visible; i++) {
        if (operands[i].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            insn->imm = operands[i].imm.value.u & 0xff;
        }
    }
    return vec_shapes[class[0]][class[1]];
}

static x86_handler *vec_find(const struct vec_form *forms, uint8_t shape, bool wide)
{
    if (shape == VF_END) {
        return NULL;
    }
    for (const struct vec_form *form = forms; wide && form->shape != VF_END; form++) {
        if (form->shape == (shape | VF_W)) {
            return form->handler;
        }
    }
    for (const struct vec_form *form = forms; form->shape != VF_END; form++) {
        if (form->shape == shape) {
            return form->handler;
        }
    }
    return NULL;
}

static enum x86_decode_result vec_pick(const struct x86_decode_context *ctx, const struct vec_form *forms,
                                       const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                       struct x86_insn *insn)
{
    bool sse = false, mmx = false;
    uint8_t shape = vec_operands(zi, operands, insn, &sse, &mmx);
    x86_handler *handler = vec_find(forms, shape, zi->attributes & ZYDIS_ATTRIB_HAS_REX && zi->raw.rex.W);
    if (!handler || !vec_feature(ctx->features, zi->meta.isa_set)) {
        return X86_DECODE_INVALID;
    }
    /* MOVNTI has general registers only and is always available. */
    sse |= zi->meta.isa_set == ZYDIS_ISA_SET_SSEMXCSR;
    if (sse && ctx->mode & X86_MODE_NOSSE) {
        handler = sse_unavailable;
    } else if (mmx && ctx->mode & X86_MODE_NOFPU) {
        handler = mmx_unavailable;
    }
    insn->handler = handler;
    return X86_DECODE_OK;
}

enum x86_decode_result vec_translate(const struct x86_decode_context *ctx, const struct x86_op *op,
                                     const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                     struct x86_insn *insn)
{
    return vec_pick(ctx, op->handlers, zi, operands, insn);
}

enum x86_decode_result vec_translate_masked(const struct x86_decode_context *ctx, const struct x86_op *op,
                                            const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                            struct x86_insn *insn)
{
    enum x86_decode_result result = vec_pick(ctx, op->handlers, zi, operands, insn);
    for (unsigned i = zi->operand_count_visible; i < zi->operand_count; i++) {
        if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY) {
            if (!x86_fill_memory(ctx, zi, &operands[i], insn)) {
                return X86_DECODE_INVALID;
            }
            insn->opsize = __builtin_ctz(operands[i].size | 0x400) - 3;
        }
    }
    return result;
}

enum x86_decode_result vec_translate_imm(const struct x86_decode_context *ctx, const struct x86_op *op,
                                         const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                         struct x86_insn *insn)
{
    const struct vec_imm *imm = op->handlers;
    enum x86_decode_result result = vec_pick(ctx, imm->forms, zi, operands, insn);
    bool mmx = operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
               ZydisRegisterGetClass(operands[0].reg.value) == ZYDIS_REGCLASS_MMX;
    const uint8_t *code = mmx ? imm->mmx_code : imm->code;
    if (result == X86_DECODE_OK) {
        insn->imm = (int64_t)(uintptr_t)(code + ((uint64_t)insn->imm << imm->entry_shift));
    }
    return result;
}

void x87_unavailable(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_raise(cpu, EXCP_NM);
}

/* MMX has no emulation through #NM: CR0.EM makes it undefined. */
void mmx_unavailable(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_raise(cpu, cpu->cr0 & CR0_EM ? EXCP_UD : EXCP_NM);
}

void sse_unavailable(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_raise(cpu, cpu->cr0 & CR0_EM || !(cpu->cr4 & CR4_OSFXSR) ? EXCP_UD : EXCP_NM);
}

/* FXSAVE and FXRSTOR need no CR4.OSFXSR, and EM means #NM for them as for x87. */
void fxsave_unavailable(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_raise(cpu, EXCP_NM);
}

/*
 * SDM volume 1, 11.5.3: invalid, denormal and divide-by-zero are looked for in all elements first; if one of them is
 * unmasked, nothing is computed and no post-computation flag is set.
 */
uint32_t vec_fp_unmasked(struct x86_cpu *cpu, uint32_t flags, uint32_t exact, uint32_t flushed)
{
    uint32_t unmasked = ~(cpu->mxcsr >> 7) & MXCSR_FLAGS;
    if (unmasked & FP_UE) {
        flags = (exact & MXCSR_FLAGS & ~FP_UE) | (flushed & FP_UE);
    }
    if (flags & unmasked & (FP_IE | FP_DE | FP_ZE)) {
        flags &= FP_IE | FP_DE | FP_ZE;
    }
    if (flags & unmasked) {
        cpu->mxcsr |= flags;
        x86_raise(cpu, cpu->cr4 & CR4_OSXMMEXCPT ? EXCP_XM : EXCP_UD);
    }
    return flags;
}
