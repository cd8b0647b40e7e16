/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks: who is whose peer, packets that wait, links, backends and their parameters, packets over sockets. */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "memory/memory.h"
#include "net/announce.h"
#include "net/net.h"
#include "qapi/qapi-commands.h"
#include "util/main-loop.h"

/* A client that takes as many packets as it is told to. */
struct fake {
    struct net_client client; /* first */
    int room;
    unsigned resumed, link_changes, announced;
    GString *got;             /* first bytes of what came */
    bool answers;             /* sends a packet from within receive() */
};

static bool fake_receive(struct net_client *client, const uint8_t *data, size_t length)
{
    struct fake *f = (struct fake *)client;

    if (!f->room) {
        return false;
    }
    f->room--;
    g_string_append_c(f->got, data[0]);
    if (f->answers) {
        net_send(client, "!", 1);
    }
    return true;
}

static void fake_resume(struct net_client *client)
{
    ((struct fake *)client)->resumed++;
}

static void fake_link_changed(struct net_client *client)
{
    ((struct fake *)client)->link_changes++;
}

static void fake_destroy(struct net_client *client)
{
    net_client_cleanup(client);
}

static void fake_announce(struct net_client *client)
{
    ((struct fake *)client)->announced++;
}

static const struct net_client_ops nic_ops = { .announce = fake_announce,
                                               .type = "nic", .is_nic = true, .receive = fake_receive,
                                               .resume = fake_resume, .link_changed = fake_link_changed };
static const struct net_client_ops backend_ops = { .type = "fake", .receive = fake_receive, .resume = fake_resume,
                                                   .destroy = fake_destroy };
static struct fake nic, backend;

static void fake_init(struct fake *f, const struct net_client_ops *ops, const char *name)
{
    *f = (struct fake){ .room = 1000, .got = g_string_new(NULL) };
    net_client_init(&f->client, ops, name);
}

static void fake_end(struct fake *f)
{
    if (f->client.name) {
        net_client_cleanup(&f->client);
    }
    g_string_free(f->got, TRUE);
}

static void pair_up(void)
{
    g_autoptr(GError) error = NULL;

    fake_init(&backend, &backend_ops, "b");
    fake_init(&nic, &nic_ops, "n");
    g_assert_true(net_attach(&nic.client, "b", "fake-nic", &error));
}

static void pair_end(void)
{
    fake_end(&nic);
    fake_end(&backend);
}

static bool send_byte(struct fake *f, char c)
{
    return net_send(&f->client, &c, 1);
}

/* ---- Peers ---- */

static void test_attach(void)
{
    struct fake other;
    GError *error = NULL;

    pair_up();
    fake_init(&other, &nic_ops, "o");
    g_assert_false(net_attach(&other.client, "b", "fake-nic", &error));
    g_assert_cmpstr(error->message, ==, "Property 'fake-nic.netdev' can't take value 'b', it's in use by 'n'");
    g_clear_error(&error);
    g_assert_false(net_attach(&other.client, "n", "fake-nic", &error)); /* no backend */
    g_clear_error(&error);
    g_assert_false(net_attach(&other.client, "zz", "fake-nic", &error));
    g_assert_nonnull(strstr(error->message, "can't find value 'zz'"));
    g_clear_error(&error);
    fake_end(&other);
    pair_end();
}

/* The cable is pulled: the NIC stays, down, and what it sends is lost, not kept. */
static void test_backend_goes(void)
{
    GError *error = NULL;

    pair_up();
    backend.room = 0;
    g_assert_false(send_byte(&nic, 'a'));
    qmp_netdev_del("b", &error);
    g_assert_no_error(error);
    g_assert_true(nic.client.link_down && !nic.client.peer && nic.link_changes == 1 && nic.resumed == 1);
    g_assert_true(send_byte(&nic, 'b'));
    qmp_netdev_del("b", &error);
    g_assert_true(g_error_matches(error, FERRY_ERROR, FERRY_ERROR_DEVICE_NOT_FOUND));
    g_clear_error(&error);
    qmp_netdev_del("n", &error); /* not a backend */
    g_assert_true(g_error_matches(error, FERRY_ERROR, FERRY_ERROR_DEVICE_NOT_FOUND));
    g_clear_error(&error);
    pair_end();
}

