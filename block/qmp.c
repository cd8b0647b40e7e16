/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The QMP commands about disks. */
#include <string.h>

#include "block/internal.h"
#include "monitor/monitor.h"
#include "qapi/qapi-commands.h"
#include "util/clock.h"

/* ---- Nodes ---- */

void qmp_blockdev_add(BlockdevOptions *arguments, GError **error)
{
    block_node_create(arguments, error);
}

void qmp_blockdev_del(const char *node_name, GError **error)
{
    block_node_delete(node_name, error);
}

static ImageInfo *image_info(const struct block_node *node)
{
    struct block_node *leaf = block_node_leaf((struct block_node *)node);
    int64_t allocated = leaf->driver->allocated ? leaf->driver->allocated(leaf) : -1;
    ImageInfo *info = g_new0(ImageInfo, 1);

    info->filename = g_strdup(node->filename);
    info->format = g_strdup(node->driver->name);
    info->has_dirty_flag = true; /* it has one, and is not dirty */
    info->has_actual_size = allocated >= 0;
    info->actual_size = MAX(allocated, 0);
    info->virtual_size = block_node_length(node);
    return info;
}

static BlockDeviceInfo *node_info(const struct block_node *node, bool writeback)
{
    BlockDeviceInfo *info = g_new0(BlockDeviceInfo, 1);

    info->file = g_strdup(node->filename);
    info->node_name = g_strdup(node->name);
    info->ro = node->read_only;
    info->drv = g_strdup(node->driver->name);
    info->detect_zeroes = BLOCKDEV_DETECT_ZEROES_OPTIONS_OFF;
    info->image = image_info(node);
    info->cache = g_new0(BlockdevCacheInfo, 1);
    *info->cache = (BlockdevCacheInfo){ .writeback = writeback, .direct = node->direct, .no_flush = node->no_flush };
    return info;
}

static void add_node_info(struct block_node *node, void *opaque)
{
    g_ptr_array_add(opaque, node_info(node, true));
}

GPtrArray *qmp_query_named_block_nodes(bool has_flat, bool flat, GError **error)
{
    GPtrArray *list = qapi_list_of_BlockDeviceInfo_new();

    block_node_foreach(add_node_info, list);
    return list;
}

GPtrArray *qmp_query_block(GError **error)
{
    GPtrArray *list = qapi_list_of_BlockInfo_new(), *backends = block_backends();

    for (guint i = 0; i < backends->len; i++) {
        const struct block_backend *blk = backends->pdata[i];
        BlockInfo *info = g_new0(BlockInfo, 1);

        info->device = g_strdup(blk->name);
        info->qdev = g_strdup(blk->qdev);
        info->type = g_strdup("unknown");
        info->inserted = node_info(blk->node, block_backend_write_cache(blk));
        info->has_io_status = true;
        info->io_status = __atomic_load_n(&blk->io_status, __ATOMIC_RELAXED);
        g_ptr_array_add(list, info);
    }
    return list;
}

/* ---- Statistics ---- */

static BlockStatsSpecificFile *file_stats(const struct block_node *node)
{
    BlockStatsSpecificFile *file;

    if (node->driver != &block_driver_file) {
        return NULL;
    }
    file = g_new0(BlockStatsSpecificFile, 1);
    file->driver = BLOCKDEV_DRIVER_FILE;
    file->discard_nb_ok = node->discards;
    file->discard_nb_failed = node->failed_discards;
    file->discard_bytes_ok = node->discard_bytes;
    return file;
}

/* What devices did is counted with them; a node knows how far up it was written. */
static BlockStats *node_stats(const struct block_node *node)
{
    BlockStats *stats = g_new0(BlockStats, 1);

    stats->node_name = g_strdup(node->name);
    stats->stats = g_new0(BlockDeviceStats, 1);
    stats->stats->wr_highest_offset = node->highest_write;
    stats->stats->timed_stats = qapi_list_of_BlockDeviceTimedStats_new();
    stats->driver_specific = file_stats(node);
    stats->parent = node->child ? node_stats(node->child) : NULL;
    return stats;
}

