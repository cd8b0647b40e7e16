/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Switching trace points on by name pattern: -trace and the monitor's trace-event. */
#include <stdio.h>

#include "trace/points.h"
#include "util/log.h"

static void trace_list(void)
{
    for (const struct trace_point *const *folder = trace_folders; *folder; folder++) {
        for (const struct trace_point *point = *folder; point->name; point++) {
            printf("%s\n", point->name);
        }
    }
}

/* QEMU spells it `-trace [enable=]PATTERN` as well; a pattern that begins with '-' switches off. */
bool trace_enable(const char *pattern, bool *help, GError **error)
{
    *help = !strcmp(pattern, "help") || !strcmp(pattern, "?");
    if (*help) {
        trace_list();
        return true;
    }
    if (g_str_has_prefix(pattern, "enable=")) {
        pattern += strlen("enable=");
    }
    bool on = pattern[0] != '-';
    const char *glob = on ? pattern : pattern + 1;
    bool found = false;
    for (const struct trace_point *const *folder = trace_folders; *folder; folder++) {
        for (const struct trace_point *point = *folder; point->name; point++) {
            if (g_pattern_match_simple(glob, point->name)) {
                __atomic_store_n(point->enabled, on, __ATOMIC_RELAXED);
                found = true;
            }
        }
    }
    if (!found) {
        return error_setf(error, "-trace: no trace point matches '%s' ('-trace help' lists them)", glob);
    }
    if (on) {
        log_enable_items(LOG_TRACE);
    }
    return true;
}
