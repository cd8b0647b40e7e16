/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conversions between integers and floating point, and between the floating-point sizes. */
#include "target/i386/vector.h"

/* XMM to XMM. CVTPS2PD, CVTDQ2PD read 8 bytes; scalars 4 or 8. */
#define XMM_CONVERSIONS(X)                                                                                    \
    X(CVTDQ2PS, cvtdq2ps, vec_load16) X(CVTDQ2PD, cvtdq2pd, vec_load8) X(CVTPS2DQ, cvtps2dq, vec_load16)      \
    X(CVTTPS2DQ, cvttps2dq, vec_load16) X(CVTPD2DQ, cvtpd2dq, vec_load16)                                     \
    X(CVTTPD2DQ, cvttpd2dq, vec_load16) X(CVTPS2PD, cvtps2pd, vec_load8) X(CVTPD2PS, cvtpd2ps, vec_load16)    \
    X(CVTSS2SD, cvtss2sd, vec_load4) X(CVTSD2SS, cvtsd2ss, vec_load8)
#define XMM_STAMP(NAME, name, load)                                                                           \
    VEC_FP_HOST(name)                                                                                         \
    VEC_FP_HANDLERS(name, load)                                                                               \
    static const struct vec_form name##_forms[] = {                                                           \
        { VF_XX, name##_xx }, { VF_XM, name##_xm }, { VF_END, NULL },                                         \
    };
XMM_CONVERSIONS(XMM_STAMP)

