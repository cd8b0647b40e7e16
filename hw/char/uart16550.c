/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 16550A UART (National Semiconductor PC16550D datasheet), pure: no bus, no host I/O, time is passed in.
 *
 * Modelled: all registers, both FIFOs with trigger levels, character timeout, the five interrupt sources by priority,
 * loopback, overrun, break. A byte is sent as soon as the other side takes it, whatever the baud rate; while it does
 * not, THRE and TEMT stay clear, which is how the guest is held back.
 * Left out on purpose: parity and framing (both ends are bytes), DMA modes, RTS/CTS flow control (the modem lines say
 * "ready").
 */
#include <string.h>

#include "hw/char/uart16550.h"
#include "migration/vmstate.h"
#include "util/clock.h"

enum { REG_DATA = 0, REG_IER = 1, REG_IIR_FCR = 2, REG_LCR = 3, REG_MCR = 4, REG_LSR = 5, REG_MSR = 6, REG_SCR = 7 };

#define IER_RECEIVE 0x01
#define IER_THRE 0x02
#define IER_LINE_STATUS 0x04
#define IER_MODEM_STATUS 0x08
#define IIR_NONE 0x01
#define IIR_MODEM_STATUS 0x00
#define IIR_THRE 0x02
#define IIR_RECEIVE 0x04
#define IIR_LINE_STATUS 0x06
#define IIR_TIMEOUT 0x0c
#define IIR_SOURCE 0x0f
#define IIR_FIFO 0xc0
#define FCR_ENABLE 0x01
#define FCR_RESET_RECV 0x02
#define FCR_RESET_XMIT 0x04
#define FCR_KEPT 0xc9
#define LCR_DLAB 0x80
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10
#define LSR_DR 0x01
#define LSR_OE 0x02
#define LSR_BI 0x10
#define LSR_ERRORS 0x1e
#define LSR_THRE 0x20
#define LSR_TEMT 0x40
#define MSR_DELTAS 0x0f
#define MSR_READY 0xb0 /* DCD, DSR, CTS */

#define BASE_BAUD 115200

static void fifo_reset(struct uart_fifo *fifo)
{
    fifo->head = fifo->num = 0;
}

static bool fifo_push(struct uart_fifo *fifo, uint8_t byte)
{
    if (fifo->num == UART_FIFO_SIZE) {
        return false;
    }
    fifo->data[(fifo->head + fifo->num++) % UART_FIFO_SIZE] = byte;
    return true;
}

static uint8_t fifo_pop(struct uart_fifo *fifo)
{
    uint8_t byte = fifo->data[fifo->head];

    fifo->head = (fifo->head + 1) % UART_FIFO_SIZE;
    fifo->num--;
    return byte;
}

static uint32_t trigger_level(const struct uart16550 *uart)
{
    static const uint8_t levels[4] = { 1, 4, 8, 14 };

    return levels[uart->fcr >> 6];
}

/* Four characters' time: start, data, parity and stop bits. */
static int64_t timeout_ns(const struct uart16550 *uart)
{
    unsigned bits = 1 + 5 + (uart->lcr & 3) + (uart->lcr >> 3 & 1) + 1 + (uart->lcr >> 2 & 1);

    return 4 * (int64_t)bits * NSEC_PER_SEC / BASE_BAUD * MAX(uart->divider, 1);
}

static uint8_t interrupt_source(const struct uart16550 *uart)
{
    if ((uart->ier & IER_LINE_STATUS) && (uart->lsr & LSR_ERRORS)) {
        return IIR_LINE_STATUS;
    }
    if ((uart->ier & IER_RECEIVE) && uart->timeout_ipending) {
        return IIR_TIMEOUT;
    }
    if ((uart->ier & IER_RECEIVE) && (uart->lsr & LSR_DR) &&
        (!(uart->fcr & FCR_ENABLE) || uart->recv.num >= trigger_level(uart))) {
        return IIR_RECEIVE;
    }
    if ((uart->ier & IER_THRE) && uart->thr_ipending) {
        return IIR_THRE;
    }
    if ((uart->ier & IER_MODEM_STATUS) && (uart->msr & MSR_DELTAS)) {
        return IIR_MODEM_STATUS;
    }
    return IIR_NONE;
}

static void uart_update_irq(struct uart16550 *uart)
{
    uart->iir = interrupt_source(uart) | (uart->iir & 0xf0);
    uart->ops->changed(uart->opaque);
}

bool uart16550_irq(const struct uart16550 *uart)
{
    return !(uart->iir & IIR_NONE) && (uart->mcr & MCR_OUT2);
}

