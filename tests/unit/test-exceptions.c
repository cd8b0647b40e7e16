/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exceptions, interrupts, privilege changes and modes: frames, error codes, priorities. SDM 3A chapters 5 to 7. */
#include "tcg-bench.h"
#include "util/main-loop.h"

#define STOP "out %eax, $0xf4\n1: cli\nhlt\njmp 1b\n"

static struct x86_cpu *long_mode(void)
{
    bench_reset();
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    return vcpus[0];
}

static struct x86_cpu *protected_mode(void)
{
    bench_reset();
    bench_protected_mode(vcpus[0], BENCH_CODE);
    return vcpus[0];
}

static void to_user(struct x86_cpu *cpu, uint16_t cs, uint64_t rip)
{
    cpu->cpl = 3;
    cpu->segs[S_CS].selector = cs;
    cpu->segs[S_CS].flags |= 3 << SEG_DPL_SHIFT;
    cpu->segs[S_SS].selector = BENCH_UDS;
    cpu->segs[S_SS].flags |= 3 << SEG_DPL_SHIFT;
    cpu->regs[R_RSP] = BENCH_USER_STACK;
    cpu->regs[R_RIP] = rip;
    x86_cpu_update_mode(cpu);
}

static uint64_t stack64(const struct x86_cpu *cpu, unsigned slot)
{
    return bench_ld64(cpu->regs[R_RSP] + 8 * slot);
}

static uint32_t stack32(const struct x86_cpu *cpu, unsigned slot)
{
    return (uint32_t)bench_ld64((uint32_t)cpu->regs[R_RSP] + 4 * slot);
}

/* --- long mode frames --- */

GUEST_CODE(ud, "64", "mov $0x8d5, %ecx\n push %rcx\n popf\n lea -5(%rsp), %rsp\n ud2");

static void test_frame(void)
{
    struct x86_cpu *cpu = long_mode();
    uint64_t fault;

    GUEST_PUT(ud, BENCH_CODE);
    fault = BENCH_CODE + (ud_end - ud_begin) - 2;
    g_assert_cmphex(bench_run(), ==, 0x100 + EXCP_UD);
    /* Aligned to 16, then five quadwords. */
    g_assert_cmphex(cpu->regs[R_RSP], ==, ((BENCH_STACK - 5) & ~15u) - 40);
    g_assert_cmphex(stack64(cpu, 0), ==, fault);
    g_assert_cmphex(stack64(cpu, 1), ==, BENCH_CS64);
    g_assert_cmphex(stack64(cpu, 2), ==, 0x8d7 | EFLAGS_RF);
    g_assert_cmphex(stack64(cpu, 3), ==, BENCH_STACK - 5);
    g_assert_cmphex(stack64(cpu, 4), ==, BENCH_DS);
}

static void test_ist(void)
{
    struct x86_cpu *cpu = long_mode();

    GUEST_PUT(ud, BENCH_CODE);
    bench_gate64(EXCP_UD, BENCH_STUBS + 16 * EXCP_UD, 0, 1);
    g_assert_cmphex(bench_run(), ==, 0x100 + EXCP_UD);
    g_assert_cmphex(cpu->regs[R_RSP], ==, BENCH_IST1 - 40);
}

GUEST_CODE(int_user, "64", "int $0x80");

static void test_int_from_user(void)
{
    struct x86_cpu *cpu = long_mode();

    GUEST_PUT(int_user, BENCH_CODE);
    to_user(cpu, BENCH_UCS64, BENCH_CODE);
    g_assert_cmphex(bench_run(), ==, 0x100 + EXCP_GP); /* the gate's DPL is 0 */
    g_assert_cmphex(cpu->regs[R_RSP], ==, BENCH_RSP0 - 48);
    g_assert_cmphex(stack64(cpu, 0), ==, 0x80 * 8 + 2);
    g_assert_cmphex(stack64(cpu, 1), ==, BENCH_CODE);
    g_assert_cmphex(stack64(cpu, 2), ==, BENCH_UCS64);
    g_assert_cmphex(stack64(cpu, 4), ==, BENCH_USER_STACK);
    g_assert_cmphex(stack64(cpu, 5), ==, BENCH_UDS);

    cpu = long_mode();
    GUEST_PUT(int_user, BENCH_CODE);
    bench_gate64(0x80, BENCH_STUBS + 16 * 0x80, 3, 0);
    to_user(cpu, BENCH_UCS64, BENCH_CODE);
    g_assert_cmphex(bench_run(), ==, 0x180);
    g_assert_cmphex(stack64(cpu, 0), ==, BENCH_CODE + 2);
    g_assert_cmphex(cpu->segs[S_SS].selector, ==, 0);
    g_assert_cmpuint(cpu->cpl, ==, 0);
}

