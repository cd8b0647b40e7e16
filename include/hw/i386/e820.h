/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's memory as firmware would report it, and the few fixed places that pc's boot uses. */
#ifndef FERRY_HW_I386_E820_H
#define FERRY_HW_I386_E820_H

#include <stdbool.h>
#include <stdint.h>

#define E820_RAM 1
#define E820_RESERVED 2
#define E820_MAX_ENTRIES 16

struct e820_entry {
    uint64_t address, length;
    uint32_t type;
};

struct e820_map {
    struct e820_entry entries[E820_MAX_ENTRIES]; /* ascending, disjoint */
    unsigned count;
};

#define PC_LOW_RAM_END 0x9fc00ull         /* the EBDA begins here on any PC */
#define PC_BIOS_AREA 0xf0000ull           /* the RSDP is in it */
#define PC_ACPI_AREA_SIZE 0x20000ull      /* at the top of the RAM below 4 GiB */
#define PC_AMD_HT_HOLE 0xfd00000000ull    /* AMD's HyperTransport range, up to 1 TiB */

/* How `ram_size` splits around the hole below 4 GiB: 3 GiB are below it from 3.5 GiB on. */
uint64_t pc_ram_below_4g(uint64_t ram_size);
/* What a guest with so much RAM is told. */
void pc_e820_fill(struct e820_map *map, uint64_t below_4g, uint64_t above_4g);

#endif
