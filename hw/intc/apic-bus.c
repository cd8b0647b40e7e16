/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The message bus (SDM 3A, 11.6 and 11.11): between local APICs, the IOAPIC and whoever writes MSIs. A message is
 * delivered as it is sent.
 *
 * Modelled: physical and logical destinations in the flat and the cluster model, fixed, lowest priority, SMI, NMI,
 * INIT, SIPI, ExtINT, all shorthands. An ExtINT's vector is fetched from the PIC by the bus, and then travels as a
 * fixed one.
 */
#include "accel/vcpu.h"
#include "hw/intc/apic-internal.h"
#include "trace/hw_intc.h"

static bool logical_match(const struct apic *apic, uint8_t dest)
{
    if (apic->dest_model == DFR_FLAT) {
        return apic->log_dest & dest;
    }
    return dest == 0xff || ((dest & 0xf0) == (apic->log_dest & 0xf0) && (dest & apic->log_dest & 0xf));
}

static bool apic_addressed(const struct apic *apic, uint8_t dest, bool logical)
{
    return logical ? logical_match(apic, dest) : dest == 0xff || dest == apic->id;
}

static void apic_deliver_sipi(struct apic *apic, uint8_t vector)
{
    uint32_t pending = __atomic_load_n(&apic->cpu->interrupt_request, __ATOMIC_RELAXED);

    /* An INIT still on its way to the CPU's thread will make it wait. */
    if (apic->wait_for_sipi || (pending & CPU_INTERRUPT_INIT)) {
        apic->sipi_vector = vector;
        cpu_interrupt(apic->cpu, CPU_INTERRUPT_SIPI);
    }
}

void apic_receive(struct apic *apic, enum apic_delivery mode, uint8_t vector, bool level)
{
    switch (mode) {
    case APIC_DELIVER_FIXED:
    case APIC_DELIVER_LOWEST:
    case APIC_DELIVER_EXTINT: /* the bus has fetched the vector */
        apic_accept(apic, vector, level);
        break;
    case APIC_DELIVER_SMI:
        cpu_interrupt(apic->cpu, CPU_INTERRUPT_SMI);
        break;
    case APIC_DELIVER_NMI:
        cpu_interrupt(apic->cpu, CPU_INTERRUPT_NMI);
        break;
    case APIC_DELIVER_INIT:
        cpu_interrupt(apic->cpu, CPU_INTERRUPT_INIT);
        break;
    case APIC_DELIVER_SIPI:
        apic_deliver_sipi(apic, vector);
        break;
    }
}

/* Lowest processor priority wins, the lower index among equals. */
static struct apic *apic_arbitrate(uint8_t dest, bool logical)
{
    struct apic *best = NULL;

    for (guint i = 0; i < apics->len; i++) {
        struct apic *apic = g_ptr_array_index(apics, i);

        if (apic_sw_enabled(apic) && apic_addressed(apic, dest, logical) &&
            (!best || apic_ppr(apic) < apic_ppr(best))) {
            best = apic;
        }
    }
    return best;
}

void apic_bus_deliver(uint8_t dest, bool dest_logical, enum apic_delivery mode, uint8_t vector, bool level)
{
    trace_apic_deliver(dest, dest_logical, mode, vector);
    if (!apics) {
        return;
    }
    if (mode == APIC_DELIVER_LOWEST) {
        struct apic *apic = apic_arbitrate(dest, dest_logical);

        if (apic) {
            apic_receive(apic, mode, vector, level);
        }
        return;
    }
    if (mode == APIC_DELIVER_EXTINT) {
        int fetched = apic_extint_acknowledge ? apic_extint_acknowledge() : -1;

        if (fetched < 0) {
            return;
        }
        vector = (uint8_t)fetched;
        level = false;
    }
    for (guint i = 0; i < apics->len; i++) {
        struct apic *apic = g_ptr_array_index(apics, i);

        if (apic_addressed(apic, dest, dest_logical)) {
            apic_receive(apic, mode, vector, level);
        }
    }
}

void apic_deliver_msi(uint64_t address, uint32_t data)
{
    apic_bus_deliver(address >> 12 & 0xff, address & 4, data >> 8 & 7, data & 0xff, data & ICR_LEVEL);
}

void apic_send_ipi(struct apic *apic)
{
    uint32_t icr = apic->icr[0];
    enum apic_delivery mode = icr >> 8 & 7;
    unsigned shorthand = icr >> 18 & 3;
    uint8_t vector = icr & 0xff;
    /* Fixed IPIs are edges whatever the bit says (SDM table 11-3: only INIT has a level form). */
    bool deassert = mode == APIC_DELIVER_INIT && (icr & ICR_LEVEL) && !(icr & ICR_ASSERT);

    if (deassert) { /* the arbitration IDs' synchronization; starts nothing */
        for (guint i = 0; i < apics->len; i++) {
            struct apic *each = g_ptr_array_index(apics, i);
            each->arb_id = each->id;
        }
        return;
    }
    if (vector < 16 && (mode == APIC_DELIVER_FIXED || mode == APIC_DELIVER_LOWEST)) {
        apic_error(apic, ESR_SEND_VECTOR);
        return;
    }
    if (mode == APIC_DELIVER_EXTINT || mode == 3) {
        return; /* no such IPI */
    }
    if (shorthand == 0) {
        apic_bus_deliver(apic->icr[1] >> 24, icr & ICR_LOGICAL, mode, vector, false);
        return;
    }
    for (guint i = 0; i < apics->len; i++) {
        struct apic *each = g_ptr_array_index(apics, i);
        bool self = each == apic;

        if (shorthand == 2 || self == (shorthand == 1)) { /* all; self; all but self */
            apic_receive(each, mode, vector, false);
        }
    }
}
