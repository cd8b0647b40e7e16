/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices and the machine as objects, and their types: what qom/ asks this room. */
#ifndef FERRY_HW_CORE_OBJECTS_H
#define FERRY_HW_CORE_OBJECTS_H

#include "qom/qom.h"

/* data: struct device. Realized ones only. */
extern const struct qom_class device_object_class;
void device_types_foreach(qom_type_fn *each, void *opaque);
/* What every device has. */
void device_common_properties(const void *data, qom_property_fn *each, void *opaque);

/* data: struct machine. Its children are the tree's. */
const char *machine_object_type(void *data);
void machine_object_properties(void *data, qom_property_fn *each, void *opaque);
JsonNode *machine_object_get(void *data, const char *property, GError **error);
void machine_types_foreach(qom_type_fn *each, void *opaque);

#endif
