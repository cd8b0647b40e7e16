/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -object memory-backend-ram, -memfd, -file: RAM blocks that are made before the machine and named by -machine
 * memory-backend=ID. Their ID is their name in the stream.
 *
 * Left out, and refused: NUMA policy, huge pages, pmem, alignment.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory/backend.h"
#include "memory/ram-block.h"
#include "util/keyval.h"

struct backend_options {
    const char *type, *id, *path;
    uint64_t size;
    bool share, prealloc, dump, merge, discard_data;
};

static bool parse_options(struct keyval *kv, struct backend_options *o, GError **error)
{
    bool reserve = false, seal = true;

    o->id = keyval_get(kv, "id");
    o->dump = true;
    o->share = !strcmp(o->type, "memory-backend-memfd");
    if (!strcmp(o->type, "memory-backend-file")) {
        o->path = keyval_get(kv, "mem-path");
        if (!o->path) {
            return error_setf(error, "-object %s: mem-path= is missing", o->type);
        }
    } else if (o->share && !keyval_get_bool(kv, "seal", &seal, error)) {
        return false;
    }
    if (!o->id) {
        return error_setf(error, "-object %s: id= is missing", o->type);
    }
    if (!keyval_get_size(kv, "size", &o->size, 'B', error) || !keyval_get_bool(kv, "share", &o->share, error) ||
        !keyval_get_bool(kv, "prealloc", &o->prealloc, error) || !keyval_get_bool(kv, "dump", &o->dump, error) ||
        !keyval_get_bool(kv, "merge", &o->merge, error) || !keyval_get_bool(kv, "reserve", &reserve, error) ||
        !keyval_get_bool(kv, "discard-data", &o->discard_data, error) || !keyval_check_unread(kv, error)) {
        return false;
    }
    if (o->size == 0 || o->size % GUEST_PAGE_SIZE) {
        return error_setf(error, "-object %s,id=%s: size=%" G_GUINT64_FORMAT " is not a positive multiple of 4096",
                          o->type, o->id, o->size);
    }
    if (reserve || o->merge || o->discard_data) {
        return error_setf(error, "-object %s,id=%s: %s=on is not supported", o->type, o->id,
                          reserve ? "reserve" : o->merge ? "merge" : "discard-data");
    }
    return true;
}

/* What lies behind the memory: -1 for anonymous memory. */
static bool open_fd(const struct backend_options *o, int *fd, GError **error)
{
    *fd = -1;
    if (o->path) {
        *fd = open(o->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    } else if (o->share || !strcmp(o->type, "memory-backend-memfd")) {
        *fd = memfd_create(o->id, MFD_CLOEXEC);
        if (*fd >= 0 && ftruncate(*fd, (off_t)o->size) < 0) {
            close(*fd);
            *fd = -1;
        }
    } else {
        return true;
    }
    if (*fd < 0) {
        return error_setf_errno(error, errno, "-object %s,id=%s: cannot open %s", o->type, o->id,
                                o->path ? o->path : "a memfd");
    }
    return true;
}

bool memory_backend_type(const char *type)
{
    return !strcmp(type, "memory-backend-ram") || !strcmp(type, "memory-backend-memfd") ||
           !strcmp(type, "memory-backend-file");
}

bool memory_backend_create(const char *type, struct keyval *options, GError **error)
{
    struct backend_options o = { .type = type };
    int fd;

    if (!parse_options(options, &o, error) || !open_fd(&o, &fd, error)) {
        return false;
    }
    struct ram_block *block =
        fd < 0 ? ram_block_new(o.id, o.size, error) : ram_block_new_fd(o.id, o.size, fd, o.share, error);
    if (!block) {
        return false;
    }
    block->migratable = false; /* until a machine uses it */
    if (!o.dump) {
        madvise(block->host, o.size, MADV_DONTDUMP);
    }
    if (o.prealloc && madvise(block->host, o.size, MADV_POPULATE_WRITE) < 0) {
        error_setf_errno(error, errno, "-object %s,id=%s: cannot populate its memory (prealloc=on)", type, o.id);
        ram_block_free(block);
        return false;
    }
    return true;
}