/* IRETQ to user and back through SYSCALL; SYSRET; the flags mask. */
GUEST_CODE(syscalls, "64",
           "push $0x33\n push $0xd000\n push $0x246\n push $0x3b\n lea 2f(%rip), %rax\n push %rax\n iretq\n"
           "2: mov $5, %edi\n syscall\n add $100, %edi\n syscall\n");
GUEST_CODE(syscall_entry, "64",
           "inc %esi\n cmp $2, %esi\n je 3f\n mov %rsp, %r8\n add $10, %edi\n sysretq\n 3: mov %edi, %eax\n" STOP);

static void test_syscall(void)
{
    struct x86_cpu *cpu = long_mode();

    GUEST_PUT(syscalls, BENCH_CODE);
    GUEST_PUT(syscall_entry, BENCH_CODE + 0x1000);
    cpu->star = (uint64_t)BENCH_CS64 << 32 | (uint64_t)(0x2b | 3) << 48;
    cpu->lstar = BENCH_CODE + 0x1000;
    cpu->fmask = EFLAGS_IF | EFLAGS_ZF;
    g_assert_cmpuint(bench_run(), ==, 115);
    g_assert_cmphex(cpu->regs[R_R8], ==, BENCH_USER_STACK);
    g_assert_cmphex(cpu->regs[R_R11] & EFLAGS_IF, ==, EFLAGS_IF);
    g_assert_cmphex(cpu->eflags & EFLAGS_IF, ==, 0);
    g_assert_cmphex(cpu->segs[S_CS].selector, ==, BENCH_CS64);
}

/* --- double and triple faults --- */

GUEST_CODE(page_fault, "64", "mov 0x140000, %eax\n");

static void test_double_fault(void)
{
    struct x86_cpu *cpu = long_mode();

    GUEST_PUT(page_fault, BENCH_CODE);
    *bench_pte(0x140000) = 0;
    bench_st64(BENCH_IDT + 16 * EXCP_PF, 0); /* no gate: #GP while delivering #PF */
    bench_gate64(EXCP_DF, BENCH_STUBS + 16 * EXCP_DF, 0, 1);
    g_assert_cmphex(bench_run(), ==, 0x100 + EXCP_DF);
    g_assert_cmphex(stack64(cpu, 0), ==, 0);
    g_assert_cmphex(stack64(cpu, 1), ==, BENCH_CODE);
    g_assert_cmphex(cpu->cr2, ==, 0x140000);
}

/* #UD is not contributory: a fault in its delivery is delivered as itself. */
static void test_benign_then_fault(void)
{
    struct x86_cpu *cpu = long_mode();

    GUEST_PUT(ud, BENCH_CODE);
    bench_st64(BENCH_IDT + 16 * EXCP_UD, 0);
    g_assert_cmphex(bench_run(), ==, 0x100 + EXCP_GP);
    g_assert_cmphex(stack64(cpu, 0), ==, EXCP_UD * 8 + 2 + 1); /* IDT and EXT */
}

static int triple_faults;
static void note_triple_fault(struct x86_cpu *cpu)
{
    __atomic_add_fetch(&triple_faults, 1, __ATOMIC_SEQ_CST);
}