/* A NIC that goes frees its backend for the next, and lets it send (into nothing). */
static void test_nic_goes(void)
{
    GError *error = NULL;

    pair_up();
    nic.room = 0;
    g_assert_false(send_byte(&backend, 'a'));
    net_client_cleanup(&nic.client);
    g_assert_cmpuint(backend.resumed, ==, 1);
    g_assert_true(send_byte(&backend, 'b'));
    net_client_init(&nic.client, &nic_ops, "n2");
    g_assert_true(net_attach(&nic.client, "b", "fake-nic", &error));
    nic.room = 10;
    g_assert_true(send_byte(&backend, 'c'));
    g_assert_cmpstr(nic.got->str, ==, "c");
    pair_end();
}

/* ---- Packets ---- */

static void test_order_and_back_pressure(void)
{
    pair_up();
    nic.room = 2;
    g_assert_true(send_byte(&backend, 'a'));
    g_assert_true(send_byte(&backend, 'b'));
    g_assert_false(send_byte(&backend, 'c'));
    nic.room = 1;
    g_assert_false(send_byte(&backend, 'd')); /* behind c, though there is room */
    g_assert_cmpstr(nic.got->str, ==, "ab");
    g_assert_false(net_flush(&nic.client));
    g_assert_cmpstr(nic.got->str, ==, "abc");
    g_assert_cmpuint(backend.resumed, ==, 0);
    nic.room = 5;
    g_assert_true(net_flush(&nic.client));
    g_assert_cmpstr(nic.got->str, ==, "abcd");
    g_assert_cmpuint(backend.resumed, ==, 1);
    g_assert_true(net_flush(&nic.client)); /* nothing to do: nobody is told again */
    g_assert_cmpuint(backend.resumed, ==, 1);
    pair_end();
}

static void test_bounded(void)
{
    pair_up();
    nic.room = 0;
    for (int i = 0; i < 3 * NET_QUEUE_PACKETS; i++) {
        g_assert_false(send_byte(&backend, i < NET_QUEUE_PACKETS ? 'k' : 'l'));
    }
    nic.room = 4 * NET_QUEUE_PACKETS;
    g_assert_true(net_flush(&nic.client));
    g_assert_cmpuint(nic.got->len, ==, NET_QUEUE_PACKETS);
    g_assert_null(strchr(nic.got->str, 'l'));
    pair_end();
}

/* Both answer every packet from within receive(): no recursion, nothing lost, no end but the room's. */
static void test_reentrance(void)
{
    pair_up();
    nic.answers = backend.answers = true;
    nic.room = backend.room = 50;
    send_byte(&nic, 'x');
    for (int i = 0; i < 200; i++) {
        net_flush(&nic.client);
        net_flush(&backend.client);
    }
    g_assert_cmpint(MIN(nic.room, backend.room), ==, 0);
    g_assert_cmpint(MAX(nic.room, backend.room), <=, 1);
    pair_end();
}

static void test_link(void)
{
    GError *error = NULL;

    pair_up();
    qmp_set_link("n", false, &error);
    g_assert_no_error(error);
    g_assert_true(send_byte(&nic, 'a') && send_byte(&backend, 'b')); /* lost */
    g_assert_cmpuint(nic.link_changes, ==, 1);
    qmp_set_link("n", true, &error);
    qmp_set_link("b", false, &error); /* the NIC's end follows */
    g_assert_true(nic.client.link_down && nic.link_changes == 3);
    qmp_set_link("b", true, &error);
    g_assert_true(send_byte(&nic, 'c') && send_byte(&backend, 'd'));
    g_assert_cmpstr(backend.got->str, ==, "c");
    g_assert_cmpstr(nic.got->str, ==, "d");
    qmp_set_link("zz", true, &error);
    g_assert_true(g_error_matches(error, FERRY_ERROR, FERRY_ERROR_DEVICE_NOT_FOUND));
    g_clear_error(&error);
    pair_end();
}

static void test_mac(void)
{
    static const char *const bad[] = { "", "52:54:00:12:34", "52:54:00:12:34:5g", "52:54:00:12:34:56:78", "1:2:3:4:5:100" };
    uint8_t mac[ETHER_ADDRESS];
    g_autofree char *text = NULL;

    g_assert_true(net_parse_mac("52:54:00:AB:cd:5", mac));
    text = net_print_mac(mac);
    g_assert_cmpstr(text, ==, "52:54:00:ab:cd:05");
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(net_parse_mac(bad[i], mac));
    }
    pair_up();
    net_default_mac(mac);
    memcpy(nic.client.mac, mac, sizeof(mac));
    net_default_mac(mac);
    g_assert_cmphex(nic.client.mac[5], ==, 0x56);
    g_assert_cmphex(mac[5], ==, 0x57);
    pair_end();
}

