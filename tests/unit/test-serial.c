/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 16550A: the chip between a fake guest and a fake wire. */
#include <glib.h>
#include <string.h>

#include "chardev/char.h"
#include "device-bench.h"
#include "hw/core/reset.h"
#include "hw/char/serial.h"
#include "hw/char/uart16550.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = IIR };

static struct uart16550 uart;
static GString *sent;
static bool wire_busy;
static int accepts;
static int64_t now;

static bool wire_transmit(void *opaque, uint8_t byte)
{
    if (wire_busy) {
        return false;
    }
    g_string_append_c(sent, (char)byte);
    return true;
}

static void wire_accept(void *opaque)
{
    accepts++;
}

static void wire_changed(void *opaque)
{
}

static const struct uart16550_ops wire = {
    .transmit = wire_transmit, .accept_input = wire_accept, .changed = wire_changed,
};

static uint8_t rd(unsigned reg)
{
    return uart16550_read(&uart, reg, now);
}

static void wr(unsigned reg, uint8_t value)
{
    uart16550_write(&uart, reg, value, now);
}

static void fresh(void)
{
    uart.ops = &wire;
    uart16550_reset(&uart);
    g_string_truncate(sent, 0);
    wire_busy = false;
    now = 1000;
}

static void test_registers(void)
{
    fresh();
    g_assert_cmphex(rd(IIR), ==, 0x01);
    g_assert_cmphex(rd(LSR), ==, 0x60);
    g_assert_cmphex(rd(MSR), ==, 0xb0);
    wr(SCR, 0x5a);
    g_assert_cmphex(rd(SCR), ==, 0x5a);
    wr(LCR, 0x83);
    wr(DATA, 0x34);
    wr(IER, 0x12);
    g_assert_cmphex(rd(DATA), ==, 0x34);
    g_assert_cmphex(rd(IER), ==, 0x12);
    wr(LCR, 0x03);
    g_assert_cmphex(uart.divider, ==, 0x1234);
    g_assert_cmphex(rd(IER), ==, 0);
    wr(IER, 0xff);
    g_assert_cmphex(rd(IER), ==, 0x0f);
    wr(MCR, 0xff);
    g_assert_cmphex(rd(MCR), ==, 0x1f);
    wr(MCR, 0x1a); /* loopback, as Linux probes: OUT2 is DCD, RTS is CTS */
    g_assert_cmphex(rd(MSR) & 0xf0, ==, 0x90);
    wr(LSR, 0);
    wr(MSR, 0);
    g_assert_cmphex(rd(LSR), ==, 0x60);
    wr(FCR, 0xc9);
    g_assert_cmphex(rd(IIR) & 0xc0, ==, 0xc0); /* a 16550A */
}

static void test_transmit(void)
{
    fresh();
    wr(DATA, 'a');
    g_assert_cmpstr(sent->str, ==, "a");
    g_assert_cmphex(rd(LSR), ==, 0x60);
    g_assert_false(uart16550_irq(&uart));
    wr(IER, 0x02); /* empty already: interrupts at once */
    g_assert_true(uart16550_irq(&uart));
    g_assert_cmphex(rd(IIR), ==, 0x02);
    g_assert_false(uart16550_irq(&uart)); /* reading IIR answered it */
    wr(DATA, 'b');
    g_assert_true(uart16550_irq(&uart));
    wr(MCR, 0x00); /* without OUT2 nothing reaches the bus */
    g_assert_false(uart16550_irq(&uart));
    wr(MCR, 0x08);
    g_assert_true(uart16550_irq(&uart));
    wr(IER, 0x00);
    g_assert_false(uart16550_irq(&uart));
    g_assert_cmpstr(sent->str, ==, "ab");
}

