/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exceptions and interrupts: raising, the double and triple-fault rules, priorities, and delivery in real, protected
 * and long mode. SDM 3A chapter 6.
 *
 * Left out: SMIs are accepted and dropped, machine checks are never raised, VM86 extensions (CR4.VME is refused).
 */
#include <inttypes.h>

#include "accel/vcpu.h"
#include "target/i386/exception.h"
#include "target/i386/segment.h"
#include "util/log.h"

/* --- raising --- */

G_GNUC_NORETURN static void raise_now(struct x86_cpu *cpu, int vector, bool has_error, uint32_t error)
{
    g_assert(cpu->fault_jump_valid);
    cpu->exception = vector;
    cpu->exception_has_error = has_error;
    cpu->exception_error = error;
    siglongjmp(cpu->fault_jump, 1);
}

void x86_raise(struct x86_cpu *cpu, enum x86_exception vector)
{
    raise_now(cpu, vector, false, 0);
}

void x86_raise_error(struct x86_cpu *cpu, enum x86_exception vector, uint32_t error_code)
{
    raise_now(cpu, vector, true, error_code);
}

void x86_raise_page_fault(struct x86_cpu *cpu, uint64_t address, uint32_t error_code)
{
    cpu->cr2 = address;
    raise_now(cpu, EXCP_PF, true, error_code);
}

void x86_raise_trap(struct x86_cpu *cpu, enum x86_exception vector)
{
    raise_now(cpu, vector, false, 0);
}

/* --- delivery --- */

struct event {
    uint8_t vector;
    bool software;  /* INT n, INT3, INTO: DPL is checked */
    bool has_error;
    uint32_t error;
    uint64_t rip;   /* to return to */
};

/* RF in the flags that faults push, so that an instruction breakpoint does not hit again (SDM 3B 17.3.1.1). */
static uint32_t pushed_flags(struct x86_cpu *cpu, const struct event *event)
{
    bool fault = event->has_error || event->vector == EXCP_DE || event->vector == EXCP_UD ||
                 event->vector == EXCP_NM || event->vector == EXCP_MF || event->vector == EXCP_XM;
    return x86_flags_get(cpu) | (fault && !event->software ? EFLAGS_RF : 0);
}

static void deliver_real(struct x86_cpu *cpu, const struct event *event)
{
    uint32_t offset = event->vector * 4u, target;
    struct x86_stack stack = x86_stack_current(cpu);

    if (offset + 3 > cpu->idt.limit) {
        x86_raise_error(cpu, EXCP_GP, event->vector * 8 + 2);
    }
    target = mem_ld32_mmu(cpu, cpu->idt.base + offset, MMU_KERNEL);
    x86_push(&stack, x86_flags_get(cpu), 1);
    x86_push(&stack, cpu->segs[S_CS].selector, 1);
    x86_push(&stack, event->rip, 1);
    x86_stack_commit(&stack);
    cpu->eflags &= ~(EFLAGS_IF | EFLAGS_TF | EFLAGS_AC | EFLAGS_RF);
    x86_segment_set_real(&cpu->segs[S_CS], target >> 16);
    cpu->regs[R_RIP] = target & 0xffff;
}

/* The gate's own checks, in protected and long mode. Raises; the code segment is read through it. */
static void read_gate_target(struct x86_cpu *cpu, uint16_t selector, struct x86_descriptor *code)
{
    if ((selector & 0xfffc) == 0) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    if (!x86_descriptor_read(cpu, selector, code) || !desc_is_code(code) || desc_dpl(code) > cpu->cpl) {
        raise_selector(cpu, EXCP_GP, selector);
    }
    if (!desc_present(code)) {
        raise_selector(cpu, EXCP_NP, selector);
    }
}

static void clear_flags(struct x86_cpu *cpu, bool interrupt_gate)
{
    cpu->eflags &= ~(EFLAGS_TF | EFLAGS_VM | EFLAGS_RF | EFLAGS_NT | (interrupt_gate ? EFLAGS_IF : 0));
}

