/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A model's properties by name, for QMP. */
#ifndef FERRY_I386_CPU_QUERIES_H
#define FERRY_I386_CPU_QUERIES_H

#include <json-glib/json-glib.h>

struct x86_cpu_model;

/* A feature's or -cpu option's value in a model that is made up; NULL: it has no such property. The caller frees. */
JsonNode *x86_cpu_model_property(const struct x86_cpu_model *model, const char *name);

#endif
