/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-net-pci over a datagram socket: packets, commands and announcements, hostile drivers, its section. */
#include <glib/gstdio.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "libferry-virtio.h"

#define SLOT 2
#define RX 0
#define TX 1
#define CTRL 2
#define QUEUES 3
#define HEADER sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define RX_BUFFER(n) (0x200000ull + (n) * 0x10000ull)
#define TX_BUFFER 0x480000ull
#define COMMAND   0x4a0000ull
#define ACK       0x4c0000ull
#define RAM_END   0x2000000ull

#define F(name) (1ull << VIRTIO_NET_F_##name)
#define CONTROL (F(CTRL_VQ) | F(CTRL_RX) | F(CTRL_RX_EXTRA) | F(CTRL_VLAN) | F(CTRL_MAC_ADDR) | F(GUEST_ANNOUNCE) | \
                 F(STATUS) | F(MAC))
#define MERGED F(MRG_RXBUF)
#define RING_RESET (1ull << 40)

static const uint8_t own[] = { 0x52, 0x54, 0, 0, 0, 1 }, other[] = { 0x52, 0x54, 0, 0, 0, 9 };

static struct qtest *q;
static struct virtio_driver d;
static int network; /* the wire's other end */
static char *guest_path, *network_path;

/* ---- The machine and the wire ---- */

static void start_machine(const char *more)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_autofree char *args = NULL;

    guest_path = qtest_path("guest");
    network_path = qtest_path("network");
    args = g_strdup_printf("-netdev dgram,id=n0,local.type=unix,local.path=%s,remote.type=unix,remote.path=%s "
                           "-device virtio-net-pci,id=net0,netdev=n0,addr=2,mac=52:54:00:00:00:01%s", guest_path,
                           network_path, more);
    network = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    g_unlink(network_path);
    strcpy(address.sun_path, network_path);
    g_assert_cmpint(bind(network, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    q = qtest_start(args);
    virtio_driver_init(&d, q, SLOT);
}

static void start(uint64_t features)
{
    start_machine("");
    virtio_driver_start(&d, features, QUEUES);
}

static void end(void)
{
    qtest_quit(q);
    close(network);
    g_unlink(network_path);
    g_unlink(guest_path);
    g_clear_pointer(&network_path, g_free);
    g_clear_pointer(&guest_path, g_free);
}

static void make_frame(uint8_t *frame, const uint8_t *mac, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        frame[i] = (uint8_t)(i * 7 + length);
    }
    memcpy(frame, mac, 6);
    frame[12] = 0x08;
    frame[13] = 0;
}

static void arrive(const uint8_t *mac, size_t length)
{
    g_autofree uint8_t *frame = g_malloc(length);
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    strcpy(address.sun_path, guest_path);
    make_frame(frame, mac, length);
    g_assert_cmpint(sendto(network, frame, length, 0, (struct sockaddr *)&address, sizeof(address)), ==, length);
}

/* The next frame that the guest has sent, and its length. */
static ssize_t depart(uint8_t *frame, size_t size)
{
    struct pollfd p = { .fd = network, .events = POLLIN };

    g_assert_cmpint(poll(&p, 1, 20000), ==, 1);
    return recv(network, frame, size, 0);
}

/* ---- Rings ---- */

static void offer(unsigned queue, unsigned n, uint64_t address, uint32_t length, uint16_t flags)
{
    virtio_driver_desc(&d, queue, n, (struct vring_desc){ address, length, flags, 0 });
    virtio_driver_offer(&d, queue, (uint16_t)n);
    virtio_driver_kick(&d, queue);
}

static void check_received(uint64_t address, const uint8_t *mac, size_t length)
{
    g_autofree uint8_t *want = g_malloc(length), *got = g_malloc(length);

    make_frame(want, mac, length);
    qtest_memread(q, address + HEADER, got, length);
    g_assert_cmpmem(got, length, want, length);
}