static void push_vm86_segments(struct x86_cpu *cpu, struct x86_stack *stack, unsigned size)
{
    static const uint8_t order[] = { S_GS, S_FS, S_DS, S_ES };
    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        x86_push(stack, cpu->segs[order[i]].selector, size);
    }
}

static void null_data_segments(struct x86_cpu *cpu)
{
    static const uint8_t order[] = { S_GS, S_FS, S_DS, S_ES };
    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        x86_segment_set_null(&cpu->segs[order[i]], 0, 0);
    }
}

static void deliver_task_gate(struct x86_cpu *cpu, const struct event *event, const struct x86_descriptor *gate)
{
    uint16_t selector = gate->low >> 16;
    struct x86_descriptor tss;

    if (selector & 4 || !x86_descriptor_read(cpu, selector, &tss) || tss.high & SEG_S ||
        (desc_type(&tss) != DESC_TSS && desc_type(&tss) != DESC_TSS16)) {
        raise_selector(cpu, EXCP_GP, selector);
    }
    if (!desc_present(&tss)) {
        raise_selector(cpu, EXCP_NP, selector);
    }
    x86_task_switch(cpu, selector, &tss, TASK_GATE, event->rip);
    if (event->has_error) {
        struct x86_stack stack = x86_stack_current(cpu);
        x86_push(&stack, event->error, desc_type(&tss) & 8 ? 2 : 1);
        x86_stack_commit(&stack);
    }
}

static void read_gate(struct x86_cpu *cpu, const struct event *event, unsigned entry_size,
                      struct x86_descriptor *gate)
{
    uint32_t offset = event->vector * entry_size;
    uint32_t error = event->vector * 8 + 2;

    if (offset + entry_size - 1 > cpu->idt.limit) {
        x86_raise_error(cpu, EXCP_GP, error);
    }
    gate->address = cpu->idt.base + offset;
    gate->low = mem_ld32_mmu(cpu, gate->address, MMU_KERNEL);
    gate->high = mem_ld32_mmu(cpu, gate->address + 4, MMU_KERNEL);
    unsigned type = desc_type(gate);
    bool known = type == DESC_INT_GATE || type == DESC_TRAP_GATE ||
                 (entry_size == 8 && (type == DESC_INT_GATE16 || type == DESC_TRAP_GATE16 || type == DESC_TASK_GATE));
    if (gate->high & SEG_S || !known || (event->software && desc_dpl(gate) < cpu->cpl)) {
        x86_raise_error(cpu, EXCP_GP, error);
    }
    if (!desc_present(gate)) {
        x86_raise_error(cpu, EXCP_NP, error);
    }
}

