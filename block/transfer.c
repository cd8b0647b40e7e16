/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A request on a file, system call by system call:
 *
 *   READ, WRITE    as long as something is left: the rest in one call, where the file takes it as it lies (buffered
 *                  files take anything, O_DIRECT wants offset, length and memory aligned); else an aligned piece of
 * at most BOUNCE_MAX bytes by way of a buffer of ours, which a write that covers it in part reads first. Short
 * transfers are continued; what lies behind the file's end reads as zeros. WRITE_ZEROES   fallocate(), and where the
 * file system has no such call: written DISCARD        a hole; where the file system has none, nothing, since a
 * discard is a hint
 *
 * A write that reads first would bring back what another one overwrote meanwhile, so such a write is alone: it waits
 * for those in flight, and those behind it wait for it. Each callback runs on the backend's thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "block/internal.h"

#define BOUNCE_MAX (64u << 10)

static void transfer_next(struct block_request *req);

static struct block_file *file_of(const struct block_request *req)
{
    return req->node->opaque;
}

static struct block_request *request_of(struct block_io *io)
{
    return (struct block_request *)((char *)io - offsetof(struct block_request, io));
}

static void submit(struct block_request *req, enum block_call call, void (*done)(struct block_io *io))
{
    req->io.call = call;
    req->io.fd = file_of(req)->fd;
    req->io.done = done;
    block_queue_submit(req->blk->queue, file_of(req)->aio, &req->io);
}

/* io_uring says EAGAIN and EINTR for "not this time": once more, as it was. */
static bool tried_again(struct block_request *req)
{
    if (req->io.result != -EAGAIN && req->io.result != -EINTR) {
        return false;
    }
    submit(req, req->io.call, req->io.done);
    return true;
}

/* ---- Writes that must be alone ---- */

static bool is_write(const struct block_request *req)
{
    return req->now == BLOCK_WRITE || req->now == BLOCK_WRITE_ZEROES || req->now == BLOCK_DISCARD;
}

static bool must_be_alone(const struct block_request *req)
{
    return (req->now == BLOCK_WRITE || req->now == BLOCK_WRITE_ZEROES) &&
           (req->node_offset | req->length) % file_of(req)->alignment;
}

static bool may_start(const struct block_file *f, const struct block_request *req)
{
    return !f->exclusive && (!must_be_alone(req) || !f->writers);
}

static void start(struct block_request *req);

static void started(struct block_file *f, struct block_request *req)
{
    f->writers++;
    f->exclusive = must_be_alone(req);
    start(req);
}

static void start_waiting(struct block_file *f)
{
    while (f->waiting && may_start(f, f->waiting)) {
        struct block_request *req = f->waiting;

        f->waiting = req->next;
        started(f, req);
    }
}

static void file_finish(struct block_request *req, int result)
{
    struct block_file *f = file_of(req);

    free(req->bounce);
    req->bounce = NULL;
    if (is_write(req)) {
        f->writers--;
        f->exclusive = false;
        start_waiting(f);
    }
    block_request_finish(req, result);
}

static void done_at_once(struct block_io *io)
{
    file_finish(request_of(io), io->result);
}

static void finish_later(struct block_request *req, int result)
{
    req->io.result = result;
    req->io.done = done_at_once;
    block_queue_complete_later(req->blk->queue, &req->io);
}

/* ---- The caller's buffers ---- */

static void iov_advance(struct block_request *req, uint64_t n)
{
    req->done += n;
    while (n) {
        size_t step = MIN(n, req->iov->iov_len);

        req->iov->iov_base = (char *)req->iov->iov_base + step;
        req->iov->iov_len -= step;
        n -= step;
        if (!req->iov->iov_len && n) {
            req->iov++;
            req->iov_count--;
        }
    }
    while (req->iov_count && !req->iov->iov_len) {
        req->iov++;
        req->iov_count--;
    }
}

/* Copies between the next `n` bytes of them and `buffer`; NULL: zeros. */
static void iov_copy(struct block_request *req, uint8_t *buffer, uint64_t n, bool to_buffer)
{
    while (n) {
        size_t step = MIN(n, req->iov->iov_len);

        if (to_buffer) {
            memcpy(buffer, req->iov->iov_base, step);
        } else if (buffer) {
            memcpy(req->iov->iov_base, buffer, step);
        } else {
            memset(req->iov->iov_base, 0, step);
        }
        buffer += buffer ? step : 0;
        n -= step;
        iov_advance(req, step);
    }
}

