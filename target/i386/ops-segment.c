/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions on segment registers, selectors, control and debug registers, and the FS/GS bases.
 *
 * MOV to a segment register ends its block: the mode it was decoded under may have changed. Debug registers are
 * stored but hit nothing: hardware breakpoints are not supported.
 */
#include "target/i386/mmu.h"
#include "target/i386/ops.h"
#include "target/i386/segment.h"
#include "target/i386/system.h"
#include "util/main-loop.h"

/* Handlers of one body each that differ by an argument. */
#define HANDLER_WITH(name, body, argument)                                  \
    static void name(struct x86_cpu *cpu, const struct x86_insn *insn)      \
    {                                                                       \
        body(cpu, insn, argument);                                          \
    }

static uint16_t load_selector(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return insn->flags & X86_INSN_MEM ? mem_ld16(cpu, x86_linear(cpu, insn)) : reg_get(cpu, insn->src, 1);
}

/* --- MOV Sreg --- */

static void op_mov_to_seg(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_load_segment(cpu, insn->dst, load_selector(cpu, insn));
    x86_leave_after(cpu, insn);
}

static void op_mov_from_seg(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint16_t selector = cpu->segs[insn->src].selector;

    if (insn->flags & X86_INSN_MEM) {
        mem_st16(cpu, x86_linear(cpu, insn), selector);
    } else {
        reg_set(cpu, insn->dst, insn->opsize, selector);
    }
    X86_NEXT(cpu, insn);
}

/* --- MOV CRn, DRn --- */

static uint64_t apic_tpr(struct x86_cpu *cpu)
{
    uint64_t value = 0;
    if (cpu->apic_ops) {
        x86_device_begin(cpu);
        value = cpu->apic_ops->get_tpr(cpu->apic);
        x86_device_end(cpu);
    }
    return value;
}

static void set_apic_tpr(struct x86_cpu *cpu, uint64_t value)
{
    if (cpu->apic_ops) {
        x86_device_begin(cpu);
        cpu->apic_ops->set_tpr(cpu->apic, value);
        x86_device_end(cpu);
    }
}

static void op_mov_from_cr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    const uint64_t values[] = { cpu->cr0, 0, cpu->cr2, cpu->cr3, cpu->cr4 };
    uint64_t value;

    x86_require_cpl0(cpu);
    value = insn->src == 8 ? apic_tpr(cpu) : values[insn->src];
    reg_set(cpu, insn->dst, is_64bit(cpu) ? 3 : 2, value);
    X86_NEXT(cpu, insn);
}

static bool cr0_is_valid(const struct x86_cpu *cpu, uint64_t value)
{
    if (value >> 32 || (value & CR0_PG && !(value & CR0_PE)) || (value & CR0_NW && !(value & CR0_CD))) {
        return false;
    }
    if (value & CR0_PG && !(cpu->cr0 & CR0_PG) && cpu->efer & EFER_LME) {
        return cpu->cr4 & CR4_PAE && !(cpu->segs[S_CS].flags & SEG_L);
    }
    return value & CR0_PG || !is_64bit(cpu);
}

static uint64_t cr4_allowed(const struct x86_cpu *cpu)
{
    const struct x86_features *f = &cpu->features;
    uint64_t allowed =
        CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

    allowed |= x86_feature(f, FEAT_7_0_ECX, 2) ? CR4_UMIP : 0;
    allowed |= x86_feature(f, FEAT_7_0_EBX, 0) ? CR4_FSGSBASE : 0;
    allowed |= x86_feature(f, FEAT_1_ECX, 26) ? CR4_OSXSAVE : 0;
    allowed |= x86_feature(f, FEAT_7_0_EBX, 7) ? CR4_SMEP : 0;
    allowed |= x86_feature(f, FEAT_7_0_EBX, 20) ? CR4_SMAP : 0;
    return allowed;
}

