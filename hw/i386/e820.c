/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pc's memory map for the guest, the same as SeaBIOS builds on QEMU's pc, so that a guest sees no difference. */
#include <glib.h>

#include "accel/kvm.h"
#include "hw/i386/e820.h"

#define FLASH_ADDRESS 0xfffc0000u

static void e820_add(struct e820_map *map, uint64_t address, uint64_t length, uint32_t type)
{
    g_assert(map->count < E820_MAX_ENTRIES);
    map->entries[map->count++] = (struct e820_entry){ .address = address, .length = length, .type = type };
}

uint64_t pc_ram_below_4g(uint64_t ram_size)
{
    return ram_size >= 0xe0000000 ? 0xc0000000 : ram_size;
}

void pc_e820_fill(struct e820_map *map, uint64_t below_4g, uint64_t above_4g)
{
    uint64_t acpi = below_4g - PC_ACPI_AREA_SIZE;
    uint64_t top = kvm_enabled() ? KVM_PAGES_ADDRESS : FLASH_ADDRESS;

    map->count = 0;
    e820_add(map, 0, PC_LOW_RAM_END, E820_RAM);
    e820_add(map, PC_LOW_RAM_END, 0xa0000 - PC_LOW_RAM_END, E820_RESERVED);
    e820_add(map, PC_BIOS_AREA, 0x10000, E820_RESERVED);
    e820_add(map, 0x100000, acpi - 0x100000, E820_RAM);
    e820_add(map, acpi, PC_ACPI_AREA_SIZE, E820_RESERVED);
    e820_add(map, top, (4ull << 30) - top, E820_RESERVED);
    if (above_4g) {
        e820_add(map, 0x100000000, above_4g, E820_RAM);
    }
    e820_add(map, PC_AMD_HT_HOLE, 0x10000000000 - PC_AMD_HT_HOLE, E820_RESERVED);
}
