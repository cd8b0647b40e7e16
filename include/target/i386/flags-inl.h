/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Readers of the lazy arithmetic flags; included by target/i386/flags.h, which defines what cc_dst, cc_src and cc_op
 * hold. The two kinds that precede nearly every branch (SUB and LOGIC) are answered inline; the rest out of line.
 */
#ifndef FERRY_TARGET_I386_FLAGS_INL_H
#define FERRY_TARGET_I386_FLAGS_INL_H

/* By how much a value of cc_op's size is shifted left to put its top bit into bit 63. */
static inline unsigned cc_shift(unsigned cc_op)
{
    return 64 - (8u << (cc_op & 3));
}

/* Carry and overflow of any kind but SUB, LOGIC and EFLAGS: target/i386/flags.c. */
bool flag_cf_other(const struct x86_cpu *cpu);
bool flag_of_other(const struct x86_cpu *cpu);
bool flag_af(const struct x86_cpu *cpu);
/* All six, in their EFLAGS places. */
uint32_t flags_arith(const struct x86_cpu *cpu);

static inline bool flags_are_resolved(const struct x86_cpu *cpu)
{
    return __builtin_expect(cpu->cc_op == CC_OP_EFLAGS, 0);
}

static inline bool flag_zf(const struct x86_cpu *cpu)
{
    if (flags_are_resolved(cpu)) {
        return cpu->eflags & EFLAGS_ZF;
    }
    return cpu->cc_dst << cc_shift(cpu->cc_op) == 0;
}

static inline bool flag_sf(const struct x86_cpu *cpu)
{
    if (flags_are_resolved(cpu)) {
        return cpu->eflags & EFLAGS_SF;
    }
    return (int64_t)(cpu->cc_dst << cc_shift(cpu->cc_op)) < 0;
}

static inline bool flag_pf(const struct x86_cpu *cpu)
{
    if (flags_are_resolved(cpu)) {
        return cpu->eflags & EFLAGS_PF;
    }
    return !__builtin_parity((uint8_t)cpu->cc_dst);
}

static inline bool flag_cf(const struct x86_cpu *cpu)
{
    unsigned kind = cpu->cc_op >> 2, shift = cc_shift(cpu->cc_op);
    if (kind == CC_SUB) {
        return (cpu->cc_dst + cpu->cc_src) << shift < cpu->cc_src << shift;
    }
    if (kind == CC_LOGIC) {
        return false;
    }
    return flag_cf_other(cpu);
}

static inline bool flag_of(const struct x86_cpu *cpu)
{
    unsigned kind = cpu->cc_op >> 2;
    if (kind == CC_SUB) {
        uint64_t first = cpu->cc_dst + cpu->cc_src;
        return (int64_t)(((first ^ cpu->cc_src) & (first ^ cpu->cc_dst)) << cc_shift(cpu->cc_op)) < 0;
    }
    if (kind == CC_LOGIC) {
        return false;
    }
    return flag_of_other(cpu);
}

/* "Below or equal", "less", "less or equal": one comparison of the operands after CMP. */
static inline bool condition_be(const struct x86_cpu *cpu)
{
    if (cpu->cc_op >> 2 == CC_SUB) {
        unsigned shift = cc_shift(cpu->cc_op);
        return (cpu->cc_dst + cpu->cc_src) << shift <= cpu->cc_src << shift;
    }
    return flag_zf(cpu) || flag_cf(cpu);
}

static inline bool condition_l(const struct x86_cpu *cpu)
{
    if (cpu->cc_op >> 2 == CC_SUB) {
        unsigned shift = cc_shift(cpu->cc_op);
        return (int64_t)((cpu->cc_dst + cpu->cc_src) << shift) < (int64_t)(cpu->cc_src << shift);
    }
    return flag_sf(cpu) != flag_of(cpu);
}

static inline bool condition_le(const struct x86_cpu *cpu)
{
    if (cpu->cc_op >> 2 == CC_SUB) {
        unsigned shift = cc_shift(cpu->cc_op);
        return (int64_t)((cpu->cc_dst + cpu->cc_src) << shift) <= (int64_t)(cpu->cc_src << shift);
    }
    return flag_zf(cpu) || flag_sf(cpu) != flag_of(cpu);
}

/* Condition code 0..15 as in Jcc's opcode: bit 0 negates. */
static inline bool condition_holds(const struct x86_cpu *cpu, unsigned cc)
{
    bool holds;
    switch (cc >> 1) {
    case 0:
        holds = flag_of(cpu);
        break;
    case 1:
        holds = flag_cf(cpu);
        break;
    case 2:
        holds = flag_zf(cpu);
        break;
    case 3:
        holds = condition_be(cpu);
        break;
    case 4:
        holds = flag_sf(cpu);
        break;
    case 5:
        holds = flag_pf(cpu);
        break;
    case 6:
        holds = condition_l(cpu);
        break;
    default:
        holds = condition_le(cpu);
        break;
    }
    return holds ^ (cc & 1);
}

/* Arithmetic flags known outright: `value` holds all six in their EFLAGS places; other bits are ignored. */
static inline void flags_resolve(struct x86_cpu *cpu, uint32_t value)
{
    cpu->eflags = (cpu->eflags & ~EFLAGS_ARITH) | (value & EFLAGS_ARITH);
    cpu->cc_op = CC_OP_EFLAGS;
}

#endif
