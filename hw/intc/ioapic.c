/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IOAPIC (Intel 82093AA datasheet, section 3; version 0x20 as in the ICH family, with the EOI register).
 *
 * Modelled: 24 redirection entries, edge and level, remote IRR, all delivery modes, EOI by broadcast from the local
 * APICs and by register. An entry that is level-triggered sends again at EOI while its line is asserted.
 * Left out on purpose: the arbitration bus (its ID register reads as the ID), delivery status (delivery is at once),
 * polarity (the bit is kept and has no effect: our lines carry "asserted", not a voltage, and guests that
 * take a line for active-low mean the same wire).
 *
 * The stream carries no line levels, only `irr`: for a level pin the line, for an edge pin an edge not yet sent.
 */
#include "hw/core/irq-registry.h"
#include "hw/intc/apic.h"
#include "hw/intc/ioapic-internal.h"
#include "memory/memory.h"
#include "migration/vmstate.h"
#include "trace/hw_intc.h"

#define IOAPIC_VERSION 0x20u
#define IOAPIC_KERNEL_VERSION 0x11u /* what KVM's says of itself */
#define IOAPIC_SIZE 0x1000

enum { WINDOW_SELECT = 0x00, WINDOW_DATA = 0x10, WINDOW_EOI = 0x40 };
enum { REG_ID = 0x00, REG_VERSION = 0x01, REG_ARBITRATION = 0x02, REG_REDIRECTION = 0x10 };

static struct ioapic *the_ioapic; /* what apic_eoi_hook and `info pic` look at */

static void entry_send(struct ioapic *ioapic, int pin)
{
    uint64_t entry = ioapic->entries[pin];

    apic_bus_deliver((uint8_t)(entry >> IOAPIC_ENTRY_DEST_SHIFT), entry & IOAPIC_ENTRY_LOGICAL,
                     entry >> IOAPIC_ENTRY_MODE_SHIFT & 7, entry & IOAPIC_ENTRY_VECTOR, entry & IOAPIC_ENTRY_LEVEL);
}

/* Sends for every pin of `pins` that has something to send. */
static void ioapic_service(struct ioapic *ioapic, uint32_t pins)
{
    for (pins &= ioapic->irr; pins; pins &= pins - 1) {
        int pin = __builtin_ctz(pins);
        uint64_t *entry = &ioapic->entries[pin];

        if (*entry & IOAPIC_ENTRY_MASKED) {
            continue;
        }
        if (!(*entry & IOAPIC_ENTRY_LEVEL)) {
            ioapic->irr &= ~(1u << pin);
        } else if (*entry & IOAPIC_ENTRY_REMOTE_IRR) {
            continue; /* the last one is still in service */
        } else {
            *entry |= IOAPIC_ENTRY_REMOTE_IRR;
        }
        entry_send(ioapic, pin);
    }
}

static void ioapic_set_input(void *opaque, int pin, bool level)
{
    struct ioapic *ioapic = opaque;
    uint64_t entry = ioapic->entries[pin];
    uint32_t bit = 1u << pin;

    if (level == !!(ioapic->levels & bit)) {
        return;
    }
    trace_ioapic_set_input(pin, level);
    ioapic->levels ^= bit;
    if (level && (entry & (IOAPIC_ENTRY_LEVEL | IOAPIC_ENTRY_MASKED)) == IOAPIC_ENTRY_MASKED) {
        return; /* an edge on a masked pin is not remembered (82093AA 3.2.4) */
    }
    if (level) {
        ioapic->irr |= bit;
        ioapic_service(ioapic, bit);
    } else if (entry & IOAPIC_ENTRY_LEVEL) {
        ioapic->irr &= ~bit;
    }
}

static void ioapic_eoi(uint8_t vector)
{
    struct ioapic *ioapic = the_ioapic;
    uint32_t ended = 0;

    for (int pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t *entry = &ioapic->entries[pin];

        if ((*entry & IOAPIC_ENTRY_VECTOR) == vector && (*entry & IOAPIC_ENTRY_LEVEL) &&
            (*entry & IOAPIC_ENTRY_REMOTE_IRR)) {
            *entry &= ~IOAPIC_ENTRY_REMOTE_IRR;
            ended |= 1u << pin;
        }
    }
    ioapic_service(ioapic, ended);
}

static uint32_t register_read(const struct ioapic *ioapic)
{
    unsigned pin = (ioapic->select - REG_REDIRECTION) / 2u;

    switch (ioapic->select) {
    case REG_ID:
    case REG_ARBITRATION:
        return (uint32_t)ioapic->id << 24;
    case REG_VERSION:
        return IOAPIC_VERSION | (IOAPIC_PINS - 1) << 16;
    }
    if (ioapic->select < REG_REDIRECTION || pin >= IOAPIC_PINS) {
        return 0;
    }
    return (uint32_t)(ioapic->entries[pin] >> (ioapic->select & 1) * 32);
}

