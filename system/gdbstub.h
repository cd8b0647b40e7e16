/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -gdb DEV, -s: gdb's remote serial protocol. */
#ifndef FERRY_SYSTEM_GDBSTUB_H
#define FERRY_SYSTEM_GDBSTUB_H

#include <stdint.h>

#include "util/error.h"

struct x86_cpu;

/* Listens on "tcp::1234", "tcp:HOST:PORT", "unix:PATH" or another character device. Big lock held. */
bool gdbstub_start(const char *device, GError **error);

/* gdb-registers.c. Numbers are those of the target description below; values little-endian. */
extern const char gdb_target_xml[];
unsigned gdb_register_count(void);
unsigned gdb_register_read(struct x86_cpu *cpu, unsigned number, uint8_t out[16]); /* its size; 0: no such register */
unsigned gdb_register_write(struct x86_cpu *cpu, unsigned number, const uint8_t in[16]);
unsigned gdb_register_size(unsigned number);

#endif
