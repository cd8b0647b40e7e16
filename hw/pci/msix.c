/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSI-X (PCI 3.0, 6.8.2): a table of message address, data and mask per vector, and a bit per pending vector.
 *
 * A vector that is masked (by itself, or all by the function mask) sets its pending bit; unmasking delivers it. A
 * message is a memory write by the device: without bus mastering there is none.
 */
#include "hw/pci/pci.h"

#include <inttypes.h>
#include <string.h>

#include "migration/stream.h"
#include "trace/hw_pci.h"

#define ENTRY_ADDRESS_LOW  0
#define ENTRY_ADDRESS_HIGH 4
#define ENTRY_DATA         8
#define ENTRY_CONTROL      12
#define ENTRY_SIZE         16
#define ENTRY_CONTROL_MASK 1u
/* Where a write is an interrupt message (SDM 3A, 11.11.1). */
#define APIC_WINDOW        0xfee00000ull
#define APIC_WINDOW_SIZE   0x100000ull

struct msix_state {
    struct pci_device *dev;
    uint8_t capability;  /* its offset */
    unsigned vectors;
    uint8_t *table;      /* vectors * ENTRY_SIZE bytes, little-endian as the guest sees them */
    uint8_t *pending;    /* whole 64-bit words; a bit per vector */
    size_t pending_size;
    bool function_masked; /* what the control register said last: edges unmask */
    struct memory_region *bar_region, table_region, pending_region;
};

void (*msi_deliver)(uint64_t address, uint32_t data);

static uint8_t *entry(const struct msix_state *msix, unsigned vector)
{
    return msix->table + vector * ENTRY_SIZE;
}

static uint16_t control(const struct msix_state *msix)
{
    return pci_word(msix->dev->config + msix->capability + PCI_MSIX_FLAGS);
}

static bool function_masked(const struct msix_state *msix)
{
    return (control(msix) & (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL)) != PCI_MSIX_FLAGS_ENABLE;
}

static bool vector_masked(const struct msix_state *msix, unsigned vector)
{
    return msix->function_masked || (pci_long(entry(msix, vector) + ENTRY_CONTROL) & ENTRY_CONTROL_MASK);
}

static void deliver(struct msix_state *msix, unsigned vector)
{
    const uint8_t *e = entry(msix, vector);
    uint64_t address = pci_long(e + ENTRY_ADDRESS_LOW) | (uint64_t)pci_long(e + ENTRY_ADDRESS_HIGH) << 32;

    if (!pci_bus_master_enabled(msix->dev)) {
        trace_msix_notify(msix->dev->device.type->name, vector, "dropped: no bus mastering");
        return;
    }
    trace_msix_notify(msix->dev->device.type->name, vector, "delivered");
    if (address >= APIC_WINDOW && address - APIC_WINDOW < APIC_WINDOW_SIZE) {
        if (msi_deliver) {
            msi_deliver(address, pci_long(e + ENTRY_DATA));
        }
    } else {
        /* what it is: a write like any other */
        address_space_write(&address_space_memory, address, e + ENTRY_DATA, 4);
    }
}

/* A mask may have gone: what waited behind it is delivered. */
static void deliver_pending(struct msix_state *msix, unsigned vector)
{
    uint8_t bit = 1u << (vector & 7);

    if ((msix->pending[vector / 8] & bit) && !vector_masked(msix, vector)) {
        msix->pending[vector / 8] &= ~bit;
        deliver(msix, vector);
    }
}

bool msix_message(const struct pci_device *dev, unsigned vector, uint64_t *address, uint32_t *data)
{
    const struct msix_state *msix = dev->msix;
    const uint8_t *e;

    if (!msix || vector >= msix->vectors || vector_masked(msix, vector) || !pci_bus_master_enabled(dev)) {
        return false;
    }
    e = entry(msix, vector);
    *address = pci_long(e + ENTRY_ADDRESS_LOW) | (uint64_t)pci_long(e + ENTRY_ADDRESS_HIGH) << 32;
    *data = pci_long(e + ENTRY_DATA);
    return *address >= APIC_WINDOW && *address - APIC_WINDOW < APIC_WINDOW_SIZE;
}

/* A vector's message, or whether it is sent at all. */
static void vectors_changed(struct msix_state *msix)
{
    if (msix->dev->msix_changed) {
        msix->dev->msix_changed(msix->dev);
    }
}

bool msix_enabled(const struct pci_device *dev)
{
    return dev->msix && (control(dev->msix) & PCI_MSIX_FLAGS_ENABLE);
}

void msix_notify(struct pci_device *dev, unsigned vector)
{
    struct msix_state *msix = dev->msix;

    if (!msix || vector >= msix->vectors || !msix_enabled(dev)) {
        return;
    }
    if (vector_masked(msix, vector)) {
        msix->pending[vector / 8] |= 1u << (vector & 7);
        trace_msix_notify(dev->device.type->name, vector, "pending");
        return;
    }
    deliver(msix, vector);
}

void msix_config_written(struct pci_device *dev)
{
    struct msix_state *msix = dev->msix;
    bool masked = function_masked(msix);

    if (masked == msix->function_masked) {
        vectors_changed(msix); /* it may have been bus mastering */
        return;
    }
    msix->function_masked = masked;
    vectors_changed(msix);
    for (unsigned vector = 0; !masked && vector < msix->vectors; vector++) {
        deliver_pending(msix, vector);
    }
}

/* ---- The two tables in the BAR ---- */

