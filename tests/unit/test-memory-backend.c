/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -object memory-backend-*: what they make, and what they refuse. */
#include <glib/gstdio.h>
#include <string.h>

#include "memory/backend.h"
#include "memory/memory.h"
#include "system/object.h"
#include "util/main-loop.h"

static bool create(const char *text, GError **error)
{
    return object_create_from_option(text, error);
}

static void remove_object(const char *id)
{
    g_assert_true(object_delete(id, NULL));
}

static struct ram_block *make(const char *text, const char *id)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(create(text, &error));
    g_assert_no_error(error);
    struct ram_block *block = ram_block_find(id);
    g_assert_nonnull(block);
    g_assert_cmpuint(block->used_length, ==, 1 << 20);
    g_assert_false(block->migratable);
    return block;
}

/* The kernel's word on the block: "dd" is not dumped, "mg" may be merged. */
static void expect_flag(const struct ram_block *block, const char *flag, bool want)
{
    g_autofree char *smaps = NULL, *start = g_strdup_printf("%lx-", (unsigned long)block->host);
    g_assert_true(g_file_get_contents("/proc/self/smaps", &smaps, NULL, NULL));
    char *flags = strstr(strstr(smaps, start), "VmFlags:");
    *strchr(flags, '\n') = 0;
    if (!!strstr(flags, flag) != want) {
        g_error("%s, expected%s%s", flags, want ? "" : " not", flag);
    }
}

static void test_kinds(void)
{
    struct ram_block *ram = make("memory-backend-ram,id=a,size=1M", "a");
    g_assert_cmpint(ram->fd, <, 0);
    expect_flag(ram, " dd", false);
    expect_flag(ram, " mg", false);
    remove_object("a");

    expect_flag(make("memory-backend-ram,id=a,size=1M,dump=off", "a"), " dd", true);
    remove_object("a");
    expect_flag(make("memory-backend-ram,id=a,size=1M,merge=on", "a"), " mg", true);
    remove_object("a");

    make("{\"qom-type\":\"memory-backend-ram\",\"id\":\"pc.ram\",\"size\":1048576}", "pc.ram");
    remove_object("pc.ram");

    struct ram_block *shared = make("memory-backend-ram,id=b,size=1M,share=on,dump=off", "b");
    g_assert_cmpint(shared->fd, >=, 0);
    g_assert_true(shared->shared);
    remove_object("b");

    struct ram_block *memfd = make("memory-backend-memfd,id=c,size=1M,prealloc=on", "c");
    g_assert_cmpint(memfd->fd, >=, 0);
    g_assert_true(memfd->shared);
    unsigned long populated[4] = { 0 };
    g_assert_true(ram_block_populated(memfd, 0, 256, populated, NULL));
    g_assert_cmphex(populated[0], ==, ~0ul);
    remove_object("c");
}

/* A shared file keeps what the guest wrote; a private one does not, and shows what was there. */
static void test_file(void)
{
    g_autofree char *folder = g_dir_make_tmp("ferry-backend-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "memory", NULL);
    g_autofree char *shared = g_strdup_printf("memory-backend-file,id=f,size=1M,mem-path=%s,share=on", path);
    g_autofree char *private = g_strdup_printf("memory-backend-file,id=f,size=1M,mem-path=%s", path);

    struct ram_block *block = make(shared, "f");
    block->host[5000] = 0x42;
    remove_object("f");
    block = make(private, "f");
    g_assert_cmphex(block->host[5000], ==, 0x42);
    block->host[5000] = 0x43;
    remove_object("f");
    block = make(shared, "f");
    g_assert_cmphex(block->host[5000], ==, 0x42);
    remove_object("f");
    g_remove(path);
    g_rmdir(folder);
}

static void test_refused(void)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        { "memory-backend-ram,size=1M", "'id' is missing" },
        { "memory-backend-ram,id=x", "'size' is missing" },
        { "memory-backend-ram,id=x,size=0", "size=0" },
        { "memory-backend-ram,id=x,size=5000", "not a positive multiple of 4096" },
        { "memory-backend-ram,id=x,size=1M,share=on,merge=on", "merge with share=on is not supported" },
        { "memory-backend-ram,id=x,size=1M,reserve=on", "reserve=on is not supported" },
        { "memory-backend-ram,id=x,size=1M,policy=bind", "policy" },
        { "memory-backend-ram,id=x,size=1M,share=maybe", "share" },
        { "memory-backend-memfd,id=x,size=1M,hugetlb=on", "hugetlb" },
        { "memory-backend-file,id=x,size=1M", "'mem-path' is missing" },
        { "memory-backend-file,id=x,size=1M,mem-path=/nonexistent/x", "cannot open /nonexistent/x" },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(create(bad[i].text, &error));
        if (!strstr(error->message, bad[i].why)) {
            g_error("'%s': expected '%s' in: %s", bad[i].text, bad[i].why, error->message);
        }
        g_assert_null(ram_block_find("x"));
    }
    g_autoptr(GError) error = NULL;
    make("memory-backend-ram,id=x,size=1M", "x");
    g_assert_false(create("memory-backend-ram,id=x,size=1M", &error));
    g_assert_nonnull(strstr(error->message, "'x'"));
    remove_object("x");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    g_test_add_func("/memory-backend/kinds", test_kinds);
    g_test_add_func("/memory-backend/file", test_file);
    g_test_add_func("/memory-backend/refused", test_refused);
    return g_test_run();
}
