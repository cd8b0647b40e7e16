/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drivers of a few lines: "raw" (a part of another node, or all of it), "null-co" (nothing, of any size), "blkdebug"
 * (another node, with errors where its options say so: for tests of rerror= and werror=).
 */
#include <errno.h>
#include <string.h>

#include "block/internal.h"

/* Takes a reference. NULL and an error if there is none. */
static struct block_node *find_child(const char *name, GError **error)
{
    struct block_node *child = block_node_find(name);

    if (child) {
        child->refs++;
    } else {
        error_setf(error, "Cannot find node-name='%s'", name);
    }
    return child;
}

static bool open_child(struct block_node *node, const BlockdevRef *ref, GError **error)
{
    node->child = ref->kind == BLOCKDEV_REF_KIND_REFERENCE ? find_child(ref->u.reference, error) :
                                                             block_node_open(ref->u.definition, node, error);
    if (!node->child) {
        return false;
    }
    node->read_only = node->read_only_option;
    if (node->child->read_only && !node->read_only && node->auto_read_only) {
        node->read_only = true;
    }
    if (node->child->read_only && !node->read_only) {
        return error_setf(error, "node '%s' is read-only, '%s' over it is not (set its read-only=on)",
                          node->child->name, node->name);
    }
    node->filename = g_strdup(node->child->filename);
    return true;
}

/* ---- raw ---- */

struct raw {
    uint64_t offset, size;
    bool has_size;
};

static bool raw_refresh(struct block_node *node, GError **error)
{
    const struct raw *raw = node->opaque;
    uint64_t whole = block_node_length(node->child), size = raw->size;

    if (raw->offset > whole || (raw->has_size && size > whole - raw->offset)) {
        return error_setf(error,
                          "offset=%" G_GUINT64_FORMAT " and size=%" G_GUINT64_FORMAT " of node '%s' are not "
                          "within the %" G_GUINT64_FORMAT " bytes of '%s'",
                          raw->offset, size, node->name, whole, node->child->name);
    }
    block_node_set_length(node, raw->has_size ? size : whole - raw->offset);
    return true;
}

static bool raw_open(struct block_node *node, const BlockdevOptions *options, GError **error)
{
    const BlockdevOptionsRaw *o = options->u.raw;
    struct raw *raw = g_new0(struct raw, 1);

    node->opaque = raw;
    *raw = (struct raw){ .offset = o->offset, .size = o->size, .has_size = o->has_size };
    if (!open_child(node, o->file, error)) {
        return false;
    }
    if ((raw->offset | raw->size) % BLOCK_SECTOR) {
        return error_setf(error,
                          "offset=%" G_GUINT64_FORMAT " and size=%" G_GUINT64_FORMAT " of node '%s' are not both "
                          "multiples of %d",
                          raw->offset, raw->size, node->name, BLOCK_SECTOR);
    }
    return raw_refresh(node, error);
}

static void free_opaque(struct block_node *node)
{
    g_free(node->opaque);
}

static void raw_submit(struct block_node *node, struct block_request *req)
{
    req->node_offset += ((const struct raw *)node->opaque)->offset;
    block_node_submit(node->child, req);
}

static bool raw_resize(struct block_node *node, uint64_t length, GError **error)
{
    const struct raw *raw = node->opaque;

    if (raw->has_size) {
        return error_setf(error, "node '%s' has a fixed size=%" G_GUINT64_FORMAT, node->name, raw->size);
    }
    if (length > (uint64_t)INT64_MAX - raw->offset) {
        return error_setf(error, "size %" G_GUINT64_FORMAT " behind offset=%" G_GUINT64_FORMAT " is too large",
                          length, raw->offset);
    }
    return block_node_resize(node->child, length + raw->offset, error) && raw_refresh(node, error);
}

const struct block_driver block_driver_raw = {
    .name = "raw",
    .type = BLOCKDEV_DRIVER_RAW,
    .open = raw_open,
    .close = free_opaque,
    .submit = raw_submit,
    .resize = raw_resize,
    .refresh = raw_refresh,
};

/* ---- null-co ---- */

struct null {
    bool read_zeroes;
};

static bool null_open(struct block_node *node, const BlockdevOptions *options, GError **error)
{
    const BlockdevOptionsNull *o = options->u.null_co;
    struct null *null = g_new0(struct null, 1);

    node->opaque = null;
    node->filename = g_strdup("null-co://");
    node->read_only = node->read_only_option;
    null->read_zeroes = o->read_zeroes;
    if (o->has_size && o->size > INT64_MAX - BLOCK_SECTOR) {
        return error_setf(error, "Parameter 'size' expects at most 2^63 bytes, not %" G_GUINT64_FORMAT, o->size);
    }
    block_node_set_length(node, o->has_size ? o->size : 1ull << 30);
    return true;
}

