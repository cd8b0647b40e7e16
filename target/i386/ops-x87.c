/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87 instructions proper, run by the host's x87 on the guest's whole state.
 *
 * The guest's registers, tags, control and status words are loaded with FRSTOR, the same two opcode bytes are
 * executed and the state is taken back with FNSAVE: rounding, precision control, masked and unmasked responses,
 * condition codes and stack faults are the host's own. FNSAVE does not wait, so an exception that the guest has
 * unmasked is taken back as pending status and never signals in the host; FNSAVE's initialization leaves the host's
 * x87 as C code expects it.
 *
 * Every byte pair D8..DF, modrm has its host entry in one assembled table: register forms as they are, memory forms
 * with [RDI] as the operand, which is a buffer of ours. insn->imm is the entry's address.
 *
 * Left out: the selectors of the last instruction and operand; FERR#/IRQ 13 (CR0.NE is taken as set).
 */
#include "accel/tcg/mem.h"
#include "target/i386/decode.h"
#include "target/i386/fpu.h"

/* The 32-bit protected-mode FSAVE image, as FRSTOR and FNSAVE have it in 64-bit mode. */
struct x87_image {
    uint32_t control, status, tags, ip, selector_opcode, dp, dp_selector;
    struct {
        uint64_t mantissa;
        uint16_t exponent;
    } __attribute__((packed)) st[8];
};
_Static_assert(sizeof(struct x87_image) == 108, "as the processor lays it out");

/* Entries of four bytes: 8 opcodes by 64 register forms, then 8 opcodes by 8 memory forms. */
#define ENTRY_BYTES 4
#define REGISTER_ENTRIES (8 * 64)
asm(".pushsection .text\n\t.balign 64\n"
    "x87_code:\n\t.set op, 0xd8\n\t.rept 8\n\t.set modrm, 0xc0\n\t.rept 64\n\t"
    ".balign 4\n\t.byte op, modrm\n\tret\n\t.set modrm, modrm + 1\n\t.endr\n\t.set op, op + 1\n\t.endr\n\t"
    ".set op, 0xd8\n\t.rept 8\n\t.set modrm, 0x07\n\t.rept 8\n\t"
    ".balign 4\n\t.byte op, modrm\n\tret\n\t.set modrm, modrm + 8\n\t.endr\n\t.set op, op + 1\n\t.endr\n"
    /* uint32_t x87_execute(image, code, operand, flags): AH = flags before, returns AH after. */
    "x87_execute:\n\t"
    "mov %rdi, %r8\n\tmov %rdx, %rdi\n\tfrstor (%r8)\n\tmov %cl, %ah\n\tsahf\n\tcall *%rsi\n\t"
    "lahf\n\tmovzbl %ah, %eax\n\tfnsave (%r8)\n\tret\n\t.popsection");
extern const uint8_t x87_code[];
uint32_t x87_execute(struct x87_image *image, uint64_t code, void *operand, uint32_t flags);

static void x87_to_image(const struct x87_state *fpu, struct x87_image *image)
{
    *image = (struct x87_image) {
        .control = 0xffff0000u | fpu->control, .status = 0xffff0000u | x87_status(fpu), .tags = 0xffff0000u,
    };
    for (unsigned i = 0; i < 8; i++) {
        unsigned reg = (fpu->top + i) & 7;
        image->tags |= (fpu->empty & 1u << i) ? 3u << 2 * i : 0;
        image->st[i].mantissa = fpu->regs[reg].mantissa;
        image->st[i].exponent = fpu->regs[reg].exponent;
    }
}

static void x87_from_image(struct x87_state *fpu, const struct x87_image *image)
{
    fpu->status = image->status & ~FSW_TOP & 0xffff;
    fpu->top = (image->status & FSW_TOP) >> FSW_TOP_SHIFT;
    uint32_t both = image->tags & image->tags >> 1 & 0x5555; /* bit 2i: tag i is 3 */
    fpu->empty = 0;
    for (unsigned i = 0; i < 8; i++) {
        unsigned reg = (fpu->top + i) & 7;
        fpu->empty |= (both >> 2 * i & 1) << i;
        fpu->regs[reg].mantissa = image->st[i].mantissa;
        fpu->regs[reg].exponent = image->st[i].exponent;
    }
}

/* The last non-control instruction's address, operand and opcode, for FNSTENV and FXSAVE. */
static void x87_note(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    cpu->fpu.ip = cpu->regs[R_RIP] + insn->offset;
    cpu->fpu.opcode = insn->dst << 8 | insn->src;
    if (insn->flags & X86_INSN_MEM) {
        cpu->fpu.dp = x86_ea(cpu, insn);
    }
}

/* The widest operand is 10 bytes. */
union x87_operand {
    uint16_t w;
    uint32_t d;
    uint64_t q;
    struct {
        uint64_t mantissa;
        uint16_t exponent;
    } t;
};

static void x87_register(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    struct x87_image image;
    x87_check(cpu);
    x87_to_image(&cpu->fpu, &image);
    x87_execute(&image, (uint64_t)insn->imm, NULL, 0);
    x87_from_image(&cpu->fpu, &image);
    x87_note(cpu, insn);
    X86_NEXT(cpu, insn);
}

