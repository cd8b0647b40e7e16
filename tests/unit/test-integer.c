/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Integer instructions against the host CPU: for each row random operand forms, registers, addresses, values and
 * flags. Zydis encodes; diff-bench runs and compares.
 */
#include <string.h>

#include <Zydis/Zydis.h>

#include "diff-bench.h"

enum undefined {
    DEFINED, U_LOGIC, U_SHIFT, U_ROTATE, U_DOUBLE_SHIFT, U_MUL, U_ALL, U_SCAN, U_BIT, U_COUNT, U_BEXTR, U_ANDN, U_AAA,
    U_AAM, U_DAA,
};

struct spec {
    ZydisMnemonic mnemonic;
    /* Operands of each form: r m: register, memory; i: immediate; b: immediate byte; 1: the number one; c: CL. A
     * digit after it fixes log2 of its size, which is the row's otherwise. */
    const char *forms;
    uint8_t sizes; /* bit n: 1 << n bytes */
    bool lock;
    enum undefined undefined;
    void (*prepare)(struct diff_state *state, unsigned size);
};

struct encoded {
    uint8_t bytes[16];
    uint64_t length;
    ZydisEncoderRequest request;
    const ZydisEncoderOperand *memory;
    unsigned size;
};

static bool code32; /* rows run as 32-bit code */

static unsigned pick(unsigned count)
{
    return diff_random_word() % count;
}

static ZydisRegister random_register(unsigned size)
{
    static const ZydisRegister first[4] = { ZYDIS_REGISTER_AL, ZYDIS_REGISTER_AX, ZYDIS_REGISTER_EAX,
                                            ZYDIS_REGISTER_RAX };
    return first[size] + pick(code32 ? 8 : size == 0 ? 20 : 16);
}

static void pick_memory(ZydisEncoderOperand *operand, unsigned size)
{
    bool wide = !code32 && pick(8);
    unsigned registers = code32 ? 8 : 16;
    operand->type = ZYDIS_OPERAND_TYPE_MEMORY;
    operand->mem.size = 1 << size;
    operand->mem.displacement = pick(3) == 0 ? 0 : pick(2) ? (int8_t)diff_random() : (int32_t)(diff_random() >> 8);
    if (wide && pick(8) == 0) {
        operand->mem.base = ZYDIS_REGISTER_RIP;
        return;
    }
    operand->mem.base = (wide ? ZYDIS_REGISTER_RAX : ZYDIS_REGISTER_EAX) + pick(registers);
    if (pick(2)) {
        unsigned index = pick(registers);
        index = index == R_RSP ? R_RBP : index;
        operand->mem.index = (wide ? ZYDIS_REGISTER_RAX : ZYDIS_REGISTER_EAX) + index;
        operand->mem.scale = 1 << pick(4);
    }
}

/* Encodes one random instance of `form`; false if it cannot be encoded (AH with REX, …). */
static bool encode(const struct spec *spec, const char *form, unsigned size, struct encoded *out)
{
    memset(out, 0, sizeof(*out));
    out->size = size;
    ZydisEncoderRequest *request = &out->request;
    request->machine_mode = code32 ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32 : ZYDIS_MACHINE_MODE_LONG_64;
    request->mnemonic = spec->mnemonic;
    for (const char *p = form; *p && *p != ' '; p++) {
        if (*p == ',') {
            continue;
        }
        ZydisEncoderOperand *operand = &request->operands[request->operand_count++];
        char kind = *p;
        unsigned operand_size = g_ascii_isdigit(p[1]) ? (unsigned)(*++p - '0') : size;
        switch (kind) {
        case 'r':
            operand->type = ZYDIS_OPERAND_TYPE_REGISTER;
            operand->reg.value = random_register(operand_size);
            break;
        case 'm':
            pick_memory(operand, operand_size);
            out->memory = operand;
            break;
        case 'c':
            operand->type = ZYDIS_OPERAND_TYPE_REGISTER;
            operand->reg.value = ZYDIS_REGISTER_CL;
            break;
        default:
            operand->type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
            operand->imm.s = kind == '1' ? 1 : kind == 'b' ? (int64_t)(uint8_t)diff_random()
                             : operand_size == 0 ? (int8_t)diff_random()
                             : operand_size == 1 ? (int16_t)diff_random() : (int32_t)diff_random();
            break;
        }
    }
    if (spec->lock && out->memory == &request->operands[0] && pick(2)) {
        request->prefixes = ZYDIS_ATTRIB_HAS_LOCK;
    }
    if (!out->memory && request->operand_count == 0 && size > 0) {
        request->operand_size_hint = size == 1 ? ZYDIS_OPERAND_SIZE_HINT_16 : size == 2 ? ZYDIS_OPERAND_SIZE_HINT_32
                                                                              : ZYDIS_OPERAND_SIZE_HINT_64;
    }
    out->length = sizeof(out->bytes);
    return ZYAN_SUCCESS(ZydisEncoderEncodeInstruction(request, out->bytes, &out->length));
}

