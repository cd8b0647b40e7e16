/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev socket: a cable to another emulator.
 *
 *   listen=[host]:port   stream, one connection at a time      connect=host:port   stream, made at once
 *   mcast=group:port[,localaddr=addr]   a segment that many share
 *   udp=host:port,localaddr=[host]:port a pair of datagram sockets
 */
#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "net/datagram.h"
#include "net/netdev-types.h"
#include "net/stream.h"
#include "qapi/qapi-types.h"

struct socket_form {
    const char *key;
    size_t member; /* of NetdevSocketOptions: its text */
    struct net_client *(*create)(const char *id, const char *text, const char *localaddr, GError **error);
};

static int new_socket(int family, int type, GError **error)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0) {
        error_setf_errno(error, errno, "cannot make a socket");
    } else {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    }
    return fd;
}

/* Closes `fd` unless `ok`. */
static bool keep_if(int fd, bool ok, const char *what, const char *text, GError **error)
{
    if (!ok) {
        error_setf_errno(error, errno, "cannot %s '%s'", what, text);
        close(fd);
        return false;
    }
    if (!g_unix_set_fd_nonblocking(fd, true, error)) {
        close(fd);
        return false;
    }
    return true;
}

static struct net_client *create_listen(const char *id, const char *text, const char *localaddr, GError **error)
{
    g_autofree char *describe = g_strdup_printf("listen=%s", text);
    struct sockaddr_storage address;
    socklen_t length;
    int fd;

    if (!net_parse_address(text, true, SOCK_STREAM, &address, &length, error)) {
        return NULL;
    }
    fd = new_socket(address.ss_family, SOCK_STREAM, error);
    if (fd < 0 || !keep_if(fd, bind(fd, (void *)&address, length) == 0 && listen(fd, 1) == 0, "listen at", text, error)) {
        return NULL;
    }
    return net_stream_new(&(struct net_stream_config){ .type = "socket", .id = id, .describe = describe, .fd = fd,
                                                       .mode = NET_STREAM_LISTENING });
}

static struct net_client *create_connect(const char *id, const char *text, const char *localaddr, GError **error)
{
    g_autofree char *describe = g_strdup_printf("connect=%s", text);
    struct sockaddr_storage address;
    socklen_t length;
    int fd;

    if (!net_parse_address(text, false, SOCK_STREAM, &address, &length, error)) {
        return NULL;
    }
    fd = new_socket(address.ss_family, SOCK_STREAM, error);
    if (fd < 0 || !keep_if(fd, connect(fd, (void *)&address, length) == 0, "connect to", text, error)) {
        return NULL;
    }
    return net_stream_new(&(struct net_stream_config){ .type = "socket", .id = id, .describe = describe, .fd = fd });
}

static struct net_client *create_mcast(const char *id, const char *text, const char *localaddr, GError **error)
{
    g_autofree char *describe = g_strdup_printf("mcast=%s", text);
    struct sockaddr_storage group;
    struct in_addr local;
    socklen_t length;
    int fd;

    if (localaddr && inet_pton(AF_INET, localaddr, &local) != 1) {
        error_setf(error, "Parameter 'localaddr' expects an IPv4 address, not '%s'", localaddr);
        return NULL;
    }
    if (!net_parse_address(text, false, SOCK_DGRAM, &group, &length, error)) {
        return NULL;
    }
    fd = net_join_multicast(&group, localaddr ? &local : NULL, error);
    return fd < 0 ? NULL : datagram_new("socket", id, fd, &group, length, describe, NULL);
}

static struct net_client *create_udp(const char *id, const char *text, const char *localaddr, GError **error)
{
    g_autofree char *describe = g_strdup_printf("udp=%s", text);
    struct sockaddr_storage local, remote;
    socklen_t local_length, remote_length;
    int fd;

    if (!localaddr) {
        error_setf(error, "Parameter 'udp' needs 'localaddr' ([host]:port)");
        return NULL;
    }
    if (!net_parse_address(text, false, SOCK_DGRAM, &remote, &remote_length, error) ||
        !net_parse_address(localaddr, true, SOCK_DGRAM, &local, &local_length, error)) {
        return NULL;
    }
    fd = new_socket(local.ss_family, SOCK_DGRAM, error);
    if (fd < 0 || !keep_if(fd, bind(fd, (void *)&local, local_length) == 0, "bind to", localaddr, error)) {
        return NULL;
    }
    return datagram_new("socket", id, fd, &remote, remote_length, describe, NULL);
}

#define FORM(name) { #name, offsetof(NetdevSocketOptions, name), create_##name }
static const struct socket_form forms[] = { FORM(listen), FORM(connect), FORM(mcast), FORM(udp) };

static const char *form_text(const NetdevSocketOptions *options, const struct socket_form *form)
{
    return *(char *const *)((const char *)options + form->member);
}

static struct net_client *socket_create(const Netdev *netdev, GError **error)
{
    const NetdevSocketOptions *options = netdev->u.socket;
    const struct socket_form *form = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
        if (form_text(options, &forms[i])) {
            if (form) {
                error_setf(error, "%s= and %s= exclude each other", form->key, forms[i].key);
                return NULL;
            }
            form = &forms[i];
        }
    }
    if (!form) {
        error_setf(error, "exactly one of listen=, connect=, mcast= or udp= is required (fd= is not supported)");
        return NULL;
    }
    if (options->localaddr && form->create != create_mcast && form->create != create_udp) {
        error_setf(error, "localaddr='%s' is for mcast= and udp=, not for %s=", options->localaddr, form->key);
        return NULL;
    }
    return form->create(netdev->id, form_text(options, form), options->localaddr, error);
}

const struct netdev_type netdev_socket_type = {
    .name = "socket",
    .description = "a cable to another emulator: TCP, UDP, multicast",
    .create = socket_create,
};
