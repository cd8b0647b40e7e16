/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What processors may rely on of each other: LOCK wherever it points, store order, code and mappings changed by
 * another.
 */
#include "smp.h"
#include "system.h"

#define ROUNDS 50000

static uint8_t *area;            /* two pages */
static volatile uint64_t *counter;
static volatile uint64_t tickets[2] __attribute__((aligned(16)));

static bool add_rounds(unsigned cpu)
{
    for (int i = 0; i < ROUNDS; i++) {
        __asm__ volatile("lock incq %0" : "+m"(*counter));
    }
    return true;
}

static bool add_by_cmpxchg(unsigned cpu)
{
    for (int i = 0; i < ROUNDS / 4; i++) {
        uint64_t old = *counter;
        bool done;
        do {
            __asm__ volatile("lock cmpxchgq %3, %1; setz %0"
                             : "=q"(done), "+m"(*counter), "+a"(old)
                             : "r"(old + 1)
                             : "memory", "cc");
        } while (!done);
        uint64_t one = 1;
        __asm__ volatile("lock xaddq %0, %1" : "+r"(one), "+m"(*counter)::"memory", "cc");
    }
    return true;
}

/* Both halves move together. */
static bool add_by_cmpxchg16b(unsigned cpu)
{
    for (int i = 0; i < ROUNDS / 4; i++) {
        uint64_t a = tickets[0], d = tickets[1];
        bool done;
        do {
            __asm__ volatile("lock cmpxchg16b %1; setz %0"
                             : "=q"(done), "+m"(tickets), "+a"(a), "+d"(d)
                             : "b"(a + 1), "c"(d + 3)
                             : "memory", "cc");
        } while (!done);
    }
    return true;
}

/* Each processor sets and clears its own bit of one word; a lost update shows in the carry. */
static bool flip_bits(unsigned cpu)
{
    uint64_t bit = cpu * 7;
    bool was;
    for (int i = 0; i < ROUNDS / 4; i++) {
        __asm__ volatile("lock btsq %2, %1; setc %0" : "=q"(was), "+m"(*counter) : "r"(bit) : "memory", "cc");
        CHECK(!was, "processor %u: its bit was set", cpu);
        __asm__ volatile("lock btrq %2, %1; setc %0" : "=q"(was), "+m"(*counter) : "r"(bit) : "memory", "cc");
        CHECK(was, "processor %u: its bit was cleared", cpu);
    }
    return true;
}

static bool run_atomics(int argc, char **argv)
{
    static const unsigned places[] = { 0, 4, 60, 4092, 4095 }; /* aligned, not, across a line, across pages */
    area = area ? area : page_alloc(2);
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        counter = (volatile uint64_t *)(area + places[i]);
        *counter = 0;
        smp_run(add_rounds);
        CHECK(*counter == (uint64_t)ROUNDS * smp_count(), "at %u: %lu, want %lu", places[i], *counter,
              (uint64_t)ROUNDS * smp_count());
        *counter = 0;
        smp_run(add_by_cmpxchg);
        CHECK(*counter == (uint64_t)ROUNDS / 2 * smp_count(), "cmpxchg at %u: %lu", places[i], *counter);
    }
    tickets[0] = tickets[1] = 0;
    smp_run(add_by_cmpxchg16b);
    uint64_t want = (uint64_t)ROUNDS / 4 * smp_count();
    CHECK(tickets[0] == want && tickets[1] == 3 * want, "cmpxchg16b: %lu %lu", tickets[0], tickets[1]);
    counter = (volatile uint64_t *)area;
    *counter = 0;
    return smp_run(flip_bits);
}

/*
 * Stores are seen in order (processor 1 checks), and a locked instruction lets none of two pass the other (Dekker).
 */
static struct {
    volatile uint64_t data, pad0[7], flag, pad1[7], want[2][8], in, pad2[7], sum;
} shared __attribute__((aligned(64)));

static bool pass_messages(unsigned cpu)
{
    if (cpu > 1) {
        return true;
    }
    for (uint64_t n = 1; n <= ROUNDS; n++) {
        if (cpu == 0) {
            shared.data = n;
            shared.flag = n;
        } else {
            uint64_t flag = shared.flag, data = shared.data;
            CHECK(data >= flag, "flag %lu before data %lu", flag, data);
        }
    }
    return true;
}

