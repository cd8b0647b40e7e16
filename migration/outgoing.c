/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The source's thread: connect, bulk stage, rounds until what is dirty fits into the downtime limit, switchover. Any
 * failure and any cancel, at any moment before the last byte has left, ends in outgoing_abort(): the guest runs on.
 */
#include "accel/accel.h"
#include "accel/throttle.h"
#include "accel/vcpu.h"
#include "block/block.h"
#include "migration/migration-private.h"
#include "migration/rate-limit.h"
#include "migration/savevm.h"
#include "migration/sections.h"
#include "qapi/qapi-events.h"
#include "system/runstate.h"
#include "trace/migration.h"
#include "util/main-loop.h"

#define NS_PER_MS       1000000
#define PART_BYTES      (16u << 20) /* of one PART section, about; nothing depends on it */
#define MEASURE_NS      (100ll * NS_PER_MS)
#define IDLE_NS         (2ll * NS_PER_MS)
#define TICK_NS         (5ll * NS_PER_MS)
#define HELD_NS         (1ll * NS_PER_MS) /* between looks while guest RAM waits for the guest's answer */
#define MAX_FINAL_SYNCS 8
#define DRAIN_MS        10000
#define PUSH_BYTES      2048 /* of devices, before the rest of them is saved */
/* A page of zeros costs the reading of it: about an eighth of sending one, for the estimate of what a round takes. */
#define ZERO_PAGE_WEIGHT 512

struct outgoing {
    struct stream *s;
    struct ram_save ram;
    struct rate_limit limit;
    uint64_t limit_set;      /* the parameter that `limit` was made from */
    bool logging, stopped, was_running;
    bool images_let_go; /* for the destination to take */
    size_t pushed;      /* bytes of devices that the stream has */
    RunState state_before;
    /* The bandwidth, from windows of MEASURE_NS. */
    int64_t window_start, last_sync, last_tick;
    uint64_t window_bytes, window_effective, window_pages;
    struct auto_converge auto_converge;
    double bytes_per_ns;     /* pages' worth, zero pages weighed */
};

#define STORE(field, value) __atomic_store_n(&migration.field, value, __ATOMIC_RELAXED)

/* ---- setting up ---- */

/* From here on writers mark. Big lock held. */
static bool start_logging(struct outgoing *out, GError **error)
{
    dirty_log_enable(DIRTY_CLIENT_MIGRATION);
    if (accel->dirty_log_start && !accel->dirty_log_start(error)) {
        dirty_log_disable(DIRTY_CLIENT_MIGRATION);
        return false;
    }
    out->logging = true;
    return true;
}

static bool setup(struct outgoing *out, GError **error)
{
    unsigned capabilities = migration_stream_capabilities();
    struct migration_parameters parameters = migration_parameters();
    struct page_map *map;
    bool ok;

    big_lock();
    map = page_map_new(&page_log_accel, capabilities & BIT(STREAM_SKIP_ZERO_PAGES));
    out->ram = (struct ram_save){ .map = map, .s = out->s, .ranges = capabilities & BIT(STREAM_ZERO_PAGE_RANGES) };
    migration.map = map;
    migration.ram = &out->ram;
    ok = start_logging(out, error);
    big_unlock();
    if (ok && accel->dirty_log_protect) {
        accel->dirty_log_protect();
    }
    big_lock();
    free_page_begin(map, &parameters); /* from here on pages may leave the bitmap */
    big_unlock();
    if (!ok) {
        return false;
    }
    page_map_scan_holes(map, free_page_absent_words);
    savevm_put_header(out->s, capabilities, migration_capability(MIGRATION_CAPABILITY_VALIDATE_UUID));
    if (migration_capability(MIGRATION_CAPABILITY_RETURN_PATH)) {
        uint32_t first_ping = GUINT32_TO_BE(1);

        savevm_put_command(out->s, STREAM_COMMAND_OPEN_RETURN_PATH, NULL, 0);
        savevm_put_command(out->s, STREAM_COMMAND_PING, &first_ping, sizeof(first_ping));
        return_path_start(migration.channel);
    }
    ram_save_start(&out->ram);
    stream_flush(out->s);
    STORE(setup_ms, (migration_now() - migration.started) / NS_PER_MS);
    return true;
}

