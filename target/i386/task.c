/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hardware task switches (SDM 3A chapter 7): JMP, CALL, IRET and task gates, 16 and 32-bit TSSs. Not in long mode.
 *
 * The new TSS is read whole before anything is saved. Faults that hardware raises in the new task's context (bad
 * segments there) are raised once its registers are loaded, with the selector as error code.
 */
#include "target/i386/segment.h"

struct task {
    bool wide;
    uint32_t cr3, eip, eflags, regs[8];
    uint16_t segs[S_COUNT], ldt, link;
};

static const uint8_t tss_registers[8] = { R_RAX, R_RCX, R_RDX, R_RBX, R_RSP, R_RBP, R_RSI, R_RDI };

static void read_task(struct x86_cpu *cpu, uint32_t base, struct task *task)
{
    if (task->wide) {
        task->cr3 = mem_ld32_mmu(cpu, base + 0x1c, MMU_KERNEL);
        task->eip = mem_ld32_mmu(cpu, base + 0x20, MMU_KERNEL);
        task->eflags = mem_ld32_mmu(cpu, base + 0x24, MMU_KERNEL);
    } else {
        task->eip = mem_ld16_mmu(cpu, base + 0x0e, MMU_KERNEL);
        task->eflags = mem_ld16_mmu(cpu, base + 0x10, MMU_KERNEL);
    }
    for (int i = 0; i < 8; i++) {
        task->regs[i] = task->wide ? mem_ld32_mmu(cpu, base + 0x28 + 4 * i, MMU_KERNEL) :
                                     mem_ld16_mmu(cpu, base + 0x12 + 2 * i, MMU_KERNEL);
    }
    for (int i = 0; i < (task->wide ? S_COUNT : 4); i++) {
        task->segs[i] = mem_ld16_mmu(cpu, task->wide ? base + 0x48 + 4 * i : base + 0x22 + 2 * i, MMU_KERNEL);
    }
    task->ldt = mem_ld16_mmu(cpu, base + (task->wide ? 0x60 : 0x2a), MMU_KERNEL);
}

static void save_task(struct x86_cpu *cpu, uint32_t eip, uint32_t eflags)
{
    uint32_t base = cpu->tr.base;
    bool wide = cpu->tr.flags >> SEG_TYPE_SHIFT & 8;

    if (wide) {
        mem_st32_mmu(cpu, base + 0x20, eip, MMU_KERNEL);
        mem_st32_mmu(cpu, base + 0x24, eflags, MMU_KERNEL);
    } else {
        mem_st16_mmu(cpu, base + 0x0e, eip, MMU_KERNEL);
        mem_st16_mmu(cpu, base + 0x10, eflags, MMU_KERNEL);
    }
    for (int i = 0; i < 8; i++) {
        uint32_t value = cpu->regs[tss_registers[i]];
        if (wide) {
            mem_st32_mmu(cpu, base + 0x28 + 4 * i, value, MMU_KERNEL);
        } else {
            mem_st16_mmu(cpu, base + 0x12 + 2 * i, value, MMU_KERNEL);
        }
    }
    for (int i = 0; i < (wide ? S_COUNT : 4); i++) {
        mem_st16_mmu(cpu, wide ? base + 0x48 + 4 * i : base + 0x22 + 2 * i, cpu->segs[i].selector, MMU_KERNEL);
    }
}

static void set_busy(struct x86_cpu *cpu, const struct x86_descriptor *d, bool busy)
{
    uint32_t bit = 2u << SEG_TYPE_SHIFT;
    mem_st32_mmu(cpu, d->address + 4, busy ? d->high | bit : d->high & ~bit, MMU_KERNEL);
}

static void load_ldt(struct x86_cpu *cpu, uint16_t selector)
{
    struct x86_descriptor d;

    x86_segment_set_null(&cpu->ldt, selector, 0);
    if ((selector & 0xfffc) == 0) {
        return;
    }
    if (selector & 4 || !x86_descriptor_read(cpu, selector, &d) || d.high & SEG_S || desc_type(&d) != DESC_LDT ||
        !desc_present(&d)) {
        raise_selector(cpu, EXCP_TS, selector);
    }
    x86_segment_set(&cpu->ldt, selector, &d);
}

