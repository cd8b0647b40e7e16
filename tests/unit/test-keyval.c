/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include <json-glib/json-glib.h>

#include "util/keyval.h"

static struct keyval *parse(const char *text, const char *implied)
{
    g_autoptr(GError) error = NULL;
    struct keyval *kv = keyval_parse("-test", text, implied, &error);
    g_assert_no_error(error);
    return kv;
}

static void assert_refused(const char *text, const char *says)
{
    g_autoptr(GError) error = NULL;
    struct keyval *kv = keyval_parse("-test", text, "first", &error);
    g_assert_null(kv);
    g_assert_nonnull(error);
    if (!strstr(error->message, says) || !strstr(error->message, "-test")) {
        g_error("'%s' does not name '%s'", error->message, says);
    }
}

static void test_text(void)
{
    struct keyval *kv = parse("virtio-balloon-pci,id=b0,path=/a,,b=c,flag,nodelay,no-wait,empty=", "driver");
    g_assert_cmpstr(keyval_get(kv, "driver"), ==, "virtio-balloon-pci");
    g_assert_cmpstr(keyval_get(kv, "id"), ==, "b0");
    g_assert_cmpstr(keyval_get(kv, "path"), ==, "/a,b=c");
    g_assert_cmpstr(keyval_get(kv, "flag"), ==, "on");
    g_assert_cmpstr(keyval_get(kv, "delay"), ==, "off");
    g_assert_cmpstr(keyval_get(kv, "no-wait"), ==, "on");
    g_assert_cmpstr(keyval_get(kv, "empty"), ==, "");
    g_assert_null(keyval_get(kv, "absent"));
    g_assert_true(keyval_check_unread(kv, NULL));
    keyval_free(kv);

    kv = parse("help", "driver");
    g_assert_true(keyval_has(kv, "help"));
    keyval_free(kv);
    kv = parse("pc,?", "type");
    g_assert_true(keyval_has(kv, "help"));
    keyval_free(kv);
    kv = parse("", "driver");
    g_assert_null(keyval_get(kv, "driver"));
    keyval_free(kv);
    kv = parse("a,,b,x=1", "name"); /* an escaped comma in the implied value */
    g_assert_cmpstr(keyval_get(kv, "name"), ==, "a,b");
    keyval_free(kv);
    kv = parse("user,hostfwd=tcp::1-:2,hostfwd=tcp::3-:4", "type");
    keyval_free(kv);
}

static void test_json(void)
{
    struct keyval *kv = parse("{\"driver\":\"virtio-balloon-pci\",\"addr\":\"0x4\",\"free-page-hint\":true,\"n\":-3,"
                              "\"size\":18014398509481984,\"deep\":{\"a\":[1,\"x\"]}}", "driver");
    g_assert_cmpstr(keyval_get(kv, "driver"), ==, "virtio-balloon-pci");
    g_assert_cmpstr(keyval_get(kv, "addr"), ==, "0x4");
    g_assert_cmpstr(keyval_get(kv, "free-page-hint"), ==, "on");
    g_assert_cmpstr(keyval_get(kv, "n"), ==, "-3");
    g_assert_cmpstr(keyval_get(kv, "size"), ==, "18014398509481984");
    g_assert_cmpstr(keyval_get(kv, "deep.a.0"), ==, "1");
    g_assert_cmpstr(keyval_get(kv, "deep.a.1"), ==, "x");
    keyval_free(kv);
}

static void test_arguments(void)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GError) error = NULL;
    g_assert_true(json_parser_load_from_data(parser, "{\"driver\":\"raw\",\"file\":{\"driver\":\"file\"},\"n\":3}", -1, NULL));
    struct keyval *kv = keyval_from_json("device_add", json_parser_get_root(parser), &error);
    g_assert_cmpstr(keyval_get(kv, "driver"), ==, "raw");
    g_assert_cmpstr(keyval_get(kv, "file.driver"), ==, "file");
    g_assert_false(keyval_check_unread(kv, &error));
    g_assert_cmpstr(error->message, ==, "device_add: unknown parameter 'n' (value '3')");
    g_clear_error(&error);
    keyval_free(kv);
    kv = keyval_from_json("device_add", NULL, &error);
    g_assert_false(keyval_has(kv, "driver"));
    keyval_free(kv);
    g_assert_true(json_parser_load_from_data(parser, "[1]", -1, NULL));
    g_assert_null(keyval_from_json("device_add", json_parser_get_root(parser), &error));
    g_assert_cmpstr(error->message, ==, "device_add: expected a JSON object");
}

