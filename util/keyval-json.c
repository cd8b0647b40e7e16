/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options whose members the schema knows, as JSON: see keyval_to_json(). */
#include "util/keyval.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "util/json.h"

#define DEPTH_MAX 64 /* parts of a key; what follows is recursive */

static JsonNode *object_node(JsonObject *object)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, object);
    return node;
}

/* The object of that name, made if it is not there; NULL if something else has the name. */
static JsonObject *inner_object(JsonObject *outer, const char *name)
{
    JsonNode *node = json_object_get_member(outer, name);
    if (!node) {
        node = object_node(json_object_new());
        json_object_set_member(outer, name, node);
    }
    return JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

/* hostfwd=A,hostfwd=B: [ { "str": A }, { "str": B } ] */
static bool put_repeated(JsonObject *root, const char *key, const char *value, GError **error)
{
    JsonObject *item = json_object_new();
    if (!json_object_has_member(root, key)) {
        json_object_set_array_member(root, key, json_array_new());
    }
    JsonNode *list = json_object_get_member(root, key);
    json_object_set_member(item, "str", json_untyped_new(value));
    if (!JSON_NODE_HOLDS_ARRAY(list)) {
        json_object_unref(item);
        return error_setf(error, "parameter '%s' is a value here and has members elsewhere", key);
    }
    json_array_add_object_element(json_node_get_array(list), item);
    return true;
}

static bool put(const char *key, const char *value, void *opaque, GError **error)
{
    JsonObject *at = opaque;
    if (keyval_may_repeat(key)) {
        return put_repeated(at, key, value, error);
    }
    g_auto(GStrv) parts = g_strsplit(key, ".", -1);
    guint last = MAX(g_strv_length(parts), 1) - 1;
    for (guint i = 0; i < last && at; i++) {
        at = *parts[i] && last < DEPTH_MAX ? inner_object(at, parts[i]) : NULL;
    }
    if (!at || !*parts[last] || json_object_has_member(at, parts[last])) {
        return error_setf(error, "parameter '%s' (value '%s') contradicts the others, has an empty part or too many of them",
                          key, value);
    }
    json_object_set_member(at, parts[last], json_untyped_new(value));
    return true;
}

static bool is_list(JsonObject *object)
{
    g_autoptr(GList) members = json_object_get_members(object);
    for (GList *m = members; m; m = m->next) {
        const char *name = m->data;
        if (!*name || name[strspn(name, "0123456789")]) {
            return false;
        }
    }
    return members;
}

static bool lists_within(JsonObject *object, const char *path, GError **error);

/* The list that an object with numbers for keys stands for; NULL and an error if one is missing. */
static JsonNode *list_of(JsonObject *object, const char *path, GError **error)
{
    guint count = json_object_get_size(object);
    g_autoptr(JsonArray) array = json_array_new();
    for (guint i = 0; i < count; i++) {
        g_autofree char *name = g_strdup_printf("%u", i);
        if (!json_object_has_member(object, name)) {
            error_setf(error, "parameter '%s.%u' is missing: its list is numbered from 0", path, i);
            return NULL;
        }
        json_array_add_element(array, json_object_dup_member(object, name));
    }
    JsonNode *node = json_node_new(JSON_NODE_ARRAY);
    json_node_set_array(node, array);
    return node;
}

/* The object at `name`, or the list in its place. */
static bool settle(JsonObject *outer, const char *name, const char *path, GError **error)
{
    JsonObject *object = json_object_get_object_member(outer, name);
    if (!lists_within(object, path, error)) {
        return false;
    }
    if (!is_list(object)) {
        return true;
    }
    JsonNode *list = list_of(object, path, error);
    if (list) {
        json_object_set_member(outer, name, list);
    }
    return list;
}

static bool lists_within(JsonObject *object, const char *path, GError **error)
{
    g_autoptr(GList) members = json_object_get_members(object);
    for (GList *m = members; m; m = m->next) {
        g_autofree char *name = g_strdup(m->data), *full = g_strdup_printf("%s%s%s", path, *path ? "." : "", name);
        if (JSON_NODE_HOLDS_OBJECT(json_object_get_member(object, name)) && !settle(object, name, full, error)) {
            return false;
        }
    }
    return true;
}

static JsonNode *from_text(const char *option, const char *text, const char *implied, GError **error)
{
    struct keyval *kv = keyval_parse(option, text, implied, error);
    g_autoptr(JsonNode) node = object_node(json_object_new());
    if (!kv) {
        return NULL;
    }
    JsonObject *root = json_node_get_object(node);
    bool ok = keyval_foreach_unread(kv, put, root, error) && lists_within(root, "", error);
    keyval_free(kv);
    if (!ok) {
        g_prefix_error(error, "%s: ", option);
    }
    return ok ? g_steal_pointer(&node) : NULL;
}

JsonNode *keyval_to_json(const char *option, const char *text, const char *implied, GError **error)
{
    if (*text != '{') {
        return from_text(option, text, implied, error);
    }
    JsonNode *node = json_text_parse(text, strlen(text), error);
    if (!node) {
        g_prefix_error(error, "%s: ", option);
    }
    return node;
}
