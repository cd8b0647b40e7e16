/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs blocks. Between two of them, and only there, interrupts are taken, others' requests honoured, and faults
 * delivered: a fault leaves its block by siglongjmp with RIP and the counters put right here.
 *
 * Direct successors on the same page are linked: what maps the page is what maps the block, so no lookup is due. All
 * else goes through the jump cache, which any TLB flush clears.
 */
#include <inttypes.h>

#include "accel/debug.h"
#include "accel/tcg/internal.h"
#include "target/i386/exception.h"
#include "util/log.h"
#include "util/main-loop.h"

/* Between blocks. False: leave cpu_run(). */
static bool handle_events(struct x86_cpu *cpu)
{
    if (__atomic_load_n(&cpu->exit_request, __ATOMIC_ACQUIRE) & EXIT_BOUNDARY) {
        tcg_guest_boundary(cpu->tcg);
    }
    if (__atomic_load_n(&cpu->exit_request, __ATOMIC_ACQUIRE) & EXIT_LEAVE) {
        return false;
    }
    if (!cpu->debug_step && x86_interrupt_pending(cpu)) {
        int vector;
        tcg_guest_leave(cpu->tcg);
        big_lock();
        vector = x86_interrupt_accept(cpu);
        big_unlock();
        tcg_guest_enter(cpu->tcg);
        if (vector >= 0) {
            x86_interrupt_deliver(cpu, vector);
        }
    }
    return !cpu->halted; /* INIT may have put it to sleep */
}

static void log_run(struct x86_cpu *cpu, uint64_t pc)
{
    if (log_enabled(LOG_CPU)) {
        GString *text = g_string_new(NULL);
        x86_cpu_describe(cpu, text);
        log_printf(LOG_CPU, "%s\n", text->str);
        g_string_free(text, TRUE);
    }
    log_printf(LOG_EXEC, "Trace %d: %016" PRIx64 " mode %03x\n", cpu->index, pc, cpu->mode);
}

/* 16 and 32-bit modes: all of the block within CS's limit, or instruction by instruction up to it. Raises #GP. */
static struct tcg_block *within_limit(struct x86_cpu *cpu, struct tcg_block *block, uint64_t pc)
{
    if ((cpu->mode & X86_MODE_BITS) == X86_MODE_64) {
        return block;
    }
    uint32_t rip = cpu->regs[R_RIP], limit = cpu->segs[S_CS].limit;

    if (rip <= limit && limit - rip >= block->bytes - 1u) {
        return block;
    }
    if (rip <= limit && block->count > 1) {
        block = block_find(cpu, pc, cpu->mode | X86_MODE_SHADOW);
    }
    if (rip > limit || limit - rip < block->bytes - 1u) {
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    return block;
}

static struct tcg_block *find(struct x86_cpu *cpu, uint64_t pc)
{
    struct tcg_cpu *t = cpu->tcg;
    struct jump_entry *jump = &t->jump[jump_index(pc)];
    struct tcg_block *block = jump->block;

