/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Receives RAM. Blocks are given back to the host first, so that they are zeros: a page of zeros for memory that
 * never held anything else is not touched. Everything in the stream is checked against the blocks that this machine
 * has.
 */
#include <string.h>

#include "migration/ram-load.h"
#include "migration/ram-trim.h"
#include "migration/ram.h"
#include "migration/sections.h"
#include "util/vector-zero.h"

struct load_block {
    struct ram_block *block;
    bool listed;
    unsigned long *filled; /* pages that may hold something else than zeros */
    struct ram_trim trim;
};

struct ram_load {
    bool pristine;         /* the sender counts on blocks of zeros */
    bool ranges;           /* RAM_FLAG_RANGE may come */
    bool listed;
    unsigned count;
    struct load_block *blocks;
    struct load_block *last; /* for CONTINUE */
};

struct ram_load *ram_load_new(unsigned capabilities)
{
    struct ram_load *load = g_new0(struct ram_load, 1);

    load->pristine = capabilities & BIT(STREAM_SKIP_ZERO_PAGES);
    load->ranges = capabilities & BIT(STREAM_ZERO_PAGE_RANGES);
    RAM_BLOCK_FOREACH(block) {
        load->count += block->migratable && block->used_length;
    }
    load->blocks = g_new0(struct load_block, load->count);
    struct load_block *lb = load->blocks;
    RAM_BLOCK_FOREACH(block) {
        if (block->migratable && block->used_length) {
            lb->block = block;
            lb->filled = bitmap_new(block->used_length / GUEST_PAGE_SIZE);
            ram_trim_init(&lb->trim, block, lb->filled);
            lb++;
        }
    }
    return load;
}

void ram_load_free(struct ram_load *load)
{
    for (unsigned i = 0; i < load->count; i++) {
        ram_trim_free(&load->blocks[i].trim);
        bitmap_free(load->blocks[i].filled, load->blocks[i].block->used_length / GUEST_PAGE_SIZE);
    }
    g_free(load->blocks);
    g_free(load);
}

static struct load_block *find_block(struct ram_load *load, const char *idstr)
{
    for (unsigned i = 0; i < load->count; i++) {
        if (!strcmp(load->blocks[i].block->idstr, idstr)) {
            return &load->blocks[i];
        }
    }
    return NULL;
}

static bool unknown_block(const char *idstr, GError **error)
{
    g_autofree char *printable = g_strescape(idstr, NULL);

    return error_setf(error, "RAM block '%s' does not exist here", printable);
}

/* ---- the list of blocks ---- */

static bool clear_block(struct ram_load *load, struct load_block *lb, GError **error)
{
    struct ram_block *block = lb->block;
    g_autoptr(GError) why = NULL;

    if (ram_block_discard(block, 0, block->used_length, &why)) {
        return true;
    }
    if (load->pristine) {
        return error_setf(error, "RAM block '%s' cannot be emptied, as skip-zero-pages needs: %s", block->idstr,
                          why->message);
    }
    bitmap_set(lb->filled, 0, block->used_length / GUEST_PAGE_SIZE);
    return true;
}

static bool load_block_entry(struct ram_load *load, struct stream *s, uint64_t *left, GError **error)
{
    struct load_block *lb;
    char idstr[256];
    uint64_t length;

    stream_get_counted_string(s, idstr);
    length = stream_get_u64(s);
    if (stream_error(s)) {
        return error_setf(error, "the list of RAM blocks: %s", stream_error(s)->message);
    }
    lb = find_block(load, idstr);
    if (!lb) {
        return unknown_block(idstr, error);
    }
    if (lb->listed) {
        return error_setf(error, "RAM block '%s' is listed twice", idstr);
    }
    if (length != lb->block->used_length) {
        return error_setf(error, "RAM block '%s' has 0x%" G_GINT64_MODIFIER "x bytes at the sender, 0x%"
                          G_GINT64_MODIFIER "x here", idstr, length, lb->block->used_length);
    }
    if (length > *left) {
        return error_setf(error, "RAM block '%s' goes beyond the total of all blocks", idstr);
    }
    *left -= length;
    lb->listed = true;
    return clear_block(load, lb, error);
}

static bool load_list(struct ram_load *load, struct stream *s, uint64_t total, GError **error)
{
    if (load->listed) {
        return error_setf(error, "a second list of RAM blocks");
    }
    load->listed = true;
    while (total) {
        if (!load_block_entry(load, s, &total, error)) {
            return false;
        }
    }
    for (unsigned i = 0; i < load->count; i++) {
        if (!load->blocks[i].listed) {
            return error_setf(error, "RAM block '%s' does not exist at the sender", load->blocks[i].block->idstr);
        }
    }
    return true;
}

/* ---- pages ---- */

static bool select_block(struct ram_load *load, struct stream *s, uint64_t header, GError **error)
{
    char idstr[256];

    if (header & RAM_FLAG_CONTINUE) {
        return load->last || error_setf(error, "a page without the name of its RAM block");
    }
    if (!stream_get_counted_string(s, idstr)) {
        return error_setf(error, "a RAM block's name: %s", stream_error(s)->message);
    }
    load->last = find_block(load, idstr);
    if (!load->last || !load->last->listed) {
        load->last = NULL;
        return unknown_block(idstr, error);
    }
    return true;
}

static void load_fill(struct load_block *lb, uint64_t page, uint8_t value)
{
    uint8_t *host = lb->block->host + page * GUEST_PAGE_SIZE;

    if (value == 0 && !bitmap_test(lb->filled, page)) {
        return;
    }
    if (value == 0 && buffer_is_zero(host, GUEST_PAGE_SIZE)) {
        return;
    }
    memset(host, value, GUEST_PAGE_SIZE);
    lb->filled[page / BITS_PER_LONG] |= BIT(page % BITS_PER_LONG);
}