/* The host is slow: the guest sees a busy transmitter and loses nothing. */
static void test_back_pressure(void)
{
    fresh();
    wr(FCR, 0x01);
    wire_busy = true;
    wr(DATA, '0');
    g_assert_cmphex(rd(LSR), ==, 0x20); /* the shift register holds it, the FIFO is empty */
    for (char c = '1'; c <= '9'; c++) {
        wr(DATA, (uint8_t)c);
        g_assert_cmphex(rd(LSR), ==, 0x00);
    }
    uart16550_retry(&uart, now);
    g_assert_cmpstr(sent->str, ==, "");
    wire_busy = false;
    uart16550_retry(&uart, now);
    g_assert_cmpstr(sent->str, ==, "0123456789");
    g_assert_cmphex(rd(LSR), ==, 0x60);
    wire_busy = true;
    for (int i = 0; i < 40; i++) {
        wr(DATA, (uint8_t)('A' + i)); /* one in the shift register, 16 in the FIFO, the rest is lost */
    }
    wire_busy = false;
    g_string_truncate(sent, 0);
    uart16550_retry(&uart, now);
    g_assert_cmpstr(sent->str, ==, "ABCDEFGHIJKLMNOPQ");
    wire_busy = true;
    wr(DATA, 'x');
    wr(DATA, 'y');
    wr(FCR, 0x05); /* clears the FIFO, not the shift register */
    g_assert_cmphex(rd(LSR), ==, 0x20);
    wire_busy = false;
    g_string_truncate(sent, 0);
    uart16550_retry(&uart, now);
    g_assert_cmpstr(sent->str, ==, "x");
}

static void test_receive(void)
{
    fresh();
    wr(IER, 0x05);
    g_assert_cmpint(uart16550_can_receive(&uart), ==, 1);
    uart16550_receive(&uart, 'p', now);
    g_assert_cmpint(uart16550_can_receive(&uart), ==, 0);
    g_assert_cmphex(rd(IIR), ==, 0x04);
    accepts = 0;
    g_assert_cmphex(rd(DATA), ==, 'p');
    g_assert_cmpint(accepts, ==, 1);
    g_assert_cmphex(rd(IIR), ==, 0x01);
    uart16550_receive(&uart, 'q', now);
    uart16550_receive(&uart, 'r', now); /* overrun */
    g_assert_cmphex(rd(IIR), ==, 0x06);
    g_assert_cmphex(rd(LSR), ==, 0x63);
    g_assert_cmphex(rd(LSR), ==, 0x61); /* errors go with the read */
    g_assert_cmphex(rd(IIR), ==, 0x04);
    g_assert_cmphex(rd(DATA), ==, 'r');
    uart16550_receive_break(&uart);
    g_assert_cmphex(rd(LSR), ==, 0x71);
    g_assert_cmphex(rd(DATA), ==, 0);
    g_assert_cmphex(rd(LSR), ==, 0x60);
}

static void test_receive_fifo(void)
{
    fresh();
    wr(IER, 0x01);
    wr(FCR, 0x41); /* trigger at four */
    for (int i = 0; i < 3; i++) {
        uart16550_receive(&uart, (uint8_t)('a' + i), now);
    }
    g_assert_false(uart16550_irq(&uart));
    g_assert_cmpint(uart16550_deadline(&uart), >, now);
    now = uart16550_deadline(&uart); /* four characters' time */
    uart16550_tick(&uart, now - 1);
    g_assert_false(uart16550_irq(&uart));
    uart16550_tick(&uart, now);
    g_assert_cmphex(rd(IIR), ==, 0xcc);
    g_assert_cmphex(rd(DATA), ==, 'a');
    g_assert_cmphex(rd(IIR), ==, 0xc1);
    uart16550_receive(&uart, 'd', now);
    uart16550_receive(&uart, 'e', now);
    g_assert_cmphex(rd(IIR), ==, 0xc4);
    for (int i = 0; i < 13; i++) {
        uart16550_receive(&uart, 'x', now);
    }
    g_assert_cmphex(rd(LSR) & 0x02, ==, 0x02); /* the seventeenth was lost */
    for (const char *expect = "bcdexxxxxxxxxxxx"; *expect; expect++) {
        g_assert_cmphex(rd(DATA), ==, *expect);
    }
    g_assert_cmphex(rd(LSR), ==, 0x60);
    g_assert_cmpint(uart16550_deadline(&uart), ==, -1);
    g_assert_cmphex(rd(DATA), ==, 0);
    uart16550_receive(&uart, 'x', now);
    wr(FCR, 0x00); /* off: cleared */
    g_assert_cmphex(rd(LSR), ==, 0x60);
    g_assert_cmpint(uart16550_deadline(&uart), ==, -1);
}

