/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One local APIC's state, shared by apic.c (registers, delivery), apic-timer.c and apic-state.c. Big lock held. */
#ifndef FERRY_HW_INTC_APIC_INTERNAL_H
#define FERRY_HW_INTC_APIC_INTERNAL_H

#include "hw/intc/apic.h"
#include "memory/memory.h"
#include "util/clock.h"

#define APIC_BASE_ADDRESS 0xfee00000u
#define APIC_BASE_BSP (1u << 8)
#define APIC_BASE_X2APIC (1u << 10)
#define APIC_BASE_ENABLE (1u << 11)

/* Indices into lvt[]: the order of the registers from 0x320 on. */
enum { LVT_TIMER, LVT_THERMAL, LVT_PERFORMANCE, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };

#define LVT_VECTOR 0xffu
#define LVT_MODE_SHIFT 8
#define LVT_POLARITY (1u << 13)
#define LVT_LEVEL (1u << 15)
#define LVT_MASKED (1u << 16)
#define LVT_TIMER_MODE (3u << 17)
#define LVT_TIMER_ONE_SHOT (0u << 17)
#define LVT_TIMER_PERIODIC (1u << 17)
#define LVT_TIMER_DEADLINE (2u << 17)

#define SVR_ENABLE (1u << 8)
#define ICR_LOGICAL (1u << 11)
#define ICR_ASSERT (1u << 14)
#define ICR_LEVEL (1u << 15)
#define ESR_SEND_VECTOR (1u << 5)
#define ESR_RECEIVE_VECTOR (1u << 6)
#define ESR_REGISTER (1u << 7)
#define DFR_FLAT 0xf
#define DFR_CLUSTER 0x0

/* 256 vectors, 32 to a register, as ISR, TMR and IRR show them. */
#define APIC_WORDS 8

struct apic {
    /* In the order of the stream. */
    uint32_t base;         /* IA32_APIC_BASE's low half */
    uint8_t id, arb_id, tpr;
    uint32_t svr;
    uint8_t log_dest;      /* LDR[31:24] */
    uint8_t dest_model;    /* DFR[31:28] */
    uint32_t isr[APIC_WORDS], tmr[APIC_WORDS], irr[APIC_WORDS];
    uint32_t lvt[LVT_COUNT];
    uint32_t esr;          /* as latched by the last write to it */
    uint32_t icr[2];
    uint32_t divide_conf;
    int32_t count_shift;   /* log2 of the divisor; 0 until divide_conf is first written */
    uint32_t initial_count;
    int64_t load_time;     /* virtual ns at which initial_count was written */
    int64_t next_time;     /* of the next expiry */
    int64_t timer_expiry;  /* only while saving and loading: next_time, or -1 if nothing is armed */
    int32_t sipi_vector, wait_for_sipi;

    /* In the kernel: brings its registers here, puts them back. NULL: they are here. */
    bool (*fetch)(struct apic *apic, GError **error);
    bool (*store)(struct apic *apic, GError **error);

    /* Not in this section. */
    uint32_t esr_pending;  /* errors since the last write to ESR; lost in migration, as nothing can carry them */
    uint64_t tsc_deadline; /* the CPU's section has it */
    struct x86_cpu *cpu;
    struct timer timer;
};

extern GPtrArray *apics; /* struct apic, by CPU index; NULL: none yet */

static inline bool apic_hw_enabled(const struct apic *apic)
{
    return apic->base & APIC_BASE_ENABLE;
}

static inline bool apic_sw_enabled(const struct apic *apic)
{
    return apic_hw_enabled(apic) && (apic->svr & SVR_ENABLE);
}

/* Sets the vector's IRR bit (TMR as `level` says) and moves the CPU's INTR. */
void apic_accept(struct apic *apic, uint8_t vector, bool level);
/* A local source (LVT entry) fires. */
void apic_local_deliver(struct apic *apic, int entry);
void apic_update_irq(struct apic *apic);
uint8_t apic_ppr(const struct apic *apic);
/* Everything but base, id and arb_id to its power-up value. */
void apic_init_state(struct apic *apic);
/* Power-up. */
void apic_reset(void *opaque);
/* What the registers say takes effect. */
bool apic_registers_changed(struct apic *apic, GError **error);
/*
 * The CPU gets this one, which is new; `region` is what answers at its address. Registers its section and reset.
 */
bool apic_attach(struct apic *apic, struct x86_cpu *cpu, const struct x86_apic_ops *ops,
                 const struct memory_region_ops *region, GError **error);

/* Notes an ESR_* bit, and delivers the error entry where it is new. */
void apic_error(struct apic *apic, uint32_t bit);

/* apic-bus.c: carries out what is in icr[]; acts on a message, or on a local source that fires in that mode. */
void apic_send_ipi(struct apic *apic);
void apic_receive(struct apic *apic, enum apic_delivery mode, uint8_t vector, bool level);

/* apic-timer.c */
void apic_timer_init(struct apic *apic);
uint32_t apic_timer_current_count(const struct apic *apic);
void apic_timer_set_initial_count(struct apic *apic, uint32_t count);
void apic_timer_set_divide(struct apic *apic, uint32_t value);
/* The LVT entry changed: arms or disarms. `old`: the entry before. */
void apic_timer_lvt_changed(struct apic *apic, uint32_t old);
void apic_timer_set_deadline(struct apic *apic, uint64_t value);
uint64_t apic_timer_deadline(const struct apic *apic);
/* Before a save: sets timer_expiry. After a load: arms for what the state says. */
void apic_timer_store(struct apic *apic);
void apic_timer_restore(struct apic *apic);

extern const struct vmstate_description vmstate_apic;

#endif
