/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kvmclock under a kernel made up: when it is read and set, and its section. Its ioctls win over the library's. */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "accel/kvm.h"
#include "accel/vcpu.h"
#include "device-bench.h"
#include "hw/timer/kvmclock.h"
#include "system/runstate.h"

static uint64_t kernel_clock;
static unsigned reads, sets, told;
static bool failing, steady = true, shown = true;

static const struct vmstate_description *section;
static void *device;
static struct runstate_listener *listener;

/* --- what kvmclock.c stands on --- */

bool kvm_enabled(void)
{
    return true;
}

int kvm_check_extension(unsigned capability)
{
    return capability == KVM_CAP_ADJUST_CLOCK ? (steady ? KVM_CLOCK_TSC_STABLE : 1) : 1;
}

int kvm_vm_ioctl(unsigned long request, void *argument)
{
    struct kvm_clock_data *data = argument;

    if (failing) {
        return -EIO;
    }
    if (request == KVM_GET_CLOCK) {
        data->clock = kernel_clock;
        data->flags = KVM_CLOCK_TSC_STABLE; /* what it says is no argument of KVM_SET_CLOCK's */
        reads++;
    } else {
        g_assert_cmphex(request, ==, KVM_SET_CLOCK);
        g_assert_cmphex(data->flags, ==, 0);
        kernel_clock = data->clock;
        sets++;
    }
    return 0;
}

int kvm_vcpu_ioctl(struct x86_cpu *cpu, unsigned long request, void *argument)
{
    g_assert_cmphex(request, ==, KVM_KVMCLOCK_CTRL);
    told++;
    return 0;
}

void x86_cpuid(const struct x86_cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    g_assert_cmphex(leaf, ==, 0x40000001);
    memset(out, 0, 16);
    out[0] = shown ? 8 : ~9u;
}

bool vmstate_register(const char *name, int instance, const struct vmstate_description *vmsd, void *opaque,
                      GError **error)
{
    g_assert_cmpstr(name, ==, "kvmclock");
    section = vmsd;
    device = opaque;
    return true;
}

void runstate_listener_add(struct runstate_listener *added)
{
    listener = added;
}

static void run_state(bool running, RunState state)
{
    listener->changed(listener->opaque, running, state);
}

/* --- tests: one clock, each leaves it running --- */

static void test_first_start(void)
{
    g_assert_true(kvmclock_create(NULL));
    run_state(true, RUN_STATE_RUNNING);
    g_assert_cmpuint(sets + told, ==, 0);
}

static void test_stop(void)
{
    kernel_clock = 1000;
    run_state(false, RUN_STATE_PAUSED);
    kernel_clock = 5000;
    run_state(false, RUN_STATE_SAVE_VM); /* it stood still already */
    bench_check_golden(section, device, "00000000000003e8"
                       "051a6b766d636c6f636b2f636c6f636b5f69735f72656c6961626c650000000101");
    told = 0;
    run_state(true, RUN_STATE_RUNNING);
    g_assert_cmpuint(kernel_clock, ==, 1000);
    g_assert_cmpuint(told, ==, (unsigned)vcpu_count);
}

/* The way to the end of a migration passes for the guest: the clock is read as it is saved. */
static void test_switchover(void)
{
    kernel_clock = 1000;
    run_state(false, RUN_STATE_FINISH_MIGRATE);
    kernel_clock = 1003;
    g_autoptr(GByteArray) state = bench_save(section, device);
    g_assert_cmphex(state->data[7], ==, 1003 & 0xff);
    kernel_clock = 9000; /* it failed, and the guest goes on here */
    run_state(true, RUN_STATE_RUNNING);
    g_assert_cmpuint(kernel_clock, ==, 1003);
}

static void test_load(void)
{
    steady = false;
    kernel_clock = 9000;
    bench_check_golden(section, device, "0000000000002328"
                       "051a6b766d636c6f636b2f636c6f636b5f69735f72656c6961626c650000000100");
    steady = true;
    run_state(false, RUN_STATE_PAUSED);
    bench_check_round_trip(section, device, 8);
    g_assert_true(bench_restore(section, device, "\0\0\0\0\0\0\x12\x34", 8, NULL));
    run_state(true, RUN_STATE_RUNNING);
    g_assert_cmphex(kernel_clock, ==, 0x1234);
}

static void test_failures(void)
{
    g_autoptr(GError) error = NULL;

    failing = true;
    g_assert_false(section->pre_save(device, &error));
    g_assert_nonnull(strstr(error->message, "KVM_GET_CLOCK"));
    failing = false;
    g_assert_true(section->pre_save(device, NULL));
}

static void test_shown(void)
{
    g_assert_true(section->needed(device));
    shown = false; /* all other bits of the leaf are set */
    g_assert_false(section->needed(device));
    shown = true;
}

int main(int argc, char **argv)
{
    struct x86_cpu *cpus[2];

    g_test_init(&argc, &argv, NULL);
    bench_init();
    cpus[0] = bench_cpu_new(0);
    cpus[1] = bench_cpu_new(1);
    vcpus = cpus;
    vcpu_count = 2;
    g_test_add_func("/kvmclock/first-start", test_first_start);
    g_test_add_func("/kvmclock/stop", test_stop);
    g_test_add_func("/kvmclock/switchover", test_switchover);
    g_test_add_func("/kvmclock/load", test_load);
    g_test_add_func("/kvmclock/failures", test_failures);
    g_test_add_func("/kvmclock/shown", test_shown);
    return g_test_run();
}
