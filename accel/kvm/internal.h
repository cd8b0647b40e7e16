/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of accel/kvm/ share. */
#ifndef FERRY_ACCEL_KVM_INTERNAL_H
#define FERRY_ACCEL_KVM_INTERNAL_H

#include "accel/accel.h"
#include "accel/kvm.h"
#include "accel/vcpu.h"

struct kvm_cpu {
    int fd;
    struct kvm_run *run; /* shared with the kernel, run_size bytes */
    size_t run_size;
    /*
     * Where the registers are. In the kernel: from cpu_run()'s entry to the next get_state(). Else *cpu is the truth,
     * and cpu_run() puts it back. The vCPU's thread, or anyone while it is stopped.
     */
    bool in_kernel;
    bool put_all;        /* after a reset or a load: what a running guest would not expect to be put, such as the TSC */
    bool lost;           /* the kernel refused to give or take the registers */
    uint64_t last_cr8, last_apic_base; /* kernel-irqchip=off: as the kernel had them at its last exit */
    int kickable;        /* atomic: in cpu_run(): whoever wants it to look again sends a signal */
    int running;         /* atomic: in KVM_RUN, or about to be */
    struct kvm_dirty_gfn *ring; /* shared with the kernel; NULL: no dirty ring */
    uint32_t ring_next;  /* entry to be harvested; under the slots lock */
};

/* kvm.c */
extern struct kvm_options {
    bool irqchip;               /* kernel-irqchip=on */
    uint64_t dirty_ring_size;   /* entries per vCPU, 0: no ring */
} kvm_options;
int kvm_vm_fd(void);

/* run.c */
void kvm_cpu_run(struct x86_cpu *cpu);
void kvm_cpu_kick(struct x86_cpu *cpu);
bool kvm_cpu_is_halted(const struct x86_cpu *cpu);
bool kvm_run_init(GError **error);
/*
 * Between them no vCPU is in KVM_RUN, for changes of memory slots that leave a gap in between. Any thread, whatever
 * locks it holds; vCPUs wait, without any, before they enter the kernel again.
 */
void kvm_quiesce_begin(void);
void kvm_quiesce_end(void);
/* Takes the vCPU out of what the gate looks at; what was its cpu->kvm. */
struct kvm_cpu *kvm_gate_forget(struct x86_cpu *cpu);

/* memory.c */
bool kvm_memory_init(GError **error);
bool kvm_dirty_log_start(GError **error);
void kvm_dirty_log_protect(void);
void kvm_dirty_log_stop(void);
void kvm_dirty_log_fetch(struct ram_block *block, uint64_t first, uint64_t count);
void kvm_dirty_log_refresh(void);
void kvm_dirty_log_arm(void);
void kvm_dirty_ring_full(struct x86_cpu *cpu); /* the exit */
/* The vCPU, which does not run any more, goes: takes its ring along, and cpu->kvm from it, which is returned. */
struct kvm_cpu *kvm_dirty_log_forget(struct x86_cpu *cpu);

/* A page of slot `number` was written. Slots lock held. */
void kvm_slot_mark(unsigned number, uint64_t page);

/* dirty-ring.c */
bool kvm_ring_init(GError **error);                      /* before any vCPU, if kvm_options.dirty_ring_size */
bool kvm_ring_map(struct x86_cpu *cpu, GError **error);
void kvm_ring_unmap(struct kvm_cpu *k);
/* Moves what is in the rings into the blocks' marks, and protects those pages again. Slots lock held. */
void kvm_ring_harvest(void);

/* state.c: registers between the kernel and *cpu. The vCPU's thread, or any while it is stopped. */
bool kvm_get_state(struct x86_cpu *cpu, GError **error);
bool kvm_put_state(struct x86_cpu *cpu, GError **error);

/* msr.c */
bool kvm_msr_init(GError **error);
bool kvm_get_msrs(struct x86_cpu *cpu, GError **error);
bool kvm_put_msrs(struct x86_cpu *cpu, GError **error);

/* xsave.c */
bool kvm_get_xsave(struct x86_cpu *cpu, GError **error);
bool kvm_put_xsave(struct x86_cpu *cpu, GError **error);

/* cpuid.c: accel_ops.supported_features and .supported_cpuid; gives the kernel what the guest's CPUID shows. */
uint32_t kvm_supported_features(enum x86_feature_word word);
void kvm_host_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
struct kvm_cpuid2 *kvm_cpuid_table(const struct x86_cpu *cpu); /* what is given; g_free() it */
bool kvm_cpuid_set(struct x86_cpu *cpu, GError **error);

/* tsc.c: the frequency that -cpu asks for, at creation; the one that came with a load, before MSRs are put. */
bool kvm_tsc_init(struct x86_cpu *cpu, GError **error);
void kvm_tsc_put(struct x86_cpu *cpu);

#endif
