/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes: options, who may have an image, which end of a migration has it, length. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block-bench.h"
#include "util/iothread.h"

static void check_refused(const char *options, const char *words)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(bench_try_node(&error, "%s", options));
    if (!strstr(error->message, words)) {
        g_error("'%s' gives '%s', which does not say '%s'", options, error->message, words);
    }
}

static void test_refused(void)
{
    static const char *const bad[][2] = {
        { "driver=file,filename=/nonexistent/x,node-name=a", "/nonexistent/x" },
        { "driver=file,node-name=a", "'filename' is missing" },
        { "driver=file,filename=%", "'node-name' must be specified" },
        { "driver=qcow2,node-name=a,filename=%", "'qcow2'" },
        { "node-name=a,filename=%", "'driver' is missing" },
        { "driver=file,filename=%,node-name=9a", "Invalid node-name: '9a'" },
        { "driver=file,filename=%,node-name=a123456789012345678901234567890b", "Invalid node-name" },
        { "driver=file,filename=%,node-name=known", "Duplicate nodes with node-name='known'" },
        { "driver=file,filename=%,node-name=a,bogus=1", "'bogus' is unexpected" },
        { "driver=file,filename=%,node-name=a,aio=native", "'aio' does not accept value 'native'" },
        { "driver=file,filename=%,node-name=a,aio=soon", "'soon'" },
        { "driver=file,filename=%,node-name=a,locking=maybe", "'maybe'" },
        { "driver=file,filename=%,node-name=a,discard=bad", "'bad'" },
        { "driver=file,filename=%,node-name=a,detect-zeroes=on", "'detect-zeroes' does not accept value 'on'" },
        { "driver=file,filename=%,node-name=a,force-share=on", "'force-share' is unexpected" },
        { "driver=file,filename=%,node-name=a,cache.direct=perhaps", "'perhaps'" },
        { "driver=file,filename=/dev/null,node-name=a", "not a regular file" },
        { "driver=raw,node-name=a", "'file' is missing" },
        { "driver=raw,node-name=a,file=known,filename=x", "'filename' is unexpected" },
        { "driver=raw,node-name=a,file.driver=file,file.filename=%,file.size=1", "'file.size' is unexpected" },
        { "driver=raw,node-name=a,file.driver=file,file=known", "contradicts" },
        { "{\"driver\":\"raw\",\"node-name\":\"a\",\"file\":\"known\",\"size\":\"1M\"}", "'size', expected: integer" },
        { "{\"driver\":\"raw\",\"node-name\":\"a\",\"file\":7}", "'file', expected: object or string" },
        { "driver=blkdebug,node-name=a,image=known,inject-error.1.event=none", "'inject-error.0' is missing" },
        { "driver=blkdebug,node-name=a,image=known,inject-error.0.event=none,inject-error.0.errno=0", "1 to 4095" },
        { "driver=raw,node-name=a,file=nobody", "'nobody'" },
        { "driver=raw,node-name=a,file=known,offset=7", "multiples of 512" },
        { "driver=raw,node-name=a,file=known,offset=512,size=8192", "not within the 8192 bytes of 'known'" },
        { "driver=raw,node-name=a,file=known,offset=1G", "not within" },
        { "driver=raw,node-name=a,file=reader", "node 'reader' is read-only" },
        { "driver=blkdebug,node-name=a,image=known,inject-error.0.event=read_aio", "does not accept value 'read_aio'" },
        { "driver=blkdebug,node-name=a,image=known,inject-error.0.event=none,inject-error.0.iotype=x", "'x'" },
    };
    g_autofree char *path = bench_image("image", 8192, 1);
    unsigned refs;

    bench_node("file,node-name=known,filename=%s", path);
    bench_node("file,node-name=reader,read-only=on,filename=%s", path);
    refs = block_node_find("known")->refs;
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_auto(GStrv) parts = g_strsplit(bad[i][0], "%", 2);
        g_autofree char *options = g_strjoinv(path, parts);

        check_refused(options, bad[i][1]);
    }
    g_assert_null(block_node_find("a"));
    g_assert_cmpuint(block_node_find("known")->refs, ==, refs);
    g_assert_true(block_node_delete("known", NULL));
    g_assert_true(block_node_delete("reader", NULL));
    g_assert_false(block_node_delete("known", NULL));
}

