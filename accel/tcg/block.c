/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks of decoded instructions: made, found, dropped.
 *
 * Keyed by mode and by where their bytes are: the host address, so that it does not matter what guest-physical
 * addresses mean today (RAM behind ROM, BARs over RAM). RAM that a guest has run from is never freed. Found through
 * each vCPU's jump cache (by linear address) or the hash table. An instruction that crosses a page makes a block of
 * its own, which also has the second page in its key.
 *
 * Guest code changes. DIRTY_CLIENT_CODE clear means that a page may hold blocks and every writer takes its slow path;
 * the first block on a page clears it and arms. vCPU stores drop the blocks that they overlap and then store, both
 * under pages_lock (block_store()); DMA and host-pointer users drop all of the page's and set the mark. A decoder
 * notes the page's generation before it reads the bytes and throws the block away if that has changed by the time it
 * inserts it.
 *
 * Dropped blocks may be running, here or on another vCPU: their handlers are overwritten with one that leaves the
 * block, so new code takes effect at the next instruction everywhere, and `mode` is set so that no link or jump cache
 * entry leads in again. Memory is not reused before a whole flush: blocks are carved from two halves; when one is
 * full all blocks are dropped, and the other half is used once every vCPU has passed a boundary since *its* last use
 * (an epoch).
 */
#include <sys/mman.h>

#include "accel/tcg/internal.h"
#include "memory/guest-copy.h"
#include "util/log.h"

#define HASH_SIZE (1u << 16)
/* The largest block: what must be free in a half before a decoding starts. */
#define BLOCK_MAX (sizeof(struct tcg_block) + (X86_BLOCK_INSNS + 1) * sizeof(struct x86_insn))

struct code_page {
    struct tcg_block *blocks; /* through page_next[] */
    uint64_t coverage;        /* bit i: bytes [64 i, 64 i + 64) are in some block */
    uint64_t generation;      /* counts stores that hit coverage */
};

uint64_t block_epoch;

static GMutex decode_lock; /* one decoder at a time; guards the arena */
static GMutex pages_lock;  /* guards code_pages, page lists and changes to the hash chains */
static GHashTable *code_pages; /* host address of the page -> struct code_page */
static struct tcg_block *hash_table[HASH_SIZE]; /* atomic reads */
static struct {
    uint8_t *base;
    uint64_t half, used;
    unsigned current;
} arena;

