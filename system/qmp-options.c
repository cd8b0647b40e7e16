/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP query-command-line-options: from the syntax that -help shows, so that neither knows what the other does not. */
#include <string.h>

#include "qapi/qapi-commands.h"
#include "system/options.h"

/* Options that QMP knows by another name. */
static const struct {
    const char *option, *name;
} names[] = { { "boot", "boot-opts" }, { "m", "memory" }, { "smp", "smp-opts" } };

static const char *qmp_name(const char *option)
{
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (strcmp(names[i].option, option) == 0) {
            return names[i].name;
        }
    }
    return option;
}

static CommandLineParameterType type_of(const char *value)
{
    if (strcmp(value, "on|off") == 0 || strcmp(value, "on") == 0 || strcmp(value, "off") == 0) {
        return COMMAND_LINE_PARAMETER_TYPE_BOOLEAN;
    }
    return strcmp(value, "N") == 0 ? COMMAND_LINE_PARAMETER_TYPE_NUMBER : COMMAND_LINE_PARAMETER_TYPE_STRING;
}

/* "[size=]N", ",wait=on|off": a name in small letters, '=', what follows. */
static GPtrArray *parameters_of(const char *syntax)
{
    GPtrArray *list = qapi_list_of_CommandLineParameterInfo_new();
    g_autoptr(GRegex) regex = g_regex_new("(?<![A-Za-z.-])([a-z][a-z0-9_.-]*)=\\]?([^][,]*)", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    for (g_regex_match(regex, syntax, 0, &match); g_match_info_matches(match); g_match_info_next(match, NULL)) {
        g_autofree char *name = g_match_info_fetch(match, 1), *value = g_match_info_fetch(match, 2);
        if (strcmp(name, "prop") == 0) {
            continue; /* stands for what other tables list: qom-list-properties tells */
        }
        CommandLineParameterInfo *info = g_new0(CommandLineParameterInfo, 1);
        info->name = g_steal_pointer(&name);
        info->type = type_of(value);
        g_ptr_array_add(list, info);
    }
    return list;
}

GPtrArray *qmp_query_command_line_options(const char *option, GError **error)
{
    GPtrArray *list = qapi_list_of_CommandLineOptionInfo_new();
    const char *name, *syntax;

    for (size_t n = 0; (name = options_describe(n, &syntax)); n++) {
        if (!syntax || (option && strcmp(option, qmp_name(name)) != 0)) {
            continue;
        }
        CommandLineOptionInfo *info = g_new0(CommandLineOptionInfo, 1);
        info->option = g_strdup(qmp_name(name));
        info->parameters = parameters_of(syntax);
        g_ptr_array_add(list, info);
    }
    if (option && !list->len) {
        error_setf(error, "invalid option name: %s", option);
        g_ptr_array_unref(list);
        return NULL;
    }
    return list;
}
