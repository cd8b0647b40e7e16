/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 8254 as a device, shared by i8254-isa.c (the chip in software) and i8254-kvm.c (the kernel's). Big lock held. */
#ifndef FERRY_HW_TIMER_I8254_INTERNAL_H
#define FERRY_HW_TIMER_I8254_INTERNAL_H

#include "hw/core/device.h"
#include "hw/core/irq.h"
#include "hw/timer/i8254.h"
#include "memory/memory.h"
#include "system/runstate.h"
#include "util/clock.h"

struct i8254_isa {
    struct device dev;
    struct i8254 chip;
    uint32_t iobase;

    /* A chip in the kernel: brings its registers here, puts them back. NULL: they are here. */
    bool (*fetch)(struct i8254_isa *pit, GError **error);
    bool (*store)(struct i8254_isa *pit, GError **error);
    bool speaker_data;      /* the kernel's port 0x61, too; as last fetched */
    bool stopped;           /* the VM stands still, and the registers are here until it runs again */
    struct runstate_listener listener;

    struct irq *irq;
    struct timer timer;
    struct memory_region region;
};

extern const struct vmstate_description vmstate_i8254;

void i8254_isa_reset(struct device *dev);

#endif
