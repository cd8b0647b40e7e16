/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Far jumps, calls and returns, call gates, IRET: SDM 2A/2B's pseudo code of JMP, CALL, RET and IRET.
 *
 * All checks and memory accesses come before registers change. Stores to the stack that a later fault leaves behind
 * are below the stack pointer.
 */
#include "target/i386/segment.h"

static void leave(struct x86_cpu *cpu, uint64_t rip)
{
    x86_cpu_update_mode(cpu);
    x86_leave_block(cpu, rip, 2);
}

static uint64_t truncate_to(uint64_t value, unsigned log2_size)
{
    return log2_size == 3 ? value : log2_size == 2 ? (uint32_t)value : (uint16_t)value;
}

static void load_code(struct x86_cpu *cpu, uint16_t selector, unsigned cpl, struct x86_descriptor *d)
{
    x86_segment_set(&cpu->segs[S_CS], (selector & ~3) | cpl, d);
    cpu->cpl = cpl;
    if (is_long_mode(cpu) && d->high & SEG_L) {
        cpu->segs[S_CS].base = 0;
    }
}

/* The new instruction pointer must be canonical, or within the limit. Raises #GP(0). */
static void check_target(struct x86_cpu *cpu, const struct x86_descriptor *code, uint64_t rip)
{
    if (is_long_mode(cpu) && code->high & SEG_L) {
        if ((uint64_t)((int64_t)(rip << 16) >> 16) != rip) {
            x86_raise_error(cpu, EXCP_GP, 0);
        }
    } else if (rip > desc_limit(code)) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
}

static void check_long_code(struct x86_cpu *cpu, uint16_t selector, const struct x86_descriptor *d)
{
    if (is_long_mode(cpu) && d->high & SEG_L && d->high & SEG_B) {
        raise_selector(cpu, EXCP_GP, selector);
    }
}

static void read_target(struct x86_cpu *cpu, uint16_t selector, struct x86_descriptor *d)
{
    if ((selector & 0xfffc) == 0) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    if (!x86_descriptor_read(cpu, selector, d)) {
        raise_selector(cpu, EXCP_GP, selector);
    }
}

/* A direct far jump or call to a code segment: no change of privilege. */
static void check_direct_code(struct x86_cpu *cpu, uint16_t selector, const struct x86_descriptor *d)
{
    unsigned rpl = selector & 3, dpl = desc_dpl(d);

    if (d->high & SEG_CONFORMING ? dpl > cpu->cpl : rpl > cpu->cpl || dpl != cpu->cpl) {
        raise_selector(cpu, EXCP_GP, selector);
    }
    if (!desc_present(d)) {
        raise_selector(cpu, EXCP_NP, selector);
    }
    check_long_code(cpu, selector, d);
}

/* --- gates --- */

struct gate {
    uint16_t selector;
    uint64_t offset;
    unsigned size;     /* log2 of what is pushed */
    unsigned params;
    struct x86_descriptor code;
};

/* Checks a call gate and reads where it leads to. */
static void read_call_gate(struct x86_cpu *cpu, uint16_t selector, const struct x86_descriptor *d, struct gate *gate)
{
    if (desc_dpl(d) < cpu->cpl || desc_dpl(d) < (selector & 3)) {
        raise_selector(cpu, EXCP_GP, selector);
    }
    if (!desc_present(d)) {
        raise_selector(cpu, EXCP_NP, selector);
    }
    gate->selector = d->low >> 16;
    gate->offset = d->low & 0xffff;
    gate->size = desc_type(d) == DESC_CALL_GATE16 ? 1 : 2;
    gate->params = d->high & 31;
    if (gate->size == 2) {
        gate->offset |= d->high & 0xffff0000;
    }
    if (is_long_mode(cpu)) {
        uint64_t upper;
        if (!x86_descriptor_read_upper(cpu, selector, &upper)) {
            raise_selector(cpu, EXCP_GP, selector);
        }
        gate->offset |= upper;
        gate->size = 3;
        gate->params = 0;
    }
    read_target(cpu, gate->selector, &gate->code);
    if (!desc_is_code(&gate->code) || desc_dpl(&gate->code) > cpu->cpl ||
        (is_long_mode(cpu) && (!(gate->code.high & SEG_L) || gate->code.high & SEG_B))) {
        raise_selector(cpu, EXCP_GP, gate->selector);
    }
    if (!desc_present(&gate->code)) {
        raise_selector(cpu, EXCP_NP, gate->selector);
    }
}

