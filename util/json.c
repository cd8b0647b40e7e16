/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON parser: RFC 8259 word by word, and strings in single quotes as well; recursive with a bound. */
#include "util/json.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "util/error.h"

#define BIG_INTEGER '\xff'
#define UNTYPED     '\xfe'
#define NUMBER_CHARACTERS 400 /* a double's 309 digits before the point, and more than it can hold behind */

struct json_text {
    const char *start, *at, *end;
    unsigned values, depth;
    GError **error;
};

static JsonNode *parse_value(struct json_text *t);

JsonNode *json_uint64_new(uint64_t value)
{
    if (value <= INT64_MAX) {
        return json_node_init_int(json_node_alloc(), value);
    }
    g_autofree char *text = g_strdup_printf("%c%" PRIu64, BIG_INTEGER, value);
    return json_node_init_string(json_node_alloc(), text);
}

bool json_uint64_is_big(JsonNode *node)
{
    return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING &&
           json_node_get_string(node)[0] == BIG_INTEGER;
}

bool json_uint64_get(JsonNode *node, uint64_t *value)
{
    if (json_uint64_is_big(node)) {
        *value = g_ascii_strtoull(json_node_get_string(node) + 1, NULL, 10);
        return true;
    }
    if (!JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_INT64 || json_node_get_int(node) < 0) {
        return false;
    }
    *value = json_node_get_int(node);
    return true;
}

JsonNode *json_untyped_new(const char *text)
{
    g_autofree char *marked = g_strdup_printf("%c%s", UNTYPED, text);
    return json_node_init_string(json_node_alloc(), marked);
}

const char *json_untyped_text(JsonNode *node)
{
    bool string = JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING;
    return string && json_node_get_string(node)[0] == UNTYPED ? json_node_get_string(node) + 1 : NULL;
}

/* Returns NULL, so that it can be what a parser returns. */
static void *refuse(struct json_text *t, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
static void *refuse(struct json_text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *what = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    error_setf(t->error, "JSON parse error at byte %zu: %s", (size_t)(t->at - t->start), what);
    return NULL;
}

static void skip_space(struct json_text *t)
{
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\t' || *t->at == '\r' || *t->at == '\n')) {
        t->at++;
    }
}

static bool at_quote(const struct json_text *t)
{
    return t->at < t->end && (*t->at == '"' || *t->at == '\'');
}

/* White space, and then `c`, if it is there. */
static bool accept(struct json_text *t, char c)
{
    skip_space(t);
    if (t->at < t->end && *t->at == c) {
        t->at++;
        return true;
    }
    return false;
}

/* Four hexadecimal digits, or -1. */
static int parse_hex4(struct json_text *t)
{
    int value = 0;
    if (t->end - t->at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        int digit = g_ascii_xdigit_value(*t->at);
        if (digit < 0) {
            return -1;
        }
        value = value << 4 | digit;
        t->at++;
    }
    return value;
}

