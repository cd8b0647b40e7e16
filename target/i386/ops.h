/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the integer handlers are made of. An operation is written once, as an ALWAYS_INLINE body that takes size and
 * operand forms as constants; macros stamp the handlers. Values are 64-bit and may carry rubbish above the operand's
 * size: reg_set(), mem_put() and the readers of lazy flags truncate.
 */
#ifndef FERRY_TARGET_I386_OPS_H
#define FERRY_TARGET_I386_OPS_H

#include "accel/tcg/mem.h"
#include "target/i386/decode.h"
#include "target/i386/flags.h"
#include "target/i386/insn.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Operand forms. FORM_BASE: memory at base + disp, no index, segment or address size to care for: the common case. */
enum operand_form { FORM_REG, FORM_IMM, FORM_MEM, FORM_BASE };

ALWAYS_INLINE uint64_t size_mask(unsigned size)
{
    return UINT64_MAX >> (64 - (8u << size));
}

ALWAYS_INLINE unsigned size_bits(unsigned size)
{
    return 8u << size;
}

ALWAYS_INLINE uint64_t sign_extend(uint64_t value, unsigned size)
{
    unsigned shift = 64 - size_bits(size);
    return (uint64_t)((int64_t)(value << shift) >> shift);
}

/* `offset`: in bytes into cpu->regs. */
ALWAYS_INLINE uint64_t reg_get(const struct x86_cpu *cpu, unsigned offset, unsigned size)
{
    const void *reg = (const uint8_t *)cpu->regs + offset;
    switch (size) {
    case 0:
        return *(const uint8_t *)reg;
    case 1:
        return *(const uint16_t *)reg;
    case 2:
        return *(const uint32_t *)reg;
    default:
        return *(const uint64_t *)reg;
    }
}

/* 32-bit writes clear the upper half; 8 and 16-bit ones keep the rest. */
ALWAYS_INLINE void reg_set(struct x86_cpu *cpu, unsigned offset, unsigned size, uint64_t value)
{
    void *reg = (uint8_t *)cpu->regs + offset;
    switch (size) {
    case 0:
        *(uint8_t *)reg = value;
        break;
    case 1:
        *(uint16_t *)reg = value;
        break;
    case 2:
        *(uint64_t *)reg = (uint32_t)value;
        break;
    default:
        *(uint64_t *)reg = value;
        break;
    }
}

ALWAYS_INLINE uint64_t mem_get(struct x86_cpu *cpu, uint64_t va, unsigned size)
{
    switch (size) {
    case 0:
        return mem_ld8(cpu, va);
    case 1:
        return mem_ld16(cpu, va);
    case 2:
        return mem_ld32(cpu, va);
    default:
        return mem_ld64(cpu, va);
    }
}

ALWAYS_INLINE void mem_put(struct x86_cpu *cpu, uint64_t va, unsigned size, uint64_t value)
{
    switch (size) {
    case 0:
        mem_st8(cpu, va, value);
        break;
    case 1:
        mem_st16(cpu, va, value);
        break;
    case 2:
        mem_st32(cpu, va, value);
        break;
    default:
        mem_st64(cpu, va, value);
        break;
    }
}

ALWAYS_INLINE uint64_t operand_linear(struct x86_cpu *cpu, const struct x86_insn *insn, enum operand_form form)
{
    return form == FORM_BASE ? cpu->regs[insn->base] + (int64_t)insn->disp : x86_linear(cpu, insn);
}

ALWAYS_INLINE bool form_is_memory(enum operand_form form)
{
    return form == FORM_MEM || form == FORM_BASE;
}

/*
 * The host address of a LOCKed operand, or NULL (MMIO, page crossing): then a load and a store do, as no other vCPU
 * runs.
 */
void *lock_host_slow(struct x86_cpu *cpu, uint64_t va, unsigned size);
ALWAYS_INLINE void *lock_host(struct x86_cpu *cpu, uint64_t va, unsigned size)
{
    const struct tlb_entry *entry = tlb_entry_now(cpu, va);
    uint64_t last = va + (1u << size) - 1;
    if (__builtin_expect((last & ~0xfffull) == entry->write && entry->read == entry->write, 1)) {
        return (void *)(uintptr_t)(va + entry->addend);
    }
    return lock_host_slow(cpu, va, size);
}

/* Compare and swap; *expected is what was found. */
ALWAYS_INLINE bool host_cas(void *host, unsigned size, uint64_t *expected, uint64_t desired)
{
#define CAS(type)                                                                                               \
    do {                                                                                                        \
        type found_ = *expected;                                                                                \
        bool done_ = __atomic_compare_exchange_n((type *)host, &found_, (type)desired, false, __ATOMIC_SEQ_CST, \
                                                 __ATOMIC_SEQ_CST);                                             \
        *expected = found_;                                                                                     \
        return done_;                                                                                           \
    } while (0)
    switch (size) {
    case 0:
        CAS(uint8_t);
    case 1:
        CAS(uint16_t);
    case 2:
        CAS(uint32_t);
    default:
        CAS(uint64_t);
    }
#undef CAS
}

ALWAYS_INLINE uint64_t host_load(const void *host, unsigned size)
{
    switch (size) {
    case 0:
        return __atomic_load_n((const uint8_t *)host, __ATOMIC_RELAXED);
    case 1:
        return __atomic_load_n((const uint16_t *)host, __ATOMIC_RELAXED);
    case 2:
        return __atomic_load_n((const uint32_t *)host, __ATOMIC_RELAXED);
    default:
        return __atomic_load_n((const uint64_t *)host, __ATOMIC_RELAXED);
    }
}

