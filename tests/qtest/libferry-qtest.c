/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libferry-qtest.h"

#define TIMEOUT_MS 10000
#define LINES 64

struct connection {
    int fd;
    GString *input;
};

struct qtest {
    GPid pid;
    struct connection control, qmp;
    bool levels[LINES];
    unsigned raises[LINES];
    GQueue events; /* JsonObject, oldest first */
};

static char *folder;

static void remove_folder(void)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_unlink(path);
    }
    g_clear_pointer(&dir, g_dir_close);
    g_rmdir(folder);
}

char *qtest_path(const char *name)
{
    if (!folder) {
        folder = g_dir_make_tmp("ferry-qtest-XXXXXX", NULL);
        g_assert_nonnull(folder);
        atexit(remove_folder);
    }
    return g_build_filename(folder, name, NULL);
}

static const char *binary(void)
{
    const char *path = g_getenv("FERRY_BINARY");

    if (!path) {
        g_error("FERRY_BINARY must name the qemu-system-x86_64 to test");
    }
    return path;
}

/* --- sockets --- */

static int listen_at(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpuint(strlen(path), <, sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    g_unlink(path);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    return fd;
}

/* Waits for input; false after TIMEOUT_MS. */
static bool wait_readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int ready;

    do {
        ready = poll(&p, 1, TIMEOUT_MS);
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

static void connection_accept(struct connection *c, int listener, GPid pid)
{
    for (int waited = 0; waited < TIMEOUT_MS; waited += 100) {
        struct pollfd p = { .fd = listener, .events = POLLIN };

        if (poll(&p, 1, 100) > 0) {
            c->fd = accept(listener, NULL, NULL);
            g_assert_cmpint(c->fd, >=, 0);
            c->input = g_string_new(NULL);
            close(listener);
            return;
        }
        if (waitpid(pid, NULL, WNOHANG) == pid) {
            g_error("%s ended before it connected", binary());
        }
    }
    g_error("%s did not connect within ten seconds", binary());
}

static void connection_close(struct connection *c)
{
    close(c->fd);
    g_string_free(c->input, TRUE);
}

/* False: the other side has gone. */
static bool connection_try_send(struct connection *c, const char *text)
{
    size_t length = strlen(text);

    while (length) {
        ssize_t sent = send(c->fd, text, length, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        text += sent;
        length -= (size_t)sent;
    }
    return true;
}

/* NULL: the other side has gone. */
static char *connection_try_line(struct connection *c)
{
    char *newline;

    while (!(newline = memchr(c->input->str, '\n', c->input->len))) {
        char buffer[4096];
        ssize_t got;

        if (!wait_readable(c->fd)) {
            g_error("the program under test did not answer within ten seconds");
        }
        got = recv(c->fd, buffer, sizeof(buffer), 0);
        if (got <= 0) {
            return NULL;
        }
        g_string_append_len(c->input, buffer, got);
    }
    {
        char *line = g_strndup(c->input->str, (gsize)(newline - c->input->str));

        g_string_erase(c->input, 0, newline - c->input->str + 1);
        return g_strchomp(line);
    }
}

static void connection_send(struct connection *c, const char *text)
{
    if (!connection_try_send(c, text)) {
        g_error("the program under test closed its socket");
    }
}

static char *connection_line(struct connection *c)
{
    char *line = connection_try_line(c);

    if (!line) {
        g_error("the program under test closed its socket, or crashed");
    }
    return line;
}

/* --- start and end --- */

/* A test that fails must not leave its machine behind. */
static void die_with_parent(gpointer opaque)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static GPid spawn(const char *args, int *err_fd)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) words = NULL;
    GPid pid;

    g_ptr_array_add(argv, g_strdup(binary()));
    if (args && *args) {
        g_assert_true(g_shell_parse_argv(args, NULL, &words, NULL));
        for (int i = 0; words[i]; i++) {
            g_ptr_array_add(argv, g_strdup(words[i]));
        }
    }
    g_ptr_array_add(argv, NULL);
    if (!g_spawn_async_with_pipes(NULL, (char **)argv->pdata, NULL, G_SPAWN_DO_NOT_REAP_CHILD,
                                  die_with_parent, NULL, &pid, NULL, NULL, err_fd, &error)) {
        g_error("cannot run %s: %s", binary(), error->message);
    }
    return pid;
}

static int reap(GPid pid)
{
    int status;

    for (int waited = 0; waited < TIMEOUT_MS; waited += 5) {
        if (waitpid(pid, &status, WNOHANG) == pid) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        g_usleep(5000);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    g_error("%s did not end within ten seconds", binary());
}

struct qtest *qtest_start(const char *args)
{
    static unsigned count;
    struct qtest *q = g_new0(struct qtest, 1);
    g_autofree char *control_name = g_strdup_printf("control-%u", count);
    g_autofree char *qmp_name = g_strdup_printf("qmp-%u", count++);
    g_autofree char *control_path = qtest_path(control_name), *qmp_path = qtest_path(qmp_name);
    g_autofree char *all = g_strdup_printf("-machine pc -accel qtest -m 32 -nodefaults -display none -qtest unix:%s "
                                           "-qmp unix:%s %s", control_path, qmp_path, args ? args : "");
    g_autofree char *greeting = NULL;
    int control = listen_at(control_path), qmp = listen_at(qmp_path);

    g_queue_init(&q->events);
    q->pid = spawn(all, NULL);
    connection_accept(&q->control, control, q->pid);
    connection_accept(&q->qmp, qmp, q->pid);
    greeting = connection_line(&q->qmp);
    g_assert_nonnull(strstr(greeting, "\"QMP\""));
    qtest_qmp_ok(q, "{\"execute\": \"qmp_capabilities\"}");
    return q;
}

static int finish(struct qtest *q)
{
    int status = reap(q->pid);

    connection_close(&q->control);
    connection_close(&q->qmp);
    g_queue_clear_full(&q->events, (GDestroyNotify)json_object_unref);
    g_free(q);
    return status;
}

void qtest_quit(struct qtest *q)
{
    connection_send(&q->qmp, "{\"execute\": \"quit\"}\n");
    g_assert_cmpint(finish(q), ==, 0);
}

int qtest_wait_exit(struct qtest *q)
{
    return finish(q);
}

int qtest_run(const char *args, char **err)
{
    g_autoptr(GString) text = g_string_new(NULL);
    int err_fd;
    GPid pid = spawn(args, &err_fd);
    char buffer[1024];
    ssize_t got;

    while (wait_readable(err_fd) && (got = read(err_fd, buffer, sizeof(buffer))) > 0) {
        g_string_append_len(text, buffer, got);
    }
    close(err_fd);
    if (err) {
        *err = g_strdup(text->str);
    }
    return reap(pid);
}

void qtest_check_refused(const char *const bad[][2], unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        g_autofree char *err = NULL;

        g_assert_cmpint(qtest_run(bad[i][0], &err), ==, 1);
        g_assert_nonnull(strstr(err, bad[i][1]));
    }
}

/* --- the protocol --- */

/* True if the line was an event, which is noted. */
static bool note_irq(struct qtest *q, const char *line)
{
    char what[8];
    int n;

    if (sscanf(line, "IRQ %7s %d", what, &n) != 2) {
        return false;
    }
    g_assert_true(n >= 0 && n < LINES);
    q->levels[n] = !strcmp(what, "raise");
    q->raises[n] += q->levels[n];
    return true;
}

char *qtest_raw(struct qtest *q, const char *line)
{
    char *answer;

    connection_send(&q->control, line);
    connection_send(&q->control, "\n");
    while (note_irq(q, answer = connection_line(&q->control))) {
        g_free(answer);
    }
    return answer;
}

/* What follows "OK". */
static char *command(struct qtest *q, const char *format, ...) G_GNUC_PRINTF(2, 3);
static char *command(struct qtest *q, const char *format, ...)
{
    g_autofree char *line = NULL, *answer = NULL;
    va_list ap;

    va_start(ap, format);
    line = g_strdup_vprintf(format, ap);
    va_end(ap);
    answer = qtest_raw(q, line);
    if (strcmp(answer, "OK") && !g_str_has_prefix(answer, "OK ")) {
        g_error("'%.60s': %s", line, answer);
    }
    return g_strdup(g_strchug(answer + 2));
}

static uint64_t command_value(struct qtest *q, const char *name, uint64_t address)
{
    g_autofree char *value = command(q, "%s 0x%" G_GINT64_MODIFIER "x", name, address);

    return g_ascii_strtoull(value, NULL, 0);
}

static void command_store(struct qtest *q, const char *name, uint64_t address, uint64_t value)
{
    g_free(command(q, "%s 0x%" G_GINT64_MODIFIER "x 0x%" G_GINT64_MODIFIER "x", name, address, value));
}

uint8_t qtest_inb(struct qtest *q, uint16_t port) { return (uint8_t)command_value(q, "inb", port); }
uint16_t qtest_inw(struct qtest *q, uint16_t port) { return (uint16_t)command_value(q, "inw", port); }
uint32_t qtest_inl(struct qtest *q, uint16_t port) { return (uint32_t)command_value(q, "inl", port); }
void qtest_outb(struct qtest *q, uint16_t port, uint8_t value) { command_store(q, "outb", port, value); }
void qtest_outw(struct qtest *q, uint16_t port, uint16_t value) { command_store(q, "outw", port, value); }
void qtest_outl(struct qtest *q, uint16_t port, uint32_t value) { command_store(q, "outl", port, value); }
uint8_t qtest_readb(struct qtest *q, uint64_t address) { return (uint8_t)command_value(q, "readb", address); }
uint16_t qtest_readw(struct qtest *q, uint64_t address) { return (uint16_t)command_value(q, "readw", address); }
uint32_t qtest_readl(struct qtest *q, uint64_t address) { return (uint32_t)command_value(q, "readl", address); }
uint64_t qtest_readq(struct qtest *q, uint64_t address) { return command_value(q, "readq", address); }
void qtest_writeb(struct qtest *q, uint64_t address, uint8_t value) { command_store(q, "writeb", address, value); }
void qtest_writew(struct qtest *q, uint64_t address, uint16_t value) { command_store(q, "writew", address, value); }
void qtest_writel(struct qtest *q, uint64_t address, uint32_t value) { command_store(q, "writel", address, value); }
void qtest_writeq(struct qtest *q, uint64_t address, uint64_t value) { command_store(q, "writeq", address, value); }

void qtest_memread(struct qtest *q, uint64_t address, void *data, size_t length)
{
    g_autofree char *hex = command(q, "read 0x%" G_GINT64_MODIFIER "x %zu", address, length);

    g_assert_cmpuint(strlen(hex), ==, 2 + 2 * length);
    for (size_t i = 0; i < length; i++) {
        int high = g_ascii_xdigit_value(hex[2 + 2 * i]), low = g_ascii_xdigit_value(hex[3 + 2 * i]);

        ((uint8_t *)data)[i] = (uint8_t)(high << 4 | low);
    }
}

void qtest_memwrite(struct qtest *q, uint64_t address, const void *data, size_t length)
{
    g_autoptr(GString) hex = g_string_new("0x");

    for (size_t i = 0; i < length; i++) {
        g_string_append_printf(hex, "%02x", ((const uint8_t *)data)[i]);
    }
    g_free(command(q, "write 0x%" G_GINT64_MODIFIER "x %zu %s", address, length, hex->str));
}

void qtest_memset(struct qtest *q, uint64_t address, uint8_t value, size_t length)
{
    g_free(command(q, "memset 0x%" G_GINT64_MODIFIER "x %zu %u", address, length, value));
}

int64_t qtest_clock_step(struct qtest *q, int64_t ns)
{
    g_autofree char *now = command(q, "clock_step %" G_GINT64_FORMAT, ns);

    return g_ascii_strtoll(now, NULL, 0);
}

int64_t qtest_clock_step_next(struct qtest *q)
{
    g_autofree char *now = command(q, "clock_step");

    return g_ascii_strtoll(now, NULL, 0);
}

void qtest_irq_intercept_in(struct qtest *q, const char *name)
{
    g_free(command(q, "irq_intercept_in %s", name));
}

/* Events come before the answer to a later command. */
static void sync_events(struct qtest *q)
{
    g_free(command(q, "endianness"));
}

bool qtest_irq_level(struct qtest *q, int n)
{
    sync_events(q);
    return q->levels[n];
}

unsigned qtest_irq_raises(struct qtest *q, int n)
{
    sync_events(q);
    return q->raises[n];
}

void qtest_set_irq_in(struct qtest *q, const char *name, int n, bool level)
{
    g_free(command(q, "set_irq_in %s unnamed %d %d", name, n, level));
}

/* --- QMP --- */

static JsonObject *parse(const char *line)
{
    g_autoptr(JsonParser) parser = json_parser_new();

    if (!json_parser_load_from_data(parser, line, -1, NULL)) {
        g_error("QMP sent what is not JSON: %s", line);
    }
    return json_object_ref(json_node_get_object(json_parser_get_root(parser)));
}

JsonObject *qtest_try_qmp(struct qtest *q, const char *text)
{
    if (!connection_try_send(&q->qmp, text) || !connection_try_send(&q->qmp, "\n")) {
        return NULL;
    }
    for (;;) {
        g_autofree char *line = connection_try_line(&q->qmp);
        JsonObject *object = line ? parse(line) : NULL;

        if (!object || !json_object_has_member(object, "event")) {
            return object;
        }
        g_queue_push_tail(&q->events, object);
    }
}

JsonObject *qtest_qmp(struct qtest *q, const char *text)
{
    JsonObject *reply = qtest_try_qmp(q, text);

    if (!reply) {
        g_error("the program under test has gone, or crashed");
    }
    return reply;
}

void qtest_qmp_ok(struct qtest *q, const char *text)
{
    JsonObject *reply = qtest_qmp(q, text);

    if (!json_object_has_member(reply, "return")) {
        g_error("%s: %s", text, json_object_get_string_member(json_object_get_object_member(reply, "error"), "desc"));
    }
    json_object_unref(reply);
}

JsonObject *qtest_qmp_event(struct qtest *q, const char *name)
{
    for (;;) {
        JsonObject *object = g_queue_pop_head(&q->events);

        if (!object) {
            g_autofree char *line = connection_line(&q->qmp);
            object = parse(line);
        }
        if (!g_strcmp0(json_object_get_string_member_with_default(object, "event", NULL), name)) {
            return object;
        }
        json_object_unref(object);
    }
}

/* --- state --- */

/* What a query says its `status` is; NULL: the program has gone. */
static char *query_status(struct qtest *q, const char *command)
{
    g_autofree char *text = g_strdup_printf("{\"execute\": \"%s\"}", command);
    JsonObject *reply = qtest_try_qmp(q, text);
    char *status;

    if (!reply) {
        return NULL;
    }
    status = g_strdup(json_object_get_string_member_with_default(json_object_get_object_member(reply, "return"),
                                                                 "status", "none"));
    json_object_unref(reply);
    return status;
}

char *qtest_save(struct qtest *q, const char *name)
{
    char *path = qtest_path(name);
    g_autofree char *migrate =
        g_strdup_printf("{\"execute\": \"migrate\", \"arguments\": {\"uri\": \"exec:cat > %s\"}}", path);

    qtest_qmp_ok(q, migrate);
    for (int waited = 0; waited < 3 * TIMEOUT_MS; waited += 5) {
        g_autofree char *status = query_status(q, "query-migrate");

        g_assert_cmpstr(status, !=, "failed");
        if (!g_strcmp0(status, "completed")) {
            return path;
        }
        g_usleep(5000);
    }
    g_error("the migration to a file does not end");
}

bool qtest_wait_loaded(struct qtest *q)
{
    for (int waited = 0; waited < 3 * TIMEOUT_MS; waited += 5) {
        g_autofree char *status = query_status(q, "query-status");

        if (!status || strcmp(status, "inmigrate")) {
            return status;
        }
        g_usleep(5000);
    }
    g_error("the stream is neither loaded nor refused");
}

bool qtest_load(struct qtest *q, const char *path)
{
    g_autofree char *incoming = g_strdup_printf("{\"execute\": \"migrate-incoming\", \"arguments\": "
                                                "{\"uri\": \"exec:cat %s\"}}", path);

    qtest_qmp_ok(q, incoming);
    return qtest_wait_loaded(q);
}

/*
 * A section is u8 4, u32 number, u8 length of the name, name, u32 instance, u32 version, the body, and u8 0x7e with the
 * number again.
 */
GBytes *qtest_section(const char *path, const char *name)
{
    g_autofree char *data = NULL;
    size_t length, n = strlen(name);
    char *at, *end;
    char footer[5] = { 0x7e };

    g_assert_true(g_file_get_contents(path, &data, &length, NULL));
    at = memmem(data, length, name, n);
    while (at && !(at - data > 6 && at[-6] == 4 && (uint8_t)at[-1] == n)) {
        at = memmem(at + 1, length - (size_t)(at + 1 - data), name, n);
    }
    g_assert_nonnull(at);
    memcpy(footer + 1, at - 5, 4);
    at += n + 8;
    end = memmem(at, length - (size_t)(at - data), footer, sizeof(footer));
    g_assert_nonnull(end);
    return g_bytes_new(at, (gsize)(end - at));
}
