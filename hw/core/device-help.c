/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts about devices: -device help, -device TYPE,help and `info qtree`. */
#include <string.h>

#include "hw/core/internal.h"

static void describe_type(GString *text, const struct device_type *type)
{
    g_string_append_printf(text, "name \"%s\"", type->name);
    if (type->bus) {
        g_string_append_printf(text, ", bus %s", type->bus);
    }
    if (type->alias) {
        g_string_append_printf(text, ", alias \"%s\"", type->alias);
    }
    if (type->description) {
        g_string_append_printf(text, ", desc \"%s\"", type->description);
    }
    g_string_append_c(text, '\n');
}

/* Grouped by category, in the order in which the categories first appear in the table. */
char *device_list_help(void)
{
    GString *text = g_string_new(NULL);
    g_autoptr(GPtrArray) done = g_ptr_array_new();
    for (const struct device_type *const *first = device_types(); *first; first++) {
        const char *category = (*first)->category ? (*first)->category : "Uncategorized";
        if (!(*first)->user_creatable || g_ptr_array_find_with_equal_func(done, category, g_str_equal, NULL)) {
            continue;
        }
        g_ptr_array_add(done, (gpointer)category);
        g_string_append_printf(text, "%s%s devices:\n", text->len ? "\n" : "", category);
        for (const struct device_type *const *type = first; *type; type++) {
            const char *other = (*type)->category ? (*type)->category : "Uncategorized";
            if ((*type)->user_creatable && !strcmp(other, category)) {
                describe_type(text, *type);
            }
        }
    }
    return g_string_free(text, FALSE);
}

static void help_property(const struct property *property, void *opaque)
{
    g_autofree char *usual = property_default_text(property);
    g_autofree char *name = g_strdup_printf("%s=<%s>", property->name, property_kind_name(property->kind));
    g_autofree char *line = g_strdup_printf(
        "  %-22s - %s%s(default: %s)", name, property->description ? property->description : "",
        property->description ? " " : "", property->kind == PROPERTY_STRING && !*usual ? "none" : usual);
    g_ptr_array_add(opaque, g_steal_pointer(&line));
}

static gint compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *device_type_help(const char *name)
{
    const struct device_type *type = device_type_find(name);
    if (!type) {
        return NULL;
    }
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    property_foreach(type, help_property, lines);
    g_ptr_array_sort(lines, compare_lines);
    GString *text = g_string_new(NULL);
    if (!lines->len) {
        g_string_append_printf(text, "There are no options for %s.\n", type->name);
    } else {
        g_string_append_printf(text, "%s options:\n", type->name);
    }
    for (guint i = 0; i < lines->len; i++) {
        g_string_append_printf(text, "%s\n", (char *)lines->pdata[i]);
    }
    return g_string_free(text, FALSE);
}

struct tree_text {
    GString *text;
    struct device *dev;
    int indent;
};

static void describe_property(const struct property *property, void *opaque)
{
    struct tree_text *tree = opaque;
    g_autofree char *value = property_print(tree->dev, property);
    g_string_append_printf(tree->text, "%*s%s = ", tree->indent, "", property->name);
    switch (property->kind) {
    case PROPERTY_STRING:
    case PROPERTY_ON_OFF_AUTO:
        g_string_append_printf(tree->text, "\"%s\"\n", value);
        break;
    case PROPERTY_UINT8:
    case PROPERTY_UINT16:
    case PROPERTY_UINT32:
    case PROPERTY_UINT64:
    case PROPERTY_SIZE:
        g_string_append_printf(tree->text, "%s (0x%" G_GINT64_MODIFIER "x)\n", value,
                               g_ascii_strtoull(value, NULL, 10));
        break;
    default:
        g_string_append_printf(tree->text, "%s\n", value);
    }
}

static void describe_bus(GString *text, const struct bus *bus, int indent);

static void describe_device(GString *text, struct device *dev, int indent)
{
    g_string_append_printf(text, "%*sdev: %s, id \"%s\"\n", indent, "", dev->type->name, device_id_text(dev));
    struct tree_text tree = { text, dev, indent + 2 };
    property_foreach(dev->type, describe_property, &tree);
    if (dev->parent_bus->type->describe) {
        g_autoptr(GString) line = g_string_new(NULL);
        dev->parent_bus->type->describe(dev, line);
        g_auto(GStrv) lines = g_strsplit(line->str, "\n", -1);
        for (char **one = lines; *one; one++) {
            if (**one) {
                g_string_append_printf(text, "%*s%s\n", indent + 2, "", *one);
            }
        }
    }
    for (guint i = 0; i < dev->buses->len; i++) {
        describe_bus(text, dev->buses->pdata[i], indent + 2);
    }
}

static void describe_bus(GString *text, const struct bus *bus, int indent)
{
    g_string_append_printf(text, "%*sbus: %s\n%*stype %s\n", indent, "", bus->name, indent + 2, "", bus->type->name);
    for (guint i = 0; i < bus->children->len; i++) {
        describe_device(text, bus->children->pdata[i], indent + 2);
    }
}

char *device_tree_describe(void)
{
    GString *text = g_string_new(NULL);
    describe_bus(text, &system_bus, 0);
    return g_string_free(text, FALSE);
}
