/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory/internal.h"
#include "trace/memory.h"

#define HUGE_PAGE_SIZE (2ull << 20)

struct ram_block *ram_blocks;

/*
 * Maps `length` bytes at a huge page boundary: reserves that much more, maps over the aligned part, gives the rest
 * back. A guest's 2 MiB pages then coincide with the host's.
 */
static void *map_aligned(uint64_t length, int flags, int fd)
{
    uint64_t align = length >= HUGE_PAGE_SIZE ? HUGE_PAGE_SIZE : GUEST_PAGE_SIZE;
    if (length > UINT64_MAX / 2) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    uint8_t *reserve = mmap(NULL, length + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserve == MAP_FAILED) {
        return MAP_FAILED;
    }
    uint8_t *host = (uint8_t *)(((uintptr_t)reserve + align - 1) & ~(uintptr_t)(align - 1));
    if (mmap(host, length, PROT_READ | PROT_WRITE, flags | MAP_FIXED | MAP_NORESERVE, fd, 0) == MAP_FAILED) {
        int saved = errno;
        munmap(reserve, length + align);
        errno = saved;
        return MAP_FAILED;
    }
    if (host > reserve) {
        munmap(reserve, host - reserve);
    }
    munmap(host + length, reserve + align - host);
    return host;
}

static bool check_arguments(const char *idstr, uint64_t length, GError **error)
{
    if (!*idstr || strlen(idstr) >= sizeof(((struct ram_block *)0)->idstr)) {
        return error_setf(error, "RAM block name '%s' must have 1 to 255 bytes", idstr);
    }
    if (!length || length % GUEST_PAGE_SIZE) {
        return error_setf(error, "RAM block '%s': size %" G_GUINT64_FORMAT " is not a multiple of 4096", idstr,
                          length);
    }
    if (ram_block_find(idstr)) {
        return error_setf(error, "RAM block '%s' exists already", idstr);
    }
    return true;
}

static struct ram_block *block_create(const char *idstr, uint64_t length, int fd, bool shared, GError **error)
{
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : shared ? MAP_SHARED : MAP_PRIVATE;
    if (!check_arguments(idstr, length, error)) {
        return NULL;
    }
    void *host = map_aligned(length, flags, fd);
    if (host == MAP_FAILED) {
        error_setf_errno(error, errno, "cannot map %" G_GUINT64_FORMAT " bytes for RAM block '%s'", length, idstr);
        return NULL;
    }
    /* Both are wishes; a kernel without them runs the guest as well. */
    madvise(host, length, MADV_HUGEPAGE);
    madvise(host, length, MADV_DONTFORK);

    struct ram_block *block = g_new0(struct ram_block, 1);
    strcpy(block->idstr, idstr);
    block->host = host;
    block->used_length = block->max_length = length;
    block->fd = fd;
    block->shared = shared;
    block->migratable = true;
    dirty_block_added(block);

    struct ram_block **link = &ram_blocks;
    while (*link) {
        link = &(*link)->next;
    }
    __atomic_store_n(link, block, __ATOMIC_RELEASE);
    trace_ram_block_new(idstr, length, host);
    return block;
}

struct ram_block *ram_block_new(const char *idstr, uint64_t length, GError **error)
{
    return block_create(idstr, length, -1, false, error);
}

struct ram_block *ram_block_new_fd(const char *idstr, uint64_t length, int fd, bool shared, GError **error)
{
    struct stat status;
    if (fstat(fd, &status) < 0) {
        error_setf_errno(error, errno, "RAM block '%s': bad file descriptor %d", idstr, fd);
        return NULL;
    }
    /* Touching a mapping behind the file's end is SIGBUS: make the file long enough, and never shorter. */
    if (S_ISREG(status.st_mode) && (uint64_t)status.st_size < length && ftruncate(fd, (off_t)length) < 0) {
        error_setf_errno(error, errno, "RAM block '%s': cannot extend its file to %" G_GUINT64_FORMAT " bytes", idstr,
                         length);
        close(fd);
        return NULL;
    }
    struct ram_block *block = block_create(idstr, length, fd, shared, error);
    if (!block) {
        close(fd);
    }
    return block;
}

void ram_block_free(struct ram_block *block)
{
    if (!block) {
        return;
    }
    struct ram_block **link = &ram_blocks;
    while (*link != block) {
        link = &(*link)->next;
    }
    __atomic_store_n(link, block->next, __ATOMIC_RELEASE);
    dirty_block_removed(block);
    munmap(block->host, block->max_length);
    if (block->fd >= 0) {
        close(block->fd);
    }
    g_free(block);
}

struct ram_block *ram_block_find(const char *idstr)
{
    RAM_BLOCK_FOREACH (block) {
        if (!strcmp(block->idstr, idstr)) {
            return block;
        }
    }
    return NULL;
}

uint64_t ram_total(void)
{
    uint64_t total = 0;
    RAM_BLOCK_FOREACH (block) {
        total += block->used_length;
    }
    return total;
}

struct ram_block *ram_block_from_host(const void *host, uint64_t *offset)
{
    RAM_BLOCK_FOREACH (block) {
        uintptr_t distance = (uintptr_t)host - (uintptr_t)block->host;
        if (distance < block->max_length) {
            *offset = distance;
            return block;
        }
    }
    return NULL;
}

bool ram_block_discard(struct ram_block *block, uint64_t offset, uint64_t length, GError **error)
{
    if ((offset | length) % GUEST_PAGE_SIZE || offset > block->max_length || length > block->max_length - offset) {
        return error_setf(error,
                          "RAM block '%s': cannot discard [0x%" G_GINT64_MODIFIER "x, +0x%" G_GINT64_MODIFIER
                          "x): not whole pages of it",
                          block->idstr, offset, length);
    }
    /* A private mapping keeps its own copies besides the file's pages, so both go; shared pages live in the file
     * only. */
    if (block->fd >= 0 &&
        fallocate(block->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length) < 0) {
        return error_setf_errno(error, errno, "RAM block '%s': cannot punch a hole into its file", block->idstr);
    }
    if (!block->shared && madvise(block->host + offset, length, MADV_DONTNEED) < 0) {
        return error_setf_errno(error, errno, "RAM block '%s': cannot discard memory", block->idstr);
    }
    return true;
}
