/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FERRY_MIGRATION_BLOCKER_H
#define FERRY_MIGRATION_BLOCKER_H

#include <glib.h>

#include "util/error.h"

/* From now on `migrate` is refused with this message (kept, not copied). Told once, however often. Big lock held. */
void migration_add_blocker(const char *why);
/* All messages, or NULL for none. */
const GPtrArray *migration_blockers(void);
/* False, with the first one's message, if there is any. */
bool migration_check_blockers(GError **error);

#endif
