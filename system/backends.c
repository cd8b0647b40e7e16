/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands between the guest and the host, made from the command line: objects, character devices, monitors. */
#include "system/backends.h"

#include <string.h>

#include "block/block.h"
#include "chardev/char.h"
#include "monitor/monitor.h"
#include "net/net.h"
#include "system/nic.h"
#include "system/object.h"
#include "system/system.h"
#include "util/keyval.h"

static bool mon_create(const char *text, GError **error)
{
    struct keyval *kv = keyval_parse("-mon", text, "chardev", error);
    bool pretty = false, ok = false;
    if (!kv || !keyval_get_bool(kv, "pretty", &pretty, error)) {
        keyval_free(kv);
        return false;
    }
    const char *id = keyval_get(kv, "chardev"), *mode = keyval_get(kv, "mode");
    keyval_get(kv, "id"); /* nothing refers to a monitor */
    struct chardev *chr = id ? chardev_find(id) : NULL;
    if (!chr) {
        error_setf(error, "-mon: chardev '%s' not found", id ? id : "");
    } else if (mode && strcmp(mode, "control") == 0) {
        ok = keyval_check_unread(kv, error) && monitor_new_qmp(chr, pretty, error);
    } else if (!mode || strcmp(mode, "readline") == 0) {
        ok = keyval_check_unread(kv, error) && monitor_new_hmp(chr, error);
    } else {
        error_setf(error, "-mon: mode='%s' is neither 'control' nor 'readline'", mode);
    }
    keyval_free(kv);
    return ok;
}

/* A chardev of the short form; NULL without error for "none". */
static bool short_form(const char *option, const char *prefix, unsigned n, const char *text, struct chardev **chr,
                       GError **error)
{
    g_autofree char *id = g_strdup_printf("%s%u", prefix, n);
    *chr = chardev_new_legacy(option, id, text, error);
    return *chr || strcmp(text, "none") == 0;
}

static bool monitors_create(GPtrArray *list, const char *option, const char *prefix, bool qmp, bool pretty,
                            GError **error)
{
    for (guint i = 0; i < list->len; i++) {
        struct chardev *chr;
        if (!short_form(option, prefix, i, list->pdata[i], &chr, error)) {
            return false;
        }
        if (chr && !(qmp ? monitor_new_qmp(chr, pretty, error) : monitor_new_hmp(chr, error))) {
            return false;
        }
    }
    return true;
}

static bool serials_create(const struct options *o, GError **error)
{
    if (o->serials->len == 0 && o->nographic && !o->nodefaults) {
        g_ptr_array_add(o->serials, o->monitor_given ? "stdio" : "mon:stdio");
    }
    if (o->serials->len > SERIAL_PORTS) {
        return error_setf(error, "-serial: %u ports; at most %d are supported", o->serials->len, SERIAL_PORTS);
    }
    for (guint i = 0; i < o->serials->len; i++) {
        const char *text = o->serials->pdata[i];
        struct chardev *chr;
        if (!short_form("-serial", "serial", i, text, &chr, error)) {
            return false;
        }
        serial_chardevs[i] = chr ? chardev_id(chr) : NULL;
        /* A mux carries the monitor as well. */
        if (chr && g_str_has_prefix(text, "mon:") && !monitor_new_hmp(chr, error)) {
            return false;
        }
    }
    return true;
}

/* In the command line's order, up to the first that fails. */
static bool create_each(const GPtrArray *texts, bool (*create)(const char *text, GError **error), GError **error)
{
    for (guint i = 0; i < texts->len; i++) {
        if (!create(texts->pdata[i], error)) {
            return false;
        }
    }
    return true;
}

static bool disks_create(const struct options *o, GError **error)
{
    if (o->incoming) {
        block_set_incoming(); /* another has the images still */
    }
    return create_each(o->blockdevs, blockdev_option, error) && create_each(o->drives, drive_option, error);
}

static bool networks_create(const struct options *o, GError **error)
{
    return create_each(o->netdevs, netdev_add_option, error) && create_each(o->nics, nic_create_backend, error);
}

bool backends_create(const struct options *o, GError **error)
{
    for (guint i = 0; i < o->chardevs->len; i++) {
        if (!chardev_new(o->chardevs->pdata[i], error)) {
            return false;
        }
    }
    return create_each(o->objects, object_create_from_option, error) && disks_create(o, error) &&
           serials_create(o, error) &&
           monitors_create(o->monitors, "-monitor", "compat_monitor", false, false, error) &&
           monitors_create(o->qmps, "-qmp", "qmp", true, false, error) &&
           monitors_create(o->qmps_pretty, "-qmp-pretty", "qmp_pretty", true, true, error) &&
           create_each(o->mons, mon_create, error) && networks_create(o, error);
}