/* A TSS descriptor or task gate as the target of JMP or CALL. */
static void far_to_task(struct x86_cpu *cpu, uint16_t selector, struct x86_descriptor *d, enum task_switch how,
                        uint64_t next_rip)
{
    if (is_long_mode(cpu) || desc_dpl(d) < cpu->cpl || desc_dpl(d) < (selector & 3)) {
        raise_selector(cpu, EXCP_GP, selector);
    }
    if (!desc_present(d)) {
        raise_selector(cpu, EXCP_NP, selector);
    }
    if (desc_type(d) == DESC_TASK_GATE) {
        selector = d->low >> 16;
        if (selector & 4 || !x86_descriptor_read(cpu, selector, d) || d->high & SEG_S ||
            (desc_type(d) != DESC_TSS && desc_type(d) != DESC_TSS16)) {
            raise_selector(cpu, EXCP_GP, selector);
        }
        if (!desc_present(d)) {
            raise_selector(cpu, EXCP_NP, selector);
        }
    }
    x86_task_switch(cpu, selector, d, how, next_rip);
    leave(cpu, cpu->regs[R_RIP]);
}

/* What a system descriptor of this type means as a far target. */
enum far_kind { FAR_NONE, FAR_GATE, FAR_TASK };
static enum far_kind far_kind(struct x86_cpu *cpu, const struct x86_descriptor *d)
{
    switch (desc_type(d)) {
    case DESC_CALL_GATE:
        return FAR_GATE;
    case DESC_CALL_GATE16:
        return is_long_mode(cpu) ? FAR_NONE : FAR_GATE;
    case DESC_TSS:
    case DESC_TSS16:
    case DESC_TASK_GATE:
        return is_long_mode(cpu) ? FAR_NONE : FAR_TASK;
    default:
        return FAR_NONE;
    }
}

/* --- JMP through gates and to tasks --- */

static void jump_system(struct x86_cpu *cpu, uint16_t selector, struct x86_descriptor *d, uint64_t next_rip)
{
    struct gate gate;

    switch (far_kind(cpu, d)) {
    case FAR_TASK:
        far_to_task(cpu, selector, d, TASK_JUMP, next_rip);
        return;
    case FAR_GATE:
        read_call_gate(cpu, selector, d, &gate);
        if (!(gate.code.high & SEG_CONFORMING) && desc_dpl(&gate.code) != cpu->cpl) {
            raise_selector(cpu, EXCP_GP, gate.selector);
        }
        check_target(cpu, &gate.code, gate.offset);
        x86_descriptor_set_accessed(cpu, &gate.code);
        load_code(cpu, gate.selector, cpu->cpl, &gate.code);
        leave(cpu, gate.offset);
        return;
    default:
        raise_selector(cpu, EXCP_GP, selector);
    }
}

/* --- CALL through gates and to tasks --- */

static void call_inner(struct x86_cpu *cpu, const struct gate *gate, unsigned dpl, uint64_t next_rip)
{
    struct x86_stack old = x86_stack_current(cpu), stack;
    struct x86_descriptor ss_desc;
    uint64_t params[31];
    uint32_t esp;
    uint16_t ss = dpl;
    bool lng = is_long_mode(cpu);

    if (lng) {
        stack = x86_stack_of(cpu, NULL, x86_tss_stack64(cpu, dpl, 0), dpl);
    } else {
        x86_tss_stack(cpu, dpl, &ss, &esp);
        x86_check_stack_segment(cpu, ss, dpl, EXCP_TS, &ss_desc);
        stack = x86_stack_of(cpu, &ss_desc, esp, dpl);
    }
    for (unsigned i = 0; i < gate->params; i++) {
        params[i] = x86_pop(&old, gate->size);
    }
    x86_push(&stack, cpu->segs[S_SS].selector, gate->size);
    x86_push(&stack, cpu->regs[R_RSP], gate->size);
    for (unsigned i = gate->params; i-- > 0;) {
        x86_push(&stack, params[i], gate->size);
    }
    x86_push(&stack, cpu->segs[S_CS].selector, gate->size);
    x86_push(&stack, next_rip, gate->size);
    if (lng) {
        x86_segment_set_null(&cpu->segs[S_SS], dpl, dpl);
    } else {
        x86_descriptor_set_accessed(cpu, &ss_desc);
        x86_segment_set(&cpu->segs[S_SS], ss, &ss_desc);
    }
    cpu->regs[R_RSP] = 0;
    x86_stack_commit(&stack);
}