static void receive(size_t length)
{
    struct virtio_net_hdr_mrg_rxbuf header;

    offer(RX, 0, RX_BUFFER(0), 0x10000, WRITE);
    arrive(own, length);
    virtio_driver_wait(&d, RX, 1);
    g_assert_cmpuint(virtio_driver_used(&d, RX).len, ==, HEADER + length);
    qtest_memread(q, RX_BUFFER(0), &header, sizeof(header));
    g_assert_cmpuint(header.num_buffers, ==, 1);
    check_received(RX_BUFFER(0), own, length);
}

static void put_packet(size_t length)
{
    g_autofree uint8_t *frame = g_malloc(length);

    make_frame(frame, other, length);
    qtest_memset(q, TX_BUFFER, 0, HEADER);
    qtest_memwrite(q, TX_BUFFER + HEADER, frame, length);
}

static void send_packet(size_t length)
{
    g_autofree uint8_t *want = g_malloc(length), *got = g_malloc(length + 1);

    put_packet(length);
    offer(TX, 0, TX_BUFFER, (uint32_t)(HEADER + length), 0);
    virtio_driver_wait(&d, TX, 1);
    make_frame(want, other, length);
    g_assert_cmpint(depart(got, length + 1), ==, length);
    g_assert_cmpmem(got, length, want, length);
}

static void check_works(void)
{
    send_packet(60);
    receive(100);
}

static uint8_t command(const void *data, size_t length)
{
    static const struct vring_desc answer = { ACK, 1, WRITE, 0 };
    struct vring_desc descs[2] = { { COMMAND, (uint32_t)length, 0, 0 }, answer };

    qtest_memwrite(q, COMMAND, data, length);
    qtest_writeb(q, ACK, 0xaa);
    virtio_driver_chain(&d, CTRL, 0, descs, 2);
    virtio_driver_offer(&d, CTRL, 0);
    virtio_driver_kick(&d, CTRL);
    virtio_driver_wait(&d, CTRL, 1);
    return qtest_readb(q, ACK);
}

/* ---- Packets ---- */

static void test_packets(void)
{
    static const size_t lengths[] = { 14, 60, 1514, 9000, 65000 };

    start(MERGED);
    for (unsigned i = 0; i < G_N_ELEMENTS(lengths); i++) {
        send_packet(lengths[i]);
        receive(lengths[i]);
    }
    end();
}

/* A packet over as many buffers as it takes; one for which there are none waits, and keeps its place. */
static void test_merged(void)
{
    struct virtio_net_hdr_mrg_rxbuf header;
    uint8_t frame[1000], got[1012];

    start(MERGED);
    for (unsigned n = 0; n < 8; n++) {
        offer(RX, n, RX_BUFFER(n), 128, WRITE);
    }
    arrive(own, 1000);
    virtio_driver_wait(&d, RX, 8);
    qtest_memread(q, RX_BUFFER(0), &header, sizeof(header));
    g_assert_cmpuint(header.num_buffers, ==, 8);
    for (unsigned n = 0; n < 8; n++) {
        qtest_memread(q, RX_BUFFER(n), got + 128 * n, MIN(128, sizeof(got) - 128 * n));
    }
    make_frame(frame, own, sizeof(frame));
    g_assert_cmpmem(got + HEADER, sizeof(frame), frame, sizeof(frame));

    arrive(own, 200);
    arrive(own, 300);
    for (unsigned n = 0; n < 2; n++) {
        offer(RX, n, RX_BUFFER(n), 0x10000, WRITE);
    }
    virtio_driver_wait(&d, RX, 2);
    check_received(RX_BUFFER(0), own, 200);
    check_received(RX_BUFFER(1), own, 300);
    end();
}

/* More than all that the guest can offer: lost, and those behind it are not. */
static void test_too_long(void)
{
    start(MERGED);
    for (unsigned n = 0; n < VIRTIO_NUM; n++) {
        offer(RX, n, RX_BUFFER(n % 16) + 0x1000 * (n / 16), 64, WRITE);
    }
    arrive(own, 9000);
    arrive(own, 40);
    virtio_driver_wait(&d, RX, 1);
    check_received(RX_BUFFER(0), own, 40);
    end();
}

/* ---- Hostile drivers ---- */

