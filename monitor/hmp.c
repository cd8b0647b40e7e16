/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HMP sessions: a line at a time, with echo, erasing, history and completion of command names. Commands are in
 * hmp-commands.c and do their work through the QMP functions.
 */
#include "monitor/monitor-internal.h"

#include <string.h>

#define LINE_BYTES 4096
#define HISTORY 32
#define PROMPT "(qemu) "

enum escape_state { ESCAPE_NONE, ESCAPE_ESC, ESCAPE_CSI };

struct hmp_session {
    struct chardev *chr;
    bool greeted;
    char line[LINE_BYTES];
    int length;
    enum escape_state escape;
    char *history[HISTORY];
    int history_count, history_at;
    struct hmp_session *next;
};

static struct hmp_session *sessions;
static GString *output; /* of the command that runs */

void monitor_printf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (output) {
        g_string_append_vprintf(output, fmt, ap);
    }
    va_end(ap);
}

static bool capture_report(const char *text)
{
    g_string_append(output, text);
    return true;
}

static const struct hmp_command *find_in(const struct hmp_command *table, const char *name)
{
    for (; table->name; table++) {
        if (strcmp(table->name, name) == 0 || (table->alias && strcmp(table->alias, name) == 0)) {
            return table;
        }
    }
    return NULL;
}

static void run_words(int argc, char **argv)
{
    const struct hmp_command *command = find_in(hmp_commands, argv[0]);
    if (!command) {
        monitor_printf("unknown command: '%s'\n", argv[0]);
    } else if (strcmp(command->name, "info") != 0) {
        command->run(argc, argv);
    } else if (argc < 2) {
        hmp_help("info");
    } else {
        const struct hmp_command *info = find_in(hmp_info_commands, argv[1]);
        if (info) {
            info->run(argc - 1, argv + 1);
        } else {
            monitor_printf("unknown command: 'info %s'\n", argv[1]);
        }
    }
}

char *hmp_execute(const char *line)
{
    GString *outer = output;
    output = g_string_new(NULL);
    bool (*outer_hook)(const char *) = error_report_hook;
    error_report_hook = capture_report;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) argv = NULL;
    int argc;
    if (g_shell_parse_argv(line, &argc, &argv, &error)) {
        run_words(argc, argv);
    } else if (!g_error_matches(error, G_SHELL_ERROR, G_SHELL_ERROR_EMPTY_STRING)) {
        monitor_printf("%s\n", error->message);
    }
    error_report_hook = outer_hook;
    char *text = g_string_free(output, FALSE);
    output = outer;
    return text;
}

static void session_write(struct hmp_session *s, const char *text)
{
    for (const char *p = text; *p;) {
        const char *end = strchrnul(p, '\n');
        chardev_write_all(s->chr, p, end - p);
        if (*end) {
            chardev_write_all(s->chr, "\r\n", 2);
            end++;
        }
        p = end;
    }
}

static void line_replace(struct hmp_session *s, const char *text)
{
    while (s->length > 0) {
        session_write(s, "\b \b");
        s->length--;
    }
    s->length = MIN(strlen(text), LINE_BYTES - 1);
    memcpy(s->line, text, s->length);
    chardev_write_all(s->chr, s->line, s->length);
}

static void history_add(struct hmp_session *s, const char *line)
{
    if (!*line) {
        return;
    }
    if (s->history_count == HISTORY) {
        g_free(s->history[0]);
        memmove(s->history, s->history + 1, (HISTORY - 1) * sizeof(s->history[0]));
        s->history_count--;
    }
    s->history[s->history_count++] = g_strdup(line);
    s->history_at = s->history_count;
}

static void history_move(struct hmp_session *s, int step)
{
    int at = s->history_at + step;
    if (at >= 0 && at <= s->history_count) {
        s->history_at = at;
        line_replace(s, at < s->history_count ? s->history[at] : "");
    }
}

