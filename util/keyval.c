/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <json-glib/json-glib.h>
#include <string.h>

#include "util/keyval.h"

#include "util/json.h"

struct pair {
    char *key, *value;
    bool read;
};

struct keyval {
    char *option;
    GArray *pairs; /* struct pair, in order */
};

/* Options that a user may well give more than once; for all others a second value is a mistake. */
static const char *const repeatable[] = { "hostfwd", "guestfwd", "dnssearch", NULL };

bool keyval_may_repeat(const char *key)
{
    return g_strv_contains(repeatable, key);
}

static void pair_clear(gpointer opaque)
{
    struct pair *pair = opaque;
    g_free(pair->key);
    g_free(pair->value);
}

static struct pair *keyval_find(struct keyval *kv, const char *key)
{
    for (guint i = 0; i < kv->pairs->len; i++) {
        struct pair *pair = &g_array_index(kv->pairs, struct pair, i);
        if (!strcmp(pair->key, key)) {
            return pair;
        }
    }
    return NULL;
}

/* Takes key and value over. */
static bool keyval_append(struct keyval *kv, char *key, char *value, GError **error)
{
    struct pair pair = { .key = key, .value = value };
    if (!*key) {
        error_setf(error, "%s: a parameter without a name (value '%s')", kv->option, value);
    } else if (keyval_find(kv, key) && !keyval_may_repeat(key)) {
        error_setf(error, "%s: parameter '%s' is given twice", kv->option, key);
    } else {
        g_array_append_val(kv->pairs, pair);
        return true;
    }
    pair_clear(&pair);
    return false;
}

/* The text up to the next single comma, with ",," made ","; *text moves behind that comma. */
static char *take_value(const char **text)
{
    GString *value = g_string_new(NULL);
    const char *p = *text;
    for (; *p; p++) {
        if (*p == ',') {
            if (p[1] != ',') {
                break;
            }
            p++;
        }
        g_string_append_c(value, *p);
    }
    *text = *p ? p + 1 : p;
    return g_string_free(value, FALSE);
}

static bool parse_text(struct keyval *kv, const char *text, const char *implied, GError **error)
{
    for (bool first = true; *text; first = false) {
        size_t length = strcspn(text, "=,");
        char *key, *value;
        if (text[length] == '=') {
            key = g_strndup(text, length);
            text += length + 1;
            value = take_value(&text);
        } else if (first && implied && strcmp(text, "help") && strcmp(text, "?")) {
            key = g_strdup(implied);
            value = take_value(&text);
        } else {
            key = take_value(&text);
            bool off = g_str_has_prefix(key, "no") && key[2] && key[2] != '-'; /* "nodelay" is delay=off */
            if (off) {
                memmove(key, key + 2, strlen(key + 2) + 1);
            } else if (!strcmp(key, "?")) {
                g_free(key);
                key = g_strdup("help");
            }
            value = g_strdup(off ? "off" : "on");
        }
        if (!keyval_append(kv, key, value, error)) {
            return false;
        }
    }
    return true;
}

static bool append_json(struct keyval *kv, const char *prefix, JsonNode *node, int depth, GError **error);

static char *scalar_text(JsonNode *node)
{
    switch (json_node_get_value_type(node)) {
    case G_TYPE_BOOLEAN:
        return g_strdup(json_node_get_boolean(node) ? "on" : "off");
    case G_TYPE_INT64:
        return g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(node));
    case G_TYPE_DOUBLE: {
        char buffer[G_ASCII_DTOSTR_BUF_SIZE];
        return g_strdup(g_ascii_dtostr(buffer, sizeof(buffer), json_node_get_double(node)));
    }
    default:
        /* Without the byte that marks an integer above INT64_MAX. */
        return g_strdup(json_node_get_string(node) + json_uint64_is_big(node));
    }
}

static bool append_json_object(struct keyval *kv, const char *prefix, JsonObject *object, int depth, GError **error)
{
    g_autoptr(GList) members = json_object_get_members(object);
    for (GList *member = members; member; member = member->next) {
        g_autofree char *name = g_strdup_printf("%s%s%s", prefix, *prefix ? "." : "", (const char *)member->data);
        if (!append_json(kv, name, json_object_get_member(object, member->data), depth + 1, error)) {
            return false;
        }
    }
    return true;
}