/* Each breaks the device until it is reset. */
static const struct {
    const char *name;
    unsigned queue;
    struct vring_desc descs[2];
    unsigned count;
} hostile[] = {
    { "header-short", TX, { { TX_BUFFER, HEADER - 1, 0, 0 } }, 1 },
    { "tx-writable", TX, { { TX_BUFFER, 100, WRITE, 0 } }, 1 },
    { "tx-outside", TX, { { RAM_END - 16, 100, 0, 0 } }, 1 },
    { "tx-mmio", TX, { { VIRTIO_COMMON, 100, 0, 0 } }, 1 },
    { "tx-loop", TX, { { TX_BUFFER, 100, NEXT, 0 } }, 1 },
    { "tx-wraps", TX, { { UINT64_MAX - 50, 100, 0, 0 } }, 1 },
    { "ctrl-no-answer", CTRL, { { COMMAND, 3, 0, 0 } }, 1 },
    { "ctrl-short", CTRL, { { COMMAND, 1, 0, 0 }, { ACK, 1, WRITE, 0 } }, 2 },
    { "ctrl-answer-only", CTRL, { { ACK, 1, WRITE, 0 } }, 1 },
    { "ctrl-mmio", CTRL, { { COMMAND, 3, 0, 0 }, { VIRTIO_NOTIFY, 1, WRITE, 0 } }, 2 },
    /* These only when a packet arrives. */
    { "rx-readable", RX, { { RX_BUFFER(0), 2000, 0, 0 } }, 1 },
    { "rx-tiny", RX, { { RX_BUFFER(0), 1, WRITE, 0 } }, 1 },
    { "rx-header-cut", RX, { { RX_BUFFER(0), HEADER - 1, WRITE, 0 } }, 1 },
    { "rx-outside", RX, { { RAM_END - 16, 2000, WRITE, 0 } }, 1 },
    { "rx-mmio", RX, { { VIRTIO_COMMON, 2000, WRITE, 0 } }, 1 },
    { "rx-loop", RX, { { RX_BUFFER(0), 2000, WRITE | NEXT, 0 } }, 1 },
};

static void test_hostile(void)
{
    start(CONTROL | MERGED);
    for (unsigned i = 0; i < G_N_ELEMENTS(hostile); i++) {
        g_test_message("%s", hostile[i].name);
        for (unsigned n = 0; n < hostile[i].count; n++) {
            struct vring_desc desc = hostile[i].descs[n];

            desc.flags |= n + 1 < hostile[i].count ? NEXT : 0;
            desc.next = desc.flags & NEXT && hostile[i].count > 1 ? 1 : 0;
            virtio_driver_desc(&d, hostile[i].queue, n, desc);
        }
        virtio_driver_offer(&d, hostile[i].queue, 0);
        virtio_driver_kick(&d, hostile[i].queue);
        if (hostile[i].queue == RX) {
            arrive(own, 100);
        }
        virtio_driver_wait_broken(&d);
        virtio_driver_start(&d, CONTROL | MERGED, QUEUES);
        check_works();
    }
    end();
}

/* Packets that no wire would carry are given back unsent. A header that was not negotiated goes nowhere. */
static void test_senseless_packets(void)
{
    struct virtio_net_hdr_mrg_rxbuf header = {
        .hdr = { .flags = 0xff, .gso_type = 0xff, .hdr_len = 0xffff, .gso_size = 0xffff, .csum_start = 0xffff,
                 .csum_offset = 0xffff },
        .num_buffers = 0xffff,
    };
    uint8_t got[101];

    start(CONTROL);
    offer(TX, 0, TX_BUFFER, HEADER, 0);
    offer(TX, 1, TX_BUFFER, HEADER + 13, 0);
    offer(TX, 2, TX_BUFFER, 0x100000, 0);
    virtio_driver_wait(&d, TX, 3);
    put_packet(100);
    qtest_memwrite(q, TX_BUFFER, &header, sizeof(header));
    offer(TX, 0, TX_BUFFER, HEADER + 100, 0);
    virtio_driver_wait(&d, TX, 1);
    g_assert_cmpint(depart(got, sizeof(got)), ==, 100);
    check_works();
    end();
}

