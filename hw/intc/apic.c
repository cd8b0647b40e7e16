/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local APIC (SDM 3A chapter 11; version 0x14, six LVT entries).
 *
 * Modelled: xAPIC registers, priorities, error status, LINT0/LINT1, EOI broadcast, the timer (apic-timer.c), messages
 * in all their modes (apic-bus.c).
 * Left out on purpose: x2APIC, moving the registers away from 0xfee00000, focus processor checking, performance and
 * thermal sources (their LVT entries are registers only). Delivery is at once, so delivery status always reads idle.
 *
 * One memory region serves all: an access finds the accessing vCPU's APIC. A write that is no vCPU's (a device's), or
 * not to the register page, is an MSI.
 */
#include <inttypes.h>
#include <string.h>

#include "accel/vcpu.h"
#include "hw/core/reset.h"
#include "hw/intc/apic-internal.h"
#include "memory/memory.h"
#include "migration/vmstate.h"
#include "trace/hw_intc.h"

#define APIC_VERSION 0x00050014u
#define APIC_REGION_SIZE 0x100000

enum {
    REG_ID = 0x02, REG_VERSION = 0x03, REG_TPR = 0x08, REG_APR = 0x09, REG_PPR = 0x0a, REG_EOI = 0x0b,
    REG_LDR = 0x0d, REG_DFR = 0x0e, REG_SVR = 0x0f, REG_ISR = 0x10, REG_TMR = 0x18, REG_IRR = 0x20, REG_ESR = 0x28,
    REG_ICR_LOW = 0x30, REG_ICR_HIGH = 0x31, REG_LVT = 0x32, REG_INITIAL_COUNT = 0x38, REG_CURRENT_COUNT = 0x39,
    REG_DIVIDE = 0x3e,
};

#define ICR_WRITABLE 0x000ccfffu

GPtrArray *apics;
static struct memory_region apic_region;
static bool lint0_level; /* the PIC's INTR output, wired to the BSP */

void (*apic_eoi_hook)(uint8_t vector);
int (*apic_extint_acknowledge)(void);

static bool test_vector(const uint32_t *bits, uint8_t vector)
{
    return bits[vector / 32] >> (vector % 32) & 1;
}

static void set_vector(uint32_t *bits, uint8_t vector, bool value)
{
    bits[vector / 32] = (bits[vector / 32] & ~(1u << vector % 32)) | (uint32_t)value << vector % 32;
}

/* The highest vector set, or -1. */
static int highest_vector(const uint32_t *bits)
{
    for (int word = APIC_WORDS - 1; word >= 0; word--) {
        if (bits[word]) {
            return word * 32 + 31 - __builtin_clz(bits[word]);
        }
    }
    return -1;
}

static bool apic_is_bsp(const struct apic *apic)
{
    return apic->base & APIC_BASE_BSP;
}

uint8_t apic_ppr(const struct apic *apic)
{
    int in_service = highest_vector(apic->isr);
    uint8_t isr_class = in_service < 0 ? 0 : in_service & 0xf0;

    return (apic->tpr & 0xf0) >= isr_class ? apic->tpr : isr_class;
}

/* The vector to be taken next, or -1. */
static int pending_vector(const struct apic *apic)
{
    int vector = apic_sw_enabled(apic) ? highest_vector(apic->irr) : -1;

    return vector >= 0 && (vector & 0xf0) > (apic_ppr(apic) & 0xf0) ? vector : -1;
}

/* The PIC's request reaches this CPU: through LINT0 as ExtINT, or past an APIC that is switched off. */
static bool extint_pending(const struct apic *apic)
{
    uint32_t lint0 = apic->lvt[LVT_LINT0];

    if (!lint0_level || apic != g_ptr_array_index(apics, 0)) {
        return false;
    }
    return !apic_hw_enabled(apic) ||
           (!(lint0 & LVT_MASKED) && (lint0 >> LVT_MODE_SHIFT & 7) == APIC_DELIVER_EXTINT);
}

void apic_update_irq(struct apic *apic)
{
    bool intr = pending_vector(apic) >= 0 || extint_pending(apic);
    bool now = __atomic_load_n(&apic->cpu->interrupt_request, __ATOMIC_RELAXED) & CPU_INTERRUPT_HARD;

    if (intr && !now) {
        cpu_interrupt(apic->cpu, CPU_INTERRUPT_HARD);
    } else if (!intr && now) {
        cpu_reset_interrupt(apic->cpu, CPU_INTERRUPT_HARD);
    }
}

void apic_error(struct apic *apic, uint32_t bit)
{
    bool is_new = !(apic->esr_pending & bit);

    apic->esr_pending |= bit;
    if (is_new) { /* the bit is set before delivery, so that a bad vector in the error entry itself ends here */
        apic_local_deliver(apic, LVT_ERROR);
    }
}

void apic_accept(struct apic *apic, uint8_t vector, bool level)
{
    trace_apic_accept(apic->cpu->index, vector, level);
    if (!apic_sw_enabled(apic)) {
        return;
    }
    if (vector < 16) {
        apic_error(apic, ESR_RECEIVE_VECTOR);
        return;
    }
    set_vector(apic->irr, vector, true);
    set_vector(apic->tmr, vector, level);
    apic_update_irq(apic);
}

void apic_local_deliver(struct apic *apic, int entry)
{
    uint32_t lvt = apic->lvt[entry];
    bool by_mode = entry != LVT_TIMER && entry != LVT_ERROR;
    enum apic_delivery mode = by_mode ? lvt >> LVT_MODE_SHIFT & 7 : APIC_DELIVER_FIXED;

    if (lvt & LVT_MASKED) {
        return;
    }
    if (mode == APIC_DELIVER_EXTINT) { /* the PIC keeps the vector until it is acknowledged */
        apic_update_irq(apic);
    } else if (mode != APIC_DELIVER_LOWEST && mode != APIC_DELIVER_SIPI) { /* these go by the bus only */
        apic_receive(apic, mode, lvt & LVT_VECTOR, entry == LVT_LINT0 && (lvt & LVT_LEVEL));
    }
}

static void apic_lint0_set(void *opaque, int n, bool level)
{
    struct apic *apic = apics && apics->len ? g_ptr_array_index(apics, 0) : NULL;
    bool rising = level && !lint0_level;
    uint32_t lint0;

    lint0_level = level;
    if (!apic) {
        return;
    }
    lint0 = apic->lvt[LVT_LINT0];
    if ((lint0 >> LVT_MODE_SHIFT & 7) == APIC_DELIVER_FIXED && (lint0 & LVT_LEVEL) && !level) {
        set_vector(apic->irr, lint0 & LVT_VECTOR, false); /* a level that went away before it was taken */
    }
    if (rising && apic_hw_enabled(apic)) {
        apic_local_deliver(apic, LVT_LINT0);
    }
    apic_update_irq(apic);
}

struct irq *apic_lint0_irq(void)
{
    static struct irq line = { .set = apic_lint0_set };

    return &line;
}

static void apic_eoi(struct apic *apic)
{
    int vector = highest_vector(apic->isr);
    uint32_t lint0 = apic->lvt[LVT_LINT0];

    if (vector < 0) {
        return;
    }
    set_vector(apic->isr, (uint8_t)vector, false);
    if (test_vector(apic->tmr, (uint8_t)vector)) {
        if (lint0_level && apic == g_ptr_array_index(apics, 0) && (lint0 & LVT_LEVEL) &&
            (lint0 & LVT_VECTOR) == (uint32_t)vector) {
            apic_local_deliver(apic, LVT_LINT0); /* still asserted: once more */
        }
        if (apic_eoi_hook) {
            apic_eoi_hook((uint8_t)vector);
        }
    }
    apic_update_irq(apic);
}

/* --- Registers --- */

static uint32_t apic_apr(const struct apic *apic)
{
    int requested = highest_vector(apic->irr), in_service = highest_vector(apic->isr);
    int irr_class = requested < 0 ? 0 : requested & 0xf0, isr_class = in_service < 0 ? 0 : in_service & 0xf0;

    if ((apic->tpr & 0xf0) >= irr_class && (apic->tpr & 0xf0) > isr_class) {
        return apic->tpr;
    }
    return (uint32_t)MAX(MAX(apic->tpr & 0xf0, isr_class), irr_class);
}

uint32_t apic_read(struct x86_cpu *cpu, uint32_t offset)
{
    struct apic *apic = cpu->apic;
    unsigned reg = offset >> 4;

    switch (reg) {
    case REG_ID:
        return (uint32_t)apic->id << 24;
    case REG_VERSION:
        return APIC_VERSION;
    case REG_TPR:
        return apic->tpr;
    case REG_APR:
        return apic_apr(apic);
    case REG_PPR:
        return apic_ppr(apic);
    case REG_EOI:
        return 0;
    case REG_LDR:
        return (uint32_t)apic->log_dest << 24;
    case REG_DFR:
        return (uint32_t)apic->dest_model << 28 | 0x0fffffff;
    case REG_SVR:
        return apic->svr;
    case REG_ISR ... REG_ISR + 7:
        return apic->isr[reg - REG_ISR];
    case REG_TMR ... REG_TMR + 7:
        return apic->tmr[reg - REG_TMR];
    case REG_IRR ... REG_IRR + 7:
        return apic->irr[reg - REG_IRR];
    case REG_ESR:
        return apic->esr;
    case REG_ICR_LOW:
    case REG_ICR_HIGH:
        return apic->icr[reg - REG_ICR_LOW];
    case REG_LVT ... REG_LVT + LVT_COUNT - 1:
        return apic->lvt[reg - REG_LVT];
    case REG_INITIAL_COUNT:
        return apic->initial_count;
    case REG_CURRENT_COUNT:
        return apic_timer_current_count(apic);
    case REG_DIVIDE:
        return apic->divide_conf;
    }
    apic_error(apic, ESR_REGISTER);
    return 0;
}

static void apic_write_lvt(struct apic *apic, int entry, uint32_t value)
{
    static const uint32_t writable[LVT_COUNT] = {
        [LVT_TIMER] = LVT_VECTOR | LVT_MASKED | LVT_TIMER_MODE,
        [LVT_THERMAL] = LVT_VECTOR | 0x700 | LVT_MASKED,
        [LVT_PERFORMANCE] = LVT_VECTOR | 0x700 | LVT_MASKED,
        [LVT_LINT0] = LVT_VECTOR | 0x700 | LVT_POLARITY | LVT_LEVEL | LVT_MASKED,
        [LVT_LINT1] = LVT_VECTOR | 0x700 | LVT_POLARITY | LVT_LEVEL | LVT_MASKED,
        [LVT_ERROR] = LVT_VECTOR | LVT_MASKED,
    };
    uint32_t old = apic->lvt[entry];

    value &= writable[entry];
    if (!(apic->svr & SVR_ENABLE)) {
        value |= LVT_MASKED; /* "cannot be cleared while software-disabled" */
    }
    apic->lvt[entry] = value;
    if (entry == LVT_TIMER) {
        apic_timer_lvt_changed(apic, old);
    } else if (entry == LVT_LINT0) {
        if (lint0_level && apic == g_ptr_array_index(apics, 0) && (value & LVT_LEVEL)) {
            apic_local_deliver(apic, LVT_LINT0); /* a level is there already when it is unmasked */
        }
        apic_update_irq(apic);
    }
}

static void apic_write_svr(struct apic *apic, uint32_t value)
{
    apic->svr = value & 0x1ff;
    if (!(value & SVR_ENABLE)) {
        for (int entry = 0; entry < LVT_COUNT; entry++) {
            apic_write_lvt(apic, entry, apic->lvt[entry] | LVT_MASKED);
        }
    }
    apic_update_irq(apic);
}

void apic_write(struct x86_cpu *cpu, uint32_t offset, uint32_t value)
{
    struct apic *apic = cpu->apic;
    unsigned reg = offset >> 4;

    trace_apic_register_write(cpu->index, offset, value);
    switch (reg) {
    case REG_ID:
        apic->id = value >> 24;
        return;
    case REG_TPR:
        apic->tpr = (uint8_t)value;
        apic_update_irq(apic);
        return;
    case REG_EOI:
        apic_eoi(apic);
        return;
    case REG_LDR:
        apic->log_dest = value >> 24;
        return;
    case REG_DFR:
        apic->dest_model = value >> 28;
        return;
    case REG_SVR:
        apic_write_svr(apic, value);
        return;
    case REG_ESR:
        apic->esr = apic->esr_pending;
        apic->esr_pending = 0;
        return;
    case REG_ICR_LOW:
        apic->icr[0] = value & ICR_WRITABLE;
        apic_send_ipi(apic);
        return;
    case REG_ICR_HIGH:
        apic->icr[1] = value & 0xff000000;
        return;
    case REG_LVT ... REG_LVT + LVT_COUNT - 1:
        apic_write_lvt(apic, (int)(reg - REG_LVT), value);
        return;
    case REG_INITIAL_COUNT:
        apic_timer_set_initial_count(apic, value);
        return;
    case REG_DIVIDE:
        apic_timer_set_divide(apic, value);
        return;
    case REG_VERSION:
    case REG_APR:
    case REG_PPR:
    case REG_CURRENT_COUNT:
    case REG_ISR ... REG_IRR + 7:
        return; /* read only */
    }
    apic_error(apic, ESR_REGISTER);
}

/* The accessing vCPU's APIC, if `offset` and `size` are those of a register access. */
static struct x86_cpu *register_access(hwaddr offset, unsigned size)
{
    struct x86_cpu *cpu = vcpu_current();

    if (!cpu || !cpu->apic || offset >= 0x1000 || offset % 16 || size != 4) {
        return NULL;
    }
    return apic_hw_enabled(cpu->apic) ? cpu : NULL;
}

static uint64_t apic_region_read(void *opaque, hwaddr offset, unsigned size)
{
    struct x86_cpu *cpu = register_access(offset, size);

    return cpu ? apic_read(cpu, (uint32_t)offset) : 0;
}

static void apic_region_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct x86_cpu *cpu = register_access(offset, size);

    if (cpu && offset) {
        apic_write(cpu, (uint32_t)offset, (uint32_t)value);
    } else if ((!vcpu_current() || offset >= 0x1000) && size == 4) {
        apic_deliver_msi(APIC_BASE_ADDRESS + offset, (uint32_t)value);
    }
}

