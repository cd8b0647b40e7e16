/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Live migration as the rest of the program sees it. The commands (qmp_migrate() and its siblings) are declared in
 * qapi/qapi-commands.h. Big lock held for all of these.
 */
#ifndef FERRY_MIGRATION_MIGRATION_H
#define FERRY_MIGRATION_MIGRATION_H

#include "util/error.h"

/*
 * Once, before any device is made: registers the sections that belong to no device. `machine_name` is kept; `uuid` is
 * the guest's, or NULL.
 */
bool migration_init(const char *machine_name, const char *uuid, GError **error);
/*
 * -incoming URI or "defer": the run state becomes inmigrate; the VM runs, if `autostart`, once a stream was loaded. A
 * stream that cannot be loaded ends the program with status 1.
 */
bool migration_incoming(const char *uri, GError **error);
/* True from `migrate` until it has completed, failed or been cancelled, and likewise for an incoming one. */
bool migration_is_running(void);
/* At the program's end: cancels what runs and waits for its threads. The big lock is dropped meanwhile. */
void migration_shutdown(void);

#endif
