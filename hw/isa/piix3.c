/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82371SB (PIIX3) PCI-to-ISA bridge, datasheet 290550: the PIRQ routing registers 0x60..0x63 (section 2.2.5)
 * and the reset control register at port 0xcf9 (2.5.4.3).
 *
 * Each of the four PCI interrupt lines drives the ISA interrupt that its register names; several may share one. After
 * a reset they point where firmware would have put them: 10, 10, 11, 11.
 * Left out: the decode and timing registers, which hold what is written; the DMA controllers; ELCR is in i8259.c.
 */
#include <string.h>

#include "hw/isa/piix3.h"
#include "migration/vmstate.h"
#include "system/runstate.h"

#define PIIX3_PIRQ 0x60
#define PIRQ_DISABLED 0x80
#define PIIX3_LINES 4
#define RESET_CONTROL_PORT 0xcf9
#define RESET_CONTROL_HARD 0x02
#define RESET_CONTROL_NOW 0x04

const uint8_t piix3_default_pirqs[4] = { 10, 10, 11, 11 };

struct piix3 {
    struct pci_device pci;
    int32_t pci_irq_levels[PIIX3_LINES]; /* in the stream only; the bus has the truth */
    uint8_t rcr;
    uint8_t pic_levels[16]; /* bit n: PIRQ n drives this ISA interrupt */
    struct irq *isa_irqs;
    struct memory_region reset_port;
};

/* --- PIRQ routing --- */

/* PCI slot numbers rotate over the lines; slot 1's pin A is line 0. */
static int piix3_map_irq(struct pci_device *dev, int pin)
{
    return (pin + (dev->devfn >> 3) - 1) & 3;
}

static void piix3_update_irq(struct piix3 *d, unsigned isa_irq)
{
    irq_set(&d->isa_irqs[isa_irq], d->pic_levels[isa_irq] != 0);
}

/* Records the level under the interrupt that the line is routed to; false: to none. */
static bool piix3_record_level(struct piix3 *d, int line, bool level, unsigned *isa_irq)
{
    uint8_t route = d->pci.config[PIIX3_PIRQ + line];

    if (route >= 16) {
        return false;
    }
    d->pic_levels[route] = (d->pic_levels[route] & ~(1 << line)) | level << line;
    *isa_irq = route;
    return true;
}

static void piix3_set_irq(void *opaque, int line, bool level)
{
    struct piix3 *d = opaque;
    unsigned isa_irq;

    if (piix3_record_level(d, line, level, &isa_irq)) {
        piix3_update_irq(d, isa_irq);
    }
}

/*
 * After the registers changed: what was driven through the old routes is let go, what is pending takes the new ones.
 */
static void piix3_reroute(struct piix3 *d)
{
    uint8_t old[16];

    memcpy(old, d->pic_levels, sizeof(old));
    memset(d->pic_levels, 0, sizeof(d->pic_levels));
    for (int line = 0; line < PIIX3_LINES; line++) {
        unsigned isa_irq;
        piix3_record_level(d, line, d->pci.bus->irq_count[line] != 0, &isa_irq);
    }
    for (unsigned n = 0; n < 16; n++) {
        if (old[n] || d->pic_levels[n]) {
            piix3_update_irq(d, n);
        }
    }
}

static void piix3_config_write(struct pci_device *pci, uint32_t address, uint32_t value, unsigned size)
{
    pci_default_config_write(pci, address, value, size);
    if (address < PIIX3_PIRQ + PIIX3_LINES && address + size > PIIX3_PIRQ) {
        piix3_reroute((struct piix3 *)pci);
    }
}

/* --- Reset control --- */

static uint64_t reset_control_read(void *opaque, hwaddr offset, unsigned size)
{
    return ((struct piix3 *)opaque)->rcr;
}

static void reset_control_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct piix3 *d = opaque;

    if (value & RESET_CONTROL_NOW) {
        system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
        return;
    }
    d->rcr = value & RESET_CONTROL_HARD;
}

static const struct memory_region_ops reset_control_ops = {
    .read = reset_control_read, .write = reset_control_write, .max_access = 1,
};

/* --- Life --- */

