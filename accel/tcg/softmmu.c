/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The soft TLB and every memory access that is not a plain hit: misses, page crossings, MMIO, ROM, dirty logging,
 * pages that hold decoded code.
 *
 * A store that needs logging marks first and stores afterwards, with no way out of the guest in between (guest.c).
 * A store that crosses pages translates both before it stores to either, and stores to RAM before it calls a device.
 */
#include <inttypes.h>

#include "accel/tcg/internal.h"
#include "memory/guest-copy.h"
#include "target/i386/mmu.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/main-loop.h"

static uint64_t linear_mask(const struct x86_cpu *cpu)
{
    return cpu->efer & EFER_LMA ? UINT64_MAX : UINT32_MAX;
}

static struct tlb_page *page_of(struct x86_cpu *cpu, unsigned mmu, uint64_t va)
{
    return &cpu->tcg->pages[mmu][(va >> 12) & (TLB_SIZE - 1)];
}

/* --- maintenance --- */

static const struct tlb_entry invalid_entry = { TLB_TAG_INVALID, TLB_TAG_INVALID, TLB_TAG_INVALID, 0 };

static void flush_index(struct tcg_cpu *t, unsigned mmu)
{
    if (!t->tlb_used[mmu]) {
        return;
    }
    for (unsigned i = 0; i < TLB_SIZE; i++) {
        t->tlb.entries[mmu][i] = invalid_entry;
    }
    t->tlb_used[mmu] = false;
}

static void flush_index_keep_global(struct tcg_cpu *t, unsigned mmu)
{
    if (!t->tlb_used[mmu]) {
        return;
    }
    for (unsigned i = 0; i < TLB_SIZE; i++) {
        if (!t->pages[mmu][i].global) {
            t->tlb.entries[mmu][i] = invalid_entry;
        }
    }
}

/* With each entry that goes, and not only with pieces of that page: a walk is cheap beside a flush. */
static void large_pages_forget(struct tcg_cpu *t)
{
    for (unsigned mmu = 0; mmu < MMU_INDEXES; mmu++) {
        for (unsigned i = 0; i < LARGE_PAGES; i++) {
            t->large[mmu][i].va = 1;
        }
    }
}

void tlb_init(struct tcg_cpu *t)
{
    for (unsigned mmu = 0; mmu < MMU_INDEXES; mmu++) {
        t->tlb_used[mmu] = true;
        flush_index(t, mmu);
    }
    large_pages_forget(t);
    jump_cache_clear(t);
    tcg_refresh_views(t);
}

void tlb_flush(struct x86_cpu *cpu, bool global_too)
{
    struct tcg_cpu *t = cpu->tcg;

    if (!t) {
        return;
    }
    large_pages_forget(t);
    for (unsigned mmu = 0; mmu < MMU_INDEXES; mmu++) {
        if (global_too) {
            flush_index(t, mmu);
        } else {
            flush_index_keep_global(t, mmu);
        }
    }
    if (global_too) {
        t->large_used[0] = t->large_used[1] = false;
        jump_cache_clear(t);
    } else {
        jump_cache_clear_local(t);
    }
}

/*
 * INVLPG takes away the whole page that maps the address, however large (SDM 3A 4.10.4.1), and Linux flushes a huge
 * page by one. Any of its pieces may be here; and jump cache entries outlive the TLB's, so all of that half go.
 */
static void flush_large_page(struct tcg_cpu *t, uint64_t va)
{
    for (unsigned mmu = 0; mmu < MMU_INDEXES; mmu++) {
        for (unsigned i = 0; t->tlb_used[mmu] && i < TLB_SIZE; i++) {
            const struct tlb_page *page = &t->pages[mmu][i];
            if (page->bits > 12 && (page->va ^ va) >> page->bits == 0) {
                t->tlb.entries[mmu][i] = invalid_entry;
            }
        }
    }
    memset(t->jump + (va >> 63) * JUMP_HALF, 0, JUMP_HALF * sizeof(t->jump[0]));
}

void tlb_flush_page(struct x86_cpu *cpu, uint64_t va)
{
    struct tcg_cpu *t = cpu->tcg;

    if (!t) {
        return;
    }
    large_pages_forget(t);
    for (unsigned mmu = 0; mmu < MMU_INDEXES; mmu++) {
        *tlb_entry(cpu, mmu, va) = invalid_entry;
    }
    if (t->large_used[va >> 63]) {
        flush_large_page(t, va);
    } else {
        jump_cache_clear_page(t, va);
    }
}