/* Makes the memory operand's address fall into the data, by its registers or (RIP-relative) its displacement. */
static bool aim(struct encoded *code, struct diff_state *state)
{
    if (!code->memory) {
        return true;
    }
    struct ZydisEncoderOperandMem_ *mem = (struct ZydisEncoderOperandMem_ *)&code->memory->mem;
    uint64_t target = diff_random_address(mem->size);
    if (pick(3)) {
        target &= -(uint64_t)mem->size;
    }
    if (mem->base == ZYDIS_REGISTER_RIP) {
        mem->displacement = target - (DIFF_ENTRY + code->length);
        code->length = sizeof(code->bytes);
        return ZYAN_SUCCESS(ZydisEncoderEncodeInstruction(&code->request, code->bytes, &code->length));
    }
    unsigned base = ZydisRegisterGetId(mem->base), index = ZydisRegisterGetId(mem->index);
    bool narrow = ZydisRegisterGetClass(mem->base) == ZYDIS_REGCLASS_GPR32;
    if (mem->index != ZYDIS_REGISTER_NONE) {
        if (index == base) {
            return false;
        }
        if (pick(2)) {
            state->regs[index] = pick(64);
        }
        target -= state->regs[index] * mem->scale;
    }
    target -= mem->displacement;
    state->regs[base] = !narrow ? target : code32 ? (uint32_t)target : (uint32_t)target | diff_random() << 32;
    /*
     * PUSH [rsp + …]: the stack must be in the data too, since elsewhere the host may have memory that we have not.
     */
    return base != R_RSP ||
           (state->regs[R_RSP] >= DIFF_DATA + 64 && state->regs[R_RSP] < DIFF_DATA + DIFF_DATA_SIZE - 64);
}

static unsigned shift_count(const struct encoded *code, const struct diff_state *state, unsigned operand)
{
    const ZydisEncoderOperand *count = &code->request.operands[operand];
    uint8_t value = count->type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? count->imm.u : state->regs[R_RCX];
    return value & (code->size == 3 ? 63 : 31);
}

/* False: even the result is undefined, so this case says nothing. */
static bool undefined_flags(const struct spec *spec, const struct encoded *code, const struct diff_state *state,
                            uint32_t *flags)
{
    unsigned bits = 8u << code->size, count;
    *flags = 0;
    switch (spec->undefined) {
    case DEFINED:
        break;
    case U_LOGIC:
        *flags = EFLAGS_AF;
        break;
    case U_SHIFT:
        count = shift_count(code, state, 1);
        *flags = count == 0 ? 0 : EFLAGS_AF | (count > 1 ? EFLAGS_OF : 0) | (count >= bits ? EFLAGS_CF : 0);
        break;
    case U_ROTATE:
        *flags = shift_count(code, state, 1) == 1 ? 0 : EFLAGS_OF;
        break;
    case U_DOUBLE_SHIFT:
        count = shift_count(code, state, 2);
        *flags = count == 0 ? 0 : EFLAGS_AF | (count > 1 ? EFLAGS_OF : 0);
        return count <= bits;
    case U_MUL:
        *flags = EFLAGS_SF | EFLAGS_ZF | EFLAGS_AF | EFLAGS_PF;
        break;
    case U_ALL:
        *flags = EFLAGS_ARITH;
        break;
    case U_SCAN:
        *flags = EFLAGS_ARITH & ~EFLAGS_ZF;
        break;
    case U_BIT:
        *flags = EFLAGS_OF | EFLAGS_SF | EFLAGS_AF | EFLAGS_PF;
        break;
    case U_COUNT:
        *flags = EFLAGS_OF | EFLAGS_SF | EFLAGS_AF | EFLAGS_PF;
        break;
    case U_ANDN:
        *flags = EFLAGS_AF | EFLAGS_PF;
        break;
    case U_AAA:
        *flags = EFLAGS_OF | EFLAGS_SF | EFLAGS_ZF | EFLAGS_PF;
        break;
    case U_AAM:
        *flags = EFLAGS_OF | EFLAGS_AF | EFLAGS_CF;
        break;
    case U_DAA:
        *flags = EFLAGS_OF;
        break;
    case U_BEXTR:
        *flags = EFLAGS_AF | EFLAGS_SF | EFLAGS_PF;
        break;
    }
    return true;
}

