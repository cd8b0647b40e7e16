/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors and stacks: what segment loads, far transfers, exceptions and task switches share. */
#ifndef FERRY_I386_SEGMENT_H
#define FERRY_I386_SEGMENT_H

#include "accel/tcg/mem.h"
#include "target/i386/decode.h"
#include "target/i386/flags.h"
#include "target/i386/insn.h"
#include "target/i386/system-ops.h"

struct x86_descriptor {
    uint32_t low, high;
    uint64_t address; /* linear, of its table entry */
};

/* System descriptor types. */
enum {
    DESC_TSS16 = 1, DESC_LDT = 2, DESC_TSS16_BUSY = 3, DESC_CALL_GATE16 = 4, DESC_TASK_GATE = 5, DESC_INT_GATE16 = 6,
    DESC_TRAP_GATE16 = 7, DESC_TSS = 9, DESC_TSS_BUSY = 11, DESC_CALL_GATE = 12, DESC_INT_GATE = 14,
    DESC_TRAP_GATE = 15,
};

static inline uint32_t desc_base(const struct x86_descriptor *d)
{
    return d->low >> 16 | (d->high & 0xff) << 16 | (d->high & 0xff000000);
}
static inline uint32_t desc_limit(const struct x86_descriptor *d)
{
    uint32_t limit = (d->low & 0xffff) | (d->high & 0xf0000);
    return d->high & SEG_G ? limit << 12 | 0xfff : limit;
}
static inline unsigned desc_dpl(const struct x86_descriptor *d)
{
    return d->high >> SEG_DPL_SHIFT & 3;
}
static inline unsigned desc_type(const struct x86_descriptor *d)
{
    return d->high >> SEG_TYPE_SHIFT & 15;
}
static inline bool desc_is_code(const struct x86_descriptor *d)
{
    return d->high & SEG_S && d->high & SEG_CODE;
}
static inline bool desc_is_writable_data(const struct x86_descriptor *d)
{
    return d->high & SEG_S && !(d->high & SEG_CODE) && d->high & SEG_RW;
}
static inline bool desc_present(const struct x86_descriptor *d)
{
    return d->high & SEG_P;
}
static inline bool is_64bit(const struct x86_cpu *cpu)
{
    return (cpu->mode & X86_MODE_BITS) == X86_MODE_64;
}
static inline bool is_long_mode(const struct x86_cpu *cpu)
{
    return cpu->efer & EFER_LMA;
}
static inline bool is_protected(const struct x86_cpu *cpu) /* neither real mode nor VM86 */
{
    return cpu->mode & X86_MODE_PE;
}

/* False: beyond the table's limit. May raise page faults. */
bool x86_descriptor_read(struct x86_cpu *cpu, uint16_t selector, struct x86_descriptor *d);
/* Upper half of a 16-byte descriptor (long mode TSS, LDT, call gate): its base's bits 63..32. */
bool x86_descriptor_read_upper(struct x86_cpu *cpu, uint16_t selector, uint64_t *upper);
void x86_descriptor_set_accessed(struct x86_cpu *cpu, struct x86_descriptor *d);

/* Sets the hidden part, no checks; update_mode is the caller's. */
void x86_segment_set(struct x86_segment *seg, uint16_t selector, const struct x86_descriptor *d);
void x86_segment_set_real(struct x86_segment *seg, uint16_t selector);
void x86_segment_set_null(struct x86_segment *seg, uint16_t selector, unsigned dpl);

/* SS and ESP/RSP for `cpl` from the TSS; raises #TS. Long mode: RSP only (`ist` 1..7 or 0). */
void x86_tss_stack(struct x86_cpu *cpu, unsigned cpl, uint16_t *ss, uint32_t *esp);
uint64_t x86_tss_stack64(struct x86_cpu *cpu, unsigned cpl, unsigned ist);
/* A stack segment for a switch to `cpl`; faults with `vector` (#TS, #GP, …) and #SS, error code the selector. */
void x86_check_stack_segment(struct x86_cpu *cpu, uint16_t ss, unsigned cpl, enum x86_exception vector,
                             struct x86_descriptor *d);
/* Data segments that the new privilege level may not keep are made null. */
void x86_drop_privileged_segments(struct x86_cpu *cpu, unsigned cpl);

/* Pushes and pops on a stack that is not (yet) the CPU's own. */
struct x86_stack {
    struct x86_cpu *cpu;
    uint64_t base, mask, pointer;
    unsigned mmu;
};
/* The current one, or (base, flags of SS) of another. */
struct x86_stack x86_stack_current(struct x86_cpu *cpu);
struct x86_stack x86_stack_of(struct x86_cpu *cpu, const struct x86_descriptor *ss, uint64_t pointer, unsigned cpl);
void x86_push(struct x86_stack *stack, uint64_t value, unsigned log2_size);
uint64_t x86_pop(struct x86_stack *stack, unsigned log2_size);
/* Value of ESP/RSP as the stack's width leaves it. */
void x86_stack_commit(struct x86_stack *stack);

enum task_switch { TASK_JUMP, TASK_CALL, TASK_IRET, TASK_GATE };
/* To the task of a TSS descriptor. Returns with the new task's state loaded; RIP committed. */
void x86_task_switch(struct x86_cpu *cpu, uint16_t selector, struct x86_descriptor *d, enum task_switch how,
                     uint64_t next_rip);

G_GNUC_NORETURN static inline void raise_selector(struct x86_cpu *cpu, enum x86_exception vector, uint16_t selector)
{
    x86_raise_error(cpu, vector, selector & 0xfffc);
}

#endif
