/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dirty logs: per block and client a bitmap that any thread marks and the client takes from, word by word,
 * without a lock. A map, once made, lives as long as its block: a writer may have loaded the pointer just before the
 * client was switched off. Its late mark is then lost with the map's content, or is one page too many in a later log.
 */

#include "memory/internal.h"

static bool client_enabled[DIRTY_CLIENTS]; /* written under the big lock; atomic */

static unsigned long *block_log(const struct ram_block *block, enum dirty_client client)
{
    return __atomic_load_n(&block->dirty[client], __ATOMIC_ACQUIRE);
}

static void log_wipe(unsigned long *map, uint64_t pages)
{
    for (uint64_t word = 0; word < BITMAP_WORDS(pages); word++) {
        if (__atomic_load_n(&map[word], __ATOMIC_RELAXED)) { /* what was never marked stays unpopulated */
            __atomic_store_n(&map[word], 0, __ATOMIC_RELAXED);
        }
    }
}

static void block_enable(struct ram_block *block, enum dirty_client client)
{
    if (!block->dirty_maps[client]) {
        block->dirty_maps[client] = bitmap_new(ram_block_pages(block));
    } else {
        log_wipe(block->dirty_maps[client], ram_block_pages(block));
    }
    __atomic_store_n(&block->dirty[client], block->dirty_maps[client], __ATOMIC_RELEASE);
}

void dirty_block_added(struct ram_block *block)
{
    for (enum dirty_client client = 0; client < DIRTY_CLIENTS; client++) {
        if (dirty_log_enabled(client)) {
            block_enable(block, client);
        }
    }
}

void dirty_block_removed(struct ram_block *block)
{
    for (enum dirty_client client = 0; client < DIRTY_CLIENTS; client++) {
        bitmap_free(block->dirty_maps[client], ram_block_pages(block));
    }
}

bool dirty_log_enabled(enum dirty_client client)
{
    return __atomic_load_n(&client_enabled[client], __ATOMIC_ACQUIRE);
}

void dirty_log_enable(enum dirty_client client)
{
    if (!dirty_log_enabled(client)) {
        RAM_BLOCK_FOREACH (block) {
            block_enable(block, client);
        }
        __atomic_store_n(&client_enabled[client], true, __ATOMIC_RELEASE);
    }
}

void dirty_log_disable(enum dirty_client client)
{
    __atomic_store_n(&client_enabled[client], false, __ATOMIC_RELEASE);
    RAM_BLOCK_FOREACH (block) {
        __atomic_store_n(&block->dirty[client], NULL, __ATOMIC_RELEASE);
    }
}

void (*ram_block_code_hook)(struct ram_block *block, uint64_t page);

static void drop_code(struct ram_block *block, const unsigned long *log, uint64_t first, uint64_t last)
{
    for (uint64_t page = first; page <= last; page++) {
        if (!(__atomic_load_n(&log[page / BITS_PER_LONG], __ATOMIC_SEQ_CST) & BIT(page % BITS_PER_LONG))) {
            ram_block_code_hook(block, page);
        }
    }
}

void ram_block_mark_dirty(struct ram_block *block, uint64_t offset, uint64_t length)
{
    g_assert(offset <= block->max_length && length <= block->max_length - offset);
    if (!length) {
        return;
    }
    uint64_t first = offset >> GUEST_PAGE_BITS, last = (offset + length - 1) >> GUEST_PAGE_BITS;
    for (enum dirty_client client = 0; client < DIRTY_CLIENTS; client++) {
        unsigned long *log = block_log(block, client);
        if (log && client == DIRTY_CLIENT_CODE && ram_block_code_hook) {
            __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the data is there before we look: see accel/tcg/block.c */
            drop_code(block, log, first, last);
        } else if (log) {
            bitmap_set_atomic(log, first, last - first + 1);
        }
    }
}

void ram_block_mark_pages_dirty(struct ram_block *block, enum dirty_client client, uint64_t first, uint64_t count)
{
    unsigned long *log = block_log(block, client);
    g_assert(first <= ram_block_pages(block) && count <= ram_block_pages(block) - first);
    if (log) {
        bitmap_set_atomic(log, first, count);
    }
}

void ram_block_mark_dirty_client(struct ram_block *block, enum dirty_client client, uint64_t page)
{
    ram_block_mark_pages_dirty(block, client, page, 1);
}

bool ram_block_page_logged(const struct ram_block *block, uint64_t page)
{
    for (enum dirty_client client = 0; client < DIRTY_CLIENTS; client++) {
        unsigned long *log = block_log(block, client);
        if (log && !(__atomic_load_n(&log[page / BITS_PER_LONG], __ATOMIC_RELAXED) & BIT(page % BITS_PER_LONG))) {
            return false;
        }
    }
    return true;
}

uint64_t ram_block_dirty_take(struct ram_block *block, enum dirty_client client, uint64_t first, uint64_t count,
                              unsigned long *into)
{
    unsigned long *log = block_log(block, client);
    uint64_t fresh = 0, end = first + count;
    if (!log || !count) {
        return 0;
    }
    g_assert(first <= ram_block_pages(block) && count <= ram_block_pages(block) - first);
    for (uint64_t word = first / BITS_PER_LONG; word * BITS_PER_LONG < end; word++) {
        uint64_t start = word * BITS_PER_LONG;
        unsigned long mask = ~0ul, taken;
        mask &= start < first ? ~0ul << (first - start) : ~0ul;
        mask &= end - start < BITS_PER_LONG ? ~(~0ul << (end - start)) : ~0ul;
        if (mask == ~0ul) {
            taken = bitmap_take_word(&log[word]);
        } else if (__atomic_load_n(&log[word], __ATOMIC_RELAXED) & mask) {
            taken = __atomic_fetch_and(&log[word], ~mask, __ATOMIC_ACQ_REL) & mask;
        } else {
            taken = 0;
        }
        if (taken) {
            fresh += __builtin_popcountl(taken & ~into[word]);
            into[word] |= taken;
        }
    }
    return fresh;
}