/* As JSON, values still text; NULL: refused. */
static char *tree(const char *text, GError **error)
{
    g_autoptr(JsonNode) node = keyval_to_json("-test", text, "driver", error);
    return node ? json_to_string(node, FALSE) : NULL;
}

static void test_tree(void)
{
    static const struct {
        const char *text, *json; /* a value's mark is a ~ here */
    } rows[] = {
        { "raw,file.driver=file,file.filename=a,,b", "{'driver':'~raw','file':{'driver':'~file','filename':'~a,b'}}" },
        { "x.0.a=1,x.1.a=2,y.10=3,y.n=4", "{'x':[{'a':'~1'},{'a':'~2'}],'y':{'10':'~3','n':'~4'}}" },
        { "hostfwd=a,hostfwd=b", "{'hostfwd':[{'str':'~a'},{'str':'~b'}]}" },
        { "{\"a\":1,\"b\":[true]}", "{'a':1,'b':[true]}" },
    };
    static const char *const bad[] = { "a=1,a.b=2", "a.b=1,a=2", "a..b=1", ".a=1", "a.=1", "x.1=a", "x.0=a,x.2=b",
                                       "hostfwd=a,hostfwd.0.str=b", "hostfwd.0.str=b,hostfwd=a", "{\"a\"" };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = tree(rows[i].text, NULL);
        g_strdelimit(g_strdelimit(text, "\xfe", '~'), "\"", '\'');
        g_assert_cmpstr(text, ==, rows[i].json);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(tree(bad[i], &error));
        g_assert_true(g_str_has_prefix(error->message, "-test: "));
    }
}

static void test_refused(void)
{
    assert_refused("x,=y", "without a name");
    assert_refused("x,a=1,a=2", "'a'");
    assert_refused("{", "JSON");
    assert_refused("{\"a\":null}", "'a'");
    assert_refused("{\"a\":[[[[[[[[[[1]]]]]]]]]]}", "deep");
    g_autofree char *bomb = g_strnfill(100000, '[');
    g_autofree char *text = g_strdup_printf("{\"a\":%s", bomb);
    assert_refused(text, "-test");
}

static bool collect(const char *key, const char *value, void *opaque, GError **error)
{
    g_string_append_printf(opaque, "%s=%s;", key, value);
    return true;
}

static void test_unread(void)
{
    g_autoptr(GError) error = NULL;
    struct keyval *kv = parse("a=1,b=2,c=3", NULL);
    keyval_get(kv, "b");
    g_assert_false(keyval_check_unread(kv, &error));
    g_assert_cmpstr(error->message, ==, "-test: unknown parameter 'a' (value '1')");
    g_autoptr(GString) text = g_string_new(NULL);
    g_assert_true(keyval_foreach_unread(kv, collect, text, NULL));
    g_assert_cmpstr(text->str, ==, "a=1;c=3;");
    g_assert_true(keyval_check_unread(kv, NULL));
    keyval_free(kv);
}