/* BT [base], base: the pointer as a bit index leads anywhere, perhaps to memory that only the host has. */
static bool is_wild_bit_index(const struct encoded *code, const struct diff_state *state)
{
    const ZydisEncoderOperand *index = &code->request.operands[1];
    return code->memory == &code->request.operands[0] && index->type == ZYDIS_OPERAND_TYPE_REGISTER &&
           state->regs[ZydisRegisterGetId(index->reg.value)] + 0x1000 > 0x2000;
}

static bool check_one(const struct spec *spec, const char *form, unsigned size)
{
    struct encoded code;
    struct diff_state state;
    struct diff_ignore ignore = { 0 };

    diff_state_randomize(&state);
    if (!encode(spec, form, size, &code)) {
        return true;
    }
    if (spec->prepare) {
        spec->prepare(&state, size);
    }
    if (!aim(&code, &state) || !undefined_flags(spec, &code, &state, &ignore.flags)) {
        return true;
    }
    if (spec->undefined == U_BIT && is_wild_bit_index(&code, &state)) {
        return true;
    }
    return diff_check(code.bytes, code.length, &state, &ignore, NULL);
}

static bool form_encodable(const struct spec *spec, const char *form, unsigned size)
{
    struct encoded code;
    for (unsigned i = 0; i < 200; i++) {
        if (encode(spec, form, size, &code)) {
            return true;
        }
    }
    return false;
}

static void check_spec(gconstpointer data)
{
    const struct spec *spec = data;
    unsigned tried = 0;
    unsigned sizes = code32 ? spec->sizes & 7 : spec->sizes;
    for (const char *form = spec->forms; form; form = strchr(form, ' ')) {
        form += *form == ' ';
        for (unsigned size = 0; size < 4; size++) {
            if (!(sizes & 1 << size) || !form_encodable(spec, form, size)) {
                continue;
            }
            for (unsigned i = 0; i < 120; i++, tried++) {
                if (!check_one(spec, form, size)) {
                    return;
                }
            }
        }
    }
    g_assert_true(tried || code32);
}

/* Dividends that mostly do not overflow. */
static void prepare_divide(struct diff_state *state, unsigned size)
{
    uint64_t kind = pick(4);
    if (kind && size) {
        state->regs[R_RDX] = kind == 1 ? 0 : kind == 2 ? pick(16) : (uint64_t)((int64_t)state->regs[R_RAX] >> 63);
    } else if (kind) {
        state->regs[R_RAX] = pick(1000);
    }
}

/* rAX often what is there. */
static void prepare_compare(struct diff_state *state, unsigned size)
{
    for (unsigned i = 0; i < 16; i += 1 + pick(3)) {
        if (i != R_RSP) {
            state->regs[i] = state->regs[R_RAX];
        }
    }
    if (pick(2)) {
        for (unsigned i = 0; i < DIFF_DATA_SIZE; i += 8) {
            memcpy(diff_memory() + i, &state->regs[R_RAX], 8);
        }
        diff_memory_sync();
    }
}

static void prepare_compare_wide(struct diff_state *state, unsigned size)
{
    if (pick(2)) {
        memset(diff_memory(), 0, DIFF_DATA_SIZE);
        diff_memory_sync();
        state->regs[R_RAX] = state->regs[R_RDX] = 0;
    }
}

static void prepare_small(struct diff_state *state, unsigned size)
{
    for (unsigned i = 0; i < 16; i++) {
        if (i != R_RSP) {
            state->regs[i] = (int64_t)(diff_random_word() << 52) >> 52;
        }
    }
}

static void prepare_base(struct diff_state *state, unsigned size)
{
    state->regs[R_RAX] &= 0xffff;
}

static void prepare_table(struct diff_state *state, unsigned size)
{
    state->regs[R_RBX] = diff_random_address(256);
}

static void prepare_frame(struct diff_state *state, unsigned size)
{
    state->regs[R_RBP] = diff_random_address(8);
}

/*
 * A branch target that the host may go to: INT3s in the code page, nothing mapped, or not canonical. Anything else
 * might be this program.
 */
static uint64_t random_target(void)
{
    unsigned kind = pick(3);
    return kind == 0 ? DIFF_CODE + 0x100 + pick(0x400) : kind == 1 ? 0x30000000 + pick(0x10000000)
                                                                  : diff_random_word() | 0x0001000000000000;
}

static void prepare_branch(struct diff_state *state, unsigned size)
{
    for (unsigned i = 0; i < DIFF_DATA_SIZE; i += 8) {
        uint64_t target = random_target();
        memcpy(diff_memory() + i, &target, 8);
    }
    diff_memory_sync();
    for (unsigned i = 0; i < 16; i++) {
        if (i != R_RSP) {
            state->regs[i] = random_target();
        }
    }
}

