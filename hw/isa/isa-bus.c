/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ISA bus. Its devices decode fixed ports in system_io and pull one of sixteen lines; the board says where the
 * lines go (on a PC to the i8259 pair and the IOAPIC at once). Nothing of it is migrated: devices hold their own
 * lines' levels.
 */
#include "hw/isa/isa.h"

const struct bus_type isa_bus_type = { .name = "ISA", .device_type = "isa-device" };

static struct bus isa_bus;
static struct irq *isa_lines;

struct bus *isa_bus_new(struct device *bridge)
{
    bus_init(&isa_bus, &isa_bus_type, bridge, "isa.0");
    return &isa_bus;
}

void isa_connect_irqs(struct irq *lines)
{
    isa_lines = lines;
}

struct irq *isa_get_irq(int n)
{
    return isa_lines && n >= 0 && n < ISA_IRQS ? &isa_lines[n] : NULL;
}

struct device *isa_create(const struct device_type *type, GError **error)
{
    struct device *dev = device_new(type, error);

    if (dev && !device_realize(dev, &isa_bus, error)) {
        device_free(dev);
        return NULL;
    }
    return dev;
}
