/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine and machine types as QMP's qom-* commands see them. */
#include <string.h>

#include "hw/core/machine.h"
#include "hw/core/objects.h"
#include "qapi/qapi-visit.h"

static JsonNode *get_kernel(const struct machine *machine)
{
    return qapi_node_str(machine->kernel);
}

static JsonNode *get_initrd(const struct machine *machine)
{
    return qapi_node_str(machine->initrd);
}

static JsonNode *get_append(const struct machine *machine)
{
    return qapi_node_str(machine->append);
}

/* Of every machine. */
static const struct machine_property common[] = {
    { "kernel", "string", NULL, "Linux kernel image file", get_kernel },
    { "initrd", "string", NULL, "Initial RAM disk", get_initrd },
    { "append", "string", NULL, "Kernel command line", get_append },
    { NULL },
};

static void type_properties(const void *data, qom_property_fn *each, void *opaque)
{
    const struct machine_property *tables[] = { common, ((const struct machine_type *)data)->properties };

    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) {
        for (const struct machine_property *p = tables[i]; p && p->name; p++) {
            each(&(struct qom_property){ .name = p->name, .type = p->type, .description = p->description },
                 opaque);
        }
    }
}

static const char *type_name(const struct machine_type *type)
{
    g_autofree char *name = g_strconcat(type->name, "-machine", NULL);

    return g_intern_string(name);
}

const char *machine_object_type(void *data)
{
    return type_name(((const struct machine *)data)->type);
}

void machine_object_properties(void *data, qom_property_fn *each, void *opaque)
{
    type_properties(((const struct machine *)data)->type, each, opaque);
}

static JsonNode *fixed_value(const struct machine_property *p)
{
    return strcmp(p->type, "bool") == 0 ? qapi_node_bool(p->fixed) : qapi_node_str(p->fixed ? "on" : "off");
}

JsonNode *machine_object_get(void *data, const char *name, GError **error)
{
    const struct machine *machine = data;
    const struct machine_property *tables[] = { common, machine->type->properties };

    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) {
        for (const struct machine_property *p = tables[i]; p && p->name; p++) {
            if (strcmp(p->name, name) == 0) {
                return p->get ? p->get(machine) : fixed_value(p);
            }
        }
    }
    g_assert_not_reached(); /* the caller found it among the properties */
}

static void list_type(const struct machine_type *type, qom_type_fn *each, void *opaque)
{
    const char *parent = "machine";
    int depth = 0;

    while (type->parents && type->parents[depth]) {
        depth++;
    }
    while (depth--) {
        each(&(struct qom_type){ .name = type->parents[depth], .parent = parent, .abstract = true }, opaque);
        parent = type->parents[depth];
    }
    each(&(struct qom_type){ .name = type_name(type),
                                     .parent = parent,
                                     .properties = type_properties,
                                     .data = type },
         opaque);
}

void machine_types_foreach(qom_type_fn *each, void *opaque)
{
    for (const struct machine_type *const *type = machine_types(); *type; type++) {
        list_type(*type, each, opaque);
    }
}
