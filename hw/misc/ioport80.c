/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports that take writes and do nothing: 0x80, where firmware writes POST codes and kernels write to let a
 * microsecond pass, and 0xf0, which clears the coprocessor's error line of the PC/AT (ours reports errors by #MF).
 * Both read as all ones.
 */
#include "hw/isa/isa.h"
#include "hw/misc/pc-ports.h"
#include "memory/memory.h"

struct ioport80 {
    struct device dev;
    struct memory_region post, coprocessor;
};

static uint64_t ignored_read(void *opaque, hwaddr offset, unsigned size)
{
    return UINT64_MAX;
}

static void ignored_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
}

static const struct memory_region_ops ignored_ops = {
    .read = ignored_read, .write = ignored_write, .max_access = 1, .lockless = true,
};

static bool ioport80_realize(struct device *dev, GError **error)
{
    struct ioport80 *ports = (struct ioport80 *)dev;

    memory_region_init_io(&ports->post, &ignored_ops, ports, "ioport80", 1);
    memory_region_add(&system_io, 0x80, &ports->post, 0);
    memory_region_init_io(&ports->coprocessor, &ignored_ops, ports, "ioportF0", 1);
    memory_region_add(&system_io, 0xf0, &ports->coprocessor, 0);
    return true;
}

static void ioport80_unrealize(struct device *dev)
{
    struct ioport80 *ports = (struct ioport80 *)dev;

    memory_region_remove(&ports->post);
    memory_region_cleanup(&ports->post);
    memory_region_remove(&ports->coprocessor);
    memory_region_cleanup(&ports->coprocessor);
}

const struct device_type ioport80_type = {
    .name = "ioport80",
    .bus = "ISA",
    .category = "Misc",
    .description = "POST code and coprocessor error ports",
    .size = sizeof(struct ioport80),
    .no_state = "ports without memory",
    .realize = ioport80_realize,
    .unrealize = ioport80_unrealize,
};
