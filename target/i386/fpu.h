/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x87, MMX and SSE state: bits, access, availability and save images. Shared by the groups that touch it. */
#ifndef FERRY_TARGET_I386_FPU_H
#define FERRY_TARGET_I386_FPU_H

#include "target/i386/cpu.h"
#include "target/i386/flags.h"
#include "target/i386/insn.h"

/* The six exceptions have the same places in the x87 control and status words and in MXCSR. */
#define FP_IE 0x01u
#define FP_DE 0x02u
#define FP_ZE 0x04u
#define FP_OE 0x08u
#define FP_UE 0x10u
#define FP_PE 0x20u
#define FP_EXCEPTIONS 0x3fu

#define FSW_SF 0x0040u
#define FSW_ES 0x0080u
#define FSW_C0 0x0100u
#define FSW_C1 0x0200u
#define FSW_C2 0x0400u
#define FSW_TOP_SHIFT 11
#define FSW_TOP 0x3800u
#define FSW_C3 0x4000u
#define FSW_B 0x8000u
#define FCW_INIT 0x037fu
#define FCW_FIXED 0x0040u /* always reads 1 */
#define FCW_WRITABLE 0x1f3fu

#define MXCSR_INIT 0x1f80u
#define MXCSR_FLAGS 0x003fu
#define MXCSR_DAZ 0x0040u
#define MXCSR_MASKS 0x1f80u
#define MXCSR_RC 0x6000u
#define MXCSR_FTZ 0x8000u
#define MXCSR_WRITABLE 0xffffu

/* Exceptions that are raised and not masked: pending until a waiting instruction raises #MF for them. */
static inline bool x87_pending(const struct x86_cpu *cpu)
{
    return cpu->fpu.status & ~cpu->fpu.control & FP_EXCEPTIONS;
}
/* What every waiting x87 and MMX instruction does first. CR0.NE is taken as set: there is no FERR#/IRQ 13 path. */
static inline void x87_check(struct x86_cpu *cpu)
{
    if (__builtin_expect(x87_pending(cpu), 0)) {
        x86_raise(cpu, EXCP_MF);
    }
}
/* The error summary and busy bits follow from flags and masks. */
static inline void x87_update_summary(struct x87_state *fpu)
{
    bool pending = fpu->status & ~fpu->control & FP_EXCEPTIONS;
    fpu->status = (fpu->status & ~(FSW_ES | FSW_B)) | (pending ? FSW_ES | FSW_B : 0);
}
static inline void x87_set_control(struct x87_state *fpu, uint16_t value)
{
    fpu->control = (value & FCW_WRITABLE) | FCW_FIXED;
    x87_update_summary(fpu);
}
static inline uint16_t x87_status(const struct x87_state *fpu)
{
    return (fpu->status & ~FSW_TOP) | (fpu->top & 7) << FSW_TOP_SHIFT;
}
static inline void x87_set_status(struct x87_state *fpu, uint16_t value)
{
    fpu->top = (value & FSW_TOP) >> FSW_TOP_SHIFT;
    fpu->status = value & ~FSW_TOP;
    x87_update_summary(fpu);
}
static inline void x87_init(struct x87_state *fpu)
{
    fpu->control = FCW_INIT;
    fpu->status = 0;
    fpu->top = 0;
    fpu->empty = 0xff;
    fpu->opcode = 0;
    fpu->ip = fpu->dp = 0;
}

/*
 * MMX registers alias the mantissas. Any MMX instruction but EMMS makes all eight valid with TOP 0; a write sets the
 * exponent to all ones.
 */
#define mmx_check x87_check
static inline uint64_t mmx_get(const struct x86_cpu *cpu, unsigned n)
{
    return cpu->fpu.regs[n].mantissa;
}
static inline void mmx_enter(struct x86_cpu *cpu)
{
    cpu->fpu.top = 0;
    cpu->fpu.empty = 0;
}
static inline void mmx_set(struct x86_cpu *cpu, unsigned n, uint64_t value)
{
    mmx_enter(cpu);
    cpu->fpu.regs[n].mantissa = value;
    cpu->fpu.regs[n].exponent = 0xffff;
}

/* Handlers that decoding picks while CR0 or CR4 forbids the group: they raise #UD or #NM by the registers' state. */
x86_handler x87_unavailable, mmx_unavailable, sse_unavailable, fxsave_unavailable;

/* The legacy 512-byte image (FXSAVE, and XSAVE's first part) in host memory. */
struct fxsave_image {
    uint16_t fcw, fsw;
    uint8_t ftw, reserved0;
    uint16_t fop;
    uint64_t fip, fdp; /* 32-bit form: offset in the low half, selector (0) above */
    uint32_t mxcsr, mxcsr_mask;
    struct {
        uint64_t mantissa;
        uint16_t exponent, reserved[3];
    } st[8];
    union x86_xmm xmm[16];
    uint8_t available[96];
};
_Static_assert(sizeof(struct fxsave_image) == 512, "as the processor lays it out");

/* x87 part (bytes 0..23, 32..159) between image and state. `wide`: 64-bit instruction and data pointers. */
void fxsave_put_x87(const struct x87_state *fpu, struct fxsave_image *image, bool wide);
void fxsave_get_x87(struct x87_state *fpu, const struct fxsave_image *image, bool wide);
/* The full tag word: 2 bits per physical register, 0 valid, 1 zero, 2 special, 3 empty. */
uint16_t x87_tag_word(const struct x87_state *fpu);

#endif
