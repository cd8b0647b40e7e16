/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP and HMP sessions on character devices. Big lock held; commands run on the main loop's thread. */
#ifndef FERRY_MONITOR_MONITOR_H
#define FERRY_MONITOR_MONITOR_H

#include <json-glib/json-glib.h>

#include "util/error.h"

struct chardev;

bool monitor_new_qmp(struct chardev *chr, bool pretty, GError **error);
bool monitor_new_hmp(struct chardev *chr, GError **error); /* readline-like editing on ttys */
void monitor_cleanup(void); /* flushes and closes all */

/* To the HMP session whose command runs. */
void monitor_printf(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

/*
 * A descriptor by the name that getfd gave it on the monitor whose command runs (migrate fd:NAME); the caller owns it. -1
 * and an error if there is none.
 */
int monitor_take_fd(const char *name, GError **error);
/* The last descriptor that came with the QMP command that runs, or -1; the caller owns it. */
int qmp_take_received_fd(void);

/*
 * Emits an event to all QMP sessions (generated qapi_event_send_* call it). Takes `data` over (may be NULL). Any
 * thread.
 */
void monitor_emit_event(const char *name, JsonNode *data);

/* Executes one HMP line; what it prints (owned by the caller). For human-monitor-command. */
char *hmp_execute(const char *line);

#endif