static void deliver_protected(struct x86_cpu *cpu, const struct event *event)
{
    struct x86_descriptor gate, code, stack_segment;
    struct x86_stack stack;
    uint16_t ss = 0;
    uint32_t esp, offset;
    bool vm86 = cpu->eflags & EFLAGS_VM, inner;

    read_gate(cpu, event, 8, &gate);
    if (desc_type(&gate) == DESC_TASK_GATE) {
        deliver_task_gate(cpu, event, &gate);
        return;
    }
    uint16_t selector = gate.low >> 16;
    unsigned size = desc_type(&gate) & 8 ? 2 : 1, dpl;
    read_gate_target(cpu, selector, &code);
    dpl = code.high & SEG_CONFORMING ? cpu->cpl : desc_dpl(&code);
    inner = dpl < cpu->cpl;
    if (vm86 && dpl != 0) {
        raise_selector(cpu, EXCP_GP, selector);
    }
    if (inner) {
        x86_tss_stack(cpu, dpl, &ss, &esp);
        x86_check_stack_segment(cpu, ss, dpl, EXCP_TS, &stack_segment);
        stack = x86_stack_of(cpu, &stack_segment, esp, dpl);
        if (vm86) {
            push_vm86_segments(cpu, &stack, size);
        }
        x86_push(&stack, cpu->segs[S_SS].selector, size);
        x86_push(&stack, cpu->regs[R_RSP], size);
    } else {
        stack = x86_stack_current(cpu);
    }
    x86_push(&stack, pushed_flags(cpu, event), size);
    x86_push(&stack, cpu->segs[S_CS].selector, size);
    x86_push(&stack, event->rip, size);
    if (event->has_error) {
        x86_push(&stack, event->error, size);
    }
    x86_descriptor_set_accessed(cpu, &code);
    if (inner) {
        if (vm86) {
            null_data_segments(cpu);
        }
        x86_descriptor_set_accessed(cpu, &stack_segment);
        x86_segment_set(&cpu->segs[S_SS], (ss & ~3) | dpl, &stack_segment);
        cpu->regs[R_RSP] = 0;
    }
    x86_stack_commit(&stack);
    x86_segment_set(&cpu->segs[S_CS], (selector & ~3) | dpl, &code);
    cpu->cpl = dpl;
    offset = (gate.low & 0xffff) | (size == 2 ? gate.high & 0xffff0000 : 0);
    cpu->regs[R_RIP] = offset;
    clear_flags(cpu, !(desc_type(&gate) & 1));
}

static void deliver_long(struct x86_cpu *cpu, const struct event *event)
{
    struct x86_descriptor gate, code;
    struct x86_stack stack;
    uint64_t rsp, offset;

    read_gate(cpu, event, 16, &gate);
    uint16_t selector = gate.low >> 16;
    unsigned ist = gate.high & 7, dpl;
    offset = (gate.low & 0xffff) | (gate.high & 0xffff0000) |
             (uint64_t)mem_ld32_mmu(cpu, gate.address + 8, MMU_KERNEL) << 32;
    read_gate_target(cpu, selector, &code);
    if (!(code.high & SEG_L) || code.high & SEG_B) {
        raise_selector(cpu, EXCP_GP, selector);
    }
    dpl = code.high & SEG_CONFORMING ? cpu->cpl : desc_dpl(&code);
    bool inner = dpl < cpu->cpl;
    rsp = inner || ist ? x86_tss_stack64(cpu, dpl, ist) : cpu->regs[R_RSP];
    stack = x86_stack_of(cpu, NULL, rsp & ~15ull, dpl);
    x86_push(&stack, cpu->segs[S_SS].selector, 3);
    x86_push(&stack, cpu->regs[R_RSP], 3);
    x86_push(&stack, pushed_flags(cpu, event), 3);
    x86_push(&stack, cpu->segs[S_CS].selector, 3);
    x86_push(&stack, event->rip, 3);
    if (event->has_error) {
        x86_push(&stack, event->error, 3);
    }
    x86_descriptor_set_accessed(cpu, &code);
    if (inner) {
        x86_segment_set_null(&cpu->segs[S_SS], dpl, dpl);
    }
    x86_stack_commit(&stack);
    x86_segment_set(&cpu->segs[S_CS], (selector & ~3) | dpl, &code);
    cpu->segs[S_CS].base = 0;
    cpu->cpl = dpl;
    cpu->regs[R_RIP] = offset;
    clear_flags(cpu, !(desc_type(&gate) & 1));
}

static void log_event(struct x86_cpu *cpu, const struct event *event)
{
    static unsigned count;
    log_printf(LOG_INT, "%6u: v=%02x e=%04x i=%d cpl=%d IP=%04x:%016" PRIx64 " SP=%04x:%016" PRIx64 " %s=%016" PRIx64
               " cpu=%d\n", __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED), event->vector, event->error,
               event->software, cpu->cpl, cpu->segs[S_CS].selector, event->rip, cpu->segs[S_SS].selector,
               cpu->regs[R_RSP], event->vector == EXCP_PF ? "CR2" : "RAX",
               event->vector == EXCP_PF ? cpu->cr2 : cpu->regs[R_RAX],
               cpu->index);
}

