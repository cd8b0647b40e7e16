/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -rtc: what time the guest's clock starts at and what it runs by. */
#include <string.h>
#include <time.h>

#include "hw/rtc/mc146818rtc.h"
#include "util/keyval.h"

enum base { BASE_UTC, BASE_LOCALTIME, BASE_DATE };

static enum base base = BASE_UTC;
static int64_t base_date; /* seconds since 1970 */
static enum vm_clock clock_source = VM_CLOCK_HOST;

static bool parse_date(const char *text, int64_t *seconds)
{
    struct tm tm = { 0 };
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

    if (!end) {
        tm = (struct tm){ 0 };
        end = strptime(text, "%Y-%m-%d", &tm);
    }
    if (!end || *end) {
        return false;
    }
    *seconds = timegm(&tm);
    return true;
}

static bool parse_base(const char *text, GError **error)
{
    if (!strcmp(text, "utc")) {
        base = BASE_UTC;
    } else if (!strcmp(text, "localtime")) {
        base = BASE_LOCALTIME;
    } else if (parse_date(text, &base_date)) {
        base = BASE_DATE;
    } else {
        return error_setf(error, "-rtc base=%s: should be 'utc', 'localtime', '2006-06-17T16:01:21' or '2006-06-17'",
                          text);
    }
    return true;
}

static bool parse_clock(const char *text, GError **error)
{
    if (!strcmp(text, "host")) {
        clock_source = VM_CLOCK_HOST;
    } else if (!strcmp(text, "rt")) {
        clock_source = VM_CLOCK_REALTIME;
    } else if (!strcmp(text, "vm")) {
        clock_source = VM_CLOCK_VIRTUAL;
    } else {
        return error_setf(error, "-rtc clock=%s: should be 'host', 'rt' or 'vm'", text);
    }
    return true;
}

bool rtc_configure(struct keyval *options, GError **error)
{
    const char *text;

    if ((text = keyval_get(options, "base")) && !parse_base(text, error)) {
        return false;
    }
    if ((text = keyval_get(options, "clock")) && !parse_clock(text, error)) {
        return false;
    }
    if ((text = keyval_get(options, "driftfix")) && strcmp(text, "none")) {
        return error_setf(error, "-rtc driftfix=%s: %s", text,
                          strcmp(text, "slew") ? "should be 'none'" : "'slew' is not supported, only 'none'");
    }
    return keyval_check_unread(options, error);
}

enum vm_clock rtc_clock(void)
{
    return clock_source;
}

int64_t rtc_start_time(void)
{
    time_t now = time(NULL);
    struct tm tm;

    switch (base) {
    case BASE_DATE:
        return base_date;
    case BASE_LOCALTIME:
        return localtime_r(&now, &tm) ? timegm(&tm) : now;
    default:
        return now;
    }
}