static bool check(struct outgoing *out, GError **error)
{
    if (migration_cancelled()) {
        return error_setf(error, "the migration was cancelled");
    }
    if (stream_error(out->s)) {
        return error_setf(error, "%s", stream_error(out->s)->message);
    }
    return true;
}

/* ---- sending a pass ---- */

static uint64_t effective_bytes(const struct outgoing *out)
{
    return out->ram.normal * GUEST_PAGE_SIZE + (out->ram.duplicate + out->ram.zero_skipped) * ZERO_PAGE_WEIGHT;
}

static void measure(struct outgoing *out, int64_t now)
{
    uint64_t bytes = stream_position(out->s), effective = effective_bytes(out);
    uint64_t pages = out->ram.normal + out->ram.duplicate;
    int64_t elapsed = now - out->window_start;
    double mbps;

    STORE(transferred, bytes);
    if (elapsed < MEASURE_NS && (out->bytes_per_ns || elapsed < NS_PER_MS)) {
        return;
    }
    if (effective > out->window_effective) {
        out->bytes_per_ns = (double)(effective - out->window_effective) / elapsed;
    }
    mbps = (bytes - out->window_bytes) * 8e3 / elapsed;
    __atomic_store(&migration.mbps, &mbps, __ATOMIC_RELAXED);
    STORE(pages_rate, (pages - out->window_pages) * 1000000000ull / elapsed);
    trace_migration_bandwidth(out->bytes_per_ns, bytes);
    out->window_start = now;
    out->window_bytes = bytes;
    out->window_effective = effective;
    out->window_pages = pages;
}

static void follow_limit(struct outgoing *out)
{
    uint64_t rate = migration_parameters().max_bandwidth;

    if (rate != out->limit_set) {
        out->limit_set = rate;
        rate_limit_init(&out->limit, rate, migration_now());
    }
    out->ram.window = CLAMP(rate_limit_slice(&out->limit) / GUEST_PAGE_SIZE, 1, PAGE_MAP_RUN);
}

/* Waits for the limit's sake; a new limit or a cancel ends the wait. */
static void obey_limit(struct outgoing *out, uint64_t sent, int64_t now)
{
    int64_t wait = rate_limit_sent(&out->limit, sent, now);

    if (wait > 0) { /* what was counted is on its way while we sleep */
        stream_flush(out->s);
    }
    while (wait > 0 && !migration_cancelled() && !stream_error(out->s)) {
        migration_sleep(wait);
        follow_limit(out);
        wait = rate_limit_sent(&out->limit, 0, migration_now());
    }
}

/* Limits change; free pages have deadlines of their own, and guest RAM may have to wait for them: not for long. */
static void tick(struct outgoing *out, int64_t now)
{
    if (now - out->last_tick >= (out->ram.hold_guest_ram ? HELD_NS : TICK_NS)) {
        out->last_tick = now;
        follow_limit(out);
        if (!free_page_tick(now)) {
            if (out->ram.hold_guest_ram) {
                trace_migration_head_start_over(page_map_dirty_count(out->ram.map));
            }
            out->ram.hold_guest_ram = false; /* for good */
        }
    }
}

/* One PART section. False: the pass is through. */
static bool send_part(struct outgoing *out, bool limited)
{
    uint64_t start = stream_position(out->s);
    bool more = true, any = false;
    int64_t now;

    while (more && stream_position(out->s) - start < PART_BYTES && !stream_error(out->s) && !migration_cancelled()) {
        uint64_t before = stream_position(out->s);

        if (!any) {
            ram_save_begin_part(&out->ram, SECTION_PART);
            any = true;
        }
        more = ram_save_window(&out->ram);
        now = migration_now(); /* a window may take less time than asking for it thrice */
        if (limited) {
            obey_limit(out, stream_position(out->s) - before, now);
            tick(out, now);
        }
        measure(out, now);
    }
    if (any) {
        ram_save_end_part(&out->ram);
    }
    return more;
}

/* Everything that is dirty, once through. */
static bool send_pass(struct outgoing *out, GError **error)
{
    for (;;) {
        bool held = out->ram.hold_guest_ram;
        bool more = send_part(out, true);

        if (!check(out, error)) {
            return false;
        }
        if (!more && !held) {
            return stream_flush(out->s) || check(out, error);
        }
        if (!more) { /* a head start: nothing else to send meanwhile */
            migration_sleep(HELD_NS);
            tick(out, migration_now());
        }
    }
}

