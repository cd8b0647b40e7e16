/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The MC146818, run by the virtual clock from a date of our choice. */
#include <glib.h>
#include <string.h>

#include "device-bench.h"
#include "hw/core/reset.h"
#include "hw/rtc/calendar.h"
#include "hw/rtc/mc146818rtc.h"
#include "util/keyval.h"

#define SECOND NSEC_PER_SEC

static struct device *rtc;

static uint8_t rd(uint8_t index)
{
    bench_out(0x70, index);
    return bench_in(0x71);
}

static void wr(uint8_t index, uint8_t value)
{
    bench_out(0x70, index);
    bench_out(0x71, value);
}

/* BCD, 24 hours, running, at the given time of 2026-11-20, a Friday. */
static void fresh(uint8_t hour, uint8_t minute, uint8_t second)
{
    static const uint8_t date[] = {
        RTC_DAY_OF_WEEK, 6, RTC_DAY, 0x20, RTC_MONTH, 0x11, RTC_YEAR, 0x26, RTC_CENTURY, 0x20,
    };

    reset_all();
    wr(RTC_REG_A, 0x26);
    wr(RTC_REG_B, 0x82);
    wr(RTC_SECONDS, second);
    wr(RTC_MINUTES, minute);
    wr(RTC_HOURS, hour);
    for (unsigned i = 0; i < sizeof(date); i += 2) {
        wr(date[i], date[i + 1]);
    }
    wr(RTC_SECONDS_ALARM, 0);
    wr(RTC_MINUTES_ALARM, 0);
    wr(RTC_HOURS_ALARM, 0);
    wr(RTC_REG_B, 0x02);
    wr(RTC_REG_A, 0x60); /* the phase, too: half a second to the first update */
    wr(RTC_REG_A, 0x26);
    rd(RTC_REG_C);
    bench_edges[8] = 0;
}

static void check_time(const char *expect)
{
    g_autofree char *got = g_strdup_printf("%02x%02x-%02x-%02x %02x:%02x:%02x %x", rd(RTC_CENTURY), rd(RTC_YEAR),
                                           rd(RTC_MONTH), rd(RTC_DAY), rd(RTC_HOURS), rd(RTC_MINUTES),
                                           rd(RTC_SECONDS), rd(RTC_DAY_OF_WEEK));
    g_assert_cmpstr(got, ==, expect);
}

static void test_start(void)
{
    check_time("2006-06-17 16:01:21 7"); /* -rtc base= of main() */
    g_assert_cmphex(rd(RTC_REG_A), ==, 0x26);
    g_assert_cmphex(rd(RTC_REG_B), ==, 0x02);
    g_assert_cmphex(rd(RTC_REG_D), ==, 0x80);
    g_assert_cmphex(bench_in(0x70), ==, 0xff);
}

static void test_runs(void)
{
    fresh(0x23, 0x59, 0x58);
    check_time("2026-11-20 23:59:58 6");
    bench_clock_step(SECOND / 2 - 1);
    check_time("2026-11-20 23:59:58 6");
    bench_clock_step(1);
    check_time("2026-11-20 23:59:59 6");
    bench_clock_step(SECOND);
    check_time("2026-11-21 00:00:00 7");
    bench_clock_step(31 * 86400ll * SECOND);
    check_time("2026-12-22 00:00:00 3");
    wr(RTC_YEAR, 0x99); /* set while it runs */
    check_time("2099-12-22 00:00:00 3");
    bench_clock_step(10 * 86400ll * SECOND);
    check_time("2100-01-01 00:00:00 6");
}

static void test_forms(void)
{
    uint8_t cmos[128] = { [RTC_REG_B] = 0x00 }; /* BCD, 12 hours */

    calendar_to_cmos(cmos, 0);
    g_assert_cmphex(cmos[RTC_HOURS], ==, 0x12); /* midnight is 12 AM */
    calendar_to_cmos(cmos, 12 * 3600);
    g_assert_cmphex(cmos[RTC_HOURS], ==, 0x92);
    calendar_to_cmos(cmos, 23 * 3600);
    g_assert_cmphex(cmos[RTC_HOURS], ==, 0x91);
    for (unsigned form = 0; form < 4; form++) {
        cmos[RTC_REG_B] = (uint8_t)((form & 1 ? REG_B_24H : 0) | (form & 2 ? REG_B_BINARY : 0));
        for (int64_t t = 0; t < 4102444800; t += 86400 * 37 + 4999) {
            calendar_to_cmos(cmos, t);
            g_assert_cmpint(calendar_from_cmos(cmos), ==, t);
        }
    }
    memset(cmos, 0xff, sizeof(cmos)); /* nonsense gives some time, the same each time */
    g_assert_cmpint(calendar_from_cmos(cmos), ==, calendar_from_cmos(cmos));
}

