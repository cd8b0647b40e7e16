/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/device.h"
#include "hw/core/internal.h"
#include "hw/core/reset.h"
#include "trace/hw_core.h"

struct reset_handler {
    void (*handler)(void *opaque);
    void *opaque;
};

static GArray *handlers; /* struct reset_handler, in order of registration */

static bool handler_find(const struct reset_handler *wanted, guint *index)
{
    for (guint i = 0; handlers && i < handlers->len; i++) {
        const struct reset_handler *one = &g_array_index(handlers, struct reset_handler, i);
        if (one->handler == wanted->handler && one->opaque == wanted->opaque) {
            *index = i;
            return true;
        }
    }
    return false;
}

void reset_register(void (*handler)(void *opaque), void *opaque)
{
    struct reset_handler one = { handler, opaque };
    if (!handlers) {
        handlers = g_array_new(FALSE, FALSE, sizeof(struct reset_handler));
    }
    g_array_append_val(handlers, one);
}

void reset_unregister(void (*handler)(void *opaque), void *opaque)
{
    guint index;
    if (handler_find(&(struct reset_handler){ handler, opaque }, &index)) {
        g_array_remove_index(handlers, index);
    }
}

static void bus_reset(struct bus *bus);

static void device_reset(struct device *dev)
{
    for (guint i = 0; i < dev->buses->len; i++) {
        bus_reset(dev->buses->pdata[i]);
    }
    if (dev->realized && dev->type->reset) {
        trace_device_reset(dev->type->name, device_id_text(dev));
        dev->type->reset(dev);
    }
}

static void bus_reset(struct bus *bus)
{
    for (guint i = 0; i < bus->children->len; i++) {
        device_reset(bus->children->pdata[i]);
    }
    if (bus->type->reset) {
        bus->type->reset(bus);
    }
}

void reset_all(void)
{
    /* A handler may register or unregister: work on a copy, and skip what has gone meanwhile. */
    g_autoptr(GArray) snapshot = handlers ? g_array_copy(handlers) : NULL;
    for (guint i = 0; snapshot && i < snapshot->len; i++) {
        struct reset_handler one = g_array_index(snapshot, struct reset_handler, i);
        guint index;
        if (handler_find(&one, &index)) {
            one.handler(one.opaque);
        }
    }
    bus_reset(&system_bus);
}