/* ---- rounds ---- */

static void count_pass(struct outgoing *out)
{
    STORE(passes, migration.passes + 1);
    if (migration_capability(MIGRATION_CAPABILITY_EVENTS)) {
        qapi_event_send_migration_pass(migration.passes);
    }
}

static uint64_t sync_round(struct outgoing *out)
{
    int64_t now = migration_now();
    uint64_t fresh = page_map_sync(out->ram.map), rest;

    if (now > out->last_sync) {
        STORE(dirty_rate, (uint64_t)(fresh * 1e9 / (now - out->last_sync)));
    }
    out->last_sync = now;
    if (migration_capability(MIGRATION_CAPABILITY_AUTO_CONVERGE)) {
        struct migration_parameters parameters = migration_parameters();
        throttle_set(auto_converge_sync(&out->auto_converge, &parameters.throttle, now, fresh * GUEST_PAGE_SIZE,
                                        stream_position(out->s), throttle_percent()));
    }
    count_pass(out);
    rest = page_map_dirty_count(out->ram.map) * GUEST_PAGE_SIZE;
    trace_migration_pass(migration.passes, fresh, rest);
    return rest;
}

/* Rounds until the rest can be sent within the downtime limit. */
static bool converge(struct outgoing *out, GError **error)
{
    for (;;) {
        uint64_t normal = out->ram.normal, rest;

        free_page_round(migration.passes);
        out->ram.hold_guest_ram = migration.passes == 1 && free_page_tick(migration_now());
        if (!send_pass(out, error)) {
            return false;
        }
        measure(out, migration_now());
        rest = sync_round(out);
        if (out->bytes_per_ns) {
            STORE(expected_downtime_ms, (int64_t)(rest / out->bytes_per_ns / NS_PER_MS));
        }
        if (rest <= out->bytes_per_ns * migration_parameters().downtime_limit * NS_PER_MS) {
            return true;
        }
        if (normal == out->ram.normal) {
            migration_sleep(IDLE_NS); /* all that is dirty is in doubt, and the helper is at it */
        }
    }
}

/* ---- switchover ---- */

/* Big lock held, dropped while waiting. */
static bool pause_before_switchover(GError **error)
{
    if (!migration_capability(MIGRATION_CAPABILITY_PAUSE_BEFORE_SWITCHOVER)) {
        return true;
    }
    migration_set_status(MIGRATION_STATUS_PRE_SWITCHOVER);
    big_unlock();
    g_mutex_lock(&migration.lock);
    while (!migration.go_on && !migration.cancel && !migration.refused) {
        g_cond_wait(&migration.wake, &migration.lock);
    }
    bool ok = migration.go_on && !migration.cancel;
    g_mutex_unlock(&migration.lock);
    big_lock();
    if (!ok) {
        return error_setf(error, "the migration ended before migrate-continue");
    }
    migration_set_status(MIGRATION_STATUS_DEVICE);
    return true;
}

/* Big lock held. Nobody but us may move the VM out of this state. */
static bool stop_guest(struct outgoing *out, GError **error)
{
    trace_migration_switchover(page_map_dirty_count(out->ram.map));
    free_page_close();
    out->state_before = runstate_get();
    out->was_running = runstate_is_running();
    global_state_store(out->state_before);
    STORE(downtime_start, migration_now());
    vm_stop(RUN_STATE_FINISH_MIGRATE);
    out->stopped = runstate_get() == RUN_STATE_FINISH_MIGRATE;
    return out->stopped || error_setf(error, "the guest could not be stopped (it is '%s')",
                                      RunState_str(runstate_get()));
}

/* What is dirty goes out without the big lock; a sync under it finds nothing more: RAM's end. Big lock held. */
static bool send_rest(struct outgoing *out, GError **error)
{
    for (int i = 0; i < MAX_FINAL_SYNCS; i++) {
        page_map_sync(out->ram.map);
        trace_migration_final(page_map_dirty_count(out->ram.map));
        if (!page_map_dirty_count(out->ram.map)) {
            ram_save_begin_part(&out->ram, SECTION_END);
            ram_save_end_part(&out->ram);
            return true;
        }
        big_unlock();
        while (send_part(out, false) && check(out, error)) {
        }
        stream_flush(out->s);
        big_lock();
        if (!check(out, error)) {
            return false;
        }
    }
    return error_setf(error, "devices go on writing guest memory while the guest stands still");
}

