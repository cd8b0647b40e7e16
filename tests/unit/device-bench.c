/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "accel/vcpu.h"
#include "device-bench.h"
#include "hw/isa/isa.h"
#include "memory/memory.h"
#include "migration/stream.h"
#include "system/runstate.h"
#include "util/main-loop.h"

bool bench_lines[BENCH_LINES];
unsigned bench_edges[BENCH_LINES];
struct x86_cpu *bench_current_cpu;
int bench_resets, bench_panics, bench_crash_loads, bench_exit_code = -1;

static struct irq isa_lines[ISA_IRQS];
static int64_t clock_ns = 1000;

/* --- what the devices call --- */

struct x86_cpu *vcpu_current(void)
{
    return bench_current_cpu;
}

void cpu_interrupt(struct x86_cpu *cpu, uint32_t mask)
{
    cpu->interrupt_request |= mask;
}

void cpu_reset_interrupt(struct x86_cpu *cpu, uint32_t mask)
{
    cpu->interrupt_request &= ~mask;
}

void system_reset_request(ShutdownCause cause)
{
    bench_resets++;
}

void system_guest_panicked(void)
{
    bench_panics++;
}

void system_guest_crash_loaded(void)
{
    bench_crash_loads++;
}

void system_shutdown_request_with_code(ShutdownCause cause, int exit_code)
{
    bench_exit_code = exit_code;
}

/* --- clock, lines, ports --- */

static int64_t now_ns(void)
{
    return clock_ns;
}

static uint64_t now_ticks(void)
{
    return (uint64_t)((unsigned __int128)clock_ns * virtual_ticks_hz() / NSEC_PER_SEC);
}

static void line_set(void *opaque, int n, bool level)
{
    bench_edges[n] += level && !bench_lines[n];
    bench_lines[n] = level;
}

static const struct device_type bridge_type = {
    .name = "bench-bridge", .size = sizeof(struct device), .no_state = "only carries the bus",
};

void bench_init(void)
{
    struct device *bridge;

    main_loop_init();
    memory_init();
    virtual_clock_set_source(now_ns, now_ticks);
    irq_init_array(isa_lines, ISA_IRQS, line_set, NULL);
    bridge = device_new(&bridge_type, NULL);
    g_assert_true(device_realize(bridge, &system_bus, NULL));
    isa_bus_new(bridge);
    isa_connect_irqs(isa_lines);
}

struct x86_cpu *bench_cpu_new(int index)
{
    struct x86_cpu *cpu = g_new0(struct x86_cpu, 1);

    cpu->index = index;
    cpu->apic_id = (uint32_t)index;
    return cpu;
}

void bench_clock_step(int64_t ns)
{
    int64_t target = clock_ns + ns, deadline;

    while ((deadline = timers_deadline(VM_CLOCK_VIRTUAL)) >= 0 && deadline <= target) {
        clock_ns = MAX(clock_ns, deadline);
        timers_run(VM_CLOCK_VIRTUAL);
    }
    clock_ns = target;
}

void bench_clock_stall(int64_t ns)
{
    clock_ns += ns;
    timers_run(VM_CLOCK_VIRTUAL);
}

uint8_t bench_in(uint16_t port)
{
    uint8_t value;

    address_space_read(&address_space_io, port, &value, 1);
    return value;
}

void bench_out(uint16_t port, uint8_t value)
{
    address_space_write(&address_space_io, port, &value, 1);
}

uint32_t bench_load(uint64_t address)
{
    uint32_t value;

    address_space_read(&address_space_memory, address, &value, 4);
    return value;
}

void bench_store(uint64_t address, uint32_t value)
{
    address_space_write(&address_space_memory, address, &value, 4);
}

/* --- state --- */

GByteArray *bench_save(const struct vmstate_description *vmsd, void *opaque)
{
    struct stream *s = stream_new_memory_output();
    g_autoptr(GError) error = NULL;
    bool good = vmstate_save_body(s, vmsd, opaque, NULL, &error);
    GByteArray *data = g_byte_array_new(), *written = stream_memory_data(s);

    g_assert_no_error(error);
    g_assert_true(good);
    g_byte_array_append(data, written->data, written->len);
    stream_free(s);
    return data;
}

bool bench_restore(const struct vmstate_description *vmsd, void *opaque, const void *data, size_t length,
                   GError **error)
{
    struct stream *s = stream_new_memory_input(data, length);
    bool good = vmstate_load_body(s, vmsd, opaque, vmsd->version, error);

    stream_free(s);
    return good;
}

void bench_check_golden(const struct vmstate_description *vmsd, void *opaque, const char *hex)
{
    g_autoptr(GByteArray) data = bench_save(vmsd, opaque);
    g_autoptr(GString) got = g_string_new(NULL), want = g_string_new(NULL);

    for (; *hex; hex++) {
        if (*hex != ' ') {
            g_string_append_c(want, *hex);
        }
    }
    for (guint i = 0; i < data->len; i++) {
        g_string_append_printf(got, "%02x", data->data[i]);
    }
    g_assert_cmpstr(got->str, ==, want->str);
}

void bench_check_round_trip(const struct vmstate_description *vmsd, void *opaque, size_t fields)
{
    g_autoptr(GByteArray) first = bench_save(vmsd, opaque);

    g_assert_cmpuint(first->len, >=, fields);
    for (size_t length = 0; length < fields; length++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(bench_restore(vmsd, opaque, first->data, length, &error));
        g_assert_nonnull(error);
    }
    {
        g_autoptr(GError) error = NULL;
        bool good = bench_restore(vmsd, opaque, first->data, first->len, &error);
        g_autoptr(GByteArray) second = bench_save(vmsd, opaque);

        g_assert_no_error(error);
        g_assert_true(good);
        for (guint i = 0; i < MIN(first->len, second->len); i++) {
            if (first->data[i] != second->data[i]) {
                g_error("%s: byte %u was 0x%02x, after loading and saving it is 0x%02x", vmsd->name, i,
                        first->data[i], second->data[i]);
            }
        }
        g_assert_cmpuint(first->len, ==, second->len);
    }
}

void bench_check_refused(const struct vmstate_description *vmsd, void *opaque, size_t offset, const void *bytes,
                         size_t length, const char *word)
{
    g_autoptr(GByteArray) good = bench_save(vmsd, opaque), bad = g_byte_array_new();
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(offset + length, <=, good->len);
    g_byte_array_append(bad, good->data, good->len);
    memcpy(bad->data + offset, bytes, length);
    g_assert_false(bench_restore(vmsd, opaque, bad->data, bad->len, &error));
    g_assert_nonnull(error);
    if (!strstr(error->message, word)) {
        g_error("the message '%s' does not name '%s'", error->message, word);
    }
    g_assert_true(bench_restore(vmsd, opaque, good->data, good->len, NULL));
}
