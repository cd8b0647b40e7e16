/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FERRY_HW_I386_BOARD_H
#define FERRY_HW_I386_BOARD_H

/* Sets the tables of machine types and device types (machine_types_set, device_types_set). Once, first in main(). */
void board_types_register(void);

#endif
