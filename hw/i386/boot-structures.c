/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel finds at its entry point, in memory and in the BSP's registers.
 *
 * PVH (Xen's docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h): 32-bit protected mode, paging off, flat
 * segments, EBX = hvm_start_info with module list and memory map (version 1).
 * Linux's 64-bit protocol (Documentation/arch/x86/boot.rst): long mode, everything used mapped one to one, CS 0x10
 * and DS/ES/SS 0x18 flat in a loaded GDT, RSI = boot_params ("zero page"), interrupts off.
 */
#include <string.h>

#include "boot-structures.h"
#include "target/i386/cpu.h"
#include "trace/hw_i386.h"
#include "util/bytes.h"

/* hvm_start_info; its lists lie behind it in the same blob. */
#define HVM_START_MAGIC 0x336ec578u
#define HVM_START_INFO_SIZE 56
#define HVM_MODULE_SIZE 32
#define HVM_MEMMAP_ENTRY_SIZE 24

/* boot_params */
#define ZERO_PAGE_SIZE 4096
#define ZERO_PAGE_RSDP 0x70
#define ZERO_PAGE_E820_COUNT 0x1e8
#define ZERO_PAGE_SETUP 0x1f1
#define ZERO_PAGE_BOOT_FLAG 0x1fe
#define ZERO_PAGE_MAGIC 0x202
#define ZERO_PAGE_VERSION 0x206
#define ZERO_PAGE_LOADER 0x210
#define ZERO_PAGE_LOADFLAGS 0x211
#define ZERO_PAGE_RAMDISK 0x218
#define ZERO_PAGE_RAMDISK_SIZE 0x21c
#define ZERO_PAGE_CMDLINE 0x228
#define ZERO_PAGE_E820 0x2d0
#define LOADER_UNDEFINED 0xff

#define SELECTOR_CODE 0x10
#define SELECTOR_DATA 0x18
#define SELECTOR_TSS 0x20
#define GDT_BYTES 0x30
#define TSS_LIMIT 0x67

static void make_start_info(struct boot *boot, const struct boot_request *request, const struct boot_module *initrd)
{
    const struct e820_map *e820 = request->e820;
    unsigned modules = initrd->size ? 1 : 0;
    uint64_t memmap_offset = HVM_START_INFO_SIZE + modules * HVM_MODULE_SIZE;
    uint64_t size = memmap_offset + e820->count * HVM_MEMMAP_ENTRY_SIZE;
    uint8_t *info = g_malloc0(size);

    store_le32(info, HVM_START_MAGIC);
    store_le32(info + 4, 1); /* version: with a memory map */
    store_le32(info + 12, modules);
    store_le64(info + 16, modules ? BOOT_START_INFO + HVM_START_INFO_SIZE : 0);
    store_le64(info + 24, BOOT_CMDLINE);
    store_le64(info + 32, request->rsdp_address);
    store_le64(info + 40, BOOT_START_INFO + memmap_offset);
    store_le32(info + 48, e820->count);
    if (modules) {
        store_le64(info + HVM_START_INFO_SIZE, initrd->address);
        store_le64(info + HVM_START_INFO_SIZE + 8, initrd->size);
    }
    for (unsigned i = 0; i < e820->count; i++) {
        uint8_t *entry = info + memmap_offset + i * HVM_MEMMAP_ENTRY_SIZE;
        store_le64(entry, e820->entries[i].address);
        store_le64(entry + 8, e820->entries[i].length);
        store_le32(entry + 16, e820->entries[i].type);
    }
    boot_add_blob(boot, BOOT_START_INFO, info, size);
}

static void make_zero_page(struct boot *boot, const struct boot_request *request, const struct boot_module *initrd)
{
    const struct kernel_image *kernel = boot->kernel;
    uint8_t *page = g_malloc0(ZERO_PAGE_SIZE);

    if (kernel->setup_header_length) {
        memcpy(page + ZERO_PAGE_SETUP, kernel->setup_header, kernel->setup_header_length);
    } else { /* a vmlinux has no header of its own: the least that Linux looks at */
        store_le16(page + ZERO_PAGE_BOOT_FLAG, 0xaa55);
        memcpy(page + ZERO_PAGE_MAGIC, "HdrS", 4);
        store_le16(page + ZERO_PAGE_VERSION, 0x20c);
        page[ZERO_PAGE_LOADFLAGS] = 1; /* loaded high */
    }
    page[ZERO_PAGE_LOADER] = LOADER_UNDEFINED;
    store_le64(page + ZERO_PAGE_RSDP, request->rsdp_address);
    store_le32(page + ZERO_PAGE_RAMDISK, initrd->address);
    store_le32(page + ZERO_PAGE_RAMDISK_SIZE, initrd->size);
    store_le32(page + ZERO_PAGE_CMDLINE, BOOT_CMDLINE);
    page[ZERO_PAGE_E820_COUNT] = request->e820->count;
    for (unsigned i = 0; i < request->e820->count; i++) { /* 20 bytes each, packed */
        uint8_t *entry = page + ZERO_PAGE_E820 + i * 20;
        store_le64(entry, request->e820->entries[i].address);
        store_le64(entry + 8, request->e820->entries[i].length);
        store_le32(entry + 16, request->e820->entries[i].type);
    }
    boot_add_blob(boot, BOOT_START_INFO, page, ZERO_PAGE_SIZE);
}

/* PML4, PDPT and four directories of 2 MiB pages: the first 4 GiB one to one. */
static void make_page_tables(struct boot *boot)
{
    uint8_t *tables = g_malloc0(6 * 4096);

    store_le64(tables, (BOOT_PAGE_TABLES + 0x1000) | 0x3);
    for (unsigned i = 0; i < 4; i++) {
        store_le64(tables + 0x1000 + i * 8, (BOOT_PAGE_TABLES + 0x2000 + i * 0x1000) | 0x3);
    }
    for (uint64_t i = 0; i < 2048; i++) {
        store_le64(tables + 0x2000 + i * 8, i << 21 | 0x83);
    }
    boot_add_blob(boot, BOOT_PAGE_TABLES, tables, 6 * 4096);
}

static void make_gdt(struct boot *boot, bool code_64)
{
    uint8_t *gdt = g_malloc0(GDT_BYTES);

    store_le64(gdt + SELECTOR_CODE, code_64 ? 0x00af9b000000ffff : 0x00cf9b000000ffff);
    store_le64(gdt + SELECTOR_DATA, 0x00cf93000000ffff);
    store_le64(gdt + SELECTOR_TSS, 0x00008b0000000000 | TSS_LIMIT);
    boot_add_blob(boot, BOOT_GDT, gdt, GDT_BYTES);
}

void boot_structures_make(struct boot *boot, const struct boot_request *request, const struct boot_module *initrd)
{
    bool is_64 = boot->kernel->entry == KERNEL_ENTRY_LINUX64;

    make_gdt(boot, is_64);
    if (is_64) {
        make_zero_page(boot, request, initrd);
        make_page_tables(boot);
    } else {
        make_start_info(boot, request, initrd);
    }
}

static void enter_segments(struct x86_cpu *cpu, uint32_t code_flags)
{
    static const unsigned data_segments[] = { S_DS, S_ES, S_SS, S_FS, S_GS };

    cpu->segs[S_CS] = (struct x86_segment){ .selector = SELECTOR_CODE, .limit = UINT32_MAX, .flags = code_flags };
    for (unsigned i = 0; i < G_N_ELEMENTS(data_segments); i++) {
        cpu->segs[data_segments[i]] = (struct x86_segment){ .selector = SELECTOR_DATA, .limit = UINT32_MAX,
                                                            .flags = 0x00c09300 };
    }
    cpu->tr = (struct x86_segment){ .selector = SELECTOR_TSS, .limit = TSS_LIMIT, .flags = 0x00008b00 };
    cpu->gdt = (struct x86_segment){ .base = BOOT_GDT, .limit = GDT_BYTES - 1 };
    cpu->idt = (struct x86_segment){ .base = 0, .limit = 0 };
}

void boot_enter(const struct boot *boot, struct x86_cpu *cpu)
{
    const struct kernel_image *kernel = boot->kernel;

    trace_boot_enter(kernel->entry == KERNEL_ENTRY_PVH ? "PVH" : "64-bit", kernel->entry_address);
    memset(cpu->regs, 0, sizeof(cpu->regs));
    cpu->regs[R_RIP] = kernel->entry_address;
    if (kernel->entry == KERNEL_ENTRY_PVH) {
        enter_segments(cpu, 0x00c09b00);
        cpu->regs[R_RBX] = BOOT_START_INFO;
        x86_cpu_set_cr0(cpu, CR0_PE | CR0_ET);
    } else {
        cpu->regs[R_RSI] = BOOT_START_INFO;
        x86_cpu_set_efer(cpu, EFER_LME);
        x86_cpu_set_cr4(cpu, CR4_PAE);
        x86_cpu_set_cr3(cpu, BOOT_PAGE_TABLES);
        x86_cpu_set_cr0(cpu, CR0_PG | CR0_PE | CR0_ET); /* with LME set: long mode */
        enter_segments(cpu, 0x00a09b00);
    }
    x86_cpu_update_mode(cpu);
}
