/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Choosing an accelerator, and the dirty log's two halves of a sync. */
#include <string.h>

#include "accel/accel.h"
#include "qom/qom.h"
#include "util/keyval.h"

const struct accel_ops *accel;

static const struct accel_ops *const accelerators[] = { &accel_tcg, &accel_kvm, &accel_qtest };

static const struct accel_ops *find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(accelerators); i++) {
        if (strcmp(accelerators[i]->name, name) == 0) {
            return accelerators[i];
        }
    }
    return NULL;
}

static bool try_one(const char *name, const char *text, GError **error)
{
    const struct accel_ops *ops = find(name);
    g_autoptr(GError) why = NULL;
    struct keyval *options;
    bool ok;

    if (!ops) {
        return error_setf(error, "-accel %s: invalid accelerator: see -accel help", name);
    }
    options = keyval_parse("-accel", text, "accel", error);
    if (!options) {
        return false;
    }
    keyval_get(options, "accel");
    ok = ops->init(options, &why) && keyval_check_unread(options, &why);
    keyval_free(options);
    if (!ok) {
        return error_setf(error, "-accel %s: failed to initialize %s: %s", name, name, why ? why->message : "?");
    }
    accel = ops;
    return true;
}

/* One -accel: names separated by colons, then options for whichever of them works. */
static bool try_option(const char *text, GString *failures)
{
    const char *comma = strchr(text, ',');
    g_autofree char *names = comma ? g_strndup(text, comma - text) : g_strdup(text);
    g_auto(GStrv) each = g_strsplit(g_str_has_prefix(names, "accel=") ? names + 6 : names, ":", -1);

    for (int i = 0; each[i]; i++) {
        GError *error = NULL;
        if (try_one(each[i], text, &error)) {
            if (failures->len) {
                error_report("%s", failures->str);
                error_report("falling back to %s", each[i]);
            }
            return true;
        }
        g_string_append_printf(failures, "%s%s", failures->len ? "; " : "", error->message);
        g_error_free(error);
    }
    return false;
}

bool accel_configure(GPtrArray *options, GError **error)
{
    GString *failures = g_string_new(NULL);
    bool ok = false;

    if (!options || options->len == 0) {
        ok = try_option("tcg", failures);
    }
    for (guint i = 0; !ok && options && i < options->len; i++) {
        ok = try_option(g_ptr_array_index(options, i), failures);
    }
    if (!ok) {
        error_setf(error, "%s", failures->str);
    }
    g_string_free(failures, TRUE);
    return ok;
}

void accel_types_foreach(qom_type_fn *each, void *opaque)
{
    for (size_t i = 0; i < G_N_ELEMENTS(accelerators); i++) {
        g_autofree char *name = g_strconcat(accelerators[i]->name, "-accel", NULL);
        each(&(struct qom_type){ .name = g_intern_string(name), .parent = "accel" }, opaque);
    }
}

char *accel_help(void)
{
    GString *text = g_string_new("Accelerators supported in QEMU binary:\n");

    for (size_t i = 0; i < G_N_ELEMENTS(accelerators); i++) {
        g_string_append_printf(text, "%s\n", accelerators[i]->name);
    }
    return g_string_free(text, FALSE);
}

uint64_t accel_dirty_take(struct ram_block *block, enum dirty_client client, uint64_t first, uint64_t count,
                          unsigned long *into)
{
    if (accel && accel->dirty_log_fetch) {
        accel->dirty_log_fetch(block, first, count);
    }
    return ram_block_dirty_take(block, client, first, count, into);
}

void accel_dirty_refresh(void)
{
    if (accel && accel->dirty_log_refresh) {
        accel->dirty_log_refresh();
    }
}

void accel_dirty_arm(void)
{
    if (accel && accel->dirty_log_arm) {
        accel->dirty_log_arm();
    }
}
