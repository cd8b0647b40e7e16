/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clocks, timers and the main loop. */
#include <glib.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/iothread.h"
#include "util/main-loop.h"

static int64_t fake_now;

static int64_t fake_ns(void)
{
    return fake_now;
}

static uint64_t fake_ticks(void)
{
    return (uint64_t)fake_now * 2;
}

static GString *order;

static void note(void *opaque)
{
    g_assert_true(big_locked());
    g_string_append(order, opaque);
}

static struct timer greedy;
static int greedy_runs;

static void rearm_in_the_past(void *opaque)
{
    greedy_runs++;
    timer_set(&greedy, 0);
}

static void test_order(void)
{
    struct timer a, b, c;
    order = g_string_new(NULL);
    virtual_clock_set_source(fake_ns, fake_ticks);
    timer_init(&a, VM_CLOCK_VIRTUAL, note, "a");
    timer_init(&b, VM_CLOCK_VIRTUAL, note, "b");
    timer_init(&c, VM_CLOCK_VIRTUAL, note, "c");
    timer_set(&b, 20);
    timer_set(&a, 10);
    timer_set(&c, 20); /* equal times run in the order of arming */
    g_assert_cmpint(timers_deadline(VM_CLOCK_VIRTUAL), ==, 10);
    fake_now = 9;
    g_assert_false(timers_run(VM_CLOCK_VIRTUAL));
    fake_now = 20;
    g_assert_true(timers_run(VM_CLOCK_VIRTUAL));
    g_assert_cmpstr(order->str, ==, "abc");
    g_assert_false(timer_pending(&a));
    g_assert_cmpint(timers_deadline(VM_CLOCK_VIRTUAL), ==, -1);

    timer_set(&a, 100);
    timer_set(&b, 50);
    timer_set(&a, 30); /* moves */
    timer_cancel(&b);
    timer_cancel(&b);
    fake_now = 1000;
    g_assert_true(timers_run(VM_CLOCK_VIRTUAL));
    g_assert_cmpstr(order->str, ==, "abca");
    g_assert_cmpint((int64_t)virtual_ticks(), ==, 2000);
    g_string_free(order, TRUE);
    virtual_clock_set_source(NULL, NULL);
}

static void test_greedy_timer_yields(void)
{
    virtual_clock_set_source(fake_ns, fake_ticks);
    timer_init(&greedy, VM_CLOCK_VIRTUAL, rearm_in_the_past, NULL);
    timer_set(&greedy, 0);
    fake_now = 5000;
    g_assert_true(timers_run(VM_CLOCK_VIRTUAL));
    g_assert_cmpint(greedy_runs, ==, 1);
    g_assert_true(timers_run(VM_CLOCK_VIRTUAL));
    g_assert_cmpint(greedy_runs, ==, 2);
    timer_cancel(&greedy);
    virtual_clock_set_source(NULL, NULL);
}

static int notifications;

static void count_notification(void)
{
    notifications++;
}

static void test_notify_only_when_first(void)
{
    struct timer a, b;
    timer_init(&a, VM_CLOCK_VIRTUAL, note, "a");
    timer_init(&b, VM_CLOCK_VIRTUAL, note, "b");
    virtual_timer_notify = count_notification;
    timer_set(&a, 1000000);
    g_assert_cmpint(notifications, ==, 1);
    timer_set(&b, 2000000);
    g_assert_cmpint(notifications, ==, 1);
    timer_set(&b, 500);
    g_assert_cmpint(notifications, ==, 2);
    virtual_timer_notify = NULL;
    timer_cancel(&a);
    timer_cancel(&b);
}

