/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole streams over memory: RAM and a device, there and back, cut, garbled, and from another machine. */
#include <string.h>

#include "migration/ram.h"
#include "migration/savevm.h"
#include "migration/sections.h"
#include "util/main-loop.h"
#include "util/vector-zero.h"

#define BIG   600 /* pages */
#define SMALL 8

static struct ram_block *big, *small;
static struct device {
    uint32_t value;
    uint8_t mode;
} device;

static bool device_post_load(void *opaque, int version, GError **error)
{
    return device.mode < 4 || error_setf(error, "mode %u, expected 0 to 3", device.mode);
}

static const struct vmstate_field device_fields[] = {
    VMSTATE_UINT32(value, struct device), VMSTATE_UINT8(mode, struct device), VMSTATE_END
};
static const struct vmstate_description device_vmstate = {
    .name = "device", .version = 3, .minimum_version = 2, .post_load = device_post_load, .fields = device_fields
};

/* ---- memory without an accelerator: nothing is written while we send ---- */

static void no_take(struct ram_block *block, uint64_t first, uint64_t count, unsigned long *into)
{
}

static void no_arm(void)
{
}

static bool real_populated(const struct ram_block *block, uint64_t first, uint64_t count, unsigned long *populated)
{
    return ram_block_populated(block, first, count, populated, NULL);
}

static const struct page_log still_log = { .take = no_take, .arm = no_arm, .populated = real_populated };

static uint64_t populated_pages(struct ram_block *block)
{
    uint64_t pages = block->used_length / GUEST_PAGE_SIZE;
    g_autofree unsigned long *bits = g_new0(unsigned long, BITMAP_WORDS(pages));

    g_assert_true(ram_block_populated(block, 0, pages, bits, NULL));
    return bitmap_count(bits, 0, pages);
}

static void empty(struct ram_block *block)
{
    g_assert_true(ram_block_discard(block, 0, block->used_length, NULL));
}

/* A third each: holes, pages of zeros that were touched, content. */
static void fill(struct ram_block *block, uint32_t seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);

    empty(block);
    for (uint64_t page = 0; page < block->used_length / GUEST_PAGE_SIZE; page++) {
        uint8_t *host = block->host + page * GUEST_PAGE_SIZE;

        switch (g_rand_int_range(rand, 0, 3)) {
        case 0:
            break;
        case 1:
            *(volatile uint8_t *)host = 0;
            break;
        default:
            memset(host, 1 + page % 255, g_rand_int_range(rand, 1, GUEST_PAGE_SIZE + 1));
        }
    }
}

/* ---- making a stream ---- */

#define SKIP   BIT(STREAM_SKIP_ZERO_PAGES)
#define RANGES BIT(STREAM_ZERO_PAGE_RANGES)

/* After each section: it is complete by then, with its footer. */
static void section_saved(void *opaque, struct stream *s)
{
    const GByteArray *bytes = stream_memory_data(s);
    unsigned *count = opaque;

    g_assert_cmpuint(bytes->len, >, 5);
    g_assert_cmpuint(bytes->data[bytes->len - 5], ==, SECTION_FOOTER);
    ++*count;
}

static GByteArray *save(unsigned capabilities)
{
    struct page_map *map = page_map_new(&still_log, capabilities & SKIP);
    struct stream *s = stream_new_memory_output();
    struct ram_save rs = { .map = map, .s = s, .window = PAGE_MAP_RUN, .ranges = capabilities & RANGES };
    GByteArray *bytes;
    unsigned saved = 0;

    page_map_scan_holes(map, NULL);
    savevm_put_header(s, capabilities, false);
    ram_save_start(&rs);
    ram_save_begin_part(&rs, SECTION_PART);
    while (ram_save_window(&rs)) {
    }
    ram_save_end_part(&rs);
    ram_save_begin_part(&rs, SECTION_END);
    ram_save_end_part(&rs);
    g_assert_true(savevm_put_devices(s, section_saved, &saved, NULL));
    g_assert_cmpuint(saved, ==, sections_count());
    bytes = g_byte_array_ref(stream_memory_data(s));
    stream_free(s);
    page_map_free(map);
    return bytes;
}

static bool load(const void *data, size_t length, unsigned capabilities, GError **error)
{
    struct stream *s = stream_new_memory_input(data, length);
    bool ok;

    big_unlock();
    ok = loadvm_run(s, capabilities, NULL, NULL, error);
    big_lock();
    stream_free(s);
    return ok;
}