static void test_triple_fault(void)
{
    struct x86_cpu *cpu = long_mode();
    int64_t until = g_get_monotonic_time() + 5 * G_TIME_SPAN_SECOND;

    GUEST_PUT(page_fault, BENCH_CODE);
    *bench_pte(0x140000) = 0;
    cpu->idt.limit = 0;
    x86_triple_fault_hook = note_triple_fault;
    triple_faults = 0;
    bench_go();
    big_unlock();
    while (!__atomic_load_n(&triple_faults, __ATOMIC_SEQ_CST) && g_get_monotonic_time() < until) {
        g_usleep(100);
    }
    g_usleep(2000);
    big_lock();
    vcpus_pause_all();
    g_assert_cmpint(triple_faults, ==, 1);
    g_assert_true(cpu->halted);
    g_assert_false(bench_finished());
    x86_triple_fault_hook = NULL;
}

/* --- interrupts --- */

static int fake_vector = -1;
static int fake_acknowledge(void *apic)
{
    int vector = fake_vector;
    fake_vector = -1;
    return vector;
}
static bool fake_poll(void *apic)
{
    return fake_vector >= 0;
}
static void fake_init_reset(void *apic)
{
}
static bool fake_take_sipi(void *apic, uint8_t *vector)
{
    *vector = 0x20;
    return true;
}
static const struct x86_apic_ops fake_apic = {
    .acknowledge = fake_acknowledge, .poll = fake_poll, .init_reset = fake_init_reset, .take_sipi = fake_take_sipi,
};

GUEST_CODE(sti_shadow, "64", "mov $1, %ecx\n sti\n inc %ecx\n inc %ecx\n inc %ecx\n" STOP);

static void test_sti_shadow(void)
{
    struct x86_cpu *cpu = long_mode();

    GUEST_PUT(sti_shadow, BENCH_CODE);
    cpu->apic_ops = &fake_apic;
    fake_vector = 0x33;
    cpu_interrupt(cpu, CPU_INTERRUPT_HARD);
    g_assert_cmphex(bench_run(), ==, 0x133);
    g_assert_cmpuint(cpu->regs[R_RCX], ==, 2); /* one instruction ran in STI's shadow */
    g_assert_cmphex(stack64(cpu, 0), ==, BENCH_CODE + 8);
    g_assert_cmphex(cpu->eflags & EFLAGS_IF, ==, 0);
}

GUEST_CODE(halt, "64", "sti\n hlt\n mov $2, %eax\n" STOP);

static void test_halt_and_wake(void)
{
    struct x86_cpu *cpu = long_mode();

    GUEST_PUT(halt, BENCH_CODE);
    cpu->apic_ops = &fake_apic;
    bench_go();
    for (int i = 0; i < 5000 && !__atomic_load_n(&cpu->halted, __ATOMIC_SEQ_CST); i++) {
        big_unlock();
        g_usleep(100);
        big_lock();
    }
    g_assert_true(cpu->halted);
    fake_vector = 0x44;
    cpu_interrupt(cpu, CPU_INTERRUPT_POLL);
    g_assert_cmphex(bench_wait(), ==, 0x144);
    g_assert_cmphex(stack64(cpu, 0), ==, BENCH_CODE + 2);
}

/* An NMI during an NMI waits for its IRET. */
GUEST_CODE(nmi_loop, "64", "2: cmp $2, %esi\n jb 2b\n mov %edi, %eax\n" STOP);
GUEST_CODE(nmi_handler, "64",
           "inc %esi\n cmp $1, %esi\n jne 4f\n"
           "mov $0xfe000000, %ebx\n mov %eax, (%rbx)\n" /* a second one is asked for from there */
           "mov $1000, %ecx\n 3: dec %ecx\n jnz 3b\n mov %esi, %edi\n 4: iretq");

static void test_nmi_blocked(void)
{
    struct x86_cpu *cpu = long_mode();

    GUEST_PUT(nmi_loop, BENCH_CODE);
    GUEST_PUT(nmi_handler, BENCH_CODE + 0x1000);
    bench_gate64(EXCP_NMI, BENCH_CODE + 0x1000, 0, 0);
    cpu_interrupt(cpu, CPU_INTERRUPT_NMI);
    bench_go();
    while (!bench_mmio_writes) {
        big_unlock();
        g_usleep(10);
        big_lock();
    }
    cpu_interrupt(cpu, CPU_INTERRUPT_NMI);
    g_assert_cmpuint(bench_wait(), ==, 1); /* ESI was still 1 at the handler's end */
    g_assert_false(cpu->nmi_blocked);
}

