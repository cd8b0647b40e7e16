/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP sessions: greeting, capabilities negotiation, commands with `id`, errors by class, events.
 *
 * Input is a sequence of JSON objects, separated by anything that is white space; a session finds the end of each by
 * counting brackets outside strings, bounded in bytes and depth, and only then parses. What is not JSON is answered
 * with an error and skipped up to the next line end, so that one bad line does not take the session down.
 */
#include "monitor/monitor-internal.h"

#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "qapi/qapi-visit.h"
#include "util/json.h"
#include "util/main-loop.h"

#define REQUEST_BYTES (64u << 20)
#define EVENT_BYTES (16u << 20) /* a client that leaves more than this unread is cut off */

struct qmp_session {
    struct chardev *chr;
    bool negotiated; /* qmp_capabilities came */
    bool pretty;
    GByteArray *request;
    int depth;
    char quote; /* that a string began with; 0: in none */
    bool escaped, skipping;
    GHashTable *named_fds; /* getfd's */
    struct qmp_session *next;
};

static struct qmp_session *sessions;
struct qmp_session *qmp_current;

static const char *const error_classes[] = {
    [FERRY_ERROR_GENERIC] = "GenericError",
    [FERRY_ERROR_COMMAND_NOT_FOUND] = "CommandNotFound",
    [FERRY_ERROR_DEVICE_NOT_FOUND] = "DeviceNotFound",
    [FERRY_ERROR_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
    [FERRY_ERROR_KVM_MISSING_CAP] = "KVMMissingCap",
};

/* Takes the object over. */
static void qmp_send(struct qmp_session *s, JsonObject *object)
{
    JsonNode *node = qapi_node_object(object);
    size_t length;
    g_autofree char *text = json_text_print(node, s->pretty, &length);
    chardev_write_all(s->chr, text, length);
    chardev_write_all(s->chr, "\r\n", 2);
    json_node_unref(node);
}

static void qmp_send_error(struct qmp_session *s, const GError *error, JsonNode *id)
{
    JsonObject *reply = json_object_new(), *body = json_object_new();
    unsigned code = error->domain == FERRY_ERROR ? error->code : FERRY_ERROR_GENERIC;
    json_object_set_string_member(body, "class", error_classes[code < G_N_ELEMENTS(error_classes) ? code : 0]);
    json_object_set_string_member(body, "desc", error->message);
    if (id) {
        json_object_set_member(reply, "id", json_node_copy(id));
    }
    json_object_set_object_member(reply, "error", body);
    qmp_send(s, reply);
}

static void qmp_greet(struct qmp_session *s)
{
    JsonObject *greeting = json_object_new(), *body = json_object_new();
    VersionInfo *version = qmp_query_version(NULL);
    json_object_set_member(body, "version", qapi_VersionInfo_to_json(version));
    qapi_free_VersionInfo(version);
    json_object_set_array_member(body, "capabilities", json_array_new()); /* out-of-band is not built */
    json_object_set_object_member(greeting, "QMP", body);
    qmp_send(s, greeting);
}

const struct qapi_command *qmp_command_find(const char *name)
{
    for (const struct qapi_command *c = qapi_commands; c->name; c++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

/* The command's result, or NULL and an error. */
static JsonNode *qmp_dispatch(struct qmp_session *s, JsonNode *request, JsonNode **id, GError **error)
{
    static const char *const names[] = { "execute", "arguments", "id", NULL };
    if (!JSON_NODE_HOLDS_OBJECT(request)) {
        error_setf(error, "QMP input must be a JSON object");
        return NULL;
    }
    JsonObject *object = json_node_get_object(request);
    *id = json_object_get_member(object, "id");
    g_autoptr(GList) members = json_object_get_members(object);
    for (GList *m = members; m; m = m->next) {
        if (!g_strv_contains(names, m->data)) {
            error_setf(error, "QMP input member '%s' is unexpected%s", (char *)m->data,
                       strcmp(m->data, "exec-oob") == 0 ? ": there is no out-of-band execution" : "");
            return NULL;
        }
    }
    JsonNode *execute = json_object_get_member(object, "execute");
    if (!execute) {
        error_setf(error, "QMP input lacks member 'execute'");
        return NULL;
    }
    if (!JSON_NODE_HOLDS_VALUE(execute) || json_node_get_value_type(execute) != G_TYPE_STRING) {
        error_setf(error, "QMP input member 'execute' must be a string");
        return NULL;
    }
    const char *name = json_node_get_string(execute);
    const struct qapi_command *command = qmp_command_find(name);
    if (!command) {
        error_set_class(error, FERRY_ERROR_COMMAND_NOT_FOUND, "The command %s has not been found", name);
        return NULL;
    }
    bool negotiates = strcmp(name, "qmp_capabilities") == 0;
    if (!s->negotiated && !negotiates) {
        error_set_class(error, FERRY_ERROR_COMMAND_NOT_FOUND,
                        "Expecting capabilities negotiation with 'qmp_capabilities'");
        return NULL;
    }
    if (s->negotiated && negotiates) {
        error_set_class(error, FERRY_ERROR_COMMAND_NOT_FOUND,
                        "Capabilities negotiation is already complete, command 'qmp_capabilities' ignored");
        return NULL;
    }
    JsonNode *arguments = json_object_get_member(object, "arguments");
    if (arguments && !JSON_NODE_HOLDS_OBJECT(arguments)) {
        error_setf(error, "QMP input member 'arguments' must be an object");
        return NULL;
    }
    return command->dispatch(arguments, error);
}

static void qmp_execute(struct qmp_session *s, const char *text, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) request = json_text_parse(text, length, &error);
    JsonNode *id = NULL, *result = NULL;
    if (request) {
        qmp_current = s;
        result = qmp_dispatch(s, request, &id, &error);
        qmp_current = NULL;
    }
    if (!result) {
        qmp_send_error(s, error, id);
        return;
    }
    JsonObject *reply = json_object_new();
    json_object_set_member(reply, "return", result);
    if (id) {
        json_object_set_member(reply, "id", json_node_copy(id));
    }
    qmp_send(s, reply);
}

static void request_reset(struct qmp_session *s)
{
    g_byte_array_unref(s->request); /* it may have grown */
    s->request = g_byte_array_new();
    s->depth = 0;
    s->quote = 0;
    s->escaped = s->skipping = false;
}

/* From here on input is dropped up to the end of the line. */
static void request_refuse(struct qmp_session *s, const char *why)
{
    g_autoptr(GError) error = NULL;
    request_reset(s);
    s->skipping = true;
    error_setf(&error, "JSON parse error, %s", why);
    qmp_send_error(s, error, NULL);
}

static void request_run(struct qmp_session *s)
{
    GByteArray *request = g_byte_array_ref(s->request);
    request_reset(s);
    qmp_execute(s, (char *)request->data, request->len);
    g_byte_array_unref(request);
}

/* Within a string. It cannot hold a raw line end, which thus ends a request that no bracket would: the parser says why. */
static void request_string_byte(struct qmp_session *s, char c)
{
    if (c == '\n') {
        request_run(s);
    } else if (s->escaped) {
        s->escaped = false;
    } else if (c == '\\') {
        s->escaped = true;
    } else if (c == s->quote) {
        s->quote = 0;
    }
}

/* One byte of input: tracks strings and brackets, and runs the request when its outermost bracket closes. */
static void request_byte(struct qmp_session *s, char c)
{
    if (s->skipping) {
        s->skipping = c != '\n';
        return;
    }
    if (!s->depth && !s->request->len && g_ascii_isspace(c)) {
        return;
    }
    if (!s->depth && !s->quote && c != '{' && c != '[') {
        /* A request is an object; an array or a lone scalar is collected to its line's end and refused. */
        request_refuse(s, "expecting an object");
        s->skipping = c != '\n';
        return;
    }
    g_byte_array_append(s->request, (guint8 *)&c, 1);
    if (s->request->len > REQUEST_BYTES) {
        request_refuse(s, "request is longer than 64 MiB");
        return;
    }
    if (s->quote) {
        request_string_byte(s, c);
        return;
    }
    if (c == '"' || c == '\'') {
        s->quote = c;
    } else if (c == '{' || c == '[') {
        if (++s->depth > JSON_DEPTH_MAX) {
            request_refuse(s, "nested deeper than 1024 levels");
        }
    } else if ((c == '}' || c == ']') && --s->depth == 0) {
        request_run(s);
    }
}

static int qmp_can_receive(void *opaque)
{
    struct qmp_session *s = opaque;
    return chardev_pending(s->chr) < MONITOR_PENDING_MAX ? 512 : 0; /* so that not too many run at once */
}

static void qmp_receive(void *opaque, const uint8_t *data, int length)
{
    struct qmp_session *s = opaque;
    for (int i = 0; i < length && chardev_connected(s->chr); i++) { /* a command may cut the client off */
        request_byte(s, data[i]);
    }
}

static void qmp_event(void *opaque, enum chardev_event event)
{
    struct qmp_session *s = opaque;
    if (event == CHARDEV_EVENT_OPENED || event == CHARDEV_EVENT_CLOSED) {
        s->negotiated = false;
        request_reset(s);
    }
    if (event == CHARDEV_EVENT_OPENED) {
        qmp_greet(s);
    }
}

bool monitor_new_qmp(struct chardev *chr, bool pretty, GError **error)
{
    struct qmp_session *s = g_new0(struct qmp_session, 1);
    s->chr = chr;
    s->pretty = pretty;
    s->request = g_byte_array_new();
    s->named_fds = named_fds_new();
    s->next = sessions;
    sessions = s;
    const struct chardev_frontend frontend = {
        .can_receive = qmp_can_receive, .receive = qmp_receive, .event = qmp_event, .opaque = s,
    };
    return chardev_attach(chr, &frontend, error);
}

void qmp_sessions_cleanup(void)
{
    while (sessions) {
        struct qmp_session *s = sessions;
        sessions = s->next;
        chardev_detach(s->chr, s);
        g_byte_array_unref(s->request);
        g_hash_table_unref(s->named_fds);
        g_free(s);
    }
}

GHashTable *qmp_named_fds(void)
{
    return qmp_current ? qmp_current->named_fds : NULL;
}

int qmp_take_received_fd(void)
{
    return qmp_current ? chardev_take_fd(qmp_current->chr) : -1;
}

void qmp_qmp_capabilities(GPtrArray *enable, GError **error)
{
    if (enable && enable->len) {
        error_setf(error, "Capability '%s' is not available; there are none", (char *)enable->pdata[0]);
        return;
    }
    if (qmp_current) {
        qmp_current->negotiated = true;
    }
}

/* An event on its way from another thread to the main loop. */
struct queued_event {
    const struct qapi_event *type;
    JsonNode *data;
    gint64 real_time; /* microseconds */
};

/*
 * Events leave in the order in which they happened, whichever threads they are of: one that may be sent at once does not
 * overtake another's that still waits for the main loop.
 */
static GMutex queue_lock; /* guards the queue; innermost */
static GQueue queue = G_QUEUE_INIT;

/* Rate limited events: the newest one waits until its time has come. */
struct event_limit {
    gint64 last;  /* monotonic µs of the last one sent */
    struct queued_event *waiting;
    guint timer;
};
static GHashTable *limits; /* struct qapi_event * -> struct event_limit * */

static void event_free(struct queued_event *event)
{
    g_clear_pointer(&event->data, json_node_unref);
    g_free(event);
}

static void event_send(struct queued_event *event)
{
    for (struct qmp_session *s = sessions; s; s = s->next) {
        if (!s->negotiated) {
            continue;
        }
        if (chardev_pending(s->chr) > EVENT_BYTES) {
            warn_report("monitor on '%s' is closed: its client has not read %zu bytes", chardev_id(s->chr),
                        chardev_pending(s->chr));
            chardev_disconnect(s->chr);
            continue;
        }
        JsonObject *object = json_object_new(), *stamp = json_object_new();
        json_object_set_int_member(stamp, "seconds", event->real_time / G_USEC_PER_SEC);
        json_object_set_int_member(stamp, "microseconds", event->real_time % G_USEC_PER_SEC);
        json_object_set_object_member(object, "timestamp", stamp);
        json_object_set_string_member(object, "event", event->type->name);
        if (event->data) {
            json_object_set_member(object, "data", json_node_copy(event->data));
        }
        qmp_send(s, object);
    }
    event_free(event);
}

static gboolean limit_expired(gpointer opaque)
{
    struct event_limit *limit = opaque;
    limit->timer = 0;
    limit->last = g_get_monotonic_time();
    event_send(g_steal_pointer(&limit->waiting));
    return G_SOURCE_REMOVE;
}

static void event_arrived(struct queued_event *event)
{
    unsigned ms = event->type->rate_limit_ms;
    if (!ms) {
        event_send(event);
        return;
    }
    if (!limits) {
        limits = g_hash_table_new(NULL, NULL);
    }
    struct event_limit *limit = g_hash_table_lookup(limits, event->type);
    if (!limit) {
        limit = g_new0(struct event_limit, 1);
        limit->last = G_MININT64 / 2;
        g_hash_table_insert(limits, (gpointer)event->type, limit);
    }
    gint64 since = (g_get_monotonic_time() - limit->last) / 1000;
    if (limit->timer) {
        event_free(limit->waiting);
        limit->waiting = event;
    } else if (since >= ms) {
        limit->last = g_get_monotonic_time();
        event_send(event);
    } else {
        limit->waiting = event;
        limit->timer = g_timeout_add(ms - since, limit_expired, limit);
    }
}

static struct queued_event *next_queued(void)
{
    g_mutex_lock(&queue_lock);
    struct queued_event *event = g_queue_pop_head(&queue);
    g_mutex_unlock(&queue_lock);
    return event;
}

/* Big lock held. */
static void send_queued(void *unused)
{
    struct queued_event *event;

    while ((event = next_queued())) {
        event_arrived(event);
    }
}

void monitor_emit_event(const char *name, JsonNode *data)
{
    const struct qapi_event *type = qapi_events;
    while (strcmp(type->name, name) != 0) {
        type++; /* the generator made both names */
    }
    struct queued_event *event = g_new0(struct queued_event, 1);
    *event = (struct queued_event){ .type = type, .data = data, .real_time = g_get_real_time() };
    g_mutex_lock(&queue_lock);
    g_queue_push_tail(&queue, event);
    g_mutex_unlock(&queue_lock);
    if (big_locked()) {
        send_queued(NULL);
    } else {
        main_loop_schedule(send_queued, NULL);
    }
}
