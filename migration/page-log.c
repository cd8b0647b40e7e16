/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The migration bitmap's view of the real accelerator and memory; apart, so that tests can bring their own. */
#include "accel/accel.h"
#include "migration/page-map.h"

static void accel_take(struct ram_block *block, uint64_t first, uint64_t count, unsigned long *into)
{
    accel_dirty_take(block, DIRTY_CLIENT_MIGRATION, first, count, into);
}

static bool block_populated(const struct ram_block *block, uint64_t first, uint64_t count, unsigned long *populated)
{
    return ram_block_populated(block, first, count, populated, NULL);
}

const struct page_log page_log_accel = {
    .refresh = accel_dirty_refresh, .take = accel_take, .arm = accel_dirty_arm, .populated = block_populated,
};
