/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * XCHG XADD CMPXCHG CMPXCHG8B CMPXCHG16B. XCHG with memory is always locked. Locked operations are the host's atomics
 * on guest RAM; on MMIO and across a page boundary they are a load and a store while no other vCPU runs
 * (mem_exclusive()).
 */
#include "target/i386/ops.h"

void *lock_host_slow(struct x86_cpu *cpu, uint64_t va, unsigned size)
{
    void *host = mem_host(cpu, va, 1u << size, true, cpu->mmu_index);
    if (!host) {
        mem_exclusive(cpu);
    }
    return host;
}

ALWAYS_INLINE void xchg_reg_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size)
{
    uint64_t a = reg_get(cpu, insn->dst, size), b = reg_get(cpu, insn->src, size);
    reg_set(cpu, insn->dst, size, b);
    reg_set(cpu, insn->src, size, a);
    X86_NEXT(cpu, insn);
}

ALWAYS_INLINE void xchg_mem_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size)
{
    uint64_t va = x86_linear(cpu, insn), old, value = reg_get(cpu, insn->src, size);
    void *host = lock_host(cpu, va, size);
    if (host) {
        old = host_load(host, size);
        while (!host_cas(host, size, &old, value)) {
        }
    } else {
        old = mem_get(cpu, va, size);
        mem_put(cpu, va, size, value);
    }
    reg_set(cpu, insn->src, size, old);
    X86_NEXT(cpu, insn);
}

ALWAYS_INLINE void xadd_reg_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size)
{
    uint64_t old = reg_get(cpu, insn->dst, size), value = reg_get(cpu, insn->src, size);
    reg_set(cpu, insn->src, size, old);
    reg_set(cpu, insn->dst, size, old + value);
    set_lazy_flags(cpu, CC_ADD, size, old + value, value);
    X86_NEXT(cpu, insn);
}

ALWAYS_INLINE void xadd_mem_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size)
{
    uint64_t va = x86_linear(cpu, insn), old, value = reg_get(cpu, insn->src, size);
    void *host = insn->flags & X86_INSN_LOCK ? lock_host(cpu, va, size) : NULL;
    if (host) {
        old = host_load(host, size);
        while (!host_cas(host, size, &old, old + value)) {
        }
    } else {
        old = mem_get(cpu, va, size);
        mem_put(cpu, va, size, old + value);
    }
    reg_set(cpu, insn->src, size, old);
    set_lazy_flags(cpu, CC_ADD, size, old + value, value);
    X86_NEXT(cpu, insn);
}

/* What CMPXCHG does to rAX and flags: those of CMP rAX, old. */
ALWAYS_INLINE void cmpxchg_commit(struct x86_cpu *cpu, unsigned size, uint64_t expected, uint64_t old)
{
    set_lazy_flags(cpu, CC_SUB, size, expected - old, old);
    if (expected != old) {
        reg_set(cpu, R_RAX * 8, size, old);
    }
}

ALWAYS_INLINE void cmpxchg_reg_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size)
{
    uint64_t expected = reg_get(cpu, R_RAX * 8, size), old = reg_get(cpu, insn->dst, size);
    uint64_t value = reg_get(cpu, insn->src, size);
    cmpxchg_commit(cpu, size, expected, old);
    if (expected == old) { /* else not even a 32-bit register's upper half changes: AMD's way */
        reg_set(cpu, insn->dst, size, value);
    }
    X86_NEXT(cpu, insn);
}

ALWAYS_INLINE void cmpxchg_mem_body(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned size)
{
    uint64_t va = x86_linear(cpu, insn), value = reg_get(cpu, insn->src, size);
    uint64_t expected = reg_get(cpu, R_RAX * 8, size), old = expected;
    void *host = insn->flags & X86_INSN_LOCK ? lock_host(cpu, va, size) : NULL;
    if (host) {
        host_cas(host, size, &old, value);
    } else {
        old = mem_get(cpu, va, size);
        mem_put(cpu, va, size, old == expected ? value : old); /* the store is made in either case, as by hardware */
    }
    cmpxchg_commit(cpu, size, expected, old);
    X86_NEXT(cpu, insn);
}

ALWAYS_INLINE void set_zf(struct x86_cpu *cpu, bool zf)
{
    flags_resolve(cpu, (flags_arith(cpu) & ~EFLAGS_ZF) | (zf ? EFLAGS_ZF : 0));
}

