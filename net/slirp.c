/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev user: a network of the guest's own behind a NAT in this process (libslirp). It needs no privilege.
 *
 * libslirp says before each poll which descriptors it waits for and is told afterwards what is ready: one GSource.
 * It cannot be paused; what it sends while the NIC is full is kept or lost (net.h), and TCP comes again.
 *
 * The "slirp" section of the stream is libslirp's own state, as QEMU sends it. Connections of the guest with the
 * outside are sockets of this host, which no stream can carry: they end with a migration, new ones work at once.
 */
#include "net/slirp-private.h"

#include <arpa/inet.h>
#include <string.h>

#include "migration/stream.h"
#include "migration/vmstate.h"
#include "net/net.h"
#include "net/netdev-types.h"
#include "trace/net.h"
#include "util/clock.h"
#include "util/main-loop.h"

struct net_user {
    struct net_client client; /* first */
    Slirp *slirp;
    SlirpConfig config;
    GSource *source;
    GArray *fds;              /* GPollFD that the source has now: it points into it */
    GArray *wanted;           /* those that libslirp asks for */
};

struct poll_source {
    GSource source; /* first */
    struct net_user *user;
};

/* ---- Descriptors ---- */

struct event_name {
    int slirp, poll;
};
static const struct event_name event_names[] = {
    { SLIRP_POLL_IN, G_IO_IN },   { SLIRP_POLL_OUT, G_IO_OUT }, { SLIRP_POLL_PRI, G_IO_PRI },
    { SLIRP_POLL_ERR, G_IO_ERR }, { SLIRP_POLL_HUP, G_IO_HUP },
};

static int add_poll(int fd, int events, void *opaque)
{
    struct net_user *user = opaque;
    GPollFD wanted = { .fd = fd };

    for (size_t i = 0; i < G_N_ELEMENTS(event_names); i++) {
        wanted.events |= events & event_names[i].slirp ? event_names[i].poll : 0;
    }
    g_array_append_val(user->wanted, wanted);
    return user->wanted->len - 1;
}

static int get_revents(int index, void *opaque)
{
    struct net_user *user = opaque;
    int revents = index >= 0 && (guint)index < user->fds->len ? g_array_index(user->fds, GPollFD, index).revents : 0;
    int events = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(event_names); i++) {
        events |= revents & event_names[i].poll ? event_names[i].slirp : 0;
    }
    return events;
}

static bool same_fds(const GArray *a, const GArray *b)
{
    for (guint i = 0; a->len == b->len && i < a->len; i++) {
        const GPollFD *x = &g_array_index(a, GPollFD, i), *y = &g_array_index(b, GPollFD, i);

        if (x->fd != y->fd || x->events != y->events) {
            return false;
        }
    }
    return a->len == b->len;
}

static void take_fds(struct net_user *user)
{
    GArray *old = user->fds;

    for (guint i = 0; i < old->len; i++) {
        g_source_remove_poll(user->source, &g_array_index(old, GPollFD, i));
    }
    user->fds = user->wanted;
    user->wanted = old;
    for (guint i = 0; i < user->fds->len; i++) {
        g_source_add_poll(user->source, &g_array_index(user->fds, GPollFD, i));
    }
    trace_net_user_poll(user->client.name, user->fds->len);
}

static gboolean user_prepare(GSource *source, gint *timeout)
{
    struct net_user *user = ((struct poll_source *)source)->user;
    uint32_t wait = UINT32_MAX;

    g_array_set_size(user->wanted, 0);
    slirp_pollfds_fill(user->slirp, &wait, add_poll, user);
    if (!same_fds(user->fds, user->wanted)) {
        take_fds(user);
    }
    *timeout = wait > G_MAXINT ? -1 : (gint)wait;
    return FALSE;
}

/* Always: libslirp's own timeouts hang on being called after each poll, whatever came. */
static gboolean user_check(GSource *source)
{
    return TRUE;
}

