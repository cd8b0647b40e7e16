/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Regions, flat views and dispatch. */
#include <string.h>

#include "memory/memory.h"
#include "util/main-loop.h"

/* A device of 64 bytes that records the calls it gets. */
struct probe {
    struct memory_region mr;
    uint8_t bytes[64];
    GString *calls;
    bool lock_seen;
};

static uint64_t probe_read(void *opaque, hwaddr offset, unsigned size)
{
    struct probe *probe = opaque;
    uint64_t value = 0;
    g_assert_cmpuint(offset + size, <=, sizeof(probe->bytes));
    g_string_append_printf(probe->calls, "r%u@%u ", size, (unsigned)offset);
    probe->lock_seen = big_locked();
    memcpy(&value, probe->bytes + offset, size);
    return value;
}

static void probe_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct probe *probe = opaque;
    g_assert_cmpuint(offset + size, <=, sizeof(probe->bytes));
    g_string_append_printf(probe->calls, "w%u@%u=%" G_GINT64_MODIFIER "x ", size, (unsigned)offset, value);
    memcpy(probe->bytes + offset, &value, size);
}

static void probe_init(struct probe *probe, const struct memory_region_ops *ops)
{
    memory_region_init_io(&probe->mr, ops, probe, "probe", sizeof(probe->bytes));
    probe->calls = g_string_new(NULL);
    for (size_t i = 0; i < sizeof(probe->bytes); i++) {
        probe->bytes[i] = (uint8_t)i;
    }
}

static void probe_expect(struct probe *probe, const char *calls)
{
    g_assert_cmpstr(probe->calls->str, ==, calls);
    g_string_truncate(probe->calls, 0);
}

static void probe_cleanup(struct probe *probe)
{
    memory_region_cleanup(&probe->mr);
    g_string_free(probe->calls, TRUE);
}

static char *view_text(struct address_space *as)
{
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; i < as->view->count; i++) {
        const struct flat_range *range = &as->view->ranges[i];
        g_string_append_printf(text, "%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x %s+%" G_GINT64_MODIFIER "x%s\n",
                               range->start, range->end, range->mr->name, range->offset,
                               range->readonly ? " ro" : "");
    }
    return g_string_free(text, FALSE);
}

static void assert_view(struct address_space *as, const char *expected)
{
    g_autofree char *text = view_text(as);
    g_assert_cmpstr(text, ==, expected);
}

/*
 * The shape of a pc with 128 MiB, as QEMU 7.2 renders it (`info mtree -f`): PAM windows, PCI below RAM, the APIC on
 * top.
 */