/* Rounds of RARP from the NIC, each with the guest's own; only of those that were named. */
static void test_announce(void)
{
    const struct announce_parameters parameters = { .initial = 1, .max = 2, .rounds = 4, .step = 1 };
    static const char *const others[] = { "zz", NULL };
    int64_t end = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;
    GError *error = NULL;

    pair_up();
    announce_start(&parameters, others);
    g_assert_cmpuint(backend.got->len, ==, 0);
    announce_start(&parameters, NULL);
    g_assert_cmpstr(backend.got->str, ==, "\xff"); /* to everyone, at once */
    while (nic.announced < 4 && g_get_monotonic_time() < end) {
        main_loop_iterate(false);
    }
    for (int i = 0; i < 20; i++) {
        main_loop_iterate(false);
        g_usleep(1000);
    }
    g_assert_cmpuint(nic.announced, ==, 4);
    g_assert_cmpuint(backend.got->len, ==, 4);
    qmp_announce_self(0, 0, 1001, 0, NULL, &error);
    g_assert_nonnull(strstr(error->message, "'rounds'"));
    g_clear_error(&error);
    pair_end();
}

/* ---- Backends ---- */

static void test_options(void)
{
    static const struct {
        const char *text, *error; /* NULL: good */
    } rows[] = {
        { "user,id=u", "Duplicate ID 'u'" },
        { "zz,id=a", "does not accept value 'zz'" },
        { "id=a", "Parameter 'type' is missing" },
        { "user", "Parameter 'id' is missing" },
        { "user,id=1", "expects an identifier" },
        { "user,id=a,smb=/tmp", "Parameter 'smb' is unexpected" },
        { "user,id=a,net=10.0.0.0/29", "mask of 4 to 28 bits" },
        { "user,id=a,net=10.0.0.0/255.0.255.0", "mask of 4 to 28 bits" },
        { "user,id=a,net=x", "Parameter 'net'" },
        { "user,id=a,host=10.9.0.1", "Parameter 'host': 10.9.0.1 lies outside" },
        { "user,id=a,dns=10.0.2.2", "the same as 'host'" },
        { "user,id=a,ipv4=off,ipv6=off", "both off" },
        { "user,id=a,restrict=maybe", "restrict" },
        { "user,id=a,hostfwd=tcp::x-:1", "Invalid host forwarding rule" },
        { "user,id=a,hostfwd=tcp::1-:0", "Invalid host forwarding rule" },
        { "user,id=a,hostfwd=icmp::1-:1", "Invalid host forwarding rule" },
        { "user,id=a,hostfwd=:1", "Invalid host forwarding rule" },
        { "{\"type\":\"user\",\"id\":\"a\",\"hostfwd\":[{\"string\":\"x\"}]}", "'hostfwd[0].string' is unexpected" },
        { "tap,id=a,vhost=on", "'vhost=on' is not supported" },
        { "tap,id=a,fd=0,ifname=x", "invalid with fd=" },
        { "tap,id=a,fd=99999999999", "fd" },
        { "tap,id=a,queues=2", "Parameter 'queues' is unexpected" },
        { "socket,id=a", "exactly one of" },
        { "socket,id=a,listen=:1,connect=:2", "exclude each other" },
        { "socket,id=a,listen=1", "is not host:port" },
        { "socket,id=a,udp=127.0.0.1:1", "needs 'localaddr'" },
        { "socket,id=a,mcast=127.0.0.1:1", "not an IPv4 multicast address" },
        { "dgram,id=a", "are both needed" },
        { "dgram,id=a,local.type=unix", "Parameter 'local.path' is missing" },
        { "dgram,id=a,local.type=vsock", "does not accept value 'vsock'" },
        { "dgram,id=a,remote.type=fd,remote.str=1", "does not accept value 'fd'" },
        { "dgram,id=a,local.type=inet,local.host=127.0.0.1,local.port=0,remote.type=unix,remote.path=/x",
          "are not the same" },
        { "stream,id=a", "'addr' is missing" },
        { "stream,id=a,addr.type=vsock", "does not accept value 'vsock'" },
        { "stream,id=a,addr.type=inet,addr.host=127.0.0.1", "'addr.port' is missing" },
        { "stream,id=a,addr.type=unix,addr.path=/nonexistent/x", "cannot connect to addr=/nonexistent/x" },
        { "stream,id=a,server=on,addr.type=unix,addr.path=/nonexistent/x", "cannot listen at addr=/nonexistent/x" },
        { "stream,id=a,server=on,addr.type=unix,addr.path=", "expects 1 to 107 bytes" },
        { "stream,id=a,addr.type=fd,addr.str=0", "'0' is not a stream socket" },
        { "stream,id=a,addr.type=fd,addr.str=nobody", "'nobody' not found" },
        { "user,id=b,net=172.20.0.0/16,host=172.20.1.1,dns=172.20.1.2,dhcpstart=172.20.2.1,hostname=h,restrict=on",
          NULL },
        { "user,id=c,ipv6=off,hostfwd=tcp:127.0.0.1:0-:22,hostfwd=udp:127.0.0.1:0-10.0.2.20:53", NULL },
        { "{\"type\":\"user\",\"id\":\"d\",\"ipv6\":false,\"hostfwd\":[{\"str\":\"tcp:127.0.0.1:0-:1\"}]}", NULL },
        { "socket,id=e,listen=127.0.0.1:0", NULL },
    };
    g_autoptr(GError) error = NULL;

    g_assert_true(netdev_add_option("user,id=u", &error));
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        bool ok = netdev_add_option(rows[i].text, &error);

        if (!rows[i].error) {
            g_assert_no_error(error);
        } else if (ok || !strstr(error->message, rows[i].error)) {
            g_error("%s: %s", rows[i].text, ok ? "accepted" : error->message);
        }
        g_clear_error(&error);
    }
    netdev_remove_all();
    g_assert_null(net_client_find("u"));
}

