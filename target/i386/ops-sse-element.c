/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Elements between vector registers and general registers or memory: PINSRx, PEXTRx, EXTRACTPS. */
#include "target/i386/vector.h"

/* The immediate's index wraps at the element count; extraction zero-extends into the whole register. */
#define ELEMENT(suffix, bits, field, count)                                                                  \
    static void pinsr##suffix##_xg(struct x86_cpu *cpu, const struct x86_insn *insn)                         \
    {                                                                                                        \
        cpu->xmm[insn->dst].field[insn->imm & (count - 1)] = (uint##bits##_t)*vec_gpr(cpu, insn->src);       \
        X86_NEXT(cpu, insn);                                                                                 \
    }                                                                                                        \
    static void pinsr##suffix##_xm(struct x86_cpu *cpu, const struct x86_insn *insn)                         \
    {                                                                                                        \
        cpu->xmm[insn->dst].field[insn->imm & (count - 1)] = mem_ld##bits(cpu, x86_linear(cpu, insn));       \
        X86_NEXT(cpu, insn);                                                                                 \
    }                                                                                                        \
    static void pextr##suffix##_gx(struct x86_cpu *cpu, const struct x86_insn *insn)                         \
    {                                                                                                        \
        *vec_gpr(cpu, insn->dst) = cpu->xmm[insn->src].field[insn->imm & (count - 1)];                       \
        X86_NEXT(cpu, insn);                                                                                 \
    }                                                                                                        \
    static void pextr##suffix##_mx(struct x86_cpu *cpu, const struct x86_insn *insn)                         \
    {                                                                                                        \
        mem_st##bits(cpu, x86_linear(cpu, insn), cpu->xmm[insn->src].field[insn->imm & (count - 1)]);        \
        X86_NEXT(cpu, insn);                                                                                 \
    }
ELEMENT(b, 8, b, 16)
ELEMENT(w, 16, w, 8)
ELEMENT(d, 32, d, 4)
ELEMENT(q, 64, q, 2)

static void pinsr_word(struct x86_cpu *cpu, const struct x86_insn *insn, uint16_t word)
{
    unsigned shift = (insn->imm & 3) * 16;
    uint64_t value = mmx_get(cpu, insn->dst) & ~(0xffffull << shift);
    mmx_set(cpu, insn->dst, value | (uint64_t)word << shift);
}
static void pinsrw_pg(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    mmx_check(cpu);
    pinsr_word(cpu, insn, (uint16_t)*vec_gpr(cpu, insn->src));
    X86_NEXT(cpu, insn);
}
static void pinsrw_pm(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    mmx_check(cpu);
    pinsr_word(cpu, insn, mem_ld16(cpu, x86_linear(cpu, insn)));
    X86_NEXT(cpu, insn);
}
static void pextrw_gp(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    mmx_check(cpu);
    mmx_enter(cpu);
    *vec_gpr(cpu, insn->dst) = (uint16_t)(mmx_get(cpu, insn->src) >> (insn->imm & 3) * 16);
    X86_NEXT(cpu, insn);
}

static const struct vec_form pinsrb_forms[] = { { VF_XG, pinsrb_xg }, { VF_XM, pinsrb_xm }, { VF_END, NULL } };
static const struct vec_form pinsrw_forms[] = {
    { VF_XG, pinsrw_xg }, { VF_XM, pinsrw_xm }, { VF_PG, pinsrw_pg }, { VF_PM, pinsrw_pm }, { VF_END, NULL },
};
static const struct vec_form pinsrd_forms[] = { { VF_XG, pinsrd_xg }, { VF_XM, pinsrd_xm }, { VF_END, NULL } };
static const struct vec_form pinsrq_forms[] = { { VF_XG, pinsrq_xg }, { VF_XM, pinsrq_xm }, { VF_END, NULL } };
static const struct vec_form pextrb_forms[] = { { VF_GX, pextrb_gx }, { VF_MX, pextrb_mx }, { VF_END, NULL } };
static const struct vec_form pextrw_forms[] = {
    { VF_GX, pextrw_gx }, { VF_MX, pextrw_mx }, { VF_GP, pextrw_gp }, { VF_END, NULL },
};
static const struct vec_form pextrd_forms[] = { { VF_GX, pextrd_gx }, { VF_MX, pextrd_mx }, { VF_END, NULL } };
static const struct vec_form pextrq_forms[] = { { VF_GX, pextrq_gx }, { VF_MX, pextrq_mx }, { VF_END, NULL } };

const struct x86_op x86_ops_sse_element[] = {
    VEC_ROW(PINSRB, pinsrb_forms), VEC_ROW(PINSRW, pinsrw_forms), VEC_ROW(PINSRD, pinsrd_forms),
    VEC_ROW(PINSRQ, pinsrq_forms), VEC_ROW(PEXTRB, pextrb_forms), VEC_ROW(PEXTRW, pextrw_forms),
    VEC_ROW(PEXTRD, pextrd_forms), VEC_ROW(PEXTRQ, pextrq_forms), VEC_ROW(EXTRACTPS, pextrd_forms),
    VEC_TABLE_END,
};
