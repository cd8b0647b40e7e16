/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON text to json-glib's nodes and back, for text from strangers. json-glib's own parser lets pass what a monitor must
 * refuse (numbers that do not fit, members given twice, \u0000, comments) and recurses without a bound.
 */
#ifndef FERRY_UTIL_JSON_H
#define FERRY_UTIL_JSON_H

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 1024        /* brackets within brackets */
#define JSON_VALUES_MAX (1u << 18) /* a value is some 200 bytes of memory, and may be two bytes of text */

/*
 * One JSON value of RFC 8259 with nothing but white space around it; NULL and an error that says at which byte. Strings
 * may stand in single quotes, as QMP's clients write them in shells.
 */
JsonNode *json_text_parse(const char *text, size_t length, GError **error);

/* ASCII only; a string that is not UTF-8 has U+FFFD where it is not. `pretty`: indented lines. Caller frees. */
char *json_text_print(JsonNode *node, bool pretty, size_t *length);

/*
 * Integers above INT64_MAX, which json-glib has no type for: a string that begins with a byte which no UTF-8 text has.
 * From any other node json_uint64_get() takes an integer that is not negative.
 */
JsonNode *json_uint64_new(uint64_t value);
bool json_uint64_get(JsonNode *node, uint64_t *value);
bool json_uint64_is_big(JsonNode *node); /* such a string */

/*
 * The value of a key=value option, which is text until somebody who knows the key's type (the schema) reads it: a string
 * behind another such byte.
 */
JsonNode *json_untyped_new(const char *text);
const char *json_untyped_text(JsonNode *node); /* NULL: it is none */

#endif
