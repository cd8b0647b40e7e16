/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bench for device models: ports, memory, lines and vCPUs without a machine. It brings its own vcpu_current(),
 * cpu_interrupt() and run state requests, which win over the library's, and a virtual clock that stands still.
 */
#ifndef FERRY_TESTS_DEVICE_BENCH_H
#define FERRY_TESTS_DEVICE_BENCH_H

#include "hw/core/device.h"
#include "hw/core/irq.h"
#include "migration/vmstate.h"
#include "target/i386/cpu.h"
#include "util/clock.h"

#define BENCH_LINES 24

extern bool bench_lines[BENCH_LINES];       /* where ISA lines 0 to 15 are wired */
extern unsigned bench_edges[BENCH_LINES];   /* rising edges so far */
extern struct x86_cpu *bench_current_cpu;   /* what vcpu_current() says */
extern int bench_resets, bench_panics, bench_crash_loads, bench_exit_code; /* requests seen; the exit code or -1 */

/* Once per program: memory, big lock, clock, ISA bus with its lines. */
void bench_init(void);
struct x86_cpu *bench_cpu_new(int index);

uint8_t bench_in(uint16_t port);
void bench_out(uint16_t port, uint8_t value);
uint32_t bench_load(uint64_t address);
void bench_store(uint64_t address, uint32_t value);

/* Moves the virtual clock, running timers on the way. */
void bench_clock_step(int64_t ns);
/*
 * Moves it without a timer on the way, as on a host that had no time for us; what has expired runs at the end, late.
 */
void bench_clock_stall(int64_t ns);

GByteArray *bench_save(const struct vmstate_description *vmsd, void *opaque);
bool bench_restore(const struct vmstate_description *vmsd, void *opaque, const void *data, size_t length,
                   GError **error);
/* The body must be exactly these bytes (hex, blanks ignored). */
void bench_check_golden(const struct vmstate_description *vmsd, void *opaque, const char *hex);
/*
 * Saving, loading that and saving again gives the same bytes; every stream cut within the first `fields` bytes (those
 * of the fields, without subsections) is refused.
 */
void bench_check_round_trip(const struct vmstate_description *vmsd, void *opaque, size_t fields);
/* Loading the body with `length` bytes at `offset` replaced is refused, with a message that has `word` in it. */
void bench_check_refused(const struct vmstate_description *vmsd, void *opaque, size_t offset, const void *bytes,
                         size_t length, const char *word);

#endif
