/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The schema as a grammar: the generator's introspection table (qapi_introspection) is walked from a command to its
 * arguments. At every step there is a small chance of something that the schema does not allow.
 */
#include "tests/fuzz/qmp-requests.h"

#include <string.h>

#include "qapi/qapi-commands.h"
#include "util/json.h"

#define DEPTH 6 /* types may contain themselves */

/* Commands that a fuzzer must not run, and members that it must not give. */
static const struct {
    const char *name, *why;
} kept_out[] = {
    { "quit", "ends the program" },
    { "migrate", "connects to other machines, writes files, runs commands" },
    { "migrate-incoming", "listens for other machines, runs commands" },
    { "pmemsave", "writes files" },
    { "human-monitor-command", "has all of these in HMP's words" },
    { "netdev_add", "connects to other machines, runs scripts" },
    { "chardev-add", "writes files, connects to other machines" },
    { "prealloc", "takes all of the host's memory" },
};

/* What strings may be: names that exist in the machine, that do not, and text that is odd. */
static const char *const words[] = {
    "a", "b", "io0", "balloon", "disk0", "node0", "null0", "virtio-balloon-pci", "virtio-blk-pci", "virtio-net-pci",
    "virtio-rng-pci", "isa-serial", "pvpanic", "iothread", "memory-backend-ram", "memory-backend-memfd", "secret",
    "rng-builtin", "/", "/machine", "/machine/peripheral", "/machine/peripheral/balloon", "/machine/unattached",
    "/objects", "/objects/io0", "device", "object", "qemu64", "max", "max-x86_64-cpu", "pc-i440fx-7.2-machine", "none-machine",
    "pci.0", "0x1f", "03.0", "on", "off", "4096", "guest-stats", "guest-stats-polling-interval", "type", "realized", "size",
    "raw", "null-co", "file", "/dev/null", "no/such/file", "/dev/fdset/1", "", " ", ".", "..", "a.b", "a,b=c", "-1",
    "18446744073709551615", "0x10000000000000000", "%s%n", "\xc3\xa9", "x\ny", "{", "oob",
};
/* Members beyond those of the schema: what commands that look at their arguments themselves take. */
static const char *const extra[] = {
    "id", "bus", "addr", "drive", "iothread", "size", "share", "merge", "dump", "host-nodes", "policy", "reserve", "data",
    "format", "rng", "max-bytes", "period", "mac", "netdev", "num-queues", "queue-size", "serial", "file", "filename",
    "cache", "free-page-hint", "free-page-reporting", "deflate-on-oom", "image", "inject-error", "x", "disable-legacy",
};
static const char *const integers[] = {
    "0", "1", "-1", "2", "127", "128", "255", "256", "4095", "4096", "65535", "65536", "16777216", "2147483647", "2147483648",
    "4294967295", "4294967296", "1099511627776", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
    "18446744073709551615", "18446744073709551616", "1.5", "1e3", "1e400", "-0",
};

static GHashTable *types;     /* name -> SchemaInfo */
static GPtrArray *commands;   /* SchemaInfo, those that may run */