void tlb_drop_writes(struct tcg_cpu *t)
{
    for (unsigned mmu = 0; mmu < MMU_INDEXES; mmu++) {
        for (unsigned i = 0; t->tlb_used[mmu] && i < TLB_SIZE; i++) {
            if (!(t->tlb.entries[mmu][i].write & ~TLB_PAGE_MASK)) {
                t->tlb.entries[mmu][i].write |= TLB_LOG;
            }
        }
    }
}

void tlb_drop_writes_to(struct tcg_cpu *t, struct ram_block *block, uint64_t page)
{
    for (unsigned mmu = 0; mmu < MMU_INDEXES; mmu++) {
        for (unsigned i = 0; t->tlb_used[mmu] && i < TLB_SIZE; i++) {
            const struct tlb_page *p = &t->pages[mmu][i];
            if (p->page == page && p->block == block && !(t->tlb.entries[mmu][i].write & ~TLB_PAGE_MASK)) {
                t->tlb.entries[mmu][i].write |= TLB_LOG;
            }
        }
    }
}

void tcg_refresh_views(struct tcg_cpu *t)
{
    struct flat_view *memory = t->memory, *io = t->io;

    t->memory = flat_view_get(&address_space_memory);
    t->io = flat_view_get(&address_space_io);
    if (memory) {
        flat_view_put(memory);
        flat_view_put(io);
    }
}

/* --- misses --- */

/*
 * A stack fault if the address is the stack's: through SS, or near RSP (RBP for LEAVE) by an instruction that pushes
 * or pops, which nothing else tells from one that has an operand in memory.
 */
G_GNUC_NORETURN static void raise_not_canonical(struct x86_cpu *cpu, uint64_t va, enum x86_access access)
{
    bool operand = cpu->block && cpu->insn->flags & X86_INSN_MEM;
    bool pushed = va - cpu->regs[R_RSP] + 16 < 32 || (!operand && va == cpu->regs[R_RBP]);
    bool stack = access != X86_ACCESS_FETCH && ((operand && cpu->insn->seg == S_SS) || pushed);

    x86_raise_error(cpu, stack ? EXCP_SS : EXCP_GP, 0);
}

/* A whole page of RAM, or else the entry is one of MMIO (regions smaller than a page included). */
static bool map_ram(struct tcg_cpu *t, uint64_t gpa_page, struct tlb_page *page, uint8_t **host, bool *rom)
{
    const struct flat_range *range = flat_view_find(t->memory, gpa_page);

    if (!range || !range->block || range->end - gpa_page < GUEST_PAGE_SIZE - 1) {
        return false;
    }
    uint64_t offset = range->offset + (gpa_page - range->start);
    if (offset & ~TLB_PAGE_MASK) {
        return false;
    }
    page->block = range->block;
    page->page = offset >> GUEST_PAGE_BITS;
    *host = page->block->host + offset;
    *rom = range->readonly;
    return true;
}

static void fill_entry(struct x86_cpu *cpu, unsigned mmu, uint64_t va, const struct x86_translation *walk)
{
    struct tcg_cpu *t = cpu->tcg;
    struct tlb_entry *e = tlb_entry(cpu, mmu, va);
    struct tlb_page *page = page_of(cpu, mmu, va);
    uint64_t tag = va & TLB_PAGE_MASK, flags = 0, write_flags = 0;
    uint8_t *host = NULL;
    bool rom = false;

    *page = (struct tlb_page) { .gpa = walk->gpa & TLB_PAGE_MASK, .va = tag, .global = walk->global,
                                .bits = walk->page_bits };
    t->large_used[va >> 63] |= walk->page_bits > 12;
    if (map_ram(t, page->gpa, page, &host, &rom)) {
        write_flags = rom ? TLB_ROM : ram_block_page_logged(page->block, page->page) ? 0 : TLB_LOG;
    } else {
        flags = write_flags = TLB_MMIO;
    }
    e->addend = (uint64_t)(uintptr_t)host - tag;
    e->read = walk->prot & X86_PROT_READ ? tag | flags : TLB_TAG_INVALID;
    e->write = walk->prot & X86_PROT_WRITE ? tag | write_flags : TLB_TAG_INVALID;
    e->code = walk->prot & X86_PROT_FETCH ? tag | flags : TLB_TAG_INVALID;
    t->tlb_used[mmu] = true;
}

