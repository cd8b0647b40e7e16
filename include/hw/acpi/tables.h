/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pc's ACPI tables, as they lie in the guest's memory. */
#ifndef FERRY_HW_ACPI_TABLES_H
#define FERRY_HW_ACPI_TABLES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct aml;

#define ACPI_RSDP_SIZE 20
#define ACPI_SERIAL_PORTS 4

/* What the tables say about the board. */
struct acpi_board {
    unsigned cpu_count;
    const uint32_t *apic_ids;      /* cpu_count of them */
    uint8_t ioapic_id;
    uint32_t pci_hole_first, pci_hole_last; /* the host bridge's window below 4 GiB */
    struct {
        uint16_t port;             /* 0: none */
        uint8_t irq;
    } serial[ACPI_SERIAL_PORTS];   /* COM1.. */
    bool rtc;
    uint16_t pvpanic_port;         /* 0: none */
    uint32_t hotplug_slots;        /* a bit for each PCI slot whose device may come and go */
};

/*
 * All tables but the RSDP, to be placed at `address` (multiple of 64); and the RSDP.
 * The caller frees the array.
 */
GByteArray *acpi_tables_build(const struct acpi_board *board, uint32_t address, uint8_t rsdp[ACPI_RSDP_SIZE]);
/* The DSDT's body, behind its header: hw/acpi/dsdt.c. */
GByteArray *acpi_dsdt_build(const struct acpi_board *board);
/* Within the host bridge's device, and at the top: hw/acpi/dsdt-hotplug.c. */
void acpi_dsdt_add_slots(struct aml *aml, uint32_t slots);
void acpi_dsdt_add_hotplug_event(struct aml *aml);

#endif
