/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes: names, options that all have, who stands on whom, and which end of a migration has the images. */
#include <stdio.h>
#include <string.h>

#include "block/internal.h"

#define NAME_MAX_LENGTH 31

static const struct block_driver *const drivers[] = { &block_driver_file, &block_driver_raw, &block_driver_null,
                                                      &block_driver_blkdebug };
static GPtrArray *nodes; /* in order of creation: children first */
static bool active = true;

/* ---- Look-up ---- */

struct block_node *block_node_find(const char *name)
{
    for (guint i = 0; nodes && i < nodes->len; i++) {
        struct block_node *node = nodes->pdata[i];

        if (!strcmp(node->name, name)) {
            return node;
        }
    }
    return NULL;
}

void block_node_foreach(void (*each)(struct block_node *node, void *opaque), void *opaque)
{
    for (guint i = nodes ? nodes->len : 0; i-- > 0;) {
        each(nodes->pdata[i], opaque);
    }
}

const char *block_node_name(const struct block_node *node)
{
    return node->name;
}

uint64_t block_node_length(const struct block_node *node)
{
    return __atomic_load_n(&node->length, __ATOMIC_RELAXED);
}

void block_node_set_length(struct block_node *node, uint64_t length)
{
    length = (length + BLOCK_SECTOR - 1) / BLOCK_SECTOR * BLOCK_SECTOR;
    __atomic_store_n(&node->length, length, __ATOMIC_RELAXED);
}

struct block_node *block_node_leaf(struct block_node *node)
{
    while (node->child) {
        node = node->child;
    }
    return node;
}

/* ---- Options ---- */

static const struct block_driver *driver_find(BlockdevDriver driver)
{
    for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++) {
        if (drivers[i]->type == driver) {
            return drivers[i];
        }
    }
    return NULL; /* of no value that the schema has */
}

static bool name_is_good(const char *name, GError **error)
{
    bool good = g_ascii_isalpha(*name) && strlen(name) <= NAME_MAX_LENGTH;

    for (const char *p = name; *p && good; p++) {
        good = g_ascii_isalnum(*p) || strchr("-._", *p);
    }
    if (!good) {
        return error_setf(error,
                          "Invalid node-name: '%s' (a letter, then letters, digits, '-', '.', '_'; at most %d)", name,
                          NAME_MAX_LENGTH);
    }
    return !block_node_find(name) || error_setf(error, "Duplicate nodes with node-name='%s'", name);
}

static char *name_make(void)
{
    static unsigned next;

    return g_strdup_printf("#block%03u", next++);
}

static bool read_options(struct block_node *node, const BlockdevOptions *o, GError **error)
{
    const BlockdevCacheOptions none = { 0 }, *cache = o->cache ? o->cache : &none;

    if (o->node_name && !name_is_good(o->node_name, error)) {
        return false;
    }
    node->name = o->node_name ? g_strdup(o->node_name) : name_make();
    node->read_only_option = o->has_read_only ? o->read_only : node->read_only_option;
    node->auto_read_only = o->has_auto_read_only ? o->auto_read_only : node->auto_read_only;
    node->direct = cache->has_direct ? cache->direct : node->direct;
    node->no_flush = cache->has_no_flush ? cache->no_flush : node->no_flush;
    node->unmap = o->has_discard ? o->discard == BLOCKDEV_DISCARD_OPTIONS_UNMAP : node->unmap;
    return true;
}

/* ---- Life ---- */

static void node_free(struct block_node *node)
{
    if (node->driver && node->opaque) {
        node->driver->close(node);
    }
    if (node->child) {
        block_node_unref(node->child);
    }
    g_ptr_array_free(node->users, TRUE);
    g_free(node->filename);
    g_free(node->name);
    g_free(node);
}

/* What a described child is not told it has from there. */
static void inherit(struct block_node *node, const struct block_node *parent)
{
    node->read_only_option = parent->read_only_option;
    node->auto_read_only = parent->auto_read_only;
    node->direct = parent->direct;
    node->no_flush = parent->no_flush;
    node->unmap = parent->unmap;
}

struct block_node *block_node_open(const BlockdevOptions *options, const struct block_node *parent, GError **error)
{
    struct block_node *node = g_new0(struct block_node, 1);

    node->users = g_ptr_array_new();
    node->active = active;
    node->refs = 1;
    node->driver = driver_find(options->driver);
    if (parent) {
        inherit(node, parent);
    }
    if (!read_options(node, options, error) || !node->driver->open(node, options, error)) {
        node_free(node);
        return NULL;
    }
    if (!nodes) {
        nodes = g_ptr_array_new();
    }
    g_ptr_array_add(nodes, node);
    return node;
}

void block_node_unref(struct block_node *node)
{
    g_assert(node->refs);
    if (--node->refs == 0) {
        g_ptr_array_remove(nodes, node);
        node_free(node);
    }
}

bool block_node_create(const BlockdevOptions *options, GError **error)
{
    struct block_node *node;

    if (!options->node_name) {
        return error_setf(error, "'node-name' must be specified for the root node");
    }
    node = block_node_open(options, NULL, error);
    if (node) {
        node->monitor = true;
    }
    return node;
}

