/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one migration of this process: its state, its commands, and what its threads share. */
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "migration/blocker.h"
#include "migration/migration-private.h"
#include "migration/savevm.h"
#include "monitor/monitor.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "system/runstate.h"
#include "trace/migration.h"
#include "util/main-loop.h"
#include "util/uuid.h"

struct migration migration = { .cancel_fd = -1, .fd = -1 };

bool migration_init(const char *machine_name, const char *uuid, GError **error)
{
    static uint8_t uuid_bytes[UUID_BYTES];

    savevm_machine_name = machine_name;
    if (uuid) {
        uuid_parse(uuid, uuid_bytes);
        savevm_uuid = uuid_bytes;
    }
    signal(SIGPIPE, SIG_IGN); /* a command or pipe that goes away is an error of the migration, not our end */
    free_page_init();
    return global_state_init(error);
}

/* ---- state ---- */

void migration_set_status(MigrationStatus status)
{
    g_mutex_lock(&migration.lock);
    bool changed = migration.status != status;
    migration.status = status;
    g_mutex_unlock(&migration.lock);
    if (changed) {
        trace_migration_status(MigrationStatus_str(status));
    }
    if (changed && migration_capability(MIGRATION_CAPABILITY_EVENTS)) {
        qapi_event_send_migration(status);
    }
}

bool migration_is_running(void)
{
    g_mutex_lock(&migration.lock);
    bool running = migration.running;
    g_mutex_unlock(&migration.lock);
    return running;
}

bool migration_cancelled(void)
{
    g_mutex_lock(&migration.lock);
    bool cancel = migration.cancel;
    g_mutex_unlock(&migration.lock);
    return cancel;
}

bool migration_ends(void)
{
    g_mutex_lock(&migration.lock);
    bool ends = migration.ends;
    g_mutex_unlock(&migration.lock);
    return ends;
}

bool migration_commit(void)
{
    g_mutex_lock(&migration.lock);
    migration.committed = !migration.cancel;
    bool committed = migration.committed;
    g_mutex_unlock(&migration.lock);
    return committed;
}

void migration_keep_error(const GError *error)
{
    g_mutex_lock(&migration.lock);
    if (!migration.error) {
        migration.error = g_strdup(error->message);
    }
    g_mutex_unlock(&migration.lock);
}

void migration_sleep(int64_t ns)
{
    g_mutex_lock(&migration.lock);
    if (!migration.cancel) {
        g_cond_wait_until(&migration.wake, &migration.lock, g_get_monotonic_time() + (ns + 999) / 1000);
    }
    g_mutex_unlock(&migration.lock);
}

bool migration_set_channel(struct channel *channel)
{
    g_mutex_lock(&migration.lock);
    migration.channel = channel;
    bool cancel = migration.cancel;
    g_mutex_unlock(&migration.lock);
    return !cancel || !channel;
}

/* ---- threads ---- */

static void join_thread(void)
{
    if (migration.thread) {
        g_thread_join(migration.thread);
        migration.thread = NULL;
    }
}

void migration_start_thread(const char *name, GThreadFunc thread_main)
{
    join_thread(); /* the one before has ended: `running` was false */
    g_clear_pointer(&migration.error, g_free);
    g_mutex_lock(&migration.lock);
    migration.running = true;
    migration.committed = migration.cancel = migration.go_on = migration.answered = migration.refused = false;
    g_mutex_unlock(&migration.lock);
    if (migration.cancel_fd >= 0) {
        close(migration.cancel_fd);
    }
    migration.cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    migration.started = migration_now();
    migration.setup_ms = migration.total_ms = migration.downtime_ms = migration.downtime_start = 0;
    migration.expected_downtime_ms = 0;
    migration.transferred = migration.precopy_bytes = migration.downtime_bytes = migration.passes = 0;
    migration.dirty_rate = migration.pages_rate = 0;
    migration.mbps = 0;
    memset(&migration.totals, 0, sizeof(migration.totals));
    migration.thread = g_thread_new(name, thread_main, NULL);
}

void migration_thread_ends(void)
{
    g_mutex_lock(&migration.lock);
    migration.running = false;
    g_mutex_unlock(&migration.lock);
}

/* `force`: the program ends. False: too late. */
static bool request_cancel(bool force)
{
    g_mutex_lock(&migration.lock);
    if (migration.committed && !force) {
        g_mutex_unlock(&migration.lock);
        return false;
    }
    migration.cancel = true;
    migration.ends = force;
    if (migration.channel) {
        channel_shutdown(migration.channel);
    }
    eventfd_write(migration.cancel_fd, 1);
    g_cond_broadcast(&migration.wake);
    g_mutex_unlock(&migration.lock);
    return true;
}

void migration_shutdown(void)
{
    if (migration_is_running()) {
        request_cancel(true);
    }
    big_unlock();
    join_thread();
    big_lock();
}

/* ---- commands ---- */

static bool check_may_migrate(GError **error)
{
    RunState state = runstate_get();

    if (migration_is_running()) {
        return error_setf(error, "There's a migration process in progress");
    }
    if (state == RUN_STATE_INMIGRATE) {
        return error_setf(error, "Guest is waiting for an incoming migration");
    }
    if (state == RUN_STATE_POSTMIGRATE) {
        return error_setf(error, "Can't migrate the vm that was paused due to previous migration");
    }
    return migration_check_blockers(error);
}

void qmp_migrate(const char *uri, bool has_blk, bool blk, bool has_inc, bool inc, bool has_detach, bool detach,
                 bool has_resume, bool resume, GError **error)
{
    int fd = -1;

    if ((has_blk && blk) || (has_inc && inc)) {
        error_setf(error, "migrating block devices with the guest is not supported");
        return;
    }
    if (has_resume && resume) {
        error_setf(error, "there is no postcopy migration to resume: postcopy is not supported");
        return;
    }
    if (!check_may_migrate(error) || !channel_check_uri(uri, error)) {
        return;
    }
    if (g_str_has_prefix(uri, "fd:")) {
        fd = monitor_take_fd(uri + 3, error);
        if (fd < 0) {
            return;
        }
    }
    g_free(migration.uri);
    migration.uri = g_strdup(uri);
    migration.fd = fd;
    migration.incoming = false;
    migration_set_status(MIGRATION_STATUS_SETUP);
    migration_start_thread("migration", outgoing_thread);
}

void qmp_migrate_cancel(GError **error)
{
    if (!migration_is_running() || migration.incoming) {
        return; /* as QEMU: cancelling nothing is no error */
    }
    if (request_cancel(false)) {
        migration_set_status(MIGRATION_STATUS_CANCELLING);
    }
}

void qmp_migrate_continue(MigrationStatus state, GError **error)
{
    g_mutex_lock(&migration.lock);
    if (migration.status != state || state != MIGRATION_STATUS_PRE_SWITCHOVER) {
        error_setf(error, "the migration is in state '%s', not in '%s' before the switchover",
                   MigrationStatus_str(migration.status), MigrationStatus_str(state));
    } else {
        migration.go_on = true;
        g_cond_broadcast(&migration.wake);
    }
    g_mutex_unlock(&migration.lock);
}
