/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pc's DSDT: host bridge with its windows and interrupt routing, the four PIRQ links on the PIIX3's registers,
 * the ISA devices that exist, the processors, soft off. PCI hot plug is in dsdt-hotplug.c.
 */
#include <string.h>

#include "hw/acpi/aml.h"
#include "hw/acpi/tables.h"

#define STA_PRESENT 0x0f
#define STA_LINK_ENABLED 0x0b /* present, decoding, working; not shown */
#define STA_LINK_DISABLED 0x09
#define PIRQ_DISABLED 0x80
#define INTERRUPT_FIELD 5 /* of the first number in an interrupt descriptor */

static const char *const link_names[4] = { "LNKA", "LNKB", "LNKC", "LNKD" };
static const char *const pirq_names[4] = { "PRQ0", "PRQ1", "PRQ2", "PRQ3" };
static const uint32_t link_irqs[] = { 5, 10, 11 };

static void add_device_status(struct aml *aml)
{
    aml_name(aml, "_STA");
    aml_integer(aml, STA_PRESENT);
}

/* Slot n's pin p is wired to link (n - 1 + p) mod 4. */
static void add_interrupt_routing(struct aml *aml)
{
    aml_name(aml, "_PRT");
    aml_package(aml, 31 * 4);
    for (unsigned slot = 1; slot < 32; slot++) {
        for (unsigned pin = 0; pin < 4; pin++) {
            aml_package(aml, 4);
            aml_integer(aml, slot << 16 | 0xffff);
            aml_integer(aml, pin);
            aml_reference(aml, link_names[(slot - 1 + pin) & 3]);
            aml_integer(aml, 0);
            aml_close(aml);
        }
    }
    aml_close(aml);
}

static void add_bridge_resources(struct aml *aml, const struct acpi_board *board)
{
    aml_name(aml, "_CRS");
    aml_resources(aml);
    aml_resource_window(aml, AML_WINDOW_BUS, 0, 0xff);
    aml_resource_io(aml, 0xcf8, 8);
    aml_resource_window(aml, AML_WINDOW_IO, 0, 0xcf7);
    aml_resource_window(aml, AML_WINDOW_IO, 0xd00, 0xffff);
    aml_resource_window(aml, AML_WINDOW_MEMORY, 0xa0000, 0xbffff);
    aml_resource_window(aml, AML_WINDOW_MEMORY, board->pci_hole_first, board->pci_hole_last);
    aml_resources_end(aml);
}

static void add_isa_device(struct aml *aml, const char *name, const char *id, unsigned uid, uint16_t port,
                           uint8_t length, int irq)
{
    aml_device(aml, name);
    aml_name(aml, "_HID");
    aml_eisa_id(aml, id);
    aml_name(aml, "_UID");
    aml_integer(aml, uid);
    add_device_status(aml);
    aml_name(aml, "_CRS");
    aml_resources(aml);
    aml_resource_io(aml, port, length);
    if (irq >= 0) {
        aml_resource_irq(aml, irq);
    }
    aml_resources_end(aml);
    aml_close(aml);
}

static void add_pvpanic(struct aml *aml, uint16_t port)
{
    aml_device(aml, "PEVT");
    aml_name(aml, "_HID");
    aml_string(aml, "QEMU0001");
    add_device_status(aml);
    aml_name(aml, "_CRS");
    aml_resources(aml);
    aml_resource_io(aml, port, 1);
    aml_resources_end(aml);
    aml_close(aml);
}

static void add_isa_bridge(struct aml *aml, const struct acpi_board *board)
{
    static const char *const serial_names[ACPI_SERIAL_PORTS] = { "COM1", "COM2", "COM3", "COM4" };

    aml_device(aml, "ISA");
    aml_name(aml, "_ADR");
    aml_integer(aml, 0x00010000);
    aml_pci_config_region(aml, "P40C", 0x60, 4);
    aml_byte_fields(aml, "P40C", pirq_names, 4);
    for (unsigned i = 0; i < ACPI_SERIAL_PORTS; i++) {
        if (board->serial[i].port) {
            add_isa_device(aml, serial_names[i], "PNP0501", i + 1, board->serial[i].port, 8, board->serial[i].irq);
        }
    }
    if (board->rtc) {
        add_isa_device(aml, "RTC", "PNP0B00", 0, 0x70, 8, 8);
    }
    if (board->pvpanic_port) {
        add_pvpanic(aml, board->pvpanic_port);
    }
    aml_close(aml);
}

static void add_host_bridge(struct aml *aml, const struct acpi_board *board)
{
    aml_device(aml, "PCI0");
    aml_name(aml, "_HID");
    aml_eisa_id(aml, "PNP0A03");
    aml_name(aml, "_ADR");
    aml_integer(aml, 0);
    aml_name(aml, "_UID");
    aml_integer(aml, 0);
    add_bridge_resources(aml, board);
    add_interrupt_routing(aml);
    add_isa_bridge(aml, board);
    if (board->hotplug_slots) {
        acpi_dsdt_add_slots(aml, board->hotplug_slots);
    }
    aml_close(aml);
}