bool block_node_delete(const char *name, GError **error)
{
    struct block_node *node = block_node_find(name);

    if (!node) {
        return error_setf(error, "Failed to find node with node-name='%s'", name);
    }
    if (!node->monitor) {
        return error_setf(error, "Node %s is not owned by the monitor", name);
    }
    if (node->refs > 1) {
        return error_setf(error, "Node %s is in use", name);
    }
    block_node_unref(node);
    return true;
}

/* ---- Users ---- */

static bool users_agree(const struct block_node *leaf, const struct block_backend *blk, GError **error)
{
    for (guint i = 0; i < leaf->users->len; i++) {
        const struct block_backend *other = leaf->users->pdata[i];

        if ((!blk->read_only && !other->share_rw) || (!other->read_only && !blk->share_rw)) {
            return error_setf(error,
                              "%s: node '%s' is in use by another device (share-rw=on for both would share it)",
                              blk->device, leaf->name);
        }
        if (blk->iothread != other->iothread) {
            return error_setf(error,
                              "%s: node '%s' is shared with a device that another thread serves; give both the "
                              "same iothread=",
                              blk->device, leaf->name);
        }
    }
    return true;
}

static bool node_lock(struct block_node *leaf, GError **error)
{
    return !leaf->active || !leaf->driver->lock || leaf->driver->lock(leaf, error);
}

bool block_node_attach(struct block_node *node, struct block_backend *blk, GError **error)
{
    struct block_node *leaf = block_node_leaf(node);

    if (!users_agree(leaf, blk, error)) {
        return false;
    }
    g_ptr_array_add(leaf->users, blk);
    if (!node_lock(leaf, error)) {
        g_ptr_array_remove(leaf->users, blk);
        node_lock(leaf, NULL); /* what the others had */
        return false;
    }
    node->refs++;
    return true;
}

void block_node_detach(struct block_node *node, struct block_backend *blk)
{
    struct block_node *leaf = block_node_leaf(node);

    g_ptr_array_remove(leaf->users, blk);
    node_lock(leaf, NULL);
    block_node_unref(node);
}

/* ---- Length ---- */

static bool chain_has(struct block_node *from, const struct block_node *node)
{
    while (from && from != node) {
        from = from->child;
    }
    return from;
}

static void refresh_parents(struct block_node *changed)
{
    for (guint i = 0; i < nodes->len; i++) {
        struct block_node *node = nodes->pdata[i];

        if (node != changed && chain_has(node, changed) && node->driver->refresh) {
            node->driver->refresh(node,
                                  NULL); /* a part that is no longer there keeps its length and fails by itself */
        }
    }
}

static void tell_users(struct block_node *changed)
{
    struct block_node *leaf = block_node_leaf(changed);

    for (guint i = 0; i < leaf->users->len; i++) {
        struct block_backend *blk = leaf->users->pdata[i];

        if (blk->ops && blk->ops->resized && chain_has(blk->node, leaf)) {
            blk->ops->resized(blk->opaque);
        }
    }
}

bool block_node_resize(struct block_node *node, uint64_t length, GError **error)
{
    if (!node->driver->resize) {
        return error_setf(error, "node '%s' (%s) cannot be resized", node->name, node->driver->name);
    }
    if (node->read_only || !node->active) {
        return error_setf(error, "node '%s' is %s", node->name, node->active ? "read-only" : "inactive");
    }
    return node->driver->resize(node, length, error);
}

struct resize {
    struct block_node *node;
    uint64_t length;
    bool ok;
    GError **error;
};

static void resize_quiesced(void *opaque)
{
    struct resize *resize = opaque;

    resize->ok = block_node_resize(resize->node, resize->length, resize->error);
}

bool block_node_resize_live(struct block_node *node, uint64_t length, GError **error)
{
    struct resize resize = { .node = node, .length = length, .error = error };

    block_node_quiesced(node, resize_quiesced, &resize);
    if (resize.ok) {
        refresh_parents(block_node_leaf(node));
        tell_users(node);
    }
    return resize.ok;
}

/* ---- Which end has the images ---- */

void block_set_incoming(void)
{
    active = false;
}

bool block_is_active(void)
{
    return active;
}

static void set_active(struct block_node *node, bool on)
{
    node->active = on;
}

static bool node_activate(struct block_node *node, GError **error)
{
    uint64_t before = block_node_length(node);

    if (node->active) {
        return true;
    }
    set_active(node, true);
    if ((node->driver->activate && !node->driver->activate(node, error)) ||
        (node->driver->refresh && !node->driver->refresh(node, error))) {
        set_active(node, false);
        return false;
    }
    if (block_node_length(node) != before) {
        refresh_parents(node);
        tell_users(node);
    }
    return true;
}

static bool node_inactivate(struct block_node *node, GError **error)
{
    if (node->active && node->driver->inactivate && !node->driver->inactivate(node, error)) {
        return false;
    }
    set_active(node, false);
    return true;
}

bool block_activate_all(GError **error)
{
    for (guint i = 0; nodes && i < nodes->len; i++) {
        if (!node_activate(nodes->pdata[i], error)) {
            for (guint done = 0; done < i; done++) {
                node_inactivate(nodes->pdata[done], NULL);
            }
            return false;
        }
    }
    active = true;
    return true;
}

bool block_inactivate_all(GError **error)
{
    for (guint i = 0; nodes && i < nodes->len; i++) {
        if (!node_inactivate(nodes->pdata[i], error)) {
            block_activate_all(NULL); /* those that it concerns held their locks a moment ago */
            return false;
        }
    }
    active = false;
    return true;
}