/* ---- Commands ---- */

#define OK VIRTIO_NET_OK
#define BAD VIRTIO_NET_ERR

static const struct {
    uint8_t data[16];
    unsigned length;
    uint8_t ack;
} commands[] = {
    { { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 0 }, 3, OK },
    { { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC }, 2, BAD },
    { { VIRTIO_NET_CTRL_RX, 6, 1 }, 3, BAD },
    { { VIRTIO_NET_CTRL_RX, 0xff, 1 }, 3, BAD },
    { { 0xff, 0, 1 }, 3, BAD },
    { { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 0, 0, 0, 0, 0, 0, 0, 0 }, 10, OK },
    { { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 0, 0, 0, 0 }, 6, BAD },
    { { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 1, 0, 0, 0, 2, 2, 2, 2, 2, 2 }, 12, BAD },
    { { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 255, 255, 255, 255, 2, 2, 2, 2, 2, 2 }, 12, BAD },
    { { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 2, 0, 0, 0x80, 2, 2, 2, 2, 2, 2 }, 12, BAD },
    { { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, 2, 0, 0, 0, 0 }, 7, BAD },
    { { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, 2, 0, 0, 0, 0, 7, 7 }, 9, BAD },
    { { VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, 0xff, 0x0f }, 4, OK },
    { { VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, 0x00, 0x10 }, 4, BAD },
    { { VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL, 0xff, 0xff }, 4, BAD },
    { { VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL, 1 }, 3, BAD },
    { { VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK }, 2, BAD }, /* of nothing */
    { { VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, 1, 0, 0, 0, 0, 0, 0, 0 }, 10, BAD }, /* not negotiated */
    { { VIRTIO_NET_CTRL_MQ, 0, 1, 0 }, 4, BAD },
};

/* The next packet to arrive is that of `length` for `mac`; what was for others before it did not pass. */
static void check_next(const uint8_t *mac, size_t length)
{
    offer(RX, 1, RX_BUFFER(1), 0x10000, WRITE);
    arrive(mac, length);
    virtio_driver_wait(&d, RX, 1);
    g_assert_cmpuint(virtio_driver_used(&d, RX).len, ==, HEADER + length);
    check_received(RX_BUFFER(1), mac, length);
}

static void test_commands(void)
{
    static const uint8_t table[] = { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 1, 0, 0, 0,
                                     0x52, 0x54, 0, 0, 0, 9, 0, 0, 0, 0 };
    static const uint8_t set_mac[] = { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, 2, 0, 0, 0, 0, 7 };

    start(CONTROL);
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_test_message("command %u", i);
        g_assert_cmpuint(command(commands[i].data, commands[i].length), ==, commands[i].ack);
    }
    arrive(other, 77); /* not for us */
    check_next(own, 78);
    g_assert_cmpuint(command(table, sizeof(table)), ==, OK);
    check_next(other, 79);
    g_assert_cmpuint(command(set_mac, sizeof(set_mac)), ==, OK);
    g_assert_cmphex(qtest_readb(q, VIRTIO_CONFIG + 5), ==, 7);
    arrive(own, 80);
    check_next(set_mac + 2, 81);
    end();
}

