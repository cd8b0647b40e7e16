/* SPDX-License-Identifier: GPL-2.0-or-later */
/* COM1, polled, and a small printf. */
#include <stdarg.h>

#include "guest.h"

#define COM1 0x3f8

void serial_init(void)
{
    outb(COM1 + 1, 0);    /* no interrupts */
    outb(COM1 + 3, 0x80);
    outb(COM1 + 0, 1);    /* 115200 */
    outb(COM1 + 1, 0);
    outb(COM1 + 3, 3);    /* 8n1 */
    outb(COM1 + 2, 7);    /* FIFOs on, cleared */
    outb(COM1 + 4, 3);
}

void serial_putc(char c)
{
    while (!(inb(COM1 + 5) & 0x20)) {
        cpu_pause();
    }
    outb(COM1, c);
}

bool serial_pending(void)
{
    return inb(COM1 + 5) & 1;
}

char serial_getc(void)
{
    while (!serial_pending()) {
        cpu_pause();
    }
    return inb(COM1);
}

static void put_number(uint64_t v, unsigned base, bool negative)
{
    char digits[24];
    int n = 0;
    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    if (negative) {
        serial_putc('-');
    }
    while (n) {
        serial_putc(digits[--n]);
    }
}

void print(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            serial_putc(*fmt);
            continue;
        }
        bool wide = *++fmt == 'l';
        fmt += wide;
        uint64_t v;
        switch (*fmt) {
        case 's':
            for (const char *s = va_arg(ap, const char *); *s; s++) {
                serial_putc(*s);
            }
            break;
        case 'c':
            serial_putc(va_arg(ap, int));
            break;
        case 'd': {
            int64_t d = wide ? va_arg(ap, int64_t) : va_arg(ap, int);
            put_number(d < 0 ? -(uint64_t)d : (uint64_t)d, 10, d < 0);
            break;
        }
        case 'u':
        case 'x':
            v = wide ? va_arg(ap, uint64_t) : va_arg(ap, unsigned);
            put_number(v, *fmt == 'x' ? 16 : 10, false);
            break;
        default:
            serial_putc(*fmt);
        }
    }
    va_end(ap);
}
