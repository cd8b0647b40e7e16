/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BT BTS BTR BTC (a register index into memory reaches beyond the operand), BSF BSR, POPCNT LZCNT TZCNT. */
#include "target/i386/ops.h"

enum bit_kind { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

ALWAYS_INLINE uint64_t bit_result(enum bit_kind kind, uint64_t a, unsigned bit)
{
    uint64_t mask = 1ull << bit;
    return kind == BIT_SET ? a | mask : kind == BIT_RESET ? a & ~mask : kind == BIT_COMPLEMENT ? a ^ mask : a;
}

/* CF is the bit, ZF stays, the other four are undefined: INC's lazy flags say just that, and cost little. */
ALWAYS_INLINE void bit_flags(struct x86_cpu *cpu, bool bit)
{
    set_lazy_flags(cpu, CC_INC, 3, flag_zf(cpu) ? 0 : 1, bit);
}

ALWAYS_INLINE void bit_reg_body(struct x86_cpu *cpu, const struct x86_insn *insn, enum bit_kind kind, bool immediate)
{
    unsigned size = insn->opsize;
    unsigned bit = (immediate ? (unsigned)insn->imm : (unsigned)cpu->regs[insn->src / 8]) & (size_bits(size) - 1);
    uint64_t a = reg_get(cpu, insn->dst, size);
    if (kind != BIT_TEST) {
        reg_set(cpu, insn->dst, size, bit_result(kind, a, bit));
    }
    bit_flags(cpu, a >> bit & 1);
    X86_NEXT(cpu, insn);
}

/* Address of the unit that holds the bit: the index is signed and counts from the operand's first bit. */
ALWAYS_INLINE uint64_t bit_address(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size, int64_t index)
{
    uint64_t ea = x86_ea(cpu, insn) + (uint64_t)(index >> (3 + size)) * (1u << size);
    if (insn->flags & (X86_INSN_ADDR16 | X86_INSN_ADDR32)) {
        ea &= insn->flags & X86_INSN_ADDR16 ? 0xffff : 0xffffffff;
    }
    return insn->flags & X86_INSN_SEG_BASE ? x86_linear_operand(cpu, insn, ea) : ea;
}

ALWAYS_INLINE void bit_mem_body(struct x86_cpu *cpu, const struct x86_insn *insn, enum bit_kind kind, bool immediate)
{
    unsigned size = insn->opsize;
    int64_t index = immediate ? insn->imm & (size_bits(size) - 1)
                              : (int64_t)sign_extend(reg_get(cpu, insn->src, size), size);
    unsigned bit = index & (size_bits(size) - 1);
    uint64_t va = bit_address(cpu, insn, size, index), a;
    void *host = kind != BIT_TEST && insn->flags & X86_INSN_LOCK ? lock_host(cpu, va, size) : NULL;
    if (host) {
        a = host_load(host, size);
        while (!host_cas(host, size, &a, bit_result(kind, a, bit))) {
        }
    } else {
        a = mem_get(cpu, va, size);
        if (kind != BIT_TEST) {
            mem_put(cpu, va, size, bit_result(kind, a, bit));
        }
    }
    bit_flags(cpu, a >> bit & 1);
    X86_NEXT(cpu, insn);
}

struct bit_handlers {
    x86_handler *by_form[2][2]; /* [memory][immediate] */
};
#define BIT_GROUP(name, kind)                                                    \
    STAMP_HANDLER(name##_rr, bit_reg_body, kind, false)                          \
    STAMP_HANDLER(name##_ri, bit_reg_body, kind, true)                           \
    STAMP_HANDLER(name##_mr, bit_mem_body, kind, false)                          \
    STAMP_HANDLER(name##_mi, bit_mem_body, kind, true)                           \
    static const struct bit_handlers name##_handlers = {                         \
        { { name##_rr, name##_ri }, { name##_mr, name##_mi } }                   \
    };
BIT_GROUP(bt, BIT_TEST)
BIT_GROUP(bts, BIT_SET)
BIT_GROUP(btr, BIT_RESET)
BIT_GROUP(btc, BIT_COMPLEMENT)

static enum x86_decode_result translate_bit(const struct x86_decode_context *ctx, const struct x86_op *op,
                                            const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                            struct x86_insn *insn)
{
    const struct bit_handlers *handlers = op->handlers;
    bool immediate = operand_is_imm(&operands[1]), memory = operand_is_mem(&operands[0]);
    if (!memory) {
        insn->dst = x86_register_offset(operands[0].reg.value);
    }
    if (immediate) {
        insn->imm = operands[1].imm.value.u;
    } else {
        insn->src = x86_register_offset(operands[1].reg.value);
    }
    insn->handler = handlers->by_form[memory][immediate];
    return X86_DECODE_OK;
}

ALWAYS_INLINE uint64_t scan_source(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size)
{
    return insn->flags & X86_INSN_MEM ? mem_get(cpu, x86_linear(cpu, insn), size) : reg_get(cpu, insn->src, size);
}

/* BSF and BSR of 0: ZF set, the destination stays (AMD documents it, Intel does it; its upper half stays as well). */
ALWAYS_INLINE void scan_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size, bool reverse)
{
    uint64_t a = scan_source(cpu, insn, size);
    if (a) {
        reg_set(cpu, insn->dst, size, reverse ? 63 - __builtin_clzll(a) : __builtin_ctzll(a));
    }
    cpu->cc_op = CC_OP(CC_LOGIC, size);
    cpu->cc_dst = a;
    X86_NEXT(cpu, insn);
}

ALWAYS_INLINE void popcnt_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size)
{
    uint64_t a = scan_source(cpu, insn, size);
    reg_set(cpu, insn->dst, size, __builtin_popcountll(a));
    flags_resolve(cpu, a ? 0 : EFLAGS_ZF);
    X86_NEXT(cpu, insn);
}

/* LZCNT and TZCNT: CF if the source is 0, ZF if the result is. */
ALWAYS_INLINE void count_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size, bool leading)
{
    uint64_t a = scan_source(cpu, insn, size);
    unsigned bits = size_bits(size);
    unsigned count = a == 0 ? bits : leading ? __builtin_clzll(a) - (64 - bits) : (unsigned)__builtin_ctzll(a);
    reg_set(cpu, insn->dst, size, count);
    flags_resolve(cpu, (a ? 0 : EFLAGS_CF) | (count ? 0 : EFLAGS_ZF));
    X86_NEXT(cpu, insn);
}

STAMP_SIZES(bsf, scan_body, false)
STAMP_SIZES(bsr, scan_body, true)
STAMP_SIZES(popcnt, popcnt_body)
STAMP_SIZES(lzcnt, count_body, true)
STAMP_SIZES(tzcnt, count_body, false)
static x86_handler *const bsf_handlers[4] = SIZES(bsf), *const bsr_handlers[4] = SIZES(bsr),
                          *const popcnt_handlers[4] = SIZES(popcnt), *const lzcnt_handlers[4] = SIZES(lzcnt),
                          *const tzcnt_handlers[4] = SIZES(tzcnt);

static enum x86_decode_result translate_scan(const struct x86_decode_context *ctx, const struct x86_op *op,
                                             const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                             struct x86_insn *insn)
{
    x86_handler *const *handlers = op->handlers;
    insn->dst = x86_register_offset(operands[0].reg.value);
    if (operand_is_reg(&operands[1])) {
        insn->src = x86_register_offset(operands[1].reg.value);
    }
    insn->handler = handlers[insn->opsize];
    return X86_DECODE_OK;
}

const struct x86_op x86_ops_bit[] = {
    { ZYDIS_MNEMONIC_BT, ROW_ALWAYS, translate_bit, &bt_handlers },
    { ZYDIS_MNEMONIC_BTS, ROW_ALWAYS, translate_bit, &bts_handlers },
    { ZYDIS_MNEMONIC_BTR, ROW_ALWAYS, translate_bit, &btr_handlers },
    { ZYDIS_MNEMONIC_BTC, ROW_ALWAYS, translate_bit, &btc_handlers },
    { ZYDIS_MNEMONIC_BSF, ROW_ALWAYS, translate_scan, bsf_handlers },
    { ZYDIS_MNEMONIC_BSR, ROW_ALWAYS, translate_scan, bsr_handlers },
    { ZYDIS_MNEMONIC_POPCNT, FEAT_1_ECX, 23, translate_scan, popcnt_handlers },
    { ZYDIS_MNEMONIC_LZCNT, FEAT_8000_0001_ECX, 5, translate_scan, lzcnt_handlers },
    { ZYDIS_MNEMONIC_TZCNT, FEAT_7_0_EBX, 3, translate_scan, tzcnt_handlers },
    { 0 },
};
