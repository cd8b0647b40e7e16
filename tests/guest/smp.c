/* SPDX-License-Identifier: GPL-2.0-or-later */
/* More than one processor: starting them, atomics between them. */
#include "hardware.h"

extern char ap_trampoline[], ap_trampoline_end[];
extern volatile uint64_t ap_stack, ap_entry;
void ap_main(void);

static volatile uint32_t started;
static volatile uint64_t counter, go;
static volatile uint32_t finished;
#define ROUNDS 200000

static void delay(uint64_t ticks)
{
    for (uint64_t t = rdtsc(); rdtsc() - t < ticks;) {
        cpu_pause();
    }
}

static void add_rounds(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        __asm__ volatile("lock incq %0" : "+m"(counter));
    }
}

void ap_main(void)
{
    __asm__ volatile("lock incl %0" : "+m"(started));
    for (uint64_t seen = 0;;) {
        while (go == seen) {
            cpu_pause();
        }
        seen = go;
        add_rounds();
        __asm__ volatile("lock incl %0" : "+m"(finished));
    }
}

static bool run_smp(int argc, char **argv)
{
    uint32_t want = argc > 1 ? parse_number(argv[1]) : 2;
    memcpy((void *)0x8000, ap_trampoline, ap_trampoline_end - ap_trampoline);
    ap_entry = (uint64_t)ap_main;
    apic_write(APIC_SPURIOUS, 0x1ff);
    for (uint32_t id = started + 1; id < want; id++) {
        uint32_t before = started;
        ap_stack = (uint64_t)page_alloc(4) + 4 * PAGE_SIZE;
        apic_write(APIC_ICR_HIGH, id << 24);
        apic_write(APIC_ICR_LOW, 0x4500); /* INIT */
        delay(10000000);
        apic_write(APIC_ICR_HIGH, id << 24);
        apic_write(APIC_ICR_LOW, 0x4608); /* SIPI, 0x8000 */
        for (uint64_t t = rdtsc(); started == before && rdtsc() - t < 20000000000ull;) {
            cpu_pause();
        }
        CHECK(started == before + 1, "processor %u did not start", id);
    }
    print("started %u\n", started + 1);
    return true;
}

/* All processors add to one counter with LOCK; none may be lost. */
static bool run_atomics(int argc, char **argv)
{
    counter = 0;
    finished = 0;
    go = go + 1;
    add_rounds();
    while (finished < started) {
        cpu_pause();
    }
    CHECK(counter == (uint64_t)ROUNDS * (started + 1), "counter %lu, want %lu", counter, (uint64_t)ROUNDS * (started + 1));
    return true;
}

const struct command smp_commands[] = {
    { "smp", "n: starts processors up to n", run_smp },
    { "atomics", "all processors increment one counter", run_atomics },
    { NULL, NULL, NULL },
};
