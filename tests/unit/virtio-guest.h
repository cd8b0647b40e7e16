/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver for unit tests: guest RAM, a PCI bus with one virtio device on it, and split rings at fixed places. It
 * does what it is told, the wrong things too.
 */
#ifndef FERRY_TESTS_VIRTIO_GUEST_H
#define FERRY_TESTS_VIRTIO_GUEST_H

#include <string.h>

#include "hw/core/device.h"
#include "hw/pci/pci.h"
#include "hw/virtio/virtio.h"
#include "util/main-loop.h"
#include <linux/virtio_pci.h>

#define GUEST_RAM    (64ull << 20)
#define GUEST_BAR    0xfe000000ull
#define GUEST_NUM    128 /* descriptors of each ring */
/* A queue's rings: 64 KiB apart. */
#define GUEST_DESC(q)  (0x100000ull + (q) * 0x10000ull)
#define GUEST_AVAIL(q) (GUEST_DESC(q) + 0x4000)
#define GUEST_USED(q)  (GUEST_DESC(q) + 0x8000)
#define GUEST_BUFFERS  0x200000ull

struct guest {
    struct memory_region pci_space, ram_region;
    struct ram_block *ram;
    struct pci_bus bus;
    struct device *dev;
    uint16_t avail[8], used_seen[8]; /* indexes, by queue */
    bool line;                       /* INTx */
    unsigned interrupts;             /* rising edges */
};

static struct guest guest;

static inline int guest_map_irq(struct pci_device *dev, int pin)
{
    return 0;
}

static inline void guest_set_irq(void *opaque, int line, bool level)
{
    guest.interrupts += level && !guest.line;
    guest.line = level;
}

static inline void guest_init(void)
{
    main_loop_init();
    memory_init();
    guest.ram = ram_block_new("pc.ram", GUEST_RAM, NULL);
    guest.ram->migratable = true;
    memory_region_init_ram(&guest.ram_region, guest.ram, "ram", GUEST_RAM);
    memory_region_add(&system_memory, 0, &guest.ram_region, 0);
    memory_region_init_container(&guest.pci_space, "pci", UINT64_MAX);
    memory_region_add(&system_memory, 0, &guest.pci_space, -1);
    pci_bus_init(&guest.bus, NULL, "pci.0", &guest.pci_space, &system_io);
    pci_bus_set_irq(&guest.bus, guest_map_irq, guest_set_irq, NULL);
}

static inline void *guest_ptr(hwaddr gpa)
{
    g_assert(gpa < GUEST_RAM);
    return guest.ram->host + gpa;
}

/* ---- Modern registers ---- */

static inline uint32_t reg_read(hwaddr offset, unsigned size)
{
    uint32_t value = 0;

    address_space_read(&address_space_memory, GUEST_BAR + offset, &value, size);
    return value;
}

static inline void reg_write(hwaddr offset, uint32_t value, unsigned size)
{
    address_space_write(&address_space_memory, GUEST_BAR + offset, &value, size);
}

#define CONFIG_REG 0x2000 /* the device's own */
static inline uint8_t guest_isr(void) { return reg_read(0x1000, 1); }
static inline void guest_kick(unsigned q) { reg_write(0x3000 + 4 * q, q, 2); }

static inline void guest_map(void)
{
    pci_config_write(&guest.bus, ((struct pci_device *)guest.dev)->devfn << 8 | PCI_BASE_ADDRESS_4, GUEST_BAR, 4);
    pci_config_write(&guest.bus, ((struct pci_device *)guest.dev)->devfn << 8 | PCI_COMMAND,
                     PCI_COMMAND_MEMORY | PCI_COMMAND_IO | PCI_COMMAND_MASTER, 2);
}

/* A device with "name=value" properties, realized and mapped. */
static inline void guest_plug(const struct device_type *type, const char *const *properties)
{
    g_autoptr(GError) error = NULL;

    guest.dev = device_new(type, NULL);
    for (; properties && *properties; properties++) {
        g_auto(GStrv) pair = g_strsplit(*properties, "=", 2);

        device_set(guest.dev, pair[0], pair[1]);
    }
    if (!device_realize(guest.dev, &guest.bus.bus, &error)) {
        g_error("%s", error->message);
    }
    type->reset(guest.dev);
    guest.interrupts = 0;
    guest_map();
}

static inline void guest_unplug(void)
{
    device_free(guest.dev);
    guest.dev = NULL;
}

