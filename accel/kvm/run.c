/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU in KVM_RUN, and what it comes out for.
 *
 * A kick is a signal. Its handler sets immediate_exit, which makes the kernel come back from the KVM_RUN that is
 * under way or, if the signal came too early, from the next one: so immediate_exit is cleared before exit_request and
 * interrupt_request are looked at, and a kick between the look and the entry is not lost. The last thing before
 * cpu_run() returns is a KVM_RUN that ended in EINTR: only then has the kernel finished the instruction of an earlier
 * port or MMIO exit.
 */
#include "accel/kvm/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memory/memory.h"
#include "system/runstate.h"
#include "target/i386/exception.h"
#include "util/log.h"
#include "util/main-loop.h"

#define SIG_KICK SIGUSR1

static __thread struct kvm_run *this_run;

static void on_kick(int number)
{
    if (this_run) {
        __atomic_store_n(&this_run->immediate_exit, 1, __ATOMIC_RELAXED);
    }
}

bool kvm_run_init(GError **error)
{
    struct sigaction action = { .sa_handler = on_kick };

    return sigaction(SIG_KICK, &action, NULL) == 0 || error_setf_errno(error, errno, "kvm: sigaction failed");
}

void kvm_cpu_kick(struct x86_cpu *cpu)
{
    if (__atomic_load_n(&cpu->kvm->kickable, __ATOMIC_SEQ_CST)) {
        syscall(SYS_tgkill, getpid(), cpu->thread_id, SIG_KICK);
    }
}

/* --- the gate before KVM_RUN --- */

static GMutex gate_lock; /* guards `closed`, whose kvm_cpu there is, and goes with gate_cond; innermost, after the slots lock */
static GCond gate_cond;  /* a vCPU has left KVM_RUN, or the gate was opened */
static int closed;       /* how often; atomic for the look without the lock */

static void leave_kernel(struct kvm_cpu *k)
{
    __atomic_store_n(&k->running, 0, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&closed, __ATOMIC_SEQ_CST)) {
        g_mutex_lock(&gate_lock);
        g_cond_broadcast(&gate_cond);
        g_mutex_unlock(&gate_lock);
    }
}

static void enter_kernel(struct kvm_cpu *k)
{
    __atomic_store_n(&k->running, 1, __ATOMIC_SEQ_CST);
    while (G_UNLIKELY(__atomic_load_n(&closed, __ATOMIC_SEQ_CST))) {
        leave_kernel(k);
        g_mutex_lock(&gate_lock);
        while (closed) {
            g_cond_wait(&gate_cond, &gate_lock);
        }
        g_mutex_unlock(&gate_lock);
        __atomic_store_n(&k->running, 1, __ATOMIC_SEQ_CST);
    }
}

void kvm_quiesce_begin(void)
{
    g_mutex_lock(&gate_lock);
    __atomic_store_n(&closed, closed + 1, __ATOMIC_SEQ_CST);
    VCPU_FOREACH (cpu) {
        while (cpu->kvm && __atomic_load_n(&cpu->kvm->running, __ATOMIC_SEQ_CST)) {
            kvm_cpu_kick(cpu);
            g_cond_wait(&gate_cond, &gate_lock);
        }
    }
    g_mutex_unlock(&gate_lock);
}

void kvm_quiesce_end(void)
{
    g_mutex_lock(&gate_lock);
    __atomic_store_n(&closed, closed - 1, __ATOMIC_SEQ_CST);
    g_cond_broadcast(&gate_cond);
    g_mutex_unlock(&gate_lock);
}

struct kvm_cpu *kvm_gate_forget(struct x86_cpu *cpu)
{
    g_mutex_lock(&gate_lock);
    struct kvm_cpu *k = g_steal_pointer(&cpu->kvm);
    g_mutex_unlock(&gate_lock);
    return k;
}

/* --- failures: the guest stands still, and the operator is told why --- */

