/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes: names, options that all have, who stands on whom, and which end of a migration has the images. */
#include <stdio.h>
#include <string.h>

#include "block/internal.h"
#include "util/keyval.h"

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

static const struct block_driver *driver_find(const char *name, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++) {
        if (!strcmp(drivers[i]->name, name)) {
            return drivers[i];
        }
    }
    error_setf(error, "Parameter 'driver' does not accept value '%s' (file, raw, null-co, blkdebug)", name);
    return NULL;
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

static bool get_flag(struct keyval *kv, const char *prefix, const char *key, bool *value, GError **error)
{
    g_autofree char *full = g_strconcat(prefix, key, NULL);

    return keyval_get_bool(kv, full, value, error);
}

static bool get_discard(struct keyval *kv, const char *prefix, bool *unmap, GError **error)
{
    g_autofree char *key = g_strconcat(prefix, "discard", NULL);
    const char *text = keyval_get(kv, key);

    if (text && strcmp(text, "unmap") && strcmp(text, "ignore") && strcmp(text, "on") && strcmp(text, "off")) {
        return error_setf(error, "Parameter '%s' does not accept value '%s' (ignore, unmap)", key, text);
    }
    *unmap = text ? !strcmp(text, "unmap") || !strcmp(text, "on") : *unmap;
    return true;
}

static bool refuse_unless(struct keyval *kv, const char *prefix, const char *key, const char *only, GError **error)
{
    g_autofree char *full = g_strconcat(prefix, key, NULL);
    const char *text = keyval_get(kv, full);

    return !text || !strcmp(text, only) ||
           error_setf(error, "Parameter '%s': '%s' is not supported (only '%s')", full, text, only);
}

static bool read_options(struct block_node *node, struct keyval *kv, const char *prefix, GError **error)
{
    g_autofree char *key = g_strconcat(prefix, "node-name", NULL);
    const char *name = keyval_get(kv, key);

    if (name && !name_is_good(name, error)) {
        return false;
    }
    node->name = name ? g_strdup(name) : name_make();
    return get_flag(kv, prefix, "read-only", &node->read_only_option, error) &&
           get_flag(kv, prefix, "auto-read-only", &node->auto_read_only, error) &&
           get_flag(kv, prefix, "cache.direct", &node->direct, error) &&
           get_flag(kv, prefix, "cache.no-flush", &node->no_flush, error) &&
           get_discard(kv, prefix, &node->unmap, error) && refuse_unless(kv, prefix, "detect-zeroes", "off", error) &&
           refuse_unless(kv, prefix, "force-share", "off", error);
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

struct block_node *block_node_open(struct keyval *kv, const char *prefix, const struct block_node *parent,
                                   GError **error)
{
    g_autofree char *key = g_strconcat(prefix, "driver", NULL);
    const char *driver = keyval_get(kv, key);
    struct block_node *node = g_new0(struct block_node, 1);

    node->users = g_ptr_array_new();
    node->active = active;
    node->refs = 1;
    if (parent) { /* what a described child is not told it has from there */
        node->read_only_option = parent->read_only_option;
        node->auto_read_only = parent->auto_read_only;
        node->direct = parent->direct;
        node->no_flush = parent->no_flush;
        node->unmap = parent->unmap;
    }
    if (!driver) {
        error_setf(error, "Parameter '%s' is missing", key);
    } else if ((node->driver = driver_find(driver, error)) && read_options(node, kv, prefix, error) &&
               node->driver->open(node, kv, prefix, error)) {
        if (!nodes) {
            nodes = g_ptr_array_new();
        }
        g_ptr_array_add(nodes, node);
        return node;
    }
    node_free(node);
    return NULL;
}

void block_node_unref(struct block_node *node)
{
    g_assert(node->refs);
    if (--node->refs == 0) {
        g_ptr_array_remove(nodes, node);
        node_free(node);
    }
}

bool block_node_create(struct keyval *kv, GError **error)
{
    struct block_node *node;

    if (!keyval_has(kv, "node-name")) {
        return error_setf(error, "'node-name' must be specified for the root node");
    }
    node = block_node_open(kv, "", NULL, error);
    if (!node) {
        return false;
    }
    node->monitor = true;
    if (!keyval_check_unread(kv, error)) {
        block_node_unref(node);
        return false;
    }
    return true;
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
