/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests on files: both engines, O_DIRECT on files that want more alignment than requests have, short transfers and
 * errors. The pool's system calls are this program's own, so that they can do what a file system does once in a year.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block-bench.h"
#include "util/iothread.h"

#define LENGTH (2u << 20)

/* ---- System calls ---- */

static unsigned faults; /* atomic: what goes wrong */
enum { SHORT = 1, AGAIN = 2, NO_FALLOCATE = 4, FAIL = 8, SLOW = 16 };
static unsigned calls;

static int64_t read_write(const struct block_io *io, size_t most)
{
    struct iovec one = { io->iov->iov_base, MIN(io->iov->iov_len, most) };
    const struct iovec *iov = most == SIZE_MAX ? io->iov : &one;
    unsigned n = most == SIZE_MAX ? io->iov_count : 1;

    return io->call == BLOCK_CALL_READV ? preadv(io->fd, iov, n, io->offset) : pwritev(io->fd, iov, n, io->offset);
}

int64_t block_call_run(const struct block_io *io)
{
    unsigned now = __atomic_load_n(&faults, __ATOMIC_SEQ_CST), n = __atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST);
    int64_t ret;

    if (now & SLOW) {
        g_usleep(n * 7919 % 500);
    }
    if ((now & AGAIN) && n % 3 == 0) {
        return -EAGAIN;
    }
    if (now & FAIL) {
        return -ENOSPC;
    }
    switch (io->call) {
    case BLOCK_CALL_FDATASYNC:
        ret = fdatasync(io->fd);
        break;
    case BLOCK_CALL_FALLOCATE:
        if (now & NO_FALLOCATE) {
            return -EOPNOTSUPP;
        }
        ret = fallocate(io->fd, io->mode, io->offset, io->length);
        break;
    default:
        ret = read_write(io, now & SHORT ? 512 * (1 + n % 3) : SIZE_MAX);
    }
    return ret < 0 ? -errno : ret;
}

/* ---- A shadow of the image ---- */

static uint8_t *shadow;

static void check_file(const char *path)
{
    g_autofree char *data = NULL;
    gsize length;

    g_assert_true(g_file_get_contents(path, &data, &length, NULL));
    g_assert_cmpuint(length, ==, LENGTH);
    g_assert_true(!memcmp(data, shadow, LENGTH));
}

/* Sixteen at once, none over another; then a look at what is there. Memory as aligned as `memory` says. */
static void random_batch(struct block_backend *blk, GRand *rand, unsigned unit, unsigned memory)
{
    struct bench_request r[16];
    uint8_t *buffers = NULL;
    unsigned piece = LENGTH / G_N_ELEMENTS(r);

    g_assert_cmpint(posix_memalign((void **)&buffers, 4096, LENGTH + 4096), ==, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(r); i++) {
        unsigned from = g_rand_int_range(rand, 0, piece / unit) * unit, what = g_rand_int_range(rand, 0, 10);
        unsigned n = (1 + g_rand_int_range(rand, 0, 130 * 1024 / unit)) * unit;
        uint64_t at = (uint64_t)i * piece + from;
        uint8_t *data = buffers + i * piece + g_rand_int_range(rand, 0, 4096 / memory) * memory;
        enum block_op op = what < 5 ? BLOCK_WRITE : what < 8 ? BLOCK_READ : BLOCK_WRITE_ZEROES;

        n = MIN(n, MIN(piece - from, piece - 4096));
        memset(data, 0xa0 + i, n);
        if (op == BLOCK_WRITE) {
            memcpy(shadow + at, data, n);
        } else if (op == BLOCK_WRITE_ZEROES) {
            memset(shadow + at, 0, n);
        }
        bench_submit(blk, &r[i], op, at, op == BLOCK_WRITE_ZEROES ? NULL : data, n);
        r[i].req.unmap = what == 9;
    }
    block_backend_drain(blk);
    for (unsigned i = 0; i < G_N_ELEMENTS(r); i++) {
        g_assert_cmpint(r[i].result, ==, 0);
        g_assert_cmpuint(r[i].completions, ==, 1);
        if (r[i].req.op == BLOCK_READ) { /* its buffers are used up: they end where the data does */
            const uint8_t *end = r[i].req.iov_count ? r[i].req.iov->iov_base : r[i].iov[0].iov_base;

            g_assert_cmpmem(end - r[i].req.length, r[i].req.length, shadow + r[i].req.offset, r[i].req.length);
        }
    }
    free(buffers);
}

