/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The migration stream: big-endian numbers and byte runs over a channel or over memory.
 *
 * Output collects into one buffer and, for guest pages, into a list of references to memory that is written from
 * where it lies (stream_put_reference()). Both leave in order in one writev() per BUFFER_SIZE. Input reads ahead into
 * one buffer; what is longer than the buffer holds is read straight to where it belongs.
 */
#include <string.h>

#include "migration/channel.h"
#include "migration/stream.h"
#include "util/main-loop.h"

#define BUFFER_SIZE (1u << 20)
#define RESERVE_LIMIT 4096
#define IOV_LIMIT   1024 /* the kernel's UIO_MAXIOV */

struct stream {
    struct channel *channel; /* NULL: over memory */
    bool output;
    uint8_t *buffer;         /* output: bytes not yet written; input: bytes not yet taken */
    size_t start, end;       /* input: what is left lies in [start, end); output: `end` bytes are used */
    struct iovec *iov;       /* output: pieces of `buffer` and of guest memory, in stream order */
    int iov_count;
    size_t pending;          /* output: bytes in iov */
    GByteArray *memory;      /* output over memory */
    uint64_t position;
    GError *error;
};

static struct stream *stream_new(struct channel *channel, bool output)
{
    struct stream *s = g_new0(struct stream, 1);

    s->channel = channel;
    s->output = output;
    return s;
}

struct stream *stream_new_output(struct channel *channel)
{
    struct stream *s = stream_new(channel, true);

    s->buffer = g_malloc(BUFFER_SIZE);
    s->iov = g_new(struct iovec, IOV_LIMIT);
    return s;
}

struct stream *stream_new_input(struct channel *channel)
{
    struct stream *s = stream_new(channel, false);

    s->buffer = g_malloc(BUFFER_SIZE);
    return s;
}

struct stream *stream_new_memory_output(void)
{
    struct stream *s = stream_new(NULL, true);

    s->memory = g_byte_array_new();
    return s;
}

struct stream *stream_new_memory_input(const void *data, size_t length)
{
    struct stream *s = stream_new(NULL, false);

    s->buffer = g_memdup2(data, length);
    s->end = length;
    return s;
}

GByteArray *stream_memory_data(struct stream *s)
{
    return s->memory;
}

bool stream_close(struct stream *s, GError **error)
{
    g_autoptr(GError) close_error = NULL;

    if (s->output) {
        stream_flush(s);
    }
    if (s->channel) {
        if (!channel_close(s->channel, &close_error) && !s->error) {
            s->error = g_steal_pointer(&close_error);
        }
        s->channel = NULL;
    }
    if (s->error) {
        g_propagate_error(error, g_error_copy(s->error));
        return false;
    }
    return true;
}

void stream_free(struct stream *s)
{
    if (!s) {
        return;
    }
    if (s->channel) {
        channel_close(s->channel, NULL);
    }
    if (s->memory) {
        g_byte_array_unref(s->memory);
    }
    g_clear_error(&s->error);
    g_free(s->buffer);
    g_free(s->iov);
    g_free(s);
}

const GError *stream_error(const struct stream *s)
{
    return s->error;
}

void stream_set_error(struct stream *s, const char *fmt, ...)
{
    va_list args;

    if (s->error) {
        return;
    }
    va_start(args, fmt);
    s->error = g_error_new_valist(FERRY_ERROR, FERRY_ERROR_GENERIC, fmt, args);
    va_end(args);
}

uint64_t stream_position(const struct stream *s)
{
    return s->position;
}

/* ---- output ---- */

bool stream_flush(struct stream *s)
{
    if (s->channel && s->iov_count && !s->error) {
        channel_writev(s->channel, s->iov, s->iov_count, &s->error);
    }
    s->iov_count = 0;
    s->pending = 0;
    s->end = 0;
    return !s->error;
}

