/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-net and virtio-rng under good and hostile drivers: packets both ways, filters, commands, state. */
#include "virtio-guest.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hw/net/virtio-net.h"
#include "hw/virtio/virtio-pci.h"
#include "hw/virtio/virtio-rng.h"
#include "migration/stream.h"
#include "migration/vmstate.h"
#include "monitor/monitor.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "system/object.h"
#include "util/keyval.h"

/* The run state and the monitor, played here. */
static struct runstate_listener *listener;
static bool vm_running = true;
static unsigned filter_events;
bool runstate_is_running(void) { return vm_running; }
void runstate_listener_add(struct runstate_listener *l) { listener = l; }
void runstate_listener_remove(struct runstate_listener *l) { listener = NULL; }
void monitor_emit_event(const char *name, JsonNode *data)
{
    filter_events += !strcmp(name, "NIC_RX_FILTER_CHANGED");
    g_clear_pointer(&data, json_node_unref);
}

static void set_vm_running(bool running)
{
    vm_running = running;
    listener->changed(listener->opaque, running, running ? RUN_STATE_RUNNING : RUN_STATE_PAUSED);
}

/* ---- A backend that records, refuses and has headers as it is told ---- */

static struct fake {
    struct net_client client; /* first */
    GByteArray *last;
    unsigned got, header_set;
    bool full;
    struct net_offloads offloads;
} fake;

static bool fake_receive(struct net_client *client, const uint8_t *data, size_t length)
{
    if (fake.full) {
        return false;
    }
    fake.got++;
    g_byte_array_set_size(fake.last, 0);
    g_byte_array_append(fake.last, data, length);
    return true;
}

static bool fake_set_header(struct net_client *client, unsigned length)
{
    fake.header_set = client->header = length;
    return true;
}

static void fake_set_offloads(struct net_client *client, const struct net_offloads *offloads)
{
    fake.offloads = *offloads;
}

static const struct net_client_ops fake_ops = { .type = "fake", .receive = fake_receive,
                                                .set_header = fake_set_header, .set_offloads = fake_set_offloads };

static const char *const net_properties[] = { "netdev=f", "mac=52:54:00:00:00:01", NULL };
static const uint8_t own_mac[] = { 0x52, 0x54, 0, 0, 0, 1 }, other_mac[] = { 0x52, 0x54, 0, 0, 0, 9 };
static const uint8_t group_mac[] = { 1, 0, 0x5e, 0, 0, 7 }, everyone[] = { 255, 255, 255, 255, 255, 255 };

#define RX VIRTIO_NET_RX
#define TX VIRTIO_NET_TX
#define CTRL VIRTIO_NET_CTRL
#define F(name) VIRTIO_FEATURE(VIRTIO_NET_F_##name)
#define CONTROL (F(CTRL_VQ) | F(CTRL_RX) | F(CTRL_RX_EXTRA) | F(CTRL_VLAN) | F(CTRL_MAC_ADDR) | F(GUEST_ANNOUNCE))
#define HEADER 12
#define BUFFER(n) (GUEST_BUFFERS + (n) * 0x10000ull)

static void plug(const char *const *properties, unsigned header)
{
    fake = (struct fake){ .last = g_byte_array_new() };
    net_client_init(&fake.client, &fake_ops, "f");
    fake.client.header = header;
    fake.client.has_ufo = header;
    vm_running = true;
    guest_plug(&virtio_net_pci_type, properties);
}

static void start(uint64_t features, unsigned header)
{
    plug(net_properties, header);
    guest_start(features, 3);
}

static void end(void)
{
    guest_unplug();
    net_client_cleanup(&fake.client);
    g_byte_array_unref(fake.last);
}

static void frame(uint8_t *to, const uint8_t *mac, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        to[i] = i * 7;
    }
    memcpy(to, mac, ETHER_ADDRESS);
    to[12] = 0x08;
    to[13] = 0;
}

/* A packet from the network; whether the backend may go on. */
static bool arrive(const uint8_t *mac, size_t length)
{
    g_autofree uint8_t *data = g_malloc0(length);

    frame(data, mac, length);
    return net_send(&fake.client, data, length);
}