int64_t uart16550_deadline(const struct uart16550 *uart)
{
    return uart->timeout_at;
}

void uart16550_tick(struct uart16550 *uart, int64_t now)
{
    if (uart->timeout_at >= 0 && now >= uart->timeout_at) {
        uart->timeout_at = -1;
        if (uart->recv.num) {
            uart->timeout_ipending = 1;
            uart_update_irq(uart);
        }
    }
}

/* --- Receiver --- */

int uart16550_can_receive(const struct uart16550 *uart)
{
    if (uart->mcr & MCR_LOOP) {
        return 0; /* the receiver is off the pin; what comes waits outside */
    }
    if (uart->fcr & FCR_ENABLE) {
        return (int)(UART_FIFO_SIZE - uart->recv.num);
    }
    return !(uart->lsr & LSR_DR);
}

void uart16550_receive(struct uart16550 *uart, uint8_t byte, int64_t now)
{
    if (uart->fcr & FCR_ENABLE) {
        if (!fifo_push(&uart->recv, byte)) {
            uart->lsr |= LSR_OE; /* the new one is lost */
        }
        uart->timeout_at = now + timeout_ns(uart);
    } else {
        if (uart->lsr & LSR_DR) {
            uart->lsr |= LSR_OE; /* the old one is lost */
        }
        uart->rbr = byte;
    }
    uart->lsr |= LSR_DR;
    uart_update_irq(uart);
}

void uart16550_receive_break(struct uart16550 *uart)
{
    uart->rbr = 0;
    if (uart->fcr & FCR_ENABLE) {
        fifo_push(&uart->recv, 0);
    }
    uart->lsr |= LSR_BI | LSR_DR;
    uart_update_irq(uart);
}

static uint8_t data_read(struct uart16550 *uart, int64_t now)
{
    uint8_t byte = uart->rbr;

    if (uart->fcr & FCR_ENABLE) {
        byte = uart->recv.num ? fifo_pop(&uart->recv) : 0;
        uart->timeout_ipending = 0;
        uart->timeout_at = uart->recv.num ? now + timeout_ns(uart) : -1;
    }
    if (!(uart->fcr & FCR_ENABLE) || !uart->recv.num) {
        uart->lsr &= (uint8_t)~(LSR_DR | LSR_BI);
    }
    uart_update_irq(uart);
    uart->ops->accept_input(uart->opaque);
    return byte;
}

/* --- Transmitter --- */

/* Moves the next byte to the shift register. TEMT is clear: there is one. */
static void load_shift_register(struct uart16550 *uart)
{
    if (uart->fcr & FCR_ENABLE) {
        uart->tsr = uart->xmit.num ? fifo_pop(&uart->xmit) : uart->thr;
    } else {
        uart->tsr = uart->thr;
    }
    if (!(uart->fcr & FCR_ENABLE) || !uart->xmit.num) {
        uart->lsr |= LSR_THRE;
        uart->thr_ipending = 1;
        uart_update_irq(uart);
    }
}

/* Sends until all is sent or the other side takes no more: at most a FIFO and the shift register. */
static void transmit(struct uart16550 *uart, int64_t now)
{
    for (;;) {
        if (!uart->tsr_retry) {
            load_shift_register(uart);
        }
        if (uart->mcr & MCR_LOOP) {
            uart16550_receive(uart, uart->tsr, now);
        } else if (!uart->ops->transmit(uart->opaque, uart->tsr)) {
            uart->tsr_retry = 1;
            uart->ops->changed(uart->opaque);
            return;
        }
        uart->tsr_retry = 0;
        if (uart->lsr & LSR_THRE) {
            break;
        }
    }
    uart->lsr |= LSR_TEMT;
}

void uart16550_retry(struct uart16550 *uart, int64_t now)
{
    if (uart->tsr_retry) {
        transmit(uart, now);
    }
}

static void data_write(struct uart16550 *uart, uint8_t value, int64_t now)
{
    uart->thr = value;
    if (uart->fcr & FCR_ENABLE) {
        fifo_push(&uart->xmit, value); /* into a full one: lost, as in the part */
    }
    uart->thr_ipending = 0;
    uart->lsr &= (uint8_t)~(LSR_THRE | LSR_TEMT);
    uart_update_irq(uart);
    if (!uart->tsr_retry) {
        transmit(uart, now);
    }
}

/* --- Registers --- */

