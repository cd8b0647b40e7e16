/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of the block device:
 *
 *   readable: struct virtio_blk_outhdr (type, sector), data to write; writable: data that is read, a status byte
 *
 * in any number of descriptors. Data goes between the image and guest memory without a copy of ours; the memory that
 * a read has filled is marked dirty before the driver hears of it. The guest may change the header until we have read
 * it: it is read once, and again only where the request is repeated as a whole.
 */
#include <errno.h>
#include <string.h>

#include "hw/block/virtio-blk.h"
#include "memory/memory.h"
#include "trace/hw_block.h"

#define BATCH        64 /* requests per visit of the queue */
#define TRANSFER_MAX (INT32_MAX / BLOCK_SECTOR * BLOCK_SECTOR)

/* ---- Life ---- */

struct virtio_blk_request *virtio_blk_request_new(struct virtio_blk *b, struct virtqueue *vq,
                                                  const struct virtqueue_element *element)
{
    unsigned n = element->out_count + element->in_count;
    struct virtio_blk_request *req = g_malloc0(sizeof(*req) + n * sizeof(req->segments[0]));

    req->dev = b;
    req->vq = vq;
    memcpy(req->segments, element->segments, n * sizeof(req->segments[0]));
    req->element = *element;
    req->element.segments = req->segments;
    return req;
}

static void let_go(struct virtio_blk_request *req)
{
    g_clear_pointer(&req->iov, g_free);
    g_clear_pointer(&req->view, flat_view_put);
}

void virtio_blk_request_free(struct virtio_blk_request *req)
{
    let_go(req);
    g_free(req);
}

void virtio_blk_retry_append(struct virtio_blk_request *req)
{
    struct virtio_blk *b = req->dev;
    unsigned queue = req->vq->index;

    req->next = NULL;
    if (!b->retry[queue]) {
        b->retry_tail[queue] = &b->retry[queue];
    }
    *b->retry_tail[queue] = req;
    b->retry_tail[queue] = &req->next;
}

void virtio_blk_retry_drop(struct virtio_blk *b, unsigned queue)
{
    while (b->retry[queue]) {
        struct virtio_blk_request *req = b->retry[queue];

        b->retry[queue] = req->next;
        virtio_blk_request_free(req);
    }
}

static void finish(struct virtio_blk_request *req, uint8_t status)
{
    struct virtqueue *vq = req->vq;
    uint64_t length = req->element.in_length;

    trace_virtio_blk_finish(vq->index, req->element.head, status);
    virtqueue_element_write(&req->element, length - 1, &status, 1);
    virtqueue_push(vq, req->element.head, MIN(length, UINT32_MAX));
    virtqueue_notify(vq);
    virtio_blk_request_free(req);
}

/* ---- Guest memory ---- */

struct piece_walk {
    uint64_t skip, length; /* of the part's bytes */
    bool write;            /* into guest memory */
};

/* Calls `each` for what of the segments is one piece of RAM. False: not all of it is RAM. */
static bool walk_pieces(struct virtio_blk_request *req, const struct virtio_segment *segments, unsigned count,
                        struct piece_walk walk,
                        void (*each)(GArray *iov, struct ram_block *block, uint64_t offset, uint64_t n), GArray *iov)
{
    for (unsigned i = 0; i < count && walk.length; i++) {
        uint64_t at = MIN(walk.skip, segments[i].length), left = MIN(segments[i].length - at, walk.length);

        walk.skip -= at;
        walk.length -= left;
        while (left) {
            uint64_t n = left, offset;
            struct ram_block *block;

            if (!memory_translate(req->view, segments[i].gpa + at, &n, walk.write, &block, &offset)) {
                return false;
            }
            each(iov, block, offset, n);
            at += n;
            left -= n;
        }
    }
    return walk.length == 0;
}

static void add_iov(GArray *iov, struct ram_block *block, uint64_t offset, uint64_t n)
{
    struct iovec piece = { block->host + offset, n };

    g_array_append_val(iov, piece);
}

static void mark_dirty(GArray *iov, struct ram_block *block, uint64_t offset, uint64_t n)
{
    ram_block_mark_dirty(block, offset, n);
}

