/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FERRY_MONITOR_INTERNAL_H
#define FERRY_MONITOR_INTERNAL_H

#include "chardev/char.h"
#include "monitor/monitor.h"

/* No input is taken from a client that leaves more than this unread. */
#define MONITOR_PENDING_MAX (64u << 10)

/* QMP sessions (qmp.c): the one whose command runs, or NULL. */
struct qmp_session;
struct qapi_command;
extern struct qmp_session *qmp_current;
void qmp_sessions_cleanup(void);
const struct qapi_command *qmp_command_find(const char *name); /* NULL: there is none */
/* named-fds.c: name -> descriptor, which is closed with its entry. */
GHashTable *named_fds_new(void);
GHashTable *qmp_named_fds(void); /* of the session whose command runs, or NULL */

/* HMP sessions (hmp.c). */
void hmp_sessions_cleanup(void);

/* HMP's commands (hmp-commands.c). */
struct hmp_command {
    const char *name, *alias;
    const char *arguments; /* for help: "uri", "[-d] uri" */
    const char *help; /* NULL: the QMP command's */
    void (*run)(int argc, char **argv); /* argv[0] is the command */
    const char *qmp; /* the QMP command that does the same; its comment in the schema is the help */
};
extern const struct hmp_command hmp_commands[], hmp_info_commands[]; /* end with name NULL */
void hmp_help(const char *name); /* NULL: all */

#endif