static void test_offset(void)
{
    g_autofree char *path = bench_image("offset", 8192, 1), *data = NULL;
    struct block_backend *blk;
    char buffer[512];

    bench_node("raw,node-name=r,offset=1024,size=2048,file.driver=file,file.filename=%s", path);
    blk = bench_backend("r", NULL);
    g_assert_cmpuint(block_backend_length(blk), ==, 2048);
    g_assert_true(g_file_get_contents(path, &data, NULL, NULL));
    g_assert_cmpint(bench_run(blk, BLOCK_READ, 1536, buffer, 512), ==, 0);
    g_assert_cmpmem(buffer, 512, data + 2560, 512);
    g_assert_cmpint(bench_run(blk, BLOCK_READ, 2048, buffer, 512), ==, -EIO);
    bench_done(blk, NODES("r"));
    g_assert_null(block_node_find("#block000")); /* what was described within goes with it */
}

static void test_null(void)
{
    struct block_backend *blk;
    char buffer[512];

    bench_node("null-co,node-name=n,size=1M,read-zeroes=on");
    blk = bench_backend("n", NULL);
    memset(buffer, 7, 512);
    g_assert_cmpint(bench_run(blk, BLOCK_WRITE, 0, buffer, 512), ==, 0);
    g_assert_cmpint(bench_run(blk, BLOCK_READ, 0, buffer, 512), ==, 0);
    g_assert_cmpint(buffer[511], ==, 0);
    bench_done(blk, NODES("n"));
}

static struct block_backend *try_backend(const char *node, bool share_rw, GError **error)
{
    struct block_backend_config config = { .node = node, .device = "bench", .share_rw = share_rw };

    return block_backend_new(&config, error);
}

static void test_users(void)
{
    g_autofree char *path = bench_image("users", 8192, 1);
    g_autoptr(GError) error = NULL;
    struct block_backend *blk, *other;

    bench_node("file,node-name=f,filename=%s", path);
    bench_node("raw,node-name=r,file=f");
    bench_node("raw,node-name=ro,file=f,read-only=on");
    blk = try_backend("r", false, NULL);
    g_assert_null(try_backend("f", true, &error)); /* both must agree */
    g_assert_nonnull(strstr(error->message, "share-rw=on"));
    g_assert_null(try_backend("ro", false, NULL));
    g_assert_false(block_node_delete("r", NULL));
    g_assert_false(block_node_delete("f", NULL));
    block_backend_free(blk);
    blk = try_backend("r", true, NULL);
    other = try_backend("ro", true, NULL);
    g_assert_true(block_backend_read_only(other));
    g_assert_cmpint(bench_run(other, BLOCK_WRITE, 0, path, 1), ==, -EPERM);
    block_backend_free(other);
    block_backend_free(blk);
    g_clear_error(&error);
    g_assert_null(try_backend("nobody", false, &error));
    g_assert_nonnull(strstr(error->message, "'nobody'"));
    g_assert_true(block_node_delete("ro", NULL) && block_node_delete("r", NULL) && block_node_delete("f", NULL));
}

/* ---- Locks: another process is another open file ---- */

static int lock_as_other(int fd, off_t at, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

    return fcntl(fd, F_OFD_SETLK, &lock);
}