bool block_cache_init(uint64_t bytes, GError **error)
{
    arena.half = bytes / 2 & TLB_PAGE_MASK;
    arena.used = BLOCK_START;
    arena.base =
        mmap(NULL, 2 * arena.half, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (arena.base == MAP_FAILED) {
        return error_setf_errno(error, errno, "tcg: cannot reserve %" G_GUINT64_FORMAT " bytes for decoded blocks",
                                bytes);
    }
    code_pages = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    ram_block_code_hook = block_page_written;
    dirty_log_enable(DIRTY_CLIENT_CODE);
    return true;
}

/* --- jump cache --- */

void jump_cache_clear(struct tcg_cpu *t)
{
    memset(t->jump, 0, sizeof(t->jump));
    t->jump_upper_local = false;
}

void jump_cache_clear_local(struct tcg_cpu *t)
{
    if (t->jump_upper_local) {
        jump_cache_clear(t);
    } else {
        memset(t->jump, 0, JUMP_HALF * sizeof(t->jump[0]));
    }
}

/* Blocks that begin on the page, or on the one before and cross into it. */
void jump_cache_clear_page(struct tcg_cpu *t, uint64_t va)
{
    for (unsigned back = 0; back < 2; back++) {
        uint64_t page = (va & TLB_PAGE_MASK) - back * GUEST_PAGE_SIZE;
        memset(&t->jump[jump_index(page) & ~63u], 0, 64 * sizeof(t->jump[0]));
    }
}

/* --- dropping; pages_lock held --- */

static void leave_dropped(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    struct tcg_block *block = cpu->block;

    /* Instructions from here on have not run: they were counted at the block's start. */
    cpu->instructions -= block->count - (insn - block->insns);
    x86_leave_block(cpu, x86_cpu_rip(cpu), 2);
}

static unsigned hash_of(const uint8_t *host, uint32_t mode)
{
    uint64_t h = ((uintptr_t)host ^ (uint64_t)mode << 40) * 0x9e3779b97f4a7c15ull;
    return h >> 48;
}
_Static_assert(HASH_SIZE == 1 << 16, "hash_of gives 16 bits");

static void unlink_from_hash(struct tcg_block *block, uint32_t mode)
{
    struct tcg_block **link = &hash_table[hash_of(block->host, mode)];
    while (*link && *link != block) {
        link = &(*link)->hash_next;
    }
    if (*link) {
        __atomic_store_n(link, block->hash_next, __ATOMIC_RELEASE);
    }
}

static void unlink_from_page(struct tcg_block *block, unsigned which)
{
    struct code_page *page = block->pages[which];
    struct tcg_block **link = &page->blocks;
    while (*link && *link != block) {
        link = &(*link)->page_next[(*link)->pages[0] == page ? 0 : 1];
    }
    if (*link) {
        *link = block->page_next[which];
    }
}

static void disarm_handlers(struct tcg_block *block)
{
    for (unsigned i = 0; i < block->count; i++) {
        __atomic_store_n(&block->insns[i].handler, leave_dropped, __ATOMIC_RELAXED);
    }
}

static void drop_block(struct tcg_block *block)
{
    uint32_t mode = block->mode;

    unlink_from_hash(block, mode);
    unlink_from_page(block, 0);
    if (block->pages[1]) {
        unlink_from_page(block, 1);
    }
    __atomic_store_n(&block->mode, BLOCK_DROPPED, __ATOMIC_RELEASE);
    disarm_handlers(block);
}

/* Bytes that `block` has on `page`: [*first, *last]. */
static void extent_on_page(const struct tcg_block *block, const struct code_page *page, unsigned *first,
                           unsigned *last)
{
    unsigned start = (uintptr_t)block->host & ~TLB_PAGE_MASK, end = start + block->bytes - 1;
    if (block->pages[0] == page) {
        *first = start;
        *last = MIN(end, GUEST_PAGE_SIZE - 1);
    } else {
        *first = 0;
        *last = end - GUEST_PAGE_SIZE;
    }
}

static uint64_t coverage_of(unsigned first, unsigned last)
{
    return (UINT64_MAX >> (63 - (last / 64 - first / 64))) << (first / 64);
}

/* Drops what overlaps [first, last]; coverage is then exact again. */
static void drop_overlapping(struct code_page *page, unsigned first, unsigned last)
{
    struct tcg_block *block = page->blocks;

    page->coverage = 0;
    while (block) {
        struct tcg_block *next = block->page_next[block->pages[0] == page ? 0 : 1];
        unsigned from, to;
        extent_on_page(block, page, &from, &to);
        if (from <= last && first <= to) {
            drop_block(block);
        } else {
            page->coverage |= coverage_of(from, to);
        }
        block = next;
    }
}

static struct code_page *code_page_find(const struct ram_block *block, uint64_t page)
{
    return g_hash_table_lookup(code_pages, block->host + page * GUEST_PAGE_SIZE);
}

void block_page_written(struct ram_block *block, uint64_t page)
{
    g_mutex_lock(&pages_lock);
    struct code_page *code = code_page_find(block, page);
    if (code) {
        code->generation++;
        drop_overlapping(code, 0, GUEST_PAGE_SIZE - 1);
    }
    ram_block_mark_dirty_client(block, DIRTY_CLIENT_CODE, page);
    g_mutex_unlock(&pages_lock);
}

void block_store(struct ram_block *block, uint64_t page, uint64_t offset, void *host, const void *value,
                 unsigned size)
{
    g_mutex_lock(&pages_lock);
    struct code_page *code = code_page_find(block, page);
    if (code && code->coverage & coverage_of(offset, offset + size - 1)) {
        code->generation++;
        drop_overlapping(code, offset, offset + size - 1);
    }
    if (!code || !code->coverage) {
        ram_block_mark_dirty_client(block, DIRTY_CLIENT_CODE, page);
    }
    switch (size) { /* single-copy atomic where the guest may expect it */
    case 1:
        __atomic_store_n((uint8_t *)host, *(const uint8_t *)value, __ATOMIC_RELAXED);
        break;
    case 2:
        __atomic_store_n((uint16_t *)host, *(const uint16_t *)value, __ATOMIC_RELAXED);
        break;
    case 4:
        __atomic_store_n((uint32_t *)host, *(const uint32_t *)value, __ATOMIC_RELAXED);
        break;
    case 8:
        __atomic_store_n((uint64_t *)host, *(const uint64_t *)value, __ATOMIC_RELAXED);
        break;
    default:
        guest_copy_to(host, value, size);
    }
    g_mutex_unlock(&pages_lock);
}

/* --- the arena --- */

static bool epoch_honoured(struct tcg_cpu *t, uint64_t epoch)
{
    return !__atomic_load_n(&t->in_run, __ATOMIC_SEQ_CST) ||
           __atomic_load_n(&t->block_epoch, __ATOMIC_SEQ_CST) >= epoch;
}

void block_epoch_honour(struct tcg_cpu *t)
{
    uint64_t epoch = __atomic_load_n(&block_epoch, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&t->block_epoch, __ATOMIC_RELAXED) != epoch) {
        jump_cache_clear(t);
        __atomic_store_n(&t->block_epoch, epoch, __ATOMIC_SEQ_CST);
    }
}