static void fcr_write(struct uart16550 *uart, uint8_t value)
{
    if ((value ^ uart->fcr) & FCR_ENABLE) {
        value |= FCR_RESET_RECV | FCR_RESET_XMIT;
    }
    if (value & FCR_RESET_RECV) {
        uart->lsr &= (uint8_t)~(LSR_DR | LSR_BI);
        uart->timeout_at = -1;
        uart->timeout_ipending = 0;
        fifo_reset(&uart->recv);
    }
    if (value & FCR_RESET_XMIT) {
        fifo_reset(&uart->xmit);
        uart->lsr |= LSR_THRE;
        uart->thr_ipending = 1;
        if (!uart->tsr_retry) {
            uart->lsr |= LSR_TEMT; /* the shift register is not reset */
        }
    }
    uart->fcr = value & FCR_KEPT;
    uart->iir = (uart->iir & IIR_SOURCE) | (value & FCR_ENABLE ? IIR_FIFO : 0);
    uart_update_irq(uart);
    uart->ops->accept_input(uart->opaque);
}

static void ier_write(struct uart16550 *uart, uint8_t value)
{
    uint8_t changed = (value ^ uart->ier) & 0x0f;

    uart->ier = value & 0x0f;
    if (changed & IER_THRE) {
        uart->thr_ipending = (value & IER_THRE) && (uart->lsr & LSR_THRE); /* enabling it while empty interrupts */
    }
    if (changed) {
        uart_update_irq(uart);
    }
}

static uint8_t modem_status_read(struct uart16550 *uart)
{
    uint8_t mcr = uart->mcr, value = uart->msr;

    if (mcr & MCR_LOOP) { /* RTS, DTR, OUT1, OUT2 come back as CTS, DSR, RI, DCD */
        return (uint8_t)((mcr & 0x0c) << 4 | (mcr & 0x02) << 3 | (mcr & 0x01) << 5);
    }
    if (value & MSR_DELTAS) {
        uart->msr &= (uint8_t)~MSR_DELTAS;
        uart_update_irq(uart);
    }
    return value;
}

static uint8_t line_status_read(struct uart16550 *uart)
{
    uint8_t value = uart->lsr;

    if (value & LSR_ERRORS) {
        uart->lsr &= (uint8_t)~LSR_ERRORS;
        uart_update_irq(uart);
    }
    return value;
}

static uint8_t iir_read(struct uart16550 *uart)
{
    uint8_t value = uart->iir;

    if ((value & IIR_SOURCE) == IIR_THRE) {
        uart->thr_ipending = 0;
        uart_update_irq(uart);
    }
    return value;
}

uint8_t uart16550_read(struct uart16550 *uart, unsigned offset, int64_t now)
{
    bool dlab = uart->lcr & LCR_DLAB;

    switch (offset & 7) {
    case REG_DATA:
        return dlab ? (uint8_t)uart->divider : data_read(uart, now);
    case REG_IER:
        return dlab ? uart->divider >> 8 : uart->ier;
    case REG_IIR_FCR:
        return iir_read(uart);
    case REG_LCR:
        return uart->lcr;
    case REG_MCR:
        return uart->mcr;
    case REG_LSR:
        return line_status_read(uart);
    case REG_MSR:
        return modem_status_read(uart);
    default:
        return uart->scr;
    }
}

void uart16550_write(struct uart16550 *uart, unsigned offset, uint8_t value, int64_t now)
{
    bool dlab = uart->lcr & LCR_DLAB;

    switch (offset & 7) {
    case REG_DATA:
        if (dlab) {
            uart->divider = (uart->divider & 0xff00) | value;
        } else {
            data_write(uart, value, now);
        }
        break;
    case REG_IER:
        if (dlab) {
            uart->divider = (uint16_t)((uart->divider & 0xff) | value << 8);
        } else {
            ier_write(uart, value);
        }
        break;
    case REG_IIR_FCR:
        fcr_write(uart, value);
        break;
    case REG_LCR:
        uart->lcr = value;
        break;
    case REG_MCR:
        uart->mcr = value & 0x1f;
        uart->ops->changed(uart->opaque); /* OUT2 gates the line */
        uart->ops->accept_input(uart->opaque);
        break;
    case REG_SCR:
        uart->scr = value;
        break;
    default: /* LSR and MSR are read-only (the part's factory tests apart) */
        break;
    }
}

void uart16550_reset(struct uart16550 *uart)
{
    const struct uart16550_ops *ops = uart->ops;
    void *opaque = uart->opaque;

    *uart = (struct uart16550){
        .divider = 12, .iir = IIR_NONE, .mcr = MCR_OUT2, .lsr = LSR_THRE | LSR_TEMT, .msr = MSR_READY,
        .timeout_at = -1, .poll_msl = -1, .ops = ops, .opaque = opaque,
    };
    ops->changed(opaque);
}
