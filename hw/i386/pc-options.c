/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -machine pc,OPTION=…: QEMU's options. Where QEMU's default is a device that is not built (hpet=on, i8042=on, …)
 * ours is off, and asking for it is refused.
 */
#include <string.h>

#include "pc.h"
#include "util/keyval.h"

const char pc_options_help[] =
    "acpi=on|off            ACPI tables and power management (default: on)\n"
    "dump-guest-core=on|off include guest memory in a core dump of this program (default: on)\n"
    "memory-backend=ID      take the RAM from this -object\n"
    "graphics=off           no graphics\n"
    "hpet=off               no HPET: not supported\n"
    "kernel-irqchip=on|off  with -accel kvm: interrupt controllers and timer in the kernel (default: on)\n"
    "i8042=off              no keyboard controller: not supported\n"
    "mem-merge=off          guest memory is not offered for merging\n"
    "pic=on                 i8259 interrupt controllers\n"
    "pit=on                 i8254 timer\n"
    "sata=off               no SATA\n"
    "smbus=off              no SMBus host: not supported\n"
    "smm=off                no system management mode: not supported\n"
    "suppress-vmdesc=off    the stream carries its description\n"
    "usb=off                no USB\n"
    "vmport=off             no VMware port: not supported\n";

bool pc_dump_guest_core = true;

/* What can be had of each, besides "auto" where QEMU has it. */
static const struct {
    const char *name;
    bool value;
    bool has_auto;
} fixed_options[] = {
    { "graphics", false, false }, { "hpet", false, false },  { "i8042", false, false }, { "mem-merge", false, false },
    { "pic", true, true },        { "pit", true, true },     { "sata", false, false },  { "smbus", false, false },
    { "smm", false, true },       { "suppress-vmdesc", false, false },                  { "usb", false, false },
    { "vmport", false, true },
};

static const char *const absent_options[] = {
    "boot", "confidential-guest-support", "default-bus-bypass-iommu", "dt-compatible", "dtb", "dumpdtb", "firmware",
    "max-fw-size", "max-ram-below-4g", "memory-encryption", "nvdimm", "sgx-epc", "smbios-entry-point-type",
    "x-oem-id", "x-oem-table-id",
};

/* "auto" stands for `automatic`. */
static bool get_bool(struct keyval *options, const char *name, bool has_auto, bool automatic, bool *value,
                     GError **error)
{
    const char *text = keyval_get(options, name);

    if (has_auto && text && !strcmp(text, "auto")) {
        *value = automatic;
        return true;
    }
    return keyval_get_bool(options, name, value, error);
}

bool pc_parse_options(struct machine *machine, struct keyval *options, GError **error)
{
    machine->acpi = true;
    if (!get_bool(options, "acpi", true, true, &machine->acpi, error) ||
        !keyval_get_bool(options, "dump-guest-core", &pc_dump_guest_core, error)) {
        return false;
    }
    machine->memory_backend = g_strdup(keyval_get(options, "memory-backend"));
    for (unsigned i = 0; i < G_N_ELEMENTS(fixed_options); i++) {
        bool value = fixed_options[i].value;
        if (!get_bool(options, fixed_options[i].name, fixed_options[i].has_auto, value, &value, error)) {
            return false;
        }
        if (value != fixed_options[i].value) {
            return error_setf(error, "-machine %s: %s=%s is not supported", machine->type->name,
                              fixed_options[i].name, value ? "on" : "off");
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(absent_options); i++) {
        if (keyval_has(options, absent_options[i])) {
            return error_setf(error, "-machine %s: option '%s' is not supported", machine->type->name,
                              absent_options[i]);
        }
    }
    return true;
}
