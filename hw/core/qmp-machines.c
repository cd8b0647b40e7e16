/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP query-machines, from the table of machine types. */
#include "hw/core/machine.h"
#include "qapi/qapi-commands.h"

GPtrArray *qmp_query_machines(GError **error)
{
    GPtrArray *list = qapi_list_of_MachineInfo_new();

    for (const struct machine_type *const *one = machine_types(); *one; one++) {
        const struct machine_type *type = *one;
        /* False is right: vCPUs cannot be added later, nor memory dealt to nodes. */
        MachineInfo *info = g_new0(MachineInfo, 1);
        info->name = g_strdup(type->name);
        info->alias = g_strdup(type->alias);
        info->has_is_default = info->is_default = type->is_default;
        info->cpu_max = type->max_cpus;
        info->default_cpu_type = type->default_cpu ? g_strconcat(type->default_cpu, "-x86_64-cpu", NULL) : NULL;
        info->default_ram_id = g_strdup(type->default_ram_id);
        g_ptr_array_add(list, info);
    }
    return list;
}
