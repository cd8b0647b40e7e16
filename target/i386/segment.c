/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptor tables, segment registers, stacks of the TSS. SDM 3A chapters 3, 5 and 7. */
#include "target/i386/segment.h"

bool x86_descriptor_read(struct x86_cpu *cpu, uint16_t selector, struct x86_descriptor *d)
{
    const struct x86_segment *table = selector & 4 ? &cpu->ldt : &cpu->gdt;
    uint32_t offset = selector & 0xfff8;

    if (selector & 4 && (!(cpu->ldt.flags & SEG_P) || !(cpu->ldt.selector & 0xfffc))) {
        return false;
    }
    if (offset + 7 > table->limit) {
        return false;
    }
    d->address = table->base + offset;
    d->low = mem_ld32_mmu(cpu, d->address, MMU_KERNEL);
    d->high = mem_ld32_mmu(cpu, d->address + 4, MMU_KERNEL);
    return true;
}

bool x86_descriptor_read_upper(struct x86_cpu *cpu, uint16_t selector, uint64_t *upper)
{
    const struct x86_segment *table = selector & 4 ? &cpu->ldt : &cpu->gdt;
    uint32_t offset = selector & 0xfff8;

    if (offset + 15 > table->limit) {
        return false;
    }
    *upper = (uint64_t)mem_ld32_mmu(cpu, table->base + offset + 8, MMU_KERNEL) << 32;
    return true;
}

void x86_descriptor_set_accessed(struct x86_cpu *cpu, struct x86_descriptor *d)
{
    if (!(d->high & SEG_A)) {
        d->high |= SEG_A;
        mem_st32_mmu(cpu, d->address + 4, d->high, MMU_KERNEL);
    }
}

void x86_segment_set(struct x86_segment *seg, uint16_t selector, const struct x86_descriptor *d)
{
    *seg = (struct x86_segment) {
        .selector = selector, .base = desc_base(d), .limit = desc_limit(d), .flags = d->high & 0x00f0ff00
    };
}

void x86_segment_set_real(struct x86_segment *seg, uint16_t selector)
{
    seg->selector = selector;
    seg->base = (uint32_t)selector << 4;
}

void x86_segment_set_null(struct x86_segment *seg, uint16_t selector, unsigned dpl)
{
    *seg = (struct x86_segment) { .selector = selector, .flags = dpl << SEG_DPL_SHIFT };
}

/* VM86: what a real-mode selector means there. */
static void load_vm86(struct x86_segment *seg, uint16_t selector)
{
    *seg = (struct x86_segment) {
        .selector = selector, .base = (uint32_t)selector << 4, .limit = 0xffff,
        .flags = SEG_P | SEG_S | SEG_RW | SEG_A | 3 << SEG_DPL_SHIFT
    };
}

static void load_null(struct x86_cpu *cpu, unsigned seg, uint16_t selector)
{
    if (seg == S_SS && !(is_64bit(cpu) && cpu->cpl != 3 && (selector & 3) == cpu->cpl)) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    x86_segment_set_null(&cpu->segs[seg], selector, seg == S_SS ? cpu->cpl : 0);
}

static void check_data_segment(struct x86_cpu *cpu, uint16_t selector, const struct x86_descriptor *d)
{
    unsigned rpl = selector & 3;
    bool conforming = desc_is_code(d) && d->high & SEG_CONFORMING;

    if (!(d->high & SEG_S) || (desc_is_code(d) && !(d->high & SEG_RW)) ||
        (!conforming && (rpl > desc_dpl(d) || cpu->cpl > desc_dpl(d)))) {
        raise_selector(cpu, EXCP_GP, selector);
    }
    if (!desc_present(d)) {
        raise_selector(cpu, EXCP_NP, selector);
    }
}

static void load_protected(struct x86_cpu *cpu, unsigned seg, uint16_t selector)
{
    struct x86_descriptor d;

    if ((selector & 0xfffc) == 0) {
        load_null(cpu, seg, selector);
        return;
    }
    if (!x86_descriptor_read(cpu, selector, &d)) {
        raise_selector(cpu, EXCP_GP, selector);
    }
    if (seg == S_SS) {
        if ((selector & 3) != cpu->cpl) {
            raise_selector(cpu, EXCP_GP, selector);
        }
        x86_check_stack_segment(cpu, selector, cpu->cpl, EXCP_GP, &d);
    } else {
        check_data_segment(cpu, selector, &d);
    }
    x86_descriptor_set_accessed(cpu, &d);
    x86_segment_set(&cpu->segs[seg], selector, &d);
}

void x86_load_segment(struct x86_cpu *cpu, unsigned seg, uint16_t selector)
{
    if (is_protected(cpu)) {
        load_protected(cpu, seg, selector);
    } else if (cpu->mode & X86_MODE_VM86) {
        load_vm86(&cpu->segs[seg], selector);
    } else {
        x86_segment_set_real(&cpu->segs[seg], selector);
    }
    x86_cpu_update_mode(cpu);
    if (seg == S_SS) {
        x86_set_interrupt_shadow(cpu);
    }
}