    if (__builtin_expect(jump->pc == pc && block && __atomic_load_n(&block->mode, __ATOMIC_RELAXED) == cpu->mode,
                         1)) {
        return block;
    }
    block = block_find(cpu, pc, cpu->mode);
    if (block != t->scratch) {
        *jump = (struct jump_entry) { pc, block };
    }
    return block;
}

static inline uint64_t linear_pc(const struct x86_cpu *cpu)
{
    if ((cpu->mode & X86_MODE_BITS) == X86_MODE_64) {
        return cpu->regs[R_RIP];
    }
    return (uint32_t)(cpu->segs[S_CS].base + cpu->regs[R_RIP]);
}

static inline void run_block(struct x86_cpu *cpu, struct tcg_block *block, uint64_t pc)
{
    const struct x86_insn *insn = tcg_block_begin(cpu, block);

    cpu->block_pc = pc;
    cpu->chain_limit = 0; /* this one only */
    X86_HANDLER(insn)(cpu, insn);
    if (__builtin_expect(exec_trace_on, 0)) {
        exec_trace_block(cpu, block, pc);
    }
    cpu->block = NULL;
}

/* After a block that ran under TF or in an interrupt's shadow. */
static void end_single_step(struct x86_cpu *cpu, uint32_t mode)
{
    if (mode & X86_MODE_TF) {
        cpu->dr[6] |= 1 << 14;
        x86_raise_trap(cpu, EXCP_DB);
    }
}

static void begin_shadowed(struct x86_cpu *cpu)
{
    cpu->interrupt_shadow = false;
    cpu->mode &= ~X86_MODE_SHADOW;
}

/* A debugger is there: stops before a breakpoint, or after one instruction. True: stopped. */
static bool run_debugged(struct x86_cpu *cpu, uint64_t pc, uint32_t mode)
{
    if (!cpu->debug_skip && debug_breakpoint_at(pc)) {
        debug_stop(cpu);
        return true;
    }
    cpu->debug_skip = false;
    if (!cpu->debug_step) {
        return false;
    }
    struct tcg_block *block = within_limit(cpu, block_find(cpu, pc, mode | X86_MODE_SHADOW), pc);
    begin_shadowed(cpu);
    run_block(cpu, block, pc);
    debug_stop(cpu);
    return true;
}

/*
 * Remembers that `block`, at pc, is where this exit of `last` leads. Not across pages: another mapping may lead
 * elsewhere. Nor where the page has become another one in between: the link would outlive that mapping.
 */
static inline void link_blocks(struct x86_cpu *cpu, struct tcg_block *last, struct tcg_block *block, uint64_t pc)
{
    const struct tcg_block *scratch = cpu->tcg->scratch;

    if (cpu->exit_slot < 2 && ((pc ^ cpu->block_pc) & TLB_PAGE_MASK) == 0 && !block->host2 && !last->host2 &&
        host_page_of(block->host) == host_page_of(last->host) && block != scratch && last != scratch) {
        __atomic_store_n(&last->link[cpu->exit_slot], block, __ATOMIC_RELEASE);
    }
}

/* Modes that run_chain() may stay in: no limits, no single steps. */
static inline bool mode_chains(uint32_t mode)
{
    return (mode & (X86_MODE_BITS | X86_MODE_TF | X86_MODE_SHADOW)) == X86_MODE_64;
}

/*
 * From block to block for as long as nothing asks for attention and the next one is at hand, by link or jump cache:
 * where nearly all time is spent, most of it without coming back here (accel/tcg/chain.h). Returns the last one.
 */
static struct tcg_block *run_chain(struct x86_cpu *cpu, struct tcg_block *block)
{
    struct tcg_cpu *t = cpu->tcg;
    const struct x86_insn *insn;
    struct tcg_block *next;
    uint64_t pc;