static void op_mov_to_cr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t value = reg_get(cpu, insn->src, is_64bit(cpu) ? 3 : 2);
    bool ok = true;

    x86_require_cpl0(cpu);
    switch (insn->dst) {
    case 0:
        ok = cr0_is_valid(cpu, value);
        break;
    case 3:
        ok = !is_long_mode(cpu) || !(value >> x86_phys_bits(cpu));
        break;
    case 4:
        ok = !(value & ~cr4_allowed(cpu)) && (value & CR4_PAE || !is_long_mode(cpu));
        break;
    case 8:
        ok = value < 16;
        break;
    }
    if (!ok) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    switch (insn->dst) {
    case 0:
        x86_cpu_set_cr0(cpu, value);
        break;
    case 2:
        cpu->cr2 = value;
        break;
    case 3:
        x86_cpu_set_cr3(cpu, value);
        break;
    case 4:
        x86_cpu_set_cr4(cpu, value);
        break;
    default:
        set_apic_tpr(cpu, value);
        break;
    }
    x86_leave_after(cpu, insn);
}

/* DR4 and DR5 are DR6 and DR7 unless CR4.DE. */
static unsigned debug_register(struct x86_cpu *cpu, unsigned number)
{
    x86_require_cpl0(cpu);
    if (number == 4 || number == 5) {
        if (cpu->cr4 & CR4_DE) {
            x86_raise(cpu, EXCP_UD);
        }
        return number + 2;
    }
    return number;
}

static void op_mov_from_dr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned number = debug_register(cpu, insn->src);

    reg_set(cpu, insn->dst, is_64bit(cpu) ? 3 : 2, cpu->dr[number]);
    X86_NEXT(cpu, insn);
}

static void op_mov_to_dr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned number = debug_register(cpu, insn->dst);
    uint64_t value = reg_get(cpu, insn->src, is_64bit(cpu) ? 3 : 2);

    if (number >= 6 && value >> 32) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    if (number == 6) {
        value = (value & 0xe00f) | 0xffff0ff0;
    } else if (number == 7) {
        value = (value & 0xffff23ff) | 0x400;
    }
    cpu->dr[number] = value;
    X86_NEXT(cpu, insn);
}

static enum x86_decode_result translate_mov(const struct x86_decode_context *ctx, const struct x86_op *op,
                                            const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                            struct x86_insn *insn)
{
    static const struct {
        ZydisRegisterClass class;
        x86_handler *from, *to;
    } kinds[] = {
        { ZYDIS_REGCLASS_SEGMENT, op_mov_from_seg, op_mov_to_seg },
        { ZYDIS_REGCLASS_CONTROL, op_mov_from_cr, op_mov_to_cr },
        { ZYDIS_REGCLASS_DEBUG, op_mov_from_dr, op_mov_to_dr },
    };

    for (unsigned special = 0; special < 2; special++) {
        const ZydisDecodedOperand *operand = &operands[special], *other = &operands[1 - special];
        if (!operand_is_reg(operand)) {
            continue;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
            if (ZydisRegisterGetClass(operand->reg.value) != kinds[i].class) {
                continue;
            }
            uint8_t number = kinds[i].class == ZYDIS_REGCLASS_SEGMENT ? x86_segment_number(operand->reg.value) :
                                                                        ZydisRegisterGetId(operand->reg.value);
            uint8_t general = operand_is_general(other) ? x86_register_offset(other->reg.value) : R_ZERO * 8;
            if ((kinds[i].class == ZYDIS_REGCLASS_CONTROL && number != 0 && number != 2 && number != 3 &&
                 number != 4 && number != 8) ||
                (kinds[i].class == ZYDIS_REGCLASS_DEBUG && number > 7) ||
                (kinds[i].class == ZYDIS_REGCLASS_SEGMENT && special == 0 && number == S_CS)) {
                return X86_DECODE_INVALID;
            }
            insn->dst = special == 0 ? number : general;
            insn->src = special == 0 ? general : number;
            insn->handler = special == 0 ? kinds[i].to : kinds[i].from;
            if (other->type == ZYDIS_OPERAND_TYPE_REGISTER && special == 1) {
                insn->opsize = operand_log2(other);
            } else if (kinds[i].class == ZYDIS_REGCLASS_SEGMENT) {
                insn->opsize = 1; /* memory operands are words whatever the prefix */
            }
            return special == 0 && kinds[i].class != ZYDIS_REGCLASS_DEBUG ? X86_DECODE_LAST : X86_DECODE_OK;
        }
    }
    return X86_DECODE_INVALID;
}

/* --- LLDT, LTR, SLDT, STR --- */