static void entry_write(struct ioapic *ioapic, unsigned pin, bool high, uint32_t value)
{
    uint64_t *entry = &ioapic->entries[pin];
    uint64_t mask = (high ? 0xffffffff00000000ull : 0xffffffffull) & IOAPIC_ENTRY_WRITABLE;
    uint32_t bit = 1u << pin;

    *entry = (*entry & ~mask) | ((uint64_t)value << (high ? 32 : 0) & mask);
    trace_ioapic_entry_write(pin, *entry);
    if (high) {
        return;
    }
    if (*entry & IOAPIC_ENTRY_LEVEL) {
        /* Now the level counts, whatever edge was kept. */
        ioapic->irr = (ioapic->irr & ~bit) | (ioapic->levels & bit);
    } else {
        *entry &= ~IOAPIC_ENTRY_REMOTE_IRR; /* guests flip to edge and back to clear it */
        ioapic->irr &= ~bit;
    }
    ioapic_service(ioapic, bit);
}

static void register_write(struct ioapic *ioapic, uint32_t value)
{
    unsigned pin = (ioapic->select - REG_REDIRECTION) / 2u;

    if (ioapic->select == REG_ID) {
        ioapic->id = value >> 24 & 0x0f;
    } else if (ioapic->select >= REG_REDIRECTION && pin < IOAPIC_PINS) {
        entry_write(ioapic, pin, ioapic->select & 1, value);
    }
}

static uint64_t ioapic_read(void *opaque, hwaddr offset, unsigned size)
{
    struct ioapic *ioapic = opaque;

    switch (offset & 0xff) {
    case WINDOW_SELECT:
        return ioapic->select;
    case WINDOW_DATA:
        return size == 4 ? register_read(ioapic) : 0;
    }
    return 0;
}

static void ioapic_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct ioapic *ioapic = opaque;

    switch (offset & 0xff) {
    case WINDOW_SELECT:
        ioapic->select = (uint8_t)value;
        break;
    case WINDOW_DATA:
        if (size == 4) {
            register_write(ioapic, (uint32_t)value);
        }
        break;
    case WINDOW_EOI:
        if (size == 4) {
            ioapic_eoi((uint8_t)value);
        }
        break;
    }
}

static const struct memory_region_ops ioapic_ops = { .read = ioapic_read, .write = ioapic_write, .max_access = 4 };

void ioapic_reset(struct device *dev)
{
    struct ioapic *ioapic = (struct ioapic *)dev;
    GError *error = NULL;

    ioapic->id = 0;
    ioapic->select = 0;
    ioapic->irr = 0;
    for (int pin = 0; pin < IOAPIC_PINS; pin++) {
        ioapic->entries[pin] = IOAPIC_ENTRY_MASKED;
    }
    /* Lines are their devices' business: each lowers its own as it is reset, in whatever order. */
    if (ioapic->store && !ioapic->store(ioapic, &error)) {
        error_report_free(error);
    }
}

static bool ioapic_pre_save(void *opaque, GError **error)
{
    struct ioapic *ioapic = opaque;

    return !ioapic->fetch || ioapic->fetch(ioapic, error);
}

static bool ioapic_post_load(void *opaque, int version, GError **error)
{
    struct ioapic *ioapic = opaque;

    for (int pin = 0; pin < IOAPIC_PINS; pin++) {
        if (ioapic->entries[pin] & ~IOAPIC_ENTRY_KNOWN) {
            return error_setf(error, "ioredtbl[%d] 0x%" G_GINT64_MODIFIER "x: reserved bits are set", pin,
                              ioapic->entries[pin]);
        }
    }
    if (ioapic->irr >> IOAPIC_PINS) {
        return error_setf(error, "irr 0x%x: there are %d pins", ioapic->irr, IOAPIC_PINS);
    }
    for (int pin = 0; pin < IOAPIC_PINS; pin++) {
        if (ioapic->entries[pin] & IOAPIC_ENTRY_LEVEL) {
            ioapic->levels = (ioapic->levels & ~(1u << pin)) | (ioapic->irr & 1u << pin);
        }
    }
    return !ioapic->store || ioapic->store(ioapic, error);
}

