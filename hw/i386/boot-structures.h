/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to hw/i386: what a kernel's entry point finds in memory. */
#ifndef FERRY_HW_I386_BOOT_STRUCTURES_H
#define FERRY_HW_I386_BOOT_STRUCTURES_H

#include "hw/i386/boot.h"

struct boot_module {
    uint64_t address, size; /* size 0: none */
};

/* Adds the blobs that the kernel's kind of entry needs. */
void boot_structures_make(struct boot *boot, const struct boot_request *request, const struct boot_module *initrd);

#endif
