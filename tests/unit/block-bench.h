/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images in a folder of their own, nodes from text, and requests that the test waits for. */
#ifndef FERRY_TESTS_BLOCK_BENCH_H
#define FERRY_TESTS_BLOCK_BENCH_H

#include <glib/gstdio.h>
#include <string.h>

#include "block/internal.h"
#include "util/main-loop.h"

static char *bench_folder;

static inline void bench_init(void)
{
    bench_folder = g_dir_make_tmp("ferry-block-XXXXXX", NULL);
    main_loop_init();
}

/* A file of that length with a pattern in it, or a hole (seed 0). */
static inline char *bench_image(const char *name, size_t length, unsigned seed)
{
    char *path = g_build_filename(bench_folder, name, NULL);
    g_autofree uint8_t *data = g_malloc0(length);

    for (size_t i = 0; i < length && seed; i++) {
        data[i] = (i * 2654435761u + seed) >> 11;
    }
    g_assert_true(g_file_set_contents(path, (char *)data, length, NULL));
    return path;
}

static inline void bench_cleanup(void)
{
    g_autoptr(GDir) dir = g_dir_open(bench_folder, 0, NULL);

    for (const char *name; (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(bench_folder, name, NULL);

        g_unlink(path);
    }
    g_rmdir(bench_folder);
    g_free(bench_folder);
}

static inline bool bench_try_node(GError **error, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    return blockdev_option(text, error);
}

#define bench_node(...)                          \
    do {                                         \
        g_autoptr(GError) e_ = NULL;             \
        if (!bench_try_node(&e_, __VA_ARGS__)) { \
            g_error("%s", e_->message);          \
        }                                        \
    } while (0)

static inline struct block_backend *bench_backend(const char *node, struct iothread *iothread)
{
    struct block_backend_config config = {
        .node = node, .device = "bench", .iothread = iothread, .write_cache = true
    };
    g_autoptr(GError) error = NULL;
    struct block_backend *blk = block_backend_new(&config, &error);

    if (!blk) {
        g_error("%s", error->message);
    }
    return blk;
}

struct bench_request {
    struct block_request req;
    struct iovec iov[16];
    int result; /* 1: not yet */
    unsigned completions;
};

static inline void bench_complete(struct block_request *req, int result)
{
    struct bench_request *r = (struct bench_request *)req;

    r->result = result;
    r->completions++;
}

static inline void bench_submit(struct block_backend *blk, struct bench_request *r, enum block_op op, uint64_t offset,
                                void *data, uint64_t length)
{
    r->iov[0] = (struct iovec){ data, length };
    r->req = (struct block_request){ .op = op,
                                     .offset = offset,
                                     .length = length,
                                     .iov = r->iov,
                                     .iov_count = data ? 1 : 0,
                                     .complete = bench_complete };
    r->result = 1;
    r->completions = 0;
    block_submit(blk, &r->req);
    g_assert_cmpuint(r->completions, ==, 0); /* never from within */
}

static inline int bench_run(struct block_backend *blk, enum block_op op, uint64_t offset, void *data, uint64_t length)
{
    struct bench_request r;

    bench_submit(blk, &r, op, offset, data, length);
    while (r.result > 0) {
        main_loop_iterate(true);
    }
    g_assert_cmpuint(r.completions, ==, 1);
    g_assert_cmpuint(blk->in_flight, ==, 0);
    return r.result;
}

static inline void bench_done(struct block_backend *blk, const char *const *nodes)
{
    block_backend_free(blk);
    for (; *nodes; nodes++) {
        g_assert_true(block_node_delete(*nodes, NULL));
    }
}
#define NODES(...) ((const char *const[]){ __VA_ARGS__, NULL })

#endif