/* Drops every block. decode_lock held. */
static void flush_locked(void)
{
    g_mutex_lock(&pages_lock);
    for (unsigned i = 0; i < HASH_SIZE; i++) {
        for (struct tcg_block *block = hash_table[i]; block; block = block->hash_next) {
            __atomic_store_n(&block->mode, BLOCK_DROPPED, __ATOMIC_RELEASE);
            disarm_handlers(block);
        }
        __atomic_store_n(&hash_table[i], NULL, __ATOMIC_RELEASE);
    }
    g_hash_table_remove_all(code_pages);
    g_mutex_unlock(&pages_lock);
    arena.current ^= 1;
    arena.used = BLOCK_START;
    __atomic_add_fetch(&block_epoch, 1, __ATOMIC_SEQ_CST);
    tcg_kick_boundaries();
}

void block_flush_all(void)
{
    g_mutex_lock(&decode_lock);
    flush_locked();
    g_mutex_unlock(&decode_lock);
}

/* Room for one block. decode_lock held, between blocks on `t`, in the guest. */
static struct tcg_block *arena_reserve(struct tcg_cpu *t)
{
    if (arena.used + BLOCK_MAX > arena.half) {
        /* The half that we turn to was left one epoch ago: all must have noticed that before it is written over. */
        tcg_guest_leave(t);
        block_epoch_honour(t);
        tcg_wait_vcpus(epoch_honoured, block_epoch);
        flush_locked();
        block_epoch_honour(t);
        tcg_guest_enter(t);
    }
    return (struct tcg_block *)(arena.base + arena.current * arena.half + arena.used);
}

/* --- decoding into the cache --- */

static const uint8_t *page_host(const struct tlb_page *page)
{
    return page->block->host + page->page * GUEST_PAGE_SIZE;
}

struct source {
    struct ram_block *ram;
    uint64_t page;
    struct code_page *code;
    uint64_t generation;
};

/*
 * Makes writers to [first, last] of the page go through block_store() and notes the generation. May leave the guest
 * (arming), so host pointers and TLB entries are void afterwards. decode_lock held.
 */