static bool passes(const uint8_t *mac)
{
    uint16_t before = guest_used(RX);

    guest_send(RX, before % 64, BUFFER(1), 2048, true);
    guest_kick(RX);
    g_assert_true(arrive(mac, 60));
    guest.used_seen[RX] = guest_used(RX);
    if (guest_used(RX) == before) { /* the buffer is still there: use it up */
        g_assert_true(guest_used(RX) == before);
        guest.avail[RX]--;
        __atomic_store_n((uint16_t *)guest_ptr(GUEST_AVAIL(RX) + 2), guest.avail[RX], __ATOMIC_RELEASE);
    }
    return guest_used(RX) != before;
}

/* ---- Sending ---- */

static void test_send(void)
{
    start(0, 0);
    memset(guest_ptr(BUFFER(0)), 0, HEADER);
    frame(guest_ptr(BUFFER(0) + HEADER), other_mac, 100);
    guest_desc(TX, 0, BUFFER(0), HEADER, VRING_DESC_F_NEXT, 1); /* header and frame apart, the frame in two */
    guest_desc(TX, 1, BUFFER(0) + HEADER, 20, VRING_DESC_F_NEXT, 2);
    guest_desc(TX, 2, BUFFER(0) + HEADER + 20, 80, 0, 0);
    guest_offer(TX, 0);
    guest_kick(TX);
    g_assert_true(guest_wait_used(TX, 1));
    g_assert_cmpuint(fake.got, ==, 1);
    g_assert_cmpmem(fake.last->data, fake.last->len, guest_ptr(BUFFER(0) + HEADER), 100);
    end();
}

/* A full backend stops the ring after the packet that it keeps; resume goes on. */
static void test_send_back_pressure(void)
{
    start(0, 0);
    fake.full = true;
    for (unsigned i = 0; i < 4; i++) {
        guest_send(TX, i, BUFFER(0), HEADER + 60, false);
    }
    guest_kick(TX);
    guest_settle();
    g_assert_cmpuint(guest_used(TX), ==, 1);
    fake.full = false;
    g_assert_true(net_flush(&fake.client));
    g_assert_true(guest_wait_used(TX, 4));
    g_assert_cmpuint(fake.got, ==, 4);
    end();
}

static void test_send_sizes(void)
{
    start(0, 0);
    guest_send(TX, 0, BUFFER(0), HEADER, false);                  /* no frame */
    guest_send(TX, 1, BUFFER(0), HEADER + ETHER_HEADER - 1, false);
    guest_send(TX, 2, BUFFER(0), NET_PACKET_MAX + 1, false);      /* none is that long */
    guest_send(TX, 3, BUFFER(0), NET_PACKET_MAX, false);
    guest_kick(TX);
    g_assert_true(guest_wait_used(TX, 4));
    g_assert_cmpuint(fake.got, ==, 1);
    g_assert_cmpuint(fake.last->len, ==, NET_PACKET_MAX - HEADER);
    g_assert_false(guest_needs_reset());
    guest_send(TX, 4, BUFFER(0), HEADER - 1, false);              /* not even a header */
    guest_kick(TX);
    g_assert_true(guest_needs_reset());
    end();
}