/* Behind "\u". A character beyond U+FFFF is a pair of surrogates, high one first. */
static bool parse_unicode(struct json_text *t, GString *string)
{
    int high = parse_hex4(t), low;
    if (high < 0) {
        return refuse(t, "expected four hexadecimal digits after \\u");
    }
    if (high == 0) {
        return refuse(t, "a string cannot hold the character NUL");
    }
    if (high < 0xd800 || high > 0xdfff) {
        g_string_append_unichar(string, high);
        return true;
    }
    if (high > 0xdbff || t->end - t->at < 6 || t->at[0] != '\\' || t->at[1] != 'u') {
        return refuse(t, "\\u%04x is half of a pair of surrogates", high);
    }
    t->at += 2;
    low = parse_hex4(t);
    if (low < 0xdc00 || low > 0xdfff) {
        return refuse(t, "\\u%04x is half of a pair of surrogates", high);
    }
    g_string_append_unichar(string, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
    return true;
}

static bool parse_escape(struct json_text *t, GString *string)
{
    static const char from[] = "\"'\\/bfnrt", to[] = "\"'\\/\b\f\n\r\t";
    char c = t->at < t->end ? *t->at++ : '\0';
    const char *known = c ? strchr(from, c) : NULL;
    if (known) {
        g_string_append_c(string, to[known - from]);
        return true;
    }
    if (c == 'u') {
        return parse_unicode(t, string);
    }
    return refuse(t, "unknown escape in a string");
}

/* At the opening quote. The text is known to be UTF-8. */
static char *parse_string(struct json_text *t)
{
    g_autoptr(GString) string = g_string_new(NULL);
    const char quote = *t->at++;
    while (t->at < t->end && *t->at != quote) {
        size_t plain = 0;
        while (t->at + plain < t->end && t->at[plain] != quote && t->at[plain] != '\\' && (guchar)t->at[plain] >= ' ') {
            plain++;
        }
        g_string_append_len(string, t->at, plain);
        t->at += plain;
        if (t->at == t->end || *t->at == quote) {
            break;
        }
        if (*t->at != '\\') {
            return refuse(t, "control character 0x%02x in a string", (guchar)*t->at);
        }
        t->at++;
        if (!parse_escape(t, string)) {
            return NULL;
        }
    }
    if (t->at == t->end) {
        return refuse(t, "string without end");
    }
    t->at++;
    return g_string_free(g_steal_pointer(&string), FALSE);
}

static size_t digits(const char *at, const char *end)
{
    size_t n = 0;
    while (at + n < end && g_ascii_isdigit(at[n])) {
        n++;
    }
    return n;
}

/* The length of the number at t->at, 0 if it is none; *integer: without fraction and exponent. */
static size_t number_length(const struct json_text *t, bool *integer)
{
    const char *at = t->at + (*t->at == '-');
    size_t n = digits(at, t->end);
    if (!n || (*at == '0' && n > 1)) {
        return 0;
    }
    at += n;
    *integer = true;
    if (at < t->end && *at == '.') {
        *integer = false;
        n = digits(at + 1, t->end);
        at += n + 1;
    }
    if (n && at < t->end && (*at == 'e' || *at == 'E')) {
        *integer = false;
        at++;
        at += at < t->end && (*at == '+' || *at == '-');
        n = digits(at, t->end);
        at += n;
    }
    return n ? at - t->at : 0;
}

static JsonNode *parse_number(struct json_text *t)
{
    bool integer;
    size_t length = number_length(t, &integer);
    if (!length) {
        return refuse(t, "bad number");
    }
    if (length > NUMBER_CHARACTERS) {
        return refuse(t, "number of more than %d characters", NUMBER_CHARACTERS);
    }
    g_autofree char *text = g_strndup(t->at, length);
    errno = 0;
    if (!integer) {
        double value = g_ascii_strtod(text, NULL);
        if (value > G_MAXDOUBLE || value < -G_MAXDOUBLE) {
            return refuse(t, "number %s is too large", text);
        }
        t->at += length;
        return json_node_init_double(json_node_alloc(), value);
    }
    int64_t value = *text == '-' ? g_ascii_strtoll(text, NULL, 10) : 0;
    uint64_t large = *text == '-' ? 0 : g_ascii_strtoull(text, NULL, 10);
    if (errno) {
        return refuse(t, "integer %s is out of range, expected %" PRId64 " to %" PRIu64, text, INT64_MIN, UINT64_MAX);
    }
    t->at += length;
    return value ? json_node_init_int(json_node_alloc(), value) : json_uint64_new(large);
}

/* Behind '{'. */
static JsonNode *parse_object(struct json_text *t)
{
    g_autoptr(JsonObject) object = json_object_new();
    for (bool more = !accept(t, '}'); more; more = !accept(t, '}')) {
        if (json_object_get_size(object) && !accept(t, ',')) {
            return refuse(t, "expected ',' or '}' after an object's member");
        }
        skip_space(t);
        if (!at_quote(t)) {
            return refuse(t, "expected a member's name in quotes");
        }
        g_autofree char *name = parse_string(t);
        if (!name) {
            return NULL;
        }
        if (json_object_has_member(object, name)) {
            return refuse(t, "member '%s' is there twice", name);
        }
        if (!accept(t, ':')) {
            return refuse(t, "expected ':' after '%s'", name);
        }
        JsonNode *value = parse_value(t);
        if (!value) {
            return NULL;
        }
        json_object_set_member(object, name, value);
    }
    return json_node_init_object(json_node_alloc(), object);
}

/* Behind '['. */
static JsonNode *parse_array(struct json_text *t)
{
    g_autoptr(JsonArray) array = json_array_new();
    for (bool more = !accept(t, ']'); more; more = !accept(t, ']')) {
        if (json_array_get_length(array) && !accept(t, ',')) {
            return refuse(t, "expected ',' or ']' after an array's element");
        }
        JsonNode *value = parse_value(t);
        if (!value) {
            return NULL;
        }
        json_array_add_element(array, value);
    }
    return json_node_init_array(json_node_alloc(), array);
}

static JsonNode *parse_word(struct json_text *t)
{
    size_t n = 0;
    while (t->at + n < t->end && g_ascii_isalpha(t->at[n])) {
        n++;
    }
    g_autofree char *word = g_strndup(t->at, MIN(n, 40));
    JsonNode *node = strcmp(word, "true") == 0    ? json_node_init_boolean(json_node_alloc(), TRUE)
                     : strcmp(word, "false") == 0 ? json_node_init_boolean(json_node_alloc(), FALSE)
                     : strcmp(word, "null") == 0  ? json_node_new(JSON_NODE_NULL)
                                                  : NULL;
    if (!node) {
        return n ? refuse(t, "invalid keyword '%s'", word) : refuse(t, "expected a value");
    }
    t->at += n;
    return node;
}

static JsonNode *parse_value(struct json_text *t)
{
    skip_space(t);
    if (t->at == t->end) {
        return refuse(t, "expected a value");
    }
    if (++t->values > JSON_VALUES_MAX) {
        return refuse(t, "more than %u values", JSON_VALUES_MAX);
    }
    if (*t->at == '{' || *t->at == '[') {
        if (t->depth == JSON_DEPTH_MAX) {
            return refuse(t, "nested deeper than %d levels", JSON_DEPTH_MAX);
        }
        t->depth++;
        JsonNode *node = *t->at++ == '{' ? parse_object(t) : parse_array(t);
        t->depth--;
        return node;
    }
    if (at_quote(t)) {
        g_autofree char *string = parse_string(t);
        return string ? json_node_init_string(json_node_alloc(), string) : NULL;
    }
    return *t->at == '-' || g_ascii_isdigit(*t->at) ? parse_number(t) : parse_word(t);
}

JsonNode *json_text_parse(const char *text, size_t length, GError **error)
{
    struct json_text t = { .start = text, .at = text, .end = text + length, .error = error };
    const char *valid;
    if (!g_utf8_validate(text, length, &valid)) {
        t.at = valid;
        return *valid ? refuse(&t, "invalid UTF-8") : refuse(&t, "NUL outside of a string");
    }
    JsonNode *node = parse_value(&t);
    skip_space(&t);
    if (node && t.at < t.end) {
        json_node_unref(node);
        return refuse(&t, "expected the end after the value");
    }
    return node;
}
