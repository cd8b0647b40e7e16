/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 82093AA IOAPIC. */
#ifndef FERRY_HW_INTC_IOAPIC_H
#define FERRY_HW_INTC_IOAPIC_H

#include "hw/core/device.h"
#include "hw/core/irq.h"

#define IOAPIC_PINS 24
#define IOAPIC_ADDRESS 0xfec00000u

extern const struct device_type ioapic_type; /* "ioapic" */

/* Makes the one at 0xfec00000; its inputs, IOAPIC_PINS of them. NULL with an error. */
struct irq *ioapic_create(GError **error);
char *ioapic_describe(void); /* info pic's first part; the caller frees */

#endif
