/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine: system calls on files, made somewhere else, whose results come back to whoever asked.
 *
 *   block_queue_submit -> io_uring, or a thread of the pool -> completion -> io->done in the queue's context
 *
 * A queue belongs to one GMainContext: the main loop's, where the big lock guards it (a vCPU that holds the lock may
 * submit and wait too), or an iothread's, where only that thread touches it. `done` is called there, one at a time,
 * never from within block_queue_submit().
 */
#ifndef FERRY_BLOCK_QUEUE_H
#define FERRY_BLOCK_QUEUE_H

#include <stdint.h>
#include <sys/uio.h>

#include "util/error.h"

struct block_queue;
struct iothread;

enum block_aio { BLOCK_AIO_AUTO, BLOCK_AIO_THREADS, BLOCK_AIO_IO_URING };

enum block_call {
    BLOCK_CALL_READV,
    BLOCK_CALL_WRITEV,
    BLOCK_CALL_FDATASYNC,
    BLOCK_CALL_FALLOCATE,
};

/* One system call. The caller's until it is submitted and again once `done` is called. */
struct block_io {
    enum block_call call;
    int fd;
    int mode;                /* FALLOC_FL_* */
    uint64_t offset, length; /* length: FALLOCATE's */
    const struct iovec *iov;
    unsigned iov_count;
    int64_t result; /* as the system call's, or -errno */
    void (*done)(struct block_io *io);

    struct block_queue *queue;
    struct block_io *next;
};

/* The queue of a thread: NULL is the main loop. Made when it is first asked for. Big lock held. */
struct block_queue *block_queue_get(struct iothread *iothread, GError **error);
void block_queue_put(struct block_queue *queue);

/* Whether `aio` can be had on this host; AUTO always can. */
bool block_aio_check(enum block_aio aio, GError **error);

void block_queue_submit(struct block_queue *queue, enum block_aio aio, struct block_io *io);
/* What is submitted between the two may go to the kernel together. They nest. */
void block_queue_plug(struct block_queue *queue);
void block_queue_unplug(struct block_queue *queue);
/* Waits until something has completed, and completes it. There must be something in flight. */
void block_queue_wait(struct block_queue *queue);
/* Calls `done` in the next round of the queue's context, with the result that is in `io`. */
void block_queue_complete_later(struct block_queue *queue, struct block_io *io);

/* ---- queue-uring.c ---- */
struct block_uring;
struct block_uring *block_uring_new(GError **error); /* NULL: the kernel has none, or lets us have none */
void block_uring_free(struct block_uring *uring);
int block_uring_fd(const struct block_uring *uring);
void block_uring_add(struct block_uring *uring, struct block_io *io);
void block_uring_flush(struct block_uring *uring); /* to the kernel */
/* Completes what is ready; `wait`: at least one. Returns how many. */
unsigned block_uring_reap(struct block_uring *uring, bool wait);

/* ---- syscalls.c: what the pool's threads call ---- */
int64_t block_call_run(const struct block_io *io);

#endif