static void push(struct outgoing *out, struct stream *devices, size_t end)
{
    stream_put_buffer(out->s, stream_memory_data(devices)->data + out->pushed, end - out->pushed);
    out->pushed = end;
}

/* Some devices are saved: the destination loads them while others are. Big lock held: nothing here may wait for it. */
static void push_some(void *opaque, struct stream *devices)
{
    struct outgoing *out = opaque;
    size_t length = stream_memory_data(devices)->len;

    if (length - out->pushed >= PUSH_BYTES && stream_room(out->s) > length - out->pushed) {
        push(out, devices, length);
        stream_try_flush(out->s);
    }
}

/* The images are let go before the stream's end leaves: whoever can start the guest can have them. Big lock held. */
static bool save_devices(struct outgoing *out, struct stream *to, GError **error)
{
    if (accel->get_state) {
        VCPU_FOREACH(cpu) {
            if (!accel->get_state(cpu, error)) {
                return false;
            }
        }
    }
    if (!savevm_put_devices(to, push_some, out, error) || !block_inactivate_all(error)) {
        return false;
    }
    out->images_let_go = true;
    return true;
}

/*
 * What waits in the socket, megabytes on some networks, has to arrive before anything that follows: better while the
 * guest runs. What it writes meanwhile goes with the rest.
 */
static bool drain(GError **error)
{
    return channel_wait_read(migration.channel, DRAIN_MS, error);
}

/*
 * The rest of RAM and all devices, consistent with each other, but for the last byte. Ends with the big lock dropped.
 */
static bool send_final(struct outgoing *out, struct stream *devices, GError **error)
{
    bool ok;

    big_lock();
    ok = stop_guest(out, error) && pause_before_switchover(error);
    if (ok) {
        STORE(precopy_bytes, stream_position(out->s));
        count_pass(out);
        ok = send_rest(out, error) && save_devices(out, devices, error);
    }
    big_unlock();
    if (ok) {
        push(out, devices, stream_memory_data(devices)->len - 1);
    }
    return ok;
}

/*
 * The destination cannot start the guest without the stream's last byte. It leaves only once no cancel counts any
 * more: either the guest runs on here, or it may start there, never both by our own doing.
 */
static bool commit(struct outgoing *out, uint8_t last_byte, GError **error)
{
    if (!stream_flush(out->s) || !migration_commit()) {
        return check(out, error);
    }
    stream_put_u8(out->s, last_byte);
    stream_flush(out->s);
    return check(out, error) && return_path_wait(error);
}

static bool switch_over(struct outgoing *out, GError **error)
{
    struct stream *devices = stream_new_memory_output();
    bool ok = drain(error) && send_final(out, devices, error) && check(out, error) &&
              commit(out, stream_memory_data(devices)->data[stream_memory_data(devices)->len - 1], error);

    stream_free(devices);
    return ok;
}

/* ---- the end ---- */

/* The figures outlive the bitmaps. Big lock held. */
static void drop_map(struct outgoing *out)
{
    struct migration_totals *totals = &migration.totals;

    if (!migration.map) {
        return;
    }
    free_page_end();
    totals->normal = out->ram.normal;
    totals->duplicate = out->ram.duplicate;
    totals->doubt_sent = page_map_doubt_sent(migration.map);
    totals->dirty_pages = page_map_dirty_count(migration.map);
    totals->total_pages = migration.map->total_pages;
    totals->populated_pages = migration.map->populated_pages;
    page_map_skipped(migration.map, totals->skipped);
    migration.ram = NULL;
    page_map_free(g_steal_pointer(&migration.map));
}

/* However the migration has ended. */
static void stop_logging(struct outgoing *out)
{
    throttle_set(0);
    if (out->logging) {
        if (accel->dirty_log_stop) {
            accel->dirty_log_stop();
        }
        dirty_log_disable(DIRTY_CLIENT_MIGRATION);
        out->logging = false;
    }
}

