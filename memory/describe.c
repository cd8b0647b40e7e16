/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `info mtree`: the region trees as they were built, and the views that they render to. */
#include "memory/internal.h"

static const char *kind_name(const struct memory_region *mr, bool readonly)
{
    while (mr->kind == MEMORY_REGION_ALIAS) {
        readonly |= mr->readonly;
        mr = mr->alias;
    }
    return mr->kind != MEMORY_REGION_RAM ? "i/o" : readonly || mr->readonly ? "rom" : "ram";
}

static void describe_range(GString *text, int depth, hwaddr first, hwaddr last)
{
    g_string_append_printf(text, "%*s%016" G_GINT64_MODIFIER "x-%016" G_GINT64_MODIFIER "x", 2 * depth, "", first,
                           last);
}

static void describe_region(GString *text, const struct memory_region *mr, hwaddr base, int depth)
{
    hwaddr start = base + mr->address;
    describe_range(text, depth, start, start + region_last(mr));
    g_string_append_printf(text, " (prio %d, %s): ", mr->priority, kind_name(mr, false));
    if (mr->kind == MEMORY_REGION_ALIAS) {
        g_string_append_printf(text, "alias %s @%s ", mr->name, mr->alias->name);
        describe_range(text, 0, mr->alias_offset, mr->alias_offset + region_last(mr));
    } else {
        g_string_append(text, mr->name);
    }
    g_string_append(text, mr->enabled ? "\n" : " [disabled]\n");
    for (guint i = 0; mr->subregions && i < mr->subregions->len; i++) {
        describe_region(text, mr->subregions->pdata[i], start, depth + 1);
    }
}

static void describe_view(GString *text, const struct address_space *as)
{
    g_string_append_printf(text, "flat view: %s\n", as->name);
    for (unsigned i = 0; i < as->view->count; i++) {
        const struct flat_range *range = &as->view->ranges[i];
        describe_range(text, 1, range->start, range->end);
        g_string_append_printf(text, " (%s): %s", kind_name(range->mr, range->readonly), range->mr->name);
        if (range->offset) {
            g_string_append_printf(text, " @%016" G_GINT64_MODIFIER "x", range->offset);
        }
        g_string_append_c(text, '\n');
    }
    g_string_append_c(text, '\n');
}

char *memory_describe(void)
{
    GString *text = g_string_new(NULL);
    for (const struct address_space *as = address_spaces; as; as = as->next) {
        g_string_append_printf(text, "address-space: %s\n", as->name);
        describe_region(text, as->root, 0, 1);
        g_string_append_c(text, '\n');
    }
    for (const struct address_space *as = address_spaces; as; as = as->next) {
        describe_view(text, as);
    }
    return g_string_free(text, FALSE);
}