/* General register or memory to XMM, 32 bits or (REX.W) 64. */
#define FROM_GPR(X) X(CVTSI2SS, cvtsi2ss) X(CVTSI2SD, cvtsi2sd)
#define FROM_GPR_SIZE(name, suffix, type, bits)                                                               \
    static inline uint32_t name##suffix##_host(bool plain, uint32_t csr, __m128i d, type s, __m128i *r)       \
    {                                                                                                         \
        uint32_t after;                                                                                       \
        VEC_UNDER_CSR(plain, csr, after, #name #suffix " %[s], %[d]", VEC_ARGS([d] "+x"(d)),                  \
                      VEC_ARGS([s] "r"(s)));                                                                  \
        *r = d;                                                                                               \
        return after;                                                                                         \
    }                                                                                                         \
    static void name##suffix##_xg(struct x86_cpu *cpu, const struct x86_insn *insn)                           \
    {                                                                                                         \
        __m128i r;                                                                                            \
        VEC_FP_RUN(cpu, name##suffix##_host, vec_get(cpu, insn->dst), (type)*vec_gpr(cpu, insn->src), r);     \
        vec_set(cpu, insn->dst, r);                                                                           \
        X86_NEXT(cpu, insn);                                                                                  \
    }                                                                                                         \
    static void name##suffix##_xm(struct x86_cpu *cpu, const struct x86_insn *insn)                           \
    {                                                                                                         \
        __m128i r;                                                                                            \
        type s = (type)mem_ld##bits(cpu, x86_linear(cpu, insn));                                              \
        VEC_FP_RUN(cpu, name##suffix##_host, vec_get(cpu, insn->dst), s, r);                                  \
        vec_set(cpu, insn->dst, r);                                                                           \
        X86_NEXT(cpu, insn);                                                                                  \
    }
#define FROM_GPR_STAMP(NAME, name)                                                                            \
    FROM_GPR_SIZE(name, l, int32_t, 32)                                                                       \
    FROM_GPR_SIZE(name, q, int64_t, 64)                                                                       \
    static const struct vec_form name##_forms[] = {                                                           \
        { VF_XG, name##l_xg }, { VF_XM, name##l_xm }, { VF_XG | VF_W, name##q_xg },                           \
        { VF_XM | VF_W, name##q_xm }, { VF_END, NULL },                                                       \
    };
FROM_GPR(FROM_GPR_STAMP)

/* XMM or memory to a general register of 32 or (REX.W) 64 bits; a 32-bit result clears the upper half. */
#define TO_GPR(X)                                                                                             \
    X(CVTSS2SI, cvtss2si, vec_load4) X(CVTTSS2SI, cvttss2si, vec_load4)                                       \
    X(CVTSD2SI, cvtsd2si, vec_load8) X(CVTTSD2SI, cvttsd2si, vec_load8)
/* The modifier tells the sizes apart for the compiler too, which else takes the two functions for the same. */
#define TO_GPR_SIZE(name, suffix, type, modifier, load)                                                       \
    static inline uint32_t name##suffix##_host(bool plain, uint32_t csr, __m128i d, __m128i s, __m128i *r)    \
    {                                                                                                         \
        uint32_t after;                                                                                       \
        type result;                                                                                          \
        VEC_UNDER_CSR(plain, csr, after, #name " %[s], %" modifier "[d]", VEC_ARGS([d] "=&r"(result)),        \
                      VEC_ARGS([s] "x"(s)));                                                                  \
        *r = _mm_set_epi64x(0, (int64_t)(uint64_t)result);                                                    \
        return after;                                                                                         \
    }                                                                                                         \
    static void name##suffix##_gx(struct x86_cpu *cpu, const struct x86_insn *insn)                           \
    {                                                                                                         \
        __m128i r;                                                                                            \
        VEC_FP_RUN(cpu, name##suffix##_host, _mm_setzero_si128(), vec_get(cpu, insn->src), r);                \
        *vec_gpr(cpu, insn->dst) = (uint64_t)_mm_cvtsi128_si64(r);                                            \
        X86_NEXT(cpu, insn);                                                                                  \
    }                                                                                                         \
    static void name##suffix##_gm(struct x86_cpu *cpu, const struct x86_insn *insn)                           \
    {                                                                                                         \
        __m128i r, s = load(cpu, insn);                                                                       \
        VEC_FP_RUN(cpu, name##suffix##_host, _mm_setzero_si128(), s, r);                                      \
        *vec_gpr(cpu, insn->dst) = (uint64_t)_mm_cvtsi128_si64(r);                                            \
        X86_NEXT(cpu, insn);                                                                                  \
    }
#define TO_GPR_STAMP(NAME, name, load)                                                                        \
    TO_GPR_SIZE(name, l, uint32_t, "k", load)                                                                 \
    TO_GPR_SIZE(name, q, uint64_t, "q", load)                                                                 \
    static const struct vec_form name##_forms[] = {                                                           \
        { VF_GX, name##l_gx }, { VF_GM, name##l_gm }, { VF_GX | VF_W, name##q_gx },                           \
        { VF_GM | VF_W, name##q_gm }, { VF_END, NULL },                                                       \
    };
TO_GPR(TO_GPR_STAMP)

/*
 * MMX register or 8 bytes of memory to XMM. The memory forms do not enter MMX state; the others
 * have entered it even if the conversion itself then raises #XM.
 */
#define FROM_MMX_HOST(name)                                                                                   \
    static inline uint32_t name##_host(bool plain, uint32_t csr, __m128i d, uint64_t s, __m128i *r)           \
    {                                                                                                         \
        uint32_t after;                                                                                       \
        VEC_UNDER_CSR(plain, csr, after, "movq %[s], %%mm0\n\t" #name " %%mm0, %[d]\n\temms",                 \
                      VEC_ARGS([d] "+x"(d)), VEC_ARGS([s] "r"(s)), "mm0");                                    \
        *r = d;                                                                                               \
        return after;                                                                                         \
    }                                                                                                         \
    static void name##_xp(struct x86_cpu *cpu, const struct x86_insn *insn)                                   \
    {                                                                                                         \
        __m128i r;                                                                                            \
        mmx_check(cpu);                                                                                       \
        mmx_enter(cpu);                                                                                       \
        VEC_FP_RUN(cpu, name##_host, vec_get(cpu, insn->dst), mmx_get(cpu, insn->src), r);                    \
        vec_set(cpu, insn->dst, r);                                                                           \
        X86_NEXT(cpu, insn);                                                                                  \
    }
FROM_MMX_HOST(cvtpi2ps)
FROM_MMX_HOST(cvtpi2pd)
#define FROM_MMX_MEMORY(name)                                                                                 \
    static void name##_xm(struct x86_cpu *cpu, const struct x86_insn *insn)                                   \
    {                                                                                                         \
        __m128i r;                                                                                            \
        uint64_t s = mem_ld64(cpu, x86_linear(cpu, insn));                                                    \
        VEC_FP_RUN(cpu, name##_host, vec_get(cpu, insn->dst), s, r);                                          \
        vec_set(cpu, insn->dst, r);                                                                           \
        X86_NEXT(cpu, insn);                                                                                  \
    }
FROM_MMX_MEMORY(cvtpi2ps)
FROM_MMX_MEMORY(cvtpi2pd)
static const struct vec_form cvtpi2ps_forms[] = { { VF_XP, cvtpi2ps_xp }, { VF_XM, cvtpi2ps_xm }, { VF_END, NULL } };
static const struct vec_form cvtpi2pd_forms[] = { { VF_XP, cvtpi2pd_xp }, { VF_XM, cvtpi2pd_xm }, { VF_END, NULL } };

/* XMM or memory to MMX. */
#define TO_MMX(X)                                                                                             \
    X(CVTPS2PI, cvtps2pi, vec_load8) X(CVTTPS2PI, cvttps2pi, vec_load8)                                       \
    X(CVTPD2PI, cvtpd2pi, vec_load16) X(CVTTPD2PI, cvttpd2pi, vec_load16)
#define TO_MMX_STAMP(NAME, name, load)                                                                        \
    static inline uint32_t name##_host(bool plain, uint32_t csr, __m128i d, __m128i s, __m128i *r)            \
    {                                                                                                         \
        uint32_t after;                                                                                       \
        uint64_t result;                                                                                      \
        VEC_UNDER_CSR(plain, csr, after, #name " %[s], %%mm0\n\tmovq %%mm0, %[d]\n\temms",                    \
                      VEC_ARGS([d] "=&r"(result)), VEC_ARGS([s] "x"(s)), "mm0");                              \
        *r = _mm_set_epi64x(0, (int64_t)result);                                                              \
        return after;                                                                                         \
    }                                                                                                         \
    static void name##_px(struct x86_cpu *cpu, const struct x86_insn *insn)                                   \
    {                                                                                                         \
        __m128i r;                                                                                            \
        mmx_check(cpu);                                                                                       \
        mmx_enter(cpu);                                                                                       \
        VEC_FP_RUN(cpu, name##_host, _mm_setzero_si128(), vec_get(cpu, insn->src), r);                        \
        mmx_set(cpu, insn->dst, (uint64_t)_mm_cvtsi128_si64(r));                                              \
        X86_NEXT(cpu, insn);                                                                                  \
    }                                                                                                         \
    static void name##_pm(struct x86_cpu *cpu, const struct x86_insn *insn)                                   \
    {                                                                                                         \
        __m128i r;                                                                                            \
        mmx_check(cpu);                                                                                       \
        __m128i s = load(cpu, insn);                                                                          \
        mmx_enter(cpu);                                                                                       \
        VEC_FP_RUN(cpu, name##_host, _mm_setzero_si128(), s, r);                                              \
        mmx_set(cpu, insn->dst, (uint64_t)_mm_cvtsi128_si64(r));                                              \
        X86_NEXT(cpu, insn);                                                                                  \
    }                                                                                                         \
    static const struct vec_form name##_forms[] = {                                                           \
        { VF_PX, name##_px }, { VF_PM, name##_pm }, { VF_END, NULL },                                         \
    };
TO_MMX(TO_MMX_STAMP)

#define ROW(NAME, name) VEC_ROW(NAME, name##_forms),
#define ROW_LOAD(NAME, name, load) VEC_ROW(NAME, name##_forms),
const struct x86_op x86_ops_sse_convert[] = {
    XMM_CONVERSIONS(ROW_LOAD)
    FROM_GPR(ROW)
    TO_GPR(ROW_LOAD)
    VEC_ROW(CVTPI2PS, cvtpi2ps_forms),
    VEC_ROW(CVTPI2PD, cvtpi2pd_forms),
    TO_MMX(ROW_LOAD)
    VEC_TABLE_END,
};
