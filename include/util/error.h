/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors: `bool f(…, GError **error)`. The code of a FERRY_ERROR gives the QMP error class.
 * A message names the thing, its value and what would be right.
 */
#ifndef FERRY_UTIL_ERROR_H
#define FERRY_UTIL_ERROR_H

#include <glib.h>
#include <stdarg.h>
#include <stdbool.h>

#define FERRY_ERROR (ferry_error_quark())
GQuark ferry_error_quark(void);

/* One code per QMP error class. */
enum ferry_error {
    FERRY_ERROR_GENERIC,
    FERRY_ERROR_COMMAND_NOT_FOUND,
    FERRY_ERROR_DEVICE_NOT_FOUND,
    FERRY_ERROR_DEVICE_NOT_ACTIVE,
    FERRY_ERROR_KVM_MISSING_CAP,
};

/* Sets a generic error and returns false, so that `return error_setf(error, …);` reads well. */
bool error_setf(GError **error, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
bool error_set_class(GError **error, enum ferry_error code, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

/* As error_setf(), with ": " and strerror(errnum) behind the message. */
bool error_setf_errno(GError **error, int errnum, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

/*
 * Reports to the operator: "qemu-system-x86_64: message" on standard error, or on the monitor whose
 * command is running. Any thread. `-msg timestamp=on` puts the time in front.
 */
void error_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void warn_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void info_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

/* Reports and frees `error`. */
void error_report_free(GError *error);

extern bool error_report_timestamp; /* -msg timestamp=on; set before threads start */

/* The monitor's hook: takes the text instead of stderr if it returns true. */
extern bool (*error_report_hook)(const char *text);

/* A guest did something that it should not: traced, logged with -d guest_errors, rate limited. */
void guest_error(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

#endif
