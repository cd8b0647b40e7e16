/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to hw/i386: the pc board's state, shared by its wiring (pc.c), its firmware's stand-in and its options. */
#ifndef FERRY_HW_I386_PC_H
#define FERRY_HW_I386_PC_H

#include "hw/core/irq.h"
#include "hw/core/machine.h"
#include "hw/i386/boot.h"
#include "hw/pci/pci.h"
#include "memory/memory.h"

#define PC_ISA_IRQS 16
#define PC_GSIS 24

struct keyval;

struct pc {
    struct machine *machine;
    struct ram_block *ram_block;
    struct memory_region ram, ram_below_4g, ram_above_4g;
    uint64_t below_4g, above_4g; /* bytes of RAM on either side of the hole */
    struct irq gsi[PC_GSIS];     /* what devices drive */
    struct irq *i8259, *ioapic;  /* where it goes */
    struct pci_bus *pci;
    struct boot *boot;
    bool started;                /* the reset at program start is behind us */
};

/* -machine options (pc-options.c). */
bool pc_parse_options(struct machine *machine, struct keyval *options, GError **error);
extern const struct machine_property pc_properties[];
extern bool pc_dump_guest_core;

/* Instead of firmware (pc-firmware.c). */
bool pc_done(struct machine *machine, GError **error);
/* At the end of each reset. */
void pc_firmware(void *opaque);

extern const struct machine_type pc_machine_type;

#endif
