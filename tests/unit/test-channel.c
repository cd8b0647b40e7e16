/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each kind of channel carries bytes, tells what is wrong with an address, and lets go of whoever is blocked. */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "migration/channel.h"
#include "migration/stream.h"
#include "util/main-loop.h"

#define LENGTH (3 << 20)

static char *directory;

static char *path_in(const char *name)
{
    return g_build_filename(directory, name, NULL);
}

struct transfer {
    char *uri;
    struct channel *channel;
    uint8_t *data;
};

static gpointer writer_thread(gpointer opaque)
{
    struct transfer *t = opaque;
    GError *error = NULL;
    struct channel *channel = t->channel ? t->channel : channel_connect(t->uri, -1, -1, &error);
    struct stream *s;

    g_assert_no_error(error);
    s = stream_new_output(channel);
    stream_put_u32(s, 0x01020304);
    for (size_t at = 0; at < LENGTH; at += 4096) { /* as pages are sent: a number, then memory from where it lies */
        stream_put_u64(s, at);
        stream_put_reference(s, t->data + at, 4096);
    }
    stream_put_counted_string(s, "end");
    g_assert_true(stream_flush(s));
    g_assert_true(channel_wait_read(channel, 10000, &error));
    g_assert_true(stream_close(s, &error));
    g_assert_no_error(error);
    stream_free(s);
    return NULL;
}

static void read_and_check(struct channel *channel, const uint8_t *data)
{
    struct stream *s = stream_new_input(channel);
    g_autofree uint8_t *page = g_malloc(4096);
    char text[256];

    g_assert_cmpint(stream_peek_u8(s, 3), ==, 4);
    g_assert_cmphex(stream_get_u32(s), ==, 0x01020304);
    for (size_t at = 0; at < LENGTH; at += 4096) {
        g_assert_cmpuint(stream_get_u64(s), ==, at);
        stream_get_buffer(s, page, 4096);
        g_assert_cmpmem(page, 4096, data + at, 4096);
    }
    g_assert_true(stream_get_counted_string(s, text));
    g_assert_cmpstr(text, ==, "end");
    g_assert_cmpuint(stream_position(s), ==, 4 + LENGTH / 4096 * 4104 + 4);
    stream_get_u8(s);
    g_assert_nonnull(strstr(stream_error(s)->message, "the stream ends after"));
    stream_free(s);
}

static uint8_t *pattern(void)
{
    uint8_t *data = g_malloc(LENGTH);

    for (size_t i = 0; i < LENGTH; i++) {
        data[i] = i * 7 + i / 4096;
    }
    return data;
}

/* Listens at `uri`; connects where the listener says that it is. */
static void check_socket(const char *uri)
{
    g_autofree uint8_t *data = pattern();
    struct transfer t = { .data = data };
    struct channel_listener *listener;
    GError *error = NULL;
    GThread *writer;

    listener = channel_listen(uri, -1, &error);
    g_assert_no_error(error);
    t.uri = channel_listener_address(listener);
    writer = g_thread_new("writer", writer_thread, &t);
    read_and_check(channel_accept(listener, -1, &error), data);
    g_thread_join(writer);
    channel_listener_free(listener);
    g_free(t.uri);
}