static void protect(struct x86_cpu *cpu, struct source *source, const struct tlb_page *page, unsigned first,
                    unsigned last)
{
    source->ram = page->block;
    source->page = page->page;
    unsigned long *word = &source->ram->dirty[DIRTY_CLIENT_CODE][source->page / BITS_PER_LONG];
    unsigned long bit = BIT(source->page % BITS_PER_LONG);
    if (__atomic_load_n(word, __ATOMIC_SEQ_CST) & bit) {
        __atomic_and_fetch(word, ~bit, __ATOMIC_SEQ_CST);
        tlb_drop_writes_to(cpu->tcg, source->ram, source->page);
        if (vcpu_count > 1) {
            tcg_dirty_arm();
        }
    }
    g_mutex_lock(&pages_lock);
    source->code = code_page_find(source->ram, source->page);
    if (!source->code) {
        source->code = g_new0(struct code_page, 1);
        g_hash_table_insert(code_pages, source->ram->host + source->page * GUEST_PAGE_SIZE, source->code);
    }
    source->code->coverage |= coverage_of(first, last);
    source->generation = source->code->generation;
    g_mutex_unlock(&pages_lock);
}

static bool still_protected(const struct source *source)
{
    return source->code->generation == source->generation &&
           !bitmap_test(source->ram->dirty[DIRTY_CLIENT_CODE], source->page);
}

/* False: the code was written meanwhile. decode_lock held. */
static bool insert(struct tcg_block *block, struct source *sources, unsigned pages)
{
    bool ok = true;

    g_mutex_lock(&pages_lock);
    for (unsigned i = 0; i < pages; i++) {
        ok = ok && still_protected(&sources[i]);
    }
    for (unsigned i = 0; ok && i < pages; i++) {
        block->pages[i] = sources[i].code;
        block->page_next[i] = sources[i].code->blocks;
        sources[i].code->blocks = block;
    }
    if (ok) {
        struct tcg_block **head = &hash_table[hash_of(block->host, block->mode)];
        block->hash_next = *head;
        __atomic_store_n(head, block, __ATOMIC_RELEASE);
        arena.used += (sizeof(*block) + (block->count + 1) * sizeof(struct x86_insn) + 63) & ~63ull;
    }
    g_mutex_unlock(&pages_lock);
    return ok;
}

/*
 * The block's bytes are all on one page. NULL: they were written meanwhile. Count 0: the first instruction crosses.
 */
static struct tcg_block *decode_in_page(struct x86_cpu *cpu, const struct tlb_page *page, uint64_t pc, uint32_t mode)
{
    struct tcg_block *block = arena_reserve(cpu->tcg);
    unsigned first = pc & ~TLB_PAGE_MASK, available = MIN(GUEST_PAGE_SIZE - first, X86_BLOCK_BYTES);
    struct source source;
    uint8_t bytes[X86_BLOCK_BYTES];

    protect(cpu, &source, page, first, first + available - 1);
    block_init(block, page_host(page) + first);
    guest_copy_from(bytes, block->host, available);
    block_decode(cpu, block, mode, bytes, available);
    if (block->count == 0) {
        return block;
    }
    if (log_enabled(LOG_IN_ASM)) {
        block_log(cpu, block, pc, bytes);
    }
    return insert(block, &source, 1) ? block : NULL;
}

static struct tcg_block *decode_crossing(struct x86_cpu *cpu, const struct tlb_page *page,
                                         const struct tlb_page *page2, uint64_t pc, uint32_t mode)
{
    struct tcg_block *block = arena_reserve(cpu->tcg);
    unsigned first = pc & ~TLB_PAGE_MASK, head = GUEST_PAGE_SIZE - first;
    struct source sources[2];
    uint8_t bytes[15];

    protect(cpu, &sources[0], page, first, GUEST_PAGE_SIZE - 1);
    protect(cpu, &sources[1], page2, 0, 14);
    block_init(block, page_host(page) + first);
    block->host2 = page_host(page2);
    guest_copy_from(bytes, block->host, head);
    guest_copy_from(bytes + head, block->host2, 15 - head);
    block_decode(cpu, block, mode | X86_MODE_SHADOW, bytes, 15);
    block->mode = mode;
    if (block->bytes <= head) {
        return NULL; /* it was rewritten into one that does not cross */
    }
    if (log_enabled(LOG_IN_ASM)) {
        block_log(cpu, block, pc, bytes);
    }
    return insert(block, sources, 2) ? block : NULL;
}

