/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -qtest: takes lines from a character device and answers each. Works with any accelerator; the clock only with
 * qtest's own.
 */
#include <string.h>

#include "accel/qtest.h"
#include "accel/qtest/internal.h"
#include "chardev/char.h"

#define LINE_MAX_BYTES (40u << 20) /* a write command of the largest block, and some */

static struct chardev *chr;
static GString *pending; /* input up to the next newline */

void qtest_send_event(const char *line)
{
    if (chr && chardev_connected(chr)) {
        chardev_write_all(chr, line, strlen(line));
        chardev_write_all(chr, "\n", 1);
    }
}

static void serve_line(const char *line)
{
    g_autoptr(GString) reply = g_string_new(NULL);
    g_auto(GStrv) split = g_strsplit_set(line, " \t\r", -1);
    g_autoptr(GPtrArray) words = g_ptr_array_new();

    for (unsigned i = 0; split[i]; i++) {
        if (*split[i]) { /* runs of blanks make empty words */
            g_ptr_array_add(words, split[i]);
        }
    }
    g_ptr_array_add(words, NULL);
    qtest_command((char **)words->pdata, reply);
    g_string_append_c(reply, '\n');
    chardev_write_all(chr, reply->str, reply->len);
}

static int qtest_can_receive(void *opaque)
{
    return 4096;
}

static void qtest_receive(void *opaque, const uint8_t *data, int length)
{
    char *newline;

    g_string_append_len(pending, (const char *)data, length);
    while ((newline = memchr(pending->str, '\n', pending->len))) {
        g_autofree char *line = g_strndup(pending->str, (gsize)(newline - pending->str));

        g_string_erase(pending, 0, (gssize)(newline - pending->str) + 1);
        serve_line(line);
    }
    if (pending->len > LINE_MAX_BYTES) {
        g_string_truncate(pending, 0);
        qtest_send_event("ERR the line is too long");
        chardev_disconnect(chr);
    }
}

static void qtest_event(void *opaque, enum chardev_event event)
{
    if (event == CHARDEV_EVENT_OPENED || event == CHARDEV_EVENT_CLOSED) {
        g_string_truncate(pending, 0);
    }
}

bool qtest_init(const char *chardev_text, GError **error)
{
    static const struct chardev_frontend frontend = {
        .can_receive = qtest_can_receive, .receive = qtest_receive, .event = qtest_event,
    };
    g_autoptr(GError) cause = NULL;
    struct chardev *backend = chardev_new_legacy("-qtest", "qtest", chardev_text, &cause);

    if (!backend) {
        return cause ? (g_propagate_error(error, g_steal_pointer(&cause)), false) : true; /* "none" */
    }
    pending = g_string_new(NULL);
    chr = backend;
    if (!chardev_attach(backend, &frontend, error)) {
        chr = NULL;
        return false;
    }
    return true;
}
