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

static GPtrArray *backends; /* struct memory_backend *; big lock */

static bool check(const struct memory_backend *o, GError **error)
{
    if (o->size == 0 || o->size % GUEST_PAGE_SIZE) {
        return error_setf(error, "-object %s,id=%s: size=%" G_GUINT64_FORMAT " is not a positive multiple of 4096",
                          o->type, o->id, o->size);
    }
    return !(o->merge && o->share) ||
           error_setf(error, "-object %s,id=%s: merge with share=on is not supported", o->type, o->id);
}

/* What lies behind the memory: -1 for anonymous memory. */
static bool open_fd(const struct memory_backend *o, int *fd, GError **error)
{
    *fd = -1;
    if (o->path) {
        *fd = open(o->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    } else if (o->share || !strcmp(o->type, "memory-backend-memfd")) {
        *fd = memfd_create(o->id, MFD_CLOEXEC | (o->seal ? MFD_ALLOW_SEALING : 0));
        if (*fd >= 0 && (ftruncate(*fd, (off_t)o->size) < 0 ||
                         (o->seal && fcntl(*fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0))) {
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

struct memory_backend *memory_backend_find(const char *id)
{
    for (guint i = 0; backends && i < backends->len; i++) {
        struct memory_backend *backend = backends->pdata[i];
        if (!strcmp(backend->id, id)) {
            return backend;
        }
    }
    return NULL;
}

static void backend_free(struct memory_backend *o)
{
    if (o->block) {
        ram_block_free(o->block);
    }
    g_free(o->id);
    g_free(o->path);
    g_free(o);
}

/* The block, as the options want it. */
static bool make_block(struct memory_backend *o, GError **error)
{
    int fd;

    if (!open_fd(o, &fd, error)) {
        return false;
    }
    o->block = fd < 0 ? ram_block_new(o->id, o->size, error) : ram_block_new_fd(o->id, o->size, fd, o->share, error);
    if (!o->block) {
        return false;
    }
    o->block->migratable = false; /* until a machine uses it */
    if (!o->dump) {
        madvise(o->block->host, o->size, MADV_DONTDUMP);
    }
    if (o->merge && madvise(o->block->host, o->size, MADV_MERGEABLE) < 0) {
        return error_setf_errno(error, errno, "-object %s,id=%s: this kernel merges no pages (merge=on)", o->type,
                                o->id);
    }
    if (o->prealloc && madvise(o->block->host, o->size, MADV_POPULATE_WRITE) < 0) {
        return error_setf_errno(error, errno, "-object %s,id=%s: cannot populate its memory (prealloc=on)", o->type,
                                o->id);
    }
    return true;
}

bool memory_backend_create(const struct memory_backend *wanted, GError **error)
{
    struct memory_backend *backend;

    if (!check(wanted, error)) {
        return false;
    }
    backend = g_memdup2(wanted, sizeof(*wanted));
    backend->id = g_strdup(wanted->id);
    backend->path = g_strdup(wanted->path);
    if (!make_block(backend, error)) {
        backend_free(backend);
        return false;
    }
    if (!backends) {
        backends = g_ptr_array_new();
    }
    g_ptr_array_add(backends, backend);
    return true;
}

void memory_backend_delete(const char *id)
{
    struct memory_backend *backend = memory_backend_find(id);

    g_ptr_array_remove(backends, backend);
    backend_free(backend);
}
