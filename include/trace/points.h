/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What scripts/tracetool.py generates and trace/control.c walks. */
#ifndef FERRY_TRACE_POINTS_H
#define FERRY_TRACE_POINTS_H

#include <stdbool.h>
#include <stddef.h>

struct trace_point {
    const char *name;
    bool *enabled; /* relaxed atomics: any thread reads it */
};

/* NULL-terminated list of the folders' lists, each ended by a NULL name. */
extern const struct trace_point *const trace_folders[];

#endif
