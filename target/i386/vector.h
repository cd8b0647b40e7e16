/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the MMX and SSE groups (ops-sse*.c, ops-mmx.c) share: operand forms, the one translator, loads and checks, and
 * the macros that stamp a handler per form.
 *
 * The host is x86-64 too, so an operation's body is the same host instruction on the same bits. Integer and move
 * operations do not look at MXCSR and run under whatever the host has; floating-point ones go through FP_RUN().
 */
#ifndef FERRY_TARGET_I386_VECTOR_H
#define FERRY_TARGET_I386_VECTOR_H

#include <emmintrin.h>

#include "accel/tcg/mem.h"
#include "target/i386/decode.h"
#include "target/i386/fpu.h"

/* Operand forms, destination first. X: XMM, P: MMX, G: general register, M: memory, I: immediate, 0: none. */
enum vec_shape {
    VF_END,
    VF_XX, VF_XM, VF_MX, VF_PP, VF_PM, VF_MP, VF_XG, VF_GX, VF_XP, VF_PX, VF_PG, VF_GP, VF_GM, VF_MG,
    VF_XI, VF_PI, VF_M0, VF_00,
    VF_W = 0x80, /* with REX.W; a form without it also matches REX.W if the row has no VF_W twin */
};
struct vec_form {
    uint8_t shape;
    x86_handler *handler;
};

/* The translator of every row: `handlers` is a struct vec_form list ended by VF_END. */
x86_translate vec_translate;
/* For MASKMOVDQU and MASKMOVQ, whose memory operand is implied. */
x86_translate vec_translate_masked;
/*
 * For operations whose imm8 is part of the host instruction: `handlers` is a struct vec_imm. insn->imm becomes the
 * address of the host code for that immediate (see ops-sse-imm.c).
 */
struct vec_imm {
    const struct vec_form *forms;
    const uint8_t *code, *mmx_code; /* one entry of (1 << entry_shift) bytes per immediate */
    uint8_t entry_shift;
};
x86_translate vec_translate_imm;

/* A row for the tables. CPUID bits are checked by vec_translate, per form (PADDB is MMX's or SSE2's). */
#define VEC_ROW(MNEMONIC, list) { ZYDIS_MNEMONIC_##MNEMONIC, FEAT_WORDS, 0, vec_translate, list, 0 }
#define VEC_IMM_ROW(MNEMONIC, imm) { ZYDIS_MNEMONIC_##MNEMONIC, FEAT_WORDS, 0, vec_translate_imm, &(imm), 0 }
#define VEC_TABLE_END { 0, FEAT_WORDS, 0, NULL, NULL, 0 }

static inline __m128i vec_get(const struct x86_cpu *cpu, unsigned n)
{
    return _mm_load_si128((const __m128i *)&cpu->xmm[n]);
}
static inline void vec_set(struct x86_cpu *cpu, unsigned n, __m128i value)
{
    _mm_store_si128((__m128i *)&cpu->xmm[n], value);
}

/* Most 16-byte memory operands must be aligned; #GP(0) comes before any page fault. */
static inline uint64_t vec_aligned(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t va = x86_linear(cpu, insn);
    if (__builtin_expect(va & 15, 0)) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    return va;
}
static inline __m128i vec_load_unaligned(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    union x86_xmm value;
    mem_ld128(cpu, x86_linear(cpu, insn), &value);
    return _mm_set_epi64x((int64_t)value.q[1], (int64_t)value.q[0]);
}
static inline __m128i vec_load16(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    union x86_xmm value;
    mem_ld128(cpu, vec_aligned(cpu, insn), &value);
    return _mm_set_epi64x((int64_t)value.q[1], (int64_t)value.q[0]);
}
static inline __m128i vec_load8(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return _mm_set_epi64x(0, (int64_t)mem_ld64(cpu, x86_linear(cpu, insn)));
}
static inline __m128i vec_load4(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return _mm_set_epi64x(0, mem_ld32(cpu, x86_linear(cpu, insn)));
}
static inline __m128i vec_load2(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return _mm_set_epi64x(0, mem_ld16(cpu, x86_linear(cpu, insn)));
}
static inline void vec_store(struct x86_cpu *cpu, uint64_t va, __m128i value)
{
    union x86_xmm v;
    _mm_store_si128((__m128i *)&v, value);
    mem_st128(cpu, va, &v);
}