/* Completes a command's name if only one begins so; else lists them. */
static void line_complete(struct hmp_session *s)
{
    s->line[s->length] = '\0';
    bool info = g_str_has_prefix(s->line, "info ");
    const char *start = info ? s->line + 5 : s->line;
    if (strchr(start, ' ')) {
        return;
    }
    const struct hmp_command *only = NULL;
    int matches = 0;
    for (const struct hmp_command *c = info ? hmp_info_commands : hmp_commands; c->name; c++) {
        if (g_str_has_prefix(c->name, start)) {
            only = c;
            matches++;
        }
    }
    if (matches == 1) {
        g_autofree char *full = g_strdup_printf("%s%s ", info ? "info " : "", only->name);
        line_replace(s, full);
    } else if (matches > 1) {
        g_autofree char *typed = g_strdup(s->line);
        session_write(s, "\n");
        for (const struct hmp_command *c = info ? hmp_info_commands : hmp_commands; c->name; c++) {
            if (g_str_has_prefix(c->name, start)) {
                session_write(s, c->name);
                session_write(s, "  ");
            }
        }
        session_write(s, "\n" PROMPT);
        s->length = 0;
        line_replace(s, typed);
    }
}

static void line_run(struct hmp_session *s)
{
    s->line[s->length] = '\0';
    s->length = 0;
    session_write(s, "\n");
    history_add(s, s->line);
    g_autofree char *text = hmp_execute(s->line);
    session_write(s, text);
    session_write(s, PROMPT);
}

static void escape_byte(struct hmp_session *s, uint8_t c)
{
    if (s->escape == ESCAPE_ESC) {
        s->escape = c == '[' || c == 'O' ? ESCAPE_CSI : ESCAPE_NONE;
        return;
    }
    if (c >= 0x40) { /* the final byte */
        s->escape = ESCAPE_NONE;
        if (c == 'A' || c == 'B') {
            history_move(s, c == 'A' ? -1 : 1);
        }
    }
}

static void hmp_byte(struct hmp_session *s, uint8_t c)
{
    if (s->escape != ESCAPE_NONE) {
        escape_byte(s, c);
    } else if (c == 0x1b) {
        s->escape = ESCAPE_ESC;
    } else if (c == '\r' || c == '\n') {
        line_run(s);
    } else if (c == 0x7f || c == '\b') {
        if (s->length > 0) {
            s->length--;
            session_write(s, "\b \b");
        }
    } else if (c == 0x15) { /* Ctrl-U */
        line_replace(s, "");
    } else if (c == '\t') {
        line_complete(s);
    } else if (c >= ' ' && s->length < LINE_BYTES - 1) {
        s->line[s->length++] = c;
        chardev_write_all(s->chr, &c, 1);
    }
}

static int hmp_can_receive(void *opaque)
{
    struct hmp_session *s = opaque;
    return chardev_pending(s->chr) < MONITOR_PENDING_MAX ? 256 : 0;
}

static void hmp_receive(void *opaque, const uint8_t *data, int length)
{
    for (int i = 0; i < length; i++) {
        hmp_byte(opaque, data[i]);
    }
}

static void hmp_event(void *opaque, enum chardev_event event)
{
    struct hmp_session *s = opaque;
    if (event == CHARDEV_EVENT_OPENED) {
        session_write(s, s->greeted ? "\n" PROMPT : "Ferry monitor - type 'help' for more information\n" PROMPT);
        s->greeted = true;
        s->length = 0;
    } else if (event == CHARDEV_EVENT_CLOSED) {
        s->greeted = false;
    }
}

bool monitor_new_hmp(struct chardev *chr, GError **error)
{
    struct hmp_session *s = g_new0(struct hmp_session, 1);
    s->chr = chr;
    s->next = sessions;
    sessions = s;
    const struct chardev_frontend frontend = {
        .can_receive = hmp_can_receive, .receive = hmp_receive, .event = hmp_event, .opaque = s,
    };
    return chardev_attach(chr, &frontend, error);
}

void hmp_sessions_cleanup(void)
{
    while (sessions) {
        struct hmp_session *s = sessions;
        sessions = s->next;
        chardev_detach(s->chr, s);
        for (int i = 0; i < s->history_count; i++) {
            g_free(s->history[i]);
        }
        g_free(s);
    }
}