static void call_same(struct x86_cpu *cpu, unsigned size, uint64_t next_rip)
{
    struct x86_stack stack = x86_stack_current(cpu);

    x86_push(&stack, cpu->segs[S_CS].selector, size);
    x86_push(&stack, next_rip, size);
    x86_stack_commit(&stack);
}

static void call_system(struct x86_cpu *cpu, uint16_t selector, struct x86_descriptor *d, uint64_t next_rip)
{
    struct gate gate;
    unsigned cpl = cpu->cpl;

    switch (far_kind(cpu, d)) {
    case FAR_TASK:
        far_to_task(cpu, selector, d, TASK_CALL, next_rip);
        return;
    case FAR_GATE:
        break;
    default:
        raise_selector(cpu, EXCP_GP, selector);
    }
    read_call_gate(cpu, selector, d, &gate);
    check_target(cpu, &gate.code, gate.offset);
    x86_descriptor_set_accessed(cpu, &gate.code);
    if (!(gate.code.high & SEG_CONFORMING) && desc_dpl(&gate.code) < cpl) {
        cpl = desc_dpl(&gate.code);
        call_inner(cpu, &gate, cpl, next_rip);
    } else {
        call_same(cpu, gate.size, next_rip);
    }
    load_code(cpu, gate.selector, cpl, &gate.code);
    leave(cpu, gate.offset);
}

/* --- JMP and CALL, to code directly --- */

static void transfer(struct x86_cpu *cpu, uint16_t selector, uint64_t offset, unsigned opsize, uint64_t next_rip,
                     bool call)
{
    struct x86_descriptor d;

    offset = truncate_to(offset, opsize);
    if (!is_protected(cpu)) {
        if (offset > cpu->segs[S_CS].limit) {
            x86_raise_error(cpu, EXCP_GP, 0);
        }
        if (call) {
            call_same(cpu, opsize, next_rip);
        }
        x86_segment_set_real(&cpu->segs[S_CS], selector);
        leave(cpu, offset);
        return;
    }
    read_target(cpu, selector, &d);
    if (!(d.high & SEG_S)) {
        (call ? call_system : jump_system)(cpu, selector, &d, next_rip);
        return;
    }
    if (!desc_is_code(&d)) {
        raise_selector(cpu, EXCP_GP, selector);
    }
    check_direct_code(cpu, selector, &d);
    check_target(cpu, &d, offset);
    x86_descriptor_set_accessed(cpu, &d);
    if (call) {
        call_same(cpu, opsize, next_rip);
    }
    load_code(cpu, selector, cpu->cpl, &d);
    leave(cpu, offset);
}

void x86_far_jump(struct x86_cpu *cpu, uint16_t selector, uint64_t offset, unsigned opsize, uint64_t next_rip)
{
    transfer(cpu, selector, offset, opsize, next_rip, false);
}

void x86_far_call(struct x86_cpu *cpu, uint16_t selector, uint64_t offset, unsigned opsize, uint64_t next_rip)
{
    transfer(cpu, selector, offset, opsize, next_rip, true);
}

/* --- RET and IRET --- */

/* The code segment that a far return or IRET goes to. */
static void check_return_code(struct x86_cpu *cpu, uint16_t selector, struct x86_descriptor *d)
{
    unsigned rpl = selector & 3;

    read_target(cpu, selector, d);
    if (!desc_is_code(d) || rpl < cpu->cpl ||
        (d->high & SEG_CONFORMING ? desc_dpl(d) > rpl : desc_dpl(d) != rpl)) {
        raise_selector(cpu, EXCP_GP, selector);
    }
    if (!desc_present(d)) {
        raise_selector(cpu, EXCP_NP, selector);
    }
    check_long_code(cpu, selector, d);
}