/* Return (status): a method's last statement. */
static void add_return_integer(struct aml *aml, uint64_t value)
{
    aml_op(aml, AML_RETURN);
    aml_integer(aml, value);
}

static void add_link_status(struct aml *aml, const char *pirq)
{
    aml_method(aml, "_STA", 0, false);
    aml_if(aml);
    aml_op(aml, AML_AND);
    aml_reference(aml, pirq);
    aml_integer(aml, PIRQ_DISABLED);
    aml_op(aml, AML_NULL_TARGET);
    add_return_integer(aml, STA_LINK_DISABLED);
    aml_close(aml);
    add_return_integer(aml, STA_LINK_ENABLED);
    aml_close(aml);
}

static void add_link_disable(struct aml *aml, const char *pirq)
{
    aml_method(aml, "_DIS", 0, false);
    aml_op(aml, AML_OR);
    aml_reference(aml, pirq);
    aml_integer(aml, PIRQ_DISABLED);
    aml_reference(aml, pirq);
    aml_close(aml);
}

/* A template with no interrupt in it, into which the register's goes unless the link is disabled. */
static void add_link_current(struct aml *aml, const char *pirq)
{
    uint32_t none = 0;

    aml_method(aml, "_CRS", 0, true);
    aml_name(aml, "PRR0");
    aml_resources(aml);
    aml_resource_interrupts(aml, &none, 1);
    aml_resources_end(aml);
    aml_op(aml, AML_CREATE_DWORD_FIELD);
    aml_reference(aml, "PRR0");
    aml_integer(aml, INTERRUPT_FIELD);
    aml_reference(aml, "PRRI");
    aml_op(aml, AML_STORE);
    aml_op(aml, AML_AND);
    aml_reference(aml, pirq);
    aml_integer(aml, 0x0f);
    aml_op(aml, AML_NULL_TARGET);
    aml_reference(aml, "PRRI");
    aml_op(aml, AML_RETURN);
    aml_reference(aml, "PRR0");
    aml_close(aml);
}

static void add_link_set(struct aml *aml, const char *pirq)
{
    aml_method(aml, "_SRS", 1, true);
    aml_op(aml, AML_CREATE_DWORD_FIELD);
    aml_arg(aml, 0);
    aml_integer(aml, INTERRUPT_FIELD);
    aml_reference(aml, "PRRI");
    aml_op(aml, AML_STORE);
    aml_reference(aml, "PRRI");
    aml_reference(aml, pirq);
    aml_close(aml);
}

static void add_link(struct aml *aml, unsigned n)
{
    g_autofree char *pirq = g_strdup_printf("\\_SB.PCI0.ISA.%s", pirq_names[n]);

    aml_device(aml, link_names[n]);
    aml_name(aml, "_HID");
    aml_eisa_id(aml, "PNP0C0F");
    aml_name(aml, "_UID");
    aml_integer(aml, n);
    aml_name(aml, "_PRS");
    aml_resources(aml);
    aml_resource_interrupts(aml, link_irqs, G_N_ELEMENTS(link_irqs));
    aml_resources_end(aml);
    add_link_status(aml, pirq);
    add_link_disable(aml, pirq);
    add_link_current(aml, pirq);
    add_link_set(aml, pirq);
    aml_close(aml);
}

static void add_processors(struct aml *aml, const struct acpi_board *board)
{
    for (unsigned i = 0; i < board->cpu_count; i++) {
        g_autofree char *name = g_strdup_printf("C%03X", i);
        aml_device(aml, name);
        aml_name(aml, "_HID");
        aml_string(aml, "ACPI0007");
        aml_name(aml, "_UID");
        aml_integer(aml, i);
        add_device_status(aml);
        aml_close(aml);
    }
}

static void add_soft_off(struct aml *aml)
{
    aml_name(aml, "\\_S5");
    aml_package(aml, 4);
    for (unsigned i = 0; i < 4; i++) {
        aml_integer(aml, 0); /* SLP_TYP of the PIIX4's soft off */
    }
    aml_close(aml);
}

GByteArray *acpi_dsdt_build(const struct acpi_board *board)
{
    struct aml aml;

    aml_init(&aml);
    add_soft_off(&aml);
    aml_scope(&aml, "\\_SB");
    add_host_bridge(&aml, board);
    for (unsigned n = 0; n < 4; n++) {
        add_link(&aml, n);
    }
    add_processors(&aml, board);
    aml_close(&aml);
    if (board->hotplug_slots) {
        acpi_dsdt_add_hotplug_event(&aml);
    }
    return aml_finish(&aml);
}
