/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Option strings: `first,key=value,flag,nofoo…`, with ",," for a literal comma; also a JSON object
 * ({"driver":…}) where QEMU takes one. A keyval keeps what was asked for and notices what nobody read.
 */
#ifndef FERRY_UTIL_KEYVAL_H
#define FERRY_UTIL_KEYVAL_H

#include <stdint.h>

#include "util/error.h"

struct keyval;
struct _JsonNode; /* json-glib's */

/*
 * `implied` names the first value when it has no '=' (NULL: none). `option` is the option's name for messages
 * ("-device"). NULL and an error if malformed: empty key, duplicate key (unless repeatable), not JSON.
 */
struct keyval *keyval_parse(const char *option, const char *text, const char *implied, GError **error);
/*
 * The same from JSON that is there already: the arguments of device_add, with `option` the command's name. Nested members get dotted keys. NULL is an empty object.
 */
struct keyval *keyval_from_json(const char *option, struct _JsonNode *object, GError **error);
void keyval_free(struct keyval *kv);
/*
 * For what the schema describes (-blockdev, -netdev, -object): the option's JSON as it is, or its key=value text as an
 * object whose values are json_untyped_new()'s. "a.b=1" is a member of "a"; where all keys are numbers it is a list;
 * what may be given repeatedly is a list of { "str": value }.
 */
struct _JsonNode *keyval_to_json(const char *option, const char *text, const char *implied, GError **error);

bool keyval_may_repeat(const char *key); /* "hostfwd" */

/* The value, or NULL; marks it as read. Flags without '=' are "on". */
const char *keyval_get(struct keyval *kv, const char *key);
bool keyval_has(struct keyval *kv, const char *key);
/* Leave *value alone where the key is absent; false and an error naming option, key and value where it is bad. */
bool keyval_get_bool(struct keyval *kv, const char *key, bool *value, GError **error);
bool keyval_get_uint(struct keyval *kv, const char *key, uint64_t *value, uint64_t max, GError **error);
/* Bytes with an optional suffix (B K M G T P E); `unit` is what a bare number counts ('M' for -m). */
bool keyval_get_size(struct keyval *kv, const char *key, uint64_t *value, char unit, GError **error);
/* Calls `each` for every pair not yet read, in order, marking it read. */
bool keyval_foreach_unread(struct keyval *kv,
                           bool (*each)(const char *key, const char *value, void *opaque, GError **error),
                           void *opaque, GError **error);
/* An error naming the first key that nobody read. */
bool keyval_check_unread(struct keyval *kv, GError **error);

/* "on"/"off"/"yes"/"no"/"true"/"false"; sizes as above; whole strings only, overflow is an error. */
bool parse_bool(const char *name, const char *text, bool *value, GError **error);
bool parse_uint(const char *name, const char *text, uint64_t *value, uint64_t max, GError **error);
bool parse_size(const char *name, const char *text, uint64_t *value, char unit, GError **error);

#endif
