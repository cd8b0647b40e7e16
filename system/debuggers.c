/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the command line says of clocks, and of those who look at the machine from outside: qtest, gdb. */
#include "accel/icount.h"
#include "accel/qtest.h"
#include "hw/rtc/mc146818rtc.h"
#include "system/backends.h"
#include "system/gdbstub.h"
#include "util/keyval.h"

static bool configure(const char *option, const char *text, const char *implied,
                      bool (*function)(struct keyval *options, GError **error), GError **error)
{
    if (!text) {
        return true;
    }
    struct keyval *kv = keyval_parse(option, text, implied, error);
    bool ok = kv && function(kv, error) && keyval_check_unread(kv, error);
    keyval_free(kv);
    return ok;
}

bool clocks_configure(const struct options *o, GError **error)
{
    return configure("-rtc", o->rtc, "base", rtc_configure, error) &&
           configure("-icount", o->icount, "shift", icount_configure, error);
}

bool debuggers_create(const struct options *o, GError **error)
{
    return (!o->qtest || qtest_init(o->qtest, error)) && (!o->gdb || gdbstub_start(o->gdb, error));
}