static const struct memory_region_ops apic_region_ops = {
    .read = apic_region_read, .write = apic_region_write, .min_access = 1, .max_access = 4,
};

/* --- What the CPU calls --- */

static int apic_acknowledge(void *opaque)
{
    struct apic *apic = opaque;
    int vector = pending_vector(apic);

    if (vector >= 0) {
        set_vector(apic->irr, (uint8_t)vector, false);
        set_vector(apic->isr, (uint8_t)vector, true);
    } else if (extint_pending(apic) && apic_extint_acknowledge) {
        vector = apic_extint_acknowledge();
    }
    trace_apic_acknowledge(apic->cpu->index, vector);
    apic_update_irq(apic);
    return vector;
}

static bool apic_poll(void *opaque)
{
    struct apic *apic = opaque;

    apic_update_irq(apic);
    return __atomic_load_n(&apic->cpu->interrupt_request, __ATOMIC_RELAXED) & CPU_INTERRUPT_HARD;
}

static void apic_set_base(void *opaque, uint64_t value)
{
    struct apic *apic = opaque;
    bool enable = value & APIC_BASE_ENABLE;

    if ((value & 0xffffff000) != APIC_BASE_ADDRESS) {
        guest_error("local APIC %d: registers stay at 0x%x, moving them to 0x%" PRIx64 " is not supported", apic->id,
                    APIC_BASE_ADDRESS, value & 0xffffff000);
    }
    if (apic_hw_enabled(apic) && !enable) {
        apic_init_state(apic); /* switched off it forgets everything, as after power-up */
    }
    apic->base = (apic->base & ~APIC_BASE_ENABLE) | (enable ? APIC_BASE_ENABLE : 0);
    apic_update_irq(apic);
}

