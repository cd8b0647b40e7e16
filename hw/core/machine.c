/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "hw/core/machine.h"

struct machine *current_machine;

static const struct machine_type *const *types;

void machine_types_set(const struct machine_type *const *table)
{
    types = table;
}

const struct machine_type *const *machine_types(void)
{
    static const struct machine_type *const none[] = { NULL };
    return types ? types : none;
}

const struct machine_type *machine_type_find(const char *name)
{
    for (const struct machine_type *const *type = types; type && *type; type++) {
        if (!strcmp((*type)->name, name) || ((*type)->alias && !strcmp((*type)->alias, name))) {
            return *type;
        }
    }
    return NULL;
}

const struct machine_type *machine_type_default(void)
{
    for (const struct machine_type *const *type = types; type && *type; type++) {
        if ((*type)->is_default) {
            return *type;
        }
    }
    return NULL;
}

char *machine_help(void)
{
    GString *text = g_string_new("Supported machines are:\n");
    for (const struct machine_type *const *type = types; type && *type; type++) {
        if ((*type)->alias) {
            g_string_append_printf(text, "%-20s %s (alias of %s)\n", (*type)->alias, (*type)->description,
                                   (*type)->name);
        }
        g_string_append_printf(text, "%-20s %s%s\n", (*type)->name, (*type)->description,
                               (*type)->is_default ? " (default)" : "");
    }
    return g_string_free(text, FALSE);
}

char *machine_type_help(const struct machine_type *type)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "%s-machine options:\n", type->name);
    for (const struct machine_property *p = type->properties; p && p->name; p++) {
        g_autofree char *option = g_strdup_printf("%s=%s", p->name, p->values);
        g_string_append_printf(text, "%-22s %s\n", option, p->description);
    }
    return g_string_free(text, FALSE);
}
