/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A JSON generator that appends to one buffer. The description of all devices is written while the guest stands still:
 * json-glib would build a tree of some 20,000 nodes first, and a printf() per number costs more than all the rest.
 */
#include <stdbool.h>
#include <string.h>

#include "migration/json-writer.h"

#define FIRST_CAPACITY  (32u << 10) /* most boards' */
#define LONGEST_ESCAPE  6           /* \u0000 */
#define LONGEST_INTEGER 20          /* -9223372036854775808 */

struct json_writer {
    char *text;
    size_t length, capacity; /* a byte more than `length` is there, for the zero */
    bool need_comma;         /* a value precedes at this level */
};

struct json_writer *json_writer_new(void)
{
    struct json_writer *w = g_new0(struct json_writer, 1);

    w->capacity = FIRST_CAPACITY;
    w->text = g_malloc(w->capacity);
    return w;
}

void json_writer_free(struct json_writer *w)
{
    if (w) {
        g_free(w->text);
        g_free(w);
    }
}

/* Where `most` bytes may be written; json_writer_text() adds the zero. */
static char *reserve(struct json_writer *w, size_t most)
{
    if (w->capacity - w->length <= most) {
        w->capacity = 2 * w->capacity + most;
        w->text = g_realloc(w->text, w->capacity);
    }
    return w->text + w->length;
}

static void commit(struct json_writer *w, const char *end)
{
    w->length = end - w->text;
}

static char *put_escape(char *at, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";

    if (c < 0x20) {
        memcpy(at, "\\u00", 4);
        at[4] = digits[c >> 4];
        at[5] = digits[c & 15];
        return at + LONGEST_ESCAPE;
    }
    *at++ = '\\';
    *at++ = (char)c;
    return at;
}

static char *put_quoted(char *at, const char *value)
{
    *at++ = '"';
    for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
        if (G_UNLIKELY(*c == '"' || *c == '\\' || *c < 0x20)) {
            at = put_escape(at, *c);
        } else {
            *at++ = (char)*c;
        }
    }
    *at++ = '"';
    return at;
}

static char *put_integer(char *at, int64_t value)
{
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    char digits[LONGEST_INTEGER], *first = digits + sizeof(digits);

    do {
        *--first = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0) {
        *--first = '-';
    }
    size_t length = digits + sizeof(digits) - first;
    memcpy(at, first, length);
    return at + length;
}

/* A comma and the name, with `most` bytes behind them for the value. */
static char *start_value(struct json_writer *w, const char *name, size_t most)
{
    size_t name_length = name ? strlen(name) * LONGEST_ESCAPE : 0;
    char *at = reserve(w, name_length + most + strlen(", \"\": "));

    if (w->need_comma) {
        *at++ = ',';
        *at++ = ' ';
    }
    w->need_comma = true;
    if (name) {
        at = put_quoted(at, name);
        *at++ = ':';
        *at++ = ' ';
    }
    return at;
}

static void open_level(struct json_writer *w, const char *name, char bracket)
{
    char *at = start_value(w, name, 1);

    *at++ = bracket;
    commit(w, at);
    w->need_comma = false;
}

static void close_level(struct json_writer *w, char bracket)
{
    char *at = reserve(w, 1);

    *at++ = bracket;
    commit(w, at);
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
    commit(w, put_integer(start_value(w, name, LONGEST_INTEGER), value));
}

void json_writer_string(struct json_writer *w, const char *name, const char *value)
{
    commit(w, put_quoted(start_value(w, name, strlen(value) * LONGEST_ESCAPE + strlen("\"\"")), value));
}

const char *json_writer_text(const struct json_writer *w)
{
    w->text[w->length] = 0;
    return w->text;
}

size_t json_writer_length(const struct json_writer *w)
{
    return w->length;
}