static void test_unix(void)
{
    g_autofree char *path = path_in("socket");
    g_autofree char *uri = g_strconcat("unix:", path, NULL);

    check_socket(uri);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void test_tcp(void)
{
    check_socket("tcp:127.0.0.1:0");
}

static void test_fd(void)
{
    g_autofree uint8_t *data = pattern();
    struct transfer t = { .data = data };
    struct channel_listener *listener;
    GThread *writer;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    t.channel = channel_connect("fd:name", fds[0], -1, NULL);
    listener = channel_listen("fd:7", fds[1], NULL);
    writer = g_thread_new("writer", writer_thread, &t);
    read_and_check(channel_accept(listener, -1, NULL), data);
    g_thread_join(writer);
    channel_listener_free(listener);
}

/* Written first, read afterwards. */
static void check_stored(const char *out, const char *in)
{
    g_autofree uint8_t *data = pattern();
    struct transfer t = { .uri = (char *)out, .data = data };
    struct channel_listener *listener;
    GError *error = NULL;

    writer_thread(&t);
    listener = channel_listen(in, -1, &error);
    g_assert_no_error(error);
    read_and_check(channel_accept(listener, -1, NULL), data);
    channel_listener_free(listener);
}

static void test_file(void)
{
    g_autofree char *path = path_in("stream");
    g_autofree char *uri = g_strconcat("file:", path, NULL);

    check_stored(uri, uri);
    g_unlink(path);
}

static void test_exec(void)
{
    g_autofree char *path = path_in("stream");
    g_autofree char *out = g_strdup_printf("exec:cat > '%s'", path);
    g_autofree char *in = g_strdup_printf("exec:cat '%s'", path);

    check_stored(out, in);
    g_unlink(path);
}

static void test_exec_fails(void)
{
    struct channel *channel = channel_connect("exec:cat > /dev/null; exit 3", -1, -1, NULL);
    GError *error = NULL;

    g_assert_false(channel_close(channel, &error));
    g_assert_nonnull(strstr(error->message, "ended with status 3"));
    g_error_free(error);
}

static void check_uri_refused(const char *uri, const char *message)
{
    GError *error = NULL;

    g_assert_false(channel_check_uri(uri, &error));
    g_assert_nonnull(strstr(error->message, message));
    g_error_free(error);
}

static void test_bad_uris(void)
{
    g_autofree char *longer = g_strnfill(120, 'x');
    g_autofree char *long_path = g_strconcat("unix:/", longer, NULL);

    check_uri_refused("rdma:host:1",
                      "unknown migration protocol in 'rdma:host:1'; known are unix:PATH, tcp:HOST:PORT");
    check_uri_refused("", "unknown migration protocol");
    check_uri_refused("unix:", "lacks an address: it should be unix:PATH");
    check_uri_refused(long_path, "at most 107 fit");
    check_uri_refused("tcp:host", "should be tcp:HOST:PORT");
    check_uri_refused("tcp:host:70000", "a port of 0 to 65535");
    check_uri_refused("tcp:[::1:70", "opens a bracket");
}

static void test_connect_fails(void)
{
    g_autofree char *path = path_in("nobody");
    g_autofree char *uri = g_strconcat("unix:", path, NULL);
    GError *error = NULL;

    g_assert_null(channel_connect(uri, -1, -1, &error));
    g_assert_nonnull(strstr(error->message, "cannot connect to the socket"));
    g_clear_error(&error);
    g_assert_null(channel_connect("tcp:127.0.0.1:1", -1, -1, &error));
    g_assert_nonnull(strstr(error->message, "cannot connect to 127.0.0.1:1: Connection refused"));
    g_clear_error(&error);
}

/* ---- cancelling ---- */

static gpointer blocked_writer(gpointer opaque)
{
    g_autofree uint8_t *data = g_malloc0(LENGTH);
    struct iovec iov = { data, LENGTH };
    GError *error = NULL;

    g_assert_false(channel_writev(opaque, &iov, 1, &error)); /* nobody reads: more than fits */
    g_assert_nonnull(error);
    g_error_free(error);
    return NULL;
}

static gpointer blocked_reader(gpointer opaque)
{
    uint8_t byte;
    struct iovec iov = { &byte, 1 };
    GError *error = NULL;

    g_assert_cmpint(channel_readv(opaque, &iov, 1, &error), ==, -1);
    g_assert_cmpstr(error->message, ==, "the channel was shut down");
    g_error_free(error);
    return NULL;
}

static void check_shutdown(int mine, int other, GThreadFunc blocked)
{
    struct channel *channel = channel_new_fd(mine, NULL);
    GThread *thread = g_thread_new("blocked", blocked, channel);

    g_usleep(20000);
    channel_shutdown(channel);
    g_thread_join(thread);
    channel_close(channel, NULL);
    close(other);
}

static void test_shutdown(void)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    check_shutdown(fds[0], fds[1], blocked_writer);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    check_shutdown(fds[0], fds[1], blocked_reader);
    g_assert_cmpint(pipe(fds), ==, 0);
    check_shutdown(fds[1], fds[0], blocked_writer);
    g_assert_cmpint(pipe(fds), ==, 0);
    check_shutdown(fds[0], fds[1], blocked_reader);
}

