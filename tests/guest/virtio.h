/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio-pci driver's transport (VIRTIO 1.2, 4.1): modern registers, split rings, polled or with interrupts. */
#ifndef VIRTIO_H
#define VIRTIO_H

#include "pci.h"

#define VIRTIO_DESC_NEXT 1
#define VIRTIO_DESC_WRITE 2
#define VIRTIO_DESC_INDIRECT 4

#define VIRTIO_ACKNOWLEDGE 1
#define VIRTIO_DRIVER 2
#define VIRTIO_DRIVER_OK 4
#define VIRTIO_FEATURES_OK 8
#define VIRTIO_NEEDS_RESET 0x40

#define VIRTIO_F_INDIRECT (1ull << 28)
#define VIRTIO_F_EVENT_IDX (1ull << 29)
#define VIRTIO_F_VERSION_1 (1ull << 32)

/* The common configuration's registers. */
#define COMMON_DEVICE_SELECT 0x00
#define COMMON_DEVICE_FEATURE 0x04
#define COMMON_DRIVER_SELECT 0x08
#define COMMON_DRIVER_FEATURE 0x0c
#define COMMON_MSIX_CONFIG 0x10
#define COMMON_QUEUES 0x12
#define COMMON_STATUS 0x14
#define COMMON_GENERATION 0x15
#define COMMON_QUEUE_SELECT 0x16
#define COMMON_QUEUE_SIZE 0x18
#define COMMON_QUEUE_MSIX 0x1a
#define COMMON_QUEUE_ENABLE 0x1c
#define COMMON_QUEUE_NOTIFY_OFF 0x1e
#define COMMON_QUEUE_DESC 0x20
#define COMMON_QUEUE_AVAIL 0x28
#define COMMON_QUEUE_USED 0x30

#define QUEUE_MAX 256

struct virtio_desc {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};
struct virtio_queue {
    unsigned index, size;
    struct virtio_desc *desc;
    volatile uint16_t *avail; /* flags, idx, ring[size], used_event */
    volatile uint16_t *used;  /* flags, idx, then { id, length } of 32 bits each, avail_event */
    volatile uint16_t *doorbell;
    uint16_t added, seen;     /* counts, as the rings have them */
    bool event_idx;
};
enum virtio_interrupts { VIRTIO_POLLED, VIRTIO_INTX, VIRTIO_MSIX };
struct virtio_device {
    struct pci_function pci;
    volatile uint8_t *common, *notify, *isr, *config;
    uint32_t notify_multiplier;
    uint64_t offered, features;
    enum virtio_interrupts interrupts;
};

static inline uint8_t mmio_read8(volatile void *at) { return *(volatile uint8_t *)at; }
static inline uint16_t mmio_read16(volatile void *at) { return *(volatile uint16_t *)at; }
static inline uint32_t mmio_read32(volatile void *at) { return *(volatile uint32_t *)at; }
static inline void mmio_write8(volatile void *at, uint8_t v) { *(volatile uint8_t *)at = v; }
static inline void mmio_write16(volatile void *at, uint16_t v) { *(volatile uint16_t *)at = v; }
static inline void mmio_write32(volatile void *at, uint32_t v) { *(volatile uint32_t *)at = v; }
static inline void mmio_write64(volatile void *at, uint64_t v)
{
    mmio_write32(at, v);
    mmio_write32((volatile uint8_t *)at + 4, v >> 32);
}

extern volatile uint32_t virtio_config_interrupts, virtio_queue_interrupts;

bool virtio_find(uint16_t type, struct virtio_device *dev); /* maps its registers */
/* Reset, then as far as FEATURES_OK with what is wanted of what is offered. */
bool virtio_begin(struct virtio_device *dev, uint64_t wanted, enum virtio_interrupts interrupts);
bool virtio_queue_setup(struct virtio_device *dev, unsigned index, struct virtio_queue *q);
void virtio_go(struct virtio_device *dev);
void virtio_reset(struct virtio_device *dev);

void virtio_set_desc(struct virtio_queue *q, unsigned n, const volatile void *at, uint32_t length, uint16_t flags,
                     uint16_t next);
void virtio_publish(struct virtio_queue *q, uint16_t head); /* makes a chain available */
void virtio_kick(struct virtio_queue *q);
bool virtio_used(struct virtio_queue *q, uint32_t *head);   /* takes one finished chain */
bool virtio_finish(struct virtio_queue *q, uint64_t ticks); /* waits until all that was published has come back */

#endif
