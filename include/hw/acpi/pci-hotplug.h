/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hot plug of PCI devices by ACPI: the registers through which chipset and DSDT understand each other. */
#ifndef FERRY_HW_ACPI_PCI_HOTPLUG_H
#define FERRY_HW_ACPI_PCI_HOTPLUG_H

#include "hw/pci/pci.h"

#define ACPI_PCI_HOTPLUG_PORT 0xae00
#define ACPI_PCI_HOTPLUG_PORTS 0x18
#define ACPI_PCI_HOTPLUG_UP 0x00      /* which slots got a device: a bit each; reading clears it */
#define ACPI_PCI_HOTPLUG_DOWN 0x04    /* which are to let go of theirs */
#define ACPI_PCI_HOTPLUG_EJECT 0x08   /* write: the guest has let go */
#define ACPI_PCI_HOTPLUG_ENABLED 0x0c /* which may lose their device */
#define ACPI_PCI_HOTPLUG_SELECT 0x10  /* the bus that the others are about */
#define ACPI_PCI_HOTPLUG_INDEX 0x14   /* write: a slot; read: its device's acpi-index */
#define ACPI_PCI_HOTPLUG_GPE 1        /* the general-purpose event: method _E01 */
#define ACPI_PCI_HOTPLUG_BUSES 256

struct acpi_pci_hotplug_status {
    uint32_t up, down;
};

struct acpi_pci_hotplug {
    uint32_t select, acpi_index;
    struct acpi_pci_hotplug_status status[ACPI_PCI_HOTPLUG_BUSES]; /* the first; the others for the stream */
    struct pci_bus *bus;
    void (*notify)(void *opaque); /* raises the general-purpose event */
    void *opaque;
    struct memory_region ports;
};

/* Makes the bus's devices come and go through it. */
void acpi_pci_hotplug_init(struct acpi_pci_hotplug *hotplug, struct pci_bus *bus, void (*notify)(void *opaque),
                           void *opaque);
/* A bit for each slot that may lose or get a device. */
uint32_t pci_hotplug_slots(const struct pci_bus *bus);

#endif