static void null_submit(struct block_node *node, struct block_request *req)
{
    for (unsigned i = 0; i < req->iov_count && req->now == BLOCK_READ && ((struct null *)node->opaque)->read_zeroes;
         i++) {
        memset(req->iov[i].iov_base, 0, req->iov[i].iov_len);
    }
    block_request_finish_later(req, 0);
}

const struct block_driver block_driver_null = {
    .name = "null-co",
    .type = BLOCKDEV_DRIVER_NULL_CO,
    .open = null_open,
    .close = free_opaque,
    .submit = null_submit,
};

/* ---- blkdebug ---- */

#define RULES_MAX 16

struct rule {
    unsigned ops; /* a bit per enum block_op */
    int errnum;
    int64_t sector; /* -1: any */
    bool once;      /* and then it is spent */
};

struct blkdebug {
    unsigned count;
    struct rule rules[RULES_MAX];
};

static bool read_rule(const BlkdebugInjectErrorOptions *o, struct rule *rule, GError **error)
{
    static const enum block_op ops[] = {
        [BLKDEBUG_IO_TYPE_READ] = BLOCK_READ,   [BLKDEBUG_IO_TYPE_WRITE] = BLOCK_WRITE,
        [BLKDEBUG_IO_TYPE_FLUSH] = BLOCK_FLUSH, [BLKDEBUG_IO_TYPE_DISCARD] = BLOCK_DISCARD,
        [BLKDEBUG_IO_TYPE_WRITE_ZEROES] = BLOCK_WRITE_ZEROES,
    };

    if (o->has_q_errno && (o->q_errno <= 0 || o->q_errno > 4095)) {
        return error_setf(error, "Parameter 'errno' expects 1 to 4095, not %" G_GINT64_FORMAT, (gint64)o->q_errno);
    }
    if (o->has_sector && o->sector < 0) {
        return error_setf(error, "Parameter 'sector' expects a sector's number, not %" G_GINT64_FORMAT,
                          (gint64)o->sector);
    }
    *rule = (struct rule){ .ops = o->has_iotype ? 1u << ops[o->iotype] : ~0u,
                           .errnum = o->has_q_errno ? (int)o->q_errno : EIO,
                           .sector = o->has_sector ? o->sector : -1,
                           .once = o->once };
    return true;
}

static bool blkdebug_open(struct block_node *node, const BlockdevOptions *options, GError **error)
{
    const BlockdevOptionsBlkdebug *o = options->u.blkdebug;
    struct blkdebug *debug = g_new0(struct blkdebug, 1);
    guint count = o->inject_error ? o->inject_error->len : 0;

    node->opaque = debug;
    if (count > RULES_MAX) {
        return error_setf(error, "Parameter 'inject-error' expects at most %d rules, not %u", RULES_MAX, count);
    }
    for (; debug->count < count; debug->count++) {
        if (!read_rule(o->inject_error->pdata[debug->count], &debug->rules[debug->count], error)) {
            return false;
        }
    }
    if (!open_child(node, o->image, error)) {
        return false;
    }
    block_node_set_length(node, block_node_length(node->child));
    return true;
}

static void blkdebug_submit(struct block_node *node, struct block_request *req)
{
    struct blkdebug *debug = node->opaque;

    for (unsigned i = 0; i < debug->count; i++) {
        struct rule *rule = &debug->rules[i];
        bool here = rule->sector < 0 || (rule->sector * BLOCK_SECTOR >= (int64_t)req->node_offset &&
                                         rule->sector * BLOCK_SECTOR < (int64_t)(req->node_offset + req->length));

        if ((rule->ops >> req->now & 1) && here) {
            rule->ops = rule->once ? 0 : rule->ops;
            block_request_finish_later(req, -rule->errnum);
            return;
        }
    }
    block_node_submit(node->child, req);
}

static bool blkdebug_refresh(struct block_node *node, GError **error)
{
    block_node_set_length(node, block_node_length(node->child));
    return true;
}

static bool blkdebug_resize(struct block_node *node, uint64_t length, GError **error)
{
    return block_node_resize(node->child, length, error) && blkdebug_refresh(node, error);
}

const struct block_driver block_driver_blkdebug = {
    .name = "blkdebug",
    .type = BLOCKDEV_DRIVER_BLKDEBUG,
    .open = blkdebug_open,
    .close = free_opaque,
    .submit = blkdebug_submit,
    .refresh = blkdebug_refresh,
    .resize = blkdebug_resize,
};
