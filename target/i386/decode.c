/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes to struct x86_insn: Zydis reads them, the tables of decode-tables.c name the handler. Pure: no CPU state.
 *
 * Filled here, for every instruction: offsets, operand size, LOCK and REP prefixes, and the memory operand. Registers
 * and immediates are the row's business, since each group has its own idea of what dst and src are.
 *
 * Known limit: a RIP-relative displacement within 255 bytes of +2 GiB does not fit once it is made relative to the
 * block's start, and is #UD.
 */
#include "target/i386/decode.h"

/* Per machine mode, and per whether LZCNT and TZCNT exist (without them F3 is ignored: BSR and BSF). */
static ZydisDecoder decoders[3][2][2];
/* Rows by mnemonic: rows_of[first_row[m]] .. rows_of[first_row[m + 1]], in table order. */
static const struct x86_op **rows_of;
static uint16_t first_row[ZYDIS_MNEMONIC_MAX_VALUE + 2];

static void init_decoders(void)
{
    static const ZydisMachineMode machine[3] = {
        ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_MACHINE_MODE_LONG_64
    };
    static const ZydisStackWidth stack[3] = { ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32, ZYDIS_STACK_WIDTH_64 };

    for (unsigned i = 0; i < 12; i++) {
        ZydisDecoder *decoder = &decoders[i / 4][i / 2 % 2][i % 2];
        ZyanStatus status = ZydisDecoderInit(decoder, machine[i / 4], stack[i / 4]);
        g_assert(ZYAN_SUCCESS(status));
        ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_LZCNT, i / 2 % 2);
        ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_TZCNT, i % 2);
        /* Features that no CPU model of ours has: their encodings are NOPs, as hardware without them does. */
        ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
        ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
        ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
        ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_WBNOINVD, ZYAN_FALSE);
    }
}

static void index_rows(void)
{
    unsigned total = 0;
    for (const struct x86_op *const *table = x86_op_tables; *table; table++) {
        for (const struct x86_op *op = *table; op->mnemonic; op++, total++) {
            first_row[op->mnemonic + 1]++;
        }
    }
    for (unsigned i = 1; i < G_N_ELEMENTS(first_row); i++) {
        first_row[i] += first_row[i - 1];
    }
    rows_of = g_new0(const struct x86_op *, total + 1);
    for (const struct x86_op *const *table = x86_op_tables; *table; table++) {
        for (const struct x86_op *op = *table; op->mnemonic; op++) {
            unsigned at = first_row[op->mnemonic];
            while (rows_of[at]) {
                at++;
            }
            rows_of[at] = op;
        }
    }
}

static void init_once(void)
{
    static gsize done;
    if (g_once_init_enter(&done)) {
        init_decoders();
        index_rows();
        g_once_init_leave(&done, 1);
    }
}

static const ZydisDecoder *decoder_for(const struct x86_decode_context *ctx)
{
    unsigned machine = MIN(ctx->mode & X86_MODE_BITS, X86_MODE_64);
    unsigned lzcnt = x86_feature_on(ctx->features, FEAT_8000_0001_ECX, 5);
    unsigned tzcnt = x86_feature_on(ctx->features, FEAT_7_0_EBX, 3);
    return &decoders[machine][lzcnt][tzcnt];
}

uint8_t x86_register_offset(ZydisRegister reg)
{
    unsigned number;
    switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_GPR8:
        number = reg - ZYDIS_REGISTER_AL; /* AL CL DL BL AH CH DH BH SPL … R15B */
        return number < 4 ? number * 8 : number < 8 ? (number - 4) * 8 + 1 : (number - 4) * 8;
    case ZYDIS_REGCLASS_GPR16:
        return (reg - ZYDIS_REGISTER_AX) * 8;
    case ZYDIS_REGCLASS_GPR32:
        return (reg - ZYDIS_REGISTER_EAX) * 8;
    case ZYDIS_REGCLASS_GPR64:
        return (reg - ZYDIS_REGISTER_RAX) * 8;
    case ZYDIS_REGCLASS_IP:
        return R_RIP * 8;
    default:
        return R_ZERO * 8;
    }
}

