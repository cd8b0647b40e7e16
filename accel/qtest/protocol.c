/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qtest's commands, one per line; numbers as C writes them. Every line is answered by "OK", "OK VALUE…", "FAIL why"
 * or "ERR why".
 *
 *   inb|inw|inl PORT, outb|outw|outl PORT VALUE          one port access
 *   readb|readw|readl|readq ADDR, writeb|… ADDR VALUE    one memory access, little-endian
 *   read ADDR SIZE, write ADDR SIZE 0xHEX…, memset ADDR SIZE VALUE
 *   clock_step [NS], clock_set NS                        move the virtual clock (default: to the next timer);
 *                                                        answers where it is
 *   irq_intercept_in NAME                                from now on "IRQ raise N", "IRQ lower N" for the named
 *                                                        inputs ("ioapic", "i8259"), instead of delivering
 *   set_irq_in NAME unnamed N LEVEL                      drives one
 *   endianness                                           "OK little"
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "accel/qtest/internal.h"
#include "hw/core/irq-registry.h"
#include "memory/memory.h"
#include "util/clock.h"

#define BLOCK_MAX (16u << 20) /* bytes that one read, write or memset moves: nobody tests with more */

static bool parse_number(const char *word, uint64_t *value)
{
    char *end;

    if (!word || !*word) {
        return false;
    }
    errno = 0;
    *value = g_ascii_strtoull(word, &end, 0);
    return !errno && !*end;
}

static void fail(GString *reply, const char *why, const char *what)
{
    g_string_append_printf(reply, "FAIL %s '%s'", why, what ? what : "");
}

/* "readb" with stem "read": 1; 'b', 'w', 'l', 'q'. 0: another command. */
static unsigned access_size(const char *command, const char *stem)
{
    static const char letters[] = "bwlq";
    size_t length = strlen(stem);
    const char *letter;

    if (strncmp(command, stem, length) || !command[length] || command[length + 1]) {
        return 0;
    }
    letter = strchr(letters, command[length]);
    return letter ? 1u << (letter - letters) : 0;
}

static bool single_access(char **words, GString *reply)
{
    static const struct {
        const char *stem;
        bool port, write;
    } forms[] = { { "in", true, false }, { "out", true, true }, { "read", false, false }, { "write", false, true } };

    for (unsigned i = 0; i < G_N_ELEMENTS(forms); i++) {
        unsigned size = access_size(words[0], forms[i].stem);
        struct address_space *as = forms[i].port ? &address_space_io : &address_space_memory;
        uint64_t address, value = 0;
        struct flat_view *view;

        if (!size || (forms[i].port && size == 8)) {
            continue;
        }
        if (!parse_number(words[1], &address) || (forms[i].write && !parse_number(words[2], &value))) {
            fail(reply, "expects numbers:", words[0]);
            return true;
        }
        view = flat_view_get(as);
        if (forms[i].write) {
            flat_view_store(view, address, size, value);
            g_string_append(reply, "OK");
        } else {
            flat_view_load(view, address, size, &value);
            g_string_append_printf(reply, forms[i].port ? "OK 0x%04" G_GINT64_MODIFIER "x"
                                                        : "OK 0x%016" G_GINT64_MODIFIER "x", value);
        }
        flat_view_put(view);
        return true;
    }
    return false;
}