static void test_set(void)
{
    fresh(0x10, 0x00, 0x00);
    bench_clock_step(SECOND * 3 / 4); /* a quarter of a second into 10:00:01 */
    wr(RTC_REG_B, 0x82);
    bench_clock_step(5 * SECOND);
    check_time("2026-11-20 10:00:01 6"); /* frozen */
    wr(RTC_REG_B, 0x02);
    check_time("2026-11-20 10:00:01 6");
    bench_clock_step(SECOND * 3 / 4); /* the divider ran on meanwhile */
    check_time("2026-11-20 10:00:02 6");
    wr(RTC_REG_A, 0x76);
    bench_clock_step(5 * SECOND);
    check_time("2026-11-20 10:00:02 6");
    wr(RTC_REG_A, 0x26);
    bench_clock_step(SECOND / 2);
    check_time("2026-11-20 10:00:03 6");
}

static void test_update_in_progress(void)
{
    fresh(0x10, 0x00, 0x00);
    bench_clock_step(SECOND / 2 - 245000);
    g_assert_cmphex(rd(RTC_REG_A), ==, 0x26);
    bench_clock_step(1000);
    g_assert_cmphex(rd(RTC_REG_A), ==, 0xa6);
    bench_clock_step(244000);
    g_assert_cmphex(rd(RTC_REG_A), ==, 0x26);
    wr(RTC_REG_A, 0xa6); /* UIP is read only */
    g_assert_cmphex(rd(RTC_REG_A), ==, 0x26);
}

static void test_update_interrupt(void)
{
    fresh(0x10, 0x00, 0x00);
    bench_clock_step(SECOND);
    g_assert_false(bench_lines[8]);
    g_assert_cmphex(rd(RTC_REG_C), ==, 0x10); /* the flag comes without the interrupt */
    g_assert_cmphex(rd(RTC_REG_C), ==, 0x00);
    wr(RTC_REG_B, 0x12);
    for (int i = 0; i < 3; i++) {
        bench_clock_step(SECOND);
        g_assert_true(bench_lines[8]);
        g_assert_cmphex(rd(RTC_REG_C), ==, 0x90);
        g_assert_false(bench_lines[8]);
    }
    bench_clock_step(5 * SECOND); /* nobody reads: one edge */
    g_assert_cmpuint(bench_edges[8], ==, 4);
    wr(RTC_REG_B, 0x02);
    g_assert_false(bench_lines[8]);
    wr(RTC_REG_B, 0x12); /* enabled with the flag up: at once */
    g_assert_true(bench_lines[8]);
    wr(RTC_REG_B, 0x92); /* SET takes UIE away */
    g_assert_cmphex(rd(RTC_REG_B), ==, 0x82);
    g_assert_false(bench_lines[8]);
    wr(RTC_REG_B, 0x02);
    reset_all();
    g_assert_false(bench_lines[8]);
}

static void test_alarm(void)
{
    fresh(0x10, 0x00, 0x00);
    wr(RTC_SECONDS_ALARM, 0x05);
    wr(RTC_MINUTES_ALARM, 0x01);
    wr(RTC_HOURS_ALARM, 0x10);
    rd(RTC_REG_C);
    wr(RTC_REG_B, 0x22);
    bench_clock_step(64 * SECOND + SECOND / 2 - 1);
    g_assert_false(bench_lines[8]);
    bench_clock_step(1);
    g_assert_true(bench_lines[8]);
    g_assert_cmphex(rd(RTC_REG_C), ==, 0xb0);
    check_time("2026-11-20 10:01:05 6");
    wr(RTC_HOURS_ALARM, 0xff); /* every hour */
    bench_clock_step(3600 * SECOND - 1);
    g_assert_false(bench_lines[8]);
    bench_clock_step(1);
    g_assert_true(bench_lines[8]);
    rd(RTC_REG_C);
    wr(RTC_MINUTES_ALARM, 0xc0); /* every second */
    wr(RTC_SECONDS_ALARM, 0xc0);
    bench_edges[8] = 0;
    for (int i = 0; i < 5; i++) {
        bench_clock_step(SECOND);
        rd(RTC_REG_C);
    }
    g_assert_cmpuint(bench_edges[8], ==, 5);
    wr(RTC_SECONDS_ALARM, 0x61); /* never */
    rd(RTC_REG_C);
    bench_edges[8] = 0;
    bench_clock_step(100 * SECOND);
    g_assert_cmpuint(bench_edges[8], ==, 0);
    wr(RTC_REG_B, 0x02);
}