static void test_pc_view(void)
{
    static const struct memory_region_ops ops = { .read = probe_read, .write = probe_write };
    struct ram_block *ram = ram_block_new("pc.ram", 128 << 20, NULL),
                     *bios = ram_block_new("pc.bios", 256 << 10, NULL);
    struct memory_region ram_mr, below_4g, pci, bios_mr, isa_bios, pam[3], smram, ioapic, apic, bar;
    memory_region_init_ram(&ram_mr, ram, "pc.ram", 128 << 20);
    memory_region_init_alias(&below_4g, "ram-below-4g", &ram_mr, 0, 128 << 20);
    memory_region_init_container(&pci, "pci", UINT64_MAX);
    memory_region_init_ram(&bios_mr, bios, "pc.bios", 256 << 10);
    memory_region_init_alias(&isa_bios, "isa-bios", &bios_mr, 0x20000, 0x20000);
    memory_region_init_alias(&smram, "smram-region", &pci, 0xa0000, 0x20000);
    memory_region_init_io(&ioapic, &ops, NULL, "ioapic", 0x1000);
    memory_region_init_io(&apic, &ops, NULL, "apic-msi", 0x100000);
    memory_region_init_io(&bar, &ops, NULL, "bar", 0x4000);

    memory_transaction_begin();
    memory_region_set_readonly(&bios_mr, true);
    memory_region_add(&system_memory, 0, &below_4g, 0);
    memory_region_add(&system_memory, 0, &pci, -1);
    memory_region_add(&pci, 0xfffc0000, &bios_mr, 0);
    memory_region_add(&pci, 0xe0000, &isa_bios, 1);
    memory_region_add(&pci, 0xfebfc000, &bar, 1);
    memory_region_add(&system_memory, 0xa0000, &smram, 1);
    for (int i = 0; i < 3; i++) {
        memory_region_init_alias(&pam[i], "pam", &ram_mr, 0xc0000 + 0x4000 * i, 0x4000);
        memory_region_add(&system_memory, 0xc0000 + 0x4000 * i, &pam[i], 1);
        memory_region_set_readonly(&pam[i], i < 2);
    }
    memory_region_add(&system_memory, 0xfec00000, &ioapic, 0);
    memory_region_add(&system_memory, 0xfee00000, &apic, 4096);
    memory_transaction_commit();
    assert_view(&address_space_memory, "0-bffff pc.ram+0\n" /* nothing is in pci behind the SMRAM window */
                                       "c0000-c7fff pc.ram+c0000 ro\n"
                                       "c8000-7ffffff pc.ram+c8000\n"
                                       "febfc000-febfffff bar+0\n"
                                       "fec00000-fec00fff ioapic+0\n"
                                       "fee00000-feefffff apic-msi+0\n"
                                       "fffc0000-ffffffff pc.bios+0 ro\n");

    /* PAM off: what lies below shows; a BAR over RAM loses, and over nothing wins. */
    memory_region_set_enabled(&below_4g, false);
    memory_region_set_address(&bar, 0x100000);
    memory_region_set_enabled(&pam[1], false);
    assert_view(&address_space_memory, "c0000-c3fff pc.ram+c0000 ro\n"
                                       "c8000-cbfff pc.ram+c8000\n"
                                       "e0000-fffff pc.bios+20000 ro\n"
                                       "100000-103fff bar+0\n"
                                       "fec00000-fec00fff ioapic+0\n"
                                       "fee00000-feefffff apic-msi+0\n"
                                       "fffc0000-ffffffff pc.bios+0 ro\n");
    memory_region_set_enabled(&below_4g, true);
    g_assert_true(flat_view_find(address_space_memory.view, 0x100000)->mr == &ram_mr);

    g_autofree char *text = memory_describe();
    g_assert_nonnull(strstr(text, "alias isa-bios @pc.bios 0000000000020000-000000000003ffff"));
    struct memory_region *all[] = { &below_4g, &pci, &smram, &pam[0], &pam[1], &pam[2], &ioapic, &apic, &bios_mr,
                                    &isa_bios,
                                    &bar };
    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        memory_region_cleanup(all[i]);
    }
    assert_view(&address_space_memory, "");
    ram_block_free(ram);
    ram_block_free(bios);
}

/* A random tree over a small space, against a model that asks of each byte who covers it. */
#define SPACE 96
#define NODES 14

struct hit {
    const struct memory_region *mr;
    int64_t offset;
    bool readonly;
};

/* Byte `at` of `mr` (its own offset): who answers? */
static struct hit model_find(const struct memory_region *mr, int64_t at, bool readonly)
{
    if (!mr->enabled || at < 0 || (mr->size != UINT64_MAX && at >= (int64_t)mr->size)) {
        return (struct hit){ NULL };
    }
    readonly |= mr->readonly;
    if (mr->kind == MEMORY_REGION_ALIAS) {
        return model_find(mr->alias, at + (int64_t)mr->alias_offset, readonly);
    }
    for (guint i = 0; mr->subregions && i < mr->subregions->len; i++) {
        const struct memory_region *child = mr->subregions->pdata[i];
        struct hit hit = model_find(child, at - (int64_t)child->address, readonly);
        if (hit.mr) {
            return hit;
        }
    }
    return mr->kind == MEMORY_REGION_CONTAINER ? (struct hit){ NULL } : (struct hit){ mr, at, readonly };
}

static void random_node(struct memory_region *nodes, int i, const struct memory_region_ops *ops)
{
    uint64_t size = g_random_int_range(0, SPACE);
    switch (g_random_int_range(0, 3)) {
    case 0:
        memory_region_init_container(&nodes[i], "container", size);
        break;
    case 1:
        memory_region_init_io(&nodes[i], ops, NULL, "io", size);
        break;
    default: /* an alias of an earlier node only, so that there are no loops */
        if (i) {
            memory_region_init_alias(&nodes[i], "alias", &nodes[g_random_int_range(0, i)], g_random_int_range(0, 40),
                                     size);
        } else {
            memory_region_init_io(&nodes[i], ops, NULL, "io", size);
        }
    }
    nodes[i].readonly = g_random_int_range(0, 4) == 0;
    nodes[i].enabled = g_random_int_range(0, 6) != 0;
}

