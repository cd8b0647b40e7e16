/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 16550A's state in the stream: registers, and subsections for what is rarely in flight. */
#include <inttypes.h>

#include "hw/char/uart16550.h"
#include "migration/stream.h"
#include "migration/vmstate.h"

#define IER_THRE 0x02
#define IIR_SOURCE 0x0f
#define IIR_THRE 0x02
#define FCR_KEPT 0xc9
#define LSR_THRE 0x20
#define LSR_TEMT 0x40

/* A time, where the peer has a timer: the same eight bytes, -1 (or any negative) is "not armed". */
static bool deadline_get(struct stream *s, void *element, size_t size, const struct vmstate_field *field,
                         GError **error)
{
    int64_t time = (int64_t)stream_get_u64(s);

    *(int64_t *)element = MAX(time, -1);
    return true;
}

static void deadline_put(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)
{
    stream_put_u64(s, (uint64_t)*(const int64_t *)element);
}

static const struct vmstate_info info_deadline = { .name = "timer", .get = deadline_get, .put = deadline_put };

static bool thr_ipending_needed(const void *opaque)
{
    const struct uart16550 *uart = opaque;

    /* Elsewhere it follows from IIR, or is sampled again when the interrupt is enabled. */
    return (uart->ier & IER_THRE) && uart->thr_ipending != ((uart->iir & IIR_SOURCE) == IIR_THRE);
}

static bool tsr_needed(const void *opaque)
{
    return ((const struct uart16550 *)opaque)->tsr_retry != 0;
}

static bool recv_needed(const void *opaque)
{
    return ((const struct uart16550 *)opaque)->recv.num != 0;
}

static bool xmit_needed(const void *opaque)
{
    return ((const struct uart16550 *)opaque)->xmit.num != 0;
}

static bool timeout_needed(const void *opaque)
{
    return ((const struct uart16550 *)opaque)->timeout_at >= 0;
}

static bool timeout_ipending_needed(const void *opaque)
{
    return ((const struct uart16550 *)opaque)->timeout_ipending != 0;
}

static bool poll_needed(const void *opaque)
{
    return ((const struct uart16550 *)opaque)->poll_msl >= 0; /* never ours */
}

static const struct vmstate_field fifo_fields[] = {
    VMSTATE_BUFFER(data, struct uart_fifo),
    VMSTATE_UINT32(head, struct uart_fifo),
    VMSTATE_UINT32(num, struct uart_fifo),
    VMSTATE_END
};
static const struct vmstate_description vmstate_fifo = {
    .name = "Fifo8", .version = 1, .minimum_version = 1, .fields = fifo_fields,
};

#define SUBSECTION(_id, _needed, ...)                                                                     \
    static const struct vmstate_field _id##_fields[] = { __VA_ARGS__, VMSTATE_END };                      \
    static const struct vmstate_description vmstate_##_id = {                                            \
        .name = "serial/" #_id, .version = 1, .minimum_version = 1, .needed = _needed, .fields = _id##_fields, \
    }

SUBSECTION(thr_ipending, thr_ipending_needed, VMSTATE_INT32(thr_ipending, struct uart16550));
SUBSECTION(tsr, tsr_needed, VMSTATE_INT32(tsr_retry, struct uart16550), VMSTATE_UINT8(thr, struct uart16550),
           VMSTATE_UINT8(tsr, struct uart16550));
SUBSECTION(recv_fifo, recv_needed,
           { .name = "recv_fifo", .offset = offsetof(struct uart16550, recv), .size = sizeof(struct uart_fifo),
             .flags = VMS_STRUCT, .vmsd = &vmstate_fifo });
SUBSECTION(xmit_fifo, xmit_needed,
           { .name = "xmit_fifo", .offset = offsetof(struct uart16550, xmit), .size = sizeof(struct uart_fifo),
             .flags = VMS_STRUCT, .vmsd = &vmstate_fifo });
SUBSECTION(fifo_timeout_timer, timeout_needed,
           { .name = "fifo_timeout_timer", .offset = offsetof(struct uart16550, timeout_at), .size = sizeof(int64_t),
             .info = &info_deadline });