/* Nested objects and arrays become dotted keys ("addr.type", "list.0"), as in QEMU's own key=value spelling. */
static bool append_json(struct keyval *kv, const char *prefix, JsonNode *node, int depth, GError **error)
{
    if (depth > 8) {
        return error_setf(error, "%s: JSON is nested too deeply at '%s'", kv->option, prefix);
    }
    switch (json_node_get_node_type(node)) {
    case JSON_NODE_OBJECT:
        return append_json_object(kv, prefix, json_node_get_object(node), depth, error);
    case JSON_NODE_ARRAY:
        for (guint i = 0; i < json_array_get_length(json_node_get_array(node)); i++) {
            g_autofree char *name = g_strdup_printf("%s.%u", prefix, i);
            if (!append_json(kv, name, json_array_get_element(json_node_get_array(node), i), depth + 1, error)) {
                return false;
            }
        }
        return true;
    case JSON_NODE_VALUE:
        return keyval_append(kv, g_strdup(prefix), scalar_text(node), error);
    default:
        return error_setf(error, "%s: parameter '%s' is null", kv->option, prefix);
    }
}

static bool parse_json(struct keyval *kv, const char *text, GError **error)
{
    g_autoptr(JsonNode) root = json_text_parse(text, strlen(text), error);
    if (!root) {
        g_prefix_error(error, "%s: ", kv->option);
        return false;
    }
    if (!JSON_NODE_HOLDS_OBJECT(root)) {
        return error_setf(error, "%s: expected a JSON object", kv->option);
    }
    return append_json(kv, "", root, 0, error);
}

static struct keyval *keyval_new(const char *option)
{
    struct keyval *kv = g_new0(struct keyval, 1);
    kv->option = g_strdup(option);
    kv->pairs = g_array_new(FALSE, FALSE, sizeof(struct pair));
    g_array_set_clear_func(kv->pairs, pair_clear);
    return kv;
}

struct keyval *keyval_parse(const char *option, const char *text, const char *implied, GError **error)
{
    struct keyval *kv = keyval_new(option);
    if (!(*text == '{' ? parse_json(kv, text, error) : parse_text(kv, text, implied, error))) {
        keyval_free(kv);
        return NULL;
    }
    return kv;
}

struct keyval *keyval_from_json(const char *option, JsonNode *node, GError **error)
{
    struct keyval *kv = keyval_new(option);
    if (node && !JSON_NODE_HOLDS_OBJECT(node)) {
        error_setf(error, "%s: expected a JSON object", option);
    } else if (!node || append_json_object(kv, "", json_node_get_object(node), 0, error)) {
        return kv;
    }
    keyval_free(kv);
    return NULL;
}

void keyval_free(struct keyval *kv)
{
    if (kv) {
        g_array_free(kv->pairs, TRUE);
        g_free(kv->option);
        g_free(kv);
    }
}

const char *keyval_get(struct keyval *kv, const char *key)
{
    struct pair *pair = keyval_find(kv, key);
    if (!pair) {
        return NULL;
    }
    pair->read = true;
    return pair->value;
}

bool keyval_has(struct keyval *kv, const char *key)
{
    return keyval_find(kv, key);
}

/* "-device" in front of what the parsers say, which names key and value. */
static bool with_option(struct keyval *kv, bool good, GError **error)
{
    if (!good) {
        g_prefix_error(error, "%s: ", kv->option);
    }
    return good;
}

bool keyval_get_bool(struct keyval *kv, const char *key, bool *value, GError **error)
{
    const char *text = keyval_get(kv, key);
    return !text || with_option(kv, parse_bool(key, text, value, error), error);
}

bool keyval_get_uint(struct keyval *kv, const char *key, uint64_t *value, uint64_t max, GError **error)
{
    const char *text = keyval_get(kv, key);
    return !text || with_option(kv, parse_uint(key, text, value, max, error), error);
}

bool keyval_get_size(struct keyval *kv, const char *key, uint64_t *value, char unit, GError **error)
{
    const char *text = keyval_get(kv, key);
    return !text || with_option(kv, parse_size(key, text, value, unit, error), error);
}

bool keyval_foreach_unread(struct keyval *kv,
                           bool (*each)(const char *key, const char *value, void *opaque, GError **error),
                           void *opaque, GError **error)
{
    for (guint i = 0; i < kv->pairs->len; i++) {
        struct pair *pair = &g_array_index(kv->pairs, struct pair, i);
        if (!pair->read) {
            pair->read = true;
            if (!each(pair->key, pair->value, opaque, error)) {
                return false;
            }
        }
    }
    return true;
}

bool keyval_check_unread(struct keyval *kv, GError **error)
{
    for (guint i = 0; i < kv->pairs->len; i++) {
        struct pair *pair = &g_array_index(kv->pairs, struct pair, i);
        if (!pair->read) {
            return error_setf(error, "%s: unknown parameter '%s' (value '%s')", kv->option, pair->key, pair->value);
        }
    }
    return true;
}
