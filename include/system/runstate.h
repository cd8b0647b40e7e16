/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VM's run state: starting, stopping, reset, shutdown, panic, and who is told. Big lock held for all but the
 * *_request functions, which any thread may call; requests are carried out by the main loop.
 */
#ifndef FERRY_SYSTEM_RUNSTATE_H
#define FERRY_SYSTEM_RUNSTATE_H

#include "qapi/qapi-types.h" /* RunState, ShutdownCause, … */
#include "util/error.h"

RunState runstate_get(void);
bool runstate_is_running(void);
/* False if the transition is not one that QEMU's table allows (our own mistake: asserts in debug builds). */
void runstate_set(RunState state);

/* Starts clock and vCPUs; emits RESUME. A no-op while running. For those who know that it may run. */
void vm_start(void);
/*
 * What an operator's `cont` is, from a monitor or a debugger: refused where the guest may not run, takes the images back
 * that a migration let go; while the guest is still awaited it sets `autostart`.
 */
bool vm_resume(GError **error);
/*
 * Pauses vCPUs (the big lock is dropped meanwhile), stops the clock, tells listeners, emits STOP; state becomes
 * `state`. A VM that stands still already takes the new state only where that may follow: a request that came late,
 * such as a breakpoint's after a stop, changes nothing.
 */
void vm_stop(RunState state);
extern bool autostart; /* no -S: run once loaded */

/* Told after every start and stop (running says which), in order of priority for starts, reversed for stops. */
struct runstate_listener {
    void (*changed)(void *opaque, bool running, RunState state);
    void *opaque;
    int priority;
    struct runstate_listener *next;
};
void runstate_listener_add(struct runstate_listener *listener);
void runstate_listener_remove(struct runstate_listener *listener);

/* Any thread; a vCPU with the big lock held, for it stops itself. */
void system_reset_request(ShutdownCause cause);
void system_shutdown_request(ShutdownCause cause);
void system_shutdown_request_with_code(ShutdownCause cause, int exit_code); /* isa-debug-exit */
void system_powerdown_request(void);  /* the ACPI power button */
void system_guest_panicked(void);     /* pvpanic: event, and -action panic= decides */
void system_guest_crash_loaded(void);
void system_vmstop_request(RunState state);
/* A vCPU that met a triple fault: reset as the hardware does (-action reboot=). */

/* ACPI's PM device registers what the power button does. */
void system_powerdown_notify(void (*handler)(void *opaque), void *opaque);

/* Carries out pending requests; true: the main loop should end, with *exit_code. */
bool runstate_process_requests(int *exit_code);

#endif