static void check_against_model(struct address_space *as)
{
    const struct flat_view *view = as->view;
    for (unsigned i = 1; i < view->count; i++) {
        const struct flat_range *a = &view->ranges[i - 1], *b = &view->ranges[i];
        g_assert_cmpuint(a->end, <, b->start);
        /* adjacent pieces of one region are one range */
        g_assert_false(a->end + 1 == b->start && a->mr == b->mr && a->readonly == b->readonly &&
                       a->offset + (b->start - a->start) == b->offset);
    }
    for (int64_t at = 0; at < 2 * SPACE; at++) {
        struct hit hit = model_find(as->root, at, false);
        const struct flat_range *range = flat_view_find(view, (hwaddr)at);
        g_assert_true(!range == !hit.mr);
        if (range) {
            g_assert_true(range->mr == hit.mr);
            g_assert_cmpint((int64_t)(range->offset + ((hwaddr)at - range->start)), ==, hit.offset);
            g_assert_cmpint(range->readonly, ==, hit.readonly);
        }
    }
}

static void test_random_trees(void)
{
    static const struct memory_region_ops ops = { .read = probe_read, .write = probe_write };
    for (int round = 0; round < 2000; round++) {
        struct memory_region nodes[NODES];
        memory_transaction_begin();
        for (int i = 0; i < NODES; i++) {
            random_node(nodes, i, &ops);
        }
        /* Each goes into a later node or the root, again without loops. */
        for (int i = 0; i < NODES; i++) {
            int parent = g_random_int_range(i + 1, NODES + 3);
            struct memory_region *container = parent < NODES ? &nodes[parent] : &system_memory;
            if (container->kind == MEMORY_REGION_ALIAS) {
                container = &system_memory;
            }
            memory_region_add(container, g_random_int_range(0, SPACE), &nodes[i], g_random_int_range(-2, 3));
        }
        memory_transaction_commit();
        check_against_model(&address_space_memory);
        struct memory_region *mover = &nodes[g_random_int_range(0, NODES)];
        memory_region_set_address(mover, g_random_int_range(0, SPACE));
        memory_region_set_enabled(mover, !mover->enabled);
        check_against_model(&address_space_memory);
        memory_transaction_begin();
        for (int i = 0; i < NODES; i++) {
            memory_region_cleanup(&nodes[i]);
        }
        memory_transaction_commit();
    }
    assert_view(&address_space_memory, "");
}

static void test_edges(void)
{
    static const struct memory_region_ops ops = { .read = probe_read, .write = probe_write };
    struct memory_region whole, top;
    uint64_t length = UINT64_MAX;
    memory_region_init_io(&whole, &ops, NULL, "whole", UINT64_MAX);
    memory_region_init_io(&top, &ops, NULL, "top", 0x1000);
    memory_region_add(&system_memory, 0, &whole, 0);
    assert_view(&address_space_memory, "0-ffffffffffffffff whole+0\n");
    memory_region_add(&system_memory, 0xfffffffffffff800, &top, 1); /* sticks out beyond 2^64: clipped */
    assert_view(&address_space_memory, "0-fffffffffffff7ff whole+0\nfffffffffffff800-ffffffffffffffff top+0\n");
    memory_region_cleanup(&whole);
    memory_region_cleanup(&top);
    struct ram_block *block;
    uint64_t offset;
    g_assert_false(memory_translate(address_space_memory.view, UINT64_MAX, &length, false, &block, &offset));
    uint8_t data[32];
    g_assert_false(address_space_read(&address_space_memory, UINT64_MAX - 15, data, sizeof(data))); /* wraps */
    g_assert_cmphex(data[31], ==, 0xff);
}