static bool tag_matches(uint64_t tag, uint64_t va)
{
    return (tag & (TLB_PAGE_MASK | TLB_INVALID)) == (va & TLB_PAGE_MASK);
}

static bool entry_allows(const struct tlb_entry *e, uint64_t va, enum x86_access access)
{
    return tag_matches(access == X86_ACCESS_READ ? e->read : access == X86_ACCESS_WRITE ? e->write : e->code, va);
}

static struct large_page *large_page_of(struct tcg_cpu *t, unsigned mmu, uint64_t va)
{
    return &t->large[mmu][(va >> 21) % LARGE_PAGES];
}

/* Whether a walk that was made for another piece of the same page answers for this access, too. */
static bool large_page_find(struct tcg_cpu *t, unsigned mmu, uint64_t va, enum x86_access access,
                            struct x86_translation *walk)
{
    static const uint8_t prot[] = {
        [X86_ACCESS_READ] = X86_PROT_READ, [X86_ACCESS_WRITE] = X86_PROT_WRITE, [X86_ACCESS_FETCH] = X86_PROT_FETCH,
    };
    const struct large_page *large = large_page_of(t, mmu, va);

    if ((va & large->mask) != large->va || !(large->walk.prot & prot[access])) {
        return false;
    }
    *walk = large->walk;
    walk->gpa = (walk->gpa & large->mask) | (va & ~large->mask);
    return true;
}

static void large_page_note(struct tcg_cpu *t, unsigned mmu, uint64_t va, const struct x86_translation *walk)
{
    uint64_t mask = ~0ull << walk->page_bits;

    if (walk->page_bits > GUEST_PAGE_BITS) {
        *large_page_of(t, mmu, va) = (struct large_page) { .va = va & mask, .mask = mask, .walk = *walk };
    }
}

/* The entry for one page and access, filled if need be; raises. */
static struct tlb_entry *lookup(struct x86_cpu *cpu, uint64_t va, enum x86_access access, unsigned mmu)
{
    struct tlb_entry *e = tlb_entry(cpu, mmu, va);
    struct x86_translation walk;
    uint32_t error;

    if (entry_allows(e, va, access)) {
        return e;
    }
    if (cpu->efer & EFER_LMA && !x86_is_canonical(va)) {
        raise_not_canonical(cpu, va, access);
    }
    if (!large_page_find(cpu->tcg, mmu, va, access, &walk)) {
        if (!x86_walk(cpu, cpu->tcg->memory, va, access, mmu, &walk, &error)) {
            log_printf(LOG_MMU, "CPU %d: page fault at %016" PRIx64 " error %02x cr3 %016" PRIx64 "\n", cpu->index,
                       va, error, cpu->cr3);
            x86_raise_page_fault(cpu, va, error);
        }
        large_page_note(cpu->tcg, mmu, va, &walk);
    }
    fill_entry(cpu, mmu, va, &walk);
    return e;
}

const uint8_t *tlb_code(struct x86_cpu *cpu, uint64_t pc, const struct tlb_page **page)
{
    unsigned mmu = cpu->mmu_index;
    struct tlb_entry *e = lookup(cpu, pc, X86_ACCESS_FETCH, mmu);

    *page = page_of(cpu, mmu, pc);
    return (*page)->block ? (const uint8_t *)(uintptr_t)(pc + e->addend) : NULL;
}

/* --- RAM and devices --- */

static uint64_t load_host(const void *host, unsigned size)
{
    uint64_t value = 0;
    switch (size) {
    case 1:
        return __atomic_load_n((const uint8_t *)host, __ATOMIC_RELAXED);
    case 2:
        return __atomic_load_n((const uint16_t *)host, __ATOMIC_RELAXED);
    case 4:
        return __atomic_load_n((const uint32_t *)host, __ATOMIC_RELAXED);
    case 8:
        return __atomic_load_n((const uint64_t *)host, __ATOMIC_RELAXED);
    }
    guest_copy_from(&value, host, size);
    return value;
}

static void store_host(void *host, uint64_t value, unsigned size)
{
    switch (size) {
    case 1:
        __atomic_store_n((uint8_t *)host, value, __ATOMIC_RELAXED);
        return;
    case 2:
        __atomic_store_n((uint16_t *)host, value, __ATOMIC_RELAXED);
        return;
    case 4:
        __atomic_store_n((uint32_t *)host, value, __ATOMIC_RELAXED);
        return;
    case 8:
        __atomic_store_n((uint64_t *)host, value, __ATOMIC_RELAXED);
        return;
    }
    guest_copy_to(host, &value, size);
}

