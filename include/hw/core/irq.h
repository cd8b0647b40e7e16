/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interrupt lines: how devices meet. Big lock held for all of these. */
#ifndef FERRY_HW_CORE_IRQ_H
#define FERRY_HW_CORE_IRQ_H

#include <stdbool.h>
#include <stddef.h>

/* An input of a controller; embedded or allocated by its owner. `set` sees the line's new level. */
struct irq {
    void (*set)(void *opaque, int n, bool level);
    void *opaque;
    int n;
};

static inline void irq_set(struct irq *irq, bool level)
{
    if (irq) { /* an unconnected output is fine */
        irq->set(irq->opaque, irq->n, level);
    }
}
static inline void irq_raise(struct irq *irq) { irq_set(irq, true); }
static inline void irq_lower(struct irq *irq) { irq_set(irq, false); }
static inline void irq_pulse(struct irq *irq)
{
    irq_set(irq, true);
    irq_set(irq, false);
}

/* Fills lines[0..count): inputs 0.. of one controller. */
static inline void irq_init_array(struct irq *lines, int count, void (*set)(void *, int, bool), void *opaque)
{
    for (int n = 0; n < count; n++) {
        lines[n] = (struct irq){ .set = set, .opaque = opaque, .n = n };
    }
}

#endif
