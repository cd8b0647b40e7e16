/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -daemonize and -pidfile. */
#ifndef FERRY_SYSTEM_DAEMONIZE_H
#define FERRY_SYSTEM_DAEMONIZE_H

#include "util/error.h"

/*
 * The program goes on in a child, in a session of its own; what was started waits until the child calls
 * daemonize_finish() and then exits with 0, or with 1 if it ends before. Before any thread starts.
 */
bool daemonize_begin(GError **error);
/* Start-up is over: standard input, output and error go to /dev/null (`keep_stderr`: not error). */
bool daemonize_finish(bool keep_stderr, GError **error);

/* Writes the process id to a file that stays locked and is removed at the end. */
bool pidfile_create(const char *path, GError **error);

#endif
