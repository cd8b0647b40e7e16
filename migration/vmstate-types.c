/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the elements of vmstate fields are encoded: numbers big-endian, timers as their expiry, buffers as they are. */
#include <string.h>

#include "migration/stream.h"
#include "migration/vmstate.h"
#include "util/clock.h"

#define DEFINE_NUMBER(type, suffix, ctype, bits)                                                                     \
    static bool get_##suffix(struct stream *s, void *element, size_t size, const struct vmstate_field *field,        \
                             GError **error)                                                                         \
    {                                                                                                                \
        *(ctype *)element = (ctype)stream_get_u##bits(s);                                                            \
        return true;                                                                                                 \
    }                                                                                                                \
    static void put_##suffix(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)  \
    {                                                                                                                \
        stream_put_u##bits(s, (uint##bits##_t) * (const ctype *)element);                                            \
    }                                                                                                                \
    const struct vmstate_info vmstate_info_##suffix = { .name = type, .get = get_##suffix, .put = put_##suffix }

DEFINE_NUMBER("uint8", uint8, uint8_t, 8);
DEFINE_NUMBER("uint16", uint16, uint16_t, 16);
DEFINE_NUMBER("uint32", uint32, uint32_t, 32);
DEFINE_NUMBER("uint64", uint64, uint64_t, 64);
DEFINE_NUMBER("int8", int8, int8_t, 8);
DEFINE_NUMBER("int16", int16, int16_t, 16);
DEFINE_NUMBER("int32", int32, int32_t, 32);
DEFINE_NUMBER("int64", int64, int64_t, 64);

static bool get_bool(struct stream *s, void *element, size_t size, const struct vmstate_field *field, GError **error)
{
    uint8_t v = stream_get_u8(s);

    if (v > 1) {
        return error_setf(error, "%u is no truth value (0 or 1)", v);
    }
    *(bool *)element = v;
    return true;
}

static void put_bool(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)
{
    stream_put_u8(s, *(const bool *)element);
}

const struct vmstate_info vmstate_info_bool = { .name = "bool", .get = get_bool, .put = put_bool };

const struct vmstate_info vmstate_info_buffer = { .name = "buffer" };

static bool get_unused(struct stream *s, void *element, size_t size, const struct vmstate_field *field,
                       GError **error)
{
    uint8_t drop[64];

    for (size_t n; size; size -= n) {
        n = MIN(size, sizeof(drop));
        stream_get_buffer(s, drop, n);
    }
    return true;
}

static void put_unused(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)
{
    static const uint8_t zeros[64];

    for (size_t n; size; size -= n) {
        n = MIN(size, sizeof(zeros));
        stream_put_buffer(s, zeros, n);
    }
}

const struct vmstate_info vmstate_info_unused = { .name = "unused_buffer", .get = get_unused, .put = put_unused };

static bool get_timer(struct stream *s, void *element, size_t size, const struct vmstate_field *field, GError **error)
{
    int64_t expires = (int64_t)stream_get_u64(s);
    struct timer *timer = element;

    if (expires < -1) {
        return error_setf(error, "expiry %" G_GINT64_FORMAT " is before the clock's start", expires);
    }
    if (stream_error(s)) {
        return true; /* the caller tells */
    }
    if (expires == -1) {
        timer_cancel(timer);
    } else {
        timer_set(timer, expires);
    }
    return true;
}

static void put_timer(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)
{
    const struct timer *timer = element;

    stream_put_u64(s, timer_pending(timer) ? (uint64_t)timer->expires : UINT64_MAX);
}

const struct vmstate_info vmstate_info_timer = { .name = "timer", .get = get_timer, .put = put_timer };