static void test_loopback(void)
{
    fresh();
    wr(FCR, 0x01);
    wr(MCR, 0x18);
    g_assert_cmpint(uart16550_can_receive(&uart), ==, 0);
    for (int i = 0; i < 20; i++) {
        wr(DATA, (uint8_t)i);
    }
    g_assert_cmpstr(sent->str, ==, "");
    g_assert_cmphex(rd(LSR) & 0x03, ==, 0x03);
    for (int i = 0; i < 16; i++) {
        g_assert_cmphex(rd(DATA), ==, i);
    }
}

static void test_state(void)
{
    static const uint8_t retry[4] = { 0xff, 0, 0, 0 }, busy = 0x20;

    fresh();
    /* As stock's at power-up, and with a running Linux console. */
    bench_check_golden(&vmstate_uart16550, &uart, "000c 00 00 01 00 08 60 b0 00 00");
    wr(LCR, 0x13);
    wr(FCR, 0x81);
    wr(IER, 0x05);
    wr(MCR, 0x0b);
    bench_check_golden(&vmstate_uart16550, &uart, "000c 00 05 c1 13 0b 60 b0 00 81");
    bench_check_round_trip(&vmstate_uart16550, &uart, 11);
    /* Everything in flight: THRE answered, a byte stuck, both FIFOs, the timeout. */
    wr(IER, 0x07);
    rd(IIR);
    wire_busy = true;
    wr(DATA, 's');
    rd(IIR);
    wr(DATA, 't');
    wr(DATA, 'u');
    uart16550_receive(&uart, 'v', now);
    uart16550_tick(&uart, uart16550_deadline(&uart));
    uart16550_receive(&uart, 'w', now);
    bench_check_round_trip(&vmstate_uart16550, &uart, 11);
    {
        g_autoptr(GByteArray) state = bench_save(&vmstate_uart16550, &uart);
        static const char *const names[] = { "serial/tsr", "serial/recv_fifo", "serial/xmit_fifo",
                                             "serial/fifo_timeout_timer", "serial/timeout_ipending" };

        for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
            g_assert_nonnull(memmem(state->data, state->len, names[i], strlen(names[i])));
        }
        fresh();
        g_assert_true(bench_restore(&vmstate_uart16550, &uart, state->data, state->len, NULL));
        uart16550_retry(&uart, now);
        g_assert_cmpstr(sent->str, ==, "stu");
        g_assert_cmphex(rd(IIR), ==, 0xcc);
        g_assert_cmphex(rd(DATA), ==, 'v');
        g_assert_cmphex(rd(DATA), ==, 'w');
        /* Each cut, anywhere: refused, or a state that is consistent (a cut between two subsections). */
        for (guint length = 11; length < state->len; length++) {
            fresh();
            if (bench_restore(&vmstate_uart16550, &uart, state->data, length, NULL)) {
                g_assert_cmpuint(uart.recv.num, <=, UART_FIFO_SIZE);
            }
        }
    }
    fresh();
    bench_check_refused(&vmstate_uart16550, &uart, 7, &busy, 1, "lsr"); /* busy with nothing */
    wire_busy = true;
    wr(DATA, 's');
    bench_check_refused(&vmstate_uart16550, &uart, 11 + 2 + 10 + 4, retry, 4, "tsr_retry");
    fresh();
    wr(FCR, 0x01);
    uart16550_receive(&uart, 'v', now);
    bench_check_refused(&vmstate_uart16550, &uart, 11 + 2 + 16 + 4 + 16, retry, 4, "recv_fifo"); /* head */
}

/* --- a chardev that is a string --- */

static struct chardev_frontend frontend;

struct chardev *chardev_find(const char *id)
{
    return strcmp(id, "wire") ? NULL : (struct chardev *)&frontend;
}

bool chardev_attach(struct chardev *chr, const struct chardev_frontend *callbacks, GError **error)
{
    frontend = *callbacks;
    return true;
}

void chardev_detach(struct chardev *chr, void *opaque)
{
    g_assert_true(frontend.opaque == opaque);
    frontend = (struct chardev_frontend){ 0 };
}

int chardev_write(struct chardev *chr, const void *data, int length)
{
    if (wire_busy) {
        return 0;
    }
    g_string_append_len(sent, data, length);
    return length;
}

