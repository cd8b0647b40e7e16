/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The run state machine, and the requests that change it. Requests are flags that any thread sets and the main loop
 * carries out, since stopping vCPUs cannot be done from under one of them.
 */
#include "system/runstate.h"

#include "accel/accel.h"
#include "accel/vcpu.h"
#include "block/block.h"
#include "hw/core/reset.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "system/system.h"
#include "util/clock.h"
#include "util/keyval.h"
#include "util/main-loop.h"

static RunState state = RUN_STATE_PRELAUNCH;
bool autostart = true;

static RebootAction reboot_action = REBOOT_ACTION_RESET;
static ShutdownAction shutdown_action = SHUTDOWN_ACTION_POWEROFF;
static PanicAction panic_action = PANIC_ACTION_SHUTDOWN;

/* Requests; atomics. SHUTDOWN_CAUSE_NONE and RUN_STATE__MAX: none. */
static int shutdown_requested, reset_requested, powerdown_requested, panic_requested;
static int vmstop_requested = RUN_STATE__MAX;
static int exit_status;

static struct runstate_listener *listeners; /* by rising priority */
static struct {
    void (*handler)(void *opaque);
    void *opaque;
} power_button;

/* Which states may follow which: a row per state, a bit per successor. */
#define TO(s) (1u << RUN_STATE_##s)
static const uint32_t transitions[RUN_STATE__MAX] = {
    [RUN_STATE_DEBUG] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(PRELAUNCH) | TO(GUEST_PANICKED),
    [RUN_STATE_INMIGRATE] = TO(INTERNAL_ERROR) | TO(IO_ERROR) | TO(PAUSED) | TO(RUNNING) | TO(SHUTDOWN) |
                            TO(SUSPENDED) | TO(WATCHDOG) | TO(GUEST_PANICKED) | TO(FINISH_MIGRATE) | TO(PRELAUNCH) |
                            TO(POSTMIGRATE),
    [RUN_STATE_INTERNAL_ERROR] = TO(PAUSED) | TO(FINISH_MIGRATE) | TO(PRELAUNCH),
    [RUN_STATE_IO_ERROR] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(PRELAUNCH),
    [RUN_STATE_PAUSED] =
        TO(RUNNING) | TO(FINISH_MIGRATE) | TO(POSTMIGRATE) | TO(PRELAUNCH) | TO(SHUTDOWN) | TO(GUEST_PANICKED),
    [RUN_STATE_POSTMIGRATE] =
        TO(RUNNING) | TO(FINISH_MIGRATE) | TO(PRELAUNCH) | TO(PAUSED) | TO(SHUTDOWN) | TO(GUEST_PANICKED),
    [RUN_STATE_PRELAUNCH] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(INMIGRATE) | TO(PAUSED) | TO(SHUTDOWN),
    [RUN_STATE_FINISH_MIGRATE] = TO(RUNNING) | TO(PAUSED) | TO(POSTMIGRATE) | TO(PRELAUNCH) | TO(GUEST_PANICKED) |
                                 TO(SHUTDOWN) | TO(IO_ERROR) | TO(INTERNAL_ERROR) | TO(SUSPENDED) | TO(WATCHDOG) |
                                 TO(DEBUG),
    [RUN_STATE_RUNNING] = TO(DEBUG) | TO(INTERNAL_ERROR) | TO(IO_ERROR) | TO(PAUSED) | TO(FINISH_MIGRATE) |
                          TO(SHUTDOWN) | TO(WATCHDOG) | TO(GUEST_PANICKED),
    [RUN_STATE_SHUTDOWN] = TO(PAUSED) | TO(FINISH_MIGRATE) | TO(PRELAUNCH),
    [RUN_STATE_GUEST_PANICKED] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(PRELAUNCH) | TO(PAUSED) | TO(SHUTDOWN),
};

RunState runstate_get(void)
{
    return state;
}

bool runstate_is_running(void)
{
    return state == RUN_STATE_RUNNING;
}

void runstate_set(RunState next)
{
    if (next == state) {
        return;
    }
    if (!(transitions[state] & (1u << next))) {
        g_error("run state: no transition from '%s' to '%s'", RunState_str(state), RunState_str(next));
    }
    state = next;
}

void runstate_listener_add(struct runstate_listener *listener)
{
    struct runstate_listener **at = &listeners;
    while (*at && (*at)->priority <= listener->priority) {
        at = &(*at)->next;
    }
    listener->next = *at;
    *at = listener;
}

void runstate_listener_remove(struct runstate_listener *listener)
{
    for (struct runstate_listener **at = &listeners; *at; at = &(*at)->next) {
        if (*at == listener) {
            *at = listener->next;
            return;
        }
    }
}

