/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "trace/util.h"
#include "util/error.h"
#include "util/log.h"

/* By hand: G_DEFINE_QUARK keeps it in a plain variable, which two threads that fail at once would write. */
GQuark ferry_error_quark(void)
{
    static GQuark quark;
    GQuark known = __atomic_load_n(&quark, __ATOMIC_RELAXED);

    if (!known) {
        known = g_quark_from_static_string("ferry-error-quark");
        __atomic_store_n(&quark, known, __ATOMIC_RELAXED);
    }
    return known;
}

bool error_report_timestamp;
bool (*error_report_hook)(const char *text);

bool error_setf(GError **error, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (error) {
        *error = g_error_new_valist(FERRY_ERROR, FERRY_ERROR_GENERIC, fmt, args);
    }
    va_end(args);
    return false;
}

bool error_set_class(GError **error, enum ferry_error code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (error) {
        *error = g_error_new_valist(FERRY_ERROR, code, fmt, args);
    }
    va_end(args);
    return false;
}

bool error_setf_errno(GError **error, int errnum, const char *fmt, ...)
{
    if (!error) {
        return false;
    }
    va_list args;
    va_start(args, fmt);
    g_autofree char *message = g_strdup_vprintf(fmt, args);
    va_end(args);
    return error_setf(error, "%s: %s", message, g_strerror(errnum));
}

static void report(const char *kind, const char *fmt, va_list args)
{
    g_autofree char *message = g_strdup_vprintf(fmt, args);
    g_autofree char *stamp = NULL;
    if (error_report_timestamp) {
        g_autoptr(GDateTime) now = g_date_time_new_now_utc();
        g_autofree char *seconds = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");
        stamp = g_strdup_printf("%s.%06dZ ", seconds, g_date_time_get_microsecond(now));
    }
    const char *program = g_get_prgname();
    g_autofree char *text =
        g_strdup_printf("%s%s: %s%s\n", stamp ? stamp : "", program ? program : "qemu-system-x86_64", kind, message);
    /* The monitor's user asked for a reply, not for a log line: no program name and no time there. */
    g_autofree char *bare = g_strdup_printf("%s%s\n", kind, message);
    if (!error_report_hook || !error_report_hook(bare)) {
        fputs(text, stderr);
    }
}

void error_report(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    report("", fmt, args);
    va_end(args);
}

void warn_report(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    report("warning: ", fmt, args);
    va_end(args);
}

void info_report(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    report("info: ", fmt, args);
    va_end(args);
}

void error_report_free(GError *error)
{
    error_report("%s", error->message);
    g_error_free(error);
}

/* A guest can make these as fast as it can trap: past a burst per second they are only counted. */
#define GUEST_ERRORS_PER_SECOND 50

static bool guest_error_allowed(unsigned *suppressed)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the three below; innermost */
    static int64_t second;
    static unsigned seen, dropped;
    int64_t now = g_get_monotonic_time() / G_USEC_PER_SEC;

    pthread_mutex_lock(&lock);
    *suppressed = 0;
    if (now != second) {
        second = now;
        seen = 0;
        *suppressed = dropped;
        dropped = 0;
    }
    bool allowed = seen < GUEST_ERRORS_PER_SECOND;
    if (allowed) {
        seen++;
    } else {
        dropped++;
    }
    pthread_mutex_unlock(&lock);
    return allowed;
}

void guest_error(const char *fmt, ...)
{
    unsigned suppressed;
    bool traced = __atomic_load_n(&trace_state_guest_error, __ATOMIC_RELAXED);
    if ((!traced && !log_enabled(LOG_GUEST_ERRORS)) || !guest_error_allowed(&suppressed)) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    g_autofree char *message = g_strdup_vprintf(fmt, args);
    va_end(args);
    if (suppressed) {
        log_printf(LOG_GUEST_ERRORS, "(%u more guest errors were not shown)\n", suppressed);
    }
    log_printf(LOG_GUEST_ERRORS, "%s\n", message);
    trace_guest_error(message);
}