static bool lies_aligned(const struct block_request *req)
{
    const struct block_file *f = file_of(req);
    uint64_t bits = 0;

    if (f->alignment == 1) {
        return true;
    }
    for (unsigned i = 0; i < req->iov_count; i++) {
        bits |= (uintptr_t)req->iov[i].iov_base | req->iov[i].iov_len;
    }
    return (req->node_offset + req->done) % f->alignment == 0 && bits % f->memory_alignment == 0;
}

/* ---- By way of a buffer ---- */

static uint64_t bounce_skip(const struct block_request *req)
{
    return req->node_offset + req->done - req->bounce_start;
}

static uint64_t bounce_bytes(const struct block_request *req)
{
    return MIN(req->length - req->done, req->bounce_length - bounce_skip(req));
}

static void bounce_call(struct block_request *req, enum block_call call, void (*done)(struct block_io *io))
{
    req->io.offset = req->bounce_start + ((uint8_t *)req->bounce_iov.iov_base - req->bounce);
    req->io.iov = &req->bounce_iov;
    req->io.iov_count = 1;
    submit(req, call, done);
}

static void bounce_whole(struct block_request *req, enum block_call call, void (*done)(struct block_io *io))
{
    req->bounce_iov = (struct iovec){ .iov_base = req->bounce, .iov_len = req->bounce_length };
    bounce_call(req, call, done);
}

/* Goes on with a short transfer. False: there was an error, or it is complete (nothing more comes: 0). */
static bool bounce_continued(struct block_request *req)
{
    int64_t n = req->io.result;

    if (n > 0) {
        req->bounce_iov.iov_base = (uint8_t *)req->bounce_iov.iov_base + n;
        req->bounce_iov.iov_len -= n;
    }
    if (n <= 0 || !req->bounce_iov.iov_len || req->bounce_iov.iov_len % file_of(req)->alignment) {
        return false; /* a piece that ends unaligned ends with the file */
    }
    bounce_call(req, req->io.call, req->io.done);
    return true;
}

static void bounce_written(struct block_io *io)
{
    struct block_request *req = request_of(io);

    if (tried_again(req) || bounce_continued(req)) {
        return;
    }
    if (io->result <= 0 || req->bounce_iov.iov_len) {
        file_finish(req, io->result < 0 ? io->result : -EIO);
    } else {
        transfer_next(req);
    }
}

static void bounce_write(struct block_request *req)
{
    uint8_t *to = req->bounce + bounce_skip(req);
    uint64_t n = bounce_bytes(req);

    if (req->now == BLOCK_WRITE) {
        iov_copy(req, to, n, true);
    } else {
        memset(to, 0, n);
        req->done += n;
    }
    bounce_whole(req, BLOCK_CALL_WRITEV, bounce_written);
}

static void bounce_was_read(struct block_io *io)
{
    struct block_request *req = request_of(io);

    if (tried_again(req) || bounce_continued(req)) {
        return;
    }
    if (io->result < 0) {
        file_finish(req, io->result);
        return;
    }
    memset(req->bounce_iov.iov_base, 0, req->bounce_iov.iov_len); /* behind the end of the file */
    if (req->now == BLOCK_READ) {
        iov_copy(req, req->bounce + bounce_skip(req), bounce_bytes(req), false);
        transfer_next(req);
    } else {
        bounce_write(req);
    }
}

static void bounce_next(struct block_request *req)
{
    uint64_t a = file_of(req)->alignment, at = req->node_offset + req->done, end = at + req->length - req->done;

    req->bounce_start = at / a * a;
    req->bounce_length = MIN((end + a - 1) / a * a - req->bounce_start, BOUNCE_MAX);
    if (!req->bounce && posix_memalign((void **)&req->bounce, MAX(a, 4096), req->bounce_length)) {
        req->bounce = NULL;
        finish_later(req, -ENOMEM);
    } else if (is_write(req) && at == req->bounce_start && bounce_bytes(req) == req->bounce_length) {
        bounce_write(req);
    } else {
        bounce_whole(req, BLOCK_CALL_READV, bounce_was_read);
    }
}

/* ---- Read, write ---- */

