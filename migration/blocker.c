/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What keeps this guest from ever going elsewhere, told when somebody asks for it and not at the switchover. */
#include <glib.h>

#include "migration/blocker.h"

static GPtrArray *blockers; /* text; big lock */

void migration_add_blocker(const char *why)
{
    blockers = blockers ? blockers : g_ptr_array_new();
    if (!g_ptr_array_find_with_equal_func(blockers, why, g_str_equal, NULL)) {
        g_ptr_array_add(blockers, (gpointer)why);
    }
}

const GPtrArray *migration_blockers(void)
{
    return blockers;
}

bool migration_check_blockers(GError **error)
{
    return !blockers || error_setf(error, "%s", (const char *)blockers->pdata[0]);
}