uint8_t x86_segment_number(ZydisRegister reg)
{
    switch (reg) {
    case ZYDIS_REGISTER_ES:
        return S_ES;
    case ZYDIS_REGISTER_CS:
        return S_CS;
    case ZYDIS_REGISTER_SS:
        return S_SS;
    case ZYDIS_REGISTER_DS:
        return S_DS;
    case ZYDIS_REGISTER_FS:
        return S_FS;
    case ZYDIS_REGISTER_GS:
        return S_GS;
    default:
        return S_ZERO;
    }
}

bool x86_segment_needs_base(uint32_t mode, unsigned seg)
{
    if (seg == S_ZERO) {
        return false;
    }
    if (seg == S_FS || seg == S_GS) {
        return true;
    }
    return (mode & X86_MODE_BITS) != X86_MODE_64 && !(mode & X86_MODE_FLAT);
}

bool x86_fill_memory(const struct x86_decode_context *ctx, const ZydisDecodedInstruction *zi,
                     const ZydisDecodedOperand *operand, struct x86_insn *insn)
{
    int64_t disp = operand->mem.disp.has_displacement ? operand->mem.disp.value : 0;

    insn->base = x86_register_offset(operand->mem.base) / 8;
    insn->index = x86_register_offset(operand->mem.index) / 8;
    insn->scale = operand->mem.scale ? __builtin_ctz(operand->mem.scale) : 0;
    if (insn->base == R_RIP) {
        disp += insn->next;
        if (disp != (int32_t)disp && zi->address_width == 64) {
            return false;
        }
    }
    insn->disp = (int32_t)disp; /* MOV with a 64-bit address takes it from the operand itself */
    if (zi->address_width != 64) {
        insn->flags |= zi->address_width == 32 ? X86_INSN_ADDR32 : X86_INSN_ADDR16;
    }
    insn->flags |= X86_INSN_MEM;
    if (operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) {
        insn->flags |= X86_INSN_WRITE;
    }
    if (operand->mem.type != ZYDIS_MEMOP_TYPE_AGEN) {
        insn->seg = x86_segment_number(operand->mem.segment);
        if (x86_segment_needs_base(ctx->mode, insn->seg)) {
            insn->flags |= X86_INSN_SEG_BASE;
        }
    }
    return true;
}

static bool fill_common(const struct x86_decode_context *ctx, const ZydisDecodedInstruction *zi,
                        const ZydisDecodedOperand *operands, struct x86_insn *insn)
{
    insn->next = ctx->offset + zi->length;
    insn->opsize = zi->operand_width ? __builtin_ctz(zi->operand_width) - 3 : 0;
    if (zi->attributes & ZYDIS_ATTRIB_HAS_LOCK) {
        insn->flags |= X86_INSN_LOCK;
    }
    if (zi->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE)) {
        insn->flags |= X86_INSN_REP;
    }
    if (zi->attributes & ZYDIS_ATTRIB_HAS_REPNE) {
        insn->flags |= X86_INSN_REPNE;
    }
    for (unsigned i = 0; i < zi->operand_count_visible; i++) {
        if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY) {
            return x86_fill_memory(ctx, zi, &operands[i], insn);
        }
    }
    return true;
}

/* Few instructions need telling: those around the rotates of hashes. Operands in registers, none of them special. */
static enum x86_flag_use flag_use_of(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                     const struct x86_insn *insn)
{
    bool by_number = zi->operand_count_visible == 2 && operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;

    if (zi->mnemonic == ZYDIS_MNEMONIC_LEA) {
        return X86_FLAGS_KEPT;
    }
    if (insn->flags & (X86_INSN_MEM | X86_INSN_LOCK | X86_INSN_REP | X86_INSN_REPNE)) {
        return X86_FLAGS_UNKNOWN;
    }
    for (unsigned i = 0; i < zi->operand_count_visible; i++) {
        ZydisRegisterClass class = ZydisRegisterGetClass(operands[i].reg.value);
        if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            (class < ZYDIS_REGCLASS_GPR8 || class > ZYDIS_REGCLASS_GPR64)) {
            return X86_FLAGS_UNKNOWN;
        }
    }
    switch (zi->mnemonic) {
    case ZYDIS_MNEMONIC_MOV: case ZYDIS_MNEMONIC_MOVZX: case ZYDIS_MNEMONIC_MOVSX: case ZYDIS_MNEMONIC_MOVSXD:
    case ZYDIS_MNEMONIC_BSWAP: case ZYDIS_MNEMONIC_NOT:
        return X86_FLAGS_KEPT;
    case ZYDIS_MNEMONIC_ADD: case ZYDIS_MNEMONIC_SUB: case ZYDIS_MNEMONIC_AND: case ZYDIS_MNEMONIC_OR:
    case ZYDIS_MNEMONIC_XOR: case ZYDIS_MNEMONIC_CMP: case ZYDIS_MNEMONIC_TEST: case ZYDIS_MNEMONIC_NEG:
        return X86_FLAGS_SET;
    case ZYDIS_MNEMONIC_ROL: case ZYDIS_MNEMONIC_ROR: case ZYDIS_MNEMONIC_SHL: case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SAR: /* a count of 0 changes no flag; translate_shift() has masked it */
        return by_number && insn->imm ? X86_FLAGS_SET : X86_FLAGS_UNKNOWN;
    default:
        return X86_FLAGS_UNKNOWN;
    }
}