GUEST_CODE(ap, "16", "mov $0x77, %eax\n out %eax, $0xf4\n 1: cli\n hlt\n jmp 1b");

static void test_init_sipi(void)
{
    struct x86_cpu *cpu;

    bench_reset();
    cpu = vcpus[1];
    cpu->apic_ops = &fake_apic;
    cpu->regs[R_RBX] = 5;
    GUEST_PUT(ap, 0x20000);
    cpu_interrupt(cpu, CPU_INTERRUPT_INIT);
    bench_go();
    while (cpu->regs[R_RBX]) {
        big_unlock();
        g_usleep(10);
        big_lock();
    }
    cpu_interrupt(cpu, CPU_INTERRUPT_SIPI);
    g_assert_cmphex(bench_wait(), ==, 0x77);
    g_assert_cmphex(cpu->segs[S_CS].selector, ==, 0x2000);
    g_assert_cmphex(cpu->segs[S_CS].base, ==, 0x20000);
    cpu->apic_ops = NULL;
}

/* --- single step --- */

GUEST_CODE(step, "64", "pushf\n orl $0x100, (%rsp)\n popf\n inc %ecx\n inc %ecx\n" STOP);

static void test_single_step(void)
{
    struct x86_cpu *cpu = long_mode();

    GUEST_PUT(step, BENCH_CODE);
    g_assert_cmphex(bench_run(), ==, 0x100 + EXCP_DB);
    g_assert_cmpuint(cpu->regs[R_RCX], ==, 1); /* after the instruction behind POPF */
    g_assert_cmphex(cpu->dr[6], ==, 0xffff4ff0);
    g_assert_cmphex(cpu->eflags & EFLAGS_TF, ==, 0);
    g_assert_cmphex(stack64(cpu, 2) & EFLAGS_TF, ==, EFLAGS_TF);
}

/* --- 32-bit protected mode --- */

GUEST_CODE(gate_user, "32", "push $0x11\n push $0x22\n lcall $0x50, $0\n");
GUEST_CODE(gate_kernel, "32", "mov 8(%esp), %eax\n mov 12(%esp), %ebx\n mov %ss, %ecx\n" STOP);

static void put_gate(uint32_t target, unsigned params)
{
    bench_st64(BENCH_GDT + BENCH_GATE, (target & 0xffff) | BENCH_CS32 << 16 |
               (uint64_t)(0xec00 | params) << 32 | (uint64_t)(target & 0xffff0000) << 32);
}

static void test_call_gate(void)
{
    struct x86_cpu *cpu = protected_mode();

    GUEST_PUT(gate_user, BENCH_CODE);
    GUEST_PUT(gate_kernel, BENCH_CODE + 0x100);
    put_gate(BENCH_CODE + 0x100, 2);
    to_user(cpu, BENCH_UCS32, BENCH_CODE);
    g_assert_cmphex(bench_run(), ==, 0x22);
    g_assert_cmphex(cpu->regs[R_RBX], ==, 0x11);
    g_assert_cmphex(cpu->regs[R_RCX], ==, BENCH_DS);
    g_assert_cmphex(cpu->regs[R_RSP], ==, BENCH_RSP0 - 24);
    g_assert_cmphex(stack32(cpu, 0), ==, BENCH_CODE + (gate_user_end - gate_user_begin));
    g_assert_cmphex(stack32(cpu, 1), ==, BENCH_UCS32);
    g_assert_cmphex(stack32(cpu, 4), ==, BENCH_USER_STACK - 8);
    g_assert_cmphex(stack32(cpu, 5), ==, BENCH_UDS);
}

/* The kernel's data segments do not survive the return to user code. */
GUEST_CODE(far_return, "32",
           "push $0x33\n push $0xd000\n push $0x2b\n push $0x20000 + 2f - far_return_begin\n lret\n"
           "2: mov %ds, %eax\n out %eax, $0xf4\n 3: jmp 3b");