static inline void guest_setup_queue(unsigned q)
{
    memset(guest_ptr(GUEST_DESC(q)), 0, 0x10000);
    guest.avail[q] = guest.used_seen[q] = 0;
    reg_write(VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
    reg_write(VIRTIO_PCI_COMMON_Q_SIZE, MIN(GUEST_NUM, reg_read(VIRTIO_PCI_COMMON_Q_SIZE, 2)), 2);
    reg_write(VIRTIO_PCI_COMMON_Q_DESCLO, GUEST_DESC(q), 4);
    reg_write(VIRTIO_PCI_COMMON_Q_DESCHI, 0, 4);
    reg_write(VIRTIO_PCI_COMMON_Q_AVAILLO, GUEST_AVAIL(q), 4);
    reg_write(VIRTIO_PCI_COMMON_Q_AVAILHI, 0, 4);
    reg_write(VIRTIO_PCI_COMMON_Q_USEDLO, GUEST_USED(q), 4);
    reg_write(VIRTIO_PCI_COMMON_Q_USEDHI, 0, 4);
    reg_write(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
}

static inline uint64_t guest_offered(void)
{
    uint64_t low;

    reg_write(VIRTIO_PCI_COMMON_DFSELECT, 0, 4);
    low = reg_read(VIRTIO_PCI_COMMON_DF, 4);
    reg_write(VIRTIO_PCI_COMMON_DFSELECT, 1, 4);
    return low | (uint64_t)reg_read(VIRTIO_PCI_COMMON_DF, 4) << 32;
}

/* Reset, negotiate, set up `queues` queues, DRIVER_OK: the driver's start as 3.1.1 has it. */
static inline void guest_start(uint64_t features, unsigned queues)
{
    features |= VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
    reg_write(VIRTIO_PCI_COMMON_STATUS, 0, 1);
    reg_write(VIRTIO_PCI_COMMON_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER, 1);
    for (unsigned i = 0; i < 2; i++) {
        reg_write(VIRTIO_PCI_COMMON_GFSELECT, i, 4);
        reg_write(VIRTIO_PCI_COMMON_GF, features >> 32 * i, 4);
    }
    reg_write(VIRTIO_PCI_COMMON_STATUS, 0xb, 1);
    g_assert_cmphex(reg_read(VIRTIO_PCI_COMMON_STATUS, 1), ==, 0xb);
    for (unsigned q = 0; q < queues; q++) {
        guest_setup_queue(q);
    }
    reg_write(VIRTIO_PCI_COMMON_STATUS, 0xf, 1);
    g_assert_cmphex(reg_read(VIRTIO_PCI_COMMON_STATUS, 1), ==, 0xf);
}

/* ---- Rings ---- */

static inline void guest_desc(unsigned q, unsigned n, hwaddr gpa, uint32_t length, uint16_t flags, uint16_t next)
{
    struct vring_desc *desc = guest_ptr(GUEST_DESC(q));

    desc[n] = (struct vring_desc){ gpa, length, flags, next };
}

static inline void guest_offer(unsigned q, uint16_t head)
{
    uint16_t *avail = guest_ptr(GUEST_AVAIL(q));

    avail[2 + guest.avail[q] % GUEST_NUM] = head;
    __atomic_store_n(&avail[1], ++guest.avail[q], __ATOMIC_RELEASE);
}

static inline uint16_t guest_used(unsigned q)
{
    return __atomic_load_n((uint16_t *)guest_ptr(GUEST_USED(q) + 2), __ATOMIC_ACQUIRE);
}

/* Waits (5 s at most) until the device has used `count` more chains. */
static inline bool guest_wait_used(unsigned q, uint16_t count)
{
    int64_t end = g_get_monotonic_time() + 5 * G_TIME_SPAN_SECOND;
    uint16_t want = guest.used_seen[q] + count;

    while (guest_used(q) != want && g_get_monotonic_time() < end) {
        main_loop_iterate(false);
        big_unlock();
        g_thread_yield();
        big_lock();
    }
    guest.used_seen[q] = guest_used(q);
    return guest.used_seen[q] == want;
}

/* Lets everything that is due happen. */
static inline void guest_settle(void)
{
    for (int i = 0; i < 20; i++) {
        main_loop_iterate(false);
    }
}

/* A one-descriptor chain. */
static inline void guest_send(unsigned q, unsigned n, hwaddr gpa, uint32_t length, bool writable)
{
    guest_desc(q, n, gpa, length, writable ? VRING_DESC_F_WRITE : 0, 0);
    guest_offer(q, n);
}

static inline bool guest_needs_reset(void)
{
    guest_settle();
    return reg_read(VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

#endif
