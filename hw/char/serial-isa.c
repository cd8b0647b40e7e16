/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A 16550A on the ISA bus: COM1 to COM4 (or anywhere), and the character device behind it. The chip is uart16550.c;
 * here are ports, line, clock and chardev.
 *
 * The chardev keeps what the host cannot take yet, up to a bound. Past that a byte stays in the chip, which then
 * looks busy to the guest, and is offered again every millisecond: the host's slowness becomes the guest's.
 */
#include "chardev/char.h"
#include "hw/char/serial.h"
#include "hw/char/uart16550.h"
#include "hw/isa/isa.h"
#include "memory/memory.h"
#include "migration/vmstate.h"
#include "trace/hw_char.h"
#include "util/clock.h"

#define SERIAL_PORTS 4
#define RETRY_NS NSEC_PER_MSEC
#define UNSET UINT32_MAX

struct serial_isa {
    struct device dev;
    struct uart16550 uart;

    /* Properties. */
    uint32_t index, iobase, irq_number;
    char *chardev_id;

    struct chardev *chr;
    struct irq *irq;
    struct timer timer; /* the chip's deadline, or the next attempt to send */
    struct memory_region region;
};

static uint32_t ports_in_use; /* bit i: index i is taken */

static int64_t clock_now(void)
{
    return vm_clock_ns(VM_CLOCK_VIRTUAL);
}

static void serial_changed(void *opaque)
{
    struct serial_isa *serial = opaque;
    int64_t deadline = uart16550_deadline(&serial->uart);

    irq_set(serial->irq, uart16550_irq(&serial->uart));
    if (serial->uart.tsr_retry) {
        int64_t retry = clock_now() + RETRY_NS;
        deadline = deadline < 0 ? retry : MIN(deadline, retry);
    }
    if (deadline >= 0) {
        timer_set(&serial->timer, deadline);
    } else {
        timer_cancel(&serial->timer);
    }
}

static bool serial_transmit(void *opaque, uint8_t byte)
{
    struct serial_isa *serial = opaque;

    if (serial->chr && chardev_write(serial->chr, &byte, 1) != 1) {
        trace_serial_transmit_busy(serial->index);
        return false;
    }
    return true;
}

static void serial_accept_input(void *opaque)
{
    struct serial_isa *serial = opaque;

    if (serial->chr) {
        chardev_accept_input(serial->chr);
    }
}

static const struct uart16550_ops serial_uart_ops = {
    .transmit = serial_transmit, .accept_input = serial_accept_input, .changed = serial_changed,
};

static void serial_timer(void *opaque)
{
    struct serial_isa *serial = opaque;
    int64_t now = clock_now();

    uart16550_retry(&serial->uart, now);
    uart16550_tick(&serial->uart, now);
    serial_changed(serial);
}

static int serial_can_receive(void *opaque)
{
    return uart16550_can_receive(&((struct serial_isa *)opaque)->uart);
}

static void serial_receive(void *opaque, const uint8_t *data, int length)
{
    struct serial_isa *serial = opaque;

    for (int i = 0; i < length; i++) {
        uart16550_receive(&serial->uart, data[i], clock_now());
    }
}

static void serial_event(void *opaque, enum chardev_event event)
{
    if (event == CHARDEV_EVENT_BREAK) {
        uart16550_receive_break(&((struct serial_isa *)opaque)->uart);
    }
}

static uint64_t serial_read(void *opaque, hwaddr offset, unsigned size)
{
    struct serial_isa *serial = opaque;
    uint8_t value = uart16550_read(&serial->uart, (unsigned)offset, clock_now());

    trace_serial_read(serial->index, (unsigned)offset, value);
    return value;
}

static void serial_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct serial_isa *serial = opaque;

    trace_serial_write(serial->index, (unsigned)offset, (unsigned)value);
    uart16550_write(&serial->uart, (unsigned)offset, (uint8_t)value, clock_now());
}

static const struct memory_region_ops serial_ops = { .read = serial_read, .write = serial_write, .max_access = 1 };

static void serial_reset(struct device *dev)
{
    uart16550_reset(&((struct serial_isa *)dev)->uart);
}

static const struct vmstate_field serial_fields[] = {
    { .name = "state", .offset = offsetof(struct serial_isa, uart), .size = sizeof(struct uart16550),
      .flags = VMS_STRUCT, .vmsd = &vmstate_uart16550 },
    VMSTATE_END
};

static const struct vmstate_description vmstate_serial = {
    .name = "serial", .version = 3, .minimum_version = 2,
    .fields = serial_fields,
};

