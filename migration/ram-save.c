/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sends RAM. Pages are claimed a megabyte at a time, headers go to the stream's buffer, pages leave from where they lie.
 *
 *   START: total|MEM_SIZE, then per block: length byte, name, 8 bytes of length; then EOS
 *   PART, END: offset|PAGE [name] 4096 bytes, or offset|ZERO [name] one byte, …; then EOS
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

struct sent_counts {
    uint64_t normal, duplicate, skipped;
};

/* A page of zeros costs nine bytes, or nothing where the destination has zeros from its start. */
static void send_zero(struct ram_save *rs, struct block_map *bm, struct page_run *run, unsigned n,
                      struct sent_counts *counts)
{
    if (bm->map->pristine && !bitmap_test(run->sent_before, n)) {
        run->skip[n / BITS_PER_LONG] |= BIT(n % BITS_PER_LONG);
        counts->skipped++;
        return;
    }
    put_page_header(rs, bm->block, run->first + n, RAM_FLAG_ZERO);
    stream_put_u8(rs->s, 0);
    run->zero[n / BITS_PER_LONG] |= BIT(n % BITS_PER_LONG);
    counts->duplicate++;
}

static void send_page(struct ram_save *rs, struct block_map *bm, struct page_run *run, unsigned n,
                      struct sent_counts *counts)
{
    const uint8_t *host = bm->block->host + (run->first + n) * GUEST_PAGE_SIZE;

    if (bitmap_test(run->hole, n) || buffer_is_zero(host, GUEST_PAGE_SIZE)) {
        send_zero(rs, bm, run, n, counts);
        return;
    }
    put_page_header(rs, bm->block, run->first + n, RAM_FLAG_PAGE);
    stream_put_reference(rs->s, host, GUEST_PAGE_SIZE);
    counts->normal++;
}

static void send_run(struct ram_save *rs, struct block_map *bm, struct page_run *run)
{
    struct sent_counts counts = { 0 };

    for (unsigned i = 0; i < PAGE_RUN_WORDS; i++) {
        for (unsigned long bits = run->pages[i]; bits; bits &= bits - 1) {
            send_page(rs, bm, run, i * BITS_PER_LONG + __builtin_ctzl(bits), &counts);
        }
    }
    page_map_claim_done(bm, run);
    __atomic_store_n(&rs->normal, rs->normal + counts.normal, __ATOMIC_RELAXED);
    __atomic_store_n(&rs->duplicate, rs->duplicate + counts.duplicate, __ATOMIC_RELAXED);
    rs->zero_skipped += counts.skipped;
}

bool ram_save_window(struct ram_save *rs)
{
    struct page_run run;

    for (; rs->block < rs->map->block_count; rs->block++, rs->page = 0) {
        struct block_map *bm = &rs->map->blocks[rs->block];

        if (rs->hold_guest_ram && ram_block_is_guest_ram(bm->block)) {
            continue;
        }
        if (page_map_claim(bm, rs->page, rs->window, &run)) {
            rs->page = run.end;
            send_run(rs, bm, &run);
            return true;
        }
    }
    rs->block = 0;
    return false;
}
