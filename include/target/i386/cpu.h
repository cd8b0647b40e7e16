/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of one x86 CPU, the same for every accelerator. Intel SDM volume 3A and AMD APM volume 2 throughout.
 *
 * Ownership: while it runs, a CPU's state belongs to its vCPU thread. Others reach it through `interrupt_request`
 * and `exit_request` (atomics), cpu_run_on(), or while all vCPUs are paused.
 */
#ifndef FERRY_TARGET_I386_CPU_H
#define FERRY_TARGET_I386_CPU_H

#include <glib.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "target/i386/cpuid.h"
#include "util/error.h"

struct x86_insn;
struct jump_entry;
struct tcg_block;
struct tcg_cpu;
struct tlb_entry;
struct kvm_cpu;

/* General registers by encoding number; two pseudo registers make every effective address the same sum. */
enum {
    R_RAX, R_RCX, R_RDX, R_RBX, R_RSP, R_RBP, R_RSI, R_RDI,
    R_R8, R_R9, R_R10, R_R11, R_R12, R_R13, R_R14, R_R15,
    R_RIP,  /* while a block runs: the address of its first instruction (offset from CS base) */
    R_ZERO, /* always 0: "no base", "no index" */
    X86_REGS
};
enum { S_ES, S_CS, S_SS, S_DS, S_FS, S_GS, S_COUNT, S_ZERO = S_COUNT /* base 0: no segment */, S_SLOTS };

#define EFLAGS_CF (1u << 0)
#define EFLAGS_PF (1u << 2)
#define EFLAGS_AF (1u << 4)
#define EFLAGS_ZF (1u << 6)
#define EFLAGS_SF (1u << 7)
#define EFLAGS_TF (1u << 8)
#define EFLAGS_IF (1u << 9)
#define EFLAGS_DF (1u << 10)
#define EFLAGS_OF (1u << 11)
#define EFLAGS_IOPL (3u << 12)
#define EFLAGS_NT (1u << 14)
#define EFLAGS_RF (1u << 16)
#define EFLAGS_VM (1u << 17)
#define EFLAGS_AC (1u << 18)
#define EFLAGS_VIF (1u << 19)
#define EFLAGS_VIP (1u << 20)
#define EFLAGS_ID (1u << 21)
#define EFLAGS_ARITH (EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_OF)

#define CR0_PE (1u << 0)
#define CR0_MP (1u << 1)
#define CR0_EM (1u << 2)
#define CR0_TS (1u << 3)
#define CR0_ET (1u << 4)
#define CR0_NE (1u << 5)
#define CR0_WP (1u << 16)
#define CR0_AM (1u << 18)
#define CR0_NW (1u << 29)
#define CR0_CD (1u << 30)
#define CR0_PG (1u << 31)
#define CR4_VME (1u << 0)
#define CR4_PVI (1u << 1)
#define CR4_TSD (1u << 2)
#define CR4_DE (1u << 3)
#define CR4_PSE (1u << 4)
#define CR4_PAE (1u << 5)
#define CR4_MCE (1u << 6)
#define CR4_PGE (1u << 7)
#define CR4_PCE (1u << 8)
#define CR4_OSFXSR (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)
#define CR4_UMIP (1u << 11)
#define CR4_LA57 (1u << 12)
#define CR4_FSGSBASE (1u << 16)
#define CR4_PCIDE (1u << 17)
#define CR4_OSXSAVE (1u << 18)
#define CR4_SMEP (1u << 20)
#define CR4_SMAP (1u << 21)
#define EFER_SCE (1u << 0)
#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)
#define EFER_NXE (1u << 11)
#define EFER_FFXSR (1u << 14)

enum x86_exception {
    EXCP_DE = 0, EXCP_DB = 1, EXCP_NMI = 2, EXCP_BP = 3, EXCP_OF = 4, EXCP_BR = 5, EXCP_UD = 6, EXCP_NM = 7,
    EXCP_DF = 8, EXCP_TS = 10, EXCP_NP = 11, EXCP_SS = 12, EXCP_GP = 13, EXCP_PF = 14, EXCP_MF = 16, EXCP_AC = 17,
    EXCP_MC = 18, EXCP_XM = 19,
};

