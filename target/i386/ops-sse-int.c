/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packed integer operations (MMX, SSE2, SSSE3, SSE4.1, AES) and the bitwise and shuffling ones of SSE: everything
 * of two operands that neither reads MXCSR nor has an immediate inside the host instruction.
 */
#include "target/i386/vector.h"

/* MMX and XMM twins. */
#define TWIN_OPS(X)                                                                                                \
    X(PADDB, paddb) X(PADDW, paddw) X(PADDD, paddd) X(PADDQ, paddq) X(PADDSB, paddsb) X(PADDSW, paddsw)            \
    X(PADDUSB, paddusb) X(PADDUSW, paddusw) X(PSUBB, psubb) X(PSUBW, psubw) X(PSUBD, psubd) X(PSUBQ, psubq)        \
    X(PSUBSB, psubsb) X(PSUBSW, psubsw) X(PSUBUSB, psubusb) X(PSUBUSW, psubusw) X(PAND, pand) X(PANDN, pandn)      \
    X(POR, por) X(PXOR, pxor) X(PCMPEQB, pcmpeqb) X(PCMPEQW, pcmpeqw) X(PCMPEQD, pcmpeqd) X(PCMPGTB, pcmpgtb)      \
    X(PCMPGTW, pcmpgtw) X(PCMPGTD, pcmpgtd) X(PMULLW, pmullw) X(PMULHW, pmulhw) X(PMULHUW, pmulhuw)                \
    X(PMULUDQ, pmuludq) X(PMADDWD, pmaddwd) X(PAVGB, pavgb) X(PAVGW, pavgw) X(PMINUB, pminub) X(PMAXUB, pmaxub)    \
    X(PMINSW, pminsw) X(PMAXSW, pmaxsw) X(PSADBW, psadbw) X(PACKSSWB, packsswb) X(PACKSSDW, packssdw)              \
    X(PACKUSWB, packuswb) X(PUNPCKHBW, punpckhbw) X(PUNPCKHWD, punpckhwd) X(PUNPCKHDQ, punpckhdq)                  \
    X(PSHUFB, pshufb) X(PHADDW, phaddw) X(PHADDD, phaddd) X(PHADDSW, phaddsw) X(PHSUBW, phsubw) X(PHSUBD, phsubd)  \
    X(PHSUBSW, phsubsw) X(PMADDUBSW, pmaddubsw) X(PMULHRSW, pmulhrsw) X(PABSB, pabsb) X(PABSW, pabsw)              \
    X(PABSD, pabsd) X(PSIGNB, psignb) X(PSIGNW, psignw) X(PSIGND, psignd)

/* The MMX forms of these read only 32 bits of memory. */
#define UNPACK_LOW_OPS(X) X(PUNPCKLBW, punpcklbw) X(PUNPCKLWD, punpcklwd) X(PUNPCKLDQ, punpckldq)

/* Twins whose count is an operand of the same width or an imm8; a count past the element's width is not an error. */
#define SHIFT_OPS(X)                                                                                        \
    X(PSLLW, psllw) X(PSLLD, pslld) X(PSLLQ, psllq) X(PSRLW, psrlw) X(PSRLD, psrld) X(PSRLQ, psrlq)         \
    X(PSRAW, psraw) X(PSRAD, psrad)

#define XMM_OPS(X)                                                                                                 \
    X(PUNPCKLQDQ, punpcklqdq) X(PUNPCKHQDQ, punpckhqdq) X(ANDPS, andps) X(ANDPD, andpd) X(ANDNPS, andnps)          \
    X(ANDNPD, andnpd) X(ORPS, orps) X(ORPD, orpd) X(XORPS, xorps) X(XORPD, xorpd) X(UNPCKLPS, unpcklps)            \
    X(UNPCKHPS, unpckhps) X(UNPCKLPD, unpcklpd) X(UNPCKHPD, unpckhpd) X(PCMPEQQ, pcmpeqq) X(PCMPGTQ, pcmpgtq)      \
    X(PMULDQ, pmuldq) X(PMULLD, pmulld) X(PMINSB, pminsb) X(PMAXSB, pmaxsb) X(PMINUW, pminuw) X(PMAXUW, pmaxuw)    \
    X(PMINSD, pminsd) X(PMAXSD, pmaxsd) X(PMINUD, pminud) X(PMAXUD, pmaxud) X(PACKUSDW, packusdw)                  \
    X(PHMINPOSUW, phminposuw) X(MOVSLDUP, movsldup) X(MOVSHDUP, movshdup) X(AESENC, aesenc)                        \
    X(AESENCLAST, aesenclast) X(AESDEC, aesdec) X(AESDECLAST, aesdeclast) X(AESIMC, aesimc)

