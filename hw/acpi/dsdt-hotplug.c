/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DSDT's side of PCI hot plug (hw/acpi/pci-hotplug.c has the registers): a device object for each slot, whose
 * _EJ0 lets go of what is in it, and the event that says which slots have something new or are to be emptied.
 *
 *     Method (_E01) { PCNT }                      DVNT (slots, what): Notify every slot's device that is named
 *     Method (PCNT) { DVNT (up, 1: look)  DVNT (down, 3: eject) }
 */
#include "hw/acpi/aml.h"
#include "hw/acpi/pci-hotplug.h"
#include "hw/acpi/tables.h"

#define NOTIFY_DEVICE_CHECK 1
#define NOTIFY_EJECT_REQUEST 3
#define BUS 0

/* As they follow each other at ACPI_PCI_HOTPLUG_PORT. */
static const char *const registers[] = { "PCIU", "PCID", "PCEJ", "PCRM", "PCBN" };

/* By the device's address, as stock names them: slot 3 is S18. */
static void slot_name(char name[5], unsigned slot)
{
    g_snprintf(name, 5, "S%02X", slot << 3);
}

static void store(struct aml *aml, uint64_t value, const char *name)
{
    aml_op(aml, AML_STORE);
    aml_integer(aml, value);
    aml_reference(aml, name);
}

/* Nobody else's: the PNP layer keeps them from what allocates ports to devices. */
static void add_ports(struct aml *aml)
{
    aml_device(aml, "HPRS");
    aml_name(aml, "_HID");
    aml_eisa_id(aml, "PNP0C02");
    aml_name(aml, "_UID");
    aml_string(aml, "PCI hot plug");
    aml_name(aml, "_CRS");
    aml_resources(aml);
    aml_resource_io(aml, ACPI_PCI_HOTPLUG_PORT, ACPI_PCI_HOTPLUG_PORTS);
    aml_resources_end(aml);
    aml_close(aml);
    aml_io_region(aml, "PCHP", ACPI_PCI_HOTPLUG_PORT, ACPI_PCI_HOTPLUG_PORTS);
    aml_dword_fields(aml, "PCHP", registers, G_N_ELEMENTS(registers));
    aml_mutex(aml, "BLCK"); /* the bus stays selected meanwhile */
}

/* Lets go of slot Arg0. */
static void add_eject(struct aml *aml)
{
    aml_method(aml, "EJSL", 1, false);
    aml_acquire(aml, "BLCK");
    store(aml, BUS, "PCBN");
    aml_op(aml, AML_STORE);
    aml_op(aml, AML_SHIFT_LEFT);
    aml_integer(aml, 1);
    aml_arg(aml, 0);
    aml_op(aml, AML_NULL_TARGET);
    aml_reference(aml, "PCEJ");
    aml_release(aml, "BLCK");
    aml_close(aml);
}

static void add_slot(struct aml *aml, unsigned slot)
{
    char name[5];

    slot_name(name, slot);
    aml_device(aml, name);
    aml_name(aml, "_ADR");
    aml_integer(aml, slot << 16);
    aml_name(aml, "_SUN");
    aml_integer(aml, slot);
    aml_method(aml, "_EJ0", 1, false);
    aml_reference(aml, "EJSL");
    aml_reference(aml, "_SUN");
    aml_close(aml);
    aml_close(aml);
}

/* Notifies the slots of bitmap Arg0 of Arg1. */
static void add_notify(struct aml *aml, uint32_t slots)
{
    aml_method(aml, "DVNT", 2, false);
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        char name[5];

        if (!(slots >> slot & 1)) {
            continue;
        }
        slot_name(name, slot);
        aml_if(aml);
        aml_op(aml, AML_AND);
        aml_arg(aml, 0);
        aml_integer(aml, 1u << slot);
        aml_op(aml, AML_NULL_TARGET);
        aml_op(aml, AML_NOTIFY);
        aml_reference(aml, name);
        aml_arg(aml, 1);
        aml_close(aml);
    }
    aml_close(aml);
}

static void call_notify(struct aml *aml, const char *slots, uint64_t what)
{
    aml_reference(aml, "DVNT");
    aml_reference(aml, slots);
    aml_integer(aml, what);
}

static void add_event(struct aml *aml)
{
    aml_method(aml, "PCNT", 0, false);
    aml_acquire(aml, "BLCK");
    store(aml, BUS, "PCBN");
    call_notify(aml, "PCIU", NOTIFY_DEVICE_CHECK);
    call_notify(aml, "PCID", NOTIFY_EJECT_REQUEST);
    aml_release(aml, "BLCK");
    aml_close(aml);
}

void acpi_dsdt_add_slots(struct aml *aml, uint32_t slots)
{
    add_ports(aml);
    add_eject(aml);
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        if (slots >> slot & 1) {
            add_slot(aml, slot);
        }
    }
    add_notify(aml, slots);
    add_event(aml);
}

void acpi_dsdt_add_hotplug_event(struct aml *aml)
{
    g_autofree char *method = g_strdup_printf("_E%02X", ACPI_PCI_HOTPLUG_GPE);

    aml_scope(aml, "\\_GPE");
    aml_method(aml, method, 0, false);
    aml_reference(aml, "\\_SB.PCI0.PCNT");
    aml_close(aml);
    aml_close(aml);
}