#define ALL 15
#define WIDE 14
#define SHIFT_FORMS "r,1 r,b r,c m,1 m,b m,c"
#define ALU_FORMS "r,r r,m m,r r,i m,i"
static const struct spec specs[] = {
    { ZYDIS_MNEMONIC_ADD, ALU_FORMS, ALL, true },
    { ZYDIS_MNEMONIC_ADC, ALU_FORMS, ALL, true },
    { ZYDIS_MNEMONIC_SUB, ALU_FORMS, ALL, true },
    { ZYDIS_MNEMONIC_SBB, ALU_FORMS, ALL, true },
    { ZYDIS_MNEMONIC_AND, ALU_FORMS, ALL, true, U_LOGIC },
    { ZYDIS_MNEMONIC_OR, ALU_FORMS, ALL, true, U_LOGIC },
    { ZYDIS_MNEMONIC_XOR, ALU_FORMS, ALL, true, U_LOGIC },
    { ZYDIS_MNEMONIC_CMP, ALU_FORMS, ALL },
    { ZYDIS_MNEMONIC_TEST, "r,r m,r r,i m,i", ALL, false, U_LOGIC },
    { ZYDIS_MNEMONIC_INC, "r m", ALL, true },
    { ZYDIS_MNEMONIC_DEC, "r m", ALL, true },
    { ZYDIS_MNEMONIC_NEG, "r m", ALL, true },
    { ZYDIS_MNEMONIC_NOT, "r m", ALL, true },
    { ZYDIS_MNEMONIC_MOV, ALU_FORMS, ALL },
    { ZYDIS_MNEMONIC_MOVZX, "r,r0 r,m0", WIDE },
    { ZYDIS_MNEMONIC_MOVZX, "r,r1 r,m1", 12 },
    { ZYDIS_MNEMONIC_MOVSX, "r,r0 r,m0", WIDE },
    { ZYDIS_MNEMONIC_MOVSX, "r,r1 r,m1", 12 },
    { ZYDIS_MNEMONIC_MOVSXD, "r,r2 r,m2", 8 },
    { ZYDIS_MNEMONIC_LEA, "r,m", WIDE },
    { ZYDIS_MNEMONIC_BSWAP, "r", 12 },
    { ZYDIS_MNEMONIC_MOVBE, "r,m m,r", WIDE },
    { ZYDIS_MNEMONIC_MOVNTI, "m,r", 12 },
    { ZYDIS_MNEMONIC_CBW, "", 2 },
    { ZYDIS_MNEMONIC_CWDE, "", 4 },
    { ZYDIS_MNEMONIC_CDQE, "", 8 },
    { ZYDIS_MNEMONIC_CWD, "", 2 },
    { ZYDIS_MNEMONIC_CDQ, "", 4 },
    { ZYDIS_MNEMONIC_CQO, "", 8 },
    { ZYDIS_MNEMONIC_XLAT, "", 1, false, DEFINED, prepare_table },
    { ZYDIS_MNEMONIC_CLC, "", 1 },
    { ZYDIS_MNEMONIC_STC, "", 1 },
    { ZYDIS_MNEMONIC_CMC, "", 1 },
    { ZYDIS_MNEMONIC_CLD, "", 1 },
    { ZYDIS_MNEMONIC_STD, "", 1 },
    { ZYDIS_MNEMONIC_LAHF, "", 1 },
    { ZYDIS_MNEMONIC_SAHF, "", 1 },
    { ZYDIS_MNEMONIC_SHL, SHIFT_FORMS, ALL, false, U_SHIFT },
    { ZYDIS_MNEMONIC_SHR, SHIFT_FORMS, ALL, false, U_SHIFT },
    { ZYDIS_MNEMONIC_SAR, SHIFT_FORMS, ALL, false, U_SHIFT },
    { ZYDIS_MNEMONIC_ROL, SHIFT_FORMS, ALL, false, U_ROTATE },
    { ZYDIS_MNEMONIC_ROR, SHIFT_FORMS, ALL, false, U_ROTATE },
    { ZYDIS_MNEMONIC_RCL, SHIFT_FORMS, ALL, false, U_ROTATE },
    { ZYDIS_MNEMONIC_RCR, SHIFT_FORMS, ALL, false, U_ROTATE },
    { ZYDIS_MNEMONIC_SHLD, "r,r,b m,r,b r,r,c m,r,c", WIDE, false, U_DOUBLE_SHIFT },
    { ZYDIS_MNEMONIC_SHRD, "r,r,b m,r,b r,r,c m,r,c", WIDE, false, U_DOUBLE_SHIFT },
    { ZYDIS_MNEMONIC_SHLX, "r,r,r r,m,r", 12 },
    { ZYDIS_MNEMONIC_SHRX, "r,r,r r,m,r", 12 },
    { ZYDIS_MNEMONIC_SARX, "r,r,r r,m,r", 12 },
    { ZYDIS_MNEMONIC_RORX, "r,r,b r,m,b", 12 },
    { ZYDIS_MNEMONIC_MUL, "r m", ALL, false, U_MUL },
    { ZYDIS_MNEMONIC_IMUL, "r m", ALL, false, U_MUL },
    { ZYDIS_MNEMONIC_IMUL, "r,r r,m r,r,i r,m,i", WIDE, false, U_MUL },
    { ZYDIS_MNEMONIC_MULX, "r,r,r r,r,m", 12 },
    { ZYDIS_MNEMONIC_DIV, "r m", ALL, false, U_ALL, prepare_divide },
    { ZYDIS_MNEMONIC_IDIV, "r m", ALL, false, U_ALL, prepare_divide },
    { ZYDIS_MNEMONIC_XCHG, "r,r m,r", ALL, true },
    { ZYDIS_MNEMONIC_XADD, "r,r m,r", ALL, true },
    { ZYDIS_MNEMONIC_CMPXCHG, "r,r m,r", ALL, true, DEFINED, prepare_compare },
    { ZYDIS_MNEMONIC_CMPXCHG8B, "m3", 4, true, DEFINED, prepare_compare_wide },
    { ZYDIS_MNEMONIC_CMPXCHG16B, "m4", 8, true, DEFINED, prepare_compare_wide },
    { ZYDIS_MNEMONIC_BT, "r,r r,b m,b", WIDE, true, U_BIT },
    { ZYDIS_MNEMONIC_BTS, "r,r r,b m,b", WIDE, true, U_BIT },
    { ZYDIS_MNEMONIC_BTR, "r,r r,b m,b", WIDE, true, U_BIT },
    { ZYDIS_MNEMONIC_BTC, "r,r r,b m,b", WIDE, true, U_BIT },
    { ZYDIS_MNEMONIC_BT, "m,r", WIDE, true, U_BIT, prepare_small },
    { ZYDIS_MNEMONIC_BTS, "m,r", WIDE, true, U_BIT, prepare_small },
    { ZYDIS_MNEMONIC_BTR, "m,r", WIDE, true, U_BIT, prepare_small },
    { ZYDIS_MNEMONIC_BTC, "m,r", WIDE, true, U_BIT, prepare_small },
    { ZYDIS_MNEMONIC_BSF, "r,r r,m", WIDE, false, U_SCAN },
    { ZYDIS_MNEMONIC_BSR, "r,r r,m", WIDE, false, U_SCAN },
    { ZYDIS_MNEMONIC_POPCNT, "r,r r,m", WIDE },
    { ZYDIS_MNEMONIC_LZCNT, "r,r r,m", WIDE, false, U_COUNT },
    { ZYDIS_MNEMONIC_TZCNT, "r,r r,m", WIDE, false, U_COUNT },
    { ZYDIS_MNEMONIC_ANDN, "r,r,r r,r,m", 12, false, U_ANDN },
    { ZYDIS_MNEMONIC_BEXTR, "r,r,r r,m,r", 12, false, U_BEXTR, prepare_small },
    { ZYDIS_MNEMONIC_BEXTR, "r,r,r r,m,r", 12, false, U_BEXTR },
    { ZYDIS_MNEMONIC_BLSI, "r,r r,m", 12, false, U_ANDN },
    { ZYDIS_MNEMONIC_BLSMSK, "r,r r,m", 12, false, U_ANDN },
    { ZYDIS_MNEMONIC_BLSR, "r,r r,m", 12, false, U_ANDN },
    { ZYDIS_MNEMONIC_BZHI, "r,r,r r,m,r", 12, false, U_ANDN, prepare_small },
    { ZYDIS_MNEMONIC_PDEP, "r,r,r r,r,m", 12 },
    { ZYDIS_MNEMONIC_PEXT, "r,r,r r,r,m", 12 },
    { ZYDIS_MNEMONIC_ADCX, "r,r r,m", 12 },
    { ZYDIS_MNEMONIC_ADOX, "r,r r,m", 12 },
    { ZYDIS_MNEMONIC_CRC32, "r2,r0 r2,m0 r2,r1 r2,m1 r2,r2 r2,m2 r3,r0 r3,r3 r3,m3", 4 },
    { ZYDIS_MNEMONIC_CLFLUSH, "m6", 4 },
    { ZYDIS_MNEMONIC_PUSH, "r m i", 10 },
    { ZYDIS_MNEMONIC_POP, "r m", 10 },
    { ZYDIS_MNEMONIC_PUSHF, "", 2 },
    { ZYDIS_MNEMONIC_PUSHFQ, "", 8 },
    { ZYDIS_MNEMONIC_LEAVE, "", 10, false, DEFINED, prepare_frame },
    { ZYDIS_MNEMONIC_JMP, "r m", 8, false, DEFINED, prepare_branch },
    { ZYDIS_MNEMONIC_CALL, "r m", 8, false, DEFINED, prepare_branch },
    { ZYDIS_MNEMONIC_RET, " b1", 8, false, DEFINED, prepare_branch },
};