static gboolean user_dispatch(GSource *source, GSourceFunc callback, gpointer opaque)
{
    struct net_user *user = ((struct poll_source *)source)->user;

    slirp_pollfds_poll(user->slirp, 0, get_revents, user);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs user_source = { .prepare = user_prepare, .check = user_check, .dispatch = user_dispatch };

/* ---- What libslirp calls ---- */

static ssize_t send_packet(const void *data, size_t length, void *opaque)
{
    struct net_user *user = opaque;

    net_send(&user->client, data, length);
    return length;
}

static void report_guest_error(const char *text, void *opaque)
{
    guest_error("netdev '%s': %s", ((struct net_user *)opaque)->client.name, text);
}

static int64_t clock_ns(void *opaque)
{
    return vm_clock_ns(VM_CLOCK_VIRTUAL);
}

static void *new_timer(SlirpTimerCb callback, void *callback_opaque, void *opaque)
{
    struct timer *timer = g_new0(struct timer, 1);

    timer_init(timer, VM_CLOCK_VIRTUAL, callback, callback_opaque);
    return timer;
}

static void free_timer(void *timer, void *opaque)
{
    timer_cancel(timer);
    g_free(timer);
}

static void set_timer(void *timer, int64_t expires_ms, void *opaque)
{
    timer_set(timer, MAX(0, expires_ms) * NSEC_PER_MSEC);
}

static void ignore_fd(int fd, void *opaque)
{
    /* The poll's own list says it all. */
}

static void wake(void *opaque)
{
    main_loop_wakeup();
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = report_guest_error,
    .clock_get_ns = clock_ns,
    .timer_new = new_timer,
    .timer_free = free_timer,
    .timer_mod = set_timer,
    .register_poll_fd = ignore_fd,
    .unregister_poll_fd = ignore_fd,
    .notify = wake,
};

/* ---- The client ---- */

static bool user_receive(struct net_client *client, const uint8_t *data, size_t length)
{
    slirp_input(((struct net_user *)client)->slirp, data, length);
    main_loop_wakeup(); /* it may wait for other descriptors now than those that are being polled */
    return true;
}

static char *user_describe(const struct net_client *client)
{
    const struct net_user *user = (const struct net_user *)client;

    return g_strdup_printf("net=%s,restrict=%s", inet_ntoa(user->config.vnetwork),
                           user->config.restricted ? "on" : "off");
}

static char *user_connections(const struct net_client *client)
{
    return slirp_connection_info(((const struct net_user *)client)->slirp);
}

static bool user_forward(struct net_client *client, const char *rule, bool add, GError **error)
{
    struct net_user *user = (struct net_user *)client;

    if (!add) {
        return slirp_remove_forward(user->slirp, rule, error);
    }
    main_loop_wakeup(); /* a descriptor more to wait for */
    return slirp_add_forward(user->slirp, user->config.vdhcp_start, rule, error);
}

/* ---- State ---- */

static ssize_t write_state(const void *data, size_t length, void *opaque)
{
    stream_put_buffer(opaque, data, length);
    return length;
}

static ssize_t read_state(void *data, size_t length, void *opaque)
{
    stream_get_buffer(opaque, data, length);
    return stream_error(opaque) ? -1 : (ssize_t)length;
}

static void state_put(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)
{
    slirp_state_save(((const struct net_user *)element)->slirp, write_state, s);
}

/* The version that libslirp was given last is the one that this section has: vmstate has checked the range. */
static bool state_get(struct stream *s, void *element, size_t size, const struct vmstate_field *field, GError **error)
{
    int code = slirp_state_load(((struct net_user *)element)->slirp, slirp_state_version(), read_state, s);

    if (stream_error(s)) {
        return error_setf(error, "slirp: %s", stream_error(s)->message);
    }
    return !code || error_setf(error, "slirp: libslirp refuses the state (%s)", g_strerror(-code));
}

static const struct vmstate_info state_info = { .name = "buffer", .get = state_get, .put = state_put };
static const struct vmstate_field state_fields[] = {
    VMSTATE_CUSTOM_WHOLE("data", struct net_user, state_info),
    VMSTATE_END,
};
/* All networks are instance 0 in the peer's streams. */
static struct vmstate_description vmstate_slirp = { .name = "slirp", .by_order = true, .fields = state_fields };

/* ---- Life ---- */

static void user_destroy(struct net_client *client)
{
    struct net_user *user = (struct net_user *)client;

    vmstate_unregister(&vmstate_slirp, user);
    if (user->source) {
        g_source_destroy(user->source);
        g_source_unref(user->source);
    }
    net_client_cleanup(client);
    if (user->slirp) {
        slirp_cleanup(user->slirp);
    }
    g_array_unref(user->fds);
    g_array_unref(user->wanted);
    g_free(user);
}

static void start_polling(struct net_user *user)
{
    user->source = g_source_new(&user_source, sizeof(struct poll_source));
    ((struct poll_source *)user->source)->user = user;
    g_source_attach(user->source, NULL);
}

static bool add_forwards(struct net_user *user, const GPtrArray *rules, GError **error)
{
    for (guint i = 0; rules && i < rules->len; i++) {
        if (!slirp_add_forward(user->slirp, user->config.vdhcp_start, ((const String *)rules->pdata[i])->str, error)) {
            return false;
        }
    }
    return true;
}

static bool user_setup(struct net_user *user, const NetdevUserOptions *options, GError **error)
{
    if (!slirp_read_config(options, &user->config, error)) {
        return false;
    }
    user->slirp = slirp_new(&user->config, &callbacks, user);
    if (!user->slirp) {
        return error_setf(error, "netdev '%s': libslirp cannot make this network", user->client.name);
    }
    user->config.vhostname = user->config.vdomainname = NULL; /* the options' */
    vmstate_slirp.version = vmstate_slirp.minimum_version = slirp_state_version();
    return add_forwards(user, options->hostfwd, error) && vmstate_register("slirp", 0, &vmstate_slirp, user, error);
}

static const struct net_client_ops user_ops = {
    .type = "user",
    .receive = user_receive,
    .describe = user_describe,
    .destroy = user_destroy,
    .connections = user_connections,
    .forward = user_forward,
};

static struct net_client *user_create(const Netdev *options, GError **error)
{
    struct net_user *user = g_new0(struct net_user, 1);

    net_client_init(&user->client, &user_ops, options->id);
    user->fds = g_array_new(FALSE, FALSE, sizeof(GPollFD));
    user->wanted = g_array_new(FALSE, FALSE, sizeof(GPollFD));
    if (!user_setup(user, options->u.user, error)) {
        user_destroy(&user->client);
        return NULL;
    }
    start_polling(user);
    return &user->client;
}

const struct netdev_type netdev_user_type = {
    .name = "user",
    .description = "a network behind a NAT in this process (libslirp)",
    .create = user_create,
};
