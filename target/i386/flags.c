/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lazy flags: the less frequent readers, and EFLAGS as a whole. See target/i386/flags.h. */
#include "target/i386/flags.h"

static bool top_bit(const struct x86_cpu *cpu, uint64_t value)
{
    return (int64_t)(value << cc_shift(cpu->cc_op)) < 0;
}

bool flag_cf_other(const struct x86_cpu *cpu)
{
    unsigned shift = cc_shift(cpu->cc_op);
    uint64_t dst = cpu->cc_dst << shift, src = cpu->cc_src << shift;
    switch (cpu->cc_op >> 2) {
    case CC_ADD:
        return dst < src;
    case CC_ADC:
        return dst <= src;
    case CC_SUB:
        return (cpu->cc_dst + cpu->cc_src) << shift < src;
    case CC_SBB:
        return (cpu->cc_dst + cpu->cc_src + 1) << shift <= src;
    case CC_INC:
    case CC_DEC:
    case CC_MUL:
        return cpu->cc_src != 0;
    case CC_SHL:
        return top_bit(cpu, cpu->cc_src);
    case CC_SAR:
        return cpu->cc_src & 1;
    case CC_LOGIC:
        return false;
    default:
        return cpu->eflags & EFLAGS_CF;
    }
}

bool flag_of_other(const struct x86_cpu *cpu)
{
    uint64_t dst = cpu->cc_dst, src = cpu->cc_src;
    uint64_t sign = 1ull << ((8u << (cpu->cc_op & 3)) - 1);
    switch (cpu->cc_op >> 2) {
    case CC_ADD:
        return top_bit(cpu, ((dst - src) ^ dst) & (src ^ dst));
    case CC_ADC:
        return top_bit(cpu, ((dst - src - 1) ^ dst) & (src ^ dst));
    case CC_SUB:
        return top_bit(cpu, ((dst + src) ^ src) & ((dst + src) ^ dst));
    case CC_SBB:
        return top_bit(cpu, ((dst + src + 1) ^ src) & ((dst + src + 1) ^ dst));
    case CC_INC:
        return (dst ^ sign) << cc_shift(cpu->cc_op) == 0;
    case CC_DEC:
        return (dst ^ (sign - 1)) << cc_shift(cpu->cc_op) == 0;
    case CC_SHL:
    case CC_SAR:
        return top_bit(cpu, src ^ dst);
    case CC_MUL:
        return src != 0;
    case CC_LOGIC:
        return false;
    default:
        return cpu->eflags & EFLAGS_OF;
    }
}

bool flag_af(const struct x86_cpu *cpu)
{
    uint64_t dst = cpu->cc_dst, src = cpu->cc_src;
    switch (cpu->cc_op >> 2) {
    case CC_ADD:
        return ((dst - src) ^ src ^ dst) & EFLAGS_AF;
    case CC_ADC:
        return ((dst - src - 1) ^ src ^ dst) & EFLAGS_AF;
    case CC_SUB:
        return ((dst + src) ^ src ^ dst) & EFLAGS_AF;
    case CC_SBB:
        return ((dst + src + 1) ^ src ^ dst) & EFLAGS_AF;
    case CC_INC:
        return (dst & 15) == 0;
    case CC_DEC:
        return (dst & 15) == 15;
    case CC_OP_EFLAGS >> 2:
        return cpu->eflags & EFLAGS_AF;
    default:
        return false; /* undefined after logic, shifts and multiplications */
    }
}

uint32_t flags_arith(const struct x86_cpu *cpu)
{
    if (cpu->cc_op == CC_OP_EFLAGS) {
        return cpu->eflags & EFLAGS_ARITH;
    }
    return (flag_cf(cpu) ? EFLAGS_CF : 0) | (flag_pf(cpu) ? EFLAGS_PF : 0) | (flag_af(cpu) ? EFLAGS_AF : 0) |
           (flag_zf(cpu) ? EFLAGS_ZF : 0) | (flag_sf(cpu) ? EFLAGS_SF : 0) | (flag_of(cpu) ? EFLAGS_OF : 0);
}

uint32_t x86_flags_get(struct x86_cpu *cpu)
{
    return (cpu->eflags & ~EFLAGS_ARITH) | flags_arith(cpu) | 2;
}

void x86_flags_set(struct x86_cpu *cpu, uint32_t value, uint32_t mask)
{
    if (mask & EFLAGS_ARITH) {
        flags_resolve(cpu, flags_arith(cpu));
    }
    cpu->eflags = (cpu->eflags & ~mask) | (value & mask) | 2;
}
