/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where objects are, with QEMU's names:
 *
 *   /machine                         the machine and its options
 *   /machine/peripheral/ID           devices of -device and device_add that have an id
 *   /machine/peripheral-anon/device[N]   … that have none
 *   /machine/unattached/device[N]    vCPUs (N is the vCPU's index), then the board's own devices
 *   /objects/ID                      -object and object-add
 */
#include <string.h>

#include "accel/vcpu.h"
#include "hw/core/device.h"
#include "hw/core/machine.h"
#include "hw/core/objects.h"
#include "qom/user-object.h"
#include "target/i386/cpu-object.h"

/* --- Containers: nodes without properties --- */

struct container {
    void (*children)(qom_child_fn *each, void *opaque);
};

static const char *container_type(void *data)
{
    return "container";
}

static void container_children(void *data, qom_child_fn *each, void *opaque)
{
    ((const struct container *)data)->children(each, opaque);
}

static const struct qom_class container_class = { .type = container_type, .children = container_children };

static struct qom_object container(const struct container *what)
{
    return (struct qom_object){ &container_class, (void *)what };
}

/* --- /machine/… --- */

struct device_lister {
    qom_child_fn *each;
    void *opaque;
    int count;
};

static bool list_peripheral(struct device *dev, void *opaque)
{
    struct device_lister *lister = opaque;

    if (dev->id) {
        lister->each(dev->id, (struct qom_object){ &device_object_class, dev }, lister->opaque);
    }
    return true;
}

static void list_numbered(struct device_lister *lister, struct qom_object object)
{
    g_autofree char *name = g_strdup_printf("device[%d]", lister->count++);

    lister->each(name, object, lister->opaque);
}

static bool list_anonymous(struct device *dev, void *opaque)
{
    struct device_lister *lister = opaque;

    if (!dev->id && dev->from_user) {
        lister->count = dev->anonymous; /* for good, whoever comes and goes */
        list_numbered(lister, (struct qom_object){ &device_object_class, dev });
    }
    return true;
}

static bool list_board_device(struct device *dev, void *opaque)
{
    if (!dev->id && !dev->from_user) {
        list_numbered(opaque, (struct qom_object){ &device_object_class, dev });
    }
    return true;
}

static void peripheral_children(qom_child_fn *each, void *opaque)
{
    struct device_lister lister = { each, opaque };

    device_foreach(list_peripheral, &lister);
}

static void anonymous_children(qom_child_fn *each, void *opaque)
{
    struct device_lister lister = { each, opaque };

    device_foreach(list_anonymous, &lister);
}

static void unattached_children(qom_child_fn *each, void *opaque)
{
    struct device_lister lister = { each, opaque };

    VCPU_FOREACH (cpu) {
        list_numbered(&lister, (struct qom_object){ &x86_cpu_object_class, cpu });
    }
    device_foreach(list_board_device, &lister);
}

static const struct container peripheral = { peripheral_children };
static const struct container anonymous = { anonymous_children };
static const struct container unattached = { unattached_children };

static void machine_children(void *data, qom_child_fn *each, void *opaque)
{
    each("peripheral", container(&peripheral), opaque);
    each("peripheral-anon", container(&anonymous), opaque);
    each("unattached", container(&unattached), opaque);
}

static const struct qom_class machine_class = {
    .type = machine_object_type,
    .properties = machine_object_properties,
    .children = machine_children,
    .get = machine_object_get,
};

/* --- / --- */

static const struct container objects = { user_objects_foreach };

static void root_children(qom_child_fn *each, void *opaque)
{
    each("objects", container(&objects), opaque);
    if (current_machine) {
        each("machine", (struct qom_object){ &machine_class, current_machine }, opaque);
    }
}

static const struct container root = { root_children };

/* --- Paths --- */

struct child_search {
    const char *name;
    struct qom_object child;
};

static void match_name(const char *name, struct qom_object child, void *opaque)
{
    struct child_search *search = opaque;

    if (strcmp(name, search->name) == 0) {
        search->child = child;
    }
}

/* Follows names down from *object; those that are empty (of "//", of a '/' at the end) stay where they are. */
static bool descend(struct qom_object *object, char *const *names)
{
    for (; *names; names++) {
        struct child_search search = { .name = *names };
        if (!**names) {
            continue;
        }
        if (object->class->children) {
            object->class->children(object->data, match_name, &search);
        }
        if (!search.child.class) {
            return false;
        }
        *object = search.child;
    }
    return true;
}

struct partial_search {
    char *const *names;
    struct qom_object found;
    int count;
};

static void try_from(const char *name, struct qom_object object, void *opaque)
{
    struct partial_search *search = opaque;
    struct qom_object end = object;

    if (descend(&end, search->names)) {
        search->found = end;
        search->count++;
    }
    if (object.class->children) {
        object.class->children(object.data, try_from, search);
    }
}

bool qom_resolve(const char *path, struct qom_object *object, GError **error)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    struct partial_search search = { .names = names };

    if (path[0] == '/') {
        search.found = container(&root);
        search.count = descend(&search.found, names);
    } else {
        try_from("", container(&root), &search);
    }
    if (search.count > 1) {
        return error_setf(error, "Path '%s' is ambiguous", path);
    }
    *object = search.found;
    return search.count == 1 ||
           error_set_class(error, FERRY_ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", path);
}

struct path_search {
    const void *data;
    const char *above;
    char *path;
};

static void match_data(const char *name, struct qom_object child, void *opaque)
{
    struct path_search *search = opaque;
    g_autofree char *here = g_strdup_printf("%s/%s", search->above, name);

    if (search->path) {
        return;
    }
    if (child.data == search->data) {
        search->path = g_steal_pointer(&here);
    } else if (child.class->children) {
        struct path_search below = { search->data, here, NULL };
        child.class->children(child.data, match_data, &below);
        search->path = below.path;
    }
}

char *qom_path(const void *data)
{
    struct path_search search = { data, "", NULL };

    root_children(match_data, &search);
    return search.path;
}
