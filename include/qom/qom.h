/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tree of objects that QMP's qom-* commands walk, and the types that it is made of. Both are views: made when
 * asked for, of the tables of devices, vCPUs, machine types and -object objects; nothing is kept here. A kind of thing
 * tells what it is by one `struct qom_class`, its types by one function. Big lock held throughout.
 */
#ifndef FERRY_QOM_QOM_H
#define FERRY_QOM_QOM_H

#include <json-glib/json-glib.h>
#include <stdbool.h>

#include "util/error.h"

/* Of an object or of a type. The strings need live only as long as the call that gets it. */
struct qom_property {
    const char *name, *type;  /* as QMP prints it: "bool", "uint32", "str", … */
    const char *description;  /* or NULL */
    JsonNode *default_value;  /* the caller of `each` keeps it; NULL: none */
};
typedef void qom_property_fn(const struct qom_property *property, void *opaque);

/* A node of the tree. */
struct qom_object {
    const struct qom_class *class;
    void *data; /* the device, the vCPU, … : what the class knows how to look into */
};
typedef void qom_child_fn(const char *name, struct qom_object child, void *opaque);

struct qom_class {
    const char *(*type)(void *data);
    void (*properties)(void *data, qom_property_fn *each, void *opaque); /* NULL: none */
    void (*children)(void *data, qom_child_fn *each, void *opaque);      /* NULL: none */
    /* Only for properties that the object has. The caller frees the node; NULL and an error: no value now. */
    JsonNode *(*get)(void *data, const char *property, GError **error);
    /* NULL: nothing can be set. */
    bool (*set)(void *data, const char *property, JsonNode *value, GError **error);
};

/* "/machine/peripheral/balloon0", or the end of one if only one object has it: "balloon0". */
bool qom_resolve(const char *path, struct qom_object *object, GError **error);
/* Where the object with this data is; the caller frees. NULL: nowhere. */
char *qom_path(const void *data);
/* Type, properties and children, each as a property; a child's type is "child<TYPE>". */
void qom_properties(const struct qom_object *object, qom_property_fn *each, void *opaque);
JsonNode *qom_get(const struct qom_object *object, const char *property, GError **error);
bool qom_set(const struct qom_object *object, const char *property, JsonNode *value, GError **error);

/* --- Types --- */

struct qom_type {
    const char *name, *parent; /* for as long as the program runs; the parent of "object": NULL */
    bool abstract;             /* nothing can be of just this type */
    /* What objects of this type have beside "type", with defaults; NULL: nothing. */
    void (*properties)(const void *data, qom_property_fn *each, void *opaque);
    const void *data;
};
typedef void qom_type_fn(const struct qom_type *type, void *opaque);

void qom_types_foreach(qom_type_fn *each, void *opaque);
bool qom_type_find(const char *name, struct qom_type *type);
/* Is `name` this type, or one that descends from it? */
bool qom_type_is(const char *name, const char *ancestor);

#endif