static void load_task_code(struct x86_cpu *cpu, uint16_t selector)
{
    struct x86_descriptor d;
    unsigned rpl = selector & 3;

    if ((selector & 0xfffc) == 0 || !x86_descriptor_read(cpu, selector, &d) || !desc_is_code(&d) ||
        (d.high & SEG_CONFORMING ? desc_dpl(&d) > rpl : desc_dpl(&d) != rpl)) {
        raise_selector(cpu, EXCP_TS, selector);
    }
    if (!desc_present(&d)) {
        raise_selector(cpu, EXCP_NP, selector);
    }
    x86_descriptor_set_accessed(cpu, &d);
    x86_segment_set(&cpu->segs[S_CS], selector, &d);
}

static void load_segments(struct x86_cpu *cpu, const struct task *task)
{
    static const uint8_t data_segments[] = { S_ES, S_DS, S_FS, S_GS };
    struct x86_descriptor d;

    if (cpu->eflags & EFLAGS_VM) {
        x86_cpu_update_mode(cpu);
        for (int i = 0; i < S_COUNT; i++) {
            x86_load_segment(cpu, i, task->segs[i]);
        }
        return;
    }
    cpu->cpl = task->segs[S_CS] & 3;
    for (int i = 0; i < S_COUNT; i++) {
        x86_segment_set_null(&cpu->segs[i], task->segs[i], i == S_SS ? cpu->cpl : 0);
    }
    x86_cpu_update_mode(cpu);
    load_ldt(cpu, task->ldt);
    load_task_code(cpu, task->segs[S_CS]);
    x86_check_stack_segment(cpu, task->segs[S_SS], cpu->cpl, EXCP_TS, &d);
    x86_descriptor_set_accessed(cpu, &d);
    x86_segment_set(&cpu->segs[S_SS], task->segs[S_SS], &d);
    x86_cpu_update_mode(cpu);
    for (size_t i = 0; i < G_N_ELEMENTS(data_segments); i++) {
        x86_load_segment(cpu, data_segments[i], task->segs[data_segments[i]]);
    }
}

static void load_registers(struct x86_cpu *cpu, const struct task *task, bool nested)
{
    for (int i = 0; i < 8; i++) {
        cpu->regs[tss_registers[i]] = task->wide ? task->regs[i] : task->regs[i] | 0xffff0000;
    }
    cpu->regs[R_RIP] = task->eip;
    x86_flags_set(cpu, task->eflags | (nested ? EFLAGS_NT : 0), task->wide ? 0x003f7fd5 : 0x7fd5);
    cpu->cr0 |= CR0_TS;
    cpu->dr[7] &= ~0x55ull; /* local breakpoints */
    if (task->wide && cpu->cr0 & CR0_PG && task->cr3 != cpu->cr3) {
        x86_cpu_set_cr3(cpu, task->cr3);
    }
}

void x86_task_switch(struct x86_cpu *cpu, uint16_t selector, struct x86_descriptor *d, enum task_switch how,
                     uint64_t next_rip)
{
    struct task task = { .wide = desc_type(d) & 8 };
    static const struct x86_insn at_start;
    struct x86_descriptor old;
    uint32_t flags = x86_flags_get(cpu);
    bool nested = how == TASK_CALL || how == TASK_GATE;

    if (desc_limit(d) < (task.wide ? 0x67 : 0x2b) || !x86_descriptor_read(cpu, cpu->tr.selector, &old)) {
        raise_selector(cpu, EXCP_TS, selector);
    }
    read_task(cpu, desc_base(d), &task);
    save_task(cpu, next_rip, how == TASK_IRET ? flags & ~EFLAGS_NT : flags);
    if (how == TASK_JUMP || how == TASK_IRET) {
        set_busy(cpu, &old, false);
    }
    if (nested) {
        mem_st16_mmu(cpu, desc_base(d), cpu->tr.selector, MMU_KERNEL);
    }
    if (how != TASK_IRET) {
        set_busy(cpu, d, true);
        d->high |= 2u << SEG_TYPE_SHIFT;
    }
    x86_segment_set(&cpu->tr, selector, d);
    load_registers(cpu, &task, nested);
    /* From here on faults belong to the new task: its first instruction is where they are reported. */
    cpu->insn = &at_start;
    load_segments(cpu, &task);
    cpu->regs[R_RIP] = task.eip;
    cpu->interrupt_shadow = false;
}
