/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "bootindex": what firmware tries first. No two devices have the same one, or there would be no order. */
#include <string.h>

#include "hw/core/internal.h"

struct search {
    const char *index;
    bool found;
};

static bool has_index(struct device *dev, void *opaque)
{
    struct search *search = opaque;
    const struct property *property = property_find(dev->type, BOOTINDEX_PROPERTY);
    g_autofree char *index = property ? property_print(dev, property) : NULL;

    search->found = !g_strcmp0(index, search->index);
    return !search->found;
}

bool bootindex_check(struct device *dev, GError **error)
{
    const struct property *property = property_find(dev->type, BOOTINDEX_PROPERTY);
    g_autofree char *index = property ? property_print(dev, property) : NULL;
    struct search search = { .index = index };

    if (!index || index[0] == '-') {
        return true; /* not booted from */
    }
    device_foreach(has_index, &search);
    return !search.found || error_setf(error, "The bootindex %s has already been used", index);
}
