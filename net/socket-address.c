/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/socket-address.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "monitor/monitor.h"
#include "net/datagram.h"
#include "util/keyval.h"

static bool read_inet(struct net_end *end, const char *name, int socket_type, bool passive, GError **error)
{
    const InetSocketAddress *inet = end->given->u.inet;

    end->text = g_strdup_printf("%s=%s:%s", name, inet->host, inet->port);
    return net_resolve(inet->host, inet->port, passive, socket_type, &end->address, &end->length, error);
}

static bool read_unix(struct net_end *end, const char *name, GError **error)
{
    const char *path = end->given->u.q_unix->path;
    struct sockaddr_un *un = (struct sockaddr_un *)&end->address;

    if (!*path || strlen(path) >= sizeof(un->sun_path)) {
        return error_setf(error, "Parameter '%s.path' expects 1 to %zu bytes, not '%s'", name, sizeof(un->sun_path) - 1,
                          path);
    }
    end->text = g_strdup_printf("%s=%s", name, path);
    un->sun_family = AF_UNIX;
    strcpy(un->sun_path, path);
    end->length = sizeof(*un);
    return true;
}

/* A number of what was inherited, or a name from getfd. -1 and an error. */
static int take_fd(const char *text, GError **error)
{
    uint64_t number;

    if (!g_ascii_isdigit(*text)) {
        return monitor_take_fd(text, error);
    }
    return parse_uint("str", text, &number, G_MAXINT, error) ? (int)number : -1;
}

static bool read_fd(struct net_end *end, const char *name, int socket_type, GError **error)
{
    const char *text = end->given->u.fd->str;
    socklen_t length = sizeof(int);
    int fd = take_fd(text, error), type = 0;

    if (fd < 0) {
        return false;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0 || type != socket_type) {
        if (!g_ascii_isdigit(*text)) {
            close(fd); /* one that came by name; a number may be anybody's */
        }
        return error_setf(error, "Parameter '%s.str': '%s' is not a %s socket", name, text,
                          socket_type == SOCK_DGRAM ? "datagram" : "stream");
    }
    end->fd = fd;
    end->text = g_strdup_printf("%s=fd:%s", name, text);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return g_unix_set_fd_nonblocking(fd, true, error);
}

bool net_end_read(struct net_end *end, const SocketAddress *given, const char *name, int socket_type, bool passive,
                  GError **error)
{
    *end = (struct net_end){ .given = given, .fd = -1 };
    if (!given) {
        return true;
    }
    switch (given->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        return read_inet(end, name, socket_type, passive, error);
    case SOCKET_ADDRESS_TYPE_UNIX:
        return read_unix(end, name, error);
    default:
        return read_fd(end, name, socket_type, error);
    }
}

void net_end_clear(struct net_end *end)
{
    g_clear_pointer(&end->text, g_free);
}