static void cmpxchg8b(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t va = x86_linear(cpu, insn);
    uint64_t expected = cpu->regs[R_RDX] << 32 | (uint32_t)cpu->regs[R_RAX], old = expected;
    uint64_t value = cpu->regs[R_RCX] << 32 | (uint32_t)cpu->regs[R_RBX];
    void *host = lock_host(cpu, va, 3);
    if (host) {
        host_cas(host, 3, &old, value);
    } else {
        old = mem_ld64(cpu, va);
        mem_st64(cpu, va, old == expected ? value : old);
    }
    set_zf(cpu, old == expected);
    if (old != expected) {
        reg_set(cpu, R_RAX * 8, 2, old);
        reg_set(cpu, R_RDX * 8, 2, old >> 32);
    }
    X86_NEXT(cpu, insn);
}

static void cmpxchg16b(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t va = x86_linear(cpu, insn);
    if (va & 15) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    uint64_t low = cpu->regs[R_RAX], high = cpu->regs[R_RDX];
    void *host = lock_host_slow(cpu, va, 4);
    bool equal;
    if (host) {
        __asm__ volatile("lock cmpxchg16b %1"
                         : "=@ccz"(equal), "+m"(*(unsigned __int128 *)host), "+a"(low), "+d"(high)
                         : "b"(cpu->regs[R_RBX]), "c"(cpu->regs[R_RCX])
                         : "memory");
    } else {
        union x86_xmm old, value = { .q = { cpu->regs[R_RBX], cpu->regs[R_RCX] } };
        mem_ld128(cpu, va, &old);
        equal = old.q[0] == low && old.q[1] == high;
        mem_st128(cpu, va, equal ? &value : &old);
        low = old.q[0];
        high = old.q[1];
    }
    set_zf(cpu, equal);
    if (!equal) {
        cpu->regs[R_RAX] = low;
        cpu->regs[R_RDX] = high;
    }
    X86_NEXT(cpu, insn);
}

STAMP_SIZES(xchg_r, xchg_reg_body)
STAMP_SIZES(xchg_m, xchg_mem_body)
STAMP_SIZES(xadd_r, xadd_reg_body)
STAMP_SIZES(xadd_m, xadd_mem_body)
STAMP_SIZES(cmpxchg_r, cmpxchg_reg_body)
STAMP_SIZES(cmpxchg_m, cmpxchg_mem_body)
static x86_handler *const xchg_handlers[2][4] = { SIZES(xchg_r), SIZES(xchg_m) };
static x86_handler *const xadd_handlers[2][4] = { SIZES(xadd_r), SIZES(xadd_m) };
static x86_handler *const cmpxchg_handlers[2][4] = { SIZES(cmpxchg_r), SIZES(cmpxchg_m) };

/* Memory may be either operand of XCHG; the register is then `src`. */
static enum x86_decode_result translate_exchange(const struct x86_decode_context *ctx, const struct x86_op *op,
                                                 const ZydisDecodedInstruction *zi,
                                                 const ZydisDecodedOperand *operands, struct x86_insn *insn)
{
    x86_handler *const (*handlers)[4] = op->handlers;
    bool memory = insn->flags & X86_INSN_MEM;
    if (!memory) {
        insn->dst = x86_register_offset(operands[0].reg.value);
    }
    insn->src = x86_register_offset(operands[memory && operand_is_reg(&operands[0]) ? 0 : 1].reg.value);
    insn->handler = handlers[memory][insn->opsize];
    return X86_DECODE_OK;
}

static enum x86_decode_result translate_cmpxchg_wide(const struct x86_decode_context *ctx, const struct x86_op *op,
                                                     const ZydisDecodedInstruction *zi,
                                                     const ZydisDecodedOperand *operands, struct x86_insn *insn)
{
    insn->opsize = op->arg;
    insn->handler = (x86_handler *)op->handlers;
    return X86_DECODE_OK;
}

const struct x86_op x86_ops_atomic[] = {
    { ZYDIS_MNEMONIC_XCHG, ROW_ALWAYS, translate_exchange, xchg_handlers },
    { ZYDIS_MNEMONIC_XADD, ROW_ALWAYS, translate_exchange, xadd_handlers },
    { ZYDIS_MNEMONIC_CMPXCHG, ROW_ALWAYS, translate_exchange, cmpxchg_handlers },
    { ZYDIS_MNEMONIC_CMPXCHG8B, FEAT_1_EDX, 8, translate_cmpxchg_wide, cmpxchg8b, 3 },
    { ZYDIS_MNEMONIC_CMPXCHG16B, FEAT_1_ECX, 13, translate_cmpxchg_wide, cmpxchg16b, 4 },
    { 0 },
};
