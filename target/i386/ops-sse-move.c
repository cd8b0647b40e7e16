/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moves of MMX and XMM registers: whole, partial, to and from general registers, masked, non-temporal (which are
 * plain stores here: the caches are the host's business).
 */
#include "target/i386/vector.h"

#define HANDLER(name) static void name(struct x86_cpu *cpu, const struct x86_insn *insn)

/* Whole registers. */
HANDLER(move_xx)
{
    vec_set(cpu, insn->dst, vec_get(cpu, insn->src));
    X86_NEXT(cpu, insn);
}
HANDLER(move_aligned_xm)
{
    mem_ld128(cpu, vec_aligned(cpu, insn), &cpu->xmm[insn->dst]);
    X86_NEXT(cpu, insn);
}
HANDLER(move_aligned_mx)
{
    mem_st128(cpu, vec_aligned(cpu, insn), &cpu->xmm[insn->src]);
    X86_NEXT(cpu, insn);
}
HANDLER(move_unaligned_xm)
{
    vec_set(cpu, insn->dst, vec_load_unaligned(cpu, insn));
    X86_NEXT(cpu, insn);
}
HANDLER(move_unaligned_mx)
{
    mem_st128(cpu, x86_linear(cpu, insn), &cpu->xmm[insn->src]);
    X86_NEXT(cpu, insn);
}
static const struct vec_form aligned_forms[] = {
    { VF_XX, move_xx }, { VF_XM, move_aligned_xm }, { VF_MX, move_aligned_mx }, { VF_END, NULL },
};
static const struct vec_form unaligned_forms[] = {
    { VF_XX, move_xx }, { VF_XM, move_unaligned_xm }, { VF_MX, move_unaligned_mx }, { VF_END, NULL },
};

/* Scalars: a load clears the rest, a register move keeps it. */
HANDLER(movss_xx)
{
    cpu->xmm[insn->dst].d[0] = cpu->xmm[insn->src].d[0];
    X86_NEXT(cpu, insn);
}
HANDLER(load4_xm)
{
    vec_set(cpu, insn->dst, vec_load4(cpu, insn));
    X86_NEXT(cpu, insn);
}
HANDLER(store4_mx)
{
    mem_st32(cpu, x86_linear(cpu, insn), cpu->xmm[insn->src].d[0]);
    X86_NEXT(cpu, insn);
}
HANDLER(movsd_xx)
{
    cpu->xmm[insn->dst].q[0] = cpu->xmm[insn->src].q[0];
    X86_NEXT(cpu, insn);
}
HANDLER(load8_xm)
{
    vec_set(cpu, insn->dst, vec_load8(cpu, insn));
    X86_NEXT(cpu, insn);
}
HANDLER(store8_mx)
{
    mem_st64(cpu, x86_linear(cpu, insn), cpu->xmm[insn->src].q[0]);
    X86_NEXT(cpu, insn);
}
HANDLER(movq_xx)
{
    vec_set(cpu, insn->dst, _mm_move_epi64(vec_get(cpu, insn->src)));
    X86_NEXT(cpu, insn);
}
static const struct vec_form movss_forms[] = {
    { VF_XX, movss_xx }, { VF_XM, load4_xm }, { VF_MX, store4_mx }, { VF_END, NULL },
};
static const struct vec_form movsd_forms[] = {
    { VF_XX, movsd_xx }, { VF_XM, load8_xm }, { VF_MX, store8_mx }, { VF_END, NULL },
};

/* Halves. */
HANDLER(movlps_xm)
{
    cpu->xmm[insn->dst].q[0] = mem_ld64(cpu, x86_linear(cpu, insn));
    X86_NEXT(cpu, insn);
}
HANDLER(movhps_xm)
{
    cpu->xmm[insn->dst].q[1] = mem_ld64(cpu, x86_linear(cpu, insn));
    X86_NEXT(cpu, insn);
}
HANDLER(movhps_mx)
{
    mem_st64(cpu, x86_linear(cpu, insn), cpu->xmm[insn->src].q[1]);
    X86_NEXT(cpu, insn);
}
HANDLER(movhlps_xx)
{
    cpu->xmm[insn->dst].q[0] = cpu->xmm[insn->src].q[1];
    X86_NEXT(cpu, insn);
}
HANDLER(movlhps_xx)
{
    cpu->xmm[insn->dst].q[1] = cpu->xmm[insn->src].q[0];
    X86_NEXT(cpu, insn);
}
static const struct vec_form movlps_forms[] = { { VF_XM, movlps_xm }, { VF_MX, store8_mx }, { VF_END, NULL } };
static const struct vec_form movhps_forms[] = { { VF_XM, movhps_xm }, { VF_MX, movhps_mx }, { VF_END, NULL } };
static const struct vec_form movhlps_forms[] = { { VF_XX, movhlps_xx }, { VF_END, NULL } };
static const struct vec_form movlhps_forms[] = { { VF_XX, movlhps_xx }, { VF_END, NULL } };

/* MOVD and MOVQ: the mnemonic tells the size, also between general and vector registers. */
HANDLER(movd_xg)
{
    vec_set(cpu, insn->dst, _mm_cvtsi32_si128((int)*vec_gpr(cpu, insn->src)));
    X86_NEXT(cpu, insn);
}
HANDLER(movd_gx)
{
    *vec_gpr(cpu, insn->dst) = cpu->xmm[insn->src].d[0];
    X86_NEXT(cpu, insn);
}
HANDLER(movq_xg)
{
    vec_set(cpu, insn->dst, _mm_cvtsi64_si128((int64_t)*vec_gpr(cpu, insn->src)));
    X86_NEXT(cpu, insn);
}
HANDLER(movq_gx)
{
    *vec_gpr(cpu, insn->dst) = cpu->xmm[insn->src].q[0];
    X86_NEXT(cpu, insn);
}
HANDLER(movd_pg)
{
    mmx_check(cpu);
    mmx_set(cpu, insn->dst, (uint32_t)*vec_gpr(cpu, insn->src));
    X86_NEXT(cpu, insn);
}
HANDLER(movd_gp)
{
    mmx_check(cpu);
    mmx_enter(cpu);
    *vec_gpr(cpu, insn->dst) = (uint32_t)mmx_get(cpu, insn->src);
    X86_NEXT(cpu, insn);
}
HANDLER(movd_pm)
{
    mmx_check(cpu);
    mmx_set(cpu, insn->dst, mem_ld32(cpu, x86_linear(cpu, insn)));
    X86_NEXT(cpu, insn);
}
HANDLER(movd_mp)
{
    mmx_check(cpu);
    mem_st32(cpu, x86_linear(cpu, insn), (uint32_t)mmx_get(cpu, insn->src));
    mmx_enter(cpu);
    X86_NEXT(cpu, insn);
}
HANDLER(movq_pg)
{
    mmx_check(cpu);
    mmx_set(cpu, insn->dst, *vec_gpr(cpu, insn->src));
    X86_NEXT(cpu, insn);
}
HANDLER(movq_gp)
{
    mmx_check(cpu);
    mmx_enter(cpu);
    *vec_gpr(cpu, insn->dst) = mmx_get(cpu, insn->src);
    X86_NEXT(cpu, insn);
}
HANDLER(movq_pp)
{
    mmx_check(cpu);
    mmx_set(cpu, insn->dst, mmx_get(cpu, insn->src));
    X86_NEXT(cpu, insn);
}
HANDLER(movq_pm)
{
    mmx_check(cpu);
    mmx_set(cpu, insn->dst, mem_ld64(cpu, x86_linear(cpu, insn)));
    X86_NEXT(cpu, insn);
}
HANDLER(movq_mp)
{
    mmx_check(cpu);
    mem_st64(cpu, x86_linear(cpu, insn), mmx_get(cpu, insn->src));
    mmx_enter(cpu);
    X86_NEXT(cpu, insn);
}
static const struct vec_form movd_forms[] = {
    { VF_XG, movd_xg }, { VF_GX, movd_gx }, { VF_XM, load4_xm }, { VF_MX, store4_mx },
    { VF_PG, movd_pg }, { VF_GP, movd_gp }, { VF_PM, movd_pm },  { VF_MP, movd_mp },   { VF_END, NULL },
};
static const struct vec_form movq_forms[] = {
    { VF_XX, movq_xx }, { VF_XG, movq_xg }, { VF_GX, movq_gx }, { VF_XM, load8_xm }, { VF_MX, store8_mx },
    { VF_PP, movq_pp }, { VF_PG, movq_pg }, { VF_GP, movq_gp }, { VF_PM, movq_pm },  { VF_MP, movq_mp },
    { VF_END, NULL },
};

/* Between MMX and XMM. */
HANDLER(movdq2q_px)
{
    mmx_check(cpu);
    mmx_set(cpu, insn->dst, cpu->xmm[insn->src].q[0]);
    X86_NEXT(cpu, insn);
}
HANDLER(movq2dq_xp)
{
    mmx_check(cpu);
    mmx_enter(cpu);
    vec_set(cpu, insn->dst, _mm_set_epi64x(0, (int64_t)mmx_get(cpu, insn->src)));
    X86_NEXT(cpu, insn);
}
static const struct vec_form movdq2q_forms[] = { { VF_PX, movdq2q_px }, { VF_END, NULL } };
static const struct vec_form movq2dq_forms[] = { { VF_XP, movq2dq_xp }, { VF_END, NULL } };

/* Sign masks. */
HANDLER(movmskps_gx)
{
    *vec_gpr(cpu, insn->dst) = (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(vec_get(cpu, insn->src)));
    X86_NEXT(cpu, insn);
}
HANDLER(movmskpd_gx)
{
    *vec_gpr(cpu, insn->dst) = (uint32_t)_mm_movemask_pd(_mm_castsi128_pd(vec_get(cpu, insn->src)));
    X86_NEXT(cpu, insn);
}
HANDLER(pmovmskb_gx)
{
    *vec_gpr(cpu, insn->dst) = (uint32_t)_mm_movemask_epi8(vec_get(cpu, insn->src));
    X86_NEXT(cpu, insn);
}
HANDLER(pmovmskb_gp)
{
    mmx_check(cpu);
    mmx_enter(cpu);
    *vec_gpr(cpu, insn->dst) = (uint32_t)_mm_movemask_epi8(_mm_set_epi64x(0, (int64_t)mmx_get(cpu, insn->src)));
    X86_NEXT(cpu, insn);
}
static const struct vec_form movmskps_forms[] = { { VF_GX, movmskps_gx }, { VF_END, NULL } };
static const struct vec_form movmskpd_forms[] = { { VF_GX, movmskpd_gx }, { VF_END, NULL } };
static const struct vec_form pmovmskb_forms[] = { { VF_GX, pmovmskb_gx }, { VF_GP, pmovmskb_gp }, { VF_END, NULL } };

HANDLER(movnti_32)
{
    mem_st32(cpu, x86_linear(cpu, insn), (uint32_t)*vec_gpr(cpu, insn->src));
    X86_NEXT(cpu, insn);
}
HANDLER(movnti_64)
{
    mem_st64(cpu, x86_linear(cpu, insn), *vec_gpr(cpu, insn->src));
    X86_NEXT(cpu, insn);
}
static const struct vec_form movnti_forms[] = { { VF_MG, movnti_32 }, { VF_MG | VF_W, movnti_64 }, { VF_END, NULL } };
static const struct vec_form movntq_forms[] = { { VF_MP, movq_mp }, { VF_END, NULL } };

/*
 * MASKMOVDQU, MASKMOVQ: bytes of dst whose byte in src has its sign bit set go to [DS:RDI]. Whether masked bytes
 * can fault is the implementation's choice; here, as on AMD's, the whole range is checked.
 */
static void masked_store(struct x86_cpu *cpu, const struct x86_insn *insn, const uint8_t *data, const uint8_t *mask,
                         unsigned size)
{
    uint64_t va = x86_linear(cpu, insn);
    mem_probe(cpu, va, size, true, cpu->mmu_index);
    for (unsigned i = 0; i < size; i++) {
        if (mask[i] & 0x80) {
            mem_st8(cpu, va + i, data[i]);
        }
    }
}
HANDLER(maskmovdqu_xx)
{
    masked_store(cpu, insn, cpu->xmm[insn->dst].b, cpu->xmm[insn->src].b, 16);
    X86_NEXT(cpu, insn);
}
HANDLER(maskmovq_pp)
{
    mmx_check(cpu);
    uint64_t data = mmx_get(cpu, insn->dst), mask = mmx_get(cpu, insn->src);
    masked_store(cpu, insn, (const uint8_t *)&data, (const uint8_t *)&mask, 8);
    mmx_enter(cpu);
    X86_NEXT(cpu, insn);
}
static const struct vec_form maskmovdqu_forms[] = { { VF_XX, maskmovdqu_xx }, { VF_END, NULL } };
static const struct vec_form maskmovq_forms[] = { { VF_PP, maskmovq_pp }, { VF_END, NULL } };

const struct x86_op x86_ops_sse_move[] = {
    VEC_ROW(MOVAPS, aligned_forms),      VEC_ROW(MOVAPD, aligned_forms),     VEC_ROW(MOVDQA, aligned_forms),
    VEC_ROW(MOVUPS, unaligned_forms),    VEC_ROW(MOVUPD, unaligned_forms),   VEC_ROW(MOVDQU, unaligned_forms),
    VEC_ROW(LDDQU, unaligned_forms),     VEC_ROW(MOVNTPS, aligned_forms),    VEC_ROW(MOVNTPD, aligned_forms),
    VEC_ROW(MOVNTDQ, aligned_forms),     VEC_ROW(MOVNTDQA, aligned_forms),   VEC_ROW(MOVSS, movss_forms),
    VEC_ROW(MOVSD, movsd_forms),         VEC_ROW(MOVLPS, movlps_forms),      VEC_ROW(MOVLPD, movlps_forms),
    VEC_ROW(MOVHPS, movhps_forms),       VEC_ROW(MOVHPD, movhps_forms),      VEC_ROW(MOVHLPS, movhlps_forms),
    VEC_ROW(MOVLHPS, movlhps_forms),     VEC_ROW(MOVD, movd_forms),          VEC_ROW(MOVQ, movq_forms),
    VEC_ROW(MOVDQ2Q, movdq2q_forms),     VEC_ROW(MOVQ2DQ, movq2dq_forms),    VEC_ROW(MOVMSKPS, movmskps_forms),
    VEC_ROW(MOVMSKPD, movmskpd_forms),   VEC_ROW(PMOVMSKB, pmovmskb_forms),  VEC_ROW(MOVNTI, movnti_forms),
    VEC_ROW(MOVNTQ, movntq_forms),
    { ZYDIS_MNEMONIC_MASKMOVDQU, FEAT_WORDS, 0, vec_translate_masked, maskmovdqu_forms, 0 },
    { ZYDIS_MNEMONIC_MASKMOVQ, FEAT_WORDS, 0, vec_translate_masked, maskmovq_forms, 0 },
    VEC_TABLE_END,
};