/* A general register operand: dst and src are byte offsets into cpu->regs. 32-bit writes clear the upper half. */
static inline uint64_t *vec_gpr(struct x86_cpu *cpu, unsigned offset)
{
    return (uint64_t *)((uint8_t *)cpu->regs + offset);
}

/* PCMPxSTRx, PTEST, COMISD set all six. */
static inline void vec_set_flags(struct x86_cpu *cpu, uint32_t flags)
{
    cpu->eflags = (cpu->eflags & ~EFLAGS_ARITH) | flags;
    cpu->cc_op = CC_OP_EFLAGS;
}

/* Handlers dst = name(dst, src) from name_body(d, s): register form, and memory form with the given load. */
#define VEC_HANDLERS(name, load)                                                      \
    static void name##_xx(struct x86_cpu *cpu, const struct x86_insn *insn)           \
    {                                                                                 \
        vec_set(cpu, insn->dst, name##_body(vec_get(cpu, insn->dst), vec_get(cpu, insn->src))); \
        X86_NEXT(cpu, insn);                                                          \
    }                                                                                 \
    static void name##_xm(struct x86_cpu *cpu, const struct x86_insn *insn)           \
    {                                                                                 \
        vec_set(cpu, insn->dst, name##_body(vec_get(cpu, insn->dst), load(cpu, insn))); \
        X86_NEXT(cpu, insn);                                                          \
    }

/* The host instruction `name`, two operands, no MXCSR. */
#define VEC_BODY(name)                                     \
    static inline __m128i name##_body(__m128i d, __m128i s) \
    {                                                      \
        asm(#name " %1, %0" : "+x"(d) : "x"(s));           \
        return d;                                          \
    }

/* The same on MMX registers. EMMS leaves the host's x87 as its code expects it. */
#define VEC_MMX_BODY(name)                                        \
    static inline uint64_t name##_mmx_body(uint64_t d, uint64_t s) \
    {                                                             \
        asm("movq %0, %%mm0\n\tmovq %1, %%mm1\n\t" #name          \
            " %%mm1, %%mm0\n\tmovq %%mm0, %0\n\temms"             \
            : "+r"(d)                                             \
            : "r"(s)                                              \
            : "mm0", "mm1");                                      \
        return d;                                                 \
    }
#define VEC_MMX_HANDLERS(name, load)                                        \
    static void name##_pp(struct x86_cpu *cpu, const struct x86_insn *insn) \
    {                                                                       \
        mmx_check(cpu);                                                     \
        mmx_set(cpu, insn->dst, name##_mmx_body(mmx_get(cpu, insn->dst), mmx_get(cpu, insn->src))); \
        X86_NEXT(cpu, insn);                                                \
    }                                                                       \
    static void name##_pm(struct x86_cpu *cpu, const struct x86_insn *insn) \
    {                                                                       \
        mmx_check(cpu);                                                     \
        uint64_t s = load(cpu, x86_linear(cpu, insn));                      \
        mmx_set(cpu, insn->dst, name##_mmx_body(mmx_get(cpu, insn->dst), s)); \
        X86_NEXT(cpu, insn);                                                \
    }

#define HOST_MXCSR 0x1f80u
extern const uint32_t vec_host_mxcsr;

/* The guest's MXCSR as the host may run under it: nothing unmasked, no flag set yet, no reserved bit (a stream's). */
static inline uint32_t vec_csr(const struct x86_cpu *cpu)
{
    return (cpu->mxcsr & MXCSR_WRITABLE & ~MXCSR_FLAGS) | MXCSR_MASKS;
}
static inline bool vec_any_unmasked(const struct x86_cpu *cpu)
{
    return __builtin_expect((cpu->mxcsr & MXCSR_MASKS) != MXCSR_MASKS, 0);
}
/*
 * Some exception is unmasked. `flags`: what the masked operation raised; `exact`, `flushed`: the same with
 * flush-to-zero off and on, which tells an unmasked underflow (tiny, even if exact). Raises, or returns the flags
 * to commit.
 */
uint32_t vec_fp_unmasked(struct x86_cpu *cpu, uint32_t flags, uint32_t exact, uint32_t flushed);

/*
 * An asm statement `text` and the MXCSR after it, in `after`. `plain`: under the host's MXCSR as it is; else
 * between loads of `csr` and of the host's. Operands are named; `outs` and `ins` are VEC_ARGS(...) lists.
 */
#define VEC_ARGS(...) __VA_ARGS__
#define VEC_UNDER_CSR(plain, csr, after, text, outs, ins, ...)                                        \
    do {                                                                                              \
        if (plain) {                                                                                  \
            asm volatile(text "\n\tstmxcsr %[csr_after]" : outs, [csr_after] "=m"(after) : ins          \
                         : "memory", ##__VA_ARGS__);                                                  \
        } else {                                                                                      \
            asm volatile("ldmxcsr %[csr_guest]\n\t" text "\n\tstmxcsr %[csr_after]\n\tldmxcsr %[csr_host]" \
                         : outs, [csr_after] "=m"(after)                                              \
                         : ins, [csr_guest] "m"(csr), [csr_host] "m"(vec_host_mxcsr)                  \
                         : "memory", ##__VA_ARGS__);                                                  \
        }                                                                                             \
    } while (0)

/*
 * Runs `host(plain, csr, d, s, &r)`, which executes the operation and returns the MXCSR afterwards; raises what is
 * unmasked before anything is committed, then commits the flags.
 *
 * Loading MXCSR twice costs more than the operation. With the guest's controls at their default, which are the
 * host's, it first runs plain: if the host's sticky flags then show nothing that the guest's MXCSR lacks, no flag
 * is due.
 */
#define VEC_FP_RUN(cpu, host, d, s, r)                                                                  \
    do {                                                                                                \
        if (__builtin_expect(((cpu)->mxcsr & ~MXCSR_FLAGS) == HOST_MXCSR, 1) &&                         \
            __builtin_expect(!(host(true, 0, d, s, &(r)) & ~(cpu)->mxcsr & MXCSR_FLAGS), 1)) {          \
            break;                                                                                      \
        }                                                                                               \
        uint32_t csr_ = vec_csr(cpu);                                                                   \
        uint32_t flags_ = host(false, csr_, d, s, &(r)) & MXCSR_FLAGS;                                  \
        if (vec_any_unmasked(cpu)) {                                                                    \
            __m128i unused_;                                                                            \
            uint32_t exact_ = host(false, csr_ & ~MXCSR_FTZ, d, s, &unused_);                           \
            flags_ = vec_fp_unmasked(cpu, flags_, exact_, host(false, csr_ | MXCSR_FTZ, d, s, &unused_)); \
        }                                                                                               \
        (cpu)->mxcsr |= flags_;                                                                         \
    } while (0)

/* host(): the two-operand host instruction. */
#define VEC_FP_HOST(name)                                                                               \
    static inline uint32_t name##_host(bool plain, uint32_t csr, __m128i d, __m128i s, __m128i *r)      \
    {                                                                                                   \
        uint32_t after;                                                                                 \
        VEC_UNDER_CSR(plain, csr, after, #name " %[s], %[d]", VEC_ARGS([d] "+x"(d)), VEC_ARGS([s] "x"(s))); \
        *r = d;                                                                                         \
        return after;                                                                                   \
    }
#define VEC_FP_HANDLERS(name, load)                                           \
    static void name##_xx(struct x86_cpu *cpu, const struct x86_insn *insn)   \
    {                                                                         \
        __m128i r;                                                            \
        VEC_FP_RUN(cpu, name##_host, vec_get(cpu, insn->dst), vec_get(cpu, insn->src), r); \
        vec_set(cpu, insn->dst, r);                                           \
        X86_NEXT(cpu, insn);                                                  \
    }                                                                         \
    static void name##_xm(struct x86_cpu *cpu, const struct x86_insn *insn)   \
    {                                                                         \
        __m128i r, s = load(cpu, insn);                                       \
        VEC_FP_RUN(cpu, name##_host, vec_get(cpu, insn->dst), s, r);          \
        vec_set(cpu, insn->dst, r);                                           \
        X86_NEXT(cpu, insn);                                                  \
    }

#endif