static void test_virtual_clock(void)
{
    struct virtual_clock_state state = { .cpu_ticks_offset = 123456, .cpu_clock_offset = 777 }, read_back;
    virtual_clock_stop();
    virtual_clock_set_state(&state);
    g_assert_cmpint(vm_clock_ns(VM_CLOCK_VIRTUAL), ==, 777);
    g_assert_cmpuint(virtual_ticks(), ==, 123456);
    virtual_clock_start();
    virtual_clock_start();
    int64_t last = 777;
    uint64_t last_ticks = 123456;
    for (int i = 0; i < 10000; i++) {
        int64_t now = vm_clock_ns(VM_CLOCK_VIRTUAL);
        uint64_t ticks = virtual_ticks();
        g_assert_cmpint(now, >=, last);
        g_assert_cmpuint(ticks, >=, last_ticks);
        last = now;
        last_ticks = ticks;
    }
    virtual_clock_stop();
    virtual_clock_get_state(&state);
    g_usleep(2000);
    virtual_clock_get_state(&read_back);
    g_assert_cmpint(read_back.cpu_clock_offset, ==, state.cpu_clock_offset);
    g_assert_cmpint(read_back.cpu_ticks_offset, ==, state.cpu_ticks_offset);
    g_assert_cmpint(state.cpu_clock_offset, >=, last);
    g_assert_cmpint(state.cpu_clock_offset, <, NSEC_PER_SEC * 60);
}

static void test_ticks_hz(void)
{
    uint64_t hz = virtual_ticks_hz();
    g_assert_cmpuint(hz, >, 500 * 1000 * 1000ull);
    g_assert_cmpuint(hz, <, 10 * 1000 * 1000 * 1000ull);
    g_assert_cmpuint(hz, ==, virtual_ticks_hz());
}

static void quit_loop(void *opaque)
{
    g_assert_true(big_locked());
    main_loop_quit();
}

static void test_loop_runs_timers(void)
{
    struct timer timer;
    for (enum vm_clock clock = 0; clock < VM_CLOCKS; clock++) {
        virtual_clock_start();
        timer_init(&timer, clock, quit_loop, NULL);
        int64_t begin = vm_clock_ns(clock);
        timer_set(&timer, begin + 5 * NSEC_PER_MSEC);
        main_loop_run();
        g_assert_cmpint(vm_clock_ns(clock), >=, begin + 5 * NSEC_PER_MSEC);
        virtual_clock_stop();
    }
}

static void test_stopped_clock_runs_no_timers(void)
{
    struct timer virtual_timer, stop;
    order = g_string_new(NULL);
    virtual_clock_stop();
    timer_init(&virtual_timer, VM_CLOCK_VIRTUAL, note, "v");
    timer_set(&virtual_timer, 0);
    timer_init(&stop, VM_CLOCK_REALTIME, quit_loop, NULL);
    timer_set(&stop, vm_clock_ns(VM_CLOCK_REALTIME) + 3 * NSEC_PER_MSEC);
    main_loop_run();
    g_assert_cmpstr(order->str, ==, "");
    virtual_clock_start();
    main_loop_iterate(true);
    g_assert_cmpstr(order->str, ==, "v");
    virtual_clock_stop();
    g_string_free(order, TRUE);
}

static struct timer from_thread;

static gpointer arm_from_thread(gpointer opaque)
{
    g_usleep(3000); /* the loop sleeps without a deadline by now */
    timer_set(&from_thread, vm_clock_ns(VM_CLOCK_REALTIME) + NSEC_PER_MSEC);
    return NULL;
}

static void test_timer_armed_by_another_thread(void)
{
    timer_init(&from_thread, VM_CLOCK_REALTIME, quit_loop, NULL);
    GThread *thread = g_thread_new("arm", arm_from_thread, NULL);
    main_loop_run();
    g_thread_join(thread);
}

static GCond ping;
static int pings;

static gpointer take_the_lock(gpointer opaque)
{
    big_lock();
    g_assert_true(big_locked());
    pings++;
    g_cond_signal(&ping);
    big_unlock();
    g_assert_false(big_locked());
    main_loop_schedule(quit_loop, NULL);
    return NULL;
}

/* The lock is free while the loop polls and while big_lock_wait() waits. */
static void test_big_lock(void)
{
    GThread *thread = g_thread_new("lock", take_the_lock, NULL);
    while (!pings) {
        big_lock_wait(&ping);
        g_assert_true(big_locked());
    }
    main_loop_run();
    g_thread_join(thread);
}

static bool hog_stop; /* atomic */
static int hog_turns; /* big lock */
static GCond hog_began;

static gpointer hog_lock(gpointer opaque)
{
    while (!__atomic_load_n(&hog_stop, __ATOMIC_RELAXED)) {
        big_lock();
        hog_turns++;
        g_cond_signal(&hog_began);
        for (volatile int i = 0; i < 2000; i++) {
        }
        big_unlock();
    }
    return NULL;
}

