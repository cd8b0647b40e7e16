/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -global: defaults for all devices of a type. */
#include <string.h>

#include "hw/core/internal.h"
#include "util/keyval.h"

struct global {
    char *driver, *property, *value;
    bool used;
};

static GArray *globals; /* struct global, in order: a later one overrides */

static bool global_append(const char *driver, const char *property, const char *value, GError **error)
{
    if (!driver || !property || !value || !*driver || !*property) {
        return error_setf(error, "-global: expected driver.property=value or driver=…,property=…,value=…");
    }
    if (!globals) {
        globals = g_array_new(FALSE, FALSE, sizeof(struct global));
    }
    struct global global = { g_strdup(driver), g_strdup(property), g_strdup(value), false };
    g_array_append_val(globals, global);
    return true;
}

bool device_add_global(const char *text, GError **error)
{
    size_t key = strcspn(text, "=,");
    const char *dot = memchr(text, '.', key);
    if (dot && text[key] == '=') { /* the value may hold anything, commas too */
        g_autofree char *driver = g_strndup(text, dot - text);
        g_autofree char *property = g_strndup(dot + 1, text + key - dot - 1);
        return global_append(driver, property, text + key + 1, error);
    }
    struct keyval *kv = keyval_parse("-global", text, NULL, error);
    if (!kv) {
        return false;
    }
    const char *driver = keyval_get(kv, "driver"), *property = keyval_get(kv, "property");
    const char *value = keyval_get(kv, "value");
    bool good = keyval_check_unread(kv, error) && global_append(driver, property, value, error);
    keyval_free(kv);
    return good;
}

bool global_apply(struct device *dev, GError **error)
{
    for (guint i = 0; globals && i < globals->len; i++) {
        struct global *global = &g_array_index(globals, struct global, i);
        const struct device_type *type = dev->type;
        if (strcmp(global->driver, type->name) && (!type->alias || strcmp(global->driver, type->alias))) {
            continue;
        }
        global->used = true;
        if (!device_set_property(dev, global->property, global->value, error)) {
            g_prefix_error(error, "-global %s.%s=%s: ", global->driver, global->property, global->value);
            return false;
        }
    }
    return true;
}

void device_check_globals(void)
{
    for (guint i = 0; globals && i < globals->len; i++) {
        const struct global *global = &g_array_index(globals, struct global, i);
        if (!global->used) {
            warn_report("-global %s.%s=%s: no such device exists; ignored", global->driver, global->property,
                        global->value);
        }
    }
}
