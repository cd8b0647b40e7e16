/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page walk: 32-bit, PAE and 4-level paging; large and global pages, NX, SMEP, SMAP, WP, reserved bits; accessed
 * and dirty bits by compare-and-swap, since other CPUs walk the same tables. SDM 3A chapter 4.
 *
 * A and D are set once the walk is known to succeed: an entry changed under the walk starts it again. Tables must be
 * in RAM or ROM; elsewhere they read as not present. PAE's four top entries are read at each walk, not at MOV CR3.
 */
#include "target/i386/mmu.h"
#include "accel/tcg/mem.h"

#define PTE_P (1ull << 0)
#define PTE_W (1ull << 1)
#define PTE_U (1ull << 2)
#define PTE_A (1ull << 5)
#define PTE_D (1ull << 6)
#define PTE_PS (1ull << 7)
#define PTE_G (1ull << 8)
#define PTE_NX (1ull << 63)
#define ADDRESS_MASK 0x000ffffffffff000ull

struct entry {
    uint64_t *host; /* NULL: not writable */
    struct ram_block *block;
    uint64_t offset;
    uint64_t value;
};

struct walk {
    struct x86_cpu *cpu;
    const struct flat_view *view;
    uint64_t linear;
    bool pae;               /* 8-byte entries */
    int levels;
    struct entry entries[5]; /* by level, leaf first */
    int leaf;
    uint64_t rights;        /* AND of U and W, OR of NX */
    uint64_t reserved;      /* address bits beyond the physical address width */
};

unsigned x86_phys_bits(const struct x86_cpu *cpu)
{
    return X86_PHYS_BITS;
}

static bool read_entry(struct walk *w, struct entry *e, uint64_t gpa)
{
    unsigned size = w->pae ? 8 : 4;
    uint64_t length = size;
    bool rom = false;

    if (!memory_translate(w->view, gpa, &length, true, &e->block, &e->offset)) {
        rom = true;
        length = size;
        if (!memory_translate(w->view, gpa, &length, false, &e->block, &e->offset)) {
            return false;
        }
    }
    if (length < size) {
        return false;
    }
    e->host = (uint64_t *)(e->block->host + e->offset);
    e->value = w->pae ? __atomic_load_n(e->host, __ATOMIC_ACQUIRE) :
                        __atomic_load_n((uint32_t *)e->host, __ATOMIC_ACQUIRE);
    if (rom) {
        e->host = NULL;
    }
    return true;
}