static void test_locks(void)
{
    g_autofree char *path = bench_image("locks", 8192, 1);
    int fd = open(path, O_RDWR);
    g_autoptr(GError) error = NULL;
    struct block_backend *blk;

    bench_node("file,node-name=f,filename=%s", path);
    g_assert_cmpint(lock_as_other(fd, 201, F_WRLCK), ==, 0); /* nobody has it: no lock without a device */
    g_assert_cmpint(lock_as_other(fd, 201, F_RDLCK), ==, 0); /* another suffers no writer */
    g_assert_null(try_backend("f", false, &error));
    g_assert_nonnull(strstr(error->message, "Failed to get shared \"write\" lock"));
    g_assert_cmpint(lock_as_other(fd, 201, F_UNLCK), ==, 0);
    g_assert_cmpint(lock_as_other(fd, 101, F_RDLCK), ==, 0); /* another writes */
    g_clear_error(&error);
    g_assert_null(try_backend("f", false, &error));
    g_assert_nonnull(strstr(error->message, "Failed to get \"write\" lock"));
    blk = try_backend("f", true, NULL); /* which does not mind */
    g_assert_nonnull(blk);
    g_assert_cmpint(lock_as_other(fd, 201, F_RDLCK), ==, 0);
    g_assert_cmpint(lock_as_other(fd, 101, F_WRLCK), ==, -1); /* we write */
    block_backend_free(blk);
    g_assert_cmpint(lock_as_other(fd, 101, F_WRLCK), ==, 0);
    lock_as_other(fd, 101, F_UNLCK);
    lock_as_other(fd, 201, F_UNLCK);
    blk = try_backend("f", false, NULL);
    g_assert_cmpint(lock_as_other(fd, 201, F_WRLCK), ==, -1);
    g_assert_cmpint(lock_as_other(fd, 203, F_WRLCK), ==, -1);
    bench_done(blk, NODES("f"));
    close(fd);
}

/* ---- Switchover ---- */

static unsigned resized;

static void on_resize(void *opaque)
{
    resized++;
}

static void test_switchover(void)
{
    static const struct block_backend_ops ops = { .resized = on_resize };
    g_autofree char *path = bench_image("switch", 8192, 1);
    struct block_backend_config config = { .node = "r", .device = "bench", .ops = &ops, .write_cache = true };
    int fd = open(path, O_RDWR);
    struct block_backend *blk;
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(lock_as_other(fd, 101, F_RDLCK), ==, 0); /* the source writes */
    g_assert_cmpint(lock_as_other(fd, 201, F_RDLCK), ==, 0);
    g_assert_cmpint(chmod(path, 0400), ==, 0);
    block_set_incoming();
    bench_node("file,node-name=f,filename=%s,auto-read-only=on", path);
    bench_node("raw,node-name=r,file=f");
    blk = block_backend_new(&config, &error);
    g_assert_no_error(error);
    g_assert_false(block_backend_read_only(blk)); /* as it will be */
    g_assert_cmpint(bench_run(blk, BLOCK_WRITE, 0, path, 1), ==, -EPERM);
    g_assert_false(block_activate_all(&error));
    g_assert_nonnull(strstr(error->message, "lock"));
    g_assert_false(block_is_active());
    g_assert_cmpint(bench_run(blk, BLOCK_WRITE, 0, path, 1), ==, -EPERM);
    g_assert_cmpint(ftruncate(fd, 16384), ==, 0);
    lock_as_other(fd, 101, F_UNLCK);
    lock_as_other(fd, 201, F_UNLCK);
    g_assert_cmpint(chmod(path, 0600), ==, 0);
    g_assert_true(block_activate_all(NULL));
    g_assert_true(block_activate_all(NULL));
    g_assert_cmpuint(block_backend_length(blk), ==, 16384); /* the source had resized it */
    g_assert_cmpuint(resized, >=, 1);
    g_assert_cmpint(bench_run(blk, BLOCK_WRITE, 0, path, 1), ==, 0);
    g_assert_cmpint(lock_as_other(fd, 101, F_WRLCK), ==, -1);
    g_assert_true(block_inactivate_all(NULL));
    g_assert_false(block_is_active());
    g_assert_cmpint(lock_as_other(fd, 101, F_WRLCK), ==, 0);
    lock_as_other(fd, 101, F_UNLCK);
    g_assert_cmpint(bench_run(blk, BLOCK_WRITE, 0, path, 1), ==, -EPERM);
    g_assert_true(block_activate_all(NULL)); /* the migration failed: back here */
    g_assert_cmpint(bench_run(blk, BLOCK_WRITE, 0, path, 1), ==, 0);
    bench_done(blk, NODES("r", "f"));
    close(fd);
}