void stream_try_flush(struct stream *s)
{
    int gone = s->channel && !s->error ? channel_try_writev(s->channel, s->iov, s->iov_count, &s->error) : 0;

    if (gone < 0) {
        return;
    }
    s->iov_count -= gone;
    memmove(s->iov, s->iov + gone, s->iov_count * sizeof(*s->iov));
    s->pending = 0;
    for (int i = 0; i < s->iov_count; i++) {
        s->pending += s->iov[i].iov_len;
    }
    if (!s->iov_count) {
        s->end = 0;
    }
}

size_t stream_room(const struct stream *s)
{
    return s->iov_count + 1 < IOV_LIMIT ? BUFFER_SIZE - 1 - MAX(s->end, s->pending) : 0;
}

/* Makes the last piece longer if it ends where `data` begins. */
static void iov_append(struct stream *s, const void *data, size_t length)
{
    struct iovec *last = s->iov_count ? &s->iov[s->iov_count - 1] : NULL;

    s->pending += length;
    if (last && (const uint8_t *)last->iov_base + last->iov_len == data) {
        last->iov_len += length;
        return;
    }
    s->iov[s->iov_count++] = (struct iovec){ .iov_base = (void *)data, .iov_len = length };
}

void stream_put_buffer(struct stream *s, const void *data, size_t length)
{
    const uint8_t *from = data;

    if (s->error) {
        return;
    }
    s->position += length;
    if (s->memory) {
        g_byte_array_append(s->memory, from, length);
        return;
    }
    while (length && !s->error) {
        size_t n = MIN(length, BUFFER_SIZE - s->end);

        memcpy(s->buffer + s->end, from, n);
        iov_append(s, s->buffer + s->end, n);
        s->end += n;
        from += n;
        length -= n;
        if (s->end == BUFFER_SIZE || s->iov_count == IOV_LIMIT || s->pending >= BUFFER_SIZE) {
            stream_flush(s);
        }
    }
}

void stream_put_reference(struct stream *s, const void *data, size_t length)
{
    if (s->error) {
        return;
    }
    if (s->memory) {
        stream_put_buffer(s, data, length);
        return;
    }
    s->position += length;
    iov_append(s, data, length);
    if (s->iov_count == IOV_LIMIT || s->pending >= BUFFER_SIZE) {
        stream_flush(s);
    }
}

uint8_t *stream_reserve(struct stream *s, size_t most)
{
    g_assert(most <= RESERVE_LIMIT);
    if (s->memory) {
        s->end = s->memory->len;
        g_byte_array_set_size(s->memory, s->end + most);
        return s->memory->data + s->end;
    }
    if (s->end + most > BUFFER_SIZE) {
        stream_flush(s);
    }
    return s->buffer + s->end;
}

void stream_commit(struct stream *s, size_t length)
{
    if (s->memory) {
        g_byte_array_set_size(s->memory, s->end + (s->error ? 0 : length));
        s->position += s->error ? 0 : length;
        return;
    }
    if (s->error || !length) {
        return;
    }
    s->position += length;
    iov_append(s, s->buffer + s->end, length);
    s->end += length;
    if (s->end == BUFFER_SIZE || s->iov_count == IOV_LIMIT || s->pending >= BUFFER_SIZE) {
        stream_flush(s);
    }
}

void stream_put_u8(struct stream *s, uint8_t v)
{
    stream_put_buffer(s, &v, 1);
}

void stream_put_u16(struct stream *s, uint16_t v)
{
    v = GUINT16_TO_BE(v);
    stream_put_buffer(s, &v, 2);
}

void stream_put_u32(struct stream *s, uint32_t v)
{
    v = GUINT32_TO_BE(v);
    stream_put_buffer(s, &v, 4);
}

void stream_put_u64(struct stream *s, uint64_t v)
{
    v = GUINT64_TO_BE(v);
    stream_put_buffer(s, &v, 8);
}

void stream_put_counted_string(struct stream *s, const char *text)
{
    size_t length = strlen(text);

    g_assert(length <= 255);
    stream_put_u8(s, length);
    stream_put_buffer(s, text, length);
}