static uint64_t apic_get_base(void *opaque)
{
    return ((struct apic *)opaque)->base;
}

static void apic_set_tpr(void *opaque, uint8_t cr8)
{
    struct apic *apic = opaque;

    apic->tpr = (uint8_t)(cr8 << 4);
    apic_update_irq(apic);
}

static uint8_t apic_get_tpr(void *opaque)
{
    return ((struct apic *)opaque)->tpr >> 4;
}

void apic_init_state(struct apic *apic)
{
    apic->tpr = 0;
    apic->svr = 0xff;
    apic->log_dest = 0;
    apic->dest_model = DFR_FLAT;
    memset(apic->isr, 0, sizeof(apic->isr));
    memset(apic->tmr, 0, sizeof(apic->tmr));
    memset(apic->irr, 0, sizeof(apic->irr));
    for (int entry = 0; entry < LVT_COUNT; entry++) {
        apic->lvt[entry] = LVT_MASKED;
    }
    apic->esr = apic->esr_pending = 0;
    apic->icr[0] = apic->icr[1] = 0;
    apic->divide_conf = 0;
    apic->count_shift = 0;
    apic->initial_count = 0;
    apic->load_time = apic->next_time = 0;
    apic->tsc_deadline = 0;
    timer_cancel(&apic->timer);
}