static void transferred(struct block_io *io)
{
    struct block_request *req = request_of(io);
    int64_t n = io->result;

    if (tried_again(req)) {
        return;
    }
    if (n < 0) {
        file_finish(req, n);
    } else if (n > 0) {
        iov_advance(req, n);
        transfer_next(req);
    } else if (req->now == BLOCK_READ) {
        iov_copy(req, NULL, req->length - req->done, false);
        file_finish(req, 0);
    } else {
        file_finish(req, -EIO);
    }
}

static void transfer_next(struct block_request *req)
{
    if (req->done == req->length) {
        file_finish(req, 0);
    } else if (req->now == BLOCK_WRITE_ZEROES || !lies_aligned(req)) {
        bounce_next(req);
    } else {
        req->io.offset = req->node_offset + req->done;
        req->io.iov = req->iov;
        req->io.iov_count = MIN(req->iov_count, IOV_MAX);
        submit(req, req->now == BLOCK_READ ? BLOCK_CALL_READV : BLOCK_CALL_WRITEV, transferred);
    }
}

/* ---- Holes, zeros, flush ---- */

static bool is_unsupported(int64_t result)
{
    return result == -EOPNOTSUPP || result == -ENOSYS || result == -EINVAL;
}

static void flushed(struct block_io *io)
{
    if (!tried_again(request_of(io))) {
        file_finish(request_of(io), io->result);
    }
}

static void discarded(struct block_io *io)
{
    struct block_request *req = request_of(io);
    struct block_node *node = req->node;

    if (tried_again(req)) {
        return;
    }
    file_of(req)->no_punch |= is_unsupported(io->result);
    pthread_mutex_lock(&block_stats_lock);
    node->discards += io->result == 0;
    node->discard_bytes += io->result == 0 ? req->length : 0;
    node->failed_discards += io->result != 0;
    pthread_mutex_unlock(&block_stats_lock);
    file_finish(req, is_unsupported(io->result) ? 0 : io->result);
}

static void discard(struct block_request *req)
{
    if (!req->node->unmap || file_of(req)->no_punch) {
        finish_later(req, 0);
        return;
    }
    req->io.mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    req->io.offset = req->node_offset;
    req->io.length = req->length;
    submit(req, BLOCK_CALL_FALLOCATE, discarded);
}

static void write_zeroes(struct block_request *req);

static void zeroed(struct block_io *io)
{
    struct block_request *req = request_of(io);
    struct block_file *f = file_of(req);

    if (tried_again(req)) {
        return;
    }
    if (!is_unsupported(io->result)) {
        file_finish(req, io->result);
        return;
    }
    *(io->mode & FALLOC_FL_PUNCH_HOLE ? &f->no_punch : &f->no_zero_range) = true;
    write_zeroes(req); /* the next best way */
}

static void write_zeroes(struct block_request *req)
{
    const struct block_file *f = file_of(req);
    bool punch = req->unmap && req->node->unmap && !f->no_punch;

    if (!punch && f->no_zero_range) {
        transfer_next(req);
        return;
    }
    req->io.mode = (punch ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE) | FALLOC_FL_KEEP_SIZE;
    req->io.offset = req->node_offset;
    req->io.length = req->length;
    submit(req, BLOCK_CALL_FALLOCATE, zeroed);
}

static void flush(struct block_request *req)
{
    if (req->node->no_flush) {
        finish_later(req, 0);
    } else {
        submit(req, BLOCK_CALL_FDATASYNC, flushed);
    }
}

static void start(struct block_request *req)
{
    static void (*const starts[BLOCK_OPS])(struct block_request * req) = {
        [BLOCK_READ] = transfer_next, [BLOCK_WRITE] = transfer_next,       [BLOCK_FLUSH] = flush,
        [BLOCK_DISCARD] = discard,    [BLOCK_WRITE_ZEROES] = write_zeroes,
    };

    req->done = 0;
    if (req->length == 0 && req->now != BLOCK_FLUSH) {
        finish_later(req, 0);
    } else {
        starts[req->now](req);
    }
}

void block_file_submit(struct block_node *node, struct block_request *req)
{
    struct block_file *f = node->opaque;

    if (!is_write(req)) {
        start(req);
    } else if (!f->waiting && may_start(f, req)) {
        started(f, req);
    } else {
        req->next = NULL;
        if (!f->waiting) {
            f->waiting_tail = &f->waiting;
        }
        *f->waiting_tail = req;
        f->waiting_tail = &req->next;
    }
}