static uint64_t bytes_read(const uint8_t *bytes, size_t length, hwaddr offset, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size && offset + i < length; i++) {
        value |= (uint64_t)bytes[offset + i] << 8 * i;
    }
    return value;
}

static uint64_t table_read(void *opaque, hwaddr offset, unsigned size)
{
    struct msix_state *msix = opaque;

    return bytes_read(msix->table, msix->vectors * ENTRY_SIZE, offset, size);
}

static void table_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct msix_state *msix = opaque;

    for (unsigned i = 0; i < size && offset + i < msix->vectors * ENTRY_SIZE; i++) {
        msix->table[offset + i] = value >> 8 * i;
    }
    vectors_changed(msix);
    if (offset / ENTRY_SIZE < msix->vectors) {
        deliver_pending(msix, offset / ENTRY_SIZE);
    }
}

static uint64_t pending_read(void *opaque, hwaddr offset, unsigned size)
{
    struct msix_state *msix = opaque;

    return bytes_read(msix->pending, msix->pending_size, offset, size);
}

static void pending_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    guest_error("%s: write to the read-only MSI-X pending bits at 0x%" PRIx64,
                ((struct msix_state *)opaque)->dev->device.type->name, offset);
}

/* 4 and 8-byte accesses are what the specification wants; narrower ones do what memory would. */
static const struct memory_region_ops table_ops = { .read = table_read, .write = table_write, .max_access = 8 };
static const struct memory_region_ops pending_ops = { .read = pending_read, .write = pending_write, .max_access = 8 };

/* ---- Life ---- */

bool msix_init(struct pci_device *dev, unsigned vectors, int bar, uint32_t table_offset, uint32_t pba_offset,
               struct memory_region *bar_region, GError **error)
{
    size_t table_size = vectors * ENTRY_SIZE, pending_size = (vectors + 63) / 64 * 8;
    struct msix_state *msix;
    uint8_t *capability;

    if (vectors < 1 || vectors > PCI_MSIX_FLAGS_QSIZE + 1) {
        return error_setf(error, "%s: %u MSI-X vectors are not between 1 and %d", dev->device.type->name, vectors,
                          PCI_MSIX_FLAGS_QSIZE + 1);
    }
    g_assert(!dev->msix && table_offset % 8 == 0 && pba_offset % 8 == 0);
    g_assert(table_offset + table_size <= pba_offset && pba_offset + pending_size <= bar_region->size);

    msix = g_new0(struct msix_state, 1);
    *msix = (struct msix_state){ .dev = dev, .vectors = vectors, .bar_region = bar_region };
    msix->table = g_malloc0(table_size);
    msix->pending_size = pending_size;
    msix->pending = g_malloc0(pending_size);
    msix->capability = pci_add_capability(dev, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);
    capability = dev->config + msix->capability;
    pci_put_word(capability + PCI_MSIX_FLAGS, vectors - 1);
    pci_put_long(capability + PCI_MSIX_TABLE, table_offset | bar);
    pci_put_long(capability + PCI_MSIX_PBA, pba_offset | bar);
    pci_put_word(dev->wmask + msix->capability + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    memory_region_init_io(&msix->table_region, &table_ops, msix, "msix-table", table_size);
    memory_region_init_io(&msix->pending_region, &pending_ops, msix, "msix-pba", pending_size);
    memory_region_add(bar_region, table_offset, &msix->table_region, 0);
    memory_region_add(bar_region, pba_offset, &msix->pending_region, 0);
    dev->msix = msix;
    msix_reset(dev);
    return true;
}

void msix_cleanup(struct pci_device *dev)
{
    struct msix_state *msix = dev->msix;

    if (!msix) {
        return;
    }
    memory_region_remove(&msix->table_region);
    memory_region_remove(&msix->pending_region);
    memory_region_cleanup(&msix->table_region);
    memory_region_cleanup(&msix->pending_region);
    g_free(msix->table);
    g_free(msix->pending);
    g_free(msix);
    dev->msix = NULL;
}

void msix_reset(struct pci_device *dev)
{
    struct msix_state *msix = dev->msix;
    uint8_t *flags = dev->config + msix->capability + PCI_MSIX_FLAGS;

    pci_put_word(flags, pci_word(flags) & ~(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL));
    memset(msix->table, 0, msix->vectors * ENTRY_SIZE);
    memset(msix->pending, 0, msix->pending_size);
    for (unsigned vector = 0; vector < msix->vectors; vector++) {
        pci_put_long(entry(msix, vector) + ENTRY_CONTROL, ENTRY_CONTROL_MASK);
    }
    msix->function_masked = true;
    vectors_changed(msix);
}

/* ---- State: the table, then one pending bit per vector, rounded up to bytes ---- */

void msix_save(struct pci_device *dev, struct stream *s)
{
    const struct msix_state *msix = dev->msix;

    if (msix) {
        stream_put_buffer(s, msix->table, msix->vectors * ENTRY_SIZE);
        stream_put_buffer(s, msix->pending, (msix->vectors + 7) / 8);
    }
}

bool msix_load(struct pci_device *dev, struct stream *s, GError **error)
{
    struct msix_state *msix = dev->msix;

    if (!msix) {
        return true;
    }
    stream_get_buffer(s, msix->table, msix->vectors * ENTRY_SIZE);
    memset(msix->pending, 0, msix->pending_size);
    stream_get_buffer(s, msix->pending, (msix->vectors + 7) / 8);
    if (stream_error(s)) {
        return error_setf(error, "MSI-X table: %s", stream_error(s)->message);
    }
    msix->function_masked = function_masked(msix);
    return true;
}