static void test_far_return_outward(void)
{
    struct x86_cpu *cpu = protected_mode();

    GUEST_PUT(far_return, BENCH_CODE);
    g_assert_cmphex(bench_run(), ==, 0);
    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_assert_cmphex(cpu->segs[S_SS].selector, ==, BENCH_UDS);
}

/* A hardware task switch by far JMP, and #GP's error code of a selector beyond the table. */
GUEST_CODE(task_jump, "32", "mov $7, %ebx\n ljmp $0x60, $0\n");
GUEST_CODE(task_target, "32", "add %ecx, %eax\n" STOP);

static void test_task_switch(void)
{
    struct x86_cpu *cpu = protected_mode();
    uint32_t tss = 0x8000;

    GUEST_PUT(task_jump, BENCH_CODE);
    GUEST_PUT(task_target, BENCH_CODE + 0x100);
    bench_st64(BENCH_GDT + BENCH_TSS2_SEL, 0x67 | (uint64_t)tss << 16 | 0x8900ull << 32);
    bench_st32(tss + 0x20, BENCH_CODE + 0x100);
    bench_st32(tss + 0x24, 2);
    bench_st32(tss + 0x28, 40);                /* EAX */
    bench_st32(tss + 0x2c, 2);                 /* ECX */
    bench_st32(tss + 0x38, BENCH_STACK);
    for (unsigned i = 0; i < 6; i++) {
        bench_st32(tss + 0x48 + 4 * i, i == S_CS ? BENCH_CS32 : BENCH_DS);
    }
    g_assert_cmpuint(bench_run(), ==, 42);
    g_assert_cmphex(cpu->tr.selector, ==, BENCH_TSS2_SEL);
    g_assert_cmphex(bench_mem[BENCH_GDT + BENCH_TSS2_SEL + 5], ==, 0x8b); /* busy */
    g_assert_cmphex(bench_mem[BENCH_GDT + BENCH_TSS_SEL + 5], ==, 0x89);  /* no longer */
    g_assert_cmpuint((uint32_t)bench_ld64(BENCH_TSS + 0x34), ==, 7);      /* EBX was saved */
    g_assert_cmphex((uint32_t)bench_ld64(BENCH_TSS + 0x20), ==, BENCH_CODE + (task_jump_end - task_jump_begin));
    g_assert_true(cpu->cr0 & CR0_TS);
}

GUEST_CODE(bad_selector, "32", "mov $0x1230, %eax\n mov %eax, %es\n");
GUEST_CODE(not_present, "32", "mov $0x60, %eax\n mov %eax, %es\n");
GUEST_CODE(null_ss, "32", "xor %eax, %eax\n mov %eax, %ss\n");

static void test_segment_faults(void)
{
    struct x86_cpu *cpu = protected_mode();

    GUEST_PUT(bad_selector, BENCH_CODE);
    g_assert_cmphex(bench_run(), ==, 0x100 + EXCP_GP);
    g_assert_cmphex(stack32(cpu, 0), ==, 0x1230);
    g_assert_cmphex(stack32(cpu, 1), ==, BENCH_CODE + 5);
    cpu = protected_mode();
    GUEST_PUT(not_present, BENCH_CODE);
    bench_st64(BENCH_GDT + BENCH_TSS2_SEL, 0x00cf13000000ffffull);
    g_assert_cmphex(bench_run(), ==, 0x100 + EXCP_NP);
    g_assert_cmphex(stack32(cpu, 0), ==, 0x60);
    cpu = protected_mode();
    GUEST_PUT(null_ss, BENCH_CODE);
    g_assert_cmphex(bench_run(), ==, 0x100 + EXCP_GP);
    g_assert_cmphex(stack32(cpu, 0), ==, 0);
}

/* VM86: entered by IRET, left by a #GP for CLI. */
GUEST_CODE(enter_vm86, "32",
           "push $0x66\n push $0x55\n push $0x44\n push $0x33\n push $0x900\n push $0x100\n push $0x20002\n"
           "push $0x2100\n push $0\n iretl");
GUEST_CODE(vm86, "16", "mov %ds, %ax\n mov %ax, %bx\n cli\n");