/* By brute force: the step that skips hours and minutes finds what looking at every second finds. */
static void test_alarm_search(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(146818);
    static const uint8_t candidates[] = { 0x00, 0x01, 0x09, 0x12, 0x23, 0x59, 0x92, 0xc0, 0xff, 0x77 };

    for (int round = 0; round < 60; round++) {
        uint8_t cmos[128] = { 0 };
        int64_t start = g_rand_int_range(rand, 0, 86400 * 3), expect = -1;

        cmos[RTC_REG_B] = g_rand_boolean(rand) ? REG_B_24H : 0;
        cmos[RTC_SECONDS_ALARM] = candidates[g_rand_int_range(rand, 0, sizeof(candidates))];
        cmos[RTC_MINUTES_ALARM] = candidates[g_rand_int_range(rand, 0, sizeof(candidates))];
        cmos[RTC_HOURS_ALARM] = candidates[g_rand_int_range(rand, 0, sizeof(candidates))];
        for (int64_t n = 1; n <= 86400 && expect < 0; n++) {
            bool match = true;

            calendar_to_cmos(cmos, start + n);
            for (int reg = RTC_SECONDS; reg <= RTC_HOURS; reg += 2) {
                match &= (cmos[reg + 1] & 0xc0) == 0xc0 || cmos[reg + 1] == cmos[reg];
            }
            expect = match ? n : -1;
        }
        g_assert_cmpint(calendar_seconds_to_alarm(cmos, start), ==, expect);
    }
}

static void test_periodic(void)
{
    fresh(0x10, 0x00, 0x00);
    wr(RTC_REG_B, 0x42); /* 1024 Hz */
    rd(RTC_REG_C);
    bench_edges[8] = 0;
    for (int i = 0; i < 1024; i++) {
        bench_clock_step(976563);
        rd(RTC_REG_C);
    }
    g_assert_cmpuint(bench_edges[8], >=, 1023);
    g_assert_cmpuint(bench_edges[8], <=, 1025);
    wr(RTC_REG_A, 0x2f); /* 2 Hz */
    rd(RTC_REG_C);
    bench_edges[8] = 0;
    for (int i = 0; i < 40; i++) {
        bench_clock_step(SECOND / 8);
        g_assert_cmphex(rd(RTC_REG_C) & 0x20, ==, 0);
    }
    g_assert_cmpuint(bench_edges[8], ==, 10);
    wr(RTC_REG_A, 0x20); /* none */
    bench_edges[8] = 0;
    bench_clock_step(10 * SECOND);
    g_assert_cmpuint(bench_edges[8], ==, 0);
    wr(RTC_REG_A, 0x26);
    wr(RTC_REG_B, 0x02);
}

static void test_cmos(void)
{
    mc146818rtc_set_pc_cmos(rtc, 3ull << 30, 5ull << 30, 4, "cad");
    g_assert_cmphex(rd(0x14), ==, 0x06);
    g_assert_cmphex(rd(0x15) | rd(0x16) << 8, ==, 640);
    g_assert_cmphex(rd(0x17) | rd(0x18) << 8, ==, 0xffff);
    g_assert_cmphex(rd(0x30) | rd(0x31) << 8, ==, 0xffff);
    g_assert_cmphex(rd(0x34) | rd(0x35) << 8, ==, (3072 - 16) * 16);
    g_assert_cmphex(rd(0x5b) | rd(0x5c) << 8 | rd(0x5d) << 16, ==, 5 * 16384);
    g_assert_cmphex(rd(0x5f), ==, 3);
    mc146818rtc_set_pc_cmos(rtc, 8ull << 20, 0, 1, "n");
    g_assert_cmphex(rd(0x3d), ==, 0x04);
    g_assert_cmphex(rd(0x38), ==, 0x00);
    g_assert_cmphex(rd(0x17) | rd(0x18) << 8, ==, 7168);
    g_assert_cmphex(rd(0x34) | rd(0x35) << 8, ==, 0);
    mc146818rtc_set_pc_cmos(rtc, 128ull << 20, 0, 1, "cad"); /* as in stock's stream of a 128 MiB guest */
    g_assert_cmphex(rd(0x34), ==, 0x00);
    g_assert_cmphex(rd(0x35), ==, 0x07);
    wr(0x7f, 0x42);
    bench_out(0x70, 0xff); /* bit 7 is the NMI mask */
    g_assert_cmphex(bench_in(0x71), ==, 0x42);
    reset_all();
    g_assert_cmphex(rd(0x7f), ==, 0x42); /* there is a battery */
    wr(RTC_REG_D, 0);
    wr(RTC_REG_C, 0xff);
    g_assert_cmphex(rd(RTC_REG_D), ==, 0x80);
}

