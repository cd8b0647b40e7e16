/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "hw/core/internal.h"

static const struct bus_type system_bus_type = { .name = "System", .device_type = "sys-bus-device" };
struct bus system_bus;

static GPtrArray *all_buses; /* in order of creation */
static GPtrArray *bus_types; /* each type that was ever seen */

const struct bus_type *bus_type_find(const char *name)
{
    for (guint i = 0; i < bus_types->len; i++) {
        const struct bus_type *type = bus_types->pdata[i];
        if (!strcmp(type->name, name)) {
            return type;
        }
    }
    return NULL;
}

void bus_type_foreach(void (*each)(const struct bus_type *type, void *opaque), void *opaque)
{
    for (guint i = 0; i < bus_types->len; i++) {
        each(bus_types->pdata[i], opaque);
    }
}

void bus_type_register(const struct bus_type *type)
{
    if (!bus_type_find(type->name)) {
        g_ptr_array_add(bus_types, (gpointer)type);
    }
}

void bus_init(struct bus *bus, const struct bus_type *type, struct device *parent, const char *name)
{
    *bus = (struct bus){ .type = type, .parent = parent, .name = g_strdup(name), .children = g_ptr_array_new() };
    bus_type_register(type);
    g_ptr_array_add(all_buses, bus);
    if (parent) {
        g_ptr_array_add(parent->buses, bus);
    }
}

void bus_cleanup(struct bus *bus)
{
    while (bus->children->len) { /* the newest first, as they may lean on older ones */
        device_free(bus->children->pdata[bus->children->len - 1]);
    }
    if (bus->parent) {
        g_ptr_array_remove(bus->parent->buses, bus);
    }
    g_ptr_array_remove(all_buses, bus);
    g_ptr_array_unref(bus->children);
    g_free(bus->name);
    *bus = (struct bus){ 0 };
}

struct bus *bus_find(const char *name)
{
    for (guint i = 0; i < all_buses->len; i++) {
        struct bus *bus = all_buses->pdata[i];
        if (!strcmp(bus->name, name)) {
            return bus;
        }
    }
    return NULL;
}

struct bus *bus_find_for_type(const char *bus_type)
{
    for (guint i = 0; i < all_buses->len; i++) {
        struct bus *bus = all_buses->pdata[i];
        if (!strcmp(bus->type->name, bus_type) && !bus->full) {
            return bus;
        }
    }
    return NULL;
}

/* The root of the device tree is there before any code that could ask for it. */
__attribute__((constructor)) static void system_bus_create(void)
{
    all_buses = g_ptr_array_new();
    bus_types = g_ptr_array_new();
    bus_init(&system_bus, &system_bus_type, NULL, "main-system-bus");
}
