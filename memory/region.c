/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The region tree, address spaces, and publishing views. */
#include <string.h>

#include "memory/internal.h"
#include "trace/memory.h"
#include "util/main-loop.h"

struct address_space address_space_memory, address_space_io;
struct memory_region system_memory, system_io;
struct address_space *address_spaces;

static struct memory_listener *listeners; /* in order of registration; big lock */
static int transaction_depth;             /* big lock */
static bool transaction_dirty;

/* Orders "load the pointer, take a reference" against "replace the pointer, drop the old one's". Innermost. */
static GMutex view_lock;

static void region_init(struct memory_region *mr, enum memory_region_kind kind, const char *name, uint64_t size)
{
    *mr = (struct memory_region){ .name = name, .kind = kind, .size = size, .enabled = true };
}

void memory_region_init_container(struct memory_region *mr, const char *name, uint64_t size)
{
    region_init(mr, MEMORY_REGION_CONTAINER, name, size);
}

void memory_region_init_io(struct memory_region *mr, const struct memory_region_ops *ops, void *opaque,
                           const char *name, uint64_t size)
{
    region_init(mr, MEMORY_REGION_IO, name, size);
    mr->ops = ops;
    mr->opaque = opaque;
}

void memory_region_init_ram(struct memory_region *mr, struct ram_block *block, const char *name, uint64_t size)
{
    g_assert(size <= block->max_length);
    region_init(mr, MEMORY_REGION_RAM, name, size);
    mr->block = block;
}

void memory_region_init_alias(struct memory_region *mr, const char *name, struct memory_region *target, hwaddr offset,
                              uint64_t size)
{
    region_init(mr, MEMORY_REGION_ALIAS, name, size);
    mr->alias = target;
    mr->alias_offset = offset;
}

void memory_region_cleanup(struct memory_region *mr)
{
    memory_transaction_begin();
    if (mr->container) {
        memory_region_remove(mr);
    }
    while (mr->subregions && mr->subregions->len) {
        memory_region_remove(mr->subregions->pdata[0]);
    }
    memory_transaction_commit();
    g_clear_pointer(&mr->subregions, g_ptr_array_unref);
}

/* Highest priority first; among equals, in order of addition. */
static void container_insert(struct memory_region *container, struct memory_region *mr)
{
    GPtrArray *children = container->subregions;
    guint at = 0;
    while (at < children->len && ((struct memory_region *)children->pdata[at])->priority >= mr->priority) {
        at++;
    }
    g_ptr_array_insert(children, (gint)at, mr);
}

static void tree_changed(void)
{
    memory_transaction_begin();
    transaction_dirty = true;
    memory_transaction_commit();
}

void memory_region_add(struct memory_region *container, hwaddr address, struct memory_region *mr, int priority)
{
    g_assert(!mr->container && container->kind != MEMORY_REGION_ALIAS);
    if (!container->subregions) {
        container->subregions = g_ptr_array_new();
    }
    mr->container = container;
    mr->address = address;
    mr->priority = priority;
    container_insert(container, mr);
    tree_changed();
}

void memory_region_remove(struct memory_region *mr)
{
    g_assert(mr->container);
    g_ptr_array_remove(mr->container->subregions, mr);
    mr->container = NULL;
    tree_changed();
}

void memory_region_set_enabled(struct memory_region *mr, bool enabled)
{
    if (mr->enabled != enabled) {
        mr->enabled = enabled;
        tree_changed();
    }
}

void memory_region_set_address(struct memory_region *mr, hwaddr address)
{
    if (mr->address != address) {
        mr->address = address;
        tree_changed();
    }
}

void memory_region_set_readonly(struct memory_region *mr, bool readonly)
{
    if (mr->readonly != readonly) {
        mr->readonly = readonly;
        tree_changed();
    }
}

void memory_transaction_begin(void)
{
    transaction_depth++;
}

void memory_transaction_commit(void)
{
    g_assert(transaction_depth > 0);
    if (--transaction_depth == 0 && transaction_dirty) {
        transaction_dirty = false;
        address_spaces_update();
    }
}

static void address_space_update(struct address_space *as)
{
    struct flat_view *view = flat_view_render(as->root);
    view->space = as;
    if (flat_view_equal(view, as->view)) {
        flat_view_put(view);
        return;
    }
    struct flat_view *old = as->view;
    g_mutex_lock(&view_lock);
    __atomic_store_n(&as->view, view, __ATOMIC_RELEASE);
    g_mutex_unlock(&view_lock);
    trace_memory_view_changed(as->name, view->count);
    for (struct memory_listener *listener = listeners, *next; listener; listener = next) {
        next = listener->next;
        listener->changed(listener, as, old, view);
    }
    flat_view_put(old);
}

void address_spaces_update(void)
{
    for (struct address_space *as = address_spaces; as; as = as->next) {
        address_space_update(as);
    }
}

void address_space_init(struct address_space *as, struct memory_region *root, const char *name)
{
    *as = (struct address_space){ .name = name, .root = root, .view = flat_view_render(root) };
    as->view->space = as;
    struct address_space **link = &address_spaces;
    while (*link) {
        link = &(*link)->next;
    }
    *link = as;
}

void memory_init(void)
{
    memory_region_init_container(&system_memory, "system", UINT64_MAX);
    memory_region_init_container(&system_io, "io", 65536);
    address_space_init(&address_space_memory, &system_memory, "memory");
    address_space_init(&address_space_io, &system_io, "I/O");
}

struct flat_view *flat_view_get(struct address_space *as)
{
    g_mutex_lock(&view_lock);
    struct flat_view *view = as->view;
    __atomic_fetch_add(&view->refs, 1, __ATOMIC_RELAXED);
    g_mutex_unlock(&view_lock);
    return view;
}

void flat_view_put(struct flat_view *view)
{
    if (view && __atomic_fetch_sub(&view->refs, 1, __ATOMIC_ACQ_REL) == 1) {
        g_free(view->ranges);
        g_free(view);
    }
}

void memory_listener_add(struct memory_listener *listener)
{
    struct memory_listener **link = &listeners;
    while (*link) {
        link = &(*link)->next;
    }
    listener->next = NULL;
    *link = listener;
}

void memory_listener_remove(struct memory_listener *listener)
{
    struct memory_listener **link = &listeners;
    while (*link && *link != listener) {
        link = &(*link)->next;
    }
    g_assert(*link);
    *link = listener->next;
}