/* `from` and what follows it, last first. */
static void tell_reversed(struct runstate_listener *from)
{
    if (from) {
        tell_reversed(from->next);
        from->changed(from->opaque, false, state);
    }
}

void vm_start(void)
{
    if (runstate_is_running()) {
        return;
    }
    runstate_set(RUN_STATE_RUNNING);
    virtual_clock_start();
    for (struct runstate_listener *l = listeners; l; l = l->next) {
        l->changed(l->opaque, true, RUN_STATE_RUNNING);
    }
    vcpus_resume_all();
    qapi_event_send_resume();
}

void vm_stop(RunState next)
{
    if (vcpu_current()) {
        system_vmstop_request(next); /* a vCPU cannot wait for itself */
        return;
    }
    if (runstate_is_running()) {
        vcpus_pause_all();
    }
    if (!runstate_is_running()) { /* before, or somebody else stopped it while we waited */
        if (state == next || transitions[state] & (1u << next)) {
            runstate_set(next);
        }
        return;
    }
    virtual_clock_stop();
    runstate_set(next);
    tell_reversed(listeners);
    qapi_event_send_stop();
}

static void request(int *flag, int value)
{
    __atomic_store_n(flag, value, __ATOMIC_SEQ_CST);
    main_loop_wakeup();
}

static int take(int *flag, int none)
{
    return __atomic_exchange_n(flag, none, __ATOMIC_SEQ_CST);
}

/* A vCPU that asked for a reset or shutdown runs no further instruction. */
static void stop_asking_vcpu(void)
{
    struct x86_cpu *cpu = vcpu_current();
    if (cpu) {
        cpu->stop = true; /* leaving cpu_run() alone would not do: it comes back */
        vcpu_kick(cpu);
    }
}

void system_reset_request(ShutdownCause cause)
{
    if (reboot_action == REBOOT_ACTION_SHUTDOWN && cause != SHUTDOWN_CAUSE_SUBSYSTEM_RESET) {
        request(&shutdown_requested, cause);
    } else {
        request(&reset_requested, cause);
    }
    stop_asking_vcpu();
}

void system_shutdown_request(ShutdownCause cause)
{
    if (cause == SHUTDOWN_CAUSE_HOST_QMP_QUIT || cause == SHUTDOWN_CAUSE_HOST_SIGNAL ||
        cause == SHUTDOWN_CAUSE_HOST_UI || cause == SHUTDOWN_CAUSE_HOST_ERROR) {
        shutdown_action = SHUTDOWN_ACTION_POWEROFF; /* the operator means it, or there is nothing left to run */
    }
    request(&shutdown_requested, cause);
    stop_asking_vcpu();
}

void system_shutdown_request_with_code(ShutdownCause cause, int exit_code)
{
    exit_status = exit_code;
    system_shutdown_request(cause);
}

void system_powerdown_request(void)
{
    request(&powerdown_requested, 1);
}

void system_vmstop_request(RunState next)
{
    request(&vmstop_requested, next);
    stop_asking_vcpu();
}

void system_guest_panicked(void)
{
    request(&panic_requested, 1);
}

void system_guest_crash_loaded(void)
{
    qapi_event_send_guest_crashloaded(GUEST_PANIC_ACTION_RUN);
}

void system_powerdown_notify(void (*handler)(void *opaque), void *opaque)
{
    power_button.handler = handler;
    power_button.opaque = opaque;
}

static bool cause_is_guest(ShutdownCause cause)
{
    return cause >= SHUTDOWN_CAUSE_GUEST_SHUTDOWN && cause <= SHUTDOWN_CAUSE_GUEST_PANIC;
}

static void carry_out_panic(void)
{
    bool pause = panic_action == PANIC_ACTION_PAUSE ||
                 (panic_action == PANIC_ACTION_SHUTDOWN && shutdown_action == SHUTDOWN_ACTION_PAUSE);
    if (panic_action == PANIC_ACTION_NONE) {
        qapi_event_send_guest_panicked(GUEST_PANIC_ACTION_RUN);
        return;
    }
    qapi_event_send_guest_panicked(pause ? GUEST_PANIC_ACTION_PAUSE : GUEST_PANIC_ACTION_POWEROFF);
    vm_stop(RUN_STATE_GUEST_PANICKED);
    if (!pause) {
        if (panic_action == PANIC_ACTION_EXIT_FAILURE) {
            exit_status = 1;
        }
        system_shutdown_request(SHUTDOWN_CAUSE_GUEST_PANIC);
    }
}