    cpu->chain_limit = t->instruction_limit;
    for (;; block = next) {
        cpu->block_pc = cpu->regs[R_RIP];
        insn = tcg_block_begin(cpu, block);
        X86_HANDLER(insn)(cpu, insn);
        block = cpu->block;
        if (!tcg_may_go_on(cpu) || !mode_chains(cpu->mode)) {
            break;
        }
        next = cpu->exit_slot < 2 ? __atomic_load_n(&block->link[cpu->exit_slot], __ATOMIC_ACQUIRE) : NULL;
        if (tcg_block_fits(cpu, next)) {
            continue;
        }
        pc = cpu->regs[R_RIP];
        const struct jump_entry *jump = &t->jump[jump_index(pc)];
        next = jump->block;
        if (jump->pc != pc || !tcg_block_fits(cpu, next)) {
            break;
        }
        link_blocks(cpu, block, next, pc);
    }
    cpu->block = NULL;
    return block;
}

static bool watched(void)
{
    return debug_active || exec_trace_on || log_enabled(LOG_EXEC | LOG_CPU);
}

static void run_blocks(struct x86_cpu *cpu)
{
    struct tcg_cpu *t = cpu->tcg;
    struct tcg_block *last = NULL, *block;

    for (;;) {
        if (x86_attention(cpu)) {
            if (!handle_events(cpu)) {
                return;
            }
            last = NULL;
        }
        if (__builtin_expect(cpu->instructions >= t->instruction_limit, 0)) {
            icount_expired(cpu);
            last = NULL;
            continue;
        }
        uint32_t mode = cpu->mode;
        uint64_t pc = linear_pc(cpu);
        if (__builtin_expect(debug_active, 0) && run_debugged(cpu, pc, mode)) {
            return;
        }
        uint64_t epoch = t->block_epoch;
        block = find(cpu, pc);
        /* else the search has waited, and `last` is gone */
        if (last && t->block_epoch == epoch && mode_chains(mode)) {
            link_blocks(cpu, last, block, pc);
        }
        if (mode_chains(mode) && !watched()) {
            last = run_chain(cpu, block);
            continue;
        }
        block = within_limit(cpu, block, pc);
        if (log_enabled(LOG_EXEC | LOG_CPU)) {
            log_run(cpu, pc);
        }
        if (__builtin_expect(mode & (X86_MODE_SHADOW | X86_MODE_TF), 0)) {
            begin_shadowed(cpu);
            run_block(cpu, block, pc);
            end_single_step(cpu, mode);
            last = NULL;
            continue;
        }
        run_block(cpu, block, pc);
        last = block;
    }
}

/*
 * A fault left a block half-way (or was raised between blocks): back to a state as if its instruction had not begun.
 */
static void unwind(struct x86_cpu *cpu)
{
    struct tcg_block *block = cpu->block;

    if (block) {
        if (exec_trace_on) {
            exec_trace_block(cpu, block, cpu->block_pc);
        }
        if (cpu->insn >= block->insns && cpu->insn <= block->insns + block->count) { /* not after a task switch */
            cpu->instructions -= block->count - (cpu->insn - block->insns);
        }
        cpu->regs[R_RIP] = x86_cpu_rip(cpu);
        cpu->block = NULL;
    }
}

/* A halted vCPU: may it go on? INIT and SIPI are acted upon here; a spurious poll must not end HLT. */
static bool wake(struct x86_cpu *cpu)
{
    if (x86_cpu_has_work(cpu)) {
        big_lock();
        x86_interrupt_settle(cpu);
        big_unlock();
    }
    uint32_t request = __atomic_load_n(&cpu->interrupt_request, __ATOMIC_ACQUIRE);
    /* come back for these */
    bool unsettled = request & (CPU_INTERRUPT_POLL | CPU_INTERRUPT_INIT | CPU_INTERRUPT_SIPI);
    if (cpu->halted && !unsettled && x86_interrupt_pending(cpu)) {
        __atomic_store_n(&cpu->halted, false, __ATOMIC_RELEASE);
    }
    return !cpu->halted;
}

void tcg_cpu_run(struct x86_cpu *cpu)
{
    struct tcg_cpu *t = cpu->tcg;

    if (cpu->halted && !wake(cpu)) {
        return;
    }
    __atomic_store_n(&t->in_run, 1, __ATOMIC_SEQ_CST);
    block_epoch_honour(t);
    tcg_guest_enter(t);
    if (icount_on) {
        icount_set_limit(t);
    }
    cpu->fault_jump_valid = true;
    if (sigsetjmp(cpu->fault_jump, 0)) {
        unwind(cpu);
        x86_exception_take(cpu); /* may raise again, and comes back here */
        if (cpu->debug_step) {
            debug_stop(cpu); /* a fault's delivery is a step */
        }
    } else if (__builtin_expect(x86_injected_pending(cpu), 0)) {
        x86_injected_take(cpu); /* as if raised here */
    }
    if (!cpu->debug_hold) {
        run_blocks(cpu);
    }
    cpu->fault_jump_valid = false;
    tcg_exclusive_end(t);
    tcg_guest_leave(t);
    __atomic_store_n(&t->in_run, 0, __ATOMIC_SEQ_CST);
    tcg_guest_leave(t); /* wakes who waits for in_run */
}
