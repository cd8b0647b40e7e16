/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -blockdev, and -drive as a thin face over it: a raw node over a file, under an id of its own, and with if=virtio
 * the device, too.
 */
#include <string.h>

#include "block/internal.h"
#include "util/keyval.h"

struct drive {
    char *id;
    struct block_node *node;
    bool write_cache, plug;
};

static GPtrArray *drives;

bool blockdev_option(const char *text, GError **error)
{
    g_autoptr(JsonNode) node = keyval_to_json("-blockdev", text, "driver", error);
    BlockdevOptions *options = node ? qapi_BlockdevOptions_from_json(node, "", error) : NULL;
    bool ok = options && block_node_create(options, error);

    if (node && !ok) {
        g_prefix_error(error, "-blockdev %s: ", text);
    }
    qapi_free_BlockdevOptions(options);
    return ok;
}

static struct drive *find(const char *id)
{
    for (guint i = 0; drives && i < drives->len; i++) {
        struct drive *drive = drives->pdata[i];

        if (!strcmp(drive->id, id)) {
            return drive;
        }
    }
    return NULL;
}

struct block_node *drive_find(const char *id)
{
    struct drive *drive = find(id);

    return drive ? drive->node : NULL;
}

bool drive_write_cache(const char *id)
{
    return find(id)->write_cache;
}

/* cache=, as QEMU's manual has it. */
static const struct cache_mode {
    const char *name;
    bool direct, no_flush, write_cache;
} cache_modes[] = {
    { "writeback", false, false, true },  { "none", true, false, true },   { "writethrough", false, false, false },
    { "directsync", true, false, false }, { "unsafe", false, true, true },
};

static const struct cache_mode *cache_mode_find(const char *name, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cache_modes); i++) {
        if (!strcmp(cache_modes[i].name, name)) {
            return &cache_modes[i];
        }
    }
    error_setf(error, "cache='%s' is not one of writeback, none, writethrough, directsync, unsafe", name);
    return NULL;
}

static bool has_protocol(const char *file)
{
    size_t length = strcspn(file, ":/");

    return file[length] == ':';
}

static bool read_discard(struct keyval *kv, bool *unmap, GError **error)
{
    const char *text = keyval_get(kv, "discard");

    *unmap = text && (!strcmp(text, "unmap") || !strcmp(text, "on"));
    return !text || *unmap || !strcmp(text, "ignore") || !strcmp(text, "off") ||
           error_setf(error, "discard='%s' is not one of ignore, off, unmap, on", text);
}

static bool read_aio(struct keyval *kv, BlockdevOptionsFile *file, GError **error)
{
    const char *text = keyval_get(kv, "aio");
    int aio = text ? BlockdevAioOptions_parse(text) : 0;

    file->has_aio = text;
    file->aio = MAX(aio, 0);
    return aio >= 0 || error_setf(error, "aio='%s' is not one of threads, io_uring", text);
}

static bool check_file(const char *file, const char *format, GError **error)
{
    if (!file) {
        return error_setf(error, "file= is missing");
    }
    if (has_protocol(file)) {
        return error_setf(error, "file='%s': protocols are not supported (./NAME is a file with a colon)", file);
    }
    return !g_strcmp0(format, "raw") ||
           error_setf(error, "format='%s' is not supported (only format=raw)", format ? format : "");
}

/* What the drive's options say of its nodes: `raw`, and in it `file`. */
static bool translate(struct keyval *kv, BlockdevOptions *raw, BlockdevOptionsFile *file, GError **error)
{
    bool unmap;

    file->filename = (char *)keyval_get(kv, "file");
    if (!check_file(file->filename, keyval_get(kv, "format"), error) || !read_discard(kv, &unmap, error) ||
        !read_aio(kv, file, error) ||
        !keyval_get_bool(kv, keyval_has(kv, "readonly") ? "readonly" : "read-only", &raw->read_only, error)) {
        return false;
    }
    raw->has_read_only = raw->has_discard = true;
    raw->discard = unmap ? BLOCKDEV_DISCARD_OPTIONS_UNMAP : BLOCKDEV_DISCARD_OPTIONS_IGNORE;
    return keyval_check_unread(kv, error);
}

static bool open_nodes(struct drive *drive, struct keyval *kv, const struct cache_mode *mode, GError **error)
{
    BlockdevOptionsFile file = { 0 };
    BlockdevOptions below = { .driver = BLOCKDEV_DRIVER_FILE, .u.file = &file };
    BlockdevRef ref = { .kind = BLOCKDEV_REF_KIND_DEFINITION, .u.definition = &below };
    BlockdevOptionsRaw raw = { .file = &ref };
    BlockdevCacheOptions cache = { true, mode->direct, true, mode->no_flush };
    BlockdevOptions options = { .driver = BLOCKDEV_DRIVER_RAW, .cache = &cache, .u.raw = &raw };

    drive->node = translate(kv, &options, &file, error) ? block_node_open(&options, NULL, error) : NULL;
    return drive->node;
}

static bool set_up(struct drive *drive, struct keyval *kv, GError **error)
{
    const char *id = keyval_get(kv, "id"), *interface = keyval_get(kv, "if"), *mode = keyval_get(kv, "cache");
    const struct cache_mode *cache = cache_mode_find(mode ? mode : "writeback", error);

    if (!cache) {
        return false;
    }
    if (!interface || (strcmp(interface, "none") && strcmp(interface, "virtio"))) {
        return error_setf(error, "if='%s' is not supported (none, virtio)", interface ? interface : "");
    }
    drive->plug = !strcmp(interface, "virtio");
    if (!id && !drive->plug) {
        return error_setf(error, "if=none without id=: no device could have it");
    }
    drive->id = id ? g_strdup(id) : g_strdup_printf("virtio%u", drives ? drives->len : 0);
    if (find(drive->id) || block_node_find(drive->id)) {
        return error_setf(error, "Duplicate ID '%s' for drive", drive->id);
    }
    drive->write_cache = cache->write_cache;
    return open_nodes(drive, kv, cache, error);
}

bool drive_option(const char *text, GError **error)
{
    struct keyval *kv = keyval_parse("-drive", text, NULL, error);
    struct drive *drive = g_new0(struct drive, 1);

    if (!kv || !set_up(drive, kv, error)) {
        if (kv) {
            g_prefix_error(error, "-drive %s: ", text);
        }
        g_free(drive->id);
        g_free(drive);
        keyval_free(kv);
        return false;
    }
    keyval_free(kv);
    if (!drives) {
        drives = g_ptr_array_new();
    }
    g_ptr_array_add(drives, drive);
    return true;
}

bool drives_plug(bool (*create)(const char *text, GError **error), GError **error)
{
    for (guint i = 0; drives && i < drives->len; i++) {
        const struct drive *drive = drives->pdata[i];
        g_autofree char *text = g_strdup_printf("virtio-blk-pci,drive=%s", drive->id);

        if (drive->plug && !create(text, error)) {
            return false;
        }
    }
    return true;
}
