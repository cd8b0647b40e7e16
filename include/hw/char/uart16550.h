/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 16550A UART: the chip alone. Its wiring (ports, line, chardev, clock) is somebody else's, through struct
 * uart16550_ops.
 */
#ifndef FERRY_HW_CHAR_UART16550_H
#define FERRY_HW_CHAR_UART16550_H

#include <stdbool.h>
#include <stdint.h>

#define UART_FIFO_SIZE 16

struct uart_fifo {
    uint8_t data[UART_FIFO_SIZE];
    uint32_t head, num;
};

struct uart16550_ops {
    /* A byte leaves. False: not now; the chip holds it until uart16550_retry(). */
    bool (*transmit)(void *opaque, uint8_t byte);
    /* Room in the receiver after there was none, or less. */
    void (*accept_input)(void *opaque);
    /* The interrupt output or uart16550_deadline() may have changed. */
    void (*changed)(void *opaque);
};

struct uart16550 {
    uint16_t divider;
    uint8_t rbr, ier, iir, lcr, mcr, lsr, msr, scr, fcr;
    uint8_t thr, tsr;        /* written; being sent */
    int32_t thr_ipending;    /* THRE has not been answered; while loading -1: not in the stream */
    int32_t tsr_retry;       /* tsr waits for transmit() to take it */
    struct uart_fifo recv, xmit;
    int64_t timeout_at;      /* ns: characters have waited long enough by then; -1: none wait */
    int32_t timeout_ipending;
    int32_t poll_msl;        /* of streams from a host with real modem lines: read and forgotten */
    int64_t poll_at;

    const struct uart16550_ops *ops;
    void *opaque;
};

void uart16550_reset(struct uart16550 *uart);
uint8_t uart16550_read(struct uart16550 *uart, unsigned offset, int64_t now);
void uart16550_write(struct uart16550 *uart, unsigned offset, uint8_t value, int64_t now);
/* How many bytes may be received now. */
int uart16550_can_receive(const struct uart16550 *uart);
void uart16550_receive(struct uart16550 *uart, uint8_t byte, int64_t now);
void uart16550_receive_break(struct uart16550 *uart);
/* Sends what waits for transmit(). */
void uart16550_retry(struct uart16550 *uart, int64_t now);
/* The interrupt output, gated by OUT2 as PCs wire it. */
bool uart16550_irq(const struct uart16550 *uart);
/* Call uart16550_tick() at this time; -1: never. */
int64_t uart16550_deadline(const struct uart16550 *uart);
void uart16550_tick(struct uart16550 *uart, int64_t now);

extern const struct vmstate_description vmstate_uart16550; /* "serial" as other sections embed it */

#endif
