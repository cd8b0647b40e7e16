/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Device state in the stream: golden bytes (big-endian, in table order), conditions, and damaged input. */
#include <string.h>

#include "migration/json-writer.h"
#include "migration/stream.h"
#include "migration/vmstate.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/main-loop.h"

struct channel_state {
    int32_t count;
    uint16_t latch;
    uint8_t mode;
};

struct chip {
    bool on;
    uint8_t a;
    uint16_t b;
    uint32_t c;
    uint64_t d;
    int64_t e;
    uint32_t table[3];
    uint8_t buffer[4];
    struct channel_state channels[2];
    struct channel_state *far;
    uint32_t used;
    struct channel_state some[4];
    uint32_t extra;       /* in a subsection */
    int32_t fixed;        /* must be equal at both ends */
    int post_loads;
    uint32_t limit;       /* post_load refuses a above it */
    struct timer timer;
};

static const struct vmstate_field channel_fields[] = {
    VMSTATE_INT32(count, struct channel_state),
    VMSTATE_UINT16(latch, struct channel_state),
    VMSTATE_UINT8(mode, struct channel_state),
    VMSTATE_END
};
static const struct vmstate_description channel_vmstate = { .name = "channel", .version = 1,
                                                            .fields = channel_fields };

static bool extra_needed(const void *opaque)
{
    return ((const struct chip *)opaque)->extra != 0;
}

static const struct vmstate_field extra_fields[] = { VMSTATE_UINT32(extra, struct chip), VMSTATE_END };
static const struct vmstate_description extra_vmstate = {
    .name = "chip/extra", .version = 1, .minimum_version = 1, .needed = extra_needed, .fields = extra_fields
};
static const struct vmstate_description *const chip_subsections[] = { &extra_vmstate, NULL };

static bool chip_post_load(void *opaque, int version, GError **error)
{
    struct chip *chip = opaque;

    chip->post_loads++;
    return chip->a <= chip->limit || error_setf(error, "a is %u, at most %u makes sense", chip->a, chip->limit);
}

static const struct vmstate_field chip_fields[] = {
    VMSTATE_BOOL(on, struct chip),
    VMSTATE_UINT8(a, struct chip),
    VMSTATE_UINT16(b, struct chip),
    VMSTATE_UINT32(c, struct chip),
    VMSTATE_UINT64(d, struct chip),
    VMSTATE_INT64_V(e, struct chip, 2),
    VMSTATE_UINT32_ARRAY(table, struct chip, 3),
    VMSTATE_BUFFER(buffer, struct chip),
    VMSTATE_UNUSED(3),
    VMSTATE_STRUCT_ARRAY(channels, struct chip, 2, channel_vmstate),
    VMSTATE_STRUCT_POINTER(far, struct chip, struct channel_state, channel_vmstate),
    VMSTATE_UINT32(used, struct chip),
    VMSTATE_STRUCT_VARRAY(some, struct chip, used, channel_vmstate),
    VMSTATE_INT32_EQUAL(fixed, struct chip),
    VMSTATE_TIMER(timer, struct chip),
    VMSTATE_END
};
static const struct vmstate_description chip_vmstate = {
    .name = "chip", .version = 2, .minimum_version = 1, .post_load = chip_post_load, .fields = chip_fields,
    .subsections = chip_subsections
};

static const uint8_t golden[] = {
    0x01, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde,                         /* on a b c */
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,                         /* d */
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,                         /* e */
    0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 'b', 'u', 'f', 'f', 0, 0, 0,        /* table, buffer, unused */
    0xff, 0xff, 0xff, 0xff, 0x11, 0x22, 0x33, 0, 0, 0, 7, 0, 8, 9,          /* channels */
    0, 0, 0, 5, 0, 6, 7,                                                    /* far */
    0, 0, 0, 1, 0, 0, 0, 1, 0, 2, 3,                                        /* used, some[0] */
    0, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0x10, 0,                                 /* fixed, timer */
    5, 10, 'c', 'h', 'i', 'p', '/', 'e', 'x', 't', 'r', 'a', 0, 0, 0, 1, 0, 0, 0, 99
};

static void timer_ignored(void *opaque)
{
}

