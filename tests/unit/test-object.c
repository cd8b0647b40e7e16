/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -object, object-add, object-del: the table, ids, users, help. */
#include <string.h>

#include "memory/memory.h"
#include "memory/ram-block.h"
#include "qapi/qapi-commands.h"
#include "system/object.h"
#include "util/iothread.h"
#include "util/main-loop.h"

static void expect_refused(const char *text, const char *why)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(object_create_from_option(text, &error));
    if (!strstr(error->message, why)) {
        g_error("'%s': expected '%s' in: %s", text, why, error->message);
    }
}

static void expect_kept(const char *id, const char *why)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(object_delete(id, &error));
    if (!strstr(error->message, why) || !strstr(error->message, id)) {
        g_error("'%s': expected '%s' in: %s", id, why, error->message);
    }
}

/* Every row can describe itself. */
static void test_table(void)
{
    for (const struct object_type *const *type = object_types; *type; type++) {
        g_autofree char *help = object_help((*type)->name), *all = object_help(NULL);
        g_assert_true(object_type_find((*type)->name) == *type);
        g_assert_true((*type)->parent && (*type)->description && (*type)->properties && (*type)->create);
        g_assert_nonnull(strstr(all, (*type)->name));
        for (const struct object_property *p = (*type)->properties; p->name; p++) {
            g_assert_true(p->type && p->description && (*type)->get);
            g_assert_nonnull(strstr(help, p->name));
        }
    }
    g_assert_null(object_help("nonesuch"));
}

/* The object's entry of query-qmp-schema by that name. */
static JsonObject *schema_entry(JsonArray *schema, const char *name)
{
    for (guint i = 0; i < json_array_get_length(schema); i++) {
        JsonObject *entry = json_array_get_object_element(schema, i);
        if (!strcmp(json_object_get_string_member(entry, "name"), name)) {
            return entry;
        }
    }
    g_error("the schema has no '%s'", name);
}

static bool has_property(const struct object_type *type, const char *name)
{
    for (const struct object_property *p = type->properties; p->name; p++) {
        if (!strcmp(p->name, name)) {
            return true;
        }
    }
    return false;
}

/* What object-add takes for a type is what qom-list-properties tells of it. */
static void test_schema(void)
{
    g_autoptr(JsonNode) root = json_from_string(qapi_introspection, NULL);
    JsonArray *schema = json_node_get_array(root);
    JsonArray *variants = json_object_get_array_member(schema_entry(schema, "ObjectOptions"), "variants");
    guint types = 0;

    for (const struct object_type *const *type = object_types; *type; type++, types++) {
        JsonObject *variant = json_array_get_object_element(variants, types);
        g_assert_cmpstr(json_object_get_string_member(variant, "case"), ==, (*type)->name);
        JsonObject *entry = schema_entry(schema, json_object_get_string_member(variant, "type"));
        JsonArray *members = json_object_get_array_member(entry, "members");
        guint count = 0;
        for (guint i = 0; i < json_array_get_length(members); i++) {
            const char *name = json_object_get_string_member(json_array_get_object_element(members, i), "name");
            g_assert_true(has_property(*type, name));
        }
        while ((*type)->properties[count].name) {
            count++;
        }
        g_assert_cmpuint(count, ==, json_array_get_length(members));
    }
    g_assert_cmpuint(types, ==, json_array_get_length(variants));
}

static void test_iothread(void)
{
    g_assert_true(object_create_from_option("iothread,id=io0", NULL));
    g_assert_nonnull(iothread_find("io0"));
    g_assert_cmpstr(object_find("io0")->type->name, ==, "iothread");
    iothread_ref(iothread_find("io0"));
    expect_kept("io0", "in use");
    iothread_unref(iothread_find("io0"));
    g_assert_true(object_delete("io0", NULL));
    g_assert_null(iothread_find("io0"));
    expect_kept("io0", "not found");
}

static void expect_property(const char *id, const char *name, const char *want)
{
    const struct object *object = object_find(id);
    g_autoptr(JsonNode) value = object->type->get(id, name, NULL);
    g_autofree char *text = json_to_string(value, FALSE);
    g_assert_cmpstr(text, ==, want);
}

static void test_memory(void)
{
    g_assert_true(object_create_from_option("{\"qom-type\":\"memory-backend-ram\",\"id\":\"m\",\"size\":1048576}", NULL));
    g_assert_true(object_create_from_option("memory-backend-memfd,id=f,size=2M,dump=off", NULL));
    expect_property("m", "size", "1048576");
    expect_property("m", "share", "false");
    expect_property("f", "share", "true");
    expect_property("f", "dump", "false");
    expect_property("f", "seal", "true");
    g_assert_true(object_hold("m"));
    expect_kept("m", "in use");
    object_release("m");
    g_assert_true(object_delete("m", NULL) && object_delete("f", NULL));
    g_assert_null(ram_block_find("m"));
    g_assert_false(object_hold("m"));
}

static void test_refused(void)
{
    expect_refused("nonesuch,id=a", "does not accept value 'nonesuch', expected one of 'iothread'");
    expect_refused("id=a", "'qom-type' is missing");
    expect_refused("iothread", "'id' is missing");
    expect_refused("iothread,id=1a", "'1a'");
    expect_refused("iothread,id=a/b", "'a/b'");
    expect_refused("iothread,id=a,poll-max-ns=5", "'poll-max-ns' is unexpected");
    expect_refused("secret,id=a,data=x,keyid=k", "'keyid' is unexpected");
    expect_refused("{\"qom-type\":\"secret\",\"id\":\"a\",\"data\":5}", "'data', expected: string");
    expect_refused("memory-backend-ram,id=a,size=1M,share=7", "'share' expects 'on' or 'off', not '7'");
    g_assert_null(iothread_find("a"));
    g_assert_true(object_create_from_option("iothread,id=a", NULL));
    expect_refused("memory-backend-ram,id=a,size=1M", "in use already");
    g_assert_true(object_delete("a", NULL));
}

static bool note(const struct object *object, void *opaque)
{
    g_string_append_printf(opaque, "%s ", object->id);
    return strcmp(object->id, "b") != 0;
}

static void test_qmp(void)
{
    ObjectOptions arguments = { .qom_type = OBJECT_TYPE_IOTHREAD, .id = (char *)"b" };
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    g_assert_true(object_create_from_option("iothread,id=a", NULL));
    qmp_object_add(&arguments, &error);
    g_assert_no_error(error);
    g_assert_true(object_create_from_option("iothread,id=c", NULL));
    object_foreach(note, text);
    g_assert_cmpstr(text->str, ==, "a b ");
    qmp_object_add(&arguments, &error);
    g_assert_nonnull(strstr(error->message, "'b'"));
    g_clear_error(&error);
    qmp_object_del("b", &error);
    g_assert_no_error(error);
    g_assert_true(object_delete("a", NULL) && object_delete("c", NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    g_test_add_func("/object/table", test_table);
    g_test_add_func("/object/schema", test_schema);
    g_test_add_func("/object/iothread", test_iothread);
    g_test_add_func("/object/memory", test_memory);
    g_test_add_func("/object/refused", test_refused);
    g_test_add_func("/object/qmp", test_qmp);
    return g_test_run();
}
