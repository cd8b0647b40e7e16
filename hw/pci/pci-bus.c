/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PCI bus: which function sits where, configuration accesses by address, bus reset, `info pci`. */
#include "hw/pci/pci.h"

#include <inttypes.h>
#include <string.h>

#include "migration/vmstate.h"
#include "trace/hw_pci.h"

static const struct property pci_device_properties[] = {
    PROPERTY(PCI_DEVFN, "addr", struct pci_device, devfn_property, (uint64_t)-1,
             "Slot and optional function number, example: 06.0 or 06"),
    PROPERTY(BOOL, "multifunction", struct pci_device, multifunction, false,
             "Whether the slot may hold functions other than 0"),
    PROPERTY(STRING, "romfile", struct pci_device, romfile, 0, "File whose content the ROM BAR shows; none: no ROM"),
    PROPERTY(UINT32, "rombar", struct pci_device, rombar, 1, "0 for no ROM BAR"),
    PROPERTY(UINT32, "romsize", struct pci_device, romsize, UINT32_MAX, "Size of the ROM; 4294967295: romfile's"),
    PROPERTY_END,
};

static int first_free_slot(const struct pci_bus *bus)
{
    for (int slot = 0; slot < PCI_SLOTS; slot++) {
        bool used = false;

        for (int fn = 0; fn < 8; fn++) {
            used |= bus->devices[PCI_DEVFN(slot, fn)] != NULL;
        }
        if (!used) {
            return slot;
        }
    }
    return -1;
}

/* Function 0 must say that there are more, or guests never look for them; so when plugged it comes last. */
static bool check_functions(const struct pci_bus *bus, const struct pci_device *dev, int devfn, bool multifunction,
                            GError **error)
{
    int slot = devfn >> 3;
    const struct pci_device *first = bus->devices[PCI_DEVFN(slot, 0)];

    if ((devfn & 7) && dev->device.hotplugged && first) {
        return error_setf(error, "PCI: slot %d function 0 already occupied by %s, new func %s cannot be exposed to "
                          "guest: add function 0 last", slot, first->device.type->name, dev->device.type->name);
    }
    if (devfn & 7) {
        if (dev->device.hotplugged ? !multifunction : !first || !first->multifunction) {
            return error_setf(error,
                              "PCI: function %02x.%x of %s needs a function 0 with multifunction=on in its slot",
                              slot, devfn & 7, dev->device.type->name);
        }
        return true;
    }
    for (int fn = 1; fn < 8 && !multifunction; fn++) {
        if (bus->devices[PCI_DEVFN(slot, fn)]) {
            return error_setf(error, "PCI: %02x.0 holds a single-function %s, but %02x.%x is in use by %s", slot,
                              dev->device.type->name, slot, fn, bus->devices[PCI_DEVFN(slot, fn)]->device.type->name);
        }
    }
    return true;
}

static bool pci_bus_plug(struct bus *base, struct device *device, GError **error)
{
    struct pci_bus *bus = (struct pci_bus *)base;
    struct pci_device *dev = (struct pci_device *)device;
    const struct pci_device_ops *ops = device->type->ops;
    int devfn = dev->devfn_property;

    if (devfn < 0) {
        int slot = first_free_slot(bus);

        if (slot < 0) {
            return error_setf(error, "PCI: no slot is left for %s, all %d of %s are in use", device->type->name,
                              PCI_SLOTS, base->name);
        }
        devfn = PCI_DEVFN(slot, 0);
    }
    if (devfn > 0xff) {
        return error_setf(error, "PCI: address 0x%x of %s is not one of slot 0 to 1f, function 0 to 7", devfn,
                          device->type->name);
    }
    if (bus->devices[devfn]) {
        const struct device *other = &bus->devices[devfn]->device;

        return error_setf(error, "PCI: slot %d function %d not available for %s, in use by %s,id=%s", devfn >> 3,
                          devfn & 7, device->type->name, other->type->name, other->id ? other->id : "");
    }
    if (!check_functions(bus, dev, devfn, dev->multifunction || ops->multifunction, error)) {
        return false;
    }
    dev->bus = bus;
    dev->devfn = dev->devfn_property = devfn; /* qom-get tells where it went */
    bus->devices[devfn] = dev;
    return true;
}

