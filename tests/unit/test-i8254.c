/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 8254, clock by clock, and its ISA device with port 0x61. */
#include <glib.h>

#include "device-bench.h"
#include "hw/core/reset.h"
#include "hw/isa/isa.h"
#include "hw/misc/pc-ports.h"
#include "hw/timer/i8254.h"

static struct i8254 chip;
static struct device *pit, *speaker;

/* The first ns at which `clocks` clocks have passed. */
static int64_t at(uint64_t clocks)
{
    return (int64_t)((clocks * 1000000000ull + I8254_HZ - 1) / I8254_HZ);
}

static void program(uint8_t control, unsigned count)
{
    i8254_write(&chip, 3, control, 0);
    i8254_write(&chip, control >> 6, (uint8_t)count, 0);
    if ((control >> 4 & 3) == 3) {
        i8254_write(&chip, control >> 6, (uint8_t)(count >> 8), 0);
    }
}

/* Walks the transitions and checks them against the output a clock before and at each. */
static void check_transitions(int channel, const uint64_t *clocks, int count, bool ends)
{
    int64_t now = 0;

    for (int i = 0; i < count; i++) {
        int64_t next = i8254_next_transition(&chip, channel, now);

        g_assert_cmpint(next, ==, at(clocks[i]));
        g_assert_cmpint(i8254_output(&chip, channel, next), !=, i8254_output(&chip, channel, at(clocks[i] - 1)));
        now = next;
    }
    if (ends) {
        g_assert_cmpint(i8254_next_transition(&chip, channel, now), ==, -1);
    }
}

static void test_modes(void)
{
    i8254_reset(&chip, 0);
    program(0x30, 1000); /* mode 0 */
    g_assert_false(i8254_output(&chip, 0, at(999)));
    g_assert_true(i8254_output(&chip, 0, at(1000)));
    check_transitions(0, (uint64_t[]){ 1000 }, 1, true);
    g_assert_cmpuint(i8254_count(&chip, 0, at(1)), ==, 999);
    g_assert_cmpuint(i8254_count(&chip, 0, at(1001)), ==, 0xffff);
    program(0x34, 100); /* mode 2 */
    check_transitions(0, (uint64_t[]){ 99, 100, 199, 200, 299 }, 5, false);
    g_assert_cmpuint(i8254_count(&chip, 0, at(0)), ==, 100);
    g_assert_cmpuint(i8254_count(&chip, 0, at(99)), ==, 1);
    g_assert_cmpuint(i8254_count(&chip, 0, at(100)), ==, 100);
    program(0x36, 11); /* mode 3, odd: six high, five low */
    check_transitions(0, (uint64_t[]){ 6, 11, 17, 22 }, 4, false);
    program(0x3e, 10); /* mode 7 is mode 3 */
    g_assert_cmpuint(chip.channels[0].mode, ==, 3);
    check_transitions(0, (uint64_t[]){ 5, 10, 15 }, 3, false);
    program(0x38, 50); /* mode 4: a strobe */
    check_transitions(0, (uint64_t[]){ 50, 51 }, 2, true);
    program(0x34, 0); /* 65536 */
    check_transitions(0, (uint64_t[]){ 65535, 65536 }, 2, false);
    program(0x34, 1); /* not allowed by the datasheet; must not spin */
    g_assert_cmpint(i8254_next_transition(&chip, 0, 5), ==, -1);
    program(0x36, 1);
    g_assert_cmpint(i8254_next_transition(&chip, 0, 5), ==, -1);
}

static void test_gate(void)
{
    i8254_reset(&chip, 0);
    program(0xb2, 500); /* channel 2, mode 1: a one-shot from the gate's edge */
    i8254_set_gate(&chip, 2, true, at(100));
    g_assert_false(i8254_output(&chip, 2, at(100) + at(499)));
    g_assert_true(i8254_output(&chip, 2, at(100) + at(500)));
    program(0xb4, 500); /* mode 2: starts over */
    i8254_set_gate(&chip, 2, false, at(130));
    g_assert_true(i8254_output(&chip, 2, at(499)));
    g_assert_cmpint(i8254_next_transition(&chip, 2, at(499)), ==, -1);
    i8254_set_gate(&chip, 2, true, at(1000));
    g_assert_cmpint(i8254_next_transition(&chip, 2, at(1000)), ==, at(1000) + at(499));
}

