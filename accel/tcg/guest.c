/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vCPUs in and out of the guest (internal.h), and arming the dirty log on top of it.
 *
 * Both sides store, then look: a vCPU stores in_guest and then looks for requests; a requester stores its request and
 * then looks at in_guest. Sequentially consistent, so at least one of them sees the other.
 *
 * Why no write is lost. A store goes unmarked only through a TLB entry whose page had every client's mark when the
 * entry was filled or last checked, with no arming honoured since. The client takes the marks first and arms
 * afterwards: a vCPU that is in the guest drops its entries at the next block's start, and what it has stored until
 * then is visible when the armer returns (release and acquire on `armed`), so a page read after that holds it. A vCPU
 * that is out has no store under way: every path out of the guest lies between a vCPU's marks and its stores only
 * where the marks are made again afterwards (softmmu.c), and host pointers (mem_host()) die there.
 */
#include "accel/tcg/internal.h"

uint64_t arm_generation;
static int sleepers; /* atomic: those in tcg_wait_vcpus() */
static GMutex guest_lock;
static GCond guest_cond;

static void wake_sleepers(void)
{
    if (__atomic_load_n(&sleepers, __ATOMIC_SEQ_CST)) {
        g_mutex_lock(&guest_lock);
        g_cond_broadcast(&guest_cond);
        g_mutex_unlock(&guest_lock);
    }
}

static void honour(struct tcg_cpu *t)
{
    uint64_t generation = __atomic_load_n(&arm_generation, __ATOMIC_SEQ_CST);

    if (__atomic_load_n(&t->armed, __ATOMIC_RELAXED) != generation) {
        tlb_drop_writes(t);
        __atomic_store_n(&t->armed, generation, __ATOMIC_SEQ_CST);
        wake_sleepers();
    }
    if (__atomic_exchange_n(&t->view_stale, false, __ATOMIC_SEQ_CST)) {
        tcg_refresh_views(t);
        tlb_flush(t->cpu, true);
    }
    if (__atomic_exchange_n(&t->flush_requested, false, __ATOMIC_SEQ_CST)) {
        tlb_flush(t->cpu, true);
    }
}

/*
 * One vCPU alone in the guest: for a locked operation that no host atomic can do (it crosses a page, or a register of
 * a device). It lasts to the end of the block, so that handlers need not end it, not even by a fault. The holder
 * keeps exclusive_lock, outermost of all, and takes no decode_lock meanwhile: blocks are looked up behind a boundary,
 * which ends it.
 */
static GMutex exclusive_lock;
static struct tcg_cpu *exclusive_holder; /* atomic; written under exclusive_lock */

void tcg_guest_enter(struct tcg_cpu *t)
{
    for (;;) {
        __atomic_store_n(&t->in_guest, 1, __ATOMIC_SEQ_CST);
        struct tcg_cpu *holder = __atomic_load_n(&exclusive_holder, __ATOMIC_SEQ_CST);
        if (!holder || holder == t) {
            break;
        }
        tcg_guest_leave(t);
        g_mutex_lock(&exclusive_lock); /* until it has ended */
        g_mutex_unlock(&exclusive_lock);
    }
    honour(t);
}

static bool is_out(struct tcg_cpu *t, uint64_t unused)
{
    return !__atomic_load_n(&t->in_guest, __ATOMIC_SEQ_CST);
}

void mem_exclusive(struct x86_cpu *cpu)
{
    struct tcg_cpu *t = cpu->tcg;

    if (vcpu_count == 1 || __atomic_load_n(&exclusive_holder, __ATOMIC_RELAXED) == t) {
        return;
    }
    tcg_guest_leave(t);
    g_mutex_lock(&exclusive_lock);
    __atomic_store_n(&exclusive_holder, t, __ATOMIC_SEQ_CST);
    tcg_kick_boundaries(); /* this one's own, too: its next boundary ends it */
    tcg_wait_vcpus(is_out, 0);
    tcg_guest_enter(t);
}

void tcg_exclusive_end(struct tcg_cpu *t)
{
    if (__atomic_load_n(&exclusive_holder, __ATOMIC_RELAXED) == t) {
        __atomic_store_n(&exclusive_holder, NULL, __ATOMIC_SEQ_CST);
        g_mutex_unlock(&exclusive_lock);
    }
}

void tcg_guest_leave(struct tcg_cpu *t)
{
    __atomic_store_n(&t->in_guest, 0, __ATOMIC_SEQ_CST);
    wake_sleepers();
}

void tcg_guest_boundary(struct tcg_cpu *t)
{
    __atomic_and_fetch(&t->cpu->exit_request, ~EXIT_BOUNDARY, __ATOMIC_SEQ_CST);
    tcg_exclusive_end(t);
    if (__atomic_load_n(&exclusive_holder, __ATOMIC_SEQ_CST)) {
        tcg_guest_leave(t);
        tcg_guest_enter(t);
    }
    honour(t);
    block_epoch_honour(t);
    wake_sleepers();
    if (icount_on) {
        icount_set_limit(t);
    }
}

void tcg_kick_boundaries(void)
{
    VCPU_FOREACH(cpu) {
        if (cpu->tcg) {
            __atomic_or_fetch(&cpu->exit_request, EXIT_BOUNDARY, __ATOMIC_SEQ_CST);
        }
    }
}

static bool all_done(bool (*done)(struct tcg_cpu *t, uint64_t value), uint64_t value)
{
    VCPU_FOREACH(cpu) {
        if (cpu->tcg && !done(cpu->tcg, value)) {
            return false;
        }
    }
    return true;
}

void tcg_wait_vcpus(bool (*done)(struct tcg_cpu *t, uint64_t value), uint64_t value)
{
    /* A block takes microseconds: worth a short spin before going to sleep. */
    for (int i = 0; i < 500; i++) {
        if (all_done(done, value)) {
            return;
        }
        __builtin_ia32_pause();
    }
    __atomic_add_fetch(&sleepers, 1, __ATOMIC_SEQ_CST);
    g_mutex_lock(&guest_lock);
    while (!all_done(done, value)) {
        g_cond_wait(&guest_cond, &guest_lock);
    }
    g_mutex_unlock(&guest_lock);
    __atomic_sub_fetch(&sleepers, 1, __ATOMIC_SEQ_CST);
}

static bool is_armed(struct tcg_cpu *t, uint64_t generation)
{
    return !__atomic_load_n(&t->in_guest, __ATOMIC_SEQ_CST) ||
           __atomic_load_n(&t->armed, __ATOMIC_SEQ_CST) >= generation;
}

void tcg_dirty_arm(void)
{
    struct x86_cpu *self = vcpu_current();
    uint64_t generation = __atomic_add_fetch(&arm_generation, 1, __ATOMIC_SEQ_CST);
    bool was_in = self && self->tcg && __atomic_load_n(&self->tcg->in_guest, __ATOMIC_RELAXED);

    tcg_kick_boundaries();
    if (was_in) {
        tcg_guest_leave(self->tcg); /* two that arm at once must not wait for each other */
    }
    tcg_wait_vcpus(is_armed, generation);
    if (was_in) {
        tcg_guest_enter(self->tcg);
    }
}