/* What 64-bit mode has not, or has in other sizes. */
static const struct spec specs32[] = {
    { ZYDIS_MNEMONIC_AAA, "", 1, false, U_AAA },
    { ZYDIS_MNEMONIC_AAS, "", 1, false, U_AAA },
    { ZYDIS_MNEMONIC_AAM, "b", 1, false, U_AAM, prepare_base },
    { ZYDIS_MNEMONIC_AAD, "b", 1, false, U_AAM },
    { ZYDIS_MNEMONIC_DAA, "", 1, false, U_DAA },
    { ZYDIS_MNEMONIC_DAS, "", 1, false, U_DAA },
    { ZYDIS_MNEMONIC_SALC, "", 1 },
    { ZYDIS_MNEMONIC_BOUND, "r1,m2 r2,m3", 4 },
    { ZYDIS_MNEMONIC_PUSHA, "", 2 },
    { ZYDIS_MNEMONIC_PUSHAD, "", 4 },
    { ZYDIS_MNEMONIC_POPA, "", 2 },
    { ZYDIS_MNEMONIC_POPAD, "", 4 },
    { ZYDIS_MNEMONIC_PUSHF, "", 2 },
    { ZYDIS_MNEMONIC_PUSHFD, "", 4 },
    { ZYDIS_MNEMONIC_PUSH, "r m i", 6 },
    { ZYDIS_MNEMONIC_POP, "r m", 6 },
    { ZYDIS_MNEMONIC_LEAVE, "", 6, false, DEFINED, prepare_frame },
    { ZYDIS_MNEMONIC_JMP, "r m", 4, false, DEFINED, prepare_branch },
    { ZYDIS_MNEMONIC_CALL, "r m", 4, false, DEFINED, prepare_branch },
    { ZYDIS_MNEMONIC_RET, "", 4, false, DEFINED, prepare_branch },
};

