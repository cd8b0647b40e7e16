/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the program needs of migration beyond its QMP commands. Big lock held. */
#ifndef FERRY_MIGRATION_MIGRATION_H
#define FERRY_MIGRATION_MIGRATION_H

#include "util/error.h"

/*
 * -incoming URI: listens (or reads) in the background; the run state is `inmigrate`. Ends in vm_start() if `autostart`, else in
 * the source's paused state. A failed load ends the program with status 1, as QEMU does, after reporting why.
 */
bool migration_incoming_start(const char *uri, GError **error);

/* At exit: cancels what runs and joins the threads. */
void migration_shutdown(void);

#endif
