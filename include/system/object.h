/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What -object and object-add make: objects by id, /objects/ID in the object tree. The types are one table
 * (system/object.c); a room that adds one defines its struct object_type and a row there. Big lock held for all of
 * these.
 */
#ifndef FERRY_SYSTEM_OBJECT_H
#define FERRY_SYSTEM_OBJECT_H

#include "util/error.h"

struct ObjectOptions; /* the schema's */
struct _JsonNode;     /* json-glib's */

struct object_property {
    const char *name;
    const char *type; /* QAPI's: "bool", "size", "str", an enumeration's name */
    const char *description;
};

struct object_type {
    const char *name;        /* "iothread" */
    const char *parent;      /* "object", or QEMU's abstract type above it: "memory-backend", "rng-backend" */
    const char *description; /* a line for -object help */
    const struct object_property *properties; /* ends with a nameless one; "id" and "qom-type" are everyone's */
    /* Of the options' branch of that name (qapi/object.json). */
    bool (*create)(const struct ObjectOptions *options, GError **error);
    /* False while somebody uses it. Not called while it is held (object_hold). NULL: it cannot be deleted. */
    bool (*destroy)(const char *id, GError **error);
    /* The value of one of `properties`; NULL for a type without any. */
    struct _JsonNode *(*get)(const char *id, const char *property, GError **error);
};

struct object {
    const struct object_type *type;
    char *id;
    int holders;
};

/* NULL-terminated. */
extern const struct object_type *const object_types[];
const struct object_type *object_type_find(const char *name);

/* From the arguments of object-add, or -object's text. */
bool object_create(const struct ObjectOptions *options, GError **error);
bool object_create_from_option(const char *text, GError **error);
/* Refused, by name, if it does not exist, is in use, or cannot be deleted. */
bool object_delete(const char *id, GError **error);
const struct object *object_find(const char *id);
/* In the order in which they were made, until `each` returns false. */
void object_foreach(bool (*each)(const struct object *object, void *opaque), void *opaque);
/* A user by id; false if there is no such object. */
bool object_hold(const char *id);
void object_release(const char *id);
/* -object help (type NULL), -object TYPE,help; NULL if there is no such type. */
char *object_help(const char *type);

#endif
