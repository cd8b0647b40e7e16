/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pair of 8259A interrupt controllers of a PC. */
#ifndef FERRY_HW_INTC_I8259_H
#define FERRY_HW_INTC_I8259_H

#include "hw/core/device.h"
#include "hw/core/irq.h"

extern const struct device_type i8259_type; /* "isa-i8259" */

/*
 * Makes master and slave, cascaded through IRQ 2, with ELCR; the master's INTR output goes to `intr`. Registers
 * i8259_acknowledge() with the APICs. Returns the 16 inputs, or NULL with an error.
 */
struct irq *i8259_create(struct irq *intr, GError **error);
/* INTA: the vector, or -1 where there is no pair. */
int i8259_acknowledge(void);
char *i8259_describe(void); /* info pic's second part; the caller frees */

#endif
