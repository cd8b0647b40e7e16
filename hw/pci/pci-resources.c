/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What firmware does with a PCI bus, for boards that boot without one: addresses for the BARs, interrupt lines,
 * decoding on. The same addresses that SeaBIOS gives the same devices, so that guests find what they find elsewhere:
 * I/O upwards from 0xc000; memory as high as it fits, prefetchable apart from the rest; within each, the largest
 * first, then in the order of slots.
 */
#include "hw/pci/pci.h"

#include <inttypes.h>

#define IO_BASE 0xc000u

enum window { WINDOW_IO, WINDOW_MEMORY, WINDOW_PREFETCH, WINDOWS };

struct claim {
    struct pci_device *dev;
    int bar;
    uint64_t size;
    unsigned order; /* found as the nth: keeps the sort stable */
};

static enum window window_of(const struct pci_bar *bar)
{
    if (bar->type & PCI_BASE_ADDRESS_SPACE_IO) {
        return WINDOW_IO;
    }
    return bar->type & PCI_BASE_ADDRESS_MEM_PREFETCH ? WINDOW_PREFETCH : WINDOW_MEMORY;
}

static int claim_compare(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;

    if (x->size != y->size) {
        return x->size > y->size ? -1 : 1;
    }
    return x->order < y->order ? -1 : 1;
}

/* Memory BARs take whole pages, so that no two share one. */
static uint64_t claim_size(const struct pci_bar *bar)
{
    return window_of(bar) == WINDOW_IO ? bar->size : MAX(bar->size, 4096);
}

static GArray *collect_claims(struct pci_bus *bus, enum window window)
{
    GArray *claims = g_array_new(false, false, sizeof(struct claim));

    for (int devfn = 0; devfn < 256; devfn++) {
        struct pci_device *dev = bus->devices[devfn];

        for (int n = 0; dev && n < PCI_BARS; n++) {
            if (dev->bars[n].region && window_of(&dev->bars[n]) == window) {
                struct claim claim = { dev, n, claim_size(&dev->bars[n]), claims->len };

                g_array_append_val(claims, claim);
            }
        }
    }
    g_array_sort(claims, claim_compare);
    return claims;
}

static uint64_t claims_total(const GArray *claims)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < claims->len; i++) {
        total += g_array_index(claims, struct claim, i).size;
    }
    return total;
}

static uint64_t claims_alignment(const GArray *claims)
{
    return claims->len ? g_array_index(claims, struct claim, 0).size : 1; /* the largest leads */
}

/* Largest first from an aligned base: every BAR then falls on a multiple of its own size. */
static void place_claims(const GArray *claims, uint64_t base, uint64_t limit)
{
    for (unsigned i = 0; i < claims->len; i++) {
        const struct claim *claim = &g_array_index(claims, struct claim, i);
        const struct pci_bar *bar = &claim->dev->bars[claim->bar];
        uint8_t *config = claim->dev->config +
                          (claim->bar == PCI_ROM_BAR ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * claim->bar);

        if (base + claim->size > limit) {
            warn_report("PCI: no room for BAR %d of %s (%" PRIu64 " bytes)", claim->bar,
                        claim->dev->device.type->name, claim->size);
            continue;
        }
        pci_put_long(config, (uint32_t)base | bar->type);
        if (!(bar->type & PCI_BASE_ADDRESS_SPACE_IO) && (bar->type & PCI_BASE_ADDRESS_MEM_TYPE_64)) {
            pci_put_long(config + 4, base >> 32);
        }
        base += claim->size;
    }
}

static void place_memory(GArray *memory, GArray *prefetch, uint64_t mem_base, uint64_t mem_end)
{
    /* The window with the larger alignment goes below, where rounding down costs nothing above it. */
    GArray *low = memory, *high = prefetch;
    uint64_t high_base, low_base;

    if (claims_alignment(low) < claims_alignment(high)) {
        low = prefetch;
        high = memory;
    }
    if (claims_total(low) + claims_total(high) + 2 * claims_alignment(low) > mem_end - mem_base) {
        warn_report("PCI: the BARs do not all fit between 0x%" PRIx64 " and 0x%" PRIx64, mem_base, mem_end);
        place_claims(low, (mem_base + claims_alignment(low) - 1) & ~(claims_alignment(low) - 1), mem_end);
        return;
    }
    high_base = (mem_end - claims_total(high)) & ~(claims_alignment(high) - 1);
    low_base = (high_base - claims_total(low)) & ~(claims_alignment(low) - 1);
    place_claims(high, high_base, mem_end);
    place_claims(low, low_base, high_base);
}

void pci_assign_resources(struct pci_bus *bus, uint64_t mem_base, uint64_t mem_end, const uint8_t pirq_irqs[4])
{
    g_autoptr(GArray) io = collect_claims(bus, WINDOW_IO);
    g_autoptr(GArray) memory = collect_claims(bus, WINDOW_MEMORY);
    g_autoptr(GArray) prefetch = collect_claims(bus, WINDOW_PREFETCH);

    memory_transaction_begin();
    place_claims(io, IO_BASE, 0x10000);
    place_memory(memory, prefetch, mem_base, mem_end);
    for (int devfn = 0; devfn < 256; devfn++) {
        struct pci_device *dev = bus->devices[devfn];
        uint8_t pin;

        if (!dev) {
            continue;
        }
        pin = dev->config[PCI_INTERRUPT_PIN];
        if (pin >= 1 && pin <= 4 && bus->map_irq) {
            dev->config[PCI_INTERRUPT_LINE] = pirq_irqs[bus->map_irq(dev, pin - 1) & 3];
        }
        pci_config_write(bus, devfn << 8 | PCI_COMMAND,
                         pci_word(dev->config + PCI_COMMAND) | PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_SERR,
                         2);
        pci_update_mappings(dev);
    }
    memory_transaction_commit();
}