static void write_skip_record(void)
{
    g_autofree char *path = migration_skip_record();
    g_autoptr(GError) error = NULL;

    if (path && migration.map && !page_map_write_record(migration.map, path, &error)) {
        warn_report("%s", error->message);
    }
}

/*
 * Big lock held. The destination has had everything since `end`, and may be running the guest: what is cleared away
 * here, KVM's dirty log above all, keeps nobody waiting.
 */
static void outgoing_complete(struct outgoing *out, int64_t end)
{
    STORE(downtime_ms, (end - migration.downtime_start) / NS_PER_MS);
    STORE(downtime_bytes, migration.transferred - migration.precopy_bytes);
    write_skip_record();
    drop_map(out);
    stop_logging(out);
    if (runstate_get() == RUN_STATE_FINISH_MIGRATE) { /* a panic may have been carried out meanwhile */
        runstate_set(RUN_STATE_POSTMIGRATE);
    }
}

/* Nothing may run here while another has the images: `cont` tries again. */
static bool take_images_back(struct outgoing *out)
{
    g_autoptr(GError) error = NULL;

    if (out->images_let_go && !block_activate_all(&error)) {
        error_report("the guest stays stopped: %s", error->message);
        return false;
    }
    return true;
}

/* As if nothing had happened; but no guest starts for the moments that a program has left. Big lock held. */
static void outgoing_abort(struct outgoing *out)
{
    bool have_images = take_images_back(out);

    drop_map(out);
    stop_logging(out);
    if (out->stopped && runstate_get() == RUN_STATE_FINISH_MIGRATE) {
        if (!have_images) {
            runstate_set(RUN_STATE_PAUSED);
        } else if (out->was_running && !migration_ends()) {
            vm_start();
        } else {
            runstate_set(out->state_before);
        }
    }
}

static bool outgoing_run(struct outgoing *out, GError **error)
{
    struct channel *channel = channel_connect(migration.uri, migration.fd, migration.cancel_fd, error);
    struct migration_parameters parameters = migration_parameters();

    if (!channel) {
        return false;
    }
    out->s = stream_new_output(channel);
    if (!migration_set_channel(channel)) {
        return check(out, error);
    }
    if (!setup(out, error) || !check(out, error)) {
        return false;
    }
    count_pass(out);
    migration_set_status(MIGRATION_STATUS_ACTIVE);
    out->limit_set = parameters.max_bandwidth;
    rate_limit_init(&out->limit, out->limit_set, migration_now());
    follow_limit(out);
    out->window_start = out->last_sync = migration_now();
    auto_converge_begin(&out->auto_converge, out->last_sync, stream_position(out->s));
    return converge(out, error) && switch_over(out, error);
}

/* The channel goes first: closing may still tell that something did not arrive. */
static bool close_channel(struct outgoing *out, bool ok, GError **error)
{
    if (!out->s) {
        return ok;
    }
    STORE(transferred, stream_position(out->s));
    if (!ok) {
        g_mutex_lock(&migration.lock);
        if (migration.channel) {
            channel_shutdown(migration.channel); /* or the return path would wait for ever */
        }
        g_mutex_unlock(&migration.lock);
    }
    return_path_stop();
    if (ok) {
        ok = channel_wait_read(migration.channel, DRAIN_MS, error) && channel_finish(migration.channel, error);
    }
    migration_set_channel(NULL);
    if (ok) {
        ok = stream_close(out->s, error);
    }
    stream_free(g_steal_pointer(&out->s));
    return ok;
}

gpointer outgoing_thread(gpointer unused)
{
    struct outgoing out = { 0 };
    g_autoptr(GError) error = NULL;
    bool ok = close_channel(&out, outgoing_run(&out, &error), &error);
    bool cancelled = !ok && migration_cancelled();
    int64_t end = migration_now();

    big_lock();
    if (ok) {
        outgoing_complete(&out, end);
    } else {
        outgoing_abort(&out);
    }
    STORE(total_ms, (migration_now() - migration.started) / NS_PER_MS);
    if (!ok && !cancelled) {
        migration_keep_error(error);
    }
    migration_thread_ends();
    migration_set_status(ok          ? MIGRATION_STATUS_COMPLETED
                         : cancelled ? MIGRATION_STATUS_CANCELLED
                                     : MIGRATION_STATUS_FAILED);
    big_unlock();
    return NULL;
}