static void read_system_segment(struct x86_cpu *cpu, uint16_t selector, struct x86_descriptor *d, uint64_t *upper)
{
    *upper = 0;
    if (selector & 4 || !x86_descriptor_read(cpu, selector, d) ||
        (is_long_mode(cpu) && !x86_descriptor_read_upper(cpu, selector, upper))) {
        raise_selector(cpu, EXCP_GP, selector);
    }
}

static void op_lldt(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    struct x86_descriptor d;
    uint64_t upper;
    uint16_t selector;

    x86_require_cpl0(cpu);
    selector = load_selector(cpu, insn);
    if ((selector & 0xfffc) == 0) {
        x86_segment_set_null(&cpu->ldt, selector, 0);
        X86_NEXT(cpu, insn);
    }
    read_system_segment(cpu, selector, &d, &upper);
    if (d.high & SEG_S || desc_type(&d) != DESC_LDT) {
        raise_selector(cpu, EXCP_GP, selector);
    }
    if (!desc_present(&d)) {
        raise_selector(cpu, EXCP_NP, selector);
    }
    x86_segment_set(&cpu->ldt, selector, &d);
    cpu->ldt.base |= upper;
    X86_NEXT(cpu, insn);
}

static void op_ltr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    struct x86_descriptor d;
    uint64_t upper;
    uint16_t selector;

    x86_require_cpl0(cpu);
    selector = load_selector(cpu, insn);
    if ((selector & 0xfffc) == 0) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    read_system_segment(cpu, selector, &d, &upper);
    if (d.high & SEG_S || (desc_type(&d) != DESC_TSS && (desc_type(&d) != DESC_TSS16 || is_long_mode(cpu)))) {
        raise_selector(cpu, EXCP_GP, selector);
    }
    if (!desc_present(&d)) {
        raise_selector(cpu, EXCP_NP, selector);
    }
    d.high |= 2u << SEG_TYPE_SHIFT; /* busy */
    mem_st32_mmu(cpu, d.address + 4, d.high, MMU_KERNEL);
    x86_segment_set(&cpu->tr, selector, &d);
    cpu->tr.base |= upper;
    X86_NEXT(cpu, insn);
}

static void store_selector(struct x86_cpu *cpu, const struct x86_insn *insn, uint16_t selector)
{
    if (cpu->cr4 & CR4_UMIP && cpu->cpl == 3) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    if (insn->flags & X86_INSN_MEM) {
        mem_st16(cpu, x86_linear(cpu, insn), selector);
    } else {
        reg_set(cpu, insn->dst, insn->opsize, selector);
    }
    X86_NEXT(cpu, insn);
}

static void op_sldt(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    store_selector(cpu, insn, cpu->ldt.selector);
}

static void op_str(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    store_selector(cpu, insn, cpu->tr.selector);
}

/* --- LAR, LSL, VERR, VERW, ARPL --- */

static void set_zf(struct x86_cpu *cpu, bool zf)
{
    x86_flags_set(cpu, (flags_arith(cpu) & ~EFLAGS_ZF) | (zf ? EFLAGS_ZF : 0), EFLAGS_ARITH);
}

/* May the current privilege see this descriptor at all? */
static bool descriptor_visible(struct x86_cpu *cpu, uint16_t selector, struct x86_descriptor *d)
{
    if ((selector & 0xfffc) == 0 || !x86_descriptor_read(cpu, selector, d)) {
        return false;
    }
    if (desc_is_code(d) && d->high & SEG_CONFORMING) {
        return true;
    }
    return desc_dpl(d) >= cpu->cpl && desc_dpl(d) >= (selector & 3);
}

static bool system_type_ok(struct x86_cpu *cpu, unsigned type, bool lar)
{
    switch (type) {
    case DESC_LDT:
    case DESC_TSS:
    case DESC_TSS_BUSY:
        return true;
    case DESC_TSS16:
    case DESC_TSS16_BUSY:
        return !is_long_mode(cpu);
    case DESC_CALL_GATE:
        return lar;
    case DESC_CALL_GATE16:
    case DESC_TASK_GATE:
        return lar && !is_long_mode(cpu);
    default:
        return false;
    }
}

