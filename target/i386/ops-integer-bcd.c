/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AAA AAS AAM AAD DAA DAS, SALC and BOUND: none of them exists in 64-bit mode. */
#include "target/i386/ops.h"

static uint8_t get_al(const struct x86_cpu *cpu)
{
    return cpu->regs[R_RAX];
}

static uint8_t get_ah(const struct x86_cpu *cpu)
{
    return cpu->regs[R_RAX] >> 8;
}

static void set_ax(struct x86_cpu *cpu, uint8_t ah, uint8_t al)
{
    reg_set(cpu, R_RAX * 8, 1, ah << 8 | al);
}

/* SF, ZF and PF of a byte, with AF and CF given; OF is undefined and cleared. */
static void set_bcd_flags(struct x86_cpu *cpu, uint8_t result, bool af, bool cf)
{
    flags_resolve(cpu, (cf ? EFLAGS_CF : 0) | (af ? EFLAGS_AF : 0) | (result ? 0 : EFLAGS_ZF) |
                           (result & 0x80 ? EFLAGS_SF : 0) | (__builtin_parity(result) ? 0 : EFLAGS_PF));
}

ALWAYS_INLINE void ascii_adjust_body(struct x86_cpu *cpu, const struct x86_insn *insn, bool subtract)
{
    uint16_t ax = cpu->regs[R_RAX];
    bool adjust = (ax & 15) > 9 || flag_af(cpu);

    if (adjust) {
        ax = subtract ? ax - 0x106 : ax + 0x106;
    }
    ax &= 0xff0f;
    reg_set(cpu, R_RAX * 8, 1, ax);
    set_bcd_flags(cpu, ax, adjust, adjust);
    X86_NEXT(cpu, insn);
}
STAMP_HANDLER(aaa, ascii_adjust_body, false)
STAMP_HANDLER(aas, ascii_adjust_body, true)

static void aam(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint8_t al = get_al(cpu), base = insn->imm;
    if (base == 0) {
        x86_raise(cpu, EXCP_DE);
    }
    set_ax(cpu, al / base, al % base);
    set_bcd_flags(cpu, al % base, false, false);
    X86_NEXT(cpu, insn);
}

static void aad(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint8_t result = get_al(cpu) + get_ah(cpu) * (uint8_t)insn->imm;
    set_ax(cpu, 0, result);
    set_bcd_flags(cpu, result, false, false);
    X86_NEXT(cpu, insn);
}

ALWAYS_INLINE void decimal_adjust_body(struct x86_cpu *cpu, const struct x86_insn *insn, bool subtract)
{
    uint8_t old = get_al(cpu), al = old;
    bool old_cf = flag_cf(cpu), af = (old & 15) > 9 || flag_af(cpu), cf = false;

    if (af) {
        al = subtract ? al - 6 : al + 6;
        cf = subtract && (old_cf || old < 6);
    }
    if (old > 0x99 || old_cf) {
        al = subtract ? al - 0x60 : al + 0x60;
        cf = true;
    }
    reg_set(cpu, R_RAX * 8, 0, al);
    set_bcd_flags(cpu, al, af, cf);
    X86_NEXT(cpu, insn);
}
STAMP_HANDLER(daa, decimal_adjust_body, false)
STAMP_HANDLER(das, decimal_adjust_body, true)

static void salc(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    reg_set(cpu, R_RAX * 8, 0, flag_cf(cpu) ? 0xff : 0);
    X86_NEXT(cpu, insn);
}

static void bound(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned size = insn->opsize;
    uint64_t va = x86_linear(cpu, insn);
    int64_t index = sign_extend(reg_get(cpu, insn->dst, size), size);
    int64_t lower = sign_extend(mem_get(cpu, va, size), size);
    int64_t upper = sign_extend(mem_get(cpu, va + (1u << size), size), size);
    if (index < lower || index > upper) {
        x86_raise(cpu, EXCP_BR);
    }
    X86_NEXT(cpu, insn);
}

static enum x86_decode_result translate_bcd(const struct x86_decode_context *ctx, const struct x86_op *op,
                                            const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                            struct x86_insn *insn)
{
    if (operand_is_imm(&operands[0])) {
        insn->imm = operands[0].imm.value.u;
    } else if (op->mnemonic == ZYDIS_MNEMONIC_BOUND) {
        insn->dst = x86_register_offset(operands[0].reg.value);
    }
    insn->handler = (x86_handler *)op->handlers;
    return X86_DECODE_OK;
}

const struct x86_op x86_ops_bcd[] = {
    { ZYDIS_MNEMONIC_AAA, ROW_ALWAYS, translate_bcd, aaa },
    { ZYDIS_MNEMONIC_AAS, ROW_ALWAYS, translate_bcd, aas },
    { ZYDIS_MNEMONIC_AAM, ROW_ALWAYS, translate_bcd, aam },
    { ZYDIS_MNEMONIC_AAD, ROW_ALWAYS, translate_bcd, aad },
    { ZYDIS_MNEMONIC_DAA, ROW_ALWAYS, translate_bcd, daa },
    { ZYDIS_MNEMONIC_DAS, ROW_ALWAYS, translate_bcd, das },
    { ZYDIS_MNEMONIC_SALC, ROW_ALWAYS, translate_bcd, salc },
    { ZYDIS_MNEMONIC_BOUND, ROW_ALWAYS, translate_bcd, bound },
    { 0 },
};