static void test_headers(void)
{
    static const struct {
        struct virtio_net_hdr header;
        uint64_t features;
        bool good;
    } rows[] = {
        { { 0 }, 0, true },
        { { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16 }, F(CSUM), true },
        { { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16 }, 0, false },
        { { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 99, .csum_offset = 0 }, F(CSUM), false },
        { { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 0xffff, .csum_offset = 0xffff }, F(CSUM), false },
        { { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1000 },
          F(CSUM) | F(HOST_TSO4), true },
        { { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 0 },
          F(CSUM) | F(HOST_TSO4), false },
        { { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1000 }, F(CSUM) | F(HOST_TSO4), false },
        { { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV6, .gso_size = 1000 },
          F(CSUM) | F(HOST_TSO4), false },
        { { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN,
            .gso_size = 1000 }, F(CSUM) | F(HOST_TSO4), false },
        { { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN,
            .gso_size = 1000 }, F(CSUM) | F(HOST_TSO4) | F(HOST_ECN), true },
        { { .gso_type = 77 }, F(CSUM) | F(HOST_TSO4), false },
        { { .gso_type = VIRTIO_NET_HDR_GSO_ECN }, F(CSUM), false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        start(rows[i].features, 10);
        g_assert_cmpuint(fake.header_set, ==, HEADER);
        memcpy(guest_ptr(BUFFER(0)), &rows[i].header, sizeof(rows[i].header));
        guest_send(TX, 0, BUFFER(0), HEADER + 100, false);
        guest_kick(TX);
        g_assert_true(guest_wait_used(TX, 1));
        if (fake.got != rows[i].good) {
            g_error("header %zu: %u packets", i, fake.got);
        }
        g_assert_cmpuint(fake.last->len, ==, rows[i].good ? HEADER + 100 : 0);
        end();
    }
}

/* ---- Receiving ---- */

static void test_receive(void)
{
    uint8_t expected[200];

    start(0, 0);
    memset(guest_ptr(BUFFER(0)), 0xaa, 2048);
    guest_send(RX, 0, BUFFER(0), 2048, true);
    g_assert_true(arrive(own_mac, sizeof(expected)));
    g_assert_true(guest_wait_used(RX, 1));
    frame(expected, own_mac, sizeof(expected));
    g_assert_cmpmem(guest_ptr(BUFFER(0) + HEADER), sizeof(expected), expected, sizeof(expected));
    struct vring_used *used = guest_ptr(GUEST_USED(RX));
    g_assert_cmpuint(used->ring[0].len, ==, HEADER + sizeof(expected));
    g_assert_cmpuint(*(uint16_t *)guest_ptr(BUFFER(0) + 10), ==, 1); /* num_buffers */
    g_assert_cmpuint(*(uint8_t *)guest_ptr(BUFFER(0)), ==, 0);
    end();
}

/* A packet over many buffers, the first of which is split across the header. All appear at once. */
static void test_merged(void)
{
    uint8_t expected[1000];
    unsigned done = 0;

    start(F(MRG_RXBUF) | VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX), 0);
    guest_desc(RX, 0, BUFFER(0), 5, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
    guest_desc(RX, 1, BUFFER(0) + 5, 195, VRING_DESC_F_WRITE, 0);
    guest_offer(RX, 0);
    g_assert_false(arrive(own_mac, sizeof(expected))); /* one does not do */
    g_assert_cmpuint(guest_used(RX), ==, 0);
    /* Asked for with the next one, though one lies there: the avail event is the index to come. */
    g_assert_cmpuint(((uint16_t *)guest_ptr(GUEST_USED(RX)))[2 + 4 * GUEST_NUM], ==, 1);
    for (unsigned i = 2; i < 7; i++) {
        guest_send(RX, i, BUFFER(i), 200, true);
    }
    guest_kick(RX);
    g_assert_true(guest_wait_used(RX, 6));
    frame(expected, own_mac, sizeof(expected));
    g_assert_cmpuint(*(uint16_t *)guest_ptr(BUFFER(0) + 10), ==, 6);
    g_assert_cmpmem(guest_ptr(BUFFER(0) + HEADER), 188, expected, 188);
    done = 188;
    for (unsigned i = 2; i < 7; i++) {
        size_t n = MIN(200, sizeof(expected) - done);

        g_assert_cmpmem(guest_ptr(BUFFER(i)), n, expected + done, n);
        done += n;
    }
    end();
}

/* The driver is slow: packets wait in order, the backend is told. A stopped VM likewise. */
static void test_receive_back_pressure(void)
{
    start(0, 0);
    g_assert_false(arrive(own_mac, 60));
    g_assert_false(arrive(own_mac, 61));
    guest_send(RX, 0, BUFFER(0), 2048, true);
    guest_send(RX, 1, BUFFER(1), 2048, true);
    guest_kick(RX);
    g_assert_true(guest_wait_used(RX, 2));
    struct vring_used *used = guest_ptr(GUEST_USED(RX));
    g_assert_cmpuint(used->ring[0].len, ==, HEADER + 60);
    g_assert_cmpuint(used->ring[1].len, ==, HEADER + 61);
    guest_send(RX, 2, BUFFER(0), 2048, true);
    set_vm_running(false);
    g_assert_false(arrive(own_mac, 62));
    set_vm_running(true);
    g_assert_true(guest_wait_used(RX, 1));
    end();
}

/* Buffers too short for a packet: without MRG_RXBUF it is lost; with it, if a whole ring does not hold it. */
static void test_receive_too_long(void)
{
    start(0, 0);
    guest_send(RX, 0, BUFFER(0), 100, true);
    g_assert_true(arrive(own_mac, 200));
    g_assert_cmpuint(guest_used(RX), ==, 0);
    g_assert_true(arrive(own_mac, 60)); /* the buffer is still good */
    g_assert_cmpuint(guest_used(RX), ==, 1);
    end();
    start(F(MRG_RXBUF), 0);
    for (unsigned i = 0; i < GUEST_NUM; i++) {
        guest_send(RX, i, BUFFER(0), 20, true);
    }
    g_assert_true(arrive(own_mac, 20 * GUEST_NUM));
    g_assert_cmpuint(guest_used(RX), ==, 0);
    end();
    start(0, 0);
    guest_send(RX, 0, BUFFER(0), HEADER - 1, true); /* not even a header */
    g_assert_true(arrive(own_mac, 60));
    g_assert_true(guest_needs_reset());
    g_assert_true(arrive(own_mac, 60)); /* lost, no more harm */
    end();
}

/* Without a driver packets are lost, and none of them comes later. */
static void test_receive_no_driver(void)
{
    plug(net_properties, 0);
    for (int i = 0; i < 10; i++) {
        g_assert_true(arrive(own_mac, 60));
    }
    guest_start(0, 3);
    guest_send(RX, 0, BUFFER(0), 2048, true);
    guest_kick(RX);
    guest_settle();
    g_assert_cmpuint(guest_used(RX), ==, 0);
    end();
}

/* ---- Commands and filter ---- */

static uint8_t command(uint8_t class, uint8_t cmd, const void *data, size_t length)
{
    static unsigned n;
    uint8_t *at = guest_ptr(BUFFER(8)), *ack = guest_ptr(BUFFER(9));

    at[0] = class;
    at[1] = cmd;
    memcpy(at + 2, data, length);
    *ack = 0xee;
    n = (n + 2) % 64;
    guest_desc(CTRL, n, BUFFER(8), 2 + length, VRING_DESC_F_NEXT, n + 1);
    guest_desc(CTRL, n + 1, BUFFER(9), 1, VRING_DESC_F_WRITE, 0);
    guest_offer(CTRL, n);
    guest_kick(CTRL);
    g_assert_true(guest_wait_used(CTRL, 1));
    return *ack;
}

static uint8_t set_mode(uint8_t mode, uint8_t on)
{
    return command(VIRTIO_NET_CTRL_RX, mode, &on, 1);
}

static void test_filter(void)
{
    static const uint8_t table[] = { 1, 0, 0, 0, 0x52, 0x54, 0, 0, 0, 9, 1, 0, 0, 0, 1, 0, 0x5e, 0, 0, 7 };
    static const uint8_t nobody[8], new_mac[] = { 0x52, 0x54, 0, 0, 0, 0x33 };

    start(CONTROL, 0);
    g_assert_true(passes(other_mac)); /* promiscuous until told otherwise */
    g_assert_cmpuint(set_mode(VIRTIO_NET_CTRL_RX_PROMISC, 0), ==, VIRTIO_NET_OK);
    g_assert_true(passes(own_mac) && passes(everyone));
    g_assert_false(passes(other_mac) || passes(group_mac));
    g_assert_cmpuint(command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, table, sizeof(table)), ==, 0);
    g_assert_true(passes(other_mac) && passes(group_mac));
    set_mode(VIRTIO_NET_CTRL_RX_NOBCAST, 1);
    set_mode(VIRTIO_NET_CTRL_RX_NOMULTI, 1);
    g_assert_false(passes(everyone) || passes(group_mac));
    set_mode(VIRTIO_NET_CTRL_RX_NOUNI, 1);
    g_assert_false(passes(own_mac));
    set_mode(VIRTIO_NET_CTRL_RX_NOUNI, 0);
    g_assert_cmpuint(command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, nobody, 8), ==, 0);
    g_assert_false(passes(other_mac));
    g_assert_cmpuint(command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, new_mac, 6), ==, 0);
    g_assert_true(passes(new_mac));
    g_assert_false(passes(own_mac));
    end();
}