/* Bits of interrupt_request. Numbers are QEMU's, since `cpu_common` carries them. */
#define CPU_INTERRUPT_HARD 0x0002  /* INTR is asserted by the APIC or the PIC */
#define CPU_INTERRUPT_SMI 0x0040   /* accepted and dropped: no SMM yet */
#define CPU_INTERRUPT_POLL 0x0010  /* the APIC must be asked whether anything is pending */
#define CPU_INTERRUPT_NMI 0x0200
#define CPU_INTERRUPT_INIT 0x0400
#define CPU_INTERRUPT_SIPI 0x0800

/* Bits of exit_request. */
#define EXIT_LEAVE 1u    /* leave cpu_run(): something to do under the big lock */
#define EXIT_BOUNDARY 2u /* the accelerator's own: act between two blocks and run on */

/* A segment register with its hidden part. `flags` is the descriptor's high dword & 0x00f0ff00. */
struct x86_segment {
    uint32_t selector;
    uint32_t limit; /* in bytes, granularity applied */
    uint64_t base;
    uint32_t flags;
};
#define SEG_G (1u << 23)
#define SEG_B (1u << 22) /* D/B */
#define SEG_L (1u << 21)
#define SEG_AVL (1u << 20)
#define SEG_P (1u << 15)
#define SEG_DPL_SHIFT 13
#define SEG_S (1u << 12)
#define SEG_TYPE_SHIFT 8
#define SEG_CODE (1u << 11)
#define SEG_CONFORMING (1u << 10)  /* code */
#define SEG_EXPAND_DOWN (1u << 10) /* data */
#define SEG_RW (1u << 9)           /* readable code, writable data */
#define SEG_A (1u << 8)

union x86_xmm {
    uint8_t b[16];
    uint16_t w[8];
    uint32_t d[4];
    uint64_t q[2];
    float s[4];
    double f[2];
} __attribute__((aligned(16)));

/*
 * x87 and MMX. regs[] are physical registers (R0..R7): ST(i) is regs[(top + i) & 7]; MMX register i is regs[i]'s
 * mantissa.
 */
struct x87_state {
    struct {
        uint64_t mantissa;
        uint16_t exponent; /* with the sign */
    } regs[8];
    uint16_t control;
    uint16_t status; /* TOP kept in `top`, zero here */
    uint8_t top;
    uint8_t empty;   /* bit i: physical register i is empty */
    uint16_t opcode;
    uint64_t ip, dp;
};

struct mtrr_variable {
    uint64_t base, mask;
};

/* What the local APIC does for its CPU; hw/intc/apic.c fills it in. Called with the big lock held. */
struct x86_apic_ops {
    int (*acknowledge)(void *apic);   /* vector of the interrupt now taken, or -1: none after all */
    bool (*poll)(void *apic);         /* recomputes; true if INTR is asserted */
    void (*set_base)(void *apic, uint64_t value);
    uint64_t (*get_base)(void *apic);
    void (*set_tpr)(void *apic, uint8_t cr8);
    uint8_t (*get_tpr)(void *apic);
    /* INIT: APIC state; sets halted on an AP (it waits for SIPI), clears it on the BSP */
    void (*init_reset)(void *apic);
    bool (*waits_for_sipi)(void *apic);
    /* SIPI: true once per INIT; then x86_cpu_start_at_sipi(cpu, *vector) */
    bool (*take_sipi)(void *apic, uint8_t *vector);
    uint64_t (*get_tsc_deadline)(void *apic);
    void (*set_tsc_deadline)(void *apic, uint64_t value);
};

/*
 * What the software CPU does not build but other accelerators have: AVX and its kin, and the registers of a
 * hypervisor's interface. Zero where the CPU lacks the feature. It travels in the stream like all else.
 */
struct x86_beyond {
    union x86_xmm ymmh[16];                /* upper halves of YMM0..15 */
    uint64_t opmask[8];
    uint64_t zmmh[16][4], zmm_hi16[16][8]; /* upper halves of ZMM0..15; all of ZMM16..31 */
    uint64_t bnd_regs[4][2], bndcfgu, bndstatus, bndcfgs;
    uint32_t pkru;
    uint64_t pkrs, xss;
    uint64_t spec_ctrl, virt_ssbd, tsx_ctrl, umwait, smi_count;
    /* KVM's paravirtual interface: Documentation/virt/kvm/x86/msr.rst */
    uint64_t system_time_msr, wall_clock_msr, async_pf_en_msr, async_pf_int_msr, pv_eoi_en_msr, steal_time_msr;
    uint64_t poll_control_msr;             /* 1 after reset */
    uint64_t tsc_deadline;                 /* of an APIC in the kernel */
    uint64_t tsc;                          /* its value when the vCPU was last stopped */
    int64_t tsc_khz;                       /* 0: not known */
    /* What was being delivered (KVM_GET_VCPU_EVENTS), -1: nothing. */
    int32_t interrupt_injected;
    int32_t exception_nr;
    bool soft_interrupt, exception_injected, exception_pending, has_error_code, nmi_injected, nmi_pending;
    uint32_t error_code;
    bool has_payload;
    uint64_t payload;
    uint32_t mp_state;                     /* KVM_MP_STATE_* */
};

