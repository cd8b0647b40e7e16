/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The migration stream: buffered, big-endian, over a channel. An error sticks: later writes do nothing, later reads
 * give zeros, stream_error() tells. One thread at a time.
 */
#ifndef FERRY_MIGRATION_STREAM_H
#define FERRY_MIGRATION_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

struct channel; /* migration/channel.h */
struct stream;

/* Takes the channel over. */
struct stream *stream_new_output(struct channel *channel);
struct stream *stream_new_input(struct channel *channel);
/* Over memory, for tests and hand-made sections. Input copies `data`. */
struct stream *stream_new_memory_output(void);
struct stream *stream_new_memory_input(const void *data, size_t length);
GByteArray *stream_memory_data(struct stream *s); /* what was written; owned by the stream */
/* Flushes (output) and closes; false with the sticky error. */
bool stream_close(struct stream *s, GError **error);
void stream_free(struct stream *s);

const GError *stream_error(const struct stream *s); /* NULL: fine so far */
void stream_set_error(struct stream *s, const char *fmt, ...) G_GNUC_PRINTF(2, 3); /* the first one stays */

void stream_put_u8(struct stream *s, uint8_t v);
void stream_put_u16(struct stream *s, uint16_t v);
void stream_put_u32(struct stream *s, uint32_t v);
void stream_put_u64(struct stream *s, uint64_t v);
void stream_put_buffer(struct stream *s, const void *data, size_t length);
/*
 * Written from where it lies, before the next flush returns: for guest pages. It may change meanwhile (it is then
 * dirty).
 */
void stream_put_reference(struct stream *s, const void *data, size_t length);
/* Room for at most `most` (up to 4096) bytes that the caller fills in place, then says how many there are. */
uint8_t *stream_reserve(struct stream *s, size_t most);
void stream_commit(struct stream *s, size_t length);
/* One length byte, then at most 255 bytes. */
void stream_put_counted_string(struct stream *s, const char *text);
bool stream_flush(struct stream *s);
/* Sends what goes without waiting, and keeps the rest. */
void stream_try_flush(struct stream *s);
/* How many bytes may be put before one of them makes it flush. */
size_t stream_room(const struct stream *s);

uint8_t stream_get_u8(struct stream *s);
uint16_t stream_get_u16(struct stream *s);
uint32_t stream_get_u32(struct stream *s);
uint64_t stream_get_u64(struct stream *s);
/* All of `length` bytes, or the stream's error is set and the rest is zeros. */
void stream_get_buffer(struct stream *s, void *data, size_t length);
bool stream_get_counted_string(struct stream *s, char text[256]);
/* The next byte without taking it; -1 at the end or on error. */
int stream_peek_u8(struct stream *s, size_t ahead);

/* What has been read ahead, without taking it; then takes some of it. For loops over many small records. */
const uint8_t *stream_read_ahead(const struct stream *s, size_t *length);
void stream_take(struct stream *s, size_t length);

/* Bytes put or taken so far. */
uint64_t stream_position(const struct stream *s);

#endif
