/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the generated marshalling calls: one JSON value each, with errors that name the member and what was expected.
 * The text of a key=value option (json_untyped_new) is taken for any scalar that it reads as.
 */
#ifndef FERRY_QAPI_VISIT_H
#define FERRY_QAPI_VISIT_H

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

/* "a.b" or "b" where path is empty. Caller frees. */
char *qapi_path(const char *path, const char *member);

/* Whether a value can be that: what tells the members of an alternate apart. */
enum qapi_json_type {
    QAPI_JSON_STRING, QAPI_JSON_BOOL, QAPI_JSON_NUMBER, QAPI_JSON_NULL, QAPI_JSON_ARRAY, QAPI_JSON_OBJECT
};
bool qapi_node_is(JsonNode *node, enum qapi_json_type type);

/*
 * The object, if `node` is one and has no members but `names` (NULL-terminated; NULL: any). A NULL node is an empty
 * object.
 */
JsonObject *qapi_parse_object(JsonNode *node, const char *path, const char *const *names, GError **error);
/* False and an error if it has a member that neither list names; `more` may be NULL. */
bool qapi_check_names(JsonObject *object, const char *path, const char *const *names, const char *const *more,
                      GError **error);
JsonArray *qapi_parse_array(JsonNode *node, const char *path, GError **error);
bool qapi_parse_enum(JsonNode *node, const char *path, const char *const *table, int count, int *value,
                     GError **error);
bool qapi_parse_str(JsonNode *node, const char *path, char **value, GError **error);
bool qapi_parse_bool(JsonNode *node, const char *path, bool *value, GError **error);
bool qapi_parse_int(JsonNode *node, const char *path, int64_t min, int64_t max, int64_t *value, GError **error);
bool qapi_parse_uint(JsonNode *node, const char *path, uint64_t *value, GError **error);
bool qapi_parse_size(JsonNode *node, const char *path, uint64_t *value, GError **error); /* text: with a suffix */
bool qapi_parse_number(JsonNode *node, const char *path, double *value, GError **error);
bool qapi_parse_null(JsonNode *node, const char *path, bool *value, GError **error);
bool qapi_wrong_type(const char *path, const char *expected, GError **error); /* returns false */
void qapi_missing(const char *path, GError **error);

JsonNode *qapi_node_object(JsonObject *object); /* takes it over */
JsonNode *qapi_node_array(JsonArray *array);
JsonNode *qapi_node_str(const char *value); /* NULL becomes "" */
JsonNode *qapi_node_bool(bool value);
JsonNode *qapi_node_int(int64_t value);
JsonNode *qapi_node_uint(uint64_t value);
JsonNode *qapi_node_number(double value);

#endif