static void lock_decoder(struct tcg_cpu *t)
{
    if (!g_mutex_trylock(&decode_lock)) {
        /*
         * Its holder may be waiting for us to pass a boundary, or an epoch: so out of the guest, and without any
         * block in hand. What run_blocks() keeps from before it drops if an epoch has passed.
         */
        __atomic_store_n(&t->in_run, 0, __ATOMIC_SEQ_CST);
        tcg_guest_leave(t);
        g_mutex_lock(&decode_lock);
        __atomic_store_n(&t->in_run, 1, __ATOMIC_SEQ_CST);
        block_epoch_honour(t);
        tcg_guest_enter(t);
    }
}

/* Sets jump_upper_local for what it returns, since that goes into the jump cache. */
static struct tcg_block *hash_find(struct x86_cpu *cpu, uint64_t pc, const uint8_t *host, uint32_t mode)
{
    struct tcg_block *block = __atomic_load_n(&hash_table[hash_of(host, mode)], __ATOMIC_ACQUIRE);

    for (; block; block = __atomic_load_n(&block->hash_next, __ATOMIC_ACQUIRE)) {
        if (block->host != host || __atomic_load_n(&block->mode, __ATOMIC_RELAXED) != mode) {
            continue;
        }
        if (!block->host2) {
            return block;
        }
        const struct tlb_page *page2;
        if (tlb_code(cpu, (pc + GUEST_PAGE_SIZE) & TLB_PAGE_MASK, &page2) == block->host2) {
            cpu->tcg->jump_upper_local |= pc >> 63 && !page2->global;
            return block;
        }
    }
    return NULL;
}

/*
 * Makes the block at `pc`, on `page`, unless its bytes are written meanwhile. False: it cannot be kept. *crosses: the
 * first instruction was found to lie on two pages; call again.
 */
static bool decode(struct x86_cpu *cpu, uint64_t pc, uint32_t mode, const struct tlb_page *page, bool *crosses)
{
    /*
     * Arena, lock and protection may leave the guest, hence copies of the entries; tlb_code() raises, so before the
     * lock.
     */
    struct tlb_page first = *page, second;
    struct tcg_block *block;

    if (*crosses) {
        if (!tlb_code(cpu, (pc + GUEST_PAGE_SIZE) & TLB_PAGE_MASK, &page)) {
            return false;
        }
        second = *page;
        if (second.block == first.block && second.page == first.page) {
            return false; /* two mappings of one page: a block can be on its list only once */
        }
    }
    lock_decoder(cpu->tcg);
    block = *crosses ? decode_crossing(cpu, &first, &second, pc, mode) : decode_in_page(cpu, &first, pc, mode);
    *crosses = block && !block->count;
    g_mutex_unlock(&decode_lock);
    return true;
}

/*
 * What has been decoded is looked up like anything else: decoding may have left the guest, and `pc` may lie in other
 * RAM since. A page that others keep rewriting gives up after a few rounds.
 */
struct tcg_block *block_find(struct x86_cpu *cpu, uint64_t pc, uint32_t mode)
{
    bool crosses = false;

    for (int tries = 0; tries < 6; tries++) {
        const struct tlb_page *page;
        const uint8_t *host = tlb_code(cpu, pc, &page);
        if (!host) {
            break;
        }
        cpu->tcg->jump_upper_local |= pc >> 63 && !page->global;
        struct tcg_block *block = hash_find(cpu, pc, host, mode);
        if (block) {
            return block;
        }
        if (!decode(cpu, pc, mode, page, &crosses)) {
            break;
        }
    }
    return block_decode_uncached(cpu, pc, mode);
}
