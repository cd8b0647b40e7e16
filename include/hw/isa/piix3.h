/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PIIX3 PCI-to-ISA bridge. */
#ifndef FERRY_HW_ISA_PIIX3_H
#define FERRY_HW_ISA_PIIX3_H

#include "hw/pci/pci.h"

/* Where the four PIRQ registers point after a reset, as firmware leaves them. */
extern const uint8_t piix3_default_pirqs[4];

/*
 * Makes function 01.0 and routes the bus's INTx lines to `isa_irqs` (16 of them). The ISA bus's parent, or NULL with
 * an error.
 */
struct device *piix3_create(struct pci_bus *bus, struct irq *isa_irqs, GError **error);

extern const struct device_type piix3_type;

#endif
