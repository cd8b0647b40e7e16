/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program's own settings, as the command line gave them. Written before any thread starts. */
#ifndef FERRY_SYSTEM_SYSTEM_H
#define FERRY_SYSTEM_SYSTEM_H

#include "util/error.h"
#include "util/log.h"

#define FERRY_VERSION "0.1.0"
#define FERRY_PACKAGE "Ferry " FERRY_VERSION

extern const char *guest_name;    /* -name, or NULL */
extern char guest_uuid[37];       /* -uuid, or all zeros */
extern bool guest_uuid_set;

/*
 * -serial: the chardev's id of each port, NULL: no such port. The board makes an isa-serial for each that is not
 * NULL.
 */
#define SERIAL_PORTS 4
extern const char *serial_chardevs[SERIAL_PORTS];

/* The action on guest events: -action, -no-reboot, -no-shutdown (system/runstate.c). */
bool action_parse(const char *text, GError **error);
void action_set_no_reboot(void);
void action_set_no_shutdown(void);


#endif