static void enter_init(struct apic *apic)
{
    apic_init_state(apic);
    apic->wait_for_sipi = !apic_is_bsp(apic);
    __atomic_store_n(&apic->cpu->halted, !apic_is_bsp(apic), __ATOMIC_RELAXED);
}

static void apic_init_reset(void *opaque)
{
    enter_init(opaque);
    apic_update_irq(opaque);
}

static bool apic_waits_for_sipi(void *opaque)
{
    return ((struct apic *)opaque)->wait_for_sipi;
}

static bool apic_take_sipi(void *opaque, uint8_t *vector)
{
    struct apic *apic = opaque;
    bool waited = apic->wait_for_sipi;

    apic->wait_for_sipi = 0;
    *vector = (uint8_t)apic->sipi_vector;
    return waited;
}

static uint64_t apic_get_tsc_deadline(void *opaque)
{
    return apic_timer_deadline(opaque);
}

static void apic_set_tsc_deadline(void *opaque, uint64_t value)
{
    apic_timer_set_deadline(opaque, value);
}

static const struct x86_apic_ops apic_ops = {
    .acknowledge = apic_acknowledge,
    .poll = apic_poll,
    .set_base = apic_set_base,
    .get_base = apic_get_base,
    .set_tpr = apic_set_tpr,
    .get_tpr = apic_get_tpr,
    .init_reset = apic_init_reset,
    .waits_for_sipi = apic_waits_for_sipi,
    .take_sipi = apic_take_sipi,
    .get_tsc_deadline = apic_get_tsc_deadline,
    .set_tsc_deadline = apic_set_tsc_deadline,
};

