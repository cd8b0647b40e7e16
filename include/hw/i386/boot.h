/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct boot without firmware: what lies in memory when the guest's first instruction runs, and the BSP's registers
 * then. It is prepared once, from the command line, and placed again at every reset. Big lock held.
 */
#ifndef FERRY_HW_I386_BOOT_H
#define FERRY_HW_I386_BOOT_H

#include "hw/i386/e820.h"
#include "hw/i386/kernel-image.h"

struct x86_cpu;

/* Where the boot's own structures lie. All below PC_LOW_RAM_END; kernels load at 1 MiB and above. */
#define BOOT_GDT 0x0f000ull
#define BOOT_START_INFO 0x10000ull /* hvm_start_info with its lists, or the zero page */
#define BOOT_CMDLINE 0x20000ull    /* up to 64 KiB */
#define BOOT_PAGE_TABLES 0x30000ull /* 6 pages: the first 4 GiB, identity mapped */

struct boot_request {
    const char *kernel, *initrd, *append; /* initrd, append: or NULL */
    const struct e820_map *e820;
    uint64_t ram_end;      /* of what kernel and initrd may use below 4 GiB */
    uint64_t rsdp_address; /* 0: no ACPI tables */
};

/* Bytes that are kept to be placed; zeros follow up to total_size. */
struct boot_blob {
    uint64_t address;
    const uint8_t *data;
    uint64_t size, total_size;
    uint8_t *owned; /* `data`, if it is to be freed */
};

struct boot {
    GArray *blobs;               /* struct boot_blob */
    struct kernel_image *kernel; /* NULL: nothing to boot */
    bool used;                   /* memory may hold something already: zeros must be written, too */
};

struct boot *boot_new(void);
void boot_free(struct boot *boot);
/* Takes over `data` (g_malloc'ed). */
void boot_add_blob(struct boot *boot, uint64_t address, uint8_t *data, uint64_t size);
/* Reads kernel and initrd, makes the boot structures. Nothing is written to the guest yet. */
bool boot_prepare(struct boot *boot, const struct boot_request *request, GError **error);
/* Writes everything to guest memory. */
void boot_place(struct boot *boot);
/* The BSP's registers at the kernel's entry point; the CPU has been reset. */
void boot_enter(const struct boot *boot, struct x86_cpu *cpu);

#endif