/* FCMOVcc: the guest's flags choose. */
static void x87_conditional(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    struct x87_image image;
    x87_check(cpu);
    x87_to_image(&cpu->fpu, &image);
    x87_execute(&image, (uint64_t)insn->imm, NULL, flags_arith(cpu) & 0xff);
    x87_from_image(&cpu->fpu, &image);
    x87_note(cpu, insn);
    X86_NEXT(cpu, insn);
}

/*
 * FCOMI and kin: ZF, PF, CF from the host, also if the comparison is invalid and that is unmasked; OF, SF, AF
 * cleared.
 */
static void x87_compare(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    struct x87_image image;
    x87_check(cpu);
    x87_to_image(&cpu->fpu, &image);
    uint32_t after = x87_execute(&image, (uint64_t)insn->imm, NULL, 0);
    x87_from_image(&cpu->fpu, &image);
    cpu->eflags = (cpu->eflags & ~EFLAGS_ARITH) | (after & (EFLAGS_ZF | EFLAGS_PF | EFLAGS_CF));
    cpu->cc_op = CC_OP_EFLAGS;
    x87_note(cpu, insn);
    X86_NEXT(cpu, insn);
}

#define X87_LOAD(name, load)                                                    \
    static void name(struct x86_cpu *cpu, const struct x86_insn *insn)          \
    {                                                                           \
        struct x87_image image;                                                 \
        union x87_operand operand;                                              \
        x87_check(cpu);                                                         \
        load;                                                                   \
        x87_to_image(&cpu->fpu, &image);                                        \
        x87_execute(&image, (uint64_t)insn->imm, &operand, 0);                  \
        x87_from_image(&cpu->fpu, &image);                                      \
        x87_note(cpu, insn);                                                    \
        X86_NEXT(cpu, insn);                                                    \
    }
X87_LOAD(x87_load_16, operand.w = mem_ld16(cpu, x86_linear(cpu, insn)))
X87_LOAD(x87_load_32, operand.d = mem_ld32(cpu, x86_linear(cpu, insn)))
X87_LOAD(x87_load_64, operand.q = mem_ld64(cpu, x86_linear(cpu, insn)))

static uint64_t x87_address_80(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t ea = x86_ea(cpu, insn);
    return insn->flags & X86_INSN_SEG_BASE
        ? x86_linear_segment(cpu, insn->seg, ea, 10, insn->flags & X86_INSN_WRITE) : ea;
}
static void load_80(struct x86_cpu *cpu, const struct x86_insn *insn, union x87_operand *operand)
{
    uint64_t va = x87_address_80(cpu, insn);
    operand->t.mantissa = mem_ld64(cpu, va);
    operand->t.exponent = mem_ld16(cpu, va + 8);
}
static void store_80(struct x86_cpu *cpu, uint64_t va, const union x87_operand *operand)
{
    mem_probe(cpu, va, 10, true, cpu->mmu_index);
    mem_st64(cpu, va, operand->t.mantissa);
    mem_st16(cpu, va + 8, operand->t.exponent);
}
X87_LOAD(x87_load_80, load_80(cpu, insn, &operand))

/*
 * Nothing is stored if an exception other than precision is unmasked and raised (none can have been before, or
 * x87_check() would have raised #MF), but the address must be good all the same. The store comes before anything is
 * committed, as it may fault.
 */
#define X87_STORE(name, size, address, store)                                                   \
    static void name(struct x86_cpu *cpu, const struct x86_insn *insn)                          \
    {                                                                                           \
        struct x87_image image;                                                                 \
        union x87_operand operand;                                                              \
        x87_check(cpu);                                                                         \
        x87_to_image(&cpu->fpu, &image);                                                        \
        x87_execute(&image, (uint64_t)insn->imm, &operand, 0);                                  \
        uint64_t va = address(cpu, insn);                                                       \
        if (image.status & ~image.control & (FP_EXCEPTIONS & ~FP_PE)) {                         \
            mem_probe(cpu, va, size, true, cpu->mmu_index);                                     \
        } else {                                                                                \
            store;                                                                              \
        }                                                                                       \
        x87_from_image(&cpu->fpu, &image);                                                      \
        x87_note(cpu, insn);                                                                    \
        X86_NEXT(cpu, insn);                                                                    \
    }
X87_STORE(x87_store_16, 2, x86_linear, mem_st16(cpu, va, operand.w))
X87_STORE(x87_store_32, 4, x86_linear, mem_st32(cpu, va, operand.d))
X87_STORE(x87_store_64, 8, x86_linear, mem_st64(cpu, va, operand.q))
X87_STORE(x87_store_80, 10, x87_address_80, store_80(cpu, va, &operand))

enum x87_kind { X87_PLAIN, X87_CONDITIONAL, X87_COMPARE };

