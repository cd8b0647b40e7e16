/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON values to C and back, for the generated marshalling. Messages are worded as QMP clients know them. */
#include "qapi/qapi-visit.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "util/error.h"
#include "util/json.h"
#include "util/keyval.h"

char *qapi_path(const char *path, const char *member)
{
    return *path ? g_strdup_printf("%s.%s", path, member) : g_strdup(member);
}

bool qapi_wrong_type(const char *path, const char *expected, GError **error)
{
    return error_setf(error, "Invalid parameter type for '%s', expected: %s", *path ? path : "arguments", expected);
}

void qapi_missing(const char *path, GError **error)
{
    error_setf(error, "Parameter '%s' is missing", path);
}

bool qapi_check_names(JsonObject *object, const char *path, const char *const *names, const char *const *more,
                      GError **error)
{
    g_autoptr(GList) members = json_object_get_members(object);
    for (GList *m = members; m; m = m->next) {
        if (!g_strv_contains(names, m->data) && !(more && g_strv_contains(more, m->data))) {
            g_autofree char *full = qapi_path(path, m->data);
            return error_setf(error, "Parameter '%s' is unexpected", full);
        }
    }
    return true;
}

JsonObject *qapi_parse_object(JsonNode *node, const char *path, const char *const *names, GError **error)
{
    if (!node) {
        /* No arguments at all: an empty object that outlives this call. */
        static JsonObject *empty;
        if (!empty) {
            empty = json_object_new();
        }
        return empty;
    }
    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        qapi_wrong_type(path, "object", error);
        return NULL;
    }
    JsonObject *object = json_node_get_object(node);
    return !names || qapi_check_names(object, path, names, NULL, error) ? object : NULL;
}

JsonArray *qapi_parse_array(JsonNode *node, const char *path, GError **error)
{
    if (!JSON_NODE_HOLDS_ARRAY(node)) {
        qapi_wrong_type(path, "array", error);
        return NULL;
    }
    return json_node_get_array(node);
}

static bool holds(JsonNode *node, GType type)
{
    return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type && !json_uint64_is_big(node);
}

bool qapi_node_is(JsonNode *node, enum qapi_json_type type)
{
    switch (type) {
    case QAPI_JSON_STRING:
        return holds(node, G_TYPE_STRING);
    case QAPI_JSON_BOOL:
        return holds(node, G_TYPE_BOOLEAN);
    case QAPI_JSON_NUMBER:
        return holds(node, G_TYPE_INT64) || holds(node, G_TYPE_DOUBLE) || json_uint64_is_big(node);
    case QAPI_JSON_NULL:
        return JSON_NODE_HOLDS_NULL(node);
    case QAPI_JSON_ARRAY:
        return JSON_NODE_HOLDS_ARRAY(node);
    case QAPI_JSON_OBJECT:
        return JSON_NODE_HOLDS_OBJECT(node);
    }
    return false;
}

bool qapi_parse_null(JsonNode *node, const char *path, bool *value, GError **error)
{
    *value = JSON_NODE_HOLDS_NULL(node);
    return *value || qapi_wrong_type(path, "null", error);
}

/* NULL and an error if it is none. */
static const char *string_text(JsonNode *node, const char *path, GError **error)
{
    const char *untyped = json_untyped_text(node);
    if (!holds(node, G_TYPE_STRING)) {
        qapi_wrong_type(path, "string", error);
        return NULL;
    }
    return untyped ? untyped : json_node_get_string(node);
}

bool qapi_parse_str(JsonNode *node, const char *path, char **value, GError **error)
{
    *value = g_strdup(string_text(node, path, error));
    return *value;
}

bool qapi_parse_enum(JsonNode *node, const char *path, const char *const *table, int count, int *value, GError **error)
{
    const char *text = string_text(node, path, error);
    if (!text) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (strcmp(text, table[i]) == 0) {
            *value = i;
            return true;
        }
    }
    GString *known = g_string_new(NULL);
    for (int i = 0; i < count; i++) {
        g_string_append_printf(known, "%s'%s'", i ? ", " : "", table[i]);
    }
    error_setf(error, "Parameter '%s' does not accept value '%s', expected %s%s", path, text, count > 1 ? "one of " : "",
               known->str);
    g_string_free(known, TRUE);
    return false;
}

