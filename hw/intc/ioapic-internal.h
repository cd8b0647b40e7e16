/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IOAPIC's state, shared by ioapic.c (in software) and ioapic-kvm.c (the kernel's). Big lock held. */
#ifndef FERRY_HW_INTC_IOAPIC_INTERNAL_H
#define FERRY_HW_INTC_IOAPIC_INTERNAL_H

#include "hw/core/device.h"
#include "hw/intc/ioapic.h"
#include "memory/memory.h"

#define IOAPIC_ENTRY_VECTOR 0xffu
#define IOAPIC_ENTRY_MODE_SHIFT 8
#define IOAPIC_ENTRY_LOGICAL (1ull << 11)
#define IOAPIC_ENTRY_STATUS (1ull << 12)
#define IOAPIC_ENTRY_ACTIVE_LOW (1ull << 13)
#define IOAPIC_ENTRY_REMOTE_IRR (1ull << 14)
#define IOAPIC_ENTRY_LEVEL (1ull << 15)
#define IOAPIC_ENTRY_MASKED (1ull << 16)
#define IOAPIC_ENTRY_DEST_SHIFT 56
#define IOAPIC_ENTRY_READ_ONLY (IOAPIC_ENTRY_STATUS | IOAPIC_ENTRY_REMOTE_IRR)
#define IOAPIC_ENTRY_WRITABLE (0xff0000000001afffull & ~IOAPIC_ENTRY_READ_ONLY)
#define IOAPIC_ENTRY_KNOWN (IOAPIC_ENTRY_WRITABLE | IOAPIC_ENTRY_READ_ONLY)

struct ioapic {
    struct device dev;
    uint8_t id;
    uint8_t select;
    uint32_t irr;
    uint64_t entries[IOAPIC_PINS];

    /* In the kernel: brings its registers here, puts them back. NULL: they are here. */
    bool (*fetch)(struct ioapic *ioapic, GError **error);
    bool (*store)(struct ioapic *ioapic, GError **error);

    uint32_t levels; /* as the lines are now; after a load, what irr says of level pins */
    struct irq inputs[IOAPIC_PINS];
    struct memory_region region;
};

extern const struct vmstate_description vmstate_ioapic;

/* Makes it the one that `info pic` shows. */
bool ioapic_become_the_one(struct ioapic *ioapic, GError **error);
void ioapic_reset(struct device *dev);

#endif
