/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The return path: the destination's messages to the source, on the same connection. 16 bits of type, 16 bits of
 * length, then the body. What matters is the last one, SHUT: the destination has loaded everything (0) or failed.
 * Only then does the source let go of the guest, so that a destination that dies late costs nothing.
 */
#include <string.h>

#include "migration/migration-private.h"

enum return_path_message {
    RETURN_PATH_SHUT = 1, /* 32 bits: 0 is success */
    RETURN_PATH_PONG = 2  /* 32 bits: the ping's */
};

static GThread *reader;

static bool read_all(struct channel *channel, void *data, size_t length, GError **error)
{
    struct iovec iov = { data, length };

    while (iov.iov_len) {
        ssize_t n = channel_readv(channel, &iov, 1, error);

        if (n <= 0) {
            return n < 0 ? false : error_setf(error, "the destination closed the return path");
        }
        iov.iov_base = (uint8_t *)iov.iov_base + n;
        iov.iov_len -= n;
    }
    return true;
}

/* One message; *shut says that it was the last. */
static bool read_message(struct channel *channel, bool *shut, GError **error)
{
    uint16_t head[2];
    uint32_t value;

    if (!read_all(channel, head, sizeof(head), error)) {
        return false;
    }
    if (GUINT16_FROM_BE(head[1]) != sizeof(value) ||
        (GUINT16_FROM_BE(head[0]) != RETURN_PATH_SHUT && GUINT16_FROM_BE(head[0]) != RETURN_PATH_PONG)) {
        return error_setf(error, "the destination sent message %u of %u bytes, which is not known here",
                          GUINT16_FROM_BE(head[0]), GUINT16_FROM_BE(head[1]));
    }
    if (!read_all(channel, &value, sizeof(value), error)) {
        return false;
    }
    *shut = GUINT16_FROM_BE(head[0]) == RETURN_PATH_SHUT;
    if (*shut && value) {
        return error_setf(error, "the destination could not load the guest (code %u)", GUINT32_FROM_BE(value));
    }
    return true;
}

static gpointer reader_thread(gpointer opaque)
{
    struct channel *channel = opaque;
    g_autoptr(GError) error = NULL;
    bool shut = false, ok = true;

    while (ok && !shut) {
        ok = read_message(channel, &shut, &error);
    }
    if (!ok && !migration_cancelled()) {
        migration_keep_error(error);
    }
    g_mutex_lock(&migration.lock);
    migration.answered = ok;
    migration.refused = !ok;
    g_cond_broadcast(&migration.wake);
    g_mutex_unlock(&migration.lock);
    if (!ok) {
        channel_shutdown(channel); /* the sender need not go on */
    }
    return NULL;
}

void return_path_start(struct channel *channel)
{
    reader = g_thread_new("return path", reader_thread, channel);
}

void return_path_stop(void)
{
    if (reader) {
        g_thread_join(reader);
        reader = NULL;
    }
}

bool return_path_wait(GError **error)
{
    bool ok;

    if (!reader) {
        return true;
    }
    g_mutex_lock(&migration.lock);
    while (!migration.answered && !migration.refused && !migration.cancel) {
        g_cond_wait(&migration.wake, &migration.lock);
    }
    ok = migration.answered;
    if (!ok) {
        error_setf(error, "%s", migration.error ? migration.error : "no answer from the destination");
    }
    g_mutex_unlock(&migration.lock);
    return ok;
}

/* ---- the destination's side ---- */

static bool put_message(struct channel *channel, uint16_t type, uint32_t value)
{
    struct {
        uint16_t type, length;
        uint32_t value;
    } message = { GUINT16_TO_BE(type), GUINT16_TO_BE(sizeof(value)), GUINT32_TO_BE(value) };
    struct iovec iov = { &message, sizeof(message) };

    return channel_writev(channel, &iov, 1, NULL);
}

bool return_path_put_pong(struct channel *channel, uint32_t value)
{
    return put_message(channel, RETURN_PATH_PONG, value);
}

bool return_path_put_shut(struct channel *channel, uint32_t value)
{
    return put_message(channel, RETURN_PATH_SHUT, value);
}