void x86_check_stack_segment(struct x86_cpu *cpu, uint16_t ss, unsigned cpl, enum x86_exception vector,
                             struct x86_descriptor *d)
{
    if ((ss & 0xfffc) == 0 || !x86_descriptor_read(cpu, ss, d) || (ss & 3) != cpl || desc_dpl(d) != cpl ||
        !desc_is_writable_data(d)) {
        raise_selector(cpu, vector, ss);
    }
    if (!desc_present(d)) {
        raise_selector(cpu, EXCP_SS, ss);
    }
}

void x86_drop_privileged_segments(struct x86_cpu *cpu, unsigned cpl)
{
    static const uint8_t data_segments[] = { S_ES, S_DS, S_FS, S_GS };

    for (size_t i = 0; i < G_N_ELEMENTS(data_segments); i++) {
        struct x86_segment *seg = &cpu->segs[data_segments[i]];
        bool conforming = seg->flags & SEG_CODE && seg->flags & SEG_CONFORMING;
        if ((seg->flags >> SEG_DPL_SHIFT & 3) < cpl && !conforming) {
            uint64_t base = seg->base; /* FS and GS keep theirs: 64-bit code has it from the MSRs */
            x86_segment_set_null(seg, 0, 0);
            seg->base = is_long_mode(cpu) && data_segments[i] >= S_FS ? base : 0;
        }
    }
}

/* --- the TSS's stacks --- */

void x86_tss_stack(struct x86_cpu *cpu, unsigned cpl, uint16_t *ss, uint32_t *esp)
{
    bool wide = cpu->tr.flags >> SEG_TYPE_SHIFT & 8;
    uint32_t offset = wide ? 4 + 8 * cpl : 2 + 4 * cpl;

    if (offset + (wide ? 5 : 3) > cpu->tr.limit) {
        raise_selector(cpu, EXCP_TS, cpu->tr.selector);
    }
    if (wide) {
        *esp = mem_ld32_mmu(cpu, cpu->tr.base + offset, MMU_KERNEL);
        *ss = mem_ld16_mmu(cpu, cpu->tr.base + offset + 4, MMU_KERNEL);
    } else {
        *esp = mem_ld16_mmu(cpu, cpu->tr.base + offset, MMU_KERNEL);
        *ss = mem_ld16_mmu(cpu, cpu->tr.base + offset + 2, MMU_KERNEL);
    }
}

uint64_t x86_tss_stack64(struct x86_cpu *cpu, unsigned cpl, unsigned ist)
{
    uint32_t offset = ist ? 0x24 + 8 * (ist - 1) : 4 + 8 * cpl;

    if (offset + 7 > cpu->tr.limit) {
        raise_selector(cpu, EXCP_TS, cpu->tr.selector);
    }
    return mem_ld64_mmu(cpu, cpu->tr.base + offset, MMU_KERNEL);
}

struct x86_stack x86_stack_current(struct x86_cpu *cpu)
{
    return (struct x86_stack) {
        cpu, is_64bit(cpu) ? 0 : cpu->segs[S_SS].base, x86_stack_mask(cpu), cpu->regs[R_RSP], cpu->mmu_index
    };
}

struct x86_stack x86_stack_of(struct x86_cpu *cpu, const struct x86_descriptor *ss, uint64_t pointer, unsigned cpl)
{
    struct x86_stack stack = { cpu, 0, UINT64_MAX, pointer, cpl == 3 ? MMU_USER : MMU_KERNEL };
    if (ss) {
        stack.base = desc_base(ss);
        stack.mask = ss->high & SEG_B ? 0xffffffff : 0xffff;
    }
    return stack;
}

static uint64_t stack_linear(const struct x86_stack *stack)
{
    uint64_t linear = stack->base + (stack->pointer & stack->mask);
    return stack->mask == UINT64_MAX ? linear : (uint32_t)linear;
}

static void move_pointer(struct x86_stack *stack, int64_t by)
{
    stack->pointer = (stack->pointer & ~stack->mask) | ((stack->pointer + by) & stack->mask);
}

void x86_push(struct x86_stack *stack, uint64_t value, unsigned log2_size)
{
    move_pointer(stack, -(1 << log2_size));
    uint64_t linear = stack_linear(stack);
    switch (log2_size) {
    case 1:
        mem_st16_mmu(stack->cpu, linear, value, stack->mmu);
        break;
    case 2:
        mem_st32_mmu(stack->cpu, linear, value, stack->mmu);
        break;
    default:
        mem_st64_mmu(stack->cpu, linear, value, stack->mmu);
        break;
    }
}

uint64_t x86_pop(struct x86_stack *stack, unsigned log2_size)
{
    uint64_t linear = stack_linear(stack), value;
    switch (log2_size) {
    case 1:
        value = mem_ld16_mmu(stack->cpu, linear, stack->mmu);
        break;
    case 2:
        value = mem_ld32_mmu(stack->cpu, linear, stack->mmu);
        break;
    default:
        value = mem_ld64_mmu(stack->cpu, linear, stack->mmu);
        break;
    }
    move_pointer(stack, 1 << log2_size);
    return value;
}

void x86_stack_commit(struct x86_stack *stack)
{
    uint64_t old = stack->cpu->regs[R_RSP];
    if (stack->mask == 0xffff) {
        stack->cpu->regs[R_RSP] = (old & ~0xffffull) | (stack->pointer & 0xffff);
    } else {
        stack->cpu->regs[R_RSP] = stack->pointer & stack->mask;
    }
}
