/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A vCPU's registers between the kernel and struct x86_cpu. What XSAVE holds is in xsave.c, MSRs in msr.c. */
#include "accel/kvm/internal.h"
#include "target/i386/flags.h"

static bool vcpu_ioctl(struct x86_cpu *cpu, unsigned long request, void *argument, const char *what, GError **error)
{
    int result = kvm_vcpu_ioctl(cpu, request, argument);

    return result >= 0 || error_setf_errno(error, -result, "kvm: vCPU %d: %s failed", cpu->index, what);
}
#define VCPU_IOCTL(cpu, request, argument, error) vcpu_ioctl(cpu, request, argument, #request, error)

/* --- general registers, in the order of the encoding numbers --- */

static void regs_of(struct kvm_regs *r, __u64 *each[16])
{
    __u64 *const order[16] = { &r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp, &r->rsi, &r->rdi,
                               &r->r8,  &r->r9,  &r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15 };

    memcpy(each, order, sizeof(order));
}

static bool get_regs(struct x86_cpu *cpu, GError **error)
{
    struct kvm_regs regs;
    __u64 *each[16];

    if (!VCPU_IOCTL(cpu, KVM_GET_REGS, &regs, error)) {
        return false;
    }
    regs_of(&regs, each);
    for (int i = 0; i < 16; i++) {
        cpu->regs[i] = *each[i];
    }
    cpu->regs[R_RIP] = regs.rip;
    cpu->cc_op = CC_OP_EFLAGS;
    cpu->eflags = 2;
    x86_flags_set(cpu, regs.rflags, UINT32_MAX);
    return true;
}

static bool put_regs(struct x86_cpu *cpu, GError **error)
{
    struct kvm_regs regs = { .rip = cpu->regs[R_RIP], .rflags = x86_flags_get(cpu) | 2 };
    __u64 *each[16];

    regs_of(&regs, each);
    for (int i = 0; i < 16; i++) {
        *each[i] = cpu->regs[i];
    }
    return VCPU_IOCTL(cpu, KVM_SET_REGS, &regs, error);
}

/* --- segments and control registers --- */

static void segment_get(struct x86_segment *to, const struct kvm_segment *from)
{
    bool present = from->present && !from->unusable;

    *to = (struct x86_segment) {
        .selector = from->selector,
        .base = from->base,
        .limit = from->limit,
        .flags = (uint32_t)from->type << SEG_TYPE_SHIFT | (from->s ? SEG_S : 0) | (uint32_t)from->dpl << SEG_DPL_SHIFT |
                 (present ? SEG_P : 0) | (from->avl ? SEG_AVL : 0) | (from->l ? SEG_L : 0) | (from->db ? SEG_B : 0) |
                 (from->g ? SEG_G : 0),
    };
}

static struct kvm_segment segment_put(const struct x86_segment *from)
{
    return (struct kvm_segment) {
        .selector = from->selector,
        .base = from->base,
        .limit = from->limit,
        .type = from->flags >> SEG_TYPE_SHIFT & 15,
        .s = !!(from->flags & SEG_S),
        .dpl = from->flags >> SEG_DPL_SHIFT & 3,
        .present = !!(from->flags & SEG_P),
        .avl = !!(from->flags & SEG_AVL),
        .l = !!(from->flags & SEG_L),
        .db = !!(from->flags & SEG_B),
        .g = !!(from->flags & SEG_G),
        .unusable = !(from->flags & SEG_P),
    };
}

/* Virtual-8086 mode: Intel CPUs take only this form (SDM 3C 26.3.1.2), whatever the caches hold. */
static struct kvm_segment segment_put_v8086(const struct x86_segment *from)
{
    return (struct kvm_segment) {
        .selector = from->selector, .base = from->selector << 4, .limit = 0xffff,
        .type = 3, .present = 1, .dpl = 3, .s = 1,
    };
}

static void segments_of(struct kvm_sregs *s, struct kvm_segment *each[S_COUNT])
{
    each[S_ES] = &s->es;
    each[S_CS] = &s->cs;
    each[S_SS] = &s->ss;
    each[S_DS] = &s->ds;
    each[S_FS] = &s->fs;
    each[S_GS] = &s->gs;
}