/* Widening moves read as many bytes of memory as they use, at any alignment. */
#define WIDEN_OPS(X)                                                                                               \
    X(PMOVSXBW, pmovsxbw, vec_load8) X(PMOVSXBD, pmovsxbd, vec_load4) X(PMOVSXBQ, pmovsxbq, vec_load2)             \
    X(PMOVSXWD, pmovsxwd, vec_load8) X(PMOVSXWQ, pmovsxwq, vec_load4) X(PMOVSXDQ, pmovsxdq, vec_load8)             \
    X(PMOVZXBW, pmovzxbw, vec_load8) X(PMOVZXBD, pmovzxbd, vec_load4) X(PMOVZXBQ, pmovzxbq, vec_load2)             \
    X(PMOVZXWD, pmovzxwd, vec_load8) X(PMOVZXWQ, pmovzxwq, vec_load4) X(PMOVZXDQ, pmovzxdq, vec_load8)             \
    X(MOVDDUP, movddup, vec_load8)

/* The mask is XMM0. */
#define BLENDV_OPS(X) X(PBLENDVB, pblendvb) X(BLENDVPS, blendvps) X(BLENDVPD, blendvpd)

#define TWIN(NAME, name)                                                                                  \
    VEC_BODY(name)                                                                                        \
    VEC_MMX_BODY(name)                                                                                    \
    VEC_HANDLERS(name, vec_load16)                                                                        \
    VEC_MMX_HANDLERS(name, mem_ld64)                                                                      \
    static const struct vec_form name##_forms[] = {                                                       \
        { VF_XX, name##_xx }, { VF_XM, name##_xm }, { VF_PP, name##_pp }, { VF_PM, name##_pm }, { VF_END, NULL }, \
    };
TWIN_OPS(TWIN)

#define UNPACK_LOW(NAME, name)                                                                            \
    VEC_BODY(name)                                                                                        \
    VEC_MMX_BODY(name)                                                                                    \
    VEC_HANDLERS(name, vec_load16)                                                                        \
    VEC_MMX_HANDLERS(name, mem_ld32)                                                                      \
    static const struct vec_form name##_forms[] = {                                                       \
        { VF_XX, name##_xx }, { VF_XM, name##_xm }, { VF_PP, name##_pp }, { VF_PM, name##_pm }, { VF_END, NULL }, \
    };
UNPACK_LOW_OPS(UNPACK_LOW)

