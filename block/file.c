/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver "file": a regular file, by its path or by a descriptor of a set (/dev/fdset/N). Host devices are a
 * driver of their own in QEMU, which we do not have.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/internal.h"
#include "util/fdset.h"

/* ---- Opening ---- */

static bool check_regular(const struct block_node *node, int fd, struct stat *st, GError **error)
{
    if (fstat(fd, st) < 0) {
        return error_setf_errno(error, errno, "Could not look at '%s'", node->filename);
    }
    return S_ISREG(st->st_mode) ||
           error_setf(error, "'%s' is not a regular file (drivers for host devices are not supported)",
                      node->filename);
}

/* What O_DIRECT wants here: a read tells. 0: more than a page. */
static uint64_t probe_alignment(int fd)
{
    static const unsigned tries[] = { 512, 4096 };
    void *buffer;
    uint64_t found = 0;

    if (posix_memalign(&buffer, 4096, 4096)) {
        return 0;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(tries) && !found; i++) {
        found = pread(fd, (char *)buffer + tries[i] % 4096, tries[i], 0) >= 0 ? tries[i] : 0;
    }
    free(buffer);
    return found;
}

static bool set_alignment(struct block_node *node, struct block_file *f, int fd, const struct stat *st,
                          GError **error)
{
    f->alignment = f->memory_alignment = 1;
    if (!node->direct) {
        return true;
    }
    /* An empty file's reads say nothing. */
    f->alignment = f->memory_alignment = st->st_size < 4096 ? 4096 : probe_alignment(fd);
    if (!f->alignment) {
        return error_setf(error, "cache.direct=on: '%s' cannot be read with O_DIRECT in pieces of 4096 bytes",
                          node->filename);
    }
    if (!node->read_only && st->st_size % f->alignment) {
        return error_setf(error,
                          "cache.direct=on: '%s' has %" G_GINT64_FORMAT
                          " bytes, which is not a multiple of %" G_GUINT64_FORMAT ", as its file system wants it",
                          node->filename, (gint64)st->st_size, f->alignment);
    }
    return true;
}

static int open_file(const struct block_node *node, bool writable, GError **error)
{
    int flags = (writable ? O_RDWR : O_RDONLY) | (node->direct ? O_DIRECT : 0) | O_CLOEXEC;

    return fdset_open(node->filename, flags, error);
}

/* The descriptor as the node now is, in place of what it had. auto-read-only: what cannot be written is read. */
static bool reopen(struct block_node *node, GError **error)
{
    struct block_file *f = node->opaque;
    bool writable = node->active && !node->read_only_option, may_fall_back = writable && node->auto_read_only;
    struct stat st;
    int fd = open_file(node, writable, may_fall_back ? NULL : error);

    node->read_only = node->read_only_option || (fd < 0 && may_fall_back);
    if (fd < 0 && may_fall_back) {
        fd = open_file(node, false, error);
    }
    if (fd < 0) {
        return false;
    }
    if (!check_regular(node, fd, &st, error) || !set_alignment(node, f, fd, &st, error)) {
        close(fd);
        return false;
    }
    if (f->fd >= 0) {
        close(f->fd); /* and its locks */
        f->locked = false;
    }
    f->fd = fd;
    block_node_set_length(node, st.st_size);
    return true;
}

static enum block_aio engine(const BlockdevOptionsFile *o)
{
    if (!o->has_aio) {
        return BLOCK_AIO_AUTO;
    }
    return o->aio == BLOCKDEV_AIO_OPTIONS_THREADS ? BLOCK_AIO_THREADS : BLOCK_AIO_IO_URING;
}

static bool file_open(struct block_node *node, const BlockdevOptions *options, GError **error)
{
    const BlockdevOptionsFile *o = options->u.file;
    struct block_file *f = g_new0(struct block_file, 1);

    f->fd = -1;
    node->opaque = f;
    f->aio = engine(o);
    if (!block_aio_check(f->aio, error)) {
        return false;
    }
    f->lock_wanted = !o->has_locking || o->locking != BLOCKDEV_LOCKING_OFF;
    node->filename = g_strdup(o->filename);
    return reopen(node, error);
}

static void file_close(struct block_node *node)
{
    struct block_file *f = node->opaque;

    if (f->fd >= 0) {
        block_file_unlock(node); /* a descriptor of a set is a duplicate: its locks would stay with the other */
        close(f->fd);
    }
    g_free(f);
}

/* ---- Switchover ---- */

static bool file_activate(struct block_node *node, GError **error)
{
    struct block_file *f = node->opaque;

    if (!reopen(node, error)) {
        return false;
    }
    for (guint i = 0; i < node->users->len && node->read_only; i++) {
        if (!((struct block_backend *)node->users->pdata[i])->read_only) {
            return error_setf(error, "node '%s': '%s' cannot be opened for writing, which its device does",
                              node->name, node->filename);
        }
    }
    /* What the other end wrote must not be hidden by what this host read before. A network file system's concern. */
    if (!node->direct) {
        posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
    }
    return block_file_lock(node, error);
}

static bool file_inactivate(struct block_node *node, GError **error)
{
    struct block_file *f = node->opaque;

    if (!node->read_only && !node->no_flush && fdatasync(f->fd) < 0) {
        return error_setf_errno(error, errno, "node '%s': '%s' cannot be flushed", node->name, node->filename);
    }
    block_file_unlock(node);
    return true;
}

/* ---- Length ---- */

static bool file_resize(struct block_node *node, uint64_t length, GError **error)
{
    const struct block_file *f = node->opaque;

    if (length % f->alignment) {
        return error_setf(error,
                          "size %" G_GUINT64_FORMAT " of '%s' is not a multiple of %" G_GUINT64_FORMAT
                          ", as cache.direct=on wants it",
                          length, node->filename, f->alignment);
    }
    if (ftruncate(f->fd, length) < 0) {
        return error_setf_errno(error, errno, "'%s' cannot be given %" G_GUINT64_FORMAT " bytes", node->filename,
                                length);
    }
    block_node_set_length(node, length);
    return true;
}

static int64_t file_allocated(const struct block_node *node)
{
    const struct block_file *f = node->opaque;
    struct stat st;

    return fstat(f->fd, &st) < 0 ? -1 : (int64_t)st.st_blocks * 512;
}

const struct block_driver block_driver_file = {
    .name = "file",
    .type = BLOCKDEV_DRIVER_FILE,
    .open = file_open,
    .close = file_close,
    .submit = block_file_submit,
    .resize = file_resize,
    .activate = file_activate,
    .inactivate = file_inactivate,
    .lock = block_file_lock,
    .allocated = file_allocated,
};