static void test_access_sizes(void)
{
    static const struct memory_region_ops bytes = { .read = probe_read, .write = probe_write, .max_access = 1 };
    static const struct memory_region_ops words = { .read = probe_read, .write = probe_write, .min_access = 4 };
    static const struct memory_region_ops wide = { .read = probe_read, .write = probe_write, .max_access = 8 };
    struct probe a, b, c;
    uint64_t value;
    probe_init(&a, &bytes);
    probe_init(&b, &words);
    probe_init(&c, &wide);
    memory_region_add(&system_io, 0x100, &a.mr, 0);
    memory_region_add(&system_io, 0x200, &b.mr, 0);
    memory_region_add(&system_io, 0x300, &c.mr, 0);
    const struct flat_view *view = address_space_io.view;

    g_assert_true(flat_view_load(view, 0x102, 4, &value));
    g_assert_cmphex(value, ==, 0x05040302);
    probe_expect(&a, "r1@2 r1@3 r1@4 r1@5 ");
    g_assert_true(flat_view_store(view, 0x100, 2, 0xabcd));
    probe_expect(&a, "w1@0=cd w1@1=ab ");

    g_assert_true(flat_view_load(view, 0x206, 1, &value)); /* narrower: a wider read, shifted */
    g_assert_cmphex(value, ==, 6);
    probe_expect(&b, "r4@4 ");
    g_assert_true(flat_view_store(view, 0x20a, 2, 0x1234));
    probe_expect(&b, "w4@8=12340000 ");
    g_assert_true(flat_view_load(view, 0x208, 8, &value));
    probe_expect(&b, "r4@8 r4@12 ");

    g_assert_true(flat_view_load(view, 0x300, 8, &value));
    g_assert_cmphex(value, ==, 0x0706050403020100);
    probe_expect(&c, "r8@0 ");
    g_assert_true(flat_view_load(view, 0x301, 4, &value)); /* misaligned: natural pieces */
    g_assert_cmphex(value, ==, 0x04030201);
    probe_expect(&c, "r1@1 r2@2 r1@4 ");

    g_assert_false(flat_view_load(view, 0x33e, 4, &value)); /* half of it is nowhere */
    g_assert_cmphex(value, ==, 0xffff3f3e);
    g_assert_false(flat_view_load(view, 0x80, 2, &value));
    g_assert_cmphex(value, ==, 0xffff);
    g_assert_false(flat_view_store(view, 0x80, 1, 0));
    probe_cleanup(&a);
    probe_cleanup(&b);
    probe_cleanup(&c);
}

/*
 * As 0xcf8 with the reset register over its second byte: a double word is the lower device's, a byte is the upper's.
 */
static void test_overlay(void)
{
    static const struct memory_region_ops ops = { .read = probe_read, .write = probe_write };
    static const struct memory_region_ops byte_ops = { .read = probe_read, .write = probe_write, .max_access = 1 };
    struct probe under, over;
    uint32_t value;
    probe_init(&under, &ops);
    probe_init(&over, &byte_ops);
    memory_region_add(&system_io, 0xcf8, &under.mr, 0);
    over.mr.size = 1;
    memory_region_add(&system_io, 0xcf9, &over.mr, 1);
    g_assert_true(flat_view_store(address_space_io.view, 0xcf8, 4, 0x80001234));
    value = 0x11223344;
    g_assert_true(address_space_write(&address_space_io, 0xcf8, &value, 4));
    probe_expect(&under, "w4@0=80001234 w4@0=11223344 ");
    probe_expect(&over, "");
    g_assert_true(flat_view_store(address_space_io.view, 0xcf9, 1, 6));
    g_assert_true(flat_view_store(address_space_io.view, 0xcfa, 2, 7));
    probe_expect(&over, "w1@0=6 ");
    probe_expect(&under, "w2@2=7 ");
    probe_cleanup(&over);
    probe_cleanup(&under);
}

/* A vCPU on its way to a device, by a view that has been replaced meanwhile: it meets what is there now. */
static void test_replaced_view(void)
{
    static const struct memory_region_ops ops = { .read = probe_read, .write = probe_write };
    struct probe gone, came;
    uint64_t value;

    probe_init(&gone, &ops);
    memory_region_add(&system_io, 0x500, &gone.mr, 0);
    struct flat_view *held = flat_view_get(&address_space_io);
    probe_cleanup(&gone);
    memset(&gone, 0xaa, sizeof(gone)); /* freed, and used for something else */
    g_assert_false(flat_view_load(held, 0x504, 4, &value));
    g_assert_cmphex(value, ==, 0xffffffff);
    g_assert_false(flat_view_store(held, 0x504, 4, 1));

    probe_init(&came, &ops);
    memory_region_add(&system_io, 0x504, &came.mr, 0);
    g_assert_true(flat_view_load(held, 0x504, 4, &value));
    g_assert_cmphex(value, ==, 0x03020100);
    g_assert_true(flat_view_store(held, 0x504, 2, 0x1234));
    probe_expect(&came, "r4@0 w2@0=1234 ");
    flat_view_put(held);
    probe_cleanup(&came);
}

static gpointer read_unlocked(gpointer opaque)
{
    uint8_t byte;
    g_assert_false(big_locked());
    address_space_read(&address_space_io, 0x100, &byte, 1);
    g_assert_false(big_locked());
    return NULL;
}

