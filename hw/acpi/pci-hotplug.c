/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hot plug of PCI devices as QEMU's PIIX4 has it (docs/specs/acpi_pci_hotplug of the QEMU project): six registers
 * of 32 bits at 0xae00, and general-purpose event 1. The guest's side is in the DSDT: _E01 reads UP and DOWN and
 * notifies the slots' devices; a slot's _EJ0 writes its bit to EJECT, and then the device is gone, whether or not
 * anybody asked for that.
 *
 * There is one bus, number 0. Left out: bridges; acpi-index (no device has one). Registers are accessed whole.
 */
#include "hw/acpi/pci-hotplug.h"

#include <string.h>

#include "hw/core/reset.h"
#include "memory/memory.h"
#include "trace/hw_acpi.h"

#define SLOT_OF(_dev) (((const struct pci_device *)(_dev))->devfn >> 3)

uint32_t pci_hotplug_slots(const struct pci_bus *bus)
{
    uint32_t slots = UINT32_MAX;

    for (int devfn = 0; devfn < 256; devfn++) {
        if (bus->devices[devfn] && !bus->devices[devfn]->device.type->hotpluggable) {
            slots &= ~(1u << (devfn >> 3));
        }
    }
    return slots;
}

/* All functions of the lowest slot named; one that the board needs stays. Function 0 last: it stands for the slot. */
static void eject(struct acpi_pci_hotplug *hotplug, uint32_t slots)
{
    int slot = __builtin_ctz(slots);
    uint32_t bit = 1u << slot;
    bool allowed = pci_hotplug_slots(hotplug->bus) & bit;

    hotplug->status[0].up &= ~bit;
    hotplug->status[0].down &= ~bit;
    trace_acpi_pci_eject(slot, allowed);
    for (int fn = 7; fn >= 0; fn--) {
        struct pci_device *dev = hotplug->bus->devices[PCI_DEVFN(slot, fn)];
        if (dev && allowed) {
            device_unplug(&dev->device);
        }
    }
}

/* A reset ends what the guest was in the middle of: a device that it was to let go of is gone. */
static void hotplug_reset(void *opaque)
{
    struct acpi_pci_hotplug *hotplug = opaque;

    while (hotplug->status[0].down) {
        eject(hotplug, hotplug->status[0].down);
    }
    hotplug->select = hotplug->acpi_index = 0;
    memset(hotplug->status, 0, sizeof(hotplug->status));
}

/* --- Registers --- */

static uint32_t read_up(struct acpi_pci_hotplug *hotplug, unsigned bus)
{
    uint32_t up = hotplug->status[bus].up;

    hotplug->status[bus].up = 0;
    return up;
}

static uint32_t read_down(struct acpi_pci_hotplug *hotplug, unsigned bus)
{
    return hotplug->status[bus].down;
}

static uint32_t read_enabled(struct acpi_pci_hotplug *hotplug, unsigned bus)
{
    return bus ? UINT32_MAX : pci_hotplug_slots(hotplug->bus);
}

static uint32_t read_select(struct acpi_pci_hotplug *hotplug, unsigned bus)
{
    return bus;
}

static uint32_t read_index(struct acpi_pci_hotplug *hotplug, unsigned bus)
{
    uint32_t index = hotplug->acpi_index;

    hotplug->acpi_index = 0;
    return index;
}

static void write_eject(struct acpi_pci_hotplug *hotplug, uint32_t value)
{
    if (hotplug->select == 0 && value) {
        eject(hotplug, value);
    }
}

static void write_select(struct acpi_pci_hotplug *hotplug, uint32_t value)
{
    hotplug->select = value;
}

static void write_index(struct acpi_pci_hotplug *hotplug, uint32_t value)
{
    hotplug->acpi_index = 0;
}

static const struct {
    uint32_t (*read)(struct acpi_pci_hotplug *hotplug, unsigned bus);
    void (*write)(struct acpi_pci_hotplug *hotplug, uint32_t value);
} registers[ACPI_PCI_HOTPLUG_PORTS / 4] = {
    [ACPI_PCI_HOTPLUG_UP / 4] = { .read = read_up },
    [ACPI_PCI_HOTPLUG_DOWN / 4] = { .read = read_down },
    [ACPI_PCI_HOTPLUG_EJECT / 4] = { .write = write_eject },
    [ACPI_PCI_HOTPLUG_ENABLED / 4] = { .read = read_enabled },
    [ACPI_PCI_HOTPLUG_SELECT / 4] = { read_select, write_select },
    [ACPI_PCI_HOTPLUG_INDEX / 4] = { read_index, write_index },
};

static uint64_t hotplug_read(void *opaque, hwaddr offset, unsigned size)
{
    struct acpi_pci_hotplug *hotplug = opaque;
    bool known = size == 4 && registers[offset / 4].read && hotplug->select < ACPI_PCI_HOTPLUG_BUSES;
    uint32_t value = known ? registers[offset / 4].read(hotplug, hotplug->select) : 0;

    trace_acpi_pci_hotplug_access("read", offset, value);
    return value;
}

static void hotplug_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    trace_acpi_pci_hotplug_access("write", offset, value);
    if (size == 4 && registers[offset / 4].write) {
        registers[offset / 4].write(opaque, value);
    }
}

static const struct memory_region_ops port_ops = { .read = hotplug_read, .write = hotplug_write };

/* --- The bus's side --- */

/* Functions are announced as they come; Linux finds those of a slot when function 0 has come. */
static void slot_plugged(void *opaque, struct device *dev)
{
    struct acpi_pci_hotplug *hotplug = opaque;

    hotplug->status[0].up |= 1u << SLOT_OF(dev);
    hotplug->notify(hotplug->opaque);
}

static void slot_request_unplug(void *opaque, struct device *dev)
{
    struct acpi_pci_hotplug *hotplug = opaque;

    hotplug->status[0].down |= 1u << SLOT_OF(dev);
    hotplug->notify(hotplug->opaque);
}

static const struct hotplug_ops hotplug_ops = { .plugged = slot_plugged, .request_unplug = slot_request_unplug };

void acpi_pci_hotplug_init(struct acpi_pci_hotplug *hotplug, struct pci_bus *bus, void (*notify)(void *opaque),
                           void *opaque)
{
    hotplug->bus = bus;
    hotplug->notify = notify;
    hotplug->opaque = opaque;
    bus->bus.hotplug = &hotplug_ops;
    bus->bus.hotplug_opaque = hotplug;
    memory_region_init_io(&hotplug->ports, &port_ops, hotplug, "acpi-pci-hotplug", ACPI_PCI_HOTPLUG_PORTS);
    memory_region_add(&system_io, ACPI_PCI_HOTPLUG_PORT, &hotplug->ports, 0);
    reset_register(hotplug_reset, hotplug);
}
