/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82441FX (440FX PMC) host bridge, datasheet 290549: configuration mechanism 1 at 0xcf8/0xcfc (section 3.1),
 * the programmable attribute maps PAM0..6 at 0x59 (3.2.17) and SMRAM at 0x72 (3.2.22).
 *
 * PAM: each 16 KiB of 0xc0000..0xeffff and the 64 KiB at 0xf0000 are RAM, read-only RAM, or what lies on PCI
 * (nothing, all ones). "Write-only" counts as PCI, as on QEMU. There is no firmware to shadow, so a reset leaves all
 * of it RAM.
 * SMRAM: D_OPEN shows the RAM under the VGA window; D_LCK closes and locks it. There is no SMM.
 * Left out: DRAM timing, error reporting, AGP; their registers hold what is written.
 */
#include <string.h>

#include "hw/pci-host/i440fx.h"
#include "migration/vmstate.h"

#define CONFIG_ADDRESS_PORT 0xcf8
#define CONFIG_DATA_PORT 0xcfc
#define CONFIG_ENABLE (1u << 31)

#define I440FX_PAM 0x59
#define I440FX_PAM_BYTES 7
#define I440FX_PAM_AREAS 13
#define PAM_READ 1
#define PAM_WRITE 2
#define I440FX_SMRAM 0x72
#define SMRAM_D_OPEN 0x40
#define SMRAM_D_LCK 0x10
#define SMRAM_DEFAULT 0x02 /* C_BASE_SEG: hard-wired */
#define VGA_WINDOW 0xa0000
#define VGA_WINDOW_SIZE 0x20000

struct i440fx_pcihost {
    struct device device;
    uint32_t config_reg;
    struct pci_bus bus;
    struct memory_region address_port, data_port;
    void (*firmware)(void *opaque);
    void *firmware_opaque;
};

/* Two views that may lie over an area's RAM; none: it is plain RAM. */
struct i440fx_pam {
    struct memory_region pci, rom;
};

struct i440fx {
    struct pci_device pci;
    struct memory_region *ram; /* region offset = GPA in what the windows show */
    struct i440fx_pam pam[I440FX_PAM_AREAS];
    struct memory_region vga_window; /* PCI over RAM, unless SMRAM is open */
};

static struct memory_region pci_memory; /* what the bus's memory BARs map into */

/* --- Configuration ports --- */

static uint64_t config_address_read(void *opaque, hwaddr offset, unsigned size)
{
    const struct i440fx_pcihost *host = opaque;

    return host->config_reg >> (offset * 8);
}

/*
 * Only a whole double word is an access to the register; anything narrower passes on to the ISA bus, where nothing
 * is.
 */
static void config_address_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct i440fx_pcihost *host = opaque;

    if (offset == 0 && size == 4) {
        host->config_reg = value;
    }
}

static uint64_t config_data_read(void *opaque, hwaddr offset, unsigned size)
{
    struct i440fx_pcihost *host = opaque;

    if (!(host->config_reg & CONFIG_ENABLE)) {
        return UINT32_MAX;
    }
    return pci_config_read(&host->bus, (host->config_reg & 0xfffffc) | (offset & 3), size);
}

static void config_data_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct i440fx_pcihost *host = opaque;

    if (host->config_reg & CONFIG_ENABLE) {
        pci_config_write(&host->bus, (host->config_reg & 0xfffffc) | (offset & 3), value, size);
    }
}

static const struct memory_region_ops config_address_ops = { .read = config_address_read,
                                                             .write = config_address_write };
static const struct memory_region_ops config_data_ops = { .read = config_data_read, .write = config_data_write };

static const struct vmstate_description vmstate_pcihost = {
    .name = "PCIHost",
    .version = 1,
    .minimum_version = 1,
    .fields = (const struct vmstate_field[]){
        VMSTATE_UINT32(config_reg, struct i440fx_pcihost),
        VMSTATE_END
    },
};

/* The system bus resets a parent after its children: the devices are as after power-up, and firmware may run. */
static void pcihost_reset(struct device *dev)
{
    struct i440fx_pcihost *host = (struct i440fx_pcihost *)dev;

    host->config_reg = 0;
    if (host->firmware) {
        host->firmware(host->firmware_opaque);
    }
}

static bool pcihost_realize(struct device *dev, GError **error)
{
    struct i440fx_pcihost *host = (struct i440fx_pcihost *)dev;

    memory_region_init_container(&pci_memory, "pci", UINT64_MAX);
    memory_region_add(&system_memory, 0, &pci_memory, -1);
    memory_region_init_io(&host->address_port, &config_address_ops, host, "pci-conf-idx", 4);
    memory_region_add(&system_io, CONFIG_ADDRESS_PORT, &host->address_port, 0);
    memory_region_init_io(&host->data_port, &config_data_ops, host, "pci-conf-data", 4);
    memory_region_add(&system_io, CONFIG_DATA_PORT, &host->data_port, 0);
    return true;
}

const struct device_type i440fx_pcihost_type = {
    .name = "i440FX-pcihost",
    .parents = (const char *const[]){ "pci-host-bridge", NULL },
    .category = "Bridge",
    .description = "Intel 440FX PCI host",
    .size = sizeof(struct i440fx_pcihost),
    .vmstate = &vmstate_pcihost,
    .realize = pcihost_realize,
    .reset = pcihost_reset,
};

/* --- Function 00:00.0 --- */

/* Area 0 is the 64 KiB at 0xf0000 (PAM0's high half); area n the n-th 16 KiB from 0xc0000, low half first. */
static unsigned pam_attributes(const struct i440fx *d, unsigned area)
{
    unsigned nibble = area + 1;

    return d->pci.config[I440FX_PAM + nibble / 2] >> (nibble % 2 * 4) & (PAM_READ | PAM_WRITE);
}