ALWAYS_INLINE void set_lazy_flags(struct x86_cpu *cpu, enum cc_kind kind, unsigned size, uint64_t result,
                                  uint64_t operand)
{
    cpu->cc_op = CC_OP(kind, size);
    cpu->cc_dst = result;
    cpu->cc_src = operand;
}

/* The address of the next instruction. */
ALWAYS_INLINE uint64_t next_rip(const struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return cpu->regs[R_RIP] + insn->next;
}

/* Ends a block after an instruction that must be the last (mode changes, PAUSE): on to the next one. */
ALWAYS_INLINE void leave_after(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t rip = next_rip(cpu, insn);
    x86_leave_block(cpu, (cpu->mode & X86_MODE_BITS) == X86_MODE_64 ? rip : (uint32_t)rip, 0);
}

/* Stamps name_8 .. name_64 from an inline body(cpu, insn, size, …). */
#define STAMP_HANDLER(name, body, ...)                                    \
    static void name(struct x86_cpu *cpu, const struct x86_insn *insn)    \
    {                                                                     \
        body(cpu, insn, __VA_ARGS__);                                     \
    }
#define STAMP_SIZES(name, body, ...)                    \
    STAMP_HANDLER(name##_8, body, 0, ##__VA_ARGS__)     \
    STAMP_HANDLER(name##_16, body, 1, ##__VA_ARGS__)    \
    STAMP_HANDLER(name##_32, body, 2, ##__VA_ARGS__)    \
    STAMP_HANDLER(name##_64, body, 3, ##__VA_ARGS__)
/*
 * The same for a body with a memory operand. One function for the short way, which calls nothing and so needs no
 * frame, and one for all else: the body's last argument is where the short one goes, NULL in the other.
 */
#define STAMP_MEM_HANDLER(name, body, ...)                                                                      \
    static __attribute__((noinline, cold)) void name##_miss(struct x86_cpu *cpu, const struct x86_insn *insn)  \
    {                                                                                                           \
        body(cpu, insn, __VA_ARGS__, NULL);                                                                     \
    }                                                                                                           \
    STAMP_HANDLER(name, body, __VA_ARGS__, name##_miss)
#define STAMP_MEM_SIZES(name, body, ...)                \
    STAMP_MEM_HANDLER(name##_8, body, 0, __VA_ARGS__)   \
    STAMP_MEM_HANDLER(name##_16, body, 1, __VA_ARGS__)  \
    STAMP_MEM_HANDLER(name##_32, body, 2, __VA_ARGS__)  \
    STAMP_MEM_HANDLER(name##_64, body, 3, __VA_ARGS__)
#define SIZES(name) { name##_8, name##_16, name##_32, name##_64 }

/* Decoding helpers. */
#define ROW_ALWAYS FEAT_WORDS, 0

static inline bool operand_is_reg(const ZydisDecodedOperand *operand)
{
    return operand->type == ZYDIS_OPERAND_TYPE_REGISTER;
}

static inline bool operand_is_mem(const ZydisDecodedOperand *operand)
{
    return operand->type == ZYDIS_OPERAND_TYPE_MEMORY;
}

static inline bool operand_is_imm(const ZydisDecodedOperand *operand)
{
    return operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
}

/* A general register (not segment, control, MMX, …). */
static inline bool operand_is_general(const ZydisDecodedOperand *operand)
{
    if (!operand_is_reg(operand)) {
        return false;
    }
    ZydisRegisterClass class = ZydisRegisterGetClass(operand->reg.value);
    return class >= ZYDIS_REGCLASS_GPR8 && class <= ZYDIS_REGCLASS_GPR64;
}

/* log2 of an operand's size in bytes. */
static inline unsigned operand_log2(const ZydisDecodedOperand *operand)
{
    return operand->size >= 8 ? __builtin_ctz(operand->size) - 3 : 0;
}

/* FORM_REG, FORM_IMM, FORM_BASE or FORM_MEM. x86_decode() has filled the memory operand. */
static inline enum operand_form operand_form(const ZydisDecodedOperand *operand, const struct x86_insn *insn)
{
    if (operand_is_reg(operand)) {
        return FORM_REG;
    }
    if (operand_is_imm(operand)) {
        return FORM_IMM;
    }
    bool plain = insn->index == R_ZERO && !(insn->flags & (X86_INSN_ADDR16 | X86_INSN_ADDR32 | X86_INSN_SEG_BASE));
    return plain ? FORM_BASE : FORM_MEM;
}

/* Conditions by mnemonic: Zydis numbers them by name, not by code. */
#define FOR_EACH_CONDITION(X, prefix)                                                                       \
    X(prefix##O, 0) X(prefix##NO, 1) X(prefix##B, 2) X(prefix##NB, 3) X(prefix##Z, 4) X(prefix##NZ, 5)      \
    X(prefix##BE, 6) X(prefix##NBE, 7) X(prefix##S, 8) X(prefix##NS, 9) X(prefix##P, 10) X(prefix##NP, 11)  \
    X(prefix##L, 12) X(prefix##NL, 13) X(prefix##LE, 14) X(prefix##NLE, 15)
#define FOR_EACH_CODE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

/* Handlers by destination form, source form and size. */
struct alu_handlers {
    x86_handler *plain[4][4][4];
    x86_handler *lock[2][4];
};
extern const struct alu_handlers add_handlers, or_handlers, adc_handlers, sbb_handlers, and_handlers, sub_handlers,
    xor_handlers, cmp_handlers, test_handlers;
/* Whether it is a Jcc of 64-bit mode; its condition code is then in `dst`. */
bool is_jcc_64(const struct x86_insn *insn);

/* No operands: op->handlers is the handler. */
x86_translate translate_plain;

#endif