static void test_vm86(void)
{
    struct x86_cpu *cpu = protected_mode();

    GUEST_PUT(enter_vm86, BENCH_CODE);
    GUEST_PUT(vm86, 0x21000);
    g_assert_cmphex(bench_run(), ==, 0x100 + EXCP_GP);
    g_assert_cmphex(cpu->regs[R_RBX], ==, 0x44);
    g_assert_cmphex(cpu->regs[R_RSP], ==, BENCH_RSP0 - 40);
    g_assert_cmphex(stack32(cpu, 0), ==, 0);
    g_assert_cmphex(stack32(cpu, 1), ==, vm86_end - vm86_begin - 1);
    g_assert_cmphex(stack32(cpu, 2), ==, 0x2100);
    g_assert_cmphex(stack32(cpu, 3) & EFLAGS_VM, ==, EFLAGS_VM);
    g_assert_cmphex(stack32(cpu, 6), ==, 0x33);
    g_assert_cmphex(stack32(cpu, 9), ==, 0x66);
    g_assert_cmphex(cpu->segs[S_DS].selector, ==, 0);
}

/* --- real mode --- */

GUEST_CODE(real, "16",
           "mov $0x1234, %ax\n int $0x21\n mov %ax, %bx\n mov %bx, %ax\n movzwl %ax, %eax\n" STOP);
GUEST_CODE(real_handler, "16", "add $1, %ax\n iret");

static void test_real_mode(void)
{
    struct x86_cpu *cpu;

    bench_reset();
    cpu = vcpus[0];
    GUEST_PUT(real, 0x20000);
    GUEST_PUT(real_handler, 0x21000);
    bench_st32(0x21 * 4, 0x2100 << 16);
    cpu->segs[S_CS].selector = 0x2000;
    cpu->segs[S_CS].base = 0x20000;
    cpu->regs[R_RIP] = 0;
    cpu->regs[R_RSP] = 0x900;
    cpu->halted = false;
    x86_cpu_update_mode(cpu);
    g_assert_cmphex(bench_run(), ==, 0x1235);
    g_assert_cmphex(cpu->regs[R_RSP], ==, 0x900);
}

/* From real mode through protected to long mode and into compatibility mode, as a boot loader does. */
GUEST_CODE(into_long, "32",
           "mov $0x10000, %eax\n mov %eax, %cr3\n mov $0x620, %eax\n mov %eax, %cr4\n"
           "mov $0xc0000080, %ecx\n rdmsr\n or $0x100, %eax\n wrmsr\n"
           "mov $0x80000011, %eax\n mov %eax, %cr0\n ljmp $0x18, $0x20100\n");
GUEST_CODE(in_long, "64", "movabs $0x1122334455667788, %rax\n shr $32, %rax\n" STOP);

static void test_enter_long_mode(void)
{
    struct x86_cpu *cpu = long_mode(); /* for its tables */

    bench_protected_mode(cpu, BENCH_CODE);
    for (unsigned v = 0; v < 256; v++) {
        bench_gate64(v, BENCH_STUBS + 16 * v, 0, 0);
    }
    cpu->efer = 0;
    cpu->cr4 = 0;
    x86_cpu_update_mode(cpu);
    GUEST_PUT(into_long, BENCH_CODE);
    GUEST_PUT(in_long, BENCH_CODE + 0x100);
    g_assert_cmphex(bench_run(), ==, 0x11223344);
    g_assert_true(cpu->efer & EFER_LMA);
    g_assert_cmpuint(cpu->mode & 3, ==, 2);
}

/* --- #GP by privileged and reserved things --- */

GUEST_CODE(user_hlt, "64", "hlt");
GUEST_CODE(user_cr, "64", "mov %cr0, %rax");
GUEST_CODE(user_msr, "64", "mov $0x10, %ecx\n rdmsr");
GUEST_CODE(user_cli, "64", "cli");
GUEST_CODE(bad_cr4, "64", "mov $0x10000020, %eax\n mov %rax, %cr4");
GUEST_CODE(bad_cr0, "64", "mov $0x80000000, %eax\n mov %rax, %cr0");
GUEST_CODE(bad_efer, "64", "mov $0xc0000080, %ecx\n mov $0x1001, %eax\n xor %edx, %edx\n wrmsr");
GUEST_CODE(bad_lstar, "64", "mov $0xc0000082, %ecx\n mov $1, %eax\n mov $0x8000, %edx\n wrmsr");