/* ---- there and back ---- */

static void check_round_trip(unsigned capabilities)
{
    g_autofree uint8_t *big_before = NULL, *small_before = NULL;
    uint64_t touched;
    GByteArray *bytes;
    GError *error = NULL;

    fill(big, 1);
    fill(small, 2);
    device = (struct device){ 0x12345678, 3 };
    touched = populated_pages(big);
    bytes = save(capabilities);
    g_assert_cmpuint(populated_pages(big), ==, touched); /* a hole is not read */
    big_before = g_memdup2(big->host, big->used_length);
    small_before = g_memdup2(small->host, small->used_length);

    memset(big->host, 0x55, big->used_length); /* the destination is anything but clean */
    empty(small);
    memset(&device, 0, sizeof(device));
    g_assert_true(load(bytes->data, bytes->len, capabilities, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(populated_pages(big), <, touched); /* nor are zeros written into one */
    g_assert_cmpmem(big->host, big->used_length, big_before, big->used_length);
    g_assert_cmpmem(small->host, small->used_length, small_before, small->used_length);
    g_assert_cmpuint(device.value, ==, 0x12345678);
    g_byte_array_unref(bytes);
}

static void test_round_trip(void)
{
    check_round_trip(0);
    check_round_trip(RANGES);
}

static void test_skip_zero(void)
{
    GByteArray *with, *without;

    check_round_trip(SKIP);
    check_round_trip(SKIP | RANGES);
    fill(big, 1);
    with = save(SKIP);
    without = save(0);
    g_assert_cmpuint(with->len + 9 * BIG / 2, <, without->len);
    g_byte_array_unref(with);
    g_byte_array_unref(without);
}

/* ---- the layout, byte by byte, as QEMU's ---- */

static void test_layout(void)
{
    static const uint8_t head[] = {
        'Q', 'E', 'V', 'M', 0, 0, 0, 3, 7, 0, 0, 0, 4, 't', 'e', 's', 't',
        1, 0, 0, 0, 2, 3, 'r', 'a', 'm', 0, 0, 0, 0, 0, 0, 0, 4,
        0, 0, 0, 0, 0, 0x26, 0x00, 4, 3, 'b', 'i', 'g', 0, 0, 0, 0, 0, 0x25, 0x80, 0,
        5, 's', 'm', 'a', 'l', 'l', 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0x7e, 0, 0, 0, 2,
        2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0x10, 2, 3, 'b', 'i', 'g', 0, 0, 0, 0, 0, 0, 0, 0x20, 0x22, 0,
        0, 0, 0, 0, 0, 0, 0, 0x28, 9
    };
    GByteArray *bytes;

    empty(big);
    empty(small);
    memset(big->host, 9, 64 * GUEST_PAGE_SIZE);
    memset(big->host + GUEST_PAGE_SIZE, 0, 2 * GUEST_PAGE_SIZE); /* pages of zeros go in front, 64 pages at a time */
    bytes = save(0);
    /* total 0x260000: 600 + 8 pages */
    g_assert_cmpmem(bytes->data, sizeof(head), head, sizeof(head));
    const uint8_t *device_at = memmem(bytes->data, bytes->len, "\6device", 7);
    g_assert_nonnull(device_at);
    g_assert_cmpint(device_at[-5], ==, 4);
    g_assert_cmpmem(device_at + 7, 8, ((uint8_t[]){ 0, 0, 0, 0, 0, 0, 0, 3 }), 8);
    g_assert_cmpint(device_at[20], ==, 0x7e);
    g_assert_cmpint(device_at[25], ==, 0);
    g_assert_cmpint(device_at[26], ==, 6);
    g_assert_cmpint(bytes->data[bytes->len - 1], ==, '}');
    g_byte_array_unref(bytes);
}

/* ---- damage ---- */

static void test_truncated(void)
{
    GByteArray *bytes;

    empty(big);
    empty(small);
    memset(big->host + 5 * GUEST_PAGE_SIZE, 9, GUEST_PAGE_SIZE);
    bytes = save(SKIP | RANGES);
    for (size_t length = 0; length < bytes->len; length++) {
        GError *error = NULL;

        g_assert_false(load(bytes->data, length, SKIP | RANGES, &error));
        /* In front of its optional subsection, the configuration looks whole. */
        if (!strstr(error->message, "the stream ends") && !strstr(error->message, "at both ends")) {
            g_test_message("cut at %zu: '%s'", length, error->message);
            g_test_fail();
        }
        g_error_free(error);
    }
    g_byte_array_unref(bytes);
}

static void test_flipped(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    GByteArray *bytes;
    unsigned refused = 0;

    empty(big);
    empty(small);
    memset(small->host, 9, GUEST_PAGE_SIZE);
    bytes = save(SKIP | RANGES);
    for (int i = 0; i < 4000; i++) {
        size_t at = g_rand_int_range(rand, 0, bytes->len);
        uint8_t old = bytes->data[at];

        bytes->data[at] ^= 1 << g_rand_int_range(rand, 0, 8);
        refused += !load(bytes->data, bytes->len, SKIP | RANGES, NULL);
        bytes->data[at] = old;
    }
    g_assert_cmpuint(refused, >, 50); /* most flips hit a page's content or the description */
    g_byte_array_unref(bytes);
}

static void check_patch_with(unsigned capabilities, const void *find, size_t length, size_t at, uint8_t value,
                             const char *message)
{
    GByteArray *bytes;
    GError *error = NULL;
    uint8_t *found;

    device = (struct device){ 1, 1 };
    empty(big);
    empty(small);
    bytes = save(capabilities);
    found = memmem(bytes->data, bytes->len, find, length);
    g_assert_nonnull(found);
    found[at] = value;
    g_assert_false(load(bytes->data, bytes->len, capabilities, &error));
    if (!strstr(error->message, message)) {
        g_test_message("'%s' should say '%s'", error->message, message);
        g_test_fail();
    }
    g_error_free(error);
    g_byte_array_unref(bytes);
}

static void check_patch(const void *find, size_t length, size_t at, uint8_t value, const char *message)
{
    check_patch_with(0, find, length, at, value, message);
}

/* Of `big` 600 pages of zeros: ten ranges of at most 64, the last one of 24 at 576. */
static void test_refused_ranges(void)
{
    static const uint8_t last[] = { 0, 0, 0, 0, 0, 0x24, 0x08, 0x22, 0, 0, 0, 24 };

    check_patch_with(RANGES, last, 12, 11, 0,
                     "RAM block 'big': a range of 0 pages of zeros at 0x240000, expected 1 to 24");
    check_patch_with(RANGES, last, 12, 11, 25, "a range of 25 pages of zeros at 0x240000");
    check_patch_with(RANGES, last, 12, 8, 0xff, "a range of 4278190104 pages of zeros at 0x240000");
    check_patch_with(RANGES, last, 12, 5, 0x25, "a range of 24 pages of zeros at 0x250000, expected 1 to 8");
    check_patch_with(RANGES, last, 12, 0, 0xff, "RAM block 'big': page at 0xff00000000240000 is beyond its end");
    check_patch_with(RANGES, last, 12, 7, 0x28, "flags 0x828 is not supported");
    check_patch_with(RANGES, last, 12, 7, 0x20, "flags 0x820 is not supported");
    check_patch("\0\0\0\0\0\0\x10\x22\0", 9, 6, 0x18,
                "a range of pages of zeros without capability 'zero-page-ranges'");
}

/* What was filled before is zero afterwards; what was not is not touched. Ranges may overlap what came before. */
static void test_overlapping_ranges(void)
{
    static const uint8_t last[] = { 0, 0, 0, 0, 0, 0x24, 0x08, 0x22, 0, 0, 0, 24 };
    GByteArray *bytes;
    GError *error = NULL;
    uint8_t *found;

    empty(big);
    empty(small);
    memset(big->host + 10 * GUEST_PAGE_SIZE, 9, 3 * GUEST_PAGE_SIZE);
    bytes = save(RANGES);
    found = memmem(bytes->data, bytes->len, last, sizeof(last));
    g_assert_nonnull(found);
    memcpy(found, ((uint8_t[]){ 0, 0, 0, 0, 0, 0, 0xb8, 0x22, 0, 0, 2, 0 }), sizeof(last)); /* 512 pages from 11 on */
    empty(big);
    g_assert_true(load(bytes->data, bytes->len, RANGES, &error));
    g_assert_no_error(error);
    g_assert_cmpint(big->host[10 * GUEST_PAGE_SIZE], ==, 9);
    g_assert_true(buffer_is_zero(big->host + 11 * GUEST_PAGE_SIZE, 2 * GUEST_PAGE_SIZE));
    g_assert_cmpuint(populated_pages(big), <=, 512); /* one huge page, where the host has them */
    g_byte_array_unref(bytes);
}

/* ---- capabilities ---- */

static void check_capabilities(unsigned there, unsigned here, const char *message)
{
    GByteArray *bytes;
    GError *error = NULL;

    empty(big);
    empty(small);
    bytes = save(there);
    g_assert_false(load(bytes->data, bytes->len, here, &error));
    g_assert_cmpstr(error->message, ==, message);
    g_error_free(error);
    g_byte_array_unref(bytes);
}

static void test_capabilities(void)
{
    static const uint8_t head[] = "QEVM\0\0\0\3\7\0\0\0\4test\5\32configuration/capabilities\0\0\0\1"
                                  "\0\0\0\2\17skip-zero-pages\20zero-page-ranges\1";
    GByteArray *bytes = save(SKIP | RANGES);

    g_assert_cmpmem(bytes->data, sizeof(head) - 1, head, sizeof(head) - 1);
    g_byte_array_unref(bytes);
    check_capabilities(
        SKIP, 0,
        "configuration section: capability 'skip-zero-pages' is off here and on at the sender: it should "
        "be the same at both ends");
    check_capabilities(
        0, SKIP,
        "configuration section: capability 'skip-zero-pages' is on here and off at the sender: it should "
        "be the same at both ends");
    check_capabilities(SKIP | RANGES, SKIP,
                       "configuration section: capability 'zero-page-ranges' is off here and on at the "
                       "sender: it should be the same at both ends");
    check_patch_with(SKIP, "\17skip-zero-pages", 16, 1, 'x',
                     "the sender wants capability 'xkip-zero-pages', which is not supported");
}

static void test_refused(void)
{
    check_patch("QEVM", 4, 0, 'X', "this is no migration stream");
    check_patch("QEVM\0\0\0\3", 8, 7, 4, "version 4; known here is 3");
    check_patch("\4test", 5, 4, 'x', "of type 'tesx', this one is 'test'");
    check_patch("\4test", 5, 0, 0xff, "configuration section: ");
    check_patch("\3ram", 4, 1, 'x', "section 'xam', instance 0, is not known here");
    check_patch("\3ram\0\0\0\0\0\0\0\4", 12, 11, 5, "section 'ram': version 5");
    check_patch("\3big", 4, 1, 'p', "section 'ram': RAM block 'pig' does not exist here");
    check_patch("\5small\0\0\0\0\0\0\x80\0", 14, 12, 0x70,
                "RAM block 'small' has 0x7000 bytes at the sender, 0x8000 here");
    check_patch("\0\0\0\0\0\x26\0\4", 8, 5, 0x25, "RAM block 'big' goes beyond the total");
    check_patch("\0\0\0\0\0\x26\0\4", 8, 5, 0x27, "section 'ram': ");
    check_patch("\0\0\0\0\0\0\x10\x22\0", 9, 7, 0x62, "flags 0x062 is not supported");
    check_patch("\0\0\0\0\0\0\x10\x22\0", 9, 3, 1, "RAM block 'big': page at 0x100001000 is beyond its end");
    check_patch("\0\0\0\0\0\0\0\2\3big", 12, 7, 0x22, "a page without the name of its RAM block");
    check_patch("\x7e\0\0\0\2", 5, 4, 3, "section 'ram': no footer");
    check_patch("\6device", 7, 1, 'X', "section 'Xevice', instance 0, is not known here");
    check_patch("\6device\0\0\0\0\0\0\0\3", 15, 14, 4,
                "section 'device', instance 0: device: version 4 is newer than 3");
    check_patch("\6device\0\0\0\0\0\0\0\3\0\0\0\1\1", 20, 19, 4, "section 'device', instance 0: device: mode 4");
    check_patch("\6device\0\0\0\0\0\0\0\3\0\0\0\1\1\x7e", 21, 20, 0, "no footer where it should end");
    check_patch("\x7e\0\0\0\4\0\6", 7, 6, 5, "no description at the end");
    check_patch("\x7e\0\0\0\4\0\6", 7, 5, 9, "no section begins with 0x09");
}

static void check_uuid(bool sent, const uint8_t *theirs, const uint8_t *ours, const char *want)
{
    struct stream *s = stream_new_memory_output();
    g_autoptr(GError) error = NULL;

    savevm_uuid = theirs;
    savevm_put_header(s, 0, sent);
    savevm_put_command(s, 5, "xx", 2); /* ends the load where the header was good */
    savevm_uuid = ours;
    g_assert_false(load(stream_memory_data(s)->data, stream_memory_data(s)->len, 0, &error));
    g_assert_nonnull(strstr(error->message, want));
    savevm_uuid = NULL;
    stream_free(s);
}

static void test_uuid(void)
{
    static const uint8_t one[16] = { 0xaa, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 }, other[16] = { 0xaa, 1 };
    const char *good = "command 5";

    check_uuid(true, one, one, good);
    check_uuid(true, one, other, "the guest that comes has UUID aa010203-0405-0607-0809-0a0b0c0d0e0f, this machine was "
                                 "made for aa010000-0000-0000-0000-000000000000");
    check_uuid(false, one, other, good);
    check_uuid(true, one, NULL, good);
    check_uuid(true, NULL, other, good);
}

static void test_commands(void)
{
    struct stream *s = stream_new_memory_output();
    GError *error = NULL;

    savevm_put_header(s, 0, false);
    savevm_put_command(s, STREAM_COMMAND_OPEN_RETURN_PATH, NULL, 0);
    savevm_put_command(s, 5, "xx", 2); /* postcopy, in QEMU */
    g_assert_false(load(stream_memory_data(s)->data, stream_memory_data(s)->len, 0, &error));
    g_assert_cmpstr(error->message, ==, "command 5 with 2 bytes is not supported");
    g_error_free(error);
    stream_free(s);
}

/* ---- sections of one name and instance: slirp's ---- */

static void test_by_order(void)
{
    static const struct vmstate_field fields[] = { VMSTATE_UINT32(value, struct device), VMSTATE_END };
    static const struct vmstate_description vmsd = { .name = "alike", .by_order = true, .fields = fields };
    struct device alike[] = { { 1 }, { 2 }, { 3 } };
    GError *error = NULL;
    GByteArray *bytes;

    for (unsigned i = 0; i < G_N_ELEMENTS(alike); i++) {
        g_assert_true(vmstate_register("alike", 0, &vmsd, &alike[i], NULL));
    }
    bytes = save(0);
    memset(alike, 0, sizeof(alike));
    g_assert_true(load(bytes->data, bytes->len, 0, &error));
    for (unsigned i = 0; i < G_N_ELEMENTS(alike); i++) {
        g_assert_cmpuint(alike[i].value, ==, i + 1);
    }
    vmstate_unregister(&vmsd, &alike[2]);
    g_assert_false(load(bytes->data, bytes->len, 0, &error));
    g_assert_cmpstr(error->message, ==, "section 'alike', instance 0: it comes twice");
    g_error_free(error);
    g_byte_array_unref(bytes);
    vmstate_unregister(&vmsd, &alike[0]);
    vmstate_unregister(&vmsd, &alike[1]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    savevm_machine_name = "test";
    big = ram_block_new("big", BIG * GUEST_PAGE_SIZE, NULL);
    small = ram_block_new("small", SMALL * GUEST_PAGE_SIZE, NULL);
    big->migratable = small->migratable = true;
    g_assert_true(vmstate_register("device", 0, &device_vmstate, &device, NULL));
    g_test_add_func("/migration-stream/round-trip", test_round_trip);
    g_test_add_func("/migration-stream/skip-zero", test_skip_zero);
    g_test_add_func("/migration-stream/layout", test_layout);
    g_test_add_func("/migration-stream/truncated", test_truncated);
    g_test_add_func("/migration-stream/flipped", test_flipped);
    g_test_add_func("/migration-stream/refused", test_refused);
    g_test_add_func("/migration-stream/refused-ranges", test_refused_ranges);
    g_test_add_func("/migration-stream/overlapping-ranges", test_overlapping_ranges);
    g_test_add_func("/migration-stream/capabilities", test_capabilities);
    g_test_add_func("/migration-stream/uuid", test_uuid);
    g_test_add_func("/migration-stream/commands", test_commands);
    g_test_add_func("/migration-stream/by-order", test_by_order);
    return g_test_run();
}
