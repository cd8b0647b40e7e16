/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/announce.h"

#include <string.h>

#include "net/net.h"
#include "qapi/qapi-commands.h"
#include "trace/net.h"
#include "util/clock.h"

#define RARP_FRAME 60 /* the least that Ethernet carries */
#define HEADER_MAX 16 /* of virtio-net, in front */

static struct {
    struct announce_parameters parameters;
    char **interfaces;
    uint64_t done; /* rounds */
    struct timer timer;
    bool ready;    /* `timer` is initialized */
} run;

/* RFC 903: "who am I", asked by the address itself. */
static void build_rarp(uint8_t *frame, const uint8_t *mac)
{
    static const uint8_t fixed[] = { 0x80, 0x35, 0, 1, 8, 0, ETHER_ADDRESS, 4, 0, 3 }; /* type; Ethernet, IPv4, request */

    memset(frame, 0xff, ETHER_ADDRESS);
    memcpy(frame + 6, mac, ETHER_ADDRESS);
    memcpy(frame + 12, fixed, sizeof(fixed));
    memcpy(frame + 22, mac, ETHER_ADDRESS);
    memcpy(frame + 32, mac, ETHER_ADDRESS);
}

static void announce(struct net_client *nic)
{
    uint8_t packet[HEADER_MAX + RARP_FRAME] = { 0 };
    unsigned header = nic->peer ? nic->peer->header : 0;

    trace_net_announce(run.done, nic->name);
    build_rarp(packet + header, nic->mac);
    net_send(nic, packet, header + RARP_FRAME);
    if (nic->ops->announce) {
        nic->ops->announce(nic);
    }
}

static void visit(struct net_client *client, void *opaque)
{
    if (client->ops->is_nic && (!run.interfaces || g_strv_contains((const char *const *)run.interfaces, client->name))) {
        announce(client);
    }
}

static void announce_round(void *opaque)
{
    const struct announce_parameters *p = &run.parameters;
    uint64_t wait = MIN(p->initial + run.done * p->step, p->max);

    net_client_foreach(visit, NULL);
    if (++run.done < p->rounds) {
        timer_set(&run.timer, vm_clock_ns(VM_CLOCK_REALTIME) + (int64_t)wait * NSEC_PER_MSEC);
    }
}

void announce_start(const struct announce_parameters *parameters, const char *const *interfaces)
{
    if (!run.ready) {
        timer_init(&run.timer, VM_CLOCK_REALTIME, announce_round, NULL);
        run.ready = true;
    }
    announce_stop();
    run.parameters = *parameters;
    run.interfaces = g_strdupv((char **)interfaces);
    run.done = 0;
    if (parameters->rounds) {
        announce_round(NULL);
    }
}

void announce_stop(void)
{
    if (run.ready) {
        timer_cancel(&run.timer);
    }
    g_clear_pointer(&run.interfaces, g_strfreev);
}

/* The peer's bounds: they apply to migration's parameters as well (qapi/migration.json). */
static bool check(const char *name, int64_t value, int64_t least, int64_t most, GError **error)
{
    return (value >= least && value <= most) ||
           error_setf(error, "Parameter '%s' expects an integer in the range of %" G_GINT64_FORMAT " to %"
                      G_GINT64_FORMAT ", not %" G_GINT64_FORMAT, name, least, most, value);
}

void qmp_announce_self(int64_t initial, int64_t max, int64_t rounds, int64_t step, GPtrArray *interfaces,
                       GError **error)
{
    struct announce_parameters parameters = { initial, max, rounds, step };
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (!check("initial", initial, 0, 100000, error) || !check("max", max, 0, 100000, error) ||
        !check("rounds", rounds, 0, 1000, error) || !check("step", step, 0, 10000, error)) {
        return;
    }
    for (guint i = 0; interfaces && i < interfaces->len; i++) {
        g_ptr_array_add(names, interfaces->pdata[i]);
    }
    g_ptr_array_add(names, NULL);
    announce_start(&parameters, interfaces ? (const char *const *)names->pdata : NULL);
}