/* Out of the guest for a device: `e` and host pointers are void afterwards. */
static uint64_t mmio_load(struct x86_cpu *cpu, struct flat_view **view, uint64_t address, unsigned size)
{
    uint64_t value = 0;

    tcg_guest_leave(cpu->tcg);
    if (size == 1 || size == 2 || size == 4 || size == 8) {
        if (!flat_view_load(*view, address, size, &value)) {
            value = UINT64_MAX;
        }
    } else {
        for (unsigned i = 0; i < size; i++) {
            uint64_t byte;
            value |= (flat_view_load(*view, address + i, 1, &byte) ? byte & 0xff : 0xff) << 8 * i;
        }
    }
    tcg_guest_enter(cpu->tcg);
    return value;
}

static void mmio_store(struct x86_cpu *cpu, struct flat_view **view, uint64_t address, uint64_t value, unsigned size)
{
    tcg_guest_leave(cpu->tcg);
    if (size == 1 || size == 2 || size == 4 || size == 8) {
        flat_view_store(*view, address, size, value);
    } else {
        for (unsigned i = 0; i < size; i++) {
            flat_view_store(*view, address + i, 1, value >> 8 * i & 0xff);
        }
    }
    tcg_guest_enter(cpu->tcg);
}

/* Marks a page for the clients other than code, and lets the entry go unlogged once every client has its mark. */
static void mark_and_relax(struct tlb_entry *e, const struct tlb_page *page)
{
    if (dirty_log_enabled(DIRTY_CLIENT_MIGRATION)) {
        ram_block_mark_dirty_client(page->block, DIRTY_CLIENT_MIGRATION, page->page);
    }
    if (ram_block_page_logged(page->block, page->page)) {
        e->write &= ~TLB_LOG;
    }
}

static void store_ram(struct x86_cpu *cpu, struct tlb_entry *e, const struct tlb_page *page, uint64_t va,
                      uint64_t value, unsigned size)
{
    void *host = (void *)(uintptr_t)(va + e->addend);

    if (!(e->write & TLB_LOG)) {
        store_host(host, value, size);
        return;
    }
    mark_and_relax(e, page);
    if (e->write & TLB_LOG) {
        block_store(page->block, page->page, va & ~TLB_PAGE_MASK, host, &value, size);
        mark_and_relax(e, page);
    } else {
        store_host(host, value, size);
    }
}

static uint64_t load_part(struct x86_cpu *cpu, uint64_t va, unsigned size, unsigned mmu)
{
    struct tlb_entry *e = lookup(cpu, va, X86_ACCESS_READ, mmu);

    if (e->read & TLB_MMIO) {
        return mmio_load(cpu, &cpu->tcg->memory, page_of(cpu, mmu, va)->gpa | (va & ~TLB_PAGE_MASK), size);
    }
    return load_host((const void *)(uintptr_t)(va + e->addend), size);
}

static void store_part(struct x86_cpu *cpu, uint64_t va, uint64_t value, unsigned size, unsigned mmu)
{
    struct tlb_entry *e = lookup(cpu, va, X86_ACCESS_WRITE, mmu);
    const struct tlb_page *page = page_of(cpu, mmu, va);

    if (e->write & TLB_MMIO) {
        mmio_store(cpu, &cpu->tcg->memory, page->gpa | (va & ~TLB_PAGE_MASK), value, size);
    } else if (!(e->write & TLB_ROM)) {
        store_ram(cpu, e, page, va, value, size);
    }
}

/* Bytes of [va, va + size) on the first page. */
static unsigned first_part(uint64_t va, unsigned size)
{
    unsigned room = GUEST_PAGE_SIZE - (va & ~TLB_PAGE_MASK);
    return MIN(room, size);
}

uint64_t mem_load_slow(struct x86_cpu *cpu, uint64_t va, unsigned size, unsigned mmu)
{
    unsigned first = first_part(va, size);
    uint64_t next = (va + first) & linear_mask(cpu), value;

    if (first == size) {
        return load_part(cpu, va, size, mmu);
    }
    lookup(cpu, va, X86_ACCESS_READ, mmu); /* both fault before either is read from a device */
    lookup(cpu, next, X86_ACCESS_READ, mmu);
    value = load_part(cpu, va, first, mmu) & ((1ull << 8 * first) - 1);
    return value | load_part(cpu, next, size - first, mmu) << 8 * first;
}

