/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ISA bus: sixteen interrupt lines and the ports. One per machine. Big lock held. */
#ifndef FERRY_HW_ISA_ISA_H
#define FERRY_HW_ISA_ISA_H

#include "hw/core/device.h"
#include "hw/core/irq.h"

#define ISA_IRQS 16

/* Has no device properties. */
extern const struct bus_type isa_bus_type;

/* Makes the bus ("isa.0") under its bridge (NULL: none). */
struct bus *isa_bus_new(struct device *bridge);
/* Where the lines go: ISA_IRQS lines that the board owns. Before the first device asks for its line. */
void isa_connect_irqs(struct irq *lines);
/* Line `n`, or NULL: there is no such line, or none is connected. */
struct irq *isa_get_irq(int n);
/* New device of `type`, realized on the bus; NULL and an error. For devices without properties to set. */
struct device *isa_create(const struct device_type *type, GError **error);

#endif