#define MCE_BANKS 10
#define MTRR_VARIABLE 8

struct x86_cpu {
    /* Hot: what every handler touches. */
    uint64_t regs[X86_REGS];
    const struct x86_insn *insn; /* the one that runs; dispatch sets it, so that a fault knows where it is */
    struct tcg_block *block;     /* its block, or NULL between blocks */
    uint64_t block_pc;           /* linear address of it, or of the block on the same page that led to it */
    uint64_t chain_limit;        /* of `instructions`, for a block to go on with the next: accel/tcg/chain.h */
    uint64_t cc_dst, cc_src;     /* lazy flags: see target/i386/flags.h */
    uint32_t cc_op;
    uint32_t eflags;             /* all but the arithmetic flags; those too while cc_op is CC_OP_EFLAGS */
    uint32_t exit_slot;          /* how the block ended: 0, 1 direct successor; 2 look it up */
    uint32_t mode;               /* X86_MODE_*: what decoding depends on; see target/i386/decode.h */
    uint8_t cpl;
    uint8_t mmu_index;           /* soft TLB in use: depends on cpl, SMAP, AC */
    bool interrupt_shadow;       /* STI, MOV SS: no interrupt before the next instruction ends */
    struct x86_segment segs[S_SLOTS];
    struct jump_entry *jump;     /* blocks by linear address: accel/tcg/chain.h */
    struct tlb_entry *tlb;       /* of the soft TLB, those of mmu_index */
    struct tcg_cpu *tcg;         /* soft TLB, caches; NULL under other accelerators */
    struct kvm_cpu *kvm;         /* NULL under other accelerators */
    union x86_xmm xmm[16];
    uint32_t mxcsr;
    struct x87_state fpu;

    /* System registers. */
    struct x86_segment ldt, tr, gdt, idt; /* gdt, idt: base and limit only */
    uint64_t cr0, cr2, cr3, cr4;
    uint64_t dr[8];
    uint64_t efer, star, lstar, cstar, fmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, tsc_aux, tsc_adjust, misc_enable, xcr0;
    int64_t tsc_offset;                   /* added to virtual_ticks() */
    uint64_t mtrr_fixed[11], mtrr_deftype;
    struct mtrr_variable mtrr_var[MTRR_VARIABLE];
    uint64_t mcg_cap, mcg_status, mcg_ctl, mce_banks[MCE_BANKS * 4];
    uint32_t smbase, sipi_vector;
    uint64_t a20_mask;                    /* all ones: A20 is always on */
    struct x86_beyond beyond;
    bool nmi_blocked;                     /* between an NMI and its IRET */
    bool shutdown;                        /* triple fault: only INIT or a reset ends it */

    /* Exceptions in hand (target/i386/exception.c). */
    sigjmp_buf fault_jump;                /* x86_raise() ends here */
    bool fault_jump_valid;
    int exception, exception_error;       /* vector (-1: none) and error code */
    bool exception_has_error;
    /* vector whose delivery is under way (-1: none): decides on double faults */
    int delivering;
    bool delivering_external;             /* … and it came from outside: nested error codes carry EXT */

