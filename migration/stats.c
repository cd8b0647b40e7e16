/* SPDX-License-Identifier: GPL-2.0-or-later */
/* query-migrate: every figure is counted where it arises, none is made up. Big lock held. */
#include "accel/throttle.h"
#include "migration/blocker.h"
#include "migration/migration-private.h"
#include "qapi/qapi-commands.h"

#define LOAD(field) __atomic_load_n(&migration.field, __ATOMIC_RELAXED)

/* Live, or as they were at the end. */
static struct migration_totals totals_now(void)
{
    struct migration_totals totals = migration.totals;

    if (migration.map) {
        totals.normal = __atomic_load_n(&migration.ram->normal, __ATOMIC_RELAXED);
        totals.duplicate = __atomic_load_n(&migration.ram->duplicate, __ATOMIC_RELAXED);
        totals.dirty_pages = page_map_dirty_count(migration.map);
        totals.total_pages = migration.map->total_pages;
        totals.populated_pages = migration.map->populated_pages;
        totals.doubt_sent = page_map_doubt_sent(migration.map);
        page_map_skipped(migration.map, totals.skipped);
    }
    return totals;
}

static MigrationStats *ram_stats(const struct migration_totals *totals)
{
    MigrationStats *ram = g_new0(MigrationStats, 1);
    uint64_t skipped = 0;
    double mbps;

    __atomic_load(&migration.mbps, &mbps, __ATOMIC_RELAXED);
    for (int reason = 0; reason < SKIP_REASONS; reason++) {
        skipped += totals->skipped[reason];
    }
    *ram = (MigrationStats){
        .transferred = LOAD(transferred),
        .remaining = totals->dirty_pages * GUEST_PAGE_SIZE,
        .total = totals->total_pages * GUEST_PAGE_SIZE,
        .duplicate = totals->duplicate,
        .skipped = skipped,
        .normal = totals->normal,
        .normal_bytes = totals->normal * GUEST_PAGE_SIZE,
        .dirty_pages_rate = LOAD(dirty_rate),
        .mbps = mbps,
        .dirty_sync_count = LOAD(passes),
        .page_size = GUEST_PAGE_SIZE,
        .pages_per_second = LOAD(pages_rate),
        .precopy_bytes = LOAD(precopy_bytes) ? LOAD(precopy_bytes) : LOAD(transferred),
        .downtime_bytes = LOAD(downtime_bytes),
    };
    return ram;
}

static void fill_running(MigrationInfo *info)
{
    struct migration_totals totals = totals_now();

    info->has_total_time = true;
    info->total_time = LOAD(total_ms) ? LOAD(total_ms) : (migration_now() - migration.started) / 1000000;
    info->has_setup_time = true;
    info->setup_time = LOAD(setup_ms);
    if (info->status == MIGRATION_STATUS_COMPLETED) {
        info->has_downtime = true;
        info->downtime = LOAD(downtime_ms);
    } else {
        info->has_cpu_throttle_percentage = throttle_percent() != 0;
        info->cpu_throttle_percentage = throttle_percent();
        info->has_expected_downtime = true;
        info->expected_downtime = LOAD(expected_downtime_ms) ? LOAD(expected_downtime_ms)
                                                             : (int64_t)migration_parameters().downtime_limit;
    }
    info->ram = ram_stats(&totals);
    info->free_pages = free_page_stats(&totals);
}

static GPtrArray *blocked_reasons(void)
{
    const GPtrArray *blockers = migration_blockers();
    GPtrArray *reasons = blockers ? qapi_list_of_str_new() : NULL;

    for (guint i = 0; blockers && i < blockers->len; i++) {
        g_ptr_array_add(reasons, g_strdup(blockers->pdata[i]));
    }
    return reasons;
}

MigrationInfo *qmp_query_migrate(GError **error)
{
    MigrationInfo *info = g_new0(MigrationInfo, 1);

    g_mutex_lock(&migration.lock);
    info->status = migration.status;
    info->error_desc = migration.status == MIGRATION_STATUS_FAILED ? g_strdup(migration.error) : NULL;
    g_mutex_unlock(&migration.lock);
    info->has_status = info->status != MIGRATION_STATUS_NONE;
    info->blocked_reasons = blocked_reasons();
    switch (info->status) {
    case MIGRATION_STATUS_NONE:
    case MIGRATION_STATUS_SETUP:
        break;
    default:
        if (!migration.incoming) {
            fill_running(info);
        } else if (LOAD(total_ms)) {
            info->has_total_time = true;
            info->total_time = LOAD(total_ms);
        }
    }
    return info;
}
