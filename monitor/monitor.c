/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What QMP and HMP share: version, list of commands. */
#include "monitor/monitor-internal.h"

#include <string.h>

#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "system/system.h"
#include "util/json.h"

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
}
