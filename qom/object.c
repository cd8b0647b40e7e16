/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An object's properties, whatever kind of thing it is: by name, with children and type among them. */
#include <string.h>

#include "qapi/qapi-visit.h"
#include "qom/qom.h"

struct child_lister {
    qom_property_fn *each;
    void *opaque;
};

static void list_child(const char *name, struct qom_object child, void *opaque)
{
    const struct child_lister *lister = opaque;
    g_autofree char *type = g_strdup_printf("child<%s>", child.class->type(child.data));

    lister->each(&(struct qom_property){ .name = name, .type = type }, lister->opaque);
}

void qom_properties(const struct qom_object *object, qom_property_fn *each, void *opaque)
{
    struct child_lister lister = { each, opaque };

    each(&(struct qom_property){ .name = "type", .type = "string" }, opaque);
    if (object->class->properties) {
        object->class->properties(object->data, each, opaque);
    }
    if (object->class->children) {
        object->class->children(object->data, list_child, &lister);
    }
}

/* --- Finding one --- */

enum property_place { PLACE_NONE, PLACE_TYPE, PLACE_OWN, PLACE_CHILD };

struct search {
    const char *name;
    bool found;
    void *child;
};

static void match_property(const struct qom_property *property, void *opaque)
{
    struct search *search = opaque;

    search->found |= strcmp(property->name, search->name) == 0;
}

static void match_child(const char *name, struct qom_object child, void *opaque)
{
    struct search *search = opaque;

    if (strcmp(name, search->name) == 0) {
        search->found = true;
        search->child = child.data;
    }
}

static enum property_place find(const struct qom_object *object, const char *name, void **child, GError **error)
{
    struct search search = { .name = name };

    if (strcmp(name, "type") == 0) {
        return PLACE_TYPE;
    }
    if (object->class->properties) {
        object->class->properties(object->data, match_property, &search);
    }
    if (search.found) {
        return PLACE_OWN;
    }
    if (object->class->children) {
        object->class->children(object->data, match_child, &search);
    }
    if (search.found) {
        *child = search.child;
        return PLACE_CHILD;
    }
    error_setf(error, "Property '%s.%s' not found", object->class->type(object->data), name);
    return PLACE_NONE;
}

JsonNode *qom_get(const struct qom_object *object, const char *property, GError **error)
{
    void *child = NULL;

    switch (find(object, property, &child, error)) {
    case PLACE_TYPE:
        return qapi_node_str(object->class->type(object->data));
    case PLACE_OWN:
        return object->class->get(object->data, property, error);
    case PLACE_CHILD: {
        g_autofree char *path = qom_path(child);
        return qapi_node_str(path);
    }
    default:
        return NULL;
    }
}

bool qom_set(const struct qom_object *object, const char *property, JsonNode *value, GError **error)
{
    void *child = NULL;
    enum property_place place = find(object, property, &child, error);

    if (place == PLACE_NONE) {
        return false;
    }
    if (place != PLACE_OWN || !object->class->set) {
        return error_setf(error, "Property '%s.%s' is not writable", object->class->type(object->data), property);
    }
    return object->class->set(object->data, property, value, error);
}
