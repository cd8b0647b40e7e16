/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The local APIC's section of the stream, and `info lapic`. */
#include <inttypes.h>

#include "hw/intc/apic-internal.h"
#include "migration/vmstate.h"

static bool sipi_needed(const void *opaque)
{
    return ((const struct apic *)opaque)->wait_for_sipi;
}

static const struct vmstate_field apic_sipi_fields[] = {
    VMSTATE_INT32(sipi_vector, struct apic),
    VMSTATE_INT32(wait_for_sipi, struct apic),
    VMSTATE_END
};

static const struct vmstate_description vmstate_apic_sipi = {
    .name = "apic_sipi", .version = 1, .minimum_version = 1,
    .needed = sipi_needed,
    .fields = apic_sipi_fields,
};

static bool apic_pre_load(void *opaque, GError **error)
{
    struct apic *apic = opaque;

    apic->wait_for_sipi = 0; /* what the absence of the subsection says */
    return true;
}

static bool apic_pre_save(void *opaque, GError **error)
{
    struct apic *apic = opaque;

    if (apic->fetch) {
        return apic->fetch(apic, error);
    }
    apic_timer_store(apic);
    return true;
}

/* x2APIC only where the kernel has it, and only as an enabled APIC's mode (SDM 3A, figure 11-27). */
static bool base_supported(const struct apic *apic)
{
    uint32_t flags = apic->base & 0xfff, known = APIC_BASE_BSP | APIC_BASE_ENABLE;

    if (apic->store && flags & APIC_BASE_ENABLE) {
        known |= APIC_BASE_X2APIC;
    }
    return apic->base - flags == APIC_BASE_ADDRESS && !(flags & ~known);
}

static bool apic_post_load(void *opaque, int version, GError **error)
{
    struct apic *apic = opaque;

    if (!base_supported(apic)) {
        return error_setf(error, "apicbase 0x%x: only address 0x%x is supported%s", apic->base, APIC_BASE_ADDRESS,
                          apic->store ? "" : ", and no x2APIC");
    }
    if (apic->count_shift < 0 || apic->count_shift > 7) {
        return error_setf(error, "count_shift %d: should be 0 to 7", apic->count_shift);
    }
    if (apic->dest_model > 0xf) {
        return error_setf(error, "dest_mode 0x%x: should be four bits", apic->dest_model);
    }
    if (apic->load_time < 0 || apic->timer_expiry < -1) {
        return error_setf(error, "initial_count_load_time %" PRId64 ", timer_expiry %" PRId64 ": negative times",
                          apic->load_time, apic->timer_expiry);
    }
    if (apic->sipi_vector < 0 || apic->sipi_vector > 0xff) {
        return error_setf(error, "sipi_vector %d: should be 0 to 255", apic->sipi_vector);
    }
    if (apic->timer_expiry >= 0) {
        apic->next_time = apic->timer_expiry;
    }
    apic->esr_pending = 0;
    if (!apic->store) {
        apic_timer_restore(apic);
    }
    return apic_registers_changed(apic, error);
}