static void pci_bus_unplug(struct bus *base, struct device *device)
{
    struct pci_bus *bus = (struct pci_bus *)base;
    struct pci_device *dev = (struct pci_device *)device;

    if (bus->devices[dev->devfn] == dev) {
        bus->devices[dev->devfn] = NULL;
    }
    dev->bus = NULL;
}

static char *pci_device_path(struct device *device)
{
    struct pci_device *dev = (struct pci_device *)device;

    return g_strdup_printf("0000:00:%02x.%x", dev->devfn >> 3, dev->devfn & 7);
}

static void pci_bus_reset(struct bus *base)
{
    struct pci_bus *bus = (struct pci_bus *)base;

    for (int devfn = 0; devfn < 256; devfn++) {
        if (bus->devices[devfn]) {
            pci_device_reset(bus->devices[devfn]);
        }
    }
    if (bus->configure) {
        bus->configure(bus, bus->configure_opaque);
    }
}

static void pci_device_describe(struct device *device, GString *text)
{
    struct pci_device *dev = (struct pci_device *)device;
    const uint8_t *c = dev->config;

    g_string_append_printf(text, "class %04x, addr 00:%02x.%x, pci id %04x:%04x (sub %04x:%04x)",
                           pci_word(c + PCI_CLASS_DEVICE), dev->devfn >> 3, dev->devfn & 7, pci_word(c),
                           pci_word(c + PCI_DEVICE_ID), pci_word(c + PCI_SUBSYSTEM_VENDOR_ID),
                           pci_word(c + PCI_SUBSYSTEM_ID));
}

const struct bus_type pci_bus_type = {
    .name = "PCI",
    .device_type = "pci-device",
    .device_properties = pci_device_properties,
    .plug = pci_bus_plug,
    .unplug = pci_bus_unplug,
    .device_path = pci_device_path,
    .reset = pci_bus_reset,
    .describe = pci_device_describe,
};

void pci_bus_init(struct pci_bus *bus, struct device *parent, const char *name, struct memory_region *mem,
                  struct memory_region *io)
{
    bus_init(&bus->bus, &pci_bus_type, parent, name);
    bus->mem = mem;
    bus->io = io;
    bus->nirq = G_N_ELEMENTS(bus->irq_count);
}

void pci_bus_set_irq(struct pci_bus *bus, int (*map_irq)(struct pci_device *, int),
                     void (*set_irq)(void *, int, bool), void *opaque)
{
    bus->map_irq = map_irq;
    bus->set_irq = set_irq;
    bus->irq_opaque = opaque;
}

/* ---- vmstate "PCIBUS" ---- */

/* A stream's count is a guest's state, not ours to trust: more assertions than there are functions cannot be. */
static bool pci_bus_post_load(void *opaque, int version, GError **error)
{
    struct pci_bus *bus = opaque;

    for (unsigned line = 0; line < G_N_ELEMENTS(bus->irq_count); line++) {
        if (bus->irq_count[line] < 0 || bus->irq_count[line] > 256 * 4) {
            int32_t bad = bus->irq_count[line];

            bus->irq_count[line] = 0;
            return error_setf(error, "irq_count[%u] is %d, expected 0 to %d", line, bad, 256 * 4);
        }
    }
    return true;
}

const struct vmstate_description vmstate_pci_bus = {
    .name = "PCIBUS",
    .version = 1,
    .minimum_version = 1,
    .post_load = pci_bus_post_load,
    .fields = (const struct vmstate_field[]){
        VMSTATE_INT32_EQUAL(nirq, struct pci_bus),
        VMSTATE_INT32_ARRAY(irq_count, struct pci_bus, 4),
        VMSTATE_END,
    },
};

/* ---- Configuration accesses ---- */

static struct pci_device *device_at(const struct pci_bus *bus, uint32_t address)
{
    return address >> 16 & 0xff ? NULL : bus->devices[address >> 8 & 0xff]; /* there is no bus but 0 */
}

static uint32_t size_mask(unsigned size)
{
    return size >= 4 ? UINT32_MAX : (1u << 8 * size) - 1;
}

