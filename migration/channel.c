/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all channels have in common: a descriptor that is read and written, and a way to wake whoever is blocked on
 * it.
 *
 * Sockets stay blocking, so that one sendmsg() of a megabyte is one system call; shutdown() ends it. Pipes and
 * files know no shutdown(): they are non-blocking, and waiting means poll() on the pipe and an eventfd together.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "migration/channel-private.h"

static const struct channel_kind *const kinds[] = { &channel_kind_unix, &channel_kind_tcp, &channel_kind_exec,
                                                    &channel_kind_fd, &channel_kind_file };

static const struct channel_kind *kind_find(const char *uri, const char **address, GError **error)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        size_t length = strlen(kinds[i]->prefix);

        if (!strncmp(uri, kinds[i]->prefix, length) && uri[length] == ':') {
            *address = uri + length + 1;
            return kinds[i];
        }
        g_string_append_printf(known, "%s%s", i ? ", " : "", kinds[i]->syntax);
    }
    error_setf(error, "unknown migration protocol in '%s'; known are %s", uri, known->str);
    return NULL;
}

bool channel_check_uri(const char *uri, GError **error)
{
    const char *address;
    const struct channel_kind *kind = kind_find(uri, &address, error);

    if (!kind) {
        return false;
    }
    if (!*address) {
        return error_setf(error, "'%s' lacks an address: it should be %s", uri, kind->syntax);
    }
    return !kind->check || kind->check(address, error);
}

struct channel *channel_connect(const char *uri, int fd, int cancel_fd, GError **error)
{
    const char *address;

    if (!channel_check_uri(uri, error)) {
        return NULL;
    }
    return kind_find(uri, &address, NULL)->connect(address, fd, cancel_fd, error);
}

struct channel *channel_new_fd(int fd, GError **error)
{
    struct channel *channel;
    struct stat st;
    int flags;

    if (fstat(fd, &st) < 0) {
        error_setf_errno(error, errno, "descriptor %d cannot be used", fd);
        close(fd);
        return NULL;
    }
    channel = g_new0(struct channel, 1);
    channel->fd = fd;
    channel->socket = S_ISSOCK(st.st_mode);
    channel->wake = channel->socket ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, channel->socket ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
    return channel;
}

bool channel_wait(int fd, short events, int cancel_fd)
{
    struct pollfd fds[2] = { { .fd = fd, .events = events }, { .fd = cancel_fd, .events = POLLIN } };

    while (poll(fds, cancel_fd >= 0 ? 2 : 1, -1) < 0 && errno == EINTR) {
    }
    return !fds[1].revents;
}

/* After a failed system call: true if it is worth another try. */
static bool wait_for_retry(struct channel *channel, short events)
{
    if (errno == EINTR) {
        return true;
    }
    if (errno != EAGAIN || channel->socket) {
        return false;
    }
    return channel_wait(channel->fd, events, channel->wake);
}

static bool is_shut(struct channel *channel)
{
    return __atomic_load_n(&channel->shut, __ATOMIC_ACQUIRE);
}

/*
 * Guest RAM leaves from where it lies, while the guest may write to it: what tears is dirty, and sent again. The
 * sanitizer looks over the C library's calls, so in its builds the kernel is called directly.
 */
#ifdef __SANITIZE_THREAD__
#define SENDMSG(fd, message, flags) syscall(SYS_sendmsg, fd, message, flags)
#define WRITEV(fd, iov, count)      syscall(SYS_writev, fd, iov, count)
#else
#define SENDMSG sendmsg
#define WRITEV  writev
#endif

static ssize_t write_some(struct channel *channel, struct iovec *iov, int count, int flags)
{
    struct msghdr message = { .msg_iov = iov, .msg_iovlen = count };

    return channel->socket ? SENDMSG(channel->fd, &message, MSG_NOSIGNAL | flags) : WRITEV(channel->fd, iov, count);
}

/* `n` bytes of `iov` have gone: how many pieces that are; the next is shortened. */
static int pieces_gone(struct iovec *iov, int count, size_t n)
{
    int gone = 0;

    for (; gone < count && n >= iov[gone].iov_len; gone++) {
        n -= iov[gone].iov_len;
    }
    if (gone < count) {
        iov[gone].iov_base = (uint8_t *)iov[gone].iov_base + n;
        iov[gone].iov_len -= n;
    }
    return gone;
}

bool channel_writev(struct channel *channel, struct iovec *iov, int count, GError **error)
{
    while (count) {
        ssize_t n = is_shut(channel) ? 0 : write_some(channel, iov, count, 0);

        if (is_shut(channel)) {
            return error_setf(error, "the channel was shut down");
        }
        if (n < 0) {
            if (wait_for_retry(channel, POLLOUT) || is_shut(channel)) {
                continue; /* to tell that it was shut down */
            }
            return error_setf_errno(error, errno, "cannot write to the migration channel");
        }
        int gone = pieces_gone(iov, count, n);
        iov += gone;
        count -= gone;
    }
    return true;
}