/* A thread that takes the lock all the time does not keep the main loop from its turns. */
static void test_big_lock_is_fair(void)
{
    GThread *hog = g_thread_new("hog", hog_lock, NULL);
    while (!hog_turns) {
        big_lock_wait(&hog_began);
    }
    int64_t begin = vm_clock_ns(VM_CLOCK_REALTIME);
    for (int turn = 0; turn < 200; turn++) {
        main_loop_wakeup();
        main_loop_iterate(true);
    }
    int64_t spent = vm_clock_ns(VM_CLOCK_REALTIME) - begin;
    __atomic_store_n(&hog_stop, true, __ATOMIC_RELAXED);
    big_unlock();
    g_thread_join(hog);
    big_lock();
    g_test_message("%.3f ms a turn", (double)spent / 200e6);
    g_assert_cmpint(spent, <, 10 * NSEC_PER_SEC);
}

static int nested_done;

static void nested_second(void *opaque)
{
    nested_done++;
}

static void nested_first(void *opaque)
{
    main_loop_schedule(nested_second, NULL);
    while (!nested_done) {
        main_loop_iterate(true);
    }
    main_loop_quit();
}

/* What is scheduled from within a scheduled callback runs while that one waits for it. */
static void test_schedule_nests(void)
{
    main_loop_schedule(nested_first, NULL);
    main_loop_run();
    g_assert_cmpint(nested_done, ==, 1);
}

static gboolean pipe_readable(int fd, GIOCondition condition, gpointer opaque)
{
    char byte;
    g_assert_cmpint(read(fd, &byte, 1), ==, 1);
    *(char *)opaque = byte;
    main_loop_quit();
    return G_SOURCE_REMOVE;
}

static void test_watch_fd(void)
{
    int fds[2];
    char got = 0;
    g_assert_cmpint(pipe(fds), ==, 0);
    main_loop_watch_fd(fds[0], G_IO_IN, pipe_readable, &got);
    g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
    main_loop_run();
    g_assert_cmpint(got, ==, 'x');
    close(fds[0]);
    close(fds[1]);
}

static void note_thread(void *opaque)
{
    g_assert_false(big_locked());
    *(GThread **)opaque = g_thread_self();
}

static void test_iothread(void)
{
    GError *error = NULL;
    GThread *ran = NULL;
    struct iothread *iothread = iothread_new("io0", &error);
    g_assert_no_error(error);
    g_assert_true(iothread_find("io0") == iothread);
    g_assert_null(iothread_new("io0", &error));
    g_assert_nonnull(strstr(error->message, "io0"));
    g_clear_error(&error);
    iothread_run_sync(iothread, note_thread, &ran);
    g_assert_true(ran && ran != g_thread_self());
    iothread_ref(iothread);
    g_assert_false(iothread_delete(iothread, &error));
    g_clear_error(&error);
    iothread_unref(iothread);
    g_assert_true(iothread_delete(iothread, &error));
    g_assert_null(iothread_find("io0"));
    for (int i = 0; i < 50; i++) { /* deleted before it has begun to run */
        g_assert_true(iothread_delete(iothread_new("quick", &error), &error));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/timer/order", test_order);
    g_test_add_func("/timer/greedy-timer-yields", test_greedy_timer_yields);
    g_test_add_func("/timer/notify-only-when-first", test_notify_only_when_first);
    g_test_add_func("/clock/virtual", test_virtual_clock);
    g_test_add_func("/clock/ticks-hz", test_ticks_hz);
    g_test_add_func("/main-loop/runs-timers", test_loop_runs_timers);
    g_test_add_func("/main-loop/stopped-clock", test_stopped_clock_runs_no_timers);
    g_test_add_func("/main-loop/timer-from-thread", test_timer_armed_by_another_thread);
    g_test_add_func("/main-loop/big-lock", test_big_lock);
    g_test_add_func("/main-loop/big-lock-is-fair", test_big_lock_is_fair);
    g_test_add_func("/main-loop/schedule-nests", test_schedule_nests);
    g_test_add_func("/main-loop/watch-fd", test_watch_fd);
    g_test_add_func("/iothread/life", test_iothread);
    return g_test_run();
}
