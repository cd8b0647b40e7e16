/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options about what this program takes from the host: -overcommit, -audiodev. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "system/backends.h"
#include "util/keyval.h"

bool overcommit_apply(const char *text, GError **error)
{
    struct keyval *kv = text ? keyval_parse("-overcommit", text, NULL, error) : NULL;
    bool lock = false, power = false;

    if (!text) {
        return true;
    }
    bool ok = kv && keyval_get_bool(kv, "mem-lock", &lock, error) && keyval_get_bool(kv, "cpu-pm", &power, error) &&
              keyval_check_unread(kv, error);
    keyval_free(kv);
    if (ok && power) {
        return error_setf(error, "-overcommit: cpu-pm=on is not supported");
    }
    if (ok && lock && mlockall(MCL_CURRENT | MCL_FUTURE) < 0) {
        return error_setf_errno(error, errno, "-overcommit: cannot lock memory (mem-lock=on)");
    }
    return ok;
}

static bool audiodev_check(struct keyval *kv, GHashTable *ids, GError **error)
{
    const char *driver = keyval_get(kv, "driver"), *id = keyval_get(kv, "id");

    if (!driver || strcmp(driver, "none") != 0) {
        return error_setf(error, "-audiodev: driver='%s' is not supported (only 'none': no sound device is built)",
                          driver ? driver : "");
    }
    if (!id) {
        return error_setf(error, "-audiodev: id= is missing");
    }
    if (!g_hash_table_add(ids, g_strdup(id))) {
        return error_setf(error, "-audiodev: id '%s' is in use already", id);
    }
    return keyval_check_unread(kv, error);
}

bool audiodevs_check(const GPtrArray *list, GError **error)
{
    g_autoptr(GHashTable) ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    bool ok = true;

    for (guint i = 0; i < list->len && ok; i++) {
        struct keyval *kv = keyval_parse("-audiodev", list->pdata[i], "driver", error);
        ok = kv && audiodev_check(kv, ids, error);
        keyval_free(kv);
    }
    return ok;
}