static bool exclude(unsigned cpu)
{
    if (cpu > 1) {
        return true;
    }
    for (int i = 0; i < ROUNDS / 4; i++) {
        uint64_t one = 1;
        __asm__ volatile("xchgq %0, %1" : "+r"(one), "+m"(shared.want[cpu][0])::"memory");
        if (shared.want[!cpu][0] == 0) {
            uint64_t inside = shared.in;
            shared.in = inside + 1;
            CHECK(shared.in == inside + 1 && inside == 0, "both are inside");
            shared.in = inside;
        }
        shared.want[cpu][0] = 0;
    }
    return true;
}

static bool run_ordering(int argc, char **argv)
{
    memset((void *)&shared, 0, sizeof(shared));
    return smp_run(pass_messages) && smp_run(exclude);
}

static uint8_t *code;
static volatile uint32_t published, accepted[SMP_MAX];
#define CODE_ROUNDS 500

/*
 * Processor 0 writes new code; the others run it, in a loop all the time, and must get the new number once it is
 * announced.
 */
static bool change_code(unsigned cpu)
{
    uint32_t (*call)(void) = (void *)code;
    for (uint32_t n = 1; n <= CODE_ROUNDS; n++) {
        if (cpu == 0) {
            *(volatile uint32_t *)(code + 1) = n;
            published = n;
            for (unsigned other = 1; other < smp_count(); other++) {
                while (accepted[other] < n && !smp_failed()) {
                    cpu_pause();
                }
            }
            continue;
        }
        while (published < n && !smp_failed()) {
            uint32_t got = call();
            CHECK(got == n - 1 || got == n, "round %u returned %u", n, got);
        }
        uint32_t r[4];
        cpuid(0, 0, r); /* serializes */
        uint32_t got = call();
        accepted[cpu] = n;
        CHECK(got == n, "processor %u ran code that returned %u, want %u", cpu, got, n);
    }
    return true;
}

static bool run_crossmod(int argc, char **argv)
{
    static const uint8_t start[] = { 0xb8, 0, 0, 0, 0, 0xc3 };
    code = code ? code : page_alloc(1);
    memcpy(code, start, sizeof(start));
    published = 0;
    memset((void *)accepted, 0, sizeof(accepted));
    return smp_run(change_code);
}

static volatile uint32_t flushed;

static void on_flush(struct trap_frame *frame)
{
    invlpg(TEST_VA);
    apic_write(APIC_EOI, 0);
    __atomic_add_fetch(&flushed, 1, __ATOMIC_SEQ_CST);
}

static uint64_t *shot_pte, shot_pages[2];
static volatile uint64_t shot_round;
#define SHOTS 50

/* Processor 0 remaps a page and shoots the others' TLBs down; they read it all the time. */
static bool shoot(unsigned cpu)
{
    volatile uint64_t *va = (volatile uint64_t *)TEST_VA;
    if (cpu) {
        while (shot_round < SHOTS && !smp_failed()) {
            __asm__ volatile("sti" ::: "memory");
            uint64_t before = shot_round, got = *va, after = shot_round;
            CHECK(before != after || got == before % 2 || got == (before + 1) % 2, "read 0x%lx", got);
        }
        __asm__ volatile("cli" ::: "memory");
        return true;
    }
    for (uint64_t n = 1; n <= SHOTS; n++) {
        *shot_pte = shot_pages[n % 2] | PTE_P;
        invlpg(TEST_VA);
        flushed = 0;
        apic_write(APIC_ICR_LOW, APIC_ALL_BUT_SELF | 0x4071);
        while (flushed < smp_count() - 1 && !smp_failed()) {
            cpu_pause();
        }
        *(volatile uint64_t *)shot_pages[(n + 1) % 2] = 0xbad; /* nobody may look there any more */
        shot_round = n;
        for (int i = 0; i < 1000; i++) {
            cpu_pause();
        }
        *(volatile uint64_t *)shot_pages[(n + 1) % 2] = (n + 1) % 2;
    }
    return true;
}

static bool run_shootdown(int argc, char **argv)
{
    map_test_page(PTE_P, &shot_pages[1]);
    shot_pte = map_test_page(PTE_P, &shot_pages[0]);
    *(uint64_t *)shot_pages[1] = 1;
    shot_round = 0;
    trap_set_handler(0x71, on_flush);
    return smp_run(shoot);
}

const struct command concurrency_commands[] = {
    { "atomics", "LOCK, aligned, across lines and pages", run_atomics },
    { "ordering", "store order, mutual exclusion", run_ordering },
    { "crossmod", "code changed by another processor", run_crossmod },
    { "shootdown", "TLB shootdown by IPI", run_shootdown },
    { NULL, NULL, NULL },
};
