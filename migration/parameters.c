/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parameters and capabilities: those that are built, with QEMU's defaults. The schema refuses all others by name. */
#include "accel/throttle.h"
#include "migration/migration-private.h"
#include "migration/savevm.h"
#include "qapi/qapi-commands.h"

#define MAX_DOWNTIME_MS 2000000 /* QEMU's bound */
#define MAX_WAIT_MS     3600000

static GMutex lock; /* guards the two below; innermost */
static struct migration_parameters parameters = {
    .announce = { .initial = 50, .max = 550, .rounds = 5, .step = 100 },
    .max_bandwidth = 128 << 20, .downtime_limit = 300,
    .throttle = { .threshold = 50, .initial = 20, .increment = 10, .most = THROTTLE_MOST },
    .hint_head_start = 2000, .hint_timeout = 20000, .hint_threshold = 25, .hint_growth = 4,
};
static char *skip_record;
static bool capabilities[MIGRATION_CAPABILITY__MAX]; /* changed only while nothing migrates */

struct migration_parameters migration_parameters(void)
{
    g_mutex_lock(&lock);
    struct migration_parameters copy = parameters;
    g_mutex_unlock(&lock);
    return copy;
}

char *migration_skip_record(void)
{
    g_mutex_lock(&lock);
    char *copy = g_strdup(skip_record);
    g_mutex_unlock(&lock);
    return copy;
}

bool migration_capability(MigrationCapability capability)
{
    return __atomic_load_n(&capabilities[capability], __ATOMIC_RELAXED);
}

unsigned migration_stream_capabilities(void)
{
    return migration_capability(MIGRATION_CAPABILITY_SKIP_ZERO_PAGES) << STREAM_SKIP_ZERO_PAGES |
           migration_capability(MIGRATION_CAPABILITY_ZERO_PAGE_RANGES) << STREAM_ZERO_PAGE_RANGES;
}

static bool check_limit(const char *name, bool has, uint64_t value, uint64_t limit, const char *unit, GError **error)
{
    if (has && value > limit) {
        return error_setf(error,
                          "Parameter '%s' expects an integer in the range of 0 to %" G_GUINT64_FORMAT
                          "%s, not %" G_GUINT64_FORMAT,
                          name, limit, unit, value);
    }
    return true;
}

static bool check_share(const char *name, bool has, unsigned value, unsigned least, unsigned most, GError **error)
{
    if (has && (value < least || value > most)) {
        return error_setf(error, "Parameter '%s' expects an integer in the range of %u to %u percent, not %u", name,
                          least, most, value);
    }
    return true;
}

static bool check_throttle(const MigrationParameters *p, GError **error)
{
    unsigned initial = p->has_cpu_throttle_initial ? p->cpu_throttle_initial : migration_parameters().throttle.initial;
    unsigned most = p->has_max_cpu_throttle ? p->max_cpu_throttle : migration_parameters().throttle.most;

    return check_share("throttle-trigger-threshold", p->has_throttle_trigger_threshold, p->throttle_trigger_threshold, 1,
                       100, error) &&
           check_share("cpu-throttle-increment", p->has_cpu_throttle_increment, p->cpu_throttle_increment, 1,
                       THROTTLE_MOST, error) &&
           check_share("max-cpu-throttle", p->has_max_cpu_throttle, most, initial, THROTTLE_MOST, error) &&
           check_share("cpu-throttle-initial", p->has_cpu_throttle_initial, initial, 1, most, error);
}

static bool check_announce(const MigrationParameters *p, GError **error)
{
    return check_limit("announce-initial", p->has_announce_initial, p->announce_initial, 100000, " ms", error) &&
           check_limit("announce-max", p->has_announce_max, p->announce_max, 100000, " ms", error) &&
           check_limit("announce-rounds", p->has_announce_rounds, p->announce_rounds, 1000, "", error) &&
           check_limit("announce-step", p->has_announce_step, p->announce_step, 10000, " ms", error);
}

static bool check_parameters(const MigrationParameters *p, GError **error)
{
    return check_limit("downtime-limit", p->has_downtime_limit, p->downtime_limit, MAX_DOWNTIME_MS, " ms", error) &&
           check_limit("free-page-hint-head-start", p->has_free_page_hint_head_start, p->free_page_hint_head_start,
                       MAX_WAIT_MS, " ms", error) &&
           check_throttle(p, error) && check_announce(p, error) &&
           check_limit("free-page-hint-timeout", p->has_free_page_hint_timeout, p->free_page_hint_timeout,
                       MAX_WAIT_MS, " ms", error) &&
           check_limit("free-page-hint-threshold", p->has_free_page_hint_threshold, p->free_page_hint_threshold, 100,
                       " percent", error) &&
           check_limit("free-page-hint-growth", p->has_free_page_hint_growth, p->free_page_hint_growth, 100,
                       " percent", error);
}

static void take(uint64_t *to, bool has, uint64_t value)
{
    *to = has ? value : *to;
}

