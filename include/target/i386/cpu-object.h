/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vCPUs and CPU models as objects, and their types: what qom/ asks this room. */
#ifndef FERRY_TARGET_I386_CPU_OBJECT_H
#define FERRY_TARGET_I386_CPU_OBJECT_H

#include "qom/qom.h"

struct x86_cpu_model;

/* data: struct x86_cpu. */
extern const struct qom_class x86_cpu_object_class;
void x86_cpu_types_foreach(qom_type_fn *each, void *opaque);
/* "qemu64-x86_64-cpu"; lives as long as the program. */
const char *x86_cpu_type_name(const struct x86_cpu_model *model);

#endif