static void test_latch(void)
{
    i8254_reset(&chip, 0);
    program(0x34, 0x1234);
    i8254_write(&chip, 3, 0x00, at(0x34)); /* latch: 0x1200 */
    i8254_write(&chip, 3, 0x00, at(0x44)); /* ignored until read */
    g_assert_cmphex(i8254_read(&chip, 0, at(0x50)), ==, 0x00);
    g_assert_cmphex(i8254_read(&chip, 0, at(0x60)), ==, 0x12);
    g_assert_cmphex(i8254_read(&chip, 0, at(0x134)), ==, 0x00); /* not latched: low byte of 0x1100, */
    g_assert_cmphex(i8254_read(&chip, 0, at(0x234)), ==, 0x10); /* high byte of 0x1000 */
    /* Read back status and count of channels 0 and 2. */
    i8254_write(&chip, 3, 0xca, at(0x34));
    g_assert_cmphex(i8254_read(&chip, 0, at(0x34)), ==, 0x80 | 0x34);
    g_assert_cmphex(i8254_read(&chip, 0, at(0x34)), ==, 0x00);
    g_assert_cmphex(i8254_read(&chip, 0, at(0x34)), ==, 0x12);
    g_assert_cmphex(i8254_read(&chip, 2, at(0x34)) & 0x7f, ==, 0x06);
    program(0x14, 0x80); /* low byte only */
    i8254_write(&chip, 3, 0xd2, at(0x10)); /* count of channel 0 */
    g_assert_cmphex(i8254_read(&chip, 0, at(0x20)), ==, 0x70);
    g_assert_cmphex(i8254_read(&chip, 0, at(0x20)), ==, 0x60); /* one byte was all of it */
    program(0x24, 0x02); /* high byte only: 0x200 */
    g_assert_cmphex(i8254_read(&chip, 0, at(0x100)), ==, 0x01);
    g_assert_cmphex(i8254_read(&chip, 3, 0), ==, 0);
}

static void test_bcd(void)
{
    i8254_reset(&chip, 0);
    program(0x35, 0x1234); /* mode 2 */
    g_assert_cmpint(chip.channels[0].count, ==, 1234);
    g_assert_cmphex(i8254_count(&chip, 0, at(35)), ==, 0x1199);
    program(0x35, 0);
    g_assert_cmpint(chip.channels[0].count, ==, 10000);
    g_assert_cmphex(i8254_count(&chip, 0, 0), ==, 0x0000);
    program(0x31, 0x5); /* mode 0 wraps to 9999 */
    g_assert_cmphex(i8254_count(&chip, 0, at(6)), ==, 0x9999);
    program(0x31, 0xffff); /* no BCD: some count that works */
    g_assert_true(i8254_check(&chip, NULL));
}

/* Whatever a guest writes, the state stays one that a load would accept and time goes on. */
static void test_random(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(8254);
    int64_t now = 0;

    i8254_reset(&chip, 0);
    for (int i = 0; i < 200000; i++) {
        unsigned offset = (unsigned)g_rand_int_range(rand, 0, 4);
        int channel = g_rand_int_range(rand, 0, 3);
        int64_t next;

        now += g_rand_int_range(rand, 0, 100000);
        if (g_rand_boolean(rand)) {
            i8254_write(&chip, offset, (uint8_t)g_rand_int(rand), now);
        } else {
            i8254_read(&chip, offset, now);
        }
        i8254_set_gate(&chip, 2, g_rand_boolean(rand), now);
        next = i8254_next_transition(&chip, channel, now);
        g_assert_true(next == -1 || next > now);
        g_assert_true(i8254_check(&chip, NULL));
    }
}

static void fresh(void)
{
    reset_all();
    bench_out(0x43, 0x30); /* mode 0, no count yet to come */
    bench_out(0x40, 1);
    bench_out(0x40, 0);
    bench_clock_step(1000000);
    bench_edges[0] = 0;
}

static void test_irq(void)
{
    fresh();
    bench_out(0x43, 0x34); /* 11932: 100 Hz */
    bench_out(0x40, 0x9c);
    bench_out(0x40, 0x2e);
    bench_clock_step(1000000000);
    g_assert_cmpuint(bench_edges[0], ==, 99); /* the hundredth comes 15 µs later */
    bench_clock_step(20000);
    g_assert_cmpuint(bench_edges[0], ==, 100);
    bench_out(0x43, 0x30); /* one-shot */
    bench_out(0x40, 0x9c);
    bench_out(0x40, 0x2e);
    bench_edges[0] = 0;
    g_assert_false(bench_lines[0]);
    bench_clock_step(at(0x2e9c) - 1);
    g_assert_cmpuint(bench_edges[0], ==, 0);
    bench_clock_step(1);
    g_assert_cmpuint(bench_edges[0], ==, 1);
    bench_clock_step(1000000000);
    g_assert_cmpuint(bench_edges[0], ==, 1);
    /* A period of two clocks asks for 600,000 interrupts a second; it gets some, the main loop stays free. */
    bench_out(0x43, 0x14);
    bench_out(0x40, 2);
    bench_edges[0] = 0;
    bench_clock_step(100000000);
    g_assert_cmpuint(bench_edges[0], >, 100);
    g_assert_cmpuint(bench_edges[0], <=, 10000);
}