static void op_lar_lsl(struct x86_cpu *cpu, const struct x86_insn *insn, bool lar)
{
    uint16_t selector = load_selector(cpu, insn);
    struct x86_descriptor d;
    bool ok = descriptor_visible(cpu, selector, &d) && (d.high & SEG_S || system_type_ok(cpu, desc_type(&d), lar));

    if (ok) {
        reg_set(cpu, insn->dst, insn->opsize, lar ? d.high & 0x00ffff00 : desc_limit(&d));
    }
    set_zf(cpu, ok);
    X86_NEXT(cpu, insn);
}

HANDLER_WITH(op_lar, op_lar_lsl, true)
HANDLER_WITH(op_lsl, op_lar_lsl, false)

static void op_verify(struct x86_cpu *cpu, const struct x86_insn *insn, bool write)
{
    struct x86_descriptor d;
    bool ok = descriptor_visible(cpu, load_selector(cpu, insn), &d) && d.high & SEG_S;

    if (ok) {
        ok = write ? !desc_is_code(&d) && d.high & SEG_RW : !desc_is_code(&d) || d.high & SEG_RW;
    }
    set_zf(cpu, ok);
    X86_NEXT(cpu, insn);
}

HANDLER_WITH(op_verr, op_verify, false)
HANDLER_WITH(op_verw, op_verify, true)

static void op_arpl(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    bool memory = insn->flags & X86_INSN_MEM, lower;
    uint64_t va = memory ? x86_linear(cpu, insn) : 0;
    uint16_t value = memory ? mem_ld16(cpu, va) : reg_get(cpu, insn->dst, 1);
    uint16_t rpl = reg_get(cpu, insn->src, 1) & 3;

    lower = (value & 3) < rpl;
    value = lower ? (value & ~3) | rpl : value;
    if (memory) {
        mem_st16(cpu, va, value);
    } else {
        reg_set(cpu, insn->dst, 1, value);
    }
    set_zf(cpu, lower);
    X86_NEXT(cpu, insn);
}

/* --- FS and GS bases --- */

static void check_fsgsbase(struct x86_cpu *cpu)
{
    if (!(cpu->cr4 & CR4_FSGSBASE)) {
        x86_raise(cpu, EXCP_UD);
    }
}

static void read_base(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned seg)
{
    check_fsgsbase(cpu);
    reg_set(cpu, insn->dst, insn->opsize, cpu->segs[seg].base);
    X86_NEXT(cpu, insn);
}

static void write_base(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned seg)
{
    uint64_t value = reg_get(cpu, insn->src, insn->opsize);

    check_fsgsbase(cpu);
    if (!x86_is_canonical(value)) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    cpu->segs[seg].base = value;
    X86_NEXT(cpu, insn);
}

HANDLER_WITH(op_rdfsbase, read_base, S_FS)
HANDLER_WITH(op_rdgsbase, read_base, S_GS)
HANDLER_WITH(op_wrfsbase, write_base, S_FS)
HANDLER_WITH(op_wrgsbase, write_base, S_GS)

#define ROW(mnemonic, handler, arg) { ZYDIS_MNEMONIC_##mnemonic, ROW_ALWAYS, x86_translate_system, handler, arg }
#define ROW_FSGS(mnemonic, handler) \
    { ZYDIS_MNEMONIC_##mnemonic, FEAT_7_0_EBX, 0, x86_translate_system, handler, SYS_ONLY64 }

const struct x86_op x86_ops_segment[] = {
    { ZYDIS_MNEMONIC_MOV, ROW_ALWAYS, translate_mov, NULL, 0 },
    ROW(LLDT, op_lldt, SYS_PROTECTED),
    ROW(LTR, op_ltr, SYS_PROTECTED),
    ROW(SLDT, op_sldt, SYS_PROTECTED),
    ROW(STR, op_str, SYS_PROTECTED),
    ROW(LAR, op_lar, SYS_PROTECTED),
    ROW(LSL, op_lsl, SYS_PROTECTED),
    ROW(VERR, op_verr, SYS_PROTECTED),
    ROW(VERW, op_verw, SYS_PROTECTED),
    ROW(ARPL, op_arpl, SYS_PROTECTED),
    ROW_FSGS(RDFSBASE, op_rdfsbase),
    ROW_FSGS(RDGSBASE, op_rdgsbase),
    ROW_FSGS(WRFSBASE, op_wrfsbase),
    ROW_FSGS(WRGSBASE, op_wrgsbase),
    { 0 },
};