void chardev_accept_input(struct chardev *chr)
{
    accepts++;
}

static void test_chardev(void)
{
    g_autoptr(GError) error = NULL;
    struct device *com2 = serial_isa_create(1, "wire", &error);

    g_assert_no_error(error);
    g_string_truncate(sent, 0);
    wire_busy = true;
    bench_out(0x2fc, 0x08);
    bench_out(0x2f9, 0x03);
    bench_out(0x2f8, 'k');
    g_assert_cmphex(bench_in(0x2fd), ==, 0x20);
    bench_clock_step(5000000);
    g_assert_cmpstr(sent->str, ==, "");
    wire_busy = false;
    bench_clock_step(1000000); /* offered again within a millisecond */
    g_assert_cmpstr(sent->str, ==, "k");
    g_assert_cmphex(bench_in(0x2fd), ==, 0x60);
    g_assert_cmphex(bench_in(0x2fa), ==, 0x02);
    bench_out(0x2fa, 0x81);
    g_assert_cmpint(frontend.can_receive(frontend.opaque), ==, 16);
    frontend.receive(frontend.opaque, (const uint8_t *)"hi", 2);
    bench_in(0x2fa);
    g_assert_false(bench_lines[3]);
    bench_clock_step(10000000); /* below the trigger: the timeout tells */
    g_assert_true(bench_lines[3]);
    g_assert_cmphex(bench_in(0x2fa), ==, 0xcc);
    g_assert_cmphex(bench_in(0x2f8), ==, 'h');
    g_assert_cmphex(bench_in(0x2f8), ==, 'i');
    g_assert_false(bench_lines[3]);
    frontend.event(frontend.opaque, CHARDEV_EVENT_BREAK);
    g_assert_cmphex(bench_in(0x2fd) & 0x10, ==, 0x10);
    frontend.receive(frontend.opaque, (const uint8_t *)"x", 1);
    bench_out(0x2f9, 0x05);
    g_assert_false(bench_lines[3]);
    reset_all();
    g_assert_cmphex(bench_in(0x2fd), ==, 0x60);
    g_assert_cmphex(bench_in(0x2f9), ==, 0x00);
    bench_check_golden(serial_isa_type.vmstate, com2, "000c 00 00 01 00 08 60 b0 00 00");
    bench_check_round_trip(serial_isa_type.vmstate, com2, 11);
    device_free(com2);
    g_assert_null(frontend.receive);
}

static void test_isa(void)
{
    g_autoptr(GError) error = NULL;
    struct device *com1 = serial_isa_create(0, NULL, &error);

    g_assert_no_error(error);
    g_assert_cmphex(bench_in(0x3fd), ==, 0x60);
    bench_out(0x3f8, '?'); /* nobody listens */
    g_assert_cmphex(bench_in(0x3fd), ==, 0x60);
    bench_out(0x3f9, 0x02);
    g_assert_true(bench_lines[4]);
    bench_out(0x3f9, 0x00);
    g_assert_false(bench_lines[4]);
    g_assert_null(serial_isa_create(0, NULL, &error));
    g_assert_nonnull(strstr(error->message, "in use"));
    g_clear_error(&error);
    g_assert_null(serial_isa_create(1, "nobody", &error));
    g_assert_nonnull(strstr(error->message, "'nobody'"));
    g_clear_error(&error);
    g_assert_null(serial_isa_create(4, NULL, &error));
    g_assert_nonnull(strstr(error->message, "index 4"));
    device_free(com1);
    g_assert_cmphex(bench_in(0x3fd), ==, 0xff);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    sent = g_string_new(NULL);
    g_test_add_func("/serial/registers", test_registers);
    g_test_add_func("/serial/transmit", test_transmit);
    g_test_add_func("/serial/back-pressure", test_back_pressure);
    g_test_add_func("/serial/receive", test_receive);
    g_test_add_func("/serial/receive-fifo", test_receive_fifo);
    g_test_add_func("/serial/loopback", test_loopback);
    g_test_add_func("/serial/state", test_state);
    g_test_add_func("/serial/chardev", test_chardev);
    g_test_add_func("/serial/isa", test_isa);
    return g_test_run();
}