static const struct vmstate_field ioapic_fields[] = {
    VMSTATE_UINT8(id, struct ioapic),
    { .name = "ioregsel", .offset = offsetof(struct ioapic, select), .size = 1, .info = &vmstate_info_uint8 },
    VMSTATE_UNUSED(8),
    VMSTATE_UINT32(irr, struct ioapic),
    { .name = "ioredtbl", .offset = offsetof(struct ioapic, entries), .size = 8, .count = IOAPIC_PINS,
      .flags = VMS_ARRAY, .info = &vmstate_info_uint64 },
    VMSTATE_END
};

const struct vmstate_description vmstate_ioapic = {
    .name = "ioapic", .version = 3, .minimum_version = 3,
    .pre_save = ioapic_pre_save,
    .post_load = ioapic_post_load,
    .fields = ioapic_fields,
};

bool ioapic_become_the_one(struct ioapic *ioapic, GError **error)
{
    if (the_ioapic) {
        return error_setf(error, "there is one ioapic already; more are not supported");
    }
    the_ioapic = ioapic;
    return true;
}

static bool ioapic_realize(struct device *dev, GError **error)
{
    struct ioapic *ioapic = (struct ioapic *)dev;

    if (!ioapic_become_the_one(ioapic, error)) {
        return false;
    }
    apic_eoi_hook = ioapic_eoi;
    irq_init_array(ioapic->inputs, IOAPIC_PINS, ioapic_set_input, ioapic);
    irq_inputs_register("ioapic", ioapic->inputs, IOAPIC_PINS);
    memory_region_init_io(&ioapic->region, &ioapic_ops, ioapic, "ioapic", IOAPIC_SIZE);
    memory_region_add(&system_memory, IOAPIC_ADDRESS, &ioapic->region, 0);
    ioapic_reset(dev);
    return true;
}

static void ioapic_unrealize(struct device *dev)
{
    struct ioapic *ioapic = (struct ioapic *)dev;

    memory_region_remove(&ioapic->region);
    memory_region_cleanup(&ioapic->region);
    apic_eoi_hook = NULL;
    the_ioapic = NULL;
}

const struct device_type ioapic_type = {
    .name = "ioapic",
    .parents = (const char *const[]){ "ioapic-common", NULL },
    .category = "Misc",
    .description = "82093AA I/O interrupt controller",
    .size = sizeof(struct ioapic),
    .vmstate = &vmstate_ioapic,
    .realize = ioapic_realize,
    .unrealize = ioapic_unrealize,
    .reset = ioapic_reset,
};

struct irq *ioapic_create(GError **error)
{
    struct device *dev = device_new(&ioapic_type, error);

    if (!dev) {
        return NULL;
    }
    if (!device_realize(dev, &system_bus, error)) {
        device_free(dev);
        return NULL;
    }
    return ((struct ioapic *)dev)->inputs;
}

char *ioapic_describe(void)
{
    static const char *const modes[8] = { "fixed", "lowest", "SMI", "...", "NMI", "INIT", "...", "ExtINT" };
    GString *text = g_string_new(NULL);

    if (!the_ioapic || !ioapic_pre_save(the_ioapic, NULL)) {
        return g_string_free(text, FALSE);
    }
    g_string_append_printf(text, "ioapic0: ver=0x%x id=0x%02x sel=0x%02x",
                           the_ioapic->fetch ? IOAPIC_KERNEL_VERSION : IOAPIC_VERSION, the_ioapic->id,
                           the_ioapic->select);
    if (the_ioapic->select >= REG_REDIRECTION) {
        g_string_append_printf(text, " (redir[%u])", (the_ioapic->select - REG_REDIRECTION) / 2u);
    }
    g_string_append_c(text, '\n');
    for (int pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t entry = the_ioapic->entries[pin];

        g_string_append_printf(text,
                               "  pin %-2d 0x%016" G_GINT64_MODIFIER "x dest=%u vec=%-3u %s %-5s %-6s %-6s %s\n", pin,
                               entry, (unsigned)(entry >> IOAPIC_ENTRY_DEST_SHIFT), (unsigned)(entry & IOAPIC_ENTRY_VECTOR),
                               entry & IOAPIC_ENTRY_ACTIVE_LOW ? "active-lo" : "active-hi",
                               entry & IOAPIC_ENTRY_LEVEL ? "level" : "edge", entry & IOAPIC_ENTRY_MASKED ? "masked" : "",
                               modes[entry >> IOAPIC_ENTRY_MODE_SHIFT & 7], entry & IOAPIC_ENTRY_LOGICAL ? "logical" : "physical");
    }
    g_string_append_printf(text, "  IRR 0x%06x\n", the_ioapic->irr);
    return g_string_free(text, FALSE);
}
