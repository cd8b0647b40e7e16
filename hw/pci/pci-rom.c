/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expansion ROMs (PCI Local Bus 3.0, 6.2.5.2): romfile= names what the ROM BAR shows, read only, once the guest has
 * enabled it. Without one there is no ROM: we have no images to give and no firmware that would run them.
 *
 * The ROM is a RAM block that migrates, "0000:00:03.0/virtio-net-pci.rom", as in QEMU's streams. It outlives its
 * device: a request in flight or a vCPU may hold pointers into it. The next device of that type in that place takes it
 * over.
 */
#include <string.h>
#include <sys/stat.h>

#include "hw/pci/pci.h"

#define ROM_SIZE_AUTO UINT32_MAX
#define ROM_SIZE_MIN  2048 /* bits 10:1 of the BAR are reserved */
#define ROM_SIZE_MAX  (1u << 31)

static uint32_t rom_size(size_t length)
{
    uint32_t size = ROM_SIZE_MIN;

    while (size < length) {
        size *= 2;
    }
    return size;
}

static bool check_length(struct pci_device *dev, size_t length, GError **error)
{
    if (!length) {
        return error_setf(error, "romfile \"%s\" is empty", dev->romfile);
    }
    if (length > ROM_SIZE_MAX) {
        return error_setf(error, "romfile \"%s\" too large (size cannot exceed 2 GiB)", dev->romfile);
    }
    if (dev->romsize == ROM_SIZE_AUTO) {
        dev->romsize = rom_size(length);
    }
    return length <= dev->romsize || error_setf(error, "romfile \"%s\" (%zu bytes) is too large for ROM size %u",
                                                dev->romfile, length, dev->romsize);
}

static bool check_properties(const struct pci_device *dev, GError **error)
{
    if (dev->romsize != ROM_SIZE_AUTO && (dev->romsize < ROM_SIZE_MIN || (dev->romsize & (dev->romsize - 1)))) {
        return error_setf(error, "ROM size %u is not a power of two from %d on", dev->romsize, ROM_SIZE_MIN);
    }
    return dev->rombar || !dev->romfile || !*dev->romfile ||
           error_setf(error, "romfile=%s with rombar=0 is not supported: there is no firmware to hand it to",
                      dev->romfile);
}

/* The block of an earlier device, or a new one. */
static struct ram_block *find_block(const struct pci_device *dev, GError **error)
{
    g_autofree char *path = pci_bus_type.device_path((struct device *)&dev->device);
    g_autofree char *idstr = g_strdup_printf("%s/%s.rom", path, dev->device.type->name);
    uint64_t length = (dev->romsize + GUEST_PAGE_SIZE - 1) & ~(GUEST_PAGE_SIZE - 1);
    struct ram_block *block = ram_block_find(idstr);

    if (!block) {
        return ram_block_new(idstr, length, error);
    }
    if (block->max_length != length) {
        error_setf(error, "the ROM of the device that was at %s before has %" G_GUINT64_FORMAT " bytes, \"%s\" has %"
                   G_GUINT64_FORMAT, path, block->max_length, dev->romfile, length);
        return NULL;
    }
    memset(block->host, 0, block->max_length);
    return block;
}

/* Its content; the length is asked first, so that no file is read that cannot be a ROM. */
static char *read_file(struct pci_device *dev, gsize *length, GError **error)
{
    struct stat status;
    char *image = NULL;

    if (stat(dev->romfile, &status) < 0 || !S_ISREG(status.st_mode)) {
        error_setf(error, "failed to find romfile \"%s\"", dev->romfile);
    } else if (check_length(dev, status.st_size, error) && !g_file_get_contents(dev->romfile, &image, length, NULL)) {
        error_setf(error, "failed to load romfile \"%s\"", dev->romfile);
    }
    return image;
}

bool pci_rom_add(struct pci_device *dev, GError **error)
{
    g_autofree char *image = NULL;
    gsize length;

    if (!check_properties(dev, error)) {
        return false;
    }
    if (!dev->romfile || !*dev->romfile) {
        return true;
    }
    image = read_file(dev, &length, error);
    dev->rom_block = image ? find_block(dev, error) : NULL;
    if (!dev->rom_block) {
        return false;
    }
    memcpy(dev->rom_block->host, image, MIN(length, dev->romsize)); /* it may have grown meanwhile */
    ram_block_mark_dirty(dev->rom_block, 0, dev->rom_block->max_length);
    dev->rom_block->migratable = true;
    memory_region_init_ram(&dev->rom, dev->rom_block, dev->rom_block->idstr, dev->romsize);
    memory_region_set_readonly(&dev->rom, true);
    pci_register_bar(dev, PCI_ROM_BAR, PCI_BASE_ADDRESS_SPACE_MEMORY, &dev->rom);
    return true;
}

/* A migration under way keeps what it has begun with; later ones do without. */
void pci_rom_remove(struct pci_device *dev)
{
    if (!dev->rom_block) {
        return;
    }
    memory_region_cleanup(&dev->rom);
    dev->rom_block->migratable = dev->rom_block->migration != NULL;
    dev->rom_block = NULL;
}
