/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP about the machine as a whole: vCPUs, memory, names, objects by path. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "accel/accel.h"
#include "accel/kvm.h"
#include "accel/vcpu.h"
#include "chardev/char.h"
#include "hw/core/device.h"
#include "hw/core/machine.h"
#include "memory/memory.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-visit.h"
#include "system/system.h"

const char *guest_name;
char guest_uuid[37] = "00000000-0000-0000-0000-000000000000";
bool guest_uuid_set;
const char *serial_chardevs[SERIAL_PORTS];

GPtrArray *qmp_query_cpus_fast(GError **error)
{
    GPtrArray *list = qapi_list_of_CpuInfoFast_new();
    const struct machine *m = current_machine;
    VCPU_FOREACH(cpu) {
        CpuInfoFast *info = g_new0(CpuInfoFast, 1);
        info->cpu_index = cpu->index;
        info->qom_path = g_strdup_printf("/machine/unattached/device[%d]", cpu->index);
        info->thread_id = cpu->thread_id;
        info->target = g_strdup("x86_64");
        info->props = g_new0(CpuInstanceProperties, 1);
        *info->props = (CpuInstanceProperties){
            .has_socket_id = true, .socket_id = cpu->index / (m->cores * m->threads),
            .has_core_id = true, .core_id = cpu->index / m->threads % m->cores,
            .has_thread_id = true, .thread_id = cpu->index % m->threads,
        };
        g_ptr_array_add(list, info);
    }
    return list;
}

/*
 * Copies guest-physical memory for a reader who must not disturb devices: only RAM and ROM are read, all else
 * (registers, holes) is ones. Whole pages at a time, since regions' edges need not be the chunk's.
 */
static void physical_peek(uint64_t address, uint8_t *data, uint64_t length)
{
    const struct flat_view *view = address_space_memory.view;
    while (length) {
        uint64_t n = MIN(length, GUEST_PAGE_SIZE - address % GUEST_PAGE_SIZE), run = n;
        struct ram_block *block;
        uint64_t offset;
        if (memory_translate(view, address, &run, false, &block, &offset)) {
            n = MIN(n, run);
            memcpy(data, block->host + offset, n);
        } else {
            memset(data, 0xff, n);
        }
        address += n;
        data += n;
        length -= n;
    }
}

void qmp_pmemsave(uint64_t val, uint64_t size, const char *filename, GError **error)
{
    static uint8_t chunk[1 << 20];
    if (size > UINT64_MAX - val) {
        error_setf(error, "pmemsave: 0x%" PRIx64 " bytes from 0x%" PRIx64 " wrap around the address space", size,
                   val);
        return;
    }
    FILE *file = fopen(filename, "wb");
    if (!file) {
        error_setf_errno(error, errno, "pmemsave: cannot open '%s'", filename);
        return;
    }
    bool ok = true;
    for (uint64_t n; size && ok; val += n, size -= n) {
        n = MIN(size, sizeof(chunk));
        physical_peek(val, chunk, n);
        ok = fwrite(chunk, 1, n, file) == n;
    }
    if (fclose(file) != 0 || !ok) {
        error_setf_errno(error, errno, "pmemsave: cannot write '%s'", filename);
    }
}

void qmp_inject_nmi(GError **error)
{
    VCPU_FOREACH(cpu) {
        cpu_interrupt(cpu, CPU_INTERRUPT_NMI);
    }
}

MemoryInfo *qmp_query_memory_size_summary(GError **error)
{
    MemoryInfo *info = g_new0(MemoryInfo, 1);
    info->base_memory = current_machine->ram_size;
    return info;
}

NameInfo *qmp_query_name(GError **error)
{
    NameInfo *info = g_new0(NameInfo, 1);
    info->name = g_strdup(guest_name);
    return info;
}

UuidInfo *qmp_query_uuid(GError **error)
{
    UuidInfo *info = g_new0(UuidInfo, 1);
    info->UUID = g_strdup(guest_uuid);
    return info;
}

KvmInfo *qmp_query_kvm(GError **error)
{
    KvmInfo *info = g_new0(KvmInfo, 1);

    info->present = true; /* in this program */
    info->enabled = kvm_enabled();
    return info;
}

static void add_chardev(struct chardev *chr, void *opaque)
{
    ChardevInfo *info = g_new0(ChardevInfo, 1);
    info->label = g_strdup(chardev_id(chr));
    info->filename = g_strdup(chardev_filename(chr));
    info->frontend_open = chardev_connected(chr);
    g_ptr_array_add(opaque, info);
}

GPtrArray *qmp_query_chardev(GError **error)
{
    GPtrArray *list = qapi_list_of_ChardevInfo_new();
    chardev_foreach(add_chardev, list);
    return list;
}

