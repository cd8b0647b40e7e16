/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bzImage's compressed payload, decompressed on the host: milliseconds instead of half a billion guest
 * instructions.
 *
 * The kernel's build appends the length of the result to the payload, 32 bits little-endian (gzip's own trailer is
 * the same). It bounds the allocation; a stream that gives less or more is refused.
 *
 * Left out: bzip2, lzma and lzo, which no distribution's kernel uses any more.
 */
#include <errno.h>
#include <lz4.h>
#include <lzma.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>
#include <zstd.h>

#include "hw/i386/kernel-image.h"
#include "util/bytes.h"

#define LZ4_LEGACY_MAGIC 0x184c2102u
#define LZ4_LEGACY_BLOCK (8u << 20) /* what one block holds at most, decompressed */
#define LZMA_MEMORY_LIMIT (256ull << 20)

/* Each fills out[0..out_size) and returns how many bytes it got, or -1 for a damaged stream. */
typedef int64_t decompress_fn(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size);

static int64_t decompress_gzip(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size)
{
    z_stream z = { .next_in = (uint8_t *)in, .avail_in = in_size, .next_out = out, .avail_out = out_size };

    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) {
        return -1;
    }
    int status = inflate(&z, Z_FINISH);
    int64_t got = status == Z_STREAM_END ? (int64_t)z.total_out : -1;
    inflateEnd(&z);
    return got;
}

static int64_t decompress_xz(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size)
{
    uint64_t memory = LZMA_MEMORY_LIMIT;
    size_t in_position = 0, out_position = 0;

    lzma_ret status = lzma_stream_buffer_decode(&memory, 0, NULL, in, &in_position, in_size, out, &out_position,
                                                out_size);
    return status == LZMA_OK ? (int64_t)out_position : -1;
}

static int64_t decompress_zstd(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer source = { in, in_size, 0 };
    ZSTD_outBuffer sink = { out, out_size, 0 };
    size_t left = 1;

    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, 27);
    while (left != 0 && source.pos < source.size) {
        size_t in_before = source.pos, out_before = sink.pos;
        left = ZSTD_decompressStream(stream, &sink, &source);
        if (ZSTD_isError(left) || (source.pos == in_before && sink.pos == out_before)) {
            break;
        }
    }
    ZSTD_freeDStream(stream);
    return left == 0 ? (int64_t)sink.pos : -1;
}

/* Blocks, each behind its compressed length. Nothing marks the end: it is where the stated length is reached. */
static int64_t decompress_lz4(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size)
{
    size_t position = 4, got = 0;

    while (got < out_size && in_size - position >= 4) {
        uint32_t length = load_le32(in + position);
        position += 4;
        if (length == LZ4_LEGACY_MAGIC) { /* another frame follows */
            continue;
        }
        if (length == 0 || length > in_size - position) {
            return -1;
        }
        size_t room = MIN(out_size - got, LZ4_LEGACY_BLOCK);
        int block = LZ4_decompress_safe((const char *)in + position, (char *)out + got, length, room);
        if (block < 0) {
            return -1;
        }
        position += length;
        got += block;
    }
    return got;
}

static const struct {
    const char *name;
    uint8_t magic[6];
    uint8_t magic_length;
    decompress_fn *decompress; /* NULL: not supported */
} formats[] = {
    { "gzip", { 0x1f, 0x8b }, 2, decompress_gzip },
    { "xz", { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, decompress_xz },
    { "zstd", { 0x28, 0xb5, 0x2f, 0xfd }, 4, decompress_zstd },
    { "lz4", { 0x02, 0x21, 0x4c, 0x18 }, 4, decompress_lz4 },
    { "bzip2", { 'B', 'Z', 'h' }, 3, NULL },
    { "lzma", { 0x5d, 0x00, 0x00 }, 3, NULL },
    { "lzo", { 0x89, 'L', 'Z', 'O' }, 4, NULL },
};

static uint8_t *map_result(const char *name, size_t size, GError **error)
{
    uint8_t *out = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (out == MAP_FAILED) {
        error_setf_errno(error, errno, "kernel '%s': no memory for its %zu bytes", name, size);
        return NULL;
    }
    return out;
}

uint8_t *kernel_decompress(const char *name, const uint8_t *data, size_t size, size_t *result_size, GError **error)
{
    if (size < 16) {
        error_setf(error, "kernel '%s' is truncated: its payload has %zu bytes", name, size);
        return NULL;
    }
    if (!memcmp(data, "\177ELF", 4)) {
        uint8_t *out = map_result(name, size, error);
        *result_size = size;
        return out ? memcpy(out, data, size) : NULL;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (memcmp(data, formats[i].magic, formats[i].magic_length)) {
            continue;
        }
        if (!formats[i].decompress) {
            error_setf(error, "kernel '%s' is compressed with %s: not supported (gzip, xz, zstd and lz4 are)", name,
                       formats[i].name);
            return NULL;
        }
        size_t out_size = load_le32(data + size - 4);
        if (out_size < 64 || out_size > KERNEL_MAX_BYTES) {
            error_setf(error, "kernel '%s' is damaged or truncated: it claims to have %zu bytes when decompressed",
                       name, out_size);
            return NULL;
        }
        uint8_t *out = map_result(name, out_size, error);
        if (!out) {
            return NULL;
        }
        if (formats[i].decompress(data, size, out, out_size) != (int64_t)out_size) {
            munmap(out, out_size);
            error_setf(error, "kernel '%s' is damaged or truncated: its %s payload does not decompress to %zu bytes",
                       name, formats[i].name, out_size);
            return NULL;
        }
        *result_size = out_size;
        return out;
    }
    error_setf(error, "kernel '%s': its payload is in no known format (gzip, xz, zstd, lz4, ELF)", name);
    return NULL;
}
