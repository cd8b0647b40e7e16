/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices that leave while the machine is there. How they come is device.c's, as for all. */
#include "hw/core/internal.h"
#include "qapi/qapi-events.h"
#include "trace/hw_core.h"

char *device_path(const struct device *dev)
{
    if (dev->id) {
        return g_strdup_printf("/machine/peripheral/%s", dev->id);
    }
    return !dev->from_user ? NULL : g_strdup_printf("/machine/peripheral-anon/device[%d]", dev->anonymous);
}

bool device_request_unplug(struct device *dev, GError **error)
{
    struct bus *bus = dev->parent_bus;

    if (!bus->hotplug) {
        return error_setf(error, "Bus '%s' does not support hotplugging", bus->name);
    }
    if (!dev->type->hotpluggable) {
        return error_setf(error, "Device '%s' does not support hotplugging", dev->type->name);
    }
    trace_device_request_unplug(dev->type->name, device_id_text(dev));
    dev->unplug_pending = true;
    bus->hotplug->request_unplug(bus->hotplug_opaque, dev);
    return true;
}

/* What QEMU makes of two objects, transport and device proper, goes by two events. */
void device_unplug(struct device *dev)
{
    g_autofree char *id = g_strdup(dev->id), *path = device_path(dev);
    g_autofree char *backend = dev->type->backend ? g_strdup_printf("%s/%s", path, dev->type->backend) : NULL;

    trace_device_unplug(dev->type->name, device_id_text(dev));
    device_free(dev);
    if (backend) {
        qapi_event_send_device_deleted(NULL, backend);
    }
    qapi_event_send_device_deleted(id, path);
}
