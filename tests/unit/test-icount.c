/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -icount: the clock is the instruction count, to the instruction; timers fire at theirs; sleeping takes no time. */
#include "accel/icount.h"
#include "tcg-bench.h"
#include "util/clock.h"
#include "util/keyval.h"
#include "util/main-loop.h"

#define STOP "out %eax, $0xf4\n1: cli\nhlt\njmp 1b\n"
#define SHIFT 3

static void start(void)
{
    bench_reset();
    bench_long_mode(vcpus[0], BENCH_CODE, true);
}

/* Two RDTSCs in one block, then two around a loop: TSC and clock run at 2^shift ns an instruction. */
GUEST_CODE(ticks, "64",
           "rdtsc\n mov %eax, %esi\n nop\n nop\n nop\n rdtsc\n sub %esi, %eax\n mov %eax, %edi\n"
           "rdtsc\n mov %eax, %esi\n mov $1000, %ecx\n 2: dec %ecx\n jnz 2b\n rdtsc\n sub %esi, %eax\n" STOP);

static void test_clock(void)
{
    start();
    GUEST_PUT(ticks, BENCH_CODE);
    g_assert_cmpuint(bench_run(), ==, (2003) << SHIFT);
    g_assert_cmpuint(vcpus[0]->regs[R_RDI], ==, 5 << SHIFT);
}

static void fire(void *opaque)
{
    cpu_interrupt(vcpus[0], CPU_INTERRUPT_NMI);
}

GUEST_CODE(spin, "64", "2: inc %rcx\n jmp 2b\n");

static uint64_t run_with_timer(int64_t ns)
{
    struct timer timer;

    start();
    GUEST_PUT(spin, BENCH_CODE);
    timer_init(&timer, VM_CLOCK_VIRTUAL, fire, NULL);
    timer_set(&timer, vm_clock_ns(VM_CLOCK_VIRTUAL) + ns);
    g_assert_cmphex(bench_run(), ==, 0x100 + EXCP_NMI);
    return vcpus[0]->regs[R_RCX];
}

/* The interrupt comes at the same instruction each time. */
static void test_timer_is_exact(void)
{
    uint64_t first = run_with_timer(1000000 << SHIFT);

    g_assert_cmpuint(first, >=, 500000);
    g_assert_cmpuint(first, <, 500000 + 32);
    for (int i = 0; i < 3; i++) {
        g_assert_cmpuint(run_with_timer(1000000 << SHIFT), ==, first);
    }
}

/* A timer set while the vCPU runs shortens its slice. */
static void test_timer_set_meanwhile(void)
{
    struct timer timer;

    start();
    GUEST_PUT(spin, BENCH_CODE);
    timer_init(&timer, VM_CLOCK_VIRTUAL, fire, NULL);
    bench_go();
    big_unlock();
    g_usleep(1000);
    big_lock();
    timer_set(&timer, vm_clock_ns(VM_CLOCK_VIRTUAL) + 1000);
    g_assert_cmphex(bench_wait(), ==, 0x100 + EXCP_NMI);
}

GUEST_CODE(halt, "64", "sti\n 2: hlt\n jmp 2b\n");

/* An hour's sleep is over at once, and the clock says an hour. */
static void test_sleep_off(void)
{
    const int64_t hour = 3600 * NSEC_PER_SEC;
    int64_t begin = vm_clock_ns(VM_CLOCK_VIRTUAL), real = g_get_monotonic_time();
    struct timer timer;

    start();
    GUEST_PUT(halt, BENCH_CODE);
    timer_init(&timer, VM_CLOCK_VIRTUAL, fire, NULL);
    timer_set(&timer, begin + hour);
    g_assert_cmphex(bench_run(), ==, 0x100 + EXCP_NMI);
    g_assert_cmpint(vm_clock_ns(VM_CLOCK_VIRTUAL) - begin, >=, hour);
    g_assert_cmpint(vm_clock_ns(VM_CLOCK_VIRTUAL) - begin, <, hour + NSEC_PER_SEC);
    g_assert_cmpint(g_get_monotonic_time() - real, <, 5 * G_TIME_SPAN_SECOND);
}

static void expect_refused(const char *text, const char *part)
{
    GError *error = NULL;
    struct keyval *options = keyval_parse("-icount", text, "shift", NULL);

    g_assert_false(icount_configure(options, &error));
    g_assert_nonnull(strstr(error->message, part));
    g_error_free(error);
    keyval_free(options);
}

static void test_options(void)
{
    struct x86_features features;
    const struct x86_cpu_model *model = x86_cpu_model_parse("qemu64", &features, NULL);
    GError *error = NULL;

    expect_refused("auto", "auto");
    expect_refused("11", "shift");
    expect_refused("2,align=on", "align");
    expect_refused("2,sleep=perhaps", "sleep");
    expect_refused("sleep=on", "shift");
    g_assert_null(vcpu_new(model, &features, &error)); /* a second one */
    g_assert_nonnull(error);
    g_error_free(error);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init_icount("max", "shift=3,sleep=off");
    g_test_add_func("/icount/clock", test_clock);
    g_test_add_func("/icount/timer", test_timer_is_exact);
    g_test_add_func("/icount/timer-set-meanwhile", test_timer_set_meanwhile);
    g_test_add_func("/icount/sleep-off", test_sleep_off);
    g_test_add_func("/icount/options", test_options);
    return g_test_run();
}
