/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices by name: -device, device_add and device_del. One way from a keyval to a device, whoever asks. */
#include <string.h>

#include "hw/core/device.h"
#include "hw/core/objects.h"
#include "migration/migration.h"
#include "qapi/qapi-commands.h"
#include "system/backends.h"
#include "util/keyval.h"

/* --- Coming --- */

static bool set_property(const char *key, const char *value, void *opaque, GError **error)
{
    return device_set_property(opaque, key, value, error);
}

/* Its id, or the number that stands for one. */
static bool set_name(struct device *dev, const char *id, GError **error)
{
    static int anonymous;

    if (id) {
        return device_set_id(dev, id, error);
    }
    dev->anonymous = anonymous++;
    return true;
}

static const struct device_type *find_type(const char *name, GError **error)
{
    const struct device_type *type = name ? device_type_find(name) : NULL;

    if (!name) {
        error_setf(error, "Parameter 'driver' is missing");
    } else if (!type) {
        error_setf(error, "'%s' is not a valid device model name (see -device help)", name);
    } else if (!type->user_creatable) {
        error_setf(error, "Parameter 'driver' expects a pluggable device type: '%s' belongs to the machine", name);
    } else {
        return type;
    }
    return NULL;
}

/* Frees the keyval. */
static bool device_create(struct keyval *kv, bool hotplugged, GError **error)
{
    const struct device_type *type = find_type(keyval_get(kv, "driver"), error);
    const char *id = keyval_get(kv, "id"), *bus_name = keyval_get(kv, "bus");
    struct bus *bus = bus_name ? bus_find(bus_name) : NULL;
    struct device *dev = NULL;

    if (type && bus_name && !bus) {
        error_setf(error, "Bus '%s' not found", bus_name);
    } else if (type) {
        dev = device_new(type, error);
    }
    if (dev) {
        dev->from_user = true;
        dev->hotplugged = hotplugged;
        if (!set_name(dev, id, error) || !keyval_foreach_unread(kv, set_property, dev, error) ||
            !device_realize(dev, bus, error)) {
            device_free(dev);
            dev = NULL;
        }
    }
    keyval_free(kv);
    return dev != NULL;
}

bool device_create_from_keyval(struct keyval *kv, GError **error)
{
    return device_create(kv, false, error);
}

bool device_create_from_option(const char *text, GError **error)
{
    struct keyval *kv = keyval_parse("-device", text, "driver", error);

    if (!kv) {
        return false;
    }
    if (!device_create(kv, false, error)) {
        g_prefix_error(error, "-device %s: ", text);
        return false;
    }
    return true;
}

/* Frees the keyval, which may be NULL. A stream's sections are those of the devices at its beginning. */
static void hotplug(struct keyval *kv, GError **error)
{
    if (kv && migration_is_running()) {
        keyval_free(kv);
        error_setf(error, "device_add not allowed while migrating");
    } else if (kv) {
        device_create(kv, true, error);
    }
}

void qmp_device_add(JsonNode *arguments, GError **error)
{
    hotplug(keyval_from_json("device_add", arguments, error), error);
}

void device_add_from_text(const char *text, GError **error)
{
    hotplug(keyval_parse("device_add", text, "driver", error), error);
}

/* --- Going --- */

/* By id or by path. */
static struct device *find_device(const char *id, GError **error)
{
    struct qom_object object = { .class = &device_object_class, .data = id[0] == '/' ? NULL : device_find(id) };

    if (id[0] == '/' && !qom_resolve(id, &object, error)) {
        return NULL;
    }
    if (object.class != &device_object_class) {
        error_setf(error, "%s is not a hotpluggable device", id);
        return NULL;
    }
    if (!object.data) {
        error_set_class(error, FERRY_ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", id);
    }
    return object.data;
}

void qmp_device_del(const char *id, GError **error)
{
    struct device *dev = find_device(id, error);

    if (!dev) {
        return;
    }
    if (dev->unplug_pending) {
        error_setf(error, "Device %s is already in the process of unplug", id);
    } else if (migration_is_running()) {
        error_setf(error, "device_del not allowed while migrating");
    } else {
        device_request_unplug(dev, error);
    }
}