    /* Life of the vCPU: accel/vcpu.c. */
    int index;                            /* 0.. ; also the initial APIC id */
    uint32_t apic_id;
    GThread *thread;
    int thread_id;                        /* gettid() of it, or -1 */
    bool halted;                          /* HLT, or waiting for SIPI; atomic */
    /* Both are looked at between blocks with one 64-bit load. */
    uint32_t interrupt_request __attribute__((aligned(8))); /* CPU_INTERRUPT_*; atomic */
    uint32_t exit_request;                /* EXIT_*; atomic */
    bool stop, stopped, unplug;           /* big lock */
    /* accel/debug.c: stand still; one instruction; not at this breakpoint again */
    bool debug_hold, debug_step, debug_skip;
    GMutex wake_lock;                     /* guards `wake` and goes with halt_cond; innermost */
    GCond *halt_cond;
    bool wake;                            /* look again: set by whoever gives the vCPU something to do */
    bool throttle_due;                    /* atomic: accel/throttle.c wants it to sleep */
    struct cpu_work *work;                /* queue of accel/vcpu.c; big lock */
    const struct x86_cpu_model *model;
    struct x86_features features;         /* the model's, with +x,-y */
    const struct x86_apic_ops *apic_ops;
    void *apic;
    uint64_t instructions;                /* executed so far (icount, statistics) */
};

/* -smp, as CPUID shows it; the machine sets it before it makes vCPUs. */
struct x86_topology {
    unsigned sockets, cores, threads;
};
extern struct x86_topology x86_topology;
/* Thread, core and package number of vCPU `index`, each in as many bits as its count needs. */
uint32_t x86_apic_id(unsigned index);

/*
 * Registers and descriptor caches as after power-up or INIT (SDM 3A, 10.1.1). The APIC and the vCPU's thread are not
 * touched.
 */
void x86_cpu_reset(struct x86_cpu *cpu, bool init);
/* AP or BSP as board code decides; also applied by SIPI: CS = vector << 12, awake. */
void x86_cpu_start_at_sipi(struct x86_cpu *cpu, uint8_t vector);

/* All of EFLAGS, and setting those in `mask` (lazy flags resolved). */
uint32_t x86_flags_get(struct x86_cpu *cpu);
void x86_flags_set(struct x86_cpu *cpu, uint32_t value, uint32_t mask);

/* STI, MOV SS, POP SS: the next instruction runs without interrupts before it. */
void x86_set_interrupt_shadow(struct x86_cpu *cpu);
/* Would a halted CPU wake up? Any thread, but only advisory off the vCPU's own. */
bool x86_cpu_has_work(const struct x86_cpu *cpu);
/* A triple fault: the system's reset (system_reset_request); called on the vCPU's thread without the big lock. */
extern void (*x86_triple_fault_hook)(struct x86_cpu *cpu);
/* Registers vmstate "cpu_common" and "cpu", instance cpu->index. */
bool x86_cpu_vmstate_register(struct x86_cpu *cpu, GError **error);
void x86_cpu_vmstate_unregister(struct x86_cpu *cpu);

/* Recomputes what is derived (mode, cpl's mmu_index, …) after CS, CRs, EFER or EFLAGS changed. */
void x86_cpu_update_mode(struct x86_cpu *cpu);
/* Setters with their side effects (TLB flush, LMA); values checked by the caller's instruction. */
void x86_cpu_set_cr0(struct x86_cpu *cpu, uint64_t value);
void x86_cpu_set_cr3(struct x86_cpu *cpu, uint64_t value);
void x86_cpu_set_cr4(struct x86_cpu *cpu, uint64_t value);
void x86_cpu_set_efer(struct x86_cpu *cpu, uint64_t value);
/* The instruction pointer of the instruction that runs (within CS). */
uint64_t x86_cpu_rip(const struct x86_cpu *cpu);

/*
 * Ends the instruction that runs with an exception: nothing of it that is not committed takes effect. Only on the
 * vCPU's thread, from within a block. The double- and triple-fault rules are applied by the run loop.
 */
G_GNUC_NORETURN void x86_raise(struct x86_cpu *cpu, enum x86_exception vector);
G_GNUC_NORETURN void x86_raise_error(struct x86_cpu *cpu, enum x86_exception vector, uint32_t error_code);
G_GNUC_NORETURN void x86_raise_page_fault(struct x86_cpu *cpu, uint64_t address, uint32_t error_code);

/* CPUID as this CPU shows it. */
void x86_cpuid(const struct x86_cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

/*
 * Page walk without side effects, for debuggers, pmemsave and hints: GPA of a linear address, or false.
 */
bool x86_debug_translate(struct x86_cpu *cpu, uint64_t linear, uint64_t *gpa);
/* `info registers`: appended. */
void x86_cpu_describe(struct x86_cpu *cpu, GString *text);

#endif
