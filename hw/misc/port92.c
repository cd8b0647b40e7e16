/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Port 0x92, "system control port A" of the PS/2: fast reset and the fast A20 gate.
 *
 * Modelled: bit 0 resets on its rising edge; bit 1 is kept and read back.
 * Left out on purpose: masking address line 20. Our CPUs always have it on, which is what every guest since 1990
 * wants.
 */
#include "hw/isa/isa.h"
#include "hw/misc/pc-ports.h"
#include "memory/memory.h"
#include "migration/vmstate.h"
#include "system/runstate.h"

#define FAST_RESET 0x01

struct port92 {
    struct device dev;
    uint8_t outport;
    struct memory_region region;
};

static uint64_t port92_read(void *opaque, hwaddr offset, unsigned size)
{
    return ((struct port92 *)opaque)->outport;
}

static void port92_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct port92 *port = opaque;
    bool rising = (value & FAST_RESET) && !(port->outport & FAST_RESET);

    port->outport = (uint8_t)value;
    if (rising) {
        system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
    }
}

static const struct memory_region_ops port92_ops = { .read = port92_read, .write = port92_write, .max_access = 1 };

static void port92_reset(struct device *dev)
{
    ((struct port92 *)dev)->outport = 0;
}

/*
 * Stock has the port only with i8042=on: without the section, which says nothing new at 0, either board loads our
 * stream.
 */
static bool port92_needed(const void *opaque)
{
    return ((const struct port92 *)opaque)->outport != 0;
}

static const struct vmstate_field port92_fields[] = {
    VMSTATE_UINT8(outport, struct port92),
    VMSTATE_END
};

static const struct vmstate_description vmstate_port92 = {
    .name = "port92", .version = 1, .minimum_version = 1,
    .needed = port92_needed,
    .fields = port92_fields,
};

static bool port92_realize(struct device *dev, GError **error)
{
    struct port92 *port = (struct port92 *)dev;

    memory_region_init_io(&port->region, &port92_ops, port, "port92", 1);
    memory_region_add(&system_io, 0x92, &port->region, 0);
    return true;
}

static void port92_unrealize(struct device *dev)
{
    struct port92 *port = (struct port92 *)dev;

    memory_region_remove(&port->region);
    memory_region_cleanup(&port->region);
}

const struct device_type port92_type = {
    .name = "port92",
    .bus = "ISA",
    .category = "Misc",
    .description = "System control port A",
    .size = sizeof(struct port92),
    .vmstate = &vmstate_port92,
    .realize = port92_realize,
    .unrealize = port92_unrealize,
    .reset = port92_reset,
};
