/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP's qom-* commands and device-list-properties. */
#include <string.h>

#include "qapi/qapi-commands.h"
#include "qom/qom.h"

static void add_property(const struct qom_property *property, void *opaque)
{
    ObjectPropertyInfo *info = g_new0(ObjectPropertyInfo, 1);

    info->name = g_strdup(property->name);
    info->type = g_strdup(property->type);
    info->description = g_strdup(property->description);
    info->default_value = property->default_value ? json_node_copy(property->default_value) : NULL;
    g_ptr_array_add(opaque, info);
}

GPtrArray *qmp_qom_list(const char *path, GError **error)
{
    struct qom_object object;

    if (!qom_resolve(path, &object, error)) {
        return NULL;
    }
    GPtrArray *list = qapi_list_of_ObjectPropertyInfo_new();
    qom_properties(&object, add_property, list);
    return list;
}

JsonNode *qmp_qom_get(const char *path, const char *property, GError **error)
{
    struct qom_object object;

    return qom_resolve(path, &object, error) ? qom_get(&object, property, error) : NULL;
}

void qmp_qom_set(const char *path, const char *property, JsonNode *value, GError **error)
{
    struct qom_object object;

    if (qom_resolve(path, &object, error)) {
        qom_set(&object, property, value, error);
    }
}

/* --- Types --- */

struct type_filter {
    GPtrArray *list;
    const char *implements; /* or NULL */
    bool abstract;
};

static void add_type(const struct qom_type *type, void *opaque)
{
    const struct type_filter *filter = opaque;

    if ((type->abstract && !filter->abstract) ||
        (filter->implements && !qom_type_is(type->name, filter->implements))) {
        return;
    }
    ObjectTypeInfo *info = g_new0(ObjectTypeInfo, 1);
    info->name = g_strdup(type->name);
    info->parent = g_strdup(type->parent);
    info->has_abstract = info->abstract = type->abstract;
    g_ptr_array_add(filter->list, info);
}

GPtrArray *qmp_qom_list_types(const char *implements, bool has_abstract, bool abstract, GError **error)
{
    struct type_filter filter = { qapi_list_of_ObjectTypeInfo_new(), implements, has_abstract && abstract };

    qom_types_foreach(add_type, &filter);
    return filter.list;
}

GPtrArray *qmp_qom_list_properties(const char *typename, GError **error)
{
    struct qom_type type;

    if (!qom_type_find(typename, &type)) {
        error_set_class(error, FERRY_ERROR_DEVICE_NOT_FOUND, "Class '%s' not found", typename);
        return NULL;
    }
    GPtrArray *list = qapi_list_of_ObjectPropertyInfo_new();
    add_property(&(struct qom_property){ .name = "type", .type = "string" }, list);
    if (type.properties) {
        type.properties(type.data, add_property, list);
    }
    return list;
}

/* What every device has is not worth telling of a type. */
static void add_particular(const struct qom_property *property, void *opaque)
{
    static const char *const common[] = { "realized", "hotplugged", "hotpluggable", NULL };

    if (!g_strv_contains(common, property->name)) {
        add_property(property, opaque);
    }
}

GPtrArray *qmp_device_list_properties(const char *typename, GError **error)
{
    struct qom_type type;

    if (!qom_type_find(typename, &type)) {
        error_set_class(error, FERRY_ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", typename);
        return NULL;
    }
    if (type.abstract || !qom_type_is(typename, "device")) {
        error_setf(error, "Parameter 'typename' expects a non-abstract device type, not '%s'", typename);
        return NULL;
    }
    GPtrArray *list = qapi_list_of_ObjectPropertyInfo_new();
    if (type.properties) {
        type.properties(type.data, add_particular, list);
    }
    return list;
}
