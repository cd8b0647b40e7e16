/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rings and the PCI transport under a toy device that echoes: good drivers, and every kind of bad one. */
#include "virtio-guest.h"

#include "hw/virtio/virtio-pci.h"
#include "migration/stream.h"
#include "system/runstate.h"

/* The run state, played here. */
static struct runstate_listener *listener;
static bool vm_running = true;
bool runstate_is_running(void) { return vm_running; }
void runstate_listener_add(struct runstate_listener *l) { listener = l; }
void runstate_listener_remove(struct runstate_listener *l) { listener = NULL; }

static void set_vm_running(bool running)
{
    vm_running = running;
    listener->changed(listener->opaque, running, running ? RUN_STATE_RUNNING : RUN_STATE_PAUSED);
}

struct echo {
    struct virtio_pci proxy;
    struct virtio_device vdev;
    uint32_t scratch;
    unsigned handled, resets;
};

static struct echo *echo(void) { return (struct echo *)guest.dev; }
static struct echo *echo_of(struct virtio_device *vdev) { return (struct echo *)vdev->device; }

/* Copies the readable part into the writable one. At most 4 a call. */
static bool echo_handle(struct virtio_device *vdev, struct virtqueue *vq)
{
    struct virtqueue_element element;
    int n;

    virtqueue_set_notification(vq, false);
    for (n = 0; n < 4 && virtqueue_pop(vq, &element); n++) {
        uint8_t data[256];
        size_t got = virtqueue_element_read(&element, 0, data, sizeof(data));

        virtqueue_push(vq, element.head, virtqueue_element_write(&element, 0, data, got));
        echo_of(vdev)->handled++;
    }
    virtqueue_notify(vq);
    virtqueue_set_notification(vq, true);
    return !virtqueue_empty(vq);
}

static void echo_get_config(struct virtio_device *vdev, uint8_t *config)
{
    memcpy(config, &echo_of(vdev)->scratch, 4);
}

static void echo_set_config(struct virtio_device *vdev, const uint8_t *config)
{
    memcpy(&echo_of(vdev)->scratch, config, 4);
}

static void echo_reset(struct virtio_device *vdev)
{
    echo_of(vdev)->resets++;
}

static const struct virtio_device_ops echo_ops = {
    .device_id = 5, .name = "echo", .get_config = echo_get_config, .set_config = echo_set_config,
    .handle_queue = echo_handle, .reset = echo_reset,
};

static bool echo_realize(struct virtio_device *vdev, struct device *device,
                         const struct virtio_transport_ops *transport, GError **error)
{
    return virtio_init(vdev, device, &echo_ops, transport, 4, error) && virtio_add_queue(vdev, GUEST_NUM, error) &&
           virtio_add_queue(vdev, GUEST_NUM, error);
}

static const struct virtio_pci_ops echo_pci_ops = {
    .pci = VIRTIO_PCI_FUNCTION(0x1002, 0x00ff), .device_offset = offsetof(struct echo, vdev),
    .realize = echo_realize, .unrealize = virtio_cleanup,
};
static const struct property echo_properties[] = { VIRTIO_PCI_PROPERTIES(struct echo, proxy, 0), PROPERTY_END };
static const struct device_type echo_type = {
    VIRTIO_PCI_TYPE("echo", struct echo, &echo_pci_ops, 1), .properties = echo_properties,
};
static const struct device_type *const types[] = { &echo_type, NULL };

#define NEXT     VRING_DESC_F_NEXT
#define WRITE    VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT
#define F_INDIRECT VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
#define F_EVENT    VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX)

static void start(uint64_t features)
{
    guest_plug(&echo_type, NULL);
    guest_start(features, 2);
}

/* ---- Good drivers ---- */

