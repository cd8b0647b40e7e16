/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev dgram: one packet a datagram, between local.* and remote.*, each of type=inet (host, port), unix (path) or,
 * local only, fd (str: a number or getfd's name). remote.type=inet alone with a multicast address joins that group.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "monitor/monitor.h"
#include "net/datagram.h"
#include "net/netdev-types.h"
#include "util/keyval.h"

struct end {
    const char *type; /* NULL: not given */
    struct sockaddr_storage address;
    socklen_t length;
    int fd;           /* type=fd */
    char *text;
};

static const char *get(struct keyval *kv, const char *end, const char *member, GError **error)
{
    g_autofree char *key = g_strdup_printf("%s.%s", end, member);
    const char *text = keyval_get(kv, key);

    if (!text) {
        error_setf(error, "Parameter '%s' is missing", key);
    }
    return text;
}

static bool read_inet(struct keyval *kv, const char *name, struct end *end, GError **error)
{
    const char *host = get(kv, name, "host", error), *port = host ? get(kv, name, "port", error) : NULL;

    if (!port) {
        return false;
    }
    end->text = g_strdup_printf("%s=%s:%s", name, host, port);
    return net_resolve(host, port, false, SOCK_DGRAM, &end->address, &end->length, error);
}

static bool read_unix(struct keyval *kv, const char *name, struct end *end, GError **error)
{
    const char *path = get(kv, name, "path", error);
    struct sockaddr_un *un = (struct sockaddr_un *)&end->address;

    if (!path) {
        return false;
    }
    if (strlen(path) >= sizeof(un->sun_path)) {
        return error_setf(error, "Parameter '%s.path' expects at most %zu bytes, not '%s'", name,
                          sizeof(un->sun_path) - 1, path);
    }
    end->text = g_strdup_printf("%s=%s", name, path);
    un->sun_family = AF_UNIX;
    strcpy(un->sun_path, path);
    end->length = sizeof(*un);
    return true;
}

static bool read_fd(struct keyval *kv, const char *name, struct end *end, GError **error)
{
    const char *text = get(kv, name, "str", error);
    uint64_t number;
    socklen_t length = sizeof(int);
    int type = 0;

    if (!text || (g_ascii_isdigit(*text) && !parse_uint("str", text, &number, G_MAXINT, error))) {
        return false;
    }
    end->fd = g_ascii_isdigit(*text) ? (int)number : monitor_take_fd(text, error);
    if (end->fd < 0) {
        return false;
    }
    if (getsockopt(end->fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0 || type != SOCK_DGRAM) {
        return error_setf(error, "Parameter '%s.str': '%s' is not a datagram socket", name, text);
    }
    end->text = g_strdup_printf("%s=fd:%s", name, text);
    fcntl(end->fd, F_SETFD, FD_CLOEXEC);
    return g_unix_set_fd_nonblocking(end->fd, true, error);
}

static bool read_end(struct keyval *kv, const char *name, struct end *end, GError **error)
{
    g_autofree char *key = g_strdup_printf("%s.type", name);

    end->fd = -1;
    end->type = keyval_get(kv, key);
    if (!end->type) {
        return true;
    }
    if (!strcmp(end->type, "inet")) {
        return read_inet(kv, name, end, error);
    }
    if (!strcmp(end->type, "unix")) {
        return read_unix(kv, name, end, error);
    }
    if (!strcmp(end->type, "fd") && !strcmp(name, "local")) {
        return read_fd(kv, name, end, error);
    }
    return error_setf(error, "Parameter '%s' does not accept value '%s' (inet, unix%s)", key, end->type,
                      strcmp(name, "local") ? "" : ", fd");
}

static int bind_local(const struct end *local, GError **error)
{
    int fd = socket(local->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

    if (fd < 0) {
        error_setf_errno(error, errno, "cannot make a socket");
        return -1;
    }
    if (local->address.ss_family == AF_UNIX) {
        unlink(((const struct sockaddr_un *)&local->address)->sun_path);
    } else {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    }
    if (bind(fd, (const struct sockaddr *)&local->address, local->length) < 0) {
        error_setf_errno(error, errno, "cannot bind to %s", local->text);
        close(fd);
        return -1;
    }
    return fd;
}

static bool is_multicast(const struct end *end)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)&end->address;

    return end->type && in->sin_family == AF_INET && IN_MULTICAST(ntohl(in->sin_addr.s_addr));
}

/* What the ends make together; -1 and an error. */
static int open_socket(struct end *local, const struct end *remote, GError **error)
{
    if (is_multicast(remote)) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&local->address;

        if (local->type && strcmp(local->type, "inet")) {
            error_setf(error, "a multicast group takes local.type=inet or none, not '%s'", local->type);
            return -1;
        }
        return net_join_multicast(&remote->address, local->type ? &in->sin_addr : NULL, error);
    }
    if (local->fd >= 0) {
        return local->fd;
    }
    if (!local->type || !remote->type) {
        error_setf(error, "local= and remote= are both needed, but for local.type=fd or a multicast group");
        return -1;
    }
    if (strcmp(local->type, remote->type)) {
        error_setf(error, "local.type=%s and remote.type=%s are not the same", local->type, remote->type);
        return -1;
    }
    return bind_local(local, error);
}

static struct net_client *dgram_create(const char *id, struct keyval *kv, GError **error)
{
    struct end local = { .fd = -1 }, remote = { .fd = -1 };
    struct net_client *client = NULL;
    int fd = -1;

    if (read_end(kv, "local", &local, error) && read_end(kv, "remote", &remote, error)) {
        fd = open_socket(&local, &remote, error);
    }
    if (fd >= 0) {
        g_autofree char *text = g_strdup_printf("%s%s%s", local.text ? local.text : "",
                                                local.text && remote.text ? "," : "", remote.text ? remote.text : "");
        bool unix_local = !g_strcmp0(local.type, "unix");

        client = datagram_new("dgram", id, fd, &remote.address, remote.length, text,
                              unix_local ? ((struct sockaddr_un *)&local.address)->sun_path : NULL);
    } else if (local.fd >= 0) {
        close(local.fd);
    }
    g_free(local.text);
    g_free(remote.text);
    return client;
}

const struct netdev_type netdev_dgram_type = {
    .name = "dgram",
    .description = "datagrams to another emulator: inet, unix, a socket's descriptor",
    .create = dgram_create,
};