/* Asked to, the device sends RARP for itself and asks the guest to do the same, which acknowledges. */
static void test_announce(void)
{
    static const uint8_t acknowledge[] = { VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK };
    uint64_t status = VIRTIO_CONFIG + offsetof(struct virtio_net_config, status);
    uint8_t frame[100];

    start(CONTROL);
    g_assert_cmphex(qtest_readw(q, status), ==, VIRTIO_NET_S_LINK_UP);
    qtest_qmp_ok(q, "{\"execute\": \"announce-self\", \"arguments\": {\"initial\": 10, \"max\": 10, \"rounds\": 1, "
                    "\"step\": 10}}");
    qtest_clock_step(q, 100000000);
    g_assert_cmpint(depart(frame, sizeof(frame)), ==, 60);
    g_assert_cmphex(frame[12] << 8 | frame[13], ==, 0x8035);
    g_assert_cmpmem(frame + 6, 6, own, 6);
    g_assert_cmphex(qtest_readw(q, status), ==, VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
    g_assert_cmpuint(command(acknowledge, sizeof(acknowledge)), ==, OK);
    g_assert_cmphex(qtest_readw(q, status), ==, VIRTIO_NET_S_LINK_UP);
    qtest_qmp_ok(q, "{\"execute\": \"set_link\", \"arguments\": {\"name\": \"net0\", \"up\": false}}");
    g_assert_cmphex(qtest_readw(q, status), ==, 0);
    end();
}

/* ---- Resets with packets under way ---- */

static size_t receive_any(void)
{
    offer(RX, 1, RX_BUFFER(1), 0x10000, WRITE);
    virtio_driver_wait(&d, RX, 1);
    return virtio_driver_used(&d, RX).len - HEADER;
}

static void test_resets(void)
{
    start(CONTROL | RING_RESET);
    for (unsigned round = 0; round < 3; round++) {
        offer(RX, 0, RX_BUFFER(0), 0x10000, WRITE);
        for (unsigned n = 0; n < 4; n++) {
            arrive(own, 100);
            offer(TX, n, TX_BUFFER, HEADER + 60, 0);
        }
        if (round == 0) {
            qtest_writeb(q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_STATUS, 0);
        } else if (round == 1) {
            qtest_writew(q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_Q_SELECT, RX);
            qtest_writew(q, VIRTIO_COMMON + 58, 1);
        } else {
            qtest_qmp_ok(q, "{\"execute\": \"system_reset\"}");
            json_object_unref(qtest_qmp_event(q, "RESET"));
            virtio_driver_init(&d, q, SLOT);
        }
        qtest_memset(q, RX_BUFFER(0), 0xcc, 0x10000);
        arrive(own, 100);
        virtio_driver_start(&d, CONTROL | RING_RESET, QUEUES);
        arrive(own, 200 + round);
        g_assert_cmphex(qtest_readl(q, RX_BUFFER(0)), ==, 0xcccccccc);
        for (size_t got = 0; got != 200 + round; got = receive_any()) {
            /* Those from before the reset may come first. */
        }
    }
    end();
}

/* ---- State ---- */

#define SECTION "0000:00:02.0/virtio-net"

/* What QEMU 7.2 writes when this test drives it: length and SHA-256 of the section's body. */
static const struct {
    const char *properties;
    uint64_t features; /* 0: no driver */
    gsize length;
    const char *sha256;
} golden[] = {
    { "", 0, 46143,
      "d930f400271bc9d2d0532fa6ee151bd01e8c576b0d2f30a7fe224d3f6cd8ae4f" },
    { "", CONTROL | MERGED, 50293,
      "9fff43dd7afbd184c85dadae5583195b6e6b506936d515c09a81e7757b0942b4" },
    { ",vectors=0,mrg_rxbuf=off,ctrl_vlan=off,host_mtu=1400", F(MTU) | F(CTRL_VQ) | F(CTRL_RX) | F(MAC), 50224,
      "7ff94ee3d1a705c214f69d52fcff07ae5b5e86791313ff1f32d4006b2a34ae0a" },
    { ",disable-legacy=on,speed=1000,duplex=full,rx_queue_size=1024", CONTROL, 50302,
      "c539a05a3e7636cf87345c7b87447d07bca286e969ad5516fe87f97a47030065" },
};

/* Addresses, VLANs and modes that are not the default. */
static void set_filter(uint64_t features)
{
    static const uint8_t table[] = { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 1, 0, 0, 0,
                                     0x52, 0x54, 0, 0, 0, 9, 1, 0, 0, 0, 1, 0, 0x5e, 0, 0, 7 };
    static const uint8_t promisc[] = { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 0 };
    static const uint8_t mode[] = { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, 1 };
    static const uint8_t extra[] = { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, 1 };
    static const uint8_t vlan[] = { VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, 100, 0 };
    static const uint8_t set_mac[] = { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, 2, 0, 0, 0, 0, 7 };

    g_assert_cmpuint(command(table, sizeof(table)), ==, OK);
    g_assert_cmpuint(command(promisc, sizeof(promisc)), ==, OK);
    g_assert_cmpuint(command(mode, sizeof(mode)), ==, OK);
    if (features & F(CTRL_RX_EXTRA)) {
        g_assert_cmpuint(command(extra, sizeof(extra)), ==, OK);
        g_assert_cmpuint(command(vlan, sizeof(vlan)), ==, OK);
        g_assert_cmpuint(command(set_mac, sizeof(set_mac)), ==, OK);
    }
}

static void test_golden(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(golden); i++) {
        g_autofree char *path = NULL, *sum = NULL;
        g_autoptr(GBytes) section = NULL;

        start_machine(golden[i].properties);
        if (golden[i].features) {
            virtio_driver_start(&d, golden[i].features, QUEUES);
            set_filter(golden[i].features);
        }
        qtest_readb(q, VIRTIO_CONFIG); /* QEMU writes zeros until somebody has read it */
        qtest_qmp_ok(q, "{\"execute\": \"stop\"}");
        path = qtest_save(q, "golden");
        end();
        section = qtest_section(path, SECTION);
        sum = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, section);
        g_test_message("%u: %zu %s", i, g_bytes_get_size(section), sum);
        g_assert_cmpuint(g_bytes_get_size(section), ==, golden[i].length);
        g_assert_cmpstr(sum, ==, golden[i].sha256);
    }
}