static void test_big_lock(void)
{
    static const struct memory_region_ops locked = { .read = probe_read, .write = probe_write };
    static const struct memory_region_ops free_running = { .read = probe_read, .write = probe_write,
                                                           .lockless = true };
    struct probe probe;
    for (int lockless = 0; lockless < 2; lockless++) {
        probe_init(&probe, lockless ? &free_running : &locked);
        memory_region_add(&system_io, 0x100, &probe.mr, 0);
        GThread *thread = g_thread_new("reader", read_unlocked, NULL);
        big_unlock();
        g_thread_join(thread);
        big_lock();
        g_assert_cmpint(probe.lock_seen, ==, !lockless);
        probe_cleanup(&probe);
    }
}

/* A device whose register, when written, does DMA onto itself. */
static int nested_calls;

static void nested_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    nested_calls++;
    uint32_t again = 1;
    address_space_write(&address_space_memory, 0x1000, &again, sizeof(again));
}

static void test_nested_mmio_ends(void)
{
    static const struct memory_region_ops ops = { .write = nested_write };
    struct memory_region mr;
    uint32_t value = 1;
    memory_region_init_io(&mr, &ops, NULL, "nested", 0x1000);
    memory_region_add(&system_memory, 0x1000, &mr, 0);
    g_assert_true(address_space_write(&address_space_memory, 0x1000, &value, sizeof(value)));
    g_assert_cmpint(nested_calls, ==, MEMORY_MMIO_DEPTH);
    g_assert_false(address_space_read(&address_space_memory, 0x1000, &value, sizeof(value))); /* write-only device */
    g_assert_cmphex(value, ==, UINT32_MAX);
    memory_region_cleanup(&mr);
}

static void test_ram_access(void)
{
    struct ram_block *ram = ram_block_new("ram", 16 * 4096, NULL);
    struct memory_region low, rom, high;
    uint8_t data[3 * 4096], back[3 * 4096];
    memory_region_init_ram(&low, ram, "low", 16 * 4096);
    memory_region_init_alias(&rom, "rom", &low, 8 * 4096, 4096);
    memory_region_init_alias(&high, "high", &low, 4 * 4096, 4 * 4096);
    memory_region_set_readonly(&rom, true);
    memory_region_add(&system_memory, 0, &low, 0);
    memory_region_add(&system_memory, 4 * 4096, &rom, 1);
    memory_region_add(&system_memory, 1ull << 32, &high, 0);
    dirty_log_enable(DIRTY_CLIENT_MIGRATION);
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 7 + 1);
    }

    /* Over a ROM in the middle: its page keeps its content and is not dirty. */
    g_assert_true(address_space_write(&address_space_memory, 3 * 4096, data, sizeof(data)));
    g_assert_true(address_space_read(&address_space_memory, 3 * 4096, back, sizeof(back)));
    g_assert_cmpmem(back, 4096, data, 4096);
    g_assert_true(back[4096] == 0 && back[8191] == 0);
    g_assert_cmpmem(back + 8192, 4096, data + 8192, 4096);
    unsigned long dirty[1] = { 0 };
    g_assert_cmpuint(ram_block_dirty_take(ram, DIRTY_CLIENT_MIGRATION, 0, 16, dirty), ==, 2);
    g_assert_cmphex(dirty[0], ==, BIT(3) | BIT(5));

    const struct flat_view *view = address_space_memory.view;
    struct ram_block *block = NULL;
    uint64_t offset, length = 1 << 20;
    g_assert_true(memory_translate(view, (1ull << 32) + 5, &length, true, &block, &offset));
    g_assert_true(block == ram && offset == 4 * 4096 + 5 && length == 4 * 4096 - 5);
    length = 1 << 20;
    g_assert_true(memory_translate(view, 0, &length, true, &block, &offset));
    g_assert_cmpuint(length, ==, 4 * 4096); /* up to the ROM */
    g_assert_true(memory_translate(view, 4 * 4096, &length, false, &block, &offset));
    g_assert_cmpuint(offset, ==, 8 * 4096);
    g_assert_false(memory_translate(view, 4 * 4096, &length, true, &block, &offset));
    g_assert_false(memory_translate(view, 64 * 4096, &length, false, &block, &offset));
    g_assert_cmphex(memory_gap(view, 5), ==, 0);
    g_assert_cmphex(memory_gap(view, 4 * 4096 + 1), ==, 4095); /* the ROM's rest */
    g_assert_cmphex(memory_gap(view, 64 * 4096), ==, (1ull << 32) - 64 * 4096);
    g_assert_cmphex(memory_gap(view, 1ull << 40), ==, UINT64_MAX);
    g_assert_true(memory_host_pointer(view, 1ull << 32, 4 * 4096, true) == ram->host + 4 * 4096);
    g_assert_null(memory_host_pointer(view, 1ull << 32, 4 * 4096 + 1, true));
    g_assert_null(memory_host_pointer(view, 2 * 4096, 3 * 4096, false));

    dirty_log_disable(DIRTY_CLIENT_MIGRATION);
    memory_region_cleanup(&high);
    memory_region_cleanup(&rom);
    memory_region_cleanup(&low);
    ram_block_free(ram);
}

