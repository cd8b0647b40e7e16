/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Networks: a device (NIC) and a backend (-netdev) that are each other's peer, and the packets between them.
 *
 *   virtio-net  <->  user | tap | socket | dgram | stream
 *
 * A packet is one Ethernet frame without its checksum. Where the backend has virtio-net headers (`header` bytes, tap
 * only) one is in front of it, in both directions.
 *
 * Back-pressure. receive() may refuse; the packet is then kept here, net_send() says so, and the sender is to stop
 * until its resume(). Whoever refused calls net_flush() when it can take packets again. A sender that cannot stop
 * loses packets beyond NET_QUEUE_PACKETS, as on any wire. Big lock held throughout.
 */
#ifndef FERRY_NET_NET_H
#define FERRY_NET_NET_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

#define NET_PACKET_MAX    (68 * 1024) /* a 64 KiB segment with its headers */
#define NET_QUEUE_PACKETS 1024
#define ETHER_ADDRESS 6
#define ETHER_HEADER  14

struct Netdev;    /* the schema's */
struct _JsonNode; /* json-glib's */
struct net_client;

/* Offloads that a guest takes: packets may come to it in these forms. Only with virtio-net headers. */
struct net_offloads {
    bool checksum, tso4, tso6, ecn, ufo;
};

struct net_client_ops {
    const char *type; /* "user", "nic" */
    bool is_nic;
    /* False: not now; nothing of the packet was taken. */
    bool (*receive)(struct net_client *client, const uint8_t *data, size_t length);
    void (*resume)(struct net_client *client);       /* the peer has taken what was kept; may be NULL */
    void (*link_changed)(struct net_client *client); /* may be NULL */
    void (*announce)(struct net_client *client);     /* NICs: the guest is to tell where it is; may be NULL */
    char *(*describe)(const struct net_client *client); /* for `info network`: "net=10.0.2.0,restrict=off" */
    void (*destroy)(struct net_client *client);      /* backends: closes and frees */
    /* User networks: the connections, as text; a rule of hostfwd= made or taken away. Else NULL. */
    char *(*connections)(const struct net_client *client);
    bool (*forward)(struct net_client *client, const char *rule, bool add, GError **error);
    /* Backends with virtio-net headers. */
    bool (*set_header)(struct net_client *client, unsigned length);
    void (*set_offloads)(struct net_client *client, const struct net_offloads *offloads);
};

struct net_client {
    const struct net_client_ops *ops;
    char *name;             /* a backend's id; a NIC's id or "virtio-net-pci.0" */
    struct net_client *peer;
    uint8_t mac[ETHER_ADDRESS]; /* NICs */
    bool link_down;
    unsigned header;        /* bytes of virtio-net header in front of packets, 0: none (backends) */
    bool has_ufo;           /* ... and UFO among its offloads */
    GQueue kept;            /* GBytes that this client has refused */
    bool delivering;        /* receive() is at work: what its peer sends meanwhile is kept */
    bool peer_waits;        /* for resume() */
};

void net_client_init(struct net_client *client, const struct net_client_ops *ops, const char *name);
/* Parts it from its peer, forgets what was kept, frees the name. The client itself is the caller's. */
void net_client_cleanup(struct net_client *client);
struct net_client *net_client_find(const char *name); /* backends and NICs */
void net_client_foreach(void (*each)(struct net_client *client, void *opaque), void *opaque);

/* Joins a NIC to the backend of that id, which must have no NIC yet. `device` is for the message. */
bool net_attach(struct net_client *nic, const char *netdev, const char *device, GError **error);

/* To the peer. False: stop until resume(). Without a peer, or over a link that is down, the packet is lost. */
bool net_send(struct net_client *client, const void *data, size_t length);
/* Offers what was kept to `client` again. True: nothing is left. */
bool net_flush(struct net_client *client);

/* `name` as in set_link: a backend or a NIC; both ends of a NIC's link change. */
bool net_set_link(const char *name, bool up, GError **error);

/* ---- Backends (netdev.c): the one path of -netdev and netdev_add ---- */

struct netdev_type {
    const char *name;
    const char *description;
    /* Of the options' branch of that name (qapi/net.json). */
    struct net_client *(*create)(const struct Netdev *options, GError **error);
};

bool netdev_add_option(const char *text, GError **error); /* -netdev TYPE,id=…, or JSON */
/*
 * -nic's part for the backend, an object: without "id" it gets a name such as "#net000". Returns the name, the caller's.
 */
char *netdev_add_for_nic(struct _JsonNode *options, GError **error);
char *netdev_help(void);
void netdev_remove_all(void); /* the program ends */

/* "52:54:00:12:34:56" */
bool net_parse_mac(const char *text, uint8_t mac[ETHER_ADDRESS]);
char *net_print_mac(const uint8_t mac[ETHER_ADDRESS]);
/* The next of QEMU's default addresses: 52:54:00:12:34:56 and up, those in use left out. */
void net_default_mac(uint8_t mac[ETHER_ADDRESS]);

#endif