static void describe(struct x86_cpu *cpu)
{
    GString *text = g_string_new(NULL);
    GError *error = NULL;

    if (kvm_get_state(cpu, &error)) {
        x86_cpu_describe(cpu, text);
        error_report("vCPU %d stopped here:\n%s", cpu->index, text->str);
    } else {
        error_report_free(error);
    }
    g_string_free(text, TRUE);
}

static void stop_guest(struct x86_cpu *cpu)
{
    describe(cpu);
    big_lock(); /* so that this vCPU stops with it, and does not come here again */
    system_vmstop_request(RUN_STATE_INTERNAL_ERROR);
    big_unlock();
}

static void on_internal_error(struct x86_cpu *cpu)
{
    const struct kvm_run *run = cpu->kvm->run;
    GString *data = g_string_new(NULL);

    for (uint32_t i = 0; i < MIN(run->internal.ndata, (uint32_t)G_N_ELEMENTS(run->internal.data)); i++) {
        g_string_append_printf(data, " 0x%016" PRIx64, (uint64_t)run->internal.data[i]);
    }
    error_report("KVM internal error on vCPU %d. Suberror: %u (%s); data:%s", cpu->index, run->internal.suberror,
                 run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION ? "emulation failure" : "see linux/kvm.h",
                 data->len ? data->str : " none");
    g_string_free(data, TRUE);
    stop_guest(cpu);
}

static void on_fail_entry(struct x86_cpu *cpu)
{
    error_report("KVM: entry failed on vCPU %d, hardware error 0x%" PRIx64, cpu->index,
                 (uint64_t)cpu->kvm->run->fail_entry.hardware_entry_failure_reason);
    stop_guest(cpu);
}

static void on_unknown(struct x86_cpu *cpu)
{
    error_report("KVM: vCPU %d left the guest for a reason that is not known: %u (hardware reason 0x%" PRIx64 ")",
                 cpu->index, cpu->kvm->run->exit_reason, (uint64_t)cpu->kvm->run->hw.hardware_exit_reason);
    stop_guest(cpu);
}

/* --- exits --- */

static void on_io(struct x86_cpu *cpu)
{
    struct kvm_run *run = cpu->kvm->run;
    uint8_t *data = (uint8_t *)run + run->io.data_offset;

    for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
        if (run->io.direction == KVM_EXIT_IO_OUT) {
            address_space_write(&address_space_io, run->io.port, data, run->io.size);
        } else {
            address_space_read(&address_space_io, run->io.port, data, run->io.size);
        }
    }
}

