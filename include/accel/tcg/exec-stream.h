/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A compact stream of the instructions that a vCPU executes, for comparing two emulators (tests/functional/lockstep).
 * Written by -accel tcg,exec-trace=FILE and by the plugin for stock QEMU; plain C, so that the plugin can include it.
 *
 * After the magic, a record per run: instructions executed one after the other at ascending, adjoining addresses. How
 * an emulator cuts code into blocks does not show. The same address again (REP's iterations, an instruction tried
 * again after the emulator's own business) counts once. An instruction that faults counts.
 */
#ifndef FERRY_ACCEL_TCG_EXEC_STREAM_H
#define FERRY_ACCEL_TCG_EXEC_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#define EXEC_STREAM_MAGIC "FERRYRUN"
#define EXEC_STREAM_BUFFER 4096u

struct exec_run {
    uint64_t start;  /* linear address of the first instruction */
    uint32_t count;  /* instructions */
    uint32_t length; /* from the first instruction's address to the last one's */
};

struct exec_stream {
    int fd;
    bool failed;         /* the reader is gone */
    uint64_t last, next; /* the last instruction's address, and the address behind it */
    struct exec_run run; /* count 0: none yet */
    unsigned used;
    struct exec_run buffer[EXEC_STREAM_BUFFER];
};

static inline bool exec_stream_write(struct exec_stream *stream, const void *data, uint64_t size)
{
    const uint8_t *p = data;
    while (size > 0 && !stream->failed) {
        int64_t written = write(stream->fd, p, size);
        stream->failed = written <= 0;
        p += stream->failed ? 0 : written;
        size -= stream->failed ? 0 : (uint64_t)written;
    }
    return !stream->failed;
}

static inline void exec_stream_flush(struct exec_stream *stream)
{
    exec_stream_write(stream, stream->buffer, stream->used * sizeof(stream->buffer[0]));
    stream->used = 0;
}

static inline void exec_stream_open(struct exec_stream *stream, int fd)
{
    stream->fd = fd;
    exec_stream_write(stream, EXEC_STREAM_MAGIC, 8);
}

static inline void exec_stream_step(struct exec_stream *stream, uint64_t address, unsigned size)
{
    struct exec_run *run = &stream->run;
    if (run->count && address == stream->next) {
        run->count++;
        run->length = address - run->start;
    } else if (run->count && address == stream->last) {
        return;
    } else {
        if (run->count) {
            stream->buffer[stream->used++] = *run;
            if (stream->used == EXEC_STREAM_BUFFER) {
                exec_stream_flush(stream);
            }
        }
        *run = (struct exec_run) { .start = address, .count = 1 };
    }
    stream->last = address;
    stream->next = address + size;
}

#endif