static void carry_out_reset(ShutdownCause cause)
{
    vcpus_pause_all();
    reset_all();
    if (accel->flush) {
        accel->flush();
    }
    if (cause != SHUTDOWN_CAUSE_SUBSYSTEM_RESET) {
        qapi_event_send_reset(cause_is_guest(cause), cause);
    }
    if (state == RUN_STATE_RUNNING) {
        vcpus_resume_all();
    } else if (state == RUN_STATE_SHUTDOWN || state == RUN_STATE_GUEST_PANICKED ||
               state == RUN_STATE_INTERNAL_ERROR) {
        runstate_set(RUN_STATE_PRELAUNCH);
    }
}

bool runstate_process_requests(int *exit_code)
{
    if (take(&panic_requested, 0)) {
        carry_out_panic();
    }
    ShutdownCause cause = take(&shutdown_requested, SHUTDOWN_CAUSE_NONE);
    if (cause != SHUTDOWN_CAUSE_NONE) {
        qapi_event_send_shutdown(cause_is_guest(cause), cause);
        if (shutdown_action == SHUTDOWN_ACTION_PAUSE) {
            vm_stop(RUN_STATE_SHUTDOWN);
        } else {
            *exit_code = exit_status;
            return true;
        }
    }
    cause = take(&reset_requested, SHUTDOWN_CAUSE_NONE);
    if (cause != SHUTDOWN_CAUSE_NONE) {
        carry_out_reset(cause);
    }
    if (take(&powerdown_requested, 0)) {
        qapi_event_send_powerdown();
        if (power_button.handler) {
            power_button.handler(power_button.opaque);
        }
    }
    int next = take(&vmstop_requested, RUN_STATE__MAX);
    if (next != RUN_STATE__MAX) {
        vm_stop(next);
    }
    return false;
}

void action_set_no_reboot(void)
{
    reboot_action = REBOOT_ACTION_SHUTDOWN;
}

void action_set_no_shutdown(void)
{
    shutdown_action = SHUTDOWN_ACTION_PAUSE;
}

static bool action_value(struct keyval *options, const char *key, int (*parse)(const char *), const char *allowed,
                         int *value, GError **error)
{
    const char *text = keyval_get(options, key);
    if (text) {
        int parsed = parse(text);
        if (parsed < 0) {
            return error_setf(error, "-action: %s='%s' is not one of %s", key, text, allowed);
        }
        *value = parsed;
    }
    return true;
}

bool action_parse(const char *text, GError **error)
{
    struct keyval *options = keyval_parse("-action", text, NULL, error);
    if (!options) {
        return false;
    }
    int reboot = reboot_action, shutdown = shutdown_action, panic = panic_action;
    bool ok =
        action_value(options, "reboot", RebootAction_parse, "reset, shutdown", &reboot, error) &&
        action_value(options, "shutdown", ShutdownAction_parse, "poweroff, pause", &shutdown, error) &&
        action_value(options, "panic", PanicAction_parse, "pause, shutdown, exit-failure, none", &panic, error) &&
        keyval_check_unread(options, error);
    keyval_free(options);
    if (ok) {
        reboot_action = reboot;
        shutdown_action = shutdown;
        panic_action = panic;
    }
    return ok;
}

void qmp_set_action(bool has_reboot, RebootAction reboot, bool has_shutdown, ShutdownAction shutdown, bool has_panic,
                    PanicAction panic, GError **error)
{
    reboot_action = has_reboot ? reboot : reboot_action;
    shutdown_action = has_shutdown ? shutdown : shutdown_action;
    panic_action = has_panic ? panic : panic_action;
}

StatusInfo *qmp_query_status(GError **error)
{
    StatusInfo *info = g_new0(StatusInfo, 1);
    *info = (StatusInfo){ .running = runstate_is_running(), .singlestep = false, .status = state };
    return info;
}

void qmp_stop(GError **error)
{
    if (state == RUN_STATE_INMIGRATE) {
        autostart = false;
    } else {
        vm_stop(RUN_STATE_PAUSED);
    }
}

bool vm_resume(GError **error)
{
    if (state == RUN_STATE_INTERNAL_ERROR || state == RUN_STATE_SHUTDOWN) {
        return error_setf(error, "Resetting the Virtual Machine is required");
    }
    if (state == RUN_STATE_FINISH_MIGRATE) {
        return error_setf(error, "Migration is not finalized yet");
    }
    if (state == RUN_STATE_INMIGRATE) {
        autostart = true;
        return true;
    }
    if (!block_activate_all(error)) { /* a migration may have let the images go */
        return false;
    }
    block_backend_reset_io_status();
    vm_start();
    return true;
}

void qmp_cont(GError **error)
{
    vm_resume(error);
}

void qmp_system_reset(GError **error)
{
    system_reset_request(SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
}

void qmp_system_powerdown(GError **error)
{
    system_powerdown_request();
}

void qmp_quit(GError **error)
{
    system_shutdown_request(SHUTDOWN_CAUSE_HOST_QMP_QUIT);
}
