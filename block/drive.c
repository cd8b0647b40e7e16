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
    struct keyval *kv = keyval_parse("-blockdev", text, "driver", error);
    bool ok = kv && block_node_create(kv, error);

    if (kv && !ok) {
        g_prefix_error(error, "-blockdev %s: ", text);
    }
    keyval_free(kv);
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

/* Commas doubled, as options want them. */
static void append_value(GString *text, const char *key, const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ",", -1);
    g_autofree char *escaped = g_strjoinv(",,", parts);

    g_string_append_printf(text, "%s%s=%s", text->len ? "," : "", key, escaped);
}

static bool has_protocol(const char *file)
{
    size_t length = strcspn(file, ":/");

    return file[length] == ':';
}

/* The options of the nodes, from those of the drive. */
static bool translate(struct keyval *kv, GString *text, const struct cache_mode *cache, GError **error)
{
    const char *file = keyval_get(kv, "file"), *format = keyval_get(kv, "format");
    const char *discard = keyval_get(kv, "discard"), *aio = keyval_get(kv, "aio");
    bool read_only = false;

    if (!file) {
        return error_setf(error, "file= is missing");
    }
    if (has_protocol(file)) {
        return error_setf(error, "file='%s': protocols are not supported (./NAME is a file with a colon)", file);
    }
    if (!format || strcmp(format, "raw") != 0) {
        return error_setf(error, "format='%s' is not supported (only format=raw)", format ? format : "");
    }
    if (!keyval_get_bool(kv, keyval_has(kv, "readonly") ? "readonly" : "read-only", &read_only, error)) {
        return false;
    }
    append_value(text, "driver", "raw");
    append_value(text, "read-only", read_only ? "on" : "off");
    append_value(text, "cache.direct", cache->direct ? "on" : "off");
    append_value(text, "cache.no-flush", cache->no_flush ? "on" : "off");
    append_value(text, "discard", discard ? discard : "ignore");
    append_value(text, "file.driver", "file");
    append_value(text, "file.filename", file);
    if (aio) {
        append_value(text, "file.aio", aio);
    }
    return true;
}

static bool open_nodes(struct drive *drive, struct keyval *kv, const struct cache_mode *cache, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    struct keyval *options;

    if (!translate(kv, text, cache, error) || !keyval_check_unread(kv, error)) {
        return false;
    }
    options = keyval_parse("-drive", text->str, NULL, error);
    drive->node = options ? block_node_open(options, "", NULL, error) : NULL;
    keyval_free(options);
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
