/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Backends by type: -netdev on the command line, netdev_add and netdev_del in QMP. */
#include <string.h>

#include "net/announce.h"
#include "net/net.h"
#include "net/netdev-types.h"
#include "qapi/qapi-commands.h"
#include "util/keyval.h"

static const struct netdev_type *const types[] = {
    &netdev_dgram_type,
    &netdev_socket_type,
    &netdev_stream_type,
    &netdev_tap_type,
#ifdef CONFIG_SLIRP
    &netdev_user_type,
#endif
};

static const struct netdev_type *find_type(const char *name, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (!strcmp(types[i]->name, name)) {
            return types[i];
        }
    }
    error_setf(error, "netdev type '%s' is not built in (-netdev help lists those that are)", name);
    return NULL;
}

static bool check_id(const char *id, GError **error)
{
    if (!g_ascii_isalpha(*id) || id[strspn(id, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-._")]) {
        return error_setf(error, "Parameter 'id' expects an identifier (a letter, then letters, digits, '-', '.', '_'), "
                          "not '%s'", id);
    }
    return !net_client_find(id) || error_setf(error, "Duplicate ID '%s' for netdev", id);
}

static bool create(const Netdev *options, GError **error)
{
    const struct netdev_type *type = find_type(NetClientDriver_str(options->type), error);

    return type && type->create(options, error);
}

static bool add(const Netdev *options, GError **error)
{
    return check_id(options->id, error) && create(options, error);
}

bool netdev_add_option(const char *text, GError **error)
{
    g_autoptr(JsonNode) node = keyval_to_json("-netdev", text, "type", error);
    Netdev *options = node ? qapi_Netdev_from_json(node, "", error) : NULL;
    bool ok = options && add(options, error);

    if (node && !ok) {
        g_prefix_error(error, "-netdev %s: ", text);
    }
    qapi_free_Netdev(options);
    return ok;
}

/* Names that nobody can give, since an id begins with a letter. */
static void name_for_nic(JsonObject *options)
{
    static unsigned made;
    g_autofree char *id = g_strdup_printf("#net%03u", made++);

    json_object_set_string_member(options, "id", id);
}

char *netdev_add_for_nic(JsonNode *node, GError **error)
{
    bool named = json_object_has_member(json_node_get_object(node), "id");

    if (!named) {
        name_for_nic(json_node_get_object(node));
    }
    Netdev *options = qapi_Netdev_from_json(node, "", error);
    bool ok = options && (!named || check_id(options->id, error)) && create(options, error);
    char *id = ok ? g_strdup(options->id) : NULL;
    qapi_free_Netdev(options);
    return id;
}

void qmp_netdev_add(Netdev *arguments, GError **error)
{
    add(arguments, error);
}

void qmp_netdev_del(const char *id, GError **error)
{
    struct net_client *client = net_client_find(id);

    if (!client || client->ops->is_nic) {
        error_set_class(error, FERRY_ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", id);
        return;
    }
    client->ops->destroy(client);
}

void qmp_set_link(const char *name, bool up, GError **error)
{
    net_set_link(name, up, error);
}

char *netdev_help(void)
{
    GString *text = g_string_new("Available netdev backend types:\n");

    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        g_string_append_printf(text, "%-8s %s\n", types[i]->name, types[i]->description);
    }
    return g_string_free(text, FALSE);
}

static void find_backend(struct net_client *client, void *opaque)
{
    struct net_client **found = opaque;

    *found = client->ops->is_nic ? *found : client;
}

void netdev_remove_all(void)
{
    announce_stop();
    struct net_client *backend;

    do {
        backend = NULL;
        net_client_foreach(find_backend, &backend);
        if (backend) {
            backend->ops->destroy(backend);
        }
    } while (backend);
}