static void test_accept_cancelled(void)
{
    g_autofree char *path = path_in("socket");
    g_autofree char *uri = g_strconcat("unix:", path, NULL);
    struct channel_listener *listener = channel_listen(uri, -1, NULL);
    int cancel = eventfd(1, 0);
    GError *error = NULL;

    g_assert_null(channel_accept(listener, cancel, &error));
    g_assert_cmpstr(error->message, ==, "no longer waiting for a migration");
    g_error_free(error);
    close(cancel);
    channel_listener_free(listener);
}

static gpointer reading_thread(gpointer opaque)
{
    struct channel *channel = channel_new_fd(GPOINTER_TO_INT(opaque), NULL);
    struct stream *s = stream_new_input(channel);

    for (uint32_t i = 0; i < LENGTH / 4; i++) {
        g_assert_cmpuint(stream_get_u32(s), ==, i);
    }
    g_assert_null(stream_error(s));
    stream_free(s);
    return NULL;
}

/* With a peer that does not read: what goes without waiting goes, and all of it arrives in order later. */
static void test_try_flush(void)
{
    GThread *thread;
    struct stream *s;
    uint32_t i = 0;
    size_t room;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    s = stream_new_output(channel_new_fd(fds[0], NULL));
    room = stream_room(s);
    for (; stream_room(s) >= sizeof(i); i++) {
        stream_put_u32(s, i);
        if (i % 1000 == 0) {
            stream_try_flush(s);
        }
    }
    g_assert_cmpuint(i * sizeof(i), >, room); /* some of it has gone */
    thread = g_thread_new("reader", reading_thread, GINT_TO_POINTER(fds[1]));
    for (; i < LENGTH / sizeof(i); i++) {
        stream_put_u32(s, i);
    }
    g_assert_true(stream_flush(s));
    g_assert_cmpuint(stream_room(s), ==, room);
    g_thread_join(thread);
    stream_try_flush(s); /* nothing to do, and nobody there */
    stream_put_u8(s, 1);
    stream_try_flush(s);
    g_assert_nonnull(stream_error(s));
    stream_free(s);
}

/* A peer that dies with unread data did not get it. */
static void test_unread(void)
{
    struct channel *channel;
    struct iovec iov = { (void *)"abc", 3 };
    GError *error = NULL;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    channel = channel_new_fd(fds[0], NULL);
    g_assert_true(channel_writev(channel, &iov, 1, NULL));
    close(fds[1]);
    g_assert_false(channel_wait_read(channel, 100, &error));
    g_assert_nonnull(strstr(error->message, "went away before it had read everything"));
    g_error_free(error);
    channel_close(channel, NULL);
}

int main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    directory = g_dir_make_tmp("ferry-channel-XXXXXX", NULL);
    g_test_add_func("/channel/unix", test_unix);
    g_test_add_func("/channel/tcp", test_tcp);
    g_test_add_func("/channel/fd", test_fd);
    g_test_add_func("/channel/file", test_file);
    g_test_add_func("/channel/exec", test_exec);
    g_test_add_func("/channel/exec-fails", test_exec_fails);
    g_test_add_func("/channel/bad-uris", test_bad_uris);
    g_test_add_func("/channel/connect-fails", test_connect_fails);
    g_test_add_func("/channel/shutdown", test_shutdown);
    g_test_add_func("/channel/accept-cancelled", test_accept_cancelled);
    g_test_add_func("/channel/try-flush", test_try_flush);
    g_test_add_func("/channel/unread", test_unread);
    result = g_test_run();
    g_rmdir(directory);
    g_free(directory);
    return result;
}