int channel_try_writev(struct channel *channel, struct iovec *iov, int count, GError **error)
{
    ssize_t n;

    if (!channel->socket || !count || is_shut(channel)) {
        return 0; /* of a channel that was shut down the next one that waits tells */
    }
    n = write_some(channel, iov, count, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    if (n < 0) {
        error_setf_errno(error, errno, "cannot write to the migration channel");
        return -1;
    }
    return pieces_gone(iov, count, n);
}

ssize_t channel_readv(struct channel *channel, struct iovec *iov, int count, GError **error)
{
    for (;;) {
        ssize_t n = is_shut(channel) ? 0 : readv(channel->fd, iov, count);

        if (is_shut(channel)) {
            error_setf(error, "the channel was shut down");
            return -1;
        }
        if (n >= 0) {
            return n;
        }
        if (!wait_for_retry(channel, POLLIN) && !is_shut(channel)) {
            error_setf_errno(error, errno, "cannot read from the migration channel");
            return -1;
        }
    }
}

bool channel_wait_read(struct channel *channel, int ms, GError **error)
{
    int unread = 0, failure = 0;
    socklen_t length = sizeof(failure);

    if (!channel->socket) {
        return true;
    }
    for (int64_t us = ms * 1000ll, nap = 50; us > 0; us -= nap, nap = MIN(2 * nap, 1000)) {
        if (getsockopt(channel->fd, SOL_SOCKET, SO_ERROR, &failure, &length) == 0 && failure) {
            return error_setf_errno(error, failure, "the destination went away before it had read everything");
        }
        if (ioctl(channel->fd, SIOCOUTQ, &unread) < 0 || !unread) {
            break;
        }
        if (is_shut(channel)) {
            return error_setf(error, "the channel was shut down");
        }
        g_usleep(nap); /* nothing tells when a peer has read; it mostly has, or is about to */
    }
    return true;
}

void channel_shutdown(struct channel *channel)
{
    __atomic_store_n(&channel->shut, 1, __ATOMIC_RELEASE);
    if (channel->socket) {
        shutdown(channel->fd, SHUT_RDWR);
    } else {
        eventfd_write(channel->wake, 1);
    }
    if (channel->child) {
        kill(channel->child, SIGTERM);
    }
}

/* Waits for the command: what was written has arrived only if it says so. A reader's command may be cut short. */
static bool reap_child(struct channel *channel, GError **error)
{
    int status;

    if (!channel->writer) {
        kill(channel->child, SIGTERM);
    }
    while (waitpid(channel->child, &status, 0) < 0) {
        if (errno != EINTR) {
            return error_setf_errno(error, errno, "cannot wait for '%s'", channel->command);
        }
    }
    if (!channel->writer || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        return true;
    }
    if (WIFSIGNALED(status)) {
        return error_setf(error, "'%s' was killed by signal %d", channel->command, WTERMSIG(status));
    }
    return error_setf(error, "'%s' ended with status %d", channel->command, WEXITSTATUS(status));
}

bool channel_finish(struct channel *channel, GError **error)
{
    int fd = channel->fd;
    siginfo_t unused;

    if (!channel->child || fd < 0) {
        return true;
    }
    channel->fd = -1;
    if (close(fd) < 0) {
        return error_setf_errno(error, errno, "cannot close the migration channel");
    }
    while (waitid(P_PID, channel->child, &unused, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
    }
    return true;
}

bool channel_close(struct channel *channel, GError **error)
{
    bool ok = true;

    if (channel->fd >= 0 && close(channel->fd) < 0) { /* a file system may tell late that it is full */
        ok = error_setf_errno(error, errno, "cannot close the migration channel");
    }
    if (channel->wake >= 0) {
        close(channel->wake);
    }
    if (channel->child && !reap_child(channel, ok ? error : NULL)) {
        ok = false;
    }
    g_free(channel->command);
    g_free(channel);
    return ok;
}

/* ---- the receiving end ---- */

struct channel_listener *channel_listen(const char *uri, int fd, GError **error)
{
    struct channel_listener *listener;
    const char *address;

    if (!channel_check_uri(uri, error)) {
        return NULL;
    }
    listener = g_new0(struct channel_listener, 1);
    listener->fd = -1;
    if (!kind_find(uri, &address, NULL)->listen(listener, address, fd, error)) {
        channel_listener_free(listener);
        return NULL;
    }
    return listener;
}

struct channel *channel_accept(struct channel_listener *listener, int cancel_fd, GError **error)
{
    int fd;

    if (listener->channel) {
        return g_steal_pointer(&listener->channel);
    }
    for (;;) {
        if (!channel_wait(listener->fd, POLLIN, cancel_fd)) {
            error_setf(error, "no longer waiting for a migration");
            return NULL;
        }
        fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            return channel_new_fd(fd, error);
        }
        if (errno != EINTR && errno != EAGAIN && errno != ECONNABORTED) {
            error_setf_errno(error, errno, "cannot accept a migration connection");
            return NULL;
        }
    }
}

char *channel_listener_address(const struct channel_listener *listener)
{
    return g_strdup(listener->address);
}

void channel_listener_free(struct channel_listener *listener)
{
    if (!listener) {
        return;
    }
    if (listener->fd >= 0) {
        close(listener->fd);
    }
    if (listener->channel) {
        channel_close(listener->channel, NULL);
    }
    if (listener->unlink_path) {
        unlink(listener->unlink_path);
        g_free(listener->unlink_path);
    }
    g_free(listener->address);
    g_free(listener);
}

struct channel *channel_finish_connect(int fd, int cancel_fd, const char *what, GError **error)
{
    int failure = 0;
    socklen_t length = sizeof(failure);

    if (!channel_wait(fd, POLLOUT, cancel_fd)) {
        close(fd);
        error_setf(error, "connecting to %s was given up", what);
        return NULL;
    }
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &length);
    if (failure) {
        close(fd);
        error_setf_errno(error, failure, "cannot connect to %s", what);
        return NULL;
    }
    return channel_new_fd(fd, error);
}
