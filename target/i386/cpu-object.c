/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU as QMP's qom-* commands see it: the features of the feature table, each with the value in effect, the
 * options of -cpu, and where it is.
 */
#include <string.h>

#include "accel/accel.h"
#include "hw/core/objects.h"
#include "qapi/qapi-visit.h"
#include "target/i386/cpu-models.h"
#include "target/i386/cpu-object.h"
#include "target/i386/cpu-queries.h"

const char *x86_cpu_type_name(const struct x86_cpu_model *model)
{
    g_autofree char *name = g_strconcat(model->name, "-x86_64-cpu", NULL);

    return g_intern_string(name);
}

/* --- What only a vCPU has, not its model --- */

static JsonNode *get_apic_id(const struct x86_cpu *cpu)
{
    return qapi_node_int(cpu->apic_id);
}

static JsonNode *get_socket(const struct x86_cpu *cpu)
{
    return qapi_node_int(cpu->index / (x86_topology.cores * x86_topology.threads));
}

static JsonNode *get_core(const struct x86_cpu *cpu)
{
    return qapi_node_int(cpu->index / x86_topology.threads % x86_topology.cores);
}

static JsonNode *get_thread(const struct x86_cpu *cpu)
{
    return qapi_node_int(cpu->index % x86_topology.threads);
}

static void add_name(const char *name, void *opaque)
{
    json_array_add_string_element(opaque, name);
}

static JsonNode *get_unavailable(const struct x86_cpu *cpu)
{
    JsonArray *array = json_array_new();

    x86_feature_names(&cpu->model->missing, add_name, array);
    return qapi_node_array(array);
}

static JsonNode *get_true(const struct x86_cpu *cpu)
{
    return qapi_node_bool(true);
}

static JsonNode *get_false(const struct x86_cpu *cpu)
{
    return qapi_node_bool(false);
}

static const struct {
    const char *name, *type;
    JsonNode *(*get)(const struct x86_cpu *cpu);
} own[] = {
    { "realized", "bool", get_true },
    { "hotplugged", "bool", get_false },
    { "hotpluggable", "bool", get_false },
    { "apic-id", "uint32", get_apic_id },
    { "socket-id", "int32", get_socket },
    { "core-id", "int32", get_core },
    { "thread-id", "int32", get_thread },
    { "unavailable-features", "strList", get_unavailable },
};

/* --- All of it --- */

struct lister {
    qom_property_fn *each;
    void *opaque;
};

static void list_feature(const char *name, void *opaque)
{
    const struct lister *lister = opaque;

    lister->each(&(struct qom_property){ .name = name, .type = "bool" }, lister->opaque);
}

static void model_properties(const void *data, qom_property_fn *each, void *opaque)
{
    const struct x86_cpu_model *model = data;
    struct lister lister = { each, opaque };

    for (size_t i = 0; i < G_N_ELEMENTS(own); i++) {
        each(&(struct qom_property){ .name = own[i].name, .type = own[i].type }, opaque);
    }
    for (const struct x86_cpu_option *option = x86_cpu_options; option->name; option++) {
        if (!option->max_only || (model && model->is_max)) {
            each(&(struct qom_property){ .name = option->name, .type = option->type }, opaque);
        }
    }
    x86_feature_names(NULL, list_feature, &lister);
    x86_feature_aliases(list_feature, &lister);
}

static const char *type(void *data)
{
    return x86_cpu_type_name(((const struct x86_cpu *)data)->model);
}

static void properties(void *data, qom_property_fn *each, void *opaque)
{
    model_properties(((const struct x86_cpu *)data)->model, each, opaque);
}

static JsonNode *get(void *data, const char *name, GError **error)
{
    const struct x86_cpu *cpu = data;

    for (size_t i = 0; i < G_N_ELEMENTS(own); i++) {
        if (strcmp(own[i].name, name) == 0) {
            return own[i].get(cpu);
        }
    }
    return x86_cpu_model_property(cpu->model, name);
}

const struct qom_class x86_cpu_object_class = { .type = type, .properties = properties, .get = get };

/* --- The types --- */

void x86_cpu_types_foreach(qom_type_fn *each, void *opaque)
{
    const struct x86_cpu_model *model = NULL;

    each(&(struct qom_type){ .name = "x86_64-cpu",
                                     .parent = "cpu",
                                     .abstract = true,
                                     .properties = model_properties },
         opaque);
    while ((model = x86_cpu_model_next(model))) {
        each(&(struct qom_type){ .name = x86_cpu_type_name(model),
                                         .parent = "x86_64-cpu",
                                         .properties = model_properties,
                                         .data = model },
             opaque);
    }
}