static bool get_sregs(struct x86_cpu *cpu, GError **error)
{
    struct kvm_sregs sregs;
    struct kvm_segment *each[S_COUNT];

    if (!VCPU_IOCTL(cpu, KVM_GET_SREGS, &sregs, error)) {
        return false;
    }
    segments_of(&sregs, each);
    for (int i = 0; i < S_COUNT; i++) {
        segment_get(&cpu->segs[i], each[i]);
    }
    segment_get(&cpu->ldt, &sregs.ldt);
    segment_get(&cpu->tr, &sregs.tr);
    cpu->gdt = (struct x86_segment) { .base = sregs.gdt.base, .limit = sregs.gdt.limit };
    cpu->idt = (struct x86_segment) { .base = sregs.idt.base, .limit = sregs.idt.limit };
    cpu->cr0 = sregs.cr0;
    cpu->cr2 = sregs.cr2;
    cpu->cr3 = sregs.cr3;
    cpu->cr4 = sregs.cr4;
    cpu->efer = sregs.efer;
    if (kvm_irqchip_in_kernel() && cpu->apic_ops) {
        cpu->apic_ops->set_tpr(cpu->apic, sregs.cr8);
        cpu->apic_ops->set_base(cpu->apic, sregs.apic_base);
    }
    return true;
}

static bool put_sregs(struct x86_cpu *cpu, GError **error)
{
    bool v8086 = cpu->cr0 & CR0_PE && cpu->eflags & EFLAGS_VM;
    struct kvm_segment *each[S_COUNT];
    struct kvm_sregs sregs = {
        .ldt = segment_put(&cpu->ldt),
        .tr = segment_put(&cpu->tr),
        .gdt = { .base = cpu->gdt.base, .limit = cpu->gdt.limit },
        .idt = { .base = cpu->idt.base, .limit = cpu->idt.limit },
        .cr0 = cpu->cr0, .cr2 = cpu->cr2, .cr3 = cpu->cr3, .cr4 = cpu->cr4, .efer = cpu->efer,
        .cr8 = cpu->apic_ops ? cpu->apic_ops->get_tpr(cpu->apic) : 0,
        .apic_base = cpu->apic_ops ? cpu->apic_ops->get_base(cpu->apic) : 0,
    };

    segments_of(&sregs, each);
    for (int i = 0; i < S_COUNT; i++) {
        *each[i] = v8086 ? segment_put_v8086(&cpu->segs[i]) : segment_put(&cpu->segs[i]);
    }
    cpu->kvm->last_cr8 = sregs.cr8;
    cpu->kvm->last_apic_base = sregs.apic_base;
    return VCPU_IOCTL(cpu, KVM_SET_SREGS, &sregs, error);
}

static bool get_debug_registers(struct x86_cpu *cpu, GError **error)
{
    struct kvm_debugregs debug;

    if (!VCPU_IOCTL(cpu, KVM_GET_DEBUGREGS, &debug, error)) {
        return false;
    }
    memcpy(cpu->dr, debug.db, sizeof(debug.db));
    cpu->dr[6] = cpu->dr[4] = debug.dr6;
    cpu->dr[7] = cpu->dr[5] = debug.dr7;
    return true;
}

static bool put_debug_registers(struct x86_cpu *cpu, GError **error)
{
    struct kvm_debugregs debug = { .dr6 = cpu->dr[6], .dr7 = cpu->dr[7] };

    memcpy(debug.db, cpu->dr, sizeof(debug.db));
    return VCPU_IOCTL(cpu, KVM_SET_DEBUGREGS, &debug, error);
}

/* --- what was being delivered --- */

static bool get_events(struct x86_cpu *cpu, GError **error)
{
    struct kvm_vcpu_events events = { 0 };
    struct x86_beyond *b = &cpu->beyond;

    if (!VCPU_IOCTL(cpu, KVM_GET_VCPU_EVENTS, &events, error)) {
        return false;
    }
    b->exception_injected = events.exception.injected;
    b->exception_pending = events.exception.pending;
    b->exception_nr = events.exception.injected || events.exception.pending ? events.exception.nr : -1;
    b->has_error_code = events.exception.has_error_code;
    b->error_code = events.exception.error_code;
    b->interrupt_injected = events.interrupt.injected ? events.interrupt.nr : -1;
    b->soft_interrupt = events.interrupt.soft;
    b->nmi_injected = events.nmi.injected;
    b->nmi_pending = events.nmi.pending;
    cpu->interrupt_shadow = events.interrupt.shadow;
    cpu->nmi_blocked = events.nmi.masked;
    cpu->sipi_vector = events.sipi_vector;
    return true;
}

