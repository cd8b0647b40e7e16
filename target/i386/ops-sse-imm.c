/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operations with an imm8. It is part of the host instruction, so each has a table of 256 tiny host functions, one
 * per immediate, assembled here; decoding stores the function's address in insn->imm. They follow the C calling
 * convention: XMM arguments in XMM0 and XMM1, result in XMM0.
 */
#include "target/i386/vector.h"

/* Symbol vec_code_NAME: entry i at i << shift. `imm` in the text is the immediate. */
#define IMM_CODE(name, shift, text)                                                                 \
    asm(".pushsection .text\n\t.balign 64\nvec_code_" #name ":\n\t.set imm, 0\n\t.rept 256\n\t"      \
        ".balign 1 << " #shift "\n\t" text "\n\tret\n\t.set imm, imm + 1\n\t.endr\n\t.popsection");  \
    extern const uint8_t vec_code_##name[];

typedef __m128i imm_function(__m128i d, __m128i s);
typedef uint64_t imm_mmx_function(uint64_t d, uint64_t s);
/* Returns RFLAGS; *out: the mask, or the index in its low half. */
typedef uint64_t imm_string_function(__m128i d, __m128i s, int64_t rax, int64_t rdx, __m128i *out);

static inline __m128i imm_call(const struct x86_insn *insn, __m128i d, __m128i s)
{
    return ((imm_function *)(uintptr_t)insn->imm)(d, s);
}

/* Integer and shuffling operations. */
static void imm_xx(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    vec_set(cpu, insn->dst, imm_call(insn, vec_get(cpu, insn->dst), vec_get(cpu, insn->src)));
    X86_NEXT(cpu, insn);
}
static void imm_xm(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    vec_set(cpu, insn->dst, imm_call(insn, vec_get(cpu, insn->dst), vec_load16(cpu, insn)));
    X86_NEXT(cpu, insn);
}
static void imm_xi(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    vec_set(cpu, insn->dst, imm_call(insn, vec_get(cpu, insn->dst), _mm_setzero_si128()));
    X86_NEXT(cpu, insn);
}
static void imm_pp(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    mmx_check(cpu);
    imm_mmx_function *function = (imm_mmx_function *)(uintptr_t)insn->imm;
    mmx_set(cpu, insn->dst, function(mmx_get(cpu, insn->dst), mmx_get(cpu, insn->src)));
    X86_NEXT(cpu, insn);
}
static void imm_pm(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    mmx_check(cpu);
    imm_mmx_function *function = (imm_mmx_function *)(uintptr_t)insn->imm;
    uint64_t s = mem_ld64(cpu, x86_linear(cpu, insn));
    mmx_set(cpu, insn->dst, function(mmx_get(cpu, insn->dst), s));
    X86_NEXT(cpu, insn);
}
static const struct vec_form imm_forms[] = {
    { VF_XX, imm_xx }, { VF_XM, imm_xm }, { VF_PP, imm_pp }, { VF_PM, imm_pm }, { VF_END, NULL },
};
static const struct vec_form imm_xmm_forms[] = { { VF_XX, imm_xx }, { VF_XM, imm_xm }, { VF_END, NULL } };
static const struct vec_form imm_shift_forms[] = { { VF_XI, imm_xi }, { VF_END, NULL } };

#define SHUFFLES(X)                                                                                        \
    X(PSHUFD, pshufd) X(PSHUFLW, pshuflw) X(PSHUFHW, pshufhw) X(SHUFPS, shufps) X(SHUFPD, shufpd)          \
    X(PBLENDW, pblendw) X(BLENDPS, blendps) X(BLENDPD, blendpd) X(MPSADBW, mpsadbw)                        \
    X(AESKEYGENASSIST, aeskeygenassist) X(PCLMULQDQ, pclmulqdq)
#define SHUFFLE_STAMP(NAME, name)                                         \
    IMM_CODE(name, 4, #name " $imm, %xmm1, %xmm0")                        \
    static const struct vec_imm name##_imm = { imm_xmm_forms, vec_code_##name, NULL, 4 };
SHUFFLES(SHUFFLE_STAMP)

#define BYTE_SHIFTS(X) X(PSLLDQ, pslldq) X(PSRLDQ, psrldq)
#define BYTE_SHIFT_STAMP(NAME, name)                                      \
    IMM_CODE(name, 4, #name " $imm, %xmm0")                               \
    static const struct vec_imm name##_imm = { imm_shift_forms, vec_code_##name, NULL, 4 };
BYTE_SHIFTS(BYTE_SHIFT_STAMP)

#define MMX_CODE(name) \
    "movq %rdi, %mm0\n\tmovq %rsi, %mm1\n\t" name " $imm, %mm1, %mm0\n\tmovq %mm0, %rax\n\temms"
IMM_CODE(palignr, 5, "palignr $imm, %xmm1, %xmm0")
IMM_CODE(palignr_mmx, 5, MMX_CODE("palignr"))
IMM_CODE(pshufw_mmx, 5, MMX_CODE("pshufw"))
static const struct vec_imm palignr_imm = { imm_forms, vec_code_palignr, vec_code_palignr_mmx, 5 };
static const struct vec_imm pshufw_imm = { imm_forms, NULL, vec_code_pshufw_mmx, 5 };

/* INSERTPS from memory has one element to take: the immediate's source index is ignored (it picks from a splat). */
static void insertps_xm(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    __m128i s = _mm_shuffle_epi32(vec_load4(cpu, insn), 0);
    vec_set(cpu, insn->dst, imm_call(insn, vec_get(cpu, insn->dst), s));
    X86_NEXT(cpu, insn);
}
static const struct vec_form insertps_forms[] = { { VF_XX, imm_xx }, { VF_XM, insertps_xm }, { VF_END, NULL } };
IMM_CODE(insertps, 4, "insertps $imm, %xmm1, %xmm0")
static const struct vec_imm insertps_imm = { insertps_forms, vec_code_insertps, NULL, 4 };

/* Floating point: the call between loads of the guest's and the host's MXCSR. */
static inline uint32_t imm_fp_host(const struct x86_insn *insn, bool plain, uint32_t csr, __m128i d, __m128i s,
                                   __m128i *r)
{
    uint32_t after;
    if (!plain) {
        asm volatile("ldmxcsr %0" : : "m"(csr) : "memory");
    }
    *r = imm_call(insn, d, s);
    asm volatile("stmxcsr %0" : "=m"(after) : : "memory");
    if (!plain) {
        asm volatile("ldmxcsr %0" : : "m"(vec_host_mxcsr) : "memory");
    }
    return after;
}
#define IMM_FP_HOST(plain, csr, d, s, r) imm_fp_host(insn, plain, csr, d, s, r)

static inline void imm_fp(struct x86_cpu *cpu, const struct x86_insn *insn, __m128i s)
{
    __m128i r;
    VEC_FP_RUN(cpu, IMM_FP_HOST, vec_get(cpu, insn->dst), s, r);
    vec_set(cpu, insn->dst, r);
}
static void imm_fp_xx(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    imm_fp(cpu, insn, vec_get(cpu, insn->src));
    X86_NEXT(cpu, insn);
}
#define IMM_FP_MEMORY(load)                                                                 \
    static void imm_fp_##load##_xm(struct x86_cpu *cpu, const struct x86_insn *insn)        \
    {                                                                                       \
        imm_fp(cpu, insn, load(cpu, insn));                                                 \
        X86_NEXT(cpu, insn);                                                                \
    }                                                                                       \
    static const struct vec_form imm_fp_##load##_forms[] = {                                \
        { VF_XX, imm_fp_xx }, { VF_XM, imm_fp_##load##_xm }, { VF_END, NULL },              \
    };
IMM_FP_MEMORY(vec_load4)
IMM_FP_MEMORY(vec_load8)
IMM_FP_MEMORY(vec_load16)

#define FP_OPS(X)                                                                                              \
    X(CMPPS, cmpps, vec_load16) X(CMPPD, cmppd, vec_load16) X(CMPSS, cmpss, vec_load4) X(CMPSD, cmpsd, vec_load8) \
    X(ROUNDPS, roundps, vec_load16) X(ROUNDPD, roundpd, vec_load16) X(ROUNDSS, roundss, vec_load4)             \
    X(ROUNDSD, roundsd, vec_load8) X(DPPS, dpps, vec_load16) X(DPPD, dppd, vec_load16)
#define FP_STAMP(NAME, name, load)                                        \
    IMM_CODE(name, 4, #name " $imm, %xmm1, %xmm0")                        \
    static const struct vec_imm name##_imm = { imm_fp_##load##_forms, vec_code_##name, NULL, 4 };
FP_OPS(FP_STAMP)

/*
 * String comparison. Explicit lengths are EAX and EDX, or RAX and RDX with REX.W; beyond the element count (16) all
 * saturate, so the 32-bit host form serves both. Memory operands need no alignment.
 */
static inline int64_t string_length(const struct x86_cpu *cpu, unsigned reg, bool wide)
{
    int64_t length = (int64_t)cpu->regs[reg];
    return wide ? CLAMP(length, -16, 16) : (int32_t)length;
}
static inline __m128i string_run(struct x86_cpu *cpu, const struct x86_insn *insn, __m128i s, bool wide)
{
    __m128i out = _mm_setzero_si128();
    imm_string_function *function = (imm_string_function *)(uintptr_t)insn->imm;
    uint64_t flags = function(vec_get(cpu, insn->dst), s, string_length(cpu, R_RAX, wide),
                              string_length(cpu, R_RDX, wide), &out);
    vec_set_flags(cpu, flags & EFLAGS_ARITH);
    return out;
}
#define STRING_HANDLER(name, source, wide, commit)                          \
    static void name(struct x86_cpu *cpu, const struct x86_insn *insn)      \
    {                                                                       \
        __m128i out = string_run(cpu, insn, source, wide);                  \
        commit;                                                             \
        X86_NEXT(cpu, insn);                                                \
    }
#define STRING_SET(which, commit)                                                             \
    STRING_HANDLER(which##_xx, vec_get(cpu, insn->src), false, commit)                        \
    STRING_HANDLER(which##_xm, vec_load_unaligned(cpu, insn), false, commit)                  \
    STRING_HANDLER(which##_xx_wide, vec_get(cpu, insn->src), true, commit)                    \
    STRING_HANDLER(which##_xm_wide, vec_load_unaligned(cpu, insn), true, commit)              \
    static const struct vec_form which##_forms[] = {                                          \
        { VF_XX, which##_xx }, { VF_XM, which##_xm }, { VF_XX | VF_W, which##_xx_wide },      \
        { VF_XM | VF_W, which##_xm_wide }, { VF_END, NULL },                                  \
    };
STRING_SET(string_index, cpu->regs[R_RCX] = (uint32_t)_mm_cvtsi128_si32(out))
STRING_SET(string_mask, vec_set(cpu, 0, out))

#define STRING_CODE(name, result)                                                                           \
    "mov %rdx, %r8\n\tmov %edi, %eax\n\tmov %esi, %edx\n\t" name " $imm, %xmm1, %xmm0\n\tpushfq\n\tpop %rax\n\t"    \
    result
#define STRING_OPS(X)                                                                                            \
    X(PCMPESTRI, pcmpestri, index, "mov %ecx, (%r8)") X(PCMPISTRI, pcmpistri, index, "mov %ecx, (%r8)")          \
    X(PCMPESTRM, pcmpestrm, mask, "movdqu %xmm0, (%r8)") X(PCMPISTRM, pcmpistrm, mask, "movdqu %xmm0, (%r8)")
#define STRING_STAMP(NAME, name, kind, result)                            \
    IMM_CODE(name, 5, STRING_CODE(#name, result))                         \
    static const struct vec_imm name##_imm = { string_##kind##_forms, vec_code_##name, NULL, 5 };
STRING_OPS(STRING_STAMP)

#define ROW(NAME, name) VEC_IMM_ROW(NAME, name##_imm),
#define ROW_LOAD(NAME, name, load) VEC_IMM_ROW(NAME, name##_imm),
#define ROW_STRING(NAME, name, kind, result) VEC_IMM_ROW(NAME, name##_imm),
const struct x86_op x86_ops_sse_imm[] = {
    SHUFFLES(ROW)
    BYTE_SHIFTS(ROW)
    VEC_IMM_ROW(PALIGNR, palignr_imm),
    VEC_IMM_ROW(PSHUFW, pshufw_imm),
    VEC_IMM_ROW(INSERTPS, insertps_imm),
    FP_OPS(ROW_LOAD)
    STRING_OPS(ROW_STRING)
    VEC_TABLE_END,
};
