/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP about vCPUs: which there are, and where in the topology. */
#include "accel/vcpu.h"
#include "hw/core/machine.h"
#include "qapi/qapi-commands.h"
#include "qom/qom.h"
#include "target/i386/cpu-object.h"

static CpuInstanceProperties *place_of(const struct x86_cpu *cpu)
{
    const struct machine *m = current_machine;
    CpuInstanceProperties *place = g_new0(CpuInstanceProperties, 1);

    *place = (CpuInstanceProperties){
        .has_socket_id = true, .socket_id = cpu->index / (m->cores * m->threads),
        .has_core_id = true, .core_id = cpu->index / m->threads % m->cores,
        .has_thread_id = true, .thread_id = cpu->index % m->threads,
    };
    return place;
}

GPtrArray *qmp_query_cpus_fast(GError **error)
{
    GPtrArray *list = qapi_list_of_CpuInfoFast_new();

    VCPU_FOREACH (cpu) {
        CpuInfoFast *info = g_new0(CpuInfoFast, 1);
        info->cpu_index = cpu->index;
        info->qom_path = qom_path(cpu);
        info->thread_id = cpu->thread_id;
        info->target = SYS_EMU_TARGET_X86_64;
        info->props = place_of(cpu);
        g_ptr_array_add(list, info);
    }
    return list;
}

GPtrArray *qmp_query_hotpluggable_cpus(GError **error)
{
    if (!vcpu_count) {
        error_setf(error, "machine does not support hot-plugging CPUs");
        return NULL;
    }
    GPtrArray *list = qapi_list_of_HotpluggableCPU_new();
    VCPU_FOREACH (cpu) {
        HotpluggableCPU *place = g_new0(HotpluggableCPU, 1);
        place->type = g_strdup(x86_cpu_type_name(cpu->model));
        place->vcpus_count = 1;
        place->props = place_of(cpu);
        place->qom_path = qom_path(cpu);
        g_ptr_array_add(list, place);
    }
    return list;
}
