/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a debugger needs of an accelerator: breakpoints by linear address, single steps. Changed with the big lock
 * held and all vCPUs paused.
 */
#ifndef FERRY_ACCEL_DEBUG_H
#define FERRY_ACCEL_DEBUG_H

#include "target/i386/cpu.h"

void debug_breakpoint_add(uint64_t address); /* counted: as many removals undo it */
bool debug_breakpoint_remove(uint64_t address);
void debug_breakpoints_clear(void);

/* When vCPUs are resumed: all run (a breakpoint where one stands does not stop it again at once)… */
void debug_release_all(void);
/* … or `cpu` executes one instruction, without taking interrupts, and the others stand still. */
void debug_release_step(struct x86_cpu *cpu);

/*
 * A vCPU met a breakpoint or has made its step; it stands still until released. On its thread, without the big lock.
 */
extern void (*debug_stop_hook)(struct x86_cpu *cpu);

/* For accelerators. */
extern bool debug_active; /* any breakpoint set, or a vCPU that steps */
/* Must decoding stop before the instruction at this offset within its page? */
bool debug_page_offset_hit(unsigned offset);
bool debug_breakpoint_at(uint64_t address);
void debug_stop(struct x86_cpu *cpu);

#endif
