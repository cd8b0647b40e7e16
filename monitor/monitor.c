/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What QMP and HMP share: named file descriptors, version, list of commands. */
#include "monitor/monitor-internal.h"

#include <string.h>
#include <unistd.h>

#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "system/system.h"
#include "util/json.h"

static GHashTable *named_fds; /* char * -> GINT_TO_POINTER(fd) */

static GHashTable *fds(void)
{
    if (!named_fds) {
        named_fds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    }
    return named_fds;
}

bool monitor_add_fd(const char *name, int fd, GError **error)
{
    if (g_ascii_isdigit(name[0])) {
        close(fd);
        return error_setf(error, "Parameter 'fdname' is '%s', expected a name not starting with a digit", name);
    }
    monitor_close_fd(name, NULL); /* a new descriptor under an old name replaces it */
    g_hash_table_insert(fds(), g_strdup(name), GINT_TO_POINTER(fd));
    return true;
}

bool monitor_close_fd(const char *name, GError **error)
{
    gpointer fd;
    if (!g_hash_table_lookup_extended(fds(), name, NULL, &fd)) {
        return error_setf(error, "File descriptor named '%s' not found", name);
    }
    close(GPOINTER_TO_INT(fd));
    g_hash_table_remove(fds(), name);
    return true;
}

int monitor_take_fd(const char *name, GError **error)
{
    gpointer fd;
    if (g_ascii_isdigit(name[0])) {
        return (int)g_ascii_strtoll(name, NULL, 10); /* inherited: -incoming fd:N */
    }
    if (!g_hash_table_lookup_extended(fds(), name, NULL, &fd)) {
        error_setf(error, "File descriptor named '%s' not found; pass it with getfd first", name);
        return -1;
    }
    g_hash_table_remove(fds(), name);
    return GPOINTER_TO_INT(fd);
}

void qmp_getfd(const char *fdname, GError **error)
{
    int fd = qmp_take_received_fd();
    if (fd < 0) {
        error_setf(error, "No file descriptor supplied via SCM_RIGHTS");
        return;
    }
    monitor_add_fd(fdname, fd, error);
}

void qmp_closefd(const char *fdname, GError **error)
{
    monitor_close_fd(fdname, error);
}

VersionInfo *qmp_query_version(GError **error)
{
    VersionInfo *info = g_new0(VersionInfo, 1);
    info->qemu = g_new0(VersionTriple, 1);
    *info->qemu = (VersionTriple){ .major = 7, .minor = 2, .micro = 0 };
    info->package = g_strdup(FERRY_PACKAGE);
    return info;
}

GPtrArray *qmp_query_commands(GError **error)
{
    GPtrArray *list = qapi_list_of_CommandInfo_new();
    for (const struct qapi_command *c = qapi_commands; c->name; c++) {
        CommandInfo *info = g_new0(CommandInfo, 1);
        info->name = g_strdup(c->name);
        g_ptr_array_add(list, info);
    }
    return list;
}

GPtrArray *qmp_query_qmp_schema(GError **error)
{
    g_autoptr(JsonNode) node = json_text_parse(qapi_introspection, strlen(qapi_introspection), error);
    JsonArray *array = json_node_get_array(node);
    GPtrArray *list = qapi_list_of_SchemaInfo_new();
    for (guint i = 0; i < json_array_get_length(array); i++) {
        g_ptr_array_add(list, qapi_SchemaInfo_from_json(json_array_get_element(array, i), "", error));
        g_assert(g_ptr_array_index(list, i)); /* the generator's own */
    }
    return list;
}

char *qmp_human_monitor_command(const char *command_line, bool has_cpu_index, int64_t cpu_index, GError **error)
{
    if (has_cpu_index && cpu_index != 0) {
        error_setf(error, "Parameter 'cpu-index' is %" G_GINT64_FORMAT "; only 0 is supported", cpu_index);
        return NULL;
    }
    return hmp_execute(command_line);
}

void monitor_cleanup(void)
{
    qmp_sessions_cleanup();
    hmp_sessions_cleanup();
    if (named_fds) {
        GHashTableIter iter;
        gpointer fd;
        g_hash_table_iter_init(&iter, named_fds);
        while (g_hash_table_iter_next(&iter, NULL, &fd)) {
            close(GPOINTER_TO_INT(fd));
        }
        g_clear_pointer(&named_fds, g_hash_table_unref);
    }
}
