/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PIIX4 power management function. */
#ifndef FERRY_HW_ACPI_PIIX4_PM_H
#define FERRY_HW_ACPI_PIIX4_PM_H

#include "hw/pci/pci.h"

#define PIIX4_PM_BASE 0x600 /* preset as firmware would */
#define PIIX4_GPE0_BASE 0xafe0
#define PIIX4_SMI_PORT 0xb2
#define PIIX4_ACPI_ENABLE 0xf1
#define PIIX4_ACPI_DISABLE 0xf0
#define PIIX4_SCI 9

/* Makes function 01.3; `sci` is its interrupt. */
bool piix4_pm_create(struct pci_bus *bus, struct irq *sci, GError **error);

extern const struct device_type piix4_pm_type;

#endif
