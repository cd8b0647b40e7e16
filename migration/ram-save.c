/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sends RAM. Pages are claimed a megabyte at a time, headers go to the stream's buffer, pages leave from where they
 * lie.
 *
 *   START: total|MEM_SIZE, then per block: length byte, name, 8 bytes of length; then EOS
 *   PART, END: offset|PAGE [name] 4096 bytes, or offset|ZERO [name] one byte, …; then EOS
 *   with zero-page-ranges: offset|ZERO|RANGE [name] 4 bytes, the number of pages
 */
#include <string.h>

#include "migration/ram.h"
#include "migration/savevm.h"
#include "migration/sections.h"
#include "util/vector-zero.h"

void ram_save_start(struct ram_save *rs)
{
    savevm_start_ram(rs->s, SECTION_START);
    stream_put_u64(rs->s, rs->map->total_pages * GUEST_PAGE_SIZE | RAM_FLAG_MEM_SIZE);
    for (unsigned i = 0; i < rs->map->block_count; i++) {
        stream_put_counted_string(rs->s, rs->map->blocks[i].block->idstr);
        stream_put_u64(rs->s, rs->map->blocks[i].block->used_length);
    }
    ram_save_end_part(rs);
}

void ram_save_begin_part(struct ram_save *rs, int mark)
{
    savevm_start_ram(rs->s, mark);
    rs->named = NULL;
}

void ram_save_end_part(struct ram_save *rs)
{
    stream_put_u64(rs->s, RAM_FLAG_EOS);
    savevm_end_ram(rs->s);
}

bool ram_block_is_guest_ram(const struct ram_block *block)
{
    return block->migratable && block->used_length >= ram_total() / 4;
}

/* ---- pages ---- */

static void put_page_header(struct ram_save *rs, struct ram_block *block, uint64_t page, int flag)
{
    uint64_t header = page * GUEST_PAGE_SIZE | flag;

    if (rs->named == block) {
        stream_put_u64(rs->s, header | RAM_FLAG_CONTINUE);
    } else {
        stream_put_u64(rs->s, header);
        stream_put_counted_string(rs->s, block->idstr);
        rs->named = block;
    }
}

/* `count` records of nine bytes for pages of zeros, one after the other in the block that was named last. */
static uint8_t *write_zero_records(uint8_t *at, uint64_t page, unsigned count)
{
    uint64_t header = page * GUEST_PAGE_SIZE | RAM_FLAG_ZERO | RAM_FLAG_CONTINUE;

    for (; count; count--, header += GUEST_PAGE_SIZE, at += ZERO_RECORD_SIZE) {
        uint64_t big_endian = GUINT64_TO_BE(header);

        memcpy(at, &big_endian, sizeof(big_endian));
        at[sizeof(big_endian)] = 0;
    }
    return at;
}

/* The first run of ones in `bits`, which are not all zeros; it is taken out. */
static unsigned take_run(unsigned long *bits, unsigned *first)
{
    unsigned long after;
    unsigned count;

    *first = __builtin_ctzl(*bits);
    after = ~(*bits >> *first);
    count = after ? __builtin_ctzl(after) : BITS_PER_LONG;
    *bits &= count < BITS_PER_LONG ? ~((BIT(count) - 1) << *first) : 0;
    return count;
}

static void put_zero_ranges(struct ram_save *rs, struct ram_block *block, uint64_t base, unsigned long bits)
{
    while (bits) {
        unsigned first, count = take_run(&bits, &first);

        put_page_header(rs, block, base + first, RAM_FLAG_ZERO | RAM_FLAG_RANGE);
        stream_put_u32(rs->s, count);
    }
}

/* There may be millions: no call per record, and runs of pages at once. */
static void put_zeros(struct ram_save *rs, struct ram_block *block, uint64_t base, unsigned long bits)
{
    uint8_t *start, *at;

    if (bits && rs->named != block) {
        put_page_header(rs, block, base + __builtin_ctzl(bits), RAM_FLAG_ZERO);
        stream_put_u8(rs->s, 0);
        bits &= bits - 1;
    }
    if (!bits) {
        return;
    }
    start = at = stream_reserve(rs->s, BITS_PER_LONG * ZERO_RECORD_SIZE);
    while (bits) {
        unsigned first, count = take_run(&bits, &first);

        at = write_zero_records(at, base + first, count);
    }
    stream_commit(rs->s, at - start);
}

static void put_pages(struct ram_save *rs, struct ram_block *block, uint64_t base, unsigned long bits)
{
    for (; bits; bits &= bits - 1) {
        uint64_t page = base + __builtin_ctzl(bits);

        put_page_header(rs, block, page, RAM_FLAG_PAGE);
        stream_put_reference(rs->s, block->host + page * GUEST_PAGE_SIZE, GUEST_PAGE_SIZE);
    }
}

/* Of 64 claimed pages those that are zero; holes are not read for that. */
static unsigned long find_zeros(const struct ram_block *block, uint64_t base, unsigned long pages, unsigned long hole)
{
    unsigned long zero = pages & hole;

    for (unsigned long bits = pages & ~hole; bits; bits &= bits - 1) {
        int bit = __builtin_ctzl(bits);

        if (buffer_is_zero(block->host + (base + bit) * GUEST_PAGE_SIZE, GUEST_PAGE_SIZE)) {
            zero |= BIT(bit);
        }
    }
    return zero;
}

static void add(uint64_t *counter, unsigned long bits)
{
    __atomic_store_n(counter, *counter + __builtin_popcountl(bits), __ATOMIC_RELAXED);
}

static void send_run(struct ram_save *rs, struct block_map *bm, struct page_run *run)
{
    for (unsigned i = 0; i < PAGE_RUN_WORDS; i++) {
        uint64_t base = run->first + i * BITS_PER_LONG;
        unsigned long zero;

        if (!run->pages[i]) {
            continue;
        }
        zero = find_zeros(bm->block, base, run->pages[i], run->hole[i]);
        /* Where the destination has had zeros from its start, it needs no telling. */
        run->skip[i] = bm->map->pristine ? zero & ~run->sent_before[i] : 0;
        run->zero[i] = zero & ~run->skip[i];
        (rs->ranges ? put_zero_ranges : put_zeros)(rs, bm->block, base, run->zero[i]);
        put_pages(rs, bm->block, base, run->pages[i] & ~zero);
        add(&rs->normal, run->pages[i] & ~zero);
        add(&rs->duplicate, run->zero[i]);
        add(&rs->zero_skipped, run->skip[i]);
    }
    page_map_claim_done(bm, run);
}

bool ram_save_window(struct ram_save *rs)
{
    struct page_run run;

    for (; rs->block < rs->map->block_count; rs->block++, rs->page = 0) {
        struct block_map *bm = &rs->map->blocks[rs->block];
        uint64_t end = bm->pages;

        /* A head start: only what the guest has passed, which grows at either end. */
        if (rs->hold_guest_ram && ram_block_is_guest_ram(bm->block) && !page_map_passed(bm, &rs->page, &end)) {
            continue;
        }
        if (page_map_claim(bm, rs->page, end, rs->window, &run)) {
            rs->page = run.end;
            send_run(rs, bm, &run);
            return true;
        }
    }
    rs->block = 0;
    return false;
}
