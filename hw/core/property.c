/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Properties: fields of a device's struct, described by a table, set from text before the device is realized. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hw/core/internal.h"
#include "qapi/qapi-visit.h"
#include "util/keyval.h"

#define PCI_DEVFN(slot, fn) ((slot) << 3 | (fn))
#define PCI_SLOT_MAX        31
#define PCI_FUNCTION_MAX    7

static const char *const on_off_auto_names[] = {
    [ON_OFF_AUTO_AUTO] = "auto", [ON_OFF_AUTO_ON] = "on", [ON_OFF_AUTO_OFF] = "off"
};

const char *property_kind_name(enum property_kind kind)
{
    static const char *const names[] = {
        [PROPERTY_BOOL] = "bool",       [PROPERTY_UINT8] = "uint8",   [PROPERTY_UINT16] = "uint16",
        [PROPERTY_UINT32] = "uint32",   [PROPERTY_UINT64] = "uint64", [PROPERTY_INT32] = "int32",
        [PROPERTY_SIZE] = "size",       [PROPERTY_STRING] = "str",    [PROPERTY_ON_OFF_AUTO] = "OnOffAuto",
        [PROPERTY_PCI_DEVFN] = "int32",
    };
    return names[kind];
}

static const struct property *bus_properties(const struct device_type *type)
{
    const struct bus_type *bus = type->bus ? bus_type_find(type->bus) : NULL;
    return bus ? bus->device_properties : NULL;
}

void property_foreach(const struct device_type *type, void (*each)(const struct property *property, void *opaque),
                      void *opaque)
{
    const struct property *tables[] = { type->properties, bus_properties(type) };
    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) {
        for (const struct property *property = tables[i]; property && property->name; property++) {
            each(property, opaque);
        }
    }
}

const struct property *property_find(const struct device_type *type, const char *name)
{
    const struct property *tables[] = { type->properties, bus_properties(type) };
    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) {
        for (const struct property *property = tables[i]; property && property->name; property++) {
            if (!strcmp(property->name, name)) {
                return property;
            }
        }
    }
    return NULL;
}

static void *property_field(struct device *dev, const struct property *property)
{
    return (char *)dev + property->offset;
}

static size_t property_size(enum property_kind kind)
{
    switch (kind) {
    case PROPERTY_BOOL:
        return sizeof(bool);
    case PROPERTY_UINT8:
        return 1;
    case PROPERTY_UINT16:
        return 2;
    case PROPERTY_UINT32:
    case PROPERTY_INT32:
    case PROPERTY_PCI_DEVFN:
        return 4;
    case PROPERTY_ON_OFF_AUTO:
        return sizeof(int);
    case PROPERTY_UINT64:
    case PROPERTY_SIZE:
        return 8;
    case PROPERTY_STRING:
        return sizeof(char *);
    }
    g_assert_not_reached();
}

/* Numbers of every width; the host is little-endian. */
static void property_store(struct device *dev, const struct property *property, uint64_t value)
{
    memcpy(property_field(dev, property), &value, property_size(property->kind));
}

static uint64_t property_load(struct device *dev, const struct property *property)
{
    uint64_t value = 0;
    memcpy(&value, property_field(dev, property), property_size(property->kind));
    return value;
}

static void set_default(const struct property *property, void *opaque)
{
    struct device *dev = opaque;
    if (property->kind == PROPERTY_STRING) {
        *(char **)property_field(dev, property) = g_strdup(property->default_string);
    } else {
        property_store(dev, property, property->default_value);
    }
}

void property_set_defaults(struct device *dev)
{
    property_foreach(dev->type, set_default, dev);
}

static void free_string(const struct property *property, void *opaque)
{
    if (property->kind == PROPERTY_STRING) {
        g_clear_pointer((char **)property_field(opaque, property), g_free);
    }
}

void property_free_strings(struct device *dev)
{
    property_foreach(dev->type, free_string, dev);
}

static bool parse_number(const struct property *property, const char *text, uint64_t *value, GError **error)
{
    size_t size = property_size(property->kind);
    return parse_uint(property->name, text, value, size == 8 ? UINT64_MAX : (1ull << (size * 8)) - 1, error);
}

static bool parse_int32(const struct property *property, const char *text, uint64_t *value, GError **error)
{
    bool negative = text[0] == '-';
    uint64_t magnitude;
    if (!parse_uint(property->name, text + negative, &magnitude, (uint64_t)INT32_MAX + negative, NULL)) {
        return error_setf(error, "Parameter '%s' expects a number from -2147483648 to 2147483647, not '%s'",
                          property->name, text);
    }
    *value = negative ? -magnitude : magnitude;
    return true;
}