static void raise_invalid(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_raise(cpu, EXCP_UD);
}

static void raise_too_long(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_raise_error(cpu, EXCP_GP, 0);
}

static void init_insn(const struct x86_decode_context *ctx, struct x86_insn *insn)
{
    *insn = (struct x86_insn) {
        .handler = raise_invalid,
        .dst = R_ZERO * 8,
        .src = R_ZERO * 8,
        .base = R_ZERO,
        .index = R_ZERO,
        .seg = S_ZERO,
        .offset = ctx->offset,
        .next = ctx->offset,
    };
}

static enum x86_decode_result translate(const struct x86_decode_context *ctx, const ZydisDecodedInstruction *zi,
                                        const ZydisDecodedOperand *operands, struct x86_insn *insn)
{
    struct x86_insn common = *insn;

    for (unsigned i = first_row[zi->mnemonic]; i < first_row[zi->mnemonic + 1]; i++) {
        const struct x86_op *op = rows_of[i];
        if (op->feature_word != FEAT_WORDS && !x86_feature_on(ctx->features, op->feature_word, op->feature_bit)) {
            continue;
        }
        enum x86_decode_result result = op->translate(ctx, op, zi, operands, insn);
        if (result != X86_DECODE_INVALID && insn->handler) {
            return result;
        }
        *insn = common;
    }
    return X86_DECODE_INVALID;
}

enum x86_decode_result x86_decode(const struct x86_decode_context *ctx, const uint8_t *bytes, unsigned available,
                                  struct x86_insn *insn, unsigned *length)
{
    ZydisDecodedInstruction zi;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];

    init_once();
    init_insn(ctx, insn);
    *length = 0;
    ZyanStatus status = ZydisDecoderDecodeFull(decoder_for(ctx), bytes, MIN(available, 15), &zi, operands);
    if (status == ZYDIS_STATUS_NO_MORE_DATA && available < 15) {
        return X86_DECODE_MORE;
    }
    if (status == ZYDIS_STATUS_NO_MORE_DATA || status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG) {
        insn->handler = raise_too_long;
        return X86_DECODE_TOO_LONG;
    }
    if (!ZYAN_SUCCESS(status)) {
        return X86_DECODE_INVALID;
    }
    *length = zi.length;
    if (zi.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY && !(ctx->mode & X86_MODE_PE)) {
        return X86_DECODE_INVALID; /* VEX exists in protected mode only */
    }
    if (!fill_common(ctx, &zi, operands, insn)) {
        return X86_DECODE_INVALID;
    }
    enum x86_decode_result result = translate(ctx, &zi, operands, insn);
    insn->flag_use = result == X86_DECODE_OK ? flag_use_of(&zi, operands, insn) : X86_FLAGS_UNKNOWN;
    return result;
}

void x86_disassemble(uint32_t mode, const uint8_t *bytes, unsigned available, uint64_t rip, char *text, size_t size)
{
    static ZydisFormatter formatter;
    static gsize done;
    ZydisDecodedInstruction zi;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];

    init_once();
    if (g_once_init_enter(&done)) {
        ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
        g_once_init_leave(&done, 1);
    }
    const ZydisDecoder *decoder = &decoders[MIN(mode & X86_MODE_BITS, X86_MODE_64)][1][1];
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder, bytes, MIN(available, 15), &zi, operands)) ||
        !ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&formatter, &zi, operands, zi.operand_count_visible, text, size,
                                                      rip, NULL))) {
        g_snprintf(text, size, "(bad)");
    }
}
