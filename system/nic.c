/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -nic: a backend and the device over it in one option. The parameters are -netdev's, and model= and mac=, which are
 * the device's. Backends are made with all others; the devices go before those of -device, and so have the lowest
 * free slots.
 */
#include "system/nic.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "hw/core/device.h"
#include "net/net.h"
#include "system/backends.h"
#include "util/json.h"
#include "util/keyval.h"

struct nic {
    const char *text; /* for messages */
    struct keyval *device;
};

static GArray *nics; /* of struct nic: backends that are there, devices that are not yet */

/* ---- Models ---- */

static bool is_model(const struct device_type *type)
{
    return type->user_creatable && !g_strcmp0(type->category, "Network");
}

/* "virtio" is what users of QEMU write. */
static const struct device_type *find_model(const char *name)
{
    const struct device_type *type = device_type_find(strcmp(name, "virtio") ? name : "virtio-net-pci");

    return type && is_model(type) ? type : NULL;
}

static char *list_models(const char *separator)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (const struct device_type *const *type = device_types(); *type; type++) {
        if (is_model(*type)) {
            g_ptr_array_add(names, (gpointer)(*type)->name);
        }
    }
    g_ptr_array_add(names, NULL);
    return g_strjoinv(separator, (char **)names->pdata);
}

char *nic_help(const char *text)
{
    struct keyval *kv = keyval_parse("-nic", text, "type", NULL);
    const char *model = kv ? keyval_get(kv, "model") : NULL;
    char *help = NULL;

    if (kv && keyval_has(kv, "help")) {
        help = netdev_help();
    } else if (!g_strcmp0(model, "help") || !g_strcmp0(model, "?")) {
        g_autofree char *names = list_models("\n");
        help = g_strdup_printf("%s\n", names);
    }
    keyval_free(kv);
    return help;
}

/* ---- The option ---- */

/* Takes a parameter out of the backend's: *value (owned), or NULL where it is not given. */
static bool take(JsonObject *options, const char *name, char **value, GError **error)
{
    JsonNode *node = json_object_get_member(options, name);

    *value = NULL;
    if (!node) {
        return true;
    }
    if (!json_untyped_text(node)) {
        return error_setf(error, "parameter '%s' is one value, and has no members", name);
    }
    *value = g_strdup(json_untyped_text(node));
    json_object_remove_member(options, name);
    return true;
}

static bool check_model(const char *model, GError **error)
{
    if (model && find_model(model)) {
        return true;
    }
    g_autofree char *names = list_models(", ");
    if (model) {
        return error_setf(error, "Unsupported NIC model: %s (there is %s)", model, names);
    }
    return error_setf(error, "model= is missing, and QEMU's default for it is not built (there is %s)", names);
}

/* The peer's 7.2 gives a -nic's device no MSI-X vectors: a guest that goes between the two must find the same. */
static void remember(const char *text, const char *model, const char *netdev, const char *mac)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    JsonObject *device = json_object_new();

    json_node_take_object(node, device);
    json_object_set_string_member(device, "driver", find_model(model)->name);
    json_object_set_string_member(device, "netdev", netdev);
    json_object_set_int_member(device, "vectors", 0);
    if (mac) {
        json_object_set_string_member(device, "mac", mac);
    }
    nics = nics ? nics : g_array_new(FALSE, FALSE, sizeof(struct nic));
    g_array_append_val(nics, ((struct nic){ text, keyval_from_json("-nic", node, NULL) }));
}

static bool make(const char *text, JsonNode *node, GError **error)
{
    JsonObject *options = json_node_get_object(node);
    g_autofree char *model = NULL, *mac = NULL, *netdev = NULL;

    if (!take(options, "model", &model, error) || !take(options, "mac", &mac, error) || !check_model(model, error)) {
        return false;
    }
    if (!json_object_has_member(options, "type")) {
        json_object_set_member(options, "type", json_untyped_new("user"));
    }
    netdev = netdev_add_for_nic(node, error);
    if (netdev) {
        remember(text, model, netdev, mac);
    }
    return netdev != NULL;
}

bool nic_create_backend(const char *text, GError **error)
{
    if (!strcmp(text, "none") || !strcmp(text, "type=none")) {
        return true;
    }
    if (g_str_has_prefix(text, "none,")) {
        return error_setf(error, "-nic %s: none takes no parameters", text);
    }
    if (*text == '{') {
        return error_setf(error, "-nic %s: JSON is taken by -netdev and -device, not by -nic", text);
    }
    g_autoptr(JsonNode) node = keyval_to_json("-nic", text, "type", error);
    if (!node) {
        return false;
    }
    if (!make(text, node, error)) {
        g_prefix_error(error, "-nic %s: ", text);
        return false;
    }
    return true;
}

bool nics_plug(GError **error)
{
    g_autoptr(GArray) list = g_steal_pointer(&nics);

    for (guint i = 0; list && i < list->len; i++) {
        struct nic *nic = &g_array_index(list, struct nic, i);
        if (!device_create_from_keyval(nic->device, error)) {
            g_prefix_error(error, "-nic %s: ", nic->text);
            return false;
        }
    }
    return true;
}
