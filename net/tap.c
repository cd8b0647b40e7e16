/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev tap: a virtual Ethernet of the host's kernel, opened by name or handed over as a descriptor.
 *
 * With virtio-net headers (vnet_hdr, wherever the kernel has them) checksums and segmentation go through to the
 * kernel. Left out: vhost, several queues, helper programs.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "monitor/monitor.h"
#include "net/net.h"
#include "net/netdev-types.h"
#include "qapi/qapi-types.h"
#include "util/keyval.h"
#include "util/main-loop.h"

#define PACKETS_PER_BATCH 64
#define NO_SCRIPT         "no"

struct net_tap {
    struct net_client client; /* first */
    int fd;
    guint read_source, write_source;
    char ifname[IFNAMSIZ];
    char *down_script;        /* NULL: none */
    uint8_t packet[NET_PACKET_MAX];
};

/* ---- Packets ---- */

/* From the host to the guest; true: there may be more. */
static bool read_packet(struct net_tap *tap)
{
    ssize_t n = read(tap->fd, tap->packet, sizeof(tap->packet));

    if (n < 0) {
        return errno == EINTR;
    }
    return net_send(&tap->client, tap->packet, n);
}

static gboolean tap_readable(int fd, GIOCondition condition, gpointer opaque)
{
    struct net_tap *tap = opaque;

    for (unsigned n = 0; n < PACKETS_PER_BATCH; n++) {
        if (!read_packet(tap)) {
            break;
        }
    }
    if (tap->client.peer && tap->client.peer->peer_waits) {
        tap->read_source = 0; /* the kernel keeps what follows, until resume */
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static void tap_resume(struct net_client *client)
{
    struct net_tap *tap = (struct net_tap *)client;

    if (!tap->read_source) {
        tap->read_source = main_loop_watch_fd(tap->fd, G_IO_IN, tap_readable, tap);
    }
}

static gboolean tap_writable(int fd, GIOCondition condition, gpointer opaque)
{
    struct net_tap *tap = opaque;

    tap->write_source = 0;
    net_flush(&tap->client);
    return G_SOURCE_REMOVE;
}

static bool tap_receive(struct net_client *client, const uint8_t *data, size_t length)
{
    struct net_tap *tap = (struct net_tap *)client;
    ssize_t n;

    do {
        n = write(tap->fd, data, length);
    } while (n < 0 && errno == EINTR);
    if (n >= 0 || errno != EAGAIN) {
        return true; /* what the kernel refuses (EINVAL: a header of nonsense; EIO: interface down) is lost */
    }
    if (!tap->write_source) {
        tap->write_source = main_loop_watch_fd(tap->fd, G_IO_OUT, tap_writable, tap);
    }
    return false;
}

/* ---- virtio-net headers ---- */

static bool tap_set_header(struct net_client *client, unsigned length)
{
    struct net_tap *tap = (struct net_tap *)client;
    int size = length;

    if (ioctl(tap->fd, TUNSETVNETHDRSZ, &size) < 0) {
        return false;
    }
    client->header = length;
    return true;
}

static unsigned offload_flags(const struct net_offloads *offloads)
{
    if (!offloads->checksum) {
        return 0; /* the kernel takes none of the others without it */
    }
    return TUN_F_CSUM | (offloads->tso4 ? TUN_F_TSO4 : 0) | (offloads->tso6 ? TUN_F_TSO6 : 0) |
           (offloads->ecn && (offloads->tso4 || offloads->tso6) ? TUN_F_TSO_ECN : 0) |
           (offloads->ufo ? TUN_F_UFO : 0);
}

static void tap_set_offloads(struct net_client *client, const struct net_offloads *offloads)
{
    struct net_tap *tap = (struct net_tap *)client;

    if (ioctl(tap->fd, TUNSETOFFLOAD, offload_flags(offloads)) < 0) {
        warn_report("netdev '%s': the kernel refuses offloads 0x%x: %s", client->name, offload_flags(offloads),
                    g_strerror(errno));
    }
}

/* A descriptor says itself whether it has headers; asking for them is only for those that we open. */
static bool probe_headers(struct net_tap *tap, GError **error)
{
    static const struct net_offloads none;
    struct ifreq request = { 0 };

    if (ioctl(tap->fd, TUNGETIFF, &request) < 0) {
        return error_setf_errno(error, errno, "netdev '%s': descriptor %d is not a tap", tap->client.name, tap->fd);
    }
    if ((request.ifr_flags & TUN_TYPE_MASK) != IFF_TAP || !(request.ifr_flags & IFF_NO_PI)) {
        return error_setf(error, "netdev '%s': '%.*s' is not a tap without packet information (IFF_TAP | IFF_NO_PI)",
                          tap->client.name, IFNAMSIZ, request.ifr_name);
    }
    memcpy(tap->ifname, request.ifr_name, IFNAMSIZ);
    tap->ifname[IFNAMSIZ - 1] = 0;
    if (!(request.ifr_flags & IFF_VNET_HDR)) {
        return true;
    }
    if (!tap_set_header(&tap->client, sizeof(struct virtio_net_hdr))) {
        return error_setf_errno(error, errno, "netdev '%s': cannot set the header's length", tap->client.name);
    }
    tap->client.has_ufo = ioctl(tap->fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_UFO) == 0;
    tap_set_offloads(&tap->client, &none);
    return true;
}

/* ---- Opening ---- */

static bool run_script(const char *script, const char *ifname, GError **error)
{
    const char *argv[] = { script, ifname, NULL };
    int status;

    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL, NULL, NULL, &status,
                      error) ||
        !g_spawn_check_wait_status(status, error)) {
        g_prefix_error(error, "network script %s %s: ", script, ifname);
        return false;
    }
    return true;
}