void mem_store_slow(struct x86_cpu *cpu, uint64_t va, uint64_t value, unsigned size, unsigned mmu)
{
    unsigned first = first_part(va, size);
    uint64_t next = (va + first) & linear_mask(cpu);

    if (first == size) {
        store_part(cpu, va, value, size, mmu);
        return;
    }
    struct tlb_entry *low = lookup(cpu, va, X86_ACCESS_WRITE, mmu);
    lookup(cpu, next, X86_ACCESS_WRITE, mmu);
    if (low->write & TLB_MMIO) {
        store_part(cpu, next, value >> 8 * first, size - first, mmu);
        store_part(cpu, va, value, first, mmu);
    } else {
        store_part(cpu, va, value, first, mmu);
        store_part(cpu, next, value >> 8 * first, size - first, mmu);
    }
}

void mem_load16_slow(struct x86_cpu *cpu, uint64_t va, union x86_xmm *value)
{
    union x86_xmm loaded;

    mem_probe(cpu, va, 16, false, cpu->mmu_index);
    loaded.q[0] = mem_ld64(cpu, va);
    loaded.q[1] = mem_ld64(cpu, (va + 8) & linear_mask(cpu));
    *value = loaded;
}

void mem_store16_slow(struct x86_cpu *cpu, uint64_t va, const union x86_xmm *value)
{
    mem_probe(cpu, va, 16, true, cpu->mmu_index);
    mem_st64(cpu, va, value->q[0]);
    mem_st64(cpu, (va + 8) & linear_mask(cpu), value->q[1]);
}

void mem_probe(struct x86_cpu *cpu, uint64_t va, unsigned size, bool write, unsigned mmu)
{
    unsigned first = first_part(va, size);
    enum x86_access access = write ? X86_ACCESS_WRITE : X86_ACCESS_READ;

    lookup(cpu, va, access, mmu);
    if (first < size) {
        lookup(cpu, (va + first) & linear_mask(cpu), access, mmu);
    }
}

void *mem_host(struct x86_cpu *cpu, uint64_t va, unsigned size, bool write, unsigned mmu)
{
    struct tlb_entry *e;
    const struct tlb_page *page;

    mem_probe(cpu, va, size, write, mmu);
    if (first_part(va, size) < size) {
        return NULL;
    }
    e = tlb_entry(cpu, mmu, va);
    if ((write ? e->write : e->read) & (TLB_MMIO | TLB_ROM)) {
        return NULL;
    }
    if (write && e->write & TLB_LOG) {
        page = page_of(cpu, mmu, va);
        if (dirty_log_enabled(DIRTY_CLIENT_MIGRATION)) {
            ram_block_mark_dirty_client(page->block, DIRTY_CLIENT_MIGRATION, page->page);
        }
        /* The caller's store is not ours to order against a decoder: the page's blocks go, as a whole. */
        if (!ram_block_page_logged(page->block, page->page)) {
            block_page_written(page->block, page->page);
        }
        mark_and_relax(e, page);
    }
    return (void *)(uintptr_t)(va + e->addend);
}

/* --- ports --- */

uint32_t x86_port_in(struct x86_cpu *cpu, uint16_t port, unsigned size)
{
    return (uint32_t)mmio_load(cpu, &cpu->tcg->io, port, size);
}

void x86_port_out(struct x86_cpu *cpu, uint16_t port, uint32_t value, unsigned size)
{
    mmio_store(cpu, &cpu->tcg->io, port, value, size);
}

void x86_device_begin(struct x86_cpu *cpu)
{
    if (cpu->tcg) {
        tcg_guest_leave(cpu->tcg);
    }
    big_lock();
}

void x86_device_end(struct x86_cpu *cpu)
{
    big_unlock();
    if (cpu->tcg) {
        tcg_guest_enter(cpu->tcg);
    }
}

void x86_timers_run(struct x86_cpu *cpu)
{
    if (!cpu->tcg || !timers_virtual_due()) {
        return;
    }
    tcg_guest_leave(cpu->tcg);
    if (big_trylock()) {
        timers_run(VM_CLOCK_VIRTUAL);
        big_unlock();
    }
    tcg_guest_enter(cpu->tcg);
}