#define SHIFT(NAME, name)                                                                                 \
    VEC_BODY(name)                                                                                        \
    VEC_MMX_BODY(name)                                                                                    \
    VEC_HANDLERS(name, vec_load16)                                                                        \
    VEC_MMX_HANDLERS(name, mem_ld64)                                                                      \
    static void name##_xi(struct x86_cpu *cpu, const struct x86_insn *insn)                               \
    {                                                                                                     \
        vec_set(cpu, insn->dst, name##_body(vec_get(cpu, insn->dst), _mm_set_epi64x(0, insn->imm)));      \
        X86_NEXT(cpu, insn);                                                                              \
    }                                                                                                     \
    static void name##_pi(struct x86_cpu *cpu, const struct x86_insn *insn)                               \
    {                                                                                                     \
        mmx_check(cpu);                                                                                   \
        mmx_set(cpu, insn->dst, name##_mmx_body(mmx_get(cpu, insn->dst), (uint64_t)insn->imm));           \
        X86_NEXT(cpu, insn);                                                                              \
    }                                                                                                     \
    static const struct vec_form name##_forms[] = {                                                       \
        { VF_XX, name##_xx }, { VF_XM, name##_xm }, { VF_PP, name##_pp }, { VF_PM, name##_pm },           \
        { VF_XI, name##_xi }, { VF_PI, name##_pi }, { VF_END, NULL },                                     \
    };
SHIFT_OPS(SHIFT)

#define XMM_ONLY(NAME, name)                                                \
    VEC_BODY(name)                                                          \
    VEC_HANDLERS(name, vec_load16)                                          \
    static const struct vec_form name##_forms[] = {                         \
        { VF_XX, name##_xx }, { VF_XM, name##_xm }, { VF_END, NULL },       \
    };
XMM_OPS(XMM_ONLY)

#define WIDEN(NAME, name, load)                                             \
    VEC_BODY(name)                                                          \
    VEC_HANDLERS(name, load)                                                \
    static const struct vec_form name##_forms[] = {                         \
        { VF_XX, name##_xx }, { VF_XM, name##_xm }, { VF_END, NULL },       \
    };
WIDEN_OPS(WIDEN)

#define BLENDV(NAME, name)                                                                                      \
    static inline __m128i name##_host(__m128i d, __m128i s, __m128i mask)                                       \
    {                                                                                                           \
        asm(#name " %%xmm0, %1, %0" : "+x"(d) : "x"(s), "Yz"(mask));                                            \
        return d;                                                                                               \
    }                                                                                                           \
    static void name##_xx(struct x86_cpu *cpu, const struct x86_insn *insn)                                     \
    {                                                                                                           \
        vec_set(cpu, insn->dst, name##_host(vec_get(cpu, insn->dst), vec_get(cpu, insn->src), vec_get(cpu, 0))); \
        X86_NEXT(cpu, insn);                                                                                    \
    }                                                                                                           \
    static void name##_xm(struct x86_cpu *cpu, const struct x86_insn *insn)                                     \
    {                                                                                                           \
        vec_set(cpu, insn->dst, name##_host(vec_get(cpu, insn->dst), vec_load16(cpu, insn), vec_get(cpu, 0)));  \
        X86_NEXT(cpu, insn);                                                                                    \
    }                                                                                                           \
    static const struct vec_form name##_forms[] = {                                                             \
        { VF_XX, name##_xx }, { VF_XM, name##_xm }, { VF_END, NULL },                                           \
    };
BLENDV_OPS(BLENDV)

/* PTEST: ZF and CF from the AND and ANDN; the other four are cleared. */
static inline void ptest_commit(struct x86_cpu *cpu, __m128i d, __m128i s)
{
    bool zero, carry;
    asm("ptest %3, %2" : "=@ccz"(zero), "=@ccc"(carry) : "x"(d), "x"(s));
    vec_set_flags(cpu, (zero ? EFLAGS_ZF : 0) | (carry ? EFLAGS_CF : 0));
}
static void ptest_xx(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    ptest_commit(cpu, vec_get(cpu, insn->dst), vec_get(cpu, insn->src));
    X86_NEXT(cpu, insn);
}
static void ptest_xm(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    ptest_commit(cpu, vec_get(cpu, insn->dst), vec_load16(cpu, insn));
    X86_NEXT(cpu, insn);
}
static const struct vec_form ptest_forms[] = { { VF_XX, ptest_xx }, { VF_XM, ptest_xm }, { VF_END, NULL } };

#define ROW(NAME, name) VEC_ROW(NAME, name##_forms),
#define ROW_LOAD(NAME, name, load) VEC_ROW(NAME, name##_forms),
const struct x86_op x86_ops_sse[] = {
    TWIN_OPS(ROW)
    UNPACK_LOW_OPS(ROW)
    SHIFT_OPS(ROW)
    XMM_OPS(ROW)
    WIDEN_OPS(ROW_LOAD)
    BLENDV_OPS(ROW)
    VEC_ROW(PTEST, ptest_forms),
    VEC_TABLE_END,
};