static void test_echo(void)
{
    start(0);
    strcpy(guest_ptr(GUEST_BUFFERS), "hello, ring");
    guest_desc(0, 3, GUEST_BUFFERS, 5, NEXT, 7);
    guest_desc(0, 7, GUEST_BUFFERS + 5, 7, NEXT, 1);
    guest_desc(0, 1, GUEST_BUFFERS + 0x1000, 4, NEXT | WRITE, 2);
    guest_desc(0, 2, GUEST_BUFFERS + 0x2000, 100, WRITE, 0);
    guest_offer(0, 3);
    guest_kick(0);
    g_assert_true(guest_wait_used(0, 1));
    struct vring_used *used = guest_ptr(GUEST_USED(0));
    g_assert_cmpuint(used->ring[0].id, ==, 3);
    g_assert_cmpuint(used->ring[0].len, ==, 12);
    g_assert_cmpmem(guest_ptr(GUEST_BUFFERS + 0x1000), 4, "hell", 4);
    g_assert_cmpmem(guest_ptr(GUEST_BUFFERS + 0x2000), 8, "o, ring", 8);
    g_assert_true(guest.line);
    g_assert_cmphex(guest_isr(), ==, 1);
    g_assert_false(guest.line);
    g_assert_cmphex(guest_isr(), ==, 0);
    guest_unplug();
}

/* Index wrap: the whole 16 bits, more than one batch at a time. */
static void test_wrap(void)
{
    start(F_EVENT);
    for (unsigned i = 0; i < 70000; i += 10) {
        for (unsigned j = 0; j < 10; j++) {
            guest_send(0, j, GUEST_BUFFERS, 4, false);
        }
        guest_kick(0);
        g_assert_true(guest_wait_used(0, 10));
    }
    g_assert_cmpuint(echo()->handled, ==, 70000);
    guest_unplug();
}

static void test_indirect(void)
{
    struct vring_desc *table = guest_ptr(GUEST_BUFFERS + 0x8000);

    start(F_INDIRECT);
    strcpy(guest_ptr(GUEST_BUFFERS), "indirect");
    table[0] = (struct vring_desc){ GUEST_BUFFERS + 4, 4, NEXT, 2 };
    table[2] = (struct vring_desc){ GUEST_BUFFERS + 0x1000, 64, WRITE, 0 };
    guest_desc(0, 0, GUEST_BUFFERS, 4, NEXT, 1);
    guest_desc(0, 1, GUEST_BUFFERS + 0x8000, 3 * 16, INDIRECT, 0);
    guest_offer(0, 0);
    guest_kick(0);
    g_assert_true(guest_wait_used(0, 1));
    g_assert_cmpmem(guest_ptr(GUEST_BUFFERS + 0x1000), 8, "indirect", 8);
    guest_unplug();
}

static void test_interrupts(void)
{
    uint16_t *avail = guest_ptr(GUEST_AVAIL(0)), *used = guest_ptr(GUEST_USED(0));

    start(0);
    avail[0] = VRING_AVAIL_F_NO_INTERRUPT;
    guest_send(0, 0, GUEST_BUFFERS, 4, false);
    guest_kick(0);
    g_assert_true(guest_wait_used(0, 1));
    g_assert_false(guest.line);
    guest_unplug();

    start(F_EVENT);
    avail[2 + GUEST_NUM] = 0; /* used_event: the first */
    guest_send(0, 0, GUEST_BUFFERS, 4, false);
    guest_kick(0);
    g_assert_true(guest_wait_used(0, 1));
    g_assert_true(guest.line);
    guest_isr();
    avail[2 + GUEST_NUM] = 2; /* not the next, the one behind it */
    guest_send(0, 0, GUEST_BUFFERS, 4, false);
    guest_kick(0);
    g_assert_true(guest_wait_used(0, 1));
    g_assert_false(guest.line);
    guest_send(0, 0, GUEST_BUFFERS, 4, false);
    guest_kick(0);
    g_assert_true(guest_wait_used(0, 1));
    g_assert_true(guest.line);
    /* avail_event follows what was popped, so that the next one is kicked for. */
    g_assert_cmpuint(used[2 + 4 * GUEST_NUM], ==, 3);
    guest_unplug();
}