/* Loads SS for a return to `rpl`; a null SS is allowed to 64-bit code outside ring 3. */
static bool read_return_stack(struct x86_cpu *cpu, uint16_t ss, unsigned rpl, const struct x86_descriptor *code,
                              struct x86_descriptor *d)
{
    if ((ss & 0xfffc) == 0 && is_long_mode(cpu) && code->high & SEG_L && rpl != 3) {
        return false;
    }
    if ((ss & 0xfffc) == 0) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    x86_check_stack_segment(cpu, ss, rpl, EXCP_GP, d);
    return true;
}

struct far_return {
    uint64_t rip, rsp;
    uint16_t cs, ss;
    bool outer;      /* SS:RSP were popped as well */
    uint16_t extra;  /* bytes of parameters */
    struct x86_stack stack;
};

static void return_protected(struct x86_cpu *cpu, const struct far_return *r, struct x86_descriptor *code)
{
    struct x86_descriptor stack_desc;
    struct x86_stack stack = r->stack;
    unsigned rpl = r->cs & 3;
    bool have_ss = false;

    check_target(cpu, code, r->rip);
    if (r->outer) {
        have_ss = read_return_stack(cpu, r->ss, rpl, code, &stack_desc);
    }
    x86_descriptor_set_accessed(cpu, code);
    if (r->outer) {
        if (have_ss) {
            x86_descriptor_set_accessed(cpu, &stack_desc);
            x86_segment_set(&cpu->segs[S_SS], r->ss, &stack_desc);
        } else {
            x86_segment_set_null(&cpu->segs[S_SS], r->ss, rpl);
        }
        stack = x86_stack_of(cpu, have_ss ? &stack_desc : NULL, r->rsp, rpl);
        if (is_long_mode(cpu) && code->high & SEG_L) {
            stack.mask = UINT64_MAX;
        }
        stack.pointer += r->extra;
    }
    unsigned old_cpl = cpu->cpl;
    load_code(cpu, r->cs, rpl, code);
    if (rpl > old_cpl) {
        x86_drop_privileged_segments(cpu, rpl);
    }
    x86_stack_commit(&stack);
}

void x86_far_return(struct x86_cpu *cpu, unsigned opsize, uint16_t pop_bytes)
{
    struct far_return r = { .stack = x86_stack_current(cpu), .extra = pop_bytes };
    struct x86_descriptor code;

    r.rip = x86_pop(&r.stack, opsize);
    r.cs = x86_pop(&r.stack, opsize);
    r.stack.pointer += pop_bytes;
    if (!is_protected(cpu)) {
        if (r.rip > cpu->segs[S_CS].limit) {
            x86_raise_error(cpu, EXCP_GP, 0);
        }
        x86_stack_commit(&r.stack);
        x86_segment_set_real(&cpu->segs[S_CS], r.cs);
        leave(cpu, r.rip);
        return;
    }
    check_return_code(cpu, r.cs, &code);
    if ((r.cs & 3) != cpu->cpl) {
        r.outer = true;
        r.rsp = x86_pop(&r.stack, opsize);
        r.ss = x86_pop(&r.stack, opsize);
    }
    return_protected(cpu, &r, &code);
    leave(cpu, r.rip);
}

#define IRET_FLAGS \
    (EFLAGS_ARITH | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT | EFLAGS_RF | EFLAGS_AC | EFLAGS_ID)

static uint32_t iret_flags_mask(unsigned cpl, uint32_t eflags, unsigned opsize)
{
    uint32_t mask = IRET_FLAGS;

    if (cpl == 0) {
        mask |= EFLAGS_IOPL | EFLAGS_VIF | EFLAGS_VIP;
    }
    if (cpl <= (eflags & EFLAGS_IOPL) >> 12) {
        mask |= EFLAGS_IF;
    }
    return opsize == 1 ? mask & 0xffff : mask;
}

