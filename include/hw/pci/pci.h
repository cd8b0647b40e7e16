/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI 3.0: configuration space, BARs, INTx, capabilities, MSI-X. One bus, "pci.0". Big lock held throughout. */
#ifndef FERRY_HW_PCI_PCI_H
#define FERRY_HW_PCI_PCI_H

#include "hw/core/device.h"
#include "hw/core/irq.h"
#include <linux/pci_regs.h>
#include "memory/memory.h"

#define PCI_SLOTS 32
#define PCI_DEVFN(slot, fn) ((slot) << 3 | (fn))
#define PCI_CONFIG_SIZE 256
#define PCI_BARS 7    /* the expansion ROM's is the last */
#define PCI_ROM_BAR 6

struct pci_device;

struct pci_device_ops {
    uint16_t vendor_id, device_id, class_id; /* class_id: class and subclass */
    uint8_t revision, prog_if;
    uint16_t subsystem_vendor_id, subsystem_id; /* 0: 1af4:1100 */
    bool multifunction;
    bool (*realize)(struct pci_device *dev, GError **error);
    void (*unrealize)(struct pci_device *dev);
    /* NULL: pci_default_config_read/write. A write handler calls the default first. */
    uint32_t (*config_read)(struct pci_device *dev, uint32_t address, unsigned size);
    void (*config_write)(struct pci_device *dev, uint32_t address, uint32_t value, unsigned size);
};

struct pci_bar {
    struct memory_region *region; /* NULL: no such BAR */
    uint8_t type;                 /* PCI_BASE_ADDRESS_* bits */
    uint64_t size;                /* power of two */
    bool mapped;
    uint64_t address;
};

struct msix_state;
struct pci_bus;
struct stream;

struct pci_device {
    struct device device; /* first */
    int32_t devfn_property; /* "addr"; -1: the first free slot */
    bool multifunction;
    bool attached;          /* ops->realize has succeeded, so ops->unrealize is owed */
    uint8_t devfn;
    struct pci_bus *bus;
    int32_t version_id;              /* vmstate "PCIDevice": what we write, the most that we take */
    uint8_t config[PCI_CONFIG_SIZE];
    uint8_t wmask[PCI_CONFIG_SIZE];  /* writable bits */
    uint8_t w1cmask[PCI_CONFIG_SIZE];
    uint8_t cmask[PCI_CONFIG_SIZE];  /* must match on load */
    struct pci_bar bars[PCI_BARS];
    uint8_t capability_end;          /* next free byte for capabilities */
    uint32_t irq_state;              /* bit n: INTx n asserted (vmstate "PCIDevice") */
    /* The expansion ROM: properties, and what they make. */
    char *romfile;                   /* NULL or empty: none */
    uint32_t rombar, romsize;        /* romsize UINT32_MAX: by the file */
    struct ram_block *rom_block;     /* NULL: no ROM */
    struct memory_region rom;
    struct msix_state *msix;         /* NULL: none */
    void (*msix_changed)(struct pci_device *dev); /* vectors' messages or masks may have changed; may be NULL */
};

/*
 * The generic realize/unrealize/reset of every PCI device type: device_type.realize = pci_device_realize, .ops = &its
 * pci_device_ops.
 */
bool pci_device_realize(struct device *dev, GError **error);
void pci_device_unrealize(struct device *dev);
/* command, BARs, INTx, MSI-X; by the bus's reset, after the types' own */
void pci_device_reset(struct pci_device *dev);

struct pci_bus {
    struct bus bus;
    struct pci_device *devices[256]; /* by devfn */
    struct memory_region *mem, *io;  /* address spaces that BARs map into */
    /* Set by the host bridge's chipset: which of 4 (PIIX3: PIRQA..D) an INTx pin of a slot drives, and its level. */
    int (*map_irq)(struct pci_device *dev, int pin);
    void (*set_irq)(void *opaque, int line, bool level);
    void *irq_opaque;
    int32_t nirq;                    /* 4 (vmstate "PCIBUS") */
    int32_t irq_count[4];            /* how many devices assert each line (vmstate "PCIBUS") */
    /* The board's stand-in for firmware: runs when the bus and all devices on it have been reset. May be NULL. */
    void (*configure)(struct pci_bus *bus, void *opaque);
    void *configure_opaque;
};
extern const struct bus_type pci_bus_type;
extern const struct vmstate_description vmstate_pci_bus; /* "PCIBUS" */
/* "PCIDevice": VMSTATE_STRUCT it first in a device's table */
extern const struct vmstate_description vmstate_pci_device;