static void on_mmio(struct x86_cpu *cpu)
{
    struct kvm_run *run = cpu->kvm->run;

    if (run->mmio.is_write) {
        address_space_write(&address_space_memory, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
    } else {
        address_space_read(&address_space_memory, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
    }
}

static void on_halt(struct x86_cpu *cpu)
{
    cpu->interrupt_shadow = cpu->nmi_blocked = false; /* as last fetched, which was earlier */
    if (!x86_cpu_has_work(cpu)) {
        __atomic_store_n(&cpu->halted, true, __ATOMIC_SEQ_CST);
    }
}

static void on_shutdown(struct x86_cpu *cpu)
{
    guest_error("vCPU %d: triple fault", cpu->index);
    if (x86_triple_fault_hook) {
        x86_triple_fault_hook(cpu);
    }
    __atomic_or_fetch(&cpu->exit_request, EXIT_LEAVE, __ATOMIC_SEQ_CST);
}

static void on_nothing(struct x86_cpu *cpu)
{
    /* the loop looks at everything again anyhow */
}

static void (*const exits[])(struct x86_cpu *cpu) = {
    [KVM_EXIT_IO] = on_io,
    [KVM_EXIT_MMIO] = on_mmio,
    [KVM_EXIT_HLT] = on_halt,
    [KVM_EXIT_SHUTDOWN] = on_shutdown,
    [KVM_EXIT_IRQ_WINDOW_OPEN] = on_nothing,
    [KVM_EXIT_INTR] = on_nothing,
    [KVM_EXIT_SET_TPR] = on_nothing,
    [KVM_EXIT_FAIL_ENTRY] = on_fail_entry,
    [KVM_EXIT_INTERNAL_ERROR] = on_internal_error,
    [KVM_EXIT_DIRTY_RING_FULL] = kvm_dirty_ring_full,
};

static void handle_exit(struct x86_cpu *cpu)
{
    uint32_t reason = cpu->kvm->run->exit_reason;

    (reason < G_N_ELEMENTS(exits) && exits[reason] ? exits[reason] : on_unknown)(cpu);
}

/* --- kernel-irqchip=off: the APIC is ours --- */

/* What the guest did to CR8 and IA32_APIC_BASE in the kernel. */
static void take_apic_changes(struct x86_cpu *cpu)
{
    struct kvm_cpu *k = cpu->kvm;

    cpu->eflags = k->run->if_flag ? cpu->eflags | EFLAGS_IF : cpu->eflags & ~EFLAGS_IF;
    if (!cpu->apic_ops || (k->run->cr8 == k->last_cr8 && k->run->apic_base == k->last_apic_base)) {
        return;
    }
    big_lock();
    if (k->run->cr8 != k->last_cr8) {
        cpu->apic_ops->set_tpr(cpu->apic, k->run->cr8);
    }
    if (k->run->apic_base != k->last_apic_base) {
        cpu->apic_ops->set_base(cpu->apic, k->run->apic_base);
    }
    big_unlock();
    k->last_cr8 = k->run->cr8;
    k->last_apic_base = k->run->apic_base;
}

/* INIT and SIPI act on the registers, which must be here for it. Big lock held. */
static bool settle(struct x86_cpu *cpu, GError **error)
{
    uint32_t request = __atomic_load_n(&cpu->interrupt_request, __ATOMIC_ACQUIRE);

    if (request & (CPU_INTERRUPT_INIT | CPU_INTERRUPT_SIPI) && !kvm_get_state(cpu, error)) {
        return false;
    }
    x86_interrupt_settle(cpu);
    return true;
}

/* Hands an interrupt to the kernel if it can take one now; asks to be told when it can, if there are more. */
static bool inject(struct x86_cpu *cpu, GError **error)
{
    struct kvm_run *run = cpu->kvm->run;
    uint32_t request = __atomic_load_n(&cpu->interrupt_request, __ATOMIC_ACQUIRE);
    bool ready = run->ready_for_interrupt_injection && run->if_flag;
    int result = 0;

    if (request & CPU_INTERRUPT_NMI) {
        cpu_reset_interrupt(cpu, CPU_INTERRUPT_NMI);
        result = kvm_vcpu_ioctl(cpu, KVM_NMI, NULL);
    }
    if (result == 0 && request & CPU_INTERRUPT_HARD && ready) {
        struct kvm_interrupt interrupt;
        cpu_reset_interrupt(cpu, CPU_INTERRUPT_HARD);
        int vector = cpu->apic_ops ? cpu->apic_ops->acknowledge(cpu->apic) : -1;
        interrupt.irq = vector;
        result = vector < 0 ? 0 : kvm_vcpu_ioctl(cpu, KVM_INTERRUPT, &interrupt);
    }
    run->request_interrupt_window = !!(__atomic_load_n(&cpu->interrupt_request, __ATOMIC_ACQUIRE) &
                                       CPU_INTERRUPT_HARD);
    return result == 0 || error_setf_errno(error, -result, "kvm: vCPU %d does not take its interrupt", cpu->index);
}

/* An NMI from outside (inject-nmi). */
static bool bring_nmi(struct x86_cpu *cpu, GError **error)
{
    int result = 0;

    if (!(__atomic_load_n(&cpu->interrupt_request, __ATOMIC_ACQUIRE) & CPU_INTERRUPT_NMI)) {
        return true;
    }
    cpu_reset_interrupt(cpu, CPU_INTERRUPT_NMI);
    if (cpu->kvm->in_kernel) {
        result = kvm_vcpu_ioctl(cpu, KVM_NMI, NULL);
    } else {
        cpu->beyond.nmi_pending = true; /* goes with the registers */
    }
    return result == 0 || error_setf_errno(error, -result, "kvm: vCPU %d does not take its NMI", cpu->index);
}

/* Before each KVM_RUN. */
static bool bring_interrupts(struct x86_cpu *cpu, GError **error)
{
    bool ok = true;

    if (kvm_irqchip_in_kernel()) {
        return bring_nmi(cpu, error);
    }
    cpu->kvm->run->request_interrupt_window = 0;
    if (__atomic_load_n(&cpu->interrupt_request, __ATOMIC_ACQUIRE)) {
        big_lock();
        ok = settle(cpu, error) && (cpu->halted || !cpu->kvm->in_kernel || inject(cpu, error));
        big_unlock();
    }
    if (ok && cpu->apic_ops) {
        cpu->kvm->run->cr8 = cpu->kvm->last_cr8 = cpu->apic_ops->get_tpr(cpu->apic);
    }
    return ok;
}

/* A halted vCPU of ours: does it go on? */
static bool wake(struct x86_cpu *cpu, GError **error)
{
    bool ok;

    if (kvm_irqchip_in_kernel() || !cpu->halted) {
        return true;
    }
    big_lock();
    ok = settle(cpu, error);
    big_unlock();
    if (ok && x86_interrupt_pending(cpu)) {
        __atomic_store_n(&cpu->halted, false, __ATOMIC_RELEASE);
    }
    return ok && !cpu->halted;
}

/* With the controllers in the kernel, a halted vCPU waits there. */
bool kvm_cpu_is_halted(const struct x86_cpu *cpu)
{
    return !kvm_irqchip_in_kernel() && __atomic_load_n(&cpu->halted, __ATOMIC_SEQ_CST) && !x86_cpu_has_work(cpu);
}

/* --- the loop --- */

static bool must_leave(const struct x86_cpu *cpu)
{
    return __atomic_load_n(&cpu->exit_request, __ATOMIC_ACQUIRE) & EXIT_LEAVE;
}

/* One entry. False: nothing more can be run. */
static bool run_once(struct x86_cpu *cpu, bool *finished, GError **error)
{
    struct kvm_cpu *k = cpu->kvm;
    int result;

    enter_kernel(k);
    if (must_leave(cpu) || (cpu->halted && !kvm_irqchip_in_kernel())) {
        __atomic_store_n(&k->run->immediate_exit, 1, __ATOMIC_RELAXED);
        *finished = true;
    }
    result = kvm_vcpu_ioctl(cpu, KVM_RUN, NULL);
    leave_kernel(k);
    if (!kvm_irqchip_in_kernel()) {
        take_apic_changes(cpu);
    }
    if (result == -EINTR || result == -EAGAIN) {
        return true;
    }
    *finished = false;
    if (result < 0) {
        return error_setf_errno(error, -result, "kvm run failed on vCPU %d", cpu->index);
    }
    handle_exit(cpu);
    return true;
}

void kvm_cpu_run(struct x86_cpu *cpu)
{
    GError *error = NULL;
    bool finished = false, ok = wake(cpu, &error);

    if (!ok && !error) {
        return; /* still halted */
    }
    this_run = cpu->kvm->run;
    __atomic_store_n(&cpu->kvm->kickable, 1, __ATOMIC_SEQ_CST);
    while (ok && !finished) {
        __atomic_store_n(&cpu->kvm->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
        ok = bring_interrupts(cpu, &error) && (cpu->kvm->in_kernel || kvm_put_state(cpu, &error)) &&
             run_once(cpu, &finished, &error);
    }
    __atomic_store_n(&cpu->kvm->kickable, 0, __ATOMIC_SEQ_CST);
    if (!ok) {
        error_report_free(error);
        stop_guest(cpu);
    }
}
