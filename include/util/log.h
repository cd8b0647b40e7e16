/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -d ITEM,… -D FILE: the log for people who debug a guest. Off costs one load and a branch. */
#ifndef FERRY_UTIL_LOG_H
#define FERRY_UTIL_LOG_H

#include "util/error.h"

enum log_item {
    LOG_IN_ASM = 1 << 0,       /* each block when it is decoded */
    LOG_INT = 1 << 1,          /* interrupts and exceptions */
    LOG_EXEC = 1 << 2,         /* each block when it runs */
    LOG_CPU = 1 << 3,          /* registers before each block */
    LOG_CPU_RESET = 1 << 4,
    LOG_MMU = 1 << 5,
    LOG_GUEST_ERRORS = 1 << 6,
    LOG_UNIMP = 1 << 7,
    LOG_TRACE = 1 << 8,        /* trace points go to the log (default: stderr) */
};

extern unsigned log_mask;
static inline bool log_enabled(unsigned items)
{
    return __builtin_expect(__atomic_load_n(&log_mask, __ATOMIC_RELAXED) & items, 0);
}
/* Writes to the log file if an item is on. Any thread; a call's text is not interleaved with another's. */
void log_printf(unsigned items, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* Adds to log_mask. Any thread. */
void log_enable_items(unsigned items);
/* "help" prints the items and is true with *help set. */
bool log_set_items(const char *items, bool *help, GError **error);
bool log_set_file(const char *path, GError **error);

/* -trace PATTERN (glob); "help" lists. See scripts/tracetool.py: each folder's `trace-events` makes trace/FOLDER.h */
bool trace_enable(const char *pattern, bool *help, GError **error);

#endif