/* What was not given follows from the index, and the index from what is free. */
static bool serial_place(struct serial_isa *serial, GError **error)
{
    static const uint16_t bases[SERIAL_PORTS] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
    static const uint8_t irqs[SERIAL_PORTS] = { 4, 3, 4, 3 };

    if (serial->index == UNSET) {
        serial->index = (uint32_t)__builtin_ctz(~ports_in_use);
    }
    if (serial->index >= SERIAL_PORTS) {
        return error_setf(error, "isa-serial index %u: there are %d, 0 to %d", serial->index, SERIAL_PORTS,
                          SERIAL_PORTS - 1);
    }
    if (ports_in_use >> serial->index & 1) {
        return error_setf(error, "isa-serial index %u is in use already", serial->index);
    }
    if (serial->iobase == UNSET) {
        serial->iobase = bases[serial->index];
    }
    if (serial->irq_number == UNSET) {
        serial->irq_number = irqs[serial->index];
    }
    if (serial->iobase > 0x10000 - 8) {
        return error_setf(error, "isa-serial iobase 0x%x: should be at most 0xfff8", serial->iobase);
    }
    if (serial->irq_number >= ISA_IRQS) {
        return error_setf(error, "isa-serial irq %u: should be 0 to 15", serial->irq_number);
    }
    return true;
}

static bool serial_realize(struct device *dev, GError **error)
{
    static const struct chardev_frontend callbacks = {
        .can_receive = serial_can_receive, .receive = serial_receive, .event = serial_event,
    };
    struct serial_isa *serial = (struct serial_isa *)dev;
    struct chardev_frontend frontend = callbacks;

    if (!serial_place(serial, error)) {
        return false;
    }
    serial->uart.ops = &serial_uart_ops;
    serial->uart.opaque = serial;
    serial->irq = isa_get_irq((int)serial->irq_number);
    timer_init(&serial->timer, VM_CLOCK_VIRTUAL, serial_timer, serial);
    uart16550_reset(&serial->uart);
    if (serial->chardev_id) {
        struct chardev *chr = chardev_find(serial->chardev_id);

        if (!chr) {
            return error_setf(error, "isa-serial chardev '%s': there is no such chardev", serial->chardev_id);
        }
        frontend.opaque = serial;
        if (!chardev_attach(chr, &frontend, error)) {
            return false;
        }
        serial->chr = chr;
    }
    ports_in_use |= 1u << serial->index;
    memory_region_init_io(&serial->region, &serial_ops, serial, "serial", 8);
    memory_region_add(&system_io, serial->iobase, &serial->region, 0);
    return true;
}

static void serial_unrealize(struct device *dev)
{
    struct serial_isa *serial = (struct serial_isa *)dev;

    memory_region_remove(&serial->region);
    memory_region_cleanup(&serial->region);
    if (serial->chr) {
        chardev_detach(serial->chr, serial);
        serial->chr = NULL;
    }
    timer_cancel(&serial->timer);
    ports_in_use &= ~(1u << serial->index);
}

static const struct property serial_properties[] = {
    PROPERTY(UINT32, "index", struct serial_isa, index, UNSET, "0 to 3: COM1 to COM4; default: the first free"),
    PROPERTY(UINT32, "iobase", struct serial_isa, iobase, UNSET, "first of its eight ports; default: by index"),
    PROPERTY(UINT32, "irq", struct serial_isa, irq_number, UNSET, "ISA line; default: by index"),
    { .name = "chardev", .kind = PROPERTY_STRING, .offset = offsetof(struct serial_isa, chardev_id),
      .description = "ID of the character device behind it" },
    PROPERTY_END
};

const struct device_type serial_isa_type = {
    .name = "isa-serial",
    .bus = "ISA",
    .category = "Input",
    .description = "16550A serial port",
    .size = sizeof(struct serial_isa),
    .user_creatable = true,
    .properties = serial_properties,
    .vmstate = &vmstate_serial,
    .realize = serial_realize,
    .unrealize = serial_unrealize,
    .reset = serial_reset,
};

struct device *serial_isa_create(int index, const char *chardev_id, GError **error)
{
    struct device *dev = device_new(&serial_isa_type, error);
    g_autofree char *number = g_strdup_printf("%d", index);

    if (!dev) {
        return NULL;
    }
    device_set(dev, "index", number);
    if ((chardev_id && !device_set_property(dev, "chardev", chardev_id, error)) ||
        !device_realize(dev, NULL, error)) {
        device_free(dev);
        return NULL;
    }
    return dev;
}
