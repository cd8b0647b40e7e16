/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drivers of a few lines: "raw" (a part of another node, or all of it), "null-co" (nothing, of any size), "blkdebug"
 * (another node, with errors where its options say so: for tests of rerror= and werror=).
 */
#include <errno.h>
#include <string.h>

#include "block/internal.h"
#include "util/keyval.h"

static char *key_of(const char *prefix, const char *key)
{
    return g_strconcat(prefix, key, NULL);
}

/* The child that `key` names, or that "key.…" describes. */
static bool open_child(struct block_node *node, struct keyval *kv, const char *prefix, const char *key,
                       GError **error)
{
    g_autofree char *full = key_of(prefix, key), *inner = g_strconcat(full, ".", NULL);
    const char *name = keyval_get(kv, full);
    g_autofree char *driver = g_strconcat(inner, "driver", NULL);

    if (!name && !keyval_has(kv, driver)) {
        return error_setf(error, "Parameter '%s' is missing", full);
    }
    node->child = name ? block_node_find(name) : block_node_open(kv, inner, node, error);
    if (name && node->child) {
        node->child->refs++;
    } else if (name) {
        return error_setf(error, "Cannot find node-name='%s'", name);
    }
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

static bool raw_open(struct block_node *node, struct keyval *kv, const char *prefix, GError **error)
{
    struct raw *raw = g_new0(struct raw, 1);
    g_autofree char *offset = key_of(prefix, "offset"), *size = key_of(prefix, "size");

    node->opaque = raw;
    raw->has_size = keyval_has(kv, size);
    if (!keyval_get_size(kv, offset, &raw->offset, 'B', error) ||
        !keyval_get_size(kv, size, &raw->size, 'B', error) || !open_child(node, kv, prefix, "file", error)) {
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

static bool null_open(struct block_node *node, struct keyval *kv, const char *prefix, GError **error)
{
    struct null *null = g_new0(struct null, 1);
    g_autofree char *size_key = key_of(prefix, "size"), *zeroes = key_of(prefix, "read-zeroes");
    uint64_t size = 1ull << 30;

    node->opaque = null;
    node->filename = g_strdup("null-co://");
    node->read_only = node->read_only_option;
    if (!keyval_get_size(kv, size_key, &size, 'B', error) ||
        !keyval_get_bool(kv, zeroes, &null->read_zeroes, error)) {
        return false;
    }
    block_node_set_length(node, size);
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

static bool parse_iotype(const char *text, unsigned *ops, GError **error)
{
    static const char *const names[BLOCK_OPS] = {
        [BLOCK_READ] = "read",
        [BLOCK_WRITE] = "write",
        [BLOCK_FLUSH] = "flush",
        [BLOCK_DISCARD] = "discard",
        [BLOCK_WRITE_ZEROES] = "write-zeroes",
    };

    for (unsigned n = 0; n < BLOCK_OPS && text; n++) {
        if (!strcmp(text, names[n])) {
            *ops = 1u << n;
            return true;
        }
    }
    return !text || error_setf(error, "iotype='%s' is not one of read, write, flush, discard, write-zeroes", text);
}

static bool parse_rule(struct keyval *kv, const char *prefix, struct rule *rule, GError **error)
{
    g_autofree char *event_key = key_of(prefix, "event"), *iotype = key_of(prefix, "iotype");
    g_autofree char *errno_key = key_of(prefix, "errno"), *sector_key = key_of(prefix, "sector");
    g_autofree char *once = key_of(prefix, "once");
    const char *event = keyval_get(kv, event_key);
    uint64_t errnum = EIO, sector = UINT64_MAX;

    if (strcmp(event, "none") != 0) {
        return error_setf(error, "%s='%s' is not supported (only 'none': from the start)", event_key, event);
    }
    *rule = (struct rule){ .ops = ~0u };
    if (!parse_iotype(keyval_get(kv, iotype), &rule->ops, error) ||
        !keyval_get_uint(kv, errno_key, &errnum, 4095, error) ||
        !keyval_get_uint(kv, sector_key, &sector, INT64_MAX, error) ||
        !keyval_get_bool(kv, once, &rule->once, error)) {
        return false;
    }
    rule->errnum = errnum;
    rule->sector = sector;
    return true;
}

static bool blkdebug_open(struct block_node *node, struct keyval *kv, const char *prefix, GError **error)
{
    struct blkdebug *debug = g_new0(struct blkdebug, 1);

    node->opaque = debug;
    if (!open_child(node, kv, prefix, "image", error)) {
        return false;
    }
    while (debug->count < RULES_MAX) {
        g_autofree char *inner = g_strdup_printf("%sinject-error.%u.", prefix, debug->count);
        g_autofree char *event = g_strconcat(inner, "event", NULL);

        if (!keyval_has(kv, event)) {
            break;
        }
        if (!parse_rule(kv, inner, &debug->rules[debug->count++], error)) {
            return false;
        }
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
    .open = blkdebug_open,
    .close = free_opaque,
    .submit = blkdebug_submit,
    .refresh = blkdebug_refresh,
    .resize = blkdebug_resize,
};
