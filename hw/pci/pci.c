/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI functions: configuration space, BARs, INTx (PCI Local Bus 3.0, chapter 6).
 *
 * Modelled: the type 0 header with per-bit write masks, BARs (I/O, 32 and 64-bit memory) that map and unmap their
 * regions, expansion ROMs (pci-rom.c), INTx with the disable and status bits, the capability list. Left out: bridges,
 * power management, PCI Express. Guests may program anything: BARs over one another or over RAM are resolved by
 * region priorities, never refused.
 */
#include "hw/pci/pci.h"

#include <string.h>

#include "migration/stream.h"
#include "migration/vmstate.h"
#include "trace/hw_pci.h"

#define PCI_VMSTATE_VERSION 2
#define PCI_STANDARD_HEADER 64

/* ---- BARs ---- */

static bool bar_is_io(const struct pci_bar *bar)
{
    return bar->type & PCI_BASE_ADDRESS_SPACE_IO;
}

static bool bar_is_64(const struct pci_bar *bar)
{
    return !bar_is_io(bar) && (bar->type & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
}

static unsigned bar_offset(int n)
{
    return n == PCI_ROM_BAR ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * n;
}

/*
 * Where the registers put the BAR; UINT64_MAX: nowhere. Address 0 and ranges that end at or past the top of the
 * space (all ones: a guest that sizes the BAR) do not decode.
 */
static uint64_t bar_decoded_address(const struct pci_device *dev, int n)
{
    const struct pci_bar *bar = &dev->bars[n];
    uint16_t command = pci_word(dev->config + PCI_COMMAND);
    uint64_t address = pci_long(dev->config + bar_offset(n)), last, limit;

    if (!(command & (bar_is_io(bar) ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY))) {
        return UINT64_MAX;
    }
    if (n == PCI_ROM_BAR && !(address & PCI_ROM_ADDRESS_ENABLE)) {
        return UINT64_MAX;
    }
    if (bar_is_64(bar)) {
        address |= (uint64_t)pci_long(dev->config + bar_offset(n + 1)) << 32;
    }
    address &= ~(bar->size - 1);
    last = address + bar->size - 1;
    limit = bar_is_io(bar) ? UINT16_MAX : bar_is_64(bar) ? UINT64_MAX - 1 : UINT32_MAX - 1;
    return address == 0 || last < address || last > limit ? UINT64_MAX : address;
}

void pci_update_mappings(struct pci_device *dev)
{
    memory_transaction_begin();
    for (int n = 0; n < PCI_BARS; n++) {
        struct pci_bar *bar = &dev->bars[n];
        uint64_t address;

        if (!bar->region) {
            continue;
        }
        address = bar_decoded_address(dev, n);
        if (bar->mapped && address == bar->address) {
            continue;
        }
        if (bar->mapped) {
            memory_region_remove(bar->region);
            bar->mapped = false;
        }
        if (address != UINT64_MAX) {
            /* Each BAR has a priority of its own, so that overlapping ones have an order and are no error. */
            memory_region_add(bar_is_io(bar) ? dev->bus->io : dev->bus->mem, address, bar->region,
                              1 + dev->devfn * PCI_BARS + n);
            bar->mapped = true;
            bar->address = address;
            trace_pci_map_bar(dev->device.type->name, n, address, bar->size);
        }
    }
    memory_transaction_commit();
}

void pci_register_bar(struct pci_device *dev, int n, uint8_t type, struct memory_region *region)
{
    struct pci_bar *bar = &dev->bars[n];
    uint8_t *config = dev->config + bar_offset(n), *wmask = dev->wmask + bar_offset(n);

    g_assert(n >= 0 && n < PCI_BARS && !bar->region);
    g_assert(region->size && (region->size & (region->size - 1)) == 0);
    *bar = (struct pci_bar){ .region = region, .type = type, .size = region->size };
    pci_put_long(config, type);
    memset(dev->cmask + bar_offset(n), 0xff, bar_is_64(bar) ? 8 : 4);
    pci_put_long(wmask, ~(bar->size - 1) | (n == PCI_ROM_BAR ? PCI_ROM_ADDRESS_ENABLE : 0));
    if (bar_is_64(bar)) {
        g_assert(n + 1 < PCI_ROM_BAR);
        pci_put_long(config + 4, 0);
        pci_put_long(wmask + 4, ~(bar->size - 1) >> 32);
    }
}

uint64_t pci_bar_address(const struct pci_device *dev, int n)
{
    return dev->bars[n].region && dev->bars[n].mapped ? dev->bars[n].address : UINT64_MAX;
}

bool pci_bus_master_enabled(const struct pci_device *dev)
{
    return pci_word(dev->config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

/* ---- INTx ---- */

static bool intx_disabled(const struct pci_device *dev)
{
    return pci_word(dev->config + PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;
}

/* Adds `change` to the count of the chipset line that the pin is routed to now. */
static void intx_change_line(struct pci_device *dev, int pin, int change)
{
    struct pci_bus *bus = dev->bus;
    int line;

    if (!bus->map_irq) {
        return;
    }
    line = bus->map_irq(dev, pin);
    if (line < 0 || line >= (int)G_N_ELEMENTS(bus->irq_count)) {
        return;
    }
    bus->irq_count[line] += change;
    bus->set_irq(bus->irq_opaque, line, bus->irq_count[line] != 0);
}

static void intx_update_status(struct pci_device *dev)
{
    if (dev->irq_state) {
        dev->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
    } else {
        dev->config[PCI_STATUS] &= ~PCI_STATUS_INTERRUPT;
    }
}

static void intx_set_level(struct pci_device *dev, int pin, bool level)
{
    if ((dev->irq_state >> pin & 1) == level) {
        return;
    }
    dev->irq_state ^= 1u << pin;
    intx_update_status(dev);
    if (!intx_disabled(dev)) {
        intx_change_line(dev, pin, level ? 1 : -1);
    }
}

void pci_set_irq(struct pci_device *dev, bool level)
{
    int pin = dev->config[PCI_INTERRUPT_PIN];

    if (pin >= 1 && pin <= 4) {
        intx_set_level(dev, pin - 1, level);
    }
}

static void intx_irq_handler(void *opaque, int n, bool level)
{
    pci_set_irq(opaque, level);
}

struct irq *pci_allocate_irq(struct pci_device *dev)
{
    struct irq *irq = g_new0(struct irq, 1);

    *irq = (struct irq){ .set = intx_irq_handler, .opaque = dev };
    return irq;
}

/* The disable bit was written: the line loses or regains what the device asserts. */
static void intx_update_disabled(struct pci_device *dev, bool was_disabled)
{
    bool disabled = intx_disabled(dev);

    if (disabled == was_disabled) {
        return;
    }
    for (int pin = 0; pin < 4; pin++) {
        if (dev->irq_state >> pin & 1) {
            intx_change_line(dev, pin, disabled ? -1 : 1);
        }
    }
}

/* ---- Configuration space ---- */

uint32_t pci_default_config_read(struct pci_device *dev, uint32_t address, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size && i < 4; i++) {
        uint32_t at = address + i;

        value |= (uint32_t)(at < PCI_CONFIG_SIZE ? dev->config[at] : 0xff) << 8 * i;
    }
    return value;
}

static bool ranges_overlap(uint32_t a, unsigned a_size, uint32_t b, unsigned b_size)
{
    return a < b + b_size && b < a + a_size;
}

void pci_default_config_write(struct pci_device *dev, uint32_t address, uint32_t value, unsigned size)
{
    bool was_disabled = intx_disabled(dev);

    for (unsigned i = 0; i < size && i < 4 && address + i < PCI_CONFIG_SIZE; i++) {
        uint8_t byte = value >> 8 * i, wmask = dev->wmask[address + i];
        uint8_t *at = &dev->config[address + i];

        *at = (*at & ~wmask) | (byte & wmask);
        *at &= ~(byte & dev->w1cmask[address + i]);
    }
    if (ranges_overlap(address, size, PCI_BASE_ADDRESS_0, 4 * PCI_ROM_BAR) ||
        ranges_overlap(address, size, PCI_ROM_ADDRESS, 4) ||
        ranges_overlap(address, size, PCI_COMMAND, 2)) {
        pci_update_mappings(dev);
    }
    if (ranges_overlap(address, size, PCI_COMMAND, 2)) {
        intx_update_disabled(dev, was_disabled);
    }
    if (dev->msix) {
        msix_config_written(dev);
    }
}

uint8_t pci_add_capability(struct pci_device *dev, uint8_t id, uint8_t size)
{
    uint8_t offset = dev->capability_end;

    g_assert(size >= 2 && offset + size <= PCI_CONFIG_SIZE);
    memset(dev->config + offset, 0, size);
    dev->config[offset] = id;
    dev->config[offset + 1] = dev->config[PCI_CAPABILITY_LIST];
    dev->config[PCI_CAPABILITY_LIST] = offset;
    dev->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
    memset(dev->wmask + offset, 0, size);
    memset(dev->cmask + offset, 0xff, size);
    dev->capability_end = (offset + size + 3) & ~3;
    return offset;
}

static void config_init(struct pci_device *dev, const struct pci_device_ops *ops)
{
    uint8_t *c = dev->config;

    pci_put_word(c + PCI_VENDOR_ID, ops->vendor_id);
    pci_put_word(c + PCI_DEVICE_ID, ops->device_id);
    c[PCI_REVISION_ID] = ops->revision;
    c[PCI_CLASS_PROG] = ops->prog_if;
    pci_put_word(c + PCI_CLASS_DEVICE, ops->class_id);
    pci_put_word(c + PCI_SUBSYSTEM_VENDOR_ID, ops->subsystem_vendor_id ? ops->subsystem_vendor_id : 0x1af4);
    pci_put_word(c + PCI_SUBSYSTEM_ID, ops->subsystem_id ? ops->subsystem_id : 0x1100);
    c[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_NORMAL | (dev->multifunction ? 0x80 : 0);

    dev->wmask[PCI_CACHE_LINE_SIZE] = 0xff;
    dev->wmask[PCI_INTERRUPT_LINE] = 0xff;
    pci_put_word(dev->wmask + PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
                                               PCI_COMMAND_INTX_DISABLE | PCI_COMMAND_SERR);
    pci_put_word(dev->w1cmask + PCI_STATUS, PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT |
                                                PCI_STATUS_REC_TARGET_ABORT | PCI_STATUS_REC_MASTER_ABORT |
                                                PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY);
    /* What lies behind the header is the device type's: writable unless it says otherwise. Capabilities are not. */
    memset(dev->wmask + PCI_STANDARD_HEADER, 0xff, PCI_CONFIG_SIZE - PCI_STANDARD_HEADER);

    memset(dev->cmask + PCI_VENDOR_ID, 0xff, 4);
    pci_put_word(dev->cmask + PCI_STATUS, PCI_STATUS_CAP_LIST);
    memset(dev->cmask + PCI_REVISION_ID, 0xff, 4);
    dev->cmask[PCI_HEADER_TYPE] = 0xff;
    dev->cmask[PCI_CAPABILITY_LIST] = 0xff;
}

/* ---- vmstate "PCIDevice" ---- */

/* The field's name is "int32 le" for history's sake; the wire is big-endian. A newer version is refused. */
static bool version_get(struct stream *s, void *element, size_t size, const struct vmstate_field *field,
                        GError **error)
{
    int32_t ours = *(int32_t *)element, loaded = stream_get_u32(s);

    if (loaded > ours || loaded < 0) {
        return error_setf(error, "PCI device state version %d is not one of 0 to %d", loaded, ours);
    }
    return true;
}

static void version_put(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)
{
    stream_put_u32(s, *(const int32_t *)element);
}

static bool config_get(struct stream *s, void *element, size_t size, const struct vmstate_field *field,
                       GError **error)
{
    struct pci_device *dev = (void *)((uint8_t *)element - offsetof(struct pci_device, config));
    uint8_t config[PCI_CONFIG_SIZE];

    stream_get_buffer(s, config, sizeof(config));
    if (stream_error(s)) {
        return error_setf(error, "%s", stream_error(s)->message);
    }
    for (int i = 0; i < PCI_CONFIG_SIZE; i++) {
        uint8_t fixed = dev->cmask[i] & ~dev->wmask[i] & ~dev->w1cmask[i];

        if ((config[i] ^ dev->config[i]) & fixed) {
            return error_setf(error,
                              "PCI configuration byte 0x%02x is 0x%02x, this device has 0x%02x (fixed bits 0x%02x)",
                              i, config[i], dev->config[i], fixed);
        }
    }
    memcpy(dev->config, config, sizeof(config));
    pci_update_mappings(dev);
    if (dev->msix) {
        msix_config_written(dev);
    }
    return true;
}

/* Without the interrupt's bit of the status: it follows from the pins' levels, and old loaders want it clear. */
static void config_put(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)
{
    uint8_t config[PCI_CONFIG_SIZE];

    memcpy(config, element, sizeof(config));
    config[PCI_STATUS] &= ~PCI_STATUS_INTERRUPT;
    stream_put_buffer(s, config, sizeof(config));
}

/*
 * The chipset's count of asserted lines is its own state ("PCIBUS"), so that loading these levels moves no line.
 */
static bool irq_state_get(struct stream *s, void *element, size_t size, const struct vmstate_field *field,
                          GError **error)
{
    uint32_t state = 0;

    for (int pin = 0; pin < 4; pin++) {
        uint32_t level = stream_get_u32(s);

        if (level > 1) {
            return error_setf(error, "PCI interrupt pin %c has level %u, expected 0 or 1", 'A' + pin, level);
        }
        state |= level << pin;
    }
    *(uint32_t *)element = state;
    intx_update_status((void *)((uint8_t *)element - offsetof(struct pci_device, irq_state)));
    return true;
}

static void irq_state_put(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)
{
    for (int pin = 0; pin < 4; pin++) {
        stream_put_u32(s, *(const uint32_t *)element >> pin & 1);
    }
}

static const struct vmstate_info version_info = { .name = "int32 le", .get = version_get, .put = version_put };
static const struct vmstate_info config_info = { .name = "pci config", .get = config_get, .put = config_put };
static const struct vmstate_info irq_state_info = {
    .name = "pci irq state", .get = irq_state_get, .put = irq_state_put
};

const struct vmstate_description vmstate_pci_device = {
    .name = "PCIDevice",
    .version = PCI_VMSTATE_VERSION,
    .minimum_version = 1,
    .fields = (const struct vmstate_field[]){
        { .name = "version_id", .offset = offsetof(struct pci_device, version_id), .size = 4, .info = &version_info },
        { .name = "config", .offset = offsetof(struct pci_device, config), .size = PCI_CONFIG_SIZE,
          .info = &config_info },
        { .name = "irq_state", .offset = offsetof(struct pci_device, irq_state), .size = 16,
          .info = &irq_state_info },
        VMSTATE_END,
    },
};

/* ---- Life ---- */

void pci_device_reset(struct pci_device *dev)
{
    uint8_t *config = dev->config;

    for (int pin = 0; pin < 4; pin++) {
        intx_set_level(dev, pin, false);
    }
    pci_put_word(config + PCI_COMMAND, pci_word(config + PCI_COMMAND) & ~pci_word(dev->wmask + PCI_COMMAND));
    pci_put_word(config + PCI_STATUS, pci_word(config + PCI_STATUS) & ~pci_word(dev->w1cmask + PCI_STATUS));
    config[PCI_CACHE_LINE_SIZE] = 0;
    config[PCI_INTERRUPT_LINE] = 0;
    for (int n = 0; n < PCI_BARS; n++) {
        if (dev->bars[n].region) {
            pci_put_long(config + bar_offset(n), dev->bars[n].type);
            if (bar_is_64(&dev->bars[n])) {
                pci_put_long(config + bar_offset(n + 1), 0);
            }
        }
    }
    pci_update_mappings(dev);
    if (dev->msix) {
        msix_reset(dev);
    }
}

bool pci_device_realize(struct device *device, GError **error)
{
    struct pci_device *dev = (struct pci_device *)device;
    const struct pci_device_ops *ops = device->type->ops;

    dev->version_id = PCI_VMSTATE_VERSION;
    dev->capability_end = PCI_STANDARD_HEADER;
    dev->multifunction |= ops->multifunction;
    config_init(dev, ops);
    dev->attached = !ops->realize || ops->realize(dev, error);
    if (!dev->attached || !pci_rom_add(dev, error)) {
        pci_device_unrealize(device);
        return false;
    }
    return true;
}

/* Also what undoes a realize that failed half way: a type's unrealize is called only after its realize succeeded. */
void pci_device_unrealize(struct device *device)
{
    struct pci_device *dev = (struct pci_device *)device;
    const struct pci_device_ops *ops = device->type->ops;

    memory_transaction_begin();
    for (int n = 0; n < PCI_BARS; n++) {
        if (dev->bars[n].region && dev->bars[n].mapped) {
            memory_region_remove(dev->bars[n].region);
            dev->bars[n].mapped = false;
        }
    }
    memory_transaction_commit();
    pci_rom_remove(dev);
    if (dev->attached && ops->unrealize) {
        ops->unrealize(dev);
    }
    dev->attached = false;
    for (int pin = 0; pin < 4; pin++) { /* as the device left them */
        intx_set_level(dev, pin, false);
    }
    msix_cleanup(dev);
    memset(dev->bars, 0, sizeof(dev->bars));
    memset(dev->config, 0, sizeof(dev->config));
    memset(dev->wmask, 0, sizeof(dev->wmask));
    memset(dev->w1cmask, 0, sizeof(dev->w1cmask));
    memset(dev->cmask, 0, sizeof(dev->cmask));
}