static void test_hostile_commands(void)
{
    static const struct {
        uint8_t class, command, length;
        uint8_t data[20];
    } rows[] = {
        { 99, 0, 1, { 0 } },
        { VIRTIO_NET_CTRL_RX, 6, 1, { 0 } },
        { VIRTIO_NET_CTRL_RX, 0, 0, { 0 } },
        { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 8, { 255, 255, 255, 255, 0 } },
        { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 4, { 0 } },
        { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 10, { 0 } },
        { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, 5, { 0 } },
        { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, 7, { 0 } },
        { VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, 2, { 0, 0x10 } },
        { VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, 1, { 0 } },
        { VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, 0, { 0 } },      /* nobody asked */
        { VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2, { 1 } },
        { VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, 8, { 0xff } },                        /* not negotiated */
    };

    start(CONTROL, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_cmpuint(command(rows[i].class, rows[i].command, rows[i].data, rows[i].length), ==, VIRTIO_NET_ERR);
    }
    g_assert_false(guest_needs_reset());
    guest_send(CTRL, 90, BUFFER(8), 100, false); /* no room for the answer */
    guest_kick(CTRL);
    g_assert_true(guest_needs_reset());
    end();
}

/* More addresses than the table has: everything of that kind passes, and the event comes once until asked. */
static void test_overflow_and_event(void)
{
    g_autofree uint8_t *table = g_malloc0(4 + 100 * 6 + 4);

    start(CONTROL, 0);
    filter_events = 0;
    *(uint32_t *)table = 100;
    set_mode(VIRTIO_NET_CTRL_RX_PROMISC, 0);
    g_assert_cmpuint(command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, table, 4 + 100 * 6 + 4), ==, 0);
    g_assert_true(passes(other_mac));
    g_assert_false(passes(group_mac));
    g_assert_cmpuint(filter_events, ==, 1);
    GPtrArray *list = qmp_query_rx_filter(NULL, NULL);
    RxFilterInfo *info = list->pdata[0];
    g_assert_true(list->len == 1 && !info->promiscuous && info->unicast_overflow && !info->multicast_overflow);
    g_assert_cmpstr(info->main_mac, ==, "52:54:00:00:00:01");
    g_assert_cmpuint(info->vlan_table->len, ==, 0);
    g_ptr_array_unref(list);
    set_mode(VIRTIO_NET_CTRL_RX_ALLMULTI, 1);
    g_assert_cmpuint(filter_events, ==, 2);
    end();
}