struct count_listener {
    struct memory_listener listener;
    int changes;
};

static void count_change(struct memory_listener *listener, struct address_space *as, struct flat_view *old_view,
                         struct flat_view *new_view)
{
    ((struct count_listener *)listener)->changes++;
    g_assert_true(as->view == new_view && old_view != new_view);
}

static void test_listeners_and_references(void)
{
    static const struct memory_region_ops ops = { .read = probe_read, .write = probe_write };
    struct count_listener counter = { .listener.changed = count_change };
    struct memory_region a, b;
    memory_listener_add(&counter.listener);
    memory_region_init_io(&a, &ops, NULL, "a", 16);
    memory_region_init_io(&b, &ops, NULL, "b", 16);
    memory_transaction_begin();
    memory_transaction_begin();
    memory_region_add(&system_memory, 0, &a, 0);
    memory_transaction_commit();
    memory_region_add(&system_memory, 16, &b, 0);
    g_assert_cmpint(counter.changes, ==, 0);
    memory_transaction_commit();
    g_assert_cmpint(counter.changes, ==, 1); /* one for both */
    struct flat_view *held = flat_view_get(&address_space_memory);
    memory_region_set_enabled(&b, false);
    g_assert_cmpint(counter.changes, ==, 2);
    g_assert_cmpuint(held->count, ==, 2); /* never changes once published */
    flat_view_put(held);
    memory_region_set_address(&b, 3); /* it is disabled: the same view, nobody is told */
    g_assert_cmpint(counter.changes, ==, 2);
    memory_region_cleanup(&a);
    memory_region_cleanup(&b);
    memory_listener_remove(&counter.listener);
}

static bool stop_hammering; /* atomic */

static gpointer hammer(gpointer opaque)
{
    uint8_t data[64];
    while (!__atomic_load_n(&stop_hammering, __ATOMIC_RELAXED)) {
        address_space_write(&address_space_memory, 0x1fe0, data, sizeof(data));
        address_space_read(&address_space_memory, 0x1fe0, data, sizeof(data));
    }
    return NULL;
}

/* Readers go through old views while the topology changes. */
static void test_views_change_under_readers(void)
{
    struct ram_block *ram = ram_block_new("ram", 16 * 4096, NULL);
    struct memory_region low, window;
    memory_region_init_ram(&low, ram, "low", 16 * 4096);
    memory_region_init_alias(&window, "window", &low, 4096, 4096);
    memory_region_add(&system_memory, 0, &low, 0);
    memory_region_add(&system_memory, 0x2000, &window, 1);
    GThread *threads[] = { g_thread_new("a", hammer, NULL), g_thread_new("b", hammer, NULL) };
    for (int i = 0; i < 3000; i++) {
        memory_region_set_enabled(&window, i & 1);
    }
    __atomic_store_n(&stop_hammering, true, __ATOMIC_RELAXED);
    big_unlock();
    g_thread_join(threads[0]);
    g_thread_join(threads[1]);
    big_lock();
    memory_region_cleanup(&window);
    memory_region_cleanup(&low);
    ram_block_free(ram);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    g_test_add_func("/memory/pc-view", test_pc_view);
    g_test_add_func("/memory/random-trees", test_random_trees);
    g_test_add_func("/memory/edges", test_edges);
    g_test_add_func("/memory/access-sizes", test_access_sizes);
    g_test_add_func("/memory/overlay", test_overlay);
    g_test_add_func("/memory/replaced-view", test_replaced_view);
    g_test_add_func("/memory/big-lock", test_big_lock);
    g_test_add_func("/memory/nested-mmio", test_nested_mmio_ends);
    g_test_add_func("/memory/ram-access", test_ram_access);
    g_test_add_func("/memory/listeners", test_listeners_and_references);
    g_test_add_func("/memory/views-change-under-readers", test_views_change_under_readers);
    return g_test_run();
}
