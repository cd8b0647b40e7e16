/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP's queries about CPU models, from the tables that -cpu is parsed by. */
#include "target/i386/cpu-queries.h"

#include <string.h>

#include "accel/accel.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-visit.h"
#include "target/i386/cpu-models.h"
#include "target/i386/cpu-object.h"
#include "util/keyval.h"

static JsonNode *option_json(const struct x86_cpu_options *options, const struct x86_cpu_option *option)
{
    switch (option->kind) {
    case X86_CPU_BOOL:
        return qapi_node_bool(x86_cpu_option_bool(options, option));
    case X86_CPU_NUMBER:
        return qapi_node_int(x86_cpu_option_number(options, option));
    default:
        return qapi_node_str(x86_cpu_option_string(options, option));
    }
}

JsonNode *x86_cpu_model_property(const struct x86_cpu_model *model, const char *name)
{
    const struct x86_cpu_option *option = x86_cpu_option_find(name);
    enum x86_feature_word word;
    uint32_t mask;

    if (option) {
        return option_json(&model->options, option);
    }
    if (!x86_feature_find(name, &word, &mask)) {
        return NULL;
    }
    return qapi_node_bool((model->features.words[word] & mask) == mask);
}

/* --- query-cpu-definitions --- */

static void add_name(const char *name, void *opaque)
{
    g_ptr_array_add(opaque, g_strdup(name));
}

static GPtrArray *unavailable(const struct x86_cpu_model *model)
{
    GPtrArray *list = qapi_list_of_str_new();
    char *none[] = { NULL };
    struct x86_cpu_model *made = x86_cpu_model_make(model->name, none, NULL);

    if (made) {
        x86_feature_names(&made->missing, add_name, list);
    } else { /* of the table's models only `host` can fail, for want of KVM */
        add_name("kvm", list);
    }
    g_free(made);
    return list;
}

GPtrArray *qmp_query_cpu_definitions(GError **error)
{
    GPtrArray *list = qapi_list_of_CpuDefinitionInfo_new();
    const struct x86_cpu_model *model = NULL;

    while ((model = x86_cpu_model_next(model))) {
        CpuDefinitionInfo *info = g_new0(CpuDefinitionInfo, 1);
        info->name = g_strdup(model->name);
        info->typename = g_strdup(x86_cpu_type_name(model));
        info->has_migration_safe = true;
        info->migration_safe = !model->is_max;
        info->q_static = model->is_static;
        info->unavailable_features = unavailable(model);
        g_ptr_array_add(list, info);
    }
    return list;
}

/* --- query-cpu-model-expansion --- */

/* A property as -cpu would spell its value; NULL and an error if the type is not the property's. */
static char *setting_text(const char *name, JsonNode *value, GError **error)
{
    const struct x86_cpu_option *option = x86_cpu_option_find(name);
    enum x86_cpu_option_kind kind = option ? option->kind : X86_CPU_BOOL;
    int64_t number;
    char *text = NULL;
    bool on;

    if (kind == X86_CPU_BOOL) {
        return qapi_parse_bool(value, name, &on, error) ? g_strdup(on ? "on" : "off") : NULL;
    }
    if (kind == X86_CPU_NUMBER) {
        return qapi_parse_int(value, name, 0, INT64_MAX, &number, error)
                   ? g_strdup_printf("%" G_GINT64_FORMAT, number)
                   : NULL;
    }
    return qapi_parse_str(value, name, &text, error) ? text : NULL;
}

static bool property_exists(const struct x86_cpu_model *model, const char *name)
{
    const struct x86_cpu_option *option = x86_cpu_option_find(name);
    enum x86_feature_word word;
    uint32_t mask;

    return option ? !option->max_only || model->is_max : x86_feature_find(name, &word, &mask);
}

/* name, text, name, text, …; NULL and an error */
static GPtrArray *settings_of(const struct x86_cpu_model *model, JsonNode *props, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

    if (props && !JSON_NODE_HOLDS_OBJECT(props)) {
        error_setf(error, "Invalid parameter type for 'model.props', expected: object");
        return NULL;
    }
    g_autoptr(GList) names = props ? json_object_get_members(json_node_get_object(props)) : NULL;
    for (GList *n = names; n; n = n->next) {
        if (!property_exists(model, n->data)) {
            error_setf(error, "Property '%s.%s' not found", x86_cpu_type_name(model), (char *)n->data);
            return NULL;
        }
        char *text = setting_text(n->data, json_object_get_member(json_node_get_object(props), n->data), error);
        if (!text) {
            return NULL;
        }
        g_ptr_array_add(list, g_strdup(n->data));
        g_ptr_array_add(list, text);
    }
    g_ptr_array_add(list, NULL);
    return g_steal_pointer(&list);
}

struct expansion {
    const struct x86_cpu_model *model;
    JsonObject *props;
};

static void add_feature(const char *name, void *opaque)
{
    const struct expansion *expansion = opaque;

    json_object_set_member(expansion->props, name, x86_cpu_model_property(expansion->model, name));
}

/*
 * Static: by which `base` becomes this model, the same wherever it is asked for: features and what the processor says
 * it is. Full: every property.
 */
static JsonObject *expand(const struct x86_cpu_model *model, bool full)
{
    struct expansion expansion = { model, json_object_new() };

    for (const struct x86_cpu_option *option = x86_cpu_options; option->name; option++) {
        if (option->identity || (full && property_exists(model, option->name))) {
            add_feature(option->name, &expansion);
        }
    }
    x86_feature_names(NULL, add_feature, &expansion);
    if (full) {
        x86_feature_aliases(add_feature, &expansion);
    }
    return expansion.props;
}

CpuModelExpansionInfo *qmp_query_cpu_model_expansion(CpuModelExpansionType type, CpuModelInfo *model,
                                                     GError **error)
{
    const struct x86_cpu_model *base = x86_cpu_model_find(model->name);
    bool full = type == CPU_MODEL_EXPANSION_TYPE_FULL;

    if (!base) {
        error_setf(error, "CPU model '%s' not found", model->name);
        return NULL;
    }
    g_autoptr(GPtrArray) settings = settings_of(base, model->props, error);
    struct x86_cpu_model *made =
        settings ? x86_cpu_model_make(x86_cpu_model_to_expand(base)->name, (char **)settings->pdata, error) : NULL;
    if (!made) {
        return NULL;
    }
    CpuModelExpansionInfo *info = g_new0(CpuModelExpansionInfo, 1);
    info->model = g_new0(CpuModelInfo, 1);
    info->model->name = g_strdup(full ? base->name : "base");
    info->model->props = qapi_node_object(expand(made, full));
    g_free(made);
    return info;
}