static void chip_init(struct chip *chip, struct channel_state *far)
{
    *chip = (struct chip){ .far = far, .fixed = 42, .limit = 0xff };
    timer_init(&chip->timer, VM_CLOCK_VIRTUAL, timer_ignored, chip);
}

static void chip_fill(struct chip *chip, struct channel_state *far)
{
    chip_init(chip, far);
    *far = (struct channel_state){ 5, 6, 7 };
    chip->on = true;
    chip->a = 0x12;
    chip->b = 0x3456;
    chip->c = 0x789abcde;
    chip->d = 0x0102030405060708;
    chip->e = -2;
    memcpy(chip->table, (uint32_t[]){ 1, 2, 3 }, sizeof(chip->table));
    memcpy(chip->buffer, "buff", 4);
    chip->channels[0] = (struct channel_state){ -1, 0x1122, 0x33 };
    chip->channels[1] = (struct channel_state){ 7, 8, 9 };
    chip->used = 1;
    chip->some[0] = (struct channel_state){ 1, 2, 3 };
    chip->extra = 99;
    timer_set(&chip->timer, 0x1000);
}

static void test_golden(void)
{
    struct channel_state far;
    struct chip chip;
    struct stream *s = stream_new_memory_output();

    chip_fill(&chip, &far);
    g_assert_true(vmstate_save_body(s, &chip_vmstate, &chip, NULL, NULL));
    g_assert_cmpmem(stream_memory_data(s)->data, stream_memory_data(s)->len, golden, sizeof(golden));
    stream_free(s);
    timer_cancel(&chip.timer);
}

static bool load(struct chip *chip, const void *data, size_t length, int version, GError **error)
{
    struct stream *s = stream_new_memory_input(data, length);
    bool ok = vmstate_load_body(s, &chip_vmstate, chip, version, error);

    stream_free(s);
    return ok;
}

static void test_round_trip(void)
{
    struct channel_state far, far2 = { 0 };
    struct chip chip, back;
    GError *error = NULL;

    chip_fill(&chip, &far);
    chip_init(&back, &far2);
    g_assert_true(load(&back, golden, sizeof(golden), 2, &error));
    g_assert_no_error(error);
    g_assert_cmpint(back.post_loads, ==, 1);
    g_assert_cmpmem(&far2, sizeof(far2), &far, sizeof(far));
    g_assert_cmpint(back.timer.expires, ==, 0x1000);
    g_assert_cmpint(back.extra, ==, 99);
    g_assert_cmpint(back.channels[0].count, ==, -1);
    g_assert_cmpint(back.e, ==, -2);
    timer_cancel(&chip.timer);
    timer_cancel(&back.timer);
}

/* Version 1 lacks e; a version that is not known is refused by number. */
static void test_versions(void)
{
    struct channel_state far;
    struct chip back;
    uint8_t old[sizeof(golden) - 8];
    GError *error = NULL;

    memcpy(old, golden, 16);
    memcpy(old + 16, golden + 24, sizeof(golden) - 24);
    chip_init(&back, &far);
    back.e = 77;
    g_assert_true(load(&back, old, sizeof(old), 1, &error));
    g_assert_cmpint(back.e, ==, 77);
    timer_cancel(&back.timer);

    g_assert_false(load(&back, golden, sizeof(golden), 3, &error));
    g_assert_cmpstr(error->message, ==, "chip: version 3 is newer than 2, the newest that is known here");
    g_clear_error(&error);
    g_assert_false(load(&back, golden, sizeof(golden), 0, &error));
    g_assert_nonnull(strstr(error->message, "older than 1"));
    g_clear_error(&error);
    g_assert_false(load(&back, golden, sizeof(golden), -1, &error));
    g_clear_error(&error);
}

/* An error names the field. */
static void check_refused(size_t at, uint8_t value, const char *message)
{
    struct channel_state far;
    struct chip back;
    uint8_t bad[sizeof(golden)];
    GError *error = NULL;

    memcpy(bad, golden, sizeof(golden));
    bad[at] = value;
    chip_init(&back, &far);
    g_assert_false(load(&back, bad, sizeof(bad), 2, &error));
    g_assert_nonnull(strstr(error->message, message));
    g_error_free(error);
    timer_cancel(&back.timer);
}

