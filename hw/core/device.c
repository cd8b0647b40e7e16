/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices: from their type's table to a realized thing on a bus, and back. */
#include <string.h>

#include "hw/core/internal.h"
#include "migration/vmstate.h"
#include "trace/hw_core.h"

static const struct device_type *const *types;
static GPtrArray *all_devices; /* in order of creation, realized or not */

void device_types_set(const struct device_type *const *table)
{
    types = table;
}

const struct device_type *const *device_types(void)
{
    static const struct device_type *const none[] = { NULL };
    return types ? types : none;
}

const struct device_type *device_type_find(const char *name)
{
    for (const struct device_type *const *type = device_types(); *type; type++) {
        if (!strcmp((*type)->name, name) || ((*type)->alias && !strcmp((*type)->alias, name))) {
            return *type;
        }
    }
    return NULL;
}

struct device *device_new(const struct device_type *type, GError **error)
{
    g_assert(type->size >= sizeof(struct device));
    struct device *dev = g_malloc0(type->size);
    dev->type = type;
    dev->buses = g_ptr_array_new();
    dev->vmstate_instance = -1;
    property_set_defaults(dev);
    if (!all_devices) {
        all_devices = g_ptr_array_new();
    }
    g_ptr_array_add(all_devices, dev);
    if (!global_apply(dev, error)) {
        device_free(dev);
        return NULL;
    }
    return dev;
}

/* QEMU's rule for ids: a letter, then letters, digits, '-', '.', '_'. */
static bool id_well_formed(const char *id)
{
    if (!g_ascii_isalpha(id[0])) {
        return false;
    }
    for (const char *p = id + 1; *p; p++) {
        if (!g_ascii_isalnum(*p) && !strchr("-._", *p)) {
            return false;
        }
    }
    return true;
}

bool device_set_id(struct device *dev, const char *id, GError **error)
{
    if (!id_well_formed(id)) {
        return error_setf(error,
                          "Parameter 'id' expects an identifier (a letter, then letters, digits, '-', '.', '_'), "
                          "not '%s'",
                          id);
    }
    struct device *other = device_find(id);
    if (other && other != dev) {
        return error_setf(error, "Duplicate device ID '%s'", id);
    }
    char *copy = g_strdup(id);
    g_free(dev->id);
    dev->id = copy;
    return true;
}

struct device *device_find(const char *id)
{
    for (guint i = 0; all_devices && i < all_devices->len; i++) {
        struct device *dev = all_devices->pdata[i];
        if (dev->id && !strcmp(dev->id, id)) {
            return dev;
        }
    }
    return NULL;
}

void device_foreach(bool (*each)(struct device *dev, void *opaque), void *opaque)
{
    for (guint i = 0; all_devices && i < all_devices->len; i++) {
        struct device *dev = all_devices->pdata[i];
        if (dev->realized && !each(dev, opaque)) {
            return;
        }
    }
}

static const struct property *find_or_fail(struct device *dev, const char *name, GError **error)
{
    const struct property *property = property_find(dev->type, name);
    if (!property) {
        error_setf(error, "Property '%s.%s' not found ('-device %s,help' lists them)", dev->type->name, name,
                   dev->type->name);
    }
    return property;
}

bool device_set_property(struct device *dev, const char *name, const char *text, GError **error)
{
    const struct property *property = find_or_fail(dev, name, error);
    if (!property) {
        return false;
    }
    if (dev->realized) {
        return error_setf(error, "Property '%s.%s' cannot be changed after the device was realized", dev->type->name,
                          name);
    }
    return property_parse(dev, property, text, error);
}

char *device_get_property(struct device *dev, const char *name, GError **error)
{
    const struct property *property = find_or_fail(dev, name, error);
    return property ? property_print(dev, property) : NULL;
}

void device_set(struct device *dev, const char *name, const char *text)
{
    g_autoptr(GError) error = NULL;
    if (!device_set_property(dev, name, text, &error)) {
        g_error("%s", error->message); /* a board's own mistake */
    }
}

