/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine on io_uring. The submission ring is small and what does not fit waits in a list of ours, so that nobody
 * is ever told to come again; the completion ring holds whatever the kernel has (it keeps what overflows). What is on
 * its way to the kernel is bounded by the ring's size, for memory that the kernel locks.
 */
#include "block/queue.h"

#ifdef CONFIG_LINUX_IO_URING
#include <errno.h>
#include <liburing.h>

#define RING_ENTRIES 128

struct block_uring {
    struct io_uring ring;
    struct block_io *first, *last; /* no room yet */
    unsigned unsubmitted;          /* in the ring, the kernel not told */
    unsigned in_flight;            /* the kernel told */
};

struct block_uring *block_uring_new(GError **error)
{
    struct block_uring *uring = g_new0(struct block_uring, 1);
    int ret = io_uring_queue_init(RING_ENTRIES, &uring->ring, 0);

    if (ret < 0) {
        error_setf_errno(error, -ret, "io_uring is not to be had on this host");
        g_free(uring);
        return NULL;
    }
    io_uring_ring_dontfork(&uring->ring);
    return uring;
}

void block_uring_free(struct block_uring *uring)
{
    g_assert(!uring->in_flight && !uring->first);
    io_uring_queue_exit(&uring->ring);
    g_free(uring);
}

int block_uring_fd(const struct block_uring *uring)
{
    return uring->ring.ring_fd;
}

static void prepare(struct io_uring_sqe *sqe, struct block_io *io)
{
    switch (io->call) {
    case BLOCK_CALL_READV:
        io_uring_prep_readv(sqe, io->fd, io->iov, io->iov_count, io->offset);
        break;
    case BLOCK_CALL_WRITEV:
        io_uring_prep_writev(sqe, io->fd, io->iov, io->iov_count, io->offset);
        break;
    case BLOCK_CALL_FDATASYNC:
        io_uring_prep_fsync(sqe, io->fd, IORING_FSYNC_DATASYNC);
        break;
    case BLOCK_CALL_FALLOCATE:
        io_uring_prep_fallocate(sqe, io->fd, io->mode, io->offset, io->length);
        break;
    }
    io_uring_sqe_set_data(sqe, io);
}

static void fill_ring(struct block_uring *uring)
{
    struct io_uring_sqe *sqe;

    while (uring->first && uring->in_flight + uring->unsubmitted < RING_ENTRIES &&
           (sqe = io_uring_get_sqe(&uring->ring))) {
        struct block_io *io = uring->first;

        uring->first = io->next;
        prepare(sqe, io);
        uring->unsubmitted++;
    }
}

void block_uring_add(struct block_uring *uring, struct block_io *io)
{
    io->next = NULL;
    if (uring->first) {
        uring->last->next = io;
    } else {
        uring->first = io;
    }
    uring->last = io;
}

void block_uring_flush(struct block_uring *uring)
{
    fill_ring(uring);
    while (uring->unsubmitted) {
        int ret = io_uring_submit(&uring->ring);

        if (ret < 0 && ret != -EINTR) {
            /*
             * EAGAIN, EBUSY: the kernel is out of memory, or we owe it a look at completions. The next reap tries
             * again; where there will be none, we do.
             */
            if (uring->in_flight) {
                break;
            }
            g_usleep(1000);
        }
        ret = MAX(ret, 0);
        uring->unsubmitted -= MIN((unsigned)ret, uring->unsubmitted);
        uring->in_flight += ret;
        fill_ring(uring);
    }
}

static unsigned reap_ready(struct block_uring *uring)
{
    struct io_uring_cqe *cqe;
    unsigned n = 0;

    while (n < 2 * RING_ENTRIES && io_uring_peek_cqe(&uring->ring, &cqe) == 0) {
        struct block_io *io = io_uring_cqe_get_data(cqe);

        io->result = cqe->res;
        io_uring_cqe_seen(&uring->ring, cqe);
        uring->in_flight--;
        n++;
        io->done(io);
    }
    return n;
}

unsigned block_uring_reap(struct block_uring *uring, bool wait)
{
    unsigned n;

    block_uring_flush(uring);
    n = reap_ready(uring);
    if (!n && wait && uring->in_flight) {
        struct io_uring_cqe *cqe;

        io_uring_wait_cqe(&uring->ring, &cqe); /* EINTR: the caller asks again */
        n = reap_ready(uring);
    }
    block_uring_flush(uring);
    return n;
}
#else
struct block_uring *block_uring_new(GError **error)
{
    error_setf(error, "io_uring is not built in (liburing)");
    return NULL;
}

void block_uring_free(struct block_uring *uring) {}

int block_uring_fd(const struct block_uring *uring)
{
    return -1;
}

void block_uring_add(struct block_uring *uring, struct block_io *io)
{
    g_assert_not_reached();
}

void block_uring_flush(struct block_uring *uring) {}

unsigned block_uring_reap(struct block_uring *uring, bool wait)
{
    return 0;
}
#endif
