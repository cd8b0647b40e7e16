/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One 8259A's state, shared by i8259.c (the chip in software) and i8259-kvm.c (the kernel's). Big lock held. */
#ifndef FERRY_HW_INTC_I8259_INTERNAL_H
#define FERRY_HW_INTC_I8259_INTERNAL_H

#include "hw/core/device.h"
#include "hw/intc/i8259.h"
#include "memory/memory.h"

struct i8259 {
    struct device dev;
    /* In the order of the stream. */
    uint8_t last_irr;         /* levels of the edge-triggered inputs */
    uint8_t irr, imr, isr;
    uint8_t priority_add;     /* the input that has the highest priority */
    uint8_t irq_base;
    uint8_t read_reg_select;  /* OCW3: 1 reads ISR */
    uint8_t poll;
    uint8_t special_mask;
    uint8_t init_state;       /* the ICW expected at the odd port: 1 ICW2, 2 ICW3, 3 ICW4; 0: none */
    uint8_t auto_eoi;
    uint8_t rotate_on_auto_eoi;
    uint8_t special_fully_nested_mode;
    uint8_t init4;            /* ICW4 will come */
    uint8_t single_mode;
    uint8_t elcr;

    /* Properties. */
    bool master;
    uint32_t iobase, elcr_address;
    uint8_t elcr_mask;

    /* A chip in the kernel: brings its registers here, puts them back. NULL: they are here. */
    bool (*fetch)(struct i8259 *pic, GError **error);
    bool (*store)(struct i8259 *pic, GError **error);

    struct irq *output;
    bool output_level;
    struct memory_region region, elcr_region;
};

extern struct i8259 *i8259_pair[2]; /* master, slave */
extern const struct vmstate_description vmstate_i8259;
extern const struct property i8259_properties[];

/* Enters it in i8259_pair. */
bool i8259_join_pair(struct i8259 *pic, GError **error);
void i8259_reset(struct device *dev);
/* Makes both of `type`; their INTR outputs go to outputs[]. */
bool i8259_create_pair(const struct device_type *type, struct irq *const outputs[2], GError **error);

#endif
