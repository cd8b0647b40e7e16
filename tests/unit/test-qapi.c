/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The code that qapi-gen.py writes, for the schema tests/unit/shapes/qapi/shapes.json: requests to C and back, and refusals. */
#include <string.h>

#include "monitor/monitor.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "util/json.h"

static JsonNode *emitted;

void monitor_emit_event(const char *name, JsonNode *data)
{
    g_assert_cmpstr(name, ==, "DRAWN");
    emitted = data;
}

/* Returns what it was given, and "at" in the list's second place if it was given. */
GPtrArray *qmp_draw(Ref *ref, bool has_at, int8_t at, GError **error)
{
    GPtrArray *list = qapi_list_of_Ref_new();
    JsonNode *copy = qapi_Ref_to_json(ref);
    g_ptr_array_add(list, qapi_Ref_from_json(copy, "", NULL));
    json_node_unref(copy);
    if (has_at) {
        Ref *name = g_new0(Ref, 1);
        name->kind = REF_KIND_ID;
        name->u.id = g_strdup_printf("%d", at);
        g_ptr_array_add(list, name);
    }
    return list;
}

Shape *qmp_draw_shape(Shape *shape, GError **error)
{
    qapi_event_send_drawn(shape);
    JsonNode *copy = qapi_Shape_to_json(shape);
    Shape *result = qapi_Shape_from_json(copy, "", error);
    json_node_unref(copy);
    return result;
}

JsonNode *qmp_draw_any(JsonNode *arguments, GError **error)
{
    return json_node_copy(arguments);
}

/* The answer as text, or the error's message. Caller frees. */
static char *dispatch(const char *name, const char *arguments)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = json_text_parse(arguments, strlen(arguments), &error);
    g_assert_no_error(error);
    const struct qapi_command *c = qapi_commands;
    while (strcmp(c->name, name) != 0) {
        c++;
    }
    g_autoptr(JsonNode) result = c->dispatch(node, &error);
    g_assert_true(!result == !!error);
    return result ? json_text_print(result, false, NULL) : g_strdup(error->message);
}

struct row {
    const char *command, *arguments, *answer;
};

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        g_autofree char *answer = dispatch(rows[i].command, rows[i].arguments);
        g_assert_cmpstr(answer, ==, rows[i].answer);
        g_clear_pointer(&emitted, json_node_unref);
    }
}

static void test_unions(void)
{
    static const struct row rows[] = {
        { "draw-shape", "{\"kind\":\"dot\"}", "{\"kind\": \"dot\"}" },
        { "draw-shape", "{\"radius\":7,\"old\":false,\"kind\":\"disc\"}", "{\"kind\": \"disc\", \"old\": false, \"radius\": 7}" },
        { "draw-shape",
          "{\"kind\":\"box\",\"name\":\"b\",\"big\":18446744073709551615,\"sides\":[1,-2],\"next\":{\"kind\":\"dot\"}}",
          "{\"kind\": \"box\", \"name\": \"b\", \"big\": 18446744073709551615, \"sides\": [1, -2], \"next\": {\"kind\": \"dot\"}}" },
        { "draw-shape", "{}", "Parameter 'kind' is missing" },
        { "draw-shape", "{\"kind\":\"disc\"}", "Parameter 'radius' is missing" },
        { "draw-shape", "{\"kind\":\"dot\",\"radius\":7}", "Parameter 'radius' is unexpected" },
        { "draw-shape", "{\"kind\":\"disc\",\"radius\":7,\"name\":\"b\"}", "Parameter 'name' is unexpected" },
        { "draw-shape", "{\"kind\":\"disc\",\"radius\":256}", "Parameter 'radius' is 256, expected 0 to 255" },
        { "draw-shape", "{\"kind\":\"ball\"}",
          "Parameter 'kind' does not accept value 'ball', expected one of 'disc', 'box', 'dot'" },
        { "draw-shape", "{\"kind\":\"box\",\"name\":\"b\",\"sides\":[1,true]}",
          "Invalid parameter type for 'sides[1]', expected: integer" },
        { "draw-shape", "{\"kind\":\"box\",\"name\":\"b\",\"sides\":[],\"next\":{\"kind\":\"disc\",\"radius\":-1}}",
          "Parameter 'next.radius' is -1, expected 0 to 255" },
        { "draw-shape", "{\"kind\":\"box\",\"name\":\"b\",\"big\":-1,\"sides\":[]}",
          "Parameter 'big' is -1, expected 0 to 18446744073709551615" },
    };
    check(rows, G_N_ELEMENTS(rows));
}

static void test_alternates(void)
{
    static const struct row rows[] = {
        { "draw", "{\"ref\":\"a\"}", "[\"a\"]" },
        { "draw", "{\"ref\":null,\"at\":-128}", "[null, \"-128\"]" },
        { "draw", "{\"ref\":true}", "[true]" },
        { "draw", "{\"ref\":[1.5,18446744073709551615]}", "[[1.5, 1.8446744073709552e+19]]" },
        { "draw", "{\"ref\":{\"kind\":\"disc\",\"radius\":0}}", "[{\"kind\": \"disc\", \"radius\": 0}]" },
        { "draw", "{\"ref\":{\"kind\":\"disc\"}}", "Parameter 'ref.radius' is missing" },
        { "draw", "{\"ref\":5}",
          "Invalid parameter type for 'ref', expected: string or object or null or array or boolean" },
        { "draw", "{\"ref\":18446744073709551615}",
          "Invalid parameter type for 'ref', expected: string or object or null or array or boolean" },
        { "draw", "{\"ref\":\"a\",\"at\":128}", "Parameter 'at' is 128, expected -128 to 127" },
        { "draw", "{\"ref\":\"a\",\"at\":9223372036854775808}",
          "Parameter 'at' is 9223372036854775808, expected -128 to 127" },
        { "draw", "{\"ref\":[\"a\"]}", "Invalid parameter type for 'ref[0]', expected: number" },
        { "draw-any", "{\"x\":[{}]}", "{\"x\": [{}]}" },
    };
    check(rows, G_N_ELEMENTS(rows));
}

static void test_boxed_event(void)
{
    g_autofree char *answer = dispatch("draw-shape", "{\"kind\":\"disc\",\"radius\":9}");
    g_autofree char *event = json_text_print(emitted, false, NULL);
    g_assert_cmpstr(event, ==, answer);
    g_clear_pointer(&emitted, json_node_unref);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/unions", test_unions);
    g_test_add_func("/qapi/alternates", test_alternates);
    g_test_add_func("/qapi/boxed-event", test_boxed_event);
    return g_test_run();
}
