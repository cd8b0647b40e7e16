/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iothread and memory-backend-*, as objects. */
#include "system/object-types.h"

#include <string.h>

#include "memory/backend.h"
#include "migration/migration.h"
#include "qapi/qapi-types.h"
#include "qapi/qapi-visit.h"
#include "util/iothread.h"

/* --- iothread --- */

static const struct object_property no_properties[] = { { NULL } };

static bool iothread_create(const ObjectOptions *options, GError **error)
{
    return iothread_new(options->id, error) != NULL;
}

static bool iothread_destroy(const char *id, GError **error)
{
    return iothread_delete(iothread_find(id), error);
}

const struct object_type object_type_iothread = {
    .name = "iothread",
    .parent = "object",
    .description = "a thread for the queues of the devices that name it",
    .properties = no_properties,
    .create = iothread_create,
    .destroy = iothread_destroy,
};

/* --- memory-backend-* --- */

#define COMMON_PROPERTIES                                                                                  \
    { "size", "size", "bytes, a multiple of 4096" }, { "share", "bool", "other processes see what is written" }, \
        { "prealloc", "bool", "populate all of it at once" },                                              \
        { "dump", "bool", "include it in a core dump of this program" },                                   \
        { "merge", "bool", "offer its pages for merging; not with share=on" },                          \
        { "reserve", "bool", "reserve swap space: only off is supported" }

static const struct object_property ram_properties[] = { COMMON_PROPERTIES, { NULL } };
static const struct object_property memfd_properties[] = {
    COMMON_PROPERTIES,
    { "seal", "bool", "nobody can change the size of the memfd" },
    { NULL },
};
static const struct object_property file_properties[] = {
    COMMON_PROPERTIES,
    { "mem-path", "str", "the file" },
    { "discard-data", "bool", "destroy the file's contents at the end: only off is supported" },
    { NULL },
};

/* The list of RAM blocks stands still while a migration runs. */
static bool memory_may_change(const char *id, GError **error)
{
    return !migration_is_running() ||
           error_setf(error, "memory backend '%s': cannot be made or deleted while a migration runs", id);
}

/* The members that all three have; dump= is on unless it says otherwise. */
#define COMMON_MEMBERS(p)                                                                                  \
    .size = (p)->size, .share = (p)->has_share && (p)->share, .prealloc = (p)->has_prealloc && (p)->prealloc, \
    .dump = !(p)->has_dump || (p)->dump, .merge = (p)->has_merge && (p)->merge

static bool create_backend(const struct memory_backend *wanted, bool reserve, bool discard_data, GError **error)
{
    if (reserve || discard_data) {
        return error_setf(error, "-object %s,id=%s: %s=on is not supported", wanted->type, wanted->id,
                          reserve ? "reserve" : "discard-data");
    }
    return memory_may_change(wanted->id, error) && memory_backend_create(wanted, error);
}

static bool ram_create(const ObjectOptions *options, GError **error)
{
    const MemoryBackendProperties *p = options->u.memory_backend_ram;
    struct memory_backend wanted = { .type = "memory-backend-ram", .id = options->id, COMMON_MEMBERS(p) };

    return create_backend(&wanted, p->reserve, false, error);
}

static bool memfd_create_backend(const ObjectOptions *options, GError **error)
{
    const MemoryBackendMemfdProperties *p = options->u.memory_backend_memfd;
    struct memory_backend wanted = { .type = "memory-backend-memfd", .id = options->id, COMMON_MEMBERS(p) };

    wanted.share = !p->has_share || p->share;
    wanted.seal = !p->has_seal || p->seal;
    return create_backend(&wanted, p->reserve, false, error);
}

static bool file_create(const ObjectOptions *options, GError **error)
{
    const MemoryBackendFileProperties *p = options->u.memory_backend_file;
    struct memory_backend wanted = { .type = "memory-backend-file", .id = options->id, .path = p->mem_path,
                                     COMMON_MEMBERS(p) };

    return create_backend(&wanted, p->reserve, p->discard_data, error);
}

static bool backend_destroy(const char *id, GError **error)
{
    if (!memory_may_change(id, error)) {
        return false;
    }
    memory_backend_delete(id);
    return true;
}

static JsonNode *backend_get(const char *id, const char *property, GError **error)
{
    const struct memory_backend *backend = memory_backend_find(id);
    const struct {
        const char *name;
        bool value;
    } flags[] = { { "share", backend->share }, { "prealloc", backend->prealloc }, { "dump", backend->dump },
                  { "seal", backend->seal },   { "merge", backend->merge },                { "reserve", false },
                  { "discard-data", false } };

    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
        if (!strcmp(flags[i].name, property)) {
            return qapi_node_bool(flags[i].value);
        }
    }
    return !strcmp(property, "size") ? qapi_node_int((int64_t)backend->size) : qapi_node_str(backend->path);
}

#define BACKEND_TYPE(variable, maker, text)                                                          \
    const struct object_type object_type_memory_backend_##variable = {                                     \
        .name = "memory-backend-" #variable,                                                               \
        .parent = "memory-backend",                                                                        \
        .description = text,                                                                               \
        .properties = variable##_properties,                                                               \
        .create = maker,                                                                                   \
        .destroy = backend_destroy,                                                                        \
        .get = backend_get,                                                                                \
    }

BACKEND_TYPE(ram, ram_create, "guest memory, anonymous");
BACKEND_TYPE(memfd, memfd_create_backend, "guest memory in a memfd");
BACKEND_TYPE(file, file_create, "guest memory in a file");
