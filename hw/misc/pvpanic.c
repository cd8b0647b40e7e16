/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pvpanic (docs/specs/pvpanic of the QEMU project: a port of one byte): the guest kernel says that it panicked, or
 * that it loaded its crash kernel. Reading the port gives the events that are understood. What happens then is
 * -action panic=.
 */
#include "hw/isa/isa.h"
#include "hw/misc/pc-ports.h"
#include "memory/memory.h"
#include "system/runstate.h"

#define EVENT_PANICKED 0x01
#define EVENT_CRASH_LOADED 0x02

struct pvpanic {
    struct device dev;
    uint32_t ioport;
    uint8_t events;
    struct memory_region region;
};

static uint64_t pvpanic_read(void *opaque, hwaddr offset, unsigned size)
{
    return ((struct pvpanic *)opaque)->events;
}

static void pvpanic_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    if (value & ~(uint64_t)(EVENT_PANICKED | EVENT_CRASH_LOADED)) {
        guest_error("pvpanic: event 0x%02x is not known", (unsigned)value);
    }
    if (value & EVENT_PANICKED) {
        system_guest_panicked();
    } else if (value & EVENT_CRASH_LOADED) {
        system_guest_crash_loaded();
    }
}

static const struct memory_region_ops pvpanic_ops = { .read = pvpanic_read, .write = pvpanic_write, .max_access = 1 };

static bool pvpanic_realize(struct device *dev, GError **error)
{
    struct pvpanic *pvpanic = (struct pvpanic *)dev;

    if (pvpanic->ioport > 0xffff) {
        return error_setf(error, "pvpanic ioport 0x%x: should be at most 0xffff", pvpanic->ioport);
    }
    memory_region_init_io(&pvpanic->region, &pvpanic_ops, pvpanic, "pvpanic", 1);
    memory_region_add(&system_io, pvpanic->ioport, &pvpanic->region, 0);
    return true;
}

static void pvpanic_unrealize(struct device *dev)
{
    struct pvpanic *pvpanic = (struct pvpanic *)dev;

    memory_region_remove(&pvpanic->region);
    memory_region_cleanup(&pvpanic->region);
}

static const struct property pvpanic_properties[] = {
    PROPERTY(UINT32, "ioport", struct pvpanic, ioport, 0x505, "its port"),
    PROPERTY(UINT8, "events", struct pvpanic, events, EVENT_PANICKED | EVENT_CRASH_LOADED,
             "events that a read of the port announces"),
    PROPERTY_END
};

const struct device_type pvpanic_type = {
    .name = "pvpanic",
    .bus = "ISA",
    .category = "Misc",
    .description = "Tells the host that the guest panicked",
    .size = sizeof(struct pvpanic),
    .user_creatable = true,
    .properties = pvpanic_properties,
    .no_state = "a port without memory",
    .realize = pvpanic_realize,
    .unrealize = pvpanic_unrealize,
};
