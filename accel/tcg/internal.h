/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the software CPU share.
 *
 * In and out of the guest. A vCPU is "in the guest" while it may touch RAM through its soft TLB without logging or
 * run a decoded block. It leaves before it blocks on anything (the big lock above all) and honours what was asked of
 * it in the meantime when it enters again, before it touches RAM. So whoever needs all vCPUs to have seen a change
 * waits only for those that are in, and these reach the end of their block without waiting for anybody.
 *
 * Locks, outermost first: exclusive_lock (guest.c: one vCPU alone in the guest; its holder may take the big lock for
 * a device, and who holds the big lock never enters the guest); the big lock; decode_lock (block.c: one decoder at a
 * time; taken out of the guest, held in it); pages_lock (block.c: page lists and hash chains; innermost, never held
 * across anything that waits); guest_lock (guest.c: sleepers that wait for vCPUs).
 */
#ifndef FERRY_ACCEL_TCG_INTERNAL_H
#define FERRY_ACCEL_TCG_INTERNAL_H

#include "accel/accel.h"
#include "accel/tcg/chain.h"
#include "accel/tcg/mem.h"
#include "accel/vcpu.h"
#include "memory/memory.h"
#include "target/i386/decode.h"
#include "target/i386/insn.h"
#include "target/i386/mmu.h"

/* Low bits of a TLB tag: why the access goes the slow way. */
#define TLB_INVALID 0x800ull
#define TLB_MMIO 0x001ull
#define TLB_ROM 0x002ull /* write: dropped */
#define TLB_LOG 0x004ull /* write: mark first */
#define TLB_PAGE_MASK (~0xfffull)

/* What a TLB entry maps, beside the part that hits look at. */
struct tlb_page {
    uint64_t gpa, va;
    struct ram_block *block; /* NULL: not RAM */
    uint64_t page;           /* number within the block */
    bool global;
    uint8_t bits;            /* log2 of the guest page's size: an entry maps 4 KiB of it */
};

#define BLOCK_START 8 /* mod 64: where blocks begin */
#define BLOCK_DROPPED 0xffffffffu

/* The last walk that ended in a page larger than 4 KiB: one walk serves all of its pieces, as on a processor. */
#define LARGE_PAGES 4 /* by bits 22..21 of the address */
struct large_page {
    uint64_t va, mask; /* the whole page's; no address fits va = 1 */
    struct x86_translation walk;
};

struct tcg_cpu {
    struct tcg_tlb tlb; /* first: mem.h counts on it */
    struct tlb_page pages[MMU_INDEXES][TLB_SIZE];
    bool tlb_used[MMU_INDEXES]; /* anything filled since the last whole flush */
    struct jump_entry jump[2 * JUMP_HALF];
    struct large_page large[MMU_INDEXES][LARGE_PAGES];
    bool large_used[2]; /* by the address's top bit: pieces of large pages were mapped since the last whole flush */
    bool jump_upper_local; /* the upper half has entries of pages that are not global */
    struct x86_cpu *cpu;
    struct flat_view *memory, *io;
    uint64_t instruction_limit; /* stop at this count (icount); UINT64_MAX without */

    /* Changed by others, atomically. */
    uint32_t in_guest;
    uint32_t in_run;      /* within cpu_run(): may hold blocks, in the guest or out */
    bool view_stale;
    bool flush_requested;
    uint64_t armed;       /* arm generation honoured */
    uint64_t block_epoch; /* block cache epoch honoured */

    struct tcg_block *scratch; /* for code that cannot be cached */
};

/* guest.c */
extern uint64_t arm_generation; /* atomic */
void tcg_guest_enter(struct tcg_cpu *t);
void tcg_guest_leave(struct tcg_cpu *t);
void tcg_exclusive_end(struct tcg_cpu *t); /* of mem_exclusive(), if this vCPU holds it */
/* Between blocks, in the guest: does what was asked (EXIT_BOUNDARY). */
void tcg_guest_boundary(struct tcg_cpu *t);
/* Asks every vCPU to pass tcg_guest_boundary(); does not wait. */
void tcg_kick_boundaries(void);
/*
 * Returns when done() holds for each vCPU; it is tried again whenever one passes a boundary, leaves or ends its run.
 */
void tcg_wait_vcpus(bool (*done)(struct tcg_cpu *t, uint64_t value), uint64_t value);
void tcg_dirty_arm(void);

/* softmmu.c */
void tlb_init(struct tcg_cpu *t);
/* Every store logs again. */
void tlb_drop_writes(struct tcg_cpu *t);
void tlb_drop_writes_to(struct tcg_cpu *t, struct ram_block *block, uint64_t page);
/*
 * Translates for a fetch; raises. Entry's page data through *page; host pointer to the byte, NULL if it is not RAM.
 */
const uint8_t *tlb_code(struct x86_cpu *cpu, uint64_t pc, const struct tlb_page **page);
void tcg_refresh_views(struct tcg_cpu *t);

/* block-decode.c */
void block_init(struct tcg_block *block, const uint8_t *host);
/*
 * Decodes from `bytes` into `block`. `available` ends at the page's end, or 15 bytes on where a crossing instruction
 * was put together. 0 instructions: the first one does not fit into `available`.
 */
void block_decode(struct x86_cpu *cpu, struct tcg_block *block, uint32_t mode, const uint8_t *bytes,
                  unsigned available);
/*
 * One instruction that is not kept, in the vCPU's scratch block: fetched from a device, or from a page that others
 * keep rewriting. Raises what the fetch raises.
 */
struct tcg_block *block_decode_uncached(struct x86_cpu *cpu, uint64_t pc, uint32_t mode);
/* To the log (-d in_asm). */
void block_log(struct x86_cpu *cpu, const struct tcg_block *block, uint64_t pc, const uint8_t *bytes);

/* block.c */
extern uint64_t block_epoch; /* atomic; counts whole flushes */
bool block_cache_init(uint64_t bytes, GError **error);
/* The block at linear address pc for cpu->mode; raises what the fetch raises. */
struct tcg_block *block_find(struct x86_cpu *cpu, uint64_t pc, uint32_t mode);
/* Between blocks: forget what a flush has dropped. */
void block_epoch_honour(struct tcg_cpu *t);
void block_flush_all(void);
void jump_cache_clear(struct tcg_cpu *t);
void jump_cache_clear_local(struct tcg_cpu *t); /* all but global pages' */
void jump_cache_clear_page(struct tcg_cpu *t, uint64_t va);
/* A vCPU stores to a page that may hold code: stores `value` after dropping what it overlaps. */
void block_store(struct ram_block *block, uint64_t page, uint64_t offset, void *host, const void *value,
                 unsigned size);
/* Drops all blocks of the page and lets writers go on unlogged. */
void block_page_written(struct ram_block *block, uint64_t page);

static inline const uint8_t *host_page_of(const uint8_t *host)
{
    return (const uint8_t *)((uintptr_t)host & TLB_PAGE_MASK);
}

/* run-loop.c */
void tcg_cpu_run(struct x86_cpu *cpu);

/* exec-trace.c */
extern bool exec_trace_on;
bool exec_trace_open(const char *path, GError **error);
void exec_trace_block(const struct x86_cpu *cpu, const struct tcg_block *block, uint64_t pc);

/* icount.c */
extern bool icount_on;
void icount_set_limit(struct tcg_cpu *t);
void icount_expired(struct x86_cpu *cpu);
bool icount_idle(struct x86_cpu *cpu);

#endif
