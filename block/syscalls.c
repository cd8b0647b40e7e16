/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The system calls as a thread of the pool makes them. In a file of its own: tests put theirs in its place. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "block/queue.h"

static int64_t call_once(const struct block_io *io)
{
    switch (io->call) {
    case BLOCK_CALL_READV:
        return preadv(io->fd, io->iov, io->iov_count, io->offset);
    case BLOCK_CALL_WRITEV:
        return pwritev(io->fd, io->iov, io->iov_count, io->offset);
    case BLOCK_CALL_FDATASYNC:
        return fdatasync(io->fd);
    case BLOCK_CALL_FALLOCATE:
        return fallocate(io->fd, io->mode, io->offset, io->length);
    }
    g_assert_not_reached();
}

int64_t block_call_run(const struct block_io *io)
{
    int64_t result;

    do {
        result = call_once(io);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : result;
}