void pci_bus_init(struct pci_bus *bus, struct device *parent, const char *name, struct memory_region *mem,
                  struct memory_region *io);
void pci_bus_set_irq(struct pci_bus *bus, int (*map_irq)(struct pci_device *, int),
                     void (*set_irq)(void *, int, bool), void *opaque);
/* Configuration access by address (CF8 layout: bus 23:16, devfn 15:8, register 7:0). Absent: all ones. */
uint32_t pci_config_read(struct pci_bus *bus, uint32_t address, unsigned size);
void pci_config_write(struct pci_bus *bus, uint32_t address, uint32_t value, unsigned size);
uint32_t pci_default_config_read(struct pci_device *dev, uint32_t address, unsigned size);
void pci_default_config_write(struct pci_device *dev, uint32_t address, uint32_t value, unsigned size);

void pci_register_bar(struct pci_device *dev, int bar, uint8_t type, struct memory_region *region);
/* Where a BAR is mapped now, or UINT64_MAX. */
uint64_t pci_bar_address(const struct pci_device *dev, int bar);
/* pci-rom.c: after the type's realize and before its unrealize. */
bool pci_rom_add(struct pci_device *dev, GError **error);
void pci_rom_remove(struct pci_device *dev);
/* INTx level of the device (pin from its config). */
void pci_set_irq(struct pci_device *dev, bool level);
struct irq *pci_allocate_irq(struct pci_device *dev); /* the caller frees it (g_free) */
/* Appends a capability; returns its offset. */
uint8_t pci_add_capability(struct pci_device *dev, uint8_t id, uint8_t size);
bool pci_bus_master_enabled(const struct pci_device *dev);

static inline uint16_t pci_word(const uint8_t *p) { return p[0] | p[1] << 8; }
static inline uint32_t pci_long(const uint8_t *p) { return pci_word(p) | (uint32_t)pci_word(p + 2) << 16; }
static inline void pci_put_word(uint8_t *p, uint16_t v)
{
    p[0] = v;
    p[1] = v >> 8;
}
static inline void pci_put_long(uint8_t *p, uint32_t v)
{
    pci_put_word(p, v);
    pci_put_word(p + 2, v >> 16);
}

/* Maps and unmaps BARs as command register and addresses say now; after a load or a direct change of `config`. */
void pci_update_mappings(struct pci_device *dev);

/*
 * As firmware would: assigns BARs (I/O from 0xc000 up, memory below 0xfec00000 down as stock's SeaBIOS does:
 * facts/guest-pc), interrupt lines, and enables decoding. At reset when no firmware runs.
 */
void pci_assign_resources(struct pci_bus *bus, uint64_t mem_base, uint64_t mem_end, const uint8_t pirq_irqs[4]);

/* MSI-X: a table of `vectors` in `bar` at the given offsets. */
bool msix_init(struct pci_device *dev, unsigned vectors, int bar, uint32_t table_offset, uint32_t pba_offset,
               struct memory_region *bar_region, GError **error);
void msix_cleanup(struct pci_device *dev);
void msix_reset(struct pci_device *dev);
bool msix_enabled(const struct pci_device *dev);
void msix_notify(struct pci_device *dev, unsigned vector);
/* What the vector sends now. False: nothing, masked as it is, or no interrupt message but a write to memory. */
bool msix_message(const struct pci_device *dev, unsigned vector, uint64_t *address, uint32_t *data);
/* The device's default_config_write calls it: enable and function mask may have changed. */
void msix_config_written(struct pci_device *dev);
void msix_save(struct pci_device *dev, struct stream *s);
bool msix_load(struct pci_device *dev, struct stream *s, GError **error);

/* Delivers a message-signalled interrupt: a write of `data` to `address` (the local APICs' window). */
extern void (*msi_deliver)(uint64_t address, uint32_t data); /* hw/intc/apic.c's */

char *pci_describe(struct pci_bus *bus); /* info pci */

#endif
