/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -machine none: no vCPUs, no RAM, no devices. Management software starts it to ask over QMP what this program can do.
 * QEMU's would take -cpu and -m and have a CPU in bare memory: left out, and refused.
 */
#include "hw/core/machine.h"

static bool none_parse_options(struct machine *machine, struct keyval *options, GError **error)
{
    return true;
}

static bool none_init(struct machine *machine, GError **error)
{
    return !machine->kernel || error_setf(error, "-kernel is not supported by machine 'none': it has nothing to boot");
}

static bool none_done(struct machine *machine, GError **error)
{
    return true;
}

const struct machine_type none_machine_type = {
    .name = "none",
    .description = "empty machine",
    .max_cpus = 1,
    .parse_options = none_parse_options,
    .init = none_init,
    .done = none_done,
};
