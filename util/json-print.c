/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON printer: one line, or indented; ASCII whatever the strings hold. */
#include "util/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct printer {
    GString *out;
    bool pretty;
    int depth;
};

static void print_value(struct printer *p, JsonNode *node);

static void print_character(GString *out, gunichar c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *known = c && c < 128 ? strchr(from, c) : NULL;
    if (known) {
        g_string_append_c(out, '\\');
        g_string_append_c(out, to[known - from]);
    } else if (c >= ' ' && c < 127) {
        g_string_append_c(out, c);
    } else if (c > 0xffff) {
        c -= 0x10000;
        g_string_append_printf(out, "\\u%04x\\u%04x", 0xd800 + (c >> 10), 0xdc00 + (c & 0x3ff));
    } else {
        g_string_append_printf(out, "\\u%04x", c);
    }
}

static void print_string(GString *out, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_string_append_c(out, '"');
    for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
        print_character(out, g_utf8_get_char(at));
    }
    g_string_append_c(out, '"');
}

/* The fewest digits that read back as the same value. JSON has no infinity and no NaN. */
static void print_double(GString *out, double value)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];
    if (!isfinite(value)) {
        g_string_append(out, "null");
        return;
    }
    static const char *const formats[] = { "%.15g", "%.16g", "%.17g" };
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_ascii_formatd(buffer, sizeof(buffer), formats[i], value);
        if (g_ascii_strtod(buffer, NULL) == value) {
            break;
        }
    }
    g_string_append(out, buffer);
}

static void print_scalar(GString *out, JsonNode *node)
{
    switch (json_node_get_value_type(node)) {
    case G_TYPE_BOOLEAN:
        g_string_append(out, json_node_get_boolean(node) ? "true" : "false");
        break;
    case G_TYPE_INT64:
        g_string_append_printf(out, "%" PRId64, json_node_get_int(node));
        break;
    case G_TYPE_DOUBLE:
        print_double(out, json_node_get_double(node));
        break;
    default:
        if (json_uint64_is_big(node)) {
            g_string_append(out, json_node_get_string(node) + 1);
        } else {
            print_string(out, json_node_get_string(node));
        }
    }
}

static void new_line(struct printer *p)
{
    if (p->pretty) {
        g_string_append_printf(p->out, "\n%*s", p->depth * 4, "");
    }
}

static void print_object(struct printer *p, JsonObject *object)
{
    JsonObjectIter iter;
    const char *name, *separator = "";
    JsonNode *value;
    json_object_iter_init_ordered(&iter, object);
    p->depth++;
    while (json_object_iter_next_ordered(&iter, &name, &value)) {
        g_string_append(p->out, separator);
        new_line(p);
        print_string(p->out, name);
        g_string_append(p->out, ": ");
        print_value(p, value);
        separator = p->pretty ? "," : ", ";
    }
    p->depth--;
    if (*separator) {
        new_line(p);
    }
}

static void print_array(struct printer *p, JsonArray *array)
{
    p->depth++;
    for (guint i = 0; i < json_array_get_length(array); i++) {
        g_string_append(p->out, i == 0 ? "" : p->pretty ? "," : ", ");
        new_line(p);
        print_value(p, json_array_get_element(array, i));
    }
    p->depth--;
    if (json_array_get_length(array)) {
        new_line(p);
    }
}

static void print_value(struct printer *p, JsonNode *node)
{
    switch (json_node_get_node_type(node)) {
    case JSON_NODE_OBJECT:
        g_string_append_c(p->out, '{');
        print_object(p, json_node_get_object(node));
        g_string_append_c(p->out, '}');
        break;
    case JSON_NODE_ARRAY:
        g_string_append_c(p->out, '[');
        print_array(p, json_node_get_array(node));
        g_string_append_c(p->out, ']');
        break;
    case JSON_NODE_VALUE:
        print_scalar(p->out, node);
        break;
    default:
        g_string_append(p->out, "null");
    }
}

char *json_text_print(JsonNode *node, bool pretty, size_t *length)
{
    struct printer p = { .out = g_string_new(NULL), .pretty = pretty };
    print_value(&p, node);
    if (length) {
        *length = p.out->len;
    }
    return g_string_free(p.out, FALSE);
}