static void iret_real(struct x86_cpu *cpu, unsigned opsize)
{
    struct x86_stack stack = x86_stack_current(cpu);
    uint64_t rip = x86_pop(&stack, opsize);
    uint16_t cs = x86_pop(&stack, opsize);
    uint32_t flags = x86_pop(&stack, opsize);
    uint32_t mask = iret_flags_mask(0, cpu->eflags, opsize) & ~(EFLAGS_VIF | EFLAGS_VIP);

    if (cpu->mode & X86_MODE_VM86) {
        if ((cpu->eflags & EFLAGS_IOPL) >> 12 != 3) {
            x86_raise_error(cpu, EXCP_GP, 0);
        }
        mask &= ~EFLAGS_IOPL;
    }
    if (rip > cpu->segs[S_CS].limit) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    x86_stack_commit(&stack);
    x86_segment_set_real(&cpu->segs[S_CS], cs);
    x86_flags_set(cpu, flags, mask);
    leave(cpu, rip);
}

static void iret_to_vm86(struct x86_cpu *cpu, struct far_return *r, uint32_t flags)
{
    static const uint8_t order[] = { S_ES, S_DS, S_FS, S_GS };
    uint16_t selectors[4];

    r->rsp = x86_pop(&r->stack, 2);
    r->ss = x86_pop(&r->stack, 2);
    for (int i = 0; i < 4; i++) {
        selectors[i] = x86_pop(&r->stack, 2);
    }
    x86_flags_set(cpu, flags, IRET_FLAGS | EFLAGS_IF | EFLAGS_IOPL | EFLAGS_VM | EFLAGS_VIF | EFLAGS_VIP);
    x86_cpu_update_mode(cpu);
    x86_load_segment(cpu, S_CS, r->cs);
    x86_load_segment(cpu, S_SS, r->ss);
    for (int i = 0; i < 4; i++) {
        x86_load_segment(cpu, order[i], selectors[i]);
    }
    cpu->interrupt_shadow = false;
    cpu->regs[R_RSP] = (uint32_t)r->rsp;
    leave(cpu, r->rip & 0xffff);
}

static void iret_from_task(struct x86_cpu *cpu, uint64_t next_rip)
{
    uint16_t selector = mem_ld16_mmu(cpu, cpu->tr.base, MMU_KERNEL);
    struct x86_descriptor d;

    if (selector & 4 || !x86_descriptor_read(cpu, selector, &d) || d.high & SEG_S ||
        (desc_type(&d) != DESC_TSS_BUSY && desc_type(&d) != DESC_TSS16_BUSY)) {
        raise_selector(cpu, EXCP_TS, selector);
    }
    if (!desc_present(&d)) {
        raise_selector(cpu, EXCP_NP, selector);
    }
    x86_task_switch(cpu, selector, &d, TASK_IRET, next_rip);
    leave(cpu, cpu->regs[R_RIP]);
}

static void iret_protected(struct x86_cpu *cpu, unsigned opsize, uint64_t next_rip)
{
    struct far_return r = { .stack = x86_stack_current(cpu) };
    struct x86_descriptor code;
    uint32_t flags, mask;

    if (cpu->eflags & EFLAGS_NT) {
        if (is_long_mode(cpu)) {
            x86_raise_error(cpu, EXCP_GP, 0);
        }
        iret_from_task(cpu, next_rip);
        return;
    }
    r.rip = x86_pop(&r.stack, opsize);
    r.cs = x86_pop(&r.stack, opsize);
    flags = x86_pop(&r.stack, opsize);
    if (flags & EFLAGS_VM && cpu->cpl == 0 && !is_long_mode(cpu) && opsize == 2) {
        iret_to_vm86(cpu, &r, flags);
        return;
    }
    check_return_code(cpu, r.cs, &code);
    if (is_64bit(cpu) || (r.cs & 3) != cpu->cpl) { /* 64-bit IRET always pops the stack */
        r.outer = true;
        r.rsp = x86_pop(&r.stack, opsize);
        r.ss = x86_pop(&r.stack, opsize);
    }
    mask = iret_flags_mask(cpu->cpl, cpu->eflags, opsize);
    return_protected(cpu, &r, &code);
    x86_flags_set(cpu, flags, mask);
    leave(cpu, r.rip);
}

void x86_iret(struct x86_cpu *cpu, unsigned opsize, uint64_t next_rip)
{
    if (is_protected(cpu)) {
        iret_protected(cpu, opsize, next_rip);
    } else {
        iret_real(cpu, opsize);
    }
    cpu->nmi_blocked = false;
}
