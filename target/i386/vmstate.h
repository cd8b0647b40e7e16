/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The CPU's sections, for tests. */
#ifndef FERRY_I386_VMSTATE_H
#define FERRY_I386_VMSTATE_H

#include "migration/vmstate.h"
#include "target/i386/cpu.h"

extern const struct vmstate_description vmstate_x86_cpu, vmstate_x86_cpu_common;
extern const struct vmstate_description *const vmstate_x86_cpu_subsections[];
/* What they save and load `cpu` through. */
void *x86_cpu_vmstate_opaque(struct x86_cpu *cpu);

#endif
