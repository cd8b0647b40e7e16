/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Symbols and disassembly of the kernel that runs, for lockstep-compare. */
#ifndef FERRY_TESTS_LOCKSTEP_IMAGE_H
#define FERRY_TESTS_LOCKSTEP_IMAGE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

bool image_load_symbols(const char *path, GError **error); /* System.map */
bool image_load(const char *path, GError **error);         /* ELF64; by virtual and by physical address */
/* "name+0x12", or "" where unknown; free it. */
char *image_symbol(uint64_t address);
/* Prints the instructions from first to last, at most `limit` of them (the last ones), if the image has them. */
void image_list(uint64_t first, uint64_t last, unsigned limit);

#endif