static bool map_data(struct virtio_blk_request *req, bool read, uint64_t length)
{
    const struct virtio_segment *segments = req->element.segments + (read ? req->element.out_count : 0);
    unsigned count = read ? req->element.in_count : req->element.out_count;
    struct piece_walk walk = { read ? 0 : sizeof(struct virtio_blk_outhdr), length, read };
    GArray *iov = g_array_sized_new(FALSE, FALSE, sizeof(struct iovec), count);

    req->view = flat_view_get(&address_space_memory);
    if (!walk_pieces(req, segments, count, walk, add_iov, iov)) {
        g_array_free(iov, TRUE);
        virtio_error(&req->dev->vdev, "queue %u: a request's data is not in RAM any more", req->vq->index);
        return false;
    }
    req->block.iov_count = iov->len;
    req->iov = req->block.iov = (struct iovec *)g_array_free(iov, FALSE);
    return true;
}

static void mark_read(struct virtio_blk_request *req)
{
    walk_pieces(req, req->element.segments + req->element.out_count, req->element.in_count,
                (struct piece_walk){ 0, req->block.length, true }, mark_dirty, NULL);
}

/* ---- To the image ---- */

static void request_done(struct block_request *block, int result)
{
    struct virtio_blk_request *req = (struct virtio_blk_request *)block;
    BlockErrorAction action = BLOCK_ERROR_ACTION_IGNORE;

    if (req->block.op == BLOCK_READ) {
        mark_read(req); /* a failed one may have written, too */
    }
    let_go(req);
    if (result < 0) {
        action = block_backend_error(req->dev->blk, req->block.op, -result);
    }
    if (action == BLOCK_ERROR_ACTION_STOP) {
        virtio_blk_retry_append(req);
    } else {
        finish(req, action == BLOCK_ERROR_ACTION_IGNORE ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
    }
}

static void submit(struct virtio_blk_request *req, enum block_op op, uint64_t offset, uint64_t length)
{
    req->block.op = op;
    req->block.offset = offset;
    req->block.length = length;
    req->block.complete = request_done;
    block_submit(req->dev->blk, &req->block);
}

static void finish_invalid(struct virtio_blk_request *req, enum block_op op, uint8_t status)
{
    block_backend_invalid(req->dev->blk, op);
    finish(req, status);
}

static bool range_ok(const struct virtio_blk *b, uint64_t sector, uint64_t length)
{
    uint64_t whole = block_backend_length(b->blk);

    return sector <= whole / BLOCK_SECTOR && length <= whole - sector * BLOCK_SECTOR &&
           sector * BLOCK_SECTOR % b->logical_block_size == 0 && length % b->logical_block_size == 0;
}

static void read_write(struct virtio_blk_request *req, uint64_t sector)
{
    struct virtio_blk *b = req->dev;
    bool read = req->type == VIRTIO_BLK_T_IN;
    uint64_t length = read ? req->element.in_length - 1 : req->element.out_length - sizeof(struct virtio_blk_outhdr);

    if (length > TRANSFER_MAX || !range_ok(b, sector, length) || (!read && block_backend_read_only(b->blk))) {
        finish_invalid(req, read ? BLOCK_READ : BLOCK_WRITE, VIRTIO_BLK_S_IOERR);
    } else if (!map_data(req, read, length)) {
        virtio_blk_retry_append(req); /* the device needs a reset, which drops it */
    } else {
        submit(req, read ? BLOCK_READ : BLOCK_WRITE, sector * BLOCK_SECTOR, length);
    }
}

static void flush(struct virtio_blk_request *req, uint64_t sector)
{
    submit(req, BLOCK_FLUSH, 0, 0);
}

/* One segment at a time is what our configuration space promises. */
static void discard_or_zero(struct virtio_blk_request *req, uint64_t unused)
{
    struct virtio_blk *b = req->dev;
    bool discard = req->type == VIRTIO_BLK_T_DISCARD;
    enum block_op op = discard ? BLOCK_DISCARD : BLOCK_WRITE_ZEROES;
    uint32_t allowed = discard ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
    uint32_t most = discard ? b->max_discard_sectors : b->max_write_zeroes_sectors;
    uint64_t offset = sizeof(struct virtio_blk_outhdr);
    struct virtio_blk_discard_write_zeroes range;

    if (!(discard ? b->discard : b->write_zeroes) || req->element.out_length != offset + sizeof(range)) {
        finish_invalid(req, op, VIRTIO_BLK_S_UNSUPP);
        return;
    }
    virtqueue_element_read(&req->element, offset, &range, sizeof(range));
    if (range.flags & ~allowed) {
        finish_invalid(req, op, VIRTIO_BLK_S_UNSUPP);
    } else if (range.num_sectors > most || block_backend_read_only(b->blk) ||
               !range_ok(b, range.sector, (uint64_t)range.num_sectors * BLOCK_SECTOR)) {
        finish_invalid(req, op, VIRTIO_BLK_S_IOERR);
    } else {
        req->block.unmap = range.flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
        submit(req, op, range.sector * BLOCK_SECTOR, (uint64_t)range.num_sectors * BLOCK_SECTOR);
    }
}

static void get_id(struct virtio_blk_request *req, uint64_t sector)
{
    char id[VIRTIO_BLK_ID_BYTES] = { 0 };

    strncpy(id, req->dev->serial ? req->dev->serial : "", sizeof(id)); /* 5.2.6: 20 characters have no end */
    virtqueue_element_write(&req->element, 0, id, MIN(sizeof(id), req->element.in_length - 1));
    finish(req, VIRTIO_BLK_S_OK);
}

static const struct {
    uint32_t type;
    void (*start)(struct virtio_blk_request *req, uint64_t sector);
} types[] = {
    { VIRTIO_BLK_T_IN, read_write },
    { VIRTIO_BLK_T_OUT, read_write },
    { VIRTIO_BLK_T_FLUSH, flush },
    { VIRTIO_BLK_T_GET_ID, get_id },
    { VIRTIO_BLK_T_DISCARD, discard_or_zero },
    { VIRTIO_BLK_T_WRITE_ZEROES, discard_or_zero },
};

/* Takes the request over. */
static void start(struct virtio_blk_request *req)
{
    struct virtio_blk_outhdr header;

    if (virtqueue_element_read(&req->element, 0, &header, sizeof(header)) < sizeof(header) ||
        !req->element.in_length) {
        virtio_error(&req->dev->vdev, "queue %u: a request without header or status", req->vq->index);
        virtio_blk_retry_append(req); /* until the reset */
        return;
    }
    trace_virtio_blk_request(req->vq->index, req->element.head, header.type, header.sector);
    req->type = header.type & ~VIRTIO_BLK_T_BARRIER; /* was never offered; some send it all the same */
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (types[i].type == req->type) {
            types[i].start(req, header.sector);
            return;
        }
    }
    finish(req, VIRTIO_BLK_S_UNSUPP);
}

/* ---- The queue ---- */

static void repeat_failed(struct virtio_blk *b, unsigned queue)
{
    struct virtio_blk_request *req = b->retry[queue];

    b->retry[queue] = NULL;
    while (req) {
        struct virtio_blk_request *next = req->next;

        start(req);
        req = next;
    }
}

bool virtio_blk_handle_queue(struct virtio_device *vdev, struct virtqueue *vq)
{
    struct virtio_blk *b = (struct virtio_blk *)vdev;
    struct virtqueue_element element;
    unsigned n = 0;

    if (b->repeat >> vq->index & 1) { /* the first visit since the VM goes on */
        __atomic_fetch_and(&b->repeat, ~(1u << vq->index), __ATOMIC_RELAXED);
        repeat_failed(b, vq->index);
    }
    block_backend_plug(b->blk);
    virtqueue_set_notification(vq, false);
    while (n < BATCH && virtqueue_pop(vq, &element)) {
        start(virtio_blk_request_new(b, vq, &element));
        n++;
    }
    virtqueue_set_notification(vq, true);
    block_backend_unplug(b->blk);
    return virtqueue_ready(vq) && !virtqueue_empty(vq);
}