static void test_refused(void)
{
    check_refused(0, 2, "chip.on: 2 is no truth value");
    check_refused(67, 5, "chip.some: 5 elements are more than the 4 that fit");
    check_refused(64, 0xff, "chip.some: ");
    check_refused(78, 43, "chip.fixed: the stream has 43, this machine 42");
    check_refused(79, 0x80, "chip.timer: expiry");
    check_refused(sizeof(golden) - 9, 'b', "chip: subsection 'chip/extrb' is not known here");
    check_refused(sizeof(golden) - 5, 2, "chip/extra: version 2 is newer");
}

static void test_post_load_refuses(void)
{
    struct channel_state far;
    struct chip back;
    GError *error = NULL;

    chip_init(&back, &far);
    back.limit = 0x11;
    g_assert_false(load(&back, golden, sizeof(golden), 2, &error));
    g_assert_cmpstr(error->message, ==, "chip: a is 18, at most 17 makes sense");
    g_error_free(error);
    timer_cancel(&back.timer);
}

/* Cut anywhere: an error that names a field, never a success, never beyond the struct (the sanitizer watches). */
static void test_truncated(void)
{
    size_t without_subsection = sizeof(golden) - 20;

    for (size_t length = 0; length < sizeof(golden); length++) {
        struct channel_state far;
        struct chip back;
        GError *error = NULL;

        chip_init(&back, &far);
        if (load(&back, golden, length, 2, &error)) {
            /* A subsection whose name is cut short is not one: what follows is for the next reader to refuse. */
            g_assert_cmpuint(length, >=, without_subsection);
            g_assert_cmpuint(length, <, without_subsection + 12);
        } else {
            g_assert_nonnull(strstr(error->message, "the stream ends after"));
            g_assert_nonnull(strstr(error->message, "chip"));
            g_error_free(error);
        }
        timer_cancel(&back.timer);
    }
}

static void test_flipped(void)
{
    for (size_t bit = 0; bit < sizeof(golden) * 8; bit++) {
        struct channel_state far;
        struct chip back;
        uint8_t bad[sizeof(golden)];

        memcpy(bad, golden, sizeof(golden));
        bad[bit / 8] ^= 1 << bit % 8;
        chip_init(&back, &far);
        load(&back, bad, sizeof(bad), 2, NULL);
        g_assert_cmpuint(back.on, <=, 1);
        timer_cancel(&back.timer);
    }
}

/* The description at a stream's end, as QEMU spells it. */
static void test_description(void)
{
    struct channel_state far;
    struct chip chip;
    struct stream *s = stream_new_memory_output();
    struct json_writer *w = json_writer_new();

    chip_fill(&chip, &far);
    json_writer_start_object(w, NULL);
    g_assert_true(vmstate_save_body(s, &chip_vmstate, &chip, w, NULL));
    json_writer_end_object(w);
    const char *text = json_writer_text(w);
    g_assert_true(g_str_has_prefix(text, "{\"vmsd_name\": \"chip\", \"version\": 2, \"fields\": [{\"name\": \"on\", "
                                         "\"type\": \"bool\", \"size\": 1}, "));
    g_assert_nonnull(strstr(text, "{\"name\": \"table\", \"array_len\": 3, \"type\": \"uint32\", \"size\": 4}"));
    g_assert_nonnull(strstr(text, "{\"name\": \"unused\", \"type\": \"unused_buffer\", \"size\": 3}"));
    g_assert_nonnull(strstr(text, "{\"name\": \"channels\", \"array_len\": 2, \"type\": \"struct\", \"struct\": "
                                  "{\"vmsd_name\": \"channel\", \"version\": 1, \"fields\": ["));
    g_assert_nonnull(strstr(text, "\"type\": \"int32 equal\""));
    g_assert_nonnull(strstr(text, "\"subsections\": [{\"vmsd_name\": \"chip/extra\", \"version\": 1, "));
    g_assert_true(g_str_has_suffix(text, "]}]}"));
    json_writer_free(w);
    stream_free(s);
    timer_cancel(&chip.timer);
}