static const struct variant {
    const char *name, *options;
    unsigned faults, alignment, unit, memory;
} variants[] = {
    { "threads", "aio=threads", 0, 0, 1, 1 },
    { "threads/short", "aio=threads", SHORT | AGAIN, 0, 1, 1 },
    { "threads/no-fallocate", "aio=threads", NO_FALLOCATE, 0, 512, 512 },
    { "uring", "aio=io_uring", 0, 0, 1, 1 },
    { "direct", "aio=threads,cache.direct=on", 0, 0, 512, 8 },
    { "direct/4096", "aio=threads,cache.direct=on", SLOW, 4096, 512, 512 },
    { "direct/short", "aio=threads,cache.direct=on", SHORT | AGAIN, 512, 512, 8 },
    { "direct/4096/no-fallocate", "aio=threads,cache.direct=on", NO_FALLOCATE, 4096, 512, 512 },
    { "direct/uring", "aio=io_uring,cache.direct=on", 0, 4096, 512, 512 },
};

static bool variant_possible(const struct variant *v, const char *path)
{
    int fd = strstr(v->options, "direct") ? open(path, O_RDWR | O_DIRECT) : open(path, O_RDWR);

    if (fd < 0) {
        g_test_skip("the folder's file system has no O_DIRECT");
        return false;
    }
    close(fd);
    if (strstr(v->options, "io_uring") && !block_aio_check(BLOCK_AIO_IO_URING, NULL)) {
        g_test_skip("no io_uring on this host");
        return false;
    }
    return true;
}

static void test_random(gconstpointer opaque)
{
    const struct variant *v = opaque;
    g_autofree char *path = bench_image("random", LENGTH, 7);
    g_autoptr(GRand) rand = g_rand_new_with_seed(42);
    struct block_backend *blk;

    if (!variant_possible(v, path)) {
        return;
    }
    bench_node("file,node-name=f,filename=%s,discard=unmap,%s", path, v->options);
    blk = bench_backend("f", NULL);
    if (v->alignment) {
        struct block_file *f = blk->node->opaque;

        f->alignment = v->alignment;
        f->memory_alignment = MAX(f->memory_alignment, v->memory);
    }
    g_clear_pointer(&shadow, g_free);
    g_assert_true(g_file_get_contents(path, (char **)&shadow, NULL, NULL));
    __atomic_store_n(&faults, v->faults, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 20; i++) {
        random_batch(blk, rand, v->unit, v->memory);
    }
    __atomic_store_n(&faults, 0, __ATOMIC_SEQ_CST);
    check_file(path);
    bench_done(blk, NODES("f"));
    g_clear_pointer(&shadow, g_free);
}

/* Sectors of the same aligned blocks at once: none may bring back what another wrote. */
static void test_neighbours(void)
{
    g_autofree char *path = bench_image("neighbours", 64 << 10, 3);
    static struct bench_request r[128];
    static uint8_t data[128][512];
    g_autofree char *read = NULL;
    struct block_backend *blk;
    struct block_file *f;

    if (!variant_possible(&variants[4], path)) {
        return;
    }
    bench_node("file,node-name=f,filename=%s,cache.direct=on,aio=threads", path);
    blk = bench_backend("f", NULL);
    f = blk->node->opaque;
    f->alignment = f->memory_alignment = 4096;
    __atomic_store_n(&faults, SLOW, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < 128; i++) {
        memset(data[i], i + 1, 512);
        bench_submit(blk, &r[i], BLOCK_WRITE, i * 512, data[i], 512);
    }
    block_backend_drain(blk);
    __atomic_store_n(&faults, 0, __ATOMIC_SEQ_CST);
    g_assert_true(g_file_get_contents(path, &read, NULL, NULL));
    for (unsigned i = 0; i < 128; i++) {
        g_assert_cmpint(r[i].result, ==, 0);
        for (unsigned n = 0; n < 512; n++) {
            g_assert_cmpuint((uint8_t)read[i * 512 + n], ==, i + 1);
        }
    }
    bench_done(blk, NODES("f"));
}