static bool open_tap(struct net_tap *tap, const char *ifname, bool headers, GError **error)
{
    struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    unsigned features = 0;

    if (strlen(ifname) >= IFNAMSIZ) {
        return error_setf(error, "Parameter 'ifname' expects at most %d characters, not '%s'", IFNAMSIZ - 1, ifname);
    }
    tap->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (tap->fd < 0) {
        return error_setf_errno(error, errno, "could not open /dev/net/tun");
    }
    if (headers && ioctl(tap->fd, TUNGETFEATURES, &features) == 0 && (features & IFF_VNET_HDR)) {
        request.ifr_flags |= IFF_VNET_HDR;
    }
    memcpy(request.ifr_name, ifname, strlen(ifname));
    return ioctl(tap->fd, TUNSETIFF, &request) == 0 ||
           error_setf_errno(error, errno, "could not configure /dev/net/tun (%s)", *ifname ? ifname : "tap%d");
}

/* fd=NUMBER of a descriptor that was inherited, or the name of one that came by getfd. */
static bool take_fd(struct net_tap *tap, const char *text, GError **error)
{
    uint64_t number;

    if (g_ascii_isdigit(*text)) {
        if (!parse_uint("fd", text, &number, G_MAXINT, error)) {
            return false;
        }
        if (fcntl(number, F_GETFD) < 0) {
            return error_setf_errno(error, errno, "Parameter 'fd': %s", text);
        }
        tap->fd = number;
        fcntl(tap->fd, F_SETFD, FD_CLOEXEC);
    } else {
        tap->fd = monitor_take_fd(text, error);
    }
    return tap->fd >= 0 && (g_unix_set_fd_nonblocking(tap->fd, true, error));
}

struct tap_options {
    const char *ifname, *fd, *script, *down_script;
    bool vnet_hdr;
};

static bool read_options(const NetdevTapOptions *n, struct tap_options *o, GError **error)
{
    *o = (struct tap_options){ n->ifname, n->fd, n->script, n->downscript, !n->has_vnet_hdr || n->vnet_hdr };
    if (n->has_vhost && n->vhost) {
        return error_setf(error, "Parameter 'vhost=on' is not supported (vhost=off is)");
    }
    if (o->fd && (o->ifname || o->script || o->down_script || n->has_vnet_hdr)) {
        return error_setf(error, "ifname=, script=, downscript= and vnet_hdr= are invalid with fd=");
    }
    o->ifname = o->ifname ? o->ifname : "";
    o->script = o->script ? o->script : "/etc/qemu-ifup";
    o->down_script = o->down_script ? o->down_script : "/etc/qemu-ifdown";
    return true;
}

static bool tap_setup(struct net_tap *tap, const struct tap_options *o, GError **error)
{
    if (o->fd) {
        return take_fd(tap, o->fd, error) && probe_headers(tap, error);
    }
    if (!open_tap(tap, o->ifname, o->vnet_hdr, error) || !probe_headers(tap, error)) {
        return false;
    }
    if (strcmp(o->script, NO_SCRIPT) && !run_script(o->script, tap->ifname, error)) {
        return false;
    }
    tap->down_script = strcmp(o->down_script, NO_SCRIPT) ? g_strdup(o->down_script) : NULL;
    return true;
}

/* ---- Life ---- */

static void tap_destroy(struct net_client *client)
{
    struct net_tap *tap = (struct net_tap *)client;
    g_autoptr(GError) error = NULL;

    net_client_cleanup(client);
    g_clear_handle_id(&tap->read_source, g_source_remove);
    g_clear_handle_id(&tap->write_source, g_source_remove);
    if (tap->down_script && !run_script(tap->down_script, tap->ifname, &error)) {
        warn_report("%s", error->message);
    }
    if (tap->fd >= 0) {
        close(tap->fd);
    }
    g_free(tap->down_script);
    g_free(tap);
}

static char *tap_describe(const struct net_client *client)
{
    const struct net_tap *tap = (const struct net_tap *)client;

    return g_strdup_printf("ifname=%s,vnet_hdr=%s", tap->ifname, client->header ? "on" : "off");
}

static const struct net_client_ops tap_ops = {
    .type = "tap",
    .receive = tap_receive,
    .resume = tap_resume,
    .describe = tap_describe,
    .destroy = tap_destroy,
    .set_header = tap_set_header,
    .set_offloads = tap_set_offloads,
};

static struct net_client *tap_create(const Netdev *netdev, GError **error)
{
    struct tap_options options;
    struct net_tap *tap;

    if (!read_options(netdev->u.tap, &options, error)) {
        return NULL; /* before a script runs */
    }
    tap = g_new0(struct net_tap, 1);
    tap->fd = -1;
    net_client_init(&tap->client, &tap_ops, netdev->id);
    if (!tap_setup(tap, &options, error)) {
        tap_destroy(&tap->client);
        return NULL;
    }
    tap_resume(&tap->client);
    return &tap->client;
}

const struct netdev_type netdev_tap_type = {
    .name = "tap",
    .description = "a tap of the host's kernel, by name or descriptor",
    .create = tap_create,
};