static void test_32bit(void)
{
    static const char *const cases[] = {
        "7010", "7510", "0f8540000000", "eb20", "e920010000", "e8fc010000", "e2f0", "e1f0", "e3f0", "67e310", "6641",
        "41", "49", "6649", "c8100000", "c8200001", "66c8100000", "50515253", "54", "5c", "ff3424", "8f0424",
        "a1cc100120", "a3cc100120", "c4e2f0f2c1", "d6", "63c8", "6a80", "82c105",
    };
    if (!diff_set_32bit(true)) {
        g_test_skip("the host's kernel has no 32-bit segments");
        return;
    }
    code32 = true;
    for (unsigned i = 0; i < G_N_ELEMENTS(specs); i++) {
        check_spec(&specs[i]);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(specs32); i++) {
        check_spec(&specs32[i]);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        diff_check_hex(cases[i], 50, NULL);
    }
    code32 = false;
    diff_set_32bit(false);
}

static const ZydisMnemonic cmovs[] = {
    ZYDIS_MNEMONIC_CMOVO, ZYDIS_MNEMONIC_CMOVNO, ZYDIS_MNEMONIC_CMOVB, ZYDIS_MNEMONIC_CMOVNB, ZYDIS_MNEMONIC_CMOVZ,
    ZYDIS_MNEMONIC_CMOVNZ, ZYDIS_MNEMONIC_CMOVBE, ZYDIS_MNEMONIC_CMOVNBE, ZYDIS_MNEMONIC_CMOVS, ZYDIS_MNEMONIC_CMOVNS,
    ZYDIS_MNEMONIC_CMOVP, ZYDIS_MNEMONIC_CMOVNP, ZYDIS_MNEMONIC_CMOVL, ZYDIS_MNEMONIC_CMOVNL, ZYDIS_MNEMONIC_CMOVLE,
    ZYDIS_MNEMONIC_CMOVNLE,
};
static const ZydisMnemonic setccs[] = {
    ZYDIS_MNEMONIC_SETO, ZYDIS_MNEMONIC_SETNO, ZYDIS_MNEMONIC_SETB, ZYDIS_MNEMONIC_SETNB, ZYDIS_MNEMONIC_SETZ,
    ZYDIS_MNEMONIC_SETNZ, ZYDIS_MNEMONIC_SETBE, ZYDIS_MNEMONIC_SETNBE, ZYDIS_MNEMONIC_SETS, ZYDIS_MNEMONIC_SETNS,
    ZYDIS_MNEMONIC_SETP, ZYDIS_MNEMONIC_SETNP, ZYDIS_MNEMONIC_SETL, ZYDIS_MNEMONIC_SETNL, ZYDIS_MNEMONIC_SETLE,
    ZYDIS_MNEMONIC_SETNLE,
};

