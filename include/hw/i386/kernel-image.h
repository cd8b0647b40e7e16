/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel file, taken apart: bzImage, vmlinux or PVH ELF. Pure: bytes in, segments and entry point out. */
#ifndef FERRY_HW_I386_KERNEL_IMAGE_H
#define FERRY_HW_I386_KERNEL_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

#define KERNEL_MAX_SEGMENTS 32
#define KERNEL_MAX_BYTES (1ull << 30) /* of a file, and of a decompressed kernel */

/* Bytes of guest memory: `file_size` from the file, then zeros up to `memory_size`. */
struct kernel_segment {
    uint64_t address;
    const uint8_t *data; /* within kernel_image.elf */
    uint64_t file_size, memory_size;
};

enum kernel_entry {
    KERNEL_ENTRY_PVH,     /* 32-bit protected mode, EBX = hvm_start_info (Xen's x86/HVM direct boot ABI) */
    KERNEL_ENTRY_LINUX64, /* 64-bit mode on identity page tables, RSI = boot_params (Linux's 64-bit boot protocol) */
};

struct kernel_image {
    uint8_t *elf; /* the (decompressed) ELF file; mapped, owned */
    size_t elf_size;
    struct kernel_segment segments[KERNEL_MAX_SEGMENTS];
    unsigned segment_count;
    uint64_t low, high; /* the guest memory that it occupies: [low, high) */
    enum kernel_entry entry;
    uint64_t entry_address;
    uint8_t setup_header[128]; /* the bzImage's, from offset 0x1f1 on; length 0: there was none */
    size_t setup_header_length;
    uint64_t initrd_max;       /* highest address that an initrd's last byte may have */
    uint32_t cmdline_max;      /* bytes without the terminator */
};

/* NULL and an error that names the file (`name`) and what is wrong with it. */
struct kernel_image *kernel_image_load(const char *path, GError **error);
struct kernel_image *kernel_image_parse(const char *name, const uint8_t *data, size_t size, GError **error);
void kernel_image_free(struct kernel_image *image);

/* The ELF file's part of it: fills segments, bounds and entry of an image whose `elf` is set. */
bool kernel_elf_parse(const char *name, struct kernel_image *image, GError **error);

/*
 * Decompresses a bzImage's payload (gzip, xz, zstd, lz4's legacy frames; or an ELF file as it is). Its last four
 * bytes say how long the result is. The result is page-aligned and freed with munmap(result, *size).
 */
uint8_t *kernel_decompress(const char *name, const uint8_t *data, size_t size, size_t *result_size, GError **error);

#endif