/* What is behind the file's end reads as zeros, and a file of 1000 bytes is a disk of two sectors. */
static void test_end_of_file(void)
{
    for (unsigned i = 0; i <= block_aio_check(BLOCK_AIO_IO_URING, NULL); i++) {
        g_autofree char *path = bench_image("end", 1000, 9);
        uint8_t data[1024];
        struct block_backend *blk;

        bench_node("file,node-name=f,filename=%s,aio=%s", path, i ? "io_uring" : "threads");
        blk = bench_backend("f", NULL);
        g_assert_cmpuint(block_backend_length(blk), ==, 1024);
        memset(data, 0xee, sizeof(data));
        g_assert_cmpint(bench_run(blk, BLOCK_READ, 0, data, 1024), ==, 0);
        g_assert_cmpuint(data[999], !=, 0xee);
        for (unsigned n = 1000; n < 1024; n++) {
            g_assert_cmpuint(data[n], ==, 0);
        }
        g_assert_cmpint(bench_run(blk, BLOCK_READ, 1024, data, 1), ==, -EIO);
        g_assert_cmpint(bench_run(blk, BLOCK_READ, UINT64_MAX - 5, data, 10), ==, -EIO);
        g_assert_cmpint(bench_run(blk, BLOCK_READ, 1024, data, 0), ==, 0);
        bench_done(blk, NODES("f"));
    }
}

static int64_t allocated(const char *path)
{
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    return st.st_blocks * 512;
}

static void test_discard(void)
{
    for (unsigned unmap = 0; unmap < 2; unmap++) {
        g_autofree char *path = bench_image("discard", LENGTH, 5);
        int64_t before = allocated(path);
        struct block_backend *blk;
        uint8_t byte = 1;

        bench_node("file,node-name=f,filename=%s,discard=%s", path, unmap ? "unmap" : "ignore");
        blk = bench_backend("f", NULL);
        g_assert_cmpint(bench_run(blk, BLOCK_DISCARD, 1 << 20, NULL, 1 << 19), ==, 0);
        g_assert_cmpint(before - allocated(path), ==, unmap ? 1 << 19 : 0);
        g_assert_cmpint(bench_run(blk, BLOCK_READ, 1 << 20, &byte, 1), ==, 0);
        g_assert_true(!unmap || byte == 0);
        g_assert_cmpuint(blk->node->discards, ==, unmap);
        g_assert_cmpuint(blk->stats.operations[BLOCK_DISCARD], ==, 1);
        bench_done(blk, NODES("f"));
    }
}

static void test_errors(void)
{
    g_autofree char *path = bench_image("errors", LENGTH, 5);
    struct block_backend *blk;
    uint8_t data[4096];

    bench_node("file,node-name=f,filename=%s,aio=threads,discard=unmap", path);
    bench_node("blkdebug,node-name=d,image=f,inject-error.0.event=none,inject-error.0.iotype=write,"
               "inject-error.0.sector=8,inject-error.0.errno=5,inject-error.0.once=on");
    blk = bench_backend("d", NULL);
    g_assert_cmpint(bench_run(blk, BLOCK_WRITE, 0, data, 4096), ==, 0);
    g_assert_cmpint(bench_run(blk, BLOCK_READ, 4096, data, 512), ==, 0);
    g_assert_cmpint(bench_run(blk, BLOCK_WRITE, 4096, data, 512), ==, -EIO);
    g_assert_cmpint(bench_run(blk, BLOCK_WRITE, 4096, data, 512), ==, 0);
    __atomic_store_n(&faults, FAIL, __ATOMIC_SEQ_CST);
    for (enum block_op op = 0; op < BLOCK_OPS; op++) {
        g_assert_cmpint(bench_run(blk, op, 0, op <= BLOCK_WRITE ? data : NULL, 512), ==, -ENOSPC);
        g_assert_cmpuint(blk->stats.failed[BLOCK_READ], ==, 1);
    }
    __atomic_store_n(&faults, 0, __ATOMIC_SEQ_CST);
    g_assert_cmpuint(blk->stats.failed[BLOCK_WRITE], ==, 3); /* zeros are written */
    g_assert_cmpuint(blk->node->highest_write, ==, 4096 + 512);
    bench_done(blk, NODES("d", "f"));
}

/* Without a write cache a write is followed by a flush, whose failure is the write's. */
static void test_write_through(void)
{
    g_autofree char *path = bench_image("through", LENGTH, 5);
    uint8_t data[512] = { 1 };
    struct block_backend *blk;

    bench_node("file,node-name=f,filename=%s", path);
    bench_node("blkdebug,node-name=d,image=f,inject-error.0.event=none,inject-error.0.iotype=flush");
    blk = bench_backend("d", NULL);
    g_assert_cmpint(bench_run(blk, BLOCK_WRITE, 0, data, 512), ==, 0);
    block_backend_set_write_cache(blk, false);
    g_assert_cmpint(bench_run(blk, BLOCK_WRITE, 0, data, 512), ==, -EIO);
    g_assert_cmpint(bench_run(blk, BLOCK_READ, 0, data, 512), ==, 0);
    bench_done(blk, NODES("d", "f"));
}

