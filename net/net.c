/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients, who is whose peer, and the packets that wait between them. */
#include "net/net.h"

#include <stdio.h>
#include <string.h>

#include "trace/net.h"

static GPtrArray *clients; /* in order of creation */

void net_client_init(struct net_client *client, const struct net_client_ops *ops, const char *name)
{
    *client = (struct net_client){ .ops = ops, .name = g_strdup(name), .kept = G_QUEUE_INIT };
    if (!clients) {
        clients = g_ptr_array_new();
    }
    g_ptr_array_add(clients, client);
}

static void forget_kept(struct net_client *client)
{
    g_queue_clear_full(&client->kept, (GDestroyNotify)g_bytes_unref);
    client->peer_waits = false;
}

static void change_link(struct net_client *client, bool up)
{
    client->link_down = !up;
    if (client->ops->link_changed) {
        client->ops->link_changed(client);
    }
}

/* The NIC of a backend that goes stays, with its link down: the cable was pulled. */
static void part(struct net_client *client)
{
    struct net_client *peer = client->peer;

    client->peer = NULL;
    forget_kept(client);
    if (!peer) {
        return;
    }
    peer->peer = NULL;
    forget_kept(peer);
    if (peer->ops->is_nic) {
        change_link(peer, false);
    }
    if (peer->ops->resume) {
        peer->ops->resume(peer); /* what it sends is lost from now on, and must not pile up before it */
    }
}

void net_client_cleanup(struct net_client *client)
{
    part(client);
    g_ptr_array_remove(clients, client);
    g_clear_pointer(&client->name, g_free);
    if (!clients->len) {
        g_clear_pointer(&clients, g_ptr_array_unref);
    }
}

void net_client_foreach(void (*each)(struct net_client *client, void *opaque), void *opaque)
{
    for (guint i = 0; clients && i < clients->len; i++) {
        each(clients->pdata[i], opaque);
    }
}

struct net_client *net_client_find(const char *name)
{
    for (guint i = 0; clients && i < clients->len; i++) {
        struct net_client *client = clients->pdata[i];

        if (!strcmp(client->name, name)) {
            return client;
        }
    }
    return NULL;
}

bool net_attach(struct net_client *nic, const char *netdev, const char *device, GError **error)
{
    struct net_client *backend = net_client_find(netdev);

    if (!backend || backend->ops->is_nic) {
        return error_setf(error, "Property '%s.netdev' can't find value '%s' (-netdev TYPE,id=%s makes it)", device,
                          netdev, netdev);
    }
    if (backend->peer) {
        return error_setf(error, "Property '%s.netdev' can't take value '%s', it's in use by '%s'", device, netdev,
                          backend->peer->name);
    }
    nic->peer = backend;
    backend->peer = nic;
    nic->link_down = backend->link_down;
    return true;
}

/* ---- Packets ---- */

static bool deliver(struct net_client *client, const uint8_t *data, size_t length)
{
    bool taken;

    if (client->link_down) {
        return true;
    }
    client->delivering = true;
    taken = client->ops->receive(client, data, length);
    client->delivering = false;
    return taken;
}

static void keep(struct net_client *client, const void *data, size_t length)
{
    client->peer_waits = true;
    if (client->kept.length < NET_QUEUE_PACKETS) {
        g_queue_push_tail(&client->kept, g_bytes_new(data, length));
    } else {
        trace_net_lost(client->name, length);
    }
}

bool net_send(struct net_client *client, const void *data, size_t length)
{
    struct net_client *peer = client->peer;

    if (!peer || client->link_down) {
        return true;
    }
    trace_net_packet(client->name, peer->name, length);
    if (!peer->delivering && !peer->kept.length && deliver(peer, data, length)) {
        return true;
    }
    keep(peer, data, length); /* behind those that wait already */
    return false;
}

bool net_flush(struct net_client *client)
{
    GBytes *packet;

    if (client->delivering) {
        return false; /* whoever delivers sees to it */
    }
    while ((packet = g_queue_peek_head(&client->kept))) {
        gsize length;
        const uint8_t *data = g_bytes_get_data(packet, &length);

        if (!deliver(client, data, length)) {
            return false;
        }
        g_bytes_unref(g_queue_pop_head(&client->kept));
    }
    if (client->peer_waits) {
        client->peer_waits = false;
        if (client->peer && client->peer->ops->resume) {
            client->peer->ops->resume(client->peer);
        }
    }
    return true;
}

bool net_set_link(const char *name, bool up, GError **error)
{
    struct net_client *client = net_client_find(name);

    if (!client) {
        return error_set_class(error, FERRY_ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", name);
    }
    trace_net_link(name, up);
    change_link(client, up);
    if (client->peer && client->peer->ops->is_nic) {
        change_link(client->peer, up);
    }
    return true;
}

/* ---- Addresses ---- */

bool net_parse_mac(const char *text, uint8_t mac[ETHER_ADDRESS])
{
    g_auto(GStrv) parts = g_strsplit_set(text, ":-", ETHER_ADDRESS + 1);

    if (g_strv_length(parts) != ETHER_ADDRESS) {
        return false;
    }
    for (unsigned i = 0; i < ETHER_ADDRESS; i++) {
        guint64 byte;

        if (!g_ascii_string_to_unsigned(parts[i], 16, 0, 0xff, &byte, NULL)) {
            return false;
        }
        mac[i] = byte;
    }
    return true;
}

char *net_print_mac(const uint8_t mac[ETHER_ADDRESS])
{
    return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static bool mac_in_use(const uint8_t mac[ETHER_ADDRESS])
{
    for (guint i = 0; clients && i < clients->len; i++) {
        const struct net_client *client = clients->pdata[i];

        if (client->ops->is_nic && !memcmp(client->mac, mac, ETHER_ADDRESS)) {
            return true;
        }
    }
    return false;
}

void net_default_mac(uint8_t mac[ETHER_ADDRESS])
{
    static const uint8_t first[ETHER_ADDRESS] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

    memcpy(mac, first, ETHER_ADDRESS);
    while (mac_in_use(mac)) {
        mac[5]++; /* there are fewer slots than values */
    }
}