SUBSECTION(timeout_ipending, timeout_ipending_needed, VMSTATE_INT32(timeout_ipending, struct uart16550));
SUBSECTION(poll, poll_needed, VMSTATE_INT32(poll_msl, struct uart16550),
           { .name = "modem_status_poll", .offset = offsetof(struct uart16550, poll_at), .size = sizeof(int64_t),
             .info = &info_deadline });

static const struct vmstate_description *const uart_subsections[] = {
    &vmstate_thr_ipending, &vmstate_tsr, &vmstate_recv_fifo, &vmstate_xmit_fifo,
    &vmstate_fifo_timeout_timer, &vmstate_timeout_ipending, &vmstate_poll, NULL,
};

static bool uart_pre_load(void *opaque, GError **error)
{
    struct uart16550 *uart = opaque;

    /* What the absence of the subsections says. */
    uart->thr_ipending = -1;
    uart->tsr_retry = 0;
    uart->recv.num = uart->xmit.num = 0;
    uart->timeout_at = -1;
    uart->timeout_ipending = 0;
    return true;
}

static bool fifo_check(const struct uart_fifo *fifo, const char *name, GError **error)
{
    if (fifo->head >= UART_FIFO_SIZE || fifo->num > UART_FIFO_SIZE) {
        return error_setf(error, "%s: head %u, num %u: there are %d places", name, fifo->head, fifo->num,
                          UART_FIFO_SIZE);
    }
    return true;
}

static bool uart_post_load(void *opaque, int version, GError **error)
{
    struct uart16550 *uart = opaque;

    if (!fifo_check(&uart->recv, "recv_fifo", error) || !fifo_check(&uart->xmit, "xmit_fifo", error)) {
        return false;
    }
    if (uart->tsr_retry < 0 || (uart->tsr_retry && (uart->lsr & LSR_TEMT))) {
        return error_setf(error, "tsr_retry %d with lsr 0x%x: nothing can be waiting to be sent", uart->tsr_retry,
                          uart->lsr);
    }
    if (!uart->tsr_retry && !(uart->lsr & LSR_TEMT)) {
        return error_setf(error, "lsr 0x%x without tsr: what is being sent is missing", uart->lsr);
    }
    if (uart->thr_ipending == -1) {
        uart->thr_ipending = (uart->iir & IIR_SOURCE) == IIR_THRE;
    }
    if (uart->lsr & LSR_TEMT) {
        uart->lsr |= LSR_THRE; /* or the guest would wait for ever */
    }
    uart->tsr_retry = !!uart->tsr_retry;
    uart->fcr &= FCR_KEPT;
    uart->ier &= 0x0f;
    uart->mcr &= 0x1f;
    uart->poll_msl = -1;
    uart->ops->changed(uart->opaque);
    return true;
}

static const struct vmstate_field uart_fields[] = {
    { .name = "divider", .offset = offsetof(struct uart16550, divider), .size = sizeof(uint16_t),
      .info = &vmstate_info_uint16, .version = 2 },
    VMSTATE_UINT8(rbr, struct uart16550),
    VMSTATE_UINT8(ier, struct uart16550),
    VMSTATE_UINT8(iir, struct uart16550),
    VMSTATE_UINT8(lcr, struct uart16550),
    VMSTATE_UINT8(mcr, struct uart16550),
    VMSTATE_UINT8(lsr, struct uart16550),
    VMSTATE_UINT8(msr, struct uart16550),
    VMSTATE_UINT8(scr, struct uart16550),
    { .name = "fcr_vmstate", .offset = offsetof(struct uart16550, fcr), .size = sizeof(uint8_t),
      .info = &vmstate_info_uint8, .version = 3 },
    VMSTATE_END
};

const struct vmstate_description vmstate_uart16550 = {
    .name = "serial", .version = 3, .minimum_version = 2,
    .pre_load = uart_pre_load,
    .post_load = uart_post_load,
    .fields = uart_fields,
    .subsections = uart_subsections,
};