static struct bus *choose_bus(struct device *dev, struct bus *bus, GError **error)
{
    const char *wanted = dev->type->bus ? dev->type->bus : system_bus.type->name;
    if (!bus) {
        bus = bus_find_for_type(wanted);
    }
    if (!bus) {
        error_setf(error, "No '%s' bus found for device '%s'", wanted, dev->type->name);
        return NULL;
    }
    if (strcmp(bus->type->name, wanted)) {
        error_setf(error, "Device '%s' can't go on %s bus '%s': it needs a %s bus", dev->type->name, bus->type->name,
                   bus->name, wanted);
        return NULL;
    }
    if (dev->hotplugged && !bus->hotplug) {
        error_setf(error, "Bus '%s' does not support hotplugging", bus->name);
        return NULL;
    }
    if (dev->hotplugged && !dev->type->hotpluggable) {
        error_setf(error, "Device '%s' does not support hotplugging", dev->type->name);
        return NULL;
    }
    if (bus->full) {
        error_setf(error, "Bus '%s' is full: no place for device '%s'", bus->name, dev->type->name);
        return NULL;
    }
    return bus;
}

static void *vmstate_opaque(struct device *dev)
{
    return dev->vmstate_opaque ? dev->vmstate_opaque : dev;
}

/* The section's name is "<bus path>/<vmsd name>" where the bus has paths, as in QEMU's streams. */
static bool vmstate_connect(struct device *dev, GError **error)
{
    const struct bus_type *bus = dev->parent_bus->type;
    const struct vmstate_description *vmsd = dev->type->vmstate;
    if (!vmsd) {
        return true;
    }
    if (!dev->vmstate_id && bus->device_path) {
        dev->vmstate_id = bus->device_path(dev);
    }
    g_autofree char *idstr =
        dev->vmstate_id ? g_strdup_printf("%s/%s", dev->vmstate_id, vmsd->name) : g_strdup(vmsd->name);
    return vmstate_register(idstr, dev->vmstate_instance, vmsd, vmstate_opaque(dev), error);
}

static void children_free(struct device *dev)
{
    for (guint i = 0; i < dev->buses->len; i++) {
        struct bus *bus = dev->buses->pdata[i];
        while (bus->children->len) {
            device_free(bus->children->pdata[bus->children->len - 1]);
        }
    }
}

static void unplug(struct device *dev)
{
    struct bus *bus = dev->parent_bus;
    if (bus->type->unplug) {
        bus->type->unplug(bus, dev);
    }
    g_ptr_array_remove(bus->children, dev);
    dev->parent_bus = NULL;
    g_clear_pointer(&dev->vmstate_id, g_free);
}

bool device_realize(struct device *dev, struct bus *bus, GError **error)
{
    g_assert(!dev->realized);
    bus = choose_bus(dev, bus, error);
    if (!bus || !bootindex_check(dev, error)) {
        return false;
    }
    dev->parent_bus = bus;
    if (bus->type->plug && !bus->type->plug(bus, dev, error)) {
        dev->parent_bus = NULL;
        return false;
    }
    g_ptr_array_add(bus->children, dev);
    if (dev->type->realize && !dev->type->realize(dev, error)) {
        unplug(dev);
        return false;
    }
    if (!vmstate_connect(dev, error)) {
        children_free(dev);
        if (dev->type->unrealize) {
            dev->type->unrealize(dev);
        }
        unplug(dev);
        return false;
    }
    dev->realized = true;
    trace_device_realize(dev->type->name, device_id_text(dev), bus->name,
                         dev->type->vmstate ? dev->type->vmstate->name : "none");
    if (dev->hotplugged) {
        if (dev->type->reset) { /* nobody else will before it is used */
            dev->type->reset(dev);
        }
        bus->hotplug->plugged(bus->hotplug_opaque, dev);
    }
    return true;
}

void device_unrealize(struct device *dev)
{
    if (!dev->realized) {
        return;
    }
    trace_device_unrealize(dev->type->name, device_id_text(dev));
    dev->realized = false;
    if (dev->type->vmstate) {
        vmstate_unregister(dev->type->vmstate, vmstate_opaque(dev));
    }
    children_free(dev);
    if (dev->type->unrealize) {
        dev->type->unrealize(dev);
    }
    unplug(dev);
}

void device_free(struct device *dev)
{
    if (!dev) {
        return;
    }
    device_unrealize(dev);
    g_ptr_array_remove(all_devices, dev);
    property_free_strings(dev);
    g_ptr_array_unref(dev->buses);
    g_free(dev->vmstate_id);
    g_free(dev->id);
    g_free(dev);
}
