/* SPDX-License-Identifier: GPL-2.0-or-later */
/* More than one processor: starting them, giving them work, IPIs between them. */
#include "smp.h"
#include "system.h"

#define START_TICKS 20000000000ull

extern char ap_trampoline[], ap_trampoline_end[];
extern volatile uint64_t ap_stack, ap_entry;
void ap_main(void);

static volatile uint32_t started, finished;
static volatile uint64_t go;
static bool (*volatile work)(unsigned cpu);
static volatile bool went_wrong;

unsigned smp_count(void)
{
    return started + 1;
}

static void delay(uint64_t ticks)
{
    for (uint64_t t = rdtsc(); rdtsc() - t < ticks;) {
        cpu_pause();
    }
}

/* Processors wait for work with interrupts off. */
void ap_main(void)
{
    unsigned cpu = __atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
    traps_load();
    apic_setup();
    for (uint64_t seen = 0;;) {
        while (go == seen) {
            cpu_pause();
        }
        seen = go;
        if (!work(cpu)) {
            went_wrong = true;
        }
        __atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
    }
}

bool smp_failed(void)
{
    return went_wrong;
}

bool smp_run(bool (*function)(unsigned cpu))
{
    finished = 0;
    went_wrong = false;
    work = function;
    __atomic_add_fetch(&go, 1, __ATOMIC_SEQ_CST);
    bool ok = function(0);
    went_wrong |= !ok;
    while (finished < started) {
        cpu_pause();
    }
    return !went_wrong;
}

static bool run_smp(int argc, char **argv)
{
    uint32_t want = argc > 1 ? parse_number(argv[1]) : 2;
    memcpy((void *)0x8000, ap_trampoline, ap_trampoline_end - ap_trampoline);
    ap_entry = (uint64_t)ap_main;
    apic_setup();
    for (uint32_t id = started + 1; id < want; id++) {
        uint32_t before = started;
        ap_stack = (uint64_t)page_alloc(4) + 4 * PAGE_SIZE;
        apic_send(id, 0x4500); /* INIT */
        delay(10000000);
        apic_send(id, 0x4608); /* SIPI, 0x8000 */
        for (uint64_t t = rdtsc(); started == before && rdtsc() - t < START_TICKS;) {
            cpu_pause();
        }
        CHECK(started == before + 1, "processor %u did not start", id);
    }
    print("started %u\n", started + 1);
    return true;
}

static volatile uint32_t ipis[SMP_MAX], nmis[SMP_MAX], ipi_want;

static unsigned this_cpu(void)
{
    return apic_read(APIC_ID) >> 24;
}
static void on_ipi(struct trap_frame *frame)
{
    __atomic_add_fetch(&ipis[this_cpu()], 1, __ATOMIC_SEQ_CST);
    apic_write(APIC_EOI, 0);
}
static void on_nmi(struct trap_frame *frame)
{
    __atomic_add_fetch(&nmis[this_cpu()], 1, __ATOMIC_SEQ_CST);
}

static bool await_count(volatile uint32_t *count, uint32_t want)
{
    for (uint64_t t = rdtsc(); *count < want && rdtsc() - t < START_TICKS;) {
        cpu_pause();
    }
    return *count == want;
}

/* Processors other than the first sleep in HLT until they have been woken often enough. */
static bool sleep_for_ipis(unsigned cpu)
{
    if (cpu) {
        while (ipis[cpu] < ipi_want) {
            __asm__ volatile("cli" ::: "memory");
            if (ipis[cpu] < ipi_want) {
                irq_wait();
            }
        }
        return true;
    }
    for (uint32_t n = 1; n <= 50; n++) {
        for (unsigned to = 1; to < smp_count(); to++) {
            apic_send(to, 0x4070);
            CHECK(await_count(&ipis[to], n), "processor %u has %u IPIs, want %u", to, ipis[to], n);
        }
    }
    for (unsigned to = 1; to < smp_count(); to++) {
        apic_send(to, 0x400);
        CHECK(await_count(&nmis[to], 1), "processor %u has %u NMIs", to, nmis[to]);
    }
    for (uint32_t n = 51; n <= ipi_want; n++) {
        apic_write(APIC_ICR_LOW, APIC_ALL_BUT_SELF | 0x4070);
        for (unsigned to = 1; to < smp_count(); to++) {
            CHECK(await_count(&ipis[to], n), "processor %u has %u of %u broadcasts", to, ipis[to], n);
        }
    }
    CHECK(ipis[0] == 0, "the sender got %u", ipis[0]);
    return true;
}

static bool run_ipi(int argc, char **argv)
{
    trap_set_handler(0x70, on_ipi);
    trap_set_handler(2, on_nmi);
    memset((void *)ipis, 0, sizeof(ipis));
    memset((void *)nmis, 0, sizeof(nmis));
    ipi_want = 100;
    bool ok = smp_run(sleep_for_ipis);
    trap_set_handler(2, NULL);
    return ok;
}

const struct command smp_commands[] = {
    { "smp", "n: starts processors up to n", run_smp },
    { "ipi", "interrupts between processors, out of HLT", run_ipi },
    { NULL, NULL, NULL },
};
