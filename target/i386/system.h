/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the system instructions' files share. */
#ifndef FERRY_I386_SYSTEM_H
#define FERRY_I386_SYSTEM_H

#include "target/i386/decode.h"

/* Bits of a row's arg for x86_translate_system(), which sets dst and src to the general register operand. */
#define SYS_LAST 1      /* ends its block */
#define SYS_ONLY64 2    /* #UD outside 64-bit mode */
#define SYS_PROTECTED 4 /* #UD in real mode and VM86 */
x86_translate x86_translate_system;

void x86_require_cpl0(struct x86_cpu *cpu); /* else #GP(0) */
/* Ends the block behind the instruction, next block to be looked up. */
void x86_leave_after(struct x86_cpu *cpu, const struct x86_insn *insn);

/* RDMSR and WRMSR; false: #GP(0). Unknown MSRs read 0 and ignore writes. msr.c */
bool x86_msr_read(struct x86_cpu *cpu, uint32_t index, uint64_t *value);
bool x86_msr_write(struct x86_cpu *cpu, uint32_t index, uint64_t value);

#endif
