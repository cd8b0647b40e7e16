/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <string.h>

#include "hw/core/irq-registry.h"

struct inputs {
    const char *name;
    struct irq *lines;
    int count;
};

static GArray *registered;

static struct inputs *find(const char *name)
{
    for (guint i = 0; registered && i < registered->len; i++) {
        struct inputs *inputs = &g_array_index(registered, struct inputs, i);
        if (!strcmp(inputs->name, name)) {
            return inputs;
        }
    }
    return NULL;
}

void irq_inputs_register(const char *name, struct irq *lines, int count)
{
    struct inputs *known = find(name), inputs = { .name = name, .lines = lines, .count = count };

    if (known) {
        *known = inputs;
        return;
    }
    if (!registered) {
        registered = g_array_new(FALSE, FALSE, sizeof(struct inputs));
    }
    g_array_append_val(registered, inputs);
}

struct irq *irq_inputs_find(const char *name, int *count)
{
    struct inputs *inputs = find(name);

    if (!inputs) {
        return NULL;
    }
    *count = inputs->count;
    return inputs->lines;
}