static void test_link_and_announce(void)
{
    start(CONTROL | F(STATUS), 0);
    g_assert_cmphex(reg_read(CONFIG_REG + 6, 2), ==, VIRTIO_NET_S_LINK_UP);
    g_assert_true(net_set_link("f", false, NULL));
    g_assert_cmphex(reg_read(CONFIG_REG + 6, 2), ==, 0);
    g_assert_true(guest_isr() & 2);
    g_assert_true(net_set_link("f", true, NULL));
    fake.client.peer->ops->announce(fake.client.peer);
    g_assert_cmphex(reg_read(CONFIG_REG + 6, 2), ==, VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
    g_assert_cmpuint(command(VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, "", 0), ==, VIRTIO_NET_OK);
    g_assert_cmphex(reg_read(CONFIG_REG + 6, 2), ==, VIRTIO_NET_S_LINK_UP);
    end();
}

/* ---- Features and properties ---- */

static void test_features(void)
{
    static const char *const tuned[] = { "netdev=f", "host_mtu=9000", "speed=1000", "duplex=full", "mrg_rxbuf=off", NULL };
    const uint64_t offloads = F(CSUM) | F(GUEST_CSUM) | F(HOST_TSO4) | F(GUEST_TSO4) | F(HOST_UFO) | F(GUEST_UFO);

    plug(net_properties, 0);
    g_assert_cmphex(guest_offered() & offloads, ==, 0);
    g_assert_cmphex(guest_offered() & (CONTROL | F(MAC) | F(STATUS) | F(MRG_RXBUF)), ==,
                    CONTROL | F(MAC) | F(STATUS) | F(MRG_RXBUF));
    end();
    start(offloads | F(CTRL_VQ) | F(CTRL_GUEST_OFFLOADS), 10);
    g_assert_cmphex(guest_offered() & offloads, ==, offloads);
    g_assert_true(fake.offloads.checksum && fake.offloads.tso4 && fake.offloads.ufo && !fake.offloads.tso6);
    g_assert_cmpuint(command(VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, &(uint64_t){ F(GUEST_CSUM) }, 8), ==, VIRTIO_NET_OK);
    g_assert_true(fake.offloads.checksum && !fake.offloads.tso4);
    end();
    plug(tuned, 0);
    g_assert_cmphex(guest_offered() & (F(MTU) | F(SPEED_DUPLEX) | F(MRG_RXBUF)), ==, F(MTU) | F(SPEED_DUPLEX));
    g_assert_cmpuint(reg_read(CONFIG_REG + 10, 2), ==, 9000);
    g_assert_cmpuint(reg_read(CONFIG_REG + 12, 4), ==, 1000);
    g_assert_cmpuint(reg_read(CONFIG_REG + 16, 1), ==, 1);
    end();
}

static void test_refused(void)
{
    static const char *const rows[][2] = {
        { "mq", "on" },        { "rss", "on" },          { "rx_queue_size", "100" }, { "rx_queue_size", "2048" },
        { "tx_queue_size", "3" }, { "mac", "1:2:3:4:5:6" }, { "mac", "zz" },         { "netdev", "none" },
        { "host_mtu", "67" },  { "speed", "-2" },        { "duplex", "both" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        struct device *dev = device_new(&virtio_net_pci_type, NULL);

        device_set(dev, rows[i][0], rows[i][1]);
        g_assert_false(device_realize(dev, &guest.bus.bus, &error));
        g_assert_nonnull(error);
        device_free(dev);
    }
}

/* ---- State ---- */

static GByteArray *save(void)
{
    struct stream *s = stream_new_memory_output();
    GByteArray *bytes = g_byte_array_new();

    g_assert_true(vmstate_save_body(s, guest.dev->type->vmstate, guest.dev, NULL, NULL));
    g_byte_array_append(bytes, stream_memory_data(s)->data, stream_memory_data(s)->len);
    stream_free(s);
    return bytes;
}

static bool load(const GByteArray *bytes, guint length)
{
    struct stream *s = stream_new_memory_input(bytes->data, length);
    g_autoptr(GError) error = NULL;
    bool ok = vmstate_load_body(s, guest.dev->type->vmstate, guest.dev, guest.dev->type->vmstate->version, &error) &&
              !stream_error(s);

    stream_free(s);
    return ok;
}

static void test_state(void)
{
    GByteArray *before, *after;

    start(CONTROL | F(STATUS) | F(MRG_RXBUF), 0);
    set_mode(VIRTIO_NET_CTRL_RX_PROMISC, 0);
    command(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, &(uint16_t){ 5 }, 2);
    net_set_link("f", false, NULL);
    set_vm_running(false);
    before = save();
    end();
    plug(net_properties, 0);
    set_vm_running(false);
    g_assert_true(load(before, before->len));
    after = save();
    g_assert_cmpmem(before->data, before->len, after->data, after->len);
    g_assert_true(fake.client.peer->link_down);
    for (guint cut = 0; cut < 800; cut += 7) { /* behind it only subsections, which may be missing */
        g_assert_false(load(before, cut));
    }
    g_byte_array_unref(before);
    g_byte_array_unref(after);
    end();
}

/* A source with virtio-net headers needs them here. */
static void test_state_needs_header(void)
{
    GByteArray *bytes;

    start(F(CSUM), 10);
    set_vm_running(false);
    bytes = save();
    end();
    plug(net_properties, 0);
    set_vm_running(false);
    g_assert_false(load(bytes, bytes->len));
    g_byte_array_unref(bytes);
    end();
}

/* ---- virtio-rng ---- */

static void rng_start(const char *const *properties)
{
    vm_running = true;
    guest_plug(&virtio_rng_pci_type, properties);
    guest_start(0, 1);
}

static void test_rng(void)
{
    static const uint8_t zeros[64];

    rng_start(NULL);
    memset(guest_ptr(BUFFER(0)), 0, 10000);
    guest_send(0, 0, BUFFER(0), sizeof(zeros), true);
    guest_send(0, 1, BUFFER(1), 10000, true);
    guest_kick(0);
    g_assert_true(guest_wait_used(0, 2));
    struct vring_used *used = guest_ptr(GUEST_USED(0));
    g_assert_cmpuint(used->ring[0].len, ==, 64);
    g_assert_cmpuint(used->ring[1].len, ==, 4096);
    g_assert_true(memcmp(guest_ptr(BUFFER(0)), zeros, sizeof(zeros)));
    guest_send(0, 2, BUFFER(0), 10, false); /* nothing to write to */
    guest_kick(0);
    g_assert_true(guest_needs_reset());
    guest_unplug();
}

static void test_rng_limit(void)
{
    static const char *const limited[] = { "max-bytes=100", "period=50", NULL };
    struct vring_used *used = guest_ptr(GUEST_USED(0));

    virtual_clock_start();
    rng_start(limited);
    for (unsigned i = 0; i < 3; i++) {
        guest_send(0, i, BUFFER(i), 80, true);
    }
    guest_kick(0);
    g_assert_true(guest_wait_used(0, 2)); /* 80 + 20: the period's */
    g_assert_cmpuint(used->ring[1].len, ==, 20);
    g_assert_true(guest_wait_used(0, 1)); /* the next */
    g_assert_cmpuint(used->ring[2].len, ==, 80);
    guest_unplug();
    virtual_clock_stop();
}

/* A source that has nothing yet: the buffer waits in the ring; one at its end gives nothing, and nothing spins. */
static void test_rng_waits(void)
{
    static const char *const properties[] = { "rng=r", NULL };
    g_autofree char *dir = g_dir_make_tmp("ferry-rng-XXXXXX", NULL);
    g_autofree char *path = g_strdup_printf("%s/fifo", dir), *text = g_strdup_printf("rng-random,id=r,filename=%s", path);
    g_autoptr(GError) error = NULL;
    FILE *fifo;

    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    g_assert_true(object_create_from_option(text, &error));
    fifo = fopen(path, "w");
    rng_start(properties);
    g_assert_false(object_delete("r", &error)); /* in use */
    g_clear_error(&error);
    guest_send(0, 0, BUFFER(0), 5, true);
    guest_kick(0);
    guest_settle();
    g_assert_cmpuint(guest_used(0), ==, 0);
    fputs("noise", fifo);
    fclose(fifo);
    g_assert_true(guest_wait_used(0, 1));
    g_assert_cmpmem(guest_ptr(BUFFER(0)), 5, "noise", 5);
    guest_unplug();
    g_assert_true(object_delete("r", &error));
    unlink(path);
    rmdir(dir);
}

static void test_rng_state(void)
{
    GByteArray *before, *after;

    rng_start(NULL);
    set_vm_running(false);
    before = save();
    guest_unplug();
    vm_running = false;
    guest_plug(&virtio_rng_pci_type, NULL);
    g_assert_true(load(before, before->len));
    after = save();
    g_assert_cmpmem(before->data, before->len, after->data, after->len);
    g_assert_false(load(before, before->len - 1));
    g_byte_array_unref(before);
    g_byte_array_unref(after);
    guest_unplug();
}

static const struct device_type *const types[] = { &virtio_net_pci_type, &virtio_rng_pci_type, NULL };

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    device_types_set(types);
    guest_init();
    g_test_add_func("/virtio-net/send", test_send);
    g_test_add_func("/virtio-net/send/back-pressure", test_send_back_pressure);
    g_test_add_func("/virtio-net/send/sizes", test_send_sizes);
    g_test_add_func("/virtio-net/send/headers", test_headers);
    g_test_add_func("/virtio-net/receive", test_receive);
    g_test_add_func("/virtio-net/receive/merged", test_merged);
    g_test_add_func("/virtio-net/receive/back-pressure", test_receive_back_pressure);
    g_test_add_func("/virtio-net/receive/too-long", test_receive_too_long);
    g_test_add_func("/virtio-net/receive/no-driver", test_receive_no_driver);
    g_test_add_func("/virtio-net/filter", test_filter);
    g_test_add_func("/virtio-net/hostile-commands", test_hostile_commands);
    g_test_add_func("/virtio-net/overflow-and-event", test_overflow_and_event);
    g_test_add_func("/virtio-net/link-and-announce", test_link_and_announce);
    g_test_add_func("/virtio-net/features", test_features);
    g_test_add_func("/virtio-net/refused", test_refused);
    g_test_add_func("/virtio-net/state", test_state);
    g_test_add_func("/virtio-net/state/needs-header", test_state_needs_header);
    g_test_add_func("/virtio-rng/fill", test_rng);
    g_test_add_func("/virtio-rng/limit", test_rng_limit);
    g_test_add_func("/virtio-rng/waits", test_rng_waits);
    g_test_add_func("/virtio-rng/state", test_rng_state);
    return g_test_run();
}