static bool is_kept_out(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kept_out); i++) {
        if (strcmp(kept_out[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void load(void)
{
    GPtrArray *schema = qmp_query_qmp_schema(NULL);
    types = g_hash_table_new(g_str_hash, g_str_equal);
    commands = g_ptr_array_new();
    for (guint i = 0; i < schema->len; i++) {
        SchemaInfo *info = schema->pdata[i];
        g_hash_table_insert(types, info->name, info);
        if (info->meta_type == SCHEMA_META_TYPE_COMMAND && !is_kept_out(info->name)) {
            g_ptr_array_add(commands, info);
        }
    }
}

bool qmp_requests_harmless(const char *text, size_t length)
{
    if (g_strstr_len(text, length, "\\u00")) {
        return false; /* a letter in disguise */
    }
    for (size_t i = 0; i < G_N_ELEMENTS(kept_out); i++) {
        g_autofree char *quoted = g_strdup_printf("\"%s\"", kept_out[i].name);
        if (g_strstr_len(text, length, quoted)) {
            return false;
        }
    }
    return true;
}

static bool chance(GRand *rand, int one_in)
{
    return g_rand_int_range(rand, 0, one_in) == 0;
}

#define PICK(rand, table) (table)[g_rand_int_range(rand, 0, G_N_ELEMENTS(table))]

static void append_string(GString *out, const char *text)
{
    g_autoptr(JsonNode) node = json_node_init_string(json_node_alloc(), text);
    g_autofree char *json = json_text_print(node, false, NULL);
    g_string_append(out, json);
}

/* Any value at all, for `any` and for the wrong types. */
static void append_anything(GString *out, GRand *rand)
{
    static const char *const values[] = { "null", "true", "false", "[]", "{}", "[[]]", "{\"a\":[null]}", "[1,\"a\"]" };
    switch (g_rand_int_range(rand, 0, 3)) {
    case 0:
        append_string(out, PICK(rand, words));
        break;
    case 1:
        g_string_append(out, PICK(rand, integers));
        break;
    default:
        g_string_append(out, PICK(rand, values));
    }
}

static void append_type(GString *out, GRand *rand, const char *name, int depth);

static void append_member(GString *out, const char *name)
{
    char before = out->str[out->len - 1];
    g_string_append(out, before == '{' ? "" : ",");
    append_string(out, name);
    g_string_append_c(out, ':');
}

/* The members of an object, without its brackets. */
static void append_members(GString *out, GRand *rand, const SchemaInfoObject *object, int depth)
{
    const char *branch = NULL;
    for (guint i = 0; i < object->members->len; i++) {
        SchemaInfoObjectMember *m = object->members->pdata[i];
        if (m->q_default ? chance(rand, 2) : chance(rand, 40)) {
            continue;
        }
        append_member(out, m->name);
        if (object->tag && strcmp(object->tag, m->name) == 0 && object->variants->len) {
            guint n = g_rand_int_range(rand, 0, object->variants->len);
            SchemaInfoObjectVariant *v = object->variants->pdata[n];
            append_string(out, v->q_case);
            branch = v->type;
        } else {
            append_type(out, rand, m->type, depth);
        }
    }
    SchemaInfo *info = branch ? g_hash_table_lookup(types, branch) : NULL;
    if (info && depth > 0) {
        append_members(out, rand, info->u.object, depth - 1);
    }
}

static void append_object(GString *out, GRand *rand, const SchemaInfoObject *object, int depth, int extras)
{
    g_string_append_c(out, '{');
    append_members(out, rand, object, depth);
    while (extras-- > 0) {
        append_member(out, PICK(rand, extra));
        append_anything(out, rand);
    }
    g_string_append_c(out, '}');
}

static void append_builtin(GString *out, GRand *rand, SchemaJSONType type)
{
    switch (type) {
    case SCHEMA_JSON_TYPE_STRING:
        append_string(out, PICK(rand, words));
        break;
    case SCHEMA_JSON_TYPE_INT:
    case SCHEMA_JSON_TYPE_NUMBER:
        g_string_append(out, PICK(rand, integers));
        break;
    case SCHEMA_JSON_TYPE_BOOLEAN:
        g_string_append(out, chance(rand, 2) ? "true" : "false");
        break;
    default:
        append_anything(out, rand);
    }
}

static void append_array(GString *out, GRand *rand, const char *element, int depth)
{
    int count = g_rand_int_range(rand, 0, 4);
    g_string_append_c(out, '[');
    for (int i = 0; i < count; i++) {
        g_string_append(out, i ? "," : "");
        append_type(out, rand, element, depth);
    }
    g_string_append_c(out, ']');
}

static void append_type(GString *out, GRand *rand, const char *name, int depth)
{
    SchemaInfo *info = g_hash_table_lookup(types, name);
    if (depth == 0 || chance(rand, 40)) {
        append_anything(out, rand);
    } else if (info->meta_type == SCHEMA_META_TYPE_BUILTIN) {
        append_builtin(out, rand, info->u.builtin->json_type);
    } else if (info->meta_type == SCHEMA_META_TYPE_ENUM) {
        GPtrArray *values = info->u.q_enum->values;
        append_string(out, values->len ? values->pdata[g_rand_int_range(rand, 0, values->len)] : "");
    } else if (info->meta_type == SCHEMA_META_TYPE_ARRAY) {
        append_array(out, rand, info->u.array->element_type, depth - 1);
    } else if (info->meta_type == SCHEMA_META_TYPE_ALTERNATE) {
        GPtrArray *members = info->u.alternate->members;
        SchemaInfoAlternateMember *m = members->pdata[g_rand_int_range(rand, 0, members->len)];
        append_type(out, rand, m->type, depth - 1);
    } else if (info->meta_type == SCHEMA_META_TYPE_OBJECT) {
        append_object(out, rand, info->u.object, depth - 1, chance(rand, 40));
    }
}

void qmp_request_append(GString *out, GRand *rand)
{
    if (!types) {
        load();
    }
    SchemaInfo *command = commands->pdata[g_rand_int_range(rand, 0, commands->len)];
    SchemaInfo *arguments = g_hash_table_lookup(types, command->u.command->arg_type);
    g_string_append(out, "{\"execute\":");
    append_string(out, command->name);
    if (arguments->u.object->members->len || chance(rand, 20)) {
        bool free_form = strcmp(command->name, "device_add") == 0;
        g_string_append(out, ",\"arguments\":");
        append_object(out, rand, arguments->u.object, DEPTH, free_form ? g_rand_int_range(rand, 0, 4) : chance(rand, 40));
    }
    if (chance(rand, 10)) {
        g_string_append(out, ",\"id\":");
        append_anything(out, rand);
    }
    g_string_append(out, "}\n");
}