/* 2.1.2: nothing is consumed before DRIVER_OK, and nothing that was offered before is forgotten. */
static void test_early_kick(void)
{
    guest_plug(&echo_type, NULL);
    reg_write(VIRTIO_PCI_COMMON_STATUS, 3, 1);
    reg_write(VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
    reg_write(VIRTIO_PCI_COMMON_GF, 1, 4);
    reg_write(VIRTIO_PCI_COMMON_STATUS, 0xb, 1);
    guest_setup_queue(0);
    guest_send(0, 0, GUEST_BUFFERS, 4, false);
    guest_kick(0);
    guest_settle();
    g_assert_cmpuint(guest_used(0), ==, 0);
    reg_write(VIRTIO_PCI_COMMON_STATUS, 0xf, 1);
    g_assert_true(guest_wait_used(0, 1));
    guest_unplug();
}

/* 2.1.1: no bit of the status goes but by a reset, and with DRIVER_OK the features stay as they are. */
static void test_status_bits_stay(void)
{
    start(F_EVENT);
    reg_write(VIRTIO_PCI_COMMON_STATUS, 1, 1);
    g_assert_cmphex(reg_read(VIRTIO_PCI_COMMON_STATUS, 1), ==, 0xf);
    reg_write(VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
    reg_write(VIRTIO_PCI_COMMON_GF, 0, 4);
    g_assert_true(virtio_has_feature(&echo()->vdev, VIRTIO_RING_F_EVENT_IDX));
    reg_write(VIRTIO_PCI_COMMON_STATUS, VIRTIO_CONFIG_S_FAILED | VIRTIO_CONFIG_S_NEEDS_RESET, 1);
    g_assert_cmphex(reg_read(VIRTIO_PCI_COMMON_STATUS, 1), ==, 0xf | VIRTIO_CONFIG_S_FAILED);
    reg_write(VIRTIO_PCI_COMMON_STATUS, 0, 1);
    g_assert_cmphex(reg_read(VIRTIO_PCI_COMMON_STATUS, 1), ==, 0);
    guest_unplug();
}

static void test_vm_stop(void)
{
    start(0);
    set_vm_running(false);
    guest_send(0, 0, GUEST_BUFFERS, 4, false);
    guest_kick(0);
    guest_settle();
    g_assert_cmpuint(guest_used(0), ==, 0);
    set_vm_running(true);
    g_assert_true(guest_wait_used(0, 1));
    /* No bus mastering, no DMA. */
    pci_config_write(&guest.bus, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    guest_send(0, 0, GUEST_BUFFERS, 4, false);
    guest_kick(0);
    guest_settle();
    g_assert_cmpuint(guest_used(0), ==, 1);
    guest_map();
    g_assert_true(guest_wait_used(0, 1));
    guest_unplug();
}

/* What a device writes is dirty. */
static void test_dirty(void)
{
    unsigned long *map = bitmap_new(GUEST_RAM >> GUEST_PAGE_BITS);

    start(0);
    dirty_log_enable(DIRTY_CLIENT_MIGRATION);
    guest_desc(0, 0, GUEST_BUFFERS, 4, NEXT, 1);
    guest_desc(0, 1, GUEST_BUFFERS + 0x5000, 4, WRITE, 0);
    guest_offer(0, 0);
    guest_kick(0);
    g_assert_true(guest_wait_used(0, 1));
    ram_block_dirty_take(guest.ram, DIRTY_CLIENT_MIGRATION, 0, GUEST_RAM >> GUEST_PAGE_BITS, map);
    g_assert_true(bitmap_test(map, (GUEST_BUFFERS + 0x5000) >> GUEST_PAGE_BITS));
    g_assert_true(bitmap_test(map, GUEST_USED(0) >> GUEST_PAGE_BITS));
    g_assert_false(bitmap_test(map, GUEST_BUFFERS >> GUEST_PAGE_BITS));
    g_assert_false(bitmap_test(map, GUEST_AVAIL(0) >> GUEST_PAGE_BITS));
    dirty_log_disable(DIRTY_CLIENT_MIGRATION);
    bitmap_free(map, GUEST_RAM >> GUEST_PAGE_BITS);
    guest_unplug();
}

/* ---- Bad drivers: each makes the device need a reset, and a reset makes it well ---- */

static void assert_broken_then_well(void)
{
    unsigned handled = echo()->handled;

    guest_kick(0);
    g_assert_true(guest_needs_reset());
    g_assert_true(guest_isr() & 2);
    guest_kick(0);
    guest_settle();
    g_assert_cmpuint(echo()->handled, ==, handled);
    guest_start(F_INDIRECT, 2);
    g_assert_false(guest_needs_reset());
    guest_send(0, 0, GUEST_BUFFERS, 4, false);
    guest_kick(0);
    g_assert_true(guest_wait_used(0, 1));
    guest_unplug();
}

static void bad_loop(void)
{
    guest_desc(0, 0, GUEST_BUFFERS, 4, NEXT, 1);
    guest_desc(0, 1, GUEST_BUFFERS, 4, NEXT, 0);
    guest_offer(0, 0);
}

static void bad_loop_to_itself(void)
{
    guest_desc(0, 9, GUEST_BUFFERS, 4, NEXT, 9);
    guest_offer(0, 9);
}

static void bad_head(void)
{
    guest_offer(0, GUEST_NUM);
}

static void bad_next(void)
{
    guest_desc(0, 0, GUEST_BUFFERS, 4, NEXT, GUEST_NUM);
    guest_offer(0, 0);
}

static void bad_wild_address(void)
{
    guest_send(0, 0, 0x123456789abcull, 4, false);
}

static void bad_end_of_ram(void)
{
    guest_send(0, 0, GUEST_RAM - 4, 8, true);
}

static void bad_wrapping_address(void)
{
    guest_send(0, 0, UINT64_MAX - 1, 8, false);
}

static void bad_mmio_address(void)
{
    guest_send(0, 0, GUEST_BAR, 4, true); /* the device's own registers */
}

static void bad_oversized(void)
{
    guest_send(0, 0, GUEST_BUFFERS, UINT32_MAX, true);
}

static void bad_zero_length(void)
{
    guest_send(0, 0, GUEST_BUFFERS, 0, false);
}

static void bad_order(void)
{
    guest_desc(0, 0, GUEST_BUFFERS, 4, NEXT | WRITE, 1);
    guest_desc(0, 1, GUEST_BUFFERS, 4, 0, 0);
    guest_offer(0, 0);
}

static void bad_avail_index(void)
{
    ((uint16_t *)guest_ptr(GUEST_AVAIL(0)))[1] = GUEST_NUM + 1;
}

static void put_table(struct vring_desc first)
{
    *(struct vring_desc *)guest_ptr(GUEST_BUFFERS) = first;
}

static void bad_nested_indirect(void)
{
    put_table((struct vring_desc){ GUEST_BUFFERS, 16, INDIRECT, 0 });
    guest_desc(0, 0, GUEST_BUFFERS, 16, INDIRECT, 0);
    guest_offer(0, 0);
}

static void bad_indirect_loop(void)
{
    put_table((struct vring_desc){ GUEST_BUFFERS, 16, NEXT, 0 });
    guest_desc(0, 0, GUEST_BUFFERS, 16, INDIRECT, 0);
    guest_offer(0, 0);
}

static void bad_indirect_length(void)
{
    guest_desc(0, 0, GUEST_BUFFERS, 17, INDIRECT, 0);
    guest_offer(0, 0);
}

static void bad_indirect_huge(void)
{
    guest_desc(0, 0, GUEST_BUFFERS, 0xfffffff0, INDIRECT, 0);
    guest_offer(0, 0);
}

static void bad_indirect_next(void)
{
    put_table((struct vring_desc){ GUEST_BUFFERS, 16, 0, 0 });
    guest_desc(0, 0, GUEST_BUFFERS, 16, INDIRECT | NEXT, 1);
    guest_offer(0, 0);
}

static void bad_indirect_outside(void)
{
    guest_desc(0, 0, 0x123456789000ull, 32, INDIRECT, 0);
    guest_offer(0, 0);
}

static const struct bad_driver {
    const char *name;
    void (*act)(void);
} bad_drivers[] = {
    { "loop", bad_loop }, { "loop-to-itself", bad_loop_to_itself }, { "head", bad_head }, { "next", bad_next },
    { "wild-address", bad_wild_address }, { "end-of-ram", bad_end_of_ram },
    { "wrapping-address", bad_wrapping_address }, { "mmio-address", bad_mmio_address },
    { "oversized", bad_oversized }, { "zero-length", bad_zero_length }, { "order", bad_order },
    { "avail-index", bad_avail_index }, { "nested-indirect", bad_nested_indirect },
    { "indirect-loop", bad_indirect_loop }, { "indirect-length", bad_indirect_length },
    { "indirect-huge", bad_indirect_huge }, { "indirect-next", bad_indirect_next },
    { "indirect-outside", bad_indirect_outside },
};

static void test_bad(gconstpointer data)
{
    const struct bad_driver *bad = data;

    start(F_INDIRECT);
    bad->act();
    assert_broken_then_well();
}

static void test_indirect_not_negotiated(void)
{
    start(0);
    put_table((struct vring_desc){ GUEST_BUFFERS, 16, 0, 0 });
    guest_desc(0, 0, GUEST_BUFFERS, 16, INDIRECT, 0);
    guest_offer(0, 0);
    assert_broken_then_well();
}

/* Rings outside RAM, or nowhere near where they should be. */
static void test_bad_rings(void)
{
    static const struct { unsigned lo, hi; } fields[] = {
        { VIRTIO_PCI_COMMON_Q_DESCLO, VIRTIO_PCI_COMMON_Q_DESCHI },
        { VIRTIO_PCI_COMMON_Q_AVAILLO, VIRTIO_PCI_COMMON_Q_AVAILHI },
        { VIRTIO_PCI_COMMON_Q_USEDLO, VIRTIO_PCI_COMMON_Q_USEDHI },
    };
    static const uint64_t places[] = { 0x7fffffffff000ull, UINT64_MAX - 3, GUEST_BAR, GUEST_RAM - 2 };

    for (unsigned f = 0; f < G_N_ELEMENTS(fields); f++) {
        for (unsigned p = 0; p < G_N_ELEMENTS(places); p++) {
            start(0);
            reg_write(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
            /* Changing an enabled queue has no effect, */
            reg_write(fields[f].lo, places[p], 4);
            reg_write(fields[f].hi, places[p] >> 32, 4);
            guest_send(0, 0, GUEST_BUFFERS, 4, false);
            guest_kick(0);
            g_assert_true(guest_wait_used(0, 1));
            /* setting it up so does. */
            reg_write(VIRTIO_PCI_COMMON_STATUS, 0, 1);
            reg_write(VIRTIO_PCI_COMMON_STATUS, 3, 1);
            reg_write(VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
            reg_write(VIRTIO_PCI_COMMON_GF, 1, 4);
            reg_write(VIRTIO_PCI_COMMON_STATUS, 0xb, 1);
            guest_setup_queue(1);
            reg_write(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
            reg_write(VIRTIO_PCI_COMMON_Q_DESCLO, GUEST_DESC(0), 4);
            reg_write(VIRTIO_PCI_COMMON_Q_AVAILLO, GUEST_AVAIL(0), 4);
            reg_write(VIRTIO_PCI_COMMON_Q_USEDLO, GUEST_USED(0), 4);
            reg_write(fields[f].lo, places[p], 4);
            reg_write(fields[f].hi, places[p] >> 32, 4);
            reg_write(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
            guest.avail[0] = 0;
            guest_send(0, 0, GUEST_BUFFERS, 4, false);
            reg_write(VIRTIO_PCI_COMMON_STATUS, 0xf, 1);
            guest_kick(0);
            g_assert_true(guest_needs_reset());
            guest_unplug();
        }
    }
}

/* Random rings: whatever happens, it ends. */
static void test_random(void)
{
    start(F_INDIRECT | F_EVENT);
    for (int round = 0; round < 2000; round++) {
        uint32_t *desc = guest_ptr(GUEST_DESC(0));
        uint16_t *avail = guest_ptr(GUEST_AVAIL(0));

        for (unsigned i = 0; i < GUEST_NUM * 4; i += 4) {
            desc[i] = g_test_rand_int_range(0, 4) ? GUEST_BUFFERS + g_test_rand_int_range(0, 65536) : (uint32_t)g_test_rand_int();
            desc[i + 1] = g_test_rand_int_range(0, 50) ? 0 : (uint32_t)g_test_rand_int();
            desc[i + 2] = g_test_rand_int_range(0, 4) ? (uint32_t)g_test_rand_int_range(1, 8192) : (uint32_t)g_test_rand_int();
            desc[i + 3] = g_test_rand_int_range(0, 8) | g_test_rand_int_range(0, GUEST_NUM + 1) << 16;
        }
        for (unsigned i = 0; i < GUEST_NUM; i++) {
            avail[2 + i] = g_test_rand_int_range(0, GUEST_NUM + 1);
        }
        avail[1] += g_test_rand_int_range(0, GUEST_NUM + 8);
        guest_kick(0);
        if (guest_needs_reset()) {
            guest_start(F_INDIRECT | F_EVENT, 2);
        }
    }
    guest_unplug();
}

/* ---- Transport ---- */

static void test_registers(void)
{
    guest_plug(&echo_type, (const char *const[]){ "vectors=3", NULL });
    g_assert_cmphex(guest_offered(), ==, F_INDIRECT | F_EVENT | VIRTIO_FEATURE(VIRTIO_F_VERSION_1) |
                                             VIRTIO_FEATURE(VIRTIO_F_RING_RESET_BIT));
    guest_start(F_EVENT, 2);
    g_assert_cmpuint(reg_read(VIRTIO_PCI_COMMON_NUMQ, 2), ==, 2);
    reg_write(VIRTIO_PCI_COMMON_MSIX, 2, 2);
    g_assert_cmphex(reg_read(VIRTIO_PCI_COMMON_MSIX, 2), ==, 2);
    reg_write(VIRTIO_PCI_COMMON_MSIX, 3, 2); /* no such vector */
    g_assert_cmphex(reg_read(VIRTIO_PCI_COMMON_MSIX, 2), ==, VIRTIO_NO_VECTOR);
    reg_write(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
    g_assert_cmphex(reg_read(VIRTIO_PCI_COMMON_Q_DESCLO, 4), ==, GUEST_DESC(1));
    g_assert_cmpuint(reg_read(VIRTIO_PCI_COMMON_Q_NOFF, 2), ==, 1);
    g_assert_cmphex(reg_read(VIRTIO_PCI_COMMON_Q_DESCLO + 1, 1), ==, GUEST_DESC(1) >> 8 & 0xff);
    for (unsigned q = 2; q < 70000; q = q * 3) { /* none */
        reg_write(VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
        g_assert_cmpuint(reg_read(VIRTIO_PCI_COMMON_Q_SIZE, 2), ==, 0);
        reg_write(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
    }
    /* Sizes that are none. */
    reg_write(VIRTIO_PCI_COMMON_STATUS, 0, 1);
    reg_write(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
    for (unsigned size = 0; size < 5; size++) {
        static const uint16_t sizes[] = { 0, 3, 256, 0xffff, 100 };

        reg_write(VIRTIO_PCI_COMMON_Q_SIZE, sizes[size], 2);
        g_assert_cmpuint(reg_read(VIRTIO_PCI_COMMON_Q_SIZE, 2), ==, GUEST_NUM);
    }
    /* Features are settled by FEATURES_OK. */
    guest_start(F_EVENT, 0);
    reg_write(VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
    reg_write(VIRTIO_PCI_COMMON_GF, 0xffffffff, 4);
    g_assert_cmphex(echo()->vdev.guest_features, ==, F_EVENT | VIRTIO_FEATURE(VIRTIO_F_VERSION_1));
    reg_write(CONFIG_REG + 1, 0xab, 1);
    g_assert_cmphex(reg_read(CONFIG_REG, 4), ==, 0xab00);
    g_assert_cmphex(reg_read(CONFIG_REG + 4, 4), ==, 0xffffffff);
    guest_unplug();
}

/* Every register, every width, random values: nothing falls over. */
static void test_register_noise(void)
{
    guest_plug(&echo_type, (const char *const[]){ "vectors=3", NULL });
    for (int i = 0; i < 100000; i++) {
        hwaddr offset = g_test_rand_int_range(0, 4) << 12 | g_test_rand_int_range(0, 0x48);
        unsigned size = 1 << g_test_rand_int_range(0, 3);

        if (g_test_rand_int_range(0, 2)) {
            reg_write(offset, (uint32_t)g_test_rand_int() >> (g_test_rand_int_range(0, 2) ? 28 : 0), size);
        } else {
            reg_read(offset, size);
        }
    }
    guest_unplug();
}

static void test_ring_reset(void)
{
    start(VIRTIO_FEATURE(VIRTIO_F_RING_RESET_BIT));
    guest_send(0, 0, GUEST_BUFFERS, 4, false);
    guest_kick(0);
    g_assert_true(guest_wait_used(0, 1));
    reg_write(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
    reg_write(58, 1, 2);
    g_assert_cmpuint(reg_read(58, 2), ==, 0);
    g_assert_cmpuint(reg_read(VIRTIO_PCI_COMMON_Q_ENABLE, 2), ==, 0);
    guest_kick(0);
    guest_setup_queue(0);
    guest_send(0, 5, GUEST_BUFFERS, 4, false);
    guest_kick(0);
    g_assert_true(guest_wait_used(0, 1));
    guest_unplug();
}

static void config_write(unsigned reg, uint32_t value, unsigned size)
{
    pci_config_write(&guest.bus, ((struct pci_device *)guest.dev)->devfn << 8 | reg, value, size);
}

static uint32_t config_read(unsigned reg, unsigned size)
{
    return pci_config_read(&guest.bus, ((struct pci_device *)guest.dev)->devfn << 8 | reg, size);
}

/* The capabilities where a guest on stock's pc finds them, and the window behind the last one. */
static void test_capabilities(void)
{
    static const uint8_t expected[] = { /* types, from the list's head */ 5, 2, 4, 3, 1 };
    unsigned at, n = 0;

    guest_plug(&echo_type, NULL);
    g_assert_cmphex(config_read(0, 4), ==, 0x10021af4);
    g_assert_cmphex(config_read(PCI_SUBSYSTEM_VENDOR_ID, 4), ==, 0x00051af4);
    at = config_read(PCI_CAPABILITY_LIST, 1);
    g_assert_cmphex(at, ==, 0x84);
    for (; at; at = config_read(at + 1, 1), n++) {
        g_assert_cmphex(config_read(at, 1), ==, PCI_CAP_ID_VNDR);
        g_assert_cmphex(config_read(at + 3, 1), ==, expected[n]);
    }
    g_assert_cmpuint(n, ==, 5);
    g_assert_cmphex(config_read(0x70, 4), ==, 0x02146009);
    g_assert_cmphex(config_read(0x78, 4), ==, 0x3000);
    g_assert_cmphex(config_read(0x80, 4), ==, 4);
    /* The window: device_status through configuration space. */
    config_write(0x84 + 4, 4, 1);
    config_write(0x84 + 8, VIRTIO_PCI_COMMON_STATUS, 4);
    config_write(0x84 + 12, 1, 4);
    config_write(0x84 + 16, 3, 4);
    g_assert_cmphex(reg_read(VIRTIO_PCI_COMMON_STATUS, 1), ==, 3);
    g_assert_cmphex(config_read(0x84 + 16, 4), ==, 3);
    config_write(0x84 + 8, 0xfffffff0, 4);
    config_write(0x84 + 12, 4, 4);
    config_write(0x84 + 16, 0, 4);
    g_assert_cmphex(config_read(0x84 + 16, 4), ==, 0xffffffff);
    guest_unplug();

    guest_plug(&echo_type, (const char *const[]){ "disable-legacy=on", NULL });
    g_assert_cmphex(config_read(0, 4), ==, 0x10451af4);
    g_assert_cmphex(config_read(PCI_REVISION_ID, 1), ==, 1);
    g_assert_cmphex(config_read(PCI_BASE_ADDRESS_0, 4), ==, 0);
    guest_unplug();
}

static uint32_t port_read(unsigned offset, unsigned size)
{
    uint32_t value = 0;

    address_space_read(&address_space_io, 0xc000 + offset, &value, size);
    return value;
}

static void port_write(unsigned offset, uint32_t value, unsigned size)
{
    address_space_write(&address_space_io, 0xc000 + offset, &value, size);
}

/* A legacy driver from before bus mastering was turned on by all. */
static void test_legacy(void)
{
    hwaddr desc = 0x300000, avail = desc + GUEST_NUM * 16, used = (avail + 6 + GUEST_NUM * 2 + 4095) & ~4095ull;
    struct vring_desc *descs = guest_ptr(desc);
    uint16_t *ring = guest_ptr(avail);

    guest_plug(&echo_type, (const char *const[]){ "disable-modern=on", NULL });
    config_write(PCI_BASE_ADDRESS_0, 0xc000, 4);
    config_write(PCI_COMMAND, PCI_COMMAND_IO, 2);
    port_write(VIRTIO_PCI_STATUS, 3, 1);
    g_assert_cmphex(port_read(VIRTIO_PCI_HOST_FEATURES, 4), ==, 0x79000000);
    port_write(VIRTIO_PCI_GUEST_FEATURES, 0xffffffff, 4); /* takes all: understands nothing */
    g_assert_cmphex(port_read(VIRTIO_PCI_GUEST_FEATURES, 4), ==, 0);
    port_write(VIRTIO_PCI_QUEUE_SEL, 1, 2);
    g_assert_cmpuint(port_read(VIRTIO_PCI_QUEUE_NUM, 2), ==, GUEST_NUM);
    port_write(VIRTIO_PCI_QUEUE_PFN, desc >> 12, 4);
    g_assert_cmphex(port_read(VIRTIO_PCI_QUEUE_PFN, 4), ==, desc >> 12);
    memset(guest_ptr(desc), 0, 0x4000);
    strcpy(guest_ptr(GUEST_BUFFERS), "legacy");
    descs[0] = (struct vring_desc){ GUEST_BUFFERS, 7, NEXT, 1 };
    descs[1] = (struct vring_desc){ GUEST_BUFFERS + 0x1000, 16, WRITE, 0 };
    ring[2] = 0;
    ring[1] = 1;
    port_write(VIRTIO_PCI_STATUS, 7, 1);
    g_assert_cmphex(config_read(PCI_COMMAND, 2) & PCI_COMMAND_MASTER, !=, 0);
    port_write(VIRTIO_PCI_QUEUE_NOTIFY, 1, 2);
    guest_settle();
    g_assert_cmpuint(((uint16_t *)guest_ptr(used))[1], ==, 1);
    g_assert_cmpstr(guest_ptr(GUEST_BUFFERS + 0x1000), ==, "legacy");
    g_assert_cmphex(port_read(VIRTIO_PCI_ISR, 1), ==, 1);
    port_write(VIRTIO_PCI_CONFIG_OFF(0), 0x12345678, 4);
    g_assert_cmphex(port_read(VIRTIO_PCI_CONFIG_OFF(0) + 2, 2), ==, 0x1234);
    for (int i = 0; i < 20000; i++) {
        unsigned offset = g_test_rand_int_range(0, 32), size = 1 << g_test_rand_int_range(0, 3);

        if (g_test_rand_int_range(0, 2)) {
            port_read(offset, size);
        } else {
            port_write(offset, g_test_rand_int(), size);
        }
    }
    guest_unplug();
}

static void test_no_interface(void)
{
    g_autoptr(GError) error = NULL;
    struct device *dev = device_new(&echo_type, NULL);

    device_set(dev, "disable-legacy", "on");
    device_set(dev, "disable-modern", "on");
    g_assert_false(device_realize(dev, &guest.bus.bus, &error));
    g_assert_nonnull(strstr(error->message, "leave no interface"));
    device_free(dev);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    guest_init();
    device_types_set(types);
    g_test_add_func("/virtqueue/echo", test_echo);
    g_test_add_func("/virtqueue/wrap", test_wrap);
    g_test_add_func("/virtqueue/indirect", test_indirect);
    g_test_add_func("/virtqueue/interrupts", test_interrupts);
    g_test_add_func("/virtqueue/early-kick", test_early_kick);
    g_test_add_func("/virtqueue/status-bits-stay", test_status_bits_stay);
    g_test_add_func("/virtqueue/vm-stop", test_vm_stop);
    g_test_add_func("/virtqueue/dirty", test_dirty);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad_drivers); i++) {
        g_autofree char *path = g_strdup_printf("/virtqueue/bad/%s", bad_drivers[i].name);

        g_test_add_data_func(path, &bad_drivers[i], test_bad);
    }
    g_test_add_func("/virtqueue/bad/indirect-not-negotiated", test_indirect_not_negotiated);
    g_test_add_func("/virtqueue/bad/rings", test_bad_rings);
    g_test_add_func("/virtqueue/bad/random", test_random);
    g_test_add_func("/virtio-pci/registers", test_registers);
    g_test_add_func("/virtio-pci/noise", test_register_noise);
    g_test_add_func("/virtio-pci/ring-reset", test_ring_reset);
    g_test_add_func("/virtio-pci/capabilities", test_capabilities);
    g_test_add_func("/virtio-pci/legacy", test_legacy);
    g_test_add_func("/virtio-pci/no-interface", test_no_interface);
    return g_test_run();
}