/* Memory that holds zeros is not touched, however long the range. */
static bool load_zero_range(struct ram_load *load, struct stream *s, uint64_t page, GError **error)
{
    struct load_block *lb = load->last;
    uint32_t count = stream_get_u32(s);
    uint64_t end = page + count;

    if (stream_error(s)) {
        return true; /* the caller tells */
    }
    if (!load->ranges) {
        return error_setf(error, "a range of pages of zeros without capability '%s'",
                          stream_capability_names[STREAM_ZERO_PAGE_RANGES]);
    }
    if (!count || end > lb->block->used_length / GUEST_PAGE_SIZE) {
        return error_setf(error, "RAM block '%s': a range of %u pages of zeros at 0x%llx, expected 1 to %llu",
                          lb->block->idstr, count, page * GUEST_PAGE_SIZE,
                          lb->block->used_length / GUEST_PAGE_SIZE - page);
    }
    for (; (page = bitmap_next_set(lb->filled, end, page)) < end; page++) {
        load_fill(lb, page, 0);
    }
    return true;
}

static bool load_page(struct ram_load *load, struct stream *s, uint64_t header, GError **error)
{
    uint64_t page = header / GUEST_PAGE_SIZE;
    struct load_block *lb;

    if (!select_block(load, s, header, error)) {
        return false;
    }
    lb = load->last;
    if (page >= lb->block->used_length / GUEST_PAGE_SIZE) {
        return error_setf(error, "RAM block '%s': page at 0x%llx is beyond its end (0x%" G_GINT64_MODIFIER "x)",
                          lb->block->idstr, page * GUEST_PAGE_SIZE, lb->block->used_length);
    }
    if (header & RAM_FLAG_RANGE) {
        if (!load_zero_range(load, s, page, error)) {
            return false;
        }
    } else if (header & RAM_FLAG_ZERO) {
        uint8_t value = stream_get_u8(s);

        if (!stream_error(s)) {
            load_fill(lb, page, value);
        }
    } else {
        ram_trim_touch(&lb->trim, page);
        lb->filled[page / BITS_PER_LONG] |= BIT(page % BITS_PER_LONG);
        stream_get_buffer(s, lb->block->host + page * GUEST_PAGE_SIZE, GUEST_PAGE_SIZE);
    }
    if (stream_error(s)) {
        return error_setf(error, "RAM block '%s', offset 0x%llx: %s", lb->block->idstr,
                          page * GUEST_PAGE_SIZE, stream_error(s)->message);
    }
    return true;
}

/* How many of at most `most` records at `at` are those of consecutive pages of zeros, the first with this header. */
static size_t zero_records(const uint8_t *at, uint64_t header, size_t most)
{
    size_t count = 0;

    for (; count < most; count++, header += GUEST_PAGE_SIZE, at += ZERO_RECORD_SIZE) {
        uint64_t big_endian;

        memcpy(&big_endian, at, sizeof(big_endian));
        if (GUINT64_FROM_BE(big_endian) != header || at[sizeof(big_endian)]) {
            break;
        }
    }
    return count;
}

/*
 * The common case, many times over: pages of zeros in the same block, in runs, for memory that holds zeros already.
 * Anything else is left to load_page().
 */
static void load_zeros(struct ram_load *load, struct stream *s)
{
    uint64_t pages = load->last->block->used_length / GUEST_PAGE_SIZE;
    size_t length, run, left;
    const uint8_t *at = stream_read_ahead(s, &length), *start = at;

    for (left = length / ZERO_RECORD_SIZE; left; left -= run, at += run * ZERO_RECORD_SIZE) {
        uint64_t header, page;

        memcpy(&header, at, sizeof(header));
        header = GUINT64_FROM_BE(header);
        page = header / GUEST_PAGE_SIZE;
        if ((header & RAM_FLAGS) != (RAM_FLAG_ZERO | RAM_FLAG_CONTINUE) || page >= pages) {
            break;
        }
        run = bitmap_next_set(load->last->filled, MIN(pages, page + left), page) - page;
        run = zero_records(at, header, run);
        if (!run) {
            break;
        }
    }
    stream_take(s, at - start);
}

bool ram_load_section(struct ram_load *load, struct stream *s, GError **error)
{
    for (;;) {
        uint64_t header = stream_get_u64(s);
        unsigned flags = header & RAM_FLAGS;

        if (stream_error(s)) {
            return error_setf(error, "%s", stream_error(s)->message);
        }
        switch (flags & ~RAM_FLAG_CONTINUE) {
        case RAM_FLAG_PAGE:
        case RAM_FLAG_ZERO:
        case RAM_FLAG_ZERO | RAM_FLAG_RANGE:
            if (!load_page(load, s, header, error)) {
                return false;
            }
            load_zeros(load, s);
            break;
        case RAM_FLAG_MEM_SIZE:
            if (!load_list(load, s, header & ~RAM_FLAGS, error)) {
                return false;
            }
            break;
        case RAM_FLAG_EOS:
            return true;
        default:
            return error_setf(error, "a page record with flags 0x%03x is not supported", flags);
        }
    }
}

bool ram_load_complete(struct ram_load *load, GError **error)
{
    for (unsigned i = 0; i < load->count; i++) {
        ram_trim_region(&load->blocks[i].trim);
    }
    return load->listed || error_setf(error, "no list of RAM blocks came");
}