/* What `f` has got once it is that many bytes. */
static void wait_for(const struct fake *f, guint length)
{
    int64_t end = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;

    while (f->got->len < length && g_get_monotonic_time() < end) {
        main_loop_iterate(false);
    }
    g_assert_cmpuint(f->got->len, ==, length);
}

/* Two machines' ends of one cable, each with a NIC. */
static void check_cable(const char *first, const char *second, bool connection)
{
    g_autoptr(GError) error = NULL;
    struct fake a, b;

    netdev_add_option(first, &error);
    g_assert_no_error(error);
    netdev_add_option(second, &error);
    g_assert_no_error(error);
    fake_init(&a, &nic_ops, "a");
    fake_init(&b, &nic_ops, "b");
    g_assert_true(net_attach(&a.client, "one", "x", NULL) && net_attach(&b.client, "two", "x", NULL));
    for (int i = 0; connection && i < 100; i++) {
        main_loop_iterate(false); /* accepts */
    }
    b.room = 0;
    for (int i = 0; i < 5; i++) {
        send_byte(&a, '0' + i);
    }
    send_byte(&b, 'x');
    wait_for(&a, 1);
    b.room = 100;
    for (int i = 0; i < 100 && !b.client.peer_waits; i++) {
        main_loop_iterate(false);
    }
    net_flush(&b.client);
    wait_for(&b, 5);
    g_assert_cmpstr(a.got->str, ==, "x");
    g_assert_cmpstr(b.got->str, ==, "01234");
    fake_end(&a);
    fake_end(&b);
    netdev_remove_all();
}

static void test_stream_cable(void)
{
    check_cable("socket,id=one,listen=127.0.0.1:45671", "socket,id=two,connect=127.0.0.1:45671", true);
}

static void test_new_stream_cable(void)
{
    g_autofree char *dir = g_dir_make_tmp("ferry-net-XXXXXX", NULL);
    g_autofree char *path = g_strdup_printf("%s/a", dir);
    g_autofree char *one = g_strdup_printf("stream,id=one,server=on,addr.type=unix,addr.path=%s", path);
    g_autofree char *two = g_strdup_printf("{\"type\":\"stream\",\"id\":\"two\",\"addr\":{\"type\":\"unix\",\"path\":"
                                           "\"%s\"}}", path);

    check_cable("stream,id=one,server=on,addr.type=inet,addr.host=127.0.0.1,addr.port=45675",
                "stream,id=two,addr.type=inet,addr.host=127.0.0.1,addr.port=45675", true);
    check_cable(one, two, true);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_assert_cmpint(rmdir(dir), ==, 0);
}