static void i440fx_update_memory(struct i440fx *d)
{
    memory_transaction_begin();
    for (unsigned area = 0; area < I440FX_PAM_AREAS; area++) {
        unsigned attributes = pam_attributes(d, area);
        memory_region_set_enabled(&d->pam[area].pci, !(attributes & PAM_READ));
        memory_region_set_enabled(&d->pam[area].rom, attributes == PAM_READ);
    }
    memory_region_set_enabled(&d->vga_window, !(d->pci.config[I440FX_SMRAM] & SMRAM_D_OPEN));
    memory_transaction_commit();
}

static void i440fx_config_write(struct pci_device *pci, uint32_t address, uint32_t value, unsigned size)
{
    struct i440fx *d = (struct i440fx *)pci;
    uint8_t smram = pci->config[I440FX_SMRAM];

    pci_default_config_write(pci, address, value, size);
    if (smram & SMRAM_D_LCK) {
        pci->config[I440FX_SMRAM] = smram;
    } else if (pci->config[I440FX_SMRAM] & SMRAM_D_LCK) {
        pci->config[I440FX_SMRAM] &= ~SMRAM_D_OPEN;
    }
    if (address < I440FX_SMRAM + 1 && address + size > I440FX_PAM) {
        i440fx_update_memory(d);
    }
}

static void i440fx_reset(struct device *dev)
{
    struct i440fx *d = (struct i440fx *)dev;

    d->pci.config[I440FX_PAM] = 0x30;
    memset(d->pci.config + I440FX_PAM + 1, 0x33, I440FX_PAM_BYTES - 1);
    d->pci.config[I440FX_SMRAM] = SMRAM_DEFAULT;
    i440fx_update_memory(d);
}

static bool i440fx_post_load(void *opaque, int version, GError **error)
{
    i440fx_update_memory(opaque);
    return true;
}

static const struct vmstate_description vmstate_i440fx = {
    .name = "I440FX",
    .version = 3,
    .minimum_version = 3,
    .post_load = i440fx_post_load,
    .fields = (const struct vmstate_field[]){
        { .name = "parent_obj", .offset = offsetof(struct i440fx, pci), .size = sizeof(struct pci_device),
          .flags = VMS_STRUCT, .vmsd = &vmstate_pci_device },
        VMSTATE_UNUSED(1), /* smm_enabled, long ago */
        VMSTATE_END
    },
};

/* Accesses that go to PCI and meet no one: no device of ours decodes below 1 MiB. Reads give ones. */
static const struct memory_region_ops nothing_ops = { .read = NULL };

static bool i440fx_realize(struct pci_device *pci, GError **error)
{
    struct i440fx *d = (struct i440fx *)pci;

    for (unsigned area = 0; area < I440FX_PAM_AREAS; area++) {
        hwaddr start = area ? 0xc0000 + (area - 1) * 0x4000 : 0xf0000;
        uint64_t size = area ? 0x4000 : 0x10000;
        struct i440fx_pam *pam = &d->pam[area];
        memory_region_init_io(&pam->pci, &nothing_ops, d, "pam-pci", size);
        memory_region_add(&system_memory, start, &pam->pci, 1);
        memory_region_set_enabled(&pam->pci, false);
        memory_region_init_alias(&pam->rom, "pam-rom", d->ram, start, size);
        memory_region_set_readonly(&pam->rom, true);
        memory_region_set_enabled(&pam->rom, false);
        memory_region_add(&system_memory, start, &pam->rom, 2);
    }
    memory_region_init_io(&d->vga_window, &nothing_ops, d, "smram-region", VGA_WINDOW_SIZE);
    memory_region_add(&system_memory, VGA_WINDOW, &d->vga_window, 1);
    return true;
}

static const struct pci_device_ops i440fx_ops = {
    .vendor_id = 0x8086,
    .device_id = 0x1237,
    .class_id = 0x0600,
    .revision = 2,
    .realize = i440fx_realize,
    .config_write = i440fx_config_write,
};

const struct device_type i440fx_type = {
    .name = "i440FX",
    .bus = "PCI",
    .category = "Bridge",
    .description = "Host bridge",
    .size = sizeof(struct i440fx),
    .vmstate = &vmstate_i440fx,
    .ops = &i440fx_ops,
    .realize = pci_device_realize,
    .unrealize = pci_device_unrealize,
    .reset = i440fx_reset,
};

struct pci_bus *i440fx_create(struct memory_region *ram, void (*firmware)(void *opaque), void *opaque, GError **error)
{
    struct i440fx_pcihost *host = (struct i440fx_pcihost *)device_new(&i440fx_pcihost_type, error);
    struct i440fx *function = NULL;

    if (!host) {
        return NULL;
    }
    host->firmware = firmware;
    host->firmware_opaque = opaque;
    if (!device_realize(&host->device, &system_bus, error)) {
        device_free(&host->device);
        return NULL;
    }
    pci_bus_init(&host->bus, &host->device, "pci.0", &pci_memory, &system_io);
    if (vmstate_register("PCIBUS", -1, &vmstate_pci_bus, &host->bus, error)) {
        function = (struct i440fx *)device_new(&i440fx_type, error);
    }
    if (function) {
        function->ram = ram;
        function->pci.devfn_property = PCI_DEVFN(0, 0);
        if (device_realize(&function->pci.device, &host->bus.bus, error)) {
            return &host->bus;
        }
        device_free(&function->pci.device);
    }
    return NULL; /* the machine is not built; main ends */
}
