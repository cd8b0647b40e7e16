/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The broker between those who want guest memory (migration, the operator's `balloon` command) and the device that
 * talks to the guest. At most one balloon device.
 */
#ifndef FERRY_BALLOON_H
#define FERRY_BALLOON_H

#include <stdint.h>

#include "migration/free-page.h"
#include "util/error.h"

struct balloon_ops {
    /* The guest's memory, not the balloon's size. */
    bool (*set_target)(void *opaque, uint64_t bytes, GError **error);
    void (*get_info)(void *opaque, BalloonInfo *info);
};

/*
 * Big lock held. `sources`: the ways in which this device learns of free pages, the best first; one that is not
 * offered says so when it is asked. Fails, naming both, if there is a balloon already.
 */
#define BALLOON_SOURCES 2
bool balloon_register(const struct balloon_ops *ops, void *opaque, struct free_page_provider *const *sources,
                      GError **error);
void balloon_unregister(void *opaque);
bool balloon_present(void);

#endif
