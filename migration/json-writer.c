/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A JSON generator that appends to one string; json-glib would build a tree of some 20,000 nodes first. */
#include <stdbool.h>

#include "migration/json-writer.h"

struct json_writer {
    GString *text;
    bool need_comma; /* a value precedes at this level */
};

struct json_writer *json_writer_new(void)
{
    struct json_writer *w = g_new0(struct json_writer, 1);

    w->text = g_string_new(NULL);
    return w;
}

void json_writer_free(struct json_writer *w)
{
    if (w) {
        g_string_free(w->text, TRUE);
        g_free(w);
    }
}

static void append_quoted(struct json_writer *w, const char *value)
{
    g_string_append_c(w->text, '"');
    for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
        if (*c == '"' || *c == '\\') {
            g_string_append_printf(w->text, "\\%c", *c);
        } else if (*c < 0x20) {
            g_string_append_printf(w->text, "\\u%04x", *c);
        } else {
            g_string_append_c(w->text, *c);
        }
    }
    g_string_append_c(w->text, '"');
}

static void start_value(struct json_writer *w, const char *name)
{
    if (w->need_comma) {
        g_string_append(w->text, ", ");
    }
    w->need_comma = true;
    if (name) {
        append_quoted(w, name);
        g_string_append(w->text, ": ");
    }
}

static void open_level(struct json_writer *w, const char *name, char bracket)
{
    start_value(w, name);
    g_string_append_c(w->text, bracket);
    w->need_comma = false;
}

static void close_level(struct json_writer *w, char bracket)
{
    g_string_append_c(w->text, bracket);
    w->need_comma = true;
}

void json_writer_start_object(struct json_writer *w, const char *name)
{
    open_level(w, name, '{');
}

void json_writer_end_object(struct json_writer *w)
{
    close_level(w, '}');
}

void json_writer_start_array(struct json_writer *w, const char *name)
{
    open_level(w, name, '[');
}

void json_writer_end_array(struct json_writer *w)
{
    close_level(w, ']');
}

void json_writer_int(struct json_writer *w, const char *name, int64_t value)
{
    start_value(w, name);
    g_string_append_printf(w->text, "%" G_GINT64_FORMAT, value);
}

void json_writer_string(struct json_writer *w, const char *name, const char *value)
{
    start_value(w, name);
    append_quoted(w, value);
}

const char *json_writer_text(const struct json_writer *w)
{
    return w->text->str;
}

size_t json_writer_length(const struct json_writer *w)
{
    return w->text->len;
}
