/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rendering a region tree into a flat view. The tree is walked with the highest priority first and the contents of a
 * region before the region itself; each region gets what is still free in its window. So the order of the walk alone
 * decides who wins.
 */
#include "memory/internal.h"

/* Aliases shift windows below zero and beyond 2^64 before they are clipped. */
typedef __int128 wide;

struct window {
    wide start, end; /* inclusive */
};

/* Deeper than any board nests: a loop of aliases (our own mistake) ends in an assertion and not in the stack. */
#define RENDER_DEPTH 64

struct render {
    GArray *ranges; /* struct flat_range, sorted */
    GArray *next;   /* scratch for an insertion */
};

static struct window window_clip(struct window a, struct window b)
{
    return (struct window){ MAX(a.start, b.start), MIN(a.end, b.end) };
}

static void add_piece(GArray *ranges, const struct memory_region *mr, wide base, bool readonly, wide start, wide end)
{
    struct flat_range range = { .start = (hwaddr)start,
                                .end = (hwaddr)end,
                                .mr = (struct memory_region *)mr,
                                .offset = (hwaddr)(start - base),
                                .readonly = readonly,
                                .lockless = mr->kind == MEMORY_REGION_IO && mr->ops->lockless,
                                .block = mr->kind == MEMORY_REGION_RAM ? mr->block : NULL };
    g_array_append_val(ranges, range);
}

/* Fills what is free in `window` with `mr`, whose offset 0 is at `base`: one merge pass over the sorted ranges. */
static void render_leaf(struct render *render, const struct memory_region *mr, wide base, struct window window,
                        bool readonly)
{
    g_array_set_size(render->next, 0);
    wide at = window.start; /* the first byte of the window not yet decided */
    for (guint i = 0; i < render->ranges->len; i++) {
        const struct flat_range *range = &g_array_index(render->ranges, struct flat_range, i);
        if (at <= window.end && (wide)range->start > at) {
            add_piece(render->next, mr, base, readonly, at, MIN((wide)range->start - 1, window.end));
        }
        at = MAX(at, (wide)range->end + 1);
        g_array_append_val(render->next, *range);
    }
    if (at <= window.end) {
        add_piece(render->next, mr, base, readonly, at, window.end);
    }
    GArray *swap = render->ranges;
    render->ranges = render->next;
    render->next = swap;
}

static void render_region(struct render *render, const struct memory_region *mr, wide base, struct window clip,
                          bool readonly, int depth)
{
    g_assert(depth < RENDER_DEPTH);
    clip = window_clip(clip, (struct window){ base, base + region_last(mr) });
    if (!mr->enabled || !mr->size || clip.start > clip.end) {
        return;
    }
    readonly |= mr->readonly;
    if (mr->kind == MEMORY_REGION_ALIAS) {
        render_region(render, mr->alias, base - mr->alias_offset, clip, readonly, depth + 1);
        return;
    }
    for (guint i = 0; mr->subregions && i < mr->subregions->len; i++) {
        const struct memory_region *child = mr->subregions->pdata[i];
        render_region(render, child, base + child->address, clip, readonly, depth + 1);
    }
    if (mr->kind != MEMORY_REGION_CONTAINER) {
        render_leaf(render, mr, base, clip, readonly);
    }
}

static bool continues(const struct flat_range *a, const struct flat_range *b)
{
    return a->end != UINT64_MAX && a->end + 1 == b->start && a->mr == b->mr && a->readonly == b->readonly &&
           a->offset + (b->start - a->start) == b->offset;
}

struct flat_view *flat_view_render(const struct memory_region *root)
{
    struct render render = { .ranges = g_array_new(FALSE, FALSE, sizeof(struct flat_range)),
                             .next = g_array_new(FALSE, FALSE, sizeof(struct flat_range)) };
    render_region(&render, root, 0, (struct window){ 0, UINT64_MAX }, false, 0);

    struct flat_view *view = g_new0(struct flat_view, 1);
    view->refs = 1;
    view->ranges = g_new(struct flat_range, render.ranges->len);
    for (guint i = 0; i < render.ranges->len; i++) {
        const struct flat_range *range = &g_array_index(render.ranges, struct flat_range, i);
        if (view->count && continues(&view->ranges[view->count - 1], range)) {
            view->ranges[view->count - 1].end = range->end;
        } else {
            view->ranges[view->count++] = *range;
        }
    }
    g_array_free(render.ranges, TRUE);
    g_array_free(render.next, TRUE);
    return view;
}

bool flat_view_equal(const struct flat_view *a, const struct flat_view *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (unsigned i = 0; i < a->count; i++) {
        const struct flat_range *x = &a->ranges[i], *y = &b->ranges[i];
        if (x->start != y->start || x->end != y->end || x->mr != y->mr || x->offset != y->offset ||
            x->readonly != y->readonly) {
            return false;
        }
    }
    return true;
}

const struct flat_range *flat_view_find(const struct flat_view *view, hwaddr address)
{
    unsigned low = 0, high = view->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (view->ranges[middle].end < address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < view->count && view->ranges[low].start <= address ? &view->ranges[low] : NULL;
}