static void test_stream_fd_cable(void)
{
    int fds[2];
    g_autofree char *one = NULL, *two = NULL;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    one = g_strdup_printf("stream,id=one,addr.type=fd,addr.str=%d", fds[0]);
    two = g_strdup_printf("stream,id=two,addr.type=fd,addr.str=%d", fds[1]);
    check_cable(one, two, false);
}

static void test_udp_cable(void)
{
    check_cable("socket,id=one,udp=127.0.0.1:45672,localaddr=127.0.0.1:45673",
                "socket,id=two,udp=127.0.0.1:45673,localaddr=127.0.0.1:45672", false);
}

static void test_unix_cable(void)
{
    g_autofree char *dir = g_dir_make_tmp("ferry-net-XXXXXX", NULL);
    g_autofree char *a = g_strdup_printf("%s/a", dir), *b = g_strdup_printf("%s/b", dir);
    g_autofree char *one = g_strdup_printf("dgram,id=one,local.type=unix,local.path=%s,remote.type=unix,"
                                           "remote.path=%s", a, b);
    g_autofree char *two = g_strdup_printf("{\"type\":\"dgram\",\"id\":\"two\",\"local\":{\"type\":\"unix\",\"path\":"
                                           "\"%s\"},\"remote\":{\"type\":\"unix\",\"path\":\"%s\"}}", b, a);

    check_cable(one, two, false);
    g_assert_false(g_file_test(a, G_FILE_TEST_EXISTS)); /* taken away with its backend */
    g_assert_cmpint(rmdir(dir), ==, 0);
}

static void test_fd_cable(void)
{
    int fds[2];
    g_autofree char *one = NULL, *two = NULL;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), ==, 0);
    one = g_strdup_printf("dgram,id=one,local.type=fd,local.str=%d", fds[0]);
    two = g_strdup_printf("dgram,id=two,local.type=fd,local.str=%d", fds[1]);
    check_cable(one, two, false);
}

/* A stranger's length that is no packet's: the connection ends, the listener lives on. */
static void test_stream_nonsense(void)
{
    static const uint8_t huge[] = { 0xff, 0xff, 0xff, 0xff, 1, 2, 3 };
    static const uint8_t good[] = { 0, 0, 0, 1, 'y' };
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(45674),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    char byte;

    g_assert_true(netdev_add_option("socket,id=one,listen=127.0.0.1:45674", NULL));
    fake_init(&nic, &nic_ops, "a");
    g_assert_true(net_attach(&nic.client, "one", "x", NULL));
    for (int i = 0; i < 2; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
        g_assert_cmpint(write(fd, good, sizeof(good)), ==, sizeof(good));
        wait_for(&nic, i + 1);
        g_assert_cmpint(write(fd, huge, sizeof(huge)), ==, sizeof(huge));
        for (int n = 0; n < 100; n++) {
            main_loop_iterate(false);
        }
        g_assert_cmpint(recv(fd, &byte, 1, MSG_DONTWAIT), <=, 0);
        close(fd);
    }
    fake_end(&nic);
    netdev_remove_all();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    g_test_add_func("/net/attach", test_attach);
    g_test_add_func("/net/backend-goes", test_backend_goes);
    g_test_add_func("/net/nic-goes", test_nic_goes);
    g_test_add_func("/net/order-and-back-pressure", test_order_and_back_pressure);
    g_test_add_func("/net/bounded", test_bounded);
    g_test_add_func("/net/reentrance", test_reentrance);
    g_test_add_func("/net/link", test_link);
    g_test_add_func("/net/announce", test_announce);
    g_test_add_func("/net/mac", test_mac);
    g_test_add_func("/net/options", test_options);
    g_test_add_func("/net/cable/stream", test_stream_cable);
    g_test_add_func("/net/new-stream-cable", test_new_stream_cable);
    g_test_add_func("/net/stream-fd-cable", test_stream_fd_cable);
    g_test_add_func("/net/cable/udp", test_udp_cable);
    g_test_add_func("/net/cable/unix", test_unix_cable);
    g_test_add_func("/net/cable/fd", test_fd_cable);
    g_test_add_func("/net/stream-nonsense", test_stream_nonsense);
    return g_test_run();
}