static void test_general_protection(void)
{
    static const struct {
        const uint8_t *begin, *end;
        bool user;
        uint64_t offset;
    } all[] = {
        { user_hlt_begin, user_hlt_end, true, 0 },   { user_cr_begin, user_cr_end, true, 0 },
        { user_msr_begin, user_msr_end, true, 5 },   { user_cli_begin, user_cli_end, true, 0 },
        { bad_cr4_begin, bad_cr4_end, false, 5 },    { bad_cr0_begin, bad_cr0_end, false, 5 },
        { bad_efer_begin, bad_efer_end, false, 12 }, { bad_lstar_begin, bad_lstar_end, false, 15 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        struct x86_cpu *cpu = long_mode();
        memcpy(bench_mem + BENCH_CODE, all[i].begin, all[i].end - all[i].begin);
        if (all[i].user) {
            to_user(cpu, BENCH_UCS64, BENCH_CODE);
        }
        g_assert_cmphex(bench_run(), ==, 0x100 + EXCP_GP);
        g_assert_cmphex(stack64(cpu, 0), ==, 0);
        g_assert_cmphex(stack64(cpu, 1), ==, BENCH_CODE + all[i].offset);
    }
}

/* MSRs: those that exist keep their value, others read 0. */
GUEST_CODE(msrs, "64",
           "mov $0xc0000081, %ecx\n mov $0x11, %eax\n mov $0x22, %edx\n wrmsr\n xor %eax, %eax\n rdmsr\n"
           "mov %eax, %esi\n mov %edx, %edi\n mov $0x12345, %ecx\n wrmsr\n rdmsr\n mov %eax, %ebx\n"
           "mov $0x277, %ecx\n rdmsr\n" STOP);

static void test_msrs(void)
{
    struct x86_cpu *cpu = long_mode();

    GUEST_PUT(msrs, BENCH_CODE);
    g_assert_cmphex(bench_run(), ==, 0x00070406);
    g_assert_cmphex(cpu->regs[R_RSI], ==, 0x11);
    g_assert_cmphex(cpu->regs[R_RDI], ==, 0x22);
    g_assert_cmphex(cpu->regs[R_RBX], ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init("max");
    g_test_add_func("/exceptions/frame", test_frame);
    g_test_add_func("/exceptions/ist", test_ist);
    g_test_add_func("/exceptions/int-from-user", test_int_from_user);
    g_test_add_func("/exceptions/syscall", test_syscall);
    g_test_add_func("/exceptions/double-fault", test_double_fault);
    g_test_add_func("/exceptions/benign-then-fault", test_benign_then_fault);
    g_test_add_func("/exceptions/triple-fault", test_triple_fault);
    g_test_add_func("/exceptions/sti-shadow", test_sti_shadow);
    g_test_add_func("/exceptions/halt", test_halt_and_wake);
    g_test_add_func("/exceptions/nmi-blocked", test_nmi_blocked);
    g_test_add_func("/exceptions/init-sipi", test_init_sipi);
    g_test_add_func("/exceptions/single-step", test_single_step);
    g_test_add_func("/exceptions/call-gate", test_call_gate);
    g_test_add_func("/exceptions/far-return", test_far_return_outward);
    g_test_add_func("/exceptions/task-switch", test_task_switch);
    g_test_add_func("/exceptions/segment-faults", test_segment_faults);
    g_test_add_func("/exceptions/vm86", test_vm86);
    g_test_add_func("/exceptions/real-mode", test_real_mode);
    g_test_add_func("/exceptions/enter-long-mode", test_enter_long_mode);
    g_test_add_func("/exceptions/general-protection", test_general_protection);
    g_test_add_func("/exceptions/msrs", test_msrs);
    return g_test_run();
}