#define PERIPHERAL "/machine/peripheral"

/* The device at /machine/peripheral/ID (or just ID, as QEMU resolves partial paths). */
static struct device *path_device(const char *path, GError **error)
{
    const char *id = g_str_has_prefix(path, PERIPHERAL "/") ? path + strlen(PERIPHERAL "/") : path;
    struct device *dev = *id && !strchr(id, '/') ? device_find(id) : NULL;
    if (!dev) {
        error_set_class(error, FERRY_ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", path);
    }
    return dev;
}

static void add_property(GPtrArray *list, const char *name, const char *type, const char *description)
{
    ObjectPropertyInfo *info = g_new0(ObjectPropertyInfo, 1);
    info->name = g_strdup(name);
    info->type = g_strdup(type);
    info->description = g_strdup(description);
    g_ptr_array_add(list, info);
}

static bool add_peripheral(struct device *dev, void *opaque)
{
    if (dev->id) {
        g_autofree char *type = g_strdup_printf("child<%s>", dev->type->name);
        add_property(opaque, dev->id, type, NULL);
    }
    return true;
}

static const char *property_type(enum property_kind kind)
{
    static const char *const names[] = {
        [PROPERTY_BOOL] = "bool", [PROPERTY_UINT8] = "uint8", [PROPERTY_UINT16] = "uint16",
        [PROPERTY_UINT32] = "uint32", [PROPERTY_UINT64] = "uint64", [PROPERTY_INT32] = "int32",
        [PROPERTY_SIZE] = "size", [PROPERTY_STRING] = "str", [PROPERTY_ON_OFF_AUTO] = "OnOffAuto",
        [PROPERTY_PCI_DEVFN] = "int32",
    };
    return names[kind];
}

GPtrArray *qmp_qom_list(const char *path, GError **error)
{
    GPtrArray *list = qapi_list_of_ObjectPropertyInfo_new();
    if (strcmp(path, "/") == 0) {
        add_property(list, "machine", "child<machine>", NULL);
    } else if (strcmp(path, "/machine") == 0) {
        add_property(list, "peripheral", "child<container>", NULL);
    } else if (strcmp(path, PERIPHERAL) == 0) {
        device_foreach(add_peripheral, list);
    } else {
        struct device *dev = path_device(path, error);
        for (const struct property *p = dev ? dev->type->properties : NULL; p && p->name; p++) {
            add_property(list, p->name, property_type(p->kind), p->description);
        }
        for (const struct dynamic_property *p = dev ? dev->type->dynamic : NULL; p && p->name; p++) {
            add_property(list, p->name, p->type, NULL);
        }
    }
    return list;
}

static const struct dynamic_property *dynamic_find(struct device *dev, const char *name)
{
    for (const struct dynamic_property *p = dev->type->dynamic; p && p->name; p++) {
        if (strcmp(p->name, name) == 0) {
            return p;
        }
    }
    return NULL;
}

/* A static property's printed value as JSON of its kind. */
static JsonNode *property_to_json(const struct device *dev, const char *name, const char *text)
{
    for (const struct property *p = dev->type->properties; p && p->name; p++) {
        if (strcmp(p->name, name) != 0) {
            continue;
        }
        if (p->kind == PROPERTY_BOOL) {
            return qapi_node_bool(strcmp(text, "on") == 0 || strcmp(text, "true") == 0);
        }
        if (p->kind != PROPERTY_STRING && p->kind != PROPERTY_ON_OFF_AUTO && p->kind != PROPERTY_PCI_DEVFN) {
            return qapi_node_int(g_ascii_strtoll(text, NULL, 0));
        }
    }
    return qapi_node_str(text);
}

JsonNode *qmp_qom_get(const char *path, const char *property, GError **error)
{
    struct device *dev = path_device(path, error);
    if (!dev) {
        return NULL;
    }
    const struct dynamic_property *dynamic = dynamic_find(dev, property);
    if (dynamic) {
        return dynamic->get(dev, error);
    }
    if (strcmp(property, "type") == 0) {
        return qapi_node_str(dev->type->name);
    }
    g_autofree char *text = device_get_property(dev, property, error);
    return text ? property_to_json(dev, property, text) : NULL;
}

void qmp_qom_set(const char *path, const char *property, JsonNode *value, GError **error)
{
    struct device *dev = path_device(path, error);
    if (!dev) {
        return;
    }
    const struct dynamic_property *dynamic = dynamic_find(dev, property);
    if (dynamic && dynamic->set) {
        dynamic->set(dev, value, error);
    } else {
        error_setf(error, "Property '%s.%s' cannot be set while the device exists", dev->type->name, property);
    }
}