static void take_share(unsigned *to, bool has, uint8_t value)
{
    *to = has ? value : *to;
}

void qmp_migrate_set_parameters(MigrationParameters *p, GError **error)
{
    if (!check_parameters(p, error)) {
        return;
    }
    g_mutex_lock(&lock);
    take(&parameters.announce.initial, p->has_announce_initial, p->announce_initial);
    take(&parameters.announce.max, p->has_announce_max, p->announce_max);
    take(&parameters.announce.rounds, p->has_announce_rounds, p->announce_rounds);
    take(&parameters.announce.step, p->has_announce_step, p->announce_step);
    take(&parameters.max_bandwidth, p->has_max_bandwidth, p->max_bandwidth);
    take(&parameters.downtime_limit, p->has_downtime_limit, p->downtime_limit);
    take_share(&parameters.throttle.threshold, p->has_throttle_trigger_threshold, p->throttle_trigger_threshold);
    take_share(&parameters.throttle.initial, p->has_cpu_throttle_initial, p->cpu_throttle_initial);
    take_share(&parameters.throttle.increment, p->has_cpu_throttle_increment, p->cpu_throttle_increment);
    take_share(&parameters.throttle.most, p->has_max_cpu_throttle, p->max_cpu_throttle);
    parameters.throttle.tailslow = p->has_cpu_throttle_tailslow ? p->cpu_throttle_tailslow
                                                                : parameters.throttle.tailslow;
    take(&parameters.hint_head_start, p->has_free_page_hint_head_start, p->free_page_hint_head_start);
    take(&parameters.hint_timeout, p->has_free_page_hint_timeout, p->free_page_hint_timeout);
    take(&parameters.hint_threshold, p->has_free_page_hint_threshold, p->free_page_hint_threshold);
    take(&parameters.hint_growth, p->has_free_page_hint_growth, p->free_page_hint_growth);
    parameters.drop_caches = p->has_guest_drop_caches ? p->guest_drop_caches : parameters.drop_caches;
    if (p->x_skip_record) {
        g_free(skip_record);
        skip_record = *p->x_skip_record ? g_strdup(p->x_skip_record) : NULL;
    }
    g_mutex_unlock(&lock);
    g_mutex_lock(&migration.lock);
    g_cond_broadcast(&migration.wake); /* a limiter that sleeps under the old limit */
    g_mutex_unlock(&migration.lock);
}

MigrationParameters *qmp_query_migrate_parameters(GError **error)
{
    struct migration_parameters now = migration_parameters();
    MigrationParameters *p = g_new0(MigrationParameters, 1);

    *p = (MigrationParameters){
        .has_announce_initial = true, .announce_initial = now.announce.initial,
        .has_announce_max = true, .announce_max = now.announce.max,
        .has_announce_rounds = true, .announce_rounds = now.announce.rounds,
        .has_announce_step = true, .announce_step = now.announce.step,
        .has_max_bandwidth = true, .max_bandwidth = now.max_bandwidth,
        .has_downtime_limit = true, .downtime_limit = now.downtime_limit,
        .has_throttle_trigger_threshold = true, .throttle_trigger_threshold = now.throttle.threshold,
        .has_cpu_throttle_initial = true, .cpu_throttle_initial = now.throttle.initial,
        .has_cpu_throttle_increment = true, .cpu_throttle_increment = now.throttle.increment,
        .has_cpu_throttle_tailslow = true, .cpu_throttle_tailslow = now.throttle.tailslow,
        .has_max_cpu_throttle = true, .max_cpu_throttle = now.throttle.most,
        .has_free_page_hint_head_start = true, .free_page_hint_head_start = now.hint_head_start,
        .has_free_page_hint_timeout = true, .free_page_hint_timeout = now.hint_timeout,
        .has_free_page_hint_threshold = true, .free_page_hint_threshold = now.hint_threshold,
        .has_free_page_hint_growth = true, .free_page_hint_growth = now.hint_growth,
        .has_guest_drop_caches = true, .guest_drop_caches = now.drop_caches,
        .x_skip_record = migration_skip_record(),
    };
    return p;
}

void qmp_migrate_set_capabilities(GPtrArray *list, GError **error)
{
    if (migration_is_running() && !migration.incoming) {
        error_setf(error, "There's a migration process in progress");
        return;
    }
    for (unsigned i = 0; i < list->len; i++) {
        const MigrationCapabilityStatus *item = list->pdata[i];

        __atomic_store_n(&capabilities[item->capability], item->state, __ATOMIC_RELAXED);
    }
}

GPtrArray *qmp_query_migrate_capabilities(GError **error)
{
    GPtrArray *list = qapi_list_of_MigrationCapabilityStatus_new();

    for (int i = 0; i < MIGRATION_CAPABILITY__MAX; i++) {
        MigrationCapabilityStatus *item = g_new0(MigrationCapabilityStatus, 1);

        item->capability = i;
        item->state = migration_capability(i);
        g_ptr_array_add(list, item);
    }
    return list;
}