/* Interrupts that a stalled host missed come one by one, soon, and then again in phase; too many of them are lost. */
static void test_catch_up(void)
{
    for (unsigned mode = 2; mode <= 3; mode++) {
        fresh();
        bench_out(0x43, (uint8_t)(0x30 | mode << 1)); /* 4773: 250 Hz */
        bench_out(0x40, 0xa5);
        bench_out(0x40, 0x12);
        bench_clock_step(at(4773 * 2 + 100));
        g_assert_cmpuint(bench_edges[0], ==, 2);
        bench_clock_stall(at(4773 * 10));
        g_assert_cmpuint(bench_edges[0], ==, 3);
        bench_out(0x43, 0x00); /* a guest reads the count */
        bench_in(0x40);
        bench_in(0x40);
        bench_out(0x43, 0xb0); /* and programs another channel */
        bench_clock_step(50000);
        g_assert_cmpuint(bench_edges[0], ==, 3);
        bench_clock_step(2450000);
        g_assert_cmpuint(bench_edges[0], ==, 12);
        bench_clock_step(at(4773 * 10));
        g_assert_cmpuint(bench_edges[0], ==, 22);
        bench_clock_stall(1000000000);
        bench_clock_step(1000000);
        g_assert_cmpuint(bench_edges[0], <=, 24);
    }
}

static void test_speaker(void)
{
    fresh();
    bench_out(0x61, 0x01); /* gate on */
    g_assert_cmphex(bench_in(0x61) & 0x03, ==, 0x01);
    bench_out(0x43, 0xb0); /* channel 2, mode 0, as Linux calibrates its TSC */
    bench_out(0x42, 0x00);
    bench_out(0x42, 0x10);
    g_assert_cmphex(bench_in(0x61) & 0x20, ==, 0);
    bench_clock_step(at(0x1000));
    g_assert_cmphex(bench_in(0x61) & 0x20, ==, 0x20);
    g_assert_cmphex((bench_in(0x61) ^ bench_in(0x61)) & 0x10, ==, 0x10); /* refresh toggles */
    bench_out(0x61, 0x02);
    g_assert_cmphex(bench_in(0x61) & 0x03, ==, 0x02);
}

static void test_state(void)
{
    static const uint8_t zero[4] = { 0 }, big[4] = { 0, 1, 0, 1 }, six = 6, refresh = 0x11;
    static const uint8_t negative[8] = { 0xff, 0, 0, 0, 0, 0, 0, 0 };

    fresh();
    bench_out(0x43, 0x34);
    bench_out(0x40, 0);
    bench_out(0x40, 0);
    {
        g_autoptr(GByteArray) state = bench_save(i8254_isa_type.vmstate, pit);

        g_assert_cmpuint(state->len, ==, 108);
        /* irq_disabled, channel 0's count, latched_count … mode, bcd, gate: as stock's */
        g_assert_cmpmem(state->data, 20, "\0\0\0\0\0\1\0\0\0\0\0\0\0\3\3\0\3\2\0\1", 20);
        g_assert_cmpmem(state->data + 28, 8, state->data + 100, 8); /* next_transition_time, twice */
    }
    bench_check_round_trip(i8254_isa_type.vmstate, pit, 108);
    bench_check_refused(i8254_isa_type.vmstate, pit, 4, zero, 4, "channels[0].count");
    bench_check_refused(i8254_isa_type.vmstate, pit, 36, big, 4, "channels[1].count");
    bench_check_refused(i8254_isa_type.vmstate, pit, 17, &six, 1, "mode");
    bench_check_refused(i8254_isa_type.vmstate, pit, 13, &six, 1, "read_state");
    bench_check_refused(i8254_isa_type.vmstate, pit, 20, negative, 8, "count_load_time");
    bench_check_refused(i8254_isa_type.vmstate, pit, 100, negative, 8, "next_transition_time");
    bench_out(0x61, 0x03);
    bench_check_golden(pcspk_type.vmstate, speaker, "01 00");
    bench_check_round_trip(pcspk_type.vmstate, speaker, 2);
    bench_check_refused(pcspk_type.vmstate, speaker, 1, &refresh, 1, "dummy_refresh_clock");
}

/* A one-shot in flight must still interrupt where the line was left high by the target's own reset. */
static void test_one_shot_migrates(void)
{
    g_autoptr(GByteArray) state = NULL;

    fresh();
    bench_out(0x43, 0x30);
    bench_out(0x40, 0x00);
    bench_out(0x40, 0x10);
    state = bench_save(i8254_isa_type.vmstate, pit);
    reset_all();
    g_assert_true(bench_lines[0]);
    bench_edges[0] = 0;
    g_assert_true(bench_restore(i8254_isa_type.vmstate, pit, state->data, state->len, NULL));
    g_assert_false(bench_lines[0]);
    bench_clock_step(at(0x1000) + 1000);
    g_assert_cmpuint(bench_edges[0], ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    pit = i8254_isa_create(NULL);
    speaker = pcspk_create(pit, NULL);
    g_assert_true(pit && speaker);
    g_test_add_func("/i8254/modes", test_modes);
    g_test_add_func("/i8254/gate", test_gate);
    g_test_add_func("/i8254/latch", test_latch);
    g_test_add_func("/i8254/bcd", test_bcd);
    g_test_add_func("/i8254/random", test_random);
    g_test_add_func("/i8254/irq", test_irq);
    g_test_add_func("/i8254/catch-up", test_catch_up);
    g_test_add_func("/i8254/speaker", test_speaker);
    g_test_add_func("/i8254/state", test_state);
    g_test_add_func("/i8254/one-shot-migrates", test_one_shot_migrates);
    return g_test_run();
}