static x86_handler *x87_memory_handler(unsigned bits, bool write)
{
    switch (bits) {
    case 16:
        return write ? x87_store_16 : x87_load_16;
    case 32:
        return write ? x87_store_32 : x87_load_32;
    case 64:
        return write ? x87_store_64 : x87_load_64;
    case 80:
        return write ? x87_store_80 : x87_load_80;
    default:
        return NULL;
    }
}

static enum x86_decode_result x87_translate(const struct x86_decode_context *ctx, const struct x86_op *op,
                                            const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                            struct x86_insn *insn)
{
    static x86_handler *const register_handlers[] = {
        [X87_PLAIN] = x87_register, [X87_CONDITIONAL] = x87_conditional, [X87_COMPARE] = x87_compare,
    };
    uint8_t modrm = zi->raw.modrm.mod << 6 | zi->raw.modrm.reg << 3 | zi->raw.modrm.rm;
    unsigned opcode = zi->opcode & 7, entry = opcode * 64 + (modrm & 63);

    insn->handler = register_handlers[op->arg];
    if (insn->flags & X86_INSN_MEM) {
        entry = REGISTER_ENTRIES + opcode * 8 + zi->raw.modrm.reg;
        for (unsigned i = 0; i < zi->operand_count; i++) {
            if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY) {
                insn->opsize = __builtin_ctz(operands[i].size | 0x40) - 3;
                insn->handler = x87_memory_handler(operands[i].size, insn->flags & X86_INSN_WRITE);
            }
        }
    }
    if (ctx->mode & X86_MODE_NOFPU) {
        insn->handler = x87_unavailable;
    }
    insn->imm = (int64_t)(uintptr_t)(x87_code + entry * ENTRY_BYTES);
    insn->dst = opcode;
    insn->src = modrm;
    return X86_DECODE_OK;
}

#define FPU FEAT_1_EDX, 0
#define SSE3 FEAT_1_ECX, 0
#define CMOV FEAT_1_EDX, 15
#define ROW(NAME, feature, kind) { ZYDIS_MNEMONIC_##NAME, feature, x87_translate, NULL, kind },
#define PLAIN(NAME) ROW(NAME, FPU, X87_PLAIN)
const struct x86_op x86_ops_x87[] = {
    PLAIN(F2XM1) PLAIN(FABS) PLAIN(FADD) PLAIN(FADDP) PLAIN(FBLD) PLAIN(FBSTP) PLAIN(FCHS) PLAIN(FCOM) PLAIN(FCOMP)
    PLAIN(FCOMPP) PLAIN(FCOS) PLAIN(FDECSTP) PLAIN(FDIV) PLAIN(FDIVP) PLAIN(FDIVR) PLAIN(FDIVRP) PLAIN(FFREE)
    PLAIN(FFREEP) PLAIN(FIADD) PLAIN(FICOM) PLAIN(FICOMP) PLAIN(FIDIV) PLAIN(FIDIVR) PLAIN(FILD) PLAIN(FIMUL)
    PLAIN(FINCSTP) PLAIN(FIST) PLAIN(FISTP) PLAIN(FISUB) PLAIN(FISUBR) PLAIN(FLD) PLAIN(FLD1) PLAIN(FLDL2E)
    PLAIN(FLDL2T) PLAIN(FLDLG2) PLAIN(FLDLN2) PLAIN(FLDPI) PLAIN(FLDZ) PLAIN(FMUL) PLAIN(FMULP) PLAIN(FNOP)
    PLAIN(FPATAN) PLAIN(FPREM) PLAIN(FPREM1) PLAIN(FPTAN) PLAIN(FRNDINT) PLAIN(FSCALE) PLAIN(FSIN) PLAIN(FSINCOS)
    PLAIN(FSQRT) PLAIN(FST) PLAIN(FSTP) PLAIN(FSTPNCE) PLAIN(FSUB) PLAIN(FSUBP) PLAIN(FSUBR) PLAIN(FSUBRP) PLAIN(FTST)
    PLAIN(FUCOM) PLAIN(FUCOMP) PLAIN(FUCOMPP) PLAIN(FXAM) PLAIN(FXCH) PLAIN(FXTRACT) PLAIN(FYL2X) PLAIN(FYL2XP1)
    ROW(FISTTP, SSE3, X87_PLAIN)
    ROW(FCMOVB, CMOV, X87_CONDITIONAL) ROW(FCMOVBE, CMOV, X87_CONDITIONAL) ROW(FCMOVE, CMOV, X87_CONDITIONAL)
    ROW(FCMOVU, CMOV, X87_CONDITIONAL) ROW(FCMOVNB, CMOV, X87_CONDITIONAL) ROW(FCMOVNBE, CMOV, X87_CONDITIONAL)
    ROW(FCMOVNE, CMOV, X87_CONDITIONAL) ROW(FCMOVNU, CMOV, X87_CONDITIONAL)
    ROW(FCOMI, CMOV, X87_COMPARE) ROW(FCOMIP, CMOV, X87_COMPARE)
    ROW(FUCOMI, CMOV, X87_COMPARE) ROW(FUCOMIP, CMOV, X87_COMPARE)
    { 0, FEAT_WORDS, 0, NULL, NULL, 0 },
};
