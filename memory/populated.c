/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pages of a block were ever populated, asked of the host's page tables without touching the pages.
 *
 * - Anonymous memory: the PAGEMAP_SCAN ioctl (Linux 6.7; Documentation/admin-guide/mm/pagemap.rst) walks the tables
 * and reports runs of pages by category, stepping over unmapped tables at once. Older kernels: /proc/self/pagemap,
 * eight bytes per page, bit 63 present, bit 62 swapped.
 * - Shared files and memfds: SEEK_DATA and SEEK_HOLE, since another process may have populated what we never mapped.
 * - Private mappings of files: both, as own copies are anonymous.
 *
 * mincore() would be wrong: it calls a swapped-out page absent.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "memory/internal.h"

/* The kernel's interface (uapi/linux/fs.h), here because distributions' headers lag behind their kernels. */
struct pm_region {
    uint64_t start, end, categories;
};
struct pm_scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define PM_SCAN      _IOWR('f', 16, struct pm_scan)
#define PM_PRESENT   (1 << 3)
#define PM_SWAPPED   (1 << 4)
#define PM_ZERO_PAGE (1 << 5)
#define PM_REGIONS   512

#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_SWAPPED (1ull << 62)

bool ram_block_populated_plain;

/* A descriptor of our own page tables: opened again after a fork, since it stays with the address space it was opened
 * in. */
static int pagemap_open(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards fd and owner; innermost */
    static int fd = -1;
    static pid_t owner;
    pthread_mutex_lock(&lock);
    if (fd < 0 || owner != getpid()) {
        if (fd >= 0) {
            close(fd);
        }
        fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
        owner = getpid();
    }
    int result = fd;
    pthread_mutex_unlock(&lock);
    return result;
}

/* False with errno ENOTTY or EINVAL: this kernel cannot. */
static bool scan_tables(int fd, const uint8_t *host, uint64_t count, unsigned long *populated)
{
    struct pm_region regions[PM_REGIONS];
    uint64_t base = (uintptr_t)host, end = base + count * GUEST_PAGE_SIZE;
    struct pm_scan scan = {
        .size = sizeof(scan),
        .start = base,
        .end = end,
        .vec = (uintptr_t)regions,
        .vec_len = PM_REGIONS,
        /* (present or swapped) and not the zero page, which reading maps and which holds nothing */
        .category_mask = PM_ZERO_PAGE,
        .category_inverted = PM_ZERO_PAGE,
        .category_anyof_mask = PM_PRESENT | PM_SWAPPED,
        .return_mask = PM_PRESENT | PM_SWAPPED,
    };
    while (scan.start < end) {
        int found = ioctl(fd, PM_SCAN, &scan);
        if (found < 0) {
            if (errno == EINTR) {
                continue;
            }
            return false;
        }
        for (int i = 0; i < found; i++) {
            bitmap_set(populated, (regions[i].start - base) / GUEST_PAGE_SIZE,
                       (regions[i].end - regions[i].start) / GUEST_PAGE_SIZE);
        }
        if (scan.walk_end <= scan.start) { /* no progress: do not trust it */
            errno = EINVAL;
            return false;
        }
        scan.start = scan.walk_end;
    }
    return true;
}

static bool read_pagemap(int fd, const uint8_t *host, uint64_t count, unsigned long *populated)
{
    uint64_t entries[4096];
    for (uint64_t done = 0; done < count;) {
        uint64_t batch = MIN(count - done, G_N_ELEMENTS(entries));
        off_t position = (off_t)(((uintptr_t)host / GUEST_PAGE_SIZE + done) * sizeof(uint64_t));
        ssize_t got = pread(fd, entries, batch * sizeof(uint64_t), position);
        if (got < (ssize_t)sizeof(uint64_t)) {
            if (got < 0 && errno == EINTR) {
                continue;
            }
            errno = got < 0 ? errno : EIO;
            return false;
        }
        batch = (uint64_t)got / sizeof(uint64_t);
        for (uint64_t i = 0; i < batch; i++) {
            if (entries[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)) {
                bitmap_set(populated, done + i, 1);
            }
        }
        done += batch;
    }
    return true;
}

static bool anonymous_populated(const struct ram_block *block, uint64_t first, uint64_t count,
                                unsigned long *populated)
{
    int fd = pagemap_open();
    const uint8_t *host = block->host + first * GUEST_PAGE_SIZE;
    if (fd < 0) {
        return false;
    }
    if (!ram_block_populated_plain && scan_tables(fd, host, count, populated)) {
        return true;
    }
    return read_pagemap(fd, host, count, populated);
}

static bool file_populated(const struct ram_block *block, uint64_t first, uint64_t count, unsigned long *populated)
{
    off_t at = (off_t)(first * GUEST_PAGE_SIZE), end = at + (off_t)(count * GUEST_PAGE_SIZE);
    while (at < end) {
        off_t data = lseek(block->fd, at, SEEK_DATA);
        if (data < 0) {
            return errno == ENXIO; /* nothing but a hole up to the end */
        }
        off_t hole = data < end ? lseek(block->fd, data, SEEK_HOLE) : end;
        if (hole < 0) {
            return false;
        }
        uint64_t from = (uint64_t)MIN(data, end) / GUEST_PAGE_SIZE;
        uint64_t to = ((uint64_t)MIN(hole, end) + GUEST_PAGE_SIZE - 1) / GUEST_PAGE_SIZE;
        bitmap_set(populated, from - first, to - from);
        at = MAX(hole, at + 1);
    }
    return true;
}

bool ram_block_populated(const struct ram_block *block, uint64_t first, uint64_t count, unsigned long *populated,
                         GError **error)
{
    g_assert(first <= ram_block_pages(block) && count <= ram_block_pages(block) - first);
    bool good = (block->fd < 0 || file_populated(block, first, count, populated)) &&
                (block->shared || anonymous_populated(block, first, count, populated));
    return good ||
           error_setf_errno(error, errno, "RAM block '%s': which pages are populated is not known", block->idstr);
}
