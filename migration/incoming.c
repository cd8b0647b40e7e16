/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The destination: waits for a stream, loads it, starts the guest. */
#include "accel/accel.h"
#include "accel/vcpu.h"
#include "block/block.h"
#include "migration/migration-private.h"
#include "migration/savevm.h"
#include "monitor/monitor.h"
#include "qapi/qapi-commands.h"
#include "system/runstate.h"
#include "util/main-loop.h"

static struct channel_listener *listener;
static bool deferred;
static bool have_return_path;

static void open_return_path(void *opaque)
{
    have_return_path = true;
}

static void ping(void *opaque, uint32_t value)
{
    if (have_return_path) {
        return_path_put_pong(opaque, value);
    }
}

static const struct loadvm_ops incoming_ops = { .open_return_path = open_return_path, .ping = ping };

/* The vCPUs' registers go to the accelerator; what it has cached of the empty machine goes away. Big lock held. */
static bool load_accelerator(GError **error)
{
    if (accel->put_state) {
        VCPU_FOREACH(cpu) {
            if (!accel->put_state(cpu, error)) {
                return false;
            }
        }
    }
    if (accel->flush) {
        accel->flush();
    }
    return true;
}

static bool receive(struct channel *channel, GError **error)
{
    struct stream *s = stream_new_input(channel);
    bool ok;

    have_return_path = false;
    ok = loadvm_run(s, migration_stream_capabilities(), &incoming_ops, channel, error);
    if (ok) {
        big_lock();
        ok = load_accelerator(error);
        big_unlock();
    }
    /* The source lets go once it has this; if it cannot be told, its guest runs on, and ours must not start. */
    if (have_return_path && !return_path_put_shut(channel, ok ? 0 : 1) && ok) {
        ok = error_setf(error, "the source cannot be told that its guest arrived");
    }
    __atomic_store_n(&migration.transferred, stream_position(s), __ATOMIC_RELAXED);
    migration_set_channel(NULL);
    stream_free(s);
    return ok;
}

static bool accept_and_receive(GError **error)
{
    struct channel *channel = channel_accept(listener, migration.cancel_fd, error);

    if (!channel) {
        return false;
    }
    if (!migration_set_channel(channel)) {
        channel_close(channel, NULL);
        return error_setf(error, "cancelled");
    }
    __atomic_store_n(&migration.started, migration_now(), __ATOMIC_RELAXED);
    migration_set_status(MIGRATION_STATUS_ACTIVE);
    return receive(channel, error);
}

/*
 * The images are taken when the guest starts; of one that does not start yet at once, too, unless late-block-activate
 * leaves that to `cont` (until then the source can have them back). A guest without its images stays paused.
 */
static bool take_images(bool starts)
{
    g_autoptr(GError) error = NULL;

    if (!starts && migration_capability(MIGRATION_CAPABILITY_LATE_BLOCK_ACTIVATE)) {
        return true;
    }
    if (!block_activate_all(&error)) {
        error_report("the guest has arrived, but stays stopped: %s", error->message);
        return false;
    }
    return true;
}

/* Big lock held. */
static void start_guest(void)
{
    struct announce_parameters announce = migration_parameters().announce;
    RunState state = global_state_loaded();
    bool starts = state == RUN_STATE_RUNNING && autostart;

    announce_start(&announce, NULL); /* it is here for good, running or not */
    if (take_images(starts) && starts) {
        vm_start();
    } else {
        runstate_set(state == RUN_STATE_RUNNING ? RUN_STATE_PAUSED : state);
    }
}

static gpointer incoming_thread(gpointer unused)
{
    g_autoptr(GError) error = NULL;
    bool ok = accept_and_receive(&error);

    big_lock();
    channel_listener_free(g_steal_pointer(&listener));
    __atomic_store_n(&migration.total_ms, (migration_now() - migration.started) / 1000000, __ATOMIC_RELAXED);
    if (ok && !migration_ends()) {
        migration_set_status(MIGRATION_STATUS_COMPLETED);
        start_guest();
    } else if (!migration_cancelled()) {
        migration_keep_error(error);
        migration_set_status(MIGRATION_STATUS_FAILED);
        error_report("the incoming migration failed: %s", error->message);
        system_shutdown_request_with_code(SHUTDOWN_CAUSE_HOST_ERROR, 1);
    }
    migration_thread_ends();
    big_unlock();
    return NULL;
}

static bool incoming_start(const char *uri, GError **error)
{
    int fd = -1;

    if (!channel_check_uri(uri, error)) {
        return false;
    }
    if (g_str_has_prefix(uri, "fd:")) {
        fd = monitor_take_fd(uri + 3, error);
        if (fd < 0) {
            return false;
        }
    }
    listener = channel_listen(uri, fd, error);
    if (!listener) {
        return false;
    }
    migration.incoming = true;
    migration_set_status(MIGRATION_STATUS_SETUP);
    migration_start_thread("incoming", incoming_thread);
    return true;
}

bool migration_incoming(const char *uri, GError **error)
{
    runstate_set(RUN_STATE_INMIGRATE);
    deferred = !g_strcmp0(uri, "defer");
    return deferred || incoming_start(uri, error);
}

void qmp_migrate_incoming(const char *uri, GError **error)
{
    if (!deferred) {
        error_setf(error, "'-incoming defer' is required for migrate-incoming, and it works once");
        return;
    }
    if (incoming_start(uri, error)) {
        deferred = false; /* a second one would find the machine half loaded */
    }
}
