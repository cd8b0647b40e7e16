/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks: nodes, backends and requests.
 *
 *   device -> struct block_backend (policies, statistics, what is in flight) -> format node -> protocol node ->
 * engine
 *
 * Nodes are made by -blockdev, -drive and blockdev-add and have names; a device is given one by drive=NAME. A node is
 * active (opened as its options say, locked against other users while a device has it) or inactive: between the start
 * of an incoming VM and block_activate_all(), and after block_inactivate_all() at the source's switchover. An
 * inactive node is read-only and holds no lock, so that the other end may have the image.
 *
 * Threads: all of this under the big lock, except that requests are submitted and completed on the backend's thread:
 * the main loop (whoever holds the big lock), or an iothread while block_backend_set_iothread() says so.
 */
#ifndef FERRY_BLOCK_BLOCK_H
#define FERRY_BLOCK_BLOCK_H

#include <sys/uio.h>

#include "block/queue.h"
#include "qapi/qapi-types.h"
#include "util/error.h"

#define BLOCK_SECTOR      512
#define BLOCK_REQUEST_MAX (1ull << 30) /* bytes of a read or write */

struct block_node;
struct block_backend;
struct iothread;

enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD, BLOCK_WRITE_ZEROES, BLOCK_OPS };

struct block_request {
    enum block_op op;
    uint64_t offset, length; /* bytes; within the backend's length */
    struct iovec *iov;       /* READ, WRITE: `length` bytes; it is consumed */
    unsigned iov_count;
    bool unmap; /* WRITE_ZEROES: the range may become a hole */
    /* 0 or -errno, on the backend's thread, never from within block_submit(). The request is the caller's again. */
    void (*complete)(struct block_request *req, int result);

    /* The block layer's. */
    struct block_backend *blk;
    struct block_node *node; /* that has it now */
    enum block_op now;       /* what the nodes do: `op`, or the flush behind it */
    struct block_io io;
    uint64_t node_offset; /* `offset` in `node` */
    uint64_t done;
    int64_t start_ns;
    uint8_t *bounce; /* an aligned piece of the file: */
    uint64_t bounce_start, bounce_length;
    struct iovec bounce_iov; /* what is left of its transfer */
    struct block_request *next;
};

/* ---- Nodes ---- */

/* The options of -blockdev and blockdev-add. The node belongs to the operator until block_node_delete(). */
bool block_node_create(const BlockdevOptions *options, GError **error);
bool block_node_delete(const char *name, GError **error);
struct block_node *block_node_find(const char *name); /* or NULL */
const char *block_node_name(const struct block_node *node);
/* Bytes, a multiple of BLOCK_SECTOR. Any thread. */
uint64_t block_node_length(const struct block_node *node);
/* -blockdev and -drive, from the command line. A drive with if=virtio makes its device, too. */
bool blockdev_option(const char *text, GError **error);
bool drive_option(const char *text, GError **error);
/* The devices of drives with if=virtio; once there is a board. `create` is -device's function. */
bool drives_plug(bool (*create)(const char *text, GError **error), GError **error);

/*
 * The VM waits for a migration: nodes are made inactive from now on. Before -blockdev.
 */
void block_set_incoming(void);
/*
 * The VM is about to run here: opens every image for writing, locks it, and reads anew what the other end may have
 * changed. False: some image cannot be had (another process holds it, say); nothing may run then. Idempotent.
 */
bool block_activate_all(GError **error);
/*
 * The VM is about to run elsewhere: nothing is in flight (the VM is stopped); writes out everything and lets the
 * images go. On failure everything is active again as before. Idempotent.
 */
bool block_inactivate_all(GError **error);
bool block_is_active(void);

/* ---- Backends ---- */

enum block_error_policy { BLOCK_ON_ERROR_REPORT, BLOCK_ON_ERROR_IGNORE, BLOCK_ON_ERROR_STOP, BLOCK_ON_ERROR_ENOSPC };

struct block_backend_ops {
    void (*resized)(void *opaque); /* big lock held */
};

struct block_backend_config {
    const char *node;          /* drive= */
    const char *device;        /* for messages: "virtio-blk-pci" */
    const char *qdev;          /* the device's path; copied */
    struct iothread *iothread; /* that will serve it while it runs; NULL: the main loop */
    bool share_rw, write_cache;
    enum block_error_policy on_read_error, on_write_error;
    const struct block_backend_ops *ops;
    void *opaque;
};

/* NULL: no such node, another device has it, it is read-only, or another process has locked the image. */
struct block_backend *block_backend_new(const struct block_backend_config *config, GError **error);
void block_backend_free(struct block_backend *blk); /* nothing is in flight */

bool block_backend_parse_policy(const char *name, const char *text, bool is_write, enum block_error_policy *policy,
                                GError **error);
uint64_t block_backend_length(const struct block_backend *blk); /* bytes; any thread */
bool block_backend_read_only(const struct block_backend *blk);
void block_backend_set_write_cache(struct block_backend *blk,
                                   bool on); /* off: a write is on the medium when it ends */
bool block_backend_write_cache(const struct block_backend *blk);
/* Which thread submits from now on; nothing is in flight. */
void block_backend_set_iothread(struct block_backend *blk, bool on);
/* Waits until nothing is in flight. Big lock held; nobody submits meanwhile. */
void block_backend_drain(struct block_backend *blk);

void block_submit(struct block_backend *blk, struct block_request *req);
/* Several requests at once. */
void block_backend_plug(struct block_backend *blk);
void block_backend_unplug(struct block_backend *blk);

/*
 * What is to be done about a failed request, by rerror= and werror=: the event is sent, and the VM is about to stop
 * where the answer is STOP (the request is to be repeated when it runs again). On the backend's thread.
 */
BlockErrorAction block_backend_error(struct block_backend *blk, enum block_op op, int error);
/* A request that never reached the node: counted as invalid. */
void block_backend_invalid(struct block_backend *blk, enum block_op op);
void block_backend_reset_io_status(void); /* of all: the VM goes on */

void hmp_info_block(void);

#endif
