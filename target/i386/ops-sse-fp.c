/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floating-point arithmetic and comparison of SSE, SSE2 and SSE3; those with an immediate are in ops-sse-imm.c. */
#include "target/i386/vector.h"

/* Suffix and load of the four operand types: packed operands are 16 bytes and aligned, scalars are neither. */
#define FOUR(X, NAME, name)                                                                    \
    X(NAME##PS, name##ps, vec_load16) X(NAME##PD, name##pd, vec_load16)                        \
    X(NAME##SS, name##ss, vec_load4) X(NAME##SD, name##sd, vec_load8)
#define FP_OPS(X)                                                                              \
    FOUR(X, ADD, add) FOUR(X, SUB, sub) FOUR(X, MUL, mul) FOUR(X, DIV, div)                    \
    FOUR(X, MIN, min) FOUR(X, MAX, max) FOUR(X, SQRT, sqrt)                                    \
    X(HADDPS, haddps, vec_load16) X(HADDPD, haddpd, vec_load16) X(HSUBPS, hsubps, vec_load16)  \
    X(HSUBPD, hsubpd, vec_load16) X(ADDSUBPS, addsubps, vec_load16) X(ADDSUBPD, addsubpd, vec_load16)

#define FP_STAMP(NAME, name, load)                                          \
    VEC_FP_HOST(name)                                                       \
    VEC_FP_HANDLERS(name, load)                                             \
    static const struct vec_form name##_forms[] = {                         \
        { VF_XX, name##_xx }, { VF_XM, name##_xm }, { VF_END, NULL },       \
    };
FP_OPS(FP_STAMP)

/* The approximations raise nothing and ignore rounding, but obey denormals-are-zero no more than the host's do. */
#define APPROX_OPS(X)                                                                          \
    X(RCPPS, rcpps, vec_load16) X(RCPSS, rcpss, vec_load4)                                     \
    X(RSQRTPS, rsqrtps, vec_load16) X(RSQRTSS, rsqrtss, vec_load4)
#define APPROX_STAMP(NAME, name, load)                                      \
    VEC_BODY(name)                                                          \
    VEC_HANDLERS(name, load)                                                \
    static const struct vec_form name##_forms[] = {                         \
        { VF_XX, name##_xx }, { VF_XM, name##_xm }, { VF_END, NULL },       \
    };
APPROX_OPS(APPROX_STAMP)

/* (U)COMISS/SD: ZF, PF, CF by the relation; OF, SF, AF cleared. The "result" is the flags. */
#define COMPARE_OPS(X)                                                                         \
    X(COMISS, comiss, vec_load4) X(COMISD, comisd, vec_load8)                                  \
    X(UCOMISS, ucomiss, vec_load4) X(UCOMISD, ucomisd, vec_load8)
#define COMPARE_STAMP(NAME, name, load)                                                             \
    static inline uint32_t name##_host(bool plain, uint32_t csr, __m128i d, __m128i s, __m128i *r)              \
    {                                                                                               \
        uint32_t after;                                                                             \
        bool zero, parity, carry;                                                                   \
        VEC_UNDER_CSR(plain, csr, after, #name " %[s], %[d]",                                       \
                      VEC_ARGS("=@ccz"(zero), "=@ccp"(parity), "=@ccc"(carry)),                     \
                      VEC_ARGS([d] "x"(d), [s] "x"(s)));                                            \
        *r = _mm_set_epi64x(0, (zero ? EFLAGS_ZF : 0) | (parity ? EFLAGS_PF : 0) | (carry ? EFLAGS_CF : 0)); \
        return after;                                                                               \
    }                                                                                               \
    static void name##_xx(struct x86_cpu *cpu, const struct x86_insn *insn)                         \
    {                                                                                               \
        __m128i r;                                                                                  \
        VEC_FP_RUN(cpu, name##_host, vec_get(cpu, insn->dst), vec_get(cpu, insn->src), r);          \
        vec_set_flags(cpu, (uint32_t)_mm_cvtsi128_si32(r));                                         \
        X86_NEXT(cpu, insn);                                                                        \
    }                                                                                               \
    static void name##_xm(struct x86_cpu *cpu, const struct x86_insn *insn)                         \
    {                                                                                               \
        __m128i r, s = load(cpu, insn);                                                             \
        VEC_FP_RUN(cpu, name##_host, vec_get(cpu, insn->dst), s, r);                                \
        vec_set_flags(cpu, (uint32_t)_mm_cvtsi128_si32(r));                                         \
        X86_NEXT(cpu, insn);                                                                        \
    }                                                                                               \
    static const struct vec_form name##_forms[] = {                                                 \
        { VF_XX, name##_xx }, { VF_XM, name##_xm }, { VF_END, NULL },                               \
    };
COMPARE_OPS(COMPARE_STAMP)

#define ROW(NAME, name, load) VEC_ROW(NAME, name##_forms),
const struct x86_op x86_ops_sse_fp[] = {
    FP_OPS(ROW)
    APPROX_OPS(ROW)
    COMPARE_OPS(ROW)
    VEC_TABLE_END,
};