static bool set_bits(struct walk *w, struct entry *e, uint64_t bits)
{
    bool done;

    if ((e->value & bits) == bits || !e->host) {
        return true;
    }
    if (w->pae) {
        uint64_t expected = e->value;
        done = __atomic_compare_exchange_n(e->host, &expected, e->value | bits, false, __ATOMIC_ACQ_REL,
                                           __ATOMIC_RELAXED);
    } else {
        uint32_t expected = (uint32_t)e->value;
        done = __atomic_compare_exchange_n((uint32_t *)e->host, &expected, (uint32_t)(e->value | bits), false,
                                           __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    }
    if (done) {
        ram_block_mark_dirty(e->block, e->offset, w->pae ? 8 : 4);
    }
    return done;
}

/* Is `e`, at `level`, a page (not a table)? */
static bool is_leaf(const struct walk *w, int level, const struct entry *e)
{
    if (level == 0) {
        return true;
    }
    if (!(e->value & PTE_PS) || level >= 3) {
        return false;
    }
    if (level == 2) {
        return w->levels >= 4 && x86_feature(&w->cpu->features, FEAT_8000_0001_EDX, 26);
    }
    return w->pae || w->cpu->cr4 & CR4_PSE;
}

static uint64_t reserved_bits(const struct walk *w, int level, bool leaf, uint64_t value)
{
    uint64_t reserved;

    if (!w->pae) {
        return leaf && level == 1 ? 1ull << 21 : 0;
    }
    reserved = w->reserved;
    if (!(w->cpu->efer & EFER_NXE)) {
        reserved |= PTE_NX;
    }
    if (w->levels == 3) {
        reserved |= 0x7ff0000000000000ull;
        if (level == 2) { /* a PAE page-directory-pointer entry has no rights */
            return reserved | PTE_NX | 0x1e6;
        }
    }
    if (leaf && level == 1) {
        reserved |= 0x1fe000;
    } else if (leaf && level == 2) {
        reserved |= 0x3fffe000;
    } else if (!leaf && level >= 2) {
        reserved |= PTE_PS;
    }
    return reserved;
}

static uint64_t leaf_gpa(const struct walk *w, int level, uint64_t value, uint8_t *page_bits)
{
    uint64_t base;

    if (!w->pae && level == 1) { /* PSE-36: bits 20..13 are address bits 39..32 */
        *page_bits = 22;
        base = (value & 0xffc00000) | (value >> 13 & 0xff) << 32;
    } else {
        *page_bits = 12 + level * (w->pae ? 9 : 10);
        base = value & ADDRESS_MASK & ~((1ull << *page_bits) - 1);
    }
    return base | (w->linear & ((1ull << *page_bits) - 1));
}

/* From the top table down to a leaf. False: *error has PF_P and PF_RSVD as they apply. */
static bool descend(struct walk *w, struct x86_translation *result, uint32_t *error)
{
    unsigned index_bits = w->pae ? 9 : 10;
    uint64_t table = w->levels == 3 ? w->cpu->cr3 & 0xffffffe0 : w->cpu->cr3 & ADDRESS_MASK;

    if (w->levels < 4) {
        table &= 0xffffffff;
    }
    w->rights = PTE_U | PTE_W;
    for (int level = w->levels - 1;; level--) {
        struct entry *e = &w->entries[level];
        uint64_t index = w->linear >> (12 + level * index_bits) & ((1u << index_bits) - 1);
        if (w->levels == 3 && level == 2) {
            index &= 3;
        }
        if (!read_entry(w, e, table + index * (w->pae ? 8 : 4)) || !(e->value & PTE_P)) {
            *error = 0;
            return false;
        }
        bool leaf = is_leaf(w, level, e);
        if (e->value & reserved_bits(w, level, leaf, e->value)) {
            *error = PF_P | PF_RSVD;
            return false;
        }
        if (w->levels != 3 || level != 2) {
            w->rights = (w->rights & e->value & (PTE_U | PTE_W)) | ((w->rights | e->value) & PTE_NX);
        }
        if (leaf) {
            w->leaf = level;
            result->gpa = leaf_gpa(w, level, e->value, &result->page_bits);
            return true;
        }
        table = e->value & (w->pae ? ADDRESS_MASK : 0xfffff000);
    }
}

/* X86_PROT_* by the rights collected, for the given TLB index. */
static uint8_t protection(const struct walk *w, unsigned mmu_index)
{
    const struct x86_cpu *cpu = w->cpu;
    bool user_page = w->rights & PTE_U, writable = w->rights & PTE_W;
    bool nx = w->pae && w->rights & PTE_NX && cpu->efer & EFER_NXE;

    if (mmu_index == MMU_USER) {
        if (!user_page) {
            return 0;
        }
        return X86_PROT_READ | (writable ? X86_PROT_WRITE : 0) | (nx ? 0 : X86_PROT_FETCH);
    }
    uint8_t prot = X86_PROT_READ | (writable || !(cpu->cr0 & CR0_WP) ? X86_PROT_WRITE : 0);
    if (user_page && mmu_index == MMU_KERNEL_SMAP) {
        prot = 0;
    }
    if (!nx && !(user_page && cpu->cr4 & CR4_SMEP)) {
        prot |= X86_PROT_FETCH;
    }
    return prot;
}

static const uint8_t access_prot[] = {
    [X86_ACCESS_READ] = X86_PROT_READ,
    [X86_ACCESS_WRITE] = X86_PROT_WRITE,
    [X86_ACCESS_FETCH] = X86_PROT_FETCH,
};

static uint32_t access_error(const struct x86_cpu *cpu, enum x86_access access, unsigned mmu_index)
{
    uint32_t error = (access == X86_ACCESS_WRITE ? PF_W : 0) | (mmu_index == MMU_USER ? PF_U : 0);
    if (access == X86_ACCESS_FETCH &&
        ((cpu->efer & EFER_NXE && cpu->cr4 & CR4_PAE) || cpu->cr4 & CR4_SMEP)) {
        error |= PF_ID;
    }
    return error;
}

static void walk_init(struct walk *w, struct x86_cpu *cpu, const struct flat_view *view, uint64_t linear)
{
    *w = (struct walk) { .cpu = cpu, .view = view, .linear = linear };
    w->pae = cpu->cr4 & CR4_PAE;
    w->levels = cpu->efer & EFER_LMA ? cpu->cr4 & CR4_LA57 ? 5 : 4 : w->pae ? 3 : 2;
    w->reserved = ADDRESS_MASK & ~((1ull << x86_phys_bits(cpu)) - 1);
}

/* False: an entry changed under us. */
static bool set_accessed_dirty(struct walk *w, enum x86_access access)
{
    for (int level = w->levels - 1; level > w->leaf; level--) {
        if ((w->levels != 3 || level != 2) && !set_bits(w, &w->entries[level], PTE_A)) {
            return false;
        }
    }
    struct entry *leaf = &w->entries[w->leaf];
    uint64_t bits = access == X86_ACCESS_WRITE ? PTE_A | PTE_D : PTE_A;
    if (!set_bits(w, leaf, bits)) {
        return false;
    }
    leaf->value |= bits;
    return true;
}

bool x86_walk(struct x86_cpu *cpu, const struct flat_view *view, uint64_t linear, enum x86_access access,
              unsigned mmu_index, struct x86_translation *result, uint32_t *error_code)
{
    struct walk w;

    if (!(cpu->cr0 & CR0_PG)) {
        *result = (struct x86_translation) { linear, X86_PROT_READ | X86_PROT_WRITE | X86_PROT_FETCH, true, 12 };
        return true;
    }
    do {
        walk_init(&w, cpu, view, linear);
        if (!descend(&w, result, error_code)) {
            *error_code |= access_error(cpu, access, mmu_index);
            return false;
        }
        result->prot = protection(&w, mmu_index);
        if (!(result->prot & access_prot[access])) {
            *error_code = PF_P | access_error(cpu, access, mmu_index);
            return false;
        }
    } while (!set_accessed_dirty(&w, access));
    uint64_t leaf = w.entries[w.leaf].value;
    if (!(leaf & PTE_D)) {
        result->prot &= ~X86_PROT_WRITE;
    }
    result->global = leaf & PTE_G && cpu->cr4 & CR4_PGE;
    return true;
}

/* With five levels (not the software CPU's guests, but others are looked at here) addresses have 57 bits. */
static bool is_canonical(const struct x86_cpu *cpu, uint64_t linear)
{
    unsigned unused = cpu->cr4 & CR4_LA57 ? 7 : 16;

    return (uint64_t)((int64_t)(linear << unused) >> unused) == linear;
}

bool x86_debug_translate(struct x86_cpu *cpu, uint64_t linear, uint64_t *gpa)
{
    struct x86_translation result;
    struct flat_view *view;
    struct walk w;
    uint32_t error;
    bool ok;

    if (!(cpu->cr0 & CR0_PG)) {
        *gpa = linear;
        return true;
    }
    if (cpu->efer & EFER_LMA && !is_canonical(cpu, linear)) {
        return false;
    }
    view = flat_view_get(&address_space_memory);
    walk_init(&w, cpu, view, linear);
    ok = descend(&w, &result, &error);
    flat_view_put(view);
    if (ok) {
        *gpa = result.gpa;
    }
    return ok;
}