static bool parse_hex(const char *text, uint8_t *data, uint64_t size)
{
    if (!text || !g_str_has_prefix(text, "0x") || strlen(text + 2) < size * 2) {
        return false;
    }
    for (uint64_t i = 0; i < size; i++) {
        int high = g_ascii_xdigit_value(text[2 + 2 * i]), low = g_ascii_xdigit_value(text[3 + 2 * i]);

        if (high < 0 || low < 0) {
            return false;
        }
        data[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool block_access(char **words, GString *reply)
{
    bool is_read = !strcmp(words[0], "read"), is_write = !strcmp(words[0], "write");
    bool is_set = !strcmp(words[0], "memset");
    uint64_t address, size, fill = 0;
    g_autofree uint8_t *data = NULL;

    if (!is_read && !is_write && !is_set) {
        return false;
    }
    if (!parse_number(words[1], &address) || !parse_number(words[2], &size) || size > BLOCK_MAX ||
        (is_set && !parse_number(words[3], &fill))) {
        fail(reply, "expects an address and at most 16 MiB:", words[0]);
        return true;
    }
    data = g_malloc(size + 1);
    if (is_read) {
        address_space_read(&address_space_memory, address, data, size);
        g_string_append(reply, "OK 0x");
        for (uint64_t i = 0; i < size; i++) {
            g_string_append_printf(reply, "%02x", data[i]);
        }
        return true;
    }
    if (is_write && !parse_hex(words[3], data, size)) {
        fail(reply, "expects 0x and two digits a byte:", words[0]);
        return true;
    }
    if (is_set) {
        memset(data, (int)fill, size);
    }
    address_space_write(&address_space_memory, address, data, size);
    g_string_append(reply, "OK");
    return true;
}

static bool clock_command(char **words, GString *reply)
{
    bool step = !strcmp(words[0], "clock_step");
    int64_t now = vm_clock_ns(VM_CLOCK_VIRTUAL), target;
    uint64_t value = 0;

    if (!step && strcmp(words[0], "clock_set")) {
        return false;
    }
    if (!qtest_clock_in_use()) {
        fail(reply, "only -accel qtest has a clock to be moved:", words[0]);
        return true;
    }
    if (step && !words[1]) {
        target = timers_deadline(VM_CLOCK_VIRTUAL);
    } else if (!parse_number(words[1], &value) || value > INT64_MAX - (step ? (uint64_t)now : 0)) {
        fail(reply, "expects nanoseconds:", words[0]);
        return true;
    } else {
        target = (int64_t)value + (step ? now : 0);
    }
    qtest_clock_move(target);
    g_string_append_printf(reply, "OK %" G_GINT64_FORMAT, vm_clock_ns(VM_CLOCK_VIRTUAL));
    return true;
}

static void intercepted(void *opaque, int n, bool level)
{
    bool *levels = opaque;
    g_autofree char *line = NULL;

    if (levels[n] != level) {
        levels[n] = level;
        line = g_strdup_printf("IRQ %s %d", level ? "raise" : "lower", n);
        qtest_send_event(line);
    }
}

static bool irq_command(char **words, GString *reply)
{
    bool intercept = !strcmp(words[0], "irq_intercept_in"), set = !strcmp(words[0], "set_irq_in");
    int count;
    struct irq *lines;
    uint64_t n, level;

    if (!intercept && !set) {
        return false;
    }
    lines = words[1] ? irq_inputs_find(words[1], &count) : NULL;
    if (!lines) {
        fail(reply, "no inputs of that name:", words[1]);
    } else if (intercept) {
        if (lines[0].set != intercepted) {
            irq_init_array(lines, count, intercepted, g_new0(bool, (gsize)count)); /* for good */
        }
        g_string_append(reply, "OK");
    } else if (!words[2] || !parse_number(words[3], &n) || n >= (uint64_t)count || !parse_number(words[4], &level)) {
        fail(reply, "expects NAME unnamed N LEVEL:", words[0]);
    } else {
        irq_set(&lines[n], level);
        g_string_append(reply, "OK");
    }
    return true;
}

void qtest_command(char **words, GString *reply)
{
    if (!words[0]) {
        g_string_append(reply, "ERR empty line");
    } else if (!strcmp(words[0], "endianness")) {
        g_string_append(reply, "OK little");
    } else if (!single_access(words, reply) && !block_access(words, reply) && !clock_command(words, reply) &&
               !irq_command(words, reply)) {
        fail(reply, "Unknown command", words[0]);
    }
}