static void test_conditions(void)
{
    for (unsigned cc = 0; cc < 16; cc++) {
        struct spec cmov = { cmovs[cc], "r,r r,m", WIDE }, setcc = { setccs[cc], "r m", 1 };
        check_spec(&cmov);
        check_spec(&setcc);
    }
}

/*
 * Lazy flags: an operation that leaves them in each kind, then every reader. SETcc x16 into the data, and PUSHFQ's
 * job by the comparison of rflags.
 */
static void test_lazy_flags(void)
{
    static const char *const makers[] = {
        "00c8", "6601c8", "01c8", "4801c8",                 /* add */
        "f910c8", "f96611c8", "f911c8", "f94811c8",         /* stc; adc */
        "28c8", "6629c8", "29c8", "4829c8",                 /* sub */
        "f918c8", "f96619c8", "f919c8", "f94819c8",         /* stc; sbb */
        "20c8", "6621c8", "21c8", "4821c8",                 /* and */
        "f9fec0", "f866ffc0", "f9ffc0", "f848ffc0",         /* inc, carry kept */
        "f8fec8", "f966ffc8", "f8ffc8", "f948ffc8",         /* dec */
    };
    static const char *const readers = "0f9003 0f915301 0f925302 0f935303 0f945304 0f955305 0f965306 0f975307"
                                       " 0f985308 0f995309 0f9a530a 0f9b530b 0f9c530c 0f9d530d 0f9e530e 0f9f530f";
    for (unsigned i = 0; i < G_N_ELEMENTS(makers); i++) {
        g_autoptr(GString) hex = g_string_new("bb00100120"); /* mov ebx, DIFF_DATA + 0x1000 */
        g_string_append(hex, makers[i]);
        for (const char *p = readers; *p; p++) {
            if (*p != ' ') {
                g_string_append_c(hex, *p);
            }
        }
        struct diff_ignore ignore = { .flags = i >= 16 && i < 20 ? EFLAGS_AF : 0 };
        diff_check_hex(hex->str, 300, &ignore);
    }
}

/* Each with each Jcc behind it, which one handler may do. */
static void check_with_branches(const char *const *firsts, uint32_t undefined)
{
    struct diff_ignore ignore = { .flags = undefined };
    for (; *firsts; firsts++) {
        for (unsigned cc = 0; cc < 16; cc++) {
            g_autofree char *hex = g_strdup_printf("%s7%x10", *firsts, cc);
            diff_check_hex(hex, 60, &ignore);
        }
    }
}

/* Registers, immediates, and for CMP and TEST [rsp + 8]; ADD, SUB, AND and OR leave their results behind as well. */
static void test_fused(void)
{
    static const char *const arithmetic[] = {
        "38c8", "6639c8", "39c8", "4839c8", "3c05", "6683f8fe", "3d00000080", "4883f8ff", "384c2408", "663b442408",
        "39442408", "483b442408", "807c240880", "66837c240801", "837c2408ff", "48837c240800", /* CMP */
        "00d8", "6601d8", "01d8", "4801d8", "0401", "6683c0ff", "83c001", "4883c0ff", "05ffffff7f", "4805ffffff7f",
        "28d8", "6629d8", "29d8", "4829d8", "4829c0", "2c01", "6683e801", "83e801", "4883e8ff", "2d00000080",
        "482dffffff7f", "00e0", "28c4", NULL,
    };
    static const char *const logic[] = {
        "84c8", "6685c8", "85c8", "4885c0", "a880", "66a90080", "a900000080", "48a9ff000000", "f644240801",
        "66f74424080080", "f744240800000080", "48f744240801000000", /* TEST */
        "08d8", "6609d8", "09d8", "4809d8", "20d8", "6621d8", "21d8", "4821d8", "2401", "6683e0f0", "83e001",
        "4883e080", "08e4", NULL,
    };
    check_with_branches(arithmetic, 0);
    check_with_branches(logic, EFLAGS_AF);
}

