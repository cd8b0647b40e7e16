/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The locks by which processes know of each other that use an image, the ones that QEMU takes (its documentation,
 * "Disk image file locking"): byte 100 + n is read-locked by whoever does n, byte 200 + n by whoever suffers no other
 * to do n; a byte that one could not write-lock is somebody's. They are OFD locks: they belong to the open file, not
 * to the process, so that no other close() drops them.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "block/internal.h"

#define DOES_BASE    100
#define SUFFERS_BASE 200

enum { DO_READ = 1 << 0, DO_WRITE = 1 << 1, DO_WRITE_UNCHANGED = 1 << 2, DO_RESIZE = 1 << 3 };
static const char *const names[] = { "consistent read", "write", "write unchanged", "resize" };

static int lock_byte(int fd, off_t at, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

    return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

static int is_taken(int fd, off_t at)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

    return fcntl(fd, F_OFD_GETLK, &lock) < 0 ? -errno : lock.l_type != F_UNLCK;
}

/* Ours first, then a look at the others': of two that come at once both may fail, never none. */
static int lock_bytes(int fd, unsigned does, unsigned suffers)
{
    for (unsigned n = 0; n < G_N_ELEMENTS(names); n++) {
        int ret = lock_byte(fd, DOES_BASE + n, does >> n & 1 ? F_RDLCK : F_UNLCK);

        ret = ret ? ret : lock_byte(fd, SUFFERS_BASE + n, suffers >> n & 1 ? F_UNLCK : F_RDLCK);
        if (ret) {
            return ret;
        }
    }
    return 0;
}

static int check_bytes(int fd, unsigned does, unsigned suffers, const char **what, const char **shared)
{
    for (unsigned n = 0; n < G_N_ELEMENTS(names); n++) {
        int ret = does >> n & 1 ? is_taken(fd, SUFFERS_BASE + n) : 0;

        *what = names[n];
        *shared = ret > 0 ? "shared " : "";
        ret = ret || suffers >> n & 1 ? ret : is_taken(fd, DOES_BASE + n);
        if (ret) {
            return ret;
        }
    }
    return 0;
}

static void needs(const struct block_node *node, unsigned *does, unsigned *suffers)
{
    *does = DO_READ;
    *suffers = DO_READ | DO_WRITE | DO_WRITE_UNCHANGED | DO_RESIZE;
    for (guint i = 0; i < node->users->len; i++) {
        const struct block_backend *blk = node->users->pdata[i];

        *does |= blk->read_only ? 0 : DO_WRITE;
        *suffers &= blk->share_rw ? ~0u : ~(unsigned)(DO_WRITE | DO_RESIZE);
    }
}

static bool not_lockable(const struct block_node *node, int errnum, GError **error)
{
    return error_setf_errno(error, errnum, "node '%s': '%s' cannot be locked (locking=off does without)", node->name,
                            node->filename);
}

bool block_file_lock(struct block_node *node, GError **error)
{
    struct block_file *f = node->opaque;
    unsigned does, suffers;
    const char *what = "", *shared = "";
    int ret;

    if (!f->lock_wanted) {
        return true;
    }
    if (!node->users->len) {
        block_file_unlock(node);
        return true;
    }
    needs(node, &does, &suffers);
    ret = lock_bytes(f->fd, does, suffers);
    f->locked = true; /* in part at least */
    ret = ret ? ret : check_bytes(f->fd, does, suffers, &what, &shared);
    if (ret < 0) {
        block_file_unlock(node);
        return not_lockable(node, -ret, error);
    }
    if (ret > 0) {
        block_file_unlock(node);
        return error_setf(error, "Failed to get %s\"%s\" lock: is another process using the image '%s'?", shared,
                          what, node->filename);
    }
    return true;
}

void block_file_unlock(struct block_node *node)
{
    struct block_file *f = node->opaque;

    if (f->locked) {
        lock_bytes(f->fd, 0, ~0u);
        f->locked = false;
    }
}
