/* SPDX-License-Identifier: GPL-2.0-or-later */
/* #DB by single step. Breakpoints in debug registers are not supported by the software CPU. */
#include "system.h"

#define FLAG_TF 0x100ull
#define DR6_BS 0x4000ull

static volatile uint64_t steps[64], step_count, step_dr6;

static inline uint64_t read_dr6(void)
{
    uint64_t v;
    __asm__ volatile("mov %%dr6, %0" : "=r"(v));
    return v;
}
static inline void write_dr6(uint64_t v) { __asm__ volatile("mov %0, %%dr6" ::"r"(v)); }

static void note_step(struct trap_frame *frame)
{
    if (step_count < 64) {
        steps[step_count] = frame->rip;
    }
    step_count++;
    step_dr6 = read_dr6();
    write_dr6(0);
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
    CHECK(steps[0] == base + 1 && steps[1] == base + 3 && steps[2] == base + 4, "at +%lu, +%lu, +%lu",
          steps[0] - base, steps[1] - base, steps[2] - base);
    CHECK((step_dr6 & DR6_BS) && !(step_dr6 & 15), "dr6 0x%lx", step_dr6);

    /* REP: a step for each turn, at the instruction itself until the last. */
    static uint8_t from[4], to[4];
    step_count = 0;
    const void *si = from;
    void *di = to;
    uint64_t cx = 4;
    __asm__ volatile(
        "lea 1f(%%rip), %0; pushfq; orq $0x100, (%%rsp); popfq; 1: rep movsb; pushfq; andq $~0x100, (%%rsp); popfq"
        : "=&r"(base), "+S"(si), "+D"(di), "+c"(cx)::"memory", "cc");
    CHECK(step_count == 7 && steps[2] == base && steps[3] == base + 2,
          "rep: %lu steps, third at +%lu, fourth at +%lu", step_count, steps[2] - base, steps[3] - base);
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
    CHECK(trap_catch(do_step_ud, NULL, &f) == 6 && (f.rflags & FLAG_TF), "a fault comes instead of the step: %lu",
          f.vector);
    CHECK(!(read_flags() & FLAG_TF), "TF in the handler");
    return true;
}

static bool run_step(int argc, char **argv)
{
    return check_step() && check_step_fault();
}

const struct command debug_commands[] = {
    { "step", "single step", run_step },
    { NULL, NULL, NULL },
};
