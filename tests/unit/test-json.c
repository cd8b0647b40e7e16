/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON parser and printer: what is taken, what is refused and where, and that text survives both. */
#include <math.h>
#include <string.h>

#include "util/json.h"

static char *parse_and_print(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = json_text_parse(text, strlen(text), &error);
    g_assert_no_error(error);
    return json_text_print(node, false, NULL);
}

static void test_taken(void)
{
    static const struct {
        const char *text, *printed;
    } rows[] = {
        { "{}", "{}" },
        { " [ ] \r\n", "[]" },
        { "{\"a\":1,\"b\":[true,false,null]}", "{\"a\": 1, \"b\": [true, false, null]}" },
        { "-9223372036854775808", "-9223372036854775808" },
        { "9223372036854775808", "9223372036854775808" },
        { "[18446744073709551615]", "[18446744073709551615]" },
        { "-0", "0" },
        { "1.5e3", "1500" },
        { "0.1", "0.1" },
        { "1e-400", "0" },
        { "3.141592653589793", "3.141592653589793" },
        { "\"\\u00e9\\ud83d\\ude00\\/\\n\\u001f\"", "\"\\u00e9\\ud83d\\ude00/\\n\\u001f\"" },
        { "\"\xc3\xa9\xf0\x9f\x98\x80\"", "\"\\u00e9\\ud83d\\ude00\"" },
        { "\"\"", "\"\"" },
        { "{'a':'it\\'s \"b\"'}", "{\"a\": \"it's \\\"b\\\"\"}" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *printed = parse_and_print(rows[i].text);
        g_assert_cmpstr(printed, ==, rows[i].printed);
    }
}

static void assert_refused(const char *text, size_t length, const char *says)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(json_text_parse(text, length, &error));
    g_assert_nonnull(error);
    if (!strstr(error->message, says)) {
        g_error("'%s': said '%s', expected '%s'", text, error->message, says);
    }
}

static void test_refused(void)
{
    static const char *const rows[][2] = {
        { "", "expected a value" }, { "{", "member's name" }, { "[", "expected a value" }, { "[1", "',' or ']'" },
        { "[1,]", "expected a value" }, { "{\"a\":1,}", "at byte 7: expected a member's name" },
        { "{\"a\" 1}", "expected ':' after 'a'" }, { "{\"a\":1 \"b\":2}", "',' or '}'" },
        { "{\"a\":1,\"b\":{\"a\":1},\"a\":2}", "member 'a' is there twice" }, { "{a:1}", "in quotes" },
        { "'a\"", "string without end" },
        { "truth", "invalid keyword 'truth'" }, { "1 2", "expected the end" }, { "}", "expected a value" },
        { "/* x */ 1", "at byte 0: expected a value" }, { "18446744073709551616", "integer 18446744073709551616" },
        { "-9223372036854775809", "out of range, expected -9223372036854775808 to 18446744073709551615" },
        { "1e400", "number 1e400 is too large" }, { "-1e999", "too large" }, { "01", "bad number" }, { "1.", "bad number" },
        { ".5", "expected a value" }, { "1e", "bad number" }, { "-", "bad number" }, { "NaN", "'NaN'" },
        { "\"\\u0000\"", "NUL" }, { "\"\\ud800\"", "surrogates" }, { "\"\\udc00\\ud800\"", "surrogates" },
        { "\"\\ud800\\u0041\"", "surrogates" }, { "\"\\u12g4\"", "hexadecimal" }, { "\"\\x\"", "escape" },
        { "\"a", "without end" }, { "\"a\\", "escape" }, { "\"a\nb\"", "control character 0x0a" },
        { "\"\xff\"", "at byte 1: invalid UTF-8" }, { "\"\xc0\x80\"", "invalid UTF-8" },
        { "\"\xed\xa0\x80\"", "invalid UTF-8" }, { "\xef\xbb\xbf{}", "expected a value" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        assert_refused(rows[i][0], strlen(rows[i][0]), rows[i][1]);
    }
    assert_refused("[\"a\0b\"]", 7, "at byte 3: NUL");
    assert_refused("[1234]", 3, "',' or ']'"); /* reads no further than told */
}

static char *repeat(const char *what, size_t times, const char *middle, const char *after)
{
    GString *text = g_string_new(NULL);
    for (size_t i = 0; i < times; i++) {
        g_string_append(text, what);
    }
    g_string_append(text, middle);
    for (size_t i = 0; i < times; i++) {
        g_string_append(text, after);
    }
    return g_string_free(text, FALSE);
}

static void test_bounds(void)
{
    g_autofree char *deep = repeat("[", JSON_DEPTH_MAX, "1", "]"), *deeper = repeat("[", JSON_DEPTH_MAX + 1, "", "]");
    g_autofree char *objects = repeat("{\"a\":[", JSON_DEPTH_MAX / 2, "{}", "]}");
    g_autofree char *many = repeat("[],", JSON_VALUES_MAX, "1]", ""), *wide = g_strconcat("[", many, NULL);
    g_autofree char *digits = repeat("9", 401, "", ""), *million = repeat("[", 1 << 20, "", "");
    g_autofree char *copy = parse_and_print(deep);
    g_assert_cmpstr(copy, ==, deep);
    assert_refused(deeper, strlen(deeper), "deeper than 1024");
    assert_refused(objects, strlen(objects), "deeper than 1024");
    assert_refused(million, strlen(million), "deeper than 1024");
    assert_refused(wide, strlen(wide), "more than 262144 values");
    assert_refused(digits, strlen(digits), "400 characters");
}

static void test_big_integers(void)
{
    uint64_t value;
    g_autoptr(JsonNode) big = json_uint64_new(UINT64_MAX), small = json_uint64_new(5), word = json_text_parse("\"5\"", 3, NULL);
    g_autoptr(JsonNode) negative = json_text_parse("-5", 2, NULL), copy = json_node_copy(big);
    g_assert_true(json_uint64_get(copy, &value) && value == UINT64_MAX && json_uint64_is_big(copy));
    g_assert_true(json_uint64_get(small, &value) && value == 5 && !json_uint64_is_big(small));
    g_assert_cmpint(json_node_get_int(small), ==, 5);
    g_assert_false(json_uint64_get(word, &value) || json_uint64_get(negative, &value));
}

static void test_printed(void)
{
    JsonObject *object = json_object_new();
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);
    json_object_set_string_member(object, "broken \xff", "a\xc3");
    json_object_set_double_member(object, "infinite", INFINITY);
    json_object_set_array_member(object, "empty", json_array_new());
    json_object_unref(object);
    g_autofree char *line = json_text_print(node, false, NULL), *lines = json_text_print(node, true, NULL);
    g_assert_cmpstr(line, ==, "{\"broken \\ufffd\": \"a\\ufffd\", \"infinite\": null, \"empty\": []}");
    g_assert_cmpstr(lines, ==, "{\n    \"broken \\ufffd\": \"a\\ufffd\",\n    \"infinite\": null,\n    \"empty\": []\n}");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/taken", test_taken);
    g_test_add_func("/json/refused", test_refused);
    g_test_add_func("/json/bounds", test_bounds);
    g_test_add_func("/json/big-integers", test_big_integers);
    g_test_add_func("/json/printed", test_printed);
    return g_test_run();
}
