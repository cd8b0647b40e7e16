/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The small ports of a PC. Each is an ISA device: isa_create(), or device_new() and the properties named in its file.
 */
#ifndef FERRY_HW_MISC_PC_PORTS_H
#define FERRY_HW_MISC_PC_PORTS_H

#include "hw/core/device.h"

extern const struct device_type pcspk_type;      /* "isa-pcspk": port 0x61 */
extern const struct device_type port92_type;     /* "port92" */
extern const struct device_type pvpanic_type;    /* "pvpanic": port 0x505 */
extern const struct device_type debug_exit_type; /* "isa-debug-exit": port 0x501 by default */
extern const struct device_type ioport80_type;   /* "ioport80": POST codes and the I/O delay port; 0xf0 as well */

/* Port 0x61 drives and reads channel 2 of `pit` ("isa-pit"). */
struct device *pcspk_create(struct device *pit, GError **error);

#endif
