/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Named arrays of interrupt inputs, for whoever watches or drives lines from outside (qtest). Big lock held. */
#ifndef FERRY_HW_CORE_IRQ_REGISTRY_H
#define FERRY_HW_CORE_IRQ_REGISTRY_H

#include "hw/core/irq.h"

/* `name` and the lines live as long as the program, or until the next call with that name. */
void irq_inputs_register(const char *name, struct irq *lines, int count);
/* NULL: no such name. */
struct irq *irq_inputs_find(const char *name, int *count);

#endif
