/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ISA serial port ("isa-serial"). */
#ifndef FERRY_HW_CHAR_SERIAL_H
#define FERRY_HW_CHAR_SERIAL_H

#include "hw/core/device.h"

extern const struct device_type serial_isa_type;
/* COM1 + index, on the chardev of that ID. */
struct device *serial_isa_create(int index, const char *chardev_id, GError **error);

#endif