/* Encodings that the table has no words for, and branches, whose targets are in or beyond the code page. */
static void test_fixed(void)
{
    static const char *const cases[] = {
        "7010", "7110", "7210", "7310", "7410", "7510", "7610", "7710", "7810", "7910", "7a10", "7b10", "7c10",
        "7d10", "7e10", "7f10", "0f80f0ffff7f", "0f8540000000", "eb20", "e920010000", "e8fc010000", "e2f0", "e1f0",
        "e0f0", "e3f0", "67e310", "67e2f0", "68d50e00009d", "6a009d", "666a01669d", "c8100000", "c8200001",
        "66c8100000", "50515253", "5958", "54", "5c", "ff3424", "8f0424", "8f442408", "0fc8", "660fc8",
        "488d0500000000", "0f18060f0d08", "0f1f440000", "f390", "6690", "0faee8", "0faef0", "0faef8", "f00fa3c1",
        "f089c8", "0f0b", "65488b042500000000", "654889042508000000", "06", "27", "6c", "f36d", "f4", "fa", "fb",
        "0f30", "0f32", "ec", "ee", "e440", "ef", "0f22c0", "0f06", "0f08", "6e", "6a000fa9", "48a11000012000000000",
        "48a31000012000000000", "0fb90b", "0fff00", "f00f1f00", "2e4889c8",
    };
    struct diff_ignore ignore = { 0 };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        diff_check_hex(cases[i], 100, &ignore);
    }
}

/* String instructions: places (overlapping too), lengths, direction, faults on the way. */
static void check_string(const char *hex, unsigned rounds)
{
    uint8_t bytes[16];
    unsigned length = strlen(hex) / 2;
    for (unsigned i = 0; i < length; i++) {
        bytes[i] = g_ascii_xdigit_value(hex[2 * i]) << 4 | g_ascii_xdigit_value(hex[2 * i + 1]);
    }
    for (unsigned i = 0; i < rounds; i++) {
        struct diff_state state;
        diff_state_randomize(&state);
        state.regs[R_RCX] = pick(8) == 0 ? 0 : pick(2) ? pick(20) : pick(3000);
        state.regs[R_RSI] = diff_random_address(8);
        state.regs[R_RDI] = pick(2) ? diff_random_address(8) : state.regs[R_RSI] + pick(64) - 32;
        if (pick(3) == 0) {
            state.rflags |= EFLAGS_DF;
        }
        if (pick(4) == 0) { /* long equal stretches, for CMPS and SCAS */
            memset(diff_memory(), 0x20, DIFF_DATA_SIZE);
            diff_memory()[pick(DIFF_DATA_SIZE)] = 1;
            diff_memory_sync();
            state.regs[R_RAX] = pick(2) ? 0x2020202020202020 : 1;
        }
        /* REP CMPS that faults: Intel restores the flags, AMD has those of the last comparison. */
        struct diff_ignore ignore = { .flags_if_fault = EFLAGS_ARITH };
        if (!diff_check(bytes, length, &state, &ignore, NULL)) {
            return;
        }
    }
    diff_memory_randomize();
}

static void test_strings(void)
{
    static const char *const cases[] = {
        "a4", "66a5", "a5", "48a5", "f3a4", "f366a5", "f3a5", "f348a5", "f2a4", "aa", "66ab", "ab", "48ab", "f3aa",
        "f366ab", "f3ab", "f348ab", "ac", "66ad", "ad", "48ad", "f3ac", "f366ad", "f348ad", "a6", "66a7", "a7",
        "48a7", "f3a6", "f2a6", "f366a7", "f2a7", "f348a7", "ae", "66af", "af", "48af", "f3ae", "f2ae", "f366af",
        "f2af", "f348af", "67a4", "67f3a4", "67f348ab", "65a4", "65ac",
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        check_string(cases[i], 150);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    diff_bench_init();
    for (unsigned i = 0; i < G_N_ELEMENTS(specs); i++) {
        g_autofree char *path = g_strdup_printf("/integer/%u-%s", i, ZydisMnemonicGetString(specs[i].mnemonic));
        g_test_add_data_func(path, &specs[i], check_spec);
    }
    g_test_add_func("/integer/conditions", test_conditions);
    g_test_add_func("/integer/lazy-flags", test_lazy_flags);
    g_test_add_func("/integer/fused", test_fused);
    g_test_add_func("/integer/fixed", test_fixed);
    g_test_add_func("/integer/strings", test_strings);
    g_test_add_func("/integer/32bit", test_32bit);
    return g_test_run();
}
