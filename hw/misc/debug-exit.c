/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isa-debug-exit: a write of V ends the program with exit status (V << 1) | 1, so that a test guest can report
 * success and failure. Odd, so that no write looks like a program that ended well by itself.
 */
#include "hw/isa/isa.h"
#include "hw/misc/pc-ports.h"
#include "memory/memory.h"
#include "system/runstate.h"

struct debug_exit {
    struct device dev;
    uint32_t iobase, iosize;
    struct memory_region region;
};

static uint64_t debug_exit_read(void *opaque, hwaddr offset, unsigned size)
{
    return 0;
}

static void debug_exit_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    system_shutdown_request_with_code(SHUTDOWN_CAUSE_GUEST_SHUTDOWN, (int)((uint32_t)value << 1 | 1));
}

static const struct memory_region_ops debug_exit_ops = {
    .read = debug_exit_read, .write = debug_exit_write, .max_access = 4,
};

static bool debug_exit_realize(struct device *dev, GError **error)
{
    struct debug_exit *exit_port = (struct debug_exit *)dev;

    if (exit_port->iosize < 1 || exit_port->iosize > 4 || exit_port->iobase > 0x10000 - exit_port->iosize) {
        return error_setf(error, "isa-debug-exit iobase 0x%x, iosize 0x%x: should be 1 to 4 ports below 0x10000",
                          exit_port->iobase, exit_port->iosize);
    }
    memory_region_init_io(&exit_port->region, &debug_exit_ops, exit_port, "isa-debug-exit", exit_port->iosize);
    memory_region_add(&system_io, exit_port->iobase, &exit_port->region, 0);
    return true;
}

static void debug_exit_unrealize(struct device *dev)
{
    struct debug_exit *exit_port = (struct debug_exit *)dev;

    memory_region_remove(&exit_port->region);
    memory_region_cleanup(&exit_port->region);
}

static const struct property debug_exit_properties[] = {
    PROPERTY(UINT32, "iobase", struct debug_exit, iobase, 0x501, "first port"),
    PROPERTY(UINT32, "iosize", struct debug_exit, iosize, 2, "number of ports, 1 to 4"),
    PROPERTY_END
};

const struct device_type debug_exit_type = {
    .name = "isa-debug-exit",
    .bus = "ISA",
    .category = "Misc",
    .description = "Ends the program with a status that the guest chooses",
    .size = sizeof(struct debug_exit),
    .user_creatable = true,
    .properties = debug_exit_properties,
    .no_state = "a port without memory",
    .realize = debug_exit_realize,
    .unrealize = debug_exit_unrealize,
};