/* The names are the stream's, which its description lists; the struct's own are shorter. */
#define FIELD(_name, _field, _type, _info)                                                                  \
    { .name = _name, .offset = offsetof(struct apic, _field) + VMSTATE_CHECK_TYPE(struct apic, _field, _type), \
      .size = sizeof(_type), .info = &vmstate_info_##_info }

static const struct vmstate_field apic_fields[] = {
    FIELD("apicbase", base, uint32_t, uint32),
    VMSTATE_UINT8(id, struct apic),
    VMSTATE_UINT8(arb_id, struct apic),
    VMSTATE_UINT8(tpr, struct apic),
    FIELD("spurious_vec", svr, uint32_t, uint32),
    VMSTATE_UINT8(log_dest, struct apic),
    FIELD("dest_mode", dest_model, uint8_t, uint8),
    VMSTATE_UINT32_ARRAY(isr, struct apic, APIC_WORDS),
    VMSTATE_UINT32_ARRAY(tmr, struct apic, APIC_WORDS),
    VMSTATE_UINT32_ARRAY(irr, struct apic, APIC_WORDS),
    VMSTATE_UINT32_ARRAY(lvt, struct apic, LVT_COUNT),
    VMSTATE_UINT32(esr, struct apic),
    VMSTATE_UINT32_ARRAY(icr, struct apic, 2),
    VMSTATE_UINT32(divide_conf, struct apic),
    VMSTATE_INT32(count_shift, struct apic),
    VMSTATE_UINT32(initial_count, struct apic),
    FIELD("initial_count_load_time", load_time, int64_t, int64),
    VMSTATE_INT64(next_time, struct apic),
    VMSTATE_INT64(timer_expiry, struct apic),
    VMSTATE_END
};

static const struct vmstate_description *const apic_subsections[] = { &vmstate_apic_sipi, NULL };

const struct vmstate_description vmstate_apic = {
    .name = "apic", .version = 3, .minimum_version = 3,
    .pre_load = apic_pre_load,
    .pre_save = apic_pre_save,
    .post_load = apic_post_load,
    .fields = apic_fields,
    .subsections = apic_subsections,
};

/* --- info lapic --- */

static const char *const delivery_names[8] = { "Fixed", "LowPri", "SMI", "...", "NMI", "INIT", "SIPI", "ExtINT" };

static void describe_lvt(GString *text, const char *name, uint32_t lvt, bool is_timer)
{
    static const char *const timer_modes[4] = { "one-shot", "periodic", "tsc-deadline", "reserved" };

    g_string_append_printf(text, "%s\t 0x%08x %s %-5s %-6s %-12s %-6s", name, lvt,
                           lvt & LVT_POLARITY ? "active-lo" : "active-hi", lvt & LVT_LEVEL ? "level" : "edge",
                           lvt & LVT_MASKED ? "masked" : "", is_timer ? timer_modes[lvt >> 17 & 3] : "",
                           delivery_names[lvt >> LVT_MODE_SHIFT & 7]);
    if ((lvt >> LVT_MODE_SHIFT & 7) != APIC_DELIVER_NMI) {
        g_string_append_printf(text, " (vec %u)", lvt & LVT_VECTOR);
    }
    g_string_append_c(text, '\n');
}

static void describe_vectors(GString *text, const char *name, const uint32_t *bits, const uint32_t *tmr)
{
    bool any = false;

    g_string_append_printf(text, "%s\t ", name);
    for (unsigned vector = 0; vector < 256; vector++) {
        if (bits[vector / 32] >> vector % 32 & 1) {
            g_string_append_printf(text, "%u%s ", vector, tmr[vector / 32] >> vector % 32 & 1 ? "(level)" : "");
            any = true;
        }
    }
    g_string_append(text, any ? "\n" : "(none)\n");
}

char *apic_describe(struct x86_cpu *cpu)
{
    static const char *const shorthands[4] = { "", " self", " all", " all-self" };
    static const char *const lvt_names[LVT_COUNT] = { "LVTT", "LVTTHMR", "LVTPC", "LVT0", "LVT1", "LVTERR" };
    static const int order[LVT_COUNT] = { LVT_LINT0, LVT_LINT1, LVT_PERFORMANCE, LVT_ERROR, LVT_THERMAL, LVT_TIMER };
    struct apic *apic = cpu->apic;
    GString *text = g_string_new(NULL);

    if (!apic) {
        return g_string_free(g_string_assign(text, "No local APIC\n"), FALSE);
    }
    if (apic->fetch && !apic->fetch(apic, NULL)) {
        return g_string_free(g_string_assign(text, "The kernel does not tell\n"), FALSE);
    }
    g_string_append_printf(text, "dumping local APIC state for CPU %d\n\n", cpu->index);
    for (int i = 0; i < LVT_COUNT; i++) {
        describe_lvt(text, lvt_names[order[i]], apic->lvt[order[i]], order[i] == LVT_TIMER);
    }
    g_string_append_printf(text, "Timer\t DCR=0x%x (divide by %u) initial_count = %u current_count = %u\n",
                           apic->divide_conf, 1u << apic->count_shift, apic->initial_count,
                           apic_timer_current_count(apic));
    g_string_append_printf(text, "SPIV\t 0x%08x APIC %s, focus=off, spurious vec %u\n", apic->svr,
                           apic->svr & SVR_ENABLE ? "enabled" : "disabled", apic->svr & 0xff);
    g_string_append_printf(text, "ICR\t 0x%08x %s %s %s%s\n", apic->icr[0],
                           apic->icr[0] >> 11 & 1 ? "logical" : "physical", apic->icr[0] >> 15 & 1 ? "level" : "edge",
                           apic->icr[0] >> 14 & 1 ? "assert" : "de-assert", shorthands[apic->icr[0] >> 18 & 3]);
    g_string_append_printf(text, "ICR2\t 0x%08x\nESR\t 0x%08x\n", apic->icr[1], apic->esr);
    describe_vectors(text, "ISR", apic->isr, apic->tmr);
    describe_vectors(text, "IRR", apic->irr, apic->tmr);
    g_string_append_printf(text, "\nAPR 0x%02x TPR 0x%02x DFR 0x%02x LDR 0x%02x PPR 0x%02x\n", apic->arb_id,
                           apic->tpr, apic->dest_model, apic->log_dest, apic_ppr(apic));
    return g_string_free(text, FALSE);
}
