/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this room tell each other. */
#ifndef FERRY_HW_CORE_INTERNAL_H
#define FERRY_HW_CORE_INTERNAL_H

#include "hw/core/device.h"

/* A property by name, the type's own before the bus's; NULL. */
const struct property *property_find(const struct device_type *type, const char *name);
/* Calls `each` for the type's own properties, then the bus's. */
void property_foreach(const struct device_type *type, void (*each)(const struct property *property, void *opaque),
                      void *opaque);
void property_set_defaults(struct device *dev);
void property_free_strings(struct device *dev);
bool property_parse(struct device *dev, const struct property *property, const char *text, GError **error);
char *property_print(struct device *dev, const struct property *property);
const char *property_kind_name(enum property_kind kind);
char *property_default_text(const struct property *property);
/* As QMP has it; the caller frees. No default string: NULL. */
struct _JsonNode *property_json(struct device *dev, const struct property *property);
struct _JsonNode *property_default_json(const struct property *property);

/* The bus type of that name, once a bus of it exists or it was registered. */
const struct bus_type *bus_type_find(const char *name);
void bus_type_foreach(void (*each)(const struct bus_type *type, void *opaque), void *opaque);

/* bootindex.c: no realized device has this one's place among what firmware boots from. */
#define BOOTINDEX_PROPERTY "bootindex"
bool bootindex_check(struct device *dev, GError **error);

/* Applies what -global said of the device's type. */
bool global_apply(struct device *dev, GError **error);

static inline const char *device_id_text(const struct device *dev)
{
    return dev->id ? dev->id : "";
}

#endif