static bool interrupt_pending(void)
{
    return virtio_pci_read(&d, PCI_COMMAND) >> 16 & PCI_STATUS_INTERRUPT;
}

/* Filter, address and rings arrive; so does a packet that comes while the guest does not run yet. */
static void test_round_trip(void)
{
    static const uint8_t new_mac[] = { 2, 0, 0, 0, 0, 7 };
    g_autofree char *path = NULL, *again = NULL;
    g_autoptr(GBytes) first = NULL, second = NULL;

    start(CONTROL | MERGED);
    set_filter(CONTROL);
    offer(RX, 0, RX_BUFFER(0), 0x10000, WRITE);
    g_assert_true(interrupt_pending());
    qtest_qmp_ok(q, "{\"execute\": \"stop\"}");
    path = qtest_save(q, "state");
    end();
    first = qtest_section(path, SECTION);

    start_machine(" -S -incoming defer");
    d.offered[RX] = 1;
    qtest_qmp_ok(q, "{\"execute\": \"migrate-set-parameters\", \"arguments\": {\"announce-rounds\": 0}}");
    g_assert_true(qtest_load(q, path));
    g_assert_true(interrupt_pending()); /* which is not in the stream: it follows from the level of INTA */
    again = qtest_save(q, "again");
    second = qtest_section(again, SECTION);
    g_assert_cmpmem(g_bytes_get_data(first, NULL), g_bytes_get_size(first), g_bytes_get_data(second, NULL),
                    g_bytes_get_size(second));
    arrive(own, 50); /* no longer ours */
    arrive(new_mac, 120);
    qtest_qmp_ok(q, "{\"execute\": \"cont\"}");
    virtio_driver_wait(&d, RX, 1);
    check_received(RX_BUFFER(0), new_mac, 120);
    end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/virtio-net/packets", test_packets);
    g_test_add_func("/qtest/virtio-net/merged", test_merged);
    g_test_add_func("/qtest/virtio-net/too-long", test_too_long);
    g_test_add_func("/qtest/virtio-net/hostile", test_hostile);
    g_test_add_func("/qtest/virtio-net/senseless-packets", test_senseless_packets);
    g_test_add_func("/qtest/virtio-net/commands", test_commands);
    g_test_add_func("/qtest/virtio-net/announce", test_announce);
    g_test_add_func("/qtest/virtio-net/resets", test_resets);
    g_test_add_func("/qtest/virtio-net/state/golden", test_golden);
    g_test_add_func("/qtest/virtio-net/state/round-trip", test_round_trip);
    return g_test_run();
}
