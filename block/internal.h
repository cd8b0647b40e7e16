/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of block/ share. */
#ifndef FERRY_BLOCK_INTERNAL_H
#define FERRY_BLOCK_INTERNAL_H

#include <pthread.h>

#include "block/block.h"

struct block_driver {
    const char *name;
    BlockdevDriver type;
    /* Of the options' branch of that type. */
    bool (*open)(struct block_node *node, const BlockdevOptions *options, GError **error);
    void (*close)(struct block_node *node);
    /* Takes the request, whose node_offset is within the node. */
    void (*submit)(struct block_node *node, struct block_request *req);
    /* The length that the node now has, or its own error. */
    bool (*resize)(struct block_node *node, uint64_t length, GError **error);
    bool (*refresh)(struct block_node *node, GError **error); /* the length, after the child's changed */
    bool (*activate)(struct block_node *node, GError **error);
    bool (*inactivate)(struct block_node *node, GError **error);
    bool (*lock)(struct block_node *node, GError **error); /* to what `users` need */
    int64_t (*allocated)(const struct block_node *node);   /* bytes on the host's disk, or -1 */
};

struct block_node {
    const struct block_driver *driver;
    char *name;
    struct block_node *child; /* `file` */
    unsigned refs;            /* parents and backends; the operator's own is `monitor` */
    bool monitor;
    bool read_only, read_only_option, auto_read_only, direct, no_flush, unmap;
    bool active;
    char *filename;
    uint64_t length;  /* atomic */
    void *opaque;     /* the driver's */
    GPtrArray *users; /* backends, whatever is between */
    /* Statistics; `stats_lock` of backend.c */
    uint64_t highest_write, discards, discard_bytes, failed_discards;
};

extern const struct block_driver block_driver_file, block_driver_raw, block_driver_null, block_driver_blkdebug;

struct block_stats {
    uint64_t bytes[BLOCK_OPS], operations[BLOCK_OPS], failed[BLOCK_OPS], invalid[BLOCK_OPS];
    int64_t time_ns[BLOCK_OPS], last_access_ns;
};

struct block_backend {
    struct block_node *node;
    struct block_queue *queue, *main_queue, *iothread_queue;
    struct iothread *iothread;
    char *qdev, *device;
    char *name; /* of the -drive, or "" */
    bool read_only, share_rw;
    bool write_cache; /* atomic */
    enum block_error_policy on_read_error, on_write_error;
    const struct block_backend_ops *ops;
    void *opaque;
    unsigned in_flight; /* the backend's thread */
    bool on_iothread;
    int io_status;            /* BlockDeviceIoStatus; atomic */
    struct block_stats stats; /* stats_lock */
};

/* Guards all statistics. Innermost. */
extern pthread_mutex_t block_stats_lock;
void block_node_foreach(void (*each)(struct block_node *node, void *opaque), void *opaque); /* newest first */
GPtrArray *block_backends(void);
/* NULL and an error otherwise; a reference is the caller's. `parent`: in whose options these are, or NULL. */
struct block_node *block_node_open(const BlockdevOptions *options, const struct block_node *parent, GError **error);
void block_node_unref(struct block_node *node);
void block_node_set_length(struct block_node *node, uint64_t length);
struct block_node *block_node_leaf(struct block_node *node);
bool block_node_attach(struct block_node *node, struct block_backend *blk, GError **error);
void block_node_detach(struct block_node *node, struct block_backend *blk);
/* Runs where requests of the node are served, with nothing in flight. */
void block_node_quiesced(struct block_node *node, void (*callback)(void *opaque), void *opaque);

/* `node` alone, nothing being in flight. */
bool block_node_resize(struct block_node *node, uint64_t length, GError **error);
/* With nothing in flight, and its users told. */
bool block_node_resize_live(struct block_node *node, uint64_t length, GError **error);
/* drive.c: the node of a -drive, and whether its writes may stay in the host's cache; NULL: no such id. */
struct block_node *drive_find(const char *id);
bool drive_write_cache(const char *id);

/* node_offset is the node's: its driver takes it from there. */
void block_node_submit(struct block_node *node, struct block_request *req);
/* The end of a request; on the backend's thread, not from within submit. */
void block_request_finish(struct block_request *req, int result);
/* The same in the next round. */
void block_request_finish_later(struct block_request *req, int result);

/* transfer.c: requests on a file */
struct block_file {
    int fd;
    bool lock_wanted, locked;
    uint64_t alignment, memory_alignment; /* of offsets and lengths; 1: any */
    enum block_aio aio;
    bool no_punch, no_zero_range; /* the file system said so; the backend's thread */
    unsigned writers;             /* in flight */
    bool exclusive;               /* one that must be alone is */
    struct block_request *waiting, **waiting_tail;
};
void block_file_submit(struct block_node *node, struct block_request *req);

/* lock.c: the locks by which QEMU's processes know of each other */
bool block_file_lock(struct block_node *node, GError **error);
void block_file_unlock(struct block_node *node);

#endif