static void piix3_reset(struct device *dev)
{
    static const uint8_t defaults[][2] = {
        { 0x4c, 0x4d }, { 0x4e, 0x03 }, { 0x4f, 0x00 }, { 0x69, 0x02 }, { 0x70, 0x80 }, { 0x76, 0x0c },
        { 0x77, 0x0c }, { 0x78, 0x02 }, { 0x82, 0x00 }, { 0xa0, 0x08 }, { 0xa8, 0x0f },
    };
    struct piix3 *d = (struct piix3 *)dev;

    memset(d->pci.config + 0x40, 0, PCI_CONFIG_SIZE - 0x40);
    for (unsigned i = 0; i < G_N_ELEMENTS(defaults); i++) {
        d->pci.config[defaults[i][0]] = defaults[i][1];
    }
    memcpy(d->pci.config + PIIX3_PIRQ, piix3_default_pirqs, PIIX3_LINES);
    d->rcr = 0;
    piix3_reroute(d);
}

static bool piix3_pre_save(void *opaque, GError **error)
{
    struct piix3 *d = opaque;

    for (int line = 0; line < PIIX3_LINES; line++) {
        d->pci_irq_levels[line] = d->pci.bus->irq_count[line] != 0;
    }
    return true;
}

/* No line moves: the interrupt controllers, which load later, bring their own inputs' state with them. */
static bool piix3_post_load(void *opaque, int version, GError **error)
{
    struct piix3 *d = opaque;

    memset(d->pic_levels, 0, sizeof(d->pic_levels));
    for (int line = 0; line < PIIX3_LINES; line++) {
        unsigned isa_irq;
        piix3_record_level(d, line, d->pci.bus->irq_count[line] != 0, &isa_irq);
    }
    d->rcr &= RESET_CONTROL_HARD;
    return true;
}

static bool piix3_rcr_needed(const void *opaque)
{
    return ((const struct piix3 *)opaque)->rcr != 0;
}

static const struct vmstate_description vmstate_piix3_rcr = {
    .name = "PIIX3/rcr",
    .version = 1,
    .minimum_version = 1,
    .needed = piix3_rcr_needed,
    .fields = (const struct vmstate_field[]){
        VMSTATE_UINT8(rcr, struct piix3),
        VMSTATE_END
    },
};

static const struct vmstate_description vmstate_piix3 = {
    .name = "PIIX3",
    .version = 3,
    .minimum_version = 2,
    .pre_save = piix3_pre_save,
    .post_load = piix3_post_load,
    .fields = (const struct vmstate_field[]){
        { .name = "dev", .offset = offsetof(struct piix3, pci), .size = sizeof(struct pci_device),
          .flags = VMS_STRUCT,
          .vmsd = &vmstate_pci_device },
        { .name = "pci_irq_levels_vmstate", .offset = offsetof(struct piix3, pci_irq_levels), .size = sizeof(int32_t),
          .count = PIIX3_LINES, .flags = VMS_ARRAY, .info = &vmstate_info_int32, .version = 3 },
        VMSTATE_END
    },
    .subsections = (const struct vmstate_description *const[]){ &vmstate_piix3_rcr, NULL },
};

static bool piix3_realize(struct pci_device *pci, GError **error)
{
    struct piix3 *d = (struct piix3 *)pci;

    pci->config[PCI_STATUS + 1] = 0x02; /* medium DEVSEL */
    memory_region_init_io(&d->reset_port, &reset_control_ops, d, "piix3-reset-control", 1);
    memory_region_add(&system_io, RESET_CONTROL_PORT, &d->reset_port, 1); /* over the configuration address port */
    pci_bus_set_irq(pci->bus, piix3_map_irq, piix3_set_irq, d);
    return true;
}

static const struct pci_device_ops piix3_ops = {
    .vendor_id = 0x8086,
    .device_id = 0x7000,
    .class_id = 0x0601,
    .multifunction = true,
    .realize = piix3_realize,
    .config_write = piix3_config_write,
};

const struct device_type piix3_type = {
    .name = "PIIX3",
    .parents = (const char *const[]){ "pci-piix3", NULL },
    .bus = "PCI",
    .category = "Bridge",
    .description = "ISA bridge",
    .size = sizeof(struct piix3),
    .vmstate = &vmstate_piix3,
    .ops = &piix3_ops,
    .realize = pci_device_realize,
    .unrealize = pci_device_unrealize,
    .reset = piix3_reset,
};

struct device *piix3_create(struct pci_bus *bus, struct irq *isa_irqs, GError **error)
{
    struct piix3 *d = (struct piix3 *)device_new(&piix3_type, error);

    if (!d) {
        return NULL;
    }
    d->isa_irqs = isa_irqs;
    d->pci.devfn_property = PCI_DEVFN(1, 0);
    if (!device_realize(&d->pci.device, &bus->bus, error)) {
        device_free(&d->pci.device);
        return NULL;
    }
    return &d->pci.device;
}