static void test_numbers(void)
{
    static const struct {
        const char *text;
        char unit;
        bool good;
        uint64_t value;
    } sizes[] = {
        { "8G", 'M', true, 8ull << 30 }, { "128", 'M', true, 128ull << 20 }, { "1.5g", 'B', true, 3ull << 29 },
        { "0x10k", 'B', true, 16384 },   { "4096", 'B', true, 4096 },        { "0", 'M', true, 0 },
        { "15E", 'B', true, 15ull << 60 }, { "16E", 'B', false, 0 },          { "", 'M', false, 0 },
        { "-1", 'M', false, 0 },         { " 1", 'M', false, 0 },            { "1 ", 'M', false, 0 },
        { "G", 'M', false, 0 },          { "1GG", 'M', false, 0 },           { "1.5B", 'B', false, 0 },
        { "1.", 'M', false, 0 },         { "18446744073709551615", 'B', true, UINT64_MAX },
        { "18446744073709551616", 'B', false, 0 }, { "0x", 'B', false, 0 },  { "17592186044416", 'M', false, 0 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        uint64_t value = 42;
        g_autoptr(GError) error = NULL;
        g_assert_cmpint(parse_size("size", sizes[i].text, &value, sizes[i].unit, &error), ==, sizes[i].good);
        g_assert_cmpuint(value, ==, sizes[i].good ? sizes[i].value : 42);
        g_assert_true(sizes[i].good == !error);
    }
    uint64_t value = 0;
    bool flag = false;
    g_assert_true(parse_uint("n", "010", &value, 255, NULL));
    g_assert_cmpuint(value, ==, 10);
    g_assert_true(parse_uint("n", "0xff", &value, 255, NULL));
    g_assert_false(parse_uint("n", "256", &value, 255, NULL));
    g_assert_false(parse_uint("n", "+1", &value, 255, NULL));
    g_assert_false(parse_uint("n", "1x", &value, 255, NULL));
    g_assert_true(parse_bool("b", "yes", &flag, NULL) && flag);
    g_assert_true(parse_bool("b", "off", &flag, NULL) && !flag);
    g_assert_false(parse_bool("b", "On", &flag, NULL));

    g_autoptr(GError) error = NULL;
    struct keyval *kv = parse("on=maybe,n=999,left=1", NULL);
    uint64_t untouched = 7;
    g_assert_true(keyval_get_uint(kv, "absent", &untouched, 10, &error));
    g_assert_cmpuint(untouched, ==, 7);
    g_assert_false(keyval_get_uint(kv, "n", &untouched, 10, &error));
    g_assert_nonnull(strstr(error->message, "-test: Parameter 'n'"));
    g_clear_error(&error);
    g_assert_false(keyval_get_bool(kv, "on", &flag, &error));
    g_assert_nonnull(strstr(error->message, "maybe"));
    keyval_free(kv);
}

/* Whatever is typed: a keyval or an error, and never both or neither. */
static void test_garbage(void)
{
    static const char alphabet[] = ",,==nooff?{}[]\":0x1.KMaé\\ \t-";
    for (int round = 0; round < 50000; round++) {
        char text[24];
        int length = g_random_int_range(0, sizeof(text));
        for (int i = 0; i < length; i++) {
            text[i] = alphabet[g_random_int_range(0, sizeof(alphabet) - 1)];
        }
        text[length] = '\0';
        if (round % 4 == 0) {
            text[0] = length ? '{' : '\0';
        }
        g_autoptr(GError) error = NULL;
        struct keyval *kv = keyval_parse("-test", text, round % 2 ? "first" : NULL, &error);
        g_assert_true(!kv == !!error);
        if (kv) {
            uint64_t value = 42;
            g_assert_true(keyval_get_size(kv, "first", &value, 'M', NULL) || value == 42);
            g_autoptr(GString) all = g_string_new(NULL);
            g_assert_true(keyval_foreach_unread(kv, collect, all, NULL));
            g_assert_true(keyval_check_unread(kv, NULL));
        }
        keyval_free(kv);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/keyval/text", test_text);
    g_test_add_func("/keyval/json", test_json);
    g_test_add_func("/keyval/arguments", test_arguments);
    g_test_add_func("/keyval/tree", test_tree);
    g_test_add_func("/keyval/refused", test_refused);
    g_test_add_func("/keyval/unread", test_unread);
    g_test_add_func("/keyval/numbers", test_numbers);
    g_test_add_func("/keyval/garbage", test_garbage);
    return g_test_run();
}