static void fill_stats(BlockDeviceStats *out, const struct block_backend *blk)
{
    const struct block_stats *in = &blk->stats;

    out->rd_bytes = in->bytes[BLOCK_READ];
    out->wr_bytes = in->bytes[BLOCK_WRITE];
    out->unmap_bytes = in->bytes[BLOCK_DISCARD];
    out->rd_operations = in->operations[BLOCK_READ];
    out->wr_operations = in->operations[BLOCK_WRITE];
    out->flush_operations = in->operations[BLOCK_FLUSH];
    out->unmap_operations = in->operations[BLOCK_DISCARD];
    out->rd_total_time_ns = in->time_ns[BLOCK_READ];
    out->wr_total_time_ns = in->time_ns[BLOCK_WRITE];
    out->flush_total_time_ns = in->time_ns[BLOCK_FLUSH];
    out->unmap_total_time_ns = in->time_ns[BLOCK_DISCARD];
    out->failed_rd_operations = in->failed[BLOCK_READ];
    out->failed_wr_operations = in->failed[BLOCK_WRITE];
    out->failed_flush_operations = in->failed[BLOCK_FLUSH];
    out->failed_unmap_operations = in->failed[BLOCK_DISCARD];
    out->invalid_rd_operations = in->invalid[BLOCK_READ];
    out->invalid_wr_operations = in->invalid[BLOCK_WRITE];
    out->invalid_flush_operations = in->invalid[BLOCK_FLUSH];
    out->invalid_unmap_operations = in->invalid[BLOCK_DISCARD];
    out->account_invalid = out->account_failed = true;
    out->has_idle_time_ns = in->last_access_ns;
    out->idle_time_ns = in->last_access_ns ? vm_clock_ns(VM_CLOCK_REALTIME) - in->last_access_ns : 0;
}

static void add_node_stats(struct block_node *node, void *opaque)
{
    g_ptr_array_add(opaque, node_stats(node));
}

static BlockStats *backend_stats(const struct block_backend *blk)
{
    BlockStats *stats = node_stats(blk->node);

    stats->device = g_strdup(blk->name);
    stats->qdev = g_strdup(blk->qdev);
    fill_stats(stats->stats, blk);
    return stats;
}

GPtrArray *qmp_query_blockstats(bool has_query_nodes, bool query_nodes, GError **error)
{
    GPtrArray *list = qapi_list_of_BlockStats_new(), *backends = block_backends();

    pthread_mutex_lock(&block_stats_lock);
    if (has_query_nodes && query_nodes) {
        block_node_foreach(add_node_stats, list);
    }
    for (guint i = 0; i < backends->len && !(has_query_nodes && query_nodes); i++) {
        g_ptr_array_add(list, backend_stats(backends->pdata[i]));
    }
    pthread_mutex_unlock(&block_stats_lock);
    return list;
}

/* ---- Resize ---- */

void qmp_block_resize(const char *device, const char *node_name, int64_t size, GError **error)
{
    struct block_node *node = device ? drive_find(device) : block_node_find(node_name ? node_name : "");

    if (!device == !node_name) {
        error_setf(error, "one of 'device' and 'node-name' must be given");
    } else if (!node) {
        error_set_class(error, FERRY_ERROR_DEVICE_NOT_FOUND, "Cannot find device='%s' nor node-name='%s'",
                        device ? device : "", node_name ? node_name : "");
    } else if (size <= 0 || size % BLOCK_SECTOR) {
        error_setf(error, "Parameter 'size' expects a multiple of %d above 0, not %" G_GINT64_FORMAT, BLOCK_SECTOR,
                   (gint64)size);
    } else {
        block_node_resize_live(node, size, error);
    }
}

/* ---- HMP ---- */

void hmp_info_block(void)
{
    GPtrArray *list = block_backends();

    for (guint i = 0; i < list->len; i++) {
        const struct block_backend *blk = list->pdata[i];
        bool cached = block_backend_write_cache(blk);

        monitor_printf("%s: %s (%s%s)\n", *blk->name ? blk->name : blk->node->name, blk->node->filename,
                       blk->node->driver->name, blk->read_only ? ", read-only" : "");
        monitor_printf("    Attached to:      %s\n", blk->qdev ? blk->qdev : blk->device);
        monitor_printf("    Cache mode:       %s%s%s\n", cached ? "writeback" : "writethrough",
                       blk->node->direct ? ", direct" : "", blk->node->no_flush ? ", ignore flushes" : "");
    }
}