static void deliver(struct x86_cpu *cpu, const struct event *event)
{
    if (log_enabled(LOG_INT)) {
        log_event(cpu, event);
    }
    if (!(cpu->cr0 & CR0_PE)) {
        deliver_real(cpu, event);
    } else if (is_long_mode(cpu)) {
        deliver_long(cpu, event);
    } else {
        deliver_protected(cpu, event);
    }
    cpu->interrupt_shadow = false;
    x86_cpu_update_mode(cpu);
}

/* --- who comes first, and double faults --- */

static bool is_contributory(int vector)
{
    return vector == EXCP_DE || (vector >= EXCP_TS && vector <= EXCP_GP);
}

static void triple_fault(struct x86_cpu *cpu)
{
    guest_error("vCPU %d: triple fault at %04x:%016" PRIx64, cpu->index, cpu->segs[S_CS].selector, cpu->regs[R_RIP]);
    cpu->delivering = cpu->exception = -1;
    cpu->shutdown = true;
    __atomic_store_n(&cpu->halted, true, __ATOMIC_SEQ_CST);
    __atomic_or_fetch(&cpu->exit_request, EXIT_LEAVE, __ATOMIC_SEQ_CST);
    if (x86_triple_fault_hook) {
        x86_triple_fault_hook(cpu);
    }
}

void x86_exception_take(struct x86_cpu *cpu)
{
    struct event event = { .rip = cpu->regs[R_RIP] };
    int first = cpu->delivering, second = cpu->exception;

    if (first == EXCP_DF) {
        triple_fault(cpu);
        return;
    }
    if ((is_contributory(first) && is_contributory(second)) ||
        (first == EXCP_PF && (is_contributory(second) || second == EXCP_PF))) {
        cpu->exception = EXCP_DF;
        cpu->exception_has_error = true;
        cpu->exception_error = 0;
    } else if (cpu->delivering_external && second != EXCP_PF && cpu->exception_has_error) {
        cpu->exception_error |= 1; /* EXT */
    }
    event.vector = cpu->exception;
    event.has_error = cpu->exception_has_error && cpu->cr0 & CR0_PE;
    event.error = event.has_error ? cpu->exception_error : 0;
    cpu->delivering = cpu->exception;
    cpu->delivering_external = true; /* exceptions set EXT in what their own delivery raises */
    deliver(cpu, &event);
    cpu->exception = cpu->delivering = -1;
    cpu->delivering_external = false;
}

void x86_interrupt_deliver(struct x86_cpu *cpu, int vector)
{
    struct event event = { .vector = vector, .rip = cpu->regs[R_RIP] };

    cpu->delivering = 0x100; /* neither contributory nor a page fault */
    cpu->delivering_external = true;
    deliver(cpu, &event);
    cpu->delivering = -1;
    cpu->delivering_external = false;
}

/*
 * Software interrupts, INT3 and INTO are left to the instruction, which has not run yet: RIP still is at it. So is
 * what delivered an exception that was lost with its error code (see exception_out() in vmstate-save.c).
 */
void x86_injected_take(struct x86_cpu *cpu)
{
    struct x86_beyond *b = &cpu->beyond;
    int exception = b->exception_nr, interrupt = b->soft_interrupt ? -1 : b->interrupt_injected;
    bool nmi = b->nmi_injected;

    b->exception_nr = b->interrupt_injected = -1;
    b->exception_injected = b->exception_pending = b->nmi_injected = b->soft_interrupt = false;
    if (exception >= 0 && exception != EXCP_BP && exception != EXCP_OF) {
        cpu->exception = exception;
        cpu->exception_has_error = b->has_error_code;
        cpu->exception_error = b->error_code;
        x86_exception_take(cpu);
    } else if (nmi) {
        cpu->nmi_blocked = true;
        x86_interrupt_deliver(cpu, EXCP_NMI);
    } else if (interrupt >= 0) {
        x86_interrupt_deliver(cpu, interrupt);
    }
}