bool qapi_parse_bool(JsonNode *node, const char *path, bool *value, GError **error)
{
    const char *untyped = json_untyped_text(node);
    if (untyped) {
        return parse_bool(path, untyped, value, error);
    }
    if (!holds(node, G_TYPE_BOOLEAN)) {
        return qapi_wrong_type(path, "boolean", error);
    }
    *value = json_node_get_boolean(node);
    return true;
}

/* Whatever its size, for messages; NULL if it is no integer. Caller frees. */
static char *integer_text(JsonNode *node)
{
    uint64_t big;
    if (json_uint64_is_big(node) && json_uint64_get(node, &big)) {
        return g_strdup_printf("%" PRIu64, big);
    }
    return holds(node, G_TYPE_INT64) ? g_strdup_printf("%" PRId64, json_node_get_int(node)) : NULL;
}

static bool parse_untyped_int(const char *text, const char *path, int64_t min, int64_t max, int64_t *value,
                              GError **error)
{
    bool number = g_ascii_isdigit(text[*text == '-']);
    char *end;
    errno = 0;
    *value = g_ascii_strtoll(text, &end, 0);
    return (number && !*end && !errno && *value >= min && *value <= max) ||
           error_setf(error, "Parameter '%s' expects a number from %" PRId64 " to %" PRId64 ", not '%s'", path, min, max,
                      text);
}

bool qapi_parse_int(JsonNode *node, const char *path, int64_t min, int64_t max, int64_t *value, GError **error)
{
    if (json_untyped_text(node)) {
        return parse_untyped_int(json_untyped_text(node), path, min, max, value, error);
    }
    g_autofree char *text = integer_text(node);
    if (!text) {
        return qapi_wrong_type(path, "integer", error);
    }
    *value = holds(node, G_TYPE_INT64) ? json_node_get_int(node) : 0;
    if (json_uint64_is_big(node) || *value < min || *value > max) {
        return error_setf(error, "Parameter '%s' is %s, expected %" PRId64 " to %" PRId64, path, text, min, max);
    }
    return true;
}

bool qapi_parse_uint(JsonNode *node, const char *path, uint64_t *value, GError **error)
{
    if (json_untyped_text(node)) {
        return parse_uint(path, json_untyped_text(node), value, UINT64_MAX, error);
    }
    g_autofree char *text = integer_text(node);
    if (!text) {
        return qapi_wrong_type(path, "integer", error);
    }
    if (!json_uint64_get(node, value)) {
        return error_setf(error, "Parameter '%s' is %s, expected 0 to %" PRIu64, path, text, UINT64_MAX);
    }
    return true;
}

bool qapi_parse_size(JsonNode *node, const char *path, uint64_t *value, GError **error)
{
    const char *untyped = json_untyped_text(node);
    return untyped ? parse_size(path, untyped, value, 'B', error) : qapi_parse_uint(node, path, value, error);
}

static bool parse_untyped_number(const char *text, const char *path, double *value, GError **error)
{
    char *end;
    errno = 0;
    *value = g_ascii_strtod(text, &end);
    return (*text && !*end && !errno) || error_setf(error, "Parameter '%s' expects a number, not '%s'", path, text);
}

bool qapi_parse_number(JsonNode *node, const char *path, double *value, GError **error)
{
    uint64_t big;
    if (json_untyped_text(node)) {
        return parse_untyped_number(json_untyped_text(node), path, value, error);
    }
    if (!qapi_node_is(node, QAPI_JSON_NUMBER)) {
        return qapi_wrong_type(path, "number", error);
    }
    *value = json_uint64_is_big(node) && json_uint64_get(node, &big) ? (double)big : json_node_get_double(node);
    return true;
}

JsonNode *qapi_node_object(JsonObject *object)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, object);
    return node;
}

JsonNode *qapi_node_array(JsonArray *array)
{
    JsonNode *node = json_node_new(JSON_NODE_ARRAY);
    json_node_take_array(node, array);
    return node;
}

JsonNode *qapi_node_str(const char *value)
{
    return json_node_init_string(json_node_alloc(), value ? value : "");
}

JsonNode *qapi_node_bool(bool value)
{
    return json_node_init_boolean(json_node_alloc(), value);
}

JsonNode *qapi_node_int(int64_t value)
{
    return json_node_init_int(json_node_alloc(), value);
}

JsonNode *qapi_node_uint(uint64_t value)
{
    return json_uint64_new(value);
}

JsonNode *qapi_node_number(double value)
{
    return json_node_init_double(json_node_alloc(), value);
}
