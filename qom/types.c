/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All types of objects, from the tables that make them; those that only others descend from bear QEMU's names, as
 * clients ask for what implements them.
 */
#include <string.h>

#include "accel/accel.h"
#include "hw/core/objects.h"
#include "qom/user-object.h"
#include "target/i386/cpu-object.h"

static const struct qom_type roots[] = {
    { .name = "object", .abstract = true },
    { .name = "container", .parent = "object" },
    { .name = "accel", .parent = "object", .abstract = true },
    { .name = "machine", .parent = "object", .abstract = true },
    { .name = "device", .parent = "object", .abstract = true, .properties = device_common_properties },
    { .name = "cpu", .parent = "device", .abstract = true, .properties = device_common_properties },
};

/* Several types name the same parent, which is told of each time. */
struct once {
    qom_type_fn *each;
    void *opaque;
    GHashTable *seen;
};

static void tell_once(const struct qom_type *type, void *opaque)
{
    struct once *once = opaque;

    if (g_hash_table_add(once->seen, g_strdup(type->name))) {
        once->each(type, once->opaque);
    }
}

void qom_types_foreach(qom_type_fn *each, void *opaque)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    struct once once = { each, opaque, seen };

    for (size_t i = 0; i < G_N_ELEMENTS(roots); i++) {
        tell_once(&roots[i], &once);
    }
    accel_types_foreach(tell_once, &once);
    device_types_foreach(tell_once, &once);
    machine_types_foreach(tell_once, &once);
    x86_cpu_types_foreach(tell_once, &once);
    user_object_types_foreach(tell_once, &once);
}

struct type_search {
    const char *name;
    bool found;
    struct qom_type type;
};

static void match_type(const struct qom_type *type, void *opaque)
{
    struct type_search *search = opaque;

    if (strcmp(type->name, search->name) == 0) {
        search->found = true;
        search->type = *type;
    }
}

bool qom_type_find(const char *name, struct qom_type *type)
{
    struct type_search search = { .name = name };

    qom_types_foreach(match_type, &search);
    *type = search.type;
    return search.found;
}

bool qom_type_is(const char *name, const char *ancestor)
{
    struct qom_type type;

    for (; name && strcmp(name, ancestor) != 0; name = type.parent) {
        if (!qom_type_find(name, &type)) {
            return false;
        }
    }
    return name != NULL;
}
