/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -object's objects and types, from the table of system/object.c. */
#include "qom/user-object.h"

#include "system/object.h"

static void list(const struct object_property *properties, qom_property_fn *each, void *opaque)
{
    for (const struct object_property *p = properties; p && p->name; p++) {
        each(&(struct qom_property){ .name = p->name, .type = p->type, .description = p->description }, opaque);
    }
}

static const char *type(void *data)
{
    return ((const struct object *)data)->type->name;
}

static void properties_of(void *data, qom_property_fn *each, void *opaque)
{
    list(((const struct object *)data)->type->properties, each, opaque);
}

static JsonNode *get(void *data, const char *property, GError **error)
{
    const struct object *object = data;

    return object->type->get(object->id, property, error);
}

static const struct qom_class user_object_class = { .type = type, .properties = properties_of, .get = get };

struct child_lister {
    qom_child_fn *each;
    void *opaque;
};

static bool list_object(const struct object *object, void *opaque)
{
    const struct child_lister *lister = opaque;

    lister->each(object->id, (struct qom_object){ &user_object_class, (void *)object }, lister->opaque);
    return true;
}

void user_objects_foreach(qom_child_fn *each, void *opaque)
{
    struct child_lister lister = { each, opaque };

    object_foreach(list_object, &lister);
}

static void type_properties(const void *data, qom_property_fn *each, void *opaque)
{
    list(((const struct object_type *)data)->properties, each, opaque);
}

void user_object_types_foreach(qom_type_fn *each, void *opaque)
{
    for (const struct object_type *const *one = object_types; *one; one++) {
        each(&(struct qom_type){ .name = (*one)->parent, .parent = "object", .abstract = true }, opaque);
        each(&(struct qom_type){ .name = (*one)->name, .parent = (*one)->parent, .properties = type_properties,
                                 .data = *one },
             opaque);
    }
}