static void test_resize(void)
{
    static const struct block_backend_ops ops = { .resized = on_resize };
    g_autofree char *path = bench_image("resize", 8192, 1);
    struct iothread *iothread = iothread_new("io0", NULL);
    struct block_backend_config config = { .node = "r", .device = "bench", .ops = &ops, .iothread = iothread };
    g_autoptr(GError) error = NULL;
    struct block_backend *blk;
    struct stat st;

    bench_node("file,node-name=f,filename=%s", path);
    bench_node("raw,node-name=r,file=f,offset=512");
    bench_node("raw,node-name=part,file=f,offset=512,size=1024");
    blk = block_backend_new(&config, NULL);
    resized = 0;
    g_assert_true(block_node_resize_live(block_node_find("r"), 1 << 20, NULL));
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, (1 << 20) + 512);
    g_assert_cmpuint(block_backend_length(blk), ==, 1 << 20);
    g_assert_true(block_node_resize_live(block_node_find("f"), 4096, NULL)); /* from below, and smaller */
    g_assert_cmpuint(block_backend_length(blk), ==, 3584);
    g_assert_cmpuint(resized, ==, 2);
    g_assert_false(block_node_resize_live(block_node_find("part"), 4096, &error));
    g_assert_nonnull(strstr(error->message, "fixed size=1024"));
    bench_done(blk, NODES("part", "r", "f"));
    g_assert_true(iothread_delete(iothread, NULL));
}

static void test_drive(void)
{
    static const char *const bad[][2] = {
        { "file=%,format=qcow2,if=none,id=x", "'qcow2'" },
        { "file=%,if=none,id=x", "format=''" },
        { "file=%,format=raw,id=x", "if=''" },
        { "file=%,format=raw,if=ide,id=x", "if='ide'" },
        { "file=%,format=raw,if=none", "id=" },
        { "format=raw,if=none,id=x", "file= is missing" },
        { "file=nbd:x,format=raw,if=none,id=x", "protocols" },
        { "file=%,format=raw,if=none,id=x,media=cdrom", "'media'" },
        { "file=%,format=raw,if=none,id=x,cache=big", "'big'" },
        { "file=%,format=raw,if=none,id=d", "Duplicate" },
    };
    g_autofree char *path = bench_image("a,drive", 8192, 1),
                    *escaped = g_build_filename(bench_folder, "a,,drive", NULL);
    g_autofree char *good = g_strdup_printf("file=%s,format=raw,if=none,id=d,cache=writethrough", escaped);
    struct block_backend *blk;

    g_assert_true(drive_option(good, NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_auto(GStrv) parts = g_strsplit(bad[i][0], "%", 2);
        g_autofree char *text = g_strjoinv(escaped, parts);
        g_autoptr(GError) error = NULL;

        g_assert_false(drive_option(text, &error));
        if (!strstr(error->message, bad[i][1])) {
            g_error("'%s' gives '%s', which does not say '%s'", text, error->message, bad[i][1]);
        }
    }
    blk = bench_backend("d", NULL);
    g_assert_cmpstr(blk->name, ==, "d");
    g_assert_false(block_backend_write_cache(blk));
    block_backend_free(blk);
}

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    bench_init();
    g_test_add_func("/block-nodes/refused", test_refused);
    g_test_add_func("/block-nodes/offset", test_offset);
    g_test_add_func("/block-nodes/null", test_null);
    g_test_add_func("/block-nodes/users", test_users);
    g_test_add_func("/block-nodes/locks", test_locks);
    g_test_add_func("/block-nodes/switchover", test_switchover);
    g_test_add_func("/block-nodes/resize", test_resize);
    g_test_add_func("/block-nodes/drive", test_drive);
    status = g_test_run();
    bench_cleanup();
    return status;
}