bool apic_registers_changed(struct apic *apic, GError **error)
{
    if (apic->store) {
        return apic->store(apic, error);
    }
    apic_update_irq(apic);
    return true;
}

static void take_effect(struct apic *apic)
{
    GError *error = NULL;

    if (!apic_registers_changed(apic, &error)) {
        error_report_free(error);
    }
}

void apic_reset(void *opaque)
{
    struct apic *apic = opaque;

    apic->base = APIC_BASE_ADDRESS | APIC_BASE_ENABLE | (apic->cpu->index == 0 ? APIC_BASE_BSP : 0);
    apic->id = (uint8_t)apic->cpu->apic_id;
    apic->arb_id = 0;
    apic->sipi_vector = 0;
    enter_init(apic);
    take_effect(apic);
}

void apic_preset_virtual_wire(struct x86_cpu *cpu)
{
    struct apic *apic = cpu->apic;

    apic->svr = SVR_ENABLE | 0xff;
    apic->lvt[LVT_LINT0] = LVT_LEVEL | APIC_DELIVER_EXTINT << LVT_MODE_SHIFT;
    apic->lvt[LVT_LINT1] = LVT_LEVEL | APIC_DELIVER_NMI << LVT_MODE_SHIFT;
    take_effect(apic);
}

/* The kernel has no interface to the pin. Of what it may be wired to, an NMI can be brought from outside. */
static void lint1_of_kernel(struct apic *apic)
{
    uint32_t lvt = apic->lvt[LVT_LINT1];

    if (!(lvt & LVT_MASKED) && (lvt >> LVT_MODE_SHIFT & 7) == APIC_DELIVER_NMI) {
        cpu_interrupt(apic->cpu, CPU_INTERRUPT_NMI);
    }
}

bool apic_pulse_lint1(struct x86_cpu *cpu, GError **error)
{
    struct apic *apic = cpu->apic;

    if (!apic) {
        cpu_interrupt(cpu, CPU_INTERRUPT_NMI);
    } else if (!apic->fetch) {
        apic_local_deliver(apic, LVT_LINT1);
    } else if (apic->fetch(apic, error)) {
        lint1_of_kernel(apic);
    } else {
        return false;
    }
    return true;
}

/* At the address of the first CPU's, for all. */
static void add_region(const struct memory_region_ops *ops)
{
    if (!apics) {
        apics = g_ptr_array_new();
        memory_region_init_io(&apic_region, ops, NULL, "apic-msi", APIC_REGION_SIZE);
        memory_region_add(&system_memory, APIC_BASE_ADDRESS, &apic_region, 4096);
    }
}

bool apic_attach(struct apic *apic, struct x86_cpu *cpu, const struct x86_apic_ops *ops,
                 const struct memory_region_ops *region, GError **error)
{
    if (cpu->apic_id >= 0xff) {
        return error_setf(error, "APIC ID %u of CPU %d needs x2APIC's wide IDs, which are not supported; at most 254",
                          cpu->apic_id, cpu->index);
    }
    apic->cpu = cpu;
    apic_timer_init(apic);
    if (!vmstate_register("apic", cpu->index, &vmstate_apic, apic, error)) {
        return false;
    }
    add_region(region);
    g_ptr_array_add(apics, apic);
    cpu->apic = apic;
    cpu->apic_ops = ops;
    apic_reset(apic);
    reset_register(apic_reset, apic);
    return true;
}

bool apic_create(struct x86_cpu *cpu, GError **error)
{
    struct apic *apic = g_new0(struct apic, 1);

    if (!apic_attach(apic, cpu, &apic_ops, &apic_region_ops, error)) {
        g_free(apic);
        return false;
    }
    return true;
}