static bool put_events(struct x86_cpu *cpu, GError **error)
{
    const struct x86_beyond *b = &cpu->beyond;
    /* without KVM_CAP_EXCEPTION_PAYLOAD the kernel takes a pending exception as an injected one */
    struct kvm_vcpu_events events = {
        .exception = {
            .injected = b->exception_nr >= 0, .nr = MAX(b->exception_nr, 0),
            .has_error_code = b->has_error_code, .error_code = b->error_code,
        },
        .interrupt = {
            .injected = b->interrupt_injected >= 0, .nr = MAX(b->interrupt_injected, 0), .soft = b->soft_interrupt,
            .shadow = cpu->interrupt_shadow ? KVM_X86_SHADOW_INT_MOV_SS | KVM_X86_SHADOW_INT_STI : 0,
        },
        .nmi = { .injected = b->nmi_injected, .pending = b->nmi_pending, .masked = cpu->nmi_blocked },
        .sipi_vector = cpu->sipi_vector,
        .flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
                 (cpu->kvm->put_all ? KVM_VCPUEVENT_VALID_SIPI_VECTOR : 0),
    };

    return VCPU_IOCTL(cpu, KVM_SET_VCPU_EVENTS, &events, error);
}

static bool get_mp_state(struct x86_cpu *cpu, GError **error)
{
    struct kvm_mp_state mp;

    if (!kvm_irqchip_in_kernel()) {
        cpu->beyond.mp_state = cpu->halted ? KVM_MP_STATE_HALTED : KVM_MP_STATE_RUNNABLE;
        return true;
    }
    if (!VCPU_IOCTL(cpu, KVM_GET_MP_STATE, &mp, error)) {
        return false;
    }
    cpu->beyond.mp_state = mp.mp_state;
    __atomic_store_n(&cpu->halted, mp.mp_state != KVM_MP_STATE_RUNNABLE, __ATOMIC_RELEASE);
    return true;
}

/*
 * Without controllers in the kernel, a halted vCPU is one that does not enter it. With them it waits there, and
 * `halted` says no more. What a reset or the software CPU leaves is "runnable" and `halted`: an AP that waits for its
 * SIPI, or HLT.
 */
static bool put_mp_state(struct x86_cpu *cpu, GError **error)
{
    struct kvm_mp_state mp;

    if (!kvm_irqchip_in_kernel()) {
        return true;
    }
    if (cpu->beyond.mp_state == KVM_MP_STATE_RUNNABLE && cpu->halted) {
        bool waits = cpu->apic_ops && cpu->apic_ops->waits_for_sipi(cpu->apic);
        cpu->beyond.mp_state = waits ? KVM_MP_STATE_INIT_RECEIVED : KVM_MP_STATE_HALTED;
    }
    mp.mp_state = cpu->beyond.mp_state;
    __atomic_store_n(&cpu->halted, false, __ATOMIC_RELEASE);
    return VCPU_IOCTL(cpu, KVM_SET_MP_STATE, &mp, error);
}

/* --- all of it --- */

/* What follows from the registers, as the software CPU keeps it. */
static void derive(struct x86_cpu *cpu)
{
    cpu->cpl = cpu->cr0 & CR0_PE ? cpu->segs[S_SS].flags >> SEG_DPL_SHIFT & 3 : 0;
    cpu->exception = cpu->delivering = -1;
    x86_cpu_update_mode(cpu);
}

bool kvm_get_state(struct x86_cpu *cpu, GError **error)
{
    if (!cpu->kvm->in_kernel) {
        return !cpu->kvm->lost || error_setf(error, "kvm: vCPU %d's registers are lost", cpu->index);
    }
    cpu->kvm->in_kernel = false;
    cpu->kvm->lost = !(get_regs(cpu, error) && get_sregs(cpu, error) && kvm_get_xsave(cpu, error) &&
                       kvm_get_msrs(cpu, error) && get_events(cpu, error) && get_debug_registers(cpu, error) &&
                       get_mp_state(cpu, error));
    derive(cpu);
    return !cpu->kvm->lost;
}

/* Events last: what comes before could cancel them. */
bool kvm_put_state(struct x86_cpu *cpu, GError **error)
{
    if (cpu->kvm->lost) {
        return error_setf(error, "kvm: vCPU %d's registers are lost: only a reset helps", cpu->index);
    }
    if (cpu->kvm->put_all) {
        kvm_tsc_put(cpu);
    }
    if (!(put_sregs(cpu, error) && put_regs(cpu, error) && kvm_put_xsave(cpu, error) && kvm_put_msrs(cpu, error) &&
          put_debug_registers(cpu, error) && put_mp_state(cpu, error) && put_events(cpu, error))) {
        return false;
    }
    cpu->kvm->put_all = false;
    cpu->kvm->in_kernel = true;
    return true;
}