static bool parse_on_off_auto(const struct property *property, const char *text, uint64_t *value, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(on_off_auto_names); i++) {
        if (!strcmp(text, on_off_auto_names[i])) {
            *value = i;
            return true;
        }
    }
    return error_setf(error, "Parameter '%s' expects 'on', 'off' or 'auto', not '%s'", property->name, text);
}

/* "slot[.function]", both hexadecimal, with or without 0x; "-1": any. */
static bool parse_devfn(const struct property *property, const char *text, uint64_t *value, GError **error)
{
    if (!strcmp(text, "-1")) {
        *value = UINT64_MAX;
        return true;
    }
    char *end = (char *)text;
    guint64 slot = g_ascii_isxdigit(*text) ? g_ascii_strtoull(text, &end, 16) : UINT64_MAX;
    guint64 function = 0;
    if (slot <= PCI_SLOT_MAX && *end == '.' && g_ascii_isxdigit(end[1])) {
        function = g_ascii_strtoull(end + 1, &end, 16);
    }
    if (slot > PCI_SLOT_MAX || function > PCI_FUNCTION_MAX || *end) {
        return error_setf(error,
                          "Parameter '%s' expects a PCI address slot[.function] (0 to 1f, 0 to 7, in hex), not '%s'",
                          property->name, text);
    }
    *value = PCI_DEVFN(slot, function);
    return true;
}

bool property_parse(struct device *dev, const struct property *property, const char *text, GError **error)
{
    uint64_t value = 0;
    bool flag, good;
    switch (property->kind) {
    case PROPERTY_STRING: {
        char **field = property_field(dev, property);
        g_free(*field);
        *field = g_strdup(text);
        return true;
    }
    case PROPERTY_BOOL:
        good = parse_bool(property->name, text, &flag, error);
        value = good && flag;
        break;
    case PROPERTY_SIZE:
        good = parse_size(property->name, text, &value, 'B', error);
        break;
    case PROPERTY_INT32:
        good = parse_int32(property, text, &value, error);
        break;
    case PROPERTY_ON_OFF_AUTO:
        good = parse_on_off_auto(property, text, &value, error);
        break;
    case PROPERTY_PCI_DEVFN:
        good = parse_devfn(property, text, &value, error);
        break;
    default:
        good = parse_number(property, text, &value, error);
    }
    if (!good) {
        g_prefix_error(error, "Property '%s.%s': ", dev->type->name, property->name);
        return false;
    }
    property_store(dev, property, value);
    return true;
}

static char *print_value(const struct property *property, uint64_t value, const char *string)
{
    switch (property->kind) {
    case PROPERTY_STRING:
        return g_strdup(string ? string : "");
    case PROPERTY_BOOL:
        return g_strdup(value ? "true" : "false");
    case PROPERTY_INT32:
        return g_strdup_printf("%d", (int32_t)value);
    case PROPERTY_ON_OFF_AUTO:
        return g_strdup(on_off_auto_names[value]);
    case PROPERTY_PCI_DEVFN:
        return (int32_t)value < 0 ? g_strdup("<unset>")
                                  : g_strdup_printf("%02x.%x", (unsigned)value >> 3 & 31, (unsigned)value & 7);
    default:
        return g_strdup_printf("%" G_GUINT64_FORMAT, value);
    }
}

char *property_print(struct device *dev, const struct property *property)
{
    if (property->kind == PROPERTY_STRING) {
        return print_value(property, 0, *(char **)property_field(dev, property));
    }
    return print_value(property, property_load(dev, property), NULL);
}

char *property_default_text(const struct property *property)
{
    return print_value(property, property->default_value, property->default_string);
}

static JsonNode *value_json(const struct property *property, uint64_t value, const char *string)
{
    switch (property->kind) {
    case PROPERTY_STRING:
        return qapi_node_str(string);
    case PROPERTY_BOOL:
        return qapi_node_bool(value);
    case PROPERTY_ON_OFF_AUTO:
        return qapi_node_str(on_off_auto_names[value]);
    case PROPERTY_INT32:
    case PROPERTY_PCI_DEVFN:
        return qapi_node_int((int32_t)value);
    default:
        return qapi_node_int(value);
    }
}

JsonNode *property_json(struct device *dev, const struct property *property)
{
    if (property->kind == PROPERTY_STRING) {
        return value_json(property, 0, *(char **)property_field(dev, property));
    }
    return value_json(property, property_load(dev, property), NULL);
}

JsonNode *property_default_json(const struct property *property)
{
    if (property->kind == PROPERTY_STRING && !property->default_string) {
        return NULL;
    }
    return value_json(property, property->default_value, property->default_string);
}