/* Two fields of one name are told apart, also in a table so large that most names share a hash with another. */
static void test_described_names(void)
{
    static char names[3000][8];
    static struct vmstate_field fields[G_N_ELEMENTS(names) + 1];
    const struct vmstate_description vmsd = { .name = "many", .version = 1, .fields = fields };
    struct stream *s = stream_new_memory_output();
    struct json_writer *w = json_writer_new();
    uint8_t byte = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_snprintf(names[i], sizeof(names[i]), "f%u", i == 2222 ? 7 : i);
        fields[i] = (struct vmstate_field) { .name = names[i], .size = 1, .info = &vmstate_info_uint8 };
    }
    json_writer_start_object(w, NULL);
    g_assert_true(vmstate_save_body(s, &vmsd, &byte, w, NULL));
    json_writer_end_object(w);
    const char *text = json_writer_text(w);
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *name = i == 7 || i == 2222 ? g_strdup_printf("\"f7[%d]\"", i == 2222)
                                                    : g_strdup_printf("\"f%u\"", i);
        const char *at = strstr(text, name);
        g_assert_nonnull(at);
        g_assert_null(strstr(at + 1, name));
    }
    json_writer_free(w);
    stream_free(s);
}

/* Escapes and numbers, longer than the first buffer, read back by another's parser. */
static void test_json_writer(void)
{
    static const int64_t integers[] = { 0, 1, -1, 9, 10, -10, 1234567890123, INT64_MAX, INT64_MIN };
    g_autoptr(JsonParser) parser = json_parser_new();
    struct json_writer *w = json_writer_new();
    const char *text = "a\"b\\c\n\x1f d\xc3\xa9";

    json_writer_start_array(w, NULL);
    for (int i = 0; i < 5000; i++) {
        json_writer_start_object(w, NULL);
        json_writer_string(w, text, text);
        json_writer_int(w, "n", integers[i % G_N_ELEMENTS(integers)]);
        json_writer_end_object(w);
    }
    json_writer_end_array(w);
    g_assert_cmpuint(json_writer_length(w), ==, strlen(json_writer_text(w)));
    g_assert_true(g_str_has_prefix(json_writer_text(w), "[{\"a\\\"b\\\\c\\u000a\\u001f d\xc3\xa9\": \"a\\\"b"));
    g_assert_true(json_parser_load_from_data(parser, json_writer_text(w), json_writer_length(w), NULL));
    JsonArray *array = json_node_get_array(json_parser_get_root(parser));
    g_assert_cmpuint(json_array_get_length(array), ==, 5000);
    for (int i = 0; i < 5000; i++) {
        JsonObject *object = json_array_get_object_element(array, i);
        g_assert_cmpuint(json_object_get_size(object), ==, 2);
        g_assert_cmpstr(json_object_get_string_member(object, text), ==, text);
        g_assert_cmpint(json_object_get_int_member(object, "n"), ==, integers[i % G_N_ELEMENTS(integers)]);
    }
    json_writer_free(w);
}

static void test_sections(void)
{
    static int one, two, three;
    static const struct vmstate_description early = { .name = "early", .version = 1, .priority = 5,
                                                      .fields = channel_fields };
    GError *error = NULL;

    g_assert_true(vmstate_register("dev", -1, &channel_vmstate, &one, &error));
    g_assert_true(vmstate_register("dev", -1, &channel_vmstate, &two, &error));
    g_assert_false(vmstate_register("dev", 1, &channel_vmstate, &three, &error));
    g_assert_cmpstr(error->message, ==, "there is a section 'dev' with instance 1 already");
    g_clear_error(&error);
    g_assert_true(vmstate_register("early", 0, &early, &three, &error));
    vmstate_unregister(&channel_vmstate, &two);
    g_assert_true(vmstate_register("dev", 1, &channel_vmstate, &two, &error));
    vmstate_unregister(&channel_vmstate, &one);
    vmstate_unregister(&channel_vmstate, &two);
    vmstate_unregister(&early, &three);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/vmstate/golden", test_golden);
    g_test_add_func("/vmstate/round-trip", test_round_trip);
    g_test_add_func("/vmstate/versions", test_versions);
    g_test_add_func("/vmstate/refused", test_refused);
    g_test_add_func("/vmstate/post-load-refuses", test_post_load_refuses);
    g_test_add_func("/vmstate/truncated", test_truncated);
    g_test_add_func("/vmstate/flipped", test_flipped);
    g_test_add_func("/vmstate/description", test_description);
    g_test_add_func("/vmstate/described-names", test_described_names);
    g_test_add_func("/vmstate/json-writer", test_json_writer);
    g_test_add_func("/vmstate/sections", test_sections);
    return g_test_run();
}
