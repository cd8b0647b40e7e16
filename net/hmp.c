/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `info network`, `info usernet`, `hostfwd_add` and `hostfwd_remove`: text for people, in QEMU's words. */
#include "net/hmp.h"

#include <string.h>

#include "net/net.h"

static void describe_one(GString *text, const struct net_client *client)
{
    g_autofree char *more = client->ops->describe(client);

    g_string_append_printf(text, "%s: index=0,type=%s,%s\n", client->name, client->ops->type, more);
}

/* A NIC with its backend below; a backend on its own if it has no NIC. */
static void describe_pair(struct net_client *client, void *opaque)
{
    if (client->peer && !client->ops->is_nic) {
        return;
    }
    describe_one(opaque, client);
    if (client->peer) {
        g_string_append(opaque, " \\ ");
        describe_one(opaque, client->peer);
    }
}

char *net_describe(void)
{
    GString *text = g_string_new(NULL);

    net_client_foreach(describe_pair, text);
    return g_string_free(text, FALSE);
}

static void describe_connections(struct net_client *client, void *opaque)
{
    g_autofree char *connections = client->ops->connections ? client->ops->connections(client) : NULL;

    if (connections) {
        g_string_append_printf(opaque, "Hub -1 (%s):\n%s", client->name, connections);
    }
}

char *net_describe_connections(void)
{
    GString *text = g_string_new(NULL);

    net_client_foreach(describe_connections, text);
    return g_string_free(text, FALSE);
}

static void find_first(struct net_client *client, void *opaque)
{
    struct net_client **found = opaque;

    *found = !*found && client->ops->forward ? client : *found;
}

bool net_forward(const char *id, const char *rule, bool add, GError **error)
{
    struct net_client *client = id ? net_client_find(id) : NULL;

    if (!id) {
        net_client_foreach(find_first, &client);
    }
    if (!client) {
        return id ? error_setf(error, "unrecognized netdev id '%s'", id) : error_setf(error, "no netdev of type 'user'");
    }
    return client->ops->forward ? client->ops->forward(client, rule, add, error) :
                                  error_setf(error, "netdev '%s' is not of type 'user'", id);
}