void x86_software_interrupt(struct x86_cpu *cpu, uint8_t vector, uint64_t next_rip)
{
    struct event event = { .vector = vector, .software = true, .rip = next_rip };

    if (cpu->mode & X86_MODE_VM86 && vector != EXCP_BP && vector != EXCP_OF &&
        (cpu->eflags & EFLAGS_IOPL) >> 12 < 3) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    deliver(cpu, &event);
    cpu->exit_slot = 2;
}

bool x86_interrupt_pending(const struct x86_cpu *cpu)
{
    uint32_t request = __atomic_load_n(&cpu->interrupt_request, __ATOMIC_ACQUIRE);

    if (!request) {
        return false;
    }
    if (request & (CPU_INTERRUPT_POLL | CPU_INTERRUPT_INIT | CPU_INTERRUPT_SIPI | CPU_INTERRUPT_SMI)) {
        return true;
    }
    return !cpu->interrupt_shadow && ((request & CPU_INTERRUPT_NMI && !cpu->nmi_blocked) ||
                                      (request & CPU_INTERRUPT_HARD && cpu->eflags & EFLAGS_IF));
}

static void take_init(struct x86_cpu *cpu)
{
    /* a SIPI right behind it still counts: Linux waits 0 µs between them */
    cpu_reset_interrupt(cpu, CPU_INTERRUPT_INIT);
    x86_cpu_reset(cpu, true);
    __atomic_store_n(&cpu->halted, cpu->index != 0, __ATOMIC_SEQ_CST);
    if (cpu->apic_ops) {
        cpu->apic_ops->init_reset(cpu->apic);
    }
    if (cpu->halted) {
        __atomic_or_fetch(&cpu->exit_request, EXIT_LEAVE, __ATOMIC_SEQ_CST);
    }
}

void x86_interrupt_settle(struct x86_cpu *cpu)
{
    uint32_t request = __atomic_load_n(&cpu->interrupt_request, __ATOMIC_ACQUIRE);

    if (request & CPU_INTERRUPT_POLL) {
        cpu_reset_interrupt(cpu, CPU_INTERRUPT_POLL);
        if (cpu->apic_ops && cpu->apic_ops->poll(cpu->apic)) {
            cpu_interrupt(cpu, CPU_INTERRUPT_HARD);
        }
    }
    if (request & CPU_INTERRUPT_SMI) {
        cpu_reset_interrupt(cpu, CPU_INTERRUPT_SMI);
    }
    if (request & CPU_INTERRUPT_INIT) {
        take_init(cpu);
    } else if (request & CPU_INTERRUPT_SIPI) {
        uint8_t vector;
        cpu_reset_interrupt(cpu, CPU_INTERRUPT_SIPI);
        if (cpu->apic_ops && cpu->apic_ops->take_sipi(cpu->apic, &vector)) {
            x86_cpu_start_at_sipi(cpu, vector);
        }
    }
}

int x86_interrupt_accept(struct x86_cpu *cpu)
{
    x86_interrupt_settle(cpu);
    uint32_t request = __atomic_load_n(&cpu->interrupt_request, __ATOMIC_ACQUIRE);
    if (cpu->interrupt_shadow || cpu->halted) {
        return -1;
    }
    if (request & CPU_INTERRUPT_NMI && !cpu->nmi_blocked) {
        cpu_reset_interrupt(cpu, CPU_INTERRUPT_NMI);
        cpu->nmi_blocked = true;
        return EXCP_NMI;
    }
    if (request & CPU_INTERRUPT_HARD && cpu->eflags & EFLAGS_IF) {
        cpu_reset_interrupt(cpu, CPU_INTERRUPT_HARD);
        return cpu->apic_ops ? cpu->apic_ops->acknowledge(cpu->apic) : -1;
    }
    return -1;
}