uint32_t pci_config_read(struct pci_bus *bus, uint32_t address, unsigned size)
{
    struct pci_device *dev = device_at(bus, address);
    const struct pci_device_ops *ops;
    uint32_t value;

    if (!dev) {
        return size_mask(size);
    }
    ops = dev->device.type->ops;
    value = (ops->config_read ? ops->config_read : pci_default_config_read)(dev, address & 0xff, size);
    trace_pci_config_access(dev->device.type->name, "read", address & 0xff, value, size);
    return value & size_mask(size);
}

void pci_config_write(struct pci_bus *bus, uint32_t address, uint32_t value, unsigned size)
{
    struct pci_device *dev = device_at(bus, address);
    const struct pci_device_ops *ops;

    if (!dev) {
        return;
    }
    ops = dev->device.type->ops;
    trace_pci_config_access(dev->device.type->name, "write", address & 0xff, value, size);
    (ops->config_write ? ops->config_write : pci_default_config_write)(dev, address & 0xff, value & size_mask(size),
                                                                       size);
}

/* ---- info pci ---- */

static const char *class_name(uint16_t class_id)
{
    switch (class_id) {
    case 0x0100: return "SCSI controller";
    case 0x0101: return "IDE controller";
    case 0x0200: return "Ethernet controller";
    case 0x0300: return "VGA controller";
    case 0x0600: return "Host bridge";
    case 0x0601: return "ISA bridge";
    case 0x0680: return "Bridge";
    default: return NULL;
    }
}

static void describe_bar(const struct pci_device *dev, int n, GString *text)
{
    const struct pci_bar *bar = &dev->bars[n];
    uint64_t address = pci_bar_address(dev, n);
    GString *where = g_string_new(NULL);

    if (!bar->region) {
        g_string_free(where, true);
        return;
    }
    if (address == UINT64_MAX) {
        g_string_append(where, "not mapped");
    } else if (bar->type & PCI_BASE_ADDRESS_SPACE_IO) {
        g_string_append_printf(where, "0x%04" PRIx64 " [0x%04" PRIx64 "]", address, address + bar->size - 1);
    } else {
        g_string_append_printf(where, "0x%08" PRIx64 " [0x%08" PRIx64 "]", address, address + bar->size - 1);
    }
    g_string_append_printf(text, "      BAR%d: %s at %s.\n", n,
                           bar->type & PCI_BASE_ADDRESS_SPACE_IO         ? "I/O"
                           : !(bar->type & PCI_BASE_ADDRESS_MEM_TYPE_64) ? "32 bit memory"
                           : bar->type & PCI_BASE_ADDRESS_MEM_PREFETCH   ? "64 bit prefetchable memory"
                                                                         : "64 bit memory",
                           where->str);
    g_string_free(where, true);
}

static void describe_device(const struct pci_device *dev, GString *text)
{
    const uint8_t *c = dev->config;
    uint16_t class_id = pci_word(c + PCI_CLASS_DEVICE);

    g_string_append_printf(text, "  Bus  0, device %3d, function %d:\n    ", dev->devfn >> 3, dev->devfn & 7);
    if (class_name(class_id)) {
        g_string_append(text, class_name(class_id));
    } else {
        g_string_append_printf(text, "Class %04d", class_id); /* decimal, as its users have always seen it */
    }
    g_string_append_printf(text, ": PCI device %04x:%04x\n      PCI subsystem %04x:%04x\n", pci_word(c),
                           pci_word(c + PCI_DEVICE_ID), pci_word(c + PCI_SUBSYSTEM_VENDOR_ID),
                           pci_word(c + PCI_SUBSYSTEM_ID));
    if (c[PCI_INTERRUPT_PIN]) {
        g_string_append_printf(text, "      IRQ %d, pin %c\n", c[PCI_INTERRUPT_LINE], 'A' + c[PCI_INTERRUPT_PIN] - 1);
    }
    for (int n = 0; n < PCI_BARS; n++) {
        describe_bar(dev, n, text);
    }
    g_string_append_printf(text, "      id \"%s\"\n", dev->device.id ? dev->device.id : "");
}

char *pci_describe(struct pci_bus *bus)
{
    GString *text = g_string_new(NULL);

    for (int devfn = 0; devfn < 256; devfn++) {
        if (bus->devices[devfn]) {
            describe_device(bus->devices[devfn], text);
        }
    }
    return g_string_free(text, false);
}
