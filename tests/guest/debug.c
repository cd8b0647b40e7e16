/* SPDX-License-Identifier: GPL-2.0-or-later */
/* #DB: single step, and the four debug registers. */
#include "system.h"

#define FLAG_TF 0x100ull
#define FLAG_RF 0x10000ull
#define DR6_BS 0x4000ull

static volatile uint64_t steps[64], step_count, step_dr6;
static uint64_t watched[2] __attribute__((aligned(16)));

static inline uint64_t read_dr6(void)
{
    uint64_t v;
    __asm__ volatile("mov %%dr6, %0" : "=r"(v));
    return v;
}
static inline void write_dr6(uint64_t v) { __asm__ volatile("mov %0, %%dr6" ::"r"(v)); }
static inline void write_dr7(uint64_t v) { __asm__ volatile("mov %0, %%dr7" ::"r"(v) : "memory"); }

static void note_step(struct trap_frame *frame)
{
    if (step_count < 64) {
        steps[step_count] = frame->rip;
    }
    step_count++;
    step_dr6 = read_dr6();
    write_dr6(0);
    frame->rflags |= FLAG_RF; /* an instruction breakpoint is not hit again */
}

/* A trap behind each instruction that began with TF set: the one behind POPF is the first. */
static bool check_step(void)
{
    uint64_t base;
    step_count = 0;
    trap_set_handler(1, note_step);
    __asm__ volatile("lea 1f(%%rip), %0; pushfq; orq $0x100, (%%rsp); popfq; 1: nop; xor %%eax, %%eax; 2: pushfq;"
                     "andq $~0x100, (%%rsp); popfq; nop"
                     : "=r"(base)::"rax", "memory", "cc");
    CHECK(step_count == 5, "%lu steps", step_count);
    CHECK(steps[0] == base + 1 && steps[1] == base + 3 && steps[2] == base + 4, "at +%lu, +%lu, +%lu", steps[0] - base, steps[1] - base,
          steps[2] - base);
    CHECK((step_dr6 & DR6_BS) && !(step_dr6 & 15), "dr6 0x%lx", step_dr6);

    /* REP: a step for each turn, at the instruction itself until the last. */
    static uint8_t from[4], to[4];
    step_count = 0;
    const void *si = from;
    void *di = to;
    uint64_t cx = 4;
    __asm__ volatile("lea 1f(%%rip), %0; pushfq; orq $0x100, (%%rsp); popfq; 1: rep movsb; pushfq; andq $~0x100, (%%rsp); popfq"
                     : "=&r"(base), "+S"(si), "+D"(di), "+c"(cx)::"memory", "cc");
    CHECK(step_count == 7 && steps[2] == base && steps[3] == base + 2, "rep: %lu steps, third at +%lu, fourth at +%lu", step_count,
          steps[2] - base, steps[3] - base);
    trap_set_handler(1, NULL);
    return true;
}

static void do_step_ud(void *unused)
{
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; ud2" ::: "memory", "cc");
}

static bool check_step_fault(void)
{
    struct trap_frame f;
    CHECK(trap_catch(do_step_ud, NULL, &f) == 6 && (f.rflags & FLAG_TF), "a fault comes instead of the step: %lu", f.vector);
    CHECK(!(read_flags() & FLAG_TF), "TF in the handler");
    return true;
}

static bool run_step(int argc, char **argv)
{
    return check_step() && check_step_fault();
}

static bool run_breakpoints(int argc, char **argv)
{
    uint64_t base;
    trap_set_handler(1, note_step);
    write_dr6(0);
    step_count = 0;
    __asm__ volatile("lea 1f(%%rip), %0; mov %0, %%dr0; mov %1, %%dr7; nop; 1: nop; nop; mov %2, %%dr7"
                     : "=&r"(base) : "r"(0x402ull), "r"(0x400ull) : "memory");
    CHECK(step_count == 1 && steps[0] == base && (step_dr6 & 15) == 1, "execution: %lu hits at 0x%lx, want 0x%lx, dr6 0x%lx", step_count,
          steps[0], base, step_dr6);

    __asm__ volatile("mov %0, %%dr1" ::"r"(watched));
    write_dr7(0x400 | 8 | 9ull << 20); /* global 1, eight bytes written */
    step_count = 0;
    uint64_t seen = *(volatile uint64_t *)watched;
    *(volatile uint64_t *)&watched[1] = seen;
    CHECK(step_count == 0, "a read or the neighbour hit a write watch");
    __asm__ volatile("lea 1f(%%rip), %0; movb $7, 3(%1); 1: nop" : "=&r"(base) : "r"(watched) : "memory");
    CHECK(step_count == 1 && steps[0] == base && (step_dr6 & 15) == 2, "write: %lu hits at 0x%lx, want 0x%lx, dr6 0x%lx", step_count,
          steps[0], base, step_dr6);
    write_dr7(0x400 | 8 | 0xbull << 20); /* read or written */
    step_count = 0;
    seen += *(volatile uint8_t *)((char *)watched + 7);
    CHECK(step_count == 1, "read: %lu hits", step_count);
    write_dr7(0x400);
    trap_set_handler(1, NULL);
    return true;
}

const struct command debug_commands[] = {
    { "step", "single step", run_step },
    { "breakpoints", "the debug registers", run_breakpoints },
    { NULL, NULL, NULL },
};