/* ---- Another thread ---- */

static struct {
    struct block_backend *blk;
    struct bench_request r[64];
    uint8_t data[64][4096];
} in_thread;

static void submit_there(void *opaque)
{
    block_backend_plug(in_thread.blk);
    for (unsigned i = 0; i < 64; i++) {
        memset(in_thread.data[i], i, 4096);
        bench_submit(in_thread.blk, &in_thread.r[i], BLOCK_WRITE, i * 4096, in_thread.data[i], 4096);
    }
    block_backend_unplug(in_thread.blk);
}

static void test_iothread(gconstpointer aio)
{
    g_autofree char *path = bench_image("thread", LENGTH, 5), *read = NULL;
    struct iothread *iothread = iothread_new("io0", NULL);

    if (!strcmp(aio, "io_uring") && !block_aio_check(BLOCK_AIO_IO_URING, NULL)) {
        g_test_skip("no io_uring on this host");
        g_assert_true(iothread_delete(iothread, NULL));
        return;
    }
    bench_node("file,node-name=f,filename=%s,aio=%s", path, (const char *)aio);
    in_thread.blk = bench_backend("f", iothread);
    g_assert_false(iothread_delete(iothread, NULL)); /* it has a user */
    block_backend_set_iothread(in_thread.blk, true);
    for (int round = 0; round < 20; round++) {
        iothread_run_sync(iothread, submit_there, NULL);
        block_backend_drain(in_thread.blk);
        for (unsigned i = 0; i < 64; i++) {
            g_assert_cmpint(in_thread.r[i].result, ==, 0);
        }
    }
    g_assert_true(g_file_get_contents(path, &read, NULL, NULL));
    for (unsigned i = 0; i < 64; i++) {
        g_assert_cmpmem(read + i * 4096, 4096, in_thread.data[i], 4096);
    }
    block_backend_set_iothread(in_thread.blk, false);
    g_assert_cmpint(bench_run(in_thread.blk, BLOCK_FLUSH, 0, NULL, 0), ==, 0);
    bench_done(in_thread.blk, NODES("f"));
    g_assert_true(iothread_delete(iothread, NULL));
}

/* More than the ring holds. */
static void test_flood(gconstpointer aio)
{
    g_autofree char *path = bench_image("flood", LENGTH, 5);
    g_autofree struct bench_request *r = g_new0(struct bench_request, 4000);
    static uint8_t data[512];
    struct block_backend *blk;

    if (!strcmp(aio, "io_uring") && !block_aio_check(BLOCK_AIO_IO_URING, NULL)) {
        g_test_skip("no io_uring on this host");
        return;
    }
    bench_node("file,node-name=f,filename=%s,aio=%s", path, (const char *)aio);
    blk = bench_backend("f", NULL);
    for (unsigned i = 0; i < 4000; i++) {
        bench_submit(blk, &r[i], BLOCK_WRITE, i * 512, data, 512);
    }
    block_backend_drain(blk);
    for (unsigned i = 0; i < 4000; i++) {
        g_assert_cmpint(r[i].result, ==, 0);
        g_assert_cmpuint(r[i].completions, ==, 1);
    }
    g_assert_cmpuint(blk->stats.operations[BLOCK_WRITE], ==, 4000);
    bench_done(blk, NODES("f"));
}

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    bench_init();
    for (unsigned i = 0; i < G_N_ELEMENTS(variants); i++) {
        g_autofree char *name = g_strconcat("/block/random/", variants[i].name, NULL);

        g_test_add_data_func(name, &variants[i], test_random);
    }
    g_test_add_func("/block/neighbours", test_neighbours);
    g_test_add_func("/block/end-of-file", test_end_of_file);
    g_test_add_func("/block/discard", test_discard);
    g_test_add_func("/block/errors", test_errors);
    g_test_add_func("/block/write-through", test_write_through);
    g_test_add_data_func("/block/iothread/threads", "threads", test_iothread);
    g_test_add_data_func("/block/iothread/uring", "io_uring", test_iothread);
    g_test_add_data_func("/block/flood/threads", "threads", test_flood);
    g_test_add_data_func("/block/flood/uring", "io_uring", test_flood);
    status = g_test_run();
    bench_cleanup();
    return status;
}