/* ---- input ---- */

static ssize_t read_some(struct stream *s, struct iovec *iov, int count)
{
    bool locked = big_locked();
    ssize_t n = 0;

    if (s->channel) {
        /* The sender may keep us waiting in the middle of a device: the monitor must not wait with us. */
        if (locked) {
            big_unlock();
        }
        n = channel_readv(s->channel, iov, count, &s->error);
        if (locked) {
            big_lock();
        }
    }
    if (n == 0) {
        stream_set_error(s, "the stream ends after %" G_GUINT64_FORMAT " bytes",
                         s->position + (s->end - s->start));
    }
    return n;
}

/* Sees to it that `wanted` (at most BUFFER_SIZE) bytes are in the buffer. */
static bool fill(struct stream *s, size_t wanted)
{
    while (s->end - s->start < wanted && !s->error) {
        if (s->channel && s->start) {
            memmove(s->buffer, s->buffer + s->start, s->end - s->start);
            s->end -= s->start;
            s->start = 0;
        }
        struct iovec iov = { s->buffer + s->end, BUFFER_SIZE - s->end };
        ssize_t n = read_some(s, &iov, 1);

        if (n > 0) {
            s->end += n;
        }
    }
    return !s->error;
}

/*
 * The part of a long read that goes straight to its place, with the buffer behind it as the place for what follows.
 */
static size_t read_direct(struct stream *s, uint8_t *to, size_t length)
{
    struct iovec iov[2] = { { to, length }, { s->buffer, BUFFER_SIZE } };
    ssize_t n = read_some(s, iov, 2);

    if (n <= 0) {
        return 0;
    }
    s->start = 0;
    s->end = (size_t)n > length ? n - length : 0;
    return MIN((size_t)n, length);
}

void stream_get_buffer(struct stream *s, void *data, size_t length)
{
    uint8_t *to = data;

    while (length && !s->error) {
        size_t n = MIN(length, s->end - s->start);

        if (n) {
            memcpy(to, s->buffer + s->start, n);
            s->start += n;
        } else if (s->channel && length >= 65536) {
            n = read_direct(s, to, length);
        } else {
            fill(s, 1);
        }
        s->position += n;
        to += n;
        length -= n;
    }
    if (length) {
        memset(to, 0, length);
    }
}

uint8_t stream_get_u8(struct stream *s)
{
    uint8_t v;

    stream_get_buffer(s, &v, 1);
    return v;
}

uint16_t stream_get_u16(struct stream *s)
{
    uint16_t v;

    stream_get_buffer(s, &v, 2);
    return GUINT16_FROM_BE(v);
}

uint32_t stream_get_u32(struct stream *s)
{
    uint32_t v;

    stream_get_buffer(s, &v, 4);
    return GUINT32_FROM_BE(v);
}

uint64_t stream_get_u64(struct stream *s)
{
    uint64_t v;

    stream_get_buffer(s, &v, 8);
    return GUINT64_FROM_BE(v);
}

bool stream_get_counted_string(struct stream *s, char text[256])
{
    uint8_t length = stream_get_u8(s);

    stream_get_buffer(s, text, length);
    text[length] = 0;
    if (!s->error && strlen(text) != length) {
        stream_set_error(s, "a string holds a zero byte");
    }
    return !s->error;
}

int stream_peek_u8(struct stream *s, size_t ahead)
{
    if (s->error || ahead >= BUFFER_SIZE) {
        return -1;
    }
    if (s->end - s->start <= ahead && (!s->channel || !fill(s, ahead + 1))) {
        return -1; /* over memory, looking past the end is no error */
    }
    return s->buffer[s->start + ahead];
}

const uint8_t *stream_read_ahead(const struct stream *s, size_t *length)
{
    *length = s->error ? 0 : s->end - s->start;
    return s->buffer + s->start;
}

void stream_take(struct stream *s, size_t length)
{
    g_assert(length <= s->end - s->start);
    s->start += length;
    s->position += length;
}
