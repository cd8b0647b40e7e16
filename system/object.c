/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/object.h"

#include <string.h>

#include "qapi/qapi-commands.h"
#include "system/object-types.h"
#include "util/keyval.h"

const struct object_type *const object_types[] = {
    &object_type_iothread,
    &object_type_memory_backend_file,
    &object_type_memory_backend_memfd,
    &object_type_memory_backend_ram,
    &object_type_rng_builtin,
    &object_type_rng_random,
    &object_type_secret,
    NULL,
};

static GPtrArray *objects; /* struct object *, in order */

const struct object_type *object_type_find(const char *name)
{
    for (const struct object_type *const *type = object_types; *type; type++) {
        if (!strcmp((*type)->name, name)) {
            return *type;
        }
    }
    return NULL;
}

static struct object *find(const char *id)
{
    for (guint i = 0; objects && i < objects->len; i++) {
        struct object *object = objects->pdata[i];
        if (!strcmp(object->id, id)) {
            return object;
        }
    }
    return NULL;
}

const struct object *object_find(const char *id)
{
    return find(id);
}

void object_foreach(bool (*each)(const struct object *object, void *opaque), void *opaque)
{
    for (guint i = 0; objects && i < objects->len && each(objects->pdata[i], opaque); i++) {
    }
}

/* A letter, then letters, digits and "-._": an id is part of a path. */
static bool check_id(const char *id, GError **error)
{
    bool good = g_ascii_isalpha(id[0]);
    for (const char *p = id; *p; p++) {
        good = good && (g_ascii_isalnum(*p) || strchr("-._", *p));
    }
    return good || error_setf(error, "id '%s' is not a letter followed by letters, digits, '-', '.' and '_'", id);
}

static bool check_new(const char *name, const char *id, const struct object_type *type, GError **error)
{
    if (!type) {
        return error_setf(error, "object type '%s' is not built in (-object help lists those that are)", name);
    }
    if (find(id)) {
        return error_setf(error, "object '%s' of type '%s': the id is in use already", id, name);
    }
    return check_id(id, error);
}

static void append(const struct object_type *type, const char *id)
{
    struct object *object = g_new0(struct object, 1);
    object->type = type;
    object->id = g_strdup(id);
    if (!objects) {
        objects = g_ptr_array_new();
    }
    g_ptr_array_add(objects, object);
}

bool object_create(const ObjectOptions *options, GError **error)
{
    const char *name = ObjectType_str(options->qom_type);
    const struct object_type *type = object_type_find(name);

    if (!check_new(name, options->id, type, error) || !type->create(options, error)) {
        return false;
    }
    append(type, options->id);
    return true;
}

bool object_create_from_option(const char *text, GError **error)
{
    g_autoptr(JsonNode) node = keyval_to_json("-object", text, "qom-type", error);
    ObjectOptions *options = node ? qapi_ObjectOptions_from_json(node, "", error) : NULL;
    bool ok = options && object_create(options, error);

    if (node && !ok) {
        g_prefix_error(error, "-object: "); /* not its text: it may hold a secret */
    }
    qapi_free_ObjectOptions(options);
    return ok;
}

bool object_delete(const char *id, GError **error)
{
    struct object *object = find(id);

    if (!object) {
        return error_setf(error, "object '%s' not found", id);
    }
    if (object->holders) {
        return error_setf(error, "object '%s' is in use, can not be deleted", id);
    }
    if (!object->type->destroy) {
        return error_setf(error, "object '%s': deleting a '%s' is not supported", id, object->type->name);
    }
    if (!object->type->destroy(id, error)) {
        return false;
    }
    g_ptr_array_remove(objects, object);
    g_free(object->id);
    g_free(object);
    return true;
}

bool object_hold(const char *id)
{
    struct object *object = find(id);
    if (object) {
        object->holders++;
    }
    return object != NULL;
}

void object_release(const char *id)
{
    struct object *object = find(id);
    g_assert(object && object->holders > 0);
    object->holders--;
}

char *object_help(const char *name)
{
    const struct object_type *type = name ? object_type_find(name) : NULL;
    GString *text = g_string_new(NULL);

    if (!name) {
        g_string_append(text, "List of user creatable objects:\n");
        for (const struct object_type *const *t = object_types; *t; t++) {
            g_string_append_printf(text, "  %-22s %s\n", (*t)->name, (*t)->description);
        }
    } else if (type) {
        g_string_append_printf(text, "%s options:\n", name);
        for (const struct object_property *p = type->properties; p->name; p++) {
            g_autofree char *left = g_strdup_printf("%s=<%s>", p->name, p->type);
            g_string_append_printf(text, "  %-22s - %s\n", left, p->description);
        }
    } else {
        g_string_free(text, TRUE);
        return NULL;
    }
    return g_string_free(text, FALSE);
}

void qmp_object_add(ObjectOptions *arguments, GError **error)
{
    object_create(arguments, error);
}

void qmp_object_del(const char *id, GError **error)
{
    object_delete(id, error);
}