static void test_state(void)
{
    static const uint8_t index = 0x80, far[8] = { 0x7f }, negative[8] = { 0xff };
    g_autoptr(GByteArray) state = NULL;

    fresh(0x10, 0x00, 0x00);
    wr(RTC_REG_B, 0x42);
    bench_check_round_trip(mc146818rtc_type.vmstate, rtc, 245);
    state = bench_save(mc146818rtc_type.vmstate, rtc);
    g_assert_cmpuint(state->len, ==, 245);
    g_assert_cmpmem(state->data, 14, "\x00\x00\x00\x00\x10\x00\x06\x20\x11\x26\x26\x42\x00\x80", 14);
    g_assert_cmpmem(state->data + 201, 4, "\0\0\0\x20", 4); /* period */
    bench_check_refused(mc146818rtc_type.vmstate, rtc, 128, &index, 1, "cmos_index");
    bench_check_refused(mc146818rtc_type.vmstate, rtc, 205, far, 8, "base_rtc");
    bench_check_refused(mc146818rtc_type.vmstate, rtc, 213, negative, 8, "last_update");
    bench_check_refused(mc146818rtc_type.vmstate, rtc, 221, negative, 8, "offset");
    /* Five minutes pass while the state is on its way. */
    bench_clock_step(300 * SECOND);
    wr(RTC_YEAR, 0x50);
    g_assert_true(bench_restore(mc146818rtc_type.vmstate, rtc, state->data, state->len, NULL));
    check_time("2026-11-20 10:05:00 6");
    bench_edges[8] = 0;
    bench_clock_step(1000000);
    g_assert_cmpuint(bench_edges[8], ==, 1); /* and the periodic interrupt goes on */
    wr(RTC_REG_B, 0x02);
}

static bool configure(const char *text, GError **error)
{
    struct keyval *kv = keyval_parse("-rtc", text, NULL, error);
    bool good = kv && rtc_configure(kv, error);

    keyval_free(kv);
    return good;
}

static void test_options(void)
{
    static const char *const bad[] = {
        "base=tomorrow", "base=2006-06-17x", "clock=sun", "driftfix=slew", "driftfix=x", "what=1",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(configure(bad[i], &error));
        g_assert_nonnull(error);
    }
    g_assert_true(configure("base=2006-06-17", NULL));
    g_assert_cmpint(rtc_start_time(), ==, 1150502400);
    g_assert_true(configure("base=utc,clock=host,driftfix=none", NULL));
    g_assert_cmpint(ABS(rtc_start_time() - g_get_real_time() / G_USEC_PER_SEC), <=, 1);
    g_assert_cmpint(rtc_clock(), ==, VM_CLOCK_HOST);
    g_assert_true(configure("base=localtime,clock=rt", NULL));
    g_assert_cmpint(rtc_clock(), ==, VM_CLOCK_REALTIME);
    g_assert_true(configure("clock=vm", NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    g_assert_true(configure("base=2006-06-17T16:01:21,clock=vm", NULL));
    rtc = mc146818rtc_create(NULL);
    g_assert_nonnull(rtc);
    g_test_add_func("/rtc/start", test_start);
    g_test_add_func("/rtc/runs", test_runs);
    g_test_add_func("/rtc/forms", test_forms);
    g_test_add_func("/rtc/set", test_set);
    g_test_add_func("/rtc/update-in-progress", test_update_in_progress);
    g_test_add_func("/rtc/update-interrupt", test_update_interrupt);
    g_test_add_func("/rtc/alarm", test_alarm);
    g_test_add_func("/rtc/alarm-search", test_alarm_search);
    g_test_add_func("/rtc/periodic", test_periodic);
    g_test_add_func("/rtc/cmos", test_cmos);
    g_test_add_func("/rtc/state", test_state);
    g_test_add_func("/rtc/options", test_options);
    return g_test_run();
}
