/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "libferry-virtio.h"

#include <string.h>

#define TRIES 20000 /* of a millisecond */

uint32_t virtio_pci_read(struct virtio_driver *d, unsigned reg)
{
    qtest_outl(d->q, 0xcf8, 0x80000000u | d->slot << 11 | reg);
    return qtest_inl(d->q, 0xcfc);
}

void virtio_pci_write(struct virtio_driver *d, unsigned reg, uint32_t value)
{
    qtest_outl(d->q, 0xcf8, 0x80000000u | d->slot << 11 | reg);
    qtest_outl(d->q, 0xcfc, value);
}

void virtio_driver_init(struct virtio_driver *d, struct qtest *q, unsigned slot)
{
    *d = (struct virtio_driver){ .q = q, .slot = slot };
    virtio_pci_write(d, PCI_COMMAND, 0);
    virtio_pci_write(d, PCI_BASE_ADDRESS_0, VIRTIO_BAR0);
    virtio_pci_write(d, PCI_BASE_ADDRESS_1, VIRTIO_BAR1);
    virtio_pci_write(d, PCI_BASE_ADDRESS_4, (uint32_t)VIRTIO_BAR4);
    virtio_pci_write(d, PCI_BASE_ADDRESS_5, 0);
    virtio_pci_write(d, PCI_INTERRUPT_LINE, 10);
    virtio_pci_write(d, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_IO | PCI_COMMAND_MASTER);
}

uint64_t virtio_driver_offered(struct virtio_driver *d)
{
    uint64_t low;

    qtest_writel(d->q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_DFSELECT, 0);
    low = qtest_readl(d->q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_DF);
    qtest_writel(d->q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_DFSELECT, 1);
    return low | (uint64_t)qtest_readl(d->q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_DF) << 32;
}

uint8_t virtio_driver_status(struct virtio_driver *d)
{
    return qtest_readb(d->q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_STATUS);
}

static void set_status(struct virtio_driver *d, uint8_t status)
{
    qtest_writeb(d->q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_STATUS, status);
    g_assert_cmphex(virtio_driver_status(d), ==, status);
}

void virtio_driver_setup_queue(struct virtio_driver *d, unsigned n)
{
    qtest_memset(d->q, VIRTIO_DESC(n), 0, 0x4000);
    d->offered[n] = d->seen[n] = 0;
    qtest_writew(d->q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_Q_SELECT, (uint16_t)n);
    qtest_writew(d->q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_Q_SIZE, VIRTIO_NUM);
    qtest_writel(d->q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_Q_DESCLO, (uint32_t)VIRTIO_DESC(n));
    qtest_writel(d->q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_Q_AVAILLO, (uint32_t)VIRTIO_AVAIL(n));
    qtest_writel(d->q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_Q_USEDLO, (uint32_t)VIRTIO_USED(n));
    qtest_writew(d->q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_Q_ENABLE, 1);
}

void virtio_driver_start(struct virtio_driver *d, uint64_t features, unsigned queues)
{
    features |= 1ull << VIRTIO_F_VERSION_1;
    set_status(d, 0);
    set_status(d, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
    for (unsigned i = 0; i < 2; i++) {
        qtest_writel(d->q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_GFSELECT, i);
        qtest_writel(d->q, VIRTIO_COMMON + VIRTIO_PCI_COMMON_GF, (uint32_t)(features >> 32 * i));
    }
    set_status(d, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK);
    for (unsigned n = 0; n < queues; n++) {
        virtio_driver_setup_queue(d, n);
    }
    set_status(d, virtio_driver_status(d) | VIRTIO_CONFIG_S_DRIVER_OK);
}

void virtio_driver_wait_broken(struct virtio_driver *d)
{
    for (int tries = 0; !(virtio_driver_status(d) & VIRTIO_CONFIG_S_NEEDS_RESET); tries++) {
        g_assert_cmpint(tries, <, TRIES);
        g_usleep(1000);
    }
}

void virtio_driver_desc(struct virtio_driver *d, unsigned queue, unsigned n, struct vring_desc desc)
{
    qtest_memwrite(d->q, VIRTIO_DESC(queue) + n * sizeof(desc), &desc, sizeof(desc));
}

void virtio_driver_chain(struct virtio_driver *d, unsigned queue, unsigned head, const struct vring_desc *descs,
                         unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct vring_desc desc = descs[i];

        if (i + 1 < count) {
            desc.flags |= NEXT;
            desc.next = (uint16_t)(head + i + 1);
        }
        virtio_driver_desc(d, queue, head + i, desc);
    }
}

void virtio_driver_offer(struct virtio_driver *d, unsigned queue, uint16_t head)
{
    qtest_writew(d->q, VIRTIO_AVAIL(queue) + 4 + 2 * (d->offered[queue] % VIRTIO_NUM), head);
    qtest_writew(d->q, VIRTIO_AVAIL(queue) + 2, ++d->offered[queue]);
}

void virtio_driver_kick(struct virtio_driver *d, unsigned queue)
{
    qtest_writew(d->q, VIRTIO_NOTIFY + 4 * queue, (uint16_t)queue);
}

void virtio_driver_wait(struct virtio_driver *d, unsigned queue, unsigned count)
{
    d->seen[queue] = (uint16_t)(d->seen[queue] + count);
    for (int tries = 0; qtest_readw(d->q, VIRTIO_USED(queue) + 2) != d->seen[queue]; tries++) {
        g_assert_cmpint(tries, <, TRIES);
        g_usleep(1000);
    }
}

struct vring_used_elem virtio_driver_used(struct virtio_driver *d, unsigned queue)
{
    struct vring_used_elem used;

    qtest_memread(d->q, VIRTIO_USED(queue) + 4 + 8 * ((uint16_t)(d->seen[queue] - 1) % VIRTIO_NUM), &used,
                  sizeof(used));
    return used;
}
