/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The program: options, then the parts in the order in which they need each other, then the main loop. All of it
 * under the big lock.
 */
#include <glib-unix.h>
#include <signal.h>

#include "accel/accel.h"
#include "accel/tcg/mem.h"
#include "accel/vcpu.h"
#include "block/block.h"
#include "chardev/char.h"
#include "hw/core/device.h"
#include "hw/core/machine.h"
#include "hw/core/reset.h"
#include "hw/i386/board.h"
#include "memory/memory.h"
#include "migration/migration.h"
#include "monitor/monitor.h"
#include "net/net.h"
#include "system/backends.h"
#include "system/daemonize.h"
#include "system/machine-setup.h"
#include "system/nic.h"
#include "system/runstate.h"
#include "system/system.h"
#include "util/main-loop.h"

static gboolean on_signal(gpointer opaque)
{
    info_report("terminating on signal %d", GPOINTER_TO_INT(opaque));
    system_shutdown_request(SHUTDOWN_CAUSE_HOST_SIGNAL);
    return G_SOURCE_CONTINUE;
}

static void signals_init(void)
{
    signal(SIGPIPE, SIG_IGN);
    g_unix_signal_add(SIGINT, on_signal, GINT_TO_POINTER(SIGINT));
    g_unix_signal_add(SIGTERM, on_signal, GINT_TO_POINTER(SIGTERM));
    g_unix_signal_add(SIGHUP, on_signal, GINT_TO_POINTER(SIGHUP));
}

static bool logs_init(const struct options *o, bool *help, GError **error)
{
    if (o->log_file && !log_set_file(o->log_file, error)) {
        return false;
    }
    if (o->log_items && !log_set_items(o->log_items, help, error)) {
        return false;
    }
    for (guint i = 0; i < o->traces->len && !*help; i++) {
        if (!trace_enable(o->traces->pdata[i], help, error)) {
            return false;
        }
    }
    return true;
}

static bool devices_create(const struct options *o, GError **error)
{
    if (!nics_plug(error)) {
        return false;
    }
    for (guint i = 0; i < o->devices->len; i++) {
        if (!device_create_from_option(o->devices->pdata[i], error)) {
            return false;
        }
    }
    return drives_plug(device_create_from_option, error);
}

static bool machine_create(const struct options *o, GError **error)
{
    for (guint i = 0; i < o->globals->len; i++) {
        if (!device_add_global(o->globals->pdata[i], error)) {
            return false;
        }
    }
    const struct machine_type *type = current_machine->type;
    if (!migration_init(type->name, guest_uuid_set ? guest_uuid : NULL, error)) {
        return false;
    }
    if (!type->init(current_machine, error) || !devices_create(o, error) || !type->done(current_machine, error)) {
        return false;
    }
    device_check_globals();
    return vcpus_start(error);
}

/* Starts running, or waiting for a migration, as the options say. */
static bool machine_start(const struct options *o, GError **error)
{
    autostart = !o->start_paused;
    if (o->incoming) {
        return migration_incoming(o->incoming, error);
    }
    if (autostart) {
        vm_start();
    }
    return true;
}

/* Help that was asked for has been printed: *help. What forks comes before anything makes a thread. */
static bool prepare(const struct options *o, bool *help, GError **error)
{
    if (!logs_init(o, help, error) || *help) {
        return *help;
    }
    return passed_fds_add(o->add_fds, error) && (!o->daemonize || daemonize_begin(error)) &&
           (!o->pidfile || pidfile_create(o->pidfile, error));
}

static bool start(const struct options *o, GError **error)
{
    memory_init();
    if (!overcommit_apply(o->overcommit, error) || !audiodevs_check(o->audiodevs, error)) {
        return false;
    }
    if (!backends_create(o, error) || !machine_setup(o, error) || !clocks_configure(o, error) ||
        !machine_create(o, error)) {
        return false;
    }
    reset_all();
    /* All that is opened for the machine has been; no guest instruction, no byte of a stream has been looked at. */
    return debuggers_create(o, error) && sandbox_enforce(&o->sandbox, error) && machine_start(o, error) &&
           (!o->daemonize || daemonize_finish(o->log_file != NULL, error));
}

/* As the chipset answers a processor's shutdown cycle. */
static void on_triple_fault(struct x86_cpu *cpu)
{
    /* Under the big lock: else the reset may be over, and this vCPU resumed, before it has told itself to stop. */
    x86_device_begin(cpu);
    system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
    x86_device_end(cpu);
}

static void finish(void)
{
    migration_shutdown();
    if (runstate_is_running()) {
        vm_stop(RUN_STATE_SHUTDOWN);
    }
    vcpus_shutdown();
    netdev_remove_all();
    monitor_cleanup();
    chardev_free_all();
}

/* The status to exit with. */
static int run(const struct options *options)
{
    GError *error = NULL;
    int exit_code = 0;
    bool help = false;
    if (!prepare(options, &help, &error)) {
        error_report_free(error);
        return 1;
    }
    if (help) {
        return 0;
    }
    main_loop_init();
    signals_init();
    x86_triple_fault_hook = on_triple_fault;
    if (!start(options, &error)) {
        error_report_free(error);
        chardev_free_all();
        return 1;
    }
    while (!runstate_process_requests(&exit_code)) {
        main_loop_iterate(true);
    }
    finish();
    return exit_code;
}

int main(int argc, char **argv)
{
    struct options options;
    GError *error = NULL;
    int status = 0;
    board_types_register();
    if (!options_parse(&options, argc, argv, &error)) {
        error_report_free(error);
        status = 1;
    } else if (!options.help) {
        status = run(&options);
    }
    options_clear(&options);
    return status;
}
