/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices and device types as QMP's qom-* commands see them: from the tables that -device and its help walk. */
#include <string.h>

#include "hw/core/internal.h"
#include "hw/core/objects.h"
#include "qapi/qapi-visit.h"

static bool is_realized(const struct device *dev)
{
    return dev->realized;
}

static bool is_hotplugged(const struct device *dev)
{
    return dev->hotplugged;
}

static bool is_hotpluggable(const struct device *dev)
{
    return dev->type->hotpluggable;
}

static const struct {
    const char *name;
    bool (*get)(const struct device *dev);
} common[] = {
    { "realized", is_realized },
    { "hotplugged", is_hotplugged },
    { "hotpluggable", is_hotpluggable },
};

void device_common_properties(const void *data, qom_property_fn *each, void *opaque)
{
    for (size_t i = 0; i < G_N_ELEMENTS(common); i++) {
        each(&(struct qom_property){ .name = common[i].name, .type = "bool" }, opaque);
    }
}

/* --- What a type has: the properties that are set, then those that are computed --- */

struct lister {
    qom_property_fn *each;
    void *opaque;
};

static void list_property(const struct property *property, void *opaque)
{
    const struct lister *lister = opaque;
    JsonNode *usual = property_default_json(property);

    lister->each(&(struct qom_property){ .name = property->name,
                                            .type = property_kind_name(property->kind),
                                            .description = property->description,
                                            .default_value = usual },
                 lister->opaque);
    g_clear_pointer(&usual, json_node_unref);
}

static void type_properties(const void *data, qom_property_fn *each, void *opaque)
{
    const struct device_type *type = data;
    struct lister lister = { each, opaque };

    device_common_properties(NULL, each, opaque);
    property_foreach(type, list_property, &lister);
    for (const struct dynamic_property *p = type->dynamic; p && p->name; p++) {
        each(&(struct qom_property){ .name = p->name, .type = p->type }, opaque);
    }
}

/* --- A device --- */

static const char *object_type(void *data)
{
    return ((const struct device *)data)->type->name;
}

static void without_default(const struct qom_property *property, void *opaque)
{
    const struct lister *lister = opaque;
    struct qom_property present = *property;

    present.default_value = NULL;
    lister->each(&present, lister->opaque);
}

static void object_properties_of(void *data, qom_property_fn *each, void *opaque)
{
    struct lister lister = { each, opaque };

    type_properties(((const struct device *)data)->type, without_default, &lister);
}

static const struct dynamic_property *dynamic_find(const struct device *dev, const char *name)
{
    for (const struct dynamic_property *p = dev->type->dynamic; p && p->name; p++) {
        if (strcmp(p->name, name) == 0) {
            return p;
        }
    }
    return NULL;
}

static JsonNode *get(void *data, const char *name, GError **error)
{
    struct device *dev = data;
    const struct dynamic_property *dynamic = dynamic_find(dev, name);

    for (size_t i = 0; i < G_N_ELEMENTS(common); i++) {
        if (strcmp(common[i].name, name) == 0) {
            return qapi_node_bool(common[i].get(dev));
        }
    }
    return dynamic ? dynamic->get(dev, error) : property_json(dev, property_find(dev->type, name));
}

static bool set(void *data, const char *name, JsonNode *value, GError **error)
{
    struct device *dev = data;
    const struct dynamic_property *dynamic = dynamic_find(dev, name);

    if (dynamic && dynamic->set) {
        return dynamic->set(dev, value, error);
    }
    if (!property_find(dev->type, name)) {
        return error_setf(error, "Property '%s.%s' is not writable", dev->type->name, name);
    }
    return error_setf(error, "Attempt to set property '%s' on device '%s' (type '%s') after it was realized", name,
                      device_id_text(dev), dev->type->name);
}

const struct qom_class device_object_class = {
    .type = object_type,
    .properties = object_properties_of,
    .get = get,
    .set = set,
};

/* --- The types --- */

static void bus_device_properties(const void *data, qom_property_fn *each, void *opaque)
{
    const struct bus_type *bus = data;
    struct lister lister = { each, opaque };

    device_common_properties(NULL, each, opaque);
    for (const struct property *p = bus->device_properties; p && p->name; p++) {
        list_property(p, &lister);
    }
}

struct type_lister {
    qom_type_fn *each;
    void *opaque;
};

static void list_bus_device(const struct bus_type *bus, void *opaque)
{
    const struct type_lister *lister = opaque;

    lister->each(&(struct qom_type){ .name = bus->device_type,
                                             .parent = "device",
                                             .abstract = true,
                                             .properties = bus_device_properties,
                                             .data = bus },
                 lister->opaque);
}

static void list_type(const struct device_type *type, qom_type_fn *each, void *opaque)
{
    const struct bus_type *bus = type->bus ? bus_type_find(type->bus) : system_bus.type;
    int depth = 0;

    g_assert(bus); /* board_types_register() knows the buses of all types */
    const char *parent = bus->device_type;

    while (type->parents && type->parents[depth]) {
        depth++;
    }
    while (depth--) {
        each(&(struct qom_type){ .name = type->parents[depth],
                                         .parent = parent,
                                         .abstract = true,
                                         .properties = bus_device_properties,
                                         .data = bus },
             opaque);
        parent = type->parents[depth];
    }
    each(&(struct qom_type){ .name = type->name,
                                     .parent = parent,
                                     .properties = type_properties,
                                     .data = type },
         opaque);
}

void device_types_foreach(qom_type_fn *each, void *opaque)
{
    struct type_lister lister = { each, opaque };

    bus_type_foreach(list_bus_device, &lister);
    for (const struct device_type *const *type = device_types(); *type; type++) {
        list_type(*type, each, opaque);
    }
}
