/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver of a virtio-pci function over qtest, by its modern registers and split rings at fixed places in RAM. It
 * does what it is told, the wrong things too. It places the BARs itself, so that the same test runs on stock QEMU
 * (FERRY_BINARY=tests/qtest/stock-qtest), which is where golden sums come from.
 */
#ifndef FERRY_TESTS_LIBFERRY_VIRTIO_H
#define FERRY_TESTS_LIBFERRY_VIRTIO_H

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "libferry-qtest.h"

#define VIRTIO_BAR0   0xc000u       /* legacy ports */
#define VIRTIO_BAR1   0xfebf0000u   /* MSI-X */
#define VIRTIO_BAR4   0xfebfc000ull
#define VIRTIO_COMMON VIRTIO_BAR4
#define VIRTIO_ISR    (VIRTIO_BAR4 + 0x1000)
#define VIRTIO_CONFIG (VIRTIO_BAR4 + 0x2000)
#define VIRTIO_NOTIFY (VIRTIO_BAR4 + 0x3000)

#define VIRTIO_NUM      32 /* descriptors of each ring */
#define VIRTIO_DESC(n)  (0x100000ull + (n) * 0x4000)
#define VIRTIO_AVAIL(n) (VIRTIO_DESC(n) + 0x1000)
#define VIRTIO_USED(n)  (VIRTIO_DESC(n) + 0x2000)

#define NEXT     VRING_DESC_F_NEXT
#define WRITE    VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

struct virtio_driver {
    struct qtest *q;
    unsigned slot;
    uint16_t offered[8], seen[8]; /* avail and used indexes, by queue */
};

uint32_t virtio_pci_read(struct virtio_driver *d, unsigned reg);
void virtio_pci_write(struct virtio_driver *d, unsigned reg, uint32_t value);

/* The function of that slot: BARs, interrupt line, decoding and bus mastering. */
void virtio_driver_init(struct virtio_driver *d, struct qtest *q, unsigned slot);
/* Reset, `features` and VERSION_1, `queues` rings afresh, DRIVER_OK (VIRTIO 1.2, 3.1.1). */
void virtio_driver_start(struct virtio_driver *d, uint64_t features, unsigned queues);
uint64_t virtio_driver_offered(struct virtio_driver *d);
void virtio_driver_setup_queue(struct virtio_driver *d, unsigned queue);
uint8_t virtio_driver_status(struct virtio_driver *d);
/* Until the device says that it needs a reset; it must. */
void virtio_driver_wait_broken(struct virtio_driver *d);

void virtio_driver_desc(struct virtio_driver *d, unsigned queue, unsigned n, struct vring_desc desc);
/* `count` descriptors from number `head` on, chained; flags without NEXT. */
void virtio_driver_chain(struct virtio_driver *d, unsigned queue, unsigned head, const struct vring_desc *descs,
                         unsigned count);
void virtio_driver_offer(struct virtio_driver *d, unsigned queue, uint16_t head);
void virtio_driver_kick(struct virtio_driver *d, unsigned queue);
/* Until `count` more chains have come back; they must. */
void virtio_driver_wait(struct virtio_driver *d, unsigned queue, unsigned count);
/* The newest entry of the used ring that was waited for. */
struct vring_used_elem virtio_driver_used(struct virtio_driver *d, unsigned queue);

#endif
