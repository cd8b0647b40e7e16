/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -machine pc,OPTION=…: QEMU's options. Where QEMU's default is a device that is not built (hpet=on, i8042=on, …)
 * ours is off, and asking for it is refused.
 */
#include <string.h>

#include "accel/kvm.h"
#include "pc.h"
#include "qapi/qapi-visit.h"
#include "util/keyval.h"

bool pc_dump_guest_core = true;

static JsonNode *get_acpi(const struct machine *machine)
{
    return qapi_node_str(machine->acpi ? "on" : "off");
}

static JsonNode *get_dump_guest_core(const struct machine *machine)
{
    return qapi_node_bool(pc_dump_guest_core);
}

static JsonNode *get_irqchip(const struct machine *machine)
{
    return qapi_node_str(kvm_irqchip_in_kernel() ? "on" : "off");
}

static JsonNode *get_memory_backend(const struct machine *machine)
{
    g_autofree char *path = machine->memory_backend ? g_strdup_printf("/objects/%s", machine->memory_backend) : NULL;

    return qapi_node_str(path);
}

/* Those without a function can be had with one value only, or as "auto" where QEMU has that. */
const struct machine_property pc_properties[] = {
    { "acpi", "OnOffAuto", "on|off", "ACPI tables and power management (default: on)", get_acpi },
    { "dump-guest-core", "bool", "on|off", "include guest memory in a core dump of this program (default: on)",
      get_dump_guest_core },
    { "memory-backend", "link<memory-backend>", "ID", "take the RAM from this -object", get_memory_backend },
    { "graphics", "bool", "off", "no graphics" },
    { "hpet", "bool", "off", "no HPET: not supported" },
    { "kernel-irqchip", "OnOffSplit", "on|off",
      "with -accel kvm: interrupt controllers and timer in the kernel (default: on)", get_irqchip },
    { "i8042", "bool", "off", "no keyboard controller: not supported" },
    { "mem-merge", "bool", "off", "guest memory is not offered for merging" },
    { "pic", "OnOffAuto", "on", "i8259 interrupt controllers", .fixed = true },
    { "pit", "OnOffAuto", "on", "i8254 timer", .fixed = true },
    { "sata", "bool", "off", "no SATA" },
    { "smbus", "bool", "off", "no SMBus host: not supported" },
    { "smm", "OnOffAuto", "off", "no system management mode: not supported" },
    { "suppress-vmdesc", "bool", "off", "the stream carries its description" },
    { "usb", "bool", "off", "no USB" },
    { "vmport", "OnOffAuto", "off", "no VMware port: not supported" },
    { NULL },
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

static bool check_fixed(const struct machine *machine, struct keyval *options, const struct machine_property *p,
                        GError **error)
{
    bool value = p->fixed;

    if (!get_bool(options, p->name, strcmp(p->type, "OnOffAuto") == 0, value, &value, error)) {
        return false;
    }
    return value == p->fixed || error_setf(error, "-machine %s: %s=%s is not supported", machine->type->name, p->name,
                                           value ? "on" : "off");
}

bool pc_parse_options(struct machine *machine, struct keyval *options, GError **error)
{
    machine->acpi = true;
    if (!get_bool(options, "acpi", true, true, &machine->acpi, error) ||
        !keyval_get_bool(options, "dump-guest-core", &pc_dump_guest_core, error)) {
        return false;
    }
    machine->memory_backend = g_strdup(keyval_get(options, "memory-backend"));
    for (const struct machine_property *p = pc_properties; p->name; p++) {
        if (!p->get && !check_fixed(machine, options, p, error)) {
            return false;
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
